"""CPU samples: the arithmetic, and the shape of the history."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from types import SimpleNamespace
from typing import Any

import libvirt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fakes import UUID
from vpcshim.hypervisor import cpu
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.cpu import WINDOW, CpuSampler, _Track
from vpcshim.hypervisor.errors import DomainBusy, DomainOff, HypervisorError, Unknowable
from vpcshim.hypervisor.monitorstats import MonitorStats

S = 10**9


def track(*samples: tuple[float, int], vcpus: int = 1) -> _Track:
    (at, cpu_ns), *others = samples
    made = _Track(5, at, cpu_ns)
    for at, cpu_ns in others:
        made.add(at, cpu_ns, vcpus)
    return made


@pytest.mark.parametrize(
    ("used", "elapsed", "vcpus", "percent"),
    [
        (0, 1.0, 1, 0),
        (S, 1.0, 1, 100),
        (S // 2, 1.0, 1, 50),
        (S, 1.0, 2, 50),
        (2 * S, 1.0, 2, 100),
        (3 * S, 1.0, 2, 100),  # clamped: libvirt's time and ours are not read at once
        (S, 0.5, 1, 100),
        (S // 4, 0.5, 1, 50),
        (S // 3, 1.0, 1, 33),
        (1, 1.0, 64, 0),
    ],
)
def test_percent(used: int, elapsed: float, vcpus: int, percent: int) -> None:
    assert list(track((10.0, 7 * S), (10.0 + elapsed, 7 * S + used), vcpus=vcpus).percents) == [percent]


def test_a_gap_counts_for_each_of_its_seconds() -> None:
    assert list(track((0.0, 0), (1.0, S), (5.0, S + 2 * S)).percents) == [100, 50, 50, 50, 50]
    assert list(track((0.0, 0), (1.4, 0)).percents) == [0]
    assert len(track((0.0, 0), (1e6, S)).percents) == WINDOW


def test_two_samples_close_together_are_one() -> None:
    made = track((0.0, 0), (0.2, S // 5), (0.4, 2 * S // 5))
    assert list(made.percents) == []
    made.add(1.0, S // 2, 1)  # measured from the first of them
    assert list(made.percents) == [50]


def test_a_counter_that_goes_back_begins_anew() -> None:
    made = track((0.0, 100 * S), (1.0, 101 * S), (2.0, 0))
    assert list(made.percents) == [100]
    made.add(3.0, S // 4, 1)
    assert list(made.percents) == [100, 25]


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10**13)), min_size=2, max_size=100),
    st.integers(1, 512),
)
def test_always_a_percentage_and_never_more_than_the_window(samples: list[tuple[float, int]], vcpus: int) -> None:
    at = 0.0
    moments = []
    for elapsed, cpu_ns in samples:
        at += elapsed
        moments.append((at, cpu_ns))
    percents = track(*moments, vcpus=vcpus).percents
    assert len(percents) <= WINDOW
    assert all(type(percent) is int and 0 <= percent <= 100 for percent in percents)


class Clock:
    """Time that only passes when somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(cpu, "time", SimpleNamespace(monotonic=lambda: self.now, sleep=self.sleep))

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeGuest:
    def __init__(self, number: int = 5) -> None:
        self.number = number

    def ID(self) -> int:
        return self.number

    def UUIDString(self) -> str:
        return UUID


class FakeStats:
    """Bulk statistics of one guest: CPU time as a function of the clock; None: the fields are left out."""

    def __init__(self, clock: Clock, share: float | None, number: int = 5) -> None:
        self.clock, self.share, self.number = clock, share, number
        self.calls = 0

    def read(self, _groups: int) -> list[tuple[FakeGuest, dict[str, Any]]]:
        self.calls += 1
        if self.share is None:
            return [(FakeGuest(self.number), {})]
        return [(FakeGuest(self.number), {"cpu.time": int(self.clock.now * self.share * S), "vcpu.current": 2})]


def sampler(monkeypatch: pytest.MonkeyPatch, share: float | None) -> tuple[CpuSampler, FakeStats, Clock]:
    clock = Clock(monkeypatch)
    made = CpuSampler(unused := Connection("test:///nowhere"), MonitorStats(unused))
    stats = FakeStats(clock, share)
    monkeypatch.setattr(made, "_stats", stats)
    return made, stats, clock


def test_a_single_reading_samples_twice_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    made, stats, clock = sampler(monkeypatch, 0.5)
    assert made.percent(UUID, 5) == 25
    assert (stats.calls, clock.now) == (2, 1001.0)
    assert made.percent(UUID, 5) == 25  # still fresh
    assert stats.calls == 2


def test_the_history_is_60_long_and_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    made, stats, clock = sampler(monkeypatch, 0.0)
    made.take()
    for share in (0.2, 0.4):
        stats.share = None
        clock.sleep(1)
        base = made._tracks[UUID].cpu_ns
        stats.share = (base + share * S) / S / clock.now
        made.take()
    history = made.history(UUID, 5)
    assert len(history) == WINDOW
    assert history[-2:] == (10, 20)
    assert set(history[:-2]) == {0}


def test_the_history_keeps_the_last_60(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, clock = sampler(monkeypatch, 2.0)
    for _ in range(100):
        made.take()
        clock.sleep(1)
    assert made.history(UUID, 5) == (100,) * WINDOW


def test_a_new_run_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    made, stats, clock = sampler(monkeypatch, 2.0)
    for _ in range(5):
        made.take()
        clock.sleep(1)
    stats.number, stats.share = 6, 1.0
    assert made.history(UUID, 6) == (0,) * (WINDOW - 1) + (50,)


class FakeInfo:
    """The calls for one domain of a driver without bulk CPU statistics; its domain id changes as in `runs`."""

    def __init__(self, clock: Clock, times: list[int], runs: tuple[int, ...] = (5,)) -> None:
        self.clock, self.times, self.runs = clock, times, list(runs)

    def __call__(self, _uuid: str) -> FakeInfo:
        return self

    def __enter__(self) -> FakeInfo:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def name(self) -> str:
        return "m1"

    def ID(self) -> int:
        return self.runs.pop(0) if len(self.runs) > 1 else self.runs[0]

    def info(self) -> list[int]:
        return [1, 0, 0, 1, self.times.pop(0)]


@pytest.mark.parametrize("share", [None, 1.0])
def test_without_bulk_statistics_one_domain_is_asked(share: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    made, stats, clock = sampler(monkeypatch, share)
    stats.number = 7  # as if the bulk call left the domain meant out
    monkeypatch.setattr(made._connection, "domain", FakeInfo(clock, [0, S // 4]))
    assert made.percent(UUID, 5) == 25


def test_a_cpu_time_that_goes_backwards_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, clock = sampler(monkeypatch, None)
    monkeypatch.setattr(made._connection, "domain", FakeInfo(clock, [S, 0]))
    with pytest.raises(Unknowable):
        made.percent(UUID, 5)


@pytest.mark.parametrize("runs", [(-1,), (6,), (5, -1), (5, 6)], ids=str)
def test_what_one_run_used_is_never_taken_off_what_another_did(
    runs: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, clock = sampler(monkeypatch, None)
    monkeypatch.setattr(made._connection, "domain", FakeInfo(clock, [S // 4, S // 2], runs))
    with pytest.raises(DomainOff, match="m1 was turned off"):
        made.percent(UUID, 5)


def test_a_machine_that_is_off_for_a_moment_is_sampled_again_when_it_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, clock = sampler(monkeypatch, None)
    made._bulk = False
    made._asked.add(UUID)
    monkeypatch.setattr(made._connection, "domain", FakeInfo(clock, [0, S // 4], (-1, 6)))
    made.take()
    made.take()
    clock.sleep(1)
    made.take()
    assert made.percent(UUID, 6) == 25


# -- the bulk statistics behind it ---------------------------------------------------------------------------


def test_the_groups_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made, stats, _ = sampler(monkeypatch, 0.5)
    asked: list[int] = []
    read = stats.read

    def remembered(groups: int) -> Any:
        asked.append(groups)
        return read(groups)

    monkeypatch.setattr(stats, "read", remembered)
    made.take()
    assert asked == [libvirt.VIR_DOMAIN_STATS_CPU_TOTAL | libvirt.VIR_DOMAIN_STATS_VCPU]


@pytest.mark.parametrize("error", [DomainBusy("several hang"), HypervisorError("broken")])
def test_an_error_of_the_bulk_statistics_reaches_the_reader(
    error: HypervisorError, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, stats, _ = sampler(monkeypatch, 0.5)

    def read(_groups: int) -> Any:
        raise error

    monkeypatch.setattr(stats, "read", read)
    with pytest.raises(type(error)):
        made.percent(UUID, 5)
    assert made._lock.acquire(timeout=1)  # nobody else is locked out
    made._lock.release()


def test_a_guest_that_hangs_in_the_bulk_call_is_asked_by_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the bulk call's answer without its fields: the others keep their samples from there."""
    made, stats, clock = sampler(monkeypatch, 1.0)
    made.take()
    clock.sleep(1)
    made.take()
    assert made.percent(UUID, 5) == 50
    clock.sleep(10)
    stats.share = None
    monkeypatch.setattr(made._connection, "domain", FakeInfo(clock, [int(clock.now * S), int((clock.now + 1) * S)]))
    assert 0 <= made.percent(UUID, 5) <= 100
    assert made._bulk is True  # one guest that hangs does not turn it off


def test_one_sample_serves_many_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    made, stats, clock = sampler(monkeypatch, 0.5)
    made.percent(UUID, 5)
    before = stats.calls
    for _ in range(10):
        clock.sleep(0.2)
        assert made.percent(UUID, 5) == 25
    assert stats.calls == before
    clock.sleep(1)
    made.percent(UUID, 5)
    assert stats.calls > before


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("is_open", [False, True])
def test_the_thread_keeps_no_sampler_alive(is_open: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "PERIOD", 0.01)
    taken = threading.Event()
    looked = threading.Event()

    class Watched:
        @property
        def is_open(self) -> bool:
            looked.set()
            return is_open

    monkeypatch.setattr(CpuSampler, "take", lambda _self: taken.set())
    before = set(threading.enumerate())
    made = CpuSampler(watched := Watched(), MonitorStats(watched))  # type: ignore[arg-type]
    made.start()
    assert looked.wait(5)
    assert taken.wait(5 if is_open else 0.1) is is_open
    gone = weakref.ref(made)
    (thread,) = set(threading.enumerate()) - before
    del made
    deadline = time.monotonic() + 5
    while gone() is not None:
        gc.collect()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    thread.join(5)
    assert not thread.is_alive()
