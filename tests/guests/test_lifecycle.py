"""The life of a machine on real guests: every precondition, tasks that take their time, and who else sees it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vpcshim
from tests.harness import slow
from tests.harness.guests import Guest, GuestFactory, PrivateLibvirtd
from tests.harness.waiting import wait_until
from vpcshim import HRESULT, Variant
from vpcshim.constants import VMTaskResult, VMVMState
from vpcshim.model.sweep import sweep

OFF, SAVED = VMVMState.vmVMState_TurnedOff, VMVMState.vmVMState_Saved
RUNNING, PAUSED, SAVING = VMVMState.vmVMState_Running, VMVMState.vmVMState_Paused, VMVMState.vmVMState_Saving
STARTING, RESTORING = VMVMState.vmVMState_TurningOn, VMVMState.vmVMState_Restoring
S_OK, E_FAIL, NOT_RUNNING = HRESULT.S_OK, HRESULT.E_FAIL, HRESULT.VM_E_VM_NOT_RUNNING
IS_RUNNING, NO_STATE = HRESULT.VM_E_VM_RUNNING, HRESULT.VM_E_VM_NO_SAVED_STATE
EXCEPTION = HRESULT.DISP_E_EXCEPTION
VS, VPC = "VirtualServer.Application", "VirtualPC.Application"
TIMEOUT = 3.0
HOME = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("quiet_errors")


def machine_of(guest: Guest, progid: str = VS) -> Any:
    application: Any = vpcshim.CreateObject(progid, PrivateLibvirtd.uri, timeout=TIMEOUT)
    vm = application.FindVirtualMachine(guest.name)
    assert vm is not None
    return vm


def call(obj: Any, name: str, *args: Any) -> tuple[HRESULT, Any]:
    """The vtable-style call of a method: its HRESULT and its task, if it hands one out."""
    if name in ("Pause", "Resume", "DiscardSavedState", "Cancel", "WaitForCompletion"):
        return getattr(obj, f"raw_{name}")(*args), None
    out = Variant()
    return getattr(obj, f"raw_{name}")(*args, out), out.value


def done(vm: Any, name: str, *args: Any) -> Any:
    """Call it and wait for its task, which ends well."""
    code, task = call(vm, name, *args)
    assert code is S_OK, name
    if task is not None:
        task.WaitForCompletion(60_000)
        assert (task.IsComplete, task.PercentCompleted, task.ErrorDescription) == (True, 100, "")
        assert task.Result == VMTaskResult.vmTaskResult_Success
    return task


def refusals(vm: Any, *names: str) -> dict[str, HRESULT]:
    return {name: call(vm, name)[0] for name in names}


@pytest.fixture
def slow_guest(guest_factory: GuestFactory) -> Guest:
    """A guest whose save and restore take seconds."""
    return slow.slow_guest(guest_factory)


WATCHER = """
import signal, sys, vpcshim
vm = vpcshim.CreateObject("VirtualPC.Application", sys.argv[1]).FindVirtualMachine(sys.argv[2])
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(True))
last, over = None, False
while not over:
    over = bool(told)  # then this is the last look
    state = vm.State
    if state != last:
        print(int(state), flush=True)
    last = state
"""


@contextlib.contextmanager
def watched(guest: Guest) -> Iterator[list[VMVMState]]:
    """What another process sees of the machine's state, complete when the block ends."""
    seen: list[VMVMState] = []
    command = [sys.executable, "-c", WATCHER, PrivateLibvirtd.uri, guest.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HOME) as watcher:
        assert watcher.stdout is not None
        seen.append(VMVMState(int(watcher.stdout.readline())))
        try:
            yield seen
        finally:
            watcher.terminate()
            seen += [VMVMState(int(line)) for line in watcher.stdout.read().split()]


# -- preconditions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("progid", [VS, VPC])
def test_a_whole_life_with_every_refusal(guest_factory: GuestFactory, progid: str) -> None:
    guest = guest_factory(start=False)
    vm = machine_of(guest, progid)
    paused_off = E_FAIL if progid == VS else NOT_RUNNING
    while_off = {"TurnOff": NOT_RUNNING, "Save": NOT_RUNNING, "Reset": NOT_RUNNING}
    while_off |= {"Pause": paused_off, "Resume": paused_off}
    while_on = {"Startup": IS_RUNNING, "DiscardSavedState": IS_RUNNING}

    assert vm.State == OFF
    assert refusals(vm, *while_off, "DiscardSavedState") == {**while_off, "DiscardSavedState": NO_STATE}
    assert done(vm, "Startup").Description == f"Starting {guest.name}"
    assert vm.State == RUNNING
    guest.wait_ready()
    booted = guest.boot_id
    assert refusals(vm, *while_on, "Resume") == {**while_on, "Resume": E_FAIL}
    done(vm, "Pause")
    assert vm.State == PAUSED
    assert refusals(vm, *while_on, "Pause") == {**while_on, "Pause": E_FAIL}
    done(vm, "Resume")

    guest.hang_up()
    done(vm, "Save")
    assert vm.State == SAVED
    assert refusals(vm, *while_off) == while_off
    assert done(vm, "Startup").Description == f"Restoring {guest.name}"
    guest.wait_ready()
    assert (vm.State, guest.boot_id) == (RUNNING, booted), "it was restored, not booted"
    done(vm, "Pause")
    guest.hang_up()
    done(vm, "Save")
    done(vm, "Startup")
    assert vm.State == PAUSED, "it goes on as it was saved"
    done(vm, "Resume")
    guest.wait_ready()
    assert guest.boot_id == booted
    done(vm, "Reset")
    guest.wait_reboot()

    guest.hang_up()
    done(vm, "Save")
    done(vm, "DiscardSavedState")
    assert vm.State == OFF
    assert call(vm, "DiscardSavedState")[0] is NO_STATE
    if progid == VPC:
        assert [call(vm, "Startup2", option)[0] for option in (-1, 2)] == [HRESULT.E_INVALIDARG] * 2
        assert done(vm, "Startup2", 1).Description == f"Starting {guest.name}"
    else:
        done(vm, "Startup")
    guest.wait_ready()
    done(vm, "TurnOff")
    assert vm.State == OFF


def test_what_is_refused_while_a_machine_is_being_saved(slow_guest: Guest) -> None:
    vm = machine_of(slow_guest, VPC)
    task = vm.Save()
    assert vm.State == SAVING
    expected = {"Startup": IS_RUNNING, "DiscardSavedState": IS_RUNNING, "Save": E_FAIL, "Reset": EXCEPTION}
    expected |= {"Pause": E_FAIL, "Resume": E_FAIL}
    assert refusals(vm, *expected) == expected
    with pytest.raises(vpcshim.ComError, match=f"{slow_guest.name} is being saved"):
        vm.Resume()
    assert not task.IsComplete, "refused at once, not when libvirt's job is over or waited for in vain"
    task.WaitForCompletion(-1)
    assert (task.Result, vm.State) == (VMTaskResult.vmTaskResult_Success, SAVED)


def test_another_process_sees_that_a_paused_machine_is_being_saved(slow_guest: Guest) -> None:
    guest = slow_guest
    vm = machine_of(guest)
    done(vm, "Pause")
    with watched(guest) as seen:
        task = vm.Save()
        command = [sys.executable, "-c", RESUMES, PrivateLibvirtd.uri, guest.name]
        refused = subprocess.run(command, capture_output=True, text=True, cwd=HOME, timeout=60)
        another: Any = vpcshim.CreateObject(VS, PrivateLibvirtd.uri, timeout=TIMEOUT)
        (listed,) = sweep(another, [], [guest.name]).accounts
        assert listed.state.value is SAVING
        assert not task.IsComplete, task.ErrorDescription
        assert (refused.stdout, refused.stderr) == (f"{guest.name} is being saved\n", "")
        task.Cancel()
        task.WaitForCompletion(-1)
    assert seen == [PAUSED, SAVING, PAUSED]


RESUMES = """
import sys, vpcshim
try:
    vpcshim.CreateObject("VirtualServer.Application", sys.argv[1]).FindVirtualMachine(sys.argv[2]).Resume()
except vpcshim.ComError as error:
    print(error.description.partition(":")[0])
"""


def test_what_is_refused_while_a_machine_is_being_restored(slow_guest: Guest) -> None:
    vm = machine_of(slow_guest)
    done(vm, "Save")
    task = vm.Startup()
    assert (vm.State, task.IsComplete, task.IsCancelable) == (RESTORING, False, False)
    expected = {"Startup": IS_RUNNING, "DiscardSavedState": IS_RUNNING, "Save": E_FAIL, "Pause": E_FAIL}
    assert refusals(vm, *expected) == expected
    assert call(task, "Cancel")[0] is E_FAIL
    task.WaitForCompletion(-1)
    assert (task.Result, vm.State) == (VMTaskResult.vmTaskResult_Success, RUNNING)


def test_turning_off_ends_a_save(slow_guest: Guest) -> None:
    vm = machine_of(slow_guest)
    task = vm.Save()
    assert not task.IsComplete
    off = vm.TurnOff()
    off.WaitForCompletion(60_000)
    assert (off.IsComplete, off.Result) == (True, VMTaskResult.vmTaskResult_Success)
    assert task.IsComplete, "who is told that the machine is off is not shown a save that goes on"
    assert vm.State == OFF
    assert task.Result == VMTaskResult.vmTaskResult_UnexpectedError
    assert task.PercentCompleted < 100
    assert "not running" in task.ErrorDescription
    assert task.Error == HRESULT.VM_E_VM_NOT_RUNNING
    assert call(vm, "DiscardSavedState")[0] is NO_STATE


def why_not_saved(vm: Any) -> str:
    """What the call says that failed within a moment, else its task."""
    try:
        task = vm.Save()
    except vpcshim.ComError as error:
        return error.description
    task.WaitForCompletion(-1)
    assert (task.Error, task.Result) == (HRESULT.E_DISK_FULL, VMTaskResult.vmTaskResult_DiskRelatedError)
    return str(task.ErrorDescription)


def test_a_disk_that_is_full_ends_a_save_and_the_guest_goes_on(guest_factory: GuestFactory) -> None:
    guest = guest_factory()
    vm = machine_of(guest)
    folder = "/var/lib/libvirt/qemu/save"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], check=True)
    try:
        assert "No space left" in why_not_saved(vm)
    finally:
        subprocess.run(["umount", folder], check=True)
    assert vm.State == RUNNING
    guest.check("true")


# -- tasks that take their time -------------------------------------------------------------------------------


def test_the_save_of_a_gigabyte(guest_factory: GuestFactory) -> None:
    guest = guest_factory(memory_mib=1250)
    slow.fill_memory(guest, 1024)
    slow.slow_down(guest)  # else a moment in which one of the processes stands still may be half of it
    booted = guest.boot_id
    vm = machine_of(guest)

    # Cancelled: it goes on as it was.
    task = vm.Save()
    assert (task.IsCancelable, vm.State) == (True, SAVING)
    wait_until(lambda: task.PercentCompleted > 0, 20, "something is written")
    task.Cancel()
    task.WaitForCompletion(20_000)
    assert (task.IsComplete, task.Result) == (True, VMTaskResult.vmTaskResult_Cancelled)
    assert (task.Error, task.IsCancelable) == (HRESULT.E_ABORT, False)
    assert task.ErrorDescription
    assert task.PercentCompleted < 100
    assert call(task, "Cancel")[0] is E_FAIL
    assert vm.State == RUNNING
    guest.wait_ready()
    assert guest.boot_id == booted

    # A wait that is over before the task is, and one that is not; meanwhile the percentage rises.
    guest.hang_up()
    with watched(guest) as seen:
        task = vm.Save()
        task.WaitForCompletion(50)
        assert not task.IsComplete, "the time is over, the task is not, and that is no failure"
        percent = [task.PercentCompleted]
        while not task.IsComplete:
            percent.append(task.PercentCompleted)
            time.sleep(0.02)
        task.WaitForCompletion(60_000)
        assert (task.IsComplete, task.PercentCompleted) == (True, 100)
    assert vm.State == SAVED
    assert percent == sorted(percent), "it never goes back"
    assert len(set(percent)) >= 5, percent
    assert percent[0] < 50
    assert seen == [RUNNING, SAVING, SAVED]

    with watched(guest) as seen:
        task = vm.Startup()
        assert vm.State == RESTORING
        task.WaitForCompletion(-1)
    assert seen == [SAVED, RESTORING, RUNNING]
    guest.wait_ready()
    assert guest.boot_id == booted


def test_another_process_sees_a_start(slow_guest: Guest) -> None:
    vm = machine_of(slow_guest)
    done(vm, "TurnOff")
    with watched(slow_guest) as seen:
        task = vm.Startup()
        assert vm.State == STARTING
        assert call(vm, "Startup")[0] is IS_RUNNING
        task.WaitForCompletion(-1)
    assert seen == [OFF, STARTING, RUNNING]


def test_the_end_of_a_hung_machine_is_a_task_that_takes_its_time(guest_factory: GuestFactory) -> None:
    guest = guest_factory()
    vm = machine_of(guest)
    pid = int(Path(f"/run/libvirt/qemu/{guest.name}.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    task = vm.TurnOff()  # libvirt waits ten seconds for a process that does not heed SIGTERM
    assert (task.IsComplete, vm.State) == (False, VMVMState.vmVMState_TurningOff)
    assert time.monotonic() - began < 8, "nobody waits for libvirt meanwhile"
    task.WaitForCompletion(30_000)
    assert (task.IsComplete, vm.State) == (True, OFF)


# -- what may go wrong in between -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["killed", "restarted"])
def test_a_daemon_that_goes_ends_the_task_with_an_error(
    slow_guest: Guest, private_libvirtd: PrivateLibvirtd, how: str
) -> None:
    vm = machine_of(slow_guest)
    task = vm.Save()
    wait_until(lambda: task.PercentCompleted > 0, 20, "something is written")
    if how == "killed":
        private_libvirtd.kill()
        private_libvirtd.start()
    else:
        private_libvirtd.restart()
    task.WaitForCompletion(90_000)
    assert task.IsComplete
    assert task.Result == VMTaskResult.vmTaskResult_UnexpectedError
    assert "connection" in task.ErrorDescription
    # The next call finds the daemon again; what becomes of the machine is libvirt's to decide, and is shown.
    wait_until(lambda: vm.State in (RUNNING, OFF, SAVED), 30, "the machine is in one state or the other")
    print(f"{how}: {vm.State.name}")


SAVES = """
import sys, vpcshim
vm = vpcshim.CreateObject("VirtualServer.Application", sys.argv[1]).FindVirtualMachine(sys.argv[2])
task = vm.Save()
assert not task.IsComplete
print("began", flush=True)
"""


def test_a_process_that_is_killed_loses_no_machine(slow_guest: Guest) -> None:
    command = [sys.executable, "-c", SAVES + "task.WaitForCompletion(-1)\n", PrivateLibvirtd.uri, slow_guest.name]
    booted = slow_guest.boot_id
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HOME) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "began\n"
        running.kill()
    vm = machine_of(slow_guest)
    wait_until(lambda: vm.State == SAVED, 30, "the daemon finishes what it was told")
    done(vm, "Startup")
    slow_guest.wait_ready()
    assert slow_guest.boot_id == booted


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_script_that_ends_loses_nothing_of_what_it_began(slow_guest: Guest, interrupted: bool) -> None:
    script = SAVES + ("task.WaitForCompletion(-1)\n" if interrupted else "")
    command = [sys.executable, "-c", script, PrivateLibvirtd.uri, slow_guest.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HOME) as running:
        assert running.stdout is not None
        began = running.stdout.readline()
        assert began == "began\n", running.communicate(timeout=120)[1]
        if interrupted:
            time.sleep(0.2)
            running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=120)
    assert ("KeyboardInterrupt" in errors) is interrupted
    assert machine_of(slow_guest).State == SAVED, "when the script has ended, the save has as well"
