"""`pythoncom`: apartments (of which there is nothing to do here), the message pump, constants."""

from __future__ import annotations

import time
from typing import Any

from vpcshim.clients.pywin32 import events
from vpcshim.clients.pywin32.dynamic import CDispatch, Dispatch, wrapped
from vpcshim.clients.pywin32.pywintypes import IID, com_error
from vpcshim.clients.pywin32.session import current
from vpcshim.clients.pywin32.values import Empty, Missing, Nothing
from vpcshim.com.errors import ComError
from vpcshim.com.hresult import HRESULT

__all__ = ["IID", "Empty", "Missing", "Nothing", "com_error"]

ArgNotFound = Missing
error = ole_error = com_error

COINIT_MULTITHREADED, COINIT_APARTMENTTHREADED, COINIT_DISABLE_OLE1DDE, COINIT_SPEED_OVER_MEMORY = 0, 2, 4, 8
CLSCTX_INPROC_SERVER, CLSCTX_INPROC_HANDLER, CLSCTX_LOCAL_SERVER, CLSCTX_REMOTE_SERVER = 1, 2, 4, 16
CLSCTX_INPROC, CLSCTX_SERVER, CLSCTX_ALL = 3, 21, 23
DISPATCH_METHOD, DISPATCH_PROPERTYGET, DISPATCH_PROPERTYPUT, DISPATCH_PROPERTYPUTREF = 1, 2, 4, 8
INVOKE_FUNC, INVOKE_PROPERTYGET, INVOKE_PROPERTYPUT, INVOKE_PROPERTYPUTREF = 1, 2, 4, 8
DISPID_VALUE, DISPID_UNKNOWN, DISPID_PROPERTYPUT, DISPID_NEWENUM = 0, -1, -3, -4
RPC_C_AUTHN_LEVEL_DEFAULT, RPC_C_AUTHN_LEVEL_NONE, RPC_C_AUTHN_LEVEL_PKT_PRIVACY = 0, 1, 6
RPC_C_IMP_LEVEL_IDENTIFY, RPC_C_IMP_LEVEL_IMPERSONATE = 2, 3
EOAC_NONE = 0
IID_IUnknown = IID("{00000000-0000-0000-C000-000000000046}")
IID_IDispatch = IID("{00020400-0000-0000-C000-000000000046}")
IID_NULL = IID("{00000000-0000-0000-0000-000000000000}")
VT_EMPTY, VT_NULL, VT_I2, VT_I4, VT_R4, VT_R8, VT_CY, VT_DATE = range(8)
VT_BSTR, VT_DISPATCH, VT_ERROR, VT_BOOL, VT_VARIANT, VT_UNKNOWN, VT_DECIMAL = range(8, 15)
VT_I1, VT_UI1, VT_UI2, VT_UI4, VT_I8, VT_UI8, VT_INT, VT_UINT = range(16, 24)
VT_ARRAY, VT_BYREF = 0x2000, 0x4000
_WAIT = 0.1


def CoInitialize() -> None:
    """Nothing is to be done: our objects may be used from any thread."""


def CoInitializeEx(flags: int) -> None:
    """As `CoInitialize`."""


def CoUninitialize() -> None:
    """As `CoInitialize`."""


def CoInitializeSecurity(*_settings: Any) -> None:
    """Nothing is to be done: libvirt's connection has its own security."""


def PumpWaitingMessages(*_filters: int) -> int:
    """Hand the events that wait to the handlers, in this thread; 0 (nothing asked the program to end)."""
    events.pump()
    return 0


def PumpMessages() -> None:
    """Hand out events until the program is interrupted."""
    while True:
        if not events.pump():
            time.sleep(_WAIT)


def CoCreateInstance(clsid: Any, outer: Any, context: int, iid: Any) -> CDispatch:
    """The object of a CLSID or ProgID."""
    return Dispatch(str(clsid))


def CoCreateInstanceEx(clsid: Any, outer: Any, context: int, server: Any, iids: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same on a server; one object for each IID that is asked for."""
    session = current()
    machine = None if server is None else server[0]
    return (wrapped(session.create(str(clsid), machine), session, str(clsid)),) * len(iids)


def GetActiveObject(clsid: Any) -> CDispatch:
    """The running object of a class: the service's application."""
    return Dispatch(str(clsid))


def connect(progid: Any) -> CDispatch:
    """As `GetActiveObject`."""
    return Dispatch(str(progid))


def new(progid: Any) -> CDispatch:
    """A new object of a class."""
    return Dispatch(str(progid))


def MkParseDisplayName(name: str, *_context: Any) -> Any:
    """Refused: there are no monikers of these products."""
    raise ComError(int(HRESULT.E_INVALIDARG), f"no moniker is served here: {name!r}")


def CoMarshalInterThreadInterfaceInStream(iid: Any, obj: CDispatch) -> CDispatch:
    """The object itself: it may be used from any thread."""
    return obj


def CoGetInterfaceAndReleaseStream(stream: CDispatch, iid: Any) -> CDispatch:
    """The object that was put in."""
    return stream
