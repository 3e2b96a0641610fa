# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a host would defeat its networks though they are set up well: each in words, with the reason and the remedy."""

from __future__ import annotations

import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import default_route
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.preparation import FORWARDING, OTHER_FIREWALLS, PORTS, SERVERS, vtnet_probe
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.sockets import ALL

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.preparation import Found, Wanted
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.sockets import Socket

# The groups that every bridge of ours is in.
_GROUPS = ("all", "bridge", "pfnet")


def hazards(wanted: Wanted, found: Found) -> list[str]:
    """One text for each thing that stands in the networks' way."""
    checks = (_skipped, _bridge_filters, _firewalls, _restrictions, _anchors, _servers, _forwarding, _offload)
    return [text for check in checks for text in check(wanted, found)]


def _skipped(wanted: Wanted, found: Found) -> t.Iterator[str]:
    bridges = found.bridges(wanted)
    groups = {*_GROUPS, *(group for name in bridges if name in found.interfaces for group in found.interfaces[name].groups)}
    for name, where in found.skipped.items():
        remedy = f"take {name} out of `set skip on` in pf.conf, then run `service pf reload`."
        if name in bridges or name in groups:
            what = "the group" if name in groups else "the bridge"
            yield f"pf leaves {what} {name} alone (`set skip on`, says {where}), so no rule of a network on it counts, and nothing is isolated: {remedy}"
        elif name in found.egress(wanted):
            yield f"pf leaves the egress interface {name} alone (`set skip on`, says {where}), so nothing is translated and no port is forwarded: {remedy}"


def _bridge_filters(_wanted: Wanted, found: Found) -> t.Iterator[str]:
    def on(name: str) -> bool:
        return found.number(f"net.link.bridge.{name}") == 1 or found.configured.get(f"net.link.bridge.{name}") == "1"

    def remedy(*names: str) -> str:
        words = " ".join(f"net.link.bridge.{name}=0" for name in names)
        return f"run `sysctl {words}`, and take it out of /etc/sysctl.conf and /boot/loader.conf."

    # pf matches a packet to a state before any rule, and its states count on every interface, unless `set state-policy if-bound`.
    if on("pfil_member") and on("pfil_local_phys"):
        yield (
            "net.link.bridge.pfil_member and pfil_local_phys are 1: a packet from a guest to the host meets pf at the guest's own interface first, where the"
            " main ruleset decides. If it passes there, the state made by it passes it on the bridge too, whatever the network's rules say; if it is blocked"
            f" there, guests do not even reach their gateway: {remedy('pfil_local_phys', 'pfil_member')}"
        )
    elif on("pfil_member"):
        yield (
            "net.link.bridge.pfil_member is 1: frames between guests of one network meet pf at the guests' own interfaces, where the main ruleset decides. If"
            " it blocks by default, they do not reach each other; if it passes them, states made there let a guest that forges frames past the rules of its"
            f" network: {remedy('pfil_member')}"
        )
    if on("pfil_bridge"):
        yield (
            "net.link.bridge.pfil_bridge is 1: frames between guests of one network, which never meet pf otherwise, are filtered on the bridge. What is not"
            " of the network's own subnet is blocked there, a guest's IPv6 in a network of IPv4 for instance, and in networks of mode bridge and open the"
            f" main ruleset decides: {remedy('pfil_bridge')}"
        )
    if on("ipfw") and found.number("net.link.ether.ipfw") == 1:
        yield f"net.link.bridge.ipfw is 1: frames between guests of one network have to pass ipfw too: {remedy('ipfw')}"


def _firewalls(_wanted: Wanted, found: Found) -> t.Iterator[str]:
    running = {"ipfw": found.number("net.inet.ip.fw.enable") == 1, "ipfilter": found.number("net.inet.ipf.fr_running") > 0}
    for name, variable in OTHER_FIREWALLS.items():
        if not running[name] and not found.yes(variable):
            continue
        state = "is running beside pf" if running[name] else "will run beside pf after the next boot"
        blocks = "; its last rule denies everything" if name == "ipfw" and found.sysctl.get("net.inet.ip.fw.default_to_accept", "0") == "0" else ""
        yield (
            f"{name} {state}, and what pf passes has to pass it too{blocks}: let it pass the networks' traffic, or do without it: `sysrc {variable}=NO` and"
            " reboot."
        )


def _restrictions(_wanted: Wanted, found: Found) -> t.Iterator[str]:
    level = found.number("kern.securelevel")
    if level >= 3:
        yield (
            f"kern.securelevel is {level}, at which nobody can change pf's rules, so no network can be set up or changed: set kern_securelevel to 2 or less"
            " in rc.conf, and reboot."
        )
    if found.number("security.jail.jailed") and not found.number("security.jail.vnet"):
        yield "This host is a jail without a network stack of its own, which can have neither bridges nor pf: give it one, with `vnet` in jail.conf."
    elif found.unreachable:
        jailed = " In a jail, its devfs has to show /dev/pf, as with `devfs_ruleset = 5` in jail.conf." if found.number("security.jail.jailed") else ""
        yield f"pf is loaded and cannot be reached ({found.unreachable}), so no network can be set up.{jailed}"


def _anchors(wanted: Wanted, found: Found) -> t.Iterator[str]:
    root = wanted.anchor_root
    another = "give networks an anchor root of their own, with anchor_root"
    if found.own_rules:
        yield (
            f"The anchor {root} itself holds {len(found.own_rules)} rules that are not ours, such as `{found.own_rules[0]}`, so networks below it are"
            f" refused: loading them would take these rules away. Move them to another anchor, or {another}."
        )
    if found.foreign:
        yield (
            f"Something else loads anchors below {root}: {', '.join(found.foreign)}; libvirt's own network driver does so. Of two networks of one name, each"
            f" would replace the other's rules: take them over (`virsh net-dumpxml`, the filter from_libvirt_xml) and stop them there, or {another}."
        )


def _servers(wanted: Wanted, found: Found) -> t.Iterator[str]:
    bridges = [found.interfaces[name] for name in found.bridges(wanted) if name in found.interfaces]
    addresses = {ALL, *(address.partition("/")[0] for bridge in bridges for address in bridge.addresses)}
    others = [listener for listener in found.listeners if listener.pid not in found.ours]
    in_the_way: dict[tuple[str, int, int], set[str]] = {}
    for listener in others:
        if listener.address in addresses and not _shares(listener):
            in_the_way.setdefault((listener.command, listener.pid, listener.port), set()).add(listener.address)
    names = {PORTS[service]: service.upper() for service in wanted.services}
    for (command, pid, port), where in in_the_way.items():
        listens = "all addresses" if ALL in where else " and ".join(sorted(where))
        yield (
            f"{command} (process {pid}) listens on port {port} of {listens}, where dnsmasq is to serve {names[port]} to guests, which cannot start so: let"
            f" {command} listen on its own addresses only, or stop it."
        )
    running = {listener.command for listener in others}
    for command, (variable, services) in SERVERS.items():
        served = [service for service in services if service in wanted.services]
        if found.yes(variable) and command not in running and served:
            yield (
                f"{variable} is YES, and {command} will serve {' and '.join(service.upper() for service in served)} after the next boot: see that it listens"
                " on its own addresses only, otherwise guests are without."
            )


def _shares(listener: Socket) -> bool:
    """Any number of dnsmasq share the port of DHCP, each answering on its own interfaces."""
    return listener.port == PORTS["dhcp"] and listener.command == "dnsmasq"


def _forwarding(wanted: Wanted, found: Found) -> t.Iterator[str]:
    for family in wanted.forwarding:
        name = FORWARDING[family][1]
        if found.configured.get(name) == "0":
            yield (
                f"/etc/sysctl.conf sets {name} to 0, and is read again at the end of the boot, so guests reach nothing outside from then on: take the line out."
            )
    outside = found.interfaces.get(default_route(found.routes, "inet6") or "")
    learning = outside is not None and outside.accept_rtadv and not found.given("ipv6_defaultrouter") and not found.number("net.inet6.ip6.rfc6204w3")
    if outside and learning and "ipv6" in wanted.forwarding:
        yield (
            f"{outside.name} has its IPv6 routes from router advertisements, which a host that forwards IPv6 does not listen to, so it loses its way outside"
            f' when they expire: run `sysrc ipv6_cpe_wanif="{outside.name}"` and `sysctl net.inet6.ip6.rfc6204w3=1`, or give it a route with'
            " ipv6_defaultrouter in rc.conf."
        )


def _offload(wanted: Wanted, found: Found) -> t.Iterator[str]:
    for interface in (found.interfaces[name] for name in found.egress(wanted) if name in found.interfaces):
        name, has = interface.name, interface.capabilities
        if not interface.unit.startswith("vtnet"):
            continue
        if "RXCSUM" in has and vtnet_probe(interface.unit) not in found.sysctl:
            yield (
                f"{name} has RXCSUM, and this FreeBSD's vtnet takes packets whose checksum is not there yet for checked ones (PR 165059): forwarded to guests"
                f" they are dropped, and downloads crawl. Add `-rxcsum -txcsum -tso -lro` to ifconfig_{name} in rc.conf and run `ifconfig {name} -rxcsum"
                " -txcsum -tso -lro`, or set hw.vtnet.csum_disable=1 in /boot/loader.conf and reboot."
            )
        elif "LRO" in has and found.sysctl.get("hw.vtnet.lro_disable") == "0":
            yield (
                f"{name} has LRO, done by the machine that this one runs on: packets joined by it are too long to be forwarded, and dropped. Add `-lro` to"
                f" ifconfig_{name} in rc.conf and run `ifconfig {name} -lro`, or set hw.vtnet.lro_disable=1 in /boot/loader.conf and reboot."
            )
