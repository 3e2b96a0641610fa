#!/usr/bin/python
# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's networks are like."""

from __future__ import annotations

DOCUMENTATION = r"""
module: networks_info
short_description: What the virtual networks of a FreeBSD hypervisor are like
version_added: 0.2.0
author: The bsdvirt.pfnet authors (@bsdvirt)
description:
  - Tells of the networks that M(bsdvirt.pfnet.networks) set up on a host. What they are by definition, what their bridges are like, what has drifted
    since the last run, which addresses guests were lent, whether their dnsmasq runs, and what pf has counted.
  - Only looks, and runs few processes however many networks there are.
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: none
    description: Changes nothing, so there is no difference to show.
  idempotent:
    support: full
  platform:
    platforms: FreeBSD
    support: full
extends_documentation_fragment:
  - bsdvirt.pfnet.attributes
options:
  names:
    description: The networks to tell of. Without it, all of them. Names that the host does not have are passed over.
    type: list
    elements: str
  gather:
    description: What to find out beside names and definitions.
    type: list
    elements: str
    choices:
      bridge: The bridge, its addresses and its members; one process.
      leases: What dnsmasq has lent, from its lease files; no process.
      dnsmasq: Whether the network has a dnsmasq, and whether it runs; one process.
      drift:
        - How the network differs from what the last run left, as M(bsdvirt.pfnet.networks) finds it, but from what is stored on the host.
          Some seven processes, and one more for each table of pf. Whether the files of dnsmasq were altered, M(bsdvirt.pfnet.networks) alone can tell.
        - A network that is not to start by itself is missing after a boot, until the next run, and so counts as drifted.
      states: How many states of pf have an end in the network; one process, whose output grows with the connections of the host.
      counters: What each rule has counted; two processes, and two more for each network whose anchor the main ruleset does not call.
    default: [bridge, leases, dnsmasq, drift]
seealso:
  - module: bsdvirt.pfnet.networks
  - plugin: bsdvirt.pfnet.leases
    plugin_type: filter
  - plugin: bsdvirt.pfnet.leases
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: What is there, and what is not as it was left
  bsdvirt.pfnet.networks_info:
  register: info

- name: Nothing has drifted
  ansible.builtin.assert:
    that: info.networks | map(attribute='drift') | flatten | length == 0
    fail_msg: "{{ info.networks | map(attribute='drift') | flatten | join('; ') }}"

- name: Who holds addresses in one network
  bsdvirt.pfnet.networks_info:
    names: [default]
    gather: [leases]
  register: leases

- name: Show them
  ansible.builtin.debug:
    msg: "{{ item.address }} {{ item.name }}"
  loop: "{{ leases | bsdvirt.pfnet.leases }}"

- name: What networks have moved so far, in bytes
  bsdvirt.pfnet.networks_info:
    gather: [counters]
  register: traffic
"""

RETURN = r"""
networks:
  description: The networks, in the order of their names.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The network's name.
      type: str
    anchor:
      description: The path of its anchor.
      type: str
    definition:
      description: Its definition as the last run of M(bsdvirt.pfnet.networks) read it, in the form that module takes.
      type: dict
    bridge:
      description: Its bridge; all but O(ignore:name) and O(ignore:present) only if the host has it.
      returned: when O(gather) has V(bridge)
      type: dict
      contains:
        name:
          description: The bridge's name, also where the host chose it.
          type: str
        present:
          description: Whether the host has it.
          type: bool
        up:
          description: Whether it is up.
          type: bool
        mac:
          description: Its MAC address.
          type: str
        mtu:
          description: Its MTU in bytes.
          type: int
        addresses:
          description: The host's addresses on it, with prefix lengths, those of one link left out.
          type: list
          elements: str
        members:
          description: The interfaces in it, guests' among them.
          type: list
          elements: str
    leases:
      description: What was lent, in the form in which the filter P(bsdvirt.pfnet.leases#filter) gives it; what has run out included.
      returned: when O(gather) has V(leases)
      type: list
      elements: dict
    dnsmasq:
      description: Its dnsmasq.
      returned: when O(gather) has V(dnsmasq)
      type: dict
      contains:
        wanted:
          description: Whether the network has one.
          type: bool
        running:
          description: Whether it runs.
          type: bool
        pid:
          description: Its process id; none if it does not run.
          type: int
    drift:
      description: How the network differs from what the last run left, in words; empty if it does not.
      returned: when O(gather) has V(drift)
      type: list
      elements: str
    states:
      description: How many states of pf have an end in it. A connection to the outside has two.
      returned: when O(gather) has V(states)
      type: int
    counters:
      description: What its rules have counted since they were loaded.
      returned: when O(gather) has V(counters)
      type: dict
      contains:
        rules:
          description: The filter rules as pf prints them, each with evaluations, packets, bytes and states.
          type: list
          elements: dict
        nat:
          description: The same for translation.
          type: list
          elements: dict
  sample:
    - name: default
      anchor: libvirt/default
      definition:
        name: default
        forward:
          mode: nat
        ips:
          - address: 192.168.122.1/24
      bridge:
        name: virbr0
        present: true
        up: true
        mac: "52:54:00:db:0e:e5"
        mtu: 1500
        addresses: [192.168.122.1/24]
        members: [tap0]
      leases:
        - network: default
          family: inet
          address: 192.168.122.92
          name: web
          mac: "52:54:00:11:22:33"
          client_id: "01:52:54:00:11:22:33"
          expiry: 1764025200
      dnsmasq:
        wanted: true
        running: true
        pid: 812
      drift: []
"""

import platform

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import pf
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import CommandError, Host
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.info import PARTS, gather
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import Unreadable


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str"},
            "gather": {"type": "list", "elements": "str", "choices": list(PARTS), "default": ["bridge", "leases", "dnsmasq", "drift"]},
        },
        supports_check_mode=True,
    )
    if platform.system() != "FreeBSD":
        module.fail_json(msg=f"This module is for FreeBSD; this host runs {platform.system()}.")
    try:
        networks = gather(Host(module), module.params["names"], module.params["gather"])
    except pf.NotLoaded as error:
        module.fail_json(msg=f"pf cannot be reached ({error}). {pf.REMEDY}")
    except (Unreadable, CommandError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, networks=networks)


if __name__ == "__main__":
    main()
