# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ifconfig and netstat print, as recorded on FreeBSD 15.1."""

from __future__ import annotations

import ipaddress
import textwrap

from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import Interface, Member, Route, default_route, parse_ifconfig, parse_routes

IFCONFIG = textwrap.dedent("""\
    re0: flags=8863<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
    \tether 52:54:00:fb:5d:00
    \tinet 10.0.2.15/24 broadcast 10.0.2.255
    \tinet6 fe80::5054:ff:fefb:5d00%re0/64 scopeid 0x1
    \tmedia: Ethernet autoselect (1000baseT <full-duplex>)
    lab0: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1400
    \tdescription: pfnet default
    \tether 52:54:00:aa:bb:cc
    \tinet 198.51.100.1/24 broadcast 198.51.100.255
    \tinet 192.0.2.1/28 broadcast 192.0.2.15
    \tinet6 fd00:7::1/64
    \tinet6 fe80::5054:ff:feaa:bbcc%lab0/64 scopeid 0x4
    \tid 58:9c:fc:10:2c:ac priority 32768 hellotime 2 fwddelay 4
    \tbridge flags=1<VLANFILTER>
    \tmember: labtap0 flags=947<LEARNING,DISCOVER,STP,PRIVATE,AUTOEDGE,AUTOPTP>
    \t        port 5 priority 128 path cost 2000000 proto rstp
    \tmember: epair0a flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>
    \tgroups: bridge pfnet
    \tnd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
    lo1: flags=8008<LOOPBACK,MULTICAST> metric 0 mtu 16384
    \tgroups: lo
    """)
ROUTES = (
    '{"statistics": {"route-information": {"route-table": {"rt-family": [{"address-family":"Internet", "rt-entry": ['
    '{"destination":"default","gateway":"10.0.2.2","flags":"UGS","interface-name":"re0"},'
    '{"destination":"10.0.2.0/24","gateway":"link#1","flags":"U","interface-name":"re0"},'
    '{"destination":"127.0.0.1","gateway":"link#3","flags":"UH","interface-name":"lo0"}]},'
    '{"address-family":"Internet6", "rt-entry": ['
    '{"destination":"fd00:7::/64","gateway":"link#4","flags":"U","interface-name":"lab0"},'
    '{"destination":"fe80::%lo0/64","gateway":"link#3","flags":"U","interface-name":"lo0"}]}]}}}}'
)


def test_interfaces() -> None:
    assert parse_ifconfig(IFCONFIG) == {
        "re0": Interface("re0", up=True, ether="52:54:00:fb:5d:00", addresses=("10.0.2.15/24",)),
        "lab0": Interface(
            "lab0",
            up=True,
            ether="52:54:00:aa:bb:cc",
            addresses=("198.51.100.1/24", "192.0.2.1/28", "fd00:7::1/64"),
            groups=("bridge", "pfnet"),
            members={"labtap0": Member(private=True, stp=True), "epair0a": Member()},
            fwddelay=4,
            mtu=1400,
            description="pfnet default",
            vlan_filtering=True,
            link_local=True,
        ),
        "lo1": Interface("lo1", groups=("lo",), mtu=16384),
    }


def test_routes() -> None:
    routes = parse_routes(ROUTES)
    assert routes[:2] == [Route("default", "inet", "10.0.2.2", "re0"), Route("10.0.2.0/24", "inet", "link#1", "re0")]
    assert [route.network for route in routes] == [
        None,
        ipaddress.ip_network("10.0.2.0/24"),
        ipaddress.ip_network("127.0.0.1/32"),
        ipaddress.ip_network("fd00:7::/64"),
        None,
    ]
    assert (default_route(routes, "inet"), default_route(routes, "inet6")) == ("re0", None)
