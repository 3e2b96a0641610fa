# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections end when rules change."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.states import allows, parse_states, policy

VERBOSE = """No ALTQ support in kernel
all icmp 8.8.8.8:8 <- 192.168.122.92:47879       0:0
   age 00:00:02, expires in 00:00:08, 1:1 pkts, 84:84 bytes, anchor 0, rule 7
   id: 3bec036b00000000 creatorid: 1c1e716d
   origif: virbr0
all icmp 203.0.113.1:29061 (192.168.122.92:47879) -> 8.8.8.8:8       0:0
   age 00:00:02, expires in 00:00:08, 1:1 pkts, 84:84 bytes, anchor 0, rule 0
   id: 3cec036b00000000 creatorid: 1c1e716d
all tcp 192.168.122.92:22 (203.0.113.1:2222) <- 203.0.113.2:10910       FIN_WAIT_2:FIN_WAIT_2
   [1391005358 + 65792] wscale 8  [1465835048 + 65792] wscale 8
   id: 3eec036b00000000 creatorid: 1c1e716d
all tcp 203.0.113.2:10910 -> 192.168.122.92:22       FIN_WAIT_2:FIN_WAIT_2
   id: 3fec036b00000000 creatorid: 1c1e716d
all ipv6-icmp fd00:1::5[128] <- fd00:1::7[4711]       NO_TRAFFIC:NO_TRAFFIC
   id: 40ec036b00000000 creatorid: 1c1e716d
all udp ff02::1%virbr0[5353] <- fe80::1%virbr0[5353]       NO_TRAFFIC:SINGLE
   id: 41ec036b00000000 creatorid: 1c1e716d
"""


def test_states_without_their_translation() -> None:
    flows = [
        (flow.id.partition("/")[0][:2], flow.proto, *(f"{end[0]} {end[1]}" if end else "" for end in (flow.source, flow.target, flow.listen)))
        for flow in parse_states(VERBOSE)
    ]
    assert flows == [
        ("3b", "icmp", "192.168.122.92 47879", "8.8.8.8 8", ""),
        ("3c", "icmp", "192.168.122.92 47879", "8.8.8.8 8", ""),
        ("3e", "tcp", "203.0.113.2 10910", "192.168.122.92 22", "203.0.113.1 2222"),
        ("3f", "tcp", "203.0.113.2 10910", "192.168.122.92 22", ""),
        ("40", "icmp6", "fd00:1::7 4711", "fd00:1::5 128", ""),
        ("41", "udp", "fe80::1 5353", "ff02::1 5353", ""),
    ]
    assert parse_states(VERBOSE)[0].id == "3bec036b00000000/1c1e716d"


def test_what_cannot_be_read_is_left_alone() -> None:
    odd = "all tcp ? <- ?       <BAD STATE LEVELS 12:0>\n   id: 1 creatorid: 2\nall x 1.2 -> 3.4       0:0\n   id: 1 creatorid: 2\n"
    assert len(parse_states(odd + VERBOSE)) == len(parse_states(VERBOSE))


# The host is 203.0.113.1 outside and .1 in each network; `other` is a network beside.
GUEST, GUEST2, OTHER, WORLD = "192.168.122.92:999", "192.168.122.93:80", "10.0.100.5:80", "198.51.100.7:443"


def network(**changes: t.Any) -> dict[str, t.Any]:
    return {"name": "default", "forward": {"mode": "nat"}, "ips": [{"address": "192.168.122.1/24"}], **changes}


def allowed(definition: dict[str, t.Any], source: str, target: str, *, proto: str = "tcp", listen: str = "", other: dict[str, t.Any] | None = None) -> bool:
    beside = {"name": "other", "forward": {"mode": "nat"}, "ips": [{"address": "10.0.100.1/24"}], **(other or {})}
    networks = {network["name"]: network for network in (definition, beside)}
    words = f"{target} ({listen})" if listen else target
    (flow,) = parse_states(f"all {proto} {words} <- {source}       0:0\n   id: 1 creatorid: 2\n")
    return allows(policy(networks["default"], networks, {"203.0.113.1", "10.0.100.1", "192.168.122.1"}), flow)


FORWARD = {"proto": ["tcp", "udp"], "port": "2222-2230", "to": "192.168.122.92", "to_port": 22, "sources": ["198.51.100.0/24"]}


@pytest.mark.parametrize(
    ("definition", "connection", "expected"),
    [
        (network(), (GUEST, GUEST2), True),
        (network(), (GUEST, WORLD), True),
        (network(), (GUEST, "192.168.122.1:53"), True),
        (network(), (GUEST, "203.0.113.1:22"), False),
        (network(), (GUEST, OTHER), True),  # by way of the world, as far as this network is concerned; `other` lets nobody in
        (network(), (OTHER, GUEST), False),
        (network(), (WORLD, GUEST), False),
        (network(), ("192.168.122.1:999", GUEST2), True),
        (network(), (OTHER, WORLD), False),
        (network(firewall={"peers": ["other"]}), (OTHER, GUEST), True),
        (network(forward={"mode": "none"}), (GUEST, WORLD), False),
        (network(forward={"mode": "none"}), (GUEST, GUEST2), True),
        (network(forward={"mode": "open"}), (WORLD, GUEST), True),
        (network(firewall={"profile": "libvirt"}), (WORLD, GUEST), True),
        (network(firewall={"host_access": "services"}), (GUEST, "192.168.122.1:22"), False),
        (network(firewall={"host_access": "services"}), (GUEST, "192.168.122.1:53"), True),
        (network(firewall={"host_access": "none"}), (GUEST, "192.168.122.1:53"), False),
        (network(firewall={"host_access": "none"}), (GUEST, WORLD), True),
        (network(firewall={"egress": {"deny": [{"networks": ["198.51.100.0/24"]}]}}), (GUEST, WORLD), False),
        (network(firewall={"egress": {"deny": [{"proto": ["udp"]}]}}), (GUEST, WORLD), True),
        (network(firewall={"egress": {"allow": [{"proto": ["tcp"], "ports": ["400-500"]}]}}), (GUEST, WORLD), True),
        (network(firewall={"egress": {"allow": [{"proto": ["tcp"], "ports": [80]}]}}), (GUEST, WORLD), False),
        (network(port_forwards=[FORWARD]), (WORLD, "192.168.122.92:22"), True),
        (network(port_forwards=[FORWARD]), (WORLD, "192.168.122.92:31"), False),
        (network(port_forwards=[FORWARD]), ("203.0.113.9:999", "192.168.122.92:22"), False),
        (network(port_forwards=[FORWARD]), (WORLD, "192.168.122.93:22"), False),
        (network(forward={"mode": "route"}, firewall={"inbound": [{"to": ["192.168.122.92"], "proto": ["tcp"], "ports": [999]}]}), (WORLD, GUEST), True),
        (network(forward={"mode": "route"}, firewall={"inbound": [{"sources": ["203.0.113.0/24"]}]}), (WORLD, GUEST), False),
    ],
)
def test_what_rules_allow(definition: dict[str, t.Any], connection: tuple[str, str], expected: bool) -> None:
    assert allowed(definition, *connection) is expected


def test_a_peer_is_told_from_the_world() -> None:
    isolated = network(forward={"mode": "none"})
    assert not allowed(isolated, GUEST, OTHER)
    assert allowed(isolated, GUEST, OTHER, other={"firewall": {"peers": ["default"]}})


def test_a_forwarded_port_by_what_was_connected_to() -> None:
    forwarding = network(port_forwards=[FORWARD])
    assert allowed(forwarding, WORLD, "192.168.122.92:22", listen="203.0.113.1:2222")
    assert not allowed(forwarding, WORLD, "192.168.122.92:22", listen="203.0.113.1:2299")
    assert not allowed(network(), WORLD, "192.168.122.92:22", listen="203.0.113.1:2222")
    elsewhere = network(port_forwards=[{**FORWARD, "listen": "203.0.113.2"}])
    assert not allowed(elsewhere, WORLD, "192.168.122.92:22", listen="203.0.113.1:2222")


def test_services_are_asked_for_by_ping_too() -> None:
    closed = network(firewall={"host_access": "services"})
    assert allowed(closed, "192.168.122.92:7", "192.168.122.1:8", proto="icmp")
    assert not allowed(closed, "192.168.122.92:7", "192.168.122.1:13", proto="icmp")
