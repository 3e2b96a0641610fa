# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders a network into what its host is to have: one document of plain data, the anchor's text in it from templates/."""

from __future__ import annotations

import functools
import pathlib
import re
import typing as t

import jinja2

from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import Network, to_data

TEMPLATES = pathlib.Path(__file__).parents[2] / "templates"


class Document(t.TypedDict):
    """What crosses to the host for one network; JSON, read by module_utils/plan.py.

    `bridge`: name, mac (None: derived on the host), addresses with their prefix, fwddelay in seconds (None: left as it is).
    `egress`: None where no rule needs one, otherwise `dev`, the interface (None: that of the host's default route).
    `anchor`: rules that use the macros $bridge and $egress. `tables`: the names of its tables.
    """

    name: str
    definition: dict[str, t.Any]
    bridge: dict[str, t.Any]
    egress: dict[str, t.Any] | None
    anchor: str
    tables: list[str]


def render(network: Network) -> Document:
    """The document of a network."""
    anchor = _environment().get_template("anchor.conf.j2").render(network=network)
    return {
        "name": network.name,
        "definition": to_data(network),
        "bridge": {
            "name": network.bridge.name,
            "mac": network.mac,
            "addresses": [f"{ip.address}/{ip.subnet.prefixlen}" for ip in network.ips],
            # A bridge without added delay is one that FreeBSD forwards on at once: there is nothing to set.
            "fwddelay": network.bridge.delay or None,
        },
        "egress": {"dev": network.forward.dev},
        "anchor": anchor,
        "tables": re.findall(r"^table <([^>]+)>", anchor, re.MULTILINE),
    }


@functools.cache
def _environment() -> jinja2.Environment:
    # Not HTML: escaping would garble pf's `<table>`.
    return jinja2.Environment(
        autoescape=False, keep_trailing_newline=True, loader=jinja2.FileSystemLoader(TEMPLATES), lstrip_blocks=True, trim_blocks=True, undefined=jinja2.StrictUndefined,
    )
