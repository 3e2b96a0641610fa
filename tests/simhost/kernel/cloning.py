# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cloned interfaces: created, renamed and destroyed."""

from __future__ import annotations

import re

from . import bridge, clock, drivers, errors, interfaces, routes
from .errors import KernelError
from .interfaces import NAME_SIZE, Interface, Kernel, find, of

# The module that makes an interface of each kind. Those of the GENERIC kernel are there from the start.
CLONERS = {"bridge": "if_bridge", "epair": "if_epair", "lo": "if_loop", "tap": "if_tuntap"}
# The kinds that the GENERIC kernel has built in, in the order in which ifconfig lists them; some are not simulated.
BUILT_IN = ("vlan", "vmnet", "tap", "tun", "lo", "gif")
UNITS = 1 << 15
# How long devd and the script that it starts are busy with a new interface.
DEVD_MS = 900


def cloners(kernel: Kernel) -> list[str]:
    """The kinds of interfaces that can be cloned: those of modules, the last one loaded first, then the kernel's own."""
    kind_of_module = {module: kind for kind, module in CLONERS.items()}
    loaded = [kind_of_module[module] for module in reversed(kernel["modules"]) if module in kind_of_module and kind_of_module[module] not in BUILT_IN]
    return [*loaded, *BUILT_IN]


def _kind_of(name: str) -> str | None:
    """The cloner that answers to a name such as ``bridge`` or ``bridge12``."""
    match = re.fullmatch(r"([a-z]+)([0-9]*)", name)
    return match[1] if match and match[1] in CLONERS else None


def create(kernel: Kernel, name: str) -> str:
    """Clone an interface as SIOCIFCREATE2 does and return its name; without a unit number the first free one is taken."""
    kind = _kind_of(name)
    if find(kernel, name):
        raise KernelError(errors.EEXIST)
    if kind is None or CLONERS[kind] not in kernel["modules"]:
        raise KernelError(errors.EINVAL)
    digits = name.removeprefix(kind)
    if len(digits) > 1 and digits.startswith("0"):
        raise KernelError(errors.EINVAL)
    unit = int(digits) if digits else next(unit for unit in range(UNITS) if not _unit_taken(kernel, kind, unit))
    if unit >= UNITS:
        raise KernelError(errors.ENOSPC)
    if _unit_taken(kernel, kind, unit):
        raise KernelError(errors.EEXIST)
    name = f"{kind}{unit}"
    if kind == "epair":
        for end in "ab":
            _attach(kernel, kind, f"{name}{end}")
        for end in "ba":
            interfaces.join_group(kernel, f"{name}{end}", kind)
        return f"{name}a"
    _attach(kernel, kind, name)
    interfaces.join_group(kernel, name, kind)
    return name


def destroy(kernel: Kernel, interface: Interface) -> None:
    """Destroy a cloned interface; it leaves its bridge, and its members leave it."""
    if interface["kind"] == "ether" or interface["unit"] == "lo0":
        raise KernelError(errors.EINVAL)
    for end in _ends(kernel, interface):
        bridge.forget(kernel, end)
        for member in list(end.get("bridge", {}).get("members", ())):
            bridge.remove_member(kernel, end, member["name"])
        of(kernel).remove(end)
        for group in end["groups"]:
            interfaces.leave_group(kernel, end["unit"], group)
        routes.forget_interface(kernel, end)


def rename(kernel: Kernel, interface: Interface, name: str) -> None:
    """Give an interface another name; its unit number stays taken."""
    if len(name) >= NAME_SIZE:
        raise KernelError(errors.ENAMETOOLONG)
    if not name:
        raise KernelError(errors.EINVAL)
    if name == interface["name"]:
        return
    if find(kernel, name):
        raise KernelError(errors.EEXIST)
    old = interface["name"]
    interface["name"] = name
    for other in of(kernel):
        for port in (*other.get("bridge", {}).get("members", ()), *other.get("bridge", {}).get("addresses", ())):
            if port.get("name") == old:
                port["name"] = name
    for route in (*kernel["routes"]["inet"], *kernel["routes"]["inet6"]):
        for field in ("interface", "scope"):
            if route[field] == old:
                route[field] = name


def _unit_taken(kernel: Kernel, kind: str, unit: int) -> bool:
    names = {f"{kind}{unit}", *(f"{kind}{unit}{end}" for end in "ab" if kind == "epair")}
    return any(interface["unit"] in names or interface["name"] in names for interface in of(kernel))


def _ends(kernel: Kernel, interface: Interface) -> list[Interface]:
    """The interface itself, or both ends of an epair."""
    if interface["kind"] != "epair":
        return [interface]
    return [other for other in of(kernel) if other["kind"] == "epair" and other["unit"][:-1] == interface["unit"][:-1]]


def _attach(kernel: Kernel, kind: str, name: str) -> None:
    drivers.attach(kernel, kind, name)
    # devd takes the news of one interface after the other.
    busy_until = max((event["at"] for event in kernel["clock"]["pending"] if event["event"] == "devd"), default=clock.now(kernel))
    clock.schedule(kernel, busy_until - clock.now(kernel) + DEVD_MS, "devd", name)
