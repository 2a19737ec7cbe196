"""`comtypes.client`, as far as it is the same."""

from __future__ import annotations

from typing import Any

from vpcshim.clients.pywin32.client import Constants, DispatchEx
from vpcshim.clients.pywin32.dynamic import CDispatch, Dispatch

Constants = Constants


def CreateObject(progid: Any, clsctx: Any = None, machine: str | None = None, **_named: Any) -> CDispatch:
    """The object of a class, on a machine."""
    return DispatchEx(progid, machine)


def GetActiveObject(progid: Any, **_named: Any) -> CDispatch:
    """The running object of a class."""
    return Dispatch(str(progid))
