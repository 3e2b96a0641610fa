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
  - What this version cannot take over is refused, each element and attribute by its name; nothing is dropped in silence.
  - Documents with a DTD or entities are refused.
options:
  _input:
    description: A document whose root is C(<network>), or a list of such documents.
    type: raw
    required: true
requirements:
  - defusedxml (on the controller)
seealso:
  - module: bsdvirt.pfnet.networks
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
"""

RETURN = r"""
_value:
  description: The definitions, in the order of the documents.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible.module_utils.basic import missing_required_lib

try:
    from ansible_collections.bsdvirt.pfnet.plugins.plugin_utils.libvirt_xml import XmlError, read_network
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None


def from_libvirt_xml(documents: object) -> list[dict[str, t.Any]]:
    """The definitions of one document or of a list of them. Raises AnsibleFilterError with all that cannot be taken over."""
    if MISSING:
        raise AnsibleFilterError(missing_required_lib(MISSING.name or "defusedxml"))
    if isinstance(documents, (str, bytes)):
        documents = [documents]
    if not isinstance(documents, (list, tuple)) or not all(isinstance(document, (str, bytes)) for document in documents):
        raise AnsibleFilterError(f"from_libvirt_xml takes XML or a list of XML documents, not {type(documents).__name__}")
    networks, refused = [], []
    for index, document in enumerate(documents):
        try:
            networks.append(read_network(document))
        except XmlError as error:
            refused += [f"document {index}: {line}" if len(documents) > 1 else line for line in error.lines]
    if refused:
        raise AnsibleFilterError("libvirt's XML cannot be taken over:\n" + "\n".join(f"- {line}" for line in refused))
    return networks


class FilterModule:
    """The filter's plugin."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"from_libvirt_xml": from_libvirt_xml}
