# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would defeat networks: each is warned of with its name and its remedy, and what is harmless is not."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.hazards import hazards
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import Interface, Route
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.preparation import Found, Wanted
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.rc_conf import DEFAULTS, Variable
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.sockets import Socket

WANTED = Wanted(forwarding=("ipv4", "ipv6"), services=("dhcp", "dns"), bridges=("virbr0", "virbr7"))
VIRBR0 = Interface("virbr0", addresses=("192.168.122.1/24", "fd00:1::1/64"), groups=("bridge", "pfnet", "guests"))
SOUND = Found(
    modules=frozenset({"pf", "if_bridge"}),
    variables={"gateway_enable": Variable("YES"), "dnsmasq_enable": Variable("NO"), "ipv6_defaultrouter": Variable("NO", DEFAULTS)},
    sysctl={
        "net.link.bridge.pfil_member": "0",
        "net.link.bridge.pfil_bridge": "0",
        "net.link.bridge.pfil_local_phys": "0",
        "net.link.bridge.ipfw": "0",
        "net.inet6.ip6.rfc6204w3": "0",
        "kern.securelevel": "-1",
        "security.jail.jailed": "0",
        "hw.vtnet.lro_disable": "1",
        "dev.vtnet.0.rx_csum_inaccessible_ipproto": "0",
    },
    configured={},
    interfaces={
        "vtnet0": Interface("vtnet0", "vtnet0", capabilities=frozenset({"RXCSUM", "TXCSUM", "LRO"})),
        "vtnet1": Interface("vtnet1", "vtnet1", capabilities=frozenset({"RXCSUM"}), accept_rtadv=True),
        "virbr0": VIRBR0,
    },
    routes=[Route("default", "inet", "203.0.113.1", "vtnet0"), Route("default", "inet6", "fe80::1%vtnet0", "vtnet0")],
    skipped={"lo0": "the kernel", "lo": "/etc/pf.conf", "em1": "the kernel"},
    listeners=(
        Socket("local-unbo", 12, "udp", "127.0.0.1", 53),
        Socket("dnsmasq", 13, "udp", "*", 67),
        Socket("dnsmasq", 13, "udp", "192.168.122.1", 53),
        Socket("dnsmasq", 14, "udp", "*", 67),
        Socket("named", 15, "tcp", "203.0.113.10", 53),
    ),
    ours=frozenset({13}),
)


def found(**changes: t.Any) -> Found:
    """A sound host but for some things; `sysctl`, `interfaces` and `variables` are added to those it has."""
    for name in ("sysctl", "interfaces", "variables"):
        if name in changes:
            changes[name] = {**getattr(SOUND, name), **changes[name]}
    return dataclasses.replace(SOUND, **changes)


def test_a_sound_host_is_not_warned_of() -> None:
    assert hazards(WANTED, SOUND) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"skipped": {"virbr0": "the kernel"}}, ("the bridge virbr0 alone (`set skip on`, says the kernel)", "take virbr0 out of")),
        ({"skipped": {"virbr7": "/etc/pf.conf"}}, ("the bridge virbr7 alone (`set skip on`, says /etc/pf.conf)", "nothing is isolated")),
        ({"skipped": {"guests": "the kernel"}}, ("the group guests", "nothing is isolated")),
        ({"skipped": {"bridge": "/etc/pf.conf"}}, ("the group bridge", "nothing is isolated")),
        ({"skipped": {"vtnet0": "the kernel"}}, ("the egress interface vtnet0", "nothing is translated")),
        ({"sysctl": {"net.link.bridge.pfil_member": "1"}}, ("pfil_member is 1", "sysctl net.link.bridge.pfil_member=0`")),
        (
            {"sysctl": {"net.link.bridge.pfil_member": "1", "net.link.bridge.pfil_local_phys": "1"}},
            ("pfil_member and pfil_local_phys are 1", "sysctl net.link.bridge.pfil_local_phys=0 net.link.bridge.pfil_member=0`"),
        ),
        ({"sysctl": {"net.link.bridge.pfil_bridge": "1"}}, ("pfil_bridge is 1", "sysctl net.link.bridge.pfil_bridge=0`")),
        ({"configured": {"net.link.bridge.pfil_member": "1"}}, ("pfil_member is 1", "/etc/sysctl.conf")),
        ({"sysctl": {"net.link.bridge.ipfw": "1", "net.link.ether.ipfw": "1"}}, ("net.link.bridge.ipfw is 1", "ipfw=0`")),
        ({"sysctl": {"net.inet.ip.fw.enable": "1"}}, ("ipfw is running beside pf", "denies everything", "sysrc firewall_enable=NO")),
        ({"sysctl": {"net.inet.ip.fw.enable": "1", "net.inet.ip.fw.default_to_accept": "1"}}, ("pf passes has to pass it too: let",)),
        ({"sysctl": {"net.inet.ipf.fr_running": "1"}}, ("ipfilter is running beside pf", "sysrc ipfilter_enable=NO")),
        ({"variables": {"firewall_enable": Variable("YES")}}, ("ipfw will run beside pf after the next boot",)),
        ({"sysctl": {"kern.securelevel": "3"}}, ("kern.securelevel is 3", "kern_securelevel to 2 or less")),
        ({"sysctl": {"security.jail.jailed": "1", "security.jail.vnet": "0"}}, ("without a network stack of its own", "`vnet` in jail.conf")),
        ({"unreachable": "pfctl: no"}, ("pf is loaded and cannot be reached (pfctl: no)", "no network can be set up.")),
        ({"unreachable": "pfctl: no", "sysctl": {"security.jail.jailed": "1", "security.jail.vnet": "1"}}, ("/dev/pf", "devfs_ruleset = 5")),
        ({"own_rules": ("pass all", "block all")}, ("libvirt itself holds 2 rules", "`pass all`", "anchor_root")),
        ({"foreign": ("libvirt/lab", "libvirt/x")}, ("libvirt/lab, libvirt/x", "from_libvirt_xml", "anchor_root")),
        ({"listeners": (Socket("unbound", 9, "udp", "*", 53),)}, ("unbound (process 9) listens on port 53 of all addresses", "serve DNS")),
        ({"listeners": (Socket("named", 9, "udp", "192.168.122.1", 53),)}, ("named (process 9) listens on port 53 of 192.168.122.1",)),
        ({"listeners": (Socket("named", 9, "tcp", "fd00:1::1", 53),)}, ("port 53 of fd00:1::1",)),
        ({"listeners": (Socket("dnsmasq", 9, "tcp", "*", 53),)}, ("dnsmasq (process 9) listens on port 53 of all",)),
        ({"listeners": (Socket("dhcpd", 9, "udp", "*", 67),)}, ("dhcpd (process 9) listens on port 67 of all", "serve DHCP")),
        ({"variables": {"unbound_enable": Variable("yes")}}, ("unbound_enable is YES", "DNS after the next boot")),
        ({"variables": {"dhcpd_enable": Variable("YES")}}, ("dhcpd_enable is YES", "DHCP after the next boot")),
        ({"configured": {"net.inet.ip.forwarding": "0"}}, ("sysctl.conf sets net.inet.ip.forwarding to 0", "take the line out")),
        (
            {"routes": [Route("default", "inet6", "fe80::1%vtnet1", "vtnet1")], "sysctl": {"dev.vtnet.1.rx_csum_inaccessible_ipproto": "0"}},
            ("vtnet1 has its IPv6 routes from router advertisements", 'sysrc ipv6_cpe_wanif="vtnet1"'),
        ),
        ({"routes": [Route("default", "inet", "203.0.113.1", "vtnet1")]}, ("vtnet1 has RXCSUM", "ifconfig vtnet1 -rxcsum", "hw.vtnet.csum_disable=1")),
        (
            {
                "routes": [Route("default", "inet", "203.0.113.1", "wan0")],
                "interfaces": {"wan0": Interface("wan0", "vtnet1", capabilities=frozenset({"RXCSUM"}))},
            },
            ("wan0 has RXCSUM", "to ifconfig_wan0"),
        ),
        ({"sysctl": {"hw.vtnet.lro_disable": "0"}}, ("vtnet0 has LRO", "`ifconfig vtnet0 -lro`")),
    ],
)
def test_one_warning_with_its_remedy(changes: dict[str, t.Any], words: tuple[str, ...]) -> None:
    (warning,) = hazards(WANTED, found(**changes))
    for each in words:
        assert each in warning


@pytest.mark.parametrize(
    "changes",
    [
        {"sysctl": {"net.link.bridge.pfil_local_phys": "1"}},  # of no effect alone
        {"sysctl": {"net.inet.ip.fw.enable": "0"}},
        {"sysctl": {"net.link.bridge.ipfw": "1"}},  # without ipfw
        {"sysctl": {"security.jail.jailed": "1", "security.jail.vnet": "1"}},
        {"sysctl": {"kern.securelevel": "2"}},
        {"variables": {"named_enable": Variable("YES")}},  # it runs, on an address of its own
        {"interfaces": {"vtnet0": Interface("vtnet0", accept_rtadv=True)}, "variables": {"ipv6_defaultrouter": Variable("fe80::1%vtnet0")}},
        {"interfaces": {"vtnet0": Interface("vtnet0", accept_rtadv=True)}, "sysctl": {"net.inet6.ip6.rfc6204w3": "1"}},
    ],
)
def test_what_is_harmless(changes: dict[str, t.Any]) -> None:
    assert hazards(WANTED, found(**changes)) == []


def test_only_what_networks_use_is_warned_of() -> None:
    unsound = found(
        listeners=(Socket("unbound", 9, "udp", "*", 53), Socket("dhcpd", 10, "udp", "*", 67)),
        routes=[Route("default", "inet", "203.0.113.1", "vtnet1")],
        variables={"unbound_enable": Variable("YES"), "dhcpd_enable": Variable("YES")},
        configured={"net.inet.ip.forwarding": "0"},
        skipped={"vtnet1": "the kernel"},
    )
    assert hazards(dataclasses.replace(WANTED, services=(), forwarding=()), dataclasses.replace(unsound, listeners=())) == []
