# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the kernel: which exist, what they contain, and who refers to them.

A table is a dictionary in ``kernel["pf"]["tables"]``::

    {"name": "natdst", "anchor": "libvirt/default", "active": true, "persist": true, "const": false, "counters": false,
     "rules": 1, "anchors": 0, "addresses": ["0.0.0.0/0", "!192.168.122.0/24"], "cleared": 1795000000}

``rules`` counts the rules that refer to it, ``anchors`` the tables of the same name in anchors, which fall back to the root's.
A table that is not ``active`` only stands for such references. Addresses are written as pfctl shows them.
"""

from __future__ import annotations

import time
import typing as t

from .rules import FULL_LENGTH, length_of, mask_of, pack, unpack

FLAGS = ("const", "persist", "counters")

Table = dict[str, t.Any]


class NoSuchTable(Exception):
    """ESRCH."""


class ConstantTable(Exception):
    """EPERM: the members of a const table cannot be changed."""


class Member(t.NamedTuple):
    """A member of a table: address, prefix length, family, whether it is negated."""

    address: int
    length: int
    af: str
    negated: bool = False

    @property
    def key(self) -> tuple[str, int, int]:
        """What makes it the same member as another one: negation does not."""
        return self.af, self.address, self.length

    def __str__(self) -> str:
        text = unpack(self.address, self.af)
        if self.length < FULL_LENGTH[self.af]:
            text += f"/{self.length}"
        return f"!{text}" if self.negated else text

    @classmethod
    def parse(cls, text: str) -> Member:
        """The inverse of ``str()``."""
        bare = text.removeprefix("!")
        address, slash, length = bare.partition("/")
        af = "inet6" if ":" in address else "inet"
        return cls(pack(address, af), int(length) if slash else FULL_LENGTH[af], af, bare != text)

    @property
    def order(self) -> tuple[str, int, int]:
        """Where it stands among the others: IPv4 first, by address, longer prefixes before shorter ones."""
        return self.af, self.address, -self.length

    @property
    def is_storable(self) -> bool:
        """The kernel silently keeps the one address 0.0.0.0, or ::, out of its tables: its key is that of the tree's own first node."""
        return bool(self.address) or self.length < FULL_LENGTH[self.af]

    def contains(self, other: Member) -> bool:
        """Whether ``other`` is of this network."""
        return self.af == other.af and self.length <= other.length and other.address & mask_of(self.length) == self.address


def member_of(address: int, mask: int, af: str, *, negated: bool = False) -> Member:
    """A member from an address and its mask."""
    return Member(address, length_of(mask), af, negated)


class Tables:
    """All tables. ``anchors`` says which rulesets exist, ``emptied`` is told of an anchor that lost a table."""

    def __init__(self, tables: list[Table], emptied: t.Callable[[str], None]) -> None:
        self._tables = {(table["anchor"], table["name"]): table for table in tables}
        self._list = tables
        self._emptied = emptied

    def find(self, anchor: str, name: str) -> Table | None:
        """A table that exists, active or not."""
        return self._tables.get((anchor, name))

    def active(self, anchor: str, name: str) -> Table:
        """A table that users see; NoSuchTable if there is none."""
        table = self.find(anchor, name)
        if table is None or not table["active"]:
            raise NoSuchTable
        return table

    def all(self, anchor: str | None = None) -> list[Table]:
        """The tables of an anchor, or of all, in the kernel's order."""
        chosen = (table for table in self._list if anchor in (None, table["anchor"]))
        return sorted(chosen, key=lambda table: (table["name"], table["anchor"]))

    def in_anchor(self, anchor: str) -> bool:
        """Whether an anchor has tables, active or not."""
        return any(table["anchor"] == anchor for table in self._list)

    def members(self, table: Table) -> list[Member]:
        """The members in the order in which they are shown."""
        return sorted((Member.parse(text) for text in table["addresses"]), key=lambda member: member.order)

    def count_of(self, anchor: str, name: str) -> str:
        """How many members the rules of an anchor see in a table, ``*`` if there is no such table."""
        for where in (anchor, ""):
            table = self.find(where, name)
            if table is not None and table["active"]:
                return str(len(table["addresses"]))
        return "*"

    # ---- references ----

    def attach(self, anchor: str, name: str) -> None:
        """A rule of an anchor refers to a table, which need not exist."""
        self._find_or_create(anchor, name)["rules"] += 1

    def detach(self, anchor: str, name: str) -> None:
        """A rule that referred to a table is gone."""
        table = self.find(anchor, name)
        if table is not None:
            table["rules"] -= 1
            self._settle(table)

    def activate(self, anchor: str, name: str) -> None:
        """Make a table visible that a rule may fill (``overload``)."""
        self._find_or_create(anchor, name)["active"] = True

    def _find_or_create(self, anchor: str, name: str) -> Table:
        table = self.find(anchor, name)
        if table is None:
            table = {"name": name, "anchor": anchor, "active": False, **dict.fromkeys(FLAGS, False), "rules": 0, "anchors": 0, "addresses": []}
            table["cleared"] = int(time.time())
            self._tables[anchor, name] = table
            self._list.append(table)
            if anchor:
                self._find_or_create("", name)["anchors"] += 1
        return table

    def _settle(self, table: Table) -> None:
        """Drop what nobody keeps: a table that is neither persistent nor referred to, the members of one that is not active."""
        referenced = table["rules"] or table["anchors"]
        if not referenced and not table["persist"]:
            table["active"] = False
        if table["active"]:
            return
        table.update(dict.fromkeys(FLAGS, False), addresses=[])
        if referenced:
            return
        del self._tables[table["anchor"], table["name"]]
        self._list.remove(table)
        if table["anchor"]:
            root = self._tables["", table["name"]]
            root["anchors"] -= 1
            self._settle(root)
        self._emptied(table["anchor"])

    # ---- tables ----

    def create(self, anchor: str, name: str) -> bool:
        """Make a persistent table; False if it was there."""
        table = self._find_or_create(anchor, name)
        created = not table["active"]
        if created:
            table.update(active=True, persist=True)
        return created

    def define(self, anchor: str, name: str, flags: t.Iterable[str], members: list[Member] | None) -> None:
        """Commit a table of a configuration; None for its members keeps those that it has."""
        table = self._find_or_create(anchor, name)
        if not table["active"]:
            table["cleared"] = int(time.time())
        table.update({flag: flag in flags for flag in FLAGS}, active=True)
        if members is not None:
            table["addresses"] = [str(member) for member in _first_of_each(members)]
        self._settle(table)

    def remove(self, anchor: str, name: str | None = None) -> int:
        """Remove one table of an anchor, or all; how many there were."""
        removed = [table for table in self.all(anchor) if table["active"] and name in (None, table["name"])]
        for table in removed:
            table["active"] = False
            self._settle(table)
        return len(removed)

    def clear_statistics(self, anchor: str, name: str) -> int:
        """Zero the counters of a table; how many tables that is."""
        table = self.find(anchor, name)
        if table is None:
            return 0
        table["cleared"] = int(time.time())
        return 1

    # ---- members ----

    def changeable(self, anchor: str, name: str) -> Table:
        """A table whose members may be changed; NoSuchTable or ConstantTable otherwise."""
        table = self.active(anchor, name)
        if table["const"]:
            raise ConstantTable
        return table

    def replace_members(self, table: Table, members: t.Iterable[Member]) -> None:
        """Give a table other members."""
        table["addresses"] = [str(member) for member in members]

    def match(self, table: Table, address: Member) -> Member | None:
        """The member that decides about an address: the one with the longest prefix."""
        candidates = [member for member in self.members(table) if member.contains(address)]
        return max(candidates, key=lambda member: member.length, default=None)


def _first_of_each(members: list[Member]) -> list[Member]:
    return list({member.key: member for member in reversed(members) if member.is_storable}.values())[::-1]
