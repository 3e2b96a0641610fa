# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a run back that nobody confirms: a process of its own, which outlives the module and the connection that brought it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import time
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import journal
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import LOCK, Host, Locked

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# How often it looks whether the run was confirmed.
LOOK_SECONDS = 0.5
# Files of the module that are open, the lock among them, are not the watchdog's.
OPEN_FILES = 1024


def arm(module: AnsibleModule, token: str, seconds: int) -> None:
    """Have the run `token` taken back after so many seconds, unless its journal has ended by then. Raises OSError if nobody would do so."""
    runner = os.getpid()
    told, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        os.waitpid(child, 0)
        with open(told, "rb") as ready:
            if not ready.read(1):
                raise OSError("the process that is to take changes back if they are not confirmed could not be started; nothing was changed")
        return
    # Nothing that happens here may reach the code of the module that was forked.
    with contextlib.suppress(BaseException):
        os.setsid()
        if os.fork() == 0:
            _watch(module, token, seconds, runner, _detach(tell))
    os._exit(0)


def alive(token: str) -> bool:
    """Whether a watchdog waits for the run `token` to be confirmed; none does after a boot."""
    try:
        folder = os.open(_folder(token), os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(folder)
    return False


def _folder(token: str) -> str:
    """Where the watchdog of a run stages files. It has this folder locked as long as it lives."""
    return f"/var/run/pfnet-{token}"


def _detach(tell: int) -> int:
    """Let go of all that is the module's; gives the number that the open file `tell` has then."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.dup2(tell, 3)
    os.closerange(4, OPEN_FILES)
    return 3


def _watch(module: AnsibleModule, token: str, seconds: int, runner: int, tell: int) -> None:
    staging = _folder(token)
    os.mkdir(staging, 0o700)
    host = Host(module, staging)
    try:
        fcntl.flock(os.open(staging, os.O_RDONLY), fcntl.LOCK_EX)
        os.write(tell, b".")
        os.close(tell)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
            if not _pending(host, token):
                return
        try:
            _take_back(host, token, seconds)
        except Locked:
            if (host.read(LOCK) or "").strip() == str(runner):
                # The run itself hangs.
                os.kill(runner, signal.SIGKILL)
            _take_back(host, token, seconds)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _pending(host: Host, token: str) -> bool:
    try:
        found = journal.read(host)
    except (OSError, journal.Unreadable):
        # It may be readable when its time has come.
        return True
    return found is not None and found.token == token


def _take_back(host: Host, token: str, seconds: int) -> None:
    with host.locked():
        found = journal.read(host)
        if found and found.token == token:
            journal.roll_back(host, found, f"was not confirmed within {seconds} seconds")
