"""VARIANT: what each VARTYPE holds, and how arguments are converted."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sample import Sample
from vpcshim.com.decimal96 import MAX_MANTISSA
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT, Variant, coerce

RANGES = {
    VT.I2: (-32768, 32767),
    VT.I4: (-2147483648, 2147483647),
    VT.UI1: (0, 255),
    VT.UI4: (0, 4294967295),
}
HUGE = 10**5000  # more digits than Python prints


def short(value: object) -> str:
    """An id for a parameter."""
    return "huge" if isinstance(value, int) and abs(value) == HUGE else f"{value!s:.20}"


@pytest.mark.parametrize(
    ("vt", "number"),
    [
        (VT.EMPTY, 0),
        (VT.NULL, 1),
        (VT.I2, 2),
        (VT.I4, 3),
        (VT.R8, 5),
        (VT.DATE, 7),
        (VT.BSTR, 8),
        (VT.DISPATCH, 9),
        (VT.BOOL, 11),
        (VT.VARIANT, 12),
        (VT.UNKNOWN, 13),
        (VT.DECIMAL, 14),
        (VT.UI1, 17),
        (VT.UI4, 19),
        (VT.ARRAY, 0x2000),
    ],
)
def test_vartypes(vt: VT, number: int) -> None:
    assert vt == number
    assert VT(number).label == f"VT_{vt.name}" or vt == VT.ARRAY


def test_array_label() -> None:
    assert (VT.ARRAY | VT.VARIANT).label == "VT_ARRAY|VT_VARIANT"
    assert (VT.ARRAY | VT.UI1).label == "VT_ARRAY|VT_UI1"


def test_a_new_variant_is_empty() -> None:
    out = Variant()
    assert (out.vt, out.value, out.elements) == (VT.EMPTY, None, None)
    assert repr(out) == "Variant(VT_EMPTY, None)"


@pytest.mark.parametrize(
    ("vt", "value"),
    [
        (VT.EMPTY, None),
        (VT.NULL, None),
        *((vt, bound) for vt, bounds in RANGES.items() for bound in bounds),
        (VT.R8, 1.5),
        (VT.R8, 2),
        (VT.R8, float("inf")),
        (VT.DATE, datetime(2005, 9, 1)),
        (VT.BSTR, ""),
        (VT.BSTR, "naïve\0\U0001f600"),
        (VT.DISPATCH, None),
        (VT.BOOL, True),
        (VT.BOOL, False),
        (VT.DECIMAL, Decimal("-0.10")),
        (VT.DECIMAL, 7),
        (VT.VARIANT, "anything"),
        (VT.UNKNOWN, object),
        (VT.ARRAY | VT.I4, (1, 2)),
        (VT.ARRAY | VT.VARIANT, ()),
    ],
)
def test_holds(vt: VT, value: Any) -> None:
    out = Variant(vt, value)
    assert (out.vt, out.value) == (vt, value)


def test_the_value_is_of_the_python_type_of_its_vartype() -> None:
    assert type(Variant(VT.R8, 2).value) is float
    assert type(Variant(VT.DECIMAL, 2).value) is Decimal
    assert Variant(VT.ARRAY | VT.I4, [1, 2]).value == (1, 2)


@pytest.mark.parametrize(
    ("vt", "value", "error"),
    [
        *((vt, low - 1, OverflowError) for vt, (low, _) in RANGES.items()),
        *((vt, high + 1, OverflowError) for vt, (_, high) in RANGES.items()),
        *((vt, wrong, TypeError) for vt in RANGES for wrong in ("1", 1.0, Decimal(1), True, None)),
        (VT.I4, HUGE, OverflowError),
        (VT.R8, "1", TypeError),
        (VT.R8, True, TypeError),
        (VT.R8, Decimal(1), TypeError),
        (VT.R8, 10**400, OverflowError),
        (VT.BSTR, 1, TypeError),
        (VT.BSTR, b"x", TypeError),
        (VT.BSTR, None, TypeError),
        (VT.BOOL, 1, TypeError),
        (VT.BOOL, "True", TypeError),
        (VT.DATE, "today", TypeError),
        (VT.EMPTY, 0, TypeError),
        (VT.NULL, 0, TypeError),
        (VT.DECIMAL, 1.0, TypeError),
        (VT.DECIMAL, True, TypeError),
        (VT.DECIMAL, "1", TypeError),
        (VT.DECIMAL, Fraction(1, 2), TypeError),
        (VT.DECIMAL, MAX_MANTISSA + 1, OverflowError),
        (VT.DECIMAL, HUGE, OverflowError),
        (VT.DECIMAL, Decimal("NaN"), OverflowError),
        (VT.DECIMAL, Decimal("1E-29"), OverflowError),
        (VT.ARRAY | VT.I4, 1, TypeError),
        (VT.ARRAY | VT.I4, "12", TypeError),
        (VT.ARRAY | VT.I4, [1, "2"], TypeError),
        (VT.ARRAY | VT.UI1, [1, 256], OverflowError),
        (VT.ARRAY, [], ValueError),
        (4, 1, ValueError),
        (0x4003, 1, ValueError),
        (0x2004, [1], ValueError),
    ],
    ids=short,
)
def test_refuses(vt: VT | int, value: Any, error: type[Exception]) -> None:
    out = Variant(VT.I4, 7)
    with pytest.raises(error):
        out.set(vt, value)
    assert (out.vt, out.value) == (VT.I4, 7)  # a refusal changes nothing


def test_assigning_the_value_checks_it_against_the_type() -> None:
    out = Variant(VT.UI1, 1)
    out.value = 255
    assert out.value == 255
    with pytest.raises(OverflowError):
        out.value = 256
    with pytest.raises(TypeError):
        out.value = None
    assert out.value == 255


def test_elements_of_an_array() -> None:
    out = Variant()
    out.set(VT.ARRAY | VT.VARIANT, [1, 2], VT.UI1)
    assert (out.vt, out.value, out.elements) == (VT.ARRAY | VT.VARIANT, (1, 2), VT.UI1)
    with pytest.raises(OverflowError):
        out.set(VT.ARRAY | VT.VARIANT, [1, 256], VT.UI1)
    with pytest.raises(TypeError):
        out.value = ["a"]
    out.value = [3]
    assert (out.value, out.elements) == ((3,), VT.UI1)
    out.set(VT.I4, 1)
    assert out.elements is None


def test_clear() -> None:
    out = Variant()
    out.set(VT.ARRAY | VT.VARIANT, [1], VT.UI1)
    out.clear()
    assert (out.vt, out.value, out.elements) == (VT.EMPTY, None, None)


def test_equality_is_type_and_value() -> None:
    assert Variant(VT.I4, 1) == Variant(VT.I4, 1)
    assert Variant(VT.I4, 1) != Variant(VT.I2, 1)
    assert Variant(VT.I4, 1) != Variant(VT.I4, 2)
    assert Variant(VT.I4, 1) != 1
    assert Variant(VT.DECIMAL, Decimal("1.10")) == Variant(VT.DECIMAL, Decimal("1.1"))
    with pytest.raises(TypeError):
        hash(Variant())


@given(st.integers(-MAX_MANTISSA, MAX_MANTISSA), st.integers(0, 28))
def test_decimal_bytes(mantissa: int, scale: int) -> None:
    value = Decimal((int(mantissa < 0), tuple(map(int, str(abs(mantissa)))), -scale))
    variant = Variant(VT.DECIMAL, value)
    data = variant.pack_decimal()
    assert data[:2] == b"\x0e\0"
    back = Variant.from_decimal_bytes(data)
    assert back == variant
    assert back.value.as_tuple() == value.as_tuple()


def test_decimal_bytes_of_anything_else() -> None:
    with pytest.raises(TypeError, match="VT_I4"):
        Variant(VT.I4, 1).pack_decimal()
    with pytest.raises(ValueError):
        Variant.from_decimal_bytes(b"short")


OBJECT = Sample()


@pytest.mark.parametrize(
    ("vt", "value", "expected"),
    [
        (VT.I4, 7, 7),
        (VT.I4, True, -1),  # VARIANT_TRUE
        (VT.I4, False, 0),
        (VT.I4, " 7 ", 7),
        (VT.I4, "-7", -7),
        (VT.I4, "+1e3", 1000),
        (VT.I4, "2.5", 2),
        (VT.I4, 2.5, 2),  # half to even
        (VT.I4, 3.5, 4),
        (VT.I4, -2.5, -2),
        (VT.I4, Decimal("3.5"), 4),
        (VT.I4, 2147483647.4, 2147483647),
        (VT.I4, Variant(VT.BSTR, "12"), 12),
        (VT.I4, Variant(VT.BOOL, True), -1),
        (VT.I2, -32768, -32768),
        (VT.UI1, "255", 255),
        (VT.UI4, 4294967295.0, 4294967295),
        (VT.R8, 1, 1.0),
        (VT.R8, "1.25", 1.25),
        (VT.R8, ".5", 0.5),
        (VT.R8, "5.", 5.0),
        (VT.R8, Decimal("0.1"), 0.1),
        (VT.R8, True, -1.0),
        (VT.R8, float("inf"), float("inf")),
        (VT.BSTR, "x", "x"),
        (VT.BSTR, 5, "5"),
        (VT.BSTR, Decimal("1.10"), "1.1"),
        (VT.BSTR, Decimal("5.5000"), "5.5"),  # as VT_CY comes
        (VT.BSTR, Decimal(100), "100"),
        (VT.BSTR, Decimal("-0.0"), "0"),
        (VT.BSTR, Decimal("1E+3"), "1000"),
        (VT.BSTR, 5.0, "5"),
        (VT.BSTR, -0.0, "0"),
        (VT.BSTR, 1 / 3, "0.333333333333333"),
        (VT.BSTR, 1e20, "1E+20"),
        (VT.BSTR, datetime(2005, 9, 1), "9/1/2005"),
        (VT.BSTR, datetime(2005, 9, 1, 14, 5, 6), "9/1/2005 2:05:06 PM"),
        (VT.BSTR, datetime(1899, 12, 30, 0, 5), "12:05:00 AM"),
        (VT.BSTR, datetime(2005, 9, 1, 12, 0, 0, 700_000), "9/1/2005 12:00:01 PM"),
        (VT.BSTR, True, "True"),
        (VT.BOOL, True, True),
        (VT.BOOL, 0, False),
        (VT.BOOL, -1, True),
        (VT.BOOL, 0.0, False),
        (VT.BOOL, "TRUE", True),
        (VT.BOOL, " false ", False),
        (VT.BOOL, "0", False),
        (VT.BOOL, "-1", True),
        (VT.DECIMAL, 5, Decimal(5)),
        (VT.DECIMAL, "1.10", Decimal("1.10")),
        (VT.DECIMAL, 0.1, Decimal("0.1")),
        (VT.DISPATCH, None, None),
        (VT.DISPATCH, OBJECT, OBJECT),
        (VT.VARIANT, "as it is", "as it is"),
        (VT.DATE, datetime(2005, 9, 1), datetime(2005, 9, 1)),
        (VT.ARRAY | VT.I4, [1, 2], (1, 2)),
    ],
)
def test_coerce(vt: VT, value: Any, expected: Any) -> None:
    got = coerce(vt, value, 0)
    assert got == expected
    assert type(got) is type(expected)


NO_NUMBERS: tuple[Any, ...] = ("", "x", None, "NaN", "inf", "1_000", "0x10", "1 2", "٣", [], b"1")
MISMATCH = HRESULT.DISP_E_TYPEMISMATCH
OVERFLOW = HRESULT.DISP_E_OVERFLOW


@pytest.mark.parametrize(
    ("vt", "value", "code"),
    [
        *((vt, wrong, MISMATCH) for vt in (*RANGES, VT.R8, VT.BOOL, VT.DECIMAL) for wrong in NO_NUMBERS),
        *((vt, low - 1, OVERFLOW) for vt, (low, _) in RANGES.items()),
        *((vt, str(high + 1), OVERFLOW) for vt, (_, high) in RANGES.items()),
        (VT.I4, 2147483647.5, OVERFLOW),
        (VT.I4, float("nan"), OVERFLOW),
        (VT.I4, float("-inf"), OVERFLOW),
        (VT.I4, Decimal("NaN"), OVERFLOW),
        (VT.I4, Decimal("Infinity"), OVERFLOW),
        (VT.I4, 1e308, OVERFLOW),
        (VT.I4, HUGE, OVERFLOW),
        (VT.I4, -HUGE, OVERFLOW),
        (VT.I4, "1e999999999", OVERFLOW),  # quickly: never written out
        (VT.I4, Decimal("1E+999999999"), OVERFLOW),
        (VT.I4, object(), MISMATCH),
        (VT.I4, Variant(), MISMATCH),
        (VT.R8, "1e400", OVERFLOW),
        (VT.R8, HUGE, OVERFLOW),
        (VT.R8, object(), MISMATCH),
        (VT.BSTR, None, MISMATCH),
        (VT.BSTR, b"x", MISMATCH),
        (VT.BSTR, HUGE, MISMATCH),
        (VT.BSTR, Decimal("NaN"), OVERFLOW),
        (VT.BSTR, Decimal("1E+999999999"), OVERFLOW),  # quickly: never written out
        (VT.BOOL, "yes", MISMATCH),
        (VT.DECIMAL, "8E+28", OVERFLOW),
        (VT.DECIMAL, 1e29, OVERFLOW),
        (VT.DECIMAL, HUGE, OVERFLOW),
        (VT.DECIMAL, float("nan"), OVERFLOW),
        (VT.DISPATCH, 1, MISMATCH),
        (VT.DISPATCH, "name", MISMATCH),
        (VT.DATE, "1.1.2005", MISMATCH),
        (VT.ARRAY | VT.I4, 1, MISMATCH),
        (VT.ARRAY | VT.I4, ["x"], MISMATCH),
        (VT.ARRAY | VT.UI1, [256], OVERFLOW),
    ],
    ids=short,
)
def test_coerce_refuses(vt: VT, value: Any, code: HRESULT) -> None:
    with pytest.raises(Failure) as caught:
        coerce(vt, value, 3)
    assert caught.value.code is code
    assert caught.value.argerr == 3
    assert caught.value.description


SCRIPT_VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(max_size=12)
    | st.binary(max_size=4)
    | st.lists(st.integers(), max_size=3)
    | st.from_regex(r"[+-]?[0-9.]{1,8}([eE][+-]?[0-9]{1,9})?", fullmatch=True)
)


@given(st.sampled_from([*RANGES, VT.R8, VT.BSTR, VT.BOOL, VT.DECIMAL, VT.DISPATCH]), SCRIPT_VALUES)
def test_coerce_gives_what_the_type_holds_or_says_why_not(vt: VT, value: Any) -> None:
    try:
        got = coerce(vt, value, 0)
    except Failure as failure:
        assert failure.code in (MISMATCH, OVERFLOW)  # noqa: PT017 - both ends are right, nothing else is
    else:
        Variant(vt, got)
        if vt in RANGES and type(value) is int:
            assert got == value
