# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules and tables in pfctl's canonical form."""

from __future__ import annotations

import typing as t

from . import names
from .rules import FULL_LENGTH, NAT_PORTS, Address, Endpoint, Host, Pool, Rule, length_of, unpack

# A count behind a table's or dynamic interface's name, which pfctl shows with -vv.
Counter = t.Callable[[Address, str], str]

_ANCHOR_WORDS = {"nat": "nat-anchor", "no nat": "nat-anchor", "binat": "binat-anchor", "no binat": "binat-anchor", "rdr": "rdr-anchor", "no rdr": "rdr-anchor"}


def _counted(_address: Address, _af: str) -> str:
    return ""


def userland_count(address: Address, _af: str) -> str:
    """The count of a rule that has not been in the kernel: none of a table's members, unknown of an interface's addresses."""
    return ":0" if address.type == "table" else ":*"


def format_address(address: Address, af: str, count: Counter = _counted) -> str:
    """An address of a rule."""
    if address.type == "table":
        return f"<{address.name}{count(address, af)}>"
    if address.type in ("no-route", "urpf-failed"):
        return address.type
    if address.type == "range":
        return f"{_unpack(address.address, af)} - {_unpack(address.mask, af)}"
    if address.type == "dynif":
        text = f"({address.name}{''.join(f':{modifier}' for modifier in address.modifiers)}{count(address, af)})"
    elif address.is_any:
        return "any"
    else:
        text = _unpack(address.address, af)
    length = length_of(address.mask)
    return f"{text}/{length}" if af and length < FULL_LENGTH[af] else text


def _unpack(address: int, af: str) -> str:
    return unpack(address, af) if af else "?"


def is_brace_name(anchor_call: str) -> bool:
    """Whether this is the name that pfctl gave an anchor in braces."""
    return anchor_call.rpartition("/")[2].startswith("_")


def format_rule(rule: Rule, *, anchor_call: str | None = None, numbered: bool = False, numeric: bool = False, count: Counter = _counted) -> str:
    """One rule, without what stands in its braces. ``numbered`` adds the number, ``numeric`` shows ports as numbers."""
    call = rule.anchor_call if anchor_call is None else anchor_call
    return "".join(_parts(rule, call, numbered, numeric, count))


def _parts(rule: Rule, anchor_call: str, numbered: bool, numeric: bool, count: Counter) -> t.Iterator[str]:
    if numbered:
        yield f"@{rule.nr} "
    if anchor_call and rule.action != "match":
        yield _ANCHOR_WORDS.get(rule.action, "anchor")
        if not is_brace_name(anchor_call):
            yield f' "{anchor_call}"'
    else:
        yield rule.action
        if rule.natpass:
            yield " pass"
    if rule.action == "block":
        yield _block_return(rule)
    if rule.direction:
        yield f" {rule.direction}"
    if rule.log:
        extras = [word for word in ("all", "matches", "user") if word in rule.log] + ([f"to pflog{rule.logif}"] if rule.logif else [])
        yield " log" + (f" ({', '.join(extras)})" if extras else "")
    if rule.quick:
        yield " quick"
    if rule.ifname:
        yield f" on {'! ' if rule.ifnot else ''}{rule.ifname}"
    if rule.rt:
        yield f" {rule.rt} {_format_pool(rule.route, 'route')}"
    if rule.af:
        yield f" {rule.af}"
    if rule.proto:
        yield f" proto {names.protocol_name(rule.proto) or rule.proto}"
    yield _from_to(rule, numeric, count)
    if rule.rcv_ifname:
        yield f" {'!' if rule.rcvifnot else ''}received-on {rule.rcv_ifname}"
    for word, condition in (("user", rule.uid), ("group", rule.gid)):
        if condition:
            yield f" {word}{_identity(*condition)}"
    yield _tcp_flags(rule, anchor_call)
    if rule.type:
        yield _icmp(rule)
    if rule.tos:
        yield f" tos 0x{rule.tos:02x}"
    if rule.prio:
        yield f" prio {rule.prio % 255}"
    if rule.pktrate[0]:
        yield f" max-pkt-rate {rule.pktrate[0]}/{rule.pktrate[1]}"
    if rule.max_pkt_size:
        yield f" max-pkt-size {rule.max_pkt_size}"
    yield _set(rule)
    if not rule.keep_state and rule.action == "pass" and not anchor_call:
        yield " no state"
    elif rule.keep_state:
        yield f" {rule.keep_state} state"
    if rule.probability:
        yield f" probability {_percentage(rule.probability)}%"
    if options := list(_state_options(rule)):
        yield f" ({', '.join(options)})"
    if rule.allow_opts:
        yield " allow-opts"
    if rule.fragment:
        yield " fragment"
    yield _scrub(rule)
    for label in rule.labels:
        yield f' label "{label}"'
    if rule.ridentifier:
        yield f" ridentifier {rule.ridentifier}"
    if rule.dummynet:
        kind, number, back = rule.dummynet
        yield f" {kind}({number}, {back})" if back else f" {kind} {number}" if number else ""
    if rule.qname:
        yield f" queue({rule.qname}, {rule.pqname})" if rule.pqname else f" queue {rule.qname}"
    if rule.tag:
        yield f" tag {rule.tag}"
    if rule.match_tag:
        yield f"{' !' if rule.match_tag_not else ''} tagged {rule.match_tag}"
    if rule.rtable != -1:
        yield f" rtable {rule.rtable}"
    if rule.divert_port:
        yield f" divert-to {rule.divert_port}"
    if not anchor_call:
        yield _translation(rule)


def _block_return(rule: Rule) -> str:
    if rule.block_return == "return":
        return " return"
    if rule.block_return == "rst":
        return f" return-rst(ttl {rule.return_ttl})" if rule.return_ttl else " return-rst"
    if rule.block_return != "icmp":
        return " drop"
    codes = {af: code & 255 for af, code in (("inet", rule.return_icmp), ("inet6", rule.return_icmp6))}
    texts = {af: names.icmp_code_name(kind >> 8, codes[af], af) or str(codes[af]) for af, kind in (("inet", rule.return_icmp), ("inet6", rule.return_icmp6))}
    if rule.af:
        return f" return-icmp{'6' if rule.af == 'inet6' else ''}({texts[rule.af]})"
    return f" return-icmp({texts['inet']}, {texts['inet6']})"


def _from_to(rule: Rule, numeric: bool, count: Counter) -> str:
    if all(end.addr.is_any and not end.negated and not end.port_op for end in (rule.src, rule.dst)):
        return " all"
    return f" from {_endpoint(rule.src, rule, numeric, count)} to {_endpoint(rule.dst, rule, numeric, count)}"


def _endpoint(end: Endpoint, rule: Rule, numeric: bool, count: Counter) -> str:
    text = ("! " if end.negated else "") + format_address(end.addr, rule.af, count)
    if not end.port_op:
        return text
    first = str(end.ports[0])
    if not numeric and end.port_op in ("=", "!="):
        first = names.service_name(end.ports[0], "tcp" if rule.proto == names.TCP else "udp") or first
    return f"{text} port{_operation(end.port_op, first, str(end.ports[1]))}"


def _operation(op: str, first: str, last: str) -> str:
    if op == ":":
        return f" {first}:{last}"
    return f" {first} {op} {last}" if op in ("><", "<>") else f" {op} {first}"


def _identity(op: str, first: int, last: int) -> str:
    texts = [str(number % (1 << 32)) for number in (first, last)]
    if first == -1 and op in ("=", "!="):
        texts[0] = "unknown"
    return _operation(op, *texts)


def _tcp_flags(rule: Rule, anchor_call: str) -> str:
    if rule.flags or rule.flagset:
        return f" flags {names.format_tcp_flags(rule.flags)}/{names.format_tcp_flags(rule.flagset)}"
    stateful = rule.action in ("pass", "match") and rule.proto in (0, names.TCP) and rule.keep_state
    return " flags any" if stateful and not rule.fragment and not anchor_call else ""


def _icmp(rule: Rule) -> str:
    text = f" icmp{'6' if rule.af == 'inet6' else ''}-type {names.icmp_type_name(rule.type - 1, rule.af) or rule.type - 1}"
    if rule.code:
        text += f" code {names.icmp_code_name(rule.type - 1, rule.code - 1, rule.af) or rule.code - 1}"
    return text


def _set(rule: Rule) -> str:
    if rule.action == "scrub":
        return ""
    settings = []
    if rule.set_prio:
        first, second = rule.set_prio
        settings.append(f" prio {first}" if first == second else f" prio({first}, {second})")
    if rule.set_tos >= 0:
        settings.append(f" tos 0x{rule.set_tos:02x}")
    return f" set ({','.join(settings)} )" if settings else ""


def _percentage(share: int) -> str:
    text = f"{share * 100.0 / (1 << 32):f}".rstrip("0")
    return text.removesuffix(".")


def _state_options(rule: Rule) -> t.Iterator[str]:
    if rule.max_states:
        yield f"max {rule.max_states}"
    if rule.nosync:
        yield "no-sync"
    if rule.source_track:
        yield f"source-track {rule.source_track}"
    if rule.max_src_states:
        yield f"max-src-states {rule.max_src_states}"
    if rule.max_src_conn:
        yield f"max-src-conn {rule.max_src_conn}"
    if rule.max_src_conn_rate[0]:
        yield f"max-src-conn-rate {rule.max_src_conn_rate[0]}/{rule.max_src_conn_rate[1]}"
    if rule.max_src_nodes:
        yield f"max-src-nodes {rule.max_src_nodes}"
    if rule.overload:
        yield f"overload <{rule.overload}>{f' {rule.flush}' if rule.flush else ''}"
    for word, given in (("if-bound", rule.if_bound), ("sloppy", rule.sloppy), ("pflow", rule.pflow)):
        if given:
            yield word
    for name in names.TIMEOUT_NUMBERS:
        if rule.timeouts.get(name):
            yield f"{name} {rule.timeouts[name]}"


def _scrub(rule: Rule) -> str:
    words = [
        (" no-df", rule.nodf),
        (" random-id", rule.randomid),
        (f" min-ttl {rule.min_ttl}", rule.min_ttl),
    ]
    tos = (f" set-tos 0x{rule.set_tos & 255:02x}", rule.set_tos >= 0)
    mss = (f" max-mss {rule.max_mss}", rule.max_mss)
    tcp = (" reassemble tcp", rule.reassemble_tcp)
    if rule.action == "scrub":
        text = "".join(word for word, given in (*words, mss, tos, tcp) if given)
        return f"{text} fragment {'no ' if rule.fragment_noreass else ''}reassemble"
    if rule.action == "no scrub" or not (rule.nodf or rule.randomid or rule.reassemble_tcp or rule.min_ttl or rule.max_mss):
        return ""
    return f" scrub({''.join(word for word, given in (*words, tos, tcp, mss) if given)})"


def _translation(rule: Rule) -> str:
    if rule.action in ("nat", "rdr", "binat"):
        return f" -> {_format_pool(rule.rdr, rule.action)}"
    text = ""
    if rule.nat.addresses:
        text += (f" af-to {rule.naf} from " if rule.naf else " nat-to ") + _format_pool(rule.nat, "nat")
    if rule.rdr.addresses:
        text += (" to " if rule.naf else " rdr-to ") + _format_pool(rule.rdr, "rdr")
    return text


def _format_pool(pool: Pool, kind: str) -> str:
    members = []
    for member in pool.addresses:
        address = format_address(member.addr, member.af)
        if kind == "route":
            address = f"({member.ifname} {address})" if member.addr.address else member.ifname
        members.append(address)
    text = f"{{ {', '.join(members)} }}" if len(members) > 1 else "".join(members)
    first, last = pool.ports
    if kind == "nat" and (first, last) not in (NAT_PORTS, (0, 0)):
        text += f" port {first}" if first == last else f" port {first}:{last}"
    elif kind == "rdr" and first:
        text += f" port {first}" + (f":{last}" if last and last != first else "")
    if pool.type == "source-hash":
        text += f" source-hash 0x{pool.key}"
    elif pool.type:
        text += f" {pool.type}"
    for word, given in (
        ("sticky-address", pool.sticky),
        ("endpoint-independent", pool.endpoint_independent),
        ("static-port", kind == "nat" and (first, last) == (0, 0)),
        (f"map-e-portset {'/'.join(map(str, pool.mape))}", pool.mape),
        ("prefer-ipv6-nexthop", pool.ipv6_nexthop),
    ):
        if given:
            text += f" {word}"
    return text


def format_table(name: str, flags: t.Iterable[str], contents: list[list[Host] | str] | None) -> str:
    """A table definition; ``contents`` as in the statement, lists of hosts and names of files."""
    text = f"table <{name}>" + "".join(f" {flag}" for flag in ("const", "persist", "counters") if flag in flags)
    merged = False
    for part in contents or []:
        if isinstance(part, str):
            text += f'{" }" if merged else ""} file "{part}"'
            merged = False
            continue
        text += "" if merged else " {"
        merged = True
        text += "".join(f" {'!' if host.negated else ''}{format_address(host.addr, host.af)}" for host in part)
    if merged:
        text += " }"
    return f"{text} {{ }}" if contents == [] else text
