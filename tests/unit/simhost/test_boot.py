# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks across reboots, power cuts and killed runs of a simulated host."""

from __future__ import annotations

import copy
import errno
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import hooks, journal, layout, pf
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.apply import StepFailed, apply, check
from hypothesis import HealthCheck, given, settings
from in_process import InProcessHost, copy_of
from simhost import create
from strategies import definitions
from test_collection import BLUE, EXAMPLES, GREEN, INTERFACES, PEERS, actions, comparable, refused, with_folders, without_logs

MAIN_RULES = ("scrub all", 'nat-anchor "libvirt/*"', 'rdr-anchor "libvirt/*"', 'anchor "libvirt/*"', f'include "{layout.BOOT_RULES}"', "pass all")
FULL: dict[str, t.Any] = {
    "name": "full",
    "bridge": {
        "name": "vir-br.6",
        "stp": True,
        "delay": 4,
        "mtu": 9000,
        "members": ["re1"],
        "isolated_ports": True,
        "vlan_filtering": True,
        "description": 'guests\'  of "all" * $kinds; `und` ünd \\more',
    },
    "forward": {"mode": "nat", "nat": {"ipv6": True}},
    "ips": [{"address": "10.10.6.1/24"}, {"address": "fd00:6::1/64"}, {"address": "10.10.7.1/24"}, {"address": "fd00:7::1/64"}],
    "routes": [{"address": "10.66.0.0/16", "gateway": "10.10.6.2"}, {"address": "fd00:66::/48", "gateway": "fd00:6::2"}],
}
HAND_STARTED = {**GREEN, "name": "manual", "bridge": {"name": "virbr9"}, "ips": [{"address": "10.10.9.1/24"}], "autostart": False}


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A booted hypervisor whose pf.conf includes what is to be loaded at boot; it is only copied."""
    host = InProcessHost(tmp_path_factory.mktemp("bootable") / "host")
    create.create(host.directory, "hypervisor")
    host.write(layout.BOOT_RULES, layout.BOOT_RULES_HEADER, layout.CONFIGURATION)
    host.use_pf_conf(*MAIN_RULES)
    return host.directory


def shown(host: InProcessHost) -> tuple[t.Any, ...]:
    """What those who use a host see of it; of its interfaces neither their order nor their numbers."""
    routes = sorted(line for line in host.run("netstat", "-rn").stdout.splitlines() if "link#" not in line)
    tables = {path: host.run("pfctl", "-a", path, "-sT", ok=None).stdout for path in ("libvirt/blue", "libvirt/green", "libvirt/full")}
    files, interfaces, *rest = comparable(host)
    # A new address is tentative for a moment.
    return (files, [line.replace(" tentative", "") for line in interfaces], *rest, routes, tables)


def test_a_boot_makes_what_a_run_makes(host: InProcessHost) -> None:
    host.make([BLUE, FULL, GREEN])
    before = shown(host)
    host.reboot()
    assert shown(host) == before
    made = host.make([BLUE, FULL, GREEN])
    assert (made.steps, set(actions(made).values())) == ([], {"unchanged"})


def test_what_does_not_start_by_itself_waits_for_the_next_run(host: InProcessHost) -> None:
    host.make([HAND_STARTED, GREEN])
    assert "manual" not in (host.read(layout.BOOT_RULES) or "") + (host.read(layout.BOOT_INTERFACES) or "")
    host.reboot()
    assert host.run("ifconfig", "virbr9", ok=None).rc == 1
    assert actions(host.make([HAND_STARTED, GREEN])) == {"manual": "repaired", "green": "unchanged"}


def test_a_member_that_is_missing_at_boot_leaves_the_uplink(host: InProcessHost) -> None:
    host.run("ifconfig", "tap", "create", "name", "vm0")
    host.make([{"name": "lan", "bridge": {"name": "virbr0", "members": ["vm0"]}, "forward": {"mode": "bridge", "dev": "re1"}}])
    host.reboot()
    shown = host.run("ifconfig", "virbr0").stdout
    assert "member: re1 " in shown
    assert "UP" in shown.splitlines()[0]


def test_cloneup_of_a_running_host_finds_the_bridges_there(host: InProcessHost) -> None:
    host.make([BLUE, GREEN])
    before = comparable(host)
    host.run("service", "netif", "cloneup")
    assert comparable(host) == before


def test_networks_that_are_not_listed_stay_in_the_files_for_the_boot(host: InProcessHost) -> None:
    host.make([BLUE])
    host.make([GREEN])
    host.reboot()
    assert actions(host.make([BLUE, GREEN])) == {"blue": "unchanged", "green": "unchanged"}


@pytest.mark.parametrize("path", [layout.BOOT_RULES, layout.BOOT_INTERFACES, layout.BOOT_ROUTES])
def test_files_for_the_boot_that_drifted_are_named_and_written_again(host: InProcessHost, path: str) -> None:
    host.make([BLUE, FULL])
    whole = host.read(path)
    host.write(path, "# altered\n", "/nowhere")
    made = host.make([BLUE, FULL])
    assert actions(made)["full"] == "repaired"
    assert path in " ".join(made.outcomes[1]["reasons"])
    assert host.read(path) == whole


def test_removal_leaves_the_host_as_before_the_first_run(host: InProcessHost) -> None:
    _kernel, files = host.everything()
    before = shown(host)
    host.make([BLUE, FULL, HAND_STARTED])
    host.make([], prune=True, forget_leases=True)
    assert without_logs(host.everything()[1]) == files
    assert shown(host) == before
    host.reboot()
    assert shown(host) == before


def test_without_an_include_nothing_of_the_boot_is_left(host: InProcessHost) -> None:
    host.write(layout.BOOT_RULES, None, layout.CONFIGURATION)
    host.use_pf_conf(*(line for line in MAIN_RULES if "include" not in line))
    _kernel, files = host.everything()
    host.make([BLUE])
    host.make([], prune=True, forget_leases=True)
    assert without_logs(host.everything()[1]) == files


def test_a_pf_conf_of_another_name_that_includes_the_file_keeps_it(host: InProcessHost) -> None:
    host.make([BLUE])
    text = host.read(layout.MAIN_RULES)
    host.write("/etc/pf.other", text, "/nowhere")
    host.write(layout.MAIN_RULES, None, "/nowhere")
    host.run("sysrc", "pf_rules=/etc/pf.other")
    host.make([], prune=True)
    assert host.read(layout.BOOT_RULES) == layout.BOOT_RULES_HEADER
    host.reboot()
    assert "pass all" in host.run("pfctl", "-sr").stdout


def test_a_file_in_the_place_of_a_folder_of_rc_is_refused(host: InProcessHost) -> None:
    host.write("/etc/rc.conf.d/network", "x=1\n", "/nowhere")
    before = host.everything()
    made = host.planned([BLUE])
    assert made.problems == [
        {
            "path": "networks",
            "found": "/etc/rc.conf.d/network, a file on the host",
            "allowed": "a folder of that name, where rc(8) reads every file: move it to /etc/rc.conf.d/network/local",
        }
    ]
    assert host.everything() == before


def test_bridges_that_are_one_variable_for_rc_are_refused(host: InProcessHost) -> None:
    dotted, dashed = ({**network, "bridge": {"name": name}} for network, name in ((BLUE, "a.b"), (GREEN, "a-b")))
    (problem,) = host.planned([dotted, dashed]).problems
    assert problem["found"] == "the bridges a.b and a-b, which are both a_b in rc.conf"


def test_networks_of_the_first_version_are_taken_over(host: InProcessHost) -> None:
    host.make([BLUE, GREEN])
    before = shown(host)
    for name, bridge in (("blue", "virbr0"), ("green", "virbr1")):
        stored = json.loads(host.read(layout.definition_path(name)) or "")
        host.write(layout.definition_path(name), json.dumps({**stored, "bridge": bridge}), layout.CONFIGURATION)
    host.write(layout.BOOT_INTERFACES, None, "/etc/rc.conf.d/network")
    host.write(layout.BOOT_RULES, layout.BOOT_RULES_HEADER, layout.CONFIGURATION)
    # One that is not listed is left as it is, and starts with the first run that lists it.
    assert actions(host.make([BLUE])) == {"blue": "repaired"}
    assert "green" not in (host.read(layout.BOOT_INTERFACES) or "")
    assert actions(host.make([BLUE, GREEN]))["green"] == "repaired"
    assert shown(host) == before
    assert host.make([BLUE, GREEN]).steps == []


def written(host: InProcessHost) -> dict[str, bytes]:
    """The files that a run could have to do with; what a command in the host's own root directory brings there is none."""
    places = ("etc/pf.conf", "etc/rc.conf", "usr/local", "var/db")
    return {name: text for name, text in host.everything()[1].items() if name.startswith(places) and name != layout.TAKEN_BACK.lstrip("/")}


def pending(host: InProcessHost, made: t.Any) -> None:
    """Carry out a plan that awaits its confirmation."""
    assert not made.problems
    check(host, made)
    journal.start(host, made, 60)
    apply(host, made, lambda: journal.begin(host))


def test_a_boot_before_the_confirmation_is_one_before_the_change(pristine: Path, tmp_path: Path) -> None:
    start = copy_of(pristine, tmp_path / "start")
    start.make([GREEN, FORMER])
    host = copy_of(start.directory, tmp_path / "host")
    pending(host, host.planned([BLUE, CHANGED], prune=True))
    assert host.is_file(layout.UNCONFIRMED_SCRIPT)
    host.reboot()
    (told,) = journal.told(host)
    assert "was not confirmed before the host started again" in told
    assert (journal.read(host), host.is_file(layout.UNCONFIRMED_SCRIPT), host.names(layout.UNCONFIRMED)) == (None, False, [])
    start.reboot()
    assert shown(host)[1:] == shown(start)[1:]
    assert written(host) == written(start)
    assert host.make([GREEN, FORMER]).steps == []


def test_pf_that_locks_out_is_not_enabled_by_a_boot_before_the_confirmation(tmp_path: Path) -> None:
    host = InProcessHost(tmp_path / "host")
    create.create(host.directory, "fresh")
    host.run("kldload", "pf")
    host.run("sysrc", "kld_list=pf")
    host.write(layout.MAIN_RULES, "block all\n", layout.MAIN_RULES)
    before = written(host)
    made = hooks.make(host, hooks.Wanted(enable=True, confirmed=True))
    pending(host, made)
    host.reboot()
    assert host.run("pfctl", "-s", "info").stdout.startswith("Status: Disabled")
    assert "pf_enable" not in (host.read("/etc/rc.conf") or "")
    assert host.read(layout.MAIN_RULES) == "block all\n"
    assert len(journal.told(host)) == 1
    assert written(host) == before


def test_a_boot_after_the_confirmation_keeps_the_change(host: InProcessHost) -> None:
    pending(host, host.planned([BLUE]))
    journal.end(host)
    host.reboot()
    assert actions(host.make([BLUE])) == {"blue": "unchanged"}


class Cut(BaseException):
    """The run ends here, with no word."""


CHANGED = {**copy.deepcopy(GREEN), "ips": [{"address": "10.10.8.1/24"}, {"address": "fd00:8::1/64"}], "firewall": {"peers": ["blue"]}}
FORMER: dict[str, t.Any] = {
    **copy.deepcopy(BLUE),
    "name": "former",
    "bridge": {"name": "virbr5", "members": ["re1"]},
    "ips": [{"address": "10.10.5.1/24"}],
    "routes": [{"address": "10.55.0.0/16", "gateway": "10.10.5.2"}],
}


def cut_short(host: InProcessHost, wanted: list[dict[str, t.Any]], after: int) -> bool:
    """A run that ends before its step of that number, counted from 0; false if it has not so many."""
    made = host.planned(wanted, prune=True)
    check(host, made)
    journal.start(host, made, None)
    calls = iter(range(after + 1))

    def begin() -> None:
        if next(calls, None) is None:
            raise Cut
        journal.begin(host)

    try:
        apply(host, made, begin)
    except Cut:
        return True
    return False


def test_whenever_the_power_goes_the_host_boots_with_its_rules(pristine: Path, tmp_path: Path) -> None:
    """A run that creates one network, changes another and removes a third ends after each of its steps, and the host boots."""
    start = copy_of(pristine, tmp_path / "start")
    start.make([GREEN, FORMER])
    number = 0
    while cut_short(host := copy_of(start.directory, tmp_path / "host"), [BLUE, CHANGED], number):
        host.reboot()
        main, *_anchors = host.run("pfctl", "-sr").stdout.splitlines()[-1:]
        assert main.startswith("pass all"), number
        for bridge in host.run("ifconfig", "-g", "pfnet").stdout.split():
            # Never is a bridge there without rules that name it.
            assert f"on {bridge} " in host.run("pfctl", "-a", "*", "-sr").stdout, (number, bridge)
        number += 1
    assert number > 20


def test_wherever_a_run_is_killed_the_next_one_takes_it_back(pristine: Path, tmp_path: Path) -> None:
    start = copy_of(pristine, tmp_path / "start")
    start.make([GREEN, FORMER])
    before = shown(start)
    number = 0
    while cut_short(host := copy_of(start.directory, tmp_path / "host"), [BLUE, CHANGED], number):
        left = journal.read(host)
        assert left is not None
        assert left.begun == number + 1
        journal.roll_back(host, left, "was cut short")
        (told,) = journal.told(host)
        assert "was cut short; it was taken back" in told
        assert "Could not" not in told
        assert shown(host) == before, number
        assert host.make([GREEN, FORMER]).steps == []
        number += 1
    assert number > 20


def test_what_was_edited_since_a_run_was_killed_is_not_taken_back(host: InProcessHost) -> None:
    host.make([GREEN])
    number = next(index for index, step in enumerate(host.planned([BLUE], prune=True).steps) if step.what == f"write {layout.BOOT_INTERFACES}")
    assert cut_short(host, [BLUE], number + 1)
    edited = (host.read(layout.BOOT_INTERFACES) or "") + "# mine\n"
    host.write(layout.BOOT_INTERFACES, edited, "/nowhere")
    left = journal.read(host)
    assert left is not None
    journal.roll_back(host, left, "was cut short")
    assert host.read(layout.BOOT_INTERFACES) == edited
    assert f"{layout.BOOT_INTERFACES} was changed by somebody else meanwhile, and is left so" in journal.told(host)[0]


def test_a_full_disk_leaves_the_host_as_it_was(pristine: Path, tmp_path: Path) -> None:
    """The disk is full when any step is noted."""
    start = copy_of(pristine, tmp_path / "start")
    start.make([GREEN])
    before = shown(start)
    for room in range(len(start.planned([BLUE], prune=True).steps) + 1):
        host = FullHost(copy_of(start.directory, tmp_path / "host").directory, room)
        with pytest.raises(StepFailed, match="No space left"):
            host.make([BLUE], prune=True)
        assert shown(host) == before, room


class FullHost(InProcessHost):
    """A host with room for so many more notes."""

    def __init__(self, directory: Path, room: int) -> None:
        super().__init__(directory)
        self.room = room

    def append(self, path: str, text: str) -> None:  # type: ignore[override]
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        super().append(path, text)


def test_nothing_is_taken_back_twice_for_want_of_room(host: InProcessHost, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cut_short(host, [BLUE], 3)
    left = journal.read(host)
    assert left is not None
    whole = host.write

    def full(path: str, text: str | None, base: str, **more: t.Any) -> None:
        if path == layout.TAKEN_BACK:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        whole(path, text, base, **more)

    monkeypatch.setattr(host, "write", full)
    journal.roll_back(host, left, "was cut short")
    assert journal.read(host) is None


def test_a_comment_of_rc_conf_in_another_encoding_is_no_obstacle(host: InProcessHost) -> None:
    user_settings = Path(host._there("/etc/rc.conf"))
    user_settings.write_bytes(user_settings.read_bytes() + b"# f\xfcr G\xe4ste\n")
    host.make([BLUE])
    for path in (layout.BOOT_INTERFACES, layout.anchor_file("blue")):
        Path(host._there(path)).write_bytes(b"# f\xfcr G\xe4ste\n")
    assert actions(host.make([BLUE])) == {"blue": "repaired"}
    assert host.make([BLUE]).steps == []


def test_a_damaged_journal_is_an_error_that_says_what_to_do(host: InProcessHost) -> None:
    host.write(layout.JOURNAL, "{", layout.STATE)
    with pytest.raises(journal.Unreadable, match=r"/var/db/pfnet/journal.json.*remove the file"):
        journal.read(host)


@pytest.fixture(scope="session")
def furnished(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bootable hypervisor with every interface that the definitions of property tests name, also after a boot."""
    host = copy_of(pristine, tmp_path_factory.mktemp("furnished") / "host")
    host.run("sysrc", f"cloned_interfaces={' '.join(f'tap{50 + number}' for number, _name in enumerate(INTERFACES))}")
    for number, name in enumerate(INTERFACES):
        host.run("sysrc", f"ifconfig_tap{50 + number}_name={name}")
    host.reboot()
    return host.directory


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(definitions())
def test_any_definition_comes_up_at_boot_as_a_run_makes_it(furnished: Path, tmp_path: Path, definition: dict[str, t.Any]) -> None:
    definition = {key: value for key, value in definition.items() if key not in ("templates", "autostart")}
    if refused(definition):
        return
    host = copy_of(furnished, tmp_path / "host")
    definition = with_folders(definition, host)
    host.make([definition, *PEERS])
    host.reboot()
    made = host.make([definition, *PEERS])
    assert [step.what for step in made.steps] == []
    assert pf.parse_rulesets(host.run("pfctl", "-a", "*", "-sr").stdout).rules["libvirt/p"]
