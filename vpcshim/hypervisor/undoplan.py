"""Which disks of a machine an undo disk can be laid over, and what it is called.

Source of the elements: libvirt.org/formatdomain.html (disks).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import libvirt
from lxml import etree

from vpcshim.hypervisor import undojournal
from vpcshim.hypervisor.errors import Unsupported
from vpcshim.hypervisor.undochecks import need_no_snapshots
from vpcshim.hypervisor.undojournal import UndoDisk

# Beside a block device there is no place for a file: its overlay goes to the folder that libvirt has for images.
_FOR_DEVICES = Path("/var/lib/libvirt/images")


def planned(root: etree._Element, domain: libvirt.virDomain, having: Sequence[UndoDisk]) -> list[UndoDisk]:
    """The overlays that the machine's disks lack; none of them is there yet.

    Args:
        root: The machine's definition.
        domain: The machine.
        having: The overlays that it has.

    Raises:
        Unsupported: A disk cannot have one, or snapshots are in the way; says which and why.
        libvirt.libvirtError: libvirt refused.
    """
    overlays = {str(undo.overlay) for undo in having}
    found = [
        _undo_of(disk, domain)
        for disk in root.iterfind("devices/disk")
        if undojournal.source_of(disk) not in overlays
    ]
    new = [undo for undo in found if undo is not None]
    if new:
        need_no_snapshots(domain, "would take the machine off its undo disks")
    return new


def _undo_of(disk: etree._Element, domain: libvirt.virDomain) -> UndoDisk | None:
    """The overlay for one `<disk>`; None for one whose contents the guest cannot change, or that is no hard disk.

    Raises:
        Unsupported: It can have none.
    """
    device, kind, target = disk.get("device") or "disk", disk.get("type") or "file", undojournal.target_of(disk)
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
    was = undojournal.as_was(disk)
    return UndoDisk(target, folder / name, original, undojournal.format_of(disk), was, planned=True)


def _volume(source: etree._Element, connect: libvirt.virConnect) -> str:
    pool = connect.storagePoolLookupByName(source.get("pool") or "")
    return str(pool.storageVolLookupByName(source.get("volume") or "").path())
