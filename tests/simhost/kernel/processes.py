# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes that go on after their command has ended, and their sockets: a table, nothing runs.

A process is ``{pid, command, arguments, user, sockets, files}``: ``arguments`` is its command line and ``files`` what it has read, path: text.
A socket is ``{protocol, family, address, port, fd, shared}`` with ``protocol`` tcp or udp, ``family`` inet or inet6, an empty ``address`` for all,
and ``shared`` when it lets others bind the same.
"""

from __future__ import annotations

import typing as t

from . import errors
from .errors import KernelError
from .interfaces import of

Kernel = dict[str, t.Any]
Process = dict[str, t.Any]
Socket = dict[str, t.Any]

# Larger than any process id of Linux: what signals one of these by another way than the host's kill must not meet a process of this machine.
FIRST_PID = 5_000_001


def new() -> dict[str, t.Any]:
    """The table after boot."""
    return {"last": FIRST_PID - 1, "running": []}


def running(kernel: Kernel) -> list[Process]:
    """All processes, in the order in which they began."""
    table: list[Process] = kernel["processes"]["running"]
    return table


def find(kernel: Kernel, pid: int) -> Process | None:
    """The process with this id."""
    return next((process for process in running(kernel) if process["pid"] == pid), None)


def next_pid(kernel: Kernel) -> int:
    """A process id that no process has had since boot."""
    kernel["processes"]["last"] += 1
    return int(kernel["processes"]["last"])


def socket(protocol: str, port: int, address: str = "", *, family: str = "inet", fd: int = 3, shared: bool = False) -> Socket:
    """A socket that listens, for :func:`add`."""
    return {"protocol": protocol, "family": family, "address": address, "port": port, "fd": fd, "shared": shared}


def add(kernel: Kernel, command: str, sockets: t.Sequence[Socket] = (), *, user: str = "root", arguments: t.Sequence[str] = (), pid: int = 0) -> Process:
    """Let a process run, a server with its sockets for example; tests may add any."""
    process: Process = {
        "pid": pid or next_pid(kernel),
        "command": command,
        "arguments": [*(arguments or [command])],
        "user": user,
        "sockets": [*sockets],
        "files": {},
    }
    running(kernel).append(process)
    return process


def end(kernel: Kernel, process: Process) -> None:
    """A process ends, and its sockets are closed."""
    running(kernel).remove(process)


def bind(kernel: Kernel, wanted: Socket) -> None:
    """Whether a socket can be bound, as a program that reuses addresses does it: the address must be there, and nobody's who does not share it."""
    address = wanted["address"].partition("%")[0]
    if address and not any(entry["address"] == address for interface in of(kernel) for entry in interface[wanted["family"]]):
        raise KernelError(errors.EADDRNOTAVAIL)
    same = ("protocol", "family", "address", "port")
    for process in running(kernel):
        for held in process["sockets"]:
            if all(held[key] == wanted[key] for key in same) and not (held["shared"] and wanted["shared"]):
                raise KernelError(errors.EADDRINUSE)
