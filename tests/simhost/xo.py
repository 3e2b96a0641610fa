# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What programs that write with libxo(3) share."""

from __future__ import annotations

import json

from .program import NotSimulated, Usage


def take_style(program: str, argv: list[str]) -> tuple[str, list[str]]:
    """Take the options of libxo out of the arguments; the style is ``text`` or ``json``."""
    style, rest, words = "text", [], list(argv)
    while words:
        word = words.pop(0)
        if not word.startswith("--libxo"):
            rest.append(word)
            continue
        if "=" not in word and not words:
            raise Usage(f"{program}: option requires an argument -- --libxo", 1)
        style = word.partition("=")[2] if "=" in word else words.pop(0)
        if style not in ("text", "json"):
            raise NotSimulated(f"--libxo {style}")
    return style, rest


def fields(values: dict[str, object]) -> str:
    """The members of a JSON object without spaces between them."""
    return ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in values.items())
