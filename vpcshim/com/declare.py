"""How an interface and its members are declared, once; everything else follows from the declaration.

    class Accountant(ComObject, interface="IVMAccountant", vs="{DB9F8B99-...}", vpc="{6376C067-...}"):

        @propget(vs=0x6002000B, vpc=0x60020005, vt=VT.DECIMAL)
        def NetworkBytesSent(self) -> Decimal | SFalse:
            '''Bytes sent ...'''

From it come the late-bound call (`obj.NetworkBytesSent`, in any case), the vtable-style one
(`obj.get_NetworkBytesSent(out)`; `raw_NAME` for methods, the prefixes that Visual C++'s `#import` uses),
DISPIDs and `Invoke` (`vpcshim.com.dispatch`), and the table that `vpcshim api` prints. `vs` and `vpc` are the
DISPIDs in the two products' type libraries; a member without one is unknown to that product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Literal, ParamSpec, TypeVar, overload

from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Member, Product, SFalse
from vpcshim.com.object import ComObject, bound_call, late_call, late_put
from vpcshim.com.variant import VT

T = TypeVar("T")
P = ParamSpec("P")
Setter = TypeVar("Setter", bound=Callable[[Any, Any], None])


class Property(Member, Generic[T]):
    """A property without parameters: reading the attribute is the call."""

    @overload
    def __get__(self, obj: None, owner: type) -> Property[T]: ...
    @overload
    def __get__(self, obj: ComObject, owner: type) -> T: ...
    def __get__(self, obj: ComObject | None, owner: type) -> Property[T] | T:
        if obj is None:
            return self
        value: T = late_call(obj, self, ())
        return value

    def __set__(self, obj: ComObject, value: Any) -> None:
        late_put(obj, self, value)

    def write(self, setter: Setter) -> Setter:
        """Declare the setter of this property (decorator); it has a name of its own, as `_put_NAME`."""
        if setter.__name__ == self.name:
            raise TypeError(f"the setter of {self.name} would replace it: name it _put_{self.name}")
        self.putter = setter
        return setter


class Method(Member, Generic[P, T]):
    """A method, or a property with parameters: reading the attribute hands out the call."""

    @overload
    def __get__(self, obj: None, owner: type) -> Method[P, T]: ...
    @overload
    def __get__(self, obj: ComObject, owner: type) -> Callable[P, T]: ...
    def __get__(self, obj: ComObject | None, owner: type) -> Method[P, T] | Callable[P, T]:
        if obj is None:
            return self
        return bound_call(obj, self)


class WriteOnly(Member):
    """A property that can only be assigned."""

    def __get__(self, obj: ComObject | None, owner: type) -> Any:
        return self if obj is None else late_call(obj, self, ())

    def __set__(self, obj: ComObject, value: Any) -> None:
        late_put(obj, self, value)


class Event(Member):
    """A call that the server makes to whoever connected a sink."""

    def __get__(self, obj: ComObject | None, owner: type) -> Event:
        return self


def _common(
    vs: int | None,
    vpc: int | None,
    fails: tuple[HRESULT, ...],
    vs_fails: tuple[HRESULT, ...],
    vpc_fails: tuple[HRESULT, ...],
) -> dict[str, Any]:
    dispids = {Product.VIRTUAL_SERVER: vs, Product.VIRTUAL_PC: vpc}
    return {
        "dispids": {product: dispid for product, dispid in dispids.items() if dispid is not None},
        "fails": {
            Product.VIRTUAL_SERVER: frozenset((*fails, *vs_fails)),
            Product.VIRTUAL_PC: frozenset((*fails, *vpc_fails)),
        },
    }


def propget(
    *,
    vt: VT,
    vs: int | None = None,
    vpc: int | None = None,
    elements: VT | None = None,
    s_false: Any = None,
    fails: tuple[HRESULT, ...] = (),
    vs_fails: tuple[HRESULT, ...] = (),
    vpc_fails: tuple[HRESULT, ...] = (),
    unavailable: str | None = None,
) -> Callable[[Callable[[Any], T | SFalse]], Property[T]]:
    """Declare a property; the function is its getter, `NAME.write` adds the setter.

    Args:
        vt: The VARTYPE it hands out.
        vs: Its DISPID in Virtual Server's type library, None where it has no such member.
        vpc: Its DISPID in Windows Virtual PC's.
        elements: The VARTYPE of an array's elements.
        s_false: What S_FALSE hands out, where that is not 0, "" or the null object.
        fails: The failure codes that its page documents, beside E_POINTER and DISP_E_EXCEPTION.
        vs_fails: Those that only Virtual Server's page documents.
        vpc_fails: Those that only Windows Virtual PC's page documents.
        unavailable: Why libvirt has no counterpart.
    """
    common = _common(vs, vpc, fails, vs_fails, vpc_fails)

    def declare(function: Callable[[Any], T | SFalse]) -> Property[T]:
        member: Property[T] = Property(
            "property", function, vt=vt, elements=elements, unavailable=unavailable, **common
        )
        if s_false is not None:
            member.s_false_is(s_false)
        return member

    return declare


def method(
    *,
    kind: Literal["method", "property"] = "method",
    vt: VT = VT.EMPTY,
    vs: int | None = None,
    vpc: int | None = None,
    params: tuple[VT, ...] = (),
    fails: tuple[HRESULT, ...] = (),
    vs_fails: tuple[HRESULT, ...] = (),
    vpc_fails: tuple[HRESULT, ...] = (),
    unavailable: str | None = None,
    reads: bool = False,
) -> Callable[[Callable[..., Any]], Method[..., Any]]:
    """Declare a method, or with kind="property" a property that takes parameters.

    `vt` is the type of its [out, retval] value, VT_EMPTY for none; `params` the types of its [in] parameters,
    whose names and defaults are the function's; `reads` says of a method that it changes nothing (a property never
    does when it is read). The rest is as in `propget`.
    """
    common = _common(vs, vpc, fails, vs_fails, vpc_fails)

    def declare(function: Callable[..., Any]) -> Method[..., Any]:
        found: Method[..., Any] = Method(kind, function, vt=vt, params=params, unavailable=unavailable, **common)
        found.reads = reads or kind == "property"
        return found

    return declare


def propput(
    *,
    vt: VT,
    vs: int | None = None,
    vpc: int | None = None,
    fails: tuple[HRESULT, ...] = (),
    vs_fails: tuple[HRESULT, ...] = (),
    vpc_fails: tuple[HRESULT, ...] = (),
    unavailable: str | None = None,
) -> Callable[[Callable[[Any, Any], None]], WriteOnly]:
    """Declare a property that can only be written; the function is its setter, and bears the property's name.

    `vt` is the type of the value that is assigned; the rest is as in `propget`.
    """
    common = _common(vs, vpc, fails, vs_fails, vpc_fails)

    def declare(function: Callable[[Any, Any], None]) -> WriteOnly:
        return WriteOnly("property", function, vt=vt, unavailable=unavailable, write_only=True, **common)

    return declare


def event(
    *,
    vs: int | None = None,
    vpc: int | None = None,
    params: tuple[VT, ...] = (),
    unavailable: str | None = None,
) -> Callable[[Callable[..., None]], Event]:
    """Declare an event of a source interface (a subclass of `EventSink`); its function does nothing.

    `params` are the types of its arguments, whose names are the function's.
    """
    common = _common(vs, vpc, (), (), ())

    def declare(function: Callable[..., None]) -> Event:
        return Event("event", function, vt=VT.EMPTY, params=params, unavailable=unavailable, **common)

    return declare


class EventSink(ComObject):
    """The base of the interfaces that a sink implements; never an object: handlers are plain Python objects."""
