# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How ifconfig prints an interface."""

from __future__ import annotations

import sys
import typing as t

from ..kernel import bridge as bridges
from ..kernel import interfaces, routes
from ..kernel.interfaces import CAPABILITIES, FLAGS, Interface, Kernel

ND6_FLAGS = {
    "PERFORMNUD": 0x1,
    "ACCEPT_RTADV": 0x2,
    "PREFER_SOURCE": 0x4,
    "IFDISABLED": 0x8,
    "DONT_SET_IFROUTE": 0x10,
    "AUTO_LINKLOCAL": 0x20,
    "NO_RADR": 0x40,
    "NO_PREFER_IFACE": 0x80,
    "NO_DAD": 0x100,
    "STABLEADDR": 0x800,
    "DEFAULTIF": 0x8000,
}
ADDRESS6_FLAGS = ("anycast", "tentative", "duplicated", "detached", "deprecated", "autoconf", "temporary", "prefer_source")


class Format:
    """The formats of ``-f`` and IFCONFIG_FORMAT; empty means the default."""

    def __init__(self) -> None:
        self.inet = self.inet6 = self.ether = self.addr = ""

    def set(self, text: str) -> None:
        """Read ``type:format,...``; types that are unknown are passed over as ifconfig does."""
        for category in text.split(","):
            kind, colon, value = category.partition(":")
            if colon:
                if kind in ("addr", "ether", "inet", "inet6"):
                    setattr(self, kind, value)
            elif kind == "default":
                pass  # meant to forget the formats before it, but FreeBSD 15.1 keeps them
            elif kind == "cidr":
                self.inet = self.inet6 = "cidr"
            else:
                print(f"ifconfig: Skipping invalid format: {kind}\n", file=sys.stderr)


def bits(names: dict[str, int], held: t.Iterable[str], *, brackets: bool = False) -> str:
    """Flags as ``hex<NAME,NAME>`` in the order of the table; with ``brackets`` also when there are none."""
    present = {*held}
    ordered = [name for name in names if name in present]
    listed = f"<{','.join(ordered)}>" if ordered or brackets else ""
    return f"{sum(names[name] for name in ordered):x}{listed}"


def print_interface(kernel: Kernel, interface: Interface, family: str | None, form: Format, *, media: bool, driver: bool) -> None:
    """Print an interface, all of it or one address family, with the choices of ``-m`` and the driver's name of ``-D``."""
    flags = interfaces.flags(interface)
    print(f"{interface['name']}: flags={bits(FLAGS, flags)} metric {interface['metric']} mtu {interface['mtu']}")
    if interface["description"]:
        print(f"\tdescription: {interface['description']}")
    if interface["capabilities"]:
        print(f"\toptions={bits(CAPABILITIES, interface['options'])}")
        if media:
            print(f"\tcapabilities={bits(CAPABILITIES, interface['capabilities'])}")
    if family in (None, "link", "ether", "lladdr"):
        _print_link(interface, form)
    if family in (None, "inet"):
        for entry in interface["inet"]:
            _print_inet(interface, entry, form)
    if family in (None, "inet6"):
        for entry in interface["inet6"]:
            _print_inet6(interface, entry, form)
    if family is None:
        if "bridge" in interface:
            _print_bridge(kernel, interface)
        if interface["groups"]:
            print(f"\tgroups: {' '.join(interface['groups'])}")
        if "media" in interface:
            print(f"\tmedia: {interface['media']['type']}\n\tstatus: {'active' if interface['media']['active'] else 'no carrier'}")
            if media:
                print(f"\tsupported media:\n\t\tmedia {'autoselect' if interface['kind'] == 'ether' else '10Gbase-T'}")
    if family in (None, "inet6") and interface["nd6"]:
        print(f"\tnd6 options={bits(ND6_FLAGS, interface['nd6'])}")
    if driver:
        # Both ends of an epair have the driver's name and unit.
        print(f"\tdrivername: {interface['unit'].rstrip('ab') if interface['kind'] == 'epair' else interface['unit']}")


def _print_link(interface: Interface, form: Format) -> None:
    for label, address in (("ether", interface["ether"]), ("hwaddr", interface.get("hwaddr", ""))):
        if address and (label == "ether" or address != interface["ether"]):
            if form.ether == "dash":
                address = address.replace(":", "-")
            elif form.ether == "dotted":
                digits = address.replace(":", "")
                address = f"{digits[:4]}.{digits[4:8]}.{digits[8:]}"
            print(f"\t{label} {address}")


def _print_inet(interface: Interface, entry: dict[str, t.Any], form: Format) -> None:
    netmask = routes.mask(entry["prefixlen"], 32)
    if form.inet == "cidr":
        shown = f"/{entry['prefixlen']}"
    elif form.inet == "dotted":
        shown = f" netmask {routes.text('inet', netmask)}"
    else:
        shown = f" netmask 0x{netmask:x}"
    broadcast = f" broadcast {entry['broadcast']}" if "BROADCAST" in interface["flags"] and entry["prefixlen"] else ""
    print(f"\tinet {entry['address']}{shown}{broadcast}")


def _print_inet6(interface: Interface, entry: dict[str, t.Any], form: Format) -> None:
    link_local = entry["address"].startswith("fe80:")
    line = f"\tinet6 {entry['address']}" + (f"%{interface['name']}" if link_local else "")
    line += f"/{entry['prefixlen']}" if form.inet6 == "cidr" else f" prefixlen {entry['prefixlen']}"
    line += "".join(f" {flag}" for flag in ADDRESS6_FLAGS if flag in entry["flags"])
    line += f" scopeid 0x{interface['index']:x}" if link_local else ""
    # Only an address that is deprecated has lifetimes here: the preferred one is over.
    print(line + (" pltime 0 vltime 0" if "deprecated" in entry["flags"] else ""))


def _print_bridge(kernel: Kernel, interface: Interface) -> None:
    bridge = interface["bridge"]
    print(f"\tid {bridge['id']} priority {bridge['priority']} hellotime {bridge['hellotime']} fwddelay {bridge['fwddelay']}")
    print(f"\tmaxage {bridge['maxage']} holdcnt {bridge['holdcnt']} proto {bridge['proto']} maxaddr {bridge['maxaddr']} timeout {bridge['timeout']}")
    print(f"\troot id {bridge['root_id']} priority {bridge['root_priority']} ifcost 0 port 0")
    untagged = f" defuntagged={bridge['defuntagged']}" if bridge["defuntagged"] else ""
    print(f"\tbridge flags={bits(bridges.BRIDGE_FLAGS, bridge['flags'], brackets=True)}{untagged}")
    shown: dict[str, t.Any] = {"priority": 0, "path_cost": 0, "maxaddr": 0, "untagged": 0, "vlan_protocol": ""}
    for member in bridge["members"]:
        # The kernel fills one record for all: what a span port has not is left from the member before it.
        shown |= member
        _print_member(kernel, interface, shown)


def _print_member(kernel: Kernel, bridge: Interface, member: dict[str, t.Any]) -> None:
    pad = "\t        "
    interface = interfaces.find(kernel, member["name"])
    assert interface is not None
    flags = bridges.flags_of(kernel, bridge, member)
    number = sum({**bridges.MEMBER_FLAGS, **bridges.NAMELESS_FLAGS}[flag] for flag in flags)
    print(f"\tmember: {member['name']} flags={number:x}<{','.join(flag for flag in bridges.MEMBER_FLAGS if flag in flags)}>")
    line = pad + (f"ifmaxaddr {member['maxaddr']} " if member["maxaddr"] else "")
    line += f"port {interface['index'] & 0xFFF} priority {member['priority']} path cost {member['path_cost']}"
    if "STP" in flags:
        role, state = bridges.role(kernel, bridge, member)
        line += f" proto {bridge['bridge']['proto']}\n{pad}role {role} state {state}"
    line += f" vlan protocol {member['vlan_protocol']}" if member["vlan_protocol"] else ""
    line += f" untagged {member['untagged']}" if member["untagged"] else ""
    line += f" tagged {vlan_set_text(member['tagged'])}" if member["tagged"] else ""
    print(line)


def vlan_set_text(vlans: list[int]) -> str:
    """A set of VLAN ids as ifconfig prints it, ``1-4,10``."""
    ranges: list[list[int]] = []
    for vlan in sorted(vlans):
        if ranges and vlan == ranges[-1][1] + 1:
            ranges[-1][1] = vlan
        else:
            ranges.append([vlan, vlan])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
