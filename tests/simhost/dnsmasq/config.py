# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dnsmasq's configuration file."""

from __future__ import annotations

import re

from ..program import NotSimulated
from ..state import Host
from .directives import DIRECTIVES, NOT_SIMULATED, Bad

# A comma in quotes, which separates nothing.
COMMA = "\ue02c"
ESCAPES = {"n": "\n", "t": "\t", "b": "\b", "r": "\r", "e": "\033"}


class Fatal(Exception):
    """dnsmasq says why, and ends with an exit code: 1 configuration, 2 network, 3 files, 5 anything else."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Config:
    """The directives in their order, and the files that they were read from, path: text."""

    def __init__(self) -> None:
        self.directives: list[tuple[str, str]] = []
        self.files: dict[str, str] = {}

    def has(self, name: str) -> bool:
        return any(directive == name for directive, _argument in self.directives)

    def all(self, name: str) -> list[str]:
        """The arguments of a directive that may be repeated."""
        return [argument.replace(COMMA, ",") for directive, argument in self.directives if directive == name]

    def one(self, name: str, default: str = "") -> str:
        """The argument of a directive that stands there once."""
        return next(iter(self.all(name)), "") or default

    def lists(self, name: str) -> list[list[str]]:
        """The arguments of a directive that may be repeated, split at their commas."""
        return [[word.strip().replace(COMMA, ",") for word in argument.split(",")] for directive, argument in self.directives if directive == name and argument]

    def words(self, name: str) -> list[str]:
        """All that a directive lists, repeated or with commas."""
        return [word for listed in self.lists(name) for word in listed if word]


def read(host: Host, path: str) -> Config:
    """Read and check a configuration file; raises Fatal with dnsmasq's complaint."""
    config = Config()
    try:
        text = config.files[path] = host.path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Fatal(f"cannot read {path}: No such file or directory", 3) from None
    except IsADirectoryError:
        raise Fatal(f"cannot read {path}: Is a directory", 3) from None
    addresses: set[str] = set()
    names: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            if directive := _directive(config, line):
                _repeated(*directive, addresses, names)
                config.directives.append(directive)
        except Bad as bad:
            raise Fatal(f"{bad} at line {number} of {path}", 1) from None
    _check_aliases(names)
    return config


def _directive(config: Config, line: str) -> tuple[str, str] | None:
    """The name and argument of a line, if there are any."""
    text = _unquoted(line).strip()
    if not text:
        return None
    name, equals, argument = text.partition("=")
    name, argument = name.rstrip(" "), argument.lstrip(" ")
    if name in NOT_SIMULATED:
        raise NotSimulated(f"the directive {name}")
    directive = DIRECTIVES.get(name)
    if directive is None or '"' in line.partition("=")[0]:
        raise Bad("bad option")
    if equals and directive.argument == "no":
        raise Bad("extraneous parameter")
    if not equals and directive.argument == "must":
        raise Bad("missing parameter")
    if directive.once and config.has(name):
        raise Bad("illegal repeated keyword")
    if name == "cache-size" and not equals:
        raise Bad("error")
    if equals:
        directive.check(argument)
    return name, argument


def _unquoted(line: str) -> str:
    """The line without its comment; what is in double quotes keeps its spaces, number signs and commas."""
    text, position, quoted = "", 0, False
    while position < len(line):
        character = line[position]
        if character == '"':
            quoted = not quoted
        elif character == "\\" and line[position + 1 : position + 2] and line[position + 1] in '\\"ntbre':
            position += 1
            text += ESCAPES.get(line[position], line[position])
        elif character == "," and quoted:
            text += COMMA
        elif character == "#" and not quoted and (not text or text[-1].isspace()):
            break
        else:
            text += character
        position += 1
    if quoted:
        raise Bad('missing "')
    return text


def _repeated(name: str, argument: str, addresses: set[str], names: dict[str, str]) -> None:
    """What two directives may not both say."""
    if name == "dhcp-host":
        address = next((field for field in argument.split(",") if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", field)), "")
        if address in addresses:
            raise Bad(f"duplicate dhcp-host IP address {address}")
        addresses |= {address} - {""}
    elif name == "cname":
        *aliases, target = (field.strip() for field in re.sub(r",\s*[0-9]+$", "", argument).split(","))
        for alias in aliases:
            if alias in names:
                raise Bad("duplicate CNAME")
            names[alias] = target


def _check_aliases(names: dict[str, str]) -> None:
    for alias in reversed(names):
        seen = {alias}
        target = names[alias]
        while target in names and target not in seen:
            seen.add(target)
            target = names[target]
        if target in seen:
            raise Fatal(f"CNAME loop involving {alias}", 1)
