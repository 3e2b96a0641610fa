# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kldload(8)."""

from __future__ import annotations

import sys
import typing as t

from ..kernel import modules
from ..kernel.errors import EEXIST, KernelError
from ..program import Usage, options
from ..state import Host

USAGE = "usage: kldload [-nqv] file ..."


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, files = options(argv, "nqv", USAGE)
    letters = [letter for letter, _value in found]
    if not files:
        raise Usage(USAGE)
    # The last of -q and -v counts.
    loud = [letter for letter in letters if letter in "qv"][-1:]
    failed = False
    for file in files:
        try:
            fileid = modules.load(host.kernel, file)
            if loud == ["v"]:
                print(f"Loaded {file}, id={fileid}")
        except KernelError as error:
            if error.error == EEXIST and "n" in letters:
                if loud == ["v"]:
                    print(f"{file} is already loaded")
                continue
            failed = True
            if loud != ["q"]:
                reason = "module already loaded or in kernel" if error.error == EEXIST else error
                print(f"kldload: can't load {file}: {reason}", file=sys.stderr)
    return 1 if failed else 0
