# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies where on a host."""

from __future__ import annotations

CONFIGURATION = "/usr/local/etc/pfnet"
STATE = "/var/db/pfnet"
DEFINITIONS = f"{CONFIGURATION}/networks"
ANCHORS = f"{CONFIGURATION}/anchors"
DNSMASQ = f"{CONFIGURATION}/dnsmasq"
RUN = "/var/run/pfnet"
# What runs the networks' dnsmasq: the package's program, and the script that the role hypervisor installs.
DNSMASQ_PROGRAM = "/usr/local/sbin/dnsmasq"
DNSMASQ_SERVICE = "pfnet_dnsmasq"
DNSMASQ_SCRIPT = f"/usr/local/etc/rc.d/{DNSMASQ_SERVICE}"
# What the kernel printed after our last load of each anchor: what differs from it later is drift.
LOADED = f"{STATE}/loaded.json"
# What the kernel is to load at boot, for /etc/pf.conf to include.
BOOT_RULES = f"{CONFIGURATION}/pf.conf"
BOOT_RULES_HEADER = "# Written by bsdvirt.pfnet, for the main rules of pf to include: the networks that start at boot.\n"
# What rc(8) is to make at boot, beside the user's own rc.conf.
RC_CONF_D = "/etc/rc.conf.d"
BOOT_INTERFACES = f"{RC_CONF_D}/network/pfnet"
BOOT_ROUTES = f"{RC_CONF_D}/routing/pfnet"
MAIN_RULES = "/etc/pf.conf"
# Where rc(8) is told of another file of main rules, the last one counting.
RC_CONF = ("/etc/rc.conf", "/etc/rc.conf.local", "/etc/rc.conf.d/pf")
# How a run that is under way, or was cut short, is taken back, and how far it got.
JOURNAL = f"{STATE}/journal.json"
PROGRESS = f"{STATE}/journal.progress"
# While a change awaits its confirmation: what a boot needs to start as before it, and the script of rc(8) that sees to it.
UNCONFIRMED = f"{STATE}/unconfirmed"
UNCONFIRMED_SCRIPT = "/usr/local/etc/rc.d/pfnet_unconfirmed"
# What was taken back while nobody was there to be told.
TAKEN_BACK = f"{STATE}/taken-back.json"
# Format of the JSON files; a file of another format is refused, not guessed at.
FORMAT = 1


def definition_path(name: str) -> str:
    return f"{DEFINITIONS}/{name}.json"


def anchor_file(name: str) -> str:
    return f"{ANCHORS}/{name}.conf"


def dnsmasq_conf(name: str) -> str:
    """The configuration of a network's dnsmasq; that there is one makes the service run it."""
    return f"{DNSMASQ}/{name}.conf"


def dnsmasq_hosts(name: str) -> str:
    """Names of addresses, which dnsmasq reads again at a SIGHUP."""
    return f"{DNSMASQ}/{name}.hosts"


def dnsmasq_hostsfile(name: str) -> str:
    """Static hosts of DHCP, which dnsmasq reads again at a SIGHUP."""
    return f"{DNSMASQ}/{name}.hostsfile"


def leases_file(name: str) -> str:
    return f"{STATE}/{name}.leases"


def dnsmasq_pid(name: str) -> str:
    return f"{RUN}/{name}.pid"


def network_files(name: str) -> tuple[str, ...]:
    """The files of a network, but for its definition."""
    return anchor_file(name), dnsmasq_conf(name), dnsmasq_hosts(name), dnsmasq_hostsfile(name), leases_file(name)
