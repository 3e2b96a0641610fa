# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bridges: members and their flags, spanning tree parameters, the table of addresses."""

from __future__ import annotations

import typing as t

from . import clock, errors
from .errors import KernelError
from .interfaces import Interface, Kernel, ethernet, find, of

NOT_A_MEMBER = "Interface is not a bridge member"
# In the order in which they are printed, which is not that of their bits.
MEMBER_FLAGS = {
    "LEARNING": 0x1,
    "DISCOVER": 0x2,
    "STP": 0x4,
    "SPAN": 0x8,
    "STICKY": 0x10,
    "PRIVATE": 0x800,
    "EDGE": 0x20,
    "AUTOEDGE": 0x40,
    "PTP": 0x80,
    "AUTOPTP": 0x100,
    "QINQ": 0x1000,
}
# Flags that are in the number but have no name: set by hand are EDGE and the path cost.
NAMELESS_FLAGS = {"ADMEDGE": 0x200, "ADMCOST": 0x400}
BRIDGE_FLAGS = {"VLANFILTER": 0x1, "DEFQINQ": 0x2}
NO_ADDRESS = "00:00:00:00:00:00"
DEFAULT_PATH_COST = 2_000_000
# Offloads that would hide a frame's real content from the other members: each member keeps only what all have.
COMMON_OFFLOADS = {"TOE4", "TOE6", "TSO4", "TSO6", "TXCSUM", "TXCSUM_IPV6", "MEXTPG"}
# How long a port waits for another bridge before it takes itself for the edge of the network.
EDGE_DELAY_MS = 3000
# Smallest and largest value of the parameters that the kernel checks; others take any number.
LIMITS = {"fwddelay": (4, 30), "hellotime": (1, 2), "holdcnt": (1, 10), "maxage": (6, 40), "priority": (0, 61440)}


def new() -> dict[str, t.Any]:
    """A bridge as its driver attaches it. ``root_priority`` is 0 until it has run once."""
    return {
        "flags": [],
        "priority": 32768,
        "hellotime": 2,
        "fwddelay": 15,
        "maxage": 20,
        "holdcnt": 6,
        "proto": "rstp",
        "maxaddr": 2000,
        "timeout": 1200,
        "defuntagged": 0,
        "id": NO_ADDRESS,
        "root_id": NO_ADDRESS,
        "root_priority": 0,
        "members": [],
        "addresses": [],
    }


def bridge_of(kernel: Kernel, name: str) -> Interface | None:
    """The bridge that an interface is a member of (a span port is none)."""
    for interface in of(kernel):
        if any(member["name"] == name and "SPAN" not in member["flags"] for member in interface.get("bridge", {}).get("members", ())):
            return interface
    return None


def member_interfaces(kernel: Kernel, bridge: Interface) -> list[Interface]:
    """The members of a bridge as interfaces, span ports left out; empty for what is no bridge."""
    names = [member["name"] for member in bridge.get("bridge", {}).get("members", ()) if "SPAN" not in member["flags"]]
    return [interface for name in names if (interface := find(kernel, name))]


def member(bridge: Interface, name: str) -> dict[str, t.Any]:
    """The entry of a member; an error when the interface is none."""
    for entry in bridge["bridge"]["members"]:
        if entry["name"] == name and "SPAN" not in entry["flags"]:
            return t.cast("dict[str, t.Any]", entry)
    raise KernelError(errors.ENOENT, NOT_A_MEMBER)


def add_member(kernel: Kernel, bridge: Interface, name: str) -> None:
    """Add an interface; the first member's MTU becomes the bridge's."""
    interface = find(kernel, name)
    if interface is None:
        raise KernelError(errors.ENOENT, "No such interface")
    members: list[dict[str, t.Any]] = bridge["bridge"]["members"]
    if any(entry["name"] == name and "SPAN" in entry["flags"] for entry in members):
        raise KernelError(errors.EBUSY, "Span interface cannot be a member")
    owner = bridge_of(kernel, name)
    if owner is bridge:
        raise KernelError(errors.EEXIST, "Interface is already a member of this bridge")
    if owner:
        raise KernelError(errors.EBUSY, "Interface is already a member of another bridge")
    if not ethernet(interface):
        raise KernelError(errors.EINVAL, "Unsupported interface type")
    if _has_link_local(bridge) and kernel["sysctl"]["net.link.bridge.allow_llz_overlap"] == "0":
        for other in (interface, *member_interfaces(kernel, bridge)):
            if _has_link_local(other):
                other["inet6"] = []
    if (interface["inet"] or interface["inet6"]) and kernel["sysctl"]["net.link.bridge.member_ifaddrs"] == "0":
        raise KernelError(errors.EINVAL, "Member interface may not have an IP address assigned")
    if member_interfaces(kernel, bridge):
        interface["mtu"] = bridge["mtu"]
    else:
        bridge["mtu"] = interface["mtu"]
    entry = {
        "name": name,
        "flags": ["LEARNING", "DISCOVER", "AUTOEDGE", "AUTOPTP", *(["QINQ"] if "DEFQINQ" in bridge["bridge"]["flags"] else [])],
        "priority": 128,
        "path_cost": _path_cost(interface),
        "maxaddr": 0,
        "untagged": bridge["bridge"]["defuntagged"],
        "tagged": [],
        "vlan_protocol": "802.1q",
        "saved_options": list(interface["options"]),
        "since": 0,
    }
    members.insert(0, entry)
    interface["flags"].append("PROMISC")
    _share_offloads(kernel, bridge)


def remove_member(kernel: Kernel, bridge: Interface, name: str) -> None:
    """Take a member out and give its offloads back."""
    entry = member(bridge, name)
    bridge["bridge"]["members"].remove(entry)
    bridge["bridge"]["addresses"] = [address for address in bridge["bridge"]["addresses"] if address["name"] != name]
    interface = find(kernel, name)
    if interface:
        if "PROMISC" in interface["flags"]:
            interface["flags"].remove("PROMISC")
        interface["options"] = entry["saved_options"]
    _share_offloads(kernel, bridge)
    if "STP" in entry["flags"]:
        update_root(kernel, bridge)


def forget(kernel: Kernel, interface: Interface) -> None:
    """Take an interface that is going away out of its bridge, and out of those that mirror to it."""
    owner = bridge_of(kernel, interface["name"])
    if owner:
        remove_member(kernel, owner, interface["name"])
    for other in of(kernel):
        if "bridge" in other:
            other["bridge"]["members"] = [entry for entry in other["bridge"]["members"] if entry["name"] != interface["name"]]


def add_span(kernel: Kernel, bridge: Interface, name: str) -> None:
    """Mirror the bridge's frames to an interface."""
    interface = find(kernel, name)
    if interface is None:
        raise KernelError(errors.ENOENT, "No such interface")
    if any(entry["name"] == name and "SPAN" in entry["flags"] for entry in bridge["bridge"]["members"]):
        raise KernelError(errors.EBUSY, "Interface is already a span port")
    if bridge_of(kernel, name):
        raise KernelError(errors.EEXIST, "Interface is already a bridge member")
    if not ethernet(interface):
        raise KernelError(errors.EINVAL, "Unsupported interface type")
    entry = {"name": name, "flags": ["SPAN"], "tagged": []}
    # The kernel lists span ports after all members, the newest of each first.
    members = bridge["bridge"]["members"]
    members.insert(sum("SPAN" not in other["flags"] for other in members), entry)


def remove_span(kernel: Kernel, bridge: Interface, name: str) -> None:
    """Stop mirroring to an interface."""
    if find(kernel, name) is None:
        raise KernelError(errors.ENOENT, "No such interface")
    for entry in bridge["bridge"]["members"]:
        if entry["name"] == name and "SPAN" in entry["flags"]:
            bridge["bridge"]["members"].remove(entry)
            return
    raise KernelError(errors.ENOENT, "Interface is not a span port")


def set_member_flag(kernel: Kernel, bridge: Interface, name: str, flag: str, *, on: bool) -> None:
    """Set or clear one of MEMBER_FLAGS."""
    entry = member(bridge, name)
    flags: list[str] = entry["flags"]
    if _at_edge(kernel, bridge, entry):
        flags.append("EDGE")
    if (flag in flags) != on:
        _put(flags, flag, on=on)
        if flag == "STP":
            entry["since"] = clock.now(kernel)
            update_root(kernel, bridge)
            if on and "AUTOPTP" in flags and _has_carrier(kernel, entry):
                _put(flags, "PTP", on=True)  # a full-duplex link leads to one other machine
    # All flags are set together, and with them that the edge is known for one.
    _put(flags, "ADMEDGE", on="EDGE" in flags)


def set_parameter(kernel: Kernel, bridge: Interface, parameter: str, value: int) -> None:
    """Set one of the numbers of the bridge, within the kernel's limits."""
    low, high = LIMITS.get(parameter, (0, 0xFFFFFFFF))
    if parameter == "hellotime" and bridge["bridge"]["proto"] != "stp":
        raise KernelError(errors.EPERM)
    if not low <= value <= high:
        raise KernelError(errors.EINVAL)
    bridge["bridge"][parameter] = value - value % 4096 if parameter == "priority" else value
    if parameter in ("fwddelay", "hellotime", "maxage", "priority"):
        update_root(kernel, bridge)


def set_path_cost(kernel: Kernel, bridge: Interface, name: str, cost: int) -> None:
    """Set a member's path cost; 0 means: from its speed."""
    entry = member(bridge, name)
    if cost > 200_000_000:
        raise KernelError(errors.EINVAL)
    if bridge["bridge"]["proto"] == "stp":
        cost = min(cost, 65535)
    interface = find(kernel, name)
    entry["path_cost"] = cost or (_path_cost(interface) if interface else DEFAULT_PATH_COST)
    _put(entry["flags"], "ADMCOST", on=cost != 0)


def set_protocol(bridge: Interface, protocol: str) -> None:
    """Set the spanning tree protocol, ``stp`` or ``rstp``; the old one knows no edges and no large path costs."""
    bridge["bridge"].update(proto=protocol, hellotime=2)
    for entry in bridge["bridge"]["members"]:
        if protocol == "stp" and "STP" in entry["flags"]:
            _put(entry["flags"], "EDGE", on=False)
            entry["path_cost"] = min(entry["path_cost"], 65535)


def add_address(bridge: Interface, name: str, address: str, vlan: int) -> None:
    """Put a static address into the table, if there is room for it."""
    entry = member(bridge, name)
    table: list[dict[str, t.Any]] = bridge["bridge"]["addresses"]
    if int(address[:2], 16) & 1:
        raise KernelError(errors.EINVAL, "Multicast address not permitted")
    if address == NO_ADDRESS:
        raise KernelError(errors.EINVAL, "Zero address not permitted")
    kept = [other for other in table if (other["address"], other["vlan"]) != (address, vlan)]
    if len(kept) >= bridge["bridge"]["maxaddr"]:
        raise KernelError(errors.ENOSPC, "Address table is full")
    if entry["maxaddr"] and sum(other["name"] == name for other in kept) >= entry["maxaddr"]:
        raise KernelError(errors.ENOSPC, "Interface address limit exceeded")
    table[:] = [{"address": address, "vlan": vlan, "name": name, "flags": ["STATIC"]}, *kept]


def update_root(kernel: Kernel, bridge: Interface) -> None:
    """Compute the bridge's id: the lowest address of its members as soon as one of them takes part in the spanning tree."""
    state = bridge["bridge"]
    addresses = [interface["ether"] for interface in member_interfaces(kernel, bridge) if interface["ether"]]
    takes_part = any("STP" in entry["flags"] for entry in state["members"])
    state["id"] = state["root_id"] = min(addresses) if takes_part and addresses else NO_ADDRESS
    state["root_priority"] = state["priority"]


def flush(bridge: Interface, *, everything: bool = False) -> None:
    """Forget the addresses that were learned, or all."""
    table = bridge["bridge"]["addresses"]
    table[:] = [] if everything else [entry for entry in table if "STATIC" in entry["flags"]]


def flags_of(kernel: Kernel, bridge: Interface, entry: dict[str, t.Any]) -> list[str]:
    """The flags that a member has now."""
    return [*entry["flags"], *(["EDGE"] if _at_edge(kernel, bridge, entry) else [])]


def role(kernel: Kernel, bridge: Interface, entry: dict[str, t.Any]) -> tuple[str, str]:
    """Role and state of a member in the spanning tree: there is no other bridge to talk to, but it has to wait for one."""
    if not _has_carrier(kernel, entry):
        return "disabled", "discarding"
    if "EDGE" in flags_of(kernel, bridge, entry):
        return "designated", "forwarding"
    waited = clock.now(kernel) - entry["since"]
    delay = bridge["bridge"]["fwddelay"] * 1000
    return "designated", "discarding" if waited < delay else "learning" if waited < 2 * delay else "forwarding"


def _at_edge(kernel: Kernel, bridge: Interface, entry: dict[str, t.Any]) -> bool:
    """Whether a port has found out that it is at the edge of the network."""
    if "EDGE" in entry["flags"] or not {"STP", "AUTOEDGE"} <= {*entry["flags"]} or bridge["bridge"]["proto"] != "rstp":
        return False
    return "RUNNING" in bridge["flags"] and _has_carrier(kernel, entry) and clock.now(kernel) - entry["since"] >= EDGE_DELAY_MS


def _has_carrier(kernel: Kernel, entry: dict[str, t.Any]) -> bool:
    interface = find(kernel, entry["name"])
    return interface is not None and "UP" in interface["flags"] and bool(interface["media"]["active"])


def _put(flags: list[str], flag: str, *, on: bool) -> None:
    if on and flag not in flags:
        flags.append(flag)
    elif not on and flag in flags:
        flags.remove(flag)


def _path_cost(interface: Interface) -> int:
    speed = interface["media"]["speed"] if interface["media"]["active"] else 0
    return int(20_000_000_000 // (speed // 1000)) if speed >= 1000 else DEFAULT_PATH_COST


def _has_link_local(interface: Interface) -> bool:
    return any(address["address"].startswith("fe80:") for address in interface["inet6"])


def _share_offloads(kernel: Kernel, bridge: Interface) -> None:
    entries = [(entry, interface) for entry in bridge["bridge"]["members"] if (interface := find(kernel, entry["name"])) and "saved_options" in entry]
    shared = COMMON_OFFLOADS.intersection(*(entry["saved_options"] for entry, _interface in entries))
    for entry, interface in entries:
        interface["options"] = [option for option in entry["saved_options"] if option != "LRO" and (option not in COMMON_OFFLOADS or option in shared)]
