# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions of the grammar for the parts of statements: hosts, ports, protocols, options, pools."""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import re
import typing as t

from ..program import NotSimulated
from . import names
from .hosts import BadModifier, Resolver, exclude_each_other, split_modifiers
from .lalr import ActionError
from .rules import FULL_LENGTH, Address, Host, length_of

MAX_LABELS = 5
NAME_SIZE = 64
TABLE_NAME_SIZE = 32
INTERFACE_NAME_SIZE = 16
UINT_MAX = 0xFFFFFFFF
PRIO_MAX = 7

# What `block return` answers with: (type << 8) + code.
RETURN_ICMP = 3 << 8 | 3
RETURN_ICMP6 = 1 << 8 | 4

_C_NUMBER = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_LEADING_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclasses.dataclass
class Interface:
    """A member of an interface list; ``dynamic`` if antispoof has it in parentheses."""

    name: str = ""
    negated: bool = False
    dynamic: bool = False
    loopback: bool = False


class PortRange(t.NamedTuple):
    """``first`` alone, ``first:last`` or, if ``star``, ``first:*``."""

    first: int
    last: int = 0
    star: bool = False


NO_PORTS = PortRange(0)


class Port(t.NamedTuple):
    """A condition on a port; ``op`` is "" for none."""

    op: str = ""
    first: int = 0
    last: int = 0


class Identity(t.NamedTuple):
    """A condition on a user or group; -1 is "unknown"."""

    op: str = ""
    first: int = 0
    last: int = 0


class Icmp(t.NamedTuple):
    """An ICMP type and code, each one higher than its number; 0 for none."""

    proto: int = 0
    type: int = 0
    code: int = 0


class Peer(t.NamedTuple):
    """One side of ``from ... to ...``; None stands for anything."""

    hosts: list[Host] | None = None
    ports: list[Port] | None = None


@dataclasses.dataclass
class Redirection:
    """The target of a translation or of route-to: hosts, a port range, pool options."""

    hosts: list[Host]
    ports: PortRange = NO_PORTS
    options: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    af: str = ""
    binat: bool = False


def out_of_order(op: str, first: int, last: int) -> bool:
    """Whether a port range is one that pfctl refuses."""
    return (op in (":", "<>") and first > last) or (op == "><" and first >= last)


def _strtoul(text: str) -> int | None:
    """A number in C's notation, or None."""
    number = _C_NUMBER.fullmatch(text)
    if not number:
        return None
    sign, digits = number.groups()
    return int(sign + digits, 8 if digits[0] == "0" and digits[1:].isdigit() else 0)


class Values:
    """Values of the right sides of rules. ``error`` and ``resolver`` come from the class that puts the actions together."""

    resolver: Resolver
    # The number of routing tables, sysctl net.fibs.
    fibs: int

    def error(self, message: str) -> None:
        """Report an error of the current line."""
        raise NotImplementedError

    def fail(self, message: str) -> t.NoReturn:
        """Report an error and skip the statement."""
        self.error(message)
        raise ActionError

    # ---- plumbing ----

    def empty(self) -> list[t.Any]:
        return []

    def empty_dict(self) -> dict[str, t.Any]:
        return {}

    def true(self, *_: t.Any) -> bool:
        return True

    def false(self) -> bool:
        return False

    def none(self, *_: t.Any) -> None:
        return None

    def first(self, *values: t.Any) -> t.Any:
        return values[0]

    def second(self, *values: t.Any) -> t.Any:
        return values[1]

    def third(self, *values: t.Any) -> t.Any:
        return values[2]

    def fourth(self, *values: t.Any) -> t.Any:
        return values[3]

    def one(self, _keyword: str, value: t.Any) -> list[t.Any]:
        return [value]

    def list_one(self, value: t.Any) -> list[t.Any]:
        return [value]

    def list_first(self, value: t.Any, _newlines: None) -> list[t.Any]:
        return [value]

    def list_more(self, values: list[t.Any], _comma: str | None, value: t.Any, _newlines: None) -> list[t.Any]:
        return [*values, value]

    def list_next(self, values: list[t.Any], _comma: str | None, value: t.Any) -> list[t.Any]:
        return [*values, value]

    def list_append(self, values: list[t.Any], value: t.Any) -> list[t.Any]:
        return [*values, value]

    def concatenate(self, values: list[t.Any], _comma: str | None, more: list[t.Any], _newlines: None) -> list[t.Any]:
        return values + more

    def join(self, word: str, rest: str) -> str:
        return f"{word} {rest}"

    def number_to_string(self, number: int) -> str:
        return str(number)

    def string_to_number(self, text: str) -> int:
        number = _strtoul(text)
        if number is None:
            self.fail(f"{text} is not a number")
        return number

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
        number = _strtoul(text)
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

    # ---- log, block return ----

    def log_plain(self, _log: str) -> tuple[list[str], int]:
        return ["log"], 0

    def log_option(self, name: str) -> tuple[list[str], int]:
        return ["log", name], 0

    def log_more(self, options: tuple[list[str], int], _comma: str | None, more: tuple[list[str], int]) -> tuple[list[str], int]:
        return [*options[0], *(name for name in more[0] if name not in options[0])], more[1] or options[1]

    def log_to(self, _to: str, name: str) -> tuple[list[str], int]:
        if not name.startswith("pflog"):
            self.fail(f"{name}: should be a pflog interface")
        unit = name.removeprefix("pflog")
        if not re.fullmatch(r"\d+", unit):
            self.fail(f"{name}: invalid")
        if int(unit) > 255:
            self.fail(f"{name}: too large")
        return ["log"], int(unit)

    # A log with quick: (options, unit of pflog), whether quick.

    def logquick_none(self) -> tuple[tuple[list[str], int], bool]:
        return ([], 0), False

    def logquick_log(self, log: tuple[list[str], int]) -> tuple[tuple[list[str], int], bool]:
        return log, False

    def logquick_quick(self, _quick: str) -> tuple[tuple[list[str], int], bool]:
        return ([], 0), True

    def logquick_log_quick(self, log: tuple[list[str], int], _quick: str) -> tuple[tuple[list[str], int], bool]:
        return log, True

    def logquick_quick_log(self, _quick: str, log: tuple[list[str], int]) -> tuple[tuple[list[str], int], bool]:
        return log, True

    def _return_code(self, af: str, default: int, text: str) -> int:
        number = _strtoul(text)
        if number is None:
            number = names.ICMP_CODES[af].get((default >> 8, text))
            if number is None:
                self.fail(f"unknown icmp code {text}")
        return self._return_number(default, number)

    def _return_number(self, default: int, number: int) -> int:
        if not 0 <= number <= 255:
            self.fail(f"invalid icmp code {number % (1 << 64)}")
        return default & 0xFF00 | number

    def icmp_return_code(self, text: str) -> int:
        return self._return_code("inet", RETURN_ICMP, text)

    def icmp_return_number(self, number: int) -> int:
        return self._return_number(RETURN_ICMP, number)

    def icmp6_return_code(self, text: str) -> int:
        return self._return_code("inet6", RETURN_ICMP6, text)

    def icmp6_return_number(self, number: int) -> int:
        return self._return_number(RETURN_ICMP6, number)

    # ---- options of rules: a dictionary that grows ----

    def options_first(self, option: tuple[str, t.Any]) -> dict[str, t.Any]:
        return self.options_more({}, option)

    def options_more(self, options: dict[str, t.Any], option: tuple[str, t.Any]) -> dict[str, t.Any]:
        name, value = option
        if name == "set":
            for setting in value:
                options = self.options_more(options, setting)
            return options
        if name in _ONCE and name in options:
            self.fail(_ONCE[name])
        if name == "label":
            if len(options.get("label", [])) >= MAX_LABELS:
                self.fail(f"label can only be used {MAX_LABELS} times")
            value = [*options.get("label", []), value]
        elif name in ("user", "group"):
            value = value + options.get(name, [])
        elif name == "scrub" and "set-tos" in value:
            # The same field as that of `set tos`.
            options = {**options, "set tos": value["set-tos"]}
        elif name == "af-to":
            if "nat" in options:
                self.fail("cannot respecify af-to")
            return {**options, "af-to": value[0].af, **dict(zip(("nat", "rdr"), value, strict=False))}
        return {**options, name: value}

    def option_user(self, _keyword: str, users: list[Identity]) -> tuple[str, t.Any]:
        return "user", users

    def option_group(self, _keyword: str, groups: list[Identity]) -> tuple[str, t.Any]:
        return "group", groups

    def option_flags(self, flags: tuple[int, int]) -> tuple[str, t.Any]:
        return "flags", flags

    def option_icmp(self, types: list[Icmp]) -> tuple[str, t.Any]:
        return "icmp", types

    def _prio(self, number: int) -> int:
        if not 0 <= number <= PRIO_MAX:
            self.fail(f"prio must be 0 - {PRIO_MAX}")
        return number

    def option_prio(self, _keyword: str, number: int) -> tuple[str, t.Any]:
        return "prio", self._prio(number)

    def option_tos(self, _keyword: str, tos: int) -> tuple[str, t.Any]:
        return "tos", tos

    def option_keep(self, keep: t.Any) -> tuple[str, t.Any]:
        return "keep", keep

    def option_ridentifier(self, _keyword: str, number: int) -> tuple[str, t.Any]:
        return "ridentifier", number

    def option_fragment(self, _keyword: str) -> tuple[str, t.Any]:
        return "fragment", True

    def option_allow_opts(self, _keyword: str) -> tuple[str, t.Any]:
        return "allow-opts", True

    def option_label(self, _keyword: str, label: str) -> tuple[str, t.Any]:
        return "label", label

    def option_queue(self, queue: tuple[str, str]) -> tuple[str, t.Any]:
        return "queue", queue

    def queue(self, _keyword: str, *parts: str | None) -> tuple[str, str]:
        queues = [part for part in parts if part not in ("(", ")", ",", None)]
        return queues[0], queues[1] if len(queues) > 1 else ""

    def option_dummynet(self, keyword: str, number: int) -> tuple[str, t.Any]:
        return "dummynet", [keyword, number, 0]

    def option_dummynet_one(self, keyword: str, _open: str, number: int, _close: str) -> tuple[str, t.Any]:
        return "dummynet", [keyword, number, 0]

    def option_dummynet_two(self, keyword: str, _open: str, number: int, _comma: str | None, back: int, _close: str) -> tuple[str, t.Any]:
        return "dummynet", [keyword, number, back]

    def option_tag(self, _keyword: str, tag: str) -> tuple[str, t.Any]:
        return "tag", tag

    def option_tagged(self, negated: bool, _keyword: str, tag: str) -> tuple[str, t.Any]:
        return "tagged", (negated, tag)

    def option_received_on(self, negated: bool, _keyword: str, interface: Interface) -> tuple[str, t.Any]:
        interface.negated = negated
        return "received-on", interface

    def probability_string(self, text: str) -> float:
        number = _LEADING_FLOAT.match(text)
        rest = text[number.end() :] if number else text
        if rest not in ("", "%"):
            self.fail(f"invalid probability: {text}")
        return (float(number.group()) if number else 0.0) * (0.01 if rest else 1)

    def option_probability(self, _keyword: str, probability: float) -> tuple[str, t.Any]:
        share = math.floor(probability * UINT_MAX + 0.5)
        if not 0 <= share <= UINT_MAX:
            self.fail(f"invalid probability: {float(share):f}")
        return "probability", share or 1

    def option_rtable(self, _keyword: str, number: int) -> tuple[str, t.Any]:
        if not 0 <= number < self.fibs:
            self.fail("invalid rtable id")
        return "rtable", number

    def option_divert(self, _keyword: str, *rest: t.Any) -> tuple[str, t.Any]:
        port = rest[-1].first
        if not port:
            self.fail("invalid divert port: 0")
        return "divert", port

    def option_divert_reply(self, _keyword: str) -> t.NoReturn:
        self.fail("divert-reply has no meaning in FreeBSD pf(4)")

    def option_scrub(self, _keyword: str, _open: str, options: dict[str, t.Any], _close: str) -> tuple[str, t.Any]:
        return "scrub", options

    def option_nat_to(self, _keyword: str, target: Redirection) -> tuple[str, t.Any]:
        return "nat", target

    def option_rdr_to(self, _keyword: str, target: Redirection) -> tuple[str, t.Any]:
        return "rdr", target

    def option_binat_to(self, _keyword: str, target: Redirection) -> tuple[str, t.Any]:
        target.binat = True
        target.options["static-port"] = True
        return "nat", target

    def option_af_to(self, _keyword: str, af: str | None, _from: str, source: Redirection, *destination: t.Any) -> tuple[str, t.Any]:
        if not af:
            self.fail("no address family specified")
        targets = [source, destination[1]] if destination else [source]
        for target in targets:
            target.af = af
            target.hosts, _ = keep_family(target.hosts, af)
        if not all(target.hosts for target in targets):
            self.fail("af-to addresses must be in the target address family")
        return "af-to", targets

    def option_max_pkt_rate(self, _keyword: str, limit: int, _slash: str, seconds: int) -> tuple[str, t.Any]:
        self._unsigned(limit, seconds)
        return "max-pkt-rate", [limit, seconds]

    def option_max_pkt_size(self, _keyword: str, size: int) -> tuple[str, t.Any]:
        if not 0 <= size <= 65535:
            self.fail("only positive values permitted")
        return "max-pkt-size", size

    def _unsigned(self, *numbers: int) -> None:
        if not all(0 <= number <= UINT_MAX for number in numbers):
            self.fail("only positive values permitted")

    def option_set(self, _set: str, _open: str, settings: list[tuple[str, t.Any]], _close: str) -> tuple[str, t.Any]:
        return "set", settings

    def option_set_one(self, _set: str, setting: tuple[str, t.Any]) -> tuple[str, t.Any]:
        return "set", [setting]

    def set_prio(self, prio: list[int]) -> tuple[str, t.Any]:
        return "set prio", prio

    def set_tos(self, _keyword: str, tos: int) -> tuple[str, t.Any]:
        return "set tos", tos

    def prio(self, _keyword: str, number: int) -> list[int]:
        return [self._prio(number)] * 2

    def prio_two(self, _keyword: str, _open: str, first: int, _comma: str | None, second: int, _close: str) -> list[int]:
        return [self._prio(first), self._prio(second)]

    # ---- options of scrub ----

    def scrub_opts_first(self, option: tuple[str, t.Any]) -> dict[str, t.Any]:
        return dict([option])

    def scrub_opts_more(self, options: dict[str, t.Any], _comma: str | None, option: tuple[str, t.Any]) -> dict[str, t.Any]:
        name, value = option
        if name in options and name not in ("rtable", "tagged"):
            self.fail(f"{name} cannot be respecified")
        return {**options, name: value}

    def scrub_flag(self, name: str) -> tuple[str, t.Any]:
        return name, True

    def scrub_min_ttl(self, _keyword: str, ttl: int) -> tuple[str, t.Any]:
        if not 0 <= ttl <= 255:
            self.fail(f"illegal min-ttl value {ttl}")
        return "min-ttl", ttl

    def scrub_max_mss(self, _keyword: str, size: int) -> tuple[str, t.Any]:
        if not 0 <= size <= 65535:
            self.fail(f"illegal max-mss value {size}")
        return "max-mss", size

    def scrub_set_tos(self, _keyword: str, tos: int) -> tuple[str, t.Any]:
        return "set-tos", tos

    def scrub_fragment(self, *words: str) -> tuple[str, t.Any]:
        return "fragcache", "no" not in words

    def scrub_reassemble(self, _keyword: str, what: str) -> tuple[str, t.Any]:
        if what.lower() != "tcp":
            self.fail(f"scrub reassemble supports only tcp, not '{what}'")
        return "reassemble tcp", True

    # ---- options of states ----

    def no_state(self, *_: str) -> tuple[str, list[t.Any]]:
        return "", []

    def keep_state(self, action: str, _state: str, options: list[t.Any] | None) -> tuple[str, list[t.Any]]:
        return action, options or []

    def state_number(self, name: str, number: int) -> tuple[str, t.Any]:
        self._unsigned(number)
        return name, number

    def state_flag(self, name: str) -> tuple[str, t.Any]:
        return name, True

    def state_rate(self, name: str, limit: int, _slash: str, seconds: int) -> tuple[str, t.Any]:
        self._unsigned(limit, seconds)
        return name, [limit, seconds]

    def state_overload(self, name: str, _open: str, table: str, _close: str, flush: str) -> tuple[str, t.Any]:
        if len(table) >= TABLE_NAME_SIZE:
            self.fail(f"table name '{table}' too long")
        return name, (table, flush)

    def flush(self, *words: str) -> str:
        return " ".join(words)

    def source_track(self, _keyword: str, how: str = "any") -> str:
        return how

    def state_source_track(self, how: str) -> tuple[str, t.Any]:
        return "source-track", how

    def state_lock(self, how: str) -> tuple[str, t.Any]:
        return "lock", how

    def state_timeout(self, name: str, seconds: int) -> tuple[str, t.Any]:
        self._unsigned(seconds)
        if name not in names.TIMEOUTS:
            self.fail(f"illegal timeout name {name}")
        if "." not in name:
            self.fail(f"illegal state timeout {name}")
        return "timeout", (name, seconds)

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


def keep_family(hosts: list[Host], af: str) -> tuple[list[Host], str]:
    """The hosts that agree with an address family, and the family, which the first host that has one decides if none is given."""
    kept = []
    for host in hosts:
        if not af or not host.af or host.af == af:
            af = af or host.af
            kept.append(host)
    return kept, af


def fit_dynamic(host: Host, af: str) -> Host:
    """A dynamic interface address with the mask cut to the family's length."""
    if af == "inet" and length_of(host.addr.mask) > 32:
        host = dataclasses.replace(host, addr=copy.copy(host.addr), ifname="")
        host.addr.set_length(32)
    return host


# Options that may be given once, and what is said of a second one.
_ONCE = {
    "flags": "flags cannot be redefined",
    "icmp": "icmp-type cannot be redefined",
    "prio": "prio cannot be redefined",
    "tos": "tos cannot be redefined",
    "keep": "modulate or keep cannot be redefined",
    "queue": "queue cannot be redefined",
    "received-on": "cannot respecify received-on",
    "nat": "cannot respecify nat-to/binat-to",
    "rdr": "cannot respecify rdr-to",
    "max-pkt-rate": "cannot respecify max-pkt-rate",
    "set prio": "prio cannot be redefined",
    "set tos": "tos cannot be respecified",
}
