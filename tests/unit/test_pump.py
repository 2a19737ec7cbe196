"""The message loop: events of several subscriptions, in the order in which they were fired."""

from __future__ import annotations

import threading

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
