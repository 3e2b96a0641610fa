# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network's dnsmasq, which hands out addresses and answers names on its bridge."""

from __future__ import annotations

import typing as t


def dnsmasq_text(document: dict[str, t.Any], bridge: str) -> str:
    """The configuration of a network's dnsmasq: the interface that it serves, which the host fills in, then what the document says.

    For documents whose `dnsmasq` is not None.
    """
    head = f"# Written by bsdvirt.pfnet for the network {document['name']}; its next run undoes changes made here.\n"
    return f"{head}interface={bridge}\n{document['dnsmasq']['conf']}"
