# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which leases are one guest's, what it is called, and how ssh gets to it."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.leases import Lease
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.guests import Guest, guests, inventory_names, ssh_arguments
from hypothesis import given
from hypothesis import strategies as st

NOW = 1000.0


def lease(address: str, name: str | None = None, mac: str | None = None, expiry: int | None = None, network: str = "default") -> Lease:
    return Lease(network, "inet6" if ":" in address else "inet", address, name, mac, None, expiry)


def guest(address: str, name: str | None = None, network: str = "default", hypervisor: str = "hyper") -> Guest:
    return Guest(hypervisor, network, (lease(address, name, network=network),))


def test_leases_of_a_name_or_a_mac_are_one_guests() -> None:
    found = guests(
        "hyper",
        [
            lease("192.168.122.92", "web", "52:54:00:00:00:01", 2000),
            lease("fd00::92", None, "52:54:00:00:00:01", 3000),
            lease("fd00::93", "web", None, 1500),
            lease("192.168.122.94", None, "52:54:00:00:00:02"),
            lease("192.168.122.95"),
            lease("192.168.122.96"),
        ],
        NOW,
    )
    assert [(one.name, one.mac, one.addresses) for one in found] == [
        (None, "52:54:00:00:00:02", ["192.168.122.94"]),
        (None, None, ["192.168.122.95"]),
        (None, None, ["192.168.122.96"]),
        ("web", "52:54:00:00:00:01", ["192.168.122.92", "fd00::92", "fd00::93"]),
    ]


def test_what_lasts_longest_counts_first() -> None:
    (found,) = guests("hyper", [lease("10.0.0.2", "old", "52:54:00:00:00:01", 1100), lease("10.0.0.3", "new", "52:54:00:00:00:01", 1200)], NOW)
    assert (found.name, found.addresses) == ("new", ["10.0.0.3", "10.0.0.2"])
    (found,) = guests("hyper", [lease("10.0.0.2", "ever", "52:54:00:00:00:01"), lease("10.0.0.3", "new", "52:54:00:00:00:01", 1200)], NOW)
    assert (found.name, found.addresses[0]) == ("ever", "10.0.0.2")


def test_the_same_name_in_two_networks_is_two_guests_and_leases_that_ran_out_are_none() -> None:
    found = guests("hyper", [lease("10.0.0.2", "web"), lease("10.0.1.2", "web", network="lab"), lease("10.0.2.2", "gone", expiry=999)], NOW)
    assert [(one.network, one.addresses) for one in found] == [("default", ["10.0.0.2"]), ("lab", ["10.0.1.2"])]


@pytest.mark.parametrize(
    ("found", "kind", "taken", "names"),
    [
        ([guest("10.0.0.2", "web"), guest("10.0.0.3")], "name", (), ["web", "10.0.0.3"]),
        ([guest("10.0.0.2", "web"), guest("10.0.0.3")], "address", (), ["10.0.0.2", "10.0.0.3"]),
        ([guest("10.0.0.2", "web"), guest("10.0.0.3")], "full", (), ["web.default.hyper", "10.0.0.3.default.hyper"]),
        ([guest("10.0.0.2", "web"), guest("10.1.0.2", "web", "lab"), guest("10.1.0.3", "db", "lab")], "name", (), ["web.default", "web.lab", "db"]),
        ([guest("10.0.0.2", "web"), guest("10.0.0.2", "web", hypervisor="b")], "name", (), ["web.default.hyper", "web.default.b"]),
        ([guest("10.0.0.2"), guest("10.0.0.2", hypervisor="b")], "address", (), ["10.0.0.2.default.hyper", "10.0.0.2.default.b"]),
        ([guest("10.0.0.2", "localhost")], "name", {"localhost"}, ["localhost.default"]),
        ([guest("10.0.0.2", "x"), guest("10.0.0.3", "x", "a"), guest("10.0.0.4", "x.default")], "name", (), ["x.default.hyper", "x.a", "x.default"]),
    ],
)
def test_names(found: list[Guest], kind: str, taken: set[str], names: list[str]) -> None:
    assert inventory_names(found, kind, taken) == names


def test_names_that_cannot_be_told_apart_are_refused() -> None:
    same = [guest("10.0.0.2", "x", "a.b", "c"), guest("10.0.0.2", "x", "a", "b.c")]
    assert inventory_names(same, "name", ()) == ["x.a.b", "x.a"]
    with pytest.raises(ValueError, match=r"no name is left for x\.a\.b\.c\.10\.0\.0\.2"):
        inventory_names(same, "full", ())


words = st.sampled_from(["web", "db", None])
few = st.builds(guest, st.ip_addresses(v=4).map(str), words, st.sampled_from(["default", "lab"]), st.sampled_from(["h1", "h2"]))


@given(st.lists(few, max_size=8, unique_by=lambda one: (one.hypervisor, one.network, one.addresses[0])), st.sampled_from(["name", "address", "full"]))
def test_names_are_unique_and_do_not_depend_on_the_order(found: list[Guest], kind: str) -> None:
    names = inventory_names(found, kind, {"web"})
    assert len({*names, "web"}) == len(names) + 1
    assert inventory_names(found[::-1], kind, {"web"}) == names[::-1]


def test_a_jump_is_enough_where_ssh_needs_nothing_else() -> None:
    assert ssh_arguments("hyper1") == "-o ProxyJump=hyper1"
    assert ssh_arguments("hyper1", "root", 2222) == "-o ProxyJump=root@hyper1:2222"
    assert shlex.split(ssh_arguments("2001:db8::1", "root", 22)) == ["-o", "ProxyJump=root@[2001:db8::1]:22"]


def test_a_command_of_its_own_takes_a_key_and_arguments() -> None:
    arguments = ssh_arguments("hyper1", "root", 2222, "/home/a b/100%/key", ["-o", "UserKnownHostsFile=/dev/null"])
    flag, option = shlex.split(arguments)
    assert flag == "-o"
    name, _equals, command = option.partition("=")
    assert name == "ProxyCommand"
    assert shlex.split(command) == [
        *("ssh", "-i", "/home/a b/100%%/key", "-p", "2222", "-o", "UserKnownHostsFile=/dev/null", "-W", "[%h]:%p", "root@hyper1"),
    ]


@pytest.mark.parametrize("key", [None, "/home/a b/it's a key"])
def test_ssh_takes_what_is_said(key: str | None) -> None:
    ssh = shutil.which("ssh")
    if not ssh:
        pytest.skip("needs ssh: apt-get install openssh-client")
    arguments = shlex.split(ssh_arguments("hyper1", "root", 2222, key))
    shown = subprocess.run([ssh, "-G", *arguments, "10.0.0.2"], capture_output=True, text=True, check=True).stdout.splitlines()
    jumps = [line for line in shown if line.startswith(("proxyjump", "proxycommand"))]
    expected = "proxyjump root@hyper1:2222" if key is None else f"proxycommand {arguments[1].partition('=')[2]}"
    assert jumps == [expected]
