"""The one table of the configuration values that are the domain's own: read from it, and written to it.

Each row is a key of .vmc files, what it is answered from, and the property whose setter writes it. Every other key,
also one that a customer made up, is kept in the metadata of the machine's definition.
"""

from __future__ import annotations

import ntpath
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vpcshim.hypervisor.disks import Place
from vpcshim.hypervisor.hardware import Hardware, firmware_of
from vpcshim.hypervisor.ports import Port
from vpcshim.hypervisor.settings import Settings
from vpcshim.model import portnames, undoing
from vpcshim.model.configuration.keys import Key
from vpcshim.model.devices import serial_port
from vpcshim.model.paths import DriveMap
from vpcshim.values import Value

if TYPE_CHECKING:
    import libvirt

    from vpcshim.hypervisor.disks import Drive


@dataclass(frozen=True)
class Facts:
    """What the rows read.

    Attributes:
        domain: The machine.
        hardware: What it is made of, by the XML that is asked: the definition's, or the running domain's.
        settings: Reads what the metadata in that XML hold.
        paths: How a path of the host is written for the script.
    """

    domain: libvirt.virDomain
    hardware: Hardware
    settings: Callable[[], Settings]
    paths: DriveMap


Read = Callable[[Facts, tuple[int, ...]], Value | None]


@dataclass(frozen=True)
class Row:
    """One value of the domain.

    Attributes:
        key: The key, `[@id=*]` where elements are numbered.
        kind: The Python type of the value.
        read: The value; None where the machine has no such thing.
        put: The name of the setter that writes it; "" for a value that is only read.
        instead: What changes it, for the message that refuses to set it.
    """

    key: str
    kind: type
    read: Read
    put: str = ""
    instead: str = ""


def find(key: Key) -> Row | None:
    """The row of that key; None for a key that is kept in the metadata."""
    return _ROWS.get(key.pattern)


def beside(key: Key) -> str | None:
    """The key of the table inside of which that key is, or the other way round; None for none."""
    name = key.pattern
    return next((own for own in _ROWS if own.startswith(f"{name}/") or name.startswith(f"{own}/")), None)


def _firmware(table: str, entry: str) -> Read:
    return lambda facts, _: firmware_of(facts.domain, facts.hardware, table, entry) or None


def _mac(facts: Facts, numbers: tuple[int, ...]) -> Value | None:
    adapters = facts.hardware.adapters[numbers[0] : numbers[0] + 1]
    return bytes.fromhex(adapters[0].mac.replace(":", "")) or None if adapters else None


def _network(facts: Facts, numbers: tuple[int, ...]) -> Value | None:
    adapters = facts.hardware.adapters[numbers[0] : numbers[0] + 1]
    return adapters[0].network or None if adapters else None


# How .vmc files number what is at a place of an IDE channel, and what a port is connected to.
_DRIVE_TYPES = {"disk": 1, "cdrom": 2}
_NOTHING, _HOST_PORT, _TEXT_FILE, _PIPE = 0, 1, 2, 3
_PORT_TYPES = {
    **dict.fromkeys(("", "null"), _NOTHING),
    **dict.fromkeys(("dev", "pty"), _HOST_PORT),
    "file": _TEXT_FILE,
    **dict.fromkeys(("pipe", "unix"), _PIPE),
}


def _at(bus: str) -> Callable[[Facts, tuple[int, ...]], Drive | None]:
    """The drive at the place that the numbers of a key name: of controller and unit; of floppies the unit alone."""

    def find(facts: Facts, numbers: tuple[int, ...]) -> Drive | None:
        *controllers, unit = numbers
        # Several SCSI adapters of one controller each, or one of several controllers: as .vmc files are read.
        return facts.hardware.devices.at(Place(bus, next(filter(None, reversed(controllers)), 0), unit))

    return find


def _drive_type(bus: str) -> Read:
    def read(facts: Facts, numbers: tuple[int, ...]) -> Value | None:
        drive = _at(bus)(facts, numbers)
        if drive is not None:
            return _DRIVE_TYPES.get(drive.device)
        return 0 if bus == "ide" and max(numbers) <= 1 else None  # a PC has two channels with two places each

    return read


def _path(bus: str, *, undo: bool = False, relative: bool = False) -> Read:
    """The path of what is in a drive, of its original or its undo disk; as Windows writes it below the .vmc."""

    def read(facts: Facts, numbers: tuple[int, ...]) -> Value | None:
        drive = _at(bus)(facts, numbers)
        if drive is None or drive.medium is None or not drive.medium.is_local:
            return None
        over = facts.hardware.devices.undo(drive)
        if undo and over is None:
            return None
        path = drive.medium.path if over is None or undo else str(over.original)
        return relative_to(facts.settings().file, path, facts.paths) if relative else facts.paths.to_script(path)

    return read


def relative_to(file: str, path: str, paths: DriveMap) -> str | None:
    r"""A path of the host from the folder of a .vmc on, as `.\hda.vhd`; None without a .vmc on the same drive."""
    shown, home = paths.to_script(path), paths.to_script(file) if file else ""
    if home.startswith("/") and shown.startswith("/"):
        below = os.path.relpath(shown, os.path.dirname(home)).replace("/", ntpath.sep)
    elif home[1:2] == ":" and home[:2] == shown[:2]:
        below = ntpath.relpath(shown, ntpath.dirname(home))
    else:
        return None
    return below if below.startswith("..") else f".\\{below}"


def _serial(facts: Facts, number: int) -> Port | None:
    ports = facts.hardware.serials
    if number < len(ports):
        return ports[number]
    return Port(number) if number < serial_port.PORTS else None


def _serial_type(facts: Facts, numbers: tuple[int, ...]) -> Value | None:
    port = _serial(facts, numbers[0])
    return None if port is None else _PORT_TYPES.get(port.type)


def _serial_path(kind: int) -> Read:
    def read(facts: Facts, numbers: tuple[int, ...]) -> Value | None:
        port = _serial(facts, numbers[0])
        if port is None or not port.path or _PORT_TYPES.get(port.type) != kind:
            return None
        return facts.paths.to_script(port.path) if kind == _TEXT_FILE else portnames.pipe_of(port.path) or port.path

    return read


def _parallel_type(facts: Facts, _numbers: tuple[int, ...]) -> Value | None:
    ports = facts.hardware.parallels
    return _PORT_TYPES.get(ports[0].type) if ports else _NOTHING


# The keys that the setters of properties tell listeners of.
MEMORY = "hardware/memory/ram_size"
BIOS_GUID, BIOS_SERIAL_NUMBER = "hardware/bios/bios_guid", "hardware/bios/bios_serial_number"
BASE_BOARD_SERIAL_NUMBER = "hardware/bios/base_board/serial_number"
CHASSIS_SERIAL_NUMBER, CHASSIS_ASSET_TAG = "hardware/bios/chassis/serial_number", "hardware/bios/chassis/asset_tag"
AUTO_START = "settings/startup/automatic/type"
_ETHERNET = "hardware/pci_bus/ethernet_adapter"
_CONTROLLER = f"{_ETHERNET}/ethernet_controller[@id=*]"
_IDE = "hardware/pci_bus/ide_adapter/ide_controller[@id=*]/location[@id=*]"
# Whatever Virtual Server numbers: adapters, their controllers, or both.
_SCSI = tuple(
    f"hardware/pci_bus/scsi_adapter{adapter}{controller}/location[@id=*]"
    for adapter in ("", "[@id=*]")
    for controller in ("", "/scsi_controller", "/scsi_controller[@id=*]")
)
_SERIAL = "hardware/super_io/serial_port[@id=*]"
_MEDIA = "the drive's own object (IVMHardDiskConnection, IVMDVDDrive, IVMFloppyDrive)"
_UNDO = "Undoable, MergeUndoDisks and DiscardUndoDisks"


def _medium(drive: str, bus: str) -> tuple[Row, ...]:
    return (
        Row(f"{drive}/pathname/absolute", str, _path(bus), instead=_MEDIA),
        Row(f"{drive}/pathname/relative", str, _path(bus, relative=True), instead=_MEDIA),
    )


def _drive_rows(drive: str, bus: str) -> tuple[Row, ...]:
    return (
        Row(f"{drive}/drive_type", int, _drive_type(bus), instead=_MEDIA),
        *_medium(drive, bus),
        Row(f"{drive}/undo_pathname/absolute", str, _path(bus, undo=True), instead=_UNDO),
        Row(f"{drive}/undo_pathname/relative", str, _path(bus, undo=True, relative=True), instead=_UNDO),
    )


_ROWS = {
    row.key: row
    for row in (
        Row(MEMORY, int, lambda facts, _: facts.hardware.memory, put="_put_Memory"),
        Row(
            "hardware/pci_bus/video_adapter/vram_size",
            int,
            lambda facts, _: facts.hardware.video,
            instead="virsh edit (<video><model vram=.../>)",
        ),
        Row(
            f"{_ETHERNET}/controller_count",
            int,
            lambda facts, _: len(facts.hardware.adapters),
            instead="AddNetworkAdapter and RemoveNetworkAdapter",
        ),
        Row(f"{_CONTROLLER}/ethernet_card_address", bytes, _mac, instead="IVMNetworkAdapter.EthernetAddress"),
        Row(
            f"{_CONTROLLER}/virtual_network/name",
            str,
            _network,
            instead="IVMNetworkAdapter.AttachToVirtualNetwork",
        ),
        *_drive_rows(_IDE, "ide"),
        *(row for drive in _SCSI for row in _drive_rows(drive, "scsi")),
        *_medium("hardware/super_io/floppy[@id=*]", "fdc"),
        Row(f"{_SERIAL}/port_type", int, _serial_type, instead="IVMSerialPort.Configure"),
        Row(f"{_SERIAL}/text_file_path", str, _serial_path(_TEXT_FILE), instead="IVMSerialPort.Configure"),
        Row(f"{_SERIAL}/pipe_name", str, _serial_path(_PIPE), instead="IVMSerialPort.Configure"),
        Row("hardware/super_io/parallel_port/port_type", int, _parallel_type, instead="IVMParallelPort.Name"),
        Row(BIOS_GUID, str, lambda facts, _: f"{{{facts.hardware.uuid.upper()}}}", put="_put_BIOSGUID"),
        Row(BIOS_SERIAL_NUMBER, str, _firmware("system", "serial"), put="_put_BIOSSerialNumber"),
        Row(BASE_BOARD_SERIAL_NUMBER, str, _firmware("baseBoard", "serial"), put="_put_BaseBoardSerialNumber"),
        Row(CHASSIS_SERIAL_NUMBER, str, _firmware("chassis", "serial"), put="_put_ChassisSerialNumber"),
        Row(CHASSIS_ASSET_TAG, str, _firmware("chassis", "asset"), put="_put_ChassisAssetTag"),
        # The numbers of VMAutoStartType.
        Row(AUTO_START, int, lambda facts, _: int(bool(facts.domain.autostart())), put="_put_AutoStartAtLaunch"),
        # Kept in the metadata, but set as by the property, which looks after the undo disks that there are.
        Row(undoing.ENABLED, bool, lambda facts, _: undoing.enabled(facts.settings()), put="_put_Undoable"),
        Row(undoing.ACTION, int, lambda facts, _: int(undoing.action(facts.settings())), put="_put_UndoAction"),
    )
}
