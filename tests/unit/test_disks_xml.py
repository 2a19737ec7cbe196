"""Drives in domain XML: where each is, what it holds, how that changes; and the locations of the products."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.hypervisor.disks import Devices, Medium, Place, _letters, _place_of_letters
from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import BadXml
from vpcshim.model import buses

VS, VPC = Product.VIRTUAL_SERVER, Product.VIRTUAL_PC


def devices(*disks: str, kind: str = "kvm", machine: str = "pc-i440fx-9.0", more: str = "") -> Devices:
    os = f"<os><type machine='{machine}'>hvm</type></os>"
    text = f"<domain type='{kind}'><name>web</name>{os}<devices>{''.join(disks)}{more}</devices></domain>"
    return Devices(parse_element(text))


def disk(target: str, bus: str = "", address: str = "", inside: str = "", **attributes: str) -> str:
    attribute = "".join(f" {name}='{value}'" for name, value in attributes.items())
    bus = f" bus='{bus}'" if bus else ""
    return f"<disk{attribute}>{inside}<target dev='{target}'{bus}/>{address}</disk>"


def address(controller: int, bus: int, target: int, unit: int) -> str:
    return f"<address type='drive' controller='{controller}' bus='{bus}' target='{target}' unit='{unit}'/>"


@pytest.mark.parametrize(
    ("xml", "place"),
    [
        (disk("hda", "ide", address(0, 1, 0, 1)), Place("ide", 1, 1)),  # the address, not the name
        (disk("hda", "ide", address(1, 1, 0, 0)), Place("ide", 3, 0)),
        (disk("hdd", "ide"), Place("ide", 1, 1)),
        (disk("hdc"), Place("ide", 1, 0)),
        (disk("sda", "scsi", address(2, 0, 0, 5)), Place("scsi", 2, 5)),
        (disk("sda", "scsi", address(0, 0, 3, 1)), Place("scsi", 0, 3 * 16384 + 1)),
        (disk("sdh", "scsi"), Place("scsi", 1, 0)),
        (disk("sdg", "sata"), Place("sata", 1, 0)),
        (disk("sdb", "usb"), Place("usb", 0, 1)),
        (disk("vdaa", "virtio"), Place("virtio", 0, 26)),
        (disk("xvdb"), Place("xen", 0, 1)),
        (disk("fdb", "fdc", address(0, 0, 0, 1)), Place("fdc", 0, 1)),
    ],
)
def test_where_a_drive_is(xml: str, place: Place) -> None:
    assert devices(xml).drives[0].place == place


@pytest.mark.parametrize(
    ("xml", "medium"),
    [
        (disk("hda", inside="<source file='/a.img'/>"), Medium("file", "/a.img", "raw")),
        (disk("hda", type="file", inside="<driver type='vpc'/><source file='/a'/>"), Medium("file", "/a", "vpc")),
        (disk("hda", type="block", inside="<source dev='/dev/sdb'/>"), Medium("block", "/dev/sdb", "raw")),
        (disk("hda", type="file", inside="<source startupPolicy='optional'/>"), None),
        (disk("hda", type="file"), None),
        (
            disk("hda", type="network", inside="<source protocol='rbd' name='pool/a'/>"),
            Medium("network", "rbd:pool/a", "raw"),
        ),
        (
            disk("hda", type="volume", inside="<source pool='p' volume='v'/>"),
            Medium("volume", "p/v", "raw"),
        ),
    ],
)
def test_what_a_drive_holds(xml: str, medium: Medium | None) -> None:
    assert devices(xml).drives[0].medium == medium


@pytest.mark.parametrize(
    "xml",
    [
        "<disk/>",
        "<disk><target/></disk>",
        disk("hda", "ide", "<address type='drive' controller='x'/>"),
        disk("hda", "ide", "<address type='drive' controller='-1'/>"),
        disk("hda", "ide", f"<address type='drive' controller='{'9' * 5000}'/>"),
    ],
)
def test_what_no_drive_is(xml: str) -> None:
    with pytest.raises(BadXml):
        _ = devices(xml).drives


@pytest.mark.parametrize(
    ("machine", "kind", "has"),
    [
        ("pc", "kvm", True),
        ("pc-i440fx-7.2", "qemu", True),
        ("pc-0.14", "kvm", True),
        ("isapc", "qemu", True),
        ("q35", "kvm", False),
        ("pc-q35-9.0", "kvm", False),
        ("microvm", "qemu", False),
        ("virt-9.0", "qemu", False),
        ("s390-ccw-virtio", "kvm", False),
        ("pc-q35-9.0", "test", True),  # libvirt decides
        ("", "kvm", True),
    ],
)
def test_which_machines_have_ide(machine: str, kind: str, has: bool) -> None:
    found = devices(machine=machine, kind=kind)
    assert found.has_ide is has
    if not has:
        for product in (VS, VPC):
            with pytest.raises(Failure, match="no IDE bus") as caught:
                buses.check_bus(found, Place("ide", 0, 0), product)
            assert caught.value.code is HRESULT.E_INVALIDARG


def test_a_new_drive_gets_a_free_name() -> None:
    found = devices(disk("sda", "sata"), disk("sdb", "usb"))
    assert found.add("disk", Place("scsi", 0, 0), Medium("file", "/a.img", "raw")) == "sdc"
    assert found.move("sdc", Place("ide", 1, 0)) == "hdc"
    assert found.drives[-1].place == Place("ide", 1, 0)
    assert found.move("hdc", Place("virtio", 0, 0)) == "vda"
    assert not etree.tostring(found._disk("vda")).count(b"<address")


def test_another_medium_leaves_nothing_of_the_old_one() -> None:
    inside = (
        "<driver name='qemu' type='qcow2' cache='none'/><source file='/a' index='1'/>"
        "<backingStore type='file'><format type='raw'/><source file='/b'/></backingStore>"
    )
    found = devices(disk("hdc", "ide", device="cdrom", type="file", inside=inside))
    found.insert("hdc", Medium("block", "/dev/sr0", "raw"))
    element = found._disk("hdc")
    assert (element.get("type"), element.find("backingStore")) == ("block", None)
    (source,), (driver,) = element.findall("source"), element.findall("driver")
    assert dict(source.attrib) == {"dev": "/dev/sr0"}
    assert dict(driver.attrib) == {"name": "qemu", "type": "raw", "cache": "none"}
    found.insert("hdc", None)
    assert (element.get("type"), element.find("source")) == ("file", None)


def test_what_lies_beneath() -> None:
    chain = "<source file='/top'/><backingStore><source file='/mid'/><backingStore><source dev='/dev/x'/>"
    found = devices(disk("vda", inside=f"{chain}</backingStore></backingStore>"))
    assert found.paths() == {"/top"}
    assert found.paths(beneath=True) == {"/top", "/mid", "/dev/x"}


@given(st.integers(0, 10_000))
def test_names_count_as_libvirts_do(number: int) -> None:
    assert _place_of_letters("vd" + _letters(number)) == number


@pytest.mark.parametrize(("number", "name"), [(0, "a"), (25, "z"), (26, "aa"), (701, "zz"), (702, "aaa")])
def test_names_by_hand(number: int, name: str) -> None:
    assert _letters(number) == name


PLACES = st.one_of(
    st.builds(Place, st.just("ide"), st.integers(0, 1), st.integers(0, 1)),
    st.builds(Place, st.just("scsi"), st.integers(0, 3), st.integers(0, 6)),
    st.builds(Place, st.just("sata"), st.integers(0, 9), st.integers(0, 5)),
    st.builds(Place, st.just("virtio"), st.just(0), st.integers(0, 25)),
)


@given(product=st.sampled_from([VS, VPC]), place=PLACES)
def test_a_location_that_is_read_may_be_given_back(product: Product, place: Place) -> None:
    kind, bus, device = buses.location_of(place, product)
    if product is VPC and place.bus == "scsi":
        with pytest.raises(Failure):
            buses.place_of(VPC, None, bus, device)
        return
    assert buses.place_of(product, kind if product is VS else None, bus, device) == place


@given(product=st.sampled_from([VS, VPC]), places=st.lists(PLACES, unique=True, max_size=12))
def test_no_two_drives_share_a_location(product: Product, places: list[Place]) -> None:
    found = [buses.location_of(place, product) for place in places]
    assert len(set(found)) == len(found)
    if product is VPC:
        assert len({location[1:] for location in found}) == len(found)


@given(
    product=st.sampled_from([VS, VPC]),
    kind=st.integers(-3, 3),
    bus=st.integers(-(2**31), 2**31 - 1),
    device=st.integers(-(2**31), 2**31 - 1),
)
def test_whatever_numbers_are_given(product: Product, kind: int, bus: int, device: int) -> None:
    given_kind = kind if product is VS else None
    place: Place | None = None
    with suppress(Failure):  # E_INVALIDARG, which every other test of it asks for
        place = buses.place_of(product, given_kind, bus, device)
    assert place is None or buses.location_of(place, product)[1:] == (bus, device)
