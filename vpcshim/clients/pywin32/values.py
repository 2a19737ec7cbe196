"""Values on their way between a Python script and a member, as pywin32 converts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from vpcshim.clients.calls import EMPTY, MISSING
from vpcshim.clients.pywin32.pywintypes import Time
from vpcshim.com.object import ComObject
from vpcshim.com.variant import VT, Variant

Wrap = Callable[[ComObject], Any]


class VARIANT:
    """`win32com.client.VARIANT`: a value with the VARTYPE that it is to be passed as."""

    def __init__(self, vt: int, value: Any) -> None:
        self.varianttype = vt
        self._value = value

    @property
    def value(self) -> Any:
        """The value."""
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._value = value

    def __repr__(self) -> str:
        return f"win32com.client.VARIANT({self.varianttype!r}, {self._value!r})"


class Absent:
    """`pythoncom.Missing`, `Empty` and `Nothing`: arguments that are no value."""

    def __init__(self, name: str, stands_for: Any) -> None:
        self._name = name
        self.stands_for = stands_for

    def __repr__(self) -> str:
        return f"<pythoncom.{self._name}>"


Missing = Absent("Missing", MISSING)
Empty = Absent("Empty", EMPTY)
Nothing = Absent("Nothing", None)


_BYREF = 0x4000
# What makes of a value one of the VARTYPE that a script names; any other VARTYPE leaves it as it is.
_AS: dict[int, Callable[[Any], Any]] = {
    **dict.fromkeys((VT.I2, VT.I4, VT.UI1, VT.UI4, 16, 18, 20, 21, 22, 23), int),
    **dict.fromkeys((4, VT.R8), float),
    VT.BSTR: lambda value: "" if value is None else str(value),
    VT.BOOL: bool,
    VT.ARRAY | VT.UI1: lambda value: bytes(tuple(value)),
}


def to_member(value: Any) -> Any:
    """A script's argument as `Calls.run` takes it.

    Raises:
        TypeError: A VARIANT's value cannot be of its VARTYPE.
        ValueError: The same.
    """
    if isinstance(value, Absent):
        return value.stands_for
    if isinstance(value, VARIANT):
        given = to_member(value.value)
        convert = _AS.get(value.varianttype & ~_BYREF)
        return given if convert is None or given in (EMPTY, MISSING) else convert(given)
    if isinstance(value, list | tuple):
        return tuple(to_member(item) for item in value)
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    return getattr(value, "_comobject_", value)


def to_script(value: Variant, wrap: Wrap) -> Any:
    """What a member handed out, as pywin32 gives it: Decimal, tuples, None for a null object, wrapped objects.

    An array of VT_UI1 is a memoryview, a date a `pywintypes.TimeType` that says it is in UTC, an enumerator an
    iterator.
    """
    if isinstance(value.value, Iterator):
        return _enumerated(value.value, wrap)
    return _plain(value.value, value.vt, wrap)


def _plain(value: Any, vt: VT, wrap: Wrap) -> Any:
    if isinstance(value, ComObject):
        return wrap(value)
    if isinstance(value, tuple):
        return tuple(_plain(item, vt, wrap) for item in value)
    if vt in (VT.I2, VT.I4, VT.UI1, VT.UI4):
        return int(value)  # an enumeration's member is a plain number to a script
    if isinstance(value, bytes):
        return memoryview(bytearray(value))
    if isinstance(value, datetime):
        return Time(value)
    return value


def told(value: Any) -> Any:
    """An argument of an event, as pywin32 hands it to a handler."""
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return memoryview(bytearray(value)) if isinstance(value, bytes) else value


def _enumerated(iterator: Iterator[Any], wrap: Wrap) -> Iterator[Any]:
    """The objects of an enumerator, each wrapped."""
    for item in iterator:
        yield wrap(item) if isinstance(item, ComObject) else item
