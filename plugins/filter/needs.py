# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter bsdvirt.pfnet.needs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: needs
short_description: What networks need of their host
version_added: 0.2.0
author: The bsdvirt.pfnet authors (@bsdvirt)
description:
  - Checks definitions as M(bsdvirt.pfnet.networks) does, and finds out what a host has to have before it gets these networks.
  - What it gives is what M(bsdvirt.pfnet.host) takes; the role P(bsdvirt.pfnet.hypervisor#role) uses it.
options:
  _input:
    description: The definitions, as M(bsdvirt.pfnet.networks) takes them. None are fine.
    type: list
    elements: dict
    required: true
  anchor_root:
    description: As in M(bsdvirt.pfnet.networks).
    type: str
    default: libvirt
requirements:
  - netaddr (on the controller)
seealso:
  - module: bsdvirt.pfnet.host
  - module: bsdvirt.pfnet.networks
"""

EXAMPLES = r"""
- name: What is it for?
  ansible.builtin.debug:
    msg: "{{ pfnet_networks | bsdvirt.pfnet.needs }}"

- name: A package only where it is needed
  ansible.builtin.command:
    argv: [pkg, install, -y, dnsmasq]
    creates: /usr/local/sbin/dnsmasq
  when: (pfnet_networks | bsdvirt.pfnet.needs).dnsmasq
"""

RETURN = r"""
_value:
  description: What the host has to have.
  type: dict
  contains:
    modules:
      description: Kernel modules, V(pflog) among them if a network logs.
      type: list
      elements: str
    forwarding:
      description: The families that are forwarded, V(ipv4) and V(ipv6).
      type: list
      elements: str
    services:
      description: What guests are served, V(dhcp) of IPv4 and V(dns).
      type: list
      elements: str
    dnsmasq:
      description: Whether a network has a dnsmasq, for DHCP of either family, DNS, router advertisements or TFTP.
      type: bool
    bridges:
      description: The bridges that are named.
      type: list
      elements: str
    egress:
      description: The egress interfaces that are named.
      type: list
      elements: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils import names
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import Refused, SpecError
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.render import render
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import missing
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import read_networks

_FAMILIES = {"inet": "ipv4", "inet6": "ipv6"}


def needs(definitions: object, anchor_root: str = "libvirt") -> dict[str, list[str] | bool]:
    """What networks need of their host. Raises AnsibleFilterError with every problem of the definitions."""
    lacking = missing("netaddr")
    if lacking:
        raise AnsibleFilterError(lacking)
    try:
        networks = read_networks(definitions, anchor_root=names.anchor_root(anchor_root))
        documents = render(networks)
    except Refused as refusal:
        raise AnsibleFilterError(f"anchor_root: found {anchor_root!r}; allowed: {refusal}") from None
    except SpecError as error:
        raise AnsibleFilterError("The definition cannot be taken:\n" + "\n".join(f"- {problem}" for problem in error.problems)) from None
    served = [service for document in documents if (service := document["dnsmasq"])]
    return {
        "modules": ["pf", "if_bridge", *(["pflog"] if any(network.firewall.log for network in networks) else [])],
        "forwarding": [name for family, name in _FAMILIES.items() if any(family in document["forwarding"] for document in documents)],
        "services": [
            *(["dhcp"] if any("inet" in service["dhcp"] for service in served) else []),
            *(["dns"] if any(service["dns"] for service in served) else []),
        ],
        "dnsmasq": bool(served),
        "bridges": [name for document in documents if (name := document["bridge"]["name"])],
        "egress": sorted({dev for document in documents if document["egress"] and (dev := document["egress"]["dev"])}),
    }


class FilterModule:
    """The filter's plugin."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"needs": needs}
