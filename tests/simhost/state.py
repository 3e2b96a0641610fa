# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a simulated host: what its kernel knows (a JSON file) and the files of its own (a directory)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import typing as t
from collections.abc import Iterator
from pathlib import Path

# The parts of the file system that belong to the host. Everything else in its root directory is the Linux machine's.
OWN_DIRECTORIES = ("/boot", "/etc", "/root", "/tmp", "/usr/local/etc", "/usr/local/sbin", "/var")


class Host:
    """A simulated host that is locked for one command.

    ``directory`` is the host's folder, ``root`` the folder of its own files, ``kernel`` the content of ``state.json``:
    plain JSON types that the command changes in place.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "root"
        self.kernel: dict[str, t.Any] = {}
        self._saved = ""
        self._lock: int | None = None

    def path(self, name: str) -> Path:
        """Where the host's file ``name`` lies, whether or not this process runs inside the host's root directory."""
        absolute = os.path.abspath(name)
        if any(absolute == own or absolute.startswith(own + "/") for own in OWN_DIRECTORIES):
            return self.root / absolute.lstrip("/")
        return Path(absolute)

    @contextlib.contextmanager
    def released(self) -> Iterator[None]:
        """Let other processes use the host meanwhile, such as the commands of an rc script that this one waits for."""
        self._release()
        try:
            yield
        finally:
            self._acquire()

    def _acquire(self) -> None:
        self._lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._saved = (self.directory / "state.json").read_text(encoding="utf-8")
        # Cleared and filled, not replaced: holders of the dictionary see what others changed in between.
        self.kernel.clear()
        self.kernel.update(json.loads(self._saved))

    def _release(self, *, save: bool = True) -> None:
        assert self._lock is not None
        try:
            if save:
                self._save()
        finally:
            os.close(self._lock)
            self._lock = None

    def _save(self) -> None:
        text = json.dumps(self.kernel, indent=1) + "\n"
        if text != self._saved:
            temporary = self.directory / f"state.json.{os.getpid()}"
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self.directory / "state.json")
            self._saved = text


@contextlib.contextmanager
def opened(directory: str | os.PathLike[str]) -> Iterator[Host]:
    """Lock the host of ``directory`` and read its state; save it on leaving.

    It is saved when the command fails with an exit code, too: FreeBSD's commands keep what they did before the error.
    A crash of the simulation itself leaves the state as it was.
    """
    host = Host(Path(directory))
    host._acquire()
    try:
        yield host
    except SystemExit:
        host._release()
        raise
    except BaseException:
        host._release(save=False)
        raise
    host._release()


def host_names(host: Host) -> dict[str, str]:
    """The names that the host's /etc/hosts has for addresses."""
    names: dict[str, str] = {}
    hosts = host.path("/etc/hosts")
    for line in hosts.read_text(encoding="utf-8").splitlines() if hosts.exists() else []:
        words = line.partition("#")[0].split()
        if len(words) > 1:
            names.setdefault(words[0], words[1])
    return names
