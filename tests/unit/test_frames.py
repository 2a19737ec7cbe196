"""What crosses the channel to the script host: values survive, and whatever else arrives is BadFrame at worst."""

from __future__ import annotations

import contextlib
import struct
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcshim.clients.calls import EMPTY, MISSING
from vpcshim.clients.scripting.frames import (
    MAX_DEPTH,
    MAX_FRAME,
    BadFrame,
    Enumeration,
    Failed,
    Kind,
    Reader,
    Remote,
    Writer,
    from_days,
    split,
    to_days,
)
from vpcshim.com.variant import VT, Variant

_MANTISSA = (1 << 96) - 1
decimals = st.builds(
    lambda mantissa, scale: Decimal(mantissa).scaleb(-scale) if mantissa.bit_length() <= 90 else Decimal(mantissa),
    st.integers(-_MANTISSA, _MANTISSA),
    st.integers(0, 28),
)
# To the millisecond: a VT_DATE is a double of days.
dates = st.datetimes(datetime(1900, 1, 1), datetime(9999, 12, 31)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 31), (1 << 31) - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8"), max_size=40),
    decimals,
    st.just(EMPTY),
    st.just(MISSING),
)


def payload(frame: bytes) -> bytes:
    found = split(frame)
    assert found is not None
    assert found[2] == len(frame)
    return found[1]


def there_and_back(value: Any) -> Any:
    writer = Writer(Kind.RESULT)
    writer.value(value)
    reader = Reader(payload(writer.frame()))
    read = reader.value()
    reader.end()
    return read


@given(scalars)
def test_a_value_survives(value: Any) -> None:
    read = there_and_back(value)
    assert read == value
    assert isinstance(value, bool) == isinstance(read, bool)


@given(decimals)
def test_a_decimal_keeps_every_digit_and_its_scale(value: Decimal) -> None:
    assert there_and_back(value).as_tuple() == value.as_tuple()


@given(dates)
def test_a_date_survives_to_the_millisecond(value: datetime) -> None:
    assert abs(there_and_back(value) - value) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("days", "moment"),
    [
        (0.0, datetime(1899, 12, 30)),
        (1.5, datetime(1899, 12, 31, 12)),
        (-1.25, datetime(1899, 12, 29, 6)),  # before the zero, the time of day counts away from it
        (43831.0, datetime(2020, 1, 1)),
    ],
)
def test_dates_are_ole_automations(days: float, moment: datetime) -> None:
    assert from_days(days) == moment
    assert to_days(moment) == days


@given(st.lists(scalars, max_size=8).map(tuple))
def test_an_array_survives(value: tuple[Any, ...]) -> None:
    assert there_and_back(value) == value


def test_an_array_of_two_dimensions_is_one_safearray() -> None:
    writer = Writer(Kind.RESULT)
    writer.value(((1, 2, 3), (4, 5, 6)))
    data = payload(writer.frame())
    assert struct.unpack_from("<HBIiIi", data) == (VT.ARRAY | VT.VARIANT, 2, 2, 0, 3, 0)
    assert Reader(data).value() == ((1, 2, 3), (4, 5, 6))


def test_rows_of_unequal_length_are_arrays_in_an_array() -> None:
    assert there_and_back(((1, 2), (3,))) == ((1, 2), (3,))


def test_the_elements_of_an_array_keep_their_type() -> None:
    history = Variant()
    history.set(VT.ARRAY | VT.VARIANT, (7, 8), VT.UI1)
    writer = Writer(Kind.RESULT)
    writer.value(history)
    assert payload(writer.frame())[11:14] == struct.pack("<HB", VT.UI1, 7)


def test_wines_jscript_is_given_doubles() -> None:
    writer = Writer(Kind.RESULT, doubles=True)
    writer.value(Variant(VT.DECIMAL, Decimal(12)))
    assert payload(writer.frame()) == struct.pack("<Hd", VT.R8, 12.0)


def test_half_a_surrogate_pair_passes() -> None:
    assert there_and_back("\ud83d") == "\ud83d"


def test_objects_go_by_handle() -> None:
    held = object()
    writer = Writer(Kind.RESULT, lambda obj: (0x1234_5678_9ABC, 7))
    writer.value(held)
    writer.value(Remote(5))
    data = payload(writer.frame())
    assert data[:15] == struct.pack("<HBQI", VT.DISPATCH, 1, 0x1234_5678_9ABC, 7)
    reader = Reader(data[:11] + data[15:], {0x1234_5678_9ABC: held}.__getitem__)  # a host sends no kind
    assert reader.value() is held
    assert reader.value() == Remote(5)


def test_an_enumeration_carries_its_values() -> None:
    writer = Writer(Kind.RESULT)
    writer.value(Enumeration(("a", 2)))
    assert payload(writer.frame())[:7] == struct.pack("<HBI", VT.UNKNOWN, 3, 2)


@given(st.integers(-(1 << 31), -1), st.integers(-(1 << 31), (1 << 31) - 1), st.text(st.characters(codec="utf-8")))
def test_a_failure_survives(code: int, scode: int, text: str) -> None:
    writer = Writer(Kind.RESULT)
    writer.result(Failed(code, scode, "source", text))
    assert Reader(payload(writer.frame())).result() == Failed(code, scode, "source", text)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = (value, "")
    return value


def test_depth_is_bounded_in_both_directions() -> None:
    assert there_and_back(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    with pytest.raises(BadFrame, match="deep"):
        there_and_back(nested(MAX_DEPTH + 1))
    data = struct.pack("<HBIi", VT.ARRAY | VT.VARIANT, 1, 1, 0) * (MAX_DEPTH + 2) + struct.pack("<H", VT.EMPTY) * 9
    with pytest.raises(BadFrame, match="deep"):
        Reader(data).value()


@pytest.mark.parametrize("size", [0, MAX_FRAME + 1, 0xFFFF_FFFF])
def test_the_size_of_a_frame_is_bounded_before_anything_is_kept(size: int) -> None:
    with pytest.raises(BadFrame, match="frame of"):
        split(struct.pack("<IB", size, Kind.INVOKE))


def test_an_unknown_kind_is_no_frame() -> None:
    with pytest.raises(BadFrame, match="unknown kind"):
        split(struct.pack("<IB", 1, 0))


@given(st.integers(0, 8))
def test_a_frame_that_is_not_whole_is_waited_for(cut: int) -> None:
    writer = Writer(Kind.RESULT)
    writer.text("abcd")
    frame = writer.frame()
    assert split(frame[: len(frame) - 1 - cut]) is None


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<HBIi", VT.ARRAY | VT.VARIANT, 1, 0xFFFF_FFFF, 0),  # larger than its frame
        struct.pack("<HB", VT.ARRAY | VT.VARIANT, 0),
        struct.pack("<HB", VT.ARRAY | VT.VARIANT, 61),
        struct.pack("<HI", VT.BSTR, 5) + b"abcde",  # no UTF-16
        struct.pack("<HI", VT.BSTR, 0xFFFF_FFFE),
        struct.pack("<Hd", VT.DATE, float("nan")),
        struct.pack("<Hd", VT.DATE, 1e300),
        struct.pack("<HHBBIQ", VT.DECIMAL, 0, 29, 0, 0, 0),  # a scale that there is not
        struct.pack("<HBQ", VT.DISPATCH, 1, 1),  # nobody to ask
        struct.pack("<HB", VT.DISPATCH, 9),
        struct.pack("<H", 0x4000 | VT.I4),  # a reference is resolved where it points
        b"",
    ],
)
def test_what_is_no_value_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        Reader(data).value()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_no_frame(data: bytes) -> None:
    with contextlib.suppress(BadFrame):
        Reader(data).value()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_result_or_no_frame(data: bytes) -> None:
    with contextlib.suppress(BadFrame):
        Reader(data).result()
    with contextlib.suppress(BadFrame):
        Reader(data).handles()


@given(scalars, st.data())
def test_a_value_that_is_cut_off_is_no_value(value: Any, data: st.DataObject) -> None:
    writer = Writer(Kind.RESULT)
    writer.value(value)
    whole = payload(writer.frame())
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(BadFrame):
        Reader(whole[:cut]).value()
