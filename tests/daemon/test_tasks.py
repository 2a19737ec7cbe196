"""A daemon that dies or freezes while an operation goes on: the task ends with an error, the process ends too."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

import vpcshim
from tests.harness.daemon import TestDriverDaemon
from vpcshim import HRESULT
from vpcshim.constants import VMTaskResult, VMVMState

TIMEOUT = 2.0
SLACK = 3.0
HOME = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _quiet_errors() -> Iterator[None]:
    libvirt.registerErrorHandler(lambda *_: None, None)
    yield
    libvirt.registerErrorHandler(None, None)


def hurt_in_the_call(patch: pytest.MonkeyPatch, name: str, hurt: Callable[[], None]) -> None:
    """Hurt the daemon when the call is about to be sent: the test driver's own are over at once."""
    real = getattr(libvirt.virDomain, name)

    def hurting(domain: libvirt.virDomain, *args: Any) -> Any:
        time.sleep(0.5)  # past the moment that the COM call waits for a refusal
        hurt()
        return real(domain, *args)

    patch.setattr(libvirt.virDomain, name, hurting)


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
    hurt_in_the_call(monkeypatch, call, getattr(testdriver_daemon, hurt))
    task = getattr(vm, member)()
    assert (task.IsComplete, vm.State) == (False, state)
    began = time.monotonic()
    task.WaitForCompletion(-1)
    assert time.monotonic() - began < 0.5 + TIMEOUT + SLACK, "never a hang"
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
    application = vpcshim.CreateObject("VirtualServer.Application", testdriver_daemon.uri, timeout=1.0)
    vm: Any = application.FindVirtualMachine("test")
    hurt_in_the_call(monkeypatch, "managedSave", lambda: time.sleep(2.5))
    task = vm.Save()
    for _ in range(20):
        assert vm.State == VMVMState.vmVMState_Saving
        time.sleep(0.05)
    assert not task.IsComplete
    task.WaitForCompletion(-1)
    assert (task.Result, vm.State) == (VMTaskResult.vmTaskResult_Success, VMVMState.vmVMState_Saved)


def test_more_operations_than_connections(
    testdriver_daemon: TestDriverDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a connection beside those that there may be otherwise: who only asks is not kept waiting."""
    application = vpcshim.CreateObject("VirtualServer.Application", testdriver_daemon.uri, timeout=1.0)
    vm: Any = application.FindVirtualMachine("test")
    inside = []

    def slow(_domain: libvirt.virDomain) -> None:
        inside.append(1)
        time.sleep(3)

    monkeypatch.setattr(libvirt.virDomain, "reset", slow)
    tasks = [vm.Reset() for _ in range(10)]
    began = time.monotonic()
    assert vm.State == VMVMState.vmVMState_Running
    assert vm.Name == "test"
    assert time.monotonic() - began < 0.5
    assert len(inside) == 10, "they go on at the same time"
    for task in tasks:
        task.WaitForCompletion(-1)
        assert task.Result == VMTaskResult.vmTaskResult_Success, task.ErrorDescription


# -- the end of the process -------------------------------------------------------------------------------------

ENDS = """
import os, signal, sys, time
import libvirt, vpcshim
libvirt.registerErrorHandler(lambda *_: None, None)
real = libvirt.virDomain.managedSave
def save(domain, flags=0):
    time.sleep(0.5)
    os.kill(int(sys.argv[2]), int(sys.argv[3]))
    return real(domain, flags)
libvirt.virDomain.managedSave = save
vm = vpcshim.CreateObject("VirtualServer.Application", sys.argv[1], timeout=2.0).FindVirtualMachine("test")
task = vm.Save()
assert not task.IsComplete
print(time.monotonic(), flush=True)
"""


@pytest.mark.parametrize("number", [9, 19], ids=["killed", "frozen"])
def test_the_process_ends_although_the_daemon_is_gone(testdriver_daemon: TestDriverDaemon, number: int) -> None:
    command = [sys.executable, "-c", ENDS, testdriver_daemon.uri, str(testdriver_daemon.pid), str(number)]
    try:
        done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, timeout=30)
        took = time.monotonic() - float(done.stdout)
    finally:
        testdriver_daemon.kill()
    assert done.returncode == 0, done.stderr
    assert 0.1 < took < 0.5 + TIMEOUT + SLACK
    assert "Traceback" not in done.stderr
