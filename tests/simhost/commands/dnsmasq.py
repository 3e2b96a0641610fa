# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dnsmasq(8), which is there when its package is installed."""

from __future__ import annotations

import getopt
import sys
import typing as t

from .. import packages
from ..dnsmasq import config, instance
from ..dnsmasq.config import Fatal
from ..program import NotSimulated
from ..state import Host

# What the command line may say, and the directive that it stands for.
OPTIONS = {"-x": "pid-file", "-l": "dhcp-leasefile", "-u": "user", "-g": "group", "-8": "log-facility"}
LONG = ("test", "version", "conf-file=", *(f"{name}=" for name in OPTIONS.values()))
DEFAULT_CONFIGURATION = "/usr/local/etc/dnsmasq.conf"
VERSION = f"""\
Dnsmasq version 2.90  Copyright (c) 2000-2024 Simon Kelley
Compile time options: {instance.COMPILED}

This software comes with ABSOLUTELY NO WARRANTY.
Dnsmasq is free software, and you are welcome to redistribute it
under the terms of the GNU General Public License, version 2 or 3.
"""


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    if not packages.is_installed(host, "dnsmasq"):
        print("dnsmasq: not found", file=sys.stderr)
        return 127
    try:
        return _run(host, argv)
    except Fatal as failure:
        print(f"\ndnsmasq: {failure}", file=sys.stderr)
        return failure.code


def _run(host: Host, argv: list[str]) -> int:
    try:
        found, words = getopt.gnu_getopt(argv, "C:vx:l:u:g:8:", LONG)
    except getopt.GetoptError as error:
        if "not recognized" in error.msg and error.opt.split("=")[0] in _known():
            raise NotSimulated(f"the option {error.opt}") from None
        raise Fatal("bad command line options: try --help", 1) from None
    if words:
        raise Fatal("junk found in command line", 1)
    given = dict(found)
    if given.keys() & {"-v", "--version"}:
        print(VERSION)
        return 0
    read = config.read(host, given.get("-C") or given.get("--conf-file") or DEFAULT_CONFIGURATION)
    for option, name in OPTIONS.items():
        for value in (given.get(option), given.get(f"--{name}")):
            if value is not None:
                read.directives.insert(0, (name, value))
    if "--test" in given:
        print("dnsmasq: syntax check OK.", file=sys.stderr)
        return 0
    instance.start(host, read, ["/usr/local/sbin/dnsmasq", *argv])
    return 0


def _known() -> set[str]:
    from ..dnsmasq.directives import DIRECTIVES, NOT_SIMULATED

    return {*DIRECTIVES, *NOT_SIMULATED}
