# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages that the controller's half needs beside ansible-core. Where one is missing, its name is None and `missing` says what to install."""

from __future__ import annotations

import sys
import typing as t

if t.TYPE_CHECKING:
    import defusedxml
    import netaddr
    from defusedxml import ElementTree as DefusedElementTree
else:
    try:
        import netaddr
    except ImportError:
        netaddr = None
    try:
        import defusedxml
        from defusedxml import ElementTree as DefusedElementTree
    except ImportError:
        defusedxml = DefusedElementTree = None

__all__ = ["DefusedElementTree", "defusedxml", "missing", "netaddr"]


def missing(*names: str) -> str | None:
    """What to tell a user who lacks one of the packages; None if they are all there."""
    absent = [name for name in names if globals()[name] is None]
    return (
        f"Python packages are missing on the machine that runs playbooks: run `{sys.executable} -m pip install {' '.join(absent)}` there." if absent else None
    )
