# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a run back that nobody confirms: a process of its own, which outlives the module and the connection that brought it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import journal
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host, Locked

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# How often it looks whether the run was confirmed.
LOOK_SECONDS = 0.5
# Files of the module that are open, the lock among them, are not the watchdog's.
OPEN_FILES = 1024


def arm(module: AnsibleModule, token: str, seconds: int) -> None:
    """Have the run `token` taken back after so many seconds, unless its journal has ended by then."""
    runner = os.getpid()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    # Nothing that happens here may reach the code of the module that was forked.
    with contextlib.suppress(BaseException):
        os.setsid()
        if os.fork() == 0:
            _detach()
            _watch(module, token, seconds, runner)
    os._exit(0)


def _detach() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.closerange(3, OPEN_FILES)


def _watch(module: AnsibleModule, token: str, seconds: int, runner: int) -> None:
    staging = tempfile.mkdtemp(prefix="pfnet-", dir="/var/run")
    host = Host(module, staging)
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
            if not _pending(host, token):
                return
        try:
            _take_back(host, token, seconds)
        except Locked:
            # Only the run itself can hold the lock so long; it hangs.
            os.kill(runner, signal.SIGKILL)
            _take_back(host, token, seconds)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _pending(host: Host, token: str) -> bool:
    found = journal.read(host)
    return found is not None and found.token == token


def _take_back(host: Host, token: str, seconds: int) -> None:
    with host.locked():
        found = journal.read(host)
        if found and found.token == token:
            journal.roll_back(host, found, f"was not confirmed within {seconds} seconds")
