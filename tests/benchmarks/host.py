"""One look at a whole host: vpcshim's sweep by each source, its peers, and the floor below all of them."""

from __future__ import annotations

import cProfile
import io
import pstats
from functools import partial
from typing import Any

from tests.benchmarks import looks
from tests.benchmarks.exporter import Exporter
from tests.benchmarks.looks import INTERFACE, SOURCES, STATE, Look
from tests.benchmarks.options import Options
from tests.benchmarks.report import Goal, Report, Table, timings_as_json
from tests.benchmarks.stage import NICS, Stage
from tests.benchmarks.timing import Timing, interleaved, once
from tests.harness.packages import PackageError
from vpcshim.hypervisor.nics import hostlinks

LEAST_FASTER = 50.0
MOST_OF_FLOOR = 1.5
RAW = "raw getAllDomainStats"
LOOP = "interfaceStats loop"
VIRSH = "virsh domstats"
EXPORTER = "prometheus-libvirt-exporter"
FLOOR = "floor: /proc/net/dev + STATE"
FLOOR_PARSED = "floor, its lines parsed"
FLOOR_STATE = "STATE alone"
OURS = f"vpcshim, {hostlinks.NAME}"


def run(stage: Stage, options: Options) -> Report:
    """With the extra taps, then without them."""
    report = Report("host")
    uri = stage.daemon.uri
    connection = stage.daemon.open()
    exporter: Exporter | None = None
    try:
        exporter = Exporter(uri)
        exporter.start()
        report.notes.append(f"{EXPORTER} {exporter.version}")
    except PackageError as error:
        report.notes.append(f"without {EXPORTER}: {error}")
    try:
        ways = _ways(stage, connection, exporter)
        with_taps = stage.taps
        counted = [with_taps, 0] if with_taps else [0]
        for taps in counted:
            if taps == 0:
                stage.remove_taps()
            _check(report, ways, len(stage.guests) * NICS, taps)
            timings = interleaved({name: way.take for name, way in ways.items()}, 3 if options.quick else 15)
            firsts = _first_sweeps(stage, 2 if options.quick else 7)
            _check(report, ways, len(stage.guests) * NICS, taps)
            _tell(report, timings, firsts, len(stage.guests), taps)
            if options.profile:
                _profile(ways[OURS])
    finally:
        connection.close()
        if exporter is not None:
            exporter.close()
    return report


def _ways(stage: Stage, connection: Any, exporter: Exporter | None) -> dict[str, Look]:
    uri = stage.daemon.uri
    virsh = looks.virsh_command(uri)
    owners = {device.encode(): (name, device) for name, device in looks.plain_loop(connection)}

    def states() -> Any:
        return connection.getAllDomainStats(STATE, 0)

    def floor() -> bytes:
        text = looks.read_links()
        states()
        return text

    def floor_parsed() -> looks.Numbers:
        states()
        return looks.link_numbers(looks.read_links(), owners)

    ways = {
        LOOP: Look(lambda: looks.plain_loop(connection), lambda numbers: numbers),
        RAW: Look(lambda: connection.getAllDomainStats(STATE | INTERFACE, 0), looks.bulk_numbers),
        VIRSH: Look(lambda: looks.output_of(virsh), looks.virsh_numbers),
    }
    if exporter is not None:
        ways[EXPORTER] = Look(exporter.scrape, exporter.numbers)
    for timeout, source in enumerate(SOURCES, 6):
        made = looks.application(uri, source, timeout)
        ways[f"vpcshim, {source}"] = Look(partial(looks.sweep, made), looks.sweep_numbers)
    ways[FLOOR] = Look(floor, lambda text: looks.link_numbers(text, owners))
    ways[FLOOR_PARSED] = Look(floor_parsed, lambda numbers: numbers)
    ways[FLOOR_STATE] = Look(states, None)
    return ways


def _check(report: Report, ways: dict[str, Look], nics: int, taps: int) -> None:
    """Every counter of every NIC, by every way that gives numbers."""
    expected: looks.Numbers | None = None
    for name, way in ways.items():
        if way.numbers is None:
            continue
        seen = way.take()
        numbers = way.numbers(seen)
        if name.startswith("vpcshim, "):
            served = looks.sources_of(seen)
            if served != {name.removeprefix("vpcshim, ")}:
                report.unequal.append(f"{name}, {taps} taps: served by {', '.join(sorted(served))}")
        if expected is None:
            expected = numbers
            if len(numbers) != nics or not all(into and out for into, out in numbers.values()):
                report.unequal.append(f"{name}, {taps} taps: {len(numbers)} NICs of {nics}, or counters at zero")
        for key in sorted(set(expected) | set(numbers)):
            if expected.get(key) != numbers.get(key):
                report.unequal.append(
                    f"{name}, {taps} taps: {key} is {numbers.get(key)}, by {LOOP} {expected.get(key)}"
                )


def _first_sweeps(stage: Stage, rounds: int) -> Timing:
    """The first sweep of a connection reads every XML; opening is part of it."""
    seconds = []
    for turn in range(rounds):
        made = looks.application(stage.daemon.uri, hostlinks.NAME, timeout=20 + turn)
        seconds.append(once(partial(looks.sweep, made)))
        del made
    return Timing(tuple(seconds))


def _tell(report: Report, timings: dict[str, Timing], firsts: Timing, guests: int, taps: int) -> None:
    ours = timings[OURS].median
    rows = [(name, *timing.cells(), f"{timing.median / ours:.2f}") for name, timing in timings.items()]
    rows.append(("vpcshim, first sweep of a connection", *firsts.cells(), f"{firsts.median / ours:.2f}"))
    report.tables.append(
        Table(
            f"One look at {guests} guests x {NICS} NICs with {taps} extra taps, ms",
            ("", "median", "quartiles", f"x {OURS}"),
            rows,
        )
    )
    peers = [name for name in (LOOP, RAW, VIRSH, EXPORTER) if name in timings]
    if taps:
        for name in peers:
            ratio = timings[name].median / ours
            report.goals.append(Goal(f"{taps} taps: {name} / {OURS}", ratio, least=LEAST_FASTER))
        for name in (FLOOR, FLOOR_PARSED):
            report.goals.append(
                Goal(f"{taps} taps: {OURS} / {name}", ours / timings[name].median, most=MOST_OF_FLOOR)
            )
    else:
        report.goals.append(Goal(f"no taps: {OURS} / {RAW}", ours / timings[RAW].median, most=1.0))
    report.data[f"{taps} taps"] = {
        "guests": guests,
        "nics": NICS,
        "looks": timings_as_json(timings),
        "first_sweep": timings_as_json({"vpcshim": firsts}),
    }


def _profile(way: Look, times: int = 50) -> None:
    way.take()
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(times):
        way.take()
    profile.disable()
    text = io.StringIO()
    pstats.Stats(profile, stream=text).strip_dirs().sort_stats("tottime").print_stats(30)
    print(f"{times} sweeps\n{text.getvalue()}", flush=True)
