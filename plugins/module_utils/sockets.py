# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what sockstat(1) prints: who listens where."""

from __future__ import annotations

import dataclasses
import re
import typing as t

# USER COMMAND PID FD PROTO LOCAL FOREIGN; a command may have spaces in it.
_SOCKET = re.compile(r"\S+\s+(?P<command>.*?)\s+(?P<pid>\d+)\s+\S+\s+(?P<protocol>tcp|udp)[46]+\s+(?P<address>\S+):(?P<port>\d+)\s")
ALL = "*"


@dataclasses.dataclass(frozen=True)
class Socket:
    """Where a process waits for packets or connections: tcp or udp, an address (ALL: every one of the host) and a port."""

    command: str
    pid: int
    protocol: str
    address: str
    port: int


def sockstat(ports: t.Iterable[int]) -> tuple[str, ...]:
    """The command that lists what waits at these ports, addresses whole and numbers as they are."""
    return ("sockstat", "-46lnqw", "-P", "tcp,udp", "-p", ",".join(map(str, ports)))


def parse_sockets(text: str) -> tuple[Socket, ...]:
    """The sockets in the output of `sockstat`; those that are no process's any more are left out."""
    found = (_SOCKET.match(f"{line} ") for line in text.splitlines())
    return tuple(
        Socket(match["command"], int(match["pid"]), match["protocol"], match["address"].strip("[]").partition("%")[0], int(match["port"]))
        for match in found
        if match
    )
