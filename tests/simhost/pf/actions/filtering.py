# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Statements of filter rules: anchor, scrub, antispoof, pass, match, block."""

from __future__ import annotations

import copy
import itertools
import typing as t

from ...program import CommandError
from .. import names
from ..expand import Parts, expand
from ..nodes import Interface, Peer, Redirection, keep_family
from ..rules import Address, Host, Rule
from .base import NAME_SIZE
from .options import RETURN_ICMP, RETURN_ICMP6
from .translation import Translation, parts_of

# The bits of "flags S/SA".
_SYN, _SYN_ACK = 0x02, 0x12

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


class Filtering(Translation):
    """Actions for statements of filter rules."""

    anchors_to_load: list[tuple[str, str]]

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
        self.in_order("filtering")
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
        expand(self, rule, parts_of(interfaces, protos, from_to, options), name)
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
        self.in_order("translation")
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
        expand(self, rule, parts_of(interfaces, protos, from_to), name)

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
        self.in_order("translation")
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
        self.in_order("normalization")
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
        rule.match_tag_not, rule.match_tag = self.checked_match_tag(options.get("tagged"))
        expand(self, rule, parts_of(interfaces, protos, from_to))

    def antispoof(
        self,
        _keyword: str,
        logquick: tuple[tuple[list[str], int], bool],
        interfaces: list[Interface],
        af: str | None,
        options: dict[str, t.Any],
    ) -> None:
        self.in_order("filtering")
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
        return {**(self.block_return() if self.fail_policy == "return" else {}), "action": "pass"}

    def action_match(self, _match: str) -> dict[str, t.Any]:
        return {"action": "match"}

    def block_default(self) -> dict[str, t.Any]:
        return self.block_return() if self.block_policy == "return" else self.block_drop()

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
        self.in_order("filtering")
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
                    self.fit_target(rule, options[key])
        expand(self, rule, parts_of(interfaces, protos, from_to, options)._replace(route=route and route[1]))

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
        rule.tag = self.checked_tag(options.get("tag", ""))
        rule.match_tag_not, rule.match_tag = self.checked_match_tag(options.get("tagged"))
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
            state_options = self.state_defaults or []
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
            rule.if_bound = self.if_bound

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


def _dynamic(name: str, modifiers: list[str]) -> Host:
    address = Address("dynif", name=name, modifiers=modifiers)
    address.set_length(128)
    return Host(address)
