# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP options: those that dnsmasq knows by name, and one of a definition.

The names and what follows them are those of `dnsmasq --help dhcp` and `dhcp6`; the numbers are registered with IANA.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import difflib
import re

from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import Phrase, Refused, Section, boolean, integer, key, taken
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.values import Texts, host_name, ip_address, network, texts

NUMBERS = {
    4: {
        "netmask": 1, "time-offset": 2, "router": 3, "dns-server": 6, "log-server": 7, "lpr-server": 9, "boot-file-size": 13, "domain-name": 15,
        "swap-server": 16, "root-path": 17, "extension-path": 18, "ip-forward-enable": 19, "non-local-source-routing": 20, "policy-filter": 21,
        "max-datagram-reassembly": 22, "default-ttl": 23, "mtu": 26, "all-subnets-local": 27, "router-discovery": 31, "router-solicitation": 32,
        "static-route": 33, "trailer-encapsulation": 34, "arp-timeout": 35, "ethernet-encap": 36, "tcp-ttl": 37, "tcp-keepalive": 38, "nis-domain": 40,
        "nis-server": 41, "ntp-server": 42, "netbios-ns": 44, "netbios-dd": 45, "netbios-nodetype": 46, "netbios-scope": 47, "x-windows-fs": 48,
        "x-windows-dm": 49, "T1": 58, "T2": 59, "vendor-class": 60, "nis+-domain": 64, "nis+-server": 65, "tftp-server": 66, "bootfile-name": 67,
        "mobile-ip-home": 68, "smtp-server": 69, "pop3-server": 70, "nntp-server": 71, "irc-server": 74, "user-class": 77, "rapid-commit": 80,
        "client-arch": 93, "client-interface-id": 94, "client-machine-id": 97, "posix-timezone": 100, "tzdb-timezone": 101, "ipv6-only": 108,
        "domain-search": 119, "sip-server": 120, "classless-static-route": 121, "vendor-id-encap": 125, "tftp-server-address": 150,
        "server-ip-address": 255,
    },
    6: {
        "sip-server-domain": 21, "sip-server": 22, "dns-server": 23, "domain-search": 24, "nis-server": 27, "nis+-server": 28, "nis-domain": 29,
        "nis+-domain": 30, "sntp-server": 31, "information-refresh-time": 32, "posix-timezone": 41, "tzdb-timezone": 42, "ntp-server": 56,
        "bootfile-url": 59, "bootfile-param": 60,
    },
}  # fmt: skip
MTU, ROUTER = NUMBERS[4]["mtu"], NUMBERS[4]["router"]


def _each(read: c.Callable[[object], object]) -> c.Callable[[str], bool]:
    def fits(value: str) -> bool:
        try:
            read(value)
        except Refused:
            return False
        return True

    return fits


# What values of an option have to be, where dnsmasq does not start with anything else: a check of each, and the words for it.
_ADDRESS = {version: (_each(ip_address(version)), f"an IPv{version} address") for version in (4, 6)}
_NUMBER = (lambda value: re.fullmatch("[0-9]{1,10}", value) is not None, "a number")
_NAME = (_each(host_name), "a domain's name")
_KINDS = {
    4: {
        **dict.fromkeys((1, 3, 6, 7, 9, 16, 21, 33, 41, 42, 44, 45, 48, 49, 65, 68, 69, 70, 71, 74, 150, 255), _ADDRESS[4]),
        **dict.fromkeys((2, 13, 19, 20, 22, 23, 26, 27, 31, 34, 35, 36, 37, 38, 46, 58, 59, 108), _NUMBER),
        119: _NAME,
        121: (lambda value: _each(network)(value) or _ADDRESS[4][0](value), "a network and the gateway to it, in turns"),
    },
    6: {**dict.fromkeys((22, 23, 27, 28, 31), _ADDRESS[6]), **dict.fromkeys((21, 24, 29, 30), _NAME), 32: _NUMBER},
}


def _name_or_number(value: object) -> int | str:
    if isinstance(value, str) and not re.fullmatch("[0-9]+", value):
        known = {**NUMBERS[4], **NUMBERS[6]}
        if value in known:
            return str(value)
        near = difflib.get_close_matches(value, known, n=1)
        raise Refused("a number, or a name that `dnsmasq --help dhcp` or `dhcp6` lists" + (f" (did you mean {near[0]}?)" if near else ""))
    return integer(1, 65535)(value)


@dataclasses.dataclass(frozen=True)
class Option:
    """A DHCP option by its number or its name, with one value or several.

    Without a value guests are told nothing of it, not even what they are told by default. `force`: they are told without having asked.
    """

    option: int | str = key(_name_or_number, required="the option's number or name, such as ntp-server")
    value: Texts | None = key(texts)
    force: bool = key(boolean, default=False)

    def number(self, version: int) -> int | None:
        """Its number in a family; None if it has none there."""
        return self.option if isinstance(self.option, int) else NUMBERS[version].get(self.option)

    def check_family(self, section: Section, at: str, version: int) -> None:
        """Refuse what the family of its subnet has not."""
        if not taken(self.option):
            return
        number = self.number(version)
        if number is None:
            section.refuse(f"{at}.option", self.option, f"an option of IPv{version}, by number or name: {', '.join(NUMBERS[version])}")
        elif version == 4 and number > 255:
            section.refuse(f"{at}.option", number, "1 to 255 with IPv4")
        elif self.value and number in _KINDS[version]:
            fits, words = _KINDS[version][number]
            for value in self.value.items:
                if not fits(value):
                    section.refuse(f"{at}.value", value, f"{words}; several as a list")
        if self.force and self.value is None:
            section.refuse(f"{at}.force", Phrase("true without a value"), "it beside a value")
