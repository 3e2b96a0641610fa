# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A boot before the confirmation: who is locked out turns the host off and on, and no watchdog outlives that.

Until a change is confirmed, a script of rc(8) is there that puts files and rc.conf(5) back before anything reads them. The kernel starts
anew anyway. It needs nothing but sh: at that time Python may not even be mounted.
"""

from __future__ import annotations

import os
import shlex
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Run, WriteFile

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Action

_NOTE = f"{layout.UNCONFIRMED}/note.json"
# There if the folder of the script was made for it.
_MADE = f"{layout.UNCONFIRMED}/made"
_FOLDER = os.path.dirname(layout.UNCONFIRMED_SCRIPT)

_HEAD = """#!/bin/sh
# Written by bsdvirt.pfnet for the time until a change is confirmed. If the host starts again before that, it starts as before the change.

# PROVIDE: pfnet_unconfirmed
# REQUIRE: FILESYSTEMS
# BEFORE: netif routing pf

put()
{
    mkdir -p "${2%/*}"
    [ ! -e "$2" ] || cp -p "$2" "${2%/*}/.unconfirmed"
    cat "$1" > "${2%/*}/.unconfirmed" && mv -f "${2%/*}/.unconfirmed" "$2"
}

if [ "$1" = faststart ] && [ "$autoboot" = yes ]; then
    echo "Taking back a change of bsdvirt.pfnet that was not confirmed."
"""
# rc(8) has read rc.conf(5) already, and reads it again at this signal.
_TAIL = """    [ -z "$RC_PID" ] || kill -ALRM "$RC_PID"
fi
"""


def put(host: Host, undo: t.Sequence[Action], note: str) -> None:
    """Have a boot carry out what of `undo` is about files and rc.conf(5), and leave `note` as layout.TAKEN_BACK."""
    lines = []
    for number, action in enumerate(undo):
        if isinstance(action, Run) and action.argv[0] == "sysrc":
            lines.append(f"{shlex.join(action.argv)} > /dev/null")
        elif isinstance(action, WriteFile) and action.text is None:
            folders = shlex.join(_folders(action))
            lines += [f"rm -f {shlex.quote(action.path)}", *([f"rmdir {folders} 2> /dev/null"] if folders else [])]
        elif isinstance(action, WriteFile):
            saved = f"{layout.UNCONFIRMED}/{number}"
            # It may be for root alone.
            host.write(saved, action.text, layout.STATE, mode=0o600)
            lines.append(f"put {saved} {shlex.quote(action.path)}")
    host.write(_NOTE, note, layout.STATE)
    made = not host.is_folder(_FOLDER)
    if made:
        host.write(_MADE, "", layout.STATE)
    lines += [
        f"mv -f {_NOTE} {layout.TAKEN_BACK}",
        f"rm -rf {layout.UNCONFIRMED} {layout.JOURNAL} {layout.PROGRESS} {layout.UNCONFIRMED_SCRIPT}",
        *([f"rmdir {_FOLDER} 2> /dev/null"] if made else []),
    ]
    # Last, since it counts on all that is written before.
    host.write(layout.UNCONFIRMED_SCRIPT, _HEAD + "".join(f"    {line}\n" for line in lines) + _TAIL, _FOLDER, mode=0o755)


def _folders(action: WriteFile) -> t.Iterator[str]:
    """The folders that go with a file, the innermost first."""
    folder = os.path.dirname(action.path)
    while folder.startswith(action.base):
        yield folder
        folder = os.path.dirname(folder)


def remove(host: Host) -> None:
    """A boot has nothing to take back any more."""
    names = host.names(layout.UNCONFIRMED)
    if names or host.is_file(layout.UNCONFIRMED_SCRIPT):
        host.write(layout.UNCONFIRMED_SCRIPT, None, _FOLDER if os.path.basename(_MADE) in names else layout.UNCONFIRMED_SCRIPT)
    for name in names:
        host.write(f"{layout.UNCONFIRMED}/{name}", None, layout.STATE)
