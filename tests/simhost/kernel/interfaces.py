# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of network interfaces: their names, flags and capabilities."""

from __future__ import annotations

import typing as t

Kernel = dict[str, t.Any]
Interface = dict[str, t.Any]

NAME_SIZE = 16  # IFNAMSIZ, with the final NUL
FLAGS = {
    "UP": 0x1,
    "BROADCAST": 0x2,
    "DEBUG": 0x4,
    "LOOPBACK": 0x8,
    "POINTOPOINT": 0x10,
    "RUNNING": 0x40,
    "NOARP": 0x80,
    "PROMISC": 0x100,
    "ALLMULTI": 0x200,
    "SIMPLEX": 0x800,
    "LINK0": 0x1000,
    "LINK1": 0x2000,
    "LINK2": 0x4000,
    "MULTICAST": 0x8000,
    "PPROMISC": 0x20000,
    "MONITOR": 0x40000,
    "STATICARP": 0x80000,
    "STICKYARP": 0x100000,
    "PALLMULTI": 0x800000,
    "LOWER_UP": 0x1000000,
}
CAPABILITIES = {
    "RXCSUM": 1 << 0,
    "TXCSUM": 1 << 1,
    "NETCONS": 1 << 2,
    "VLAN_MTU": 1 << 3,
    "VLAN_HWTAGGING": 1 << 4,
    "JUMBO_MTU": 1 << 5,
    "POLLING": 1 << 6,
    "VLAN_HWCSUM": 1 << 7,
    "TSO4": 1 << 8,
    "TSO6": 1 << 9,
    "LRO": 1 << 10,
    "WOL_UCAST": 1 << 11,
    "WOL_MCAST": 1 << 12,
    "WOL_MAGIC": 1 << 13,
    "TOE4": 1 << 14,
    "TOE6": 1 << 15,
    "VLAN_HWFILTER": 1 << 16,
    "VLAN_HWTSO": 1 << 18,
    "LINKSTATE": 1 << 19,
    "NETMAP": 1 << 20,
    "RXCSUM_IPV6": 1 << 21,
    "TXCSUM_IPV6": 1 << 22,
    "HWSTATS": 1 << 23,
    "TXRTLMT": 1 << 24,
    "HWRXTSTMP": 1 << 25,
    "MEXTPG": 1 << 26,
    "TXTLS4": 1 << 27,
    "TXTLS6": 1 << 28,
}


def of(kernel: Kernel) -> list[Interface]:
    """All interfaces in the kernel's order."""
    interfaces: list[Interface] = kernel["interfaces"]
    return interfaces


def find(kernel: Kernel, name: str) -> Interface | None:
    """The interface that has this name now."""
    return next((interface for interface in of(kernel) if interface["name"] == name), None)


def is_up(interface: Interface) -> bool:
    return "UP" in interface["flags"]


def ethernet(interface: Interface) -> bool:
    """Whether it is of the type ether (a bridge has an Ethernet address, too, but a type of its own)."""
    return interface["kind"] in ("ether", "epair", "tap")


def link_is_up(interface: Interface) -> bool:
    """The operational state as netlink reports it: Ethernet has a carrier, everything else follows its UP flag."""
    if ethernet(interface):
        return bool(interface["media"]["active"])
    return is_up(interface)


def flags(interface: Interface) -> list[str]:
    """The flags that ifconfig shows, in the order of their bits."""
    held = {*interface["flags"], *(["LOWER_UP"] if link_is_up(interface) else [])}
    return [flag for flag in FLAGS if flag in held]


def set_flag(interface: Interface, flag: str, *, on: bool) -> None:
    """Set or clear a flag that changes nothing else; for UP see :mod:`simhost.kernel.addresses`."""
    held: list[str] = interface["flags"]
    if on and flag not in held:
        held.append(flag)
    elif not on and flag in held:
        held.remove(flag)
    if flag == "PPROMISC":
        set_flag(interface, "PROMISC", on=on)


def join_group(kernel: Kernel, unit: str, group: str) -> None:
    """Put the interface that was created as ``unit`` into a group. The kernel keeps a group's members in the order in which they joined."""
    interface = next(interface for interface in of(kernel) if interface["unit"] == unit)
    if group not in interface["groups"]:
        interface["groups"].append(group)
        kernel["groups"].setdefault(group, []).append(unit)


def leave_group(kernel: Kernel, unit: str, group: str) -> None:
    """Take an interface out of a group, if it is in it."""
    for interface in of(kernel):
        if interface["unit"] == unit and group in interface["groups"]:
            interface["groups"].remove(group)
    if unit in kernel["groups"].get(group, ()):
        kernel["groups"][group].remove(unit)


def group_members(kernel: Kernel, group: str) -> list[str]:
    """The names of a group's members; all interfaces are in the group ``all``."""
    names = {interface["unit"]: interface["name"] for interface in of(kernel)}
    return [names[unit] for unit in (names if group == "all" else kernel["groups"].get(group, ()))]
