# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends connections that new rules no longer allow. pf keeps the states of rules that are gone, and with them what they let through."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import ipaddress
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host

Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

# As pfctl prints protocols, where that differs from the words of a definition.
PROTOCOLS = {"ipv6-icmp": "icmp6"}
ECHO_REQUESTS = {"icmp": 8, "icmp6": 128}
# Of the host's services: DHCP in both families, DNS.
SERVICE_PORTS = {("udp", 53), ("tcp", 53), ("udp", 67), ("udp", 547), ("udp", 69)}


@dataclasses.dataclass(frozen=True)
class Flow:
    """A connection by one of its states, without translation: from `source` to `target`, each an address and a port (of ICMP the type; 0: none).

    `listen` is the address that was connected to where a port forward led elsewhere. `id` is what `pfctl -k id` takes.
    """

    id: str
    proto: str
    source: tuple[Address, int]
    target: tuple[Address, int]
    listen: tuple[Address, int] | None


def parse_states(text: str) -> list[Flow]:
    """Read the output of `pfctl -vvss`."""
    flows = []
    words: list[str] = []
    for line in text.splitlines():
        if not line.startswith(" "):
            words = line.split()
        elif line.split()[:1] == ["id:"] and ("->" in words or "<-" in words):
            parts = line.split()
            # What cannot be read, as of a protocol that this version does not know, is no connection of a network's.
            with contextlib.suppress(ValueError, IndexError):
                flows.append(_flow(f"{parts[1]}/{parts[3]}", words))
    return flows


def _flow(identity: str, words: list[str]) -> Flow:
    proto = PROTOCOLS.get(words[1], words[1])
    arrow = words.index("->" if "->" in words else "<-")
    left, right = ([_end(word) for word in side if "." in word or ":" in word] for side in (words[2:arrow], words[arrow + 1 : -1]))
    # Going out, the source stands left, before it what it is translated to. Coming in, the target does, before what it was translated from.
    if words[arrow] == "->":
        return Flow(identity, proto, left[-1], right[0], None)
    return Flow(identity, proto, right[-1], left[0], left[1] if len(left) > 1 else None)


def _end(word: str) -> tuple[Address, int]:
    """An address and port: 10.0.0.1:80, fd00::1[80], or the address alone; in parentheses the other side of a translation."""
    word = word.strip("()")
    if word.endswith("]"):
        address, _bracket, port = word[:-1].partition("[")
    elif word.count(":") == 1:
        address, _colon, port = word.partition(":")
    else:
        address, port = word, ""
    return ipaddress.ip_address(address.partition("%")[0]), int(port or 0)


def policy(network: dict[str, t.Any], others: t.Mapping[str, dict[str, t.Any]], own: t.Collection[str]) -> dict[str, t.Any]:
    """What a network allows, as plain data, out of its normalized definition and those of all networks beside it; `own` are the host's addresses."""
    firewall = network.get("firewall", {})
    peers = [nets_of(others[name]) for name in firewall.get("peers", ()) if name in others]
    takers = [nets_of(other) for other in others.values() if network["name"] in other.get("firewall", {}).get("peers", ())]
    return {
        "nets": nets_of(network),
        "hosts": sorted(ip["address"].partition("/")[0] for ip in network.get("ips", ())),
        "own": sorted(own),
        "mode": network.get("forward", {}).get("mode", "none"),
        "profile": firewall.get("profile", "strict"),
        "access": firewall.get("host_access", "full"),
        "peers_in": sorted(net for nets in peers for net in nets),
        "peers_out": sorted(net for nets in takers for net in nets),
        "egress": firewall.get("egress", {}),
        "inbound": firewall.get("inbound", []),
        "forwards": network.get("port_forwards", []),
    }


def nets_of(network: dict[str, t.Any]) -> list[str]:
    """The subnets of a network, and what its static routes have behind guests."""
    subnets = [str(ipaddress.ip_interface(ip["address"]).network) for ip in network.get("ips", ())]
    return subnets + [route["address"] for route in network.get("routes", ())]


def allows(rules: dict[str, t.Any] | None, flow: Flow) -> bool:
    """Whether a network's rules let the first packet of a connection pass to or from it; None: there is no such network."""
    if rules is None:
        return False
    (source, _source_port), (target, port) = flow.source, flow.target
    inside = _within(source, rules["nets"]), _within(target, rules["nets"])
    if not any(inside):
        return False
    if flow.listen and inside[1]:
        return any(_forwarded(forward, flow) for forward in rules["forwards"])
    if rules["profile"] == "libvirt" or rules["mode"] in ("open", "bridge"):
        # The main ruleset decides, and has.
        return True
    if inside[0] and (target.is_multicast or str(target) == "255.255.255.255" or (inside[1] and str(target) not in rules["hosts"])):
        return True
    if inside[0]:
        return _outgoing(rules, flow, port)
    if str(source) in rules["hosts"] or _within(source, rules["peers_in"]):
        return True
    return any(_forwarded(forward, flow) for forward in rules["forwards"]) or any(
        _matches(entry, flow, entry.get("to", ())) and (not entry.get("sources") or _within(source, entry["sources"])) for entry in rules["inbound"]
    )


def _outgoing(rules: dict[str, t.Any], flow: Flow, port: int) -> bool:
    target = flow.target[0]
    if str(target) in rules["hosts"]:
        service = (flow.proto, port) in SERVICE_PORTS or ECHO_REQUESTS.get(flow.proto) == port
        return rules["access"] == "full" or (rules["access"] == "services" and service)
    if str(target) in rules["own"]:
        return False
    if _within(target, rules["peers_out"]):
        return True
    if rules["mode"] == "none" or any(_matches(entry, flow, entry.get("networks", ())) for entry in rules["egress"].get("deny", ())):
        return False
    allowed = rules["egress"].get("allow", ())
    return not allowed or any(_matches(entry, flow, entry.get("networks", ())) for entry in allowed)


def _forwarded(forward: dict[str, t.Any], flow: Flow) -> bool:
    """Whether a port forward leads a connection where it goes. Where it was translated, the other half alone knows what was connected to."""
    protocols = forward.get("proto", ["tcp"])
    start, end = _ports(forward["port"])
    first = forward.get("to_port") or start
    (target, port), listen = flow.target, flow.listen
    return (
        flow.proto in protocols
        and str(target) == forward["to"]
        and first <= port <= first + end - start
        and (listen is None or (start <= listen[1] <= end and forward.get("listen", str(listen[0])) == str(listen[0])))
        and (not forward.get("sources") or _within(flow.source[0], forward["sources"]))
    )


def _matches(entry: dict[str, t.Any], flow: Flow, networks: t.Sequence[str]) -> bool:
    """Whether a connection is among the traffic of an entry of a list."""
    target, port = flow.target
    return (
        (not networks or _within(target, networks))
        and (not entry.get("proto") or flow.proto in entry["proto"])
        and (not entry.get("ports") or any(start <= port <= end for start, end in map(_ports, entry["ports"])))
    )


def _ports(ports: int | str) -> tuple[int, int]:
    start, _dash, end = str(ports).partition("-")
    return int(start), int(end or start)


def _within(address: Address, networks: t.Iterable[str]) -> bool:
    return any(address in _network(network) for network in networks)


# A busy host has many states for few networks.
_network = functools.lru_cache(maxsize=None)(ipaddress.ip_network)


def kill_disallowed(host: Host, networks: t.Sequence[dict[str, t.Any]]) -> None:
    """Kill the states that were allowed to networks `before` and are not `after`, whichever half of a translation they are.

    pfctl of 15.1 kills by source, as it is seen inside and outside of a translation, which is most of what a network leaves that is gone. It
    cannot kill by destination, and reaches what port forwards made by id alone.
    """
    for net in [net for network in networks if network["after"] is None for net in network["before"]["nets"]]:
        host.run("pfctl", "-k", net)
        host.run("pfctl", "-k", "nat", "-k", net)
    for flow in parse_states(host.run("pfctl", "-vvss").stdout):
        if any(allows(network["before"], flow) and not allows(network["after"], flow) for network in networks):
            host.run("pfctl", "-k", "id", "-k", flow.id)
