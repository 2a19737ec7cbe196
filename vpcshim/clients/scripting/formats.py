"""FormatNumber, FormatPercent and FormatCurrency, as they are where the country is the United States.

Wine's loses the comma where rounding makes a number longer (999.999), and knows neither numbers from 10^15 on nor
small ones. Source: the VBScript language reference.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from typing import Any

from vpcshim.clients.calls import EMPTY, MISSING
from vpcshim.clients.scripting.conversions import as_int, mismatch, plain
from vpcshim.clients.scripting.frames import to_days
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT

_MOST_DIGITS = 99
_ENOUGH = 500  # digits for the largest double with those behind its point
_MOST_ADJUSTED = 330  # the exponent of the largest double, and of the least
_DEFAULT = -2


def _number(value: Any) -> Decimal:
    value = plain(value)
    if value is EMPTY:
        return Decimal(0)
    if isinstance(value, bool):
        return Decimal(-1 if value else 0)
    if isinstance(value, datetime):
        value = to_days(value)
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise mismatch("a number")  # which are numbers to Python alone
    try:
        number = Decimal(value.strip().replace(",", "") if isinstance(value, str) else str(value))
    except InvalidOperation as error:
        raise mismatch("a number") from error
    if not number.is_finite():
        raise mismatch("a number")
    if abs(number.adjusted()) > _MOST_ADJUSTED:
        raise Failure(HRESULT.DISP_E_OVERFLOW, "a number that a Double can hold is needed")
    return number


def _chosen(value: Any, otherwise: bool) -> bool:
    """A choice of three: True, False, or the computer's settings."""
    number = _DEFAULT if value is MISSING else as_int(value)
    return otherwise if number == _DEFAULT else number != 0


def _formatted(
    number: Decimal, around: tuple[str, str], choices: tuple[Any, ...], *, parentheses: bool = False
) -> str:
    """The number with what stands before and behind it; `choices` are the arguments behind the number."""
    digits, lead, enclosed, grouped = (*choices, MISSING, MISSING, MISSING, MISSING)[:4]
    places = -1 if digits is MISSING else as_int(digits)
    if not -1 <= places <= _MOST_DIGITS:
        text = f"a number is formatted with 0 to {_MOST_DIGITS} digits behind its point, not {places}"
        raise Failure(HRESULT.E_INVALIDARG, text)
    with localcontext() as context:
        context.prec = _ENOUGH
        rounded = abs(number).quantize(Decimal(1).scaleb(-(2 if places < 0 else places)), rounding=ROUND_HALF_UP)
        text = f"{rounded:,f}" if _chosen(grouped, otherwise=True) else f"{rounded:f}"
    if text.startswith("0.") and not _chosen(lead, otherwise=True):
        text = text[1:]
    text = f"{around[0]}{text}{around[1]}"
    if number >= 0:
        return text
    return f"({text})" if _chosen(enclosed, otherwise=parentheses) else f"-{text}"


def format_number(value: Any, *choices: Any) -> str:
    """FormatNumber(number[, digits[, leading zero[, parentheses[, commas]]]])."""
    return _formatted(_number(value), ("", ""), _known("FormatNumber", choices))


def format_percent(value: Any, *choices: Any) -> str:
    """FormatPercent, with the arguments of FormatNumber: a hundred times the number."""
    with localcontext() as context:
        context.prec = _ENOUGH
        number = _number(value) * 100
    return _formatted(number, ("", "%"), _known("FormatPercent", choices))


def format_currency(value: Any, *choices: Any) -> str:
    """FormatCurrency, with the arguments of FormatNumber: an amount of dollars."""
    return _formatted(_number(value), ("$", ""), _known("FormatCurrency", choices), parentheses=True)


def _known(name: str, choices: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(choices) > 4:
        raise Failure(HRESULT.DISP_E_BADPARAMCOUNT, f"{name} is not called with {len(choices) + 1} arguments")
    return choices
