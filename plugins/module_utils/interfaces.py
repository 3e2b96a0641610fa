# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what ifconfig(8) and netstat(1) print."""

from __future__ import annotations

import dataclasses
import json
import re

# Exact prefixes in place of netmasks in hexadecimal.
IFCONFIG = ("ifconfig", "-a", "-f", "inet:cidr,inet6:cidr")
ROUTES = ("netstat", "--libxo", "json", "-rn", "-f", "inet")


@dataclasses.dataclass(frozen=True)
class Interface:
    """A network interface; `addresses` are IPv4 with their prefix length, `fwddelay` is in seconds (None: no bridge)."""

    name: str
    up: bool
    ether: str | None
    addresses: tuple[str, ...]
    groups: tuple[str, ...]
    members: tuple[str, ...]
    fwddelay: int | None

    @property
    def is_bridge(self) -> bool:
        return "bridge" in self.groups


def parse_ifconfig(text: str) -> dict[str, Interface]:
    """Interfaces by name, from the output of `IFCONFIG`."""
    blocks: dict[str, list[str]] = {}
    for line in text.splitlines():
        head = re.match(r"(\S+): flags=", line)
        if head:
            lines = blocks[head[1]] = []
        lines.append(line)
    return {name: _parse_interface(name, "\n".join(block)) for name, block in blocks.items()}


def _parse_interface(name: str, block: str) -> Interface:
    flags = re.search(r"flags=\w+<([^>]*)>", block)
    ether = re.search(r"^\s+ether (\S+)", block, re.MULTILINE)
    groups = re.search(r"^\s+groups: (.*)", block, re.MULTILINE)
    fwddelay = re.search(r"\bfwddelay (\d+)", block)
    return Interface(
        name=name,
        up=bool(flags) and "UP" in flags[1].split(","),
        ether=ether[1] if ether else None,
        addresses=tuple(re.findall(r"^\s+inet (\S+/\d+)", block, re.MULTILINE)),
        groups=tuple(groups[1].split()) if groups else (),
        members=tuple(re.findall(r"^\s+member: (\S+)", block, re.MULTILINE)),
        fwddelay=int(fwddelay[1]) if fwddelay else None,
    )


def parse_default_route(text: str) -> str | None:
    """The interface of the IPv4 default route, from the output of `ROUTES`; None if the host has none."""
    families = json.loads(text)["statistics"]["route-information"]["route-table"]["rt-family"]
    for family in families:
        for entry in family["rt-entry"]:
            if entry["destination"] == "default":
                return entry["interface-name"]
    return None
