# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``pfctl -s`` prints."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ..program import CommandError, Exit
from .hosts import Interfaces
from .kernel import Pf
from .messages import NO_ANCHOR, warn
from .names import LIMITS, TIMEOUTS
from .rules import Address, Rule
from .show import format_rule, is_brace_name
from .states import format_state
from .tables import Table

_DEBUG_TITLES = {"none": "None", "urgent": "Urgent", "misc": "Misc", "loud": "Loud"}
_STATE_COUNTERS = ("searches", "inserts", "removals")
_COUNTERS = (
    "match", "bad-offset", "fragment", "short", "normalize", "memory", "bad-timestamp", "congestion", "ip-option", "proto-cksum",
    "state-mismatch", "state-insert", "state-limit", "src-limit", "synproxy", "map-failed", "translate",
)  # fmt: skip
_LIMIT_COUNTERS = (
    "max states per rule", "max-src-states", "max-src-nodes", "max-src-conn", "max-src-conn-rate", "overload table insertion",
    "overload flush states", "synfloods detected", "syncookies sent", "syncookies validated",
)  # fmt: skip
_TABLE_COUNTERS = ("In/Block:", "In/Pass:", "In/XPass:", "Out/Block:", "Out/Pass:", "Out/XPass:")
_INTERFACE_COUNTERS = ("In4/Pass:", "In4/Block:", "Out4/Pass:", "Out4/Block:", "In6/Pass:", "In6/Block:", "Out6/Pass:", "Out6/Block:")


@dataclasses.dataclass
class View:
    """How much is shown: the flags of the command line."""

    verbose: bool = False
    very_verbose: bool = False
    numeric: bool = False
    # All anchors below, "-a '*'".
    recursive: bool = False
    # "-s all" heads every part with a title.
    titles: bool = False
    debug: bool = False


class Display:
    """Prints parts of a host's pf."""

    def __init__(self, pf: Pf, interfaces: Interfaces, view: View) -> None:
        self._pf = pf
        self._interfaces = interfaces
        self._view = view
        self._titled = False
        self._has_labels = False

    def title(self, text: str) -> None:
        """Head a part, if parts are headed."""
        if self._view.titles:
            print(f"\n{text}" if self._titled else text)
            self._titled = True

    # ---- rules ----

    def ethernet_rules(self, anchor: str) -> None:
        """There are none, and no anchor has a ruleset for them."""
        if anchor:
            warn("DIOCGETETHRULES: No such file or directory")

    def rules(self, anchor: str, *, labels: bool = False) -> None:
        """The scrub and filter rules of an anchor, or the counters of its labelled rules."""
        self._rules("", anchor, 0, wildcard=False, labels=labels)

    def _rules(self, path: str, call: str, depth: int, *, wildcard: bool, labels: bool) -> None:
        target = _join(path, call)
        if wildcard and self._view.recursive:
            for name in self._children(target):
                self._line(depth, f'anchor "{name}" all {{')
                self._rules(target, name, depth + 1, wildcard=False, labels=labels)
                self._line(depth, "}")
            return
        # Of an anchor that is called by an absolute path pfctl shows the rules of the caller, and those of the anchor only below.
        shown = path if call.startswith("/") else target
        if not self._pf.exists(shown):
            warn(NO_ANCHOR)
            return
        if self._view.titles and not labels:
            self.title("FILTER RULES:")
        elif self._has_labels:
            self.title("LABEL COUNTERS:")
        for ruleset in ("scrub", "filter"):
            for rule in self._pf.rules(shown, ruleset):
                self._has_labels = self._has_labels or bool(rule.labels)
                inner = self._call(shown, rule)
                descend = inner and (is_brace_name(inner) or self._view.recursive)
                if labels:
                    if rule.labels:
                        print(" ".join(rule.labels), "0 0 0 0 0 0 0 0")
                    if descend:
                        self._rules(target, inner, depth, wildcard=rule.anchor_wildcard, labels=True)
                    continue
                # Scrub rules are never indented.
                self._line(depth if ruleset == "filter" else 0, self._format(shown, rule, inner) + (" {" if descend else ""))
                self._counters(shown, ruleset)
                if descend:
                    self._rules(target, inner, depth + 1, wildcard=rule.anchor_wildcard, labels=False)
                    self._line(depth, "}")

    def nat(self, anchor: str) -> None:
        """The translation rules of an anchor."""
        self._nat("", anchor, 0, wildcard=False, heading="TRANSLATION RULES:")

    def _nat(self, path: str, call: str, depth: int, *, wildcard: bool, heading: str) -> None:
        path = _join(path, call)
        if wildcard and self._view.recursive:
            for name in self._children(path):
                self._line(depth, f'nat-anchor "{name}" all {{')
                self._nat(path, name, depth + 1, wildcard=False, heading="")
                self._line(depth, "}")
            return
        if not self._pf.exists(path):
            warn("DIOCGETRULES: Invalid argument")
            return
        for ruleset in ("nat", "rdr", "binat"):
            for rule in self._pf.rules(path, ruleset):
                if heading:
                    self.title(heading)
                    heading = ""
                inner = self._call(path, rule)
                text = self._format(path, rule, inner)
                if not inner or not (is_brace_name(inner) or self._view.recursive):
                    self._line(depth, text)
                    self._counters(path, ruleset)
                    continue
                self._line(depth, f"{text} {{")
                self._counters(path, ruleset)
                self._nat(path, inner, depth + 1, wildcard=rule.anchor_wildcard, heading="")
                self._line(depth, "}")

    def _children(self, path: str) -> list[str]:
        if not self._pf.exists(path):
            raise CommandError(NO_ANCHOR)
        return self._pf.children(path)

    def _call(self, path: str, rule: Rule) -> str:
        """How the kernel tells the anchor that a rule of ``path`` calls."""
        target = rule.anchor_target
        if not target:
            return ""
        if not rule.anchor_relative:
            text = f"/{target}"
        else:
            base = path
            for _ in range(1, rule.anchor_relative):
                base = base.rpartition("/")[0]
            text = "../" * (rule.anchor_relative - 1) + (target[len(base) + 1 if base else 0 :] if len(target) > len(base) else "")
        if rule.anchor_wildcard:
            text += "/*" if text else "*"
        return text

    def _format(self, path: str, rule: Rule, call: str) -> str:
        numbered = self._view.very_verbose or self._view.debug

        def count(address: Address, af: str) -> str:
            if not numbered:
                return ""
            if address.type == "table":
                return f":{self._pf.tables.count_of(path, address.name)}"
            return f":{self._interfaces.count(address.name, address.modifiers, af) or '*'}"

        # What the kernel reports of a rule's own timeouts is not understood by pfctl of FreeBSD 15.1.
        rule.timeouts = {}
        return format_rule(rule, anchor_call=call, numbered=numbered, numeric=self._view.numeric, count=count)

    def _line(self, depth: int, text: str) -> None:
        print(("" if self._view.verbose else "  " * depth) + text)

    def _counters(self, path: str, ruleset: str) -> None:
        if self._view.verbose:
            print(f"  [ Evaluations: {0:<8}  Packets: {0:<8}  Bytes: {0:<10}  States: {0:<6}]")
            print(f"  [ Source Nodes: {0:<6} Limit: {0:<6} NAT/RDR: {0:<6} Route: {0:<6} ]")
            print(f"  [ Inserted: uid 0 pid {self._pf.creator(path, ruleset)} State Creations: {0:<6}]")
        if self._view.very_verbose:
            print("  [ Last Active Time: N/A ]")

    # ---- anchors, tables ----

    def anchors(self, anchor: str) -> None:
        """The anchors below one, at any depth; those that pfctl named only with -v."""
        for name in self._children(anchor):
            path = f"{anchor}/{name}" if anchor else name
            # pfctl looks at the beginning of the parent's path, if there is one.
            if not (anchor or name).startswith("_") or self._view.verbose:
                print(f"  {path}")
            self.anchors(path)

    def tables(self, anchor: str) -> None:
        """The tables of an anchor."""
        if not self._pf.exists(anchor):
            if self._view.very_verbose:
                return  # asked for in another way, which pfctl does not check
            if self._view.recursive:
                raise Exit(1)
            raise CommandError(NO_ANCHOR)
        for table in self._pf.tables.all(anchor):
            if not table["active"] and not self._view.debug:
                continue
            if not self._view.verbose:
                print(table["name"])
                continue
            print(f"{self._table_flags(table)}\t{table['name']}" + (f"\t{anchor}" if anchor else ""))
            if self._view.very_verbose:
                self._table_statistics(table)

    def _table_flags(self, table: Table) -> str:
        flags = (
            ("c", table["const"]), ("p", table["persist"]), ("a", table["active"]), ("i", False), ("r", table["rules"]),
            ("h", table["anchors"]), ("C", table["counters"]),
        )  # fmt: skip
        return "".join(letter if given else "-" for letter, given in flags)

    def _table_statistics(self, table: Table) -> None:
        # pfctl of FreeBSD 15.1 stores what the kernel reports one field too early: the number of rules that refer to the table is
        # shown as its addresses, that of the tables in anchors as its rules.
        print(f"\tAddresses:   {table['rules']}")
        print(f"\tCleared:     {time.ctime(table['cleared'])}")
        print(f"\tReferences:  [ Anchors: {0:<18} Rules: {table['anchors']:<18} ]")
        print(f"\tEvaluations: [ NoMatch: {0:<18} Match: {0:<18} ]")
        print_counters(_TABLE_COUNTERS)

    # ---- status ----

    def status(self) -> None:
        """``-s info``."""
        self.title("INFO:")
        data = self._pf.data
        line = f"Status: {'Enabled' if data['enabled'] else 'Disabled'}"
        runtime = int(time.time()) - data["since"]
        if data["since"]:
            line += f" for {runtime // 86400} days {runtime // 3600 % 24:02d}:{runtime // 60 % 60:02d}:{runtime % 60:02d}"
        print(f"{line:<44}{'Debug: ' + _DEBUG_TITLES[data['debug']]:>15}\n")
        if self._view.verbose:
            print(f"Hostid:   0x{data['hostid']:08x}\nChecksum: 0x{self._checksum()}\n")
        if data["loginterface"]:
            self._interface_status(data["loginterface"])
        print(f"{'State Table':<27} {'Total':>14} {'Rate':>16}")
        print(f"  {'current entries':<25} {len(data['states']):>14} {'':>14}")
        self._rates(_STATE_COUNTERS, runtime)
        if self._view.verbose:
            print(f"Source Tracking Table\n  {'current entries':<25} {0:>14} {'':>14}")
            self._rates(_STATE_COUNTERS, runtime)
        print("Counters")
        self._rates(_COUNTERS, runtime)
        if self._view.verbose:
            print("Limit Counters")
            self._rates(_LIMIT_COUNTERS, runtime)
            self._syncookies()

    def _checksum(self) -> str:
        import hashlib

        rules = [self._pf.anchors[""]["rules"].get(ruleset, []) for ruleset in ("filter", "nat", "binat", "rdr")]
        return hashlib.md5(repr(rules).encode() if any(rules) else b"", usedforsecurity=False).hexdigest()

    def _rates(self, counters: tuple[str, ...], runtime: int) -> None:
        for name in counters:
            print(f"  {name:<25} {0:>14} {0.0:>14.1f}/s" if runtime > 0 else f"  {name:<25} {0:>14} {'':>14}")

    def _interface_status(self, name: str) -> None:
        print(f"Interface Stats for {name:<16} {'IPv4':>5} {'IPv6':>16}")
        for line in ("Bytes In", "Bytes Out"):
            print(f"  {line:<25} {0:>14} {0:>16}")
        for direction in ("In", "Out"):
            print(f"  Packets {direction}")
            for verdict in ("Passed", "Blocked"):
                print(f"    {verdict:<23} {0:>14} {0:>16}")
        print()

    def _syncookies(self) -> None:
        cookies = self._pf.data["syncookies"]
        print(f"Syncookies\n  {'mode':<25} {cookies['mode']}\n  {'active':<25} inactive")
        if self._view.very_verbose:
            print(f"  {'highwater':<25} {cookies['start']} %\n  {'lowwater':<25} {cookies['end']} %\n  {'halfopen states':<25} 0")
        reassemble = self._pf.data["reassemble"]
        print(f"Reassemble {'yes' if 'yes' in reassemble else 'no':>24} {'no-df' if 'no-df' in reassemble else ''}")

    def timeouts(self) -> None:
        """``-s timeouts``."""
        self.title("TIMEOUTS:")
        for name in TIMEOUTS:
            print(f"{name:<20} {self._pf.data['timeouts'][name]:>10}{' states' if name.startswith('adaptive') else 's'}")

    def limits(self) -> None:
        """``-s memory``."""
        self.title("LIMITS:")
        for name in LIMITS:
            limit = self._pf.data["limits"][name]
            print(f"{name:<13} " + ("unlimited" if limit == 0xFFFFFFFF else f"hard limit {limit:>8}"))

    def states(self, interface: str = "") -> None:
        """``-s states``, of one interface if it is given."""
        chosen = [state for state in self._pf.data["states"] if interface in ("", state["ifname"])]
        if chosen:
            self.title("STATES:")
        for state in chosen:
            print(format_state(state, verbose=self._view.verbose, very_verbose=self._view.very_verbose))

    def creators(self) -> None:
        """``-s creatorids``."""
        print("Creator IDs:")
        for creator in dict.fromkeys(state["creatorid"] for state in self._pf.data["states"]):
            print(creator)

    def interfaces(self, only: str = "") -> None:
        """``-s Interfaces``: interfaces and groups, and what rules or `set skip` name that does not exist."""
        self.title("INTERFACES:")
        references = self._pf.interface_references()
        for name in sorted({*self._interfaces.names(), *self._interfaces.groups(), *self._pf.data["skip"], *references}):
            if only not in ("", name) and name not in self._interfaces.group(only):
                continue
            print(name + (" (skip)" if self._view.verbose and name in self._pf.data["skip"] else ""))
            if self._view.very_verbose:
                print(f"\tCleared:     {time.ctime(self._pf.data['since'])}\n\tReferences:  {references.get(name, 0):<18}")
                print_counters(_INTERFACE_COUNTERS)


def print_counters(names: t.Iterable[str]) -> None:
    """Packet and byte counters, which are always zero."""
    for name in names:
        print(f"\t{name:<12} [ Packets: {0:<18} Bytes: {0:<18} ]")


def _join(path: str, call: str) -> str:
    """The ruleset that a call of an anchor in ``path`` means; a trailing wildcard is only notation."""
    call = call.removesuffix("/*")
    if call.startswith("/"):
        return call[1:]
    return f"{path}/{call}" if path and call else path or call
