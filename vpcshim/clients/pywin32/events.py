"""Events as pywin32 hands them out: to a class, in the thread that pumps its messages.

Its methods bear the events' names, as `OnStateChange`: pywin32 puts `On` only before names that do not begin so.
"""

from __future__ import annotations

from typing import Any

from vpcshim.clients.pywin32.dynamic import DispatchBaseClass, generated
from vpcshim.com.events import pump_waiting
from vpcshim.com.object import find_member


def pump() -> int:
    """Hand what waits to the handlers of this thread; how many events that were."""
    return pump_waiting()


def WithEvents(disp: Any, user_event_class: type) -> Any:
    """An instance of the class that is told of the object's events whenever this thread pumps its messages.

    It is connected until its `close()` is called, whether or not the script holds it.
    """
    from vpcshim.model.events.connect import WithEvents as connect

    dispatched = generated(disp)
    sink = connect(dispatched._comobject_, user_event_class, pump=True)
    dispatched._session_.hold(sink)
    return sink


def DispatchWithEvents(clsid: Any, user_event_class: type) -> Any:
    """The same, and usable as the object itself; what is assigned and is no member of the object is kept beside.

    It is connected until its `close()` is called or the script holds it no more.
    """
    from vpcshim.model.events.connect import WithEvents as connect

    if not isinstance(user_event_class, type):
        raise TypeError(f"a handler is a class whose methods are called, not {user_event_class!r}")
    dispatched = generated(clsid)

    def __init__(self: Any) -> None:
        DispatchBaseClass.__init__(self, dispatched._comobject_, dispatched._session_, dispatched._username_)
        user_event_class.__init__(self)  # type: ignore[misc]  # what type() makes has no name to ask it of

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if name.startswith("_") or find_member(self._comobject_, name) is None:
            object.__setattr__(self, name, value)
        else:
            DispatchBaseClass.__setattr__(self, name, value)

    methods = {"__init__": __init__, "__setattr__": __setattr__}
    both = type(user_event_class.__name__, (user_event_class, DispatchBaseClass), methods)
    return connect(dispatched._comobject_, both, pump=True)


def getevents(clsid: Any) -> type | None:
    """Refused: there is no base class to derive handlers from; `WithEvents` takes any class."""
    raise NotImplementedError(f"getevents({clsid!r}): use WithEvents or DispatchWithEvents, which take any class")
