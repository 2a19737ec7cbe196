"""One member of an interface: what the type library says of it, and how a call to it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT, Variant, check, check_elements, coerce

if TYPE_CHECKING:
    from vpcshim.com.object import ComObject


class Product(Enum):
    """The two products whose type libraries are served; the value names the product in `vpcshim api`."""

    VIRTUAL_SERVER = "virtual-server-2005"
    VIRTUAL_PC = "windows-virtual-pc"


class SFalse(Enum):
    """The type of `S_FALSE` as a member returns it; the caller is handed the declared stand-in value."""

    S_FALSE = HRESULT.S_FALSE


S_FALSE: Final = SFalse.S_FALSE

# Codes that any member may answer without its page listing them: the call machinery's own, and refusals.
_COMMON = frozenset(code for code in HRESULT if code.name.startswith("DISP_E_")) | {
    HRESULT.E_POINTER,
    HRESULT.E_NOTIMPL,
    HRESULT.E_UNEXPECTED,
}

Kind = Literal["property", "method", "event"]


class Member:
    """One member of an interface, as declared.

    Attributes:
        name: The documented name.
        kind: property, method or event.
        dispids: The DISPID in each product's type library that has the member.
        vt: The VARTYPE of the value it hands out; VT_EMPTY for a method that hands out nothing; VT_VARIANT for
            one that hands out a `Variant`, whose type depends on what was asked for.
        elements: For an array, the VARTYPE of its elements.
        params: The VARTYPEs of its [in] parameters; names and defaults are those of the function.
        unavailable: Why libvirt has no counterpart, or None for a member that is implemented.
        reads: Whether reading or calling it changes nothing, on the server or on a machine.
    """

    def __init__(
        self,
        kind: Kind,
        function: Callable[..., Any],
        *,
        vt: VT,
        dispids: Mapping[Product, int],
        elements: VT | None = None,
        params: tuple[VT, ...] = (),
        fails: Mapping[Product, frozenset[HRESULT]],
        unavailable: str | None = None,
        write_only: bool = False,
    ) -> None:
        self.name: str = function.__name__
        self.kind: Kind = kind
        self.vt = vt
        self.elements = elements
        self.dispids = dispids
        self.params = params
        self.fails = fails
        self.unavailable = unavailable
        self.reads = kind == "property"
        self.getter: Callable[..., Any] = function
        self.putter: Callable[..., Any] | None = function if write_only else None
        self.write_only = write_only
        self.put_vt = vt
        self._s_false = _null_of(vt)
        self.__doc__ = function.__doc__
        self.param_names = () if write_only else _parameters(function)
        if len(self.param_names) != len(params):
            raise TypeError(f"{self.name}: {len(self.param_names)} parameters, {len(params)} of them typed")
        self.required = 0 if write_only else len(params) - len(function.__defaults__ or ())

    def __set_name__(self, owner: type, name: str) -> None:
        if name != self.name:
            raise TypeError(f"member {self.name} is bound to the name {name}")

    def __get__(self, obj: Any, owner: type) -> Any:
        """What reading the attribute gives; the kinds of member in `declare` say it."""
        raise NotImplementedError

    @property
    def access(self) -> str | None:
        """read-only, read-write or write-only; None for methods and events."""
        if self.kind != "property":
            return None
        if self.write_only:
            return "write-only"
        return "read-only" if self.putter is None else "read-write"

    def s_false_is(self, value: Any) -> None:
        """Hand out `value` with S_FALSE where it is not the null of the member's type."""
        self._s_false = self._held(value)

    def known_to(self, product: Product) -> bool:
        """Whether the product's type library has this member."""
        return product in self.dispids

    def get(self, obj: ComObject, args: tuple[Any, ...]) -> tuple[HRESULT, Any]:
        """Run the getter or method.

        Raises:
            Failure: Whatever made it fail, with a code that the member's page documents (or a common one).
        """
        if self.write_only or self.kind == "event":
            what = "can only be written" if self.write_only else "is an event: it is called by the server"
            raise Failure(HRESULT.DISP_E_MEMBERNOTFOUND, f"{self.name} {what}")
        return self.answer(obj, self.getter, self.taken(args))

    def answer(
        self, obj: ComObject, function: Callable[..., Any], args: tuple[Any, ...] = ()
    ) -> tuple[HRESULT, Any]:
        """What this member answers when `function` does its work: the rules for values and failures applied.

        Raises:
            Failure: As `get`.
        """
        result = self._run(obj, function, args)
        if result is S_FALSE:
            return HRESULT.S_FALSE, self._s_false
        try:
            return HRESULT.S_OK, self._held(result)
        except OverflowError as error:
            raise Failure(HRESULT.DISP_E_OVERFLOW, f"{self.name}: {error}") from error
        except TypeError as error:
            raise obj._failure_(error) from error

    def _held(self, value: Any) -> Any:
        """The value as the member's VARTYPE holds it; the elements of an array as theirs."""
        if self.vt == VT.VARIANT:
            if not isinstance(value, Variant):
                raise TypeError(f"{self.name} hands out a Variant, not {type(value).__name__}")
            return value
        held = check(self.vt, value)
        return held if self.elements is None else check_elements(self.elements, held)

    def put(self, obj: ComObject, value: Any) -> None:
        """Run the setter; raises Failure as `get`."""
        if self.putter is None:
            raise Failure(HRESULT.DISP_E_MEMBERNOTFOUND, f"{self.name} is read-only")
        self._run(obj, self.putter, (coerce(self.put_vt, value, 0),))

    def taken(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Arguments as the getter or method is given them; raises Failure for a wrong number or type."""
        if not self.params and not args:
            return args
        if not self.required <= len(args) <= len(self.params):
            wanted = (
                f"{self.required}"
                if self.required == len(self.params)
                else f"{self.required} to {len(self.params)}"
            )
            raise Failure(HRESULT.DISP_E_BADPARAMCOUNT, f"{self.name} takes {wanted} arguments, not {len(args)}")
        return tuple(coerce(vt, value, i) for i, (vt, value) in enumerate(zip(self.params, args, strict=False)))

    def _run(self, obj: ComObject, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        if self.unavailable is not None:
            raise Failure(self._refusal(obj._product_), f"{self.name} is not available: {self.unavailable}")
        try:
            return function(obj, *args)
        except Failure as failure:
            raise self._as_documented(obj._product_, failure) from failure.__cause__
        except Exception as error:
            told = obj._failure_(error)
            raise self._as_documented(obj._product_, told) from error

    def _refusal(self, product: Product) -> HRESULT:
        """The documented refusal of a member that has no counterpart, else E_NOTIMPL."""
        documented = self.fails[product]
        return next((code for code in _REFUSALS if code in documented), HRESULT.E_NOTIMPL)

    def _as_documented(self, product: Product, failure: Failure) -> Failure:
        """The failure under a code that this member documents for this product."""
        documented = self.fails[product]
        for code in (failure.code, *failure.otherwise):
            if code in _COMMON or code in documented:
                return failure if code is failure.code else failure.under(code)
        return failure.under(HRESULT.DISP_E_EXCEPTION)


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's parameters after self; `inspect.signature` would cost each start far more."""
    code = function.__code__
    return code.co_varnames[1 : code.co_argcount]


_REFUSALS = (HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL, HRESULT.VM_E_ADDITIONS_NOT_AVAIL)


def _null_of(vt: VT) -> Any:
    """The well-formed value that goes with S_FALSE: 0, "", False, an empty array, the null object."""
    if vt == VT.VARIANT:
        return Variant()
    if vt == VT.ARRAY | VT.UI1:
        return b""
    if vt & VT.ARRAY:
        return ()
    if vt in (VT.I2, VT.I4, VT.UI1, VT.UI4, VT.R8, VT.DECIMAL):
        return check(vt, 0)
    return {VT.BSTR: "", VT.BOOL: False}.get(vt)
