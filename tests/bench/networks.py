# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the collection grows with the number of networks: seconds on the controller and in the plan, bytes sent, commands on the host.

Run from the checkout: PYTHONPATH=.cache/collections:tests:tests/unit/simhost python tests/bench/networks.py [NUMBER ...]

Commands run on a simulated host in this process, so that their own time says nothing of FreeBSD; their number does.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.bsdvirt.pfnet.plugins.module_utils.observe import observe
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.plan import Wanted, plan
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.render import render
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import read_networks
from in_process import InProcessHost
from simhost import create

COLUMNS = ("networks", "read s", "render s", "JSON bytes", "first run: commands", "pf transactions", "second run: commands", "plan s")


def definitions(number: int) -> list[dict[str, t.Any]]:
    """NAT networks with DHCP and a port forward, a /24 each."""
    return [
        {
            "name": f"net{index}",
            "bridge": {"name": f"virbr{index}"},
            "forward": {"mode": "nat"},
            "ips": [
                {
                    "address": f"10.{index // 250}.{index % 250}.1/24",
                    "dhcp": {"ranges": [{"start": f"10.{index // 250}.{index % 250}.2", "end": f"10.{index // 250}.{index % 250}.254"}]},
                }
            ],
            "port_forwards": [{"port": 2000 + index, "to": f"10.{index // 250}.{index % 250}.9", "to_port": 22}],
        }
        for index in range(number)
    ]


def timed(call: t.Callable[[], t.Any]) -> tuple[float, t.Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def measure(number: int, directory: Path) -> tuple[t.Any, ...]:
    """One row of the table."""
    create.create(directory, "hypervisor")
    host = InProcessHost(directory)
    reading, networks = timed(lambda: read_networks(definitions(number)))
    rendering, documents = timed(lambda: render(networks))
    host.make(definitions(number))
    first = list(host.commands)
    host.commands.clear()
    wanted = Wanted(tuple(t.cast("list[dict[str, t.Any]]", documents)), "libvirt")
    observed = observe(host, wanted.documents, "libvirt")
    planning, made = timed(lambda: plan(wanted, observed))
    assert not made.steps
    loads = sum(command == "pfctl -a libvirt -f -" for command in first)
    return number, f"{reading:.3f}", f"{rendering:.3f}", len(json.dumps(documents)), len(first), loads, len(host.commands), f"{planning:.3f}"


def main() -> None:
    numbers = [int(argument) for argument in sys.argv[1:]] or [1, 10, 100]
    print("  ".join(COLUMNS))
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            row = measure(number, Path(folder) / "host")
        print("  ".join(str(value).rjust(len(column)) for column, value in zip(COLUMNS, row, strict=True)), flush=True)


if __name__ == "__main__":
    main()
