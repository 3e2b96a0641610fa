# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ls(1)."""

from __future__ import annotations

import os
import stat
import sys
import time
import typing as t

from ..program import NotSimulated, options
from ..state import Host

USAGE = "usage: ls [-ABCFGHILPRSTUWZabcdfghiklmnopqrstuvwxy1,] [--color=when] [-D format] [file ...]"
BLOCK = 512
HALF_A_YEAR = 182 * 24 * 3600


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, words = options(argv, "ABCD:FGHILPRSTUWZabcdfghiklmnopqrstuvwxy1,", USAGE)
    letters = {letter for letter, _value in found}
    if refused := letters - set("AadlF1"):
        raise NotSimulated(f"-{min(refused)}")
    code = 0
    files: list[str] = []
    folders: list[str] = []
    for word in sorted(words or ["."]):
        path = host.path(word)
        if not os.path.lexists(path):
            print(f"ls: {word}: No such file or directory", file=sys.stderr)
            code = 1
        elif path.is_dir() and "d" not in letters and not (path.is_symlink() and "l" in letters):
            folders.append(word)
        else:
            files.append(word)
    _list(host, "", files, letters)
    for number, folder in enumerate(folders):
        if len(words) > 1:
            print(f"{chr(10) if number or files else ''}{folder}:")
        entries = sorted(os.listdir(host.path(folder)))
        if "a" in letters:
            entries = [".", "..", *entries]
        elif "A" not in letters:
            entries = [entry for entry in entries if not entry.startswith(".")]
        _list(host, folder, entries, letters, total="l" in letters)
    return code


def _list(host: Host, folder: str, names: list[str], letters: set[str], *, total: bool = False) -> None:
    if "l" not in letters:
        for name in names:
            print(name)
        return
    details = [(name, os.lstat(host.path(os.path.join(folder, name)))) for name in names]
    if total:
        # FreeBSD counts half kilobytes.
        print(f"total {sum(status.st_blocks for _name, status in details)}")
    rows = [_row(host, os.path.join(folder, name), name, status) for name, status in details]
    widths = [max(len(row[column]) for row in rows) for column in range(5)] if rows else []
    for mode, links, owner, group, size, when, name in rows:
        print(f"{mode}  {links:>{widths[1]}} {owner:{widths[2]}} {group:{widths[3]}} {size:>{widths[4]}} {when} {name}")


def _row(host: Host, path: str, name: str, status: os.stat_result) -> tuple[str, str, str, str, str, str, str]:
    local = time.localtime(status.st_mtime)
    recent = abs(time.time() - status.st_mtime) < HALF_A_YEAR
    when = time.strftime("%b %e %H:%M" if recent else "%b %e  %Y", local)
    size = BLOCK if stat.S_ISDIR(status.st_mode) else status.st_size
    shown = f"{name} -> {os.readlink(host.path(path))}" if stat.S_ISLNK(status.st_mode) else name
    owner, group = _name(host, "passwd", status.st_uid), _name(host, "group", status.st_gid)
    return stat.filemode(status.st_mode), str(status.st_nlink), owner, group, str(size), when, shown


def _name(host: Host, table: str, number: int) -> str:
    """The name of a user or group in the host's own tables."""
    for line in host.path(f"/etc/{table}").read_text(encoding="utf-8").splitlines():
        fields = line.split(":")
        if fields[2] == str(number):
            return fields[0]
    return str(number)
