# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directives of dnsmasq's configuration: which there are, whether they have an argument and may be repeated, and what is an error in them."""

from __future__ import annotations

import re
import socket
import typing as t
from collections.abc import Callable


class Bad(Exception):
    """An argument that dnsmasq refuses, with its complaint."""


class Directive(t.NamedTuple):
    """``argument``: no, may or must. ``once``: whether a second one is refused. ``check`` raises Bad."""

    argument: str
    once: bool = False
    check: Callable[[str], None] = lambda argument: None


# FreeBSD's words for a name that has no address; no resolver is simulated, so no name has one.
NO_ADDRESS = "Name does not resolve"
FACILITIES = {
    *"auth authpriv console cron daemon ftp kern lpr mail news ntp security syslog user uucp".split(),
    *(f"local{number}" for number in range(8)),
}
# DHCP options by name, and the numbers of those whose values are addresses.
OPTIONS4 = dict(
    pair.split(":")
    for pair in (
        "netmask:1 time-offset:2 router:3 dns-server:6 log-server:7 lpr-server:9 boot-file-size:13 domain-name:15 swap-server:16 root-path:17 "
        "extension-path:18 ip-forward-enable:19 non-local-source-routing:20 policy-filter:21 max-datagram-reassembly:22 default-ttl:23 mtu:26 "
        "all-subnets-local:27 router-discovery:31 router-solicitation:32 static-route:33 trailer-encapsulation:34 arp-timeout:35 ethernet-encap:36 "
        "tcp-ttl:37 tcp-keepalive:38 nis-domain:40 nis-server:41 ntp-server:42 netbios-ns:44 netbios-dd:45 netbios-nodetype:46 netbios-scope:47 "
        "x-windows-fs:48 x-windows-dm:49 T1:58 T2:59 vendor-class:60 nis+-domain:64 nis+-server:65 tftp-server:66 bootfile-name:67 mobile-ip-home:68 "
        "smtp-server:69 pop3-server:70 nntp-server:71 irc-server:74 user-class:77 rapid-commit:80 client-arch:93 client-interface-id:94 "
        "client-machine-id:97 posix-timezone:100 tzdb-timezone:101 ipv6-only:108 domain-search:119 sip-server:120 classless-static-route:121 "
        "vendor-id-encap:125 tftp-server-address:150 server-ip-address:255"
    ).split()
)
OPTIONS6 = dict(
    pair.split(":")
    for pair in (
        "sip-server-domain:21 sip-server:22 dns-server:23 domain-search:24 nis-server:27 nis+-server:28 nis-domain:29 nis+-domain:30 sntp-server:31 "
        "information-refresh-time:32 posix-timezone:41 tzdb-timezone:42 ntp-server:56 bootfile-url:59 bootfile-param:60"
    ).split()
)
ADDRESSES4 = {"1", "3", "6", "7", "9", "16", "21", "28", "32", "33", "41", "42", "44", "45", "48", "49", "50", "54", "65", "68", "69", "70", "71", "74"}
ADDRESSES4 |= {"150", "255"}
ADDRESSES6 = {"22", "23", "27", "28", "31"}
MODES6 = ("static", "ra-only", "ra-names", "ra-advrouter", "ra-stateless", "slaac", "off-link")
LEASE_TIME = r"(?i:[0-9]*[smhdw]?|infinite|deprecated)"


def is_address(text: str, family: socket.AddressFamily) -> bool:
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):
        return False
    return True


def is_v4(text: str) -> bool:
    return is_address(text, socket.AF_INET)


def is_v6(text: str) -> bool:
    return is_address(text, socket.AF_INET6)


def _number(limit: int) -> Callable[[str], None]:
    def check(argument: str) -> None:
        if argument and not (argument.isdecimal() and int(argument) <= limit):
            raise Bad("error")

    return check


def range_fields(argument: str) -> list[str]:
    """The fields of a dhcp-range after its tags."""
    return [field.strip() for field in argument.split(",") if not re.match(r"(set|tag|net|interface):", field)]


def _range(argument: str) -> None:
    fields = range_fields(argument)
    if is_v4(fields[0]):
        _range4(fields)
    elif is_v6(fields[0]):
        _range6(fields)
    else:
        raise Bad("bad dhcp-range")


def _range4(fields: list[str]) -> None:
    start, *rest = fields
    if not rest:
        raise Bad("bad dhcp-range")
    end = rest.pop(0)
    if end not in ("static", "proxy") and not is_v4(end):
        raise Bad("bad dhcp-range")
    if rest and is_v4(rest[0]):
        mask = _value(rest.pop(0))
        inverted = mask ^ 0xFFFFFFFF
        if inverted & (inverted + 1) or (is_v4(end) and _value(start) & mask != _value(end) & mask):
            raise Bad("inconsistent DHCP range")
        if rest and is_v4(rest[0]):
            rest.pop(0)
    if len(rest) > 1 or (rest and not re.fullmatch(LEASE_TIME, rest[0])):
        raise Bad("bad dhcp-range")


def _range6(fields: list[str]) -> None:
    start, *rest = fields
    end = rest.pop(0) if rest and is_v6(rest[0]) else start
    while rest and (rest[0] in MODES6 or rest[0].startswith("constructor:")):
        rest.pop(0)
    width = 64
    if rest and rest[0].isdecimal():
        width = int(rest.pop(0))
        if width < 64:
            raise Bad("prefix length must be at least 64")
    if len(rest) > 1 or (rest and not re.fullmatch(LEASE_TIME, rest[0])):
        raise Bad("bad dhcp-range")
    if width <= 128 and (_value(start) ^ _value(end)) >> (128 - width):
        raise Bad("inconsistent DHCPv6 range")


def _value(address: str) -> int:
    return int.from_bytes(socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address), "big")


def _host(argument: str) -> None:
    for field in (field.strip() for field in argument.split(",")):
        if re.match(r"(set|tag|net):", field):
            continue
        if re.fullmatch(r"\[.*\]", field):
            if not is_v6(field[1:-1].partition("/")[0]):
                raise Bad("bad IPv6 address")
        elif (field.startswith("id:") and ":" in field[3:]) or (":" in field and not field.startswith("id:")):
            hardware = re.sub(r"^[0-9a-fA-F]+-", "", field.removeprefix("id:"))
            if not all(re.fullmatch(r"[0-9a-fA-F]{0,2}|\*", octet) for octet in hardware.split(":")) and not is_v6(hardware):
                raise Bad("bad hex constant")
        elif field and not field.startswith("id:") and not re.fullmatch(LEASE_TIME, field) and not re.fullmatch(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*", field):
            raise Bad("bad DHCP host name")


def _option(argument: str) -> None:
    fields = [field.strip() for field in argument.split(",")]
    while fields and re.match(r"(tag|net|set|encap|vi-encap|vendor):", fields[0]):
        if not fields.pop(0).startswith(("tag:", "net:", "set:")):
            return  # options of a vendor's own
    if not fields:
        raise Bad("bad dhcp-option")
    option, *values = fields
    if option.startswith("option6:"):
        number = OPTIONS6.get(option[8:], option[8:])
        if not number.isdecimal():
            raise Bad("bad dhcp-option")
        if number in ADDRESSES6 and not all(is_v6(re.sub(r"^\[(.*)\]$", r"\1", value)) for value in values):
            raise Bad("bad IPv6 address")
        return
    if option.startswith("option:") and option[7:] not in OPTIONS4:
        raise Bad("bad dhcp-option")
    number = OPTIONS4.get(option.removeprefix("option:"), option)
    if number not in ADDRESSES4:
        return
    for value in values:
        if not is_v4(value.partition("/")[0]):
            raise Bad("bad IPv4 address" if re.fullmatch(r"[0-9.]+", value) and "." in value else "bad IP address")


def _server(argument: str) -> None:
    where = argument.rpartition("/")[2] if argument.startswith("/") else argument
    if where in ("", "#"):
        return
    where = where.partition("@")[0]
    address, hash_sign, port = where.partition("#")
    if hash_sign and not (port.isdecimal() and int(port) < 65536):
        raise Bad("bad port")
    if not is_v4(address) and not is_v6(address.partition("%")[0]):
        raise Bad(NO_ADDRESS)


def _address(argument: str) -> None:
    where = argument.rpartition("/")[2] if argument.startswith("/") else argument
    if where not in ("", "#") and not is_v4(where) and not is_v6(where):
        raise Bad("Bad address in --address")


def _listen_address(argument: str) -> None:
    if not all(is_v4(word.strip()) or is_v6(word.strip().partition("%")[0]) for word in argument.split(",")):
        raise Bad("error")


def _host_record(argument: str) -> None:
    fields = [field.strip() for field in argument.split(",")]
    if len(fields) < 2 or is_v4(fields[0]) or is_v6(fields[0]):
        raise Bad("Bad host-record")


def _srv_host(argument: str) -> None:
    fields = [field.strip() for field in argument.split(",", 4)]
    for value, name in zip(fields[2:], ("port number", "priority", "weight"), strict=False):
        if not (value.isdecimal() and int(value) < 65536):
            raise Bad(f"invalid {name}")


def _cname(argument: str) -> None:
    if "," not in argument:
        raise Bad("bad CNAME")


def _log_facility(argument: str) -> None:
    if "/" not in argument and argument != "-" and argument not in FACILITIES:
        raise Bad("bad log facility")


FLAG, MAY, MUST = Directive("no"), Directive("may"), Directive("must")
ONCE, MAY_ONCE = Directive("must", once=True), Directive("may", once=True)
COUNT, PORT = Directive("must", once=True, check=_number((1 << 31) - 1)), Directive("must", once=True, check=_number(65535))
DIRECTIVES: dict[str, Directive] = {
    **dict.fromkeys(
        (
            "all-servers bind-dynamic bind-interfaces bogus-priv clear-on-reload dhcp-authoritative dhcp-no-override dhcp-rapid-commit dhcp-sequential-ip "
            "dns-loop-detect domain-needed enable-ra expand-hosts filter-A filter-AAAA filterwin2k leasefile-ro localise-queries log-debug log-dhcp "
            "no-hosts no-negcache no-ping no-poll no-resolv no-round-robin proxy-dnssec quiet-dhcp quiet-dhcp6 quiet-ra quiet-tftp read-ethers "
            "rebind-localhost-ok stop-dns-rebind strict-order tftp-lowercase tftp-no-blocksize tftp-no-fail tftp-secure tftp-single-port"
        ).split(),
        FLAG,
    ),
    **dict.fromkeys("bootp-dynamic dhcp-broadcast dhcp-generate-names dhcp-ignore-names enable-tftp log-queries resolv-file".split(), MAY),
    **dict.fromkeys(
        (
            "addn-hosts dhcp-boot dhcp-hostsdir dhcp-hostsfile dhcp-ignore dhcp-optsdir dhcp-optsfile domain except-interface hostsdir interface "
            "no-dhcp-interface no-dhcpv4-interface no-dhcpv6-interface ptr-record ra-param rebind-domain-ok tftp-root txt-record"
        ).split(),
        MUST,
    ),
    **dict.fromkeys("dhcp-leasefile group pid-file user".split(), MAY_ONCE),
    **dict.fromkeys(
        (
            "dhcp-lease-max dhcp-reply-delay dhcp-ttl dns-forward-max edns-packet-max local-ttl max-cache-ttl max-ttl min-cache-ttl neg-ttl tftp-max tftp-mtu"
        ).split(),
        COUNT,
    ),
    **dict.fromkeys("max-port min-port port query-port".split(), PORT),
    "cache-size": Directive("may", once=True, check=_number((1 << 31) - 1)),
    "log-async": Directive("may", once=True, check=_number((1 << 31) - 1)),
    "log-facility": Directive("must", once=True, check=_log_facility),
    "listen-address": Directive("must", check=_listen_address),
    "server": Directive("must", check=_server),
    "local": Directive("must", check=_server),
    "address": Directive("must", check=_address),
    "host-record": Directive("must", check=_host_record),
    "srv-host": Directive("must", check=_srv_host),
    "cname": Directive("must", check=_cname),
    "dhcp-range": Directive("must", check=_range),
    "dhcp-host": Directive("must", check=_host),
    "dhcp-option": Directive("must", check=_option),
    "dhcp-option-force": Directive("must", check=_option),
}
# dnsmasq knows these too; what they mean is not simulated.
NOT_SIMULATED = set(
    (
        "add-cpe-id add-mac add-subnet alias auth-peer auth-sec-servers auth-server auth-soa auth-ttl auth-zone bogus-nxdomain caa-record conf-dir conf-file "
        "conf-script connmark-allowlist conntrack dhcp-alternate-port dhcp-bridge dhcp-circuitid dhcp-client-update dhcp-duid dhcp-fqdn dhcp-ignore-clid "
        "dhcp-luascript dhcp-mac dhcp-match dhcp-name-match dhcp-proxy dhcp-pxe-vendor dhcp-relay dhcp-remoteid dhcp-script dhcp-scriptuser dhcp-subscrid "
        "dhcp-userclass dhcp-vendorclass dns-rr dnssec dnssec-check-unsigned dnssec-no-timecheck dnssec-timestamp dumpfile dumpmask enable-dbus "
        "enable-ubus fast-dns-retry ignore-address interface-name ipset keep-in-foreground local-service localmx mx-host mx-target naptr-record nftset "
        "no-daemon no-ident port-limit pxe-prompt pxe-service rev-server script-arp script-on-renewal selfmx servers-file shared-network strip-mac "
        "strip-subnet synth-domain tag-if tftp-port-range tftp-unique-root trust-anchor umbrella use-stale-cache"
    ).split()
)
