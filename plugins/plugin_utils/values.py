# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of single values: addresses, networks, ports, names of hosts. Each raises Refused with what it takes."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import re
import typing as t
import uuid as uuid_module

from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import Phrase, Refused, Section, integer, key, taken, text
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import netaddr

PROTOCOLS = ("tcp", "udp")
port = integer(1, 65535)


@dataclasses.dataclass(frozen=True)
class PortRange:
    """Ports from `start` to `end`, both included; a mapping of both in a definition."""

    start: int = key(port, default=1024)
    end: int = key(port, default=65535)

    def check(self, section: Section) -> None:
        if self.start and self.end and self.start > self.end:
            section.refuse("", Phrase(f"{self.start} to {self.end}"), "a range whose start is not above its end")


@dataclasses.dataclass(frozen=True)
class Ports:
    """A port, or the ports from `start` to `end`, in the short form of a definition: 80 or 8000-8010."""

    start: int
    end: int

    def plain(self) -> int | str:
        return self.start if self.start == self.end else f"{self.start}-{self.end}"

    def __str__(self) -> str:
        """As pf writes it."""
        return f"{self.start}" if self.start == self.end else f"{self.start}:{self.end}"


def uuid(value: object) -> str:
    """Reads a UUID into its usual form."""
    try:
        return str(uuid_module.UUID(text(value)))
    except ValueError:
        raise Refused("a UUID, such as 68cd5419-9fda-4cf0-9ac6-2eb9c1ba41ed") from None


def mac(value: object) -> str:
    """Reads the MAC address of one host, in small letters with colons."""
    if isinstance(value, int):
        raise Refused("a MAC address in quotes; without them YAML reads it as a number to base 60")
    try:
        address = netaddr.EUI(text(value), version=48, dialect=netaddr.mac_unix_expanded)
    except (netaddr.AddrFormatError, ValueError):
        raise Refused("a MAC address, such as 52:54:00:db:0e:e5") from None
    if address.words[0] & 1:
        raise Refused("a MAC address of one host; the lowest bit of the first byte marks a multicast group")
    if not int(address):
        raise Refused("a MAC address other than zero")
    return str(address)


def ip_address(version: t.Literal[4, 6] | None = None) -> c.Callable[[object], netaddr.IPAddress]:
    """A reader of addresses of one family (4 or 6), or of both."""

    def read(value: object) -> netaddr.IPAddress:
        try:
            # INET_PTON: four numbers and nothing less, or "10.1" would mean 10.0.0.1.
            return netaddr.IPAddress(text(value), version=version, flags=netaddr.INET_PTON)
        except (netaddr.AddrFormatError, ValueError):
            raise Refused(f"an IPv{version} address" if version else "an IP address") from None

    return read


@dataclasses.dataclass(frozen=True)
class AddressRange:
    """Addresses of one family from `start` to `end`, both included."""

    start: netaddr.IPAddress = key(ip_address(), required="the first address")
    end: netaddr.IPAddress = key(ip_address(), required="the last address")

    def __contains__(self, address: netaddr.IPAddress) -> bool:
        return self.start <= address <= self.end

    def __str__(self) -> str:
        return f"{self.start} to {self.end}"

    def check(self, section: Section) -> None:
        if taken(self.start) and taken(self.end) and (self.start.version != self.end.version or self.start > self.end):
            section.refuse("", Phrase(f"{self}"), "a range whose start is not above its end")

    @property
    def whole(self) -> bool:
        """Whether both ends were taken, and in their order."""
        return taken(self.start) and taken(self.end) and self.start.version == self.end.version and self.start <= self.end

    def meets(self, subnet: netaddr.IPNetwork) -> bool:
        """Whether a whole range has an address of a subnet."""
        return bool(self.start.version == subnet.version and int(self.start) <= subnet.last and subnet.first <= int(self.end))


def network(value: object) -> netaddr.IPNetwork:
    """Reads a network with its prefix length, or one address, without bits beyond the prefix."""
    address, slash, length = text(value).partition("/")
    try:
        host = ip_address()(address)
        read = netaddr.IPNetwork(f"{host}/{integer(0, 32 if host.version == 4 else 128)(length)}" if slash else str(host))
    except Refused:
        raise Refused("a network or an address, such as 10.0.0.0/8 or fd00::/64") from None
    if read.ip != read.cidr.ip:
        raise Refused(f"a network without bits beyond its prefix, {read.cidr}")
    return read


def reserved_of(subnet: netaddr.IPNetwork) -> tuple[netaddr.IPAddress, ...]:
    """The addresses of a subnet that no host has: its own, and with IPv4 that of the broadcast."""
    return (subnet.network, *([subnet.broadcast] if subnet.broadcast and subnet.version == 4 else []))


def netmask(value: object) -> int:
    """Reads an IPv4 netmask into its prefix length."""
    mask = ip_address(4)(value)
    if not mask.is_netmask():
        raise Refused("a netmask, such as 255.255.255.0")
    return mask.netmask_bits()


def ports(value: object) -> Ports:
    """Reads a port or a range of ports, 8000-8010."""
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", str(value)) if not isinstance(value, bool) else None
    start, end = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= start <= end <= 65535:
        raise Refused("a port from 1 to 65535, or a range such as 8000-8010, the lower first")
    return Ports(start, end)


def protocol(value: object) -> str:
    """Reads the name of a protocol that pf knows."""
    if not isinstance(value, str) or value not in ("tcp", "udp", "icmp", "icmp6", "sctp", "esp", "ah", "gre"):
        raise Refused("tcp, udp, icmp, icmp6, sctp, esp, ah or gre")
    return str(value)


def host_name(value: object) -> str:
    """Reads the name of a host, with or without its domain."""
    if (
        not isinstance(value, str)
        or len(value) > 253
        or not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*", value)
    ):
        raise Refused("a host's name: labels of letters, digits, '-' and '_', divided by dots")
    return str(value)


def line(value: object) -> str:
    """Reads a text of one line. Whatever could pass for the end of a line, and what nobody sees, is refused."""
    if not text(value).isprintable():
        raise Refused("a text of one line, without control characters")
    return text(value)


TEXT_MAX = 255


def short_text(value: object) -> str:
    """Reads a text of one line that dnsmasq takes as one item of its own: it has lines of at most 1024 bytes, and drops spaces at the ends."""
    found = line(value)
    if len(found.encode()) > TEXT_MAX or found != found.strip():
        raise Refused(f"a text of at most {TEXT_MAX} bytes without spaces at its ends")
    return found


@dataclasses.dataclass(frozen=True)
class Texts:
    """A text, or a list of several; one alone in a definition is that text."""

    items: tuple[str, ...]

    def plain(self) -> str | list[str]:
        return self.items[0] if len(self.items) == 1 else list(self.items)

    def __str__(self) -> str:
        """As dnsmasq writes them."""
        return ",".join(map(quoted, self.items))


def quoted(text: str) -> str:
    """One item of a line of dnsmasq's: in quotes where it would be read as more, or less."""
    if not re.search('[",#]', text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquoted(text: str) -> list[str] | None:
    """The items that dnsmasq reads in a text; None if it would refuse it, or take the end of it for a comment."""
    items, rest = [""], text
    while rest:
        # Quotes may begin within an item; what is in them is taken as it is, but for escapes.
        found = re.match(r'"((?:[^"\\]|\\.|\\$)*)"|[^",#]|(?<=[^ ])#', rest) if rest[0] != "," else None
        if rest[0] == ",":
            items.append("")
            rest = rest[1:]
        elif found is None and not (rest[0] == "#" and items[-1][-1:] not in ("", " ")):
            return None
        else:
            items[-1] += found[0] if found and found[1] is None else re.sub(r'\\(["\\])', r"\1", found[1]) if found else "#"
            rest = rest[found.end() :] if found else rest[1:]
    return [item.strip() for item in items]


def texts(value: object) -> Texts:
    """Reads a text or a list of texts, all of them together no longer than one text may be. Numbers count, since YAML makes them of digits."""
    items = value if isinstance(value, (list, tuple)) and value else [value]
    found = tuple(short_text(str(item) if isinstance(item, int) and not isinstance(item, bool) else item) for item in items)
    if sum(len(item.encode()) + 1 for item in found) > TEXT_MAX + 1:
        raise Refused(f"texts of at most {TEXT_MAX} bytes in all")
    return Texts(found)
