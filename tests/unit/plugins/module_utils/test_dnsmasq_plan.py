# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a network's dnsmasq: what starts, stops, reads again, and what is in its way."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.dnsmasq import Instances, Services, dnsmasq_text, plan_dnsmasq, plan_removal
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import Interface
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import Definition, Observed
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.pf import Pf, Ruleset
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.sockets import Socket
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Phase, Plan, Serve, WriteFile

ADDRESS = "10.10.1.1/24"
CONF, HOSTS, HOSTSFILE = layout.dnsmasq_conf("blue"), layout.dnsmasq_hosts("blue"), layout.dnsmasq_hostsfile("blue")
BLUE: dict[str, t.Any] = {
    "name": "blue",
    "definition": {"name": "blue", "ips": [{"address": ADDRESS}]},
    "bridge": {"name": "virbr0", "addresses": [ADDRESS]},
    "dnsmasq": {
        "conf": "bind-interfaces\n",
        "hosts": "10.10.1.1 gate\n",
        "hostsfile": "52:54:00:00:00:01,10.10.1.5\n",
        "addresses": ["10.10.1.1"],
        "dns": True,
        "dhcp": ["inet"],
        "tftp": None,
    },
}
FILES = {CONF: dnsmasq_text(BLUE, "virbr0"), HOSTS: BLUE["dnsmasq"]["hosts"], HOSTSFILE: BLUE["dnsmasq"]["hostsfile"], layout.leases_file("blue"): ""}
OLD = Definition("libvirt", "virbr0", "bridge1000", {}, BLUE["definition"], "{}")
BRIDGE = Interface("virbr0", up=True, addresses=(ADDRESS,))
NOTHING = Ruleset({}, frozenset())
HOST = Observed("", {"virbr0": BRIDGE}, [], frozenset(), Pf(True, NOTHING, NOTHING), {}, {"blue": OLD}, {}, FILES, dnsmasq=Instances({"blue": 812}))


def served(**changes: t.Any) -> dict[str, t.Any]:
    return {**BLUE, "dnsmasq": {**BLUE["dnsmasq"], **changes}}


def planned(document: dict[str, t.Any], old: Definition | None = OLD, **observed: t.Any) -> tuple[Plan, list[str]]:
    made, services = Plan(), Services()
    reasons = plan_dnsmasq(document, "networks[0]", old, dataclasses.replace(HOST, **observed), services, made)
    services.plan(made)
    made.steps.sort(key=lambda step: step.phase)
    return made, reasons


def shown(made: Plan) -> list[tuple[str, str]]:
    """Each step's phase and what it does in short."""
    return [(step.phase.name, f"{step.do.verb} {','.join(step.do.networks)}" if isinstance(step.do, Serve) else step.what) for step in made.steps]


def test_what_is_as_it_should_be_is_left_alone() -> None:
    made, reasons = planned(BLUE)
    assert (made.steps, made.diffs, made.problems, reasons) == ([], [], [], [])


def test_a_new_one_starts_when_all_else_is_there_and_leaves_nothing_when_it_is_undone() -> None:
    made, reasons = planned(BLUE, None, interfaces={}, definitions={}, files={}, dnsmasq=Instances())
    assert shown(made) == [("FILES", f"write {HOSTS}"), ("FILES", f"write {HOSTSFILE}"), ("FILES", f"write {CONF}"), ("SERVE", "start blue")]
    assert made.steps[-1].undo == (Serve("stop", ("blue",)),)
    assert WriteFile(layout.leases_file("blue"), None, layout.STATE) in made.steps[0].undo
    assert reasons == []
    assert Phase.BUILD < Phase.ROUTE < Phase.FILES < Phase.SERVE


def test_hosts_files_are_read_again_without_a_restart() -> None:
    made, reasons = planned(served(hosts="", hostsfile=""), dataclasses.replace(OLD, network={}))
    assert shown(made) == [("FILES", f"write {HOSTS}"), ("FILES", f"write {HOSTSFILE}"), ("SERVE", "reload blue")]
    # What was read is read once more, from the files as they were.
    assert made.steps[-1].undo == (
        WriteFile(HOSTS, FILES[HOSTS], layout.CONFIGURATION),
        WriteFile(HOSTSFILE, FILES[HOSTSFILE], layout.CONFIGURATION),
        Serve("reload", ("blue",)),
    )
    assert reasons == []


def test_another_configuration_restarts_it_around_the_change_of_its_files() -> None:
    made, _reasons = planned(served(conf="port=0\n"), dataclasses.replace(OLD, network={}))
    assert shown(made) == [("PAUSE", "stop blue"), ("FILES", f"write {CONF}"), ("SERVE", "start blue")]
    assert [step.undo[-1] for step in (made.steps[0], made.steps[2])] == [Serve("start", ("blue",)), Serve("stop", ("blue",))]


@pytest.mark.parametrize(
    ("interfaces", "undo"),
    [
        ({}, ()),
        ({"virbr0": dataclasses.replace(BRIDGE, addresses=())}, (Serve("start", ("blue",)),)),
    ],
)
def test_a_bridge_that_changes_has_no_dnsmasq_meanwhile(interfaces: dict[str, Interface], undo: tuple[Serve, ...]) -> None:
    made, reasons = planned(BLUE, interfaces=interfaces)
    assert shown(made) == [("UNSERVE", "stop blue"), ("SERVE", "start blue")]
    assert made.steps[0].undo == undo
    assert reasons == []
    assert Phase.UNSERVE < Phase.QUIESCE


def test_drift() -> None:
    made, reasons = planned(BLUE, dnsmasq=Instances())
    assert shown(made) == [("SERVE", "start blue")]
    assert reasons == ["dnsmasq of blue is not running"]
    assert [(each["before"], each["after"]) for each in made.diffs] == [("not running\n", "running\n")]
    made, reasons = planned(BLUE, files={**FILES, CONF: "port=0\n"})
    assert shown(made) == [("PAUSE", "stop blue"), ("FILES", f"write {CONF}"), ("SERVE", "start blue")]
    assert reasons == [f"{CONF} differs"]
    made, reasons = planned(BLUE, files={path: text for path, text in FILES.items() if path != HOSTS})
    assert shown(made) == [("FILES", f"write {HOSTS}"), ("SERVE", "reload blue")]
    assert reasons == [f"{HOSTS} is missing"]


def test_a_network_that_has_none_any_more() -> None:
    steps = [("UNSERVE", "stop blue"), *(("FILES_GO", f"remove {path}") for path in (CONF, HOSTS, HOSTSFILE))]
    made, reasons = planned({**BLUE, "dnsmasq": None}, dataclasses.replace(OLD, network={}))
    assert (shown(made), reasons) == (steps, [])
    made, reasons = planned({**BLUE, "dnsmasq": None})
    assert (shown(made), reasons[0]) == (steps, "dnsmasq of blue is running")
    made, services = Plan(), Services()
    plan_removal("blue", "prune", HOST, services, made)
    services.plan(made)
    made.steps.sort(key=lambda step: step.phase)
    assert shown(made) == steps
    assert not [step for step in made.steps if isinstance(step.do, WriteFile) and step.do.path == layout.leases_file("blue")]


def test_many_take_one_process() -> None:
    made, services = Plan(), Services()
    for number in range(50):
        plan_dnsmasq({**BLUE, "name": f"n{number}"}, "networks[0]", None, dataclasses.replace(HOST, files={}, dnsmasq=Instances()), services, made)
    services.plan(made)
    assert [len(step.do.networks) for step in made.steps if isinstance(step.do, Serve)] == [50]


def problems(document: dict[str, t.Any], instances: Instances) -> list[tuple[str, str]]:
    made, _reasons = planned(document, None, files={}, dnsmasq=instances)
    return [(problem["path"], problem["found"]) for problem in made.problems]


def test_what_the_host_lacks_is_named_with_the_remedy() -> None:
    made, _reasons = planned(BLUE, None, files={}, dnsmasq=Instances(missing=(layout.DNSMASQ_PROGRAM, layout.DNSMASQ_SCRIPT)))
    assert made.steps == []
    assert [problem["path"] for problem in made.problems] == ["networks[0]", "networks[0]"]
    assert "/usr/local/sbin/dnsmasq" in made.problems[0]["found"]
    assert "pkg install dnsmasq" in made.problems[0]["allowed"]
    assert "the role bsdvirt.pfnet.hypervisor" in made.problems[1]["allowed"]


def test_removal_takes_the_service_alone() -> None:
    for missing, refused in ((layout.DNSMASQ_PROGRAM, 0), (layout.DNSMASQ_SCRIPT, 1)):
        made = Plan()
        plan_removal("blue", "prune", dataclasses.replace(HOST, dnsmasq=Instances({"blue": 812}, missing=(missing,))), Services(), made)
        assert len(made.problems) == refused


def test_a_folder_for_tftp_has_to_be_there() -> None:
    document = {**served(tftp="/srv/boot"), "definition": {"ips": [{"address": ADDRESS}, {"address": "10.10.2.1/24", "tftp": {"root": "/srv/boot"}}]}}
    assert problems(document, Instances(no_folders=("/srv/boot",))) == [("networks[0].ips[1].tftp.root", "'/srv/boot'")]
    assert problems(document, Instances()) == []


UNBOUND, OTHER = "local-unbound", "dnsmasq"


@pytest.mark.parametrize(
    ("sockets", "found"),
    [
        ([Socket(UNBOUND, 7, "udp", "127.0.0.1", 53)], []),
        ([Socket(UNBOUND, 7, "udp", "10.10.9.1", 53)], []),
        (
            [Socket(UNBOUND, 7, "udp", "*", 53), Socket(UNBOUND, 7, "tcp", "*", 53)],
            [("networks[0].dns.enable", "DNS at port 53, where local-unbound (process 7) listens on all addresses")],
        ),
        ([Socket(UNBOUND, 7, "udp", "10.10.1.1", 53)], [("networks[0].dns.enable", "DNS at port 53, where local-unbound (process 7) listens on 10.10.1.1")]),
        ([Socket("dhcpd", 8, "udp", "*", 67)], [("networks[0].ips", "DHCP at port 67, where dhcpd (process 8) listens on all addresses")]),
        # DHCPv6 and TFTP are not served here.
        ([Socket("dhcpd", 8, "udp", "*", 547), Socket("inetd", 9, "udp", "*", 69)], []),
        # Another dnsmasq shares DHCP's port if it keeps to interfaces, which one that answers names on all addresses does not.
        ([Socket(OTHER, 9, "udp", "*", 67), Socket(OTHER, 9, "udp", "192.0.2.1", 53)], []),
        (
            [Socket(OTHER, 9, "udp", "*", 67), Socket(OTHER, 9, "udp", "*", 53)],
            [
                ("networks[0].ips", "DHCP at port 67, where dnsmasq (process 9) listens on all addresses"),
                ("networks[0].dns.enable", "DNS at port 53, where dnsmasq (process 9) listens on all addresses"),
            ],
        ),
        # One of ours.
        ([Socket(OTHER, 812, "udp", "*", 67), Socket(OTHER, 812, "udp", "10.10.1.1", 53)], []),
    ],
)
def test_a_port_that_somebody_else_has_is_refused_with_its_owner(sockets: list[Socket], found: list[tuple[str, str]]) -> None:
    assert problems(BLUE, Instances({"green": 812}, tuple(sockets))) == found
