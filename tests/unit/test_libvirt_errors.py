"""libvirt's errors and states: what they are taken for, and what they become in COM. Row by row."""

from __future__ import annotations

import libvirt
import pytest

from tests.unit.fakes import libvirt_error
from vpcshim.com.hresult import HRESULT
from vpcshim.constants import VMVMState
from vpcshim.hypervisor import errors, imageerrors
from vpcshim.hypervisor.errors import HypervisorError, classify, translated
from vpcshim.hypervisor.states import image_matters
from vpcshim.model.hresults import failure_of, is_running, vm_state, while_at_work

NONE, RPC, REMOTE, QEMU, TEST, NET, ACCESS = 0, 7, 13, 10, 12, 11, 51

# (virErrorNumber, virErrorDomain): the numbers themselves, so that a wrong constant is seen too.
CLASSES = [
    (1, RPC, errors.ConnectionLost),  # client socket is closed; the end of file while reading
    (1, REMOTE, HypervisorError),
    (1, QEMU, HypervisorError),  # a NIC without a host device
    (1, NET, HypervisorError),
    (1, NONE, HypervisorError),
    (38, RPC, errors.ConnectionLost),  # cannot write data: broken pipe; refused
    (38, QEMU, HypervisorError),
    (38, REMOTE, HypervisorError),
    (38, NONE, HypervisorError),
    (39, RPC, errors.ConnectionLost),  # keepalive: connection closed
    (39, REMOTE, errors.ConnectionLost),
    (39, QEMU, HypervisorError),
    (5, RPC, errors.ConnectionLost),
    (5, NONE, errors.ConnectionFailed),
    (5, REMOTE, errors.ConnectionFailed),
    (6, NONE, errors.ConnectionLost),
    (6, QEMU, errors.ConnectionLost),
    (4, REMOTE, errors.ConnectionFailed),  # an unknown host
    (44, REMOTE, HypervisorError),
    (45, RPC, errors.AccessDenied),
    (45, REMOTE, errors.AccessDenied),
    (79, RPC, errors.AccessDenied),
    (94, RPC, errors.AccessDenied),
    (80, RPC, HypervisorError),
    (29, QEMU, errors.AccessDenied),  # read-only connection
    (29, NONE, errors.AccessDenied),
    (88, ACCESS, errors.AccessDenied),
    (88, RPC, errors.AccessDenied),
    (42, QEMU, errors.DomainGone),
    (42, TEST, errors.DomainGone),
    (42, RPC, errors.DomainGone),
    (55, QEMU, errors.DomainOff),
    (55, TEST, errors.DomainOff),
    (55, NONE, errors.DomainOff),
    (68, QEMU, errors.DomainBusy),
    (68, RPC, errors.DomainBusy),
    (3, NONE, errors.Unsupported),
    (3, TEST, errors.Unsupported),
    (67, QEMU, errors.Unsupported),
    (74, QEMU, errors.Unsupported),
    (84, QEMU, errors.Unsupported),
    (8, QEMU, errors.NotAddressable),
    (8, TEST, errors.NotAddressable),
    (8, NONE, errors.NotAddressable),
    (9, QEMU, HypervisorError),
    (43, NET, HypervisorError),
    (78, QEMU, errors.Aborted),
    (86, QEMU, HypervisorError),  # the guest agent
    (999, 999, HypervisorError),
    (None, NONE, HypervisorError),
]


@pytest.mark.parametrize(("code", "domain", "expected"), CLASSES)
def test_classify(code: int | None, domain: int, expected: type[HypervisorError]) -> None:
    assert classify(libvirt_error(code, domain)) is expected


def test_the_numbers_are_libvirts() -> None:
    assert (RPC, REMOTE, QEMU, TEST) == (
        libvirt.VIR_FROM_RPC,
        libvirt.VIR_FROM_REMOTE,
        libvirt.VIR_FROM_QEMU,
        libvirt.VIR_FROM_TEST,
    )


def test_translated_keeps_message_code_and_domain() -> None:
    told = translated(libvirt_error(42, QEMU, "Domain not found: no domain"))
    assert type(told) is errors.DomainGone
    assert (str(told), told.code, told.domain) == ("Domain not found: no domain", 42, QEMU)


def test_translated_without_an_error_behind_it() -> None:
    told = translated(libvirt_error(None, message="virDomainGetInfo() failed"))
    assert type(told) is HypervisorError
    assert (str(told), told.code, told.domain) == ("virDomainGetInfo() failed", None, None)


def every_kind(kind: type[HypervisorError] = HypervisorError) -> set[type[HypervisorError]]:
    return {kind}.union(*(every_kind(sub) for sub in kind.__subclasses__()))


OWN = {
    errors.DomainGone: HRESULT.VM_E_VM_UNKNOWN,
    errors.DomainBusy: HRESULT.VM_E_TIMED_OUT,
    errors.AccessDenied: HRESULT.E_ACCESSDENIED,
    errors.Aborted: HRESULT.E_ABORT,
    imageerrors.ImageMissing: HRESULT.E_FILE_NOT_FOUND,
    imageerrors.ImageDenied: HRESULT.E_ACCESSDENIED,
    imageerrors.ImageReadOnly: HRESULT.VM_E_FILE_READ_ONLY,
    imageerrors.ImageExists: HRESULT.E_ALREADY_EXISTS,
    imageerrors.ImageBusy: HRESULT.E_SHARING_VIOLATION,
    imageerrors.DiskFull: HRESULT.E_DISK_FULL,
    imageerrors.Cancelled: HRESULT.E_ABORT,
}


@pytest.mark.parametrize("kind", sorted(every_kind(), key=str))
def test_hresult_of_a_hypervisor_error(kind: type[HypervisorError]) -> None:
    failure = failure_of(kind("what libvirt said"))
    own = next((OWN[one] for one in kind.__mro__ if one in OWN), HRESULT.DISP_E_EXCEPTION)
    assert failure.code is own
    assert failure.description == "what libvirt said"


RUNNING, PAUSED, OFF, TURNING_OFF, INVALID, SAVED = (
    VMVMState.vmVMState_Running,
    VMVMState.vmVMState_Paused,
    VMVMState.vmVMState_TurnedOff,
    VMVMState.vmVMState_TurningOff,
    VMVMState.vmVMState_Invalid,
    VMVMState.vmVMState_Saved,
)

# virDomainState: state without and with a managed-save image, running when the domain is inactive and active
STATES = [
    (libvirt.VIR_DOMAIN_NOSTATE, 0, INVALID, INVALID, False, True),
    (libvirt.VIR_DOMAIN_RUNNING, 1, RUNNING, RUNNING, True, True),
    (libvirt.VIR_DOMAIN_BLOCKED, 2, RUNNING, RUNNING, True, True),
    (libvirt.VIR_DOMAIN_PAUSED, 3, PAUSED, PAUSED, True, True),
    (libvirt.VIR_DOMAIN_SHUTDOWN, 4, TURNING_OFF, TURNING_OFF, True, True),
    (libvirt.VIR_DOMAIN_SHUTOFF, 5, OFF, SAVED, False, False),
    (libvirt.VIR_DOMAIN_CRASHED, 6, OFF, SAVED, False, False),
    (libvirt.VIR_DOMAIN_PMSUSPENDED, 7, PAUSED, PAUSED, True, True),
    (8, 8, INVALID, INVALID, False, True),  # of a libvirt that is newer than us
    (-1, -1, INVALID, INVALID, False, True),
]


@pytest.mark.parametrize(("state", "number", "plain", "saved", "inactive", "active"), STATES)
def test_states(state: int, number: int, plain: VMVMState, saved: VMVMState, inactive: bool, active: bool) -> None:
    assert state == number
    assert vm_state(state, False) is plain
    assert vm_state(state, True) is saved
    assert is_running(state, False) is inactive
    assert is_running(state, True) is active


def test_every_state_of_this_libvirt_is_in_the_table() -> None:
    assert set(range(libvirt.VIR_DOMAIN_PMSUSPENDED + 1)) <= {row[0] for row in STATES}
    # The next one would be VIR_DOMAIN_LAST, where the binding has it.
    assert (
        getattr(libvirt, "VIR_DOMAIN_LAST", libvirt.VIR_DOMAIN_PMSUSPENDED + 1)
        == libvirt.VIR_DOMAIN_PMSUSPENDED + 1
    )


# What a paused machine is doing, by its reason: without and with a managed-save image.
TURNING_ON, RESTORING, SAVING = (
    VMVMState.vmVMState_TurningOn,
    VMVMState.vmVMState_Restoring,
    VMVMState.vmVMState_Saving,
)
PAUSED_FOR = [
    (libvirt.VIR_DOMAIN_PAUSED_UNKNOWN, PAUSED, PAUSED),
    (libvirt.VIR_DOMAIN_PAUSED_USER, PAUSED, PAUSED),
    (libvirt.VIR_DOMAIN_PAUSED_MIGRATION, PAUSED, RESTORING),
    (libvirt.VIR_DOMAIN_PAUSED_SAVE, SAVING, SAVING),
    (libvirt.VIR_DOMAIN_PAUSED_DUMP, PAUSED, PAUSED),
    (libvirt.VIR_DOMAIN_PAUSED_IOERROR, PAUSED, PAUSED),
    (libvirt.VIR_DOMAIN_PAUSED_SNAPSHOT, PAUSED, PAUSED),
    (libvirt.VIR_DOMAIN_PAUSED_STARTING_UP, TURNING_ON, RESTORING),
    (99, PAUSED, PAUSED),  # of a libvirt that is newer than us
]


@pytest.mark.parametrize(("reason", "plain", "saved"), PAUSED_FOR)
def test_what_a_paused_machine_is_doing(reason: int, plain: VMVMState, saved: VMVMState) -> None:
    assert vm_state(libvirt.VIR_DOMAIN_PAUSED, False, reason) is plain
    assert vm_state(libvirt.VIR_DOMAIN_PAUSED, True, reason) is saved
    assert image_matters(libvirt.VIR_DOMAIN_PAUSED, reason) is (plain is not saved)
    # The same number is another reason in another state.
    assert vm_state(libvirt.VIR_DOMAIN_RUNNING, False, reason) is RUNNING
    assert vm_state(libvirt.VIR_DOMAIN_SHUTOFF, True, reason) is SAVED
    assert image_matters(libvirt.VIR_DOMAIN_SHUTOFF, reason)
    assert not image_matters(libvirt.VIR_DOMAIN_RUNNING, reason)


# What libvirt tells, what we are doing, what is shown.
AT_WORK = [
    *((told, None, told) for told in VMVMState),
    *((told, ours, ours) for told in (OFF, SAVED, TURNING_ON, RESTORING) for ours in (TURNING_ON, RESTORING)),
    *((told, ours, told) for told in (RUNNING, PAUSED, SAVING, TURNING_OFF) for ours in (TURNING_ON, RESTORING)),
    *((told, ours, told) for told in (OFF, SAVED) for ours in (SAVING, TURNING_OFF)),
    *((told, ours, ours) for told in (RUNNING, PAUSED, SAVING, TURNING_ON) for ours in (SAVING, TURNING_OFF)),
    *((told, VMVMState.vmVMState_MergingDrives, VMVMState.vmVMState_MergingDrives) for told in (OFF, SAVED)),
]


@pytest.mark.parametrize(("told", "ours", "shown"), AT_WORK)
def test_the_state_while_we_are_at_work(told: VMVMState, ours: VMVMState | None, shown: VMVMState) -> None:
    assert while_at_work(told, ours) is shown
