# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of rules: logging, what block answers, filter, scrub and state options."""

from __future__ import annotations

import math
import re
import typing as t

from .. import names
from ..nodes import Icmp, Identity, Interface, Redirection, keep_family
from .base import TABLE_NAME_SIZE, UINT_MAX, Actions, strtoul

MAX_LABELS = 5
PRIO_MAX = 7

# What `block return` answers with: (type << 8) + code.
RETURN_ICMP = 3 << 8 | 3
RETURN_ICMP6 = 1 << 8 | 4

_LEADING_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

# Options that may be given once, and what is said of a second one.
_ONCE = {
    "flags": "flags cannot be redefined",
    "icmp": "icmp-type cannot be redefined",
    "prio": "prio cannot be redefined",
    "tos": "tos cannot be redefined",
    "keep": "modulate or keep cannot be redefined",
    "queue": "queue cannot be redefined",
    "received-on": "cannot respecify received-on",
    "nat": "cannot respecify nat-to/binat-to",
    "rdr": "cannot respecify rdr-to",
    "max-pkt-rate": "cannot respecify max-pkt-rate",
    "set prio": "prio cannot be redefined",
    "set tos": "tos cannot be respecified",
}


class Options(Actions):
    """Actions for options; those of one rule are collected in a dictionary."""

    # ---- log, block return ----

    def log_plain(self, _log: str) -> tuple[list[str], int]:
        return ["log"], 0

    def log_option(self, name: str) -> tuple[list[str], int]:
        return ["log", name], 0

    def log_more(self, options: tuple[list[str], int], _comma: str | None, more: tuple[list[str], int]) -> tuple[list[str], int]:
        return [*options[0], *(name for name in more[0] if name not in options[0])], more[1] or options[1]

    def log_to(self, _to: str, name: str) -> tuple[list[str], int]:
        if not name.startswith("pflog"):
            self.fail(f"{name}: should be a pflog interface")
        unit = name.removeprefix("pflog")
        if not re.fullmatch(r"\d+", unit):
            self.fail(f"{name}: invalid")
        if int(unit) > 255:
            self.fail(f"{name}: too large")
        return ["log"], int(unit)

    # A log with quick: (options, unit of pflog), whether quick.

    def logquick_none(self) -> tuple[tuple[list[str], int], bool]:
        return ([], 0), False

    def logquick_log(self, log: tuple[list[str], int]) -> tuple[tuple[list[str], int], bool]:
        return log, False

    def logquick_quick(self, _quick: str) -> tuple[tuple[list[str], int], bool]:
        return ([], 0), True

    def logquick_log_quick(self, log: tuple[list[str], int], _quick: str) -> tuple[tuple[list[str], int], bool]:
        return log, True

    def logquick_quick_log(self, _quick: str, log: tuple[list[str], int]) -> tuple[tuple[list[str], int], bool]:
        return log, True

    def _return_code(self, af: str, default: int, text: str) -> int:
        number = strtoul(text)
        if number is None:
            number = names.ICMP_CODES[af].get((default >> 8, text))
            if number is None:
                self.fail(f"unknown icmp code {text}")
        return self._return_number(default, number)

    def _return_number(self, default: int, number: int) -> int:
        if not 0 <= number <= 255:
            self.fail(f"invalid icmp code {number % (1 << 64)}")
        return default & 0xFF00 | number

    def icmp_return_code(self, text: str) -> int:
        return self._return_code("inet", RETURN_ICMP, text)

    def icmp_return_number(self, number: int) -> int:
        return self._return_number(RETURN_ICMP, number)

    def icmp6_return_code(self, text: str) -> int:
        return self._return_code("inet6", RETURN_ICMP6, text)

    def icmp6_return_number(self, number: int) -> int:
        return self._return_number(RETURN_ICMP6, number)

    # ---- options of rules ----

    def options_first(self, option: tuple[str, t.Any]) -> dict[str, t.Any]:
        return self.options_more({}, option)

    def options_more(self, options: dict[str, t.Any], option: tuple[str, t.Any]) -> dict[str, t.Any]:
        name, value = option
        if name == "set":
            for setting in value:
                options = self.options_more(options, setting)
            return options
        if name in _ONCE and name in options:
            self.fail(_ONCE[name])
        if name == "label":
            if len(options.get("label", [])) >= MAX_LABELS:
                self.fail(f"label can only be used {MAX_LABELS} times")
            value = [*options.get("label", []), value]
        elif name in ("user", "group"):
            value = value + options.get(name, [])
        elif name == "scrub" and "set-tos" in value:
            # The same field as that of `set tos`.
            options = {**options, "set tos": value["set-tos"]}
        elif name == "af-to":
            if "nat" in options:
                self.fail("cannot respecify af-to")
            return {**options, "af-to": value[0].af, **dict(zip(("nat", "rdr"), value, strict=False))}
        return {**options, name: value}

    def option_user(self, _keyword: str, users: list[Identity]) -> tuple[str, t.Any]:
        return "user", users

    def option_group(self, _keyword: str, groups: list[Identity]) -> tuple[str, t.Any]:
        return "group", groups

    def option_flags(self, flags: tuple[int, int]) -> tuple[str, t.Any]:
        return "flags", flags

    def option_icmp(self, types: list[Icmp]) -> tuple[str, t.Any]:
        return "icmp", types

    def _prio(self, number: int) -> int:
        if not 0 <= number <= PRIO_MAX:
            self.fail(f"prio must be 0 - {PRIO_MAX}")
        return number

    def option_prio(self, _keyword: str, number: int) -> tuple[str, t.Any]:
        return "prio", self._prio(number)

    def option_tos(self, _keyword: str, tos: int) -> tuple[str, t.Any]:
        return "tos", tos

    def option_keep(self, keep: t.Any) -> tuple[str, t.Any]:
        return "keep", keep

    def option_ridentifier(self, _keyword: str, number: int) -> tuple[str, t.Any]:
        return "ridentifier", number

    def option_fragment(self, _keyword: str) -> tuple[str, t.Any]:
        return "fragment", True

    def option_allow_opts(self, _keyword: str) -> tuple[str, t.Any]:
        return "allow-opts", True

    def option_label(self, _keyword: str, label: str) -> tuple[str, t.Any]:
        return "label", label

    def option_queue(self, queue: tuple[str, str]) -> tuple[str, t.Any]:
        return "queue", queue

    def queue(self, _keyword: str, *parts: str | None) -> tuple[str, str]:
        queues = [part for part in parts if part not in ("(", ")", ",", None)]
        return queues[0], queues[1] if len(queues) > 1 else ""

    def option_dummynet(self, keyword: str, number: int) -> tuple[str, t.Any]:
        return "dummynet", [keyword, number, 0]

    def option_dummynet_one(self, keyword: str, _open: str, number: int, _close: str) -> tuple[str, t.Any]:
        return "dummynet", [keyword, number, 0]

    def option_dummynet_two(self, keyword: str, _open: str, number: int, _comma: str | None, back: int, _close: str) -> tuple[str, t.Any]:
        return "dummynet", [keyword, number, back]

    def option_tag(self, _keyword: str, tag: str) -> tuple[str, t.Any]:
        return "tag", tag

    def option_tagged(self, negated: bool, _keyword: str, tag: str) -> tuple[str, t.Any]:
        return "tagged", (negated, tag)

    def option_received_on(self, negated: bool, _keyword: str, interface: Interface) -> tuple[str, t.Any]:
        interface.negated = negated
        return "received-on", interface

    def probability_string(self, text: str) -> float:
        number = _LEADING_FLOAT.match(text)
        rest = text[number.end() :] if number else text
        if rest not in ("", "%"):
            self.fail(f"invalid probability: {text}")
        return (float(number.group()) if number else 0.0) * (0.01 if rest else 1)

    def option_probability(self, _keyword: str, probability: float) -> tuple[str, t.Any]:
        share = math.floor(probability * UINT_MAX + 0.5)
        if not 0 <= share <= UINT_MAX:
            self.fail(f"invalid probability: {float(share):f}")
        return "probability", share or 1

    def option_rtable(self, _keyword: str, number: int) -> tuple[str, t.Any]:
        if not 0 <= number < self.fibs:
            self.fail("invalid rtable id")
        return "rtable", number

    def option_divert(self, _keyword: str, *rest: t.Any) -> tuple[str, t.Any]:
        port = rest[-1].first
        if not port:
            self.fail("invalid divert port: 0")
        return "divert", port

    def option_divert_reply(self, _keyword: str) -> t.NoReturn:
        self.fail("divert-reply has no meaning in FreeBSD pf(4)")

    def option_scrub(self, _keyword: str, _open: str, options: dict[str, t.Any], _close: str) -> tuple[str, t.Any]:
        return "scrub", options

    def option_nat_to(self, _keyword: str, target: Redirection) -> tuple[str, t.Any]:
        return "nat", target

    def option_rdr_to(self, _keyword: str, target: Redirection) -> tuple[str, t.Any]:
        return "rdr", target

    def option_binat_to(self, _keyword: str, target: Redirection) -> tuple[str, t.Any]:
        target.binat = True
        target.options["static-port"] = True
        return "nat", target

    def option_af_to(self, _keyword: str, af: str | None, _from: str, source: Redirection, *destination: t.Any) -> tuple[str, t.Any]:
        if not af:
            self.fail("no address family specified")
        targets = [source, destination[1]] if destination else [source]
        for target in targets:
            target.af = af
            target.hosts, _ = keep_family(target.hosts, af)
        if not all(target.hosts for target in targets):
            self.fail("af-to addresses must be in the target address family")
        return "af-to", targets

    def option_max_pkt_rate(self, _keyword: str, limit: int, _slash: str, seconds: int) -> tuple[str, t.Any]:
        self.unsigned(limit, seconds)
        return "max-pkt-rate", [limit, seconds]

    def option_max_pkt_size(self, _keyword: str, size: int) -> tuple[str, t.Any]:
        if not 0 <= size <= 65535:
            self.fail("only positive values permitted")
        return "max-pkt-size", size

    def _unsigned(self, *numbers: int) -> None:
        if not all(0 <= number <= UINT_MAX for number in numbers):
            self.fail("only positive values permitted")

    def option_set(self, _set: str, _open: str, settings: list[tuple[str, t.Any]], _close: str) -> tuple[str, t.Any]:
        return "set", settings

    def option_set_one(self, _set: str, setting: tuple[str, t.Any]) -> tuple[str, t.Any]:
        return "set", [setting]

    def set_prio(self, prio: list[int]) -> tuple[str, t.Any]:
        return "set prio", prio

    def set_tos(self, _keyword: str, tos: int) -> tuple[str, t.Any]:
        return "set tos", tos

    def prio(self, _keyword: str, number: int) -> list[int]:
        return [self._prio(number)] * 2

    def prio_two(self, _keyword: str, _open: str, first: int, _comma: str | None, second: int, _close: str) -> list[int]:
        return [self._prio(first), self._prio(second)]

    # ---- options of scrub ----

    def scrub_opts_first(self, option: tuple[str, t.Any]) -> dict[str, t.Any]:
        return dict([option])

    def scrub_opts_more(self, options: dict[str, t.Any], _comma: str | None, option: tuple[str, t.Any]) -> dict[str, t.Any]:
        name, value = option
        if name in options and name not in ("rtable", "tagged"):
            self.fail(f"{name} cannot be respecified")
        return {**options, name: value}

    def scrub_flag(self, name: str) -> tuple[str, t.Any]:
        return name, True

    def scrub_min_ttl(self, _keyword: str, ttl: int) -> tuple[str, t.Any]:
        if not 0 <= ttl <= 255:
            self.fail(f"illegal min-ttl value {ttl}")
        return "min-ttl", ttl

    def scrub_max_mss(self, _keyword: str, size: int) -> tuple[str, t.Any]:
        if not 0 <= size <= 65535:
            self.fail(f"illegal max-mss value {size}")
        return "max-mss", size

    def scrub_set_tos(self, _keyword: str, tos: int) -> tuple[str, t.Any]:
        return "set-tos", tos

    def scrub_fragment(self, *words: str) -> tuple[str, t.Any]:
        return "fragcache", "no" not in words

    def scrub_reassemble(self, _keyword: str, what: str) -> tuple[str, t.Any]:
        if what.lower() != "tcp":
            self.fail(f"scrub reassemble supports only tcp, not '{what}'")
        return "reassemble tcp", True

    # ---- options of states ----

    def no_state(self, *_: str) -> tuple[str, list[t.Any]]:
        return "", []

    def keep_state(self, action: str, _state: str, options: list[t.Any] | None) -> tuple[str, list[t.Any]]:
        return action, options or []

    def state_number(self, name: str, number: int) -> tuple[str, t.Any]:
        self.unsigned(number)
        return name, number

    def state_flag(self, name: str) -> tuple[str, t.Any]:
        return name, True

    def state_rate(self, name: str, limit: int, _slash: str, seconds: int) -> tuple[str, t.Any]:
        self.unsigned(limit, seconds)
        return name, [limit, seconds]

    def state_overload(self, name: str, _open: str, table: str, _close: str, flush: str) -> tuple[str, t.Any]:
        if len(table) >= TABLE_NAME_SIZE:
            self.fail(f"table name '{table}' too long")
        return name, (table, flush)

    def flush(self, *words: str) -> str:
        return " ".join(words)

    def source_track(self, _keyword: str, how: str = "any") -> str:
        return how

    def state_source_track(self, how: str) -> tuple[str, t.Any]:
        return "source-track", how

    def state_lock(self, how: str) -> tuple[str, t.Any]:
        return "lock", how

    def state_timeout(self, name: str, seconds: int) -> tuple[str, t.Any]:
        self.unsigned(seconds)
        if name not in names.TIMEOUTS:
            self.fail(f"illegal timeout name {name}")
        if "." not in name:
            self.fail(f"illegal state timeout {name}")
        return "timeout", (name, seconds)
