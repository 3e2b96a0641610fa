# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The confirmation of a change, for modules that can lock their user out."""

from __future__ import annotations


class ModuleDocFragment:
    """For modules whose action plugin is a ConfirmingAction."""

    DOCUMENTATION = r"""
options:
  confirm_timeout:
    description:
      - If given, changes stay only if the host is reached over a new connection within so many seconds, V(5) to V(3600), which is tried once they are
        made. Otherwise the host takes them back by itself, and the next run says so.
      - The seconds count from the first change, so they have to last for the changes themselves, too.
      - A host that starts again within that time starts as it was before, too.
      - Connections that a run has ended, since new rules do not allow them, are not brought back.
    type: int
  _confirm:
    description: What the action plugin confirms. Not for users; what is given here is replaced.
    type: str
"""
