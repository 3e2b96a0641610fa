# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sysctl variables: a flat table of names and values in the order of the kernel's tree."""

from __future__ import annotations

import typing as t

from . import errors
from .errors import KernelError

Kernel = dict[str, t.Any]

# Variables with their values after boot. Those of a module are there only while it is loaded.
READ_ONLY: dict[str, str] = {
    "kern.ostype": "FreeBSD",
    "kern.osrelease": "15.1-RELEASE-p1",
    "kern.osrevision": "199506",
    "kern.version": "FreeBSD 15.1-RELEASE-p1 GENERIC\n",
    "kern.osreldate": "1501000",
    "kern.boottime": "",
    "kern.bootfile": "/boot/kernel/kernel",
    "kern.module_path": "/boot/kernel;/boot/modules;/boot/dtb;/boot/overlays",
    "kern.features.inet": "1",
    "kern.features.inet6": "1",
    "vm.stats.vm.v_page_count": "505870",
    "vm.stats.vm.v_free_count": "430112",
    "vm.stats.vm.v_page_size": "4096",
    "hw.machine": "amd64",
    "hw.model": "Intel(R) Xeon(R) Processor",
    "hw.ncpu": "2",
    "hw.physmem": "2115297280",
    "hw.realmem": "2147483648",
    "hw.usermem": "1966612480",
    "hw.pagesize": "4096",
    "hw.machine_arch": "amd64",
    "net.fibs": "1",
    "security.jail.vnet": "0",
    "security.jail.jailed": "0",
}
WRITABLE: dict[str, str] = {
    "kern.hostname": "",
    "kern.hostuuid": "00000000-0000-0000-0000-000000000000",
    "kern.securelevel": "-1",
    "net.inet.ip.forwarding": "0",
    "net.inet.ip.redirect": "1",
    "net.inet.ip.sourceroute": "0",
    "net.inet.ip.accept_sourceroute": "0",
    "net.inet.ip.portrange.first": "49152",
    "net.inet.ip.portrange.last": "65535",
    "net.inet.icmp.bmcastecho": "0",
    "net.inet.icmp.drop_redirect": "0",
    "net.inet.icmp.log_redirect": "0",
    "net.inet6.ip6.forwarding": "0",
    "net.inet6.ip6.dad_count": "1",
    "net.inet6.ip6.accept_rtadv": "0",
    "net.inet6.ip6.auto_linklocal": "1",
    "net.inet6.ip6.use_defaultzone": "0",
    "net.link.ether.inet.proxyall": "0",
    "net.link.tap.up_on_open": "0",
    "net.link.tap.user_open": "0",
}
OF_MODULE: dict[str, dict[str, str]] = {
    "if_bridge": {
        "net.link.bridge.ipfw": "0",
        "net.link.bridge.member_ifaddrs": "1",
        "net.link.bridge.log_mac_flap": "1",
        "net.link.bridge.allow_llz_overlap": "0",
        "net.link.bridge.inherit_mac": "0",
        "net.link.bridge.log_stp": "0",
        "net.link.bridge.pfil_local_phys": "0",
        "net.link.bridge.pfil_member": "0",
        "net.link.bridge.ipfw_arp": "0",
        "net.link.bridge.pfil_bridge": "0",
        "net.link.bridge.pfil_onlyip": "1",
    }
}
STRINGS = {"kern.hostname", "kern.hostuuid", *READ_ONLY}


def initialize(kernel: Kernel, values: dict[str, str]) -> None:
    """Set all variables to what they are after boot, ``values`` to what the boot loader says."""
    kernel["sysctl"] = {**READ_ONLY, **WRITABLE}
    for variables in OF_MODULE.values():
        kernel["sysctl"].update(variables)
    kernel["sysctl"].update(values)


def matching(kernel: Kernel, name: str) -> list[str]:
    """The variables that a name stands for: itself, or all below it; empty when it is unknown."""
    hidden = {variable for module, variables in OF_MODULE.items() if module not in kernel["modules"] for variable in variables}
    return [variable for variable in kernel["sysctl"] if variable not in hidden and (variable == name or variable.startswith(f"{name}."))]


def set_value(kernel: Kernel, name: str, value: str) -> None:
    """Set a variable; an error when it is read-only."""
    if name in READ_ONLY:
        raise KernelError(errors.EPERM)
    kernel["sysctl"][name] = value
