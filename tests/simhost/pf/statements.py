# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions of the grammar for whole statements: options, macros, tables, rules, anchors."""

from __future__ import annotations

import copy
import itertools
import sys
import typing as t
from pathlib import Path

from ..program import CommandError, NotSimulated
from . import lalr, names
from .configuration import Configuration
from .expand import Parts, bad_length, expand
from .hosts import Resolver
from .lalr import ActionError
from .lexer import Lexer, Source
from .rules import Address, Host, Pool, PoolAddress, Rule
from .values import (
    NAME_SIZE,
    RETURN_ICMP,
    RETURN_ICMP6,
    TABLE_NAME_SIZE,
    UINT_MAX,
    Interface,
    Peer,
    Redirection,
    Values,
    fit_dynamic,
    keep_family,
)

GRAMMAR = Path(__file__).with_name("grammar.lark")

_ORDER = ("", "options", "ethernet", "normalization", "queueing", "translation", "filtering")
_WRONG_ORDER = "Rules must be in order: options, ethernet, normalization, queueing, translation, filtering"
# The bits of "flags S/SA".
_SYN, _SYN_ACK = 0x02, 0x12
_DEBUG_LEVELS = ("none", "urgent", "misc", "loud")
_NO_LOG: tuple[list[str], int] = ([], 0)

# A table member as written: address, family, negated; or the path of a file of them.
TableContents = list[list[Host] | str]


class Files(t.Protocol):
    """Where configuration files come from."""

    def read(self, name: str) -> str:
        """The text of a file; OSError if it cannot be read."""


class TableError(Exception):
    """A table cannot be defined."""


class Tables(t.Protocol):
    """Takes the tables of a configuration, which pfctl hands to the kernel while it reads."""

    def define(self, name: str, flags: list[str], contents: TableContents | None) -> None:
        """Define a table; ``contents`` is None if the statement gives none. Raises TableError."""


def warn(message: str) -> None:
    """A message of warnx(3)."""
    print(f"pfctl: {message}", file=sys.stderr)


class Statements(Values):
    """Reads one configuration: builds its rules and options in ``configuration``, prints what -v prints."""

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
        self.fibs = fibs
        # What `load anchor` statements ask for: anchor path and file. They are added here.
        self.anchors_to_load = anchors_to_load
        self._files = files
        self._tables = tables
        # Macros of the command line, which the file cannot change.
        self._fixed = dict(macros)
        self._order = ""
        self._require_order = True
        self._block_policy = "drop"
        self._fail_policy = "drop"
        self._if_bound = False
        self._state_defaults: list[tuple[str, t.Any]] | None = None
        self._lexer: Lexer

    def parse(self, name: str) -> bool:
        """Read a file, "-" being stdin; False after errors, which have been reported."""
        try:
            source = self._open(name, 1)
        except OSError as error:
            warn(f"cannot open the main config file!: {error.strerror}")
            return False
        self._lexer = Lexer(source, dict(self._fixed), self.error)
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

    # ---- expand.Context ----

    def error(self, message: str) -> None:
        print(f"{self.location()}: {message}", file=sys.stderr)
        self._lexer.source.errors += 1

    def location(self) -> str:
        return f"{self._lexer.source.name}:{self._lexer.line}"

    def append(self, rule: Rule, anchor_call: str) -> None:
        self.configuration.append(rule, anchor_call)

    def interface_index(self, name: str) -> int:
        return self.resolver.interfaces.index(name)

    def interface_name_of(self, index: int) -> str:
        return self.resolver.interfaces.name_of(index) if index else ""

    # ---- the file ----

    def count_error(self, *_: t.Any) -> None:
        self._lexer.source.errors += 1

    def include(self, _keyword: str, name: str) -> None:
        try:
            self._lexer.include(self._open(name, 0))
        except OSError:
            self.fail(f"failed to include file {name}")

    def not_simulated_ether(self, _keyword: str) -> t.NoReturn:
        raise NotSimulated("ethernet rules")

    def not_simulated_altq(self, _keyword: str) -> t.NoReturn:
        raise NotSimulated("ALTQ")

    def macro(self, name: str, _equals: str, value: str) -> None:
        self._say(f'{name} = "{value}"')
        if any(character.isspace() for character in name[1:]):
            self.fail("macro name cannot contain whitespace")
        if name not in self._fixed:
            self._lexer.macros[name] = value
            self._lexer.used_macros.discard(name)

    def _say(self, text: str) -> None:
        if self.configuration.flags.verbose:
            print(text)

    def _in_order(self, section: str) -> None:
        if self._require_order and _ORDER.index(self._order) > _ORDER.index(section):
            self.fail(_WRONG_ORDER)
        self._order = section

    # ---- options ----

    @property
    def _loads_options(self) -> bool:
        return "option" in self.configuration.load

    def no(self, _no: str) -> bool:
        return False

    def yes(self, text: str) -> bool:
        if text != "yes":
            self.fail(f"invalid value '{text}', expected 'yes' or 'no'")
        return True

    def set_reassemble(self, _set: str, _keyword: str, enabled: bool, nodf: str | None) -> None:
        self._in_order("options")
        if self._loads_options:
            options = self.configuration.options
            options.reassemble = [word for word, given in (("yes", enabled), ("no-df", enabled and nodf)) if given]
            options.given.add("reassemble")
            self._say(f"set reassemble {'yes' if enabled else 'no'} {'no-df' if nodf else ''}")

    def set_optimization(self, _set: str, _keyword: str, name: str) -> None:
        self._in_order("options")
        if not self._loads_options:
            return
        hints = names.OPTIMIZATIONS.get(name.lower())
        if hints is None:
            warn("invalid state timeouts optimization")
            self.fail(f"unknown optimization {name}")
        self.configuration.options.timeouts.update(hints)
        self.configuration.options.given.update(hints)
        self._say(f"set optimization {name}")

    def set_ruleset_optimization(self, _set: str, _keyword: str, level: str) -> None:
        if level not in ("none", "basic", "profile"):
            self.fail(f"unknown ruleset-optimization {level}")
        if level == "profile":
            raise NotSimulated("set ruleset-optimization profile, which depends on traffic")
        if not self.configuration.flags.optimize_given:
            self.configuration.flags.optimize_given = True
            self.configuration.optimize = level != "none"

    def timeout(self, name: str, seconds: int) -> None:
        self._in_order("options")
        self._unsigned(seconds)
        if not self._loads_options:
            return
        if name.lower() not in names.TIMEOUTS:
            warn("Bad timeout name.")
            self.fail(f"unknown timeout {name}")
        self.configuration.options.timeouts[name.lower()] = seconds
        self.configuration.options.given.add(name.lower())
        self._say(f"set timeout {name} {seconds}")

    def limit(self, name: str, number: int) -> None:
        self._in_order("options")
        self._unsigned(number)
        if name.lower() not in names.LIMITS:
            warn("Bad pool name.")
            self.fail(f"unable to set limit {name} {number}")
        self.configuration.options.limits[name.lower()] = number
        self.configuration.options.given.add(name.lower())
        self._say(f"set limit {name} {number}")

    def set_loginterface(self, _set: str, _keyword: str, name: str) -> None:
        self._in_order("options")
        if self._loads_options:
            self.configuration.options.loginterface = "" if name == "none" else name
            self.configuration.options.given.add("loginterface")
            self._say(f"set loginterface {name}")

    def set_hostid(self, _set: str, _keyword: str, number: int) -> None:
        if not 0 < number <= UINT_MAX:
            self.fail("hostid must be non-zero")
        if self._loads_options:
            self.configuration.options.hostid = number
            self.configuration.options.given.add("hostid")
            self._say(f"set hostid 0x{number:08x}")

    def set_block_policy(self, _set: str, _keyword: str, policy: str) -> None:
        self._say(f"set block-policy {policy}")
        self._in_order("options")
        self._block_policy = policy

    def set_fail_policy(self, _set: str, _keyword: str, policy: str) -> None:
        self._say(f"set fail-policy {policy}")
        self._in_order("options")
        self._fail_policy = policy

    def set_require_order(self, _set: str, _keyword: str, required: bool) -> None:
        self._say(f"set require-order {'yes' if required else 'no'}")
        self._require_order = required

    def set_fingerprints(self, _set: str, _keyword: str, name: str) -> None:
        self._say(f'set fingerprints "{name}"')
        self._in_order("options")
        # Nothing is done with fingerprints: rules that ask for them are refused.

    def set_state_policy(self, _set: str, _keyword: str, policy: str) -> None:
        self._say(f"set state-policy {policy}")
        self._if_bound = policy == "if-bound"

    def set_debug(self, _set: str, _keyword: str, level: str) -> None:
        self._in_order("options")
        if not self._loads_options:
            return
        if level not in _DEBUG_LEVELS:
            warn(f'unknown debug level "{level}"')
            self.fail(f"error setting debuglevel {level}")
        self.configuration.options.debug = level
        self.configuration.options.given.add("debug")
        self._say(f"set debug {level}")

    def set_skip(self, _set: str, _keyword: str, interfaces: list[Interface] | None) -> None:
        skip: list[str] = []
        if not interfaces or (len(interfaces) == 1 and not interfaces[0].negated and interfaces[0].name == "none"):
            self._say("set skip on none")
            interfaces = []
        else:
            self._say("".join(["set skip on {", *(f" {interface.name}" for interface in interfaces), " }"]))
        bad = [interface for interface in interfaces if interface.negated]
        for _ in bad:
            self.error("skip on ! <interface> is not supported")
        if bad:
            self.fail("error setting skip interface(s)")
        for interface in interfaces:
            # A group is flagged together with its members.
            skip += [*self.resolver.interfaces.group(interface.name), interface.name]
        if self._loads_options:
            self.configuration.options.skip = (self.configuration.options.skip or []) + skip

    def set_state_defaults(self, _set: str, _keyword: str, options: list[tuple[str, t.Any]]) -> None:
        if self._state_defaults is not None:
            self.fail("cannot redefine state-defaults")
        self._state_defaults = options

    def set_keepcounters(self, *_: str) -> None:
        """Counters are always zero here, so that there is nothing to keep."""

    def syncookie_mode(self, text: str) -> str:
        if text not in ("never", "adaptive", "always"):
            self.fail("illegal value for syncookies")
        return text

    def syncookie_opt(self, name: str, text: str) -> tuple[str, int]:
        try:
            value = float(text.removesuffix("%"))
        except ValueError:
            raise ActionError from None
        if not text.endswith("%"):
            raise ActionError
        if not 0 < value <= 100:
            self.fail("illegal percentage value")
        if name not in ("start", "end"):
            self.fail("illegal syncookie option")
        return name, int(value)

    def set_syncookies(self, _set: str, _keyword: str, mode: str, watermarks: list[tuple[str, int]] | None) -> None:
        cookies = self.configuration.options.syncookies
        if watermarks is not None and mode != "adaptive":
            warn("syncookies start/end only apply to adaptive")
            self.fail("error setting syncookies")
        text = f"set syncookies {mode}"
        if watermarks is not None:
            given = dict(watermarks)
            start = given.get("start") or 25
            end = given.get("end") or start // 2
            if end >= start:
                warn("start must be higher than end")
                self.fail("error setting syncookies")
            cookies.update(start=start, end=end)
            text += f" (start {start}%, end {end}%)"
        self._say(text)
        cookies["mode"] = mode

    # ---- tables ----

    def table_flag(self, word: str) -> tuple[str, t.Any]:
        if word not in ("const", "persist", "counters"):
            self.fail(f"invalid table option '{word}'")
        return "flag", word

    def table_empty(self, *_: t.Any) -> tuple[str, t.Any]:
        return "empty", None

    def table_hosts(self, _open: str, _newlines: None, hosts: list[Host] | None, _close: str) -> tuple[str, t.Any]:
        refusals = {
            "range": "address ranges are not permitted inside tables",
            "dynif": "dynamic addresses are not permitted inside tables",
            "table": "tables cannot contain tables",
            "no-route": '"no-route" is not permitted inside tables',
            "urpf-failed": '"urpf-failed" is not permitted inside tables',
        }
        for host in hosts or []:
            if host.addr.type in refusals:
                self.fail(refusals[host.addr.type])
        return "contents", hosts or []

    def table_file(self, _file: str, name: str) -> tuple[str, t.Any]:
        return "contents", name

    def table(self, _table: str, _open: str, name: str, _close: str, options: list[tuple[str, t.Any]]) -> None:
        if len(name) >= TABLE_NAME_SIZE:
            self.fail(f"table name too long, max {TABLE_NAME_SIZE - 1} chars")
        if "table" in self.configuration.load:
            flags = [value for kind, value in options if kind == "flag"]
            given = [value for kind, value in options if kind == "contents"]
            has_contents = given or any(kind == "empty" for kind, _ in options)
            try:
                self._tables.define(name, flags, given if has_contents else None)
            except TableError as error:
                self.fail(str(error))

    # ---- anchors ----

    def anchor_name(self, name: str) -> str:
        if not name:
            self.fail("anchor name must not be empty")
        if len(self.configuration.anchor.path) + 1 + len(name) >= 1024:
            self.fail("anchor name is longer than 1023")
        if name.startswith("_") or "/_" in name:
            self.fail("anchor names beginning with '_' are reserved for internal use")
        return name

    def brace_open(self, _brace: str) -> None:
        if not self.configuration.open_brace():
            raise CommandError("pfa_anchor: anchors too deep")

    def brace_close(self, *_: t.Any) -> None:
        self.configuration.close_brace()

    def anchor(
        self,
        _anchor: str,
        name: str | None,
        direction: str | None,
        quick: bool,
        interfaces: list[Interface] | None,
        af: str | None,
        protos: list[int] | None,
        from_to: tuple[Peer, Peer],
        options: dict[str, t.Any],
        _body: None,
    ) -> None:
        self._in_order("filtering")
        configuration = self.configuration
        if configuration.body:
            if name and "/" in name:
                self.fail("anchor paths containing '/' cannot be used for inline anchors.")
            if not configuration.adopt(configuration.body, name):
                self.fail(f"inline anchor '{name}' already exists")
            name = configuration.body.name
        elif not name:
            self.fail("anchors without explicit rules must specify a name")
        rule = Rule(direction=direction or "", quick=quick, af=af or "")
        self._check_flags(protos, options)
        self._apply_options(rule, options)
        if options.get("keep", ("", []))[0]:
            self.fail("cannot specify state handling on anchors")
        self._decide_family(rule, *from_to)
        expand(self, rule, _parts(interfaces, protos, from_to, options), name)
        configuration.body = None

    def translation_anchor(
        self,
        keyword: str,
        name: str,
        interfaces: list[Interface] | None,
        af: str | None,
        protos: list[int] | None,
        from_to: tuple[Peer, Peer],
        rtable: tuple[str, int] | None,
    ) -> None:
        self._in_order("translation")
        action = keyword.removesuffix("-anchor")
        rule = Rule(action=action, af=af or "", rtable=rtable[1] if rtable else -1)
        source, destination = from_to
        self._decide_family(rule, source, destination)
        if action == "rdr":
            if source.ports:
                self.fail("source port parameter not supported in rdr-anchor")
            if destination.ports:
                if len(destination.ports) > 1:
                    self.fail("destination port list expansion not supported in rdr-anchor")
                if destination.ports[0].op != "=":
                    self.fail("destination port operators not supported in rdr-anchor")
        expand(self, rule, _parts(interfaces, protos, from_to), name)

    def binat_anchor(
        self,
        _keyword: str,
        name: str,
        _interfaces: list[Interface] | None,
        af: str | None,
        protos: list[int] | None,
        from_to: tuple[Peer, Peer],
        rtable: tuple[str, int] | None,
    ) -> None:
        self._in_order("translation")
        if protos and len(protos) > 1:
            self.fail("proto list expansion not supported in binat-anchor")
        if from_to != (Peer(), Peer()):
            self.fail("fromto parameter not supported in binat-anchor")
        rule = Rule(action="binat", af=af or "", rtable=rtable[1] if rtable else -1, proto=protos[0] if protos else 0)
        self.configuration.add(rule, name)

    def load_anchor(self, _load: str, _anchor: str, name: str | None, _from: str, filename: str) -> None:
        if name is None:
            self.fail("anchor name is missing")
        parent = self.configuration.anchor
        self.anchors_to_load.append((f"{parent.path}/{name}" if parent.name else name, filename))

    # ---- scrub, antispoof ----

    def scrub(
        self,
        no: bool,
        direction: str | None,
        logquick: tuple[tuple[list[str], int], bool],
        interfaces: list[Interface] | None,
        af: str | None,
        protos: list[int] | None,
        from_to: tuple[Peer, Peer],
        options: dict[str, t.Any],
    ) -> None:
        self._in_order("normalization")
        (log, logif), quick = logquick
        rule = Rule(action="no scrub" if no else "scrub", direction=direction or "", log=log, logif=logif, af=af or "")
        if quick:
            self.fail("scrub rules do not support 'quick'")
        if "reassemble tcp" in options and direction:
            self.fail("reassemble tcp rules can not specify direction")
        rule.nodf = "no-df" in options
        rule.randomid = "random-id" in options
        rule.reassemble_tcp = "reassemble tcp" in options
        rule.min_ttl = options.get("min-ttl", 0)
        rule.max_mss = options.get("max-mss", 0)
        rule.set_tos = options.get("set-tos", -1)
        rule.fragment_noreass = not options.get("fragcache", True)
        rule.rtable = options.get("rtable", -1)
        rule.match_tag_not, rule.match_tag = self._tagged(options.get("tagged"))
        expand(self, rule, _parts(interfaces, protos, from_to))

    def antispoof(
        self,
        _keyword: str,
        logquick: tuple[tuple[list[str], int], bool],
        interfaces: list[Interface],
        af: str | None,
        options: dict[str, t.Any],
    ) -> None:
        self._in_order("filtering")
        (log, logif), quick = logquick
        for interface in interfaces:
            rule = Rule(action="block", direction="in", log=log, logif=logif, quick=quick, af=af or "")
            rule.ridentifier = options.get("ridentifier", 0)
            rule.labels = self._labels(options)
            rule.rtable = options.get("rtable", -1)
            if interface.dynamic:
                network, own = ([_dynamic(interface.name, modifiers)] for modifiers in (["network"], []))
            else:
                network, own = (self.resolver.interfaces.lookup(interface.name, modifiers) for modifiers in (["network"], []))
            if network:
                expand(self, copy.copy(rule), Parts([Interface(interface.name, negated=True)], source=Peer(network)))
            if own and not interface.loopback:
                expand(self, rule, Parts(source=Peer(own)))

    # ---- filter rules ----

    def action_pass(self, _pass: str) -> dict[str, t.Any]:
        return {**(self.block_return() if self._fail_policy == "return" else {}), "action": "pass"}

    def action_match(self, _match: str) -> dict[str, t.Any]:
        return {"action": "match"}

    def block_default(self) -> dict[str, t.Any]:
        return self.block_return() if self._block_policy == "return" else self.block_drop()

    def block_drop(self, *_: str) -> dict[str, t.Any]:
        return {"action": "block"}

    def block_rst(self, _rst: str) -> dict[str, t.Any]:
        return {"action": "block", "block_return": "rst"}

    def block_rst_ttl(self, _rst: str, _open: str, _ttl: str, ttl: int, _close: str) -> dict[str, t.Any]:
        if not 0 <= ttl <= 255:
            self.fail(f"illegal ttl value {ttl}")
        return {"action": "block", "block_return": "rst", "return_ttl": ttl}

    def _block_icmp(self, code: int, code6: int) -> dict[str, t.Any]:
        return {"action": "block", "block_return": "icmp", "return_icmp": code, "return_icmp6": code6}

    def block_icmp(self, _keyword: str) -> dict[str, t.Any]:
        return self._block_icmp(RETURN_ICMP, RETURN_ICMP6)

    def block_icmp4(self, _keyword: str, _open: str, code: int, _close: str) -> dict[str, t.Any]:
        # The IPv4 default serves for IPv6, too: so pfctl has it.
        return self._block_icmp(code, RETURN_ICMP)

    def block_icmp6(self, _keyword: str, _open: str, code: int, _close: str) -> dict[str, t.Any]:
        return self._block_icmp(RETURN_ICMP, code)

    def block_icmp_both(self, _keyword: str, _open: str, code: int, _comma: str | None, code6: int, _close: str) -> dict[str, t.Any]:
        return self._block_icmp(code, code6)

    def block_return(self, *_: str) -> dict[str, t.Any]:
        return {"action": "block", "block_return": "return", "return_icmp": RETURN_ICMP, "return_icmp6": RETURN_ICMP6}

    def filter(
        self,
        action: dict[str, t.Any],
        direction: str | None,
        logquick: tuple[tuple[list[str], int], bool],
        interfaces: list[Interface] | None,
        route: tuple[str, Redirection] | None,
        af: str | None,
        protos: list[int] | None,
        from_to: tuple[Peer, Peer],
        options: dict[str, t.Any],
    ) -> None:
        self._in_order("filtering")
        (log, logif), quick = logquick
        rule = Rule(**action, direction=direction or "", log=log, logif=logif, quick=quick, af=af or "")
        self._apply_options(rule, options)
        self._check_flags(protos, options)
        self._apply_state(rule, options)
        self._decide_family(rule, *from_to)
        if route:
            if not rule.direction:
                self.fail("direction must be explicit with rules that specify routing")
            rule.rt, target = route
            if "prefer-ipv6-nexthop" not in target.options:
                self._decide_family(rule, Peer(target.hosts))
                if "af-to" not in options:
                    target.hosts, rule.af = keep_family(target.hosts, rule.af)
                if not target.hosts:
                    self.fail("no routing address with matching address family found.")
        rule.divert_port = options.get("divert", 0)
        rule.dummynet = options.get("dummynet", [])
        if "af-to" in options:
            rule.naf = options["af-to"]
        else:
            for key in ("nat", "rdr"):
                if key in options:
                    self._fit_target(rule, options[key])
        expand(self, rule, _parts(interfaces, protos, from_to, options)._replace(route=route and route[1]))

    def _fit_target(self, rule: Rule, target: Redirection) -> None:
        """Settle the address family of a rule and its translation target."""
        if not rule.af and not target.hosts[0].ifindex:
            rule.af = target.hosts[0].af
        target.hosts, rule.af = keep_family(target.hosts, rule.af)
        if not rule.af and any(host.addr.type not in ("table", "dynif") for host in target.hosts):
            self.fail("address family not given and translation address expands to multiple address families")
        if not target.hosts:
            self.fail("no translation address with matching address family found.")
        if target.hosts[0].addr.type == "dynif":
            # pfctl drops what follows a dynamic interface in such a list.
            target.hosts = [fit_dynamic(target.hosts[0], rule.af)]
        if bad_length(target.hosts[0], rule.af):
            raise ActionError

    def _check_flags(self, protos: list[int] | None, options: dict[str, t.Any]) -> None:
        if any(options.get("flags", (0, 0))) and protos and names.TCP not in protos:
            self.fail("flags only apply to tcp")

    def _decide_family(self, rule: Rule, *peers: Peer) -> None:
        """A host list of one family makes that the rule's."""
        for peer in peers:
            if not rule.af and peer.hosts and len({host.af for host in peer.hosts}) == 1:
                rule.af = peer.hosts[0].af

    def _labels(self, options: dict[str, t.Any]) -> list[str]:
        # Nothing after an empty label is ever looked at.
        labels = list(itertools.takewhile(bool, options.get("label", [])))
        if any(len(label) >= NAME_SIZE for label in labels):
            self.fail(f"rule label too long (max {NAME_SIZE - 1} chars)")
        return labels

    def _tag(self, tag: str) -> str:
        if len(tag) >= NAME_SIZE:
            self.fail(f"tag too long, max {NAME_SIZE - 1} chars")
        return tag

    def _tagged(self, tagged: tuple[bool, str] | None) -> tuple[bool, str]:
        return (tagged[0], self._tag(tagged[1])) if tagged else (False, "")

    def _apply_options(self, rule: Rule, options: dict[str, t.Any]) -> None:
        rule.keep_state = options.get("keep", ("", []))[0]
        rule.pktrate = options.get("max-pkt-rate", [0, 0])
        rule.probability = options.get("probability", 0)
        rule.rtable = options.get("rtable", -1)
        rule.ridentifier = options.get("ridentifier", 0)
        rule.max_pkt_size = options.get("max-pkt-size", 0)
        rule.tos = options.get("tos", 0)
        scrub = options.get("scrub", {})
        rule.nodf = "no-df" in scrub
        rule.randomid = "random-id" in scrub
        rule.min_ttl = scrub.get("min-ttl", 0)
        rule.max_mss = scrub.get("max-mss", 0)
        rule.tag = self._tag(options.get("tag", ""))
        rule.match_tag_not, rule.match_tag = self._tagged(options.get("tagged"))
        rule.labels = self._labels(options)
        rule.reassemble_tcp = "reassemble tcp" in scrub
        if "prio" in options:
            # 0 is no condition, so that the kernel writes priority 0 as 255.
            rule.prio = options["prio"] or 255
        rule.set_prio = options.get("set prio", [])
        rule.set_tos = options.get("set tos", -1)
        rule.flags, rule.flagset = options.get("flags", (0, 0))
        if rule.flags & ~rule.flagset:
            self.fail("flags always false")
        rule.qname, rule.pqname = options.get("queue", ("", ""))
        for kind, name in (("qname", rule.qname), ("pqname", rule.pqname)):
            if len(name) >= NAME_SIZE:
                self.fail(f"rule {kind} too long (max {NAME_SIZE - 1} chars)")
        rule.fragment = "fragment" in options
        rule.allow_opts = "allow-opts" in options

    def _apply_state(self, rule: Rule, options: dict[str, t.Any]) -> None:
        state_options = options.get("keep", ("", []))[1]
        if rule.action == "pass" and "keep" not in options:
            rule.keep_state = "keep"
            state_options = self._state_defaults or []
        given: dict[str, t.Any] = {}
        for name, value in state_options:
            if name == "timeout":
                self._apply_state_timeout(rule, *value)
                continue
            if given.get(name):
                self.fail(_TWICE.get(name, f"state option '{name}' multiple definitions"))
            if name in _POSITIVE and not (all(value) if isinstance(value, list) else value):
                self.fail(_POSITIVE[name])
            given[name] = value
        rule.max_states = given.get("max", 0)
        rule.nosync = "no-sync" in given
        rule.max_src_states = given.get("max-src-states", 0)
        rule.max_src_conn = given.get("max-src-conn", 0)
        rule.max_src_conn_rate = given.get("max-src-conn-rate", [0, 0])
        rule.max_src_nodes = given.get("max-src-nodes", 0)
        rule.overload, rule.flush = given.get("overload", ("", ""))
        rule.if_bound = given.get("lock") == "if-bound"
        rule.sloppy = "sloppy" in given
        rule.pflow = "pflow" in given
        rule.allow_related = "allow-related" in given
        if rule.action == "pass" and not any((rule.flags, rule.flagset, rule.fragment, "flags" in options)) and rule.keep_state:
            rule.flags, rule.flagset = _SYN, _SYN_ACK
        if rule.max_states and not {"adaptive.start", "adaptive.end"} & set(rule.timeouts):
            rule.timeouts["adaptive.start"] = rule.max_states // 10 * 6
            rule.timeouts["adaptive.end"] = rule.max_states // 10 * 12
        self._apply_source_track(rule, given)
        if rule.keep_state and "lock" not in given:
            rule.if_bound = self._if_bound

    def _apply_state_timeout(self, rule: Rule, name: str, seconds: int) -> None:
        if rule.timeouts.get(name):
            self.fail(f"state timeout {name} multiple definitions")
        if seconds:
            rule.timeouts[name] = seconds

    def _apply_source_track(self, rule: Rule, given: dict[str, t.Any]) -> None:
        per_rule = {"max-src-conn", "max-src-conn-rate", "max-src-nodes"} & set(given)
        if not per_rule and not {"source-track", "max-src-states"} & set(given):
            return
        how = given.get("source-track", "any")
        if how == "global":
            for name in ("max-src-nodes", "max-src-conn", "max-src-conn-rate"):
                if name in given:
                    self.fail(f"'{name}' is incompatible with 'source-track global'")
        seconds = rule.max_src_conn_rate[1]
        if rule.timeouts.get("src.track", 0) < seconds:
            rule.timeouts["src.track"] = seconds
        rule.source_track = "rule" if per_rule or how == "rule" else "global"

    # ---- translation ----

    def natpass_none(self) -> tuple[bool, tuple[list[str], int]]:
        return False, _NO_LOG

    def natpass(self, _pass: str, log: tuple[list[str], int] = _NO_LOG) -> tuple[bool, tuple[list[str], int]]:
        return True, log

    def natpass_log(self, log: tuple[list[str], int]) -> tuple[bool, tuple[list[str], int]]:
        return False, log

    def translation_action(self, no: bool, action: str, passlog: tuple[bool, tuple[list[str], int]]) -> Rule:
        natpass, (log, logif) = passlog
        if no and natpass:
            self.fail('"pass" not valid with "no"')
        return Rule(action=f"no {action}" if no else action, natpass=natpass, log=log, logif=logif)

    def translation(
        self,
        rule: Rule,
        interfaces: list[Interface] | None,
        af: str | None,
        protos: list[int] | None,
        from_to: tuple[Peer, Peer],
        tag: str | None,
        tagged: tuple[str, tuple[bool, str]] | None,
        rtable: tuple[str, int] | None,
        target: Redirection | None,
    ) -> None:
        self._in_order("translation")
        rule.af = af or ""
        if not rule.af:
            rule.af = next((peer.hosts[0].af for peer in from_to if peer.hosts and peer.hosts[0].af and not peer.hosts[0].ifindex), "")
        rule.tag = self._tag(tag or "")
        rule.match_tag_not, rule.match_tag = self._tagged(tagged and tagged[1])
        rule.rtable = rtable[1] if rtable else -1
        if rule.action.startswith("no "):
            if target:
                self.fail("translation rule with 'no' does not need '->'")
        else:
            if not target:
                self.fail("translation rule requires '-> address'")
            if "prefer-ipv6-nexthop" in target.options:
                self.fail("The prefer-ipv6-nexthop option can't be used for nat/rdr/binat pools")
            self._fit_target(rule, target)
        flows = [option for option in self._state_defaults or [] if option[0] == "pflow"]
        if len(flows) > 1:
            self.fail("state pflow option: multiple definitions")
        rule.pflow = bool(flows)
        expand(self, rule, _parts(interfaces, protos, from_to)._replace(rdr=target))

    def binat(
        self,
        no: bool,
        action: str,
        passlog: tuple[bool, tuple[list[str], int]],
        interfaces: list[Interface] | None,
        af: str | None,
        protos: list[int] | None,
        _from: str,
        source: list[Host] | None,
        destination: list[Host] | None,
        tag: str | None,
        tagged: tuple[str, tuple[bool, str]] | None,
        rtable: tuple[str, int] | None,
        target: Redirection | None,
    ) -> None:
        self._in_order("translation")
        self.disallow_urpf_failed(destination, '"urpf-failed" is not permitted as a binat destination')
        rule = self.translation_action(no, action, passlog)
        rule.af = af or next((hosts[0].af for hosts in (source, destination, target and target.hosts) if hosts and hosts[0].af), "")
        if not rule.af:
            self.fail("address family (inet/inet6) undefined")
        if interfaces:
            rule.ifname, rule.ifnot = interfaces[0].name, interfaces[0].negated
        rule.tag = self._tag(tag or "")
        rule.match_tag_not, rule.match_tag = self._tagged(tagged and tagged[1])
        rule.rtable = rtable[1] if rtable else -1
        rule.proto = protos[0] if protos else 0
        for hosts, what in ((source, "source"), (target and target.hosts, "redirect")):
            for host in hosts or []:
                if host.addr.type == "table":
                    self.fail(f"invalid use of table <{host.addr.name}> as the {what} address of a binat rule")
            for host in hosts or []:
                if host.addr.is_multiple():
                    self.fail(f"invalid use of interface ({host.addr.name}) as the {what} address of a binat rule")
        for hosts, endpoint in ((source, rule.src), (destination, rule.dst)):
            if hosts:
                endpoint.addr = self._binat_host(rule, hosts, is_source=hosts is source).addr
        if destination:
            rule.dst.negated = destination[0].negated
        if no:
            if target:
                self.fail("'no binat' rule does not need '->'")
        else:
            if not target:
                self.fail("'binat' rule requires '-> address'")
            self._fit_target(rule, target)
            if len(target.hosts) > 1:
                self.fail("binat rule must redirect to a single address")
            if rule.src.addr.mask and rule.src.addr.mask != target.hosts[0].addr.mask:
                self.fail("'binat' source mask and redirect mask must be the same")
            rule.rdr = Pool([PoolAddress(target.hosts[0].addr, target.hosts[0].af)])
        self.configuration.add(rule, "")

    def _binat_host(self, rule: Rule, hosts: list[Host], *, is_source: bool) -> Host:
        host = hosts[0]
        if len(hosts) > 1:
            self.fail("multiple binat ip addresses")
        dynamic = host.addr.type == "dynif"
        if host.af != rule.af and not (dynamic if is_source else not host.af):
            self.fail("binat ip versions must match")
        if dynamic:
            host = fit_dynamic(host, rule.af)
        if bad_length(host, rule.af):
            raise ActionError
        return host


# What is said of a state option that is given twice, where it is not the usual words.
_TWICE = {
    "no-sync": "state option 'sync' multiple definitions",
    "overload": "multiple 'overload' table definitions",
    "lock": "state locking option: multiple definitions",
    "sloppy": "state sloppy option: multiple definitions",
    "pflow": "state pflow option: multiple definitions",
    "allow-related": "state allow-related option: multiple definitions",
}
_POSITIVE = {
    "max-src-states": "'max-src-states' must be > 0",
    "max-src-conn": "'max-src-conn' must be > 0",
    "max-src-conn-rate": "'max-src-conn-rate' values must be > 0",
    "max-src-nodes": "'max-src-nodes' must be > 0",
}


def _parts(
    interfaces: list[Interface] | None,
    protos: list[int] | None,
    from_to: tuple[Peer, Peer],
    options: dict[str, t.Any] | None = None,
) -> Parts:
    options = options or {}
    return Parts(
        interfaces,
        protos,
        *from_to,
        users=options.get("user"),
        groups=options.get("group"),
        received_on=options.get("received-on"),
        icmp=options.get("icmp"),
        nat=options.get("nat"),
        rdr=options.get("rdr"),
    )


def _dynamic(name: str, modifiers: list[str]) -> Host:
    address = Address("dynif", name=name, modifiers=modifiers)
    address.set_length(128)
    return Host(address)
