# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pkg(7) and pkg(8): whether packages are installed, and installing and removing them."""

from __future__ import annotations

import fnmatch
import os
import sys
import typing as t

from .. import packages
from ..program import CommandError, NotSimulated, Usage, options
from ..state import Host

USAGE = (
    "Usage: pkg [-v] [-d] [-l] [-N] [-j <jail name or id>|-c <chroot path>|-r <rootdir>] [-C <configuration file>] [-R <repository config dir>] "
    "[-o var=value] [-4|-6] <command> [<args>]"
)
NOT_YET = (
    "The package management tool is not yet installed on your system.\n"
    "Please set ASSUME_ALWAYS_YES=yes environment variable to be able to bootstrap in non-interactive (stdin not being a tty)"
)
BOOTSTRAPPING = (
    "Bootstrapping pkg from pkg+https://pkg.FreeBSD.org/FreeBSD:15:amd64/quarterly, please wait...\n"
    "Verifying signature with trusted certificate pkg.freebsd.org.2013102301... done"
)
CATALOGUE = "Updating FreeBSD repository catalogue...\nFreeBSD repository is up to date.\nAll repositories are up to date."


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, words = options(argv, "dN46v", USAGE)
    letters = {letter for letter, _value in found}
    if "N" in letters:
        return _is_there(host)
    if "v" in letters and not words:
        print(packages.REPOSITORY["pkg"].version)
        return 0
    if not words:
        raise Usage(USAGE)
    command, *arguments = words
    if not packages.is_installed(host, "pkg"):
        if "-y" not in arguments and os.environ.get("ASSUME_ALWAYS_YES", "").lower() not in ("yes", "true", "1"):
            print(NOT_YET, file=sys.stderr)
            return 1
        print(BOOTSTRAPPING)
        _report([], packages.install(host, []))
        if command == "bootstrap":
            return 0
    if command not in COMMANDS:
        raise NotSimulated(command)
    return COMMANDS[command](host, arguments)


def _is_there(host: Host) -> int:
    present = packages.installed(host)
    if not present:
        raise CommandError("pkg is not installed")
    print(f"pkg: {len(present)} packages installed", file=sys.stderr)
    return 0


def _bootstrap(host: Host, arguments: list[str]) -> int:
    print("pkg already bootstrapped at /usr/local/sbin/pkg")
    return 0


def _matching(host: Host, name: str, *, glob: bool) -> list[str]:
    """The installed packages that a name stands for: itself, with its version, its origin, or a pattern."""
    found = []
    for package, version in sorted(packages.installed(host).items()):
        names = (package, f"{package}-{version}", packages.REPOSITORY[package].origin)
        if any(fnmatch.fnmatchcase(each, name) if glob else each == name for each in names):
            found.append(package)
    return found


def _info(host: Host, arguments: list[str]) -> int:
    found, names = options(arguments, "eqg", USAGE)
    letters = {letter for letter, _value in found}
    if "e" not in letters:
        raise NotSimulated("info without -e")
    if not names:
        raise Usage(USAGE)
    return 0 if all(_matching(host, name, glob="g" in letters) for name in names) else 1


def _query(host: Host, arguments: list[str]) -> int:
    if len(arguments) < 2 or arguments[0].startswith("-"):
        raise NotSimulated("query without a name, or with options")
    text, *names = arguments
    present = packages.installed(host)
    code = 0
    for name in names:
        matching = _matching(host, name, glob=False)
        code = code if matching else 1
        for package in matching:
            values = {"%n": package, "%v": present[package], "%o": packages.REPOSITORY[package].origin, "%%": "%"}
            if unknown := {text[at : at + 2] for at, letter in enumerate(text) if letter == "%" and text[at - 1 : at] != "%"} - values.keys():
                raise NotSimulated(f"query {min(unknown)}")
            shown = text
            for placeholder, value in values.items():
                shown = shown.replace(placeholder, value)
            print(shown)
    return code


def _install(host: Host, arguments: list[str]) -> int:
    found, names = options(arguments, "yUgqf", USAGE)
    letters = {letter for letter, _value in found}
    if not names:
        raise Usage("Usage: pkg install [-AfIMnFqRUy] [-r reponame] [-Cgix] <pkg-name> ...")
    if "U" not in letters and "q" not in letters:
        print(CATALOGUE)
    if unknown := [name for name in names if name not in packages.REPOSITORY]:
        raise CommandError(f"No packages available to install matching '{unknown[0]}' have been found in the repositories")
    if "y" not in letters and os.environ.get("ASSUME_ALWAYS_YES", "").lower() not in ("yes", "true", "1"):
        raise NotSimulated("asking before it installs")
    made = packages.install(host, names)
    if not made:
        print("The most recent versions of packages are already installed")
    elif "q" not in letters:
        _report(names, made)
    return 0


def _report(names: list[str], made: list[str]) -> None:
    if names:
        print(f"The following {len(made)} package(s) will be affected (of 0 checked):\n\nNew packages to be INSTALLED:")
        for name in made:
            print(f"\t{name}: {packages.REPOSITORY[name].version} [FreeBSD]")
        print(f"\nNumber of packages to be installed: {len(made)}\n")
    for number, name in enumerate(made, start=1):
        full = f"{name}-{packages.REPOSITORY[name].version}"
        print(f"[{number}/{len(made)}] Installing {full}...\n[{number}/{len(made)}] Extracting {full}: .......... done")


def _delete(host: Host, arguments: list[str]) -> int:
    found, names = options(arguments, "yqf", USAGE)
    if "y" not in {letter for letter, _value in found}:
        raise NotSimulated("asking before it removes")
    present = [package for name in names for package in _matching(host, name, glob=False)]
    if len(present) < len(names):
        missing = next(name for name in names if not _matching(host, name, glob=False))
        print(f"No packages matched for pattern '{missing}'\n", file=sys.stderr)
        print("Checking integrity... done (0 conflicting)\n1 packages requested for removal: 0 locked, 1 missing")
        return 1
    packages.remove(host, present)
    for number, name in enumerate(present, start=1):
        print(f"[{number}/{len(present)}] Deinstalling {name}-{packages.REPOSITORY[name].version}...")
    return 0


def _update(host: Host, arguments: list[str]) -> int:
    print(CATALOGUE)
    return 0


COMMANDS: dict[str, t.Callable[[Host, list[str]], int]] = {
    "bootstrap": _bootstrap,
    "delete": _delete,
    "info": _info,
    "install": _install,
    "query": _query,
    "remove": _delete,
    "update": _update,
}
