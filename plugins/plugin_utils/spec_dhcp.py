# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a definition that guests are told when they come up: DHCP, router advertisements, and what they boot by TFTP."""

from __future__ import annotations

import dataclasses
import re

from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.dhcp_options import Option
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import (
    NOTHING,
    Phrase,
    Refused,
    Section,
    choice,
    integer,
    key,
    part,
    parts,
    text,
)
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import netaddr
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.values import AddressRange, host_name, ip_address, mac, short_text

UNITS = ("seconds", "minutes", "hours")
RA_MODES = ("none", "ra-only", "stateless", "slaac", "stateful")


@dataclasses.dataclass(frozen=True)
class Lease:
    """How long an address is lent: `expiry` in `unit`, 0 for ever."""

    expiry: int = key(integer(0, 4294967295), required="a number, 0 for ever")
    unit: str = key(choice(*UNITS), default="minutes")

    def check(self, section: Section) -> None:
        seconds = {"seconds": 1, "minutes": 60, "hours": 3600}
        if self.expiry and self.unit and self.expiry * seconds[self.unit] < 120:
            section.refuse("expiry", f"{self.expiry} {self.unit}", "at least two minutes, or 0 for ever")


@dataclasses.dataclass(frozen=True)
class Range(AddressRange):
    """Addresses to hand out."""

    lease: Lease | None = part(Lease)


def _guest_id(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\*|[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2})+|[A-Za-z0-9_.@-]+", value) or len(value) > 400:
        raise Refused("bytes such as 01:52:54:00:00:01:11, a text of letters, digits, '_', '.', '@' and '-', or * for any")
    return str(value)


def _guest_name(value: object) -> str:
    name = host_name(value)
    # What dnsmasq takes for an address, a lease time or a word of its own in that place.
    if not name[0].isalnum() or re.fullmatch(r"[0-9.]+|[0-9]+[smhdw]?|infinite|ignore", name, re.IGNORECASE):
        raise Refused("a name that begins with a letter or digit, and is neither a number, a time such as 2h, an address, infinite nor ignore")
    return name


@dataclasses.dataclass(frozen=True)
class DhcpHost:
    """A guest that gets a certain address or name; it is known by its MAC address, client id (IPv6: DUID) or name."""

    mac: str | None = key(mac)
    id: str | None = key(_guest_id)
    name: str | None = key(_guest_name)
    ip: netaddr.IPAddress | None = key(ip_address())
    lease: Lease | None = part(Lease)
    options: tuple[Option, ...] = parts(Option)

    def check(self, section: Section) -> None:
        if not any(section.has(name) for name in ("mac", "id", "name")):
            section.refuse("", NOTHING, "mac, id or name, by which the guest is known")
        if not any(section.has(name) for name in ("ip", "name")):
            section.refuse("", Phrase("neither ip nor name"), "what the guest is to get: ip, name or both")


@dataclasses.dataclass(frozen=True)
class Bootp:
    """What guests boot from the network: a file, and the server that has it (None: this host)."""

    file: str = key(short_text, required="the file's path")
    server: str | None = key(host_name)


@dataclasses.dataclass(frozen=True)
class Dhcp:
    """What the host hands out to the guests of a subnet."""

    ranges: tuple[Range, ...] = parts(Range)
    hosts: tuple[DhcpHost, ...] = parts(DhcpHost)
    bootp: Bootp | None = part(Bootp)
    options: tuple[Option, ...] = parts(Option)

    @property
    def serves(self) -> bool:
        """Whether there is an address to hand out."""
        return bool(self.ranges or self.hosts)


@dataclasses.dataclass(frozen=True)
class Ra:
    """Router advertisements of an IPv6 subnet. `mode` None: stateful where addresses are handed out, otherwise ra-only.

    `interval` between them and `lifetime` of the router are in seconds, `mtu` in bytes; a lifetime of 0 advertises no router.
    """

    mode: str | None = key(choice(*RA_MODES))
    interval: int | None = key(integer(4, 1800))
    lifetime: int | None = key(integer(0, 9000))
    priority: str | None = key(choice("low", "medium", "high"))
    mtu: int | None = key(integer(1280, 65535))

    @property
    def router(self) -> tuple[int | str | None, ...]:
        """What is said of the router itself, of which there is one however many subnets it advertises."""
        return (self.interval, self.lifetime, self.priority, self.mtu)

    @property
    def speaks(self) -> bool:
        """Whether it says anything of the router."""
        return any(value is not None for value in self.router)

    def check(self, section: Section) -> None:
        if self.lifetime and self.interval and self.lifetime < self.interval:
            section.refuse("lifetime", self.lifetime, f"0, or {self.interval}, the interval, to 9000")


def _path(value: object) -> str:
    if not text(value).startswith("/"):
        raise Refused("an absolute path")
    return short_text(value)


@dataclasses.dataclass(frozen=True)
class Tftp:
    """The folder that the host serves by TFTP."""

    root: str = key(_path, required="the folder's path")
