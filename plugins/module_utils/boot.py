# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings the networks up again at boot: rc(8) variables for bridges and routes, and the lines that load the anchors.

Each file is written whole, for all networks of the host that start by themselves. The user's own rc.conf is not touched.
"""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.bridges import GROUP, family
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Phase

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import Observed
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan

_HEADER = "# Written by bsdvirt.pfnet; its next run undoes changes made here.\n"


@dataclasses.dataclass(frozen=True)
class Autostart:
    """A network to be there after a boot: its anchor's path, its bridge as a document has it with name, unit and mac, and its static routes."""

    name: str
    anchor: str
    bridge: t.Mapping[str, t.Any]
    routes: t.Sequence[t.Mapping[str, str]]

    @property
    def rules(self) -> str:
        """The line of layout.BOOT_RULES."""
        return f'load anchor "{self.anchor}" from "{layout.anchor_file(self.name)}"\n'


def rules_text(networks: t.Iterable[Autostart]) -> str:
    """What layout.BOOT_RULES holds; without networks a comment, for a pf.conf that includes the file."""
    return layout.BOOT_RULES_HEADER + "".join(network.rules for network in networks)


def interfaces_text(networks: t.Sequence[Autostart]) -> str | None:
    """What layout.BOOT_INTERFACES holds: variables that netif reads; None without networks."""
    if not networks:
        return None
    units = " ".join(network.bridge["unit"] for network in networks)
    return f'{_HEADER}cloned_interfaces="${{cloned_interfaces}} {units}"\n' + "".join(map(_interface, networks))


def routes_text(networks: t.Iterable[Autostart]) -> str | None:
    """What layout.BOOT_ROUTES holds: variables that routing reads; None without routes."""
    lines = []
    for prefix, words in (("", "inet"), ("ipv6_", "inet6")):
        routes = [(network.bridge["name"], route) for network in networks for route in network.routes if family(route["destination"]) == words]
        if routes:
            # The bridge's name after the colon lets `service netif start BRIDGE` set its routes.
            listed = " ".join(f"pfnet{number}:{bridge}" for number, (bridge, _route) in enumerate(routes))
            lines.append(_assignment(f"{prefix}static_routes", f"{listed}", f"${{{prefix}static_routes}} "))
            lines += [
                _assignment(f"{prefix}route_pfnet{number}", f"-net {route['destination']} {route['gateway']}") for number, (_bridge, route) in enumerate(routes)
            ]
    return _HEADER + "".join(lines) if lines else None


def variable(interface: str) -> str:
    """An interface's name as it stands in names of variables of rc.conf(5)."""
    return re.sub(r"[.\-]", "_", interface)


def _interface(network: Autostart) -> str:
    bridge = network.bridge
    name = variable(bridge["name"])
    lines = [
        f"# {network.name}\n",
        # The address first: ifconfig takes it for one only right after `create`.
        _assignment(f"create_args_{bridge['unit']}", f"{'ether ' + bridge['mac'] + ' ' if bridge['mac'] else ''}group {GROUP}"),
        _assignment(f"ifconfig_{bridge['unit']}_name", bridge["name"]),
        _assignment(f"ifconfig_{name}", " ".join([*_settings(bridge), "up"])),
    ]
    if any(family(address) == "inet6" for address in bridge["addresses"]):
        lines.append(_assignment(f"ifconfig_{name}_ipv6", "inet6 auto_linklocal"))
    lines += [_assignment(f"ifconfig_{name}_alias{number}", f"{family(address)} {address}") for number, address in enumerate(bridge["addresses"])]
    return "".join(lines)


def _settings(bridge: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Words of ifconfig, members last: one that is not there at boot takes what follows it along."""
    if bridge["fwddelay"]:
        yield f"fwddelay {bridge['fwddelay']}"
    if bridge["description"]:
        yield f"description {_quoted(bridge['description'])}"
    if bridge["vlan_filtering"] is not None:
        yield "vlanfilter" if bridge["vlan_filtering"] else "-vlanfilter"
    for member in bridge["members"]:
        yield f"addm {member['name']}"
        yield from (f"{'' if member[flag] else '-'}{flag} {member['name']}" for flag in ("private", "stp") if member[flag] is not None)
    if bridge["mtu"]:
        yield f"mtu {bridge['mtu']}"


def _quoted(text: str) -> str:
    """A word for rc(8), which expands the value of a variable once, splits it and takes it for a pattern, and then has the shell read it again."""
    safe = "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\{byte:03o}" for byte in text.encode())
    return f"$'{safe}'"


def _assignment(name: str, value: str, before: str = "") -> str:
    escaped = re.sub(r'([\\"$`])', r"\\\1", value)
    return f'{name}="{before}{escaped}"\n'


def plan_boot(networks: t.Sequence[Autostart], former: t.Sequence[Autostart], observed: Observed, made: Plan) -> dict[str, list[str]]:
    """Add the steps that make the boot files say what `networks` need; `former` are those that were to be there at boot so far.

    Gives by network what the files lack that they should hold of the former ones that stay as they were: drift, in words.
    """
    _refuse_files_for_folders(observed, made)
    _refuse_names_that_meet(networks, made)
    files = observed.files
    rules, interfaces, routes = rules_text(networks), interfaces_text(networks), routes_text(networks)
    found = files.get(layout.BOOT_RULES)
    wanted = rules if networks or _is_included(observed) else None
    # A bridge that still comes at boot has its rules: theirs go after its own lines.
    going = [network for network in former if network.rules not in rules and network.rules in (found or "")]
    if going and any(network.rules not in (found or "") for network in networks):
        both = rules_text([*networks, *going])
        made.file(layout.BOOT_RULES, both, found, layout.CONFIGURATION, Phase.BOOT_RULES)
        found = both
    made.file(layout.BOOT_RULES, wanted, found, layout.CONFIGURATION, Phase.BOOT_RULES_GO if going else Phase.BOOT_RULES)
    for path, text in ((layout.BOOT_INTERFACES, interfaces), (layout.BOOT_ROUTES, routes)):
        # The folder above comes with FreeBSD.
        made.file(path, text, files.get(path), os.path.dirname(path), Phase.BOOT_INTERFACES)
        made.diff(path, files.get(path) or "", text or "")
    made.diff(layout.BOOT_RULES, files.get(layout.BOOT_RULES) or "", wanted or "")
    return {network.name: list(_lacking(network, files)) for network in networks if network in former}


def _lacking(network: Autostart, files: t.Mapping[str, str]) -> t.Iterator[str]:
    texts = ((layout.BOOT_RULES, network.rules), (layout.BOOT_INTERFACES, _interface(network)), (layout.BOOT_INTERFACES, f" {network.bridge['unit']}"))
    for path in sorted({path for path, text in texts if text not in files.get(path, "")}):
        yield f"{path} {'lacks what starts it' if path in files else 'is missing'}"
    if network.routes and not all(f"-net {route['destination']} {route['gateway']}" in files.get(layout.BOOT_ROUTES, "") for route in network.routes):
        yield f"{layout.BOOT_ROUTES} lacks its routes"


def _is_included(observed: Observed) -> bool:
    """Whether a pf.conf counts on layout.BOOT_RULES: without a file that it includes pfctl loads none of it, and the host boots without rules."""
    return layout.BOOT_RULES in observed.main_rules or observed.files.get(layout.BOOT_RULES) == layout.BOOT_RULES_HEADER


def _refuse_files_for_folders(observed: Observed, made: Plan) -> None:
    for path in sorted(observed.in_the_way):
        made.refuse("networks", f"{path}, a file on the host", f"a folder of that name, where rc(8) reads every file: move it to {path}/local")


def _refuse_names_that_meet(networks: t.Sequence[Autostart], made: Plan) -> None:
    first: dict[str, str] = {}
    for network in networks:
        name = network.bridge["name"]
        other = first.setdefault(variable(name), name)
        if other != name:
            made.refuse("networks", f"the bridges {other} and {name}, which are both {variable(name)} in rc.conf", "names that differ in letters or digits")
