# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m simhost``: make hosts, run commands on them, and be the commands."""

from __future__ import annotations

import importlib.util
import io
import os
import sys
import typing as t
from pathlib import Path

USAGE = """\
usage: python -m simhost create DIR --host NAME                     make a host and boot it
       python -m simhost reboot DIR                                 boot it again
       python -m simhost run [--visible PATH] DIR -- COMMAND ...    run a command on the host, which sees PATH of this machine
       python -m simhost COMMAND ...                                be one of the host's commands (the host's folder is in $SIMHOST)"""


class _Output(io.TextIOBase):
    """Output that is written when the host is unlocked, so that a full pipe never keeps a reader from the host it waits for."""

    def __init__(self, chunks: list[tuple[t.TextIO, str]], stream: t.TextIO) -> None:
        self._chunks = chunks
        self._stream = stream

    def write(self, text: str) -> int:
        self._chunks.append((self._stream, text))
        return len(text)


def run_command(name: str, argv: list[str]) -> int:
    """Run one of the host's commands in this process."""
    from . import execute

    directory = os.environ.get("SIMHOST")
    if not directory:
        print("simhost: SIMHOST does not name the folder of a host", file=sys.stderr)
        return 1
    # Read before the host is locked: in a pipe of two commands the second would keep the first from finishing.
    stdin = io.StringIO(sys.stdin.read()) if "-" in argv else io.StringIO()
    chunks: list[tuple[t.TextIO, str]] = []
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (t.cast(t.TextIO, _Output(chunks, stream)) for stream in streams)
    try:
        code = execute.run(Path(directory), name, argv, stdin)
    finally:
        sys.stdout, sys.stderr = streams
        try:
            for stream, text in chunks:
                stream.write(text)
                stream.flush()
        except BrokenPipeError:
            os._exit(141)
    return code


def _create(argv: list[str]) -> int:
    from . import create

    arguments = [argument for argument in argv if argument != "--host"]
    if len(arguments) != 2 or len(argv) != 3:
        print(USAGE, file=sys.stderr)
        return 2
    directory, name = (arguments[0], argv[argv.index("--host") + 1]) if argv[0] != "--host" else (argv[2], argv[1])
    if name not in create.names():
        print(f"simhost: no host {name!r}; there are: {', '.join(create.names())}", file=sys.stderr)
        return 2
    if Path(directory, "state.json").exists():
        print(f"simhost: {directory} is a host already; remove it with: rm -r {directory}", file=sys.stderr)
        return 2
    if importlib.util.find_spec("lark") is None:
        print(f"simhost: the package lark is missing: {sys.executable} -m pip install lark", file=sys.stderr)
        return 1
    create.create(Path(directory), name)
    return 0


def _is_host(directory: Path) -> bool:
    if (directory / "state.json").exists():
        return True
    print(f"simhost: {directory} is no host; 'python -m simhost create {directory} --host fresh' makes one", file=sys.stderr)
    return False


def _reboot(directory: Path) -> int:
    from . import create

    if not _is_host(directory):
        return 2
    create.reboot(directory)
    return 0


def _run(argv: list[str]) -> int:
    from . import namespace

    visible: list[str] = []
    while argv[:1] == ["--visible"] and len(argv) > 1:
        visible.append(argv[1])
        argv = argv[2:]
    words = argv[1:]
    if words[:1] == ["--"]:
        words = words[1:]
    if not argv or not words:
        print(USAGE, file=sys.stderr)
        return 2
    directory = Path(argv[0])
    if not _is_host(directory):
        return 2
    environment = namespace.environment(directory)
    try:
        namespace.enter(directory, namespace.needed_paths(*visible))
        os.execvpe(words[0], words, environment)
    except namespace.NamespaceError as error:
        print(f"simhost: {error}", file=sys.stderr)
        return 1
    except FileNotFoundError:
        print(f"{words[0]}: not found", file=sys.stderr)
        return 127


def main(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE, file=sys.stderr if not argv else sys.stdout)
        return 0 if argv else 2
    if argv[0] == "create":
        return _create(argv[1:])
    if argv[0] == "reboot" and len(argv) == 2 and not argv[1].startswith("-"):
        return _reboot(Path(argv[1]))
    if argv[0] == "run":
        return _run(argv[1:])
    return run_command(argv[0], argv[1:])
