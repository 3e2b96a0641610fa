# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ps(1), for the processes of the host's table, with the columns that ``-o`` names."""

from __future__ import annotations

import shlex
import typing as t

from ..kernel import processes
from ..kernel.processes import Process
from ..program import CommandError, NotSimulated, options
from ..state import Host

USAGE = "usage: ps [--libxo] [-aCcdefHhjlmrSTuvwXxZ] [-O fmt | -o fmt]\n          [-D up | down | both] [-G gid[,gid...]] [-J jid[,jid...]]"
COLUMNS: dict[str, tuple[str, t.Callable[[Process], str]]] = {
    "pid": ("PID", lambda process: str(process["pid"])),
    "user": ("USER", lambda process: str(process["user"])),
    "comm": ("COMMAND", lambda process: str(process["command"])),
    "ucomm": ("UCOMM", lambda process: str(process["command"])),
    "args": ("COMMAND", lambda process: " ".join(process["arguments"])),
    "command": ("COMMAND", lambda process: " ".join(process["arguments"])),
}


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, words = options(argv, "aAxwWo:p:", USAGE)
    if words:
        raise NotSimulated(" ".join(words))
    columns = [_column(column) for letter, value in found if letter == "o" for column in _listed(value)]
    if not columns:
        raise NotSimulated("no -o")
    wanted = {number for letter, value in found if letter == "p" for number in value.replace(",", " ").split()}
    if any(not number.isdecimal() for number in wanted):
        raise CommandError("Invalid process id")
    shown = [process for process in processes.running(host.kernel) if not wanted or str(process["pid"]) in wanted]
    table = [[header for _key, header in columns]] if any(header for _key, header in columns) else []
    table += [[COLUMNS[key][1](process) for key, _header in columns] for process in shown]
    widths = [max((len(row[index]) for row in table), default=0) for index in range(len(columns))]
    for row in table:
        print(
            " ".join(
                cell.rjust(width) if key == "pid" else cell.ljust(width) for cell, width, (key, _header) in zip(row, widths, columns, strict=True)
            ).rstrip()
        )
    return 0 if shown else 1


def _listed(value: str) -> list[str]:
    """The columns of one ``-o``: a header of one's own takes all that follows."""
    before, equals, header = value.partition("=")
    columns = before.replace(",", " ").split()
    return [*columns[:-1], f"{columns[-1]}={header}"] if equals else columns


def _column(word: str) -> tuple[str, str]:
    key, equals, header = word.partition("=")
    if key not in COLUMNS:
        raise NotSimulated(f"-o {shlex.quote(key)}")
    return key, header if equals else COLUMNS[key][0]
