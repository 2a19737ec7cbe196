"""Bytes per second, from two readings of a machine."""

from __future__ import annotations

from collections.abc import Iterable

from vpcshim.cli.collect import Report, Row
from vpcshim.cli.columns import COLUMNS
from vpcshim.com.hresult import HRESULT

Rates = dict[str, float]

BYTE_MEMBERS = tuple(column.member for column in COLUMNS if column.unit == "bytes")


class Pace:
    """Remembers each machine's last reading."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], Row] = {}

    def of(self, reports: Iterable[Report]) -> dict[tuple[str, str], Rates]:
        """The rates since the readings before these, by (host, uuid); what has no rate is left out."""
        rows = {(row.host, row.account.uuid): row for report in reports for row in report.rows}
        rates = {key: between(self._before[key], row) for key, row in rows.items() if key in self._before}
        self._before = rows
        return rates


def between(before: Row, after: Row) -> Rates:
    """The rates by member name.

    There is none where one of the two could not be read, where the counter went down (a reset, a device that
    was unplugged), or where the machine was started anew in between: then the difference says nothing.
    """
    rates = {}
    for member in BYTE_MEMBERS:
        old, new = before.account.values.get(member), after.account.values.get(member)
        if old is None or new is None or old.code is not HRESULT.S_OK or new.code is not HRESULT.S_OK:
            continue
        (run_then, then), (run, now) = before.account.moment(member), after.account.moment(member)
        elapsed = now - then
        if elapsed <= 0 or run is None or run != run_then:
            continue
        difference = int(new.value) - int(old.value)
        if difference >= 0:
            rates[member] = difference / elapsed
    return rates
