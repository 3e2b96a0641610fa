# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a definition that say what the bridge is and how guests reach the world."""

from __future__ import annotations

import dataclasses

from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils import names
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import NOTHING, Refused, Section, boolean, choice, each, integer, key, part
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.values import AddressRange, PortRange, line, mac

MODES = ("nat", "route", "open", "none", "bridge")


def _delay(value: object) -> int:
    for low, high in ((0, 0), (4, 30)):
        try:
            return integer(low, high)(value)
        except Refused:
            continue
    raise Refused("a whole number of seconds: 0 (no added delay) or 4 to 30, the range of FreeBSD's fwddelay")


@dataclasses.dataclass(frozen=True)
class Bridge:
    """The bridge. `name` None: the host chooses one and keeps it. `delay` is in seconds, 0 for no added delay; `mtu` in bytes.

    `members` are interfaces that this network attaches; with `isolated_ports` they cannot talk with each other.
    """

    name: str | None = key(names.interface_name)
    stp: bool | None = key(boolean)
    delay: int | None = key(_delay)
    mac: str | None = key(mac)
    members: tuple[str, ...] = each(names.interface_name)
    isolated_ports: bool = key(boolean, default=False)
    # What if_bridge(4) takes; IPv6 wants 1280 at least, which the network checks.
    mtu: int | None = key(integer(576, 65535))
    vlan_filtering: bool | None = key(boolean)
    description: str | None = key(line)

    def check(self, section: Section) -> None:
        for index, member in enumerate(self.members):
            if member in self.members[:index]:
                section.refuse(f"members[{index}]", member, "each interface once")
            elif member == self.name:
                section.refuse(f"members[{index}]", member, "an interface other than the bridge itself")


@dataclasses.dataclass(frozen=True)
class Nat:
    """Address translation. `address` is a pool in place of the egress interface's address; `sticky` keeps a guest to one of the pool.

    `static_port` leaves source ports as they are; `ipv6` translates IPv6 too, which is routed otherwise.
    """

    address: AddressRange | None = part(AddressRange)
    port: PortRange | None = part(PortRange)
    ipv6: bool = key(boolean, default=False)
    sticky: bool = key(boolean, default=False)
    static_port: bool = key(boolean, default=False)

    def check(self, section: Section) -> None:
        if self.address and self.address.whole and self.address.start.version != 4:
            section.refuse("address.start", str(self.address.start), "an IPv4 address")
        if self.sticky and not self.address:
            section.refuse("sticky", True, "false without forward.nat.address, since there is one address only")
        if self.static_port and self.port:
            section.refuse("static_port", True, "false beside forward.nat.port, which gives connections other ports")


@dataclasses.dataclass(frozen=True)
class Forward:
    """How guests reach the world. `dev` is the egress interface, None for that of the host's default route; with mode bridge, the uplink."""

    mode: str = key(choice(*MODES), required=", ".join(MODES))
    dev: str | None = key(names.interface_name)
    nat: Nat | None = part(Nat)

    def check(self, section: Section) -> None:
        if self.nat and self.mode not in ("nat", None):
            section.refuse("nat", f"it, with mode {self.mode}", "it with mode nat only")
        if self.dev and self.mode == "none":
            section.refuse("dev", self.dev, "none with mode none, whose guests reach nothing outside")
        if self.dev and self.mode == "open":
            section.refuse("dev", self.dev, "none with mode open, which has no rules to keep guests to it")
        if not self.dev and self.mode == "bridge":
            section.refuse("dev", NOTHING, "the interface that the bridge takes as its uplink")
