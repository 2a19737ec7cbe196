"""A libvirt server as vpcshim talks to it: connections kept open, read-only where nothing is to be written.

It bounds every wait: an open that gets no answer is given up after `timeout` seconds, and keepalive ends a call to
a daemon that is frozen after about as long. A dead connection is dropped, and the next call opens a new one.

Threads may share it. libvirt's client before 10.1 may lose the wake-up of a thread that calls while another waits
for its answer on the same connection, and leaves such a call hanging when keepalive ends the other. So a
connection serves one thread at a time: a caller that finds none free gets another one. A program of one thread has
one connection (and one that may write, once it writes); a call that hangs on its guest holds up nobody else.

Sources: virConnectOpen, virConnectSetKeepAlive, virConnectRegisterCloseCallback (libvirt-host).
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import libvirt

from vpcshim.hypervisor import ending, eventloop
from vpcshim.hypervisor.errors import (
    ConnectionFailed,
    ConnectionLost,
    DomainBusy,
    DomainGone,
    Unsupported,
    classify,
    translated,
)
from vpcshim.hypervisor.lanes import Lane, is_alive, keep_for_good, set_keepalive
from vpcshim.hypervisor.opening import Attempt

logger = logging.getLogger(__name__)

T = TypeVar("T")
Hook = Callable[[libvirt.virConnect], Callable[[], None]]

DEFAULT_TIMEOUT = 6.0
_LONGEST_TIMEOUT = 86400.0  # a day: more is a slip of the hand, and what counts it has limits
_MOST = 8


def check_timeout(timeout: float) -> None:
    """Refuse what is no timeout.

    Raises:
        ValueError: It is not a number of seconds from 1 to 86400.
    """
    if not 1 <= timeout <= _LONGEST_TIMEOUT:
        raise ValueError(f"a timeout is 1 to {_LONGEST_TIMEOUT:.0f} seconds, not {timeout!r}")


class _Calls(Generic[T]):
    """A few calls on one connection (a class of its own: this is on the path of every property read)."""

    __slots__ = ("_lane", "_of", "_owner", "_uuid", "_write")

    def __init__(
        self, owner: Connection, write: bool, of: Callable[[libvirt.virConnect], T], uuid: str | None = None
    ) -> None:
        self._owner = owner
        self._write = write
        self._of = of
        self._uuid = uuid

    def __enter__(self) -> T:
        self._lane = self._owner._take(self._write)
        try:
            self._owner._hook_up(self._lane)
            return self._of(self._lane.connect)
        except libvirt.libvirtError as error:
            told = self._owner._seen(error, self._lane, self._uuid)
            self._owner._give_back(self._lane)
            raise told from error
        except BaseException:
            self._owner._give_back(self._lane)
            raise

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        try:
            if isinstance(error, libvirt.libvirtError):
                raise self._owner._seen(error, self._lane, self._uuid) from error
        finally:
            self._owner._give_back(self._lane)


def _itself(connect: libvirt.virConnect) -> libvirt.virConnect:
    return connect


class Connection:
    """The connections to one libvirt server.

    Args:
        server: A libvirt URI, an alias of libvirt.conf's `uri_aliases`, a host name (qemu+ssh to its system
            daemon), or None for libvirt's own default.
        timeout: After how many seconds (1 to 86400) a daemon that does not answer is given up.
    """

    def __init__(self, server: str | None = None, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self.server = server
        self.timeout = timeout
        self._changed = threading.Condition()
        self._lanes: list[Lane] = []
        self._events_on: Lane | None = None
        self._attempt: Attempt | None = None
        self._hooks: list[Hook] = []
        self._uri: str | None = None
        self._local = False
        self._keepalive: bool | None = None
        self._most = _MOST
        self._names: dict[str, str] = {}
        check_timeout(timeout)
        ending.concerns(self)

    # -- calls ---------------------------------------------------------------------------------------------

    def calls(self, *, write: bool = False) -> _Calls[libvirt.virConnect]:
        """An open connection for a few calls; libvirt's errors come out as `HypervisorError`.

        Raises:
            ConnectionFailed: It cannot be opened.
            ConnectionLost: It died under the calls.
            HypervisorError: Whatever else libvirt answered.
        """
        return _Calls(self, write, _itself)

    def domain(self, uuid: str, *, write: bool = False) -> _Calls[libvirt.virDomain]:
        """The domain's handle for a few calls (never kept: a handle keeps a closed connection half alive).

        Raises:
            DomainGone: There is no such domain.
            HypervisorError: As `calls`.
        """
        return _Calls(self, write, lambda connect: self._looked_up(connect, uuid), uuid)

    def _looked_up(self, connect: libvirt.virConnect, uuid: str) -> libvirt.virDomain:
        domain = connect.lookupByUUIDString(uuid)
        self._names[uuid] = domain.name()
        return domain

    def remember(self, named: Iterable[tuple[str, str]]) -> None:
        """Remember domains by their names and UUIDs, for what is to be said of one when it is gone."""
        self._names.update((uuid, name) for name, uuid in named)

    def call(self, function: Callable[[libvirt.virConnect], T], *, write: bool = False) -> T:
        """`function` of an open connection; raises as `calls`."""
        with self.calls(write=write) as connect:
            return function(connect)

    def _seen(self, error: libvirt.libvirtError, lane: Lane, uuid: str | None = None) -> Exception:
        """The error translated; a dead connection is dropped, so that the next call opens a new one."""
        told = translated(error)
        if isinstance(told, ConnectionLost):
            self._drop(lane)
            message = f"the connection to {self.label} was lost: {told}"
            return ConnectionLost(message, code=told.code, domain=told.domain)
        if isinstance(told, DomainGone) and uuid is not None:
            who = self._names.get(uuid, f"the machine {uuid}")
            message = f"{who} is gone: it was deleted or unregistered, or was transient and ended ({told})"
            return DomainGone(message, code=told.code, domain=told.domain)
        return told

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Let there be one connection more meanwhile: for a thread that is going to use one for long (a save)."""
        with self._changed:
            self._most += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._most -= 1

    # -- what it is ----------------------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """The server as messages name it."""
        return self.server or "libvirt's default server"

    @property
    def keepalive(self) -> bool | None:
        """Whether keepalive watches the connection opened last; None before one was open."""
        return self._keepalive

    @property
    def is_open(self) -> bool:
        """Whether a connection is open now."""
        return bool(self._lanes)

    @property
    def uri(self) -> str | None:
        """The URI of the server, aliases resolved; None before a connection was open."""
        return self._uri

    @property
    def is_local(self) -> bool:
        """Whether the hypervisor is on this machine, as far as the URI tells (False before one was open).

        A socket named in the URI may be forwarded from elsewhere: what is then read of this machine has to
        prove that it is the domain's.
        """
        return self._local

    @property
    def is_embedded(self) -> bool:
        """Whether the driver runs inside this process (libvirt's test driver)."""
        return (self._uri or "").startswith("test:/")

    @property
    def is_single(self) -> bool:
        """Whether there is one connection for all threads: while one is used, no other is to be had."""
        return any(lane.opened.single for lane in self._lanes)

    @property
    def writable(self) -> bool:
        """Whether a connection that may write is open."""
        return any(lane.opened.writable for lane in self._lanes)

    def on_open(self, hook: Hook) -> None:
        """Call `hook` with one open connection at any time (for events); what it returns undoes it.

        When that connection is lost, the hook is called with the next that is used. A connection that a thread
        is using already gets the hook when it is used next.
        """
        with self._changed:
            self._hooks.append(hook)
            lane = self._events_on
            if lane is None or lane.busy:
                return
            lane.busy = not lane.opened.embedded
        try:
            self._hook_up(lane)
        finally:
            self._give_back(lane)

    def __del__(self) -> None:
        # libvirt's callbacks hold a connection: without this it would stay open for good.
        for lane in self._lanes:
            ending.let_go(lane)

    def hand_over(self, patience: float) -> tuple[list[Lane], list[Lane]]:
        """At exit: its connections, taken from it, that nobody uses, and those that a thread is using.

        Args:
            patience: How long to wait for a thread that is taking or giving back one (seconds).
        """
        locked = self._changed.acquire(timeout=patience)
        try:
            lanes, self._lanes = self._lanes, []
            attempt, self._attempt = self._attempt, None
            self._events_on = None
            if attempt is not None and attempt.opened is not None:
                lanes.append(Lane(attempt.opened))
                lanes[-1].busy = False
            for lane in lanes:
                lane.gone = True
            return [lane for lane in lanes if not lane.busy], [lane for lane in lanes if lane.busy]
        finally:
            if locked:
                self._changed.release()

    def forget(self) -> None:
        """In a forked child: the connections are the parent's, so nothing is sent over them, no farewell either."""
        lanes, self._lanes = self._lanes, []
        attempt, self._attempt = self._attempt, None
        self._changed = threading.Condition()
        self._most = _MOST
        self._events_on = None
        keep_for_good(attempt)
        for lane in lanes:
            lane.abandon()

    def close(self) -> None:
        """Drop the connections; a later call opens a new one. Calls under way are not disturbed."""
        with self._changed:
            # One that is under way stays: whoever calls next waits for it instead of piling up more of them.
            unused = self._attempt if self._attempt is not None and self._attempt.done else None
            if unused is not None:
                self._attempt = None
        del unused  # it closes here, without the lock
        for lane in tuple(self._lanes):
            self._drop(lane)

    # -- taking and giving back ----------------------------------------------------------------------------

    def _take(self, write: bool) -> Lane:
        """A connection for the calling thread alone (the embedded driver's is for all threads at once)."""
        deadline = time.monotonic() + self.timeout
        attempt: Attempt | None = None
        while True:
            dead: list[Lane] = []
            try:
                with self._changed:
                    lane = self._free(write, dead)
                    if lane is not None:
                        lane.busy = not lane.opened.embedded
                        return lane
                    if attempt is not None and attempt.error is not None and (write or not attempt.write):
                        raise self._failed(attempt)
                    waited, attempt = attempt, self._begin(write, attempt, dead)
                    if attempt is not None and attempt is not waited:
                        deadline = time.monotonic() + self.timeout
                    lane = None if attempt is None else self._added(attempt)
                    if lane is None:
                        if not dead:  # else they are let go first
                            self._wait(deadline, attempt)
                        continue
            finally:
                for gone in dead:
                    ending.let_go(gone)
            self._set_up(lane)
            if lane.opened.writable or not write:
                return lane
            self._give_back(lane)

    def _free(self, write: bool, dead: list[Lane]) -> Lane | None:
        """A connection that nobody uses and that will do; those found dead are moved to `dead`."""
        for lane in tuple(self._lanes):
            if lane.busy or (write and not lane.opened.writable):
                continue
            if is_alive(lane.connect):
                return lane
            self._remove(lane)
            dead.append(lane)
        return None

    def _wait(self, deadline: float, attempt: Attempt | None) -> None:
        """Until a connection was given back or lost, or the attempt at another has ended."""
        left = deadline - time.monotonic()
        if left > 0:
            self._changed.wait(left)
        elif attempt is None:
            raise DomainBusy(f"all connections to {self.label} are waiting for their guests already")
        else:
            # The attempt goes on; whoever calls next waits for it again instead of piling up more of them.
            raise ConnectionFailed(f"cannot connect to {self.label}: no answer within {self.timeout:g} s")

    def _give_back(self, lane: Lane) -> None:
        if lane.busy:
            with self._changed:
                lane.busy = False
                gone = lane.gone
                # All of them: the one that is woken may need another kind of connection.
                self._changed.notify_all()
            if gone:
                ending.let_go(lane)

    def _remove(self, lane: Lane) -> None:
        """Use it no more; called with the lock held."""
        lane.gone = True
        self._lanes.remove(lane)
        if self._events_on is lane:
            self._events_on = None
        self._changed.notify_all()

    def _drop(self, lane: Lane) -> None:
        with self._changed:
            if lane.gone:
                return
            self._remove(lane)
            if lane.busy:
                return  # letting go is a call too: it is left to the thread that has the connection
        ending.let_go(lane)

    # -- opening -------------------------------------------------------------------------------------------

    def _begin(self, write: bool, waited: Attempt | None, dead: list[Lane]) -> Attempt | None:
        """The attempt at opening to wait for: the one under way, or a new one; None when enough are open.

        One that ended while nobody waited, in a failure or in a connection that has died since, says nothing of
        now: it is begun anew.
        """
        last = self._attempt
        if last is not None and last.error is not None:
            last = None  # of one that was to write, it says nothing of reading either
        elif last is not None and last is not waited and last.opened and not is_alive(last.opened.connect):
            dead.append(Lane(last.opened))
            last = None
        if last is None:
            if any(lane.opened.single for lane in self._lanes):
                return None  # the one that there is to be is being set up, or used
            if len(self._lanes) >= self._most and not (write and self._make_room(dead)):
                return None
            eventloop.ensure()
            last = self._attempt = Attempt(self.server, write, self._changed)
        return last

    def _make_room(self, dead: list[Lane]) -> bool:
        """Drop a connection that only reads and that nobody uses, for one that may write."""
        idle = [lane for lane in self._lanes if not lane.busy]
        if idle:
            spare = next((lane for lane in idle if lane is not self._events_on), idle[0])
            self._remove(spare)
            dead.append(spare)
        return bool(idle)

    def _added(self, attempt: Attempt) -> Lane | None:
        """The connection that the attempt brought, the calling thread's to set up; None when it brought none."""
        if self._attempt is not attempt or attempt.opened is None:
            return None
        self._attempt = None
        lane = Lane(attempt.opened)
        self._uri, self._local = lane.opened.uri, lane.opened.local
        self._lanes.append(lane)
        ending.ready()
        return lane

    def _failed(self, attempt: Attempt) -> BaseException:
        """What the attempt's failure is for a caller that waited for it; called with the lock held."""
        if self._attempt is attempt:
            self._attempt = None
        assert attempt.error is not None
        return self._refused(attempt.error) if isinstance(attempt.error, libvirt.libvirtError) else attempt.error

    def _refused(self, error: libvirt.libvirtError) -> Exception:
        told = translated(error)
        kind = ConnectionFailed if isinstance(told, ConnectionLost) else type(told)
        refused = kind(f"cannot connect to {self.label}: {told}", code=told.code, domain=told.domain)
        refused.__cause__ = error
        return refused

    def _set_up(self, lane: Lane) -> None:
        """Have a new connection watched; without the lock, for these are calls to the daemon."""
        try:
            self._keepalive = set_keepalive(lane.connect, self.timeout)
            self._watch(lane)
            self._hook_up(lane)
        except BaseException as error:
            self._drop(lane)
            self._give_back(lane)
            if isinstance(error, libvirt.libvirtError):
                raise self._refused(error) from error
            raise
        if lane.opened.embedded:
            self._give_back(lane)

    def _watch(self, lane: Lane) -> None:
        me, this = weakref.ref(self), weakref.ref(lane.connect)

        def closed(_dead: libvirt.virConnect, reason: int, _opaque: Any) -> None:
            connection = me()
            if connection is not None:
                logger.info("libvirt closed a connection to %s (reason %d)", connection.label, reason)
                # libvirt calls this from whichever thread was at the socket, inside a call of ours perhaps, and
                # with its own lock held: letting go here would wait for that very lock, for good.
                threading.Thread(
                    target=connection._drop_closed, args=(this,), name="vpcshim-drop", daemon=True
                ).start()

        try:
            lane.connect.registerCloseCallback(closed, None)
            lane.undo.append(lane.connect.unregisterCloseCallback)
            lane.watched = True
        except libvirt.libvirtError as error:
            if classify(error) is not Unsupported:
                raise
            logger.debug("no close callback on %s: %s", self.label, error)

    def _drop_closed(self, this: weakref.ref[libvirt.virConnect]) -> None:
        connect = this()
        for lane in tuple(self._lanes):
            if lane.connect is connect:
                self._drop(lane)

    def _hook_up(self, lane: Lane) -> None:
        """Let the events come over this connection, the calling thread's, if they come over none."""
        on = self._events_on
        if on is not None and (on is not lane or lane.hooked == len(self._hooks)):
            return
        with self._changed:
            if self._events_on is None and not lane.gone:
                self._events_on = lane
            if self._events_on is not lane:
                return
            hooks = self._hooks[lane.hooked :]
            lane.hooked += len(hooks)
        while hooks:
            try:
                lane.undo.insert(0, hooks[0](lane.connect))
            except BaseException:
                lane.hooked -= len(hooks)
                raise
            del hooks[0]
