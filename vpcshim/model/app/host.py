"""The host, its support drivers and USB devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vpcshim.com.declare import propget
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.model.base import ModelObject

if TYPE_CHECKING:
    from vpcshim.model.devices.host_info import HostInfo
    from vpcshim.model.devices.support_driver import SupportDriverCollection
    from vpcshim.model.devices.usb_device import USBDeviceCollection as UsbDevices


class Host(ModelObject):
    """HostInfo, SupportDrivers, USBDeviceCollection."""

    @propget(vs=0x60020000, vpc=0x60020000, vt=VT.DISPATCH)
    def HostInfo(self) -> HostInfo:
        """The host that the machines run on."""
        from vpcshim.model.devices.host_info import HostInfo

        return HostInfo(self._product_, self._server, self._options)

    @propget(vs=0x60020011, vt=VT.DISPATCH)
    def SupportDrivers(self) -> SupportDriverCollection:
        """What runs the machines: the hypervisor."""
        from vpcshim.model.devices.support_driver import SupportDriverCollection

        return SupportDriverCollection(self._product_, self._server, self._options)

    @propget(
        vpc=0x60020025,
        vt=VT.DISPATCH,
        fails=(HRESULT.VM_E_USB_ENUMERATION_FAILED_MORE_DEVICES,),
    )
    def USBDeviceCollection(self) -> UsbDevices:
        """The USB devices of the host, which `AttachUSBDevice` takes; libvirt sets no limit on their number."""
        from vpcshim.model.devices.usb_device import USBDeviceCollection as UsbDevices

        return UsbDevices(self._product_, self._server, self._options)
