# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnsmasq, packages, and what processes have open, on a simulated host."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from commands_of import read, run, write
from simhost import create, state
from simhost.dnsmasq.directives import NO_ADDRESS
from simhost.kernel import processes

CONF = "/usr/local/etc/pfnet/dnsmasq/blue.conf"
BRIDGE = ("ifconfig bridge1000 create name virbr0", "ifconfig virbr0 inet 10.0.0.1/24 up")
SCRIPT = "/usr/local/etc/rc.d/pfnet_dnsmasq"
BLUE = """\
strict-order
interface=virbr0
except-interface=lo0
bind-dynamic
dhcp-range=10.0.0.2,10.0.0.9,255.255.255.0,2h
dhcp-hostsfile=/usr/local/etc/pfnet/dnsmasq/blue.hostsfile
addn-hosts=/usr/local/etc/pfnet/dnsmasq/blue.hosts
log-facility=/var/log/blue.log
dhcp-leasefile=/var/db/pfnet/blue.leases
"""
CASES = [
    line.split("\t")
    for line in (Path(__file__).parent / "dnsmasq-lines.txt").read_text(encoding="utf-8").splitlines()
    if "\t" in line and not line.startswith("# Config")
]


def installed_version() -> str:
    """The version of this machine's dnsmasq."""
    program = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[2] if program else "none"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hypervisor with dnsmasq that is only asked."""
    directory = tmp_path_factory.mktemp("dnsmasq") / "host"
    create.create(directory, "hypervisor")
    return directory


@pytest.fixture
def hypervisor(host: Path, tmp_path: Path) -> Path:
    """A hypervisor with a bridge, the configuration of one network, and the rc script."""
    directory = tmp_path / "host"
    shutil.copytree(host, directory, symlinks=True)
    for command in BRIDGE:
        assert run(directory, *command.split())[0] == 0
    write(directory, CONF, BLUE)
    write(directory, "/usr/local/etc/pfnet/dnsmasq/blue.hostsfile", "52:54:00:00:00:01,10.0.0.5,web\n")
    write(directory, "/usr/local/etc/pfnet/dnsmasq/blue.hosts", "10.0.0.5 web web.blue\n")
    write(directory, SCRIPT, "#!/bin/sh\n").chmod(0o755)
    return directory


def service(directory: Path, *words: str) -> tuple[int, str, str]:
    return run(directory, "service", "pfnet_dnsmasq", *words)


@pytest.mark.parametrize(("text", "complaint"), CASES, ids=[text for text, _complaint in CASES])
def test_complaints(host: Path, text: str, complaint: str) -> None:
    write(host, "/tmp/x.conf", text.replace("\\n", "\n") + "\n")
    code, stdout, stderr = run(host, "dnsmasq", "--test", "-C", "/tmp/x.conf")
    if not complaint:
        assert (code, stdout, stderr) == (0, "", "dnsmasq: syntax check OK.\n")
        return
    assert (code, stdout) == (1, "")
    assert stderr == f"\ndnsmasq: {complaint}" + (" of /tmp/x.conf\n" if " at line " in complaint else "\n")


@pytest.mark.skipif(installed_version() != "2.90", reason="this machine has no dnsmasq 2.90 to compare with")
@pytest.mark.parametrize(("text", "complaint"), CASES, ids=[text for text, _complaint in CASES])
def test_the_real_one_complains_alike(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "x.conf"
    file.write_text(text.replace("\\n", "\n") + "\n", encoding="utf-8")
    done = subprocess.run(["dnsmasq", "--test", "-C", str(file)], capture_output=True, text=True, check=False)
    said = done.stderr.strip().removeprefix("dnsmasq: ").removesuffix(f" of {file}").replace("Name or service not known", NO_ADDRESS)
    assert said == (complaint or "syntax check OK.")


def test_what_is_not_simulated_is_refused(host: Path) -> None:
    write(host, "/tmp/x.conf", "conf-dir=/tmp\n")
    assert run(host, "dnsmasq", "--test", "-C", "/tmp/x.conf") == (1, "", "simhost: not simulated: dnsmasq: the directive conf-dir\n")
    assert run(host, "dnsmasq", "--test", "-C", "/tmp/none")[::2] == (3, "\ndnsmasq: cannot read /tmp/none: No such file or directory\n")
    assert run(host, "dnsmasq", "--bogus")[0] == 1
    assert run(host, "dnsmasq", "--version")[1].startswith("Dnsmasq version 2.90 ")


def test_an_instance_and_its_sockets(hypervisor: Path) -> None:
    assert run(hypervisor, "dnsmasq", "-C", CONF, "-x", "/var/run/b.pid", "-l", "/var/db/b.leases") == (0, "", "")
    pid = read(hypervisor, "/var/run/b.pid").strip()
    assert read(hypervisor, "/var/db/b.leases") == ""
    assert not (hypervisor / "root/var/db/pfnet/blue.leases").exists()
    assert run(hypervisor, "sockstat", "-46l")[1] == (
        "USER   COMMAND        PID FD PROTO LOCAL ADDRESS         FOREIGN ADDRESS      \n"
        f"nobody dnsmasq    {pid}  4 udp4  *:67                  *:*                  \n"
        f"nobody dnsmasq    {pid}  5 udp4  10.0.0.1:53           *:*                  \n"
        f"nobody dnsmasq    {pid}  6 tcp4  10.0.0.1:53           *:*                  \n"
    )
    assert run(hypervisor, "sockstat", "-46lnqw", "-P", "tcp", "-p", "50-60")[1] == f"65534 dnsmasq    {pid}  6 tcp4  10.0.0.1:53   *:*            \n"
    assert run(hypervisor, "sockstat", "-6lq")[1] == ""
    assert run(hypervisor, "ps", "-ww", "-o", "args=", "-p", pid)[1] == f"/usr/local/sbin/dnsmasq -C {CONF} -x /var/run/b.pid -l /var/db/b.leases\n"
    assert run(hypervisor, "kill", "-0", pid) == (0, "", "")
    log = [line.split(": ", 1)[1] for line in read(hypervisor, "/var/log/blue.log").splitlines()]
    assert log[0] == "started, version 2.90 cachesize 150"
    assert log[2:] == [
        "setting --bind-interfaces option because of OS limitations",
        "DHCP, IP range 10.0.0.2 -- 10.0.0.9, lease time 2h",
        "read /etc/hosts - 4 names",
        "read /usr/local/etc/pfnet/dnsmasq/blue.hosts - 2 names",
        "read /usr/local/etc/pfnet/dnsmasq/blue.hostsfile",
    ]


def test_hup_reads_hosts_again_and_term_ends(hypervisor: Path) -> None:
    assert run(hypervisor, "dnsmasq", "-C", CONF, "-x", "/var/run/b.pid", "-l", "/var/db/b.leases")[0] == 0
    pid = read(hypervisor, "/var/run/b.pid").strip()
    write(hypervisor, CONF, BLUE + "domain=changed\n")
    hosts = "/usr/local/etc/pfnet/dnsmasq/blue.hosts"
    write(hypervisor, hosts, "10.0.0.7 other\n")
    write(hypervisor, "/usr/local/etc/pfnet/dnsmasq/blue.hostsfile", "52:54:00:00:00:0g\n")
    assert run(hypervisor, "kill", "-HUP", pid)[0] == 0
    with state.opened(hypervisor) as host:
        process = processes.find(host.kernel, int(pid))
        assert process
        assert process["files"][CONF] == BLUE
        assert process["files"][hosts] == "10.0.0.7 other\n"
    assert "bad hex constant at line 1 of /usr/local/etc/pfnet/dnsmasq/blue.hostsfile\n" in read(hypervisor, "/var/log/blue.log")
    assert run(hypervisor, "kill", pid)[0] == 0
    assert run(hypervisor, "kill", pid) == (1, "", f"kill: {pid}: No such process\n")
    assert read(hypervisor, "/var/log/blue.log").endswith("exiting on receipt of SIGTERM\n")
    # An unprivileged user cannot take its pid file away.
    assert read(hypervisor, "/var/run/b.pid") == f"{pid}\n"


@pytest.mark.parametrize(
    ("change", "arguments", "complaint", "code"),
    [
        (("virbr0", "virbr9"), (), "unknown interface virbr9", 2),
        (("interface=virbr0", "listen-address=10.9.9.9"), (), "failed to create listening socket for 10.9.9.9: Can't assign requested address", 2),
        (("", ""), ("-u", "nosuch"), "unknown user or group: nosuch", 1),
        (("", ""), ("-g", "nosuch"), "unknown user or group: nosuch", 1),
        (("", ""), ("-x", "/var/none/b.pid"), "failed to open pidfile /var/none/b.pid: No such file or directory", 3),
        (("", ""), ("-l", "/var/none/b.leases"), "cannot open or create lease file /var/none/b.leases: No such file or directory", 3),
        (("/var/log/", "/var/none/"), (), "cannot open log /var/none/blue.log: No such file or directory", 3),
        (("strict-order", "enable-tftp\ntftp-root=/var/none"), (), "TFTP directory /var/none inaccessible: No such file or directory", 3),
        (("strict-order", "strict-odor"), (), f"bad option at line 1 of {CONF}", 1),
    ],
)
def test_a_start_that_fails(hypervisor: Path, change: tuple[str, str], arguments: tuple[str, ...], complaint: str, code: int) -> None:
    write(hypervisor, CONF, BLUE.replace(*change))
    assert run(hypervisor, "dnsmasq", "-C", CONF, "-l", "/var/db/b.leases", *arguments) == (code, "", f"\ndnsmasq: {complaint}\n")
    assert run(hypervisor, "sockstat", "-46lq")[1] == ""


@pytest.mark.parametrize(
    ("socket", "complaint"),
    [
        (processes.socket("udp", 53, "10.0.0.1"), "failed to create listening socket for 10.0.0.1: Address already in use"),
        (processes.socket("tcp", 53, "10.0.0.1"), "failed to create listening socket for 10.0.0.1: Address already in use"),
        (processes.socket("udp", 67), "failed to bind DHCP server socket: Address already in use"),
        (processes.socket("udp", 53), ""),
        (processes.socket("udp", 53, "127.0.0.1"), ""),
        (processes.socket("udp", 67, shared=True), ""),
    ],
)
def test_sockets_of_others(hypervisor: Path, socket: processes.Socket, complaint: str) -> None:
    with state.opened(hypervisor) as host:
        processes.add(host.kernel, "unbound", [socket], user="unbound")
    code, _stdout, stderr = run(hypervisor, "dnsmasq", "-C", CONF, "-l", "/var/db/b.leases")
    assert (code, stderr) == ((2, f"\ndnsmasq: {complaint}\n") if complaint else (0, ""))
    assert "unbound" in run(hypervisor, "sockstat", "-46l")[1]


def test_addresses_that_are_tentative_are_not_listened_on(hypervisor: Path) -> None:
    write(hypervisor, CONF, BLUE + "enable-tftp\nenable-ra\ndhcp-range=fd00::,ra-stateless\n")
    assert run(hypervisor, "ifconfig", "virbr0", "inet6", "fd00::1/64")[0] == 0
    assert run(hypervisor, "ifconfig", "virbr0", "inet6", "fd00::2/64")[0] == 0
    assert run(hypervisor, "dnsmasq", "-C", CONF, "-x", "/var/run/b.pid", "-l", "/var/db/b.leases")[0] == 0
    sockets = [tuple(line.split()[4:6]) for line in run(hypervisor, "sockstat", "-46lqw")[1].splitlines()]
    assert sockets == [
        ("udp4", "*:67"),
        ("udp6", "*:547"),
        *(
            (f"{protocol}{digit}", f"{address}:{port}")
            for address, digit in (("10.0.0.1", 4), ("[fd00::1]", 6))
            for protocol, port in (("udp", 53), ("tcp", 53), ("udp", 69))
        ),
    ]


def test_commas_in_quotes_separate_nothing(hypervisor: Path) -> None:
    (hypervisor / "root/var/tftp, all").mkdir()
    write(hypervisor, CONF, BLUE + 'enable-tftp\ntftp-root="/var/tftp, all"\n')
    assert run(hypervisor, "dnsmasq", "-C", CONF, "-l", "/var/db/b.leases") == (0, "", "")
    assert "]: TFTP root is /var/tftp, all\n" in read(hypervisor, "/var/log/blue.log")


def test_two_instances_share_dhcp(hypervisor: Path) -> None:
    for command in ("ifconfig bridge1001 create name virbr1", "ifconfig virbr1 inet 10.0.1.1/24 up"):
        run(hypervisor, *command.split())
    write(hypervisor, CONF.replace("blue", "green"), BLUE.replace("virbr0", "virbr1").replace("10.0.0.", "10.0.1."))
    assert service(hypervisor, "start") == (0, "Starting dnsmasq of blue.\nStarting dnsmasq of green.\n", "")
    assert run(hypervisor, "sockstat", "-4lq")[1].count("*:67 ") == 2


def test_the_rc_script(hypervisor: Path) -> None:
    assert service(hypervisor, "status") == (1, "dnsmasq of blue is not running.\n", "")
    assert service(hypervisor, "start") == (0, "Starting dnsmasq of blue.\n", "")
    pid = read(hypervisor, "/var/run/pfnet/blue.pid").strip()
    assert (hypervisor / "root/var/db/pfnet/blue.leases").exists()
    assert service(hypervisor, "start", "blue") == (0, "dnsmasq of blue is already running.\n", "")
    assert service(hypervisor, "status") == (0, f"dnsmasq of blue is running as pid {pid}.\n", "")
    assert service(hypervisor, "reload", "blue") == (0, "", "")
    assert service(hypervisor, "restart", "blue") == (0, "Stopping dnsmasq of blue.\nStarting dnsmasq of blue.\n", "")
    assert read(hypervisor, "/var/run/pfnet/blue.pid").strip() != pid
    write(hypervisor, CONF, "bogus\n")
    assert service(hypervisor, "restart") == (
        1,
        "",
        f"\ndnsmasq: bad option at line 1 of {CONF}\n{SCRIPT}: WARNING: dnsmasq of blue is left as it is\n",
    )
    assert service(hypervisor, "status")[0] == 0
    (hypervisor / "root" / CONF.lstrip("/")).unlink()
    assert service(hypervisor, "stop") == (0, "Stopping dnsmasq of blue.\n", "")
    assert service(hypervisor, "reload", "blue") == (1, "", f"{SCRIPT}: WARNING: dnsmasq of blue is not running\n")
    assert service(hypervisor, "start", "blue") == (1, "", f"{SCRIPT}: WARNING: no network blue has DHCP or DNS here: there is no {CONF}\n")
    assert service(hypervisor, "start", "a;b") == (1, "", f"{SCRIPT}: ERROR: not the name of a network: a;b\n")
    assert run(hypervisor, "sockstat", "-46lq")[1] == ""


def test_the_rc_script_is_there_when_its_file_is(hypervisor: Path) -> None:
    assert run(hypervisor, "service", "-e")[1] == "/etc/rc.d/netif\n/etc/rc.d/pf\n"
    assert run(hypervisor, "sysrc", "pfnet_dnsmasq_enable=YES")[0] == 0
    assert run(hypervisor, "service", "-e")[1] == f"/etc/rc.d/netif\n/etc/rc.d/pf\n{SCRIPT}\n"
    assert run(hypervisor, "sysrc", "pfnet_dnsmasq_enable=NO")[0] == 0
    assert service(hypervisor, "start")[1].startswith("Cannot 'start' pfnet_dnsmasq. Set pfnet_dnsmasq_enable to YES in /etc/rc.conf")
    assert service(hypervisor, "onestart")[:2] == (0, "Starting dnsmasq of blue.\n")
    (hypervisor / "root" / SCRIPT.lstrip("/")).chmod(0o644)
    code, stdout, _stderr = service(hypervisor, "status")
    assert (code, stdout.splitlines()[0]) == (1, "pfnet_dnsmasq does not exist in /etc/rc.d or the local startup")


def test_a_reboot_starts_the_instances_after_pf(hypervisor: Path) -> None:
    assert service(hypervisor, "start")[0] == 0
    create.reboot(hypervisor)
    # The bridge was in no file.
    assert service(hypervisor, "status") == (1, "dnsmasq of blue is not running.\n", "")
    with state.opened(hypervisor) as host:
        assert processes.next_pid(host.kernel) == processes.FIRST_PID
    write(
        hypervisor,
        "/etc/rc.conf.d/network/pfnet",
        'cloned_interfaces="bridge1000"\nifconfig_bridge1000_name="virbr0"\nifconfig_virbr0="inet 10.0.0.1/24"\nifconfig_virbr0_ipv6="inet6 fd00::1/64"\n',
    )
    create.reboot(hypervisor)
    assert service(hypervisor, "status")[0] == 0
    assert "[fd00::1]:53 " in run(hypervisor, "sockstat", "-6l")[1]


def test_packages(tmp_path: Path) -> None:
    directory = tmp_path / "host"
    create.create(directory, "fresh")
    assert run(directory, "pkg", "-N") == (1, "", "pkg: pkg is not installed\n")
    assert run(directory, "pkg", "info", "-e", "dnsmasq")[0] == 1
    assert run(directory, "dnsmasq", "--version")[0] == 127
    assert run(directory, "which", "dnsmasq")[0] == 1
    code, stdout, stderr = run(directory, "pkg", "install", "-y", "dnsmasq")
    assert (code, stderr) == (0, "")
    assert "[1/1] Installing dnsmasq-2.90_4,1...\n" in stdout
    assert run(directory, "pkg", "-N") == (0, "", "pkg: 2 packages installed\n")
    assert run(directory, "which", "dnsmasq")[1] == "/usr/local/sbin/dnsmasq\n"
    assert run(directory, "pkg", "info", "-e", "dnsmasq", "dns/dnsmasq")[0] == 0
    assert run(directory, "pkg", "query", "%n-%v", "dnsmasq")[1] == "dnsmasq-2.90_4,1\n"
    assert run(directory, "pkg", "install", "-y", "dnsmasq")[1].endswith("The most recent versions of packages are already installed\n")
    assert run(directory, "pkg", "install", "-y", "nosuch")[::2] == (
        1,
        "pkg: No packages available to install matching 'nosuch' have been found in the repositories\n",
    )
    create.reboot(directory)
    assert run(directory, "dnsmasq", "--version")[0] == 0
    assert run(directory, "pkg", "delete", "-y", "dnsmasq")[0] == 0
    assert not (directory / "root/usr/local/sbin/dnsmasq").exists()
