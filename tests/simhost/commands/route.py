# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""route(8)."""

from __future__ import annotations

import re
import socket
import sys
import typing as t

from ..kernel import errors, interfaces, routes
from ..kernel.errors import KernelError
from ..program import CommandError, NotSimulated, Usage, options
from ..state import Host

USAGE = "route: usage: route [-j jail] [-46dnqtv] command [[modifiers] args]"
EX_USAGE, EX_DATAERR, EX_NOHOST, EX_OSERR = 64, 65, 68, 71
COMMANDS = ("add", "change", "del", "delete", "flush", "get", "monitor", "show")
GET_FLAGS = {"G": "GATEWAY", "H": "HOST", "R": "REJECT", "S": "STATIC", "B": "BLACKHOLE"}
NAMES_OF_ERRORS = {errors.ESRCH: "not in table", errors.EEXIST: "route already in table"}


class Request:
    """The words after the command: destination and mask, gateway or interface, flags."""

    def __init__(self, words: list[str], family: str) -> None:
        self.family = family
        self.destination = self.destination_text = self.gateway = self.gateway_text = ""
        self.prefixlen: int | None = None
        self.host = False
        self.interface = False
        self.flags = "S"
        words = list(words)
        while words:
            word = words.pop(0)
            if not word.startswith("-"):
                self._positional(word)
                continue
            keyword = word[1:]
            if keyword in ("4", "inet", "6", "inet6"):
                self.family = "inet6" if "6" in keyword else "inet"
            elif keyword in ("iface", "interface"):
                self.interface = True
            elif keyword in ("reject", "blackhole"):
                self.flags += "R" if keyword == "reject" else "B"
            elif keyword in ("static", "nostatic"):
                self.flags = self.flags.replace("S", "") + ("S" if keyword == "static" else "")
            elif keyword in ("net", "host"):
                self.host = keyword == "host"
                if self.host:
                    self.prefixlen = None
            elif keyword in ("prefixlen", "netmask", "gateway", "dst", "fib"):
                if not words:
                    raise Usage(USAGE, EX_USAGE)
                self._keyword(keyword, words.pop(0))
            elif keyword in "link sa nostick sticky lock lockrest proto1 proto2 proxy xresolve ifa ifp genmask mtu hopcount expire weight".split():
                raise NotSimulated(word)
            else:
                raise Usage(f"route: bad keyword: {keyword}\n{USAGE}", EX_USAGE)
        if not self.destination:
            raise Usage(f"route: destination parameter required\n{USAGE}", EX_USAGE)

    def _keyword(self, keyword: str, value: str) -> None:
        if keyword == "prefixlen":
            self.prefixlen = int(value) if value.isdigit() else 0
            width = routes.FAMILIES[self.family][1]
            if self.prefixlen > width:
                raise CommandError(f"{value}: bad value", EX_USAGE)
        elif keyword == "netmask":
            self.prefixlen = int.from_bytes(socket.inet_aton(value), "big").bit_count()
        elif keyword == "gateway":
            self._set_gateway(value)
        elif keyword == "dst":
            self._set_destination(value)
        elif value != "0":
            raise CommandError(f"invalid fib number: {value}", EX_USAGE)

    def _positional(self, word: str) -> None:
        if not self.destination:
            self._set_destination(word)
        elif not self.gateway:
            self._set_gateway(word)
        else:
            self._keyword("netmask", word)

    def _set_destination(self, word: str) -> None:
        self.destination_text = word
        if word == "default":
            self.destination, self.prefixlen = ("0.0.0.0" if self.family == "inet" else "::"), 0
            return
        address, slash, length = word.partition("/")
        if slash:
            if self.family == "inet":
                self.destination_text = address
            if not re.fullmatch(r"[0-9]+", length) or int(length) > routes.FAMILIES[self.family][1]:
                raise CommandError(f"bad mask length: {length}", EX_NOHOST)
            self.prefixlen = int(length)
        elif self.family == "inet6" and address == "::":
            self.prefixlen = 0
        self.destination = self._address(address)
        # 10/8 is 0.0.0.10: what looks like an old abbreviation of a network is refused.
        if slash and self.family == "inet" and "." not in address and self.destination != self.network:
            raise CommandError(f"malformed address, bits set after mask; {address} means {self.destination}", EX_NOHOST)

    def _set_gateway(self, word: str) -> None:
        self.gateway_text = word
        self.gateway = word if self.interface else self._address(word)

    def _address(self, word: str) -> str:
        name = "127.0.0.1" if word == "localhost" and self.family == "inet" else "::1" if word == "localhost" else word
        try:
            if self.family == "inet":
                return socket.inet_ntoa(socket.inet_aton(name))
            return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, name.partition("%")[0]))
        except OSError:
            if self.family == "inet":
                raise CommandError(f"bad address: {word}", EX_NOHOST) from None
            raise CommandError(f"{word}: Name does not resolve", EX_OSERR) from None

    @property
    def is_host(self) -> bool:
        return self.prefixlen in (None, routes.FAMILIES[self.family][1])

    @property
    def length(self) -> int:
        return routes.FAMILIES[self.family][1] if self.prefixlen is None else self.prefixlen

    @property
    def network(self) -> str:
        return routes.network(self.family, self.destination, self.length)


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    if not argv:
        raise Usage(USAGE, EX_USAGE)
    found, words = options(argv, "46nqdtvj:", USAGE, EX_USAGE)
    letters = {letter for letter, _value in found}
    if refused := letters & set("dtj"):
        raise NotSimulated(f"-{min(refused)}")
    if not words or words[0] not in COMMANDS:
        raise Usage(f"route: bad keyword: {words[0]}\n{USAGE}" if words else USAGE, EX_USAGE)
    command, family = words[0], "inet6" if "6" in letters else "inet"
    if command == "monitor":
        raise NotSimulated("monitor")
    if command == "flush":
        return _flush(host, words[1:], family if letters & {"4", "6"} else "", numeric="n" in letters)
    request = Request(words[1:], family)
    if command in ("get", "show"):
        return _get(host, request, numeric="n" in letters)
    error = ""
    try:
        {"a": _add, "c": _change, "d": _delete}[command[0]](host, request)
    except KernelError as failure:
        error = str(failure)
        print("route: route has not been found" if error == errors.ESRCH else f"route: message indicates error: {error}", file=sys.stderr)
    if "q" not in letters:
        line = f"{command} {'host' if request.is_host else 'net'} {request.destination_text}"
        line += f": gateway {request.gateway_text}" if request.gateway_text else ""
        print(line + (f" fib 0: {NAMES_OF_ERRORS.get(error, error)}" if error else ""))
    return 1 if error else 0


def _way(host: Host, request: Request) -> tuple[str, str, str]:
    """Gateway, interface and flags of the route that the words describe."""
    flags = "U" + ("" if request.interface else "G") + ("H" if request.is_host else "") + request.flags
    if request.interface:
        interface = interfaces.find(host.kernel, request.gateway)
        if interface is None:
            raise CommandError(f"interface '{request.gateway}' does not exist", EX_DATAERR)
        return f"link#{interface['index']}", interface["name"], flags
    if not request.gateway:
        raise KernelError(errors.EINVAL)
    near = routes.interface_for_gateway(host.kernel, request.family, request.gateway)
    if near is None:
        raise KernelError(errors.EINVAL)
    if set(request.flags) & set("RB"):
        # A route that drops packets has no gateway.
        return f"link#{near['index']}", near["name"], flags.replace("G", "")
    return request.gateway, near["name"], flags


def _ordered(flags: str) -> str:
    return "".join(letter for letter in "UGHRDMSB" if letter in flags)


def _add(host: Host, request: Request) -> None:
    gateway, interface, flags = _way(host, request)
    for route in host.kernel["routes"][request.family]:
        if (route["destination"], route["prefixlen"], route["gateway"]) == (request.network, request.length, gateway):
            raise KernelError(errors.EEXIST)
    if routes.get(host.kernel, request.family, request.network, request.length):
        # The kernel would make it a route with several paths.
        raise NotSimulated(f"a second route to {request.destination_text}")
    over = interfaces.find(host.kernel, interface)
    assert over is not None
    source = routes.source_for(over, request.family, request.gateway if gateway == request.gateway else None)
    routes.add(host.kernel, request.family, request.network, request.length, gateway, interface, _ordered(flags), source=source)


def _find(host: Host, request: Request) -> routes.Route:
    route = routes.get(host.kernel, request.family, request.network, request.length)
    if route is None:
        raise KernelError(errors.ESRCH)
    return route


def _change(host: Host, request: Request) -> None:
    route = _find(host, request)
    gateway, interface, flags = _way(host, request)
    route.update(gateway=gateway, interface=interface, flags=_ordered(flags))


def _delete(host: Host, request: Request) -> None:
    host.kernel["routes"][request.family].remove(_find(host, request))


def _flush(host: Host, words: list[str], family: str, *, numeric: bool) -> int:
    for word in words:
        if word not in ("-inet", "-4", "-inet6", "-6"):
            raise Usage(f"route: bad keyword: {word}\n{USAGE}", EX_USAGE)
        family = "inet6" if "6" in word else "inet"
    for name in [family] if family else list(routes.FAMILIES):
        for route in routes.table(host.kernel, name):
            if "G" in route["flags"]:
                host.kernel["routes"][name].remove(route)
                destination = _name(route["destination"], numeric or name == "inet6")
                print(f"{destination:20.20} {_name(route['gateway'], numeric):20.20} -fib 0   done")
    return 0


def _get(host: Host, request: Request, *, numeric: bool) -> int:
    if request.is_host:
        route = routes.lookup(host.kernel, request.family, request.destination)
    else:
        route = routes.get(host.kernel, request.family, request.network, request.length)
    if route is None:
        print("route: route has not been found", file=sys.stderr)
        return 255
    interface = interfaces.find(host.kernel, route["interface"])
    assert interface is not None
    width = routes.FAMILIES[request.family][1]
    flags = ["UP", *(GET_FLAGS[letter] for letter in "GHR" if letter in route["flags"]), "DONE"]
    flags += [GET_FLAGS[letter] for letter in "SB" if letter in route["flags"]]
    # Routes that an address brought belong to it, and cannot be changed.
    flags += ["PINNED"] if route["gateway"].startswith("link#") and set(route["flags"]) <= set("UHS") and not _is_static(route) else []
    scope = f"%{route['interface']}" if request.destination.startswith("fe80:") else ""
    print(f"   route to: {_name(request.destination, numeric)}{scope}")
    print(f"destination: {_name(route['destination'], numeric)}{scope}")
    if route["prefixlen"] < width:
        print(f"       mask: {_name(routes.text(request.family, routes.mask(route['prefixlen'], width)), numeric)}")
    if "G" in route["flags"]:
        print(f"    gateway: {_name(route['gateway'], numeric)}")
    print(f"        fib: 0\n  interface: {route['interface']}\n      flags: <{','.join(flags)}>")
    print(" recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire")
    print(f"{0:8d}  {0:8d}  {0:8d}  {0:8d}  {interface['mtu']:8d}  {1:8d}  {0:8d} ")
    return 0


def _is_static(route: routes.Route) -> bool:
    return "S" in route["flags"] and "H" not in route["flags"]


def _name(address: str, numeric: bool) -> str:
    if numeric:
        return address
    return {"0.0.0.0": "default", "::": "default", "127.0.0.1": "localhost", "::1": "localhost"}.get(address, address)
