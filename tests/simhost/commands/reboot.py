# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""reboot(8). The machine is up again when the command ends. The caller, a process of Linux, outlives it, as no process of a real host does."""

from __future__ import annotations

import typing as t

from .. import machine
from ..program import NotSimulated, Usage, options
from ..state import Host

USAGE = "usage: reboot [-cdlNnpqr] [-k kernel]"


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, words = options(argv, "cDde:fk:lNno:pqr", USAGE)
    if words:
        raise Usage(USAGE)
    if refused := {letter for letter, _value in found} - set("lnqf"):
        raise NotSimulated(f"-{min(refused)}")
    machine.restart(host)
    return 0
