# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter bsdvirt.pfnet.from_libvirt_xml."""

from __future__ import annotations

DOCUMENTATION = r"""
name: from_libvirt_xml
short_description: Definitions of networks out of libvirt's network XML
version_added: 0.1.0
author: The bsdvirt.pfnet authors (@bsdvirt)
description:
  - Reads one or more C(<network>) elements, as C(virsh net-dumpxml) prints them, into the list that the O(bsdvirt.pfnet.networks#module:networks)
    option of M(bsdvirt.pfnet.networks) takes.
  - Every element and attribute of libvirt's format is either taken over or named with its path and why it is not supported on FreeBSD, see
    O(unsupported). Nothing that asks for anything is dropped in silence.
  - What the definition has and libvirt's format has not, such as port forwards, is read back from where P(bsdvirt.pfnet.to_libvirt_xml#filter) puts it.
options:
  _input:
    description: A document whose root is C(<network>), or a list of such documents.
    type: raw
    required: true
  unsupported:
    description: What to do about elements and attributes of libvirt's format that are not supported on FreeBSD.
    type: str
    choices:
      refuse: Fail, and name all of them.
      warn: Take the rest, and warn of each. The values that are left are still checked by M(bsdvirt.pfnet.networks).
    default: refuse
    version_added: 0.1.0
requirements:
  - defusedxml (on the controller)
notes:
  - Refused in any case are elements and attributes that libvirt's format does not have, and the forward modes C(private), C(vepa), C(passthrough) and
    C(hostdev), since what is left of such a network is another network.
  - With C(<forward mode='bridge'>) libvirt uses a bridge that the host has already, which is refused, or an interface, which is taken over as
    the uplink of a bridge that M(bsdvirt.pfnet.networks) makes.
  - C(<network ipv6='yes'>) asks for nothing, since guests of one bridge reach each other by IPv6 in any case.
  - libvirt answers names in every network with an address unless C(<dns enable='no'/>) says no, so a network without C(<dns>) gets an empty C(dns)
    where nothing else makes its dnsmasq run. Lines in C(<dnsmasq:options>) are taken over.
  - With C(<forward mode='nat'>) and no IPv4, libvirt routes, and so does what is made of it.
  - An C(<ip>) or C(<route>) without prefix and netmask gets the prefix that libvirt would take, by the address's class, or 64 with IPv6.
  - Documents with a DTD or entities are refused, and those of more than 1 MiB or whose elements are nested more than 64 deep.
seealso:
  - module: bsdvirt.pfnet.networks
  - plugin: bsdvirt.pfnet.to_libvirt_xml
    plugin_type: filter
  - name: Network XML format
    description: The reference of libvirt.
    link: https://libvirt.org/formatnetwork.html
"""

EXAMPLES = r"""
- name: Networks as another host's libvirt has them
  bsdvirt.pfnet.networks:
    networks: "{{ lookup('ansible.builtin.file', 'default.xml') | bsdvirt.pfnet.from_libvirt_xml }}"

- name: Several files, with the rules of libvirt's own pf backend
  bsdvirt.pfnet.networks:
    networks: >-
      {{ [lookup('ansible.builtin.file', 'default.xml'), lookup('ansible.builtin.file', 'natnet.xml')]
      | bsdvirt.pfnet.from_libvirt_xml | map('combine', {'firewall': {'profile': 'libvirt'}}) }}

- name: Without the bandwidth limits and port groups that the file has, but with a warning for each
  bsdvirt.pfnet.networks:
    networks: "{{ lookup('ansible.builtin.file', 'lab.xml') | bsdvirt.pfnet.from_libvirt_xml(unsupported='warn') }}"
"""

RETURN = r"""
_value:
  description: The definitions, in the order of the documents.
  type: list
  elements: dict
  sample:
    - name: default
      uuid: 68cd5419-9fda-4cf0-9ac6-2eb9c1ba41ed
      forward: {mode: nat, dev: re0}
      bridge: {name: virbr0, stp: true, delay: 0}
      ips:
        - address: 192.168.122.1
          netmask: 255.255.255.0
          dhcp: {ranges: [{start: 192.168.122.2, end: 192.168.122.254}]}
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml import XmlError
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml_read import read_network
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import missing


def from_libvirt_xml(documents: object, unsupported: str = "refuse") -> list[dict[str, t.Any]]:
    """The definitions of one document or of a list of them. Raises AnsibleFilterError with all that cannot be taken over."""
    lacking = missing("netaddr", "defusedxml")
    if lacking:
        raise AnsibleFilterError(lacking)
    if unsupported not in ("refuse", "warn"):
        raise AnsibleFilterError(f"from_libvirt_xml: unsupported: found {unsupported!r}; allowed: refuse or warn")
    if isinstance(documents, (str, bytes)):
        documents = [documents]
    if not isinstance(documents, (list, tuple)) or not all(isinstance(document, (str, bytes)) for document in documents):
        raise AnsibleFilterError(
            f"from_libvirt_xml takes XML or a list of XML documents, not {'a mapping' if isinstance(documents, dict) else repr(documents)}"
        )
    networks: list[dict[str, t.Any]] = []
    refused: list[str] = []
    warnings: list[str] = []
    for index, document in enumerate(documents):
        where = f"document {index}: " if len(documents) > 1 else ""
        try:
            network, left_out = read_network(document)
        except XmlError as error:
            refused += [f"{where}{line}" for line in error.lines]
        else:
            networks.append(network)
            (refused if unsupported == "refuse" else warnings).extend(f"{where}{line}" for line in left_out)
    if refused:
        raise AnsibleFilterError("libvirt's XML cannot be taken over:\n" + "\n".join(f"- {line}" for line in refused))
    for line in warnings:
        Display().warning(f"Left out of libvirt's XML: {line}")
    return networks


class FilterModule:
    """The filter's plugin."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"from_libvirt_xml": from_libvirt_xml}
