# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters from_libvirt_xml and to_libvirt_xml as a playbook meets them."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display
from ansible_collections.bsdvirt.pfnet.plugins.filter import from_libvirt_xml as from_plugin
from ansible_collections.bsdvirt.pfnet.plugins.filter import to_libvirt_xml as to_plugin
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils import requirements

from_libvirt_xml = from_plugin.FilterModule().filters()["from_libvirt_xml"]
to_libvirt_xml = to_plugin.FilterModule().filters()["to_libvirt_xml"]

A, B = (f"<network>\n  <name>{name}</name>\n</network>\n" for name in "ab")
ZONE = "<network><name>z</name><bridge name='virbr0' zone='public'/><route metric='7'/></network>"
UNSUPPORTED = (
    "/network/bridge/@zone: zones are firewalld's; in pf, firewall.host_access says what guests reach of the host",
    "/network/route/@metric: FreeBSD's routes have no metric",
)


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What users are warned of, as it comes."""
    given: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _self, message: given.append(message))
    return given


@pytest.mark.parametrize(
    ("documents", "names"),
    [(A, ["a"]), (A.encode(), ["a"]), ([A, B], ["a", "b"]), ((B,), ["b"]), ([], [])],
)
def test_from(documents: object, names: list[str], warnings: list[str]) -> None:
    assert from_libvirt_xml(documents) == [{"name": name} for name in names]
    assert not warnings


def test_what_is_not_supported_is_refused(warnings: list[str]) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        from_libvirt_xml(ZONE)
    assert str(caught.value) == "\n".join(["libvirt's XML cannot be taken over:", *(f"- {line}" for line in UNSUPPORTED)])
    assert not warnings


def test_or_warned_of(warnings: list[str]) -> None:
    assert from_libvirt_xml([A, ZONE], unsupported="warn") == [{"name": "a"}, {"name": "z", "bridge": {"name": "virbr0"}, "routes": [{}]}]
    assert warnings == [f"Left out of libvirt's XML: document 1: {line}" for line in UNSUPPORTED]


def test_every_document_is_read_before_any_is_refused(warnings: list[str]) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        from_libvirt_xml([ZONE, "<network><color/></network>", "<x/>"], "warn")
    assert str(caught.value).splitlines()[1:] == [
        "- document 1: /network/color: libvirt's format has no such element",
        "- document 2: /x: found as the root element; allowed: network",
    ]
    assert not warnings


@pytest.mark.parametrize(
    ("documents", "unsupported", "words"),
    [
        ({"name": "a"}, "refuse", "from_libvirt_xml takes XML or a list of XML documents, not a mapping"),
        ([A, None], "refuse", "from_libvirt_xml takes XML or a list of XML documents, not \\["),
        (A, "ignore", "from_libvirt_xml: unsupported: found 'ignore'; allowed: refuse or warn"),
    ],
)
def test_from_refuses(documents: object, unsupported: str, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        from_libvirt_xml(documents, unsupported)


@pytest.mark.parametrize(
    ("definitions", "documents"),
    [
        ({"name": "a"}, A),
        ([{"name": "a"}, {"name": "b"}], [A, B]),
        ([], []),
    ],
)
def test_to(definitions: object, documents: object) -> None:
    assert to_libvirt_xml(definitions) == documents


def test_a_network_without_its_peers() -> None:
    definition = {"name": "a", "firewall": {"peers": ["b"]}}
    assert from_libvirt_xml(to_libvirt_xml(definition)) == [definition]


@pytest.mark.parametrize(
    ("definitions", "lines"),
    [
        ({"name": "a", "colour": 1}, ["network.colour: found an unknown key"]),
        ([{"name": "a"}, {"name": "a b", "bridge": {"stp": "perhaps"}}], ["networks[1].name: found 'a b'", "networks[1].bridge.stp: found 'perhaps'"]),
        ("a", ["networks: found 'a'; allowed: a list of mappings"]),
        ({"name": "a", "description": "x" * 2**23}, ["the document has"]),
    ],
)
def test_to_refuses(definitions: t.Any, lines: list[str]) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        to_libvirt_xml(definitions)
    found = str(caught.value).splitlines()[1:]
    assert all(line.startswith(f"- {expected}") for line, expected in zip(found, lines, strict=True))


@pytest.mark.parametrize("plugin", [from_plugin, to_plugin])
def test_without_its_libraries(plugin: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "defusedxml", None)
    ((name, call),) = plugin.FilterModule().filters().items()
    with pytest.raises(AnsibleFilterError, match="defusedxml"):
        call(A if name.startswith("from") else {"name": "a"})
