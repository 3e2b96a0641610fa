# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of anchors: libvirt's rules as its pf backend writes them, strict rules as they were measured packet by packet."""

from __future__ import annotations

import pytest
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
STRICT = [
    TABLE,
    "nat pass on $egress inet from 192.168.122.0/24 to <natdst> -> ($egress:0) port 1024:65535",
    DHCP,
    "block in quick on $bridge inet from ! 192.168.122.0/24",
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
    assert rules(render(network)["anchor"]) == expected


def test_dhcp_is_open_only_where_it_is_declared() -> None:
    (network,) = read_networks([{**NETWORK, "ips": [{"address": "192.168.122.1/24"}]}])
    assert rules(render(network)["anchor"]) == [rule for rule in STRICT if rule != DHCP]


def test_ports() -> None:
    (network,) = read_networks([{**NETWORK, "forward": {"mode": "nat", "nat": {"port": {"start": 40000, "end": 40999}}}}])
    assert rules(render(network)["anchor"])[1].endswith("-> ($egress:0) port 40000:40999")


def test_document() -> None:
    (network,) = read_networks([{**NETWORK, "forward": {"mode": "nat", "dev": "em1"}}])
    document = render(network)
    assert document["bridge"] == {"name": "virbr0", "mac": "52:54:00:db:0e:e5", "addresses": ["192.168.122.1/24"], "fwddelay": None}
    assert document["egress"] == {"dev": "em1"}
    assert document["tables"] == ["natdst"]
