# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads libvirt's network XML into a definition. Format: https://libvirt.org/formatnetwork.html"""

from __future__ import annotations

import typing as t
from xml.etree import ElementTree

import defusedxml
import defusedxml.ElementTree

# A network with a static host for every address of a /16 is about 6 MB; what is larger is no network.
SIZE_MAX = 8 * 1024 * 1024


class XmlError(ValueError):
    """All of a document that cannot be taken over, a line each."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


class _Element:
    """An element whose attributes and children are taken one by one; what is left at the end is refused by its path."""

    def __init__(self, element: ElementTree.Element, path: str, refused: list[str]) -> None:
        self.path = path
        self._refused = refused
        self._attributes = dict(element.attrib)
        self._children = list(element)
        self.text = (element.text or "").strip()

    def attribute(self, name: str) -> str | None:
        return self._attributes.pop(name, None)

    def attributes(self, *names: str) -> dict[str, str]:
        """Those of the attributes that are there, by name."""
        return {name: value for name in names if (value := self.attribute(name)) is not None}

    def children(self, tag: str) -> list[_Element]:
        found = [child for child in self._children if child.tag == tag]
        self._children = [child for child in self._children if child.tag != tag]
        paths = [f"{self.path}/{tag}" + (f"[{position}]" if len(found) > 1 else "") for position in range(1, len(found) + 1)]
        return [_Element(child, path, self._refused) for child, path in zip(found, paths)]

    def child(self, tag: str) -> _Element | None:
        found = self.children(tag)
        if len(found) > 1:
            self.refuse(tag, f"found {len(found)} of them; allowed: one")
        return found[0] if found else None

    def refuse(self, what: str, why: str) -> None:
        self._refused.append(f"{self.path}/{what}: {why}")

    def close(self) -> None:
        for name in self._attributes:
            self.refuse(f"@{name}", "this attribute is not supported")
        for child in self._children:
            self.refuse(child.tag, "this element is not supported")


def read_network(document: str | bytes) -> dict[str, t.Any]:
    """The definition in a document whose root is <network>, unchecked: as a user would write it. Raises XmlError."""
    if len(document) > SIZE_MAX:
        raise XmlError([f"the document has {len(document)} characters; allowed: {SIZE_MAX}"])
    try:
        root = defusedxml.ElementTree.fromstring(document, forbid_dtd=True)
    except defusedxml.DefusedXmlException as error:
        raise XmlError([f"a DTD or an entity is not allowed ({error})"]) from None
    except ElementTree.ParseError as error:
        raise XmlError([f"not well-formed XML: {error}"]) from None
    if root.tag != "network":
        raise XmlError([f"/{root.tag}: found as the root element; allowed: network"])
    refused: list[str] = []
    network = _read(_Element(root, "/network", refused))
    if refused:
        raise XmlError(refused)
    return network


def _read(element: _Element) -> dict[str, t.Any]:
    network: dict[str, t.Any] = {}
    # How many guests are attached: status that virsh prints, no part of a definition.
    element.attribute("connections")
    for tag in ("name", "uuid"):
        child = element.child(tag)
        if child:
            network[tag] = child.text
            child.close()
    forward = element.child("forward")
    if forward:
        network["forward"] = _read_forward(forward)
    bridge = element.child("bridge")
    if bridge:
        network["bridge"] = _read_bridge(bridge)
    mac = element.child("mac")
    if mac:
        network["mac"] = mac.attribute("address")
        mac.close()
    ips = [_read_ip(ip) for ip in element.children("ip")]
    if ips:
        network["ips"] = ips
    element.close()
    return network


def _read_forward(element: _Element) -> dict[str, t.Any]:
    # libvirt's default for <forward/> without a mode.
    forward: dict[str, t.Any] = {"mode": element.attribute("mode") or "nat", **element.attributes("dev")}
    nat = element.child("nat")
    if nat:
        port = nat.child("port")
        if port:
            forward["nat"] = {"port": {key: _number(value) for key, value in port.attributes("start", "end").items()}}
            port.close()
        nat.close()
    # libvirt prints the device twice: as the attribute and as this list.
    interfaces = element.children("interface")
    devices = []
    for interface in interfaces:
        devices += interface.attributes("dev").values()
        interface.close()
    if len(devices) > 1 or (devices and forward.setdefault("dev", devices[0]) != devices[0]):
        element.refuse("interface", f"found {', '.join(devices)}; allowed: one interface, the same as @dev")
    element.close()
    return forward


def _read_bridge(element: _Element) -> dict[str, t.Any]:
    bridge: dict[str, t.Any] = dict(element.attributes("name"))
    stp = element.attribute("stp")
    if stp is not None:
        bridge["stp"] = {"on": True, "off": False}.get(stp, stp)
    delay = element.attribute("delay")
    if delay is not None:
        bridge["delay"] = _number(delay)
    element.close()
    return bridge


def _read_ip(element: _Element) -> dict[str, t.Any]:
    ip: dict[str, t.Any] = dict(element.attributes("address", "netmask"))
    prefix = element.attribute("prefix")
    if prefix is not None:
        ip["prefix"] = _number(prefix)
    dhcp = element.child("dhcp")
    if dhcp:
        ranges = dhcp.children("range")
        ip["dhcp"] = {"ranges": [span.attributes("start", "end") for span in ranges]}
        for span in ranges:
            span.close()
        dhcp.close()
    element.close()
    return ip


def _number(text: str) -> int | str:
    """A number where the text is one; what is none is left for the spec to refuse, by its path."""
    return int(text) if text.isascii() and text.isdigit() else text
