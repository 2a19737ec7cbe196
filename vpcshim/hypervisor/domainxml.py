"""The one reader of domain XML: what vpcshim needs of it, as small value objects.

A domain's XML carries what others wrote (metadata, descriptions), so it is parsed as hostile input: no DTD, no
entities, no network, libxml2's size limits on. Source of the format: libvirt.org/formatdomain.html.
"""

from __future__ import annotations

import re
import threading
from functools import cached_property
from typing import NamedTuple

from lxml import etree

from vpcshim.hypervisor.errors import BadXml

RUN_NS = "urn:vpcshim:run:1"
SETTINGS_NS = "urn:vpcshim:settings:1"
# Ids and numbers of vCPUs; Python refuses to read thousands of digits.
_SMALL_NUMBER = re.compile(r"[0-9]{1,10}")
_RUN = f"metadata/{{{RUN_NS}}}run"
_SETTINGS = f"metadata/{{{SETTINGS_NS}}}settings"


class Nic(NamedTuple):
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


class Disk(NamedTuple):
    """One `<disk>`: its target (the name blockStats takes) and what it is (disk, cdrom, floppy, lun)."""

    target: str
    device: str

    @property
    def label(self) -> str:
        """The drive as messages name it: `drive vda (disk)`."""
        return f"drive {self.target} ({self.device})"


class DomainXml:
    """What is read of a domain's XML; each part when it is asked for.

    Raises:
        BadXml: From any part that is not what a domain's XML has there.
    """

    def __init__(self, root: etree._Element) -> None:
        self._root = root

    @cached_property
    def name(self) -> str:
        """The domain's name."""
        return self._root.findtext("name") or ""

    @cached_property
    def uuid(self) -> str:
        """The domain's UUID."""
        return self._root.findtext("uuid") or ""

    @cached_property
    def id(self) -> int | None:
        """The domain id; None in the XML of a domain that is off."""
        text = self._root.get("id")
        if text is None or text == "-1":
            return None
        if _SMALL_NUMBER.fullmatch(text) is None:
            raise BadXml(f"the domain's id is not a number: {text[:40]!r}")
        return int(text)

    @cached_property
    def driver(self) -> str:
        """The `type` of the domain: kvm, qemu, test, lxc, xen, ..."""
        return self._root.get("type") or ""

    @cached_property
    def vcpus(self) -> int:
        """How many vCPUs are on now (`current` where it is set)."""
        element = self._root.find("vcpu")
        if element is None:
            return 1  # libvirt's documented default
        count = element.get("current") or (element.text or "").strip()
        if _SMALL_NUMBER.fullmatch(count) is None or int(count) < 1:
            raise BadXml(f"<vcpu> is not a number of vCPUs: {count[:40]!r}")
        return int(count)

    @cached_property
    def nics(self) -> tuple[Nic, ...]:
        """Every `<interface>`."""
        found: list[tuple[str, str, str | None]] = []
        for element in self._root.iterfind("devices/interface"):
            mac = element.find("mac")
            target = element.find("target")
            found.append(
                (
                    element.get("type") or "",
                    "" if mac is None else (mac.get("address") or "").lower(),
                    None if target is None else target.get("dev") or None,
                )
            )
        macs = [mac for _, mac, _ in found]
        return tuple(
            Nic(position, kind, mac, target, target or (mac if mac and macs.count(mac) == 1 else None))
            for position, (kind, mac, target) in enumerate(found, 1)
        )

    @cached_property
    def drives(self) -> tuple[Disk, ...]:
        """Every `<disk>` but the floppies."""
        drives = []
        for element in self._root.iterfind("devices/disk"):
            target = element.find("target")
            device = element.get("device") or "disk"
            if device != "floppy":
                drives.append(Disk("" if target is None else target.get("dev") or "", device))
        return tuple(drives)

    @cached_property
    def run(self) -> etree._Element | None:
        """The record of this run that vpcshim keeps (`runrecord`), None where there is none."""
        return self._root.find(_RUN)

    @cached_property
    def settings(self) -> etree._Element | None:
        """The settings that vpcshim keeps (`settings`), None where there are none."""
        return self._root.find(_SETTINGS)


class _Parsers(threading.local):
    """A parser for each thread: making one costs as much as parsing a domain, and it is not to be shared."""

    def __init__(self) -> None:
        self.parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            encoding="utf-8",  # ours, whatever the text's own declaration said when it was bytes elsewhere
        )


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
    return DomainXml(root)
