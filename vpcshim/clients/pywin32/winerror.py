"""`winerror`: the HRESULTs by name, as signed numbers."""

from __future__ import annotations

from vpcshim.com.hresult import HRESULT

S_OK = 0
S_FALSE = 1


def SUCCEEDED(hresult: int) -> bool:
    """Whether a code is a success."""
    return hresult >= 0


def FAILED(hresult: int) -> bool:
    """Whether a code is a failure."""
    return hresult < 0


def HRESULT_CODE(hresult: int) -> int:
    """The code within its facility."""
    return hresult & 0xFFFF


def __getattr__(name: str) -> int:
    try:
        return int(HRESULT[name])
    except KeyError:
        raise AttributeError(f"module 'winerror' has no attribute {name!r} here") from None
