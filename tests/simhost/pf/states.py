# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""States: inserted by tests, because no packet is simulated; shown and killed as pfctl does.

A state is a dictionary in ``kernel["pf"]["states"]``, see :func:`add_state`. It has two keys: *wire*, the addresses outside of
translation as seen where the packet came in (or goes out), and *stack*, those inside. Both hold a pair of ``[address, port]``: as in
the kernel, the first is the source of an incoming packet and the destination of an outgoing one.
"""

from __future__ import annotations

import itertools
import typing as t

from . import names
from .kernel import Kernel, Pf
from .rules import ALL_ONES, pack

TCP_STATES = (
    "CLOSED", "LISTEN", "SYN_SENT", "SYN_RCVD", "ESTABLISHED", "CLOSE_WAIT", "FIN_WAIT_1", "CLOSING", "LAST_ACK", "FIN_WAIT_2", "TIME_WAIT",
)  # fmt: skip
OTHER_STATES = ("NO_TRAFFIC", "SINGLE", "MULTIPLE")
WINDOW_SCALE = 8
_FIRST_ID = 0x3BEC036B00000000
_ID_STEP = 1 << 56

State = dict[str, t.Any]
AddressAndPort = tuple[str, int]


def add_state(
    kernel: Kernel,
    *,
    direction: str,
    proto: str,
    source: AddressAndPort,
    destination: AddressAndPort,
    interface: str,
    translated_source: AddressAndPort | None = None,
    translated_destination: AddressAndPort | None = None,
    levels: tuple[str | int, str | int] = (0, 0),
    bound: bool = False,
    label: str = "",
    anchor: int | None = None,
    rule: int | None = 0,
) -> str:
    """Insert a state as a packet would have made it, and return its id as ``pfctl -k id`` takes it (``ID/CREATORID``).

    ``direction`` is that of the first packet (``in`` or ``out``) on ``interface``; ``source`` and ``destination`` are its addresses and
    ports before translation, ``translated_source`` (nat) and ``translated_destination`` (rdr) those after it; of ICMP the port of the
    source is the id and that of the destination the type. ``levels`` are the states of source and destination: names of
    :data:`TCP_STATES` for tcp, of :data:`OTHER_STATES` for others, numbers for icmp. A state is ``bound`` to its interface or floats.
    ``label`` is that of the rule that made it; ``anchor`` and ``rule`` are what -v prints.
    """
    data = Pf(kernel).data
    taken = {state["id"] for state in data["states"]}
    identity = next(number for number in itertools.count(_FIRST_ID, _ID_STEP) if f"{number % (1 << 64):016x}" not in taken)
    before = [source, destination]
    after = [translated_source or source, translated_destination or destination]
    if direction == "out":
        wire, stack = after[::-1], before[::-1]
    else:
        wire, stack = before, after
    af = "inet6" if ":" in source[0] else "inet"
    state = {
        "id": f"{identity % (1 << 64):016x}",
        "creatorid": f"{data['hostid']:08x}",
        "ifname": interface if bound else "all",
        "origif": interface,
        "af": af,
        "proto": names.protocol_number(proto),
        "direction": direction,
        "wire": [list(end) for end in wire],
        "stack": [list(end) for end in stack],
        "levels": list(levels),
        "label": label,
        "anchor": anchor,
        "rule": rule,
        "age": 2,
        "expires": 30,
        "packets": [1, 1],
        "bytes": [84, 84],
        "sequence": [[0, 65792], [0, 65792]],
    }
    data["states"].append(state)
    return f"{state['id']}/{state['creatorid']}"


def format_state(state: State, *, verbose: bool = False, very_verbose: bool = False) -> str:
    """What ``pfctl -ss`` prints of a state, over several lines with -v and -vv."""
    lines = [_first_line(state)]
    if verbose:
        if state["proto"] == names.TCP:
            ends = state["sequence"] if state["direction"] == "out" else state["sequence"][::-1]
            lines.append("   " + "  ".join(f"[{low} + {window}] wscale {WINDOW_SCALE}" for low, window in ends))
        times = f"   age {_clock(state['age'])}, expires in {_clock(state['expires'])}"
        counts = f", {state['packets'][0]}:{state['packets'][1]} pkts, {state['bytes'][0]}:{state['bytes'][1]} bytes"
        made_by = "".join(f", {word} {state[word]}" for word in ("anchor", "rule") if state[word] is not None)
        lines.append(times + counts + made_by)
    if very_verbose:
        lines.append(f"   id: {state['id']} creatorid: {state['creatorid']}")
        if state["ifname"] != state["origif"]:
            lines.append(f"   origif: {state['origif']}")
    return "\n".join(lines)


def _first_line(state: State) -> str:
    outgoing = state["direction"] == "out"
    outer, inner = (state["wire"], state["stack"]) if outgoing else (state["stack"], state["wire"])
    if state["proto"] in (names.ICMP, names.ICMP6):
        # The id of an ICMP query is not translated as a port is.
        position = 0 if outgoing else 1
        inner = [*inner]
        inner[position] = [inner[position][0], outer[position][1]]
    ends = []
    for position in (1, 0):
        text = _end(outer[position], state["af"])
        if outer[position] != inner[position]:
            text += f" ({_end(inner[position], state['af'])})"
        ends.append(text)
    proto = names.protocol_name(state["proto"]) or state["proto"]
    levels = state["levels"] if outgoing else state["levels"][::-1]
    return f"{state['ifname']} {proto} {ends[0]} {'->' if outgoing else '<-'} {ends[1]}       {levels[0]}:{levels[1]}"


def _end(end: list[t.Any], af: str) -> str:
    address, port = end
    if not port:
        return f"{address}"
    return f"{address}:{port}" if af == "inet" else f"{address}[{port}]"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


class Criteria(t.NamedTuple):
    """What the kernel compares states with (DIOCKILLSTATES); everything that is not given matches."""

    af: str = ""
    proto: int = 0
    # address and mask, compared with the source; the destination likewise
    source: tuple[int, int] = (0, 0)
    destination: tuple[int, int] = (0, 0)
    source_port: int = 0
    destination_port: int = 0
    # Compare the translated addresses.
    nat: bool = False
    label: str = ""
    interface: str = ""
    id: str = ""
    creatorid: str = ""


def kill(data: dict[str, t.Any], criteria: Criteria) -> int:
    """Remove the states that match; how many there were."""
    doomed = [state for state in data["states"] if _matches(state, criteria)]
    data["states"][:] = [state for state in data["states"] if state not in doomed]
    return len(doomed)


def _matches(state: State, criteria: Criteria) -> bool:
    if criteria.id:
        return (state["id"], state["creatorid"]) == (criteria.id, criteria.creatorid)
    ends = state["stack" if criteria.nat else "wire"]
    source, destination = ends[::-1] if state["direction"] == "out" else ends
    interface = state["origif"] if state["ifname"] == "all" else state["ifname"]
    return (
        criteria.af in ("", state["af"])
        and criteria.proto in (0, state["proto"])
        and _is_in(source[0], state["af"], *criteria.source)
        and _is_in(destination[0], state["af"], *criteria.destination)
        and criteria.source_port in (0, source[1])
        and criteria.destination_port in (0, destination[1])
        and criteria.label in ("", state["label"])
        and criteria.interface in ("", interface)
    )


def _is_in(text: str, af: str, address: int, mask: int) -> bool:
    return not (pack(text, af) ^ address) & mask & ALL_ONES
