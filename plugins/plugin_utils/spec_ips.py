# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a definition that are about subnets: the host's addresses, what is handed out there, and static routes."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import Phrase, Refused, Section, boolean, choice, integer, part, taken, text
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import netaddr
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec_dhcp import Dhcp, Ra, Tftp
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.values import ip_address, netmask, reserved_of

# Loopback, link-local, multicast, and in IPv4 what is not in use.
NO_HOSTS = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/127", "fe80::/10", "ff00::/8")
# The prefix lengths a subnet of guests can have; IPv6 below /64 leaves no room for addresses that guests choose.
PREFIXES = {4: (8, 30), 6: (16, 126)}


def read_prefixed(section: Section, what: str) -> netaddr.IPNetwork | None:
    """Read `address` with `prefix`, `netmask` and `family` beside it; None if something is missing or refused."""
    family = section.value("family", choice("ipv4", "ipv6"))
    given = section.value("address", _with_prefix, required=f"{what}, such as 192.168.122.1/24")
    beside = {"prefix": section.value("prefix", integer(0, 128)), "netmask": section.value("netmask", netmask)}
    if given is None or any(section.has(name) and length is None for name, length in beside.items()):
        return None
    address, own_length = given
    if family and family != f"ipv{address.version}":
        section.refuse("family", family, f"ipv{address.version}, the family of {address}")
    lengths = {name: found for name, found in {"address": own_length, **beside}.items() if found is not None}
    if not lengths:
        section.refuse(
            "address", str(address), f"an address with its prefix, such as {address}/{24 if address.version == 4 else 64}, or prefix or netmask beside it"
        )
    elif len(set(lengths.values())) > 1:
        section.refuse("", Phrase(" and ".join(f"/{found} by {name}" for name, found in lengths.items())), "one prefix length")
    else:
        name, length = next(iter(lengths.items()))
        longest = 32 if address.version == 4 else 128
        if length <= longest:
            return netaddr.IPNetwork(f"{address}/{length}")
        section.refuse(name, f"{address}/{length}" if name == "address" else length, f"a prefix of 0 to {longest}")
    return None


def _with_prefix(value: object) -> tuple[netaddr.IPAddress, int | None]:
    address, slash, length = text(value).partition("/")
    try:
        read = ip_address()(address)
        return read, integer(0, 128)(length) if slash else None
    except Refused:
        raise Refused("an IP address with its prefix, such as 192.168.122.1/24 or fd00:1::1/64") from None


@dataclasses.dataclass(frozen=True)
class Ip:
    """A subnet of the network by the host's `address` in it; `local_ptr` keeps reverse look-ups of it on the host."""

    address: netaddr.IPNetwork
    dhcp: Dhcp | None = None
    tftp: Tftp | None = None
    local_ptr: bool | None = None
    ra: Ra | None = None

    @classmethod
    def read(cls, section: Section) -> Ip:
        address = read_prefixed(section, "the host's address with its prefix")
        dhcp, tftp, ra = (part(kind).metadata["read"](section, name) for kind, name in ((Dhcp, "dhcp"), (Tftp, "tftp"), (Ra, "ra")))
        return cls(t.cast(netaddr.IPNetwork, address), dhcp, tftp, section.value("local_ptr", boolean), ra)

    @property
    def version(self) -> int:
        return t.cast(int, self.address.version)

    @property
    def host(self) -> netaddr.IPAddress:
        """The host's own address."""
        return self.address.ip

    @property
    def subnet(self) -> netaddr.IPNetwork:
        return self.address.cidr

    @property
    def hands_out(self) -> bool:
        """Whether guests get addresses of this subnet by DHCP."""
        return self.dhcp is not None and self.dhcp.serves

    def check(self, section: Section) -> None:
        if not taken(self.address):
            return
        low, high = PREFIXES[self.version]
        if any(self.host in netaddr.IPNetwork(net) for net in NO_HOSTS):
            section.refuse("address", str(self.host), "an address that a host can have, neither of loopback, link-local, multicast nor reserved")
        elif not low <= self.address.prefixlen <= high:
            section.refuse("address", str(self.address), f"a prefix of {low} to {high}")
        elif self.host in reserved_of(self.subnet):
            which = "network" if self.host == self.subnet.network else "broadcast"
            section.refuse("address", Phrase(f"'{self.host}', the {which} address of {self.subnet}"), f"a host's address of {self.subnet}")
        else:
            if self.dhcp:
                self._check_dhcp(self.dhcp, section)
            if self.ra:
                self._check_ra(self.ra, section)

    def _check_dhcp(self, dhcp: Dhcp, section: Section) -> None:
        for index, span in enumerate(dhcp.ranges):
            at = f"dhcp.ranges[{index}]"
            outside = [name for name in ("start", "end") if taken(getattr(span, name)) and not self._has_host(getattr(span, name))]
            for name in outside:
                section.refuse(f"{at}.{name}", str(getattr(span, name)), f"a host's address of {self.subnet}")
            if not span.whole or outside:
                continue
            if self.host in span:
                section.refuse(at, Phrase(str(span)), f"a range without the host's own address {self.host}")
            for other_index, other in enumerate(dhcp.ranges[:index]):
                if other.whole and other.start.version == self.version and span.start <= other.end and other.start <= span.end:
                    section.refuse(at, Phrase(str(span)), f"a range apart from {section.at('dhcp.ranges')}[{other_index}], {other}")
        for index, host in enumerate(dhcp.hosts):
            at = f"dhcp.hosts[{index}]"
            if host.ip is not None and not self._has_host(host.ip):
                section.refuse(f"{at}.ip", str(host.ip), f"a host's address of {self.subnet}")
            elif host.ip == self.host:
                section.refuse(f"{at}.ip", str(host.ip), "an address other than the host's own")
            if self.version == 6 and host.mac:
                section.refuse(f"{at}.mac", host.mac, "with IPv6: id (the guest's DUID) or name")
            for name in ("mac", "id", "name", "ip"):
                value = getattr(host, name)
                if value is not None and value in [getattr(other, name) for other in dhcp.hosts[:index]]:
                    section.refuse(f"{at}.{name}", str(value), "one that no host above it has")
        if dhcp.bootp and self.version == 6:
            section.refuse("dhcp.bootp", Phrase("it, with IPv6"), "it with IPv4 only; with IPv6 the option bootfile-url says it")
        if dhcp.serves and self.version == 6 and self.address.prefixlen < 64:
            section.refuse("address", str(self.address), "a prefix of 64 to 126 with DHCP")
        if dhcp.options and not dhcp.serves and self.version == 4:
            section.refuse("dhcp.options", Phrase("them without ranges and hosts"), "them beside ranges or hosts")
        lists = [("dhcp.options", dhcp.options), *((f"dhcp.hosts[{index}].options", host.options) for index, host in enumerate(dhcp.hosts))]
        for at, options in lists:
            for index, option in enumerate(options):
                option.check_family(section, f"{at}[{index}]", self.version)
                if option.option is not None and option.number(self.version) in [other.number(self.version) for other in options[:index]]:
                    section.refuse(f"{at}[{index}].option", option.option, "each option once, with all of its values")

    def _check_ra(self, ra: Ra, section: Section) -> None:
        if self.version == 4:
            section.refuse("ra", Phrase("it, with IPv4"), "it with IPv6 only")
        elif ra.mode in ("ra-only", "stateless", "slaac") and self.address.prefixlen != 64:
            modes = "none or stateful" if self.hands_out else "none"
            section.refuse("ra.mode", ra.mode, f"{modes} with {self.address}: guests make addresses of their own in a /64 alone")
        elif ra.mode in ("ra-only", "stateless") and self.hands_out:
            section.refuse("ra.mode", ra.mode, "stateful, slaac or none where dhcp has ranges or hosts")
        elif ra.mode in ("stateful", "slaac") and not self.hands_out:
            section.refuse("ra.mode", ra.mode, "ra-only, stateless or none without dhcp's ranges and hosts")

    def _has_host(self, address: netaddr.IPAddress) -> bool:
        return address in self.subnet and address not in reserved_of(self.subnet)


@dataclasses.dataclass(frozen=True)
class Route:
    """A static route of the host to a network behind a guest."""

    address: netaddr.IPNetwork
    gateway: netaddr.IPAddress

    @classmethod
    def read(cls, section: Section) -> Route:
        address = read_prefixed(section, "the network behind the guest")
        if section.has("metric"):
            section.value("metric", _no_metric)
        return cls(t.cast(netaddr.IPNetwork, address), t.cast(netaddr.IPAddress, section.value("gateway", ip_address(), required="the guest's address")))

    def check(self, section: Section) -> None:
        if taken(self.address) and any(self.address in netaddr.IPNetwork(net) for net in NO_HOSTS):
            section.refuse("address", str(self.address), "a network of hosts, neither of loopback, link-local, multicast nor reserved")
        if self.address is not None and self.address.ip != self.address.cidr.ip:
            section.refuse("address", str(self.address), f"a network without bits beyond its prefix, {self.address.cidr}")
        if self.address is not None and self.gateway is not None and self.address.version != self.gateway.version:
            section.refuse("gateway", str(self.gateway), f"an IPv{self.address.version} address")


def _no_metric(value: object) -> None:
    raise Refused("nothing: FreeBSD's routes have no metric")
