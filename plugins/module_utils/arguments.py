# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specs of the modules; their meaning is in each module's documentation.

The definitions have been checked by the action plugin, in better words than an argument spec has, and come normalized.
"""

from __future__ import annotations

import typing as t


def _of(kind: str, *, required: bool = False, **more: t.Any) -> dict[str, t.Any]:
    return {"type": kind, **({"required": True} if required else {}), **more}


def _dict(**options: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"type": "dict", "options": options}


def _dicts(**options: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"type": "list", "elements": "dict", "options": options}


def _list(elements: str = "str") -> dict[str, t.Any]:
    return {"type": "list", "elements": elements}


_STR, _INT, _BOOL = _of("str"), _of("int"), _of("bool")
_TEXT = _of("str", required=True)
_LEASE = _dict(expiry=_of("int", required=True), unit=_of("str", choices=["seconds", "minutes", "hours"], default="minutes"))
_OPTIONS = _dicts(option=_of("raw", required=True), value=_of("raw"), force=_of("bool", default=False))
_SUBNET = {"address": _TEXT, "family": _of("str", choices=["ipv4", "ipv6"]), "prefix": _INT, "netmask": _STR}
_TRAFFIC = {"networks": _list(), "proto": _list(), "ports": _list("raw")}

DEFINITION: dict[str, t.Any] = {
    "name": _TEXT,
    "uuid": _STR,
    "title": _STR,
    "description": _STR,
    "metadata": _STR,
    "autostart": _of("bool", default=True),
    "mac": _STR,
    "bridge": _dict(
        name=_STR,
        stp=_BOOL,
        delay=_INT,
        mac=_STR,
        members=_list(),
        isolated_ports=_of("bool", default=False),
        mtu=_INT,
        vlan_filtering=_BOOL,
        description=_STR,
    ),
    "forward": _dict(
        mode=_of("str", required=True, choices=["nat", "route", "open", "none", "bridge"]),
        dev=_STR,
        nat=_dict(
            address=_dict(start=_TEXT, end=_TEXT),
            port=_dict(start=_of("int", default=1024), end=_of("int", default=65535)),
            ipv6=_of("bool", default=False),
            sticky=_of("bool", default=False),
            static_port=_of("bool", default=False),
        ),
    ),
    "ips": _dicts(
        **_SUBNET,
        dhcp=_dict(
            ranges=_dicts(start=_TEXT, end=_TEXT, lease=_LEASE),
            hosts=_dicts(mac=_STR, id=_STR, name=_STR, ip=_STR, lease=_LEASE, options=_OPTIONS),
            bootp=_dict(file=_TEXT, server=_STR),
            options=_OPTIONS,
        ),
        ra=_dict(
            mode=_of("str", choices=["none", "ra-only", "stateless", "slaac", "stateful"]),
            interval=_INT,
            lifetime=_INT,
            priority=_of("str", choices=["low", "medium", "high"]),
            mtu=_INT,
        ),
        tftp=_dict(root=_TEXT),
        local_ptr=_BOOL,
    ),
    "routes": _dicts(**_SUBNET, gateway=_TEXT),
    "domain": _dict(name=_TEXT, local_only=_BOOL),
    "dns": _dict(
        enable=_of("bool", default=True),
        forward_plain_names=_BOOL,
        forwarders=_dicts(addr=_STR, domain=_STR),
        hosts=_dicts(ip=_TEXT, hostnames=_of("list", elements="str", required=True)),
        srv=_dicts(service=_TEXT, protocol=_TEXT, domain=_STR, target=_STR, port=_INT, priority=_INT, weight=_INT),
        txt=_dicts(name=_TEXT, value=_of("raw", required=True)),
        cnames=_dicts(name=_TEXT, target=_TEXT),
    ),
    "dnsmasq_options": _list(),
    "port_forwards": _dicts(
        proto=_of("raw", default="tcp"),
        listen=_STR,
        port=_of("raw", required=True),
        to=_TEXT,
        to_port=_INT,
        sources=_list(),
        hairpin=_of("bool", default=False),
        description=_STR,
    ),
    "firewall": _dict(
        profile=_of("str", choices=["strict", "libvirt"], default="strict"),
        host_access=_of("str", choices=["full", "services", "none"], default="full"),
        peers=_list(),
        egress=_dict(allow=_dicts(**_TRAFFIC), deny=_dicts(**_TRAFFIC)),
        inbound=_dicts(sources=_list(), to=_list(), proto=_list(), ports=_list("raw")),
        log=_of("bool", default=False),
    ),
    "templates": _dict(anchor=_STR, tables=_STR, translation=_STR, filter=_STR),
}

NETWORKS: dict[str, t.Any] = {
    "networks": {**_dicts(**DEFINITION), "required": True},
    "state": _of("str", choices=["present", "absent"], default="present"),
    "prune": _of("bool", default=False),
    "anchor_root": _of("str", default="libvirt"),
    "force": _of("bool", default=False),
    "forget_leases": _of("bool", default=False),
    # What the action plugin rendered for the host, a document of plugin_utils/render.py for each network.
    "_documents": {"type": "list", "elements": "dict"},
}

HOST: dict[str, t.Any] = {
    "modules": {"type": "list", "elements": "str", "choices": ["pf", "if_bridge", "pflog"], "default": ["pf", "if_bridge"]},
    "forwarding": {"type": "list", "elements": "str", "choices": ["ipv4", "ipv6"], "default": []},
    "pf_enable": _of("bool", default=True),
    "services": {"type": "list", "elements": "str", "choices": ["dhcp", "dns"], "default": []},
    "bridges": {"type": "list", "elements": "str", "default": []},
    "egress": {"type": "list", "elements": "str", "default": []},
    "anchor_root": _of("str", default="libvirt"),
}
