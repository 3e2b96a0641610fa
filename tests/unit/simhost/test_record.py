# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recording sessions over ssh. A stand-in for ssh gives the command to a login shell, on this machine or on a simulated host."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from simhost import create, record

TESTS = Path(__file__).parents[2]
# What shells take for something of their own
NASTY = ["a b", "", "$HOME", "`id`", "!!", "it's", 'say "so"', "back\\slash", "two\nlines", "end\n", "*", "{a,b}", "~", "%d", "\\n", "ümläut", "#", "&;|<>()"]
ECHO = [sys.executable, "-c", "import json, sys; print(json.dumps([sys.argv[1:], sys.stdin.read()]))"]


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[list[str]], Path]:
    """Makes an ssh that runs its last argument by a login shell; the file it gives has the arguments of each call, one a line."""

    def make(login_shell: list[str]) -> Path:
        calls = tmp_path / "calls"
        program = tmp_path / "bin" / "ssh"
        program.parent.mkdir()
        program.write_text(
            f"#!{sys.executable}\nimport json, os, sys\nwith open({str(calls)!r}, 'a') as calls:\n    print(json.dumps(sys.argv[1:]), file=calls)\n"
            f"if '-O' in sys.argv:\n    sys.exit(0)\nshell = {login_shell!r}\nos.execvp(shell[0], [*shell, sys.argv[-1]])\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        return calls

    return make


def session_file(folder: Path, steps: list[dict[str, t.Any]], name: str = "a session") -> Path:
    file = folder / "session.json"
    file.write_text(json.dumps({"name": name, "steps": steps}))
    return file


def recorded(folder: Path, steps: list[dict[str, t.Any]], *more: str) -> list[dict[str, t.Any]]:
    output = folder / "recorded.json"
    assert record.main([str(session_file(folder, steps)), "--host", "root@192.0.2.1:2222", "--output", str(output), *more]) == 0
    return t.cast("list[dict[str, t.Any]]", json.loads(output.read_text())["steps"])


@pytest.mark.parametrize("shell", [["sh", "-c"], ["bash", "-c"], ["csh", "-c"], ["tcsh", "-c"]], ids=lambda shell: shell[0])
def test_arguments_and_stdin_arrive_as_given(shell: list[str], ssh: t.Callable[[list[str]], Path], tmp_path: Path) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"there is no {shell[0]}")
    ssh(shell)
    (step,) = recorded(tmp_path, [{"argv": [*ECHO, *NASTY], "stdin": "nat on $ext_if\n! # '\n"}])
    assert json.loads(step["stdout"]) == [NASTY, "nat on $ext_if\n! # '\n"]
    assert (step["rc"], step["stderr"]) == (0, "")


def test_nothing_of_a_command_means_anything_to_a_shell() -> None:
    line = record.remote_command(NASTY)
    assert line.startswith('/bin/sh -c \'eval "$(printf %b "$1")"\' sh \'\\0')
    assert set(line.rpartition(" ")[2].strip("'")) <= set("\\01234567")


def test_exit_codes_and_stderr_are_those_of_the_command(ssh: t.Callable[[list[str]], Path], tmp_path: Path) -> None:
    ssh(["sh", "-c"])
    steps = recorded(
        tmp_path,
        [
            {"argv": ["sh", "-c", "echo out; echo err >&2; exit 255"], "rc": 0, "stdout": "what an earlier recording has", "stderr": ""},
            {"sleep": 0},
            {"argv": ["sh", "-c", "printf unended >&2"]},
            {"argv": ["no-such-command"], "stdin": ""},
        ],
    )
    assert steps[0] == {"argv": ["sh", "-c", "echo out; echo err >&2; exit 255"], "rc": 255, "stdout": "out\n", "stderr": "err\n"}
    assert steps[1] == {"sleep": 0}
    assert steps[2]["stderr"] == "unended"
    assert (steps[3]["rc"], steps[3]["stdin"]) == (127, "")


def test_a_connection_that_fails_is_no_recording(ssh: t.Callable[[list[str]], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ssh(["sh", "-c", "echo 'Connection refused' >&2; exit 255"])
    output = tmp_path / "recorded.json"
    assert record.main([str(session_file(tmp_path, [{"argv": ["uname", "-a"]}])), "--host", "192.0.2.1", "--output", str(output)]) == 2
    assert "uname -a: ssh exited 255: Connection refused" in capsys.readouterr().err
    assert not output.exists()


def test_the_host_is_reached_as_asked(ssh: t.Callable[[list[str]], Path], tmp_path: Path) -> None:
    calls = ssh(["sh", "-c"])
    recorded(tmp_path, [{"argv": ["true"]}], "--key", "/a key")
    first, last = map(json.loads, calls.read_text().splitlines())
    assert first[-6:-1] == ["-i", "/a key", "-p", "2222", "root@192.0.2.1"]
    assert last[-3:] == ["-O", "exit", "root@192.0.2.1"]


@pytest.mark.parametrize(
    ("login", "end"),
    [("host", ["host"]), ("me@host:22", ["-p", "22", "me@host"]), ("me@[fd00::1]:22", ["-p", "22", "me@fd00::1"]), ("fd00::1", ["fd00::1"])],
)
def test_logins(login: str, end: list[str]) -> None:
    assert record.ssh_arguments(login, None, Path("/c"))[-len(end) :] == end


def test_sudo(ssh: t.Callable[[list[str]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh(["sh", "-c"])
    program = tmp_path / "bin" / "sudo"
    program.write_text('#!/bin/sh\necho "by sudo: $*"\n')
    program.chmod(0o755)
    (step,) = recorded(tmp_path, [{"argv": ["pfctl", "-sr"]}], "--sudo")
    assert step["stdout"] == "by sudo: -n -- pfctl -sr\n"


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"argv": "uname -a"}], "steps[0].argv: found 'uname -a'; allowed: a list of strings, the command first"),
        ([{"argv": ["true"]}, {"argv": ["true"], "stdin": 1}], "steps[1].stdin: found 1; allowed: text"),
        ([{}], "steps[0]: found {}; allowed: a mapping with either argv or sleep"),
        ({}, "found no steps"),
    ],
)
def test_a_session_that_is_none(steps: t.Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert record.main([str(session_file(tmp_path, steps)), "--host", "192.0.2.1"]) == 2
    assert said in capsys.readouterr().err


def test_a_recorded_session_is_compared_with_a_simulated_host(ssh: t.Callable[[list[str]], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    host = tmp_path / "host"
    create.create(host, "fresh")
    # The same on every run, but for what differs from run to run on the real system, too
    ssh(["env", f"PYTHONPATH={TESTS}", sys.executable, "-m", "simhost", "run", str(host), "--", "/bin/sh", "-c"])
    steps: list[dict[str, t.Any]] = [
        {"argv": ["kldload", "pf"]},
        {"argv": ["pfctl", "-a", "libvirt/default", "-f", "-"], "stdin": "pass quick on lo0\n"},
        {"argv": ["pfctl", "-a", "libvirt/default", "-sr"]},
        {"argv": ["pfctl", "-a", "libvirt/default", "-vsr"]},
        {"argv": ["route", "-n", "get", "-inet6", "default"]},
    ]
    before = recorded(tmp_path, steps)
    assert before[2]["stdout"] == "pass quick on lo0 all flags S/SA keep state\n"
    assert before[4]["rc"] == 255
    before[0]["rc"], before[0]["stderr"] = 1, "kldload: can't load pf: module already loaded or in kernel\n"
    file = session_file(tmp_path, before)
    assert record.main([str(file), "--host", "192.0.2.1", "--compare"]) == 0
    assert capsys.readouterr().out == "5 steps, none differs\n"
    before[2]["stdout"] = "pass quick on lo0 all\n"
    session_file(tmp_path, before)
    assert record.main([str(file), "--host", "192.0.2.1", "--compare"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "step 2: pfctl -a libvirt/default -sr",
        "--- stdout before",
        "+++ stdout now",
        "@@ -1 +1 @@",
        "-pass quick on lo0 all",
        "+pass quick on lo0 all flags S/SA keep state",
    ]


def test_it_is_a_program(ssh: t.Callable[[list[str]], Path], tmp_path: Path) -> None:
    ssh(["sh", "-c"])
    argv = [sys.executable, "-m", "simhost.record", str(session_file(tmp_path, [{"argv": ["echo", "hello"]}])), "--name", "another"]
    done = subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(TESTS), "PFNET_HOST": "192.0.2.1"}, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"name": "another", "steps": [{"argv": ["echo", "hello"], "rc": 0, "stdout": "hello\n", "stderr": ""}]}
    assert shlex.split(done.stderr) == []
