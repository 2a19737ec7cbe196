"""Reading the counters of a machine's devices while it changes under the reader, and summing them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import libvirt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fakes import FakeDomain, disk, domain_xml, libvirt_error, nic
from vpcshim.com.decimal96 import MAX_MANTISSA
from vpcshim.com.errors import ComError
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import S_FALSE, Product
from vpcshim.com.variant import VT, Variant
from vpcshim.hypervisor import counters, domainxml, runrecord
from vpcshim.hypervisor.counters import NO_OFFER, Counters, DeviceRead, DeviceVanished, Offer, Reading
from vpcshim.hypervisor.domainxml import Disk, DomainXml, Nic
from vpcshim.hypervisor.errors import ConnectionLost, Unreadable
from vpcshim.hypervisor.runrecord import RunRecord
from vpcshim.model import totals
from vpcshim.model.accountant import Accountant
from vpcshim.model.options import ConnectionOptions

A, B = "52:54:00:00:00:0a", "52:54:00:00:00:0b"
RX, TX = 10, 20
STATS = [RX, 1, 2, 3, TX, 5, 6, 7]


def all_devices(xml: DomainXml) -> Iterable[Nic | Disk]:
    return (*xml.nics, *xml.drives)


def read(domain: FakeDomain) -> Reading | None:
    return counters.read_all(domain, all_devices)


def got(reading: Reading | None) -> list[Counters | str]:
    assert reading is not None
    return [str(one.got) if isinstance(one.got, Unreadable) else one.got for one in reading.devices]


def test_nics_and_drives() -> None:
    domain = FakeDomain(
        domain_xml(nic("vnet0", A) + nic(None, B) + disk("vda")),
        {"vnet0": STATS, B: [1, 0, 0, 0, 2, 0, 0, 0]},
        {"vda": [9, 30, 9, 40, 0]},
    )
    reading = read(domain)
    assert got(reading) == [Counters(RX, TX), Counters(1, 2), Counters(30, 40)]
    assert reading is not None
    assert [one.source for one in reading.devices] == ["interfaceStats", "interfaceStats", "blockStats"]
    assert domain.asked == ["xml", "vnet0", B, "vda"]


def test_no_devices() -> None:
    assert got(read(FakeDomain(domain_xml()))) == []


def test_the_inactive_xml_says_that_the_domain_is_off() -> None:
    assert read(FakeDomain(domain_xml(nic("vnet0"), number=None))) is None


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        ([-1] * 8, Counters(None, None)),
        ([-1, 0, 0, 0, 5, 0, 0, 0], Counters(None, 5)),
        ([5, 0, 0, 0, -1, 0, 0, 0], Counters(5, None)),
        ([0] * 8, Counters(0, 0)),
        ([2**63 - 1] * 8, Counters(2**63 - 1, 2**63 - 1)),
    ],
)
def test_minus_one_is_not_known(stats: list[int], expected: Counters) -> None:
    assert got(read(FakeDomain(domain_xml(nic("vnet0")), {"vnet0": stats}))) == [expected]


def test_minus_one_of_a_drive_is_not_known() -> None:
    assert got(read(FakeDomain(domain_xml(disk("vda")), disks={"vda": [-1] * 5}))) == [Counters(None, None)]


def test_a_nic_that_vanishes_makes_the_xml_be_read_again() -> None:
    domain = FakeDomain(
        [domain_xml(nic("vnet0", A) + nic("vnet1", B)), domain_xml(nic("vnet0", A))], {"vnet0": STATS}
    )
    reading = read(domain)
    assert got(reading) == [Counters(RX, TX)]
    assert domain.asked == ["xml", "vnet0", "vnet1", "xml", "vnet0"]
    assert reading is not None
    assert len(reading.xml.nics) == 1


def test_a_nic_that_came_instead_is_read() -> None:
    domain = FakeDomain([domain_xml(nic("vnet0", A)), domain_xml(nic("vnet7", A))], {"vnet7": STATS})
    assert got(read(domain)) == [Counters(RX, TX)]


def test_a_nic_that_libvirt_names_but_does_not_know_is_unreadable() -> None:
    domain = FakeDomain(domain_xml(nic("vnet0", A) + nic("vnet1", B)), {"vnet1": STATS})
    first, second = got(read(domain))
    assert first == f"NIC 1 (vnet0, {A}, type bridge) cannot be read: invalid path"
    assert second == Counters(RX, TX)  # one bad NIC does not hide the others
    assert domain.asked.count("xml") == 2


def test_a_single_read_of_a_device_that_is_gone() -> None:
    with pytest.raises(DeviceVanished):
        counters.read(FakeDomain(domain_xml()), Disk("vda", "disk"))


@pytest.mark.parametrize("stopped", [True, False])
def test_a_domain_that_stops_in_between(stopped: bool) -> None:
    off = libvirt_error(libvirt.VIR_ERR_OPERATION_INVALID, message="domain is not running")
    domain = FakeDomain(domain_xml(nic("vnet0")), {"vnet0": off}, active=not stopped)
    if stopped:
        assert read(domain) is None
    else:  # 55 for another reason, while it runs
        with pytest.raises(libvirt.libvirtError) as caught:
            read(domain)
        assert caught.value is off


def test_a_domain_that_stops_while_its_xml_is_read_again() -> None:
    domain = FakeDomain([domain_xml(nic("vnet0")), domain_xml(nic("vnet0"), number=None)])
    assert read(domain) is None


@pytest.mark.parametrize(
    ("code", "domain_of_error"),
    [
        (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC),
        (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_FROM_QEMU),
        (libvirt.VIR_ERR_OPERATION_DENIED, libvirt.VIR_FROM_NONE),
        (libvirt.VIR_ERR_ACCESS_DENIED, libvirt.VIR_FROM_ACCESS),
        (libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_FROM_QEMU),
    ],
)
def test_what_is_no_matter_of_one_device(code: int, domain_of_error: int) -> None:
    """Not to be skipped as one device's trouble: a refused caller would read 0 bytes."""
    error = libvirt_error(code, domain_of_error)
    for domain in (
        FakeDomain(domain_xml(nic("vnet0")), {"vnet0": error}),
        FakeDomain(domain_xml(disk("vda")), disks={"vda": error}),
        FakeDomain([error]),
    ):
        with pytest.raises(libvirt.libvirtError) as caught:
            read(domain)
        assert caught.value is error


@pytest.mark.parametrize(
    ("code", "domain_of_error"),
    [
        (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_NONE),  # /proc/net/dev: Interface not found
        (libvirt.VIR_ERR_OPERATION_UNSUPPORTED, libvirt.VIR_FROM_QEMU),  # type user, hostdev
        (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_FROM_NONE),
        (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_NONE),
    ],
)
def test_what_is_a_matter_of_one_device(code: int, domain_of_error: int) -> None:
    error = libvirt_error(code, domain_of_error, "no counters for a host device")
    domain = FakeDomain(domain_xml(nic("net7", A, "hostdev") + nic("vnet0", B)), {"net7": error, "vnet0": STATS})
    assert got(read(domain)) == [
        f"NIC 1 (net7, {A}, type hostdev) cannot be read: no counters for a host device",
        Counters(RX, TX),
    ]


@pytest.mark.parametrize("devices", [nic(None), nic(None, A) + nic(None, A), disk("")])
def test_a_device_that_cannot_be_addressed_is_not_asked_for(devices: str) -> None:
    domain = FakeDomain(domain_xml(devices))
    assert all(isinstance(text, str) and "cannot be addressed" in text for text in got(read(domain)))
    assert domain.asked == ["xml"]


def test_offers_of_other_sources_spare_the_call() -> None:
    domain = FakeDomain(domain_xml(nic("vnet0", A) + nic("vnet1", B)), {"vnet1": STATS})
    offer = Offer(Counters(1, 2), "host link", ())
    declined = Offer(None, "", ("host link: no",))
    reading = counters.read_all(domain, lambda xml: xml.nics, None, lambda _xml: (offer, declined))
    assert got(reading) == [Counters(1, 2), Counters(RX, TX)]
    assert reading is not None
    assert [(one.source, one.declined) for one in reading.devices] == [
        ("host link", ()),
        ("interfaceStats", ("host link: no",)),
    ]
    assert domain.asked == ["xml", "vnet1"]
    assert NO_OFFER.counters is None


# -- sums --------------------------------------------------------------------------------------------------


def reading_of(*found: Counters | Unreadable, devices: str = "") -> Reading:
    xml = domainxml.parse(domain_xml(devices or "".join(nic(f"vnet{i}") for i in range(len(found)))))
    everything: tuple[Nic | Disk, ...] = (*xml.nics, *xml.drives)
    return Reading(xml, tuple(DeviceRead(d, got, "", ()) for d, got in zip(everything, found, strict=True)), 0.0)


def total(reading: Reading | None, record: RunRecord | None = None, *, skip: bool = False) -> Decimal | None:
    value = totals.total(reading, record, totals.out, "sent bytes", skip_nics=skip)
    return None if value is S_FALSE else value


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_a_total_is_exact_and_fits_a_decimal(counts: list[int]) -> None:
    value = total(reading_of(*(Counters(0, count) for count in counts)))
    assert value == sum(counts)
    assert Variant.from_decimal_bytes(Variant(VT.DECIMAL, value).pack_decimal()).value == sum(counts)


def test_off_is_s_false() -> None:
    assert total(None) is None


def test_an_unknown_counter_never_enters_a_sum() -> None:
    for bad in (Counters(5, None), Unreadable("NIC 2 cannot be read")):
        reading = reading_of(Counters(0, 7), bad)
        with pytest.raises(Unreadable, match=r"^web01: NIC 2"):
            total(reading)
        assert total(reading, skip=True) == 7


def test_every_device_without_a_counter_is_named() -> None:
    with pytest.raises(Unreadable, match=r"NIC 1 .*sent bytes.*; NIC 2 .*sent bytes"):
        total(reading_of(Counters(0, None), Counters(0, None)))


def test_drives_are_never_skipped() -> None:
    with pytest.raises(Unreadable, match="drive vda"):
        total(reading_of(Counters(0, None), devices=disk("vda")), skip=True)


def test_baselines_are_taken_off() -> None:
    reading = reading_of(Counters(0, 100), Counters(0, 50))
    first = reading.devices[0].device
    record = RunRecord(5, baseline={runrecord.key_of(first): Counters(0, 60)})
    assert total(reading, record) == 90


# -- the property ------------------------------------------------------------------------------------------


class FakeRuns:
    def record(self, _xml: DomainXml, _at: float) -> None:
        return None


class FakeServer:
    """As much of a server as the byte counters need."""

    def __init__(self, answer: Reading | Exception | None) -> None:
        self.answer = answer
        self.runs = FakeRuns()

    def network(self, _uuid: str, _freshness: float) -> Reading | None:
        return self.disks("")

    def disks(self, _uuid: str) -> Reading | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def accountant(answer: Reading | Exception | None, **options: str) -> Accountant:
    server = FakeServer(answer)
    return Accountant(
        Product.VIRTUAL_SERVER,
        server,  # type: ignore[arg-type]
        ConnectionOptions(**options),  # type: ignore[arg-type]
        "uuid",
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NetworkBytesSent", 2**64),
        ("NetworkBytesReceived", 3),
        ("DiskBytesWritten", 2**64),
        ("DiskBytesRead", 3),
    ],
)
def test_which_way_is_which(name: str, expected: int) -> None:
    acct = accountant(reading_of(Counters(1, 2**64 - 1), Counters(2, 1)))
    value = getattr(acct, name)
    assert (value, type(value)) == (expected, Decimal)


def test_the_largest_sum_that_fits_and_one_more() -> None:
    acct = accountant(reading_of(Counters(0, MAX_MANTISSA)))
    assert acct.NetworkBytesSent == MAX_MANTISSA
    out = Variant()
    assert accountant(reading_of(Counters(0, MAX_MANTISSA), Counters(0, 1))).get_NetworkBytesSent(out) is (
        HRESULT.DISP_E_OVERFLOW
    )


def test_off_no_nics_and_trouble() -> None:
    out = Variant()
    assert accountant(None).get_NetworkBytesSent(out) is HRESULT.S_FALSE
    assert (out.vt, out.value) == (VT.DECIMAL, 0)
    assert accountant(reading_of()).get_NetworkBytesSent(out) is HRESULT.S_OK
    assert out.value == 0
    assert accountant(ConnectionLost("gone")).get_NetworkBytesSent(out) is HRESULT.DISP_E_EXCEPTION
    assert out.vt == VT.EMPTY
    with pytest.raises(ComError) as caught:
        _ = accountant(reading_of(Unreadable("NIC 1 (vnet0) cannot be read: why"))).NetworkBytesSent
    assert caught.value.scode == HRESULT.DISP_E_EXCEPTION
    assert caught.value.description == "web01: NIC 1 (vnet0) cannot be read: why"
    assert caught.value.excepinfo is not None
    assert caught.value.excepinfo[1] == "VirtualServer.Application"


def test_skipping_nics_is_an_option() -> None:
    reading = reading_of(Unreadable("NIC 1"), Counters(1, 2))
    assert accountant(reading, unreadable_nics="skip").NetworkBytesSent == 2
    assert accountant(reading).get_NetworkBytesSent(Variant()) is HRESULT.DISP_E_EXCEPTION


@pytest.mark.parametrize(
    "wrong",
    [{"unreadable_nics": "ignore"}, {"timeout": 0.5}, {"timeout": float("nan")}, {"freshness": -1.0}],
    ids=str,
)
def test_options_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ConnectionOptions(**wrong)  # type: ignore[arg-type]
