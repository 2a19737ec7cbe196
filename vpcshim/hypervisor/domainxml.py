"""The one reader of domain XML: what vpcshim needs of it, as small value objects.

A domain's XML carries what others wrote (metadata, descriptions), so it is parsed as hostile input. Source of the
format: libvirt.org/formatdomain.html.
"""

from __future__ import annotations

import copy
import re
import threading
from collections import Counter
from typing import NamedTuple

from lxml import etree

from vpcshim.hypervisor.errors import BadXml
from vpcshim.xmlparser import has_dtd, make_parser

RUN_NS = "urn:vpcshim:run:1"
SETTINGS_NS = "urn:vpcshim:settings:1"
# Ids and numbers of vCPUs; Python refuses to read thousands of digits.
_SMALL_NUMBER = re.compile(r"[0-9]{1,10}")
_RUN = f"{{{RUN_NS}}}run"
_SETTINGS = f"{{{SETTINGS_NS}}}settings"


class Nic(NamedTuple):
    """One `<interface>`: where it stands, and how libvirt can be asked for it.

    Attributes:
        position: Its place among the domain's interfaces, from 1.
        type: bridge, network, ethernet, user, direct, hostdev, ...
        mac: Its MAC address in lower case; "" where the XML has none.
        target: The host's device (`<target dev>`), None where the XML names none.
        alias: libvirt's name for the device within the domain; "" where the XML names none.
        address: What interfaceStats is asked with: the target, else the MAC if no other NIC has it, else None.
    """

    position: int
    type: str
    mac: str
    target: str | None
    address: str | None
    alias: str = ""

    @property
    def label(self) -> str:
        """The NIC as messages name it: `NIC 2 (vnet3, 52:54:00:11:22:33, type bridge)`."""
        known = [part for part in (self.target, self.mac, f"type {self.type}") if part]
        return f"NIC {self.position} ({', '.join(known)})"


class Disk(NamedTuple):
    """One `<disk>`: its target (the name blockStats takes) and what it is (disk, cdrom, floppy, lun)."""

    target: str
    device: str
    alias: str = ""

    @property
    def label(self) -> str:
        """The drive as messages name it: `drive vda (disk)`."""
        return f"drive {self.target} ({self.device})"


class DomainXml:
    """What is read of a domain's XML, and no more than that: there may be one for each of thousands of domains.

    Attributes:
        name: The domain's name.
        uuid: The domain's UUID.
        driver: The `type` of the domain: kvm, qemu, test, lxc, xen, ...
        nics: Every `<interface>`.
        drives: Every `<disk>` but the floppies.
        run: The record of this run that vpcshim keeps (`runrecord`), None where there is none.
        settings: The settings that vpcshim keeps (`settings`), None where there are none.
    """

    __slots__ = (
        "__weakref__",
        "_id",
        "_vcpus",
        "driver",
        "drives",
        "name",
        "nics",
        "run",
        "settings",
        "uuid",
    )

    def __init__(self, root: etree._Element) -> None:
        self._id = root.get("id")
        self._vcpus: str | None = None
        self.driver = root.get("type") or ""
        self.name = self.uuid = ""
        self.nics: tuple[Nic, ...] = ()
        self.drives: tuple[Disk, ...] = ()
        self.run: etree._Element | None = None
        self.settings: etree._Element | None = None
        for element in root.iterchildren("name", "uuid", "metadata", "vcpu", "devices"):
            if element.tag == "devices":
                self.nics, self.drives = _nics(element), _drives(element)
            elif element.tag == "name":
                self.name = element.text or ""
            elif element.tag == "uuid":
                self.uuid = element.text or ""
            elif element.tag == "vcpu":
                self._vcpus = element.get("current") or (element.text or "").strip()
            else:
                self.run, self.settings = _own(element, _RUN), _own(element, _SETTINGS)

    @property
    def id(self) -> int | None:
        """The domain id; None in the XML of a domain that is off.

        Raises:
            BadXml: It is not a number.
        """
        if self._id is None or self._id == "-1":
            return None
        if _SMALL_NUMBER.fullmatch(self._id) is None:
            raise BadXml(f"the domain's id is not a number: {self._id[:40]!r}")
        return int(self._id)

    @property
    def vcpus(self) -> int:
        """How many vCPUs are on now (`current` where it is set).

        Raises:
            BadXml: It is not a number of vCPUs.
        """
        if self._vcpus is None:
            return 1  # libvirt's documented default
        if _SMALL_NUMBER.fullmatch(self._vcpus) is None or int(self._vcpus) < 1:
            raise BadXml(f"<vcpu> is not a number of vCPUs: {self._vcpus[:40]!r}")
        return int(self._vcpus)


def _nics(devices: etree._Element) -> tuple[Nic, ...]:
    found: list[tuple[str, str, str | None, str]] = []
    for element in devices.iterchildren("interface"):
        mac, target, alias = "", None, ""
        for child in element.iterchildren("target", "mac", "alias"):
            if child.tag == "target":
                target = child.get("dev") or None
            elif child.tag == "mac":
                mac = (child.get("address") or "").lower()
            else:
                alias = child.get("name") or ""
        found.append((element.get("type") or "", mac, target, alias))
    # Only a NIC without a host device is asked for by its MAC address, and then it has to be the only one.
    macs = Counter(one[1] for one in found) if any(one[2] is None for one in found) else Counter[str]()
    return tuple(
        Nic(position, kind, mac, target, target or (mac if mac and macs[mac] == 1 else None), alias)
        for position, (kind, mac, target, alias) in enumerate(found, 1)
    )


def _drives(devices: etree._Element) -> tuple[Disk, ...]:
    drives = []
    for element in devices.iterchildren("disk"):
        device = element.get("device") or "disk"
        if device != "floppy":
            target, alias = (next(element.iterchildren(tag), None) for tag in ("target", "alias"))
            drives.append(
                Disk(
                    "" if target is None else target.get("dev") or "",
                    device,
                    "" if alias is None else alias.get("name") or "",
                )
            )
    return tuple(drives)


def _own(metadata: etree._Element, tag: str) -> etree._Element | None:
    """A copy of vpcshim's own element, which does not keep the whole document alive."""
    element = next(metadata.iterchildren(tag), None)
    return None if element is None else copy.deepcopy(element)


class _Parsers(threading.local):
    """A parser for each thread: making one costs as much as parsing a domain, and it is not to be shared."""

    def __init__(self) -> None:
        self.parser = make_parser()


_parsers = _Parsers()


def parse_element(text: str) -> etree._Element:
    """The root of an XML document, refused where it brings a DTD or is not well-formed.

    Raises:
        BadXml: Says which.
    """
    try:
        root = etree.fromstring(text.encode(), _parsers.parser)
    except etree.XMLSyntaxError as error:
        raise BadXml(f"not well-formed XML: {error}") from error
    except UnicodeEncodeError as error:
        raise BadXml(f"not text: {error}") from error
    if has_dtd(root):
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
    return DomainXml(root)
