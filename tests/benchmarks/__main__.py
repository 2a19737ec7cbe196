"""``python -m tests.benchmarks``: measures, prints tables, writes JSON.  docs/benchmarks.md says what it means.

Exit code 1 when numbers that must be equal are not, or when something could not run; never because of a time.
"""

from __future__ import annotations

import argparse
import compileall
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import libvirt
import pytest

import vpcshim
from tests.benchmarks import exporter, growth, host, link, machine, process, script, scripts, wine
from tests.benchmarks.options import Options
from tests.benchmarks.report import Report
from tests.benchmarks.stage import Stage
from tests.harness import kernel, namespace
from tests.harness.packages import PackageError

#: What needs no privilege; the others need real guests.
PLAIN: dict[str, Callable[[Options], Report]] = {
    "script": script.run,
    "growth": growth.run,
    "wine": wine.run,
    "scripts": scripts.run,
}
#: In the order in which they can share their guests: all of them with taps, all of them, a few.
STAGED: dict[str, Callable[[Stage, Options], Report]] = {"host": host.run, "link": link.run, "process": process.run}

#: What ends one benchmark and no other: anything, with what the harness skips and fails with.
CANNOT = (Exception, pytest.skip.Exception, pytest.fail.Exception)


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for, inside the namespaces where real guests are part of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("which", nargs="?", default="all", choices=(*STAGED, *PLAIN, "all"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number there")
    parser.add_argument("--guests", type=int, default=Options.guests, help="real guests (%(default)s)")
    parser.add_argument("--taps", type=int, default=Options.taps, help="taps beside theirs (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="few repetitions: to see that it runs")
    parser.add_argument("--profile", action="store_true", help="host: where the time of a sweep goes")
    given = parser.parse_args(arguments)
    if given.guests < process.GUESTS:
        parser.error(f"--guests is at least {process.GUESTS}")
    options = Options(given.guests, given.taps, given.quick, given.profile)
    staged = [name for name in STAGED if given.which in (name, "all")]
    plain = [name for name in PLAIN if given.which in (name, "all")]
    why_not = namespace.why_not()
    if staged and not namespace.inside() and namespace.can_enter():
        _download(staged)
        return namespace.run_inside(("-m", "tests.benchmarks", *arguments), Path.cwd())
    libvirt.registerErrorHandler(lambda *_: None, None)
    # As an installed package's is: a checkout under PYTHONDONTWRITEBYTECODE would compile itself at every start.
    if not compileall.compile_dir(Path(vpcshim.__file__).parent, quiet=1):
        parser.error("vpcshim's bytecode cannot be written beside its source: processes would be timed without it")
    session = _Session()
    for name in plain:
        session.run(name, partial(PLAIN[name], options))
    if staged and why_not is not None:
        session.cannot.update(dict.fromkeys(staged, why_not))
    elif staged:
        session.run_staged(staged, options)
    session.print_end()
    if given.json is not None:
        given.json.write_text(json.dumps(session.as_json(), indent=1) + "\n")
    return session.exit_code


def _download(staged: Sequence[str]) -> None:
    """Inside there is no network; what is missing there is said there."""
    for what, obtain in (("guest kernel", kernel.obtain), (exporter.PACKAGE, exporter.obtain)):
        if what == exporter.PACKAGE and "host" not in staged:
            continue
        try:
            obtain()
        except PackageError as error:
            print(f"{what}: {error}", file=sys.stderr)


class _Session:
    """What ran, and what did not."""

    def __init__(self) -> None:
        self.machine = machine.describe()
        self.reports: list[Report] = []
        self.cannot: dict[str, str] = {}
        print("\n".join(f"{name + ':':15}{value}" for name, value in self.machine.items()), flush=True)

    def run(self, name: str, function: Callable[[], Report]) -> None:
        """Run one and print what it found; one that cannot run stops no other."""
        print(f"\n... {name}", flush=True)
        try:
            report = function()
        except CANNOT as error:
            self.cannot[name] = f"{type(error).__name__}: {error}"
            return
        self.reports.append(report)
        print(f"\n{report}", flush=True)

    def run_staged(self, names: Sequence[str], options: Options) -> None:
        """Run those that share guests."""
        guests = options.guests if set(names) != {"process"} else process.GUESTS
        taps = options.taps if "host" in names else 0
        left = list(names)
        try:
            with Stage(guests, taps) as stage:
                while left:
                    name = left.pop(0)
                    self.run(name, partial(STAGED[name], stage, options))
        except CANNOT as error:
            self.cannot.update(dict.fromkeys(left or ["guests"], f"{type(error).__name__}: {error}"))

    def print_end(self) -> None:
        """What a reader must not miss."""
        for name, why in self.cannot.items():
            print(f"\nCOULD NOT RUN {name}: {why}")
        for report in self.reports:
            for what in report.unequal:
                print(f"\nUNEQUAL in {report.name}: {what}")

    @property
    def exit_code(self) -> int:
        """1 when numbers differ or something could not run."""
        return int(bool(self.cannot) or any(report.unequal for report in self.reports))

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "machine": self.machine,
            "could_not_run": self.cannot,
            "benchmarks": {report.name: report.as_json() for report in self.reports},
        }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
