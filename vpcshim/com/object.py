"""`ComObject`, what a script holds, and the two ways to call it: late-bound and vtable-style."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar

from vpcshim.com.errors import Failure, com_error
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Member, Product
from vpcshim.com.variant import VT, Variant

logger = logging.getLogger(__name__)

# Every class that serves an interface, in the order of declaration.
INTERFACES: list[type[ComObject]] = []


class ComObject:
    """An object with an interface of one of the products; what a script holds.

    Subclasses name their interface and its IID per product, and declare its members. Attributes of the
    Python object itself start with an underscore: every other name is the interface's.
    """

    _interface_: ClassVar[str] = ""
    _iids_: ClassVar[Mapping[Product, str]] = {}
    _names_: ClassVar[Mapping[str, Member]] = {}
    _product_: Product

    def __init_subclass__(
        cls,
        *,
        interface: str | None = None,
        vs: str | None = None,
        vpc: str | None = None,
        unavailable: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Declare a class; with `interface` one that serves it, under its IID in each product.

        `unavailable` says of all its members, the inherited ones too, why libvirt has no counterpart.
        """
        super().__init_subclass__(**kwargs)
        names: dict[str, Member] = {}
        for base in reversed(cls.__mro__):
            names.update({name.lower(): item for name, item in vars(base).items() if isinstance(item, Member)})
        for item in tuple(names.values()) if unavailable is not None else ():
            own = names[item.name.lower()] = copy(item)
            own.unavailable = unavailable
            setattr(cls, item.name, own)
        cls._names_ = names
        if interface is not None:
            iids = {Product.VIRTUAL_SERVER: vs, Product.VIRTUAL_PC: vpc}
            cls._interface_ = interface
            cls._iids_ = {product: iid for product, iid in iids.items() if iid is not None}
            INTERFACES.append(cls)

    def __init__(self, product: Product) -> None:
        object.__setattr__(self, "_product_", product)

    @property
    def _source_(self) -> str:
        """The `source` of EXCEPINFO."""
        return self._interface_

    def _failure_(self, error: Exception) -> Failure:
        """A `Failure` for an exception that a member let through; here: a defect of this library.

        `model` overrides it with the one table that maps libvirt's errors.
        """
        logger.error("unexpected error in %s", self._interface_, exc_info=error)
        return Failure(HRESULT.E_UNEXPECTED, f"internal error: {type(error).__name__}: {error}")

    def __getattr__(self, name: str) -> Any:
        # Only reached for names that are not declared in this very spelling.
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        found = find_member(self, name)
        if found is not None:
            return found.__get__(self, type(self))
        raw = _raw_call(self, name)
        if raw is not None:
            return raw
        raise com_error(unknown_name(self, name), self._source_)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
            return
        found = find_member(self, name)
        if found is None:
            raise com_error(unknown_name(self, name), self._source_)
        late_put(self, found, value)

    def __call__(self, *args: Any) -> Any:
        """The default member (DISPID 0), as `collection(1)` or `machine()`."""
        for item in self._names_.values():
            if item.dispids.get(self._product_) == 0:
                return late_call(self, item, args)
        failure = Failure(HRESULT.DISP_E_MEMBERNOTFOUND, f"{self._interface_} has no default member")
        raise com_error(failure, self._source_)

    def __dir__(self) -> list[str]:
        other_product = {item.name for item in self._names_.values() if not item.known_to(self._product_)}
        return sorted({*object.__dir__(self)} - other_product)

    def __repr__(self) -> str:
        return f"<{self._interface_} of {self._product_.value}>"


def find_member(obj: ComObject, name: str) -> Member | None:
    """The member of that name, in any case, if the object's product has it."""
    found = obj._names_.get(name.lower())
    return found if found is not None and found.known_to(obj._product_) else None


def unknown_name(obj: ComObject, name: str) -> Failure:
    """The failure of asking for a name that the interface does not have."""
    return Failure(HRESULT.DISP_E_UNKNOWNNAME, f"{obj._interface_} of {obj._product_.value} has no member {name}")


def late_call(obj: ComObject, item: Member, args: tuple[Any, ...]) -> Any:
    """The late-bound call: the value, or `ComError`."""
    try:
        if not item.known_to(obj._product_):
            raise unknown_name(obj, item.name)
        value = item.get(obj, args)[1]
    except Failure as failure:
        raise com_error(failure, obj._source_) from failure.__cause__

    return value.value if isinstance(value, Variant) else value


def typed_call(obj: ComObject, item: Member, args: tuple[Any, ...]) -> tuple[HRESULT, Variant]:
    """The call for a caller that needs the VARIANT itself: its HRESULT and what it hands out, with its type.

    Raises:
        Failure: The member failed.
    """
    code, value = item.get(obj, args)
    out = Variant()
    _hand_out(item, value, out)
    return code, out


def _hand_out(item: Member, value: Any, out: Variant) -> None:
    if isinstance(value, Variant):
        out.set(value.vt, value.value, value.elements)
    else:
        out.set(item.vt, value, item.elements)


def late_put(obj: ComObject, item: Member, value: Any) -> None:
    """The late-bound assignment, or `ComError`."""
    try:
        if not item.known_to(obj._product_):
            raise unknown_name(obj, item.name)
        item.put(obj, value)
    except Failure as failure:
        raise com_error(failure, obj._source_) from failure.__cause__


def bound_call(obj: ComObject, item: Member) -> Callable[..., Any]:
    """A method as an attribute hands it out; takes its arguments by position or by documented name."""
    if not item.known_to(obj._product_):
        raise com_error(unknown_name(obj, item.name), obj._source_)

    def call(*args: Any, **named: Any) -> Any:
        try:
            return late_call(obj, item, (*args, *_named(item, len(args), named)))
        except Failure as failure:
            raise com_error(failure, obj._source_) from failure.__cause__

    call.__name__ = item.name
    call.__doc__ = item.__doc__
    return call


def _named(item: Member, given: int, named: dict[str, Any]) -> Iterator[Any]:
    """The named arguments in the order of the parameters that the positional ones left."""
    folded = {name.lower(): value for name, value in named.items()}
    for name in item.param_names[given:]:
        if name.lower() in folded:
            yield folded.pop(name.lower())
        elif folded:
            raise Failure(HRESULT.DISP_E_PARAMNOTOPTIONAL, f"{item.name} needs its argument {name}")
    if folded:
        unknown = ", ".join(folded)
        raise Failure(HRESULT.DISP_E_PARAMNOTFOUND, f"{item.name} has no parameter {unknown} that is still open")


def _raw_call(obj: ComObject, name: str) -> Callable[..., HRESULT] | None:
    """The vtable-style call behind `get_NAME`, `put_NAME` or `raw_NAME`; None where there is none."""
    prefix, _, rest = name.partition("_")
    item = find_member(obj, rest)
    if item is None:
        return None
    match prefix.lower(), item.kind:
        case ("get", "property") | ("raw", "method"):
            return lambda *args: raw_call(obj, item, args)
        case ("put", "property"):
            return lambda *args: raw_put(obj, item, args[0]) if len(args) == 1 else HRESULT.DISP_E_BADPARAMCOUNT
    return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: its HRESULT, the value it handed out, and what went wrong in words if something did."""

    code: HRESULT
    value: Any = None
    description: str = ""


def outcome(obj: ComObject, name: str, *args: Any) -> Outcome:
    """Read a property or call a method without raising: for callers that report on many objects."""
    item = find_member(obj, name)
    if item is None:
        failure = unknown_name(obj, name)
        return Outcome(failure.code, None, failure.description)
    return _outcome(lambda: item.get(obj, args))


def outcome_of(obj: ComObject, item: Member, function: Callable[..., Any]) -> Outcome:
    """How a member's call would end if `function` were what does its work."""
    return _outcome(lambda: item.answer(obj, function))


def _outcome(call: Callable[[], tuple[HRESULT, Any]]) -> Outcome:
    try:
        code, value = call()
    except Failure as failure:
        return Outcome(failure.code, None, failure.description)
    return Outcome(code, value.value if isinstance(value, Variant) else value)


def raw_call(obj: ComObject, item: Member, args: tuple[Any, ...]) -> HRESULT:
    """The vtable-style call: never raises, returns the HRESULT itself; the last argument is the `Variant`.

    `None` for it is E_POINTER, and nothing else happens. A failure leaves it VT_EMPTY.
    """
    out: Variant | None = None
    if item.vt != VT.EMPTY:
        if len(args) != len(item.params) + 1:
            return HRESULT.DISP_E_BADPARAMCOUNT
        *args_in, out = args
        args = tuple(args_in)
        if out is None:
            return HRESULT.E_POINTER
        if not isinstance(out, Variant):
            return HRESULT.E_INVALIDARG
    try:
        code, value = item.get(obj, args)
    except Failure as failure:
        if out is not None:
            out.clear()
        return _record(failure)
    if out is not None:
        _hand_out(item, value, out)
    return code


def raw_put(obj: ComObject, item: Member, value: Any) -> HRESULT:
    """The vtable-style assignment; as `raw_call`."""
    try:
        item.put(obj, value)
    except Failure as failure:
        return _record(failure)
    return HRESULT.S_OK


def _record(failure: Failure) -> HRESULT:
    logger.debug("%s", failure)
    return failure.code
