# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values that the actions of the grammar pass on: conditions of a rule before it is expanded."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from .rules import Host, length_of


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
