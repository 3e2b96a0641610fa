# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules that change a host share: the lock, the journal, checks before steps, results and errors."""

from __future__ import annotations

import dataclasses
import platform
import time
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import journal, pf, watchdog
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.apply import StepFailed, apply, check
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.dnsmasq import NotTaken
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import CommandError, Host, Locked
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import Unreadable

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan

# The options that come with the documentation fragment `confirm`.
CONFIRM: dict[str, t.Any] = {"confirm_timeout": {"type": "int"}, "_confirm": {"type": "str"}}


@dataclasses.dataclass(frozen=True)
class Change:
    """What a module does: `plan` looks at the host and makes the plan, `returns` gives what the module returns of it beside what all modules do.

    `what` is what the plan's problems lie in, for the error.
    """

    plan: t.Callable[[Host], Plan]
    returns: t.Callable[[Plan], dict[str, t.Any]]
    what: str


def run(module: AnsibleModule, change: Change) -> t.NoReturn:
    """Make the host what the plan says, or in check mode find out what that would take; ends the module."""
    if platform.system() != "FreeBSD":
        module.fail_json(msg=f"This module is for FreeBSD; this host runs {platform.system()}.")
    host = Host(module)
    try:
        if module.params.get("_confirm"):
            confirm(host, module.params["_confirm"])
            module.exit_json(changed=False)
        # Looking needs no lock, and check mode leaves no file behind, not even an empty one.
        result = look(module, host, change) if module.check_mode else carry_out(module, host, change)
    except pf.NotLoaded as error:
        module.fail_json(msg=f"pf cannot be reached ({error}). {pf.REMEDY}")
    except (pf.RootInUse, NotTaken, Locked, Unreadable, journal.Unreadable, NotConfirmed, CommandError, StepFailed) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The host could not be looked at or changed: {error}. If changes had begun, the next run takes them back.")
    module.exit_json(**result)


class NotConfirmed(Exception):
    """The run to be confirmed has been taken back."""


def confirm(host: Host, token: str) -> None:
    """Let the changes of the run `token` stay. Raises NotConfirmed if they are taken back already."""
    with host.locked():
        found = journal.read(host)
        if found is None or found.token != token:
            raise NotConfirmed(" ".join(journal.told(host)) or "The run was taken back before it could be confirmed.")
        journal.end(host)


def look(module: AnsibleModule, host: Host, change: Change) -> dict[str, t.Any]:
    """The result of check mode."""
    made = _planned(module, host, change)
    warnings = journal.told(host, keep=True)
    if journal.read(host):
        warnings.append("A former run is not confirmed yet, or was cut short: the next run that changes something takes it back first.")
    return _result(module, change, made, warnings)


def carry_out(module: AnsibleModule, host: Host, change: Change) -> dict[str, t.Any]:
    """The result of a run that changes the host."""
    while True:
        # Outside of the lock, which the other run needs to be confirmed, or its watchdog to take it back.
        while _awaits_confirmation(journal.read(host)):
            time.sleep(1)
        with host.locked():
            left = journal.read(host)
            if _awaits_confirmation(left):
                continue
            if left:
                journal.roll_back(host, left, "was cut short")
            return _carried_out(module, host, change)


def _awaits_confirmation(found: journal.Journal | None) -> bool:
    """Whether a watchdog has still to take a run back, or to be told not to."""
    # Not by the deadline: clocks are set, and a watchdog does not outlive a boot.
    return found is not None and found.deadline is not None and watchdog.alive(found.token)


def _carried_out(module: AnsibleModule, host: Host, change: Change) -> dict[str, t.Any]:
    made = _planned(module, host, change)
    # What is warned of here is also told when a step fails.
    result = _result(module, change, made, journal.told(host))
    if not made.steps:
        return result
    # A module that cannot cut the connection has no such option.
    timeout = module.params.get("confirm_timeout")
    begun = journal.start(host, made, timeout)
    if timeout:
        try:
            watchdog.arm(module, begun.token, timeout)
        except OSError:
            journal.end(host)
            raise
        result["_confirm"] = begun.token
    try:
        apply(host, made, lambda: journal.begin(host))
    except StepFailed:
        journal.end(host)
        raise
    if not timeout:
        journal.end(host)
    return result


def _planned(module: AnsibleModule, host: Host, change: Change) -> Plan:
    made = change.plan(host)
    if made.problems:
        lines = "\n".join("- {path}: found {found}; allowed: {allowed}".format(**problem) for problem in made.problems)
        module.fail_json(msg=f"The {change.what} does not fit this host, which has not been changed:\n{lines}", problems=made.problems)
    check(host, made)
    return made


def _result(module: AnsibleModule, change: Change, made: Plan, warnings: list[str]) -> dict[str, t.Any]:
    for warning in (*warnings, *made.warnings):
        module.warn(warning)
    result: dict[str, t.Any] = {"changed": bool(made.steps), "steps": [step.what for step in made.steps], **change.returns(made)}
    if module._diff:
        result["diff"] = made.diffs
    return result
