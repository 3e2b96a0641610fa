# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the spec takes, and the words with which it refuses the rest."""

from __future__ import annotations

import contextlib
import copy
import typing as t

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import SpecError
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.render import render
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import read_names, read_networks, to_data
from hypothesis import given
from hypothesis import strategies as st

DEFAULT: dict[str, t.Any] = {
    "name": "default",
    "uuid": "68cd5419-9fda-4cf0-9ac6-2eb9c1ba41ed",
    "mac": "52:54:00:db:0e:e5",
    "bridge": {"name": "virbr0", "stp": True, "delay": 0},
    "forward": {"mode": "nat", "dev": "re0", "nat": {"port": {"start": 1024, "end": 65535}}},
    "ips": [{"address": "192.168.122.1/24", "dhcp": {"ranges": [{"start": "192.168.122.2", "end": "192.168.122.254"}]}}],
    "firewall": {"profile": "libvirt"},
}
NATNET: dict[str, t.Any] = {"name": "natnet", "bridge": {"name": "virbr1"}, "forward": {"mode": "nat"}, "ips": [{"address": "10.0.100.1/24"}]}
DUAL: dict[str, t.Any] = {
    "name": "dual",
    "bridge": {"name": "virbr2"},
    "forward": {"mode": "nat"},
    "ips": [{"address": "10.0.2.1/24"}, {"address": "10.0.3.1/24"}, {"address": "fd00:2::1/64"}],
}
ROUTED: dict[str, t.Any] = {"name": "routed", "forward": {"mode": "route"}, "ips": [{"address": "10.0.4.1/24"}]}
# Everything that a definition can say; the values of no key are those of the defaults.
WHOLE: dict[str, t.Any] = {
    "name": "whole",
    "uuid": "d3c59659-3ceb-4482-a625-1f839a54429c",
    "title": "A title",
    "description": "Two\nlines",
    "metadata": "<a:b xmlns:a='urn:x'/>",
    "autostart": False,
    "mac": "52:54:00:0a:fc:1d",
    "bridge": {
        "name": "virbr3",
        "stp": False,
        "delay": 4,
        "members": ["tap0", "tap1"],
        "isolated_ports": True,
        "mtu": 9000,
        "vlan_filtering": True,
        "description": "two words",
    },
    "forward": {
        "mode": "nat",
        "dev": "em0",
        "nat": {
            "address": {"start": "203.0.113.8", "end": "203.0.113.9"},
            "port": {"start": 2000, "end": 3000},
            "ipv6": True,
            "sticky": True,
            "static_port": False,
        },
    },
    "ips": [
        {
            "address": "10.0.5.1/24",
            "dhcp": {
                "ranges": [{"start": "10.0.5.10", "end": "10.0.5.99", "lease": {"expiry": 12, "unit": "hours"}}],
                "hosts": [
                    {"mac": "52:54:00:00:00:01", "name": "web", "ip": "10.0.5.5", "lease": {"expiry": 0, "unit": "minutes"}},
                    {"id": "01:02", "ip": "10.0.5.6", "options": [{"option": "router", "value": "10.0.5.9", "force": False}]},
                ],
                "bootp": {"file": "pxe.0", "server": "10.0.5.2"},
                "options": [{"option": 42, "value": ["10.0.5.1", "10.0.5.2"], "force": True}, {"option": "router", "force": False}],
            },
            "tftp": {"root": "/srv/tftp"},
            "local_ptr": True,
        },
        {
            "address": "fd00:5::1/64",
            "dhcp": {"hosts": [{"id": "0:1:0:1", "name": "web", "ip": "fd00:5::5"}]},
            "ra": {"mode": "slaac", "interval": 60, "lifetime": 600, "priority": "low", "mtu": 1400},
        },
    ],
    "routes": [{"address": "10.9.0.0/16", "gateway": "10.0.5.5"}, {"address": "fd09::/48", "gateway": "fd00:5::5"}],
    "domain": {"name": "whole.example", "local_only": True},
    "dns": {
        "enable": True,
        "forward_plain_names": False,
        "forwarders": [{"addr": "192.0.2.53"}, {"domain": "corp.example", "addr": "192.0.2.54"}, {"domain": "only.here"}],
        "hosts": [{"ip": "10.0.5.1", "hostnames": ["gw", "gateway.whole.example"]}],
        "srv": [{"service": "ldap", "protocol": "tcp", "domain": "whole.example", "target": "web.whole.example", "port": 389, "priority": 1, "weight": 2}],
        "txt": [{"name": "note", "value": "some text"}, {"name": "list", "value": ["a", "b"]}],
        "cnames": [{"name": "www", "target": "gw"}],
    },
    "dnsmasq_options": ["neg-ttl=60", "dns-loop-detect"],
    "port_forwards": [
        {
            "proto": ["tcp"],
            "listen": "203.0.113.10",
            "port": 2222,
            "to": "10.0.5.5",
            "to_port": 22,
            "sources": ["192.0.2.0/24"],
            "hairpin": True,
            "description": "ssh",
        },
        {"proto": ["tcp", "udp"], "port": "8000-8010", "to": "10.0.5.6", "hairpin": False},
    ],
    "firewall": {
        "profile": "strict",
        "host_access": "services",
        "egress": {"allow": [{"proto": ["tcp"], "ports": [80, "8000-8010"]}], "deny": [{"networks": ["10.0.0.0/8", "fd00::/8"]}]},
        "log": True,
    },
    "templates": {"filter": "block quick on $bridge\n"},
}


def changed(network: dict[str, t.Any], path: str, value: object) -> dict[str, t.Any]:
    """A copy of a definition with one value replaced, at a path such as ips.0.address; the value ... takes the key away."""
    copied = copy.deepcopy(network)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: t.Any = copied
    for part in parents:
        place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return copied


def problems(*definitions: object) -> dict[str, str]:
    """What is refused, {path: "found; allowed"}."""
    with pytest.raises(SpecError) as caught:
        read_networks(list(definitions))
    found = {problem.path: f"{problem.found}; {problem.allowed}" for problem in caught.value.problems}
    assert len(found) == len(caught.value.problems), "one problem is reported twice"
    return found


def test_defaults() -> None:
    (network,) = read_networks([{"name": "a"}])
    assert to_data(network) == {
        "name": "a",
        "autostart": True,
        "bridge": {"isolated_ports": False},
        "forward": {"mode": "none"},
        "firewall": {"profile": "strict", "host_access": "full", "log": False},
    }


@pytest.mark.parametrize("definition", [WHOLE, DUAL, ROUTED, DEFAULT], ids=lambda definition: definition["name"])
def test_normalized_definitions_read_back_equal(definition: dict[str, t.Any]) -> None:
    networks = read_networks([definition])
    assert read_networks([to_data(network) for network in networks]) == networks


def test_nothing_of_a_definition_is_lost() -> None:
    def contains(normal: t.Any, given: t.Any) -> bool:
        if isinstance(given, dict):
            return all(contains(normal[key], value) for key, value in given.items())
        if isinstance(given, list):
            return len(normal) == len(given) and all(map(contains, normal, given))
        return bool(normal == given)

    (network,) = read_networks([WHOLE])
    assert contains(to_data(network), WHOLE)


@pytest.mark.parametrize(
    ("path", "given", "normal"),
    [
        pytest.param("ips.0", {"address": "10.0.100.1", "netmask": "255.255.255.0"}, {"address": "10.0.100.1/24"}, id="netmask"),
        pytest.param("ips.0", {"address": "10.0.100.1", "prefix": "24"}, {"address": "10.0.100.1/24"}, id="prefix"),
        pytest.param("ips.0", {"address": "10.0.100.1/24", "prefix": 24}, {"address": "10.0.100.1/24"}, id="prefix twice, the same"),
        pytest.param("mac", "52-54-00-DB-0E-E5", "52:54:00:db:0e:e5", id="MAC address with dashes"),
        pytest.param("uuid", "{68CD5419-9FDA-4CF0-9AC6-2EB9C1BA41ED}", "68cd5419-9fda-4cf0-9ac6-2eb9c1ba41ed", id="UUID in capitals"),
        pytest.param("bridge.stp", "yes", True, id="boolean of a template"),
        pytest.param("forward.nat.port", {"start": "2000"}, {"start": 2000, "end": 65535}, id="half a port range"),
        pytest.param("bridge.name", "br-lan", "br-lan", id="bridge with a dash"),
    ],
)
def test_values_are_normalized(path: str, given: object, normal: object) -> None:
    (network,) = read_networks([changed(NATNET, path, given)])
    value: t.Any = to_data(network)
    for part in path.split("."):
        value = value[int(part) if part.isdigit() else part]
    assert value == normal


@pytest.mark.parametrize(
    ("change", "value", "path", "words"),
    [
        ("name", "_x", "name", "'_x'; letters, digits"),
        ("name", "a/b", "name", "'a/b'; letters, digits"),
        ("name", "..", "name", "'..'; letters, digits"),
        ("name", "two words", "name", "'two words'; letters, digits"),
        ("name", "x" * 56, "name", "at most 55 characters, below the anchor libvirt"),
        ("name", ..., "name", "nothing; the network's name"),
        ("name", 7, "name", "7; in quotes: letters, digits"),
        ("title", False, "title", "False; a string in quotes that is not empty"),
        ("ips", [], "ips", "nothing; an address of the host"),
        ("ips", 5, "ips", "5; a list of mappings"),
        ("uuid", "68cd", "uuid", "'68cd'; a UUID"),
        ("title", "two\nlines", "title", "a text of one line"),
        ("title", "two\u2028lines", "title", "a text of one line"),
        ("autostart", "perhaps", "autostart", "'perhaps'; true or false"),
        ("bridge", "virbr0", "bridge", "'virbr0'; a mapping"),
        ("bridge.name", "averylongname123", "bridge.name", "'averylongname123'; 1 to 15 letters"),
        ("bridge.name", "virbr 0", "bridge.name", "'virbr 0'; 1 to 15 letters"),
        ("bridge.name", "0br", "bridge.name", "beginning with a letter"),
        ("bridge.name", "inet6", "bridge.name", "'inet6'; a name that is not a word of pf.conf(5)"),
        ("bridge.delay", 2, "bridge.delay", "2; a whole number of seconds: 0 (no added delay) or 4 to 30"),
        ("bridge.delay", 31, "bridge.delay", "31; a whole number of seconds: 0 (no added delay) or 4 to 30"),
        ("bridge.stp", "perhaps", "bridge.stp", "'perhaps'; true or false"),
        ("bridge.mtu", 575, "bridge.mtu", "575; a whole number from 576 to 65535"),
        ("bridge.members", "tap0", "bridge.members", "'tap0'; a list"),
        ("bridge.members", ["tap0", "tap 1"], "bridge.members[1]", "'tap 1'; 1 to 15 letters"),
        ("bridge.members", ["tap0", "tap0"], "bridge.members[1]", "'tap0'; each interface once"),
        ("bridge.members", ["virbr1"], "bridge.members[0]", "an interface other than the bridge itself"),
        ("bridge.mac", "52:54:00:00:00:09", "bridge.mac", "'52:54:00:00:00:09'; 52:54:00:00:00:08, the network's mac"),
        ("mac", 525400, "mac", "525400; a MAC address in quotes"),
        ("mac", "52:54:00:db:0e", "mac", "'52:54:00:db:0e'; a MAC address"),
        ("mac", "53:54:00:db:0e:e5", "mac", "'53:54:00:db:0e:e5'; a MAC address of one host"),
        ("mac", "00:00:00:00:00:00", "mac", "other than zero"),
        ("forward.mode", ..., "forward.mode", "nothing; nat, route, open, none, bridge"),
        ("forward.mode", "rout", "forward.mode", "'rout'; nat or route or open or none or bridge (did you mean route?)"),
        ("forward.mode", "passthrough", "forward.mode", "'passthrough'; nat or route"),
        ("forward.dev", "re 0", "forward.dev", "'re 0'; 1 to 15 letters"),
        ("forward", {"mode": "none", "dev": "re0"}, "forward.dev", "'re0'; none with mode none"),
        ("forward", {"mode": "bridge"}, "forward.dev", "the interface that the bridge takes as its uplink"),
        ("forward", {"mode": "route", "nat": {"ipv6": False}}, "forward.nat", "it with mode nat only"),
        ("forward.nat.port.start", 0, "forward.nat.port.start", "0; a whole number from 1 to 65535"),
        ("forward.nat.port.end", 65536, "forward.nat.port.end", "65536; a whole number from 1 to 65535"),
        ("forward.nat.port.end", True, "forward.nat.port.end", "True; a whole number"),
        ("forward.nat.port", {"start": 2000, "end": 1000}, "forward.nat.port", "2000 to 1000; a range whose start is not above its end"),
        ("forward.nat.address", {"start": "203.0.113.9", "end": "203.0.113.8"}, "forward.nat.address", "a range whose start is not above its end"),
        ("forward.nat.address", {"start": "203.0.113.9"}, "forward.nat.address.end", "nothing; the last address"),
        ("forward.nat.address", {"start": "fd00::1", "end": "fd00::2"}, "forward.nat.address.start", "'fd00::1'; an IPv4 address"),
        ("forward.nat.sticky", True, "forward.nat.sticky", "false without forward.nat.address"),
        ("forward.nat", {"static_port": True, "port": {"start": 1}}, "forward.nat.static_port", "false beside forward.nat.port"),
        ("forward.nat.ipv6", True, "forward.nat.ipv6", "false for a network without IPv6"),
        ("ips", ..., "ips", "nothing; an address of the host"),
        ("ips", "10.0.100.1/24", "ips", "'10.0.100.1/24'; a list of mappings"),
        (
            "ips",
            [{"address": "10.0.100.1/24"}, {"address": "10.0.100.129/25"}],
            "ips[1].address",
            "subnet 10.0.100.128/25; a subnet apart from 10.0.100.0/24 of networks[1].ips[0].address",
        ),
        ("ips", [{"address": "fd00::1/64"}], "forward.nat.ipv6", "true for a network without IPv4"),
        ("ips.0.address", "10.0.100.300/24", "ips[0].address", "'10.0.100.300/24'; an IP address with its prefix"),
        ("ips.0.address", "10.1/24", "ips[0].address", "'10.1/24'; an IP address with its prefix"),
        ("ips.0.address", "10.0.100.1", "ips[0].address", "'10.0.100.1'; an address with its prefix, such as 10.0.100.1/24"),
        ("ips.0.address", "fd00::1", "ips[0].address", "'fd00::1'; an address with its prefix, such as fd00::1/64"),
        ("ips.0.address", "10.0.100.1/31", "ips[0].address", "'10.0.100.1/31'; a prefix of 8 to 30"),
        ("ips.0.address", "10.0.100.1/33", "ips[0].address", "'10.0.100.1/33'; a prefix of 0 to 32"),
        ("ips.0.address", "10.0.100.0/24", "ips[0].address", "the network address of 10.0.100.0/24; a host's address"),
        ("ips.0.address", "10.0.100.255/24", "ips[0].address", "the broadcast address of 10.0.100.0/24; a host's address"),
        ("ips.0.address", "224.0.0.1/24", "ips[0].address", "an address that a host can have"),
        ("ips.0.address", "127.0.0.1/8", "ips[0].address", "an address that a host can have"),
        ("ips.0.family", "ipv6", "ips[0].family", "'ipv6'; ipv4, the family of 10.0.100.1"),
        ("ips.0.prefix", 25, "ips[0]", "/24 by address and /25 by prefix; one prefix length"),
        ("ips.0.netmask", "255.0.255.0", "ips[0].netmask", "'255.0.255.0'; a netmask"),
        ("ips.0.dhcp.ranges", [{"start": "10.0.99.2", "end": "10.0.100.9"}], "ips[0].dhcp.ranges[0].start", "'10.0.99.2'; a host's address of 10.0.100.0/24"),
        (
            "ips.0.dhcp.ranges",
            [{"start": "10.0.100.2", "end": "10.0.100.255"}],
            "ips[0].dhcp.ranges[0].end",
            "'10.0.100.255'; a host's address of 10.0.100.0/24",
        ),
        (
            "ips.0.dhcp.ranges",
            [{"start": "10.0.100.9", "end": "10.0.100.2"}],
            "ips[0].dhcp.ranges[0]",
            "10.0.100.9 to 10.0.100.2; a range whose start is not above its end",
        ),
        ("ips.0.dhcp.ranges", [{"start": "10.0.100.1", "end": "10.0.100.9"}], "ips[0].dhcp.ranges[0]", "a range without the host's own address 10.0.100.1"),
        (
            "ips.0.dhcp.ranges",
            [{"start": "10.0.100.2", "end": "10.0.100.9"}, {"start": "10.0.100.9", "end": "10.0.100.12"}],
            "ips[0].dhcp.ranges[1]",
            "a range apart from",
        ),
        ("ips.0.dhcp.ranges", [{"start": "10.0.100.2"}], "ips[0].dhcp.ranges[0].end", "nothing; the last address"),
        (
            "ips.0.dhcp.ranges",
            [{"start": "10.0.100.2", "end": "10.0.100.3", "lease": {"expiry": 1}}],
            "ips[0].dhcp.ranges[0].lease.expiry",
            "at least two minutes, or 0 for ever",
        ),
        ("ips.0.dhcp.hosts", [{"mac": "52:54:00:00:00:01", "ip": "10.0.101.5"}], "ips[0].dhcp.hosts[0].ip", "'10.0.101.5'; a host's address of 10.0.100.0/24"),
        ("ips.0.dhcp.hosts", [{"mac": "52:54:00:00:00:01", "ip": "10.0.100.1"}], "ips[0].dhcp.hosts[0].ip", "an address other than the host's own"),
        ("ips.0.dhcp.hosts", [{"ip": "10.0.100.5"}], "ips[0].dhcp.hosts[0]", "nothing; mac, id or name"),
        ("ips.0.dhcp.hosts", [{"mac": "52:54:00:00:00:01"}], "ips[0].dhcp.hosts[0]", "neither ip nor name"),
        (
            "ips.0.dhcp.hosts",
            [{"mac": "52:54:00:00:00:01", "name": "a"}, {"mac": "52-54-00-00-00-01", "name": "b"}],
            "ips[0].dhcp.hosts[1].mac",
            "one that no host above it has",
        ),
        (
            "ips.0.dhcp.hosts",
            [{"name": "a", "ip": "10.0.100.5"}, {"name": "b", "ip": "10.0.100.5"}],
            "ips[0].dhcp.hosts[1].ip",
            "one that no host above it has",
        ),
        (
            "ips.0.dhcp.hosts",
            [{"name": "a", "ip": "10.0.100.5"}, {"name": "a", "ip": "10.0.100.6"}],
            "ips[0].dhcp.hosts[1].name",
            "one that no host above it has",
        ),
        ("ips.0.tftp", {"root": "srv"}, "ips[0].tftp.root", "'srv'; an absolute path"),
        (
            "routes",
            [{"address": "10.9.0.1/16", "gateway": "10.0.100.5"}],
            "routes[0].address",
            "'10.9.0.1/16'; a network without bits beyond its prefix, 10.9.0.0/16",
        ),
        (
            "routes",
            [{"address": "10.9.0.0", "prefix": 16, "gateway": "10.0.101.5"}],
            "routes[0].gateway",
            "'10.0.101.5'; the address of a guest of this network",
        ),
        ("routes", [{"address": "10.9.0.0/16", "gateway": "fd00::5"}], "routes[0].gateway", "'fd00::5'; an IPv4 address"),
        ("routes", [{"address": "10.0.100.0/25", "gateway": "10.0.100.5"}], "routes[0].address", "a network apart from 10.0.100.0/24, the network's own"),
        ("routes", [{"address": "10.9.0.0/16", "gateway": f"10.0.100.{host}"} for host in (5, 6)], "routes[1].address", "'10.9.0.0/16'; each network once"),
        ("routes", [{"address": "10.9.0.0/16", "gateway": "10.0.100.5", "metric": 2}], "routes[0].metric", "2; nothing: FreeBSD's routes have no metric"),
        ("routes", [{"address": "127.0.0.0/8", "gateway": "10.0.100.5"}], "routes[0].address", "neither of loopback"),
        ("routes", [{"address": "192.168.0.0/16", "gateway": "10.0.100.5"}], "routes[0].address", "a subnet apart from 192.168.122.0/24 of networks[0]"),
        ("port_forwards", [{"port": "9" * 5000, "to": "10.0.100.5"}], "port_forwards[0].port", "a port from 1 to 65535"),
        ("forward.nat.address", {"start": "203.0.113.5", "end": "::"}, "forward.nat.address", "a range whose start is not above its end"),
        ("domain", {"name": "a..b"}, "domain.name", "'a..b'; a host's name"),
        ("dns.forwarders", [{}], "dns.forwarders[0]", "nothing; addr, domain or both"),
        ("dns.hosts", [{"ip": "10.0.100.5"}], "dns.hosts[0].hostnames", "nothing; a list of one name or more"),
        ("dns.srv", [{"service": "ldap", "protocol": "tcp", "port": 389}], "dns.srv[0].port", "389; it beside a target only"),
        ("dns.txt", [{"name": "a"}], "dns.txt[0].value", "nothing; its text"),
        ("port_forwards", [{"port": 22, "to": "10.0.101.5"}], "port_forwards[0].to", "'10.0.101.5'; the address of a guest of this network"),
        ("port_forwards", [{"port": 22, "to": "10.0.100.1"}], "port_forwards[0].to", "'10.0.100.1'; the address of a guest of this network"),
        ("port_forwards", [{"port": "10-5", "to": "10.0.100.5"}], "port_forwards[0].port", "'10-5'; a port from 1 to 65535, or a range"),
        ("port_forwards", [{"port": "60000-60010", "to": "10.0.100.5", "to_port": 65530}], "port_forwards[0].to_port", "65530; at most 65525"),
        (
            "port_forwards",
            [{"port": 22, "to": "10.0.100.5"}, {"port": "20-30", "to": "10.0.100.6"}],
            "port_forwards[1].port",
            "a port that networks[1].port_forwards[0] does not forward",
        ),
        ("port_forwards", [{"proto": "icmp", "port": 22, "to": "10.0.100.5"}], "port_forwards[0].proto", "'icmp'; tcp, udp, or a list of both"),
        ("port_forwards", [{"port": 22, "to": "10.0.100.5", "sources": ["fd00::/8"]}], "port_forwards[0].sources[0]", "'fd00::/8'; IPv4, as of 10.0.100.5"),
        ("port_forwards", [{"port": 22, "to": "10.0.100.5", "listen": "::1"}], "port_forwards[0].listen", "'::1'; IPv4, as of 10.0.100.5"),
        ("firewall.profile", "stritc", "firewall.profile", "'stritc'; strict or libvirt (did you mean strict?)"),
        ("firewall", {"profile": "libvirt", "log": True}, "firewall.log", "it with profile strict; libvirt's rules have no place for it"),
        ("firewall.host_access", "all", "firewall.host_access", "'all'; full or services or none"),
        ("firewall.peers", ["nosuch"], "firewall.peers[0]", "'nosuch'; another network of this list: default"),
        ("firewall.peers", ["natnet"], "firewall.peers[0]", "'natnet'; another network of this list: default"),
        ("firewall.peers", ["default"], "firewall.peers[0]", "'default'; a network with the rules of profile strict"),
        ("firewall.egress.deny", [{}], "firewall.egress.deny[0]", "nothing; networks, proto or ports"),
        ("firewall.egress.deny", [{"networks": ["10.0.0.1/8"]}], "firewall.egress.deny[0].networks[0]", "a network without bits beyond its prefix, 10.0.0.0/8"),
        (
            "firewall.egress.allow",
            [{"networks": ["fd00::/8"]}],
            "firewall.egress.allow[0].networks[0]",
            "'fd00::/8'; IPv4, the family of the network's own addresses",
        ),
        ("firewall.egress.allow", [{"ports": [80]}], "firewall.egress.allow[0].ports", "ports, with no proto; them beside proto of tcp, udp, sctp"),
        ("firewall.egress.allow", [{"proto": ["icmp"], "ports": [80]}], "firewall.egress.allow[0].ports", "ports, with icmp"),
        ("firewall.inbound", [{"proto": ["tcp"]}], "firewall.inbound", "it, with mode nat; it with mode route"),
        ("templates", {"filter": "{% if %}"}, "templates.filter", "a Jinja2 template; line 1"),
        ("templates", {"fitler": "x"}, "templates.fitler", "(did you mean filter?)"),
        ("firwall", {}, "firwall", "(did you mean firewall?)"),
        ("ips.0.adress", "10.0.100.2", "ips[0].adress", "(did you mean address?)"),
    ],
)
def test_refused(change: str, value: object, path: str, words: str) -> None:
    base = changed(NATNET, "mac", "52:54:00:00:00:08")
    found = problems(DEFAULT, changed(base, change, value))
    assert list(found) == [f"networks[1].{path}"]
    assert words in found[f"networks[1].{path}"]


@pytest.mark.parametrize(
    ("base", "change", "value", "path", "words"),
    [
        ({**NATNET, "forward": {"mode": "nat", "dev": "re0"}}, "bridge.members", ["re0"], "forward.dev", "'re0'; an interface that is no member"),
        (NATNET, "forward.nat.address", {"start": "10.0.99.1", "end": "10.0.100.1"}, "forward.nat.address", "10.0.99.1 to 10.0.100.1'; addresses outside of"),
        (DUAL, "bridge.mtu", 1000, "bridge.mtu", "1000; 1280 to 65535, which IPv6 needs"),
        (DUAL, "ips.2.dhcp", {"hosts": [{"mac": "52:54:00:00:00:01", "name": "a"}]}, "ips[2].dhcp.hosts[0].mac", "with IPv6: id (the guest's DUID) or name"),
        (DUAL, "ips.2.dhcp", {"bootp": {"file": "x"}}, "ips[2].dhcp.bootp", "it, with IPv6; it with IPv4 only"),
        (DUAL, "ips.2.address", "fe80::1/64", "ips[2].address", "link-local"),
        (DUAL, "ips.2.address", "fd00:2::/64", "ips[2].address", "the network address"),
        (ROUTED, "firewall.inbound", [{"to": ["10.0.5.0/24"]}], "firewall.inbound[0].to[0]", "'10.0.5.0/24'; part of 10.0.4.0/24"),
        (ROUTED, "firewall.inbound", [{"sources": ["fd00::/8"]}], "firewall.inbound[0].sources[0]", "IPv4, the family of the network's own addresses"),
        (ROUTED, "firewall.profile", "libvirt", "firewall.profile", "strict with mode route; libvirt's pf backend has rules for nat alone"),
        ({**ROUTED, "forward": {"mode": "open"}}, "firewall.peers", ["x"], "firewall.peers", "it, with mode open; it with mode nat or route or none"),
        ({**ROUTED, "forward": {"mode": "none"}}, "firewall.egress", {"deny": [{"proto": ["tcp"]}]}, "firewall.egress", "it, with mode none"),
        (
            {**ROUTED, "forward": {"mode": "none"}},
            "port_forwards",
            [{"port": 1, "to": "10.0.4.5"}],
            "port_forwards",
            "it, with mode none; it with mode nat or route",
        ),
        (DEFAULT, "port_forwards", [{"port": 1, "to": "192.168.122.5"}], "port_forwards", "it, with profile libvirt"),
        (DEFAULT, "firewall.host_access", "none", "firewall.host_access", "it, with profile libvirt"),
    ],
)
def test_refused_with_other_modes_and_families(base: dict[str, t.Any], change: str, value: object, path: str, words: str) -> None:
    found = problems(changed(base, change, value))
    assert words in found[f"networks[0].{path}"]


HOST = {"mac": "52:54:00:00:00:02", "ip": "10.0.100.5"}
SIX = {"name": "six", "ips": [{"address": "fd00:6::1/64"}]}
POOL = {"ranges": [{"start": "fd00:6::5", "end": "fd00:6::9"}]}
CNAME = {"name": "a", "target": "b"}
OPTION = "ips[0].dhcp.hosts[0].options[0]"


@pytest.mark.parametrize(
    ("base", "change", "value", "path", "words"),
    [
        (NATNET, "ips.0.dhcp.hosts", [{"id": "01:zz", "name": "a"}], "ips[0].dhcp.hosts[0].id", "'01:zz'; bytes such as"),
        (NATNET, "ips.0.dhcp.hosts", [{"id": "a,b", "name": "a"}], "ips[0].dhcp.hosts[0].id", "'a,b'; bytes such as"),
        *((NATNET, "ips.0.dhcp.hosts", [{"name": name}], "ips[0].dhcp.hosts[0].name", "neither a number") for name in ("2h", "7", "10.0.0.5", "Ignore", "_a")),
        (NATNET, "ips.0.dhcp", {"hosts": [HOST], "bootp": {"file": "a\nb"}}, "ips[0].dhcp.bootp.file", "a text of one line"),
        (NATNET, "ips.0.dhcp", {"options": [{"option": 42}]}, "ips[0].dhcp.options", "them beside ranges or hosts"),
        (NATNET, "ips.0.dhcp.hosts", [{**HOST, "options": [{"option": "ntp-sever"}]}], f"{OPTION}.option", "did you mean ntp-server?"),
        (NATNET, "ips.0.dhcp.hosts", [{**HOST, "options": [{"option": 256}]}], f"{OPTION}.option", "256; 1 to 255 with IPv4"),
        (NATNET, "ips.0.dhcp.hosts", [{**HOST, "options": [{"option": "sntp-server"}]}], f"{OPTION}.option", "an option of IPv4"),
        (
            NATNET,
            "ips.0.dhcp",
            {"hosts": [HOST], "options": [{"option": 3}, {"option": "router"}]},
            "ips[0].dhcp.options[1].option",
            "'router'; each option once, with all of its values",
        ),
        (NATNET, "ips.0.dhcp.hosts", [{**HOST, "options": [{"option": 3, "value": "a"}]}], f"{OPTION}.value", "'a'; an IPv4 address"),
        (NATNET, "ips.0.dhcp.hosts", [{**HOST, "options": [{"option": "mtu", "value": "x"}]}], f"{OPTION}.value", "'x'; a number"),
        (NATNET, "ips.0.dhcp.hosts", [{**HOST, "options": [{"option": 200, "value": "a\n"}]}], f"{OPTION}.value", "one line"),
        (NATNET, "ips.0.dhcp.hosts", [{**HOST, "options": [{"option": 200, "value": ["a" * 99] * 3}]}], f"{OPTION}.value", "255 bytes in all"),
        (NATNET, "ips.0.dhcp.hosts", [{**HOST, "options": [{"option": 200, "force": True}]}], f"{OPTION}.force", "it beside a value"),
        (NATNET, "ips.0.ra", {"mode": "ra-only"}, "ips[0].ra", "it, with IPv4; it with IPv6 only"),
        (NATNET, "dns.srv", [{"service": "a,b", "protocol": "tcp"}], "dns.srv[0].service", "1 to 62 letters"),
        (NATNET, "dns.txt", [{"name": "a", "value": " b"}], "dns.txt[0].value", "without spaces at its ends"),
        (NATNET, "dns.cnames", [CNAME, {"name": "A", "target": "c"}], "dns.cnames[1].name", "'A'; each name once"),
        (NATNET, "dns.cnames", [{"name": "a", "target": "A"}], "dns.cnames[0].target", "'A'; another name"),
        (NATNET, "dnsmasq_options", ["a=b\nuser=root"], "dnsmasq_options[0]", "a text of one line"),
        (NATNET, "dnsmasq_options", ["--log-queries"], "dnsmasq_options[0]", "an option of dnsmasq's configuration file"),
        (NATNET, "dnsmasq_options", ['txt-record=a,"b'], "dnsmasq_options[0]", "an option of dnsmasq's configuration file"),
        (NATNET, "dnsmasq_options", ["neg-ttl=1", "neg-ttl=1"], "dnsmasq_options[1]", "each line once"),
        (NATNET, "dnsmasq_options", ["conf-file=/etc/passwd"], "dnsmasq_options[0]", "any but conf-file"),
        (NATNET, "dnsmasq_options", ["a=" + "b" * 254], "dnsmasq_options[0]", "at most 255 bytes"),
        (SIX, "ips.0.ra", {"mode": "slaac"}, "ips[0].ra.mode", "ra-only, stateless or none without dhcp's ranges and hosts"),
        (SIX, "ips.0", {"address": "fd00:6::1/64", "dhcp": POOL, "ra": {"mode": "ra-only"}}, "ips[0].ra.mode", "stateful, slaac or none"),
        (SIX, "ips.0", {"address": "fd00:6::1/80", "ra": {"mode": "stateless"}}, "ips[0].ra.mode", "none with fd00:6::1/80: guests make addresses"),
        (SIX, "ips.0", {"address": "fd00:6::1/60", "dhcp": POOL}, "ips[0].address", "'fd00:6::1/60'; a prefix of 64 to 126 with DHCP"),
        (SIX, "ips.0.ra", {"interval": 600, "lifetime": 60}, "ips[0].ra.lifetime", "60; 0, or 600, the interval, to 9000"),
        (SIX, "ips.0.ra", {"mode": "router"}, "ips[0].ra.mode", "'router'; none or ra-only"),
        (
            {"name": "six", "ips": [{"address": "fd00:6::1/64", "ra": {"interval": 60}}, {"address": "fd00:7::1/64", "ra": {}}]},
            "ips.1.ra",
            {"interval": 30},
            "ips[1].ra",
            "another router; interval, lifetime, priority and mtu of networks[0].ips[0].ra, or none",
        ),
        (
            {"name": "six", "ips": [{"address": "fd00:6::1/64", "dhcp": POOL}, {"address": "fd00:7::1/64", "dhcp": {"hosts": [{"id": "0:1", "name": "x"}]}}]},
            "ips.1.ra",
            {"mode": "none"},
            "ips[1].ra.mode",
            "'none'; that of networks[0].ips[0], none or stateful",
        ),
        (
            {"name": "boot", "ips": [{"address": "10.0.8.1/24", "tftp": {"root": "/a"}}, {"address": "10.0.9.1/24"}]},
            "ips.1.tftp",
            {"root": "/b"},
            "ips[1].tftp.root",
            "'/b'; /a, the folder of networks[0].ips[0]",
        ),
    ],
)
def test_services_that_are_refused(base: dict[str, t.Any], change: str, value: object, path: str, words: str) -> None:
    found = problems(changed(base, change, value))
    assert list(found) == [f"networks[0].{path}"]
    assert words in found[f"networks[0].{path}"]


def test_networks_together() -> None:
    second = changed(changed(DEFAULT, "ips.0.address", "192.168.0.1/16"), "ips.0.dhcp", ...)
    second["uuid"] = "68cd5419-9fda-4cf0-9ac6-2eb9c1ba41ee"
    second["bridge"]["members"] = ["tap0"]
    second["port_forwards"] = []
    assert problems(changed(DEFAULT, "bridge.members", ["tap0"]), second) == {
        "networks[1].bridge.members[0]": "'tap0'; one that networks[0] does not have",
        "networks[1].name": "'default'; one that networks[0] does not have",
        "networks[1].bridge.name": "'virbr0'; one that networks[0] does not have",
        "networks[1].mac": "'52:54:00:db:0e:e5'; one that networks[0] does not have",
        "networks[1].ips[0].address": "subnet 192.168.0.0/16; a subnet apart from 192.168.122.0/24 of networks[0].ips[0].address",
    }


def test_all_problems_of_all_networks_at_once() -> None:
    found = problems({"name": "_a", "bridge": {"nam": "x"}, "forward": {"mode": "nat"}}, 5, changed(NATNET, "mac", 1))
    assert list(found) == ["networks[0].name", "networks[0].bridge.nam", "networks[0].ips", "networks[1]", "networks[2].mac"]


@pytest.mark.parametrize("data", ["default", {"name": "default"}, 7, None])
def test_something_else_than_a_list(data: object) -> None:
    with pytest.raises(SpecError, match=r"^networks: found .*; allowed: a list of mappings$"):
        read_networks(data)


def test_names_alone_are_enough_to_remove() -> None:
    assert read_names([{"name": "default"}, DEFAULT, {**NATNET, "bridge": None}]) == ("default", "default", "natnet")
    with pytest.raises(SpecError, match=r"networks\[0\].name: found '../x'"):
        read_names([{"name": "../x"}])


@given(
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,54}", fullmatch=True),
    address=st.ip_addresses(v=4, network="10.0.0.0/8"),
    prefix=st.integers(8, 30),
    ports=st.tuples(st.integers(1, 65535), st.integers(1, 65535)),
    profile=st.sampled_from(["strict", "libvirt"]),
)
def test_a_definition_is_refused_with_a_path_or_reads_back_equal(name: str, address: object, prefix: int, ports: tuple[int, int], profile: str) -> None:
    definition = {
        "name": name,
        "bridge": {"name": "virbr0"},
        "forward": {"mode": "nat", "nat": {"port": {"start": ports[0], "end": ports[1]}}},
        "ips": [{"address": f"{address}/{prefix}"}],
        "firewall": {"profile": profile},
    }
    refused: set[str] = set()
    try:
        networks = read_networks([definition])
    except SpecError as error:
        refused = {problem.path for problem in error.problems}
    else:
        assert read_networks([to_data(network) for network in networks]) == networks
    assert refused <= {"networks[0].ips[0].address", "networks[0].forward.nat.port"}


JUNK: list[t.Any] = [
    None,
    "",
    0,
    -1,
    10**30,
    3.5,
    True,
    "x",
    "\n",
    [],
    {},
    [None],
    [[]],
    {"a": {}},
    {1: 2},
    b"x",
    (),
    "10.0.0.1/24",
    "::1",
    float("nan"),
    [{}],
    "a" * 5000,
]


def places(value: t.Any, path: str = "") -> t.Iterator[str]:
    """The path of everything in a definition."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield f"{path}{key}"
        yield from places(item, f"{path}{key}.")


@pytest.mark.parametrize("definition", [WHOLE, DUAL, ROUTED], ids=lambda definition: definition["name"])
def test_junk_in_any_place_is_refused_or_read_and_nothing_else(definition: dict[str, t.Any]) -> None:
    taken = []
    for path in places(definition):
        for junk in JUNK:
            with contextlib.suppress(SpecError):
                taken.append(read_networks([changed(definition, path, junk)]))
    assert taken
    for networks in taken:
        assert read_networks([to_data(network) for network in networks]) == networks
        assert render(networks)
