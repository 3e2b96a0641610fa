# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules and their parts, as pfctl expands them and the kernel keeps them.

Addresses are 128 bit integers; an IPv4 address occupies the first 32 of them, as in the kernel's ``struct pf_addr``, so
that masks and "any" compare alike in both families. An address family is ``"inet"``, ``"inet6"`` or ``""`` for either.
"""

from __future__ import annotations

import dataclasses
import socket
import typing as t

ALL_ONES = (1 << 128) - 1
FAMILIES = {"inet": (socket.AF_INET, 4), "inet6": (socket.AF_INET6, 16)}
FULL_LENGTH = {"inet": 32, "inet6": 128}

# The ports of `nat`, unless a rule gives its own.
NAT_PORTS = (50001, 65535)

RULESET_OF_ACTION = {
    "pass": "filter", "block": "filter", "match": "filter", "scrub": "scrub", "no scrub": "scrub", "nat": "nat", "no nat": "nat",
    "binat": "binat", "no binat": "binat", "rdr": "rdr", "no rdr": "rdr",
}  # fmt: skip
RULESETS = ("scrub", "filter", "nat", "binat", "rdr")


def mask_of(length: int) -> int:
    """The mask of a prefix length."""
    return ALL_ONES ^ (ALL_ONES >> length)


def length_of(mask: int) -> int:
    """How many leading bits of a mask are set."""
    return 128 - (mask ^ ALL_ONES).bit_length()


def pack(address: str, af: str) -> int:
    """An address in its usual text form to an integer; OSError if it is none."""
    return int.from_bytes(socket.inet_pton(FAMILIES[af][0], address).ljust(16, b"\0"), "big")


def unpack(address: int, af: str) -> str:
    """An integer to the usual text form."""
    family, size = FAMILIES[af]
    return socket.inet_ntop(family, address.to_bytes(16, "big")[:size])


class Record:
    """A dataclass that is written to JSON without the fields that have their default value."""

    def to_json(self) -> dict[str, t.Any]:
        """The fields that differ from their default."""
        result = {}
        for name, default in _defaults(type(self)).items():
            value = getattr(self, name)
            if value != default:
                result[name] = _to_json(value)
        return result

    @classmethod
    def from_json(cls, data: dict[str, t.Any]) -> t.Self:
        """The inverse of :meth:`to_json`."""
        nested = cls.NESTED
        record = cls()
        for name, value in data.items():
            setattr(record, name, nested[name](value) if name in nested else value)
        return record

    NESTED: t.ClassVar[dict[str, t.Callable[[t.Any], t.Any]]] = {}


_DEFAULTS: dict[type, dict[str, t.Any]] = {}


def _defaults(cls: type) -> dict[str, t.Any]:
    if cls not in _DEFAULTS:
        blank = cls()
        _DEFAULTS[cls] = {field.name: getattr(blank, field.name) for field in dataclasses.fields(cls)}
    return _DEFAULTS[cls]


def _to_json(value: t.Any) -> t.Any:
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    return value


@dataclasses.dataclass(slots=True)
class Address(Record):
    """What a rule matches or translates to: ``mask`` (the default, any), ``range`` (``mask`` is its end), ``dynif`` (``name`` is an
    interface, ``modifiers`` of network, broadcast, peer, 0), ``table`` (``name``), ``no-route`` or ``urpf-failed``."""

    type: str = "mask"
    address: int = 0
    mask: int = 0
    name: str = ""
    modifiers: list[str] = dataclasses.field(default_factory=list)

    @property
    def is_any(self) -> bool:
        """Whether this is every address."""
        return self.type == "mask" and not self.address and not self.mask

    def set_length(self, length: int) -> None:
        """Give it the mask of a prefix length, and clear the bits that are never looked at."""
        self.mask = mask_of(length)
        if self.type == "mask":
            self.address &= self.mask

    def is_multiple(self) -> bool:
        """Whether a dynamic interface may stand for several addresses, so that a pool of it goes round."""
        return self.type == "dynif" and not ("0" in self.modifiers and self.name[-1].isdigit())


@dataclasses.dataclass(slots=True)
class Host:
    """One member of a host list: an address with its family, its negation, and the interface it is bound to, if any."""

    addr: Address
    af: str = ""
    negated: bool = False
    # The scope of a link-local address; 0 if there is none.
    ifindex: int = 0
    ifname: str = ""


@dataclasses.dataclass(slots=True)
class Endpoint(Record):
    """Source or destination of a rule. ``port_op`` is pf's operator: = != < <= > >= : >< <> or nothing."""

    addr: Address = dataclasses.field(default_factory=Address)
    negated: bool = False
    port_op: str = ""
    ports: list[int] = dataclasses.field(default_factory=lambda: [0, 0])

    NESTED: t.ClassVar = {"addr": Address.from_json}


@dataclasses.dataclass(slots=True)
class PoolAddress(Record):
    """An address of a pool; ``ifname`` for route-to and its kin."""

    addr: Address = dataclasses.field(default_factory=Address)
    af: str = ""
    ifname: str = ""

    NESTED: t.ClassVar = {"addr": Address.from_json}


@dataclasses.dataclass(slots=True)
class Pool(Record):
    """Where packets are translated or routed to. ``type`` is the name of the selection, ``""`` for a single address."""

    addresses: list[PoolAddress] = dataclasses.field(default_factory=list)
    type: str = ""
    key: str = ""
    sticky: bool = False
    endpoint_independent: bool = False
    ipv6_nexthop: bool = False
    ports: list[int] = dataclasses.field(default_factory=lambda: [0, 0])
    # PSID offset, PSID length, PSID
    mape: list[int] = dataclasses.field(default_factory=list)

    NESTED: t.ClassVar = {"addresses": lambda value: [PoolAddress.from_json(item) for item in value]}


@dataclasses.dataclass(slots=True)
class Rule(Record):
    """A rule after expansion. Numbers keep the kernel's convention that 0 means "not given" (``type`` and ``code`` are one higher than
    the ICMP numbers); options that are only ever compared for equality and printed keep pfctl's words."""

    action: str = "pass"
    nr: int = 0
    # What `anchor "..."` gives; anchors in braces get names that begin with an underscore.
    anchor_call: str = ""
    # What that means in the kernel: the path, 1 for a name that is relative and one more for each "../", and whether it ended in "/*".
    anchor_target: str = ""
    anchor_relative: int = 0
    anchor_wildcard: bool = False
    # "", "rst", "icmp" or "return" for block
    block_return: str = ""
    return_ttl: int = 0
    return_icmp: int = 0
    return_icmp6: int = 0
    natpass: bool = False
    direction: str = ""
    log: list[str] = dataclasses.field(default_factory=list)
    logif: int = 0
    quick: bool = False
    ifname: str = ""
    ifnot: bool = False
    rt: str = ""
    route: Pool = dataclasses.field(default_factory=Pool)
    af: str = ""
    naf: str = ""
    proto: int = 0
    src: Endpoint = dataclasses.field(default_factory=Endpoint)
    dst: Endpoint = dataclasses.field(default_factory=Endpoint)
    rcv_ifname: str = ""
    rcvifnot: bool = False
    # operator, id, id; -1 for unknown
    uid: list[t.Any] = dataclasses.field(default_factory=list)
    gid: list[t.Any] = dataclasses.field(default_factory=list)
    flags: int = 0
    flagset: int = 0
    type: int = 0
    code: int = 0
    tos: int = 0
    prio: int = 0
    pktrate: list[int] = dataclasses.field(default_factory=lambda: [0, 0])
    max_pkt_size: int = 0
    set_prio: list[int] = dataclasses.field(default_factory=list)
    set_tos: int = -1
    # "", "keep", "modulate" or "synproxy"
    keep_state: str = ""
    probability: int = 0
    max_states: int = 0
    nosync: bool = False
    # "", "global" or "rule"
    source_track: str = ""
    max_src_states: int = 0
    max_src_conn: int = 0
    max_src_conn_rate: list[int] = dataclasses.field(default_factory=lambda: [0, 0])
    max_src_nodes: int = 0
    overload: str = ""
    # "", "flush" or "flush global"
    flush: str = ""
    if_bound: bool = False
    sloppy: bool = False
    pflow: bool = False
    allow_related: bool = False
    timeouts: dict[str, int] = dataclasses.field(default_factory=dict)
    allow_opts: bool = False
    fragment: bool = False
    # scrub, as a rule of its own or as an option
    nodf: bool = False
    randomid: bool = False
    min_ttl: int = 0
    max_mss: int = 0
    reassemble_tcp: bool = False
    fragment_noreass: bool = False
    labels: list[str] = dataclasses.field(default_factory=list)
    ridentifier: int = 0
    # "dnpipe" or "dnqueue", number, number of the other direction
    dummynet: list[t.Any] = dataclasses.field(default_factory=list)
    qname: str = ""
    pqname: str = ""
    tag: str = ""
    match_tag: str = ""
    match_tag_not: bool = False
    rtable: int = -1
    divert_port: int = 0
    nat: Pool = dataclasses.field(default_factory=Pool)
    rdr: Pool = dataclasses.field(default_factory=Pool)
    # While a configuration is read: the anchor whose rules stand in braces behind this one.
    body: t.Any = None

    NESTED: t.ClassVar = {
        "route": Pool.from_json,
        "src": Endpoint.from_json,
        "dst": Endpoint.from_json,
        "nat": Pool.from_json,
        "rdr": Pool.from_json,
    }
