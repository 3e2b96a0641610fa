# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies where on a host."""

from __future__ import annotations

CONFIGURATION = "/usr/local/etc/pfnet"
STATE = "/var/db/pfnet"
DEFINITIONS = f"{CONFIGURATION}/networks"
ANCHORS = f"{CONFIGURATION}/anchors"
# What the kernel printed after our last load of each anchor: what differs from it later is drift.
LOADED = f"{STATE}/loaded.json"
# What the kernel is to load at boot, for /etc/pf.conf to include.
BOOT_RULES = f"{CONFIGURATION}/pf.conf"
BOOT_RULES_HEADER = "# Written by bsdvirt.pfnet, for the main rules of pf to include: the networks that start at boot.\n"
MAIN_RULES = "/etc/pf.conf"
# Format of the JSON files; a file of another format is refused, not guessed at.
FORMAT = 1


def definition_path(name: str) -> str:
    return f"{DEFINITIONS}/{name}.json"


def anchor_file(name: str) -> str:
    return f"{ANCHORS}/{name}.conf"
