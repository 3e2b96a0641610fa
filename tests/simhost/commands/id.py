# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""id(1)."""

from __future__ import annotations

import typing as t

from ..program import CommandError, NotSimulated, Usage, options
from ..state import Host

USAGE = (
    "usage: id [user]\n       id -A\n       id -G [-n] [user]\n       id -M\n       id -P [user]\n       id -c\n       id -d [user]\n"
    "       id -g [-nr] [user]\n       id -p [user]\n       id -s [user]\n       id -u [-nr] [user]"
)


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    found, words = options(argv, "AGMPacdgnprsu", USAGE)
    letters = {letter for letter, _value in found}
    if refused := letters - set("Ggnru"):
        raise NotSimulated(f"-{min(refused)}")
    if len(words) > 1 or len(letters & set("Ggu")) > 1:
        raise Usage(USAGE)
    users = [line.split(":") for line in host.path("/etc/passwd").read_text(encoding="utf-8").splitlines()]
    groups = [line.split(":") for line in host.path("/etc/group").read_text(encoding="utf-8").splitlines()]
    wanted = words[0] if words else "root"
    user = next((user for user in users if wanted in (user[0], user[2])), None)
    if user is None:
        raise CommandError(f"{wanted}: no such user")
    name, uid, gid = user[0], user[2], user[3]
    group_names = {group[2]: group[0] for group in groups}
    member_of = [gid, *(group[2] for group in groups if name in group[3].split(",") and group[2] != gid)]
    if "u" in letters:
        print(name if "n" in letters else uid)
    elif "g" in letters:
        print(group_names.get(gid, gid) if "n" in letters else gid)
    elif "G" in letters:
        print(" ".join(group_names.get(group, group) if "n" in letters else group for group in member_of))
    else:
        listed = ",".join(f"{group}({group_names.get(group, group)})" for group in member_of)
        print(f"uid={uid}({name}) gid={gid}({group_names.get(gid, gid)}) groups={listed}")
    return 0
