"""What a machine of the products becomes in libvirt, and one of libvirt's in a .vmc: drives, adapters, ports, BIOS.

What has no counterpart here is not made up: it is left out, and the log says so. What a machine could not do
without (a path that no drive of the map covers, undo data that would be ruined) is refused.
"""

from __future__ import annotations

import logging
import os
import re
import uuid as uuids
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import libvirt

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.constants import VMAutoStartType, VMUndoAction
from vpcshim.hypervisor import disks, domainbuild, hardware
from vpcshim.hypervisor.errors import Unsupported, classify
from vpcshim.hypervisor.ports import Port
from vpcshim.hypervisor.registered import Registered
from vpcshim.hypervisor.settings import Settings
from vpcshim.migrate import machine as described
from vpcshim.migrate import vmc
from vpcshim.model import images, portnames, seal, undoing
from vpcshim.model.configuration import keys, table, values
from vpcshim.model.paths import DriveMap
from vpcshim.model.vmcfiles import Place
from vpcshim.values import Value

logger = logging.getLogger(__name__)

MEMORY = 128  # MB of a machine that says nothing else
# Files of the products hold some two hundred. libvirt's own check of a definition takes ever longer with them.
_MOST_VALUES = 4096
# What a Windows host calls a port, and what that is here.
_HOST_PORT = re.compile(r"(?:COM|LPT)([1-9][0-9]?):?", re.IGNORECASE)
_PORT_DEVICE = re.compile(r"/dev/(?:tty[A-Za-z]+|parport)[0-9]{1,3}")
_TEXTS = (".txt", ".log")
_DEVICES = {"serial": "/dev/ttyS", "parallel": "/dev/parport"}
# How many controllers a .vmc may speak of on a bus, and how many places there are on each: on SCSI those of QEMU's
# adapter for PCs, which are one more than the products have.
_PLACES = {"ide": (2, 2), "scsi": (4, 8), "floppy": (1, 2)}
# What stands for a drive of the product's own host: a letter alone, or a device.
_HOST_DRIVE = re.compile(r"[A-Za-z]:\\?|\\\\\.\\.*")
_SYSFS_NET = Path("/sys/class/net")
_ENTRIES = {
    "bios_serial": ("system", "serial"),
    "base_board_serial": ("baseBoard", "serial"),
    "chassis_serial": ("chassis", "serial"),
    "chassis_asset_tag": ("chassis", "asset"),
}
_SAVED_STATE = "settings/configuration/saved_state/path"
# What is kept as a value of ours, though scripts have properties for it.
_CHOSEN = (undoing.ENABLED, undoing.ACTION)
_PC_BUSES = {"ide": "ide", "sata": "ide", "scsi": "scsi", "fdc": "floppy"}


@dataclass(frozen=True, slots=True)
class Host:
    """What a .vmc is fitted to.

    Attributes:
        connect: The server, which may write.
        paths: The caller's drive map.
        local: Whether the server is on this machine.
    """

    connect: libvirt.virConnect
    paths: DriveMap
    local: bool


def fitted(
    host: Host,
    place: Place,
    held: vmc.Values,
    machine: described.Machine,
    notes: str,
    known: Iterable[Registered],
) -> domainbuild.NewMachine:
    """The machine that a .vmc of the products describes, as it can be had here beside those that are known."""
    state = next(
        (held[key] for leaf in ("absolute", "relative") if held.get(key := f"{_SAVED_STATE}/{leaf}")), None
    )
    if state is not None:
        text = "%s: its saved state %s is not carried over: the guest starts as after a power failure"
        logger.warning(text, place.shown, state)
    uuid = machine.uuid or str(uuids.uuid4())
    in_use = {each.uuid: each.name for each in known}
    if uuid in in_use:
        # Copies of a .vmc are common, and with the products each was a machine of its own.
        logger.warning("%s: %s has its BIOS GUID already; a new one is made up", place.shown, in_use[uuid])
        uuid = str(uuids.uuid4())
    connected = _Networks(host, {mac: each.name for each in known for mac in each.macs})
    return domainbuild.NewMachine(
        place.name,
        uuid,
        machine.memory or MEMORY,
        tuple(_drive(host, place, drive) for drive in machine.drives if not _is_no_drive(place, drive)),
        tuple(connected.nic(place, nic) for nic in machine.nics),
        tuple(_ports(host, place, machine)),
        {entry: text for name, entry in _ENTRIES.items() if (text := getattr(machine.identity, name))},
        notes,
        Settings(file=str(place.file), values=_kept(place, held)),
    )


def _kept(place: Place, held: vmc.Values) -> dict[str, Value]:
    """The values that libvirt has no place for."""
    kept: dict[str, Value] = {}
    branches: set[str] = set()
    for name, value in held.items():
        if name == "version" or name.startswith(seal.ROOM):
            continue
        try:
            key = keys.parse(name)
            if str(key) in _CHOSEN:
                if not _is_choice(place, str(key), value):
                    continue
            elif table.find(key) is not None or described.described(str(key)):
                continue
            value = values.given(key, value)
        except Failure as failure:
            logger.warning("%s: a value is left out: %s", place.shown, failure.description)
            continue
        steps = str(key).split("/")
        above = {"/".join(steps[:depth]) for depth in range(1, len(steps))}
        if str(key) in branches or any(each in kept for each in above):
            logger.warning("%s: %s is left out: an element holds a value or other elements", place.shown, key)
            continue
        branches |= above
        kept[str(key)] = value
    size = values.kept_size(kept)
    if len(kept) > _MOST_VALUES or size > values.MOST:
        text = (
            f"{place.shown} holds {len(kept)} values of {size} bytes together, and {_MOST_VALUES} values of "
            f"{values.MOST} bytes are the most that is kept"
        )
        raise Failure(HRESULT.DISP_E_EXCEPTION, text)
    return kept


def _is_choice(place: Place, key: str, value: Value) -> bool:
    """Whether a file's choice about undo disks is taken over: all that loses nothing is."""
    if key == undoing.ENABLED:
        return isinstance(value, bool)
    if isinstance(value, bool) or value not in tuple(VMUndoAction):
        return False
    if value == VMUndoAction.vmUndoAction_Discard:
        logger.warning("%s: its undo disks are kept, not discarded, until UndoAction is set", place.shown)
    return value != VMUndoAction.vmUndoAction_Discard


def starts_with_host(place: Place, held: vmc.Values) -> bool:
    """Whether the machine that a .vmc of the products describes is to start by itself."""
    chosen = held.get(table.AUTO_START)
    if chosen == VMAutoStartType.vmAutoStart_IfRunningAtQuit and not isinstance(chosen, bool):
        logger.warning(
            "%s: it is not started with the host: libvirt has always and never, not sometimes", place.shown
        )
    return chosen == VMAutoStartType.vmAutoStart_Always and not isinstance(chosen, bool)


def new_drive(drive: described.Drive, file: Path | None, form: str) -> domainbuild.Drive:
    """A drive where the .vmc has it, with that file in it (None: empty), which is of that format."""
    bus = {"ide": "ide", "scsi": "scsi", "floppy": "fdc"}[drive.bus]
    return domainbuild.Drive(
        bus,  # type: ignore[arg-type]
        drive.kind,
        drive.controller,
        drive.location,
        None if file is None else str(file),
        form,
    )


def _is_no_drive(place: Place, drive: described.Drive) -> bool:
    """Whether a .vmc speaks of a hard disk and names none: there is nothing, and nothing is missing."""
    if drive.kind != "disk" or drive.image:
        return False
    text = "%s names no image for the hard disk on %s controller %d, location %d: there is none"
    logger.warning(text, place.shown, drive.bus, drive.controller, drive.location)
    return True


def _drive(host: Host, place: Place, drive: described.Drive) -> domainbuild.Drive:
    controllers, units = _PLACES[drive.bus]
    if drive.controller >= controllers or drive.location >= units:
        where = f"controller {drive.controller}, location {drive.location}"
        text = f"{place.shown} has a drive on {drive.bus} {where}, and there is no such place"
        raise Failure(HRESULT.DISP_E_EXCEPTION, text)
    undo = _path(host, place, drive.undo) if drive.undo else None
    if undo is not None and undo.exists():
        disk = drive.image.absolute or drive.image.relative
        text = (
            f"{place.shown}: the disk {disk} has undo data in {undo}, which would be worthless once a guest wrote "
            "to the disk: merge it in the product first, or remove the file"
        )
        raise Failure(HRESULT.DISP_E_EXCEPTION, text)
    file = _path(host, place, drive.image) if drive.image else None
    if file is None:
        if drive.kind == "disk":
            text = (
                f"{place.shown} has a drive of its old host as a hard disk ({drive.image.absolute}): take that out "
                "of the file, and attach what it is here when the machine is registered (AddHardDiskConnection)"
            )
            raise Failure(HRESULT.DISP_E_EXCEPTION, text)
        return new_drive(drive, None, images.RAW)
    _check_image(place, file)
    if not file.exists():
        # As in the product, the machine is registered; what cannot start without its image says so when it starts.
        logger.warning("%s: there is no file %s, and the machine will not start without it", place.shown, file)
        form = images.VHD if drive.kind == "disk" and file.suffix.lower() in (".vhd", ".vud") else images.RAW
    else:
        try:
            form = images.format_of(file) if drive.kind == "disk" else images.RAW
            images.check_whole(file, form)
        except Failure as failure:
            raise Failure(HRESULT.DISP_E_EXCEPTION, f"{place.shown}: {failure.description}") from failure
    return new_drive(drive, file, form)


def _check_image(place: Place, file: Path) -> None:
    """Refuse to let a guest at what is no image: a .vmc from elsewhere may name any file of the host."""
    try:
        images.check_image_file(file)
    except Failure as failure:
        text = (
            f"{place.shown} names {file} as an image: {failure.description}. It is not believed: attach that "
            "yourself, if it is to be in the machine"
        )
        raise Failure(HRESULT.DISP_E_EXCEPTION, text) from failure


def _path(host: Host, place: Place, found: described.Place) -> Path | None:
    """The host's file that a .vmc names: by its absolute path, or where that leads nowhere by the relative one.

    None for a drive of the product's own host.
    """
    if _HOST_DRIVE.fullmatch(found.absolute):
        logger.warning("%s: the drive %s of its old host is not carried over", place.shown, found.absolute)
        return None
    failure: Failure | None = None
    candidates = []
    for path, base in ((found.absolute, None), (found.relative, place.file.parent)):
        if path:
            try:
                candidates.append(host.paths.to_host(path, base=base))
            except Failure as error:
                failure = failure or error
    for candidate in candidates:
        if candidate.exists():
            return candidate
    if not candidates and failure is not None:
        text = f"{place.shown} names a file that cannot be found: {failure.description}"
        raise Failure(failure.code, text, otherwise=(HRESULT.E_PATH_NOT_FOUND,)) from failure
    return next(iter(candidates), None)


class _Networks:
    """What the adapters of a .vmc can be connected to here."""

    def __init__(self, host: Host, macs: dict[str, str]) -> None:
        self._local = host.local
        self._macs = macs
        self._networks: list[str] = []
        try:
            self._networks = [network.name() for network in host.connect.listAllNetworks()]
        except libvirt.libvirtError as error:
            if classify(error) is not Unsupported:
                raise

    def nic(self, place: Place, nic: described.Nic) -> domainbuild.Nic:
        """The adapter, connected to what has its network's name; with its cable unplugged where nothing has."""
        mac = self._mac(place, nic)
        if not nic.network:
            return domainbuild.Nic(mac)
        folded = nic.network.casefold()
        found = next((name for name in self._networks if name.casefold() == folded), None)
        if found is not None:
            return domainbuild.Nic(mac, network=found)
        if self._local and "/" not in nic.network and os.path.isdir(_SYSFS_NET / nic.network / "bridge"):
            return domainbuild.Nic(mac, bridge=nic.network)
        logger.warning(
            "%s: there is no network or bridge %r here: that adapter is connected to nothing",
            place.shown,
            nic.network,
        )
        return domainbuild.Nic(mac)

    def _mac(self, place: Place, nic: described.Nic) -> str | None:
        """The adapter's MAC address; None where it is to get another one."""
        if nic.mac is None:
            return None
        if int(nic.mac[:2], 16) & 1:
            logger.warning("%s: %s is no address of an adapter; a new one is made up", place.shown, nic.mac)
            return None
        if nic.mac in self._macs:
            text = "%s: %s has the address %s of an adapter already; a new one is made up"
            logger.warning(text, place.shown, self._macs[nic.mac], nic.mac)
            return None
        self._macs[nic.mac] = place.name
        return nic.mac


def _ports(host: Host, place: Place, machine: described.Machine) -> Iterable[domainbuild.Port]:
    for number, port in enumerate(machine.serials):
        yield _port(host, place, domainbuild.Port("serial", number), port)
    for number, port in enumerate(machine.parallels):
        if port.kind != "none":
            yield _port(host, place, domainbuild.Port("parallel", number), port)


def _port(host: Host, place: Place, plain: domainbuild.Port, port: described.Port) -> domainbuild.Port:
    """The port, led where IVMSerialPort.Configure and IVMParallelPort.Name would lead it; nowhere, else.

    QEMU empties the file of a port and removes what stands where a socket is to be: what a .vmc from elsewhere
    names is to be a text of its own, or a pipe among the pipes.
    """
    socket, number = portnames.socket_of(port.path), _HOST_PORT.fullmatch(port.path)
    match port.kind:
        case "none":
            return plain
        case "file" if port.path:
            file = _text_file(host, place, plain, port.path)
            if _is_text(host, place, file):
                return replace(plain, type="file", path=str(file))
        case "pipe" if socket is not None:
            return replace(plain, type="unix", path=socket)
        case "host" if _PORT_DEVICE.fullmatch(port.path):
            return replace(plain, type="dev", path=port.path)
        case "host" if number is not None:
            device = f"{_DEVICES[plain.kind]}{int(number[1]) - 1}"
            if Path(device).exists():
                return replace(plain, type="dev", path=device)
    logger.warning(
        "%s: %s port %d, on %s %s, is connected to nothing: there is no such thing here, or it is none for a port",
        *(place.shown, plain.kind, plain.number + 1, port.kind, port.path),
    )
    return plain


def _text_file(host: Host, place: Place, plain: domainbuild.Port, path: str) -> Path:
    try:
        return host.paths.to_host(path, base=place.file.parent)
    except Failure as failure:
        text = (
            f"{place.shown}: the file of {plain.kind} port {plain.number + 1} cannot be had: {failure.description}"
        )
        raise Failure(failure.code, text) from failure


def _is_text(host: Host, place: Place, file: Path) -> bool:
    """Whether a file is one for what a port writes: of a mapped drive or below the .vmc, and new or a text."""
    found = file.resolve()
    near = host.paths.covers(file) or found.is_relative_to(place.file.parent.resolve())
    return near and (not found.exists() or (found.is_file() and found.suffix.lower() in _TEXTS))


def described_by(domain: libvirt.virDomain, text: str, file: Path, paths: DriveMap) -> described.Machine:
    """The machine's hardware as its .vmc describes it, as far as one can: for other readers, users and hosts."""
    held = hardware.read(text)
    drives = []
    for drive in disks.read(domain).drives:
        bus = _PC_BUSES.get(drive.place.bus)
        if bus is not None and drive.device in ("disk", "cdrom", "floppy"):
            image = described.Place()
            if drive.medium is not None and drive.medium.is_local:
                path = drive.medium.path
                image = described.Place(paths.to_script(path), table.relative_to(str(file), path, paths) or "")
            controller, unit = drive.place.controller, drive.place.unit
            if drive.place.bus == "sata":
                controller, unit = divmod(unit, _PLACES["ide"][1])
            if controller >= _PLACES[bus][0] or unit >= _PLACES[bus][1]:
                continue
            drives.append(described.Drive(bus, controller, unit, drive.device, image))  # type: ignore[arg-type]
    return described.Machine(
        memory=held.memory or None,
        uuid=str(domain.UUIDString()),
        drives=tuple(drives),
        nics=tuple(described.Nic(adapter.mac or None, adapter.network) for adapter in held.adapters),
        serials=tuple(_described_port(port, paths) for port in held.serials),
        parallels=tuple(_described_port(port, paths) for port in held.parallels),
        identity=described.Identity(**{name: held.firmware.get(entry, "") for name, entry in _ENTRIES.items()}),
        notes=held.description,
    )


def _described_port(port: Port, paths: DriveMap) -> described.Port:
    match port.type:
        case "file":
            return described.Port("file", paths.to_script(port.path))
        case "unix":
            return described.Port("pipe", portnames.pipe_of(port.path) or port.path)
        case "dev":
            return described.Port("host", port.path)
    return described.Port()
