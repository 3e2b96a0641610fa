# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests and an internet made of vnet jails on a FreeBSD host, and packets between them: who gets through to whom.

Runs on the host as root, from Python 3.9 on, with the base system alone. The playbooks of this scenario copy it there; by hand:

  packets.py up                        make the internet and the guests
  packets.py run --ruleset open|deny   try every case; prints a line each, exits 1 if any is not as expected
  packets.py hold                      open connections that stay, for what becomes of their states
  packets.py states                    exit 1 if pf has a state of an address of the networks
  packets.py down                      remove the guests and the internet
  packets.py snapshot FILE             what of the host the collection could have changed, as JSON
  packets.py compare FILE              exit 1 if that has changed since

All addresses of the outside are of the ranges for documentation, and lie behind one end of an epair(4): nothing leaves the host.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import ctypes
import dataclasses
import errno
import functools
import hashlib
import ipaddress
import json
import os
import re
import secrets
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

RUN = Path("/var/run/pfnet-packets")
DEFINITIONS = Path("/usr/local/etc/pfnet/networks")
DNSMASQ = Path("/usr/local/sbin/dnsmasq")
PREFIX = "pfnet-"  # of the jails' names

# Where the host is: the scenario's prepare.yml sets it up.
EGRESS = "ext0"
HOST4, HOST6 = "203.0.113.10", "2001:db8:f::10"
# The internet's end of each epair whose other end is the host's, and the addresses there.
UPLINKS = {"epair900b": ["203.0.113.2/24", "2001:db8:f::2/64"], "epair901b": ["10.20.4.1/24"]}
# Addresses further away, by the names that cases use.
WORLD = {
    "peer": "203.0.113.2",
    "world": "198.51.100.7",
    "stranger": "192.0.2.99",
    "resolver": "192.0.2.53",
    "elsewhere": "10.77.0.7",
    "peer6": "2001:db8:f::2",
    "world6": "2001:db8:e::7",
    "router": "10.20.4.1",
}
FAR = ["198.51.100.7/32", "192.0.2.99/32", "192.0.2.53/32", "10.77.0.7/32", "2001:db8:e::7/128"]
POOL = ipaddress.ip_network("203.0.113.32/29")
TCP_PORTS = (22, 25, 53, 80, 443, 8005, 9005)
UDP_PORTS = (22, 53, 80, 9005)
VERSION = "version.bind"


@dataclasses.dataclass(frozen=True)
class Guest:
    """A guest: its network, its addresses with prefix length where it gets none by DHCP, and its part of an epair's unit, unique among guests."""

    name: str
    network: str
    unit: int
    addresses: tuple[str, ...]
    gateways: tuple[str, ...] = ()
    mac: str = ""
    dhcp: bool = False
    extra: tuple[str, ...] = ()  # addresses that it has on lo0
    member: bool = True  # whether its epair is for us to make and to attach

    @property
    def inside(self) -> str:
        return f"epair{self.unit}b"


def _guests() -> dict[str, Guest]:
    rows: list[tuple[str, str, list[str], list[str], dict[str, t.Any]]] = [
        ("default-1", "default", ["192.168.122.91/24"], ["192.168.122.1"], {"dhcp": True}),
        ("default-2", "default", ["192.168.122.92/24"], ["192.168.122.1"], {"dhcp": True}),
        ("natnet-1", "natnet", ["10.0.100.91/24"], ["10.0.100.1"], {"dhcp": True}),
        ("blue-1", "blue", ["10.10.1.91/24"], ["10.10.1.1"], {"dhcp": True}),
        ("blue-2", "blue", ["10.10.1.92/24"], ["10.10.1.1"], {"dhcp": True}),
        ("green-1", "green", ["10.10.2.91/24"], ["10.10.2.1"], {}),
        ("routed-1", "routed", ["10.20.1.22/24"], ["10.20.1.1"], {}),
        ("open-1", "open", ["10.20.2.2/24"], ["10.20.2.1"], {}),
        ("isolated-1", "isolated", ["10.20.3.11/24"], ["10.20.3.1"], {"dhcp": True}),
        ("isolated-2", "isolated", ["10.20.3.12/24"], ["10.20.3.1"], {"dhcp": True}),
        ("lan-1", "lan", ["10.20.4.2/24"], ["10.20.4.1"], {}),
        ("pool-1", "pool", ["10.30.1.2/24"], ["10.30.1.1"], {}),
        ("voice-1", "voice", ["10.30.2.2/24"], ["10.30.2.1"], {}),
        ("nat66-1", "nat66", ["10.40.1.2/24", "fd00:40:1::2/64"], ["10.40.1.1", "fd00:40:1::1"], {}),
        ("dual-1", "dual", ["10.40.2.2/24", "2001:db8:40:2::2/64"], ["10.40.2.1", "2001:db8:40:2::1"], {}),
        ("six-1", "six", ["2001:db8:40:3::2/64"], ["2001:db8:40:3::1"], {}),
        ("campus-1", "campus", ["10.50.1.11/24"], ["10.50.1.1"], {"dhcp": True}),
        ("campus-2", "campus", ["10.50.2.11/24"], ["10.50.2.1"], {}),
        ("servers-1", "servers", ["10.60.1.22/24", "fd00:60:1::80/64"], ["10.60.1.1", "fd00:60:1::1"], {}),
        ("servers-2", "servers", ["10.60.1.80/24"], ["10.60.1.1"], {}),
        ("servers-3", "servers", ["10.60.1.53/24"], ["10.60.1.1"], {}),
        ("office-1", "office", ["10.70.1.11/24"], ["10.70.1.1"], {"dhcp": True}),
        ("database-1", "database", ["10.70.2.2/24"], ["10.70.2.1"], {}),
        ("database-2", "database", ["10.70.2.3/24"], ["10.70.2.1"], {}),
        ("kiosk-1", "kiosk", ["10.70.3.2/24"], ["10.70.3.1"], {}),
        ("named-1", "named-by-host", ["10.80.1.2/24"], ["10.80.1.1"], {}),
        ("storage-1", "storage", ["10.80.2.2/24"], ["10.80.2.1"], {"unit": 902, "member": False}),
        ("storage-2", "storage", ["10.80.2.3/24"], ["10.80.2.1"], {"unit": 903, "member": False}),
        ("transit-1", "transit", ["10.90.1.2/24", "fd00:90:1::2/64"], ["10.90.1.1", "fd00:90:1::1"], {"extra": ("10.91.0.5/32", "fd00:91::5/128")}),
        ("lab-1", "lab", ["10.100.1.10/24"], ["10.100.1.1"], {"dhcp": True, "mac": "52:54:00:00:01:10"}),
        ("custom-1", "custom", ["10.110.1.2/24"], ["10.110.1.1"], {}),
    ]
    guests = [
        Guest(name, network, more.pop("unit", 910 + number), tuple(addresses), tuple(gateways), **more)
        for number, (name, network, addresses, gateways, more) in enumerate(rows)
    ]
    return {guest.name: guest for guest in guests}


GUESTS = _guests()


# The cases


@dataclasses.dataclass(frozen=True)
class Case:
    """From a jail (or `host`) to an address or name, by a probe; what is seen under a main ruleset that is open, and under one that denies by default.

    `source` is FROM or FROM@ADDRESS; `target` is TO or TO:PORT, TO being a name of WORLD, a guest, NETWORK.gateway, `host`, or an address.
    """

    what: str
    source: str
    probe: str
    target: str
    open: str
    deny: str

    def expected(self, ruleset: str) -> str:
        return self.open if ruleset == "open" else self.deny


def _cases() -> list[Case]:
    """The rows: source, probe, target, under an open main ruleset, and under one that denies by default where that differs."""
    groups: dict[str, list[tuple[str, ...]]] = {
        "seed's networks, libvirt's rules": [
            ("default-1", "dhcp", "", "lease", "no lease"),
            ("default-2", "dhcp", "", "lease", "no lease"),
            ("natnet-1", "dhcp", "", "lease", "no lease"),
            ("default-1", "ping", "world", "answer", "silence"),
            ("default-1", "tcp", "world:80", "internet sees host", "silence"),
            ("natnet-1", "ping", "world", "answer", "silence"),
            ("natnet-1", "tcp", "world:80", "internet sees host", "silence"),
            ("default-1", "ping", "default-2", "answer"),
            ("default-1", "multicast", "224.0.0.1", "default-2"),
            ("host", "broadcast", "192.168.122.255", "default-1 default-2"),
            ("default-1", "ping", "default.gateway", "answer"),
            ("default-1", "dns", "default.gateway", "answer"),
            ("host", "ping", "default-1", "answer"),
            ("default-1", "ping", "natnet-1", "answer", "silence"),
            ("default-1", "ping", "natnet.gateway", "answer", "silence"),
            ("default-1", "ping", "host", "answer", "silence"),
            ("peer", "ping", "default-1", "answer", "silence"),
            ("default-1", "ping", "blue-1", "silence"),
            # Who comes from a strict network is stopped by nobody here either
            ("blue-1", "ping", "default-1", "answer", "silence"),
        ],
        "strict rules": [
            ("blue-1", "dhcp", "", "lease"),
            ("blue-2", "dhcp", "", "lease"),
            ("blue-1", "ping", "world", "answer"),
            ("blue-1", "tcp", "world:80", "internet sees host"),
            ("blue-1", "udp", "world:80", "internet sees host"),
            ("blue-1", "ping", "blue-2", "answer"),
            ("blue-1", "tcp", "blue-2:80", "blue-2 sees itself"),
            ("blue-1", "multicast", "224.0.0.1", "blue-2"),
            ("host", "broadcast", "10.10.1.255", "blue-1 blue-2"),
            ("blue-1", "ping", "blue.gateway", "answer"),
            ("blue-1", "dns", "blue.gateway", "answer"),
            ("host", "ping", "blue-1", "answer"),
            ("host", "tcp", "blue-1:22", "blue-1 sees gateway"),
        ],
        "strict rules, what they stop": [
            ("blue-1", "ping", "green-1", "silence"),
            ("blue-1", "udp", "green-1:80", "silence"),
            ("green-1", "ping", "blue-1", "silence"),
            ("blue-1", "ping", "green.gateway", "silence"),
            ("blue-1", "dns", "natnet.gateway", "silence"),
            ("blue-1", "dns", "green.gateway", "silence"),
            ("blue-1", "ping", "host", "silence"),
            ("blue-1", "tcp", "host:22", "silence"),
            ("peer", "ping", "blue-1", "silence"),
            ("peer", "udp", "blue-1:80", "silence"),
            ("world", "tcp", "blue-1:22", "silence"),
            # What the host itself answers to on its outside is the main ruleset's to say
            ("peer", "ping", "blue.gateway", "answer", "silence"),
            ("blue-1@10.10.2.55", "udp", "world:80", "silence"),
            ("blue-1@192.0.2.44", "udp", "peer:80", "silence"),
            ("blue-1@10.10.2.55", "udp", "green-1:80", "silence"),
            ("blue-1@127.0.0.2", "udp", "blue.gateway:53", "silence"),
        ],
        "range of ports, pool, ports kept": [
            ("green-1", "tcp", "world:80", "internet sees host by a port of 40000-49999"),
            ("pool-1", "tcp", "world:80", "internet sees pool"),
            ("pool-1", "udp", "world:80", "internet sees pool"),
            ("world", "tcp", "pool-1:22", "silence"),
            ("voice-1", "udp", "world:80", "internet sees host by port 5060"),
            ("voice-1", "tcp", "world:80", "internet sees host by port 5060"),
        ],
        "routed": [
            ("routed-1", "ping", "world", "answer"),
            ("routed-1", "tcp", "world:80", "internet sees itself"),
            ("world", "ping", "routed-1", "answer"),
            ("world", "tcp", "routed-1:22", "routed-1 sees itself"),
            ("stranger", "tcp", "routed-1:22", "silence"),
            ("world", "tcp", "routed-1:80", "silence"),
            ("world", "udp", "routed-1:22", "silence"),
            ("world", "ping", "routed.gateway", "answer", "silence"),
            ("blue-1", "ping", "routed-1", "silence"),
            ("routed-1", "ping", "blue-1", "silence"),
            ("routed-1@10.20.9.9", "udp", "world:80", "silence"),
        ],
        "isolated": [
            ("isolated-1", "dhcp", "", "lease"),
            ("isolated-2", "dhcp", "", "lease"),
            ("isolated-1", "ping", "isolated.gateway", "answer"),
            ("isolated-1", "ping", "isolated-2", "answer"),
            ("host", "ping", "isolated-1", "answer"),
            ("isolated-1", "ping", "world", "silence"),
            ("isolated-1", "udp", "peer:80", "silence"),
            ("peer", "ping", "isolated-1", "silence"),
            ("isolated-1", "ping", "blue-1", "silence"),
            ("isolated-1", "ping", "host", "silence"),
        ],
        "open, and bridged to a LAN": [
            ("open-1", "tcp", "world:80", "internet sees itself", "silence"),
            ("world", "ping", "open-1", "answer", "silence"),
            ("lan-1", "ping", "router", "answer"),
            ("lan-1", "tcp", "router:80", "internet sees itself"),
        ],
        "IPv6": [
            ("nat66-1", "ping", "world6", "answer"),
            ("nat66-1", "tcp", "world6:80", "internet sees host"),
            ("nat66-1", "tcp", "world:80", "internet sees host"),
            ("nat66-1", "ping", "nat66.gateway6", "answer"),
            ("host", "ping", "fd00:40:1::2", "answer"),
            ("nat66-1", "ping", "host6", "silence"),
            ("peer6", "ping", "fd00:40:1::2", "silence"),
            ("world6", "tcp", "[fd00:40:1::2]:22", "silence"),
            ("nat66-1@fd00:40:9::9", "udp", "world6:80", "silence"),
            ("nat66-1", "ping", "six-1", "silence"),
            ("nat66-1", "ping", "dual.gateway6", "silence"),
            ("dual-1", "tcp", "world6:80", "internet sees itself"),
            ("dual-1", "tcp", "world:80", "internet sees host"),
            ("world6", "ping", "2001:db8:40:2::2", "silence"),
            ("six-1", "tcp", "world6:80", "internet sees itself"),
            ("world6", "ping", "six-1", "answer"),
            ("world6", "tcp", "six-1:22", "silence"),
        ],
        "port forwards": [
            ("world", "tcp", "host:2222", "servers-1 sees itself"),
            ("stranger", "tcp", "host:2222", "servers-1 sees itself"),
            ("servers-2", "tcp", "host:2222", "servers-1 sees gateway"),
            ("servers-1", "tcp", "host:2222", "servers-1 sees gateway"),
            ("world", "tcp", "host:8005", "servers-2 sees itself"),
            ("world", "udp", "host:8005", "servers-2 sees itself"),
            ("stranger", "tcp", "host:8005", "refused", "silence"),
            ("stranger", "udp", "host:53", "servers-3 sees itself"),
            ("peer6", "tcp", "host6:443", "servers-1 sees itself"),
            ("world", "tcp", "host:2223", "refused", "silence"),
            ("world", "tcp", "servers-1:22", "silence"),
            ("blue-1", "tcp", "host:2222", "silence"),
        ],
        "lists of what is reached, closed hosts, peers": [
            ("office-1", "dhcp", "", "lease"),
            ("office-1", "tcp", "world:80", "internet sees host"),
            ("office-1", "tcp", "world:25", "silence"),
            ("office-1", "udp", "elsewhere:80", "silence"),
            ("office-1", "ping", "office.gateway", "answer"),
            ("office-1", "dns", "office.gateway", "answer"),
            ("office-1", "tcp", "office.gateway:22", "silence"),
            ("office-1", "tcp", "database-1:80", "database-1 sees itself"),
            ("database-1", "tcp", "office-1:80", "silence"),
            ("database-1", "ping", "database-2", "answer"),
            ("database-1", "ping", "database.gateway", "silence"),
            ("database-1", "udp", "world:80", "silence"),
            ("kiosk-1", "tcp", "database-1:80", "database-1 sees itself"),
            ("kiosk-1", "tcp", "world:80", "internet sees host"),
            ("kiosk-1", "tcp", "world:8005", "internet sees host"),
            ("kiosk-1", "tcp", "world:22", "silence"),
            ("kiosk-1", "ping", "world", "silence"),
            ("kiosk-1", "udp", "resolver:53", "internet sees host"),
            ("kiosk-1", "udp", "world:53", "silence"),
            ("blue-1", "tcp", "database-1:80", "silence"),
            ("custom-1", "tcp", "world:80", "internet sees host"),
            ("custom-1", "udp", "resolver:53", "silence"),
        ],
        "several subnets, networks behind a guest, isolated ports": [
            ("campus-1", "dhcp", "", "lease"),
            ("campus-1", "tcp", "campus-2:80", "campus-2 sees itself"),
            ("campus-2", "tcp", "world:80", "internet sees host"),
            ("transit-1", "tcp", "world:80", "internet sees itself"),
            ("transit-1@10.91.0.5", "tcp", "world:80", "internet sees itself"),
            ("transit-1@fd00:91::5", "tcp", "world6:80", "internet sees itself"),
            ("host", "ping", "10.91.0.5", "answer"),
            ("host", "ping", "fd00:91::5", "answer"),
            ("world", "ping", "10.91.0.5", "silence"),
            ("named-1", "tcp", "world:80", "internet sees host"),
            ("storage-1", "ping", "storage.gateway", "answer"),
            ("storage-1", "ping", "storage-2", "silence"),
        ],
        "DHCP and DNS": [
            ("lab-1", "dhcp", "", "lease of 10.100.1.10"),
            ("lab-1", "dns ntp.lab.example", "lab.gateway", "10.100.1.1"),
            ("lab-1", "dns directory.lab.example", "lab.gateway", "10.100.1.10"),
            ("lab-1", "dns nobody.lab.example", "lab.gateway", "no such name"),
        ],
    }
    return [Case(what, row[0], row[1], row[2], row[3], row[-1]) for what, rows in groups.items() for row in rows]


CASES = _cases()


# Commands


def command(*argv: str, check: bool = True, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command; its output is text. Raises RuntimeError with what it said, unless `check` is off."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: exit code {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done


# Agents: a process in each jail that does there what it is asked over a socket in RUN


class Agent:
    """What runs in a jail: servers that say who they see, and probes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: set[str] = set()
        self.held: list[socket.socket] = []
        self.bound: set[tuple[str, int]] = set()
        for port in TCP_PORTS:
            self._serve(self._tcp_server(port))

    def _serve(self, loop: t.Callable[[], None]) -> None:
        threading.Thread(target=loop, daemon=True).start()

    def _tcp_server(self, port: int) -> t.Callable[[], None]:
        server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=32)

        def loop() -> None:
            while True:
                self._serve(functools.partial(self._greet, *server.accept()))

        return loop

    def _greet(self, connection: socket.socket, peer: t.Any) -> None:
        with contextlib.suppress(OSError), connection:
            connection.sendall(self._greeting(peer))
            connection.settimeout(3600)
            connection.recv(1)  # until the other side is done, or for as long as it holds the connection

    def _greeting(self, peer: t.Any) -> bytes:
        return json.dumps({"name": self.name, "peer": peer[0].replace("::ffff:", ""), "port": peer[1]}).encode() + b"\n"

    def listen(self, addresses: list[str]) -> None:
        """Serve UDP on each of these addresses: an answer has to come from the address that was asked."""
        for address in addresses:
            for port in UDP_PORTS:
                if (address, port) in self.bound:
                    continue
                server = socket.socket(family_of(address), socket.SOCK_DGRAM)
                with contextlib.suppress(OSError):  # one that DHCP has taken away again
                    server.bind((address, port))
                    self.bound.add((address, port))
                    self._serve(self._udp_server(server))

    def _udp_server(self, server: socket.socket) -> t.Callable[[], None]:
        def loop() -> None:
            while True:
                with contextlib.suppress(OSError):
                    token, peer = server.recvfrom(2048)
                    self.heard.add(token.decode(errors="replace"))
                    server.sendto(self._greeting(peer), peer)

        return loop

    def answer(self, request: dict[str, t.Any]) -> t.Any:
        """Do what is asked: {do, ...}; anything that JSON has."""
        what = request.pop("do")
        if what == "heard":
            return request["token"] in self.heard
        if what == "listen":
            return self.listen(request["addresses"])
        if what == "hold":
            self.held.append(connect(request["to"], request["port"], None, 0, request["timeout"]))
            return None
        return PROBES[what](**request)


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        agent: Agent = self.server.agent  # type: ignore[attr-defined]
        try:
            answer = {"answer": agent.answer(json.loads(self.rfile.readline()))}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        self.wfile.write(json.dumps(answer).encode() + b"\n")


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


def serve(name: str) -> t.NoReturn:
    """Be the agent of that name until killed."""
    path = RUN / f"{name}.sock"
    path.unlink(missing_ok=True)
    server = _Server(str(path), _Handler)
    server.agent = Agent(name)  # type: ignore[attr-defined]
    server.serve_forever()
    sys.exit(0)


def start_agent(name: str, jail: str) -> None:
    """Fork a process into a jail; one that runs already was killed with its jail."""
    if os.fork():
        os.wait()
        return
    if os.fork():
        os._exit(0)
    # From here on nothing may return into the caller
    try:
        os.setsid()
        with open(os.devnull, "rb") as null, open(RUN / f"{name}.log", "wb") as log:
            os.dup2(null.fileno(), 0)
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.jail_attach(int(command("jls", "-j", jail, "jid").stdout)):
            raise OSError(ctypes.get_errno(), "jail_attach")
        serve(name)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
    finally:
        os._exit(1)


def ask(agent: str, do: str, **request: t.Any) -> t.Any:
    """What an agent answers; the host itself is asked directly."""
    if agent == "host":
        return PROBES[do](**request)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(120 * SLOW)
        connection.connect(str(RUN / f"{agent}.sock"))
        connection.sendall(json.dumps({"do": do, **request}).encode() + b"\n")
        answer = json.loads(connection.makefile().readline())
    if "error" in answer:
        raise RuntimeError(f"{agent}: {answer['error']}")
    return answer["answer"]


# Probes: what an agent does on its own side


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def connect(to: str, port: int, source: str | None, source_port: int, timeout: float) -> socket.socket:
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.socket(family_of(to)))
        connection.settimeout(timeout)
        if source or source_port:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            connection.bind((source or ("::" if ":" in to else "0.0.0.0"), source_port))
        connection.connect((to, port))
        stack.pop_all()
        return connection


def probe_run(argv: list[str], timeout: float) -> dict[str, t.Any]:
    """Run a command; killed after `timeout` seconds, its exit code is None."""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True) as process:
        try:
            output, _stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            # ping(8) prints what it has so far
            process.send_signal(signal.SIGINT)
            try:
                output, _stderr = process.communicate(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                output, _stderr = process.communicate()
            return {"rc": None, "output": output}
    return {"rc": process.returncode, "output": output}


def probe_tcp(to: str, port: int, source: str | None, source_port: int, timeout: float) -> str:
    """What the server says, or how the attempt ended."""
    try:
        with connect(to, port, source, source_port, timeout) as connection:
            return connection.makefile().readline() or "closed"
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "silence"
    except OSError as error:
        if error.errno in (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH):
            return "silence"
        return os.strerror(error.errno or 0)


def probe_udp(to: str, port: int, source: str | None, source_port: int, timeout: float, token: str) -> str:
    """What the server says, or `silence`."""
    with socket.socket(family_of(to), socket.SOCK_DGRAM) as sender:
        if source or source_port:
            sender.bind((source or ("::" if ":" in to else "0.0.0.0"), source_port))
        until = time.monotonic() + timeout
        # Twice: the first one may be lost while an address is resolved
        for _attempt in range(2):
            with contextlib.suppress(OSError):
                sender.settimeout(max(0.1, (until - time.monotonic()) / 2))
                sender.sendto(token.encode(), (to, port))
                return sender.recv(2048).decode()
            time.sleep(0.1)
        return "silence"


def probe_dns(to: str, name: str, timeout: float) -> str:
    """The address of a name, `no such name`, or that there was an answer of another kind, or none."""
    # Of its own version (TXT, class CHAOS) a server knows without asking others
    kind, network = (16, 3) if name == VERSION else (1, 1)
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + struct.pack(">BHH", 0, kind, network)
    with socket.socket(family_of(to), socket.SOCK_DGRAM) as sender:
        for attempt in range(2):
            number = secrets.randbelow(65536)
            sender.settimeout(timeout / 2)
            with contextlib.suppress(OSError):
                sender.connect((to, 53))
                sender.send(struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + question)
                reply = sender.recv(2048)
                identity, flags, _questions, answers, _authorities, _more = struct.unpack(">HHHHHH", reply[:12])
                if identity != number:
                    return "the answer to something else"
                if flags & 15 == 3:
                    return "no such name"
                return socket.inet_ntoa(reply[-4:]) if answers == 1 and kind == 1 else "answer"
            time.sleep(0.1 * attempt)
        return "silence"


PROBES: dict[str, t.Callable[..., t.Any]] = {"run": probe_run, "tcp": probe_tcp, "udp": probe_udp, "dns": probe_dns}


# The internet and the guests


def jails() -> set[str]:
    return {name for name in command("jls", "name").stdout.split() if name.startswith(PREFIX)}


def interfaces() -> set[str]:
    return set(command("ifconfig", "-l").stdout.split())


def bridge_of(network: str) -> str:
    """The bridge of a network, which its definition keeps, also where the host chose the name."""
    return t.cast(str, json.loads((DEFINITIONS / f"{network}.json").read_text())["bridge"]["name"])


def make_jail(name: str, members: t.Iterable[str]) -> None:
    """A jail with a network stack of its own, these interfaces in it, and its agent."""
    given = [f"vnet.interface={member}" for member in members]
    jail = PREFIX + name
    command("jail", "-c", f"name={jail}", "path=/", "vnet", "persist", "allow.raw_sockets", f"host.hostname={name}", *given)
    start_agent(name, jail)


def wait_for_agent(name: str) -> None:
    until = time.monotonic() + 30 * SLOW
    while True:
        try:
            ask(name, "heard", token="")
            return
        except OSError as error:
            if time.monotonic() > until:
                log = RUN / f"{name}.log"
                raise RuntimeError(f"the agent in the jail {PREFIX}{name} does not answer: {log.read_text() if log.exists() else error}") from error
            time.sleep(0.1)


def inside(name: str, *argv: str, check: bool = True) -> str:
    """Run a command in a jail; its output."""
    done = ask(name, "run", argv=list(argv), timeout=30 * SLOW)
    if check and done["rc"]:
        raise RuntimeError(f"{name}: {' '.join(argv)}: exit code {done['rc']}: {done['output'].strip()}")
    return t.cast(str, done["output"])


def add_address(name: str, interface: str, address: str) -> None:
    # `alias` also where it is the first: without, one address would replace another
    inside(name, "ifconfig", interface, "inet6" if ":" in address else "inet", address, "alias", "up")


def settle(name: str) -> None:
    """What every jail's network stack has: loopback, answers to broadcasts, and IPv6 addresses that can be used at once."""
    inside(name, "sysctl", "net.inet.icmp.bmcastecho=1", "net.inet6.ip6.dad_count=0")
    inside(name, "ifconfig", "lo0", "inet", "127.0.0.1/8", "up")


def make_internet() -> None:
    wait_for_agent("internet")
    settle("internet")
    for interface, addresses in UPLINKS.items():
        for address in addresses:
            add_address("internet", interface, address)
    for address in FAR:
        add_address("internet", "lo0", address)
    inside("internet", "route", "add", "default", HOST4)
    inside("internet", "route", "add", "-inet6", "default", HOST6)
    # Who has a pool has it routed to the host
    inside("internet", "route", "add", str(POOL), HOST4)
    ask("internet", "listen", addresses=sorted(WORLD.values()))


def make_guest(guest: Guest) -> None:
    wait_for_agent(guest.name)
    settle(guest.name)
    if guest.mac:
        inside(guest.name, "ifconfig", guest.inside, "ether", guest.mac)
    give_addresses(guest)
    for address in guest.extra:
        add_address(guest.name, "lo0", address)
    ask(guest.name, "listen", addresses=[plain(address) for address in (*guest.addresses, *guest.extra)])


def give_addresses(guest: Guest) -> None:
    for address in guest.addresses:
        add_address(guest.name, guest.inside, address)
    for gateway in guest.gateways:
        inside(guest.name, "route", "-q", "add", "-inet6" if ":" in gateway else "-inet", "default", gateway, check=False)


def plain(address: str) -> str:
    return address.partition("/")[0]


def up() -> None:
    """Make the internet and the guests anew."""
    down()
    RUN.mkdir(mode=0o700, exist_ok=True)
    (RUN / "dhclient-script").write_text(DHCLIENT_SCRIPT)
    (RUN / "dhclient-script").chmod(0o755)
    here = interfaces()
    missing = [name for name in (EGRESS, *UPLINKS, *(guest.inside for guest in GUESTS.values() if not guest.member)) if name not in here]
    if missing:
        raise SystemExit(f"packets.py: the host has no {', '.join(missing)}: the playbook prepare.yml makes them")
    make_jail("internet", UPLINKS)
    for guest in GUESTS.values():
        if guest.member:
            outside = command("ifconfig", f"epair{guest.unit}", "create").stdout.strip()
            command("ifconfig", outside, "up")
            command("ifconfig", bridge_of(guest.network), "addm", outside)
        make_jail(guest.name, [guest.inside])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = [pool.submit(make_internet), *(pool.submit(make_guest, guest) for guest in GUESTS.values())]
        for future in done:
            future.result()


def down() -> None:
    """Remove the jails and the guests' interfaces; those at the host's own ends of the internet stay."""
    # A jail that is removed keeps its interfaces for as long as connections that it had are closing
    lent = {PREFIX + "internet": [*UPLINKS], **{PREFIX + guest.name: [guest.inside] for guest in GUESTS.values() if not guest.member}}
    for name in sorted(jails()):
        for interface in lent.get(name, []):
            command("ifconfig", interface, "-vnet", name, check=False)
        command("jail", "-r", name)
    ours = {f"epair{guest.unit}a" for guest in GUESTS.values() if guest.member}
    for name in sorted(ours & interfaces()):
        command("ifconfig", name, "destroy")
    for file in RUN.glob("*"):
        file.unlink()


# DHCP, by the client of the base system, which must leave the host's resolv.conf alone

DHCLIENT_SCRIPT = f"""\
#!/bin/sh
case "$reason" in
PREINIT)
    /sbin/ifconfig "$interface" up
    ;;
BOUND | RENEW | REBIND | REBOOT)
    /sbin/ifconfig "$interface" inet "$new_ip_address" netmask "$new_subnet_mask"
    /sbin/route -q delete default
    /sbin/route -q add default "${{new_routers%% *}}"
    echo "$new_ip_address $new_routers $new_domain_name_servers" > {RUN}/"$interface".lease
    ;;
esac
exit 0
"""


def probe_lease(guest: Guest) -> str:
    """Ask for a lease anew. `lease` if it is one of the network, with the gateway as router and name server."""
    if not DNSMASQ.exists():
        return "skipped: the host has no dnsmasq"
    files = {kind: RUN / f"{guest.inside}.{kind}" for kind in ("conf", "leases", "pid", "lease")}
    wait = int(10 * SLOW)
    files["conf"].write_text(f'timeout {wait};\nretry {wait};\nselect-timeout 0;\ninitial-interval 1;\nscript "{RUN}/dhclient-script";\n')
    stop_dhclient(guest)
    for address in {*filter(None, [LEASED.pop(guest.name, "")]), *(plain(address) for address in guest.addresses if "." in address)}:
        inside(guest.name, "ifconfig", guest.inside, "inet", address, "-alias", check=False)
    for kind in ("leases", "lease"):
        files[kind].unlink(missing_ok=True)
    ask(guest.name, "run", argv=["dhclient", "-c", str(files["conf"]), "-l", str(files["leases"]), "-p", str(files["pid"]), guest.inside], timeout=wait + 10)
    stop_dhclient(guest)
    if not files["lease"].exists():
        give_addresses(guest)
        return "no lease"
    address, *rest = files["lease"].read_text().split()
    LEASED[guest.name] = address
    ask(guest.name, "listen", addresses=[address])
    network = ipaddress.ip_interface(guest.addresses[0]).network
    if ipaddress.ip_address(address) not in network or set(rest) != {guest.gateways[0]}:
        return f"lease of {address} with router and name server {' '.join(rest)}"
    return "lease" if address != plain(guest.addresses[0]) else f"lease of {address}"


def stop_dhclient(guest: Guest) -> None:
    """None is to renew a lease, or to note one, while another asks."""
    inside(guest.name, "pkill", "-x", "dhclient", check=False)
    until = time.monotonic() + 5 * SLOW
    while inside(guest.name, "pgrep", "-x", "dhclient", check=False) and time.monotonic() < until:
        time.sleep(0.1)


def leased() -> dict[str, str]:
    """The address that each guest was given last, also by an earlier run of this program."""
    files = {guest.name: RUN / f"{guest.inside}.lease" for guest in GUESTS.values()}
    return {name: file.read_text().split()[0] for name, file in files.items() if file.exists()}


LEASED: dict[str, str] = {}


# Trying a case


def address_of(name: str, like: str = "") -> str:
    """The address that a name of a case stands for; of a guest with several, one of the family of `like`."""
    if name in ("host", "host6"):
        return {"host": HOST4, "host6": HOST6}[name]
    if name in WORLD:
        return WORLD[name]
    if name in LEASED:
        return LEASED[name]
    if name in GUESTS:
        return plain(GUESTS[name].addresses[0])
    network, dot, gateway = name.partition(".gateway")
    if dot:
        gateways = next(guest.gateways for guest in GUESTS.values() if guest.network == network)
        return gateways[-1] if gateway == "6" else gateways[0]
    return str(ipaddress.ip_address(name.strip("[]")))


def resolve_target(target: str) -> tuple[str, int]:
    bracketed = re.fullmatch(r"\[(.*)\](?::(\d+))?", target)
    if bracketed:
        return bracketed[1], int(bracketed[2] or 0)
    name, colon, port = target.rpartition(":")
    if colon and port.isdigit() and ":" not in name:
        return address_of(name), int(port)
    return address_of(target), 0


def owner_of(address: str) -> str | None:
    """The agent that has an address."""
    if address in WORLD.values():
        return "internet"
    for guest in GUESTS.values():
        if address in [LEASED.get(guest.name), *map(plain, (*guest.addresses, *guest.extra))]:
            return guest.name
    return None


def source_of(case: Case) -> tuple[str, str | None]:
    """The agent that sends, and the source address where it is not left to the routing table."""
    name, at, address = case.source.partition("@")
    if name in WORLD:
        return "internet", WORLD[name]
    return name, address if at else None


def seen_as(address: str, sender: str, source: str | None) -> str:
    """Who a server has seen."""
    if address in (HOST4, HOST6):
        return "host"
    if "." in address and ipaddress.ip_address(address) in POOL:
        return "pool"
    if address == source or owner_of(address) == sender:
        return "itself"
    if any(address in guest.gateways for guest in GUESTS.values()):
        return "gateway"
    return address


def attempt(case: Case) -> str:
    """What is seen."""
    sender, source = source_of(case)
    kind, _space, argument = case.probe.partition(" ")
    if kind == "dhcp":
        return probe_lease(GUESTS[sender])
    to, port = resolve_target(case.target)
    timeout = 2.0 * SLOW
    if kind == "ping":
        done = ask(sender, "run", argv=["ping", "-n", "-o", "-c", "3", *(["-S", source] if source else []), to], timeout=timeout)
        return "answer" if done["rc"] == 0 else "silence"
    if kind in ("multicast", "broadcast"):
        done = ask(sender, "run", argv=["ping", "-n", "-c", "2", *(["-L"] if kind == "multicast" else []), to], timeout=timeout + 2)
        names = {owner_of(address) or address for address in re.findall(r"bytes from ([\d.]+):", done["output"])} - {sender}
        return " ".join(sorted(names)) or "silence"
    if kind == "dns":
        if not DNSMASQ.exists():
            return "skipped: the host has no dnsmasq"
        return t.cast(str, ask(sender, "dns", to=to, name=argument or VERSION, timeout=timeout))
    kept = re.search(r" by port (\d+)$", case.open)
    asked = {"to": to, "port": port, "source": source, "source_port": int(kept[1]) if kept else 0, "timeout": timeout}
    token = secrets.token_hex(8)
    with spoofed(case):
        said = ask(sender, kind, **asked, **({"token": token} if kind == "udp" else {}))
    if not said.startswith("{"):
        hearer = owner_of(to)
        return f"{hearer} heard it" if kind == "udp" and hearer and ask(hearer, "heard", token=token) else said
    answer = json.loads(said)
    outcome = f"{answer['name']} sees {seen_as(answer['peer'], sender, source)}"
    ports = re.search(r" by a port of (\d+)-(\d+)$", case.open)
    if ports and int(ports[1]) <= answer["port"] <= int(ports[2]):
        return outcome + ports[0]
    return f"{outcome} by port {answer['port']}" if kept or ports else outcome


@contextlib.contextmanager
def spoofed(case: Case) -> t.Iterator[None]:
    """The source address of a case, on the guest for as long as it takes."""
    name, _at, address = case.source.partition("@")
    if not address or owner_of(address):
        yield
        return
    full = f"{address}/{128 if ':' in address else 32}"
    # Some cases of a guest run at the same time; each has an address of its own
    add_address(name, GUESTS[name].inside, full)
    try:
        yield
    finally:
        inside(name, "ifconfig", GUESTS[name].inside, "inet6" if ":" in address else "inet", address, "-alias", check=False)


def judge(case: Case, ruleset: str) -> tuple[str, str, str]:
    """(verdict, expected, seen)"""
    expected = case.expected(ruleset)
    try:
        seen = attempt(case)
    except Exception as error:
        seen = f"{type(error).__name__}: {error}"
    if seen.startswith("skipped"):
        return "skip", expected, seen
    return ("ok" if seen == expected else "FAIL"), expected, seen


def forget_states() -> None:
    """Kill what was let through under other rules: a state would let it through again."""
    networks = {str(ipaddress.ip_interface(address).network) for guest in GUESTS.values() for address in guest.addresses}
    for network in sorted({*networks, "0.0.0.0/32", *(f"{address}/{128 if ':' in address else 32}" for address in WORLD.values())}):
        command("pfctl", "-k", network, check=False)


def rounds(cases: t.Sequence[Case], ruleset: str) -> list[list[Case]]:
    """The cases in three parts, each to begin when the one before has ended.

    First who is to get no lease: states of pf are not bound to an interface, so that while one guest may ask 255.255.255.255 for an address, all may.
    Then who is to get one, then all that needs an address.
    """
    parts: list[list[Case]] = [[], [], []]
    for case in cases:
        parts[2 if case.probe != "dhcp" else 0 if case.expected(ruleset) == "no lease" else 1].append(case)
    return parts


def run(ruleset: str, only: str) -> int:
    """Try the cases, several at once; the number of those that were not as expected."""
    forget_states()
    LEASED.update(leased())
    chosen = [case for case in CASES if only in f"{case.what} {case.source} {case.probe} {case.target}"]
    futures = {}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for part in rounds(chosen, ruleset):
            futures.update({case: pool.submit(judge, case, ruleset) for case in part})
            concurrent.futures.wait(futures.values())
    print(f"Main ruleset: {ruleset}")
    counted = {"ok": 0, "FAIL": 0, "skip": 0}
    group = ""
    for case in chosen:
        if case.what != group:
            group = case.what
            print(f"\n{group}\n{'':4} {'from':22} {'to':26} {'probe':12} {'expected':28} seen")
        verdict, expected, seen = futures[case].result()
        counted[verdict] += 1
        print(f"{verdict:4} {case.source:22} {case.target or '-':26} {case.probe:12} {expected:28} {seen}")
    print(f"\n{counted['ok']} as expected, {counted['FAIL']} not, {counted['skip']} skipped")
    return counted["FAIL"]


# States


def hold() -> None:
    """Open connections that stay: by NAT, between a network and the world, and by a port forward."""
    for name, to, port in (("blue-1", "world", 80), ("routed-1", "world", 80), ("nat66-1", "world6", 80), ("internet", "host", 2222)):
        ask(name, "hold", to=address_of(to), port=port, timeout=10 * SLOW)
    if not states():
        raise SystemExit("packets.py: connections were opened, and pf has no states of them")


def states() -> list[str]:
    """The lines of `pfctl -ss` that have an address of a network of the guests."""
    guests = [guest for guest in GUESTS.values() if guest.network != "lan"]
    networks = [ipaddress.ip_interface(address).network for guest in guests for address in (*guest.addresses, *guest.extra)]

    def ours(word: str) -> bool:
        address = re.sub(r"[()]|\[\d+\]$", "", word)
        address = re.sub(r":\d+$", "", address) if "." in address else address
        with contextlib.suppress(ValueError):
            found = ipaddress.ip_address(address)
            return any(found.version == network.version and found in network for network in networks)
        return False

    return [line for line in command("pfctl", "-ss").stdout.splitlines() if any(map(ours, line.split()))]


# Before and after


def snapshot() -> dict[str, t.Any]:
    """What of the host the collection could have changed: files with mode and hash, interfaces, routes, anchors, settings, processes."""
    # What programs write for themselves is nobody's change, and a folder of /var/run stays until the next boot
    roots = ("/etc", "/usr/local/etc", "/boot/loader.conf", "/boot/loader.conf.d", "/var/db/pfnet", "/var/run/pfnet", "/var/cron", "/var/at")
    passing = re.compile(r"/etc/(resolv\.conf|motd|dumpdates|.*\.pyc)|/var/run/motd|/etc/ntp.*")
    processes = command("ps", "-axww", "-o", "args", check=False).stdout.splitlines()
    found = {}
    for root in map(Path, roots):
        for path in sorted([root, *root.rglob("*")] if root.is_dir() else [root] if root.exists() else []):
            if passing.fullmatch(str(path)) or (path.is_dir() and RUN.parent in path.parents):
                continue
            status = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
            found[str(path)] = f"{status.st_mode:o} {status.st_uid}:{status.st_gid} {content}"
    return {
        "files": found,
        "interfaces": sorted(interfaces()),
        "groups": command("ifconfig", "-g", "pfnet", check=False).stdout.split(),
        # Without what is left of their time, and the numbers of interfaces, which a boot gives anew
        "routes": sorted(re.sub(r"\s+\d+$|(?<=link#)\d+", "", line.rstrip()) for line in command("netstat", "-rn").stdout.splitlines() if " " in line),
        # Names of emptied anchors stay until the next boot, which is FreeBSD's way
        "anchors": {
            anchor.strip(): rules
            for anchor in command("pfctl", "-a", "libvirt", "-sA", check=False).stdout.splitlines()
            if (rules := "".join(command("pfctl", "-a", anchor.strip(), show, check=False).stdout for show in ("-sn", "-sr", "-sT")))
        },
        "rules": [command("pfctl", show, check=False).stdout for show in ("-sn", "-sr")],
        "sysctl": command("sysctl", "net.inet.ip.forwarding", "net.inet6.ip6.forwarding", check=False).stdout,
        "dnsmasq": sorted(process.strip() for process in processes if process.strip().startswith(str(DNSMASQ))),
    }


def differences(before: t.Any, after: t.Any, where: str = "") -> t.Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            yield from differences(before.get(key), after.get(key), f"{where} {key}".strip())
    elif before != after:
        yield f"{where}: {before!r} has become {after!r}"


# The command line

SLOW = 1.0


def main(argv: list[str]) -> int:
    global SLOW
    parser = argparse.ArgumentParser(prog="packets.py", description="Who gets through to whom on this host, tried with jails for guests.")
    parser.add_argument("--slow", type=float, default=float(os.environ.get("PFNET_SLOW") or 1), help="what timeouts are multiplied with (PFNET_SLOW)")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("up", "down", "hold", "states"):
        commands.add_parser(name)
    run_parser = commands.add_parser("run")
    run_parser.add_argument("--ruleset", choices=("open", "deny"), required=True)
    run_parser.add_argument("--only", default="", help="only cases with this text in what, source, probe or target")
    for name in ("snapshot", "compare"):
        commands.add_parser(name).add_argument("file", type=Path)
    args = parser.parse_args(argv)
    SLOW = args.slow
    os.environ["PATH"] = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
    if args.command == "run":
        return 1 if run(args.ruleset, args.only) else 0
    if args.command == "snapshot":
        args.file.write_text(json.dumps(snapshot(), indent=1))
    elif args.command == "compare":
        found = list(differences(json.loads(args.file.read_text()), json.loads(json.dumps(snapshot()))))
        print("\n".join(found))
        return 1 if found else 0
    elif args.command == "states":
        left = states()
        print("\n".join(left))
        return 1 if left else 0
    else:
        {"up": up, "down": down, "hold": hold}[args.command]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
