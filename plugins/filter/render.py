# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter bsdvirt.pfnet.render."""

from __future__ import annotations

DOCUMENTATION = r"""
name: render
short_description: The files that networks come to on a host
version_added: 0.1.0
author: The bsdvirt.pfnet authors (@bsdvirt)
description:
  - Checks and renders definitions as M(bsdvirt.pfnet.networks) does, by the same code, without any host. For reviewing a change, in CI for instance.
  - A network that leaves the name of its bridge to the host has V(virbr0) and so on here; the host takes the first that is free there, as it does with
    the units V(bridge1000) and so on. The MAC address that a host gives to a bridge without one is left out here.
options:
  _input:
    description: The definitions, as M(bsdvirt.pfnet.networks) takes them.
    type: list
    elements: dict
    required: true
  anchor_root:
    description: As in M(bsdvirt.pfnet.networks).
    type: str
    default: libvirt
  egress:
    description:
      - The interface of the host's default route, for networks that do not name their egress interface.
      - Without it the file says V(egress) there, which stands for the interface that the host finds.
    type: str
    default: egress
requirements:
  - netaddr (on the controller)
seealso:
  - module: bsdvirt.pfnet.networks
"""

EXAMPLES = r"""
- name: Everything that would be written
  ansible.builtin.copy:
    dest: "review/{{ item.key[1:] | replace('/', '-') }}"
    content: "{{ item.value }}"
    mode: "0644"
  loop: "{{ pfnet_networks | bsdvirt.pfnet.render(egress='em0') | dict2items }}"
  loop_control:
    label: "{{ item.key }}"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The text of each file by its path on the host.
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.anchors import anchor_text
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.boot import Autostart, interfaces_text, routes_text, rules_text
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.bridges import free_names, free_units
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.dnsmasq import dnsmasq_text
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.plan import definition_text
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils import names
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import Refused, SpecError
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.render import render as documents_of
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import missing
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import read_networks


def render(networks: object, anchor_root: str = "libvirt", egress: str = "egress") -> dict[str, str]:
    """The files of networks by their path. Raises AnsibleFilterError with every problem of the definitions."""
    lacking = missing("netaddr")
    if lacking:
        raise AnsibleFilterError(lacking)
    try:
        root = names.anchor_root(anchor_root)
        documents = documents_of(read_networks(networks, anchor_root=root))
    except Refused as refusal:
        raise AnsibleFilterError(f"anchor_root: found {anchor_root!r}; allowed: {refusal}") from None
    except SpecError as error:
        raise AnsibleFilterError("The definition cannot be taken:\n" + "\n".join(f"- {problem}" for problem in error.problems)) from None
    bridges = free_names(documents, {}, ())
    units = free_units(bridges, {}, {})
    files = {}
    starting = []
    for document in t.cast("list[dict[str, t.Any]]", documents):
        name, served = document["name"], document["dnsmasq"]
        bridge = {**document["bridge"], "name": bridges[name], "unit": units[name]}
        dev = document["egress"]["dev"] if document["egress"] else None
        files[layout.anchor_file(name)] = anchor_text(document, bridges[name], dev or egress)
        files[layout.definition_path(name)] = definition_text({**document, "bridge": bridge}, root)
        if served:
            files[layout.dnsmasq_conf(name)] = dnsmasq_text(document, bridges[name])
            files[layout.dnsmasq_hosts(name)] = served["hosts"]
            files[layout.dnsmasq_hostsfile(name)] = served["hostsfile"]
        if document["definition"].get("autostart", True):
            starting.append(Autostart(name, f"{root}/{name}", bridge, document["routes"]))
    starting.sort(key=lambda network: network.name)
    for path, text in (
        (layout.BOOT_RULES, rules_text(starting)),
        (layout.BOOT_INTERFACES, interfaces_text(starting)),
        (layout.BOOT_ROUTES, routes_text(starting)),
    ):
        if text is not None and starting:
            files[path] = text
    return files


class FilterModule:
    """The filter's plugin."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"render": render}
