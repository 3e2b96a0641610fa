# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Targets of routing and translation, and the statements nat, rdr and binat."""

from __future__ import annotations

import os
import re
import typing as t

from ..expand import Parts, bad_length, expand
from ..lalr import ActionError
from ..nodes import NO_PORTS, Interface, Peer, PortRange, Redirection, fit_dynamic, keep_family
from ..rules import Address, Host, Pool, PoolAddress, Rule
from .base import INTERFACE_NAME_SIZE, NAME_SIZE
from .conditions import Conditions
from .settings import Settings

_NO_LOG: tuple[list[str], int] = ([], 0)


class Translation(Conditions, Settings):
    """Actions for targets and translation rules."""

    # ---- routing, pools ----

    def route(self, how: str, target: Redirection) -> tuple[str, Redirection]:
        return how, target

    def route_interface(self, name: str) -> list[Host]:
        if len(name) >= INTERFACE_NAME_SIZE:
            self.fail("interface name too long")
        address = Address()
        address.set_length(128)
        return [Host(address, ifname=name)]

    def route_host(self, _open: str, name: str, hosts: list[Host], _close: str) -> list[Host]:
        if len(name) >= INTERFACE_NAME_SIZE:
            self.fail("interface name too long")
        for host in hosts:
            host.ifname = name
        return hosts

    def redirection(self, hosts: list[Host], options: dict[str, t.Any]) -> Redirection:
        return Redirection(hosts, options=options)

    def redirection_port(self, hosts: list[Host], _port: str, ports: PortRange, options: dict[str, t.Any]) -> Redirection:
        return Redirection(hosts, ports, options)

    def binat_redirection(self, _arrow: str, hosts: list[Host], _port: str = "", ports: PortRange = NO_PORTS) -> Redirection:
        return Redirection(hosts, ports)

    def pool_opts_first(self, option: tuple[str, t.Any]) -> dict[str, t.Any]:
        return self.pool_opts_more({}, option)

    def pool_opts_more(self, options: dict[str, t.Any], option: tuple[str, t.Any]) -> dict[str, t.Any]:
        name, value = option
        if name in options:
            self.fail("pool type cannot be redefined" if name == "type" else f"{name} cannot be redefined")
        if name == "map-e-portset":
            self._check_mape(options, value)
        return {**options, name: value}

    def pool_type(self, name: str, key: str = "") -> tuple[str, t.Any]:
        return "type", (name, key)

    def pool_flag(self, name: str) -> tuple[str, t.Any]:
        return name, True

    def pool_mape(self, name: str, offset: int, _slash: str, length: int, _slash2: str, psid: int) -> tuple[str, t.Any]:
        return name, [offset, length, psid]

    def _check_mape(self, options: dict[str, t.Any], portset: list[int]) -> None:
        offset, length, psid = portset
        if "type" in options:
            self.fail("map-e-portset cannot be used with address pools")
        if not 0 < offset < 16:
            self.fail("MAP-E PSID offset must be 1-15")
        if not 0 <= length < 16 or offset + length > 16:
            self.fail("Invalid MAP-E PSID length")
        if not length:
            self.fail("PSID Length = 0: this means you do not need MAP-E")
        if not 0 <= psid <= 65535:
            self.fail("Invalid MAP-E PSID")

    def hash_key(self, text: str | None = None) -> str:
        if text is None:
            return os.urandom(16).hex()
        if not text.startswith("0x"):
            import hashlib  # slow to import, and hardly ever needed

            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        if len(text) != 34:
            self.fail("hex key must be 128 bits (32 hex digits) long")
        if not re.fullmatch(r"0x[0-9a-fA-F]+", text):
            self.fail("invalid hex key")
        return text[2:].lower()

    # ---- statements ----

    def fit_target(self, rule: Rule, target: Redirection) -> None:
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

    def checked_tag(self, tag: str) -> str:
        if len(tag) >= NAME_SIZE:
            self.fail(f"tag too long, max {NAME_SIZE - 1} chars")
        return tag

    def checked_match_tag(self, tagged: tuple[bool, str] | None) -> tuple[bool, str]:
        return (tagged[0], self.checked_tag(tagged[1])) if tagged else (False, "")

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
        self.in_order("translation")
        rule.af = af or ""
        if not rule.af:
            rule.af = next((peer.hosts[0].af for peer in from_to if peer.hosts and peer.hosts[0].af and not peer.hosts[0].ifindex), "")
        rule.tag = self.checked_tag(tag or "")
        rule.match_tag_not, rule.match_tag = self.checked_match_tag(tagged and tagged[1])
        rule.rtable = rtable[1] if rtable else -1
        if rule.action.startswith("no "):
            if target:
                self.fail("translation rule with 'no' does not need '->'")
        else:
            if not target:
                self.fail("translation rule requires '-> address'")
            if "prefer-ipv6-nexthop" in target.options:
                self.fail("The prefer-ipv6-nexthop option can't be used for nat/rdr/binat pools")
            self.fit_target(rule, target)
        flows = [option for option in self.state_defaults or [] if option[0] == "pflow"]
        if len(flows) > 1:
            self.fail("state pflow option: multiple definitions")
        rule.pflow = bool(flows)
        expand(self, rule, parts_of(interfaces, protos, from_to)._replace(rdr=target))

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
        self.in_order("translation")
        self.disallow_urpf_failed(destination, '"urpf-failed" is not permitted as a binat destination')
        rule = self.translation_action(no, action, passlog)
        rule.af = af or next((hosts[0].af for hosts in (source, destination, target and target.hosts) if hosts and hosts[0].af), "")
        if not rule.af:
            self.fail("address family (inet/inet6) undefined")
        if interfaces:
            rule.ifname, rule.ifnot = interfaces[0].name, interfaces[0].negated
        rule.tag = self.checked_tag(tag or "")
        rule.match_tag_not, rule.match_tag = self.checked_match_tag(tagged and tagged[1])
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
            self.fit_target(rule, target)
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


def parts_of(
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
