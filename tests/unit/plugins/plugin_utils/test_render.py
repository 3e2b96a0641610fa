# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of anchors: libvirt's rules as its pf backend writes them, strict rules as they were measured packet by packet."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import SpecError
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.render import render
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import read_networks

NETWORK = {
    "name": "default",
    "bridge": {"name": "virbr0", "delay": 0},
    "mac": "52:54:00:db:0e:e5",
    "forward": {"mode": "nat"},
    "ips": [{"address": "192.168.122.1/24", "dhcp": {"ranges": [{"start": "192.168.122.2", "end": "192.168.122.254"}]}}],
}
TABLE = "table <natdst> persist { 0.0.0.0/0, ! 192.168.122.0/24, ! 224.0.0.0/24, ! 255.255.255.255/32 }"
WITHIN = [
    "pass quick on $bridge inet from 192.168.122.0/24 to 192.168.122.0/24",
    "pass quick on $bridge inet from 192.168.122.0/24 to 224.0.0.0/24",
    "pass quick on $bridge inet from 192.168.122.0/24 to 255.255.255.255/32",
]
LIBVIRT = [TABLE, "nat pass on $egress inet from 192.168.122.0/24 to <natdst> -> ($egress) port 1024:65535", *WITHIN, "block on $bridge"]
DHCP = "pass in quick on $bridge inet proto udp from any port 68 to { 255.255.255.255, 192.168.122.1 } port 67"
DNS = "block in quick on ! $bridge inet proto { tcp udp } from ! 192.168.122.0/24 to 192.168.122.1 port 53"
STRICT = [
    TABLE,
    "nat pass on $egress inet from 192.168.122.0/24 to <natdst> -> ($egress:0) port 1024:65535",
    DHCP,
    "block in quick on $bridge inet from ! 192.168.122.0/24",
    DNS,
    *WITHIN,
    "block in quick on $bridge inet from any to (self)",
    "pass in quick on $bridge inet from 192.168.122.0/24 to <natdst>",
    "block quick on $bridge",
]


def rules(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize(("profile", "expected"), [("libvirt", LIBVIRT), ("strict", STRICT)])
def test_anchor(profile: str, expected: list[str]) -> None:
    (network,) = read_networks([{**NETWORK, "firewall": {"profile": profile}}])
    assert rules(render([network])[0]["anchor"]) == expected


def test_dhcp_is_open_only_where_it_is_declared() -> None:
    (network,) = read_networks([{**NETWORK, "ips": [{"address": "192.168.122.1/24"}]}])
    assert rules(render([network])[0]["anchor"]) == [rule for rule in STRICT if rule not in (DHCP, DNS)]


@pytest.mark.parametrize(
    ("more", "served"),
    [
        ({"ips": [{"address": "10.0.0.1/24"}]}, []),
        ({"ips": [{"address": "10.0.0.1/24"}], "dns": {"enable": False}}, []),
        ({"ips": [{"address": "10.0.0.1/24", "dhcp": {"bootp": {"file": "x"}}}]}, []),
        ({"ips": [{"address": "10.0.0.1/24"}], "dns": {}}, ["inet proto { tcp udp } 53"]),
        ({"ips": [{"address": "10.0.0.1/24", "tftp": {"root": "/x"}}], "dns": {"enable": False}}, ["inet proto udp 69"]),
        ({"ips": [{"address": "10.0.0.1/24", "dhcp": {"hosts": [{"name": "x", "ip": "10.0.0.2"}]}}], "dns": {"enable": False}}, ["inet proto udp 67"]),
        ({"ips": [{"address": "fd00::1/64", "ra": {"mode": "none"}}]}, []),
        # What guests learn from advertisements is the host's link-local address, and its own.
        ({"ips": [{"address": "fd00::1/64"}]}, ["inet6 proto { tcp udp } 53", "inet6 proto { tcp udp } 53"]),
        ({"ips": [{"address": "fd00::1/64", "ra": {"mode": "stateless"}}], "dns": {"enable": False}}, ["inet6 proto udp 547"]),
        ({"ips": [{"address": "fd00::1/64", "dhcp": {"ranges": [{"start": "fd00::2", "end": "fd00::3"}]}}], "dns": {"enable": False}}, ["inet6 proto udp 547"]),
    ],
)
def test_services_are_open_as_far_as_they_are_served(more: dict[str, t.Any], served: list[str]) -> None:
    (network,) = read_networks([{"name": "a", "firewall": {"host_access": "services"}, **more}])
    text = render([network])[0]["anchor"]
    open_to = re.findall(r"^pass in quick on \$bridge (inet6? proto .*) from .* port (\d+)$", text, re.MULTILINE)
    assert [" ".join(rule) for rule in open_to] == served


def test_ports() -> None:
    (network,) = read_networks([{**NETWORK, "forward": {"mode": "nat", "nat": {"port": {"start": 40000, "end": 40999}}}}])
    assert rules(render([network])[0]["anchor"])[1].endswith("-> ($egress:0) port 40000:40999")


def test_document() -> None:
    (network,) = read_networks([{**NETWORK, "forward": {"mode": "nat", "dev": "em1"}}])
    (document,) = render([network])
    assert document["bridge"] == {
        "name": "virbr0",
        "mac": "52:54:00:db:0e:e5",
        "addresses": ["192.168.122.1/24"],
        "members": [],
        **dict.fromkeys(("fwddelay", "mtu", "description", "vlan_filtering")),
    }
    assert document["egress"] == {"dev": "em1", "family": "inet", "pool": None}
    assert (document["tables"], document["hooks"], document["forwarding"]) == (["natdst"], ["nat-anchor", "anchor"], ["inet"])


def test_the_uplink_of_mode_bridge_is_a_member() -> None:
    (network,) = read_networks(
        [{"name": "lan", "bridge": {"members": ["tap0"], "isolated_ports": True, "stp": True}, "forward": {"mode": "bridge", "dev": "em1"}}]
    )
    (document,) = render([network])
    assert document["bridge"]["members"] == [
        {"name": "em1", "path": "forward.dev", "private": False, "stp": True},
        {"name": "tap0", "path": "bridge.members[0]", "private": True, "stp": True},
    ]
    assert (document["egress"], document["hooks"], rules(document["anchor"])) == (None, [], [])


def test_a_rule_that_is_not_of_a_family_is_left_out_of_it() -> None:
    inbound = [{"proto": ["icmp"]}, {"proto": ["icmp6", "tcp"]}, {"to": ["10.0.0.5"]}, {"sources": ["2001:db8::/32"]}]
    (network,) = read_networks(
        [{"name": "a", "forward": {"mode": "route"}, "ips": [{"address": "10.0.0.1/24"}, {"address": "fd00::1/64"}], "firewall": {"inbound": inbound}}]
    )
    assert [
        rule.removeprefix("pass in quick on $egress ") for rule in rules(render([network])[0]["anchor"]) if rule.startswith("pass in quick on $egress")
    ] == [
        "inet proto icmp from any to <guests4>",
        "inet proto tcp from any to <guests4>",
        "inet from any to 10.0.0.5",
        "inet6 proto { icmp6, tcp } from any to <guests6>",
        "inet6 from 2001:db8::/32 to <guests6>",
    ]


def test_an_allow_list_of_one_family_closes_the_other() -> None:
    egress = {"allow": [{"networks": ["192.0.2.0/24"]}]}
    (network,) = read_networks(
        [{"name": "a", "forward": {"mode": "nat"}, "ips": [{"address": "10.0.0.1/24"}, {"address": "fd00::1/64"}], "firewall": {"egress": egress}}]
    )
    world = [rule for rule in rules(render([network])[0]["anchor"]) if rule.startswith("pass in quick") and not rule.endswith("port 53")]
    assert world == ["pass in quick on $bridge inet from 10.0.0.0/24 to 192.0.2.0/24", "pass in quick on $bridge inet6 from fd00::/64 to ff02::/16"]


def test_a_comment_cannot_take_the_next_rule_into_it() -> None:
    forward = {"port": 22, "to": "192.168.122.5", "description": "ends in a backslash \\"}
    (network,) = read_networks([{**NETWORK, "port_forwards": [forward]}])
    assert "\\" not in render([network])[0]["anchor"]


def test_a_template_of_the_users_own_replaces_one_part() -> None:
    (network,) = read_networks([{**NETWORK, "templates": {"tables": "table <mine> persist\n", "filter": "pass on $bridge\n"}}])
    (document,) = render([network])
    assert rules(document["anchor"]) == ["table <mine> persist", STRICT[1], "pass on $bridge"]
    assert document["tables"] == ["mine"]


@pytest.mark.parametrize(
    "template", ["{{ nosuch }}", "{% include 'nosuch' %}", "{{ ''.__class__.__mro__ }}", "{{ 1 / 0 }}", '{% include "anchor/filter.conf.j2" %}']
)
def test_a_template_that_cannot_be_rendered_is_refused_by_its_path(template: str) -> None:
    networks = read_networks([{"name": "first"}, {**NETWORK, "templates": {"filter": template}}])
    with pytest.raises(SpecError, match=r"^networks\[1\].templates: found .*; allowed: templates that render for this network"):
        render(networks)


def test_what_comes_in_from_outside_is_for_guests_and_from_outside() -> None:
    (network,) = read_networks(
        [{"name": "a", "forward": {"mode": "route"}, "ips": [{"address": "10.0.0.1/24"}], "firewall": {"inbound": [{"proto": ["icmp"]}]}}]
    )
    anchor = rules(render([network])[0]["anchor"])
    assert anchor[0] == "table <guests4> persist { 10.0.0.0/24, ! 10.0.0.1 }"
    assert "pass out quick on $bridge inet proto icmp from any to 10.0.0.0/24 received-on $egress" in anchor


@pytest.mark.parametrize(("access", "closed"), [("full", False), ("services", True), ("none", True)])
def test_a_closed_host_is_closed_by_broadcast_and_multicast_too(access: str, closed: bool) -> None:
    (network,) = read_networks([{"name": "a", "ips": [{"address": "10.0.0.1/24"}, {"address": "fd00::1/64"}], "firewall": {"host_access": access}}])
    anchor = rules(render([network])[0]["anchor"])
    blocks = [
        "block in quick on $bridge inet from any to { ($bridge:broadcast), 255.255.255.255, 224.0.0.0/4 }",
        "block in quick on $bridge inet6 from any to ff00::/8",
    ]
    assert [block in anchor for block in blocks] == [closed, closed]


def test_the_answer_of_dhcpv6_gets_out() -> None:
    (network,) = read_networks([{"name": "a", "ips": [{"address": "fd00::1/64", "dhcp": {"ranges": [{"start": "fd00::2", "end": "fd00::9"}]}}]}])
    assert "pass out quick on $bridge inet6 proto udp from fe80::/10 port 547 to fe80::/10 port 546 no state" in rules(render([network])[0]["anchor"])
