"""Scripts as whole processes, in three languages: how soon they start, what a property costs, what they hold.

Wine's part runs in a prefix and with a wineserver of the benchmark's own, so that nobody else's is ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

from tests.benchmarks import nodes
from tests.benchmarks.looks import output_of
from tests.benchmarks.options import CannotRun, Options
from tests.benchmarks.report import Goal, Report, Table, timings_as_json
from tests.benchmarks.timing import Timing, interleaved, number, once
from vpcshim.clients.wine import installation, program
from vpcshim.clients.wine.installation import NoWine, Wine

MOST_US = 100.0
# VBScript's Timer has steps of 4 ms: over so many reads that is less than 1 us of each.
READS = 5_000
_LANGUAGES = ("vbs", "js", "py")
_NAMES = {"vbs": "VBScript", "js": "JScript", "py": "Python, pywin32's stand-in"}
NOTHING = "python -c pass"
CMD = "wine cmd /c exit"
PLAIN = "Python, vpcshim itself"

_EMPTY = {"vbs": "' nothing\n", "js": "// nothing\n", "py": "# nothing\n"}

# Each prints the microseconds of one read, batch by batch: first a property that vpcshim answers by itself (so that
# it costs the way there and nothing else), then one that it asks libvirt for.
_READS = {
    "vbs": f"""
Set vs = CreateObject("VirtualServer.Application")
Set vm = vs.VirtualMachines(1)
x = vs.Name : x = vm.State
For batch = 1 To CLng(WScript.Arguments(0))
    began = Timer
    For i = 1 To {READS}
        x = vs.Name
    Next
    middle = Timer
    For i = 1 To {READS}
        x = vm.State
    Next
    WScript.Echo CStr((middle - began) * 1000000 / {READS}) & " " & CStr((Timer - middle) * 1000000 / {READS})
Next
""",
    "js": f"""
var vs = new ActiveXObject("VirtualServer.Application");
var vm = vs.VirtualMachines(1), x = vs.Name + vm.State, i;
for (var batch = 0; batch < Number(WScript.Arguments(0)); batch++) {{
    var began = new Date().getTime();
    for (i = 0; i < {READS}; i++) {{ x = vs.Name; }}
    var middle = new Date().getTime();
    for (i = 0; i < {READS}; i++) {{ x = vm.State; }}
    WScript.Echo((middle - began) * 1000000 / 1000 / {READS} + " " +
        (new Date().getTime() - middle) * 1000000 / 1000 / {READS});
}}
""",
    "py": f"""
import sys, time, win32com.client
vs = win32com.client.Dispatch("VirtualServer.Application")
vm = vs.VirtualMachines(1)
x = vs.Name, vm.State
for batch in range(int(sys.argv[1])):
    began = time.perf_counter()
    for i in range({READS}):
        x = vs.Name
    middle = time.perf_counter()
    for i in range({READS}):
        x = vm.State
    print((middle - began) * 1e6 / {READS}, (time.perf_counter() - middle) * 1e6 / {READS})
""",
}
_PLAIN_READS = _READS["py"].replace(", win32com.client", ", vpcshim").replace("win32com.client.Dispatch", "create")
_SLEEPS = {
    "vbs": '\nWScript.Echo "ready"\nWScript.Sleep 1500\n',
    "js": '\nWScript.Echo("ready");\nWScript.Sleep(1500);\n',
    "py": '\nprint("ready", flush=True)\ntime.sleep(1.5)\n',
}


class _World:
    """A prefix, a node with one machine, and the scripts, in a folder."""

    def __init__(self, folder: Path) -> None:
        try:
            self.wine: Wine = installation.find()
            self.prefix = installation.prefix(self.wine)
            program.path()
        except NoWine as error:
            raise CannotRun(str(error)) from error
        if self.wine.server is None:
            raise CannotRun("there is no wineserver beside Wine, so none can be started anew")
        self._folder = folder
        self.uri = nodes.write(folder, 1)
        self._environment = self.wine.environment(self.prefix)

    def script(self, kind: str, language: str, text: str) -> str:
        """A file with that text."""
        file = self._folder / f"{kind}.{language}"
        file.write_text(text)
        return str(file)

    def run(self, script: str, *args: str) -> list[str]:
        """The command that runs a script."""
        return [sys.executable, "-m", "vpcshim", "--connect", self.uri, "run", "--batch", script, *args]

    def cmd(self) -> None:
        """Wine's own shell, which does nothing; without a pipe, which Wine's services would hold open."""
        subprocess.run(
            [self.wine.loader, "cmd", "/c", "exit"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=120,
            check=True,
        )

    def stop_server(self) -> None:
        """End the prefix's wineserver, if it runs, and see it gone."""
        for option in ("-k", "-w"):
            command = [str(self.wine.server), option]
            subprocess.run(command, env=self._environment, capture_output=True, timeout=60, check=False)

    def processes(self) -> dict[int, str]:
        """The processes that live in the prefix, by id: their names."""
        wanted = f"WINEPREFIX={self.prefix}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "comm").read_text().strip()
            except OSError:
                continue  # it has ended meanwhile, or is somebody else's
        return found


@contextmanager
def _world() -> Iterator[_World]:
    made = tempfile.TemporaryDirectory(prefix="vpcshim-bench-")
    with made as folder, patch.dict(os.environ, {"XDG_CACHE_HOME": folder}):
        world = _World(Path(folder))
        try:
            yield world
        finally:
            world.stop_server()


def run(options: Options) -> Report:
    """Start-up, a property's cost, memory."""
    report = Report("scripts")
    with _world() as world:
        _starts(world, options, report)
        _properties(world, options, report)
        _memory(world, report)
    return report


# -- start-up ------------------------------------------------------------------------------------------------------


def _starts(world: _World, options: Options, report: Report) -> None:
    ways: dict[str, Callable[[], object]] = {
        NOTHING: partial(output_of, [sys.executable, "-c", "pass"]),
        CMD: world.cmd,
    }
    for language in _LANGUAGES:
        command = world.run(world.script("empty", language, _EMPTY[language]))
        ways[f"vpcshim run empty.{language}"] = partial(output_of, command)
    warm = interleaved(ways, 3 if options.quick else 25)
    cold: dict[str, list[float]] = {name: [] for name in ways if name != NOTHING and not name.endswith(".py")}
    for _ in range(1 if options.quick else 7):
        for name, taken in cold.items():
            world.stop_server()
            taken.append(once(ways[name]))
    colds = {name: Timing(tuple(taken)) for name, taken in cold.items()}
    rows = []
    for name, timing in warm.items():
        first = colds[name].cells() if name in colds else ("", "")
        ratio = timing.median / warm[NOTHING].median
        rows.append((name, *timing.cells(), f"{ratio:.1f}", f"{timing.median / warm[CMD].median:.2f}", *first))
    report.tables.append(
        Table(
            "A whole process that runs an empty script, ms",
            ("", "warm", "quartiles", f"x {NOTHING}", f"x {CMD}", "cold wineserver", "quartiles"),
            rows,
        )
    )
    report.data["starts"] = {"warm": timings_as_json(warm), "cold": timings_as_json(colds)}


# -- a property ----------------------------------------------------------------------------------------------------


def _properties(world: _World, options: Options, report: Report) -> None:
    batches = "2" if options.quick else "5"
    commands = {_NAMES[one]: world.run(world.script("reads", one, _READS[one]), batches) for one in _LANGUAGES}
    create = f"create = lambda progid: vpcshim.CreateObject(progid, {world.uri!r})"
    plain = _PLAIN_READS.replace("vs = create", f"{create}\nvs = create")
    commands[PLAIN] = [sys.executable, "-c", plain, batches]
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in commands}
    for _ in range(1 if options.quick else 7):
        for name, command in commands.items():
            for line in output_of(command).splitlines():
                for column, cell in zip(found[name], line.split(), strict=True):
                    column.append(float(cell) / 1e6)
    timings = {name: (Timing(tuple(ours)), Timing(tuple(theirs))) for name, (ours, theirs) in found.items()}
    rows = []
    for name, both in timings.items():
        cells: list[str] = []
        for timing, plainly in zip(both, timings[PLAIN], strict=True):
            cells += (*timing.cells(unit=1e6), f"{timing.median / plainly.median:.1f}")
        rows.append((name, *cells))
    report.tables.append(
        Table(
            f"A property get, us, {READS} at a time: the server's Name (no libvirt), a machine's State (libvirt)",
            ("", "Name", "quartiles", "x plain", "State", "quartiles", "x plain"),
            rows,
        )
    )
    for name in (_NAMES["vbs"], _NAMES["js"]):
        report.goals.append(Goal(f"us a property get, {name}", timings[name][0].median * 1e6, most=MOST_US))
    report.data["properties"] = {
        what: timings_as_json({name: both[place] for name, both in timings.items()})
        for place, what in enumerate(("Name", "State"))
    }


# -- memory --------------------------------------------------------------------------------------------------------


def _memory(world: _World, report: Report) -> None:
    commands: dict[str, list[str]] = {
        _NAMES[one]: world.run(world.script("sleeps", one, _READS[one] + _SLEEPS[one]), "1") for one in _LANGUAGES
    }
    create = f"create = lambda progid: vpcshim.CreateObject(progid, {world.uri!r})"
    plain = _PLAIN_READS.replace("vs = create", f"{create}\nvs = create")
    commands[PLAIN] = [sys.executable, "-c", plain + _SLEEPS["py"], "1"]
    commands[NOTHING] = [sys.executable, "-c", "import time" + _SLEEPS["py"]]
    peaks: dict[str, dict[str, int]] = {}
    rows = []
    for name, command in commands.items():
        peaks[name] = _peaks(world, command)
        ours, host, others = (peaks[name].get(what, 0) for what in ("python", "host", "others"))
        rows.append((name, *(number(kib / 1024) if kib else "" for kib in (ours, host, others))))
    report.tables.append(
        Table(
            f"Peak resident memory after {2 * READS} property gets, MiB",
            ("", "Python process", "script host", "kept: wineserver and Wine's services"),
            rows,
        )
    )
    report.data["peak_kib"] = peaks


def _peaks(world: _World, command: Sequence[str]) -> dict[str, int]:
    """Peak resident sizes in KiB, while the command's script sleeps: its process, the host, the prefix's others."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "ready":
                break
        time.sleep(0.2)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        found = {"python": _peak(process.pid)}
        if children:
            (host,) = (int(child) for child in children)
            found["host"] = _peak(host)
            found["others"] = sum(_peak(other) for other in world.processes() if other != host)
        process.stdout.read()
        if process.wait(60) != 0:
            raise CannotRun(f"{' '.join(command)} ended with {process.returncode}")
    finally:
        process.kill()
        process.communicate()
    return found


def _peak(process: int) -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise CannotRun(f"process {process} has no VmHWM")
