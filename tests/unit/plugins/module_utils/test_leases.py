# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnsmasq's lease files, as dnsmasq 2.90 writes them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.leases import Lease, parse

BOTH_FAMILIES = """\
1764025200 52:54:00:11:22:33 192.168.122.92 web 01:52:54:00:11:22:33
0 52:54:00:11:22:34 192.168.122.93 * *
1764025300 20-80:00:02:08 192.168.122.94 infiniband ff:00:00:01
duid 00:01:00:01:2b:f0:11:22:52:54:00:aa:bb:cc
1764025400 1122868 fd00:122::92 web 00:01:00:01:2b:f0:11:22:52:54:00:11:22:33
0 T99 fd00:122::93 * 00:03:00:01:52:54:00:11:22:34
1764025500 7 fd00:122::94 db 00:02:00:00:ab:11:52:54:00:11:22:35:01
"""


def lease(address: str, name: str | None = None, mac: str | None = None, client_id: str | None = None, expiry: int | None = None) -> Lease:
    return Lease("default", "inet6" if ":" in address else "inet", address, name, mac, client_id, expiry)


def test_both_families() -> None:
    assert parse(BOTH_FAMILIES, "default") == [
        lease("192.168.122.92", "web", "52:54:00:11:22:33", "01:52:54:00:11:22:33", 1764025200),
        lease("192.168.122.93", None, "52:54:00:11:22:34"),
        lease("192.168.122.94", "infiniband", None, "ff:00:00:01", 1764025300),
        lease("fd00:122::92", "web", "52:54:00:11:22:33", "00:01:00:01:2b:f0:11:22:52:54:00:11:22:33", 1764025400),
        lease("fd00:122::93", None, "52:54:00:11:22:34", "00:03:00:01:52:54:00:11:22:34"),
        # A DUID of an enterprise number holds no MAC address, whatever it looks like.
        lease("fd00:122::94", "db", None, "00:02:00:00:ab:11:52:54:00:11:22:35:01", 1764025500),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "duid 00:01:00:01:2b:f0:11:22:52:54:00:aa:bb:cc",
        "1764025200 52:54:00:11:22:33 192.168.122.92 web",
        "1764025200 52:54:00:11:22:33 192.168.122.92 web 01:52 more",
        "-1 52:54:00:11:22:33 192.168.122.92 web *",
        "now 52:54:00:11:22:33 192.168.122.92 web *",
        "1764025200 52:54:00:11:22:33 192.168.122.392 web *",
        "1764025200 52:54:00:11:22:33 * web *",
    ],
)
def test_what_is_no_lease_is_left_out(line: str) -> None:
    assert parse(f"{line}\n{BOTH_FAMILIES}{line}", "default") == parse(BOTH_FAMILIES, "default")


@pytest.mark.parametrize("name", ["*", "{{1}}", "-oProxyCommand=x", "a/b", "x" * 64, "a.b"])
def test_a_name_that_dnsmasq_would_not_take_is_none(name: str) -> None:
    (found,) = parse(f"0 52:54:00:11:22:33 192.168.122.92 {name} *")
    assert found.name is None


def test_any_text_is_read() -> None:
    texts: list[t.Any] = ["\0", "1 2 3 4 5", "1 " * 5, BOTH_FAMILIES[:40], "٣ a 1.2.3.4 b c"]
    for text in texts:
        assert all(found.address for found in parse(text))


def test_a_lease_holds_until_it_runs_out() -> None:
    assert lease("192.168.122.92", expiry=100).holds(99.9)
    assert not lease("192.168.122.92", expiry=100).holds(100)
    assert lease("192.168.122.92").holds(1e12)
