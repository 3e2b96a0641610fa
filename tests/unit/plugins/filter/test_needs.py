# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter needs as a playbook meets it."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.bsdvirt.pfnet.plugins.filter.needs import FilterModule

needs = FilterModule().filters()["needs"]
NOTHING = {"modules": ["pf", "if_bridge"], "forwarding": [], "services": [], "dnsmasq": False, "bridges": [], "egress": []}
V4, V6 = {"address": "10.0.1.1/24"}, {"address": "fd00:1::1/64"}
# Guests of an IPv6 network hear of their router from dnsmasq, which answers names then too.
ADVERTISED = {"services": ["dns"], "dnsmasq": True}
DHCP = {"ranges": [{"start": "10.0.1.2", "end": "10.0.1.9"}]}


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({"forward": {"mode": "nat"}, "ips": [V4]}, {"forwarding": ["ipv4"]}),
        ({"forward": {"mode": "route", "dev": "ix0"}, "ips": [V6, V4]}, {"forwarding": ["ipv4", "ipv6"], "egress": ["ix0"], **ADVERTISED}),
        ({"forward": {"mode": "open"}, "ips": [V6]}, {"forwarding": ["ipv6"], **ADVERTISED}),
        ({"ips": [V4]}, {}),
        ({"forward": {"mode": "bridge", "dev": "ix1"}, "bridge": {"name": "lan0"}}, {"bridges": ["lan0"]}),
        ({"ips": [{**V4, "dhcp": DHCP}]}, {"services": ["dhcp", "dns"], "dnsmasq": True}),
        ({"ips": [{**V4, "dhcp": DHCP}], "dns": {"enable": False}}, {"services": ["dhcp"], "dnsmasq": True}),
        ({"ips": [{**V4, "tftp": {"root": "/srv/tftp"}}], "dns": {"enable": False}}, {"dnsmasq": True}),
        ({"ips": [{**V6, "dhcp": {"ranges": [{"start": "fd00:1::2", "end": "fd00:1::9"}]}}], "dns": {"enable": False}}, {"dnsmasq": True}),
        ({"ips": [V4], "dns": {"hosts": [{"ip": "10.0.1.7", "hostnames": ["printer"]}]}}, {"services": ["dns"], "dnsmasq": True}),
        ({"ips": [V4], "firewall": {"log": True}}, {"modules": ["pf", "if_bridge", "pflog"]}),
    ],
)
def test_what_a_network_needs(definition: dict[str, t.Any], expected: dict[str, t.Any]) -> None:
    assert needs([{"name": "lab", **definition}]) == {**NOTHING, **expected}


def test_what_several_networks_need_together() -> None:
    networks = [
        {"name": "a", "bridge": {"name": "virbr1"}, "forward": {"mode": "nat", "dev": "ix1"}, "ips": [V4]},
        {"name": "b", "bridge": {"name": "virbr2"}, "forward": {"mode": "route", "dev": "ix0"}, "ips": [{"address": "fd00:2::1/64"}]},
        {"name": "c", "forward": {"mode": "nat", "dev": "ix1"}, "ips": [{"address": "10.0.3.1/24"}]},
    ]
    assert needs(networks) == {**NOTHING, **ADVERTISED, "forwarding": ["ipv4", "ipv6"], "bridges": ["virbr1", "virbr2"], "egress": ["ix0", "ix1"]}
    assert needs([]) == NOTHING


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(AnsibleFilterError, match=r"networks\[0\].ips\[0\].address"):
        needs([{"name": "lab", "ips": [{"address": "10.0.1.1"}]}])
    with pytest.raises(AnsibleFilterError, match="anchor_root: found '_x'"):
        needs([], anchor_root="_x")
