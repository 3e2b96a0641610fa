# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""netstat(1): the routing table."""

from __future__ import annotations

import json
import typing as t

from ..kernel import interfaces, routes
from ..program import NotSimulated, Usage, options
from ..state import Host, host_names
from ..xo import take_style

USAGE = (
    "usage: netstat [-j jail] [-46AaCcLnRSTWx] [-f protocol_family | -p protocol]\n"
    "               [-M core] [-N system]\n"
    "       netstat [-j jail] -i | -I interface [-46abdhnW] [-f address_family]\n"
    "               [-M core] [-N system]\n"
    "       netstat [-j jail] -w wait [-I interface] [-46d] [-M core] [-N system]\n"
    "               [-q howmany]\n"
    "       netstat [-j jail] -s [-46sz] [-f protocol_family | -p protocol]\n"
    "               [-M core] [-N system]\n"
    "       netstat [-j jail] -i | -I interface -s [-46s]\n"
    "               [-f protocol_family | -p protocol] [-M core] [-N system]\n"
    "       netstat [-j jail] -m [-M core] [-N system]\n"
    "       netstat [-j jail] -B [-z] [-I interface]\n"
    "       netstat [-j jail] -r [-46AnW] [-F fibnum] [-f address_family]\n"
    "               [-M core] [-N system]\n"
    "       netstat [-j jail] -rs [-s] [-M core] [-N system]\n"
    "       netstat [-j jail] -g [-46W] [-f address_family] [-M core] [-N system]\n"
    "       netstat [-j jail] -gs [-46s] [-f address_family] [-M core] [-N system]\n"
    "       netstat [-j jail] -Q"
)
FAMILY_NAMES = {"inet": "Internet", "inet6": "Internet6"}
FLAG_NAMES = {"U": "up", "G": "gateway", "H": "host", "R": "reject", "D": "dynamic", "M": "modified", "S": "static", "B": "blackhole"}
# Columns: destination and gateway with numbers, with names; the rest is the same for both.
WIDTHS = {("inet", True): (18, 18), ("inet", False): (18, 18), ("inet6", True): (33, 29), ("inet6", False): (18, 18)}
FLAGS_WIDTH, EXPIRE_WIDTH, NUMBER_WIDTH = 6, 6, 6


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    style, argv = take_style("netstat", argv)
    found, rest = options(argv, "46AaBbCcdF:f:ghI:ij:LlM:mN:nOoPp:Qq:RrSTsuWw:xz", USAGE, 64)
    values = dict(found)
    if "r" not in values or rest or set(values) - set("rn46fWF"):
        raise NotSimulated(f"{' '.join(argv)} (only -r with -n, -f, -4, -6 and -W)")
    if values.get("F", "0") != "0":
        raise Usage(f"netstat: {values['F']}: invalid fib", 64)
    families = [*(["inet"] if "4" in values else []), *(["inet6"] if "6" in values else [])]
    if "f" in values:
        if values["f"] not in FAMILY_NAMES:
            raise Usage(f"netstat: {values['f']}: unknown address family", 65)
        families = [values["f"]]
    families = [family for family in families or ["inet", "inet6"] if host.kernel["routes"][family]]
    if style == "json":
        print(_json(host, families))
        return 0
    print("Routing tables")
    for family in families:
        _print_family(host, family, numeric="n" in values, wide="W" in values)
    return 0


def _destination(route: routes.Route, names: dict[str, str]) -> str:
    scope = f"%{route['interface']}" if route["destination"].startswith("fe80:") else ""
    address = route["destination"]
    if "H" in route["flags"]:
        return names.get(address, f"{address}{scope}")
    if route["prefixlen"] == 0:
        return "default"
    return f"{address}{scope}/{route['prefixlen']}"


def _gateway(route: routes.Route) -> str:
    return f"{route['gateway']}%{route['interface']}" if route["gateway"].startswith("fe80:") else str(route["gateway"])


def _print_family(host: Host, family: str, *, numeric: bool, wide: bool) -> None:
    destination_width, gateway_width = WIDTHS[family, numeric]
    interface_width = interfaces.NAME_SIZE if wide else 12
    numbers = f"{'Nhop#':>{NUMBER_WIDTH}} {'Mtu':>{NUMBER_WIDTH}} " if wide else ""
    names = {} if numeric else host_names(host)
    print(f"\n{FAMILY_NAMES[family]}:")
    header = f"{'Destination':{destination_width}} {'Gateway':{gateway_width}} {'Flags':{FLAGS_WIDTH}} "
    print(f"{header}{numbers}{'Netif':>{interface_width}} {'Expire':>{EXPIRE_WIDTH}}")
    for route in routes.table(host.kernel, family):
        destination, gateway = _destination(route, names), _gateway(route)
        if not (numeric or wide):
            destination, gateway = destination[:destination_width], gateway[:gateway_width]
        # What is too long for its column takes the space from the next one.
        spill = max(0, len(destination) - destination_width)
        line = f"{destination:{destination_width}} {gateway:{max(0, gateway_width - spill)}} "
        spill = max(0, len(gateway) - (gateway_width - spill))
        line += f"{route['flags']:{max(0, FLAGS_WIDTH - spill)}} "
        if wide:
            interface = interfaces.find(host.kernel, route["interface"])
            line += f"{route['nexthop']:{NUMBER_WIDTH}} {interface['mtu'] if interface else 0:{NUMBER_WIDTH}} "
        print(f"{line}{route['interface']:>{interface_width}}")


def _json(host: Host, families: list[str]) -> str:
    """What libxo writes: no space after a colon or comma but where a list or an object begins."""
    lists = []
    for family in families:
        entries = []
        for route in routes.table(host.kernel, family):
            pretty = ",".join(json.dumps(FLAG_NAMES[letter]) for letter in route["flags"])
            entries.append(
                f'{{"destination":{json.dumps(_destination(route, {}))},"gateway":{json.dumps(_gateway(route))},"flags":{json.dumps(route["flags"])}, '
                f'"flags_pretty": [{pretty}],"weight":1,"nhop-kidx":{route["nexthop"]},"interface-name":{json.dumps(route["interface"])}}}'
            )
        lists.append(f'{{"address-family":"{FAMILY_NAMES[family]}", "rt-entry": [{", ".join(entries)}]}}')
    return f'{{"statistics": {{"route-information": {{"route-table": {{"rt-family": [{", ".join(lists)}]}}}}}}}}'
