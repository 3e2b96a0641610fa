# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's XML: what is taken over, and what is refused by its name."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml import SIZE_MAX, XmlError, read_network
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import read_networks, to_data

EXAMPLES = pathlib.Path(__file__).parents[4] / "examples"


def test_the_examples_say_the_same_in_xml_and_in_yaml() -> None:
    declared = yaml.safe_load((EXAMPLES / "networks.yml").read_text())["pfnet_networks"]
    taken: list[dict[str, t.Any]] = [{**read_network((EXAMPLES / f"{name}.xml").read_text()), "firewall": {"profile": "libvirt"}} for name in ("default", "natnet")]
    assert read_networks(taken) == read_networks(declared)
    assert [to_data(network)["uuid"] for network in read_networks(taken)] == ["68cd5419-9fda-4cf0-9ac6-2eb9c1ba41ed", "d3c59659-3ceb-4482-a625-1f839a54429c"]


def test_what_virsh_adds_to_a_running_network() -> None:
    xml = "<network connections='2'><name>a</name><forward dev='em0' mode='nat'><interface dev='em0'/></forward></network>"
    assert read_network(xml) == {"name": "a", "forward": {"mode": "nat", "dev": "em0"}}


def test_forward_without_a_mode_is_nat() -> None:
    assert read_network("<network><name>a</name><forward/></network>") == {"name": "a", "forward": {"mode": "nat"}}


@pytest.mark.parametrize(
    ("xml", "line"),
    [
        ("<network><name>a</name><portgroup name='x'/></network>", "/network/portgroup: this element is not supported"),
        ("<network ipv6='yes'><name>a</name></network>", "/network/@ipv6: this attribute is not supported"),
        ("<network><bridge name='b' zone='public'/></network>", "/network/bridge/@zone: this attribute is not supported"),
        ("<network><ip address='1.2.3.4'><dhcp><host mac='x'/></dhcp></ip></network>", "/network/ip/dhcp/host: this element is not supported"),
        ("<network><ip/><ip><tftp root='/x'/></ip></network>", "/network/ip[2]/tftp: this element is not supported"),
        ("<network><name>a</name><name>b</name></network>", "/network/name: found 2 of them; allowed: one"),
        ("<network><forward dev='a'><interface dev='b'/></forward></network>", "/network/forward/interface: found b; allowed: one interface, the same as @dev"),
        ("<domain/>", "/domain: found as the root element; allowed: network"),
        ("<network>", "not well-formed XML: no element found: line 1, column 9"),
    ],
)
def test_refused_by_name(xml: str, line: str) -> None:
    with pytest.raises(XmlError) as caught:
        read_network(xml)
    assert caught.value.lines == [line]


def test_everything_refused_at_once() -> None:
    with pytest.raises(XmlError) as caught:
        read_network("<network trustGuestRxFilters='yes'><domain name='x'/><bridge macTableManager='libvirt'/></network>")
    assert caught.value.lines == [
        "/network/bridge/@macTableManager: this attribute is not supported",
        "/network/@trustGuestRxFilters: this attribute is not supported",
        "/network/domain: this element is not supported",
    ]


@pytest.mark.parametrize(
    "xml",
    [
        "<!DOCTYPE network [<!ENTITY a 'b'>]><network><name>&a;</name></network>",
        "<!DOCTYPE network SYSTEM 'http://example.com/x.dtd'><network/>",
        "<!DOCTYPE x [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><network><name>&f;</name></network>",
    ],
)
def test_hostile_documents(xml: str) -> None:
    with pytest.raises(XmlError, match="a DTD or an entity is not allowed"):
        read_network(xml)


def test_megabytes() -> None:
    with pytest.raises(XmlError, match="allowed: 8388608"):
        read_network("<network>" + " " * SIZE_MAX + "</network>")
