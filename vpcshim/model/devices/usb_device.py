"""IVMUSBDevice: a USB device of the host, and IVMUSBDeviceCollection.

Sources: the IVMUSBDevice pages of Windows Virtual PC's reference; libvirt.org/formatnode.html.
"""

from __future__ import annotations

from collections.abc import Sequence

from vpcshim.com.collection import Collection
from vpcshim.com.declare import propget
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import S_FALSE, Product, SFalse
from vpcshim.com.variant import VT
from vpcshim.constants import VMUSBDeviceClassEnum
from vpcshim.hypervisor import usb
from vpcshim.hypervisor.errors import Unknowable
from vpcshim.hypervisor.usb import UsbDevice
from vpcshim.model.base import ModelObject
from vpcshim.model.options import ConnectionOptions
from vpcshim.model.server import Server


class USBDevice(ModelObject, interface="IVMUSBDevice", vpc="{63C1258C-5721-4070-B86B-A6CE2AFEC0B3}"):
    """A USB device of the host, as it was when the collection was read."""

    def __init__(self, product: Product, server: Server, options: ConnectionOptions, device: UsbDevice) -> None:
        super().__init__(product, server, options)
        self._device = device

    @propget(vpc=0, vt=VT.BSTR)
    def DeviceString(self) -> str:
        """What the device calls itself; the default member."""
        return self._device.product

    @propget(vpc=0x60020001, vt=VT.BSTR)
    def ManufacturerString(self) -> str:
        """Who made it; "" where nobody says."""
        return self._device.vendor

    @propget(vpc=0x60020002, vt=VT.BSTR, fails=(HRESULT.VM_E_USB_EXTERNAL_VM,))
    def AttachedToVM(self) -> str | SFalse:
        """The name of the running machine that has it; "", with S_FALSE, when none has."""
        with self._server.connection.calls() as connect:
            name = usb.holder(connect, self._device)
        return S_FALSE if name is None else name

    @propget(vpc=0x60020003, vt=VT.I4)
    def HubID(self) -> int:
        """The number of its bus."""
        return self._device.bus

    @propget(vpc=0x60020004, vt=VT.I4)
    def Port(self) -> int:
        """The number of the port that it is plugged into; 0 where libvirt does not tell."""
        return self._device.port

    @propget(vpc=0x60020005, vt=VT.I4)
    def DeviceClass(self) -> VMUSBDeviceClassEnum:
        """Its USB class, of its first interface (VMUSBDeviceClassEnum)."""
        number = self._device.interface_class
        if number not in set(VMUSBDeviceClassEnum):
            raise Unknowable(f"VMUSBDeviceClassEnum has no USB class {number}")
        return VMUSBDeviceClassEnum(number)


class USBDeviceCollection(
    Collection[USBDevice],
    ModelObject,
    interface="IVMUSBDeviceCollection",
    vpc="{4FBCD6A5-F53C-4D1C-9F4D-E90ABB8B3749}",
):
    """The USB devices of the host, without its hubs."""

    def _items_(self) -> Sequence[USBDevice]:
        with self._server.connection.calls() as connect:
            found = usb.devices(connect)
        return [USBDevice(self._product_, self._server, self._options, device) for device in found]
