# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How FreeBSD's sh makes words of what rc scripts expand and evaluate."""

from __future__ import annotations

import fnmatch
import re

from ..program import NotSimulated

# What a pattern without a slash is compared with: the root directory, in which rc scripts run.
ROOT_DIRECTORY = "COPYRIGHT bin boot dev entropy etc home lib libexec media mnt net proc rescue root sbin sys tmp usr var"
ESCAPES = {"\\": "\\", "'": "'", '"': '"', "a": "\a", "b": "\b", "e": "\033", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
OPERATORS = set(";&|<>()\n")


class ShellSyntaxError(Exception):
    """The shell cannot read a line that it is to evaluate; a script ends there."""


def fields(value: str) -> list[str]:
    """The words of a variable that is expanded without quotes: split at white space, patterns replaced by the files they match."""
    return [field for word in value.split() for field in _matches(word)]


def echoed(value: str) -> str:
    """What ``get_if_var`` makes of a variable, with ``eval echo $variable``."""
    words = fields(value)
    if words[:1] == ["-e"]:
        raise NotSimulated(f"a variable that begins with an option of echo: {value}")
    return " ".join(words[1:] if words[:1] == ["-n"] else words)


def evaluated(line: str) -> list[str]:
    """The words of a line that is given to ``eval``, where quotes count, those of ``$'...'`` with their escapes included."""
    words: list[str] = []
    position = 0
    while position < len(line):
        if line[position].isspace():
            position += 1
        elif line[position] == "#":
            break
        else:
            text, bare, position = _word(line, position)
            words += _matches(text) if bare else [text]
    return words


def _word(line: str, position: int) -> tuple[str, bool, int]:
    """One word, whether none of it was quoted, and where it ends."""
    text, bare = "", True
    while position < len(line) and not line[position].isspace():
        character = line[position]
        if character == "'":
            part, position = _single_quoted(line, position + 1)
            text, bare = text + part, False
        elif character == '"':
            part, position = _double_quoted(line, position + 1)
            text, bare = text + part, False
        elif line.startswith("$'", position):
            part, position = _escaped(line, position + 2)
            text, bare = text + part, False
        elif character == "\\" and position + 1 < len(line):
            text, bare, position = text + line[position + 1], False, position + 2
        else:
            _refuse_expansion(line, position)
            if character in OPERATORS or (character == "~" and not text):
                raise NotSimulated(f"{character} in a line that a script evaluates: {line}")
            text, position = text + character, position + 1
    return text, bare, position


def _single_quoted(line: str, position: int) -> tuple[str, int]:
    end = line.find("'", position)
    if end < 0:
        raise ShellSyntaxError("Unterminated quoted string")
    return line[position:end], end + 1


def _double_quoted(line: str, position: int) -> tuple[str, int]:
    text = ""
    while position < len(line) and line[position] != '"':
        _refuse_expansion(line, position)
        if line[position] == "\\" and line[position + 1 : position + 2] in set('$`"\\'):
            position += 1
        text += line[position]
        position += 1
    if position == len(line):
        raise ShellSyntaxError("Unterminated quoted string")
    return text, position + 1


def _escaped(line: str, position: int) -> tuple[str, int]:
    octets = b""
    while position < len(line) and line[position] != "'":
        if line[position] != "\\":
            octets += line[position].encode()
            position += 1
            continue
        match = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|c([A-Za-z\[\]^_])|(.))", re.DOTALL).match(line, position)
        if match is None:
            raise ShellSyntaxError("Unterminated quoted string")
        octal, hexadecimal, short, long, control, letter = match.groups()
        if octal or hexadecimal:
            octets += bytes([int(octal, 8) & 0xFF if octal else int(hexadecimal, 16)])
        elif short or long:
            octets += chr(int(short or long, 16)).encode()
        elif control:
            octets += bytes([ord(control.upper()) & 0x1F])
        elif letter in ESCAPES:
            octets += ESCAPES[letter].encode()
        else:
            raise ShellSyntaxError("Bad escape sequence")
        position = match.end()
    if position >= len(line):
        raise ShellSyntaxError("Unterminated quoted string")
    # A NUL ends what is between the quotes.
    return octets.partition(b"\0")[0].decode(errors="surrogateescape"), position + 1


def _refuse_expansion(line: str, position: int) -> None:
    if line[position] == "`" or re.compile(r"\$[A-Za-z0-9_{(@*#?$!-]").match(line, position):
        raise NotSimulated(f"an expansion in a line that a script evaluates: {line}")


def _matches(word: str) -> list[str]:
    """The files that a pattern matches; the word itself when there are none, or when it is no pattern."""
    if not re.search(r"[*?\[]", word):
        return [word]
    if "/" in word:
        raise NotSimulated(f"a pattern of paths that a script expands: {word}")
    return [name for name in ROOT_DIRECTORY.split() if fnmatch.fnmatchcase(name, word)] or [word]
