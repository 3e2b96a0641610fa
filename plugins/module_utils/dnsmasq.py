# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network's dnsmasq, which hands out addresses and answers names on its bridge: looks at what runs, and plans what has to start, stop or read again."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import CommandError
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.sockets import ALL, Socket, parse_sockets, sockstat
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Action, Phase, Serve, Step, WriteFile

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import Definition, Observed
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Plan

DNS, DHCP, DHCP6, TFTP = 53, 67, 547, 69


class NotTaken(Exception):
    """A configuration that dnsmasq does not take; the text has its own words."""


@dataclasses.dataclass(frozen=True)
class Instances:
    """What there is of dnsmasq, and for it.

    `running`: process ids by network. `sockets`: those at its ports, only looked for where one is to start. `missing`: of the program and the script
    that it needs. `no_folders`: of the folders to be served by TFTP, those that are none.
    """

    running: dict[str, int] = dataclasses.field(default_factory=dict)
    sockets: tuple[Socket, ...] = ()
    missing: tuple[str, ...] = ()
    no_folders: tuple[str, ...] = ()


def observe_instances(host: Host, documents: t.Iterable[t.Mapping[str, t.Any]] = ()) -> Instances:
    """Look at what runs, in one process, and one more if the dnsmasq of a document is not among it."""
    running = _running(host)
    served = {document["name"]: document["dnsmasq"] for document in documents if document["dnsmasq"]}
    idle = served.keys() - running.keys()
    return Instances(
        running=running,
        sockets=parse_sockets(host.run(*sockstat((DNS, DHCP, DHCP6, TFTP))).stdout) if idle else (),
        missing=tuple(path for path in (layout.DNSMASQ_PROGRAM, layout.DNSMASQ_SCRIPT) if not host.is_file(path)),
        no_folders=tuple({each["tftp"] for each in served.values() if each["tftp"] and not host.is_folder(each["tftp"])}),
    )


def _running(host: Host) -> dict[str, int]:
    """Only those of this host, not of its jails, have their pid files here. A number in one may since be another process's."""
    numbers = {}
    for file in host.names(layout.RUN):
        words = (host.read(f"{layout.RUN}/{file}") or "").split()
        if file.endswith(".pid") and words and words[0].isdecimal():
            numbers[file[: -len(".pid")]] = words[0]
    if not numbers:
        return {}
    shown = host.run("ps", "-ww", "-o", "pid=", "-o", "args=", "-p", ",".join(numbers.values()), ok=None).stdout
    arguments = {number: f"{words} " for number, _space, words in (line.strip().partition(" ") for line in shown.splitlines())}
    return {
        name: int(number)
        for name, number in numbers.items()
        if f"dnsmasq -C {layout.dnsmasq_conf(name)} -x {layout.dnsmasq_pid(name)} " in arguments.get(number, "")
    }


def dnsmasq_text(document: dict[str, t.Any], bridge: str) -> str:
    """The configuration of a network's dnsmasq: the interface that it serves, which the host fills in, then what the document says.

    For documents whose `dnsmasq` is not None.
    """
    head = f"# Written by bsdvirt.pfnet for the network {document['name']}; its next run undoes changes made here.\n"
    return f"{head}interface={bridge}\n{document['dnsmasq']['conf']}"


class Services:
    """What the service is to do in a run: one process for each thing to be done, however many networks there are."""

    def __init__(self) -> None:
        # Networks whose dnsmasq stops before anything else, and whether it could start again as things were.
        self._stops: dict[str, bool] = {}
        self._pauses: list[str] = []
        self._starts: list[str] = []
        self._reloads: list[str] = []
        self._files: list[WriteFile] = []

    def start(self, name: str) -> None:
        self._starts.append(name)

    def stop(self, name: str, *, startable: bool = True) -> None:
        self._stops[name] = startable

    def restart(self, name: str, *, rebuilt: bool, startable: bool) -> None:
        """Away while its files are written or, if its bridge is `rebuilt`, while that changes."""
        if rebuilt:
            self.stop(name, startable=startable)
        else:
            self._pauses.append(name)
        self.start(name)

    def reload(self, name: str, former: t.Iterable[WriteFile]) -> None:
        """Read the hosts files again; `former` writes those from before."""
        self._reloads.append(name)
        self._files += former

    def plan(self, made: Plan) -> None:
        """Add the steps."""
        startable = tuple(name for name, startable in self._stops.items() if startable)
        reloads = tuple(self._reloads)
        table: tuple[tuple[Phase, str, str, t.Sequence[str], tuple[Action, ...]], ...] = (
            (Phase.UNSERVE, "stop dnsmasq of {}", "stop", (*self._stops,), (Serve("start", startable),) if startable else ()),
            (Phase.PAUSE, "stop dnsmasq of {}", "stop", self._pauses, (Serve("start", tuple(self._pauses)),)),
            (Phase.SERVE, "start dnsmasq of {}", "start", self._starts, (Serve("stop", tuple(self._starts)),)),
            # The files are written back before this is undone only if this undoes it.
            (Phase.SERVE, "have dnsmasq of {} read its hosts files again", "reload", reloads, (*self._files, Serve("reload", reloads))),
        )
        for phase, what, verb, names, undo in table:
            if names:
                made.steps.append(Step(phase, what.format(", ".join(names)), Serve(verb, tuple(names)), undo))


def plan_dnsmasq(document: dict[str, t.Any], at: str, old: Definition | None, observed: Observed, services: Services, made: Plan) -> list[str]:
    """Add the steps that make a network's dnsmasq what its document says; gives what had drifted in words."""
    name, served, found = document["name"], document["dnsmasq"], observed.dnsmasq
    if not served:
        return plan_removal(name, at, observed, services, made) if old and old.network == document["definition"] else _gone(name, at, observed, services, made)
    if _refuse_missing(at, observed, made):
        return []
    if served["tftp"] in found.no_folders:
        place = next(index for index, ip in enumerate(document["definition"]["ips"]) if ip.get("tftp"))
        made.refuse(f"{at}.ips[{place}].tftp.root", f"'{served['tftp']}'", "a folder of the host, without which dnsmasq does not start")
    texts = {
        layout.dnsmasq_hosts(name): served["hosts"],
        layout.dnsmasq_hostsfile(name): served["hostsfile"],
        layout.dnsmasq_conf(name): dnsmasq_text(document, document["bridge"]["name"]),
    }
    altered = [path for path, text in texts.items() if observed.files.get(path) != text]
    # What dnsmasq makes of itself when it starts for the first time.
    leases = layout.leases_file(name)
    comes_of_it = () if leases in observed.files else (WriteFile(leases, None, layout.STATE),)
    for path, text in texts.items():
        made.diff(path, observed.files.get(path) or "", text)
        made.file(path, text, observed.files.get(path), layout.CONFIGURATION, undo_too=comes_of_it)
    drifted = [f"{path} {'differs' if path in observed.files else 'is missing'}" for path in altered] if old and old.network == document["definition"] else []
    bridge = observed.interfaces.get(document["bridge"]["name"])
    former = observed.interfaces.get(old.bridge) if old else None
    if name not in found.running:
        _refuse_taken(document, at, observed, made)
        services.start(name)
        if layout.dnsmasq_conf(name) in observed.files:
            drifted.append(f"dnsmasq of {name} is not running")
            made.diff(f"dnsmasq of {name}", "not running\n", "running\n")
    elif bridge is None or not set(document["bridge"]["addresses"]) <= set(bridge.addresses):
        services.restart(name, rebuilt=True, startable=former is not None)
    elif layout.dnsmasq_conf(name) in altered:
        services.restart(name, rebuilt=False, startable=True)
    elif altered:
        services.reload(name, [WriteFile(path, observed.files.get(path), layout.CONFIGURATION) for path in altered])
    return drifted


def plan_removal(name: str, at: str, observed: Observed, services: Services, made: Plan) -> list[str]:
    """Add the steps after which a network has no dnsmasq; gives in words what of it there was. Its leases are kept."""
    reasons = []
    if name in observed.dnsmasq.running and not _refuse_missing(at, observed, made, (layout.DNSMASQ_SCRIPT,)):
        services.stop(name)
        reasons.append(f"dnsmasq of {name} is running")
    for path in (layout.dnsmasq_conf(name), layout.dnsmasq_hosts(name), layout.dnsmasq_hostsfile(name)):
        installed = observed.files.get(path)
        if installed is not None:
            reasons.append(f"{path} is there")
        made.diff(path, installed or "", "")
        made.file(path, None, installed, layout.CONFIGURATION)
    return reasons


def _gone(name: str, at: str, observed: Observed, services: Services, made: Plan) -> list[str]:
    plan_removal(name, at, observed, services, made)
    return []


_REMEDIES = {
    layout.DNSMASQ_PROGRAM: "a host with dnsmasq: run `pkg install dnsmasq`, or the role bsdvirt.pfnet.hypervisor",
    layout.DNSMASQ_SCRIPT: "a host with the service that runs it: run the role bsdvirt.pfnet.hypervisor",
}


def _refuse_missing(at: str, observed: Observed, made: Plan, needed: t.Collection[str] = tuple(_REMEDIES)) -> bool:
    """Refuse what needs files that the host lacks; to stop an instance takes the script alone."""
    missing = [path for path in observed.dnsmasq.missing if path in needed]
    for path in missing:
        made.refuse(at, f"a network with a dnsmasq on a host without {path}", _REMEDIES[path])
    return bool(missing)


def _refuse_taken(document: dict[str, t.Any], at: str, observed: Observed, made: Plan) -> None:
    """Refuse what would have to listen where somebody else's process does."""
    served, found = document["dnsmasq"], observed.dnsmasq
    others = [socket for socket in found.sockets if socket.pid not in found.running.values()]
    # A dnsmasq that answers names on all addresses is not bound to interfaces, and then does not share the ports of DHCP either.
    sharing = {socket.pid for socket in others if socket.command == "dnsmasq"} - {
        socket.pid for socket in others if (socket.address, socket.port) == (ALL, DNS)
    }
    wanted = {
        DNS: (served["dns"], "dns.enable", "DNS", "set dns.enable to false here"),
        DHCP: ("inet" in served["dhcp"], "ips", "DHCP", "leave dhcp out here"),
        DHCP6: ("inet6" in served["dhcp"], "ips", "DHCPv6", "leave dhcp out here"),
        TFTP: (served["tftp"], "ips", "TFTP", "leave tftp out here"),
    }
    told = set()
    for socket in others:
        is_wanted, place, what, remedy = wanted[socket.port]
        met = socket.address in (ALL, *served["addresses"])
        if not is_wanted or not met or (socket.port, socket.pid) in told or (socket.pid in sharing and socket.port in (DHCP, DHCP6)):
            continue
        told.add((socket.port, socket.pid))
        where = "all addresses" if socket.address == ALL else socket.address
        made.refuse(
            f"{at}.{place}",
            f"{what} at port {socket.port}, where {socket.command} (process {socket.pid}) listens on {where}",
            f"a port that nobody else has: stop {socket.command} or let it listen on other addresses, or {remedy}",
        )


def check_text(host: Host, path: str, text: str) -> None:
    """Have dnsmasq read the configuration that is to be at `path`, before it is there. Raises NotTaken."""
    staged = host.stage(f"dnsmasq-{path.rpartition('/')[2]}", text)
    try:
        host.run("dnsmasq", "--test", "-C", staged)
    except CommandError as error:
        said = (error.output.stderr or error.output.stdout).strip().replace(staged, path)
        raise NotTaken(f"dnsmasq does not take what would be {path}: {said}. Nothing was changed.") from None


# What takes back what was begun of an action that failed for one of its networks.
_OPPOSITE = {"start": "stop", "stop": "start"}


def serve(host: Host, action: Serve) -> None:
    """Have the service do it, for all of the networks or none. Raises CommandError, with what dnsmasq said."""

    def service(verb: str, ok: t.Container[int] | None = (0,)) -> None:
        # Also where rc.conf(5) says that it is not to start at boot.
        host.run("service", layout.DNSMASQ_SERVICE, f"one{verb}", *action.networks, ok=ok)

    try:
        service(action.verb)
    except CommandError:
        if action.verb in _OPPOSITE:
            service(_OPPOSITE[action.verb], ok=None)
        raise
