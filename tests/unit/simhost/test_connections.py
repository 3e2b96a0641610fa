# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that end when a network goes or changes, and those that live on."""

from __future__ import annotations

import typing as t

import pytest
from in_process import InProcessHost
from simhost import state
from simhost.pf.states import add_state
from test_collection import BLUE, GREEN

OUTSIDE, HOST, SERVER = "203.0.113.10", "10.10.1.1", "198.51.100.7"
FORWARD = {"port": 2222, "to": "10.10.1.5", "to_port": 22}
OPEN = {**BLUE, "port_forwards": [FORWARD], "firewall": {"peers": ["green"]}}


@pytest.fixture
def busy(host: InProcessHost) -> InProcessHost:
    """A host with two networks, and a connection of each kind that there can be with them."""
    host.make([OPEN, GREEN])
    with state.opened(host.directory) as machine:

        def connect(direction: str, source: tuple[str, int], destination: tuple[str, int], interface: str, **more: t.Any) -> None:
            add_state(machine.kernel, direction=direction, proto="tcp", source=source, destination=destination, interface=interface, **more)

        for guest, bridge in (("10.10.1.4", "virbr0"), ("10.10.2.4", "virbr1")):
            # To the world, translated: by the bridge, and out.
            connect("in", (guest, 1000), (SERVER, 443), bridge)
            connect("out", (guest, 1000), (SERVER, 443), "re0", translated_source=(OUTSIDE, 40000))
        # A forwarded port, in from outside and out to the guest.
        connect("in", (SERVER, 2000), (OUTSIDE, 2222), "re0", translated_destination=("10.10.1.5", 22))
        connect("out", (SERVER, 2000), ("10.10.1.5", 22), "virbr0")
        # A peer, from the one bridge to the other.
        connect("in", ("10.10.2.6", 3000), ("10.10.1.6", 80), "virbr1")
        connect("out", ("10.10.2.6", 3000), ("10.10.1.6", 80), "virbr0")
        # Guests and their host, and the host's own affairs.
        connect("in", ("10.10.1.7", 4000), (HOST, 53), "virbr0")
        connect("in", ("198.51.100.9", 5000), (OUTSIDE, 22), "re0")
    return host


def connections(host: InProcessHost) -> list[str]:
    """What is left, each by its ends as pfctl prints them."""
    return [" ".join(line.split()[2:-1]) for line in host.run("pfctl", "-ss").stdout.splitlines()]


HOSTS_OWN = f"{OUTSIDE}:22 <- 198.51.100.9:5000"
BLUES = [
    f"{SERVER}:443 <- 10.10.1.4:1000",
    f"{OUTSIDE}:40000 (10.10.1.4:1000) -> {SERVER}:443",
    f"10.10.1.5:22 ({OUTSIDE}:2222) <- {SERVER}:2000",
    f"{SERVER}:2000 -> 10.10.1.5:22",
    "10.10.1.6:80 <- 10.10.2.6:3000",
    "10.10.2.6:3000 -> 10.10.1.6:80",
    f"{HOST}:53 <- 10.10.1.7:4000",
]
GREENS = [f"{SERVER}:443 <- 10.10.2.4:1000", f"{OUTSIDE}:40000 (10.10.2.4:1000) -> {SERVER}:443"]
FORWARDED, PEERS_OWN = BLUES[2:4], BLUES[4:6]


def test_a_network_that_goes_takes_its_connections_along_and_no_others(busy: InProcessHost) -> None:
    assert sorted(connections(busy)) == sorted([*BLUES, *GREENS, HOSTS_OWN])
    busy.make([GREEN], prune=True)
    assert sorted(connections(busy)) == sorted([*GREENS, HOSTS_OWN])


@pytest.mark.parametrize(
    ("changed", "ended"),
    [
        (OPEN, []),
        ({**OPEN, "title": "Blue"}, []),
        ({**OPEN, "bridge": {"name": "virbr7"}}, []),
        ({**OPEN, "port_forwards": []}, FORWARDED),
        ({**OPEN, "port_forwards": [{**FORWARD, "port": 2223}]}, FORWARDED[:1]),
        ({**OPEN, "port_forwards": [{**FORWARD, "sources": ["192.0.2.0/24"]}]}, FORWARDED),
        ({**OPEN, "port_forwards": [{**FORWARD, "proto": ["tcp", "udp"]}]}, []),
        ({**OPEN, "firewall": {}}, PEERS_OWN),
        ({**OPEN, "firewall": {"peers": ["green"], "host_access": "none"}}, [f"{HOST}:53 <- 10.10.1.7:4000"]),
        ({**OPEN, "firewall": {"peers": ["green"], "egress": {"deny": [{"networks": ["198.51.100.0/24"]}]}}}, BLUES[:2]),
        ({**OPEN, "firewall": {"peers": ["green"], "egress": {"allow": [{"proto": ["tcp"], "ports": ["400-500"]}]}}}, []),
        ({**OPEN, "ips": [{"address": "10.10.9.1/24"}], "port_forwards": []}, BLUES),
    ],
)
def test_a_network_that_changes_keeps_what_its_rules_still_allow(busy: InProcessHost, changed: dict[str, t.Any], ended: list[str]) -> None:
    before = connections(busy)
    busy.make([changed, GREEN])
    assert [connection for connection in before if connection not in connections(busy)] == ended


def test_what_a_removed_network_leaves_ends_in_few_processes(busy: InProcessHost) -> None:
    with state.opened(busy.directory) as machine:
        for port in range(1, 200):
            add_state(machine.kernel, direction="in", proto="udp", source=("10.10.1.8", port), destination=(SERVER, 53), interface="virbr0")
    busy.commands.clear()
    busy.make([GREEN], prune=True)
    assert sorted(connections(busy)) == sorted([*GREENS, HOSTS_OWN])
    assert len([command for command in busy.commands if command.startswith("pfctl -k")]) < 10
