"""libvirt's virtual networks: what their XML says, and how it is changed.

What libvirt has no place for (notes, the file that a network was made or registered with, what a DHCP server that
is switched off would hand out) is kept in the network's own metadata.

Source: libvirt.org/formatnetwork.html; for the lease and server options dnsmasq's own, which libvirt hands through
(`<dnsmasq:options>`), numbered as in RFC 2132.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

import libvirt
from lxml import etree

from vpcshim.hypervisor.changing import one_at_a_time
from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import BadXml, HypervisorError, Unsupported, classify
from vpcshim.hypervisor.interfaces import Card, cards, saved_cards

NETWORK_NS = "urn:vpcshim:network:1"
_DNSMASQ = "http://libvirt.org/schemas/network/dnsmasq/1.0"
_OWN = f"{{{NETWORK_NS}}}network"
_PARKED = f"{{{NETWORK_NS}}}dhcp"
_OPTIONS = f"{{{_DNSMASQ}}}options"
# RFC 2132: routers, name servers, NetBIOS name servers, renewal (T1) and rebinding (T2) time.
ROUTER, DNS, WINS, RENEWAL, REBINDING = 3, 6, 44, 58, 59
_SET = (ROUTER, DNS, WINS, RENEWAL, REBINDING)
_PREFIX = "dhcp-option="
_PLAIN = re.compile(r"[0-9.,]*")
_BY_HAND = "virsh net-define does that, if you trust it"
_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600}
_LEAVING = 5.0  # seconds for the programs of a network that was stopped to end
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
        enabled: Whether it hands out addresses.
        parked: Whether we switched that off, and keep what it would hand out.
        dhcp: The first range that it hands out, or would; None for none.
        dns: Whether its name server answers.
        options: The DHCP options set by hand, by number; "" for one that is not sent at all.
        notes: The notes kept by us.
        file: The path of the host of its .vnc file; "" for none.
    """

    name: str
    forward: str = ""
    device: str = ""
    bridge: str = ""
    address: IPv4Address | None = None
    subnet: IPv4Network | None = None
    enabled: bool = False
    parked: bool = False
    dhcp: Dhcp | None = None
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
        ip, server, parked = _ipv4(root), _server(root), None if own is None else own.find(_PARKED)
        if ip is not None:
            address = IPv4Address(ip.get("address", ""))
            subnet = IPv4Network((address, ip.get("netmask") or ip.get("prefix") or "32"), strict=False)
        dns = root.find("dns")
        return Network(
            name,
            "" if forward is None else forward.get("mode") or "nat",
            device,
            "" if bridge is None else bridge.get("name") or "",
            address,
            subnet,
            server is not None and next(server.iterchildren("range", "host"), None) is not None,
            parked is not None,
            _dhcp(server) or _dhcp(parked),
            dns is None or dns.get("enable") != "no",
            dict(_options(root)),
            "" if own is None else own.findtext(f"{{{NETWORK_NS}}}notes") or "",
            "" if own is None else own.get("file", ""),
        )
    except ValueError as error:
        raise BadXml(f"the definition of network {name} cannot be read: {error}") from error


def users(connect: libvirt.virConnect, network: libvirt.virNetwork, *, saved: bool) -> list[str]:
    """The names of the running machines in that network, whether they name it or the bridge that it makes.

    Args:
        connect: The connection.
        network: The network.
        saved: With the saved machines, which are restored into the networks that they were in.
    """
    found = read(network)
    own_bridge = found.bridge if found.forward != "bridge" else ""

    def is_in(card: Card) -> bool:
        return (card.type, card.source) == ("network", found.name) or (
            own_bridge != "" and (card.type, card.source) == ("bridge", own_bridge)
        )

    machines = [(domain, cards) for domain in connect.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)]
    if saved:
        kept = connect.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
        machines += [(domain, saved_cards) for domain in kept]
    return sorted({str(domain.name()) for domain, cards_of in machines if any(map(is_in, cards_of(domain)))})


def change(network: libvirt.virNetwork, how: Callable[[etree._Element], None], *, restart: bool) -> None:
    """Change a network's definition, one change at a time (`changing`).

    Args:
        network: The network, on a connection that may write.
        how: Changes the XML tree.
        restart: Whether an active network has to be stopped and started for the change to take effect; nobody may
            be using it then.

    Raises:
        libvirt.libvirtError: libvirt refused; the network is then as it was.
        Unsupported: The network has no definition; or libvirt's driver left out what it does not know, and the
            network is as it was.
    """
    if not network.isPersistent():
        # It would end when it is stopped, and go on as a persistent one.
        text = f"network {network.name()} lasts until it is stopped, and has no definition that could be changed"
        raise Unsupported(f"{text}: virsh net-dumpxml and net-define give it one")
    with one_at_a_time():
        connect, root = network.connect(), definition(network)
        before = etree.tostring(root, encoding="unicode")
        how(root)
        wanted = parsed(root)
        restart = network.isActive() and (restart or _inactive(network) is None)
        if restart:
            network.destroy()
        try:
            made = connect.networkDefineXML(etree.tostring(root, encoding="unicode"))
            if read(made).options != wanted.options:
                raise Unsupported(f"this driver of libvirt hands no DHCP options through: {wanted.name} has none")
            if restart:
                start(made)
        except (libvirt.libvirtError, HypervisorError):
            _put_back(connect, before, active=restart)
            raise


def _put_back(connect: libvirt.virConnect, text: str, *, active: bool) -> None:
    network = connect.networkDefineXML(text)
    if active and not network.isActive():
        start(network)


def start(network: libvirt.virNetwork) -> None:
    """Start a network that is off.

    A process of the dnsmasq of one that was stopped just before may have its addresses a moment longer. What
    libvirt then fails with cannot be told from what else goes wrong in a network's programs.

    Raises:
        libvirt.libvirtError: libvirt refused, or those programs went on failing.
    """
    deadline = time.monotonic() + _LEAVING
    while True:
        try:
            network.create()
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_INTERNAL_ERROR or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


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
    _own_child(root, "dhcp", None)
    if not device:
        return
    forward = etree.SubElement(root, "forward", mode="bridge")
    if is_bridge:
        etree.SubElement(root, "bridge", name=device)
    else:
        etree.SubElement(forward, "interface", dev=device)


def set_dhcp(
    root: etree._Element, address: IPv4Address, subnet: IPv4Network, first: IPv4Address, last: IPv4Address
) -> None:
    """Give the host an address in the network, and hand out one range; all else that is said of both stays.

    Raises:
        Unsupported: An address is reserved that the network would not have any more.
    """
    ip = _ipv4(root)
    if ip is None:
        ip = etree.SubElement(root, "ip")
    ip.attrib.pop("prefix", None)
    ip.set("address", str(address))
    ip.set("netmask", str(subnet.netmask))
    if _server(root) is None:
        enable_dhcp(root)
    dhcp = ip.find("dhcp")
    assert dhcp is not None
    reserved = [str(host.get("ip")) for host in dhcp.iterchildren("host") if host.get("ip")]
    outside = [text for text in reserved if IPv4Address(text) not in subnet]
    if outside:
        text = f"network {root.findtext('name')} reserves {', '.join(outside)}, which {subnet} does not have"
        raise Unsupported(f"{text}: virsh net-update NETWORK delete ip-dhcp-host takes a reservation out")
    old = dhcp.findall("range")
    element = etree.Element("range", start=str(first), end=str(last))
    if old:
        element.extend(old[0].findall("lease"))
    for each in old:
        dhcp.remove(each)
    dhcp.insert(0, element)


def set_lease(root: etree._Element, seconds: int) -> None:
    """Lease the addresses of every range for so long, whether they are handed out now or not."""
    server = _server(root)
    if server is None:
        server = root.find(f"metadata/{_OWN}/{_PARKED}")
    assert server is not None
    for each in server.iterchildren("range"):
        for lease in each.findall("lease"):
            each.remove(lease)
        etree.SubElement(each, "lease", expiry=str(seconds), unit="seconds")


def disable_dhcp(root: etree._Element) -> None:
    """Hand out no addresses any more, and keep what would be: ranges, reservations, and what else is said there."""
    ip, server = _ipv4(root), _server(root)
    if ip is None or server is None:
        return
    ip.remove(server)
    _own_child(root, "dhcp", None)  # kept before somebody else gave the network another server
    etree.SubElement(own(root), _PARKED).extend(list(server))


def enable_dhcp(root: etree._Element) -> None:
    """Hand out again what was kept when that was switched off."""
    ip = _ipv4(root)
    assert ip is not None
    parked = root.find(f"metadata/{_OWN}/{_PARKED}")
    etree.SubElement(ip, "dhcp").extend([] if parked is None else list(parked))
    _own_child(root, "dhcp", None)


def set_options(root: etree._Element, options: Mapping[int, str | None]) -> None:
    """Set DHCP options by number; None takes one out, "" keeps dnsmasq from sending its own."""
    now = {**dict(_options(root)), **options}
    others = [
        option.get("value", "")
        for option in root.findall(f"{_OPTIONS}/{{*}}option")
        if _number(option.get("value", "")) is None
    ]
    for child in root.findall(_OPTIONS):
        root.remove(child)
    values = others + [
        f"{_PREFIX}{number}{value and ','}{value}" for number, value in sorted(now.items()) if value is not None
    ]
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
    pending += [(child, "ip/dhcp/") for child in root.iterfind(f"metadata/{_OWN}/{_PARKED}/*")]
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


def _server(root: etree._Element) -> etree._Element | None:
    """What is handed out now."""
    ip = _ipv4(root)
    return None if ip is None else ip.find("dhcp")


def _dhcp(server: etree._Element | None) -> Dhcp | None:
    """The first range of what is handed out, or would be."""
    found = None if server is None else server.find("range")
    if found is None:
        return None
    lease = found.find("lease")
    seconds = DEFAULT_LEASE
    if lease is not None:
        seconds = int(lease.get("expiry", "0")) * _UNITS[lease.get("unit", "minutes")]
    return Dhcp(IPv4Address(found.get("start", "")), IPv4Address(found.get("end", "")), seconds)


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
