"""A machine's serial and parallel ports: where `<serial>` and `<parallel>` lead, and how that is changed.

Source: libvirt.org/formatdomain.html (consoles, serial and parallel devices).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import libvirt
from lxml import etree

from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.redefine import redefine

Kind = Literal["serial", "parallel"]


@dataclass(frozen=True, slots=True)
class Port:
    """Where a port leads.

    Attributes:
        number: Which of the machine's ports it is, from 0.
        type: dev, file, pipe, unix, pty, tcp, null, ...; "" for a port that the definition does not have.
        path: The path that it leads to; "" where it leads to none.
    """

    number: int
    type: str = ""
    path: str = ""


def ports(domain: libvirt.virDomain, kind: Kind, least: int) -> list[Port]:
    """The ports of the running machine, or of the definition of one that is off; at least so many."""
    return ports_of(parse_element(domain.XMLDesc()), kind, least)


def ports_of(root: etree._Element, kind: Kind, least: int = 0) -> list[Port]:
    """The ports of a domain XML by their numbers; at least so many."""
    found = dict(_numbered(root, kind))
    numbers = range(max(least, *(number + 1 for number in found), 0))
    return [_port(number, found.get(number)) for number in numbers]


def configure(domain: libvirt.virDomain, kind: Kind, number: int, backend: str, path: str) -> None:
    """Let a port of the definition lead elsewhere; what else is said of it stays. One that is not there is made.

    Args:
        domain: The machine, on a connection that may write.
        kind: Which kind of port.
        number: Which of them, from 0.
        backend: dev, file, pipe, unix, null; "" takes the port out.
        path: The path that it leads to; "" for none.
    """

    def change(root: etree._Element) -> None:
        devices = root.find("devices")
        assert devices is not None
        element = dict(_numbered(root, kind)).get(number)
        if kind == "serial":
            # The first <console> is the first serial port once more: libvirt makes it anew.
            for console in devices.findall("console"):
                own = console.find("target")
                if own is None or own.get("type", "serial") == "serial":
                    devices.remove(console)
        if not backend:
            if element is not None:
                devices.remove(element)
            return
        if element is None:
            element = _made(root, devices, kind, number)
        element.set("type", backend)
        for child in element.findall("source") + element.findall("protocol"):
            element.remove(child)
        if path:
            source = etree.Element("source", path=path)
            if backend == "unix":
                source.set("mode", "bind")
            element.insert(0, source)

    redefine(domain, change)


def _made(root: etree._Element, devices: etree._Element, kind: Kind, number: int) -> etree._Element:
    """A new port, in front of those that come after it: libvirt's first is the first in the XML."""
    made = etree.Element(kind)
    etree.SubElement(made, "target", port=str(number))
    after = next((element for other, element in _numbered(root, kind) if other > number), None)
    if after is None:
        devices.append(made)
    else:
        after.addprevious(made)
    return made


def _numbered(root: etree._Element, kind: Kind) -> list[tuple[int, etree._Element]]:
    found = []
    for place, element in enumerate(root.findall(f"devices/{kind}")):
        target = element.find("target")
        number = "" if target is None else target.get("port", "")
        found.append((int(number) if number.isdecimal() else place, element))
    return found


def _port(number: int, element: etree._Element | None) -> Port:
    if element is None:
        return Port(number)
    source = element.find("source")
    return Port(number, element.get("type", ""), "" if source is None else source.get("path") or "")
