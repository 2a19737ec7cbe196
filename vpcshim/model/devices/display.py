"""IVMDisplay: the machine's screen.

Sources: the IVMDisplay pages of both references; virDomainScreenshot.
"""

from __future__ import annotations

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.hypervisor import screen
from vpcshim.hypervisor.screen import Picture
from vpcshim.model.devices.base import DeviceObject

_WIDTH, _HEIGHT = 64, 48  # of a thumbnail, as documented
_ON = (HRESULT.VM_E_VM_UNKNOWN, HRESULT.VM_E_NO_DISPLAY)
_OFF = (HRESULT.VM_E_VM_NOT_RUNNING,)
_NO_RESIZE = (
    "the guest sets its own screen's size: libvirt has no call that changes it, only a viewer of its SPICE or VNC "
    "console may ask the guest to"
)
_FEATURE = (HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL,)


class Display(
    DeviceObject,
    interface="IVMDisplay",
    vs="{DD98CA7F-EB60-4757-84A5-F3317314E8BA}",
    vpc="{960895E9-F743-4498-96AA-261F867E7FC5}",
):
    """The first screen of a running machine."""

    @propget(vs=0x60020001, vpc=0x60020001, vt=VT.I4, fails=_ON, vpc_fails=_OFF)
    def Width(self) -> int:
        """How many pixels wide the screen is.

        Of a machine that is off, Virtual Server answers VM_E_VM_UNKNOWN and Virtual PC VM_E_VM_NOT_RUNNING.
        """
        return self._picture().width

    @propget(vs=0x60020002, vpc=0x60020002, vt=VT.I4, fails=_ON, vpc_fails=_OFF)
    def Height(self) -> int:
        """How many pixels high the screen is; as Width."""
        return self._picture().height

    @propget(
        vs=0x60020003,
        vpc=0x60020004,
        vt=VT.I4,
        fails=_ON,
        vpc_fails=_OFF,
        unavailable="a screenshot shows pixels alone, and libvirt tells no mode that the video card is in",
    )
    def VideoMode(self) -> int:
        """The mode of the video card (VMDisplayVideoMode)."""
        return 0

    @propget(vpc=0x60020003, vt=VT.BOOL, fails=(*_ON, *_OFF, *_FEATURE), unavailable=_NO_RESIZE)
    def CanResize(self) -> bool:
        """Whether SetDimensions would work."""
        return False

    @method(
        vs=0x60020000,
        vpc=0x60020000,
        params=(VT.I4, VT.I4),
        fails=(HRESULT.E_INVALIDARG, *_ON, *_FEATURE),
        vpc_fails=(HRESULT.VM_E_TIMED_OUT, *_OFF),
        unavailable=_NO_RESIZE,
    )
    def SetDimensions(self, displayPixelWidth: int, displayPixelHeight: int) -> None:
        """Set the size of the guest's screen."""

    @propget(vs=0x60020005, vpc=0x60020006, vt=VT.ARRAY | VT.VARIANT, elements=VT.I4)
    def Thumbnail(self) -> tuple[int, ...]:
        """The screen in 64 x 48 pixels, row by row: each 32 bits wide, its low bytes blue, green, red downwards."""
        return tuple(blue << 16 | green << 8 | red for red, green, blue in self._picture().scaled(_WIDTH, _HEIGHT))

    @method(
        vs=0x60020004,
        vpc=0x60020005,
        vt=VT.ARRAY | VT.VARIANT,
        unavailable="it fills an array of C, which no late-bound caller can pass: Thumbnail hands out the same",
    )
    def _GenerateThumbnail(self) -> tuple[int, ...]:
        """The same as Thumbnail, for callers in C."""
        return ()

    def _picture(self) -> Picture:
        with self._running("looked at", otherwise=(HRESULT.VM_E_VM_UNKNOWN,)) as (domain, name):
            if not screen.has_screen(domain):
                raise Failure(HRESULT.VM_E_NO_DISPLAY, f"{name} has no video card")
            return screen.picture(domain)
