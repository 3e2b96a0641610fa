# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One statement with lists becomes many rules: every combination whose address families agree."""

from __future__ import annotations

import copy
import itertools
import sys
import typing as t

from . import names
from .nodes import Icmp, Identity, Interface, Peer, Port, Redirection, fit_dynamic, out_of_order
from .rules import FULL_LENGTH, NAT_PORTS, RULESET_OF_ACTION, Address, Endpoint, Host, Pool, PoolAddress, Rule, length_of, unpack

_PORT_PROTOCOLS = (names.TCP, names.UDP, names.SCTP)
# Pool types that take tables and interfaces with several addresses.
_DYNAMIC_TYPES = ("random", "round-robin", "source-hash")


class Context(t.Protocol):
    """What expansion needs of the configuration that is being read."""

    def error(self, message: str) -> None:
        """Report an error of the current line."""

    def location(self) -> str:
        """File and line, for warnings."""

    def append(self, rule: Rule, anchor_call: str) -> None:
        """Add a rule to the current anchor."""

    def interface_index(self, name: str) -> int:
        """The number of an interface, 0 if there is none."""

    def interface_name_of(self, index: int) -> str:
        """The interface of a number, "" if there is none."""


class Parts(t.NamedTuple):
    """The lists of a statement; None stands for a list that was not given."""

    interfaces: list[Interface] | None = None
    protos: list[int] | None = None
    source: Peer = Peer()
    destination: Peer = Peer()
    users: list[Identity] | None = None
    groups: list[Identity] | None = None
    received_on: Interface | None = None
    icmp: list[Icmp] | None = None
    nat: Redirection | None = None
    rdr: Redirection | None = None
    route: Redirection | None = None


def expand(context: Context, rule: Rule, parts: Parts, anchor_call: str = "") -> None:
    """Append a rule for every combination of ``parts``; ``rule`` has what they share, and is left with the last combination's values."""
    given_af, given_flags, given_keep = rule.af, (rule.flags, rule.flagset), rule.keep_state
    added = errors = 0
    anything = [Host(Address())]
    combinations = itertools.product(
        parts.interfaces or [Interface()],
        parts.protos or [0],
        parts.icmp or [Icmp()],
        parts.source.hosts or anything,
        parts.destination.hosts or anything,
        parts.source.ports or [Port()],
        parts.destination.ports or [Port()],
        parts.users or [Identity()],
        parts.groups or [Identity()],
    )
    for interface, proto, icmp, source, destination, source_port, destination_port, user, group in combinations:
        rule.af = given_af
        if not _agree(context, rule.af, interface.name, source, destination):
            continue
        rule.af = rule.af or source.af or destination.af
        rule.ifname = interface.name or context.interface_name_of(source.ifindex) or context.interface_name_of(destination.ifindex)
        rule.ifnot = interface.negated
        if source.addr.type == "dynif":
            source = fit_dynamic(source, rule.af)
        if destination.addr.type == "dynif":
            destination = fit_dynamic(destination, rule.af)
        errors += bad_length(source, rule.af) + bad_length(destination, rule.af)
        rule.proto = proto
        rule.src = Endpoint(source.addr, source.negated, source_port.op, [source_port.first, source_port.last])
        rule.dst = Endpoint(destination.addr, destination.negated, destination_port.op, [destination_port.first, destination_port.last])
        rule.uid = list(user) if user.op else []
        rule.gid = list(group) if group.op else []
        if parts.received_on:
            rule.rcv_ifname, rule.rcvifnot = parts.received_on.name, parts.received_on.negated
        rule.type, rule.code = icmp.type, icmp.code
        only_tcp = proto in (0, names.TCP)
        rule.keep_state = given_keep if only_tcp or not given_keep else "keep"
        rule.flags, rule.flagset = given_flags if only_tcp else (0, 0)
        if icmp.proto and proto != icmp.proto:
            context.error("icmp-type mismatch")
            errors += 1
        rule.nat, rule.rdr, rule.route = Pool(), Pool(), Pool()
        errors += _apply_redirections(context, rule, parts)
        if parts.nat and parts.nat.binat:
            errors += _check_binat(context, rule, parts, given_af)
        if _problems(context, rule) or errors:
            context.error("skipping rule due to errors")
        else:
            context.append(rule, anchor_call)
            added += 1
        if parts.nat and parts.nat.binat and not errors:
            own = Parts([interface], [proto], Peer([destination], [destination_port]), Peer(), [user], [group], parts.received_on, [icmp])
            _expand_binat_answer(context, rule, own, parts.nat, source_port, anything if parts.source.hosts is None else parts.source.hosts)
    if not added:
        context.error("rule expands to no valid combination")


def _expand_binat_answer(context: Context, rule: Rule, parts: Parts, nat: Redirection, port: Port, sources: list[Host]) -> None:
    """The incoming half of binat-to: what comes for the translated address goes to the source."""
    answer = copy.copy(rule)
    answer.direction = "in"
    target = Redirection([Host(sources[0].addr, sources[0].af)], nat.ports, {**nat.options, "static-port": False})
    expand(context, answer, parts._replace(destination=Peer([Host(nat.hosts[0].addr)], [port]), rdr=target))


def _agree(context: Context, af: str, interface: str, source: Host, destination: Host) -> bool:
    families = {family for family in (af, source.af, destination.af) if family}
    # A link-local address belongs to one interface.
    scopes = {index for index in (source.ifindex, destination.ifindex) if index}
    if scopes and interface:
        scopes.add(context.interface_index(interface))
    return len(families) <= 1 and len(scopes) <= 1


def bad_length(host: Host, af: str) -> int:
    """1 if an IPv4 rule has a longer mask than an address has bits, after saying so."""
    if host.addr.type != "table" and af == "inet" and host.addr.mask & (1 << 96) - 1:
        print(f"netmask {length_of(host.addr.mask)} invalid for IPv4 address", file=sys.stderr)
        return 1
    return 0


def _apply_redirections(context: Context, rule: Rule, parts: Parts) -> int:
    if rule.action == "rdr":
        return _rdr_ports(context, rule, parts.rdr) + fill_pool(context, rule.rdr, parts.rdr)
    if rule.action == "nat":
        return _nat_ports(context, rule.rdr, parts.rdr) + fill_pool(context, rule.rdr, parts.rdr)
    return (
        fill_pool(context, rule.route, parts.route)
        + _nat_ports(context, rule.nat, parts.nat)
        + fill_pool(context, rule.nat, parts.nat)
        + _rdr_ports(context, rule, parts.rdr)
        + fill_pool(context, rule.rdr, parts.rdr)
    )


def _rdr_ports(context: Context, rule: Rule, target: Redirection | None) -> int:
    if target is None:
        return 0
    ports = target.ports
    if ports.star:
        rule.rdr.ports = [ports.first, ports.first + rule.dst.ports[1] - rule.dst.ports[0] & 0xFFFF]
    elif ports.last and out_of_order(":", ports.first, ports.last):
        context.error("invalid rdr-to port range")
        return 1
    else:
        rule.rdr.ports = [ports.first, ports.last]
    for option in ("static-port", "map-e-portset"):
        if target.options.get(option):
            context.error(f"the '{option}' option is only valid with nat rules")
            return 1
    return 0


def _nat_ports(context: Context, pool: Pool, target: Redirection | None) -> int:
    if target is None:
        return 0
    first, last = target.ports.first, target.ports.last
    if not first and not last:
        first, last = NAT_PORTS
    pool.ports = [first, last or first]
    own_range = pool.ports[0] != NAT_PORTS[0] and pool.ports[1] != NAT_PORTS[1]
    if target.options.get("static-port"):
        if own_range:
            context.error("the 'static-port' option can't be used when specifying a port range")
            return 1
        pool.ports = [0, 0]
    if mape := target.options.get("map-e-portset"):
        if target.options.get("static-port"):
            context.error("the 'map-e-portset' option can't be used 'static-port'")
            return 1
        if own_range:
            context.error("the 'map-e-portset' option can't be used when specifying a port range")
            return 1
        pool.mape = mape
    return 0


def fill_pool(context: Context, pool: Pool, target: Redirection | None) -> int:
    """Put the addresses and options of a target into a pool; 1 if they do not go together."""
    if target is None:
        return 0
    pool.type, pool.key = target.options.get("type", ("", ""))
    several = len(target.hosts) > 1
    if not pool.type and (several or target.hosts[0].addr.type == "table" or target.hosts[0].addr.is_multiple()):
        pool.type = "round-robin"
    if pool.type not in _DYNAMIC_TYPES:
        for host in target.hosts:
            if host.addr.type == "table":
                context.error("tables are not supported by pool type")
                return 1
            if host.addr.is_multiple():
                context.error(f"interface ({host.addr.name}) is not supported by pool type")
                return 1
    if several and pool.type != "round-robin":
        context.error("r.route.opts must be PF_POOL_ROUNDROBIN")
        return 1
    pool.sticky = "sticky-address" in target.options
    pool.endpoint_independent = "endpoint-independent" in target.options
    pool.ipv6_nexthop = "prefer-ipv6-nexthop" in target.options
    pool.addresses = [PoolAddress(host.addr, host.af, host.ifname) for host in target.hosts]
    return 0


def _check_binat(context: Context, rule: Rule, parts: Parts, af: str) -> int:
    """The conditions of binat-to. It becomes an outgoing nat-to here, and an incoming rdr-to afterwards."""
    hosts = parts.source.hosts or [Host(Address())]
    targets = rule.nat.addresses
    problems = []
    if len(hosts) > 1:
        problems.append("invalid use of table as the source address of a binat-to rule")
    if len(targets) > 1:
        problems.append("tables cannot be used as the redirect address of a binat-to rule")
    tables = [host.addr.name for host in hosts if host.addr.type == "table"]
    multiple = [host.addr.name for host in hosts if host.addr.is_multiple()]
    if tables:
        problems.append(f"invalid use of table <{tables[0]}> as the source address of a binat-to rule")
    elif multiple:
        problems.append(f"invalid use of interface ({multiple[0]}) as the source address of a binat-to rule")
    elif not {rule.src.addr.type, targets[0].addr.type} <= {"mask", "dynif"}:
        problems.append("binat-to requires a specified source and redirect address")
    if rule.src.addr.is_multiple() or targets[0].addr.is_multiple():
        problems.append("dynamic interfaces must be used with:0 in a binat-to rule")
    if not rule.src.addr.mask or not targets[0].addr.mask:
        problems.append("source and redir addresses must have a matching network mask in binat-rule")
    if targets[0].addr.type == "table":
        problems.append("tables cannot be used as the redirect address of a binat-to rule")
    if rule.direction:
        problems.append("binat-to cannot be specified with a direction")
    for problem in problems:
        context.error(problem)
    rule.direction = "out"
    return len(problems)


def _problems(context: Context, rule: Rule) -> int:
    """Report what contradicts itself in a rule; how many problems there are."""
    ruleset = RULESET_OF_ACTION[rule.action]
    if ruleset in ("filter", "scrub"):
        problems = list(_filter_problems(rule))
    elif ruleset == "rdr":
        problems = list(_rdr_problems(rule))
    else:
        problems = []
    for problem in problems:
        context.error(problem)
    if rule.keep_state == "synproxy" and rule.direction != "in":
        print(f"{context.location()}: warning: synproxy used for inbound rules only, ignored for outbound", file=sys.stderr)
    if ruleset in ("filter", "scrub") and rule.route.sticky and not rule.keep_state:
        # Counted as an error of the file, but the rule goes on.
        context.error("'sticky-address' requires 'keep state'")
    return len(problems)


def _filter_problems(rule: Rule) -> t.Iterator[str]:
    has_port = rule.src.port_op or rule.dst.port_op
    has_icmp = rule.type or rule.code
    if rule.proto not in _PORT_PROTOCOLS and has_port:
        yield "port only applies to tcp/udp/sctp"
    if rule.proto not in (names.ICMP, names.ICMP6) and has_icmp:
        yield "icmp-type/code only applies to icmp"
    if not rule.af and has_icmp:
        yield "must indicate address family with icmp-type/code"
    if rule.naf and rule.af == rule.naf:
        yield "must indicate different address family with af-to"
    if rule.overload and not rule.max_src_conn and not rule.max_src_conn_rate[1]:
        yield "'overload' requires 'max-src-conn' or 'max-src-conn-rate'"
    if (rule.proto, rule.af) in ((names.ICMP, "inet6"), (names.ICMP6, "inet")):
        yield f"proto {'icmp' if rule.proto == names.ICMP else 'icmp6'} doesn't match address family {rule.af}"
    if rule.allow_opts and rule.action not in ("pass", "match"):
        yield "allow-opts can only be specified for pass or match rules"
    if rule.fragment and (has_port or rule.flagset or has_icmp):
        yield "fragments can be filtered only on IP header fields"
    if rule.block_return == "rst" and rule.proto != names.TCP:
        yield "return-rst can only be applied to TCP rules"
    if rule.max_src_nodes and rule.source_track != "rule":
        yield "max-src-nodes requires 'source-track rule'"
    if rule.action != "pass" and rule.keep_state:
        yield "keep state is great, but only for pass rules"
    if rule.sloppy and rule.keep_state in ("modulate", "synproxy"):
        yield "sloppy state matching cannot be used with synproxy state or modulate state"
    if rule.naf and rule.rt == "dup-to":
        yield "dup-to must not be used on af-to rules"
    if rule.action == "match":
        if rule.divert_port:
            yield "divert is not supported on match rules"
        if rule.rt:
            yield "route-to, reply-to, dup-to and fastroute must not be used on match rules"
        if rule.naf:
            yield "af-to is not supported on match rules"
    if rule.action == "block" and rule.rt:
        yield "route-to, reply-to and dup-to are not supported on block rules"
    if rule.nat.addresses or rule.rdr.addresses:
        if rule.action != "match" and not rule.keep_state:
            yield "nat-to and rdr-to require keep state"
        if not rule.direction:
            yield "nat-to and rdr-to require a direction"


def _rdr_problems(rule: Rule) -> t.Iterator[str]:
    if rule.proto not in _PORT_PROTOCOLS:
        if rule.src.port_op:
            yield "src port only applies to tcp/udp/sctp"
        if rule.dst.port_op:
            yield "dst port only applies to tcp/udp/sctp"
        if rule.rdr.ports[0]:
            yield "rdr port only applies to tcp/udp/sctp"
    if rule.dst.port_op not in ("", "=", ":"):
        yield "invalid port operator for rdr destination port"


class LabelTooLong(Exception):
    """A label or tag that is too long with its macros replaced."""


def expand_label(text: str, rule: Rule, size: int) -> str:
    """Replace ``$if``, ``$srcaddr`` and so on of a label or tag of at most ``size`` - 1 characters."""
    if "$" not in text:
        return text
    text = text.replace("$if", rule.ifname or "any")
    text = text.replace("$srcaddr", _label_address(rule.src, rule.af)).replace("$dstaddr", _label_address(rule.dst, rule.af))
    text = text.replace("$srcport", _label_port(rule.src)).replace("$dstport", _label_port(rule.dst))
    text = text.replace("$proto", names.protocol_name(rule.proto) or str(rule.proto)).replace("$nr", str(rule.nr))
    if len(text) >= size:
        raise LabelTooLong
    return text


def _label_address(endpoint: Endpoint, af: str) -> str:
    address = endpoint.addr
    if address.type == "dynif":
        text = f"({address.name})"
    elif address.type == "table":
        text = f"<{address.name}>"
    elif address.type == "range":
        text = "?"
    elif address.type != "mask":
        text = address.type
    elif not af or address.is_any:
        text = "any"
    else:
        length = length_of(address.mask)
        text = unpack(address.address, af) + (f"/{length}" if length < FULL_LENGTH[af] else "")
    return f"! {text}" if endpoint.negated else text


def _label_port(endpoint: Endpoint) -> str:
    first, last = endpoint.ports
    if endpoint.port_op in ("><", "<>"):
        return f"{first}{endpoint.port_op}{last}"
    if endpoint.port_op in ("", ":"):
        return ""
    return f"{'' if endpoint.port_op == '=' else endpoint.port_op}{first}"
