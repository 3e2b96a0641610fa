# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network's dnsmasq is told: definitions and XML of ours with the files that they come to, and libvirt's own pairs where they are at hand.

`dnsmasq/` has a definition as NAME.yml, or XML as NAME.xml, and beside it the NAME.conf, NAME.hosts and NAME.hostsfile that are not empty.
`PFNET_WRITE_DNSMASQ=1` writes these anew, for a person to read the difference.

libvirt's pairs are in the folder tests/networkxml2confdata of its source, which PFNET_LIBVIRT_CONFDATA names. What libvirt's files say and what
ours say is compared directive by directive, but for paths, the way of binding, and the account.
"""

from __future__ import annotations

import os
import pathlib
import re
import typing as t

import pytest
import yaml
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.dnsmasq import dnsmasq_text
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.dnsmasq import reverse_zones
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml import XmlError
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml_read import read_network
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import SpecError
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.render import render
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import netaddr
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import read_networks
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.values import quoted, unquoted
from hypothesis import HealthCheck, given, settings
from strategies import ITEMS, definitions

PAIRS = pathlib.Path(__file__).parent / "dnsmasq"
OURS = sorted(file for file in PAIRS.iterdir() if file.suffix in (".yml", ".xml"))
CONFDATA = pathlib.Path(os.environ.get("PFNET_LIBVIRT_CONFDATA", "/nonexistent"))
LIBVIRTS = sorted(CONFDATA.glob("*.xml"))
# Where things are, how to listen, and as whom to run: the host's affairs. The paths are there on both sides, if at all.
HOSTS_OWN = re.compile("(interface|except-interface|listen-address|bind-dynamic|bind-interfaces|user|group|pid-file|dhcp-leasefile)(=|$)")
# libvirt's tests have these as for a dnsmasq that sends no router advertisements: it knew such ones when they were written.
WITHOUT_RA = ("isolated-network", "nat-network-dns-srv-record", "nat-network-dns-srv-record-minimal", "nat-network-dns-txt-record")
RA = {"ra-only", "ra-param", "enable-ra"}
PATHS = re.compile("^(dhcp-hostsfile|addn-hosts)=.*")


def served(definition: dict[str, t.Any]) -> dict[str, str]:
    """The files of a network's dnsmasq by their suffix, without those that are empty."""
    (document,) = t.cast("list[dict[str, t.Any]]", render(read_networks([definition])))
    told = document["dnsmasq"]
    if not told:
        return {}
    texts = {".conf": dnsmasq_text(document, document["bridge"]["name"]), ".hosts": told["hosts"], ".hostsfile": told["hostsfile"]}
    return {suffix: text for suffix, text in texts.items() if text}


@pytest.mark.parametrize("source", OURS, ids=lambda source: source.stem)
def test_our_pairs(source: pathlib.Path) -> None:
    if source.suffix == ".xml":
        definition, unsupported = read_network(source.read_text())
        assert not unsupported
    else:
        definition = yaml.safe_load(source.read_text())
    texts = served(definition)
    expected = [source.with_suffix(suffix) for suffix in (".conf", ".hosts", ".hostsfile")]
    if os.environ.get("PFNET_WRITE_DNSMASQ"):
        for file in expected:
            file.unlink(missing_ok=True)
            if file.suffix in texts:
                file.write_text(texts[file.suffix])
    assert texts == {file.suffix: file.read_text() for file in expected if file.exists()}


def test_our_pairs_say_every_directive_that_there_is() -> None:
    template = (pathlib.Path(__file__).parents[4] / "templates" / "dnsmasq.conf.j2").read_text()
    directives = set(re.findall(r"^([a-z-]+)(?:=.*)?$", re.sub(r"{#.*?#}\n", "", template, flags=re.DOTALL), re.MULTILINE))
    said = {re.split("[=\n]", line)[0] for file in PAIRS.glob("*.conf") for line in file.read_text().splitlines()}
    assert directives
    assert directives | {"dhcp-option-force", "interface"} <= said


def directives(text: str) -> set[tuple[str, ...]]:
    """What a configuration says, each directive with its items; once, however often it is said."""
    found = set()
    for line in text.splitlines():
        if line and not line.startswith("#") and not HOSTS_OWN.match(line):
            name, _equals, value = PATHS.sub(r"\1=PATH", line).partition("=")
            found.add((name, *(unquoted(value) or [value])))
    return found


@pytest.mark.skipif(not LIBVIRTS, reason="libvirt's pairs of XML and dnsmasq configuration are not here: PFNET_LIBVIRT_CONFDATA names their folder")
@pytest.mark.parametrize("source", LIBVIRTS, ids=lambda source: source.stem)
def test_libvirts_pairs(source: pathlib.Path) -> None:
    expected = source.with_suffix(".conf")
    if not expected.exists():
        pytest.skip("libvirt has no configuration of that network")
    try:
        # What is left out for FreeBSD, such as a forward delay, says nothing to dnsmasq.
        texts = served(read_network(source.read_text()).definition)
    except (XmlError, SpecError) as error:
        pytest.skip(f"not taken: {error}")
    said, theirs = directives(texts.get(".conf", "")), directives(expected.read_text())
    if ("port", "0") in theirs and not any(directive[0] == "dhcp-range" for directive in theirs):
        # It would serve nothing, and libvirt, which renders it nevertheless, does not run it.
        theirs = set()
    if source.stem in WITHOUT_RA:
        said = {directive for directive in said if RA.isdisjoint(directive)}
        theirs = {directive for directive in theirs if RA.isdisjoint(directive)}
    assert said == theirs
    hostsfile = source.with_suffix(".hostsfile")
    if hostsfile.exists():
        assert texts.get(".hostsfile", "") == hostsfile.read_text()


@pytest.mark.parametrize(
    ("subnet", "zones"),
    [
        ("192.168.122.0/24", ["122.168.192.in-addr.arpa"]),
        ("10.0.0.0/8", ["10.in-addr.arpa"]),
        ("10.16.0.0/15", ["16.10.in-addr.arpa", "17.10.in-addr.arpa"]),
        ("10.1.2.4/30", [f"{last}.2.1.10.in-addr.arpa" for last in (4, 5, 6, 7)]),
        ("2001:db8:ac10:fe01::/64", ["1.0.e.f.0.1.c.a.8.b.d.0.1.0.0.2.ip6.arpa"]),
        ("fd00::/15", ["0.0.d.f.ip6.arpa", "1.0.d.f.ip6.arpa"]),
    ],
)
def test_reverse_zones(subnet: str, zones: list[str]) -> None:
    assert reverse_zones(netaddr.IPNetwork(subnet)) == zones


def test_names_and_static_hosts_are_a_matter_of_their_own_files() -> None:
    definition: dict[str, t.Any] = {
        "name": "a",
        "bridge": {"name": "virbr0"},
        "dns": {"hosts": [{"ip": "10.0.0.1", "hostnames": ["x"]}]},
        "ips": [{"address": "10.0.0.1/24", "dhcp": {"ranges": [{"start": "10.0.0.10", "end": "10.0.0.19"}], "hosts": [{"name": "b", "ip": "10.0.0.2"}]}}],
    }
    before = served(definition)
    definition["dns"]["hosts"].append({"ip": "10.0.0.2", "hostnames": ["y"]})
    definition["ips"][0]["dhcp"]["hosts"].append({"mac": "52:54:00:00:00:03", "ip": "10.0.0.3"})
    after = served(definition)
    assert after[".conf"] == before[".conf"]
    assert after[".hosts"] == before[".hosts"] + "10.0.0.2\ty\n"
    assert after[".hostsfile"] == before[".hostsfile"] + "52:54:00:00:00:03,10.0.0.3\n"


def test_a_large_range_does_not_let_guests_fill_the_hosts_memory() -> None:
    ranges = [{"start": "fd00::2", "end": "fd00::ffff:ffff"}]
    texts = served({"name": "a", "bridge": {"name": "b"}, "ips": [{"address": "fd00::1/64", "dhcp": {"ranges": ranges}}]})
    assert "dhcp-lease-max=65535\n" in texts[".conf"]


@settings(deadline=None)
@given(ITEMS)
def test_a_text_stays_one_item(text: str) -> None:
    assert unquoted(quoted(text)) == [text]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(definitions())
def test_a_value_is_never_more_than_a_value(definition: dict[str, t.Any]) -> None:
    definition.get("firewall", {}).pop("peers", None)
    known = {re.split("=", line)[0] for file in PAIRS.glob("*.conf") for line in file.read_text().splitlines()} | {"dns-loop-detect", "neg-ttl", "address"}
    for line in served({**definition, "bridge": {"name": "virbr0"}}).get(".conf", "").splitlines()[1:]:
        assert line.partition("=")[0] in known
        assert unquoted(line.partition("=")[2]) is not None
        assert len(line.encode()) < 1000
