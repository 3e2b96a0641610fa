# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record a session of commands on a real FreeBSD host: ``python -m simhost.record SESSION.json --output RECORDED.json``.

SESSION.json is ``{name, steps: [{argv, stdin?}, {sleep: seconds}, ...]}``, or just the list of steps; what an earlier recording has beside
these is not looked at, so that a recorded session can be recorded again. ``--compare`` prints what differs between the two instead.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from .masks import masked
from .session import Step

# Printed after a command, with its exit code: that of ssh does not tell whether the command failed or the connection.
END = "pfnet-recorded"


class ConnectionFailed(Exception):
    """The host was not reached, or not any more; the text is what ssh says."""


def remote_command(argv: list[str], sudo: bool = False) -> str:
    """A line by which any login shell, csh too, runs `argv` just as it is, and then prints END and the exit code on stderr.

    Nothing of it means anything to a shell: csh would take a line end or an exclamation mark for something of its own, even between quotes.
    """
    words = [*(["sudo", "-n", "--"] if sudo else []), *argv]
    script = f"{shlex.join(words)}; printf '\\n{END} %d\\n' $? >&2"
    coded = "".join(f"\\0{byte:03o}" for byte in script.encode("utf-8", "surrogateescape"))
    return f"""/bin/sh -c 'eval "$(printf %b "$1")"' sh '{coded}'"""


class Host:
    """A host that is reached by ssh, as the arguments say; one connection serves all commands."""

    def __init__(self, ssh: t.Sequence[str], sudo: bool = False, timeout: float = 120) -> None:
        self.ssh = list(ssh)
        self.sudo = sudo
        self.timeout = timeout

    def run(self, step: Step) -> Step:
        """The step with its outcome; a pause is waited for. Raises ConnectionFailed."""
        if "sleep" in step:
            time.sleep(step["sleep"])
            return {"sleep": step["sleep"]}
        given: str | None = step.get("stdin")
        done = subprocess.run(
            [*self.ssh, remote_command(step["argv"], self.sudo)],
            input=_bytes(given or ""),
            capture_output=True,
            check=False,
            timeout=self.timeout,
        )
        stderr, end, code = done.stderr.decode("utf-8", "surrogateescape").rpartition(f"\n{END} ")
        if not end:
            raise ConnectionFailed(f"{shlex.join(step['argv'])}: ssh exited {done.returncode}: {code.strip()}")
        asked = {"argv": step["argv"], **({} if given is None else {"stdin": given})}
        return {**asked, "rc": int(code), "stdout": done.stdout.decode("utf-8", "surrogateescape"), "stderr": stderr}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def ssh_arguments(login: str, key: str | None, control: Path) -> list[str]:
    """ssh's arguments for [USER@]ADDRESS[:PORT], an IPv6 address with a port in brackets."""
    user, at, place = login.rpartition("@")
    if place.startswith("["):
        address, _closed, port = place[1:].partition("]")
        port = port.removeprefix(":")
    elif place.count(":") == 1:
        address, port = place.split(":")
    else:
        address, port = place, ""
    options = ["BatchMode=yes", "ConnectTimeout=60", "ControlMaster=auto", f"ControlPath={control}/%C", "ControlPersist=30"]
    return [
        "ssh",
        *(word for option in options for word in ("-o", option)),
        *(["-i", key] if key else []),
        *(["-p", port] if port else []),
        f"{user}{at}{address}",
    ]


def read_steps(file: Path) -> tuple[str, list[Step]]:
    """A session's name and its steps. Raises ValueError with the place of what is wrong."""
    data = json.loads(file.read_text(encoding="utf-8"))
    name, steps = (file.stem, data) if isinstance(data, list) else (data.get("name", file.stem), data.get("steps"))
    if not isinstance(steps, list):
        raise ValueError(f"{file}: found no steps; allowed: a list of steps, or a mapping with name and steps")
    for number, step in enumerate(steps):
        _check(step, f"{file}: steps[{number}]")
    return name, steps


def _check(step: t.Any, where: str) -> None:
    if not isinstance(step, dict) or ("argv" in step) == ("sleep" in step):
        raise ValueError(f"{where}: found {step!r}; allowed: a mapping with either argv or sleep")
    argv = step.get("argv", ["sleep"])
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
        raise ValueError(f"{where}.argv: found {argv!r}; allowed: a list of strings, the command first")
    if not isinstance(step.get("sleep", 0), (int, float)):
        raise ValueError(f"{where}.sleep: found {step['sleep']!r}; allowed: seconds")
    if not isinstance(step.get("stdin", ""), str):
        raise ValueError(f"{where}.stdin: found {step['stdin']!r}; allowed: text")


def differences(before: t.Sequence[Step], after: t.Sequence[Step]) -> t.Iterator[str]:
    """What is not the same in two recordings of the same steps, as lines; without what differs from run to run."""
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        lines = []
        for part in ("rc", "stdout", "stderr"):
            if part in old and part in new:
                was, now = (masked(str(step[part])).splitlines() for step in (old, new))
                lines += list(difflib.unified_diff(was, now, f"{part} before", f"{part} now", lineterm=""))
        if lines:
            yield f"step {number}: {shlex.join(old['argv'])}"
            yield from lines


def parse(argv: t.Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simhost.record", description="Record a session of commands on a real FreeBSD host, over ssh.")
    parser.add_argument("session", type=Path, help="JSON: {name, steps: [{argv, stdin?}]}; also a recorded session, to record it again")
    parser.add_argument("--host", default=os.environ.get("PFNET_HOST"), metavar="[USER@]ADDRESS[:PORT]", help="(default: PFNET_HOST)")
    parser.add_argument("--key", default=os.environ.get("PFNET_KEY"), metavar="FILE", help="ssh's private key (default: PFNET_KEY)")
    parser.add_argument("--sudo", action="store_true", help="run the commands by sudo")
    parser.add_argument("--timeout", type=float, default=120, metavar="SECONDS", help="for one command (default: 120)")
    parser.add_argument("--name", help="the recording's name (default: the session's)")
    results = parser.add_mutually_exclusive_group()
    results.add_argument("--output", type=Path, metavar="FILE", help="where the recording goes (default: standard output)")
    results.add_argument("--compare", action="store_true", help="print what differs from the session, and exit 1 if something does")
    args = parser.parse_args(argv)
    if not args.host:
        parser.error("give a host with --host or PFNET_HOST")
    return args


def main(argv: t.Sequence[str]) -> int:
    args = parse(argv)
    try:
        name, steps = read_steps(args.session)
        with tempfile.TemporaryDirectory(prefix="record-") as control:
            host = Host(ssh_arguments(args.host, args.key, Path(control)), args.sudo, args.timeout)
            recorded = [host.run(step) for step in steps]
            subprocess.run([*host.ssh[:-1], "-O", "exit", host.ssh[-1]], capture_output=True, check=False)
    except (OSError, ValueError, ConnectionFailed, subprocess.TimeoutExpired) as error:
        print(f"record: {error}", file=sys.stderr)
        return 2
    if args.compare:
        found = list(differences(steps, recorded))
        print("\n".join(found) if found else f"{len(steps)} steps, none differs")
        return 1 if found else 0
    text = json.dumps({"name": args.name or name, "steps": recorded}, indent=1) + "\n"
    if args.output:
        args.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
