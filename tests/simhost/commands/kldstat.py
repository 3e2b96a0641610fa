# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kldstat(8)."""

from __future__ import annotations

import sys
import typing as t

from ..kernel import modules
from ..program import NotSimulated, Usage, options
from ..state import Host

USAGE = "usage: kldstat [-dhqv] [-i id] [-n filename]\n       kldstat [-dq] [-m modname]"
# Where the files lie in memory and how large they are differs from one kernel to the next; these are plausible.
KERNEL = (0xFFFFFFFF80200000, 0x1F3E2F8)
FIRST_MODULE, MODULE_SIZE = 0xFFFFFFFF82A00000, 0x20000


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, rest = options(argv, "dhi:m:n:qv", USAGE)
    values = dict(found)
    if rest:
        raise Usage(USAGE)
    if refused := set(values) & set("dhv"):
        raise NotSimulated(f"-{min(refused)}")
    quiet = "q" in values
    files = modules.files(host.kernel)
    if "m" in values:
        name = values["m"]
        if not modules.is_loaded(host.kernel, name):
            if not quiet:
                print(f"kldstat: can't find module {name}: No such file or directory", file=sys.stderr)
            return 1
        if not quiet:
            print(f"Id  Refs Name\n{500 + host.kernel['modules'].index(name):3d} {1:4d} {name}")
        return 0
    if "n" in values:
        file = values["n"] if values["n"] in files else f"{values['n']}.ko"
        if file not in files:
            if not quiet:
                print(f"kldstat: can't find file {values['n']}: No such file or directory", file=sys.stderr)
            return 1
        if quiet:
            return 0
        files_shown = [file]
    elif "i" in values:
        if not values["i"].isdigit():
            raise Usage(USAGE)
        number = int(values["i"])
        if not 0 < number <= len(files):
            print(f"kldstat: can't stat file id {number}: No such file or directory", file=sys.stderr)
            return 1
        files_shown = [files[number - 1]]
    else:
        files_shown = files
    print("Id Refs Address                Size Name")
    for file in files_shown:
        number = files.index(file)
        address, size = KERNEL if number == 0 else (FIRST_MODULE + (number - 1) * MODULE_SIZE, 0x8000)
        references = 2 * len(files) + 1 if number == 0 else 1
        print(f"{number + 1:2d} {references:4d} {address:#18x} {size:8x} {file}")
    return 0
