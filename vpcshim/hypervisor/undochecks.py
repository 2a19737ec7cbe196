"""What has to hold before undo disks are made, merged or deleted: nothing is destroyed, and nothing half done."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import libvirt

from vpcshim.hypervisor import imageerrors, qemuimg, undojournal
from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import DomainOff, Unsupported
from vpcshim.hypervisor.imageerrors import ImageMalformed, ImageMissing
from vpcshim.hypervisor.undojournal import Journal, UndoDisk

logger = logging.getLogger(__name__)


def need_off(domain: libvirt.virDomain) -> None:
    """Refuse what would pull the undo disks from under a guest.

    Raises:
        DomainOff: The machine was started meanwhile.
    """
    if domain.isActive():
        raise DomainOff(f"{domain.name()} was started meanwhile: its undo disks are in use")


def need_no_snapshots(domain: libvirt.virDomain, why: str) -> None:
    """Refuse where the machine has snapshots of libvirt's.

    Raises:
        Unsupported: It has; `why` says what reverting to one would do.
    """
    if domain.snapshotNum() > 0:
        text = f"{domain.name()} has snapshots of libvirt's, and to revert to one {why}: delete them first"
        raise Unsupported(text)


def need_ours(domain: libvirt.virDomain, journal: Journal) -> None:
    """Refuse to delete overlays that something else has come to rest on, or that the caller may not delete.

    Raises:
        Unsupported, ImageDenied: Says what.
    """
    need_no_snapshots(domain, "needs the undo disks")
    root = parse_element(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    overlays = {disk.overlay for disk in journal.used}
    for drive in root.iterfind("devices/disk"):
        source = undojournal.source_of(drive)
        if source is None or Path(source) in overlays:
            continue
        over = overlays.intersection(_below(Path(source), undojournal.format_of(drive)))
        if over:
            text = f"{source}, which lies over its undo disk {min(over)}: merge or remove it first"
            raise Unsupported(f"drive {undojournal.target_of(drive)} of {domain.name()} uses {text}")
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


def need_whole(disk: UndoDisk) -> None:
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
