"""Operations that go on in the background: what an IVMTask is the face of.

A `Work` belongs to a server of this process, whichever application object began it, so that both products' `Tasks`
list it. Its thread is no daemon: a script that ends right after `vm.Save()` waits for what it began. It waits for
no longer than libvirt's keepalive lets a daemon be silent.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.constants import VMVMState

logger = logging.getLogger(__name__)

_ids = itertools.count(1)
# How many operations a server is given at a time: libvirtd has 20 threads for all of its callers.
_AT_A_TIME = 8
# How long a cancelled operation may take to come to where the hypervisor can stop it, and how often it is tried.
_TO_CANCEL = 10.0
_AGAIN = 0.02
_TURN = 0.1
# How long an operation may take to begin, for its caller to hear of a refusal (seconds): it waits for its turn, and
# for its place among the events, which over a slow link takes a while.
_TO_BEGIN = 1.0
# How long the operations on a machine that was turned off may take to notice (seconds).
_TO_NOTICE = 5.0


class Work:
    """One operation in the background.

    Attributes:
        id: Its number, unique within the process.
        description: What it does, in words.
        uuid: The machine that it is about; None for none.
        state: What VMVMState that machine shows meanwhile; None for what libvirt says.
        failure: What made it fail; None while it goes on, and when it ended well.
        cancelled: Whether somebody cancelled it.
    """

    def __init__(
        self,
        description: str,
        run: Callable[[Work], None],
        *,
        uuid: str | None = None,
        state: VMVMState | None = None,
        cancel: Callable[[], bool] | None = None,
        percent: Callable[[], int | None] | None = None,
        at_once: bool = False,
    ) -> None:
        """Describe it; `Works.begin` starts it.

        Args:
            description: What it does.
            run: Does it, in a thread of its own; what it raises is how it failed.
            uuid: The machine.
            state: The machine's VMVMState meanwhile.
            cancel: Asks the hypervisor to stop it, and says whether there was something to stop: it is asked again
                while there is not. None where it cannot be stopped.
            percent: How far it is, 0..100, or None where the hypervisor does not know.
            at_once: Begin it however many others go on, for what is short and is to end others.
        """
        self.id = next(_ids)
        self.description = description
        self.uuid = uuid
        self.state = state
        self.failure: Failure | None = None
        self.cancelled = False
        self.at_once = at_once
        self._run = run
        self._cancel = cancel
        self._percent = percent
        self._seen = 0
        self._lock = threading.Lock()
        self._begun = threading.Event()
        self._ended = threading.Event()

    @property
    def ended(self) -> bool:
        """Whether it is over, well or not."""
        return self._ended.is_set()

    @property
    def cancelable(self) -> bool:
        """Whether `cancel` can stop it now."""
        return self._cancel is not None and not self.ended

    def wait(self, seconds: float | None) -> bool:
        """Wait until it is over, for at most so long (None: without limit); whether it is."""
        return self._ended.wait(seconds)

    def refusal(self, moment: float) -> Failure | None:
        """What made it fail within so many seconds of its beginning, which is waited for; None when nothing did."""
        self._begun.wait(_TO_BEGIN)
        return self.failure if self.wait(moment) else None

    def percent(self) -> int:
        """How far it is, 0..100; it never goes back, and is 100 only when it ended well."""
        now = None if self.ended or self._percent is None else self._percent()
        with self._lock:
            if self.ended:
                return 100 if self.failure is None else self._seen
            if now is not None:
                self._seen = max(self._seen, min(now, 99))
            return self._seen

    def cancel(self) -> None:
        """Ask the hypervisor to stop it.

        Raises:
            Failure: E_FAIL, when it cannot be stopped.
        """
        if self._cancel is None or self.ended:
            why = "it has ended" if self.ended else "the hypervisor cannot stop it"
            raise Failure(HRESULT.E_FAIL, f"{self.description} cannot be cancelled: {why}")
        self.cancelled = True  # one that waits for its turn does not begin
        deadline = time.monotonic() + _TO_CANCEL
        try:
            while not (self._cancel() or self.wait(_AGAIN)):
                if time.monotonic() > deadline:
                    text = f"{self.description} could not be cancelled: it waits for something else"
                    raise Failure(HRESULT.E_FAIL, text)
        except BaseException:
            self.cancelled = False
            raise

    def lost(self, why: str) -> None:
        """End it as failed: there is no thread for it."""
        self.failure = Failure(HRESULT.E_UNEXPECTED, why)
        self._ended.set()

    def forked(self) -> None:
        """In a forked child: what goes on, goes on in the parent."""
        over = self.ended
        # Whoever held them at the fork holds them for good.
        self._lock = threading.Lock()
        self._begun, self._ended = threading.Event(), threading.Event()
        if over:
            self._ended.set()
        else:
            self.lost(f"{self.description} goes on in the process that this one was forked from")

    def _go(
        self,
        failure_of: Callable[[Exception], Failure],
        ended: Callable[[Work], None],
        turn: Callable[[Work], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        try:
            try:
                with turn(self):
                    self._begun.set()
                    self.heed_cancel()
                    self._run(self)
            except Failure as failure:
                self.failure = failure
            except BaseException as error:  # noqa: BLE001 - how it failed is what its task answers
                # Whatever it is, SystemExit as well, it did not end well: and whoever waits for it is to hear that.
                self.failure = Failure(HRESULT.E_UNEXPECTED, f"{type(error).__name__}: {error}")
                if isinstance(error, Exception):
                    self.failure = failure_of(error)
            if self.failure is not None:
                logger.info("%s: %s", self.description, self.failure)
            ended(self)
        finally:
            self._begun.set()
            self._ended.set()

    def heed_cancel(self) -> None:
        """End an operation that was cancelled before it began.

        Raises:
            Failure: E_ABORT, when it was.
        """
        if self.cancelled:
            raise Failure(HRESULT.E_ABORT, f"{self.description} was cancelled before it began")


class Works:
    """The operations of one server: those that go on, and the last few that ended.

    Attributes:
        waited_for: Whether a process that ends waits for those that it begins. Where nobody does, a daemon finishes
            what it was told; what this process was to do afterwards is left undone.
    """

    _KEPT = 20

    def __init__(self, during: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        """None at first; `during` is entered around each."""
        self.waited_for = True
        self._during = during
        self._turns = threading.Semaphore(_AT_A_TIME)
        self._lock = threading.Lock()
        self._all: list[Work] = []
        self._watchers: list[Callable[[Work, bool], None]] = []
        _everywhere.add(self)

    def watch(self, watcher: Callable[[Work, bool], None]) -> Callable[[], None]:
        """Call `watcher` with every operation before it does anything, and with True when it has done all.

        It is called in the operation's thread, and what it takes to put things in order holds up nobody else.

        Returns:
            What ends it.
        """
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def _tell(self, work: Work, over: bool) -> None:
        for watcher in tuple(self._watchers):
            watcher(work, over)

    def begin(self, work: Work, failure_of: Callable[[Exception], Failure], ended: Callable[[Work], None]) -> Work:
        """Start it.

        Args:
            work: What to start.
            failure_of: How an exception of its is a COM failure.
            ended: Called in its thread when it is over, before anybody is told.
        """
        with self._lock:
            over = [known for known in self._all if known.ended]
            for known in over[: max(0, len(over) - self._KEPT)]:
                self._all.remove(known)
            self._all.append(work)

        def finished(work: Work) -> None:
            try:
                ended(work)
            finally:
                self._tell(work, True)

        thread = threading.Thread(
            target=work._go,
            args=(failure_of, finished, self._turn),
            name=f"vpcshim-task-{work.id}",
            daemon=not self.waited_for,
        )
        try:
            thread.start()
        except BaseException as error:  # the process may have no more threads: then it did not begin
            work.lost(f"{work.description} could not begin: {error}")
            self.forget(work)
            raise
        return work

    @contextmanager
    def _turn(self, work: Work) -> Iterator[None]:
        """Wait until it is the operation's turn, and let it run."""
        if work.at_once:
            with self._during():
                self._tell(work, False)
                yield
            return
        while not self._turns.acquire(timeout=_TURN):
            work.heed_cancel()
        try:
            with self._during():
                work.heed_cancel()
                self._tell(work, False)
                yield
        finally:
            self._turns.release()

    def forget(self, work: Work) -> None:
        """Leave out an operation whose failure its caller was told already."""
        with self._lock:
            if work in self._all:
                self._all.remove(work)

    def listed(self) -> list[Work]:
        """All of them, the oldest first."""
        with self._lock:
            return list(self._all)

    def of(self, uuid: str) -> Work | None:
        """What goes on with that machine; the latest where there are several, None for nothing."""
        with self._lock:
            return next((work for work in reversed(self._all) if work.uuid == uuid and not work.ended), None)

    def settle(self, uuid: str, but: Work) -> None:
        """Wait until the other operations on a machine that was just turned off have noticed, for a few seconds.

        Whoever is told that the machine is off is then not shown what was going on before.
        """
        with self._lock:
            others = [work for work in self._all if work.uuid == uuid and work.id < but.id]
        deadline = time.monotonic() + _TO_NOTICE
        for work in others:
            work.wait(max(0.0, deadline - time.monotonic()))

    def _forked(self) -> None:
        """In a forked child: none goes on there."""
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(_AT_A_TIME)
        for work in self._all:
            work.forked()


_everywhere: weakref.WeakSet[Works] = weakref.WeakSet()


def _in_child() -> None:
    for works in tuple(_everywhere):
        works._forked()


os.register_at_fork(after_in_child=_in_child)
