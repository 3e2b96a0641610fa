# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the files in which dnsmasq keeps its leases: those of IPv4, then a line with the server's DUID and those of IPv6."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

_OCTETS = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2})*")
# What dnsmasq takes for a guest's name, which it cuts at the domain; a file that says otherwise was written by somebody else.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")
_ETHERNET = 1
# RFC 8415: the kinds of DUID that are made of a MAC address, and where in them it begins, after the type of hardware.
_DUID_MACS = {1: 8, 3: 4}


@dataclasses.dataclass(frozen=True)
class Lease:
    """An address lent to a guest.

    `family`: inet or inet6. `name`: as the guest gave it, or the definition (None: it has none). `mac`: with IPv6 the one that the DUID is made of, if
    it is. `client_id`: of IPv4 the client identifier, of IPv6 the DUID, octets in hexadecimal. `expiry`: seconds since the epoch, None for ever.
    """

    network: str | None
    family: str
    address: str
    name: str | None
    mac: str | None
    client_id: str | None
    expiry: int | None

    def holds(self, now: float) -> bool:
        """Whether the lease has not run out at `now`, in seconds since the epoch."""
        return self.expiry is None or self.expiry > now


def parse(text: str, network: str | None = None) -> list[Lease]:
    """The leases in a file's text, in its order. Lines that are none are left out: dnsmasq writes the file in place, so it may be read half written."""
    found = (_parse_line(line.split(), network) for line in text.splitlines())
    return [lease for lease in found if lease]


def _parse_line(words: list[str], network: str | None) -> Lease | None:
    # EXPIRY MAC ADDRESS NAME CLIENT-ID, or for IPv6: EXPIRY IAID ADDRESS NAME DUID
    if len(words) != 5 or not words[0].isdecimal():
        return None
    expiry, hardware, address, name, client_id = words
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    known_by = client_id.lower() if _OCTETS.fullmatch(client_id.lower()) else None
    mac = _mac(hardware.lower()) if parsed.version == 4 else _mac_of_duid(known_by)
    return Lease(
        network=network,
        family="inet" if parsed.version == 4 else "inet6",
        address=str(parsed),
        name=name if _NAME.fullmatch(name) else None,
        mac=mac,
        client_id=known_by,
        expiry=int(expiry) or None,
    )


def _mac(octets: str) -> str | None:
    """An Ethernet address; other hardware is written with its type before it, as in 20-00:11."""
    return octets if _OCTETS.fullmatch(octets) and octets.count(":") == 5 else None


def _mac_of_duid(duid: str | None) -> str | None:
    octets = (duid or "").split(":")
    if len(octets) < 4:
        return None
    start = _DUID_MACS.get(int("".join(octets[:2]), 16))
    if start is None or int("".join(octets[2:4]), 16) != _ETHERNET:
        return None
    return _mac(":".join(octets[start:]))


def as_dict(lease: Lease) -> dict[str, t.Any]:
    """A lease as modules and filters give it."""
    return dataclasses.asdict(lease)
