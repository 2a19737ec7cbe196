"""Undo disks: what the guest writes goes to qcow2 overlays, which are later merged into the originals or deleted.

Each step first says in the journal (`undojournal`) what it is about to do, and each can be done again. So a process
that is killed at any moment leaves the disks whole, as they were or as they were to be, and the next one that
touches them completes or takes back what it finds, and logs it:

    creating    the overlays' names are in the journal, the machine's disks are the originals: the files go
    merging     the machine's disks are the overlays, which lose nothing by being merged: the merge is completed
    switching   merged: a saved state, then the definition, is led back to the originals
    removing    the machine's disks are the originals again: the overlays are deleted

One process at a time works on a machine's undo disks. The kernel lets go of the lock when the process has died, and
so has the qemu-img that it had run, which else goes on by itself and would write to what the next one takes back.

Sources: the manual page of qemu-img; virDomainDefineXMLFlags, virDomainManagedSaveDefineXML (libvirt-domain).
"""

from __future__ import annotations

import copy
import fcntl
import logging
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import libvirt
from lxml import etree

from vpcshim.hypervisor import imageerrors, qemuimg, runtime, undojournal
from vpcshim.hypervisor.changing import one_at_a_time
from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import ConnectionLost, DomainBusy, DomainOff, HypervisorError, Unsupported, classify
from vpcshim.hypervisor.imageerrors import ImageMalformed, ImageMissing
from vpcshim.hypervisor.qemuimg import Job
from vpcshim.hypervisor.redefine import define, redefine
from vpcshim.hypervisor.states import need_unsaved
from vpcshim.hypervisor.undojournal import Journal, Phase, UndoDisk

logger = logging.getLogger(__name__)

# Beside a block device there is no place for a file: its overlay goes to the folder that libvirt has for images.
_FOR_DEVICES = Path("/var/lib/libvirt/images")
_LAST_WORDS = 2.0  # seconds for the daemon to do what a process asked it for just before it was killed
_PATIENCE = 10.0  # seconds for which another process's work on the same undo disks is waited for


def undo_disks(domain: libvirt.virDomain) -> dict[str, Path]:
    """The overlay of each disk that has one, by the disk's target.

    Raises:
        BadXml: The journal is damaged.
        libvirt.libvirtError: libvirt refused.
    """
    return {disk.target: disk.overlay for disk in _in_use(domain)}


def originals(domain: libvirt.virDomain) -> dict[str, Path]:
    """The image below the overlay of each disk that has one, by the disk's target. Raises as `undo_disks`."""
    return {disk.target: disk.original for disk in _in_use(domain)}


def _in_use(domain: libvirt.virDomain) -> Sequence[UndoDisk]:
    journal = undojournal.read(domain)
    return () if journal is None or journal.phase is Phase.REMOVING else journal.used


@contextmanager
def begun(domain: libvirt.virDomain) -> Iterator[None]:
    """Put an overlay over each disk, where it has none yet, of a machine that is started within.

    They are held until it runs: whoever has waited to end the last run would take them for those of that run.

    Raises:
        Unsupported: A drive cannot have one; says which and why. Nothing is changed then.
        DomainBusy: Another process is at work on the machine's undo disks.
        ImageError: An overlay cannot be made. Nothing is changed then.
        libvirt.libvirtError: libvirt refused.
    """
    with _exclusive(domain) as lock:
        _begin(domain, lock)
        try:
            yield
        except BaseException as error:
            if not (isinstance(error, libvirt.libvirtError) and classify(error) is ConnectionLost):
                os.ftruncate(lock, 0)  # the end of it was heard
            raise


def check(domain: libvirt.virDomain) -> None:
    """Find out whether every disk of a machine can have an overlay.

    Raises:
        Unsupported: One cannot; says which and why.
        libvirt.libvirtError: libvirt refused.
    """
    root = parse_element(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    journal = undojournal.read_of(root)
    _planned(root, domain, () if journal is None else journal.used)


def settle(domain: libvirt.virDomain) -> None:
    """Keep the overlays as they are after a run; a run that is over leaves nothing to be done.

    Raises: As `begun`, but for Unsupported.
    """
    with _exclusive(domain) as lock:
        _need_off(domain)
        journal = _recovered(domain, lock)
        if journal is not None and journal.pending:
            _write(domain, replace(journal, pending=False))


def merge(domain: libvirt.virDomain, job: Job) -> None:
    """Write what the overlays hold into the originals, which are the machine's disks afterwards.

    A saved machine keeps its saved state: that finds the same disks in the originals.

    Args:
        domain: The machine, off or saved.
        job: Is told how far it is. Not to be cancelled: half-way the originals are neither old nor new.

    Raises:
        ImageError: It failed; the machine still has its overlays, and what was begun has to be completed.
        DomainBusy, DomainOff, libvirt.libvirtError: As `begun`.
    """
    with _exclusive(domain) as lock:
        _need_off(domain)
        journal = _recovered(domain, lock)
        if journal is None:
            return
        _need_ours(domain, journal)
        journal = _without_unused(domain, replace(journal, phase=Phase.MERGING))
        if journal is not None:
            _finish_merge(domain, journal, job, lock)


def discard(domain: libvirt.virDomain) -> None:
    """Delete the overlays with all that was written since they were made; the originals are the machine's disks.

    Raises: As `merge`; DomainOff also where the machine was saved meanwhile, whose saved state needs them.
    """
    with _exclusive(domain) as lock:
        need_unsaved(domain)
        journal = _to_discard(domain, lock)
        if journal is not None:
            _take_off(domain, journal)


@contextmanager
def taken_along(domain: libvirt.virDomain) -> Iterator[None]:
    """Delete the overlays of a machine that libvirt is let forget within: where it does not forget it, they stay.

    Raises: As `merge`.
    """
    with _exclusive(domain) as lock:
        journal = _to_discard(domain, lock)
        yield
        for disk in () if journal is None else journal.disks:
            _delete(disk)


def recover(domain: libvirt.virDomain) -> None:
    """Complete or take back what an interrupted process left of its work on a machine that is off.

    Raises: As `merge`.
    """
    with _exclusive(domain) as lock:
        _need_off(domain)
        _recovered(domain, lock)


# -- the steps ---------------------------------------------------------------------------------------------------


def _begin(domain: libvirt.virDomain, lock: int) -> None:
    _need_off(domain)
    _recovered(domain, lock)
    planned: list[UndoDisk] = []

    def plan(root: etree._Element) -> None:
        journal = undojournal.read_of(root)
        used = () if journal is None else _still_used(root, journal)
        planned[:] = _planned(root, domain, used)
        pending = journal is not None and journal.pending
        if planned:
            undojournal.write(root, Journal(domain.UUIDString(), Phase.ACTIVE, pending, (*used, *planned)))

    redefine(domain, plan)
    try:
        for disk in planned:
            _make(disk, lock)
    except BaseException:
        _drop_planned(domain)
        raise

    def use(root: etree._Element) -> None:
        journal = undojournal.read_of(root)
        if journal is None:
            return  # no disk can be written, and none has an overlay
        for disk in journal.disks:
            if disk.planned:
                undojournal.lay_over(root, disk)
        disks = tuple(replace(disk, planned=False) for disk in journal.disks)
        undojournal.write(root, replace(journal, pending=True, disks=disks))

    redefine(domain, use)


def _to_discard(domain: libvirt.virDomain, lock: int) -> Journal | None:
    """The journal of overlays that may be deleted; None without any."""
    _need_off(domain)
    journal = undojournal.read(domain)
    gone = [] if journal is None else [disk for disk in journal.used if not disk.overlay.exists()]
    if journal is not None and journal.phase is Phase.MERGING and gone:
        # The merge cannot be completed any more, and this is the only way on.
        logger.warning(
            "%s: a merge of its undo disks was interrupted, and %s has been deleted since: %s may be damaged",
            domain.name(),
            ", ".join(str(disk.overlay) for disk in gone),
            ", ".join(str(disk.original) for disk in gone),
        )
    else:
        journal = _recovered(domain, lock)
    if journal is not None:
        _need_ours(domain, journal)
    return journal


def _planned(root: etree._Element, domain: libvirt.virDomain, having: Sequence[UndoDisk]) -> list[UndoDisk]:
    """The overlays that the machine's disks lack."""
    overlays = {str(undo.overlay) for undo in having}
    found = [
        _undo_of(disk, domain)
        for disk in root.iterfind("devices/disk")
        if undojournal.source_of(disk) not in overlays
    ]
    planned = [undo for undo in found if undo is not None]
    if planned:
        _need_no_snapshots(domain, "would take the machine off its undo disks")
    return planned


def _need_no_snapshots(domain: libvirt.virDomain, why: str) -> None:
    if domain.snapshotNum() > 0:
        text = f"{domain.name()} has snapshots of libvirt's, and to revert to one {why}: delete them first"
        raise Unsupported(text)


def _undo_of(disk: etree._Element, domain: libvirt.virDomain) -> UndoDisk | None:
    """The overlay for one `<disk>`; None for one whose contents the guest cannot change, or that is no hard disk.

    Raises:
        Unsupported: It can have none.
    """
    device, kind, target = disk.get("device") or "disk", disk.get("type") or "file", _target(disk)
    if device in ("cdrom", "floppy") or disk.find("readonly") is not None or disk.find("transient") is not None:
        return None  # a transient disk loses what is written with each power-off, by libvirt's own doing

    def refused(why: str) -> Unsupported:
        return Unsupported(f"{domain.name()} cannot have undo disks: its drive {target} {why}")

    source = disk.find("source")
    if device != "disk":
        raise refused("hands the host's device through to the guest, and no overlay can come between")
    if disk.find("shareable") is not None:
        raise refused("is shared with other machines, which would go on with another disk")
    if source is None:
        raise refused("has no image")
    if disk.find("encryption") is not None or source.find("encryption") is not None:
        raise refused("is encrypted, and what is written to it would lie in the overlay in the clear")
    if source.find("slices") is not None:
        raise refused("is a slice of an image, over which no overlay fits")
    path = source.get("dev") if kind == "block" else source.get("file")
    if kind == "volume":
        path = _volume(source, domain.connect())
    if path is None or kind not in ("file", "block", "volume"):
        raise refused(f"is of type {kind}: only files and block devices of this machine can have one")
    original = Path(path)
    name = f"{original.stem}.undo-{secrets.token_hex(4)}.qcow2"
    folder = _FOR_DEVICES if original.is_block_device() else original.parent
    return UndoDisk(target, folder / name, original, _format(disk), undojournal.as_was(disk), planned=True)


def _format(disk: etree._Element) -> str:
    driver = disk.find("driver")
    return "raw" if driver is None else driver.get("type") or "raw"


def _target(disk: etree._Element) -> str:
    target = disk.find("target")
    return "" if target is None else target.get("dev") or ""


def _volume(source: etree._Element, connect: libvirt.virConnect) -> str:
    pool = connect.storagePoolLookupByName(source.get("pool") or "")
    return str(pool.storageVolLookupByName(source.get("volume") or "").path())


def _make(disk: UndoDisk, lock: int) -> None:
    """Make an overlay, for the same user and group as its original, and see it to the disk."""
    qemuimg.create(disk.overlay, format="qcow2", backing=disk.original, backing_format=disk.format, lend=[lock])
    try:
        of = disk.original.stat()
        if stat.S_ISREG(of.st_mode):
            # Writable for its owner, whatever the original is: it is what the guest writes to.
            mode = stat.S_IMODE(of.st_mode) & 0o666 | stat.S_IRUSR | stat.S_IWUSR
            qemuimg.hand_over(disk.overlay, of.st_uid, of.st_gid, mode)
        _synced(disk.overlay)
        _synced(disk.overlay.parent)
    except OSError as error:
        disk.overlay.unlink(missing_ok=True)
        raise qemuimg.os_failure(error, f"the undo disk {disk.overlay}") from error
    except BaseException:
        disk.overlay.unlink(missing_ok=True)
        raise


def _synced(path: Path) -> None:
    held = os.open(path, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)


def _still_used(root: etree._Element, journal: Journal) -> tuple[UndoDisk, ...]:
    """The overlays that the machine's disks are, and not only were.

    A disk may have been given another image since, or the overlay been merged by others while the machine ran
    (`virsh blockcommit`): what it holds is then older than the original, and never to be written there.
    """
    used = tuple(disk for disk in journal.used if undojournal.using(root, disk) is not None)
    for disk in journal.used:
        if disk not in used:
            logger.warning(
                "%s: drive %s is another now: its undo disk %s was not what it used, and is left as a file over %s",
                root.findtext("name"),
                *(disk.target, disk.overlay, disk.original),
            )
    return used


def _without_unused(domain: libvirt.virDomain, journal: Journal) -> Journal | None:
    """The journal of a merge, written down without the overlays that are not used any more; None without any.

    Raises:
        ImageError: The merge could not end.
    """
    root = parse_element(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    journal = replace(journal, disks=_still_used(root, journal))
    for disk in journal.used:
        _need_whole(disk)
    _write(domain, journal if journal.used else None)
    return journal if journal.used else None


def _drop_planned(domain: libvirt.virDomain) -> None:
    journal = undojournal.read(domain)
    if journal is None:
        return
    for disk in journal.disks:
        if disk.planned:
            _delete(disk)
    _write(domain, replace(journal, disks=journal.used) if journal.used else None)


def _need_ours(domain: libvirt.virDomain, journal: Journal) -> None:
    """Refuse to delete overlays that something else has come to rest on, or that the caller may not delete.

    Raises:
        Unsupported, ImageDenied: Says what.
    """
    _need_no_snapshots(domain, "needs the undo disks")
    root = parse_element(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    overlays = {disk.overlay for disk in journal.used}
    for drive in root.iterfind("devices/disk"):
        source = undojournal.source_of(drive)
        if source is None or Path(source) in overlays:
            continue
        over = overlays.intersection(_below(Path(source), _format(drive)))
        if over:
            text = f"{source}, which lies over its undo disk {min(over)}: merge or remove it first"
            raise Unsupported(f"drive {_target(drive)} of {domain.name()} uses {text}")
    for disk in journal.used:
        if disk.overlay.exists() and not os.access(disk.overlay.parent, os.W_OK):
            raise imageerrors.ImageDenied(
                f"{disk.overlay.parent} cannot be written, so {disk.overlay} cannot be deleted"
            )


def _below(path: Path, format: str | None) -> list[Path]:
    """The images below one of that format, as far as they are there and say of what format they are.

    A raw image has none below it, whatever its guest wrote into it.
    """
    found: list[Path] = []
    while format not in (None, "raw") and path not in found and path.is_file():
        found.append(path)
        try:
            info = qemuimg.info(path, format=format)
        except ImageMalformed as error:
            logger.warning("nothing is taken to lie below what no machine can use: %s", error)
            return found[1:]
        if info.backing_path is None:
            return found[1:]
        path, format = info.backing_path, info.backing_format
    return [*found[1:], path] if found else []


def _need_whole(disk: UndoDisk) -> None:
    """Refuse to begin a merge that cannot end.

    Raises:
        ImageMissing, ImageReadOnly: Says what lacks.
    """
    for path, what, way_out in (
        (disk.overlay, "the undo disk", "DiscardUndoDisks goes back to the original"),
        (disk.original, "the original", f"put it back, its undo disk {disk.overlay} is worth nothing without it"),
    ):
        if not path.exists():
            raise ImageMissing(f"{what} {path} of drive {disk.target} is gone: {way_out}")
    # qemu-img merges into what the overlay's header names, whatever the journal says.
    beneath = qemuimg.info(disk.overlay, format="qcow2").backing_path
    if beneath is None or not beneath.exists() or not beneath.samefile(disk.original):
        text = f"lies over {beneath or 'nothing'} now, not over {disk.original}: somebody merged or rebased it"
        raise imageerrors.ImageError(f"the undo disk {disk.overlay} of drive {disk.target} {text}")
    # To root access(2) shows nothing but a read-only file system: the file's own mode is asked, too.
    mode = disk.original.stat().st_mode
    if stat.S_ISREG(mode) and not mode & 0o222:
        raise imageerrors.ImageReadOnly(f"{disk.original} is read-only, so nothing can be merged into it")
    for path in (disk.overlay, disk.original):
        if not os.access(path, os.R_OK | os.W_OK):
            raise imageerrors.ImageDenied(f"{path} cannot be written by this user, so nothing can be merged")


def _finish_merge(domain: libvirt.virDomain, journal: Journal, job: Job, lock: int) -> None:
    sizes = [max(1, disk.overlay.stat().st_blocks) for disk in journal.used]
    done = 0
    for disk, size in zip(journal.used, sizes, strict=True):
        qemuimg.commit(disk.overlay, job=_part_of(job, done / sum(sizes), size / sum(sizes)), lend=[lock])
        done += size
    if domain.hasManagedSaveImage():
        journal = replace(journal, phase=Phase.SWITCHING)
        journal = journal.stamped({disk.target: _stamp(disk) for disk in journal.disks})
        _write(domain, journal)
        _switch(domain, journal)
    _take_off(domain, journal)


def _part_of(job: Job, begin: float, share: float) -> Job:
    """A job for a part of it, which tells the whole how far it is."""
    return Job(lambda percent: job.reached(100 * begin + share * percent))


def _stamp(disk: UndoDisk) -> str:
    try:
        of = disk.overlay.stat()
    except FileNotFoundError:
        return "gone"
    return f"{of.st_ino}-{of.st_size}-{of.st_mtime_ns}"


def _switch(domain: libvirt.virDomain, journal: Journal) -> None:
    """Let the saved state find its disks in the originals, which hold the same."""
    root = parse_element(domain.managedSaveGetXMLDesc(libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE))
    switched = [disk for disk in journal.used if undojournal.put_back(root, disk)]
    if switched:
        domain.managedSaveDefineXML(etree.tostring(root, encoding="unicode"))


def _take_off(domain: libvirt.virDomain, journal: Journal) -> None:
    """Lead the definition back to the originals, then delete the overlays.

    Raises:
        DomainOff: Somebody started the machine on the overlays just before; they are kept as they are.
    """
    journal = replace(journal, phase=Phase.REMOVING, pending=False)
    before: list[etree._Element] = []

    def change(root: etree._Element) -> None:
        before.append(copy.deepcopy(root))
        for disk in journal.used:
            if not undojournal.put_back(root, disk):
                logger.warning(
                    "%s: drive %s is another now, and stays: its undo disk %s was not what it used",
                    domain.name(),
                    disk.target,
                    disk.overlay,
                )
        undojournal.write(root, journal)

    with one_at_a_time():
        redefine(domain, change)
        if _runs_on(domain, journal):
            undojournal.write(before[0], replace(journal, phase=Phase.ACTIVE, pending=True))
            define(domain.connect(), before[0])
            raise DomainOff(f"{domain.name()} was started meanwhile, on its undo disks: they are kept")
    _remove(domain, journal)


def _runs_on(domain: libvirt.virDomain, journal: Journal) -> bool:
    """Whether the machine runs, and on one of those overlays: once the definition is another, no start does."""
    if not domain.isActive():
        return False
    live = parse_element(domain.XMLDesc())
    return any(undojournal.using(live, disk) is not None for disk in journal.used)


def _remove(domain: libvirt.virDomain, journal: Journal) -> None:
    for disk in journal.disks:
        _delete(disk)
    _write(domain, None)


def _delete(disk: UndoDisk) -> None:
    try:
        disk.overlay.unlink(missing_ok=True)
    except OSError as error:
        raise qemuimg.os_failure(error, f"the undo disk {disk.overlay} cannot be deleted") from error


def _write(domain: libvirt.virDomain, journal: Journal | None) -> None:
    redefine(domain, lambda root: undojournal.write(root, journal))


# -- what was left -----------------------------------------------------------------------------------------------


def _recovered(domain: libvirt.virDomain, lock: int) -> Journal | None:
    """The journal once nothing in it is unfinished; None without undo disks."""
    journal = undojournal.read(domain)
    if journal is None or not journal.unfinished:
        return journal
    name = domain.name()
    if journal.phase is Phase.REMOVING:
        _say(name, "deleting its undo disks was interrupted", "they are deleted now", journal)
        _remove(domain, journal)
    elif any(disk.planned for disk in journal.disks):
        _say(name, "making its undo disks was interrupted", "those that were not in use are deleted", journal)
        _drop_planned(domain)
        return _recovered(domain, lock)
    elif journal.phase is Phase.MERGING:
        _say(name, "merging its undo disks was interrupted", "it is completed now", journal)
        left = _without_unused(domain, journal)
        if left is not None:
            _finish_merge(domain, left, Job(), lock)
    elif any(disk.stamp != _stamp(disk) for disk in journal.used):
        _say(name, "merging its undo disks was interrupted", "it ran on them since, and they are kept", journal)
        _write(domain, replace(journal, phase=Phase.ACTIVE))
    else:
        _say(name, "merging its undo disks was interrupted", "the rest of it is done now", journal)
        if domain.hasManagedSaveImage():
            _switch(domain, journal)
        _take_off(domain, journal)
    return undojournal.read(domain)


def _say(name: str, found: str, done: str, journal: Journal) -> None:
    logger.warning("%s: %s; %s (%s)", name, found, done, ", ".join(str(disk.overlay) for disk in journal.disks))


def _need_off(domain: libvirt.virDomain) -> None:
    if domain.isActive():
        raise DomainOff(f"{domain.name()} was started meanwhile: its undo disks are in use")


@contextmanager
def _exclusive(domain: libvirt.virDomain) -> Iterator[int]:
    """Hold a machine's undo disks for this process and thread alone; the lock, as an open file.

    There is something in the file while it is held. Where that is found in a file that nobody holds, its holder was
    killed, and its last words to libvirt may not have been heard yet: what they change is waited for.

    Raises:
        DomainBusy: Another one holds them for too long.
    """
    try:
        path = runtime.folder() / f"undo-{domain.UUIDString()}.lock"
        held = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise qemuimg.os_failure(error, "the undo disks cannot be locked") from error
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _locked(held):
            if time.monotonic() > deadline:
                raise DomainBusy(f"another task is at work on the undo disks of {domain.name()}; try again later")
            time.sleep(0.05)
        if os.pread(held, 1, 0):
            time.sleep(_LAST_WORDS)
        os.pwrite(held, b"held", 0)
        try:
            yield held
        except HypervisorError:
            os.ftruncate(held, 0)
            raise  # what libvirt itself failed at may have been a call that nobody heard the end of
        os.ftruncate(held, 0)
    finally:
        fcntl.flock(held, fcntl.LOCK_UN)  # a process forked meanwhile may have it open as well
        os.close(held)


def _locked(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
