"""`win32com.client.dynamic`: the object that a script holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from vpcshim.clients.calls import Result, Use, default_member, member_by_id
from vpcshim.clients.pywin32.failing import as_com_error
from vpcshim.clients.pywin32.oleobj import PyIDispatch
from vpcshim.clients.pywin32.session import Session, current
from vpcshim.clients.pywin32.values import to_member, to_script
from vpcshim.com.dispatch import DISPID_NEWENUM
from vpcshim.com.errors import ComError, Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Member
from vpcshim.com.object import ComObject, find_member

# What asking an object for its default member fails with where it has none to be asked for without arguments.
_NOT_SO = frozenset(
    (
        HRESULT.DISP_E_MEMBERNOTFOUND,
        HRESULT.DISP_E_BADPARAMCOUNT,
        HRESULT.DISP_E_PARAMNOTOPTIONAL,
        HRESULT.DISP_E_TYPEMISMATCH,
    )
)


class CDispatch:
    """One of our objects as a script of pywin32 uses it, late-bound; names in any case."""

    def __init__(self, obj: ComObject, session: Session, name: str | None = None) -> None:
        self._comobject_ = obj
        self._session_ = session
        self._username_ = name or obj._interface_

    @property
    def _oleobj_(self) -> PyIDispatch:
        """What pywin32 keeps of the object: it compares, is asked by DISPID, and can be dispatched again."""
        return PyIDispatch(self._comobject_, self._session_)

    # -- members -------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # Some members' names begin with an underscore; none ends with one.
        if name.startswith("_") and (name.endswith("_") or find_member(self._comobject_, name) is None):
            raise AttributeError(name)
        member = self._session_.calls.find(self._comobject_, name)
        if member is None:
            raise AttributeError(f"{self._username_}.{name}")
        if member.kind == "property" and not member.params:
            return self._value(self._session_.calls.run(self._comobject_, member, Use.GET))
        return self._bound(member)

    def _bound(self, member: Member) -> Callable[..., Any]:
        use = Use.GET if member.kind == "property" else Use.CALL

        def call(*args: Any, **named: Any) -> Any:
            return self._run(member, use, args, named)

        call.__name__ = member.name
        call.__doc__ = member.__doc__
        return call

    def _run(self, member: Member, use: Use, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        given = tuple(to_member(value) for value in args)
        by_name = {name: to_member(value) for name, value in named.items()}
        return self._value(self._session_.calls.run(self._comobject_, member, use, given, by_name))

    def _value(self, result: Result) -> Any:
        if result.failure is not None:
            raise self._raised(result.failure)
        return to_script(result.value, self._wrapped)

    def _raised(self, failure: Failure) -> Exception:
        return as_com_error(failure, self._comobject_._source_)

    def _wrapped(self, obj: ComObject) -> CDispatch:
        return wrapped(obj, self._session_)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
            return
        calls = self._session_.calls
        member = calls.find(self._comobject_, name)
        if member is not None:
            # What is read-only is asked for too: hooks are to see that it fails.
            result = calls.run(self._comobject_, member, Use.PUT, (to_member(value),))
            if member.putter is not None:
                self._value(result)
                return
        raise AttributeError(f"Property '{self._username_}.{name}' can not be set.")

    # -- what pywin32 adds ---------------------------------------------------------------------------------

    def _FlagAsMethod(self, *names: str) -> None:
        """Nothing: which names are methods is known here. For a name that there is not: AttributeError."""
        for name in names:
            if find_member(self._comobject_, name) is None:
                raise AttributeError(f"{self._username_}.{name}")

    def __call__(self, *args: Any, **named: Any) -> Any:
        """The default member."""
        member = default_member(self._comobject_)
        if member is None:
            raise TypeError("This dispatch object does not define a default method")
        return self._run(member, Use.GET if member.kind == "property" else Use.CALL, args, named)

    def __iter__(self) -> Iterator[Any]:
        enumerator = member_by_id(self._comobject_, DISPID_NEWENUM)
        if enumerator is None:
            raise TypeError("This object does not support enumeration")
        found: Iterator[Any] = self._value(self._session_.calls.run(self._comobject_, enumerator, Use.GET))
        return found

    def _NewEnum(self) -> Iterator[Any]:
        """The enumerator; late-bound, it is a method."""
        return iter(self)

    def __getitem__(self, index: Any) -> Any:
        """The enumerator's object at an index from 0, as pywin32 has it (`Item`, and a call, count from 1)."""
        if isinstance(index, int) and member_by_id(self._comobject_, DISPID_NEWENUM) is not None:
            return list(self)[index]
        return self._item(index)

    def _item(self, index: Any) -> Any:
        member = find_member(self._comobject_, "Item")
        if member is None:
            raise TypeError("This object does not support enumeration")
        return self._run(member, Use.GET, (index,), {})

    def __len__(self) -> int:
        member = find_member(self._comobject_, "Count")
        if member is None:
            raise TypeError("This dispatch object does not define a Count method")
        return int(self._value(self._session_.calls.run(self._comobject_, member, Use.GET)))

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CDispatch | PyIDispatch) and bool(self._comobject_ == other._comobject_)

    def __hash__(self) -> int:
        return hash(self._comobject_)

    def __int__(self) -> int:
        return int(self())

    def __str__(self) -> str:
        try:
            return str(self())
        except TypeError:
            return repr(self)
        except ComError as error:
            if error.hresult not in _NOT_SO:
                raise
            return repr(self)

    def __repr__(self) -> str:
        return f"<COMObject {self._username_}>"

    def __dir__(self) -> list[str]:
        return [name for name in dir(self._comobject_) if not name.startswith("_")]


class DispatchBaseClass(CDispatch):
    """The same, early-bound: what differs is that an index is `Item`'s, and counts from 1."""

    @property
    def CLSID(self) -> str:
        """The IID of its interface."""
        return self._comobject_._iids_[self._comobject_._product_]

    @property
    def _prop_map_get_(self) -> dict[str, tuple[Any, ...]]:
        """What can be read, by name: the DISPID, how it is asked for, and the type. Scripts list objects by it."""
        return {
            member.name: (member.dispids[self._comobject_._product_], 2, (int(member.vt), 0), (), member.name, None)
            for member in self._comobject_._names_.values()
            if member.known_to(self._comobject_._product_) and member.kind == "property" and not member.params
            if not member.write_only
        }

    def __getitem__(self, index: Any) -> Any:
        """`Item` at that index."""
        return self._item(index)


class _Late(CDispatch):
    """Of `win32com.client.dynamic`: late-bound whatever makepy has read, and so is all that it hands out."""

    def _wrapped(self, obj: ComObject) -> CDispatch:
        return _Late(obj, self._session_)


def wrapped(obj: ComObject, session: Session, name: str | None = None) -> CDispatch:
    """The object for a script: early-bound once the script has had makepy read its product's type library."""
    kind = DispatchBaseClass if obj._product_ in session.generated else CDispatch
    return kind(obj, session, name)


def _given(what: Any) -> tuple[ComObject, Session, str | None]:
    """The object that a ProgID, a CLSID, a pointer or another such object stands for, and its name."""
    if isinstance(what, CDispatch | PyIDispatch):
        return what._comobject_, what._session_, getattr(what, "_username_", None)
    session = current()
    return session.create(str(what), None), session, str(what)


def dispatch(IDispatch: Any, userName: str | None = None, *_ignored: Any, **_named: Any) -> CDispatch:
    """The object of a ProgID, a CLSID, or another such object."""
    obj, session, name = _given(IDispatch)
    return wrapped(obj, session, userName or name)


def Dispatch(IDispatch: Any, userName: str | None = None, *_ignored: Any, **_named: Any) -> CDispatch:
    """The same, late-bound whatever makepy has read."""
    obj, session, name = _given(IDispatch)
    return _Late(obj, session, userName or name)


DumbDispatch = Dispatch


def generated(IDispatch: Any) -> CDispatch:
    """The object of a ProgID, a CLSID, or another such object; it and its product's are early-bound from now on."""
    obj, session, name = _given(IDispatch)
    session.generated.add(obj._product_)
    return wrapped(obj, session, name)
