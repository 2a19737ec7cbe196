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
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import libvirt

from vpcshim.hypervisor import eventloop
from vpcshim.hypervisor.errors import (
    ConnectionFailed,
    ConnectionLost,
    DomainBusy,
    Unsupported,
    classify,
    translated,
)
from vpcshim.hypervisor.opening import Attempt, Opened, open_server

logger = logging.getLogger(__name__)

T = TypeVar("T")
Hook = Callable[[libvirt.virConnect], Callable[[], None]]

DEFAULT_TIMEOUT = 6.0
_MOST = 8


class _Lane:
    """One open connection, and whether a thread is using it."""

    __slots__ = ("busy", "connect", "opened", "undo")

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.connect = opened.connect
        self.busy = False
        self.undo: list[Callable[[], Any]] = []


class _Calls(Generic[T]):
    """A few calls on one connection (a class of its own: this is on the path of every property read)."""

    __slots__ = ("_lane", "_of", "_owner", "_write")

    def __init__(self, owner: Connection, write: bool, of: Callable[[libvirt.virConnect], T]) -> None:
        self._owner = owner
        self._write = write
        self._of = of

    def __enter__(self) -> T:
        self._lane = self._owner._take(self._write)
        try:
            return self._of(self._lane.connect)
        except libvirt.libvirtError as error:
            told = self._owner._seen(error, self._lane)
            self._owner._give_back(self._lane)
            raise told from error
        except BaseException:
            self._owner._give_back(self._lane)
            raise

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        try:
            if isinstance(error, libvirt.libvirtError):
                raise self._owner._seen(error, self._lane) from error
        finally:
            self._owner._give_back(self._lane)


def _itself(connect: libvirt.virConnect) -> libvirt.virConnect:
    return connect


class Connection:
    """The connections to one libvirt server.

    Args:
        server: A libvirt URI, an alias of libvirt.conf's `uri_aliases`, a host name (qemu+ssh to its system
            daemon), or None for libvirt's own default.
        timeout: After how many seconds (at least 1) a daemon that does not answer is given up.
    """

    def __init__(self, server: str | None = None, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self.server = server
        self.timeout = timeout
        self._changed = threading.Condition()
        self._lanes: list[_Lane] = []
        self._events_on: _Lane | None = None
        self._attempt: Attempt | None = None
        self._hooks: list[Hook] = []
        self._uri: str | None = None
        self._keepalive: bool | None = None
        if not timeout >= 1:
            raise ValueError(f"a timeout is at least 1 second, not {timeout:g}")

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
        return _Calls(self, write, lambda connect: connect.lookupByUUIDString(uuid))

    def call(self, function: Callable[[libvirt.virConnect], T], *, write: bool = False) -> T:
        """`function` of an open connection; raises as `calls`."""
        with self.calls(write=write) as connect:
            return function(connect)

    def _seen(self, error: libvirt.libvirtError, lane: _Lane) -> Exception:
        """The error translated; a dead connection is dropped, so that the next call opens a new one."""
        told = translated(error)
        if isinstance(told, ConnectionLost):
            self._drop(lane)
            message = f"the connection to {self.label} was lost: {told}"
            return ConnectionLost(message, code=told.code, domain=told.domain)
        return told

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
        parts = urlsplit(self._uri or "none://elsewhere")
        return not parts.hostname and parts.scheme.partition("+")[2] in ("", "unix")

    @property
    def is_embedded(self) -> bool:
        """Whether the driver runs inside this process (libvirt's test driver)."""
        return (self._uri or "").startswith("test:/")

    @property
    def writable(self) -> bool:
        """Whether a connection that may write is open."""
        return any(lane.opened.writable for lane in self._lanes)

    def on_open(self, hook: Hook) -> None:
        """Call `hook` with one open connection at any time (for events); what it returns undoes it.

        When that connection is lost, the hook is called with another, or with the next that is opened.
        """
        with self._changed:
            self._hooks.append(hook)
            if self._events_on is not None:
                self._events_on.undo.insert(0, hook(self._events_on.connect))

    def __del__(self) -> None:
        # libvirt's callbacks hold a connection: without this it would stay open for good.
        for lane in self._lanes:
            _let_go(lane)

    def close(self) -> None:
        """Drop the connections; a later call opens a new one."""
        for lane in tuple(self._lanes):
            self._drop(lane)

    # -- taking and giving back ----------------------------------------------------------------------------

    def _take(self, write: bool) -> _Lane:
        """A connection for the calling thread alone (the embedded driver's is for all threads at once)."""
        deadline = time.monotonic() + self.timeout
        while True:
            dead: list[_Lane] = []
            try:
                with self._changed:
                    lane = self._free(write, dead)
                    if lane is not None:
                        lane.busy = not lane.opened.embedded
                        return lane
                    attempt = self._begin(write)
                    if attempt is None:
                        left = deadline - time.monotonic()
                        if left <= 0 or not self._changed.wait(left):
                            raise DomainBusy(f"{_MOST} calls to {self.label} are waiting for their guests already")
                        continue
            finally:
                for lane in dead:
                    _let_go(lane)
            self._finish(attempt)

    def _free(self, write: bool, dead: list[_Lane]) -> _Lane | None:
        """A connection that nobody uses and that will do; those found dead are moved to `dead`."""
        for lane in tuple(self._lanes):
            if lane.busy or (write and not lane.opened.writable):
                continue
            if not _is_alive(lane.connect):
                self._lanes.remove(lane)
                if self._events_on is lane:
                    self._events_on = None
                dead.append(lane)
                continue
            self._hook_up(lane)
            return lane
        return None

    def _give_back(self, lane: _Lane) -> None:
        if lane.busy:
            with self._changed:
                lane.busy = False
                self._changed.notify()

    def _drop(self, lane: _Lane) -> None:
        with self._changed:
            if lane not in self._lanes:
                return
            self._lanes.remove(lane)
            if self._events_on is lane:
                self._events_on = None
            self._changed.notify_all()
        _let_go(lane)

    # -- opening -------------------------------------------------------------------------------------------

    def _begin(self, write: bool) -> Attempt | None:
        """The attempt at opening to wait for: the one under way, or a new one; None when enough are open.

        One that failed while nobody waited says nothing of now: it is begun anew.
        """
        if self._attempt is None or self._attempt.failed:
            if len(self._lanes) >= _MOST:
                return None
            eventloop.ensure()
            server = self.server
            self._attempt = Attempt(lambda: open_server(server, write))
        return self._attempt

    def _finish(self, attempt: Attempt) -> None:
        """Wait for an attempt that this thread or another began, and take what it brings into use."""
        try:
            opened = attempt.wait(self.timeout)
            if opened is None:
                # The attempt goes on; whoever calls next waits for it again instead of piling up more of them.
                raise ConnectionFailed(f"cannot connect to {self.label}: no answer within {self.timeout:g} s")
            with self._changed:
                if self._attempt is attempt:
                    self._attempt = None
                    self._take_into_use(opened)
        except libvirt.libvirtError as error:
            with self._changed:
                if self._attempt is attempt:
                    self._attempt = None
            told = translated(error)
            kind = ConnectionFailed if isinstance(told, ConnectionLost) else type(told)
            message = f"cannot connect to {self.label}: {told}"
            raise kind(message, code=told.code, domain=told.domain) from error

    def _take_into_use(self, opened: Opened) -> None:
        """Add a connection; called with the lock held."""
        lane = _Lane(opened)
        self._keepalive = self._set_keepalive(lane.connect)
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
        except libvirt.libvirtError as error:
            if classify(error) is not Unsupported:
                raise
            logger.debug("no close callback on %s: %s", self.label, error)
        self._uri = opened.uri
        self._lanes.append(lane)
        self._hook_up(lane)
        self._changed.notify_all()

    def _drop_closed(self, this: weakref.ref[libvirt.virConnect]) -> None:
        connect = this()
        for lane in tuple(self._lanes):
            if lane.connect is connect:
                self._drop(lane)

    def _hook_up(self, lane: _Lane) -> None:
        """Let the events come over this connection if they come over none; called with the lock held."""
        if self._events_on is None:
            self._events_on = lane
            lane.undo[:0] = [hook(lane.connect) for hook in self._hooks]

    def _set_keepalive(self, connect: libvirt.virConnect) -> bool:
        interval = max(1, int(self.timeout / 3))
        count = max(0, round(self.timeout / interval) - 1)
        try:
            return bool(connect.setKeepAlive(interval, count) == 0)
        except libvirt.libvirtError as error:
            if classify(error) is not Unsupported:
                raise
            logger.debug("no keepalive on %s: %s", self.label, error)  # an embedded driver cannot freeze
            return False


def _let_go(lane: _Lane) -> None:
    """Undo what was hooked to a connection: it closes with the last reference, which libvirt's callbacks hold."""
    undo, lane.undo = lane.undo, []
    for step in undo:
        try:
            step()
        except libvirt.libvirtError as error:
            logger.debug("letting go of %s: %s", lane.opened.uri, error)


def _is_alive(connect: libvirt.virConnect) -> bool:
    try:
        return bool(connect.isAlive())
    except libvirt.libvirtError as error:
        return classify(error) is Unsupported  # a driver that cannot tell
