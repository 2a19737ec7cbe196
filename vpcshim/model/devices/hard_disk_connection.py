"""IVMHardDiskConnection: a hard disk of a machine and where it is attached; and the collection of them.

Sources: the IVMHardDiskConnection pages of both products' references.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.com.variant import VT
from vpcshim.constants import VMDriveBusType
from vpcshim.hypervisor import disks
from vpcshim.model import buses
from vpcshim.model.devices import hard_disk
from vpcshim.model.devices.collection import DeviceCollection
from vpcshim.model.devices.drive import DriveObject, targets
from vpcshim.model.machine.state import Stateful

_FAILS = (HRESULT.VM_E_VM_UNKNOWN, HRESULT.VM_E_DRIVE_INVALID)
_MOVE_FAILS = (HRESULT.E_INVALIDARG, HRESULT.VM_E_DRIVE_BUS_LOC_IN_USE, *_FAILS)


class HardDiskConnectionBase(DriveObject):
    """What the connections of both products have in common; SetBusLocation takes other arguments in each."""

    _KINDS = ("disk", "lun")
    _WORD = "hard disk"

    @propget(vs=0x60020000, vpc=0x60020000, vt=VT.DISPATCH, fails=_FAILS)
    def HardDisk(self) -> hard_disk.HardDisk:
        """The image (IVMHardDisk): the original where the machine has undo disks.

        VM_E_DRIVE_INVALID for a disk that is no file and no device of the host.
        """
        return self._hard_disk(undo=False)

    @propget(
        vs=0x60020001,
        vpc=0x60020001,
        vt=VT.DISPATCH,
        fails=_FAILS,
        vpc_fails=(HRESULT.E_FILE_NOT_FOUND,),
    )
    def UndoHardDisk(self) -> hard_disk.HardDisk:
        """The undo disk (IVMHardDisk), a differencing image over the original.

        E_FILE_NOT_FOUND (Virtual Server: DISP_E_EXCEPTION) when the machine has none now.
        """
        return self._hard_disk(undo=True)

    def _hard_disk(self, *, undo: bool) -> hard_disk.HardDisk:
        with self._domain() as domain:
            devices = disks.read(domain)
            drive = self._found(devices)
            over = devices.undo(drive)
        if undo and over is None:
            text = f"the hard disk {drive.target} of {devices.name} has no undo disk now: see Undoable"
            raise Failure(HRESULT.E_FILE_NOT_FOUND, text)
        if over is not None:
            path, form = (over.overlay, "qcow2") if undo else (over.original, over.format)
            return hard_disk.HardDisk(self, path, form)
        if drive.medium is None or not drive.medium.is_local:
            what = "nothing" if drive.medium is None else f"{drive.medium.kind} {drive.medium.path}"
            text = f"the hard disk {drive.target} of {devices.name} is {what}, which is no file of the host"
            raise Failure(HRESULT.VM_E_DRIVE_INVALID, text)
        return hard_disk.HardDisk(self, Path(drive.medium.path), drive.medium.format)

    @propget(vs=0x60020003, vt=VT.I4, fails=_FAILS)
    def BusType(self) -> VMDriveBusType:
        """The kind of bus (VMDriveBusType); vmDriveBusType_Invalid for one that the product does not have."""
        return self._location()[0]

    @propget(vs=0x60020004, vpc=0x60020003, vt=VT.I4, fails=_FAILS)
    def BusNumber(self) -> int:
        """The number of the bus: IDE 0 and 1, the number of the SCSI controller; others as in `model/buses.py`."""
        return self._location()[1]

    @propget(vs=0x60020005, vpc=0x60020004, vt=VT.I4, fails=_FAILS)
    def DeviceNumber(self) -> int:
        """The number of the device on its bus, from 0."""
        return self._location()[2]


class HardDiskConnectionVS(
    HardDiskConnectionBase,
    interface="IVMHardDiskConnection",
    vs="{D4454260-B414-4CE3-BF8D-E516E21A3133}",
):
    """The connection of Virtual Server."""

    @method(vs=0x60020002, params=(VT.I4, VT.I4, VT.I4), fails=(HRESULT.VM_E_VM_RUNNING, *_MOVE_FAILS))
    def SetBusLocation(self, busType: int, busNumber: int, deviceNumber: int) -> None:
        """Attach the hard disk elsewhere, while the machine is turned off.

        E_INVALIDARG where there is no such location, VM_E_DRIVE_BUS_LOC_IN_USE where another drive has it.
        """
        self._move(buses.place_of(self._product_, busType, busNumber, deviceNumber))


class HardDiskConnectionVPC(
    HardDiskConnectionBase,
    interface="IVMHardDiskConnection",
    vpc="{AEFA36A5-463A-46AE-9E6C-A1FB4E12E671}",
):
    """The connection of Windows Virtual PC."""

    @method(vpc=0x60020002, params=(VT.I4, VT.I4), fails=(HRESULT.VM_E_VM_RUNNING_OR_SAVED, *_MOVE_FAILS))
    def SetBusLocation(self, vmBusNumber: int, vmDeviceNumber: int) -> None:
        """Attach the hard disk elsewhere, while the machine is turned off; as with Virtual Server, IDE only."""
        self._move(buses.place_of(self._product_, None, vmBusNumber, vmDeviceNumber))


def connection(machine: Stateful, target: str) -> HardDiskConnectionBase:
    """The connection of the hard disk of that name."""
    kind = HardDiskConnectionVS if machine._product_ is Product.VIRTUAL_SERVER else HardDiskConnectionVPC
    return kind(machine, target)


class HardDiskConnectionCollection(
    DeviceCollection[HardDiskConnectionBase],
    interface="IVMHardDiskConnectionCollection",
    vs="{D0BFD2B3-33B2-466D-9C47-6E4A428D0C6B}",
    vpc="{B9F2CAF4-0AEB-4085-B105-CEDDB90DBF62}",
):
    """The hard disks of a machine, by their locations."""

    def _items_(self) -> Sequence[HardDiskConnectionBase]:
        return [connection(self, target) for target in targets(self, HardDiskConnectionBase._KINDS)]
