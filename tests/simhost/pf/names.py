# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and numbers of pf.conf(5): protocols, services, ICMP types and codes, TOS, TCP flags, timeouts, limits."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

TCP, UDP, ICMP, ICMP6, SCTP = 6, 17, 1, 58, 132

TCP_FLAGS = "FSRPAUEWe"

# fmt: off
# Several names may stand for one number; the first one is printed.
ICMP_TYPES = {
    "inet": {
        "echoreq": 8, "echorep": 0, "unreach": 3, "squench": 4, "redir": 5, "althost": 6, "routeradv": 9, "routersol": 10,
        "timex": 11, "paramprob": 12, "timereq": 13, "timerep": 14, "inforeq": 15, "inforep": 16, "maskreq": 17, "maskrep": 18,
        "trace": 30, "dataconv": 31, "mobredir": 32, "ipv6-where": 33, "ipv6-here": 34, "mobregreq": 35, "mobregrep": 36,
        "skip": 39, "photuris": 40,
    },
    "inet6": {
        "unreach": 1, "toobig": 2, "timex": 3, "paramprob": 4, "echoreq": 128, "echorep": 129, "groupqry": 130, "listqry": 130,
        "grouprep": 131, "listenrep": 131, "groupterm": 132, "listendone": 132, "routersol": 133, "routeradv": 134,
        "neighbrsol": 135, "neighbradv": 136, "redir": 137, "routrrenum": 138, "wrureq": 139, "wrurep": 140, "fqdnreq": 139,
        "fqdnrep": 140, "niqry": 139, "nirep": 140, "mtraceresp": 200, "mtrace": 201, "listenrepv2": 143,
    },
}

# (type, name) -> code
ICMP_CODES = {
    "inet": {
        (3, "net-unr"): 0, (3, "host-unr"): 1, (3, "proto-unr"): 2, (3, "port-unr"): 3, (3, "needfrag"): 4, (3, "srcfail"): 5,
        (3, "net-unk"): 6, (3, "host-unk"): 7, (3, "isolate"): 8, (3, "net-prohib"): 9, (3, "host-prohib"): 10, (3, "net-tos"): 11,
        (3, "host-tos"): 12, (3, "filter-prohib"): 13, (3, "host-preced"): 14, (3, "cutoff-preced"): 15,
        (5, "redir-net"): 0, (5, "redir-host"): 1, (5, "redir-tos-net"): 2, (5, "redir-tos-host"): 3,
        (9, "normal-adv"): 0, (9, "common-adv"): 16, (11, "transit"): 0, (11, "reassemb"): 1,
        (12, "badhead"): 0, (12, "optmiss"): 1, (12, "badlen"): 2, (40, "unknown-ind"): 1, (40, "auth-fail"): 2, (40, "decrypt-fail"): 3,
    },
    "inet6": {
        (1, "admin-unr"): 1, (1, "noroute-unr"): 0, (1, "notnbr-unr"): 2, (1, "beyond-unr"): 2, (1, "addr-unr"): 3, (1, "port-unr"): 4,
        (3, "transit"): 0, (3, "reassemb"): 1, (4, "badhead"): 0, (4, "nxthdr"): 1, (137, "redironlink"): 0, (137, "redirrouter"): 1,
    },
}

TOS = {
    "af11": 0x28, "af12": 0x30, "af13": 0x38, "af21": 0x48, "af22": 0x50, "af23": 0x58, "af31": 0x68, "af32": 0x70, "af33": 0x78,
    "af41": 0x88, "af42": 0x90, "af43": 0x98, "critical": 0xA0, "cs0": 0x00, "cs1": 0x20, "cs2": 0x40, "cs3": 0x60, "cs4": 0x80,
    "cs5": 0xA0, "cs6": 0xC0, "cs7": 0xE0, "ef": 0xB8, "inetcontrol": 0xC0, "lowdelay": 0x10, "netcontrol": 0xE0,
    "reliability": 0x04, "throughput": 0x08, "va": 0xB0,
}

# Name -> seconds (states for adaptive.*), in the order of `pfctl -st`.
TIMEOUTS = {
    "tcp.first": 120, "tcp.opening": 30, "tcp.established": 86400, "tcp.closing": 900, "tcp.finwait": 45, "tcp.closed": 90,
    "tcp.tsdiff": 30, "sctp.first": 120, "sctp.opening": 30, "sctp.established": 86400, "sctp.closing": 900, "sctp.closed": 90,
    "udp.first": 60, "udp.single": 30, "udp.multiple": 60, "icmp.first": 20, "icmp.error": 10, "other.first": 60,
    "other.single": 30, "other.multiple": 60, "frag": 60, "interval": 10, "adaptive.start": 60000, "adaptive.end": 120000,
    "src.track": 0,
}

# The kernel numbers its timeouts in another order than -st; a rule prints its own timeouts in this one.
TIMEOUT_NUMBERS = (
    "tcp.first", "tcp.opening", "tcp.established", "tcp.closing", "tcp.finwait", "tcp.closed", "udp.first", "udp.single",
    "udp.multiple", "icmp.first", "icmp.error", "other.first", "other.single", "other.multiple", "frag", "interval",
    "adaptive.start", "adaptive.end", "src.track", "tcp.tsdiff", "sctp.first", "sctp.opening", "sctp.established",
    "sctp.closing", "sctp.closed",
)

_HINT_NAMES = ("tcp.first", "tcp.opening", "tcp.established", "tcp.closing", "tcp.finwait", "tcp.closed", "tcp.tsdiff")
_SATELLITE = dict(zip(_HINT_NAMES, (180, 35, 86400, 905, 50, 95, 60), strict=True))
# What `set optimization NAME` does to the timeouts.
OPTIMIZATIONS = {
    "normal": dict(zip(_HINT_NAMES, (120, 30, 86400, 900, 45, 90, 30), strict=True)),
    "satellite": _SATELLITE,
    "high-latency": _SATELLITE,
    "conservative": dict(zip(_HINT_NAMES, (3600, 900, 432000, 3600, 600, 180, 60), strict=True)),
    "aggressive": dict(zip(_HINT_NAMES, (30, 5, 18000, 60, 30, 30, 10), strict=True)),
}

# In the order of `pfctl -sm`.
LIMITS = {"states": 100000, "src-nodes": 10000, "frags": 5000, "table-entries": 200000, "anchors": 512, "eth-anchors": 512}

# The users and groups of FreeBSD's base system, which rules may name.
USERS = {
    "root": 0, "toor": 0, "daemon": 1, "operator": 2, "bin": 3, "tty": 4, "kmem": 5, "games": 7, "news": 8, "man": 9, "sshd": 22,
    "smmsp": 25, "mailnull": 26, "bind": 53, "unbound": 59, "proxy": 62, "_pflogd": 64, "_dhcp": 65, "uucp": 66, "pop": 68,
    "auditdistd": 78, "www": 80, "ntpd": 123, "_ypldap": 160, "hast": 845, "tests": 977, "nobody": 65534,
}
GROUPS = {
    "wheel": 0, "daemon": 1, "kmem": 2, "sys": 3, "tty": 4, "operator": 5, "mail": 6, "bin": 7, "news": 8, "man": 9, "games": 13,
    "ftp": 14, "staff": 20, "sshd": 22, "smmsp": 25, "mailnull": 26, "guest": 31, "video": 44, "realtime": 47, "idletime": 48,
    "bind": 53, "unbound": 59, "proxy": 62, "authpf": 63, "_pflogd": 64, "_dhcp": 65, "uucp": 66, "dialer": 68, "network": 69,
    "audit": 77, "www": 80, "u2f": 116, "ntpd": 123, "_ypldap": 160, "hast": 845, "tests": 977, "nogroup": 65533, "nobody": 65534,
}
# fmt: on


def _lines(name: str) -> Iterator[list[str]]:
    for line in (Path(__file__).parent / "data" / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split()


@functools.cache
def _protocols() -> tuple[dict[str, int], dict[int, str]]:
    by_name: dict[str, int] = {}
    by_number: dict[int, str] = {}
    for name, number, *aliases in _lines("protocols"):
        by_number.setdefault(int(number), name)
        for known in (name, *aliases):
            by_name.setdefault(known, int(number))
    return by_name, by_number


@functools.cache
def _services() -> tuple[dict[tuple[str, str], int], dict[tuple[int, str], str]]:
    by_name: dict[tuple[str, str], int] = {}
    by_port: dict[tuple[int, str], str] = {}
    for name, port_protocols, *aliases in _lines("services"):
        port, _, protocols = port_protocols.partition("/")
        for protocol in protocols.split(","):
            by_port.setdefault((int(port), protocol), name)
            for known in (name, *aliases):
                by_name.setdefault((known, protocol), int(port))
    return by_name, by_port


def protocol_number(name: str) -> int | None:
    """getprotobyname(3)."""
    return _protocols()[0].get(name)


def protocol_name(number: int) -> str | None:
    """getprotobynumber(3)."""
    return _protocols()[1].get(number)


def service_port(name: str) -> int | None:
    """The port of a service, looked up as tcp, udp, then sctp."""
    by_name = _services()[0]
    return next((by_name[name, protocol] for protocol in ("tcp", "udp", "sctp") if (name, protocol) in by_name), None)


def service_name(port: int, protocol: str) -> str | None:
    """getservbyport(3)."""
    return _services()[1].get((port, protocol))


def icmp_type_name(number: int, af: str) -> str | None:
    """The name of an ICMP type; without an address family pfctl takes that of IPv4."""
    return next((name for name, value in ICMP_TYPES[af or "inet"].items() if value == number), None)


def icmp_code_name(number: int, code: int, af: str) -> str | None:
    """The name of an ICMP code of type ``number``."""
    return next((name for (of, name), value in ICMP_CODES[af or "inet"].items() if (of, value) == (number, code)), None)


def parse_tcp_flags(text: str) -> int | None:
    """Flag letters to their bits; all bits for no letter, None for an unknown one."""
    bits = 0
    for letter in text:
        if letter not in TCP_FLAGS:
            return None
        bits |= 1 << TCP_FLAGS.index(letter)
    return bits or 0xFF


def format_tcp_flags(bits: int) -> str:
    """The letters of flag bits."""
    return "".join(letter for index, letter in enumerate(TCP_FLAGS) if bits & 1 << index)
