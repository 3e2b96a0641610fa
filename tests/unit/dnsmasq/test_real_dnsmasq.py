# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our configurations with the real dnsmasq, and real clients of DHCP, DNS and router advertisements, in network namespaces."""

from __future__ import annotations

import collections.abc as c
import ipaddress
import pathlib
import re
import sys
import typing as t

import pytest
import world as world_module
import yaml
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from hypothesis import HealthCheck, given, settings
from strategies import definitions
from world import ROOT, World, files, lacking, wait_for

pytestmark = pytest.mark.skipif(bool(lacking()), reason=f"not tried with the real dnsmasq: {lacking()}")

EXAMPLES = sorted((pathlib.Path(__file__).parents[3] / "examples").glob("*.yml"))
TFTP = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(b"\\0\\1" + sys.argv[2].encode() + b"\\0octet\\0", (sys.argv[1], 69))
print(s.recv(600)[4:].decode())
"""
NASTY = ["a, b", 'say "x"', "back\\slash", "# no comment", "x # y", '\\\\" ,#', "ü", "a" * 255, "c:\\new\\table"]
LAB: dict[str, t.Any] = {
    "name": "lab",
    "bridge": {"name": "virbr0", "mtu": 1400},
    "forward": {"mode": "nat"},
    "domain": {"name": "lab.example", "local_only": True},
    "dns": {
        "forward_plain_names": False,
        "forwarders": [{"addr": "198.51.100.2"}, {"domain": "corp.example", "addr": "198.51.100.3"}],
        "hosts": [{"ip": "10.1.0.1", "hostnames": ["gateway", "ntp"]}, {"ip": "fd00:1::1", "hostnames": ["gateway"]}],
        "srv": [
            {"service": "ldap", "protocol": "tcp", "domain": "lab.example", "target": "gateway.lab.example", "port": 389, "priority": 0, "weight": 5},
            {"service": "gone", "protocol": "tcp", "target": "."},
        ],
        "txt": [*({"name": f"t{number}.lab.example", "value": text} for number, text in enumerate(NASTY)), {"name": "two.lab.example", "value": ["a, b", "c"]}],
        "cnames": [{"name": "www.lab.example", "target": "gateway.lab.example"}],
    },
    "ips": [
        {
            "address": "10.1.0.1/24",
            "local_ptr": True,
            "tftp": {"root": "/srv/tftp, 1"},
            "dhcp": {
                "ranges": [
                    {"start": "10.1.0.100", "end": "10.1.0.109", "lease": {"expiry": 1, "unit": "hours"}},
                    {"start": "10.1.0.200", "end": "10.1.0.209", "lease": {"expiry": 1, "unit": "hours"}},
                ],
                "hosts": [
                    {
                        "mac": "52:54:00:00:01:10",
                        "name": "web",
                        "ip": "10.1.0.10",
                        "options": [{"option": "router"}, {"option": "ntp-server", "value": "10.1.0.9"}],
                    },
                    {"id": "01:aa:bb:cc", "ip": "10.1.0.11", "lease": {"expiry": 0}},
                    {"name": "named", "ip": "10.1.0.12"},
                ],
                "options": [{"option": 42, "value": ["10.1.0.1", "10.1.0.2"]}, {"option": 251, "value": 'http://x/"a, b"#c', "force": True}],
                "bootp": {"file": "px,e.0", "server": "10.1.0.2"},
            },
        },
        {
            "address": "fd00:1::1/64",
            "dhcp": {
                "ranges": [{"start": "fd00:1::100", "end": "fd00:1::1ff"}],
                "hosts": [{"id": "0:3:0:1:52:54:0:0:1:10", "name": "web", "ip": "fd00:1::10"}],
                "options": [{"option": "dns-server", "value": "fd00:1::1"}, {"option": "domain-search", "value": ["lab.example", "example"]}],
            },
        },
    ],
}
OTHER: dict[str, t.Any] = {
    "name": "other",
    "bridge": {"name": "virbr1"},
    "forward": {"mode": "none"},
    "dns": {"forwarders": [{"addr": "198.51.100.2"}]},
    "ips": [
        {"address": "10.2.0.1/24", "dhcp": {"ranges": [{"start": "10.2.0.50", "end": "10.2.0.59"}]}},
        {"address": "fd00:2::1/64"},
    ],
}
QUIET: dict[str, t.Any] = {
    "name": "quiet",
    "bridge": {"name": "virbr2"},
    "dns": {"enable": False},
    "ips": [{"address": "10.3.0.1/24", "dhcp": {"hosts": [{"mac": "52:54:00:00:03:10", "ip": "10.3.0.10"}]}}],
}
STATELESS: dict[str, t.Any] = {
    "name": "stateless",
    "bridge": {"name": "virbr3"},
    "forward": {"mode": "route"},
    "ips": [
        {
            "address": "fd00:4::1/64",
            "ra": {"mode": "stateless", "interval": 60, "lifetime": 1000, "priority": "high", "mtu": 1300},
            "dhcp": {"options": [{"option": "dns-server", "value": "fd00:4::53"}]},
        },
    ],
}
SLAAC: dict[str, t.Any] = {
    "name": "slaac",
    "bridge": {"name": "virbr4"},
    "forward": {"mode": "route"},
    "ips": [{"address": "fd00:5::1/64", "ra": {"mode": "slaac"}, "dhcp": {"ranges": [{"start": "fd00:5::100", "end": "fd00:5::1ff"}]}}],
}
# Several subnets on one bridge, each with options of its own.
CAMPUS: dict[str, t.Any] = {
    "name": "campus",
    "bridge": {"name": "virbr5"},
    "forward": {"mode": "nat"},
    "ips": [
        {"address": f"10.{number}.0.1/24", "dhcp": {"hosts": [host], "options": [{"option": "ntp-server", "value": f"10.{number}.0.9"}]}}
        for number, host in ((6, {"mac": "52:54:00:00:06:10", "ip": "10.6.0.10"}), (7, {"mac": "52:54:00:00:07:10", "ip": "10.7.0.10"}))
    ],
}
NETWORKS = [LAB, OTHER, QUIET, STATELESS, SLAAC, CAMPUS]


@pytest.fixture(scope="module")
def host() -> c.Iterator[World]:
    """All of the networks at once, and beside them a server of the outside that answers every question with 192.0.2.99, or .77 for the second."""
    world = World()
    try:
        world.run("mkdir", "-p", f"{ROOT}/srv/tftp, 1")
        world.write(f"{ROOT}/srv/tftp, 1/hello", "hello from the host")
        world.bridge("outside", "198.51.100.1/24")
        world.guest("upstream", "outside", "52:54:00:00:99:02")
        for address in ("198.51.100.2", "198.51.100.3"):
            world.run("ip", "address", "add", f"{address}/24", "dev", "eth0", where="upstream")
        for address, answer in (("198.51.100.2", "192.0.2.99"), ("198.51.100.3", "192.0.2.77")):
            argv = ["--conf-file=/dev/null", "--no-daemon", "--no-resolv", "--no-hosts", "--bind-interfaces", f"--listen-address={address}", "--pid-file"]
            world.start("dnsmasq", *argv, f"--address=/#/{answer}", where="upstream")
        for network in NETWORKS:
            world.bridge(network["bridge"]["name"], *(ip["address"] for ip in network["ips"]))
        world.networks(NETWORKS)
        yield world
    finally:
        world.close()


def guest(host: World, network: dict[str, t.Any], number: int, name: str = "") -> str:
    """A guest of a network by a number, which its MAC address ends in."""
    bridge = network["bridge"]["name"]
    name = name or f"{network['name']}{number}"
    if name not in host.run("ip", "netns", "list").split():
        subnet = re.search(r"\d+", network["ips"][0]["address"].removeprefix("fd00:").removeprefix("10."))
        assert subnet
        host.guest(name, bridge, f"52:54:00:00:{int(subnet[0]):02d}:{number:02d}")
    return name


@pytest.fixture
def fixed(host: World) -> str:
    """A guest of the network lab with an address that it gave itself."""
    name = guest(host, LAB, 90)
    host.run("ip", "address", "replace", "10.1.0.90/24", "dev", "eth0", where=name)
    host.run("ip", "address", "replace", "fd00:1::90/64", "dev", "eth0", where=name)
    return name


def checked(world: World, definitions: list[dict[str, t.Any]]) -> None:
    """The program's own check of the files of networks. It does not look at static hosts, so they stand as directives here."""
    for texts in files(definitions).values():
        conf, _hosts, hostsfile = texts.values()
        lines = conf + "".join(f"dhcp-host={line}\n" for line in hostsfile.splitlines())
        assert world.run("dnsmasq", "--test", "-C", "/dev/stdin", data=lines, check=False) == "dnsmasq: syntax check OK.\n", lines


@pytest.fixture(scope="module")
def bare() -> c.Iterator[World]:
    world = World()
    yield world
    world.close()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_examples_pass_the_programs_own_check(bare: World, example: pathlib.Path) -> None:
    class Loader(yaml.SafeLoader):
        yaml_constructors: t.ClassVar = {**yaml.SafeLoader.yaml_constructors, "!unsafe": yaml.SafeLoader.construct_yaml_str}

    checked(bare, yaml.load(example.read_text(), Loader=Loader)["pfnet_networks"])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(definition=definitions())
def test_what_the_spec_takes_passes_the_programs_own_check(bare: World, definition: dict[str, t.Any]) -> None:
    definition.get("firewall", {}).pop("peers", None)
    checked(bare, [definition])


def test_a_lease_from_a_range_and_its_renewal(host: World) -> None:
    name = guest(host, LAB, 20)
    told = host.dhcp(name, "-x", "hostname:db", "-O", "ntpsrv", "-O", "mtu", "-O", "251")
    pool = [f"10.1.0.{number}" for number in (*range(100, 110), *range(200, 210))]
    assert told["ip"] in pool
    assert {key: told.get(key) for key in ("subnet", "router", "dns", "domain", "lease", "serverid", "ntpsrv", "mtu", "boot_file", "siaddr")} == {
        "subnet": "255.255.255.0",
        "router": "10.1.0.1",
        "dns": "10.1.0.1",
        "domain": "lab.example",
        "lease": "3600",
        "serverid": "10.1.0.1",
        "ntpsrv": "10.1.0.1 10.1.0.2",
        "mtu": "1400",
        "boot_file": "px,e.0",
        "siaddr": "10.1.0.2",
    }
    assert bytes.fromhex(told["opt251"]).decode() == 'http://x/"a, b"#c'
    assert host.renew(name)["ip"] == told["ip"]
    assert host.ask(name, "10.1.0.1", "A", "db.lab.example") == [told["ip"]]
    (lease,) = [lease for lease in host.leases("lab") if lease[1] == "52:54:00:00:01:20"]
    assert lease[2:4] == [told["ip"], "db"]


def test_static_hosts(host: World) -> None:
    told = host.dhcp(guest(host, LAB, 10), "-O", "ntpsrv")
    assert (told["ip"], told.get("router"), told["ntpsrv"], told["hostname"]) == ("10.1.0.10", None, "10.1.0.9", "web")
    told = host.dhcp(guest(host, LAB, 21), "-x", "61:01aabbcc")
    assert (told["ip"], int(told["lease"])) == ("10.1.0.11", 0xFFFFFFFF)
    assert host.dhcp(guest(host, LAB, 22), "-x", "hostname:named")["ip"] == "10.1.0.12"


def test_two_networks_do_not_mix(host: World) -> None:
    told = host.dhcp(guest(host, OTHER, 10))
    assert ipaddress.ip_address(told["ip"]) in ipaddress.ip_network("10.2.0.0/24")
    # An isolated network has no router, and is told so.
    assert (told["serverid"], told["dns"], told.get("router")) == ("10.2.0.1", "10.2.0.1", None)
    assert host.renew(guest(host, OTHER, 10))["serverid"] == "10.2.0.1"
    assert all(lease[2].startswith(("10.2.", "fd00:2:")) for lease in host.leases("other") if lease[0] != "duid")


def test_without_dns(host: World) -> None:
    name = guest(host, QUIET, 10)
    told = host.dhcp(name)
    assert (told["ip"], told.get("dns")) == ("10.3.0.10", None)
    assert "connection refused" in host.run("dig", "+time=1", "+tries=1", "@10.3.0.1", "x", where=name, check=False)


def test_subnets_have_options_of_their_own(host: World) -> None:
    for number in (6, 7):
        name = f"campus{number}"
        host.guest(name, "virbr5", f"52:54:00:00:0{number}:10")
        told = host.dhcp(name, "-O", "ntpsrv")
        assert (told["ip"], told["ntpsrv"]) == (f"10.{number}.0.10", f"10.{number}.0.9")


@pytest.mark.parametrize(
    ("kind", "name", "answers"),
    [
        ("A", "gateway.lab.example", ["10.1.0.1"]),
        ("AAAA", "gateway.lab.example", ["fd00:1::1"]),
        ("A", "ntp", ["10.1.0.1"]),
        ("CNAME", "www.lab.example", ["gateway.lab.example."]),
        ("A", "www.lab.example", ["gateway.lab.example.", "10.1.0.1"]),
        ("SRV", "_ldap._tcp.lab.example", ["0 5 389 gateway.lab.example."]),
        ("SRV", "_gone._tcp.lab.example", ["0 0 1 ."]),
        ("TXT", "two.lab.example", ['"a, b" "c"']),
        ("PTR", "1.0.1.10.in-addr.arpa", ["gateway.lab.example."]),
        # local_only, local_ptr and forward_plain_names keep these in.
        ("A", "unknown.lab.example", []),
        ("PTR", "77.0.1.10.in-addr.arpa", []),
        ("A", "printer", []),
        # The rest is asked outside, of one domain somewhere else.
        ("A", "www.example.org", ["192.0.2.99"]),
        ("A", "www.corp.example", ["192.0.2.77"]),
    ],
)
def test_names(host: World, fixed: str, kind: str, name: str, answers: list[str]) -> None:
    assert host.ask(fixed, "10.1.0.1", kind, name) == answers
    assert host.ask(fixed, "fd00:1::1", kind, name) == answers


def test_plain_names_are_asked_elsewhere_unless_it_says_no(host: World) -> None:
    name = guest(host, OTHER, 91)
    host.run("ip", "address", "replace", "10.2.0.91/24", "dev", "eth0", where=name)
    assert host.ask(name, "10.2.0.1", "A", "printer") == ["192.0.2.99"]


@pytest.mark.parametrize("number", range(len(NASTY)))
def test_texts_arrive_as_they_were_written(host: World, fixed: str, number: int) -> None:
    (answer,) = host.ask(fixed, "10.1.0.1", "TXT", f"t{number}.lab.example")
    unescaped = re.sub(rb"\\(\d{3}|.)", lambda found: bytes([int(found[1])]) if len(found[1]) == 3 else found[1], answer.encode()[1:-1])
    assert unescaped.decode() == NASTY[number]


def test_files_by_tftp(host: World, fixed: str) -> None:
    assert host.run(sys.executable, "-c", TFTP, "10.1.0.1", "hello", where=fixed) == "hello from the host\n"


def test_hosts_files_are_read_again(host: World) -> None:
    # Leases of all kinds are there when it reads them.
    names = [guest(host, LAB, number) for number in (10, 24, 25)]
    for name in names[:2]:
        host.dhcp(name)
    added = {layout.dnsmasq_hosts("lab"): "10.1.0.77\tlater\n", layout.dnsmasq_hostsfile("lab"): "52:54:00:00:01:25,10.1.0.25\n"}
    for path, line in added.items():
        host.write(f"{ROOT}{path}", host.read(f"{ROOT}{path}") + line)
    for _again in range(2):
        host.reload("lab")
        wait_for("the new name", lambda: host.ask(names[0], "10.1.0.1", "A", "later") == ["10.1.0.77"])
    assert host.dhcp(names[2])["ip"] == "10.1.0.25"


def advertised(host: World, name: str) -> str:
    """What a router advertisement says, as rdisc6 prints it, in one line each."""
    # It is asked for with the guest's link-local address, which is tentative for a moment.
    wait_for(
        f"an address of {name} to ask with",
        lambda: re.search(r"inet6 fe80::(?!.*tentative)", host.run("ip", "-6", "-o", "address", "show", "eth0", where=name)),
    )
    return host.run("rdisc6", "-1", "-w", "3000", "-r", "5", "eth0", where=name)


def has(text: str, *fields: str) -> bool:
    """Whether fields of an advertisement are there, each "name: value" whatever lies between."""
    return all(re.search(rf"{re.escape(name)}\s*:\s*(0x\S+ \()?{re.escape(value)}", text) for name, value in (field.split(": ", 1) for field in fields))


def own_address(host: World, name: str, prefix: str) -> str:
    """An address that a guest made itself of an advertised prefix."""
    found = wait_for(
        f"an address of {prefix}", lambda: re.search(rf"inet6 ({prefix}\S+)/64 .*dynamic", host.run("ip", "-6", "-o", "address", "show", "eth0", where=name))
    )
    return t.cast("re.Match[str]", found)[1]


def test_stateful(host: World) -> None:
    name = guest(host, LAB, 10)
    told = host.dhcp6(name, "-D", "LL")
    assert (told["new_ip6_address"], told["new_dhcp6_name_servers"]) == ("fd00:1::10", "fd00:1::1")
    assert told["new_dhcp6_domain_search"] == "lab.example. example."
    text = advertised(host, name)
    assert has(text, "Stateful address conf.: Yes", "Stateful other conf.: Yes", "Autonomous address conf.: No", "Recursive DNS server: fd00:1::1")
    assert host.ask(name, "fd00:1::1", "AAAA", "web.lab.example") == ["fd00:1::10"]
    other = guest(host, LAB, 23)
    assert ipaddress.ip_address(host.dhcp6(other)["new_ip6_address"]) in ipaddress.ip_network("fd00:1::100/120")


def test_ra_only(host: World) -> None:
    name = guest(host, OTHER, 12)
    text = advertised(host, name)
    # Isolated: no router to the world.
    assert has(text, "Stateful address conf.: No", "Autonomous address conf.: Yes", "Prefix: fd00:2::/64", "Router lifetime: 0")
    assert own_address(host, name, "fd00:2::")
    assert "default" not in host.run("ip", "-6", "route", where=name)
    # Guests are told of the host's link-local address for names.
    (server,) = re.findall(r"Recursive DNS server\s*: (\S+)", text)
    assert ipaddress.ip_address(server).is_link_local
    assert host.ask(name, f"{server}%eth0", "A", "printer") == ["192.0.2.99"]


def test_stateless(host: World) -> None:
    name = guest(host, STATELESS, 10)
    text = advertised(host, name)
    assert has(text, "Stateful address conf.: No", "Stateful other conf.: Yes", "Autonomous address conf.: Yes", "Router lifetime: 1000", "MTU: 1300")
    assert has(text, "Router preference: high", "Recursive DNS server: fd00:4::53")
    assert own_address(host, name, "fd00:4::")
    assert "default via fe80:" in host.run("ip", "-6", "route", where=name)
    assert host.dhcp6(name, "-S")["new_dhcp6_name_servers"] == "fd00:4::53"


def test_slaac(host: World) -> None:
    name = guest(host, SLAAC, 10)
    assert has(advertised(host, name), "Stateful address conf.: Yes", "Autonomous address conf.: Yes")
    assert own_address(host, name, "fd00:5::")
    assert ipaddress.ip_address(host.dhcp6(name)["new_ip6_address"]) in ipaddress.ip_network("fd00:5::100/120")


def test_a_world_leaves_nothing_behind() -> None:
    world = World()
    world.bridge("virbr0", "10.1.0.1/24")
    sleeper = world.start("sleep", "1000")
    namespace = pathlib.Path(f"/proc/{world._pid}/ns/net").readlink()
    world.close()
    assert sleeper.returncode is not None
    alive = {link.readlink() for link in pathlib.Path("/proc").glob("[0-9]*/ns/net") if link.is_symlink()}
    assert namespace not in alive
    assert not pathlib.Path(world_module.ROOT).exists()
