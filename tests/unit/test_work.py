"""Operations in the background: turns, cancelling, percentages, forks. No hypervisor is needed for any of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.constants import VMVMState
from vpcshim.model import work as work_module
from vpcshim.model.work import Work, Works

PATIENCE = 10.0


def nothing(_work: Work) -> None:
    """Done at once."""


def failure_of(error: Exception) -> Failure:
    return Failure(HRESULT.DISP_E_EXCEPTION, str(error))


def begin(works: Works, work: Work, ended: Callable[[Work], None] = nothing) -> Work:
    return works.begin(work, failure_of, ended)


class Gate:
    """An operation that goes on until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def __call__(self, _work: Work) -> None:
        self.begun.set()
        assert self.open.wait(PATIENCE)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


# -- how it ends ----------------------------------------------------------------------------------------------


def test_it_ends_well() -> None:
    told: list[tuple[str, bool]] = []
    work = begin(Works(), Work("x", nothing), lambda work: told.append((work.description, work.ended)))
    assert work.wait(PATIENCE)
    assert (work.failure, work.percent(), work.cancelable) == (None, 100, False)
    assert told == [("x", False)], "whoever keeps something of the machine hears of it before anybody who waits"


@pytest.mark.parametrize("error", [ValueError("no"), Failure(HRESULT.E_FAIL, "no")])
def test_it_ends_with_an_error(error: Exception) -> None:
    def fail(_work: Work) -> None:
        raise error

    work = begin(Works(), Work("x", fail, percent=lambda: 50))
    assert work.wait(PATIENCE)
    assert work.failure is not None
    assert work.failure.description == "no"
    assert work.percent() == 0, "nobody asked before: nothing is known"


def test_it_ends_however_it_is_left() -> None:
    def leave(_work: Work) -> None:
        raise SystemExit

    work = begin(Works(), Work("x", leave))
    assert work.wait(PATIENCE)
    assert work.failure is not None
    assert work.failure.code is HRESULT.E_UNEXPECTED


def test_it_ends_although_nobody_knows_what_its_error_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_work: Work) -> None:
        raise ValueError("no")

    def stumbles(_error: Exception) -> Failure:
        raise RuntimeError

    monkeypatch.setattr(threading, "excepthook", lambda _args: None)
    work = Works().begin(Work("x", fail), stumbles, nothing)
    assert work.wait(PATIENCE)
    assert work.failure is not None
    assert (work.failure.code, work.failure.description) == (HRESULT.E_UNEXPECTED, "ValueError: no")


def test_it_ends_although_what_is_told_of_it_fails(capsys: pytest.CaptureFixture[str]) -> None:
    def raises(_work: Work) -> None:
        raise RuntimeError

    threading.excepthook, hook = lambda _args: None, threading.excepthook
    try:
        assert begin(Works(), Work("x", nothing), raises).wait(PATIENCE)
    finally:
        threading.excepthook = hook


def test_without_a_thread_it_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    works = Works()
    told: list[bool] = []
    works.watch(lambda _work, over: told.append(over))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        begin(works, Work("x", nothing, uuid="a"))
    assert works.of("a") is None
    assert told == []


def test_a_refusal_is_heard_of_although_the_beginning_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_module, "_TO_BEGIN", PATIENCE)

    def refuse(_work: Work) -> None:
        raise ValueError("no")

    works = Works()
    works.watch(lambda _work, over: None if over else time.sleep(3.5))
    refusal = begin(works, Work("x", refuse)).refusal(3)
    assert refusal is not None
    assert refusal.description == "no"


def test_what_is_refused_later_is_no_refusal_of_the_call(gate: Gate) -> None:
    work = begin(Works(), Work("x", gate))
    assert work.refusal(0.01) is None
    gate.open.set()


# -- percentages ----------------------------------------------------------------------------------------------


def test_the_percentage_never_goes_back_and_is_whole_only_at_the_end(gate: Gate) -> None:
    answers = iter([None, 10, 5, None, 100, 250, 3])
    work = begin(Works(), Work("x", gate, percent=lambda: next(answers)))
    assert [work.percent() for _ in range(7)] == [0, 10, 10, 10, 99, 99, 99]
    gate.open.set()
    assert work.wait(PATIENCE)
    assert work.percent() == 100


def test_without_numbers_it_is_nothing_and_then_all(gate: Gate) -> None:
    work = begin(Works(), Work("x", gate))
    assert work.percent() == 0
    gate.open.set()
    assert work.wait(PATIENCE)
    assert work.percent() == 100


# -- cancelling -----------------------------------------------------------------------------------------------


def test_what_cannot_be_cancelled_says_so(gate: Gate) -> None:
    work = begin(Works(), Work("Starting x", gate))
    assert not work.cancelable
    with pytest.raises(Failure, match="Starting x cannot be cancelled: the hypervisor cannot stop it") as caught:
        work.cancel()
    assert caught.value.code is HRESULT.E_FAIL
    assert not work.cancelled


def test_what_has_ended_cannot_be_cancelled() -> None:
    work = begin(Works(), Work("x", nothing, cancel=lambda: True))
    assert work.wait(PATIENCE)
    with pytest.raises(Failure, match="it has ended"):
        work.cancel()


def test_a_cancel_waits_for_what_there_is_to_stop(gate: Gate) -> None:
    answers = iter([False, False, True])
    work = begin(Works(), Work("x", gate, cancel=lambda: next(answers)))
    work.cancel()
    assert next(answers, "none left") == "none left"
    assert work.cancelled


def test_a_cancel_that_comes_to_nothing_is_no_cancel(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_module, "_TO_CANCEL", 0.1)
    work = begin(Works(), Work("x", gate, cancel=lambda: False))
    with pytest.raises(Failure, match="it waits for something else"):
        work.cancel()
    assert not work.cancelled


def test_a_cancel_that_fails_is_no_cancel(gate: Gate) -> None:
    def refuse() -> bool:
        raise OSError

    work = begin(Works(), Work("x", gate, cancel=refuse))
    with pytest.raises(OSError):
        work.cancel()
    assert not work.cancelled


# -- turns ----------------------------------------------------------------------------------------------------


def test_so_many_at_a_time_and_what_ends_others_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[int] = []
    most = 0
    lock = threading.Lock()

    @contextmanager
    def during() -> Iterator[None]:
        nonlocal most
        with lock:
            inside.append(1)
            most = max(most, len(inside))
        yield
        with lock:
            inside.pop()

    works, gates = Works(during), [Gate() for _ in range(12)]
    begun = [begin(works, Work(str(i), gate)) for i, gate in enumerate(gates)]
    deadline = time.monotonic() + PATIENCE
    while sum(gate.begun.is_set() for gate in gates) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    waiting = [work for work, gate in zip(begun, gates, strict=True) if not gate.begun.is_set()]
    assert len(waiting) == 4
    assert begin(works, Work("at once", nothing, at_once=True)).wait(PATIENCE)
    for gate in gates:
        gate.open.set()
    assert all(work.wait(PATIENCE) for work in begun)
    assert most == 9
    assert inside == []


def test_what_waits_for_its_turn_is_cancelled_without_the_hypervisor() -> None:
    works, gates = Works(), [Gate() for _ in range(8)]
    before = [begin(works, Work(str(i), gate)) for i, gate in enumerate(gates)]
    for gate in gates:
        assert gate.begun.wait(PATIENCE)
    late = Gate()
    work = begin(works, Work("Saving x", late, cancel=lambda: False))
    work.cancel()
    assert work.ended
    assert not late.begun.is_set()
    assert work.failure is not None
    assert work.failure.code is HRESULT.E_ABORT
    assert "cancelled before it began" in work.failure.description
    for gate in gates:
        gate.open.set()
    assert all(one.wait(PATIENCE) for one in before)


# -- of one machine -------------------------------------------------------------------------------------------


def test_the_latest_of_a_machine(gate: Gate) -> None:
    works = Works()
    save = begin(works, Work("save", gate, uuid="a", state=VMVMState.vmVMState_Saving))
    off = begin(works, Work("off", gate, uuid="a", state=VMVMState.vmVMState_TurningOff))
    assert works.of("a") is off
    assert works.of("b") is None
    gate.open.set()
    assert save.wait(PATIENCE)
    assert off.wait(PATIENCE)
    assert works.of("a") is None


def test_settling_waits_for_what_came_before_and_not_for_ever(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    works = Works()
    save = begin(works, Work("save", gate, uuid="a"))
    off = Work("off", nothing, uuid="a")
    threading.Timer(0.1, gate.open.set).start()
    works.settle("a", but=off)
    assert save.ended
    monkeypatch.setattr(work_module, "_TO_NOTICE", 0.05)
    stuck = Gate()
    later = begin(works, Work("stuck", stuck, uuid="a"))
    works.settle("a", but=off)  # what began later is nobody's to wait for
    works.settle("a", but=Work("off", nothing, uuid="a"))
    assert not later.ended
    stuck.open.set()


def test_the_last_few_that_ended_are_kept() -> None:
    works = Works()
    for number in range(50):
        assert begin(works, Work(str(number), nothing)).wait(PATIENCE)
    kept = [work.description for work in works.listed()]
    assert kept == [str(number) for number in range(29, 50)]
    works.forget(works.listed()[0])
    works.forget(Work("unknown", nothing))
    assert len(works.listed()) == 20


# -- the end of the process, and its forks ----------------------------------------------------------------------


@pytest.mark.parametrize("waited_for", [True, False])
def test_whether_the_process_waits(gate: Gate, waited_for: bool) -> None:
    works = Works()
    works.waited_for = waited_for
    work = begin(works, Work("x", gate))
    assert gate.begun.wait(PATIENCE)
    (thread,) = [one for one in threading.enumerate() if one.name == f"vpcshim-task-{work.id}"]
    assert thread.daemon is not waited_for


def test_in_a_child_nobody_waits_for_what_goes_on_in_the_parent(gate: Gate) -> None:
    works = Works()
    work = begin(works, Work("Saving x", gate, uuid="a"))
    assert gate.begun.wait(PATIENCE)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        done = work.wait(5) and works.of("a") is None and work.failure is not None
        again = begin(works, Work("y", nothing)).wait(5)
        os.write(write, f"{done} {again} {work.failure}".encode())
        os._exit(0)
    os.waitpid(pid, 0)
    told = os.read(read, 1000).decode()
    assert told.startswith("True True E_UNEXPECTED")
    assert "Saving x goes on in the process that this one was forked from" in told
    assert not work.ended
