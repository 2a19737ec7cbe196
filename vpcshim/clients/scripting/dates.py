"""DateAdd, which Wine's VBScript has wrong, and DateDiff and DatePart, which it lacks.

Source: the VBScript language reference.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT

_SECONDS = {"h": 3600, "n": 60, "s": 1}
_ZERO = datetime(1, 1, 1)
_SUNDAY, _MONDAY = 1, 2
_FIRST_YEAR = 100  # of VBScript's dates


_MONTHS = {"yyyy": 12, "q": 3, "m": 1}
_DAYS = {"d": 1, "y": 1, "w": 1, "ww": 7}


def date_add(interval: str, number: int, moment: datetime) -> datetime:
    """So many intervals later, at the latest on the last day of that month.

    Raises:
        Failure: There is no such interval, or no such year.
    """
    kind = interval.lower()
    try:
        if kind in _MONTHS:
            months = moment.year * 12 + moment.month - 1 + number * _MONTHS[kind]
            year, month = months // 12, months % 12 + 1
            if not _FIRST_YEAR <= year <= datetime.max.year:
                raise OverflowError
            return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))
        if kind not in _DAYS and kind not in _SECONDS:
            raise _unknown(interval)
        found = moment + timedelta(days=number * _DAYS.get(kind, 0), seconds=number * _SECONDS.get(kind, 0))
        if found.year < _FIRST_YEAR:
            raise OverflowError
        return found
    except OverflowError as error:
        years = f"the years {_FIRST_YEAR} to {datetime.max.year}"
        text = f"{number} times {interval!r} after {moment:%Y-%m-%d} is outside of {years}"
        raise Failure(HRESULT.E_INVALIDARG, text) from error


def date_diff(interval: str, first: datetime, second: datetime, first_day: int = _SUNDAY) -> int:
    """How many boundaries of an interval lie between two moments; raises Failure for an unknown interval."""
    kind = interval.lower()
    if kind in _SECONDS:
        length = timedelta(seconds=_SECONDS[kind])
        return (second - _ZERO) // length - (first - _ZERO) // length
    days = second.toordinal() - first.toordinal()
    if kind in ("d", "y"):
        return days
    if kind == "w":
        return int(days / 7)
    if kind == "ww":
        return _week(second, first_day) - _week(first, first_day)
    months = (second.year - first.year) * 12 + second.month - first.month
    if kind == "m":
        return months
    if kind == "q":
        return (second.year * 4 + (second.month - 1) // 3) - (first.year * 4 + (first.month - 1) // 3)
    if kind == "yyyy":
        return second.year - first.year
    raise _unknown(interval)


def date_part(interval: str, moment: datetime, first_day: int = _SUNDAY, first_week: int = 1) -> int:
    """One part of a moment; raises Failure for an unknown interval."""
    kind = interval.lower()
    parts = {
        "yyyy": moment.year,
        "q": (moment.month - 1) // 3 + 1,
        "m": moment.month,
        "y": moment.timetuple().tm_yday,
        "d": moment.day,
        "w": _weekday(moment, first_day),
        "h": moment.hour,
        "n": moment.minute,
        "s": moment.second,
    }
    if kind in parts:
        return parts[kind]
    if kind != "ww":
        raise _unknown(interval)
    return _week_of_year(moment, first_day, first_week)


def _weekday(moment: datetime, first_day: int) -> int:
    """1..7, counted from the first day of the week (1: Sunday)."""
    return (moment.isoweekday() % 7 - ((first_day or _SUNDAY) - 1)) % 7 + 1


def _week(moment: datetime, first_day: int) -> int:
    """The week's number since the beginning of the calendar."""
    return (moment.toordinal() - _weekday(moment, first_day)) // 7


def _week_of_year(moment: datetime, first_day: int, first_week: int) -> int:
    """1: the week of 1 January is the first; 2: the first with four days; 3: the first full one."""
    needed = {2: 4, 3: 7}.get(first_week, 1)

    def begin(year: int) -> int:
        new_year = datetime(year, 1, 1)
        start = new_year.toordinal() - _weekday(new_year, first_day) + 1
        return start if start + 7 - new_year.toordinal() >= needed else start + 7

    day = moment.toordinal()
    year = moment.year
    if needed > 1 and year < datetime.max.year and day >= begin(year + 1):
        year += 1
    elif day < begin(year):
        year -= 1
    return (day - begin(year)) // 7 + 1


def _unknown(interval: str) -> Failure:
    return Failure(HRESULT.E_INVALIDARG, f"{interval!r} is no interval: yyyy, q, m, y, d, w, ww, h, n, s are")
