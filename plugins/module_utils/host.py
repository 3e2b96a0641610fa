# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as modules meet it: commands without a shell, and files that change by rename."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import os
import stat
import tempfile
import time
import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

LOCK = "/var/run/pfnet.lock"
LOCK_SECONDS = 120
# Another pfctl holds a transaction open for well under a second.
BUSY_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)


@dataclasses.dataclass(frozen=True)
class Output:
    """What a command gave back."""

    rc: int
    stdout: str
    stderr: str


class CommandError(Exception):
    """A command that failed; the text holds its words and its output."""

    def __init__(self, argv: t.Sequence[str], output: Output) -> None:
        self.argv = list(argv)
        self.output = output
        said = "\n".join(line for line in (output.stderr or output.stdout).splitlines() if "already defined in anchor" not in line)
        super().__init__(f"{' '.join(argv)}: exit code {output.rc}: {said.strip()}")


class Locked(Exception):
    """Another run of the collection does not end."""


class Host:
    """Runs commands and changes files on the machine where the module runs."""

    def __init__(self, module: AnsibleModule, staging: str | None = None) -> None:
        """`staging` is the folder of staged files, by default one that goes with the module."""
        self._module = module
        self._staging = staging
        self._paths: dict[str, str] = {}

    def run(self, *argv: str, stdin: str | None = None, ok: t.Container[int] | None = (0,)) -> Output:
        """Run a command; an exit code outside `ok` (None: any) raises CommandError, a command that cannot be started OSError.

        Waits while pf is `Device busy` with another's transaction.
        """
        path = self._paths.get(argv[0])
        if path is None:
            path = self._module.get_bin_path(argv[0])
            if path is None:
                raise FileNotFoundError(errno.ENOENT, "There is no such command", argv[0])
            self._paths[argv[0]] = path
        for pause in (*BUSY_PAUSES, None):
            # Ansible would expand $NAME even in a list of arguments; and what cannot be started must not end the module before it is taken back.
            rc, stdout, stderr = self._module.run_command(
                [path, *argv[1:]], data=stdin, environ_update={"LC_ALL": "C"}, cwd="/", expand_user_and_vars=False, handle_exceptions=False
            )
            if pause is None or rc == 0 or "Device busy" not in stderr:
                break
            time.sleep(pause)
        output = Output(rc, stdout, stderr)
        if ok is not None and rc not in ok:
            raise CommandError(argv, output)
        return output

    def stage(self, name: str, text: str) -> str:
        """Write a file that lives as long as the module runs; gives its path."""
        path = os.path.join(self._staging or self._module.tmpdir, name)
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        return path

    @staticmethod
    def read(path: str) -> str | None:
        """A file's text, None if there is none. What is not UTF-8 in it is kept."""
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    @staticmethod
    def read_as_is(path: str) -> str | None:
        """The text of somebody else's file, for writing it back byte for byte: line ends as they are, and with what is not UTF-8."""
        try:
            with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
                return file.read()
        except FileNotFoundError:
            return None

    @staticmethod
    def is_folder(path: str) -> bool:
        return os.path.isdir(path)

    @staticmethod
    def is_file(path: str) -> bool:
        return os.path.isfile(path)

    @staticmethod
    def names(folder: str) -> list[str]:
        """The names of the files in a folder, sorted; none if there is no folder."""
        try:
            return sorted(os.listdir(folder))
        except FileNotFoundError:
            return []

    @staticmethod
    def write(path: str, text: str | None, base: str, *, like: str | None = None, mode: int = 0o644) -> None:
        """Replace a file by rename, or with None remove it. Folders below and including `base` come with the first file and go with the last.

        Owner and mode stay; those of a new file are the ones of the file `like`, or root's and `mode`. Of a symbolic link the file is replaced.
        """
        path, base = os.path.realpath(path), os.path.realpath(base)
        folder = os.path.dirname(path)
        if text is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
                _sync(folder)
            with contextlib.suppress(OSError):
                while folder.startswith(base):
                    os.rmdir(folder)
                    folder = os.path.dirname(folder)
            return
        above = [os.path.dirname(made) for made in _missing(folder)]
        os.makedirs(folder, mode=0o755, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".new-", dir=folder)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
                status = _status(path) or _status(like or path)
                if status:
                    os.fchown(file.fileno(), status.st_uid, status.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode) if status else mode)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        # What is written later must not be on disk earlier: pf.conf names files that have to be there at boot. UFS forgets a whole new folder,
        # with files in it that were synced, unless the one above it is synced too.
        for each in (folder, *above):
            _sync(each)

    @staticmethod
    def append(path: str, text: str) -> None:
        """Add to a file that is there."""
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Keep other runs of the collection off the host meanwhile. Waits for them; raises Locked if one takes too long."""
        for _second in range(LOCK_SECONDS):
            file = _lock(LOCK)
            if file:
                break
            time.sleep(1)
        else:
            raise Locked(f"Another run of bsdvirt.pfnet has held {LOCK} for {LOCK_SECONDS} seconds; `fstat {LOCK}` names its process. Nothing was changed.")
        try:
            yield
        finally:
            # Somebody may have cleaned up: then the lock of that name is another run's.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(LOCK), os.fstat(file.fileno())):
                    os.unlink(LOCK)
            file.close()


def _missing(folder: str) -> list[str]:
    """The folders that are to be made for one, itself among them."""
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


def _sync(folder: str) -> None:
    """Wait until a folder's entries are on disk."""
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _lock(path: str) -> t.IO[str] | None:
    """The locked file, None while another process holds it."""
    while True:
        file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - it stays open as long as the lock is held
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        # Whoever held it before has taken it away on leaving: what is locked then is no file any more.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(path), os.fstat(file.fileno())):
                file.write(f"{os.getpid()}\n")
                file.flush()
                return file
        file.close()


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
