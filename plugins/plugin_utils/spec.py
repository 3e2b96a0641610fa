# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of a network: read from a user's data into frozen dataclasses, checked as a whole, written back normalized.

Keys are those of libvirt's network format (https://libvirt.org/formatnetwork.html) in snake_case.
"""

from __future__ import annotations

import dataclasses
import typing as t
import uuid as uuid_module

import netaddr

from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils import names
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import (
    NOTHING,
    Phrase,
    Problems,
    Refused,
    Section,
    boolean,
    choice,
    integer,
    sections,
    text,
)

PROFILES = ("strict", "libvirt")
# What libvirt's pf backend uses when the definition names no ports.
DEFAULT_PORTS = (1024, 65535)


@dataclasses.dataclass(frozen=True)
class PortRange:
    """Ports from `start` to `end`, both included."""

    start: int
    end: int


@dataclasses.dataclass(frozen=True)
class AddressRange:
    """Addresses from `start` to `end`, both included."""

    start: netaddr.IPAddress
    end: netaddr.IPAddress

    def __contains__(self, address: netaddr.IPAddress) -> bool:
        return t.cast(bool, self.start <= address <= self.end)


@dataclasses.dataclass(frozen=True)
class Dhcp:
    """What the host hands out to guests of a subnet."""

    ranges: tuple[AddressRange, ...]


@dataclasses.dataclass(frozen=True)
class Ip:
    """The host's address on the bridge and the subnet it lies in."""

    address: netaddr.IPAddress
    subnet: netaddr.IPNetwork
    dhcp: Dhcp | None


@dataclasses.dataclass(frozen=True)
class Bridge:
    """The bridge's name; `delay` is in seconds, 0 for no added delay."""

    name: str
    stp: bool | None
    delay: int | None


@dataclasses.dataclass(frozen=True)
class Forward:
    """How guests reach the world: `dev` is the egress interface, None for the one of the host's default route."""

    mode: str
    dev: str | None
    ports: PortRange


@dataclasses.dataclass(frozen=True)
class Network:
    """One virtual network."""

    name: str
    uuid: str | None
    mac: str | None
    bridge: Bridge
    forward: Forward
    ips: tuple[Ip, ...]
    profile: str


def read_networks(data: object, *, path: str = "networks", anchor_root: str = "libvirt") -> tuple[Network, ...]:
    """Read a list of definitions, as YAML or `from_libvirt_xml` gives them.

    Raises SpecError with every problem of every network, each with its path below `path`.
    """
    problems = Problems()
    found = sections(data, path, problems) or []
    # Fields that were refused are None here; no network leaves this function while there are problems.
    networks = [_read_network(section, anchor_root) for section in found]
    _check_together(networks, [section.path for section in found], problems)
    problems.raise_if_any()
    return tuple(networks)


def read_names(data: object, *, path: str = "networks") -> tuple[str, ...]:
    """Read the names alone out of a list of definitions: all that is needed to remove networks. Raises SpecError."""
    problems = Problems()
    found = [section.value("name", names.network_name, required="the network's name") for section in sections(data, path, problems) or []]
    problems.raise_if_any()
    return tuple(t.cast("list[str]", found))


def to_data(network: Network) -> dict[str, t.Any]:
    """The normalized definition: plain data that `read_networks` reads into an equal network."""
    forward: dict[str, t.Any] = {"mode": network.forward.mode, "nat": {"port": dataclasses.asdict(network.forward.ports)}}
    if network.forward.dev:
        forward["dev"] = network.forward.dev
    data: dict[str, t.Any] = {
        "name": network.name,
        "uuid": network.uuid,
        "mac": network.mac,
        "bridge": {key: value for key, value in dataclasses.asdict(network.bridge).items() if value is not None},
        "forward": forward,
        "ips": [_ip_data(ip) for ip in network.ips],
        "firewall": {"profile": network.profile},
    }
    return {key: value for key, value in data.items() if value is not None}


def _ip_data(ip: Ip) -> dict[str, t.Any]:
    data: dict[str, t.Any] = {"address": f"{ip.address}/{ip.subnet.prefixlen}"}
    if ip.dhcp:
        data["dhcp"] = {"ranges": [{"start": str(span.start), "end": str(span.end)} for span in ip.dhcp.ranges]}
    return data


def _read_network(section: Section, anchor_root: str) -> Network:
    name = section.value("name", names.network_name, required="the network's name")
    if name and len(f"{anchor_root}/{name}") > names.ANCHOR_PATH_MAX:
        section.problems.add(section.at("name"), name, f"at most {names.ANCHOR_PATH_MAX - len(anchor_root) - 1} characters, below the anchor {anchor_root}")
    uuid = section.value("uuid", _uuid)
    mac = section.value("mac", _mac)
    bridge = _read_bridge(section.section("bridge"))
    forward = _read_forward(section.section("forward"))
    firewall = section.section("firewall")
    profile = firewall.value("profile", choice(*PROFILES), default=PROFILES[0])
    firewall.close()
    ip_sections = section.sections("ips")
    ips = tuple(_read_ip(ip) for ip in ip_sections or [])
    if ip_sections is not None and len(ips) != 1 and section.readable:
        section.problems.add(section.at("ips"), Phrase(f"{len(ips)} addresses") if ips else NOTHING, "one IPv4 address with its prefix, such as 192.168.122.1/24")
    section.close()
    return Network(t.cast(str, name), uuid, mac, bridge, forward, ips, t.cast(str, profile))


def _read_bridge(section: Section) -> Bridge:
    name = section.value("name", names.interface_name, required="the bridge's name, such as virbr0")
    stp = section.value("stp", boolean)
    delay = section.value("delay", _delay)
    section.close()
    return Bridge(t.cast(str, name), stp, delay)


def _read_forward(section: Section) -> Forward:
    mode = section.value("mode", choice("nat"), required="nat")
    dev = section.value("dev", names.interface_name)
    nat = section.section("nat")
    port = nat.section("port")
    # A range with one end left out runs to that end of the default.
    start = port.value("start", integer(1, 65535), default=DEFAULT_PORTS[0])
    end = port.value("end", integer(1, 65535), default=DEFAULT_PORTS[1])
    if start and end and start > end:
        port.problems.add(port.path, Phrase(f"{start} to {end}"), "a range whose start is not above its end")
    port.close()
    nat.close()
    section.close()
    return Forward(t.cast(str, mode), dev, PortRange(t.cast(int, start), t.cast(int, end)))


def _read_ip(section: Section) -> Ip:
    address, prefix = section.value("address", _address, required="an IPv4 address with its prefix, such as 192.168.122.1/24") or (None, None)
    lengths = {
        "address": prefix,
        "prefix": section.value("prefix", integer(8, 30)),
        "netmask": section.value("netmask", _netmask),
    }
    given = {key: length for key, length in lengths.items() if length is not None}
    subnet = None
    if address is not None:
        if not given and not section.has("prefix") and not section.has("netmask"):
            section.problems.add(section.at("address"), str(address), f"an address with its prefix, such as {address}/24, or prefix or netmask beside it")
        elif len(set(given.values())) > 1:
            section.problems.add(section.path, Phrase(" and ".join(f"/{length} by {key}" for key, length in given.items())), "one prefix length")
        elif given:
            subnet = netaddr.IPNetwork(f"{address}/{next(iter(given.values()))}").cidr
            if address in (subnet.network, subnet.broadcast):
                section.problems.add(section.at("address"), Phrase(f"'{address}', the {'network' if address == subnet.network else 'broadcast'} address of {subnet}"),
                                     f"a host's address of {subnet}")
    dhcp_section = section.section("dhcp")
    dhcp = _read_dhcp(dhcp_section, address, subnet) if section.has("dhcp") else None
    section.close()
    return Ip(address, subnet, dhcp)


def _read_dhcp(section: Section, host: netaddr.IPAddress | None, subnet: netaddr.IPNetwork | None) -> Dhcp:
    ranges: list[AddressRange] = []
    for span_section in section.sections("ranges") or []:
        start, end = (span_section.value(key, _host_of(subnet), required=f"an address of {subnet or 'the subnet'}") for key in ("start", "end"))
        span_section.close()
        if start is None or end is None:
            continue
        span = AddressRange(start, end)
        shown = Phrase(f"{start} to {end}")
        if start > end:
            section.problems.add(span_section.path, shown, "a range whose start is not above its end")
        elif host is not None and host in span:
            section.problems.add(span_section.path, shown, f"a range without the host's own address {host}")
        for index, other in enumerate(ranges):
            if start <= other.end and other.start <= end:
                section.problems.add(span_section.path, shown, f"a range apart from {section.at('ranges')}[{index}], {other.start} to {other.end}")
        ranges.append(span)
    section.close()
    return Dhcp(tuple(ranges))


def _check_together(networks: list[Network], paths: list[str], problems: Problems) -> None:
    """Names, bridges and MAC addresses once each; no subnet within another."""
    unique = {"name": lambda network: network.name, "bridge.name": lambda network: network.bridge.name, "mac": lambda network: network.mac}
    for key, get in unique.items():
        first: dict[str, str] = {}
        for network, path in zip(networks, paths):
            value = get(network)
            if value is not None and first.setdefault(value, path) != path:
                problems.add(f"{path}.{key}", value, f"one that {first[value]} does not have")
    earlier: list[tuple[str, netaddr.IPNetwork]] = []
    for network, path in zip(networks, paths):
        mine = [(f"{path}.ips[{index}].address", ip.subnet) for index, ip in enumerate(network.ips) if ip.subnet is not None]
        for at, subnet in mine:
            for other_at, other in earlier:
                if subnet in other or other in subnet:
                    problems.add(at, Phrase(f"subnet {subnet}"), f"a subnet apart from {other} of {other_at}")
        earlier += mine


def _uuid(value: object) -> str:
    try:
        return str(uuid_module.UUID(text(value)))
    except ValueError:
        raise Refused("a UUID, such as 68cd5419-9fda-4cf0-9ac6-2eb9c1ba41ed") from None


def _mac(value: object) -> str:
    if isinstance(value, int):
        raise Refused("a MAC address in quotes; without them YAML reads it as a number to base 60")
    try:
        mac = netaddr.EUI(text(value), version=48, dialect=netaddr.mac_unix_expanded)
    except (netaddr.AddrFormatError, ValueError):
        raise Refused("a MAC address, such as 52:54:00:db:0e:e5") from None
    if mac.words[0] & 1:
        raise Refused("a MAC address of one host; the lowest bit of the first byte marks a multicast group")
    if not int(mac):
        raise Refused("a MAC address other than zero")
    return str(mac)


def _delay(value: object) -> int:
    try:
        return integer(0, 0)(value)
    except Refused:
        pass
    try:
        return integer(4, 30)(value)
    except Refused:
        raise Refused("0 (no added delay) or 4 to 30 seconds, the range of FreeBSD's fwddelay") from None


def _ipv4(value: object) -> netaddr.IPAddress:
    try:
        # INET_PTON: four numbers and nothing less, or "10.1" would mean 10.0.0.1.
        address = netaddr.IPAddress(text(value), version=4, flags=netaddr.INET_PTON)
    except (netaddr.AddrFormatError, ValueError):
        raise Refused("an IPv4 address") from None
    return address


def _address(value: object) -> tuple[netaddr.IPAddress, int | None]:
    """An address with or without its prefix length."""
    address_text, slash, length = text(value).partition("/")
    try:
        address = _ipv4(address_text)
        prefix = integer(8, 30)(length) if slash else None
    except Refused:
        raise Refused("an IPv4 address with a prefix of 8 to 30, such as 192.168.122.1/24") from None
    if address.is_multicast() or address.is_loopback() or address.is_reserved():
        raise Refused("an IPv4 address that a host can have")
    return address, prefix


def _netmask(value: object) -> int:
    mask = _ipv4(value)
    if not mask.is_netmask() or not 8 <= mask.netmask_bits() <= 30:
        raise Refused("a netmask, such as 255.255.255.0, of 8 to 30 bits")
    return t.cast(int, mask.netmask_bits())


def _host_of(subnet: netaddr.IPNetwork | None) -> t.Callable[[object], netaddr.IPAddress]:
    def read(value: object) -> netaddr.IPAddress:
        address = _ipv4(value)
        if subnet is not None and (address not in subnet or address in (subnet.network, subnet.broadcast)):
            raise Refused(f"a host's address of {subnet}")
        return address

    return read
