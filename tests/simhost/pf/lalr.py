# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An LALR(1) parser that behaves as the one yacc makes: actions run as rules are reduced, errors are recovered from.

lark reads the grammar and computes the table; the loop over it is here, because pfctl's messages depend on yacc's way: when a
rule is reduced without looking at the next token, what the ``error`` token does, which messages are suppressed.
"""

from __future__ import annotations

import contextlib
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
    states; ``defaults[state]`` is the rule that a state reduces whatever comes, or -1; ``rules`` are (nonterminal, length, action)."""

    actions: list[dict[str, int]]
    gotos: list[dict[str, int]]
    defaults: list[int]
    rules: list[list[t.Any]]
    start: int
    end: int


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
    numbers = {state: number for number, state in enumerate(parse_table.states)}
    rule_numbers = {rule: number for number, rule in enumerate(compiled.rules)}
    nonterminals = {rule.origin.name for rule in compiled.rules}
    actions: list[dict[str, int]] = []
    gotos: list[dict[str, int]] = []
    defaults: list[int] = []
    for entries in parse_table.states.values():
        actions.append({})
        gotos.append({})
        for symbol, (kind, argument) in entries.items():
            if symbol in nonterminals:
                gotos[-1][symbol] = numbers[argument]
            elif kind is Shift:
                actions[-1][symbol] = numbers[argument]
            else:
                actions[-1][symbol] = -1 - rule_numbers[argument]
        targets = set(actions[-1].values())
        only = targets.pop() if len(targets) == 1 else 0
        defaults.append(-1 - only if only < 0 else -1)
    rules = [[rule.origin.name, len(rule.expansion), rule.alias or ""] for rule in compiled.rules]
    (start,) = parse_table.start_states.values()
    (end,) = parse_table.end_states.values()
    return Table(actions, gotos, defaults, rules, numbers[start], numbers[end])


def parse(table: Table, next_token: t.Callable[[], tuple[str, t.Any]], actions: object, on_error: t.Callable[[], None]) -> bool:
    """Parse what ``next_token`` gives up to ``END``; False if an error could not be recovered from.

    ``actions`` has a method for every action named in the grammar; it gets the values of the right side and returns the
    value of the left. A rule without an action has the value of its first symbol. ``on_error`` reports a syntax error.
    """
    bound = [getattr(actions, action) if action else None for _, _, action in table.rules]
    states = [table.start]
    values: list[t.Any] = [None]
    token: tuple[str, t.Any] | None = None
    quiet = 0
    while True:
        state = states[-1]
        move = -1 - table.defaults[state]
        if move == 0:
            if token is None:
                token = next_token()
            if state == table.end and token[0] == END:
                return True
            move = table.actions[state].get(token[0])
        failed = move is None
        if failed:
            if not quiet:
                on_error()
        elif move >= 0:
            states.append(move)
            values.append(token[1])
            token = None
            quiet -= quiet > 0
            continue
        else:
            name, length, _ = table.rules[-1 - move]
            action = bound[-1 - move]
            arguments = values[len(values) - length :]
            try:
                value = action(*arguments) if action else arguments[0] if arguments else None
            except ActionError:
                failed = True
                # The symbols stay on the stack until recovery takes them off.
            else:
                if length:
                    del states[-length:], values[-length:]
                states.append(table.gotos[states[-1]][name])
                values.append(value)
        if not failed:
            continue
        if quiet < _QUIET_TOKENS:
            quiet = _QUIET_TOKENS
            while (move := table.actions[states[-1]].get(ERROR, -1)) < 0:
                states.pop()
                values.pop()
                if not states:
                    return False
            states.append(move)
            values.append(None)
        else:
            if token and token[0] == END:
                return False
            token = None
