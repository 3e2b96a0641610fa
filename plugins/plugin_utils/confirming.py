# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What action plugins of modules share whose changes have to be confirmed."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

SECONDS = (5, 3600)
PAUSE_SECONDS = 1


class ConfirmingAction(ActionBase):
    """Runs a module, and if that asks for it, confirms its changes over a new connection."""

    _requires_connection = True
    _lost = False

    def cleanup(self, force: bool = False) -> None:
        """Remove what was copied to the host, unless that cannot be reached: its failure would be told in the place of ours."""
        try:
            super().cleanup(force)
        except AnsibleConnectionFailure:
            if not self._lost:
                raise

    def execute_confirmed(self, module: str, args: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """The module's result. Raises AnsibleActionFail when the host cannot be reached any more, which then goes back by itself."""
        started = time.monotonic()
        try:
            result: dict[str, t.Any] = self._execute_module(module_name=module, module_args={**args, "_confirm": None}, task_vars=task_vars)
        except AnsibleConnectionFailure as error:
            if args["confirm_timeout"] is None:
                raise
            self._lost = True
            raise AnsibleConnectionFailure(
                f"{error}\nIf changes had begun, the host takes them back by itself {args['confirm_timeout']} seconds after that, and the next run says so."
            ) from error
        token = result.pop("_confirm", None)
        if token is None:
            return result
        confirmed = self._confirmed(module, {**args, "_confirm": token}, task_vars, started + args["confirm_timeout"])
        if confirmed.get("failed"):
            raise AnsibleActionFail(f"The changes were not confirmed: {confirmed.get('msg')}", result={**result, "changed": False})
        return result

    def _confirmed(self, module: str, args: dict[str, t.Any], task_vars: dict[str, t.Any] | None, deadline: float) -> dict[str, t.Any]:
        """What the module says of the confirmation. Tried until the deadline, since a change may cut connections off for a moment only."""
        while True:
            try:
                # The connection there is may be one that the new rules let live though they allow no new one.
                self._connection.reset()
                return t.cast("dict[str, t.Any]", self._execute_module(module_name=module, module_args=args, task_vars=task_vars))
            except AnsibleConnectionFailure as error:
                if time.monotonic() + PAUSE_SECONDS > deadline:
                    self._lost = True
                    with contextlib.suppress(AnsibleConnectionFailure):
                        self._connection.close()
                    return {
                        "failed": True,
                        "msg": f"no new connection to the host could be made within {args['confirm_timeout']} seconds ({error});"
                        " it takes the changes back by itself, and the next run says so.",
                    }
                time.sleep(PAUSE_SECONDS)


def confirm_timeout(value: int | None) -> str | None:
    """What is wrong with a confirm_timeout; None if nothing is."""
    low, high = SECONDS
    return None if value is None or low <= value <= high else f"a number of seconds from {low} to {high}"
