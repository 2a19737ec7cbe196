"""Operations that go on in the background: what an IVMTask is the face of.

A `Work` belongs to a server of this process, whichever application object began it, so that both products' `Tasks`
list it. Its thread is no daemon: a script that ends right after `vm.Save()` waits for what it began.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.constants import VMVMState

logger = logging.getLogger(__name__)

_ids = itertools.count(1)


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
        cancel: Callable[[], None] | None = None,
        percent: Callable[[], int | None] | None = None,
    ) -> None:
        """Describe it; `Works.begin` starts it.

        Args:
            description: What it does.
            run: Does it, in a thread of its own; what it raises is how it failed.
            uuid: The machine.
            state: The machine's VMVMState meanwhile.
            cancel: Asks the hypervisor to stop it; None where that cannot be done.
            percent: How far it is, 0..100, or None where the hypervisor does not know.
        """
        self.id = next(_ids)
        self.description = description
        self.uuid = uuid
        self.state = state
        self.failure: Failure | None = None
        self.cancelled = False
        self._run = run
        self._cancel = cancel
        self._percent = percent
        self._seen = 0
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

    def percent(self) -> int:
        """How far it is, 0..100; it never goes back, and is 100 only when it ended well."""
        if self.ended:
            return 100 if self.failure is None else self._seen
        now = None if self._percent is None else self._percent()
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
        self._cancel()
        self.cancelled = True

    def _go(self, failure_of: Callable[[Exception], Failure], ended: Callable[[Work], None]) -> None:
        try:
            self._run(self)
        except Failure as failure:
            self.failure = failure
        except Exception as error:  # noqa: BLE001 - how it failed is what its task answers
            self.failure = failure_of(error)
        if self.failure is not None:
            logger.info("%s: %s", self.description, self.failure)
        try:
            ended(self)
        finally:
            self._ended.set()


class Works:
    """The operations of one server: those that go on, and the last few that ended."""

    _KEPT = 20

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Work] = []

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
        threading.Thread(target=work._go, args=(failure_of, ended), name=f"vpcshim-task-{work.id}").start()
        return work

    def forget(self, work: Work) -> None:
        """Leave out an operation whose failure its caller was told already."""
        with self._lock:
            self._all.remove(work)

    def listed(self) -> list[Work]:
        """All of them, the oldest first."""
        with self._lock:
            return list(self._all)

    def of(self, uuid: str) -> Work | None:
        """What goes on with that machine; the latest where there are several, None for nothing."""
        with self._lock:
            return next((work for work in reversed(self._all) if work.uuid == uuid and not work.ended), None)
