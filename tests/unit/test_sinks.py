"""Connected handlers: in order, apart from one another, gone when they are let go. No libvirt here."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.harness.waiting import wait_until
from vpcshim.com import events
from vpcshim.com.declare import EventSink, event, propget
from vpcshim.com.errors import Failure, com_error
from vpcshim.com.events import Connected, Dispatching, Fired, Subscription, connected, pump_waiting
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.com.object import ComObject
from vpcshim.com.variant import VT

pytestmark = pytest.mark.usefixtures("bounded")
VS = Product.VIRTUAL_SERVER


class Sink(EventSink):
    """The events of a lamp."""

    @event(vs=1, params=(VT.I4,))
    def OnSwitch(self, state: int) -> None:
        """It was switched."""

    @event(vs=2, unavailable="nobody can break it")
    def OnBreak(self) -> None:
        """It broke."""


class Lamp(ComObject):
    """An object with events."""

    def __init__(self) -> None:
        super().__init__(VS)
        self._brightness = 3

    @propget(vs=0, vt=VT.I4)
    def Brightness(self) -> int:
        """How bright it is."""
        return self._brightness

    @Brightness.write
    def _put_Brightness(self, value: int) -> None:
        self._brightness = value


class Point:
    """Where a test fires the lamp's events."""

    sink = Sink
    product = VS

    def __init__(self, error: Exception | None = None) -> None:
        self.subscriptions: list[Subscription] = []
        self.error = error

    def advise(self, subscription: Subscription) -> Callable[[], None]:
        if self.error is not None:
            raise self.error
        self.subscriptions.append(subscription)
        return lambda: self.subscriptions.remove(subscription)

    def fire(self, name: str, *args: Any) -> None:
        for subscription in tuple(self.subscriptions):
            subscription.put(Fired(name, args))


class Heard:
    def __init__(self) -> None:
        self.states: list[int] = []
        self.threads: set[int] = set()

    def OnSwitch(self, state: int) -> None:
        self.states.append(state)
        self.threads.add(threading.get_ident())


def connect(handler: type[Any], point: Point, **options: Any) -> Any:
    return connected(Lamp(), point, handler, Connected, **options)


def test_events_come_in_order_and_in_a_thread_of_the_handlers_own() -> None:
    point = Point()
    one, other = connect(Heard, point), connect(Heard, point)
    for number in range(1000):
        point.fire("OnSwitch", number)
    wait_until(lambda: len(one.states) == len(other.states) == 1000, 5)
    assert one.states == other.states == list(range(1000))
    assert len(one.threads | other.threads) == 2
    assert threading.get_ident() not in one.threads


def test_names_are_found_in_any_case_and_those_without_a_method_are_left_out() -> None:
    class Lower:
        def __init__(self) -> None:
            self.seen: list[int] = []

        def onswitch(self, state: int) -> None:
            self.seen.append(state)

    point = Point()
    handler = connect(Lower, point)
    point.fire("OnSomethingElse")
    point.fire("OnSwitch", 7)
    wait_until(lambda: handler.seen == [7], 5)


def test_a_method_that_the_instance_was_given_is_called() -> None:
    class Late:
        def __init__(self) -> None:
            self.seen: list[int] = []
            self.OnSwitch = self.seen.append

    point = Point()
    handler = connect(Late, point)
    point.fire("OnSwitch", 7)
    wait_until(lambda: handler.seen == [7], 5)


def test_one_that_raises_is_logged_by_the_events_name_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    class Raises(Heard):
        def OnSwitch(self, state: int) -> None:
            super().OnSwitch(state)
            raise RuntimeError("a defect")

    point = Point()
    handler = connect(Raises, point)
    point.fire("OnSwitch", 1)
    point.fire("OnSwitch", 2)
    wait_until(lambda: handler.states == [1, 2], 5)
    wait_until(lambda: len(caplog.records) == 2, 5)
    assert all("OnSwitch" in record.message and "Raises" in record.message for record in caplog.records)
    assert caplog.records[0].exc_info


def test_one_that_blocks_holds_up_nobody_and_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()

    class Blocks(Heard):
        def OnSwitch(self, state: int) -> None:
            gate.wait(10)
            super().OnSwitch(state)

    point = Point()
    blocks, heard = connect(Blocks, point), connect(Heard, point)
    for number in range(2500):
        point.fire("OnSwitch", number)
    wait_until(lambda: len(heard.states) == 2500, 5)
    assert blocks.states == []
    behind = [record.message for record in caplog.records if "Blocks" in record.message]
    assert len(behind) == 2, "at 1,000 and at 2,000"
    gate.set()
    wait_until(lambda: blocks.states == list(range(2500)), 5)


def test_nothing_is_called_after_close_whoever_closes() -> None:
    class Closes(Heard):
        def OnSwitch(self, state: int) -> None:
            super().OnSwitch(state)
            if state == 3:
                self.close()  # type: ignore[attr-defined]

    point = Point()
    handler = connect(Closes, point)
    for number in range(1, 6):
        point.fire("OnSwitch", number)
    wait_until(lambda: not point.subscriptions, 5)
    time.sleep(0.05)
    assert handler.states == [1, 2, 3]
    handler.close()  # again, and harmless
    with connect(Heard, point) as other:
        assert len(point.subscriptions) == 1
    assert not point.subscriptions
    point.fire("OnSwitch", 9)
    assert other.states == []


def test_one_that_nobody_holds_is_disconnected_and_its_thread_ends() -> None:
    point = Point()
    handler = connect(Heard, point)
    thread = point.subscriptions[0]._thread
    assert thread is not None
    gone = weakref.ref(handler)
    states = handler.states
    point.fire("OnSwitch", 1)
    wait_until(lambda: states == [1], 5)
    del handler
    # Its thread may be about to come back from the call.
    wait_until(lambda: gc.collect() is not None and gone() is None, 5)
    assert not point.subscriptions
    thread.join(5)
    assert not thread.is_alive()


def test_one_that_cannot_be_connected_leaves_nothing_behind() -> None:
    refusal = com_error(Failure(HRESULT.DISP_E_EXCEPTION, "no"), "Lamp")
    before = threading.active_count()
    with pytest.raises(type(refusal)):
        connect(Heard, Point(refusal))
    gc.collect()
    wait_until(lambda: threading.active_count() <= before, 5)  # one of an earlier test may have ended since


def test_a_handler_is_a_class() -> None:
    with pytest.raises(TypeError, match="class"):
        connect(Heard(), Point())  # type: ignore[arg-type]


def test_what_is_never_called_is_said(caplog: pytest.LogCaptureFixture) -> None:
    class Hopes:
        def OnBreak(self) -> None:
            pass

        def OnSwicth(self, state: int) -> None:
            pass

    with caplog.at_level(logging.INFO):
        handler = connect(Hopes, Point())
    levels = {record.levelno: record.message for record in caplog.records}
    assert "nobody can break it" in levels[logging.WARNING]
    assert "OnSwicth" in levels[logging.INFO]
    handler.close()


def test_a_handler_without_any_event_is_said(caplog: pytest.LogCaptureFixture) -> None:
    class Hopes:
        def OnSwitched(self, state: int) -> None:
            pass

    handler = connect(Hopes, Point())
    assert "Hopes has no method of an event's name, and is never called: OnBreak, OnSwitch" in caplog.text
    handler.close()


def test_the_marker_is_a_method_or_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    class Told(Heard):
        def oneventslost(self, reason: str) -> None:
            self.states.append(-len(reason))

    point = Point()
    told, heard = connect(Told, point), connect(Heard, point)
    point.fire("OnSwitch", 1)
    point.fire(events.EVENTS_LOST, "why")
    point.fire("OnSwitch", 2)
    wait_until(lambda: told.states == [1, -3, 2] and heard.states == [1, 2], 5)
    assert ["why" in record.message for record in caplog.records] == [True]


def test_a_queue_that_its_owner_drains() -> None:
    point = Point()
    mine = connect(Heard, point, pump=True)
    elsewhere: list[Any] = []
    thread = threading.Thread(target=lambda: elsewhere.append(connect(Heard, point, pump=True)))
    thread.start()
    thread.join()
    assert pump_waiting() == 0
    point.fire("OnSwitch", 1)
    point.fire("OnSwitch", 2)
    assert mine.states == []
    assert pump_waiting() == 2
    assert mine.states == [1, 2]
    assert mine.threads == {threading.get_ident()}
    assert elsewhere[0].states == []
    began = time.monotonic()
    assert pump_waiting(0.1) == 0
    assert 0.05 < time.monotonic() - began < 10
    threading.Timer(0.1, point.fire, ("OnSwitch", 3)).start()
    assert pump_waiting(5) == 1
    with pytest.raises(RuntimeError):
        connect(Heard, point)._subscription_.pump()
    mine.close()
    point.fire("OnSwitch", 4)
    assert pump_waiting() == 0


def test_one_that_is_also_the_object() -> None:
    class Both(Heard):
        def OnSwitch(self, state: int) -> None:
            super().OnSwitch(self.Brightness)  # type: ignore[attr-defined]
            self.note = state

    point = Point()
    both: Any = connected(Lamp(), point, Both, Dispatching)
    both.brightness = 5
    point.fire("OnSwitch", 8)
    wait_until(lambda: both.states == [5], 5)
    assert (both.BRIGHTNESS, both(), both._object_.Brightness) == (5, 5, 5)
    wait_until(lambda: "note" in vars(both), 5)
    with pytest.raises(Exception, match="no member"):
        _ = both.Nothing
    with pytest.raises(AttributeError):
        _ = both._nothing


def test_a_process_with_a_blocked_handler_ends() -> None:
    code = """if True:
        import time
        from tests.unit.test_sinks import Heard, Lamp, Point, connect
        class Blocks:
            def OnSwitch(self, state): time.sleep(60)
        point = Point()
        kept = connect(Blocks, point), connect(Heard, point)
        for number in range(100): point.fire("OnSwitch", number)
        print("over")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "over\n", "")


def test_a_message_loop_goes_on_while_other_threads_connect() -> None:
    over = threading.Event()

    def connects() -> None:
        while not over.is_set():
            kept = [Subscription(lambda _fired: None, "another's", pump=True) for _ in range(100)]
            del kept

    others = [threading.Thread(target=connects, daemon=True) for _ in range(2)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in others:
            thread.start()
        for _ in range(5000):
            assert pump_waiting() == 0
    finally:
        over.set()
        sys.setswitchinterval(interval)
        for thread in others:
            thread.join(5)
