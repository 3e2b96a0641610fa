# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The routing table: one list of routes a family, kept as the kernel keeps it when addresses and interfaces change.

A route is ``{destination, prefixlen, gateway, interface, flags, nexthop, way, scope, source}``: ``gateway`` is an address or ``link#INDEX``,
``flags`` are netstat's letters, ``nexthop`` is the index of its next hop, ``way`` what it shares that with, ``scope`` the interface that a
link-local destination belongs to and ``source`` the address that the route needs.
"""

from __future__ import annotations

import socket
import typing as t

from . import errors
from .errors import KernelError
from .interfaces import Interface, Kernel, find, is_up, of

Route = dict[str, t.Any]
FAMILIES = {"inet": (socket.AF_INET, 32), "inet6": (socket.AF_INET6, 128)}


def mask(prefixlen: int, width: int) -> int:
    """The netmask as a number."""
    return ((1 << prefixlen) - 1) << (width - prefixlen)


def number(family: str, address: str) -> int:
    """An address as a number; an interface after ``%`` is ignored."""
    return int.from_bytes(socket.inet_pton(FAMILIES[family][0], address.partition("%")[0]), "big")


def text(family: str, value: int) -> str:
    """The address of a number."""
    address_family, width = FAMILIES[family]
    return socket.inet_ntop(address_family, value.to_bytes(width // 8, "big"))


def network(family: str, address: str, prefixlen: int) -> str:
    """The network address that an address belongs to."""
    return text(family, number(family, address) & mask(prefixlen, FAMILIES[family][1]))


def table(kernel: Kernel, family: str) -> list[Route]:
    """The routes in the order in which the kernel walks them: by destination, a longer prefix of the same one first."""

    def key(route: Route) -> tuple[int, int]:
        value = number(family, route["destination"])
        if route["destination"].startswith("fe80:") and route["prefixlen"] >= 64:
            # Inside the kernel the second group of a link-local address is the index of its interface.
            scope = find(kernel, route["scope"])
            value |= (scope["index"] if scope else 0) << 96
        return value, -route["prefixlen"]

    return sorted(kernel["routes"][family], key=key)


def get(kernel: Kernel, family: str, destination: str, prefixlen: int, scope: str = "") -> Route | None:
    """The route with exactly this destination; link-local ones exist once an interface."""
    for route in kernel["routes"][family]:
        if (route["destination"], route["prefixlen"]) == (destination, prefixlen) and scope in ("", route["scope"]):
            return t.cast(Route, route)
    return None


def lookup(kernel: Kernel, family: str, address: str) -> Route | None:
    """The route that packets to an address take: the longest prefix that contains it."""
    width = FAMILIES[family][1]
    wanted = number(family, address)
    matching = [route for route in kernel["routes"][family] if wanted & mask(route["prefixlen"], width) == number(family, route["destination"])]
    return max(matching, key=lambda route: route["prefixlen"], default=None)


def interface_for_gateway(kernel: Kernel, family: str, gateway: str) -> Interface | None:
    """The interface that reaches a gateway directly, or the one that has its address."""
    width = FAMILIES[family][1]
    for interface in of(kernel):
        for entry in interface[family]:
            if entry["address"] == gateway:
                return find(kernel, "lo0") if family == "inet" and "LOOPBACK" not in interface["flags"] else interface
    best: tuple[int, Interface] | None = None
    for interface in of(kernel):
        for entry in interface[family]:
            netmask = mask(entry["prefixlen"], width)
            near = number(family, gateway) & netmask == number(family, entry["address"]) & netmask
            if near and is_up(interface) and (best is None or entry["prefixlen"] > best[0]):
                best = entry["prefixlen"], interface
    return best[1] if best else None


def add(kernel: Kernel, family: str, destination: str, prefixlen: int, gateway: str, interface: str, flags: str, scope: str = "", source: str = "") -> None:
    """Add a route; there must be none with the same destination. It goes away with the address ``source``."""
    routes: list[Route] = kernel["routes"][family]
    if get(kernel, family, destination, prefixlen, scope):
        raise KernelError(errors.EEXIST)
    # Routes that lead the same way share a next hop; what an address brought has its own, in IPv6 one for all of an interface.
    owner = "" if set("GRBS") & set(flags.replace("UHS", "")) else source
    if family == "inet6" and owner and (near := _interface_with(kernel, family, source)) and near["name"] != "lo0":
        owner = near["name"]
    way = [gateway, interface, flags, owner]
    used = {route["nexthop"] for route in routes}
    route = {
        "destination": destination,
        "prefixlen": prefixlen,
        "gateway": gateway,
        "interface": interface,
        "flags": flags,
        "nexthop": next((route["nexthop"] for route in routes if route["way"] == way), None)
        or next(index for index in range(1, len(used) + 2) if index not in used),
        "scope": scope,
        "source": source,
        "way": way,
    }
    routes.append(route)


def _interface_with(kernel: Kernel, family: str, address: str) -> Interface | None:
    return next((interface for interface in of(kernel) if any(entry["address"] == address for entry in interface[family])), None)


def source_for(interface: Interface, family: str, gateway: str | None) -> str:
    """The address of an interface that a route over it belongs to: of the gateway's network, else the first."""
    width = FAMILIES[family][1]
    for entry in interface[family]:
        netmask = mask(entry["prefixlen"], width)
        if gateway and number(family, gateway) & netmask == number(family, entry["address"]) & netmask:
            return str(entry["address"])
    return str(interface[family][0]["address"]) if interface[family] else ""


def add_address(kernel: Kernel, interface: Interface, family: str, address: str, prefixlen: int) -> None:
    """Install what a new address brings: the route to its network, and the one to itself through the loopback."""
    width = FAMILIES[family][1]
    loopback = "LOOPBACK" in interface["flags"]
    link = f"link#{interface['index']}"
    scope = interface["name"] if address.startswith("fe80:") else ""
    to_network = not (loopback and family == "inet") and prefixlen < width
    if to_network and family == "inet":
        _add_network(kernel, interface, family, address, prefixlen, scope)
    if not get(kernel, family, address, width, scope):
        if loopback:
            add(kernel, family, address, width, link, interface["name"], "UH" if family == "inet" else "UHS", scope, address)
        else:
            lo0 = find(kernel, "lo0")
            assert lo0 is not None
            # A link-local address belongs to its interface's scope, though its packets turn around in lo0.
            add(kernel, family, address, width, f"link#{lo0['index']}", "lo0", "UHS", scope, address)
    if to_network and family == "inet6":
        _add_network(kernel, interface, family, address, prefixlen, scope)


def _add_network(kernel: Kernel, interface: Interface, family: str, address: str, prefixlen: int, scope: str) -> None:
    destination = network(family, address, prefixlen)
    if not get(kernel, family, destination, prefixlen, scope):
        add(kernel, family, destination, prefixlen, f"link#{interface['index']}", interface["name"], "U", scope, address)


def delete_address(kernel: Kernel, interface: Interface, family: str, address: str, prefixlen: int) -> None:
    """Remove the routes of an address that is gone, and all that led through its network, unless another address keeps them."""
    width = FAMILIES[family][1]
    routes: list[Route] = kernel["routes"][family]
    scope = interface["name"] if address.startswith("fe80:") else ""
    if scope or not any(entry["address"] == address for other in of(kernel) for entry in other[family]):
        routes[:] = [route for route in routes if (route["destination"], route["prefixlen"]) != (address, width) or scope not in ("", route["scope"])]
    destination = network(family, address, prefixlen)
    routes[:] = [
        route
        for route in routes
        if not (route["interface"] == interface["name"] and (route["destination"], route["prefixlen"], route["flags"]) == (destination, prefixlen, "U"))
    ]
    for other in of(kernel):
        for entry in other[family]:
            if is_up(other) and entry["prefixlen"] == prefixlen < width and network(family, entry["address"], prefixlen) == destination:
                add_address(kernel, other, family, entry["address"], prefixlen)
    routes[:] = [route for route in routes if (route["source"], route["interface"]) != (address, interface["name"]) or route["flags"] == "U"]


def withdraw_interface(kernel: Kernel, interface: Interface) -> None:
    """The interface went down: the routes to its IPv4 networks leave the table."""
    routes = kernel["routes"]["inet"]
    routes[:] = [route for route in routes if route["interface"] != interface["name"] or route["flags"] != "U"]


def restore_interface(kernel: Kernel, interface: Interface) -> None:
    """The interface went up: the routes to its networks are back."""
    for family in FAMILIES:
        for entry in interface[family]:
            add_address(kernel, interface, family, entry["address"], entry["prefixlen"])


def forget_interface(kernel: Kernel, interface: Interface) -> None:
    """The interface is gone, with all its addresses and routes."""
    for family in FAMILIES:
        for entry in interface[family]:
            delete_address(kernel, interface, family, entry["address"], entry["prefixlen"])
    for routes in kernel["routes"].values():
        routes[:] = [route for route in routes if interface["name"] not in (route["interface"], route["scope"])]
