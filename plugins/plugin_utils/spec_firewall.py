# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a definition that say which packets pass: port forwards and the firewall."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils import names
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import (
    NOTHING,
    Phrase,
    Refused,
    Section,
    boolean,
    choice,
    each,
    integer,
    key,
    part,
    parts,
    taken,
)
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import netaddr
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.values import Ports, ip_address, line, network, ports, protocol

PROFILES = ("strict", "libvirt")
HOST_ACCESS = ("full", "services", "none")
WITH_PORTS = ("tcp", "udp", "sctp")


def _tcp_udp(value: object) -> tuple[str, ...]:
    """Reads tcp, udp, or a list of both."""
    wanted = [value] if isinstance(value, str) else value
    if not isinstance(wanted, (list, tuple)) or not wanted or not all(proto in ("tcp", "udp") for proto in wanted):
        raise Refused("tcp, udp, or a list of both")
    return tuple(proto for proto in ("tcp", "udp") if proto in wanted)


@dataclasses.dataclass(frozen=True)
class PortForward:
    """A port of the host, or a range of them, that leads to a guest.

    `listen` None: the first address of the egress interface. `to_port` is the guest's port, the first of them for a range; None: the same.
    With `hairpin` guests too reach it by the host's outside address.
    """

    proto: tuple[str, ...] = key(_tcp_udp, default=t.cast("tuple[str, ...]", ("tcp",)))
    listen: netaddr.IPAddress | None = key(ip_address())
    port: Ports = key(ports, required="a port from 1 to 65535, or a range such as 8000-8010")
    to: netaddr.IPAddress = key(ip_address(), required="the guest's address")
    to_port: int | None = key(integer(1, 65535))
    sources: tuple[netaddr.IPNetwork, ...] = each(network)
    hairpin: bool = key(boolean, default=False)
    description: str | None = key(line)

    def check(self, section: Section) -> None:
        if self.port and self.to_port and self.to_port + self.port.end - self.port.start > 65535:
            section.refuse("to_port", self.to_port, f"at most {65535 - self.port.end + self.port.start}, so that the range ends at 65535")
        if not taken(self.to):
            return
        for name, versions in (("listen", [self.listen] if self.listen else []), ("sources", self.sources)):
            for index, address in enumerate(versions):
                if address.version != self.to.version:
                    section.refuse(name if name == "listen" else f"{name}[{index}]", str(address), f"IPv{self.to.version}, as of {self.to}")

    def collides(self, other: PortForward) -> bool:
        """Whether a packet could be for both."""
        return (
            bool(set(self.proto or ()) & set(other.proto or ()))
            and self.port.start <= other.port.end
            and other.port.start <= self.port.end
            and self.to.version == other.to.version
            and (self.listen is None or other.listen is None or self.listen == other.listen)
        )


@dataclasses.dataclass(frozen=True)
class Traffic:
    """Traffic by where it goes, its protocols and its ports; what is left out is any."""

    networks: tuple[netaddr.IPNetwork, ...] = each(network)
    proto: tuple[str, ...] = each(protocol)
    ports: tuple[Ports, ...] = each(ports)

    def check(self, section: Section) -> None:
        if all(section.empty(name) for name in ("networks", "proto", "ports")):
            section.refuse("", NOTHING, "networks, proto or ports")
        _check_ports(self.proto, self.ports, section)


@dataclasses.dataclass(frozen=True)
class Inbound:
    """Traffic from outside to guests of a routed network; what is left out is any."""

    sources: tuple[netaddr.IPNetwork, ...] = each(network)
    to: tuple[netaddr.IPNetwork, ...] = each(network)
    proto: tuple[str, ...] = each(protocol)
    ports: tuple[Ports, ...] = each(ports)

    def check(self, section: Section) -> None:
        _check_ports(self.proto, self.ports, section)


def _check_ports(proto: tuple[str, ...], given: tuple[Ports, ...], section: Section) -> None:
    without = [name for name in proto if name not in WITH_PORTS]
    if given and (without or not proto):
        section.refuse("ports", Phrase(f"ports, with {', '.join(without) or 'no proto'}"), f"them beside proto of {', '.join(WITH_PORTS)}")


@dataclasses.dataclass(frozen=True)
class Egress:
    """What guests may reach outside: what `allow` has, all if it is empty, and nothing that `deny` has."""

    allow: tuple[Traffic, ...] = parts(Traffic)
    deny: tuple[Traffic, ...] = parts(Traffic)


@dataclasses.dataclass(frozen=True)
class Firewall:
    """The filter rules. `host_access` is what guests reach of the host itself, `peers` are the networks that may talk to this one."""

    profile: str = key(choice(*PROFILES), default="strict")
    host_access: str = key(choice(*HOST_ACCESS), default="full")
    peers: tuple[str, ...] = each(names.network_name)
    egress: Egress | None = part(Egress)
    inbound: tuple[Inbound, ...] = parts(Inbound)
    log: bool = key(boolean, default=False)

    def check(self, section: Section) -> None:
        if self.profile == "libvirt":
            for name, default in (("host_access", "full"), ("peers", ()), ("egress", None), ("inbound", ()), ("log", False)):
                if getattr(self, name) not in (default, None):
                    section.refuse(name, Phrase("it, with profile libvirt"), "it with profile strict; libvirt's rules have no place for it")
