"""The machine's display, keyboard, mouse, and what runs in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vpcshim.com.declare import method, propget
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.model.machine.state import Stateful

if TYPE_CHECKING:
    from vpcshim.model.devices.display import Display
    from vpcshim.model.devices.guest_os import GuestOSObject
    from vpcshim.model.devices.keyboard import Keyboard
    from vpcshim.model.devices.mouse import Mouse

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
_OFF = (HRESULT.VM_E_VM_NOT_RUNNING,)


class Console(Stateful):
    """GuestOS, Display, Keyboard, Mouse, RdpPipeName, StartCommunicationChannel."""

    @propget(vs=0x60020005, vpc=0x60020005, vt=VT.DISPATCH, fails=_UNKNOWN)
    def GuestOS(self) -> GuestOSObject:
        """What runs in the machine."""
        from vpcshim.model.devices.guest_os import guest_os

        with self._domain():
            return guest_os(self)

    @propget(vs=0x60020006, vpc=0x60020006, vt=VT.DISPATCH, fails=_UNKNOWN)
    def Display(self) -> Display:
        """The machine's screen."""
        from vpcshim.model.devices.display import Display

        with self._domain():
            return Display(self)

    @propget(vs=0x60020007, vpc=0x60020007, vt=VT.DISPATCH, fails=_UNKNOWN)
    def Keyboard(self) -> Keyboard:
        """The machine's keyboard."""
        from vpcshim.model.devices.keyboard import Keyboard

        with self._domain():
            return Keyboard(self)

    @propget(vs=0x60020008, vpc=0x60020008, vt=VT.DISPATCH, fails=(*_UNKNOWN, *_OFF))
    def Mouse(self) -> Mouse:
        """The mouse of a machine that runs; VM_E_VM_NOT_RUNNING when it is off."""
        from vpcshim.model.devices.mouse import Mouse

        with self._running("given a mouse"):
            return Mouse(self)

    @propget(
        vpc=0x60020036,
        vt=VT.BSTR,
        fails=_OFF,
        unavailable=(
            "it names a Windows pipe that speaks RDP to the guest's integration components; libvirt's consoles "
            "(<graphics> in the domain's XML: VNC, SPICE, of new versions RDP too) are at addresses of the host"
        ),
    )
    def RdpPipeName(self) -> str:
        """The name of the pipe to the guest's desktop."""
        return ""

    @method(
        vpc=0x60020044,
        params=(VT.I4, VT.BSTR, VT.I4, VT.BSTR),
        fails=(
            HRESULT.E_INVALIDARG,
            HRESULT.E_HANDLE,
            HRESULT.E_OUTOFMEMORY,
            HRESULT.E_NOT_READY,
            HRESULT.E_ALREADY_EXISTS,
            HRESULT.E_PIPE_BUSY,
            HRESULT.E_MAX_SESSIONS_REACHED,
            HRESULT.E_REVISION_MISMATCH,
            *_OFF,
        ),
        unavailable=(
            "it forwards a named pipe of the host to a TCP port in the guest through the integration components; a "
            "libvirt channel ends at a virtio port, and nothing in the guest forwards that to TCP"
        ),
    )
    def StartCommunicationChannel(
        self,
        inHostEndpointType: int,
        inHostEndPointName: str,
        inGuestEndpointType: int,
        inGuestEndpointName: str,
    ) -> None:
        """Connect a pipe of the host with a TCP port of the guest."""
