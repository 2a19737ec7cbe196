"""The machine's USB devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libvirt

from vpcshim.com.declare import method
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import ComObject
from vpcshim.com.variant import VT
from vpcshim.model.machine.state import Stateful

if TYPE_CHECKING:
    from vpcshim.model.devices.usb_device import USBDevice


class Usb(Stateful):
    """AttachUSBDevice, DetachUSBDevice: devices of the host, for as long as the machine runs."""

    @method(
        vpc=0x60020037,
        params=(VT.DISPATCH,),
        fails=(
            HRESULT.VM_E_VM_NOT_RUNNING,
            HRESULT.VM_E_VM_UNKNOWN,
            HRESULT.VM_E_ADDITIONS_NOT_AVAIL,
            HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL,
            HRESULT.VM_E_USB_CONNECTOR_DRIVER_ERROR,
            HRESULT.VM_E_USB_ATTACH_FAILED_MORE_DEVICES,
            HRESULT.VM_E_USB_ATTACH_FAILED_GP_ERROR,
            HRESULT.VM_E_USB_ATTACH_FAILED_ALREADY_ASSIGNED,
            HRESULT.VM_E_USB_ATTACH_FAILED,
        ),
    )
    def AttachUSBDevice(self, inUSBDevice: ComObject | None) -> None:
        """Hand a USB device of the host to the running machine, until it is detached or the machine stops."""
        from vpcshim.hypervisor import usb

        device = _device(inUSBDevice)
        with self._running("given a USB device") as (domain, name):
            holder = usb.holder(domain.connect(), device._device)
            if holder is not None:
                text = f"{device._device.product or device._device.name} is attached to {holder} already"
                raise Failure(HRESULT.VM_E_USB_ATTACH_FAILED_ALREADY_ASSIGNED, text)
            try:
                domain.attachDeviceFlags(device._device.element(), libvirt.VIR_DOMAIN_AFFECT_LIVE)
            except libvirt.libvirtError as error:
                text = f"{name} was not given the USB device: {error.get_error_message()}"
                raise Failure(HRESULT.VM_E_USB_ATTACH_FAILED, text) from error

    @method(
        vpc=0x60020038,
        params=(VT.DISPATCH,),
        fails=(HRESULT.VM_E_VM_NOT_RUNNING, HRESULT.VM_E_USB_DETACH_FAILED),
    )
    def DetachUSBDevice(self, inUSBDevice: ComObject | None) -> None:
        """Give a USB device back to the host; VM_E_USB_DETACH_FAILED when the machine does not have it."""
        from vpcshim.hypervisor import usb

        device = _device(inUSBDevice)
        with self._running("relieved of a USB device") as (domain, name):
            if not usb.has(domain, device._device):
                text = f"{name} does not have {device._device.product or device._device.name}"
                raise Failure(HRESULT.VM_E_USB_DETACH_FAILED, text)
            try:
                domain.detachDeviceFlags(device._device.element(), libvirt.VIR_DOMAIN_AFFECT_LIVE)
            except libvirt.libvirtError as error:
                text = f"{name} keeps the USB device: {error.get_error_message()}"
                raise Failure(HRESULT.VM_E_USB_DETACH_FAILED, text) from error


def _device(given: ComObject | None) -> USBDevice:
    from vpcshim.model.devices.usb_device import USBDevice

    if not isinstance(given, USBDevice):
        text = "the argument is an IVMUSBDevice: take it from the application's USBDeviceCollection"
        raise Failure(HRESULT.DISP_E_TYPEMISMATCH, text, argerr=0)
    return given
