# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection from the definition to the rules in the kernel of a simulated host, and back again."""

from __future__ import annotations

import copy
import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout, pf
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.apply import StepFailed
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.dnsmasq import NotTaken
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import CommandError
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import Unreadable
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import SpecError
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import read_networks
from hypothesis import HealthCheck, given, settings
from in_process import InProcessHost, copy_of
from simhost import state
from strategies import definitions

BLUE: dict[str, t.Any] = {
    "name": "blue",
    "bridge": {"name": "virbr0"},
    "forward": {"mode": "nat"},
    "ips": [{"address": "10.10.1.1/24", "dhcp": {"ranges": [{"start": "10.10.1.2", "end": "10.10.1.9"}]}}],
}
GREEN: dict[str, t.Any] = {"name": "green", "bridge": {"name": "virbr1"}, "forward": {"mode": "nat"}, "ips": [{"address": "10.10.2.1/24"}]}


def actions(made: t.Any) -> dict[str, str]:
    return {outcome["name"]: outcome["action"] for outcome in made.outcomes}


def test_the_second_run_changes_nothing_and_loads_nothing(host: InProcessHost) -> None:
    assert actions(host.make([BLUE, GREEN])) == {"blue": "created", "green": "created"}
    before = host.everything()
    host.commands.clear()
    made = host.make([BLUE, GREEN])
    assert (made.steps, actions(made)) == ([], {"blue": "unchanged", "green": "unchanged"})
    assert host.everything() == before
    assert not [command for command in host.commands if "-f" in command.split() and "pfctl" in command]


def test_processes_do_not_grow_with_the_networks_but_for_tables(host: InProcessHost) -> None:
    counts = {}
    for number in (1, 20):
        networks = [{"name": f"n{i}", "ips": [{"address": f"10.20.{i}.1/24"}]} for i in range(number)]
        host.make(networks)
        host.commands.clear()
        host.make(networks)
        counts[number] = len(host.commands)
    assert counts[1] == counts[20]
    assert counts[1] <= 8


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("pfctl -a libvirt/blue -F all", "the filter rules of the anchor libvirt/blue are gone"),
        ("pfctl -a libvirt/blue -F nat", "the nat rules of the anchor libvirt/blue are gone"),
        ("pfctl -a libvirt/blue -t natdst -T flush", "the table <natdst> of the anchor libvirt/blue differs"),
        (
            "pfctl -a libvirt/blue -t natdst -T replace 0.0.0.0/0 !10.0.0.0/8 !224.0.0.0/24 !255.255.255.255",
            "the table <natdst> of the anchor libvirt/blue differs",
        ),
        ("ifconfig virbr0 destroy", "bridge virbr0 is missing"),
        ("ifconfig virbr0 down", "bridge virbr0 is down"),
        ("ifconfig virbr0 ether 52:54:00:00:00:01", "bridge virbr0 lacks the MAC address"),
        ("ifconfig virbr0 inet 10.10.1.1 -alias", "bridge virbr0 lacks 10.10.1.1/24"),
        ("ifconfig virbr0 -group pfnet", "bridge virbr0 lacks the interface group pfnet"),
    ],
)
def test_what_drifted_is_named_and_repaired_and_nothing_else_is_touched(host: InProcessHost, command: str, reason: str) -> None:
    host.make([BLUE, GREEN])
    host.run(*command.split())
    made = host.make([BLUE, GREEN])
    assert actions(made) == {"blue": "repaired", "green": "unchanged"}
    assert f"drift: {reason}" in " ".join(made.outcomes[0]["reasons"])
    assert not [step.what for step in made.steps if "green" in step.what or "virbr1" in step.what]
    assert host.make([BLUE, GREEN]).steps == []


def test_drift_is_found_without_any_hook_in_the_main_ruleset(host: InProcessHost) -> None:
    host.run("pfctl", "-f", "-", stdin="pass all\n")
    made = host.make([BLUE])
    assert len(made.warnings) == 1
    assert '`nat-anchor "libvirt/*"` and `anchor "libvirt/*"`' in made.warnings[0]
    assert host.make([BLUE]).steps == []
    host.run("pfctl", "-a", "libvirt/blue", "-F", "rules")
    assert actions(host.make([BLUE])) == {"blue": "repaired"}


def test_removal_leaves_the_files_as_before_the_first_run(host: InProcessHost) -> None:
    kernel, files = host.everything()
    host.make([BLUE, GREEN])
    host.make([GREEN], prune=True)
    # Leases are kept: the addresses are the guests' again when the network is.
    assert [name for name in host.everything()[1] if "blue" in name] == ["var/db/pfnet/blue.leases"]
    host.make([BLUE, GREEN])
    made = host.make([], absent=("green", "blue"), forget_leases=True)
    assert actions(made) == {"green": "removed", "blue": "removed"}
    after, files_after = host.everything()
    assert without_logs(files_after) == files
    assert (after["interfaces"], after["routes"]) == (kernel["interfaces"], kernel["routes"])
    for show in ("-sr", "-sn", "-sT"):
        assert host.run("pfctl", "-a", "libvirt/blue", show).stdout == ""


def without_logs(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: text for name, text in files.items() if not name.startswith("var/log/")}


def test_members_that_others_attached_stay(host: InProcessHost) -> None:
    host.make([BLUE])
    tap = host.run("ifconfig", "tap", "create").stdout.strip()
    host.run("ifconfig", "virbr0", "addm", tap)
    changed = copy.deepcopy(BLUE)
    changed["ips"] = [{"address": "10.10.9.1/24"}]
    changed["bridge"]["name"] = "virbr9"
    host.make([changed])
    shown = host.run("ifconfig", "virbr9").stdout
    assert f"member: {tap} " in shown
    assert "inet 10.10.9.1 " in shown
    assert "10.10.1.1" not in shown


def test_rules_of_somebody_else_in_the_root_anchor_are_not_taken_away(host: InProcessHost) -> None:
    host.run("pfctl", "-a", "libvirt", "-f", "-", stdin="block in quick on re1\n")
    before = host.everything()
    with pytest.raises(pf.RootInUse, match="block drop in quick on re1"):
        host.make([BLUE])
    assert host.everything() == before


def test_a_busy_pf_changes_nothing_and_is_reported(host: InProcessHost) -> None:
    host.make([GREEN])
    before = host.everything()
    with state.opened(host.directory) as machine:
        machine.kernel["pf"]["busy"] = 1
    with pytest.raises((StepFailed, CommandError), match="Device busy"):
        host.make([GREEN, BLUE])
    kernel, files = host.everything()
    assert files == before[1]
    assert kernel["interfaces"] == before[0]["interfaces"]


def test_whichever_command_fails_the_host_is_as_it_was(pristine: Path, tmp_path: Path) -> None:
    """Every command of a run that creates one network, changes another and removes a third is made to fail once."""
    changed = copy.deepcopy(GREEN)
    changed["ips"] = [{"address": "10.10.9.1/24"}, {"address": "fd00:9::1/64"}]
    changed["bridge"] |= {"mtu": 9000, "description": "two words"}
    former = copy.deepcopy(BLUE) | {"name": "former", "bridge": {"name": "virbr5"}, "ips": [{"address": "10.10.5.1/24"}]}
    start = copy_of(pristine, tmp_path / "start")
    start.make([GREEN, former])
    before = comparable(start)

    whole = copy_of(start.directory, tmp_path / "whole")
    whole.make([BLUE, changed], prune=True)
    tried = 0
    for number, command in enumerate(whole.commands):
        host = copy_of(start.directory, tmp_path / "host")
        host.failing = number
        with pytest.raises((StepFailed, CommandError, pf.NotLoaded, NotTaken)):
            host.make([BLUE, changed], prune=True)
        assert comparable(host) == before, f"after {command}"
        tried += 1
    assert tried == len(whole.commands) > 25


def comparable(host: InProcessHost) -> tuple[t.Any, ...]:
    """What a host is to those who use it; order of interfaces and indices aside, and the names of empty anchors, which pf keeps."""
    kernel, files = host.everything()
    shown = sorted(host.run("ifconfig", "-a").stdout.split("\n"))
    rulesets = [pf.parse_rulesets(host.run("pfctl", "-a", "*", show).stdout) for show in ("-sr", "-sn")]
    return (
        {name: text for name, text in without_logs(files).items() if not name.startswith("var/run")},
        [line for line in shown if "scopeid" not in line],
        *({path: rules for path, rules in ruleset.rules.items() if rules} for ruleset in rulesets),
        *(host.run("pfctl", "-a", f"libvirt/{name}", "-sT", ok=None).stdout for name in ("green", "former", "blue")),
        sorted((process["arguments"], sorted(process["files"].items())) for process in kernel["processes"]["running"]),
    )


def test_loaded_rules_are_recorded_as_the_kernel_prints_them(host: InProcessHost) -> None:
    host.make([BLUE])
    recorded = host.read(layout.LOADED) or ""
    for line in host.run("pfctl", "-P", "-a", "libvirt/blue", "-sr").stdout.splitlines():
        assert line in recorded


@pytest.mark.parametrize("damage", [{"bridge": 5}, {"bridge": {"name": "virbr0"}}, {"network": []}, {"bridge": None}])
def test_a_damaged_definition_is_named_with_its_remedy(host: InProcessHost, damage: dict[str, t.Any]) -> None:
    host.make([BLUE])
    path = layout.definition_path("blue")
    host.write(path, json.dumps({**json.loads(host.read(path) or ""), **damage}), layout.CONFIGURATION)
    with pytest.raises(Unreadable, match=f"{path} is not what bsdvirt.pfnet wrote: restore it"):
        host.make([BLUE])


@pytest.mark.parametrize("anchors", [[], {"libvirt/blue": {}}, {"libvirt/blue": 5}])
def test_a_damaged_record_of_loads_has_everything_loaded_again(host: InProcessHost, anchors: object) -> None:
    host.make([BLUE])
    host.write(layout.LOADED, json.dumps({"format": layout.FORMAT, "anchors": anchors}), layout.STATE)
    assert "load libvirt/blue" in [step.what for step in host.make([BLUE]).steps]
    assert host.make([BLUE]).steps == []


# Thousands are for a person who waits for them.
EXAMPLES = int(os.environ.get("PFNET_EXAMPLES", "100"))
INTERFACES = ("em0", "ix1.7", "vlan0", "tap0", "tap1")
PEERS = [{"name": name, "ips": [{"address": f"10.20{number}.0.1/24"}]} for number, name in enumerate("pq")]


@pytest.fixture(scope="session")
def furnished(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hypervisor with every interface that the definitions of property tests name."""
    host = copy_of(pristine, tmp_path_factory.mktemp("furnished") / "host")
    for name in INTERFACES:
        host.run("ifconfig", "tap", "create", "name", name)
    return host.directory


def with_folders(definition: dict[str, t.Any], host: InProcessHost) -> dict[str, t.Any]:
    """The definition with folders for TFTP that the host has."""
    definition = copy.deepcopy(definition)
    for served in (ip["tftp"] for ip in definition.get("ips") or () if ip.get("tftp")):
        served["root"] = f"/var{served['root']}"
        (host.directory / "root" / served["root"].lstrip("/")).mkdir(parents=True, exist_ok=True)
    return definition


def refused(definition: dict[str, t.Any]) -> list[str]:
    """The paths of what the spec refuses."""
    try:
        read_networks([definition, *PEERS])
    except SpecError as error:
        return [problem.path for problem in error.problems]
    return []


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(definitions())
def test_any_definition_is_refused_with_its_path_or_loads_and_is_found_unchanged(furnished: Path, tmp_path: Path, definition: dict[str, t.Any]) -> None:
    # What a user's own template comes to is the user's.
    definition = {key: value for key, value in definition.items() if key != "templates"}
    paths = refused(definition)
    assert all(path.startswith("networks[0].") for path in paths)
    if paths:
        return
    host = copy_of(furnished, tmp_path / "host")
    definition = with_folders(definition, host)
    assert actions(host.make([definition, *PEERS]))["lab"] == "created"
    assert [step.what for step in host.make([definition, *PEERS]).steps] == []
    host.make([], absent=("lab", "p", "q"))
    assert pf.parse_rulesets(host.run("pfctl", "-a", "*", "-sr").stdout).rules.get("libvirt/lab", ()) == ()
    # What the host's own rules include stays.
    assert host.names(layout.CONFIGURATION) == ["pf.conf"]
