# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is: everything of a host that a plan depends on, in a number of processes that does not grow with the networks, tables aside."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.dnsmasq import Instances, observe_instances
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import IFCONFIG, ROUTES, Interface, Route, parse_ifconfig, parse_routes
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.pf import Anchor, Pf, observe_anchor, observe_pf

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host


# What a run writes for the host as a whole.
FILES = (layout.LOADED, layout.BOOT_RULES, layout.BOOT_INTERFACES, layout.BOOT_ROUTES)


class Unreadable(Exception):
    """A file of ours that another version or another hand wrote; the text names it and the remedy."""


@dataclasses.dataclass(frozen=True)
class Definition:
    """A network as a former run installed it: what layout.definition_path holds.

    `bridge` and `unit` are the names of its bridge, also where the host chose them (a `unit` that is not known is empty); `settings` the rest of the
    bridge, as its document had it.
    """

    anchor_root: str
    bridge: str
    unit: str
    settings: dict[str, t.Any]
    network: dict[str, t.Any]
    text: str

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(ip["address"] for ip in self.network.get("ips", ()))

    @property
    def members(self) -> tuple[str, ...]:
        """The interfaces that the network itself attached."""
        uplink = (self.network["forward"]["dev"],) if self.network["forward"]["mode"] == "bridge" else ()
        return (*self.network.get("bridge", {}).get("members", ()), *uplink)

    @property
    def peers(self) -> tuple[str, ...]:
        """The networks that may talk to this one."""
        return tuple(self.network.get("firewall", {}).get("peers", ()))

    @property
    def routes(self) -> dict[str, str]:
        """Gateways by destination."""
        return {route["address"]: route["gateway"] for route in self.network.get("routes", ())}

    @property
    def autostart(self) -> bool:
        """Whether the files for the boot have the network; those of a version without such files did not."""
        return bool(self.unit and self.network.get("autostart", True))


@dataclasses.dataclass(frozen=True)
class Observed:
    """A host as found.

    `forwarding` has the families that it forwards, inet and inet6. `anchors` and `loaded` go by the anchor's path; `loaded` is what
    layout.LOADED holds, `files` is text by path. `main_rules` is the text of the host's pf.conf, `in_the_way` has the files in the place of folders of
    rc(8).
    """

    host_id: str
    interfaces: dict[str, Interface]
    routes: list[Route]
    forwarding: frozenset[str]
    pf: Pf
    anchors: dict[str, Anchor]
    definitions: dict[str, Definition]
    loaded: dict[str, t.Any]
    files: dict[str, str]
    main_rules: str = ""
    in_the_way: tuple[str, ...] = ()
    dnsmasq: Instances = dataclasses.field(default_factory=Instances)

    @functools.cached_property
    def gateways(self) -> dict[str, str]:
        """The gateways of the host's routes by destination."""
        return {str(route.network): route.gateway for route in self.routes if route.network is not None}


def observe(host: Host, documents: t.Sequence[dict[str, t.Any]], anchor_root: str) -> Observed:
    """Look at the host. Raises pf.NotLoaded, Unreadable, CommandError."""
    definitions = read_definitions(host)
    found = observe_pf(host)
    try:
        loaded = _json(host, layout.LOADED, {"format", "anchors"}) or {"anchors": {}}
        if not all({"sha256", "rules", "nat", "tables"} <= entry.keys() for entry in loaded["anchors"].values()):
            raise Unreadable(_foreign(layout.LOADED))
    except (Unreadable, AttributeError):
        # Nothing is known of the last load, then: everything is loaded anew.
        loaded = {"anchors": {}}
    return Observed(
        host_id=(host.read("/etc/hostid") or "").strip(),
        interfaces=parse_ifconfig(host.run(*IFCONFIG).stdout),
        routes=parse_routes(host.run(*ROUTES).stdout),
        forwarding=_forwarding(host),
        pf=found,
        anchors={
            f"{anchor_root}/{document['name']}": observe_anchor(host, found, f"{anchor_root}/{document['name']}", document["tables"]) for document in documents
        },
        definitions=definitions,
        loaded=loaded["anchors"],
        files={
            path: text
            for path in [*FILES, *(path for name in {*definitions, *(document["name"] for document in documents)} for path in layout.network_files(name))]
            if (text := host.read(path)) is not None
        },
        main_rules=_main_rules(host),
        dnsmasq=observe_instances(host, documents),
        in_the_way=tuple(folder for folder in map(os.path.dirname, (layout.BOOT_INTERFACES, layout.BOOT_ROUTES)) if host.is_file(folder)),
    )


def _main_rules(host: Host) -> str:
    """The text of the pf.conf that is loaded at boot, also where rc.conf(5) names another one."""
    named = [path for file in layout.RC_CONF for path in re.findall(r"""^\s*pf_rules=["']?([^"'\s]+)""", host.read(file) or "", re.MULTILINE)]
    return host.read_as_is((named or [layout.MAIN_RULES])[-1]) or ""


def _forwarding(host: Host) -> frozenset[str]:
    # A kernel without IPv6 has no such variable, which makes sysctl fail after it has printed the others.
    values = host.run("sysctl", "net.inet.ip.forwarding", "net.inet6.ip6.forwarding", ok=None).stdout
    return frozenset(
        family for family, line in (("inet", "net.inet.ip.forwarding: 1"), ("inet6", "net.inet6.ip6.forwarding: 1")) if line in values.splitlines()
    )


def read_definitions(host: Host) -> dict[str, Definition]:
    """The networks that a host has, by name. Raises Unreadable."""
    definitions = {}
    for file in host.names(layout.DEFINITIONS):
        if file.endswith(".json") and not file.startswith("."):
            path = f"{layout.DEFINITIONS}/{file}"
            data = t.cast("dict[str, t.Any]", _json(host, path, {"format", "anchor_root", "bridge", "network"}))
            # Version 0.1.0 kept the bridge's name alone.
            settings = {"name": data["bridge"], "unit": "", "mac": None, "members": []} if isinstance(data["bridge"], str) else data["bridge"]
            if not (isinstance(settings, dict) and {"name", "unit", "mac", "members"} <= settings.keys() and isinstance(data["network"], dict)):
                raise Unreadable(_foreign(path))
            settings = dict(settings)
            name, unit = settings.pop("name"), settings.pop("unit")
            definitions[file[: -len(".json")]] = Definition(data["anchor_root"], name, unit, settings, data["network"], t.cast(str, host.read(path)))
    return definitions


def _foreign(path: str) -> str:
    return f"{path} is not what bsdvirt.pfnet wrote: restore it from a backup or, if nothing of it is needed, remove it"


def _json(host: Host, path: str, keys: frozenset[str] | set[str]) -> dict[str, t.Any] | None:
    try:
        text = host.read(path)
        if text is None:
            return None
        data = json.loads(text)
    except (ValueError, OSError) as error:
        raise Unreadable(f"{path} is not JSON ({error}): restore it from a backup or, if nothing of it is needed, remove it") from None
    if not isinstance(data, dict) or not keys <= data.keys():
        raise Unreadable(_foreign(path))
    if data.get("format") != layout.FORMAT:
        raise Unreadable(f"{path} has format {data.get('format')!r}, this version of bsdvirt.pfnet reads format {layout.FORMAT}: use the version that wrote it")
    return t.cast("dict[str, t.Any]", data)
