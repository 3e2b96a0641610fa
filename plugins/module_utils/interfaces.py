# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what ifconfig(8) and netstat(1) print."""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import json
import re
import typing as t

# Exact prefixes in place of netmasks in hexadecimal, and the unit of an interface that was renamed.
IFCONFIG = ("ifconfig", "-a", "-D", "-f", "inet:cidr,inet6:cidr")
ROUTES = ("netstat", "--libxo", "json", "-rn")


@dataclasses.dataclass(frozen=True)
class Member:
    """An interface in a bridge."""

    private: bool = False
    stp: bool = False


@dataclasses.dataclass(frozen=True)
class Interface:
    """A network interface. `addresses` have their prefix length; link-local ones are left out, `link_local` says whether the kernel makes one.

    `unit` is the name that the driver gave it. `mtu` is in bytes, `fwddelay` in seconds (None: no bridge). `capabilities` are what ifconfig
    prints as options, such as RXCSUM; `accept_rtadv` says whether it takes routes from router advertisements.
    """

    name: str
    unit: str = ""
    up: bool = False
    ether: str | None = None
    addresses: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    members: dict[str, Member] = dataclasses.field(default_factory=dict)
    fwddelay: int | None = None
    mtu: int = 1500
    description: str | None = None
    vlan_filtering: bool = False
    link_local: bool = False
    capabilities: frozenset[str] = frozenset()
    accept_rtadv: bool = False

    @property
    def is_bridge(self) -> bool:
        return "bridge" in self.groups


@dataclasses.dataclass(frozen=True)
class Route:
    """A route: its destination (a network or "default") and family (inet or inet6), the gateway, and the interface it leaves by."""

    destination: str
    family: str
    gateway: str
    interface: str

    @functools.cached_property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
        """The destination as a network; None for the default route and for addresses of one link."""
        if self.destination == "default" or "%" in self.destination:
            return None
        return ipaddress.ip_network(self.destination, strict=False)


def parse_ifconfig(text: str) -> dict[str, Interface]:
    """Interfaces by name, from the output of `IFCONFIG`."""
    blocks: dict[str, list[str]] = {}
    lines: list[str] = []
    # Not splitlines, which would split a description at characters that are no end of a line here.
    for line in text.split("\n"):
        head = re.match(r"(\S+): flags=", line)
        if head:
            lines = blocks[head[1]] = []
        lines.append(line)
    return {name: _parse_interface(name, "\n".join(block)) for name, block in blocks.items()}


def _parse_interface(name: str, block: str) -> Interface:
    def found(pattern: str, default: str = "") -> str:
        match = re.search(pattern, block, re.MULTILINE)
        return match[1] if match else default

    nd6 = found(r"nd6 options=\w+<([^>]*)>").split(",")
    return Interface(
        name=name,
        unit=found(r"^\s+drivername: (\S+)"),
        up="UP" in found(r"flags=\w+<([^>]*)>").split(","),
        ether=found(r"^\s+ether (\S+)") or None,
        addresses=tuple(address for address in re.findall(r"^\s+inet6? (\S+/\d+)", block, re.MULTILINE) if "%" not in address),
        groups=tuple(found(r"^\s+groups: (.*)").split()),
        members={
            member: Member("PRIVATE" in flags.split(","), "STP" in flags.split(","))
            for member, flags in re.findall(r"^\s+member: (\S+) flags=\w+<([^>]*)>", block, re.MULTILINE)
        },
        fwddelay=int(found(r"\bfwddelay (\d+)", "0")) or None,
        mtu=int(found(r"\bmtu (\d+)", "0")),
        description=found(r"^\s+description: (.*)") or None,
        vlan_filtering="VLANFILTER" in found(r"bridge flags=\w+<([^>]*)>").split(","),
        link_local="AUTO_LINKLOCAL" in nd6 and "IFDISABLED" not in nd6,
        capabilities=frozenset(found(r"^\s+options=\w+<([^>]*)>").split(",")) - {""},
        accept_rtadv="ACCEPT_RTADV" in nd6 and "IFDISABLED" not in nd6,
    )


def parse_routes(text: str) -> list[Route]:
    """The routes of both families, from the output of `ROUTES`."""
    families = {"Internet": "inet", "Internet6": "inet6"}
    tables: list[dict[str, t.Any]] = json.loads(text)["statistics"]["route-information"]["route-table"]["rt-family"]
    return [
        Route(entry["destination"], families[table["address-family"]], entry["gateway"], entry["interface-name"])
        for table in tables
        if table["address-family"] in families
        for entry in table["rt-entry"]
    ]


def default_route(routes: list[Route], family: str) -> str | None:
    """The interface of a family's default route; None if there is none."""
    return next((route.interface for route in routes if route.destination == "default" and route.family == family), None)
