# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out; what was done is undone when a step fails."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import dnsmasq, layout, pf, states
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import CommandError
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import CreateBridge, KillStates, LoadAnchors, RecordLoaded, Run, Serve, WriteFile

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Action, Plan, Step


class StepFailed(Exception):
    """A step that failed; the text says which, why, and what became of the steps before it."""

    def __init__(self, step: Step, cause: Exception, undone: list[str], stuck: list[tuple[str, Exception]]) -> None:
        lines = [f"Could not {step.what}: {cause}"]
        lines.append(f"Undone: {'; '.join(undone)}." if undone else "Nothing had been changed.")
        if stuck:
            lines.append(f"Could not be undone: {'; '.join(f'{what} ({error})' for what, error in stuck)}.")
        super().__init__("\n".join(lines))
        self.step = step


def check(host: Host, plan: Plan) -> None:
    """Have pfctl and dnsmasq read what the plan would have them do, without doing it.

    Raises CommandError, pf.RootInUse if the load would take rules away, dnsmasq.NotTaken.
    """
    for step in plan.steps:
        if isinstance(step.do, LoadAnchors):
            pf.refuse_own_rules(host, step.do.root)
            pf.load(host, step.do.root, step.do.texts, dry_run=True)
        elif isinstance(step.do, WriteFile) and step.do.text is not None and step.do.path.startswith(f"{layout.DNSMASQ}/") and step.do.path.endswith(".conf"):
            dnsmasq.check_text(host, step.do.path, step.do.text)


@dataclasses.dataclass(frozen=True)
class Done:
    """A step as it is taken back: in words, and the actions that do so."""

    what: str
    undo: tuple[Action, ...]


def apply(host: Host, plan: Plan, begin: t.Callable[[], None] = lambda: None) -> None:
    """Carry the steps out in order, calling `begin` before each and after the last. Raises StepFailed after undoing, in reverse, those already done."""
    done: list[Done] = []
    for step in plan.steps:
        try:
            begin()
            _perform(host, step.do)
        except (CommandError, OSError) as error:
            undone, stuck = take_back(host, done)
            raise StepFailed(step, error, undone, stuck) from error
        done.append(Done(step.what, step.undo))
    try:
        begin()
    except OSError as error:
        undone, stuck = take_back(host, done)
        raise StepFailed(plan.steps[-1], error, undone, stuck) from error


def take_back(host: Host, done: t.Sequence[Done]) -> tuple[list[str], list[tuple[str, Exception]]]:
    """Undo steps in reverse, all of them even when one cannot be. The words of those undone, and of the others with their errors."""
    undone: list[str] = []
    stuck: list[tuple[str, Exception]] = []
    for step in reversed(done):
        try:
            for action in step.undo:
                _perform(host, action)
        except (CommandError, OSError) as error:
            stuck.append((step.what, error))
        else:
            if step.undo:
                undone.append(step.what)
    return undone, stuck


def _perform(host: Host, action: Action) -> None:
    if isinstance(action, Run):
        host.run(*action.argv)
    elif isinstance(action, CreateBridge):
        _create_bridge(host, action)
    elif isinstance(action, WriteFile):
        if action.only_over and host.read_as_is(action.path) not in (action.text, *action.only_over):
            raise OSError(f"{action.path} was changed by somebody else meanwhile, and is left so")
        host.write(action.path, action.text, action.base, like=action.like)
    elif isinstance(action, LoadAnchors):
        pf.load(host, action.root, action.texts)
    elif isinstance(action, KillStates):
        states.kill_disallowed(host, action.networks)
    elif isinstance(action, Serve):
        dnsmasq.serve(host, action)
    else:
        _record_loaded(host, action)


def _create_bridge(host: Host, bridge: CreateBridge) -> None:
    try:
        host.run("ifconfig", bridge.unit, "create", "name", bridge.name, "group", bridge.group)
    except CommandError as error:
        # A name that is taken or not to ifconfig's liking leaves the bridge behind under the name of its unit.
        if f"interface {bridge.unit} already exists" not in error.output.stderr:
            host.run("ifconfig", bridge.unit, "destroy", ok=None)
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
