"""What a machine is made of, as its domain XML says: memory, adapters, drives, ports, video.

This is read when somebody asks for it, never in a sweep (`domainxml` is for those).

Source: libvirt.org/formatdomain.html.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import BadXml, Unsupported

_KIB = {"b": 1 / 1024, "bytes": 1 / 1024, "KiB": 1, "k": 1, "MiB": 1024, "M": 1024, "GiB": 1 << 20, "G": 1 << 20}


@dataclass(frozen=True, slots=True)
class Adapter:
    """One `<interface>`: its MAC address ("" for none), and its network or bridge ("" for neither)."""

    mac: str
    network: str


@dataclass(frozen=True, slots=True)
class Drive:
    """One `<disk>` of a PC's own controllers.

    Attributes:
        bus: ide or fdc.
        channel: For ide the channel, 0 or 1; for fdc 0.
        unit: Its place on the channel.
        device: disk, cdrom or floppy.
        path: The file or host device that is in it, "" for none.
    """

    bus: str
    channel: int
    unit: int
    device: str
    path: str


@dataclass(frozen=True, slots=True)
class Port:
    """One `<serial>` or `<parallel>`: the type of its other end (file, pty, unix, ...), and that end's path."""

    type: str
    path: str


@dataclass(frozen=True, slots=True)
class Hardware:
    """What one machine is made of.

    Attributes:
        uuid: The domain's UUID.
        memory: The memory that the guest is given when it starts, in MB.
        video: The video memory of the first display, in MB; None where the domain does not say.
        adapters: The network adapters in their order.
        drives: The drives on IDE channels and the floppy drives.
        serials: The serial ports in their order.
        parallels: The parallel ports likewise.
        description: What somebody wrote about it, "" for nothing.
        firmware: What the SMBIOS tables say: by table and entry, as ("chassis", "asset").
        smbios: Where the firmware's identity comes from: emulate, host, sysinfo.
    """

    uuid: str
    memory: int
    video: int | None
    adapters: tuple[Adapter, ...]
    drives: tuple[Drive, ...]
    serials: tuple[Port, ...]
    parallels: tuple[Port, ...]
    description: str
    firmware: dict[tuple[str, str], str]
    smbios: str

    def drive(self, bus: str, channel: int, unit: int) -> Drive | None:
        """The drive at that place; None for none."""
        place = (bus, channel, unit)
        return next((drive for drive in self.drives if (drive.bus, drive.channel, drive.unit) == place), None)


def read(text: str) -> Hardware:
    """What the domain XML says.

    Raises:
        BadXml: It is not a domain's.
    """
    root = parse_element(text)
    memory = root.find("memory")
    if root.tag != "domain" or memory is None:
        raise BadXml("a <domain> with a <memory> was expected")
    drives = [_drive(disk) for disk in root.iterfind("devices/disk")]
    smbios = root.find("os/smbios")
    return Hardware(
        uuid=root.findtext("uuid", ""),
        memory=_kib(memory) // 1024,
        video=_video(root),
        adapters=tuple(_adapter(interface) for interface in root.iterfind("devices/interface")),
        drives=tuple(drive for drive in drives if drive is not None),
        serials=tuple(_port(port) for port in root.iterfind("devices/serial")),
        parallels=tuple(_port(port) for port in root.iterfind("devices/parallel")),
        description=root.findtext("description", ""),
        firmware=_firmware(root),
        smbios="emulate" if smbios is None else smbios.get("mode", "emulate"),
    )


def _kib(element: etree._Element) -> int:
    unit, text = element.get("unit", "KiB"), (element.text or "").strip()
    if unit not in _KIB or not text.isdecimal() or len(text) > 20:
        raise BadXml(f"<{element.tag!s}> is not a size: {text[:40]!r} {unit[:40]!r}")
    return int(int(text) * _KIB[unit])


def _video(root: etree._Element) -> int | None:
    model = root.find("devices/video/model")
    vram = "" if model is None else model.get("vram", "")
    return int(vram) // 1024 if vram.isdecimal() and len(vram) <= 20 else None


def _adapter(interface: etree._Element) -> Adapter:
    mac, source = interface.find("mac"), interface.find("source")
    network = "" if source is None else source.get("network") or source.get("bridge") or ""
    return Adapter("" if mac is None else mac.get("address", "").lower(), network)


def _drive(disk: etree._Element) -> Drive | None:
    target, address, source = disk.find("target"), disk.find("address"), disk.find("source")
    name = "" if target is None else target.get("dev", "")
    bus = "" if target is None else target.get("bus", "")
    if bus not in ("ide", "fdc") or len(name) != 3:
        return None
    # Without an address libvirt takes two to a channel, in the order of the names: hda, hdb; hdc, hdd.
    index = ord(name[2]) - ord("a")
    place = {"bus": index // 2 if bus == "ide" else 0, "unit": index % 2}
    if address is not None and address.get("type") == "drive":
        place = {part: int(address.get(part, "0")) for part in place}
    path = "" if source is None else source.get("file") or source.get("dev") or ""
    return Drive(bus, place["bus"], place["unit"], disk.get("device", "disk"), path)


def _port(port: etree._Element) -> Port:
    source = port.find("source")
    return Port(port.get("type", ""), "" if source is None else source.get("path", ""))


def _firmware(root: etree._Element) -> dict[tuple[str, str], str]:
    return {
        (str(table.tag), entry.get("name", "")): entry.text or ""
        for block in root.iterfind("sysinfo[@type='smbios']")
        for table in block
        for entry in table.iterfind("entry")
    }


def set_memory(root: etree._Element, megabytes: int) -> None:
    """Give the machine so much memory from its next start on.

    Raises:
        Unsupported: Its memory is made of parts, and which of them to change is not for us to say.
    """
    cells = root.findall("cpu/numa/cell")
    if len(cells) > 1 or root.find("devices/memory") is not None:
        raise Unsupported("its memory is made of several NUMA cells or memory devices: change these (virsh edit)")
    kib = str(megabytes * 1024)
    for cell in cells:  # libvirt takes the sum of the cells, whatever <memory> says
        cell.set("memory", kib)
        cell.set("unit", "KiB")
    for name in ("memory", "currentMemory"):
        element = root.find(name)
        if element is not None:
            element.set("unit", "KiB")
            element.text = kib


def set_firmware(root: etree._Element, table: str, entry: str, value: str) -> None:
    """Let an SMBIOS table say something.

    Args:
        root: The definition, to be changed in place.
        table: system, baseBoard or chassis.
        entry: serial, asset, ...
        value: What it is to say.

    Raises:
        Unsupported: The guest is shown the host's own tables.
    """
    os_element = root.find("os")
    if os_element is None:
        raise Unsupported("it has no firmware: its definition has no <os>")
    smbios = os_element.find("smbios")
    if smbios is None:
        smbios = etree.SubElement(os_element, "smbios")
    if smbios.get("mode") == "host":
        raise Unsupported("its firmware shows the host's own identity (<smbios mode='host'/>)")
    smbios.set("mode", "sysinfo")
    block = root.find("sysinfo[@type='smbios']")
    if block is None:
        block = etree.SubElement(root, "sysinfo", type="smbios")
    found = block.find(table)
    if found is None:
        found = etree.SubElement(block, table)
    item = next((item for item in found.iterfind("entry") if item.get("name") == entry), None)
    if item is None:
        item = etree.SubElement(found, "entry", name=entry)
    item.text = value


def host_firmware(sysinfo: str, table: str, entry: str) -> str:
    """What an SMBIOS table of the host says, by virConnectGetSysinfo; "" for nothing."""
    root = parse_element(sysinfo)
    return next((item.text or "" for item in root.iterfind(f"{table}/entry") if item.get("name") == entry), "")
