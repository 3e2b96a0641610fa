# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drivers of interfaces: what each kind is like when it attaches, and what running, MTU and link-level address mean to it."""

from __future__ import annotations

from . import bridge, errors
from .errors import KernelError
from .interfaces import Interface, Kernel, of

MINIMUM_MTU, MAXIMUM_MTU = 72, 65535
# The capabilities that each kind has, all of them switched on. Network cards are those of a virtual machine.
CAPABILITIES_OF = {
    "bridge": "VLAN_HWTAGGING",
    "epair": "RXCSUM TXCSUM VLAN_MTU VLAN_HWTAGGING RXCSUM_IPV6 TXCSUM_IPV6",
    "ether": "VLAN_MTU JUMBO_MTU LINKSTATE HWSTATS",
    "lo": "RXCSUM TXCSUM LINKSTATE RXCSUM_IPV6 TXCSUM_IPV6",
    "tap": "LINKSTATE MEXTPG",
}
# What ifconfig calls the medium, whether it has a carrier, and its speed in bits a second.
MEDIA = {
    "epair": {"type": "Ethernet 10Gbase-T (10Gbase-T <full-duplex>)", "active": True, "speed": 10_000_000_000},
    "ether": {"type": "Ethernet autoselect (10Gbase-T <full-duplex>)", "active": True, "speed": 10_000_000_000},
    "tap": {"type": "Ethernet 1000baseT <full-duplex>", "active": False, "speed": 0},
}


def attach(kernel: Kernel, kind: str, name: str) -> Interface:
    """Add an interface to the kernel's list, as its driver makes it; a network card has no address yet."""
    used = {interface["index"] for interface in of(kernel)}
    capabilities = CAPABILITIES_OF[kind].split()
    interface: Interface = {
        "name": name,
        "index": next(index for index in range(1, len(used) + 2) if index not in used),
        "kind": kind,
        "unit": name,
        "flags": ["BROADCAST", "SIMPLEX", "MULTICAST"],
        "mtu": 1500,
        "metric": 0,
        "options": list(capabilities),
        "capabilities": capabilities,
        "ether": "" if kind in ("ether", "lo") else _generated_ether(kernel, name),
        "description": "",
        "inet": [],
        "inet6": [],
        "groups": ["lo"] if name == "lo0" else [],
        "nd6": ["PERFORMNUD", "IFDISABLED", "AUTO_LINKLOCAL"],
    }
    if kind in MEDIA:
        # Ethernet remembers the address that it was made with.
        interface.update(media=dict(MEDIA[kind]), hwaddr=interface["ether"])
    if kind == "bridge":
        interface.update(nd6=["PERFORMNUD", "IFDISABLED"], bridge=bridge.new())
    elif kind == "epair":
        interface["flags"].append("RUNNING")
    elif kind == "lo":
        interface.update(flags=["LOOPBACK", "MULTICAST"], mtu=16384, nd6=["PERFORMNUD", "AUTO_LINKLOCAL"])
    of(kernel).append(interface)
    return interface


def run(kernel: Kernel, interface: Interface, *, for_address: bool) -> None:
    """Start the driver of an interface that is UP. A tap runs once a process has opened it, or once it has an address."""
    if "RUNNING" not in interface["flags"] and (interface["kind"] != "tap" or for_address):
        interface["flags"].append("RUNNING")
        if "bridge" in interface:
            bridge.update_root(kernel, interface)


def halt(interface: Interface) -> None:
    """Stop the driver; a bridge forgets what it has learned. An epair always runs."""
    if interface["kind"] != "epair" and "RUNNING" in interface["flags"]:
        interface["flags"].remove("RUNNING")
    if "bridge" in interface:
        bridge.flush(interface)


def set_mtu(kernel: Kernel, interface: Interface, mtu: int) -> None:
    """Set the MTU; a bridge hands its own to its members, a member refuses one of its own."""
    if not MINIMUM_MTU <= mtu <= MAXIMUM_MTU:
        raise KernelError(errors.EINVAL)
    if bridge.bridge_of(kernel, interface["name"]):
        raise KernelError(errors.EOPNOTSUPP)
    interface["mtu"] = mtu
    for member in bridge.member_interfaces(kernel, interface):
        member["mtu"] = mtu


def set_ether(kernel: Kernel, interface: Interface, address: str) -> None:
    """Set the link-level address as SIOCSIFLLADDR does."""
    if interface["kind"] == "lo":
        raise KernelError(errors.EINVAL)
    interface["ether"] = address
    owner = bridge.bridge_of(kernel, interface["name"])
    if owner:
        bridge.update_root(kernel, owner)


def _generated_ether(kernel: Kernel, name: str) -> str:
    """An Ethernet address in FreeBSD's range for cloned interfaces, always the same for one name on one host."""
    import hashlib  # only here, because it is slow to load

    digest = hashlib.sha1(f"{kernel['sysctl']['kern.hostuuid']}-{name}-0".encode(), usedforsecurity=False).digest()
    return f"58:9c:fc:10:{digest[0]:02x}:{digest[1]:02x}"
