# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine with pf loaded, and pfctl on it, for the tests of the simulated pf."""

from __future__ import annotations

import contextlib
import io
import json
import typing as t
from pathlib import Path

from simhost.program import invoke
from simhost.state import Host

INTERFACES = [
    {
        "name": "vtnet1",
        "index": 2,
        "flags": ["UP", "BROADCAST"],
        "groups": [],
        "inet6": [{"address": "fe80::1%vtnet1", "prefixlen": 64}],
        "inet": [
            {"address": "203.0.113.1", "prefixlen": 24, "broadcast": "203.0.113.255"},
            {"address": "203.0.113.9", "prefixlen": 32, "broadcast": "203.0.113.9"},
        ],
    },
    {
        "name": "lo0",
        "index": 3,
        "flags": ["UP", "LOOPBACK"],
        "groups": ["lo"],
        "inet": [{"address": "127.0.0.1", "prefixlen": 8}],
        "inet6": [{"address": "::1", "prefixlen": 128}],
    },
    {
        "name": "virbr0",
        "index": 4,
        "flags": ["UP", "BROADCAST"],
        "groups": ["bridge"],
        "inet6": [{"address": "fd00:1::1", "prefixlen": 64}],
        "inet": [{"address": "192.168.122.1", "prefixlen": 24, "broadcast": "192.168.122.255"}],
    },
]


class Result(t.NamedTuple):
    """What a command left."""

    rc: int
    stdout: str
    stderr: str


class Machine:
    """A host in ``directory``; its kernel goes through JSON after each command, as it does in reality."""

    def __init__(self, directory: Path) -> None:
        self.host = Host(directory)
        self.host.kernel.update(modules=["pf"], interfaces=INTERFACES, sysctl={}, clock={"now": 30_000, "pending": []})

    @property
    def pf(self) -> dict[str, t.Any]:
        """What pf has in the kernel."""
        return t.cast("dict[str, t.Any]", self.host.kernel["pf"])

    def write(self, name: str, text: str) -> None:
        """Write one of the host's own files."""
        path = self.host.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def wait(self, milliseconds: int) -> None:
        """Let time pass."""
        self.host.kernel["clock"]["now"] += milliseconds

    def pfctl(self, *argv: str, stdin: str = "") -> Result:
        """Run pfctl."""
        stdout, stderr = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            code = invoke(self.host, "pfctl", list(argv), io.StringIO(stdin))
        self.host.kernel = json.loads(json.dumps(self.host.kernel))
        return Result(code, stdout.getvalue(), stderr.getvalue())

    def load(self, text: str, anchor: str = "") -> Result:
        """Load rules, which must work."""
        result = self.pfctl(*(("-a", anchor) if anchor else ()), "-f", "-", stdin=text)
        assert result.rc == 0, result.stderr
        return result

    def shown(self, *argv: str) -> list[str]:
        """The lines that pfctl prints, which must work."""
        result = self.pfctl(*argv)
        assert result.rc == 0, result.stderr
        return result.stdout.splitlines()
