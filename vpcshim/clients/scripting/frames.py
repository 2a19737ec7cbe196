"""Frames between vpcshim and the script host: how requests, answers and VARIANTs are written in bytes.

A frame is a length (u32, of what follows), a kind (one byte) and a payload; all numbers are little-endian. The
other half is `wine/host/wire.h`. Nothing here trusts what it reads: sizes, counts and depths are bounded, and
whatever is not as it should be is `BadFrame`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import Any, Final

from vpcshim.clients.calls import EMPTY, MISSING
from vpcshim.com import decimal96
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT, Variant

VERSION: Final = 2
MAX_FRAME: Final = 64 << 20
MAX_DEPTH: Final = 16
MAX_DIMENSIONS: Final = 60
SECRET_SIZE: Final = 32

_HEADER = struct.Struct("<IB")
_U8, _I16, _U16, _I32, _U32, _U64 = (struct.Struct(f"<{code}") for code in "BhHiIQ")
_F64 = struct.Struct("<d")
_DATE_ZERO = datetime(1899, 12, 30)
_VT_ERROR = 10
_I4 = (-(1 << 31), (1 << 31) - 1)
_NULL, _REMOTE, _LOCAL, _ENUM = range(4)


class BadFrame(Exception):
    """Not a frame of this protocol, or one beyond its bounds."""


class Kind(IntEnum):
    """The kinds of frames; upper-case letters ask or tell, lower-case ones answer."""

    HELLO = ord("H")
    START = ord("S")
    NAMES = ord("N")
    NAMED = ord("n")
    INVOKE = ord("I")
    RESULT = ord("r")
    RELEASE = ord("F")
    ERROR = ord("E")
    DONE = ord("D")
    CALL = ord("C")
    LOCAL = ord("L")
    FORGET = ord("G")
    CREATE = ord("X")
    GET = ord("O")
    PARSE = ord("P")
    QUIT = ord("Q")


@dataclass(frozen=True, slots=True)
class Remote:
    """An object of the host's process, by its id there.

    Attributes:
        id: The id, which is never used for another object.
        dropped: Told the id when nothing holds this any more.
    """

    id: int
    dropped: Callable[[int], None] | None = field(default=None, compare=False, repr=False)

    def __del__(self) -> None:
        if self.dropped is not None:
            self.dropped(self.id)


@dataclass(frozen=True, slots=True)
class Enumeration:
    """What an enumerator (IEnumVARIANT) is to hand out."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """A result that is a failure: what Invoke returns, and what EXCEPINFO holds."""

    hresult: int
    scode: int = 0
    source: str = ""
    description: str = ""


# What an object of ours is written as: its handle, and the number of its kind (objects of one kind share names).
Handed = Callable[[Any], tuple[int, int]]
# The object behind a handle of ours.
Found = Callable[[int], Any]


class Writer:
    """The payload of one frame; `frame()` gives the whole."""

    __slots__ = ("_data", "_doubles", "_hand")

    def __init__(self, kind: Kind, hand: Handed | None = None, *, doubles: bool = False) -> None:
        """Begin a frame.

        Args:
            kind: What it is.
            hand: What objects of ours are written as; None where there can be none.
            doubles: Whether the reader knows no numbers but VT_I4 and VT_R8 (Wine's JScript).
        """
        self._data = bytearray(_HEADER.pack(0, kind))
        self._hand = hand
        self._doubles = doubles

    def frame(self) -> bytes:
        """The frame; raises BadFrame when it is too large."""
        size = len(self._data) - _U32.size
        if size > MAX_FRAME:
            raise BadFrame(f"a frame of {size} bytes is more than {MAX_FRAME}")
        _U32.pack_into(self._data, 0, size)
        return bytes(self._data)

    def u8(self, value: int) -> None:
        """One byte."""
        self._data.append(value)

    def u16(self, value: int) -> None:
        """Two bytes."""
        self._data += _U16.pack(value)

    def i32(self, value: int) -> None:
        """Four bytes, signed."""
        self._data += _I32.pack(value)

    def u32(self, value: int) -> None:
        """Four bytes."""
        self._data += _U32.pack(value)

    def u64(self, value: int) -> None:
        """Eight bytes."""
        self._data += _U64.pack(value)

    def text(self, value: str) -> None:
        """A BSTR: its size in bytes and UTF-16; half a surrogate pair passes, as it does on Windows."""
        data = value.encode("utf-16-le", "surrogatepass")
        self.u32(len(data))
        self._data += data

    def values(self, values: tuple[Any, ...]) -> None:
        """A count and so many values."""
        if len(values) > 0xFFFF:
            raise BadFrame(f"{len(values)} arguments are more than a call takes")
        self.u16(len(values))
        for value in values:
            self.value(value)

    def result(self, value: Any, code: int = HRESULT.S_OK) -> None:
        """What a call answers: a value with a success code, or a `Failed`."""
        if isinstance(value, Failed):
            self.i32(value.hresult)
            self.i32(value.scode)
            self.text(value.source)
            self.text(value.description)
            return
        self.i32(code)
        self.value(value)

    def value(self, value: Any, depth: int = 0) -> None:
        """A VARIANT: a `Variant` as the type it has, a Python value as the type that VBScript would give it.

        Raises:
            BadFrame: Nothing a VARIANT holds, or too deep.
        """
        if isinstance(value, Variant):
            self._typed(value.vt, value.value, value.elements, depth)
            return
        if value is EMPTY:
            self._typed(VT.EMPTY, None, None, depth)
        elif value is MISSING:
            self.u16(_VT_ERROR)
            self.i32(HRESULT.DISP_E_PARAMNOTFOUND)
        elif isinstance(value, Enumeration):
            self.u16(VT.UNKNOWN)
            self.u8(_ENUM)
            self.u32(len(value.values))
            for item in value.values:
                self.value(item, depth + 1)
        else:
            self._typed(_type_of(value), value, None, depth)

    def _typed(self, vt: VT, value: Any, elements: VT | None, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise BadFrame("values are nested too deeply")
        if vt & VT.ARRAY:
            self._array(VT(vt & ~VT.ARRAY), value, elements, depth)
            return
        if self._doubles and vt in _AS_DOUBLE:
            vt, value = VT.R8, float(value)
        self.u16(vt)
        if vt in (VT.EMPTY, VT.NULL):
            return
        if vt == VT.BSTR:
            self.text(value)
        elif vt == VT.DECIMAL:
            self._data += decimal96.pack(value)
        elif vt in (VT.DISPATCH, VT.UNKNOWN):
            self._object(value)
        elif vt == VT.DATE:
            self._data += _F64.pack(to_days(value))
        else:
            layout = _LAYOUTS.get(vt)
            if layout is None:
                raise BadFrame(f"{vt.label} does not pass through the channel")
            self._data += layout.pack(value)

    def _object(self, value: Any) -> None:
        if value is None:
            self.u8(_NULL)
        elif isinstance(value, Remote):
            self.u8(_LOCAL)
            self.u64(value.id)
        elif self._hand is None:
            raise BadFrame(f"{type(value).__name__} is no value")
        else:
            handle, number = self._hand(value)
            self.u8(_REMOTE)
            self.u64(handle)
            self.u32(number)

    def _array(self, element: VT, value: Any, elements: VT | None, depth: int) -> None:
        if element == VT.UI1:
            self.u16(VT.ARRAY | VT.UI1)
            self.u8(1)
            self.u32(len(value))
            self.i32(0)
            self._data += value
            return
        # Script engines take arrays of VARIANTs alone.
        self.u16(VT.ARRAY | VT.VARIANT)
        bounds = _bounds(value)
        self.u8(len(bounds))
        for bound in bounds:
            self.u32(bound)
            self.i32(0)
        for item in _flat(value, len(bounds)):
            kind = elements if element == VT.VARIANT else element
            self.value(item if kind is None or isinstance(item, Variant) else Variant(kind, item), depth + 1)


_LAYOUTS: dict[int, struct.Struct] = {
    int(VT.I2): _I16,
    int(VT.I4): _I32,
    int(VT.R8): _F64,
    int(VT.BOOL): _U8,
    int(VT.UI1): _U8,
    int(VT.UI4): _U32,
}


_AS_DOUBLE = frozenset((VT.DECIMAL, VT.UI4, VT.UI1))


def _type_of(value: Any) -> VT:
    if value is None:
        return VT.NULL
    if isinstance(value, bool):
        return VT.BOOL
    if isinstance(value, int):
        return VT.I4 if _I4[0] <= value <= _I4[1] else VT.DECIMAL
    for kind, vt in _TYPES:
        if isinstance(value, kind):
            return vt
    return VT.DISPATCH


_TYPES: tuple[tuple[type, VT], ...] = (
    (str, VT.BSTR),
    (float, VT.R8),
    (Decimal, VT.DECIMAL),
    (datetime, VT.DATE),
    (bytes, VT.ARRAY | VT.UI1),
    (tuple, VT.ARRAY | VT.VARIANT),
)


def _bounds(value: tuple[Any, ...]) -> list[int]:
    """The sizes of a nested tuple's dimensions; all rows of one dimension are equally long, else it is flat."""
    bounds = [len(value)]
    while value and all(isinstance(item, tuple) and len(item) == len(value[0]) for item in value):
        bounds.append(len(value[0]))
        value = tuple(inner for item in value for inner in item)
        if len(bounds) > MAX_DEPTH:
            raise BadFrame("an array has too many dimensions")
    return bounds


def _flat(value: tuple[Any, ...], dimensions: int) -> Iterator[Any]:
    if dimensions <= 1:
        yield from value
        return
    for item in value:
        yield from _flat(item, dimensions - 1)


class Reader:
    """Reads a payload from the front."""

    __slots__ = ("_at", "_data", "_dropped", "_find")

    def __init__(
        self, data: bytes, find: Found | None = None, dropped: Callable[[int], None] | None = None
    ) -> None:
        """Begin to read.

        Args:
            data: The payload.
            find: Finds objects of ours; None where there can be none.
            dropped: Told of an object of the host's when it is not held here any more.
        """
        self._data = data
        self._at = 0
        self._find = find
        self._dropped = dropped

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise BadFrame(f"the frame ends {end - len(self._data)} bytes too early")
        data = self._data[self._at : end]
        self._at = end
        return data

    def _number(self, layout: struct.Struct) -> Any:
        try:
            value = layout.unpack_from(self._data, self._at)[0]
        except struct.error as error:
            raise BadFrame("the frame ends too early") from error
        self._at += layout.size
        return value

    def u8(self) -> int:
        """One byte."""
        return int(self._number(_U8))

    def u16(self) -> int:
        """Two bytes."""
        return int(self._number(_U16))

    def i32(self) -> int:
        """Four bytes, signed."""
        return int(self._number(_I32))

    def u32(self) -> int:
        """Four bytes."""
        return int(self._number(_U32))

    def u64(self) -> int:
        """Eight bytes."""
        return int(self._number(_U64))

    def raw(self, size: int) -> bytes:
        """So many bytes."""
        return self._take(size)

    def text(self) -> str:
        """A BSTR."""
        size = self.u32()
        if size % 2:
            raise BadFrame(f"a text of {size} bytes")
        return self._take(size).decode("utf-16-le", "surrogatepass")

    def end(self) -> None:
        """Raises BadFrame when there is more."""
        if self._at != len(self._data):
            raise BadFrame(f"{len(self._data) - self._at} bytes too many")

    def handles(self) -> list[int]:
        """A count and so many handles."""
        count = self.u32()
        data = self._take(8 * count)
        return [handle for (handle,) in _U64.iter_unpack(data)]

    def values(self) -> tuple[Any, ...]:
        """A count and so many values."""
        return tuple(self.value() for _ in range(self.u16()))

    def result(self) -> Any:
        """What a call answered: the value, or a `Failed`."""
        code = self.i32()
        return self.value() if code >= 0 else Failed(code, self.i32(), self.text(), self.text())

    def value(self, depth: int = 0) -> Any:
        """A VARIANT as the Python value that belongs to it; Nothing and Null are None.

        Raises:
            BadFrame: It is none, or too deep, or names an object that is not there.
        """
        if depth > MAX_DEPTH:
            raise BadFrame("values are nested too deeply")
        vt = self.u16()
        layout = _LAYOUTS.get(vt)
        if layout is not None:
            number = self._number(layout)
            return bool(number) if vt == VT.BOOL else number
        if vt == VT.BSTR:
            return self.text()
        if vt == VT.EMPTY:
            return EMPTY
        if vt == VT.NULL:
            return None
        if vt == _VT_ERROR:
            code = self.i32()
            return MISSING if code == HRESULT.DISP_E_PARAMNOTFOUND else code
        if vt == VT.DATE:
            return from_days(self._number(_F64))
        if vt == VT.DECIMAL:
            try:
                return decimal96.unpack(self._take(16))
            except ValueError as error:
                raise BadFrame(str(error)) from error
        if vt in (VT.DISPATCH, VT.UNKNOWN):
            return self._object()
        if vt == VT.ARRAY | VT.VARIANT:
            return self._array(depth)
        raise BadFrame(f"VARTYPE {vt:#x} does not pass through the channel")

    def _object(self) -> Any:
        tag = self.u8()
        if tag == _NULL:
            return None
        if tag == _LOCAL:
            return Remote(self.u64(), self._dropped)
        if tag == _REMOTE and self._find is not None:
            return self._find(self.u64())
        raise BadFrame(f"{tag} tells of no object")

    def _array(self, depth: int) -> tuple[Any, ...]:
        dimensions = self.u8()
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise BadFrame(f"an array of {dimensions} dimensions")
        sizes = []
        for _ in range(dimensions):
            sizes.append(self.u32())
            self.i32()
        # Every element takes two bytes at least.
        if math.prod(sizes) > (len(self._data) - self._at) // 2 or any(size > MAX_FRAME for size in sizes):
            raise BadFrame("an array larger than its frame")
        if 0 in sizes:
            return ()
        flat: list[Any] = [self.value(depth + 1) for _ in range(math.prod(sizes))]
        for size in reversed(sizes[1:]):
            flat = [tuple(flat[i : i + size]) for i in range(0, len(flat), size)]
        return tuple(flat)


def split(data: bytes | bytearray) -> tuple[Kind, bytes, int] | None:
    """The first frame of some bytes: its kind, its payload, and where the next begins; None when it is incomplete.

    Raises:
        BadFrame: It is longer than a frame may be, or of no known kind.
    """
    if len(data) < _HEADER.size:
        return None
    size, number = _HEADER.unpack_from(data)
    if not 1 <= size <= MAX_FRAME:
        raise BadFrame(f"a frame of {size} bytes")
    try:
        kind = Kind(number)
    except ValueError as error:
        raise BadFrame(f"a frame of the unknown kind {number}") from error
    end = _U32.size + size
    return (kind, bytes(data[_HEADER.size : end]), end) if len(data) >= end else None


def to_days(value: datetime) -> float:
    """VT_DATE: days since 30 December 1899; before it, the time of day counts away from zero."""
    span = value.replace(tzinfo=None) - _DATE_ZERO
    fraction = (span.seconds + span.microseconds / 1e6) / 86400
    return span.days + fraction if span.days >= 0 else span.days - fraction


def from_days(days: float) -> datetime:
    """The moment of a VT_DATE, to the microsecond; raises BadFrame outside of the years 100 to 9999."""
    if not -657435.0 < days < 2958466.0:  # NaN too
        raise BadFrame(f"{days} is no date")
    whole = math.trunc(days)
    try:
        return _DATE_ZERO + timedelta(days=whole, seconds=round(abs(days - whole) * 86400, 6))
    except OverflowError as error:
        raise BadFrame(f"{days} is no date") from error
