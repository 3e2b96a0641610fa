# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions for property tests: every key, where its mode has a place for it."""

from __future__ import annotations

import re
import typing as t

from hypothesis import strategies as st

Data = dict[str, t.Any]


def maybe(**optional: st.SearchStrategy[t.Any]) -> st.SearchStrategy[Data]:
    return st.fixed_dictionaries({}, optional=optional)


def record(required: dict[str, st.SearchStrategy[t.Any]], **optional: st.SearchStrategy[t.Any]) -> st.SearchStrategy[Data]:
    return st.fixed_dictionaries(required, optional=optional)


def some(items: st.SearchStrategy[t.Any], **kwargs: t.Any) -> st.SearchStrategy[list[t.Any]]:
    return st.lists(items, max_size=2, **kwargs)


BOOL = st.booleans()
LINES = st.text(st.characters().filter(str.isprintable), min_size=1, max_size=8)
# What is one item of a line of dnsmasq's.
SIGNS = st.one_of(st.sampled_from('",#\\ :'), st.characters().filter(str.isprintable))
ITEMS = st.text(SIGNS, min_size=1, max_size=8).filter(lambda text: text == text.strip())
IDS = st.sampled_from(["01:52:54:00:00:00:07", "0:3:0:1:1:2:3:4:5:6", "client-7", "*"])
LABELS = st.from_regex("[a-z0-9_-]{1,5}", fullmatch=True)
TEXTS = st.text(min_size=1, max_size=8)
NAMES = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,3}[a-z0-9])?(\.[a-z]{1,3})?", fullmatch=True)
INTERFACES = st.sampled_from(["em0", "ix1.7", "vlan0"])
MACS = st.integers(1, 2**40).map(lambda number: "52:" + ":".join(re.findall("..", f"{number:010x}")[-5:]))
PORTS = st.integers(1, 65535)
PORT_RANGES = st.tuples(PORTS, PORTS).map(sorted)
LEASES = record({"expiry": st.one_of(st.just(0), st.integers(120, 2**32 - 1))}, unit=st.sampled_from(["seconds", "minutes", "hours"]))
ADDRESSES = st.sampled_from(["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "2001:db8:0:1::"])
NETWORKS = st.sampled_from(["192.0.2.0/24", "198.51.100.7/32", "0.0.0.0/0"])
MARKUP = st.sampled_from(["<a></a>", "<a/>", "<a>", "text", '<x:a xmlns:x="urn:x" b="&#9;">&amp;</x:a>', "<!-- c --><a></a>", "<a></a>\n<b></b>"])
DNS = maybe(
    enable=BOOL,
    forward_plain_names=BOOL,
    forwarders=some(st.one_of(record({"addr": ADDRESSES}, domain=NAMES), record({"domain": NAMES}))),
    hosts=some(record({"ip": ADDRESSES, "hostnames": st.lists(NAMES, min_size=1, max_size=2)}), unique_by=lambda host: host["ip"]),
    srv=some(
        st.one_of(
            record({"service": LABELS, "protocol": st.sampled_from(["tcp", "udp", "sctp"])}, domain=NAMES),
            record(
                {"service": LABELS, "protocol": st.just("tcp"), "target": st.one_of(NAMES, st.just("."))},
                port=PORTS,
                priority=st.integers(0, 65535),
                weight=st.integers(0, 65535),
            ),
        )
    ),
    txt=some(record({"name": NAMES, "value": st.one_of(ITEMS, st.lists(ITEMS, min_size=2, max_size=3))})),
    cnames=some(record({"name": NAMES.map(lambda name: f"a.{name}"), "target": NAMES.map(lambda name: f"b.{name}")}), unique_by=lambda cname: cname["name"]),
)
TRAFFIC = st.one_of(
    record({"networks": st.lists(NETWORKS, min_size=1, max_size=2)}),
    record({"proto": st.just(["tcp", "udp"]), "ports": st.lists(PORT_RANGES.map(lambda ends: f"{ends[0]}-{ends[1]}"), min_size=1, max_size=2)}),
    record({"proto": st.sampled_from([["icmp"], ["esp", "ah"]])}),
)


def _options(v6: bool) -> st.SearchStrategy[list[t.Any]]:
    servers = st.just("fd00::53") if v6 else st.lists(st.just("192.0.2.53"), min_size=1, max_size=2)
    return st.lists(
        st.one_of(
            record({"option": st.just("dns-server"), "value": servers}, force=BOOL),
            record({"option": st.integers(200, 250)}),
            record({"option": st.integers(200, 250), "value": st.one_of(ITEMS, st.lists(ITEMS, min_size=2, max_size=3))}, force=BOOL),
        ),
        max_size=2,
        unique_by=lambda option: option["option"],
    )


OPTIONS_OF = {v6: _options(v6) for v6 in (False, True)}


def dhcp(number: int, v6: bool) -> st.SearchStrategy[Data]:
    """For the subnet fd00:NUMBER::/64 or 10.NUMBER.0.0/24."""
    prefix = f"fd00:{number}::" if v6 else f"10.{number}.0."
    names = NAMES.map(lambda name: f"g{name}")
    known = {"name": names} if v6 else {"mac": MACS, "name": names}
    options = OPTIONS_OF[v6]
    keys = st.one_of(*[record({key: strategy}, id=IDS, options=options) for key, strategy in known.items()])
    hosts = st.tuples(keys, st.integers(2, 99)).map(lambda pair: {**pair[0], "ip": f"{prefix}{pair[1]}"})
    nameless = record({"name": names, "id": IDS})
    unique = tuple(lambda host, key=key: (key, host.get(key, id(host))) for key in ("mac", "id", "name", "ip"))
    return maybe(
        ranges=st.lists(record({"start": st.integers(100, 150).map(lambda low: f"{prefix}{low}"), "end": st.just(f"{prefix}150")}, lease=LEASES), max_size=1),
        hosts=some(st.one_of(hosts, st.tuples(hosts, LEASES).map(lambda pair: {**pair[0], "lease": pair[1]}), nameless), unique_by=unique),
        **({} if v6 else {"bootp": record({"file": ITEMS}, server=NAMES)}),
    )


@st.composite
def subnet(draw: st.DrawFn, number: int, v6: bool) -> Data:
    """The subnet fd00:NUMBER::/64 or 10.NUMBER.0.0/24, with what is handed out there."""
    optional = {"dhcp": dhcp(number, v6), "tftp": record({"root": st.just("/srv/x, y")}), "local_ptr": BOOL}
    found = draw(maybe(**optional))
    handed_out = found.get("dhcp", {})
    serves = bool(handed_out.get("ranges") or handed_out.get("hosts"))
    if serves or v6:
        found["dhcp"] = {**handed_out, "options": draw(OPTIONS_OF[v6])}
    if v6 and draw(BOOL):
        modes = ["none", "slaac", "stateful"] if serves else ["none", "ra-only", "stateless"]
        found["ra"] = draw(maybe(mode=st.sampled_from(modes), interval=st.integers(4, 1800), priority=st.sampled_from(["low", "medium", "high"])))
    return {"address": f"fd00:{number}::1/64" if v6 else f"10.{number}.0.1/24", **found}


@st.composite
def ips(draw: st.DrawFn) -> list[Data]:
    found = []
    for number in range(1, draw(st.integers(1, 2)) + 1):
        found.append(draw(subnet(number, number > 1 and draw(BOOL))))
    return found


@st.composite
def definitions(draw: st.DrawFn) -> Data:
    """Every key of the definition, where its mode has a place for it."""
    mode = draw(st.sampled_from(["nat", "nat", "route", "open", "none", "bridge"]))
    subnets = draw(ips())
    forward: Data = {"mode": mode}
    if mode == "bridge" or (mode in ("nat", "route") and draw(BOOL)):
        forward["dev"] = draw(INTERFACES)
    rules: dict[str, st.SearchStrategy[t.Any]] = {}
    firewall: dict[str, st.SearchStrategy[t.Any]] = {"log": BOOL}
    if mode in ("nat", "route", "none"):
        firewall |= {"host_access": st.sampled_from(["full", "services", "none"]), "peers": some(st.sampled_from(["p", "q"]), unique=True)}
    if mode in ("nat", "route"):
        firewall["egress"] = maybe(allow=some(TRAFFIC), deny=some(TRAFFIC))
        forwards = record(
            {"port": PORTS.map(lambda port: port % 9000 + 1), "to": st.just("10.1.0.9")},
            proto=st.sampled_from(["tcp", "udp", ["tcp", "udp"]]),
            listen=st.just("192.0.2.1"),
            to_port=PORTS,
            sources=some(NETWORKS, unique=True),
            hairpin=BOOL,
            description=LINES,
        )
        rules["port_forwards"] = st.lists(forwards, max_size=1)
    if mode == "route":
        firewall["inbound"] = some(maybe(sources=some(NETWORKS), to=st.just(["10.1.0.0/25"]), proto=st.just(["tcp"])))
    if mode == "nat" and draw(BOOL):
        firewall = {"profile": st.just("libvirt")}
        del rules["port_forwards"]
    elif mode == "nat":
        pools = st.sampled_from([{"start": "192.0.2.1", "end": "192.0.2.9"}, {"start": "192.0.2.1", "end": "192.0.2.1"}])
        ports = PORT_RANGES.map(lambda ends: {"start": ends[0], "end": ends[1]})
        ipv6 = BOOL if len({":" in ip["address"] for ip in subnets}) == 2 else st.just(False)
        forward["nat"] = draw(st.one_of(maybe(address=pools, port=ports, ipv6=ipv6), record({"address": pools}, sticky=BOOL, static_port=BOOL)))
    bridge = maybe(
        name=st.just("virbr0"),
        stp=BOOL,
        delay=st.sampled_from([0, 4, 30]),
        mac=st.just("52:54:00:db:0e:e5"),
        members=some(st.sampled_from(["tap0", "tap1"]), unique=True),
        isolated_ports=BOOL,
        mtu=st.integers(1280, 65535),
        vlan_filtering=BOOL,
        description=LINES,
    )
    return draw(
        record(
            {"name": st.just("lab"), "forward": st.just(forward), "ips": st.just(subnets)},
            uuid=st.uuids().map(str),
            title=LINES,
            description=TEXTS,
            metadata=st.one_of(MARKUP, TEXTS),
            autostart=BOOL,
            mac=st.just("52:54:00:db:0e:e5"),
            bridge=bridge,
            domain=record({"name": NAMES}, local_only=BOOL),
            dns=DNS,
            dnsmasq_options=some(st.sampled_from(["dns-loop-detect", "neg-ttl=60", 'address=/x/"192.0.2.1"']), unique=True),
            routes=some(
                record({"address": st.sampled_from(["10.99.0.0/16", "10.98.0.0/24"]), "gateway": st.just("10.1.0.9")}), unique_by=lambda route: route["address"]
            ),
            firewall=maybe(**firewall),
            templates=maybe(filter=st.just("{{ 1 }}"), anchor=TEXTS.filter(lambda text: "{" not in text)),
            **rules,
        )
    )
