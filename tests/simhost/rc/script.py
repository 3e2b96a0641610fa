# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How an rc script runs one of its actions, with its prefixes, conditions and messages (run_rc_command of rc.subr)."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import sys
from collections.abc import Callable

from .. import program
from ..state import Host
from . import config, words

COMMON_ACTIONS = ("start", "stop", "restart", "rcvar", "enable", "disable", "delete", "enabled", "describe", "extracommands")
WITHOUT_RCVAR = ("rcvar", "delete", "enable", "describe", "status")


@dataclasses.dataclass
class Run:
    """One run of a script: its configuration, whether it is to be quiet or forced, and whether this is the boot."""

    host: Host
    script: Script
    variables: dict[str, str]
    quiet: bool = False
    force: bool = False
    booting: bool = False

    def message(self, text: str, end: str = "\n") -> bool:
        """Print a start message; False when a quiet run is to have none, as the scripts return then."""
        if self.quiet and not config.is_yes(self.variables, "rc_startmsgs"):
            return False
        print(text, end=end)
        return True

    def warn(self, text: str) -> None:
        print(f"{self.script.path}: WARNING: {text}", file=sys.stderr)

    def command(self, *argv: str) -> int:
        """Run one of the host's commands."""
        return program.invoke(self.host, os.path.basename(argv[0]), list(argv[1:]))

    def silent(self, *argv: str) -> tuple[int, str]:
        """Run a command and return its exit code and output."""
        return program.captured(self.host, os.path.basename(argv[0]), list(argv[1:]))


Action = Callable[[Run, list[str]], int]


@dataclasses.dataclass
class Script:
    """An rc script: its actions, and what has to be there before it starts."""

    name: str
    description: str
    actions: dict[str, Action]
    rcvar: str = ""
    configuration: tuple[str, ...] = ()
    required_files: Callable[[dict[str, str]], list[str]] = lambda variables: []
    required_modules: tuple[str, ...] = ()
    not_simulated: tuple[str, ...] = ()
    folder: str = "/etc/rc.d"
    defaults: dict[str, str] = dataclasses.field(default_factory=dict)
    check_arguments: Callable[[list[str]], str] = lambda arguments: ""

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}"

    def is_there(self, host: Host) -> bool:
        """Whether the host has the script: all of its base, those of packages and playbooks where their file is."""
        file = host.path(self.path)
        return self.folder == "/etc/rc.d" or (file.is_file() and bool(file.stat().st_mode & 0o111))

    @property
    def keywords(self) -> list[str]:
        # A script that can tell its status has a program whose processes could be waited for.
        return [*COMMON_ACTIONS, *self.extra_commands, *(["status", "poll"] if "status" in self.actions else [])]

    @property
    def extra_commands(self) -> list[str]:
        """The actions that only this script has."""
        return [*(action for action in self.actions if action not in ("start", "stop", "restart", "status")), *self.not_simulated]

    def run(self, host: Host, action: str, arguments: list[str], *, booting: bool = False) -> int:
        """Run an action, ``onestart`` or ``quietstop`` for example, and return the exit code."""
        variables = config.load(host, *(self.configuration or (self.name,)))
        variables.update({name: value for name, value in self.defaults.items() if not variables.get(name)})
        if complaint := self.check_arguments(arguments):
            print(f"{self.path}: ERROR: {complaint}", file=sys.stderr)
            return 1
        run = Run(host, self, variables, booting=booting)
        for prefix in ("fast", "force", "one", "quiet"):
            if action.startswith(prefix):
                action = action.removeprefix(prefix)
                run.quiet = prefix in ("fast", "quiet")
                run.force = prefix == "force"
                if prefix in ("force", "one") and self.rcvar:
                    variables[self.rcvar] = "YES"
                break
        return self._run(run, action, arguments)

    def _run(self, run: Run, action: str, arguments: list[str]) -> int:
        if action not in self.keywords:
            if action:
                print(f"{self.path}: unknown directive '{action}'.", file=sys.stderr)
            print(f"Usage: {self.path} [fast|force|one|quiet]({'|'.join(self.keywords)})", file=sys.stderr)
            return 1
        enabled = not self.rcvar or config.is_yes(run.variables, self.rcvar)
        if action == "enabled":
            return 0 if enabled else 1
        if not enabled and action not in WITHOUT_RCVAR:
            if not run.quiet:
                print(f"Cannot '{action}' {self.name}. Set {self.rcvar} to YES in /etc/rc.conf or use 'one{action}' instead of '{action}'.")
            return 0
        if action in self.actions:
            try:
                return self._start_checked(run, arguments) if action == "start" else self.actions[action](run, arguments)
            except words.ShellSyntaxError as error:
                print(f"eval: {error}", file=sys.stderr)
                return 2
        if action == "restart":
            self._run(run, "stop", arguments)
            return self._run(run, "start", arguments)
        return self._default(run, action)

    def _start_checked(self, run: Run, arguments: list[str]) -> int:
        for file in self.required_files(run.variables):
            if not run.host.path(file).is_file():
                run.warn(f"{file} is not readable.")
                if not run.force:
                    return 1
        for module in self.required_modules:
            if run.silent("kldstat", "-q", "-m", module)[0] != 0 and run.command("kldload", module) != 0:
                run.warn(f"Unable to load kernel module {module}")
                if not run.force:
                    return 1
        return self.actions["start"](run, arguments)

    def _default(self, run: Run, action: str) -> int:
        if action == "describe":
            print(self.description)
        elif action == "extracommands":
            print(" ".join(self.extra_commands))
        elif action == "rcvar":
            print(f"# {self.name} : {self.description}\n#")
            if self.rcvar:
                print(f'{self.rcvar}="{run.variables.get(self.rcvar, "NO")}"\n#   (default: "")')
            print()
        elif action in ("enable", "disable"):
            if not self.rcvar:
                return 0
            run.silent("sysrc", f"{self.rcvar}={'YES' if action == 'enable' else 'NO'}")
            print(f"{self.name} {action}d in /etc/rc.conf")
        else:
            raise program.NotSimulated(f"{self.name} {action}")
        return 0


def discard(action: Callable[[], object]) -> None:
    """Do something without showing what it prints."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        action()
