"""A script in Wine's engine, as a whole process: how soon it starts, what a property costs, how much it holds."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tests.benchmarks.options import Options
from tests.benchmarks.report import Goal, Report, Table, timings_as_json
from tests.benchmarks.timing import Timing, number, once
from vpcshim.clients.wine import installation, program

MOST_US = 100.0
_EMPTY = 'WScript.Echo "1"\n'
# One line for each batch: the seconds of one read. VBScript's Timer has steps of some milliseconds.
_READS = """
Set vs = CreateObject("VirtualServer.Application")
Set vm = vs.VirtualMachines(1)
For batch = 1 To CLng(WScript.Arguments(0))
    began = Timer
    For i = 1 To 1000
        name = vm.Name
    Next
    taken = (Timer - began) / 1000
    WScript.Echo taken
Next
"""


def _run(script: Path, *args: str, cpus: set[int] | None = None, env: Mapping[str, str] | None = None) -> str:
    def pin() -> None:
        if cpus is not None:
            os.sched_setaffinity(0, cpus)

    command = [
        sys.executable,
        "-m",
        "vpcshim",
        "--connect",
        "test:///default",
        "run",
        "--batch",
        str(script),
        *args,
    ]
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(command, env=environment, preexec_fn=pin, capture_output=True, text=True, check=True)
    return done.stdout


def _peak(script: Path) -> int:
    """The most memory that the process on our side held, in KiB."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", code, sys.executable, "-m", "vpcshim", "run", str(script)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def run(options: Options) -> Report:
    """Start cold (no prefix yet) and warm; read a property on all CPUs and on one."""
    installation.find()
    program.path()
    report = Report("wine")
    everywhere = os.sched_getaffinity(0)
    rounds = 3 if options.quick else 11
    with tempfile.TemporaryDirectory(prefix="vpcshim-bench-") as folder:
        empty, reads = Path(folder) / "empty.vbs", Path(folder) / "reads.vbs"
        empty.write_text(_EMPTY)
        reads.write_text(_READS)
        cold = once(partial(_run, empty, env={"XDG_CACHE_HOME": folder}))
        _run(empty)
        starts = {"warm start": Timing(tuple(once(partial(_run, empty)) for _ in range(rounds)))}
        peak = _peak(empty)
        batches = "5" if options.quick else "60"
        costs = {
            name: Timing(tuple(map(float, _run(reads, batches, cpus=cpus).split())))
            for name, cpus in ((f"{len(everywhere)} CPUs", everywhere), ("one CPU", {min(everywhere)}))
        }
    report.tables.append(
        Table(
            "A whole process that runs a script of one line",
            ("", "ms"),
            [
                ("first ever: prefix and host are made", number(cold * 1e3)),
                ("warm start, median", starts["warm start"].cells()[0]),
                ("warm start, quartiles", starts["warm start"].cells()[1]),
                ("memory of our side, MiB", number(peak / 1024)),
            ],
        )
    )
    report.tables.append(
        Table(
            "A machine's Name read in VBScript, test driver in process, us",
            ("", "median", "quartiles"),
            [(name, *timing.cells(unit=1e6)) for name, timing in costs.items()],
        )
    )
    for name, timing in costs.items():
        report.goals.append(Goal(f"us a property, {name}", timing.median * 1e6, most=MOST_US))
    report.data = {
        "cold": cold,
        "peak_kib": peak,
        "starts": timings_as_json(starts),
        "property": timings_as_json(costs),
    }
    return report
