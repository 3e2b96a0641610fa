# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make Python programs of a simulated host believe that they run on FreeBSD. Works with Python 3.9 and newer."""

from __future__ import annotations

import os
import platform
import sys

_RELEASE = "15.1-RELEASE-p1"
_VERSION = "FreeBSD 15.1-RELEASE-p1 GENERIC"
_uname = os.uname_result(("FreeBSD", os.uname().nodename, _RELEASE, _VERSION, "amd64"))

sys.platform = "freebsd15"
os.uname = lambda: _uname
platform.uname = lambda: platform.uname_result("FreeBSD", _uname.nodename, _RELEASE, _VERSION, "amd64")
