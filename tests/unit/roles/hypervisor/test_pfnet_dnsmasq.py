# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rc.d script pfnet_dnsmasq with a real dnsmasq, in namespaces where its paths are those of a FreeBSD host."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
SCRIPT = ROOT / "roles" / "hypervisor" / "files" / "pfnet_dnsmasq"
# Debian keeps it where an ordinary user's PATH does not look.
DNSMASQ = shutil.which("dnsmasq", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]))
NETWORKS = ("blue", "green.1")

# /etc, /usr/local and /var are the host's; the network has two bridges' addresses.
HOST = """
set -e
for path in etc usr/local var run; do mount --bind "$1/$path" "/$path"; done
mount --bind "$1/etc/dnsmasq" /usr/local/sbin/dnsmasq
ip link set lo up
for number in 1 2; do
    ip link add "virbr$number" type bridge
    ip address add "10.10.$number.1/24" dev "virbr$number"
    ip link set "virbr$number" up
done
"""
# The first process: everything ends with it, and it forgets children that ended, as FreeBSD's does.
INIT = """
import signal, subprocess, sys
subprocess.run(["sh", "-c", sys.argv[1], "sh", sys.argv[2]], check=True)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
sys.stdin.read()
"""


def conf(number: int) -> str:
    address = f"10.10.{number}"
    return f"""
interface=virbr{number}
bind-interfaces
except-interface=lo
user=nobody
# nobody's group is named otherwise on FreeBSD.
group=nogroup
no-resolv
dhcp-leasefile=/var/db/pfnet/network{number}.leases
dhcp-range={address}.2,{address}.9,255.255.255.0
dhcp-hostsfile=/usr/local/etc/pfnet/dnsmasq/network{number}.hostsfile
addn-hosts=/usr/local/etc/pfnet/dnsmasq/network{number}.hosts
"""


class Host:
    """A machine whose paths, processes and network are its own as long as the process `holder` runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for path in ("etc", "usr/local/sbin", "usr/local/etc/pfnet/dnsmasq", "var/db", "run"):
            (folder / path).mkdir(parents=True)
        (folder / "var" / "run").symlink_to("../run")
        for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache", "localtime"):
            if os.path.exists(f"/etc/{name}"):
                shutil.copy(f"/etc/{name}", folder / "etc" / name)
        shutil.copy(Path(__file__).with_name("rc.subr"), folder / "etc" / "rc.subr")
        assert DNSMASQ
        shutil.copy(DNSMASQ, folder / "etc" / "dnsmasq")
        (folder / "usr/local/sbin/dnsmasq").touch()
        self.script = folder / "usr" / "local" / "pfnet_dnsmasq"
        shutil.copy(SCRIPT, self.script)
        self.confs = folder / "usr" / "local" / "etc" / "pfnet" / "dnsmasq"
        for number, name in enumerate(NETWORKS, 1):
            (self.confs / f"{name}.conf").write_text(conf(number))
            (self.confs / f"network{number}.hosts").write_text("")
            (self.confs / f"network{number}.hostsfile").write_text("")

    def rc_conf(self, text: str) -> None:
        (self.folder / "etc" / "rc.conf").write_text(text)

    def boot(self) -> str | None:
        """Start the machine; why not, if this one does not allow it."""
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", sys.executable, "-c", INIT, HOST, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.holder.stdout
        assert self.holder.stderr
        if self.holder.stdout.readline() != "ready\n":
            return (self.holder.stderr.read().splitlines() or ["unshare said nothing"])[0]
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()
        self.init = children[0]
        return None

    def halt(self) -> None:
        self.holder.communicate()

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        entered = ["nsenter", "--target", self.init, "--mount", "--net", "--pid", *argv]
        return subprocess.run(entered, capture_output=True, text=True, check=False, timeout=60, env={"PATH": "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin"})

    def service(self, *words: str, boot: bool = False) -> subprocess.CompletedProcess[str]:
        return self.run(*(["env", "autoboot=yes"] if boot else []), "/bin/sh", "/usr/local/pfnet_dnsmasq", *words)

    def pid(self, network: str) -> int | None:
        path = self.folder / "run" / "pfnet" / f"{network}.pid"
        return int(path.read_text()) if path.exists() else None

    def processes(self) -> list[str]:
        """The running instances: user and arguments, sorted."""
        listed = self.run("ps", "-ww", "-C", "dnsmasq", "-o", "user=", "-o", "args=").stdout
        return sorted(" ".join(line.split()) for line in listed.splitlines())


@pytest.fixture
def host(tmp_path: Path) -> t.Iterator[Host]:
    lacking = [name for name in ("unshare", "nsenter", "ip", "ps", "mount") if not shutil.which(name)]
    if os.geteuid() != 0:
        pytest.skip("needs root: dnsmasq opens the ports 53 and 67, in a network of its own")
    if not DNSMASQ or lacking:
        pytest.skip(f"needs {', '.join(lacking or ['dnsmasq'])}: apt-get install dnsmasq-base util-linux iproute2 procps")
    machine = Host(tmp_path / "host")
    refusal = machine.boot()
    if refusal:
        machine.halt()
        pytest.skip(f"this machine does not allow namespaces with bridges: {refusal}")
    yield machine
    machine.halt()


def eventually(question: t.Callable[[], t.Any]) -> t.Any:
    """The first true answer within five seconds, or the last one."""
    for _tenth in range(50):
        answer = question()
        if answer:
            return answer
        time.sleep(0.1)
    return answer


def arguments(network: str) -> str:
    return f"nobody /usr/local/sbin/dnsmasq -C /usr/local/etc/pfnet/dnsmasq/{network}.conf -x /var/run/pfnet/{network}.pid"


def test_an_instance_a_network_as_an_unprivileged_user(host: Host) -> None:
    done = host.service("start")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"Starting dnsmasq of {name}." for name in NETWORKS]
    assert host.processes() == [arguments(name) for name in NETWORKS]
    status = host.service("status")
    assert status.returncode == 0
    assert status.stdout.splitlines() == [f"dnsmasq of {name} is running as pid {host.pid(name)}." for name in NETWORKS]
    assert sorted(path.name for path in (host.folder / "var/db/pfnet").iterdir()) == ["network1.leases", "network2.leases"]


def test_a_second_start_starts_nothing(host: Host) -> None:
    host.service("start")
    before = host.run("pgrep", "dnsmasq").stdout
    done = host.service("start")
    assert (done.returncode, host.run("pgrep", "dnsmasq").stdout) == (0, before)


def test_stop_leaves_no_process_and_no_pid_file_but_leases(host: Host) -> None:
    host.service("start")
    assert host.service("stop").returncode == 0
    assert host.processes() == []
    assert not (host.folder / "run/pfnet").exists()
    assert len(list((host.folder / "var/db/pfnet").iterdir())) == len(NETWORKS)
    assert host.service("stop").returncode == 0


def test_one_network_is_restarted_alone(host: Host) -> None:
    host.service("start")
    before = {name: host.pid(name) for name in NETWORKS}
    done = host.service("restart", "blue")
    assert (done.returncode, done.stderr) == (0, "")
    assert host.pid("green.1") == before["green.1"]
    assert host.pid("blue") not in (None, before["blue"])
    assert host.processes() == [arguments(name) for name in NETWORKS]
    host.service("stop", "green.1")
    assert host.processes() == [arguments("blue")]


def test_status_names_the_network_that_is_not_running(host: Host) -> None:
    host.service("start")
    host.run("kill", "-KILL", str(host.pid("blue")))
    assert eventually(lambda: len(host.processes()) == 1)
    status = host.service("status")
    assert status.returncode == 1
    assert "dnsmasq of blue is not running." in status.stdout.splitlines()
    assert host.service("status", "green.1").returncode == 0
    assert host.service("start").returncode == 0
    assert host.service("status").returncode == 0


@pytest.mark.parametrize("pid", ["1", "99999", "", "nonsense", "-1"])
def test_a_stale_pid_file_is_no_instance(host: Host, pid: str) -> None:
    folder = host.folder / "run" / "pfnet"
    folder.mkdir()
    (folder / "blue.pid").write_text(f"{pid}\n")
    assert host.service("status", "blue").returncode == 1
    assert host.service("stop", "blue").returncode == 0
    assert host.holder.poll() is None
    folder.mkdir()
    (folder / "blue.pid").write_text(f"{pid}\n")
    assert host.service("start", "blue").returncode == 0
    assert host.processes() == [arguments("blue")]


def test_the_pid_of_another_networks_instance_is_not_taken_for_ones_own(host: Host) -> None:
    host.service("start")
    host.run("kill", "-KILL", str(host.pid("blue")))
    (host.folder / "run/pfnet/blue.pid").write_text(f"{host.pid('green.1')}\n")
    assert host.service("stop", "blue").returncode == 0
    assert host.processes() == [arguments("green.1")]


def test_reload_reads_the_hosts_files_without_a_restart(host: Host) -> None:
    host.service("start")
    before = host.pid("blue")
    (host.confs / "network1.hosts").write_text("10.10.1.5 ada\n")
    assert host.service("reload", "blue").returncode == 0
    query = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); "
    query += r"s.sendto(b'\0\1\1\0\0\1\0\0\0\0\0\0\3ada\0\0\1\0\1', ('10.10.1.1', 53)); print(s.recv(512)[-4:])"
    assert eventually(lambda: host.run("python3", "-c", query).stdout.strip() == r"b'\n\n\x01\x05'")
    assert host.pid("blue") == before


def test_reload_of_what_is_not_running_fails(host: Host) -> None:
    done = host.service("reload", "blue")
    assert done.returncode == 1
    assert "dnsmasq of blue is not running" in done.stderr


def test_one_that_cannot_start_says_why_and_the_others_start(host: Host) -> None:
    (host.confs / "blue.conf").write_text("no-such-option\n")
    done = host.service("start")
    assert done.returncode == 1
    assert "dnsmasq: bad option at line 1 of /usr/local/etc/pfnet/dnsmasq/blue.conf" in done.stderr
    assert "dnsmasq of blue did not start" in done.stderr
    assert host.processes() == [arguments("green.1")]


def test_a_port_that_is_taken_is_dnsmasqs_own_line(host: Host) -> None:
    (host.confs / "green.1.conf").write_text(conf(1).replace("dhcp-range", "#"))
    done = host.service("start")
    assert done.returncode == 1
    assert "failed to create listening socket for 10.10.1.1: Address already in use" in done.stderr
    assert host.processes() == [arguments("blue")]


def test_a_restart_with_a_configuration_that_dnsmasq_does_not_take_keeps_what_runs(host: Host) -> None:
    host.service("start")
    before = host.run("pgrep", "dnsmasq").stdout
    (host.confs / "blue.conf").write_text("no-such-option\n")
    done = host.service("restart", "blue")
    assert done.returncode == 1
    assert "bad option at line 1" in done.stderr
    assert host.run("pgrep", "dnsmasq").stdout == before


def test_an_instance_that_does_not_end_is_killed(host: Host) -> None:
    host.service("start", "blue")
    host.run("kill", f"-{signal.SIGSTOP}", str(host.pid("blue")))
    assert host.service("stop").returncode == 0
    assert host.processes() == []


def test_stop_reaches_an_instance_whose_configuration_is_gone(host: Host) -> None:
    host.service("start")
    (host.confs / "blue.conf").unlink()
    assert host.service("stop").returncode == 0
    assert host.processes() == []


def test_nothing_runs_where_nothing_is_configured(host: Host) -> None:
    for name in NETWORKS:
        (host.confs / f"{name}.conf").unlink()
    for action in ("start", "status", "restart", "reload", "stop"):
        done = host.service(action)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert host.processes() == []
    assert not (host.folder / "run/pfnet").exists()


def test_a_network_without_a_configuration_and_a_name_that_is_none(host: Host) -> None:
    done = host.service("start", "red")
    assert done.returncode == 1
    assert "no network red has DHCP or DNS here" in done.stderr
    done = host.service("start", "../../etc/passwd")
    assert done.returncode == 1
    assert "not the name of a network" in done.stderr


def test_a_missing_dnsmasq_is_said(host: Host) -> None:
    host.rc_conf("pfnet_dnsmasq_program=/usr/local/sbin/missing")
    done = host.service("start")
    assert done.returncode == 1
    assert "there is no /usr/local/sbin/missing (pkg install dnsmasq)" in done.stderr


def test_it_can_be_turned_off(host: Host) -> None:
    host.rc_conf('pfnet_dnsmasq_enable="NO"')
    done = host.service("start")
    assert "Set pfnet_dnsmasq_enable to YES" in done.stdout
    assert host.processes() == []
    host.service("onestart")
    assert host.processes() == [arguments(name) for name in NETWORKS]


def test_at_boot_a_network_without_a_bridge_is_passed_over(host: Host) -> None:
    ifconfig = host.folder / "usr/local/sbin/ifconfig"
    ifconfig.write_text('#!/bin/sh\nexec ip link show "$1"\n')
    ifconfig.chmod(0o755)
    host.run("ip", "link", "delete", "virbr1")
    done = host.service("faststart", boot=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "dnsmasq of blue does not start at boot: its bridge is not there." in done.stdout
    assert host.processes() == [arguments("green.1")]
    done = host.service("start")
    assert done.returncode == 1
    assert "unknown interface virbr1" in done.stderr


def test_shellcheck_finds_nothing() -> None:
    shellcheck = shutil.which("shellcheck")
    if not shellcheck:
        pytest.skip("needs shellcheck: apt-get install shellcheck")
    done = subprocess.run([shellcheck, str(SCRIPT), str(Path(__file__).with_name("rc.subr"))], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
