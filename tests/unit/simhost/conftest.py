# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest

if t.TYPE_CHECKING:
    from in_process import InProcessHost

TESTS = Path(__file__).parents[2]
sys.path.insert(0, str(TESTS))
# The strategies of the definition, which tests of the plugins use too.
sys.path.insert(0, str(TESTS / "unit/plugins/plugin_utils"))


@pytest.fixture
def host_directory(tmp_path: Path) -> Path:
    """The folder of a freshly booted host."""
    from simhost import create

    directory = tmp_path / "host"
    create.create(directory, "fresh")
    return directory


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A booted hypervisor that is only copied."""
    from simhost import create

    directory = tmp_path_factory.mktemp("pristine") / "host"
    create.create(directory, "hypervisor")
    return directory


@pytest.fixture
def host(pristine: Path, tmp_path: Path) -> InProcessHost:
    """A hypervisor of the test's own, of the module's `pristine` where it has one."""
    from in_process import copy_of

    return copy_of(pristine, tmp_path / "host")
