# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all actions need: the configuration that is read, reporting of errors, and values that are only passed on."""

from __future__ import annotations

import re
import typing as t

from ..configuration import Configuration
from ..hosts import Resolver
from ..lalr import ActionError
from ..rules import Rule

NAME_SIZE = 64
TABLE_NAME_SIZE = 32
INTERFACE_NAME_SIZE = 16
UINT_MAX = 0xFFFFFFFF

_C_NUMBER = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_ORDER = ("", "options", "ethernet", "normalization", "queueing", "translation", "filtering")
_WRONG_ORDER = "Rules must be in order: options, ethernet, normalization, queueing, translation, filtering"


def strtoul(text: str) -> int | None:
    """A number in C's notation (strtoul(3) with base 0), or None."""
    number = _C_NUMBER.fullmatch(text)
    if not number:
        return None
    sign, digits = number.groups()
    return int(sign + digits, 8 if digits[0] == "0" and digits[1:].isdigit() else 0)


class Actions:
    """Actions report errors by ``fail``, which leaves the statement; their names are those in the grammar."""

    configuration: Configuration
    resolver: Resolver
    # The number of routing tables, sysctl net.fibs.
    fibs: int
    require_order = True
    # The section that the last statement belonged to.
    section = ""

    def error(self, message: str) -> None:
        """Report an error of the current line."""
        raise NotImplementedError

    def location(self) -> str:
        """File and line."""
        raise NotImplementedError

    def fail(self, message: str) -> t.NoReturn:
        """Report an error and skip the statement."""
        self.error(message)
        raise ActionError

    def say(self, text: str) -> None:
        """Print what -v asks for."""
        if self.configuration.flags.verbose:
            print(text)

    def in_order(self, section: str) -> None:
        """Fail if a statement of ``section`` comes too late."""
        if self.require_order and _ORDER.index(self.section) > _ORDER.index(section):
            self.fail(_WRONG_ORDER)
        self.section = section

    def unsigned(self, *numbers: int) -> None:
        """Fail if a number does not fit 32 bits."""
        if not all(0 <= number <= UINT_MAX for number in numbers):
            self.fail("only positive values permitted")

    # ---- expand.Context ----

    def append(self, rule: Rule, anchor_call: str) -> None:
        """Add a rule to the current anchor."""
        self.configuration.append(rule, anchor_call)

    def interface_index(self, name: str) -> int:
        """The number of an interface, 0 if there is none."""
        return self.resolver.interfaces.index(name)

    def interface_name_of(self, index: int) -> str:
        """The interface of a number, "" if there is none."""
        return self.resolver.interfaces.name_of(index) if index else ""

    # ---- values that are only passed on ----

    def empty(self) -> list[t.Any]:
        return []

    def empty_dict(self) -> dict[str, t.Any]:
        return {}

    def true(self, *_: t.Any) -> bool:
        return True

    def false(self) -> bool:
        return False

    def none(self, *_: t.Any) -> None:
        return None

    def first(self, *values: t.Any) -> t.Any:
        return values[0]

    def second(self, *values: t.Any) -> t.Any:
        return values[1]

    def third(self, *values: t.Any) -> t.Any:
        return values[2]

    def fourth(self, *values: t.Any) -> t.Any:
        return values[3]

    def one(self, _keyword: str, value: t.Any) -> list[t.Any]:
        return [value]

    def list_one(self, value: t.Any) -> list[t.Any]:
        return [value]

    def list_first(self, value: t.Any, _newlines: None) -> list[t.Any]:
        return [value]

    def list_more(self, values: list[t.Any], _comma: str | None, value: t.Any, _newlines: None) -> list[t.Any]:
        return [*values, value]

    def list_next(self, values: list[t.Any], _comma: str | None, value: t.Any) -> list[t.Any]:
        return [*values, value]

    def list_append(self, values: list[t.Any], value: t.Any) -> list[t.Any]:
        return [*values, value]

    def concatenate(self, values: list[t.Any], _comma: str | None, more: list[t.Any], _newlines: None) -> list[t.Any]:
        return values + more

    def join(self, word: str, rest: str) -> str:
        return f"{word} {rest}"

    def number_to_string(self, number: int) -> str:
        return str(number)

    def string_to_number(self, text: str) -> int:
        number = strtoul(text)
        if number is None:
            self.fail(f"{text} is not a number")
        return number
