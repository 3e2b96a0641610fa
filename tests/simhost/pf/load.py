# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loads a configuration and the anchors that it asks for, in one transaction."""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
import typing as t

from ..program import CommandError, Exit
from ..state import Host as Machine
from .actions.base import NAME_SIZE
from .actions.settings import TableContents, TableError
from .configuration import Anchor, Configuration, Flags
from .expand import LabelTooLong, expand_label
from .hosts import Interfaces, Resolver
from .kernel import Pf, PfError, RuleExists, Transaction
from .messages import warn
from .optimize import AddressTable, Optimizer, TablesNotLoaded
from .rules import FULL_LENGTH, Host, Rule, length_of
from .show import format_rule, format_table, userland_count
from .statements import Statements
from .tables import Member, member_of


class MachineFiles:
    """The files of a simulated machine; "-" is standard input, which can be read once."""

    def __init__(self, machine: Machine, stdin: t.TextIO) -> None:
        self._machine = machine
        self._stdin = stdin

    def read(self, name: str) -> str:
        """The text of a file; OSError if it cannot be read."""
        if name == "-":
            return self._stdin.read()
        path = self._machine.path(name)
        if path.is_dir():
            return ""  # which fopen(3) opens, and nothing can be read from
        # A carriage return is a syntax error, which must not be translated away.
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()


class _Failed(Exception):
    """The configuration cannot be loaded; why has been said."""


def read_members(text: str, resolver: Resolver, *, only_hosts: bool = False) -> list[Member] | None:
    """The members in a file of a table; None after a complaint about one that is none."""
    members: list[Member] = []
    for line in text.splitlines():
        for word in line.partition("#")[0].partition(";")[0].split():
            more = parse_member(word, resolver, only_hosts=only_hosts)
            if more is None:
                return None
            members += more
    return members


class NotAHost(Exception):
    """A network or a negated address where a single address is asked for."""


def parse_member(word: str, resolver: Resolver, *, only_hosts: bool = False) -> list[Member] | None:
    """What an argument or a word of a table's file stands for; None after a complaint. NotAHost if ``only_hosts`` forbids it."""
    bare = word.lstrip("!")
    negated = (len(word) - len(bare)) % 2 == 1
    hosts = resolver.host(bare)
    if not hosts:
        return None
    return members_of(hosts, negated=negated, only_hosts=only_hosts)


def members_of(hosts: list[Host], *, negated: bool = False, only_hosts: bool = False) -> list[Member]:
    """Table members of resolved hosts."""
    members = [member_of(host.addr.address, host.addr.mask, host.af, negated=host.negated != negated) for host in hosts]
    for member in members:
        if member.length > FULL_LENGTH[member.af] or (only_hosts and (negated or member.length != FULL_LENGTH[member.af])):
            raise NotAHost
    return members


class Loader:
    """One run of ``pfctl -f``."""

    def __init__(self, machine: Machine, pf: Pf, flags: Flags, stdin: t.TextIO, macros: dict[str, str]) -> None:
        self._pf = pf
        self._flags = flags
        self._macros = macros
        self._interfaces = Interfaces(machine.kernel)
        self._resolver = Resolver(self._interfaces, machine.path("/etc/hosts"), numeric=flags.no_dns)
        self._files = MachineFiles(machine, stdin)
        self._fibs = int(machine.kernel.get("sysctl", {}).get("net.fibs", 1))
        self._anchors_to_load: list[tuple[str, str]] = []
        self._optimizer = Optimizer(lambda name: name in self._interfaces.groups(), self._make_table if "table" in flags.load else None)
        self._automatic_tables = 0
        self._transaction = Transaction(pf, os.getpid(), stale=self._take_busy())
        self._configuration: Configuration

    def _take_busy(self) -> bool:
        if self._flags.dry_run or not self._pf.data["busy"]:
            return False
        self._pf.data["busy"] -= 1
        return True

    def load(self, filename: str, anchor: str) -> None:
        """Load a file into an anchor, the main ruleset being ""; Exit after errors, with nothing changed."""
        try:
            configuration = self._load(filename, anchor, self._macros)
            # Files that are loaded may ask for more.
            for path, name in self._anchors_to_load:
                if self._flags.verbose:
                    print(f"\nLoading anchor {path} from {name}", file=sys.stderr)
                try:
                    self._load(name, path, {})
                except _Failed:
                    warn("load anchors")
                    raise
            if not self._flags.dry_run:
                self._commit(configuration, anchor)
        except _Failed:
            self._transaction.rollback()
            raise Exit(1) from None

    def _commit(self, configuration: Configuration, anchor: str) -> None:
        if not anchor and "option" in configuration.load:
            options = configuration.options
            self._pf.apply_options(options, only=options.given if self._flags.merge else None)
            self._pf.data["skip"] = list(dict.fromkeys(options.skip or []))
        try:
            self._transaction.commit()
        except PfError as error:
            warn(f"DIOCXCOMMIT: {error}")
            raise _Failed from None

    def _load(self, filename: str, anchor: str, macros: dict[str, str]) -> Configuration:
        if len(anchor) >= NAME_SIZE:
            raise CommandError("pfctl_rules: strlcpy")
        configuration = Configuration(anchor, self._flags)
        self._configuration = configuration
        self._begin(anchor)
        statements = Statements(
            configuration,
            self._resolver,
            self._files,
            self,
            macros=macros,
            anchors_to_load=self._anchors_to_load,
            fibs=self._fibs,
        )
        if not statements.parse(filename):
            if not self._flags.dry_run:
                warn("Syntax error in config file: pf rules not loaded")
            raise _Failed
        rulesets = {"scrub": "filter", "nat": "nat", "rdr": "nat", "binat": "nat", "filter": "filter"}
        for ruleset, wanted in rulesets.items():
            if wanted in configuration.load:
                self._load_ruleset(configuration.root, ruleset, "", 0)
        return configuration

    def _begin(self, path: str) -> None:
        if self._flags.dry_run:
            return
        load = self._flags.load
        rulesets = [*(("nat", "binat", "rdr") if "nat" in load else ()), *(("scrub", "filter") if "filter" in load else ())]
        try:
            self._transaction.begin(path, rulesets, tables="table" in load)
        except PfError:
            warn("pfctl_rules")
            raise _Failed from None

    # ---- rules ----

    def _load_ruleset(self, anchor: Anchor, ruleset: str, path: str, depth: int) -> None:
        verbose = self._flags.verbose
        path = f"{path}/{anchor.name}" if path else anchor.name
        rules = anchor.rulesets[ruleset]
        if depth and rules:
            if verbose:
                print(" {")
            self._begin(path)
        elif depth and verbose:
            print()
        if ruleset == "filter" and rules and self._configuration.optimize:
            rules = self._optimize(rules)
        for rule in rules:
            self._load_rule(rule, ruleset, path, depth)
            if rule.body:
                self._load_ruleset(rule.body, ruleset, path, depth + 1)
            elif verbose:
                print()
        if depth and rules and verbose:
            print("  " * (depth - 1) + "}")

    def _optimize(self, rules: list[Rule]) -> list[Rule]:
        try:
            return self._optimizer.optimize(rules)
        except TablesNotLoaded:
            warn("Must enable table loading for optimizations")
        if not self._flags.dry_run:
            warn("Unable to load rules into kernel")
        raise _Failed

    def _load_rule(self, rule: Rule, ruleset: str, path: str, depth: int) -> None:
        call = rule.anchor_call
        if isinstance(rule.body, Anchor):
            call = rule.body.name if rule.body.count else rule.body.path
        try:
            rule.labels = list(itertools.takewhile(bool, (expand_label(label, rule, NAME_SIZE) for label in rule.labels)))
            rule.tag = expand_label(rule.tag, rule, NAME_SIZE)
            rule.match_tag = expand_label(rule.match_tag, rule, NAME_SIZE)
        except LabelTooLong:
            raise CommandError("expand_label_str: label too long") from None
        exists = False
        if not self._flags.dry_run:
            exists = self._add(rule, ruleset, path, call)
        if self._flags.verbose or exists:
            numbered = self._flags.very_verbose
            text = format_rule(rule, anchor_call=call, numbered=numbered, numeric=self._flags.numeric, **({"count": userland_count} if numbered else {}))
            indent = "" if self._flags.very_verbose else "  " * depth
            print(f"{indent}{text}", end=" -- rule was already present\n" if exists else "")

    def _add(self, rule: Rule, ruleset: str, path: str, call: str) -> bool:
        """Hand a rule to the kernel; whether it was there already."""
        if any(member.addr.type == "range" for pool in (rule.rdr, rule.nat, rule.route) for member in pool.addresses):
            raise CommandError("DIOCADDADDR: Invalid argument")
        try:
            self._transaction.add(path, ruleset, dataclasses.replace(rule, body=None), call)
        except RuleExists:
            return True
        except PfError as error:
            raise CommandError(f"DIOCADDRULE: {error}") from None
        return False

    # ---- tables ----

    def define(self, name: str, flags: list[str], contents: TableContents | None) -> None:
        """Define a table of the anchor that is being loaded (statements.Tables)."""
        members: list[Member] = []
        for part in contents or []:
            members += self._members(part)
        if self._flags.verbose:
            print(format_table(name, flags, contents))
        anchor = self._configuration.anchor.path
        warn_of_duplicates(self._pf, name, anchor)
        if not self._flags.dry_run:
            try:
                self._transaction.define_table(anchor, name, flags, members if contents is not None else None)
            except PfError as error:
                raise TableError(f"cannot define table {name}: {error}") from None

    def _members(self, part: list[Host] | str) -> list[Member]:
        try:
            if not isinstance(part, str):
                return members_of(part)
            members = read_members(self._files.read(part), self._resolver)
        except NotAHost:
            raise TableError(f'cannot load "{part}": Invalid argument' if isinstance(part, str) else "cannot create address buffer: Invalid argument") from None
        except OSError as error:
            raise TableError(f'cannot load "{part}": {error.strerror}') from None
        if members is None:
            raise TableError(f'file "{part}" contains bad data')
        return members

    def _make_table(self, table: AddressTable) -> str:
        """Create the table of addresses that the optimizer has found."""
        name = f"__automatic_{table.number}"
        hosts = [Host(address, af) for address, af in table.members]
        if not self._flags.dry_run:
            name = f"__automatic_{int.from_bytes(os.urandom(4), 'big'):x}_{self._automatic_tables}"
            self._automatic_tables += 1
            members = [Member(address.address, length_of(address.mask), af) for address, af in table.members]
            self._transaction.define_table(self._configuration.root.path, name, ["const"], members)
        if self._flags.verbose:
            print(format_table(name, ["const"], [hosts]))
        return name


def warn_of_duplicates(pf: Pf, name: str, anchor: str) -> None:
    """A line for each table of this name in another anchor."""
    for table in pf.tables.all():
        if table["active"] and table["name"] == name and table["anchor"] != anchor:
            warn(f'warning: table <{name}> already defined in anchor "{table["anchor"] or "/"}"')
