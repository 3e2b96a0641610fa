# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a run: how to take it back, on disk before its first step.

A run that fails takes itself back. One that is killed is taken back by the next run. One that awaits a confirmation is taken back by a
watchdog of its own, which needs neither the network nor the connection that started it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
import typing as t
import uuid

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import fallback, layout, steps
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.apply import Done, take_back

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Action, Plan

ACTIONS: dict[str, t.Any] = {kind.__name__: kind for kind in t.get_args(steps.Action)}


@dataclasses.dataclass(frozen=True)
class Journal:
    """A run as its journal has it: `undo` in the order of its steps, of which `begun` were begun; one more than there are: all are done.

    `deadline`: when it is taken back unless it is confirmed, in seconds since the epoch; None if nobody has to confirm it.
    """

    token: str
    started: float
    deadline: float | None
    undo: tuple[Done, ...]
    begun: int


class Unreadable(Exception):
    """A journal that cannot be read; the text names the remedy."""


def start(host: Host, plan: Plan, confirm_timeout: int | None) -> Journal:
    """Write the journal of a run that is about to begin; `confirm_timeout` in seconds."""
    now = time.time()
    journal = Journal(
        token=uuid.uuid4().hex,
        started=now,
        deadline=now + confirm_timeout if confirm_timeout else None,
        undo=tuple(Done(step.what, step.undo) for step in plan.steps),
        begun=0,
    )
    document = {
        "format": layout.FORMAT,
        "token": journal.token,
        "started": journal.started,
        "deadline": journal.deadline,
        "undo": [{"what": done.what, "undo": [_packed(action) for action in done.undo]} for done in journal.undo],
    }
    host.write(layout.PROGRESS, "", layout.STATE)
    # It holds the former text of files that may not be for everybody.
    host.write(layout.JOURNAL, json.dumps(document) + "\n", layout.STATE, mode=0o600)
    if confirm_timeout:
        note = _note("was not confirmed before the host started again", now, ["what it wrote for the boot, which is all that is left of it"], [])
        fallback.put(host, [action for done in reversed(journal.undo) for action in done.undo], note)
    return journal


def begin(host: Host) -> None:
    """Note that the next step begins, or after the last one, that all are done."""
    host.append(layout.PROGRESS, ".")


def end(host: Host) -> None:
    """The run is whole, or taken back whole: there is nothing left to take back."""
    fallback.remove(host)
    host.write(layout.JOURNAL, None, layout.STATE)
    host.write(layout.PROGRESS, None, layout.STATE)


def read(host: Host) -> Journal | None:
    """The journal of a run that is under way, awaits its confirmation or was cut short; None if there is none. Raises Unreadable."""
    text = host.read(layout.JOURNAL)
    if text is None:
        return None
    try:
        data = json.loads(text)
        if data["format"] != layout.FORMAT:
            raise ValueError(f"format {data['format']!r}")
        undo = tuple(Done(entry["what"], tuple(_unpacked(action) for action in entry["undo"])) for entry in data["undo"])
        return Journal(data["token"], data["started"], data["deadline"], undo, len(host.read(layout.PROGRESS) or ""))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(
            f"{layout.JOURNAL}, which says how to take back a run that was cut short, cannot be read ({error}):"
            " use the version of bsdvirt.pfnet that wrote it or, if the host is as it should be, remove the file"
        ) from None


def roll_back(host: Host, journal: Journal, why: str) -> None:
    """Take back what a run began, and leave word of it for the next one. The caller holds the lock."""
    begun = journal.undo[: journal.begun]
    undone, stuck = take_back(host, begun)
    # Whether a step that was cut short had any effect is not known: that it cannot be undone need not mean anything.
    interrupted = {begun[-1].what} if begun and journal.begun <= len(journal.undo) else set()
    text = _note(why, journal.started, undone, [f"{what} ({error})" for what, error in stuck if what not in interrupted])
    try:
        host.write(layout.TAKEN_BACK, text, layout.STATE)
    except OSError:
        # On a full disk the journal gives back the room for it. It must not stay: nothing is to be taken back twice.
        end(host)
        with contextlib.suppress(OSError):
            host.write(layout.TAKEN_BACK, text, layout.STATE)
        return
    end(host)


def _note(why: str, started: float, undone: list[str], stuck: list[str]) -> str:
    """What layout.TAKEN_BACK holds."""
    return json.dumps({"format": layout.FORMAT, "why": why, "started": started, "undone": undone, "stuck": stuck}, indent=2) + "\n"


def told(host: Host, *, keep: bool = False) -> list[str]:
    """What was taken back since the last run, in words for its user; told once, unless `keep`."""
    text = host.read(layout.TAKEN_BACK)
    if text is None:
        return []
    if not keep:
        host.write(layout.TAKEN_BACK, None, layout.STATE)
    try:
        note = json.loads(text)
        words = f"The run that began {_clock(note['started'])} {note['why']}; it was taken back: {'; '.join(note['undone']) or 'nothing had been done'}."
        if note["stuck"]:
            words += f" Could not be taken back: {'; '.join(note['stuck'])}."
    except (ValueError, KeyError, TypeError):
        return [f"A former run was taken back; {layout.TAKEN_BACK}, which said how, could not be read."]
    return [words]


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(seconds))


def _packed(action: Action) -> dict[str, t.Any]:
    """An action as JSON has it; fields one level deep, since its values are plain data."""
    return {"action": type(action).__name__, **{field.name: getattr(action, field.name) for field in dataclasses.fields(action)}}


def _unpacked(data: dict[str, t.Any]) -> Action:
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name != "action"}
    return t.cast("Action", ACTIONS[data["action"]](**fields))
