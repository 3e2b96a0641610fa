# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's own settings that networks need: kernel modules, forwarding, pf at boot. Looks at them, and plans what is missing."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.dnsmasq import observe_instances
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.interfaces import IFCONFIG, ROUTES, Interface, Route, default_route, parse_ifconfig, parse_routes
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.rc_conf import DEFAULTS, Variable, parse_sysrc
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.sockets import Socket, parse_sockets, sockstat
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Phase, Plan, Run, Step

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host

# What the boot reads and what counts now, by family: rc.d/routing turns forwarding off whenever it runs, unless its variable says YES.
FORWARDING = {"ipv4": ("gateway_enable", "net.inet.ip.forwarding"), "ipv6": ("ipv6_gateway_enable", "net.inet6.ip6.forwarding")}
AF = {"ipv4": "inet", "ipv6": "inet6"}
# Ports of what guests are served.
PORTS = {"dns": 53, "dhcp": 67}
# What rc.conf starts of servers of these ports, by the name of its process.
SERVERS = {
    "dnsmasq": ("dnsmasq_enable", ("dns", "dhcp")),
    "named": ("named_enable", ("dns",)),
    "unbound": ("unbound_enable", ("dns",)),
    "dhcpd": ("dhcpd_enable", ("dhcp",)),
    "kea-dhcp4": ("kea_enable", ("dhcp",)),
}
OTHER_FIREWALLS = {"ipfw": "firewall_enable", "ipfilter": "ipfilter_enable"}
SYSCTL_FILES = ("/etc/sysctl.conf", "/etc/sysctl.conf.local")

_SYSCTL = (
    *(name for _variable, name in FORWARDING.values()),
    "net.inet6.ip6.rfc6204w3",
    "net.link.bridge.ipfw",
    "net.link.bridge.pfil_bridge",
    "net.link.bridge.pfil_local_phys",
    "net.link.bridge.pfil_member",
    "net.link.ether.ipfw",
    "net.inet.ip.fw.enable",
    "net.inet.ip.fw.default_to_accept",
    "net.inet.ipf.fr_running",
    "hw.vtnet.lro_disable",
    "kern.securelevel",
    "security.jail.jailed",
    "security.jail.vnet",
)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What networks need of their host.

    `modules`: kernel modules. `forwarding`: families, ipv4 and ipv6. `services`: what is served to guests, dhcp and dns.
    `bridges`, `egress`: names of interfaces, as far as they are known; the host adds what it has.
    """

    modules: tuple[str, ...] = ("pf", "if_bridge")
    forwarding: tuple[str, ...] = ()
    pf_enable: bool = True
    services: tuple[str, ...] = ()
    bridges: tuple[str, ...] = ()
    egress: tuple[str, ...] = ()
    anchor_root: str = "libvirt"


@dataclasses.dataclass(frozen=True)
class Found:
    """A host as found.

    `modules`: of those wanted, the ones loaded or built in. `variables` and `sysctl` lack what the host does not know. `configured`: values of
    sysctl.conf(5). `unreachable`: why pf, which is loaded, does not answer. `skipped`: interfaces and groups that pf leaves alone, each with where it
    says so. `own_rules`: rules in the anchor root itself. `foreign`: anchors below it with rules that no network of ours has loaded. `ours`: ids of
    our own processes.
    """

    modules: frozenset[str]
    variables: dict[str, Variable]
    sysctl: dict[str, str]
    configured: dict[str, str]
    interfaces: dict[str, Interface]
    routes: list[Route]
    unreachable: str = ""
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)
    own_rules: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    listeners: tuple[Socket, ...] = ()
    ours: frozenset[int] = frozenset()

    def yes(self, variable: str) -> bool:
        return variable in self.variables and self.variables[variable].yes

    def given(self, variable: str) -> bool:
        """Whether a variable has a value that is not just its default."""
        return variable in self.variables and self.variables[variable].file != DEFAULTS and self.variables[variable].value.upper() not in ("", "NO")

    def number(self, name: str) -> int:
        """A sysctl variable's value; 0 if the host does not know it."""
        value = self.sysctl.get(name, "")
        return int(value) if re.fullmatch(r"-?\d+", value) else 0

    def egress(self, wanted: Wanted) -> list[str]:
        """The interfaces by which guests reach the outside: those named, and those of the default routes."""
        routes = [default_route(self.routes, AF[family]) for family in wanted.forwarding]
        return list(dict.fromkeys([*wanted.egress, *(route for route in routes if route)]))

    def bridges(self, wanted: Wanted) -> list[str]:
        """The bridges of networks: those named, and those that the host has of ours."""
        return list(dict.fromkeys([*wanted.bridges, *(name for name, interface in self.interfaces.items() if "pfnet" in interface.groups)]))


def observe(host: Host, wanted: Wanted) -> Found:
    """Look at the host, in about ten processes. Raises CommandError."""
    interfaces = parse_ifconfig(host.run(*IFCONFIG).stdout)
    modules = _modules(host, wanted.modules)
    # That a variable is unknown, as one that is not set may be, makes sysrc fail after it has printed the others.
    variables = parse_sysrc(host.run("sysrc", "-iv", *_variables(wanted), ok=None).stdout)
    probes = [vtnet_probe(interface.unit) for interface in interfaces.values() if interface.unit.startswith("vtnet")]
    found = Found(
        modules=modules,
        variables=variables,
        sysctl=_assignments(host.run("sysctl", "-i", *_SYSCTL, *probes).stdout, ":"),
        configured={name: value for path in SYSCTL_FILES for name, value in _assignments(_without_comments(host.read(path) or ""), "=").items()},
        interfaces=interfaces,
        routes=parse_routes(host.run(*ROUTES).stdout),
    )
    if wanted.services:
        listening = host.run(*sockstat(PORTS[service] for service in wanted.services)).stdout
        found = dataclasses.replace(found, listeners=parse_sockets(listening), ours=frozenset(observe_instances(host).running.values()))
    return _with_pf(host, wanted, found)


def _variables(wanted: Wanted) -> list[str]:
    """The variables of rc.conf that matter: sysrc takes its time for each."""
    return [
        "kld_list",
        "pf_enable",
        "pf_rules",
        *(FORWARDING[family][0] for family in wanted.forwarding),
        *(["ipv6_defaultrouter"] if "ipv6" in wanted.forwarding else []),
        *OTHER_FIREWALLS.values(),
        *(variable for variable, services in SERVERS.values() if set(services) & set(wanted.services)),
    ]


def vtnet_probe(unit: str) -> str:
    """A counter that vtnet(4) has since it passes on that a checksum is missing, rather than call it checked (FreeBSD PR 165059)."""
    return f"dev.vtnet.{unit[len('vtnet') :]}.rx_csum_inaccessible_ipproto"


def _modules(host: Host, wanted: t.Sequence[str]) -> frozenset[str]:
    files = {line.split()[-1] for line in host.run("kldstat").stdout.splitlines()}
    # A module that is built into the kernel has no file of its own.
    return frozenset(name for name in wanted if f"{name}.ko" in files or host.run("kldstat", "-q", "-m", name, ok=None).rc == 0)


def _with_pf(host: Host, wanted: Wanted, found: Found) -> Found:
    """What pf leaves alone, as pf.conf and the kernel say, and the rules in and below the anchor root."""
    rules = found.variables.get("pf_rules", Variable(layout.MAIN_RULES)).value
    skipped = dict.fromkeys(parse_skips(host.read(rules) or ""), rules)
    if "pf" not in found.modules:
        return dataclasses.replace(found, skipped=skipped)
    shown = host.run("pfctl", "-vsI", ok=None)
    if shown.rc:
        return dataclasses.replace(found, skipped=skipped, unreachable=shown.stderr.strip())
    skipped.update({line.split()[0]: "the kernel" for line in shown.stdout.splitlines() if line.endswith(" (skip)")})

    def rules_of(anchor: str, shows: t.Sequence[str]) -> list[str]:
        return [line for show in shows for line in host.run("pfctl", "-a", anchor, show, ok=None).stdout.splitlines()]

    known = _known_anchors(host, wanted.anchor_root)
    below = [line.strip() for line in rules_of(wanted.anchor_root, ["-sA"])]
    return dataclasses.replace(
        found,
        skipped=skipped,
        own_rules=tuple(rules_of(wanted.anchor_root, ["-sn", "-sr"])),
        # The names of anchors outlive their rules.
        foreign=tuple(path for path in below if path not in known and rules_of(path, ["-sr", "-sn"])),
    )


def _known_anchors(host: Host, root: str) -> set[str]:
    """The anchors of our networks: those last loaded, and those defined."""
    try:
        loaded = set(json.loads(host.read(layout.LOADED) or "{}").get("anchors", {}))
    except (ValueError, AttributeError):
        loaded = set()
    return loaded | {f"{root}/{name[: -len('.json')]}" for name in host.names(layout.DEFINITIONS) if name.endswith(".json")}


def parse_skips(text: str) -> list[str]:
    """The interfaces that a pf.conf(5) says `set skip on` for; macros are not looked up."""
    text = re.sub(r"\\\n", " ", _without_comments(text))
    return [
        name
        for several, single in re.findall(r"^\s*set\s+skip\s+on\s+(?:\{([^}]*)\}|(\S+))", text, re.MULTILINE)
        for name in re.split(r"[\s,]+", (several or single).replace('"', " "))
        if name
    ]


def _without_comments(text: str) -> str:
    return re.sub(r"#.*", "", text)


def _assignments(text: str, sign: str) -> dict[str, str]:
    pairs = (line.partition(sign) for line in text.splitlines())
    return {name.strip(): value.strip().strip("\"'") for name, found, value in pairs if found}


def plan(wanted: Wanted, found: Found) -> Plan:
    """The plan that makes the host what is wanted, with an outcome {kind, name, found, wanted, changed} for each setting; kinds are module, sysctl, rc.conf."""
    made = Plan()
    missing = [module for module in wanted.modules if module not in found.modules]
    _refuse_modules(missing, found, made)
    for module in wanted.modules:
        _setting(made, "module", module, "not loaded" if module in missing else "loaded", "loaded")
    for module in missing:
        made.steps.append(Step(Phase.BUILD, f"load the kernel module {module}", Run(("kldload", "-n", module)), (Run(("kldunload", module)),)))
    for family in wanted.forwarding:
        name = FORWARDING[family][1]
        value = found.sysctl.get(name, "")
        if _setting(made, "sysctl", name, value, "1"):
            made.steps.append(Step(Phase.ROUTE, f"set {name} to 1", Run(("sysctl", f"{name}=1")), (Run(("sysctl", f"{name}={value or 0}")),)))
    _plan_boot(wanted, found, made)
    made.diff("settings", *("".join(f"{each['kind']} {each['name']}: {each[side]}\n" for each in made.outcomes) for side in ("found", "wanted")))
    return made


def _setting(made: Plan, kind: str, name: str, found: str, wanted: str) -> bool:
    """Note a setting; gives whether it has to change."""
    made.outcomes.append({"kind": kind, "name": name, "found": found, "wanted": wanted, "changed": found != wanted})
    return found != wanted


def _refuse_modules(missing: list[str], found: Found, made: Plan) -> None:
    """Modules cannot be loaded from a jail, nor once the securelevel is raised."""
    if not missing:
        return
    names = " and ".join(missing)
    if found.number("security.jail.jailed"):
        remedy = f"run `kldload {' '.join(missing)}` there"
        made.refuse("modules", f"{names} not loaded, and a jail, which cannot load them", f"a jail whose host has loaded them: {remedy}")
    elif found.number("kern.securelevel") > 0:
        made.refuse(
            "modules",
            f"{names} not loaded, and kern.securelevel {found.sysctl['kern.securelevel']}, which forbids loading them",
            f'a host that loads them at boot: run `sysrc kld_list+="{" ".join(missing)}"` and reboot',
        )


def _plan_boot(wanted: Wanted, found: Found, made: Plan) -> None:
    """One call of sysrc(8) for all variables; it reads all of rc.conf for each call, which takes its time."""
    changes = {}
    # The host of a jail loads the modules.
    listed = found.variables.get("kld_list", Variable("")).value
    names = {name.rpartition("/")[2].removesuffix(".ko") for name in listed.split()}
    added = [module for module in wanted.modules if module not in names and not found.number("security.jail.jailed")]
    if _setting(made, "rc.conf", "kld_list", listed, " ".join([*listed.split(), *added]) if added else listed):
        changes["kld_list"] = f"kld_list+={' '.join(added)}"
    enabled = [FORWARDING[family][0] for family in wanted.forwarding] + (["pf_enable"] if wanted.pf_enable else [])
    for name in enabled:
        if _setting(made, "rc.conf", name, "YES" if found.yes(name) else found.variables.get(name, Variable("NO")).value, "YES"):
            changes[name] = f"{name}=YES"
    if not changes:
        return
    before = {name: found.variables[name] for name in changes if name in found.variables and found.variables[name].file != DEFAULTS}
    unset = [name for name in changes if name not in before]
    undo = [("sysrc", *(f"{name}={variable.value}" for name, variable in before.items()))] if before else []
    undo += [("sysrc", "-x", *unset)] if unset else []
    what = f"set {', '.join(changes)} for the boot"
    made.steps.append(Step(Phase.FILES, what, Run(("sysrc", *changes.values())), tuple(Run(words) for words in undo)))
