# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ifconfig(8)."""

from __future__ import annotations

import fnmatch
import os
import sys
import typing as t

from ..ifconfig import bridge, parameters
from ..ifconfig.parameters import FAMILIES, LINK_FAMILIES, Request
from ..ifconfig.status import Format, print_interface
from ..kernel import cloning, interfaces, modules
from ..kernel.errors import EEXIST, KernelError
from ..kernel.interfaces import Interface
from ..program import CommandError, NotSimulated, Usage, options
from ..state import Host

ANY_OPTIONS = "[-g groupname] [-C] [-L] "
USAGE = (
    f"usage: ifconfig [-j jail] [-f type:format] {ANY_OPTIONS}interface address_family\n"
    "                [address [dest_address]] [parameters]\n"
    "       ifconfig [-j jail] interface create\n"
    f"       ifconfig [-j jail] -a {ANY_OPTIONS}[-d] [-m] [-u] [-v] [address_family]\n"
    "       ifconfig [-j jail] -l [-d] [-u] [address_family]\n"
    f"       ifconfig [-j jail] {ANY_OPTIONS}[-d] [-m] [-u] [-v]"
)
CREATE = ("create", "plumb")


class Arguments:
    """The options of one call and the words after them."""

    def __init__(self, argv: list[str]) -> None:
        found, self.words = options(argv, "G:adDf:j:klmnuvg:LC", USAGE)
        self.form = Format()
        if os.environ.get("IFCONFIG_FORMAT"):
            self.form.set(os.environ["IFCONFIG_FORMAT"])
        self.letters = {letter for letter, _value in found}
        self.all = "a" in self.letters
        self.names = "l" in self.letters
        self.match = self.no_match = self.members = self.family = ""
        seen_all = False
        for letter, value in found:
            seen_all |= letter == "a"
            if letter == "f":
                self.form.set(value)
            elif letter == "g" and seen_all:
                self.match = value
            elif letter == "g":
                self.members = self.members or value
            elif letter == "G":
                if not seen_all:
                    raise Usage(USAGE)
                self.no_match = value
            elif letter in "jL":
                raise NotSimulated(f"-{letter}")

    def check(self) -> None:
        """What cannot go together."""
        if (self.names and (self.all or "m" in self.letters)) or {"u", "d"} <= self.letters:
            raise Usage(USAGE)
        if not self.names and not self.words:
            self.all = True
        if self.all or self.names:
            if len(self.words) > 1:
                raise Usage(USAGE)
            if self.words:
                if self.words[0] not in FAMILIES:
                    print(f"ifconfig: Address family '{self.words[0]}' unknown.", file=sys.stderr)
                    raise Usage(USAGE)
                self.family = self.words.pop()

    def selects(self, interface: Interface, name: str | None) -> bool:
        """Whether the interface is to be listed."""
        if name is not None and interface["name"] != name:
            return False
        if ("d" in self.letters and interfaces.is_up(interface)) or ("u" in self.letters and not interfaces.is_up(interface)):
            return False
        groups = [*interface["groups"], "all"]
        if self.match and not any(fnmatch.fnmatchcase(group, self.match) for group in groups):
            return False
        if self.no_match and any(fnmatch.fnmatchcase(group, self.no_match) for group in groups):
            return False
        if self.family in LINK_FAMILIES:
            return bool(interface["ether"])
        return not self.family or bool(interface[self.family])


def main(host: Host, argv: list[str], stdin: t.TextIO) -> int:
    arguments = Arguments(argv)
    if "C" in arguments.letters:
        print(" ".join(cloning.cloners(host.kernel)))
        return 0
    if arguments.members:
        for name in interfaces.group_members(host.kernel, arguments.members):
            print(name)
        return 0
    arguments.check()
    if arguments.all or arguments.names:
        _list(host, arguments, None)
        return 0
    return _one(host, arguments, arguments.words.pop(0))


def _one(host: Host, arguments: Arguments, name: str) -> int:
    if "n" not in arguments.letters:
        modules.load_for_interface(host.kernel, name)
    words = arguments.words
    interface = interfaces.find(host.kernel, name)
    created = ""
    if interface is None:
        if words[:1] == ["-vnet"]:
            raise NotSimulated("-vnet")
        if not words or words[0] not in CREATE:
            raise CommandError(f"interface {name} does not exist")
        if len(name) >= interfaces.NAME_SIZE:
            raise CommandError(f"{name}: cloning name too long")
        words.pop(0)
        made = _create(host, name)
        created = made if made != name else ""
        interface = interfaces.find(host.kernel, made)
        assert interface is not None
        if not words:
            if created:
                print(created)
            return 0
    elif words and words[0] in CREATE:
        if len(words) == 1:
            raise CommandError(f"interface {name} already exists")
        words.pop(0)
    if words and words[0] in FAMILIES:
        arguments.family = words.pop(0)
    if not words:
        _list(host, arguments, interface["name"])
        return 0
    if ("d" in arguments.letters and interfaces.is_up(interface)) or ("u" in arguments.letters and not interfaces.is_up(interface)):
        return 0
    request = Request(host.kernel, interface, arguments.family or "inet", created)
    try:
        parameters.apply(request, words, parameters.PARAMETERS | bridge.PARAMETERS)
    finally:
        # The name that a new or renamed interface has, also when a later word fails.
        if request.printed_name:
            print(request.printed_name)
    return 0


def _create(host: Host, name: str) -> str:
    try:
        return cloning.create(host.kernel, name)
    except KernelError as error:
        if error.error == EEXIST:
            raise CommandError(f"interface {name} already exists") from None
        raise CommandError(f"SIOCIFCREATE2 ({name}): {error}") from None


def _list(host: Host, arguments: Arguments, name: str | None) -> None:
    listed = [interface for interface in interfaces.of(host.kernel) if arguments.selects(interface, name)]
    if arguments.names:
        print(" ".join(interface["name"] for interface in listed))
        return
    for interface in listed:
        print_interface(
            host.kernel,
            interface,
            arguments.family or None,
            arguments.form,
            media="m" in arguments.letters,
            driver=bool(arguments.letters & {"D", "v"}),
        )
