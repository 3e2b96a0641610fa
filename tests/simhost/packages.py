# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages: which there are, which are installed (a file below /var/db/pkg), and the programs that come with them."""

from __future__ import annotations

import json
import os
import shlex
import sys
import typing as t
from pathlib import Path

from .state import Host

HERE = Path(__file__).parent.resolve()
DATABASE = "/var/db/pkg/packages.json"


class Package(t.NamedTuple):
    """A package of the repository: its version, its origin, the programs of it that the host has in /usr/local/sbin."""

    version: str
    origin: str
    programs: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


REPOSITORY = {
    "pkg": Package("2.3.1_1", "ports-mgmt/pkg"),
    "dnsmasq": Package("2.90_4,1", "dns/dnsmasq", ("dnsmasq",)),
    # Linux's Python runs on the host in any case; this is what a host says of its own.
    "python311": Package("3.11.13_1", "lang/python311"),
    "python3": Package("3_4", "lang/python3", needs=("python311",)),
}


def installed(host: Host) -> dict[str, str]:
    """The installed packages with their versions."""
    file = host.path(DATABASE)
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def is_installed(host: Host, name: str) -> bool:
    return name in installed(host)


def install(host: Host, names: t.Iterable[str]) -> list[str]:
    """Install packages with what they need, pkg itself first; return those that were not there, in their order."""
    made: list[str] = []
    present = installed(host)

    def add(name: str) -> None:
        for needed in REPOSITORY[name].needs:
            add(needed)
        if name not in present:
            present[name] = REPOSITORY[name].version
            made.append(name)
            for program in REPOSITORY[name].programs:
                write_command(host.directory, host.path("/usr/local/sbin") / program, program)

    for name in ("pkg", *names):
        add(name)
    _save(host, present)
    return made


def remove(host: Host, names: t.Iterable[str]) -> None:
    """Remove installed packages, with their programs."""
    present = installed(host)
    for name in names:
        del present[name]
        for program in REPOSITORY[name].programs:
            (host.path("/usr/local/sbin") / program).unlink()
    _save(host, present)


def write_command(directory: Path, script: Path, command: str) -> None:
    """A small shell script that is a command of the host: it runs the module of this name."""
    # The environment is the commands' own: without what makes other programs believe that this is FreeBSD.
    python = Path(os.path.realpath(os.path.dirname(sys.executable)), os.path.basename(sys.executable))
    setting = f"SIMHOST={shlex.quote(str(directory))} PYTHONPATH={shlex.quote(str(HERE.parent))}"
    script.write_text(f'#!/bin/sh\n{setting} exec {shlex.quote(str(python))} -s -m simhost {command} "$@"\n', encoding="utf-8")
    script.chmod(0o755)


def _save(host: Host, present: dict[str, str]) -> None:
    file = host.path(DATABASE)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(present, indent=1, sort_keys=True) + "\n", encoding="utf-8")
