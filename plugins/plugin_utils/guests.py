# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests, as the leases of hypervisors show them: which leases are one guest's, what it is called in an inventory, and how ssh gets to it."""

from __future__ import annotations

import dataclasses
import math
import shlex
import typing as t
from collections import Counter

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.leases import Lease


@dataclasses.dataclass(frozen=True)
class Guest:
    """A guest of a network; of its leases, the ones that last longest come first."""

    hypervisor: str
    network: str
    leases: tuple[Lease, ...]

    @property
    def name(self) -> str | None:
        return next((lease.name for lease in self.leases if lease.name), None)

    @property
    def mac(self) -> str | None:
        return next((lease.mac for lease in self.leases if lease.mac), None)

    @property
    def addresses(self) -> list[str]:
        """Those of IPv4 first: every guest's ssh listens there."""
        return [lease.address for family in ("inet", "inet6") for lease in self.leases if lease.family == family]


def guests(hypervisor: str, leases: t.Iterable[Lease], now: float) -> list[Guest]:
    """The guests that hold leases at `now`. Leases of a network that have a name or a MAC address in common are one guest's."""
    found: list[list[Lease]] = []
    for lease in sorted((lease for lease in leases if lease.holds(now)), key=_lasting):
        same = [own for own in found if any(_same(lease, other) for other in own)]
        found = [own for own in found if own not in same]
        found.append(sorted([*(other for own in same for other in own), lease], key=_lasting))
    return sorted((Guest(hypervisor, own[0].network or "", tuple(own)) for own in found), key=lambda guest: (guest.network, guest.leases[0].address))


def _lasting(lease: Lease) -> tuple[float, str]:
    return (-lease.expiry if lease.expiry is not None else -math.inf, lease.address)


def _same(lease: Lease, other: Lease) -> bool:
    return lease.network == other.network and any(
        getattr(lease, known_by) is not None and getattr(lease, known_by) == getattr(other, known_by) for known_by in ("name", "mac")
    )


def inventory_names(found: t.Sequence[Guest], kind: str, taken: t.Container[str]) -> list[str]:
    """A name for each guest, no two alike and none of those `taken`.

    `kind` is name, address or full. A guest without a name goes by its address. Where a name would be that of two, or is taken, each of them gets
    that of its network added, if need be that of its hypervisor, and at last its address. Raises ValueError where even these are the same.
    """
    own = [(guest.name if kind != "address" else None) or guest.addresses[0] for guest in found]
    networks = [f"{name}.{guest.network}" for name, guest in zip(own, found, strict=True)]
    whole = [f"{name}.{guest.hypervisor}" for name, guest in zip(networks, found, strict=True)]
    forms = [*([own, networks] if kind != "full" else []), whole, [f"{name}.{guest.addresses[0]}" for name, guest in zip(whole, found, strict=True)]]
    names: dict[int, str] = {}
    for form in forms:
        open_yet = [index for index in range(len(found)) if index not in names]
        counts = Counter(form[index] for index in open_yet)
        names.update({index: form[index] for index in open_yet if counts[form[index]] == 1 and form[index] not in taken and form[index] not in names.values()})
    if len(names) < len(found):
        raise ValueError(f"no name is left for {', '.join(forms[-1][index] for index in range(len(found)) if index not in names)}")
    return [names[index] for index in range(len(found))]


def ssh_arguments(host: str, user: str | None = None, port: int | str | None = None, key: str | None = None, more: t.Sequence[str] = ()) -> str:
    """What ssh has to be told to reach guests through their hypervisor, which it reaches with a private key file `key` and the arguments `more`.

    Without these two it is a ProxyJump, for which ssh has the user's configuration; with them it takes a command of its own.
    """
    login = f"{user}@" if user else ""
    if not key and not more:
        address = f"[{host}]" if ":" in host else host
        return f"-o {shlex.quote(f'ProxyJump={login}{address}' + (f':{port}' if port else ''))}"
    words = ["ssh", *(["-i", key] if key else []), *(["-p", str(port)] if port else []), *more]
    # ssh replaces what begins with a percent sign: only the guest's address and port are meant.
    command = shlex.join([*(word.replace("%", "%%") for word in words), "-W", "[%h]:%p", f"{login}{host}"])
    return f"-o {shlex.quote(f'ProxyCommand={command}')}"
