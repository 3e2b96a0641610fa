# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dnsmasq for each network that asks for one, from the definition to the processes of a simulated host."""

from __future__ import annotations

import copy
import typing as t
from pathlib import Path

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout, pf
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.apply import StepFailed
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.dnsmasq import NotTaken
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import CommandError
from in_process import InProcessHost, copy_of
from simhost import create, state
from simhost.kernel import processes
from test_collection import BLUE, actions, comparable

RED: dict[str, t.Any] = {
    "name": "red",
    "bridge": {"name": "virbr2"},
    "forward": {"mode": "nat"},
    "ips": [
        {
            "address": "10.10.3.1/24",
            "dhcp": {"ranges": [{"start": "10.10.3.2", "end": "10.10.3.9"}], "hosts": [{"mac": "52:54:00:00:00:05", "ip": "10.10.3.5"}]},
        },
        {"address": "fd00:3::1/64"},
    ],
    "dns": {"hosts": [{"ip": "10.10.3.1", "hostnames": ["gate"]}]},
}


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A booted hypervisor that is only copied."""
    directory = tmp_path_factory.mktemp("pristine") / "host"
    create.create(directory, "hypervisor")
    return directory


@pytest.fixture
def host(pristine: Path, tmp_path: Path) -> InProcessHost:
    return copy_of(pristine, tmp_path / "host")


def pids(host: InProcessHost) -> dict[str, int]:
    """The process of each network's dnsmasq."""
    kernel, _files = host.everything()
    found = {}
    for process in kernel["processes"]["running"]:
        name = Path(process["arguments"][2]).stem
        assert process["arguments"] == ["/usr/local/sbin/dnsmasq", "-C", layout.dnsmasq_conf(name), "-x", layout.dnsmasq_pid(name)]
        found[name] = process["pid"]
    return found


def services(host: InProcessHost) -> list[str]:
    return [command.partition("pfnet_dnsmasq ")[2] for command in host.commands if command.startswith("service ")]


def with_names(network: dict[str, t.Any], *names: str) -> dict[str, t.Any]:
    changed = copy.deepcopy(network)
    changed["dns"] = {"hosts": [{"ip": changed["ips"][0]["address"].partition("/")[0], "hostnames": list(names)}]}
    return changed


def with_range(network: dict[str, t.Any], end: str) -> dict[str, t.Any]:
    changed = copy.deepcopy(network)
    changed["ips"][0]["dhcp"]["ranges"][0]["end"] = end
    return changed


def test_the_second_run_starts_nothing(host: InProcessHost) -> None:
    host.make([BLUE, RED])
    assert services(host) == ["onestart blue red"]
    before = pids(host)
    assert sorted(before) == ["blue", "red"]
    host.commands.clear()
    assert host.make([BLUE, RED]).steps == []
    assert pids(host) == before
    assert [command for command in host.commands if command.split()[0] in ("service", "dnsmasq", "sockstat")] == []


def test_looking_at_what_runs_takes_one_process(host: InProcessHost) -> None:
    networks = [{**with_names(BLUE, "gate"), "name": f"n{i}", "bridge": {}, "ips": [{"address": f"10.20.{i}.1/24"}]} for i in range(20)]
    host.make(networks)
    assert len(pids(host)) == 20
    host.commands.clear()
    host.make(networks)
    assert len([command for command in host.commands if command.startswith("ps ")]) == 1


def test_names_are_read_again_and_the_rest_restarts_that_network_alone(host: InProcessHost) -> None:
    host.make([BLUE, RED])
    before = pids(host)
    host.commands.clear()
    host.make([BLUE, with_names(RED, "gate", "door")])
    assert services(host) == ["onereload red"]
    assert pids(host) == before
    kernel, _files = host.everything()
    (red,) = (process for process in kernel["processes"]["running"] if process["pid"] == before["red"])
    assert "door" in red["files"][layout.dnsmasq_hosts("red")]

    host.commands.clear()
    host.make([BLUE, with_range(with_names(RED, "gate", "door"), "10.10.3.99")])
    assert services(host) == ["onestop red", "onestart red"]
    assert pids(host)["blue"] == before["blue"]
    assert pids(host)["red"] != before["red"]


@pytest.mark.parametrize(
    ("drift", "reason", "does"),
    [
        (("service", "pfnet_dnsmasq", "stop", "red"), "dnsmasq of red is not running", ["onestart red"]),
        (("ifconfig", "virbr2", "destroy"), "bridge virbr2 is missing", ["onestop red", "onestart red"]),
        (("ifconfig", "virbr2", "inet", "10.10.3.1", "-alias"), "bridge virbr2 lacks 10.10.3.1/24", ["onestop red", "onestart red"]),
    ],
)
def test_what_drifted_is_named_and_repaired(host: InProcessHost, drift: tuple[str, ...], reason: str, does: list[str]) -> None:
    host.make([BLUE, RED])
    before = pids(host)
    host.run(*drift)
    host.commands.clear()
    made = host.make([BLUE, RED])
    assert actions(made) == {"blue": "unchanged", "red": "repaired"}
    assert f"drift: {reason}" in made.outcomes[1]["reasons"]
    assert services(host) == does
    assert pids(host)["blue"] == before["blue"]
    assert host.make([BLUE, RED]).steps == []


def test_a_file_that_was_altered_is_written_again_and_read(host: InProcessHost) -> None:
    host.make([RED])
    for path, does in ((layout.dnsmasq_conf("red"), ["onestop red", "onestart red"]), (layout.dnsmasq_hostsfile("red"), ["onereload red"])):
        text = host.read(path)
        host.write(path, "# altered\n", "/nowhere")
        host.commands.clear()
        made = host.make([RED])
        assert made.outcomes[0]["reasons"] == [f"drift: {path} differs"]
        assert services(host) == does
        assert host.read(path) == text


def test_removal_stops_it_first_and_keeps_its_leases(host: InProcessHost) -> None:
    host.make([BLUE, RED])
    made = host.make([], absent=("red",))
    assert made.steps[0].what == "stop dnsmasq of red"
    assert sorted(pids(host)) == ["blue"]
    assert host.names(layout.DNSMASQ) == ["blue.conf", "blue.hosts", "blue.hostsfile"]
    assert host.read(layout.leases_file("red")) is not None
    host.make([BLUE, RED])
    host.make([], absent=("red", "blue"), forget_leases=True)
    assert host.names(layout.STATE) == host.names(layout.DNSMASQ) == host.names(layout.RUN) == []


def test_a_network_that_serves_no_more(host: InProcessHost) -> None:
    host.make([RED])
    host.make([{**RED, "ips": [{"address": "10.10.3.1/24"}], "dns": {"enable": False}}])
    assert pids(host) == {}
    assert host.names(layout.DNSMASQ) == []


def test_a_renamed_bridge_and_another_subnet(host: InProcessHost) -> None:
    host.make([RED])
    moved = copy.deepcopy(RED)
    moved["bridge"]["name"] = "virbr7"
    host.make([moved])
    assert "interface=virbr7" in (host.read(layout.dnsmasq_conf("red")) or "")
    moved["ips"] = [{"address": "10.10.33.1/24", "dhcp": {"ranges": [{"start": "10.10.33.2", "end": "10.10.33.9"}]}}]
    moved["dns"] = {}
    host.make([moved])
    kernel, _files = host.everything()
    (process,) = kernel["processes"]["running"]
    assert {socket["address"] for socket in process["sockets"] if socket["port"] == 53 and socket["family"] == "inet"} == {"10.10.33.1"}
    assert host.make([moved]).steps == []


def refused(host: InProcessHost, *networks: dict[str, t.Any]) -> list[dict[str, str]]:
    before = host.everything()[1]
    problems = host.planned([*networks]).problems
    assert host.everything()[1] == before
    return problems


def test_somebody_else_at_a_port_is_named_before_anything_changes(host: InProcessHost) -> None:
    host.make([BLUE])
    with state.opened(host.directory) as machine:
        processes.add(machine.kernel, "unbound", [processes.socket("udp", 53), processes.socket("tcp", 53)], user="unbound", pid=4711)
        processes.add(machine.kernel, "dhcpd", [processes.socket("udp", 67)], pid=4712)
    found = refused(host, BLUE, RED)
    assert [(problem["path"], problem["found"]) for problem in found] == [
        ("networks[1].ips", "DHCP at port 67, where dhcpd (process 4712) listens on all addresses"),
        ("networks[1].dns.enable", "DNS at port 53, where unbound (process 4711) listens on all addresses"),
    ]
    # What runs is not looked at again.
    assert host.make([BLUE]).steps == []


def test_a_host_without_dnsmasq(host: InProcessHost) -> None:
    (host.directory / "root/usr/local/sbin/dnsmasq").unlink()
    (problem,) = refused(host, BLUE)
    assert "/usr/local/sbin/dnsmasq" in problem["found"]
    assert "pkg install dnsmasq" in problem["allowed"]
    # One that serves nothing does without.
    quiet = {**BLUE, "ips": [{"address": "10.10.1.1/24"}], "dns": {"enable": False}}
    assert actions(host.make([quiet])) == {"blue": "created"}


def test_lines_that_dnsmasq_does_not_take_change_nothing(host: InProcessHost) -> None:
    host.make([BLUE])
    before = comparable(host)
    with pytest.raises(NotTaken, match=r"dnsmasq does not take what would be /usr/local/etc/pfnet/dnsmasq/red\.conf: dnsmasq: .*line \d+ of .*red\.conf"):
        host.make([BLUE, {**RED, "dnsmasq_options": ["no-such-option=1"]}])
    assert comparable(host) == before


def test_a_failing_start_is_undone_and_reported_in_dnsmasqs_words(host: InProcessHost) -> None:
    host.make([BLUE])
    before = comparable(host)
    with state.opened(host.directory) as machine:
        # Not seen by looking for owners: a dnsmasq that keeps to interfaces shares DHCP's port, but this one does not.
        processes.add(machine.kernel, "dnsmasq", [processes.socket("udp", 67)], arguments=["dnsmasq"], pid=4711)
    with pytest.raises(StepFailed) as caught:
        host.make([with_range(BLUE, "10.10.1.99"), RED])
    said = str(caught.value)
    assert said.startswith("Could not start dnsmasq of blue, red: service pfnet_dnsmasq onestart blue red: exit code 1:")
    assert "failed to bind DHCP server socket: Address already in use" in said
    with state.opened(host.directory) as machine:
        processes.end(machine.kernel, next(process for process in processes.running(machine.kernel) if process["pid"] == 4711))
    files, *rest = comparable(host)
    assert (files, rest[:-1]) == (before[0], list(before[1:-1]))


def test_whichever_command_fails_all_run_as_before(pristine: Path, tmp_path: Path) -> None:
    """One network is new, one has other names, one another range, one another subnet, one goes, one serves no more."""

    def network(number: int, name: str) -> dict[str, t.Any]:
        ranges = [{"start": f"10.30.{number}.2", "end": f"10.30.{number}.9"}]
        return with_names(
            {"name": name, "bridge": {}, "forward": {"mode": "nat"}, "ips": [{"address": f"10.30.{number}.1/24", "dhcp": {"ranges": ranges}}]}, "a"
        )

    former = [network(number, name) for number, name in enumerate(("named", "ranged", "moved", "gone", "quiet"))]
    named, ranged, _moved, _gone, quiet = copy.deepcopy(former)
    silent = {**quiet, "ips": [{"address": "10.30.4.1/24"}], "dns": {"enable": False}}
    wanted = [network(8, "new"), with_names(named, "b"), with_range(ranged, "10.30.1.99"), network(9, "moved"), silent]
    start = copy_of(pristine, tmp_path / "start")
    start.make(former)
    before = comparable(start)
    assert len(pids(start)) == 5

    whole = copy_of(start.directory, tmp_path / "whole")
    whole.make(wanted, prune=True)
    assert services(whole) == ["onestop moved quiet gone", "onestop ranged", "onestart new ranged moved", "onereload named"]
    assert sorted(pids(whole)) == ["moved", "named", "new", "ranged"]
    for number, command in enumerate(whole.commands):
        host = copy_of(start.directory, tmp_path / "host")
        host.failing = number
        with pytest.raises((StepFailed, CommandError, NotTaken, pf.NotLoaded)):
            host.make(wanted, prune=True)
        assert comparable(host) == before, f"after {command}"
