# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sysctl(8)."""

from __future__ import annotations

import re
import sys
import typing as t

from ..kernel import sysctl
from ..kernel.errors import KernelError
from ..program import NotSimulated, Usage, options
from ..state import Host

USAGE = (
    "usage: sysctl [-j jail] [-bdeFhiJlNnoqTtVWx] [ -B <bufsize> ] [-f filename] name[=value] ...\n"
    "       sysctl [-j jail] [-bdeFhJlNnoqTtVWx] [ -B <bufsize> ] -a"
)


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, names = options(argv, "AaB:bdeFf:hiJj:lNnoqTtVWwXx", USAGE)
    letters = {letter for letter, _value in found}
    if unknown := letters - set("aeiNnqwf"):
        raise NotSimulated(f"-{min(unknown)}")
    if "N" in letters and "n" in letters:
        raise Usage(USAGE)
    assignments = [line for letter, value in found if letter == "f" for line in _lines(host, value)]
    if "a" in letters and not names:
        for name in host.kernel["sysctl"]:
            if sysctl.matching(host.kernel, name):
                print(_shown(host, name, letters))
        return 0
    if not names and not assignments:
        raise Usage(USAGE)
    return sum(_handle(host, word, letters) for word in (*assignments, *names))


def _lines(host: Host, file: str) -> list[str]:
    """The assignments of a file such as sysctl.conf."""
    lines = (line.partition("#")[0].strip() for line in host.path(file).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _shown(host: Host, name: str, letters: set[str]) -> str:
    value = host.kernel["sysctl"][name]
    if "n" in letters:
        return str(value)
    return name if "N" in letters else f"{name}{'=' if 'e' in letters else ': '}{value}"


def _warn(text: str) -> int:
    print(f"sysctl: {text}", file=sys.stderr)
    return 1


def _handle(host: Host, word: str, letters: set[str]) -> int:
    """Show or set one variable, or show a tree of them; return the number of warnings."""
    match = re.fullmatch(r"([^=:]*?)\s*(?:[=:]\s*(.*))?", word, re.DOTALL)
    assert match
    name, value = match[1], match[2]
    variables = sysctl.matching(host.kernel, name)
    if not variables:
        if "i" in letters:
            return 0
        return 1 if "q" in letters else _warn(f"unknown oid '{name}'")
    if value is None:
        for variable in variables:
            print(_shown(host, variable, letters))
        return 0
    if variables != [name]:
        return _warn(f"oid '{name}' isn't a leaf node")
    if len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]:
        value = value[1:-1]
    if name in sysctl.READ_ONLY:
        return _warn(f"oid '{name}' is read only")
    if name not in sysctl.STRINGS:
        if not value:
            return _warn("empty numeric value")
        if not re.fullmatch(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)", value):
            return _warn(f"invalid integer '{value}'")
        value = str(int(value, 0) if not re.fullmatch(r"0[0-9]+", value) else int(value, 8))
    shown = _shown(host, name, letters)
    try:
        sysctl.set_value(host.kernel, name, value)
    except KernelError as error:
        print(shown)
        return _warn(f"{word}: {error}")
    print(f"{shown} -> {value}")
    return 0
