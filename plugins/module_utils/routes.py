# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans static routes, and keeps networks away from what the host's own routes reach."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Phase, Run, Step

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import Definition, Observed
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan


def refuse_conflicts(document: dict[str, t.Any], at: str, observed: Observed, made: Plan) -> None:
    """Refuse subnets and static routes that the host itself has elsewhere.

    A subnet may lie within a network that the host reaches by a gateway: its own route is the more specific one.
    """
    # Networks of ours are held against each other as a whole, by the spec and the plan.
    ours = {known.bridge for known in observed.definitions.values()} | {document["bridge"]["name"]}
    for index, address in enumerate(document["bridge"]["addresses"]):
        subnet = ipaddress.ip_interface(address).network
        for route in observed.routes:
            taken = route.network
            # A link-local gateway such as link#1 means: on that very interface.
            connected = route.gateway.startswith("link#")
            if route.interface in ours or route.interface.startswith("lo") or taken is None or taken.version != subnet.version or not subnet.overlaps(taken):
                continue
            if connected or taken.prefixlen >= subnet.prefixlen:
                made.refuse(f"{at}.ips[{index}].address", f"subnet {subnet}", f"a subnet apart from {taken}, which the host reaches by {route.interface}")
    for index, wanted in enumerate(document["routes"]):
        for route in observed.routes:
            if route.network == ipaddress.ip_network(wanted["destination"]) and route.interface not in ours and not route.interface.startswith("lo"):
                made.refuse(f"{at}.routes[{index}].address", f"'{wanted['destination']}'", f"a network that the host does not reach by {route.gateway} already")


def plan_routes(document: dict[str, t.Any], old: Definition | None, observed: Observed, made: Plan) -> list[str]:
    """Add the steps that make the static routes to networks behind guests; gives the reasons for them in words."""
    wanted = {route["destination"]: route["gateway"] for route in document["routes"]}
    present = dict(observed.gateways)
    going = [ipaddress.ip_interface(address).network for address in (old.addresses if old else ()) if address not in document["bridge"]["addresses"]]
    reasons = []
    # Before the addresses go, with which FreeBSD takes the routes by gateways of their subnets away.
    for destination, gateway in (old.routes if old else {}).items():
        moves = any(ipaddress.ip_address(gateway) in subnet for subnet in going)
        if present.get(destination) == gateway and (moves or wanted.get(destination) != gateway):
            if wanted.get(destination) != gateway:
                reasons.append(f"the route to {destination} by {gateway} goes")
            made.steps.append(_step(Phase.QUIESCE, "delete", destination, gateway))
            del present[destination]
    for destination, gateway in wanted.items():
        if present.get(destination) != gateway:
            reasons.append(f"the route to {destination} by {gateway} is missing")
            made.steps.append(_step(Phase.ROUTE, "add", destination, gateway))
    return reasons


def plan_removal(known: Definition, observed: Observed, made: Plan) -> None:
    """Add the steps that take the static routes of a removed network away, while its bridge is up: they come back only to one that is."""
    for destination, gateway in known.routes.items():
        if observed.gateways.get(destination) == gateway:
            made.steps.append(_step(Phase.QUIESCE, "delete", destination, gateway))


def _step(phase: Phase, verb: str, destination: str, gateway: str) -> Step:
    def run(verb: str) -> Run:
        return Run(("route", "-n", verb, *(["-inet6"] if ":" in destination else []), "-net", destination, gateway))

    return Step(phase, f"{verb} the route to {destination} by {gateway}", run(verb), (run("add" if verb == "delete" else "delete"),))
