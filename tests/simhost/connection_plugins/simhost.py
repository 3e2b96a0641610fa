# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shlex
import sys
import typing as t
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = r"""
name: simhost
short_description: Run tasks on a simulated FreeBSD host of this machine
description:
  - Runs commands as P(ansible.builtin.local#connection) does, but in the private root directory of a simulated host that C(python -m simhost create) has made.
  - Files are put onto the host and fetched from it.
options:
  root:
    description: The folder of the simulated host.
    type: path
    required: true
    vars:
      - name: simhost_root
  visible:
    description:
      - Files and folders of this machine that the host must see at the same place.
      - The checkout and the Python interpreters are always among them.
    type: list
    elements: path
    default: []
    vars:
      - name: simhost_visible
  python:
    description: The Python interpreter for modules; its installation is made visible.
    type: str
    vars:
      - name: ansible_python_interpreter
  become_success_timeout:
    description: As of P(ansible.builtin.local#connection), which asks for it from ansible-core 2.19 on.
    type: int
    default: 10
  become_strip_preamble:
    description: As of P(ansible.builtin.local#connection).
    type: bool
    default: true
  cut_by:
    description: The name of an interface. While the host has one of that name, it cannot be reached, as when its rules block the connection.
      V(pf) stands for pf, while that is enabled.
    type: str
    vars:
      - name: simhost_cut_by
  cut_kills:
    description: Whether O(cut_by) also kills what runs over the connection at that moment.
    type: bool
    default: false
    vars:
      - name: simhost_cut_kills
extends_documentation_fragment:
  - connection_pipelining
"""

TESTS = Path(__file__).resolve().parents[2]
_PYTHON = ("/usr/bin/env", f"PYTHONPATH={TESTS}", sys.executable, "-s", "-m")
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

from simhost import cut  # noqa: E402 - Ansible finds the plugin without the package that it belongs to


class Connection(LocalConnection):
    """A connection to a simulated host, where everybody is root."""

    transport = "simhost"
    has_pipelining = True
    # A home folder is the host's, not this user's.
    _remote_is_local = False

    def _connect(self) -> Connection:
        super()._connect()
        self._play_context.remote_user = "root"
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a shell command on the host."""
        command = self._on_host(["/bin/sh", "-c", cmd])
        root, interface = t.cast("tuple[str, str | None]", (self.get_option("root"), self.get_option("cut_by")))
        if interface and cut.is_cut(root, interface):
            raise AnsibleConnectionFailure(f"no route to {root}: it has {interface}")
        if interface and self.get_option("cut_kills"):
            command = shlex.join([*_PYTHON, "simhost.cut", root, interface, "--", *shlex.split(command)])
        code, stdout, stderr = super().exec_command(command, in_data=in_data, sudoable=sudoable)
        if interface and code == cut.BROKEN:
            raise AnsibleConnectionFailure(f"the connection to {root} broke when it got {interface}")
        return code, stdout, stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of this machine to the host."""
        if not os.path.exists(in_path):
            raise AnsibleFileNotFound(f"file or module does not exist: {in_path}")
        with open(in_path, "rb") as source:
            self._transfer(f"cat > {shlex.quote(out_path)}", source.read())

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the host to this machine."""
        content = self._transfer(f"cat {shlex.quote(in_path)}", None)
        with open(out_path, "wb") as target:
            target.write(content)

    def _transfer(self, cmd: str, content: bytes | None) -> bytes:
        code, stdout, stderr = self.exec_command(cmd, in_data=content, sudoable=False)
        if code != 0:
            raise AnsibleError(f"cannot transfer a file: {stderr.decode(errors='replace').strip()}")
        return stdout

    def _on_host(self, words: list[str]) -> str:
        root = t.cast(str, self.get_option("root"))
        if not os.path.exists(os.path.join(root, "state.json")):
            raise AnsibleConnectionFailure(f"{root} is no simulated host; make one with: PYTHONPATH={TESTS} python -m simhost create {root} --host fresh")
        visible = [*t.cast("list[str]", self.get_option("visible")), *_installation(t.cast("str | None", self.get_option("python")))]
        arguments = [word for path in visible for word in ("--visible", path)]
        return shlex.join([*_PYTHON, "simhost", "run", *arguments, root, "--", *words])


def _installation(python: str | None) -> list[str]:
    """The folders that a Python interpreter needs: its virtual environment, and the installation behind that."""
    if not python or not os.path.isabs(python) or not os.path.exists(python):
        return []
    return [str(Path(python).parents[1]), str(Path(os.path.realpath(python)).parents[1])]
