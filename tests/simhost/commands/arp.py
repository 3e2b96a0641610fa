# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""arp(8): the table of neighbours."""

from __future__ import annotations

import sys
import typing as t

from ..kernel import interfaces
from ..program import CommandError, NotSimulated, Usage, options
from ..state import Host, host_names
from ..xo import fields, take_style

USAGE = (
    "usage: arp [-n] [-i interface] hostname\n"
    "       arp [-n] [-i interface] -a\n"
    "       arp -d hostname [pub]\n"
    "       arp -d [-i interface] -a\n"
    "       arp -s hostname ether_addr [temp] [reject | blackhole] [pub [only]]\n"
    "       arp -S hostname ether_addr [temp] [reject | blackhole] [pub [only]]\n"
    "       arp -f filename"
)
TYPES = {"bridge": "bridge"}


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    style, argv = take_style("arp", argv)
    found, words = options(argv, "andfsSi:", USAGE)
    values = dict(found)
    if refused := set(values) & set("fsS"):
        raise NotSimulated(f"-{min(refused)}")
    if "i" in values and interfaces.find(host.kernel, values["i"]) is None:
        raise CommandError(f"interface {values['i']} does not exist")
    entries = [entry for entry in _entries(host) if values.get("i", entry["interface"]) == entry["interface"]]
    if ("a" in values) != (not words) or len(words) > 1:
        raise Usage(USAGE)
    if "d" in values:
        return _delete(host, words)
    if words:
        entries = [entry for entry in entries if entry["address"] == words[0]]
        if not entries:
            print(f"{words[0]} ({words[0]}) -- no entry{' on ' + values['i'] if 'i' in values else ''}")
            return 1
    names = {} if "n" in values else host_names(host)
    if style == "json":
        listed = ", ".join(f"{{{_json(entry, names)}}}" for entry in entries)
        print(f'{{"__version": "1", "arp": {{"arp-cache": [{listed}]}}}}')
    else:
        for entry in entries:
            expires = f"expires in {entry['expires']} seconds" if entry["expires"] else "permanent"
            name = names.get(entry["address"], "?")
            print(f"{name} ({entry['address']}) at {entry['ether']} on {entry['interface']} {expires} [{entry['type']}]")
    return 0


def _entries(host: Host) -> list[dict[str, t.Any]]:
    """The interfaces' own addresses, and the neighbours that have answered on them."""
    entries = []
    for interface in interfaces.of(host.kernel):
        if interface["kind"] == "lo":
            continue
        kind = TYPES.get(interface["kind"], "ethernet")
        for address in interface["inet"]:
            entries.append({"address": address["address"], "ether": interface["ether"], "interface": interface["name"], "expires": 0, "type": kind})
        for neighbour in host.kernel["neighbours"]:
            if neighbour["interface"] == interface["name"] and interfaces.is_up(interface):
                entries.append({**neighbour, "type": kind})
    return entries


def _json(entry: dict[str, t.Any], names: dict[str, str]) -> str:
    expiry = {"expires": entry["expires"]} if entry["expires"] else {"permanent": True}
    return fields(
        {
            "hostname": names.get(entry["address"], "?"),
            "ip-address": entry["address"],
            "mac-address": entry["ether"],
            "interface": entry["interface"],
            **expiry,
            "type": entry["type"],
        }
    )


def _delete(host: Host, words: list[str]) -> int:
    neighbours: list[dict[str, t.Any]] = host.kernel["neighbours"]
    if not words:
        neighbours.clear()
        return 0
    if not any(entry["address"] == words[0] for entry in neighbours):
        print(f"arp: delete {words[0]}: No such file or directory", file=sys.stderr)
        return 1
    neighbours[:] = [entry for entry in neighbours if entry["address"] != words[0]]
    print(f"{words[0]} ({words[0]}) deleted")
    return 0
