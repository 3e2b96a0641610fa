# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that have to be confirmed, by Ansible, over connections that live and that die."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import journal, layout, watchdog
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.apply import apply
from in_process import InProcessHost
from simhost import create
from test_collection import BLUE, GREEN, comparable

TESTS = Path(__file__).parents[2]
LOCKOUT = {**BLUE, "name": "lockout", "bridge": {"name": "virbr66"}, "ips": [{"address": "10.10.66.1/24"}]}
TIMEOUT = 5
# The machine may be busy, and a play takes its time.
PATIENCE = 90


class Runner:
    """Runs the module on a simulated host as a user would."""

    def __init__(self, folder: Path, host: str = "hypervisor") -> None:
        self.folder = folder
        self.host = InProcessHost(folder / "host")
        create.create(self.host.directory, host)

    def run(self, networks: list[dict[str, t.Any]], **options: t.Any) -> tuple[int, str]:
        """Exit code and output of a play that declares these networks."""
        return self.play("bsdvirt.pfnet.networks", networks=networks, **options)

    def play(self, module: str, *, connection: dict[str, t.Any] | None = None, **options: t.Any) -> tuple[int, str]:
        """Exit code and output of a play of one task; `connection` has variables of the connection."""
        task = {module: options}
        (self.folder / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
        variables = {"ansible_connection": "simhost", "simhost_root": str(self.host.directory), "ansible_python_interpreter": sys.executable}
        inventory = {"all": {"hosts": {"hypervisor": {**variables, **(connection or {})}}}}
        (self.folder / "inventory.json").write_text(json.dumps(inventory))
        environment = {
            **os.environ,
            "ANSIBLE_CONNECTION_PLUGINS": str(TESTS / "simhost" / "connection_plugins"),
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
        }
        command = [sys.executable, "-m", "ansible", "playbook", "-v", "-i", str(self.folder / "inventory.json"), str(self.folder / "play.json")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=self.folder, stdin=subprocess.DEVNULL)
        # Ansible breaks long lines.
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def wait_until_taken_back(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.host.read(layout.TAKEN_BACK) and not self.host.read(layout.JOURNAL):
                return
            time.sleep(0.2)
        pytest.fail("the host did not go back by itself")

    def state(self) -> tuple[t.Any, ...]:
        """The host as comparable() has it, without what Ansible keeps in root's home and what the next run has to be told."""
        files, *rest = comparable(self.host)
        told = {path.lstrip("/") for path in (layout.TAKEN_BACK, layout.STATE)}
        return ({name: text for name, text in files.items() if not name.startswith("root/") and name not in told}, *rest)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    runner = Runner(tmp_path)
    code, output = runner.run([GREEN])
    assert code == 0, output
    return runner


def test_a_change_that_is_confirmed_stays(runner: Runner) -> None:
    code, output = runner.run([GREEN, BLUE], confirm_timeout=60)
    assert code == 0, output
    assert "_confirm" not in output
    assert runner.host.read(layout.JOURNAL) is None
    assert "virbr0" in runner.host.run("ifconfig", "-l").stdout
    # A run without changes has nothing to confirm.
    code, output = runner.run([GREEN, BLUE], confirm_timeout=60)
    assert (code, "changed=0" in output) == (0, True), output


@pytest.mark.parametrize("kills", [False, True], ids=["after the changes", "amid the changes"])
def test_a_lost_connection_ends_in_the_former_state(runner: Runner, kills: bool) -> None:
    before = runner.state()
    lost = {"simhost_cut_by": "virbr66", "simhost_cut_kills": kills, "ansible_pipelining": True}
    code, output = runner.run([GREEN, LOCKOUT], connection=lost, confirm_timeout=TIMEOUT)
    assert code != 0
    assert "by itself" in output
    runner.wait_until_taken_back()
    assert runner.state() == before
    code, output = runner.run([GREEN])
    assert code == 0, output
    assert f"was not confirmed within {TIMEOUT} seconds; it was taken back: " in output
    assert "changed=0" in output
    # It is told once.
    assert "not confirmed" not in runner.run([GREEN])[1]
    assert runner.state() == before


def test_a_run_without_confirmation_that_is_killed_is_taken_back_by_the_next(runner: Runner) -> None:
    before = runner.state()
    code, _output = runner.run([GREEN, LOCKOUT], connection={"simhost_cut_by": "virbr66", "simhost_cut_kills": True})
    assert code != 0
    assert runner.host.read(layout.JOURNAL)
    code, output = runner.run([GREEN])
    assert code == 0, output
    assert "was cut short; it was taken back: " in output
    assert runner.state() == before


def test_nobody_waits_for_a_watchdog_that_a_boot_ended(runner: Runner) -> None:
    before = runner.state()
    made = runner.host.planned([GREEN, BLUE])
    journal.start(runner.host, made, 3600)
    apply(runner.host, made, lambda: journal.begin(runner.host))
    started = time.monotonic()
    code, output = runner.run([GREEN])
    assert code == 0, output
    assert "it was taken back: " in output
    assert time.monotonic() - started < PATIENCE
    assert runner.state() == before


@pytest.mark.filterwarnings("ignore:.*fork")
def test_without_a_watchdog_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(watchdog, "_watch", fails)
    module: t.Any = None
    with pytest.raises(OSError, match="could not be started; nothing was changed"):
        watchdog.arm(module, "token", 60)


def test_timeouts_out_of_range_are_refused(runner: Runner) -> None:
    before = runner.host.everything()
    code, output = runner.run([GREEN], confirm_timeout=2)
    assert code != 0
    assert "confirm_timeout: found 2; allowed: a number of seconds from 5 to 3600" in output
    assert runner.host.everything() == before


def test_enabling_pf_under_rules_that_lock_the_user_out_is_taken_back(tmp_path: Path) -> None:
    runner = Runner(tmp_path, "fresh")
    # The first visit leaves what Linux's programs need there.
    assert runner.play("ansible.builtin.command", argv=["kldload", "pf"])[0] == 0
    runner.host.write("/etc/pf.conf", "block all\n", "/etc/pf.conf")
    before = runner.state()
    code, output = runner.play("bsdvirt.pfnet.pf_hooks", connection={"simhost_cut_by": "pf"}, enable=True, confirm_timeout=TIMEOUT)
    assert code != 0
    assert "by itself" in output, output
    runner.wait_until_taken_back()
    assert runner.state() == before
    runner.host.write("/etc/pf.conf", "block all\npass in proto tcp to port 22 flags any\n", "/etc/pf.conf")
    code, output = runner.play("bsdvirt.pfnet.pf_hooks", enable=True)
    assert code == 0, output
    assert "it was taken back: " in output
    assert runner.host.run("pfctl", "-s", "info").stdout.startswith("Status: Enabled")
