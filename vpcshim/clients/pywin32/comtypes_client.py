"""`comtypes.client`, as far as it is the same: early-bound objects whose failures are `comtypes.COMError`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from vpcshim.clients.pywin32 import constants, events, gencache
from vpcshim.clients.pywin32.comtypes_error import COMError, NotCreated, as_comtypes_error
from vpcshim.clients.pywin32.dynamic import CDispatch, DispatchBaseClass
from vpcshim.clients.pywin32.session import current
from vpcshim.clients.pywin32.unserved import attribute
from vpcshim.clients.pywin32.values import told
from vpcshim.com.errors import ComError, Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Member
from vpcshim.com.object import ComObject

__all__ = [
    "COMError",
    "Constants",
    "CreateObject",
    "GetActiveObject",
    "GetBestInterface",
    "GetEvents",
    "GetModule",
    "PumpEvents",
    "ShowEvents",
    "wrap",
]

__getattr__ = attribute("comtypes.client")
_DAY_0 = datetime(1899, 12, 30, tzinfo=timezone.utc)
_SECONDS = 86400.0
_TURN = 0.1  # seconds


class Constants(constants.Constants):
    """The constants; here they are made of an object."""

    def __init__(self, obj: Any) -> None:
        """Of an object of ours, or of whatever comtypes would find a type library by."""


class _Object(DispatchBaseClass):
    def _raised(self, failure: Failure) -> Exception:
        return as_comtypes_error(failure, self._comobject_._source_)

    def _wrapped(self, obj: ComObject) -> CDispatch:
        return _Object(obj, self._session_)

    def _value(self, result: Any) -> Any:
        value = super()._value(result)
        if isinstance(value, datetime):  # to comtypes a VT_DATE is a double: days, of which day 0 began 1899-12-30
            return (value - _DAY_0).total_seconds() / _SECONDS
        return _told(value)

    def _bound(self, member: Member) -> Any:
        call = super()._bound(member)
        return _Named(call) if member.kind == "property" else call

    def __getitem__(self, index: Any) -> Any:
        """`Item` at that index; IndexError where there is none."""
        try:
            return self._item(index)
        except COMError as error:
            if error.hresult != HRESULT.DISP_E_BADINDEX:
                raise
            raise IndexError(error.description) from error

    def QueryInterface(self, interface: Any, iid: Any = None) -> CDispatch:
        """The object itself: it has one interface."""
        return self


def _told(value: Any) -> Any:
    """A value, or an argument of an event: bytes are a tuple of numbers to comtypes."""
    return tuple(told(value)) if isinstance(value, bytes | memoryview) else told(value)


class _Named:
    """A property with arguments: called, or `Item[1]`."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._call(*args, **named)

    def __getitem__(self, index: Any) -> Any:
        return self._call(*index) if isinstance(index, tuple) else self._call(index)


def CreateObject(
    progid: Any,
    clsctx: Any = None,
    machine: str | None = None,
    interface: Any = None,
    dynamic: bool = False,
    pServerInfo: Any = None,
) -> CDispatch:
    """The object of a class, on a machine; it has one interface, whichever is asked for.

    Raises:
        NotImplementedError: The machine is named by a COSERVERINFO.
        OSError: There is no such class, or no such server; as comtypes, and a COMError too.
    """
    if pServerInfo is not None:
        raise NotImplementedError("a COSERVERINFO is not served here: name the machine by machine=")
    session = current()
    try:
        return _Object(session.create(str(progid), machine), session, str(progid))
    except ComError as error:
        raise NotCreated(error.hresult, error.strerror, error.description) from error.__cause__


def GetActiveObject(progid: Any, interface: Any = None, dynamic: bool = False) -> CDispatch:
    """The running object of a class."""
    return CreateObject(progid)


def GetBestInterface(punk: Any) -> Any:
    """The object itself: it has one interface."""
    return punk


wrap = GetBestInterface


def GetModule(tlib: Any) -> constants.Generated:
    """The module of one of our type libraries, given as (LIBID, major, minor); com_error for any other."""
    return gencache.EnsureModule(tlib[0] if isinstance(tlib, list | tuple) else tlib)


class _Connection:
    """A sink that is connected, until it is disconnected or the script holds it no more."""

    def __init__(self, source: Any, label: str, handler: Callable[[str], events.Handler | None]) -> None:
        try:
            self._connected = events.forwarding(source._comobject_, label, handler, _told)
        except ComError as error:
            details = (error.description, source._comobject_._source_, None, 0, None)
            raise COMError(error.scode, error.strerror, details) from error.__cause__

    def disconnect(self) -> None:
        """Tell the sink of nothing more."""
        self._connected.close()


def GetEvents(source: Any, sink: Any, interface: Any = None) -> _Connection:
    """Have the sink's methods called for the object's events, whenever this thread is in `PumpEvents`.

    They bear the events' names, as `OnStateChange` or `IVMVirtualMachineEvents_OnStateChange`. A method whose
    second parameter is called `this` is given None for it.

    Returns:
        The connection: it ends when `disconnect()` is called, or the script holds it no more.

    Raises:
        COMError: The object has no events, or they cannot be had now.
    """
    prefix = f"{source._comobject_._interface_}Events_"

    def handler(name: str) -> events.Handler | None:
        found = getattr(sink, f"{prefix}{name}", None) or getattr(sink, name, None)
        return None if found is None else _without_this(found)

    return _Connection(source, type(sink).__name__, handler)


def _without_this(method: events.Handler) -> events.Handler:
    code = getattr(getattr(method, "__func__", method), "__code__", None)
    if code is None or code.co_varnames[1:2] != ("this",) or code.co_argcount < 2:
        return method
    return lambda *args: method(None, *args)


def ShowEvents(source: Any, interface: Any = None) -> _Connection:
    """Print the names of the events that the object has, and each of them when it comes.

    Returns:
        The connection, as `GetEvents`.
    """
    served = [name for name, event in events.events_of(source._comobject_).items() if event.unavailable is None]

    def handler(name: str) -> events.Handler | None:
        if name not in served:
            return None
        print("# event found:", name)
        return lambda *args: print(f"Event {name}({', '.join(map(repr, (None, *args)))})")

    return _Connection(source, "ShowEvents", handler)


def PumpEvents(timeout: float) -> None:
    """Hand out events in this thread for that many seconds; a negative number: until the program is interrupted."""
    end = time.monotonic() + timeout if timeout >= 0 else float("inf")
    while True:
        left = end - time.monotonic()
        events.pump(max(0.0, min(left, _TURN)))
        if left <= 0:
            return
