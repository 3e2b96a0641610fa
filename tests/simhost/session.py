# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a session of commands inside a host: ``python -m simhost run DIR -- python -m simhost.session < IN > OUT``.

IN and OUT are JSON lists of steps, ``{argv, stdin?}`` and ``{argv, stdin?, rc, stdout, stderr}``: the ``steps`` of a recorded session.
A step may also be a pause, ``{sleep: seconds}``.
One process runs all simulated commands of a session; everything else is started as a program.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import traceback
import typing as t
from pathlib import Path

from . import execute, state

Step = dict[str, t.Any]


def run_step(directory: Path, step: Step) -> Step:
    """Run one step on the host in ``directory`` and return it with its outcome; a pause lets the host's clock go on."""
    if "sleep" in step:
        with state.opened(directory) as host:
            execute.wait(host, round(step["sleep"] * 1000))
        return step
    argv, given = step["argv"], step.get("stdin") or ""
    if importlib.util.find_spec(f"simhost.commands.{argv[0].replace('-', '_')}"):
        stdout, stderr = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            try:
                code = execute.run(directory, argv[0], argv[1:], io.StringIO(given))
            except Exception:  # a crash of one command must not hide what the others do
                traceback.print_exc()
                code = 70
        return {**step, "rc": code, "stdout": stdout.getvalue(), "stderr": stderr.getvalue()}
    try:
        done = subprocess.run(argv, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return {**step, "rc": 127, "stdout": "", "stderr": f"{argv[0]}: {error.strerror}\n"}
    return {**step, "rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


def main() -> int:
    directory = Path(os.environ["SIMHOST"])
    json.dump([run_step(directory, step) for step in json.load(sys.stdin)], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
