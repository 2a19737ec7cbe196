"""Time and memory of a sweep as the number of machines grows: both are to be flat per machine."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import libvirt

from tests.benchmarks import nodes
from tests.benchmarks.options import CannotRun, Options
from tests.benchmarks.report import Goal, Report, Table, timings_as_json
from tests.benchmarks.timing import Timing, number, once
from vpcshim import HRESULT
from vpcshim.model.application import VirtualServer
from vpcshim.model.sweep import Account, sweep_all

COLUMNS = ("NetworkBytesSent", "NetworkBytesReceived")
SIZES = (10, 100, 1_000, 10_000)
FLAT_FROM = 100
MOST = 1.5
#: Readings of one process, so that each size is read about as many machines.
MACHINES_READ = 20_000


def run(options: Options) -> Report:
    """Each size in processes of its own, all sizes in turn."""
    sizes = SIZES[:3] if options.quick else SIZES
    report = Report("growth")
    found: dict[int, list[dict[str, Any]]] = {size: [] for size in sizes}
    with tempfile.TemporaryDirectory(prefix="vpcshim-bench-") as folder:
        warm_up = nodes.write(Path(folder), 5)
        uris = {size: nodes.write(Path(folder), size) for size in sizes}
        for _ in range(1 if options.quick else 5):
            for size in sizes:
                found[size].append(_child(uris[size], size, warm_up))
    sweeps = {size: Timing(tuple(s for one in runs for s in one["sweeps"])) for size, runs in found.items()}
    firsts = {size: Timing(tuple(one["first"] for one in runs)) for size, runs in found.items()}
    loops = {size: Timing(tuple(s for one in runs for s in one["loops"])) for size, runs in found.items()}
    memory = {size: Timing(tuple(one["memory"] for one in runs)) for size, runs in found.items()}
    for runs in found.values():
        report.unequal += [what for one in runs for what in one["wrong"]]
    rows = []
    for size in sizes:
        cells = (*sweeps[size].cells(size, 1e6), number(firsts[size].median * 1e6 / size))
        kib = memory[size].median / 1024
        rows.append(
            (str(size), *cells, number(loops[size].median * 1e6 / size), number(kib / size), number(kib / 1024))
        )
    report.tables.append(
        Table(
            f"Test driver in process, {nodes.NICS} NICs each: microseconds and KiB per domain",
            ("domains", "sweep us", "quartiles", "first us", "plain loop us", "memory KiB", "in all MiB"),
            rows,
        )
    )
    small, large = FLAT_FROM, sizes[-1]
    for what, of in (("time", sweeps), ("first sweep", firsts), ("peak memory", memory)):
        ratio = (of[large].median / large) / (of[small].median / small)
        report.goals.append(Goal(f"{what} per domain, {large} domains / {small} domains", ratio, most=MOST))
    report.notes.append(
        "memory: the peak of the resident set during the first sweep, which reads and keeps every XML, less what "
        "the process held with the connection open (libvirt's own copy of the node)"
    )
    report.data = {
        "nics": nodes.NICS,
        "sweep": timings_as_json({str(size): timing for size, timing in sweeps.items()}),
        "first_sweep": timings_as_json({str(size): timing for size, timing in firsts.items()}),
        "plain_loop": timings_as_json({str(size): timing for size, timing in loops.items()}),
        "memory_bytes": {str(size): timing.seconds for size, timing in memory.items()},
    }
    return report


def _child(uri: str, size: int, warm_up: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.growth", uri, str(size), warm_up]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise CannotRun(f"the process for {size} domains: {done.stderr.strip()[-800:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measure(uri: str, size: int, warm_up: str) -> dict[str, Any]:
    libvirt.registerErrorHandler(lambda *_: None, None)
    small = nodes.application(warm_up)
    for _ in range(3):
        sweep_all(small, COLUMNS)
    application = nodes.application(uri)
    gc.collect()
    before = _restart_peak()
    first = once(lambda: sweep_all(application, COLUMNS))
    memory = _status("VmHWM") - before
    wrong: list[str] = []
    for _ in range(2):
        with nodes.Clock() as clock:
            accounts = sweep_all(application, COLUMNS)
        wrong += clock.wrong(f"vpcshim, {size} domains", _sums(accounts), size)
    del accounts
    repetitions = max(3, min(200, MACHINES_READ // size))
    sweeps, loops = [], []
    connection = libvirt.open(uri)
    with nodes.Clock() as clock:
        sums = nodes.plain_loop(connection)
    wrong += clock.wrong(f"plain loop, {size} domains", sums, size)
    for _ in range(repetitions):
        sweeps.append(once(lambda: _swept(application)))
        loops.append(once(lambda: nodes.plain_loop(connection)))
    return {"first": first, "memory": memory, "sweeps": sweeps, "loops": loops, "wrong": wrong}


def _swept(application: VirtualServer) -> int:
    return len(sweep_all(application, COLUMNS))


def _sums(accounts: list[Account]) -> list[int]:
    values = [account.values["NetworkBytesSent"] for account in accounts]
    return [int(value.value) for value in values if value.code is HRESULT.S_OK]


def _restart_peak() -> int:
    """Begin the peak of the resident set anew; the resident set now.

    Not ru_maxrss: it begins with the peak of the process that started this one.
    """
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise CannotRun(f"this kernel does not tell {name}")


if __name__ == "__main__":
    json.dump(_measure(sys.argv[1], int(sys.argv[2]), sys.argv[3]), sys.stdout)
