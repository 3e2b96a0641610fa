# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection plugin, through ansible itself."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
PLAYBOOK = """
- hosts: all
  become: true
  gather_facts: false
  tasks:
    - ansible.builtin.setup: {gather_subset: [min, network]}
    - ansible.builtin.copy: {content: "of the host\\n", dest: /usr/local/etc/copied.conf}
    - ansible.builtin.copy: {src: "{{ local }}", dest: ~/copied.txt}
    - ansible.builtin.fetch: {src: /etc/rc.conf, dest: "{{ fetched }}", flat: true}
    - ansible.builtin.command: ifconfig -l
      register: interfaces
      vars: {ansible_pipelining: true}
    - ansible.builtin.service: {name: netif, state: started}
    - ansible.builtin.copy:
        dest: /tmp/facts.json
        content: "{{ ansible_facts | combine({'interface_list': interfaces.stdout}) | to_json }}"
"""


@pytest.mark.skipif(importlib.util.find_spec("ansible") is None, reason="ansible-core is not installed")
def test_play(host_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    (tmp_path / "local.txt").write_text("of the controller\n")
    inventory = {
        "ansible_connection": "simhost",
        "simhost_root": str(host_directory),
        "ansible_python_interpreter": sys.executable,
        "local": str(tmp_path / "local.txt"),
        "fetched": str(tmp_path / "fetched"),
    }
    (tmp_path / "inventory.json").write_text(json.dumps({"all": {"hosts": {"simulated": inventory}}}))
    environment = {
        **os.environ,
        "ANSIBLE_CONNECTION_PLUGINS": str(TESTS / "simhost" / "connection_plugins"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
    }
    command = [sys.executable, "-m", "ansible", "playbook", "-i", str(tmp_path / "inventory.json"), str(tmp_path / "play.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    root = host_directory / "root"
    assert (root / "usr/local/etc/copied.conf").read_text() == "of the host\n"
    assert (root / "root/copied.txt").read_text() == "of the controller\n"
    assert (tmp_path / "fetched").read_text() == (root / "etc/rc.conf").read_text()
    facts = json.loads((root / "tmp/facts.json").read_text())
    assert facts["interface_list"] == "vtnet0 vtnet1 lo0"
    assert (facts["distribution"], facts["distribution_version"], facts["os_family"]) == ("FreeBSD", "15.1", "FreeBSD")
    assert (facts["hostname"], facts["service_mgr"], facts["default_ipv4"]["interface"]) == ("fbsd-test", "bsdinit", "vtnet0")
