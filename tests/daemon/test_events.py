"""Events through a daemon that is killed and comes back: the gap is told, and what has changed meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

import vpcshim
from tests.harness.daemon import TestDriverDaemon
from tests.harness.handlers import Heard
from tests.harness.waiting import wait_until
from vpcshim.constants import VMVMState
from vpcshim.hypervisor import census
from vpcshim.hypervisor.errors import HypervisorError
from vpcshim.hypervisor.events import Events
from vpcshim.model.application import VirtualServer
from vpcshim.model.events import hub as hubs

RUNNING, PAUSED = VMVMState.vmVMState_Running, VMVMState.vmVMState_Paused
OFF, STOPPING = VMVMState.vmVMState_TurnedOff, VMVMState.vmVMState_TurningOff


@pytest.fixture(autouse=True)
def _quiet_errors() -> Iterator[None]:
    libvirt.registerErrorHandler(lambda *_: None, None)
    yield
    libvirt.registerErrorHandler(None, None)


class HeardOrLost(Heard):
    def OnEventsLost(self, reason: str) -> None:
        self.all.append("lost" if "lost" in reason else reason)


class HeardOrConfigured(HeardOrLost):
    def OnConfigurationChanged(self, key: str, value: object) -> None:
        self.all.append((key, value))


def connect(daemon: TestDriverDaemon, timeout: float = 30.0) -> VirtualServer:
    """An application for which no moment in which the daemon stands still is a lost connection."""
    return vpcshim.CreateObject("VirtualServer.Application", daemon.uri, timeout=timeout)


def other(daemon: TestDriverDaemon) -> Any:
    """Somebody else's connection."""
    return libvirt.open(daemon.uri)


def test_the_gap_is_told_then_what_the_state_is(testdriver_daemon: TestDriverDaemon) -> None:
    application = connect(testdriver_daemon)
    vm = application.FindVirtualMachine("test")
    heard, of_all = vpcshim.WithEvents(vm, HeardOrLost), vpcshim.WithEvents(application, HeardOrLost)
    vm.Pause()
    wait_until(lambda: heard.all == [PAUSED], 5)
    testdriver_daemon.kill()
    wait_until(lambda: heard.all == [PAUSED, "lost"], 10, str(heard.all))
    time.sleep(1)  # it tries, and there is nobody
    testdriver_daemon.start()  # its machine runs again
    # Nobody makes a call: the hub itself connects again.
    wait_until(lambda: len(heard.all) >= 3 and len(of_all.all) >= 3, 20, str(heard.all))
    assert heard.all == [PAUSED, "lost", RUNNING]
    assert of_all.all == [("test", PAUSED), "lost", ("test", RUNNING)]
    vm.TurnOff().WaitForCompletion(-1)
    wait_until(lambda: len(heard.all) >= 5, 5, str(heard.all))
    assert heard.all[3:] == [STOPPING, OFF]


def test_nothing_changed_meanwhile_is_no_change(testdriver_daemon: TestDriverDaemon) -> None:
    vm = connect(testdriver_daemon).FindVirtualMachine("test")
    heard = vpcshim.WithEvents(vm, HeardOrLost)
    for count in range(1, 4):
        testdriver_daemon.kill()
        testdriver_daemon.start()
        wait_until(lambda: heard.all.count("lost") == count, 20)  # noqa: B023
        wait_until(lambda: hubs.hub_of(vm._server)._hears_since < float("inf"), 20)
    assert heard.all == ["lost"] * 3
    # And it hears again.
    somebody = other(testdriver_daemon)
    somebody.lookupByName("test").suspend()
    wait_until(lambda: heard.all[3:] == [PAUSED], 5, str(heard.all))
    somebody.close()


def test_lost_again_before_all_was_asked_for(
    testdriver_daemon: TestDriverDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one gap until something is told; what is told after that would stand in another, unmarked."""
    vm = connect(testdriver_daemon).FindVirtualMachine("test")
    heard = vpcshim.WithEvents(vm, HeardOrConfigured)
    somebody = other(testdriver_daemon)
    somebody.lookupByName("test").suspend()
    somebody.close()
    wait_until(lambda: heard.all == [PAUSED], 5, str(heard.all))
    testdriver_daemon.kill()
    wait_until(lambda: heard.all == [PAUSED, "lost"], 10, str(heard.all))
    real = census.values
    asked: list[float] = []

    def lost_once(domain: libvirt.virDomain) -> Any:
        if not asked:
            testdriver_daemon.kill()
            testdriver_daemon.start()
        asked.append(hubs.hub_of(vm._server)._hears_since)
        return real(domain)

    monkeypatch.setattr(census, "values", lost_once)
    testdriver_daemon.start()  # its machine runs again
    wait_until(lambda: len(heard.all) >= 3, 20, str(heard.all))
    assert heard.all == [PAUSED, "lost", RUNNING]
    assert len(asked) >= 2
    assert set(asked) == {float("inf")}, "nothing is vouched for before all is known"


def test_what_cannot_be_asked_after_a_gap_is_asked_later(
    testdriver_daemon: TestDriverDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = connect(testdriver_daemon).FindVirtualMachine("test")
    heard = vpcshim.WithEvents(vm, HeardOrConfigured)
    answers: list[Any] = [HypervisorError("it is busy"), {"some/key": "changed meanwhile"}]

    def busy_once(_domain: libvirt.virDomain) -> Any:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, HypervisorError):
            raise answer
        return answer

    monkeypatch.setattr(census, "values", busy_once)
    monkeypatch.setattr(hubs, "_LATEST", 0.5)
    testdriver_daemon.kill()
    testdriver_daemon.start()
    wait_until(lambda: len(heard.all) >= 2, 20, str(heard.all))
    assert heard.all == ["lost", ("some/key", "changed meanwhile")]


def test_a_daemon_that_is_frozen_is_told_as_well(testdriver_daemon: TestDriverDaemon) -> None:
    vm = connect(testdriver_daemon, 4.0).FindVirtualMachine("test")
    heard = vpcshim.WithEvents(vm, HeardOrLost)
    testdriver_daemon.freeze()
    try:
        wait_until(lambda: heard.all == ["lost"], 15, str(heard.all))
    finally:
        testdriver_daemon.thaw()
    vm.Pause()
    wait_until(lambda: heard.all == ["lost", PAUSED], 20, str(heard.all))


def test_one_who_does_not_know_the_marker_is_warned(
    testdriver_daemon: TestDriverDaemon, caplog: pytest.LogCaptureFixture
) -> None:
    class States:
        def OnStateChange(self, state: VMVMState) -> None:
            pass

    states = vpcshim.WithEvents(connect(testdriver_daemon).FindVirtualMachine("test"), States)
    testdriver_daemon.kill()
    wait_until(lambda: "may have been lost" in caplog.text, 10)
    states.close()


def test_other_processes_do_what_is_told_here(testdriver_daemon: TestDriverDaemon) -> None:
    heard = vpcshim.WithEvents(connect(testdriver_daemon).FindVirtualMachine("test"), HeardOrLost)
    code = (
        "import sys, vpcshim\n"
        "vm = vpcshim.CreateObject('VirtualServer.Application', sys.argv[1]).FindVirtualMachine('test')\n"
        "for _ in range(20):\n    vm.Pause(); vm.Resume()\n"
    )
    subprocess.run([sys.executable, "-c", code, testdriver_daemon.uri], check=True, timeout=60)
    wait_until(lambda: len(heard.all) >= 40, 10, str(len(heard.all)))
    assert heard.all == [PAUSED, RUNNING] * 20


def test_the_command_line_tells_them_and_runs_scripts(
    testdriver_daemon: TestDriverDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    application = connect(testdriver_daemon)
    vm = application.FindVirtualMachine("test")
    application.VMScriptsEnabled = True
    done = tmp_path / "done"
    vm.AttachScriptToEvent(5, f"/bin/cp /proc/self/environ {done}")
    command = [sys.executable, "-m", "vpcshim", "--connect", testdriver_daemon.uri, "events"]
    teller = subprocess.Popen(
        [*command, "--json", "--run-scripts", "test"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert teller.stderr is not None
    assert teller.stdout is not None
    try:
        assert "listening" in teller.stderr.readline()
        vm.Pause()
        first = json.loads(teller.stdout.readline())
        assert (first["machine"], first["event"], first["arguments"]) == ("test", "OnStateChange", [6])
        vm.TurnOff().WaitForCompletion(-1)
        assert json.loads(teller.stdout.readline())["arguments"] == [1]
        wait_until(lambda: done.exists() and b"VPCSHIM_MACHINE=test" in done.read_bytes(), 10)
    finally:
        teller.send_signal(signal.SIGTERM)
        out, err = teller.communicate(timeout=60)
    assert (teller.returncode, out, err) == (0, "", "")


def test_the_command_line_refuses_an_unknown_machine(testdriver_daemon: TestDriverDaemon) -> None:
    command = [sys.executable, "-m", "vpcshim", "--connect", testdriver_daemon.uri, "events", "nobody"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"vpcshim: there is no machine named nobody on {testdriver_daemon.uri}\n"


def test_a_first_look_that_fails_is_followed_by_another(
    testdriver_daemon: TestDriverDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = connect(testdriver_daemon).FindVirtualMachine("test")
    heard = vpcshim.WithEvents(vm, HeardOrLost)
    vm.Pause()
    wait_until(lambda: heard.all == [PAUSED], 5)  # else it may die with the daemon
    looks = 0
    take = census.take

    def fails_twice(connection: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks < 3:
            raise libvirt.libvirtError("not yet")
        return take(connection)

    monkeypatch.setattr(census, "take", fails_twice)
    testdriver_daemon.kill()
    testdriver_daemon.start()
    wait_until(lambda: heard.all == [PAUSED, "lost", RUNNING], 20, str(heard.all))
    assert looks >= 3


@pytest.fixture
def slow_hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """While it is set, whoever opens the connection that events come over takes his time to ask for them."""
    slow = threading.Event()
    register = Events._register

    def registers(events: Events, connect: Any) -> Any:
        if slow.is_set():
            time.sleep(1.2)
        return register(events, connect)

    monkeypatch.setattr(Events, "_register", registers)
    yield slow
    slow.clear()


def test_one_who_connects_while_another_thread_opens_the_connection(
    testdriver_daemon: TestDriverDaemon, slow_hooks: threading.Event
) -> None:
    application = connect(testdriver_daemon)
    slow_hooks.set()
    opener = threading.Thread(target=application.FindVirtualMachine, args=("test",), daemon=True)
    opener.start()
    wait_until(lambda: application._server.connection._events_on is not None, 5)
    heard = vpcshim.WithEvents(application, HeardOrLost)
    opener.join(10)
    application.FindVirtualMachine("test").Pause()
    wait_until(lambda: heard.all == [("test", PAUSED)], 5)


def test_one_gap_has_one_marker_whoever_opens_the_connection_again(
    testdriver_daemon: TestDriverDaemon, slow_hooks: threading.Event
) -> None:
    vm = connect(testdriver_daemon).FindVirtualMachine("test")
    heard = vpcshim.WithEvents(vm, HeardOrLost)
    testdriver_daemon.kill()
    wait_until(lambda: heard.all == ["lost"], 10)
    slow_hooks.set()
    testdriver_daemon.start()
    assert vm.State == RUNNING
    wait_until(lambda: hubs.hub_of(vm._server)._hears_since < float("inf"), 10)
    time.sleep(0.3)
    vm.Pause()
    wait_until(lambda: len(heard.all) >= 2, 10)
    assert heard.all == ["lost", PAUSED]


def test_a_forked_child_hears_of_events(testdriver_daemon: TestDriverDaemon) -> None:
    code = """if True:
        import os, sys, time, libvirt, vpcshim
        class HeardOrLost:
            all = []
            def OnStateChange(self, state):
                self.all.append(int(state))
        libvirt.registerErrorHandler(lambda *_: None, None)
        vm = vpcshim.CreateObject('VirtualServer.Application', sys.argv[1]).FindVirtualMachine('test')
        parents = vpcshim.WithEvents(vm, HeardOrLost)
        child = os.fork()
        if child:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        heard = vpcshim.WithEvents(vm, HeardOrLost)
        vm.Pause()
        vm.Resume()
        end = time.monotonic() + 30
        while len(heard.all) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        print(heard.all)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, testdriver_daemon.uri], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[6, 5]\n", "")
