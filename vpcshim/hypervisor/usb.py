"""The host's USB devices, and which machine has one of them.

Sources: libvirt.org/formatnode.html (usb_device, usb), libvirt.org/formatdomain.html (hostdev).
"""

from __future__ import annotations

from dataclasses import dataclass

import libvirt
from lxml import etree

from vpcshim.hypervisor.domainxml import parse_element

_HUB = 9


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """One USB device of the host.

    Attributes:
        name: libvirt's name of the node device.
        bus: The number of its bus.
        device: Its number there.
        port: The port that it is plugged into: the last number of its path; 0 where libvirt tells no path.
        product: What it calls itself; "" where it does not.
        vendor: Who made it; "" where nobody says.
        product_id: The number of the product.
        vendor_id: The number of the maker.
        interface_class: The USB class of its first interface; 0 where libvirt tells none.
    """

    name: str
    bus: int
    device: int
    port: int
    product: str
    vendor: str
    product_id: int
    vendor_id: int
    interface_class: int

    def element(self) -> str:
        """The device as a `<hostdev>`."""
        root = etree.Element("hostdev", mode="subsystem", type="usb", managed="yes")
        source = etree.SubElement(root, "source")
        etree.SubElement(source, "address", bus=str(self.bus), device=str(self.device))
        return etree.tostring(root, encoding="unicode")


def devices(connect: libvirt.virConnect) -> list[UsbDevice]:
    """The host's USB devices without the hubs, by bus and number.

    Raises:
        libvirt.libvirtError: libvirt has no node devices on this connection.
    """
    classes: dict[str, int] = {}
    for node in connect.listAllDevices(libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_INTERFACE):
        root = parse_element(node.XMLDesc())
        classes.setdefault(root.findtext("parent") or "", int(root.findtext("capability/class") or "0"))
    found = []
    for node in connect.listAllDevices(libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_DEV):
        device = _device(parse_element(node.XMLDesc()), classes)
        if device.interface_class != _HUB:
            found.append(device)
    return sorted(found, key=lambda device: (device.bus, device.device))


def holder(connect: libvirt.virConnect, device: UsbDevice) -> str | None:
    """The name of the running machine that has the device; None for none."""
    for domain in connect.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        if has(domain, device):
            return str(domain.name())
    return None


def has(domain: libvirt.virDomain, device: UsbDevice) -> bool:
    """Whether the running machine has the device."""
    root = parse_element(domain.XMLDesc())
    for source in root.findall("devices/hostdev[@type='usb']/source"):
        address, vendor, product = (source.find(tag) for tag in ("address", "vendor", "product"))
        if address is not None:
            if (_number(address.get("bus")), _number(address.get("device"))) == (device.bus, device.device):
                return True
        elif vendor is not None and product is not None:
            ids = (_number(vendor.get("id")), _number(product.get("id")))
            if ids == (device.vendor_id, device.product_id):
                return True
    return False


def _device(root: etree._Element, classes: dict[str, int]) -> UsbDevice:
    name = root.findtext("name") or ""
    capability = root.find("capability[@type='usb_device']")
    assert capability is not None
    product, vendor = capability.find("product"), capability.find("vendor")
    # /sys/devices/.../usb1/1-2/1-2.3: bus 1, port 2 of it, port 3 of the hub there.
    path = (root.findtext("path") or "").rpartition("/")[2]
    port = path.rpartition(".")[2].rpartition("-")[2]
    return UsbDevice(
        name,
        _number(capability.findtext("bus")),
        _number(capability.findtext("device")),
        int(port) if port.isdecimal() else 0,
        "" if product is None else product.text or "",
        "" if vendor is None else vendor.text or "",
        0 if product is None else _number(product.get("id")),
        0 if vendor is None else _number(vendor.get("id")),
        classes.get(name, 0),
    )


def _number(text: str | None) -> int:
    return int(text or "0", 0)
