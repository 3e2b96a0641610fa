# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter bsdvirt.pfnet.to_libvirt_xml."""

from __future__ import annotations

DOCUMENTATION = r"""
name: to_libvirt_xml
short_description: libvirt's network XML out of definitions of networks
version_added: 0.1.0
author: The bsdvirt.pfnet authors (@bsdvirt)
description:
  - Writes definitions, as the O(bsdvirt.pfnet.networks#module:networks) option of M(bsdvirt.pfnet.networks) takes them, in libvirt's network format,
    each as a C(<network>) document that passes libvirt's schema.
  - What libvirt's format has no place for, such as port forwards and C(firewall), goes into C(<metadata>) beside what users have there, as JSON in one
    element of the namespace C(https://bsdvirt.github.io/pfnet/1.0). libvirt keeps it and does not act on it.
  - P(bsdvirt.pfnet.from_libvirt_xml#filter) reads all of it back; the definition means the same then.
options:
  _input:
    description: A definition, or a list of definitions. Each is checked by itself, not against the others.
    type: raw
    required: true
requirements:
  - netaddr (on the controller)
  - defusedxml (on the controller)
seealso:
  - module: bsdvirt.pfnet.networks
  - plugin: bsdvirt.pfnet.from_libvirt_xml
    plugin_type: filter
  - name: Network XML format
    description: The reference of libvirt.
    link: https://libvirt.org/formatnetwork.html
"""

EXAMPLES = r"""
- name: One file a network, for virsh net-define on another host
  ansible.builtin.copy:
    content: "{{ item | bsdvirt.pfnet.to_libvirt_xml }}"
    dest: "xml/{{ item.name }}.xml"
    mode: "0644"
  loop: "{{ pfnet_networks }}"
  loop_control:
    label: "{{ item.name }}"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The document of one definition, or the list of the documents of a list of definitions.
  type: raw
  sample: |
    <network>
      <name>default</name>
      <metadata>
        <pfnet:definition xmlns:pfnet="https://bsdvirt.github.io/pfnet/1.0">{"firewall": {"log": true}}</pfnet:definition>
      </metadata>
      <forward mode="nat"/>
      <bridge name="virbr0"/>
      <ip address="192.168.122.1" prefix="24"/>
    </network>
"""

import collections.abc as c
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml import XmlError
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml_write import write_network
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.reading import Problems, Section, SpecError, read_section, sections
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.requirements import missing
from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.spec import Network


def to_libvirt_xml(definitions: object) -> str | list[str]:
    """The document of a definition, or the documents of a list of them. Raises AnsibleFilterError with all that is wrong with them."""
    lacking = missing("netaddr", "defusedxml")
    if lacking:
        raise AnsibleFilterError(lacking)
    problems = Problems()
    alone = isinstance(definitions, c.Mapping)
    # Not read_networks: a network's peers need not be here.
    found = [Section(definitions, "network", problems)] if alone else sections(definitions, "networks", problems)
    networks = [read_section(Network, section) for section in found or []]
    try:
        problems.raise_if_any()
        documents = [write_network(network) for network in networks]
    except SpecError as error:
        raise AnsibleFilterError("not a definition of a network:\n" + "\n".join(f"- {problem}" for problem in error.problems)) from None
    except XmlError as error:
        raise AnsibleFilterError("libvirt's XML cannot be written:\n" + "\n".join(f"- {line}" for line in error.lines)) from None
    return documents[0] if alone else documents


class FilterModule:
    """The filter's plugin."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"to_libvirt_xml": to_libvirt_xml}
