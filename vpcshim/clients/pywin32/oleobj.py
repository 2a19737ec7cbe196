"""What pywin32 keeps of an object and gives as `_oleobj_`: its IDispatch, asked by DISPID."""

from __future__ import annotations

from typing import Any

from vpcshim.clients.calls import Use, member_by_id
from vpcshim.clients.pywin32.failing import as_com_error
from vpcshim.clients.pywin32.pywintypes import IID
from vpcshim.clients.pywin32.session import Session
from vpcshim.clients.pywin32.values import to_member, to_script
from vpcshim.com.dispatch import DispatchFlags, no_member
from vpcshim.com.errors import ComError, Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import ComObject

_IUNKNOWN = "{00000000-0000-0000-C000-000000000046}"
_IDISPATCH = "{00020400-0000-0000-C000-000000000046}"
_PUT = DispatchFlags.PROPERTYPUT | DispatchFlags.PROPERTYPUTREF


class PyIDispatch:
    """A pointer to the IDispatch of one of our objects; `Dispatch` makes of it what scripts use."""

    def __init__(self, obj: ComObject, session: Session) -> None:
        self._comobject_ = obj
        self._session_ = session

    def QueryInterface(self, iid: Any, useIID: Any = None) -> PyIDispatch:
        """The object itself, for IUnknown, IDispatch and its own interface.

        Raises:
            ComError: E_NOINTERFACE, for any other.
        """
        if IID(iid) not in (
            _IUNKNOWN,
            _IDISPATCH,
            self._comobject_._iids_.get(self._comobject_._product_, "").upper(),
        ):
            text = f"{self._comobject_._interface_} does not have the interface {iid}"
            raise ComError(int(HRESULT.E_NOINTERFACE), "No such interface supported", description=text)
        return self

    def GetIDsOfNames(self, *names: Any) -> Any:
        """The DISPID of a name, or a tuple of them for several; a number before them is the language's.

        Raises:
            ComError: DISP_E_UNKNOWNNAME.
        """
        asked = names[1:] if names and isinstance(names[0], int) else names
        ids = tuple(self._id(name) for name in asked)
        return ids[0] if len(ids) == 1 else ids

    def _id(self, name: str) -> int:
        found = self._session_.calls.find(self._comobject_, name)
        if found is None:
            text = f"{self._comobject_._interface_} has no member {name}"
            raise ComError(int(HRESULT.DISP_E_UNKNOWNNAME), "Unknown name.", description=text)
        return found.dispids[self._comobject_._product_]

    def Invoke(self, dispid: int, lcid: int, flags: int, wanted: int = 1, *args: Any) -> Any:
        """Read, call or assign the member with that DISPID; None where the caller does not want its value.

        Raises:
            ComError: DISP_E_MEMBERNOTFOUND, and whatever the member fails with.
        """
        member = member_by_id(self._comobject_, dispid)
        if member is None:
            raise self._raised(no_member(self._comobject_._interface_, dispid))
        use = Use.PUT if flags & _PUT else Use.GET if member.kind == "property" else Use.CALL
        if not flags & (_PUT | (DispatchFlags.PROPERTYGET if use is Use.GET else DispatchFlags.METHOD)):
            # Whoever reads all members, one by one, runs none of them.
            raise self._raised(Failure(HRESULT.DISP_E_MEMBERNOTFOUND, f"{member.name} is a {member.kind}"))
        given = tuple(to_member(value) for value in args)
        result = self._session_.calls.run(self._comobject_, member, use, given)
        if result.failure is not None:
            raise self._raised(result.failure)
        return to_script(result.value, lambda obj: PyIDispatch(obj, self._session_)) if wanted else None

    def InvokeTypes(self, dispid: int, lcid: int, flags: int, result: Any, types: Any, *args: Any) -> Any:
        """As `Invoke`: the types are known here."""
        return self.Invoke(dispid, lcid, flags, 1, *args)

    def _raised(self, failure: Failure) -> ComError:
        return as_com_error(failure, self._comobject_._source_)

    def __eq__(self, other: object) -> bool:
        return bool(self._comobject_ == getattr(other, "_comobject_", None))

    def __hash__(self) -> int:
        return hash(self._comobject_)

    def __repr__(self) -> str:
        return f"<PyIDispatch of {self._comobject_._interface_}>"
