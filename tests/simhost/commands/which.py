# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""which(1)."""

from __future__ import annotations

import os
import typing as t

from .. import packages
from ..create import COMMANDS
from ..namespace import COMMAND_DIRECTORIES, PATH
from ..program import options
from ..state import Host

USAGE = "usage: which [-as] program ..."
# What a package has of programs that the Linux machine runs in its place.
INTERPRETERS = {"python3": "/usr/local/bin"}


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, names = options(argv, "as", USAGE)
    silent = any(letter == "s" for letter, _value in found)
    missing = False
    # Those in FreeBSD's own folders are all known by name.
    folders = [folder for folder in PATH.split(":") if folder not in COMMAND_DIRECTORIES]
    interpreters = {name: folder for name, folder in INTERPRETERS.items() if packages.is_installed(host, name)}
    for name in names:
        place = {**COMMANDS, **interpreters}.get(name) or next((folder for folder in folders if os.access(host.path(f"{folder}/{name}"), os.X_OK)), None)
        if place is None:
            missing = True
        elif not silent:
            print(f"{place}/{name}")
    return 1 if missing or not names else 0
