"""Building the definition of a new machine, as a tree, shaped for the hypervisor at hand.

Source of the format: libvirt.org/formatdomain.html. libvirt itself adds what is not named here (controllers, PCI
addresses, MAC addresses) and checks it against its schema when it is defined (`redefine.define`).
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from lxml import etree

from vpcshim.hypervisor.capabilities import Shape
from vpcshim.hypervisor.domainxml import SETTINGS_NS, parse_element
from vpcshim.hypervisor.settings import Settings, as_xml

logger = logging.getLogger(__name__)

_PREFIXES = {"ide": "hd", "scsi": "sd", "sata": "sd", "fdc": "fd", "virtio": "vd"}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Drive:
    """A drive of a new machine.

    Attributes:
        bus: ide, scsi or fdc, as the products have them; another bus where the hypervisor has no IDE.
        device: disk, cdrom or floppy.
        controller: The number of its channel (IDE: 0 and 1) or adapter (SCSI).
        unit: Its place there.
        file: What is in it, a path of the host; None for an empty one.
        format: The format of that file: vpc, qcow2, raw, ...
    """

    bus: Literal["ide", "scsi", "fdc"]
    device: Literal["disk", "cdrom", "floppy"]
    controller: int = 0
    unit: int = 0
    file: str | None = None
    format: str = "raw"


@dataclass(frozen=True, slots=True)
class Nic:
    """A network adapter of a new machine: on a libvirt network, on a bridge, or with its cable unplugged.

    Attributes:
        mac: Its MAC address; None lets libvirt choose one.
        network: The libvirt network.
        bridge: The host's bridge.
    """

    mac: str | None = None
    network: str | None = None
    bridge: str | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """A serial or parallel port: its number from 0, and what it is connected to.

    Attributes:
        kind: `serial` or `parallel`.
        number: Which of them, from 0.
        type: null, file, unix, dev, ...
        path: The path of the host that goes with the type.
    """

    kind: Literal["serial", "parallel"]
    number: int
    type: str = "null"
    path: str = ""


@dataclass(frozen=True, slots=True)
class NewMachine:
    """A machine that is to be defined.

    Attributes:
        name: Its name.
        uuid: Its UUID.
        memory: MiB.
        drives: Its drives, in the order in which they are to boot.
        nics: Its network adapters.
        ports: Its serial and parallel ports.
        identity: What SMBIOS tells the guest, as {("system", "serial"): "...", ...}.
        notes: Its description.
        settings: What vpcshim keeps of it.
    """

    name: str
    uuid: str
    memory: int
    drives: tuple[Drive, ...] = ()
    nics: tuple[Nic, ...] = ()
    ports: tuple[Port, ...] = ()
    identity: dict[tuple[str, str], str] = field(default_factory=dict)
    notes: str = ""
    settings: Settings = field(default_factory=Settings)


def build(machine: NewMachine, shape: Shape) -> etree._Element:
    """The machine's `<domain>`.

    Raises:
        ValueError: A text holds what XML cannot.
    """
    root = etree.Element("domain", type=shape.type)
    _leaf(root, "name", machine.name)
    _leaf(root, "uuid", machine.uuid)
    if machine.notes:
        _leaf(root, "description", machine.notes)
    with_settings(root, machine.settings)
    _leaf(root, "memory", str(machine.memory), unit="MiB")
    _leaf(root, "vcpu", "1")
    identity = machine.identity if shape.is_pc else {}
    if identity:
        _sysinfo(root, identity)
    system = etree.SubElement(root, "os")
    kind = etree.SubElement(system, "type", arch=shape.arch)
    kind.text = "hvm"
    if shape.machine is not None:
        kind.set("machine", shape.machine)
    # The floppy is not among them: an empty drive makes some firmware wait.
    for device in ("cdrom", "hd"):
        etree.SubElement(system, "boot", dev=device)
    if identity:
        etree.SubElement(system, "smbios", mode="sysinfo")
    if shape.is_pc:
        features = etree.SubElement(root, "features")
        etree.SubElement(features, "acpi")
        etree.SubElement(features, "apic")
    etree.SubElement(root, "clock", offset="localtime")  # the products' clock is the host's local time
    _devices(root, machine, shape)
    return root


def with_settings(root: etree._Element, settings: Settings) -> None:
    """Put the settings into a definition, in the place of those that it has."""
    metadata = root.find("metadata")
    if metadata is None:
        metadata = etree.SubElement(root, "metadata")
    for old in metadata.findall(f"{{{SETTINGS_NS}}}settings"):
        metadata.remove(old)
    metadata.append(_settings(settings))


def _leaf(parent: etree._Element, tag: str, text: str, **attributes: str) -> None:
    element = etree.SubElement(parent, tag)
    element.attrib.update(attributes)
    element.text = text


def _settings(settings: Settings) -> etree._Element:
    """The settings' element in its namespace, as libvirt itself keeps what is set as metadata."""
    plain = parse_element(as_xml(settings))
    root = etree.Element(f"{{{SETTINGS_NS}}}{plain.tag!s}", nsmap={"vpcshim": SETTINGS_NS})
    root.attrib.update(plain.attrib)
    for child in plain:
        element = etree.SubElement(root, f"{{{SETTINGS_NS}}}{child.tag!s}")
        element.attrib.update(child.attrib)
        element.text = child.text
    return root


def _sysinfo(root: etree._Element, identity: dict[tuple[str, str], str]) -> None:
    sysinfo = etree.SubElement(root, "sysinfo", type="smbios")
    # In the order of libvirt's schema.
    for block in ("bios", "system", "baseBoard", "chassis"):
        entries = {name: text for (where, name), text in identity.items() if where == block}
        if entries:
            parent = etree.SubElement(sysinfo, block)
            for name, text in entries.items():
                _leaf(parent, "entry", text, name=name)


def _devices(root: etree._Element, machine: NewMachine, shape: Shape) -> None:
    devices = etree.SubElement(root, "devices")
    taken: Counter[str] = Counter()
    for drive in machine.drives:
        if drive.bus == "fdc" and "fdc" not in shape.buses:
            logger.warning("%s: the hypervisor has no floppy drives, so it gets none", machine.name)
            continue
        _drive(devices, drive, shape, taken)
    for nic in machine.nics:
        _nic(devices, nic, shape)
    for port in machine.ports:
        element = etree.SubElement(devices, port.kind, type=port.type)
        if port.path:
            source = etree.SubElement(element, "source", path=port.path)
            if port.type == "unix":
                source.set("mode", "bind")
        etree.SubElement(element, "target", port=str(port.number))
    if "vnc" in shape.graphics:
        etree.SubElement(devices, "graphics", type="vnc", autoport="yes")


def _drive(devices: etree._Element, drive: Drive, shape: Shape, taken: Counter[str]) -> None:
    bus = shape.ide_bus if drive.bus == "ide" else drive.bus
    disk = etree.SubElement(devices, "disk", type="file", device=drive.device)
    if drive.file is not None:
        # Always said: left to guess, QEMU would take a raw image for whatever its guest wrote into it.
        etree.SubElement(disk, "driver", name="qemu", type=drive.format)
        etree.SubElement(disk, "source", file=drive.file)
    prefix = _PREFIXES[bus]
    if bus == "ide":
        number = 2 * drive.controller + drive.unit
    elif bus == "fdc":
        number = drive.unit
    else:
        number = taken[prefix]
        taken[prefix] += 1
    etree.SubElement(disk, "target", dev=f"{prefix}{_letters(number)}", bus=bus)
    if drive.device == "cdrom":
        etree.SubElement(disk, "readonly")
    if bus in ("ide", "scsi") and drive.bus == bus:
        # On IDE libvirt's bus is the channel; on SCSI its unit is the SCSI id.
        controller, channel = (0, drive.controller) if bus == "ide" else (drive.controller, 0)
        address = etree.SubElement(disk, "address", type="drive", controller=str(controller), bus=str(channel))
        address.set("target", "0")
        address.set("unit", str(drive.unit))


def _letters(number: int) -> str:
    """The letters of a drive's name: a, b, ... z, aa, ab, ..."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, len(_LETTERS))
        text = _LETTERS[rest] + text
    return text


def _nic(devices: etree._Element, nic: Nic, shape: Shape) -> None:
    # An adapter that is connected to nothing: libvirt wants some backend, and its cable is unplugged. A tap that
    # leads nowhere has counters, QEMU's user-mode back end has none.
    nowhere = "ethernet" if shape.privileged else "user"
    kind, source = next(
        ((kind, name) for kind, name in (("network", nic.network), ("bridge", nic.bridge)) if name), (nowhere, None)
    )
    interface = etree.SubElement(devices, "interface", type=kind)
    if nic.mac is not None:
        etree.SubElement(interface, "mac", address=nic.mac)
    if source is None:
        etree.SubElement(interface, "link", state="down")
    else:
        etree.SubElement(interface, "source").set(kind, source)
