"""What one server's events go through on their way to the handlers.

A `Hub` lives as long as somebody hears of the events. Its one thread takes, in their order, libvirt's events, the
tasks of this process, and values changed through vpcshim; follows each machine with a `Tracker`; and puts what that
tells into the queue of each subscription. What it asks libvirt meanwhile may wait: so it has a thread of its own,
apart from the one that takes the accountant's baselines. When the connection is lost it opens another one, tells
everybody that events may be missing, and asks for the states anew.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import libvirt

from vpcshim.com.errors import Failure
from vpcshim.com.events import EVENTS_LOST, Fired, Subscription
from vpcshim.com.hresult import HRESULT
from vpcshim.constants import VMVMState
from vpcshim.hypervisor import census, forks
from vpcshim.hypervisor.census import Domain
from vpcshim.hypervisor.domainxml import SETTINGS_NS
from vpcshim.hypervisor.errors import ConnectionFailed, ConnectionLost, DomainGone, HypervisorError
from vpcshim.hypervisor.events import Event, Extra, Kind, Link
from vpcshim.model.events.tracker import Told, Tracker
from vpcshim.model.hresults import vm_state
from vpcshim.model.server import Server
from vpcshim.model.work import Work
from vpcshim.values import Value

logger = logging.getLogger(__name__)

# How soon a lost connection is opened anew, and the longest pause between two tries (seconds).
_SOON, _LATEST = 0.1, 10.0
# How often the drives are looked at of which libvirt sends no events, while somebody hears of them (seconds).
_LOOK = 1.0
# How much longer than a connection's own timeout a handler may wait until it is connected (seconds).
_PATIENCE = 30.0

# What may be the last that is heard of a machine.
_LAST = (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_UNDEFINED)

Item = Callable[["Hub"], None]


@dataclass(eq=False)
class Listener:
    """Who hears of what.

    Attributes:
        subscription: Where it is put.
        accept: The event that a thing told is for this listener; None for none.
        uuid: The one machine whose events it hears; None for all machines.
        values: Whether it hears of configuration values.
        media: Whether it hears of media.
    """

    subscription: Subscription
    accept: Callable[[Told], Fired | None]
    uuid: str | None = None
    values: bool = False
    media: bool = False


@dataclass
class _Advice:
    """A listener that waits to be taken in, and what became of it."""

    listener: Listener
    done: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None


class Hub:
    """The events of one server; `hub_of` hands it out."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._listeners: list[Listener] = []
        self._trackers: dict[str, Tracker] = {}
        # Since when the connection is known to bring events; infinity while it does not. All times are monotonic.
        self._hears_since = math.inf
        self._retry_at = math.inf
        # Machines of which nothing could be learned when the connection came back, and when to ask them again.
        self._unread: set[str] = set()
        self._read_at = math.inf
        self._pause = _SOON
        self._look_at = math.inf
        put, in_order, pid = self._queue.put, server.events.in_order, os.getpid()

        def on_event(event: Event) -> None:
            if os.getpid() == pid:  # a forked child has no thread that would take it out again
                put(lambda hub: hub._on_event(event))

        def on_work(work: Work, ended: bool) -> None:
            state = work.state  # as it is now: on its way an operation may show another
            if work.uuid is not None and state is not None and os.getpid() == pid:
                in_order(lambda: put(lambda hub: hub._on_work(work, state, ended)))

        def on_discard(uuid: str) -> None:
            if os.getpid() == pid:
                in_order(lambda: put(lambda hub: hub._on_discard(uuid)))

        def on_value(uuid: str, key: str, value: Value | None) -> None:
            put(lambda hub: hub._on_value(uuid, key, value))

        ends = (
            server.events.watch(on_event),
            server.works.watch(on_work),
            server.on_configuration_changed(on_value),
            server.on_saved_state_discarded(on_discard),
        )
        weakref.finalize(self, _end, put, ends)
        threading.Thread(
            target=_run, args=(weakref.ref(self), self._queue), name="vpcshim-hub", daemon=True
        ).start()

    # -- coming and going ----------------------------------------------------------------------------------

    def advise(self, listener: Listener) -> Callable[[], None]:
        """Take a listener in: it hears of everything from now on; what this returns ends it.

        Raises:
            HypervisorError: The server cannot be reached, or the machine is gone.
            Failure: E_NOTIMPL, when the hypervisor has no events.
        """
        connection = self._server.connection
        self._connect()
        missing = self._server.events.missing.get(Kind.LIFECYCLE)
        if missing is not None:
            text = f"{connection.label} tells of no events: {missing}"
            raise Failure(HRESULT.E_NOTIMPL, text)
        advice = _Advice(listener)
        put = self._queue.put
        self._server.events.in_order(lambda: put(lambda hub: hub._take_in(advice)))
        if not advice.done.wait(connection.timeout + _PATIENCE):
            self._queue.put(lambda hub: hub._let_go(listener))
            raise HypervisorError(f"{connection.label} did not answer in time")
        if advice.error is not None:
            raise advice.error

        def unadvise() -> None:
            self._queue.put(lambda hub: hub._let_go(listener))

        return unadvise

    def _connect(self) -> None:
        """Have a connection that events come over. Raises HypervisorError."""
        connection = self._server.connection
        deadline = time.monotonic() + connection.timeout
        while True:
            with connection.calls():
                pass
            # Another thread may have the connection that the events are to come over, and be about to ask for them.
            if self._server.events.connected(_SOON):
                return
            if time.monotonic() > deadline:
                raise HypervisorError(f"{connection.label} did not answer in time")

    def _take_in(self, advice: _Advice) -> None:
        listener = advice.listener
        try:
            at = time.monotonic()
            if listener.uuid is None:
                self._know(self._census(), at)
            elif listener.uuid not in self._trackers:
                with self._server.connection.domain(listener.uuid) as domain:
                    self._know({listener.uuid: census.one(domain)}, at)
            self._learn(listener)
            if not self._listeners:
                self._hears_since, self._retry_at = at, math.inf
            self._listeners.append(listener)
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for it
            advice.error = error
        advice.done.set()

    def _let_go(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
        if all(other.uuid is not None for other in self._listeners):
            wanted = {other.uuid for other in self._listeners}
            self._trackers = {uuid: kept for uuid, kept in self._trackers.items() if uuid in wanted}

    def _know(self, found: dict[str, Domain], at: float) -> None:
        """Follow the domains that are not followed yet, from the state that they are in."""
        for uuid, domain in found.items():
            if uuid not in self._trackers:
                self._trackers[uuid] = Tracker(uuid, domain.name, _state(domain), at)

    def _learn(self, listener: Listener) -> None:
        """Note what is there now of what the listener is told changes of."""
        tracker = None if listener.uuid is None else self._trackers.get(listener.uuid)
        if tracker is None:
            return
        with self._server.connection.domain(tracker.uuid) as domain:
            if listener.values and tracker.values is None:
                tracker.values = census.values(domain)
            if listener.media and tracker.media is None:
                tracker.media = census.media(domain)
        if _is_silent(tracker):
            self._look_at = time.monotonic() + _LOOK

    # -- telling -------------------------------------------------------------------------------------------

    def _tell(self, told: Iterable[Told]) -> None:
        for one in told:
            for listener in tuple(self._listeners):
                if listener.uuid in (None, one.uuid):
                    fired = listener.accept(one)
                    if fired is not None:
                        listener.subscription.put(fired)

    def _tracker(self, event: Event) -> Tracker | None:
        """Who follows the domain of that event: made for one that is new, where all are heard of."""
        known = self._trackers.get(event.uuid)
        if known is None and any(listener.uuid is None for listener in self._listeners):
            known = Tracker(event.uuid, event.name, VMVMState.vmVMState_TurnedOff, 0.0)
            self._trackers[event.uuid] = known
        return known

    # -- what is told to it --------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if isinstance(event.kind, Link):
            self._on_link(event)
            return
        tracker = self._tracker(event)
        if tracker is None:
            return
        self._tell(tracker.on(event, lambda: self._by_now(event.uuid)))
        if tracker.values is not None and _may_change_values(event):
            with self._about(tracker, "its configuration values cannot be read"):
                with self._server.connection.domain(tracker.uuid) as domain:
                    values = census.values(domain)
                self._tell(tracker.has_values(values))
        if tracker.media is not None and event.kind in (Extra.TRAY_CHANGE, Kind.LIFECYCLE):
            self._on_media(tracker, event)
        if event.kind is Kind.LIFECYCLE and event.details[0] in _LAST:
            self._forget_gone(event.uuid)

    def _on_media(self, tracker: Tracker, event: Event) -> None:
        with self._about(tracker, "what is in its drives cannot be read"):
            with self._server.connection.domain(tracker.uuid) as domain:
                media = census.media(domain)
            if event.kind is Extra.TRAY_CHANGE:
                alias, reason = event.details[:2]
                self._tell(tracker.has_media(media, alias, opened=reason == 0))
            else:
                self._tell(tracker.looked(media))  # the aliases are given when it starts

    def _forget_gone(self, uuid: str) -> None:
        """Follow a machine no longer that there is no more, unless somebody hears of that very one."""
        if any(listener.uuid == uuid for listener in self._listeners):
            return
        try:
            with self._server.connection.domain(uuid):
                pass
        except DomainGone:
            self._trackers.pop(uuid, None)
        except HypervisorError as error:
            logger.debug("whether %s is still there is not known: %s", uuid, error)

    def _on_work(self, work: Work, state: VMVMState, ended: bool) -> None:
        tracker = self._trackers.get(work.uuid or "")
        if tracker is None:
            return
        if ended:
            self._tell(tracker.ends(work.id, lambda: self._by_now(tracker.uuid), well=work.failure is None))
        else:
            self._tell(tracker.begins(work.id, state))

    def _on_discard(self, uuid: str) -> None:
        tracker = self._trackers.get(uuid)
        if tracker is not None:
            self._tell(tracker.lost_its_saved_state())

    def _on_value(self, uuid: str, key: str, value: Value | None) -> None:
        tracker = self._trackers.get(uuid)
        if tracker is not None:
            kept = tracker.values is not None and self._is_kept(tracker, key, value)
            self._tell(tracker.was_configured(key, value, kept=kept))

    def _is_kept(self, tracker: Tracker, key: str, value: Value | None) -> bool:
        """Whether the value is one of those in the metadata, of whose changes libvirt tells as well."""
        if value is None:
            return key in (tracker.values or {})
        try:
            with self._server.connection.domain(tracker.uuid) as domain:
                return key in census.values(domain)
        except HypervisorError as error:
            logger.debug("%s: %s is taken for libvirt's own: %s", tracker.name, key, error)
            return False

    def _passes(self) -> float:
        """Do what is due; when the next thing is, on the monotonic clock."""
        now = time.monotonic()
        if self._retry_at <= now:
            self._reopen()
        if self._look_at <= now:
            self._look()
        if self._read_at <= now:
            self._read_late()
        for tracker in tuple(self._trackers.values()):
            if tracker.due <= now:
                self._tell(tracker.passes(now))
        return min(
            (self._retry_at, self._look_at, self._read_at, *(tracker.due for tracker in self._trackers.values()))
        )

    def _look(self) -> None:
        """Look into the drives of which libvirt sends no events."""
        self._look_at = math.inf
        for tracker in tuple(self._trackers.values()):
            if _is_silent(tracker) and any(one.media and one.uuid == tracker.uuid for one in self._listeners):
                self._look_at = time.monotonic() + _LOOK
                if self._hears_since == math.inf:
                    continue  # there is nobody to ask
                with self._about(tracker, "what is in its drives cannot be read"):
                    with self._server.connection.domain(tracker.uuid) as domain:
                        media = census.media(domain)
                    self._tell(tracker.looked(media))

    # -- the connection ------------------------------------------------------------------------------------

    def _on_link(self, event: Event) -> None:
        if not self._listeners or event.at < self._hears_since != math.inf:
            return  # nobody was told anything yet
        label = self._server.connection.label
        if event.kind is Link.LOST:
            if event.details[0] == 0 and self._hears_since != math.inf:
                self._hears_since = math.inf
                self._mark(f"the connection to {label} was lost")
                self._retry_at, self._pause = time.monotonic(), _SOON
            return
        if self._hears_since != math.inf:
            self._hears_since = math.inf
            self._mark(f"the connection to {label} was lost and is open again")
        self._retry_at = time.monotonic() + self._pause  # unless all goes well
        self._again()

    def _mark(self, reason: str) -> None:
        logger.info("events may be missing: %s", reason)
        for listener in tuple(self._listeners):
            listener.subscription.put(Fired(EVENTS_LOST, (reason,)))

    def _reopen(self) -> None:
        """Open a connection, which the events then come over."""
        self._retry_at, self._pause = time.monotonic() + self._pause, min(self._pause * 2, _LATEST)
        self._again()

    def _again(self) -> None:
        """Events come over a new connection: tell what the machines' states have become meanwhile.

        All is asked for before anything is told: should this connection be lost in between, it is still the gap
        that was marked; after something was told, it would be another.
        """
        try:
            with self._server.connection.calls():
                pass  # what is asked for below is not to open another one: that would look like a gap after it
            if not self._server.events.connected():
                return  # another thread is about to ask for them: then `Link.OPENED` comes
            at = time.monotonic()
            found = self._census()
            learned = self._learned(self._trackers.keys() & found.keys())
        except HypervisorError as error:
            gone = isinstance(error, ConnectionFailed | ConnectionLost)
            logger.log(logging.DEBUG if gone else logging.WARNING, "still no events: %s", error)
            self._retry_at = time.monotonic() + self._pause
            return
        self._hears_since = at
        self._retry_at, self._pause = math.inf, _SOON
        for tracker in tuple(self._trackers.values()):
            domain = found.get(tracker.uuid)
            state = VMVMState.vmVMState_TurnedOff if domain is None else _state(domain)
            if domain is not None:
                tracker.name = domain.name
            self._tell(tracker.settles(state, at))
        if any(listener.uuid is None for listener in self._listeners):
            for uuid in found.keys() - self._trackers.keys():
                domain = found[uuid]
                tracker = Tracker(uuid, domain.name, VMVMState.vmVMState_TurnedOff, at)
                self._trackers[uuid] = tracker
                self._tell(tracker.is_now(_state(domain)))
        for told in learned:
            self._tell(told)

    def _learned(self, uuids: Iterable[str]) -> list[Iterable[Told]]:
        """What there is to tell, later, of these machines' values and media; who cannot be asked is asked again.

        Raises:
            ConnectionFailed, ConnectionLost: Nobody can be asked.
        """
        learned: list[Iterable[Told]] = []
        self._unread = set()
        for uuid in uuids:
            tracker = self._trackers.get(uuid)
            if tracker is None or (tracker.values is None and tracker.media is None):
                continue
            try:
                with self._server.connection.domain(uuid) as domain:
                    if tracker.values is not None:
                        learned.append(tracker.has_values(census.values(domain)))
                    if tracker.media is not None:
                        learned.append(tracker.looked(census.media(domain)))
            except (ConnectionFailed, ConnectionLost):
                raise
            except DomainGone as error:
                logger.debug("%s: it is gone: %s", tracker.name, error)
            except HypervisorError as error:  # what is wrong with one keeps nobody from hearing of the others
                logger.warning("%s: its values and media cannot be read: %s", tracker.name, error)
                self._unread.add(uuid)
        self._read_at = time.monotonic() + _LATEST if self._unread else math.inf
        return learned

    def _read_late(self) -> None:
        """Ask those once more of which nothing was to be learned when the connection came back."""
        self._read_at = math.inf
        if self._hears_since == math.inf:
            return  # when it comes back again, all are asked
        try:
            for told in self._learned(tuple(self._unread)):
                self._tell(told)
        except HypervisorError as error:
            logger.debug("the connection is gone again: %s", error)

    # -- asking libvirt ------------------------------------------------------------------------------------

    def _census(self) -> dict[str, Domain]:
        with self._server.connection.calls() as connect:
            return census.take(connect)

    def _ask(self, uuid: str) -> VMVMState:
        """The state of a machine by now; TurnedOff of one that is gone. Raises HypervisorError."""
        try:
            with self._server.connection.domain(uuid) as domain:
                return _state(census.one(domain))
        except DomainGone:
            return VMVMState.vmVMState_TurnedOff

    def _by_now(self, uuid: str) -> VMVMState:
        """The same; Invalid where it cannot be asked for: what the event itself says is told all the same."""
        try:
            return self._ask(uuid)
        except HypervisorError as error:
            logger.debug("the state of %s cannot be asked for: %s", uuid, error)
            return VMVMState.vmVMState_Invalid

    def _about(self, tracker: Tracker, what: str) -> _Told:
        return _Told(f"{tracker.name}: {what}")


class _Told(suppress):
    """Lets the hypervisor's refusals within out as a warning: there is nobody else to tell."""

    def __init__(self, what: str) -> None:
        super().__init__(HypervisorError)
        self._what = what

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        if isinstance(error, DomainGone):
            logger.debug("%s: it is gone", self._what)
        elif isinstance(error, HypervisorError):
            logger.warning("%s: %s", self._what, error)
        return super().__exit__(kind, error, traceback)


def _state(domain: Domain) -> VMVMState:
    return vm_state(domain.state, domain.saved, domain.reason)


def _is_silent(tracker: Tracker) -> bool:
    return any(medium.silent for medium in (tracker.media or {}).values())


def _may_change_values(event: Event) -> bool:
    """Whether the configuration values in the definition may be others after that event."""
    if event.kind is Kind.METADATA_CHANGE:
        return bool(event.details[1] == SETTINGS_NS)
    return event.kind is Kind.LIFECYCLE and event.details[0] == 0  # VIR_DOMAIN_EVENT_DEFINED


def _end(put: Callable[[None], None], ends: Iterable[Callable[[], None]]) -> None:
    put(None)
    for end in ends:
        end()


def _run(this: weakref.ref[Hub], items: queue.SimpleQueue[Item | None]) -> None:
    due = math.inf
    while True:
        try:
            left = due - time.monotonic()
            item = items.get(timeout=None if left == math.inf else min(max(0.0, left), threading.TIMEOUT_MAX))
            if item is None:
                return
        except queue.Empty:
            item = _nothing
        hub = this()
        if hub is None:
            return
        try:
            item(hub)
            due = hub._passes()
        except Exception:
            logger.exception("an event could not be told")
            due = time.monotonic() + _SOON
        del hub, item


def _nothing(_hub: Hub) -> None:
    """The time has come for something."""


# -- one for each server ---------------------------------------------------------------------------------------


class _Place:
    """Where the hub of one server is, in this process; a hub is made with the lock held, which asks libvirt."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.hub: Callable[[], Hub | None] = lambda: None


_lock = forks.lock()
_places: weakref.WeakKeyDictionary[Server, _Place] = weakref.WeakKeyDictionary()


def hub_of(server: Server) -> Hub:
    """The hub of that server, for as long as somebody holds it."""
    with _lock:
        place = _places.get(server)
        if place is None or place.pid != os.getpid():  # a forked child has none of its parent's threads
            place = _places[server] = _Place()
    with place.lock:
        hub = place.hub()
        if hub is None:
            hub = Hub(server)
            place.hub = weakref.ref(hub)
        return hub
