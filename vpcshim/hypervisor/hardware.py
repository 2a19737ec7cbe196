"""What a machine is made of, as its domain XML says: memory, adapters, drives, ports, video.

This is read when somebody asks for it, never in a sweep (`domainxml` is for those).

Source: libvirt.org/formatdomain.html.
"""

from __future__ import annotations

from dataclasses import dataclass

import libvirt
from lxml import etree

from vpcshim.hypervisor.disks import Devices
from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import BadXml, Unsupported
from vpcshim.hypervisor.ports import Port, ports_of

_KIB = {"b": 1 / 1024, "bytes": 1 / 1024, "KiB": 1, "k": 1, "MiB": 1024, "M": 1024, "GiB": 1 << 20, "G": 1 << 20}


@dataclass(frozen=True, slots=True)
class Adapter:
    """One `<interface>`: its MAC address ("" for none), and the network or bridge that it is attached to.

    That is "" for neither, and while its link is down: the link is its plug (see `interfaces`).
    """

    mac: str
    network: str


@dataclass(frozen=True, slots=True)
class Hardware:
    """What one machine is made of.

    Attributes:
        uuid: The domain's UUID.
        memory: The memory that the guest is given when it starts, in MB.
        video: The video memory of the first display, in MB; None where the domain does not say.
        adapters: The network adapters in their order.
        devices: Its drives, and their undo disks.
        serials: The serial ports, each in the place of its number; one that is missing in between has no type.
        parallels: The parallel ports likewise.
        description: What somebody wrote about it, "" for nothing.
        firmware: What the SMBIOS tables say: by table and entry, as ("chassis", "asset").
        smbios: Where the firmware's identity comes from: emulate, host, sysinfo.
    """

    uuid: str
    memory: int
    video: int | None
    adapters: tuple[Adapter, ...]
    devices: Devices
    serials: tuple[Port, ...]
    parallels: tuple[Port, ...]
    description: str
    firmware: dict[tuple[str, str], str]
    smbios: str


def read(text: str) -> Hardware:
    """What the domain XML says.

    Raises:
        BadXml: It is not a domain's.
    """
    root = parse_element(text)
    memory = root.find("memory")
    if root.tag != "domain" or memory is None:
        raise BadXml("a <domain> with a <memory> was expected")
    smbios = root.find("os/smbios")
    return Hardware(
        uuid=root.findtext("uuid", ""),
        memory=_kib(memory) // 1024,
        video=_video(root),
        adapters=tuple(_adapter(interface) for interface in root.iterfind("devices/interface")),
        devices=Devices(root),
        serials=tuple(ports_of(root, "serial")),
        parallels=tuple(ports_of(root, "parallel")),
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
    mac, source, link = interface.find("mac"), interface.find("source"), interface.find("link")
    plugged = link is None or link.get("state") != "down"
    network = "" if source is None or not plugged else source.get("network") or source.get("bridge") or ""
    return Adapter("" if mac is None else mac.get("address", "").lower(), network)


def _firmware(root: etree._Element) -> dict[tuple[str, str], str]:
    tables: dict[str, etree._Element] = {}
    for block in root.iterfind("sysinfo[@type='smbios']"):
        for table in block:
            tables.setdefault(str(table.tag), table)  # of several base boards the first is the one that is set
    return {
        (name, entry.get("name", "")): entry.text or ""
        for name, table in tables.items()
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


def firmware_of(domain: libvirt.virDomain, held: Hardware, table: str, entry: str) -> str:
    """What an SMBIOS table says to the guest of that hardware; "" for nothing.

    Raises:
        libvirt.libvirtError: It says what the host's says, and libvirt does not tell that.
    """
    if held.smbios == "host":
        return _host_firmware(domain.connect().getSysinfo(), table, entry)
    return held.firmware.get((table, entry), "") if held.smbios == "sysinfo" else ""


def _host_firmware(sysinfo: str, table: str, entry: str) -> str:
    root = parse_element(sysinfo)
    return next((item.text or "" for item in root.iterfind(f"{table}/entry") if item.get("name") == entry), "")
