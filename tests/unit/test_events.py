"""libvirt's events: who hears of them, in what order, and when they are complete."""

from __future__ import annotations

import gc
import itertools
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import libvirt
import pytest

from tests.unit.fakes import UUID, libvirt_error
from vpcshim.hypervisor import eventloop
from vpcshim.hypervisor import events as events_module
from vpcshim.hypervisor.errors import HypervisorError
from vpcshim.hypervisor.events import Event, Events, Kind

pytestmark = pytest.mark.usefixtures("bounded")


class Emitter:
    """A connection that can be asked for events, and that emits them."""

    def __init__(self, refuses: dict[int, Exception] | None = None, *, deaf: bool = False) -> None:
        self.refuses = refuses or {}
        self.deaf = deaf
        self.callbacks: dict[int, tuple[int, Callable[..., None]]] = {}
        self.deregistered: list[int] = []
        self._numbers = itertools.count()

    def domainEventRegisterAny(self, domain: Any, kind: int, callback: Callable[..., None], opaque: Any) -> int:
        assert domain is None
        assert opaque is None
        if kind in self.refuses:
            raise self.refuses[kind]
        number = next(self._numbers)
        self.callbacks[number] = (kind, callback)
        return number

    def domainEventDeregisterAny(self, number: int) -> int:
        self.deregistered.append(number)
        if self.deaf:
            raise libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC, "client socket is closed")
        del self.callbacks[number]
        return 0

    def emit(self, kind: Kind, *details: Any, uuid: str = UUID) -> None:
        for number, callback in self.callbacks.values():
            if number == kind.value:
                callback(self, FakeDomain(uuid), *details, None)


class FakeDomain:
    def __init__(self, uuid: str) -> None:
        self.uuid = uuid

    def UUIDString(self) -> str:
        return self.uuid

    def name(self) -> str:
        return "web"

    def ID(self) -> int:
        return -1 if self.uuid == "other" else 5


class FakeConnection:
    """A pool of connections as `Events` sees it."""

    answers = True

    def __init__(self) -> None:
        self.hook: Callable[[Any], Callable[[], None]] | None = None

    def on_open(self, hook: Callable[[Any], Callable[[], None]]) -> None:
        self.hook = hook

    def open(self, connect: Emitter) -> Callable[[], None]:
        assert self.hook is not None
        return self.hook(connect)

    @contextmanager
    def calls(self) -> Iterator[Any]:
        if not self.answers:
            raise HypervisorError("no answer")
        yield SimpleNamespace(getLibVersion=lambda: 9_000_000)


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventloop, "alive", lambda: True)


def made() -> tuple[FakeConnection, Events]:
    connection = FakeConnection()
    return connection, Events(connection)  # type: ignore[arg-type]


class Heard:
    """A listener that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait(self, count: int) -> list[Event]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.events) >= count, 5)
        return self.events


@pytest.mark.usefixtures("alive")
def test_nothing_is_complete_before_a_connection_is_open() -> None:
    connection, events = made()
    assert not events.complete
    assert events.missing == dict.fromkeys(Kind, "no connection is open")
    undo = connection.open(Emitter())
    assert (events.complete, events.missing) == (True, {})
    undo()
    assert not events.complete
    assert set(events.missing) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_a_connection_that_dies_meanwhile_says_nothing_of_the_driver(kind: Kind) -> None:
    connection, events = made()
    lost = libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC, "client socket is closed")
    emitter = Emitter({kind.value: lost})
    with pytest.raises(libvirt.libvirtError):
        connection.open(emitter)
    assert not events.connected()
    assert emitter.callbacks == {}, "nothing holds the dead one"
    connection.open(Emitter())
    assert events.connected()
    assert events.missing == {}


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize("kind", Kind)
def test_a_kind_that_the_driver_does_not_have_is_missing(kind: Kind) -> None:
    connection, events = made()
    refused = libvirt_error(libvirt.VIR_ERR_NO_SUPPORT, message="not here")
    emitter = Emitter({kind.value: refused})
    connection.open(emitter)
    assert events.missing == {kind: "not here"}
    assert not events.complete
    assert len(emitter.callbacks) == len(Kind) - 1


def test_a_loop_that_stands_still_makes_them_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    connection, events = made()
    connection.open(Emitter())
    monkeypatch.setattr(eventloop, "alive", lambda: True)
    assert events.complete
    monkeypatch.setattr(eventloop, "alive", lambda: False)
    assert not events.complete


@pytest.mark.usefixtures("alive")
def test_the_old_connection_may_be_let_go_after_the_new_one_is_open() -> None:
    connection, events = made()
    first = connection.open(Emitter())
    second = connection.open(Emitter())
    first()
    assert events.complete
    second()
    assert not events.complete


@pytest.mark.usefixtures("alive")
def test_a_dying_connection_does_not_hide_the_sound_one() -> None:
    connection, events = made()
    sound = connection.open(Emitter())
    lost = libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC)
    with pytest.raises(libvirt.libvirtError):
        connection.open(Emitter({kind.value: lost for kind in Kind}))
    assert events.complete
    dying = connection.open(Emitter({kind.value: libvirt_error(libvirt.VIR_ERR_NO_SUPPORT) for kind in Kind}))
    assert events.complete
    dying()
    assert events.complete
    sound()
    assert not events.complete


def test_all_are_deregistered_even_if_the_connection_is_dead() -> None:
    connection, _events = made()
    for deaf in (False, True):
        emitter = Emitter(deaf=deaf)
        undo = connection.open(emitter)
        undo()
        assert len(emitter.deregistered) == len(Kind)


def test_what_a_listener_is_told() -> None:
    connection, events = made()
    emitter = Emitter()
    connection.open(emitter)
    heard = Heard()
    events.listen(heard)
    before = time.time()
    emitter.emit(Kind.LIFECYCLE, 2, 0)
    emitter.emit(Kind.REBOOT, uuid="other")
    emitter.emit(Kind.DEVICE_REMOVED, "net1")
    emitter.emit(Kind.METADATA_CHANGE, 2, "urn:x")
    told = heard.wait(4)
    assert [event.run for event in told] == [5, None, 5, 5]
    assert [(event.kind, event.uuid, event.details) for event in told] == [
        (Kind.LIFECYCLE, UUID, (2, 0)),
        (Kind.REBOOT, "other", ()),
        (Kind.DEVICE_REMOVED, UUID, ("net1",)),
        (Kind.METADATA_CHANGE, UUID, (2, "urn:x")),
    ]
    assert all(before <= event.seen <= time.time() for event in told)


def test_the_hint_comes_first_and_in_libvirts_thread() -> None:
    connection, events = made()
    emitter = Emitter()
    order: list[tuple[str, int, object]] = []
    heard = Heard()
    events.before_listeners(lambda uuid: order.append(("hint", threading.get_ident(), uuid)))
    events.listen(lambda event: order.append(("listener", threading.get_ident(), event.uuid)))
    events.listen(heard)
    connection.open(emitter)
    assert order == [("hint", threading.get_ident(), None)]
    order.clear()
    emitter.emit(Kind.REBOOT)
    assert order[0] == ("hint", threading.get_ident(), UUID)  # before emit returned
    heard.wait(1)
    assert [(what, uuid) for what, _, uuid in order] == [("hint", UUID), ("listener", UUID)]
    assert order[1][1] != threading.get_ident()


@pytest.mark.usefixtures("alive")
def test_all_is_forgotten_before_it_is_vouched_for_again() -> None:
    connection, events = made()
    vouched: list[tuple[object, bool]] = []
    events.before_listeners(lambda uuid: vouched.append((uuid, events.complete)))
    connection.open(Emitter())()
    connection.open(Emitter())
    assert vouched == [(None, False), (None, False)]


def test_a_slow_listener_holds_up_neither_libvirt_nor_the_order() -> None:
    connection, events = made()
    emitter = Emitter()
    connection.open(emitter)
    gate = threading.Event()
    heard = Heard()

    def slow(_event: Event) -> None:
        gate.wait(10)

    events.listen(slow)
    events.listen(heard)
    for number in range(50):
        emitter.emit(Kind.LIFECYCLE, number, 0)
    assert heard.events == []
    gate.set()
    assert [event.details[0] for event in heard.wait(50)] == list(range(50))


def test_a_listener_that_raises_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    connection, events = made()
    emitter = Emitter()
    connection.open(emitter)
    heard = Heard()

    def broken(_event: Event) -> None:
        raise RuntimeError("a defect")

    events.listen(broken)
    events.listen(heard)
    with caplog.at_level(logging.ERROR):
        emitter.emit(Kind.REBOOT)
        emitter.emit(Kind.LIFECYCLE, 0, 0)
        heard.wait(2)
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_nothing_is_kept_alive_by_the_callbacks() -> None:
    connection, events = made()
    emitter = Emitter()
    connection.open(emitter)
    before = {thread for thread in threading.enumerate() if thread.name == "vpcshim-events"}
    gone = weakref.ref(events)
    del events
    gc.collect()
    assert gone() is None
    emitter.emit(Kind.REBOOT)  # too late, and harmless
    assert connection.open(Emitter())() is None
    deadline = time.monotonic() + 5
    while all(thread.is_alive() for thread in before):
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What waits for the event loop to turn; the test turns it."""
    waiting: list[Callable[[], None]] = []

    def has_turned(call: Callable[[], None]) -> bool:
        waiting.append(call)
        return True

    monkeypatch.setattr(eventloop, "has_turned", has_turned)
    return waiting


def test_what_is_done_in_order_comes_after_what_was_on_its_way(loop: list[Callable[[], None]]) -> None:
    connection, events = made()
    emitter = Emitter()
    connection.open(emitter)
    heard = Heard()
    events.watch(heard)
    mark = Event(Kind.REBOOT, "the mark", (), 0.0)
    caller = threading.Thread(target=events.in_order, args=(lambda: heard(mark),))
    caller.start()
    while not loop:
        time.sleep(0.001)
    emitter.emit(Kind.LIFECYCLE, 1, 0)  # the loop hands it over before it has turned
    loop.pop()()
    caller.join(5)
    emitter.emit(Kind.LIFECYCLE, 2, 0)
    told = [event for event in heard.wait(4) if isinstance(event.kind, Kind)]
    assert [event.details[:1] for event in told] == [(1,), (), (2,)]


@pytest.mark.parametrize("lack", ["connection", "answer", "loop", "turn"])
def test_where_there_is_nothing_to_wait_for_it_is_done_at_once(
    loop: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch, lack: str
) -> None:
    connection, events = made()
    if lack != "connection":
        connection.open(Emitter())
    connection.answers = lack != "answer"
    if lack == "loop":
        monkeypatch.setattr(eventloop, "has_turned", lambda _call: False)
    monkeypatch.setattr(events_module, "_PATIENCE", 0.01)
    done: list[int] = []
    more = threading.Event()
    events.in_order(lambda: done.append(1))
    for late in loop:
        late()
    events.in_order(more.set)
    assert more.wait(5)
    assert done == [1]
    assert len(loop) == (2 if lack == "turn" else 0)


def test_what_fails_in_order_harms_nobody(loop: list[Callable[[], None]], caplog: pytest.LogCaptureFixture) -> None:
    _connection, events = made()

    def broken() -> None:
        raise RuntimeError("a defect")

    done = threading.Event()
    events.in_order(broken)
    events.in_order(done.set)
    assert done.wait(5)
    assert "a defect" in caplog.text
