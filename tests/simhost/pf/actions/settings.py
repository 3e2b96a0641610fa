# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``set`` statements, macros and tables."""

from __future__ import annotations

import typing as t

from ...program import NotSimulated
from .. import names
from ..lalr import ActionError
from ..messages import warn
from ..nodes import Interface
from ..rules import Host
from .base import TABLE_NAME_SIZE, UINT_MAX, Actions

_DEBUG_LEVELS = ("none", "urgent", "misc", "loud")

# A table member as written: address, family, negated; or the path of a file of them.
TableContents = list[list[Host] | str]


class TableError(Exception):
    """A table cannot be defined."""


class Tables(t.Protocol):
    """Takes the tables of a configuration, which pfctl hands to the kernel while it reads."""

    def define(self, name: str, flags: list[str], contents: TableContents | None) -> None:
        """Define a table; ``contents`` is None if the statement gives none. Raises TableError."""


class Settings(Actions):
    """Actions for options of the whole configuration, which are collected in ``configuration.options``."""

    tables: Tables
    block_policy = "drop"
    fail_policy = "drop"
    if_bound = False
    state_defaults: list[tuple[str, t.Any]] | None = None

    # ---- options ----

    @property
    def _loads_options(self) -> bool:
        return "option" in self.configuration.load

    def no(self, _no: str) -> bool:
        return False

    def yes(self, text: str) -> bool:
        if text != "yes":
            self.fail(f"invalid value '{text}', expected 'yes' or 'no'")
        return True

    def set_reassemble(self, _set: str, _keyword: str, enabled: bool, nodf: str | None) -> None:
        self.in_order("options")
        if self._loads_options:
            options = self.configuration.options
            options.reassemble = [word for word, given in (("yes", enabled), ("no-df", enabled and nodf)) if given]
            options.given.add("reassemble")
            self.say(f"set reassemble {'yes' if enabled else 'no'} {'no-df' if nodf else ''}")

    def set_optimization(self, _set: str, _keyword: str, name: str) -> None:
        self.in_order("options")
        if not self._loads_options:
            return
        hints = names.OPTIMIZATIONS.get(name.lower())
        if hints is None:
            warn("invalid state timeouts optimization")
            self.fail(f"unknown optimization {name}")
        self.configuration.options.timeouts.update(hints)
        self.configuration.options.given.update(hints)
        self.say(f"set optimization {name}")

    def set_ruleset_optimization(self, _set: str, _keyword: str, level: str) -> None:
        if level not in ("none", "basic", "profile"):
            self.fail(f"unknown ruleset-optimization {level}")
        if level == "profile":
            raise NotSimulated("set ruleset-optimization profile, which depends on traffic")
        if not self.configuration.flags.optimize_given:
            self.configuration.flags.optimize_given = True
            self.configuration.optimize = level != "none"

    def timeout(self, name: str, seconds: int) -> None:
        self.in_order("options")
        self.unsigned(seconds)
        if not self._loads_options:
            return
        if name.lower() not in names.TIMEOUTS:
            warn("Bad timeout name.")
            self.fail(f"unknown timeout {name}")
        self.configuration.options.timeouts[name.lower()] = seconds
        self.configuration.options.given.add(name.lower())
        self.say(f"set timeout {name} {seconds}")

    def limit(self, name: str, number: int) -> None:
        self.in_order("options")
        self.unsigned(number)
        if name.lower() not in names.LIMITS:
            warn("Bad pool name.")
            self.fail(f"unable to set limit {name} {number}")
        self.configuration.options.limits[name.lower()] = number
        self.configuration.options.given.add(name.lower())
        self.say(f"set limit {name} {number}")

    def set_loginterface(self, _set: str, _keyword: str, name: str) -> None:
        self.in_order("options")
        if self._loads_options:
            self.configuration.options.loginterface = "" if name == "none" else name
            self.configuration.options.given.add("loginterface")
            self.say(f"set loginterface {name}")

    def set_hostid(self, _set: str, _keyword: str, number: int) -> None:
        if not 0 < number <= UINT_MAX:
            self.fail("hostid must be non-zero")
        if self._loads_options:
            self.configuration.options.hostid = number
            self.configuration.options.given.add("hostid")
            self.say(f"set hostid 0x{number:08x}")

    def set_block_policy(self, _set: str, _keyword: str, policy: str) -> None:
        self.say(f"set block-policy {policy}")
        self.in_order("options")
        self.block_policy = policy

    def set_fail_policy(self, _set: str, _keyword: str, policy: str) -> None:
        self.say(f"set fail-policy {policy}")
        self.in_order("options")
        self.fail_policy = policy

    def set_require_order(self, _set: str, _keyword: str, required: bool) -> None:
        self.say(f"set require-order {'yes' if required else 'no'}")
        self.require_order = required

    def set_fingerprints(self, _set: str, _keyword: str, name: str) -> None:
        self.say(f'set fingerprints "{name}"')
        self.in_order("options")
        # Nothing is done with fingerprints: rules that ask for them are refused.

    def set_state_policy(self, _set: str, _keyword: str, policy: str) -> None:
        self.say(f"set state-policy {policy}")
        self.if_bound = policy == "if-bound"

    def set_debug(self, _set: str, _keyword: str, level: str) -> None:
        self.in_order("options")
        if not self._loads_options:
            return
        if level not in _DEBUG_LEVELS:
            warn(f'unknown debug level "{level}"')
            self.fail(f"error setting debuglevel {level}")
        self.configuration.options.debug = level
        self.configuration.options.given.add("debug")
        self.say(f"set debug {level}")

    def set_skip(self, _set: str, _keyword: str, interfaces: list[Interface] | None) -> None:
        skip: list[str] = []
        if not interfaces or (len(interfaces) == 1 and not interfaces[0].negated and interfaces[0].name == "none"):
            self.say("set skip on none")
            interfaces = []
        else:
            self.say("".join(["set skip on {", *(f" {interface.name}" for interface in interfaces), " }"]))
        bad = [interface for interface in interfaces if interface.negated]
        for _ in bad:
            self.error("skip on ! <interface> is not supported")
        if bad:
            self.fail("error setting skip interface(s)")
        for interface in interfaces:
            # A group is flagged together with its members.
            skip += [*self.resolver.interfaces.group(interface.name), interface.name]
        if self._loads_options:
            self.configuration.options.skip = (self.configuration.options.skip or []) + skip

    def set_state_defaults(self, _set: str, _keyword: str, options: list[tuple[str, t.Any]]) -> None:
        if self.state_defaults is not None:
            self.fail("cannot redefine state-defaults")
        self.state_defaults = options

    def set_keepcounters(self, *_: str) -> None:
        """Counters are always zero here, so that there is nothing to keep."""

    def syncookie_mode(self, text: str) -> str:
        if text not in ("never", "adaptive", "always"):
            self.fail("illegal value for syncookies")
        return text

    def syncookie_opt(self, name: str, text: str) -> tuple[str, int]:
        try:
            value = float(text.removesuffix("%"))
        except ValueError:
            raise ActionError from None
        if not text.endswith("%"):
            raise ActionError
        if not 0 < value <= 100:
            self.fail("illegal percentage value")
        if name not in ("start", "end"):
            self.fail("illegal syncookie option")
        return name, int(value)

    def set_syncookies(self, _set: str, _keyword: str, mode: str, watermarks: list[tuple[str, int]] | None) -> None:
        cookies = self.configuration.options.syncookies
        if watermarks is not None and mode != "adaptive":
            warn("syncookies start/end only apply to adaptive")
            self.fail("error setting syncookies")
        text = f"set syncookies {mode}"
        if watermarks is not None:
            given = dict(watermarks)
            start = given.get("start") or 25
            end = given.get("end") or start // 2
            if end >= start:
                warn("start must be higher than end")
                self.fail("error setting syncookies")
            cookies.update(start=start, end=end)
            text += f" (start {start}%, end {end}%)"
        self.say(text)
        cookies["mode"] = mode

    # ---- tables ----

    def table_flag(self, word: str) -> tuple[str, t.Any]:
        if word not in ("const", "persist", "counters"):
            self.fail(f"invalid table option '{word}'")
        return "flag", word

    def table_empty(self, *_: t.Any) -> tuple[str, t.Any]:
        return "empty", None

    def table_hosts(self, _open: str, _newlines: None, hosts: list[Host] | None, _close: str) -> tuple[str, t.Any]:
        refusals = {
            "range": "address ranges are not permitted inside tables",
            "dynif": "dynamic addresses are not permitted inside tables",
            "table": "tables cannot contain tables",
            "no-route": '"no-route" is not permitted inside tables',
            "urpf-failed": '"urpf-failed" is not permitted inside tables',
        }
        for host in hosts or []:
            if host.addr.type in refusals:
                self.fail(refusals[host.addr.type])
        return "contents", hosts or []

    def table_file(self, _file: str, name: str) -> tuple[str, t.Any]:
        return "contents", name

    def table(self, _table: str, _open: str, name: str, _close: str, options: list[tuple[str, t.Any]]) -> None:
        if len(name) >= TABLE_NAME_SIZE:
            self.fail(f"table name too long, max {TABLE_NAME_SIZE - 1} chars")
        if "table" in self.configuration.load:
            flags = [value for kind, value in options if kind == "flag"]
            given = [value for kind, value in options if kind == "contents"]
            has_contents = given or any(kind == "empty" for kind, _ in options)
            try:
                self.tables.define(name, flags, given if has_contents else None)
            except TableError as error:
                self.fail(str(error))
