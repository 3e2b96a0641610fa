# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The private root directory, through the command line."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from simhost import create, namespace

TESTS = Path(__file__).parents[2]


def simhost(*arguments: str, stdin: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simhost", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, cwd=cwd, env={**os.environ, "PYTHONPATH": str(TESTS)})


def on(directory: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return simhost("run", str(directory), "--", *words, stdin=stdin)


def output(directory: Path, script: str) -> str:
    done = on(directory, "sh", "-ec", script)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_exit_code_and_streams_pass_through(host_directory: Path) -> None:
    done = on(host_directory, "sh", "-c", "cat; echo oops >&2; exit 7", stdin="some text")
    assert (done.returncode, done.stdout, done.stderr) == (7, "some text", "oops\n")


def test_the_host_has_its_own_name_users_and_files(host_directory: Path) -> None:
    assert output(host_directory, "hostname; id -un; echo $HOME; cat /etc/rc.conf | head -1") == 'fbsd-test\nroot\n/root\nhostname="fbsd-test"\n'


def test_files_stay_on_the_host(host_directory: Path) -> None:
    name = f"/tmp/of-the-host-{os.getpid()}"
    output(host_directory, f"echo here > {name}; echo there > /usr/local/etc/new.conf")
    assert not Path(name).exists()
    assert (host_directory / "root" / name.lstrip("/")).read_text() == "here\n"
    assert output(host_directory, "cat /usr/local/etc/new.conf") == "there\n"


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local", "/"])
def test_a_python_of_the_distribution_hides_nothing_of_the_host(host_directory: Path, prefix: str) -> None:
    name = f"of-the-host-{os.getpid()}.conf"
    done = simhost(
        "run", "--visible", prefix, str(host_directory), "--", "sh", "-ec", f"echo here > /usr/local/etc/{name}; uname; command -v sysrc; test -x /usr/bin/env"
    )
    assert (done.returncode, done.stdout) == (0, "FreeBSD\n/usr/sbin/sysrc\n")
    assert not Path("/usr/local/etc", name).exists()
    assert (host_directory / "root/usr/local/etc" / name).read_text() == "here\n"


def test_freebsd_comes_first_in_the_path(host_directory: Path) -> None:
    assert (
        output(host_directory, "uname; command -v id; command -v service; /usr/sbin/sysrc -n hostname") == "FreeBSD\n/sbin/id\n/usr/sbin/service\nfbsd-test\n"
    )


def test_commands_change_one_host(host_directory: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    create.create(other, "hypervisor")
    output(host_directory, "ifconfig bridge create name virbr0")
    assert output(host_directory, "ifconfig -g bridge") == "virbr0\n"
    assert output(other, "ifconfig -g bridge; hostname") == "hypervisor\n"


def test_two_commands_in_a_pipe(host_directory: Path) -> None:
    assert output(host_directory, "echo pass all > /tmp/a; kldload pf; pfctl -nvf /tmp/a | pfctl -nvf -") == "pass all flags S/SA keep state\n"


def test_concurrent_commands(host_directory: Path) -> None:
    script = "for i in 1 2 3 4 5 6; do ifconfig tap create > /dev/null & done; wait; ifconfig -g tap"
    assert output(host_directory, script).split() == [f"tap{number}" for number in range(6)]


def test_python_programs_believe_in_freebsd(host_directory: Path) -> None:
    script = "import os, platform, sys; print(sys.platform, platform.system(), os.uname().nodename, platform.release())"
    assert output(host_directory, f"{shlex.quote(sys.executable)} -c '{script}'") == "freebsd15 FreeBSD fbsd-test 15.1-RELEASE-p1\n"


def test_nothing_stays_mounted(host_directory: Path) -> None:
    before = Path("/proc/self/mounts").read_text()
    output(host_directory, "true")
    assert Path("/proc/self/mounts").read_text() == before
    assert not list((host_directory / "mnt").iterdir())


def test_a_folder_below_tmp_can_be_made_visible(host_directory: Path, tmp_path: Path) -> None:
    shared = tmp_path / "with a space"
    shared.mkdir()
    (shared / "file").write_text("text\n")
    hidden = on(host_directory, "cat", str(shared / "file"))
    assert hidden.returncode == 1
    seen = simhost("run", "--visible", str(shared), str(host_directory), "--", "cat", str(shared / "file"))
    assert seen.stdout == "text\n"


def test_what_is_not_simulated_is_refused(host_directory: Path) -> None:
    done = on(host_directory, "jexec", "guest", "ls")
    assert (done.returncode, done.stderr) == (1, "simhost: not simulated: jexec\n")
    done = on(host_directory, "ifconfig", "vtnet0", "vlan", "5")
    assert (done.returncode, done.stderr) == (1, "simhost: not simulated: ifconfig: vlan\n")


def test_no_such_program(host_directory: Path) -> None:
    assert on(host_directory, "nosuchprogram").returncode == 127


def test_mistakes_on_the_command_line(host_directory: Path, tmp_path: Path) -> None:
    assert simhost().returncode == 2
    assert "no host 'nosuch'; there are: fresh, " in simhost("create", str(tmp_path / "new"), "--host", "nosuch").stderr
    assert "is a host already" in simhost("create", str(host_directory), "--host", "fresh").stderr
    assert "is no host" in simhost("run", str(tmp_path), "--", "true").stderr


@pytest.mark.parametrize(
    ("euid", "settings", "advice"),
    [
        (0, {}, "CAP_SYS_ADMIN"),
        (1000, {"kernel.apparmor_restrict_unprivileged_userns": "1"}, "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
        (1000, {"kernel.unprivileged_userns_clone": "0"}, "sudo sysctl kernel.unprivileged_userns_clone=1"),
        (1000, {"user.max_user_namespaces": "0"}, "sudo sysctl user.max_user_namespaces=15000"),
        (1000, {}, "Run this as root"),
    ],
)
def test_a_machine_that_refuses_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host_directory: Path, euid: int, settings: dict[str, str], advice: str
) -> None:
    def refuse(_flags: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    for name, value in settings.items():
        file = tmp_path / name.replace(".", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value)
    monkeypatch.setattr(namespace, "SETTINGS", tmp_path)
    monkeypatch.setattr(namespace, "_unshare", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    with pytest.raises(namespace.NamespaceError, match=r"Operation not permitted\.") as refused:
        namespace.enter(host_directory)
    assert advice in str(refused.value)
