"""Functions of VBScript that Wine's engine lacks or has wrong, and the two dialogs.

Source: the VBScript language reference.
"""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from vpcshim.clients.calls import EMPTY, MISSING
from vpcshim.clients.scripting.conversions import as_date, as_int, as_text, mismatch
from vpcshim.clients.scripting.dates import date_add, date_diff, date_part
from vpcshim.clients.scripting.formats import format_currency, format_number, format_percent
from vpcshim.clients.scripting.objects import HostObject, offered
from vpcshim.clients.scripting.streams import Streams
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import ComObject

_US_ENGLISH = 1033
# The letter, the word and the number of each answer to a MsgBox, by the lowest four bits of its buttons.
_OK, _CANCEL, _ABORT, _RETRY, _IGNORE, _YES, _NO = (
    ("o", "OK", 1),
    ("c", "Cancel", 2),
    ("a", "Abort", 3),
    ("r", "Retry", 4),
    ("i", "Ignore", 5),
    ("y", "Yes", 6),
    ("n", "No", 7),
)
_BUTTONS = {
    0: (_OK,),
    1: (_OK, _CANCEL),
    2: (_ABORT, _RETRY, _IGNORE),
    3: (_YES, _NO, _CANCEL),
    4: (_YES, _NO),
    5: (_RETRY, _CANCEL),
}


def functions(streams: Streams, *, batch: bool) -> dict[str, Callable[..., Any]]:
    """The functions by the names that scripts know."""
    dialogs = Dialogs(streams, batch=batch)
    return {
        "Join": join,
        "Filter": filtered,
        "Split": split,
        "String": repeated,
        "Round": rounded,
        "AscW": ascw,
        "ChrW": chrw,
        "LenB": lambda text: len(_bytes(text)),
        "LeftB": lambda text, count: _of_bytes("LeftB", _bytes(text)[: _count("LeftB", count)]),
        "RightB": rightb,
        "MidB": midb,
        "InStrB": instrb,
        "AscB": ascb,
        "DateAdd": lambda interval, number, day: date_add(as_text(interval), as_int(number), as_date(day)),
        "DateDiff": lambda interval, first, second, *first_day: date_diff(
            as_text(interval), as_date(first), as_date(second), *map(as_int, first_day[:1])
        ),
        "DatePart": lambda interval, day, *first_day: date_part(
            as_text(interval), as_date(day), *map(as_int, first_day[:2])
        ),
        "DateValue": lambda text: as_date(text).replace(hour=0, minute=0, second=0, microsecond=0),
        "TimeValue": lambda text: as_date(text).replace(year=1899, month=12, day=30),
        "FormatNumber": format_number,
        "FormatPercent": format_percent,
        "FormatCurrency": format_currency,
        "Escape": lambda text: "".join(map(_escaped, as_text(text))),
        "Unescape": lambda text: re.sub(
            r"%u([0-9a-fA-F]{4})|%([0-9a-fA-F]{2})", lambda m: chr(int(m[1] or m[2], 16)), as_text(text)
        ),
        "GetLocale": lambda: _US_ENGLISH,
        "SetLocale": lambda *_: _US_ENGLISH,
        "MsgBox": dialogs.msgbox,
        "InputBox": dialogs.inputbox,
    }


def _array(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, tuple):
        raise mismatch("an array")
    return value


# -- functions -------------------------------------------------------------------------------------------------


def join(items: Any, delimiter: Any = " ") -> str:
    """Join(list[, delimiter])."""
    return (" " if delimiter is MISSING else as_text(delimiter)).join(map(as_text, _array(items)))


def filtered(items: Any, wanted: Any, include: Any = True, compare: Any = 0) -> tuple[str, ...]:
    """Filter(strings, value[, include[, compare]])."""
    fold: Callable[[str], str] = str.lower if as_int(compare) == 1 else str
    keep = include is MISSING or bool(include)
    text = fold(as_text(wanted))
    return tuple(item for item in map(as_text, _array(items)) if (text in fold(item)) is keep)


def split(text: Any, delimiter: Any = " ", count: Any = -1, compare: Any = 0) -> tuple[str, ...]:
    """Split(expression[, delimiter[, count[, compare]]]): nothing of an empty text."""
    whole = as_text(text)
    between = " " if delimiter is MISSING else as_text(delimiter)
    most = -1 if count is MISSING else as_int(count)
    if most < -1:
        raise Failure(HRESULT.E_INVALIDARG, f"Split takes a count of -1 (all) or more, not {most}")
    if not whole or most == 0:
        return ()
    if not between or most == 1:
        return (whole,)
    flags = re.IGNORECASE if as_int(compare) == 1 else 0
    return tuple(re.split(re.escape(between), whole, maxsplit=max(most - 1, 0), flags=flags))


_LONGEST = 1 << 24


def repeated(number: Any, character: Any) -> str:
    """String(number, character): the first character of a text, or that of a code."""
    count = as_int(number)
    if not 0 <= count <= _LONGEST:
        raise Failure(HRESULT.E_INVALIDARG, f"String takes a length from 0 to {_LONGEST}, not {count}")
    if isinstance(character, str):
        if not character:
            raise Failure(HRESULT.E_INVALIDARG, "String needs a character")
        return character[0] * count
    return bytes((as_int(character) & 0xFF,)).decode("cp1252", "replace") * count


# -- texts as their bytes: two for each UTF-16 unit, the lower first --------------------------------------------


def _bytes(text: Any) -> bytes:
    return as_text(text).encode("utf-16-le", "surrogatepass")


def _of_bytes(function: str, data: bytes) -> str:
    if len(data) % 2:
        why = f"{function} would give {len(data)} bytes, and only whole characters of two bytes pass here"
        raise Failure(HRESULT.E_INVALIDARG, why)
    return data.decode("utf-16-le", "surrogatepass")


def _count(function: str, value: Any, least: int = 0) -> int:
    number = as_int(value)
    if number < least:
        raise Failure(HRESULT.E_INVALIDARG, f"{function} takes {least} or more, not {number}")
    return number


def rightb(text: Any, count: Any) -> str:
    """RightB(string, bytes)."""
    data = _bytes(text)
    return _of_bytes("RightB", data[max(0, len(data) - _count("RightB", count)) :])


def midb(text: Any, start: Any, count: Any = MISSING) -> str:
    """MidB(string, start[, bytes]): start counts bytes from 1."""
    rest = _bytes(text)[_count("MidB", start, 1) - 1 :]
    return _of_bytes("MidB", rest if count is MISSING else rest[: _count("MidB", count)])


def instrb(*args: Any) -> int:
    """InStrB([start, ]string1, string2): the byte, from 1, where the second is in the first; 0 where it is not."""
    if len(args) not in (2, 3):
        why = "InStrB takes a start, which may be left out, and two texts"
        raise Failure(HRESULT.DISP_E_BADPARAMCOUNT, why)
    start, text, wanted = args if len(args) == 3 else (1, *args)
    return _bytes(text).find(_bytes(wanted), _count("InStrB", start, 1) - 1) + 1


def ascb(text: Any) -> int:
    """AscB(string): the first byte."""
    data = _bytes(text)
    if not data:
        raise Failure(HRESULT.E_INVALIDARG, "AscB needs a character")
    return data[0]


# -- numbers and characters -------------------------------------------------------------------------------------


def rounded(value: Any, places: Any = 0) -> Any:
    """Round(expression[, places]): half to even."""
    digits = as_int(places)
    if not 0 <= digits <= 22:
        raise Failure(HRESULT.E_INVALIDARG, f"Round takes 0 to 22 places, not {digits}")
    if isinstance(value, bool) or value is EMPTY:
        return as_int(value)
    if isinstance(value, int):
        return value
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
        result = number.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)
    except (TypeError, ValueError, InvalidOperation) as error:
        if isinstance(value, float):
            return value  # more digits than there are to round, or no number
        raise mismatch("a number") from error
    return result if isinstance(value, Decimal) else float(result)


def ascw(text: Any) -> int:
    """AscW(string): the first UTF-16 unit, as VBScript's Integer."""
    units = as_text(text).encode("utf-16-le", "surrogatepass")
    if not units:
        raise Failure(HRESULT.E_INVALIDARG, "AscW needs a character")
    return int.from_bytes(units[:2], "little", signed=True)


def chrw(code: Any) -> str:
    """ChrW(code)."""
    number = as_int(code)
    if not -0x8000 <= number <= 0xFFFF:
        raise Failure(HRESULT.E_INVALIDARG, f"ChrW takes -32768 to 65535, not {number}")
    return chr(number & 0xFFFF)


def _escaped(char: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9@*_+\-./]", char):
        return char
    code = ord(char)
    if code < 0x100:
        return f"%{code:02X}"
    units = char.encode("utf-16-be", "surrogatepass").hex().upper()
    return "".join(f"%u{units[i : i + 4]}" for i in range(0, len(units), 4))


def type_name(obj: Any) -> str:
    """TypeName of an object."""
    if obj is None:
        return "Nothing"
    if isinstance(obj, ComObject):
        return obj._interface_
    return type(obj).__name__ if isinstance(obj, HostObject) else "Object"


_KINDS = {
    0: "Empty",
    1: "Null",
    2: "Integer",
    3: "Long",
    4: "Single",
    5: "Double",
    6: "Currency",
    7: "Date",
    8: "String",
    10: "Error",
    11: "Boolean",
    14: "Decimal",
    17: "Byte",
    19: "ULong",
}


def kind_name(kind: Any) -> str:
    """TypeName of what is no object, by its VarType."""
    number = as_int(kind)
    return "Variant()" if number & 0x2000 else _KINDS.get(number, "Unknown")


def element(array: tuple[Any, ...], index: tuple[Any, ...]) -> Any:
    """The element of an array whose indices begin at 0, one for each dimension; raises Failure."""
    found: Any = array
    for number in map(as_int, index):
        if not isinstance(found, tuple) or not 0 <= number < len(found):
            raise Failure(HRESULT.DISP_E_BADINDEX, f"there is no element {number}")
        found = found[number]
    return found


# What Wine's VBScript leaves as an HRESULT, and what VBScript documents for it.
_NUMBERS = {0x8002_0012 - (1 << 32): (11, "Division by zero")}
_UNEXPLAINED = int(HRESULT.E_FAIL)


def error_number(number: Any) -> Any:
    """Err.Number, where the engine says `number`."""
    return _NUMBERS[number][0] if number in _NUMBERS else number


def error_description(number: Any, text: Any) -> Any:
    """Err.Description, where the engine says `text`."""
    if text:
        return text
    if number == _UNEXPLAINED:
        return "an error for which Wine's script engine gives no reason"
    return _NUMBERS[number][1] if number in _NUMBERS else text


class Dialogs:
    """MsgBox and InputBox, on the terminal."""

    def __init__(self, streams: Streams, *, batch: bool) -> None:
        self._streams = streams
        self._batch = batch

    def _ask(self, what: str, text: str) -> str | None:
        if self._batch:
            raise Failure(HRESULT.E_ABORT, f"{what} asks somebody, and under --batch nobody is there")
        stdin, stdout, _ = self._streams.objects
        stdout.write(text)
        line = None
        try:
            line = stdin.answer()
        finally:
            if line is None:
                stdout.write("\n")  # nobody has ended the line, and whatever comes next is not part of the question
        return line

    def msgbox(self, prompt: Any, buttons: Any = 0, title: Any = "", *_help: Any) -> int:
        """MsgBox(prompt[, buttons[, title]]): the number of the button."""
        number = as_int(buttons)
        choices = _BUTTONS.get(number & 0xF, (_OK,))
        text = f"{as_text(title)}: {as_text(prompt)}" if as_text(title) else as_text(prompt)
        default = choices[min((number >> 8) & 3, len(choices) - 1)]
        shown = "/".join(f"[{word[0]}]{word[1:]}" for _, word, _ in choices)
        while True:
            line = self._ask("MsgBox", f"{text}\n{shown} ({default[1]}): ")
            if line is None:
                raise Failure(HRESULT.E_ACCESSDENIED, "MsgBox asks somebody, and standard input has ended")
            if not line.strip():
                return default[2]
            for letter, word, answer in choices:
                if line.strip().lower() in (letter, word.lower()):
                    return answer

    def inputbox(self, prompt: Any, title: Any = "", default: Any = "", *_place: Any) -> str:
        """InputBox(prompt[, title[, default]]): what was typed; "" when standard input has ended."""
        head = f"{as_text(title)}: " if as_text(title) else ""
        tail = f" ({as_text(default)})" if as_text(default) else ""
        line = self._ask("InputBox", f"{head}{as_text(prompt)}{tail}: ")
        return "" if line is None else line or as_text(default)


class Network(HostObject):
    """WScript.Network, as far as it tells who and where we are (Wine's tells only the user)."""

    source = "WSHNetwork.Network"

    @offered("ComputerName", prop=True)
    def computer(self) -> str:
        """The name of this host."""
        return socket.gethostname()

    @offered("UserName", prop=True, default=True)
    def user(self) -> str:
        """The user's name."""
        return getpass.getuser()

    @offered("UserDomain", prop=True)
    def domain(self) -> str:
        """The name of this host: users are known to it alone."""
        return socket.gethostname()
