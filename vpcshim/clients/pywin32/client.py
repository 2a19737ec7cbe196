"""`win32com.client`."""

from __future__ import annotations

from typing import Any

from vpcshim.clients.pywin32 import dynamic, gencache, pythoncom, pywintypes
from vpcshim.clients.pywin32.constants import Constants, constants
from vpcshim.clients.pywin32.dynamic import CDispatch, DispatchBaseClass
from vpcshim.clients.pywin32.dynamic import dispatch as Dispatch
from vpcshim.clients.pywin32.events import DispatchWithEvents, EventsProxy, WithEvents, getevents
from vpcshim.clients.pywin32.unserved import attribute
from vpcshim.clients.pywin32.values import VARIANT

__all__ = [
    "VARIANT",
    "CDispatch",
    "CastTo",
    "Constants",
    "Dispatch",
    "DispatchBaseClass",
    "DispatchEx",
    "DispatchWithEvents",
    "EventsProxy",
    "GetActiveObject",
    "GetObject",
    "Moniker",
    "WithEvents",
    "constants",
    "dynamic",
    "gencache",
    "getevents",
    "pythoncom",
    "pywintypes",
]
__getattr__ = attribute("win32com.client")


def DispatchEx(
    clsid: Any, machine: str | None = None, userName: str | None = None, *_ignored: Any, **_named: Any
) -> CDispatch:
    """The object of a class on a machine: a libvirt URI, an alias, or a host name."""
    server = None if machine is None else (machine,)
    made = pythoncom.CoCreateInstanceEx(clsid, None, 0, server, (pythoncom.IID_IDispatch,))[0]
    return Dispatch(made, userName or str(clsid))


def GetObject(Pathname: str | None = None, Class: Any = None, clsctx: int | None = None) -> CDispatch:
    """The running object of a class."""
    if (Pathname is None) == (Class is None):
        raise ValueError("You must specify a value for Pathname or Class, but not both.")
    return GetActiveObject(Class) if Class is not None else Moniker(str(Pathname))


def GetActiveObject(Class: Any, clsctx: int | None = None) -> CDispatch:
    """The running object of a class."""
    return Dispatch(str(Class))


def Moniker(Pathname: str, clsctx: int | None = None) -> CDispatch:
    """Refused: there are no monikers of these products."""
    refused: CDispatch = pythoncom.MkParseDisplayName(Pathname)
    return refused


def CastTo(ob: CDispatch, target: str, typelib: Any = None) -> CDispatch:
    """The object itself, when it has that interface; ValueError when not."""
    if target not in (ob._comobject_._interface_, f"{ob._comobject_._interface_}2"):
        raise ValueError(f"The object {ob!r} has the interface {ob._comobject_._interface_}, not {target!r}")
    return gencache.EnsureDispatch(ob)
