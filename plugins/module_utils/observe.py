# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is: everything of a host that a plan depends on, in a number of processes that does not grow with the networks, tables aside."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout, pf
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import IFCONFIG, ROUTES, Interface, parse_default_route, parse_ifconfig

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host


class Unreadable(Exception):
    """A file of ours that another version or another hand wrote; the text names it and the remedy."""


@dataclasses.dataclass(frozen=True)
class Definition:
    """A network as a former run installed it."""

    anchor_root: str
    network: dict[str, t.Any]
    text: str

    @property
    def bridge(self) -> str:
        return t.cast(str, self.network["bridge"]["name"])

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(ip["address"] for ip in self.network["ips"])


@dataclasses.dataclass(frozen=True)
class Observed:
    """A host as found. `anchors` and `loaded` go by the anchor's path; `loaded` is what layout.LOADED holds, `files` is text by path."""

    host_id: str
    interfaces: dict[str, Interface]
    default_route: str | None
    forwarding: bool
    pf: pf.Pf
    anchors: dict[str, pf.Anchor]
    definitions: dict[str, Definition]
    loaded: dict[str, t.Any]
    files: dict[str, str]


def observe(host: Host, documents: t.Sequence[dict[str, t.Any]], anchor_root: str) -> Observed:
    """Look at the host. Raises pf.NotLoaded, Unreadable, CommandError."""
    definitions = _definitions(host)
    found = pf.observe(host)
    try:
        loaded = _json(host, layout.LOADED) or {"anchors": {}}
    except Unreadable:
        # Nothing is known of the last load, then: everything is loaded anew.
        loaded = {"anchors": {}}
    return Observed(
        host_id=(host.read("/etc/hostid") or "").strip(),
        interfaces=parse_ifconfig(host.run(*IFCONFIG).stdout),
        default_route=parse_default_route(host.run(*ROUTES).stdout),
        forwarding=host.run("sysctl", "-n", "net.inet.ip.forwarding").stdout.strip() == "1",
        pf=found,
        anchors={f"{anchor_root}/{document['name']}": pf.observe_anchor(host, found, f"{anchor_root}/{document['name']}", document["tables"]) for document in documents},
        definitions=definitions,
        loaded=loaded["anchors"],
        files={
            path: text
            for path in [layout.LOADED, *(layout.anchor_file(name) for name in {*definitions, *(document["name"] for document in documents)})]
            if (text := host.read(path)) is not None
        },
    )


def _definitions(host: Host) -> dict[str, Definition]:
    definitions = {}
    for file in host.names(layout.DEFINITIONS):
        if file.endswith(".json") and not file.startswith("."):
            path = f"{layout.DEFINITIONS}/{file}"
            data = t.cast("dict[str, t.Any]", _json(host, path))
            definitions[file[: -len(".json")]] = Definition(data["anchor_root"], data["network"], t.cast(str, host.read(path)))
    return definitions


def _json(host: Host, path: str) -> dict[str, t.Any] | None:
    text = host.read(path)
    if text is None:
        return None
    try:
        data = json.loads(text)
    except ValueError as error:
        raise Unreadable(f"{path} is not JSON ({error}): restore it from a backup or, if nothing of it is needed, remove it") from None
    if data.get("format") != layout.FORMAT:
        raise Unreadable(f"{path} has format {data.get('format')!r}, this version of bsdvirt.pfnet reads format {layout.FORMAT}: use the version that wrote it")
    return t.cast("dict[str, t.Any]", data)
