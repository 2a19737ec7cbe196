"""Events as pywin32 hands them out: to a class, in the thread that pumps its messages.

pywin32 puts `On` before an event's name, so that these products' `OnStateChange` calls `OnOnStateChange`; a handler
may have either.
"""

from __future__ import annotations

from typing import Any

from vpcshim.clients.pywin32.dynamic import CDispatch, Dispatch
from vpcshim.com.events import pump_waiting
from vpcshim.com.object import ComObject, find_member

_PREFIX = "onon"


def pump() -> int:
    """Hand what waits to the handlers of this thread; how many events that were."""
    return pump_waiting()


def WithEvents(disp: Any, user_event_class: type) -> Any:
    """An instance of the class that is told of the object's events whenever this thread pumps its messages."""
    from vpcshim.model.events.connect import WithEvents as connect

    return connect(Dispatch(disp)._comobject_, _adapted(user_event_class), pump=True)


def DispatchWithEvents(clsid: Any, user_event_class: type) -> Any:
    """The same, and usable as the object itself; what is assigned and is no member of the object is kept beside."""
    from vpcshim.model.events.connect import WithEvents as connect

    dispatched = Dispatch(clsid)
    adapted = _adapted(user_event_class)

    def __init__(self: Any) -> None:
        CDispatch.__init__(self, dispatched._comobject_, dispatched._session_, dispatched._username_)
        user_event_class.__init__(self)  # type: ignore[misc]  # what type() makes has no name to ask it of

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if name.startswith("_") or find_member(self._comobject_, name) is None:
            object.__setattr__(self, name, value)
        else:
            CDispatch.__setattr__(self, name, value)

    methods = {"__init__": __init__, "__setattr__": __setattr__}
    both = type(adapted.__name__, (adapted, CDispatch), methods)
    return connect(dispatched._comobject_, both, pump=True)


def getevents(clsid: Any) -> type | None:
    """Refused: there is no base class to derive handlers from; `WithEvents` takes any class."""
    raise NotImplementedError(f"getevents({clsid!r}): use WithEvents or DispatchWithEvents, which take any class")


def _adapted(handler: type) -> type:
    """The handler's class with each `OnOnStateChange` also under the event's own name, and objects wrapped."""
    if not isinstance(handler, type):
        raise TypeError(f"a handler is a class whose methods are called, not {handler!r}")
    methods: dict[str, Any] = {}
    for name in dir(handler):
        if name.lower().startswith("on"):
            shown = name[2:] if name.lower().startswith(_PREFIX) else name
            methods[shown] = _wrapping(getattr(handler, name))
    return type(handler.__name__, (handler,), methods)


def _wrapping(method: Any) -> Any:
    def call(self: Any, *args: Any) -> Any:
        return method(self, *(_as_script_object(value) for value in args))

    return call


def _as_script_object(value: Any) -> Any:
    return Dispatch(value) if isinstance(value, ComObject) else value


__all__ = ["CDispatch", "DispatchWithEvents", "WithEvents", "getevents", "pump"]
