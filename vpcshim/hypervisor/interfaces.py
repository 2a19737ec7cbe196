"""A machine's network cards in full: what `<interface>` says of each, and how it is changed.

A card is named by its MAC address. The link state is the plug: a card whose link is down is attached to nothing,
whatever its source is. Whether the address was made up or chosen stands in libvirt's own attribute, `<mac type>`.

Source: libvirt.org/formatdomain.html (network interfaces), virDomainUpdateDeviceFlags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import libvirt
from lxml import etree

from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import DomainGone, NotAddressable, Unsupported, classify
from vpcshim.hypervisor.redefine import redefine
from vpcshim.hypervisor.states import need_unsaved


@dataclass(frozen=True, slots=True)
class Card:
    """One `<interface>`.

    Attributes:
        position: Its place among the domain's interfaces, from 0.
        mac: Its MAC address, in lower case with colons.
        type: network, bridge, ethernet, user, direct, ...
        source: The name of the network, bridge or device that it is attached to; "" where it has none.
        plugged: Whether its link is up.
        static: Whether somebody chose its MAC address.
        target: The host's device; "" where the XML names none.
    """

    position: int
    mac: str
    type: str
    source: str
    plugged: bool
    static: bool
    target: str = ""

    @property
    def attached(self) -> bool:
        """Whether it is attached to anything; `ethernet` without more is a tap that leads nowhere."""
        return self.plugged and self.type not in ("ethernet", "null")

    @property
    def label(self) -> str:
        """The card as messages name it."""
        return f"network adapter {self.position + 1} ({self.mac})"


def cards(domain: libvirt.virDomain) -> list[Card]:
    """The cards of the running domain, or of the definition of one that is off.

    Raises:
        libvirt.libvirtError: libvirt refused.
    """
    return list(_read(parse_element(domain.XMLDesc())))


def saved_cards(domain: libvirt.virDomain) -> list[Card]:
    """The cards that the machine is restored with, as its saved state has them.

    Raises:
        libvirt.libvirtError: libvirt refused.
    """
    try:
        text = domain.managedSaveGetXMLDesc()
    except libvirt.libvirtError as error:
        if classify(error) is not Unsupported:
            raise
        text = domain.XMLDesc()  # as the test driver, which restores the definition
    return list(_read(parse_element(text)))


def defined_in(connect: libvirt.virConnect, network: str) -> list[libvirt.virDomain]:
    """The machines whose definitions have a card in that network, whatever the running ones have.

    Raises:
        libvirt.libvirtError: libvirt refused.
    """
    found = []
    for domain in connect.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT):
        try:
            root = parse_element(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        except libvirt.libvirtError as error:
            if classify(error) is DomainGone:
                continue
            raise
        if any(one.type == "network" and one.source == network for one in _read(root)):
            found.append(domain)
    return found


def card(domain: libvirt.virDomain, mac: str) -> Card:
    """The card with that MAC address.

    Raises:
        NotAddressable: The machine has none, or several.
    """
    found = [one for one in cards(domain) if one.mac == mac]
    if len(found) != 1:
        raise _no_card(domain, mac, len(found))
    return found[0]


def add(domain: libvirt.virDomain, *, privileged: bool) -> str:
    """Add a card that is attached to nothing to the definition, and give its MAC address.

    Its model is that of the machine's other cards, else libvirt's default.

    Args:
        domain: The machine, on a connection that may write.
        privileged: Whether the daemon may make taps; else the card has QEMU's own user-mode back end behind a
            link that is down.
    """
    before: set[str] = set()

    def change(root: etree._Element) -> None:
        found = list(_elements(root))
        before.update(_mac(element) for element in found)
        element = etree.SubElement(_devices(root), "interface", type="ethernet" if privileged else "user")
        model = next((each.find("model") for each in found if each.find("model") is not None), None)
        if model is not None:
            etree.SubElement(element, "model", type=model.get("type", ""))
        etree.SubElement(element, "link", state="down")

    redefine(domain, change)
    now = parse_element(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    return next(mac for mac in map(_mac, _elements(now)) if mac not in before)


def remove(domain: libvirt.virDomain, mac: str) -> None:
    """Take the card out of the definition.

    Raises:
        NotAddressable: There is none with that MAC address.
    """
    redefine(domain, lambda root: _devices(root).remove(_element(domain, root, mac)))


def attach(domain: libvirt.virDomain, mac: str, network: str) -> None:
    """Attach the card to a libvirt network, in the running machine and in the definition that has it.

    Raises:
        DomainOff: It was saved meanwhile.
        NotAddressable: There is none with that MAC address.
        libvirt.libvirtError: libvirt cannot do it while the machine runs (from another kind of source).
    """

    def change(element: etree._Element) -> None:
        element.set("type", "network")
        _drop(element, "source", "link", "backend", "virtualport")
        etree.SubElement(element, "source", network=network)

    _change(domain, mac, change)


def detach(domain: libvirt.virDomain, mac: str) -> None:
    """Pull the card's plug: its link is down, in the running machine and in the definition that has it.

    Raises as `attach`.
    """

    def change(element: etree._Element) -> None:
        _drop(element, "link")
        etree.SubElement(element, "link", state="down")

    _change(domain, mac, change)


def disown(domain: libvirt.virDomain, network: str, *, privileged: bool) -> None:
    """Attach the cards of the definition that name a network to nothing: a machine cannot start without it."""

    def change(root: etree._Element) -> None:
        for element in _elements(root):
            if element.get("type") == "network" and _source(element) == network:
                element.set("type", "ethernet" if privileged else "user")
                _drop(element, "source", "link", "target", "virtualport", "portgroup")
                etree.SubElement(element, "link", state="down")

    redefine(domain, change)


def rename_network(domain: libvirt.virDomain, old: str, new: str) -> None:
    """Let the cards of the definition that name a network name it by its new name."""

    def change(root: etree._Element) -> None:
        for element in _elements(root):
            source = element.find("source")
            if source is not None and element.get("type") == "network" and source.get("network") == old:
                source.set("network", new)

    redefine(domain, change)


def set_mac(domain: libvirt.virDomain, mac: str, new: str) -> None:
    """Give the card another MAC address in the definition, as one that was chosen."""

    def change(root: etree._Element) -> None:
        element = _element(domain, root, mac)
        _drop(element, "mac")
        etree.SubElement(element, "mac", address=new, type="static")

    redefine(domain, change)


def set_static(domain: libvirt.virDomain, mac: str, static: bool) -> str:
    """Say whether the MAC address was chosen; one that is not any more is made up anew. Gives the address."""
    position = -1

    def change(root: etree._Element) -> None:
        nonlocal position
        element = _element(domain, root, mac)
        position = list(_elements(root)).index(element)
        _drop(element, "mac")
        if static:
            etree.SubElement(element, "mac", address=mac, type="static")

    redefine(domain, change)
    now = parse_element(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    return _mac(list(_elements(now))[position])


def _change(domain: libvirt.virDomain, mac: str, change: Callable[[etree._Element], None]) -> None:
    if domain.isActive():
        element = _element(domain, parse_element(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)), mac)
        change(element)
        text = etree.tostring(element, encoding="unicode")
        domain.updateDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        if not domain.isPersistent() or not _is_defined(domain, mac):
            return  # it is there until the machine stops
    else:
        need_unsaved(domain)
    redefine(domain, lambda root: change(_element(domain, root, mac)))


def _is_defined(domain: libvirt.virDomain, mac: str) -> bool:
    root = parse_element(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    return any(_mac(element) == mac for element in _elements(root))


def _read(root: etree._Element) -> Iterator[Card]:
    for position, element in enumerate(_elements(root)):
        link, mac, target = (element.find(tag) for tag in ("link", "mac", "target"))
        yield Card(
            position,
            _mac(element),
            element.get("type", ""),
            _source(element),
            link is None or link.get("state") != "down",
            mac is not None and mac.get("type") == "static",
            "" if target is None else target.get("dev", ""),
        )


def _devices(root: etree._Element) -> etree._Element:
    found = root.find("devices")
    return etree.SubElement(root, "devices") if found is None else found


def _elements(root: etree._Element) -> Iterator[etree._Element]:
    return iter(root.findall("devices/interface"))


def _mac(element: etree._Element) -> str:
    mac = element.find("mac")
    return "" if mac is None else mac.get("address", "").lower()


def _source(element: etree._Element) -> str:
    source = element.find("source")
    if source is None:
        return ""
    return source.get("network") or source.get("bridge") or source.get("dev") or ""


def _element(domain: libvirt.virDomain, root: etree._Element, mac: str) -> etree._Element:
    found = [element for element in _elements(root) if _mac(element) == mac]
    if len(found) != 1:
        raise _no_card(domain, mac, len(found))
    return found[0]


def _no_card(domain: libvirt.virDomain, mac: str, count: int) -> NotAddressable:
    which = "no network adapter" if count == 0 else f"{count} network adapters"
    return NotAddressable(f"{domain.name()} has {which} with the address {mac}: count its NetworkAdapters again")


def _drop(element: etree._Element, *tags: str) -> None:
    for child in list(element.iterchildren(*tags)):
        element.remove(child)
