# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interfaces and hosts of a simulated machine, as pfctl looks them up when it reads a rule."""

from __future__ import annotations

import re
import socket
import sys
import typing as t
from pathlib import Path

from .rules import ALL_ONES, FULL_LENGTH, Address, Host, mask_of, pack

MODIFIERS = ("network", "broadcast", "peer", "0")
# What FreeBSD's /etc/hosts says, where there is none.
_DEFAULT_HOSTS = "::1 localhost localhost.my.domain\n127.0.0.1 localhost localhost.my.domain\n"
_DECIMAL = re.compile(r"\d+\Z")


class BadModifier(ValueError):
    """An interface name with an unknown modifier."""


def split_modifiers(name: str) -> tuple[str, list[str]]:
    """``"em0:network:0"`` to the name and its modifiers in pfctl's order; BadModifier for one that it does not know."""
    found = set()
    while ":" in name:
        name, _, modifier = name.rpartition(":")
        if modifier not in MODIFIERS:
            raise BadModifier(f"{name}:{modifier}")
        found.add(modifier)
    return name, [modifier for modifier in MODIFIERS if modifier in found]


def exclude_each_other(modifiers: list[str]) -> bool:
    """Whether more than one of network, broadcast and peer is given."""
    return len(set(modifiers) - {"0"}) > 1


class Interfaces:
    """The interfaces of ``kernel["interfaces"]`` and their groups."""

    def __init__(self, kernel: dict[str, t.Any]) -> None:
        self._interfaces = kernel.get("interfaces", [])
        # pfctl fetches the list when a statement first names something that may be an interface. Until then it knows none by number.
        self._fetched = False

    def names(self) -> list[str]:
        """The names, in the kernel's order."""
        return [interface["name"] for interface in self._interfaces]

    def group(self, name: str) -> list[str]:
        """The members of a group, none if there is no such group. Every interface is in ``all``, which is no group to pfctl."""
        if name == "all":
            return []
        return [interface["name"] for interface in self._interfaces if name in interface.get("groups", [])]

    def groups(self) -> list[str]:
        """The names of all groups."""
        return sorted({group for interface in self._interfaces for group in interface.get("groups", [])} | {"all"})

    def exists(self, name: str) -> bool:
        """Whether this is an interface or a group."""
        self._fetched = True
        return name in self.names() or bool(self.group(name))

    def is_loopback(self, name: str) -> bool:
        """Whether this interface loops back; never for a group."""
        self._fetched = True
        return not self.group(name) and any(interface["name"] == name and "LOOPBACK" in interface.get("flags", []) for interface in self._interfaces)

    def index(self, name: str) -> int:
        """The number of an interface, 0 if there is none."""
        return next((interface["index"] for interface in self._interfaces if interface["name"] == name), 0)

    def name_of(self, index: int) -> str:
        """The name of an interface's number, "" if there is none, or if no statement has named an interface yet."""
        if not self._fetched:
            return ""
        return next((interface["name"] for interface in self._interfaces if interface["index"] == index), "")

    def lookup(self, name: str, modifiers: list[str]) -> list[Host]:
        """The addresses of an interface, of a group's members, or of all interfaces for ``self``."""
        self._fetched = True
        if members := self.group(name):
            hosts = [host for member in members for host in self.lookup(member, modifiers)]
            if hosts:
                return hosts
        meant = [interface for interface in self._interfaces if name == "self" or self._is_meant(interface["name"], name)]
        return [host for interface in meant for host in _addresses(interface, modifiers)]

    def count(self, name: str, modifiers: list[str], af: str) -> int:
        """How many addresses the kernel has for a dynamic interface: of an interface or a group by its very name, each once."""
        members = self.names() if name == "self" else self.group(name) or [name]
        hosts = [host for interface in self._interfaces if interface["name"] in members for host in _addresses(interface, modifiers)]
        return len({(host.af, host.addr.address, host.addr.mask) for host in hosts if af in ("", host.af)})

    @staticmethod
    def _is_meant(interface: str, name: str) -> bool:
        """``em`` stands for em0, em1 and so on, ``em0`` for itself alone."""
        return interface == name or (not name[-1:].isdigit() and interface.startswith(name) and interface[len(name) :].isdigit())


def _addresses(interface: dict[str, t.Any], modifiers: list[str]) -> list[Host]:
    flags = interface.get("flags", [])
    if "peer" in modifiers and "POINTOPOINT" not in flags:
        return []
    ipv4, ipv6 = _ipv4_addresses(interface, modifiers), [] if "broadcast" in modifiers else _ipv6_addresses(interface, modifiers)
    # The kernel gives a loopback interface its IPv6 addresses when it appears, before anybody configures it.
    return ipv6 + ipv4 if "LOOPBACK" in flags else ipv4 + ipv6


def _ipv4_addresses(interface: dict[str, t.Any], modifiers: list[str]) -> list[Host]:
    hosts = []
    for entry in interface.get("inet", []):
        if "broadcast" in modifiers and ("BROADCAST" not in interface.get("flags", []) or not entry.get("broadcast")):
            continue
        chosen = entry["address"]
        if "broadcast" in modifiers:
            chosen = entry["broadcast"]
        elif "peer" in modifiers:
            chosen = entry.get("peer", chosen)
        hosts.append(_interface_host(interface, "inet", chosen, entry["prefixlen"], modifiers))
    return hosts[:1] if "0" in modifiers else hosts


def _ipv6_addresses(interface: dict[str, t.Any], modifiers: list[str]) -> list[Host]:
    hosts = []
    for entry in interface.get("inet6", []):
        text = entry["address"].partition("%")[0]
        linklocal = pack(text, "inet6") >> 118 == 0xFE80 >> 6
        # A link-local network means nothing without its interface.
        if linklocal and {"0", "network"} & set(modifiers):
            continue
        host = _interface_host(interface, "inet6", text, entry["prefixlen"], modifiers)
        host.ifindex = interface["index"] if linklocal else 0
        hosts.append(host)
    return hosts[:1] if "0" in modifiers else hosts


def _interface_host(interface: dict[str, t.Any], af: str, address: str, length: int, modifiers: list[str]) -> Host:
    addr = Address(address=pack(address, af))
    addr.set_length(length if "network" in modifiers else FULL_LENGTH[af])
    return Host(addr, af, ifname=interface["name"])


class Resolver:
    """Turns what a rule says for a host into addresses. Complaints go to stderr, as pfctl's."""

    def __init__(self, interfaces: Interfaces, hosts_file: Path, *, numeric: bool = False) -> None:
        self.interfaces = interfaces
        self._hosts_file = hosts_file
        self._numeric = numeric

    def host(self, text: str) -> list[Host]:
        """The addresses that ``text`` stands for: an address or network, an interface with modifiers, a name of /etc/hosts."""
        name, slash, length_text = text.partition("/")
        length = None
        if slash:
            if not _DECIMAL.match(length_text):
                return _complain(f"netmask is invalid: /{length_text}")
            length = int(length_text)
            if length > 128:
                return _complain(f"netmask is too large: /{length_text}")
        hosts = self._numeric_host(name, length) or self._interface_host(name, length) or self._named_host(name, length)
        return hosts or _complain(f"no IP address found for {text}")

    def _numeric_host(self, name: str, length: int | None) -> list[Host]:
        if length is not None and (address := _classful(name)) is not None:
            return [_host(address, "inet", length)]
        text, _, scope = name.partition("%")
        try:
            host = _host(pack(text, "inet6"), "inet6", length)
        except OSError:
            pass
        else:
            host.ifindex = self.interfaces.index(scope) if scope else 0
            return [host] if host.ifindex or not scope else []
        try:
            return [_host(int.from_bytes(socket.inet_aton(name), "big") << 96, "inet", length)]
        except OSError:
            return []

    def _interface_host(self, text: str, length: int | None) -> list[Host]:
        try:
            name, modifiers = split_modifiers(text)
        except BadModifier:
            return []
        if exclude_each_other(modifiers):
            return _complain("illegal combination of interface modifiers")
        if length is not None and {"network", "broadcast"} & set(modifiers):
            return _complain("network or broadcast lookup, but extra netmask given")
        if name != "self" and not self.interfaces.exists(name):
            return []
        hosts = self.interfaces.lookup(name, modifiers)
        if length is not None:
            for host in hosts:
                host.addr.set_length(length)
        return hosts

    def named(self, name: str) -> list[Host]:
        """The addresses of a name of /etc/hosts."""
        return self._named_host(name, None)

    def _named_host(self, text: str, length: int | None) -> list[Host]:
        name, colon, rest = text.rpartition(":")
        first_only = colon and rest == "0"
        hosts: list[Host] = []
        if self._numeric:
            return hosts
        for address in self._hosts_of(name if first_only else text):
            af = "inet6" if ":" in address else "inet"
            if not first_only or af not in {host.af for host in hosts}:
                hosts.append(_host(pack(address, af), af, length))
        return hosts

    def _hosts_of(self, name: str) -> list[str]:
        text = self._hosts_file.read_text(encoding="utf-8") if self._hosts_file.is_file() else _DEFAULT_HOSTS
        lines = [line.partition("#")[0].split() for line in text.splitlines()]
        # A host that has no IPv6 of its own prefers IPv4.
        return sorted((words[0] for words in lines if name in words[1:]), key=lambda address: ":" in address)


def _host(address: int, af: str, length: int | None) -> Host:
    addr = Address(address=address)
    # A length beyond the family's is kept: it is an error of the rule, found when the rule is expanded.
    addr.mask = mask_of(FULL_LENGTH[af] if length is None else length)
    addr.address &= addr.mask & ALL_ONES
    return Host(addr, af)


def _classful(text: str) -> int | None:
    """``10.1`` of ``10.1/16``: the first bytes of a network, which is not what inet_aton(3) takes it for."""
    parts = text.split(".")
    if len(parts) > 4 or not all(_DECIMAL.match(part) and int(part) < 256 for part in parts):
        return None
    return int.from_bytes(bytes(map(int, parts)).ljust(16, b"\0"), "big")


def _complain(message: str) -> list[Host]:
    print(message, file=sys.stderr)
    return []
