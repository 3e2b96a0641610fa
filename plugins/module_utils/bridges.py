# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans bridges: create, change, rename, remove. Members that a definition does not name belong to whoever attached them and are never touched."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import Interface, Member
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Action, CreateBridge, Phase, Run, Step

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import Definition, Observed
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan

# The interface group of every bridge of ours; it tells them from a user's own.
GROUP = "pfnet"
# A bridge that has just been made.
DEFAULTS: dict[str, t.Any] = {"fwddelay": 15, "mtu": 1500, "description": "", "vlan_filtering": False}
# High enough to leave the numbers that ifconfig gives by itself to others.
FIRST_UNIT = 1000


def derived_mac(host_id: str, network: str) -> str:
    """A MAC address for a network that names none: the same for that network on that host at every run, in the range of KVM guests."""
    digest = hashlib.sha256(f"{host_id} {network}".encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])


def free_names(documents: t.Sequence[t.Mapping[str, t.Any]], kept: t.Mapping[str, str], taken: t.Iterable[str]) -> dict[str, str]:
    """The bridge of each network by the network's name: what its document says, else what it has `kept`, else the first free virbrN."""
    unavailable = {*taken, *kept.values(), *(document["bridge"]["name"] for document in documents)}
    names = {}
    for document in documents:
        name = document["bridge"]["name"] or kept.get(document["name"])
        if name is None:
            name = next(free for number in itertools.count() if (free := f"virbr{number}") not in unavailable)
            unavailable.add(name)
        names[document["name"]] = name
    return names


def free_units(names: t.Mapping[str, str], definitions: t.Mapping[str, Definition], interfaces: t.Mapping[str, Interface]) -> dict[str, str]:
    """The unit of each network's bridge by the network's name: the one that it has kept, else the first free one from bridge1000 on.

    `names` are the bridges' own by network. A unit stays with its network, so that what rc(8) makes at boot is what a run makes.
    """
    kept = {name: known.unit for name, known in definitions.items()}
    unavailable = {*kept.values(), *(found.unit for found in interfaces.values()), *interfaces}
    units = {}
    for network, name in names.items():
        there = interfaces.get(name)
        if network in kept:
            units[network] = kept[network]
        elif there and GROUP in there.groups and re.fullmatch(r"bridge1\d{3,}", there.unit) and there.unit not in kept.values():
            # A run that was cut short made it.
            units[network] = there.unit
        else:
            units[network] = next(free for number in itertools.count(FIRST_UNIT) if (free := f"bridge{number}") not in unavailable)
        unavailable.add(units[network])
    return units


def with_member_mtus(members: t.Sequence[dict[str, t.Any]], old: Definition | None, interfaces: t.Mapping[str, Interface]) -> list[dict[str, t.Any]]:
    """The members of a bridge with the MTU that each had before it became one, in bytes (None: not known): the bridge gives them its own."""
    kept = {member["name"]: member.get("mtu") for member in old.settings["members"]} if old else {}
    return [
        {**member, "mtu": kept[member["name"]] if member["name"] in kept else interfaces[member["name"]].mtu if member["name"] in interfaces else None}
        for member in members
    ]


def _restore_mtu(name: str, known: Definition, phase: Phase, observed: Observed, made: Plan) -> None:
    """Give a released member the MTU back that it had before."""
    before = next((member.get("mtu") for member in known.settings["members"] if member["name"] == name), None)
    found = observed.interfaces.get(name)
    if before and found and found.mtu != before:
        # While it is a member it cannot be set, so taking it back is the bridge's affair.
        made.ifconfig(phase, f"give {name} its MTU of {before} back", (name, "mtu", str(before)))


def _former_mtu(name: str, observed: Observed) -> tuple[Run, ...]:
    """What gives an interface the MTU back that it has before a bridge takes it, for an undo."""
    found = observed.interfaces.get(name)
    return (Run(("ifconfig", name, "mtu", str(found.mtu))),) if found and found.mtu else ()


def plan_bridge(document: dict[str, t.Any], at: str, observed: Observed, made: Plan) -> list[str]:
    """Add the steps that make a network's bridge what its document says; gives the reasons for them in words."""
    want = {**document["bridge"], "mac": document["bridge"]["mac"] or derived_mac(observed.host_id, document["name"])}
    name = want["name"]
    owners = {known.bridge: known for known in observed.definitions.values()}
    old = observed.definitions.get(document["name"])
    bridge = observed.interfaces.get(name)
    if old:
        # What is no longer said goes back to what a new bridge has.
        want.update({key: plain for key, plain in DEFAULTS.items() if want[key] is None and old.settings.get(key) not in (None, plain)})
    _refuse_members(want, at, old, observed, made)
    if name in {group for found in observed.interfaces.values() for group in found.groups} | {GROUP, "bridge"}:
        # Rules for it would be rules for all of the group; and 15.1 panics when an interface with pf is named like a group that it is in.
        made.refuse(f"{at}.bridge.name", f"'{name}', an interface group", "a name that is no interface group of the host")
        return []
    if bridge is None:
        former = observed.interfaces.get(old.bridge) if old else None
        if old is None or former is None:
            _create(want, observed, made)
            return [f"bridge {name} is missing"] if old else []
        made.ifconfig(Phase.RELEASE, f"rename bridge {former.name} to {name}", (former.name, "name", name), (name, "name", former.name))
        return [f"bridge {former.name} becomes {name}", *_change(want, former, old, observed, made)]
    if not bridge.is_bridge or not (GROUP in bridge.groups or name in owners):
        made.refuse(f"{at}.bridge.name", f"'{name}', which the host has and which is no bridge of this collection", "a name that is free")
        return []
    return _change(want, bridge, owners.get(name), observed, made)


def plan_removal(known: Definition, at: str, network: str, force: bool, observed: Observed, made: Plan) -> None:
    """Add the steps that take a removed network's bridge away: down before its rules go, destroyed after."""
    bridge = observed.interfaces.get(known.bridge)
    if bridge is None or not bridge.is_bridge:
        return
    guests = [member for member in bridge.members if member not in known.members]
    if guests and not force:
        made.refuse(
            at, f"network {network}, to whose bridge {bridge.name} {', '.join(guests)} is attached", "networks without guests on their bridges, or force: true"
        )
    if bridge.up:
        made.ifconfig(Phase.QUIESCE, f"bring {bridge.name} down", (bridge.name, "down"), (bridge.name, "up"))
    again = {**_settings(bridge), "members": [{"name": name, **dataclasses.asdict(member)} for name, member in bridge.members.items()]}
    undo: tuple[Action, ...] = (CreateBridge(bridge.name, GROUP, bridge.unit), *(Run(("ifconfig", bridge.name, *words)) for _what, words in _creation(again)))
    made.steps.append(Step(Phase.DESTROY, f"destroy bridge {bridge.name}", Run(("ifconfig", bridge.name, "destroy")), undo))
    for member in bridge.members:
        _restore_mtu(member, known, Phase.DESTROY, observed, made)
    made.diff(f"interface {bridge.name}", _shown(_settings(bridge)), "")


def _refuse_members(want: dict[str, t.Any], at: str, old: Definition | None, observed: Observed, made: Plan) -> None:
    fit = {name: found for name, found in observed.interfaces.items() if not found.is_bridge and "lo" not in found.groups}
    for member in want["members"]:
        path, name = f"{at}.{member['path']}", member["name"]
        if name not in fit:
            made.refuse(path, f"'{name}'", f"an interface of the host that a bridge takes: {', '.join(fit)}")
        elif fit[name].addresses and member["path"] != "forward.dev":
            made.warnings.append(
                f"{path}: {name} has addresses of the host ({', '.join(fit[name].addresses)}); as a member it joins the guests to that network."
            )
        for other in observed.interfaces.values():
            if name in other.members and other.name not in (want["name"], old.bridge if old else None):
                made.refuse(path, f"'{name}', a member of {other.name}", "an interface that is in no other bridge")


def _create(want: dict[str, t.Any], observed: Observed, made: Plan) -> None:
    name = want["name"]
    # Taking the bridge away takes back all that follows, but for what it does to its members.
    undo = (Run(("ifconfig", name, "destroy")), *(mtu for member in want["members"] for mtu in _former_mtu(member["name"], observed)))
    made.steps.append(Step(Phase.BUILD, f"create bridge {name}", CreateBridge(name, GROUP, want["unit"]), undo))
    settings = list(_creation(want))
    # ifconfig takes any number of settings in one call, but for addresses: those of another family than the first are refused.
    together = [(what, words) for what, words in settings if words[0] not in ("ether", "inet", "inet6")]
    for what, words in settings:
        if (what, words) not in together:
            made.ifconfig(Phase.BUILD, f"set on {name}: {what}", (name, *words))
    what = ", ".join([*(what for what, _words in together), "up"])
    made.ifconfig(Phase.BUILD, f"set on {name}: {what}", (name, *(word for _what, words in together for word in words), "up"))
    made.diff(f"interface {name}", "", _shown({**want, "up": True}))


def _creation(want: dict[str, t.Any]) -> t.Iterator[tuple[str, tuple[str, ...]]]:
    """What is to be set on a new bridge before it comes up, in words and in those of ifconfig."""
    for what, words, _undo in _all_steps(want, Interface(want["name"], groups=(GROUP,))):
        yield what, words
    for address in want["addresses"]:
        yield address, (family(address), address, "alias")


def _settings_steps(want: dict[str, t.Any], bridge: Interface) -> t.Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """What is to be set, the words of ifconfig that set it, and those that set it back.

    One call a setting, so that each can be set back.
    """
    if bridge.ether != want["mac"]:
        yield f"the MAC address {want['mac']}", ("ether", want["mac"]), ("ether", bridge.ether or "")
    if GROUP not in bridge.groups:
        yield f"the interface group {GROUP}", ("group", GROUP), ("-group", GROUP)
    if want["fwddelay"] and bridge.fwddelay != want["fwddelay"]:
        yield f"a forward delay of {want['fwddelay']} s", ("fwddelay", str(want["fwddelay"])), ("fwddelay", str(bridge.fwddelay))
    if want["description"] is not None and (bridge.description or "") != want["description"]:
        yield f"the description {want['description']!r}", ("description", want["description"]), ("description", bridge.description or "")
    if want["vlan_filtering"] is not None and bridge.vlan_filtering != want["vlan_filtering"]:
        words = ("vlanfilter",), ("-vlanfilter",)
        yield f"VLAN filtering turned {'on' if want['vlan_filtering'] else 'off'}", *(words if want["vlan_filtering"] else words[::-1])
    if any(family(address) == "inet6" for address in want["addresses"]) and not bridge.link_local:
        # Routers are found by their link-local addresses, and a new bridge has IPv6 off.
        yield "a link-local address", ("inet6", "-ifdisabled", "auto_linklocal"), ("inet6", "ifdisabled", "-auto_linklocal")


def _all_steps(want: dict[str, t.Any], bridge: Interface) -> t.Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """The same for settings, members, and the MTU, which comes last: the first member of a bridge gives it its own."""
    yield from _settings_steps(want, bridge)
    for member in want["members"]:
        yield from _member_steps(member, bridge.members.get(member["name"]))
    if want["mtu"] and (bridge.mtu != want["mtu"] or (want["members"] and not bridge.members)):
        yield f"an MTU of {want['mtu']}", ("mtu", str(want["mtu"])), ("mtu", str(bridge.mtu))


def _member_steps(want: dict[str, t.Any], member: Member | None) -> t.Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """The same for a member of a bridge; None if it is none yet."""
    name = want["name"]
    if member is None:
        yield f"the member {name}", ("addm", name), ("deletem", name)
        member = Member()
    for flag in ("private", "stp"):
        if want[flag] is not None and want[flag] != getattr(member, flag):
            words = (flag, name), (f"-{flag}", name)
            yield f"{flag} turned {'on' if want[flag] else 'off'} for its member {name}", *(words if want[flag] else words[::-1])


def _change(want: dict[str, t.Any], bridge: Interface, owner: Definition | None, observed: Observed, made: Plan) -> list[str]:
    """Steps for a bridge that exists; `owner` is the network it belonged to so far, whose addresses and members may go."""
    name = want["name"]
    reasons = []
    for what, words, undo in _all_steps(want, bridge):
        reasons.append(f"bridge {name} lacks {what}")
        more = _former_mtu(words[1], observed) if words[0] == "addm" else ()
        made.steps.append(Step(Phase.BUILD, f"set on {name}: {what}", Run(("ifconfig", name, *words)), (Run(("ifconfig", name, *undo)), *more)))
    for member in bridge.members:
        if owner and member in owner.members and member not in [wanted["name"] for wanted in want["members"]]:
            reasons.append(f"bridge {name} gives up its member {member}")
            # A member that comes back has none of its flags, and a bridge takes the MTU of its first member.
            flags = [word for flag, is_on in dataclasses.asdict(bridge.members[member]).items() if is_on for word in (flag, member)]
            again = ((member, "mtu", str(bridge.mtu)),) if member in observed.interfaces else ()
            back = tuple(Run(("ifconfig", *words)) for words in (*again, (name, "addm", member, *flags)))
            made.steps.append(Step(Phase.RELEASE, f"release {member} from {name}", Run(("ifconfig", name, "deletem", member)), back))
            _restore_mtu(member, owner, Phase.RELEASE, observed, made)
    kept = []
    for address in bridge.addresses:
        host = address.partition("/")[0]
        if address in want["addresses"]:
            kept.append(address)
        elif owner and address in owner.addresses:
            reasons.append(f"bridge {name} gives up {address}")
            made.ifconfig(Phase.RELEASE, f"take {address} from {name}", (name, family(address), host, "-alias"), (name, family(address), address, "alias"))
        else:
            kept.append(address)
            made.warnings.append(f"The bridge {name} has the address {address}, which its definition does not name; it is left alone.")
    for address in want["addresses"]:
        if address not in bridge.addresses:
            reasons.append(f"bridge {name} lacks {address}")
            # Without alias the new address would replace the first.
            made.ifconfig(
                Phase.BUILD,
                f"give {address} to {name}",
                (name, family(address), address, "alias"),
                (name, family(address), address.partition("/")[0], "-alias"),
            )
            kept.append(address)
    if not bridge.up:
        reasons.append(f"bridge {name} is down")
        made.ifconfig(Phase.BUILD, f"bring {name} up", (name, "up"), (name, "down"))
    before = _settings(bridge)
    made.diff(
        f"interface {name}",
        _shown(before),
        _shown({**before, **{key: value for key, value in want.items() if value is not None}, "addresses": kept, "up": True}),
    )
    return reasons


def family(address: str) -> str:
    """The word of ifconfig for an address's family."""
    return "inet6" if ":" in address else "inet"


def _settings(bridge: Interface) -> dict[str, t.Any]:
    """A bridge as found, in the words of a document."""
    return {
        "name": bridge.name,
        "mac": bridge.ether,
        "addresses": bridge.addresses,
        "fwddelay": bridge.fwddelay,
        "mtu": bridge.mtu,
        "description": bridge.description,
        "vlan_filtering": bridge.vlan_filtering,
        "members": [{"name": name} for name in bridge.members],
        "up": bridge.up,
    }


def _shown(settings: dict[str, t.Any]) -> str:
    """A bridge's settings as a diff shows them, a line each; what is not set has none."""
    lines = [f"{key} {settings[key]}" for key in ("mac", "fwddelay", "mtu", "description") if settings[key]]
    lines += ["vlan_filtering"] if settings["vlan_filtering"] else []
    lines += [f"{family(address)} {address}" for address in settings["addresses"]]
    lines += [f"member {member['name']}" for member in settings["members"]]
    return "".join(f"{line}\n" for line in [*lines, "up" if settings["up"] else "down"])
