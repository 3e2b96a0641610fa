# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""States that tests insert: how they are shown, and what -k kills."""

from __future__ import annotations

from pathlib import Path

import pytest
from pf_machine import Machine
from simhost.pf.states import add_state

GUEST, OUTSIDE, PEER = "192.168.122.92", "203.0.113.1", "198.51.100.7"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    kernel = machine.host.kernel
    add_state(kernel, direction="in", proto="tcp", interface="virbr0", source=(GUEST, 4000), destination=(PEER, 443), label="web")
    add_state(
        kernel,
        direction="out",
        proto="tcp",
        interface="vtnet1",
        source=(GUEST, 4000),
        translated_source=(OUTSIDE, 50001),
        destination=(PEER, 443),
        levels=("ESTABLISHED", "FIN_WAIT_2"),
    )
    add_state(
        kernel,
        direction="in",
        proto="udp",
        interface="vtnet1",
        source=(PEER, 5000),
        destination=(OUTSIDE, 53),
        translated_destination=(GUEST, 53),
        levels=("SINGLE", "MULTIPLE"),
        bound=True,
    )
    add_state(kernel, direction="out", proto="ipv6-icmp", interface="virbr0", source=("fd00:1::1", 9), destination=("fd00:1::2", 128))
    return machine


SHOWN = [
    "all tcp 198.51.100.7:443 <- 192.168.122.92:4000       0:0",
    "all tcp 203.0.113.1:50001 (192.168.122.92:4000) -> 198.51.100.7:443       ESTABLISHED:FIN_WAIT_2",
    "vtnet1 udp 192.168.122.92:53 (203.0.113.1:53) <- 198.51.100.7:5000       MULTIPLE:SINGLE",
    "all ipv6-icmp fd00:1::1[9] -> fd00:1::2[128]       0:0",
]


def test_shown(machine: Machine) -> None:
    assert machine.shown("-ss") == SHOWN
    assert machine.shown("-ss", "-i", "vtnet1") == SHOWN[2:3]


def test_shown_with_ids(machine: Machine) -> None:
    lines = machine.shown("-vvss")
    assert lines[:2] == [SHOWN[0], "   [0 + 65792] wscale 8  [0 + 65792] wscale 8"]
    assert lines[2].startswith("   age 00:00:02, expires in 00:00:30, 1:1 pkts, 84:84 bytes, rule 0")
    identity = machine.pf["states"][0]["id"]
    assert lines[3:5] == [f"   id: {identity} creatorid: 1c1e716d", "   origif: virbr0"]
    assert machine.shown("-s", "creatorids") == ["Creator IDs:", "1c1e716d"]


@pytest.mark.parametrize(
    ("argv", "message", "killed"),
    [
        (("-k", GUEST), "killed 1 states from 1 sources and 0 destinations", {0}),
        (("-k", "192.168.122.0/24"), "killed 1 states from 1 sources and 0 destinations", {0}),
        (("-k", "nat", "-k", "192.168.122.0/24"), "killed 2 states from 1 sources and 0 destinations", {0, 1}),
        (("-k", PEER), "killed 1 states from 1 sources and 0 destinations", {2}),
        (("-k", "0.0.0.0/0", "-k", PEER), "killed 0 states from 1 sources and 1 destinations", set()),
        (("-k", "::/0"), "killed 1 states from 1 sources and 0 destinations", {3}),
        (("-i", "vtnet1", "-k", "0.0.0.0/0"), "killed 2 states from 1 sources and 0 destinations", {1, 2}),
        (("-k", "label", "-k", "web"), "killed 1 states", {0}),
        (("-k", "key", "-k", f"tcp {GUEST}:4000 -> {PEER}:443"), "killed 1 states", {0}),
        (("-F", "states"), "4 states cleared", {0, 1, 2, 3}),
        (("-F", "states", "-i", "virbr0"), "2 states cleared", {0, 3}),
    ],
)
def test_killed(machine: Machine, argv: tuple[str, ...], message: str, killed: set[int]) -> None:
    result = machine.pfctl(*argv)
    assert (result.rc, result.stderr) == (0, f"{message}\n")
    assert machine.shown("-ss") == [line for number, line in enumerate(SHOWN) if number not in killed]


def test_killed_by_id(machine: Machine) -> None:
    identity = machine.pf["states"][2]["id"]
    assert machine.pfctl("-k", "id", "-k", f"{identity}/00000001").stderr == "killed 0 states\n", "made by another host"
    assert machine.pfctl("-k", "id", "-k", identity).stderr == "killed 1 states\n"
    assert SHOWN[2] not in machine.shown("-ss")


def test_flush_all_kills_every_state(machine: Machine) -> None:
    assert "4 states cleared" in machine.pfctl("-F", "all").stderr
    assert machine.shown("-ss") == []
