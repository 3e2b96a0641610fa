# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes from any definition to any other on a simulated host: whole, failed at any command, and ended after any step."""

from __future__ import annotations

import copy
import typing as t
from pathlib import Path

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import journal, pf
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.apply import StepFailed
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.dnsmasq import NotTaken
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import CommandError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import InProcessHost, copy_of
from simhost import state
from simhost.pf.states import add_state
from strategies import definitions
from test_boot import cut_short as ended_after
from test_boot import furnished, pristine, shown
from test_collection import EXAMPLES, PEERS, refused, with_folders

__all__ = ["furnished", "pristine"]

# Each is several runs.
QUIET = settings(max_examples=max(EXAMPLES // 4, 10), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def usable(definition: dict[str, t.Any], host: InProcessHost) -> list[dict[str, t.Any]] | None:
    """The definition beside its peers, without what nobody can foretell; None if it is refused."""
    definition = {key: value for key, value in definition.items() if key != "templates"}
    return None if refused(definition) else [with_folders(definition, host), *PEERS]


def seen(host: InProcessHost) -> dict[str, t.Any]:
    """The host by its parts."""
    files, interfaces, filters, nats, *rest = shown(host)
    kept = {name: text for name, text in files.items() if not name.endswith(".leases") and text != b""}
    # IPv6 of a bridge stays enabled; without an address of it the rules and dnsmasq have nothing to do with it.
    interfaces = [line for line in interfaces if "nd6 options" not in line]
    return {"files": kept, "interfaces": interfaces, "filter": filters, "nat": nats, "rest": rest}


@QUIET
@given(definitions(), definitions())
def test_a_network_that_became_another_is_as_if_it_had_always_been(furnished: Path, tmp_path: Path, first: dict[str, t.Any], second: dict[str, t.Any]) -> None:
    changed, fresh = (copy_of(furnished, tmp_path / name) for name in ("changed", "fresh"))
    before, after = usable(first, changed), usable(second, changed)
    if not before or not after:
        return
    usable(first, fresh), usable(second, fresh)
    changed.make(before)
    if problems := changed.planned(after).problems:
        raise AssertionError(problems)
    changed.make(after)
    fresh.make(after)
    assert seen(changed) == seen(fresh)
    assert changed.make(after).steps == []
    changed.reboot()
    if second.get("autostart", True):
        assert [step.what for step in changed.make(after).steps] == []


@QUIET
@given(definitions(), definitions(), st.integers(0, 999))
def test_any_change_that_fails_leaves_the_host_as_it_was(
    furnished: Path, tmp_path: Path, first: dict[str, t.Any], second: dict[str, t.Any], choice: int
) -> None:
    host, whole = tmp_path / "host", tmp_path / "whole"
    start = copy_of(furnished, tmp_path / "start")
    former, wanted = usable(first, start), usable(second, start)
    if not former or not wanted:
        return
    start.make(former)
    before = shown(start)
    complete = copy_of(start.directory, whole)
    if not complete.make(wanted).steps:
        return
    failing = copy_of(start.directory, host)
    failing.failing = choice % len(complete.commands)
    with pytest.raises((StepFailed, CommandError, pf.NotLoaded, NotTaken)) as failure:
        failing.make(wanted)
    assert "Could not be undone" not in str(failure.value)
    assert shown(failing) == before, complete.commands[failing.failing]


RICH: dict[str, t.Any] = {
    "name": "rich",
    "bridge": {"name": "virbr7", "mtu": 1400, "members": ["tap0"], "isolated_ports": True, "stp": True, "delay": 4, "vlan_filtering": True},
    "forward": {"mode": "nat", "nat": {"ipv6": True}},
    "ips": [
        {
            "address": "10.30.0.1/24",
            "dhcp": {"ranges": [{"start": "10.30.0.2", "end": "10.30.0.9"}], "hosts": [{"mac": "52:54:00:00:00:01", "ip": "10.30.0.20"}]},
        },
        {"address": "fd00:30::1/64"},
    ],
    "dns": {"hosts": [{"ip": "10.30.0.1", "hostnames": ["gw"]}]},
    "routes": [{"address": "10.31.0.0/16", "gateway": "10.30.0.2"}, {"address": "fd00:31::/48", "gateway": "fd00:30::2"}],
    "port_forwards": [{"port": 2222, "to": "10.30.0.9", "to_port": 22, "hairpin": True}],
    "firewall": {"peers": ["p"], "egress": {"deny": [{"networks": ["192.0.2.0/24"]}]}, "host_access": "services"},
}
OTHER: dict[str, t.Any] = {
    "name": "rich",
    "bridge": {"name": "virbr8", "members": ["tap1"], "description": "other"},
    "autostart": False,
    "forward": {"mode": "route"},
    "ips": [{"address": "10.40.0.1/24", "dhcp": {"ranges": [{"start": "10.40.0.2", "end": "10.40.0.9"}]}}],
    "dns": {"hosts": [{"ip": "10.40.0.1", "hostnames": ["gw"]}]},
    "routes": [{"address": "10.31.0.0/16", "gateway": "10.40.0.2"}],
}
MOVES = {
    "changed": ([RICH, *PEERS], [OTHER, *PEERS]),
    "changed back": ([OTHER, *PEERS], [RICH, *PEERS]),
    "replaced": ([RICH, *PEERS], [{**OTHER, "name": "another"}]),
}


@pytest.mark.parametrize("move", MOVES)
def test_whichever_command_fails_everything_is_as_it_was(furnished: Path, tmp_path: Path, move: str) -> None:
    former, wanted = MOVES[move]
    start = copy_of(furnished, tmp_path / "start")
    start.make(former)
    before = shown(start)
    whole = copy_of(start.directory, tmp_path / "whole")
    whole.make(wanted, prune=True)
    for number, command in enumerate(whole.commands):
        host = copy_of(start.directory, tmp_path / "host")
        host.failing = number
        with pytest.raises((StepFailed, CommandError, pf.NotLoaded, NotTaken)) as failure:
            host.make(wanted, prune=True)
        assert "Could not be undone" not in str(failure.value), command
        assert shown(host) == before, f"after {command}"


@pytest.mark.parametrize("move", ["changed"])
def test_wherever_a_run_ends_the_next_one_takes_all_of_it_back(furnished: Path, tmp_path: Path, move: str) -> None:
    former, wanted = MOVES[move]
    start = copy_of(furnished, tmp_path / "start")
    start.make(former)
    before = shown(start)
    number = 0
    while ended_after(host := copy_of(start.directory, tmp_path / "host"), wanted, number):
        left = journal.read(host)
        assert left is not None
        journal.roll_back(host, left, "was cut short")
        (told,) = journal.told(host)
        assert "Could not" not in told
        assert shown(host) == before, number
        number += 1


def test_a_route_outlives_the_address_of_its_subnet(furnished: Path, tmp_path: Path) -> None:
    host = copy_of(furnished, tmp_path / "host")
    host.make([OTHER])
    moved = copy.deepcopy(OTHER)
    moved["ips"][0]["address"] = "10.40.0.254/24"
    moved["dns"] = {"hosts": [{"ip": "10.40.0.254", "hostnames": ["gw"]}]}
    host.make([moved])
    assert "10.31.0.0/16       10.40.0.2" in host.run("netstat", "-rn").stdout
    assert host.make([moved]).steps == []


def test_connections_outlive_a_change_of_the_networks_name(furnished: Path, tmp_path: Path) -> None:
    host = copy_of(furnished, tmp_path / "host")
    renamed = {**PEERS[0], "name": "renamed", "forward": {"mode": "nat"}}
    host.make([{**renamed, "name": "former"}])
    with state.opened(host.directory) as machine:
        for target in ("198.51.100.7", "203.0.113.1"):
            add_state(machine.kernel, direction="in", proto="tcp", interface="virbr0", source=("10.200.0.9", 4000), destination=(target, 443))
    host.make([renamed], prune=True)
    assert "198.51.100.7:443 <- 10.200.0.9:4000" in host.run("pfctl", "-ss").stdout
    host.make([], prune=True)
    assert "198.51.100.7" not in host.run("pfctl", "-ss").stdout


def test_routes_outlive_a_change_of_the_networks_name(furnished: Path, tmp_path: Path) -> None:
    host = copy_of(furnished, tmp_path / "host")
    host.make([OTHER])
    host.make([{**OTHER, "name": "renamed"}], prune=True)
    assert "10.31.0.0/16       10.40.0.2" in host.run("netstat", "-rn").stdout
    assert host.make([{**OTHER, "name": "renamed"}], prune=True).steps == []


def test_a_network_does_not_leave_its_bridge_behind(furnished: Path, tmp_path: Path) -> None:
    host = copy_of(furnished, tmp_path / "host")
    host.make(PEERS)
    (problem,) = host.planned([{**PEERS[1], "bridge": {"name": "virbr0"}}], prune=True).problems
    assert problem["path"] == "networks[0].bridge.name"
    assert problem["found"] == "'virbr0', which the host has, while q has virbr1"
    swapped = [{**PEERS[0], "bridge": {"name": "virbr1"}}, {**PEERS[1], "bridge": {"name": "virbr0"}}]
    host.make(swapped)
    assert host.make(swapped).steps == []
