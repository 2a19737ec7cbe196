"""Undo disks: what the guest writes goes to qcow2 overlays, which are later merged into the originals or deleted.

Each step first says in the journal (`undojournal`) what it is about to do, and each can be done again. So a process
that is killed at any moment leaves the disks whole, as they were or as they were to be, and the next one that
touches them completes or takes back what it finds, and logs it:

    creating    the overlays' names are in the journal, the machine's disks are the originals: the files go
    merging     the machine's disks are the overlays, which lose nothing by being merged: the merge is completed
    switching   merged: a saved state, then the definition, is led back to the originals
    removing    the machine's disks are the originals again: the overlays are deleted

One process at a time works on a machine's undo disks (`undolock`). The kernel lets go of the lock when the process
has died, and so has the qemu-img that it had run, which else goes on by itself and would write to what the next one
takes back.

Sources: the manual page of qemu-img; virDomainDefineXMLFlags, virDomainManagedSaveDefineXML (libvirt-domain).
"""

from __future__ import annotations

import copy
import logging
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import libvirt
from lxml import etree

from vpcshim.hypervisor import qemuimg, undochecks, undojournal, undolock, undoplan
from vpcshim.hypervisor.changing import one_at_a_time
from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import ConnectionLost, DomainOff, classify
from vpcshim.hypervisor.qemuimg import Job
from vpcshim.hypervisor.redefine import define, redefine
from vpcshim.hypervisor.states import need_unsaved
from vpcshim.hypervisor.undojournal import Journal, Phase, UndoDisk

logger = logging.getLogger(__name__)


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
    with undolock.exclusive(domain) as lock:
        _begin(domain, lock)
        try:
            yield
        except BaseException as error:
            if not (isinstance(error, libvirt.libvirtError) and classify(error) is ConnectionLost):
                undolock.heard(lock)
            raise


def check(domain: libvirt.virDomain) -> None:
    """Find out whether every disk of a machine can have an overlay.

    Raises:
        Unsupported: One cannot; says which and why.
        libvirt.libvirtError: libvirt refused.
    """
    root = parse_element(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    journal = undojournal.read_of(root)
    undoplan.planned(root, domain, () if journal is None else journal.used)


def settle(domain: libvirt.virDomain) -> None:
    """Keep the overlays as they are after a run; a run that is over leaves nothing to be done.

    Raises: As `begun`, but for Unsupported.
    """
    with undolock.exclusive(domain) as lock:
        undochecks.need_off(domain)
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
    with undolock.exclusive(domain) as lock:
        undochecks.need_off(domain)
        journal = _recovered(domain, lock)
        if journal is None:
            return
        undochecks.need_ours(domain, journal)
        journal = _without_unused(domain, replace(journal, phase=Phase.MERGING))
        if journal is not None:
            _finish_merge(domain, journal, job, lock)


def discard(domain: libvirt.virDomain) -> None:
    """Delete the overlays with all that was written since they were made; the originals are the machine's disks.

    Raises: As `merge`; DomainOff also where the machine was saved meanwhile, whose saved state needs them.
    """
    with undolock.exclusive(domain) as lock:
        need_unsaved(domain)
        journal = _to_discard(domain, lock)
        if journal is not None:
            _take_off(domain, journal)


@contextmanager
def taken_along(domain: libvirt.virDomain) -> Iterator[None]:
    """Delete the overlays of a machine that libvirt is let forget within: where it does not forget it, they stay.

    Raises: As `merge`.
    """
    with undolock.exclusive(domain) as lock:
        journal = _to_discard(domain, lock)
        yield
        for disk in () if journal is None else journal.disks:
            _delete(disk)


def recover(domain: libvirt.virDomain) -> None:
    """Complete or take back what an interrupted process left of its work on a machine that is off.

    Raises: As `merge`.
    """
    with undolock.exclusive(domain) as lock:
        undochecks.need_off(domain)
        _recovered(domain, lock)


# -- the steps ---------------------------------------------------------------------------------------------------


def _begin(domain: libvirt.virDomain, lock: int) -> None:
    undochecks.need_off(domain)
    _recovered(domain, lock)
    planned: list[UndoDisk] = []

    def plan(root: etree._Element) -> None:
        journal = undojournal.read_of(root)
        used = () if journal is None else _still_used(root, journal)
        planned[:] = undoplan.planned(root, domain, used)
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
    undochecks.need_off(domain)
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
        undochecks.need_ours(domain, journal)
    return journal


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
        undochecks.need_whole(disk)
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
