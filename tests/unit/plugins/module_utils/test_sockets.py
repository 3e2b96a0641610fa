# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading sockstat."""

from __future__ import annotations

from ansible_collections.bsdvirt.pfnet.plugins.module_utils.sockets import Socket, parse_sockets


def test_listening_sockets_and_their_processes() -> None:
    text = """\
USER     COMMAND    PID   FD PROTO  LOCAL ADDRESS         FOREIGN ADDRESS
unbound  local-unbou 1042  3  udp4   127.0.0.1:53          *:*
root     a b server  1043  14 tcp46  *:53                  *:*
nobody   dnsmasq     812   4  udp4   *:67                  *:*
nobody   dnsmasq     812   6  udp6   [fe80::1%virbr0]:53   *:*
unbound  local-unbou 1042  5  udp6   [::1]:53              *:*
nobody   dnsmasq     812   7  tcp6   fd00:1::1:53          *:*
?        ?           ?     ?  tcp4   10.10.1.1:53          10.10.1.5:40000
"""
    assert parse_sockets(text) == (
        Socket("local-unbou", 1042, "udp", "127.0.0.1", 53),
        Socket("a b server", 1043, "tcp", "*", 53),
        Socket("dnsmasq", 812, "udp", "*", 67),
        Socket("dnsmasq", 812, "udp", "fe80::1", 53),
        Socket("local-unbou", 1042, "udp", "::1", 53),
        Socket("dnsmasq", 812, "tcp", "fd00:1::1", 53),
    )
