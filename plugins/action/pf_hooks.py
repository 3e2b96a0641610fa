# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of `pf_hooks`: checks its options, tells the host the port of the connection, and confirms what was changed."""

from __future__ import annotations

import contextlib
import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils import names
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.confirming import ConfirmingAction, confirm_timeout
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import Problem, Refused

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "path": {"type": "str", "default": "/etc/pf.conf"},
    "anchor_root": {"type": "raw", "default": "libvirt"},
    "backup": {"type": "bool", "default": True},
    "enable": {"type": "bool", "default": False},
    "load": {"type": "bool", "default": True},
    "ssh_ports": {"type": "list", "elements": "int"},
    "confirm_timeout": {"type": "int"},
}


class ActionModule(ConfirmingAction):
    """Runs the module of the same name, and confirms its changes over a new connection."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(ARGUMENT_SPEC)
        problems = list(_problems(args))
        if problems:
            raise AnsibleActionFail(
                "The options cannot be taken; no host has been changed:\n" + "\n".join(f"- {problem}" for problem in problems),
                result={"problems": [problem.__dict__ for problem in problems]},
            )
        result.update(self.execute_confirmed("bsdvirt.pfnet.pf_hooks", {**args, "_port": self._port()}, task_vars))
        return result

    def _port(self) -> int | None:
        """The port of a connection by ssh, if it is known here."""
        with contextlib.suppress(KeyError, ValueError, TypeError):
            return int(self._connection.get_option("port"))
        return None


def _problems(args: dict[str, t.Any]) -> t.Iterator[Problem]:
    try:
        names.anchor_root(args["anchor_root"])
    except Refused as refusal:
        yield Problem("anchor_root", repr(args["anchor_root"]), str(refusal))
    path = args["path"]
    if not path.startswith("/") or path.endswith("/") or any(not character.isprintable() for character in path):
        yield Problem("path", repr(path), "the absolute path of a file")
    for index, port in enumerate(args["ssh_ports"] or ()):
        if not 1 <= port <= 65535:
            yield Problem(f"ssh_ports[{index}]", str(port), "a port from 1 to 65535")
    if args["enable"] and args["state"] == "absent":
        yield Problem("enable", "true", "false with state=absent, which leaves pf enabled or not as it is")
    if allowed := confirm_timeout(args["confirm_timeout"]):
        yield Problem("confirm_timeout", str(args["confirm_timeout"]), allowed)
