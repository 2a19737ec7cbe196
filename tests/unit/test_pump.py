"""The message loop: events of several subscriptions, in the order in which they were fired."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from vpcshim.com.events import Fired, Subscription, pump_waiting


def subscription(label: str, seen: list[tuple[str, str]]) -> Subscription:
    return Subscription(lambda fired: seen.append((label, fired.name)), label, pump=True)


def test_events_of_several_subscriptions_come_in_the_order_of_all() -> None:
    seen: list[tuple[str, str]] = []
    subscriptions = [subscription(str(number), seen) for number in range(5)]
    wanted = []
    for turn in range(20):
        one = subscriptions[(turn * 7) % 5 if turn % 3 else 4]
        one.put(Fired(f"event{turn}"))
        wanted.append((one.label, f"event{turn}"))
    assert pump_waiting() == 20
    assert seen == wanted
    assert pump_waiting() == 0


def test_a_handler_that_pumps_does_not_overtake() -> None:
    seen: list[str] = []

    def pumping(fired: Fired) -> None:
        seen.append(fired.name)
        if fired.name == "first":
            pump_waiting()
            seen.append("first ends")

    nesting = Subscription(pumping, "nesting", pump=True)
    other = Subscription(lambda fired: seen.append(fired.name), "other", pump=True)
    nesting.put(Fired("first"))
    other.put(Fired("second"))
    nesting.put(Fired("third"))
    assert pump_waiting() == 1
    assert seen == ["first", "second", "third", "first ends"]
    del other


def test_what_is_closed_in_between_is_told_nothing_more() -> None:
    seen: list[tuple[str, str]] = []
    late = subscription("late", seen)
    early = Subscription(lambda _: late.close(), "early", pump=True)
    early.put(Fired("closes it"))
    late.put(Fired("too late"))
    assert pump_waiting() == 1
    assert seen == []


def test_only_the_thread_that_subscribed_is_served_and_one_subscription_can_be_waited_for() -> None:
    seen: list[tuple[str, str]] = []
    mine = subscription("mine", seen)
    counts: list[int] = []
    threading.Timer(0.05, mine.put, (Fired("late"),)).start()
    assert mine.pump(timeout=10) == 1
    mine.put(Fired("again"))
    other = threading.Thread(target=lambda: counts.append(pump_waiting()))
    other.start()
    other.join()
    assert (counts, mine.pump(), seen) == ([0], 1, [("mine", "late"), ("mine", "again")])


def test_a_handler_that_ends_the_program_ends_neither_its_thread_nor_the_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[str] = []
    both = threading.Event()

    def leaves(fired: Fired) -> None:
        seen.append(fired.name)
        if len(seen) == 2:
            both.set()
        sys.exit(3)

    one = Subscription(leaves, "leaves")
    one.put(Fired("first"))
    one.put(Fired("second"))
    assert both.wait(10)
    one.close()
    assert seen == ["first", "second"]
    assert "leaves cannot end the program" in caplog.text
    # In the thread that pumps it does what it says.
    pumped = Subscription(leaves, "leaves", pump=True)
    pumped.put(Fired("third"))
    with pytest.raises(SystemExit):
        pump_waiting()
    pumped.close()


def test_one_that_closes_itself_is_called_no_more_and_its_thread_ends() -> None:
    seen: list[str] = []

    def once(fired: Fired) -> None:
        seen.append(fired.name)
        one.close()

    one = Subscription(once, "closes itself")
    for name in ("first", "second"):
        one.put(Fired(name))
    assert one._thread is not None
    one._thread.join(10)
    assert (one._thread.is_alive(), seen) == (False, ["first"])


def test_one_that_blocks_is_waited_for_by_nobody(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()

    def waits(_fired: Fired) -> None:
        gate.wait(20)

    blocks = Subscription(waits, "blocks")
    began = time.monotonic()
    for number in range(5000):
        blocks.put(Fired(f"event{number}"))
    blocks.close()
    assert time.monotonic() - began < 10
    assert caplog.text.count("blocks is behind") == 3  # at 1000, 2000 and 4000
    gate.set()
