# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a configuration says, collected while it is read: options, anchors with their rules."""

from __future__ import annotations

import dataclasses
import typing as t

from .names import LIMITS, TIMEOUTS
from .rules import RULESET_OF_ACTION, RULESETS, Rule

MAX_DEPTH = 64


@dataclasses.dataclass(eq=False)
class Anchor:
    """A ruleset under construction. ``count`` is how many rules it was given; anchors in braces are recognised by it."""

    name: str
    path: str
    rulesets: dict[str, list[Rule]] = dataclasses.field(default_factory=lambda: {ruleset: [] for ruleset in RULESETS})
    count: int = 0
    references: int = 0


@dataclasses.dataclass
class Flags:
    """The command line flags that reading and loading depend on."""

    verbose: bool = False
    very_verbose: bool = False
    dry_run: bool = False
    quiet: bool = False
    numeric: bool = False
    merge: bool = False
    no_dns: bool = False
    # Whether -o was given, so that the file's own setting does not count.
    optimize_given: bool = False
    optimize: bool = True
    # Which of "filter", "nat", "option", "table", "ethernet", "altq" are loaded.
    load: frozenset[str] = frozenset(("filter", "nat", "option", "table", "ethernet", "altq"))


class Options:
    """The ``set`` options of a configuration; ``given`` names the ones that it sets itself."""

    def __init__(self) -> None:
        # pfctl knows no default of its own for these two, and sets them to 0 when it loads a main ruleset.
        self.limits = {**LIMITS, "anchors": 0, "eth-anchors": 0}
        self.timeouts = dict(TIMEOUTS)
        self.debug = "urgent"
        self.loginterface = ""
        self.hostid = 0
        self.reassemble: list[str] = []
        self.syncookies: dict[str, t.Any] = {"mode": "never", "start": 25, "end": 12}
        self.skip: list[str] | None = None
        self.given: set[str] = set()


class Configuration:
    """The state of reading one file into the anchor ``path``; the root's path is empty."""

    def __init__(self, path: str, flags: Flags) -> None:
        self.flags = flags
        self.load = flags.load
        self.optimize = flags.optimize
        self.options = Options()
        self.root = Anchor(path, path)
        self.anchor = self.root
        self.stack: list[Anchor] = [self.root]
        # The anchor in braces that ended last, until the statement that it belongs to is complete.
        self.body: Anchor | None = None
        self._anchors: dict[str, Anchor] = {}
        self._braces = 0

    def open_brace(self) -> bool:
        """Begin an anchor in braces; False if they are nested too deeply."""
        if len(self.stack) > MAX_DEPTH:
            return False
        self._braces += 1
        # The rules come before the name is known; they are moved once the anchor statement is complete.
        self.anchor = self._find_or_create(f"_{self._braces}")
        self.stack.append(self.anchor)
        return True

    def close_brace(self) -> None:
        """End an anchor in braces."""
        self.body = self.stack.pop()
        self.anchor = self.stack[-1]

    def adopt(self, held: Anchor, name: str | None) -> bool:
        """Move the rules of the anchor in braces that ended last to their place; False if ``name`` is taken."""
        parent = self.stack[-1].path
        target = self._find_or_create(f"{parent}/{name or held.name}" if parent else name or held.name)
        target.references += 1
        if target is not held:
            if target.count:
                return False
            for ruleset, rules in held.rulesets.items():
                target.rulesets[ruleset] += rules
                target.count += len(rules)
                held.rulesets[ruleset] = []
            held.count = 0
            if not held.references:
                self._anchors.pop(held.path, None)
        self.body = target
        return True

    def append(self, rule: Rule, anchor_call: str) -> None:
        """Add a copy of a rule to the current anchor, with the anchor in braces that ended last if it calls one."""
        rule.nr = self.stack[-1].count
        self.stack[-1].count += 1
        self.add(rule, anchor_call)

    def add(self, rule: Rule, anchor_call: str) -> None:
        """Add a copy of a rule without numbering it, as binat rules are."""
        rule = dataclasses.replace(rule, anchor_call=anchor_call, body=self.body)
        self.anchor.rulesets[RULESET_OF_ACTION[rule.action]].append(rule)

    def _find_or_create(self, path: str) -> Anchor:
        if path not in self._anchors:
            self._anchors[path] = Anchor(path.rpartition("/")[2], path)
        return self._anchors[path]
