# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a user's nested mappings: every problem with its path, all of them at once, unknown keys with the nearest known one."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import difflib
import re
import typing as t

T = t.TypeVar("T")


class Refused(ValueError):
    """A value that cannot be taken; the text says which values can."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing wrong with the input: where, what was found there, and what is allowed there instead."""

    path: str
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}; allowed: {self.allowed}"


class SpecError(ValueError):
    """Everything that is wrong with an input; `problems` is never empty."""

    def __init__(self, problems: c.Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Problems:
    """Collects problems while reading goes on."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, path: str, found: object, allowed: str) -> None:
        self._found.append(Problem(path, found if isinstance(found, Phrase) else _shown(found), allowed))

    def raise_if_any(self) -> None:
        """Raise SpecError with what was added, in the order of the input's networks."""
        if self._found:
            raise SpecError(sorted(self._found, key=lambda problem: [int(part) for part in re.findall(r"\[(\d+)]", problem.path)[:1]]))


class Phrase(str):
    """Words for `found` that are not a value of the user's, and so are not quoted."""


NOTHING = Phrase("nothing")


def _shown(value: object) -> str:
    text = repr(str(value)) if isinstance(value, str) else repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


class Section:
    """One mapping of the input at `path`. Hands out its values; `close` complains of the keys that nobody asked for."""

    def __init__(self, value: object, path: str, problems: Problems, *, readable: bool = True) -> None:
        self.path = path
        self.problems = problems
        # What cannot be read is complained of once, not again for each key that it lacks.
        self.readable = readable and (value is None or isinstance(value, c.Mapping))
        self._asked: set[str] = set()
        self._values: c.Mapping[object, object] = value if isinstance(value, c.Mapping) else {}
        if readable and not self.readable:
            problems.add(path, value, "a mapping of keys to values")

    def at(self, key: str) -> str:
        return f"{self.path}.{key}"

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return self._values.get(key) is not None

    def empty(self, key: str) -> bool:
        """Whether the key is missing, or has nothing behind it."""
        return self._values.get(key) in (None, [], (), {})

    def value(self, key: str, read: c.Callable[[object], T], *, default: T | None = None, required: str = "") -> T | None:
        """The value of `key` as `read` makes it: `default` if missing, None if refused. `required` says what is missing."""
        self._asked.add(key)
        raw = self._values.get(key)
        if raw is None:
            if required and self.readable:
                self.problems.add(self.at(key), NOTHING, required)
            return default
        try:
            return read(raw)
        except Refused as refusal:
            self.problems.add(self.at(key), raw, str(refusal))
            return None

    def values(self, key: str, read: c.Callable[[object], T]) -> tuple[T, ...]:
        """The values of the list below `key` as `read` makes them, without those that it refuses."""
        self._asked.add(key)
        raw = self._values.get(key)
        if raw is None:
            return ()
        if not isinstance(raw, c.Sequence) or isinstance(raw, (str, bytes)):
            self.problems.add(self.at(key), raw, "a list")
            return ()
        taken = []
        for index, item in enumerate(raw):
            try:
                taken.append(read(item))
            except Refused as refusal:
                self.problems.add(f"{self.at(key)}[{index}]", item, str(refusal))
        return tuple(taken)

    def refuse(self, key: str, found: object, allowed: str) -> None:
        """Add a problem at `key`, or at the section itself with an empty key."""
        self.problems.add(self.at(key) if key else self.path, found, allowed)

    def section(self, key: str) -> Section:
        """The mapping below `key`; an empty one if the key is missing."""
        self._asked.add(key)
        return Section(self._values.get(key), self.at(key), self.problems, readable=self.readable)

    def sections(self, key: str) -> list[Section] | None:
        """The mappings of the list below `key`; empty if the key is missing, None if no list is there."""
        self._asked.add(key)
        return sections(self._values[key], self.at(key), self.problems) if self.has(key) else []

    def close(self) -> None:
        for key in self._values:
            if key not in self._asked:
                near = difflib.get_close_matches(str(key), self._asked, n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                self.problems.add(self.at(str(key)), Phrase("an unknown key"), f"{', '.join(sorted(self._asked))}{hint}")


def sections(value: object, path: str, problems: Problems) -> list[Section] | None:
    """A list of mappings at `path`, each as a section with its index in the path; None, and a problem, if it is no list."""
    if not isinstance(value, c.Sequence) or isinstance(value, (str, bytes)):
        problems.add(path, NOTHING if value is None else value, "a list of mappings")
        return None
    return [Section(NOTHING if item is None else item, f"{path}[{index}]", problems) for index, item in enumerate(value)]


def _field(default: object, read: c.Callable[[Section, str], object]) -> t.Any:
    return dataclasses.field(default=default, metadata={"read": read})  # pylint: disable=invalid-field-call  # it is called by those who make dataclasses


def key(read: c.Callable[[object], T], *, default: T | None = None, required: str = "") -> t.Any:
    """A dataclass field that is read by `read`: `default` if it is missing, None if it is refused."""
    return _field(default, lambda section, name: section.value(name, read, default=default, required=required))


def each(read: c.Callable[[object], T]) -> t.Any:
    """A dataclass field that is a list of values, each read by `read`; a tuple, empty if the key is missing."""
    return _field((), lambda section, name: section.values(name, read))


def part(kind: type[T], *, missing: T | None = None) -> t.Any:
    """A dataclass field that is a mapping, read into the dataclass `kind`; `missing` stands for it if the key is missing or says nothing."""

    def read(section: Section, name: str) -> T | None:
        inner = section.section(name)
        if not section.has(name):
            return missing
        made = read_section(kind, inner)
        return made if plain(made) else missing

    return _field(missing, read)


def parts(kind: type[t.Any]) -> t.Any:
    """A dataclass field that is a list of mappings, each read into the dataclass `kind`; a tuple, empty if the key is missing."""
    return _field((), lambda section, name: tuple(read_section(kind, item) for item in section.sections(name) or ()))


def read_section(kind: type[T], section: Section) -> T:
    """Read a mapping into a dataclass whose fields are made by `key`, `each`, `part` and `parts`.

    A class with a `read` of its own is asked instead. Its `check`, if it has one, adds the problems that show only when the
    values are seen together; a field that was refused is None there.
    """
    own = getattr(kind, "read", None)
    if own:
        made = t.cast(T, own(section))
    else:
        fields = dataclasses.fields(t.cast(t.Any, kind))
        made = kind(**{field.name: field.metadata["read"](section, field.name) for field in fields})
    section.close()
    if hasattr(made, "check") and section.readable:
        made.check(section)
    return made


def taken(value: object) -> bool:
    """Whether a field was read. For `check`: a field that has to be there is None all the same after it was refused."""
    return value is not None


def plain(value: object) -> t.Any:
    """Plain data of dataclasses: what `read_section` would read into an equal one; what is missing or empty is left out."""
    if hasattr(value, "plain"):
        return value.plain()
    if dataclasses.is_dataclass(value):
        items = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {name: item for name, item in items.items() if item not in (None, [], {})}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, str, dict)) else str(value)


def text(value: object) -> str:
    """Reads a non-empty string."""
    if not isinstance(value, str) or not value:
        raise Refused(f"a string{'' if isinstance(value, str) else ' in quotes'} that is not empty")
    return str(value)


def boolean(value: object) -> bool:
    """Reads a boolean as YAML or a Jinja2 template gives it."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "yes", "false", "no"):
        return value.lower() in ("true", "yes")
    raise Refused("true or false")


def integer(low: int, high: int) -> c.Callable[[object], int]:
    """A reader of whole numbers from `low` to `high`; digits in a string count, since templates make strings."""

    def read(value: object) -> int:
        if not isinstance(value, bool) and isinstance(value, (int, str)):
            try:
                number = int(value)
            except ValueError:
                number = low - 1
            if low <= number <= high:
                return number
        raise Refused(f"a whole number from {low} to {high}")

    return read


def choice(*choices: str) -> c.Callable[[object], str]:
    """A reader of one word out of `choices`."""

    def read(value: object) -> str:
        if isinstance(value, str) and value in choices:
            return str(value)
        near = difflib.get_close_matches(str(value).lower(), choices, n=1)
        raise Refused(" or ".join(choices) + (f" (did you mean {near[0]}?)" if near else ""))

    return read
