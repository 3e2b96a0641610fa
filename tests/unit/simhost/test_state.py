# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state file: what is kept, what is locked, and where a host's files are."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from simhost import state


def kernel_of(directory: Path) -> dict[str, object]:
    kernel: dict[str, object] = json.loads((directory / "state.json").read_text(encoding="utf-8"))
    return kernel


def test_changes_are_saved(host_directory: Path) -> None:
    with state.opened(host_directory) as host:
        host.kernel["mark"] = 1
    assert kernel_of(host_directory)["mark"] == 1


def test_a_command_that_fails_keeps_what_it_did(host_directory: Path) -> None:
    def fail() -> None:
        with state.opened(host_directory) as host:
            host.kernel["mark"] = 1
            raise SystemExit(1)

    with pytest.raises(SystemExit):
        fail()
    assert kernel_of(host_directory)["mark"] == 1


def test_a_crash_of_the_simulation_changes_nothing(host_directory: Path) -> None:
    def crash() -> None:
        with state.opened(host_directory) as host:
            host.kernel["mark"] = 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()
    assert "mark" not in kernel_of(host_directory)


def test_one_command_at_a_time(host_directory: Path) -> None:
    def count() -> None:
        for _round in range(20):
            with state.opened(host_directory) as host:
                host.kernel["mark"] = host.kernel.get("mark", 0) + 1

    threads = [threading.Thread(target=count) for _thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kernel_of(host_directory)["mark"] == 80


def test_others_may_use_a_released_host(host_directory: Path) -> None:
    with state.opened(host_directory) as host:
        kernel = host.kernel
        with host.released(), state.opened(host_directory) as other:
            other.kernel["mark"] = 1
        assert kernel["mark"] == 1


@pytest.mark.parametrize("name", ["/etc/rc.conf", "/tmp/x", "/usr/local/etc/pfnet/a.conf", "/var", "/root/.profile"])
def test_own_files(host_directory: Path, name: str) -> None:
    with state.opened(host_directory) as host:
        assert host.path(name) == host_directory / "root" / name.lstrip("/")


@pytest.mark.parametrize("name", ["/usr/bin/env", "/etcetera", "/usr/local/bin/python3", "/"])
def test_files_of_linux(host_directory: Path, name: str) -> None:
    with state.opened(host_directory) as host:
        assert host.path(name) == Path(name)
