# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin leases, through ansible-inventory: on simulated hosts, and through ssh's plugin with a stand-in for ssh."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from simhost import create

pytest.importorskip("ansible", reason="ansible-core is not installed")

TESTS = Path(__file__).parents[2]
FAR = 4000000000
DEFAULT = f"""\
{FAR} 52:54:00:11:22:33 192.168.122.92 web 01:52:54:00:11:22:33
1000000000 52:54:00:11:22:34 192.168.122.93 gone *
0 52:54:00:11:22:35 192.168.122.94 * *
duid 00:01:00:01:2b:f0:11:22:52:54:00:aa:bb:cc
{FAR} 1122868 fd00:122::92 web 00:01:00:01:2b:f0:11:22:52:54:00:11:22:33
"""
LAB = f"{FAR} 52:54:00:11:33:33 10.0.100.92 web *\n{FAR} 52:54:00:11:33:34 10.0.100.93 localhost *\n"

# Takes what the plugin is to say to ssh, and answers as the host.
SSH = f"""#!{sys.executable}
import json, pathlib, subprocess, sys
here = pathlib.Path(__file__).parent
with open(here / "said.jsonl", "a") as said:
    said.write(json.dumps(sys.argv[1:]) + "\\n")
if "-V" in sys.argv:
    sys.exit(0)
if (here / "unreachable").exists():
    print("ssh: connect to host hyper1 port 2222: Connection refused", file=sys.stderr)
    sys.exit(255)
sys.exit(subprocess.run(["/bin/sh", "-c", sys.argv[-1].replace("/var/db/pfnet", str(here / "leases"))]).returncode)
"""


class Controller:
    """A folder with inventory sources, and Ansible's own files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources: list[str] = []

    def source(self, name: str, content: dict[str, t.Any]) -> None:
        (self.folder / name).write_text(json.dumps(content))
        self.sources.append(name)

    def ansible_inventory(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "ANSIBLE_CONNECTION_PLUGINS": str(TESTS / "simhost" / "connection_plugins"),
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "ansible"),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
        }
        sources = [word for name in self.sources for word in ("-i", str(self.folder / name))]
        # As the command does it, whose script need not be on PATH.
        command = [sys.executable, "-m", "ansible", "inventory", *sources, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=self.folder, stdin=subprocess.DEVNULL)

    def graph(self) -> list[str]:
        done = self.ansible_inventory("--graph")
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def variables(self) -> dict[str, dict[str, t.Any]]:
        return t.cast("dict[str, dict[str, t.Any]]", self.listed()["_meta"]["hostvars"])

    def listed(self) -> dict[str, t.Any]:
        done = self.ansible_inventory("--list")
        assert done.returncode == 0, done.stderr
        # From ansible-core 2.19 on, text that is not to be taken for a template is shown so.
        return t.cast("dict[str, t.Any]", json.loads(done.stdout, object_hook=lambda data: data.get("__ansible_unsafe", data)))


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def write_leases(root: Path, **texts: str) -> None:
    folder = root / "root" / "var" / "db" / "pfnet"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "loaded.json").write_text("{}")
    for network, text in texts.items():
        (folder / f"{network}.leases").write_text(text)


@pytest.fixture
def hypervisors(controller: Controller) -> dict[str, Path]:
    """Two simulated hosts in the group hypervisors of hosts.json, whose variables stand in the inventory in all the ways there are."""
    roots = {name: controller.folder / name for name in ("h1", "h2")}
    for root in roots.values():
        create.create(root, "fresh")
    write_leases(roots["h1"], default=DEFAULT, lab=LAB)
    controller.source(
        "hosts.json", {"hypervisors": {"hosts": {"h1": {}, "h2": {"simhost_root": str(roots["h2"])}}}, "others": {"hosts": {"db": {"ansible_host": "db"}}}}
    )
    for path, variables in {
        "group_vars/hypervisors.json": {"ansible_connection": "{{ kind }}", "kind": "simhost"},
        "host_vars/h1.json": {"simhost_root": str(roots["h1"])},
    }.items():
        (controller.folder / path).parent.mkdir()
        (controller.folder / path).write_text(json.dumps(variables))
    return roots


def test_ansible_inventory_shows_guests_by_network_and_by_hypervisor(controller: Controller, hypervisors: dict[str, Path]) -> None:
    write_leases(hypervisors["h2"], default=f"{FAR} 52:54:00:22:22:33 192.168.122.50 db *\n{FAR} 52:54:00:22:22:34 192.168.122.51 mail *\n")
    controller.source("guests.leases.yml", {"plugin": "bsdvirt.pfnet.leases", "hypervisor_group": "hypervisors"})
    graph = controller.graph()
    shown = graph[graph.index("  |--@pfnet_guests:") :]
    names = ["web.default", "192.168.122.94", "web.lab", "localhost.lab", "db.default", "mail"]
    assert shown[: len(names) + 1] == ["  |--@pfnet_guests:", *(f"  |  |--{name}" for name in names)]
    assert [line.strip(" |-") for line in shown[len(names) + 1 :]] == [
        *("@pfnet_network_default:", "web.default", "192.168.122.94", "db.default", "mail"),
        *("@pfnet_hypervisor_h1:", "web.default", "192.168.122.94", "web.lab", "localhost.lab"),
        *("@pfnet_network_lab:", "web.lab", "localhost.lab"),
        *("@pfnet_hypervisor_h2:", "db.default", "mail"),
    ]
    variables = controller.variables()
    assert variables["db"] == {"ansible_host": "db"}
    web = variables["web.default"]
    assert [lease["address"] for lease in web.pop("pfnet_leases")] == ["192.168.122.92", "fd00:122::92"]
    assert web == {
        "ansible_host": "192.168.122.92",
        "pfnet_addresses": ["192.168.122.92", "fd00:122::92"],
        "pfnet_hypervisor": "h1",
        "pfnet_mac": "52:54:00:11:22:33",
        "pfnet_name": "web",
        "pfnet_network": "default",
    }


def test_a_hypervisor_without_networks_has_no_guests(controller: Controller, hypervisors: dict[str, Path]) -> None:
    shutil.rmtree(hypervisors["h1"] / "root" / "var" / "db" / "pfnet")
    controller.source("leases.yaml", {"plugin": "bsdvirt.pfnet.leases", "hypervisor_group": "hypervisors", "unreachable": "fail"})
    assert not [line for line in controller.graph() if "pfnet" in line]


def test_what_is_composed_of_leases(controller: Controller, hypervisors: dict[str, Path]) -> None:
    controller.source(
        "pfnet_leases.yml",
        {
            "plugin": "bsdvirt.pfnet.leases",
            "hypervisors": [{"host": "localhost", "name": "one", "vars": {"ansible_connection": "simhost", "simhost_root": str(hypervisors["h1"])}}],
            "hostname": "full",
            "strict": True,
            "compose": {"ansible_user": "'root' if pfnet_network == 'lab' else 'debian'"},
            "groups": {"webservers": "pfnet_name == 'web'"},
            "keyed_groups": [{"prefix": "on", "key": "pfnet_hypervisor"}],
        },
    )
    done = controller.listed()
    assert done["webservers"]["hosts"] == ["web.default.one", "web.lab.one"]
    assert done["on_one"]["hosts"] == done["pfnet_guests"]["hosts"] == ["web.default.one", "192.168.122.94.default.one", "web.lab.one", "localhost.lab.one"]
    assert {name: variables["ansible_user"] for name, variables in done["_meta"]["hostvars"].items() if "lab" in name} == {
        "web.lab.one": "root",
        "localhost.lab.one": "root",
    }
    assert "one" not in done["_meta"]["hostvars"]


def test_no_guest_takes_the_name_of_a_hypervisor_or_of_a_group_to_be(controller: Controller, hypervisors: dict[str, Path]) -> None:
    names = ("one", "webservers", "hypervisors")
    leases = "".join(f"{FAR} 52:54:00:11:44:{number:02} 10.0.100.{number} {name} *\n" for number, name in enumerate(names, 10))
    (hypervisors["h1"] / "root/var/db/pfnet/lab.leases").write_text(leases)
    controller.source(
        "pfnet_leases.yml",
        {
            "plugin": "bsdvirt.pfnet.leases",
            "hypervisors": [{"host": "localhost", "name": "one", "vars": {"ansible_connection": "simhost", "simhost_root": str(hypervisors["h1"])}}],
            "groups": {"webservers": "false"},
        },
    )
    hosts = controller.listed()["_meta"]["hostvars"]
    assert {"one.lab", "webservers.lab", "hypervisors.lab"} <= hosts.keys()
    assert not {*names} & hosts.keys()


def test_a_cache_saves_the_way_but_leases_run_out_in_it(controller: Controller, hypervisors: dict[str, Path]) -> None:
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(controller.folder / "cache"), "cache_timeout": 3600}
    controller.source("leases.yml", {"plugin": "bsdvirt.pfnet.leases", "hypervisor_group": "hypervisors", **cache})
    before = controller.graph()
    assert "  |  |--web.default" in before
    for root in hypervisors.values():
        shutil.rmtree(root)
    assert controller.graph() == before
    (kept,) = (controller.folder / "cache").iterdir()
    kept.write_text(kept.read_text().replace(str(FAR), "1000000000"))
    assert [line for line in controller.graph() if "--@pfnet_guests" in line or "192" in line or "web" in line][:2] == [
        "  |--@pfnet_guests:",
        "  |  |--192.168.122.94",
    ]
    assert not [line for line in controller.graph() if "web" in line]


def test_a_hypervisor_that_cannot_be_reached(controller: Controller, hypervisors: dict[str, Path]) -> None:
    shutil.rmtree(hypervisors["h2"])
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(controller.folder / "cache")}
    source = {"plugin": "bsdvirt.pfnet.leases", "hypervisor_group": "hypervisors", **cache}
    controller.source("leases.yml", source)
    done = controller.ansible_inventory("--graph")
    assert "web.default" in done.stdout
    assert "The leases of h2 cannot be read" in " ".join(done.stderr.split())
    assert not (controller.folder / "cache").exists() or not list((controller.folder / "cache").iterdir())
    controller.source("leases.yml", {**source, "unreachable": "fail"})
    done = controller.ansible_inventory("--graph")
    assert done.returncode != 0
    assert "The leases of h2 cannot be read" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "hypervisors: found nothing"),
        ({"hypervisor_group": "nobody"}, "hypervisor_group: found 'nobody'; allowed: a group of the inventory sources before this one"),
        ({"hypervisors": [{"name": "x"}]}, "hypervisors[0]: found"),
        ({"hypervisors": [{"host": "x"}, {"host": "y", "key": "z"}]}, "hypervisors[1].key: allowed: host, name, user"),
        ({"hypervisors": [{"host": "x"}, {"host": "y", "name": "x"}]}, "hypervisors[1].name: found 'x', which another of the hypervisors has"),
        ({"hypervisors": [{"host": "x", "vars": []}, {"host": "y", "vars": "a"}]}, "hypervisors[1].vars: found 'a'"),
        ({"hypervisors": [{"host": "x", "vars": {"ansible_connection": "pigeon"}}]}, "x: there is no connection plugin 'pigeon'"),
    ],
)
def test_what_is_wrong_with_a_source_is_said(controller: Controller, options: dict[str, t.Any], message: str) -> None:
    controller.source("leases.yml", {"plugin": "bsdvirt.pfnet.leases", **options})
    done = controller.ansible_inventory("--graph")
    assert done.returncode != 0
    assert message in " ".join(done.stderr.split())


def test_sources_of_other_names_are_left_to_other_plugins(controller: Controller) -> None:
    controller.source("releases.yml", {"plugin": "bsdvirt.pfnet.leases", "hypervisors": [{"host": "x"}]})
    done = controller.ansible_inventory("--graph")
    assert done.returncode != 0
    assert "releases.yml is not read: a source of bsdvirt.pfnet.leases is called leases.yml" in " ".join(done.stderr.split())


@pytest.fixture
def ssh(controller: Controller) -> Path:
    folder = controller.folder / "bin"
    (folder / "leases").mkdir(parents=True)
    (folder / "leases" / "lab.leases").write_text(LAB)
    (folder / "ssh").write_text(SSH)
    (folder / "ssh").chmod(0o755)
    return folder


def test_ssh_is_told_what_the_hypervisor_needs_and_guests_what_the_way_needs(controller: Controller, ssh: Path) -> None:
    through = {"ansible_ssh_executable": str(ssh / "ssh")}
    controller.source(
        "leases.yml",
        {
            "plugin": "bsdvirt.pfnet.leases",
            "hypervisors": [
                {"host": "hyper1", "name": "one", "user": "root", "port": 2222, "vars": through},
                {"host": "hyper2", "name": "two", "private_key_file": "~/a key", "vars": {**through, "ansible_ssh_common_args": "-o Compression=yes"}},
            ],
        },
    )
    variables = controller.variables()
    assert variables["web.lab.one"]["ansible_ssh_common_args"] == "-o ProxyJump=root@hyper1:2222"
    flag, option = shlex.split(variables["web.lab.two"]["ansible_ssh_common_args"])
    assert (flag, option.partition("=")[0]) == ("-o", "ProxyCommand")
    key = os.path.expanduser("~/a key")
    assert shlex.split(option.partition("=")[2]) == ["ssh", "-i", key, "-o", "Compression=yes", "-W", "[%h]:%p", "hyper2"]
    said = [json.loads(line) for line in (ssh / "said.jsonl").read_text().splitlines()]
    reading = "grep -rH '--include=*.leases' '' /var/db/pfnet"
    assert sorted(words[-2:] for words in said if words[-1] == reading) == [["hyper1", reading], ["hyper2", reading]]
    assert any("Port=2222" in words and 'User="root"' in words for words in said)


def test_ssh_that_fails_is_a_warning_with_its_words(controller: Controller, ssh: Path) -> None:
    (ssh / "unreachable").touch()
    through = {"ansible_ssh_executable": str(ssh / "ssh")}
    controller.source("leases.yml", {"plugin": "bsdvirt.pfnet.leases", "hypervisors": [{"host": "hyper1", "vars": through}]})
    done = controller.ansible_inventory("--graph")
    assert done.returncode == 0
    said = " ".join(done.stderr.split())
    assert "The leases of hyper1 cannot be read" in said
    assert "Connection refused" in said
