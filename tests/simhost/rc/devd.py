# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""devd(8): what happens a moment after an interface has been cloned on a running host."""

from __future__ import annotations

from ..kernel import interfaces
from ..state import Host
from .netif import NETIF
from .script import discard


def interface_attached(host: Host, name: str) -> None:
    """Start the interface quietly, as /etc/pccard_ether does: this is what gives it the name of its ``ifconfig_IF_name``."""
    interface = interfaces.find(host.kernel, name)
    if interface is not None and not interfaces.is_up(interface):
        discard(lambda: NETIF.run(host, "quietstart", [name]))
