# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is made of: actions as plain data, each with the actions that take it back."""

from __future__ import annotations

import dataclasses
import enum
import typing as t


@dataclasses.dataclass(frozen=True)
class Run:
    """Run a command."""

    argv: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class CreateBridge:
    """Create the bridge `unit`, such as bridge1000, under its name, in that interface group from the first.

    The unit is the one that it has after a boot, so that rc(8) finds it there already.
    """

    name: str
    group: str
    unit: str


@dataclasses.dataclass(frozen=True)
class WriteFile:
    """Replace a file; None removes it, and the folders up to `base` that it leaves empty. A new file has the owner and the mode of `like`.

    With `only_over` it is left, as an error, if it holds anything else than one of these texts (None: it is not there).
    """

    path: str
    text: str | None
    base: str
    like: str | None = None
    only_over: tuple[str | None, ...] = ()


@dataclasses.dataclass(frozen=True)
class LoadAnchors:
    """Load the anchors `root`/NAME in one transaction; None empties one, but for tables that persist."""

    root: str
    texts: dict[str, str | None]


@dataclasses.dataclass(frozen=True)
class RecordLoaded:
    """Write down what the kernel prints for the anchors just loaded, {path: {sha256, tables}}, beside the entries that are kept."""

    anchors: dict[str, dict[str, t.Any]]
    keep: dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class KillStates:
    """End the connections that were allowed to networks before and are not any more: {name, before, after} each, policies of states.py.

    `after` None: the network is gone. It cannot be taken back.
    """

    networks: tuple[dict[str, t.Any], ...]


@dataclasses.dataclass(frozen=True)
class Serve:
    """Let the service start, stop or reload (`verb`) the dnsmasq of these networks. What it did is taken back if it does not do all of it."""

    verb: str
    networks: tuple[str, ...]


Action = t.Union[Run, CreateBridge, WriteFile, LoadAnchors, RecordLoaded, KillStates, Serve]


class Phase(enum.IntEnum):
    """The order of steps.

    In the kernel: rules stand before a bridge is up and stay until it is down, so that no packet passes it unfiltered. In files: a power cut
    at any moment leaves a host that boots with its rules. Anchors are there before the lines that load them, these before the lines that
    make bridges, and what goes does so the other way round. A dnsmasq runs only while its bridge is there; one that has another configuration
    to read is away no longer than its files are written.
    """

    UNSERVE = enum.auto()
    QUIESCE = enum.auto()
    LOAD = enum.auto()
    RELEASE = enum.auto()
    BUILD = enum.auto()
    ROUTE = enum.auto()
    PAUSE = enum.auto()
    FILES = enum.auto()
    SERVE = enum.auto()
    BOOT_RULES = enum.auto()
    BOOT_INTERFACES = enum.auto()
    BOOT_RULES_GO = enum.auto()
    FILES_GO = enum.auto()
    RECORD = enum.auto()
    FLUSH = enum.auto()
    DESTROY = enum.auto()
    KILL = enum.auto()


@dataclasses.dataclass(frozen=True)
class Step:
    """One change: in words, as an action, and the actions that take it back."""

    phase: Phase
    what: str
    do: Action
    undo: tuple[Action, ...] = ()


@dataclasses.dataclass
class Plan:
    """Steps in order, one outcome {name, action, reasons} for each thing that was asked for, and what to tell the user.

    With `problems` ({path, found, allowed} each) nothing is to be carried out.
    """

    steps: list[Step] = dataclasses.field(default_factory=list)
    outcomes: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    problems: list[dict[str, str]] = dataclasses.field(default_factory=list)
    diffs: list[dict[str, str]] = dataclasses.field(default_factory=list)

    def refuse(self, path: str, found: str, allowed: str) -> None:
        self.problems.append({"path": path, "found": found, "allowed": allowed})

    def ifconfig(self, phase: Phase, what: str, words: tuple[str, ...], undo: tuple[str, ...] = ()) -> None:
        """A step of ifconfig(8), and the words that take it back."""
        self.steps.append(Step(phase, what, Run(("ifconfig", *words)), (Run(("ifconfig", *undo)),) if undo else ()))

    def file(self, path: str, text: str | None, before: str | None, base: str, phase: Phase | None = None, undo_too: tuple[Action, ...] = ()) -> None:
        """A step that makes a file hold `text`, or be gone, unless it is so already; `undo_too` takes back what comes of the file."""
        if text != before:
            what = f"{'write' if text is not None else 'remove'} {path}"
            phase = phase or (Phase.FILES if text is not None else Phase.FILES_GO)
            self.steps.append(Step(phase, what, WriteFile(path, text, base), (WriteFile(path, before, base, only_over=(text, before)), *undo_too)))

    def diff(self, header: str, before: str, after: str) -> None:
        if before != after:
            before, after = (text.encode(errors="surrogateescape").decode(errors="replace") for text in (before, after))
            self.diffs.append({"before_header": header, "after_header": header, "before": before, "after": after})
