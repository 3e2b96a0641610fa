# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parameters of ifconfig that bridges have."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..kernel import bridge as bridges
from ..kernel.errors import EINVAL, KernelError
from ..program import CommandError
from .parameters import Parameter, Request

VLAN_IDS = range(1, 4095)


def _call(request: Request, what: str, action: Callable[[], None]) -> None:
    """Call the bridge's driver; other drivers do not know its requests."""
    try:
        if "bridge" not in request.interface:
            raise KernelError(EINVAL)
        action()
    except KernelError as error:
        raise CommandError(f"{what}: {error}") from None


def _number(word: str, limit: int) -> int:
    """What strtoul(3) reads, decimal, octal or hexadecimal, if it fits."""
    if re.fullmatch(r"0[xX][0-9a-fA-F]+|[0-9]+", word):
        value = int(word, 16 if word[:2].lower() == "0x" else 8 if re.fullmatch("0[0-7]+", word) else 10)
        if value <= limit:
            return value
    raise CommandError(f"invalid value: {word}")


def _vlan_id(word: str, complaint: str) -> int:
    if not re.fullmatch(r"[0-9]+", word) or int(word) not in VLAN_IDS:
        raise CommandError(f"{complaint}: {word}")
    return int(word)


def _vlan_set(text: str) -> list[int]:
    if text == "none":
        return []
    if text == "all":
        return list(VLAN_IDS)
    vlans: set[int] = set()
    for token in text.split(","):
        match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", token)
        if not match or int(match[1]) not in VLAN_IDS or int(match[2] or match[1]) not in VLAN_IDS or int(match[2] or match[1]) < int(match[1]):
            raise CommandError(f"invalid vlan set: {text}")
        vlans.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return sorted(vlans)


def _addm(request: Request, words: list[str]) -> None:
    if not words:
        raise CommandError("usage: addm <interface> [opts ...]")
    name = words.pop(0)
    untagged: int | None = None
    tagged: list[int] | None = None
    while words and words[0] in ("untagged", "tagged"):
        option = words.pop(0)
        if not words:
            raise CommandError("usage: untagged <vlan id>" if option == "untagged" else "usage: tagged <vlan set>")
        if option == "untagged":
            untagged = _vlan_id(words.pop(0), "invalid VLAN identifier")
        else:
            tagged = _vlan_set(words.pop(0))
    _call(request, f"BRDGADD {name}", lambda: bridges.add_member(request.kernel, request.interface, name))
    entry = bridges.member(request.interface, name)
    if untagged is not None:
        entry["untagged"] = untagged
    if tagged is not None:
        entry["tagged"] = tagged


def _deletem(request: Request, name: str) -> None:
    _call(request, f"BRDGDEL {name}", lambda: bridges.remove_member(request.kernel, request.interface, name))


def _span(request: Request, name: str) -> None:
    _call(request, f"BRDGADDS {name}", lambda: bridges.add_span(request.kernel, request.interface, name))


def _unspan(request: Request, name: str) -> None:
    _call(request, f"BRDGDELS {name}", lambda: bridges.remove_span(request.kernel, request.interface, name))


def _member_flag(flag: str, *, on: bool) -> Parameter:
    def action(request: Request, name: str) -> None:
        _call(request, "unable to get bridge flags", lambda: bridges.set_member_flag(request.kernel, request.interface, name, flag, on=on))

    return Parameter(1, action)


def _bridge_flag(flag: str, *, on: bool) -> Parameter:
    def action(request: Request) -> None:
        def change() -> None:
            flags = request.interface["bridge"]["flags"]
            if on and flag not in flags:
                flags.append(flag)
            elif not on and flag in flags:
                flags.remove(flag)

        _call(request, "BRDGGFLAGS", change)

    return Parameter(0, action)


def _parameter(name: str, request_name: str, limit: int) -> Parameter:
    def action(request: Request, word: str) -> None:
        value = _number(word, limit)
        _call(request, f"{request_name} {word}", lambda: bridges.set_parameter(request.kernel, request.interface, name, value))

    return Parameter(1, action)


def _protocol(request: Request, word: str) -> None:
    if word.lower() not in ("stp", "rstp"):
        raise CommandError("unknown stp protocol")
    _call(request, f"BRDGSPROTO {word}", lambda: bridges.set_protocol(request.interface, word.lower()))


def _ifpriority(request: Request, name: str, word: str) -> None:
    value = _number(word, 0xFF)

    def change() -> None:
        entry = bridges.member(request.interface, name)
        if value > 240:
            raise KernelError(EINVAL)
        entry["priority"] = value - value % 16

    _call(request, f"BRDGSIFPRIO {word}", change)


def _ifpathcost(request: Request, name: str, word: str) -> None:
    value = _number(word, (1 << 64) - 1) & 0xFFFFFFFF
    _call(request, f"BRDGSIFCOST {word}", lambda: bridges.set_path_cost(request.kernel, request.interface, name, value))


def _ifmaxaddr(request: Request, name: str, word: str) -> None:
    value = _number(word, 0xFFFFFFFF)
    _call(request, f"BRDGSIFAMAX {word}", lambda: bridges.member(request.interface, name).update(maxaddr=value))


def _ifuntagged(request: Request, name: str, word: str) -> None:
    vlan = _vlan_id(word, "invalid VLAN identifier")
    _call(request, f"BRDGSIFPVID {word}", lambda: bridges.member(request.interface, name).update(untagged=vlan))


def _no_ifuntagged(request: Request, name: str) -> None:
    _call(request, "BRDGSIFPVID", lambda: bridges.member(request.interface, name).update(untagged=0))


def _iftagged(combine: Callable[[set[int], set[int]], set[int]]) -> Parameter:
    def action(request: Request, name: str, word: str) -> None:
        vlans = _vlan_set(word)

        def change() -> None:
            entry = bridges.member(request.interface, name)
            entry["tagged"] = sorted(combine(set(entry["tagged"]), set(vlans)))

        _call(request, f"BRDGSIFVLANSET {word}", change)

    return Parameter(2, action)


def _ifvlanproto(request: Request, name: str, word: str) -> None:
    if word not in ("802.1q", "802.1ad"):
        raise CommandError(f"unrecognised VLAN protocol: {word}")
    _call(request, "BRDGSIFVLANPROTO", lambda: bridges.member(request.interface, name).update(vlan_protocol=word))


def _defuntagged(request: Request, word: str) -> None:
    vlan = _vlan_id(word, "invalid vlan id")
    _call(request, "BRDGSDEFPVID", lambda: request.interface["bridge"].update(defuntagged=vlan))


def _no_defuntagged(request: Request) -> None:
    _call(request, "BRDGSDEFPVID", lambda: request.interface["bridge"].update(defuntagged=0))


def _ether_argument(words: list[str], usage: str) -> str:
    if not words:
        raise CommandError(usage)
    word = words.pop(0)
    if not re.fullmatch(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}", word):
        raise CommandError(f"invalid address: {word}")
    return ":".join(f"{int(octet, 16):02x}" for octet in word.split(":"))


def _vlan_argument(words: list[str]) -> int:
    if len(words) >= 2 and words[0] == "vlan":
        words.pop(0)
        return _vlan_id(words.pop(0), "invalid vlan id")
    return 0


def _static(request: Request, words: list[str]) -> None:
    usage = "usage: static <interface> <address> [vlan <id>]"
    if len(words) < 2:
        raise CommandError(usage)
    name = words.pop(0)
    address = _ether_argument(words, usage)
    vlan = _vlan_argument(words)

    _call(request, "BRDGSADDR", lambda: bridges.add_address(request.interface, name, address, vlan))


def _deladdr(request: Request, words: list[str]) -> None:
    address = _ether_argument(words, "usage: deladdr <address> [vlan <id>]")
    vlan = _vlan_argument(words)

    def change() -> None:
        table = request.interface["bridge"]["addresses"]
        kept = [entry for entry in table if entry["address"] != address or vlan not in (0, entry["vlan"])]
        if len(kept) == len(table):
            raise KernelError("No such file or directory")
        table[:] = kept

    _call(request, "BRDGDADDR", change)


def _flush(*, everything: bool) -> Parameter:
    def action(request: Request) -> None:
        _call(request, "BRDGFLUSH", lambda: bridges.flush(request.interface, everything=everything))

    return Parameter(0, action)


def _addr(request: Request) -> None:
    def show() -> None:
        for entry in request.interface["bridge"]["addresses"]:
            print(f"{entry['address']} Vlan{entry['vlan']} {entry['name']} 0 flags=1<STATIC>")

    _call(request, "unable to get address cache", show)


PARAMETERS: dict[str, Parameter] = {
    "addm": Parameter(None, _addm),
    "deletem": Parameter(1, _deletem),
    "span": Parameter(1, _span),
    "-span": Parameter(1, _unspan),
    "maxaddr": _parameter("maxaddr", "BRDGSCACHE", 0xFFFFFFFF),
    "timeout": _parameter("timeout", "BRDGSTO", 0xFFFFFFFF),
    "hellotime": _parameter("hellotime", "BRDGSHT", 0xFF),
    "fwddelay": _parameter("fwddelay", "BRDGSFD", 0xFF),
    "maxage": _parameter("maxage", "BRDGSMA", 0xFF),
    "priority": _parameter("priority", "BRDGSPRI", 0xFFFF),
    "holdcnt": _parameter("holdcnt", "BRDGSTXHC", 0xFF),
    "proto": Parameter(1, _protocol),
    "ifpriority": Parameter(2, _ifpriority),
    "ifpathcost": Parameter(2, _ifpathcost),
    "ifmaxaddr": Parameter(2, _ifmaxaddr),
    "ifuntagged": Parameter(2, _ifuntagged),
    "-ifuntagged": Parameter(1, _no_ifuntagged),
    "iftagged": _iftagged(lambda _old, new: new),
    "+iftagged": _iftagged(lambda old, new: old | new),
    "-iftagged": _iftagged(lambda old, new: old - new),
    "ifvlanproto": Parameter(2, _ifvlanproto),
    "defuntagged": Parameter(1, _defuntagged),
    "-defuntagged": Parameter(0, _no_defuntagged),
    "static": Parameter(None, _static),
    "deladdr": Parameter(None, _deladdr),
    "flush": _flush(everything=False),
    "flushall": _flush(everything=True),
    "addr": Parameter(0, _addr),
}
for _name, _held in {
    "learn": "LEARNING",
    "discover": "DISCOVER",
    "stp": "STP",
    "sticky": "STICKY",
    "edge": "EDGE",
    "autoedge": "AUTOEDGE",
    "ptp": "PTP",
    "autoptp": "AUTOPTP",
    "private": "PRIVATE",
    "qinq": "QINQ",
}.items():
    PARAMETERS |= {_name: _member_flag(_held, on=True), f"-{_name}": _member_flag(_held, on=False)}
for _name, _held in {"vlanfilter": "VLANFILTER", "defqinq": "DEFQINQ"}.items():
    PARAMETERS |= {_name: _bridge_flag(_held, on=True), f"-{_name}": _bridge_flag(_held, on=False)}
