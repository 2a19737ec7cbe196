"""IVMFloppyDrive: a floppy drive of a machine; and the collection of them.

Sources: the IVMFloppyDrive pages of both products' references; virDomainUpdateDeviceFlags.
"""

from __future__ import annotations

from collections.abc import Sequence

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.constants import VMFloppyDriveAttachmentType
from vpcshim.model.devices.collection import DeviceCollection
from vpcshim.model.devices.drive import MediaDrive, targets

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
_NO_MEDIA = HRESULT.VM_E_NO_MEDIA_CAPTURED
_RELEASE_FAILS = (HRESULT.VM_E_MEDIA_WRONG_TYPE, _NO_MEDIA, *_UNKNOWN)


class FloppyDrive(
    MediaDrive,
    interface="IVMFloppyDrive",
    vs="{DCCB5695-05BD-4AA7-B35E-0843209C96BF}",
    vpc="{661ABEE6-112A-4ED9-BABF-3C874969F10E}",
):
    """A floppy drive; a medium is changed in the running machine at once, and in its definition."""

    _KINDS = ("floppy",)
    _WORD = "floppy drive"

    @propget(vs=0x60020006, vpc=0x60020006, vt=VT.I4)
    def DriveNumber(self) -> int:
        """The number of the drive, from 0."""
        return self._location()[2]

    @propget(vs=0x60020007, vpc=0x60020007, vt=VT.I4, fails=_UNKNOWN)
    def Attachment(self) -> VMFloppyDriveAttachmentType:
        """What the drive holds (VMFloppyDriveAttachmentType): nothing, an image, or a drive of the host."""
        medium = self._medium()
        if medium is None:
            return VMFloppyDriveAttachmentType.vmFloppyDrive_None
        block = medium.kind == "block"
        kinds = VMFloppyDriveAttachmentType
        return kinds.vmFloppyDrive_HostDrive if block else kinds.vmFloppyDrive_Image

    @propget(vs=0x60020002, vpc=0x60020002, vt=VT.BSTR, fails=_UNKNOWN)
    def ImageFile(self) -> str:
        """The full path of the image; "" when the drive holds none."""
        medium = self._medium()
        if medium is None or medium.kind == "block":
            return ""
        return self._paths.to_script(medium.path) if medium.is_local else medium.path

    @propget(vs=0x60020005, vpc=0x60020005, vt=VT.BSTR, fails=_UNKNOWN)
    def HostDriveLetter(self) -> str:
        """The drive of the host, by its device, as /dev/fd0; "" when there is none."""
        medium = self._medium()
        return medium.path if medium is not None and medium.kind == "block" else ""

    @method(
        vs=0x60020000,
        vpc=0x60020000,
        params=(VT.BSTR,),
        fails=(HRESULT.VM_E_IMAGE_CAPTURE_FAIL, *_UNKNOWN),
        vpc_fails=(
            HRESULT.E_INVALIDARG,
            HRESULT.E_OUTOFMEMORY,
            HRESULT.E_BUFFER_OVERFLOW,
            HRESULT.E_INVALID_NAME,
            HRESULT.E_BAD_PATHNAME,
        ),
    )
    def AttachImage(self, mediaImagePath: str) -> None:
        """Put an image into the empty drive.

        VM_E_IMAGE_CAPTURE_FAIL when it cannot be: there is no such file, somebody else uses it, the drive holds
        something already, or it is no image of a floppy disk by its content (Virtual PC: E_INVALIDARG).
        """
        try:
            medium = self._image(mediaImagePath)
        except Failure as failure:
            # The page lists no code for a file that is not there.
            otherwise = (HRESULT.VM_E_IMAGE_CAPTURE_FAIL,)
            raise Failure(failure.code, failure.description, otherwise=otherwise) from failure
        self._insert(medium, HRESULT.VM_E_IMAGE_CAPTURE_FAIL, taken=(HRESULT.VM_E_IMAGE_CAPTURE_FAIL,))

    @method(vs=0x60020001, vpc=0x60020001, fails=_RELEASE_FAILS)
    def ReleaseImage(self) -> None:
        """Take the image out; VM_E_NO_MEDIA_CAPTURED from an empty drive."""
        self._release(host_drive=False, empty=_NO_MEDIA)

    @method(
        vs=0x60020003,
        vpc=0x60020003,
        params=(VT.BSTR,),
        fails=(HRESULT.E_INVALIDARG, *_UNKNOWN),
        vs_fails=(HRESULT.VM_E_HOST_FLOPPY_CAPTURE_FAIL,),
    )
    def AttachHostDrive(self, driveLetter: str) -> None:
        """Let the empty drive be a drive of the host, named by its device (/dev/fd0, or fd0).

        E_INVALIDARG when the host has no such drive; VM_E_HOST_FLOPPY_CAPTURE_FAIL (Virtual PC: E_INVALIDARG) when
        this one holds something, or somebody else uses that drive.
        """
        medium = self._host_drive(driveLetter)
        codes = (HRESULT.VM_E_HOST_FLOPPY_CAPTURE_FAIL, HRESULT.E_INVALIDARG)
        self._insert(medium, codes[0], otherwise=codes[1:], taken=codes)

    @method(vs=0x60020004, vpc=0x60020004, fails=_RELEASE_FAILS)
    def ReleaseHostDrive(self) -> None:
        """Let go of the drive of the host; VM_E_NO_MEDIA_CAPTURED from an empty drive."""
        self._release(host_drive=True, empty=_NO_MEDIA)


class FloppyDriveCollection(
    DeviceCollection[FloppyDrive],
    interface="IVMFloppyDriveCollection",
    vs="{D4A9F397-95BF-47A5-8001-4783CCCE1378}",
    vpc="{8BA70A25-F698-4EE5-85CE-3CC93A925516}",
):
    """The floppy drives of a machine."""

    def _items_(self) -> Sequence[FloppyDrive]:
        return [FloppyDrive(self, target) for target in targets(self, FloppyDrive._KINDS)]
