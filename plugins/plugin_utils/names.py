# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that pf, ifconfig(8) and the file system all take. Limits: pf.conf(5), and measured on FreeBSD 15.1."""

from __future__ import annotations

import re

from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import Refused

# The path of an anchor, ROOT/NAME, in characters.
ANCHOR_PATH_MAX = 63
INTERFACE_NAME_MAX = 15

_COMPONENT = r"[A-Za-z0-9][A-Za-z0-9_.-]*"

# Words of pf.conf(5): an interface of such a name could not be written into a rule.
_PF_WORDS = frozenset(
    """
    af-to all allow-opts allow-related altq anchor antispoof any bandwidth binat binat-anchor binat-to bitmask block block-policy bridge-to buckets
    cbq code codelq debug divert-reply divert-to dnpipe dnqueue drop dup-to ether fail-policy fairq fastroute file fingerprints flags floating flush
    for fragment from global group hfsc hogs hostid icmp-type icmp6-type if-bound in include inet inet6 interval keep keepcounters l3 label limit
    linkshare load log loginterface map-e-portset match matches max max-mss max-pkt-rate max-pkt-size max-src-conn max-src-nodes max-src-states
    min-ttl modulate nat nat-anchor nat-to no no-df no-route no-sync on optimization os out overload pass pflow port prio priority priq probability
    proto qlimit queue quick random random-id rdr rdr-anchor rdr-to realtime reassemble received-on reply-to require-order return return-icmp
    return-icmp6 return-rst ridentifier round-robin route route-to rtable rule scrub self set set-tos skip sloppy source-hash source-track state
    state-defaults state-policy static-port sticky-address syncookies synproxy table tag tagged target tbrsize timeout to tos ttl upperlimit
    urpf-failed user
""".split()
)


def network_name(value: object) -> str:
    """Reads a network's name: a component of an anchor's path, the stem of its files, and part of a pf tag."""
    if not isinstance(value, str) or not re.fullmatch(_COMPONENT, value):
        quotes = "" if isinstance(value, str) else "in quotes: "
        raise Refused(f"{quotes}letters, digits, '_', '.' and '-', beginning with a letter or digit (it names an anchor and files)")
    return str(value)


def anchor_root(value: object) -> str:
    """Reads the anchor below which every network has its own: one component of a path or several."""
    if not isinstance(value, str) or not re.fullmatch(rf"{_COMPONENT}(/{_COMPONENT})*", value) or len(value) > ANCHOR_PATH_MAX - 2:
        raise Refused(f"an anchor of letters, digits, '_', '.', '-' and '/', no part beginning with '_', at most {ANCHOR_PATH_MAX - 2} characters")
    return str(value)


def interface_name(value: object) -> str:
    """Reads the name of a network interface."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", value) or len(value) > INTERFACE_NAME_MAX:
        raise Refused(f"1 to {INTERFACE_NAME_MAX} letters, digits, '_', '.' and '-', beginning with a letter")
    if value in _PF_WORDS:
        raise Refused("a name that is not a word of pf.conf(5)")
    return str(value)
