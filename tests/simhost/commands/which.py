# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""which(1)."""

from __future__ import annotations

import os
import typing as t

from ..create import COMMANDS
from ..namespace import PATH
from ..program import options
from ..state import Host

USAGE = "usage: which [-as] program ..."
# Installed on the host, though it is the Linux machine's interpreter that runs.
PACKAGES = {"python3": "/usr/local/bin"}


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, names = options(argv, "as", USAGE)
    silent = any(letter == "s" for letter, _value in found)
    missing = False
    for name in names:
        place = {**COMMANDS, **PACKAGES}.get(name) or next((folder for folder in PATH.split(":") if os.access(f"{folder}/{name}", os.X_OK)), None)
        if place is None:
            missing = True
        elif not silent:
            print(f"{place}/{name}")
    return 1 if missing or not names else 0
