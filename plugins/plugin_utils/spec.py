# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of a network: read from a user's data into frozen dataclasses, checked as a whole, written back normalized.

Keys are those of libvirt's network format (https://libvirt.org/formatnetwork.html) in snake_case, and those of what libvirt lacks.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

import jinja2
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils import names
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import (
    NOTHING,
    Phrase,
    Problems,
    Refused,
    Section,
    boolean,
    each,
    key,
    part,
    parts,
    plain,
    read_section,
    sections,
    taken,
    text,
)
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import netaddr
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec_dns import Dns, Domain
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec_firewall import Firewall, PortForward
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec_forward import Bridge, Forward
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec_ips import Ip, Route
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.values import line, mac, short_text, uuid

# Which modes have rules of ours, and so a place for what the firewall's keys ask for.
FILTERED = ("nat", "route", "none")


# What dnsmasq is told in any case, by the definition or by who starts it. Told otherwise, it would serve another network, or be lost to us.
_SETTLED = frozenset(
    """
    bind-dynamic bind-interfaces conf-dir conf-file conf-script dhcp-leasefile except-interface group interface keep-in-foreground leasefile-ro
    listen-address no-daemon no-dhcp-interface pid-file port servers-file test user
""".split()
)


def _dnsmasq_option(value: object) -> str:
    """Reads a line for dnsmasq's configuration, which has a name and mostly a value behind it."""
    found = short_text(value)
    name = found.partition("=")[0].strip()
    if not re.fullmatch("[a-z0-9][a-z0-9-]*", name) or found.count('"') % 2:
        raise Refused("an option of dnsmasq's configuration file, such as dns-loop-detect or neg-ttl=60")
    if name in _SETTLED:
        raise Refused(f"any but {name}, which the definition, or the service that runs dnsmasq, settles")
    return found


def _template(value: object) -> str:
    try:
        jinja2.Environment(autoescape=False).parse(text(value))
    except jinja2.TemplateSyntaxError as error:
        raise Refused(f"a Jinja2 template; line {error.lineno}: {error.message}") from None
    return text(value)


@dataclasses.dataclass(frozen=True)
class Templates:
    """A user's own templates, in place of the collection's of that name in templates/."""

    anchor: str | None = key(_template)
    tables: str | None = key(_template)
    translation: str | None = key(_template)
    filter: str | None = key(_template)


@dataclasses.dataclass(frozen=True)
class Network:
    """One virtual network."""

    name: str = key(names.network_name, required="the network's name")
    uuid: str | None = key(uuid)
    title: str | None = key(line)
    description: str | None = key(text)
    metadata: str | None = key(text)
    autostart: bool = key(boolean, default=True)
    mac: str | None = key(mac)
    bridge: Bridge = part(Bridge, missing=Bridge())
    forward: Forward = part(Forward, missing=Forward("none"))
    ips: tuple[Ip, ...] = parts(Ip)
    routes: tuple[Route, ...] = parts(Route)
    domain: Domain | None = part(Domain)
    dns: Dns | None = part(Dns)
    # Lines of its configuration that nothing else here can say.
    dnsmasq_options: tuple[str, ...] = each(_dnsmasq_option)
    port_forwards: tuple[PortForward, ...] = parts(PortForward)
    firewall: Firewall = part(Firewall, missing=Firewall())
    templates: Templates | None = part(Templates)

    @property
    def ether(self) -> str | None:
        """The MAC address of the bridge, wherever the definition has it."""
        return self.mac or self.bridge.mac

    def subnets(self, version: int) -> tuple[netaddr.IPNetwork, ...]:
        """The subnets of one family."""
        return tuple(ip.subnet for ip in self.ips if ip.version == version)

    def nets(self, version: int) -> tuple[netaddr.IPNetwork, ...]:
        """Where this network's packets come from: its subnets, and what static routes have behind its guests."""
        return (*self.subnets(version), *(route.address for route in self.routes if route.address.version == version))

    def check(self, section: Section) -> None:
        whole = [(index, ip) for index, ip in enumerate(self.ips) if ip.address is not None]
        if self.mac and self.bridge.mac and self.mac != self.bridge.mac:
            section.refuse("bridge.mac", self.bridge.mac, f"{self.mac}, the network's mac, or nothing")
        if self.bridge.mtu and self.bridge.mtu < 1280 and any(ip.version == 6 for _index, ip in whole):
            section.refuse("bridge.mtu", self.bridge.mtu, "1280 to 65535, which IPv6 needs")
        for index, ip in whole:
            for other_index, other in whole[:index]:
                if ip.subnet in other.subnet or other.subnet in ip.subnet:
                    section.refuse(
                        f"ips[{index}].address",
                        Phrase(f"subnet {ip.subnet}"),
                        f"a subnet apart from {other.subnet} of {section.at(f'ips[{other_index}].address')}",
                    )
        if self.forward.dev and self.forward.dev in self.bridge.members:
            section.refuse("forward.dev", self.forward.dev, "an interface that is no member of the bridge")
        pool = self.forward.nat.address if self.forward.nat else None
        for _index, ip in whole:
            if pool and pool.whole and pool.meets(ip.subnet):
                section.refuse("forward.nat.address", str(pool), f"addresses outside of {ip.subnet}, the network's own")
        self._check_mode(section, {ip.version for _index, ip in whole})
        self._check_services(section, whole)
        for index, line_of_it in enumerate(self.dnsmasq_options):
            if line_of_it in self.dnsmasq_options[:index]:
                section.refuse(f"dnsmasq_options[{index}]", line_of_it, "each line once")
        self._check_routes(section)
        self._check_port_forwards(section)

    def _check_mode(self, section: Section, versions: set[int]) -> None:
        mode = self.forward.mode
        if mode in ("nat", "route") and section.empty("ips"):
            section.refuse("ips", NOTHING, f"an address of the host, such as 192.168.122.1/24, for mode {mode}")
        if mode == "nat" and versions == {6} and not (self.forward.nat and self.forward.nat.ipv6):
            section.refuse("forward.nat.ipv6", NOTHING, "true for a network without IPv4, or mode route")
        if mode == "nat" and self.forward.nat and self.forward.nat.ipv6 and 6 not in versions and versions:
            section.refuse("forward.nat.ipv6", True, "false for a network without IPv6")
        if self.forward.nat and self.forward.nat.address and 4 not in versions and versions:
            section.refuse("forward.nat.address", Phrase("a pool of IPv4"), "none for a network without IPv4")
        firewall = self.firewall
        if firewall.profile == "libvirt":
            if mode not in ("nat", None):
                section.refuse("firewall.profile", "libvirt", f"strict with mode {mode}; libvirt's pf backend has rules for nat alone")
            for name, unwanted in (("port_forwards", self.port_forwards), ("forward.nat.ipv6", self.forward.nat and self.forward.nat.ipv6)):
                if unwanted:
                    section.refuse(name, Phrase("it, with profile libvirt"), "it with profile strict; libvirt's rules have no place for it")
        places: tuple[tuple[str, object, tuple[str, ...]], ...] = (
            ("firewall.peers", firewall.peers, FILTERED),
            ("firewall.egress", firewall.egress, ("nat", "route")),
            ("firewall.inbound", firewall.inbound, ("route",)),
            ("firewall.host_access", firewall.host_access not in ("full", None), FILTERED),
            ("port_forwards", self.port_forwards, ("nat", "route")),
        )
        for name, given, modes in places:
            if given and mode not in (*modes, None):
                section.refuse(name, Phrase(f"it, with mode {mode}"), f"it with mode {' or '.join(modes)}")
        lists = [
            (f"firewall.egress.{name}[{index}].networks", traffic.networks)
            for name in ("allow", "deny")
            for index, traffic in enumerate(getattr(firewall.egress, name, ()))
        ]
        lists += [(f"firewall.inbound[{index}].{name}", getattr(entry, name)) for index, entry in enumerate(firewall.inbound) for name in ("sources", "to")]
        for path, networks in lists:
            for index, found in enumerate(networks):
                if versions and found.version not in versions:
                    section.refuse(f"{path}[{index}]", str(found), f"IPv{10 - found.version}, the family of the network's own addresses")
        for index, entry in enumerate(firewall.inbound):
            for position, found in enumerate(entry.to):
                if found.version in versions and not any(found in subnet for subnet in self.subnets(found.version)):
                    section.refuse(f"firewall.inbound[{index}].to[{position}]", str(found), f"part of {', '.join(map(str, self.subnets(found.version)))}")

    def _check_services(self, section: Section, whole: list[tuple[int, Ip]]) -> None:
        """What a network has once, however many subnets say it."""
        for position, (index, ip) in enumerate(whole):
            for other_index, other in whole[:position]:
                if ip.tftp and other.tftp and taken(ip.tftp.root) and taken(other.tftp.root) and ip.tftp != other.tftp:
                    section.refuse(f"ips[{index}].tftp.root", ip.tftp.root, f"{other.tftp.root}, the folder of {section.at(f'ips[{other_index}]')}")
                if ip.ra and other.ra and ip.ra.speaks and other.ra.speaks and ip.ra.router != other.ra.router:
                    section.refuse(
                        f"ips[{index}].ra",
                        Phrase("another router"),
                        f"interval, lifetime, priority and mtu of {section.at(f'ips[{other_index}].ra')}, or none: there is one router",
                    )
                silent = [each_ip.ra is not None and each_ip.ra.mode == "none" for each_ip in (ip, other)]
                stateful = [not each_ip.ra or each_ip.ra.mode in (None, "stateful") for each_ip in (ip, other)]
                if ip.version == other.version == 6 and ip.hands_out and other.hands_out and any(silent) and any(stateful):
                    section.refuse(f"ips[{index}].ra.mode", ip.ra.mode if ip.ra else NOTHING, f"that of {section.at(f'ips[{other_index}]')}, none or stateful")

    def _check_routes(self, section: Section) -> None:
        for index, route in enumerate(self.routes):
            if route.gateway is None or route.address is None or route.gateway.version != route.address.version:
                continue
            if any(route.address == other.address for other in self.routes[:index]):
                section.refuse(f"routes[{index}].address", str(route.address), "each network once")
            if not self._guest(route.gateway):
                section.refuse(f"routes[{index}].gateway", str(route.gateway), "the address of a guest of this network")
            for ip in self.ips:
                if ip.address is not None and (route.address in ip.subnet or ip.subnet in route.address):
                    section.refuse(f"routes[{index}].address", str(route.address), f"a network apart from {ip.subnet}, the network's own")

    def _check_port_forwards(self, section: Section) -> None:
        for index, forward in enumerate(self.port_forwards):
            if forward.to is not None and not self._guest(forward.to):
                section.refuse(f"port_forwards[{index}].to", str(forward.to), "the address of a guest of this network")
            for other_index, other in enumerate(self.port_forwards[:index]):
                if forward.port and other.port and forward.to and other.to and forward.collides(other):
                    section.refuse(
                        f"port_forwards[{index}].port", str(forward.port.plain()), f"a port that {section.at(f'port_forwards[{other_index}]')} does not forward"
                    )

    def _guest(self, address: netaddr.IPAddress) -> bool:
        """Whether an address can be a guest's; true while the subnets are not known, which is refused elsewhere."""
        whole = [ip for ip in self.ips if ip.address is not None]
        return not whole or any(ip._has_host(address) and address != ip.host for ip in whole)


def read_networks(data: object, *, path: str = "networks", anchor_root: str = "libvirt") -> tuple[Network, ...]:
    """Read a list of definitions, as YAML or `from_libvirt_xml` gives them.

    Raises SpecError with every problem of every network, each with its path below `path`.
    """
    problems = Problems()
    found = sections(data, path, problems) or []
    # Fields that were refused are None here; no network leaves this function while there are problems.
    networks = [read_section(Network, section) for section in found]
    for network, section in zip(networks, found, strict=True):
        if network.name and len(f"{anchor_root}/{network.name}") > names.ANCHOR_PATH_MAX:
            section.refuse("name", network.name, f"at most {names.ANCHOR_PATH_MAX - len(anchor_root) - 1} characters, below the anchor {anchor_root}")
    _check_together(networks, found)
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
    return t.cast("dict[str, t.Any]", plain(network))


def _check_together(networks: list[Network], found: list[Section]) -> None:
    """What no two networks may share, and peers, which have to be there."""
    unique: dict[str, t.Callable[[Network], t.Any]] = {
        "name": lambda network: network.name,
        "uuid": lambda network: network.uuid,
        "bridge.name": lambda network: network.bridge.name,
        "mac": lambda network: network.ether,
    }
    pairs = list(zip(networks, found, strict=True))
    for name, get in unique.items():
        first: dict[str, str] = {}
        for network, section in pairs:
            value = get(network)
            if value is not None and first.setdefault(value, section.path) != section.path:
                section.refuse(name, value, f"one that {first[value]} does not have")
    members: dict[str, str] = {}
    earlier: list[tuple[str, netaddr.IPNetwork]] = []
    for position, (network, section) in enumerate(pairs):
        for index, member in enumerate(network.bridge.members):
            if members.setdefault(member, section.path) != section.path:
                section.refuse(f"bridge.members[{index}]", member, f"one that {members[member]} does not have")
        mine = [(f"ips[{index}].address", ip.subnet) for index, ip in enumerate(network.ips) if ip.address is not None]
        mine += [(f"routes[{index}].address", route.address.cidr) for index, route in enumerate(network.routes) if route.address is not None]
        for at, subnet in mine:
            for other_at, other in earlier:
                if subnet in other or other in subnet:
                    section.refuse(at, Phrase(f"subnet {subnet}"), f"a subnet apart from {other} of {other_at}")
        earlier += [(section.at(at), subnet) for at, subnet in mine]
        for index, forward in enumerate(network.port_forwards):
            for other_network, other_section in pairs[:position]:
                for other_index, before in enumerate(other_network.port_forwards):
                    if (
                        forward.port
                        and before.port
                        and forward.to
                        and before.to
                        and forward.collides(before)
                        and network.forward.dev == other_network.forward.dev
                    ):
                        section.refuse(
                            f"port_forwards[{index}].port",
                            str(forward.port.plain()),
                            f"a port that {other_section.at(f'port_forwards[{other_index}]')} does not forward",
                        )
    known = {network.name: network for network in networks}
    for network, section in pairs:
        for index, peer in enumerate(network.firewall.peers):
            at = f"firewall.peers[{index}]"
            if peer not in known or peer == network.name:
                section.refuse(
                    at, peer, f"another network of this list: {', '.join(name for name in known if name and name != network.name) or 'there is none'}"
                )
            elif known[peer].forward.mode not in (*FILTERED, None) or known[peer].firewall.profile == "libvirt":
                section.refuse(at, peer, "a network with the rules of profile strict")
