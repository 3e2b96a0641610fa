# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parameters of ifconfig that configure an interface of any kind."""

from __future__ import annotations

import re
import socket
import typing as t
from collections.abc import Callable

from ..kernel import addresses, cloning, drivers, interfaces
from ..kernel.errors import EADDRNOTAVAIL, KernelError
from ..kernel.interfaces import Interface, Kernel
from ..program import CommandError, NotSimulated

LINK_FAMILIES = ("link", "ether", "lladdr")
FAMILIES = ("inet", "inet6", *LINK_FAMILIES)


class Request:
    """One call of ifconfig: its interface, and the address that its words add up to, which is set when all are read.

    (No dataclass here nor in the other modules of ifconfig: importing dataclasses takes as long as the rest of a call.)
    """

    def __init__(self, kernel: Kernel, interface: Interface, family: str, printed_name: str) -> None:
        self.kernel = kernel
        self.interface = interface
        self.family = family
        self.printed_name = printed_name
        self.address = self.doomed = ""
        self.netmask: int | None = None
        self.broadcast: str | None = None
        self.flags6: list[str] = []
        self.alias = 0
        self.clear = False
        self.add = True
        self.mask_only = False


class Parameter(t.NamedTuple):
    """A word of ifconfig: how many words follow it (None: it takes what it needs itself), and what it does."""

    arguments: int | None
    action: Callable[..., t.Any]


def _flag(name: str, *, on: bool) -> Parameter:
    def action(request: Request) -> None:
        if name == "UP":
            (addresses.up if on else addresses.down)(request.kernel, request.interface)
        else:
            interfaces.set_flag(request.interface, name, on=on)

    return Parameter(0, action)


def _capabilities(*names: str, on: bool) -> Parameter:
    def action(request: Request) -> None:
        options: list[str] = request.interface["options"]
        for name in names:
            if on and name in request.interface["capabilities"] and name not in options:
                options.append(name)
            elif not on and name in options:
                options.remove(name)

    return Parameter(0, action)


def _nd6(name: str, *, on: bool) -> Parameter:
    def action(request: Request) -> None:
        addresses.set_nd6_flag(request.kernel, request.interface, name, on=on)

    return Parameter(0, action)


def _address6_flag(name: str, *, on: bool) -> Parameter:
    def action(request: Request) -> None:
        if request.family != "inet6":
            # err() adds errno's text; nothing has failed before, so it is that of no error.
            raise CommandError("address flags can be set only for inet6 addresses: No error: 0")
        if on:
            request.flags6.append(name)
        elif name in request.flags6:
            request.flags6.remove(name)

    return Parameter(0, action)


def _system_call(what: str, call: Callable[[], None]) -> None:
    try:
        call()
    except KernelError as error:
        raise CommandError(f"{what}: {error}") from None


def _set_mtu(request: Request, value: str) -> None:
    _system_call("ioctl SIOCSIFMTU (set mtu)", lambda: drivers.set_mtu(request.kernel, request.interface, _leading_number(value)))


def _set_name(request: Request, value: str) -> None:
    _system_call("ioctl SIOCSIFNAME (set name)", lambda: cloning.rename(request.kernel, request.interface, value))
    request.printed_name = value


def _set_metric(request: Request, value: str) -> None:
    request.interface["metric"] = _leading_number(value)


def _set_description(request: Request, value: str) -> None:
    # The kernel counts the final NUL, too.
    if len(value.encode()) + 1 > 1024:
        raise CommandError("ioctl SIOCSIFDESCR (set descr): File name too long")
    request.interface["description"] = value


def _clear_description(request: Request) -> None:
    request.interface["description"] = ""


def _destroy(request: Request) -> None:
    _system_call("SIOCIFDESTROY", lambda: cloning.destroy(request.kernel, request.interface))


def _check_group(name: str, call: str) -> None:
    if name[-1:].isdigit():
        raise CommandError(f"{call}: group names may not end in a digit")
    if len(name) >= interfaces.NAME_SIZE:
        raise CommandError(f"{call}: group name too long")


def _add_group(request: Request, name: str) -> None:
    _check_group(name, "setifgroup")
    if not name:
        raise CommandError(" SIOCAIFGROUP: Invalid argument")
    interfaces.join_group(request.kernel, request.interface["unit"], name)


def _remove_group(request: Request, name: str) -> None:
    _check_group(name, "unsetifgroup")
    interfaces.leave_group(request.kernel, request.interface["unit"], name)


def _alias(value: int) -> Parameter:
    def action(request: Request) -> None:
        if request.address and request.alias == 0 and value < 0:
            request.doomed = request.address
        request.alias = value
        request.clear = value < 0
        if value < 0:
            request.add = False

    return Parameter(0, action)


def set_address(request: Request, word: str) -> None:
    """A word that is no parameter is the address of the family; a second one would be the peer's."""
    if request.family in LINK_FAMILIES:
        if request.address:
            raise CommandError("can't set link-level netmask or broadcast")
        request.address = _read_ether(word)
        return
    if request.address or (request.doomed and request.alias < 0):
        raise NotSimulated(f"a destination address ({word})")
    if request.alias == 0:
        request.clear = True
    # What goes is named without its mask: a slash is then part of the name.
    host, slash, width = word.rpartition("/") if request.alias >= 0 and "/" in word else (word, "", "")
    if slash:
        request.netmask = _read_width(word, width) if request.family == "inet" else _read_width6(width)
    address = _read_inet(host) if request.family == "inet" else _read_inet6(host)
    if request.alias >= 0:
        request.address = address
    else:
        request.doomed = address


def _read_width(word: str, width: str) -> int:
    if not re.fullmatch(r"[0-9]+", width):
        raise CommandError(f"{word}: bad value (width invalid)")
    if int(width) > 32:
        raise CommandError(f"{word}: bad value (width too large)")
    return int(width)


def _read_width6(width: str) -> int:
    length = _leading_number(width)
    if not 0 <= length <= 128:
        raise CommandError(f"{width}: bad value")
    return length


def _read_inet(word: str) -> str:
    if word == "localhost":
        return "127.0.0.1"
    try:
        # inet_aton(3) of glibc stops at white space; FreeBSD's does as well, but an argument with some is a mistake.
        if not word or word != word.strip() or " " in word:
            raise OSError
        return socket.inet_ntoa(socket.inet_aton(word))
    except OSError:
        raise CommandError(f"{word}: bad value") from None


def _read_inet6(word: str) -> str:
    try:
        return addresses.canonical6(word.partition("%")[0])
    except OSError:
        raise CommandError(f"{word}: bad value") from None


def _read_ether(word: str) -> str:
    if word == "random":
        import random

        return ":".join(f"{octet:02x}" for octet in (random.randrange(64) << 2 | 2, *random.randbytes(5)))
    octets = word.replace("-", ":").split(":") if not re.fullmatch(r"[0-9a-fA-F]{4}(\.[0-9a-fA-F]{4}){2}", word) else re.findall("..", word.replace(".", ""))
    if not all(re.fullmatch(r"[0-9a-fA-F]{1,2}", octet) for octet in octets):
        raise CommandError("malformed link-level address")
    return ":".join(f"{int(octet, 16):02x}" for octet in octets)


def _set_netmask(request: Request, value: str) -> None:
    if request.family in LINK_FAMILIES:
        raise CommandError("can't set link-level netmask or broadcast")
    if request.family == "inet6":
        raise CommandError("netmask: invalid option for inet6")
    request.netmask = int.from_bytes(socket.inet_aton(_read_inet(value)), "big").bit_count()
    request.mask_only = not request.address


def _set_broadcast(request: Request, value: str) -> None:
    if request.family in LINK_FAMILIES:
        raise CommandError("can't set link-level netmask or broadcast")
    if request.family == "inet6":
        raise CommandError("broadcast: invalid option for inet6")
    request.broadcast = _read_inet(value)


def _set_prefixlen(request: Request, value: str) -> None:
    length = _leading_number(value)
    if not 0 <= length <= 128:
        raise CommandError(f"{value}: bad value")
    request.netmask = length


def _set_eui64(request: Request) -> None:
    if request.family != "inet6":
        raise CommandError("eui64 not allowed for the AF")
    number = int.from_bytes(socket.inet_pton(socket.AF_INET6, request.address or "::"), "big")
    if number & (1 << 64) - 1:
        raise CommandError("interface index is already filled")
    link_local = next((entry["address"] for entry in request.interface["inet6"] if addresses.is_link_local(entry["address"])), None)
    if link_local is None:
        raise CommandError("could not determine link local address")
    number |= int.from_bytes(socket.inet_pton(socket.AF_INET6, link_local), "big") & (1 << 64) - 1
    request.address = socket.inet_ntop(socket.AF_INET6, number.to_bytes(16, "big"))


def finish(request: Request) -> None:
    """Set and delete the address that the words amounted to."""
    kernel, interface = request.kernel, request.interface
    if request.family in LINK_FAMILIES:
        if not request.add:
            if request.clear:
                raise NotSimulated("deleting a link-level address")
            return
        if request.address:
            _set_ether(kernel, interface, request.address)
        return
    inet = request.family == "inet"
    if inet and request.address and request.netmask is None and request.add and "LOOPBACK" not in interface["flags"]:
        raise CommandError("ERROR: setting interface address without mask is no longer supported.")
    if request.clear:
        try:
            if inet:
                addresses.delete_inet(kernel, interface, request.doomed or None)
            else:
                addresses.delete_inet6(kernel, interface, request.doomed or "::")
        except KernelError as error:
            # Nothing there to replace is fine; nothing there to delete is not, save the first of none for IPv4.
            if (error.error != EADDRNOTAVAIL or request.alias < 0) and not (inet and not request.doomed):
                raise CommandError(f"ioctl (SIOCDIFADDR): {error}") from None
    if request.add and (request.address or request.mask_only):
        try:
            if inet:
                addresses.add_inet(kernel, interface, request.address or "0.0.0.0", request.netmask or 0, request.broadcast)
            else:
                length = 64 if request.netmask is None else request.netmask
                addresses.add_inet6(kernel, interface, request.address, length, request.flags6)
        except KernelError as error:
            raise CommandError(f"ioctl (SIOCAIFADDR): {error}") from None


def _set_ether(kernel: Kernel, interface: Interface, address: str) -> None:
    def call() -> None:
        if address.count(":") != 5:
            raise KernelError("Invalid argument")
        drivers.set_ether(kernel, interface, address)

    _system_call("ioctl (SIOCAIFADDR)", call)


def _leading_number(word: str) -> int:
    """What atoi(3) makes of a word."""
    match = re.match(r"\s*([+-]?[0-9]+)", word)
    return int(match[1]) if match else 0


def _not_simulated(name: str) -> Parameter:
    def action(_request: Request, *_arguments: str) -> None:
        raise NotSimulated(name)

    return Parameter(0, action)


PARAMETERS: dict[str, Parameter] = {
    "up": _flag("UP", on=True),
    "down": _flag("UP", on=False),
    "arp": _flag("NOARP", on=False),
    "-arp": _flag("NOARP", on=True),
    "mtu": Parameter(1, _set_mtu),
    "metric": Parameter(1, _set_metric),
    "name": Parameter(1, _set_name),
    "description": Parameter(1, _set_description),
    "descr": Parameter(1, _set_description),
    "-description": Parameter(0, _clear_description),
    "-descr": Parameter(0, _clear_description),
    "group": Parameter(1, _add_group),
    "-group": Parameter(1, _remove_group),
    "destroy": Parameter(0, _destroy),
    "unplumb": Parameter(0, _destroy),
    "add": _alias(1),
    "alias": _alias(1),
    "-alias": _alias(-1),
    "delete": _alias(-1),
    "remove": _alias(-1),
    "netmask": Parameter(1, _set_netmask),
    "broadcast": Parameter(1, _set_broadcast),
    "prefixlen": Parameter(1, _set_prefixlen),
    "eui64": Parameter(0, _set_eui64),
}
for _name in ("debug", "promisc", "allmulti", "link0", "link1", "link2", "monitor", "staticarp", "stickyarp"):
    _held = {"promisc": "PPROMISC", "allmulti": "PALLMULTI"}.get(_name, _name.upper())
    PARAMETERS |= {_name: _flag(_held, on=True), f"-{_name}": _flag(_held, on=False)}
for _name, _capability_names in {
    "rxcsum": ("RXCSUM",),
    "txcsum": ("TXCSUM",),
    "rxcsum6": ("RXCSUM_IPV6",),
    "txcsum6": ("TXCSUM_IPV6",),
    "tso": ("TSO4", "TSO6"),
    "tso4": ("TSO4",),
    "tso6": ("TSO6",),
    "lro": ("LRO",),
    "vlanmtu": ("VLAN_MTU",),
    "vlanhwtag": ("VLAN_HWTAGGING",),
    "vlanhwcsum": ("VLAN_HWCSUM",),
    "vlanhwtso": ("VLAN_HWTSO",),
    "mextpg": ("MEXTPG",),
}.items():
    PARAMETERS |= {_name: _capabilities(*_capability_names, on=True), f"-{_name}": _capabilities(*_capability_names, on=False)}
for _name, _held in {
    "accept_rtadv": "ACCEPT_RTADV",
    "no_radr": "NO_RADR",
    "ifdisabled": "IFDISABLED",
    "nud": "PERFORMNUD",
    "auto_linklocal": "AUTO_LINKLOCAL",
    "no_prefer_iface": "NO_PREFER_IFACE",
    "no_dad": "NO_DAD",
    "stableaddr": "STABLEADDR",
    "defaultif": "DEFAULTIF",
}.items():
    PARAMETERS |= {_name: _nd6(_held, on=True), f"-{_name}": _nd6(_held, on=False)}
for _name in ("anycast", "tentative", "deprecated", "autoconf", "prefer_source"):
    PARAMETERS |= {_name: _address6_flag(_name, on=True), f"-{_name}": _address6_flag(_name, on=False)}
# Known to ifconfig, and too far from a host's networks to be simulated. As an address they would be a "bad value".
for _name in (
    "advbase advskew vhid pass peer mcast state media mediaopt instance mode rtable fib tunnelfib tunnel deletetunnel vlan vlandev vlanproto vlanpcp "
    "laggproto laggport lagghash laggoptions vnet pcp pltime vltime polling toe txtls rxtls ipsec wol wol_ucast wol_mcast wol_magic txrtlmt txtlsrtlmt "
    "hwrxtstmp netcons syncdev syncpeer maxupd defer maclabel grekey vxlanid vxlanlocal vxlanremote ssid wepmode wlandev reqid"
).split():
    PARAMETERS |= {_name: _not_simulated(_name), f"-{_name}": _not_simulated(f"-{_name}")}


def apply(request: Request, words: list[str], parameters: dict[str, Parameter]) -> None:
    """Carry out the words of the command line one after the other, then set the address."""
    while words:
        word = words.pop(0)
        parameter = parameters.get(word)
        if parameter is None:
            set_address(request, word)
            continue
        if parameter.arguments is None:
            parameter.action(request, words)
            continue
        if len(words) < parameter.arguments:
            raise CommandError(f"'{word}' requires {'argument' if parameter.arguments == 1 else f'{parameter.arguments} arguments'}")
        arguments = [words.pop(0) for _count in range(parameter.arguments)]
        parameter.action(request, *arguments)
        if parameter.action is _destroy:
            _refuse_after_destroy(words)
            return
    finish(request)


def _refuse_after_destroy(words: list[str]) -> None:
    if words:
        raise NotSimulated(f"words after destroy: {' '.join(words)}")
