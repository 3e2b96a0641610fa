#!/usr/bin/python
# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's own settings that networks need."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host
short_description: Settings of a FreeBSD host that virtual networks need
version_added: 0.2.0
author: The bsdvirt.pfnet authors (@bsdvirt)
description:
  - Loads kernel modules, turns forwarding on, and has pf start at boot. Each is set for the running host and for the boot, with C(kldload),
    C(sysctl) and C(sysrc).
  - Only adds. What is set already and not asked for stays as it is; nothing is turned off, unloaded, started or restarted.
  - "Looks for what would defeat the networks, and warns of each with the reason and the remedy: C(set skip) of pf on bridges or on the
    egress interface; settings of if_bridge(4) by which pf sees other packets than rules expect; other firewalls beside pf; rules of others
    in the networks' anchors; servers in the way of the networks' own DHCP and DNS; a C(kern.securelevel) or a jail that keeps pf from being
    changed; settings that take forwarding back; offloading of vtnet(4) that spoils forwarded packets."
  - The main ruleset, and whether pf runs now, are for M(bsdvirt.pfnet.pf_hooks).
  - The role P(bsdvirt.pfnet.hypervisor#role) does all of it for the networks it is given, and finds out what these need.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    platforms: FreeBSD
    support: full
extends_documentation_fragment:
  - bsdvirt.pfnet.attributes
options:
  modules:
    description: The kernel modules to load, now and at boot. One that is built into the kernel counts as loaded.
    type: list
    elements: str
    choices:
      pf: The packet filter.
      if_bridge: The networks' bridges.
      pflog: The interfaces for packets that rules log.
    default: [pf, if_bridge]
  forwarding:
    description:
      - The families to forward packets of.
      - A host that forwards IPv6 does not listen to router advertisements any more; the module warns where that costs the host its own
        default route.
    type: list
    elements: str
    choices:
      ipv4: C(net.inet.ip.forwarding), at boot C(gateway_enable).
      ipv6: C(net.inet6.ip6.forwarding), at boot C(ipv6_gateway_enable).
    default: []
  pf_enable:
    description: Whether pf is to start at boot, with C(pf_enable) in rc.conf(5). With V(false), what is set there stays.
    type: bool
    default: true
  services:
    description: What the host is to serve guests; servers in the way of it are looked for.
    type: list
    elements: str
    choices:
      dhcp: Port 67.
      dns: Port 53.
    default: []
  bridges:
    description: Bridges of networks that may not be there yet, to look for what would defeat them; those that the host has of the collection are known.
    type: list
    elements: str
    default: []
  egress:
    description: Interfaces by which guests reach the outside, besides those of the default routes of O(forwarding).
    type: list
    elements: str
    default: []
  anchor_root:
    description: The anchor below which the networks have theirs, as in M(bsdvirt.pfnet.networks).
    type: str
    default: libvirt
requirements:
  - Python 3.9 or later on the host
seealso:
  - module: bsdvirt.pfnet.networks
  - plugin: bsdvirt.pfnet.needs
    plugin_type: filter
"""

EXAMPLES = r"""
- name: A host for networks of IPv4 with DHCP and DNS
  bsdvirt.pfnet.host:
    forwarding: [ipv4]
    services: [dhcp, dns]

- name: What these networks need, and no more
  bsdvirt.pfnet.host:
    modules: "{{ needs.modules }}"
    forwarding: "{{ needs.forwarding }}"
    services: "{{ needs.services }}"
    bridges: "{{ needs.bridges }}"
    egress: "{{ needs.egress }}"
  vars:
    needs: "{{ pfnet_networks | bsdvirt.pfnet.needs }}"
"""

RETURN = r"""
settings:
  description: Each setting that was asked for, as it was found and as it is to be.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(module) of the kernel, V(sysctl) variable of the running host, or V(rc.conf) variable for the boot.
      type: str
    name:
      description: Its name.
      type: str
    found:
      description: What it was.
      type: str
    wanted:
      description: What it is now, or would be in check mode.
      type: str
    changed:
      description: Whether it was changed, or would be in check mode.
      type: bool
  sample:
    - kind: module
      name: pf
      found: loaded
      wanted: loaded
      changed: false
    - kind: rc.conf
      name: gateway_enable
      found: "NO"
      wanted: "YES"
      changed: true
hazards:
  description: What would defeat the networks, with the reason and the remedy; each is given as a warning too.
  returned: success
  type: list
  elements: str
  sample:
    - "pf leaves the bridge virbr0 alone (`set skip on`, says the kernel), so no rule of a network on it counts, and nothing is isolated: take virbr0 out of
      `set skip on` in pf.conf, then run `service pf reload`."
check_mode:
  description: Whether it was check mode, in which nothing is changed; what needs a module of the kernel that is not loaded yet has to wait then.
  returned: success
  type: bool
  sample: false
steps:
  description: What was done, or would be done in check mode, in this order.
  returned: success
  type: list
  elements: str
  sample:
    - load the kernel module if_bridge
    - set net.inet.ip.forwarding to 1
    - set kld_list, gateway_enable for the boot
problems:
  description: What on the host is in the way of what was asked for.
  returned: when it cannot be done
  type: list
  elements: dict
  contains:
    path:
      description: The option.
      type: str
    found:
      description: What is there.
      type: str
    allowed:
      description: What could be there.
      type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.arguments import HOST
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.hazards import hazards
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.preparation import Wanted, observe, plan
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.run import Change, run

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan


def main() -> None:
    module = AnsibleModule(argument_spec=HOST, supports_check_mode=True)
    params = {name: tuple(value) if isinstance(value, list) else value for name, value in module.params.items()}
    wanted = Wanted(**t.cast("dict[str, t.Any]", params))

    def returns(made: Plan) -> dict[str, t.Any]:
        return {"settings": made.outcomes, "hazards": made.warnings, "check_mode": module.check_mode}

    run(module, Change(plan=lambda host: prepare(host, wanted), returns=returns, what="preparation"))


def prepare(host: Host, wanted: Wanted) -> Plan:
    """The plan that makes the host what is wanted; it warns of what would defeat the networks."""
    found = observe(host, wanted)
    made = plan(wanted, found)
    made.warnings += hazards(wanted, found)
    return made


if __name__ == "__main__":
    main()
