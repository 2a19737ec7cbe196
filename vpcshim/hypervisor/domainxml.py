"""The one reader of domain XML: what vpcshim needs of it, as small value objects.

A domain's XML carries what others wrote (metadata, descriptions), so it is parsed as hostile input: no DTD, no
entities, no network, libxml2's size limits on. Source of the format: libvirt.org/formatdomain.html.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from vpcshim.hypervisor.errors import BadXml

RUN_NS = "urn:vpcshim:run:1"
SETTINGS_NS = "urn:vpcshim:settings:1"


@dataclass(frozen=True, slots=True)
class Nic:
    """One `<interface>`: where it stands, and how libvirt can be asked for it.

    Attributes:
        position: Its place among the domain's interfaces, from 1.
        type: bridge, network, ethernet, user, direct, hostdev, ...
        mac: Its MAC address in lower case; "" where the XML has none.
        target: The host's device (`<target dev>`), None where the XML names none.
        address: What interfaceStats is asked with: the target, else the MAC if no other NIC has it, else None.
    """

    position: int
    type: str
    mac: str
    target: str | None
    address: str | None

    @property
    def label(self) -> str:
        """The NIC as messages name it: `NIC 2 (vnet3, 52:54:00:11:22:33, type bridge)`."""
        known = [part for part in (self.target, self.mac, f"type {self.type}") if part]
        return f"NIC {self.position} ({', '.join(known)})"


@dataclass(frozen=True, slots=True)
class Disk:
    """One `<disk>`: its target (the name blockStats takes) and what it is (disk, cdrom, floppy, lun)."""

    target: str
    device: str

    @property
    def label(self) -> str:
        """The drive as messages name it: `drive vda (disk)`."""
        return f"drive {self.target} ({self.device})"


@dataclass(frozen=True, slots=True)
class DomainXml:
    """What is read of a domain's XML.

    Attributes:
        id: The domain id; None in the XML of a domain that is off.
        driver: The `type` of the domain: kvm, qemu, test, lxc, xen, ...
        vcpus: How many vCPUs are on now (`current` where it is set).
        nics: Every `<interface>`.
        drives: Every `<disk>` but the floppies.
        run: vpcshim's record of this run, an element of RUN_NS, None where there is none.
        settings: vpcshim's settings, an element of SETTINGS_NS, likewise.
    """

    name: str
    uuid: str
    id: int | None
    driver: str
    vcpus: int
    nics: tuple[Nic, ...]
    drives: tuple[Disk, ...]
    run: etree._Element | None
    settings: etree._Element | None


def _parser() -> etree.XMLParser:
    # A parser is not to be shared between threads that parse at the same time; making one is cheap.
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def parse_element(text: str) -> etree._Element:
    """The root of an XML document, refused where it brings a DTD or is not well-formed.

    Raises:
        BadXml: Says which.
    """
    try:
        root = etree.fromstring(text.encode(), _parser())
    except etree.XMLSyntaxError as error:
        raise BadXml(f"not well-formed XML: {error}") from error
    except UnicodeEncodeError as error:
        raise BadXml(f"not text: {error}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise BadXml("the document has a DTD, which no domain XML has; it is refused")
    return root


def parse(text: str) -> DomainXml:
    """Read a domain's XML, live or inactive.

    Raises:
        BadXml: It is not well-formed, has a DTD, or is not a domain.
    """
    root = parse_element(text)
    if root.tag != "domain":
        raise BadXml(f"a <domain> was expected, not <{root.tag!s}>")
    domain_id = root.get("id")
    devices = root.find("devices")
    metadata = root.find("metadata")
    return DomainXml(
        name=root.findtext("name") or "",
        uuid=root.findtext("uuid") or "",
        id=int(domain_id) if domain_id and domain_id.lstrip("-").isdecimal() and int(domain_id) >= 0 else None,
        driver=root.get("type") or "",
        vcpus=_vcpus(root.find("vcpu")),
        nics=() if devices is None else _nics(devices),
        drives=() if devices is None else _drives(devices),
        run=None if metadata is None else metadata.find(f"{{{RUN_NS}}}run"),
        settings=None if metadata is None else metadata.find(f"{{{SETTINGS_NS}}}settings"),
    )


def _vcpus(element: etree._Element | None) -> int:
    if element is None:
        return 1  # libvirt's documented default
    count = element.get("current") or (element.text or "").strip()
    if not count.isdecimal() or int(count) < 1:
        raise BadXml(f"<vcpu> is not a number of vCPUs: {count!r}")
    return int(count)


def _nics(devices: etree._Element) -> tuple[Nic, ...]:
    found: list[tuple[str, str, str | None]] = []
    for element in devices.iterchildren("interface"):
        mac = target = None
        for child in element:
            if child.tag == "mac":
                mac = child.get("address")
            elif child.tag == "target":
                target = child.get("dev")
        found.append((element.get("type") or "", (mac or "").lower(), target or None))
    macs = [mac for _, mac, _ in found]
    return tuple(
        Nic(position, kind, mac, target, target or (mac if mac and macs.count(mac) == 1 else None))
        for position, (kind, mac, target) in enumerate(found, 1)
    )


def _drives(devices: etree._Element) -> tuple[Disk, ...]:
    drives = []
    for element in devices.iterchildren("disk"):
        target = element.find("target")
        device = element.get("device") or "disk"
        if device != "floppy":
            drives.append(Disk("" if target is None else target.get("dev") or "", device))
    return tuple(drives)
