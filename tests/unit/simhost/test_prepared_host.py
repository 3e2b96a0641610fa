# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated host made ready for networks: what is set, what is warned of, and that all of it can be taken back."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.apply import StepFailed, apply
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.hazards import hazards
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.preparation import Wanted, observe, plan
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan
from in_process import InProcessHost, copy_of
from simhost import create, state
from simhost.kernel import processes

DUAL = Wanted(forwarding=("ipv4", "ipv6"), bridges=("virbr0",))
HYPERVISOR = Wanted(forwarding=("ipv4",))


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host as installed, that is only copied."""
    directory = tmp_path_factory.mktemp("bare") / "host"
    create.create(directory, "fresh")
    return directory


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hypervisor with pf and forwarding, that is only copied."""
    directory = tmp_path_factory.mktemp("ready") / "host"
    create.create(directory, "hypervisor")
    return directory


@pytest.fixture
def fresh(bare: Path, tmp_path: Path) -> InProcessHost:
    return copy_of(bare, tmp_path / "host")


@pytest.fixture
def hypervisor(ready: Path, tmp_path: Path) -> InProcessHost:
    return copy_of(ready, tmp_path / "host")


def prepare(host: InProcessHost, wanted: Wanted) -> Plan:
    made = plan(wanted, observe(host, wanted))
    assert not made.problems
    apply(host, made)
    return made


def warnings(host: InProcessHost, wanted: Wanted) -> list[str]:
    return hazards(wanted, observe(host, wanted))


def test_a_host_as_installed_is_made_ready_once(fresh: InProcessHost) -> None:
    made = prepare(fresh, DUAL)
    assert len([each for each in made.outcomes if each["changed"]]) == len(made.outcomes) == 8
    assert fresh.run("sysctl", "-n", "net.inet.ip.forwarding", "net.inet6.ip6.forwarding").stdout == "1\n1\n"
    assert fresh.run("sysrc", "-n", "kld_list", "gateway_enable", "ipv6_gateway_enable", "pf_enable").stdout == "pf if_bridge\nYES\nYES\nYES\n"
    for module in ("pf", "if_bridge"):
        assert fresh.run("kldstat", "-q", "-m", module).rc == 0
    before = fresh.everything()[1]
    fresh.commands.clear()
    again = plan(DUAL, observe(fresh, DUAL))
    assert (again.steps, again.diffs) == ([], [])
    assert len(fresh.commands) <= 10
    assert fresh.everything()[1] == before
    assert warnings(fresh, DUAL) == []


def test_whichever_step_fails_the_host_is_as_it_was(bare: Path, tmp_path: Path) -> None:
    looked = copy_of(bare, tmp_path / "looked")
    made = plan(DUAL, observe(looked, DUAL))
    before = comparable(looked)
    for number in range(len(made.steps)):
        host = copy_of(bare, tmp_path / "host")
        host.failing = number
        with pytest.raises(StepFailed):
            apply(host, made)
        assert comparable(host) == before, made.steps[number].what
    assert len(made.steps) == 5


def comparable(host: InProcessHost) -> tuple[t.Any, ...]:
    """What a host is to those who use it; the module that if_bridge brings with it aside."""
    kernel, files = host.everything()
    return (files, sorted({*kernel["modules"]} - {"bridgestp"}), kernel["sysctl"], host.run("ifconfig", "-a").stdout)


def test_a_host_that_is_ready_but_for_one_setting(hypervisor: InProcessHost) -> None:
    made = prepare(hypervisor, HYPERVISOR)
    assert [step.what for step in made.steps] == ["set kld_list for the boot"]
    assert hypervisor.run("sysrc", "-n", "kld_list").stdout == "if_bridge pf\n"
    assert warnings(hypervisor, HYPERVISOR) == []


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("set skip on virbr0\npass all\n", "the bridge virbr0 alone (`set skip on`, says the kernel)"),
        ("set skip on { lo0 bridge }\npass all\n", "the group bridge alone (`set skip on`, says the kernel)"),
        ("set skip on re0\npass all\n", "the egress interface re0 alone (`set skip on`, says the kernel)"),
    ],
)
def test_what_the_kernel_skips(hypervisor: InProcessHost, rules: str, words: str) -> None:
    hypervisor.run("ifconfig", "bridge", "create", "name", "virbr0", "group", "pfnet")
    hypervisor.run("pfctl", "-f", "-", stdin=rules)
    assert words in "\n".join(warnings(hypervisor, HYPERVISOR))


def test_what_pf_conf_will_skip(fresh: InProcessHost) -> None:
    fresh.write("/etc/pf.conf", "set skip on { lo0 virbr0 }\npass all\n", "/etc")
    (warning,) = warnings(fresh, DUAL)
    assert "the bridge virbr0 alone (`set skip on`, says /etc/pf.conf)" in warning


def test_rules_of_others_in_our_anchors(hypervisor: InProcessHost) -> None:
    network = {"name": "blue", "bridge": {"name": "virbr0"}, "forward": {"mode": "nat"}, "ips": [{"address": "10.10.1.1/24"}]}
    hypervisor.make([network])
    assert warnings(hypervisor, HYPERVISOR) == []
    hypervisor.run("pfctl", "-a", "libvirt/theirs", "-f", "-", stdin="pass on re1\n")
    hypervisor.run("pfctl", "-a", "libvirt/gone", "-f", "-", stdin="pass on re1\n")
    hypervisor.run("pfctl", "-a", "libvirt/gone", "-F", "rules")
    (warning,) = warnings(hypervisor, HYPERVISOR)
    assert "Something else loads anchors below libvirt: libvirt/theirs;" in warning
    hypervisor.run("pfctl", "-a", "libvirt", "-f", "-", stdin="block on re1\n")
    assert "The anchor libvirt itself holds 1 rules" in warnings(hypervisor, HYPERVISOR)[0]


def test_bridges_whose_members_are_filtered(hypervisor: InProcessHost) -> None:
    hypervisor.run("sysctl", "net.link.bridge.pfil_member=1", "net.link.bridge.pfil_bridge=1")
    assert [warning.split()[0] for warning in warnings(hypervisor, HYPERVISOR)] == ["net.link.bridge.pfil_member", "net.link.bridge.pfil_bridge"]


def test_a_securelevel_forbids_modules_and_later_pf(fresh: InProcessHost) -> None:
    fresh.run("sysctl", "kern.securelevel=3")
    found = observe(fresh, DUAL)
    assert plan(DUAL, found).problems[0]["path"] == "modules"
    assert "kern.securelevel is 3" in hazards(DUAL, found)[0]


def test_a_jail(fresh: InProcessHost) -> None:
    with state.opened(fresh.directory) as machine:
        machine.kernel["sysctl"]["security.jail.jailed"] = "1"
    found = observe(fresh, DUAL)
    assert plan(DUAL, found).problems[0]["path"] == "modules"
    assert "jail without a network stack" in hazards(DUAL, found)[0]


SERVING = Wanted(forwarding=("ipv4",), services=("dhcp", "dns"))


def listen(host: InProcessHost, command: str, port: int, address: str = "", *arguments: str) -> int:
    """Have a server listen on a port; gives its process id."""
    family = "inet6" if ":" in address else "inet"
    with state.opened(host.directory) as machine:
        return int(processes.add(machine.kernel, command, [processes.socket("udp", port, address, family=family)], arguments=arguments)["pid"])


def test_servers_in_the_way(hypervisor: InProcessHost) -> None:
    assert warnings(hypervisor, SERVING) == []
    listen(hypervisor, "unbound", 53)
    listen(hypervisor, "dhcpd", 67)
    assert sorted(warning.split(" (")[0] for warning in warnings(hypervisor, SERVING)) == ["dhcpd", "unbound"]
    assert warnings(hypervisor, HYPERVISOR) == []


def test_servers_beside_ours(hypervisor: InProcessHost) -> None:
    hypervisor.run("ifconfig", "bridge", "create", "name", "virbr0", "group", "pfnet")
    hypervisor.run("ifconfig", "virbr0", "inet6", "fd00:1::1/64")
    ours = listen(hypervisor, "dnsmasq", 53, "fd00:1::1", layout.DNSMASQ_PROGRAM, "-C", layout.dnsmasq_conf("blue"), "-x", layout.dnsmasq_pid("blue"))
    listen(hypervisor, "local-unbound", 53, "::1")
    listen(hypervisor, "dnsmasq", 67)
    assert "listens on port 53 of fd00:1::1" in "".join(warnings(hypervisor, SERVING))
    hypervisor.write(layout.dnsmasq_pid("blue"), f"{ours}\n", layout.RUN)
    assert warnings(hypervisor, SERVING) == []


def test_servers_that_the_next_boot_starts(hypervisor: InProcessHost) -> None:
    hypervisor.run("sysrc", "named_enable=YES")
    (warning,) = warnings(hypervisor, SERVING)
    assert "named_enable is YES" in warning
    listen(hypervisor, "named", 53, "203.0.113.10")
    assert warnings(hypervisor, SERVING) == []
