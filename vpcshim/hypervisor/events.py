"""libvirt's domain events, handed to listeners in order, in a thread of their own.

libvirt calls back in the thread of its event loop, which also carries keepalive: nothing slow may happen there.
So a callback only queues, and one worker thread per connection tells the listeners.

Sources: virConnectDomainEventRegisterAny, virDomainEventID (libvirt-domain).
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import libvirt

from vpcshim.hypervisor import eventloop
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.errors import ConnectionLost, HypervisorError, classify

logger = logging.getLogger(__name__)

# How many calls one after the other it takes until the daemon has sent the events of what was done before the
# first: it takes them out of its queue and writes them in different turns of its loop, and there may be a second
# daemon in between (virtproxyd).
_ECHOES = 4
# For how long an event loop that is late is waited for (seconds).
_PATIENCE = 5.0


class Kind(Enum):
    """The events that every connection is asked for, by libvirt's id: what is kept of a machine rests on them."""

    LIFECYCLE = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
    REBOOT = libvirt.VIR_DOMAIN_EVENT_ID_REBOOT
    DEVICE_ADDED = libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED
    DEVICE_REMOVED = libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED
    METADATA_CHANGE = libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE


class Extra(Enum):
    """The events that are asked for when somebody wants them: each costs a round trip at every opening."""

    WATCHDOG = libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG
    IO_ERROR = libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON
    TRAY_CHANGE = libvirt.VIR_DOMAIN_EVENT_ID_TRAY_CHANGE
    AGENT_LIFECYCLE = libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE
    BLOCK_THRESHOLD = libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD


class Link(Enum):
    """What becomes of the connection that the events come over; they stand in the order of the events."""

    OPENED = "opened"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one domain.

    Attributes:
        kind: Which.
        uuid: The domain's; "" for a `Link`.
        details: What libvirt's callback was given beside the domain: (event, detail) for LIFECYCLE. For a `Link`
            the number of connections that events come over now.
        seen: When it arrived, seconds since the epoch.
        stalled: Whether the event loop had stood still before: then it may have happened long before.
        name: The domain's name then; "" for a `Link`.
        at: When it arrived, on the monotonic clock: nobody sets that one, so it tells what was before what.
        run: The domain id that it had then; None for one that was off, and for a `Link`.
    """

    kind: Kind | Extra | Link
    uuid: str
    details: tuple[Any, ...]
    seen: float
    stalled: bool = False
    name: str = ""
    at: float = field(default_factory=time.monotonic)
    run: int | None = None


Listener = Callable[[Event], None]
# What is taken out of the queue of events: None ends it, and a call is made in its turn.
_Item = Event | Callable[[], None] | None


class Events:
    """The events of one connection, for as long as this object lives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._listeners: list[Listener] = []
        self._watchers: list[Listener] = []
        self._more = False
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._first: list[Callable[[str | None], None]] = []
        # What each connection that they come over lacks: for a moment there may be two, in any order.
        self._changed = threading.Condition()
        self._sources: list[dict[Kind, str]] = []
        self._missing: dict[Kind, str] = dict.fromkeys(Kind, "no connection is open")
        self._pid = os.getpid()
        self._begin()
        self._hook(Events._register)

    def _begin(self) -> None:
        self._finalize = weakref.finalize(self, self._queue.put, None)
        threading.Thread(
            target=_deliver,
            args=(self._queue, self._listeners, self._watchers),
            name="vpcshim-events",
            daemon=True,
        ).start()

    def _disinherit(self) -> None:
        """In a forked child: let go of the parent's lock and queue; its thread is not there."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._changed = threading.Condition()
            self._queue = queue.SimpleQueue()
            self._sources.clear()
            self._finalize.detach()

    def _hook(self, register: Callable[[Events, libvirt.virConnect], Callable[[], None]]) -> None:
        me = weakref.ref(self)

        def hook(connect: libvirt.virConnect) -> Callable[[], None]:
            events = me()
            return (lambda: None) if events is None else register(events, connect)

        self._connection.on_open(hook)

    @property
    def missing(self) -> dict[Kind, str]:
        """The kinds that the present connection does not deliver, and why."""
        return dict(self._missing)

    @property
    def complete(self) -> bool:
        """Whether every event arrives now: all kinds are registered, and the loop runs."""
        return not self._missing and eventloop.alive()

    def connected(self, timeout: float = 0.0) -> bool:
        """Whether events come over a connection: its thread may be about to ask for them, while others use theirs.

        Args:
            timeout: How long to wait until they do, in seconds.
        """
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._sources), timeout)

    def before_listeners(self, hint: Callable[[str | None], None]) -> None:
        """Call `hint` with the UUID of a domain as soon as an event of it arrives, in libvirt's own thread.

        With None when events may have been missed: a connection was opened. It has to be quick.
        """
        self._first.append(hint)

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of every event of `Kind` from now on; one that raises is logged and harms no other."""
        self._listeners.append(listener)

    def watch(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` of every event of `Kind`, `Extra` and `Link` from now on; otherwise as `listen`.

        Returns:
            What ends it.
        """
        self._watchers.append(listener)
        with self._changed:
            wanted, self._more = self._more, True
        if not wanted:
            self._hook(Events._register_extra)

        def end() -> None:
            if listener in self._watchers:
                self._watchers.remove(listener)

        return end

    def in_order(self, call: Callable[[], None]) -> None:
        """Have `call` made in the listeners' thread: after them for every event of what was done before now.

        libvirt tells of an event when it gets to it, which may be long after the call that made it was answered.
        What comes in between is waited for here: a few round trips, and a few turns of the event loop. After the
        return the place of `call` among the events is certain, and any event of what is done then comes later.
        Without a connection or a loop there are no events to wait for.
        """
        waiting = [call]

        def put() -> None:
            with contextlib.suppress(IndexError):
                self._queue.put(waiting.pop())
            placed.set()

        placed = threading.Event()
        if not (self._was_answered() and eventloop.has_turned(put) and placed.wait(_PATIENCE)):
            put()

    def _was_answered(self) -> bool:
        if not self._sources:
            return False
        try:
            with self._connection.calls() as connect:
                for _ in range(_ECHOES):
                    connect.getLibVersion()
        except HypervisorError as error:
            logger.debug("events may be out of order: %s", error)
            return False
        return True

    def _register_extra(self, connect: libvirt.virConnect) -> Callable[[], None]:
        return _undoing(connect, self._ask(connect, Extra)[0])

    def _ask(
        self, connect: libvirt.virConnect, kinds: type[Kind] | type[Extra]
    ) -> tuple[list[int], dict[Any, str]]:
        """Ask for those kinds; libvirt's numbers of them, and why there are none of the others."""
        ids: list[int] = []
        missing: dict[Any, str] = {}
        for kind in kinds:
            try:
                callback = _callback(self._queue, self._first if kinds is Kind else [], kind)
                ids.append(connect.domainEventRegisterAny(None, kind.value, callback, None))
            except libvirt.libvirtError as error:
                if classify(error) is ConnectionLost:
                    _undoing(connect, ids)()
                    raise  # it says nothing of the driver, and another connection is to be opened
                missing[kind] = error.get_error_message() or str(error)
                logger.info("no %s events: %s", kind.name, error)
        return ids, missing

    def _link(self, kind: Link) -> None:
        """Queue what became of a connection; called with the lock held."""
        self._queue.put(Event(kind, "", (len(self._sources),), time.time()))

    def _register(self, connect: libvirt.virConnect) -> Callable[[], None]:
        self._disinherit()
        if not self._finalize.alive:
            self._begin()
        ids, missing = self._ask(connect, Kind)
        # First of all what was kept is forgotten: only then is it vouched for again.
        for hint in self._first:
            hint(None)
        with self._changed:
            self._sources.append(missing)
            self._missing = min(self._sources, key=len)
            self._link(Link.OPENED)
            self._changed.notify_all()
        let_go = _undoing(connect, ids)

        def undo() -> None:
            self._disinherit()
            gone = dict.fromkeys(Kind, "the connection that they came over is gone")
            with self._changed:
                self._sources[:] = [source for source in self._sources if source is not missing]
                self._missing = min(self._sources, key=len, default=gone)
                self._link(Link.LOST)
            let_go()

        return undo


def _undoing(connect: libvirt.virConnect, ids: list[int]) -> Callable[[], None]:
    def undo() -> None:
        for number in ids:
            try:
                connect.domainEventDeregisterAny(number)
            except libvirt.libvirtError as error:  # the others hold the connection open as well
                logger.debug("letting go of an event: %s", error)

    return undo


def _callback(
    events: queue.SimpleQueue[_Item], first: list[Callable[[str | None], None]], kind: Kind | Extra
) -> Callable[..., None]:
    def arrived(_connect: libvirt.virConnect, domain: libvirt.virDomain, *details: Any) -> None:
        uuid, number = domain.UUIDString(), domain.ID()
        for hint in first:
            hint(uuid)
        run = number if number >= 0 else None
        events.put(Event(kind, uuid, details[:-1], time.time(), eventloop.stalled(), domain.name(), run=run))

    return arrived


def _deliver(events: queue.SimpleQueue[_Item], listeners: list[Listener], watchers: list[Listener]) -> None:
    while (item := events.get()) is not None:
        if isinstance(item, Event):
            for listener in (*listeners, *watchers) if isinstance(item.kind, Kind) else tuple(watchers):
                _guarded(item, listener, item)
        else:
            _guarded(item, item)
        del item  # it may hold a good deal


def _guarded(item: object, listener: Callable[..., None], *args: Event) -> None:
    try:
        listener(*args)
    except Exception:
        logger.exception("a listener to libvirt's events failed on %s", item)
