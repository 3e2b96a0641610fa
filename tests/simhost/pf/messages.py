# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pfctl's messages."""

from __future__ import annotations

import sys

NO_ANCHOR = "Anchor does not exist."
# The last error that was left in errno, that of asking for ALTQ: pfctl shows it when a request over netlink fails, which does not set errno.
STALE_ERROR = "Operation not supported by device"


def warn(message: str) -> None:
    """A message of warnx(3)."""
    print(f"pfctl: {message}", file=sys.stderr)
