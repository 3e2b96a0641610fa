# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection on a simulated host, both in this process: a run in milliseconds, for tests that make many."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import typing as t
from pathlib import Path

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import journal, layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.apply import StepFailed, apply, check
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import CommandError, Host, Output
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import observe
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.plan import Wanted, plan
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.render import render
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import read_networks
from simhost import create, state
from simhost.program import invoke


class InProcessHost(Host):
    """A Host whose commands are calls of the simulation, and whose files are those of the simulated host.

    `commands` has every command line in order. `failing`: the number of the command, counted from 0, that fails in place of being run.
    """

    def __init__(self, directory: Path) -> None:
        self.directory: Path = directory
        self.commands: list[str] = []
        self.failing: int | None = None

    def stage(self, name: str, text: str) -> str:
        Path(self._there(f"/tmp/{name}")).write_text(text, encoding="utf-8")
        return f"/tmp/{name}"

    def run(self, *argv: str, stdin: str | None = None, ok: t.Container[int] | None = (0,)) -> Output:
        self.commands.append(" ".join(argv))
        if len(self.commands) - 1 == self.failing:
            raise CommandError(argv, Output(1, "", "made to fail by the test\n"))
        stdout, stderr = io.StringIO(), io.StringIO()
        with state.opened(self.directory) as machine, contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            rc = invoke(machine, argv[0], list(argv[1:]), io.StringIO(stdin or ""))
        output = Output(rc, stdout.getvalue(), stderr.getvalue())
        if ok is not None and rc not in ok:
            raise CommandError(argv, output)
        return output

    def _there(self, path: str) -> str:
        return str(self.directory / "root" / path.lstrip("/"))

    def read(self, path: str) -> str | None:  # type: ignore[override]
        return Host.read(self._there(path))

    def names(self, folder: str) -> list[str]:  # type: ignore[override]
        return Host.names(self._there(folder))

    def read_as_is(self, path: str) -> str | None:  # type: ignore[override]
        return Host.read_as_is(self._there(path))

    def write(self, path: str, text: str | None, base: str, *, like: str | None = None, mode: int = 0o644) -> None:  # type: ignore[override]
        Host.write(self._there(path), text, self._there(base), like=self._there(like) if like else None, mode=mode)

    def append(self, path: str, text: str) -> None:  # type: ignore[override]
        Host.append(self._there(path), text)

    def is_file(self, path: str) -> bool:  # type: ignore[override]
        return Host.is_file(self._there(path))

    def is_folder(self, path: str) -> bool:  # type: ignore[override]
        return Host.is_folder(self._there(path))

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        yield

    def make(self, definitions: list[dict[str, t.Any]], **options: t.Any) -> Plan:
        """One run of the module: the plan it made, carried out."""
        made = self.planned(definitions, **options)
        assert not made.problems, made.problems
        check(self, made)
        self.carry_out(made)
        return made

    def carry_out(self, made: Plan) -> None:
        """What the module does with a plan."""
        journal.start(self, made, None)
        try:
            apply(self, made, lambda: journal.begin(self))
        except StepFailed:
            journal.end(self)
            raise
        journal.end(self)

    def planned(self, definitions: list[dict[str, t.Any]], **options: t.Any) -> Plan:
        """What a run would do."""
        documents = t.cast("tuple[dict[str, t.Any], ...]", tuple(render(read_networks(definitions))))
        wanted = Wanted(documents, "libvirt", **options)
        return plan(wanted, observe(self, wanted.documents, "libvirt"))

    def reboot(self) -> None:
        """A new kernel, which boots from the files that are there."""
        create.reboot(self.directory)

    def use_pf_conf(self, *lines: str) -> None:
        """Have the host boot with these main rules, and load them."""
        text = "".join(f"{line}\n" for line in lines)
        Path(self._there(layout.MAIN_RULES)).write_text(text, encoding="utf-8")
        self.run("pfctl", "-f", layout.MAIN_RULES)

    def everything(self) -> tuple[t.Any, dict[str, bytes]]:
        """All that the host is: its kernel, and its files."""
        root = self.directory / "root"
        files = {str(path.relative_to(root)): path.read_bytes() if path.is_file() else b"" for path in root.rglob("*") if root / "tmp" not in path.parents}
        return json.loads((self.directory / "state.json").read_text()), files


def copy_of(pristine: Path, directory: Path) -> InProcessHost:
    """A host like another one, that can be spent."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(pristine, directory, symlinks=True)
    return InProcessHost(directory)
