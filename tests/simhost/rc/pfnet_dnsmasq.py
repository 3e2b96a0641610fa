# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection's own rc script pfnet_dnsmasq does, where it is installed: an instance of dnsmasq a network."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from ..kernel import processes
from ..kernel.processes import Process
from .script import Run, Script

CONFIGURATIONS = "/usr/local/etc/pfnet/dnsmasq"
PID_FILES = "/var/run/pfnet"
LEASES = "/var/db/pfnet"
# How long addresses may be tentative, in tenths of a second.
SETTLING = 50


def _names(run: Run, folder: str, suffix: str) -> list[str]:
    return sorted(path.name.removesuffix(suffix) for path in run.host.path(folder).glob(f"*{suffix}") if path.is_file() and not path.name.startswith("."))


def _networks(run: Run, named: list[str], *, running: bool = False) -> list[str]:
    """Those that are named, or all that have a configuration, and with ``running`` those that have a pid file alone."""
    if named:
        return named
    configured = _names(run, CONFIGURATIONS, ".conf")
    return configured + [name for name in _names(run, PID_FILES, ".pid") if running and name not in configured]


def _pid_file(run: Run, network: str) -> Path:
    return run.host.path(f"{PID_FILES}/{network}.pid")


def _process(run: Run, network: str) -> Process | None:
    """A network's instance: the process of its pid file, if that has been started with it."""
    file = _pid_file(run, network)
    number = (file.read_text(encoding="utf-8").split() or [""])[0] if file.is_file() else ""
    process = processes.find(run.host.kernel, int(number)) if number.isdecimal() else None
    started = f"dnsmasq -C {CONFIGURATIONS}/{network}.conf -x {PID_FILES}/{network}.pid "
    return process if process and started in " ".join([*process["arguments"], ""]) else None


def _is_startable(run: Run, network: str) -> bool:
    configuration, program = f"{CONFIGURATIONS}/{network}.conf", run.variables["pfnet_dnsmasq_program"]
    if not run.host.path(configuration).is_file():
        run.warn(f"no network {network} has DHCP or DNS here: there is no {configuration}")
        return False
    if not run.host.path(program).exists():
        run.warn(f"dnsmasq of {network} cannot start: there is no {program} (pkg install dnsmasq)")
        return False
    return True


def _bridge(run: Run, network: str) -> str:
    lines = run.host.path(f"{CONFIGURATIONS}/{network}.conf").read_text(encoding="utf-8").splitlines()
    return next((line.removeprefix("interface=") for line in lines if line.startswith("interface=")), "")


def _has_bridge(run: Run, network: str) -> bool:
    return run.silent("ifconfig", _bridge(run, network))[0] == 0


def _settle(run: Run, network: str) -> None:
    """Wait while addresses of IPv6 are tentative."""
    from ..execute import wait

    for _tenth in range(SETTLING):
        if "tentative" not in run.silent("ifconfig", _bridge(run, network), "inet6")[1]:
            return
        wait(run.host, 100)


def _is_readable(run: Run, network: str) -> bool:
    arguments = (run.variables["pfnet_dnsmasq_program"], "--test", "-C", f"{CONFIGURATIONS}/{network}.conf")
    if run.silent(*arguments)[0] == 0:
        return True
    run.command(*arguments)
    return False


def _start_one(run: Run, network: str) -> bool:
    if not _is_startable(run, network):
        return False
    if _process(run, network):
        print(f"dnsmasq of {network} is already running.")
        return True
    if run.booting and not _has_bridge(run, network):
        print(f"dnsmasq of {network} does not start at boot: its bridge is not there.")
        return True
    for folder in (PID_FILES, LEASES):
        run.host.path(folder).mkdir(parents=True, exist_ok=True)
    _pid_file(run, network).unlink(missing_ok=True)
    _settle(run, network)
    run.message(f"Starting dnsmasq of {network}.")
    files = ("-C", f"{CONFIGURATIONS}/{network}.conf", "-x", f"{PID_FILES}/{network}.pid")
    if run.command(run.variables["pfnet_dnsmasq_program"], *files, *run.variables["pfnet_dnsmasq_flags"].split()) == 0:
        return True
    run.warn(f"dnsmasq of {network} did not start")
    return False


def _stop_these(run: Run, networks: list[str]) -> None:
    for network in networks:
        if process := _process(run, network):
            print(f"Stopping dnsmasq of {network}.")
            run.command("kill", "-TERM", str(process["pid"]))
    for network in networks:
        _pid_file(run, network).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        run.host.path(PID_FILES).rmdir()


def _start(run: Run, named: list[str]) -> int:
    started = [_start_one(run, network) for network in _networks(run, named)]
    return 0 if all(started) else 1


def _stop(run: Run, named: list[str]) -> int:
    _stop_these(run, _networks(run, named, running=True))
    return 0


def _restart(run: Run, named: list[str]) -> int:
    networks = _networks(run, named)
    good = []
    for network in networks:
        if _is_startable(run, network) and _is_readable(run, network):
            good.append(network)
        else:
            run.warn(f"dnsmasq of {network} is left as it is")
    _stop_these(run, good)
    started = [_start_one(run, network) for network in good]
    return 0 if all(started) and good == networks else 1


def _reload(run: Run, named: list[str]) -> int:
    code = 0
    for network in _networks(run, named):
        if process := _process(run, network):
            run.command("kill", "-HUP", str(process["pid"]))
        else:
            run.warn(f"dnsmasq of {network} is not running")
            code = 1
    return code


def _status(run: Run, named: list[str]) -> int:
    code = 0
    for network in _networks(run, named, running=True):
        process = _process(run, network)
        print(f"dnsmasq of {network} is " + (f"running as pid {process['pid']}." if process else "not running."))
        code = code if process else 1
    return code


def _check_names(names: list[str]) -> str:
    """An error of the script's arguments, or nothing."""
    joined = " ".join(names)
    return f"not the name of a network: {joined}" if re.search(r"[^A-Za-z0-9_. -]", joined) else ""


PFNET_DNSMASQ = Script(
    "pfnet_dnsmasq",
    "DHCP and DNS for the guests of virtual networks, by dnsmasq",
    {"start": _start, "stop": _stop, "restart": _restart, "reload": _reload, "status": _status},
    rcvar="pfnet_dnsmasq_enable",
    folder="/usr/local/etc/rc.d",
    defaults={
        "pfnet_dnsmasq_enable": "YES",
        "pfnet_dnsmasq_program": "/usr/local/sbin/dnsmasq",
        "pfnet_dnsmasq_flags": "",
    },
    check_arguments=_check_names,
)
