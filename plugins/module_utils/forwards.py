# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps port forwards apart from each other, and from those that the host's own rules make."""

from __future__ import annotations

import dataclasses
import re
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.pf import Ruleset
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan

# An rdr rule as pfctl -P prints it.
_RDR = re.compile(
    r"rdr (?:pass )?(?:log (?:\([^)]*\) )?)?(?:on (?P<on>(?:! )?\S+) )?(?:(?P<family>inet6?) )?proto (?P<proto>\w+) .*?"
    r" to (?P<to>.+?) port (?:= )?(?P<start>\d+)(?::(?P<end>\d+))?(?: tag \S+)?(?: tagged \S+)? -> "
)


@dataclasses.dataclass(frozen=True)
class Taken:
    """Ports of an interface that lead somewhere: `listen` None for its own address, `what` in words. None for interface or family: any."""

    interface: str | None
    family: str | None
    protocols: frozenset[str]
    start: int
    end: int
    listen: str | None
    what: str

    def meets(self, other: Taken) -> bool:
        """Whether a packet could be for both. Of rules that are not ours it is not known which address they mean, so any is held to be the same."""
        return bool(
            self.protocols & other.protocols
            and self.start <= other.end
            and other.start <= self.end
            and all(
                None in pair or pair[0] == pair[1] for pair in ((self.interface, other.interface), (self.family, other.family), (self.listen, other.listen))
            )
        )


def taken_by_rules(translation: Ruleset, ours: t.Container[str]) -> list[Taken]:
    """What the rules forward that are loaded in anchors other than `ours`."""
    found = []
    for path, lines in translation.rules.items():
        for line in lines if path not in ours else ():
            rule = _RDR.match(line)
            if rule:
                # An interface that is negated may be any other; an address in the plain form is the one that is listened at.
                interface = rule["on"] if rule["on"] and not rule["on"].startswith("!") else None
                listen = rule["to"] if re.fullmatch(r"[0-9a-f.:]+", rule["to"]) else None
                start = int(rule["start"])
                found.append(
                    Taken(
                        interface,
                        rule["family"],
                        frozenset({rule["proto"]}),
                        start,
                        int(rule["end"] or start),
                        listen,
                        f"which rules of the host forward already ({line})",
                    )
                )
    return found


def refuse_taken(document: dict[str, t.Any], at: str, egress: str | None, taken: list[Taken], made: Plan) -> None:
    """Refuse port forwards of ports that are taken; those of this network are taken from now on."""
    mine = []
    for index, forward in enumerate(document["forwards"]):
        path = f"{at}.port_forwards[{index}].port"
        wanted = Taken(
            egress, forward["family"], frozenset(forward["proto"]), forward["start"], forward["end"], forward["listen"], f"which {path} forwards already"
        )
        ports = f"{forward['start']}" if forward["start"] == forward["end"] else f"{forward['start']}-{forward['end']}"
        for other in taken:
            if wanted.meets(other):
                made.refuse(path, f"{'/'.join(forward['proto'])} port {ports}, {other.what}", "a port that is free")
        mine.append(wanted)
    taken += mine
