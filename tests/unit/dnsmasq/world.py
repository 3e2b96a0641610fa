# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with bridges, guests on them, and an outside, as Linux namespaces, in which the real dnsmasq runs with our files.

All of it is below one process in namespaces of its own, for processes, mounts and networks: when that one ends, the kernel ends the rest.
"""

from __future__ import annotations

import collections.abc as c
import functools
import os
import pathlib
import shutil
import subprocess
import time
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.bridges import free_names
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.dnsmasq import dnsmasq_text
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.render import render
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import read_networks

# Each program and the Debian package that has it.
PROGRAMS = {
    "dnsmasq": "dnsmasq-base",
    "udhcpc": "udhcpc",
    "dhclient": "isc-dhcp-client",
    "rdisc6": "ndisc6",
    "dig": "bind9-dnsutils",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
# A tmpfs in the world stands here for the root of the host's own paths.
ROOT = "/run/host"
TIMEOUT = 20

# What clients of DHCP call when they have a lease: it gives the interface its address, and leaves what it was told in a file.
SCRIPT = f"""#!/bin/sh
env >> {ROOT}/told.$GUEST
case "$1$reason" in
bound|renew) ip address replace "$ip/$mask" dev "$interface" ;;
BOUND6|RENEW6) ip address replace "$new_ip6_address/128" dev "$interface" ;;
esac
"""


@functools.cache
def lacking() -> str:
    """Why there can be no world here, with the remedy; empty if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = {name: package for name, package in PROGRAMS.items() if not shutil.which(name)}
    if missing:
        return f"no {', '.join(missing)} here; on Debian: apt-get install {' '.join(sorted(set(missing.values())))}"
    try:
        World().close()
    except OSError as error:
        return f"no network namespaces here: {error}"
    return ""


def mapped(text: str) -> str:
    """A configuration with the paths and names that are FreeBSD's changed to those of the world, and nothing else."""
    for theirs in (layout.CONFIGURATION, layout.STATE, layout.RUN, "/srv/"):
        text = text.replace(theirs, f"{ROOT}{theirs}")
    return text.replace("except-interface=lo0\n", "except-interface=lo\n").replace("group=nobody\n", "group=nogroup\n")


def files(definitions: list[dict[str, t.Any]]) -> dict[str, dict[str, str]]:
    """For each network that has a dnsmasq, the files that a host gets for it, by their paths in the world."""
    found: dict[str, dict[str, str]] = {}
    documents = t.cast("list[dict[str, t.Any]]", render(read_networks(definitions)))
    bridges = free_names(documents, {}, ())
    for document in documents:
        name, served = document["name"], document["dnsmasq"]
        if served:
            texts = {
                layout.dnsmasq_conf(name): mapped(dnsmasq_text(document, bridges[name])),
                layout.dnsmasq_hosts(name): served["hosts"],
                layout.dnsmasq_hostsfile(name): served["hostsfile"],
            }
            found[name] = {f"{ROOT}{path}": text for path, text in texts.items()}
    return found


def wait_for(what: str, condition: c.Callable[[], t.Any]) -> t.Any:
    """What `condition` returns once that is true."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {TIMEOUT} s")


class World:
    """The namespaces. Raises OSError where Linux does not allow them."""

    def __init__(self) -> None:
        # cat is process 1 in there: it ends when nobody holds the other end of its pipe any more, even if we are killed.
        argv = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "cat"]
        self._init = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._processes: list[subprocess.Popen[str]] = []
        try:
            assert self._init.stdin
            assert self._init.stdout
            assert self._init.stderr
            self._init.stdin.write(b"\n")
            self._init.stdin.flush()
            if not self._init.stdout.readline():
                raise OSError(self._init.stderr.read().decode().strip())
            children = pathlib.Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text().split()
            self._pid = children[0]
            self.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
            self.run("mkdir", "-p", "/run/netns", *(f"{ROOT}{path}" for path in (layout.DNSMASQ, layout.STATE, layout.RUN)))
            self.write(f"{ROOT}/script", SCRIPT)
            self.run("chmod", "755", f"{ROOT}/script")
            self._without_detection()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End process 1, and with it all others, which the kernel has done when its parent is told."""
        # It reads until there is no more to come.
        self._init.communicate(timeout=TIMEOUT)
        for process in self._processes:
            process.communicate(timeout=TIMEOUT)

    def _without_detection(self, where: str | None = None) -> None:
        """Addresses are there at once: nobody else is there who could have them."""
        self.run("sh", "-c", "for f in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 > $f; done", where=where)

    def _argv(self, argv: tuple[str, ...], where: str | None) -> list[str]:
        inside = ["ip", "netns", "exec", where] if where else []
        return ["nsenter", "--target", self._pid, "--net", "--mount", "--pid", "--", *inside, *argv]

    def run(self, *argv: str, where: str | None = None, check: bool = True, data: str = "") -> str:
        """What a command prints on the host, or in the guest `where`."""
        done = subprocess.run(self._argv(argv, where), input=data, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        if check and done.returncode:
            raise OSError(f"{' '.join(argv)}: {done.stdout}{done.stderr}".strip())
        return done.stdout + ("" if check else done.stderr)

    def start(self, *argv: str, where: str | None = None) -> subprocess.Popen[str]:
        """A program that runs until the world ends, or is killed."""
        # Its output goes nowhere: who reads a pipe late makes it wait.
        process = subprocess.Popen(self._argv(argv, where), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
        self._processes.append(process)
        return process

    def write(self, path: str, text: str) -> None:
        self.run("tee", path, data=text)

    def read(self, path: str) -> str:
        return self.run("cat", path)

    def bridge(self, name: str, *addresses: str) -> None:
        self.run("ip", "link", "add", name, "type", "bridge")
        self._without_detection()
        for address in addresses:
            self.run("ip", "address", "add", address, "dev", name)
        self.run("ip", "link", "set", name, "up")

    def guest(self, name: str, bridge: str, mac: str) -> None:
        """A guest with one interface, eth0, on a bridge."""
        self.run("ip", "netns", "add", name)
        self._without_detection(name)
        self.run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "address", mac, "netns", name)
        self._without_detection(name)
        self.run("ip", "link", "set", name, "master", bridge, "up")
        self.run("ip", "link", "set", "lo", "up", where=name)
        self.run("ip", "link", "set", "eth0", "up", where=name)

    def networks(self, definitions: list[dict[str, t.Any]]) -> None:
        """Write our files and start a dnsmasq for each network that has one, as a host would: with the file alone, in the background."""
        for name, texts in files(definitions).items():
            for path, text in texts.items():
                self.write(path, text)
            self.run("dnsmasq", "-C", f"{ROOT}{layout.dnsmasq_conf(name)}")

    def reload(self, name: str) -> None:
        self.run("kill", "-HUP", self.read(f"{ROOT}{layout.dnsmasq_pid(name)}").strip())

    def leases(self, name: str) -> list[list[str]]:
        return [line.split() for line in self.read(f"{ROOT}{layout.leases_file(name)}").splitlines()]

    def dhcp(self, guest: str, *options: str) -> dict[str, str]:
        """What a guest without an address is told by DHCP; its client stays, so that it can renew."""
        client = ["env", f"GUEST={guest}", "udhcpc", "-f", "-i", "eth0", "-s", f"{ROOT}/script", "-p", f"{ROOT}/client.{guest}"]
        return self._told(guest, lambda: self.start(*client, *options, where=guest), "bound")

    def renew(self, guest: str) -> dict[str, str]:
        """What a guest is told when it renews its lease, which it asks of its server alone."""
        return self._told(guest, lambda: self.run("kill", "-USR1", self.read(f"{ROOT}/client.{guest}").strip()), "renew")

    def dhcp6(self, guest: str, *options: str) -> dict[str, str]:
        """What a guest is told by DHCPv6."""
        client = ["dhclient", "-6", "-d", "-sf", f"{ROOT}/script", "-e", f"GUEST={guest}", "-lf", f"{ROOT}/leases.{guest}", "-pf", f"{ROOT}/client6.{guest}"]
        return self._told(guest, lambda: self.start(*client, *options, "eth0", where=guest), "BOUND6" if "-S" not in options else "")

    def _told(self, guest: str, ask: c.Callable[[], object], reason: str) -> dict[str, str]:
        file = f"{ROOT}/told.{guest}"
        self.write(file, "")
        ask()

        def told() -> dict[str, str]:
            variables = dict(line.partition("=")[::2] for line in self.read(file).splitlines())
            if reason in ("bound", "renew"):
                return variables if variables.get("ip") else {}
            return variables if variables.get("reason") == reason or (not reason and variables.get("new_dhcp6_name_servers")) else {}

        return t.cast("dict[str, str]", wait_for(f"an answer to {guest}", told))

    def ask(self, guest: str, server: str, kind: str, name: str) -> list[str]:
        """The answers of a server to a guest's question, as dig prints them in short."""
        return self.run("dig", "+short", "+time=2", "+tries=2", f"@{server}", kind, name, where=guest).splitlines()
