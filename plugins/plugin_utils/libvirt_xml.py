# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's network format as tables: where the definition has each element and attribute, and why it has no place for the others.

Format: https://libvirt.org/formatnetwork.html, its schema network.rng, and what libvirt's parser refuses besides. libvirt_xml_read.py
and libvirt_xml_write.py both follow these tables.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import re
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.values import quoted, unquoted

Item = dict[str, t.Any]

# The element in <metadata> that has what libvirt's format has no place for, as JSON; its version is that of what is in there.
NAMESPACE = "https://bsdvirt.github.io/pfnet/1.0"
DEFINITION = f"{{{NAMESPACE}}}definition"
# The namespace of lines that libvirt adds to its dnsmasq's configuration.
DNSMASQ = "http://libvirt.org/schemas/network/dnsmasq/1.0"


class XmlError(ValueError):
    """All of a document that cannot be taken over, a line each."""

    def __init__(self, lines: c.Iterable[str]) -> None:
        self.lines = list(lines)
        super().__init__("\n".join(self.lines))


@dataclasses.dataclass(frozen=True)
class Kind:
    """How a value is written in XML. What `read` cannot make sense of it leaves as it is, for the spec to refuse by its path."""

    read: c.Callable[[str], t.Any]
    write: c.Callable[[t.Any], str]


def _switch(on: str, off: str) -> Kind:
    return Kind(lambda text: {on: True, off: False}.get(text, text), lambda value: on if value else off)


def _one_or_more(items: list[str]) -> str | list[str]:
    return items[0] if len(items) == 1 else items


TEXT = Kind(str, str)
WORD = Kind(str.strip, str)
NUMBER = Kind(lambda text: int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text, str)
# libvirt hands them to dnsmasq as they are.
DNSMASQ_ITEMS = Kind(
    lambda text: _one_or_more(unquoted(text) or [text]),
    lambda value: ",".join(map(quoted, [value] if isinstance(value, str) else value)),
)
YES_NO = _switch("yes", "no")
ON_OFF = _switch("on", "off")


@dataclasses.dataclass(frozen=True)
class Value:
    """An attribute's value, or an element's text.

    `key`: where the definition has it, a path of keys below the enclosing item, "" for the item itself. `required`: libvirt wants it.
    `pattern`: what libvirt takes, where the definition takes more.
    """

    key: str
    kind: Kind = TEXT
    required: bool = False
    pattern: str = ".*"


def _always(_item: Item) -> bool:
    return True


@dataclasses.dataclass(frozen=True)
class Element:
    """An element, its children in the order in which libvirt writes them. `tag`: as ElementTree has it, {namespace}name.

    `key`: the mapping that the definition has if the element is there, even if it is empty. `items`: the list that has an item for each such
    element; keys below it are relative to the item. `when`: whether libvirt takes the element in this enclosing item; `fits`: whether it
    takes it for this item of the list.
    """

    tag: str
    attributes: c.Mapping[str, Value] = dataclasses.field(default_factory=dict)
    children: tuple[Element, ...] = ()
    text: Value | None = None
    key: str = ""
    items: str = ""
    when: c.Callable[[Item], bool] = _always
    fits: c.Callable[[Item], bool] = _always

    @property
    def name(self) -> str:
        """The tag as it is written."""
        return written_name(self.tag)

    @property
    def is_text(self) -> bool:
        """Whether it is one text and nothing else, and so its items are texts."""
        return any(value.key == "" for value in self.values)

    @property
    def values(self) -> tuple[Value, ...]:
        """All that it says itself, apart from its children."""
        return (*self.attributes.values(), *([self.text] if self.text else []))


def get(item: t.Any, path: str) -> t.Any:
    """The value at a path of keys, None if there is none; the item itself with an empty path."""
    for key in filter(None, path.split(".")):
        item = item.get(key) if isinstance(item, dict) else None
    return item


def served(network: Item) -> bool:
    """Whether libvirt runs a dnsmasq even where DNS is off."""
    return any(get(ip, "dhcp.ranges") or get(ip, "dhcp.hosts") or get(ip, "tftp.root") for ip in network.get("ips") or [])


def put(item: Item, path: str, value: object) -> None:
    """Set the value at a path of keys, with the mappings above it."""
    *parents, last = path.split(".")
    for key in parents:
        item = item.setdefault(key, {})
    item[last] = value


def _has_own_subnets(network: Item) -> bool:
    """libvirt makes no bridge with mode bridge, so nothing that would be on it has a place."""
    return bool(get(network, "forward.mode") != "bridge")


def _has_dns(network: Item) -> bool:
    return get(network, "dns.enable") is not False


def _is_ipv4(ip: Item) -> bool:
    return ip.get("family") != "ipv6"


def _is_known_host(host: Item) -> bool:
    """By MAC address or client id and not both; with IPv4 the id alone is not enough."""
    return not ("mac" in host and "id" in host) and ("id" not in host or "name" in host or ":" in str(host.get("ip")))


_DNS_NAME = "[A-Za-z0-9.-]+"
_SERVICE = "[A-Za-z0-9_-]{1,482}"
_BYTE = "(:[0-9A-Fa-f]{1,2})"
# The four types of DUID in RFC 8415: by link layer and time, enterprise, link layer, UUID.
_DUID = f"0?0:(0?1:0?0:0?[1-9A-Fa-f]{_BYTE}{{10,12}}|0?2{_BYTE}{{5,128}}|0?3:0?0:0?[1-9A-Fa-f]{_BYTE}{{6,8}}|0?4{_BYTE}{{16}})"

_LEASE = Element("lease", {"expiry": Value("lease.expiry", NUMBER, required=True), "unit": Value("lease.unit")}, key="lease")
_PREFIXED = {"family": Value("family"), "address": Value("address", required=True), "netmask": Value("netmask"), "prefix": Value("prefix", NUMBER)}


def _start_end(key: str, kind: Kind) -> dict[str, Value]:
    return {name: Value(f"{key}{name}", kind, required=True) for name in ("start", "end")}


NAT = Element(
    "nat",
    {"ipv6": Value("forward.nat.ipv6", YES_NO)},
    (
        Element("address", _start_end("forward.nat.address.", TEXT), key="forward.nat.address"),
        Element("port", _start_end("forward.nat.port.", NUMBER), key="forward.nat.port"),
    ),
    key="forward.nat",
)
DNS = Element(
    "dns",
    {"enable": Value("dns.enable", YES_NO), "forwardPlainNames": Value("dns.forward_plain_names", YES_NO)},
    (
        Element("forwarder", {"domain": Value("domain", pattern=_DNS_NAME), "addr": Value("addr")}, items="dns.forwarders", when=_has_dns),
        Element(
            "txt",
            {"name": Value("name", required=True, pattern=_DNS_NAME), "value": Value("value", DNSMASQ_ITEMS, required=True)},
            items="dns.txt",
            when=_has_dns,
        ),
        Element(
            "srv",
            {
                "service": Value("service", required=True, pattern=_SERVICE),
                "protocol": Value("protocol", required=True, pattern="tcp|udp"),
                "domain": Value("domain", pattern=_DNS_NAME),
                "target": Value("target"),
                "port": Value("port", NUMBER),
                "priority": Value("priority", NUMBER),
                "weight": Value("weight", NUMBER),
            },
            items="dns.srv",
            when=_has_dns,
        ),
        Element(
            "host",
            {"ip": Value("ip", required=True)},
            (Element("hostname", text=Value("", WORD, required=True, pattern=_DNS_NAME), items="hostnames"),),
            items="dns.hosts",
            when=_has_dns,
            fits=lambda host: all(re.fullmatch(_DNS_NAME, name) for name in host["hostnames"]),
        ),
    ),
    key="dns",
    when=_has_own_subnets,
)
DHCP = Element(
    "dhcp",
    children=(
        Element("range", _start_end("", TEXT), (_LEASE,), items="dhcp.ranges"),
        Element(
            "host",
            {
                "mac": Value("mac"),
                "id": Value("id", pattern=_DUID),
                "name": Value("name", pattern="[A-Za-z0-9].*"),
                "ip": Value("ip", required=True),
            },
            (_LEASE,),
            items="dhcp.hosts",
            fits=_is_known_host,
        ),
        Element(
            "bootp",
            {"file": Value("dhcp.bootp.file", required=True), "server": Value("dhcp.bootp.server", pattern=_DNS_NAME)},
            key="dhcp.bootp",
            when=_is_ipv4,
        ),
    ),
    key="dhcp",
)
NETWORK = Element(
    "network",
    children=(
        Element("name", text=Value("name", WORD, required=True)),
        Element("uuid", text=Value("uuid", WORD)),
        Element("title", text=Value("title")),
        Element("description", text=Value("description")),
        # What is in there belongs to users, but for one element of ours.
        Element("metadata"),
        Element(
            "forward",
            {"dev": Value("forward.dev"), "mode": Value("forward.mode")},
            (NAT, Element("interface", {"dev": Value("dev", required=True)}, items="forward.interfaces")),
            key="forward",
        ),
        Element(
            "bridge",
            {"name": Value("bridge.name"), "stp": Value("bridge.stp", ON_OFF), "delay": Value("bridge.delay", NUMBER)},
            when=_has_own_subnets,
        ),
        Element("mtu", {"size": Value("bridge.mtu", NUMBER, required=True)}, when=_has_own_subnets),
        Element("mac", {"address": Value("mac", required=True)}, when=_has_own_subnets),
        Element(
            "domain",
            {"name": Value("domain.name", required=True, pattern=_DNS_NAME), "localOnly": Value("domain.local_only", YES_NO)},
            key="domain",
            when=_has_own_subnets,
        ),
        DNS,
        Element("port", {"isolated": Value("bridge.isolated_ports", YES_NO, required=True)}),
        Element(
            "ip",
            {**_PREFIXED, "localPtr": Value("local_ptr", YES_NO)},
            (Element("tftp", {"root": Value("tftp.root", required=True)}, key="tftp", when=_is_ipv4), DHCP),
            items="ips",
            when=_has_own_subnets,
        ),
        Element("route", {**_PREFIXED, "gateway": Value("gateway", required=True)}, items="routes", when=_has_own_subnets),
        Element(
            f"{{{DNSMASQ}}}options",
            children=(Element(f"{{{DNSMASQ}}}option", {"value": Value("", required=True)}, items="dnsmasq_options"),),
            when=_has_own_subnets,
        ),
    ),
)

ANY = "*"
_MACVTAP = "FreeBSD has no macvtap, by which guests share an interface of the host; mode bridge, with the interface as forward.dev, comes nearest"
_PASSTHRU = "guests that own a PCI device have no network of the host; with bhyve that is a passthru device of the guest"
_DELAY = "FreeBSD's bridges take a forward delay of 4 to 30 seconds, or 0 for none"

# Why a mode is not supported. What is left of a network without its mode is another network.
MODES = {"private": _MACVTAP, "vepa": _MACVTAP, "passthrough": _MACVTAP, "hostdev": _PASSTHRU}
# What libvirt's format has besides: path -> value, or ANY -> why it is not supported on FreeBSD; None for what asks for nothing.
UNSUPPORTED: dict[str, dict[str, str | None]] = {
    # How many guests are attached: status that virsh prints, no part of a definition.
    "/network/@connections": {ANY: None},
    "/network/forward/interface/@connections": {ANY: None},
    "/network/@ipv6": {
        # Guests on a bridge can do so in any case: pf does not see what passes between its members.
        "yes": None,
        "no": "pf does not see frames between members of a bridge, so that guests reach each other by IPv6; bridge.isolated_ports keeps them apart",
    },
    "/network/@trustGuestRxFilters": {"yes": "it is for macvtap, which FreeBSD lacks; a bridge learns the addresses that guests use", "no": None},
    "/network/bridge/@zone": {ANY: "zones are firewalld's; in pf, firewall.host_access says what guests reach of the host"},
    "/network/bridge/@macTableManager": {"libvirt": "if_bridge(4) learns the addresses of guests itself", "kernel": None},
    "/network/bridge/@delay": {"1": _DELAY, "2": _DELAY, "3": _DELAY},
    "/network/domain/@register": {"yes": "it needs systemd-resolved, which FreeBSD lacks; the host's resolver is for its administrator to set up", "no": None},
    "/network/forward/@managed": {"yes": _PASSTHRU, "no": None},
    "/network/forward/pf": {ANY: "virtual functions of SR-IOV are made by iovctl(8) and given to guests, not to a network"},
    "/network/forward/address": {ANY: _PASSTHRU},
    "/network/forward/driver": {ANY: _PASSTHRU},
    "/network/virtualport": {ANY: "FreeBSD's bridge is neither Open vSwitch nor midonet, nor does it speak 802.1Qbg or 802.1Qbh"},
    "/network/portgroup": {ANY: "it is for the guests' own interfaces, which the hypervisor attaches: their VLANs, bandwidth and virtual ports"},
    "/network/vlan": {ANY: "tags are set on each member of a bridge, which the hypervisor attaches; bridge.vlan_filtering makes the bridge heed them"},
    "/network/bandwidth": {ANY: "the rules shape no traffic: pf would need ALTQ, which the GENERIC kernel lacks, or pipes of dnctl(8)"},
    # 1 is what libvirt takes without it.
    "/network/route/@metric": {ANY: "FreeBSD's routes have no metric", "1": None},
}
# The prefixes in these paths.
PREFIXES = {DNSMASQ: "dnsmasq"}


def written_name(tag: str) -> str:
    """A tag or an attribute as it is usually written, instead of ElementTree's {namespace}tag."""
    uri, brace, local = tag.rpartition("}")
    return f"{PREFIXES[uri[1:]]}:{local}" if uri[1:] in PREFIXES else f"{uri}{brace}{local}"
