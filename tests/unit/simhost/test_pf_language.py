# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What pfctl reads and how it prints it: ``pfctl -o none -nvf -``."""

from __future__ import annotations

from pathlib import Path

import pytest
from pf_machine import Machine

S = "flags S/SA keep state"

PRINTED = {
    # hosts
    "host": ("pass from 10.0.0.1", [f"pass inet from 10.0.0.1 to any {S}"]),
    "host bits": ("pass from 10.0.0.1/24", [f"pass inet from 10.0.0.0/24 to any {S}"]),
    "short network": ("pass from 10.1/16", [f"pass inet from 10.1.0.0/16 to any {S}"]),
    "every IPv4 address": ("pass inet from 0.0.0.0/0", [f"pass inet all {S}"]),
    "any in a list": ("pass from { any, 10.0.0.1 }", [f"pass all {S}"]),
    "list in a list": ("pass to { 10.0.0.1 { 10.0.0.2 } }", [f"pass inet from any to 10.0.0.1 {S}", f"pass inet from any to 10.0.0.2 {S}"]),
    "families": ("pass from { 10.0.0.1 fd00::1 }", [f"pass inet from 10.0.0.1 to any {S}", f"pass inet6 from fd00::1 to any {S}"]),
    "families that agree": ("pass from { 10.0.0.1 fd00::1 } to fd00::/8", [f"pass inet6 from fd00::1 to fd00::/8 {S}"]),
    "negated": ("pass from ! 10.0.0.1", [f"pass inet from ! 10.0.0.1 to any {S}"]),
    "range": ("pass from 10.0.0.1 - 10.0.0.9", [f"pass inet from 10.0.0.1 - 10.0.0.9 to any {S}"]),
    "table": ("pass from <a> to ! <b>", [f"pass from <a> to ! <b> {S}"]),
    "keywords": ("block from { no-route urpf-failed }", ["block drop from no-route to any", "block drop from urpf-failed to any"]),
    "interface": ("pass inet from vtnet1", [f"pass inet from 203.0.113.1 to any {S}", f"pass inet from 203.0.113.9 to any {S}"]),
    "interface without aliases": ("pass from vtnet1:0", [f"pass inet from 203.0.113.1 to any {S}"]),
    "interface's network": ("pass from virbr0:network", [f"pass inet from 192.168.122.0/24 to any {S}", f"pass inet6 from fd00:1::/64 to any {S}"]),
    "interface's broadcast": ("pass to virbr0:broadcast", [f"pass inet from any to 192.168.122.255 {S}"]),
    "group": ("pass from lo", [f"pass inet6 from ::1 to any {S}", f"pass inet from 127.0.0.1 to any {S}"]),
    "link-local": ("pass from fe80::1%vtnet1", [f"pass inet6 from fe80::1 to any {S}"]),
    "link-local after an interface": ("block on lo0\npass from fe80::1%vtnet1", ["block drop on lo0 all", f"pass on vtnet1 inet6 from fe80::1 to any {S}"]),
    "dynamic": ("pass inet from (vtnet1:network:0) to (self)", [f"pass inet from (vtnet1:network:0) to (self) {S}"]),
    "dynamic with a length": ("pass inet from (vtnet1)/24", [f"pass inet from (vtnet1)/24 to any {S}"]),
    "host name": ("pass inet from localhost", [f"pass inet from 127.0.0.1 to any {S}"]),
    # ports
    "service": ("pass proto tcp to port ssh", [f"pass proto tcp from any to any port = ssh {S}"]),
    "port without a name": ("pass proto tcp to port 2222", [f"pass proto tcp from any to any port = 2222 {S}"]),
    "names differ by protocol": ("pass proto udp to port { 514 }", ["pass proto udp from any to any port = syslog keep state"]),
    "port range": ("pass proto tcp to port 20:22", [f"pass proto tcp from any to any port 20:22 {S}"]),
    "equal ends": ("pass proto tcp to port 22:22", [f"pass proto tcp from any to any port = ssh {S}"]),
    "operators": (
        "block proto tcp from port != 22 to port { < 1024, >= 2000, 1 >< 9, 1 <> 9 }",
        [f"block drop proto tcp from any port != ssh to any port {condition}" for condition in ("< 1024", ">= 2000", "1 >< 9", "1 <> 9")],
    ),
    "source and destination": ("pass proto udp from port 68 to port 67", ["pass proto udp from any port = bootpc to any port = bootps keep state"]),
    # protocols and their options
    "protocols": ("pass proto { tcp 17 icmp }", [f"pass proto tcp all {S}", "pass proto udp all keep state", "pass proto icmp all keep state"]),
    "unnamed protocol": ("block proto 200", ["block drop proto 200 all"]),
    "flags": ("pass proto tcp flags S/SAFR", ["pass proto tcp all flags S/FSRA keep state"]),
    "flags any": ("pass proto tcp flags any", ["pass proto tcp all flags any keep state"]),
    "ICMP": ("pass inet proto icmp icmp-type { echoreq unreach code needfrag }",
             ["pass inet proto icmp all icmp-type echoreq keep state", "pass inet proto icmp all icmp-type unreach code needfrag keep state"]),
    "ICMPv6": ("pass inet6 proto ipv6-icmp icmp6-type 135", ["pass inet6 proto ipv6-icmp all icmp6-type neighbrsol keep state"]),
    "users": ("pass out proto tcp user { root, >= 1000 } group wheel",
              [f"pass out proto tcp all user = 0 group = 0 {S}", f"pass out proto tcp all user >= 1000 group = 0 {S}"]),
    # what a rule does
    "block": ("block", ["block drop all"]),
    "block policy": ("set block-policy return\nblock in", ["set block-policy return", "block return in all"]),
    "return-rst": ("block return-rst(ttl 3) proto tcp", ["block return-rst(ttl 3) proto tcp all"]),
    "return-icmp": ("block return-icmp inet", ["block return-icmp(port-unr) inet all"]),
    "return-icmp of both": ("block return-icmp(host-unr, 1)", ["block return-icmp(host-unr, admin-unr) all"]),
    "log": ("pass in log (all, user, to pflog2) quick", [f"pass in log (all, user, to pflog2) quick all {S}"]),
    "interfaces": ("block on { vtnet1 !lo0 }", ["block drop on vtnet1 all", "block drop on ! lo0 all"]),
    "no state": ("pass no state", ["pass all no state"]),
    "only tcp is modulated": ("pass proto { tcp udp } modulate state", ["pass proto tcp all flags S/SA modulate state", "pass proto udp all keep state"]),
    "state options": (
        "pass proto tcp keep state (max 10, source-track rule, max-src-conn-rate 3/20, overload <bad> flush global, tcp.closed 1, no-sync)",
        ["pass proto tcp all flags S/SA keep state (max 10, no-sync, source-track rule, max-src-conn-rate 3/20, overload <bad> flush global, "
         "tcp.closed 1, adaptive.start 6, adaptive.end 12, src.track 20)"],
    ),
    "state defaults": ("set state-defaults no-sync\npass", ["pass all flags S/SA keep state (no-sync)"]),
    "if-bound": ("set state-policy if-bound\npass", ["set state-policy if-bound", "pass all flags S/SA keep state (if-bound)"]),
    "tags": ("pass tag a\nblock ! tagged b", [f"pass all {S} tag a", "block drop all ! tagged b"]),
    "label": ('pass proto tcp to 10.0.0.1 port 22 label "$nr:$proto:$dstaddr:$dstport:$if"',
              [f'pass inet proto tcp from any to 10.0.0.1 port = ssh {S} label "0:tcp:10.0.0.1:22:any"']),
    "probability": ("block probability 20%", ["block drop all probability 20%"]),
    "set": ("match set (prio (2, 3), tos lowdelay) scrub (no-df max-mss 1400)",
            ["match all set ( prio(2, 3), tos 0x10 ) scrub( no-df set-tos 0x10 max-mss 1400)"]),
    "queue and more": ("pass in received-on vtnet1 tos 0x10 prio 0 queue (a, b) allow-opts ridentifier 7",
                       ["pass in all received-on vtnet1 flags S/SA tos 0x10 prio 0 keep state allow-opts ridentifier 7 queue(a, b)"]),
    "route-to": ("pass out route-to (vtnet1 203.0.113.254) inet from 10.0.0.0/8",
                 [f"pass out route-to (vtnet1 203.0.113.254) inet from 10.0.0.0/8 to any {S}"]),
    # translation
    "nat": ("nat on vtnet1 from 10.0.0.0/24 to any -> (vtnet1)", ["nat on vtnet1 inet from 10.0.0.0/24 to any -> (vtnet1) round-robin"]),
    "nat to the first address": ("nat pass on vtnet1 inet -> (vtnet1:0) port 1024:65535", ["nat pass on vtnet1 inet all -> (vtnet1:0) port 1024:65535"]),
    "nat's own ports": ("nat on vtnet1 inet -> 203.0.113.1 port 50001:65535", ["nat on vtnet1 inet all -> 203.0.113.1"]),
    "static-port": ("nat on vtnet1 inet -> 203.0.113.1 static-port", ["nat on vtnet1 inet all -> 203.0.113.1 static-port"]),
    "pool": ("nat on vtnet1 inet -> { 203.0.113.1, 203.0.113.2 } sticky-address",
             ["nat on vtnet1 inet all -> { 203.0.113.1, 203.0.113.2 } round-robin sticky-address"]),
    "source-hash": ("nat on vtnet1 inet -> 203.0.113.0/24 source-hash 0x00112233445566778899aabbccddeeff",
                    ["nat on vtnet1 inet all -> 203.0.113.0/24 source-hash 0x00112233445566778899aabbccddeeff"]),
    "no nat": ("no nat on vtnet1 from 10.0.0.1", ["no nat on vtnet1 inet from 10.0.0.1 to any"]),
    "rdr": ("rdr pass on vtnet1 proto tcp to (vtnet1:0) port 2222 tag x -> 10.0.0.1 port 22",
            ["rdr pass on vtnet1 inet proto tcp from any to (vtnet1:0) port = 2222 tag x -> 10.0.0.1 port 22"]),
    "rdr of a range": ("rdr proto tcp to 10.0.0.9 port 80:90 -> 10.0.0.1 port 8080:*",
                       ["rdr inet proto tcp from any to 10.0.0.9 port 80:90 -> 10.0.0.1 port 8080:8090"]),
    "binat": ("binat on vtnet1 from 10.0.0.5 to any -> 203.0.113.7", ["binat on vtnet1 inet from 10.0.0.5 to any -> 203.0.113.7"]),
    "nat-to": ("match out on vtnet1 inet nat-to (vtnet1:0)", ["match out on vtnet1 inet all nat-to (vtnet1:0)"]),
    "rdr-to": ("pass in proto tcp to port 80 rdr-to 10.0.0.1 port 8080", [f"pass in inet proto tcp from any to any port = http {S} rdr-to 10.0.0.1 port 8080"]),
    "binat-to": ("pass from 10.0.0.5 binat-to 203.0.113.7",
                 [f"pass out inet from 10.0.0.5 to any {S} nat-to 203.0.113.7 static-port", f"pass in inet from any to 203.0.113.7 {S} rdr-to 10.0.0.5"]),
    "af-to": ("pass in inet6 af-to inet from 203.0.113.1", [f"pass in inet6 all {S} af-to inet from 203.0.113.1"]),
    # scrub, antispoof, anchors
    "scrub": ("scrub in on vtnet1 no-df random-id min-ttl 3 max-mss 1440 fragment no reassemble",
              ["scrub in on vtnet1 all no-df random-id min-ttl 3 max-mss 1440 fragment no reassemble"]),
    "antispoof": ("antispoof quick for virbr0 inet",
                  ["block drop in quick on ! virbr0 inet from 192.168.122.0/24 to any", "block drop in quick inet from 192.168.122.1 to any"]),
    "antispoof of a loopback interface": ("antispoof for lo0 inet", ["block drop in on ! lo0 inet from 127.0.0.0/8 to any"]),
    "dynamic antispoof": ("antispoof for (virbr0)", ["block drop in on ! virbr0 from (virbr0:network) to any", "block drop in from (virbr0) to any"]),
    "anchors": ('nat-anchor "a/*"\nrdr-anchor b\nbinat-anchor c\nanchor "d" in on vtnet1',
                ['nat-anchor "a/*" all', 'rdr-anchor "b" all', 'binat-anchor "c" all', 'anchor "d" in on vtnet1 all']),
    "anchors in braces": ("anchor x {\n pass\n anchor quick {\n  block\n }\n}",
                          ['anchor "x" all {', f"  pass all {S}", "  anchor quick all {", "    block drop all", "  }", "}"]),
    # tables, macros, options
    "table definition": ("table <a> const persist { 10/8, !10.1/16, virbr0 }", ["table <a> const persist { 10.0.0.0/8 !10.1.0.0/16 192.168.122.1 fd00:1::1 }"]),
    "empty table": ("table <a> { }", ["table <a> { }"]),
    "macros": ('if = "vtnet1"\nports = "{ 22, 80 }"\npass on $if proto tcp to port $ports',
               ['if = "vtnet1"', 'ports = "{ 22, 80 }"', f"pass on vtnet1 proto tcp from any to any port = ssh {S}",
                f"pass on vtnet1 proto tcp from any to any port = http {S}"]),
    "macro before a modifier": ("if = virbr0\npass inet from ($if:network)", ['if = "virbr0"', f"pass inet from (virbr0:network) to any {S}"]),
    "macro of a macro": ('a = "10.0.0.1"\nb = "{" $a 10.0.0.2 "}"\npass from $b',
                         ['a = "10.0.0.1"', 'b = "{ 10.0.0.1 10.0.0.2 }"', f"pass inet from 10.0.0.1 to any {S}", f"pass inet from 10.0.0.2 to any {S}"]),
    "continued line": ("pass in \\\n  quick # and\\\n so on\nblock", [f"pass in quick all {S}", "block drop all"]),
    "options": ("set skip on { lo0 vtnet1 }\nset limit { states 5, frags 6 }\nset timeout interval 5\nset loginterface none",
                ["set skip on { lo0 vtnet1 }", "set limit states 5", "set limit frags 6", "set timeout interval 5", "set loginterface none"]),
    "syncookies": ("set syncookies adaptive (start 29%, end 15%)", ["set syncookies adaptive (start 29%, end 15%)"]),
}  # fmt: skip

ORDER = "Rules must be in order: options, ethernet, normalization, queueing, translation, filtering"
SKIPPED = ["1: skipping rule due to errors", "1: rule expands to no valid combination"]
# Input -> what stderr says, without "stdin:" in front.
REFUSED = {
    "syntax": ("pass quick on\n", ["1: syntax error"]),
    "nothing recovers from an error at the very beginning": ("in pass\npass in in\n", ["1: syntax error"]),
    "recovery": ("pass in in\nblock\npass out out", ["1: syntax error", "3: syntax error"]),
    "errors too close to each other": ("pass in in\nfrobnicate\nblock", ["1: syntax error"]),
    "end of a list": ("pass from { 10.0.0.1 \n\n 10.0.0.2 to\n", ["3: syntax error"]),
    "order": ("pass\nscrub all\nset skip on lo0\nnat on vtnet1 inet -> 10.0.0.1", [f"2: {ORDER}", f"4: {ORDER}"]),
    "macro": ("pass on $nosuch\npass in in\nblock", ["1: macro 'nosuch' not defined", "1: syntax error"]),
    "port": ("pass proto tcp to port 70000", ["1: illegal port value 70000"]),
    "service": ("pass proto tcp to port nosuch", ["1: unknown port nosuch"]),
    "reversed ports": ("pass proto tcp to port 22:20", ["1: invalid port range"]),
    "protocol": ("pass proto nosuch", ["1: unknown protocol nosuch"]),
    "port without a protocol": ("pass to port 22", ["1: port only applies to tcp/udp/sctp", *SKIPPED]),
    "families": ("pass inet from fd00::1", ["1: rule expands to no valid combination"]),
    "flags": ("pass proto udp flags S/SA", ["1: flags only apply to tcp"]),
    "impossible flags": ("pass proto tcp flags SA/S", ["1: flags always false"]),
    "state of a block": ("block keep state", ["1: keep state is great, but only for pass rules", *SKIPPED]),
    "ICMP without a family": (
        "pass proto icmp icmp-type echoreq",
        ["1: must indicate address family with icmp-type/code", *SKIPPED],
    ),
    "modifier": ("pass from (vtnet1:nosuch)", ["1: interface vtnet1:nosuch has bad modifier"]),
    "table in a table": ("table <a> { <b> }", ["1: tables cannot contain tables"]),
    "table option": ("table <a> forever", ["1: invalid table option 'forever'"]),
    "table's name": (f"table <{'x' * 32}> persist", ["1: table name too long, max 31 chars"]),
    "nat without a target": ("nat on vtnet1 inet", ["1: translation rule requires '-> address'"]),
    "port of no nat": ("no nat pass on vtnet1", ['1: "pass" not valid with "no"']),
    "static-port of rdr": (
        "rdr proto tcp to 10.0.0.1 -> 10.0.0.2 static-port",
        ["1: the 'static-port' option is only valid with nat rules", *SKIPPED],
    ),
    "nat-to without a direction": ("pass inet nat-to 10.0.0.1", ["1: nat-to and rdr-to require a direction", *SKIPPED]),
    "route-to without a direction": ("pass route-to vtnet1", ["1: direction must be explicit with rules that specify routing"]),
    "anchor without a name": ("anchor", ["1: anchors without explicit rules must specify a name"]),
    "reserved anchor": ('anchor "_x"', ["1: anchor names beginning with '_' are reserved for internal use"]),
    "option": ("set optimization fast", ["1: unknown optimization fast"]),
    "limit": ("set limit nosuch 1", ["1: unable to set limit nosuch 1"]),
    "twice": ("pass tos 1 tos 2", ["1: tos cannot be redefined"]),
    "long interface": ("pass on abcdefghijklmnop", ["1: interface name too long"]),
    "divert-reply": ("pass divert-reply", ["1: divert-reply has no meaning in FreeBSD pf(4)"]),
    "unclosed quote": ('pass label "x', ["1: reached end of file while parsing quoted string", "1: syntax error"]),
}  # fmt: skip

NOT_SIMULATED = {
    "ether pass": "ethernet rules",
    "altq on vtnet1 cbq bandwidth 10Mb queue { a }": "ALTQ",
    'pass from any os "Linux"': 'operating system fingerprints (os "Linux")',
    "set ruleset-optimization profile": "set ruleset-optimization profile, which depends on traffic",
}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(("text", "printed"), PRINTED.values(), ids=PRINTED)
def test_printed(machine: Machine, text: str, printed: list[str]) -> None:
    result = machine.pfctl("-o", "none", "-nvf", "-", stdin=f"{text}\n")
    assert (result.rc, result.stdout.splitlines()) == (0, printed), result.stderr


@pytest.mark.parametrize(("text", "printed"), PRINTED.values(), ids=PRINTED)
def test_printed_form_is_read_again(machine: Machine, text: str, printed: list[str]) -> None:
    result = machine.pfctl("-o", "none", "-nvf", "-", stdin="".join(f"{line}\n" for line in printed))
    assert (result.rc, result.stdout.splitlines()) == (0, printed), result.stderr


@pytest.mark.parametrize(("text", "messages"), REFUSED.values(), ids=REFUSED)
def test_refused(machine: Machine, text: str, messages: list[str]) -> None:
    result = machine.pfctl("-nf", "-", stdin=text)
    assert result.rc == 1
    assert [line.removeprefix("stdin:") for line in result.stderr.splitlines() if line.startswith("stdin:")] == messages


@pytest.mark.parametrize(("text", "what"), NOT_SIMULATED.items(), ids=NOT_SIMULATED)
def test_not_simulated_is_said(machine: Machine, text: str, what: str) -> None:
    result = machine.pfctl("-nf", "-", stdin=text)
    assert (result.rc, result.stderr) == (1, f"simhost: not simulated: pfctl: {what}\n")


def test_table_of_every_address(machine: Machine) -> None:
    # Printed in a way that means something else: a list with "any" is empty.
    result = machine.pfctl("-nvf", "-", stdin="table <a> { 0.0.0.0/0, ::/0 }\ntable <b> { any any }\n")
    assert result.stdout.splitlines() == ["table <a> { any any }", "table <b> { }"]


def test_unresolved_host(machine: Machine) -> None:
    result = machine.pfctl("-nf", "-", stdin="pass from 10.0.0.300\n")
    assert result.stderr == "no IP address found for 10.0.0.300\nstdin:1: could not parse host specification\n"


def test_netmask_too_long(machine: Machine) -> None:
    result = machine.pfctl("-nf", "-", stdin="pass from 10.0.0.0/33\n")
    assert result.stderr.splitlines()[0] == "netmask 33 invalid for IPv4 address"


def test_included_file(machine: Machine) -> None:
    machine.write("/etc/inner.conf", "pass in\npass in in\n")
    result = machine.pfctl("-nf", "-", stdin='block\ninclude "/etc/inner.conf"\npass out out\n')
    assert result.stderr == "/etc/inner.conf:2: syntax error\nstdin:3: syntax error\n"


def test_included_file_is_missing(machine: Machine) -> None:
    result = machine.pfctl("-nf", "-", stdin='include "/etc/nosuch.conf"\n')
    assert result.stderr == "pfctl: pushfile: /etc/nosuch.conf: No such file or directory\nstdin:1: failed to include file /etc/nosuch.conf\n"


def test_macro_of_the_command_line_wins(machine: Machine) -> None:
    result = machine.pfctl("-D", "if=lo0", "-nvf", "-", stdin="if = vtnet1\nblock on $if\n")
    assert result.stdout.splitlines() == ['if = "vtnet1"', "block drop on lo0 all"]


def test_unused_macro(machine: Machine) -> None:
    assert machine.pfctl("-nvvf", "-", stdin="a = 1\n").stderr.splitlines()[-1] == "warning: macro 'a' not used"


def test_table_file(machine: Machine) -> None:
    machine.write("/etc/bad", "10.0.0.0/8 # comment\n!10.1.0.0/16 ; comment\n")
    machine.load('table <bad> persist file "/etc/bad"\n')
    assert machine.shown("-t", "bad", "-T", "show") == ["   10.0.0.0/8", "  !10.1.0.0/16"]


def test_numeric_ports(machine: Machine) -> None:
    assert machine.pfctl("-P", "-nvf", "-", stdin="block proto tcp to port ssh\n").stdout == "block drop proto tcp from any to any port = 22\n"
