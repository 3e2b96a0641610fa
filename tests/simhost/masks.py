# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a command's output differs from one run to the next on one and the same system."""

from __future__ import annotations

import re

MASKS = [
    (r"\b58[:-]?9c[:.-]?fc[:-]?10[:.-]?[0-9a-f]{2}[:-]?[0-9a-f]{2}\b", "MAC"),  # of cloned interfaces
    (r"\b5a9c:fcff:fe10:[0-9a-f]{1,4}\b(%\w+)? *", r"INTERFACE-ID\1 "),  # their link-local addresses
    (r"(expires in |\"expires\":)\d+(?=[ ,]*(seconds|\"))", r"\1N"),  # ARP
    (r"(?m)^([-dl][-rwxtTsS]{9})  +\d+ (\S+) +(\S+) +\d+ \w{3} +\d+ +[\d:]{4,5} ", r"\1 \2 \3 "),  # links, size and date of ls -l
    (r" tentative\b", ""),  # duplicate address detection takes a second or two
    (r"\bid: [0-9a-f]{16}\b", "id: ID"),  # states
    (r"\b[0-9a-f]{16}/[0-9a-f]{8}\b", "ID/CREATOR"),
    (r"\bcreatorid: [0-9a-f]{8}\b", "creatorid: CREATOR"),
    (r"\bage \d\d:\d\d:\d\d, expires in \d\d:\d\d:\d\d, \d+:\d+ pkts, \d+:\d+ bytes", "TIMES, COUNTERS"),
    (r"\[\d+ \+ \d+\]", "[WINDOW]"),
    (r"\b(Evaluations|Packets|Bytes|States): +\d+", r"\1: N"),
    (r"Inserted: uid \d+ pid \d+", "Inserted: uid N pid N"),
    (r"(Cleared: +)\w{3} \w{3} +\d+ [\d:]{8} \d{4}", r"\1DATE"),
    (r"(Status: \w+ for )\d+ days [\d:]{8}", r"\1TIME"),
    (r"(?m)^(  (?:searches|match|inserts|removals) +)\d+", r"\1N"),
    (r"(?m)^(  [a-z -]+\w) +(\w+)( +[\d.]+/s)? *$", r"\1 \2"),  # rates, which there are none of in the first second
]


def masked(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, replacement in MASKS:
        text = re.sub(pattern, replacement, text)
    return text
