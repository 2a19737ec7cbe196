"""The one table of the configuration values that are the domain's own: read from it, and written to it.

Each row is a key of .vmc files, what it is answered from, and the property whose setter writes it. Every other key,
also one that a customer made up, is kept in the metadata of the machine's definition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vpcshim.hypervisor.hardware import Drive, Hardware
from vpcshim.hypervisor.settings import Value
from vpcshim.model import undoing
from vpcshim.model.configuration.keys import Key
from vpcshim.model.paths import DriveMap


@dataclass(frozen=True)
class Facts:
    """What the rows read.

    Attributes:
        hardware: What the machine is made of, by the XML that is asked: the definition's, or the running domain's.
        paths: How a path of the host is written for the script.
        autostart: Asks libvirt whether the machine is started with the host.
        kept: What is kept in the metadata.
    """

    hardware: Hardware
    paths: DriveMap
    autostart: Callable[[], bool]
    kept: Callable[[], Mapping[str, Value]]


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


def _firmware(table: str, entry: str) -> Read:
    def read(facts: Facts, _numbers: tuple[int, ...]) -> Value | None:
        hardware = facts.hardware
        return hardware.firmware.get((table, entry)) or None if hardware.smbios == "sysinfo" else None

    return read


def _mac(facts: Facts, numbers: tuple[int, ...]) -> Value | None:
    adapters = facts.hardware.adapters[numbers[0] : numbers[0] + 1]
    return bytes.fromhex(adapters[0].mac.replace(":", "")) or None if adapters else None


def _network(facts: Facts, numbers: tuple[int, ...]) -> Value | None:
    adapters = facts.hardware.adapters[numbers[0] : numbers[0] + 1]
    return adapters[0].network or None if adapters else None


def _ide(facts: Facts, numbers: tuple[int, ...]) -> Drive | None:
    return facts.hardware.drive("ide", *numbers)


# How .vmc files number what is at a place of an IDE channel, and what a port is connected to.
_DRIVE_TYPES = {"disk": 1, "cdrom": 2}
_NOTHING, _HOST_PORT, _TEXT_FILE, _PIPE = 0, 1, 2, 3
_PORT_TYPES = {"null": _NOTHING, "dev": _HOST_PORT, "file": _TEXT_FILE, "pipe": _PIPE, "unix": _PIPE}


def _drive_type(facts: Facts, numbers: tuple[int, ...]) -> Value | None:
    drive = _ide(facts, numbers)
    if drive is not None:
        return _DRIVE_TYPES.get(drive.device)
    return 0 if max(numbers) <= 1 else None  # a PC has two channels with two places each


def _ide_path(facts: Facts, numbers: tuple[int, ...]) -> Value | None:
    drive = _ide(facts, numbers)
    return facts.paths.to_script(drive.path) if drive is not None and drive.path else None


def _floppy_path(facts: Facts, numbers: tuple[int, ...]) -> Value | None:
    drive = facts.hardware.drive("fdc", 0, *numbers)
    return facts.paths.to_script(drive.path) if drive is not None and drive.path else None


def _serial_type(facts: Facts, numbers: tuple[int, ...]) -> Value | None:
    ports = facts.hardware.serials[numbers[0] : numbers[0] + 1]
    return _PORT_TYPES.get(ports[0].type) if ports else None


def _serial_path(kind: int) -> Read:
    def read(facts: Facts, numbers: tuple[int, ...]) -> Value | None:
        ports = facts.hardware.serials[numbers[0] : numbers[0] + 1]
        if not ports or _PORT_TYPES.get(ports[0].type) != kind:
            return None
        return facts.paths.to_script(ports[0].path) or None if ports[0].path else None

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
_SERIAL = "hardware/super_io/serial_port[@id=*]"
_MEDIA = "the drive's own object (IVMHardDiskConnection, IVMDVDDrive, IVMFloppyDrive)"

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
        Row(f"{_IDE}/drive_type", int, _drive_type, instead=_MEDIA),
        Row(f"{_IDE}/pathname/absolute", str, _ide_path, instead=_MEDIA),
        Row("hardware/super_io/floppy[@id=*]/pathname/absolute", str, _floppy_path, instead=_MEDIA),
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
        Row(AUTO_START, int, lambda facts, _: int(facts.autostart()), put="_put_AutoStartAtLaunch"),
        # Kept in the metadata, but set as by the property, which looks after the undo disks that there are.
        Row(undoing.ENABLED, bool, lambda facts, _: facts.kept().get(undoing.ENABLED), put="_put_Undoable"),
        Row(undoing.ACTION, int, lambda facts, _: facts.kept().get(undoing.ACTION), put="_put_UndoAction"),
    )
}
