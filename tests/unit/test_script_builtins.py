"""The functions of VBScript that the host has in the stead of Wine's engine."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from vpcshim.clients.calls import EMPTY, MISSING
from vpcshim.clients.scripting import builtins, conversions
from vpcshim.clients.scripting.dates import date_add, date_diff, date_part
from vpcshim.clients.scripting.streams import InStream, Streams
from vpcshim.clients.scripting.wscript import Arguments
from vpcshim.com.errors import ComError, Failure
from vpcshim.com.hresult import HRESULT


@pytest.mark.parametrize(
    ("value", "places", "result"),
    [
        (2.5, 0, 2.0),
        (3.5, 0, 4.0),
        (-2.5, 0, -2.0),
        (2.567, 2, 2.57),
        (1.005, 2, 1.0),  # half to even on what is written, not on the binary fraction
        (7, 2, 7),
        (True, 0, -1),
        (EMPTY, 0, 0),
        ("2.45", 1, 2.4),
        (Decimal("1.25"), 1, Decimal("1.2")),
        (1e300, 2, 1e300),
    ],
)
def test_round(value: Any, places: int, result: Any) -> None:
    assert builtins.rounded(value, places) == result


@pytest.mark.parametrize("wrong", ["abc", None, ()])
def test_round_wants_a_number(wrong: Any) -> None:
    with pytest.raises(Failure) as caught:
        builtins.rounded(wrong)
    assert caught.value.code is HRESULT.DISP_E_TYPEMISMATCH


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (True, "True"),
        (1.5, "1.5"),
        (3.0, "3"),
        (1e20, "1E+20"),
        (1 / 3, "0.333333333333333"),
        (EMPTY, ""),
        (Decimal("1.10"), "1.10"),
        (datetime(2020, 1, 2), "1/2/2020"),
        (datetime(2020, 1, 2, 15, 4, 5), "1/2/2020 3:04:05 PM"),
        (datetime(1899, 12, 30, 0, 4, 5), "12:04:05 AM"),
    ],
)
def test_values_become_texts_as_cstr_makes_them(value: Any, text: str) -> None:
    assert builtins.join((value,)) == text


def test_join_and_filter() -> None:
    assert builtins.join(("a", 1)) == "a 1"
    assert builtins.join(("a", 1), MISSING) == "a 1"
    assert builtins.join((), "-") == ""
    assert builtins.filtered(("ab", "B", "c"), "b") == ("ab",)
    assert builtins.filtered(("ab", "B", "c"), "b", True, 1) == ("ab", "B")
    assert builtins.filtered(("ab", "B", "c"), "b", False) == ("B", "c")
    with pytest.raises(Failure):
        builtins.join("no array")


_A, _B = datetime(2019, 12, 31, 23, 59, 59), datetime(2020, 1, 1)


@pytest.mark.parametrize(
    ("interval", "count"),
    [("yyyy", 1), ("q", 1), ("m", 1), ("y", 1), ("d", 1), ("w", 0), ("ww", 0), ("h", 1), ("n", 1), ("S", 1)],
)
def test_a_difference_counts_boundaries(interval: str, count: int) -> None:
    assert date_diff(interval, _A, _B) == count
    assert date_diff(interval, _B, _A) == -count


def test_weeks_begin_on_the_day_that_is_named() -> None:
    saturday, sunday, monday = (datetime(2020, 2, day) for day in (1, 2, 3))
    assert date_diff("ww", saturday, sunday) == 1
    assert date_diff("ww", saturday, sunday, 2) == 0
    assert date_diff("ww", sunday, monday, 2) == 1
    assert [date_part("w", day) for day in (saturday, sunday, monday)] == [7, 1, 2]
    assert date_part("w", monday, 2) == 1


@pytest.mark.parametrize(
    ("day", "rule", "week"),
    [
        (datetime(2021, 1, 1), 1, 1),
        (datetime(2021, 1, 1), 2, 53),  # a Friday: of the year before, by the rule of four days
        (datetime(2021, 1, 3), 3, 1),
        (datetime(2021, 1, 2), 3, 52),
        (datetime(2020, 12, 31), 1, 53),
    ],
)
def test_the_week_of_a_year(day: datetime, rule: int, week: int) -> None:
    assert date_part("ww", day, 1, rule) == week


def test_an_unknown_interval_is_refused() -> None:
    with pytest.raises(Failure, match="no interval"):
        date_diff("x", _A, _B)
    with pytest.raises(Failure, match="no interval"):
        date_part("x", _A)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1/2/2020", datetime(2020, 1, 2)),
        ("2020-01-02 10:11:12", datetime(2020, 1, 2, 10, 11, 12)),
        ("January 2, 2020 3:04 PM", datetime(2020, 1, 2, 15, 4)),
        ("10:11", datetime(1899, 12, 30, 10, 11)),
        ("2pm", datetime(1899, 12, 30, 14)),
        ("1/2/2020 2:05PM", datetime(2020, 1, 2, 14, 5)),
        ("13/1/2020", datetime(2020, 1, 13)),
        ("2020/01/02", datetime(2020, 1, 2)),
        ("2 Jan 2020", datetime(2020, 1, 2)),
        ("2 Jan", datetime(datetime.now().year, 1, 2)),
        ("1/2/49", datetime(2049, 1, 2)),
        ("1/2/50", datetime(1950, 1, 2)),
        (43831, datetime(2020, 1, 1)),
        (EMPTY, datetime(1899, 12, 30)),
    ],
)
def test_dates_are_read(text: Any, moment: datetime) -> None:
    assert conversions.as_date(text) == moment


@pytest.mark.parametrize("text", ["soon", "2020-13-01", 1e300, None])
def test_what_is_no_date_is_refused(text: Any) -> None:
    with pytest.raises(Failure):
        conversions.as_date(text)


def _dialogs(typed: str, *, batch: bool = False) -> tuple[builtins.Dialogs, io.StringIO]:
    out = io.StringIO()
    return builtins.Dialogs(Streams(io.StringIO(typed), out, out), batch=batch), out


@pytest.mark.parametrize(
    ("buttons", "typed", "answer"),
    [(0, "\n", 1), (4, "n\n", 7), (4, "what\nYES\n", 6), (3, "c\n", 2), (4 + 256, "\n", 7), (2 + 48, "r\n", 4)],
)
def test_a_message_box_is_answered(buttons: int, typed: str, answer: int) -> None:
    assert _dialogs(typed)[0].msgbox("go on?", buttons) == answer


def test_nobody_answers_a_message_box() -> None:
    for typed, batch in (("", False), ("y\n", True)):
        with pytest.raises(Failure):
            _dialogs(typed, batch=batch)[0].msgbox("go on?")


def test_questions_and_the_script_read_the_same_input() -> None:
    """What the script has looked at of standard input is the answer, and is given once."""
    before: list[tuple[str, Callable[[InStream], object]]] = [
        ("Bob\ny\nn\nrest", lambda stdin: (stdin.read_line(), stdin.at_end())),
        ("Bob\ny\nn\nrest", lambda stdin: (stdin.read_line(), stdin.at_end_of_line())),
        ("Bob\ny\nn\nrest", lambda stdin: (stdin.skip_line(), stdin.read(0))),
        ("Bobby\nn\nrest", lambda stdin: stdin.read(4)),
        ("Bob\ny\nn\nrest", lambda stdin: stdin.read(4)),
        # The end of the line that the script has read in part is nobody's answer.
        ("Bob\ny\nn\nrest", lambda stdin: stdin.read(3)),
        ("Bob\r\ny\r\nn\r\nrest", lambda stdin: (stdin.read(3), stdin.at_end_of_line())),
    ]
    for typed, use in before:
        streams = Streams(io.StringIO(typed), io.StringIO(), io.StringIO())
        stdin, dialogs = streams.objects[0], builtins.Dialogs(streams, batch=False)
        use(stdin)
        answer = dialogs.inputbox("?") if typed.startswith("Bobby") else dialogs.msgbox("sure?", 4)
        assert answer in (6, "y"), typed
        assert stdin.read_line() == "n", typed
        assert dialogs.inputbox("and?") == "rest"
        assert stdin.at_end()


def test_a_question_after_all_was_read_has_no_answer() -> None:
    for typed in ("y\nn\n", "y"):
        streams = Streams(io.StringIO(typed), io.StringIO(), io.StringIO())
        streams.objects[0].read_all()
        with pytest.raises(Failure, match="standard input has ended"):
            builtins.Dialogs(streams, batch=False).msgbox("sure?", 4)
        assert builtins.Dialogs(streams, batch=False).inputbox("name", "", "web") == ""


def test_the_line_of_a_question_without_an_answer_is_ended() -> None:
    with os.fdopen(os.open(os.devnull, os.O_WRONLY), "r") as broken:  # not to be read
        for stdin in (io.StringIO(""), broken):
            out = io.StringIO()
            dialogs = builtins.Dialogs(Streams(stdin, out, out), batch=False)
            with pytest.raises((Failure, ComError)):
                dialogs.msgbox("sure?")
            assert out.getvalue() == "sure?\n[O]K (OK): \n"
    dialogs, out = _dialogs("Bob\n")
    dialogs.inputbox("name")
    assert out.getvalue() == "name: ", "the terminal has ended it, as the answer was typed"


def test_input_that_is_not_of_its_encoding_is_windows_1252() -> None:
    stdin = io.TextIOWrapper(io.BytesIO("M\xfcller \x80 ".encode("latin-1") + "ü\n".encode()), "utf-8")
    assert Streams(stdin, io.StringIO(), io.StringIO()).objects[0].read_line() == "Müller € ü"


def test_an_input_box_has_a_default() -> None:
    assert _dialogs("\n")[0].inputbox("name", "", "web") == "web"
    assert _dialogs("")[0].inputbox("name", "", "web") == ""


def test_arguments_with_and_without_names() -> None:
    args = Arguments(("a", "/x:1:2", "/Flag", "/on+", "/off-", "b"))
    named = args.named()
    assert [named.item(name) for name in ("X", "flag", "on", "off", "none")] == ["1:2", None, True, False, None]
    assert (named.exists("FLAG"), named.exists("none"), named.count()) == (True, False, 4)
    assert list(args.unnamed().each()) == ["a", "b"]
    with pytest.raises(Failure) as caught:
        args.item(6)
    assert caught.value.code is HRESULT.DISP_E_BADINDEX


def test_a_stream_is_read_by_lines_and_characters() -> None:
    stream = InStream(io.StringIO("ab\r\ncdef\n"), io.StringIO())
    assert (stream.read(1), stream.at_end_of_line(), stream.read_line()) == ("a", False, "b")
    assert (stream.line(), stream.column()) == (2, 1)
    stream.skip(2)
    assert (stream.column(), stream.read_all(), stream.at_end()) == (3, "ef\n", True)
    with pytest.raises(ComError, match="Input past end of file") as caught:
        stream.read_line()
    assert caught.value.scode & 0xFFFF == 62


@pytest.mark.parametrize(
    ("interval", "number", "moment", "result"),
    [
        ("m", -1, datetime(2006, 3, 31), datetime(2006, 2, 28)),
        ("m", 1, datetime(2004, 1, 30, 10, 5), datetime(2004, 2, 29, 10, 5)),
        ("M", 11, datetime(2006, 2, 1), datetime(2007, 1, 1)),
        ("q", 1, datetime(2005, 11, 30), datetime(2006, 2, 28)),
        ("yyyy", 1, datetime(2004, 2, 29), datetime(2005, 2, 28)),
        ("yyyy", -4, datetime(2004, 2, 29), datetime(2000, 2, 29)),
        ("d", 1, datetime(2006, 12, 31), datetime(2007, 1, 1)),
        ("y", 1, datetime(2006, 2, 28), datetime(2006, 3, 1)),
        ("w", 1, datetime(2006, 2, 28), datetime(2006, 3, 1)),
        ("ww", -1, datetime(2006, 1, 1), datetime(2005, 12, 25)),
        ("s", 90_000, datetime(2006, 1, 2, 10), datetime(2006, 1, 3, 11)),
        ("n", -1, datetime(2006, 1, 2), datetime(2006, 1, 1, 23, 59)),
        ("h", 25, datetime(2006, 1, 2), datetime(2006, 1, 3, 1)),
    ],
)
def test_date_add(interval: str, number: int, moment: datetime, result: datetime) -> None:
    assert date_add(interval, number, moment) == result


@pytest.mark.parametrize(
    ("interval", "number", "why"),
    [
        ("x", 1, "'x' is no interval"),
        ("yyyy", 8000, "outside of the years 100 to 9999"),
        ("yyyy", -1907, "outside of the years"),
        ("d", -(10**6), "outside of the years"),
        ("ww", 10**9, "outside of the years"),
        ("d", -700_000, "outside of the years"),
    ],
)
def test_date_add_refuses(interval: str, number: int, why: str) -> None:
    with pytest.raises(Failure, match=why):
        date_add(interval, number, datetime(2006, 1, 2))


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (("", ","), ()),
        ((EMPTY,), ()),
        (("a  b",), ("a", "", "b")),
        (("a,b,", ","), ("a", "b", "")),
        (("a,b,c", ",", 2), ("a", "b,c")),
        (("a,b", ",", 1), ("a,b",)),
        (("a,b", ",", 0), ()),
        (("a,b", ""), ("a,b",)),
        (("1X2x3", "x", -1, 1), ("1", "2", "3")),
        (("1X2x3", "x"), ("1X2", "3")),
        (("a.b.c", ".", MISSING, MISSING), ("a", "b", "c")),
        (("a b", MISSING, 2), ("a", "b")),
        ((12.5, "."), ("12", "5")),
    ],
)
def test_split(args: tuple[Any, ...], parts: tuple[str, ...]) -> None:
    assert builtins.split(*args) == parts


def test_string() -> None:
    assert builtins.repeated(3, 65) == "AAA"
    assert builtins.repeated(2, "xy") == "xx"
    assert builtins.repeated(1, 256 + 0xE4) == "ä"
    assert builtins.repeated(0, "x") == ""
    for count, character in ((-1, "x"), (1, ""), (1 << 30, "x")):
        with pytest.raises(Failure):
            builtins.repeated(count, character)


def test_texts_as_bytes() -> None:
    given = builtins.functions(Streams(io.StringIO(), io.StringIO(), io.StringIO()), batch=True)
    assert (given["LenB"]("abc"), given["LenB"](""), given["LenB"](12)) == (6, 0, 4)
    assert (given["LeftB"]("abc", 2), given["RightB"]("abc", 4), given["RightB"]("abc", 9)) == ("a", "bc", "abc")
    assert (given["MidB"]("abc", 3), given["MidB"]("abc", 3, 2), given["MidB"]("ab", 9)) == ("bc", "b", "")
    assert (given["InStrB"]("abc", "b"), given["InStrB"](4, "abcb", "b"), given["InStrB"]("a", "x")) == (3, 7, 0)
    assert given["AscB"]("é") == 0xE9


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("LeftB", ("abc", 1)),
        ("MidB", ("abc", 1, 1)),
        ("RightB", ("abc", 3)),
        ("MidB", ("abc", 0)),
        ("LeftB", ("abc", -1)),
        ("InStrB", ("abc",)),
        ("InStrB", (0, "abc", "a")),
        ("AscB", ("",)),
    ],
)
def test_bytes_that_are_no_text(name: str, args: tuple[Any, ...]) -> None:
    given = builtins.functions(Streams(io.StringIO(), io.StringIO(), io.StringIO()), batch=True)
    with pytest.raises(Failure):
        given[name](*args)


@pytest.mark.parametrize(
    ("function", "args", "text"),
    [
        ("FormatNumber", (1234567.891,), "1,234,567.89"),
        ("FormatNumber", (999.999,), "1,000.00"),
        ("FormatNumber", (-999.999, 2), "-1,000.00"),
        ("FormatNumber", (Decimal(5_000_000_000) / 1024, 0), "4,882,813"),
        ("FormatNumber", (Decimal("9000000000000000"), 0), "9,000,000,000,000,000"),
        ("FormatNumber", (1e20, 0), "100,000,000,000,000,000,000"),
        ("FormatNumber", (1e-10,), "0.00"),
        ("FormatNumber", (2.5, 0), "3"),
        ("FormatNumber", (1.005, 2), "1.01"),
        ("FormatNumber", (0.5, 2, 0), ".50"),
        ("FormatNumber", (-0.5, -1, MISSING, True), "(0.50)"),
        ("FormatNumber", (1234.5, 1, MISSING, MISSING, 0), "1234.5"),
        ("FormatNumber", ("1,234.5", 1), "1,234.5"),
        ("FormatNumber", (EMPTY,), "0.00"),
        ("FormatNumber", (True, 0), "-1"),
        ("FormatNumber", (datetime(1899, 12, 31, 12), 1), "1.5"),
        ("FormatPercent", (0.123,), "12.30%"),
        ("FormatPercent", (Decimal(1) / 3, 1), "33.3%"),
        ("FormatPercent", (-0.05, 0, -2, -1), "(5%)"),
        ("FormatCurrency", (999.999,), "$1,000.00"),
        ("FormatCurrency", (-1234.5,), "($1,234.50)"),
        ("FormatCurrency", (-1234.5, 0, -2, 0), "-$1,235"),
    ],
)
def test_numbers_as_texts(function: str, args: tuple[Any, ...], text: str) -> None:
    given = builtins.functions(Streams(io.StringIO(), io.StringIO(), io.StringIO()), batch=True)
    assert given[function](*args) == text


@pytest.mark.parametrize(
    "args",
    [
        *(("abc",), ("1_000",), ("\uff15",), (None,), (float("inf"),)),
        *((1, 100), (1, -2), (1, 2, 3, 4, 5, 6), ((1,),)),
    ],
)
def test_what_cannot_be_formatted(args: tuple[Any, ...]) -> None:
    given = builtins.functions(Streams(io.StringIO(), io.StringIO(), io.StringIO()), batch=True)
    for function in ("FormatNumber", "FormatPercent", "FormatCurrency"):
        with pytest.raises(Failure):
            given[function](*args)
