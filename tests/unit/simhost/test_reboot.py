# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated host that boots again: what files bring back, and what they do not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands_of import run, write
from simhost import create, execute, state
from simhost.program import NotSimulated
from simhost.rc import words

NETWORK = """\
cloned_interfaces="${cloned_interfaces} bridge1000 bridge1001"
ifconfig_bridge1000_name="virbr0"
create_args_bridge1000="ether 52:54:00:db:0e:e5 group pfnet"
ifconfig_virbr0="inet 192.168.122.1/24 up description \\$'two\\\\040words'"
ifconfig_virbr0_alias0="inet 192.168.123.1/24"
ifconfig_virbr0_ipv6="inet6 fd00:1::1/64"
ifconfig_bridge1001_name="virbr1"
create_args_bridge1001="ether 52:54:00:0a:fc:1d"
ifconfig_virbr1="inet 10.0.100.1/24 addm re1 mtu 9000 up"
ifconfig_virbr1_descr="pfnet   default"
"""
HOOKS = 'nat-anchor "libvirt/*"\nrdr-anchor "libvirt/*"\nanchor "libvirt/*"\ninclude "/usr/local/etc/pfnet/pf.conf"\npass all\n'


def kernel(directory: Path) -> dict[str, object]:
    return dict(json.loads((directory / "state.json").read_text(encoding="utf-8")))


@pytest.fixture
def hypervisor(tmp_path: Path) -> Path:
    directory = tmp_path / "host"
    create.create(directory, "hypervisor")
    return directory


def test_a_reboot_without_changes_gives_the_same_kernel(hypervisor: Path) -> None:
    before = kernel(hypervisor)
    create.reboot(hypervisor)
    after = kernel(hypervisor)
    for changing in ("clock", "sysctl", "pf"):
        assert after.pop(changing) != before.pop(changing) or changing == "pf"
    assert after == before


def test_what_was_only_in_the_kernel_is_gone(hypervisor: Path) -> None:
    for command in (
        "kldload if_epair",
        "ifconfig epair0 create",
        "ifconfig re1 inet 10.1.1.1/24",
        "route add 10.9.0.0/16 203.0.113.7",
        "sysctl net.inet.ip.forwarding=0",
        "sysctl net.link.bridge.pfil_member=1",
    ):
        assert run(hypervisor, *command.split())[0] == 0
    write(hypervisor, "/tmp/rules", "block all\n")
    assert run(hypervisor, "pfctl", "-a", "libvirt/old", "-f", "/tmp/rules")[0] == 0
    create.reboot(hypervisor)
    assert run(hypervisor, "ifconfig", "-l")[1] == "re0 re1 lo0\n"
    assert "inet" not in run(hypervisor, "ifconfig", "re1")[1].split()
    assert "10.9.0.0" not in run(hypervisor, "netstat", "-rn")[1]
    assert run(hypervisor, "sysctl", "-n", "net.inet.ip.forwarding", "net.link.bridge.pfil_member")[1] == "1\n0\n"
    assert run(hypervisor, "pfctl", "-a", "libvirt", "-sA")[1] == ""
    assert "anchor" in run(hypervisor, "pfctl", "-sr")[1]


def test_files_stay_but_those_of_processes(hypervisor: Path) -> None:
    for path in ("/var/run/pfnet/default.pid", "/var/db/pfnet/default.leases", "/tmp/x", "/root/x"):
        write(hypervisor, path, "1\n")
    create.reboot(hypervisor)
    root = hypervisor / "root"
    assert not (root / "var/run/pfnet/default.pid").exists()
    assert all((root / path).exists() for path in ("var/run/pfnet", "var/db/pfnet/default.leases", "tmp/x", "root/x"))


def test_networks_of_rc_conf_d_come_up(hypervisor: Path) -> None:
    write(hypervisor, "/etc/rc.conf.d/network/pfnet", NETWORK)
    write(hypervisor, "/etc/rc.conf.d/routing/pfnet", 'static_routes="${static_routes} lab-net"\nroute_lab_net="-net 10.8.0.0/16 192.168.122.9"\n')
    create.reboot(hypervisor)
    shown = run(hypervisor, "ifconfig", "-a", "-D", "-f", "inet:cidr,inet6:cidr")[1]
    virbr0, virbr1 = shown.split("virbr0: ")[1].split("virbr1: ")
    for line in (
        "ether 52:54:00:db:0e:e5",
        "description: two words",
        "inet 192.168.122.1/24 broadcast 192.168.122.255",
        "inet 192.168.123.1/24 broadcast 192.168.123.255",
        "inet6 fd00:1::1/64",
        "groups: bridge pfnet",
        "drivername: bridge1000",
    ):
        assert f"\t{line}\n" in virbr0
    for line in ("ether 52:54:00:0a:fc:1d", "description: pfnet default", "drivername: bridge1001"):
        assert f"\t{line}\n" in virbr1
    assert " mtu 9000\n" in virbr1
    assert "member: re1 " in virbr1
    assert "10.8.0.0/16        192.168.122.9" in run(hypervisor, "netstat", "-rn")[1]


def test_a_reboot_and_netif_give_the_same_bridges(hypervisor: Path) -> None:
    write(hypervisor, "/etc/rc.conf.d/network/pfnet", NETWORK)
    assert run(hypervisor, "service", "netif", "cloneup")[1] == "Created clone interfaces: bridge1000 bridge1001.\n"
    with state.opened(hypervisor) as host:
        execute.wait(host, 10_000)
    # devd has given them their names, and looked for the configuration of the old ones.
    assert "inet" not in run(hypervisor, "ifconfig", "virbr0")[1].split()
    assert run(hypervisor, "service", "netif", "start", "virbr0", "virbr1")[0] == 0
    running = run(hypervisor, "ifconfig", "-a", "-D")[1]
    create.reboot(hypervisor)
    assert run(hypervisor, "ifconfig", "-a", "-D")[1] == running


def test_the_address_of_a_bridge_comes_first_in_create_args(hypervisor: Path) -> None:
    assert run(hypervisor, "ifconfig", "bridge1000", "create", "group", "pfnet", "ether", "52:54:00:db:0e:e5") == (1, "", "ifconfig: ether: bad value\n")
    assert run(hypervisor, "ifconfig", "bridge1001", "create", "name", "virbr0", "group", "pfnet") == (0, "virbr0\n", "")


@pytest.mark.parametrize("present", [True, False])
def test_rules_come_from_pf_conf_or_there_are_none(hypervisor: Path, present: bool) -> None:
    write(hypervisor, "/etc/pf.conf", HOOKS)
    write(hypervisor, "/usr/local/etc/pfnet/pf.conf", 'load anchor "libvirt/blue" from "/usr/local/etc/pfnet/anchors/blue.conf"\n')
    if present:
        write(hypervisor, "/usr/local/etc/pfnet/anchors/blue.conf", "table <natdst> persist { 10.0.0.0/8 }\nblock quick on virbr0\n")
    create.reboot(hypervisor)
    assert "Status: Enabled" in run(hypervisor, "pfctl", "-si")[1]
    assert run(hypervisor, "pfctl", "-sr")[1] == ('anchor "libvirt/*" all\npass all flags S/SA keep state\n' if present else "")
    assert run(hypervisor, "pfctl", "-a", "libvirt/blue", "-sr")[1] == ("block drop quick on virbr0 all\n" if present else "")
    # Routes and forwarding do not wait for rules.
    assert run(hypervisor, "sysctl", "-n", "net.inet.ip.forwarding")[1] == "1\n"


def test_settings_for_loader_and_sysctl_are_read(hypervisor: Path) -> None:
    write(hypervisor, "/boot/loader.conf", 'if_epair_load="YES"\nkern.securelevel=1 # tight\n')
    write(hypervisor, "/etc/sysctl.conf", "# a comment\nnet.link.bridge.pfil_onlyip=0\nno.such=1\n")
    create.reboot(hypervisor)
    assert run(hypervisor, "kldstat", "-q", "-m", "if_epair")[0] == 0
    assert run(hypervisor, "sysctl", "-n", "kern.securelevel", "net.link.bridge.pfil_onlyip")[1] == "1\n0\n"


def test_commands_reboot(hypervisor: Path) -> None:
    first = run(hypervisor, "sysctl", "-n", "kern.boottime")[1]
    assert run(hypervisor, "reboot") == (0, "", "")
    second = run(hypervisor, "sysctl", "-n", "kern.boottime")[1]
    assert run(hypervisor, "shutdown", "-r", "now", "for a test")[:2] == (0, "Shutdown NOW!\n")
    third = run(hypervisor, "sysctl", "-n", "kern.boottime")[1]
    assert run(hypervisor, "shutdown", "-r", "+1")[0] == 0
    assert run(hypervisor, "sysctl", "-n", "kern.boottime")[1] == third
    with state.opened(hypervisor) as host:
        execute.wait(host, 60_000)
    assert len({first, second, third, run(hypervisor, "sysctl", "-n", "kern.boottime")[1]}) == 4
    assert run(hypervisor, "shutdown", "-p", "now")[0] == 1
    done = subprocess.run(
        [sys.executable, "-m", "simhost", "reboot", str(hypervisor)], capture_output=True, check=False, env={"PYTHONPATH": str(Path(__file__).parents[2])}
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("inet 10.0.0.1/24  up", ["inet", "10.0.0.1/24", "up"]),
        ("description 'two  words'", ["description", "two  words"]),
        (r'description "a\"b\c"', ["description", r'a"b\c']),
        (r"description $'two\040w\'o\x72ds\t\u00e9'", ["description", "two w'ords\té"]),
        (r"a\ b'c'\"d", ['a bc"d']),
        ("descr '' up", ["descr", "", "up"]),
        ("up # a comment", ["up"]),
        ("descr a#b 'et*' [x]", ["descr", "a#b", "et*", "[x]"]),
        ("descr et*", ["descr", "etc"]),
        ("descr $ 5$", ["descr", "$", "5$"]),
    ],
)
def test_evaluated_words(line: str, expected: list[str]) -> None:
    assert words.evaluated(line) == expected


@pytest.mark.parametrize("line", ["descr $x", "descr `id`", 'descr "$(id)"', "up; down", "descr ~", "a | b"])
def test_lines_that_would_run_something_are_refused(line: str) -> None:
    with pytest.raises(NotSimulated):
        words.evaluated(line)


@pytest.mark.parametrize("line", ["descr 'open", 'descr "open', r"descr $'open", r"descr $'\q'"])
def test_a_line_that_sh_cannot_read_ends_the_script(hypervisor: Path, line: str) -> None:
    with pytest.raises(words.ShellSyntaxError):
        words.evaluated(line)
    with (hypervisor / "root/etc/rc.conf").open("a", encoding="utf-8") as file:
        file.write('ifconfig_re1="' + line.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"\n')
    create.reboot(hypervisor)
    assert run(hypervisor, "ifconfig", "re0", "inet")[0] == 0
    assert run(hypervisor, "service", "netif", "start", "re1")[0] == 2


def test_variables_without_quotes_lose_white_space_and_match_files() -> None:
    assert words.echoed("  two \t words ") == "two words"
    assert words.echoed("-n b[o]* *.x") == "boot *.x"
