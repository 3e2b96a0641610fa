# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rc.conf(5): the variables that the host's files set, read by a shell as rc(8) does."""

from __future__ import annotations

import re
import shlex
import subprocess

from ..program import CommandError
from ..state import Host
from . import words

# What the shell itself has in its table of variables.
SHELL_VARIABLES = {
    "IFS",
    "OPTIND",
    "PATH",
    "PPID",
    "PS1",
    "PS2",
    "PS4",
    "PWD",
    "OLDPWD",
    "OPTARG",
    "_",
    "_file",
    "_folder",
    "_prefix",
    "_read",
    "_service",
    "SHLVL",
}
SOURCE = """
_read() { if [ -r "$1" ]; then . "$1"; fi; }
"""


def sourced(host: Host, files: list[str], *, after: str = "") -> dict[str, str]:
    """The variables that are set when a shell reads these files of the host, one after the other.

    Files that do not exist are passed over. ``after`` is more to do for the shell. Raises CommandError when one cannot be read.
    """
    names = " ".join(shlex.quote(str(host.path(file))) for file in files)
    script = f'{SOURCE}for _file in {names}; do _read "$_file"; done\n{after}\nset'
    shell = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False, env={}, cwd="/")
    if shell.returncode != 0:
        raise CommandError(shell.stderr.strip() or "cannot read rc.conf", 2)
    variables: dict[str, str] = {}
    for word in shlex.split(shell.stdout):
        name, equals, value = word.partition("=")
        if equals and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name not in SHELL_VARIABLES:
            variables[name] = value
    return variables


def load(host: Host, *services: str) -> dict[str, str]:
    """The variables that a script sees which loads the configuration of these services, rc.conf.d included."""
    root = shlex.quote(str(host.root))
    after = f"""
for _file in $rc_conf_files; do _read {root}"$_file"; done
for _service in {" ".join(services)}; do
    for _prefix in /etc $local_startup; do
        _folder={root}"${{_prefix%/rc.d}}/rc.conf.d/$_service"
        if [ -f "$_folder" ]; then _read "$_folder"
        elif [ -d "$_folder" ]; then for _file in "$_folder"/*; do if [ -f "$_file" ]; then _read "$_file"; fi; done
        fi
    done
done
"""
    return sourced(host, ["/etc/defaults/rc.conf"], after=after)


def interface_variable(variables: dict[str, str], interface: str, pattern: str, default: str = "") -> str:
    """The value of a variable for an interface, ``ifconfig_IF_descr`` with IF replaced by its name, as ``get_if_var`` prints it."""
    return words.echoed(variables.get(variable_name(interface, pattern), default))


def variable_name(interface: str, pattern: str) -> str:
    """The variable that a pattern stands for: a name in which the shell allows all characters of the interface's."""
    return pattern.replace("IF", re.sub(r"[.\-/+]", "_", interface))


def is_yes(variables: dict[str, str], name: str) -> bool:
    """Whether a variable is switched on, as checkyesno decides."""
    return variables.get(name, "").lower() in ("yes", "true", "on", "1")
