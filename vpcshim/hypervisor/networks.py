"""libvirt's virtual networks: what their XML says, and how it is changed.

What libvirt has no place for (notes, the file that a network was made or registered with, a DHCP range that is
switched off) is kept in the network's own metadata.

Source: libvirt.org/formatnetwork.html; for the lease and server options dnsmasq's own, which libvirt hands through
(`<dnsmasq:options>`), numbered as in RFC 2132.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

import libvirt
from lxml import etree

from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import BadXml, Unsupported, classify
from vpcshim.hypervisor.interfaces import cards

NETWORK_NS = "urn:vpcshim:network:1"
_DNSMASQ = "http://libvirt.org/schemas/network/dnsmasq/1.0"
_OWN = f"{{{NETWORK_NS}}}network"
_OPTIONS = f"{{{_DNSMASQ}}}options"
# RFC 2132: routers, name servers, NetBIOS name servers, renewal (T1) and rebinding (T2) time.
ROUTER, DNS, WINS, RENEWAL, REBINDING = 3, 6, 44, 58, 59
_SET = (ROUTER, DNS, WINS, RENEWAL, REBINDING)
_PREFIX = "dhcp-option="
_PLAIN = re.compile(r"[0-9.,]*")
_BY_HAND = "virsh net-define does that, if you trust it"
_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600}
DEFAULT_LEASE = 3600  # seconds; dnsmasq's own


@dataclass(frozen=True, slots=True)
class Dhcp:
    """The addresses that a network hands out.

    Attributes:
        first: The first address of the range.
        last: The last one.
        lease: For how many seconds; 0 for ever.
    """

    first: IPv4Address
    last: IPv4Address
    lease: int = DEFAULT_LEASE


@dataclass(frozen=True, slots=True)
class Network:
    """What a network's definition says.

    Attributes:
        name: Its name.
        forward: How it leads out: "" for not at all, nat, route, open, bridge, private, ...
        device: The host's device that it leads out through; "" for none in particular.
        bridge: The host's bridge; "" where there is none.
        address: The host's own IPv4 address in it; None for none.
        subnet: Its IPv4 network; None for none.
        dhcp: What it hands out; None for nothing.
        parked: The same while it is switched off by us.
        dns: Whether its name server answers.
        options: The DHCP options set by hand, by number.
        notes: The notes kept by us.
        file: The path of the host of its .vnc file; "" for none.
    """

    name: str
    forward: str = ""
    device: str = ""
    bridge: str = ""
    address: IPv4Address | None = None
    subnet: IPv4Network | None = None
    dhcp: Dhcp | None = None
    parked: Dhcp | None = None
    dns: bool = True
    options: dict[int, str] = field(default_factory=dict)
    notes: str = ""
    file: str = ""


def definition(network: libvirt.virNetwork) -> etree._Element:
    """The definition's XML (of a network that is not persistent: its live XML)."""
    return parse_element(_inactive(network) or network.XMLDesc())


def _inactive(network: libvirt.virNetwork) -> str | None:
    """The definition beside the live XML; None where there is only one of them."""
    if not network.isPersistent():
        return None
    try:
        return str(network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE))
    except libvirt.libvirtError as error:
        # The test driver knows no such flag: it shows the live XML alone.
        if classify(error) is not Unsupported and error.get_error_code() != libvirt.VIR_ERR_INVALID_ARG:
            raise
        return None


def read(network: libvirt.virNetwork) -> Network:
    """What the definition says.

    Raises:
        BadXml: It holds something that is not a network's.
    """
    return parsed(definition(network))


def parsed(root: etree._Element) -> Network:
    """The same of an XML tree."""
    if root.tag != "network":
        raise BadXml(f"a <network> was expected, not <{root.tag!s}>")
    name = root.findtext("name") or ""
    try:
        forward, bridge, own = root.find("forward"), root.find("bridge"), root.find(f"metadata/{_OWN}")
        through = None if forward is None else forward.find("interface")
        device = "" if forward is None else forward.get("dev") or ""
        if not device and through is not None:
            device = through.get("dev") or ""
        address = subnet = None
        dhcp = None
        ip = _ipv4(root)
        if ip is not None:
            address = IPv4Address(ip.get("address", ""))
            subnet = IPv4Network((address, ip.get("netmask") or ip.get("prefix") or "32"), strict=False)
            dhcp = _dhcp(ip.find("dhcp/range"))
        dns = root.find("dns")
        return Network(
            name,
            "" if forward is None else forward.get("mode") or "nat",
            device,
            "" if bridge is None else bridge.get("name") or "",
            address,
            subnet,
            dhcp,
            None if own is None else _dhcp(own.find(f"{{{NETWORK_NS}}}range")),
            dns is None or dns.get("enable") != "no",
            dict(_options(root)),
            "" if own is None else own.findtext(f"{{{NETWORK_NS}}}notes") or "",
            "" if own is None else own.get("file", ""),
        )
    except ValueError as error:
        raise BadXml(f"the definition of network {name} cannot be read: {error}") from error


def users(connect: libvirt.virConnect, name: str) -> list[str]:
    """The names of the running machines that have a card in that network."""
    running = connect.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    return [
        domain.name()
        for domain in running
        if any(card.type == "network" and card.source == name for card in cards(domain))
    ]


def change(network: libvirt.virNetwork, how: Callable[[etree._Element], None], *, restart: bool) -> None:
    """Change a network's definition.

    Args:
        network: The network, on a connection that may write.
        how: Changes the XML tree.
        restart: Whether an active network has to be stopped and started for the change to take effect; nobody may
            be using it then.

    Raises:
        libvirt.libvirtError: libvirt refused; the network is then as it was.
        Unsupported: libvirt took it, and left out what its driver does not know.
    """
    connect, root = network.connect(), definition(network)
    before = etree.tostring(root, encoding="unicode")
    how(root)
    wanted = parsed(root)
    restart = network.isActive() and (restart or _inactive(network) is None)
    if restart:
        network.destroy()
    try:
        made = connect.networkDefineXML(etree.tostring(root, encoding="unicode"))
        got = read(made)
        if restart:
            made.create()
    except libvirt.libvirtError:
        _put_back(connect, before, start=restart)
        raise
    if got.options != wanted.options:
        raise Unsupported(f"this driver of libvirt hands no DHCP options through: {got.name} has none")


def _put_back(connect: libvirt.virConnect, text: str, *, start: bool) -> None:
    network = connect.networkDefineXML(text)
    if start and not network.isActive():
        network.create()


def isolated(name: str, file: str) -> str:
    """The XML of a new network that leads nowhere: guests alone, not even the host has an address in it."""
    root = etree.Element("network")
    etree.SubElement(root, "name").text = name
    own(root).set("file", file)
    return etree.tostring(root, encoding="unicode")


def own(root: etree._Element) -> etree._Element:
    """Our own element of the metadata, made if it is not there."""
    metadata = root.find("metadata")
    if metadata is None:
        metadata = etree.Element("metadata")
        root.insert(1 + max(_index(root, "name"), _index(root, "uuid")), metadata)
    found = metadata.find(_OWN)
    return etree.SubElement(metadata, _OWN, nsmap={"vpcshim": NETWORK_NS}) if found is None else found


def set_notes(root: etree._Element, text: str) -> None:
    """Keep notes; "" for none."""
    _own_child(root, "notes", text or None)


def lead_out(root: etree._Element, device: str, *, is_bridge: bool) -> None:
    """Let the network lead out through a device of the host, at its own level; "" for guests alone."""
    for tag in ("forward", "bridge", "ip", "route", "mac", "domain", "dns", "bandwidth", _OPTIONS):
        for child in root.findall(tag):
            root.remove(child)
    if not device:
        return
    forward = etree.SubElement(root, "forward", mode="bridge")
    if is_bridge:
        etree.SubElement(root, "bridge", name=device)
    else:
        etree.SubElement(forward, "interface", dev=device)


def set_dhcp(root: etree._Element, address: IPv4Address, subnet: IPv4Network, dhcp: Dhcp) -> None:
    """Give the host an address in the network, and hand out a range of addresses."""
    old = _ipv4(root)
    if old is not None:
        root.remove(old)
    ip = etree.SubElement(root, "ip", address=str(address), netmask=str(subnet.netmask))
    _range(etree.SubElement(ip, "dhcp"), dhcp, "range")
    _own_child(root, "range", None)


def switch_dhcp(root: etree._Element, dhcp: Dhcp | None) -> None:
    """Hand out that range; None: nothing any more, and remember what it was."""
    ip = _ipv4(root)
    if ip is None:
        raise BadXml("a network without an IPv4 address hands none out")
    was = _dhcp(ip.find("dhcp/range"))
    for child in ip.findall("dhcp"):
        ip.remove(child)
    _own_child(root, "range", None)
    if dhcp is not None:
        _range(etree.SubElement(ip, "dhcp"), dhcp, "range")
    elif was is not None:
        _range(own(root), was, f"{{{NETWORK_NS}}}range")


def set_options(root: etree._Element, options: dict[int, str]) -> None:
    """Set DHCP options by number; "" takes one out."""
    now = dict(_options(root)) | options
    others = [
        option.get("value", "")
        for option in root.findall(f"{_OPTIONS}/{{*}}option")
        if _number(option.get("value", "")) is None
    ]
    for child in root.findall(_OPTIONS):
        root.remove(child)
    values = others + [f"{_PREFIX}{number},{value}" for number, value in sorted(now.items()) if value]
    if values:
        parent = etree.SubElement(root, _OPTIONS, nsmap={"dnsmasq": _DNSMASQ})
        for value in values:
            etree.SubElement(parent, f"{{{_DNSMASQ}}}option", value=value)


def renamed(root: etree._Element, name: str) -> str:
    """The XML with another name."""
    element = root.find("name")
    assert element is not None
    element.text = name
    return etree.tostring(root, encoding="unicode")


def text_of(network: libvirt.virNetwork) -> str:
    """The definition as text, to be kept in a file."""
    return etree.tostring(definition(network), encoding="unicode", pretty_print=True)


def from_file(text: str, name: str, file: str) -> str:
    """The XML of a kept definition under that name, to be defined again.

    Raises:
        BadXml: It is no network's definition, or one that only somebody who trusts it may define.
    """
    root = parse_element(text)
    parsed(root)
    _check_harmless(root)
    own(root).set("file", file)
    return renamed(root, name)


# What of a definition from a file is taken: how the network leads out, its addresses, and which it hands out.
# Options of dnsmasq can run programs of the host, and TFTP hands out its files.
_HARMLESS = re.compile(
    r"name|uuid|title|description|metadata|forward(/nat(/address|/port)?|/interface)?|bridge|mac|mtu|port|domain"
    r"|dns|bandwidth(/inbound|/outbound)?|route|ip(/dhcp(/(range|host)(/lease)?)?)?"
)


def _check_harmless(root: etree._Element) -> None:
    pending = [(child, "") for child in root.iterchildren("*")]
    while pending:
        element, above = pending.pop()
        path = f"{above}{element.tag!s}"
        if path == _OPTIONS:
            for option in element.iterchildren("*"):
                value = option.get("value", "")
                if _number(value) not in _SET or _PLAIN.fullmatch(value.partition(",")[2]) is None:
                    raise BadXml(f"dnsmasq's option {value[:80]!r} is not taken from a file: {_BY_HAND}")
        elif _HARMLESS.fullmatch(path) is None:
            raise BadXml(f"<{path}> is not taken from a file: {_BY_HAND}")
        elif path != "metadata":
            pending.extend((child, f"{path}/") for child in element.iterchildren("*"))


def _ipv4(root: etree._Element) -> etree._Element | None:
    return next((ip for ip in root.findall("ip") if ip.get("family", "ipv4") == "ipv4"), None)


def _dhcp(found: etree._Element | None) -> Dhcp | None:
    if found is None:
        return None
    lease = found.find("{*}lease")
    seconds = DEFAULT_LEASE
    if lease is not None:
        seconds = int(lease.get("expiry", "0")) * _UNITS[lease.get("unit", "minutes")]
    return Dhcp(IPv4Address(found.get("start", "")), IPv4Address(found.get("end", "")), seconds)


def _range(parent: etree._Element, dhcp: Dhcp, tag: str) -> None:
    element = etree.SubElement(parent, tag, start=str(dhcp.first), end=str(dhcp.last))
    if dhcp.lease != DEFAULT_LEASE:
        lease = f"{{{NETWORK_NS}}}lease" if tag.startswith("{") else "lease"
        etree.SubElement(element, lease, expiry=str(dhcp.lease), unit="seconds")


def _own_child(root: etree._Element, tag: str, text: str | None) -> None:
    if text is None and root.find(f"metadata/{_OWN}") is None:
        return
    parent = own(root)
    for child in parent.findall(f"{{{NETWORK_NS}}}{tag}"):
        parent.remove(child)
    if text is not None:
        etree.SubElement(parent, f"{{{NETWORK_NS}}}{tag}").text = text


def _options(root: etree._Element) -> Iterable[tuple[int, str]]:
    for option in root.findall(f"{_OPTIONS}/{{*}}option"):
        value = option.get("value", "")
        number = _number(value)
        if number is not None:
            yield number, value.partition(",")[2]


def _number(value: str) -> int | None:
    if not value.startswith(_PREFIX):
        return None
    number = value[len(_PREFIX) :].partition(",")[0]
    return int(number) if number.isdecimal() and len(number) < 4 else None


def _index(root: etree._Element, tag: str) -> int:
    found = root.find(tag)
    return -1 if found is None else root.index(found)
