# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rc scripts that are simulated, by name, in the order of the boot."""

from __future__ import annotations

from .netif import NETIF
from .pf import PF
from .pfnet_dnsmasq import PFNET_DNSMASQ
from .routing import ROUTING
from .script import Script

SCRIPTS: dict[str, Script] = {script.name: script for script in (NETIF, ROUTING, PF, PFNET_DNSMASQ)}
