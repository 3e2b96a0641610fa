# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter bsdvirt.pfnet.leases."""

from __future__ import annotations

DOCUMENTATION = r"""
name: leases
short_description: The addresses that guests were lent, as a list
version_added: 0.2.0
author: The bsdvirt.pfnet authors (@bsdvirt)
description:
  - Reads the text of one of dnsmasq's lease files, of both families, or gathers the leases of all networks from what
    M(bsdvirt.pfnet.networks_info) returned.
  - What is no lease in a lease file, such as the line with the server's own DUID, is left out.
options:
  _input:
    description: The text of a lease file, or the registered result of M(bsdvirt.pfnet.networks_info), or its RV(bsdvirt.pfnet.networks_info#module:networks).
    type: raw
    required: true
  network:
    description: The network that the lease file is of; of the result of M(bsdvirt.pfnet.networks_info), the network whose leases are wanted.
    type: str
  expired:
    description:
      - Whether leases that have run out, by this machine's clock, are listed too.
      - dnsmasq keeps such a lease in its file until it next writes it.
    type: bool
    default: false
seealso:
  - module: bsdvirt.pfnet.networks_info
  - plugin: bsdvirt.pfnet.leases
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: What the networks are like
  bsdvirt.pfnet.networks_info:
    gather: [leases]
  register: info

- name: Wait for guests where they are
  ansible.builtin.wait_for:
    host: "{{ item.address }}"
    port: 22
  loop: "{{ info | bsdvirt.pfnet.leases }}"

- name: The address of one guest, from a copy of the lease file
  ansible.builtin.debug:
    msg: "{{ text | bsdvirt.pfnet.leases(network='default') | selectattr('name', 'equalto', 'web') | map(attribute='address') | first }}"
  vars:
    text: "{{ lookup('ansible.builtin.file', 'default.leases') }}"
"""

RETURN = r"""
_value:
  description: The leases, in the order of the file.
  type: list
  elements: dict
  contains:
    network:
      description: The network; none if the text of a file was given without it.
      type: str
    family:
      description: V(inet) or V(inet6).
      type: str
    address:
      description: The address.
      type: str
    name:
      description: The guest's name, without the domain; none if it has none.
      type: str
    mac:
      description: Its MAC address; of an IPv6 lease, the one that its DUID is made of, if it is.
      type: str
    client_id:
      description: The client identifier, or the DUID of an IPv6 lease, in hexadecimal with colons.
      type: str
    expiry:
      description: When the lease runs out, in seconds since the epoch; none for one that never does.
      type: int
  sample:
    - network: default
      family: inet
      address: 192.168.122.92
      name: web
      mac: "52:54:00:11:22:33"
      client_id: "01:52:54:00:11:22:33"
      expiry: 1764025200
"""

import time
import typing as t

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.text.converters import to_native
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.leases import Lease, as_dict, parse

_ALLOWED = "the text of a lease file, or what bsdvirt.pfnet.networks_info returned with `leases` gathered"


def leases(value: object, network: str | None = None, expired: bool = False) -> list[dict[str, t.Any]]:
    """The leases as dicts. Raises AnsibleFilterError for what holds none."""
    found = [as_dict(lease) for lease in parse(to_native(value), network)] if isinstance(value, (str, bytes)) else _gathered(value, network)
    now = time.time()
    return [lease for lease in found if expired or Lease(**lease).holds(now)]


def _gathered(value: object, network: str | None) -> list[dict[str, t.Any]]:
    networks = value.get("networks") if isinstance(value, t.Mapping) else value
    if not isinstance(networks, t.Sequence) or not all(isinstance(entry, t.Mapping) and "leases" in entry for entry in networks):
        raise AnsibleFilterError(f"leases: found {value!r:.200}; allowed: {_ALLOWED}")
    return [dict(lease) for entry in networks if network in (None, entry["name"]) for lease in entry["leases"]]


class FilterModule:
    """The filter's plugin."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"leases": leases}
