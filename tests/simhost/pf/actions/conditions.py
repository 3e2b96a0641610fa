# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rule matches: interfaces, protocols, hosts, ports, users, flags, ICMP types, TOS."""

from __future__ import annotations

import re
import typing as t

from ...program import NotSimulated
from .. import names
from ..hosts import BadModifier, exclude_each_other, split_modifiers
from ..lalr import ActionError
from ..nodes import Icmp, Identity, Interface, Peer, Port, PortRange, out_of_order
from ..rules import FULL_LENGTH, Address, Host, length_of
from .base import INTERFACE_NAME_SIZE, TABLE_NAME_SIZE, UINT_MAX, Actions, strtoul


class Conditions(Actions):
    """Actions for the conditions of rules."""

    # ---- interfaces, protocols ----

    def interface_name(self, name: str) -> Interface:
        if len(name) >= INTERFACE_NAME_SIZE:
            self.fail("interface name too long")
        return Interface(name, loopback=self.resolver.interfaces.is_loopback(name))

    def negate_interface(self, negated: bool, interface: Interface) -> Interface:
        interface.negated = negated
        return interface

    def dynamic_interface(self, _open: str, interface: Interface, _close: str) -> Interface:
        interface.dynamic = True
        return interface

    def proto_name(self, name: str) -> int:
        number = names.protocol_number(name)
        if number is None:
            self.fail(f"unknown protocol {name}")
        return number

    def proto_number(self, number: int) -> int:
        if not 0 <= number <= 255:
            self.fail("protocol outside range")
        return number

    def proto_item(self, number: int) -> int:
        if not number & 0xFF:
            self.fail("proto 0 cannot be used")
        return number & 0xFF

    # ---- hosts ----

    def from_to_all(self, _all: str) -> tuple[Peer, Peer]:
        return Peer(), Peer()

    def from_to(self, source: Peer, _os: None, destination: Peer) -> tuple[Peer, Peer]:
        return source, destination

    def not_simulated_os(self, name: str) -> t.NoReturn:
        raise NotSimulated(f'operating system fingerprints (os "{name}")')

    def no_peer(self) -> Peer:
        return Peer()

    def peer(self, hosts: list[Host] | None) -> Peer:
        return Peer(hosts)

    def peer_port(self, hosts: list[Host] | None, _port: str, ports: list[Port]) -> Peer:
        return Peer(hosts, ports)

    def port_only(self, _port: str, ports: list[Port]) -> Peer:
        return Peer(None, ports)

    def destination(self, _to: str, peer: Peer) -> Peer:
        self.disallow_urpf_failed(peer.hosts, '"urpf-failed" is not permitted in a destination address')
        return peer

    def disallow_urpf_failed(self, hosts: list[Host] | None, message: str) -> None:
        if any(host.addr.type == "urpf-failed" for host in hosts or []):
            self.fail(message)

    def hosts_more(self, hosts: list[Host] | None, _comma: str | None, more: list[Host] | None, _newlines: None) -> list[Host] | None:
        # One "any" makes the whole list any.
        return None if hosts is None or more is None else hosts + more

    def negate_hosts(self, negated: bool, hosts: list[Host]) -> list[Host]:
        for host in hosts:
            host.negated = negated
        return hosts

    def host_keyword(self, negated: bool, keyword: str) -> list[Host]:
        return [Host(Address(keyword), negated=negated)]

    def _resolve(self, text: str) -> list[Host]:
        hosts = self.resolver.host(text)
        if not hosts:
            self.fail("could not parse host specification")
        return hosts

    def host(self, text: str) -> list[Host]:
        return self._resolve(text)

    def host_network(self, address: str | int, _slash: str, length: int) -> list[Host]:
        return self._resolve(f"{address}/{length}")

    def host_range(self, first: str, _dash: str, last: str) -> list[Host]:
        begin, end = self._resolve(first), self._resolve(last)
        for hosts in (begin, end):
            if len(hosts) != 1 or hosts[0].af != begin[0].af or length_of(hosts[0].addr.mask) != FULL_LENGTH[hosts[0].af]:
                self.fail("invalid address range")
        return [Host(Address("range", begin[0].addr.address, end[0].addr.address), begin[0].af)]

    def host_table(self, _open: str, name: str, _close: str) -> list[Host]:
        if len(name) >= TABLE_NAME_SIZE:
            self.fail(f"table name '{name}' too long")
        return [Host(Address("table", name=name))]

    def dynaddr(self, _open: str, text: str, _close: str) -> list[Host]:
        if not text[:1].isalpha():
            self.fail(f"invalid interface name '{text}'")
        try:
            name, modifiers = split_modifiers(text)
        except BadModifier as bad:
            self.fail(f"interface {bad} has bad modifier")
        if exclude_each_other(modifiers):
            self.fail("illegal combination of interface modifiers")
        if len(name) >= INTERFACE_NAME_SIZE:
            self.fail("interface name too long")
        address = Address("dynif", name=name, modifiers=modifiers)
        address.set_length(128)
        return [Host(address)]

    def dynaddr_network(self, hosts: list[Host], _slash: str, length: int) -> list[Host]:
        if not 0 <= length <= 128:
            self.fail("bit number too big")
        for host in hosts:
            host.addr.set_length(length)
        return hosts

    # ---- ports ----

    def _service(self, text: str) -> int:
        number = strtoul(text)
        if number is None:
            port = names.service_port(text)
            if port is None:
                self.fail(f"unknown port {text}")
            return port
        if not 0 <= number <= 65535:
            self.fail(f"illegal port value {number % (1 << 64)}")
        return number

    def port_plain(self, text: str) -> PortRange:
        if ":" in text:
            raise ActionError
        return PortRange(self._service(text))

    def port_range(self, text: str) -> PortRange:
        first, colon, last = text.partition(":")
        begin = self._service(first)
        if not colon:
            return PortRange(begin)
        end = self._service(last)
        return PortRange(begin, 0 if begin == end else end)

    def port_star(self, text: str) -> PortRange:
        if text.partition(":")[2] == "*":
            return PortRange(self._service(text[:-2]), star=True)
        return self.port_range(text)

    def port(self, ports: PortRange) -> Port:
        if not ports.last:
            return Port("=", ports.first)
        return self._port(":", ports.first, ports.last)

    def port_unary(self, op: str, ports: PortRange) -> Port:
        if ports.last:
            self.fail("':' cannot be used with an other port operator")
        return self._port(op, ports.first, 0)

    def port_binary(self, first: PortRange, op: str, last: PortRange) -> Port:
        if first.last or last.last:
            self.fail("':' cannot be used with an other port operator")
        return self._port(op, first.first, last.first)

    def _port(self, op: str, first: int, last: int) -> Port:
        if out_of_order(op, first, last):
            self.fail("invalid port range")
        return Port(op, first, last)

    # ---- users, groups ----

    def _named_id(self, kind: str, known: dict[str, int], name: str) -> int:
        if name == "unknown":
            return -1
        if name not in known:
            self.fail(f"unknown {kind} {name}")
        return known[name]

    def _id(self, kind: str, number: int) -> int:
        if not 0 <= number < UINT_MAX:
            self.fail(f"illegal {kind} value {number % (1 << 64)}")
        return number

    def uid_name(self, name: str) -> int:
        return self._named_id("user", names.USERS, name)

    def uid_number(self, number: int) -> int:
        return self._id("uid", number)

    def gid_name(self, name: str) -> int:
        return self._named_id("group", names.GROUPS, name)

    def gid_number(self, number: int) -> int:
        return self._id("gid", number)

    def id_equal(self, number: int) -> Identity:
        return Identity("=", number, number)

    def uid_unary(self, op: str, number: int) -> Identity:
        return self._unary("user", op, number)

    def gid_unary(self, op: str, number: int) -> Identity:
        return self._unary("group", op, number)

    def _unary(self, kind: str, op: str, number: int) -> Identity:
        if number == -1 and op not in ("=", "!="):
            self.fail(f"{kind} unknown requires operator = or !=")
        return Identity(op, number, number)

    def uid_binary(self, first: int, op: str, last: int) -> Identity:
        return self._binary("user", first, op, last)

    def gid_binary(self, first: int, op: str, last: int) -> Identity:
        return self._binary("group", first, op, last)

    def _binary(self, kind: str, first: int, op: str, last: int) -> Identity:
        if -1 in (first, last):
            self.fail(f"{kind} unknown requires operator = or !=")
        return Identity(op, first, last)

    # ---- TCP flags, ICMP, TOS ----

    def tcp_flags(self, text: str) -> int:
        bits = names.parse_tcp_flags(text)
        if bits is None:
            self.fail(f"bad flags {text}")
        return bits & 0xFF

    def flags(self, _keyword: str, flags: int, _slash: str, flagset: int) -> tuple[int, int]:
        return flags, flagset

    def flags_out_of(self, _keyword: str, _slash: str, flagset: int) -> tuple[int, int]:
        return 0, flagset

    def flags_any(self, _keyword: str, _any: str) -> tuple[int, int]:
        return 0, 0

    def _icmp_type(self, af: str, keyword: str, name: str) -> int:
        number = names.ICMP_TYPES[af].get(name)
        if number is None:
            self.fail(f"unknown {keyword} {name}")
        return number + 1

    def _icmp_number(self, keyword: str, number: int) -> int:
        if not 0 <= number <= 255:
            self.fail(f"illegal {keyword} {number % (1 << 64)}")
        return number + 1

    def icmp_type_name(self, name: str) -> int:
        return self._icmp_type("inet", "icmp-type", name)

    def icmp_type_number(self, number: int) -> int:
        return self._icmp_number("icmp-type", number)

    def icmp6_type_name(self, name: str) -> int:
        return self._icmp_type("inet6", "icmp6-type", name)

    def icmp6_type_number(self, number: int) -> int:
        return self._icmp_number("icmp6-type", number)

    def icmp(self, kind: int) -> Icmp:
        return Icmp(names.ICMP, kind)

    def icmp6(self, kind: int) -> Icmp:
        return Icmp(names.ICMP6, kind)

    def _icmp_code(self, af: str, keyword: str, kind: int, name: str) -> int:
        code = names.ICMP_CODES[af].get((kind - 1, name))
        if code is None:
            self.fail(f"unknown {keyword} {name}")
        return code + 1

    def icmp_code_name(self, kind: int, _code: str, name: str) -> Icmp:
        return Icmp(names.ICMP, kind, self._icmp_code("inet", "icmp-code", kind, name))

    def icmp_code_number(self, kind: int, _code: str, number: int) -> Icmp:
        return Icmp(names.ICMP, kind, self._icmp_number("icmp-code", number))

    def icmp6_code_name(self, kind: int, _code: str, name: str) -> Icmp:
        return Icmp(names.ICMP6, kind, self._icmp_code("inet6", "icmp6-code", kind, name))

    def icmp6_code_number(self, kind: int, _code: str, number: int) -> Icmp:
        return Icmp(names.ICMP6, kind, self._icmp_number("icmp6-code", number))

    def tos_name(self, text: str) -> int:
        if text.lower() in names.TOS:
            return names.TOS[text.lower()]
        if not re.fullmatch(r"0x[0-9a-fA-F]+", text) or int(text, 16) > 255:
            self.fail(f"illegal tos value {text}")
        return int(text, 16)

    def tos_number(self, number: int) -> int:
        if not 0 <= number <= 255:
            self.fail(f"illegal tos value {number % (1 << 64)}")
        return number
