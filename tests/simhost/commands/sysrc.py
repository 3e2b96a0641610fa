# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sysrc(8): variables of rc.conf(5)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import typing as t

from ..program import CommandError, Exit, NotSimulated, Usage, options
from ..rc import config
from ..state import Host

USAGE = "Usage: sysrc [OPTIONS] {name[[+|-]=value] ... | -a | -A | -l | -L [name ...]}\nTry `sysrc --help' for more information."
DEFAULTS = "/etc/defaults/rc.conf"
SPECIAL = {"rc_conf_files", "source_rc_confs_defined"}


class Request:
    """The options of one call, and the files that it works on."""

    def __init__(self, host: Host, found: list[tuple[str, str]]) -> None:
        self.host = host
        self.letters = {letter for letter, _value in found}
        if refused := self.letters & set("djLXR"):
            raise NotSimulated(f"-{min(refused)}")
        files = [file for letter, value in found if letter == "f" for file in value.split()]
        override = os.environ.get("RC_CONFS")
        self.only_files: list[str] | None = files if files else [] if "D" in self.letters else override.split() if override is not None else None
        services = [value for letter, value in found if letter == "s"]
        if services and self.only_files is None:
            self.only_files = [*self.startup_files(), *(file for prefix in ("/etc", "/usr/local/etc") for file in self._service_files(prefix, services[-1]))]
        if "E" in self.letters:
            self.only_files = [file for file in self.files() if self.host.path(file).is_file()]
        self.equals = "e" in self.letters and not self.letters & set("nNF")
        self.quiet = "q" in self.letters
        self.verbose = "v" in self.letters
        self._values: dict[str, str] | None = None

    def _service_files(self, prefix: str, service: str) -> list[str]:
        path = f"{prefix}/rc.conf.d/{service}"
        folder = self.host.path(path)
        return sorted(f"{path}/{entry.name}" for entry in folder.iterdir() if entry.is_file()) if folder.is_dir() else [path]

    def startup_files(self) -> list[str]:
        """The files that the boot reads."""
        return config.sourced(self.host, [DEFAULTS]).get("rc_conf_files", "").split()

    def files(self) -> list[str]:
        """The files to look in and to change, the last one first to be looked in."""
        return self.startup_files() if self.only_files is None else self.only_files

    def values(self) -> dict[str, str]:
        """All variables with their values, defaults included."""
        if self._values is None:
            if self.only_files is None:
                self._values = config.load(self.host)
            else:
                self._values = config.sourced(self.host, [DEFAULTS, *self.only_files])
        return self._values

    def changed(self) -> None:
        """The files are not what they were."""
        self._values = None

    def find(self, name: str) -> str:
        """The file with the assignment that counts, or nothing."""
        for file in (*reversed(self.files()), DEFAULTS):
            path = self.host.path(file)
            if path.is_file() and re.search(rf"^\s*{re.escape(name)}=", path.read_text(encoding="utf-8"), re.MULTILINE):
                return file
        return ""


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    if not argv:
        raise Usage(USAGE)
    for word in argv:
        if word == "--":
            break
        if word == "--version":
            print("7.2 Jun-16,2018")
            raise Exit(1)
        if word == "--help":
            raise NotSimulated("--help")
    found, words = options(argv, "aAcdDeEf:Fhij:lLnNqR:s:vxX", USAGE, script=True)
    request = Request(host, found)
    letters = request.letters
    if "h" in letters:
        raise Usage(USAGE)
    for word in words:
        name = re.sub(r"(:[+=-]|[%#+=-]).*", "", word, flags=re.DOTALL)
        if not re.fullmatch(r"[A-Za-z0-9_]*", name):
            raise CommandError(f"{name}: name contains characters not allowed in shell")
        if not re.fullmatch(r"[A-Za-z0-9_]*([+-]?=.*)?", word, re.DOTALL):
            raise NotSimulated(f"the shell expansion {word}")
    if "l" in letters:
        print(DEFAULTS if "D" in letters else " ".join(request.files()))
        return 0
    show_all = letters & {"a", "A"}
    if not words and not show_all:
        raise Usage(USAGE)
    for option in "xc":
        if show_all and option in letters:
            more = " (use `-X' to override)" if option == "x" else ""
            raise CommandError(f"`-{option}' option incompatible with `-a'/`-A' options{more}")
    _check_syntax(request)
    if show_all:
        _show_all(request, everything="A" in letters)
        return 0
    # Each variable is handled even when one before it failed.
    return max([_handle(request, word) for word in words])


def _check_syntax(request: Request) -> None:
    for file in (DEFAULTS, *request.files()):
        path = request.host.path(file)
        if path.exists():
            check = subprocess.run(["/bin/sh", "-n", str(path)], capture_output=True, text=True, check=False)
            if check.returncode != 0:
                print(check.stderr.replace(str(path), file), end="", file=sys.stderr)
                raise CommandError("Exiting due to previous syntax errors")


def _line(request: Request, name: str, value: str) -> str:
    """A variable and its value in the form that the options ask for."""
    if "N" in request.letters:
        return name
    if "n" in request.letters:
        return value
    return f'{name}="{value}"' if request.equals else f"{name}: {value}"


def _show_all(request: Request, *, everything: bool) -> None:
    values = request.values()
    if not everything:
        # Only what the files set, be it to the default's value.
        own = config.sourced(request.host, request.files())
        values = {name: value for name, value in values.items() if name in own}
    for name in sorted(values):
        if name in SPECIAL and not everything:
            continue
        if "F" in request.letters:
            print((f"{name}: " if "n" not in request.letters else "") + request.find(name))
            continue
        print((f"{request.find(name)}: " if request.verbose else "") + _line(request, name, values[name]))


def _handle(request: Request, word: str) -> int:
    """Show, check, set or delete one variable; 1 when that failed."""
    name, equals, argument = word.partition("=")
    mode = ""
    if equals and name[-1:] in "+-":
        name, mode = name[:-1], name[-1]
    if equals and "x" not in request.letters:
        return _assign(request, name, mode, argument)
    if name not in request.values() and not equals:
        if "i" not in request.letters and not request.quiet:
            print(f"sysrc: unknown variable '{name}'", file=sys.stderr)
        return 1
    if "x" in request.letters:
        _delete(request, name)
        return 0
    if "c" in request.letters:
        return 0
    if "F" in request.letters:
        print(("" if "n" in request.letters else f"{name}: ") + request.find(name))
        return 0
    prefix = f"{request.find(name)}: " if request.verbose and not request.equals else f": {request.find(name)}; " if request.verbose else ""
    print(prefix + _line(request, name, request.values()[name]))
    return 0


def _combined(before: str, mode: str, argument: str) -> str:
    """The value of ``name+=`` and ``name-=``; the argument's first character may be the separator."""
    separator = argument[:1]
    if not separator or separator.isspace() or re.match(r"[A-Za-z0-9./]", separator):
        separator = " "
    split: t.Callable[[str], list[str]] = str.split if separator == " " else lambda text: text.split(separator)
    held, given = split(before), [item for item in split(argument) if item]
    if mode == "+":
        return (before + "".join(separator + item for item in given if item not in held)).removeprefix(separator)
    return separator.join(item for item in held if item and item not in given)


def _assign(request: Request, name: str, mode: str, argument: str) -> int:
    values = request.values()
    before = values.get(name, "")
    new = _combined(before, mode, argument) if mode else argument
    if "c" in request.letters:
        return _check(request, name, before, new)
    if request.verbose:
        file = request.find(name)
        file = request.files()[0] if file in ("", DEFAULTS) else file
        print(f": {file}; " if request.equals else f"{file}: ", end="")
    if "F" in request.letters:
        before = request.find(name)
    if not request.files():
        raise CommandError("no file to change")
    if "N" in request.letters:
        print(name)
    _write(request, name, new)
    request.changed()
    if "N" in request.letters:
        return 0
    after = request.find(name) if "F" in request.letters else request.values().get(name, "")
    if "n" in request.letters:
        print(f"{before} -> {after}")
    elif request.equals:
        print(f'{name}="{before}" # -> "{after}"')
    else:
        print(f"{name}: {before} -> {after}")
    return 0


def _check(request: Request, name: str, before: str, new: str) -> int:
    if name not in request.values():
        if request.verbose:
            print(f"{name}: not currently set")
        return 1
    if request.verbose:
        change = f"would change from `{before}' to `{new}'" if new != before else f"already set to `{before}'"
        print(f"{request.find(name)}: {name}: {change}")
    return 1 if new != before else 0


def _write(request: Request, name: str, value: str) -> None:
    """Replace the last assignment in the file that has it, or append one to the first file."""
    file = request.find(name)
    if file in ("", DEFAULTS):
        path = request.host.path(request.files()[0])
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if text and not text.endswith("\n"):
            text += "\n"
        path.write_text(f'{text}{name}="{value}"\n', encoding="utf-8")
        return
    path = request.host.path(file)
    lines = path.read_text(encoding="utf-8").splitlines()
    last = max(number for number, line in enumerate(lines) if re.match(rf"\s*{re.escape(name)}=", line))
    replaced = _replaced(lines[last], name, value)
    if replaced is None:
        lines.append(f'{name}="{value}"')
    else:
        lines[last] = replaced
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _replaced(line: str, name: str, value: str) -> str | None:
    """A line with another value, quotes and what follows them kept; None for an expression that sysrc leaves alone."""
    start = re.match(rf"\s*{re.escape(name)}=", line)
    assert start
    old = line[start.end() :]
    if old[:1] in ("`", "$", "\\"):
        return None
    if not old:
        return f"{line}{value}"  # an empty assignment stays without quotes
    if old[:1] == "'":
        rest = re.sub(r"^'[^']*'?", "", old)
        return f"{start[0]}'{value}'{rest}"
    rest = re.sub(r'^("(\\.|[^"\\])*"?|[^\s;"]*)', "", old)
    return f'{start[0]}"{value}"{rest}'


def _delete(request: Request, name: str) -> None:
    for file in request.files():
        path = request.host.path(file)
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if not re.match(rf"\s*{re.escape(name)}=", line)]
            if kept != lines:
                path.write_text("".join(kept), encoding="utf-8")
    request.changed()
