# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a simulated host from its description in ``hosts/NAME.json``, and boot it.

A description has ``files`` (path: list of lines), ``scripts`` (path: a file of the checkout that is put there, if it exists), ``packages`` (names of those
that are installed), ``interfaces`` (``{name, ether}``), ``dhcp`` (what the network gives an interface that asks, as address/prefix), ``neighbours``
(``{address, ether, interface, expires}``), ``sysctl`` and ``modules`` (what the boot loader sets and loads besides what /boot/loader.conf says).
"""

from __future__ import annotations

import json
import os
import shutil
import typing as t
from pathlib import Path

from . import machine, packages, state
from .namespace import COMMAND_DIRECTORIES
from .state import OWN_DIRECTORIES

HERE = Path(__file__).parent.resolve()
# Every command of FreeBSD's base with its place; those of packages come with them. Those without a module in simhost.commands are refused by name.
COMMANDS = {
    **dict.fromkeys(("ifconfig", "kldload", "kldstat", "kldunload", "pfctl", "ping", "reboot", "route", "shutdown", "sysctl"), "/sbin"),
    **dict.fromkeys(("arp", "bhyve", "daemon", "jail", "jexec", "jls", "pkg", "service", "sysrc", "tcpdump"), "/usr/sbin"),
    **dict.fromkeys(("freebsd-version", "kill", "ls", "ps"), "/bin"),
    **dict.fromkeys(("at", "id", "lockf", "nc", "netstat", "sockstat", "uname", "which"), "/usr/bin"),
}


def names() -> list[str]:
    """The hosts that there are descriptions of."""
    return sorted(path.stem for path in (HERE / "hosts").glob("*.json"))


def create(directory: Path, name: str) -> None:
    """Make the host in an empty or new folder, and boot it."""
    description = json.loads((HERE / "hosts" / f"{name}.json").read_text(encoding="utf-8"))
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    _make_files(directory, description)
    _make_commands(directory)
    (directory / "mnt").mkdir()
    (directory / "init").write_text("init\n", encoding="ascii")
    (directory / "state.json").write_text("{}\n", encoding="utf-8")
    with state.opened(directory) as host:
        if description.get("packages"):
            packages.install(host, description["packages"])
        machine.start(host, machine.describe(name, description))


def reboot(directory: Path) -> None:
    """Start the machine of a host again: a new kernel, which boots from the files that are there."""
    with state.opened(directory) as host:
        machine.restart(host)


def _make_files(directory: Path, description: dict[str, t.Any]) -> None:
    root = directory / "root"
    for own in OWN_DIRECTORIES:
        (root / own.lstrip("/")).mkdir(parents=True, exist_ok=True)
    for folder in ("etc/rc.conf.d", "var/cache", "var/db", "var/log", "var/mail", "var/run", "var/spool", "var/tmp"):
        (root / folder).mkdir(exist_ok=True)
    for folder in ("tmp", "var/tmp"):
        (root / folder).chmod(0o1777)
    (root / "root").chmod(0o700)
    shutil.copytree(HERE / "files", root, dirs_exist_ok=True)
    for path, lines in description["files"].items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for path, source in description.get("scripts", {}).items():
        if (HERE.parents[1] / source).is_file():
            target = root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(HERE.parents[1] / source, target)
            target.chmod(0o755)


def _make_commands(directory: Path) -> None:
    """A small shell script for each command, at its place on FreeBSD and, where that is Linux's folder, in /sbin."""
    for folder in COMMAND_DIRECTORIES:
        (directory / "commands" / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    for command, place in COMMANDS.items():
        places = {place} & {*COMMAND_DIRECTORIES}
        if not places or any(os.path.lexists(f"{folder}/{command}") for folder in ("/bin", "/usr/bin")):
            # Linux's folder would be its place, or Linux has a command of this name there, which would be found first.
            places.add("/sbin")
        for folder in places:
            packages.write_command(directory, directory / "commands" / folder.lstrip("/") / command, command)
