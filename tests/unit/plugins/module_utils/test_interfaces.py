# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ifconfig and netstat print, as recorded on FreeBSD 15.1."""

from __future__ import annotations

import textwrap

from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import Interface, parse_default_route, parse_ifconfig

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
    \tid 58:9c:fc:10:2c:ac priority 32768 hellotime 2 fwddelay 4
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
    '{"destination":"10.0.2.0/24","gateway":"link#1","flags":"U","interface-name":"em0"},'
    '%s{"destination":"127.0.0.1","gateway":"link#3","flags":"UH","interface-name":"lo0"}]}]}}}}'
)


def test_interfaces() -> None:
    assert parse_ifconfig(IFCONFIG) == {
        "re0": Interface("re0", True, "52:54:00:fb:5d:00", ("10.0.2.15/24",), (), (), None),
        "lab0": Interface("lab0", True, "52:54:00:aa:bb:cc", ("198.51.100.1/24", "192.0.2.1/28"), ("bridge", "pfnet"), ("labtap0", "epair0a"), 4),
        "lo1": Interface("lo1", False, None, (), ("lo",), (), None),
    }


def test_default_route() -> None:
    assert parse_default_route(ROUTES % '{"destination":"default","gateway":"10.0.2.2","flags":"UGS","interface-name":"re0"},') == "re0"
    assert parse_default_route(ROUTES % "") is None
