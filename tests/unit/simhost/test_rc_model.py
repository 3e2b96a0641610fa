# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rc script pfnet_dnsmasq itself, run by a shell on one simulated host, against what the simulation takes it to do on another."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from commands_of import read, run, write
from simhost import create, execute, state
from simhost.rc import SCRIPTS

TESTS = Path(__file__).parents[2]
SCRIPT = TESTS.parent / "roles/hypervisor/files/pfnet_dnsmasq"
RC_SUBR = TESTS / "unit/roles/hypervisor/rc.subr"
PLACE = "/usr/local/etc/rc.d/pfnet_dnsmasq"
CONFIGURATIONS = "/usr/local/etc/pfnet/dnsmasq"
# A shell has a kill of its own, which knows Linux's processes only.
RUN = 'kill() { /sbin/kill "$@"; }; . "$0"'
STEPS = (
    "status",
    "start",
    "start blue",
    "status",
    "reload",
    "reload blue nosuch",
    "restart green",
    "break green",
    "restart",
    "status",
    "forget green",
    "status",
    "stop green",
    "start nosuch",
    "stop nosuch",
    "bridge green",
    "boot",
    "start",
    "stop",
    "status blue",
    "start a;b",
    "bogus",
)


def configuration(name: str) -> str:
    number = {"blue": 0, "green": 1}[name]
    return f"interface=virbr{number}\nexcept-interface=lo0\nbind-interfaces\ndhcp-range=10.0.{number}.2,10.0.{number}.9\nuser=nobody\ngroup=nobody\n"


def make(directory: Path) -> Path:
    """A host with two networks, green's bridge going by the name of virbr1."""
    create.create(directory, "hypervisor")
    for number, name in enumerate(("blue", "green")):
        for command in (f"ifconfig bridge100{number} create name virbr{number}", f"ifconfig virbr{number} inet 10.0.{number}.1/24 up"):
            assert run(directory, *command.split())[0] == 0
        write(directory, f"{CONFIGURATIONS}/{name}.conf", configuration(name))
    shutil.copy(SCRIPT, write(directory, PLACE, ""))
    (directory / "root" / PLACE.lstrip("/")).chmod(0o755)
    shutil.copy(RC_SUBR, directory / "root/etc/rc.subr")
    return directory


def prepare(directory: Path, step: str) -> bool:
    """What happens to the host between two calls of the script; whether this step is that."""
    verb, _space, name = step.partition(" ")
    if verb == "break":
        write(directory, f"{CONFIGURATIONS}/{name}.conf", "bogus\n")
    elif verb == "forget":
        (directory / f"root{CONFIGURATIONS}/{name}.conf").unlink()
    elif verb == "bridge":
        write(directory, f"{CONFIGURATIONS}/{name}.conf", configuration(name))
        assert run(directory, "ifconfig", "virbr1", "destroy")[0] == 0
    else:
        return False
    return True


def by_shell(directory: Path, words: list[str], *, boot: bool) -> tuple[int, str, str]:
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    assigned = ["env", "autoboot=yes"] if boot else []
    command = [sys.executable, "-m", "simhost", "run", str(directory), "--", *assigned, "sh", "-c", RUN, PLACE, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd="/")
    return done.returncode, done.stdout, done.stderr


def by_simulation(directory: Path, words: list[str], *, boot: bool) -> tuple[int, str, str]:
    if not boot:
        return run(directory, "service", "pfnet_dnsmasq", *words)
    with state.opened(directory) as host:
        execute.wait(host, 0)
        return SCRIPTS["pfnet_dnsmasq"].run(host, words[0], words[1:], booting=True), "", ""


def left(directory: Path) -> t.Any:
    """What is there after a call: what runs, without the ids of processes, and which files."""
    kernel = json.loads((directory / "state.json").read_text(encoding="utf-8"))
    running = [(process["arguments"], process["sockets"], process["user"]) for process in kernel["processes"]["running"]]
    folders = ("var/run", "var/db/pfnet", "usr/local/etc/pfnet")
    return running, sorted(str(path.relative_to(directory)) for folder in folders for path in (directory / "root" / folder).rglob("*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="users other than root cannot always have the namespaces that the script runs in")
def test_the_script_does_what_the_simulation_takes_it_to_do(tmp_path: Path) -> None:
    hosts = make(tmp_path / "shell"), make(tmp_path / "simulation")
    for step in STEPS:
        prepared = [prepare(host, step) for host in hosts]
        if all(prepared):
            continue
        boot, words = step == "boot", ["start"] if step == "boot" else step.split()
        shell, simulation = by_shell(hosts[0], words, boot=boot), by_simulation(hosts[1], words, boot=boot)
        assert left(hosts[0]) == left(hosts[1]), step
        assert shell[0] == simulation[0], (step, shell, simulation)
        if step in ("boot", "bogus"):
            continue  # what rc.subr says is not the script's
        pids = [
            {name: read(host, f"/var/run/pfnet/{name}.pid").strip() for name in ("blue", "green") if (host / f"root/var/run/pfnet/{name}.pid").exists()}
            for host in hosts
        ]
        said = []
        for (_code, stdout, stderr), numbers in zip((shell, simulation), pids, strict=True):
            for name, number in numbers.items():
                stdout = stdout.replace(number, f"PID-{name}")
            said.append((stdout, stderr))
        assert said[0] == said[1], step
