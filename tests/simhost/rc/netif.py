# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interfaces as rc.conf describes them (network.subr, and the script netif)."""

from __future__ import annotations

import re

from ..kernel import interfaces
from ..program import NotSimulated
from . import config, words
from .routing import ROUTING
from .script import Run, Script

PSEUDO_ARGUMENTS = ("dhcp", "noauto", "nosyncdhcp", "syncdhcp", "wpa", "hostap")
DHCP_ARGUMENTS = ("dhcp", "nosyncdhcp", "syncdhcp")
FAMILIES = ("inet", "inet6", "link", "ether")
# What netif waits for duplicate address detection after it has set IPv6 addresses: dad_count and one second.
DAD_WAIT_MS = 2000


def start_interface(run: Run, name: str) -> None:
    """Configure an interface."""
    _configure(run, name)
    if _is_ipv6(run, name):
        _aliases(run, name, "inet6", "alias")
    if name == "lo0" and not _variable(run, name, "ifconfig_IF"):
        run.command("ifconfig", name, "inet", "127.0.0.1/8", "alias")
    _aliases(run, name, "inet", "alias")


def stop_interface(run: Run, name: str) -> None:
    """Take an interface's addresses away, and take it down."""
    if _is_dhcp(run, name):
        raise NotSimulated(f"stopping {name}, which has its address from DHCP")
    _aliases(run, name, "inet", "-alias")
    interface = interfaces.find(run.host.kernel, name)
    assert interface is not None
    for entry in list(interface["inet"]):
        run.command("ifconfig", name, "inet", entry["address"], "delete")
    if _is_ipv6(run, name):
        for entry in list(interface["inet6"]):
            run.command("ifconfig", name, "inet6", entry["address"], "-alias")
    run.command("ifconfig", name, "down")


def clone_up(run: Run, names: list[str]) -> int:
    """Create the interfaces of ``cloned_interfaces`` that do not exist, all of them or those that are named."""
    made: list[str] = []
    for entry in run.variables.get("cloned_interfaces", "").split():
        name = entry.partition(":")[0]
        if names and name not in names:
            continue
        ends = [f"{name}a", f"{name}b"] if re.match(r"epair[0-9]", name) else [name]
        if any(run.silent("ifconfig", end)[0] == 0 for end in ends):
            continue
        if run.command("ifconfig", name, "create", *_variable(run, name, "create_args_IF").split()) == 0:
            made += ends
    if made:
        print(f"Created clone interfaces: {' '.join(made)}.")
    return 0


def clone_down(run: Run, names: list[str]) -> int:
    """Destroy what ``cloned_interfaces`` lists and that exists under its first name."""
    gone: list[str] = []
    for entry in run.variables.get("cloned_interfaces", "").split():
        name, _colon, option = entry.partition(":")
        if option == "sticky" or (names and name not in names):
            continue
        ends = [f"{name}a", f"{name}b"] if re.match(r"epair[0-9]", name) else [name]
        there = next((end for end in ends if run.silent("ifconfig", end)[0] == 0), None)
        if there and run.command("ifconfig", "-n", there, "destroy") == 0:
            gone += ends
    if gone:
        print(f"Destroyed clone interfaces: {' '.join(gone)}.")
    return 0


def rename(run: Run, names: list[str]) -> None:
    """Give interfaces the names of ``ifconfig_IF_name``."""
    for name in names or [interface["name"] for interface in interfaces.of(run.host.kernel)]:
        new_name = _variable(run, name, "ifconfig_IF_name")
        if new_name:
            run.command("ifconfig", name, "name", *new_name.split())


def _variable(run: Run, name: str, pattern: str, default: str = "") -> str:
    return config.interface_variable(run.variables, name, pattern, default)


def _all_arguments(run: Run, name: str, suffix: str = "") -> list[str]:
    return _variable(run, name, f"ifconfig_IF{suffix}", run.variables.get("ifconfig_DEFAULT", "")).split()


def _arguments(run: Run, name: str, suffix: str = "") -> str:
    """What of an interface's variable is for ifconfig, not yet evaluated."""
    kept: list[str] = []
    given = iter(_all_arguments(run, name, suffix))
    for word in given:
        if word == "vnet":
            next(given, "")  # the jail that it names
        elif word.lower() not in PSEUDO_ARGUMENTS:
            kept.append(word)
    return words.echoed(" ".join(kept))


def _is_dhcp(run: Run, name: str) -> bool:
    return any(word.lower() in DHCP_ARGUMENTS for word in _all_arguments(run, name))


def _is_ipv6(run: Run, name: str) -> bool:
    return name == "lo0" or bool(_all_arguments(run, name, "_ipv6"))


def _configure(run: Run, name: str) -> None:
    configured = name == "lo0"
    if config.is_yes(run.variables, "ipv6_activate_all_interfaces"):
        run.command("ifconfig", name, "inet6", "-ifdisabled")
    arguments = _arguments(run, name)
    if arguments:
        # The script evaluates the line once more, so that quotes inside the variable's value count.
        run.command("ifconfig", name, *words.evaluated(arguments))
        configured = True
    arguments = _arguments(run, name, "_ipv6")
    if arguments:
        if re.match(r":|[0-9a-fA-F].*:", arguments):
            run.warn(f'$ifconfig_{name}_ipv6 needs leading "inet6" keyword for an IPv6 address.')
            arguments = f"inet6 {arguments}"
        run.command("ifconfig", name, "inet6", "-ifdisabled")
        run.command("ifconfig", name, *words.evaluated(arguments))
        configured = True
    for family in ("link", "ether"):
        _aliases(run, name, family, "alias")
    description = _variable(run, name, "ifconfig_IF_descr")
    if description:
        run.command("ifconfig", name, "description", description)
    if configured:
        run.command("ifconfig", name, "up")
    if _is_dhcp(run, name):
        run.command("ifconfig", name, "up")
        lease = run.host.kernel["dhcp"].get(name)
        if lease:
            run.command("ifconfig", name, "inet", lease)


def _aliases(run: Run, name: str, family: str, action: str) -> bool:
    """Add or remove the addresses of one family in ``ifconfig_IF_aliases`` and ``ifconfig_IF_aliasN``."""
    if family in ("link", "ether") and action == "-alias":
        return False
    listed = _variable(run, name, "ifconfig_IF_aliases").split()
    for key, value in _numbered_aliases(run, name):
        if not value:
            break
        if value[0] in FAMILIES:
            listed += value if value[0] == family else []
        elif (family, action) == ("inet", "alias"):
            run.warn(f'${key} needs leading "inet" keyword for an IPv4 address.')
            listed += ["inet", *value]
    listed += [word for address in _variable(run, name, "ipv4_addrs_IF").split() for word in ("inet", address)]
    groups: list[list[str]] = []
    for word in listed:
        if word in FAMILIES:
            groups.append([])
        if groups:
            groups[-1].append(word)
    done = False
    for group in groups:
        if group[0] == family and len(group) > 1:
            if re.search(r"[0-9a-fA-F]-", " ".join(group[1:])):
                raise NotSimulated(f"a range of addresses, {group[1]}")
            # All but the last are evaluated once more.
            arguments = group if group is groups[-1] else words.evaluated(" ".join(group))
            done |= run.command("ifconfig", name, *arguments, action) == 0
    return done


def _numbered_aliases(run: Run, name: str) -> list[tuple[str, list[str]]]:
    """The variables ``ifconfig_IF_aliasN`` in the order of their numbers, each with its words."""
    prefix = config.variable_name(name, "ifconfig_IF_alias")
    numbered = sorted((int(key.removeprefix(prefix)), key) for key in run.variables if re.fullmatch(f"{prefix}[0-9]+", key))
    return [(key, words.fields(run.variables[key])) for _number, key in numbered]


def _listed(run: Run) -> list[str]:
    """The interfaces that netif works on by itself: lo0 first."""
    names = run.variables.get("network_interfaces", "auto")
    if names.lower() == "auto":
        listed = [
            interface["name"]
            for interface in interfaces.of(run.host.kernel)
            if "noauto" not in (word.lower() for word in _all_arguments(run, interface["name"]))
        ]
    else:
        listed = [*names.split(), *run.variables.get("cloned_interfaces", "").split()]
    return ["lo0", *(name for name in listed if name != "lo0")]


def _each(run: Run, names: list[str], verb: str) -> int:
    done: list[str] = []
    waits = False
    for name in names or _listed(run):
        exists = interfaces.find(run.host.kernel, name) is not None
        if verb == "Stopping" and not exists:
            run.warn(f"{name} does not exist.  Skipped.")
            continue
        (start_interface if verb == "Starting" else stop_interface)(run, name)
        # The script takes each interface for done, because what it does for IPv6 never fails.
        done.append(name)
        waits |= _is_ipv6(run, name) and name != "lo0"
    if waits and verb == "Starting":
        from ..execute import wait

        wait(run.host, DAD_WAIT_MS)
    if done and run.message(f"{verb} Network: {' '.join(done)}."):
        for name in done:
            run.command("ifconfig", name)
    return 0


def _start(run: Run, names: list[str]) -> int:
    clone_up(run, names)
    rename(run, names)
    _each(run, names, "Starting")
    for name in names:
        ROUTING.run(run.host, "static", ["any", name])
    return 0


def _stop(run: Run, names: list[str]) -> int:
    _each(run, names, "Stopping")
    clone_down(run, names)
    for name in names:
        ROUTING.run(run.host, "stop", ["any", name])
    return 0


NETIF = Script(
    "netif",
    "Network interface setup",
    {
        "start": _start,
        "stop": _stop,
        "cloneup": clone_up,
        "clonedown": clone_down,
        "clear": lambda run, names: _each(run, names, "Stopping"),
    },
    rcvar="netif_enable",
    configuration=("network", "netif"),
    not_simulated=("vnetup", "vnetdown"),
)
