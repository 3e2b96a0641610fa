# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine that a host runs on: what starting it does, for the first time and again.

The kernel's state keeps the machine's description as ``machine``: ``name``, ``interfaces``, ``dhcp``, ``neighbours``, ``sysctl`` and
``modules`` as they are in ``hosts/NAME.json``.
"""

from __future__ import annotations

import copy
import re
import typing as t
import uuid

from . import rc
from .kernel import clock, drivers, modules, processes, sysctl
from .kernel.errors import KernelError
from .state import Host

# How long the machine is away, from the end of the old kernel to the beginning of the new one.
AWAY_MS = 10_000


def describe(name: str, description: dict[str, t.Any]) -> dict[str, t.Any]:
    """What of a host's description is needed at each start."""
    defaults: dict[str, t.Any] = {"interfaces": [], "dhcp": {}, "neighbours": [], "sysctl": {}, "modules": []}
    return {"name": name, **{key: description.get(key, default) for key, default in defaults.items()}}


def start(host: Host, machine: dict[str, t.Any], *, now: int = 0) -> None:
    """Start a new kernel at a time of the host's clock, and boot; of what the old one knew nothing is left."""
    loader = _loader_settings(host)
    kernel = _kernel(machine, loader, now)
    # Cleared and filled, not replaced: others hold the dictionary.
    host.kernel.clear()
    host.kernel.update(kernel)
    rc.boot(host)
    host.path("/etc/hostname").write_text(f"{kernel_hostname(host)}\n", encoding="utf-8")


def restart(host: Host) -> None:
    """What a reboot leaves: the files, the clock, and what the boot makes of the files."""
    start(host, host.kernel["machine"], now=host.kernel["clock"]["now"] + AWAY_MS)


def kernel_hostname(host: Host) -> str:
    """The name that the host has given itself at boot; the root directory of its commands gets it, too."""
    return str(host.kernel["sysctl"]["kern.hostname"])


def _kernel(machine: dict[str, t.Any], loader: dict[str, str], now: int) -> dict[str, t.Any]:
    kernel: dict[str, t.Any] = {
        "machine": machine,
        "clock": {"now": now, "pending": []},
        "modules": list(modules.BUILT_IN),
        "sysctl": {},
        "interfaces": [],
        "groups": {"lo": ["lo0"]},
        "routes": {"inet": [], "inet6": []},
        "dhcp": copy.deepcopy(machine["dhcp"]),
        "neighbours": copy.deepcopy(machine["neighbours"]),
        "pf": None,
        "processes": processes.new(),
    }
    known = {name: value for name, value in loader.items() if name in sysctl.WRITABLE or any(name in names for names in sysctl.OF_MODULE.values())}
    sysctl.initialize(kernel, {"kern.hostuuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{machine['name']}.simhost")), **machine["sysctl"], **known})
    kernel["sysctl"]["kern.boottime"] = f"{{ sec = {clock.BEGINNING + now // 1000}, usec = 0 }} {clock.date(now)}"
    for entry in machine["interfaces"]:
        drivers.attach(kernel, "ether", entry["name"]).update(ether=entry["ether"], hwaddr=entry["ether"])
    drivers.attach(kernel, "lo", "lo0")
    for module in (*machine["modules"], *(name.removesuffix("_load") for name, value in loader.items() if name.endswith("_load") and value.upper() == "YES")):
        try:
            modules.load(kernel, module)
        except KernelError:
            continue  # the loader goes on without it
    return kernel


def _loader_settings(host: Host) -> dict[str, str]:
    """What /boot/loader.conf sets: modules to load, and sysctl variables."""
    settings: dict[str, str] = {}
    for file in (host.path("/boot/loader.conf"), *sorted(host.path("/boot/loader.conf.d").glob("*.conf")), host.path("/boot/loader.conf.local")):
        for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else []:
            if match := re.fullmatch(r'\s*([A-Za-z0-9_.]+)\s*=\s*(?:"([^"]*)"|([^\s"#]+))\s*(?:#.*)?', line):
                settings[match[1]] = match[2] if match[3] is None else match[3]
    return settings
