"""What a script's values are as ours: the conversions that OLE Automation makes of an argument."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from vpcshim.clients.calls import EMPTY, MISSING
from vpcshim.clients.scripting.frames import BadFrame, from_days
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT

_LEAST, _MOST = -(1 << 31), (1 << 31) - 1


class HasDefault(ABC):
    """An object that stands for its default member where a value is needed."""

    @abstractmethod
    def default(self) -> Any:
        """The value of its default member; raises Failure where it has none."""


def plain(value: Any) -> Any:
    """The value itself, or what an object stands for."""
    return value.default() if isinstance(value, HasDefault) else value


def mismatch(wanted: str) -> Failure:
    """DISP_E_TYPEMISMATCH, with what would have fitted."""
    return Failure(HRESULT.DISP_E_TYPEMISMATCH, f"{wanted} is needed")


def as_text(value: Any) -> str:
    """CStr; raises Failure (DISP_E_TYPEMISMATCH)."""
    value = plain(value)
    if isinstance(value, str):
        return value
    if value is EMPTY or value is MISSING:
        return ""
    if isinstance(value, bool | Decimal | int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else format(value, ".15G")
    if isinstance(value, datetime):
        day = f"{value.month}/{value.day}/{value.year}"
        clock = f"{value.hour % 12 or 12}:{value:%M:%S} {value:%p}"
        return (
            clock
            if value.date() == datetime(1899, 12, 30).date()
            else day
            if not _clock(value)
            else f"{day} {clock}"
        )
    raise mismatch("a text")


def _clock(value: datetime) -> bool:
    return bool(value.hour or value.minute or value.second)


def as_int(value: Any) -> int:
    """CLng; raises Failure (DISP_E_TYPEMISMATCH, DISP_E_OVERFLOW)."""
    value = plain(value)
    if value is EMPTY or value is MISSING:
        return 0
    if isinstance(value, bool):
        return -1 if value else 0
    try:
        number = Decimal(value.strip()) if isinstance(value, str) else value
        if not _LEAST <= number <= _MOST:  # nor infinite, nor NaN
            raise Failure(HRESULT.DISP_E_OVERFLOW, f"a number from {_LEAST} to {_MOST} is needed")
        return round(number)
    except (TypeError, InvalidOperation) as error:
        raise mismatch("a number") from error


def as_bool(value: Any, *, default: bool) -> bool:
    """CBool, `default` where the argument is left out; raises Failure (DISP_E_TYPEMISMATCH, DISP_E_OVERFLOW)."""
    if value is MISSING:
        return default
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return bool(value) if isinstance(value, float) else as_int(value) != 0


# In this order: what can be read as month and day is not read as day and month.
_DATES = (
    *("%m/%d/%Y", "%Y-%m-%d", "%Y/%m/%d", "%m-%d-%Y", "%m/%d/%y", "%d/%m/%Y", "%d/%m/%y"),
    *("%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%B %d %Y", "%b %d %Y", "%d-%b-%Y", "%d-%b-%y"),
)
_DATES_OF_THIS_YEAR = ("%m/%d", "%d/%m", "%d %B", "%d %b", "%B %d", "%b %d")
_CLOCKS = ("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", " %I %p", "T%H:%M:%S")
_TOO_LATE = 2050  # A year of two digits is before that, as it is for the engine's CDate.


def _day(text: str, clock: str) -> datetime | None:
    for form in _DATES:
        try:
            found = datetime.strptime(text, form + clock)
        except ValueError:
            continue
        late = form.endswith("%y") and found.year >= _TOO_LATE
        return found.replace(year=found.year - 100) if late else found
    for form in _DATES_OF_THIS_YEAR:
        try:
            # With the year in the text: 29 February is no day of every year.
            return datetime.strptime(f"{datetime.now().year} {text}", f"%Y {form}{clock}")
        except ValueError:
            pass
    return None


def as_date(value: Any) -> datetime:
    """CDate; raises Failure (DISP_E_TYPEMISMATCH)."""
    value = plain(value)
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        text = re.sub(r"(?<=\d) ?([ap]m)$", r" \1", " ".join(value.split()), flags=re.IGNORECASE)
        for clock in _CLOCKS:
            if (found := _day(text, clock)) is not None:
                return found
            if clock.startswith(" "):
                try:
                    return datetime.strptime(text, clock.strip()).replace(year=1899, month=12, day=30)
                except ValueError:
                    pass
        raise mismatch("a date")
    if value is EMPTY or isinstance(value, int | float | Decimal):
        try:
            return from_days(0.0 if value is EMPTY else float(value))
        except BadFrame as error:
            raise mismatch("a date") from error
    raise mismatch("a date")
