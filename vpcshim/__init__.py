"""The COM automation model of Virtual Server 2005 and Windows Virtual PC, served from libvirt.

import vpcshim

vs = vpcshim.CreateObject("VirtualServer.Application", "qemu:///system")
for vm in vs.VirtualMachines:
    print(vm.Name, vm.State, vm.Accountant.NetworkBytesSent)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vpcshim._version import __version__

if TYPE_CHECKING:
    from vpcshim import constants
    from vpcshim.clients.pywin32.install import install_pywin32
    from vpcshim.com.errors import ComError
    from vpcshim.com.hresult import HRESULT
    from vpcshim.com.variant import VT, Variant
    from vpcshim.model.application import CreateObject
    from vpcshim.model.application import CreateObject as Dispatch
    from vpcshim.model.events.connect import DispatchWithEvents, WithEvents
    from vpcshim.model.options import ConnectionOptions

__all__ = [
    "HRESULT",
    "VT",
    "ComError",
    "ConnectionOptions",
    "CreateObject",
    "Dispatch",
    "DispatchWithEvents",
    "Variant",
    "WithEvents",
    "__version__",
    "constants",
    "install_pywin32",
]

# Loaded when first asked for: `import vpcshim` itself is to cost nothing (pytest loads our plugin's package).
_HOMES = {
    "ComError": ("vpcshim.com.errors", "ComError"),
    "ConnectionOptions": ("vpcshim.model.options", "ConnectionOptions"),
    "CreateObject": ("vpcshim.model.application", "CreateObject"),
    "Dispatch": ("vpcshim.model.application", "CreateObject"),
    "DispatchWithEvents": ("vpcshim.model.events.connect", "DispatchWithEvents"),
    "HRESULT": ("vpcshim.com.hresult", "HRESULT"),
    "VT": ("vpcshim.com.variant", "VT"),
    "Variant": ("vpcshim.com.variant", "Variant"),
    "WithEvents": ("vpcshim.model.events.connect", "WithEvents"),
    "install_pywin32": ("vpcshim.clients.pywin32.install", "install_pywin32"),
}


def __getattr__(name: str) -> Any:
    if name == "constants":
        return importlib.import_module("vpcshim.constants")
    if name not in _HOMES:
        raise AttributeError(f"module 'vpcshim' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value
