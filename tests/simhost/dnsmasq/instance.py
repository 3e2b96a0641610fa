# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An instance of dnsmasq: what it opens when it starts, what it reads then and on SIGHUP, what it logs."""

from __future__ import annotations

import fnmatch
import time
from pathlib import Path

from ..kernel import clock, interfaces, processes
from ..kernel.errors import KernelError
from ..kernel.interfaces import Interface
from ..kernel.processes import Process, Socket
from ..state import Host
from .config import Config, Fatal
from .directives import DIRECTIVES, Bad, is_v4, range_fields

SYSLOG = "/var/log/daemon.log"
COMPILED = (
    "IPv6 GNU-getopt no-DBus no-UBus no-i18n no-IDN DHCP DHCPv6 no-Lua TFTP no-conntrack no-ipset no-nftset auth cryptohash DNSSEC loop-detect no-inotify "
    "dumpfile"
)
# What SIGHUP makes it read again, with the directive that says what is an error in a line of it.
READ_AGAIN = {"addn-hosts": "", "dhcp-hostsfile": "dhcp-host", "dhcp-optsfile": "dhcp-option"}
DEFAULT_LEASES = "/var/db/dnsmasq.leases"


def start(host: Host, config: Config, arguments: list[str]) -> Process:
    """Start an instance with a configuration that has been read; ``arguments`` is its command line. Raises Fatal."""
    pid = processes.next_pid(host.kernel)
    try:
        return _start(host, config, arguments, pid)
    except Fatal as failure:
        for line in (str(failure), "FAILED to start up"):
            _append(host, SYSLOG, _line(host, pid, line, f"{host_name(host)} "))
        raise


def host_name(host: Host) -> str:
    """The host's name as syslog writes it."""
    return str(host.kernel["sysctl"]["kern.hostname"]).partition(".")[0]


def _start(host: Host, config: Config, arguments: list[str], pid: int) -> Process:
    # Subnets that are only advertised are lent to nobody.
    lends = any("ra-only" not in range_fields(argument) for argument in config.all("dhcp-range"))
    if lends and not config.has("leasefile-ro"):
        _create(host, config.one("dhcp-leasefile", DEFAULT_LEASES), "cannot open or create lease file {}: {}")
    sockets = _sockets(host, config)
    user = config.one("user", "nobody")
    for name, file in ((user, "/etc/passwd"), (config.one("group"), "/etc/group")):
        if name and not _listed(host, file, name):
            raise Fatal(f"unknown user or group: {name}", 1)
    pid_file = config.one("pid-file", "/var/run/dnsmasq.pid")
    _create(host, pid_file, "failed to open pidfile {}: {}")
    host.path(pid_file).write_text(f"{pid}\n", encoding="ascii")
    facility = config.one("log-facility")
    if "/" in facility:
        _create(host, facility, "cannot open log {}: {}", 0o660)
    for folder, *_interface in config.lists("tftp-root"):
        if config.has("enable-tftp") and not config.has("tftp-no-fail") and not host.path(folder).is_dir():
            raise Fatal(f"TFTP directory {folder} inaccessible: No such file or directory", 3)
    process = processes.add(host.kernel, "dnsmasq", sockets, user=user, arguments=arguments, pid=pid)
    process["log"] = facility
    process["files"] = dict(config.files)
    process["read_again"] = {name: config.all(name) for name in READ_AGAIN if config.has(name)}
    process["no_hosts"] = config.has("no-hosts")
    _log_start(host, process, config)
    _read_hosts(host, process)
    return process


def signal(host: Host, process: Process, name: str) -> None:
    """What an instance does on TERM, HUP or another signal."""
    if name == "HUP":
        _read_hosts(host, process)
        return
    if name in ("TERM", "INT"):
        _log(host, process, f"exiting on receipt of SIG{name}")
    processes.end(host.kernel, process)


def _sockets(host: Host, config: Config) -> list[Socket]:
    sockets: list[Socket] = []

    def open_one(protocol: str, port: int, failure: str, address: str = "", family: str = "inet", *, shared: bool = False) -> None:
        made = processes.socket(protocol, port, address, family=family, fd=4 + len(sockets), shared=shared)
        try:
            processes.bind(host.kernel, made)
        except KernelError as error:
            raise Fatal(f"{failure}: {error}", 2) from None
        sockets.append(made)

    ranges = [range_fields(argument) for argument in config.all("dhcp-range")]
    # Several instances share these ports, since all of them bind to interfaces.
    if any(is_v4(fields[0]) for fields in ranges):
        open_one("udp", 67, "failed to bind DHCP server socket", shared=True)
    if any(not is_v4(fields[0]) and "ra-only" not in fields for fields in ranges):
        open_one("udp", 547, "failed to bind DHCPv6 server socket", family="inet6", shared=True)
    dns = int(config.one("port", "53"))
    for family, address in _addresses(host, config):
        failure = f"failed to create listening socket for {address}"
        if dns:
            open_one("udp", dns, failure, address, family)
            open_one("tcp", dns, failure, address, family)
        if config.has("enable-tftp"):
            open_one("udp", 69, failure, address, family)
    return sockets


def _addresses(host: Host, config: Config) -> list[tuple[str, str]]:
    """The addresses that are listened on: those of the wanted interfaces and those that are named. bind-dynamic is bind-interfaces here."""
    wanted, refused, named = config.words("interface"), config.words("except-interface"), config.words("listen-address")
    if not (config.has("bind-interfaces") or config.has("bind-dynamic")):
        return [("inet", ""), ("inet6", "")]
    used: set[str] = set()
    found: list[tuple[str, str]] = []
    for interface in interfaces.of(host.kernel):
        patterns = [pattern for pattern in wanted if fnmatch.fnmatchcase(interface["name"], pattern)]
        loopback = "LOOPBACK" in interface["flags"]
        if any(fnmatch.fnmatchcase(interface["name"], pattern) for pattern in refused):
            continue
        for family in ("inet", "inet6"):
            for entry in interface[family]:
                by_address = entry["address"] in named
                if not (by_address or patterns or (loopback and wanted) or not (wanted or named)):
                    continue
                used |= {*patterns, entry["address"]}
                # What is still tentative cannot be bound, and nothing tells dnsmasq later.
                if "tentative" not in entry.get("flags", ()):
                    found.append((family, _scoped(interface, entry["address"])))
    for pattern in wanted:
        if pattern not in used and "*" not in pattern:
            raise Fatal(f"unknown interface {pattern}", 2)
    return found + [("inet" if is_v4(address) else "inet6", address) for address in named if address not in used]


def _scoped(interface: Interface, address: str) -> str:
    return f"{address}%{interface['name']}" if address.startswith("fe80:") else address


def _listed(host: Host, file: str, name: str) -> bool:
    return any(line.partition(":")[0] == name for line in host.path(file).read_text(encoding="utf-8").splitlines())


def _create(host: Host, path: str, failure: str, mode: int = 0o644) -> None:
    file = host.path(path)
    try:
        if not file.exists():
            file.touch()
            file.chmod(mode)
        with file.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise Fatal(failure.format(path, error.strerror), 3) from None


def _log_start(host: Host, process: Process, config: Config) -> None:
    _log(
        host,
        process,
        f"started, version 2.90 cachesize {config.one('cache-size', '150')}" if config.one("port", "53") != "0" else "started, version 2.90 DNS disabled",
    )
    _log(host, process, f"compile time options: {COMPILED}")
    if config.has("bind-dynamic"):
        _log(host, process, "setting --bind-interfaces option because of OS limitations")
    for argument in config.all("dhcp-range"):
        fields = range_fields(argument)
        if is_v4(fields[0]) and is_v4(fields[1]):
            _log(host, process, f"DHCP, IP range {fields[0]} -- {fields[1]}, lease time {_lease_time(fields[-1])}", "-dhcp")
    if config.has("enable-tftp"):
        _log(host, process, f"TFTP root is {config.lists('tftp-root')[0][0]}" if config.has("tftp-root") else "TFTP enabled", "-tftp")


def _lease_time(field: str) -> str:
    return "1h" if is_v4(field) or not field else field


def _read_hosts(host: Host, process: Process) -> None:
    """Read the files that are read again on SIGHUP, and log what is found."""
    listed = [("/etc/hosts", "")] * (not process["no_hosts"])
    listed += [(path, kind) for name, kind in READ_AGAIN.items() for path in process["read_again"].get(name, ())]
    for path, kind in listed:
        try:
            text = host.path(path).read_text(encoding="utf-8")
        except OSError as error:
            process["files"].pop(path, None)
            _log(host, process, f"cannot read {path}: {error.strerror}" if kind else f"failed to load names from {path}: {error.strerror}")
            continue
        process["files"][path] = text
        lines = [line.partition("#")[0].strip() for line in text.splitlines()]
        if not kind:
            _log(host, process, f"read {path} - {sum(len(line.split()[1:]) for line in lines if line)} names")
            continue
        for number, line in enumerate(lines, start=1):
            try:
                if line:
                    DIRECTIVES[kind].check(line)
            except Bad as bad:
                _log(host, process, f"{bad} at line {number} of {path}")
        _log(host, process, f"read {path}", "-dhcp")


def _log(host: Host, process: Process, text: str, part: str = "") -> None:
    if "/" in process["log"]:
        _append(host, process["log"], _line(host, process["pid"], text, "", part))
    else:
        _append(host, SYSLOG, _line(host, process["pid"], text, f"{host_name(host)} ", part))


def _line(host: Host, pid: int, text: str, name: str, part: str = "") -> str:
    when = time.strftime("%b %e %H:%M:%S", time.gmtime(clock.BEGINNING + clock.now(host.kernel) // 1000))
    return f"{when} {name}dnsmasq{part}[{pid}]: {text}\n"


def _append(host: Host, path: str, line: str) -> None:
    file: Path = host.path(path)
    if file.parent.is_dir():
        with file.open("a", encoding="utf-8") as log:
            log.write(line)
