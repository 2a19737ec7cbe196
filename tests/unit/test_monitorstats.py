"""Bulk statistics that need monitors: asked again when the first call hangs, and not for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import libvirt
import pytest

from vpcshim.hypervisor.errors import ConnectionLost, DomainBusy
from vpcshim.hypervisor.monitorstats import MonitorStats

pytestmark = pytest.mark.usefixtures("bounded")

ACTIVE = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
NOWAIT = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
ENFORCE = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS
PATIENCE = 0.5


class FakeConnection:
    """Connections whose bulk call hangs as often as told, until the gate is opened."""

    def __init__(self, hangs: int = 0, error: Exception | None = None) -> None:
        self.hangs = hangs
        self.error = error
        self.gate = threading.Event()
        self.calls_made: list[tuple[int, int]] = []
        self._lock = threading.Lock()

    @contextmanager
    def calls(self) -> Iterator[FakeConnection]:
        yield self

    def getAllDomainStats(self, groups: int, flags: int) -> list[Any]:
        with self._lock:
            self.calls_made.append((groups, flags))
            number = len(self.calls_made)
        if number <= self.hangs:
            assert self.gate.wait(30)
        if self.error is not None:
            raise self.error
        return [("domain", {"number": number})]


@pytest.fixture
def connections() -> Iterator[list[FakeConnection]]:
    made: list[FakeConnection] = []
    yield made
    for one in made:
        one.gate.set()


def stats(
    connections: list[FakeConnection], hangs: int = 0, error: Exception | None = None, patience: float = PATIENCE
) -> MonitorStats:
    connections.append(FakeConnection(hangs, error))
    return MonitorStats(connections[0], patience)  # type: ignore[arg-type]


def number(got: list[tuple[Any, dict[str, Any]]]) -> int:
    ((_, values),) = got
    return int(values["number"])


def test_one_call_where_nothing_hangs(connections: list[FakeConnection]) -> None:
    made = stats(connections, patience=30)
    assert [number(made.read(8)), number(made.read(8))] == [1, 2]
    assert connections[0].calls_made == [(8, ACTIVE | NOWAIT | ENFORCE)] * 2


def test_a_second_call_passes_the_first_that_is_stuck(connections: list[FakeConnection]) -> None:
    made = stats(connections, hangs=1)
    began = time.monotonic()
    second = number(made.read(8))
    assert second >= 2  # one more that a busy machine held up is passed as well
    assert PATIENCE <= time.monotonic() - began < 20
    made._patience = 30
    began = time.monotonic()
    assert number(made.read(8)) == second + 1  # the first still holds that guest's job: nothing to wait for
    assert time.monotonic() - began < 20


def test_at_most_five_are_stuck(connections: list[FakeConnection]) -> None:
    made = stats(connections, hangs=5)
    with pytest.raises(DomainBusy, match="5 calls for what guests' monitors know hang"):
        made.read(8)
    for _ in range(5):
        with pytest.raises(DomainBusy):
            made.read(8)
    assert len(connections[0].calls_made) == 5
    connections[0].gate.set()
    deadline = time.monotonic() + 5
    while True:
        try:
            assert number(made.read(8)) >= 6
            break
        except DomainBusy:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_call_that_ends_late_makes_room_again(connections: list[FakeConnection]) -> None:
    made = stats(connections, hangs=2)
    answered = number(made.read(8))
    assert answered >= 3
    assert len(made._stuck) == answered - 1
    connections[0].gate.set()
    deadline = time.monotonic() + 5
    while made._stuck:
        made.read(8)
        assert time.monotonic() < deadline


@pytest.mark.parametrize("error", [ConnectionLost("gone"), DomainBusy("busy"), RuntimeError("a defect")])
def test_an_error_is_passed_on_at_once(error: Exception, connections: list[FakeConnection]) -> None:
    made = stats(connections, error=error)
    with pytest.raises(type(error), match=str(error)):
        made.read(8)
    assert len(connections[0].calls_made) == 1
    assert made._stuck == []
