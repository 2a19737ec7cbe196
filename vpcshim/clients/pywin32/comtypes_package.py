"""`comtypes` itself: the error, GUIDs, apartments."""

from __future__ import annotations

import sys

from vpcshim.clients.pywin32 import apartment
from vpcshim.clients.pywin32.comtypes_error import COMError
from vpcshim.clients.pywin32.pythoncom import (
    CLSCTX_INPROC,
    CLSCTX_INPROC_HANDLER,
    CLSCTX_INPROC_SERVER,
    CLSCTX_LOCAL_SERVER,
    CLSCTX_REMOTE_SERVER,
    COINIT_APARTMENTTHREADED,
    COINIT_DISABLE_OLE1DDE,
    COINIT_MULTITHREADED,
    COINIT_SPEED_OVER_MEMORY,
    CoInitialize,
    CoUninitialize,
)
from vpcshim.clients.pywin32.pywintypes import IID
from vpcshim.clients.pywin32.unserved import attribute

__all__ = [
    "CLSCTX_INPROC",
    "CLSCTX_INPROC_HANDLER",
    "CLSCTX_INPROC_SERVER",
    "CLSCTX_LOCAL_SERVER",
    "CLSCTX_REMOTE_SERVER",
    "COINIT_APARTMENTTHREADED",
    "COINIT_DISABLE_OLE1DDE",
    "COINIT_MULTITHREADED",
    "COINIT_SPEED_OVER_MEMORY",
    "GUID",
    "IID",
    "COMError",
    "CoInitialize",
    "CoInitializeEx",
    "CoUninitialize",
]

__getattr__ = attribute("comtypes")
GUID = IID
# Without CLSCTX_REMOTE_SERVER, which pywin32 counts in.
CLSCTX_SERVER, CLSCTX_ALL = 5, 7


def CoInitializeEx(flags: int | None = None) -> None:
    """As pythoncom's; by default as `sys.coinit_flags` says."""
    apartment.enter(getattr(sys, "coinit_flags", COINIT_APARTMENTTHREADED) if flags is None else flags)
