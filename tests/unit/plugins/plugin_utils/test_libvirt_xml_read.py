# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's XML: what is taken over, and what is refused by its name."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml import MODES, UNSUPPORTED, XmlError
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml_read import DEPTH_MAX, SIZE_MAX, read_network
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import read_networks, to_data

EXAMPLES = pathlib.Path(__file__).parents[4] / "examples"


def taken(inner: str) -> dict[str, t.Any]:
    """The definition of a network named a, with nothing left out, less its name."""
    definition, unsupported = read_network(f"<network><name>a</name>{inner}</network>")
    assert not unsupported
    assert definition.pop("name") == "a"
    return definition


def refused(document: str | bytes) -> list[str]:
    with pytest.raises(XmlError) as caught:
        read_network(document)
    return caught.value.lines


def served(dhcp: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"ips": [{"address": "10.0.0.1", "prefix": 24, "dhcp": dhcp}]}


def test_the_examples_say_the_same_in_xml_and_in_yaml() -> None:
    declared = yaml.safe_load((EXAMPLES / "networks.yml").read_text())["pfnet_networks"]
    definitions = [read_network((EXAMPLES / f"{name}.xml").read_text()).definition for name in ("default", "natnet")]
    networks = read_networks([{**definition, "firewall": {"profile": "libvirt"}} for definition in definitions])
    assert networks == read_networks(declared)
    assert [to_data(network)["uuid"] for network in networks] == ["68cd5419-9fda-4cf0-9ac6-2eb9c1ba41ed", "d3c59659-3ceb-4482-a625-1f839a54429c"]


@pytest.mark.parametrize(
    ("inner", "definition"),
    [
        ("<uuid> 68cd5419-9fda-4cf0-9ac6-2eb9c1ba41ed\n</uuid>", {"uuid": "68cd5419-9fda-4cf0-9ac6-2eb9c1ba41ed"}),
        ("<title>Lab</title><description>Two\nlines &amp; more</description>", {"title": "Lab", "description": "Two\nlines & more"}),
        ("<forward/>", {"forward": {"mode": "nat"}}),
        ("<forward mode='route' dev='em0'/>", {"forward": {"mode": "route", "dev": "em0"}}),
        ("<forward mode='open'/>", {"forward": {"mode": "open"}}),
        ("<forward mode='bridge'><interface dev='em1'/></forward>", {"forward": {"mode": "bridge", "dev": "em1"}}),
        # Without IPv4, nothing is translated.
        (
            "<forward mode='nat' dev='em0'/><ip address='fd00::1' prefix='64'/>",
            {"forward": {"mode": "route", "dev": "em0"}, "ips": [{"address": "fd00::1", "prefix": 64}]},
        ),
        # What virsh adds to a running network.
        ("<forward dev='em0' mode='nat'><interface dev='em0' connections='1'/></forward>", {"forward": {"mode": "nat", "dev": "em0"}}),
        (
            "<forward><nat ipv6='yes'><address start='192.0.2.1' end='192.0.2.9'/><port start='1024' end='2048'/></nat></forward>",
            {"forward": {"mode": "nat", "nat": {"ipv6": True, "address": {"start": "192.0.2.1", "end": "192.0.2.9"}, "port": {"start": 1024, "end": 2048}}}},
        ),
        ("<bridge name='virbr0' stp='off' delay='0' macTableManager='kernel'/>", {"bridge": {"name": "virbr0", "stp": False, "delay": 0}}),
        ("<bridge name='virbr0'/><mtu size='9000'/><port isolated='yes'/>", {"bridge": {"name": "virbr0", "mtu": 9000, "isolated_ports": True}}),
        ("<mac address='52:54:00:db:0e:e5'/>", {"mac": "52:54:00:db:0e:e5"}),
        ("<domain name='lab.example' localOnly='yes' register='no'/>", {"domain": {"name": "lab.example", "local_only": True}}),
        ("<dns/>", {"dns": {}}),
        ("<dns enable='no' forwardPlainNames='no'/>", {"dns": {"enable": False, "forward_plain_names": False}}),
        (
            "<dns><forwarder addr='192.0.2.1'/><forwarder domain='a.example' addr='192.0.2.2'/><txt name='t' value='v w'/></dns>",
            {"dns": {"forwarders": [{"addr": "192.0.2.1"}, {"domain": "a.example", "addr": "192.0.2.2"}], "txt": [{"name": "t", "value": "v w"}]}},
        ),
        (
            "<dns><srv service='ldap' protocol='tcp' domain='d' target='.' port='389' priority='1' weight='2'/></dns>",
            {"dns": {"srv": [{"service": "ldap", "protocol": "tcp", "domain": "d", "target": ".", "port": 389, "priority": 1, "weight": 2}]}},
        ),
        (
            "<dns><host ip='10.0.0.2'><hostname>x</hostname><hostname>y</hostname></host></dns>",
            {"dns": {"hosts": [{"ip": "10.0.0.2", "hostnames": ["x", "y"]}]}},
        ),
        (
            "<ip address='10.0.0.1' netmask='255.255.0.0' localPtr='yes'/>",
            {"ips": [{"address": "10.0.0.1", "netmask": "255.255.0.0", "local_ptr": True}], "dns": {}},
        ),
        (
            "<ip family='ipv6' address='fd00::1' prefix='96'/><ip address='10.0.0.1' prefix='24'><tftp root='/tftp'/></ip>",
            {"ips": [{"family": "ipv6", "address": "fd00::1", "prefix": 96}, {"address": "10.0.0.1", "prefix": 24, "tftp": {"root": "/tftp"}}]},
        ),
        # The prefix that libvirt takes if there is none.
        (
            "<ip address='10.0.0.1'/><ip address='172.16.0.1'/>",
            {"ips": [{"address": "10.0.0.1", "prefix": 8}, {"address": "172.16.0.1", "prefix": 16}], "dns": {}},
        ),
        ("<ip address='192.168.0.1'/><ip address='fd00::1'/>", {"ips": [{"address": "192.168.0.1", "prefix": 24}, {"address": "fd00::1", "prefix": 64}]}),
        ("<ip address='224.0.0.1'/><ip address='none'/>", {"ips": [{"address": "224.0.0.1"}, {"address": "none"}], "dns": {}}),
        # Names are answered unless it says no, and without that and DHCP there is nobody who could advertise a router.
        ("<dns enable='no'/><ip address='10.0.0.1' prefix='24'/>", {"ips": [{"address": "10.0.0.1", "prefix": 24}]}),
        (
            "<dns enable='no'/><ip address='fd00::1' prefix='64'/>",
            {"dns": {"enable": False}, "ips": [{"address": "fd00::1", "prefix": 64, "ra": {"mode": "none"}}]},
        ),
        (
            "<o:options xmlns:o='http://libvirt.org/schemas/network/dnsmasq/1.0'><o:option value='a'/><o:option value='b=c'/></o:options>",
            {"dnsmasq_options": ["a", "b=c"]},
        ),
        # dnsmasq's own commas and quotes, which libvirt hands on.
        (
            """<dns><txt name='t' value='a, b'/><txt name='t' value='"a, \\"b\\""'/><txt name='t' value='a "b'/></dns>""",
            {"dns": {"txt": [{"name": "t", "value": ["a", "b"]}, {"name": "t", "value": 'a, "b"'}, {"name": "t", "value": 'a "b'}]}},
        ),
        (
            "<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.0.2' end='10.0.0.9'><lease expiry='2' unit='hours'/></range></dhcp></ip>",
            served({"ranges": [{"start": "10.0.0.2", "end": "10.0.0.9", "lease": {"expiry": 2, "unit": "hours"}}]}),
        ),
        (
            "<ip address='10.0.0.1' prefix='24'><dhcp><host mac='52:54:00:00:00:02' name='x' ip='10.0.0.2'><lease expiry='0'/></host></dhcp></ip>",
            served({"hosts": [{"mac": "52:54:00:00:00:02", "name": "x", "ip": "10.0.0.2", "lease": {"expiry": 0}}]}),
        ),
        (
            "<ip address='10.0.0.1' prefix='24'><dhcp><host id='0:1' ip='10.0.0.3'/><bootp file='pxe.0' server='10.0.0.1'/></dhcp></ip>",
            served({"hosts": [{"id": "0:1", "ip": "10.0.0.3"}], "bootp": {"file": "pxe.0", "server": "10.0.0.1"}}),
        ),
        (
            "<route address='10.9.0.0' prefix='16' gateway='10.0.0.2' metric='1'/><route family='ipv6' address='fd09::' gateway='fd00::2'/>",
            {
                "routes": [
                    {"address": "10.9.0.0", "prefix": 16, "gateway": "10.0.0.2"},
                    {"family": "ipv6", "address": "fd09::", "prefix": 64, "gateway": "fd00::2"},
                ]
            },
        ),
        # What is no number or no yes is left for the spec, which names its place in the definition.
        ("<mtu size='big'/><domain name='x' localOnly='maybe'/>", {"bridge": {"mtu": "big"}, "domain": {"name": "x", "local_only": "maybe"}}),
        ("<!-- a comment --><title>a<!-- another -->b</title>", {"title": "ab"}),
    ],
)
def test_taken_over(inner: str, definition: dict[str, t.Any]) -> None:
    assert taken(inner) == definition


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ("<metadata/>", {}),
        (
            "<metadata>\n  <app:x xmlns:app='urn:a' b='1'>t</app:x>\n  <y xmlns='urn:y'/>\n</metadata>",
            '<app:x xmlns:app="urn:a" b="1">t</app:x>\n  <y xmlns="urn:y"></y>',
        ),
        # A prefix that is declared further out is declared where it is used.
        ("<metadata xmlns:app='urn:a'><app:x><app:y/></app:x></metadata>", '<app:x xmlns:app="urn:a"><app:y></app:y></app:x>'),
    ],
)
def test_metadata(metadata: str, kept: object) -> None:
    assert taken(metadata) == ({"metadata": kept} if kept else {})


def test_what_asks_for_nothing() -> None:
    assert read_network("<network connections='2' ipv6='yes' trustGuestRxFilters='no'><name>a</name></network>") == ({"name": "a"}, [])


@pytest.mark.parametrize(
    ("attributes", "inner", "path"),
    [
        ("ipv6='no'", "", "/network/@ipv6"),
        ("trustGuestRxFilters='yes'", "", "/network/@trustGuestRxFilters"),
        ("", "<bridge zone='public'/>", "/network/bridge/@zone"),
        ("", "<bridge macTableManager='libvirt'/>", "/network/bridge/@macTableManager"),
        ("", "<bridge delay='3'/>", "/network/bridge/@delay"),
        ("", "<domain name='x' register='yes'/>", "/network/domain/@register"),
        ("", "<forward managed='yes'/>", "/network/forward/@managed"),
        ("", "<forward><pf dev='em0'/></forward>", "/network/forward/pf"),
        ("", "<forward><address type='pci' bus='4'/></forward>", "/network/forward/address"),
        ("", "<forward><driver name='vfio'/></forward>", "/network/forward/driver"),
        ("", "<virtualport type='openvswitch'><parameters profileid='x'/></virtualport>", "/network/virtualport"),
        ("", "<portgroup name='x'><vlan><tag id='1'/></vlan></portgroup><portgroup name='y'/>", "/network/portgroup"),
        ("", "<vlan trunk='yes'><tag id='42'/></vlan>", "/network/vlan"),
        ("", "<bandwidth><inbound average='1000'/></bandwidth>", "/network/bandwidth"),
        ("", "<route address='10.9.0.0' prefix='16' gateway='10.0.0.2' metric='2'/>", "/network/route/@metric"),
    ],
)
def test_not_supported(attributes: str, inner: str, path: str) -> None:
    (line,) = read_network(f"<network {attributes}><name>a</name>{inner}</network>").unsupported
    assert line.split(": ", 1)[0] == path
    assert line.split(": ", 1)[1] in UNSUPPORTED[path].values()


def test_the_rest_of_what_is_not_supported() -> None:
    definition, unsupported = read_network("<network><name>a</name><route address='10.9.0.0' prefix='16' gateway='10.0.0.2'/><route metric='2'/></network>")
    assert unsupported == ["/network/route[2]/@metric: FreeBSD's routes have no metric"]
    assert definition == {"name": "a", "routes": [{"address": "10.9.0.0", "prefix": 16, "gateway": "10.0.0.2"}, {}]}


def test_a_pool_of_interfaces() -> None:
    definition, unsupported = read_network("<network><forward dev='a'><interface dev='a'/><interface dev='b'/></forward></network>")
    assert definition == {"forward": {"mode": "nat", "dev": "a"}}
    assert unsupported == ["/network/forward/interface: a, b are a pool to choose from; a network here has one interface"]


@pytest.mark.parametrize("mode", MODES)
def test_modes_without_which_the_rest_is_another_network(mode: str) -> None:
    assert refused(f"<network><forward mode='{mode}'/></network>") == [f"/network/forward/@mode: {mode}: {MODES[mode]}"]


@pytest.mark.parametrize(
    ("document", "lines"),
    [
        ("<network><color/></network>", ["/network/color: libvirt's format has no such element"]),
        ("<network><ip/><ip colour='x'/></network>", ["/network/ip[2]/@colour: libvirt's format has no such attribute"]),
        ("<network><x:name xmlns:x='urn:x'>a</x:name></network>", ["/network/{urn:x}name: libvirt's format has no such element"]),
        ("<network><name>a</name><name>b</name></network>", ["/network/name: found 2 of them; allowed: one"]),
        ("<network>text<name>a</name></network>", ["/network: found 'text'; allowed: no text"]),
        ("<network><metadata>text</metadata></network>", ["/network/metadata: found 'text'; allowed: no text"]),
        ("<network trustGuestRxFilters='maybe'/>", ["/network/@trustGuestRxFilters: found 'maybe'; allowed: no or yes"]),
        ("<network><forward dev='a'><interface dev='b'/></forward></network>", ["/network/forward/interface: found b; allowed: a, which @dev says"]),
        # All at once, and those that might be left out at the end.
        (
            "<network><route metric='2'/><color/><flavour/></network>",
            [
                "/network/color: libvirt's format has no such element",
                "/network/flavour: libvirt's format has no such element",
                "/network/route/@metric: FreeBSD's routes have no metric",
            ],
        ),
        ("<domain/>", ["/domain: found as the root element; allowed: network"]),
        ("<network>", ["not well-formed XML: no element found: line 1, column 9"]),
        (b'<?xml version="1.0" encoding="none"?><network/>', ["not well-formed XML: unknown encoding: none"]),
        (b"<network>\xff</network>", ["not well-formed XML: not well-formed (invalid token): line 1, column 9"]),
        ("\ud800", ["not well-formed XML: 'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed"]),
    ],
)
def test_refused_in_any_case(document: str | bytes, lines: list[str]) -> None:
    assert refused(document) == lines


def test_a_bridge_of_the_host() -> None:
    (line,) = refused("<network><name>a</name><forward mode='bridge'/><bridge name='br0'/></network>")
    assert line.startswith("/network/bridge/@name: with mode bridge libvirt takes a bridge that the host has already")


OWN = "<p:definition xmlns:p='https://bsdvirt.github.io/pfnet/1.0'>{}</p:definition>"


def test_what_libvirt_has_no_place_for() -> None:
    own = OWN.format('{"autostart": false, "bridge": {"members": ["em3"]}, "ips": [{}, {"dhcp": {"hosts": []}}]}')
    assert taken(f"<bridge name='b'/><ip address='10.0.0.1' prefix='8'/><ip address='fd00::1' prefix='64'/><metadata>{own}<x/></metadata>") == {
        "autostart": False,
        "bridge": {"name": "b", "members": ["em3"]},
        "ips": [{"address": "10.0.0.1", "prefix": 8}, {"address": "fd00::1", "prefix": 64, "dhcp": {"hosts": []}}],
        "metadata": "<x></x>",
    }


@pytest.mark.parametrize(
    ("own", "line"),
    [
        (OWN.format("{"), "definition: found something else; allowed: one element, whose text is one JSON object"),
        (OWN.format("[1]"), "definition: found something else; allowed: one element, whose text is one JSON object"),
        (OWN.format("[" * 100_000), "definition: found something else; allowed: one element, whose text is one JSON object"),
        (OWN.format("{}") * 2, "definition: found something else; allowed: one element, whose text is one JSON object"),
        # An address was taken out of the XML by hand, and what belongs to it was not.
        (OWN.format('{"ips": [{}, {}]}'), "definition.ips: found 2 items; allowed: as many as the elements say, 1"),
    ],
)
def test_what_no_longer_fits(own: str, line: str) -> None:
    assert refused(f"<network><metadata>{own}</metadata><ip address='10.0.0.1' prefix='8'/></network>") == [f"/network/metadata/{line}"]


@pytest.mark.parametrize(
    "document",
    [
        "<!DOCTYPE network [<!ENTITY a 'b'>]><network><name>&a;</name></network>",
        "<!DOCTYPE network SYSTEM 'http://example.com/x.dtd'><network/>",
        "<!DOCTYPE x [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><network><name>&f;</name></network>",
        "<!DOCTYPE n [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'><!ENTITY c '&b;&b;'>]><network><metadata><x>&c;</x></metadata></network>",
    ],
)
def test_entities(document: str) -> None:
    (line,) = refused(document)
    assert line.startswith("a DTD or an entity is not allowed")


def test_megabytes() -> None:
    assert refused("<network>" + " " * SIZE_MAX + "</network>") == [f"the document has {SIZE_MAX + 19} characters; allowed: {SIZE_MAX}"]


def test_deep_nesting() -> None:
    def nested(depth: int) -> str:
        return f"<network><name>a</name><metadata>{'<a>' * depth}{'</a>' * depth}</metadata></network>"

    assert read_network(nested(DEPTH_MAX - 2)).definition["metadata"]
    assert refused(nested(DEPTH_MAX - 1)) == [f"elements are nested more than {DEPTH_MAX} deep"]
    assert refused("<a>" * 300_000) == [f"elements are nested more than {DEPTH_MAX} deep"]
