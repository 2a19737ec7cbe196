"""What becomes of open connections when the process ends, and in its forks.

At exit they are closed in a thread that may be left behind with a frozen daemon. It is started beforehand: from
Python 3.12 on, none can be started at exit. A forked child lets go of the parent's connections without a word.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import weakref
from typing import Protocol

from vpcshim.hypervisor.lanes import Lane, keep_for_good

# How long a process that ends waits for the daemons' farewells (seconds).
_PATIENCE = 1.0


class Holder(Protocol):
    """Who holds open connections."""

    def hand_over(self, patience: float) -> tuple[list[Lane], list[Lane]]:
        """Give up its connections, those that nobody uses and those in use; wait for it that long at most (s)."""

    def forget(self) -> None:
        """In a forked child: abandon its connections."""


class _AtExit:
    def __init__(self) -> None:
        self.holders: weakref.WeakSet[Holder] = weakref.WeakSet()
        self.over = False
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[list[Lane]] | None = None
        self._done = threading.Event()

    def ready(self) -> None:
        with self._lock:
            if self._work is None:
                self._work = queue.SimpleQueue()
                self._done = threading.Event()
                threading.Thread(
                    target=_release_all, args=(self._work, self._done), name="vpcshim exit", daemon=True
                ).start()

    def forked(self) -> None:
        self._lock = threading.Lock()
        self._work = None  # its thread is the parent's
        for holder in tuple(self.holders):
            holder.forget()

    def run(self) -> None:
        idle: list[Lane] = []
        for holder in tuple(self.holders):
            free, used = holder.hand_over(_PATIENCE / 4)
            idle += free
            keep_for_good(used)  # whoever has it may hold it up
        self.over = True
        if idle and self._work is not None:
            self._work.put(idle)
            del idle, free  # from here on they are the thread's alone
            self._done.wait(_PATIENCE)
        else:
            keep_for_good(idle)


def _release_all(work: queue.SimpleQueue[list[Lane]], done: threading.Event) -> None:
    lanes = work.get()
    while lanes:
        lane = lanes.pop()
        lane.release()
        del lane
    done.set()


_at_exit = _AtExit()
atexit.register(_at_exit.run)
os.register_at_fork(after_in_child=_at_exit.forked)


def concerns(holder: Holder) -> None:
    """See to the connections of that holder, for as long as it lives."""
    _at_exit.holders.add(holder)


def ready() -> None:
    """A connection was opened: the process may end from now on."""
    _at_exit.ready()


def let_go(lane: Lane) -> None:
    """Release a connection; once the process has said its farewells, leave it as it is."""
    if _at_exit.over:
        keep_for_good(lane)
    else:
        lane.release()
