"""IVMDVDDrive: a CD or DVD drive of a machine; and the collection of them.

Sources: the IVMDVDDrive pages of both products' references; virDomainUpdateDeviceFlags.
"""

from __future__ import annotations

from collections.abc import Sequence

from vpcshim.com.declare import method, propget
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.com.variant import VT
from vpcshim.constants import VMDriveBusType, VMDVDDriveAttachmentType
from vpcshim.model import buses
from vpcshim.model.devices.collection import DeviceCollection
from vpcshim.model.devices.drive import MediaDrive, targets
from vpcshim.model.machine.state import Stateful

_INVALID, _UNKNOWN = HRESULT.VM_E_DRIVE_INVALID, HRESULT.VM_E_VM_UNKNOWN
_WRONG_TYPE, _IN_USE = HRESULT.VM_E_MEDIA_WRONG_TYPE, HRESULT.VM_E_DRIVE_IN_USE
_MOVE_FAILS = (HRESULT.E_INVALIDARG, HRESULT.VM_E_DRIVE_BUS_LOC_IN_USE, _INVALID, _UNKNOWN)


class DVDDriveBase(MediaDrive):
    """What the drives of both products have in common; SetBusLocation takes other arguments in each.

    A medium is changed in the running machine at once, and in its definition.
    """

    _KINDS = ("cdrom",)
    _WORD = "DVD drive"
    _READS = True

    @propget(vs=0x60020001, vt=VT.I4, fails=(_INVALID,))
    def BusType(self) -> VMDriveBusType:
        """The kind of bus (VMDriveBusType); vmDriveBusType_Invalid for one that the product does not have."""
        return self._location()[0]

    @propget(vs=0x60020002, vpc=0x60020001, vt=VT.I4, fails=(_INVALID,))
    def BusNumber(self) -> int:
        """The number of the bus: IDE 0 and 1; others as in `model/buses.py`."""
        return self._location()[1]

    @propget(vs=0x60020003, vpc=0x60020002, vt=VT.I4, fails=(_INVALID,))
    def DeviceNumber(self) -> int:
        """The number of the device on its bus, from 0."""
        return self._location()[2]

    @propget(vs=0x6002000A, vpc=0x60020009, vt=VT.I4, fails=(_UNKNOWN, _INVALID), vpc_fails=(HRESULT.E_FAIL,))
    def Attachment(self) -> VMDVDDriveAttachmentType:
        """What the drive holds (VMDVDDriveAttachmentType): nothing, an image, or a drive of the host."""
        medium = self._medium()
        if medium is None:
            return VMDVDDriveAttachmentType.vmDVDDrive_None
        block = medium.kind == "block"
        return VMDVDDriveAttachmentType.vmDVDDrive_HostDrive if block else VMDVDDriveAttachmentType.vmDVDDrive_Image

    @propget(
        vs=0x60020006,
        vpc=0x60020005,
        vt=VT.BSTR,
        fails=(_UNKNOWN, _INVALID, _WRONG_TYPE),
        vpc_fails=(HRESULT.E_FAIL,),
    )
    def ImageFile(self) -> str:
        """The full path of the image; VM_E_MEDIA_WRONG_TYPE when the drive holds none."""
        drive = self._drive()
        self._check_kind(drive, host_drive=False)
        assert drive.medium is not None
        return self._paths.to_script(drive.medium.path) if drive.medium.is_local else drive.medium.path

    @propget(vs=0x60020009, vpc=0x60020008, vt=VT.BSTR, fails=(_UNKNOWN, _WRONG_TYPE), vpc_fails=(HRESULT.E_FAIL,))
    def HostDriveLetter(self) -> str:
        """The drive of the host, by its device, as /dev/sr0; VM_E_MEDIA_WRONG_TYPE when there is none."""
        drive = self._drive()
        self._check_kind(drive, host_drive=True)
        assert drive.medium is not None
        return drive.medium.path

    @method(
        vs=0x60020004,
        vpc=0x60020003,
        params=(VT.BSTR,),
        fails=(_UNKNOWN, _IN_USE, _INVALID),
        vpc_fails=(HRESULT.E_INVALIDARG,),
    )
    def AttachImage(self, imagePath: str) -> None:
        """Put an image (ISO) into the empty drive; VM_E_DRIVE_IN_USE when it holds something.

        DISP_E_EXCEPTION when a guest writes to that image, as to its hard disk, or it is no image of a CD by its
        content (Virtual PC: E_INVALIDARG).
        """
        self._insert(self._image(imagePath), _IN_USE)

    @method(vs=0x60020005, vpc=0x60020004, fails=(_UNKNOWN, _WRONG_TYPE, _INVALID))
    def ReleaseImage(self) -> None:
        """Take the image out; VM_E_MEDIA_WRONG_TYPE when the drive holds none.

        A guest that has locked the tray is asked to let go; where it does not, libvirt's refusal is the error.
        """
        self._release(host_drive=False, empty=_WRONG_TYPE)

    @method(
        vs=0x60020007,
        vpc=0x60020006,
        params=(VT.BSTR,),
        fails=(HRESULT.E_INVALIDARG, _UNKNOWN, _IN_USE, _INVALID),
        vpc_fails=(HRESULT.E_FAIL,),
    )
    def AttachHostDrive(self, driveLetter: str) -> None:
        """Let the empty drive be a drive of the host, named by its device (/dev/sr0, or sr0).

        E_INVALIDARG when the host has no such drive; VM_E_DRIVE_IN_USE when this one holds something.
        """
        self._insert(self._host_drive(driveLetter), _IN_USE)

    @method(vs=0x60020008, vpc=0x60020007, fails=(_UNKNOWN, _WRONG_TYPE, _INVALID), vpc_fails=(HRESULT.E_FAIL,))
    def ReleaseHostDrive(self) -> None:
        """Let go of the drive of the host; VM_E_MEDIA_WRONG_TYPE when this drive holds none."""
        self._release(host_drive=True, empty=_WRONG_TYPE)


class DVDDriveVS(DVDDriveBase, interface="IVMDVDDrive", vs="{D094CB52-1149-463E-AD83-12858F048C91}"):
    """The drive of Virtual Server."""

    @method(vs=0x60020000, params=(VT.I4, VT.I4, VT.I4), fails=(HRESULT.VM_E_VM_RUNNING, *_MOVE_FAILS))
    def SetBusLocation(self, busType: int, busNumber: int, deviceNumber: int) -> None:
        """Attach the drive elsewhere, while the machine is turned off; E_INVALIDARG for SCSI, as documented."""
        self._move(buses.place_of(self._product_, busType, busNumber, deviceNumber, scsi=False))


class DVDDriveVPC(DVDDriveBase, interface="IVMDVDDrive", vpc="{B96328F6-6732-437D-A00D-FFA47E43971C}"):
    """The drive of Windows Virtual PC."""

    @method(
        vpc=0x60020000,
        params=(VT.I4, VT.I4),
        fails=(HRESULT.E_FAIL, HRESULT.VM_E_VM_RUNNING_OR_SAVED, *_MOVE_FAILS),
    )
    def SetBusLocation(self, busNumber: int, deviceNumber: int) -> None:
        """Attach the drive elsewhere, while the machine is turned off."""
        self._move(buses.place_of(self._product_, None, busNumber, deviceNumber, scsi=False))


def dvd_drive(machine: Stateful, target: str) -> DVDDriveBase:
    """The DVD drive of that name."""
    kind = DVDDriveVS if machine._product_ is Product.VIRTUAL_SERVER else DVDDriveVPC
    return kind(machine, target)


class DVDDriveCollection(
    DeviceCollection[DVDDriveBase],
    interface="IVMDVDDriveCollection",
    vs="{D9DADFEC-7148-47BF-9EEC-63AD0CD5DC1D}",
    vpc="{BC86E297-E55F-4742-9614-AD11D3131F68}",
):
    """The DVD drives of a machine, by their locations."""

    def _items_(self) -> Sequence[DVDDriveBase]:
        return [dvd_drive(self, target) for target in targets(self, DVDDriveBase._KINDS)]
