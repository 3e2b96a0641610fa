# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as a function: what a host has and what is wanted in, steps and reasons out."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import boot, layout, pf
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.anchors import anchor_text, digest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.bridges import derived_mac
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import Interface, Member, Route
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import Definition, Observed
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.plan import Wanted, definition_text, plan
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import CreateBridge, KillStates, LoadAnchors, Phase, Plan, RecordLoaded, Run, Serve, WriteFile

HOOKS = frozenset({("anchor", "libvirt/*"), ("nat-anchor", "libvirt/*")})
PF = pf.Pf(True, pf.Ruleset({"": ()}, HOOKS), pf.Ruleset({"": ()}, HOOKS))
NO_ANCHOR = pf.Anchor((), (), {"natdst": None})
LOADED = pf.Anchor(("block drop quick on virbr0 all",), ("nat pass on re0",), {"natdst": ("0.0.0.0/0",)})
RE0 = Interface("re0", up=True, ether="58:9c:fc:00:00:01", addresses=("203.0.113.10/24", "2001:db8:f::10/64"))
DEFAULT = Route("default", "inet", "203.0.113.1", "re0")
LAN = Route("203.0.113.0/24", "inet", "link#1", "re0")


def document(name: str = "default", bridge: str = "virbr0", address: str = "192.168.122.1/24", **changes: t.Any) -> dict[str, t.Any]:
    definition = {"name": name, "bridge": {"name": bridge}, "forward": {"mode": "nat"}, "ips": [{"address": address}]}
    return {
        "name": name,
        "definition": definition,
        "bridge": {
            "name": bridge,
            "mac": "52:54:00:db:0e:e5",
            "addresses": [address],
            "members": [],
            **dict.fromkeys(("fwddelay", "mtu", "description", "vlan_filtering")),
        },
        "egress": {"dev": None, "family": "inet", "pool": None},
        "anchor": f"block quick on $bridge # {name}\n",
        "tables": ["natdst"],
        "hooks": ["nat-anchor", "anchor"],
        "forwards": [],
        "forwarding": ["inet"],
        "routes": [],
        "dnsmasq": None,
        **changes,
    }


def empty_host(*documents: dict[str, t.Any], **changes: t.Any) -> Observed:
    found = Observed(
        host_id="4c4c4544",
        interfaces={"re0": RE0},
        routes=[DEFAULT, LAN],
        forwarding=frozenset({"inet"}),
        pf=PF,
        anchors={f"libvirt/{each['name']}": NO_ANCHOR for each in documents},
        definitions={},
        loaded={},
        files={},
        main_rules=f'include "{layout.BOOT_RULES}"\n',
    )
    return dataclasses.replace(found, **changes)


def bridge_of(each: dict[str, t.Any], **changes: t.Any) -> Interface:
    want = each["bridge"]
    found = Interface(want["name"], up=True, ether=want["mac"], addresses=tuple(want["addresses"]), groups=("bridge", "pfnet"), fwddelay=15)
    return dataclasses.replace(found, **changes)


def autostart(each: dict[str, t.Any], unit: int) -> boot.Autostart:
    bridge = {**each["bridge"], "unit": f"bridge{unit}", "mac": each["bridge"]["mac"] or derived_mac("4c4c4544", each["name"])}
    return boot.Autostart(each["name"], f"libvirt/{each['name']}", bridge, each["routes"])


def host_with(*documents: dict[str, t.Any], **changes: t.Any) -> Observed:
    """A host as a run with these documents leaves it."""
    starting = sorted((autostart(each, 1000 + number) for number, each in enumerate(documents)), key=lambda network: network.name)
    texts = {each["name"]: anchor_text(each, each["bridge"]["name"], "re0") for each in documents}
    entry = {"rules": list(LOADED.rules), "nat": list(LOADED.nat), "tables": {"natdst": ["0.0.0.0/0"]}}
    definitions: dict[str, Definition] = {}
    for each in documents:
        bridge = {**each["bridge"], "unit": f"bridge{1000 + len(definitions)}"}
        stored = definition_text({**each, "bridge": bridge}, "libvirt")
        settings = {key: value for key, value in bridge.items() if key not in ("name", "unit")}
        definitions[each["name"]] = Definition("libvirt", bridge["name"], bridge["unit"], settings, each["definition"], stored)
    return empty_host(
        *documents,
        **{
            "interfaces": {"re0": RE0, **{each["bridge"]["name"]: bridge_of(each) for each in documents}},
            "anchors": {f"libvirt/{each['name']}": LOADED for each in documents},
            "definitions": definitions,
            "loaded": {f"libvirt/{name}": {"sha256": digest(text), **entry} for name, text in texts.items()},
            "files": {
                layout.LOADED: "{}\n",
                layout.BOOT_RULES: boot.rules_text(starting),
                layout.BOOT_INTERFACES: boot.interfaces_text(starting) or "",
                **{path: text for path, text in ((layout.BOOT_ROUTES, boot.routes_text(starting)),) if text},
                **{layout.anchor_file(name): text for name, text in texts.items()},
            },
            **changes,
        },
    )


def make(*documents: dict[str, t.Any], observed: Observed, **options: t.Any) -> Plan:
    return plan(Wanted(documents, "libvirt", **options), observed)


def commands(made: Plan) -> list[str]:
    """The steps in short, in order."""
    shown = []
    for step in made.steps:
        action = step.do
        if isinstance(action, Run):
            shown.append(" ".join(action.argv))
        elif isinstance(action, CreateBridge):
            shown.append(f"create {action.name}")
        elif isinstance(action, WriteFile):
            shown.append(f"{'write' if action.text is not None else 'remove'} {action.path}")
        elif isinstance(action, KillStates):
            shown.append("kill " + ", ".join(network["name"] for network in action.networks))
        elif isinstance(action, Serve):
            shown.append(f"{action.verb} {', '.join(action.networks)}")
        elif isinstance(action, LoadAnchors):
            shown.append("load " + ", ".join(f"{action.root}/{name}{'' if text is not None else ' (empty)'}" for name, text in action.texts.items()))
        else:
            shown.append("record " + ", ".join(action.anchors))
    return shown


def outcome(made: Plan, name: str = "default") -> tuple[str, list[str]]:
    (found,) = (entry for entry in made.outcomes if entry["name"] == name)
    return found["action"], found["reasons"]


def test_a_new_network_has_its_rules_before_its_bridge() -> None:
    made = make(document(), observed=empty_host(document()))
    assert commands(made) == [
        "load libvirt/default",
        "create virbr0",
        "ifconfig virbr0 ether 52:54:00:db:0e:e5",
        "ifconfig virbr0 inet 192.168.122.1/24 alias",
        "ifconfig virbr0 up",
        "write /usr/local/etc/pfnet/anchors/default.conf",
        "write /usr/local/etc/pfnet/networks/default.json",
        "write /usr/local/etc/pfnet/pf.conf",
        "write /etc/rc.conf.d/network/pfnet",
        "record libvirt/default",
    ]
    assert outcome(made) == ("created", ["the host has no such network yet"])
    assert not made.warnings


def test_the_second_run_plans_nothing() -> None:
    documents = document(), document("natnet", "virbr1", "10.0.100.1/24")
    made = make(*documents, observed=host_with(*documents))
    assert (made.steps, made.diffs, made.warnings) == ([], [], [])
    assert outcome(made) == outcome(made, "natnet") == ("unchanged", [])


def test_many_networks_load_in_one_transaction() -> None:
    documents = [document(f"net{number}", f"virbr{number}", f"10.0.{number}.1/24") for number in range(50)]
    made = make(*documents, observed=empty_host(*documents))
    assert [len(step.do.texts) for step in made.steps if isinstance(step.do, LoadAnchors)] == [50]


@pytest.mark.parametrize(
    ("anchor", "reasons"),
    [
        (
            NO_ANCHOR,
            [
                "the filter rules of the anchor libvirt/default are gone",
                "the nat rules of the anchor libvirt/default are gone",
                "the table <natdst> of the anchor libvirt/default is gone",
            ],
        ),
        (dataclasses.replace(LOADED, rules=("pass all",)), ["the filter rules of the anchor libvirt/default differ"]),
        (dataclasses.replace(LOADED, nat=()), ["the nat rules of the anchor libvirt/default are gone"]),
        (dataclasses.replace(LOADED, tables={"natdst": ()}), ["the table <natdst> of the anchor libvirt/default differs"]),
    ],
)
def test_a_drifted_anchor_is_named_and_it_alone_is_loaded(anchor: pf.Anchor, reasons: list[str]) -> None:
    documents = document(), document("natnet", "virbr1", "10.0.100.1/24")
    made = make(*documents, observed=host_with(*documents, anchors={"libvirt/default": anchor, "libvirt/natnet": LOADED}))
    assert commands(made) == ["load libvirt/default", "record libvirt/default"]
    assert outcome(made) == ("repaired", [f"drift: {reason}" for reason in reasons])
    assert outcome(made, "natnet") == ("unchanged", [])
    assert [diff["before_header"] for diff in made.diffs] == ["anchor libvirt/default in the kernel"]
    (record,) = (step.do for step in made.steps if isinstance(step.do, RecordLoaded))
    assert list(record.keep) == ["libvirt/natnet"]


@pytest.mark.parametrize(
    ("changes", "command", "reason"),
    [
        ({"ether": "58:9c:fc:10:22:49"}, "ifconfig virbr0 ether 52:54:00:db:0e:e5", "bridge virbr0 lacks the MAC address 52:54:00:db:0e:e5"),
        ({"addresses": ()}, "ifconfig virbr0 inet 192.168.122.1/24 alias", "bridge virbr0 lacks 192.168.122.1/24"),
        ({"up": False}, "ifconfig virbr0 up", "bridge virbr0 is down"),
        ({"groups": ("bridge",)}, "ifconfig virbr0 group pfnet", "bridge virbr0 lacks the interface group pfnet"),
    ],
)
def test_a_drifted_bridge_is_repaired(changes: dict[str, t.Any], command: str, reason: str) -> None:
    made = make(document(), observed=host_with(document(), interfaces={"re0": RE0, "virbr0": bridge_of(document(), **changes)}))
    assert commands(made) == [command]
    assert outcome(made) == ("repaired", [f"drift: {reason}"])


def test_a_bridge_that_is_gone_is_made_again() -> None:
    made = make(document(), observed=host_with(document(), interfaces={"re0": RE0}))
    assert commands(made)[0] == "create virbr0"
    assert outcome(made) == ("repaired", ["drift: bridge virbr0 is missing"])


def test_members_and_other_addresses_are_left_alone() -> None:
    bridge = bridge_of(document(), members={"tap0": Member()}, addresses=("192.168.122.1/24", "10.9.9.9/24"))
    made = make(document(), observed=host_with(document(), interfaces={"re0": RE0, "virbr0": bridge}))
    assert commands(made) == []
    assert made.warnings == ["The bridge virbr0 has the address 10.9.9.9/24, which its definition does not name; it is left alone."]


def test_an_altered_file_is_written_again_without_a_load() -> None:
    host = host_with(document())
    made = make(document(), observed=dataclasses.replace(host, files={**host.files, layout.anchor_file("default"): "pass all\n"}))
    assert commands(made) == ["write /usr/local/etc/pfnet/anchors/default.conf"]
    assert outcome(made) == ("repaired", ["drift: /usr/local/etc/pfnet/anchors/default.conf was altered"])


def test_a_changed_subnet_takes_the_old_address_away_first() -> None:
    made = make(document(address="192.168.123.1/24", anchor="pass quick on $bridge\n"), observed=host_with(document()))
    assert commands(made) == [
        "load libvirt/default",
        "ifconfig virbr0 inet 192.168.122.1 -alias",
        "ifconfig virbr0 inet 192.168.123.1/24 alias",
        "write /usr/local/etc/pfnet/anchors/default.conf",
        "write /usr/local/etc/pfnet/networks/default.json",
        "write /etc/rc.conf.d/network/pfnet",
        "record libvirt/default",
        "kill default",
    ]
    assert outcome(made)[0] == "updated"


def test_another_default_route_changes_the_rules() -> None:
    made = make(
        document(),
        observed=host_with(
            document(), interfaces={"re0": RE0, "em0": RE0, "virbr0": bridge_of(document())}, routes=[dataclasses.replace(DEFAULT, interface="em0")]
        ),
    )
    assert commands(made) == ["load libvirt/default", "write /usr/local/etc/pfnet/anchors/default.conf", "record libvirt/default"]
    assert outcome(made) == ("updated", ["its rules change"])


def test_a_renamed_bridge_keeps_its_members() -> None:
    renamed = document(bridge="virbr9")
    bridge = bridge_of(document(), members={"tap0": Member()})
    made = make(renamed, observed=host_with(document(), interfaces={"re0": RE0, "virbr0": bridge}))
    assert "ifconfig virbr0 name virbr9" in commands(made)
    assert not [command for command in commands(made) if "create" in command or "destroy" in command]


def test_removal_takes_the_bridge_down_before_its_rules() -> None:
    documents = document(), document("natnet", "virbr1", "10.0.100.1/24")
    made = make(absent=("natnet",), observed=host_with(*documents))
    assert commands(made) == [
        "ifconfig virbr1 down",
        "load libvirt/natnet (empty)",
        "write /etc/rc.conf.d/network/pfnet",
        "write /usr/local/etc/pfnet/pf.conf",
        "remove /usr/local/etc/pfnet/anchors/natnet.conf",
        "remove /usr/local/etc/pfnet/networks/natnet.json",
        "record ",
        "pfctl -a libvirt/natnet -F all",
        "ifconfig virbr1 destroy",
        "kill natnet",
    ]
    assert made.outcomes == [{"name": "natnet", "action": "removed", "reasons": ["it is to be absent"]}]


def test_removal_of_what_is_not_there() -> None:
    made = make(absent=("natnet",), observed=host_with(document()))
    assert made.steps == []
    assert outcome(made, "natnet") == ("unchanged", ["the host has no such network"])


def test_prune_removes_what_is_not_listed() -> None:
    documents = document(), document("natnet", "virbr1", "10.0.100.1/24")
    made = make(documents[0], observed=host_with(*documents), prune=True)
    assert outcome(made) == ("unchanged", [])
    assert outcome(made, "natnet") == ("removed", ["it is not listed"])
    assert make(documents[0], observed=host_with(*documents)).steps == []


def test_a_bridge_with_guests_is_removed_only_by_force() -> None:
    observed = host_with(document(), interfaces={"re0": RE0, "virbr0": bridge_of(document(), members={"tap0": Member(), "tap1": Member()})})
    assert make(absent=("default",), observed=observed).problems == [
        {
            "path": "networks[0].name",
            "found": "network default, to whose bridge virbr0 tap0, tap1 is attached",
            "allowed": "networks without guests on their bridges, or force: true",
        }
    ]
    made = make(absent=("default",), observed=observed, force=True)
    assert not made.problems
    assert commands(made)[-2:] == ["ifconfig virbr0 destroy", "kill default"]


def test_a_network_under_another_name_takes_over_the_bridge() -> None:
    renamed = document("lan")
    made = make(renamed, observed=host_with(document(), anchors={"libvirt/lan": NO_ANCHOR}), prune=True)
    assert [command for command in commands(made) if command.startswith(("create", "ifconfig", "route"))] == []
    assert {entry["name"]: entry["action"] for entry in made.outcomes} == {"lan": "created", "default": "removed"}


def test_another_anchor_root_empties_the_old_anchor() -> None:
    observed = dataclasses.replace(host_with(document()), anchors={"virt/default": NO_ANCHOR})
    made = plan(Wanted((document(),), "virt"), observed)
    assert commands(made)[:2] == ["load virt/default", "load libvirt/default (empty)"]
    assert outcome(made) == ("updated", ["its anchor moves from libvirt/default to virt/default"])


@pytest.mark.parametrize(
    ("wanted", "changes", "problem"),
    [
        (document(), {"routes": [LAN]}, ("networks[0].forward.dev", "nothing, and no IPv4 default route on the host")),
        (document(egress={"dev": "em7", "family": "inet", "pool": None}), {}, ("networks[0].forward.dev", "'em7'")),
        (document(bridge="re0"), {}, ("networks[0].bridge.name", "'re0', which the host has and which is no bridge of this collection")),
        (
            document(bridge="virbr7"),
            {"interfaces": {"re0": RE0, "virbr7": bridge_of(document(bridge="virbr7"), groups=("bridge",))}},
            ("networks[0].bridge.name", "'virbr7', which"),
        ),
    ],
)
def test_refused_by_the_host(wanted: dict[str, t.Any], changes: dict[str, t.Any], problem: tuple[str, str]) -> None:
    (found,) = make(wanted, observed=empty_host(wanted, **changes)).problems
    assert found["path"] == problem[0]
    assert found["found"].startswith(problem[1])


def test_networks_that_stay_unlisted_keep_their_bridge_and_subnet() -> None:
    new = document("new", "virbr0", "192.168.0.1/16")
    observed = dataclasses.replace(host_with(document()), anchors={"libvirt/new": NO_ANCHOR})
    assert {problem["path"]: problem["found"] for problem in make(new, observed=observed).problems} == {
        "networks[0].bridge.name": "'virbr0', the bridge of the host's network default",
        "networks[0].ips[0].address": "subnet 192.168.0.0/16",
    }
    assert not make(new, observed=observed, prune=True).problems


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pf": dataclasses.replace(PF, enabled=False)}, ["`pfctl -e`", "pf_enable=YES"]),
        ({"forwarding": frozenset()}, ["sysctl net.inet.ip.forwarding=1", "gateway_enable=YES"]),
        ({"pf": dataclasses.replace(PF, filter=pf.Ruleset({"": ()}, frozenset()))}, ['`anchor "libvirt/*"`', "service pf reload"]),
        ({"pf": dataclasses.replace(PF, translation=pf.Ruleset({"": ()}, frozenset()))}, ['`nat-anchor "libvirt/*"`', "service pf reload"]),
        ({"main_rules": "pass all\n"}, ["after a boot", f'`include "{layout.BOOT_RULES}"`', "bsdvirt.pfnet.pf_hooks"]),
        ({"anchors": {"libvirt/default": LOADED}}, ["held rules that no run of bsdvirt.pfnet loaded"]),
    ],
)
def test_warnings_name_the_remedy(changes: dict[str, t.Any], words: list[str]) -> None:
    made = make(document(), observed=empty_host(document(), **changes))
    (warning,) = made.warnings
    assert [word for word in words if word not in warning] == []
    assert not made.problems


def test_a_derived_mac_address_is_stable_and_of_one_host() -> None:
    assert derived_mac("a", "default") == derived_mac("a", "default")
    assert len({derived_mac(host, name) for host in "ab" for name in ("default", "natnet")}) == 4
    unnamed = document()
    unnamed["bridge"]["mac"] = None
    made = make(unnamed, observed=empty_host(unnamed))
    assert f"ifconfig virbr0 ether {derived_mac('4c4c4544', 'default')}" in commands(made)


def test_every_change_can_be_taken_back_but_for_ended_connections() -> None:
    changed = document(bridge="virbr9", address="10.1.1.1/24", anchor="pass\n")
    observed = host_with(document(), interfaces={"re0": RE0, "virbr0": bridge_of(document(), up=False, ether="58:9c:fc:10:22:49")})
    made = make(changed, observed=observed)
    assert [step.phase for step in made.steps if not step.undo] == [Phase.KILL]
    assert made.steps[-1].phase == Phase.KILL


def bridge_document(**settings: t.Any) -> dict[str, t.Any]:
    plain = document()
    return {**plain, "bridge": {**plain["bridge"], **settings}}


def member(name: str, path: str = "bridge.members[0]", private: bool = False, stp: bool | None = None) -> dict[str, t.Any]:
    return {"name": name, "path": path, "private": private, "stp": stp, "mtu": 1500}


TAP0 = Interface("tap0", up=True)


def test_all_settings_of_a_new_bridge() -> None:
    wanted = bridge_document(
        addresses=["192.168.122.1/24", "fd00:1::1/64"],
        mtu=9000,
        fwddelay=4,
        description="two words",
        vlan_filtering=True,
        members=[member("tap0", private=True, stp=True)],
    )
    made = make(wanted, observed=empty_host(wanted, interfaces={"re0": RE0, "tap0": TAP0}))
    assert [command.removeprefix("ifconfig virbr0 ") for command in commands(made)[2:-5]] == [
        "ether 52:54:00:db:0e:e5",
        "inet6 -ifdisabled auto_linklocal",
        "inet 192.168.122.1/24 alias",
        "inet6 fd00:1::1/64 alias",
        "fwddelay 4 description two words vlanfilter addm tap0 private tap0 stp tap0 mtu 9000 up",
    ]


@pytest.mark.parametrize(
    ("settings", "found", "expected"),
    [
        ({"mtu": 9000}, {}, "mtu 9000"),
        ({"fwddelay": 4}, {}, "fwddelay 4"),
        ({"description": "x y"}, {"description": "z"}, "description x y"),
        ({"vlan_filtering": False}, {"vlan_filtering": True}, "-vlanfilter"),
        ({"members": [member("tap0")]}, {}, "addm tap0"),
        ({"members": [member("tap0", private=True)]}, {"members": {"tap0": Member()}}, "private tap0"),
        ({"members": [member("tap0", stp=False)]}, {"members": {"tap0": Member(stp=True)}}, "-stp tap0"),
        ({"addresses": ["192.168.122.1/24", "fd00:1::1/64"]}, {"link_local": True, "addresses": ("192.168.122.1/24",)}, "inet6 fd00:1::1/64 alias"),
    ],
)
def test_a_setting_that_differs_is_set_and_can_be_set_back(settings: dict[str, t.Any], found: dict[str, t.Any], expected: str) -> None:
    wanted = bridge_document(**settings)
    made = make(wanted, observed=host_with(wanted, interfaces={"re0": RE0, "tap0": TAP0, "virbr0": bridge_of(wanted, **found)}))
    assert commands(made) == [f"ifconfig virbr0 {expected}"]
    assert all(step.undo for step in made.steps)
    assert outcome(made)[0] == "repaired"


def test_settings_that_are_not_declared_are_left_as_they_are() -> None:
    bridge = bridge_of(document(), mtu=9000, fwddelay=4, description="mine", vlan_filtering=True, members={"tap0": Member(private=True, stp=True)})
    assert make(document(), observed=host_with(document(), interfaces={"re0": RE0, "virbr0": bridge})).steps == []


def test_a_member_that_is_no_longer_declared_is_released_and_no_other() -> None:
    before = document()
    before["definition"] = {**before["definition"], "bridge": {"name": "virbr0", "members": ["tap0"]}}
    bridge = bridge_of(before, members={"tap0": Member(), "tap1": Member()})
    made = make(document(), observed=host_with(before, interfaces={"re0": RE0, "tap0": TAP0, "virbr0": bridge}))
    assert [command for command in commands(made) if command.startswith("ifconfig")] == ["ifconfig virbr0 deletem tap0"]


@pytest.mark.parametrize(
    ("interfaces", "found"),
    [({}, "'tap0'"), ({"tap0": TAP0, "bridge0": Interface("bridge0", groups=("bridge",), members={"tap0": Member()})}, "'tap0', a member of bridge0")],
)
def test_a_member_that_cannot_be_had(interfaces: dict[str, Interface], found: str) -> None:
    wanted = bridge_document(members=[member("tap0", "forward.dev")])
    (problem,) = make(wanted, observed=empty_host(wanted, interfaces={"re0": RE0, **interfaces})).problems
    assert (problem["path"], problem["found"]) == ("networks[0].forward.dev", found)


def test_the_host_chooses_a_bridge_and_the_network_keeps_it() -> None:
    documents = [
        bridge_document(name=None),
        document("b", "virbr0", "10.1.0.1/24"),
        {**document("c", address="10.2.0.1/24"), "bridge": {**document("c", address="10.2.0.1/24")["bridge"], "name": None}},
    ]
    made = make(*documents, observed=empty_host(*documents, interfaces={"re0": RE0, "virbr1": Interface("virbr1", groups=("bridge",))}))
    assert [command for command in commands(made) if command.startswith("create")] == ["create virbr2", "create virbr0", "create virbr3"]
    (written,) = (step.do.text for step in made.steps if isinstance(step.do, WriteFile) and step.do.path.endswith("networks/default.json"))
    assert json.loads(written or "")["bridge"]["name"] == "virbr2"
    kept = document(bridge="virbr7")
    unnamed = {**kept, "bridge": {**kept["bridge"], "name": None}}
    assert make(unnamed, observed=host_with(kept)).steps == []


def test_static_routes_come_after_the_bridge_and_go_before_it_changes() -> None:
    wanted = {**document(), "routes": [{"destination": "10.9.0.0/16", "gateway": "192.168.122.5"}, {"destination": "fd09::/48", "gateway": "fd00:1::5"}]}
    wanted["definition"] = {
        **wanted["definition"],
        "routes": [{"address": "10.9.0.0/16", "gateway": "192.168.122.5"}, {"address": "fd09::/48", "gateway": "fd00:1::5"}],
    }
    made = make(wanted, observed=empty_host(wanted))
    assert [command for command in commands(made) if command.startswith("route")] == [
        "route -n add -net 10.9.0.0/16 192.168.122.5",
        "route -n add -inet6 -net fd09::/48 fd00:1::5",
    ]
    routes = [DEFAULT, LAN, Route("10.9.0.0/16", "inet", "192.168.122.5", "virbr0"), Route("fd09::/48", "inet6", "fd00:1::5", "virbr0")]
    assert make(wanted, observed=host_with(wanted, routes=routes)).steps == []
    made = make(document(), observed=host_with(wanted, routes=routes))
    assert [command for command in commands(made) if command.startswith("route")] == [
        "route -n delete -net 10.9.0.0/16 192.168.122.5",
        "route -n delete -inet6 -net fd09::/48 fd00:1::5",
    ]


@pytest.mark.parametrize(
    ("route", "refused"),
    [
        (Route("192.168.122.0/24", "inet", "link#1", "re0"), True),
        (Route("192.168.0.0/16", "inet", "link#1", "re0"), True),
        (Route("192.168.122.128/25", "inet", "203.0.113.1", "re0"), True),
        (Route("192.168.0.0/16", "inet", "203.0.113.1", "re0"), False),
        (Route("192.168.122.0/24", "inet", "link#9", "virbr0"), False),
        (Route("192.168.122.1", "inet", "link#3", "lo0"), False),
        (Route("192.168.123.0/24", "inet", "link#1", "re0"), False),
    ],
)
def test_subnets_of_the_hosts_own(route: Route, refused: bool) -> None:
    found = make(document(), observed=empty_host(document(), routes=[DEFAULT, route])).problems
    assert [problem["path"] for problem in found] == (["networks[0].ips[0].address"] if refused else [])


def test_a_route_that_the_host_has_already() -> None:
    wanted = {**document(), "routes": [{"destination": "10.9.0.0/16", "gateway": "192.168.122.5"}]}
    (problem,) = make(wanted, observed=empty_host(wanted, routes=[DEFAULT, Route("10.9.0.0/16", "inet", "203.0.113.1", "re0")])).problems
    assert problem["path"] == "networks[0].routes[0].address"


def forwarding(name: str = "default", bridge: str = "virbr0", address: str = "192.168.122.1/24", **forward: t.Any) -> dict[str, t.Any]:
    plain = document(name, bridge, address)
    return {**plain, "forwards": [{"proto": ["tcp"], "family": "inet", "start": 2222, "end": 2222, "listen": None, **forward}], "hooks": []}


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("rdr pass on re0 inet proto tcp from any to (re0) port = 2222 -> 10.0.0.9 port 22", True),
        ("rdr on re0 inet proto tcp from any to any port 2000:3000 tag x -> 10.0.0.9", True),
        ("rdr inet proto tcp from any to any port = 2222 -> 10.0.0.9", True),
        ("rdr on ! lo0 inet proto tcp from any to 203.0.113.10 port = 2222 -> 10.0.0.9", True),
        ("rdr on lo0 inet proto tcp from any to any port = 2222 -> 10.0.0.9", False),
        ("rdr on re0 inet proto udp from any to any port = 2222 -> 10.0.0.9", False),
        ("rdr on re0 inet proto tcp from any port = 2222 to any port = 80 -> 10.0.0.9 port 2222", False),
        ("nat on re0 inet proto tcp from any to any port = 2222 -> (re0)", False),
    ],
)
def test_ports_that_other_rules_forward(line: str, refused: bool) -> None:
    for path, counts in (("", True), ("other/jail", True), ("libvirt/unlisted", True), ("libvirt/default", False)):
        found = dataclasses.replace(PF, translation=pf.Ruleset({path: (line,)}, HOOKS))
        problems = make(forwarding(), observed=empty_host(forwarding(), pf=found)).problems
        assert [problem["path"] for problem in problems] == (["networks[0].port_forwards[0].port"] if refused and counts else [])


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        ({}, {}, True),
        ({"listen": "203.0.113.10"}, {}, True),
        ({"start": 2000, "end": 3000}, {}, True),
        ({"proto": ["tcp", "udp"]}, {}, True),
        ({"proto": ["udp"]}, {}, False),
        ({"family": "inet6"}, {}, False),
        ({"start": 80, "end": 80}, {}, False),
        ({"listen": "203.0.113.10"}, {"listen": "203.0.113.11"}, False),
    ],
)
def test_port_forwards_of_two_networks(first: dict[str, t.Any], second: dict[str, t.Any], refused: bool) -> None:
    networks = [forwarding(**first), forwarding("natnet", "virbr1", "10.0.100.1/24", **second)]
    paths = [problem["path"] for problem in make(*networks, observed=empty_host(*networks)).problems]
    assert paths == (["networks[1].port_forwards[0].port"] if refused else [])
    networks[1]["egress"] = {**networks[1]["egress"], "dev": "em0"}
    assert make(*networks, observed=empty_host(*networks, interfaces={"re0": RE0, "em0": RE0})).problems == []


@pytest.mark.parametrize(("end", "outside"), [("203.0.113.20", ""), ("203.0.114.20", "203.0.114.20 lie in no subnet of re0")])
def test_a_pool_that_the_egress_interface_does_not_carry(end: str, outside: str) -> None:
    wanted = {**document(), "egress": {"dev": "re0", "family": "inet", "pool": {"start": "203.0.113.11", "end": end}}}
    assert "".join(make(wanted, observed=empty_host(wanted)).warnings).count("nat.address") == bool(outside)
    assert outside in "".join(make(wanted, observed=empty_host(wanted)).warnings)


def test_the_default_route_of_the_networks_family() -> None:
    wanted = {**document(), "egress": {"dev": None, "family": "inet6", "pool": None}}
    (problem,) = make(wanted, observed=empty_host(wanted)).problems
    assert problem["found"] == "nothing, and no IPv6 default route on the host"
    made = make(wanted, observed=empty_host(wanted, routes=[DEFAULT, Route("default", "inet6", "fe80::1%re0", "re0")]))
    assert 'egress = "re0"' in next(step.do.texts["default"] or "" for step in made.steps if isinstance(step.do, LoadAnchors))


def test_warnings_of_families_and_hooks_that_no_network_needs_are_spared() -> None:
    isolated = {**document(), "egress": None, "hooks": ["anchor"], "forwarding": []}
    hooks = frozenset({("anchor", "libvirt/*")})
    bare = pf.Pf(True, pf.Ruleset({"": ()}, hooks), pf.Ruleset({"": ()}, frozenset()))
    assert make(isolated, observed=empty_host(isolated, pf=bare, forwarding=frozenset())).warnings == []
    six = {**document(), "forwarding": ["inet6"], "hooks": ["rdr-anchor"]}
    warnings = make(six, observed=empty_host(six)).warnings
    assert ["ipv6_gateway_enable=YES" in warnings[1], '`rdr-anchor "libvirt/*"`' in warnings[0]] == [True, True]


def test_peers_do_not_change_or_go_one_without_the_other() -> None:
    database = document("database", "virbr1", "10.0.100.1/24")
    database["definition"] = {**database["definition"], "firewall": {"peers": ["default"]}}
    observed = host_with(document(), database)
    (alone,) = make(document(), observed=observed).problems
    assert (alone["path"], alone["found"]) == ("networks[0].name", "'default' without database, whose peer it is")
    (gone,) = make(absent=("default",), observed=observed).problems
    assert (gone["path"], gone["found"]) == ("networks[0].name", "the removal of default, a peer of database")
    assert not make(document(), database, observed=observed).problems
    assert not make(database, observed=observed).problems
    assert not make(absent=("default", "database"), observed=observed).problems
    assert not make(document(), observed=observed, prune=True).problems


def test_members_that_a_bridge_does_not_take_or_that_bring_the_hosts_network_along() -> None:
    wanted = bridge_document(members=[member("re0"), member("lo0", "bridge.members[1]"), member("virbr7", "bridge.members[2]")])
    found = {"re0": RE0, "lo0": Interface("lo0", groups=("lo",)), "virbr7": Interface("virbr7", groups=("bridge",))}
    made = make(wanted, observed=empty_host(wanted, interfaces=found))
    assert [problem["path"] for problem in made.problems] == ["networks[0].bridge.members[1]", "networks[0].bridge.members[2]"]
    assert made.problems[0]["allowed"] == "an interface of the host that a bridge takes: re0"
    (warning,) = made.warnings
    assert warning.startswith("networks[0].bridge.members[0]: re0 has addresses of the host (203.0.113.10/24")


@pytest.mark.parametrize("name", ["pfnet", "bridge", "lo"])
def test_a_bridge_is_not_named_like_an_interface_group(name: str) -> None:
    wanted = document(bridge=name)
    (problem,) = make(wanted, observed=empty_host(wanted, interfaces={"re0": RE0, "lo0": Interface("lo0", groups=("lo",))})).problems
    assert (problem["path"], problem["found"]) == ("networks[0].bridge.name", f"'{name}', an interface group")


def test_a_bridge_that_the_host_chose_is_not_another_networks() -> None:
    kept = document()
    unnamed = {**kept, "bridge": {**kept["bridge"], "name": None}}
    other = document("natnet", "virbr0", "10.0.100.1/24")
    observed = dataclasses.replace(host_with(kept), anchors={"libvirt/default": LOADED, "libvirt/natnet": NO_ANCHOR})
    assert [problem["path"] for problem in make(unnamed, other, observed=observed).problems] == ["networks[1].bridge.name"]


def test_a_moved_anchor_does_not_take_its_own_ports_for_anothers() -> None:
    rule = "rdr pass on re0 inet proto tcp from any to (re0) port = 2222 -> 192.168.122.5 port 22"
    found = dataclasses.replace(PF, translation=pf.Ruleset({"libvirt/default": (rule,)}, HOOKS))
    observed = dataclasses.replace(host_with(forwarding()), pf=found, anchors={"virt/default": NO_ANCHOR})
    assert not plan(Wanted((forwarding(),), "virt"), observed).problems
