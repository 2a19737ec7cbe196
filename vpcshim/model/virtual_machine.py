"""IVMVirtualMachine: a libvirt domain; and the collection of all of them.

Sources: the IVMVirtualMachine pages of both products' references; libvirt-domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vpcshim.com.collection import Collection
from vpcshim.com.member import Product
from vpcshim.model.base import ModelObject
from vpcshim.model.machine.adapters import Adapters
from vpcshim.model.machine.automation import Automation
from vpcshim.model.machine.configuration import Configuration
from vpcshim.model.machine.console import Console
from vpcshim.model.machine.drives import Drives, PCDrives, ServerDrives
from vpcshim.model.machine.firmware import Firmware
from vpcshim.model.machine.hardware import Hardware
from vpcshim.model.machine.identity import Identity
from vpcshim.model.machine.ports import Ports
from vpcshim.model.machine.power import Power
from vpcshim.model.machine.scripts import Scripts
from vpcshim.model.machine.security import Security
from vpcshim.model.machine.undo import Undo
from vpcshim.model.machine.usb import Usb


class VirtualMachine(
    Identity,
    Power,
    Hardware,
    Firmware,
    Automation,
    Configuration,
    Undo,
    Drives,
    Adapters,
    Ports,
    Console,
    Usb,
    Security,
    Scripts,
):
    """One virtual machine: what both products have alike. Made, it is the machine of the product it is made for."""

    def __new__(cls, product: Product, *_: Any) -> VirtualMachine:
        """A machine of that product."""
        if cls is VirtualMachine:
            cls = ServerMachine if product is Product.VIRTUAL_SERVER else PCMachine
        return super().__new__(cls)


class ServerMachine(
    ServerDrives, VirtualMachine, interface="IVMVirtualMachine", vs="{DFF3A5A1-A687-475F-B040-5C49CFCF4694}"
):
    """One virtual machine, as Virtual Server has it."""


class PCMachine(
    PCDrives, VirtualMachine, interface="IVMVirtualMachine", vpc="{F7092AA1-33ED-4F78-A59F-C00ADFC2EDD7}"
):
    """One virtual machine, as Windows Virtual PC has it."""


class VirtualMachineCollection(
    Collection[VirtualMachine],
    ModelObject,
    interface="IVMVirtualMachineCollection",
    vs="{D2A0BCAD-A318-4D87-922F-59D3D42DDDAA}",
    vpc="{59F31786-2A3D-4FBF-9896-D85338CA0DA1}",
):
    """The machines of a server, by name; as they are when they are counted, indexed or enumerated."""

    def _items_(self) -> Sequence[VirtualMachine]:
        with self._server.connection.calls() as connect:
            named = [(domain.name(), domain.UUIDString()) for domain in connect.listAllDomains()]
        self._server.connection.remember(named)
        named.sort(key=lambda pair: (pair[0].casefold(), pair[0], pair[1]))
        return [VirtualMachine(self._product_, self._server, self._options, uuid) for _, uuid in named]
