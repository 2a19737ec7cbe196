"""`pythoncom`: apartments, the message pump, constants."""

from __future__ import annotations

import uuid
from typing import Any

from vpcshim.clients.pywin32 import apartment, events, pywintypes
from vpcshim.clients.pywin32.apartment import COINIT_APARTMENTTHREADED, COINIT_MULTITHREADED
from vpcshim.clients.pywin32.oleobj import PyIDispatch
from vpcshim.clients.pywin32.pywintypes import IID, com_error
from vpcshim.clients.pywin32.session import current
from vpcshim.clients.pywin32.unserved import attribute
from vpcshim.clients.pywin32.values import Empty, Missing, Nothing
from vpcshim.com.errors import ComError, text_of
from vpcshim.com.hresult import HRESULT

__all__ = [
    "COINIT_APARTMENTTHREADED",
    "COINIT_MULTITHREADED",
    "IID",
    "Empty",
    "Missing",
    "Nothing",
    "com_error",
    "pywintypes",
]

__getattr__ = attribute("pythoncom")
ArgNotFound = Missing
error = ole_error = com_error

COINIT_DISABLE_OLE1DDE, COINIT_SPEED_OVER_MEMORY = 4, 8
CLSCTX_INPROC_SERVER, CLSCTX_INPROC_HANDLER, CLSCTX_LOCAL_SERVER, CLSCTX_REMOTE_SERVER = 1, 2, 4, 16
CLSCTX_INPROC, CLSCTX_SERVER, CLSCTX_ALL = 3, 21, 23
DISPATCH_METHOD, DISPATCH_PROPERTYGET, DISPATCH_PROPERTYPUT, DISPATCH_PROPERTYPUTREF = 1, 2, 4, 8
INVOKE_FUNC, INVOKE_PROPERTYGET, INVOKE_PROPERTYPUT, INVOKE_PROPERTYPUTREF = 1, 2, 4, 8
DISPID_VALUE, DISPID_UNKNOWN, DISPID_PROPERTYPUT, DISPID_NEWENUM = 0, -1, -3, -4
# What CoInitializeSecurity is given.
RPC_C_AUTHN_LEVEL_DEFAULT, RPC_C_AUTHN_LEVEL_NONE, RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_CALL = range(4)
RPC_C_AUTHN_LEVEL_PKT, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, RPC_C_AUTHN_LEVEL_PKT_PRIVACY = 4, 5, 6
RPC_C_IMP_LEVEL_DEFAULT, RPC_C_IMP_LEVEL_ANONYMOUS, RPC_C_IMP_LEVEL_IDENTIFY = 0, 1, 2
RPC_C_IMP_LEVEL_IMPERSONATE, RPC_C_IMP_LEVEL_DELEGATE = 3, 4
RPC_C_AUTHN_NONE, RPC_C_AUTHN_GSS_NEGOTIATE, RPC_C_AUTHN_WINNT, RPC_C_AUTHN_GSS_KERBEROS = 0, 9, 10, 16
RPC_C_AUTHN_DEFAULT = RPC_C_AUTHZ_DEFAULT = -1
RPC_C_AUTHZ_NONE, RPC_C_AUTHZ_NAME, RPC_C_AUTHZ_DCE = 0, 1, 2
EOAC_NONE, EOAC_MUTUAL_AUTH, EOAC_SECURE_REFS, EOAC_ACCESS_CONTROL = 0, 1, 2, 4
EOAC_STATIC_CLOAKING, EOAC_DYNAMIC_CLOAKING, EOAC_DEFAULT = 0x20, 0x40, 0x800
IID_IUnknown = IID("{00000000-0000-0000-C000-000000000046}")
IID_IDispatch = IID("{00020400-0000-0000-C000-000000000046}")
IID_NULL = IID("{00000000-0000-0000-0000-000000000000}")
TypeIIDs = {IID_IUnknown: PyIDispatch, IID_IDispatch: PyIDispatch}
VT_EMPTY, VT_NULL, VT_I2, VT_I4, VT_R4, VT_R8, VT_CY, VT_DATE = range(8)
VT_BSTR, VT_DISPATCH, VT_ERROR, VT_BOOL, VT_VARIANT, VT_UNKNOWN, VT_DECIMAL = range(8, 15)
VT_I1, VT_UI1, VT_UI2, VT_UI4, VT_I8, VT_UI8, VT_INT, VT_UINT = range(16, 24)
VT_ARRAY, VT_BYREF = 0x2000, 0x4000
_WAIT = 0.1  # seconds


def CoInitialize() -> None:
    """This thread pumps its messages itself; our objects may be used from any."""
    apartment.enter(COINIT_APARTMENTTHREADED)


def CoInitializeEx(flags: int) -> None:
    """With COINIT_MULTITHREADED, the handlers that this thread connects are called without its pumping."""
    apartment.enter(flags)


def CoUninitialize() -> None:
    """Nothing is to be done."""


OleInitialize = CoInitialize


def CoInitializeSecurity(*_settings: Any) -> None:
    """Nothing is to be done: libvirt's connection has its own security."""


def PumpWaitingMessages(*_filters: int) -> int:
    """Hand the events that wait to the handlers, in this thread; 0 (nothing asked the program to end)."""
    events.pump()
    return 0


def PumpMessages() -> None:
    """Hand out events until the program is interrupted."""
    while True:
        events.pump(_WAIT)


def CoCreateInstance(clsid: Any, outer: Any, context: int, iid: Any) -> PyIDispatch:
    """The object of a CLSID or ProgID."""
    return _made(clsid, None)


def CoCreateInstanceEx(clsid: Any, outer: Any, context: int, server: Any, iids: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same on a server; one object for each IID that is asked for."""
    return (_made(clsid, None if server is None else server[0]),) * len(iids)


def _made(clsid: Any, server: str | None) -> PyIDispatch:
    session = current()
    return PyIDispatch(session.create(str(clsid), server), session)


def GetActiveObject(clsid: Any) -> PyIDispatch:
    """The running object of a class: the service's application."""
    return _made(clsid, None)


# Both connect to the service.
connect = Connect = new = New = GetActiveObject


def MkParseDisplayName(name: str, *_context: Any) -> Any:
    """Refused: there are no monikers of these products."""
    raise ComError(int(HRESULT.E_INVALIDARG), f"no moniker is served here: {name!r}; name a class")


def CoMarshalInterThreadInterfaceInStream(iid: Any, obj: Any) -> Any:
    """The object itself: it may be used from any thread."""
    return obj


def CoGetInterfaceAndReleaseStream(stream: Any, iid: Any) -> Any:
    """The object that was put in."""
    return stream


def CreateGuid() -> IID:
    """A new GUID."""
    return IID(uuid.uuid4())


MakeIID, MakeTime = IID, pywintypes.Time


def GetScodeString(scode: int) -> str:
    """The system's text for an HRESULT, or its number."""
    try:
        return text_of(HRESULT(scode))
    except ValueError:
        return f"OLE error 0x{scode & 0xFFFF_FFFF:08x}"
