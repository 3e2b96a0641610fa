# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the spec takes, and the words with which it refuses the rest."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import SpecError
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import read_names, read_networks, to_data
from hypothesis import given
from hypothesis import strategies as st

DEFAULT: dict[str, t.Any] = {
    "name": "default",
    "uuid": "68cd5419-9fda-4cf0-9ac6-2eb9c1ba41ed",
    "mac": "52:54:00:db:0e:e5",
    "bridge": {"name": "virbr0", "stp": True, "delay": 0},
    "forward": {"mode": "nat", "dev": "re0", "nat": {"port": {"start": 1024, "end": 65535}}},
    "ips": [{"address": "192.168.122.1/24", "dhcp": {"ranges": [{"start": "192.168.122.2", "end": "192.168.122.254"}]}}],
    "firewall": {"profile": "libvirt"},
}
NATNET: dict[str, t.Any] = {"name": "natnet", "bridge": {"name": "virbr1"}, "forward": {"mode": "nat"}, "ips": [{"address": "10.0.100.1/24"}]}


def changed(network: dict[str, t.Any], path: str, value: object) -> dict[str, t.Any]:
    """A copy of a definition with one value replaced, at a path such as ips.0.address; the value ... takes the key away."""
    copied = copy.deepcopy(network)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: t.Any = copied
    for part in parents:
        place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return copied


def problems(*definitions: object) -> dict[str, str]:
    """What is refused, {path: "found; allowed"}."""
    with pytest.raises(SpecError) as caught:
        read_networks(list(definitions))
    found = {problem.path: f"{problem.found}; {problem.allowed}" for problem in caught.value.problems}
    assert len(found) == len(caught.value.problems), "one problem is reported twice"
    return found


def test_a_whole_definition_is_normal_already() -> None:
    (network,) = read_networks([DEFAULT])
    assert to_data(network) == DEFAULT


def test_defaults() -> None:
    (network,) = read_networks([NATNET])
    assert to_data(network) == {**NATNET, "forward": {"mode": "nat", "nat": {"port": {"start": 1024, "end": 65535}}}, "firewall": {"profile": "strict"}}


@pytest.mark.parametrize(
    ("path", "given", "normal"),
    [
        pytest.param("ips.0", {"address": "10.0.100.1", "netmask": "255.255.255.0"}, {"address": "10.0.100.1/24"}, id="netmask"),
        pytest.param("ips.0", {"address": "10.0.100.1", "prefix": "24"}, {"address": "10.0.100.1/24"}, id="prefix"),
        pytest.param("ips.0", {"address": "10.0.100.1/24", "prefix": 24}, {"address": "10.0.100.1/24"}, id="prefix twice, the same"),
        pytest.param("mac", "52-54-00-DB-0E-E5", "52:54:00:db:0e:e5", id="MAC address with dashes"),
        pytest.param("uuid", "{68CD5419-9FDA-4CF0-9AC6-2EB9C1BA41ED}", "68cd5419-9fda-4cf0-9ac6-2eb9c1ba41ed", id="UUID in capitals"),
        pytest.param("bridge.stp", "yes", True, id="boolean of a template"),
        pytest.param("forward.nat.port", {"start": "2000"}, {"start": 2000, "end": 65535}, id="half a port range"),
        pytest.param("bridge.name", "br-lan", "br-lan", id="bridge with a dash"),
    ],
)
def test_values_are_normalized(path: str, given: object, normal: object) -> None:
    (network,) = read_networks([changed(NATNET, path, given)])
    value: t.Any = to_data(network)
    for part in path.split("."):
        value = value[int(part) if part.isdigit() else part]
    assert value == normal


@pytest.mark.parametrize(
    ("change", "value", "path", "words"),
    [
        ("name", "_x", "name", "'_x'; letters, digits"),
        ("name", "a/b", "name", "'a/b'; letters, digits"),
        ("name", "..", "name", "'..'; letters, digits"),
        ("name", "two words", "name", "'two words'; letters, digits"),
        ("name", "x" * 56, "name", "at most 55 characters, below the anchor libvirt"),
        ("name", ..., "name", "nothing; the network's name"),
        ("name", 7, "name", "7; letters, digits"),
        ("uuid", "68cd", "uuid", "'68cd'; a UUID"),
        ("bridge", ..., "bridge.name", "nothing; the bridge's name"),
        ("bridge", "virbr0", "bridge", "'virbr0'; a mapping"),
        ("bridge.name", "averylongname123", "bridge.name", "'averylongname123'; 1 to 15 letters"),
        ("bridge.name", "virbr 0", "bridge.name", "'virbr 0'; 1 to 15 letters"),
        ("bridge.name", "0br", "bridge.name", "beginning with a letter"),
        ("bridge.name", "inet6", "bridge.name", "'inet6'; a name that is not a word of pf.conf(5)"),
        ("bridge.delay", 2, "bridge.delay", "2; 0 (no added delay) or 4 to 30"),
        ("bridge.stp", "perhaps", "bridge.stp", "'perhaps'; true or false"),
        ("mac", 525400, "mac", "525400; a MAC address in quotes"),
        ("mac", "52:54:00:db:0e", "mac", "'52:54:00:db:0e'; a MAC address"),
        ("mac", "53:54:00:db:0e:e5", "mac", "'53:54:00:db:0e:e5'; a MAC address of one host"),
        ("mac", "00:00:00:00:00:00", "mac", "other than zero"),
        ("forward", ..., "forward.mode", "nothing; nat"),
        ("forward.mode", "nta", "forward.mode", "'nta'; nat (did you mean nat?)"),
        ("forward.dev", "re 0", "forward.dev", "'re 0'; 1 to 15 letters"),
        ("forward.nat.port.start", 0, "forward.nat.port.start", "0; a whole number from 1 to 65535"),
        ("forward.nat.port.end", 65536, "forward.nat.port.end", "65536; a whole number from 1 to 65535"),
        ("forward.nat.port.end", True, "forward.nat.port.end", "True; a whole number"),
        ("forward.nat.port", {"start": 2000, "end": 1000}, "forward.nat.port", "2000 to 1000; a range whose start is not above its end"),
        ("ips", ..., "ips", "nothing; one IPv4 address"),
        ("ips", [{"address": "10.0.100.1/24"}, {"address": "10.0.101.1/24"}], "ips", "2 addresses; one IPv4 address"),
        ("ips", "10.0.100.1/24", "ips", "'10.0.100.1/24'; a list of mappings"),
        ("ips.0.address", "10.0.100.300/24", "ips[0].address", "'10.0.100.300/24'; an IPv4 address with a prefix"),
        ("ips.0.address", "10.1/24", "ips[0].address", "'10.1/24'; an IPv4 address with a prefix"),
        ("ips.0.address", "10.0.100.1", "ips[0].address", "'10.0.100.1'; an address with its prefix"),
        ("ips.0.address", "10.0.100.1/33", "ips[0].address", "'10.0.100.1/33'; an IPv4 address with a prefix of 8 to 30"),
        ("ips.0.address", "10.0.100.0/24", "ips[0].address", "the network address of 10.0.100.0/24; a host's address"),
        ("ips.0.address", "10.0.100.255/24", "ips[0].address", "the broadcast address of 10.0.100.0/24; a host's address"),
        ("ips.0.address", "224.0.0.1/24", "ips[0].address", "an IPv4 address that a host can have"),
        ("ips.0.address", "fd00::1/64", "ips[0].address", "'fd00::1/64'; an IPv4 address"),
        ("ips.0.prefix", 25, "ips[0]", "/24 by address and /25 by prefix; one prefix length"),
        ("ips.0.netmask", "255.0.255.0", "ips[0].netmask", "'255.0.255.0'; a netmask"),
        ("ips.0.dhcp", {"ranges": [{"start": "10.0.101.2", "end": "10.0.100.9"}]}, "ips[0].dhcp.ranges[0].start", "'10.0.101.2'; a host's address of 10.0.100.0/24"),
        ("ips.0.dhcp", {"ranges": [{"start": "10.0.100.2", "end": "10.0.100.255"}]}, "ips[0].dhcp.ranges[0].end", "'10.0.100.255'; a host's address of 10.0.100.0/24"),
        ("ips.0.dhcp", {"ranges": [{"start": "10.0.100.9", "end": "10.0.100.2"}]}, "ips[0].dhcp.ranges[0]", "10.0.100.9 to 10.0.100.2; a range whose start is not above its end"),
        ("ips.0.dhcp", {"ranges": [{"start": "10.0.100.1", "end": "10.0.100.9"}]}, "ips[0].dhcp.ranges[0]", "a range without the host's own address 10.0.100.1"),
        ("ips.0.dhcp", {"ranges": [{"start": "10.0.100.2", "end": "10.0.100.9"}, {"start": "10.0.100.9", "end": "10.0.100.12"}]}, "ips[0].dhcp.ranges[1]", "a range apart from"),
        ("ips.0.dhcp", {"ranges": [{"start": "10.0.100.2"}]}, "ips[0].dhcp.ranges[0].end", "nothing; an address of 10.0.100.0/24"),
        ("firewall.profile", "stritc", "firewall.profile", "'stritc'; strict or libvirt (did you mean strict?)"),
        ("firwall", {}, "firwall", "an unknown key; bridge, firewall, forward, ips, mac, name, uuid (did you mean firewall?)"),
        ("ips.0.adress", "10.0.100.2", "ips[0].adress", "(did you mean address?)"),
    ],
)
def test_refused(change: str, value: object, path: str, words: str) -> None:
    found = problems(DEFAULT, changed(NATNET, change, value))
    assert list(found) == [f"networks[1].{path}"]
    assert words in found[f"networks[1].{path}"]


def test_networks_together() -> None:
    second = changed(changed(DEFAULT, "ips.0.address", "192.168.0.1/16"), "ips.0.dhcp", ...)
    assert problems(DEFAULT, second) == {
        "networks[1].name": "'default'; one that networks[0] does not have",
        "networks[1].bridge.name": "'virbr0'; one that networks[0] does not have",
        "networks[1].mac": "'52:54:00:db:0e:e5'; one that networks[0] does not have",
        "networks[1].ips[0].address": "subnet 192.168.0.0/16; a subnet apart from 192.168.122.0/24 of networks[0].ips[0].address",
    }


def test_all_problems_of_all_networks_at_once() -> None:
    found = problems({"name": "_a", "bridge": {"nam": "x"}}, 5, changed(NATNET, "mac", 1))
    assert list(found) == ["networks[0].name", "networks[0].bridge.name", "networks[0].bridge.nam", "networks[0].forward.mode", "networks[0].ips", "networks[1]", "networks[2].mac"]


@pytest.mark.parametrize("data", ["default", {"name": "default"}, 7])
def test_something_else_than_a_list(data: object) -> None:
    with pytest.raises(SpecError, match=r"^networks: found .*; allowed: a list of mappings$"):
        read_networks(data)


def test_names_alone_are_enough_to_remove() -> None:
    assert read_names([{"name": "default"}, DEFAULT, {**NATNET, "bridge": None}]) == ("default", "default", "natnet")
    with pytest.raises(SpecError, match=r"networks\[0\].name: found '../x'"):
        read_names([{"name": "../x"}])


@given(
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,54}", fullmatch=True),
    address=st.ip_addresses(v=4, network="10.0.0.0/8"),
    prefix=st.integers(8, 30),
    ports=st.tuples(st.integers(1, 65535), st.integers(1, 65535)),
    profile=st.sampled_from(["strict", "libvirt"]),
)
def test_a_definition_is_refused_with_a_path_or_reads_back_equal(name: str, address: object, prefix: int, ports: tuple[int, int], profile: str) -> None:
    definition = {
        "name": name,
        "bridge": {"name": "virbr0"},
        "forward": {"mode": "nat", "nat": {"port": {"start": ports[0], "end": ports[1]}}},
        "ips": [{"address": f"{address}/{prefix}"}],
        "firewall": {"profile": profile},
    }
    try:
        networks = read_networks([definition])
    except SpecError as error:
        assert {problem.path for problem in error.problems} <= {"networks[0].ips[0].address", "networks[0].forward.nat.port"}
    else:
        assert read_networks([to_data(network) for network in networks]) == networks
