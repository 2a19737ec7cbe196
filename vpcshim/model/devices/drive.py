"""What the drives of a machine have in common: finding them, and moving them to another bus location."""

from __future__ import annotations

from pathlib import Path
from stat import S_ISBLK

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.hypervisor import disks
from vpcshim.hypervisor.disks import Devices, Drive, Medium, Place
from vpcshim.model import buses, images
from vpcshim.model.devices.base import DeviceObject
from vpcshim.model.machine.state import Stateful

_HELD = "with what its drives held"


class DriveObject(DeviceObject):
    """A drive of a machine, known by its name there (`<target dev>`)."""

    _KINDS: tuple[str, ...] = ()
    _WORD = "drive"

    def _found(self, devices: Devices) -> Drive:
        """This drive.

        Raises:
            Failure: VM_E_DRIVE_INVALID: it was removed, or moved through another object.
        """
        drive = devices.drive(self._device)
        if drive is None or drive.device not in self._KINDS:
            text = f"{devices.name} has no {self._WORD} {self._device} any more: get it from the collection anew"
            raise Failure(HRESULT.VM_E_DRIVE_INVALID, text)
        return drive

    def _drive(self) -> Drive:
        """This drive as it is now. Raises Failure as `_found`."""
        with self._domain() as domain:
            return self._found(disks.read(domain))

    def _location(self) -> buses.Location:
        return buses.location_of(self._drive().place, self._product_)

    def _move(self, place: Place) -> None:
        """Attach it to another place.

        Raises:
            Failure: VM_E_DRIVE_BUS_LOC_IN_USE, VM_E_DRIVE_INVALID, E_INVALIDARG, or the machine is not off.
        """

        def edit(devices: Devices) -> str:
            drive = self._found(devices)
            if drive.place == place:
                return drive.target
            refuse_undo(devices, drive)
            buses.check_bus(devices, place, self._product_)
            buses.check_free(devices, place)
            return devices.move(drive.target, place)

        with self._turned_off("moving a drive") as (domain, _):
            self._device = disks.change(domain, edit)


class MediaDrive(DriveObject):
    """A drive whose medium can be changed."""

    def _medium(self) -> Medium | None:
        return self._drive().medium

    def _insert(self, medium: Medium, in_use: HRESULT, otherwise: tuple[HRESULT, ...] = ()) -> None:
        """Put a medium into the empty drive.

        Args:
            medium: The medium.
            in_use: The code for a drive that is not empty.
            otherwise: Further codes for that.

        Raises:
            Failure: As said, or VM_E_DRIVE_INVALID.
        """
        with self._domain(write=True) as domain:
            devices = disks.read(domain)
            drive = self._found(devices)
            self._refuse_saved(domain, _HELD)
            if drive.medium is not None:
                text = (
                    f"the {self._WORD} {drive.target} of {devices.name} holds {drive.medium.path}: release it first"
                )
                raise Failure(in_use, text, otherwise=otherwise)
            disks.insert(domain, drive.target, medium)
        self._server.changed(self._uuid)

    def _release(self, host_drive: bool, empty: HRESULT) -> None:
        """Take the medium out.

        Raises:
            Failure: `empty` for a drive without one; VM_E_MEDIA_WRONG_TYPE, VM_E_DRIVE_INVALID.
        """
        with self._domain(write=True) as domain:
            devices = disks.read(domain)
            drive = self._found(devices)
            if drive.medium is None:
                raise Failure(empty, f"the {self._WORD} {drive.target} of {devices.name} is empty")
            self._check_kind(drive, host_drive)
            self._refuse_saved(domain, _HELD)
            disks.insert(domain, drive.target, None)
        self._server.changed(self._uuid)

    def _check_kind(self, drive: Drive, host_drive: bool) -> None:
        held = drive.medium
        if held is None or (held.kind == "block") is not host_drive:
            what = "nothing" if held is None else held.path
            wanted = "a drive of the host" if host_drive else "an image"
            text = f"the {self._WORD} {drive.target} holds {what}, which is not {wanted}"
            raise Failure(HRESULT.VM_E_MEDIA_WRONG_TYPE, text)

    def _image(self, path: str) -> Medium:
        """The medium of an image that a script names.

        Raises:
            Failure: The path is none, or there is no such file.
        """
        host = images.existing(self, path)
        if host.is_block_device():
            raise Failure(HRESULT.E_INVALIDARG, f"{path} is a drive of the host, not an image: see AttachHostDrive")
        # An image of removable media is raw, whatever it looks like: nothing else is ever tried.
        return Medium("file", str(host), images.RAW)

    def _host_drive(self, name: str) -> Medium:
        """The medium of a drive of the host, named by its device (`/dev/sr0`, or `sr0`).

        Raises:
            Failure: E_INVALIDARG.
        """
        images.need_local(self)
        path = Path(name if name.startswith("/dev/") else f"/dev/{name}")
        try:
            is_drive = ".." not in path.parts and S_ISBLK(path.stat().st_mode)
        except (OSError, ValueError):
            is_drive = False
        if not is_drive:
            text = (
                f"{name!r} is no drive of the host: its drives are named by their devices, as /dev/sr0 or /dev/fd0"
            )
            raise Failure(HRESULT.E_INVALIDARG, text)
        return Medium("block", str(path), images.RAW)


def refuse_undo(devices: Devices, drive: Drive) -> None:
    """Refuse to change a drive that has an undo disk: what was written since would be lost.

    Raises:
        Failure: DISP_E_EXCEPTION.
    """
    if devices.undo(drive) is not None:
        text = f"the drive {drive.target} of {devices.name} has an undo disk: merge or discard the undo disks first"
        raise Failure(HRESULT.DISP_E_EXCEPTION, text)


def targets(machine: Stateful, kinds: tuple[str, ...]) -> list[str]:
    """The names of a machine's drives of these kinds, in the order of their locations."""
    with machine._domain() as domain:
        found = [drive for drive in disks.read(domain).drives if drive.device in kinds]
    product = machine._product_
    # IDE and SCSI before the buses that the products do not have (whose type is -1).
    found.sort(key=lambda drive: (_after(buses.location_of(drive.place, product)), drive.target))
    return [drive.target for drive in found]


def _after(location: buses.Location) -> tuple[bool, int, int, int]:
    bus_type, bus, device = location
    return bus_type is buses.OTHER, int(bus_type), bus, device
