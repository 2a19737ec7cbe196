"""Connecting handlers to the events of the model's objects, as pywin32's `WithEvents` does.

Source: the WithEvents, DispatchWithEvents and EventsProxy documentation of pywin32's win32com.client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vpcshim.com.declare import EventSink
from vpcshim.com.errors import Failure, com_error
from vpcshim.com.events import Connected, ConnectionPoint, Dispatching, Fired, Subscription, connected
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import ComObject
from vpcshim.model.base import MachineObject, ModelObject
from vpcshim.model.events.hub import Listener, hub_of
from vpcshim.model.events.interfaces import (
    DVDDriveEvents,
    FloppyDriveEvents,
    VirtualMachineEvents,
    VirtualPCEvents,
    VirtualServerEvents,
)
from vpcshim.model.events.tracker import Told

# The default source interface of each class that has one.
_SINKS: dict[str, type[EventSink]] = {
    "IVMVirtualMachine": VirtualMachineEvents,
    "IVMVirtualServer": VirtualServerEvents,
    "IVMVirtualPC": VirtualPCEvents,
    "IVMDVDDrive": DVDDriveEvents,
    "IVMFloppyDrive": FloppyDriveEvents,
}
# What all machines' events are called on the application, which names the machine first.
_OF_APPLICATION = {"OnStateChange": "OnVMStateChange", "OnHeartbeatStopped": "OnHeartbeatStopped"}


class Point:
    """Where the events of one object of the model are had.

    Attributes:
        sink: The interface of its events.
        product: The product whose interface it is.
    """

    def __init__(self, obj: ModelObject, sink: type[EventSink]) -> None:
        self.sink = sink
        self.product = obj._product_
        self._obj = obj
        self._served = {
            member.name
            for member in sink._names_.values()
            if member.known_to(self.product) and member.unavailable is None
        }

    def advise(self, subscription: Subscription) -> Callable[[], None]:
        """Put every event of the object into the subscription.

        Raises:
            ComError: The server cannot be reached, the machine is gone, or the hypervisor has no events.
        """
        media = self.sink in (DVDDriveEvents, FloppyDriveEvents)
        accept = self._accept_all
        uuid = None
        if isinstance(self._obj, MachineObject):
            uuid = self._obj._uuid
            accept = self._accept_media if media else self._accept
        values = "OnConfigurationChanged" in self._served
        return _advise(self._obj, Listener(subscription, accept, uuid, values=values, media=media))

    def _fired(self, name: str, *args: Any) -> Fired | None:
        return Fired(name, args) if name in self._served else None

    def _accept(self, told: Told) -> Fired | None:
        return self._fired(told.event, *told.args)

    def _accept_all(self, told: Told) -> Fired | None:
        return self._fired(_OF_APPLICATION.get(told.event, ""), told.machine, *told.args)

    def _accept_media(self, told: Told) -> Fired | None:
        if told.drive != getattr(self._obj, "_device", None) or not told.drive:
            return None
        return self._fired(told.event, *(self._obj._paths.to_script(path) for path in told.args))


def everything(
    application: ModelObject, wanted: Callable[[Told], bool]
) -> Callable[[Subscription], Callable[[], None]]:
    """For `Subscription.connect`: all that happens on a server and is wanted, each as `Fired(event, (Told,))`."""

    def accept(told: Told) -> Fired | None:
        return Fired(told.event, (told,)) if wanted(told) else None

    return lambda subscription: _advise(application, Listener(subscription, accept))


def _advise(obj: ModelObject, listener: Listener) -> Callable[[], None]:
    try:
        return hub_of(obj._server).advise(listener)
    except Failure as failure:
        raise com_error(failure, obj._source_) from failure.__cause__
    except Exception as error:
        raise com_error(obj._failure_(error), obj._source_) from error


def point_of(obj: ComObject) -> ConnectionPoint:
    """Where the events of an object are had.

    Raises:
        ComError: DISP_E_UNKNOWNINTERFACE, for one that has none.
        TypeError: It is no object of the model.
    """
    if not isinstance(obj, ComObject):
        raise TypeError(f"events are those of a machine, an application or a drive, not of {obj!r}")
    sink = _SINKS.get(obj._interface_) if isinstance(obj, ModelObject) else None
    if sink is None or not isinstance(obj, ModelObject):
        text = f"{obj._interface_} has no events; those have: {', '.join(sorted(_SINKS))}"
        raise com_error(Failure(HRESULT.DISP_E_UNKNOWNINTERFACE, text), obj._source_)
    return Point(obj, sink)


def WithEvents(obj: ComObject, handler: type, *, pump: bool = False) -> Any:
    """Connect a handler to an object's events, as pywin32's `WithEvents`.

    `handler` is a class; it is instantiated without arguments, and its methods that bear the events' names (in
    any case) are called: one at a time, in the order of the events, in a thread of the handler's own. One that
    raises is logged, and one that blocks holds up no other handler. They may use the model.

    Beside the interface's events there is `OnEventsLost(reason)`: the connection to the server was lost, and what
    happens until it is back is not told; then `OnStateChange` tells of every state that has become another one.
    The connection is opened again by itself.

    Args:
        obj: A machine, an application, a DVD or floppy drive.
        handler: The class.
        pump: Call the methods only when this thread calls `vpcshim.com.events.pump_waiting`, as a message loop.

    Returns:
        The instance. It is connected until its `close()` is called, the `with` block that it stands in ends, or
        nobody holds it any more.

    Raises:
        ComError: The object has no events, or they cannot be had now.
        TypeError: The handler is no class.
    """
    return connected(obj, point_of(obj), handler, Connected, pump=pump)


def DispatchWithEvents(obj: ComObject | str, handler: type, *, pump: bool = False) -> Any:
    """As `WithEvents`, and the instance is usable as the object as well, as pywin32's `DispatchWithEvents`.

    Args:
        obj: The object, or what `CreateObject` is given for an application: "VirtualServer.Application".
        handler: As `WithEvents`.
        pump: As `WithEvents`.
    """
    if isinstance(obj, str):
        from vpcshim.model.application import CreateObject

        obj = CreateObject(obj)
    return connected(obj, point_of(obj), handler, Dispatching, pump=pump)
