# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tokens of pf.conf(5), with macros, included files and pfctl's way of counting lines."""

from __future__ import annotations

import re
import typing as t

KEYWORDS = frozenset(
    """
    af-to all allow-opts allow-related altq anchor antispoof any bandwidth binat binat-anchor binat-to bitmask block block-policy
    bridge-to buckets cbq code codelq debug divert-reply divert-to dnpipe dnqueue drop dup-to endpoint-independent ether fail-policy
    fairq fastroute file fingerprints flags floating flush for fragment from global group hfsc hogs hostid icmp-type icmp6-type
    if-bound in include inet inet6 interval keep keepcounters l3 label limit linkshare load log loginterface map-e-portset match
    matches max max-mss max-pkt-rate max-pkt-size max-src-conn max-src-conn-rate max-src-nodes max-src-states min-ttl modulate nat
    nat-anchor nat-to no no-df no-route no-sync on optimization os out overload pass pflow port prefer-ipv6-nexthop prio priority
    priq probability proto qlimit queue quick random random-id rdr rdr-anchor rdr-to realtime reassemble received-on reply-to
    require-order return return-icmp return-icmp6 return-rst ridentifier round-robin route route-to rtable rule
    ruleset-optimization scrub set set-tos skip sloppy source-hash source-track state state-defaults state-policy static-port
    sticky-address syncookies synproxy table tag tagged target tbrsize timeout to tos ttl upperlimit urpf-failed user
    """.split()
)
PUNCTUATION = {
    "\n": "NL", "{": "LBRACE", "}": "RBRACE", "(": "LPAREN", ")": "RPAREN", "<": "LT", ">": "GT", "=": "EQ", ",": "COMMA",
    "/": "SLASH", "!": "BANG", "-": "MINUS",
}  # fmt: skip
# Two characters that make one token: its type and its value.
PAIRS = {"!=": ("NE", "!="), "<>": ("PORTBINARY", "<>"), "<=": ("LE", "<="), "><": ("PORTBINARY", "><"), ">=": ("GE", ">="), "->": ("ARROW", "->")}

END = "$END"
# A token that the lexer has already complained about.
BAD = "BAD_TOKEN"

_BLANKS = re.compile(r"[ \t\f]+")
# The characters of a word, less the backslash, which the slow path takes care of.
_WORD = re.compile(r"[A-Za-z0-9:_.\-*+$%&'\";?@\[\]^`|~]+")
_NUMBER_END = frozenset(" \t\n\v\f\r),/}=")
_WORD_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.-*+$%&'\";?@[]^`|~\\")
_WORD_START = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_")
_MACRO_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_DIGITS = frozenset("0123456789")
_LONGEST = 8095
_LIMIT = 1 << 63


class Token(t.NamedTuple):
    """A token; ``type`` is a terminal of the grammar (a keyword in capitals, say), or a character that occurs in none."""

    type: str
    value: t.Any


class Source:
    """One open file: its text, the position in it, and the characters that were put back."""

    def __init__(self, name: str, text: str, line: int) -> None:
        self.name = name
        self.text = text
        self.position = 0
        self.line = line
        # Put back, last one first. None marks the end of a macro's value.
        self.pushed: list[str | None] = []
        self.errors = 0
        self.eof_seen = False


class Lexer:
    """Reads tokens of a configuration; ``next()`` gives one, ``line`` is where the last one was.

    ``complain`` prints a message for ``line`` of the current file. ``macros`` maps names to values.
    """

    def __init__(self, source: Source, macros: dict[str, str], complain: t.Callable[[str], None]) -> None:
        self.top = source
        self.sources = [source]
        self.macros = macros
        self.used_macros: set[str] = set()
        self.complain = complain
        self.line = source.line
        # How many macro values are being read: a `$` inside one is an ordinary character.
        self._expanding = False

    @property
    def source(self) -> Source:
        """The file that is being read."""
        return self.sources[-1]

    def include(self, source: Source) -> None:
        """Go on with another file, and come back when it ends."""
        self.sources.append(source)
        # The newline that ends the include statement; the first line of the file is counted from it.
        source.pushed.append("\n")

    def next(self) -> Token:
        """The next token; its type is ``END`` after the last one."""
        while True:
            source = self.source
            if not source.pushed and (blanks := _BLANKS.match(source.text, source.position)):
                source.position = blanks.end()
            character = self._get()
            while character in (" ", "\t", "\f"):
                character = self._get()
            self.line = self.source.line
            if character == "#":
                while character not in ("\n", ""):
                    character = self._get()
            if character != "$" or self._expanding:
                return self._token(character)
            if (bad := self._expand()) is not None:
                return bad

    def _token(self, character: str) -> Token:
        if character in ("'", '"'):
            return self._quoted(character)
        if character in ("!", "<", ">", "-"):
            following = self._get()
            if character + following in PAIRS:
                return Token(*PAIRS[character + following])
            self._unget(following)
        if character == "-" or character in _DIGITS:
            if (number := self._number(character)) is not None:
                return number
            if character == "-":
                return Token("MINUS", "-")
        if character in _WORD_START:
            return self._word(character)
        if character == "\n":
            self.line = self.source.line
            self.source.line += 1
        if not character:
            return Token(END, None)
        return Token(PUNCTUATION.get(character, character), character)

    def _word(self, character: str) -> Token:
        word = [character]
        while True:
            source = self.source
            if not source.pushed and (rest := _WORD.match(source.text, source.position)):
                word.append(rest.group())
                source.position = rest.end()
            character = self._get()
            if character not in _WORD_CHARACTERS or not character:
                self._unget(character)
                break
            word.append(character)
        text = "".join(word)
        if len(text) > _LONGEST:
            return self._bad("string too long")
        return Token(text.upper().replace("-", "_") if text in KEYWORDS else "STRING", text)

    def _number(self, character: str) -> Token | None:
        """A number, if what follows may end one; nothing is read otherwise, for it is a word then."""
        digits = [character]
        while (character := self._get()) in _DIGITS and character:
            digits.append(character)
        self._unget(character)
        text = "".join(digits)
        if text != "-" and (not character or character in _NUMBER_END):
            number = int(text)
            if not -_LIMIT <= number < _LIMIT:
                return self._bad(f'"{text}" invalid number: too {"small" if number < 0 else "large"}')
            return Token("NUMBER", number)
        for digit in reversed(digits[1:]):
            self._unget(digit)
        return None

    def _quoted(self, quote: str) -> Token:
        text: list[str] = []
        while True:
            character = self._get(quote)
            if not character:
                return Token(END, None)
            if character == "\n":
                self.source.line += 1
                continue
            if character == "\\":
                following = self._get(quote)
                if not following:
                    return Token(END, None)
                if following in (quote, " ", "\t"):
                    character = following
                elif following == "\n":
                    self.source.line += 1
                    continue
                else:
                    self._unget(following)
            elif character == quote:
                return Token("STRING", "".join(text))
            elif character == "\0":
                return self._bad("syntax error")
            if len(text) >= _LONGEST - 1:
                return self._bad("string too long")
            text.append(character)

    def _expand(self) -> Token | None:
        """Read a macro's name and put its value back; a token if there is no such macro."""
        name: list[str] = []
        while (character := self._get()) in _MACRO_CHARACTERS and character:
            name.append(character)
        if not character:
            return Token(END, None)
        self._unget(character)
        value = self.macros.get("".join(name))
        if value is None:
            return self._bad(f"macro '{''.join(name)}' not defined")
        self.used_macros.add("".join(name))
        self.source.pushed.append(None)
        self.source.pushed.extend(reversed(value))
        self._expanding = True
        return None

    def _bad(self, message: str) -> Token:
        """Complain, and skip the rest of the line."""
        self.complain(message)
        while (character := self._get()) not in ("\n", ""):
            pass
        if character:
            self.source.line += 1
        return Token(BAD, None)

    def _read(self) -> str:
        """The next character as it stands in the file, "" at its end."""
        source = self.source
        while source.pushed:
            character = source.pushed.pop()
            if character is not None:
                return character
            self._expanding = False
        if source.position >= len(source.text):
            return ""
        source.position += 1
        return source.text[source.position - 1]

    def _get(self, quote: str = "") -> str:
        """The next character, with continued lines joined and included files followed; "" at the end of everything."""
        character = self._read()
        if quote:
            if character:
                return character
            self.complain("reached end of file while parsing quoted string")
            return quote if self._leave() else ""
        while character == "\\":
            character = self._read()
            if character != "\n":
                break
            self.line = self.source.line
            self.source.line += 1
            character = self._read()
        if character:
            return character
        if not self.source.eof_seen:
            # A last line without a newline ends like any other, so that its errors are counted for it.
            self.source.eof_seen = True
            return "\n"
        while not character:
            if not self._leave():
                return ""
            character = self._read()
        return character

    def _unget(self, character: str) -> None:
        if character:
            self.source.pushed.append(character)

    def _leave(self) -> bool:
        """Close an included file; False if this is the outermost one."""
        if len(self.sources) == 1:
            return False
        left = self.sources.pop()
        self.source.errors += left.errors
        return True
