# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What pf keeps in the kernel: rulesets by anchor, tables, options, and the transactions that change them.

It lies in ``kernel["pf"]``, which exists while pf.ko is loaded. The keys that tests may care for:

``enabled``, ``since``
    whether pf filters, and since when (seconds of the epoch)
``anchors``
    path -> ``{"rules": {"filter": [...], ...}, "references": n}``; the main ruleset is ``""``
``tables``
    see :mod:`simhost.pf.tables`
``states``
    see :mod:`simhost.pf.states`
``busy``
    how many of the next loads fail because another pfctl has taken their transaction over
"""

from __future__ import annotations

import copy
import json
import time
import typing as t

from .configuration import Options
from .names import LIMITS
from .rules import Address, Rule
from .tables import Member, Tables

Kernel = dict[str, t.Any]
Json = dict[str, t.Any]

# Rules that are replaced stay until the second pass of the purge thread, which has one in ten seconds: 10 to 20 s, or about 150 commands.
PURGE_AFTER_MS = 30_000


class PfError(Exception):
    """A request to the kernel failed; the text is errno's."""


class RuleExists(Exception):
    """EEXIST: the ruleset has such a rule already."""


def is_loaded(kernel: Kernel) -> bool:
    """Whether pf.ko is loaded."""
    return "pf" in kernel.get("modules", [])


class Pf:
    """The pf of a host."""

    def __init__(self, kernel: Kernel) -> None:
        if not kernel.get("pf"):
            kernel["pf"] = _initial_state()
            # Never switched is shown as switched at boot.
            kernel["pf"]["since"] = int(time.time()) - kernel.get("clock", {}).get("now", 0) // 1000
        self.data: Json = kernel["pf"]
        self.anchors: dict[str, Json] = self.data["anchors"]
        self.tables = Tables(self.data["tables"], self.remove_if_empty)
        self._now = kernel.get("clock", {}).get("now", 0)
        self._open: set[str] = set()
        self._purge()

    # ---- anchors ----

    def exists(self, path: str) -> bool:
        """Whether there is such an anchor; the main ruleset always is."""
        return path in self.anchors

    def children(self, path: str) -> list[str]:
        """The names of the anchors directly below, sorted."""
        prefix = f"{path}/" if path else ""
        return sorted(name.removeprefix(prefix) for name in self.anchors if name and name.startswith(prefix) and "/" not in name.removeprefix(prefix))

    def rules(self, path: str, ruleset: str) -> list[Rule]:
        """The active rules of an anchor."""
        return [Rule.from_json(data) for data in self.anchors[path]["rules"].get(ruleset, [])]

    def creator(self, path: str, ruleset: str) -> int:
        """The process that loaded a ruleset."""
        return t.cast(int, self.anchors[path]["pids"][ruleset])

    def create_anchor(self, path: str) -> None:
        """Make an anchor and those above it, if they are not there."""
        if not path:
            return
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            self.anchors.setdefault("/".join(parts[:end]), {"rules": {}, "pids": {}, "references": 0})

    def remove_if_empty(self, path: str) -> None:
        """Forget an anchor that has nothing and that nothing refers to, then its parents likewise."""
        while path in self.anchors and path:
            anchor = self.anchors[path]
            in_use = path in self._open or anchor["references"] or any(anchor["rules"].values())
            if in_use or self.children(path) or self.tables.in_anchor(path):
                return
            del self.anchors[path]
            path = path.rpartition("/")[0]

    # ---- references of rules ----

    def attach(self, path: str, rule: Rule) -> None:
        """Count what a new rule refers to."""
        for name in _tables_of(rule):
            self.tables.attach(path, name)
        if rule.overload:
            self.tables.attach(path, rule.overload)
            self.tables.activate(path, rule.overload)
        if rule.anchor_target:
            self.create_anchor(rule.anchor_target)
            self.anchors[rule.anchor_target]["references"] += 1

    def unlink(self, path: str, rules: t.Iterable[Rule]) -> None:
        """Take rules out of use; what they refer to is let go by a later purge."""
        rules = list(rules)
        entry = {
            "at": self._now,
            "anchor": path,
            "tables": [name for rule in rules for name in (*_tables_of(rule), rule.overload) if name],
            "targets": [rule.anchor_target for rule in rules if rule.anchor_target],
            "interfaces": [name for rule in rules for name in _interfaces_of(rule)],
        }
        if entry["tables"] or entry["targets"] or entry["interfaces"]:
            self.data["unlinked"].append(entry)

    def _purge(self) -> None:
        due = [entry for entry in self.data["unlinked"] if self._now - entry["at"] >= PURGE_AFTER_MS]
        self.data["unlinked"] = [entry for entry in self.data["unlinked"] if entry not in due]
        for entry in due:
            for name in entry["tables"]:
                self.tables.detach(entry["anchor"], name)
            for target in entry["targets"]:
                self.anchors[target]["references"] -= 1
                self.remove_if_empty(target)

    def interface_references(self) -> dict[str, int]:
        """The interfaces that rules name, whether or not they exist, and how often."""
        rulesets = [(path, ruleset) for path, anchor in self.anchors.items() for ruleset in anchor["rules"]]
        found = [name for path, ruleset in rulesets for rule in self.rules(path, ruleset) for name in _interfaces_of(rule)]
        found += [name for entry in self.data["unlinked"] for name in entry["interfaces"]]
        return {name: found.count(name) for name in found}

    def resolve_anchor(self, path: str, call: str) -> tuple[str, int, bool]:
        """What ``anchor "call"`` in the ruleset ``path`` means: the path, how relative it is, whether it ends in a wildcard."""
        relative = 0
        if call.startswith("/"):
            target = call[1:]
        else:
            relative = 1
            base = path
            while call.startswith("../"):
                if not base:
                    raise PfError("Invalid argument")
                base = base.rpartition("/")[0]
                relative += 1
                call = call[3:]
            target = f"{base}/{call}" if base else call
        wildcard = target.endswith("/*")
        target = target.removesuffix("/*")
        if not target or any(not part or len(part) >= 64 for part in target.split("/")):
            raise PfError("Invalid argument")
        return target, relative, wildcard

    # ---- status ----

    def set_running(self, running: bool) -> bool:
        """Switch filtering; False if it was so already."""
        if self.data["enabled"] == running:
            return False
        self.data.update(enabled=running, since=int(time.time()))
        return True

    def apply_options(self, options: Options, *, only: set[str] | None = None) -> None:
        """Take over the options of a configuration, or those of them that ``only`` names."""
        if "states" in options.given and not {"adaptive.start", "adaptive.end"} & options.given:
            options.timeouts["adaptive.start"] = options.limits["states"] // 10 * 6
            options.timeouts["adaptive.end"] = options.limits["states"] // 10 * 12
            options.given |= {"adaptive.start", "adaptive.end"}
        for kind, values in (("limits", options.limits), ("timeouts", options.timeouts)):
            self.data[kind].update({name: value for name, value in values.items() if only is None or name in only})
        for name in ("debug", "loginterface", "reassemble"):
            if only is None or name in only:
                self.data[name] = getattr(options, name)
        if options.hostid or only is None:
            # Without a setting the kernel makes one up, and keeps it.
            self.data["hostid"] = options.hostid or self.data["hostid"]
        self.data["syncookies"] = options.syncookies


def _initial_state() -> Json:
    options = Options()
    return {
        "enabled": False,
        "since": 0,
        "anchors": {"": {"rules": {}, "pids": {}, "references": 0}},
        "tables": [],
        "unlinked": [],
        "states": [],
        "limits": dict(LIMITS),
        "timeouts": options.timeouts,
        "debug": options.debug,
        "loginterface": "",
        "hostid": 0x1C1E716D,
        "reassemble": [],
        "syncookies": options.syncookies,
        "skip": [],
        "busy": 0,
    }


def _addresses_of(rule: Rule) -> list[Address]:
    return [rule.src.addr, rule.dst.addr, *(member.addr for pool in (rule.rdr, rule.nat, rule.route) for member in pool.addresses)]


def _tables_of(rule: Rule) -> list[str]:
    return [address.name for address in _addresses_of(rule) if address.type == "table"]


def _interfaces_of(rule: Rule) -> list[str]:
    dynamic = ["all" if address.name == "self" else address.name for address in _addresses_of(rule) if address.type == "dynif"]
    return [name for name in (rule.ifname, rule.rcv_ifname, *(member.ifname for member in rule.route.addresses), *dynamic) if name]


class Transaction:
    """Changes to any number of anchors, which take effect together or not at all."""

    def __init__(self, pf: Pf, pid: int, *, stale: bool = False) -> None:
        self._pf = pf
        self._pid = pid
        self._rulesets: dict[tuple[str, str], list[Rule]] = {}
        self._keys: set[tuple[str, str, str]] = set()
        self._tables: dict[str, dict[str, tuple[list[str], list[Member] | None]]] = {}
        # Another pfctl has begun one of its own meanwhile.
        self._stale = stale

    def begin(self, path: str, rulesets: t.Iterable[str], *, tables: bool) -> None:
        """Open rulesets of an anchor, which is created if need be, and its tables."""
        if path:
            if any(not part or len(part) >= 64 for part in path.split("/")):
                raise PfError("Invalid argument")
            self._pf.create_anchor(path)
        for ruleset in rulesets:
            self._rulesets[path, ruleset] = []
        if tables:
            self._tables.setdefault(path, {})
            self._pf._open.add(path)

    def define_table(self, path: str, name: str, flags: list[str], members: list[Member] | None) -> None:
        """Add a table to the transaction."""
        self._check()
        if path not in self._tables:
            # An anchor in braces that a syntax error has left unfinished has not been opened.
            raise PfError("Device busy")
        self._tables[path][name] = (flags, members)

    def add(self, path: str, ruleset: str, rule: Rule, anchor_call: str) -> None:
        """Add a rule; RuleExists if the ruleset has it already."""
        self._check()
        rule = copy.copy(rule)
        if anchor_call:
            rule.anchor_target, rule.anchor_relative, rule.anchor_wildcard = self._pf.resolve_anchor(path, anchor_call)
        rules = self._rulesets[path, ruleset]
        rule.nr = len(rules)
        key = (path, ruleset, _identity(rule))
        if key in self._keys:
            raise RuleExists
        self._keys.add(key)
        self._pf.attach(path, rule)
        rules.append(rule)

    def commit(self) -> None:
        """Replace the open rulesets and define the tables."""
        self._check()
        for (path, ruleset), rules in self._rulesets.items():
            anchor = self._pf.anchors[path]
            self._pf.unlink(path, self._pf.rules(path, ruleset))
            anchor["rules"][ruleset] = [rule.to_json() for rule in rules]
            anchor["pids"][ruleset] = self._pid
        for path, tables in self._tables.items():
            for name, (flags, members) in tables.items():
                self._pf.tables.define(path, name, flags, members)
        self._close()

    def rollback(self) -> None:
        """Forget everything."""
        for (path, _ruleset), rules in self._rulesets.items():
            self._pf.unlink(path, rules)
        self._close()

    def _check(self) -> None:
        if self._stale:
            raise PfError("Device busy")

    def _close(self) -> None:
        self._pf._open.clear()
        for path in {path for path, _ruleset in self._rulesets} | set(self._tables):
            self._pf.remove_if_empty(path)


def _identity(rule: Rule) -> str:
    """What the kernel compares rules by.

    Of a pool that is the first address alone, and none is like a dynamic interface in one; elsewhere a dynamic interface is the same
    whatever its prefix length.
    """
    data = rule.to_json()
    data.pop("nr", None)
    for name in ("src", "dst"):
        if getattr(rule, name).addr.type == "dynif":
            del data[name]["addr"]["mask"]
    for name in ("nat", "rdr", "route"):
        if addresses := data.get(name, {}).get("addresses"):
            dynamic = getattr(rule, name).addresses[0].addr.type == "dynif"
            data[name] = {**data[name], "addresses": id(rule) if dynamic else addresses[0]}
    return json.dumps(data, sort_keys=True)


def flush(pf: Pf, path: str, rulesets: t.Iterable[str], pid: int) -> None:
    """Replace rulesets of an anchor by nothing; an anchor without rules does not outlive this."""
    transaction = Transaction(pf, pid)
    transaction.begin(path, rulesets, tables=False)
    transaction.commit()
