# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""service(8)."""

from __future__ import annotations

import sys
import typing as t

from ..program import NotSimulated, Usage, options
from ..rc import SCRIPTS, config
from ..state import Host

USAGE = """\

Usage:
service [-j <jail name or id>] -e
service [-j <jail name or id>] [-q] -R
service [-j <jail name or id>] [-v] -l
service [-j <jail name or id>] [-v] -r
service [-j <jail name or id>] [-dqv] [-E var=value] <rc.d script> start|stop|etc.
service -h

-d		Enable debugging of rc.d scripts
-j		Perform actions within the named jail
-E n=val	Set variable n to val before executing the rc.d script
-e		Show services that are enabled
-R		Stop and start enabled {local} services
-l		List all scripts in /etc/rc.d and {local}
-r		Show the results of boot time rcorder
-q		quiet
-v		Verbose
"""
# A script of rc.d takes this long before it does anything: it reads rc.subr and all configuration first.
START_MS = 600


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    from ..execute import wait

    variables = config.load(host)
    usage = USAGE.format(local=variables["local_startup"])
    try:
        found, words = options(argv, "dE:ehj:lqrRv", usage, script=True)
    except Usage as mistake:
        print(str(mistake).partition("\n")[0], file=sys.stderr)
        print(usage)
        return mistake.code
    letters = {letter for letter, _value in found}
    if "h" in letters or not (words or letters & set("eRlr")):
        print(usage)
        return 0 if "h" in letters else 1
    if refused := letters - set("elv"):
        raise NotSimulated(f"-{min(refused)}")
    if "e" in letters:
        for script in SCRIPTS.values():
            # The configuration counts, not what a script takes for granted where that says nothing.
            if script.rcvar and script.is_there(host) and config.is_yes(config.load(host, script.name), script.rcvar):
                print(script.path)
        return 0
    if "l" in letters:
        raise NotSimulated("-l")
    name, *arguments = words
    wait(host, START_MS)
    if name in SCRIPTS and SCRIPTS[name].is_there(host):
        if "v" in letters:
            print(f"{name} is located in {SCRIPTS[name].folder}")
        action = arguments.pop(0) if arguments else ""
        return SCRIPTS[name].run(host, action, arguments)
    for folder in variables.get("local_startup", "").split():
        script_file = host.path(f"{folder}/{name}")
        if script_file.is_file() and script_file.stat().st_mode & 0o111:
            raise NotSimulated(f"the rc script {folder}/{name}")
    print(f"{name} does not exist in /etc/rc.d or the local startup")
    print(f"directories ({variables.get('local_startup', '')}), or is not executable")
    return 1
