"""The drives of a machine in its domain XML: where each is attached, what is in it, and how both are changed.

Source: libvirt.org/formatdomain.html (disks, controllers, the address of type drive); virDomainUpdateDeviceFlags.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import libvirt
from lxml import etree

from vpcshim.hypervisor import undojournal
from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import BadXml, Unsupported
from vpcshim.hypervisor.redefine import redefine
from vpcshim.hypervisor.states import need_unsaved

T = TypeVar("T")

_QEMU = frozenset(("qemu", "kvm", "hvf"))
# The machine types of QEMU that have an IDE controller built in, as libvirt tells them apart.
_WITH_IDE = re.compile(r"pc|isapc|pc-[0-9].*|pc-i440fx.*|rhel.*|malta|sun4u|g3beige|mac99")
_PREFIXES = {"ide": "hd", "scsi": "sd", "sata": "sd", "usb": "sd", "virtio": "vd", "fdc": "fd"}
# How many drives a controller holds where libvirt gives them places by their names.
_UNITS = {"ide": 2, "scsi": 7, "sata": 6, "fdc": 2}
# A SCSI target has at most so many units; libvirt's own places are units of target 0.
_SCSI_UNITS = 16384
_ATTRIBUTES = {"file": "file", "block": "dev", "dir": "dir"}
_LETTERS = re.compile(r"[a-z]+")
_NUMBER = re.compile(r"[0-9]{1,9}")


class Place(NamedTuple):
    """Where a drive is attached.

    Attributes:
        bus: The bus by libvirt's name: ide, scsi, sata, virtio, fdc, usb, ...
        controller: Which one of these, from 0. Of IDE: the channel (0 primary, 1 secondary). 0 for buses without.
        unit: The place on it, from 0. Of SCSI: the unit, plus 16384 for each target. For buses without
            controllers: the place of the letters in the drive's name, as 1 of vdb.
    """

    bus: str
    controller: int
    unit: int


class Medium(NamedTuple):
    """What a drive holds.

    Attributes:
        kind: file, block (a device of the host), dir, network, volume, ...
        path: The file or device; for other kinds what the XML names, as rbd:pool/image.
        format: The format that the definition gives: raw, vpc, qcow2, ...
    """

    kind: str
    path: str
    format: str

    @property
    def is_local(self) -> bool:
        """Whether `path` is a path of the hypervisor's host."""
        return self.kind in _ATTRIBUTES


class Drive(NamedTuple):
    """One `<disk>`.

    Attributes:
        device: disk, lun, cdrom or floppy.
        target: Its name within the machine, as hda.
        place: Where it is attached.
        medium: What it holds; None for an empty drive.
        readonly: Whether the guest can only read it.
        alias: libvirt's name for the device in the running machine; "" where the XML names none.
    """

    device: str
    target: str
    place: Place
    medium: Medium | None
    readonly: bool
    alias: str


class Devices:
    """The drives and SCSI controllers of one domain XML, to be read or changed.

    Attributes:
        name: The machine's name.
        machine: The machine type, "" where the XML has none.
    """

    def __init__(self, root: etree._Element) -> None:
        self._root = root
        self._driver = root.get("type") or ""
        self.name = root.findtext("name") or ""
        kind = root.find("os/type")
        self.machine = "" if kind is None else kind.get("machine") or ""

    @property
    def has_ide(self) -> bool:
        """Whether the machine has an IDE bus, as far as its type tells; for drivers but QEMU's libvirt decides."""
        return self._driver not in _QEMU or not self.machine or _WITH_IDE.fullmatch(self.machine) is not None

    @property
    def drives(self) -> tuple[Drive, ...]:
        """Every drive, in the order of the XML.

        Raises:
            BadXml: A drive has no name.
        """
        return tuple(_drive(element) for element in self._disks())

    def drive(self, target: str) -> Drive | None:
        """The drive of that name; None for none."""
        return next((drive for drive in self.drives if drive.target == target), None)

    def undo(self, drive: Drive) -> undojournal.UndoDisk | None:
        """The undo disk that the drive uses; None where it uses none.

        Raises:
            BadXml: The journal of the undo disks is damaged.
        """
        journal = undojournal.read_of(self._root)
        if journal is None or drive.medium is None:
            return None
        return next((disk for disk in journal.disks if str(disk.overlay) == drive.medium.path), None)

    def at(self, place: Place) -> Drive | None:
        """The drive at that place; None for none."""
        return next((drive for drive in self.drives if drive.place == place), None)

    @property
    def scsi_controllers(self) -> tuple[int, ...]:
        """The numbers of the SCSI controllers, sorted."""
        found = self._root.iterfind("devices/controller[@type='scsi']")
        return tuple(sorted(_number(element.get("index")) for element in found))

    def paths(self, *, beneath: bool = False, written: bool = False) -> set[str]:
        """The files and devices of the host that are the drives' media.

        Args:
            beneath: With the backing files that the XML names: those of a running machine.
            written: Only those of drives that the guest can write to.
        """
        drives = [disk for disk in self._disks() if not (written and _is_readonly(disk))]
        sources = [source for disk in drives for source in disk.findall("source")]
        if beneath:
            sources += [source for disk in drives for source in disk.findall(".//backingStore/source")]
        found = {source.get(attribute) for source in sources for attribute in _ATTRIBUTES.values()}
        return {path for path in found if path}

    def add(self, device: str, place: Place, medium: Medium | None) -> str:
        """Attach a drive; its name. The place is free."""
        target = self._free_target(place)
        element = etree.SubElement(self._devices(), "disk", type="file", device=device)
        if device == "cdrom":
            etree.SubElement(element, "readonly")
        etree.SubElement(element, "target", dev=target, bus=place.bus)
        _set_address(element, place)
        _set_medium(element, medium, self._driver)
        return target

    def remove(self, target: str) -> None:
        """Detach the drive of that name."""
        element = self._disk(target)
        self._devices().remove(element)

    def move(self, target: str, place: Place) -> str:
        """Attach the drive of that name to another place, which is free; its name there."""
        element = self._disk(target)
        new = self._free_target(place, but=target)
        named = element.find("target")
        assert named is not None
        named.set("dev", new)
        named.set("bus", place.bus)
        for old in element.findall("address"):
            element.remove(old)
        _set_address(element, place)
        return new

    def insert(self, target: str, medium: Medium | None) -> None:
        """Put a medium into the drive of that name, or take it out."""
        _set_medium(self._disk(target), medium, self._driver)

    def add_scsi_controller(self) -> int:
        """Add a SCSI controller of the model that libvirt chooses for this hypervisor; its number."""
        taken = self.scsi_controllers
        index = next(number for number in range(len(taken) + 1) if number not in taken)
        etree.SubElement(self._devices(), "controller", type="scsi", index=str(index))
        return index

    def remove_scsi_controller(self, index: int) -> None:
        """Remove the SCSI controller of that number."""
        for element in self._root.findall("devices/controller[@type='scsi']"):
            if _number(element.get("index")) == index:
                self._devices().remove(element)

    def _devices(self) -> etree._Element:
        found = self._root.find("devices")
        return etree.SubElement(self._root, "devices") if found is None else found

    def _disks(self) -> list[etree._Element]:
        return self._root.findall("devices/disk")

    def _disk(self, target: str) -> etree._Element:
        return next(element for element in self._disks() if undojournal.target_of(element) == target)

    def _free_target(self, place: Place, *, but: str = "") -> str:
        taken = {drive.target for drive in self.drives} - {but}
        prefix = _PREFIXES[place.bus]
        number = place.controller * _UNITS.get(place.bus, 0) + place.unit
        while (name := prefix + _letters(number)) in taken:
            number += 1
        return name


def read(domain: libvirt.virDomain) -> Devices:
    """The drives as they are now: those of the running machine, else those of its definition.

    Raises:
        BadXml: It is no domain.
        libvirt.libvirtError: libvirt refused.
    """
    return Devices(parse_element(domain.XMLDesc()))


def change(domain: libvirt.virDomain, edit: Callable[[Devices], T]) -> T:
    """Change the drives of a machine's definition; what `edit` raises leaves it as it is.

    Raises:
        libvirt.libvirtError: libvirt refused; the definition is then as it was.
    """
    results: list[T] = []

    def edited(root: etree._Element) -> None:
        results.append(edit(Devices(root)))

    redefine(domain, edited)
    return results[0]


def insert(domain: libvirt.virDomain, target: str, medium: Medium | None) -> None:
    """Put a medium into a drive, or take it out: in the definition, and in the machine if it runs.

    Raises:
        DomainOff: It was saved meanwhile.
        libvirt.libvirtError: libvirt refused, as where the guest has locked the tray.
    """
    if not domain.isActive():
        need_unsaved(domain)
        change(domain, lambda devices: devices.insert(target, medium))
        return
    live = Devices(parse_element(domain.XMLDesc()))
    live.insert(target, medium)
    element = copy.deepcopy(live._disk(target))
    for name in ("alias", "backingStore"):
        for child in element.findall(name):
            element.remove(child)
    flags = libvirt.VIR_DOMAIN_AFFECT_LIVE
    if domain.isPersistent():
        kept = Devices(parse_element(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)))
        if kept.drive(target) is not None:
            flags |= libvirt.VIR_DOMAIN_AFFECT_CONFIG
    domain.updateDeviceFlags(etree.tostring(element, encoding="unicode"), flags)


def active_users(
    connect: libvirt.virConnect, *, beneath: bool = False, saved: bool = True, written: bool = False
) -> dict[str, str]:
    """The files and devices that running and saved machines have for drives, each with the name of a machine.

    A saved one goes on with what its guest knows of its disks: what somebody else writes to these ruins them.

    Args:
        connect: The connection.
        beneath: With those that lie beneath them (backing files), which the machines only read.
        saved: With those of saved machines.
        written: Only those of drives that the guest can write to.

    Raises:
        libvirt.libvirtError: libvirt refused.
    """
    users: dict[str, str] = {}
    found = connect.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    if saved:
        found += connect.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
    for domain in found:
        try:
            devices = read(domain)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                continue  # it has gone since it was listed
            raise
        users.update(dict.fromkeys(devices.paths(beneath=beneath, written=written), devices.name))
    return users


def _drive(element: etree._Element) -> Drive:
    target = undojournal.target_of(element)
    if not target:
        raise BadXml("a <disk> has no <target dev>")
    named, alias, driver = element.find("target"), element.find("alias"), element.find("driver")
    bus = ("" if named is None else named.get("bus") or "") or _bus_of(target)
    return Drive(
        element.get("device") or "disk",
        target,
        _place(element, bus, target),
        _medium(element, "raw" if driver is None else driver.get("type") or "raw"),
        _is_readonly(element),
        "" if alias is None else alias.get("name") or "",
    )


def _is_readonly(element: etree._Element) -> bool:
    return element.get("device") == "cdrom" or element.find("readonly") is not None


def _bus_of(target: str) -> str:
    """The bus that libvirt takes for a name where the XML has none."""
    return {"hd": "ide", "sd": "scsi", "vd": "virtio", "fd": "fdc", "xv": "xen"}.get(target[:2], "")


def _place(element: etree._Element, bus: str, target: str) -> Place:
    address = element.find("address[@type='drive']")
    if address is None:
        number = _place_of_letters(target)
        units = _UNITS.get(bus)
        return Place(bus, 0, number) if units is None else Place(bus, *divmod(number, units))
    controller, channel, scsi_target, unit = (
        _number(address.get(name)) for name in ("controller", "bus", "target", "unit")
    )
    if bus == "ide":
        return Place(bus, 2 * controller + channel, unit)
    return Place(bus, controller, scsi_target * _SCSI_UNITS + unit)


def _medium(element: etree._Element, form: str) -> Medium | None:
    source = element.find("source")
    if source is None:
        return None
    kind = element.get("type") or "file"
    if kind in _ATTRIBUTES:
        path = source.get(_ATTRIBUTES[kind])
        return None if not path else Medium(kind, path, form)
    if kind == "network":
        return Medium(kind, f"{source.get('protocol')}:{source.get('name') or ''}", form)
    if kind == "volume":
        return Medium(kind, f"{source.get('pool')}/{source.get('volume')}", form)
    return Medium(kind, kind, form)


def _set_medium(element: etree._Element, medium: Medium | None, driver: str) -> None:
    for name in ("source", "backingStore", "driver"):
        for old in element.findall(name):
            if name != "driver":
                element.remove(old)
            elif old.get("type"):
                del old.attrib["type"]
    element.set("type", "file" if medium is None else medium.kind)
    # Always said: left to guess, QEMU would take a raw image for whatever its guest wrote into it.
    named = element.find("driver")
    if named is None:
        named = etree.Element("driver")
        element.insert(0, named)
        if driver in (*_QEMU, "test"):
            named.set("name", "qemu")
    named.set("type", "raw" if medium is None else medium.format)
    if medium is not None:
        if medium.kind not in _ATTRIBUTES:
            raise Unsupported(f"a medium of the kind {medium.kind} cannot be put into a drive by its path")
        element.insert(1, etree.Element("source", {_ATTRIBUTES[medium.kind]: medium.path}))


def _set_address(element: etree._Element, place: Place) -> None:
    if place.bus == "ide":
        numbers = (place.controller // 2, place.controller % 2, 0, place.unit)
    elif place.bus in _UNITS:
        numbers = (place.controller, 0, *divmod(place.unit, _SCSI_UNITS))
    else:
        return  # a bus without controllers: libvirt gives it an address of its own
    names = ("controller", "bus", "target", "unit")
    address = etree.SubElement(element, "address", type="drive")
    for name, number in zip(names, numbers, strict=True):
        address.set(name, str(number))


def _number(text: str | None) -> int:
    if text is None:
        return 0
    if _NUMBER.fullmatch(text) is None:
        raise BadXml(f"not a number of a controller or drive: {text[:40]!r}")
    return int(text)


def _place_of_letters(target: str) -> int:
    """The place that the letters of a name stand for: 0 of hda, 26 of sdaa."""
    rest = target[3:] if target.startswith("xvd") else target[2:]
    found = _LETTERS.match(rest)
    if found is None:
        return 0
    number = 0
    for letter in found[0][:6]:
        number = number * 26 + ord(letter) - ord("a") + 1
    return number - 1


def _letters(number: int) -> str:
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text
