# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done: a function of what is wanted and what is, without side effects."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import boot, bridges, dnsmasq, layout, routes, states
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.anchors import Loads, anchor_text, digest, drift, plan_egress
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.bridges import derived_mac
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.dnsmasq import Services
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.forwards import Taken, refuse_taken, taken_by_rules
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import KillStates, Phase, Plan, Step

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import Route
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import Definition, Observed


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a run asks for. `documents` are those of plugin_utils/render.py, `absent` the names of networks to remove."""

    documents: tuple[dict[str, t.Any], ...]
    anchor_root: str
    absent: tuple[str, ...] = ()
    prune: bool = False
    force: bool = False
    forget_leases: bool = False


def plan(wanted: Wanted, observed: Observed) -> Plan:
    """The plan that makes the host what is wanted; without steps if it is so already."""
    made = Plan()
    loads, services = Loads(), Services()
    removed = _removed(wanted, observed)
    names = bridges.free_names(wanted.documents, {name: known.bridge for name, known in observed.definitions.items()}, observed.interfaces)
    units = bridges.free_units(names, observed.definitions, observed.interfaces)
    documents = [_on_host(document, names, units, observed) for document in wanted.documents]
    listed = {document["name"] for document in documents}
    # Networks of ours that this run neither lists nor removes.
    others = {name: known for name, known in observed.definitions.items() if name not in listed and name not in removed}
    _refuse_overlaps(documents, others, made)
    _refuse_lone_peers(documents, others, removed, made)
    _refuse_second_bridges(documents, observed, made)
    # The routes of a network that goes are not there any more for one that comes.
    going = {route for name in removed for route in observed.definitions[name].routes.items()}
    remaining = [route for route in observed.routes if (str(route.network), route.gateway) not in going]
    ours = {f"{wanted.anchor_root}/{name}" for name in listed}
    ours |= {f"{known.anchor_root}/{name}" for name, known in observed.definitions.items() if name not in others}
    taken = taken_by_rules(observed.pf.translation, ours)
    for index, document in enumerate(documents):
        made.outcomes.append(_plan_network(document, f"networks[{index}]", wanted.anchor_root, observed, remaining, taken, loads, services, made))
    for name, at in removed.items():
        made.outcomes.append(_plan_removal(name, at, wanted, names.values(), observed, loads, services, made))
    made.outcomes += [{"name": name, "action": "unchanged", "reasons": ["the host has no such network"]} for name in wanted.absent if name not in removed]
    loads.plan(observed, made)
    services.plan(made)
    _plan_boot(documents, others, wanted.anchor_root, observed, made)
    _plan_states(documents, others, removed, observed, made)
    _warn(documents, wanted.anchor_root, observed, made)
    made.steps.sort(key=lambda step: step.phase)
    return made


def _on_host(document: dict[str, t.Any], names: dict[str, str], units: dict[str, str], observed: Observed) -> dict[str, t.Any]:
    """A document with what the host chooses and knows of its bridge."""
    name, bridge = document["name"], document["bridge"]
    members = bridges.with_member_mtus(bridge["members"], observed.definitions.get(name), observed.interfaces)
    return {**document, "bridge": {**bridge, "name": names[name], "unit": units[name], "members": members}}


def _removed(wanted: Wanted, observed: Observed) -> dict[str, str]:
    """The networks to remove, each with the path of the user's input that asks for it."""
    removed = {name: f"networks[{index}].name" for index, name in enumerate(wanted.absent) if name in observed.definitions}
    if wanted.prune:
        listed = {document["name"] for document in wanted.documents}
        removed.update({name: "prune" for name in observed.definitions if name not in listed})
    return removed


def _refuse_overlaps(documents: t.Sequence[dict[str, t.Any]], others: dict[str, Definition], made: Plan) -> None:
    """A bridge is one network's alone; and networks that this run does not list keep their bridges and subnets."""
    for index, document in enumerate(documents):
        for listed in documents[:index]:
            if listed["bridge"]["name"] == document["bridge"]["name"]:
                made.refuse(f"networks[{index}].bridge.name", f"'{document['bridge']['name']}', the bridge of {listed['name']}", "another bridge")
        for name, other in others.items():
            if document["bridge"]["name"] == other.bridge:
                made.refuse(f"networks[{index}].bridge.name", f"'{other.bridge}', the bridge of the host's network {name}", "another bridge")
            for position, address in enumerate(document["bridge"]["addresses"]):
                subnet = ipaddress.ip_interface(address).network
                for taken in (ipaddress.ip_interface(taken).network for taken in other.addresses):
                    if subnet.version == taken.version and subnet.overlaps(taken):
                        made.refuse(
                            f"networks[{index}].ips[{position}].address", f"subnet {subnet}", f"a subnet apart from {taken} of the host's network {name}"
                        )


def _refuse_lone_peers(documents: t.Sequence[dict[str, t.Any]], others: dict[str, Definition], removed: dict[str, str], made: Plan) -> None:
    """Peers have rules in each other's anchors: one does not change or go without the other."""
    listed = {document["name"]: f"networks[{index}].name" for index, document in enumerate(documents)}
    for name, known in others.items():
        for peer in known.peers:
            if peer in listed:
                made.refuse(listed[peer], f"'{peer}' without {name}, whose peer it is", f"both in one list, or {name} without that peer first")
            elif peer in removed:
                made.refuse(removed[peer], f"the removal of {peer}, a peer of {name}", f"networks that are nobody's peer; change {name} first, or remove both")


def _refuse_second_bridges(documents: t.Sequence[dict[str, t.Any]], observed: Observed, made: Plan) -> None:
    """A network that would leave its bridge for one that is there already: the one that it leaves would be nobody's, with the same addresses."""
    claimed = {document["bridge"]["name"] for document in documents}
    for index, document in enumerate(documents):
        name, old = document["bridge"]["name"], observed.definitions.get(document["name"])
        if old and old.bridge not in claimed and {name, old.bridge} <= observed.interfaces.keys():
            made.refuse(
                f"networks[{index}].bridge.name",
                f"'{name}', which the host has, while {document['name']} has {old.bridge}",
                f"{old.bridge}, or a name that is free; if {name} is a network's that is to go, remove that one in a run before",
            )


def _plan_network(
    document: dict[str, t.Any],
    at: str,
    root: str,
    observed: Observed,
    remaining: list[Route],
    taken: list[Taken],
    loads: Loads,
    services: Services,
    made: Plan,
) -> dict[str, t.Any]:
    """Add the steps for one network; gives its outcome. Of the host's routes, `remaining` are those that do not go with other networks."""
    name = document["name"]
    path = f"{root}/{name}"
    old = observed.definitions.get(name)
    last = observed.loaded.get(path)
    egress = plan_egress(document, at, observed, made)
    text = anchor_text(document, document["bridge"]["name"], egress)
    definition = definition_text(document, root)
    installed = observed.files.get(layout.anchor_file(name))

    changes, drifted = [], []
    former = f"{old.anchor_root}/{name}" if old else path
    if old and old.network != document["definition"]:
        changes.append("its definition changes")
    if former != path:
        changes.append(f"its anchor moves from {former} to {path}")
    elif last is None:
        changes.append(f"nothing is known of a last load of the anchor {path}")
    elif last["sha256"] != digest(text):
        changes.append("its rules change")
    loaded = last if last and last["sha256"] == digest(text) else None
    if loaded:
        drifted += drift(path, observed.anchors[path], loaded, made)
    if drifted or not loaded:
        loads.add(root, name, text, document["tables"])
    elif installed != text:
        drifted.append(f"{layout.anchor_file(name)} {'is missing' if installed is None else 'was altered'}")
    if old and not changes and old.text != definition:
        drifted.append(f"{layout.definition_path(name)} was altered")
    if old and former != path:
        loads.remove(old.anchor_root, name)
    if old is None and last is None and (observed.anchors[path].rules or observed.anchors[path].nat):
        made.warnings.append(f"The anchor {path} held rules that no run of bsdvirt.pfnet loaded; they are replaced.")
    refuse_taken(document, at, egress, taken, made)
    routes.refuse_conflicts(document, at, observed, made)
    drifted += bridges.plan_bridge(document, at, observed, made)
    drifted += routes.plan_routes(document, old, dataclasses.replace(observed, routes=remaining), made)
    drifted += dnsmasq.plan_dnsmasq(document, at, old, observed, services, made)
    made.diff(layout.anchor_file(name), installed or "", text)
    made.file(layout.anchor_file(name), text, installed, layout.CONFIGURATION)
    made.file(layout.definition_path(name), definition, old.text if old else None, layout.CONFIGURATION)

    if old is None:
        return {"name": name, "action": "created", "reasons": ["the host has no such network yet"]}
    if changes:
        return {"name": name, "action": "updated", "reasons": changes + drifted}
    return {"name": name, "action": "repaired" if drifted else "unchanged", "reasons": [f"drift: {reason}" for reason in drifted]}


def _plan_removal(
    name: str, at: str, wanted: Wanted, claimed: t.Collection[str], observed: Observed, loads: Loads, services: Services, made: Plan
) -> dict[str, t.Any]:
    """Add the steps that remove a network; gives its outcome. A bridge among `claimed`, which another network takes over in this run, stays."""
    known = observed.definitions[name]
    loads.remove(known.anchor_root, name)
    routes.plan_removal(known, observed, made)
    dnsmasq.plan_removal(name, at, observed, services, made)
    if wanted.forget_leases:
        made.file(layout.leases_file(name), None, observed.files.get(layout.leases_file(name)), layout.STATE)
    if known.bridge not in claimed:
        bridges.plan_removal(known, at, name, wanted.force, observed, made)
    installed = observed.files.get(layout.anchor_file(name))
    made.diff(layout.anchor_file(name), installed or "", "")
    made.file(layout.anchor_file(name), None, installed, layout.CONFIGURATION)
    made.file(layout.definition_path(name), None, known.text, layout.CONFIGURATION)
    return {"name": name, "action": "removed", "reasons": ["it is not listed" if at == "prune" else "it is to be absent"]}


def definition_text(document: dict[str, t.Any], root: str) -> str:
    """What layout.definition_path holds of a network; the document has the name and the unit of its bridge."""
    data = {"format": layout.FORMAT, "anchor_root": root, "bridge": document["bridge"], "network": document["definition"]}
    return json.dumps(data, indent=2, sort_keys=True) + "\n"


def _plan_boot(documents: t.Sequence[dict[str, t.Any]], others: dict[str, Definition], root: str, observed: Observed, made: Plan) -> None:
    """The files for the boot hold every network that starts by itself, also those that this run does not list."""
    former = {name: autostart_of(name, known, observed.host_id) for name, known in observed.definitions.items() if known.autostart}
    networks = {name: network for name, network in former.items() if name in others}
    for document in documents:
        if document["definition"].get("autostart", True):
            bridge = {**document["bridge"], "mac": document["bridge"]["mac"] or derived_mac(observed.host_id, document["name"])}
            networks[document["name"]] = boot.Autostart(document["name"], f"{root}/{document['name']}", bridge, document["routes"])
    drifted = boot.plan_boot([networks[name] for name in sorted(networks)], list(former.values()), observed, made)
    for outcome in made.outcomes:
        reasons = [f"drift: {reason}" for reason in drifted.get(outcome["name"], ())]
        if reasons and outcome["action"] in ("unchanged", "repaired"):
            outcome["action"] = "repaired"
            outcome["reasons"] += reasons


def autostart_of(name: str, known: Definition, host_id: str) -> boot.Autostart:
    """What the files for the boot are to hold of a network that a former run installed."""
    bridge = {**known.settings, "name": known.bridge, "unit": known.unit, "mac": known.settings["mac"] or derived_mac(host_id, name)}
    routes = [{"destination": destination, "gateway": gateway} for destination, gateway in known.routes.items()]
    return boot.Autostart(name, f"{known.anchor_root}/{name}", bridge, routes)


def _plan_states(documents: t.Sequence[dict[str, t.Any]], others: dict[str, Definition], removed: t.Container[str], observed: Observed, made: Plan) -> None:
    """End what a network that goes has connected, and what one that changes does not allow any more."""
    before = {name: known.network for name, known in observed.definitions.items()}
    after = {**{name: before[name] for name in others}, **{document["name"]: document["definition"] for document in documents}}
    own = {address.partition("/")[0] for interface in observed.interfaces.values() for address in interface.addresses}
    narrowed = []
    for name, network in before.items():
        was = states.policy(network, before, own)
        now = after.get(name) or _successor(network, before, after)
        is_now = states.policy(now, after, own) if now else None
        if was != is_now:
            narrowed.append({"name": name, "before": was, "after": is_now})
    if narrowed:
        what = ", ".join(f"{each['name']}{'' if each['after'] is None else ' that its rules no longer allow'}" for each in narrowed)
        made.steps.append(Step(Phase.KILL, f"end connections of {what}", KillStates(tuple(narrowed))))


def _successor(network: dict[str, t.Any], before: t.Container[str], after: dict[str, dict[str, t.Any]]) -> dict[str, t.Any] | None:
    """The new network that has a subnet of one that goes, as after a change of its name: its guests are the same."""
    nets = set(states.nets_of(network))
    return next((other for name, other in after.items() if name not in before and nets.intersection(states.nets_of(other))), None)


# What does not work without each hook of the main ruleset.
_WITHOUT = {"nat-anchor": "guests reach nothing outside", "rdr-anchor": "no port is forwarded", "anchor": "nothing is isolated"}
_FORWARDING = {"inet": ("IPv4", "net.inet.ip.forwarding", "gateway_enable"), "inet6": ("IPv6", "net.inet6.ip6.forwarding", "ipv6_gateway_enable")}


def _warn(documents: t.Sequence[dict[str, t.Any]], root: str, observed: Observed, made: Plan) -> None:
    """What keeps networks that are set up well from working; each with its remedy."""
    missing = []
    for kind, effect in _WITHOUT.items():
        ruleset = observed.pf.filter if kind == "anchor" else observed.pf.translation
        if any(kind in document["hooks"] and not ruleset.hooked(kind, f"{root}/{document['name']}") for document in documents):
            missing.append((kind, effect))
    if missing:
        made.warnings.append(
            f"The main ruleset of pf does not call the networks' anchors, so {' and '.join(effect for kind, effect in missing)}: put "
            + " and ".join(f'`{kind} "{root}/*"`' for kind, effect in missing)
            + " into /etc/pf.conf before its first filter rule, translation before filter, then run `service pf reload`; or let the module"
            " bsdvirt.pfnet.pf_hooks do it."
        )
    if layout.BOOT_RULES not in observed.main_rules and any(document["definition"].get("autostart", True) and document["hooks"] for document in documents):
        made.warnings.append(
            f"The main rules do not include {layout.BOOT_RULES}, so after a boot the networks' bridges are there without their rules: let the module"
            f' bsdvirt.pfnet.pf_hooks do it, or put `include "{layout.BOOT_RULES}"` behind the anchors in /etc/pf.conf.'
        )
    if documents and not observed.pf.enabled:
        made.warnings.append("pf is loaded but not enabled, so no rule is in force: run `pfctl -e`, and `sysrc pf_enable=YES` for the next boot.")
    for family, (name, variable, setting) in _FORWARDING.items():
        if family not in observed.forwarding and any(family in document["forwarding"] for document in documents):
            made.warnings.append(
                f"The host does not forward {name}, and by it guests reach nothing outside: run `sysctl {variable}=1`, for the next boot `sysrc {setting}=YES`."
            )
