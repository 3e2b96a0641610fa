# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""uname(1)."""

from __future__ import annotations

import typing as t

from ..program import Usage, options
from ..state import Host

USAGE = "usage: uname [-abiKmnoprsUv]"


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, rest = options(argv, "abiKmnoprsUv", USAGE)
    if rest:
        raise Usage(USAGE)
    letters = {letter for letter, _value in found} or {"s"}
    if "a" in letters:
        letters |= set("snrvm")
    values = host.kernel["sysctl"]
    fields = {
        "s": values["kern.ostype"],
        "n": values["kern.hostname"],
        "r": values["kern.osrelease"],
        "v": values["kern.version"].strip(),
        "m": values["hw.machine"],
        "p": values["hw.machine_arch"],
        "i": "GENERIC",
        "U": values["kern.osreldate"],
        "K": values["kern.osreldate"],
        "b": "simulated",
    }
    if "o" in letters:
        letters |= {"s"}
    print(" ".join(value for letter, value in fields.items() if letter in letters))
    return 0
