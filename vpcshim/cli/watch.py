"""`vpcshim accountant --watch`: reads again and again, until Ctrl-C."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import NoReturn

from vpcshim.cli import accountant, collect
from vpcshim.cli.collect import Host, Report
from vpcshim.cli.errors import complain
from vpcshim.cli.output import Frame, Output, Show
from vpcshim.cli.rates import Pace

logger = logging.getLogger(__name__)


class _Terminated(Exception):
    """SIGTERM came: the live display has the cursor to give back before the program ends."""


def run(hosts: Sequence[Host], output: Output, interval: float) -> int:
    """Show rounds until Ctrl-C (exit 0).

    What is wrong from the start, an unknown machine or no server at all, ends it at once; what goes wrong later
    is shown in place while it goes on trying.
    """
    try:
        reports = collect.read(hosts)
        unknown = accountant.unknown_machines(reports)
        if unknown or all(report.failure is not None for report in reports):
            output.once(reports)
            for line in unknown:
                complain(line)
            return accountant.exit_code(reports)
        before = signal.signal(signal.SIGTERM, _terminate)
        try:
            with output.watching() as show:
                _watch(hosts, show, interval, reports)
        finally:
            signal.signal(signal.SIGTERM, before)
    except _Terminated:
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        logger.debug("ended by Ctrl-C")
    return 0


def _watch(hosts: Sequence[Host], show: Show, interval: float, reports: list[Report]) -> NoReturn:
    pace = Pace()
    due = time.monotonic()
    while True:
        remarks = accountant.unknown_machines(reports)
        show(Frame(reports, pace.of(reports), datetime.now(timezone.utc), interval, remarks))
        # A round that takes longer than the interval delays the next one; it does not make up for it.
        due = max(due + interval, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        reports = collect.read(hosts)


def _terminate(_signal: int, _frame: object) -> None:
    raise _Terminated
