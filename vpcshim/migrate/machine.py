"""What a .vmc says of a machine's hardware, and the .vmc keys of such hardware: no libvirt, no files.

Sources: files of Virtual PC 2004 and 2007 and of Windows Virtual PC. Virtual Server's SCSI adapters are read
leniently, whatever their controllers are called: what is below a `location` is the same as on IDE.
"""

from __future__ import annotations

import re
import uuid as uuids
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from vpcshim.migrate.vmc import BadVmc, Values
from vpcshim.values import Value

_HARDWARE = "hardware/"
RAM_SIZE = "hardware/memory/ram_size"
_MOST_MEMORY = (1 << 31) - 1  # MB; what a script can be told of
_BIOS = "hardware/bios"
_ETHERNET = "hardware/pci_bus/ethernet_adapter"
_LOCATION = re.compile(
    r"hardware/pci_bus/(?P<bus>ide|scsi)_adapter(?:\[@id=(?P<adapter>\d+)\])?"
    r"(?:/\w+(?:\[@id=(?P<controller>\d+)\])?)?/location\[@id=(?P<location>\d+)\]/(?P<rest>.+)"
)
_NIC = re.compile(_ETHERNET + r"/ethernet_controller(?:\[@id=(\d+)\])?/(.+)")
_FLOPPY = re.compile(r"hardware/super_io/floppy(?:\[@id=(\d+)\])?/pathname/(absolute|relative)")
_PORT = re.compile(r"hardware/super_io/(serial|parallel)_port(?:\[@id=(\d+)\])?/(\w+)")
_CD, _VHD = 2, 1
_MOST_PORTS = 4  # a PC has no more of a kind
_HOST_PORT, _TEXT_FILE, _PIPE = 1, 2, 3

Bus = Literal["ide", "scsi", "floppy"]
DriveKind = Literal["disk", "cdrom", "floppy"]
PortKind = Literal["none", "host", "file", "pipe"]


@dataclass(frozen=True, slots=True)
class Place:
    """A path as a .vmc has it: absolute, and relative to the .vmc's folder; "" for none of that kind."""

    absolute: str = ""
    relative: str = ""

    def __bool__(self) -> bool:
        return bool(self.absolute or self.relative)


@dataclass(frozen=True, slots=True)
class Drive:
    """A drive: where it is, what it is, what is in it (nothing: an empty one), and its undo disk."""

    bus: Bus
    controller: int
    location: int
    kind: DriveKind
    image: Place = field(default_factory=Place)
    undo: Place = field(default_factory=Place)


@dataclass(frozen=True, slots=True)
class Nic:
    """A network adapter: its MAC address (`00:03:ff:...`, None for none yet) and its network's name ("": none)."""

    mac: str | None = None
    network: str = ""


@dataclass(frozen=True, slots=True)
class Port:
    """A serial or parallel port and what it is connected to: the file, the pipe, or the host's port."""

    kind: PortKind = "none"
    path: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the BIOS tells the guest; "" for what is not set."""

    bios_serial: str = ""
    base_board_serial: str = ""
    chassis_serial: str = ""
    chassis_asset_tag: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """The hardware of a machine; memory in MB, None where the file says none."""

    memory: int | None = None
    uuid: str | None = None
    drives: tuple[Drive, ...] = ()
    nics: tuple[Nic, ...] = ()
    serials: tuple[Port, ...] = ()
    parallels: tuple[Port, ...] = ()
    identity: Identity = field(default_factory=Identity)
    notes: str = ""


_IDENTITY = {
    "bios_serial": f"{_BIOS}/bios_serial_number",
    "base_board_serial": f"{_BIOS}/base_board/serial_number",
    "chassis_serial": f"{_BIOS}/chassis/serial_number",
    "chassis_asset_tag": f"{_BIOS}/chassis/asset_tag",
}
BIOS_GUID = f"{_BIOS}/bios_guid"
# What `write` writes below a place of a drive, an adapter, a floppy drive and a port.
_LEAVES = frozenset(
    (
        *("drive_type", "pathname/absolute", "pathname/relative", "undo_pathname/absolute"),
        *("undo_pathname/relative", "ethernet_card_address", "virtual_network/name", "absolute", "relative"),
        *("port_type", "text_file_path", "pipe_name", "port_name"),
    )
)
NOTES = "vpcshim/notes"  # the products keep them elsewhere


def read(values: Values) -> Machine:
    """The hardware that the values of a .vmc describe; what they do not say has its default.

    Raises:
        BadVmc: They describe none, or a memory that no machine has.
    """
    if not any(key.startswith(_HARDWARE) for key in values):
        raise BadVmc(f"it has nothing below {_HARDWARE}, where its hardware stands ({RAM_SIZE} above all)")
    return Machine(
        memory=_memory(values),
        uuid=_guid(_text(values, BIOS_GUID)),
        drives=(*_drives(values), *_floppies(values)),
        nics=tuple(_nics(values)),
        serials=_ports(values, "serial"),
        parallels=_ports(values, "parallel"),
        identity=Identity(**{name: _text(values, key).strip() for name, key in _IDENTITY.items()}),
        notes=_text(values, NOTES),
    )


def write(machine: Machine) -> dict[str, Value]:
    """The values with which a .vmc describes that hardware."""
    values: dict[str, Value] = {} if machine.memory is None else {RAM_SIZE: machine.memory}
    if machine.uuid is not None:
        values[BIOS_GUID] = f"{{{machine.uuid.upper()}}}"
    for name, key in _IDENTITY.items():
        text = getattr(machine.identity, name)
        if text:
            values[key] = text
    values[f"{_ETHERNET}/controller_count"] = len(machine.nics)
    for number, nic in enumerate(machine.nics):
        at = f"{_ETHERNET}/ethernet_controller[@id={number}]"
        if nic.mac is not None:
            values[f"{at}/ethernet_card_address"] = bytes.fromhex(nic.mac.replace(":", ""))
        values[f"{at}/virtual_network/name"] = nic.network
    for drive in machine.drives:
        values.update(_drive_values(drive))
    for name, ports in (("serial", machine.serials), ("parallel", machine.parallels)):
        for number, port in enumerate(ports):
            values.update(_port_values(name, number, port))
    if machine.notes:
        values[NOTES] = machine.notes
    return values


def described(key: str) -> bool:
    """Whether a key is one that `write` may write: what was read of it is in the hardware."""
    if key in (RAM_SIZE, BIOS_GUID, NOTES, f"{_ETHERNET}/controller_count", *_IDENTITY.values()):
        return True
    found = next(filter(None, (pattern.fullmatch(key) for pattern in (_LOCATION, _NIC, _FLOPPY, _PORT))), None)
    return found is not None and found[found.re.groups] in _LEAVES


def _memory(values: Values) -> int | None:
    size = values.get(RAM_SIZE)
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= _MOST_MEMORY):
        raise BadVmc(f"{RAM_SIZE} is {str(size)[:40]!r}, and the size of a memory is 1 to {_MOST_MEMORY} MB")
    return size


def _text(values: Values, key: str) -> str:
    found = values.get(key, "")
    return found if isinstance(found, str) else ""


def _guid(text: str) -> str | None:
    try:
        found = uuids.UUID(text.strip())
    except ValueError:
        return None
    return None if found.int in (0, (1 << 128) - 1) else str(found)


def _drives(values: Values) -> Iterator[Drive]:
    found: dict[tuple[str, int, int], dict[str, Value]] = {}
    for key, value in values.items():
        match = _LOCATION.fullmatch(key)
        if match:
            # Several adapters of one controller each, or one adapter of several controllers.
            controller = int(match["controller"] or 0) or int(match["adapter"] or 0)
            found.setdefault((match["bus"], controller, int(match["location"])), {})[match["rest"]] = value
    for (bus, controller, location), held in found.items():
        kind = held.get("drive_type", _VHD if _place(held, "pathname") else 0)
        if kind in (_VHD, _CD):
            yield Drive(
                "ide" if bus == "ide" else "scsi",
                controller,
                location,
                "cdrom" if kind == _CD else "disk",
                _place(held, "pathname"),
                _place(held, "undo_pathname"),
            )


def _place(held: Values, name: str) -> Place:
    return Place(_text(held, f"{name}/absolute").strip(), _text(held, f"{name}/relative").strip())


def _floppies(values: Values) -> Iterator[Drive]:
    found: dict[int, dict[str, Value]] = {}
    for key, value in values.items():
        match = _FLOPPY.fullmatch(key)
        if match:
            found.setdefault(int(match[1] or 0), {})[f"pathname/{match[2]}"] = value
    for number, held in found.items():
        yield Drive("floppy", 0, number, "floppy", _place(held, "pathname"))


def _nics(values: Values) -> Iterator[Nic]:
    found: dict[int, dict[str, Value]] = {}
    for key, value in values.items():
        match = _NIC.fullmatch(key)
        if match:
            found.setdefault(int(match[1] or 0), {})[match[2]] = value
    count = values.get(f"{_ETHERNET}/controller_count")
    for number in sorted(found):
        if isinstance(count, int) and number >= count:
            continue  # described, and taken out
        address = found[number].get("ethernet_card_address")
        mac = address.hex(":") if isinstance(address, bytes) and len(address) == 6 and any(address) else None
        yield Nic(mac, _text(found[number], "virtual_network/name").strip())


def _ports(values: Values, name: str) -> tuple[Port, ...]:
    found: dict[int, dict[str, Value]] = {}
    for key, value in values.items():
        match = _PORT.fullmatch(key)
        if match and match[1] == name:
            found.setdefault(int(match[2] or 0), {})[match[3]] = value
    count = min(max(found, default=-1) + 1, _MOST_PORTS)
    return tuple(_port(found.get(number, {})) for number in range(count))


def _port(held: Values) -> Port:
    match held.get("port_type"):
        case 1:
            return Port("host", next((_text(held, key) for key in held if key.endswith("port_name")), ""))
        case 2:
            return Port("file", _text(held, "text_file_path").strip())
        case 3:
            return Port("pipe", _text(held, "pipe_name").strip())
    return Port()


def _drive_values(drive: Drive) -> dict[str, Value]:
    if drive.bus == "floppy":
        at = f"hardware/super_io/floppy[@id={drive.location}]"
        values: dict[str, Value] = {}
    else:
        at = (
            f"hardware/pci_bus/{drive.bus}_adapter/{drive.bus}_controller[@id={drive.controller}]"
            f"/location[@id={drive.location}]"
        )
        values = {f"{at}/drive_type": _CD if drive.kind == "cdrom" else _VHD}
    for name, place in (("pathname", drive.image), ("undo_pathname", drive.undo)):
        if place or (name == "pathname" and drive.bus == "floppy"):
            values[f"{at}/{name}/absolute"] = place.absolute
            values[f"{at}/{name}/relative"] = place.relative
    return values


def _port_values(name: str, number: int, port: Port) -> dict[str, Value]:
    at = f"hardware/super_io/{name}_port" + (f"[@id={number}]" if name == "serial" or number else "")
    kinds = {"none": 0, "host": _HOST_PORT, "file": _TEXT_FILE, "pipe": _PIPE}
    values: dict[str, Value] = {f"{at}/port_type": kinds[port.kind]}
    if port.kind == "file":
        values[f"{at}/text_file_path"] = port.path
    elif port.kind == "pipe":
        values[f"{at}/pipe_name"] = port.path
    elif port.kind == "host":
        values[f"{at}/port_name"] = port.path
    return values
