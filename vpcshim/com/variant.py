"""VARIANT: a value with the type that COM gives it, and the conversions that IDispatch makes of arguments.

Python's side of each type: VT_I4 and the other integers `int`, VT_R8 `float`, VT_BSTR `str`, VT_BOOL `bool`,
VT_DECIMAL `decimal.Decimal`, VT_DISPATCH an object or None, VT_EMPTY and VT_NULL None, VT_ARRAY|VT_UI1 `bytes`,
other arrays `tuple`, nested where an array has more than one dimension.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import IntFlag
from typing import Any

from vpcshim.com import decimal96
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT


class VT(IntFlag):
    """VARTYPE ([MS-OAUT] 2.2.7), as far as the two type libraries use it."""

    EMPTY = 0
    NULL = 1
    I2 = 2
    I4 = 3
    R8 = 5
    DATE = 7
    BSTR = 8
    DISPATCH = 9
    BOOL = 11
    VARIANT = 12
    UNKNOWN = 13
    DECIMAL = 14
    UI1 = 17
    UI4 = 19
    ARRAY = 0x2000

    @property
    def label(self) -> str:
        """The name the documentation uses: `VT_ARRAY|VT_UI1`."""
        if self & VT.ARRAY:
            return f"VT_ARRAY|{VT(self & ~VT.ARRAY).label}"
        return f"VT_{_NAMES[int(self)]}"


_NAMES = {vt.value: name for name, vt in VT.__members__.items()}
_INTEGER_RANGE = {
    VT.I2: (-(1 << 15), (1 << 15) - 1),
    VT.I4: (-(1 << 31), (1 << 31) - 1),
    VT.UI1: (0, 0xFF),
    VT.UI4: (0, 0xFFFF_FFFF),
}


class Variant:
    """A VARIANT: what a vtable-style getter fills, `acct.get_NetworkBytesSent(out)`.

    Attributes:
        vt: The type of the value; VT_EMPTY until something is put in.
        value: The value; assigning checks that it fits the type that `vt` has.
    """

    __slots__ = ("_elements", "_value", "_vt")

    def __init__(self, vt: VT | int = VT.EMPTY, value: Any = None) -> None:
        self._vt = VT.EMPTY
        self._elements: VT | None = None
        self._value: Any = None
        self.set(vt, value)

    @property
    def vt(self) -> VT:
        """The VARTYPE of the value."""
        return self._vt

    @property
    def value(self) -> Any:
        """The value, as the Python type that belongs to `vt`."""
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self.set(self._vt, value, self._elements)

    @property
    def elements(self) -> VT | None:
        """The VARTYPE of each element of a VT_ARRAY|VT_VARIANT, in all its dimensions; None for anything else."""
        return self._elements

    def set(self, vt: VT | int, value: Any, elements: VT | None = None) -> None:
        """Hold `value` as `vt`, the elements of a VT_ARRAY|VT_VARIANT as `elements`.

        Raises:
            ValueError: The VARTYPE is none that this library knows.
            TypeError: The value is of a type that this VARTYPE cannot hold.
            OverflowError: The value is out of the VARTYPE's range.
        """
        checked = VT(vt)
        scalar = int(checked) & ~int(VT.ARRAY)
        if scalar not in _NAMES or checked == VT.ARRAY:
            raise ValueError(f"VARTYPE {int(vt):#x} is not known here")
        held = check(checked, value)
        if elements is not None:
            held = check_elements(elements, held)
        self._vt, self._value, self._elements = checked, held, elements

    def clear(self) -> None:
        """VariantClear: back to VT_EMPTY."""
        self._vt, self._value, self._elements = VT.EMPTY, None, None

    def pack_decimal(self) -> bytes:
        """The 16 bytes of the VARIANT with its DECIMAL (VT_DECIMAL stands in the first two).

        Raises:
            TypeError: The value is not a VT_DECIMAL.
        """
        if self._vt != VT.DECIMAL:
            raise TypeError(f"this VARIANT is {self._vt.label}, not VT_DECIMAL")
        return decimal96.pack(self._value, reserved=int(VT.DECIMAL))

    @classmethod
    def from_decimal_bytes(cls, data: bytes) -> Variant:
        """A VT_DECIMAL VARIANT of the 16 bytes of a DECIMAL.

        Raises:
            ValueError: As `decimal96.unpack`.
        """
        return cls(VT.DECIMAL, decimal96.unpack(data))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Variant):
            return NotImplemented
        return self._vt == other._vt and bool(self._value == other._value)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Variant({self._vt.label}, {self._value!r})"


def check(vt: VT, value: Any) -> Any:
    """The value as `vt` holds it.

    Raises:
        TypeError: The value is of a type that this VARTYPE cannot hold.
        OverflowError: The value is out of the VARTYPE's range.
    """
    checker = _CHECKERS.get(vt.value)
    if checker is not None:
        return checker(vt, value)
    if vt & VT.ARRAY:
        element = VT(vt & ~VT.ARRAY)
        if not isinstance(value, list | tuple):
            raise TypeError(f"{vt.label} holds a sequence, not {type(value).__name__}")
        return tuple(check(element, item) for item in value)
    return _check_other(vt, value)


def check_elements(vt: VT, value: tuple[Any, ...]) -> tuple[Any, ...]:
    """An array whose elements are held as `vt`; a nested tuple is one more dimension. Raises as `check`."""
    return tuple(check_elements(vt, item) if isinstance(item, tuple) else check(vt, item) for item in value)


def _check_bytes(vt: VT, value: Any) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if not isinstance(value, list | tuple):
        raise TypeError(f"{vt.label} holds bytes, not {type(value).__name__}")
    return bytes(check(VT.UI1, item) for item in value)


def _check_integer(vt: VT, value: Any) -> Any:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{vt.label} holds an int, not {type(value).__name__}")
    low, high = _INTEGER_RANGE[vt]
    if not low <= value <= high:
        raise OverflowError(f"{decimal96.shown(value)} is out of the range of {vt.label}")
    return value


def _check_decimal(_vt: VT, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise TypeError(f"VT_DECIMAL holds a decimal.Decimal, not {type(value).__name__}")
    decimal96.parts(value)
    return value if isinstance(value, Decimal) else Decimal(value)


def _check_real(_vt: VT, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"VT_R8 holds a float, not {type(value).__name__}")
    return float(value)


# By the number: this is on the path of every call, and looking up an enumeration's member hashes its name.
_CHECKERS: dict[int, Callable[[VT, Any], Any]] = {
    **{vt.value: _check_integer for vt in _INTEGER_RANGE},
    VT.DECIMAL.value: _check_decimal,
    VT.R8.value: _check_real,
    (VT.ARRAY | VT.UI1).value: _check_bytes,
}
_HOLDS: dict[VT, type] = {VT.BSTR: str, VT.BOOL: bool, VT.DATE: datetime}


def _check_other(vt: VT, value: Any) -> Any:
    wanted = _HOLDS.get(vt)
    if wanted is not None and not isinstance(value, wanted):
        raise TypeError(f"{vt.label} holds a {wanted.__name__}, not {type(value).__name__}")
    if vt in (VT.EMPTY, VT.NULL) and value is not None:
        raise TypeError(f"{vt.label} holds nothing, not {type(value).__name__}")
    return value


def coerce(vt: VT, value: Any, position: int) -> Any:
    """An argument as the member's parameter type wants it: VariantChangeType, as IDispatch::Invoke does it.

    Args:
        vt: The type of the parameter.
        value: What the caller passed.
        position: The argument's index, for the error (`argerr`).

    Raises:
        Failure: DISP_E_TYPEMISMATCH or DISP_E_OVERFLOW, with the argument's position.
    """
    if isinstance(value, Variant):
        value = value.value
    converter = _COERCIONS.get(vt)
    try:
        return check(vt, value) if converter is None else converter(vt, value)
    except OverflowError as error:
        raise Failure(HRESULT.DISP_E_OVERFLOW, str(error), argerr=position) from error
    except (TypeError, ValueError, InvalidOperation) as error:
        text = f"argument {position + 1} is to be {vt.label}, not {type(value).__name__} {_quoted(value)}"
        raise Failure(HRESULT.DISP_E_TYPEMISMATCH, text, argerr=position) from error


# VT_DATE counts from that day: a time of day alone has it.
_NO_DAY, _MIDNIGHT = date(1899, 12, 30), time()
# What the conversions of OLE Automation read as a number (Decimal() also takes "NaN" and "1_000").
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# Far beyond every integer VARTYPE: "1E999999999" is not to be written out in full only to be refused.
_BEYOND = 1 << 64


def _quoted(value: Any) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # an int of thousands of digits
        return "of thousands of digits"


def _to_number(value: Any) -> int | float | Decimal:
    if isinstance(value, bool):
        return -1 if value else 0  # VARIANT_TRUE is -1
    if isinstance(value, str):
        if _NUMBER.fullmatch(value.strip()) is None:
            raise TypeError
        return Decimal(value.strip())
    if isinstance(value, int | float | Decimal):
        return value
    raise TypeError


def _to_integer(vt: VT, value: Any) -> int:
    number = _to_number(value)
    if isinstance(number, Decimal) and not number.is_finite():
        raise OverflowError(f"{value} is out of the range of {vt.label}")
    if isinstance(number, float) and not math.isfinite(number):
        raise OverflowError(f"{value} is out of the range of {vt.label}")
    if not -_BEYOND < number < _BEYOND:
        raise OverflowError(f"{_quoted(value)} is out of the range of {vt.label}")
    return int(check(vt, round(number)))  # round half to even, as OLE Automation does


def _to_real(vt: VT, value: Any) -> float:
    number = _to_number(value)
    real = float(number)
    if math.isinf(real) and number != real:
        raise OverflowError(f"{_quoted(value)} is out of the range of {vt.label}")
    return real


def _to_text(_vt: VT, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value + 0.0:.15G}"  # VarBstrFromR8: no more digits than a double surely has, and 5 for 5.0
    if isinstance(value, Decimal):
        # VarBstrFromDec, VarBstrFromCy: neither an exponent nor zeros at the end
        text = f"{check(VT.DECIMAL, value):f}"
        return (text.rstrip("0").rstrip(".") if "." in text else text) if value else "0"
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, int):
        return str(value)
    raise TypeError


def _moment(value: datetime) -> str:
    """VarBstrFromDate in English (United States), the language of every script's host here."""
    is_day = value.time() == _MIDNIGHT
    value += timedelta(milliseconds=500)  # to the nearest second
    clock = f"{value.hour % 12 or 12}:{value:%M:%S} {'AM' if value.hour < 12 else 'PM'}"
    if value.date() == _NO_DAY:
        return clock
    day = f"{value.month}/{value.day}/{value.year}"
    return day if is_day else f"{day} {clock}"


def _to_bool(_vt: VT, value: Any) -> bool:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return bool(_to_number(value))


def _to_decimal(vt: VT, value: Any) -> Any:
    number = _to_number(value)
    return check(vt, Decimal(str(number)) if isinstance(number, float) else number)


def _to_object(_vt: VT, value: Any) -> Any:
    if value is None or hasattr(type(value), "_interface_"):
        return value
    raise TypeError


_COERCIONS: dict[VT, Callable[[VT, Any], Any]] = {
    VT.I2: _to_integer,
    VT.I4: _to_integer,
    VT.UI1: _to_integer,
    VT.UI4: _to_integer,
    VT.R8: _to_real,
    VT.BSTR: _to_text,
    VT.BOOL: _to_bool,
    VT.DECIMAL: _to_decimal,
    VT.DISPATCH: _to_object,
}
