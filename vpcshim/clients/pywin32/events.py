"""Events as pywin32 hands them out: to a class, in the thread that pumps its messages (see `apartment`).

Its methods bear the events' names, as `OnStateChange`: pywin32 puts `On` only before names that do not begin so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vpcshim.clients.pywin32 import apartment
from vpcshim.clients.pywin32.dynamic import DispatchBaseClass, generated
from vpcshim.clients.pywin32.pywintypes import IID
from vpcshim.clients.pywin32.values import told
from vpcshim.com.events import (
    EVENTS_LOST,
    Connected,
    ConnectionPoint,
    Fired,
    Subscription,
    connected,
    pump_waiting,
)
from vpcshim.com.member import Member
from vpcshim.com.object import ComObject, find_member


def pump(timeout: float = 0.0) -> int:
    """Hand what waits to the handlers of this thread; how many events that were.

    Args:
        timeout: How long to wait for a first event, in seconds.
    """
    return pump_waiting(timeout)


def WithEvents(disp: Any, user_event_class: type) -> Any:
    """An instance of the class that is told of the object's events whenever this thread pumps its messages.

    It is connected until its `close()` is called, whether or not the script holds it.
    """
    dispatched = generated(disp)
    sink = _connect(dispatched._comobject_, user_event_class)
    dispatched._session_.hold(sink)
    return sink


def DispatchWithEvents(clsid: Any, user_event_class: type) -> Any:
    """The same, and usable as the object itself; what is assigned and cannot be set there is kept beside.

    It is connected until its `close()` is called or the script holds it no more.
    """
    if not isinstance(user_event_class, type):
        raise TypeError(f"a handler is a class whose methods are called, not {user_event_class!r}")
    dispatched = generated(clsid)

    def __init__(self: Any) -> None:
        DispatchBaseClass.__init__(self, dispatched._comobject_, dispatched._session_, dispatched._username_)
        user_event_class.__init__(self)  # type: ignore[misc]  # what type() makes has no name to ask it of

    def __setattr__(self: Any, name: str, value: Any) -> None:
        member = None if name.startswith("_") else find_member(self._comobject_, name)
        if member is None or member.putter is None:
            object.__setattr__(self, name, value)
        else:
            DispatchBaseClass.__setattr__(self, name, value)

    methods = {"__init__": __init__, "__setattr__": __setattr__}
    both = type(user_event_class.__name__, (user_event_class, EventsProxy, DispatchBaseClass), methods)
    return _connect(dispatched._comobject_, both)


class EventsProxy:
    """What `DispatchWithEvents` returns is one."""


class _Events:
    """The base of handlers that connect themselves."""

    _connected_: Connected | None = None

    def __init__(self, oobj: Any = None) -> None:
        """Be told of the events of an object; of none where there is none."""
        if oobj is None:
            return
        dispatched = generated(oobj)
        connected = forwarding(dispatched._comobject_, type(self).__name__, lambda name: getattr(self, name, None))
        self._connected_ = connected
        # With it, this is kept as well.
        dispatched._session_.hold(connected)

    def close(self) -> None:
        """Be told of nothing more."""
        if self._connected_ is not None:
            self._connected_.close()


def getevents(clsid: Any) -> type[_Events]:
    """A class to derive handlers from: an instance made with an object is told of the object's events.

    It is connected until its `close()` is called, whether or not the script holds it.

    Raises:
        ComError: CO_E_CLASSSTRING, for a ProgID that is not one of ours.
    """
    IID(clsid)
    return _Events


Handler = Callable[..., Any]


def forwarding(
    obj: ComObject, label: str, handler: Callable[[str], Handler | None], value: Callable[[Any], Any] = told
) -> Connected:
    """A connection to an object's events: of each, the handler of its name is called if there is one.

    Args:
        obj: The object.
        label: Whose handlers they are.
        handler: The handler of an event.
        value: An argument as the handlers have it.

    Raises:
        ComError: The object has no events, or they cannot be had now.
    """
    found = {name: one for name in (*events_of(obj), EVENTS_LOST) if (one := handler(name)) is not None}
    made: Connected = _connect(obj, type(label, (), {name: _method(one) for name, one in found.items()}), value)
    return made


def events_of(obj: ComObject) -> dict[str, Member]:
    """The events that an object's product declares for it, by name; raises ComError for an object that has none."""
    from vpcshim.model.events.connect import point_of

    point = point_of(obj)
    return {member.name: member for member in point.sink._names_.values() if member.known_to(point.product)}


def _method(handler: Handler) -> Handler:
    return lambda _self, *args: handler(*args)


def _connect(obj: ComObject, handler: type, value: Callable[[Any], Any] = told) -> Any:
    from vpcshim.model.events.connect import point_of

    point = _Plainly(point_of(obj), value)
    return connected(obj, point, handler, Connected, pump=not apartment.multithreaded())


class _Plainly:
    """A connection point whose events have arguments as a client's language has them."""

    def __init__(self, point: ConnectionPoint, value: Callable[[Any], Any]) -> None:
        self.sink = point.sink
        self.product = point.product
        self._point = point
        self._value = value

    def advise(self, subscription: Subscription) -> Callable[[], None]:
        """As the point itself."""
        return self._point.advise(_Converting(subscription, self._value))


class _Converting(Subscription):
    """Puts what it is given into another subscription; nothing is delivered from it."""

    def __init__(self, into: Subscription, value: Callable[[Any], Any]) -> None:
        super().__init__(lambda fired: None, into.label, pump=True)
        self._into = into
        self._value = value

    def put(self, fired: Fired) -> None:
        """Queue an event there."""
        self._into.put(Fired(fired.name, tuple(map(self._value, fired.args))))
