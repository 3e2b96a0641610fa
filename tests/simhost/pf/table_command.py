# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``pfctl -t TABLE -T COMMAND``."""

from __future__ import annotations

import dataclasses
import re
import sys
import time
import typing as t

from ..program import CommandError, Exit, NotSimulated
from .display import print_counters
from .hosts import Resolver
from .kernel import Pf
from .load import MachineFiles, NotAHost, parse_member, read_members, warn_of_duplicates
from .messages import NO_ANCHOR, STALE_ERROR, warn
from .tables import ConstantTable, Member, NoSuchTable, Table

NO_TABLE = "Table does not exist."
# What main() returns for a failure of a table command: -1 as an exit code.
FAILED = 255
# Not all addresses of a test match.
NO_MATCH = 2

# What became of a member; pfctl of FreeBSD 15.1 is not told by additions and deletions.
_NO_FEEDBACK = " "
_NEVER_DRY = ("show", "test", "expire", "reset")
_ADDRESS_COUNTERS = ("In/Block:", "In/Pass:", "Out/Block:", "Out/Pass:")


class _Failed(Exception):
    """The command has failed, and has said why."""


@dataclasses.dataclass
class TableCommand:
    """One table command. ``anchor`` and ``name`` are the table's; ``file`` is that of -f."""

    pf: Pf
    resolver: Resolver
    files: MachineFiles
    anchor: str
    name: str
    arguments: list[str]
    file: str | None
    usage: t.Callable[[], t.NoReturn]
    quiet: bool = False
    verbose: bool = False
    very_verbose: bool = False
    dry_run: bool = False

    def run(self, command: str) -> int:
        """Run a command by its full name and return the exit code."""
        if self.dry_run and command in _NEVER_DRY:
            # The kernel refuses to pretend what changes nothing anyhow, with an error that pfctl takes for another one.
            return self._fail(NO_ANCHOR)
        try:
            return t.cast(int, getattr(self, f"_{command}")())
        except NoSuchTable:
            return self._fail(NO_TABLE)
        except ConstantTable:
            return self._fail("Operation not permitted")
        except _Failed:
            return FAILED

    def _fail(self, message: str) -> int:
        warn(message)
        return FAILED

    def _say(self, text: str) -> None:
        if not self.quiet:
            print(f"{text}{' (dummy)' if self.dry_run else ''}.", file=sys.stderr)

    # ---- tables ----

    def _no_arguments(self) -> None:
        if self.arguments or self.file is not None:
            self.usage()

    def _kill(self) -> int:
        self._no_arguments()
        table = self.pf.tables.find(self.anchor, self.name)
        removed = int(table is not None and table["active"])
        if removed and not self.dry_run:
            self.pf.tables.remove(self.anchor, self.name)
        self._say(f"{removed} table deleted")
        return 0

    def _create(self) -> None:
        warn_of_duplicates(self.pf, self.name, self.anchor)
        table = self.pf.tables.find(self.anchor, self.name)
        if table is not None and table["active"]:
            return
        if not self.dry_run:
            self.pf.create_anchor(self.anchor)
            self.pf.tables.create(self.anchor, self.name)
        self._say("1 table created")
        if self.dry_run:
            raise Exit(0)

    # ---- members ----

    def _members(self, *, only_hosts: bool = False) -> list[Member]:
        members: list[Member] = []
        for word in self.arguments:
            try:
                more = parse_member(word, self.resolver, only_hosts=only_hosts)
            except NotAHost:
                warn(f"cannot decode {word}: Invalid argument")
                raise _Failed from None
            if more is None:
                raise _Failed
            members += more
        if self.file is not None:
            members += self._file_members(self.file, only_hosts=only_hosts)
        return members

    def _file_members(self, name: str, *, only_hosts: bool) -> list[Member]:
        try:
            members = read_members(self.files.read(name), self.resolver, only_hosts=only_hosts)
        except (OSError, NotAHost) as error:
            warn(f"cannot load {name}: {getattr(error, 'strerror', None) or 'Invalid argument'}")
            raise _Failed from None
        if members is None:
            # FreeBSD's words for an errno of 0: it was a word of the file that could not be resolved.
            warn(f"cannot load {name}: No error: 0")
            raise _Failed
        return members

    def _show_feedback(self, feedback: list[tuple[str, Member]]) -> None:
        if self.verbose:
            for letter, member in feedback:
                if letter != " " or self.very_verbose:
                    print(_line(member, letter))

    def _store(self, table: Table, members: t.Iterable[Member]) -> None:
        if not self.dry_run:
            self.pf.tables.replace_members(table, members)

    def _add(self) -> int:
        members = self._members()
        self._create()
        table = self.pf.tables.changeable(self.anchor, self.name)
        known = {member.key: member for member in self.pf.tables.members(table)}
        added = {member.key: member for member in reversed(members) if member.key not in known and member.is_storable}
        self._store(table, [*known.values(), *added.values()])
        self._say(f"{len(added)}/{len(members)} addresses added")
        self._show_feedback([(_NO_FEEDBACK, member) for member in members])
        return 0

    def _delete(self) -> int:
        members = self._members()
        table = self.pf.tables.changeable(self.anchor, self.name)
        known = {member.key: member for member in self.pf.tables.members(table)}
        deleted = {member.key for member in members if known.get(member.key) == member}
        self._store(table, [member for key, member in known.items() if key not in deleted])
        self._say(f"{len(deleted)}/{len(members)} addresses deleted")
        self._show_feedback([(_NO_FEEDBACK, member) for member in members])
        return 0

    def _replace(self) -> int:
        members = self._members()
        self._create()
        table = self.pf.tables.changeable(self.anchor, self.name)
        known = {member.key: member for member in self.pf.tables.members(table)}
        wanted: dict[t.Any, Member] = {}
        feedback = []
        counts = dict.fromkeys("ADC", 0)
        for member in members:
            if member.key in wanted:
                letter = "X"
            elif not member.is_storable:
                letter = " "
            else:
                wanted[member.key] = member
                letter = "A" if member.key not in known else "C" if known[member.key].negated != member.negated else " "
            feedback.append((letter, member))
            if letter in counts:
                counts[letter] += 1
        # The kernel lists what it deletes from the last to the first.
        gone = [member for key, member in known.items() if key not in wanted][::-1]
        counts["D"] = len(gone)
        feedback += [("D", member) for member in gone]
        self._store(table, wanted.values())
        for letter, word in (("A", "added"), ("D", "deleted"), ("C", "changed")):
            if counts[letter]:
                self._say(f"{counts[letter]} addresses {word}")
        if not any(counts.values()):
            self._say("no changes")
        self._show_feedback(feedback)
        return 0

    def _flush(self) -> int:
        self._no_arguments()
        try:
            table = self.pf.tables.changeable(self.anchor, self.name)
        except (NoSuchTable, ConstantTable):
            # pfctl shows an older error than that of this request.
            return self._fail(STALE_ERROR)
        self._say(f"{len(table['addresses'])} addresses deleted")
        self._store(table, [])
        return 0

    def _show(self) -> int:
        self._no_arguments()
        table = self.pf.tables.active(self.anchor, self.name)
        for member in self.pf.tables.members(table):
            print(_line(member, " "))
            if self.verbose:
                print(f"\tCleared:     {time.ctime(table['cleared'])}")
                if table["counters"]:
                    print_counters(_ADDRESS_COUNTERS)
        return 0

    def _test(self) -> int:
        members = self._members(only_hosts=True)
        table = self.pf.tables.active(self.anchor, self.name)
        matches = [(member, self.pf.tables.match(table, member)) for member in members]
        matching = sum(match is not None and not match.negated for _, match in matches)
        self._say(f"{matching}/{len(members)} addresses match")
        for member, match in matches:
            if self.very_verbose:
                print(_test_line(member, match))
            elif self.verbose and match is not None and not match.negated:
                print(_line(member, "M"))
        return NO_MATCH if matching < len(members) else 0

    def _zero(self) -> int:
        if self.arguments or self.file is not None:
            members = self._members()
            known = {member.key for member in self.pf.tables.members(self.pf.tables.active(self.anchor, self.name))}
            cleared = [("Z" if member.key in known else " ", member) for member in members]
            self._say(f"{sum(letter == 'Z' for letter, _ in cleared)}/{len(members)} addresses cleared")
            self._show_feedback(cleared)
            return 0
        self._say(f"{self.pf.tables.clear_statistics(self.anchor, self.name)} table/stats cleared")
        return 0

    def _expire(self) -> int:
        if len(self.arguments) != 1 or self.file is not None:
            self.usage()
        if not re.fullmatch(r"\d+", self.arguments[0]):
            raise CommandError("expiry time: invalid")
        raise NotSimulated("-T expire, which depends on the age of addresses")

    def _reset(self) -> int:
        self._no_arguments()
        table = self.pf.tables.active(self.anchor, self.name)
        self._say(f"0/{len(table['addresses'])} stats cleared")
        return 0


def _line(member: Member, letter: str) -> str:
    text = str(member)
    return f"{letter} {text if member.negated else f' {text}'}"


def _test_line(member: Member, match: Member | None) -> str:
    if match is None:
        return f"{_line(member, ' ')}\t nomatch"
    text = str(match)
    return f"{_line(member, ' ' if match.negated else 'M')}\t{text if match.negated else f' {text}'}"
