# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks as libvirt's XML, and back."""

from __future__ import annotations

import json
import re
import typing as t
from xml.etree import ElementTree

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml import DEFINITION
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml_read import read_network
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml_write import write_network
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import Problems, Section, read_section
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import Network
from hypothesis import HealthCheck, given, settings
from strategies import Data, definitions


def read(definition: Data) -> Network:
    problems = Problems()
    network = read_section(Network, Section(definition, "network", problems))
    problems.raise_if_any()
    return network


def own_part(document: str) -> Data:
    """What is not in libvirt's own elements."""
    found = ElementTree.fromstring(document).find(f"metadata/{DEFINITION}")
    return {} if found is None else t.cast(Data, json.loads(found.text or ""))


IP: Data = {"address": "10.0.0.1/24"}
WHOLE = """\
<network>
  <name>lab</name>
  <uuid>68cd5419-9fda-4cf0-9ac6-2eb9c1ba41ed</uuid>
  <title>The &lt;lab&gt;</title>
  <description>Two
lines</description>
  <metadata>
    <a:x xmlns:a="urn:a">y</a:x>
    <pfnet:definition xmlns:pfnet="https://bsdvirt.github.io/pfnet/1.0">OWN</pfnet:definition>
  </metadata>
  <forward dev="em0" mode="nat">
    <nat ipv6="yes">
      <address start="192.0.2.10" end="192.0.2.11"/>
      <port start="2000" end="65535"/>
    </nat>
  </forward>
  <bridge name="virbr7" stp="off" delay="0"/>
  <mtu size="9000"/>
  <mac address="52:54:00:db:0e:e5"/>
  <domain name="lab.example" localOnly="yes"/>
  <dns forwardPlainNames="no">
    <forwarder domain="corp.example" addr="192.0.2.53"/>
    <txt name="t" value='v,"w, x"'/>
    <srv service="ldap" protocol="tcp" target="." port="389" weight="0"/>
    <host ip="10.0.0.9">
      <hostname>x</hostname>
      <hostname>y.lab.example</hostname>
    </host>
  </dns>
  <port isolated="yes"/>
  <ip address="10.0.0.1" prefix="24" localPtr="yes">
    <tftp root="/tftp"/>
    <dhcp>
      <range start="10.0.0.100" end="10.0.0.200">
        <lease expiry="0"/>
      </range>
      <host mac="52:54:00:00:00:02" name="z" ip="10.0.0.2">
        <lease expiry="1" unit="hours"/>
      </host>
      <bootp file="pxe.0" server="10.0.0.1"/>
    </dhcp>
  </ip>
  <ip family="ipv6" address="fd00::1" prefix="64"/>
  <route address="10.9.0.0" prefix="16" gateway="10.0.0.2"/>
  <dnsmasq:options xmlns:dnsmasq="http://libvirt.org/schemas/network/dnsmasq/1.0">
    <dnsmasq:option value="neg-ttl=60"/>
    <dnsmasq:option value="dns-loop-detect"/>
  </dnsmasq:options>
</network>
"""


def test_a_whole_network() -> None:
    own = {
        "autostart": False,
        "bridge": {"members": ["em3"]},
        "forward": {"nat": {"sticky": True}},
        "port_forwards": [{"port": "8000-8010", "to": "10.0.0.2"}],
        "firewall": {"peers": ["other"]},
    }
    document = WHOLE.replace("OWN", json.dumps(own))
    assert write_network(read(read_network(document).definition)) == document


def test_a_simple_network_has_nothing_in_its_metadata() -> None:
    definition = {"name": "a", "forward": {"mode": "route"}, "ips": [IP], "dns": {}, "firewall": {"profile": "strict"}, "autostart": True}
    document = write_network(read(definition))
    assert document == '<network>\n  <name>a</name>\n  <forward mode="route"/>\n  <dns/>\n  <ip address="10.0.0.1" prefix="24"/>\n</network>\n'


def test_a_network_that_answers_no_names_says_so() -> None:
    # libvirt answers names unless it is told not to.
    document = write_network(read({"name": "a", "ips": [{"address": "10.0.0.1/24"}]}))
    assert document == '<network>\n  <name>a</name>\n  <dns enable="no"/>\n  <ip address="10.0.0.1" prefix="24"/>\n</network>\n'


@pytest.mark.parametrize(
    ("definition", "own"),
    [
        # With mode bridge libvirt makes no bridge, and takes nothing that would be on it.
        (
            {"forward": {"mode": "bridge", "dev": "em1"}, "bridge": {"stp": True, "isolated_ports": True}, "mac": "52:54:00:db:0e:e5", "ips": [IP]},
            {"bridge": {"stp": True}, "mac": "52:54:00:db:0e:e5", "ips": [{"address": "10.0.0.1", "prefix": 24}]},
        ),
        # A list is said in full, or not at all: libvirt wants an address of each host, and knows it by one thing.
        ({"ips": [{**IP, "dhcp": {"hosts": [{"name": "x", "ip": "10.0.0.2"}]}}]}, {}),
        ({"ips": [{**IP, "dhcp": {"hosts": [{"name": "x", "ip": "10.0.0.2"}, {"mac": "52:54:00:00:00:02", "name": "y"}]}}]}, "hosts"),
        ({"ips": [{**IP, "dhcp": {"hosts": [{"mac": "52:54:00:00:00:02", "id": "0:3:0:1:1:2:3:4:5:6", "ip": "10.0.0.2"}]}}]}, "hosts"),
        ({"ips": [{"address": "fd00::1/64", "dhcp": {"hosts": [{"id": "0:3:0:1:1:2:3:4:5:6", "ip": "fd00::2"}]}}]}, {}),
        ({"ips": [{"address": "fd00::1/64", "dhcp": {"hosts": [{"id": "x", "ip": "fd00::2"}]}}]}, "hosts"),
        ({"ips": [{"address": "fd00::1/64", "tftp": {"root": "/x"}}]}, {"ips": [{"tftp": {"root": "/x"}}]}),
        # A section that is there, with nothing in it that is not so by default.
        ({"ips": [{**IP, "dhcp": {}}], "dns": {}}, {}),
        ({"dns": {"enable": False, "txt": [{"name": "t", "value": "v"}]}}, {"dns": {"txt": [{"name": "t", "value": "v"}]}}),
        ({"dns": {"txt": [{"name": "_dmarc", "value": "v"}]}}, {"dns": {"txt": [{"name": "_dmarc", "value": "v"}]}}),
        ({"dns": {"hosts": [{"ip": "10.0.0.2", "hostnames": ["x"]}, {"ip": "10.0.0.3", "hostnames": ["y", "_z"]}]}}, "hostnames"),
        ({"ips": [IP], "dns": {"enable": False}}, {"dns": {"enable": False}}),
        ({"ips": [{"address": "fd00::1/64", "ra": {"mode": "none"}}]}, {"dns": None}),
        ({"ips": [{"address": "fd00::1/64", "ra": {"mode": "stateless"}}]}, {"ips": [{"ra": {"mode": "stateless"}}]}),
        ({"ips": [{**IP, "dhcp": {"hosts": [{"mac": "52:54:00:00:00:02", "ip": "10.0.0.2", "options": [{"option": 42}]}]}}]}, "options"),
        ({"dns": {"cnames": [{"name": "a", "target": "b"}]}}, {"dns": {"cnames": [{"name": "a", "target": "b"}]}}),
        ({"dns": {"srv": [{"service": "x", "protocol": "sctp"}]}}, {"dns": {"srv": [{"service": "x", "protocol": "sctp"}]}}),
        ({"domain": {"name": "my_lab", "local_only": True}}, {"domain": {"name": "my_lab", "local_only": True}}),
        ({"description": "a\x00b"}, {"description": "a\x00b"}),
        ({"description": "a\r\nb"}, {"description": "a\r\nb"}),
        # Metadata that is no XML, that XML writes otherwise, and that would be taken for ours.
        ({"metadata": "<a>"}, {"metadata": "<a>"}),
        ({"metadata": "text"}, {"metadata": "text"}),
        ({"metadata": "<a>" * 99 + "</a>" * 99}, {"metadata": "<a>" * 99 + "</a>" * 99}),
        ({"metadata": "</metadata><a></a><metadata>"}, {"metadata": "</metadata><a></a><metadata>"}),
        ({"metadata": "<a/>"}, {"metadata": "<a/>"}),
        ({"metadata": "<a></a>"}, {}),
        ({"metadata": '<d:definition xmlns:d="https://bsdvirt.github.io/pfnet/1.0">1</d:definition>'}, "definition"),
    ],
)
def test_what_libvirt_has_no_place_for(definition: Data, own: Data | str) -> None:
    network = read({"name": "a", **definition})
    document = write_network(network)
    assert read(read_network(document).definition) == network
    if isinstance(own, dict):
        assert own_part(document) == own
    else:
        assert own in str(own_part(document))
        assert own not in re.sub("<pfnet:definition.*>", "", document)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(definitions())
def test_there_and_back_is_the_same_network(definition: Data) -> None:
    network = read(definition)
    document = write_network(network)
    taken, unsupported = read_network(document)
    assert not unsupported
    assert read(taken) == network
    assert write_network(read(taken)) == document
