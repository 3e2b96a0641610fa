# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specs of the modules; their meaning is in each module's documentation."""

from __future__ import annotations

import typing as t

_STRING: dict[str, t.Any] = {"type": "str"}
_REQUIRED: dict[str, t.Any] = {"type": "str", "required": True}


def _dict(**options: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"type": "dict", "options": options}


def _list(**options: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"type": "list", "elements": "dict", "options": options}


NETWORKS: dict[str, t.Any] = {
    "networks": {
        **_list(
            name=_REQUIRED,
            uuid=_STRING,
            mac=_STRING,
            bridge=_dict(name=_REQUIRED, stp={"type": "bool"}, delay={"type": "int"}),
            forward=_dict(
                mode={"type": "str", "required": True, "choices": ["nat"]},
                dev=_STRING,
                nat=_dict(port=_dict(start={"type": "int", "default": 1024}, end={"type": "int", "default": 65535})),
            ),
            ips=_list(
                address=_REQUIRED,
                prefix={"type": "int"},
                netmask=_STRING,
                dhcp=_dict(ranges=_list(start=_REQUIRED, end=_REQUIRED)),
            ),
            firewall=_dict(profile={"type": "str", "choices": ["strict", "libvirt"], "default": "strict"}),
        ),
        "required": True,
    },
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "prune": {"type": "bool", "default": False},
    "anchor_root": {"type": "str", "default": "libvirt"},
    "force": {"type": "bool", "default": False},
    # What the action plugin rendered for the host, a document of plugin_utils/render.py for each network.
    "_documents": {"type": "list", "elements": "dict"},
}
