"""The job of a save: what libvirt's numbers come to, and what stops it. The answers are as QEMU gave them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import libvirt
import pytest

from tests.unit.fakes import answered, libvirt_error
from vpcshim.constants import VMVMState
from vpcshim.hypervisor import jobs
from vpcshim.model.machine.state import state_of

SAVE, START, MIGRATION = (
    libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE,
    libvirt.VIR_DOMAIN_JOB_OPERATION_START,
    libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT,
)
OFF = libvirt_error(libvirt.VIR_ERR_OPERATION_INVALID)
UNSUPPORTED = libvirt_error(libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_FROM_DOMAIN)
DEAD = libvirt_error(libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC)


class FakeDomain:
    """Answers what it is told to, and notes what it was asked to do."""

    def __init__(self, stats: Any = None, state: Any = (1, 1), acts: Any = 0) -> None:
        self.stats, self.told, self.acts = stats, state, acts
        self.asked: list[str] = []
        self.control = [libvirt.VIR_DOMAIN_CONTROL_OK]
        self.image = [False]

    def controlInfo(self) -> list[int]:
        return [self.control.pop(0) if len(self.control) > 1 else self.control[0], 0, 0]

    def jobStats(self) -> Any:
        return answered(self.stats)

    def state(self) -> Any:
        told = answered(self.told)
        if isinstance(told, Iterator):
            told = next(told)  # it changes from question to question
        return told

    def abortJob(self) -> Any:
        self.asked.append("abort")
        return answered(self.acts)

    def resume(self) -> Any:
        self.asked.append("resume")
        return answered(self.acts)

    def hasManagedSaveImage(self) -> bool:
        return self.image.pop(0) if len(self.image) > 1 else self.image[0]


def stats(total: int, remaining: int, operation: int = SAVE) -> dict[str, int]:
    return {"operation": operation, "data_total": total, "data_remaining": remaining, "data_processed": 1}


@pytest.mark.parametrize(
    ("found", "percent"),
    [
        ({"type": 0}, None),  # no job
        (stats(0, 0), None),  # begun, and nothing counted yet; just aborted
        (stats(1_311_252_480, 1_311_252_480), 0),
        (stats(1_311_252_480, 1_300_701_184), 0),
        (stats(1000, 495), 50),
        (stats(1000, 0), 100),
        (stats(1000, 2000), 0),  # the guest was given more memory meanwhile
        ({"operation": SAVE, "data_total": 1000}, 0),
        (stats(1000, 10, START), None),
        (stats(1000, 10, MIGRATION), None),  # somebody else's
        (OFF, None),
        (UNSUPPORTED, None),
    ],
)
def test_how_far_a_save_is(found: Any, percent: int | None) -> None:
    assert jobs.saved_percent(FakeDomain(found)) == percent


def test_a_dead_daemon_is_no_percentage() -> None:
    with pytest.raises(libvirt.libvirtError):
        jobs.saved_percent(FakeDomain(DEAD))


@pytest.mark.parametrize(("found", "supported"), [({"type": 0}, True), (stats(10, 1), True), (UNSUPPORTED, False)])
def test_whether_jobs_are_counted(found: Any, supported: bool) -> None:
    assert jobs.counted(FakeDomain(found)) is supported


def test_trouble_does_not_mean_that_jobs_are_not_counted() -> None:
    with pytest.raises(libvirt.libvirtError):
        jobs.counted(FakeDomain(DEAD))


@pytest.mark.parametrize(
    ("found", "answer", "stopped", "asked"),
    [
        (stats(10, 5), 0, True, ["abort"]),
        (stats(0, 0), 0, True, ["abort"]),
        (stats(10, 5), OFF, False, ["abort"]),  # it ended in between
        ({"type": 0}, 0, False, []),
        (stats(10, 5, MIGRATION), 0, False, []),  # never somebody else's migration
        (OFF, 0, False, []),
    ],
)
def test_stopping_a_save(found: Any, answer: Any, stopped: bool, asked: list[str]) -> None:
    domain = FakeDomain(found, acts=answer)
    assert jobs.abort_save(domain) is stopped
    assert domain.asked == asked


def test_a_refused_stop_is_an_error() -> None:
    with pytest.raises(libvirt.libvirtError):
        jobs.abort_save(FakeDomain(stats(10, 5), acts=libvirt_error(libvirt.VIR_ERR_ACCESS_DENIED)))


@pytest.mark.parametrize(
    ("state", "asked"),
    [
        ([libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_SAVE], ["resume"]),
        ([libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER], []),
        ([libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_SAVE_CANCELED], []),
        ([libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED], []),
        (DEAD, []),
    ],
)
def test_what_a_failed_save_left_paused_goes_on(state: Any, asked: list[str]) -> None:
    domain = FakeDomain(state=state)
    jobs.resume_unsaved(domain)
    assert domain.asked == asked


def test_a_machine_that_cannot_go_on_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    jobs.resume_unsaved(FakeDomain(state=(libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_SAVE), acts=DEAD))
    assert "may have been left paused" in caplog.text


def test_a_full_disk() -> None:
    text = (
        "operation failed: /usr/lib/libvirt/libvirt_iohelper: failure with /save/x.save: "
        "Unable to write /save/x.save: No space left on device"
    )
    assert jobs.is_disk_full(libvirt_error(libvirt.VIR_ERR_OPERATION_FAILED, message=text))
    assert not jobs.is_disk_full(OFF)


# -- a paused domain, which is being saved or not -------------------------------------------------------------

PAUSED = libvirt.VIR_DOMAIN_PAUSED
BY_USER, FOR_SAVE = libvirt.VIR_DOMAIN_PAUSED_USER, libvirt.VIR_DOMAIN_PAUSED_SAVE
BUSY = libvirt_error(libvirt.VIR_ERR_OPERATION_TIMEOUT)


@pytest.mark.parametrize(
    ("reason", "found", "state"),
    [
        pytest.param(BY_USER, {"type": 0}, VMVMState.vmVMState_Paused, id="paused"),
        pytest.param(BY_USER, stats(10, 5), VMVMState.vmVMState_Saving, id="paused, and being saved"),
        pytest.param(BY_USER, stats(10, 5, MIGRATION), VMVMState.vmVMState_Paused, id="another job"),
        pytest.param(FOR_SAVE, stats(10, 5), VMVMState.vmVMState_Saving, id="being saved"),
        pytest.param(FOR_SAVE, {"type": 0}, VMVMState.vmVMState_Paused, id="left by a save that failed"),
        *[pytest.param(BY_USER, refusal, VMVMState.vmVMState_Paused) for refusal in (BUSY, OFF, UNSUPPORTED)],
        *[pytest.param(FOR_SAVE, refusal, VMVMState.vmVMState_Saving) for refusal in (BUSY, OFF, UNSUPPORTED)],
    ],
)
def test_the_job_tells_whether_a_paused_machine_is_being_saved(reason: int, found: Any, state: VMVMState) -> None:
    assert state_of(FakeDomain(found, (PAUSED, reason))) is state


@pytest.mark.parametrize("patience", [0.0, 0.05])
@pytest.mark.parametrize(
    ("reason", "told"), [(FOR_SAVE, VMVMState.vmVMState_Saving), (BY_USER, VMVMState.vmVMState_Paused)]
)
def test_nobody_waits_for_a_hung_monitor_to_tell_of_a_job(reason: int, told: VMVMState, patience: float) -> None:
    hangs = FakeDomain(DEAD, (PAUSED, reason))
    hangs.control = [libvirt.VIR_DOMAIN_CONTROL_OCCUPIED]
    assert state_of(hangs, patience) is told


def test_a_job_in_the_background_answers() -> None:
    saving = FakeDomain(stats(10, 5), (PAUSED, BY_USER))
    saving.control = [libvirt.VIR_DOMAIN_CONTROL_JOB]
    assert state_of(saving) is VMVMState.vmVMState_Saving


def test_a_monitor_that_is_busy_for_a_moment_is_waited_for() -> None:
    busy = FakeDomain(stats(10, 5), (PAUSED, BY_USER))
    busy.control = [libvirt.VIR_DOMAIN_CONTROL_OCCUPIED, libvirt.VIR_DOMAIN_CONTROL_OK]
    assert state_of(busy) is VMVMState.vmVMState_Saving


def test_a_dead_connection_is_no_state() -> None:
    with pytest.raises(libvirt.libvirtError):
        state_of(FakeDomain(DEAD, (PAUSED, BY_USER)))


def test_nobody_asks_for_the_job_of_a_machine_that_is_not_paused() -> None:
    assert state_of(FakeDomain(DEAD, (libvirt.VIR_DOMAIN_RUNNING, 1))) is VMVMState.vmVMState_Running
    starts = FakeDomain(DEAD, (PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP))
    assert state_of(starts) is VMVMState.vmVMState_TurningOn  # libvirt would answer when that is over


# -- a state that becomes another between the questions -------------------------------------------------------

RUNNING = (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_RESTORED)
STARTING, RESTORED = (PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP), (PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION)
SHUT_OFF, SHUT_OFF_SAVED = (libvirt.VIR_DOMAIN_SHUTOFF, 1), (libvirt.VIR_DOMAIN_SHUTOFF, 6)


@pytest.mark.parametrize(
    ("states", "images", "told"),
    [
        pytest.param([RESTORED, RUNNING], [False], VMVMState.vmVMState_Running, id="restored"),
        pytest.param([RESTORED], [False], VMVMState.vmVMState_Paused, id="restored, and paused"),
        pytest.param([STARTING, RESTORED], [True], VMVMState.vmVMState_Restoring, id="being restored"),
        pytest.param([SHUT_OFF, STARTING, RUNNING], [False], VMVMState.vmVMState_Running, id="started"),
        pytest.param([SHUT_OFF, RUNNING], [False], VMVMState.vmVMState_Running, id="saved, and restored"),
        pytest.param([SHUT_OFF, SHUT_OFF_SAVED], [False, True], VMVMState.vmVMState_Saved, id="saved"),
        pytest.param([(PAUSED, FOR_SAVE), RUNNING], [False], VMVMState.vmVMState_Running, id="its save failed"),
        pytest.param(
            [(PAUSED, FOR_SAVE), SHUT_OFF_SAVED, SHUT_OFF_SAVED],
            [True],
            VMVMState.vmVMState_Saved,
            id="its save ended",
        ),
    ],
)
def test_what_is_told_was_true_at_one_moment(
    states: list[tuple[int, int]], images: list[bool], told: VMVMState
) -> None:
    domain = FakeDomain({"type": 0}, itertools.chain(states, itertools.repeat(states[-1])))
    domain.image = list(images)
    assert state_of(domain) is told
