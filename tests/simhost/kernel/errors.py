# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors that the kernel returns, in FreeBSD's words."""

from __future__ import annotations

EADDRINUSE = "Address already in use"
EADDRNOTAVAIL = "Can't assign requested address"
EBUSY = "Device busy"
EEXIST = "File exists"
EINVAL = "Invalid argument"
ENAMETOOLONG = "File name too long"
ENETUNREACH = "Network is unreachable"
ENOENT = "No such file or directory"
ENOSPC = "No space left on device"
EOPNOTSUPP = "Operation not supported"
EPERM = "Operation not permitted"
ESRCH = "No such process"


class KernelError(Exception):
    """A system call failed: ``error`` is errno's text, ``detail`` the kernel's extended error, where it gives one."""

    def __init__(self, error: str, detail: str = "") -> None:
        super().__init__(f"{error} ({detail})" if detail else error)
        self.error = error
        self.detail = detail
