"""The command line as a whole process on a small host, against virsh."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

from tests.benchmarks import looks
from tests.benchmarks.options import CannotRun, Options
from tests.benchmarks.report import Goal, Report, Table, timings_as_json
from tests.benchmarks.stage import NICS, Stage
from tests.benchmarks.timing import interleaved

GUESTS = 3
MOST = 3.0
VIRSH = "virsh domstats"
NETWORK = "vpcshim accountant --json, network columns"
ALL = "vpcshim accountant --json"


def run(stage: Stage, options: Options) -> Report:
    """At least twenty processes of each."""
    report = Report("process")
    stage.remove_taps()
    stage.keep(GUESTS)
    uri = stage.daemon.uri
    program = Path(sys.executable).with_name("vpcshim")
    if not program.exists():
        raise CannotRun(f"the command vpcshim is not installed beside {Path(sys.executable).name}")
    accountant = [str(program), "--connect", uri, "accountant", "--json"]
    commands = {
        VIRSH: looks.virsh_command(uri),
        NETWORK: [*accountant, "--columns", "net-sent,net-received"],
        ALL: accountant,
        "python that does nothing": [sys.executable, "-c", "pass"],
        "python that imports libvirt and lxml": [sys.executable, "-c", "import libvirt, lxml.etree"],
    }
    sums: dict[str, dict[str, tuple[int, int]]] = {VIRSH: {}}
    for (name, _), (into, out) in looks.virsh_numbers(looks.output_of(commands[VIRSH])).items():
        before = sums[VIRSH].get(name, (0, 0))
        sums[VIRSH][name] = (before[0] + into, before[1] + out)
    for what in (NETWORK, ALL):
        rows = json.loads(looks.output_of(commands[what]))
        sums[what] = {
            row["name"]: (row["NetworkBytesReceived"]["value"], row["NetworkBytesSent"]["value"]) for row in rows
        }
        if sums[what] != sums[VIRSH] or len(rows) != len(stage.guests):
            report.unequal.append(f"{what}: {sums[what]}, by virsh {sums[VIRSH]}")
    timings = interleaved(
        {name: partial(looks.output_of, command) for name, command in commands.items()},
        3 if options.quick else 25,
    )
    virsh = timings[VIRSH].median
    report.tables.append(
        Table(
            f"A whole process, {len(stage.guests)} guests x {NICS} NICs, ms",
            ("", "median", "quartiles", "x virsh"),
            [(name, *timing.cells(), f"{timing.median / virsh:.2f}") for name, timing in timings.items()],
        )
    )
    for name in (NETWORK, ALL):
        report.goals.append(Goal(f"{name} / {VIRSH}", timings[name].median / virsh, most=MOST))
    report.notes.append(
        "all columns include the CPU, which a process that starts from nothing samples twice, one second apart"
    )
    report.data = {"guests": len(stage.guests), "nics": NICS, "processes": timings_as_json(timings)}
    return report
