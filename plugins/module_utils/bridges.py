# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans bridges: create, change, rename, remove. Members belong to whoever attached them and are never touched."""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import CreateBridge, Phase, Run, Step

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import Interface
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import Definition, Observed
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan

# The interface group of every bridge of ours; it tells them from a user's own.
GROUP = "pfnet"


def derived_mac(host_id: str, network: str) -> str:
    """A MAC address for a network that names none: the same for that network on that host at every run, in the range of KVM guests."""
    digest = hashlib.sha256(f"{host_id} {network}".encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])


def plan_bridge(document: dict[str, t.Any], at: str, observed: Observed, made: Plan) -> list[str]:
    """Add the steps that make a network's bridge what its document says; gives the reasons for them in words."""
    want = dict(document["bridge"])
    want["mac"] = want["mac"] or derived_mac(observed.host_id, document["name"])
    name = want["name"]
    owners = {definition.bridge: definition for definition in observed.definitions.values()}
    old = observed.definitions.get(document["name"])
    bridge = observed.interfaces.get(name)
    if bridge is None:
        former = observed.interfaces.get(old.bridge) if old else None
        if old is None or former is None:
            _create(want, made)
            return [f"bridge {name} is missing"] if old else []
        made.ifconfig(Phase.RELEASE, f"rename bridge {former.name} to {name}", f"{former.name} name {name}", f"{name} name {former.name}")
        return [f"bridge {former.name} becomes {name}", *_change(want, former, old, made)]
    if not bridge.is_bridge or not (GROUP in bridge.groups or name in owners):
        made.refuse(f"{at}.bridge.name", f"'{name}', which the host has and which is no bridge of this collection", "a name that is free")
        return []
    return _change(want, bridge, owners.get(name), made)


def plan_removal(definition: Definition, at: str, network: str, force: bool, observed: Observed, made: Plan) -> None:
    """Add the steps that take a removed network's bridge away: down before its rules go, destroyed after."""
    bridge = observed.interfaces.get(definition.bridge)
    if bridge is None or not bridge.is_bridge:
        return
    if bridge.members and not force:
        made.refuse(at, f"network {network}, to whose bridge {bridge.name} {', '.join(bridge.members)} is attached", "networks without members on their bridges, or force: true")
    if bridge.up:
        made.ifconfig(Phase.QUIESCE, f"bring {bridge.name} down", f"{bridge.name} down", f"{bridge.name} up")
    made.ifconfig(Phase.DESTROY, f"destroy bridge {bridge.name}", f"{bridge.name} destroy")
    made.diff(f"interface {bridge.name}", _shown(bridge.ether, bridge.addresses), "")


def _create(want: dict[str, t.Any], made: Plan) -> None:
    name = want["name"]
    # Taking the bridge away takes back all that follows.
    made.steps.append(Step(Phase.BUILD, f"create bridge {name}", CreateBridge(name), (Run(("ifconfig", name, "destroy")),)))
    settings = [f"ether {want['mac']}", f"group {GROUP}", *(f"inet {address} alias" for address in want["addresses"])]
    if want["fwddelay"]:
        settings.append(f"fwddelay {want['fwddelay']}")
    # One call a setting: ifconfig refuses a MAC address and an IP address together.
    for words in (*settings, "up"):
        made.ifconfig(Phase.BUILD, f"configure bridge {name}: {words}", f"{name} {words}")
    made.diff(f"interface {name}", "", _shown(want["mac"], want["addresses"]))


def _change(want: dict[str, t.Any], bridge: Interface, owner: Definition | None, made: Plan) -> list[str]:
    """Steps for a bridge that exists; `owner` is the network it belonged to so far, whose addresses may go."""
    name = want["name"]
    reasons = []
    if bridge.ether != want["mac"]:
        reasons.append(f"bridge {name} has the MAC address {bridge.ether} instead of {want['mac']}")
        made.ifconfig(Phase.BUILD, f"set the MAC address of {name} to {want['mac']}", f"{name} ether {want['mac']}", f"{name} ether {bridge.ether}")
    if GROUP not in bridge.groups:
        reasons.append(f"bridge {name} is not in the interface group {GROUP}")
        made.ifconfig(Phase.BUILD, f"put {name} into the interface group {GROUP}", f"{name} group {GROUP}", f"{name} -group {GROUP}")
    if want["fwddelay"] and bridge.fwddelay != want["fwddelay"]:
        reasons.append(f"bridge {name} has a forward delay of {bridge.fwddelay} s instead of {want['fwddelay']} s")
        made.ifconfig(Phase.BUILD, f"set the forward delay of {name} to {want['fwddelay']} s", f"{name} fwddelay {want['fwddelay']}", f"{name} fwddelay {bridge.fwddelay}")
    kept = []
    for address in bridge.addresses:
        if address in want["addresses"]:
            kept.append(address)
        elif owner and address in owner.addresses:
            reasons.append(f"bridge {name} gives up {address}")
            made.ifconfig(Phase.RELEASE, f"take {address} from {name}", f"{name} inet {address.partition('/')[0]} -alias", f"{name} inet {address} alias")
        else:
            kept.append(address)
            made.warnings.append(f"The bridge {name} has the address {address}, which its definition does not name; it is left alone.")
    for address in want["addresses"]:
        if address not in bridge.addresses:
            reasons.append(f"bridge {name} lacks {address}")
            # Without alias the new address would replace the first.
            made.ifconfig(Phase.BUILD, f"give {address} to {name}", f"{name} inet {address} alias", f"{name} inet {address.partition('/')[0]} -alias")
            kept.append(address)
    if not bridge.up:
        reasons.append(f"bridge {name} is down")
        made.ifconfig(Phase.BUILD, f"bring {name} up", f"{name} up", f"{name} down")
    made.diff(f"interface {name}", _shown(bridge.ether, bridge.addresses, bridge.up), _shown(want["mac"], kept))
    return reasons


def _shown(mac: str | None, addresses: t.Iterable[str], up: bool = True) -> str:
    """A bridge's settings as a diff shows them."""
    return "".join(f"{line}\n" for line in (f"ether {mac}", *(f"inet {address}" for address in addresses), "up" if up else "down"))
