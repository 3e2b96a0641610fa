# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What networks_info tells of a simulated host."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout, pf
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.info import PARTS, counted, gather
from in_process import InProcessHost, copy_of
from simhost import create, state
from simhost.pf.states import add_state
from test_boot import FULL
from test_collection import BLUE, GREEN


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A booted hypervisor that is only copied."""
    directory = tmp_path_factory.mktemp("pristine") / "host"
    create.create(directory, "hypervisor")
    return directory


@pytest.fixture
def host(pristine: Path, tmp_path: Path) -> InProcessHost:
    made = copy_of(pristine, tmp_path / "host")
    made.make([BLUE, GREEN, FULL])
    made.commands.clear()
    return made


def gathered(host: InProcessHost, *parts: str) -> dict[str, t.Any]:
    """By network, what there is of these parts; of one part, that alone."""
    found = {network["name"]: network for network in gather(host, None, parts)}
    return {name: network[parts[0]] for name, network in found.items()} if len(parts) == 1 else found


def test_a_host_without_networks(pristine: Path, tmp_path: Path) -> None:
    assert gather(copy_of(pristine, tmp_path / "host"), None, PARTS) == []


def test_nothing_is_changed_and_names_choose(host: InProcessHost) -> None:
    before = host.everything()[1]
    assert list(gathered(host, *PARTS)) == ["blue", "full", "green"]
    assert host.everything()[1] == before
    assert [network["name"] for network in gather(host, ["green", "nobody"], [])] == ["green"]
    (blue,) = gather(host, ["blue"], [])
    assert blue.keys() == {"name", "anchor", "definition"}
    assert (blue["anchor"], blue["definition"]["ips"][0]["address"]) == ("libvirt/blue", "10.10.1.1/24")


def test_bridges(host: InProcessHost) -> None:
    tap = host.run("ifconfig", "tap", "create").stdout.strip()
    host.run("ifconfig", "virbr0", "addm", tap)
    host.run("ifconfig", "virbr1", "destroy")
    found = gathered(host, "bridge")
    assert found["green"] == {"name": "virbr1", "present": False}
    blue = found["blue"]
    assert (blue["present"], blue["up"], blue["mtu"], blue["members"], blue["addresses"]) == (True, True, 1500, [tap], ["10.10.1.1/24"])


@pytest.mark.parametrize(
    ("command", "network", "reason"),
    [
        ("pfctl -a libvirt/blue -F all", "blue", "the filter rules of the anchor libvirt/blue are gone"),
        ("pfctl -a libvirt/blue -t natdst -T flush", "blue", "the table <natdst> of the anchor libvirt/blue differs"),
        ("ifconfig virbr1 destroy", "green", "bridge virbr1 is missing"),
        ("ifconfig virbr1 inet 10.10.2.1 -alias", "green", "bridge virbr1 lacks 10.10.2.1/24"),
        ("service pfnet_dnsmasq stop blue", "blue", "dnsmasq of blue is not running"),
        ("route delete -net 10.66.0.0/16", "full", "the route to 10.66.0.0/16 by 10.10.6.2 is missing"),
    ],
)
def test_drift_is_what_a_run_would_repair(host: InProcessHost, command: str, network: str, reason: str) -> None:
    assert not any(gathered(host, "drift").values())
    host.run(*command.split())
    found = gathered(host, "drift")
    assert [name for name, reasons in found.items() if reasons] == [network]
    made = host.planned([BLUE, GREEN, FULL])
    (outcome,) = (outcome for outcome in made.outcomes if outcome["name"] == network)
    assert sorted(outcome["reasons"]) == sorted(f"drift: {each}" for each in found[network])
    assert any(reason in each for each in found[network])


@pytest.mark.parametrize(("path", "text"), [(layout.anchor_file("blue"), None), (layout.anchor_file("blue"), "pass\n"), (layout.BOOT_INTERFACES, "# junk\n")])
def test_files_that_drifted(host: InProcessHost, path: str, text: str | None) -> None:
    host.write(path, text, "/nowhere")
    assert path in " ".join(gathered(host, "drift")["blue"])


def test_a_host_that_knows_nothing_of_a_last_load(host: InProcessHost) -> None:
    host.write(layout.LOADED, None, "/nowhere")
    assert gathered(host, "drift")["blue"] == ["nothing is known of a last load of the anchor libvirt/blue"]


def test_leases_and_dnsmasq(host: InProcessHost) -> None:
    host.write(layout.leases_file("blue"), "0 52:54:00:11:22:33 10.10.1.5 web *\n", layout.STATE)
    found = gathered(host, "leases")
    assert [(lease["network"], lease["name"], lease["address"], lease["expiry"]) for lease in found["blue"]] == [("blue", "web", "10.10.1.5", None)]
    assert found["green"] == []
    assert host.commands == []
    served = gathered(host, "dnsmasq")
    assert (served["blue"]["wanted"], served["blue"]["running"]) == (True, True)
    assert served["blue"]["pid"] == int(host.read(layout.dnsmasq_pid("blue")) or "")
    assert [command.split()[0] for command in host.commands] == ["ps"]


def test_states(host: InProcessHost) -> None:
    with state.opened(host.directory) as machine:
        for source in ("10.10.1.5", "10.10.1.6", "10.10.2.5"):
            add_state(machine.kernel, direction="out", proto="tcp", source=(source, 1024), destination=("192.0.2.1", 80), interface="re0")
    assert gathered(host, "states") == {"blue": 2, "green": 1, "full": 0}


def test_counters(host: InProcessHost) -> None:
    found = gathered(host, "counters")
    assert [rule["rule"] for rule in found["blue"]["rules"]] == host.run("pfctl", "-P", "-a", "libvirt/blue", "-sr").stdout.splitlines()
    assert [rule["rule"] for rule in found["blue"]["nat"]] == host.run("pfctl", "-P", "-a", "libvirt/blue", "-sn").stdout.splitlines()
    assert {(rule["evaluations"], rule["bytes"]) for rule in found["blue"]["rules"]} == {(0, 0)}


def test_counters_without_hooks(host: InProcessHost) -> None:
    hooked = gathered(host, "counters")
    host.run("pfctl", "-f", "-", stdin="pass all\n")
    assert gathered(host, "counters") == hooked


def test_counters_are_read() -> None:
    lines = [
        "pass quick on virbr0 inet from 10.0.0.0/24 to any",
        "[ Evaluations: 8         Packets: 12        Bytes: 3456        States: 2     ]",
        "[ Source Nodes: 0      Limit: 0      NAT/RDR: 0      Route: 0      ]",
        "[ Inserted: uid 0 pid 6781 State Creations: 0     ]",
        "block drop quick on virbr0 all",
    ]
    assert counted(lines) == [
        {"rule": lines[0], "evaluations": 8, "packets": 12, "bytes": 3456, "states": 2},
        {"rule": lines[-1]},
    ]


def test_processes_do_not_grow_with_the_networks_but_for_tables(pristine: Path, tmp_path: Path) -> None:
    counts = set()
    for number in (1, 12):
        host = copy_of(pristine, tmp_path / str(number))
        host.make([{"name": f"n{i}", "ips": [{"address": f"10.20.{i}.1/24"}], "dns": {"enable": True}} for i in range(number)])
        host.commands.clear()
        gather(host, None, PARTS)
        counts.add(len([command for command in host.commands if "-T show" not in command]))
    assert len(counts) == 1
    assert counts.pop() <= 12


def test_pf_that_is_not_loaded_keeps_nothing_else_from_being_told(pristine: Path, tmp_path: Path) -> None:
    host = copy_of(pristine, tmp_path / "host")
    host.make([BLUE])
    host.run("service", "pf", "stop")
    host.run("kldunload", "pf")
    assert gathered(host, "bridge")["blue"]["up"]
    with pytest.raises(pf.NotLoaded):
        gather(host, None, ["drift"])
