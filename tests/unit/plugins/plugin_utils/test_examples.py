# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example by its files: definitions in, rules out. `PFNET_WRITE_RULES=1` writes the rules anew, for a person to read the difference."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.bsdvirt.pfnet.plugins.filter.render import render
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.render import render as documents
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import read_networks

EXAMPLES = sorted((pathlib.Path(__file__).parents[4] / "examples").glob("*.yml"))
RULES = pathlib.Path(__file__).parent / "rules"


class Loader(yaml.SafeLoader):
    """YAML as Ansible reads it, as far as the examples need."""

    yaml_constructors: t.ClassVar = {**yaml.SafeLoader.yaml_constructors, "!unsafe": yaml.SafeLoader.construct_yaml_str}


def declared(example: pathlib.Path) -> list[dict[str, t.Any]]:
    return t.cast("list[dict[str, t.Any]]", yaml.load(example.read_text(), Loader=Loader)["pfnet_networks"])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_rules(example: pathlib.Path) -> None:
    files = render(declared(example), egress="re0")
    anchors = {path.rpartition("/")[2]: text for path, text in files.items() if path.startswith(f"{layout.ANCHORS}/")}
    folder = RULES / example.stem
    if os.environ.get("PFNET_WRITE_RULES"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in anchors.items():
            (folder / name).write_text(text)
    assert anchors == {file.name: file.read_text() for file in folder.iterdir()}


def test_all_examples_fit_on_one_host() -> None:
    together = [network for example in EXAMPLES for network in declared(example)]
    files = render(together)
    assert {layout.definition_path(network["name"]) for network in together} < files.keys()
    # What is not to start by itself is in no file of the boot.
    starting = [network for network in together if network.get("autostart", True)]
    assert len(starting) < len(together)
    assert files[layout.BOOT_RULES].count("load anchor") == files[layout.BOOT_INTERFACES].count("_name=") == len(starting)
    kinds = [path.rpartition("/")[0] for path in files]
    assert kinds.count(layout.DNSMASQ) == 3 * sum(document["dnsmasq"] is not None for document in documents(read_networks(together)))
