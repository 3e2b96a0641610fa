# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What networks are like now: gathered part by part, in a number of processes that does not grow with the networks, tables aside."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import anchors, boot, bridges, layout, leases, routes
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.dnsmasq import Instances, observe_instances
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import IFCONFIG, Interface, parse_ifconfig
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import observe, read_definitions
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.pf import observe_anchor, parse_rulesets
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.plan import autostart_of
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.states import nets_of, parse_states
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import Definition, Observed

PARTS = ("bridge", "counters", "dnsmasq", "drift", "leases", "states")
_COUNTS = re.compile(r"\[ Evaluations: (\d+)\s+Packets: (\d+)\s+Bytes: (\d+)\s+States: (\d+)")


def gather(host: Host, names: t.Container[str] | None, parts: t.Collection[str]) -> list[dict[str, t.Any]]:
    """The networks `names` (None: all), sorted, each with the `parts`. Raises Unreadable, CommandError and, where pf is asked, pf.NotLoaded."""
    definitions = read_definitions(host)
    chosen = {name: known for name, known in sorted(definitions.items()) if names is None or name in names}
    observed = _observed(host, chosen) if "drift" in parts else None
    interfaces = observed.interfaces if observed else parse_ifconfig(host.run(*IFCONFIG).stdout) if "bridge" in parts else {}
    instances = observed.dnsmasq if observed else observe_instances(host) if "dnsmasq" in parts else Instances()
    found: dict[str, dict[str, t.Any]] = {
        name: {"name": name, "anchor": f"{known.anchor_root}/{name}", "definition": known.network} for name, known in chosen.items()
    }
    gathered: dict[str, dict[str, t.Any]] = {
        "bridge": {name: _bridge(known, interfaces.get(known.bridge)) for name, known in chosen.items()} if "bridge" in parts else {},
        "dnsmasq": {name: _dnsmasq(host, name, instances) for name in chosen} if "dnsmasq" in parts else {},
        "drift": _drift(definitions, chosen, observed) if observed else {},
        "leases": {name: [leases.as_dict(lease) for lease in leases.parse(host.read(layout.leases_file(name)) or "", name)] for name in chosen}
        if "leases" in parts
        else {},
        "states": _states(host, chosen) if "states" in parts else {},
        "counters": _counters(host, chosen) if "counters" in parts else {},
    }
    for part, values in gathered.items():
        for name, value in values.items():
            found[name][part] = value
    return list(found.values())


def _observed(host: Host, chosen: dict[str, Definition]) -> Observed:
    observed = observe(host, (), "")
    paths = [f"{known.anchor_root}/{name}" for name, known in chosen.items()]
    tables = {path: observed.loaded.get(path, {}).get("tables", {}) for path in paths}
    return dataclasses.replace(observed, anchors={path: observe_anchor(host, observed.pf, path, tables[path]) for path in paths})


def _bridge(known: Definition, bridge: Interface | None) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {"name": known.bridge, "present": bridge is not None}
    if bridge is not None:
        found.update(up=bridge.up, mac=bridge.ether, mtu=bridge.mtu, addresses=list(bridge.addresses), members=list(bridge.members))
    return found


def _dnsmasq(host: Host, name: str, instances: Instances) -> dict[str, t.Any]:
    return {"wanted": host.is_file(layout.dnsmasq_conf(name)), "running": name in instances.running, "pid": instances.running.get(name)}


def _drift(definitions: dict[str, Definition], chosen: dict[str, Definition], observed: Observed) -> dict[str, list[str]]:
    """In words, how each network differs from what the last run left: by the functions of the plan, from what is stored on the host."""
    starting = [autostart_of(name, known, observed.host_id) for name, known in definitions.items() if known.autostart]
    at_boot = boot.plan_boot(starting, starting, observed, Plan())
    return {name: [*_network_drift(name, known, observed), *at_boot.get(name, ())] for name, known in chosen.items()}


def _network_drift(name: str, known: Definition, observed: Observed) -> t.Iterator[str]:
    path = f"{known.anchor_root}/{name}"
    scratch = Plan()
    last, installed = observed.loaded.get(path), observed.files.get(layout.anchor_file(name))
    if last is None:
        yield f"nothing is known of a last load of the anchor {path}"
    else:
        yield from anchors.drift(path, observed.anchors[path], last, scratch)
        if installed is None or anchors.digest(installed) != last["sha256"]:
            yield f"{layout.anchor_file(name)} {'is missing' if installed is None else 'was altered'}"
    document = {
        "name": name,
        "definition": known.network,
        "bridge": {**known.settings, "name": known.bridge, "unit": known.unit},
        "routes": [{"destination": destination, "gateway": gateway} for destination, gateway in known.routes.items()],
    }
    yield from bridges.plan_bridge(document, name, observed, scratch)
    yield from routes.plan_routes(document, known, observed, scratch)
    for problem in scratch.problems:
        yield "{path}: found {found}; allowed: {allowed}".format(**problem)
    if layout.dnsmasq_conf(name) in observed.files and name not in observed.dnsmasq.running:
        yield f"dnsmasq of {name} is not running"


def _states(host: Host, chosen: dict[str, Definition]) -> dict[str, int]:
    """How many states have an end in each network."""
    flows = parse_states(host.run("pfctl", "-vvss").stdout)
    nets = {name: [ipaddress.ip_network(net) for net in nets_of(known.network)] for name, known in chosen.items()}
    return {
        name: sum(any(end in net for end in (flow.source[0], flow.target[0]) for net in own if end.version == net.version) for flow in flows)
        for name, own in nets.items()
    }


def _counters(host: Host, chosen: dict[str, Definition]) -> dict[str, dict[str, list[dict[str, t.Any]]]]:
    """What each rule has counted; two processes, and two more for each anchor that no hook of the main ruleset shows."""
    shown = {kind: parse_rulesets(host.run("pfctl", "-P", "-a", "*", f"-vs{kind}").stdout) for kind in "rn"}

    def lines(path: str, kind: str) -> t.Iterable[str]:
        if path in shown[kind].rules:
            return shown[kind].rules[path]
        return [line.strip() for line in host.run("pfctl", "-P", "-a", path, f"-vs{kind}").stdout.splitlines()]

    return {
        name: {"rules": counted(lines(f"{known.anchor_root}/{name}", "r")), "nat": counted(lines(f"{known.anchor_root}/{name}", "n"))}
        for name, known in chosen.items()
    }


def counted(lines: t.Iterable[str]) -> list[dict[str, t.Any]]:
    """Rules with their counters, from lines of `pfctl -vsr` (or -vsn)."""
    rules: list[dict[str, t.Any]] = []
    for line in lines:
        counts = _COUNTS.match(line)
        if counts and rules:
            rules[-1].update(zip(("evaluations", "packets", "bytes", "states"), map(int, counts.groups())))
        elif not line.startswith("["):
            rules.append({"rule": line})
    return rules
