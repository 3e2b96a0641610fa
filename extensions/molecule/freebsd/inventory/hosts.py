#!/usr/bin/env python
# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host that the environment names, or the machine that create.yml has booted from the image that it names, or none."""

from __future__ import annotations

import json
import os
import sys
import typing as t
from pathlib import Path

ENDS = "PFNET_HOST: found {!r}; allowed: [USER@]ADDRESS[:PORT], an IPv6 address with a port in brackets"


def parse(login: str) -> dict[str, t.Any]:
    """Variables of Ansible for [USER@]ADDRESS[:PORT]; raises ValueError."""
    user, _at, place = login.rpartition("@")
    port = ""
    if place.startswith("["):
        address, closed, rest = place[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(ENDS.format(login))
        port = rest[1:]
    elif place.count(":") == 1:
        address, port = place.split(":")
    else:
        address = place
    if not address or (port and not port.isdigit()):
        raise ValueError(ENDS.format(login))
    reached = {"ansible_host": address, "ansible_user": user or "root", "ansible_become": bool(user) and user != "root"}
    return {**reached, "ansible_port": int(port)} if port else reached


def host(environment: t.Mapping[str, str]) -> dict[str, t.Any] | None:
    """The host's variables, or None."""
    folder = Path(environment.get("MOLECULE_EPHEMERAL_DIRECTORY", "."))
    machine = folder / "machine.json"
    slow = float(environment.get("PFNET_SLOW") or 1)
    if environment.get("PFNET_HOST"):
        reached = parse(environment["PFNET_HOST"])
        if environment.get("PFNET_KEY"):
            reached["ansible_ssh_private_key_file"] = environment["PFNET_KEY"]
    elif machine.exists():
        reached = json.loads(machine.read_text(encoding="utf-8"))
    else:
        return None
    return {
        **reached,
        "ansible_python_interpreter": environment.get("PFNET_PYTHON") or "/usr/local/bin/python3",
        "ansible_ssh_pipelining": True,
        "ansible_ssh_timeout": int(30 * slow),
        # Taken on first sight, in a file of this run: test machines of one address have many keys
        "ansible_ssh_common_args": f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={folder / 'known_hosts'}",
        "pfnet_slow": slow,
        "pfnet_packets": True,
    }


def main() -> int:
    try:
        found = host(os.environ)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    hosts = {"freebsd": found} if found else {}
    print(json.dumps({"_meta": {"hostvars": hosts}, "hypervisors": {"hosts": list(hosts)}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
