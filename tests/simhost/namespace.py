# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The private root directory of a host: Linux's programs below the host's own files, commands and name.

The process that enters it gets mount, UTS, IPC and network namespaces of its own (and, unless it is root, a user namespace
in which it is root). All mounts are made below one tmpfs that nobody else sees, and are gone with the last process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from .state import OWN_DIRECTORIES

# FreeBSD's search path, but for /sbin first: that is where the host's commands are, over Linux's of the same name.
PATH = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
COMMAND_DIRECTORIES = ("/sbin", "/usr/sbin")
# Folders that are put together entry by entry, since the host has folders of its own in them.
ASSEMBLED = ("/", "/usr", "/usr/local")
# What Linux's programs need of their own /etc: links to them, and what the dynamic linker and TLS read.
LINUX_FILES = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl")
# Linux's, and nothing that a FreeBSD host would have.
HIDDEN = {"/lost+found", "/run"}

SETTINGS = Path("/proc/sys")

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE, MS_UNBINDABLE = 4096, 16384, 1 << 18, 1 << 17


class NamespaceError(Exception):
    """This machine does not allow the namespaces that a simulated host needs; the message says what would."""


_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str = "", flags: int = 0) -> None:
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), None), f"mount {source} on {target}")


def _unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def enter(directory: Path, visible: Iterable[str] = ()) -> None:
    """Move this process into the root directory of the host in ``directory``.

    ``visible`` names files and folders of the Linux machine that must be there at the same place, also where the host has
    files of its own, such as a checkout below /tmp. Raises NamespaceError when the machine does not allow it.
    """
    directory = directory.resolve()
    name = (directory / "root/etc/hostname").read_text(encoding="utf-8").strip()
    working_directory = os.getcwd()
    # Asked before: inside a user namespace everybody is root.
    advice = _advice(os.geteuid())
    _separate(advice)
    try:
        socket.sethostname(name)
        _mount("none", "/", flags=MS_REC | MS_PRIVATE)
        root = directory / "mnt"
        # Unbindable: a folder that contains this one can be bound below it without going round in circles.
        _mount("simhost", str(root), "tmpfs")
        _mount("none", str(root), flags=MS_UNBINDABLE)
        _populate(root, directory)
        # Ansible takes the service manager from the name of process 1.
        _mount(str(directory / "init"), str(root / "proc/1/comm"), flags=MS_BIND)
        for path in (str(directory), *LINUX_FILES, *visible):
            _show(root, directory, os.path.realpath(path))
        os.chroot(root)
    except OSError as error:
        raise NamespaceError(f"cannot set up the simulated host's root directory: {error.strerror}. {advice}") from None
    try:
        os.chdir(working_directory)
    except OSError:
        os.chdir("/")


def environment(directory: Path) -> dict[str, str]:
    """The environment of a root login on the host, with the locale of the caller."""
    kept = {name: value for name, value in os.environ.items() if name in ("LANG", "TERM", "TZ") or name.startswith("LC_")}
    return kept | {
        "HOME": "/root",
        "LOGNAME": "root",
        "PATH": PATH,
        # Makes Python programs, Ansible's modules among them, believe that they run on FreeBSD.
        "PYTHONPATH": str(Path(__file__).parent.resolve() / "disguise"),
        "SHELL": "/bin/sh",
        "SIMHOST": str(directory.resolve()),
        "USER": "root",
    }


def needed_paths(*more: str) -> list[str]:
    """What must be visible on every host: this package and the Python that runs its commands, and the paths that are given."""
    return [str(Path(__file__).parents[2].resolve()), sys.prefix, sys.base_prefix, *more]


def _separate(advice: str) -> None:
    flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET
    uid, gid = os.geteuid(), os.getegid()
    try:
        if uid == 0:
            _unshare(flags)
            return
        _unshare(flags | CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1\n", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1\n", encoding="ascii")
    except OSError as error:
        raise NamespaceError(f"a simulated host needs namespaces of its own, and this machine refuses them: {error.strerror}. {advice}") from None


def _advice(uid: int) -> str:
    """What has to change, as far as the machine tells."""
    if not sys.platform.startswith("linux"):
        return "Simulated hosts need Linux."
    if uid == 0:
        return "In a container, give it the capability CAP_SYS_ADMIN (docker run --cap-add SYS_ADMIN --security-opt apparmor=unconfined)."
    for setting, wanted in (
        ("kernel.apparmor_restrict_unprivileged_userns", "0"),
        ("kernel.unprivileged_userns_clone", "1"),
        ("user.max_user_namespaces", "15000"),
    ):
        with contextlib.suppress(OSError):
            value = (SETTINGS / setting.replace(".", "/")).read_text(encoding="ascii").strip()
            if (value == "0") != (wanted == "0"):
                return f"Unprivileged user namespaces are off: run 'sudo sysctl {setting}={wanted}', or run this as root."
    return "Run this as root, or allow unprivileged user namespaces."


def _populate(root: Path, directory: Path) -> None:
    """Fill the empty root: Linux's top level and that of /usr and /usr/local, with the host's own folders in their places."""
    own = {
        **{path: directory / "root" / path.lstrip("/") for path in OWN_DIRECTORIES},
        **{path: directory / "commands" / path.lstrip("/") for path in COMMAND_DIRECTORIES},
    }
    # A merged /usr has /sbin as a link; the host's is a folder.
    for parent in ASSEMBLED:
        there = os.listdir(parent) if os.path.isdir(parent) else []
        for entry in sorted({*(os.path.join(parent, name) for name in there), *(path for path in own if os.path.dirname(path) == parent)}):
            target = root / entry.lstrip("/")
            if entry in own:
                target.mkdir()
                _mount(str(own[entry]), str(target), flags=MS_BIND)
            elif entry in ASSEMBLED:
                target.mkdir()
            elif entry not in HIDDEN:
                _mirror(entry, target)


def _mirror(entry: str, target: Path) -> None:
    """Show one file, folder or link of Linux in the new root."""
    mode = os.lstat(entry).st_mode
    if stat.S_ISLNK(mode):
        target.symlink_to(os.readlink(entry))
    elif stat.S_ISDIR(mode):
        target.mkdir()
        _mount(entry, str(target), flags=MS_BIND | MS_REC)
    elif stat.S_ISREG(mode):
        target.touch()
        _mount(entry, str(target), flags=MS_BIND)


def _show(root: Path, directory: Path, path: str) -> None:
    """Make a path of the Linux machine visible where the host's own folders hide it."""
    if path in ASSEMBLED:
        # The prefix of a distribution's Python, say. It is visible; bound over what is there, it would hide the host's own folders.
        return
    target = root / path.lstrip("/")
    if not os.path.exists(path) or (target.exists() and os.path.samestat(os.stat(path), os.stat(target))):
        return
    if os.path.isdir(path):
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(path, str(target), flags=MS_BIND | MS_REC)
