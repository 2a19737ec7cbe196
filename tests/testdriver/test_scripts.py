"""Scripts attached to events: off until turned on, run once, bounded, and without a shell."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.waiting import wait_until
from tests.testdriver.support import find
from vpcshim import HRESULT, ComError
from vpcshim.constants import VMEventType
from vpcshim.model.application import VirtualServer
from vpcshim.model.events import runner
from vpcshim.model.events.runner import ScriptRunner, run
from vpcshim.model.virtual_machine import VirtualMachine
from vpcshim.testing import Machine, NodeBuilder

STARTED, STOPPED = VMEventType.vmEvent_VirtualServerStarted, VMEventType.vmEvent_VirtualServerStopped
LAUNCHED, TURNED_OFF = VMEventType.vmEvent_VirtualMachineLaunched, VMEventType.vmEvent_VirtualMachineTurnedOff


class Desk:
    """A server with the machine `web`, and a program that notes what it was run for."""

    def __init__(self, application: VirtualServer, folder: Path) -> None:
        self.application = application
        self.web: VirtualMachine = find(application, "web")
        self._log = folder / "runs"
        program = folder / "note it.py"
        program.write_text(
            f"#!{sys.executable}\nimport json, os, sys\n"
            "held = {k: v for k, v in os.environ.items() if k.startswith('VPCSHIM_')}\n"
            f"with open({str(self._log)!r}, 'a') as log:\n"
            "    print(json.dumps([sys.argv[1:], held, os.getuid()]), file=log)\n"
        )
        program.chmod(0o755)
        self.program = f"'{program}'"

    def runs(self) -> list[tuple[list[str], dict[str, str], int]]:
        text = self._log.read_text() if self._log.exists() else ""
        return [tuple(json.loads(line)) for line in text.splitlines()]

    def argued(self) -> list[list[str]]:
        return [arguments for arguments, _, _ in self.runs()]


@pytest.fixture
def desk(vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Desk]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    application = vpcshim_node(Machine("web", state="shutoff"), Machine("db")).application()
    return Desk(application, tmp_path)  # type: ignore[return-value]


def cycle(desk: Desk) -> None:
    desk.web.Startup().WaitForCompletion(-1)
    desk.web.TurnOff().WaitForCompletion(-1)


def test_they_are_off_until_they_are_turned_on(desk: Desk) -> None:
    app = desk.application
    assert (app.VMScriptsEnabled, app.VSScriptsEnabled) == (False, False)
    app.AttachScriptToEvent(STARTED, f"{desk.program} service")
    desk.web.AttachScriptToEvent(LAUNCHED, f"{desk.program} machine")
    with ScriptRunner(app):
        cycle(desk)
        time.sleep(0.5)
    assert desk.runs() == []
    app.VMScriptsEnabled = True
    with ScriptRunner(app):
        cycle(desk)
        wait_until(lambda: desk.runs(), 10)
        time.sleep(0.3)
    assert desk.argued() == [["machine"]]
    app.VMScriptsEnabled, app.VSScriptsEnabled = False, True
    with ScriptRunner(app):
        cycle(desk)
        wait_until(lambda: len(desk.runs()) == 2, 10)
    assert desk.argued() == [["machine"], ["service"]]


def test_what_a_script_is_told(desk: Desk) -> None:
    app = desk.application
    app.VSScriptsEnabled = app.VMScriptsEnabled = True
    app.AttachScriptToEvent(TURNED_OFF, f"{desk.program} any '$HOME; rm -rf /' *")
    app.AttachScriptToEvent(STOPPED, f"{desk.program} over")
    desk.web.AttachScriptToEvent(TURNED_OFF, f"{desk.program} web")
    with ScriptRunner(app):
        cycle(desk)
        find(app, "db").TurnOff().WaitForCompletion(-1)
        wait_until(lambda: len(desk.runs()) == 3, 10)
    assert sorted(desk.argued()) == sorted([["any", "$HOME; rm -rf /", "*"]] * 2 + [["web"], ["over"]])
    _, held, user = next(one for one in desk.runs() if one[0] == ["web"])
    assert held["VPCSHIM_EVENT"] == "vmEvent_VirtualMachineTurnedOff"
    assert held["VPCSHIM_MACHINE"] == "web"
    assert held["VPCSHIM_MACHINE_UUID"] == desk.web._uuid
    assert held["VPCSHIM_URI"].startswith("test:///")
    assert user == os.getuid()


def test_one_process_runs_them_however_many_listen(desk: Desk) -> None:
    with ScriptRunner(desk.application):
        with pytest.raises(ComError) as caught:
            ScriptRunner(desk.application)
        assert "another process" in caught.value.description
    ScriptRunner(desk.application).close()


def test_a_script_that_is_removed_or_attached_meanwhile_counts(desk: Desk) -> None:
    app = desk.application
    app.VMScriptsEnabled = True
    with ScriptRunner(app):
        desk.web.AttachScriptToEvent(LAUNCHED, f"{desk.program} now")
        cycle(desk)
        wait_until(lambda: desk.runs(), 10)
        desk.web.RemoveScriptFromEvent(LAUNCHED)
        cycle(desk)
        time.sleep(0.3)
    assert desk.argued() == [["now"]]
    assert desk.web.FetchScriptByEvent(LAUNCHED) == ""


def test_attached_while_it_runs_it_is_there_after_the_power_went_off(desk: Desk) -> None:
    desk.web.Startup().WaitForCompletion(-1)
    desk.web.AttachScriptToEvent(LAUNCHED, "/bin/true")
    assert desk.web.FetchScriptByEvent(LAUNCHED) == "/bin/true"
    desk.web.TurnOff().WaitForCompletion(-1)
    assert desk.web.FetchScriptByEvent(LAUNCHED) == "/bin/true"


@pytest.mark.parametrize(
    "command", ["", "   ", "cscript alarm.vbs", "C:\\alarm.vbs", "/bin/true 'x", "/bin/true\n", "/" + "x" * 9000]
)
def test_what_could_never_be_run_is_refused_at_once(desk: Desk, command: str) -> None:
    for obj, scode in ((desk.web, HRESULT.E_INVALIDARG), (desk.application, HRESULT.DISP_E_EXCEPTION)):
        with pytest.raises(ComError) as caught:
            obj.AttachScriptToEvent(LAUNCHED, command)
        assert caught.value.scode == scode
        assert obj.FetchScriptByEvent(LAUNCHED) == ""


# -- one run ---------------------------------------------------------------------------------------------------


def test_how_a_run_ended_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    environment = {"VPCSHIM_EVENT": "vmEvent_Test"}
    with caplog.at_level(logging.INFO):
        assert run("/bin/sh -c 'echo well; exit 0'", environment) == 0
        assert run("/bin/sh -c 'echo badly >&2; exit 3'", environment) == 3
        assert run("/no/such/program", environment) is None
        assert run("relative", environment) is None
    levels = [(record.levelname, record.message) for record in caplog.records]
    assert [level for level, _ in levels] == ["INFO", "WARNING", "ERROR", "ERROR"]
    assert "well" in levels[0][1]
    assert "vmEvent_Test" in levels[0][1]
    assert "badly" in levels[1][1]


def test_one_that_takes_too_long_ends_with_all_that_it_started(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    left = tmp_path / "pid"
    began = time.monotonic()
    assert run(f"/bin/sh -c 'sleep 60 & echo $! > {left}; wait'", {}, longest=5) is None
    assert time.monotonic() - began < 30
    assert "took longer" in caplog.text
    pid = int(left.read_text())
    wait_until(lambda: not _lives(pid), 5)


def test_what_a_script_leaves_running_ends_with_it(tmp_path: Path) -> None:
    left = tmp_path / "pid"
    assert run(f"/bin/sh -c 'sleep 60 & echo $! > {left}'", {}) == 0
    pid = int(left.read_text())
    wait_until(lambda: not _lives(pid), 5)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_endless_output_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert run("/bin/sh -c 'head -c 5000000 /dev/zero | tr \"\\0\" x'", {}) == 0
    assert runner._OUTPUT <= len(caplog.records[0].message) < runner._OUTPUT + 500


def test_one_that_leaves_the_group_and_holds_its_output_leaves_nothing_with_us(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    left = tmp_path / "pid"
    gc.collect()  # what earlier tests left may go meanwhile: there may be fewer
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with caplog.at_level(logging.INFO):
        began = time.monotonic()
        assert run(f"/bin/sh -c 'setsid sleep 60 & echo $! > {left}; echo said; sleep 0.2'", {}) == 0
    try:
        assert time.monotonic() - began < 30
        assert "said" in caplog.text
        assert threading.active_count() <= threads
        assert len(os.listdir("/proc/self/fd")) <= files
    finally:
        os.kill(int(left.read_text()), signal.SIGKILL)


def test_one_that_became_another_user(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """As sudo does: who is not root may not kill it, not even when it has ended."""

    def refuse(_group: int, _signal: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "killpg", refuse)
    assert run("/bin/sh -c 'exit 3'", {}) == 3
    assert run("/bin/sleep 3", {}, longest=0.1) is None
    assert "cannot be killed" in caplog.text


def test_one_that_waits_for_its_turn_is_not_started_after_the_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(runner, "_AT_A_TIME", 1)
    desk.application.VMScriptsEnabled = True
    first, second, last = (tmp_path / name for name in ("first", "second", "last"))
    desk.web.AttachScriptToEvent(LAUNCHED, f"/bin/sh -c 'echo > {first}; until [ -e {last} ]; do sleep 0.05; done'")
    desk.web.AttachScriptToEvent(TURNED_OFF, f"/bin/sh -c 'sleep 0.2; echo > {second}'")

    def let_go(scripts: ScriptRunner) -> None:
        wait_until(lambda: scripts._subscription.closed, 10, "nothing more is to be started")
        last.touch()

    with ScriptRunner(desk.application) as scripts:
        desk.web.Startup().WaitForCompletion(-1)
        wait_until(first.exists, 5)
        desk.web.TurnOff().WaitForCompletion(-1)
        time.sleep(0.3)
        threading.Thread(target=let_go, args=(scripts,)).start()
    assert not any(thread.is_alive() for thread in scripts._threads)
    time.sleep(0.7)
    assert not second.exists()
