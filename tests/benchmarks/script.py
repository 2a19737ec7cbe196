"""One property of every machine in a script's loop, against the plain libvirt-python loop."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import libvirt

from tests.benchmarks import nodes
from tests.benchmarks.options import Options
from tests.benchmarks.report import Goal, Report, Table, timings_as_json
from tests.benchmarks.timing import Timing, interleaved, once
from vpcshim.model.application import VirtualServer

MACHINES = 1000
MOST = 1.3


def script_loop(application: VirtualServer) -> list[int]:
    """The loop of the README."""
    return [int(machine.Accountant.NetworkBytesSent) for machine in application.VirtualMachines]


def run(options: Options) -> Report:
    """Cold (a new connection's first loop) and warm loops of both."""
    machines = 100 if options.quick else MACHINES
    report = Report("script")
    with tempfile.TemporaryDirectory(prefix="vpcshim-bench-") as folder:
        uri = nodes.write(Path(folder), machines)
        application = nodes.application(uri)
        connection = libvirt.open(uri)
        ways: dict[str, Callable[[], list[int]]] = {
            "plain loop": partial(nodes.plain_loop, connection),
            "vpcshim": partial(script_loop, application),
        }
        for what, read in ways.items():
            with nodes.Clock() as clock:
                sums = read()
            report.unequal += clock.wrong(what, sums, machines)
        warm = interleaved(ways, 3 if options.quick else 20)
        del ways, read, application
        connection.close()
        cold = _cold(uri, 2 if options.quick else 9)
    rows = []
    for name, timings in (("first loop of a connection", cold), ("later loops", warm)):
        for who, timing in timings.items():
            ratio = timing.median / timings["plain loop"].median
            rows.append((f"{name}: {who}", *timing.cells(), f"{ratio:.2f}"))
    report.tables.append(
        Table(
            f"NetworkBytesSent of {machines} domains x {nodes.NICS} NICs, test driver in process, ms a loop",
            ("", "median", "quartiles", "x plain loop"),
            rows,
        )
    )
    for name, timings in (("first loop", cold), ("later loops", warm)):
        ratio = timings["vpcshim"].median / timings["plain loop"].median
        report.goals.append(Goal(f"{name}: vpcshim / plain loop", ratio, most=MOST))
    report.data = {"machines": machines, "cold": timings_as_json(cold), "warm": timings_as_json(warm)}
    return report


def _cold(uri: str, rounds: int) -> dict[str, Timing]:
    """The first loop over a connection that has just been opened; opening itself is not counted."""
    seconds: dict[str, list[float]] = {"plain loop": [], "vpcshim": []}
    for turn in range(rounds + 1):
        connection = libvirt.open(uri)
        plain = once(partial(nodes.plain_loop, connection))
        connection.close()
        application = nodes.application(uri, timeout=121 + turn)
        ours = once(partial(script_loop, application))
        del application
        if turn:  # the first round warms the process up
            seconds["plain loop"].append(plain)
            seconds["vpcshim"].append(ours)
    return {name: Timing(tuple(taken)) for name, taken in seconds.items()}
