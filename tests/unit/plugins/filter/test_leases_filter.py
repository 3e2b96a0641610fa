# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter leases."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.bsdvirt.pfnet.plugins.filter.leases import FilterModule

leases = FilterModule().filters()["leases"]
TEXT = """\
4000000000 52:54:00:11:22:33 192.168.122.92 web 01:52:54:00:11:22:33
1000000000 52:54:00:11:22:34 192.168.122.93 * *
"""
WEB = {
    "network": "default",
    "family": "inet",
    "address": "192.168.122.92",
    "name": "web",
    "mac": "52:54:00:11:22:33",
    "client_id": "01:52:54:00:11:22:33",
    "expiry": 4000000000,
}


def test_the_text_of_a_file() -> None:
    assert leases(TEXT, network="default") == [WEB]
    assert leases(TEXT) == [{**WEB, "network": None}]
    assert [lease["address"] for lease in leases(TEXT, expired=True)] == ["192.168.122.92", "192.168.122.93"]
    assert leases("") == []


def test_the_result_of_networks_info() -> None:
    lab = {**WEB, "network": "lab", "address": "10.0.0.2", "expiry": None}
    gone = {**WEB, "address": "192.168.122.9", "expiry": 1000000000}
    networks = [{"name": "default", "leases": [WEB, gone]}, {"name": "lab", "leases": [lab]}]
    for value in ({"changed": False, "networks": networks}, networks):
        assert leases(value) == [WEB, lab]
        assert leases(value, network="lab") == [lab]
        assert leases(value, expired=True) == [WEB, gone, lab]


@pytest.mark.parametrize("value", [None, 1, {"networks": None}, {}, [{"name": "default"}], ["text"]])
def test_what_holds_no_leases_is_refused(value: object) -> None:
    with pytest.raises(AnsibleFilterError, match=r"allowed: the text of a lease file, or what bsdvirt\.pfnet\.networks_info returned"):
        leases(value)
