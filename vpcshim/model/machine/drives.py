"""The machine's hard disks, DVD drives, floppy drives and SCSI controllers.

Where a drive is attached is told in `vpcshim.model.buses`, what format an image has in `vpcshim.model.images`.

Sources: the pages of these members of IVMVirtualMachine in both products' references.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.constants import VMDriveType
from vpcshim.model import buses
from vpcshim.model.machine.state import Stateful

if TYPE_CHECKING:
    from vpcshim.hypervisor.disks import Devices, Medium, Place
    from vpcshim.model.devices.dvd_drive import DVDDriveBase, DVDDriveCollection
    from vpcshim.model.devices.floppy_drive import FloppyDriveCollection
    from vpcshim.model.devices.hard_disk_connection import HardDiskConnectionBase, HardDiskConnectionCollection
    from vpcshim.model.devices.scsi_controller import SCSIController, SCSIControllerCollection

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
_RUNNING, _RUNNING_OR_SAVED = (HRESULT.VM_E_VM_RUNNING,), (HRESULT.VM_E_VM_RUNNING_OR_SAVED,)
_IN_USE, _INVALID = HRESULT.VM_E_DRIVE_BUS_LOC_IN_USE, HRESULT.VM_E_DRIVE_INVALID
_FILE = (
    HRESULT.E_FILE_NOT_FOUND,
    HRESULT.E_PATH_NOT_FOUND,
    HRESULT.E_INVALID_NAME,
    HRESULT.E_BAD_PATHNAME,
    HRESULT.E_BUFFER_OVERFLOW,
    HRESULT.E_SHARING_VIOLATION,
)


class Drives(Stateful):
    """The members that both products have alike."""

    @propget(vs=0x60020024, vpc=0x60020021, vt=VT.DISPATCH, fails=_UNKNOWN)
    def HardDiskConnections(self) -> HardDiskConnectionCollection:
        """The machine's hard disks, by their bus locations."""
        from vpcshim.model.devices.hard_disk_connection import HardDiskConnectionCollection

        with self._domain():
            return HardDiskConnectionCollection(self)

    @propget(vs=0x6002002D, vpc=0x6002002A, vt=VT.DISPATCH, fails=_UNKNOWN)
    def DVDROMDrives(self) -> DVDDriveCollection:
        """The machine's DVD drives, by their bus locations."""
        from vpcshim.model.devices.dvd_drive import DVDDriveCollection

        with self._domain():
            return DVDDriveCollection(self)

    @propget(vs=0x6002002E, vpc=0x6002002B, vt=VT.DISPATCH, fails=_UNKNOWN)
    def FloppyDrives(self) -> FloppyDriveCollection:
        """The machine's floppy drives: those of its definition, which may have none."""
        from vpcshim.model.devices.floppy_drive import FloppyDriveCollection

        with self._domain():
            return FloppyDriveCollection(self)

    @method(
        vs=0x60020023,
        vpc=0x60020020,
        params=(VT.DISPATCH,),
        fails=(_INVALID, *_UNKNOWN),
        vs_fails=_RUNNING,
        vpc_fails=_RUNNING_OR_SAVED,
    )
    def RemoveHardDiskConnection(self, hardDiskConnection: HardDiskConnectionBase) -> None:
        """Detach a hard disk from a machine that is turned off; its image is kept.

        VM_E_DRIVE_INVALID for one that is not this machine's.
        """
        from vpcshim.model.devices.hard_disk_connection import HardDiskConnectionBase

        self._remove(hardDiskConnection, HardDiskConnectionBase, "a hard disk")

    @method(
        vs=0x6002002C,
        vpc=0x60020029,
        params=(VT.DISPATCH,),
        fails=(_INVALID, *_UNKNOWN),
        vs_fails=_RUNNING,
        vpc_fails=_RUNNING_OR_SAVED,
    )
    def RemoveDVDROMDrive(self, dvdDrive: DVDDriveBase) -> None:
        """Remove a DVD drive from a machine that is turned off; VM_E_DRIVE_INVALID for one that is not its own."""
        from vpcshim.model.devices.dvd_drive import DVDDriveBase

        self._remove(dvdDrive, DVDDriveBase, "a DVD drive")

    def _remove(
        self,
        drive: HardDiskConnectionBase | DVDDriveBase | None,
        kind: type[HardDiskConnectionBase] | type[DVDDriveBase],
        word: str,
    ) -> None:
        from vpcshim.hypervisor import disks
        from vpcshim.model.devices.drive import refuse_undo

        if drive is None:
            raise Failure(HRESULT.E_POINTER, f"{word} of the machine has to be given")
        if not isinstance(drive, kind) or drive._uuid != self._uuid:
            raise Failure(_INVALID, f"what is to be removed is not {word} of this machine")
        gone = drive

        def edit(devices: Devices) -> None:
            found = gone._found(devices)
            refuse_undo(devices, found)
            devices.remove(found.target)

        with self._turned_off(f"removing {word}") as (domain, _):
            disks.change(domain, edit)

    def _add_hard_disk(self, path: str, place: Place) -> HardDiskConnectionBase:
        """Attach an image, or a drive of the host, as a hard disk."""
        from vpcshim.hypervisor import disks
        from vpcshim.model.devices.drive import refuse_twice, refuse_used
        from vpcshim.model.devices.hard_disk_connection import connection

        with self._turned_off("a new hard disk") as (domain, _):
            medium = self._hard_disk_medium(path)

            def edit(devices: Devices) -> str:
                buses.check_bus(devices, place, self._product_)
                buses.check_free(devices, place)
                refuse_twice(devices, medium)
                return devices.add("disk", place, medium)

            refuse_used(domain.connect(), medium)
            return connection(self, disks.change(domain, edit))

    def _hard_disk_medium(self, path: str) -> Medium:
        from vpcshim.hypervisor.disks import Medium
        from vpcshim.model import images

        host = images.existing(self, path)
        if host.is_block_device():
            return Medium("block", str(host), images.RAW)
        images.check_hard_disk_name(host)
        form = images.format_of(host)
        images.check_whole(host, form)
        return Medium("file", str(host), form)

    def _add_dvd(self, place: Place) -> DVDDriveBase:
        from vpcshim.hypervisor import disks
        from vpcshim.model.devices.dvd_drive import dvd_drive

        def edit(devices: Devices) -> str:
            buses.check_bus(devices, place, self._product_)
            buses.check_free(devices, place)
            return devices.add("cdrom", place, None)

        with self._turned_off("a new DVD drive") as (domain, _):
            return dvd_drive(self, disks.change(domain, edit))

    def _kinds_by_place(self) -> dict[Place, VMDriveType]:
        from vpcshim.hypervisor import disks

        with self._domain() as domain:
            drives = disks.read(domain).drives
        kinds = {"cdrom": VMDriveType.vmDriveType_DVD, "floppy": VMDriveType.vmDriveType_Null}
        return {drive.place: kinds.get(drive.device, VMDriveType.vmDriveType_HardDisk) for drive in drives}

    def _types(self, bus: str, numbers: int, devices: int) -> tuple[tuple[int, ...], ...]:
        """What is attached at each place of a kind of bus, filled up with nothing."""
        from vpcshim.hypervisor.disks import Place

        found = self._kinds_by_place()
        return tuple(
            tuple(int(found.get(Place(bus, number, device), 0)) for device in range(devices))
            for number in range(numbers)
        )


class ServerDrives(Drives):
    """The members as Virtual Server has them: every location has a bus type, and there are SCSI controllers."""

    @method(
        vs=0x60020022,
        vt=VT.DISPATCH,
        params=(VT.BSTR, VT.I4, VT.I4, VT.I4),
        fails=(*_FILE, _IN_USE, *_RUNNING, *_UNKNOWN),
    )
    def AddHardDiskConnection(
        self, hardDiskPath: str, busType: int, busNumber: int, deviceNumber: int
    ) -> HardDiskConnectionBase:
        """Attach an image as a hard disk of a machine that is turned off.

        Args:
            hardDiskPath: The image; its name says its format (.vhd, .qcow2, .img, ...) and its content has to
                agree. Or a block device of the host, as /dev/sdb.
            busType: VMDriveBusType.
            busNumber: IDE 0 or 1; the number of a SCSI controller, 0..3; others as in `model/buses.py`.
            deviceNumber: IDE 0 or 1, SCSI 0..6.

        E_INVALID_NAME when it is no hard disk by its name; E_SHARING_VIOLATION when the machine has that image
        already, or another one runs with it or is saved.
        """
        return self._add_hard_disk(hardDiskPath, buses.place_of(self._product_, busType, busNumber, deviceNumber))

    @method(
        vs=0x6002002B,
        vt=VT.DISPATCH,
        params=(VT.I4, VT.I4, VT.I4),
        fails=(HRESULT.E_INVALIDARG, _IN_USE, _INVALID, *_RUNNING, *_UNKNOWN),
    )
    def AddDVDROMDrive(self, busType: int, busNumber: int, deviceNumber: int) -> DVDDriveBase:
        """Add an empty DVD drive to a machine that is turned off; E_INVALIDARG for SCSI, as documented."""
        return self._add_dvd(buses.place_of(self._product_, busType, busNumber, deviceNumber, scsi=False))

    @propget(vs=0x60020035, vt=VT.DISPATCH, fails=_UNKNOWN)
    def SCSIControllers(self) -> SCSIControllerCollection:
        """The machine's SCSI controllers, by their numbers."""
        from vpcshim.model.devices.scsi_controller import SCSIControllerCollection

        with self._domain():
            return SCSIControllerCollection(self)

    @method(vs=0x60020033, vt=VT.DISPATCH, fails=(HRESULT.E_FAIL, *_RUNNING, *_UNKNOWN))
    def AddSCSIController(self) -> SCSIController:
        """Add a SCSI controller to a machine that is turned off; E_FAIL for a fifth one.

        Its model is libvirt's choice for the hypervisor at hand (of QEMU's PCs: lsilogic).
        """
        from vpcshim.hypervisor import disks
        from vpcshim.model.devices.scsi_controller import SCSIController

        def edit(devices: Devices) -> int:
            if len(devices.scsi_controllers) >= buses.SCSI_BUSES:
                text = f"{devices.name} has {buses.SCSI_BUSES} SCSI controllers, and no machine has more"
                raise Failure(HRESULT.E_FAIL, text)
            return devices.add_scsi_controller()

        with self._turned_off("a new SCSI controller") as (domain, _):
            return SCSIController(self, str(disks.change(domain, edit)))

    @method(vs=0x60020034, params=(VT.DISPATCH,), fails=(*_RUNNING, *_UNKNOWN))
    def RemoveSCSIController(self, controller: SCSIController) -> None:
        """Remove a SCSI controller, which has no drives any more, from a machine that is turned off."""
        from vpcshim.hypervisor import disks
        from vpcshim.model.devices.scsi_controller import SCSIController

        if controller is None:
            raise Failure(HRESULT.E_POINTER, "a SCSI controller of the machine has to be given")
        if not isinstance(controller, SCSIController) or controller._uuid != self._uuid:
            raise Failure(_INVALID, "what is to be removed is not a SCSI controller of this machine")
        index = controller._index

        def edit(devices: Devices) -> None:
            if index not in devices.scsi_controllers:
                raise Failure(_INVALID, f"{devices.name} has no SCSI controller {index} any more")
            held = [drive.target for drive in devices.drives if drive.place[:2] == ("scsi", index)]
            if held:
                text = f"the SCSI controller {index} of {devices.name} has drives: remove {', '.join(held)} first"
                raise Failure(HRESULT.DISP_E_EXCEPTION, text)
            devices.remove_scsi_controller(index)

        with self._turned_off("removing a SCSI controller") as (domain, _):
            disks.change(domain, edit)

    @propget(vs=0x60020043, vt=VT.ARRAY | VT.VARIANT, elements=VT.UI1, fails=_UNKNOWN)
    def AttachedDriveTypes(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """What is attached where (VMDriveType as VT_UI1): by bus type (IDE, SCSI), bus number, and device.

        Each dimension is as long as SCSI needs it: 2 x 4 x 7. Drives on buses that the product never had are not
        in it.
        """
        longest = (buses.SCSI_BUSES, buses.SCSI_DEVICES)
        return self._types("ide", *longest), self._types("scsi", *longest)


class PCDrives(Drives):
    """The members as Windows Virtual PC has them: all locations are of IDE."""

    @method(
        vpc=0x6002001F,
        vt=VT.DISPATCH,
        params=(VT.BSTR, VT.I4, VT.I4),
        fails=(
            HRESULT.E_INVALIDARG,
            HRESULT.VM_E_INVALID_HD_FILE,
            HRESULT.VM_E_UNSUPPORTED_HD_DISK_TYPE,
            *_FILE,
            _IN_USE,
            *_RUNNING_OR_SAVED,
            *_UNKNOWN,
        ),
    )
    def AddHardDiskConnection(self, hardDiskPath: str, busNumber: int, deviceNumber: int) -> HardDiskConnectionBase:
        """Attach an image as a hard disk of a machine that is turned off; as with Virtual Server, IDE only."""
        return self._add_hard_disk(hardDiskPath, buses.place_of(self._product_, None, busNumber, deviceNumber))

    @method(
        vpc=0x60020028,
        vt=VT.DISPATCH,
        params=(VT.I4, VT.I4),
        fails=(HRESULT.E_INVALIDARG, _IN_USE, _INVALID, *_RUNNING_OR_SAVED, *_UNKNOWN),
    )
    def AddDVDROMDrive(self, busNumber: int, deviceNumber: int) -> DVDDriveBase:
        """Add an empty DVD drive to a machine that is turned off."""
        return self._add_dvd(buses.place_of(self._product_, None, busNumber, deviceNumber, scsi=False))

    @propget(vpc=0x6002003D, vt=VT.ARRAY | VT.VARIANT, elements=VT.UI1, fails=_UNKNOWN)
    def AttachedDriveTypes(self) -> tuple[tuple[int, ...], ...]:
        """What is attached where (VMDriveType as VT_UI1): by IDE bus number and device, 2 x 2."""
        return self._types("ide", buses.IDE_BUSES, buses.IDE_DEVICES)
