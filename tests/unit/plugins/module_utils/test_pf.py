# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pfctl prints of nested anchors, and the commands with which anchors are loaded."""

from __future__ import annotations

import pathlib
import textwrap
import typing as t

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import pf
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Output

FILTER = textwrap.dedent("""\
    scrub all fragment reassemble
    anchor "libvirt/*" all {
      anchor "default" all {
        block drop quick on virbr0 all
      }
      anchor "natnet" all {
      }
    }
    anchor "ftp-proxy/*" all {
    }
    anchor "own" all {
      pass in all flags S/SA keep state
      anchor "inner" all {
        block drop all
      }
    }
    anchor all {
      pass out all flags S/SA keep state
    }
    pass all flags S/SA keep state
    """)
NAT = textwrap.dedent("""\
    nat-anchor "libvirt/*" all {
      nat-anchor "default" all {
        nat pass on re0 inet from 192.168.122.0/24 to <natdst> -> (re0) port 1024:65535 round-robin
      }
    }
    rdr-anchor "libvirt/*" all {
      nat-anchor "default" all {
        nat pass on re0 inet from 192.168.122.0/24 to <natdst> -> (re0) port 1024:65535 round-robin
      }
    }
    """)


class FakeHost:
    """Answers commands from a table and keeps what it was asked."""

    def __init__(self, tmpdir: pathlib.Path, **answers: Output) -> None:
        self._tmpdir = tmpdir
        self.asked: list[tuple[str, str | None]] = []
        self._answers = {key.replace("_", " "): answer for key, answer in answers.items()}

    def stage(self, name: str, text: str) -> str:
        (self._tmpdir / name).write_text(text)
        return str(self._tmpdir / name)

    def run(self, *argv: str, stdin: str | None = None, ok: object = (0,)) -> Output:
        command = " ".join(argv)
        self.asked.append((command, stdin))
        return next((answer for key, answer in self._answers.items() if key in command), Output(0, "", ""))


def test_anchors_below_a_wildcard_and_called_by_name() -> None:
    ruleset = pf.parse_rulesets(FILTER)
    assert ruleset.rules["libvirt/default"] == ("block drop quick on virbr0 all",)
    assert ruleset.rules["libvirt/natnet"] == ()
    assert ruleset.rules["own"] == ("pass in all flags S/SA keep state",)
    assert ruleset.rules["own/inner"] == ("block drop all",)
    assert ruleset.rules[""] == ("scrub all fragment reassemble", "pass all flags S/SA keep state")
    assert ruleset.hooks == {("anchor", "libvirt/*"), ("anchor", "ftp-proxy/*"), ("anchor", "own"), ("anchor", "own/inner")}


def test_an_anchor_that_two_hooks_print_counts_once() -> None:
    ruleset = pf.parse_rulesets(NAT)
    assert len(ruleset.rules["libvirt/default"]) == 1
    assert ruleset.hooks == {("nat-anchor", "libvirt/*"), ("rdr-anchor", "libvirt/*")}


@pytest.mark.parametrize(
    ("hook", "path", "hooked"),
    [
        ('anchor "libvirt/*" all {\n}', "libvirt/default", True),
        ('anchor "libvirt/default" all {\n}', "libvirt/default", True),
        ('anchor "libvirt/other" all {\n}', "libvirt/default", False),
        ('anchor "libvirt" all {\n}', "libvirt/default", False),
        ('anchor "libvirt" all {\n  anchor "*" all {\n  }\n}', "libvirt/default", True),
        ('anchor "x" all {\n  anchor "/libvirt/*" all {\n  }\n}', "libvirt/default", True),
        ('rdr-anchor "libvirt/*" all {\n  anchor "default" all {\n  }\n}', "libvirt/default", False),
    ],
)
def test_hooks(hook: str, path: str, hooked: bool) -> None:
    assert pf.parse_rulesets(hook + "\n").hooked("anchor", path) is hooked


def test_a_module_that_is_not_loaded(tmp_path: pathlib.Path) -> None:
    host: t.Any = FakeHost(tmp_path, info=Output(1, "", "pfctl: /dev/pf: No such file or directory\n"))
    with pytest.raises(pf.NotLoaded, match="/dev/pf: No such file or directory"):
        pf.observe_pf(host)


def test_observing_takes_three_processes_and_one_a_table(tmp_path: pathlib.Path) -> None:
    host: t.Any = FakeHost(
        tmp_path,
        info=Output(0, "Status: Enabled for 0 days\n", ""),
        sr=Output(0, FILTER, ""),
        sn=Output(0, NAT, ""),
        show=Output(0, "   0.0.0.0/0\n  !10.0.0.0/8\n", ""),
    )
    found = pf.observe_pf(host)
    assert found.enabled
    assert len(host.asked) == 3
    anchor = pf.observe_anchor(host, found, "libvirt/default", ["natdst"])
    assert [command for command, _stdin in host.asked[3:]] == ["pfctl -a libvirt/default -t natdst -T show"]
    assert anchor == pf.Anchor(found.filter.rules["libvirt/default"], found.translation.rules["libvirt/default"], {"natdst": ("0.0.0.0/0", "!10.0.0.0/8")})


def test_an_anchor_that_nothing_hooks_is_asked_for_by_name(tmp_path: pathlib.Path) -> None:
    host: t.Any = FakeHost(tmp_path, info=Output(0, "Status: Disabled\n", ""), default=Output(0, "block drop all\n", ""))
    found = pf.observe_pf(host)
    assert not found.enabled
    assert pf.observe_anchor(host, found, "libvirt/default", []).rules == ("block drop all",)


def test_a_load_is_one_command_and_never_flushes_before(tmp_path: pathlib.Path) -> None:
    host: t.Any = FakeHost(tmp_path)
    pf.load(host, "libvirt", {"default": "block all\n", "natnet": "pass all\n", "gone": None})
    ((load, stdin),) = host.asked
    assert load == "pfctl -a libvirt -f -"
    assert stdin == "".join(f'load anchor "{name}" from "{tmp_path}/{name}.conf"\n' for name in ("default", "natnet", "gone"))
    assert [(tmp_path / f"{name}.conf").read_text() for name in ("default", "gone")] == ["block all\n", ""]


def test_a_dry_run_changes_nothing(tmp_path: pathlib.Path) -> None:
    host: t.Any = FakeHost(tmp_path)
    pf.load(host, "libvirt", {"default": "block all\n", "gone": None}, dry_run=True)
    assert [command for command, _stdin in host.asked] == ["pfctl -a libvirt -n -f -"]


def test_rules_in_the_root_anchor_itself_are_not_taken_away(tmp_path: pathlib.Path) -> None:
    host: t.Any = FakeHost(tmp_path, sr=Output(0, 'anchor "*" all\n', ""))
    with pytest.raises(pf.RootInUse, match=r'The anchor libvirt itself holds rules.*They are: anchor "\*" all'):
        pf.refuse_own_rules(host, "libvirt")
