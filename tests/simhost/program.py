# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all commands share: how they end, how they read options, and how one runs another."""

from __future__ import annotations

import contextlib
import getopt
import importlib
import io
import os
import sys
import typing as t

from .state import Host


class CommandError(Exception):
    """The command ends with an error: ``NAME: message`` on stderr, and an exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Usage(Exception):
    """The arguments are wrong: a text on stderr as it is, usually a usage, after ``NAME: complaint`` where there is one."""

    def __init__(self, text: str, code: int = 1, complaint: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.complaint = complaint


class Exit(Exception):
    """The command ends here, with nothing more to say."""

    def __init__(self, code: int = 0) -> None:
        super().__init__(code)
        self.code = code


class NotSimulated(Exception):
    """The real command can do this; the simulation cannot, and must not act as if it had."""


def options(argv: list[str], letters: str, usage: str, code: int = 1, *, script: bool = False) -> tuple[list[tuple[str, str]], list[str]]:
    """Read leading options as getopt(3) does, or as sh does for a ``script``; the letters come back without their dash."""
    try:
        found, rest = getopt.getopt(argv, letters)
    except getopt.GetoptError as error:
        unknown = "not recognized" in error.msg
        if script:
            raise Usage(f"{f'Illegal option -{error.opt}' if unknown else f'No arg for -{error.opt} option'}\n{usage}", code) from None
        raise Usage(usage, code, f"{'illegal option' if unknown else 'option requires an argument'} -- {error.opt}") from None
    return [(option[1:], value) for option, value in found], rest


def invoke(host: Host, name: str, argv: list[str], stdin: t.TextIO | None = None) -> int:
    """Run a command of the host in this process and return its exit code.

    ``name`` may be a path, and have a dash (``freebsd-version``); its module has an underscore.
    """
    name = os.path.basename(name)
    try:
        module = importlib.import_module(f"simhost.commands.{name.replace('-', '_')}")
    except ModuleNotFoundError as error:
        if error.name != f"simhost.commands.{name.replace('-', '_')}":
            raise
        print(f"simhost: not simulated: {name}", file=sys.stderr)
        return 1
    try:
        return t.cast(int, module.main(host, argv, stdin or io.StringIO()))
    except CommandError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.code
    except Usage as usage:
        if usage.complaint:
            print(f"{name}: {usage.complaint}", file=sys.stderr)
        print(usage, file=sys.stderr)
        return usage.code
    except Exit as end:
        return end.code
    except NotSimulated as refusal:
        print(f"simhost: not simulated: {name}: {refusal}", file=sys.stderr)
        return 1


def captured(host: Host, name: str, argv: list[str]) -> tuple[int, str]:
    """Run a command and keep its output from the terminal, as a shell's ``>/dev/null 2>&1`` or backquotes do."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()):
        code = invoke(host, name, argv)
    return code, output.getvalue()
