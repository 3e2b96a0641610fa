# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pfctl(8)."""

from __future__ import annotations

import os
import re
import socket
import sys
import typing as t

from ..pf import names, states
from ..pf.configuration import Flags, Options
from ..pf.display import Display, View
from ..pf.hosts import Interfaces, Resolver
from ..pf.kernel import Pf, flush, is_loaded
from ..pf.messages import NO_ANCHOR, STALE_ERROR, warn
from ..pf.rules import ALL_ONES, FULL_LENGTH, mask_of, pack
from ..pf.states import Criteria
from ..program import CommandError, NotSimulated, Usage, options
from ..state import Host

USAGE = """\
usage: pfctl [-AdeghMmNnOPqRSrvz] [-a anchor] [-D macro=value] [-F modifier]
\t[-f file] [-i interface] [-K host | network]
\t[-k host | network | gateway | label | id] [-o level] [-p device]
\t[-s modifier] [-t table -T command [address ...]] [-x level]"""

LETTERS = "a:AdD:eqf:F:ghi:k:K:mMnNOo:Pp:rRs:St:T:vx:z"

# A modifier may be cut short; the first that begins so is meant.
CLEAR = ("nat", "queue", "rules", "Sources", "states", "info", "Tables", "osfp", "all", "ethernet", "Reset")
SHOW = (
    "ethernet", "nat", "queue", "rules", "Anchors", "Sources", "states", "info", "Interfaces", "labels", "timeouts", "memory", "Tables",
    "osfp", "Running", "all", "creatorids",
)  # fmt: skip
TABLE_COMMANDS = ("kill", "flush", "add", "delete", "load", "replace", "show", "test", "zero", "expire", "reset")
DEBUG_LEVELS = ("none", "urgent", "misc", "loud")
OPTIMIZATIONS = ("none", "basic", "profile")
LOADED_BY = {"A": "altq", "N": "nat", "R": "filter", "O": "option"}
BASE_FINGERPRINTS = 762
DEVICE = "/dev/pf"
MISSING = "No such file or directory"
READ_WRITE = "dekKfFxz"


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    """Run pfctl."""
    return Pfctl(host, argv, stdin).run()


def usage() -> t.NoReturn:
    """Print how pfctl is called and exit."""
    raise Usage(USAGE)


def _choose(value: str, choices: tuple[str, ...], what: str) -> str:
    for choice in choices:
        if value and choice.startswith(value):
            return choice
    warn(f"Unknown {what} '{value}'")
    usage()


class Pfctl:
    """One call."""

    def __init__(self, host: Host, argv: list[str], stdin: t.TextIO) -> None:
        self.host = host
        self.stdin = stdin
        found, self.arguments = options(argv, LETTERS, USAGE)
        if not argv:
            usage()
        self.given = {letter for letter, _ in found}
        self.values = {letter: value for letter, value in found if value}
        self.verbosity = sum(letter == "v" for letter, _ in found)
        self.macros: dict[str, str] = {}
        self.kill: list[str] = []
        self.kill_sources: list[str] = []
        self.show = self.clear = self.debug = self.command = ""
        for letter, value in found:
            self._read(letter, value)
        self.dry_run = "n" in self.given
        self.quiet = "q" in self.given
        self.interfaces = Interfaces(host.kernel)
        self.resolver = Resolver(self.interfaces, host.path("/etc/hosts"), numeric="S" in self.given)
        self.load: set[str] = {what for letter, what in LOADED_BY.items() if letter in self.given}
        self.recursive = False
        self.anchor = ""
        self._check()

    def _read(self, letter: str, value: str) -> None:
        if letter == "h":
            usage()
        if letter == "D":
            name, equals, text = value.rpartition("=")
            if equals:
                self.macros[name] = text
            else:
                warn(f"could not parse macro definition {value}")
        elif letter == "F":
            self.clear = _choose(value, CLEAR, "flush modifier")
        elif letter == "s":
            self.show = _choose(value, SHOW, "show modifier")
        elif letter == "x":
            self.debug = _choose(value, DEBUG_LEVELS, "debug level")
        elif letter == "T":
            self.command = _choose(value, TABLE_COMMANDS, "table command")
        elif letter == "o":
            self.values["o"] = _choose(value, OPTIMIZATIONS, "optimization")
        elif letter in "kK":
            given = self.kill if letter == "k" else self.kill_sources
            if len(given) == 2:
                warn(f"can only specify -{letter} twice")
                usage()
            given.append(value)

    def _check(self) -> None:
        if {"S", "r"} <= self.given:
            raise CommandError("-N and -r are mutually exclusive")
        table = self.values.get("t")
        if (self.command == "") != (table is None) and self.command != "load":
            usage()
        writes = bool(self.given & set(READ_WRITE))
        if self.command == "load":
            self.load.add("table")
            self.command = ""
        elif self.command:
            writes = self.command[0] not in "st"
        elif self.arguments:
            warn(f"unknown command line argument: {self.arguments[0]} ...")
            usage()
        self.load = self.load or {"filter", "nat", "option", "table", "ethernet", "altq"}
        if "a" in self.given:
            self._check_anchor(self.values.get("a", ""), writes)

    def _check_anchor(self, anchor: str, writes: bool) -> None:
        if not anchor:
            raise CommandError("anchor name must not be empty")
        if not writes and not self.show and not self.command:
            warn("anchors apply to -f, -F, -s, and -T only")
            usage()
        if writes and not self.command and (anchor.startswith("_") or "/_" in anchor):
            raise CommandError("anchor names beginning with '_' cannot be modified from the command line")
        if anchor.endswith("*"):
            self.recursive = True
            anchor = anchor[:-1].removesuffix("/")
        if len(anchor) >= 1024:
            raise CommandError(f"anchor name '{anchor}' too long")
        self.anchor = anchor
        self.load &= {"filter", "nat", "table", "ethernet"}

    # ---- the order of things is pfctl's ----

    def run(self) -> int:
        """Do everything that was asked for."""
        if not is_loaded(self.host.kernel):
            raise CommandError(f"Failed to open netlink: {MISSING}" if self.dry_run else f"{DEVICE}: {MISSING}")
        if not self.dry_run and (device := self.values.get("p", DEVICE)) != DEVICE:
            raise CommandError(f"{device}: {MISSING}")
        self.pf = Pf(self.host.kernel)
        if not self.dry_run:
            if self.verbosity:
                print("No ALTQ support in kernel\nALTQ related functions disabled", file=sys.stderr)
            if "d" in self.given:
                self._switch(False)
        code = 0
        if self.show and not self.dry_run:
            code = self._show()
        if self.clear and not self.dry_run:
            code = self._flush() or code
        if self.kill:
            self._kill_states()
        if self.kill_sources:
            self._kill_sources()
        if self.command:
            code = self._table_command()
        elif "f" in self.given:
            self._load()
        if "e" in self.given and not self.dry_run:
            self._switch(True)
        if self.debug and not self.dry_run:
            self.pf.data["debug"] = self.debug
            self._say(f"debug level set to '{self.debug}'")
        return code

    def _say(self, text: str) -> None:
        if not self.quiet:
            print(text, file=sys.stderr)

    def _switch(self, running: bool) -> None:
        if not self.pf.set_running(running):
            raise CommandError("pf already enabled" if running else "pf not enabled")
        self._say(f"pf {'enabled' if running else 'disabled'}")

    # ---- show ----

    def _show(self) -> int:
        view = View(
            verbose=self.verbosity > 0,
            very_verbose=self.verbosity > 1,
            numeric="P" in self.given,
            recursive=self.recursive,
            titles=self.show == "all",
            debug="g" in self.given,
        )
        if view.debug and self.show in ("rules", "nat", "labels", "Tables", "all"):
            raise NotSimulated("-g, which shows skip steps and inactive tables")
        display = Display(self.pf, self.interfaces, view)
        interface = self.values.get("i", "")
        if self.show == "Running":
            print("Enabled" if self.pf.data["enabled"] else "Disabled")
            return int(not self.pf.data["enabled"])
        if self.show == "Anchors":
            display.anchors(self.anchor)
            if view.very_verbose:
                print("Ethernet:")
            return 0
        if self.show == "osfp":
            raise NotSimulated("-s osfp")
        shown: dict[str, t.Callable[[], None]] = {
            "ethernet": lambda: display.ethernet_rules(self.anchor),
            "nat": lambda: display.nat(self.anchor),
            "rules": lambda: display.rules(self.anchor),
            "states": lambda: display.states(interface),
            "info": display.status,
            "labels": lambda: display.rules(self.anchor, labels=True),
            "timeouts": display.timeouts,
            "memory": display.limits,
            "Tables": lambda: display.tables(self.anchor),
            "Interfaces": lambda: display.interfaces(interface),
            "creatorids": display.creators,
        }
        if self.show == "all":
            for part in ("ethernet", "nat", "rules", "states", "info", "labels", "timeouts", "memory", "Tables"):
                shown[part]()
            raise NotSimulated("the operating system fingerprints of -s all")
        if self.show in shown:
            shown[self.show]()
        # There are never any queues or source tracking nodes.
        return 0

    # ---- flush ----

    def _flush(self) -> int:
        interface = self.values.get("i")
        if self.clear == "all" and interface:
            warn("don't specify an interface with -Fall")
            usage()
        parts: dict[str, t.Callable[[], int]] = {
            "ethernet": lambda: self._cleared("Ethernet rules cleared"),
            "rules": self._flush_rules,
            "nat": self._flush_nat,
            "queue": lambda: 0,
            "states": lambda: self._flush_states(interface or ""),
            "Sources": lambda: self._cleared("source tracking entries cleared"),
            "info": lambda: self._cleared("pf: statistics cleared"),
            "Tables": self._flush_tables,
            "osfp": lambda: 0,
            "Reset": self._reset,
        }
        if self.clear != "all":
            return parts[self.clear]()
        parts["ethernet"]()
        self._flush_rules(recursive=False)
        parts["nat"]()
        if self.recursive:
            return self._for_anchors(tables=True, rules=True)
        self._flush_tables()
        self._flush_rules(recursive=False)
        if not self.anchor:
            for part in ("states", "Sources", "info", "Reset"):
                parts[part]()
        return 0

    def _cleared(self, message: str) -> int:
        self._say(message)
        return 0

    def _flush_rules(self, recursive: bool | None = None) -> int:
        if self.recursive if recursive is None else recursive:
            return self._for_anchors(rules=True)
        flush(self.pf, self.anchor, ("scrub", "filter"), os.getpid())
        return self._cleared("rules cleared")

    def _flush_nat(self) -> int:
        flush(self.pf, self.anchor, ("nat", "binat", "rdr"), os.getpid())
        return self._cleared("nat cleared")

    def _flush_tables(self) -> int:
        if self.recursive:
            return self._for_anchors(tables=True)
        if not self.pf.exists(self.anchor):
            raise CommandError(STALE_ERROR)
        return self._cleared(f"{self.pf.tables.remove(self.anchor)} tables deleted.")

    def _for_anchors(self, *, tables: bool = False, rules: bool = False) -> int:
        """Clear an anchor and all below it, the last one first."""
        found = [self.anchor]

        def walk(path: str) -> None:
            if not self.pf.exists(path):
                raise CommandError(NO_ANCHOR)
            for name in self.pf.children(path):
                found.append(f"{path}/{name}" if path else name)
                walk(found[-1])

        walk(self.anchor)
        print("Removing:")
        for path in reversed(found):
            print(f"  {path or '/'}")
            if tables:
                self.pf.tables.remove(path)
            if rules:
                flush(self.pf, path, ("scrub", "filter"), os.getpid())
        return 0

    def _flush_states(self, interface: str) -> int:
        killed = states.kill(self.pf.data, Criteria(interface=interface))
        return self._cleared(f"{killed} states cleared")

    def _reset(self) -> int:
        self.pf.apply_options(Options())
        # pfctl means "no interface", but the kernel takes it for a name.
        self.pf.data.update(skip=[], loginterface="none")
        return self._cleared("pf: interface flags reset")

    # ---- states ----

    def _kill_states(self) -> None:
        if "M" in self.given:
            raise NotSimulated("-M")
        if self.kill[0] in ("label", "id", "gateway", "key"):
            if len(self.kill) < 2 or not self.kill[1]:
                warn(f"no {self.kill[0]} specified")
                usage()
            criteria = {"label": self._label, "id": self._id, "gateway": self._gateway, "key": self._key}[self.kill[0]](self.kill[1])
            self._say(f"killed {states.kill(self.pf.data, criteria)} states")
            return
        nat = self.kill[0] == "nat" and len(self.kill) == 2
        source, *destination = self.kill[1:] if nat else self.kill
        interface = self.values.get("i", "")
        killed = sources = destinations = 0
        for af, address, mask in self._prefixes(source):
            sources += 1
            if not destination:
                killed += states.kill(self.pf.data, Criteria(af=af, source=(address, mask), nat=nat, interface=interface))
                continue
            destinations = 0
            for other_af, other, other_mask in self._prefixes(destination[0]):
                if other_af == af:
                    destinations += 1
                    # pfctl of FreeBSD 15.1 puts the second address where the first one was: the destination is compared with zero.
                    criteria = Criteria(af=af, source=(other, mask), destination=(0, other_mask), nat=nat, interface=interface)
                    killed += states.kill(self.pf.data, criteria)
        self._say(f"killed {killed} states from {sources} sources and {destinations} destinations")

    def _kill_sources(self) -> None:
        """There are never any source tracking nodes, but their addresses are looked up and counted."""
        source, *destination = self.kill_sources
        families = [af for af, _, _ in self._prefixes(source)]
        destinations = sum(af == families[-1] for other in destination for af, _, _ in self._prefixes(other))
        self._say(f"killed 0 src nodes from {len(families)} sources and {destinations} destinations")

    def _prefixes(self, text: str) -> list[tuple[str, int, int]]:
        """The addresses of a host or the address and mask of a network."""
        name, slash, length_text = text.partition("/")
        found: list[tuple[str, int, int]] = []
        try:
            found = [("inet", int.from_bytes(socket.inet_aton(name), "big") << 96, ALL_ONES)]
        except OSError:
            try:
                found = [("inet6", pack(name, "inet6"), ALL_ONES)]
            except OSError:
                if not slash:
                    found = [(host.af, host.addr.address, ALL_ONES) for host in self.resolver.named(name)]
        if not found:
            raise CommandError("getaddrinfo: Name could not be resolved at this time")
        if not slash:
            return found
        longest = FULL_LENGTH[found[0][0]]
        if not re.fullmatch(r"\d+", length_text):
            raise CommandError(f"prefix is invalid: {length_text}")
        if int(length_text) > longest:
            raise CommandError(f"prefix is too large: {length_text}")
        return [(af, address, mask_of(int(length_text))) for af, address, _ in found]

    def _label(self, label: str) -> Criteria:
        return Criteria(label=label, interface=self.values.get("i", ""))

    def _id(self, text: str) -> Criteria:
        parts = re.match(r"(?:0x)?([0-9a-fA-F]+)(?:/(?:0x)?([0-9a-fA-F]+))?", text)
        if not parts:
            warn("wrong id format specified")
            usage()
        identity, creator = int(parts[1], 16), int(parts[2] or "0", 16)
        if not identity:
            warn("cannot kill id 0")
            usage()
        return Criteria(id=f"{identity:016x}", creatorid=f"{creator or self.pf.data['hostid']:08x}")

    def _gateway(self, _address: str) -> Criteria:
        raise NotSimulated("-k gateway")

    def _key(self, key: str) -> Criteria:
        words = key.split()
        if len(words) != 4:
            raise CommandError('pfctl_key_kill_states: key must be "protocol host1:port1 direction host2:port2" format')
        proto = names.protocol_number(words[0])
        if proto is None:
            raise CommandError(f"invalid protocol: {words[0]}")
        if words[2] not in ("->", "<-"):
            raise CommandError(f"invalid direction: {words[2]}")
        ends = (words[1], words[3]) if words[2] == "->" else (words[3], words[1])
        (source, source_port), (destination, destination_port) = map(_address_and_port, ends)
        return Criteria(
            proto=proto,
            source=(source, ALL_ONES),
            destination=(destination, ALL_ONES),
            source_port=source_port,
            destination_port=destination_port,
            interface=self.values.get("i", ""),
        )

    # ---- tables, rules ----

    def _table_command(self) -> int:
        name = self.values["t"]
        if len(name) >= 32:
            usage()
        # Imported where they are used: most calls only show something, and each is a process of its own.
        from ..pf.load import MachineFiles
        from ..pf.table_command import TableCommand

        return TableCommand(
            self.pf,
            self.resolver,
            MachineFiles(self.host, self.stdin),
            self.anchor,
            name,
            self.arguments,
            self.values.get("f"),
            usage,
            quiet=self.quiet,
            verbose=self.verbosity > 0,
            very_verbose=self.verbosity > 1,
            dry_run=self.dry_run,
        ).run(self.command)

    def _load(self) -> None:
        level = self.values.get("o", "basic")
        if level == "profile":
            raise NotSimulated("-o profile, which depends on traffic")
        flags = Flags(
            verbose=self.verbosity > 0,
            very_verbose=self.verbosity > 1,
            dry_run=self.dry_run,
            quiet=self.quiet,
            numeric="P" in self.given,
            merge="m" in self.given,
            no_dns="S" in self.given,
            optimize_given="o" in self.given,
            optimize=level == "basic",
            load=frozenset(self.load),
        )
        from ..pf.load import Loader

        if flags.very_verbose and not flags.merge and not self.anchor and "option" in flags.load:
            # Those of the base system's /etc/pf.os, with which nothing is done: rules that ask for them are refused.
            print(f"Loaded {BASE_FINGERPRINTS} passive OS fingerprints")
        Loader(self.host, self.pf, flags, self.stdin, self.macros).load(self.values.get("f", ""), self.anchor)


def _address_and_port(text: str) -> tuple[int, int]:
    bracketed = re.fullmatch(r"(.*)\[(\d*)\]", text)
    address, port = bracketed.groups() if bracketed else (text, "")
    if not bracketed and text.count(":") == 1:
        address, port = text.split(":")
    try:
        return pack(address, "inet6" if ":" in address else "inet"), int(port or 0)
    except (OSError, ValueError):
        raise CommandError(f"invalid host: {text}") from None
