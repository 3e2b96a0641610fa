# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command over a connection that dies: ``python -m simhost.cut DIR INTERFACE -- COMMAND ...``.

As soon as the host in DIR has an interface of that name, or for the name ``pf`` an enabled pf,
the command and all of its process group are killed, and the exit code is 255,
as that of ssh(1) whose connection broke.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

BROKEN = 255
LOOK_SECONDS = 0.02


def is_cut(directory: str, name: str) -> bool:
    """Whether a host has an interface of that name, or for the name ``pf`` an enabled pf, just now."""
    kernel = json.loads(Path(directory, "state.json").read_text(encoding="utf-8"))
    if name == "pf":
        return bool(kernel.get("pf", {}).get("enabled"))
    return any(interface["name"] == name for interface in kernel["interfaces"])


def main(argv: list[str]) -> int:
    directory, interface, _dashes, *command = argv
    process = subprocess.Popen(command, start_new_session=True)
    while process.poll() is None:
        if is_cut(directory, interface):
            os.killpg(process.pid, signal.SIGKILL)
            return BROKEN
        time.sleep(LOOK_SECONDS)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
