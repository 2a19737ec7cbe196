"""`winerror`: the codes by name, HRESULTs as signed numbers."""

from __future__ import annotations

from vpcshim.com.hresult import HRESULT

S_OK = NOERROR = NO_ERROR = ERROR_SUCCESS = 0
S_FALSE = 1
# Of Windows' own codes, those that scripts of COM objects compare with.
ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND, ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE = 2, 3, 5, 6
ERROR_NOT_READY, ERROR_SHARING_VIOLATION, ERROR_BAD_NETPATH, ERROR_FILE_EXISTS = 21, 32, 53, 80
ERROR_INVALID_PARAMETER, ERROR_DISK_FULL, ERROR_INVALID_NAME, ERROR_ALREADY_EXISTS = 87, 112, 123, 183
ERROR_SERVICE_DOES_NOT_EXIST, ERROR_SERVICE_NOT_ACTIVE = 1060, 1062
ERROR_LOGON_FAILURE, ERROR_TIMEOUT = 1326, 1460
# As an HRESULT it is 0x800706BA, what `Dispatch` fails with.
RPC_S_SERVER_UNAVAILABLE, RPC_S_SERVER_TOO_BUSY, RPC_S_CALL_FAILED = 1722, 1723, 1726
FACILITY_NULL, FACILITY_RPC, FACILITY_DISPATCH, FACILITY_STORAGE, FACILITY_ITF, FACILITY_WIN32 = 0, 1, 2, 3, 4, 7

# COM's own, which our objects never answer.
_UNANSWERED = {
    "E_PENDING": 0x8000000A,
    "RPC_E_CALL_REJECTED": 0x80010001,
    "RPC_E_SERVER_DIED": 0x80010007,
    "RPC_E_SERVER_DIED_DNE": 0x80010012,
    "RPC_E_SERVERFAULT": 0x80010105,
    "RPC_E_CHANGED_MODE": 0x80010106,
    "RPC_E_DISCONNECTED": 0x80010108,
    "RPC_E_SERVERCALL_RETRYLATER": 0x8001010A,
    "RPC_E_CANTCALLOUT_ININPUTSYNCCALL": 0x8001010D,
    "RPC_E_WRONG_THREAD": 0x8001010E,
    "RPC_E_TOO_LATE": 0x80010119,
    "RPC_E_ACCESS_DENIED": 0x8001011B,
    "RPC_E_TIMEOUT": 0x8001011F,
    "DISP_E_UNKNOWNLCID": 0x8002000C,
    "DISP_E_ARRAYISLOCKED": 0x8002000D,
    "DISP_E_BADCALLEE": 0x80020010,
    "DISP_E_NOTACOLLECTION": 0x80020011,
    "DISP_E_DIVBYZERO": 0x80020012,
    "TYPE_E_LIBNOTREGISTERED": 0x8002801D,
    "TYPE_E_ELEMENTNOTFOUND": 0x8002802B,
    "TYPE_E_CANTLOADLIBRARY": 0x80029C4A,
    "CLASS_E_NOAGGREGATION": 0x80040110,
    "REGDB_E_CLASSNOTREG": 0x80040154,
    "REGDB_E_IIDNOTREG": 0x80040155,
    "MK_E_UNAVAILABLE": 0x800401E3,
    "MK_E_SYNTAX": 0x800401E4,
    "CO_E_NOTINITIALIZED": 0x800401F0,
    "CO_E_APPNOTFOUND": 0x800401F5,
    "CO_E_OBJNOTCONNECTED": 0x800401FD,
    "CO_E_SERVER_EXEC_FAILURE": 0x80080005,
    "CO_E_SERVER_STOPPING": 0x80080008,
}


def SUCCEEDED(hresult: int) -> bool:
    """Whether a code is a success."""
    return hresult >= 0


def FAILED(hresult: int) -> bool:
    """Whether a code is a failure."""
    return hresult < 0


def HRESULT_CODE(hresult: int) -> int:
    """The code within its facility."""
    return hresult & 0xFFFF


def HRESULT_FACILITY(hresult: int) -> int:
    """Whose code it is, one of `FACILITY_...`."""
    return hresult >> 16 & 0x1FFF


def HRESULT_FROM_WIN32(code: int) -> int:
    """A code of Windows' own as an HRESULT; a number that is none above 0 is one already."""
    return code if code <= 0 else _signed(0x8000_0000 | FACILITY_WIN32 << 16 | code & 0xFFFF)


def _signed(code: int) -> int:
    return code - 0x1_0000_0000


def __getattr__(name: str) -> int:
    if name in _UNANSWERED:
        return _signed(_UNANSWERED[name])
    try:
        return int(HRESULT[name])
    except KeyError:
        raise AttributeError(f"module 'winerror' has no {name!r} here") from None
