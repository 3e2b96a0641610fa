# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kill(1), for the processes of the host's table."""

from __future__ import annotations

import signal
import sys
import typing as t

from ..dnsmasq import instance
from ..kernel import processes
from ..kernel.processes import Process
from ..program import CommandError, NotSimulated, Usage
from ..state import Host

USAGE = "usage: kill [-s signal_name] pid ...\n       kill -l [exit_status]\n       kill -signal_name pid ...\n       kill -signal_number pid ..."


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    words = list(argv)
    name = "TERM"
    if words[:1] == ["-l"]:
        raise NotSimulated("-l")
    if words[:1] == ["-s"] and len(words) > 1:
        name = _name(words[1])
        words = words[2:]
    elif words and words[0].startswith("-") and words[0] != "--":
        name = _name(words.pop(0)[1:])
    words = words[1:] if words[:1] == ["--"] else words
    if not words:
        raise Usage(USAGE)
    return max(_send(host, word, name) for word in words)


def _name(word: str) -> str:
    """A signal's name without SIG; signal 0 has none."""
    name = word.upper().removeprefix("SIG")
    if name.isdecimal():
        name = {number.value: number.name.removeprefix("SIG") for number in signal.Signals}.get(int(name), name)
    if name != "0" and f"SIG{name}" not in signal.Signals.__members__:
        raise CommandError(f"unknown signal {word}; valid signals:")
    return name


def _send(host: Host, word: str, name: str) -> int:
    if not word.isdecimal():
        raise CommandError(f"illegal process id: {word}")
    process = processes.find(host.kernel, int(word))
    if process is None:
        print(f"kill: {word}: No such process", file=sys.stderr)
        return 1
    if name != "0":
        deliver(host, process, name)
    return 0


def deliver(host: Host, process: Process, name: str) -> None:
    """Let a process have a signal: dnsmasq knows HUP, all others end."""
    if process["command"] == "dnsmasq" and "read_again" in process:
        instance.signal(host, process, name)
    else:
        processes.end(host.kernel, process)
