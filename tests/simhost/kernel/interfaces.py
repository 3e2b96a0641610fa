# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network interfaces: cloning, names, flags, MTU and groups."""

from __future__ import annotations

import re
import typing as t

from . import clock, errors
from .errors import KernelError

Kernel = dict[str, t.Any]
Interface = dict[str, t.Any]

NAME_SIZE = 16  # IFNAMSIZ, with the final NUL
MINIMUM_MTU, MAXIMUM_MTU = 72, 65535
# How long devd and the script that it starts are busy with a new interface.
DEVD_MS = 900
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
# What the hosts' network cards can do: those of a virtual machine.
NETWORK_CARD = "RXCSUM TXCSUM VLAN_MTU VLAN_HWTAGGING JUMBO_MTU VLAN_HWCSUM TSO4 TSO6 LRO VLAN_HWTSO LINKSTATE TXCSUM_IPV6".split()
# The module that makes an interface of each kind. The modules of the GENERIC kernel are loaded from the start.
CLONERS = {"bridge": "if_bridge", "epair": "if_epair", "lo": "if_loop", "tap": "if_tuntap"}


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


def set_flag(kernel: Kernel, interface: Interface, flag: str, *, on: bool) -> None:
    """Set or clear a flag as SIOCSIFFLAGS does: a driver starts and stops with UP."""
    held: list[str] = interface["flags"]
    if on and flag not in held:
        held.append(flag)
    elif not on and flag in held:
        held.remove(flag)
    if flag == "UP":
        if on:
            start(kernel, interface)
        else:
            stop(kernel, interface)


def start(kernel: Kernel, interface: Interface, *, for_address: bool = False) -> None:
    """Run the driver of an interface that is UP; it may now get its link-local address."""
    from . import addresses, bridge, routes

    # A tap runs once a process has opened it, or once it has an address.
    if "RUNNING" not in interface["flags"] and (interface["kind"] != "tap" or for_address):
        interface["flags"].append("RUNNING")
        if "bridge" in interface:
            bridge.update_root(kernel, interface)
    addresses.attach_link_local(kernel, interface)
    routes.restore_interface(kernel, interface)


def stop(kernel: Kernel, interface: Interface) -> None:
    """Stop the driver, and forget the routes that lead out of the interface, save static ones."""
    from . import routes

    if interface["kind"] != "epair" and "RUNNING" in interface["flags"]:
        interface["flags"].remove("RUNNING")
    if "bridge" in interface:
        interface["bridge"]["addresses"] = [entry for entry in interface["bridge"]["addresses"] if "STATIC" in entry["flags"]]
    routes.withdraw_interface(kernel, interface)


def kind_of(name: str) -> str | None:
    """The cloner that answers to a name such as ``bridge`` or ``bridge12``."""
    match = re.fullmatch(r"([a-z]+)([0-9]*)", name)
    return match[1] if match and match[1] in CLONERS else None


def create(kernel: Kernel, name: str) -> str:
    """Clone an interface as SIOCIFCREATE2 does and return its name; without a unit number the first free one is taken."""
    kind = kind_of(name)
    if find(kernel, name):
        raise KernelError(errors.EEXIST)
    if kind is None or CLONERS[kind] not in kernel["modules"]:
        raise KernelError(errors.EINVAL)
    digits = name.removeprefix(kind)
    if len(digits) > 1 and digits.startswith("0"):
        raise KernelError(errors.EINVAL)
    unit = int(digits) if digits else next(unit for unit in range(1 << 15) if not _unit_taken(kernel, kind, unit))
    if unit >= 1 << 15:
        raise KernelError(errors.ENOSPC)
    if _unit_taken(kernel, kind, unit):
        raise KernelError(errors.EEXIST)
    name = f"{kind}{unit}"
    if kind == "epair":
        for end in "ab":
            _attach(kernel, kind, f"{name}{end}")
        return f"{name}a"
    _attach(kernel, kind, name)
    return name


def destroy(kernel: Kernel, interface: Interface) -> None:
    """Destroy a cloned interface; it leaves its bridge, and its members leave it."""
    from . import bridge, routes

    if interface["kind"] == "ether" or interface["unit"] == "lo0":
        raise KernelError(errors.EINVAL)
    for end in _ends(kernel, interface):
        bridge.forget(kernel, end)
        for member in list(end.get("bridge", {}).get("members", ())):
            bridge.remove_member(kernel, end, member["name"])
        of(kernel).remove(end)
        routes.forget_interface(kernel, end)


def rename(kernel: Kernel, interface: Interface, name: str) -> None:
    """Give an interface another name; its unit number stays taken."""
    if len(name) >= NAME_SIZE:
        raise KernelError(errors.ENAMETOOLONG)
    if not name:
        raise KernelError(errors.EINVAL)
    if name == interface["name"]:
        return
    if find(kernel, name):
        raise KernelError(errors.EEXIST)
    old = interface["name"]
    interface["name"] = name
    for other in of(kernel):
        for port in (*other.get("bridge", {}).get("members", ()), *other.get("bridge", {}).get("addresses", ())):
            if port.get("name") == old:
                port["name"] = name
    for route in (*kernel["routes"]["inet"], *kernel["routes"]["inet6"]):
        for field in ("interface", "scope"):
            if route[field] == old:
                route[field] = name


def set_mtu(kernel: Kernel, interface: Interface, mtu: int) -> None:
    """Set the MTU; a bridge hands its own to its members, a member refuses one of its own."""
    from . import bridge

    if not MINIMUM_MTU <= mtu <= MAXIMUM_MTU:
        raise KernelError(errors.EINVAL)
    if bridge.bridge_of(kernel, interface["name"]):
        raise KernelError(errors.EOPNOTSUPP)
    interface["mtu"] = mtu
    for member in bridge.member_interfaces(kernel, interface):
        member["mtu"] = mtu


def set_ether(kernel: Kernel, interface: Interface, address: str) -> None:
    """Set the link-level address as SIOCSIFLLADDR does."""
    from . import bridge

    if interface["kind"] == "lo":
        raise KernelError(errors.EINVAL)
    if int(address[:2], 16) & 1:
        raise KernelError(errors.EINVAL)
    interface["ether"] = address
    owner = bridge.bridge_of(kernel, interface["name"])
    if owner:
        bridge.update_root(kernel, owner)


def _unit_taken(kernel: Kernel, kind: str, unit: int) -> bool:
    names = {f"{kind}{unit}", *(f"{kind}{unit}{end}" for end in "ab" if kind == "epair")}
    return any(interface["unit"] in names or interface["name"] in names for interface in of(kernel))


def _ends(kernel: Kernel, interface: Interface) -> list[Interface]:
    """The interface itself, or both ends of an epair."""
    if interface["kind"] != "epair":
        return [interface]
    return [other for other in of(kernel) if other["kind"] == "epair" and other["unit"][:-1] == interface["unit"][:-1]]


def generated_ether(kernel: Kernel, name: str) -> str:
    """An Ethernet address in FreeBSD's range for cloned interfaces, the same for a name on each boot of one host."""
    import hashlib

    digest = hashlib.sha1(f"{kernel['sysctl']['kern.hostuuid']}-{name}-0".encode(), usedforsecurity=False).digest()
    return f"58:9c:fc:10:{digest[0]:02x}:{digest[1]:02x}"


def new_interface(kernel: Kernel, kind: str, name: str) -> Interface:
    """An interface of a kind with what its driver sets when it attaches, not yet in the kernel's list."""
    used = {interface["index"] for interface in of(kernel)}
    interface: Interface = {
        "name": name,
        "index": next(index for index in range(1, len(used) + 2) if index not in used),
        "kind": kind,
        "unit": name,
        "flags": ["BROADCAST", "SIMPLEX", "MULTICAST"],
        "mtu": 1500,
        "metric": 0,
        "options": [],
        "capabilities": [],
        "ether": "",
        "description": "",
        "inet": [],
        "inet6": [],
        "groups": [] if kind == "ether" else [kind],
        "nd6": ["PERFORMNUD", "IFDISABLED", "AUTO_LINKLOCAL"],
    }
    if kind == "ether":
        media = {"type": "Ethernet autoselect (10Gbase-T <full-duplex>)", "active": True, "speed": 10_000_000_000}
        interface.update(options=[*NETWORK_CARD], media=media)
    elif kind == "bridge":
        from . import bridge

        interface.update(options=["VLAN_HWTAGGING"], ether=generated_ether(kernel, name), nd6=["PERFORMNUD", "IFDISABLED"], bridge=bridge.new())
    elif kind == "tap":
        media = {"type": "Ethernet 1000baseT <full-duplex>", "active": False, "speed": 0}
        interface.update(options=["LINKSTATE", "MEXTPG"], ether=generated_ether(kernel, name), media=media)
    elif kind == "epair":
        import hashlib

        # Both ends have the address of their unit, but for the last octet.
        digest = hashlib.sha1(name[:-1].encode(), usedforsecurity=False).hexdigest()
        interface.update(
            flags=["BROADCAST", "RUNNING", "SIMPLEX", "MULTICAST"],
            options=["RXCSUM", "TXCSUM", "VLAN_MTU", "VLAN_HWTAGGING", "RXCSUM_IPV6", "TXCSUM_IPV6"],
            ether=f"02:{digest[:2]}:{digest[2:4]}:{digest[4:6]}:{digest[6:8]}:0{name[-1]}",
            media={"type": "Ethernet 10Gbase-T (10Gbase-T <full-duplex>)", "active": True, "speed": 10_000_000_000},
        )
    elif kind == "lo":
        interface.update(
            flags=["LOOPBACK", "MULTICAST"],
            mtu=16384,
            options=["RXCSUM", "TXCSUM", "LINKSTATE", "RXCSUM_IPV6", "TXCSUM_IPV6"],
            nd6=["PERFORMNUD", "AUTO_LINKLOCAL"],
        )
    interface["capabilities"] = list(interface["options"])
    return interface


def _attach(kernel: Kernel, kind: str, name: str) -> None:
    of(kernel).append(new_interface(kernel, kind, name))
    # devd takes the news of one interface after the other.
    busy_until = max((event["at"] for event in kernel["clock"]["pending"] if event["event"] == "devd"), default=clock.now(kernel))
    clock.schedule(kernel, busy_until - clock.now(kernel) + DEVD_MS, "devd", name)
