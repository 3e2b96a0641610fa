# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of pf_hooks: what it refuses, and the ports that a connection is known to have."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.action.pf_hooks import ARGUMENT_SPEC, ActionModule, _problems
from ansible_collections.bsdvirt.pfnet.plugins.modules import pf_hooks


def problems(**changes: t.Any) -> list[str]:
    return [str(problem) for problem in _problems({**{name: option.get("default") for name, option in ARGUMENT_SPEC.items()}, **changes})]


def test_the_defaults_are_right() -> None:
    assert problems() == []


def test_everything_wrong_is_said_at_once() -> None:
    found = problems(anchor_root="_pf", path="etc/pf.conf", ssh_ports=[22, 0, 65536], enable=True, state="absent", confirm_timeout=1)
    assert [line.split(":")[0] for line in found] == ["anchor_root", "path", "ssh_ports[1]", "ssh_ports[2]", "enable", "confirm_timeout"]
    assert found[1] == "path: found 'etc/pf.conf'; allowed: the absolute path of a file"


@pytest.mark.parametrize("path", ["/etc/", "/etc/a\nb", ""])
def test_a_path_that_is_no_files_is_refused(path: str) -> None:
    assert len(problems(path=path)) == 1


def test_both_halves_have_the_same_options() -> None:
    own = {name: option for name, option in pf_hooks.ARGUMENTS.items() if not name.startswith("_")}
    there = {name: {**option} for name, option in ARGUMENT_SPEC.items() if name != "confirm_timeout"}
    there["path"]["type"], there["anchor_root"]["type"] = "path", "str"
    assert own == there


class Connection:
    """One that knows its port, or has no such option."""

    def __init__(self, port: object) -> None:
        self._port = port

    def get_option(self, name: str) -> object:
        if name != "port" or self._port == "none":
            raise KeyError(name)
        return self._port


@pytest.mark.parametrize(("port", "known"), [(2222, 2222), ("2222", 2222), (None, None), ("none", None)])
def test_the_port_of_the_connection(port: object, known: int | None) -> None:
    action: t.Any = ActionModule.__new__(ActionModule)
    action._connection = Connection(port)
    assert action._port() == known


@pytest.mark.parametrize(
    ("own", "controllers", "ports"),
    [("", None, [22]), ("192.0.2.1 50000 192.0.2.2 2200", None, [22, 2200]), ("192.0.2.1 50000 192.0.2.2 22", 2222, [22, 2222]), ("", 2222, [2222])],
)
def test_both_ports_of_a_connection_through_a_nat(monkeypatch: pytest.MonkeyPatch, own: str, controllers: int | None, ports: list[int]) -> None:
    monkeypatch.setenv("SSH_CONNECTION", own)
    assert pf_hooks.ssh_ports(controllers) == ports
