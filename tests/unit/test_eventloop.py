"""Whether libvirt's event loop runs, as its own timer shows."""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import libvirt
import pytest

from vpcshim.hypervisor import eventloop, glibloop


class FakeLoop:
    """libvirt's loop with one timer, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[tuple[int, Callable[[int, Any], None]]] = []
        self.updates: list[tuple[int, int]] = []
        self.registered = 0

    def add(self, milliseconds: int, callback: Callable[[int, Any], None], _opaque: Any) -> int:
        self.timers.append((milliseconds, callback))
        return 7

    def update(self, timer: int, milliseconds: int) -> None:
        self.updates.append((timer, milliseconds))

    def register(self) -> None:
        self.registered += 1

    def beat(self) -> None:
        ((_, callback),) = self.timers
        callback(7, None)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> FakeLoop:
    made = FakeLoop()
    monkeypatch.setattr(eventloop, "time", SimpleNamespace(monotonic=lambda: made.now))
    monkeypatch.setattr(eventloop, "_registered", False)
    monkeypatch.setattr(eventloop, "_beats", False)
    monkeypatch.setattr(eventloop, "_last_beat", float("-inf"))
    for name in ("_loops_in", "_lock", "_gate", "_thread", "_timer", "_inherited", "_forking", "_turning"):
        monkeypatch.setattr(eventloop, name, getattr(eventloop, name))
    monkeypatch.setattr(eventloop, "_thread", None)
    monkeypatch.setattr(eventloop, "_inherited", False)
    monkeypatch.setattr(eventloop, "_run", lambda: None)
    monkeypatch.setattr(libvirt, "virEventRegisterDefaultImpl", made.register)
    monkeypatch.setattr(libvirt, "virEventAddTimeout", made.add)
    monkeypatch.setattr(libvirt, "virEventUpdateTimeout", made.update)
    return made


def test_registered_once_and_beating_once(loop: FakeLoop) -> None:
    for _ in range(3):
        eventloop.ensure()
    assert loop.registered == 1
    assert [milliseconds for milliseconds, _ in loop.timers] == [0]


def test_alive_while_it_beats(loop: FakeLoop) -> None:
    assert not eventloop.alive()
    eventloop.ensure()
    assert not eventloop.alive()  # the timer has yet to fire
    loop.beat()
    assert eventloop.alive()
    assert loop.updates == [(7, 1000)]
    loop.now += 4.9
    assert eventloop.alive()
    loop.now += 0.2
    assert not eventloop.alive()
    loop.beat()
    assert eventloop.alive()


def test_what_waits_for_turns_of_the_loop(loop: FakeLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[int] = []
    done: list[int] = []
    monkeypatch.setattr(libvirt, "virEventRemoveTimeout", removed.append)
    eventloop.ensure()
    assert not eventloop.has_turned(lambda: done.append(0))  # none turns yet
    threading.Thread(target=loop.beat).start()
    while not eventloop.alive():
        time.sleep(0.001)
    assert eventloop.has_turned(lambda: done.append(1))
    (milliseconds, turned) = loop.timers.pop()
    assert milliseconds == 0
    for _ in range(3):
        assert done == []
        turned(8, None)
    assert (done, removed) == ([1], [8])
    loop.beat()
    assert not eventloop.has_turned(lambda: done.append(2)), "the loop waits for this very thread"


def test_a_loop_of_the_programs_own_is_not_replaced_but_watched(loop: FakeLoop) -> None:
    eventloop.use_existing()
    eventloop.ensure()
    assert loop.registered == 0
    assert not eventloop.alive()  # registered but not run
    loop.beat()
    assert eventloop.alive()


def test_a_forked_childs_loop_is_begun_anew_without_what_was_inherited(
    loop: FakeLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[tuple[str, int]] = []
    monkeypatch.setattr(libvirt, "virEventAddHandle", lambda *_: 3)
    monkeypatch.setattr(libvirt, "virEventRemoveHandle", lambda number: removed.append(("handle", number)))
    monkeypatch.setattr(libvirt, "virEventRemoveTimeout", lambda number: removed.append(("timer", number)))
    monkeypatch.setattr(glibloop, "own_wakeup", lambda: removed.append(("wake-up", 0)))
    eventloop.ensure()
    loop.beat()
    loop.timers.clear()
    assert removed == []
    eventloop._in_child()
    assert not eventloop.alive()
    assert removed == []  # left to the first who needs a loop
    eventloop.ensure()
    assert removed == [*(("handle", n) for n in (1, 2, 3)), *(("timer", n) for n in range(1, 8)), ("wake-up", 0)]
    assert not eventloop.alive()
    loop.timers.pop(0)  # what told the last number
    loop.beat()
    assert eventloop.alive()


def test_a_programs_own_loop_is_left_alone_in_a_child(loop: FakeLoop) -> None:
    eventloop.use_existing()
    eventloop.ensure()
    loop.beat()
    eventloop._in_child()
    assert not eventloop.alive()
    eventloop.ensure()
    assert loop.registered == 0


def test_a_beat_that_never_was_is_not_a_recent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the clock says: it may begin at zero with the system."""
    assert eventloop.__file__ is not None
    spec = importlib.util.spec_from_file_location("fresh_eventloop", eventloop.__file__)
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    monkeypatch.setattr(fresh, "time", SimpleNamespace(monotonic=lambda: 1.0))
    assert not fresh.alive()
