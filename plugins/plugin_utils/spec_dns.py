# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a definition that are about names: the guests' domain and what the host's DNS answers."""

from __future__ import annotations

import dataclasses
import re

from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import NOTHING, Refused, Section, boolean, each, integer, key, parts
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import netaddr
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.values import Texts, host_name, ip_address, port, texts


@dataclasses.dataclass(frozen=True)
class Domain:
    """The domain of the guests; with `local_only`, names in it are never asked of another server."""

    name: str = key(host_name, required="the domain's name")
    local_only: bool | None = key(boolean)


@dataclasses.dataclass(frozen=True)
class Forwarder:
    """Where to ask about names, or about those of one `domain`; a domain without an address is asked of the host's own servers."""

    addr: netaddr.IPAddress | None = key(ip_address())
    domain: str | None = key(host_name)

    def check(self, section: Section) -> None:
        if not self.addr and not self.domain:
            section.refuse("", NOTHING, "addr, domain or both")


@dataclasses.dataclass(frozen=True)
class DnsHost:
    """Names of one address."""

    ip: netaddr.IPAddress = key(ip_address(), required="the host's address")
    hostnames: tuple[str, ...] = each(host_name)

    def check(self, section: Section) -> None:
        if section.empty("hostnames"):
            section.refuse("hostnames", NOTHING, "a list of one name or more")


def _target(value: object) -> str:
    """Reads a host's name, or ".", by which RFC 2782 says that there is no such service."""
    return "." if value == "." else host_name(value)


def _label(value: object) -> str:
    """Reads what becomes a label of a name, behind an underscore."""
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z0-9_-]{1,62}", value):
        raise Refused("1 to 62 letters, digits, '_' and '-'; the underscore before it is not written")
    return str(value)


@dataclasses.dataclass(frozen=True)
class Srv:
    """An SRV record: where a service is found."""

    service: str = key(_label, required="the service's name, such as ldap")
    protocol: str = key(_label, required="its protocol, such as tcp")
    domain: str | None = key(host_name)
    target: str | None = key(_target)
    port: int | None = key(port)
    priority: int | None = key(integer(0, 65535))
    weight: int | None = key(integer(0, 65535))

    def check(self, section: Section) -> None:
        for name in ("port", "priority", "weight"):
            if getattr(self, name) is not None and not self.target and not section.has("target"):
                section.refuse(name, getattr(self, name), "it beside a target only")


@dataclasses.dataclass(frozen=True)
class Txt:
    """A TXT record."""

    name: str = key(host_name, required="the record's name")
    value: Texts = key(texts, required="its text")


@dataclasses.dataclass(frozen=True)
class Cname:
    """Another name for a host whose address is known here: by `hosts`, by DHCP, or to the host."""

    name: str = key(host_name, required="the other name")
    target: str = key(host_name, required="the name that it stands for")


@dataclasses.dataclass(frozen=True)
class Dns:
    """What the host's DNS does for guests. `forward_plain_names` false keeps names without a dot from being asked elsewhere."""

    enable: bool = key(boolean, default=True)
    forward_plain_names: bool | None = key(boolean)
    forwarders: tuple[Forwarder, ...] = parts(Forwarder)
    hosts: tuple[DnsHost, ...] = parts(DnsHost)
    srv: tuple[Srv, ...] = parts(Srv)
    txt: tuple[Txt, ...] = parts(Txt)
    cnames: tuple[Cname, ...] = parts(Cname)

    def check(self, section: Section) -> None:
        for index, cname in enumerate(self.cnames):
            # dnsmasq does not start with either.
            if cname.name and cname.name.lower() in [(other.name or "").lower() for other in self.cnames[:index]]:
                section.refuse(f"cnames[{index}].name", cname.name, "each name once")
            elif cname.name and cname.target and cname.name.lower() == cname.target.lower():
                section.refuse(f"cnames[{index}].target", cname.target, "another name")
        for index, host in enumerate(self.hosts):
            if host.ip is not None and host.ip in [other.ip for other in self.hosts[:index]]:
                section.refuse(f"hosts[{index}].ip", str(host.ip), "each address once, with all of its names")
