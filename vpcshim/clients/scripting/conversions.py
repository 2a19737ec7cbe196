"""What a script's values are as ours: the conversions that OLE Automation makes of an argument."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from vpcshim.clients.calls import EMPTY, MISSING
from vpcshim.clients.scripting.frames import BadFrame, from_days
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT

_LEAST, _MOST = -(1 << 31), (1 << 31) - 1


def mismatch(wanted: str) -> Failure:
    """DISP_E_TYPEMISMATCH, with what would have fitted."""
    return Failure(HRESULT.DISP_E_TYPEMISMATCH, f"{wanted} is needed")


def as_text(value: Any) -> str:
    """CStr; raises Failure (DISP_E_TYPEMISMATCH)."""
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


_DATES = ("%m/%d/%Y", "%Y-%m-%d", "%d %B %Y", "%B %d, %Y", "%d-%b-%Y", "%m/%d/%y")
_CLOCKS = ("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", "T%H:%M:%S")


def as_date(value: Any) -> datetime:
    """CDate; raises Failure (DISP_E_TYPEMISMATCH)."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        text = " ".join(value.split())
        for clock in _CLOCKS:
            for day in _DATES:
                try:
                    return datetime.strptime(text, day + clock)
                except ValueError:
                    pass
            try:
                found = datetime.strptime(text, clock.strip()) if clock.startswith(" ") else None
            except ValueError:
                found = None
            if found is not None:
                return found.replace(year=1899, month=12, day=30)
        raise mismatch("a date")
    if value is EMPTY or isinstance(value, int | float | Decimal):
        try:
            return from_days(0.0 if value is EMPTY else float(value))
        except BadFrame as error:
            raise mismatch("a date") from error
    raise mismatch("a date")
