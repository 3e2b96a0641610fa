# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Booting: the rc scripts that shape the host, in rcorder(8)'s order."""

from __future__ import annotations

from ..kernel import modules
from ..kernel.errors import KernelError
from ..state import Host
from . import config
from .netif import NETIF
from .pf import PF
from .routing import ROUTING
from .script import discard


def boot(host: Host) -> None:
    """Configure a host whose kernel has just started from the files that it has."""
    variables = config.load(host)
    host.kernel["sysctl"]["kern.hostname"] = variables.get("hostname", "")
    discard(lambda: _run(host, variables))
    # Nobody logs in before the last script is done, and by then all addresses are in use.
    host.kernel["clock"]["now"] += 30_000
    host.kernel["clock"]["pending"].clear()
    for interface in host.kernel["interfaces"]:
        for entry in interface["inet6"]:
            entry["flags"] = [flag for flag in entry["flags"] if flag != "tentative"]


def _run(host: Host, variables: dict[str, str]) -> None:
    for module in variables.get("kld_list", "").split():
        try:
            modules.load(host.kernel, module)
        except KernelError:
            continue  # rc.d/kld goes on with the next one
    NETIF.run(host, "start", [])
    PF.run(host, "start", [])
    ROUTING.run(host, "start", [])
