"""Scheduler parameters and the capacity percentages that stand for them."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fakes import FakeDomain, domain_xml, libvirt_error
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.hypervisor import scheduler
from vpcshim.hypervisor.errors import Unsupported
from vpcshim.hypervisor.scheduler import Tuning
from vpcshim.model import capacity
from vpcshim.model.accountant import _check_scheduling

CONFIG, LIVE = libvirt.VIR_DOMAIN_AFFECT_CONFIG, libvirt.VIR_DOMAIN_AFFECT_LIVE


class FakeScheduled(FakeDomain):
    """A domain with scheduler parameters per place; `refuse` raises what is given for that place."""

    def __init__(self, places: dict[int, dict[str, int]], refuse: dict[int, Exception] | None = None) -> None:
        super().__init__(domain_xml(), active=LIVE in places)
        self.places = places
        self.refuse = refuse or {}
        self.sets: list[int] = []

    def isPersistent(self) -> int:
        return int(CONFIG in self.places)

    def schedulerParameters(self) -> dict[str, int]:
        return dict(self.places[max(self.places, key=lambda place: place == LIVE)])

    def schedulerParametersFlags(self, place: int) -> dict[str, int]:
        return dict(self.places[place])

    def setSchedulerParametersFlags(self, values: dict[str, int], place: int) -> int:
        self.sets.append(place)
        if place in self.refuse:
            raise self.refuse.pop(place)
        self.places[place].update(values)
        return 0


def parameters(shares: int = 1024) -> dict[str, int]:
    return {"cpu_shares": shares, "vcpu_period": 100_000, "vcpu_quota": -1, "emulator_quota": -1}


WANTED = {"cpu_shares": 5, "vcpu_period": 100_000, "vcpu_quota": 25_000}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"cpu_shares": 1024, "vcpu_period": 100_000, "vcpu_quota": -1}, Tuning(1024, None)),
        ({"cpu_shares": 1024, "vcpu_period": 100_000, "vcpu_quota": 0}, Tuning(1024, None)),
        ({"cpu_shares": 2, "vcpu_period": 100_000, "vcpu_quota": 50_000}, Tuning(2, 0.5)),
        ({"cpu_shares": 2, "vcpu_period": 0, "vcpu_quota": 50_000}, Tuning(2, None)),
        ({"cpu_shares": 2, "vcpu_period": 50_000, "vcpu_quota": 100_000}, Tuning(2, 2.0)),
        ({"cpu_shares": 2}, Tuning(2, None)),
        ({"weight": 50}, Tuning(50, None)),
        ({"cpu_shares": 0, "vcpu_period": 0, "vcpu_quota": 0}, Tuning(None, None)),
        ({"cpu_shares": 2, "global_period": 100_000, "global_quota": 150_000}, Tuning(2, None, 1.5)),
        ({"cpu_shares": 2, "global_period": 100_000, "global_quota": -1}, Tuning(2, None)),
        ({"cpu_shares": 2, "global_period": 0, "global_quota": 0}, Tuning(2, None)),
    ],
)
def test_read(values: dict[str, int], expected: Tuning) -> None:
    assert scheduler.read(FakeScheduled({LIVE: values})) == expected


def test_read_without_a_weight() -> None:
    with pytest.raises(Unsupported, match="cap"):
        scheduler.read(FakeScheduled({LIVE: {"cap": 1}}))


@pytest.mark.parametrize("places", [(CONFIG,), (LIVE,), (LIVE, CONFIG)])
def test_write_goes_where_the_domain_is(places: tuple[int, ...]) -> None:
    domain = FakeScheduled({place: parameters() for place in places})
    scheduler.write(domain, 5, 0.25)
    assert domain.sets == list(places)
    for place in places:
        assert domain.places[place] == parameters() | WANTED


def test_write_is_both_or_neither() -> None:
    error = libvirt_error(libvirt.VIR_ERR_OPERATION_FAILED)
    for refused in (CONFIG, LIVE):
        domain = FakeScheduled({CONFIG: parameters(11), LIVE: parameters(12)}, {refused: error})
        with pytest.raises(libvirt.libvirtError) as caught:
            scheduler.write(domain, 5, 0.25)
        assert caught.value is error
        assert domain.places == {CONFIG: parameters(11), LIVE: parameters(12)}


def test_write_lifts_a_limit_of_the_whole_domain() -> None:
    limited = parameters() | {"global_period": 100_000, "global_quota": 10_000}
    domain = FakeScheduled({CONFIG: dict(limited), LIVE: dict(limited)})
    scheduler.write(domain, 5, 0.25)
    assert domain.places[CONFIG] == domain.places[LIVE] == limited | WANTED | {"global_quota": -1}
    refused = {CONFIG: libvirt_error(libvirt.VIR_ERR_OPERATION_FAILED)}
    domain = FakeScheduled({CONFIG: dict(limited), LIVE: dict(limited)}, refused)
    with pytest.raises(libvirt.libvirtError):
        scheduler.write(domain, 5, 0.25)
    assert domain.sets == [LIVE, CONFIG, LIVE]
    assert domain.places == {CONFIG: limited, LIVE: limited}


def test_write_never_puts_an_unset_weight_back() -> None:
    # libvirt would keep it in the definition as a weight of 0, and the kernel takes that for the least there is.
    domain = FakeScheduled({CONFIG: parameters(0), LIVE: parameters()}, {LIVE: libvirt_error(1)})
    with pytest.raises(libvirt.libvirtError):
        scheduler.write(domain, 5, 0.25)
    assert domain.sets == [LIVE]


@pytest.mark.parametrize(
    ("ceiling", "whole", "percent"),
    [(None, None, 50), (0.5, None, 25), (None, 0.4, 10), (0.5, 0.4, 10), (0.1, 0.4, 5), (None, 9.0, 50)],
)
def test_the_lower_limit_counts(ceiling: float | None, whole: float | None, percent: float) -> None:
    assert capacity.percent_of_limits(ceiling, whole, 2, 4) == percent


def test_write_changes_nothing_where_one_place_lacks_a_parameter() -> None:
    domain = FakeScheduled({CONFIG: parameters(), LIVE: {"cpu_shares": 1}})
    with pytest.raises(Unsupported, match="vcpu_period, vcpu_quota"):
        scheduler.write(domain, 5, 0.25)
    assert domain.sets == []


def test_write_where_the_driver_does_not_know_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    domain: Any = FakeScheduled({LIVE: parameters()})

    def refuse(_place: int) -> None:
        raise libvirt_error(libvirt.VIR_ERR_INVALID_ARG, message="unsupported flags")

    monkeypatch.setattr(domain, "schedulerParametersFlags", refuse)
    with pytest.raises(Unsupported, match="unsupported flags"):
        scheduler.write(domain, 5, 0.25)


CPUS = st.integers(1, 1024)
VCPUS = st.integers(1, 512)


@given(VCPUS, CPUS)
def test_allowable_is_bounded(vcpus: int, cpus: int) -> None:
    most = capacity.allowable(vcpus, cpus)
    assert 0 < most <= 100
    assert (most == 100) is (vcpus >= cpus)
    assert capacity.allowable(1, cpus) == pytest.approx(100 / cpus)  # as the products' pages say


@st.composite
def hosts(draw: st.DrawFn) -> tuple[float, int, int]:
    """A percentage that a machine of so many vCPUs may be limited to on a host of so many CPUs."""
    vcpus, cpus = draw(VCPUS), draw(CPUS)
    most = capacity.allowable(vcpus, cpus)
    return draw(st.floats(min(1.0, most), most)), vcpus, cpus


@given(hosts())
def test_percent_to_quota_and_back(host: tuple[float, int, int]) -> None:
    percent, vcpus, cpus = host
    ceiling = capacity.ceiling_of_percent(percent, vcpus, cpus)
    if ceiling is None:
        assert percent == capacity.allowable(vcpus, cpus)
    written = scheduler._parameters(7, ceiling)
    assert written["cpu_shares"] == 7
    assert 1_000 <= written["vcpu_period"] <= 1_000_000
    assert written["vcpu_quota"] == -1 or written["vcpu_quota"] >= 1_000  # libvirt's bounds
    back = scheduler.read(FakeScheduled({LIVE: written}))
    got = capacity.percent_of_limits(back.ceiling, back.whole, vcpus, cpus)
    # A quota is whole microseconds of a tenth of a second, and at least a thousandth of one CPU per vCPU.
    grain = 100 * vcpus / cpus / 100_000
    smallest = 100 * vcpus / cpus / 1_000
    assert got <= capacity.allowable(vcpus, cpus)
    assert abs(got - percent) <= grain + 1e-6 or (percent < smallest and got == pytest.approx(smallest, abs=1e-6))


@given(hosts())
def test_no_limit_is_the_allowable_maximum(host: tuple[float, int, int]) -> None:
    _, vcpus, cpus = host
    assert capacity.percent_of_limits(None, None, vcpus, cpus) == capacity.allowable(vcpus, cpus)
    assert capacity.percent_of_limits(50.0, None, vcpus, cpus) == capacity.allowable(vcpus, cpus)


@pytest.mark.parametrize(
    ("percent", "vcpus", "cpus", "period", "quota"),
    [
        (25.0, 1, 4, 100_000, -1),
        (12.5, 1, 4, 100_000, 50_000),
        (12.5, 2, 4, 100_000, 25_000),
        (100.0, 8, 4, 100_000, -1),
        (50.0, 8, 4, 100_000, 25_000),
        (1.0, 2, 1, 1_000_000, 5_000),
        (1.0, 100, 1, 1_000_000, 1_000),
    ],
)
def test_quotas(percent: float, vcpus: int, cpus: int, period: int, quota: int) -> None:
    written = scheduler._parameters(1, capacity.ceiling_of_percent(percent, vcpus, cpus))
    assert (written["vcpu_period"], written["vcpu_quota"]) == (period, quota)


@pytest.mark.parametrize(
    ("reserved", "maximum", "weight", "problem"),
    [
        (0, 1, 1, None),
        (25, 25, 10_000, None),
        (0, 25, 100, None),
        (-0.1, 25, 100, "reservedSystemCapacity"),
        (25.1, 25, 100, "reservedSystemCapacity"),
        (float("nan"), 25, 100, "reservedSystemCapacity"),
        (0, 0.9, 100, "maxSystemCapacity"),
        (0, 25.1, 100, "maxSystemCapacity"),
        (0, float("inf"), 100, "maxSystemCapacity"),
        (0, float("nan"), 100, "maxSystemCapacity"),
        (0, 25, 0, "relativeWeight"),
        (0, 25, 10_001, "relativeWeight"),
    ],
)
def test_documented_ranges(reserved: float, maximum: float, weight: int, problem: str | None) -> None:
    if problem is None:
        _check_scheduling(reserved, maximum, weight, 25.0)
        return
    with pytest.raises(Failure) as caught:
        _check_scheduling(reserved, maximum, weight, 25.0)
    assert caught.value.code is HRESULT.E_INVALIDARG
    assert problem in caught.value.description


class FakeHost:
    def __init__(self, *domains: FakeDomain) -> None:
        self.domains = domains

    def listAllDomains(self, _flags: int) -> tuple[FakeDomain, ...]:
        return self.domains


def reserving(percent: float) -> FakeDomain:
    return FakeDomain(domain_xml(metadata=f"<settings xmlns='urn:vpcshim:settings:1' reserve='{percent}'/>"))


def test_what_is_available() -> None:
    gone = FakeDomain([libvirt_error(libvirt.VIR_ERR_NO_DOMAIN)])
    assert capacity.available(FakeHost()) == 100
    assert capacity.available(FakeHost(reserving(30), FakeDomain(domain_xml()), gone, reserving(20))) == 50
    assert capacity.available(FakeHost(reserving(80), reserving(80))) == 0
    with pytest.raises(libvirt.libvirtError):
        capacity.available(FakeHost(FakeDomain([libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR)])))
