# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Booting: the rc scripts that shape the host, in rcorder(8)'s order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .. import program
from ..kernel import modules
from ..kernel.errors import KernelError
from ..state import Host
from . import config
from .script import discard
from .services import SCRIPTS


def boot(host: Host) -> None:
    """Configure a host whose kernel has just started from the files that it has."""
    variables = config.load(host)
    host.kernel["sysctl"]["kern.hostname"] = variables.get("hostname", "")
    discard(lambda: _run(host, variables))
    # Nobody logs in before the last script is done, and by then all addresses are in use.
    host.kernel["clock"]["now"] += 30_000
    host.kernel["clock"]["pending"].clear()
    for interface in host.kernel["interfaces"]:
        for entry in interface["inet6"]:
            entry["flags"] = [flag for flag in entry["flags"] if flag != "tentative"]


def _run(host: Host, variables: dict[str, str]) -> None:
    _clean_var(host, variables)
    _set_variables(host, "-i")
    for module in variables.get("kld_list", "").split():
        try:
            modules.load(host.kernel, module)
        except KernelError:
            continue  # rc.d/kld goes on with the next one
    _take_back(host)
    for script in SCRIPTS.values():
        if script.is_there(host):
            script.run(host, "start", [], booting=True)
    _set_variables(host)


def _take_back(host: Host) -> None:
    """Run the collection's script that takes an unconfirmed change back, as it is: it needs nothing but sh and sysrc."""
    script = "/usr/local/etc/rc.d/pfnet_unconfirmed"
    if not host.path(script).is_file():
        return
    tests = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-s", "-m", "simhost", "run", str(host.directory), "--", "/usr/bin/env", "autoboot=yes", "/bin/sh", script, "faststart"]
    with host.released():
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": tests}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _clean_var(host: Host, variables: dict[str, str]) -> None:
    """Remove the files that the last boot's processes have left in /var/run (the script cleanvar); folders stay."""
    if not config.is_yes(variables, "cleanvar_enable"):
        return
    for folder in ("/var/run", "/var/spool/lock"):
        there = host.path(folder)
        if there.is_dir():
            for path in there.rglob("*"):
                if not path.is_symlink() and (path.is_file() or (path.is_socket() and path.name not in ("log", "logpriv"))):
                    path.unlink()
            (there / "clean_var").touch()


def _set_variables(host: Host, *flags: str) -> None:
    """Set what sysctl.conf says (the script sysctl): what is not known yet at first is set at the end of the boot."""
    for file in ("/etc/sysctl.conf", "/etc/sysctl.conf.local"):
        if host.path(file).is_file():
            program.invoke(host, "sysctl", [*flags, "-f", file])
