"""What the drives of a machine have in common: finding them, and moving them to another bus location."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISBLK

import libvirt

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

    _READS = False  # whether the guest can only read what it holds

    def _medium(self) -> Medium | None:
        return self._drive().medium

    def _insert(
        self,
        medium: Medium,
        in_use: HRESULT,
        otherwise: tuple[HRESULT, ...] = (),
        taken: tuple[HRESULT, ...] = (),
    ) -> None:
        """Put a medium into the empty drive.

        Args:
            medium: The medium.
            in_use: The code for a drive that is not empty.
            otherwise: Further codes for that.
            taken: Further codes for a medium that somebody else uses.

        Raises:
            Failure: As said, E_SHARING_VIOLATION (or one of `taken`), or VM_E_DRIVE_INVALID.
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
            refuse_twice(devices, medium, reads=self._READS, otherwise=taken)
            refuse_used(domain.connect(), medium, reads=self._READS, otherwise=taken)
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
            Failure: The path is none, or there is no such file, or it is no image of removable media.
        """
        host = images.existing(self, path)
        if host.is_block_device():
            raise Failure(HRESULT.E_INVALIDARG, f"{path} is a drive of the host, not an image: see AttachHostDrive")
        images.check_removable(host, self._WORD)
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


def refuse_twice(
    devices: Devices, medium: Medium, *, reads: bool = False, otherwise: tuple[HRESULT, ...] = ()
) -> None:
    """Refuse a medium that a drive of the machine has already: QEMU would not start with it.

    Args:
        devices: The machine's drives.
        medium: The medium.
        reads: Whether the guest is only to read it, as it may through any number of drives.
        otherwise: Further codes.

    Raises:
        Failure: E_SHARING_VIOLATION, or one of `otherwise`.
    """
    here = os.path.realpath(medium.path)
    for drive in devices.drives:
        held = [] if drive.medium is None or not drive.medium.is_local else [drive.medium.path]
        undo = devices.undo(drive)
        held += [] if undo is None else [str(undo.original)]
        if here in map(os.path.realpath, held) and not (reads and drive.readonly):
            text = f"{medium.path} is the drive {drive.target} of {devices.name} already"
            raise Failure(HRESULT.E_SHARING_VIOLATION, text, otherwise=otherwise)


def refuse_used(
    connect: libvirt.virConnect, medium: Medium, *, reads: bool = False, otherwise: tuple[HRESULT, ...] = ()
) -> None:
    """Refuse a medium that a machine runs with or is saved with.

    Args:
        connect: The connection.
        medium: The medium.
        reads: Whether the guest is only to read it: what the others only read does not matter then.
        otherwise: Further codes.

    Raises:
        Failure: E_SHARING_VIOLATION, or one of `otherwise`.
    """
    here = os.path.realpath(medium.path)
    for path, name in disks.active_users(connect, beneath=not reads, written=reads).items():
        if os.path.realpath(path) == here:
            text = f"{medium.path} is in use: {name} runs with it, or is saved"
            raise Failure(HRESULT.E_SHARING_VIOLATION, text, otherwise=otherwise)


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
