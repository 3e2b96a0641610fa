# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pfctl's ruleset optimizer."""

from __future__ import annotations

from pathlib import Path

import pytest
from pf_machine import Machine

# Input and what is left of it, in order.
CASES = {
    "duplicate": (["block in", "block in"], ["block drop in all"]),
    "contained in an earlier rule": (
        ["block in quick from 10.0.0.0/8", "block in quick proto udp from 10.1.0.0/16"],
        ["block drop in quick inet from 10.0.0.0/8 to any"],
    ),
    "contained in a later rule": (["block quick on vtnet1 inet", "block quick"], ["block drop quick all"]),
    "not contained: another action between": (
        ["block in", "pass in no state", "block in on vtnet1"],
        ["block drop in all", "pass in all no state", "block drop in on vtnet1 all"],
    ),
    "labels keep their place": (['block in label "a"', "block in on vtnet1"], ['block drop in all label "a"', "block drop in on vtnet1 all"]),
    "what is common comes first": (
        [
            "pass in quick on virbr0 from 10.0.0.0/24 no state",
            "pass out quick on vtnet1 from 10.0.1.0/24 no state",
            "pass in quick on virbr1 proto udp no state",
            "pass in quick on virbr2 proto icmp no state",
        ],
        [
            "pass in quick on virbr0 inet from 10.0.0.0/24 to any no state",
            "pass in quick on virbr1 proto udp all no state",
            "pass in quick on virbr2 proto icmp all no state",
            "pass out quick on vtnet1 inet from 10.0.1.0/24 to any no state",
        ],
    ),
    "groups are not reordered": (
        ["pass in on lo inet no state", "pass out on vtnet1 no state", "pass in on virbr0 inet no state"],
        ["pass in on lo inet all no state", "pass out on vtnet1 all no state", "pass in on virbr0 inet all no state"],
    ),
    "five addresses stay rules": (
        [f"block from 10.0.{number}.0/24" for number in range(5)],
        [f"block drop inet from 10.0.{number}.0/24 to any" for number in range(5)],
    ),
}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(("rules", "expected"), CASES.values(), ids=CASES)
def test_optimized(machine: Machine, rules: list[str], expected: list[str]) -> None:
    machine.load("\n".join(rules) + "\n")
    assert machine.shown("-sr") == expected


@pytest.mark.parametrize(("rules", "expected"), CASES.values(), ids=CASES)
def test_not_optimized(machine: Machine, rules: list[str], expected: list[str]) -> None:
    machine.load("set ruleset-optimization none\n" + "\n".join(rules) + "\n")
    # The kernel itself refuses a rule that it has already.
    assert len(machine.shown("-sr")) == len(set(rules))


def test_six_addresses_become_a_table(machine: Machine) -> None:
    rules = "".join(f"block in from 10.0.{number}.0/24 to 192.168.0.1\n" for number in range(6))
    assert machine.pfctl("-nvf", "-", stdin=rules).stdout.splitlines() == [
        "table <__automatic_0> const { 10.0.0.0/24 10.0.1.0/24 10.0.2.0/24 10.0.3.0/24 10.0.4.0/24 10.0.5.0/24 }",
        "block drop in inet from <__automatic_0> to 192.168.0.1",
    ]
    machine.load(rules)
    (name,) = machine.shown("-sT")
    assert machine.shown("-sr") == [f"block drop in inet from <{name}> to 192.168.0.1"]
    assert len(machine.shown("-t", name, "-T", "show")) == 6
    assert machine.pfctl("-t", name, "-T", "add", "10.9.9.9").rc == 255, "such a table is const"


def test_rules_alone_cannot_be_optimized(machine: Machine) -> None:
    result = machine.pfctl("-R", "-f", "-", stdin="block in\nblock out\n")
    assert (result.rc, result.stderr) == (1, "pfctl: Must enable table loading for optimizations\npfctl: Unable to load rules into kernel\n")
