# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated host's commands and files, used by tests in their own process."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from simhost import execute


def run(directory: Path, *argv: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command on the host."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = execute.run(directory, argv[0], list(argv[1:]), io.StringIO())
    return code, stdout.getvalue(), stderr.getvalue()


def write(directory: Path, path: str, text: str) -> Path:
    """Write a file of the host, with the folders that it needs."""
    file = directory / "root" / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def read(directory: Path, path: str) -> str:
    return (directory / "root" / path.lstrip("/")).read_text(encoding="utf-8")
