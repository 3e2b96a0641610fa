# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half: what it sends to the host, and that it sends nothing while anything is wrong."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.bsdvirt.pfnet.plugins.action.networks import _module_args

NETWORK = {"name": "default", "bridge": {"name": "virbr0"}, "forward": {"mode": "nat"}, "ips": [{"address": "192.168.122.1/24"}]}


def arguments(**changes: t.Any) -> dict[str, t.Any]:
    return _module_args(
        {"networks": [NETWORK], "state": "present", "prune": False, "anchor_root": "libvirt", "force": False, "confirm_timeout": None, **changes}
    )


def test_a_document_a_network() -> None:
    sent = arguments()
    assert [network["name"] for network in sent["networks"]] == [document["name"] for document in sent["_documents"]] == ["default"]
    assert sent["networks"][0]["firewall"]["profile"] == "strict"
    assert "block quick on $bridge" in sent["_documents"][0]["anchor"]


def test_absent_needs_names_alone_and_renders_nothing() -> None:
    sent = arguments(state="absent", networks=[{"name": "default", "anything": "else"}])
    assert (sent["networks"], sent["_documents"]) == ([{"name": "default"}], [])


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(AnsibleActionFail) as caught:
        arguments(anchor_root="_pf", networks=[{**NETWORK, "name": "a b"}, {**NETWORK, "ips": [{}]}])
    message = str(caught.value)
    assert "no host has been changed" in message
    paths = [line.split(":")[0] for line in message.splitlines() if line.startswith("- ")]
    assert paths == ["- anchor_root", "- networks[0].name", "- networks[1].ips[0].address", "- networks[1].bridge.name"]
    problems: t.Any = caught.value.result["problems"]
    assert [problem["path"] for problem in problems] == [path[2:] for path in paths]


def test_a_long_anchor_root_leaves_less_for_names() -> None:
    with pytest.raises(AnsibleActionFail, match="at most 13 characters, below the anchor x"):
        arguments(anchor_root="x" * 49, networks=[{**NETWORK, "name": "fourteen-chars"}])
