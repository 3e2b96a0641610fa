# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An LALR(1) parser that behaves as the one yacc makes: actions run as rules are reduced, errors are recovered from.

lark reads the grammar and computes the table; the loop over it is here, because pfctl's messages depend on yacc's way: when a
rule is reduced without looking at the next token, what the ``error`` token does, which messages are suppressed.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import typing as t
import zlib
from pathlib import Path

END = "$END"
ERROR = "ERROR"
# Tokens to be shifted after an error before another one is reported.
_QUIET_TOKENS = 3


class ActionError(Exception):
    """Raised by an action that has reported an error: recover as from a syntax error (yacc's YYERROR)."""


class Table(t.NamedTuple):
    """``actions[state]`` maps a terminal to a state to shift to, or to ``-1 - rule`` to reduce; ``gotos[state]`` maps nonterminals to
    states; ``defaults[state]`` is the reduction that a state makes whatever comes, or 0; ``rules`` are (nonterminal, length, action).

    Parsing starts in state 0, to which nothing leads, and is complete in state ``end``.
    """

    actions: list[dict[str, int]]
    gotos: list[dict[str, int]]
    defaults: list[int]
    rules: list[list[t.Any]]
    end: int


@functools.cache
def load_table(grammar: Path) -> Table:
    """The table of a grammar; it is computed once and kept among the compiled modules beside the grammar."""
    text = grammar.read_bytes()
    # Part of the name, so that another version of this module or of the grammar never reads it.
    key = f"{zlib.crc32(text + Path(__file__).read_bytes()):08x}"
    cached = grammar.parent / "__pycache__" / f"{grammar.stem}-{key}.json"
    try:
        return Table(*json.loads(cached.read_bytes()))
    except (OSError, ValueError):
        table = _compute(text.decode())
    # Without a place to keep it, the next process computes it again.
    with contextlib.suppress(OSError):
        cached.parent.mkdir(exist_ok=True)
        temporary = cached.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(table), encoding="ascii")
        temporary.replace(cached)
    return table


def _compute(grammar: str) -> Table:
    import lark
    from lark.parser_frontends import ParserConf
    from lark.parsers.lalr_analysis import LALR_Analyzer, Shift

    compiled = lark.Lark(grammar, parser="lalr", lexer="basic", start="ruleset", maybe_placeholders=False)
    analyzer = LALR_Analyzer(ParserConf(compiled.rules, {}, ["ruleset"]))
    analyzer.compute_lalr()
    parse_table = analyzer.parse_table
    (start,) = parse_table.start_states.values()
    (end,) = parse_table.end_states.values()
    states = [start, *(state for state in parse_table.states if state != start)]
    numbers = {state: number for number, state in enumerate(states)}
    nonterminals = {rule.origin.name for rule in compiled.rules}
    rule_numbers = {rule: number for number, rule in enumerate(compiled.rules)}
    actions: list[dict[str, int]] = [{} for _ in states]
    gotos: list[dict[str, int]] = [{} for _ in states]
    defaults = [0 for _ in states]
    for number, state in enumerate(states):
        for symbol, (kind, argument) in parse_table.states[state].items():
            if symbol in nonterminals:
                gotos[number][symbol] = numbers[argument]
            else:
                actions[number][symbol] = numbers[argument] if kind is Shift else -1 - rule_numbers[argument]
        targets = set(actions[number].values())
        # The first state has none: pfctl's own grammar knows a second way to begin a file, so yacc looks at the first
        # token before it reduces anything, and nothing recovers from an error there.
        if number and len(targets) == 1 and min(targets) < 0:
            defaults[number] = targets.pop()
            actions[number].clear()
    rules = [[rule.origin.name, len(rule.expansion), rule.alias or ""] for rule in compiled.rules]
    return Table(actions, gotos, defaults, rules, numbers[end])


def parse(table: Table, next_token: t.Callable[[], tuple[str, t.Any]], actions: object, on_error: t.Callable[[], None]) -> bool:
    """Parse what ``next_token`` gives up to ``END``; False if an error could not be recovered from.

    ``actions`` has a method for every action named in the grammar; it gets the values of the right side and returns the
    value of the left. A rule without an action has the value of its first symbol. ``on_error`` reports a syntax error.
    """
    names = [name for name, _, _ in table.rules]
    lengths = [length for _, length, _ in table.rules]
    bound = [getattr(actions, action) if action else None for _, _, action in table.rules]
    defaults, moves, gotos = table.defaults, table.actions, table.gotos
    states = [0]
    values: list[t.Any] = [None]
    token: tuple[str, t.Any] | None = None
    quiet = 0
    while True:
        state = states[-1]
        move = defaults[state]
        if not move:
            token = token or next_token()
            if state == table.end and token[0] == END:
                return True
            move = moves[state].get(token[0], 0)
            if move > 0:
                states.append(move)
                values.append(token[1])
                token = None
                quiet -= quiet > 0
                continue
        if move:
            rule = -1 - move
            length = lengths[rule]
            action = bound[rule]
            arguments = values[len(values) - length :]
            try:
                value = action(*arguments) if action else arguments[0] if arguments else None
            except ActionError:
                pass  # The symbols stay on the stack until recovery takes them off.
            else:
                if length:
                    del states[-length:], values[-length:]
                states.append(gotos[states[-1]][names[rule]])
                values.append(value)
                continue
        elif not quiet:
            on_error()
        if quiet < _QUIET_TOKENS:
            quiet = _QUIET_TOKENS
            # At the very beginning of a file ERROR would have to be reduced first, which yacc does not do: it gives up.
            while moves[states[-1]].get(ERROR, 0) <= 0:
                states.pop()
                values.pop()
                if not states:
                    return False
            states.append(moves[states[-1]][ERROR])
            values.append(None)
        elif token and token[0] == END:
            return False
        else:
            token = None
