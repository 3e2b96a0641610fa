# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hooks in pf.conf on a simulated host: the file, the kernel, the boot, and back again."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import journal, layout, pf
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.apply import StepFailed, apply
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.hooks import Wanted, make
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import CommandError
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan
from in_process import InProcessHost, copy_of
from simhost import create

CLOSED = """\
set skip on lo
scrub in all
table <friends> { 192.0.2.0/24 }

# Nothing unasked
block all
pass in proto tcp from <friends> to any port 22
pass out all
"""
HOOKED = {("nat-anchor", "libvirt/*"), ("rdr-anchor", "libvirt/*"), ("anchor", "libvirt/*")}


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A booted host with pf loaded, neither enabled nor configured, that is only copied."""
    directory = tmp_path_factory.mktemp("fresh") / "host"
    create.create(directory, "fresh")
    InProcessHost(directory).run("kldload", "pf")
    return directory


@pytest.fixture
def host(fresh: Path, tmp_path: Path) -> InProcessHost:
    return copy_of(fresh, tmp_path / "host")


def configured(host: InProcessHost, text: str = CLOSED) -> InProcessHost:
    """A host whose user has set pf up, and enabled it."""
    host.write("/etc/pf.conf", text, "/etc/pf.conf")
    for words in ("sysrc pf_enable=YES", "pfctl -f /etc/pf.conf", "pfctl -e"):
        host.run(*words.split())
    return host


def run(host: InProcessHost, **options: t.Any) -> Plan:
    made = make(host, Wanted(**options))
    assert not made.problems, made.problems
    host.carry_out(made)
    return made


def refused(host: InProcessHost, **options: t.Any) -> str:
    """What is said of a host that stays as it is."""
    before = comparable(host)
    made = make(host, Wanted(**options))
    assert comparable(host) == before
    assert len(made.problems) == 1
    return made.problems[0]["found"]


def action(made: Plan) -> str:
    return str(made.outcomes[0]["action"])


def hooks(host: InProcessHost) -> set[tuple[str, str]]:
    """What the main ruleset in the kernel calls."""
    return {hook for show in ("-sn", "-sr") for hook in pf.parse_rulesets(host.run("pfctl", show).stdout).hooks}


def mode_of(host: InProcessHost, path: str) -> int:
    return (host.directory / "root" / path.lstrip("/")).stat().st_mode & 0o7777


def test_a_host_without_rules_gets_ones_that_pass_everything(host: InProcessHost) -> None:
    made = run(host, enable=True, ssh_ports=(22, 2222))
    assert action(made) == "created"
    assert hooks(host) == HOOKED
    assert host.run("pfctl", "-s", "info").stdout.startswith("Status: Enabled")
    assert host.run("sysrc", "-n", "pf_enable").stdout == "YES\n"
    shown = host.run("pfctl", "-P", "-sr").stdout
    for port in (22, 2222):
        assert f"pass in quick proto tcp from any to (self) port = {port} flags any keep state (sloppy)" in shown
    assert "pass all flags S/SA keep state" in shown
    assert host.run("service", "pf", "check", ok=None).rc == 0
    assert host.read(layout.BOOT_RULES) == layout.BOOT_RULES_HEADER


def test_a_second_run_changes_nothing(host: InProcessHost) -> None:
    run(host, enable=True)
    before = host.everything()
    made = run(host, enable=True)
    assert (made.steps, action(made), made.warnings) == ([], "unchanged", [])
    assert host.everything()[1] == before[1]


def test_the_users_rules_stay_and_their_file_keeps_mode_and_link(host: InProcessHost) -> None:
    configured(host)
    root = host.directory / "root"
    (root / "usr/local/etc/own.conf").write_text(CLOSED)
    (root / "usr/local/etc/own.conf").chmod(0o600)
    (root / "etc/pf.conf").unlink()
    (root / "etc/pf.conf").symlink_to("../usr/local/etc/own.conf")
    made = run(host, backup="/etc/pf.conf.kept")
    assert action(made) == "created"
    assert (root / "etc/pf.conf").is_symlink()
    assert (mode_of(host, "/usr/local/etc/own.conf"), mode_of(host, "/etc/pf.conf.kept")) == (0o600, 0o600)
    assert host.read("/etc/pf.conf.kept") == CLOSED
    text = host.read("/usr/local/etc/own.conf") or ""
    assert [line for line in text.splitlines() if "libvirt" not in line and "pfnet" not in line] == CLOSED.splitlines()
    assert text.index("# END") < text.index("# Nothing unasked")
    assert hooks(host) == HOOKED
    run(host, present=False)
    assert host.read("/usr/local/etc/own.conf") == CLOSED
    assert hooks(host) == set()
    assert not host.names(layout.CONFIGURATION)


def test_rules_loaded_by_hand_without_the_hooks_are_loaded_again(host: InProcessHost) -> None:
    run(configured(host))
    host.run("pfctl", "-f", "-", stdin="pass all\n")
    made = run(host)
    assert action(made) == "repaired"
    assert made.outcomes[0]["reasons"] == ["drift: the main ruleset of pf does not call the anchors below libvirt"]
    assert hooks(host) == HOOKED
    assert run(host).steps == []


def test_a_rule_of_the_user_above_the_block_moves_the_block(host: InProcessHost) -> None:
    run(configured(host))
    text = "pass in on vtnet1\n" + (host.read("/etc/pf.conf") or "").replace("set skip on lo\nscrub in all\n", "")
    host.write("/etc/pf.conf", text, "/etc/pf.conf")
    assert host.run("pfctl", "-nf", "/etc/pf.conf", ok=None).rc == 1
    assert action(run(host)) == "repaired"
    assert (host.read("/etc/pf.conf") or "").startswith("# BEGIN")
    assert hooks(host) == HOOKED


def test_the_file_that_the_block_includes_comes_again(host: InProcessHost) -> None:
    run(configured(host))
    host.write(layout.BOOT_RULES, None, layout.CONFIGURATION)
    made = run(host)
    assert (action(made), made.outcomes[0]["reasons"]) == ("repaired", [f"drift: {layout.BOOT_RULES} is missing"])
    assert host.run("pfctl", "-nf", "/etc/pf.conf").rc == 0


def test_lines_that_load_networks_stay(host: InProcessHost) -> None:
    run(configured(host))
    host.write(layout.BOOT_RULES, f'load anchor "libvirt/a" from "{layout.ANCHORS}/a.conf"\n', layout.CONFIGURATION)
    host.write(f"{layout.ANCHORS}/a.conf", "pass all\n", layout.CONFIGURATION)
    run(host, present=False)
    assert "load anchor" in (host.read(layout.BOOT_RULES) or "")


def test_another_root_takes_the_place_of_the_former(host: InProcessHost) -> None:
    run(configured(host))
    made = run(host, anchor_root="guests")
    assert (action(made), made.outcomes[0]["reasons"]) == ("updated", ["the hooks are of another anchor than guests"])
    assert hooks(host) == {(kind, "guests/*") for kind, _anchor in HOOKED}


def test_hooks_written_by_hand_are_called_once(host: InProcessHost) -> None:
    text = 'nat-anchor "libvirt/*"\nanchor "libvirt/*" on vtnet1\nblock all\n'
    made = run(configured(host, text))
    assert host.run("pfctl", "-sn").stdout.count("nat-anchor") == 1
    assert host.run("pfctl", "-sr").stdout.count("anchor") == 1
    assert "for some packets only" in made.warnings[0]
    assert run(host).steps == []
    run(host, present=False)
    assert host.read("/etc/pf.conf") == text


def test_a_file_that_was_broken_before_stays(host: InProcessHost) -> None:
    configured(host)
    host.write("/etc/pf.conf", CLOSED + "pass in form any\n", "/etc/pf.conf")
    assert refused(host) == "/etc/pf.conf, which is broken as it is, before any change: /etc/pf.conf:9: syntax error"


def test_a_file_broken_since_is_reported_though_nothing_is_to_be_changed(host: InProcessHost) -> None:
    run(configured(host))
    host.write("/etc/pf.conf", (host.read("/etc/pf.conf") or "") + "pass in form any\n", "/etc/pf.conf")
    assert "broken as it is" in refused(host)


def test_a_file_that_does_not_take_the_hooks_stays(host: InProcessHost) -> None:
    configured(host)
    host.write(layout.BOOT_RULES, 'load anchor "libvirt/a" from "/nowhere"\n', layout.CONFIGURATION)
    assert "/nowhere: No such file or directory" in refused(host)


def test_an_include_with_no_place_for_the_hooks_is_refused(host: InProcessHost) -> None:
    host.write("/etc/mixed.conf", "scrub in all\nblock in\n", "/etc/mixed.conf")
    configured(host, 'include "/etc/mixed.conf"\n')
    assert refused(host).startswith("/etc/pf.conf with /etc/mixed.conf, which has filter rules after")
    host.write("/etc/pf.conf", 'set require-order no\ninclude "/etc/mixed.conf"\n', "/etc/pf.conf")
    assert action(run(host)) == "created"


@pytest.mark.parametrize("elsewhere", [True, False])
def test_main_rules_of_another_file_do_not_give_way_to_ones_that_pass_everything(host: InProcessHost, elsewhere: bool) -> None:
    if elsewhere:
        host.write("/etc/own.conf", CLOSED, "/etc/own.conf")
        host.run("sysrc", "pf_rules=/etc/own.conf")
        assert 'pf_rules="/etc/own.conf"' in refused(host, enable=True)
    else:
        host.run("pfctl", "-f", "-", stdin=CLOSED)
        assert "pf holds main rules" in refused(host, enable=True)


def test_a_file_that_is_not_the_hosts_is_written_but_not_loaded(host: InProcessHost) -> None:
    configured(host)
    host.write("/etc/other.conf", "pass all\n", "/etc/other.conf")
    made = run(host, path="/etc/other.conf")
    assert "The main rules of this host are in /etc/pf.conf" in made.warnings[0]
    assert "# BEGIN" in (host.read("/etc/other.conf") or "")
    assert hooks(host) == set()


def test_a_new_file_of_another_name_can_be_had(host: InProcessHost) -> None:
    run(configured(host), path="/etc/pf.conf.new", load=False)
    assert (host.read("/etc/pf.conf.new") or "").endswith("pass all\n")
    assert host.read("/etc/pf.conf") == CLOSED
    assert "pf_rules=" in refused(host, path="/etc/pf.conf.new", enable=True)


def test_pf_that_is_not_enabled_is_left_so_with_a_word(host: InProcessHost) -> None:
    made = run(host)
    assert [step.what for step in made.steps] == [f"write {layout.BOOT_RULES}", "write /etc/pf.conf"]
    assert "pf is loaded but not enabled" in made.warnings[0]
    assert hooks(host) == set()


def test_a_file_that_is_not_to_be_loaded_is_not(host: InProcessHost) -> None:
    made = run(configured(host), load=False)
    assert "load /etc/pf.conf" not in [step.what for step in made.steps]
    assert hooks(host) == set()


@pytest.mark.parametrize(
    ("text", "confirmed", "warned"),
    [(CLOSED, False, True), (CLOSED, True, False), (CLOSED + "pass in proto tcp to port 22 flags any\n", False, False), ("pass in\n", False, False)],
)
def test_enabling_pf_under_rules_that_block_is_warned_of(host: InProcessHost, text: str, confirmed: bool, warned: bool) -> None:
    host.write("/etc/pf.conf", text, "/etc/pf.conf")
    made = run(host, enable=True, confirmed=confirmed)
    assert ["may be cut" in warning for warning in made.warnings] == [True] * warned


def test_rc_confs_flags_are_pfctls(host: InProcessHost) -> None:
    configured(host, "pass all\n")
    host.run("sysrc", "pf_flags=-D outside=vtnet0")
    host.write("/etc/pf.conf", "pass on $outside\n", "/etc/pf.conf")
    run(host)
    assert hooks(host) == HOOKED


def test_without_pf_nothing_can_be_said(host: InProcessHost) -> None:
    host.run("kldunload", "pf")
    with pytest.raises(pf.NotLoaded):
        make(host, Wanted())


def test_the_file_that_was_written_goes_with_the_hooks(host: InProcessHost) -> None:
    files = host.everything()[1]
    run(host)
    run(host, present=False)
    assert host.everything()[1] == files
    # A pf that is enabled keeps it.
    run(host, enable=True)
    run(host, present=False)
    assert (host.read("/etc/pf.conf") or "").endswith("pass all\n")
    assert host.run("pfctl", "-nf", "/etc/pf.conf").rc == 0
    # One that has been disabled since keeps nothing, and can be set up again.
    run(host)
    host.run("pfctl", "-d")
    host.run("sysrc", "-x", "pf_enable")
    run(host, present=False)
    assert host.everything()[1] == files
    assert host.run("pfctl", "-sr").stdout == host.run("pfctl", "-sn").stdout == ""
    assert action(run(host, enable=True)) == "created"


def test_networks_that_are_left_without_hooks_are_named(host: InProcessHost) -> None:
    configured(host)
    run(host)
    network = {"bridge": {"name": "virbr0"}, "forward": {"mode": "nat"}, "ips": [{"address": "10.10.1.1/24"}]}
    host.make([{"name": "blue", **network}])
    (warning,) = run(host, present=False).warnings
    assert warning.startswith("No rule of the networks blue is in force without the hooks")
    host.make([], absent=("blue",))
    assert run(host, present=False).warnings == []


@pytest.mark.parametrize("configure", [False, True])
def test_a_run_that_nobody_confirms_is_taken_back(host: InProcessHost, configure: bool) -> None:
    if configure:
        configured(host)
        host.run("pfctl", "-d")
        host.run("sysrc", "pf_enable=NO")
    before = comparable(host)
    made = make(host, Wanted(enable=True, backup="/etc/pf.conf~", confirmed=True))
    journal.start(host, made, 30)
    apply(host, made, lambda: journal.begin(host))
    assert comparable(host)[1:] != before[1:]
    assert mode_of(host, layout.JOURNAL) == 0o600
    journal.roll_back(host, t.cast("journal.Journal", journal.read(host)), "was not confirmed")
    assert "enable pf" in journal.told(host)[0]
    assert comparable(host) == before


def test_a_text_that_is_not_utf_8_comes_back_as_it_was(host: InProcessHost) -> None:
    configured(host, "# caf\udce9\r\npass all")
    run(host, backup="/etc/pf.conf~")
    files = host.everything()[1]
    assert files["etc/pf.conf~"] == b"# caf\xe9\r\npass all"
    assert b"# END bsdvirt.pfnet hooks\n# caf\xe9\r\npass all" in files["etc/pf.conf"]
    run(host, present=False)
    assert host.everything()[1]["etc/pf.conf"] == b"# caf\xe9\r\npass all"


@pytest.mark.parametrize("hooks_first", [False, True])
def test_networks_below_the_hooks_and_nothing_left_of_either(host: InProcessHost, hooks_first: bool) -> None:
    blue = {"name": "blue", "bridge": {"name": "virbr0"}, "forward": {"mode": "nat", "dev": "vtnet0"}, "ips": [{"address": "10.10.1.1/24"}]}
    configured(host)
    files = host.everything()[1]
    run(host)
    made = host.make([blue])
    assert [warning for warning in made.warnings if "does not call" in warning] == []
    assert run(host).steps == []
    host.run("service", "pf", "reload")
    assert "virbr0" in host.run("pfctl", "-a", "libvirt/blue", "-sr").stdout
    assert host.make([blue]).steps == []
    if hooks_first:
        run(host, present=False)
        host.make([], absent=("blue",))
    else:
        host.make([], absent=("blue",))
        run(host, present=False)
    assert host.everything()[1] == files


def test_what_cannot_be_read_is_named(host: InProcessHost) -> None:
    assert "Is a directory" in refused(host, path="/etc")


@pytest.mark.parametrize("start", ["fresh", "configured", "hooked"])
def test_whichever_command_fails_the_host_is_as_it_was(fresh: Path, tmp_path: Path, start: str) -> None:
    first = copy_of(fresh, tmp_path / "start")
    options: dict[str, t.Any] = {"enable": True}
    if start != "fresh":
        configured(first)
        first.run("pfctl", "-d")
        first.run("sysrc", "pf_enable=NO")
    if start == "hooked":
        run(first, enable=True)
        options = {"present": False}
    before = comparable(first)
    whole = copy_of(first.directory, tmp_path / "whole")
    run(whole, **options)
    commands = list(whole.commands)
    assert comparable(whole) != before
    for number, command in enumerate(commands):
        host = copy_of(first.directory, tmp_path / "host")
        host.failing = number
        with pytest.raises((StepFailed, CommandError, pf.NotLoaded, AssertionError)):
            run(host, **options)
        assert comparable(host) == before, f"after {command}"


def comparable(host: InProcessHost) -> tuple[t.Any, ...]:
    """What a host is to those who use it."""
    _kernel, files = host.everything()
    return (
        {name: text for name, text in files.items() if not name.startswith("var/run")},
        host.run("pfctl", "-sr").stdout,
        host.run("pfctl", "-sn").stdout,
        host.run("pfctl", "-s", "Running", ok=None).stdout,
    )
