# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the strategies beside these tests importable where pytest does not put their folder on the path, as under ansible-test."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
