"""Events: how what a server fires reaches the handlers that a script connected.

COM calls a sink from the server's side through a connection point. Here a handler is a plain Python class, as it is
for pywin32's `WithEvents`: its methods bear the events' names, in any case. Each connected handler is a
`Subscription` with a queue and a thread of its own, so one that raises or blocks holds up nobody else; or with
pump=True a queue that the owner drains in its own thread, as a message loop does.

Source: "Events in Automation" (IConnectionPoint, IConnectionPointContainer) of the Windows SDK.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TypeVar

from vpcshim.com.declare import EventSink
from vpcshim.com.member import Product
from vpcshim.com.object import ComObject, find_member

logger = logging.getLogger(__name__)

H = TypeVar("H")

# What a handler is told, beside the interface's events, when events may have been lost: vpcshim's own.
EVENTS_LOST = "OnEventsLost"
# How many events may wait for one handler before its owner is told so (and again at each doubling).
_MANY = 1000


class Fired(NamedTuple):
    """One event: the name of the member of the sink's interface that is called, and its arguments."""

    name: str
    args: tuple[Any, ...] = ()


class ConnectionPoint(Protocol):
    """Where the events of one object are had."""

    @property
    def sink(self) -> type[EventSink]:
        """The interface of its events."""

    @property
    def product(self) -> Product:
        """The product whose interface it is."""

    def advise(self, subscription: Subscription) -> Callable[[], None]:
        """Put every event from now on into the subscription, until what this returns is called.

        What it returns may be called in any thread at any moment, and neither waits nor raises.

        Raises:
            ComError: There are no events to be had.
        """


class Subscription:
    """The queue of one connected handler, and what empties it.

    Args:
        deliver: Is given each event, in order, one at a time; what it raises is logged.
        label: Whose it is, for the log.
        pump: Do not deliver in a thread of its own, but when somebody calls `pump`.
    """

    def __init__(self, deliver: Callable[[Fired], None], label: str, *, pump: bool = False) -> None:
        self.label = label
        self._deliver = deliver
        self._queue: queue.SimpleQueue[tuple[int, Fired] | None] = queue.SimpleQueue()
        self._first: tuple[int, Fired] | None = None
        self._closed = False
        self._unadvise: Callable[[], None] | None = None
        self._warned = _MANY
        self._thread: threading.Thread | None = None
        self._owner = threading.get_ident()
        _living.add(self)
        if not pump:
            self._thread = threading.Thread(target=self._run, name=f"vpcshim-sink-{label}", daemon=True)
            self._thread.start()

    def connect(self, advise: Callable[[Subscription], Callable[[], None]]) -> None:
        """Have the events of an object; raises as its `ConnectionPoint.advise`, and is then closed."""
        try:
            self._unadvise = advise(self)
        except BaseException:
            self.close()
            raise

    @property
    def closed(self) -> bool:
        """Whether nothing is delivered any more."""
        return self._closed

    def put(self, fired: Fired) -> None:
        """Queue an event; never waits."""
        if self._closed:
            return
        self._queue.put((next(_order), fired))
        waiting = self._queue.qsize()
        if waiting > self._warned:
            self._warned *= 2
            logger.warning("%s is behind: %d events wait for it", self.label, waiting)

    def pump(self, timeout: float = 0.0) -> int:
        """Deliver what waits, in the calling thread (of a subscription with pump=True).

        Args:
            timeout: How long to wait for the first event, in seconds; 0 does not wait.

        Returns:
            How many events were delivered.
        """
        if self._thread is not None:
            raise RuntimeError(f"{self.label} has a thread of its own that delivers its events")
        if timeout > 0 and self.waiting() is None and not self._closed:
            with contextlib.suppress(queue.Empty):
                self._first = self._queue.get(timeout=timeout)
        count = 0
        while self.waiting() is not None:
            self.deliver_one()
            count += 1
        return count

    def waiting(self) -> int | None:
        """The number, among the events of all subscriptions, of the one to be delivered next; None: none waits."""
        if self._closed:
            return None
        if self._first is None:
            with contextlib.suppress(queue.Empty):
                self._first = self._queue.get_nowait()
        return None if self._first is None else self._first[0]

    def deliver_one(self) -> None:
        """Deliver the event that `waiting` told of, in the calling thread."""
        first, self._first = self._first, None
        if first is not None:
            self._tell(first[1])

    def close(self) -> None:
        """Deliver nothing more; a call that is under way goes on. May be called in any thread, also in a handler.

        It takes no lock, so that it may be called by the garbage collector.
        """
        self._closed = True
        unadvise, self._unadvise = self._unadvise, None
        if unadvise is not None:
            unadvise()
        self._queue.put(None)

    def _run(self) -> None:
        while (queued := self._queue.get()) is not None:
            if self._closed:
                return
            try:
                self._tell(queued[1])
            except BaseException as error:  # noqa: BLE001 - sys.exit() would end the thread and nothing else
                logger.error("%s cannot end the program from a thread of its own: %r", self.label, error)
            del queued

    def _tell(self, fired: Fired) -> None:
        try:
            self._deliver(fired)
        except Exception:
            logger.exception("%s failed in %s", self.label, fired.name)


_living: weakref.WeakSet[Subscription] = weakref.WeakSet()
_order = itertools.count()  # of the events of all subscriptions


def _all() -> tuple[Subscription, ...]:
    """Every subscription there is; it takes no lock, which a fork could leave locked."""
    while True:
        with contextlib.suppress(RuntimeError):  # another thread made one meanwhile
            return tuple(_living)


def pump_waiting(timeout: float = 0.0) -> int:
    """Deliver what waits for the subscriptions with pump=True that the calling thread made, as a message loop does:
    the events of all of them in the order in which they were fired.

    Args:
        timeout: How long to wait for a first event, in seconds.

    Returns:
        How many events were delivered.
    """
    me, end = threading.get_ident(), time.monotonic() + timeout
    while True:
        count = 0
        while (subscription := _next_of(me)) is not None:
            subscription.deliver_one()
            count += 1
        left = end - time.monotonic()
        if count or left <= 0:
            return count
        time.sleep(min(left, 0.01))


def _next_of(thread: int) -> Subscription | None:
    """The subscription of that thread whose next event was fired first."""
    mine = (one for one in _all() if one._thread is None and one._owner == thread)
    waiting = [(number, one) for one in mine if (number := one.waiting()) is not None]
    return min(waiting, key=lambda pair: pair[0])[1] if waiting else None


def _at_exit() -> None:
    """No handler is called while the interpreter is taken apart."""
    for subscription in _all():
        subscription.close()


atexit.register(_at_exit)


# -- handlers ---------------------------------------------------------------------------------------------------


class Connected:
    """What the class of a connected handler has beside its own: the end of it."""

    _subscription_: Subscription

    def close(self) -> None:
        """Disconnect: no method of the handler is called any more."""
        self._subscription_.close()

    def __enter__(self: H) -> H:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Dispatching(Connected):
    """A connected handler that is also usable as the object whose events it handles."""

    _object_: ComObject

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._object_, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and find_member(self._object_, name) is not None:
            setattr(self._object_, name, value)
        else:
            object.__setattr__(self, name, value)

    def __call__(self, *args: Any) -> Any:
        """The object's default member."""
        return self._object_(*args)


def connected(
    obj: ComObject, point: ConnectionPoint, handler: type, base: type[Connected], *, pump: bool = False
) -> Any:
    """An instance of a handler's class that is connected, until it is closed or no longer held.

    Args:
        obj: The object whose events they are.
        point: Where they are had.
        handler: The class whose methods are called; it is instantiated without arguments.
        base: `Connected` or `Dispatching`.
        pump: Do not deliver in a thread of its own.

    Raises:
        TypeError: The handler is no class.
        ComError: As `ConnectionPoint.advise`.
    """
    if not isinstance(handler, type):
        raise TypeError(f"a handler is a class whose methods are called, not {handler!r}")
    _look_over(handler, point)
    made: Any = type(handler.__name__, (base, handler), {"__module__": handler.__module__})
    instance: Any = made.__new__(made)
    if issubclass(base, Dispatching):
        object.__setattr__(instance, "_object_", obj)
    instance.__init__()
    this = weakref.ref(instance)

    def deliver(fired: Fired) -> None:
        sink = this()
        if sink is None:
            return
        method = _method(sink, fired.name)
        if method is not None:
            method(*fired.args)
        elif fired.name == EVENTS_LOST:
            logger.warning("%s is not told that events may have been lost: %s", label, *fired.args)

    label = f"{handler.__name__} on {point.sink._interface_}"
    subscription = Subscription(deliver, label, pump=pump)
    object.__setattr__(instance, "_subscription_", subscription)
    weakref.finalize(instance, subscription.close)
    subscription.connect(point.advise)
    return instance


def _method(sink: object, name: str) -> Callable[..., Any] | None:
    """The handler's own attribute of that name, in any case."""
    folded = name.lower()
    for known in (name, *dir(type(sink)), *vars(sink)):
        if known.lower() == folded and (hasattr(type(sink), known) or known in vars(sink)):
            found = getattr(sink, known)
            return found if callable(found) else None
    return None


def _look_over(handler: type, point: ConnectionPoint) -> None:
    """Say of a handler's methods which of them will never be called."""
    names = {name.lower() for name in dir(handler)}
    if names.isdisjoint({*point.sink._names_, EVENTS_LOST.lower()}):
        events = ", ".join(sorted(member.name for member in point.sink._names_.values()))
        logger.warning("%s has no method of an event's name, and is never called: %s", handler.__name__, events)
    for name in dir(handler):
        if not name.lower().startswith("on") or not callable(getattr(handler, name)):
            continue
        member = point.sink._names_.get(name.lower())
        if member is not None and member.known_to(point.product):
            if member.unavailable is not None:
                logger.warning("%s.%s is never called: %s", handler.__name__, name, member.unavailable)
        elif name.lower() != EVENTS_LOST.lower():
            logger.info("%s.%s is no event of %s", handler.__name__, name, point.sink._interface_)
