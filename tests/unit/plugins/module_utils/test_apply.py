# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying a plan out: order, undo, and the bridge that ifconfig leaves behind."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import host as host_module
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.apply import StepFailed, apply, check
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import BUSY_PAUSES, CommandError, Host, Locked, Output
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import CreateBridge, LoadAnchors, Phase, Plan, RecordLoaded, Run, Step, WriteFile

SHOWN = {
    "-s info": Output(0, "Status: Enabled\n", ""),
    "-sr": Output(0, 'anchor "libvirt/*" all {\n  anchor "default" all {\n    block drop all\n  }\n}\n', ""),
}


class RecordingHost(Host):
    """Keeps commands instead of running them; those that contain a key of `answers` get that answer."""

    def __init__(self, tmpdir: pathlib.Path, answers: dict[str, Output] | None = None) -> None:
        self._tmpdir = tmpdir
        self.commands: list[str] = []
        self.answers = answers or {}

    def stage(self, name: str, text: str) -> str:
        (self._tmpdir / name).write_text(text)
        return str(self._tmpdir / name)

    def run(self, *argv: str, stdin: str | None = None, ok: t.Container[int] | None = (0,)) -> Output:
        command = " ".join(argv)
        self.commands.append(command)
        output = next((answer for words, answer in self.answers.items() if words in command), Output(0, "", ""))
        if ok is not None and output.rc not in ok:
            raise CommandError(argv, output)
        return output


def run(words: str, *undo: str, phase: Phase = Phase.BUILD) -> Step:
    return Step(phase, words, Run(tuple(words.split())), tuple(Run(tuple(each.split())) for each in undo))


def test_steps_in_order(tmp_path: pathlib.Path) -> None:
    host = RecordingHost(tmp_path)
    apply(host, Plan(steps=[run("ifconfig a up"), run("ifconfig b up")]))
    assert host.commands == ["ifconfig a up", "ifconfig b up"]


def test_a_failing_step_undoes_those_before_it_in_reverse(tmp_path: pathlib.Path) -> None:
    host = RecordingHost(tmp_path, {"c up": Output(1, "", "ifconfig: c: no\n")})
    file = str(tmp_path / "etc" / "a.conf")
    steps = [
        run("ifconfig a up", "ifconfig a down"),
        Step(Phase.FILES, "write a.conf", WriteFile(file, "new\n", str(tmp_path / "etc")), (WriteFile(file, None, str(tmp_path / "etc")),)),
        run("ifconfig c up"),
    ]
    with pytest.raises(StepFailed) as caught:
        apply(host, Plan(steps=steps))
    assert host.commands == ["ifconfig a up", "ifconfig c up", "ifconfig a down"]
    assert not (tmp_path / "etc").exists()
    assert str(caught.value) == "Could not ifconfig c up: ifconfig c up: exit code 1: ifconfig: c: no\nUndone: write a.conf; ifconfig a up."


def test_an_undo_that_fails_is_reported_and_the_others_are_done(tmp_path: pathlib.Path) -> None:
    host = RecordingHost(tmp_path, {"fail": Output(1, "", "no\n")})
    with pytest.raises(StepFailed) as caught:
        apply(host, Plan(steps=[run("a", "undo a"), run("b", "fail b"), run("fail c")]))
    assert host.commands == ["a", "b", "fail c", "fail b", "undo a"]
    assert "Undone: a.\nCould not be undone: b (fail b: exit code 1: no)." in str(caught.value)


@pytest.mark.parametrize(
    ("complaint", "destroyed"),
    [("ioctl SIOCSIFNAME (set name): File exists", ["ifconfig bridge1000 destroy"]), ("interface bridge1000 already exists", [])],
)
def test_a_bridge_that_could_not_be_named_is_destroyed_and_one_that_was_there_is_not(tmp_path: pathlib.Path, complaint: str, destroyed: list[str]) -> None:
    host = RecordingHost(tmp_path, {"create": Output(1, "", f"ifconfig: {complaint}\n")})
    with pytest.raises(StepFailed, match=f"{re.escape(complaint)}\nNothing had been changed"):
        apply(host, Plan(steps=[Step(Phase.BUILD, "create bridge virbr0", CreateBridge("virbr0", "pfnet", "bridge1000"))]))
    assert host.commands == ["ifconfig bridge1000 create name virbr0 group pfnet", *destroyed]


def test_what_the_kernel_prints_after_a_load_is_recorded(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "LOADED", str(tmp_path / "db" / "loaded.json"))
    host = RecordingHost(tmp_path, {**SHOWN, "-T show": Output(0, "   0.0.0.0/0\n", "")})
    record = RecordLoaded({"libvirt/default": {"sha256": "00", "tables": ["natdst"]}}, {"libvirt/natnet": {"sha256": "11"}})
    apply(host, Plan(steps=[Step(Phase.RECORD, "record", record)]))
    assert json.loads((tmp_path / "db" / "loaded.json").read_text()) == {
        "format": 1,
        "anchors": {
            "libvirt/default": {"sha256": "00", "rules": ["block drop all"], "nat": [], "tables": {"natdst": ["0.0.0.0/0"]}},
            "libvirt/natnet": {"sha256": "11"},
        },
    }


def test_checking_loads_nothing(tmp_path: pathlib.Path) -> None:
    host = RecordingHost(tmp_path)
    check(host, Plan(steps=[run("ifconfig a up"), Step(Phase.LOAD, "load", LoadAnchors("libvirt", {"default": "pass\n"}))]))
    assert host.commands == ["pfctl -a libvirt -sn", "pfctl -a libvirt -sr", "pfctl -a libvirt -n -f -"]


def test_files_are_replaced_by_rename_and_folders_come_and_go_with_them(tmp_path: pathlib.Path) -> None:
    base = tmp_path / "pfnet"
    path = base / "anchors" / "a.conf"
    Host.write(str(path), "one\n", str(base))
    first = path.stat()
    Host.write(str(path), "two\n", str(base))
    assert path.read_text() == "two\n"
    assert (path.stat().st_ino, path.stat().st_mode & 0o777) != (first.st_ino, 0)
    assert [entry.name for entry in path.parent.iterdir()] == ["a.conf"]
    (base / "users-own").touch()
    Host.write(str(path), None, str(base))
    assert [entry.name for entry in base.iterdir()] == ["users-own"]
    Host.write(str(path), None, str(base))


class BusyModule:
    """An AnsibleModule whose pfctl is busy a number of times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.calls: list[dict[str, t.Any]] = []

    def get_bin_path(self, name: str) -> str:
        return f"/sbin/{name}"

    def run_command(self, argv: list[str], **options: t.Any) -> tuple[int, str, str]:
        self.calls.append({"argv": argv, **options})
        if len(self.calls) <= self.times:
            return 1, "", "stdin:1: cannot define table natdst: Device busy\npfctl: Syntax error in config file: pf rules not loaded\n"
        return 0, "", ""


def test_a_busy_pf_is_waited_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    module: t.Any = BusyModule(2)
    assert Host(module).run("pfctl", "-f", "-", stdin="pass\n").rc == 0
    assert pauses == list(BUSY_PAUSES[:2])
    assert module.calls[0]["argv"] == ["/sbin/pfctl", "-f", "-"]
    assert module.calls[0]["expand_user_and_vars"] is False
    with pytest.raises(CommandError, match="Device busy"):
        Host(t.cast("t.Any", BusyModule(99))).run("pfctl", "-f", "-")


def test_a_run_waits_for_another_and_gives_up_in_the_end(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "LOCK", str(tmp_path / "lock"))
    seconds: list[float] = []
    monkeypatch.setattr("time.sleep", seconds.append)
    first, second = RecordingHost(tmp_path), RecordingHost(tmp_path)
    with first.locked():
        with pytest.raises(Locked, match=r"Another run of bsdvirt.pfnet has held .*Nothing was changed"), second.locked():
            pytest.fail("two runs at once")
        assert len(seconds) == host_module.LOCK_SECONDS
    with second.locked():
        assert len(seconds) == host_module.LOCK_SECONDS
