# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a host as a plan, and what its commands print of them."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import Interface, Route
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.preparation import (
    Found,
    Wanted,
    parse_skips,
    plan,
)
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.rc_conf import DEFAULTS, Variable, parse_sysrc
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan, Run

NOT_SET = Variable("NO", DEFAULTS)
BARE = Found(
    modules=frozenset(),
    variables={"pf_enable": NOT_SET, "gateway_enable": NOT_SET, "ipv6_gateway_enable": NOT_SET},
    sysctl={"net.inet.ip.forwarding": "0", "net.inet6.ip6.forwarding": "0", "kern.securelevel": "-1"},
    configured={},
    interfaces={"re0": Interface("re0")},
    routes=[Route("default", "inet", "203.0.113.1", "re0")],
)
READY = dataclasses.replace(
    BARE,
    modules=frozenset({"pf", "if_bridge"}),
    variables={"pf_enable": Variable("YES"), "gateway_enable": Variable("yes"), "kld_list": Variable("vmm pf.ko /boot/modules/if_bridge")},
    sysctl={**BARE.sysctl, "net.inet.ip.forwarding": "1"},
)
IPV4 = Wanted(forwarding=("ipv4",))


def commands(made: Plan) -> list[str]:
    return [" ".join(step.do.argv) for step in made.steps if isinstance(step.do, Run)]


def undoing(made: Plan) -> list[str]:
    return [" ".join(action.argv) for step in made.steps for action in step.undo if isinstance(action, Run)]


def test_a_bare_host_gets_what_is_asked_for_and_every_step_can_be_taken_back() -> None:
    made = plan(IPV4, BARE)
    assert commands(made) == [
        "kldload -n pf",
        "kldload -n if_bridge",
        "sysctl net.inet.ip.forwarding=1",
        "sysrc kld_list+=pf if_bridge gateway_enable=YES pf_enable=YES",
    ]
    assert undoing(made) == [
        "kldunload pf",
        "kldunload if_bridge",
        "sysctl net.inet.ip.forwarding=0",
        "sysrc -x kld_list gateway_enable pf_enable",
    ]
    assert {(each["kind"], each["name"], each["found"], each["wanted"]) for each in made.outcomes if each["changed"]} == {
        ("module", "pf", "not loaded", "loaded"),
        ("module", "if_bridge", "not loaded", "loaded"),
        ("sysctl", "net.inet.ip.forwarding", "0", "1"),
        ("rc.conf", "kld_list", "", "pf if_bridge"),
        ("rc.conf", "gateway_enable", "NO", "YES"),
        ("rc.conf", "pf_enable", "NO", "YES"),
    }
    assert "rc.conf gateway_enable: NO\n" in made.diffs[0]["before"]
    assert "rc.conf gateway_enable: YES\n" in made.diffs[0]["after"]


def test_a_host_that_is_ready_is_left_alone_in_whatever_words_it_says_so() -> None:
    made = plan(IPV4, READY)
    assert (made.steps, made.diffs, made.problems) == ([], [], [])
    assert not [each for each in made.outcomes if each["changed"]]


def test_what_the_user_had_set_comes_back_when_a_step_fails() -> None:
    variables = {"kld_list": Variable("vmm nmdm"), "gateway_enable": Variable("NO"), "pf_enable": NOT_SET}
    made = plan(IPV4, dataclasses.replace(READY, variables=variables))
    assert commands(made) == ["sysrc kld_list+=pf if_bridge gateway_enable=YES pf_enable=YES"]
    assert undoing(made) == ["sysrc kld_list=vmm nmdm gateway_enable=NO", "sysrc -x pf_enable"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), ["sysrc kld_list+=pf if_bridge pf_enable=YES"]),
        (Wanted(pf_enable=False), ["sysrc kld_list+=pf if_bridge"]),
        (Wanted(modules=(), pf_enable=False), []),
        (
            Wanted(modules=(), pf_enable=False, forwarding=("ipv6",)),
            ["sysctl net.inet6.ip6.forwarding=1", "sysrc ipv6_gateway_enable=YES"],
        ),
    ],
)
def test_what_is_not_asked_for_stays(wanted: Wanted, expected: list[str]) -> None:
    assert commands(plan(wanted, dataclasses.replace(BARE, modules=frozenset({"pf", "if_bridge"})))) == expected


@pytest.mark.parametrize(
    ("sysctl", "allowed"),
    [
        ({"kern.securelevel": "1"}, 'run `sysrc kld_list+="pf if_bridge"` and reboot'),
        ({"security.jail.jailed": "1"}, "run `kldload pf if_bridge` there"),
    ],
)
def test_modules_that_cannot_be_loaded_are_refused_with_the_remedy(sysctl: dict[str, str], allowed: str) -> None:
    (problem,) = plan(Wanted(), dataclasses.replace(BARE, sysctl=sysctl)).problems
    assert problem["path"] == "modules"
    assert problem["found"].startswith("pf and if_bridge not loaded")
    assert allowed in problem["allowed"]
    assert plan(Wanted(), dataclasses.replace(READY, sysctl=sysctl)).problems == []


def test_a_jail_lists_no_modules_for_the_boot() -> None:
    found = dataclasses.replace(BARE, modules=frozenset({"pf", "if_bridge"}), sysctl={"security.jail.jailed": "1", "security.jail.vnet": "1"})
    assert commands(plan(Wanted(), found)) == ["sysrc pf_enable=YES"]


def test_variables_with_their_files() -> None:
    text = '/etc/rc.conf: kld_list: vmm\n  pf\n/etc/defaults/rc.conf: gateway_enable: NO\n/etc/rc.conf.local: pf_rules: /etc/my pf: "x"\n'
    assert parse_sysrc(text) == {
        "kld_list": Variable("vmm\n  pf", "/etc/rc.conf"),
        "gateway_enable": Variable("NO", DEFAULTS),
        "pf_rules": Variable('/etc/my pf: "x"', "/etc/rc.conf.local"),
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("set skip on lo0\n", ["lo0"]),
        ("set skip on { lo0, virbr0\n  tap }\nblock all\n", ["lo0", "virbr0", "tap"]),
        ('  set  skip \\\n on "bridge" # not virbr1\n', ["bridge"]),
        ("# set skip on virbr0\npass on lo0\n", []),
        ("set skip on lo\nset skip on virbr1", ["lo", "virbr1"]),
    ],
)
def test_what_pf_conf_skips(text: str, names: list[t.Any]) -> None:
    assert parse_skips(text) == names
