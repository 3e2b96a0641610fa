# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs of the molecule scenario freebsd, as far as they run without a FreeBSD host."""

from __future__ import annotations

import importlib.util
import ipaddress
import json
import os
import socket
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
SCENARIO = ROOT / "extensions/molecule/freebsd"


def load(name: str, file: Path) -> t.Any:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


packets = load("freebsd_packets", SCENARIO / "packets.py")
hosts = load("freebsd_hosts", SCENARIO / "inventory/hosts.py")


# The inventory


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ("192.0.2.1", {"ansible_host": "192.0.2.1", "ansible_user": "root", "ansible_become": False}),
        ("root@host:2222", {"ansible_host": "host", "ansible_user": "root", "ansible_become": False, "ansible_port": 2222}),
        ("me@[fd00::1]:22", {"ansible_host": "fd00::1", "ansible_user": "me", "ansible_become": True, "ansible_port": 22}),
        ("me@[fd00::1]", {"ansible_host": "fd00::1", "ansible_user": "me", "ansible_become": True}),
        ("fd00::1", {"ansible_host": "fd00::1", "ansible_user": "root", "ansible_become": False}),
    ],
)
def test_host(login: str, expected: dict[str, t.Any]) -> None:
    assert hosts.parse(login) == expected


@pytest.mark.parametrize("login", ["", "me@", "host:ssh", "[fd00::1", "[fd00::1]22"])
def test_no_host(login: str) -> None:
    with pytest.raises(ValueError, match="PFNET_HOST: found"):
        hosts.parse(login)


def inventory(**environment: str) -> t.Any:
    done = subprocess.run([SCENARIO / "inventory/hosts.py"], env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_without_host_or_image_there_is_nothing_to_run_on(tmp_path: Path) -> None:
    assert inventory(MOLECULE_EPHEMERAL_DIRECTORY=str(tmp_path)) == {"_meta": {"hostvars": {}}, "hypervisors": {"hosts": []}}


def test_the_host_that_is_named_comes_before_the_machine_that_was_booted(tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text(json.dumps({"ansible_host": "127.0.0.1", "ansible_port": 40000, "ansible_user": "root"}))
    booted = inventory(MOLECULE_EPHEMERAL_DIRECTORY=str(tmp_path), PFNET_SLOW="2.5")["_meta"]["hostvars"]["freebsd"]
    assert (booted["ansible_port"], booted["pfnet_slow"], booted["ansible_ssh_timeout"]) == (40000, 2.5, 75)
    named = inventory(MOLECULE_EPHEMERAL_DIRECTORY=str(tmp_path), PFNET_HOST="me@192.0.2.1", PFNET_KEY="/key")["_meta"]["hostvars"]["freebsd"]
    assert (named["ansible_host"], named["ansible_ssh_private_key_file"], named["ansible_become"]) == ("192.0.2.1", "/key", True)


# The cases


def networks() -> dict[str, t.Any]:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!unsafe", lambda _loader, node: node.value)
    files = sorted((ROOT / "examples").glob("*.yml"))
    return {network["name"]: network for file in files for network in yaml.load(file.read_text(), Loader)["pfnet_networks"]}


def test_every_network_of_every_example_has_a_guest_that_sends_something() -> None:
    having = {packets.GUESTS[case.source.partition("@")[0]].network for case in packets.CASES if case.source.partition("@")[0] in packets.GUESTS}
    assert set(networks()) - having == set()


def test_guests_are_in_their_networks() -> None:
    defined = networks()
    for guest in packets.GUESTS.values():
        ips = defined[guest.network].get("ips", [])
        gateways = [str(ipaddress.ip_interface(ip["address"].partition("/")[0])) for ip in ips] if ips else []
        for gateway in guest.gateways if ips else ():
            assert any(gateway == listed.partition("/")[0] for listed in gateways), guest.name
        subnets = [
            ipaddress.ip_interface(f"{ip['address'].partition('/')[0]}/{ip.get('prefix') or ip.get('netmask') or ip['address'].partition('/')[2]}").network
            for ip in ips
        ]
        for address in guest.addresses if ips else ():
            assert ipaddress.ip_interface(address).network in subnets, guest.name


def test_guests_have_names_addresses_and_interfaces_of_their_own() -> None:
    guests = packets.GUESTS.values()
    for values in ([guest.inside for guest in guests], [address for guest in guests for address in (*guest.addresses, *guest.extra)]):
        assert len(values) == len(set(values))
    assert len(packets.CASES) == len(set(packets.CASES))


@pytest.mark.parametrize("case", packets.CASES, ids=lambda case: f"{case.source}-{case.probe}-{case.target}")
def test_case_can_be_tried(case: t.Any) -> None:
    sender, source = packets.source_of(case)
    assert sender in {*packets.GUESTS, "host", "internet"}
    assert source is None or ipaddress.ip_address(source)
    if case.probe != "dhcp":
        to, port = packets.resolve_target(case.target)
        assert ipaddress.ip_address(to)
        assert bool(port) == (case.probe in ("tcp", "udp"))
    assert case.open
    assert case.deny


def test_both_main_rulesets_are_tried_with_both_outcomes() -> None:
    for ruleset in ("open", "deny"):
        outcomes = [case.expected(ruleset) for case in packets.CASES]
        assert len(outcomes) - outcomes.count("silence") > 40
        assert outcomes.count("silence") > 40


# Agents and probes, on this machine's loopback interface


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    """Ports that nobody has."""
    found = []
    for _number in range(2):
        with socket.create_server(("127.0.0.1", 0)) as server:
            found.append(server.getsockname()[1])
    return found[0], found[1]


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory, ports: tuple[int, int]) -> t.Iterator[str]:
    """An agent named `blue-1` that serves on the first of the ports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packets, "RUN", tmp_path_factory.mktemp("run"))
        patch.setattr(packets, "TCP_PORTS", ports[:1])
        patch.setattr(packets, "UDP_PORTS", ports[:1])
        threading.Thread(target=packets.serve, args=["blue-1"], daemon=True).start()
        packets.wait_for_agent("blue-1")
        packets.ask("blue-1", "listen", addresses=["127.0.0.1"])
        yield "blue-1"


def test_servers_say_who_they_see(agent: str, ports: tuple[int, int]) -> None:
    said = packets.ask(agent, "tcp", to="127.0.0.1", port=ports[0], source="127.0.0.1", source_port=0, timeout=5)
    assert (json.loads(said)["name"], json.loads(said)["peer"]) == ("blue-1", "127.0.0.1")
    said = packets.ask("host", "udp", to="127.0.0.1", port=ports[0], source=None, source_port=ports[1], timeout=5, token="word")
    assert json.loads(said) == {"name": "blue-1", "peer": "127.0.0.1", "port": ports[1]}
    assert packets.ask(agent, "heard", token="word")
    assert not packets.ask(agent, "heard", token="another")


def test_nobody_there(agent: str, ports: tuple[int, int]) -> None:
    asked = {"to": "127.0.0.1", "port": ports[1], "source": None, "source_port": 0, "timeout": 1}
    assert packets.ask(agent, "tcp", **asked) == "refused"
    assert packets.ask(agent, "udp", **asked, token="word") == "silence"
    assert packets.ask("host", "dns", to="127.0.0.1", name="example.test", timeout=0.2) == "silence"


def test_commands(agent: str) -> None:
    assert packets.ask(agent, "run", argv=["sh", "-c", "echo out; exit 3"], timeout=10) == {"rc": 3, "output": "out\n"}
    assert packets.ask(agent, "run", argv=["sleep", "60"], timeout=0.2)["rc"] is None
    with pytest.raises(RuntimeError, match="blue-1: FileNotFoundError"):
        packets.ask(agent, "run", argv=["no-such-command"], timeout=1)


# States, and before and after


def test_states_of_guests_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "all tcp 10.0.2.15:22 <- 10.0.2.2:40000       ESTABLISHED:ESTABLISHED",
        "all tcp 203.0.113.10:51000 (10.10.1.91:51000) -> 198.51.100.7:80       ESTABLISHED:ESTABLISHED",
        "all tcp 198.51.100.7:80 <- 203.0.113.10:51000       ESTABLISHED:ESTABLISHED",
        "all icmp 10.20.1.22:8 <- 198.51.100.7:8       0:0",
        "all tcp fd00:40:1::2[1024] -> 2001:db8:e::7[80]       SYN_SENT:CLOSED",
        "all tcp 2001:db8:f::10[443] <- 2001:db8:e::7[80]       SYN_SENT:CLOSED",
    ]
    monkeypatch.setattr(packets, "command", lambda *argv, **more: subprocess.CompletedProcess(argv, 0, "\n".join(lines), ""))
    assert packets.states() == [lines[1], lines[3], lines[4]]


def test_differences_are_named() -> None:
    before = {"files": {"/etc/pf.conf": "100644 0:0 aa", "/etc/rc.conf": "100644 0:0 bb"}, "interfaces": ["em0"]}
    after = {"files": {"/etc/pf.conf": "100644 0:0 cc", "/etc/rc.conf": "100644 0:0 bb", "/etc/new": "100644 0:0 dd"}, "interfaces": ["em0"]}
    assert list(packets.differences(before, before)) == []
    assert list(packets.differences(before, after)) == [
        "files /etc/new: None has become '100644 0:0 dd'",
        "files /etc/pf.conf: '100644 0:0 aa' has become '100644 0:0 cc'",
    ]
