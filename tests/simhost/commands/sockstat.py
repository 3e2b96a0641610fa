# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sockstat(1), for the sockets of the host's table of processes, all of which listen."""

from __future__ import annotations

import typing as t

from ..kernel import processes
from ..kernel.processes import Socket
from ..program import CommandError, NotSimulated, Usage, options
from ..state import Host

USAGE = "usage: sockstat [--libxo ...] [-46AbCcfIiLlnqSsUuvw] [-j jid] [-p ports]\n                [-P protocols]"
HEADERS = ("USER", "COMMAND", "PID", "FD", "PROTO", "LOCAL ADDRESS", "FOREIGN ADDRESS")
COMMAND_WIDTH, ADDRESS_WIDTH = 10, 21
RIGHT = (2, 3)
FAMILY_DIGIT = {"inet": "4", "inet6": "6"}


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, words = options(argv, "46AbCcfIij:Llnp:P:qSsUuvw", USAGE)
    if words:
        raise Usage(USAGE)
    given = dict(found)
    if refused := given.keys() - set("46clnpPqw"):
        raise NotSimulated(f"-{min(refused)}")
    # Nothing is connected here, and local sockets are not simulated.
    listening = "l" in given or "c" not in given
    ports = [_port_range(word) for word in given["p"].split(",")] if "p" in given else None
    protocols = given["P"].split(",") if "P" in given else ["tcp", "udp"]
    families = [family for family, digit in FAMILY_DIGIT.items() if digit in given] or [*FAMILY_DIGIT]
    rows = [
        _row(host, process, socket, numbers="n" in given)
        for process in reversed(processes.running(host.kernel))
        for socket in process["sockets"]
        if listening and socket["protocol"] in protocols and socket["family"] in families
        if ports is None or any(first <= socket["port"] <= last for first, last in ports)
    ]
    _show(rows, wide="w" in given, header="q" not in given)
    return 0


def _port_range(word: str) -> tuple[int, int]:
    first, dash, last = word.strip().partition("-")
    if not (first or "0").isdecimal() or not (last or "0").isdecimal() or not word.strip():
        raise CommandError("syntax error in port range")
    limits = int(first or 1), int(last or (65535 if dash else first))
    if not 1 <= limits[0] <= limits[1] <= 65535:
        raise CommandError("invalid port number")
    return limits


def _row(host: Host, process: processes.Process, socket: Socket, *, numbers: bool) -> list[str]:
    user = _user_id(host, process["user"]) if numbers else process["user"]
    address = socket["address"] or "*"
    local = f"[{address}]" if ":" in address else address
    protocol = socket["protocol"] + FAMILY_DIGIT[socket["family"]]
    return [user, process["command"][:COMMAND_WIDTH], str(process["pid"]), str(socket["fd"]), protocol, f"{local}:{socket['port']}", "*:*"]


def _user_id(host: Host, name: str) -> str:
    users = (line.split(":") for line in host.path("/etc/passwd").read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return next((fields[2] for fields in users if fields[0] == name), name)


def _show(rows: list[list[str]], *, wide: bool, header: bool) -> None:
    widths = [max(len(HEADERS[column]), *(len(row[column]) for row in rows)) if rows else len(HEADERS[column]) for column in range(len(HEADERS))]
    widths[1] = COMMAND_WIDTH
    if not wide:
        widths[5] = widths[6] = ADDRESS_WIDTH
    for row in ([[*HEADERS]] if header else []) + rows:
        # Without -w a long address is cut off, its port included.
        cells = [cell[:width] if column > 4 else cell for column, (cell, width) in enumerate(zip(row, widths, strict=True))]
        print(" ".join(cell.rjust(width) if column in RIGHT else cell.ljust(width) for column, (cell, width) in enumerate(zip(cells, widths, strict=True))))
