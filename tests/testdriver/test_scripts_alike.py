"""Our own scripts do the same in VBScript, JScript and Python: what they print, and how they end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.harness import needs
from tests.testdriver.alike import LANGUAGES, SCRIPTS, WINES, Ran, no_wine, ran
from tests.testdriver.storage import Storage
from vpcshim.clients.python import run_python
from vpcshim.clients.pywin32.install import uninstall_pywin32
from vpcshim.clients.scripts import run_script
from vpcshim.testing import Machine, Node, NodeBuilder

_NO_WINE = no_wine()
_MACHINES = (
    Machine("web01", nics=2),
    Machine("DB-1", state="shutoff"),
    Machine("a_b", state="paused"),
    Machine("Grüße", state="saved"),
    Machine("db01", state="crashed"),
)
_ID = " {00000000-0000-0000-0000-000000000000}"

# One language after the other against a world of its own, so that each finds the same.
World = Callable[[NodeBuilder, Path], Node]


def machines(nodes: NodeBuilder, _folder: Path) -> Node:
    return nodes(*_MACHINES, networks=("lan",))


def drives(nodes: NodeBuilder, folder: Path) -> Node:
    return Storage(nodes, folder).node


def running_drives(nodes: NodeBuilder, folder: Path) -> Node:
    return Storage(nodes, folder, state="running").node


@dataclass(frozen=True)
class Case:
    """One script, and what it does in each language.

    Attributes:
        script: Its name, without the language.
        args: Its arguments.
        out: What it prints.
        code: Its exit code.
        err: What is printed to standard error, as `alike.Ran` has it.
        world: What it runs against.
        before: Arguments of runs of the same script before it.
    """

    script: str
    args: tuple[str, ...]
    out: tuple[str, ...]
    code: int = 0
    err: str = ""
    world: World = machines
    before: tuple[tuple[str, ...], ...] = ()
    id: str = field(default="", compare=False)


_MADE = ("made", r"C:\VMs\made")
_PROVISIONED = (
    r"created made: C:\VMs\made\made.vmc",
    r"disk 0:0 C:\VMs\made\made.vhd, 67108864 bytes",
    "memory 64, notes: made by provision",
    "adapter 1 of 1: not connected",
    "started: 5",
)
_USAGE = "usage: provision name folder [/disk:MB] [/memory:MB] [/network:name] | name /remove\n"
_UNCHANGEABLE = (
    "at attachimage: DISP_E_EXCEPTION (0x80020009): this function is not supported by the connection driver: "
    "virDomainUpdateDeviceFlags\n"
)
_STATES = tuple(line for state in (8, 1, 3, 5) for line in (f"server web01 {state}", f"machine {state}"))

CASES = (
    Case(
        "inventory",
        (),
        (
            "Virtual Server: 5 machines",
            f"a_b (paused){_ID}",
            f"DB-1 (off){_ID}",
            f"db01 (off){_ID}",
            f"Grüße (saved){_ID}",
            f"web01 (running){_ID}",
            "first: a_b, by Item: a_b",
        ),
    ),
    Case("accounting", ("nobody",), (), 3, "no machine named nobody\n", id="nobody"),
    Case("accounting", ("db-1",), ("DB-1;0;0;0;0",), id="off"),
    Case(
        "accounting",
        ("/unit:mb", "db-1", "grüße", "NOBODY", "db01"),
        ("DB-1;0.0;0.0;0.0;0.0", "Grüße;0.0;0.0;0.0;0.0"),
        3,
        "no machine named NOBODY\n",
        id="unit",
    ),
    Case("startstop", (), ("usage: startstop.* name",), 64, id="usage"),
    Case(
        "startstop",
        ("WEB01",),
        ("is 5", "Turning off web01 -1 100 1", "Starting web01 0 5", "paused 6", "resumed 5"),
    ),
    Case("events", ("web01",), (*_STATES, "done")),
    Case("provision", _MADE, _PROVISIONED),
    Case(
        "provision",
        (*_MADE, "/disk:3", "/memory:96", "/network:lan"),
        (
            _PROVISIONED[0],
            r"disk 0:0 C:\VMs\made\made.vhd, 3145728 bytes",
            "memory 96, notes: made by provision",
            "adapter 1 of 1: lan",
            "started: 5",
        ),
        id="options",
    ),
    Case(
        "provision",
        ("MADE", "/remove"),
        ("turned off: 1", r"left behind: C:\VMs\made\made.vhd", "removed made"),
        before=(_MADE,),
        id="remove",
    ),
    Case(
        "provision",
        ("made", "/remove"),
        (),
        3,
        "no machine named made\n",
        before=(_MADE, ("made", "/remove")),
        id="removed",
    ),
    Case("provision", _MADE, (), 3, "made is there already\n", before=(_MADE,), id="twice"),
    Case("provision", (*_MADE, "/network:wan"), (), 3, "no virtual network named wan\n", id="network"),
    Case("provision", ("made",), (), 64, _USAGE, id="usage"),
    Case(
        "media",
        ("web", r"C:\other.iso", r"/floppy:C:\new\disk.vfd"),
        (
            "web: 2 DVD, 2 floppy",
            "before: DVD 1:0 holds nothing",
            r"attached: DVD 1:0 holds C:\other.iso",
            "released: DVD 1:0 holds nothing",
            "before: floppy 0 holds nothing",
            r"attached: floppy 0 holds C:\new\disk.vfd",
            "released: floppy 0 holds nothing",
        ),
        world=drives,
    ),
    Case(
        "media",
        ("web", r"C:\no.iso"),
        ("web: 2 DVD, 2 floppy", "before: DVD 1:0 holds nothing"),
        1,
        "at attachimage: DISP_E_EXCEPTION (0x80020009): C:\\no.iso: there is no file /C/no.iso\n",
        world=drives,
        id="missing",
    ),
    # The test driver cannot change a device of a machine that runs; what can is tests/guests/test_scripts.py.
    Case(
        "media",
        ("web", r"C:\other.iso"),
        ("web: 2 DVD, 2 floppy", "before: DVD 1:0 holds nothing"),
        1,
        _UNCHANGEABLE,
        world=running_drives,
        id="running",
    ),
)


def _named(case: Case) -> str:
    return f"{case.script}-{case.id}" if case.id else case.script


class Runner:
    """Runs scripts of ours in this process, each language against a node of its own."""

    def __init__(self, nodes: NodeBuilder, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._nodes = nodes
        self._folder = folder
        self._capsys = capsys

    def world(self, language: str, make: World) -> Callable[..., Ran]:
        """What runs scripts of that language against that world."""
        folder = self._folder / language
        folder.mkdir()
        node = make(self._nodes, folder)

        def run(script: str, *args: str) -> Ran:
            path = SCRIPTS / f"{script}.{language}"
            self._capsys.readouterr()

            def application(progid: str, _server: str | None) -> object:
                return node.application(progid, drives={"C:": str(folder)})

            if language in WINES:
                code = run_script(path, args, application, batch=True)  # type: ignore[arg-type]
            else:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(sys, "argv", sys.argv)
                    patch.setattr(sys, "path", sys.path[:])
                    code = run_python(path, args, application)  # type: ignore[arg-type]
                uninstall_pywin32()
            out, err = self._capsys.readouterr()
            return ran(path.name, code, out, err.replace(str(folder), "/C"))

        return run


@pytest.fixture
def runner(
    vpcshim_node: NodeBuilder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Runner:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return Runner(vpcshim_node, tmp_path, capsys)


def _languages() -> tuple[str, ...]:
    return LANGUAGES if _NO_WINE is None else ("py",)


def _all_compared() -> None:
    """Python's part stands; that the others were left out is no pass."""
    if _NO_WINE is not None:
        needs.missing(f"only Python was compared: {_NO_WINE}")


def _anonymous(one: Ran) -> Ran:
    out = (re.sub(r"(?<!0) \{[0-9a-f-]{36}\}$", _ID, line) for line in one.out)
    return Ran(one.code, tuple(out), one.err)


@pytest.mark.parametrize("case", CASES, ids=_named)
def test_the_same_in_each_language(case: Case, runner: Runner) -> None:
    outcomes = {}
    for language in _languages():
        run = runner.world(language, case.world)
        for args in case.before:
            assert run(case.script, *args).code == 0
        outcomes[language] = run(case.script, *case.args)
    first = next(iter(outcomes.values()))
    assert outcomes == dict.fromkeys(outcomes, first)  # the machines' ids as well
    assert _anonymous(first) == Ran(case.code, case.out, case.err)
    _all_compared()


def test_each_script_is_there_in_each_language_and_compared() -> None:
    there = {
        path.stem: {other.suffix[1:] for other in SCRIPTS.glob(f"{path.stem}.*")} for path in SCRIPTS.iterdir()
    }
    assert there == {name: set(LANGUAGES) for name in there}
    assert {case.script for case in CASES} | {"errors"} == set(there)


# -- errors: each language has numbers of its own for what its engine finds ----------------------------------------

_SERVERS = ("find: fine", "start twice: A0040500 web01 is running already", "resume: 80004005 web01 is not paused")
_OWN = {
    "vbs": (
        "missing -1 0",
        "index: 9 Subscript out of range",
        "type: D Type mismatch",
        "name: 1B6 Object doesn't support this property or method",
        "count: 1C2 Wrong number of arguments or invalid property assignment",
        "class: 1AD No.Such.Class is neither served by vpcshim nor by Wine",
    ),
    "js": (
        "missing true",
        "index: 800A0009 Subscript out of range",
        "type: 800A000D Type mismatch",
        "name: 800A01B6 Object doesn't support this property or method",
        "count: 800A01C2 Wrong number of arguments or invalid property assignment",
        "class: 800A01AD No.Such.Class is neither served by vpcshim nor by Wine",
    ),
    "py": (
        "missing True",
        "index: 8002000B Invalid index.",
        "type: 80020005 Type mismatch.",
        "name: no member IVMVirtualMachine.NoSuchMember",
        "count: 8002000E Invalid number of parameters.",
        "class: 800401F3 Invalid class string",
    ),
}
_ENDED = "VM_E_VM_RUNNING (0xA0040500): web01 is running already\n"


def test_errors_of_the_server_are_the_same_and_those_of_the_engine_its_own(runner: Runner) -> None:
    for language in _languages():
        found = runner.world(language, machines)("errors", "web01")
        assert set(found.out) == {*_SERVERS, *_OWN[language]}
        assert found.out[:1] + found.out[2:4] == _SERVERS
        assert (found.code, found.err) == (1, f"at startup: {_ENDED}")
    _all_compared()


@pytest.mark.parametrize("unit", ["", "/unit:MB"])
def test_accounts_lie_between_those_of_before_and_after(runner: Runner, unit: str) -> None:
    """The test driver's counters are clocks: the numbers differ, and only grow from language to language."""
    last = [0.0] * 4
    for language in _languages():
        run = runner.world(language, machines)
        found = run("accounting", *filter(None, [unit]), "web01")
        assert (found.code, found.err) == (0, "")
        name, *counts = found.out[0].split(";")
        assert name == "web01"
        assert all(re.fullmatch(r"\d+\.\d" if unit else r"\d+", count) for count in counts)
        now = [float(count) for count in counts]
        assert all(before <= after for before, after in zip(last, now, strict=True))
        last = now
    _all_compared()


# -- the command line ----------------------------------------------------------------------------------------------


def command(node: Node, language: str, script: str, *args: str, options: tuple[str, ...] = ()) -> Ran:
    file = SCRIPTS / f"{script}.{language}"
    start = [sys.executable, "-m", "vpcshim", "-c", node.uri, "run", "--batch", *options, str(file), *args]
    done = subprocess.run(start, capture_output=True, text=True, timeout=120, check=False)
    return ran(file.name, done.returncode, done.stdout, done.stderr)


@pytest.fixture
def node(vpcshim_node: NodeBuilder) -> Node:
    return vpcshim_node(*_MACHINES)


def test_traces_are_the_same(node: Node, tmp_path: Path) -> None:
    traces = {}
    for language in _languages():
        file = tmp_path / f"{language}.jsonl"
        assert command(node, language, "startstop", "web01", options=("--trace", str(file))).code == 0
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert all(line["seconds"] >= 0 and line["time"] for line in lines)
        # Whether a task has ended is asked again and again, until it has.
        traces[language] = [
            (line["object"], line["member"], line["use"], line["arguments"], line["hresult"], line["value"])
            for line in lines
            if (line["member"], line["value"]) != ("IsComplete", False)
        ]
    first = next(iter(traces.values()))
    assert traces == dict.fromkeys(traces, first)
    members = [(member, hresult["name"]) for _, member, _, _, hresult, _ in first]
    assert members[:4] == [
        ("VirtualServer.Application", "S_OK"),
        ("FindVirtualMachine", "S_OK"),
        ("State", "S_OK"),
        ("TurnOff", "S_OK"),
    ]
    assert members[-2:] == [("Resume", "S_OK"), ("State", "S_OK")]
    _all_compared()


def test_strict_ends_each_at_its_first_failure(node: Node) -> None:
    for language in _languages():
        found = command(node, language, "errors", "web01", options=("--strict",))
        assert (found.code, found.out) == (1, (_SERVERS[0], _OWN[language][0]))
        assert found.err == f"at startup: ended by --strict: IVMVirtualMachine.Startup: {_ENDED}"
    _all_compared()


def test_a_dry_run_changes_nothing_and_says_so_alike(node: Node) -> None:
    for language in _languages():
        found = command(node, language, "startstop", "web01", options=("--dry-run",))
        assert found == Ran(
            0,
            (
                "is 5",
                "TurnOff (dry run: nothing was done) -1 100 5",
                "Startup (dry run: nothing was done) 0 5",
                "paused 5",
                "resumed 5",
            ),
            "",
        )
    _all_compared()


def test_a_dry_run_ends_where_nobody_knows_the_answer(node: Node, tmp_path: Path) -> None:
    options = ("--dry-run", "--drive", f"C:={tmp_path}")
    for language in _languages():
        found = command(node, language, "provision", *_MADE, options=options)
        text = "dry run: CreateVirtualMachine would change the server, and what it would hand out is not known"
        assert (found.code, found.out) == (1, ())
        assert found.err == f"at createvirtualmachine: E_ABORT (0x80004004): {text}\n"
        assert os.listdir(tmp_path) == [path.name for path in tmp_path.glob("vpcshim-node-*.xml")]
    _all_compared()


def test_without_wine_a_script_is_refused_in_words_and_python_runs(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VPCSHIM_WINE", "/there/is/no/wine")
    for language in WINES:
        found = command(node, language, "inventory")
        assert (found.code, found.out) == (2, ())
        assert "/there/is/no/wine does not run" in found.err
    assert command(node, "py", "inventory").code == 0
