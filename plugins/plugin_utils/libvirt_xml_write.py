# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a network as libvirt's XML, by the tables of libvirt_xml.py; what they have no place for goes into <metadata>."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
from xml.sax.saxutils import escape, quoteattr

from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.dnsmasq import service_of
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml import NAMESPACE, NETWORK, Element, Item, Value, get
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml_read import foreign, read_network
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import plain
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import Network
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.values import PortRange

# What XML 1.0 has no way to write.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_network(network: Network) -> str:
    """A document that `read_network` reads into a definition of an equal network."""
    form = _libvirt_form(network)
    # libvirt would run a dnsmasq for names all the same.
    silent = network.dns is None and network.ips and not service_of(network).needed
    spoken = {**form, "dns": {"enable": False}} if silent else form
    # Reading back tells what libvirt's elements have not said.
    said = read_network(_document(spoken, {})).definition
    return _document(spoken, _unsaid(form, said))


def _libvirt_form(network: Network) -> Item:
    form = t.cast(Item, _given(network))
    for item in (*form.get("ips", []), *form.get("routes", [])):
        item["address"], _slash, prefix = item["address"].partition("/")
        item["prefix"] = int(prefix)
        # libvirt takes every address for IPv4 otherwise.
        if ":" in item["address"]:
            item["family"] = "ipv6"
    return form


def _given(value: object) -> t.Any:
    """Plain data without what is missing or as it would be by default."""
    if isinstance(value, tuple):
        return [_given(item) for item in value]
    if not dataclasses.is_dataclass(value) or hasattr(value, "plain"):
        return plain(value)
    # libvirt wants both ends of a range.
    whole = isinstance(value, PortRange)
    fields = [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]
    return {field.name: _given(found) for field, found in fields if whole or found != field.default}


def _unsaid(form: Item, said: Item) -> Item:
    # What is said only because libvirt's format knows no silence is taken back.
    back = {key: None for key in said if key not in form}
    return {key: _difference(value, said.get(key)) for key, value in form.items() if value != said.get(key)} | back


def _difference(value: t.Any, said: t.Any) -> t.Any:
    if isinstance(value, dict) and isinstance(said, dict):
        return _unsaid(value, said)
    if isinstance(value, list) and isinstance(said, list):
        # A list is said in full or not at all; its items may lack something.
        return [_difference(*pair) for pair in zip(value, said, strict=True)]
    return value


def _document(form: Item, own: Item) -> str:
    return "\n".join(_lines(NETWORK, form, "", own)) + "\n"


def _lines(element: Element, item: Item, indent: str, own: Item) -> list[str]:
    """The lines of all the elements of one kind in an item; none if there is nothing to say, or not all of it can be said."""
    if not element.when(item):
        return []
    if element.tag == "metadata":
        return _metadata(item, indent, own)
    if not element.items:
        return _one(element, item, indent, own)
    items = get(item, element.items) or []
    written = [_one(element, entry, indent, own) if element.fits(entry) else [] for entry in items]
    return [line for lines in written for line in lines] if all(written) else []


def _one(element: Element, item: Item, indent: str, own: Item) -> list[str]:
    if not _is_there(element, item) or not all(_sayable(place, get(item, place.key)) for place in element.values):
        return []
    values = {name: place.kind.write(get(item, place.key)) for name, place in element.attributes.items() if get(item, place.key) is not None}
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in values.items())
    if element.name != element.tag and element.children:
        attributes += f' xmlns:{element.name.partition(":")[0]}="{element.tag[1:].partition("}")[0]}"'
    children = [line for child in element.children for line in _lines(child, item, f"{indent}  ", own)]
    if children:
        return [f"{indent}<{element.name}{attributes}>", *children, f"{indent}</{element.name}>"]
    content = f">{escape(element.text.kind.write(get(item, element.text.key)))}</{element.name}>" if element.text else "/>"
    return [f"{indent}<{element.name}{attributes}{content}"]


def _is_there(element: Element, item: Item) -> bool:
    if element.key:
        return get(item, element.key) is not None
    if not element.values and any(get(item, child.items) for child in element.children if child.items):
        return True
    return bool(element.items) or element is NETWORK or any(get(item, place.key) is not None for place in element.values)


def _sayable(place: Value, value: object) -> bool:
    if value is None:
        return not place.required
    text = place.kind.write(value)
    return not _NOT_XML.search(text) and bool(re.fullmatch(place.pattern, text, re.DOTALL))


def _metadata(form: Item, indent: str, own: Item) -> list[str]:
    kept = foreign(form.get("metadata", ""))
    lines = [f"{indent}  {kept}"] if kept else []
    if own:
        lines.append(f'{indent}  <pfnet:definition xmlns:pfnet="{NAMESPACE}">{escape(json.dumps(own))}</pfnet:definition>')
    return [f"{indent}<metadata>", *lines, f"{indent}</metadata>"] if lines else []
