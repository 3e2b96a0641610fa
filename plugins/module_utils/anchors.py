# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans anchors: which to load, and why; an anchor that the kernel still has as our last load left it is not loaded again."""

from __future__ import annotations

import hashlib
import ipaddress
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import default_route
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Action, LoadAnchors, Phase, RecordLoaded, Run, Step, WriteFile

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import Observed
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.pf import Anchor
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan


class Loads:
    """The anchors to load in a run; one transaction for each anchor root, so one for nearly every run."""

    def __init__(self) -> None:
        self.texts: dict[str, dict[str, str | None]] = {}
        self._record: dict[str, dict[str, t.Any]] = {}

    def add(self, root: str, name: str, text: str, tables: list[str]) -> None:
        self.texts.setdefault(root, {})[name] = text
        self._record[f"{root}/{name}"] = {"sha256": digest(text), "tables": tables}

    def remove(self, root: str, name: str) -> None:
        self.texts.setdefault(root, {})[name] = None

    def plan(self, observed: Observed, made: Plan) -> None:
        """Add the step of each transaction, and the one that records what the kernel makes of them."""
        if not self.texts:
            return
        touched = set()
        for root, texts in self.texts.items():
            touched |= {f"{root}/{name}" for name in texts}
            # What a former run loaded and installed; an anchor that nobody loaded before is empty again after an undo.
            former = {name: observed.files.get(layout.anchor_file(name)) if f"{root}/{name}" in observed.loaded else None for name in texts}
            undo: tuple[Action, ...] = (LoadAnchors(root, former), *_flushes(root, former, self._record))
            made.steps.append(Step(Phase.LOAD, _words(root, texts), LoadAnchors(root, texts), undo))
            # What takes back the load brings the tables back, too.
            made.steps += [Step(Phase.FLUSH, f"remove the tables of {flush.argv[2]}", flush) for flush in _flushes(root, texts, observed.loaded)]
        keep = {path: entry for path, entry in observed.loaded.items() if path not in touched}
        before = WriteFile(layout.LOADED, observed.files.get(layout.LOADED), layout.STATE)
        made.steps.append(Step(Phase.RECORD, f"record in {layout.LOADED} what was loaded", RecordLoaded(self._record, keep), (before,)))


def _flushes(root: str, texts: dict[str, str | None], loaded: dict[str, dict[str, t.Any]]) -> list[Run]:
    """Remove what an empty ruleset leaves of the anchors that are emptied: tables that persist. -F all kills no states below an anchor.

    An anchor that never held anything is not there for pf, and could not be flushed; `loaded` says which had tables.
    """
    paths = [f"{root}/{name}" for name, text in texts.items() if text is None]
    return [Run(("pfctl", "-a", path, "-F", "all")) for path in paths if loaded.get(path, {}).get("tables")]


def _words(root: str, texts: dict[str, str | None]) -> str:
    loaded, emptied = ([f"{root}/{name}" for name, text in texts.items() if (text is None) is gone] for gone in (False, True))
    return " and ".join(f"{verb} {', '.join(paths)}" for verb, paths in (("load", loaded), ("empty", emptied)) if paths)


def digest(text: str) -> str:
    """The mark of an anchor's text by which a later run knows what was loaded."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def anchor_text(document: dict[str, t.Any], bridge: str, egress: str | None) -> str:
    """The text of a network's anchor: the macros that the host fills in, then the rules of the document."""
    macros = [f'egress = "{egress}"\n'] if document["egress"] else []
    macros.append(f'bridge = "{bridge}"\n')
    return f"# Written by bsdvirt.pfnet for the network {document['name']}; its next run undoes changes made here.\n{''.join(macros)}{document['anchor']}"


def plan_egress(document: dict[str, t.Any], at: str, observed: Observed, made: Plan) -> str | None:
    """The interface through which guests reach the world; None where no rule needs one, or none is found, which is refused."""
    egress = document["egress"]
    if egress is None:
        return None
    dev = egress["dev"] or default_route(observed.routes, egress["family"])
    if dev is None:
        kind = {"inet": "IPv4", "inet6": "IPv6"}[egress["family"]]
        made.refuse(f"{at}.forward.dev", f"nothing, and no {kind} default route on the host", "an interface of the host; or give the host a default route")
    elif dev not in observed.interfaces:
        # pf would load rules for an interface that does not exist without a word.
        made.refuse(f"{at}.forward.dev", f"'{dev}'", f"an interface of the host: {', '.join(observed.interfaces)}")
    elif egress["pool"]:
        carried = [ipaddress.ip_interface(address).network for address in observed.interfaces[dev].addresses]
        outside = [egress["pool"][end] for end in ("start", "end") if not any(ipaddress.ip_address(egress["pool"][end]) in network for network in carried)]
        if outside:
            made.warnings.append(
                f"{at}.forward.nat.address: {' and '.join(outside)} lie in no subnet of {dev}: answers reach this host only if the outside routes them to it."
            )
    return t.cast("str | None", dev)


def drift(path: str, found: Anchor, last: dict[str, t.Any], made: Plan) -> list[str]:
    """In words, how an anchor differs from what its last load left in the kernel."""
    reasons = []
    for kind, now, then in (("filter", found.rules, last["rules"]), ("nat", found.nat, last["nat"])):
        if list(now) != then:
            reasons.append(f"the {kind} rules of the anchor {path} {'differ' if now else 'are gone'}")
    for table, then in last["tables"].items():
        addresses = found.tables.get(table)
        if (None if addresses is None else list(addresses)) != then:
            reasons.append(f"the table <{table}> of the anchor {path} {'is gone' if addresses is None else 'differs'}")
    if reasons:
        made.diff(f"anchor {path} in the kernel", _printed(found.nat, found.rules, found.tables), _printed(last["nat"], last["rules"], last["tables"]))
    return reasons


def _printed(nat: t.Iterable[str], rules: t.Iterable[str], tables: t.Mapping[str, t.Sequence[str] | None]) -> str:
    shown = [f"table <{table}> {{ {' '.join(addresses)} }}" for table, addresses in tables.items() if addresses is not None]
    return "".join(f"{line}\n" for line in (*shown, *nat, *rules))
