"""The definitions of networks: read and changed as trees, and hostile ones refused."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from vpcshim.com.errors import Failure
from vpcshim.hypervisor import networks
from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import BadXml, Unsupported
from vpcshim.hypervisor.networks import Dhcp
from vpcshim.model.devices.dhcp_server import _addresses, _subnet


def tree(inner: str) -> etree._Element:
    return parse_element(f"<network><name>lab</name>{inner}</network>")


def test_a_network_of_many_parts() -> None:
    found = networks.parsed(
        tree(
            "<uuid>0f7d1bd0-0000-4000-8000-000000000001</uuid><forward dev='eth0'/><bridge name='virbr0'/>"
            "<dns enable='no'/><ip family='ipv6' address='fd00::1' prefix='64'/>"
            "<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.0.20' end='10.0.0.30'>"
            "<lease expiry='2' unit='hours'/></range><range start='10.0.0.40' end='10.0.0.50'/></dhcp></ip>"
        )
    )
    assert (found.forward, found.device, found.bridge, found.dns) == ("nat", "eth0", "virbr0", False)
    assert (found.address, found.subnet) == (IPv4Address("10.0.0.1"), IPv4Network("10.0.0.0/24"))
    assert found.dhcp == Dhcp(IPv4Address("10.0.0.20"), IPv4Address("10.0.0.30"), 7200)


@pytest.mark.parametrize(
    "inner",
    [
        "<ip address='10.0.0'/>",
        "<ip address='10.0.0.1' netmask='255.0.255.0'/>",
        "<ip address='10.0.0.1' prefix='24'><dhcp><range start='x' end='10.0.0.9'/></dhcp></ip>",
    ],
)
def test_what_cannot_be_read_names_the_network(inner: str) -> None:
    with pytest.raises(BadXml, match="lab"):
        networks.parsed(tree(inner))


def test_options_of_others_stay() -> None:
    root = tree(
        "<dnsmasq:options xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>"
        "<dnsmasq:option value='log-dhcp'/><dnsmasq:option value='dhcp-option=3,10.0.0.9'/>"
        "<dnsmasq:option value='dhcp-option=option:ntp-server,10.0.0.8'/></dnsmasq:options>"
    )
    networks.set_options(root, {networks.DNS: "10.0.0.7", networks.WINS: None})
    assert networks.parsed(root).options == {3: "10.0.0.9", 6: "10.0.0.7"}
    text = etree.tostring(root, encoding="unicode")
    assert "log-dhcp" in text
    assert "ntp-server" in text
    networks.set_options(root, {3: "", 6: None})
    assert networks.parsed(root).options == {3: ""}
    assert 'value="dhcp-option=3"' in etree.tostring(root, encoding="unicode"), "which keeps dnsmasq from its own"


_SERVER = (
    "<range start='10.0.0.20' end='10.0.0.30'><lease expiry='2' unit='hours'/></range>"
    "<range start='10.0.0.40' end='10.0.0.50'/>"
    "<host mac='52:54:00:00:00:01' name='printer' ip='10.0.0.9'/><bootp file='pxelinux.0'/>"
)


def served(server: str = _SERVER) -> etree._Element:
    return tree(f"<ip address='10.0.0.1' netmask='255.255.255.0'><tftp root='/srv'/><dhcp>{server}</dhcp></ip>")


def text_of(root: etree._Element, path: str) -> str:
    return "".join(etree.tostring(one, encoding="unicode", with_tail=False) for one in root.iterfind(path))


def test_switching_off_loses_nothing() -> None:
    root = served()
    before = text_of(root, "ip")
    networks.disable_dhcp(root)
    off = networks.parsed(parse_element(etree.tostring(root, encoding="unicode")))
    assert (off.enabled, off.parked) == (False, True)
    assert off.dhcp == Dhcp(IPv4Address("10.0.0.20"), IPv4Address("10.0.0.30"), 7200), "it is told meanwhile"
    assert root.find("ip/dhcp") is None
    networks.enable_dhcp(root)
    assert text_of(root, "ip") == before
    assert networks.parsed(root).enabled
    assert not networks.parsed(root).parked


def test_what_is_switched_off_last_is_switched_on_again() -> None:
    root = served()
    networks.disable_dhcp(root)
    ip = root.find("ip")
    assert ip is not None
    ip.append(parse_element("<dhcp><range start='10.0.0.60' end='10.0.0.70'/></dhcp>"))  # by virsh
    networks.disable_dhcp(root)
    networks.enable_dhcp(root)
    assert text_of(root, "ip/dhcp/*") == '<range start="10.0.0.60" end="10.0.0.70"/>'


def test_reservations_alone_are_addresses_that_are_handed_out() -> None:
    found = networks.parsed(served("<host mac='52:54:00:00:00:01' ip='10.0.0.9'/>"))
    assert (found.enabled, found.dhcp) == (True, None)


@pytest.mark.parametrize("off", [False, True])
def test_a_lease_is_of_every_range_and_of_nothing_else(off: bool) -> None:
    root = served()
    if off:
        networks.disable_dhcp(root)
    networks.set_lease(root, 600)
    if off:
        networks.enable_dhcp(root)
    assert [lease.get("expiry") for lease in root.iterfind("ip/dhcp/range/lease")] == ["600", "600"]
    assert [child.tag for child in root.iterfind("ip/dhcp/*")] == ["range", "range", "host", "bootp"]


@pytest.mark.parametrize("off", [False, True])
def test_another_range_leaves_the_rest(off: bool) -> None:
    root = served()
    if off:
        networks.disable_dhcp(root)
    first, last = IPv4Address("10.0.0.100"), IPv4Address("10.0.0.110")
    networks.set_dhcp(root, IPv4Address("10.0.0.2"), IPv4Network("10.0.0.0/25"), first, last)
    found = networks.parsed(root)
    assert (found.enabled, found.parked, found.dhcp) == (True, False, Dhcp(first, last, 7200))
    assert (found.address, found.subnet) == (IPv4Address("10.0.0.2"), IPv4Network("10.0.0.0/25"))
    assert [child.tag for child in root.iterfind("ip/dhcp/*")] == ["range", "host", "bootp"]
    assert root.find("ip/tftp") is not None


def test_a_reservation_that_another_subnet_does_not_have_is_not_dropped() -> None:
    first, last = IPv4Address("10.1.0.16"), IPv4Address("10.1.0.19")
    with pytest.raises(Unsupported, match=r"reserves 10\.0\.0\.9.*ip-dhcp-host"):
        networks.set_dhcp(served(), IPv4Address("10.1.0.1"), IPv4Network("10.1.0.0/24"), first, last)


def test_what_is_switched_off_in_a_file_is_looked_at_too() -> None:
    root = served()
    networks.disable_dhcp(root)
    for ip in root.findall("ip"):
        root.remove(ip)
    with pytest.raises(BadXml, match="bootp"):
        networks.from_file(etree.tostring(root, encoding="unicode"), "new", "/srv/new.vnc")


def test_a_kept_definition_takes_the_new_name() -> None:
    text = networks.from_file("<network><name>old</name></network>", "new", "/srv/new.vnc")
    found = networks.parsed(parse_element(text))
    assert (found.name, found.file) == ("new", "/srv/new.vnc")


@pytest.mark.parametrize(
    "text", ["", "<domain/>", "<!DOCTYPE n [<!ENTITY e 'x'>]><network><name>&e;</name></network>"]
)
def test_a_file_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(BadXml):
        networks.from_file(text, "new", "/srv/new.vnc")


@given(st.integers(0, 2**32 - 1), st.integers(1, 27))
def test_a_network_and_its_mask_are_taken_together(address: int, length: int) -> None:
    wanted = IPv4Network((address, length), strict=False)
    assert _subnet(str(wanted.network_address), str(wanted.netmask)) == wanted
    if int(wanted.network_address) != address:
        with pytest.raises(Failure, match=str(wanted.network_address)):
            _subnet(str(IPv4Address(address)), str(wanted.netmask))


@given(st.integers(0, 2**32 - 1).filter(lambda mask: "01" in f"{mask:032b}"))
def test_a_mask_has_its_ones_in_front(mask: int) -> None:
    with pytest.raises(Failure):
        _subnet("10.0.0.0", str(IPv4Address(mask)))


@given(st.lists(st.ip_addresses(v=4), max_size=4), st.sampled_from([",", ";", " , "]))
def test_a_list_of_servers(servers: list[IPv4Address], separator: str) -> None:
    assert _addresses(separator.join(map(str, servers))) == ",".join(map(str, servers))


@pytest.mark.parametrize("text", ["10.0.0.1,", ",", "10.0.0.1 10.0.0.2", "fd00::1", "host"])
def test_a_list_that_is_none(text: str) -> None:
    with pytest.raises(Failure):
        _addresses(text)
