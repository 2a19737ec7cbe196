"""`comtypes.client`, as far as it is the same: early-bound objects whose failures are `comtypes.COMError`."""

from __future__ import annotations

from typing import Any

from vpcshim.clients.pywin32 import constants
from vpcshim.clients.pywin32.dynamic import CDispatch, DispatchBaseClass
from vpcshim.clients.pywin32.session import current
from vpcshim.com.errors import ComError, Failure, text_of
from vpcshim.com.object import ComObject

__all__ = ["COMError", "Constants", "CreateObject", "GetActiveObject"]


class COMError(ComError):
    """A call failed, as comtypes tells it: under the member's own HRESULT.

    Attributes:
        hresult: The code.
        text: The system's text for it.
        details: (description, source, helpfile, helpcontext, progid).
    """

    def __init__(self, hresult: int, text: str | None = None, details: Any = None) -> None:
        super().__init__(hresult, text, description=details and details[0])
        self.text = text
        self.details = details
        self.args = (hresult, text, details)


class Constants(constants.Constants):
    """The constants; here they are made of an object."""

    def __init__(self, obj: Any) -> None:
        """Of an object of ours, or of whatever comtypes would find a type library by."""


class _Object(DispatchBaseClass):
    def _raised(self, failure: Failure) -> Exception:
        details = (failure.description, self._comobject_._source_, None, 0, None)
        error = COMError(int(failure.code), text_of(failure.code), details)
        error.__cause__ = failure.__cause__
        return error

    def _wrapped(self, obj: ComObject) -> CDispatch:
        return _Object(obj, self._session_)


def CreateObject(progid: Any, clsctx: Any = None, machine: str | None = None, **_named: Any) -> CDispatch:
    """The object of a class, on a machine."""
    session = current()
    return _Object(session.create(str(progid), machine), session, str(progid))


def GetActiveObject(progid: Any, **_named: Any) -> CDispatch:
    """The running object of a class."""
    return CreateObject(progid)
