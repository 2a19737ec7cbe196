"""The journal of a machine's undo disks, kept in the metadata of its definition.

An overlay (qcow2) takes what the guest writes, the original below it stays as it is. Which disk lies over which
original is written down in the same definition as the disks' sources, so libvirt takes both at once or neither:
whatever was interrupted, the next look finds what was going on, and files that are named here or nowhere.

Source of the format: libvirt.org/formatdomain.html (disks, metadata).
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import libvirt
from lxml import etree

from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import BadXml

UNDO_NS = "urn:vpcshim:undo:1"
_PREFIX = "vpcshim-undo"
_ROOT, _DISK = f"{{{UNDO_NS}}}undo", f"{{{UNDO_NS}}}disk"
# What an overlay is called: only files of such a name are ever removed.
_OVERLAY = re.compile(r".+\.undo-[0-9a-f]{8}\.qcow2")
_KEPT = ("source", "backingStore")  # what of a <disk> says where its data is, beside its type and its format


class Phase(Enum):
    """What is going on with the undo disks, by the name in the journal."""

    ACTIVE = "active"  # the machine's disks are the overlays
    MERGING = "merging"  # the overlays are being written into the originals; only going on leads out of it
    SWITCHING = "switching"  # merged; the saved state, and then the definition, is being led back to the originals
    REMOVING = "removing"  # the machine's disks are the originals again; the overlays are to be deleted


@dataclass(frozen=True, slots=True)
class UndoDisk:
    """One disk and its overlay.

    Attributes:
        target: The disk's target within the machine, as vda.
        overlay: The overlay.
        original: The file or block device below it.
        format: The original's format.
        was: The disk's type, format and source as they were, as an XML element.
        planned: Whether the disk does not use it yet: it is being made.
        stamp: What the overlay looked like when it was merged.
    """

    target: str
    overlay: Path
    original: Path
    format: str
    was: str
    planned: bool = False
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Journal:
    """The undo disks of one machine.

    Attributes:
        uuid: The machine's: the journal that a clone took along is not the clone's.
        phase: What is going on with them.
        pending: Whether the machine was started with them, and what is to happen with them after that run (its
            UndoAction) was not done yet.
        disks: Each.
    """

    uuid: str
    phase: Phase
    pending: bool
    disks: tuple[UndoDisk, ...]

    @property
    def used(self) -> tuple[UndoDisk, ...]:
        """Those that the machine's disks are."""
        return tuple(disk for disk in self.disks if not disk.planned)

    @property
    def unfinished(self) -> bool:
        """Whether something was begun that has to be completed or taken back."""
        return self.phase is not Phase.ACTIVE or any(disk.planned for disk in self.disks)

    def stamped(self, stamps: dict[str, str]) -> Journal:
        """The same with the looks of the overlays, by target."""
        return replace(self, disks=tuple(replace(disk, stamp=stamps[disk.target]) for disk in self.disks))


def read(domain: libvirt.virDomain) -> Journal | None:
    """The journal of a machine's definition; None where there is none of this machine.

    Raises:
        BadXml: Somebody else wrote something else there.
        libvirt.libvirtError: libvirt refused.
    """
    return read_of(parse_element(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)))


def read_of(root: etree._Element) -> Journal | None:
    """The same of a definition. Raises BadXml as `read`."""
    element = root.find(f"metadata/{_ROOT}")
    if element is None or element.get("uuid") != root.findtext("uuid"):
        return None
    try:
        disks = tuple(
            UndoDisk(
                target=disk.attrib["target"],
                overlay=_overlay(disk.attrib["overlay"]),
                original=Path(disk.attrib["original"]),
                format=disk.attrib["format"],
                was=disk.text or "",
                planned=disk.get("planned") == "yes",
                stamp=disk.get("stamp", ""),
            )
            for disk in element.iterchildren(_DISK)
        )
        phase = Phase(element.get("phase"))
    except (KeyError, ValueError) as error:
        name = root.findtext("name")
        raise BadXml(f"the journal of undo disks in the metadata of {name} is damaged: {error}") from error
    return Journal(element.attrib["uuid"], phase, element.get("pending") == "yes", disks)


def _overlay(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute() or _OVERLAY.fullmatch(path.name) is None:
        raise ValueError(f"{text!r} is no undo disk")
    return path


def write(root: etree._Element, journal: Journal | None) -> None:
    """Put the journal into a definition in place of what was there; None takes it out."""
    metadata = root.find("metadata")
    if metadata is None:
        metadata = etree.SubElement(root, "metadata")
    for old in metadata.findall(_ROOT):
        metadata.remove(old)
    if journal is None:
        if len(metadata) == 0:
            root.remove(metadata)
        return
    element = etree.SubElement(metadata, _ROOT, nsmap={_PREFIX: UNDO_NS})
    element.set("uuid", journal.uuid)
    element.set("phase", journal.phase.value)
    if journal.pending:
        element.set("pending", "yes")
    for disk in journal.disks:
        child = etree.SubElement(element, _DISK, target=disk.target, overlay=str(disk.overlay))
        child.set("original", str(disk.original))
        child.set("format", disk.format)
        if disk.planned:
            child.set("planned", "yes")
        if disk.stamp:
            child.set("stamp", disk.stamp)
        child.text = disk.was


def disk_of(root: etree._Element, target: str) -> etree._Element | None:
    """The `<disk>` of that target."""
    for disk in root.iterfind("devices/disk"):
        found = disk.find("target")
        if found is not None and found.get("dev") == target:
            return disk
    return None


def using(root: etree._Element, undo: UndoDisk) -> etree._Element | None:
    """The `<disk>` that uses an overlay, by whatever target: somebody may have given it another one."""
    return next((disk for disk in root.iterfind("devices/disk") if source_of(disk) == str(undo.overlay)), None)


def source_of(disk: etree._Element) -> str | None:
    """The file of a `<disk type='file'>`; None for all others."""
    source = disk.find("source")
    return None if source is None or disk.get("type") != "file" else source.get("file")


def target_of(disk: etree._Element) -> str:
    """The name of a `<disk>` within the machine, as vda; "" where it has none."""
    target = disk.find("target")
    return "" if target is None else target.get("dev") or ""


def format_of(disk: etree._Element) -> str:
    """The format of a `<disk>`'s image; raw where nothing says it, as libvirt takes it."""
    driver = disk.find("driver")
    return "raw" if driver is None else driver.get("type") or "raw"


def as_was(disk: etree._Element) -> str:
    """What of a `<disk>` is to be put back one day, as text."""
    was = etree.Element("disk", type=disk.get("type") or "file")
    driver = disk.find("driver")
    if driver is not None and driver.get("type") is not None:
        etree.SubElement(was, "driver", type=driver.get("type") or "")
    was.extend(copy.deepcopy(child) for child in disk.iterchildren(*_KEPT))
    for child in was.iter():
        child.tail = None
    return etree.tostring(was, encoding="unicode")


def lay_over(root: etree._Element, undo: UndoDisk) -> None:
    """Let the disk use its overlay.

    Raises:
        BadXml: There is no such disk.
    """
    disk = disk_of(root, undo.target)
    if disk is None:
        raise BadXml(f"the disk {undo.target} went away while its undo disk was made")
    source = disk.find("source")
    labels = [] if source is None else [copy.deepcopy(label) for label in source.iterchildren("seclabel")]
    below = disk.find("backingStore")
    for child in list(disk.iterchildren(*_KEPT)):
        disk.remove(child)
    _format(disk, "qcow2")
    over = etree.SubElement(disk, "source", file=str(undo.overlay))
    over.extend(labels)
    if below is not None and source is not None:
        # The chain was spelt out: so it is with the overlay on top. Else libvirt reads it from the images' headers.
        chain = etree.SubElement(disk, "backingStore", type=disk.get("type") or "file")
        etree.SubElement(chain, "format", type=undo.format)
        chain.extend((copy.deepcopy(source), copy.deepcopy(below)))
    disk.set("type", "file")


def put_back(root: etree._Element, undo: UndoDisk) -> bool:
    """Let the disk use its original again; whether it did use the overlay (else it is left as somebody made it).

    Raises:
        BadXml: What it was is damaged.
    """
    disk = using(root, undo)
    if disk is None:
        return False
    was = parse_element(undo.was)
    driver = was.find("driver")
    for child in list(disk.iterchildren(*_KEPT)):
        disk.remove(child)
    disk.set("type", was.get("type") or "file")
    _format(disk, None if driver is None else driver.get("type"))
    disk.extend(copy.deepcopy(child) for child in was.iterchildren(*_KEPT))
    return True


def _format(disk: etree._Element, format: str | None) -> None:
    driver = disk.find("driver")
    if driver is None:
        driver = etree.Element("driver", name="qemu")
        disk.insert(0, driver)
    if format is None:
        driver.attrib.pop("type", None)
    else:
        driver.set("type", format)
