# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions that were recorded on a real FreeBSD 15.1, replayed step by step on simulated hosts.

They are looked for in ``../shared/freebsd-15.1`` beside the checkout, in ``tests/simhost/sessions`` and in the folders that PFNET_SESSIONS
names, separated by colons. Exit code and stdout must be equal, and stderr where the exit code is not 0.
"""

from __future__ import annotations

import difflib
import functools
import json
import os
import shlex
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest
from simhost import create, packages, session, state
from simhost.masks import masked
from simhost.pf.states import add_state

TESTS = Path(__file__).parents[2]
FOLDERS = [
    TESTS.parents[1] / "shared/freebsd-15.1",
    TESTS / "simhost/sessions",
    *(Path(folder) for folder in os.environ.get("PFNET_SESSIONS", "").split(":") if folder),
]
SESSIONS = {file.stem: file for folder in FOLDERS for file in sorted(folder.glob("*.json"))}
# Sessions that did not begin on a freshly booted machine.
HOSTS = {"pf-states": "guests"}
PACKAGES = {"boot-and-rc": ("dnsmasq", "python3")}
NO_PACKETS = "no packet is simulated: the states that they made are inserted instead"
SKIPPED = {
    ("pf-states", 3): NO_PACKETS,
    ("pf-states", 4): NO_PACKETS,
    ("pf-states", 5): NO_PACKETS,
}


def insert_states(directory: Path) -> None:
    """The states that the packets of pf-states made: a ping out, one from the host, and a connection to a forwarded port."""
    guest, inside, outside, peer, world = "192.168.122.92", "192.168.122.1", "203.0.113.1", "203.0.113.2", ("8.8.8.8", 8)
    closing = ("FIN_WAIT_2", "FIN_WAIT_2")
    with state.opened(directory) as host:
        icmp = functools.partial(add_state, host.kernel, proto="icmp", anchor=0)
        tcp = functools.partial(add_state, host.kernel, proto="tcp", anchor=0, levels=closing)
        icmp(direction="in", interface="virbr0", source=(guest, 47879), destination=world, rule=7)
        icmp(direction="out", interface="ext0", source=(guest, 47879), destination=world, translated_source=(outside, 29061))
        icmp(direction="out", interface="virbr0", source=(inside, 50695), destination=(guest, 8), rule=3)
        tcp(direction="in", interface="ext0", source=(peer, 10910), destination=(outside, 2222), translated_destination=(guest, 22))
        tcp(direction="out", interface="virbr0", source=(peer, 10910), destination=(guest, 22), rule=8)


def run_on(directory: Path, steps: list[session.Step]) -> list[session.Step]:
    """Run steps inside the host's root directory."""
    command = [sys.executable, "-m", "simhost", "run", str(directory), "--", "env", f"PYTHONPATH={TESTS}", sys.executable, "-m", "simhost.session"]
    done = subprocess.run(command, input=json.dumps(steps), capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(TESTS)}, cwd="/")
    if done.returncode != 0:
        pytest.fail(f"the session did not run: {done.stderr}", pytrace=False)
    return t.cast("list[session.Step]", json.loads(done.stdout))


@functools.cache
def replayed(name: str) -> list[session.Step]:
    """All steps of a session with what the simulated host answered; skipped ones say nothing."""
    steps = json.loads(SESSIONS[name].read_text(encoding="utf-8"))["steps"]
    skipped = sorted(step for session_name, step in SKIPPED if session_name == name)
    with tempfile.TemporaryDirectory(prefix="simhost-") as folder:
        directory = Path(folder, "host")
        create.create(directory, HOSTS.get(name, "fresh"))
        if name in PACKAGES:
            with state.opened(directory) as host:
                packages.install(host, PACKAGES[name])
        if not skipped:
            return run_on(directory, steps)
        before, after = steps[: skipped[0]], steps[skipped[-1] + 1 :]
        answers = run_on(directory, before)
        insert_states(directory)
        return [*answers, *steps[len(before) : -len(after)], *run_on(directory, after)]


def cases() -> list[t.Any]:
    """One case a step."""
    found = []
    for name, file in SESSIONS.items():
        for number, step in enumerate(json.loads(file.read_text(encoding="utf-8"))["steps"]):
            if "sleep" in step:
                continue
            reason = SKIPPED.get((name, number))
            marks = [pytest.mark.skip(reason=reason)] if reason else []
            found.append(pytest.param(name, number, id=f"{name}-{number}-{step['argv'][0]}", marks=marks))
    return found


@pytest.mark.skipif(not SESSIONS, reason=f"no recorded sessions in {', '.join(map(str, FOLDERS))}")
@pytest.mark.parametrize(("name", "number"), cases())
def test_step(name: str, number: int) -> None:
    expected = json.loads(SESSIONS[name].read_text(encoding="utf-8"))["steps"][number]
    got = replayed(name)[number]
    compared = ["rc", "stdout", *(["stderr"] if expected["rc"] != 0 else [])]
    differences: list[str] = []
    for part in compared:
        wanted, given = masked(str(expected[part])).splitlines(), masked(str(got[part])).splitlines()
        if wanted != given or (part != "rc" and masked(str(expected[part])) != masked(str(got[part]))):
            differences += difflib.unified_diff(wanted, given, f"{part} on FreeBSD", f"{part} simulated", lineterm="")
    if differences:
        stdin = f"\n<< EOF\n{expected['stdin']}EOF" if expected.get("stdin") else ""
        other = f"\nstderr simulated: {got['stderr']}" if "stderr" not in compared and got["stderr"] else ""
        pytest.fail(f"{name} step {number}: {shlex.join(expected['argv'])}{stdin}\n" + "\n".join(differences) + other, pytrace=False)
