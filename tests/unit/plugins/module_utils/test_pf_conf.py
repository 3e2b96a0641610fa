# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the block of ours goes in a pf.conf; that pfctl takes it there, tests/unit/simhost/test_pf_conf_language.py has."""

from __future__ import annotations

import textwrap

import pytest
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.pf_conf import PfConf

BLOCK = """\
# BEGIN bsdvirt.pfnet hooks (kept by the module pf_hooks)
nat-anchor "libvirt/*"
rdr-anchor "libvirt/*"
anchor "libvirt/*"
include "/usr/local/etc/pfnet/pf.conf"
# END bsdvirt.pfnet hooks
"""
INCLUDED = {
    "/etc/nat": "nat on em0 from any to any -> (em0)",
    "/etc/filter": "block all",
    "/etc/both": 'include "/etc/nat"\ninclude "/etc/filter"\n',
    "/etc/macros": 'start = "pass"\n',
    "/etc/circle": 'include "/etc/circle"\n',
    "/etc/open": 'anchor "half" {\n block in\n',
}

# A text in which @@@ is where the block goes.
PLACES = {
    "empty": "@@@",
    "rules alone": "@@@pass all\n",
    "after the other sections": "set skip on lo\nscrub in all\nnat on em0 from any to any -> (em0)\n@@@pass all\n",
    "no rules": "set skip on lo\n\n@@@",
    "before the remark of the first rule": "set skip on lo\n# options\n\n@@@# rules\n  # more\nblock all\n",
    "a rule in a remark": "# pass all\n\nset skip on lo\n@@@block all\n",
    "a remark that goes on": "# set skip on lo \\\npass all\nscrub all\n@@@block all\n",
    "a rule in quotes": 'x = "\npass all\n"\nscrub all\n@@@pass in\n',
    "braces over lines": "nat on em0 from {\n  10.0.0.1\n  pass\n} to any -> (em0)\n@@@block all\n",
    "a line that goes on": "scrub \\\n  in all\n@@@pass \\\n  in all\n",
    "a rule that begins on a line that goes on": "scrub all\n@@@\\\n\\\npass all\n",
    "a macro that is a rule": 'scrub all\nrule = "pass in"\n@@@$rule all\n',
    "a macro that is none": 'pass_all = "scrub"\n$pass_all in all\n@@@block all\n',
    "a macro in a macro": 'a = "block"\nb = "pass"\nc = $a\nscrub on $if:network\n@@@$c in\n',
    "a macro of an included file": 'include "/etc/macros"\nscrub all\n@@@$start all\n',
    "a table between": "table <x> { 10.0.0.1 }\n@@@pass all\ntable <y>\n",
    "anchors with rules": 'nat-anchor "a"\n@@@anchor "b" {\n  pass in\n}\npass all\n',
    "negated translation": "no nat on em0 from any to any\nno rdr on em0\nno scrub\n@@@pass all\n",
    "no keyword in quotes": 'scrub all\n"pass" = "x"\n@@@pass all\n',
    "ethernet and queues": "ether pass in\naltq on em0 cbq queue a\nqueue a\n@@@match all\n",
    "antispoof": "@@@antispoof for em0\n",
    "included rules": 'include "/etc/nat"\n@@@include "/etc/filter"\n',
    "included by included": '@@@include "/etc/both"\n',
    "a missing file": 'include "/etc/missing"\nscrub all\n@@@pass all\n',
    "a file that includes itself": 'include "/etc/circle"\n@@@pass all\n',
    "an anchor that an included file begins": 'scrub all\n@@@include "/etc/open"\n}\npass all\n',
    "order does not matter": "set require-order no\n@@@pass all\nscrub all\n",
    "a backslash at the end of no rule": "scrub all \\\n@@@",
}


def conf(text: str) -> PfConf:
    return PfConf(text, INCLUDED.get)


@pytest.mark.parametrize("text", PLACES.values(), ids=PLACES.keys())
def test_the_block_goes_before_the_first_rule_and_comes_out_again(text: str) -> None:
    own = text.replace("@@@", "")
    hooked = conf(own).present("libvirt")
    assert hooked == text.replace("@@@", BLOCK)
    assert conf(hooked).own == own
    assert conf(hooked).present("libvirt") == hooked


@pytest.mark.parametrize("own", ["set skip on lo", "set skip on lo \\", "# remark"])
def test_a_file_that_does_not_end_its_last_line_gets_it_back(own: str) -> None:
    hooked = conf(own).present("libvirt")
    assert hooked == f"{own}\n{BLOCK.rstrip()}"
    assert conf(hooked).own == own


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        (f"scrub all\n{BLOCK}\ntable <x>\npass all\n", f"scrub all\n{BLOCK}\ntable <x>\npass all\n"),
        (f"{BLOCK}scrub all\npass all\n", f"scrub all\n{BLOCK}pass all\n"),
        (f"pass in\n{BLOCK}pass all\n", f"{BLOCK}pass in\npass all\n"),
        (f"scrub all\n{BLOCK}{BLOCK}pass all\n{BLOCK}", f"scrub all\n{BLOCK}pass all\n"),
        (f"pass all\n{BLOCK}".rstrip(), f"{BLOCK}pass all"),
        (BLOCK.replace("# END bsdvirt.pfnet hooks\n", "") + "pass all\n", f"{BLOCK}pass all\n"),
        (BLOCK.replace("# END bsdvirt.pfnet hooks\n", BLOCK) + "pass all\n", f"{BLOCK}pass all\n"),
        (f"# END bsdvirt.pfnet hooks\n{BLOCK}pass all\n", f"{BLOCK}pass all\n"),
        (BLOCK.replace("libvirt", "former") + "pass all\n", f"{BLOCK}pass all\n"),
        (BLOCK.replace('anchor "libvirt/*"', 'anchor "libvirt/*" quick') + "pass all\n", f"{BLOCK}pass all\n"),
    ],
    ids=["stays", "options since", "rules since", "copies", "last", "no end", "two beginnings", "two ends", "another root", "edited"],
)
def test_one_block_at_a_right_place(text: str, moved: str) -> None:
    assert conf(text).present("libvirt") == moved
    assert conf(moved).present("libvirt") == moved


def test_what_is_written_by_hand_is_not_in_the_block() -> None:
    text = textwrap.dedent("""\
        nat-anchor "libvirt/*"
        anchor "/libvirt/*" on em0
        anchor "other" { anchor "libvirt/*" }
        """)
    found = conf(text)
    assert {kind: statement.conditional for kind, statement in found.hand_written("libvirt").items()} == {"nat-anchor": False, "anchor": True}
    assert 'rdr-anchor "libvirt/*"\ninclude "' in found.present("libvirt")
    assert found.present("libvirt").count("anchor") == text.count("anchor") + 1
    whole = BLOCK.replace("# BEGIN bsdvirt.pfnet hooks (kept by the module pf_hooks)\n", "").replace("# END bsdvirt.pfnet hooks\n", "")
    assert conf(whole).present("libvirt") == whole
    assert not conf(whole).has_block


@pytest.mark.parametrize(
    ("text", "mixed"),
    [
        ('include "/etc/both"\n', "/etc/filter"),
        ('include "/etc/nat"\ninclude "/etc/filter"\n', None),
        ('set require-order no\ninclude "/etc/both"\n', None),
        ('pass in\ninclude "/etc/both"\n', None),
    ],
)
def test_an_include_that_leaves_no_place_is_named(text: str, mixed: str | None) -> None:
    assert conf(text).mixed == mixed


@pytest.mark.parametrize(
    ("text", "cuts"),
    [
        ("pass all\n", False),
        ("block all\npass in proto tcp to port 22\n", True),
        ("block all\npass in proto tcp to port 22 flags any\n", False),
        ("block all\npass in proto tcp to port 22 no state\n", False),
        ('anchor "a" {\n  block in\n}\n', True),
        ('include "/etc/filter"\n', True),
        ('block all\nanchor "a" {\n  pass \\\n in flags any\n}\n', False),
        ("# block all\nset block-policy drop\npass all\n", False),
    ],
)
def test_rules_that_cut_connections(text: str, cuts: bool) -> None:
    assert conf(text).cuts_connections is cuts
