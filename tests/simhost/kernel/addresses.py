# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IPv4 and IPv6 addresses of interfaces, and what being up means to them."""

from __future__ import annotations

import socket

from . import bridge, clock, drivers, errors, interfaces, routes
from .errors import KernelError
from .interfaces import Interface, Kernel

DAD_MS = 1000
# A link-local address waits up to a second more before it is probed; the middle of it keeps the simulation predictable.
LINK_LOCAL_DAD_MS = 1500
LOOPBACK6 = "::1"


def canonical6(address: str) -> str:
    """An IPv6 address in the form in which FreeBSD prints it."""
    return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, address))


def is_link_local(address: str) -> bool:
    return address.startswith("fe80:")


def up(kernel: Kernel, interface: Interface, *, for_address: bool = False) -> None:
    """Take the interface up: its driver starts, and it gets its link-local address and the routes to its networks."""
    if not interfaces.is_up(interface):
        interface["flags"].append("UP")
    drivers.run(kernel, interface, for_address=for_address)
    attach_link_local(kernel, interface)
    routes.restore_interface(kernel, interface)


def down(kernel: Kernel, interface: Interface) -> None:
    """Take the interface down: its addresses stay, the routes to its networks go."""
    if interfaces.is_up(interface):
        interface["flags"].remove("UP")
    drivers.halt(interface)
    routes.withdraw_interface(kernel, interface)


def add_inet(kernel: Kernel, interface: Interface, address: str, prefixlen: int, broadcast: str | None = None) -> None:
    """Add an IPv4 address, or replace the entry of the same address; the interface goes up."""
    _check_member(kernel, interface)
    if any(entry["address"] == address for entry in interface["inet"]):
        delete_inet(kernel, interface, address)
    if broadcast is None and "BROADCAST" in interface["flags"]:
        broadcast = "255.255.255.255" if prefixlen == 31 else _ipv4(_number(address) | ~routes.mask(prefixlen, 32) & 0xFFFFFFFF)
    interface["inet"].append({"address": address, "prefixlen": prefixlen, "broadcast": broadcast})
    up(kernel, interface, for_address=True)
    routes.add_address(kernel, interface, "inet", address, prefixlen)


def delete_inet(kernel: Kernel, interface: Interface, address: str | None) -> None:
    """Delete an IPv4 address, or the first one when none is named."""
    for entry in interface["inet"]:
        if address in (None, entry["address"]):
            interface["inet"].remove(entry)
            routes.delete_address(kernel, interface, "inet", entry["address"], entry["prefixlen"])
            return
    raise KernelError(errors.EADDRNOTAVAIL)


def add_inet6(kernel: Kernel, interface: Interface, address: str, prefixlen: int, flags: list[str]) -> None:
    """Add an IPv6 address, or change the flags of the same address; an interface with IPv6 disabled gets it enabled."""
    _check_member(kernel, interface)
    if prefixlen == 0 or address == "::":
        raise KernelError(errors.EINVAL)
    existing = next((entry for entry in interface["inet6"] if entry["address"] == address), None)
    if existing and existing["prefixlen"] != prefixlen:
        raise KernelError(errors.EINVAL)
    if existing:
        existing["flags"] = [*flags, *(flag for flag in existing["flags"] if flag == "tentative" and flag not in flags)]
        return
    # Probing for duplicates starts with IPv6 enabled only: the address that enables it is never tentative.
    probed = _probes(interface)
    interface["inet6"].append({"address": address, "prefixlen": prefixlen, "flags": [*flags, *(["tentative"] if probed else [])]})
    up(kernel, interface, for_address=True)
    routes.add_address(kernel, interface, "inet6", address, prefixlen)
    if probed:
        clock.schedule(kernel, DAD_MS, "dad", interface["unit"], address)
    if "IFDISABLED" in interface["nd6"]:
        set_nd6_flag(kernel, interface, "IFDISABLED", on=False)


def delete_inet6(kernel: Kernel, interface: Interface, address: str) -> None:
    """Delete an IPv6 address."""
    for entry in interface["inet6"]:
        if entry["address"] == address:
            interface["inet6"].remove(entry)
            routes.delete_address(kernel, interface, "inet6", entry["address"], entry["prefixlen"])
            return
    raise KernelError(errors.EADDRNOTAVAIL)


def set_nd6_flag(kernel: Kernel, interface: Interface, flag: str, *, on: bool) -> None:
    """Set or clear a flag of neighbour discovery; IPv6 that becomes enabled, or automatic, brings the link-local address."""
    held: list[str] = interface["nd6"]
    if on and flag not in held:
        held.append(flag)
        if flag == "IFDISABLED" and "NO_DAD" not in held:
            for entry in interface["inet6"]:
                if "tentative" not in entry["flags"]:
                    entry["flags"].append("tentative")
    elif not on and flag in held:
        held.remove(flag)
        if flag == "IFDISABLED" and interfaces.is_up(interface):
            for entry in interface["inet6"]:
                if "tentative" in entry["flags"]:
                    clock.schedule(kernel, LINK_LOCAL_DAD_MS, "dad", interface["unit"], entry["address"])
            attach_link_local(kernel, interface)
    if flag == "AUTO_LINKLOCAL" and on:
        attach_link_local(kernel, interface)


def attach_link_local(kernel: Kernel, interface: Interface) -> None:
    """Give the interface its loopback and link-local addresses where they are due and missing."""
    if "LOOPBACK" in interface["flags"]:
        if interface["name"] == "lo0" and not any(entry["address"] == LOOPBACK6 for entry in interface["inet6"]):
            interface["inet6"].append({"address": LOOPBACK6, "prefixlen": 128, "flags": []})
            routes.add_address(kernel, interface, "inet6", LOOPBACK6, 128)
        address = "fe80::1"
    elif interface["ether"]:
        address = _link_local(interface["ether"])
    else:
        return
    if "IFDISABLED" in interface["nd6"] or "AUTO_LINKLOCAL" not in interface["nd6"]:
        return
    if any(is_link_local(entry["address"]) for entry in interface["inet6"]):
        return
    probed = _probes(interface)
    interface["inet6"].append({"address": address, "prefixlen": 64, "flags": ["tentative"] if probed else []})
    drivers.run(kernel, interface, for_address=True)
    routes.add_address(kernel, interface, "inet6", address, 64)
    if probed:
        clock.schedule(kernel, LINK_LOCAL_DAD_MS, "dad", interface["unit"], address)


def end_probe(kernel: Kernel, unit: str, address: str) -> None:
    """No other machine answered for the address: it may be used."""
    for interface in interfaces.of(kernel):
        if interface["unit"] == unit and interfaces.is_up(interface) and "IFDISABLED" not in interface["nd6"]:
            for entry in interface["inet6"]:
                if entry["address"] == address and "tentative" in entry["flags"]:
                    entry["flags"].remove("tentative")


def _check_member(kernel: Kernel, interface: Interface) -> None:
    if bridge.bridge_of(kernel, interface["name"]) and kernel["sysctl"]["net.link.bridge.member_ifaddrs"] == "0":
        raise KernelError(errors.EINVAL)


def _probes(interface: Interface) -> bool:
    return "LOOPBACK" not in interface["flags"] and not {"IFDISABLED", "NO_DAD"} & {*interface["nd6"]}


def _link_local(ether: str) -> str:
    """The link-local address with the interface identifier of an Ethernet address."""
    octets = bytes.fromhex(ether.replace(":", ""))
    identifier = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return socket.inet_ntop(socket.AF_INET6, b"\xfe\x80" + bytes(6) + identifier)


def _number(address: str) -> int:
    return int.from_bytes(socket.inet_aton(address), "big")


def _ipv4(number: int) -> str:
    return socket.inet_ntoa(number.to_bytes(4, "big"))
