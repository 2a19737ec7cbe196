"""How accounts look as text, JSON and CSV; nothing here asks libvirt or knows of a terminal.

Values are `decimal.Decimal` in the model and leave here as exact integers.

The JSON of one machine (`machine`)::

    {"host": "qemu:///system", "name": "web01", "uuid": "...",
     "state": "running", "state_number": 5,            the VMVMState; null where it cannot be read
     "hresult": "S_OK", "code": "0x00000000", "error": null,                    how reading the state ended
     "NetworkBytesSent": {"value": 123, "hresult": "S_OK", "code": "0x00000000", "error": null}, ...}

`value` is an exact integer: 0 with S_FALSE for a machine that is off, null with a failure, whose reason is in
`error`. A server whose machines cannot be listed is one object of the same form with a null name and uuid, and
the failure everywhere. With --watch each line is {"time": ..., "machines": [...]}, and a column that counts bytes
has a "rate" too, in bytes per second; null where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vpcshim.cli.collect import Report, Row
from vpcshim.cli.columns import Column
from vpcshim.cli.rates import Rates
from vpcshim.cli.text import escaped, one_line
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import Outcome
from vpcshim.constants import VMVMState
from vpcshim.model.sweep import NicSource

OFF = "-"
ERROR = "error"
_IEC = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")


# -- numbers -----------------------------------------------------------------------------------------------


def human_bytes(count: float) -> str:
    """`1.4 MiB`: IEC units, one decimal below ten, never more than four digits."""
    size, unit = float(count), 0
    # What would be shown as 1024 of a unit is 1.0 of the next.
    while round(size) >= 1024 and unit < len(_IEC) - 1:
        size, unit = size / 1024, unit + 1
    decimals = 1 if unit and round(size, 1) < 10 else 0
    return f"{size:.{decimals}f} {_IEC[unit]}"


def human_seconds(seconds: int) -> str:
    """`3d 04:05:06`, without the days below one."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    clock = f"{hour:02}:{minute:02}:{second:02}"
    return f"{days}d {clock}" if days else clock


def number(outcome: Outcome) -> int | None:
    """The exact integer of a value; None where it could not be read."""
    return None if outcome.code.failed else int(outcome.value)


def state_label(state: Outcome) -> str:
    """The state in words: running, paused, off, saved, turning off, ..."""
    if state.code.failed:
        return ERROR
    name = VMVMState(int(state.value)).name.partition("_")[2]
    return "off" if name == "TurnedOff" else re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


# -- tables ------------------------------------------------------------------------------------------------


def cell(outcome: Outcome, column: Column, *, human: bool, exact_bytes: bool = False) -> str:
    """One value of a table."""
    if outcome.code.failed:
        return ERROR
    if outcome.code is HRESULT.S_FALSE:
        return OFF
    value = int(outcome.value)
    if not human:
        return str(value)
    if column.unit == "percent":
        return f"{value}%"
    if column.unit == "seconds":
        return human_seconds(value)
    return str(value) if exact_bytes else human_bytes(value)


def rate_cell(rates: Rates, column: Column, *, human: bool) -> str:
    """One rate of a table."""
    rate = rates.get(column.member)
    if rate is None:
        return OFF
    return human_bytes(rate) if human else str(round(rate))


def notes(reports: Iterable[Report], columns: Sequence[Column], *, with_host: bool) -> list[str]:
    """One line for each thing that could not be read, and why; and for each NIC that a sum leaves out."""
    lines = []
    for report in reports:
        if report.failure is not None:
            lines.append(report.said)
        for row in report.rows:
            where = f"{report.host}: {row.account.name}" if with_host else row.account.name
            lines.extend(f"{where}: {text}" for text in (*_reasons(row, columns), *_left_out(row, columns)))
    return [one_line(line) for line in lines]


def _reasons(row: Row, columns: Sequence[Column]) -> list[str]:
    """Why cells of a row are errors: each reason once, with the columns that it concerns."""
    outcomes = [("state", row.account.state), *((c.key, row.account.values[c.member]) for c in columns)]
    reasons: dict[str, list[str]] = {}
    for key, outcome in outcomes:
        if outcome.code.failed:
            # The model's descriptions begin with the machine's name, and so does our line.
            text = outcome.description.removeprefix(f"{row.account.name}: ")
            reasons.setdefault(text, []).append(key)
    return [text if len(keys) == len(outcomes) else f"{', '.join(keys)}: {text}" for text, keys in reasons.items()]


_COUNTED = {"NetworkBytesSent": "sent", "NetworkBytesReceived": "received"}


def _left_out(row: Row, columns: Sequence[Column]) -> Iterator[str]:
    """Which NICs the sums that could be read do not hold, and why (--unreadable-nics skip)."""
    summed = [c for c in columns if c.member in _COUNTED and row.account.values[c.member].code is HRESULT.S_OK]
    for nic in row.account.sources() if summed else ():
        missed = [c.key for c in summed if getattr(nic, _COUNTED[c.member]) is None]
        if missed:
            yield f"left out of {', '.join(missed)}: {_how_read(nic)}"


def _how_read(nic: NicSource) -> str:
    """The NIC, and its source or what is wrong with it."""
    if nic.error is not None:
        return nic.error  # it names the NIC
    missing = " and ".join(counter for counter in _COUNTED.values() if getattr(nic, counter) is None)
    return f"{nic.label}: {nic.source}" + (f" does not count {missing} bytes there" if missing else "")


def explanations(reports: Iterable[Report], *, with_host: bool) -> list[str]:
    """A line for each NIC of a running machine: which source served it, and why not those that are asked before.

    Of a NIC that could not be read it says why.
    """
    lines = []
    for row in (row for report in reports for row in report.rows):
        where = f"{row.host}: {row.account.name}" if with_host else row.account.name
        for one in row.account.sources():
            because = f" ({'; '.join(one.declined)})" if one.declined else ""
            lines.append(f"{where} {_how_read(one)}{because}")
    return [one_line(line) for line in lines]


def sources(row: Row) -> list[dict[str, Any]]:
    """The same as JSON, with what libvirt or the kernel counts (resets not taken off)."""
    return [
        {
            "nic": one.label,
            "source": one.source,
            "declined": list(one.declined),
            "sent": one.sent,
            "received": one.received,
            "error": one.error,
        }
        for one in row.account.sources()
    ]


# -- order -------------------------------------------------------------------------------------------------


def ordered(rows: Iterable[Row], by: str, columns: Sequence[Column]) -> list[Row]:
    """The rows by `name`, `state`, or a column's key, the greatest number first; what has none comes last."""
    known = list(rows)
    column = next((column for column in columns if column.key == by), None)
    if column is None:
        if by == "state":
            known.sort(key=lambda row: state_label(row.account.state))
        elif by == "name":
            known.sort(key=lambda row: row.account.name.casefold())
        return known

    def key(row: Row) -> tuple[bool, int]:
        outcome = row.account.values[column.member]
        return outcome.code is not HRESULT.S_OK, -(number(outcome) or 0)

    known.sort(key=key)
    return known


# -- JSON and CSV ------------------------------------------------------------------------------------------


def machine(row: Row, columns: Sequence[Column], rates: Rates | None = None) -> dict[str, Any]:
    """One machine as JSON; with `rates`, those too."""
    state = row.account.state
    document: dict[str, Any] = {
        "host": row.host,
        "name": row.account.name,
        "uuid": row.account.uuid,
        "state": None if state.code.failed else state_label(state),
        "state_number": number(state),
        **_how(state),
    }
    for column in columns:
        document[column.member] = _value(row.account.values[column.member])
        if rates is not None and column.unit == "bytes":
            document[column.member]["rate"] = _rounded(rates.get(column.member))
    return document


def unlisted(report: Report, failure: Outcome, columns: Sequence[Column]) -> dict[str, Any]:
    """A server whose machines cannot be listed, in the form of a machine."""
    nothing = {"host": report.host, "name": None, "uuid": None, "state": None, "state_number": None}
    return {**nothing, **_how(failure), **{column.member: _value(failure) for column in columns}}


def _value(outcome: Outcome) -> dict[str, Any]:
    return {"value": number(outcome), **_how(outcome)}


def _how(outcome: Outcome) -> dict[str, Any]:
    error = outcome.description if outcome.code.failed else None
    return {"hresult": outcome.code.name, "code": outcome.code.hex, "error": error}


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 3)


def csv_header(columns: Sequence[Column], *, rates: bool) -> list[str]:
    """The first line of the CSV; the lines are those of `csv_line`."""
    header = ["host", "name", "uuid", "state", "state_number", "state.hresult", "state.code"]
    for column in columns:
        header += [column.member, f"{column.member}.hresult", f"{column.member}.code"]
        if rates and column.unit == "bytes":
            header.append(f"{column.member}.rate")
    return [*header, "error"]


def csv_line(document: dict[str, Any], columns: Sequence[Column], *, rates: bool) -> list[Any]:
    """A line of CSV from the JSON of a machine or server; what is null there is empty."""
    keys = ("host", "name", "uuid", "state", "state_number", "hresult", "code")
    line = [escaped(part) if isinstance(part, str) else part for part in map(document.get, keys)]
    errors = {document["error"]: None}
    for column in columns:
        value = document[column.member]
        line += [value["value"], value["hresult"], value["code"]]
        if rates and column.unit == "bytes":
            line.append(value.get("rate"))
        errors[value["error"]] = None
    return [*line, "; ".join(one_line(text) for text in errors if text)]
