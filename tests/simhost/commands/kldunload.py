# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kldunload(8)."""

from __future__ import annotations

import typing as t

from ..kernel import modules
from ..kernel.errors import KernelError
from ..program import CommandError, Usage, options
from ..state import Host

USAGE = "usage: kldunload [-fv] -i id ...\n       kldunload [-fv] [-n] name ..."


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, names = options(argv, "finv", USAGE, 64)
    letters = {letter for letter, _value in found}
    if not names:
        raise Usage(USAGE, 64)
    for name in names:
        files = modules.files(host.kernel)
        if "i" in letters:
            file = files[int(name) - 1] if name.isdigit() and 0 < int(name) <= len(files) else ""
            if not file:
                raise CommandError("can't unload file: No such file or directory")
        else:
            file = f"{name.removesuffix('.ko')}.ko"
            if file not in files:
                raise CommandError(f"can't find file {name}")
        if "v" in letters:
            print(f"Unloading {file}, id={files.index(file) + 1}")
        try:
            modules.unload(host.kernel, file)
        except KernelError as error:
            raise CommandError(f"can't unload file: {error}") from None
    return 0
