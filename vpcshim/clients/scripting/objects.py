"""Objects that the host itself offers a script (WScript and the like), and what a script function looks like to us.

They are not part of the model: no type library has them, so they are declared with less than `ComObject` needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from vpcshim.clients.calls import MISSING
from vpcshim.clients.scripting.conversions import HasDefault, mismatch
from vpcshim.com.dispatch import DISPID_VALUE, no_member
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT

F = TypeVar("F", bound=Callable[..., Any])

# These DISPIDs take their arguments as text: OLE Automation converts them where the script runs (wire.h).
_TEXT = 0x5458_0000
_GET, _PUT = 2, 4 | 8


@dataclass(frozen=True, slots=True)
class _Offer:
    """How a Python function is offered."""

    name: str
    is_property: bool
    text: bool
    null: str | None
    default: bool
    enumerates: bool
    takes: bool


def offered(
    name: str,
    *,
    prop: bool = False,
    text: bool = False,
    null: str | None = None,
    default: bool = False,
    enumerates: bool = False,
) -> Callable[[F], F]:
    """Offer a method (or with `prop` a property, which may have parameters) to scripts (decorator).

    Args:
        name: The name that scripts know.
        prop: Whether it is a property; a function `put_NAME` (lower case) of the class is its setter.
        text: Whether its arguments arrive as text, whatever the script passed.
        null: The text that Null arrives as then; None where Null is refused, as OLE Automation does.
        default: Whether it is the default member.
        enumerates: Whether it hands out what For Each asks for.
    """

    def mark(function: F) -> F:
        takes = function.__code__.co_argcount > 1
        function.__offer__ = _Offer(name, prop, text, null, default, enumerates, takes)  # type: ignore[attr-defined]
        return function

    return mark


class HostObject(HasDefault):
    """The base of what the host offers; `Failure`s of its functions become COM errors."""

    _ids: ClassVar[dict[str, int]] = {}
    _functions: ClassVar[dict[int, tuple[_Offer, str]]] = {}
    source: ClassVar[str] = "Windows Script Host"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._ids, cls._functions = dict(cls._ids), dict(cls._functions)
        for attribute, function in vars(cls).items():
            offer = getattr(function, "__offer__", None)
            if offer is None:
                continue
            number = 1 + len(cls._functions) + (_TEXT if offer.text else 0)
            number = 0 if offer.default else -4 if offer.enumerates else number
            cls._ids[offer.name.lower()] = number
            cls._functions[number] = (offer, attribute)

    def id_of(self, name: str) -> int | None:
        """The DISPID of a name in any case, None for an unknown one."""
        return self._ids.get(name.lower())

    def invoke(self, dispid: int, flags: int, args: tuple[Any, ...]) -> Any:
        """IDispatch::Invoke.

        Raises:
            Failure: DISP_E_MEMBERNOTFOUND, DISP_E_BADPARAMCOUNT, DISP_E_TYPEMISMATCH, or what the function says.
        """
        found = self._functions.get(dispid)
        if found is None:
            raise no_member(type(self).__name__, dispid)
        offer, attribute = found
        if flags & _PUT:
            attribute = f"put_{offer.name.lower()}"
            if not hasattr(self, attribute):
                raise Failure(HRESULT.DISP_E_MEMBERNOTFOUND, f"{offer.name} cannot be assigned")
        elif args and offer.is_property and not offer.default and not offer.takes:
            value = getattr(self, attribute)()
            if not isinstance(value, HostObject):
                raise _not_called_with(offer.name, args)
            return value.invoke(DISPID_VALUE, flags, args)  # folder.Files("a.txt"): the index is that of what it is
        if offer.text and None in args:
            if offer.null is None:
                raise mismatch("a text")
            args = tuple(offer.null if arg is None else arg for arg in args)
        return fitting(getattr(self, attribute), args, offer.name)

    def default(self) -> Any:
        """The value of the default member; raises Failure where there is none."""
        return self.invoke(DISPID_VALUE, _GET, ())


class Functions(HostObject):
    """Functions as the methods of one object.

    Args:
        functions: The functions by their names.
        assigned: What an assignment to one of them calls, by its name: with the flags of the assignment, the
            arguments, and the value.
    """

    def __init__(
        self, functions: Mapping[str, Callable[..., Any]], assigned: Mapping[str, Callable[..., Any]] | None = None
    ) -> None:
        self._all = [*functions.items()]
        self._assigned = assigned or {}
        self._numbers = {name.lower(): 1 + i for i, name in enumerate(functions)}

    def id_of(self, name: str) -> int | None:
        """The DISPID of a function."""
        return self._numbers.get(name.lower())

    def invoke(self, dispid: int, flags: int, args: tuple[Any, ...]) -> Any:
        """Call a function, or what an assignment to it calls; raises Failure."""
        if not 1 <= dispid <= len(self._all):
            raise Failure(HRESULT.DISP_E_MEMBERNOTFOUND, "there is no such function")
        name, function = self._all[dispid - 1]
        if flags & _PUT:
            if name not in self._assigned:
                raise Failure(HRESULT.DISP_E_MEMBERNOTFOUND, f"{name} cannot be assigned")
            return fitting(self._assigned[name], (flags, *args), name)
        return fitting(function, args, name)


class Function(HostObject):
    """A function as an object whose default member is the call (what GetRef hands out)."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    @offered("Call", default=True)
    def call(self, *args: Any) -> Any:
        """The call."""
        return self._function(*args)


def fitting(function: Callable[..., Any], args: tuple[Any, ...], name: str) -> Any:
    """The function's result; DISP_E_BADPARAMCOUNT when it is not called with so many arguments."""
    while args and args[-1] is MISSING:
        args = args[:-1]
    try:
        return function(*args)
    except TypeError as error:
        # Only where the call itself did not fit; what goes wrong inside is a defect.
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:
            raise _not_called_with(name, args) from error
        raise


def _not_called_with(name: str, args: tuple[Any, ...]) -> Failure:
    return Failure(HRESULT.DISP_E_BADPARAMCOUNT, f"{name} is not called with {len(args)} arguments")
