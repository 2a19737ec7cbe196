"""One kept connection to one libvirt server: opened lazily, read-only until something must be written.

It bounds every wait: an open that gets no answer is given up after `timeout` seconds, and keepalive ends a call
to a daemon that is frozen after about as long. A dead connection is dropped, and the next call opens a new one.
Threads may share it.

Sources: virConnectOpen, virConnectSetKeepAlive, virConnectRegisterCloseCallback (libvirt-host).
"""

from __future__ import annotations

import logging
import re
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import libvirt

from vpcshim.hypervisor import eventloop
from vpcshim.hypervisor.errors import ConnectionFailed, ConnectionLost, Unsupported, classify, translated

logger = logging.getLogger(__name__)

T = TypeVar("T")

DEFAULT_TIMEOUT = 6.0
# The attempt that is under way, one that may write, and one more should the daemon go away just then.
_OPENS_PER_CALL = 4
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[?[0-9A-Fa-f:]+\]?")


@dataclass(frozen=True)
class _Opened:
    connect: libvirt.virConnect
    writable: bool
    uri: str


class _Attempt:
    """One try at opening, in a thread of its own, because an open cannot be interrupted."""

    def __init__(self, opener: Callable[[], _Opened]) -> None:
        self._done = threading.Event()
        self._result: _Opened | None = None
        self._error: Exception | None = None
        self._opener = opener
        threading.Thread(target=self._run, name="vpcshim-open", daemon=True).start()

    def _run(self) -> None:
        try:
            self._result = self._opener()
        except Exception as error:  # noqa: BLE001 - handed to every thread that waits for this attempt
            self._error = error
        self._done.set()

    @property
    def failed(self) -> bool:
        """Whether it has ended without a connection."""
        return self._done.is_set() and self._error is not None

    def wait(self, timeout: float) -> _Opened | None:
        """The connection; None when there is none after `timeout` seconds; raises what the open raised."""
        if not self._done.wait(timeout):
            return None
        if self._error is not None:
            raise self._error
        return self._result


class _Calls(Generic[T]):
    """A few calls on one connection (a class of its own: this is on the path of every property read)."""

    __slots__ = ("_connect", "_of", "_owner")

    def __init__(
        self, owner: Connection, connect: libvirt.virConnect, of: Callable[[libvirt.virConnect], T]
    ) -> None:
        self._owner = owner
        self._connect = connect
        self._of = of

    def __enter__(self) -> T:
        try:
            return self._of(self._connect)
        except libvirt.libvirtError as error:
            raise self._owner._seen(error, self._connect) from error

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, libvirt.libvirtError):
            raise self._owner._seen(error, self._connect) from error


def _connect_itself(connect: libvirt.virConnect) -> libvirt.virConnect:
    return connect


class Connection:
    """A libvirt server as vpcshim talks to it.

    Args:
        server: A libvirt URI, an alias of libvirt.conf's `uri_aliases`, a host name (qemu+ssh to its system
            daemon), or None for libvirt's own default.
        timeout: After how many seconds (at least 1) a daemon that does not answer is given up.
    """

    def __init__(self, server: str | None = None, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self.server = server
        self.timeout = timeout
        self._lock = threading.Lock()
        self._connect: libvirt.virConnect | None = None
        self._writable = False
        self._uri: str | None = None
        self._attempt: _Attempt | None = None
        self._hooks: list[Callable[[libvirt.virConnect], Callable[[], None]]] = []
        self._unhook: list[Callable[[], None]] = []
        self._keepalive: bool | None = None
        if not timeout >= 1:
            raise ValueError(f"a timeout is at least 1 second, not {timeout:g}")

    # -- calls ---------------------------------------------------------------------------------------------

    def calls(self, *, write: bool = False) -> _Calls[libvirt.virConnect]:
        """The open connection for a few calls; libvirt's errors come out as `HypervisorError`.

        Raises:
            ConnectionFailed: It cannot be opened.
            ConnectionLost: It died under the calls.
            HypervisorError: Whatever else libvirt answered.
        """
        return _Calls(self, self._opened(write), _connect_itself)

    def domain(self, uuid: str, *, write: bool = False) -> _Calls[libvirt.virDomain]:
        """The domain's handle for a few calls (never kept: a handle keeps a closed connection half alive).

        Raises:
            DomainGone: There is no such domain.
            HypervisorError: As `calls`.
        """
        return _Calls(self, self._opened(write), lambda connect: connect.lookupByUUIDString(uuid))

    def call(self, function: Callable[[libvirt.virConnect], T], *, write: bool = False) -> T:
        """`function` of the open connection; raises as `calls`."""
        with self.calls(write=write) as connect:
            return function(connect)

    def _seen(self, error: libvirt.libvirtError, connect: libvirt.virConnect) -> Exception:
        """The error translated; a dead connection is dropped, so that the next call opens a new one."""
        told = translated(error)
        if isinstance(told, ConnectionLost):
            self._drop(connect)
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
        """Whether keepalive watches the open connection; None before one is open."""
        return self._keepalive

    @property
    def is_open(self) -> bool:
        """Whether a connection is open now."""
        return self._connect is not None

    @property
    def uri(self) -> str | None:
        """The URI of the open connection, aliases resolved; None before one was open."""
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
        """Whether the open connection may write."""
        return self._writable

    def on_open(self, hook: Callable[[libvirt.virConnect], Callable[[], None]]) -> None:
        """Call `hook` with every connection opened from now on; what it returns undoes it before closing."""
        with self._lock:
            self._hooks.append(hook)
            if self._connect is not None:
                self._unhook.append(hook(self._connect))

    def __del__(self) -> None:
        # libvirt's callbacks hold the connection: without this it would stay open for good.
        self._release()

    def close(self) -> None:
        """Drop the connection; a later call opens a new one."""
        connect = self._connect
        if connect is not None:
            self._drop(connect)

    # -- opening -------------------------------------------------------------------------------------------

    def _opened(self, write: bool) -> libvirt.virConnect:
        for _ in range(_OPENS_PER_CALL):
            connect = self._connect
            if connect is not None:
                if _is_alive(connect):
                    # An upgrade may have come in between: then this is not the connection that may write.
                    if not write or (self._writable and self._connect is connect):
                        return connect
                else:
                    self._drop(connect)
            attempt = self._begin(write)
            if attempt is not None:
                self._finish(attempt)
        raise ConnectionLost(f"the connection to {self.label} is lost again as soon as it is opened")

    def _begin(self, write: bool) -> _Attempt | None:
        """The attempt at opening to wait for: the one under way, or a new one.

        One that failed while nobody waited says nothing of now: it is begun anew. None where another thread has
        just brought a connection that will do: opening once more would replace it.
        """
        with self._lock:
            if self._connect is not None and (self._writable or not write):
                return None
            if self._attempt is None or self._attempt.failed:
                eventloop.ensure()
                server = self.server
                self._attempt = _Attempt(lambda: _open(server, write))
            return self._attempt

    def _finish(self, attempt: _Attempt) -> None:
        """Wait for an attempt that this thread or another began, and take what it brings into use."""
        try:
            opened = attempt.wait(self.timeout)
            if opened is None:
                # The attempt goes on; whoever calls next waits for it again instead of piling up more of them.
                raise ConnectionFailed(f"cannot connect to {self.label}: no answer within {self.timeout:g} s")
            with self._lock:
                if self._attempt is attempt:
                    self._attempt = None
                    self._take_into_use(opened)
        except libvirt.libvirtError as error:
            self._forget(attempt)
            told = translated(error)
            kind = ConnectionFailed if isinstance(told, ConnectionLost) else type(told)
            message = f"cannot connect to {self.label}: {told}"
            raise kind(message, code=told.code, domain=told.domain) from error

    def _forget(self, attempt: _Attempt) -> None:
        with self._lock:
            if self._attempt is attempt:
                self._attempt = None

    def _take_into_use(self, opened: _Opened) -> None:
        """Replace the present connection; called with the lock held."""
        self._release()
        connect = opened.connect
        self._keepalive = self._set_keepalive(connect)
        me = weakref.ref(self)

        def closed(dead: libvirt.virConnect, reason: int, _opaque: Any) -> None:
            connection = me()
            logger.info("libvirt closed the connection to %s (reason %d)", connection and connection.label, reason)
            if connection is not None:
                connection._drop(dead)

        try:
            connect.registerCloseCallback(closed, None)
        except libvirt.libvirtError as error:
            if classify(error) is not Unsupported:
                raise
            logger.debug("no close callback on %s: %s", self.label, error)
        self._connect, self._writable, self._uri = connect, opened.writable, opened.uri
        self._unhook = [hook(connect) for hook in self._hooks]

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

    def _drop(self, connect: libvirt.virConnect) -> None:
        with self._lock:
            if self._connect is connect:
                self._release()

    def _release(self) -> None:
        """Let go of the present connection; called with the lock held.

        It is not closed by hand: another thread may be inside a call on it. It closes when the last of them
        lets go, which the callbacks that libvirt holds must not prevent.
        """
        connect, self._connect, self._writable = self._connect, None, False
        unhook, self._unhook = self._unhook, []
        if connect is None:
            return
        for undo in [*unhook, connect.unregisterCloseCallback]:
            try:
                undo()
            except libvirt.libvirtError as error:
                logger.debug("letting go of a connection to %s: %s", self.label, error)


def _is_alive(connect: libvirt.virConnect) -> bool:
    try:
        return bool(connect.isAlive())
    except libvirt.libvirtError as error:
        return classify(error) is Unsupported  # a driver that cannot tell


def _open(server: str | None, write: bool) -> _Opened:
    """Open by URI or alias; a bare host name that is neither is its system daemon over ssh."""
    try:
        return _open_as(server, write)
    except libvirt.libvirtError as error:
        unknown = error.get_error_code() in (libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INTERNAL_ERROR)
        if server is None or not unknown or ":/" in server or _HOST_NAME.fullmatch(server) is None:
            raise
    host = f"[{server}]" if ":" in server and not server.startswith("[") else server
    return _open_as(f"qemu+ssh://{host}/system", write)


def _open_as(name: str | None, write: bool) -> _Opened:
    connect = libvirt.open(name) if write else libvirt.openReadOnly(name)
    uri = connect.getURI()
    if not write and uri.startswith("test:/"):
        # The driver is inside this process, and each open of test:///FILE makes a node of its own: one open
        # has to do for everything.
        return _open_as(name, True)
    return _Opened(connect, write, uri)
