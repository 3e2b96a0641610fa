#!/usr/bin/python
# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half of `networks`: observe, plan, apply."""

from __future__ import annotations

DOCUMENTATION = r"""
module: networks
short_description: Virtual networks of a FreeBSD hypervisor
version_added: 0.1.0
author: The bsdvirt.pfnet authors (@bsdvirt)
description:
  - Gives a FreeBSD host libvirt-style virtual networks for bhyve guests and vnet jails, as declared. Each has a bridge with the host's
    address and a pf anchor with NAT, its C(<natdst>) table and filter rules.
  - One task takes any number of networks. Definitions are checked as a whole on the controller; with anything wrong in any of them,
    every problem is reported with its path and no host is changed.
  - The anchors of all networks that need it are loaded in one transaction of pf. A network whose bridge, address, rules or tables
    were altered behind its back is repaired, and what had drifted is named. What is as declared is not touched.
  - A network with DHCP, DNS or TFTP has a dnsmasq of its own, which runs as an unprivileged user and keeps to the network's bridge. What
    changes only names and static hosts is read again without a restart. The host needs the package dnsmasq and the service that the role
    P(bsdvirt.pfnet.hypervisor#role) installs; the module says so where they are missing, and who else has the ports.
  - Members that others attached to the bridges are never touched.
  - What is to be there after a boot is written for rc(8) and pf.conf(5) to find, for networks with O(networks[].autostart). The host's rules have to include
    C(/usr/local/etc/pfnet/pf.conf); the module warns where they do not.
  - Connections of a network that goes, and those that a changed network's rules no longer allow, are ended. All others live on.
  - A step that fails is undone with all before it. A run that was killed is undone by the next one.
  - Nothing restarts pf or the host's network, and the main ruleset is left as it is. It has to call the anchors, with
    C(nat-anchor "libvirt/*") and C(anchor "libvirt/*"); the module warns where it does not.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what would change, without changing anything. Rules are checked with C(pfctl -n).
  diff_mode:
    support: full
    description: Shows the rules, bridges and drift that a run changes or would change.
  idempotent:
    support: full
    description: A second run with the same definitions changes nothing and loads nothing.
  platform:
    platforms: FreeBSD
    support: full
    description: Target systems on which the module runs. Tried with FreeBSD 15.1.
extends_documentation_fragment:
  - bsdvirt.pfnet.attributes
  - bsdvirt.pfnet.confirm
  - bsdvirt.pfnet.definition
options:
  _documents:
    description: What the action plugin has rendered for the host. Not for users; what is given here is replaced.
    type: list
    elements: dict
  state:
    description: Whether the listed networks are to be there. To remove networks, their names are enough; the rest of O(networks) is not looked at.
    type: str
    choices:
      present: The listed networks are set up, changed or repaired.
      absent: The listed networks are removed.
    default: present
  prune:
    description: Whether networks of the collection that are not listed are removed from the host. Only with O(state=present).
    type: bool
    default: false
  anchor_root:
    description:
      - The anchor below which each network has its own.
      - Rules in the anchor itself, rather than in one below it, are refused, since loading networks would take them away.
    type: str
    default: libvirt
  force:
    description: Whether a network is removed though interfaces are members of its bridge. They are released, not destroyed.
    type: bool
    default: false
  forget_leases:
    description:
      - Whether what a removed network's dnsmasq has lent is removed with it.
      - Otherwise its guests get the same addresses when there is a network of that name again.
    type: bool
    default: false
    version_added: 0.2.0
requirements:
  - netaddr (on the controller)
  - Python 3.9 or later on the host
seealso:
  - module: bsdvirt.pfnet.networks_info
  - plugin: bsdvirt.pfnet.from_libvirt_xml
    plugin_type: filter
  - plugin: bsdvirt.pfnet.leases
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Two isolated networks, and no others
  bsdvirt.pfnet.networks:
    prune: true
    networks:
      - name: default
        bridge: {name: virbr0}
        mac: "52:54:00:db:0e:e5"
        forward: {mode: nat}
        ips:
          - address: 192.168.122.1/24
            dhcp: {ranges: [{start: 192.168.122.2, end: 192.168.122.254}]}
      - name: lab
        bridge: {name: virbr1}
        forward: {mode: nat, dev: em1, nat: {port: {start: 40000, end: 49999}}}
        ips:
          - address: 10.0.100.1/24

- name: The network that another host's libvirt has
  bsdvirt.pfnet.networks:
    networks: "{{ lookup('ansible.builtin.file', 'default.xml') | bsdvirt.pfnet.from_libvirt_xml }}"

- name: Changes that lock nobody out, since the host takes them back unless it is reached again within a minute
  bsdvirt.pfnet.networks:
    networks: "{{ pfnet_networks }}"
    confirm_timeout: 60

- name: One network less
  bsdvirt.pfnet.networks:
    networks:
      - name: lab
    state: absent
"""

RETURN = r"""
networks:
  description: What happened to each network, or would happen in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The network's name.
      type: str
    action:
      description:
        - V(created), V(updated) to a changed definition or to rules that come out differently, V(repaired) to what it was before something
          else changed it, V(removed), or V(unchanged).
      type: str
    reasons:
      description: Why, in words; what had drifted begins with C(drift).
      type: list
      elements: str
  sample:
    - name: default
      action: repaired
      reasons:
        - "drift: the filter rules of the anchor libvirt/default are gone"
    - name: natnet
      action: unchanged
      reasons: []
steps:
  description: What was done, or would be done in check mode, in this order.
  returned: success
  type: list
  elements: str
  sample:
    - load libvirt/default
    - write /usr/local/etc/pfnet/pf.conf
    - record in /var/db/pfnet/loaded.json what was loaded
problems:
  description: What is wrong with the definitions, or what on the host is in their way.
  returned: when definitions are refused
  type: list
  elements: dict
  contains:
    path:
      description: The place in the input.
      type: str
    found:
      description: What is there.
      type: str
    allowed:
      description: What could be there.
      type: str
  sample:
    - path: networks[1].ips[0].address
      found: subnet 192.168.122.0/24
      allowed: a subnet apart from 192.168.122.0/24 of networks[0].ips[0].address
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.arguments import NETWORKS
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import observe
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.plan import Wanted, plan
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.run import CONFIRM, Change, run

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan


def main() -> None:
    module = AnsibleModule(argument_spec={**NETWORKS, **CONFIRM}, supports_check_mode=True)
    params = module.params
    if params["_documents"] is None and not params["_confirm"]:
        module.fail_json(
            msg="This module runs through its action plugin, which checks and renders the definitions: call it as a task named bsdvirt.pfnet.networks."
        )

    def planner(host: Host) -> Plan:
        wanted = Wanted(
            documents=tuple(params["_documents"]),
            anchor_root=params["anchor_root"],
            absent=tuple(network["name"] for network in params["networks"]) if params["state"] == "absent" else (),
            prune=params["prune"],
            force=params["force"],
            forget_leases=params["forget_leases"],
        )
        return plan(wanted, observe(host, wanted.documents, wanted.anchor_root))

    run(module, Change(planner, lambda made: {"networks": made.outcomes}, "definition"))


if __name__ == "__main__":
    main()
