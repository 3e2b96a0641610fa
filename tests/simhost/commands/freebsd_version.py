# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""freebsd-version(1)."""

from __future__ import annotations

import typing as t

from ..program import NotSimulated, Usage, options
from ..state import Host

USAGE = "usage: freebsd-version [-kru] [-j jail]"


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, rest = options(argv, "kruj:", USAGE, script=True)
    if rest:
        raise Usage(USAGE)
    letters = {letter for letter, _value in found}
    if "j" in letters:
        raise NotSimulated("-j")
    # Installed kernel, running kernel and userland are of one version here.
    for _letter in letters or {"u"}:
        print(host.kernel["sysctl"]["kern.osrelease"])
    return 0
