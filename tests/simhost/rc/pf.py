# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packet filter at boot and on demand (the script pf)."""

from __future__ import annotations

import io

from .. import program
from . import config
from .script import Run, Script


def _flags(run: Run) -> list[str]:
    return run.variables.get("pf_flags", "").split()


def _rules(run: Run) -> str:
    return run.variables["pf_rules"]


def _is_enabled(run: Run) -> bool:
    return "Enabled" in run.silent("pfctl", "-s", "info")[1]


def _start(run: Run, _arguments: list[str]) -> int:
    run.message("Enabling pf", end="")
    run.silent("pfctl", "-F", "all")
    if run.command("pfctl", "-f", _rules(run), *_flags(run)) != 0:
        _fall_back(run)
    if not _is_enabled(run):
        run.command("pfctl", "-eq")
    return 0 if run.message(".") else 1


def _fall_back(run: Run) -> None:
    run.warn(f"Unable to load {_rules(run)}.")
    if not config.is_yes(run.variables, "pf_fallback_rules_enable"):
        return
    file, rules = run.variables["pf_fallback_rules_file"], run.variables["pf_fallback_rules"]
    if run.host.path(file).is_file():
        run.warn(f"Loading fallback rules file: {file}")
        run.command("pfctl", "-f", file, *_flags(run))
    else:
        run.warn(f"Loading fallback rules: {rules}")
        program.invoke(run.host, "pfctl", ["-f", "-", *_flags(run)], io.StringIO(rules + "\n"))


def _stop(run: Run, _arguments: list[str]) -> int:
    if _is_enabled(run):
        print("Disabling pf", end="")
        run.command("pfctl", "-dq")
        print(".")
    return 0


def _check(run: Run, _arguments: list[str]) -> int:
    print("Checking pf rules.")
    return run.command("pfctl", "-n", "-f", _rules(run), *_flags(run))


def _resync(run: Run, _arguments: list[str]) -> int:
    if run.command("pfctl", "-n", "-f", _rules(run), *_flags(run)) != 0:
        return 1
    return run.command("pfctl", "-f", _rules(run), *_flags(run))


def _reload(run: Run, arguments: list[str]) -> int:
    print("Reloading pf rules.")
    return _resync(run, arguments)


def _status(run: Run, _arguments: list[str]) -> int:
    if "pf" not in run.host.kernel["modules"]:
        print("pf.ko is not loaded")
        return 1
    run.command("pfctl", "-s", "info")
    return run.silent("pfctl", "-s", "Running")[0]


PF = Script(
    "pf",
    "Packet filter",
    {"start": _start, "stop": _stop, "check": _check, "reload": _reload, "resync": _resync, "status": _status},
    rcvar="pf_enable",
    required_files=lambda variables: [variables["pf_rules"]],
    required_modules=("pf",),
)
