# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of `networks`: reads the definitions, renders them, and sends one document a network to the module."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils import names, spec
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.confirming import ConfirmingAction, confirm_timeout
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import Problem, Refused, SpecError
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.render import render
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import missing

# The networks themselves are for spec.py to check, with better words than an argument spec has.
ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "networks": {"type": "raw", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "prune": {"type": "bool", "default": False},
    "anchor_root": {"type": "raw", "default": "libvirt"},
    "force": {"type": "bool", "default": False},
    "forget_leases": {"type": "bool", "default": False},
    "confirm_timeout": {"type": "int"},
}


class ActionModule(ConfirmingAction):
    """Runs the module of the same name with what the host needs to know, and nothing before the definitions are whole."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        lacking = missing("netaddr")
        if lacking:
            raise AnsibleActionFail(lacking)
        _checked, args = self.validate_argument_spec(ARGUMENT_SPEC)
        if args["prune"] and args["state"] == "absent":
            raise AnsibleActionFail("prune: found true; allowed: false with state=absent, which removes what is listed and nothing else")
        result.update(self.execute_confirmed("bsdvirt.pfnet.networks", _module_args(args), task_vars))
        return result


def _module_args(args: dict[str, t.Any]) -> dict[str, t.Any]:
    """The module's arguments. Raises AnsibleActionFail with every problem of the input."""
    problems: list[Problem] = []
    if allowed := confirm_timeout(args["confirm_timeout"]):
        problems.append(Problem("confirm_timeout", str(args["confirm_timeout"]), allowed))
    root = "libvirt"
    try:
        root = names.anchor_root(args["anchor_root"])
    except Refused as refusal:
        problems.append(Problem("anchor_root", repr(args["anchor_root"]), str(refusal)))
    documents = []
    try:
        if args["state"] == "absent":
            definitions = [{"name": name} for name in spec.read_names(args["networks"])]
        else:
            documents = render(spec.read_networks(args["networks"], anchor_root=root))
            definitions = [document["definition"] for document in documents]
    except SpecError as error:
        problems += error.problems
    if problems:
        raise AnsibleActionFail(
            "The definition cannot be taken; no host has been changed:\n" + "\n".join(f"- {problem}" for problem in problems),
            result={"problems": [problem.__dict__ for problem in problems]},
        )
    return {**args, "anchor_root": root, "networks": definitions, "_documents": documents}
