"""For people who test their own scripts: libvirt test-driver nodes from a few lines, as a pytest fixture.

    from vpcshim.testing import Machine

    def test_report(vpcshim_node):
        node = vpcshim_node(Machine("web01", nics=2), Machine("db01", state="shutoff"))
        vs = node.application("VirtualServer.Application")
        assert vs.FindVirtualMachine("WEB01").State == vmVMState_Running

The fixture comes with the installed package (`vpcshim.testing.plugin`, a pytest11 entry point).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vpcshim.testing.machines import Disk, Machine, Nic
    from vpcshim.testing.node import Node, NodeBuilder

__all__ = ["Disk", "Machine", "Nic", "Node", "NodeBuilder"]

# Loaded when first asked for: pytest imports this package in every run of whoever installed vpcshim.
_HOMES = {
    "Disk": "vpcshim.testing.machines",
    "Machine": "vpcshim.testing.machines",
    "Nic": "vpcshim.testing.machines",
    "Node": "vpcshim.testing.node",
    "NodeBuilder": "vpcshim.testing.node",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vpcshim.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
