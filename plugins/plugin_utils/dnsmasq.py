# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders what a network's dnsmasq is told: its configuration from templates/dnsmasq.conf.j2, names of addresses, and static hosts.

For what libvirt's format can say, the result means what libvirt's own dnsmasq is told; where it says nothing, what libvirt does is the default.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.dhcp_options import MTU, ROUTER, Option
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import netaddr
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec_dhcp import DhcpHost, Lease
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.values import Texts, quoted

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import Network
    from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec_dns import Srv
    from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec_ips import Ip

# As many as one subnet of IPv4 usually has at most; a subnet of IPv6 would let a guest fill the host's memory.
LEASES_MAX = 65535


class Served(t.TypedDict):
    """What a host needs to know of a network's dnsmasq.

    `conf`: its configuration without the line that names the bridge. `hosts`, `hostsfile`: names of addresses and static hosts, in files of their own
    that it reads again at a SIGHUP; any other change wants a restart. `addresses`: the host's on the bridge, where it serves. `dns`: whether it
    answers names. `dhcp`: the families, inet and inet6, in which it answers DHCP. `tftp`: the folder that it serves, None without TFTP.
    """

    conf: str
    hosts: str
    hostsfile: str
    addresses: list[str]
    dns: bool
    dhcp: list[str]
    tftp: str | None


@dataclasses.dataclass(frozen=True)
class Service:
    """What a network's dnsmasq serves, and what its template needs to know besides the network itself.

    `ras`: how router advertisements are sent, for each of the network's subnets.
    """

    network: Network
    ras: tuple[str, ...]

    @property
    def needed(self) -> bool:
        """Whether the network has a dnsmasq."""
        network = self.network
        asked = bool(network.dns and network.dns.enable) or any(ip.hands_out or ip.tftp for ip in network.ips) or any(mode != "none" for mode in self.ras)
        return bool(network.ips) and asked

    @property
    def dns(self) -> bool:
        """Whether it answers names. Where dnsmasq runs, it does so unless the definition says no."""
        return self.needed and (self.network.dns is None or self.network.dns.enable)

    def dhcp(self, version: int) -> bool:
        """Whether it answers DHCP of a family: for addresses, or with stateless advertisements for the rest."""
        return any(ip.version == version and (ip.hands_out or mode == "stateless") for ip, mode in zip(self.network.ips, self.ras, strict=True))

    @property
    def advertises(self) -> bool:
        """Whether guests are told of a router."""
        return any(mode != "none" for mode in self.ras)

    @property
    def tftp(self) -> str | None:
        return next((ip.tftp.root for ip in self.network.ips if ip.tftp), None)

    @property
    def files(self) -> dict[str, str]:
        """The paths of all that it reads and writes."""
        name = self.network.name
        return {
            "hosts": layout.dnsmasq_hosts(name),
            "hostsfile": layout.dnsmasq_hostsfile(name),
            "leases": layout.leases_file(name),
            "pid": layout.dnsmasq_pid(name),
        }

    @property
    def servers(self) -> list[str]:
        """Where names are asked: for a domain without an address, # stands for the servers that are asked otherwise."""
        forwarders = self.network.dns.forwarders if self.network.dns else ()
        return [(f"/{one.domain}/" if one.domain else "") + (str(one.addr) if one.addr else "#") for one in forwarders]

    @property
    def own_servers(self) -> bool:
        """Whether the host's own servers are asked. An isolated network would have a way out by them."""
        forwarders = self.network.dns.forwarders if self.dns and self.network.dns else ()
        return self.network.forward.mode != "none" and all(one.domain for one in forwarders)

    @property
    def local_zones(self) -> list[str]:
        """The reverse zones that are answered here alone."""
        return [zone for ip in self.network.ips if ip.local_ptr for zone in reverse_zones(ip.subnet)]

    @property
    def srv(self) -> list[str]:
        return [_srv(record) for record in self.network.dns.srv] if self.network.dns else []

    @property
    def ranges(self) -> list[str]:
        """What is handed out, and, of IPv6, how the subnet is advertised."""
        return [text for index, (ip, mode) in enumerate(zip(self.network.ips, self.ras, strict=True)) for text in _ranges(ip, mode, self._tag(index, "set:"))]

    @property
    def boots(self) -> list[str]:
        """What guests boot, and from which server."""
        found = []
        for index, ip in enumerate(self.network.ips):
            if ip.hands_out and ip.dhcp and ip.dhcp.bootp:
                bootp = ip.dhcp.bootp
                found.append(f"{self._tag(index, 'tag:')}{quoted(bootp.file)}{f',,{bootp.server}' if bootp.server else ''}")
        return found

    @property
    def lease_max(self) -> int:
        """How many guests there can be: as many as the ranges have addresses, 0 if there are no ranges.

        Static hosts count for nothing, or one more would be a restart of dnsmasq and not a SIGHUP.
        """
        ranges = [span for ip in self.network.ips if ip.dhcp for span in ip.dhcp.ranges]
        return min(sum(int(span.end) - int(span.start) + 1 for span in ranges), LEASES_MAX)

    @property
    def router(self) -> str:
        """What is said of the router in advertisements, empty if nothing is. Guests of an isolated network are told not to use it."""
        said = next((ip.ra for ip in self.network.ips if ip.ra and ip.ra.speaks), None)
        lifetime = said.lifetime if said and said.lifetime is not None else 0 if self.network.forward.mode == "none" else None
        if not said and lifetime is None:
            return ""
        words = [f"mtu:{said.mtu}"] if said and said.mtu else []
        words += [said.priority] if said and said.priority in ("low", "high") else []
        return ",".join(["*", *words, str(said.interval or 0) if said else "0", *([str(lifetime)] if lifetime is not None else [])])

    @property
    def default_options(self) -> list[str]:
        """What guests are told of IPv4 unless the definition says something else: no router where there is none to the world, and the bridge's MTU."""
        defaults = {ROUTER: "3" if self.network.forward.mode == "none" else "", MTU: f"option:mtu,{self.network.bridge.mtu}" if self.network.bridge.mtu else ""}
        subnets = [ip for ip in self.network.ips if ip.version == 4 and ip.hands_out and ip.dhcp]
        said = [{option.number(4) for option in ip.dhcp.options} for ip in subnets if ip.dhcp]
        return [text for number, text in defaults.items() if text and not (said and all(number in numbers for numbers in said))]

    @property
    def options(self) -> list[tuple[str, str]]:
        """What guests are told besides: the directive, and what follows it."""
        found = []
        for index, ip in enumerate(self.network.ips):
            if ip.dhcp is None or not (ip.hands_out or self.ras[index] != "none"):
                continue
            found += [_option(option, ip.version, self._tag(index, "tag:")) for option in ip.dhcp.options]
            for host_index, host in enumerate(ip.dhcp.hosts):
                found += [_option(option, ip.version, f"tag:{_host_tag(index, host_index)},") for option in host.options]
        return found

    @property
    def hosts(self) -> str:
        """Names of addresses, as in /etc/hosts."""
        return "".join("\t".join((str(host.ip), *host.hostnames)) + "\n" for host in (self.network.dns.hosts if self.network.dns else ()))

    @property
    def hostsfile(self) -> str:
        """Static hosts, a line each, but for those of `marked_hosts`."""
        return "".join(f"{line}\n" for line in self._static_hosts(marked=False))

    @property
    def marked_hosts(self) -> list[str]:
        """Static hosts with options of their own, which go by a tag.

        They stand in the configuration, where the options are: dnsmasq 2.90 crashes at a SIGHUP if the hostsfile has set the tags of a lease.
        """
        return self._static_hosts(marked=True)

    def _static_hosts(self, *, marked: bool) -> list[str]:
        return [
            _host(host, ip.version, _host_tag(index, host_index))
            for index, ip in enumerate(self.network.ips)
            if ip.dhcp
            for host_index, host in enumerate(ip.dhcp.hosts)
            if bool(host.options) is marked
        ]

    def _tag(self, index: int, prefix: str) -> str:
        """What marks a subnet that has something of its own to say, where there are several of its family."""
        ip = self.network.ips[index]
        alike = [other for other, mode in zip(self.network.ips, self.ras, strict=True) if other.version == ip.version and (other.hands_out or mode != "none")]
        return f"{prefix}ip{index}," if len(alike) > 1 and ip.dhcp and (ip.dhcp.options or ip.dhcp.bootp) else ""


def service_of(network: Network) -> Service:
    """What the dnsmasq of a network serves."""
    return Service(network, tuple(_ra_mode(ip, network) for ip in network.ips))


def _ra_mode(ip: Ip, network: Network) -> str:
    """How a subnet is advertised, as libvirt does unless the definition says it: stateful with DHCP, and otherwise ra-only if none is stateful."""
    if ip.version == 4:
        return "none"
    if ip.ra and ip.ra.mode:
        return ip.ra.mode
    # With mode bridge the network is somebody else's, and so are its routers.
    if network.forward.mode == "bridge":
        return "none"
    if ip.hands_out:
        return "stateful"
    return "none" if ip.address.prefixlen != 64 or any(other.version == 6 and other.hands_out for other in network.ips) else "ra-only"


def reverse_zones(subnet: netaddr.IPNetwork) -> list[str]:
    """The zones under in-addr.arpa or ip6.arpa that make up a subnet; several where its prefix ends within a byte, or within a digit of IPv6."""
    step, width = (8, 32) if subnet.version == 4 else (4, 128)
    length = -(-subnet.prefixlen // step) * step
    # A reverse name has a label for each step of the address, the last first.
    return [".".join(str(part.ip.reverse_dns).rstrip(".").split(".")[(width - length) // step :]) for part in subnet.subnet(length)]


def _lease(lease: Lease | None) -> str:
    if lease is None:
        return ""
    return f",{lease.expiry}{lease.unit[0]}" if lease.expiry else ",infinite"


def _ranges(ip: Ip, mode: str, tag: str) -> list[str]:
    if mode in ("ra-only", "stateless"):
        return [f"{tag}{ip.host},{'ra-only' if mode == 'ra-only' else 'ra-stateless'}"]
    if not ip.hands_out or not ip.dhcp:
        return []
    slaac = ",slaac" if mode == "slaac" else ""
    size = f",{ip.address.prefixlen}" if ip.version == 6 else f",{ip.address.netmask}"
    if not ip.dhcp.ranges:
        # There is nothing to hand out but what the static hosts have; dnsmasq answers them if it has a range.
        return [f"{tag}{ip.host},static{slaac}{size if ip.version == 6 else ''}"]
    return [f"{tag}{span.start},{span.end}{slaac}{size}{_lease(span.lease)}" for span in ip.dhcp.ranges]


def _srv(record: Srv) -> str:
    """Fields go by their place, so those before one that is said are said too."""
    name = f"_{record.service}._{record.protocol}" + (f".{record.domain}" if record.domain else "")
    if record.target in (None, "."):
        return name
    fields = [record.port, record.priority, record.weight]
    while fields and not fields[-1]:
        fields.pop()
    defaults = (1, 0, 0)
    return ",".join([name, str(record.target), *(str(field or default) for field, default in zip(fields, defaults, strict=False))])


def _option(option: Option, version: int, tag: str) -> tuple[str, str]:
    prefix = "option6:" if version == 6 else "" if isinstance(option.option, int) else "option:"
    values = [f"[{value}]" if version == 6 and ":" in value and netaddr.valid_ipv6(value) else quoted(value) for value in (option.value or Texts(())).items]
    return ("dhcp-option-force" if option.force else "dhcp-option", ",".join([f"{tag}{prefix}{option.option}", *values]))


def _host_tag(index: int, host_index: int) -> str:
    return f"ip{index}host{host_index}"


def _host(host: DhcpHost, version: int, tag: str) -> str:
    address = [] if host.ip is None else [f"[{host.ip}]" if version == 6 else str(host.ip)]
    name = [host.name] if host.name else []
    known = [host.mac] if host.mac else []
    known += [f"id:{host.id}"] if host.id else []
    known += [f"set:{tag}"] if host.options else []
    # Where libvirt has the name, which for dnsmasq is all one.
    order = [*known, *address, *name] if host.mac or (host.id and version == 4) else [*known, *name, *address]
    return ",".join(order) + _lease(host.lease)


def render_dnsmasq(network: Network, template: t.Any) -> Served | None:
    """What a network's dnsmasq is told, `template` being the compiled dnsmasq.conf.j2; None if the network needs none."""
    service = service_of(network)
    if not service.needed:
        return None
    return {
        "conf": template.render(network=network, service=service),
        "hosts": service.hosts if service.dns else "",
        "hostsfile": service.hostsfile,
        "addresses": [str(ip.host) for ip in network.ips],
        "dns": service.dns,
        "dhcp": [af for version, af in ((4, "inet"), (6, "inet6")) if service.dhcp(version)],
        "tftp": service.tftp,
    }
