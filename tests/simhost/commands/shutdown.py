# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""shutdown(8), with -r only: nobody could switch a machine on again that has been switched off."""

from __future__ import annotations

import re
import sys
import typing as t

from .. import machine
from ..kernel import clock
from ..program import CommandError, NotSimulated, Usage, options
from ..state import Host

USAGE = "usage: shutdown [-] [-c | -f | -h | -p | -r | -k] [-o [-n]] [-q] time [warning-message ...]\n       poweroff"
UNITS = {"": 60, "m": 60, "min": 60, "mins": 60, "h": 3600, "hour": 3600, "hours": 3600, "s": 1, "sec": 1, "secs": 1}


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, words = options(argv, "cfhknopqr", USAGE)
    letters = {letter for letter, _value in found}
    if not words:
        raise Usage(USAGE)
    if refused := letters - set("fqr"):
        raise NotSimulated(f"-{min(refused)}")
    if "r" not in letters:
        raise NotSimulated("going to single-user mode")
    seconds = _seconds(words[0])
    if seconds:
        print(f"Shutdown at {clock.date(clock.now(host.kernel) + seconds * 1000)}.")
        clock.schedule(host.kernel, seconds * 1000, "reboot")
    else:
        print("Shutdown NOW!")
        machine.restart(host)
    print("shutdown: [pid 1201]", file=sys.stderr)
    return 0


def _seconds(word: str) -> int:
    """The delay that a time stands for, ``now`` or ``+`` with a number of minutes or of another unit."""
    if word.lower() == "now":
        return 0
    match = re.fullmatch(r"\+([0-9]+)([a-zA-Z]*)", word)
    if match and match[2].lower() in UNITS:
        return int(match[1]) * UNITS[match[2].lower()]
    if re.fullmatch(r"[0-9:]+", word):
        raise NotSimulated(f"a time of day ({word})")
    raise CommandError("bad time format")
