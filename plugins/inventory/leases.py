# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin bsdvirt.pfnet.leases."""

from __future__ import annotations

DOCUMENTATION = r"""
name: leases
short_description: Guests that a hypervisor's DHCP has lent addresses, as hosts
version_added: 0.2.0
author: The bsdvirt.pfnet authors (@bsdvirt)
description:
  - Reads the lease files of networks that M(bsdvirt.pfnet.networks) set up, on each hypervisor, and makes a host of each guest that holds a lease.
  - The hosts are in the group C(pfnet_guests), in C(pfnet_network_NAME) of their network and C(pfnet_hypervisor_NAME) of their hypervisor.
  - Guests are reached through their hypervisor. Where that is reached by ssh, RV(ignore:ansible_ssh_common_args) has a C(ProxyJump), or
    a C(ProxyCommand) where a private key file or other arguments are needed on the way; made of the hypervisor's own connection variables.
    Nothing is said where the hypervisor is this machine, and where it is reached by another connection plugin.
  - Hypervisors are reached by Ansible's own connection plugins, and no privileges are needed there. One process is run on each.
  - "Variables of each host: C(ansible_host), C(pfnet_hypervisor), C(pfnet_network), C(pfnet_name), C(pfnet_mac), C(pfnet_addresses), and C(pfnet_leases)
    as the filter P(bsdvirt.pfnet.leases#filter) gives them."
notes:
  - The names are those that guests give themselves, unless the definition of the network has a name for them. No guest gets the name of a host or group
    that inventory sources before this one have, of a hypervisor, or of one of O(groups). Sources that come later are not known yet, so give this file
    a name that comes last in its folder, such as C(zz.leases.yml). And do not hand secrets to hosts of a name, without O(hostname=address) or a group,
    that any guest could choose.
  - Leases that have run out, by the clock of this machine, are left out, also those from a cache.
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [bsdvirt.pfnet.leases]
  hypervisors:
    description: Hypervisors, and how each is reached. They do not become hosts of the inventory.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Its address.
        type: str
        required: true
      name:
        description: Its name in the inventory. Without it, it is the address.
        type: str
      user:
        description: The user to log in as.
        type: str
      port:
        description: The port of its ssh.
        type: int
      private_key_file:
        description: A file with the private key to log in with.
        type: str
      vars:
        description: More connection variables, such as C(ansible_connection).
        type: dict
  hypervisor_group:
    description:
      - A group of hosts, which inventory sources before this one have, that are hypervisors. Sources in a folder are read in the order of their names.
      - Their connection variables are those of the inventory, those in C(group_vars) and C(host_vars) among them.
    type: str
  hostname:
    description: What the hosts are called.
    type: str
    choices:
      name: The guest's name; its address, if it has none.
      address: Its address.
      full: Its name, its network's and its hypervisor's, with a dot between.
    default: name
  unreachable:
    description: What is done about a hypervisor that cannot be reached or read.
    type: str
    choices:
      warn: A warning is given, and the guests of the others are there.
      fail: The inventory source fails.
    default: warn
seealso:
  - module: bsdvirt.pfnet.networks
  - module: bsdvirt.pfnet.networks_info
"""

EXAMPLES = r"""
# guests.leases.yml: the name of the file is leases.yml, or ends so after '.', '-' or '_'; .yaml is fine, too
plugin: bsdvirt.pfnet.leases
hypervisors:
  - host: hyper1.example.org
    user: root
  - host: 203.0.113.9
    name: hyper2
    user: admin
    port: 2222
    private_key_file: ~/.ssh/hyper2

---
# Hypervisors of the inventory; for ansible-inventory -i hosts.yml -i guests.leases.yml --graph
plugin: bsdvirt.pfnet.leases
hypervisor_group: hypervisors
hostname: full
compose:
  ansible_user: "'debian' if pfnet_network == 'lab' else 'root'"
groups:
  webservers: pfnet_name is match('web')
keyed_groups:
  - prefix: site
    key: pfnet_hypervisor | split('.') | last
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/ansible
cache_timeout: 60
"""

import concurrent.futures
import os
import re
import shlex
import time
import typing as t

from ansible import constants
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.helpers import get_group_vars
from ansible.module_utils.common.text.converters import to_text
from ansible.playbook.play_context import PlayContext
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.plugins.loader import connection_loader
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources
from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.leases import Lease, as_dict, parse
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.guests import Guest, guests, inventory_names, ssh_arguments

if t.TYPE_CHECKING:
    from ansible.plugins.connection import ConnectionBase

# Every line of every lease file with the file's name before it, in one process; and nothing that a login shell could take for a pattern.
_READ = ("grep", "-rH", "--include=*.leases", "", layout.STATE)
_NOTHING = 1
_ENTRY = {"host": "ansible_host", "user": "ansible_user", "port": "ansible_port", "private_key_file": "ansible_ssh_private_key_file"}
# Names that mean something else to Ansible.
_RESERVED = {"all", "ungrouped", "localhost", "127.0.0.1", "::1"}

_MEANT = re.compile(r"""\bplugin["']?:\s*["']?bsdvirt\.pfnet\.leases\b""")


def _is_meant(path: str) -> bool:
    """Whether a source names this plugin."""
    try:
        with open(path, encoding="utf-8", errors="replace") as source:
            return _MEANT.search(source.read()) is not None
    except OSError:
        return False


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Makes hosts of leases."""

    NAME = "bsdvirt.pfnet.leases"
    inventory: t.Any

    def verify_file(self, path: str) -> bool:
        """Whether a source is for this plugin, by its name."""
        if not super().verify_file(path):
            return False
        if re.search(r"(^|[._-])leases\.ya?ml$", os.path.basename(path)):
            return True
        # Ansible itself only says that the plugin does not take the source.
        if _is_meant(path):
            self.display.warning(f"{path} is not read: a source of {self.NAME} is called leases.yml, or ends in .leases.yml, such as guests.leases.yml.")
        return False

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """Add the guests to the inventory. Raises AnsibleParserError."""
        super().parse(inventory, loader, path, cache=cache)
        self._read_config_data(path)
        connections = {name: self._connection(variables) for name, variables in self._hypervisors().items()}
        leases = self._leases(connections, self.get_cache_key(path), cache)
        now = time.time()
        found = [guest for name in connections for guest in guests(name, (Lease(**lease) for lease in leases.get(name, ())), now)]
        own = {*connections, *(self.get_option("groups") or ()), *(group for guest in found for group in self._groups(guest))}
        taken = {*self.inventory.hosts, *self.inventory.groups, *_RESERVED, *own}
        try:
            names = inventory_names(found, self.get_option("hostname"), taken)
        except ValueError as error:
            raise AnsibleParserError(f"{path}: {error}: give networks or hypervisors other names") from None
        arguments = {name: _ssh_arguments(connection) for name, connection in connections.items()}
        for name, guest in zip(names, found, strict=True):
            self._add(name, guest, arguments[guest.hypervisor])

    def _hypervisors(self) -> dict[str, dict[str, t.Any]]:
        """The connection variables of each hypervisor by its name."""
        found = {}
        for index, entry in enumerate(self.get_option("hypervisors")):
            at = f"hypervisors[{index}]"
            if not isinstance(entry, dict) or not isinstance(entry.get("host"), str):
                raise AnsibleParserError(f"{at}: found {entry!r}; allowed: a mapping with host, and name, user, port, private_key_file and vars")
            unknown = entry.keys() - _ENTRY.keys() - {"name", "vars"}
            if unknown:
                raise AnsibleParserError(f"{at}.{min(unknown, key=str)}: allowed: host, name, user, port, private_key_file and vars")
            if not isinstance(entry.get("vars") or {}, dict):
                raise AnsibleParserError(f"{at}.vars: found {entry['vars']!r}; allowed: a mapping of connection variables")
            name = entry.get("name") or entry["host"]
            if name in found:
                raise AnsibleParserError(f"{at}.name: found {name!r}, which another of the hypervisors has; allowed: each name once")
            known = {variable: entry[key] for key, variable in _ENTRY.items() if entry.get(key) is not None}
            found[name] = {"inventory_hostname": name, **known, **(entry.get("vars") or {})}
        group = self.get_option("hypervisor_group")
        if group is not None:
            if group not in self.inventory.groups:
                raise AnsibleParserError(
                    f"hypervisor_group: found {group!r}; allowed: a group of the inventory sources before this one: {', '.join(sorted(self.inventory.groups))}"
                )
            found.update({host.name: {"inventory_hostname": host.name, **self._variables(host)} for host in self.inventory.groups[group].get_hosts()})
        if not found:
            raise AnsibleParserError("hypervisors: found nothing; allowed: a list of hypervisors, or a hypervisor_group that has hosts")
        return found

    def _variables(self, host: t.Any) -> dict[str, t.Any]:
        """The variables that a host has in the inventory and beside it."""
        sources = self.inventory.processed_sources
        layers = (
            get_group_vars(host.get_groups()),
            get_vars_from_inventory_sources(self.loader, sources, host.get_groups(), "all"),
            host.get_vars(),
            get_vars_from_inventory_sources(self.loader, sources, [host], "all"),
        )
        variables: dict[str, t.Any] = {}
        for layer in layers:
            variables = combine_vars(variables, layer)
        return variables

    def _connection(self, variables: dict[str, t.Any]) -> ConnectionBase:
        """The connection to a hypervisor, not connected yet."""
        self.templar.available_variables = variables
        kind = self.templar.template(variables.get("ansible_connection", constants.config.get_config_value("DEFAULT_TRANSPORT")))
        # "smart" chose between ssh and a Python implementation of it, in former times.
        connection = connection_loader.get("ssh" if kind == "smart" else kind, PlayContext())
        if connection is None:
            raise AnsibleParserError(f"{variables['inventory_hostname']}: there is no connection plugin {kind!r}")
        names = constants.config.get_plugin_vars("connection", connection._load_name)
        connection.set_options(var_options={name: self.templar.template(variables[name]) for name in names if name in variables})
        return t.cast("ConnectionBase", connection)

    def _leases(self, connections: dict[str, ConnectionBase], key: str, cache: bool) -> dict[str, list[dict[str, t.Any]]]:
        """The leases of each hypervisor, as dicts, from the cache if it has them."""
        caching = self.get_option("cache")
        if caching and cache:
            try:
                return t.cast("dict[str, list[dict[str, t.Any]]]", self._cache[key])
            except KeyError:
                pass  # never kept, or run out
        leases, failed = self._read(connections)
        if caching and not failed:
            self._cache[key] = leases
        return leases

    def _read(self, connections: dict[str, ConnectionBase]) -> tuple[dict[str, list[dict[str, t.Any]]], bool]:
        """Read the lease files of all hypervisors, some at a time; and whether any could not be read."""
        leases = {}
        failed = False
        with concurrent.futures.ThreadPoolExecutor(max_workers=constants.config.get_config_value("DEFAULT_FORKS")) as pool:
            for name, reading in [(name, pool.submit(_read, connection)) for name, connection in connections.items()]:
                try:
                    leases[name] = reading.result()
                except AnsibleError as error:
                    failed = True
                    message = f"The leases of {name} cannot be read: {to_text(error)}"
                    if self.get_option("unreachable") == "fail":
                        raise AnsibleParserError(message) from error
                    self.display.warning(message)
        return leases, failed

    def _groups(self, guest: Guest) -> list[str]:
        return ["pfnet_guests", *(self._sanitize_group_name(f"pfnet_{group}") for group in (f"network_{guest.network}", f"hypervisor_{guest.hypervisor}"))]

    def _add(self, name: str, guest: Guest, arguments: str | None) -> None:
        for group in self._groups(guest):
            self.inventory.add_group(group)
            self.inventory.add_host(name, group=group)
        variables = {
            "ansible_host": guest.addresses[0],
            **({"ansible_ssh_common_args": arguments} if arguments else {}),
            "pfnet_hypervisor": guest.hypervisor,
            "pfnet_network": guest.network,
            "pfnet_name": guest.name,
            "pfnet_mac": guest.mac,
            "pfnet_addresses": guest.addresses,
            "pfnet_leases": [as_dict(lease) for lease in guest.leases],
        }
        for variable, value in variables.items():
            self.inventory.set_variable(name, variable, value)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), self.inventory.get_host(name).get_vars(), name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), {}, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), {}, name, strict=strict)


def _read(connection: ConnectionBase) -> list[dict[str, t.Any]]:
    """The leases on a hypervisor. Raises AnsibleError."""
    code, stdout, stderr = connection.exec_command(shlex.join(_READ), sudoable=False)
    said = to_text(stderr).strip()
    if code > _NOTHING and not said.endswith(f"{layout.STATE}: No such file or directory"):
        raise AnsibleError(f"{shlex.join(_READ)}: exit code {code}: {said}")
    return [as_dict(lease) for lease in parse_files(to_text(stdout))]


def parse_files(text: str) -> list[Lease]:
    """The leases of many files: lines with the path of their file before them."""
    lines: dict[str, list[str]] = {}
    for line in text.splitlines():
        path, colon, content = line.partition(":")
        if colon:
            lines.setdefault(os.path.basename(path)[: -len(".leases")], []).append(content)
    return [lease for network, content in lines.items() for lease in parse("\n".join(content), network)]


def _ssh_arguments(connection: ConnectionBase) -> str | None:
    """How ssh reaches guests behind a connection; None where it is not ssh's."""
    if connection.transport not in ("ssh", "paramiko"):
        return None

    def option(*names: str) -> t.Any:
        return next((connection.get_option(name) for name in names if connection.has_option(name) and connection.get_option(name)), None)

    more = [word for name in ("ssh_common_args", "ssh_extra_args") for word in shlex.split(option(name) or "")]
    if connection.has_option("host_key_checking") and not connection.get_option("host_key_checking"):
        more += ["-o", "StrictHostKeyChecking=no"]
    key = option("private_key_file")
    return ssh_arguments(option("host", "remote_addr"), option("remote_user"), option("port"), os.path.expanduser(key) if key else None, more)
