# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out; what was done is undone when a step fails."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout, pf
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import CommandError
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import CreateBridge, LoadAnchors, RecordLoaded, Run, WriteFile

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Action, Plan, Step


class StepFailed(Exception):
    """A step that failed; the text says which, why, and what became of the steps before it."""

    def __init__(self, step: Step, cause: Exception, undone: list[str], stuck: list[str]) -> None:
        lines = [f"Could not {step.what}: {cause}"]
        lines.append(f"Undone: {'; '.join(undone)}." if undone else "Nothing had been changed.")
        if stuck:
            lines.append(f"Could not be undone: {'; '.join(stuck)}.")
        super().__init__("\n".join(lines))
        self.step = step


def check(host: Host, plan: Plan) -> None:
    """Have pfctl read what the plan would load, without loading it. Raises CommandError, or pf.RootInUse if the load would take rules away."""
    for step in plan.steps:
        if isinstance(step.do, LoadAnchors):
            pf.refuse_own_rules(host, step.do.root)
            pf.load(host, step.do.root, step.do.texts, dry_run=True)


def apply(host: Host, plan: Plan) -> None:
    """Carry the steps out in order. Raises StepFailed after undoing, in reverse, those already done."""
    done: list[Step] = []
    for step in plan.steps:
        try:
            _perform(host, step.do)
        except (CommandError, OSError) as error:
            undone, stuck = _undo(host, done)
            raise StepFailed(step, error, undone, stuck) from error
        done.append(step)


def _undo(host: Host, done: list[Step]) -> tuple[list[str], list[str]]:
    undone, stuck = [], []
    for step in reversed(done):
        try:
            for action in step.undo:
                _perform(host, action)
        except (CommandError, OSError) as error:
            stuck.append(f"{step.what} ({error})")
        else:
            undone.append(step.what)
    return undone, stuck


def _perform(host: Host, action: Action) -> None:
    if isinstance(action, Run):
        host.run(*action.argv)
    elif isinstance(action, CreateBridge):
        _create_bridge(host, action)
    elif isinstance(action, WriteFile):
        host.write(action.path, action.text, action.base, action.like)
    elif isinstance(action, LoadAnchors):
        pf.load(host, action.root, action.texts)
    else:
        _record_loaded(host, action)


def _create_bridge(host: Host, bridge: CreateBridge) -> None:
    try:
        host.run("ifconfig", "bridge", "create", "name", bridge.name, "group", bridge.group)
    except CommandError as error:
        # A name that is taken or not to ifconfig's liking leaves the bridge behind under the name that the kernel gave it.
        leaked = error.output.stdout.strip()
        if leaked:
            host.run("ifconfig", leaked, "destroy")
        raise


def _record_loaded(host: Host, record: RecordLoaded) -> None:
    anchors = dict(record.keep)
    if record.anchors:
        found = pf.observe_pf(host)
        for path, entry in record.anchors.items():
            anchor = pf.observe_anchor(host, found, path, entry["tables"])
            anchors[path] = {"sha256": entry["sha256"], "rules": anchor.rules, "nat": anchor.nat, "tables": anchor.tables}
    text = json.dumps({"format": layout.FORMAT, "anchors": anchors}, indent=2, sort_keys=True) + "\n" if anchors else None
    host.write(layout.LOADED, text, layout.STATE)
