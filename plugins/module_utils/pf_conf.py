# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pf.conf(5) as text: where its sections are, and the block of ours that calls the networks' anchors.

Read as pfctl reads it, token by token: comments, quotes, continued lines, braces that span lines, macros, included files.
Nothing is judged: a file that pfctl refuses is read as far as it goes.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout

BEGIN = "# BEGIN bsdvirt.pfnet hooks (kept by the module pf_hooks)"
END = "# END bsdvirt.pfnet hooks"
# The statements that call anchors, in the order that pf wants.
HOOKS = ("nat-anchor", "rdr-anchor", "anchor")

_BEGIN = re.compile(r"# BEGIN bsdvirt\.pfnet hooks\b")
_END = re.compile(r"# END bsdvirt\.pfnet hooks\b")
# What a block whose end is lost may hold.
_LINE_OF_OURS = re.compile(rf'(?:(?:nat-|rdr-)?anchor "[^"]*/\*"|include "{re.escape(layout.BOOT_RULES)}")\s*$')

# More files within files are a circle.
_DEEPEST_INCLUDE = 32


class Section(enum.IntEnum):
    """The order that pf.conf(5) demands of a file's statements, unless it says `set require-order no`."""

    OPTIONS = 1
    ETHERNET = 2
    NORMALIZATION = 3
    QUEUEING = 4
    TRANSLATION = 5
    FILTER = 6


_SECTIONS = {
    "set": Section.OPTIONS,
    "ether": Section.ETHERNET,
    "scrub": Section.NORMALIZATION,
    **dict.fromkeys(("altq", "queue"), Section.QUEUEING),
    **dict.fromkeys(("nat", "rdr", "binat", "nat-anchor", "rdr-anchor", "binat-anchor"), Section.TRANSLATION),
    **dict.fromkeys(("pass", "block", "match", "anchor", "antispoof"), Section.FILTER),
}


class Token(t.NamedTuple):
    """A token; its kind is `word`, `string` (in quotes), or the character that it is."""

    kind: str
    text: str


@dataclasses.dataclass(frozen=True)
class Statement:
    """A statement. `start` is where its line begins in the file itself, for what comes from an included `file` the line that includes it."""

    start: int
    tokens: tuple[Token, ...]
    file: str | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The keywords and names as written, "" in the place of anything else."""
        return tuple(token.text if token.kind == "word" else "" for token in self.tokens)

    @property
    def section(self) -> Section | None:
        """Its place in the order; None for what may stand anywhere, as macros and tables do."""
        words = self.words
        if words[:2] == ("set", "require-order"):
            return None
        return _SECTIONS.get(words[1] if words[0] == "no" and len(words) > 1 else words[0])

    def calls(self, kind: str, anchor: str) -> bool:
        """Whether it is a `kind` statement that calls that anchor."""
        return self.words[0] == kind and len(self.tokens) > 1 and self.tokens[1].text.lstrip("/") == anchor

    @property
    def conditional(self) -> bool:
        """Whether a call counts for some packets only."""
        return not {"all", "quick"}.issuperset(self.words[2:])

    @property
    def rules(self) -> list[tuple[str, ...]]:
        """The statement line by line, for an anchor holds its rules in braces."""
        lines: list[list[str]] = [[]]
        for token, word in zip(self.tokens, self.words):
            if token.kind == "\n":
                lines.append([])
            else:
                lines[-1].append(word)
        return [tuple(line) for line in lines if line]


class PfConf:
    """A pf.conf: the user's `own` text, the block of ours apart, and its statements.

    `read` gives the text of an included file, None if it cannot be read, which is for pfctl to report.
    """

    def __init__(self, text: str, read: t.Callable[[str], str | None]) -> None:
        self.own, self._block, self._places = _take_out(text)
        reader = _Reader(self.own, read)
        self.statements = reader.statements
        self._lines = reader.lines

    def hand_written(self, anchor_root: str) -> dict[str, Statement]:
        """The user's own calls of the anchors below `anchor_root`, by kind."""
        return {kind: statement for statement in reversed(self.statements) for kind in HOOKS if statement.calls(kind, f"{anchor_root}/*")}

    @property
    def has_block(self) -> bool:
        """Whether a block of ours is in the text, or part of one."""
        return bool(self._places)

    @property
    def block_roots(self) -> set[str]:
        """The anchors below which the block calls those of networks."""
        return set(re.findall(r'anchor "([^"]*)/\*"', self._block))

    def includes(self, file: str) -> bool:
        """Whether the user's own lines include that file."""
        return any(statement.words[0] == "include" and [token.text for token in statement.tokens[1:2]] == [file] for statement in self.statements)

    @property
    def mixed(self) -> str | None:
        """A file whose include has no right side for the block: filter rules begin in it, after statements that come before filter rules."""
        first = self._first_rule()
        if first is None or first.file is None or self._any_order:
            return None
        return first.file if any(statement.start == first.start for statement in self._before_rules()) else None

    @property
    def cuts_connections(self) -> bool:
        """Whether pf, enabled with these rules, may block connections that stand: a `pass` creates state for a first packet alone, if it says nothing else."""
        rules = [rule for statement in self.statements for rule in statement.rules]
        blocks = any(rule[0] == "block" for rule in rules)
        lets = any(rule[0] == "pass" and ({("flags", "any"), ("no", "state")} & set(zip(rule, rule[1:]))) for rule in rules)
        return blocks and not lets

    def present(self, anchor_root: str, boot_rules: str = layout.BOOT_RULES) -> str:
        """The text with the block, which includes the file `boot_rules`. What the user's own lines do already is left out of it."""
        by_hand = self.hand_written(anchor_root)
        lines = [f'{kind} "{anchor_root}/*"' for kind in HOOKS if kind not in by_hand]
        if not self.includes(layout.BOOT_RULES):
            lines.append(f'include "{boot_rules}"')
        if not lines:
            return self.own
        place = self._place()
        block = "\n".join([BEGIN, *lines, END])
        if place == len(self.own) and self.own and not self.own.endswith("\n"):
            # The end of the block is the end of the file, then, without a newline too: so it can be taken out with the one before it.
            return f"{self.own}\n{block}"
        return f"{self.own[:place]}{block}\n{self.own[place:]}"

    def _place(self) -> int:
        """Where the block is, if it may be there; else before the first filter rule, and the comment that stands right above it."""
        first = self._first_rule()
        starts = {line.start for line in self._lines}
        last = max((statement.start for statement in self._before_rules()), default=-1)
        for place in self._places:
            if place in starts and last < place and (first is None or place <= first.start):
                return place
        if first is None:
            return len(self.own)
        place = first.start
        for line in reversed([line for line in self._lines if line.start < first.start]):
            if not line.comment:
                break
            place = line.start
        return place

    def _first_rule(self) -> Statement | None:
        return next((statement for statement in self.statements if statement.section is Section.FILTER), None)

    def _before_rules(self) -> list[Statement]:
        return [statement for statement in self.statements if statement.section not in (None, Section.FILTER)]

    @property
    def _any_order(self) -> bool:
        return any(statement.words[:3] == ("set", "require-order", "no") for statement in self.statements)


def _take_out(text: str) -> tuple[str, str, list[int]]:
    """The text without our blocks, of which there may be several after a copy and paste, or parts; these; and where in the text they were."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    own: list[str] = []
    block: list[str] = []
    places = []
    at = 0
    while at < len(lines):
        if not _BEGIN.match(lines[at]) and not _END.match(lines[at]):
            own.append(lines[at])
            at += 1
            continue
        places.append(sum(map(len, own)))
        end = _end_of_block(lines, at)
        block += lines[at:end]
        at = end
        if not lines[at - 1].endswith("\n") and own:
            own[-1] = own[-1][:-1]
            places = [min(place, sum(map(len, own))) for place in places]
    return "".join(own), "".join(block), places


def _end_of_block(lines: list[str], at: int) -> int:
    """The index of the line after the block that begins at `at`; a marker whose partner is lost goes with the lines that look like ours."""
    following = at + 1
    if _END.match(lines[at]):
        return following
    marker = next((index for index in range(following, len(lines)) if _BEGIN.match(lines[index]) or _END.match(lines[index])), None)
    if marker is not None and _END.match(lines[marker]):
        return marker + 1
    while following < len(lines) and _LINE_OF_OURS.match(lines[following]):
        following += 1
    return following


# ---- reading ----

_WORD_START = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_")
_WORD_REST = _WORD_START | frozenset("\"$%&'*+-.;?@[\\]^`|~")
_MACRO_NAME = _WORD_START - {":"}
# What needs no care in a comment and in a word.
_PLAIN_COMMENT = re.compile(r"[^\n\\]*")
_PLAIN_WORD = re.compile(r"[A-Za-z0-9:_\"$%&'*+\-.;?@\[\]^`|~]*")


class _Line(t.NamedTuple):
    """A line of the file with those that continue it."""

    start: int
    comment: bool


class _Source:
    """An open file: its text, the position in it, and characters that were put back; None among them ends a macro's value."""

    def __init__(self, text: str, name: str | None = None) -> None:
        self.text = text
        self.name = name
        self.at = 0
        self.pushed: list[str | None] = []
        self.ended = False


class _Reader:
    """Reads a file into `statements` and `lines`."""

    def __init__(self, text: str, read: t.Callable[[str], str | None]) -> None:
        self.statements: list[Statement] = []
        self.lines: list[_Line] = []
        self._read = read
        self._text = text
        self._sources = [_Source(text)]
        self._macros: dict[str, str] = {}
        self._expanding = False
        self._read_all()

    def _read_all(self) -> None:
        start = depth = 0
        tokens: list[Token] = []
        file = None
        while (token := self._next()) is not None:
            source = self._sources[-1]
            if token.kind == "\n" and depth == 0:
                self._end(start, tokens, file)
                if source.name is None:
                    self.lines.append(_Line(start, not tokens and self._text[start : source.at].lstrip(" \t\f").startswith("#")))
                    start = source.at
                tokens = []
                continue
            if not tokens:
                file = source.name
            depth = max(0, depth + {"{": 1, "}": -1}.get(token.kind, 0))
            tokens.append(token)
            if token.kind in ("word", "string") and tokens[-2:-1] == [Token("word", "include")]:
                self._include(token.text)

    def _end(self, start: int, tokens: list[Token], file: str | None) -> None:
        if not tokens:
            return
        self.statements.append(Statement(start, tuple(tokens), file))
        if len(tokens) > 2 and tokens[1].kind == "=" and all(token.kind in ("word", "string") for token in (tokens[0], *tokens[2:])):
            self._macros[tokens[0].text] = " ".join(token.text for token in tokens[2:])

    def _include(self, name: str) -> None:
        text = self._read(name) if len(self._sources) <= _DEEPEST_INCLUDE else None
        if text is not None:
            source = _Source(text, name)
            # The statement ends before the file begins.
            source.pushed.append("\n")
            self._sources.append(source)

    def _next(self) -> Token | None:
        while True:
            character = self._get()
            while character and character in " \t\f":
                character = self._get()
            if character == "#":
                character = self._comment()
            if character != "$" or self._expanding:
                break
            name = self._collect("", _MACRO_NAME)
            value = self._macros.get(name)
            if value is None:
                return Token("word", f"${name}")
            # What the value ends with may go on in the file, as in $ext_if:network.
            self._sources[-1].pushed += [None, *reversed(value)]
            self._expanding = True
        if not character:
            return None
        if character in "'\"":
            return self._quoted(character)
        if character in _WORD_START:
            return Token("word", self._collect(character, _WORD_REST, _PLAIN_WORD))
        return Token(character, character)

    def _collect(self, first: str, allowed: frozenset[str], plain: re.Pattern[str] | None = None) -> str:
        text = first
        while True:
            if plain:
                text += self._skip(plain)
            character = self._get()
            if not character or character not in allowed:
                break
            text += character
        self._unget(character)
        return text

    def _comment(self) -> str:
        character = ""
        while character != "\n":
            self._skip(_PLAIN_COMMENT)
            character = self._get()
            if not character:
                break
        return character

    def _skip(self, plain: re.Pattern[str]) -> str:
        """Read what matches, as far as nothing was put back."""
        source = self._sources[-1]
        found = None if source.pushed else plain.match(source.text, source.at)
        if found is None:
            return ""
        source.at = found.end()
        return found[0]

    def _quoted(self, quote: str) -> Token | None:
        text = []
        while (character := self._raw()) != quote:
            if character == "\\":
                following = self._raw()
                if following in (quote, " ", "\t"):
                    character = following
                elif following == "\n":
                    continue
                else:
                    self._unget(following)
            if not character:
                return None
            if character != "\n":
                text.append(character)
        return Token("string", "".join(text))

    def _get(self) -> str:
        """The next character, continued lines joined, included files left at their end; "" after everything."""
        while (character := self._raw()) == "\\":
            character = self._raw()
            if character != "\n":
                break
        if character:
            return character
        if not self._sources[-1].ended:
            # The last line of a file ends without a newline, too.
            self._sources[-1].ended = True
            return "\n"
        while not character and len(self._sources) > 1:
            self._sources.pop()
            character = self._raw()
        return character

    def _raw(self) -> str:
        source = self._sources[-1]
        while source.pushed:
            pushed = source.pushed.pop()
            if pushed is not None:
                return pushed
            self._expanding = False
        character = source.text[source.at : source.at + 1]
        source.at += len(character)
        return character

    def _unget(self, character: str) -> None:
        if character:
            self._sources[-1].pushed.append(character)
