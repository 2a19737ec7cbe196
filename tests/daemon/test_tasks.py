"""A daemon that dies or freezes while an operation goes on: the task ends with an error, the process ends too."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

import vpcshim
from tests.harness.daemon import TestDriverDaemon
from tests.harness.waiting import wait_until
from vpcshim import HRESULT
from vpcshim.constants import VMTaskResult, VMVMState

TIMEOUT = 4.0  # longer than a daemon that is well stands still on a busy machine
SLACK = 20.0
HOME = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _quiet_errors() -> Iterator[None]:
    libvirt.registerErrorHandler(lambda *_: None, None)
    yield
    libvirt.registerErrorHandler(None, None)


def hurt_in_the_call(patch: pytest.MonkeyPatch, name: str, hurt: Callable[[], None]) -> threading.Event:
    """Hold up the call when it is about to be sent, until the event; then hurt the daemon first.

    The test driver's own calls are over at once.
    """
    real, go = getattr(libvirt.virDomain, name), threading.Event()

    def hurting(domain: libvirt.virDomain, *args: Any) -> Any:
        assert go.wait(60)
        hurt()
        return real(domain, *args)

    patch.setattr(libvirt.virDomain, name, hurting)
    return go


@pytest.mark.parametrize("hurt", ["kill", "freeze"])
@pytest.mark.parametrize(
    ("member", "call", "state"),
    [
        ("Save", "managedSave", VMVMState.vmVMState_Saving),
        ("TurnOff", "destroy", VMVMState.vmVMState_TurningOff),
        ("Startup", "create", VMVMState.vmVMState_TurningOn),
    ],
)
def test_the_task_ends_with_an_error(
    testdriver_daemon: TestDriverDaemon,
    monkeypatch: pytest.MonkeyPatch,
    member: str,
    call: str,
    state: VMVMState,
    hurt: str,
) -> None:
    application = vpcshim.CreateObject("VirtualServer.Application", testdriver_daemon.uri, timeout=TIMEOUT)
    vm: Any = application.FindVirtualMachine("test")
    if member == "Startup":
        vm.TurnOff().WaitForCompletion(-1)
    go = hurt_in_the_call(monkeypatch, call, getattr(testdriver_daemon, hurt))
    task = getattr(vm, member)()
    assert (task.IsComplete, vm.State) == (False, state)
    began = time.monotonic()
    go.set()
    task.WaitForCompletion(-1)
    assert time.monotonic() - began < TIMEOUT + SLACK, "never a hang"
    assert task.IsComplete
    assert task.Result == VMTaskResult.vmTaskResult_UnexpectedError
    assert task.Error == HRESULT.DISP_E_EXCEPTION
    assert task.PercentCompleted < 100
    assert "the connection to" in task.ErrorDescription
    assert [one.ID for one in application.Tasks][-1] == task.ID, "it is told after its end, too"
    monkeypatch.undo()
    if hurt == "kill":
        testdriver_daemon.start()
    else:
        testdriver_daemon.thaw()
    # A new daemon has a new machine, which runs; a thawed one may have done what it was asked for.
    assert vm.State in (VMVMState.vmVMState_Running, VMVMState.vmVMState_TurnedOff, VMVMState.vmVMState_Saved)


def test_a_long_operation_of_a_healthy_daemon_is_not_cut(
    testdriver_daemon: TestDriverDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that is in a call for longer than the timeout, as a save may be, keeps nobody else from asking."""
    application = vpcshim.CreateObject("VirtualServer.Application", testdriver_daemon.uri, timeout=TIMEOUT)
    vm: Any = application.FindVirtualMachine("test")
    go = hurt_in_the_call(monkeypatch, "managedSave", lambda: None)
    task = vm.Save()
    longer = time.monotonic() + 1.5 * TIMEOUT
    while time.monotonic() < longer:
        assert vm.State == VMVMState.vmVMState_Saving
        time.sleep(0.05)
    assert not task.IsComplete
    go.set()
    task.WaitForCompletion(-1)
    assert (task.Result, vm.State) == (VMTaskResult.vmTaskResult_Success, VMVMState.vmVMState_Saved)


def test_more_operations_than_connections(
    testdriver_daemon: TestDriverDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a connection beside those that there may be otherwise: who only asks is not kept waiting."""
    application = vpcshim.CreateObject("VirtualServer.Application", testdriver_daemon.uri, timeout=TIMEOUT)
    vm: Any = application.FindVirtualMachine("test")
    inside = []
    go = threading.Event()

    def slow(_domain: libvirt.virDomain) -> None:
        inside.append(1)
        assert go.wait(60)

    monkeypatch.setattr(libvirt.virDomain, "reset", slow)
    try:
        tasks = [vm.Reset() for _ in range(10)]
        wait_until(lambda: len(inside) == 10, 5, "they go on at the same time")
        assert vm.State == VMVMState.vmVMState_Running
        assert vm.Name == "test"
        assert not any(task.IsComplete for task in tasks)
    finally:
        go.set()
    for task in tasks:
        task.WaitForCompletion(-1)
        assert task.Result == VMTaskResult.vmTaskResult_Success, task.ErrorDescription


# -- the end of the process -------------------------------------------------------------------------------------

ENDS = """
import os, signal, sys, threading, time
import libvirt, vpcshim
libvirt.registerErrorHandler(lambda *_: None, None)
real, go = libvirt.virDomain.managedSave, threading.Event()
def save(domain, flags=0):
    go.wait()
    os.kill(int(sys.argv[2]), int(sys.argv[3]))
    return real(domain, flags)
libvirt.virDomain.managedSave = save
vm = vpcshim.CreateObject("VirtualServer.Application", sys.argv[1], timeout=4.0).FindVirtualMachine("test")
task = vm.Save()
assert not task.IsComplete
print(time.monotonic(), flush=True)
later = threading.Timer(0.5, go.set)
later.daemon = True  # it is the operation that the process is to wait for
later.start()
"""


@pytest.mark.parametrize("number", [9, 19], ids=["killed", "frozen"])
def test_the_process_ends_although_the_daemon_is_gone(testdriver_daemon: TestDriverDaemon, number: int) -> None:
    command = [sys.executable, "-c", ENDS, testdriver_daemon.uri, str(testdriver_daemon.pid), str(number)]
    try:
        done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, timeout=120)
        took = time.monotonic() - float(done.stdout)
    finally:
        testdriver_daemon.kill()
    assert done.returncode == 0, done.stderr
    assert 0.1 < took < 0.5 + TIMEOUT + SLACK
    assert "Traceback" not in done.stderr
