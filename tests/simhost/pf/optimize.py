# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pfctl's ruleset optimizer: what it removes, combines into tables and reorders, and in which order rules come out.

A superblock is a run of rules that may trade places, because they do the same to a packet. Within each:

1. rules that are identical to, or contained in, another one are removed;
2. rules that differ in one address are combined into one with a table, if there are enough of them;
3. the rest is reordered so that the kernel can skip as many rules as possible at once.
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from .rules import Address, Endpoint, Rule, length_of

# From how many addresses on a table is made of them.
TABLE_THRESHOLD = 6

# Any of these makes a rule a superblock of its own.
_BARRIERS = (
    "labels", "probability", "max_states", "max_src_nodes", "max_src_states", "max_src_conn", "max_src_conn_rate", "anchor_call",
)  # fmt: skip
# These may differ within a superblock; all other fields that are compared may not.
_MAY_DIFFER = (
    "af", "ifnot", "ifname", "match_tag_not", "match_tag", "timeouts", "return_icmp", "return_icmp6", "uid", "gid", "direction",
    "proto", "type", "code", "flags", "flagset", "tos", "src", "dst",
)  # fmt: skip
# These are not compared at all: numbers that pfctl gives, and fields that it takes for those of translation and scrub rules.
_IGNORED = ("nr", "body", "natpass", "max_mss", "min_ttl", "set_tos")


@dataclasses.dataclass(eq=False)
class AddressTable:
    """Addresses of rules that may be combined; a table in the end if there are enough. ``number`` counts them, used or not."""

    number: int
    members: list[tuple[Address, str]] = dataclasses.field(default_factory=list)
    generated: bool = False


@dataclasses.dataclass(eq=False)
class _Candidate:
    rule: Rule
    src_table: AddressTable | None = None
    dst_table: AddressTable | None = None


class TablesNotLoaded(Exception):
    """Rules might be combined into tables, but tables are not to be loaded."""


class Optimizer:
    """Optimizes the rulesets of one run of pfctl, at its level "basic".

    ``is_group`` tells interface groups; ``make_table`` creates a table of addresses and returns its name, and is None if
    tables are not loaded.
    """

    def __init__(self, is_group: t.Callable[[str], bool], make_table: t.Callable[[AddressTable], str] | None) -> None:
        self._is_group = is_group
        self._make_table = make_table
        self._tables = 0

    def optimize(self, rules: list[Rule]) -> list[Rule]:
        """The rules of one ruleset as pfctl loads them, numbered anew."""
        result: list[Rule] = []
        for block in _superblocks(rules, self._is_group):
            if len(block) > 1:
                _remove_contained(block)
                self._combine(block)
                block = _reorder(block)
            result += [candidate.rule for candidate in block]
        for number, rule in enumerate(result):
            rule.nr = number
        return result

    def _combine(self, block: list[_Candidate]) -> None:
        """Give rules that differ in one address a common table."""
        if self._make_table is None:
            raise TablesNotLoaded
        for first in list(block):
            if first not in block:
                continue
            for second in block[block.index(first) + 1 :]:
                same_src, same_dst = _same_address(first.rule.src, second.rule.src), _same_address(first.rule.dst, second.rule.dst)
                if same_src == same_dst or second.src_table or second.dst_table:
                    continue
                side, other = ("dst", "src") if same_src else ("src", "dst")
                if getattr(first, f"{other}_table") or not _combineable(first.rule, second.rule, side):
                    continue
                table = getattr(first, f"{side}_table")
                if table is None:
                    table = AddressTable(self._tables, [(getattr(first.rule, side).addr, first.rule.af)])
                    self._tables += 1
                    setattr(first, f"{side}_table", table)
                table.members.append((getattr(second.rule, side).addr, first.rule.af))
                if len(table.members) >= TABLE_THRESHOLD:
                    block.remove(second)
                else:
                    setattr(second, f"{side}_table", table)
        for candidate in list(block):
            for side in ("src", "dst"):
                table = getattr(candidate, f"{side}_table")
                if table is None or len(table.members) < TABLE_THRESHOLD:
                    continue
                if table.generated:
                    block.remove(candidate)
                    break
                table.generated = True
                endpoint = copy.copy(getattr(candidate.rule, side))
                endpoint.addr = Address("table", name=self._make_table(table))
                setattr(candidate.rule, side, endpoint)


# ---- superblocks ----


def _superblocks(rules: list[Rule], is_group: t.Callable[[str], bool]) -> list[list[_Candidate]]:
    blocks: list[list[_Candidate]] = []
    for rule in rules:
        if not blocks or not _belongs(blocks[-1][0].rule, rule, is_group):
            blocks.append([])
        blocks[-1].append(_Candidate(rule))
    return blocks


_BLANK = Rule()
_DECISIVE = tuple(field.name for field in dataclasses.fields(Rule) if field.name not in (*_MAY_DIFFER, *_IGNORED))
_COMPARED = tuple(field.name for field in dataclasses.fields(Rule) if field.name not in _IGNORED)
_POOLS = ("route", "nat", "rdr")


def _belongs(first: Rule, rule: Rule, is_group: t.Callable[[str], bool]) -> bool:
    if any(getattr(rule, name) != getattr(_BLANK, name) for name in _BARRIERS) or rule.source_track == "rule":
        return False
    # Members of a group may change, so that nothing is known of a group and an interface.
    if first.ifname.lower() != rule.ifname.lower() and (is_group(first.ifname) or is_group(rule.ifname)):
        return False
    return _equal(first, rule, _DECISIVE)


def _equal(first: Rule, second: Rule, fields: tuple[str, ...]) -> bool:
    # Two pools with addresses are never the same to pfctl, which compares where they lie in memory.
    if any(pool in fields and (getattr(first, pool).addresses or getattr(second, pool).addresses) for pool in _POOLS):
        return False
    # pfctl compares that there is a TOS to be set, but not which.
    return (first.set_tos < 0) == (second.set_tos < 0) and all(getattr(first, name) == getattr(second, name) for name in fields)


# ---- 1. what is contained in another rule ----


def _remove_contained(block: list[_Candidate]) -> None:
    index = 0
    while index < len(block):
        removed = False
        other = index + 1
        while other < len(block):
            first, second = block[index].rule, block[other].rule
            if _contains(first, second):
                del block[other]
            elif _contains(second, first):
                del block[index]
                removed = True
                break
            else:
                other += 1
        if not removed:
            index += 1


def _contains(outer: Rule, inner: Rule) -> bool:
    """Whether ``inner`` equals ``outer`` once everything that ``outer`` leaves open is left open in ``inner``, too."""
    # The fields that are never widened decide most of the pairs.
    if not _equal(outer, inner, _UNWIDENED):
        return False
    inner = copy.copy(inner)
    if not outer.ifname:
        inner.ifname = ""
    if not outer.direction:
        inner.direction = ""
    if outer.proto in (0, inner.proto) and not outer.flags and not outer.flagset:
        inner.flags = inner.flagset = 0
    if not outer.proto:
        inner.proto = 0
    inner.src = _widen(outer.src, inner.src, same_family=outer.af == inner.af)
    inner.dst = _widen(outer.dst, inner.dst, same_family=outer.af == inner.af)
    if not outer.af:
        inner.af = ""
    return _equal(outer, inner, _COMPARED)


_WIDENED = ("ifname", "direction", "flags", "flagset", "proto", "src", "dst", "af")
_UNWIDENED = tuple(name for name in _COMPARED if name not in _WIDENED)


def _widen(outer: Endpoint, inner: Endpoint, *, same_family: bool) -> Endpoint:
    inner = copy.copy(inner)
    if not outer.port_op:
        inner.port_op, inner.ports = "", [0, 0]
    wide, narrow = outer.addr, inner.addr
    if wide.type != "mask":
        return inner
    if not outer.negated and not inner.negated and not wide.mask:
        inner.addr = Address()
    elif (
        narrow.type == "mask"
        and outer.negated == inner.negated
        and same_family
        and length_of(wide.mask) < length_of(narrow.mask)
        and wide.address == narrow.address & wide.mask
    ):
        inner.addr = wide
    return inner


# ---- 2. tables ----


def _same_address(first: Endpoint, second: Endpoint) -> bool:
    return first.negated == second.negated and first.addr == second.addr


def _combineable(first: Rule, second: Rule, side: str) -> bool:
    one, two = getattr(first, side), getattr(second, side)
    if one.addr.type != "mask" or two.addr.type != "mask":
        return False
    for name in ("src", "dst"):
        this, that = getattr(first, name), getattr(second, name)
        if (this.negated, this.port_op, this.ports) != (that.negated, that.port_op, that.ports):
            return False
    return _equal(first, second, _BUT_ADDRESSES)


_BUT_ADDRESSES = tuple(name for name in _COMPARED if name not in ("src", "dst"))


# ---- 3. order ----


def _same_endpoint_address(first: Endpoint, second: Endpoint) -> bool:
    if first.negated != second.negated or first.addr.type != second.addr.type:
        return False
    one, two = first.addr, second.addr
    if one.type == "mask":
        return (one.address, one.mask) == (two.address, two.mask) and one.address != 0
    if one.type == "dynif":
        return (one.name, one.modifiers, one.mask) == (two.name, two.modifiers, two.mask)
    if one.type == "table":
        return one.name == two.name
    return one.type in ("no-route", "urpf-failed")


def _same_port(first: Endpoint, second: Endpoint) -> bool:
    return bool(first.port_op) and (first.port_op, first.ports) == (second.port_op, second.ports)


# What the kernel can skip by, in its order. A rule that leaves a field open shares it with none.
_SKIP_STEPS: tuple[t.Callable[[Rule, Rule], bool], ...] = (
    lambda one, two: bool(one.ifname) and (one.ifname, one.ifnot) == (two.ifname, two.ifnot),
    lambda one, two: bool(one.direction) and one.direction == two.direction,
    lambda one, two: bool(one.af) and one.af == two.af,
    lambda one, two: bool(one.proto) and one.proto == two.proto,
    lambda one, two: _same_endpoint_address(one.src, two.src),
    lambda one, two: _same_endpoint_address(one.dst, two.dst),
    lambda one, two: _same_port(one.src, two.src),
    lambda one, two: _same_port(one.dst, two.dst),
)


@dataclasses.dataclass(eq=False)
class _Group:
    """Rules that share a field. ``count`` is their number, or 0 if the field is of no use for ordering."""

    rules: list[_Candidate]
    count: int


def _reorder(block: list[_Candidate]) -> list[_Candidate]:
    """The rules, those with a field in common side by side, the largest such groups first."""
    steps = [_groups(block, same) for same in _SKIP_STEPS]
    useful = False
    for groups in steps:
        # A field that all rules share, or none, cannot order them.
        if groups[0].count in (1, len(block)):
            groups[0].count = 0
        useful = useful or groups[0].count > 0
    if not useful:
        return block
    before: list[_Candidate] = []
    ordered: list[_Candidate] = []
    rest = list(block)
    while rest:
        largest = 1
        chosen = -1
        for number, groups in enumerate(steps):
            if groups and groups[0].count > largest:
                largest, chosen = groups[0].count, number
        if chosen < 0:
            ordered += rest
            break
        group = steps[chosen].pop(0)
        for candidate in list(group.rules):
            rest.remove(candidate)
            _forget(steps, candidate)
        if len(group.rules) > 2:
            # Ordered further on its own, and put before everything that is left of this block.
            before += _reorder(group.rules)
        else:
            ordered += group.rules
    return before + ordered


def _groups(block: list[_Candidate], same: t.Callable[[Rule, Rule], bool]) -> list[_Group]:
    groups: list[_Group] = []
    for candidate in block:
        position = next((number for number, group in enumerate(groups) if same(candidate.rule, group.rules[0].rule)), None)
        if position is None:
            groups.append(_Group([candidate], 1))
            continue
        group = groups[position]
        group.rules.append(candidate)
        group.count += 1
        while position and groups[position - 1].count < group.count:
            groups[position - 1], groups[position] = group, groups[position - 1]
            position -= 1
    return groups


def _forget(steps: list[list[_Group]], candidate: _Candidate) -> None:
    """Take a rule that has found its place out of the groups of all other fields."""
    for groups in steps:
        if not groups or groups[0].count <= 1:
            continue
        for position, group in enumerate(groups):
            if candidate in group.rules:
                group.rules.remove(candidate)
                group.count -= 1
                while position + 1 < len(groups) and groups[position + 1].count > group.count:
                    groups[position], groups[position + 1] = groups[position + 1], group
                    position += 1
                break
