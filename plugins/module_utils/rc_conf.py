# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of rc.conf(5), as sysrc(8) prints them."""

from __future__ import annotations

import dataclasses
import re

DEFAULTS = "/etc/defaults/rc.conf"


@dataclasses.dataclass(frozen=True)
class Variable:
    """A variable of rc.conf(5), and the file that sets it; DEFAULTS where no file of the host's does."""

    value: str
    file: str = "/etc/rc.conf"

    @property
    def yes(self) -> bool:
        return self.value.lower() in ("yes", "true", "on", "1")


def parse_sysrc(text: str) -> dict[str, Variable]:
    """Variables by name, from the output of `sysrc -v`; a value may have several lines."""
    variables: dict[str, Variable] = {}
    name = ""
    for line in text.splitlines():
        head = re.match(r"(/\S+): (\w+): ?(.*)", line)
        if head:
            name = head[2]
            variables[name] = Variable(head[3], head[1])
        elif name:
            variables[name] = dataclasses.replace(variables[name], value=f"{variables[name].value}\n{line}")
    return variables
