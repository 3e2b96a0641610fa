# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Static routes and forwarding (the script routing)."""

from __future__ import annotations

from .. import program
from . import config
from .script import Run, Script

NONE = ("no", "")
# The variables behind the options, the words that announce them and the sysctls they set.
OPTIONS = {
    "inet": (
        ("icmp_bmcastecho", "broadcast ping responses", "net.inet.icmp.bmcastecho"),
        ("icmp_drop_redirect", "ignore ICMP redirect", "net.inet.icmp.drop_redirect"),
        ("icmp_log_redirect", "log ICMP redirect", "net.inet.icmp.log_redirect"),
        ("gateway_enable", "gateway", "net.inet.ip.forwarding"),
        ("forward_sourceroute", "do source routing", "net.inet.ip.sourceroute"),
        ("accept_sourceroute", "accept source routing", "net.inet.ip.accept_sourceroute"),
        ("arpproxy_all", "ARP proxyall", "net.link.ether.inet.proxyall"),
    ),
    "inet6": (("ipv6_gateway_enable", "gateway", "net.inet6.ip6.forwarding"),),
}


def _static(run: Run, family: str, action: str, interface: str) -> bool:
    prefix = "ipv6_" if family == "inet6" else ""
    variables = run.variables
    fixed = _fixed_routes(variables, family)
    listed = [*fixed]
    configured = variables.get(f"{prefix}static_routes", "").split()
    position = 1 if family == "inet" else len(listed) - ("_default" in listed)
    listed[position:position] = configured
    code = 0
    for name in listed:
        if interface and not name.endswith(f":{interface}"):
            code = 0
            continue
        name = name.rpartition(":")[0] or name
        words = fixed.get(name) or config.interface_variable(variables, name, f"{prefix}route_IF").split()
        if not words:
            run.warn(f"route_{name} not found" + ("." if family == "inet" else ""))
            code = 0
            continue
        code = run.command("route", action, *(["-inet6"] if family == "inet6" else []), *words)
    # The shell function returns what its last command did; for IPv6 that is a comparison.
    return code == 0 or family == "inet6"


def _fixed_routes(variables: dict[str, str], family: str) -> dict[str, list[str]]:
    """The routes that every host gets, in their order; rc.conf's own follow the loopback's."""
    if family == "inet":
        fixed = {"_loopback": "-inet 127.0.0.1 -iface lo0"}
        default = variables.get("defaultrouter", "")
    else:
        fixed = {
            "_loopback": "::1 -prefixlen 128 -iface lo0",
            "_lla": "fe80:: -prefixlen 10 ::1 -reject",
            "_llma": "ff02:: -prefixlen 16 ::1 -reject",
            "_v4mapped": "::ffff:0.0.0.0 -prefixlen 96 ::1 -reject",
            "_v4compat": "::0.0.0.0 -prefixlen 96 ::1 -reject",
        }
        default = variables.get("ipv6_defaultrouter", "")
    if default.lower() not in NONE:
        fixed["_default"] = f"default {default}"
    return {name: words.split() for name, words in fixed.items()}


def _set_options(run: Run, family: str) -> None:
    announced = ""
    for variable, words, sysctl in OPTIONS[family]:
        on = config.is_yes(run.variables, variable)
        run.silent("sysctl", f"{sysctl}={int(on)}")
        if on:
            announced += f" {words}=YES"
    if announced:
        print(f"Additional {family} routing options:{announced}.")


def _families(arguments: list[str]) -> list[str]:
    family = arguments[0] if arguments else ""
    if family.lower() in ("", "all", "any"):
        return ["inet", "inet6"]
    if family not in OPTIONS:
        raise program.Usage(f"/etc/rc.d/routing: ERROR: afexists(): Unsupported address family: {family}")
    return [family]


def _interface(arguments: list[str]) -> str:
    name = arguments[1] if len(arguments) > 1 else ""
    return "" if name.lower() in ("all", "any") else name


def _start(run: Run, arguments: list[str]) -> int:
    good = True
    for family in _families(arguments):
        good &= _static(run, family, "add", _interface(arguments))
        _set_options(run, family)
    return 0 if good else 1


def _only_static(run: Run, arguments: list[str]) -> int:
    good = True
    for family in _families(arguments):
        good &= _static(run, family, "add", _interface(arguments))
    return 0 if good else 1


def _only_options(run: Run, arguments: list[str]) -> int:
    for family in _families(arguments):
        _set_options(run, family)
    return 0


def _stop(run: Run, arguments: list[str]) -> int:
    for family in _families(arguments):
        _static(run, family, "delete", _interface(arguments))
        if not _interface(arguments):
            run.command("route", "-n", "flush", f"-{family}")
    return 0


ROUTING = Script("routing", "Routing setup", {"start": _start, "stop": _stop, "options": _only_options, "static": _only_static}, configuration=("routing",))
