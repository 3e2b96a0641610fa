# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command on a host: lock it, let its clock go on, do what has become due, run the command."""

from __future__ import annotations

import typing as t
from pathlib import Path

from . import program, state
from .kernel import addresses, clock
from .state import Host


def run(directory: Path, name: str, argv: list[str], stdin: t.TextIO) -> int:
    """Run one command by its name on FreeBSD and return its exit code; output goes to sys.stdout and sys.stderr."""
    with state.opened(directory) as host:
        wait(host, clock.COMMAND_MS)
        return program.invoke(host, name, argv, stdin)


def wait(host: Host, milliseconds: int) -> None:
    """Let time pass on the host."""
    until = clock.now(host.kernel) + milliseconds
    while event := clock.next_due(host.kernel, until):
        if event["event"] == "dad":
            addresses.end_probe(host.kernel, *event["arguments"])
        elif event["event"] == "devd":
            from .rc import devd

            devd.interface_attached(host, *event["arguments"])
        elif event["event"] == "reboot":
            from . import machine

            machine.restart(host)
    host.kernel["clock"]["now"] = max(until, clock.now(host.kernel))
