# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any pf.conf made of the grammar's sections: the block of ours comes and goes, and pfctl takes what it took before."""

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.pf_conf import HOOKS, PfConf
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pf_machine import Machine

# Statements by section, in the order of pf.conf(5); each may be continued, commented, or span lines in braces.
SECTIONS: tuple[tuple[str, ...], ...] = (
    (
        "set skip on lo0",
        "set block-policy return",
        "set timeout { tcp.first 100, \\\n  tcp.closed 30 }",
        "set limit {\n  states 10000 # pass all\n  frags 5000\n}",
        "set state-policy \\\n if-bound # nat on vtnet1",
    ),
    ("scrub in all", "no scrub out on lo0", "scrub on vtnet1 all fragment \\\n  reassemble"),
    (
        "nat on vtnet1 from 10.0.0.0/8 to any -> (vtnet1)",
        "no nat on vtnet1 from any to { 10.0.0.1\n  # block all\n  , 10.0.0.2 }",
        "rdr on vtnet1 proto tcp from any to any port 80 -> 10.0.0.3",
        "binat on vtnet1 from 10.0.0.4 to any -> 203.0.113.9",
        'nat-anchor "other/*"',
        "rdr-anchor 'rel/*'",
        'nat-anchor "libvirt/*"',
    ),
    (
        "block all",
        "pass out \\\n\\\n on $outside $rest",
        "$whole",
        'pass in proto tcp to port {\n  22\n  80\n} label "block # all"',
        'anchor "own" {\n  # anchor "libvirt/*"\n  block in from <bad>\n  anchor "deep" {\n    pass out\n  }\n}',
        'anchor "other/*"',
        "match in all scrub (no-df)",
        "antispoof for vtnet1",
        'anchor "/libvirt/*" on vtnet1',
        "block in from <bad>",
    ),
)
ANYWHERE = (
    "",
    "   ",
    "# a remark",
    "  # nat on vtnet1 \\\n anchor that is none",
    "# Ü \udcff and\r",
    "table <bad> persist {\n  192.0.2.1 # one\n\n  192.0.2.2\n}",
    'table <good> const { "192.0.2.3" }',
    'later = "pass all"',
    "\\\n\\\n  # continued",
    "set require-order yes",
)
MACROS = 'outside = "vtnet1"\nrest="inet proto \'tcp\' to port 443"\nwhole = "pass in from 10.0.0.0/8"\n'


class File(t.NamedTuple):
    """A pf.conf as text, its parts where blocks may be put between them, and the files that it includes."""

    parts: list[str]
    end: str
    included: dict[str, str]

    @property
    def text(self) -> str:
        return "\n".join(self.parts) + self.end

    def read(self, name: str) -> str | None:
        return self.included.get(name)


@st.composite
def files(draw: st.DrawFn) -> File:
    ordered = [statement for section in SECTIONS for statement in draw(st.lists(st.sampled_from(section), max_size=3))]
    if draw(st.integers(0, 9)) == 0:
        # Not for pfctl, unless it is told so.
        ordered = draw(st.permutations(ordered))
        if draw(st.booleans()):
            ordered.insert(0, "set require-order no")
    parts = []
    for statement in ordered:
        parts += [*draw(st.lists(st.sampled_from(ANYWHERE), max_size=2)), statement]
    parts += draw(st.lists(st.sampled_from(ANYWHERE), max_size=2))
    included = {}
    for number in range(draw(st.integers(0, 2))):
        low, high = sorted((draw(st.integers(0, len(parts))), draw(st.integers(0, len(parts)))))
        name = f"/etc/part{number}.conf"
        included[name] = "\n".join(parts[low:high]) + draw(st.sampled_from(["", "\n"]))
        parts[low:high] = [f'include {draw(st.sampled_from(["", chr(92) + chr(10)]))}"{name}"']
    return File([MACROS, *parts], draw(st.sampled_from(["", "\n", "\n", " \\\n", " \\", "\n\n"])), included)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    machine.write(layout.BOOT_RULES, layout.BOOT_RULES_HEADER)
    return machine


# Thousands are for a person who waits for them.
@settings(max_examples=int(os.environ.get("PFNET_EXAMPLES", "150")), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(file=files(), root=st.sampled_from(["libvirt", "guests/of"]), data=st.data())
def test_the_users_lines_stay_and_pfctl_takes_what_it_took(machine: Machine, file: File, root: str, data: st.DataObject) -> None:
    conf = PfConf(file.text, file.read)
    assert conf.own == file.text
    hooked = conf.present(root)
    assert PfConf(hooked, file.read).own == file.text
    assert PfConf(hooked, file.read).present(root) == hooked

    # Blocks of former runs, or copies of them, anywhere.
    block = PfConf("", file.read).present("libvirt")
    places = data.draw(st.lists(st.integers(1, len(file.parts)), max_size=2))
    pieces = [f"{block}{part}" if index in places else part for index, part in enumerate(file.parts)]
    copied = "\n".join(pieces) + file.end
    assert PfConf(copied, file.read).own == file.text
    moved = PfConf(copied, file.read).present(root)
    assert moved.count("# BEGIN") == moved.count("# END") == hooked.count("# BEGIN")
    assert PfConf(moved, file.read).own == file.text
    assert PfConf(moved, file.read).present(root) == moved

    for name, text in file.included.items():
        write(machine, name, text)
    accepted = pfctl(machine, file.text).rc == 0
    event(f"pfctl takes it: {accepted}, mixed: {bool(conf.mixed)}")
    if not accepted or conf.mixed:
        return
    for text in (hooked, moved):
        result = pfctl(machine, text)
        assert result.rc == 0, result.stderr
        assert_called_in_order(result.stdout, root)


WORDS = ["pass", "block", "nat", "set", "include", '"/etc/a"', "anchor", "{", "}", '"', "'", "\\", "\\\n", "\n", "\n", "#", "$x", "x", "=", "-1", "\r", "\t"]
JUNK = st.lists(st.sampled_from(WORDS) | st.characters(codec="utf-8"), max_size=30).map(" ".join)


@given(JUNK, JUNK)
def test_junk_is_read_as_far_as_it_goes_and_stays(text: str, included: str) -> None:
    read = {"/etc/a": included}.get
    found = PfConf(text, read)
    hooked = found.present("libvirt")
    assert found.own == text
    assert PfConf(hooked, read).own == text
    assert PfConf(hooked, read).present("libvirt") == hooked
    assert isinstance(found.cuts_connections, bool)


def write(machine: Machine, name: str, text: str) -> None:
    machine.host.path(name).parent.mkdir(parents=True, exist_ok=True)
    machine.host.path(name).write_bytes(text.encode(errors="surrogateescape"))


def pfctl(machine: Machine, text: str) -> t.Any:
    write(machine, "/etc/pf.conf", text)
    return machine.pfctl("-o", "none", "-nvf", "/etc/pf.conf")


def assert_called_in_order(printed: str, root: str) -> None:
    """The anchors of networks are called, and with the block's own call before every filter rule."""
    lines = [line for line in printed.splitlines() if line and not line.startswith(" ")]
    for kind in HOOKS:
        assert any(line.startswith((f'{kind} "{root}/*"', f'{kind} "/{root}/*"')) for line in lines), (kind, lines)
    called = f'anchor "{root}/*" all'
    rules = [line for line in lines if line.split()[0] in ("pass", "block", "match", "anchor")]
    if called in rules:
        assert rules[0] == called
