# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes that modules state, described once."""

from __future__ import annotations


class ModuleDocFragment:
    """Each module adds `support` and, where it has more to say, a `description` of its own."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and tell what would change, without changing anything.
  diff_mode:
    description: Returns what changes or would change, with C(--diff).
  idempotent:
    description: Changes nothing when run again with the same options.
  platform:
    description: Target systems on which the module runs.
"""
