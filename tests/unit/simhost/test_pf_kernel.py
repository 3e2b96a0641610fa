# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What pfctl loads, and what stays: anchors, transactions, tables, options."""

from __future__ import annotations

from pathlib import Path

import pytest
from pf_machine import Machine

NETWORK = """\
table <natdst> persist {{ 0.0.0.0/0, ! 10.0.{0}.0/24 }}
nat pass on vtnet1 inet from 10.0.{0}.0/24 to <natdst> -> (vtnet1)
block quick on virbr{0}
"""
NOT_LOADED = "pfctl: Syntax error in config file: pf rules not loaded\n"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def networks(machine: Machine) -> Machine:
    """A machine with two networks in anchors below a hooked one."""
    for number in (0, 1):
        machine.write(f"/etc/n{number}.conf", NETWORK.format(number))
    machine.load('nat-anchor "libvirt/*"\nanchor "libvirt/*"\n')
    machine.load('load anchor "n0" from "/etc/n0.conf"\nload anchor "n1" from "/etc/n1.conf"\n', "libvirt")
    return machine


# ---- transactions ----


def test_anchors_in_one_transaction(networks: Machine) -> None:
    assert networks.shown("-a", "*", "-sr") == [
        'anchor "libvirt/*" all {',
        '  anchor "n0" all {',
        "    block drop quick on virbr0 all",
        "  }",
        '  anchor "n1" all {',
        "    block drop quick on virbr1 all",
        "  }",
        "}",
    ]


def test_one_bad_file_and_nothing_changes(networks: Machine) -> None:
    before = networks.shown("-a", "*", "-sr")
    networks.write("/etc/n0.conf", "pass\n")
    networks.write("/etc/n1.conf", "pass pass\n")
    result = networks.pfctl("-a", "libvirt", "-f", "-", stdin='load anchor "n0" from "/etc/n0.conf"\nload anchor "n1" from "/etc/n1.conf"\n')
    assert (result.rc, result.stderr) == (1, f"/etc/n1.conf:1: syntax error\n{NOT_LOADED}pfctl: load anchors\n")
    assert networks.shown("-a", "*", "-sr") == before
    assert networks.shown("-a", "libvirt/n0", "-t", "natdst", "-T", "show") == ["   0.0.0.0/0", "  !10.0.0.0/24"]


def test_files_that_are_loaded_load_others(machine: Machine) -> None:
    machine.write("/etc/outer.conf", 'load anchor "inner" from "/etc/inner.conf"\n')
    machine.write("/etc/inner.conf", "block\n")
    machine.load('load anchor "outer" from "/etc/outer.conf"\n')
    assert machine.shown("-a", "outer/inner", "-sr") == ["block drop all"]


def test_dry_run_changes_nothing(networks: Machine) -> None:
    before = networks.pf
    assert networks.pfctl("-a", "libvirt/n2", "-nf", "-", stdin=NETWORK.format(2)).rc == 0
    assert networks.pf == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("block\n", "pfctl: DIOCADDRULE: Device busy\n"),
        ("table <a> persist\nblock\n", f"stdin:1: cannot define table a: Device busy\n{NOT_LOADED}"),
        ("# nothing\n", "pfctl: DIOCXCOMMIT: Device busy\n"),
    ],
)
def test_busy(networks: Machine, text: str, message: str) -> None:
    networks.pf["busy"] = 1
    before = networks.shown("-a", "libvirt/n0", "-sr")
    result = networks.pfctl("-a", "libvirt/n0", "-f", "-", stdin=text)
    assert (result.rc, result.stderr) == (1, message)
    assert networks.shown("-a", "libvirt/n0", "-sr") == before
    assert networks.pfctl("-a", "libvirt/n0", "-f", "-", stdin=text).rc == 0, "only one load was to fail"


def test_address_range_of_a_pool_is_found_by_the_kernel(machine: Machine) -> None:
    text = "nat on vtnet1 inet -> 203.0.113.1 - 203.0.113.4\n"
    assert machine.pfctl("-nf", "-", stdin=text).rc == 0
    result = machine.pfctl("-f", "-", stdin=text)
    assert (result.rc, result.stderr) == (1, "pfctl: DIOCADDADDR: Invalid argument\n")


def test_same_rule_twice(machine: Machine) -> None:
    result = machine.load('nat-anchor "a"\nnat-anchor "a"\n')
    assert result.stdout == 'nat-anchor "a" all -- rule was already present\n'
    assert machine.shown("-sn") == ['nat-anchor "a" all']


# ---- anchors ----


def test_anchors_in_braces(machine: Machine) -> None:
    machine.load('anchor "named" {\n pass\n anchor {\n  block in\n }\n}\nanchor on vtnet1 {\n block out\n}\n')
    assert machine.shown("-sA") == ["  named", "  named/_2"]
    assert machine.shown("-sr") == ['anchor "named" all', "anchor on vtnet1 all {", "  block drop out all", "}"]
    assert machine.shown("-a", "named", "-sr") == ["pass all flags S/SA keep state", "anchor all {", "  block drop in all", "}"]


def test_absolute_and_relative_anchors(machine: Machine) -> None:
    machine.load('anchor "/top"\nanchor "../side"\nanchor "below/*"\n', "a/b")
    assert machine.shown("-a", "a/b", "-sr") == ['anchor "/top" all', 'anchor "../side" all', 'anchor "below/*" all']
    assert machine.shown("-sA") == ["  a", "  a/b", "  a/b/below", "  a/side", "  top"]


def test_emptied_anchor_is_forgotten(machine: Machine) -> None:
    machine.load("pass\n", "a/b")
    machine.load("", "a/b")
    assert machine.shown("-sA") == []


def test_anchor_stays_while_old_rules_refer_to_it(networks: Machine) -> None:
    assert networks.pfctl("-a", "libvirt/n0", "-F", "all").stderr.splitlines()[-2:] == ["1 tables deleted.", "rules cleared"]
    assert networks.shown("-a", "libvirt", "-sA") == ["  libvirt/n0", "  libvirt/n1"]
    networks.wait(30_000)
    assert networks.shown("-a", "libvirt", "-sA") == ["  libvirt/n1"]


def test_flush_of_a_missing_anchor(machine: Machine) -> None:
    result = machine.pfctl("-a", "nosuch", "-F", "all", "-f", "-", stdin="pass\n")
    assert (result.rc, result.stderr.splitlines()[-1]) == (1, "pfctl: Operation not supported by device")
    assert machine.shown("-sA") == []


def test_rules_with_counters(networks: Machine) -> None:
    lines = networks.shown("-vvsn", "-a", "libvirt/n0")
    assert lines[0] == "@0 nat pass on vtnet1 inet from 10.0.0.0/24 to <natdst:2> -> (vtnet1) round-robin"
    assert lines[1] == "  [ Evaluations: 0         Packets: 0         Bytes: 0           States: 0     ]"
    assert lines[2] == "  [ Source Nodes: 0      Limit: 0      NAT/RDR: 0      Route: 0      ]"
    assert lines[3].startswith("  [ Inserted: uid 0 pid ")
    assert lines[4] == "  [ Last Active Time: N/A ]"


def test_counts_of_addresses(machine: Machine) -> None:
    machine.load("block inet from (vtnet1) to <nosuch>\nblock from (vtnet1:0) to (nosuch0)\n")
    assert [line for line in machine.shown("-vvsr") if line.startswith("@")] == [
        "@0 block drop inet from (vtnet1:2) to <nosuch:*>",
        "@1 block drop from (vtnet1:0:1) to (nosuch0:*)",
    ]


# ---- tables ----


@pytest.mark.parametrize(
    ("flags", "kept"),
    [("persist", True), ("const", False), ("", False)],
)
def test_table_that_no_rule_refers_to(machine: Machine, flags: str, kept: bool) -> None:
    machine.load(f"table <a> {flags} {{ 10.0.0.1 }}\n")
    assert machine.shown("-sT") == (["a"] if kept else [])


def test_table_without_contents_keeps_its_members(machine: Machine) -> None:
    machine.load("table <a> persist\n")
    machine.pfctl("-t", "a", "-T", "add", "10.0.0.1")
    machine.load("table <a> persist\n")
    assert machine.shown("-t", "a", "-T", "show") == ["   10.0.0.1"]
    machine.load("table <a> persist { }\n")
    assert machine.shown("-t", "a", "-T", "show") == []


def test_negation_of_a_member_is_not_another_member(machine: Machine) -> None:
    machine.load("table <a> persist { 10.0.0.0/24, !10.0.0.0/24 }\n")
    assert machine.shown("-t", "a", "-T", "show") == ["   10.0.0.0/24"]


def test_order_of_members(machine: Machine) -> None:
    machine.load("table <a> persist { ::1, 10.0.0.0/8, 10.0.0.0/24, 9.0.0.0/8, !::/0, 10.0.0.0 }\n")
    assert machine.shown("-t", "a", "-T", "show") == ["   9.0.0.0/8", "   10.0.0.0", "   10.0.0.0/24", "   10.0.0.0/8", "  !::/0", "   ::1"]


def test_table_commands_say_what_they_did(machine: Machine) -> None:
    def said(*argv: str) -> list[str]:
        result = machine.pfctl("-v", "-t", "a", "-T", *argv)
        return [*result.stdout.splitlines(), *result.stderr.splitlines()[2:]]

    assert said("add", "10.0.0.1", "10.0.0.1", "!10.0.0.0/8") == ["1 table created.", "2/3 addresses added."]
    assert said("add", "10.0.0.0/8", "0.0.0.0") == ["0/2 addresses added."]
    assert said("replace", "10.0.0.0/8", "10.0.0.2", "10.0.0.2") == [
        *("C  10.0.0.0/8", "A  10.0.0.2", "X  10.0.0.2", "D  10.0.0.1"),
        *("1 addresses added.", "1 addresses deleted.", "1 addresses changed."),
    ]
    assert said("delete", "10.0.0.9", "10.0.0.2", "!10.0.0.0/8") == ["1/3 addresses deleted."]
    assert said("flush") == ["1 addresses deleted."]
    assert said("kill") == ["1 table deleted."]


def test_test_takes_the_longest_prefix(machine: Machine) -> None:
    machine.load("table <a> persist { 10.0.0.0/8, !10.1.0.0/16, 10.1.1.1 }\n")
    result = machine.pfctl("-vv", "-t", "a", "-T", "test", "10.2.0.1", "10.1.0.1", "10.1.1.1", "11.0.0.1")
    assert (result.rc, result.stdout.splitlines()) == (
        2,
        ["M  10.2.0.1\t 10.0.0.0/8", "   10.1.0.1\t!10.1.0.0/16", "M  10.1.1.1\t 10.1.1.1", "   11.0.0.1\t nomatch"],
    )
    assert machine.pfctl("-t", "a", "-T", "test", "10.0.0.0/8").stderr == "pfctl: cannot decode 10.0.0.0/8: Invalid argument\n"


def test_flags_of_tables(networks: Machine) -> None:
    networks.load("table <natdst> persist counters\npass from <natdst>\n")
    assert networks.shown("-vsT") == ["-pa-rhC\tnatdst"]
    assert networks.shown("-a", "libvirt/n0", "-vsT") == ["-pa-r--\tnatdst\tlibvirt/n0"]


def test_root_table_serves_anchors(machine: Machine) -> None:
    machine.load("table <shared> persist { 10.0.0.1 }\n")
    machine.load("pass from <shared>\n", "a")
    assert machine.shown("-a", "a", "-vvsr")[0] == "@0 pass from <shared:1> to any flags S/SA keep state"


# ---- options ----


def test_options_of_the_main_ruleset(machine: Machine) -> None:
    machine.load("set limit states 5000\nset timeout tcp.first 7\nset debug loud\nset skip on lo\nset loginterface vtnet1\n")
    assert machine.shown("-sm")[0] == "states        hard limit     5000"
    assert {"tcp.first                     7s", "adaptive.start             3000 states"} <= set(machine.shown("-st"))
    assert "Interface Stats for vtnet1            IPv4             IPv6" in machine.shown("-si")
    assert [line for line in machine.shown("-vsI") if "skip" in line] == ["lo (skip)", "lo0 (skip)"]
    machine.load("pass\n")
    assert machine.shown("-sm")[0] == "states        hard limit   100000"
    assert not [line for line in machine.shown("-vsI") if "skip" in line]


def test_merged_options(machine: Machine) -> None:
    machine.load("set limit states 5000\nset timeout tcp.first 7\n")
    machine.pfctl("-m", "-f", "-", stdin="set timeout tcp.first 8\n")
    assert machine.shown("-sm")[0] == "states        hard limit     5000"
    assert machine.shown("-st")[0] == "tcp.first                     8s"


def test_switching(machine: Machine) -> None:
    assert machine.pfctl("-sR") == (1, "Disabled\n", "")
    assert machine.pfctl("-e") == (0, "", "pf enabled\n")
    assert machine.pfctl("-e") == (1, "", "pfctl: pf already enabled\n")
    assert machine.shown("-si")[0].startswith("Status: Enabled for 0 days 00:00:0")
    assert machine.pfctl("-qd") == (0, "", "")


def test_not_loaded(machine: Machine) -> None:
    machine.host.kernel["modules"] = []
    assert machine.pfctl("-sr") == (1, "", "pfctl: /dev/pf: No such file or directory\n")
    assert machine.pfctl("-nf", "-", stdin="pass\n") == (1, "", "pfctl: Failed to open netlink: No such file or directory\n")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ((), "usage: pfctl"),
        (("-Z",), "pfctl: illegal option -- Z"),
        (("-s", "nosuch"), "pfctl: Unknown show modifier 'nosuch'"),
        (("-t", "a"), "usage: pfctl"),
        (("-sr", "more"), "pfctl: unknown command line argument: more ..."),
        (("-a", "x"), "pfctl: anchors apply to -f, -F, -s, and -T only"),
        (("-a", "_x", "-f", "-"), "pfctl: anchor names beginning with '_' cannot be modified from the command line"),
        (("-a", "x" * 64, "-f", "-"), "pfctl: pfctl_rules: strlcpy"),
        (("-k", "id", "-k", "0"), "pfctl: cannot kill id 0"),
        (("-k", "label"), "pfctl: no label specified"),
    ],
)
def test_misuse(machine: Machine, argv: tuple[str, ...], message: str) -> None:
    result = machine.pfctl(*argv)
    assert result.rc == 1
    assert result.stderr.startswith(message)
