# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel modules."""

from __future__ import annotations

import typing as t

from . import errors
from .cloning import CLONERS, destroy
from .errors import KernelError
from .interfaces import of

Kernel = dict[str, t.Any]

# The modules on disk that the simulation knows, with those that each needs.
AVAILABLE: dict[str, tuple[str, ...]] = {
    "bridgestp": (),
    "if_bridge": ("bridgestp",),
    "if_epair": (),
    "pf": (),
    "pflog": ("pf",),
    "nmdm": (),
    "vmm": (),
}
# What the GENERIC kernel has built in and users ask for.
BUILT_IN = ("if_loop", "if_tuntap", "if_vlan", "if_gif", "ether", "netlink", "virtio", "virtio_pci", "vtnet")
# ifconfig's own table of interface names whose module is not if_NAME.
MODULE_OF_INTERFACE = {"tun": "if_tuntap", "tap": "if_tuntap", "vmnet": "if_tuntap", "ipsec": "ipsec", "enc": "if_enc", "lo": "if_loop"}


def is_loaded(kernel: Kernel, name: str) -> bool:
    """Whether a module is there, loaded or built in."""
    return name in kernel["modules"]


def files(kernel: Kernel) -> list[str]:
    """The loaded files in the order of their ids, the kernel's own first."""
    return ["kernel", *(f"{name}.ko" for name in kernel["modules"] if name not in BUILT_IN)]


def load(kernel: Kernel, name: str) -> int:
    """Load a module and what it needs; return the id of its file."""
    name = name.rpartition("/")[2].removesuffix(".ko")
    if is_loaded(kernel, name):
        raise KernelError(errors.EEXIST)
    if name not in AVAILABLE:
        raise KernelError(errors.ENOENT)
    kernel["modules"].append(name)
    for needed in AVAILABLE[name]:
        if not is_loaded(kernel, needed):
            load(kernel, needed)
    return files(kernel).index(f"{name}.ko") + 1


def unload(kernel: Kernel, name: str) -> None:
    """Unload a module; its interfaces go with it, and nothing else may need it."""
    name = name.removesuffix(".ko")
    if not is_loaded(kernel, name) or name in BUILT_IN:
        raise KernelError(errors.ENOENT)
    if any(name in AVAILABLE[other] for other in kernel["modules"] if other in AVAILABLE):
        raise KernelError(errors.EBUSY)
    for kind in (kind for kind, module in CLONERS.items() if module == name):
        while clone := next((interface for interface in of(kernel) if interface["kind"] == kind), None):
            destroy(kernel, clone)
    kernel["modules"].remove(name)
    if name == "pf":
        kernel["pf"] = None


def load_for_interface(kernel: Kernel, name: str) -> None:
    """Load the module of an interface that ifconfig is asked about, if its name tells."""
    kind = name.rstrip("0123456789")
    module = MODULE_OF_INTERFACE.get(kind, f"if_{kind}")
    if not is_loaded(kernel, module) and module in AVAILABLE:
        load(kernel, module)
