"""Sums over devices: exact, or refused with every reason; never an undercount."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fakes import disk, domain_xml, nic
from vpcshim.com.member import S_FALSE
from vpcshim.hypervisor import runrecord
from vpcshim.hypervisor.counters import Counters, DeviceRead, Reading
from vpcshim.hypervisor.domainxml import Disk, Nic, parse
from vpcshim.hypervisor.errors import Unreadable
from vpcshim.hypervisor.runrecord import RunRecord
from vpcshim.model.totals import into, out, total

COUNT = st.integers(0, 2**64 - 1)
MAYBE = st.none() | COUNT
# A device: whether it is a NIC, what it answered (None: unreadable), and its baseline.
COUNTERS = st.none() | st.builds(Counters, MAYBE, MAYBE)
DEVICE = st.tuples(st.booleans(), COUNTERS, COUNTERS)
MACHINE = st.lists(DEVICE, max_size=6)


def machine(devices: list[tuple[bool, Counters | None, Counters | None]]) -> tuple[Reading, RunRecord]:
    nics = [device for device in devices if device[0]]
    drives = [device for device in devices if not device[0]]
    elements = [nic(f"vnet{n}", f"52:54:00:00:00:{n:02x}") for n in range(len(nics))]
    elements += [disk(f"vd{n}") for n in range(len(drives))]
    xml = parse(domain_xml("".join(elements)))
    reads = []
    baseline = {}
    everything: tuple[Nic | Disk, ...] = (*xml.nics, *xml.drives)
    for device, (_, got, base) in zip(everything, (*nics, *drives), strict=True):
        answer = Unreadable(f"{device.label} is unreadable") if got is None else got
        reads.append(DeviceRead(device, answer, "", ()))
        if base is not None:
            baseline[runrecord.key_of(device)] = base
    return Reading(xml, tuple(reads), 0.0), RunRecord(5, baseline=baseline)


def expected(now: int, base: int | None) -> int:
    return now if base is None or base > now else now - base


@given(MACHINE, st.booleans(), st.booleans(), st.booleans())
def test_exact_or_refused(
    devices: list[tuple[bool, Counters | None, Counters | None]], sent: bool, skip: bool, with_record: bool
) -> None:
    reading, record = machine(devices)
    field = out if sent else into
    amount = 0
    bad = 0
    for is_nic, got, base in devices:
        now = None if got is None else field(got)
        if now is None:
            bad += not (skip and is_nic)
        else:
            amount += expected(now, None if base is None or not with_record else field(base))
    if bad:
        with pytest.raises(Unreadable) as caught:
            total(reading, record if with_record else None, field, "bytes", skip_nics=skip)
        assert str(caught.value).startswith("web01: ")
        assert str(caught.value).count(" is unreadable") + str(caught.value).count("does not count bytes") == bad
    else:
        value = total(reading, record if with_record else None, field, "bytes", skip_nics=skip)
        assert type(value) is Decimal
        assert value == amount


@given(MACHINE)
def test_one_more_readable_device_never_makes_less(
    devices: list[tuple[bool, Counters | None, Counters | None]],
) -> None:
    whole = [(is_nic, Counters(got.into or 0, got.out or 0), None) for is_nic, got, _ in devices if got is not None]
    sums = [total(machine(list(whole[:n]))[0], None, out, "bytes", skip_nics=False) for n in range(len(whole) + 1)]
    assert all(isinstance(value, Decimal) for value in sums)
    assert sums == sorted(sums, key=lambda value: value if isinstance(value, Decimal) else Decimal(-1))


@pytest.mark.parametrize("skip", [False, True])
def test_off_and_nothing_to_count(skip: bool) -> None:
    assert total(None, None, out, "bytes", skip_nics=skip) is S_FALSE
    assert total(machine([])[0], None, out, "bytes", skip_nics=skip) == Decimal(0)


def test_the_two_ways() -> None:
    assert (into(Counters(1, 2)), out(Counters(1, 2))) == (1, 2)


@given(st.none() | COUNT, st.none() | COUNT)
def test_a_baseline_is_of_one_device_only(now: int | None, base: int | None) -> None:
    device = Nic(1, "bridge", "52:54:00:00:00:0a", "vnet0", "vnet0")
    other = device._replace(mac="52:54:00:00:00:0b")
    record = RunRecord(5, baseline={runrecord.key_of(device): Counters(base, base)})
    assert runrecord.since_reset(other, Counters(now, now), record) == Counters(now, now)
    assert runrecord.since_reset(device, Counters(now, now), None) == Counters(now, now)
