#!/usr/bin/python
# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half of `pf_hooks`: the block in pf.conf that calls the networks' anchors."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pf_hooks
short_description: The place in pf.conf where the networks' anchors are called
version_added: 0.2.0
author: The bsdvirt.pfnet authors (@bsdvirt)
description:
  - Keeps a block in pf.conf that calls the anchors of P(bsdvirt.pfnet.networks#module), and includes the file that loads them at boot,
    C(/usr/local/etc/pfnet/pf.conf).
  - The file is read as C(pfctl) reads it, with its macros, included files, continued lines and braces. The block stands before the first filter
    rule, after options, normalization, queueing and translation. It is left where it is while that is so, and moved when it is not so any more.
    All other lines stay as they are, and so do the file's owner and mode; of a symbolic link, the file is changed.
  - A line of the user's own that calls the anchors is left alone, and left out of the block.
  - The new text is checked by C(pfctl -n) before it replaces the old one. A file that does not check out, with or without the block, is left as it
    is, with what pfctl says of it in the error.
  - The file is loaded as C(service pf reload) does it, which keeps states and the rules of all anchors. It is also loaded when it is as it should
    be but the main ruleset in the kernel does not call the anchors.
  - Where there is no pf.conf, one is written that passes everything, and lets connections live that stand while pf is enabled.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what would change, without changing anything. The new text is checked with C(pfctl -n).
  diff_mode:
    support: full
    description: Shows the lines of pf.conf that a run changes or would change, and whether it enables pf.
  idempotent:
    support: full
    description: A second run with the same options changes nothing and loads nothing.
  platform:
    platforms: FreeBSD
    support: full
    description: Target systems on which the module runs. Tried with FreeBSD 15.1.
extends_documentation_fragment:
  - bsdvirt.pfnet.attributes
  - bsdvirt.pfnet.confirm
options:
  _port:
    description: The port of the connection, from the action plugin. Not for users; what is given here is replaced.
    type: int
  state:
    description: Whether the anchors are to be called.
    type: str
    choices:
      present: The block is put in, or put right.
      absent:
        The block is taken out. pf stays enabled or not, as it is. A pf.conf that this module wrote goes too, if it is unchanged and pf is not enabled,
        neither now nor at boot.
    default: present
  path:
    description:
      - The file of pf's main rules.
      - If C(pf_rules) in rc.conf names another file, this one is changed but not loaded, with a warning.
    type: path
    default: /etc/pf.conf
  anchor_root:
    description: The anchor below which each network has its own, as in P(bsdvirt.pfnet.networks#module). There is one block, for one such anchor.
    type: str
    default: libvirt
  backup:
    description: Whether the former text of a pf.conf that changes is kept beside it, under a name with the time.
    type: bool
    default: true
  enable:
    description:
      - Whether pf is enabled, now and at boot (C(pf_enable) of rc.conf). Otherwise pf is left as it is, with a warning if it is not enabled. The
        kernel module has to be loaded already.
      - Enabling pf is the usual way to lock oneself out. pf has no state of the connections that stand, and a rule such as C(pass in proto tcp to
        port 22) takes up new ones alone, since it stands for C(flags S/SA). Below C(block all), such a connection ends, that of Ansible among them.
        Give O(confirm_timeout), or have a rule with C(flags any) for it.
    type: bool
    default: false
  load:
    description: Whether rules are loaded. They never are while pf is not enabled, and O(enable) does not change that.
    type: bool
    default: true
  ssh_ports:
    description:
      - Ports of connections to the host that live on when pf is enabled, in a pf.conf that is written where there was none.
      - Without it, the port of the connection that Ansible uses, or V(22).
    type: list
    elements: int
requirements:
  - Python 3.9 or later on the host
seealso:
  - module: bsdvirt.pfnet.networks
notes:
  - The order of C(pf.conf) cannot be kept where one included file has filter rules after options, normalization or translation. Such an include is
    refused, unless the file says C(set require-order no).
  - Of what stands between the markers of the block nothing is kept.
"""

EXAMPLES = r"""
- name: Networks' anchors called, and pf enabled, or all as before after a minute
  bsdvirt.pfnet.pf_hooks:
    enable: true
    confirm_timeout: 60

- name: In a file of another name, without loading it
  bsdvirt.pfnet.pf_hooks:
    path: /etc/pf.conf.new
    load: false

- name: As if it had never been
  bsdvirt.pfnet.pf_hooks:
    state: absent
"""

RETURN = r"""
action:
  description:
    - V(created) where the hooks were put into the file; V(updated) when something else of what is asked for changed, V(repaired) to what it was
      before something else changed it, V(removed), or V(unchanged).
  returned: success
  type: str
  sample: repaired
reasons:
  description: Why, in words; what had drifted begins with C(drift).
  returned: success
  type: list
  elements: str
  sample:
    - "drift: the main ruleset of pf does not call the anchors below libvirt"
backup_file:
  description: The file that keeps the former text, or would in check mode.
  returned: when pf.conf changes and O(backup=true)
  type: str
  sample: /etc/pf.conf.2041.2026-11-24@10:30:00~
steps:
  description: What was done, or would be done in check mode, in this order.
  returned: success
  type: list
  elements: str
  sample:
    - write /usr/local/etc/pfnet/pf.conf
    - keep /etc/pf.conf as /etc/pf.conf.2041.2026-11-24@10:30:00~
    - write /etc/pf.conf
    - load /etc/pf.conf
problems:
  description: What on the host is in the way.
  returned: when the host is left as it is for that
  type: list
  elements: dict
  contains:
    path:
      description: The option that it has to do with.
      type: str
    found:
      description: What is there.
      type: str
    allowed:
      description: What could be there.
      type: str
  sample:
    - path: path
      found: "/etc/pf.conf, which is broken as it is, before any change: /etc/pf.conf:9: syntax error"
      allowed: a file that `pfctl -nf /etc/pf.conf` takes
"""

import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.hooks import Wanted, make
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.run import CONFIRM, Change, run

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan

ARGUMENTS: dict[str, t.Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "path": {"type": "path", "default": layout.MAIN_RULES},
    "anchor_root": {"type": "str", "default": "libvirt"},
    "backup": {"type": "bool", "default": True},
    "enable": {"type": "bool", "default": False},
    "load": {"type": "bool", "default": True},
    "ssh_ports": {"type": "list", "elements": "int"},
    "_port": {"type": "int"},
}


def main() -> None:
    module = AnsibleModule(argument_spec={**ARGUMENTS, **CONFIRM}, supports_check_mode=True)
    params = module.params
    wanted = Wanted(
        present=params["state"] == "present",
        path=params["path"],
        anchor_root=params["anchor_root"],
        enable=params["enable"],
        load=params["load"],
        ssh_ports=tuple(params["ssh_ports"] or ssh_ports(params["_port"])),
        # As AnsibleModule.backup_local names it, which copies at once; here it is a step that can be undone.
        backup=f"{params['path']}.{os.getpid()}.{time.strftime('%Y-%m-%d@%H:%M:%S~')}" if params["backup"] else None,
        confirmed=bool(params["confirm_timeout"]),
    )

    def planner(host: Host) -> Plan:
        return make(host, wanted)

    def returns(made: Plan) -> dict[str, t.Any]:
        outcome = {name: made.outcomes[0][name] for name in ("action", "reasons")}
        kept = any(getattr(step.do, "path", None) == wanted.backup for step in made.steps)
        return {**outcome, **({"backup_file": wanted.backup} if wanted.backup and kept else {})}

    run(module, Change(planner, returns, "request"))


def ssh_ports(port: int | None) -> list[int]:
    """The ports of the connection: the host's own word for it, which sudo may have taken away, and the controller's, which a NAT may have changed."""
    own = os.environ.get("SSH_CONNECTION", "").split()[3:4]
    return sorted({*map(int, own), port or 22})


if __name__ == "__main__":
    main()
