"""libvirt's domain events, handed to listeners in order, in a thread of their own.

libvirt calls back in the thread of its event loop, which also carries keepalive: nothing slow may happen there.
So a callback only queues, and one worker thread per connection tells the listeners.

Sources: virConnectDomainEventRegisterAny, virDomainEventID (libvirt-domain).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import libvirt

from vpcshim.hypervisor import eventloop
from vpcshim.hypervisor.connection import Connection

logger = logging.getLogger(__name__)


class Kind(Enum):
    """The events that vpcshim listens to, by libvirt's id."""

    LIFECYCLE = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
    REBOOT = libvirt.VIR_DOMAIN_EVENT_ID_REBOOT
    DEVICE_ADDED = libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED
    DEVICE_REMOVED = libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED
    METADATA_CHANGE = libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one domain.

    Attributes:
        kind: Which.
        uuid: The domain's.
        details: What libvirt's callback was given beside the domain: (event, detail) for LIFECYCLE.
        seen: When it arrived, seconds since the epoch.
        stalled: Whether the event loop had stood still before: then it may have happened long before.
    """

    kind: Kind
    uuid: str
    details: tuple[Any, ...]
    seen: float
    stalled: bool = False


Listener = Callable[[Event], None]


class Events:
    """The events of one connection, for as long as this object lives."""

    def __init__(self, connection: Connection) -> None:
        self._listeners: list[Listener] = []
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._first: list[Callable[[str | None], None]] = []
        # What each connection that they come over lacks: for a moment there may be two, in any order.
        self._lock = threading.Lock()
        self._sources: list[dict[Kind, str]] = []
        self._missing: dict[Kind, str] = dict.fromkeys(Kind, "no connection is open")
        self._finalize = weakref.finalize(self, self._queue.put, None)
        threading.Thread(
            target=_deliver, args=(self._queue, self._listeners), name="vpcshim-events", daemon=True
        ).start()
        me = weakref.ref(self)

        def hook(connect: libvirt.virConnect) -> Callable[[], None]:
            events = me()
            return (lambda: None) if events is None else events._register(connect)

        connection.on_open(hook)

    @property
    def missing(self) -> dict[Kind, str]:
        """The kinds that the present connection does not deliver, and why."""
        return dict(self._missing)

    @property
    def complete(self) -> bool:
        """Whether every event arrives now: all kinds are registered, and the loop runs."""
        return not self._missing and eventloop.alive()

    def before_listeners(self, hint: Callable[[str | None], None]) -> None:
        """Call `hint` with the UUID of a domain as soon as an event of it arrives, in libvirt's own thread.

        With None when events may have been missed: a connection was opened. It has to be quick.
        """
        self._first.append(hint)

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of every event from now on; one that raises is logged and harms no other."""
        self._listeners.append(listener)

    def _register(self, connect: libvirt.virConnect) -> Callable[[], None]:
        ids = []
        missing = {}
        for kind in Kind:
            try:
                callback = _callback(self._queue, self._first, kind)
                ids.append(connect.domainEventRegisterAny(None, kind.value, callback, None))
            except libvirt.libvirtError as error:
                missing[kind] = error.get_error_message() or str(error)
                logger.info("no %s events: %s", kind.name, error)
        # First of all what was kept is forgotten: only then is it vouched for again.
        for hint in self._first:
            hint(None)
        with self._lock:
            self._sources.append(missing)
            self._missing = min(self._sources, key=len)

        def undo() -> None:
            gone = dict.fromkeys(Kind, "the connection that they came over is gone")
            with self._lock:
                self._sources[:] = [source for source in self._sources if source is not missing]
                self._missing = min(self._sources, key=len, default=gone)
            for number in ids:
                try:
                    connect.domainEventDeregisterAny(number)
                except libvirt.libvirtError as error:  # the others hold the connection open as well
                    logger.debug("letting go of an event: %s", error)

        return undo


def _callback(
    events: queue.SimpleQueue[Event | None], first: list[Callable[[str | None], None]], kind: Kind
) -> Callable[..., None]:
    def arrived(_connect: libvirt.virConnect, domain: libvirt.virDomain, *details: Any) -> None:
        uuid = domain.UUIDString()
        for hint in first:
            hint(uuid)
        events.put(Event(kind, uuid, details[:-1], time.time(), eventloop.stalled()))

    return arrived


def _deliver(events: queue.SimpleQueue[Event | None], listeners: list[Listener]) -> None:
    while (event := events.get()) is not None:
        for listener in tuple(listeners):
            try:
                listener(event)
            except Exception:
                logger.exception("a listener to libvirt's events failed on %s", event)
