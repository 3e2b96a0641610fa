# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's clock: simulated milliseconds that pass with each command, so that what happens "a moment later" is predictable.

Pending events are ``{at, event, arguments}``. Each command takes COMMAND_MS; those that sleep or start slowly take more.
"""

from __future__ import annotations

import time
import typing as t

Kernel = dict[str, t.Any]

COMMAND_MS = 200
# What time it is, in seconds since 1970, when the clock begins.
BEGINNING = 1_763_881_380


def now(kernel: Kernel) -> int:
    """Milliseconds since the host booted for the first time."""
    return int(kernel["clock"]["now"])


def schedule(kernel: Kernel, delay: int, event: str, *arguments: str) -> None:
    """Let an event happen ``delay`` milliseconds from now."""
    kernel["clock"]["pending"].append({"at": now(kernel) + delay, "event": event, "arguments": list(arguments)})


def next_due(kernel: Kernel, until: int) -> dict[str, t.Any] | None:
    """Take the earliest pending event that is due at ``until``, and set the clock to its time."""
    pending: list[dict[str, t.Any]] = kernel["clock"]["pending"]
    event = min((event for event in pending if event["at"] <= until), key=lambda event: t.cast(int, event["at"]), default=None)
    if event is not None:
        pending.remove(event)
        kernel["clock"]["now"] = max(now(kernel), event["at"])
    return event


def date(milliseconds: int) -> str:
    """A time of the clock as ctime(3) writes it, ``Sun Nov 23 07:03:00 2025``."""
    return time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(BEGINNING + milliseconds // 1000))
