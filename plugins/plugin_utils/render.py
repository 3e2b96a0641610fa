# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders a network into what its host is to have: one document of plain data, the anchor's text in it from templates/."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import typing as t

import jinja2
import jinja2.sandbox
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.dnsmasq import Served, render_dnsmasq, service_of
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import Problem, SpecError, plain
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import netaddr
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import Network, Templates, to_data
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec_firewall import Inbound, PortForward, Traffic
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.values import PortRange, Ports, quoted

TEMPLATES = pathlib.Path(__file__).parents[2] / "templates"
# The template that each of a user's own replaces.
PARTS = {field.name: "anchor.conf.j2" if field.name == "anchor" else f"anchor/{field.name}.conf.j2" for field in dataclasses.fields(Templates)}
AF = {4: "inet", 6: "inet6"}
# The hook in the main ruleset that each kind of rule needs, by the beginning of its lines.
HOOKS: dict[str, tuple[str, ...]] = {"nat-anchor": ("nat ",), "rdr-anchor": ("rdr ",), "anchor": ("pass ", "block ", "match ", "anchor ")}

Nets = t.Sequence["netaddr.IPNetwork"]


class Document(t.TypedDict):
    """What crosses to the host for one network; JSON, read by module_utils/plan.py.

    `bridge`: name (None: the host chooses), mac (None: derived on the host), addresses of both families with their prefix, fwddelay in seconds
    and mtu in bytes (None: left as they are), description, vlan_filtering, and `members` with private and stp of each and its path in the definition.
    `egress`: None where no rule needs one, otherwise `dev`, the interface (None: that of the default route of `family`, inet or inet6), and `pool`,
    the addresses to translate to (None: its own).
    `anchor`: rules that use the macros $bridge and $egress. `tables`: the names of its tables. `hooks`: what the main ruleset has to call it by.
    `forwards`: protocols, family, first and last port of each port forward, and the address (None: the interface's own).
    `forwarding`: the families that the host has to forward.
    `routes`: destination and gateway of each static route.
    `dnsmasq`: what the network's dnsmasq is told, as plugin_utils/dnsmasq.py describes it as Served; None if the network needs none.
    """

    name: str
    definition: dict[str, t.Any]
    bridge: dict[str, t.Any]
    egress: dict[str, t.Any] | None
    anchor: str
    tables: list[str]
    hooks: list[str]
    forwards: list[dict[str, t.Any]]
    forwarding: list[str]
    routes: list[dict[str, str]]
    dnsmasq: Served | None


@dataclasses.dataclass(frozen=True)
class Peer:
    """A network that talks with this one: its name, and its subnets as pf writes them."""

    name: str
    list: str


@dataclasses.dataclass(frozen=True)
class Clause:
    """Traffic as clauses of a rule: each begins with a space, or is empty where anything goes."""

    proto: str
    ports: str
    to: str = ""
    sources: str = "any"


@dataclasses.dataclass(frozen=True)
class Family:
    """What templates need to know of a network's subnets of one family.

    `af`: inet or inet6. `nets`: the subnets, and what static routes have behind guests; `own`: the only one, or the table of several.
    `hosts`: the host's addresses, `host_list` as pf writes them.
    `nat`: where the NAT rule translates to, empty where nothing is translated; `natdst`: its table; `everything`, `on_link`: what that table has,
    and has not besides the subnets. `world`: what guests reach outside unless a list says otherwise.
    `dhcp`, `dns`, `tftp`, `advertised`: whether the host serves them, and sends router advertisements.
    `peers_in` may talk to this network, this one may talk to `peers_out`.
    `guests`: the table of guests without the host, there where an entry of `inbound` has no `to`. `behind`: whether guests route networks behind them.
    """

    af: str
    nets: list[str]
    hosts: list[str]
    nat: str
    dhcp: bool
    dns: bool
    tftp: bool
    advertised: bool
    peers_in: list[Peer]
    peers_out: list[Peer]
    deny: list[Clause]
    allow: list[Clause]
    inbound: list[Clause]
    behind: bool

    @property
    def host_list(self) -> str:
        return _braces(self.hosts)

    @property
    def own(self) -> str:
        return self.nets[0] if len(self.nets) == 1 else f"<net{'4' if self.af == 'inet' else '6'}>"

    @property
    def guests(self) -> str:
        return f"<guests{'4' if self.af == 'inet' else '6'}>"

    @property
    def natdst(self) -> str:
        return "natdst" if self.af == "inet" else "natdst6"

    @property
    def everything(self) -> str:
        return "0.0.0.0/0" if self.af == "inet" else "::/0"

    @property
    def on_link(self) -> list[str]:
        return ["224.0.0.0/24", "255.255.255.255/32"] if self.af == "inet" else ["ff00::/8", "fe80::/10"]

    @property
    def world(self) -> str:
        return f"<{self.natdst}>" if self.nat else "any"


@dataclasses.dataclass(frozen=True)
class Forward:
    """A port forward as clauses of its rules; `to_ports` are the guest's, `own` the network's own of that family."""

    description: str | None
    hairpin: bool
    af: str
    proto: str
    own: str
    sources: str
    listen: str
    ports: str
    to: str
    to_ports: str
    target: str


def render(networks: t.Sequence[Network]) -> list[Document]:
    """The documents of networks that are declared together; peers are looked up among them.

    Raises SpecError for a template of the user's that cannot be rendered.
    """
    problems: list[Problem] = []
    documents = []
    for index, network in enumerate(networks):
        try:
            anchor = _anchor(network, networks)
        except Exception as error:
            # The collection's own templates render for every network: it is one of the user's, which may fail in any way that Python can.
            if network.templates is None:
                raise
            problems.append(Problem(f"networks[{index}].templates", str(error), "templates that render for this network"))
        else:
            documents.append(_document(network, anchor))
    if problems:
        raise SpecError(problems)
    return documents


def _document(network: Network, anchor: str) -> Document:
    bridge, mode, nat = network.bridge, network.forward.mode, network.forward.nat
    members = [(member, f"bridge.members[{index}]", bridge.isolated_ports) for index, member in enumerate(bridge.members)]
    if mode == "bridge" and network.forward.dev:
        # First: at boot, a member that is not there takes those behind it along.
        members.insert(0, (network.forward.dev, "forward.dev", False))
    families = [AF[version] for version in (4, 6) if network.subnets(version)]
    return {
        "name": network.name,
        "definition": to_data(network),
        "bridge": {
            "name": bridge.name,
            "mac": network.ether,
            "addresses": [str(ip.address) for ip in network.ips],
            # A bridge without added delay is one that FreeBSD forwards on at once: there is nothing to set.
            "fwddelay": bridge.delay or None,
            "mtu": bridge.mtu,
            "description": bridge.description,
            "vlan_filtering": bridge.vlan_filtering,
            "members": [{"name": member, "path": path, "private": private, "stp": bridge.stp} for member, path, private in members],
        },
        "egress": {"dev": network.forward.dev, "family": families[0], "pool": plain(nat.address) if nat and nat.address else None}
        if mode in ("nat", "route")
        else None,
        "anchor": anchor,
        "tables": re.findall(r"^table <([^>]+)>", anchor, re.MULTILINE),
        "hooks": [hook for hook, words in HOOKS.items() if any(line.startswith(words) for line in anchor.splitlines())],
        "forwards": [
            {
                "proto": list(forward.proto),
                "family": AF[forward.to.version],
                "start": forward.port.start,
                "end": forward.port.end,
                "listen": str(forward.listen) if forward.listen is not None else None,
            }
            for forward in network.port_forwards
        ],
        "forwarding": families if mode in ("nat", "route", "open") else [],
        "routes": [{"destination": str(route.address), "gateway": str(route.gateway)} for route in network.routes],
        "dnsmasq": render_dnsmasq(network, _COLLECTION.get_template("dnsmasq.conf.j2")),
    }


def _anchor(network: Network, networks: t.Sequence[Network]) -> str:
    own = {PARTS[name]: text for name, text in dataclasses.asdict(network.templates).items() if text} if network.templates else {}
    environment = _environment(jinja2.ChoiceLoader([jinja2.DictLoader(own), _LOADER])) if own else _COLLECTION
    families = [_family(network, version, networks) for version in (4, 6) if network.subnets(version)]
    return environment.get_template("anchor.conf.j2").render(
        network=network, families=families, forwards=[_forward(forward, families) for forward in network.port_forwards]
    )


def _environment(loader: jinja2.BaseLoader) -> jinja2.sandbox.SandboxedEnvironment:
    # Not HTML: escaping would garble pf's `<table>`. Sandboxed: a definition, templates with it, may come from an XML file of somebody else's.
    environment = jinja2.sandbox.SandboxedEnvironment(
        autoescape=False, keep_trailing_newline=True, loader=loader, lstrip_blocks=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["quoted"] = quoted
    return environment


# Made once: the environment keeps the templates that it has compiled.
_LOADER = jinja2.FileSystemLoader(TEMPLATES)
_COLLECTION = _environment(_LOADER)


def _family(network: Network, version: int, networks: t.Sequence[Network]) -> Family:
    firewall = network.firewall
    ips = [ip for ip in network.ips if ip.version == version]
    everything = Clause("", "")
    service = service_of(network)
    return Family(
        af=AF[version],
        nets=[str(net) for net in network.nets(version)],
        hosts=[str(ip.host) for ip in ips],
        nat=_nat_target(network, version),
        dhcp=service.dhcp(version),
        dns=service.dns,
        tftp=service.tftp is not None,
        advertised=version == 6 and service.advertises,
        peers_in=[Peer(peer.name, _braces(peer.nets(version))) for peer in networks if peer.name in firewall.peers and peer.subnets(version)],
        peers_out=[Peer(other.name, _braces(other.nets(version))) for other in networks if network.name in other.firewall.peers and other.subnets(version)],
        deny=[clause for traffic in (firewall.egress.deny if firewall.egress else ()) if (clause := _clause(traffic, version, traffic.networks))],
        allow=[clause for traffic in firewall.egress.allow if (clause := _clause(traffic, version, traffic.networks))]
        if firewall.egress and firewall.egress.allow
        else [everything],
        inbound=[clause for entry in firewall.inbound if (clause := _clause(entry, version, entry.to, entry.sources))],
        behind=any(route.address.version == version for route in network.routes),
    )


def _nat_target(network: Network, version: int) -> str:
    """What follows the arrow of a NAT rule; empty where the family is not translated."""
    nat = network.forward.nat
    if network.forward.mode != "nat" or (version == 6 and not (nat and nat.ipv6)):
        return ""
    # libvirt takes all addresses of the interface in turn; with its first alone a guest's connections to one server come from one address.
    target = "($egress)" if network.firewall.profile == "libvirt" else "($egress:0)"
    ports = nat.port if nat and nat.port else PortRange()
    options = ["static-port" if nat and nat.static_port else f"port {ports.start}:{ports.end}"]
    if nat and nat.address and version == 4:
        # pfctl takes a range of addresses here, but the kernel does not; and of one network it takes the first address alone, unless told.
        target = _braces(netaddr.iprange_to_cidrs(nat.address.start, nat.address.end))
        options += ["round-robin", *(["sticky-address"] if nat.sticky else [])]
    return " ".join([target, *options])


def _forward(forward: PortForward, families: t.Sequence[Family]) -> Forward:
    version = forward.to.version
    last = (forward.to_port or forward.port.start) + forward.port.end - forward.port.start
    to_ports = Ports(forward.to_port or forward.port.start, last)
    target = str(forward.to)
    if forward.to_port:
        target += f" port {forward.to_port}{'' if to_ports.start == to_ports.end else ':*'}"
    return Forward(
        # A backslash at the end of a comment would take the rule below into it.
        description=forward.description.replace("\\", "") if forward.description else None,
        hairpin=forward.hairpin,
        af=AF[version],
        proto=_braces(forward.proto),
        own=next(family.own for family in families if family.af == AF[version]),
        sources=_braces(forward.sources) if forward.sources else "any",
        listen=str(forward.listen) if forward.listen is not None else "($egress:0)",
        ports=str(forward.port),
        to=str(forward.to),
        to_ports=str(to_ports),
        target=target,
    )


def _clause(traffic: Traffic | Inbound, version: int, to: Nets, sources: Nets = ()) -> Clause | None:
    """What of an entry of a list is of one family; None if nothing is."""
    foreign = "icmp6" if version == 4 else "icmp"
    proto = [name for name in traffic.proto if name != foreign]
    here, there = ([net for net in nets if net.version == version] for nets in (sources, to))
    if (traffic.proto and not proto) or (sources and not here) or (to and not there):
        return None
    return Clause(
        proto=f" proto {_braces(proto)}" if proto else "",
        ports=f" port {_braces(traffic.ports)}" if traffic.ports else "",
        to=_braces(there) if there else "",
        sources=_braces(here) if here else "any",
    )


def _braces(items: t.Sequence[t.Any]) -> str:
    """One item alone, several in braces: a list of pf's. A network of one address is that address."""
    texts = [str(item.ip) if isinstance(item, netaddr.IPNetwork) and item.size == 1 else str(item) for item in items]
    return texts[0] if len(texts) == 1 else f"{{ {', '.join(texts)} }}"
