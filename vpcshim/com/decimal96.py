"""DECIMAL, the 96-bit decimal of OLE Automation, to and from its 16 bytes.

The structure (wtypes.h, [MS-OAUT] 2.2.26), little-endian: wReserved (2 bytes, the VARTYPE when the DECIMAL
stands in a VARIANT), scale (1 byte, 0..28), sign (1 byte, 0x80 for negative), Hi32 (4 bytes), Lo64 (8 bytes).
"""

from __future__ import annotations

import struct
from decimal import Context, Decimal

MAX_SCALE = 28
MAX_MANTISSA = (1 << 96) - 1
_MAX_DIGITS = len(str(MAX_MANTISSA))
_NEGATIVE = 0x80
_LAYOUT = struct.Struct("<HBBIQ")
# Wide enough for any product of a 96-bit mantissa and a power of ten that can still fit: never rounds.
_EXACT = Context(prec=60, Emin=-100, Emax=100)


def parts(value: Decimal | int) -> tuple[bool, int, int]:
    """Split a number into DECIMAL's (negative, mantissa, scale), exactly.

    Trailing zeros behind the point are kept as long as the scale has room for them, so that 1.10 stays 1.10.

    Raises:
        OverflowError: The number is not finite, needs more than 96 bits, or more than 28 decimal places.
    """
    if isinstance(value, int):
        if abs(value) > MAX_MANTISSA:
            raise _too_big(value)
        return value < 0, abs(value), 0
    if not value.is_finite():
        raise OverflowError(f"{value} is not a number that a DECIMAL can hold")
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # finite, so not one of 'n', 'N', 'F'
    if not value:
        return bool(sign), 0, min(max(-exponent, 0), MAX_SCALE)
    excess = len(digits) - _MAX_DIGITS
    if excess > 0:
        if any(digits[-excess:]):
            raise _too_big(value)
        digits, exponent = digits[:-excess], exponent + excess
    mantissa = int("".join(map(str, digits)))
    if exponent > 0:
        if exponent > MAX_SCALE:
            raise _too_big(value)
        mantissa, exponent = mantissa * 10**exponent, 0
    while (-exponent > MAX_SCALE or mantissa > MAX_MANTISSA) and exponent < 0 and mantissa % 10 == 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    if -exponent > MAX_SCALE:
        raise OverflowError(f"{shown(value)} has more than {MAX_SCALE} decimal places")
    if mantissa > MAX_MANTISSA:
        raise _too_big(value)
    return bool(sign), mantissa, -exponent


def shown(value: Decimal | int) -> str:
    """A number as messages give it: Python refuses to print an int of thousands of digits."""
    return format(Decimal(value), ".40g")


def _too_big(value: Decimal | int) -> OverflowError:
    return OverflowError(f"{shown(value)} does not fit the 96 bits of a DECIMAL")


def pack(value: Decimal | int, reserved: int = 0) -> bytes:
    """The 16 bytes of a DECIMAL; `reserved` is the first field (a VARIANT keeps its VARTYPE there).

    Raises:
        OverflowError: As `parts`.
    """
    negative, mantissa, scale = parts(value)
    sign = _NEGATIVE if negative else 0
    return _LAYOUT.pack(reserved, scale, sign, mantissa >> 64, mantissa & 0xFFFF_FFFF_FFFF_FFFF)


def unpack(data: bytes) -> Decimal:
    """The number that 16 bytes of a DECIMAL hold, with its scale kept.

    Raises:
        ValueError: Not 16 bytes, a scale above 28, or a sign byte that is neither 0 nor 0x80.
    """
    if len(data) != _LAYOUT.size:
        raise ValueError(f"a DECIMAL has {_LAYOUT.size} bytes, not {len(data)}")
    _, scale, sign, high, low = _LAYOUT.unpack(data)
    if scale > MAX_SCALE:
        raise ValueError(f"a DECIMAL's scale is at most {MAX_SCALE}, not {scale}")
    if sign not in (0, _NEGATIVE):
        raise ValueError(f"a DECIMAL's sign byte is 0 or 0x80, not 0x{sign:02X}")
    number = Decimal((high << 64) | low).scaleb(-scale, context=_EXACT)
    return number.copy_negate() if sign else number
