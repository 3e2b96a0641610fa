# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pf through pfctl(8): what the kernel has in its anchors, and loads of many anchors in one transaction."""

from __future__ import annotations

import dataclasses
import re
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host

# Numbers for ports: names would change with the host's services(5).
_SHOW = ("pfctl", "-P")


@dataclasses.dataclass(frozen=True)
class Anchor:
    """What an anchor holds, line by line as pfctl prints it; tables by name, None where the kernel has no such table."""

    rules: tuple[str, ...]
    nat: tuple[str, ...]
    tables: dict[str, tuple[str, ...] | None]


@dataclasses.dataclass(frozen=True)
class Ruleset:
    """All that hangs below the main ruleset: rules by anchor path, and the hooks, such as ("nat-anchor", "libvirt/*")."""

    rules: dict[str, tuple[str, ...]]
    hooks: frozenset[tuple[str, str]]

    def hooked(self, kind: str, path: str) -> bool:
        """Whether packets get to the anchor `path` by hooks of that kind."""
        parent = path.rpartition("/")[0]
        return (kind, path) in self.hooks or (kind, f"{parent}/*") in self.hooks


def parse_rulesets(text: str) -> Ruleset:
    """Read the output of `pfctl -a '*' -sr` (or -sn): anchors nested in braces.

    An anchor that is hooked twice, as by nat-anchor and rdr-anchor, is printed twice; the first print counts.
    """
    rules: dict[str, list[str]] = {"": []}
    hooks = set()
    # Of each open block: its path, where its lines go, and whether it lists the anchors below a wildcard instead of rules.
    stack = [("", rules[""], False)]
    for line in (raw.strip() for raw in text.splitlines()):
        if line == "}":
            stack.pop()
            continue
        path, lines, listing = stack[-1]
        call = re.match(r'((?:nat-|rdr-|binat-)?anchor) "([^"]*)"', line)
        # An anchor without a name is its ruleset's own affair; its path only has to differ from every other.
        target = call[2] if call else "_"
        target = target.lstrip("/") if target.startswith("/") or not path else f"{path}/{target}"
        if call and not listing:
            hooks.add((call[1], target))
        if line.endswith(" {"):
            inner = re.sub(r"/?\*$", "", target)
            stack.append((inner, [] if inner in rules else rules.setdefault(inner, []), target != inner))
        elif line:
            lines.append(line)
    return Ruleset({path: tuple(lines) for path, lines in rules.items()}, frozenset(hooks))


class NotLoaded(Exception):
    """pf.ko is not loaded."""


REMEDY = "If it is not loaded: run the role bsdvirt.pfnet.hypervisor, or `kldload pf`, and `sysrc pf_enable=YES` for the next boot."


class RootInUse(Exception):
    """The anchor below which networks are loaded holds rules of its own."""


@dataclasses.dataclass(frozen=True)
class Pf:
    """pf as found: whether it is enabled, and the filter and translation rulesets."""

    enabled: bool
    filter: Ruleset
    translation: Ruleset


def observe_pf(host: Host) -> Pf:
    """Three processes, however many anchors there are. Raises NotLoaded."""
    info = host.run("pfctl", "-s", "info", ok=None)
    if info.rc:
        raise NotLoaded(info.stderr.strip())
    filter_rules, translation = (parse_rulesets(host.run(*_SHOW, "-a", "*", show).stdout) for show in ("-sr", "-sn"))
    return Pf(info.stdout.startswith("Status: Enabled"), filter_rules, translation)


def observe_anchor(host: Host, pf: Pf, path: str, tables: t.Iterable[str]) -> Anchor:
    """One anchor: a process for each table, and one for each kind of rule that no hook of the main ruleset shows."""
    if pf.filter.hooked("anchor", path) and path not in pf.filter.rules and path not in pf.translation.rules:
        # The hook would show the anchor if there were one.
        return Anchor((), (), dict.fromkeys(tables))

    def rules(ruleset: Ruleset, show: str) -> tuple[str, ...]:
        return ruleset.rules[path] if path in ruleset.rules else tuple(host.run(*_SHOW, "-a", path, show).stdout.splitlines())

    return Anchor(rules(pf.filter, "-sr"), rules(pf.translation, "-sn"), {table: _observe_table(host, path, table) for table in tables})


def _observe_table(host: Host, path: str, table: str) -> tuple[str, ...] | None:
    shown = host.run("pfctl", "-a", path, "-t", table, "-T", "show", ok=None)
    return tuple(line.strip() for line in shown.stdout.splitlines()) if shown.rc == 0 else None


def refuse_own_rules(host: Host, root: str) -> None:
    """Raise RootInUse if the anchor `root` itself holds rules: a load of anchors below it would replace them."""
    rules = [line for show in ("-sn", "-sr") for line in host.run("pfctl", "-a", root, show).stdout.splitlines()]
    if rules:
        raise RootInUse(
            f"The anchor {root} itself holds rules, which loading networks below it would take away: move them to an anchor of their own,"
            f" or choose another anchor_root. They are: {'; '.join(rules)}"
        )


def load(host: Host, root: str, texts: t.Mapping[str, str | None], *, dry_run: bool = False) -> None:
    """Load the anchors `root`/NAME from their texts, all in one transaction or none; None empties an anchor, but for tables that persist.

    With `dry_run` pfctl reads and checks everything and changes nothing. Raises CommandError.
    """
    paths = {name: host.stage(f"{name}.conf", text or "") for name, text in texts.items()}
    lines = [f'load anchor "{name}" from "{path}"\n' for name, path in paths.items()]
    host.run("pfctl", "-a", root, *(["-n"] if dry_run else []), "-f", "-", stdin="".join(lines))
