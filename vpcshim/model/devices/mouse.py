"""IVMMouse: the machine's mouse, which libvirt cannot move.

Sources: the IVMMouse pages of both references; libvirt's API reference, which has no call for pointers.
"""

from __future__ import annotations

from vpcshim.com.declare import method, propget, propput
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.model.devices.base import DeviceObject

_NO_MOUSE = (
    "libvirt sends keys to a domain, and has no call that moves or clicks its mouse. QEMU's own input-send-event "
    "goes through virDomainQemuMonitorCommand, which libvirt does not support and marks the domain as tainted for"
)
_OFF = (HRESULT.VM_E_VM_NOT_RUNNING,)
_FEATURE = (HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL,)
_NOT_ACTIVE = (HRESULT.VM_E_MOUSE_NOT_ACTIVE,)
_BUTTON = (HRESULT.E_INVALIDARG, *_NOT_ACTIVE)
_PLACE = (*_FEATURE, HRESULT.VM_E_USING_RELATIVE_COORDINATES, *_NOT_ACTIVE)


class Mouse(
    DeviceObject,
    interface="IVMMouse",
    vs="{D68F0073-E35B-4574-8266-49A4A067ADF8}",
    vpc="{AC903F6D-6346-4F29-8875-5D511A13895E}",
    unavailable=_NO_MOUSE,
):
    """The mouse of a running machine."""

    @method(vs=0x60020000, vpc=0x60020000, vt=VT.BOOL, params=(VT.I4,), fails=(*_BUTTON, *_OFF))
    def GetButton(self, buttonIndex: int) -> bool:
        """Whether a button is held."""
        return False

    @method(vs=0x60020001, vpc=0x60020001, params=(VT.I4, VT.BOOL), fails=_BUTTON, vpc_fails=_OFF)
    def SetButton(self, buttonIndex: int, down: bool) -> None:
        """Hold or release a button."""

    @method(vs=0x60020002, vpc=0x60020002, params=(VT.I4,), fails=_BUTTON, vpc_fails=_OFF)
    def Click(self, buttonIndex: int) -> None:
        """Click a button."""

    @propget(vs=0x60020003, vpc=0x60020003, vt=VT.I4, fails=_PLACE, vpc_fails=_OFF)
    def HorizontalPosition(self) -> int:
        """Where the pointer is, in pixels from the left."""
        return 0

    @HorizontalPosition.write
    def _put_HorizontalPosition(self, position: int) -> None:
        """Move the pointer."""

    @propget(vs=0x60020005, vpc=0x60020005, vt=VT.I4, fails=_PLACE, vpc_fails=_OFF)
    def VerticalPosition(self) -> int:
        """Where the pointer is, in pixels from the top."""
        return 0

    @VerticalPosition.write
    def _put_VerticalPosition(self, position: int) -> None:
        """Move the pointer."""

    @propput(
        vs=0x60020007,
        vpc=0x60020007,
        vt=VT.I4,
        fails=(*_NOT_ACTIVE, HRESULT.VM_E_USING_ABSOLUTE_COORDINATES),
        vpc_fails=_OFF,
    )
    def ScrollWheelPosition(self, position: int) -> None:
        """Turn the wheel."""

    @propget(vs=0x60020008, vpc=0x60020008, vt=VT.BOOL, fails=_FEATURE, vpc_fails=_OFF)
    def UsingAbsoluteCoordinates(self) -> bool:
        """Whether positions are places rather than ways."""
        return False

    @UsingAbsoluteCoordinates.write
    def _put_UsingAbsoluteCoordinates(self, absolute: bool) -> None:
        """Choose places or ways."""
