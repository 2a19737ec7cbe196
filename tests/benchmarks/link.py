"""A host behind a link with 20 ms of round-trip time: what a sweep costs in round trips."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import libvirt

from tests.benchmarks import looks
from tests.benchmarks.delay import DelayedLink
from tests.benchmarks.looks import INTERFACE, STATE
from tests.benchmarks.options import Options
from tests.benchmarks.report import Goal, Report, Table, timings_as_json
from tests.benchmarks.stage import NICS, Stage
from tests.benchmarks.timing import Timing, interleaved, number, once
from vpcshim.hypervisor.nics import bulk

ONE_WAY = 0.010
MOST_TRIPS = 3.0
FEW = 10


def run(stage: Stage, options: Options) -> Report:
    """With all guests, and with a few."""
    report = Report("link")
    with DelayedLink(stage.daemon.port, ONE_WAY) as link:
        uri = f"qemu+tcp://127.0.0.1:{link.port}/system"
        connection = libvirt.open(uri)
        trip = statistics.median(once(connection.getLibVersion) for _ in range(30))
        report.notes.append(
            f"the link is a TCP proxy that holds every byte back for {ONE_WAY * 1e3:g} ms each way; a call that "
            f"libvirt answers at once takes {trip * 1e3:.1f} ms over it"
        )
        report.data["round_trip_seconds"] = trip
        try:
            for guests in sorted({len(stage.guests), min(FEW, len(stage.guests))}, reverse=True):
                stage.keep(guests)
                _compare(report, stage, options, link, connection, uri, trip)
        finally:
            connection.close()
    return report


def _compare(
    report: Report, stage: Stage, options: Options, link: DelayedLink, connection: Any, uri: str, trip: float
) -> None:
    guests = len(stage.guests)
    local = stage.daemon.open()
    expected = looks.plain_loop(local)
    local.close()
    seen = {
        "interfaceStats loop": looks.plain_loop(connection),
        "raw getAllDomainStats": looks.bulk_numbers(connection.getAllDomainStats(STATE | INTERFACE, 0)),
    }
    firsts, opens, plain_opens, first_calls = [], [], [], []
    made = None
    for turn in range(1 if options.quick else 5):
        made = looks.application(uri, bulk.NAME, timeout=30 + 100 * guests + turn)
        plain_opens.append(once(partial(libvirt.open, uri)))
        opens.append(once(partial(made._server.connection.call, lambda _connect: None)))
        before = link.calls()
        firsts.append(once(partial(looks.sweep, made)))
        first_calls.append(link.calls() - before)
    assert made is not None
    last = made
    seen["vpcshim"] = looks.sweep_numbers(looks.sweep(last))
    for name, numbers in seen.items():
        if numbers != expected:
            report.unequal.append(f"{name} over the link, {guests} guests: not what the host itself says")
    ways: dict[str, Callable[[], object]] = {
        "interfaceStats loop": lambda: looks.plain_loop(connection),
        "raw getAllDomainStats": lambda: connection.getAllDomainStats(STATE | INTERFACE, 0),
        "vpcshim, later sweeps": lambda: looks.sweep(last),
    }
    calls = {name: _calls(link, take) for name, take in ways.items()}
    timings = interleaved(ways, 2 if options.quick else 7)
    extra = {
        "vpcshim, first sweep": Timing(tuple(firsts)),
        "vpcshim, opening": Timing(tuple(opens)),
        "libvirt.open alone": Timing(tuple(plain_opens)),
    }
    calls["vpcshim, first sweep"] = int(statistics.median(first_calls))
    rows = [
        (name, *timing.cells(), str(calls.get(name, "")), number(timing.median / trip))
        for name, timing in {**timings, **extra}.items()
    ]
    report.tables.append(
        Table(
            f"One look at {guests} guests x {NICS} NICs over {2 * ONE_WAY * 1e3:g} ms, ms",
            ("", "median", "quartiles", "calls", "in round trips"),
            rows,
        )
    )
    what = f"{guests} guests: calls of a sweep once the XML is kept"
    report.goals.append(Goal(what, calls["vpcshim, later sweeps"], most=MOST_TRIPS))
    report.data[f"{guests} guests"] = {"calls": calls, "looks": timings_as_json({**timings, **extra})}


def _calls(link: DelayedLink, take: Callable[[], object]) -> int:
    before = link.calls()
    take()
    return link.calls() - before
