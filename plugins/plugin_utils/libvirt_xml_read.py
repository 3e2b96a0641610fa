# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads libvirt's network XML into a definition, by the tables of libvirt_xml.py."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
import typing as t
from xml.etree import ElementTree

from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml import (
    ANY,
    DEFINITION,
    MODES,
    NETWORK,
    UNSUPPORTED,
    Element,
    Item,
    XmlError,
    get,
    put,
    served,
    written_name,
)
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import DefusedElementTree, defusedxml

# A network with ten thousand static hosts is under a megabyte; what is larger is no network.
SIZE_MAX = 1024 * 1024
# libvirt's own elements go 5 deep; what users keep in <metadata> has the rest.
DEPTH_MAX = 64

_HOST_BRIDGE = (
    "with mode bridge libvirt takes a bridge that the host has already; here the network makes the bridge: leave the element out, and name the "
    "interface that is its uplink in <forward mode='bridge' dev='em0'/>"
)


class Taken(t.NamedTuple):
    """A definition, unchecked, as a user would write it, and what of the document it has no place for: a path with a reason each."""

    definition: Item
    unsupported: list[str]


def read_network(document: str | bytes) -> Taken:
    """Take over a document whose root is <network>.

    Raises XmlError for what is no XML, not libvirt's format, or without which the rest would be another network.
    """
    root = _parsed(document)
    if root.tag != NETWORK.tag:
        raise XmlError([f"/{written_name(root.tag)}: found as the root element; allowed: network"])
    reader = _Reader()
    network: Item = {}
    reader.element(root, NETWORK, "/network", network)
    reader.forward(network)
    _default_services(network)
    for item in (*network.get("ips", []), *network.get("routes", [])):
        _complete_prefix(item)
    metadata = root.findall("metadata/*")
    if any(child.tag != DEFINITION for child in metadata):
        # From the text, since the tree has lost the prefixes that users gave to their namespaces.
        network["metadata"] = _content(document)
    own = [child for child in metadata if child.tag == DEFINITION]
    if own:
        network = reader.merged(network, reader.own_part(own), "definition")
    if reader.refused:
        raise XmlError(reader.refused + reader.unsupported)
    return Taken(network, reader.unsupported)


def foreign(content: str) -> str:
    """Elements for <metadata> in canonical XML, without our own; "" if there are none, or what is there is no XML that `read_network` takes."""
    document = f"<network><metadata>{content}</metadata></network>"
    reader = _Reader()
    try:
        reader.element(_parsed(document), NETWORK, "/network", {})
    except XmlError:
        return ""
    return "" if reader.refused or reader.unsupported else _content(document)


def _parsed(document: str | bytes) -> ElementTree.Element:
    if len(document) > SIZE_MAX:
        raise XmlError([f"the document has {len(document)} characters; allowed: {SIZE_MAX}"])
    parser = DefusedElementTree.DefusedXMLParser(target=_ShallowBuilder(), forbid_dtd=True)
    try:
        parser.feed(document)
        return parser.close()
    except XmlError:
        raise
    except defusedxml.DefusedXmlException:
        raise XmlError(["a DTD or an entity is not allowed"]) from None
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        # The last two: an encoding that is unknown, or not that of the document.
        raise XmlError([f"not well-formed XML: {error}"]) from None


class _ShallowBuilder(ElementTree.TreeBuilder):
    """Builds a tree, but no deep one."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attrs: dict[t.Any, t.Any], /) -> ElementTree.Element:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise XmlError([f"elements are nested more than {DEPTH_MAX} deep"])
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ElementTree.Element:
        self._depth -= 1
        return super().end(tag)


@dataclasses.dataclass
class _Reader:
    """Collects what is refused in any case, and what the definition can do without, each line with its path."""

    refused: list[str] = dataclasses.field(default_factory=list)
    unsupported: list[str] = dataclasses.field(default_factory=list)

    def element(self, node: ElementTree.Element, element: Element, path: str, item: Item) -> None:
        """Take over an element and all below it into the item that it belongs to."""
        if element.key and get(item, element.key) is None:
            put(item, element.key, {})
        for name, value in node.attrib.items():
            known = element.attributes.get(name)
            if not self._left_out(f"{path}/@{written_name(name)}", value, known is not None, "attribute") and known:
                put(item, known.key, known.kind.read(value))
        text = "".join([node.text or "", *(child.tail or "" for child in node)])
        if element.text and text:
            put(item, element.text.key, element.text.kind.read(text))
        elif text.strip():
            self.refused.append(f"{path}: found {text.strip()[:50]!r}; allowed: no text")
        if element.tag == "metadata":
            return
        known_children = {child.tag: child for child in element.children}
        found: dict[str, list[ElementTree.Element]] = {}
        for child in node:
            found.setdefault(child.tag, []).append(child)
        for tag, nodes in found.items():
            self._children(nodes, known_children.get(tag), f"{path}/{written_name(tag)}", item)

    def _children(self, nodes: list[ElementTree.Element], element: Element | None, path: str, item: Item) -> None:
        if self._left_out(path, ANY, element is not None, "element") or element is None:
            return
        if len(nodes) > 1 and not element.items:
            self.refused.append(f"{path}: found {len(nodes)} of them; allowed: one")
        for position, node in enumerate(nodes, 1):
            at = f"{path}[{position}]" if len(nodes) > 1 else path
            if not element.items:
                self.element(node, element, at, item)
                continue
            own: Item = {}
            self.element(node, element, at, own)
            if get(item, element.items) is None:
                put(item, element.items, [])
            # A list of texts has no keys below its items.
            get(item, element.items).append(own.get("", "") if element.is_text else own)

    def _left_out(self, path: str, value: str, known: bool, what: str) -> bool:
        """Whether this is not taken over; says so unless it asks for nothing. `known`: the definition has a place for it."""
        values = UNSUPPORTED.get(re.sub(r"\[\d+]", "", path), {})
        if value in values or ANY in values:
            reason = values.get(value, values.get(ANY))
            if reason:
                self.unsupported.append(f"{path}: {reason}")
            return True
        if values and not known:
            self.refused.append(f"{path}: found {value!r}; allowed: {' or '.join(sorted(values))}")
        elif not known:
            self.refused.append(f"{path}: libvirt's format has no such {what}")
        return not known

    def forward(self, network: Item) -> None:
        """libvirt's default mode, its second way to name the device, and what it means by mode bridge."""
        if "forward" not in network:
            return
        forward = network["forward"]
        forward.setdefault("mode", "nat")
        devices = [interface.get("dev") for interface in forward.pop("interfaces", [])]
        if len(devices) > 1:
            self.unsupported.append(f"/network/forward/interface: {', '.join(map(str, devices))} are a pool to choose from; a network here has one interface")
        elif devices and forward.setdefault("dev", devices[0]) != devices[0]:
            self.refused.append(f"/network/forward/interface: found {devices[0]}; allowed: {forward['dev']}, which @dev says")
        ips = network.get("ips", [])
        if forward["mode"] == "nat" and "nat" not in forward and ips and all(":" in str(ip.get("address")) for ip in ips):
            # What libvirt does with IPv6 unless it is told to translate that too.
            forward["mode"] = "route"
        if forward["mode"] in MODES:
            self.refused.append(f"/network/forward/@mode: {forward['mode']}: {MODES[forward['mode']]}")
        if forward["mode"] == "bridge" and get(network, "bridge.name") is not None:
            self.refused.append(f"/network/bridge/@name: {_HOST_BRIDGE}")

    def own_part(self, found: list[ElementTree.Element]) -> Item:
        """What libvirt_xml_write.py put beside libvirt's own elements."""
        try:
            own = json.loads(found[0].text or "")
        except (ValueError, RecursionError) as error:
            own = error
        if not isinstance(own, dict) or len(found) > 1:
            self.refused.append("/network/metadata/definition: found something else; allowed: one element, whose text is one JSON object")
            return {}
        return own

    def merged(self, said: t.Any, own: t.Any, path: str) -> t.Any:
        """What libvirt's elements say, and what our own has besides; lists, which both have, item by item."""
        if isinstance(said, dict) and isinstance(own, dict):
            return {**said, **{key: self.merged(said.get(key), value, f"{path}.{key}") for key, value in own.items()}}
        if isinstance(said, list) and isinstance(own, list):
            if len(said) != len(own):
                self.refused.append(f"/network/metadata/{path}: found {len(own)} items; allowed: as many as the elements say, {len(said)}")
            return [self.merged(*pair, f"{path}[{index}]") for index, pair in enumerate(zip(said, own, strict=False))]
        return own


def _default_services(network: Item) -> None:
    """Say what libvirt does unsaid: its dnsmasq runs where a network has an address, unless DNS is off and there is nothing to hand out."""
    ips = network.get("ips", [])
    advertised = [ip for ip in ips if ":" in str(ip.get("address"))]
    if served(network) or not ips:
        return
    if "dns" not in network and not advertised:
        network["dns"] = {}
    elif network.get("dns") == {"enable": False} and not advertised:
        # That is what a definition means that says nothing.
        del network["dns"]
    elif get(network, "dns.enable") is False:
        for ip in advertised:
            ip["ra"] = {"mode": "none"}


def _content(document: str | bytes) -> str:
    """What a document has in <metadata> besides our own element, in canonical XML, which declares each namespace where it is used."""
    found = re.search("<metadata>(.*)</metadata>", ElementTree.canonicalize(document, exclude_tags={DEFINITION}), re.DOTALL)
    return found[1].strip() if found else ""


def _complete_prefix(item: Item) -> None:
    """Without prefix and netmask libvirt takes that of the address's class, and 64 for IPv6."""
    if "prefix" in item or "netmask" in item:
        return
    try:
        address = ipaddress.ip_address(item.get("address", ""))
    except ValueError:
        return
    first = address.packed[0]
    if not int(address):
        item["prefix"] = 0
    elif address.version == 6:
        item["prefix"] = 64
    elif first < 224:
        item["prefix"] = 8 if first < 128 else 16 if first < 192 else 24
