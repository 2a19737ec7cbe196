"""How machines come and go: which comes first, the .vmc file or the definition, and what is left in between.

The definition in libvirt is the machine; the .vmc file is where scripts know it by, and what is kept of a machine
that is not registered. Whatever is interrupted, nothing is lost and nothing is half written:

    create      the file, whole, then the definition: in between there is a file that can be registered
    register    the definition alone
    rename      the new file, the definition's name, the path in its metadata, then the old file goes
    unregister  the file with the definition in it, then the definition goes
    delete      the definition, then the undo disks, then the file: in between there is a file that can be
                registered or deleted, and there may be undo disks that nobody uses

A file that another machine left is never overwritten: whoever comes upon it is told what it is.

Sources: the CreateVirtualMachine, RegisterVirtualMachine, DeleteVirtualMachine and UnregisterVirtualMachine pages
of both products' references; libvirt-domain.
"""

from __future__ import annotations

import logging
import os
import uuid as uuids
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import libvirt

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.hypervisor import domainbuild, registered, settings
from vpcshim.hypervisor.changing import one_at_a_time
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.errors import ConnectionLost, classify
from vpcshim.hypervisor.registered import Registered
from vpcshim.hypervisor.settings import Settings
from vpcshim.migrate import machine as described
from vpcshim.migrate import vmc
from vpcshim.model import fitting, hostfiles, seal, undoing, vmcfiles
from vpcshim.model.configuration import table
from vpcshim.model.paths import DriveMap
from vpcshim.model.vmcfiles import Place
from vpcshim.values import Value

logger = logging.getLogger(__name__)

# What a new machine is made of: no hard disk, one adapter that is connected to nothing, empty removable drives.
_NEW = described.Machine(
    memory=fitting.MEMORY,
    drives=(described.Drive("ide", 1, 0, "cdrom"), described.Drive("floppy", 0, 0, "floppy")),
    nics=(described.Nic(),),
)

# -- create ------------------------------------------------------------------------------------------------------


def create(connect: libvirt.virConnect, place: Place) -> str:
    """Make a new machine and its .vmc file; its UUID.

    Raises:
        Failure: VM_E_CONFIG_DUPLICATE_NAME, E_ALREADY_EXISTS, E_PATH_NOT_FOUND, or the system refused the file.
        HypervisorError, libvirt.libvirtError: The machine cannot be defined.
    """
    if place.file.suffix.lower() == vmcfiles.POINTER:
        text = f"{place.shown} would be a file that points to a machine's: that of a new one ends with .vmc"
        raise Failure(HRESULT.E_INVALID_NAME, text)
    uuid = str(uuids.uuid4())
    new = replace(_NEW, uuid=uuid)
    define = registered.prepared(connect, _plain(new, place, uuid))
    with one_at_a_time():
        known = registered.registered(connect)
        _check_name(known, place.name)
        _check_no_file(known, place)
        _create(connect, place, new, define)
    return uuid


def _create(
    connect: libvirt.virConnect, place: Place, new: described.Machine, define: Callable[[], libvirt.virDomain]
) -> None:
    with _FolderMade(place):
        try:
            with hostfiles.told(f"{place.shown} cannot be made"):
                hostfiles.create(place.file, vmc.write(described.write(new)))
        except Failure as failure:
            if failure.code is HRESULT.E_ALREADY_EXISTS:
                raise _exists(registered.registered(connect), place) from failure
            raise
        try:
            define()
        except libvirt.libvirtError as error:
            if classify(error) is not ConnectionLost:  # with that, nobody knows whether it is defined
                hostfiles.remove(place.file)  # made by us, above
            raise _duplicate(connect, place.name) or error from error


def _plain(new: described.Machine, place: Place, uuid: str) -> domainbuild.NewMachine:
    return domainbuild.NewMachine(
        place.name,
        uuid,
        new.memory or fitting.MEMORY,
        tuple(fitting.new_drive(drive, None, "raw") for drive in new.drives),
        tuple(domainbuild.Nic(nic.mac) for nic in new.nics),
        settings=Settings(file=str(place.file)),
    )


class _FolderMade:
    """The file's folder, made where it is missing; taken away again, where it was made, if that was for nothing."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._made: list[Path] = []

    def __enter__(self) -> None:
        folder = self._place.file.parent
        missing = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
        try:
            for each in reversed(missing):
                each.mkdir(exist_ok=True)
                self._made.append(each)
            if not folder.is_dir():
                raise NotADirectoryError(20, "it is not a folder")
        except OSError as error:
            self._undo()
            what = f"{self._place.shown}: the folder {folder} cannot be made"
            failure = hostfiles.failure_of(error, what)
            known = (HRESULT.E_BUFFER_OVERFLOW,)
            raise failure if failure.code in known else failure.under(HRESULT.E_PATH_NOT_FOUND) from error

    def __exit__(self, kind: object, _error: object, _traceback: object) -> None:
        if kind is not None:
            self._undo()

    def _undo(self) -> None:
        for each in reversed(self._made):
            with suppress(OSError):  # somebody else put something there
                each.rmdir()


def _check_name(known: Iterable[Registered], name: str, but: str = "") -> None:
    folded = name.casefold()
    other = next((each.name for each in known if each.name.casefold() == folded and each.uuid != but), None)
    if other is not None:
        raise Failure(HRESULT.VM_E_CONFIG_DUPLICATE_NAME, f"there is a machine named {other} already")


def _duplicate(connect: libvirt.virConnect, name: str) -> Failure | None:
    """Whether libvirt refused because somebody made a machine of that name in between."""
    try:
        _check_name(registered.registered(connect), name)
    except Failure as failure:
        return failure
    except libvirt.libvirtError:
        return None  # why it refused to define the machine says more
    return None


def _check_no_file(known: Iterable[Registered], place: Place) -> None:
    if os.path.lexists(place.file):
        raise _exists(known, place)


def _exists(known: Iterable[Registered], place: Place) -> Failure:
    owner = next((each.name for each in known if _is_of(place.file, each)), None)
    text = f"{place.shown} is the file of the machine {owner}"
    if owner is None:
        text = f"{place.shown} is there, and no machine has it: register it (RegisterVirtualMachine), or remove it"
    return Failure(HRESULT.E_ALREADY_EXISTS, text)


# -- register ----------------------------------------------------------------------------------------------------


def register(host: fitting.Host, place: Place) -> str:
    """Define the machine that a .vmc describes; its UUID.

    Raises:
        Failure: VM_E_CONFIG_DUPLICATE_NAME, E_ALREADY_EXISTS, E_FILE_NOT_FOUND, E_PATH_NOT_FOUND; DISP_E_EXCEPTION
            for a file that is no .vmc, or one whose machine cannot be had here.
        HypervisorError, libvirt.libvirtError: The machine cannot be defined.
    """
    known = registered.registered(host.connect)
    _check_name(known, place.name)
    place, pointer = vmcfiles.followed(host.paths, place)
    held = vmcfiles.read(place)
    _check_not_registered(known, place)
    machine = vmcfiles.machine(place, held)
    ours = seal.opened(held)
    if ours is not None:
        _check_identity(known, machine, place)
        definition, autostart = ours
        define = registered.restored(host.connect, definition, place.name, str(place.file))
    else:
        if seal.has(held):
            text = "%s was changed since it was written, or somebody else wrote it: its hardware is what counts"
            logger.warning(text, place.shown)
        autostart = fitting.starts_with_host(place, held)
        notes = machine.notes or pointer.notes
        define = registered.prepared(host.connect, fitting.fitted(host, place, held, machine, notes, known))
    before = set(known)
    with one_at_a_time():  # nobody made such a machine while the images were looked at
        known = registered.registered(host.connect)
        _check_name(known, place.name)
        _check_not_registered(known, place)
        if ours is not None:
            _check_identity(known, machine, place)
        elif set(known) != before:  # another may have taken its GUID or an address: copies of a .vmc have the same
            define = registered.prepared(host.connect, fitting.fitted(host, place, held, machine, notes, known))
        try:
            domain = define()
        except libvirt.libvirtError as error:
            raise _duplicate(host.connect, place.name) or error from error
    if autostart:
        try:
            domain.setAutostart(1)
        except libvirt.libvirtError:
            registered.undefine(domain, keep=True)  # as it was: its file says more than half of the machine
            raise
    return str(domain.UUIDString())


def _check_not_registered(known: Iterable[Registered], place: Place) -> None:
    owner = next((each.name for each in known if _is_of(place.file, each)), None)
    if owner is not None:
        raise Failure(HRESULT.E_ALREADY_EXISTS, f"{place.shown} is registered already, as {owner}")


def _check_identity(known: Iterable[Registered], machine: described.Machine, place: Place) -> None:
    owner = next((each.name for each in known if each.uuid == machine.uuid), None)
    if owner is not None:
        text = (
            f"{place.shown} holds the machine that is registered as {owner}; for another one like it, take its "
            f"{described.BIOS_GUID} out of a copy of the file"
        )
        raise Failure(HRESULT.E_ALREADY_EXISTS, text)


def _is_of(file: Path, machine: Registered) -> bool:
    """Whether a .vmc is that machine's, by whatever folder it was named."""
    return machine.file != "" and os.path.realpath(machine.file) == os.path.realpath(file)


def _own_file(domain: libvirt.virDomain, kept: Settings) -> Path | None:
    """The .vmc that is the machine's own, to be written and removed; None where it has none.

    What the metadata names need not be: a clone takes them along, and anybody may write a definition.
    """
    if not kept.file:
        return None
    name, uuid, file = domain.name(), domain.UUIDString(), Path(kept.file)
    if not file.is_absolute() or file.suffix.lower() != vmcfiles.EXTENSION:
        logger.warning("%s: its metadata name %s, which is no .vmc file and is left alone", name, kept.file)
        return None
    known = registered.registered(domain.connect())
    others = [each.name for each in known if _is_of(file, each) and each.uuid != uuid]
    if others and file.stem.casefold() != name.casefold():
        logger.warning("%s: %s is the file of %s as well, and is left to that", name, file, ", ".join(others))
        return None
    return file


# -- unregister and delete ---------------------------------------------------------------------------------------


def unregister(domain: libvirt.virDomain, paths: DriveMap, new_file: Callable[[str], Path]) -> None:
    """Keep in its .vmc what a machine that is off needs to be registered again, and let libvirt forget it.

    Args:
        domain: The machine, on a connection that may write.
        paths: The caller's drive map.
        new_file: Where the .vmc of a machine of that name goes that has none.

    Raises:
        Failure: It cannot be kept whole, and why.
        HypervisorError, libvirt.libvirtError: libvirt refused.
    """
    with one_at_a_time():  # what is kept is what the machine was to the last
        _unregister(domain, paths, new_file)


def _unregister(domain: libvirt.virDomain, paths: DriveMap, new_file: Callable[[str], Path]) -> None:
    name = domain.name()
    lost = registered.obstacles(domain)
    if lost:
        raise Failure(HRESULT.DISP_E_EXCEPTION, f"{name} cannot be unregistered: {lost}. Delete those first")
    kept = registered.read_settings(domain)
    own = _own_file(domain, kept)
    file = own or new_file(name)
    data = _kept_file(domain, kept, file, paths)
    with hostfiles.told(f"{name} cannot be unregistered, its .vmc file is not written"):
        file.parent.mkdir(parents=True, exist_ok=True)
        if own is None:
            _keep(domain, file, data)
            logger.warning("%s had no .vmc file of its own: its definition is kept in %s", name, file)
        else:
            hostfiles.replace(file, data)  # its definition may hold passwords
    registered.undefine(domain, keep=True)


def _keep(domain: libvirt.virDomain, file: Path, data: bytes) -> None:
    """Make the file; one that an interrupted Unregister left of this machine is replaced.

    Raises:
        Failure: There is another one.
        OSError: The system refused.
    """
    try:
        hostfiles.create(file, data, mode=0o600)
    except FileExistsError as error:
        if not _is_left_of(domain, file):
            text = f"{domain.name()} cannot be unregistered: its definition would go to {file}, which is there"
            raise Failure(HRESULT.DISP_E_EXCEPTION, f"{text}: move or remove that first") from error
        logger.warning("%s was left by an interrupted UnregisterVirtualMachine; it is written anew", file)
        hostfiles.replace(file, data)


def _is_left_of(domain: libvirt.virDomain, file: Path) -> bool:
    try:
        held = vmc.read(hostfiles.read(file, vmc.LARGEST))
    except ValueError:
        return False
    known = registered.registered(domain.connect())
    owned = any(_is_of(file, each) for each in known)
    return not owned and seal.opened(held) is not None and described.read(held).uuid == domain.UUIDString()


def _kept_file(domain: libvirt.virDomain, kept: Settings, file: Path, paths: DriveMap) -> bytes:
    """The .vmc's data, from which the definition can be had again: that is tried before the machine is forgotten.

    Raises:
        Failure: It cannot, being larger than what is read, say.
    """
    text, autostart = registered.definition_text(domain), bool(domain.autostart())
    hardware = described.write(fitting.described_by(domain, text, file, paths))
    hardware[table.AUTO_START] = int(autostart)
    kept_values = {key: value for key, value in _representable(kept.values).items() if not described.described(key)}
    why = "what was written is not what is read"
    # The values are in the definition as well, and are left out where they make the file too large.
    for values in (kept_values, {}):
        try:
            data = vmc.write(seal.sealed({**values, **hardware}, text, autostart=autostart))
            if seal.opened(vmc.read(data)) == (text, autostart):
                return data
        except vmc.BadVmc as error:
            why = str(error)
    text = f"{domain.name()} cannot be unregistered: no .vmc file can hold its definition: {why}"
    raise Failure(HRESULT.DISP_E_EXCEPTION, text)


def _representable(kept: Mapping[str, Value]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, value in kept.items():
        with suppress(vmc.BadVmc):  # it is in the definition, which is kept as well
            vmc.write({key: value})
            found[key] = value
    return found


def delete(connection: Connection, domain: libvirt.virDomain) -> None:
    """Let libvirt forget a machine that is off, with its saved state; its undo disks and its .vmc go, images stay.

    Raises:
        Failure: An undo disk or the .vmc cannot be removed; the machine is gone then.
        HypervisorError: Its undo disks could not be removed; the machine is as it was then.
        libvirt.libvirtError: libvirt refused; the machine is as it was then.
    """
    name = domain.name()
    file = _own_file(domain, registered.read_settings(domain))
    with undoing.taken_along(connection, domain):
        registered.undefine(domain, keep=False)
    if file is not None:
        with hostfiles.told(f"{name} is deleted, but its file {file} is not"), suppress(FileNotFoundError):
            hostfiles.remove(file)


# -- rename ------------------------------------------------------------------------------------------------------


def rename(domain: libvirt.virDomain, name: str, *, files: bool) -> None:
    """Give a machine that is off another name, and its .vmc, where that bore the old one.

    Args:
        domain: The machine, on a connection that may write.
        name: The name.
        files: Whether its files are this machine's; those of another host keep their names.

    Raises:
        Failure: VM_E_CONFIG_DUPLICATE_NAME: a machine or a file has the name; or the file cannot be renamed.
        libvirt.libvirtError: libvirt refused; the machine is as it was then.
    """
    with one_at_a_time():
        _rename(domain, name, files=files)


def _rename(domain: libvirt.virDomain, name: str, *, files: bool) -> None:
    old = domain.name()
    _check_name(registered.registered(domain.connect()), name, but=domain.UUIDString())
    file = _own_file(domain, registered.read_settings(domain)) if files else None
    if file is None or file.stem.casefold() != old.casefold() or not file.is_file():
        if name != old:
            domain.rename(name)
        return
    new = file.with_name(f"{name}{file.suffix}")
    if new != file:
        _copy(file, new)
    if name != old:
        try:
            domain.rename(name)
        except libvirt.libvirtError:
            if new != file:
                hostfiles.remove(new)
            raise
    if new != file:
        settings.change(domain, lambda held: replace(held, file=str(new)), live=False)
        with hostfiles.told(f"{old} is {name} now, but its old file {file} is still there"):
            hostfiles.remove(file)


def _copy(file: Path, new: Path) -> None:
    """The same file under the new name; the one that an interrupted rename left is as good."""
    with hostfiles.told(f"{file} cannot be renamed to {new.name}"):
        data = file.read_bytes()
        try:
            hostfiles.create(new, data, mode=file.stat().st_mode & 0o777)
        except FileExistsError as error:
            if new.is_file() and new.read_bytes() == data:
                logger.warning("%s is the copy of %s that an interrupted rename left", new, file)
                return
            text = f"there is a file {new} already: rename or remove it first"
            raise Failure(HRESULT.VM_E_CONFIG_DUPLICATE_NAME, text) from error
