# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a configuration: its files, macros and statements."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

from ..program import NotSimulated
from . import lalr
from .actions.filtering import Filtering
from .actions.options import Options
from .actions.settings import Tables
from .configuration import Configuration
from .hosts import Resolver
from .lexer import Lexer, Source
from .messages import warn

GRAMMAR = Path(__file__).with_name("grammar.lark")


class Files(t.Protocol):
    """Where configuration files come from."""

    def read(self, name: str) -> str:
        """The text of a file; OSError if it cannot be read."""


class Statements(Options, Filtering):
    """Reads one configuration: builds its rules and options in ``configuration``, prints what -v prints.

    ``anchors_to_load`` gets what `load anchor` statements ask for: anchor path and file. ``macros`` are those of the command line,
    which the file cannot change.
    """

    def __init__(
        self,
        configuration: Configuration,
        resolver: Resolver,
        files: Files,
        tables: Tables,
        *,
        macros: dict[str, str],
        anchors_to_load: list[tuple[str, str]],
        fibs: int,
    ) -> None:
        self.configuration = configuration
        self.resolver = resolver
        self.tables = tables
        self.anchors_to_load = anchors_to_load
        self.fibs = fibs
        self._files = files
        self._fixed_macros = dict(macros)
        self._lexer: Lexer

    def parse(self, name: str) -> bool:
        """Read a file, "-" being stdin; False after errors, which have been reported."""
        try:
            source = self._open(name, 1)
        except OSError as error:
            warn(f"cannot open the main config file!: {error.strerror}")
            return False
        self._lexer = Lexer(source, dict(self._fixed_macros), self.error)
        # What cannot be recovered from has been reported, too.
        lalr.parse(lalr.load_table(GRAMMAR), self._lexer.next, self, lambda: self.error("syntax error"))
        if self.configuration.flags.very_verbose:
            for macro in self._lexer.macros:
                if macro not in self._lexer.used_macros:
                    print(f"warning: macro '{macro}' not used", file=sys.stderr)
        return not source.errors

    def _open(self, name: str, line: int) -> Source:
        try:
            return Source("stdin" if name == "-" and line else name, self._files.read(name), line)
        except OSError as error:
            warn(f"pushfile: {name}: {error.strerror}")
            raise

    def error(self, message: str) -> None:
        """Report an error of the current line."""
        print(f"{self.location()}: {message}", file=sys.stderr)
        self._lexer.source.errors += 1

    def location(self) -> str:
        """File and line of the last token."""
        return f"{self._lexer.source.name}:{self._lexer.line}"

    # ---- actions ----

    def count_error(self, *_: t.Any) -> None:
        self._lexer.source.errors += 1

    def include(self, _keyword: str, name: str) -> None:
        try:
            self._lexer.include(self._open(name, 0))
        except OSError:
            self.fail(f"failed to include file {name}")

    def macro(self, name: str, _equals: str, value: str) -> None:
        self.say(f'{name} = "{value}"')
        if any(character.isspace() for character in name[1:]):
            self.fail("macro name cannot contain whitespace")
        if name not in self._fixed_macros:
            self._lexer.macros[name] = value
            self._lexer.used_macros.discard(name)

    def not_simulated_ether(self, _keyword: str) -> t.NoReturn:
        raise NotSimulated("ethernet rules")

    def not_simulated_altq(self, _keyword: str) -> t.NoReturn:
        raise NotSimulated("ALTQ")
