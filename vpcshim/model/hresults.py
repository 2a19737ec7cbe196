"""The one table that maps libvirt's errors and states to COM: to HRESULTs, to VMVMState, to "not running"."""

from __future__ import annotations

import libvirt

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.constants import VMVMState
from vpcshim.hypervisor import imageerrors, states
from vpcshim.hypervisor.errors import Aborted, AccessDenied, DomainBusy, DomainGone, HypervisorError

# A member whose page does not list the code answers DISP_E_EXCEPTION with the same description instead (the
# call machinery sees to it). Whatever is not named here is DISP_E_EXCEPTION: a dead daemon above all, which is
# never S_FALSE, never 0, never an empty list. Of several codes it is the first that the page lists.
_ERRORS: tuple[tuple[type[HypervisorError], tuple[HRESULT, ...]], ...] = (
    (DomainGone, (HRESULT.VM_E_VM_UNKNOWN,)),
    (AccessDenied, (HRESULT.E_ACCESSDENIED,)),
    (DomainBusy, (HRESULT.VM_E_TIMED_OUT,)),
    (Aborted, (HRESULT.E_ABORT,)),
    (imageerrors.ImageMissing, (HRESULT.E_FILE_NOT_FOUND, HRESULT.E_PATH_NOT_FOUND)),
    (imageerrors.ImageDenied, (HRESULT.E_ACCESSDENIED,)),
    (imageerrors.ImageReadOnly, (HRESULT.VM_E_FILE_READ_ONLY, HRESULT.E_ACCESSDENIED)),
    (imageerrors.ImageExists, (HRESULT.E_ALREADY_EXISTS,)),
    (imageerrors.ImageBusy, (HRESULT.E_SHARING_VIOLATION, HRESULT.E_ACCESSDENIED)),
    (imageerrors.DiskFull, (HRESULT.E_DISK_FULL,)),
    (imageerrors.Cancelled, (HRESULT.E_ABORT,)),
    (HypervisorError, (HRESULT.DISP_E_EXCEPTION,)),
)


def failure_of(error: HypervisorError) -> Failure:
    """The COM failure for what went wrong at the hypervisor; its text is libvirt's own."""
    code, *others = next(codes for kind, codes in _ERRORS if isinstance(error, kind))
    return Failure(code, str(error), otherwise=tuple(others))


# virDomainState: (VMVMState, whether the machine counts as running). A machine that is off with a managed-save
# image is Saved.
_STATES: dict[int, tuple[VMVMState, bool]] = {
    libvirt.VIR_DOMAIN_RUNNING: (VMVMState.vmVMState_Running, True),
    libvirt.VIR_DOMAIN_BLOCKED: (VMVMState.vmVMState_Running, True),
    libvirt.VIR_DOMAIN_PAUSED: (VMVMState.vmVMState_Paused, True),
    libvirt.VIR_DOMAIN_PMSUSPENDED: (VMVMState.vmVMState_Paused, True),
    libvirt.VIR_DOMAIN_SHUTDOWN: (VMVMState.vmVMState_TurningOff, True),
    libvirt.VIR_DOMAIN_SHUTOFF: (VMVMState.vmVMState_TurnedOff, False),
    libvirt.VIR_DOMAIN_CRASHED: (VMVMState.vmVMState_TurnedOff, False),
}


def is_running(state: int, active: bool) -> bool:
    """Whether a machine in that virDomainState counts as running (else: S_FALSE).

    NOSTATE, and a state this libvirt is newer than us with, is decided by whether the domain is active.
    """
    known = _STATES.get(state)
    return active if known is None else known[1]


# What a paused machine is about, by its virDomainPausedReason.
_PAUSED_FOR: dict[int, VMVMState] = {
    libvirt.VIR_DOMAIN_PAUSED_STARTING_UP: VMVMState.vmVMState_TurningOn,
    libvirt.VIR_DOMAIN_PAUSED_SAVE: VMVMState.vmVMState_Saving,
}


def vm_state(state: int, saved: bool, reason: int = 0) -> VMVMState:
    """The VMVMState of a virDomainState and its reason; `saved`: there is a managed-save image."""
    known = _STATES.get(state)
    if state == libvirt.VIR_DOMAIN_PAUSED:
        if saved and states.may_be_restored(state, reason):
            return VMVMState.vmVMState_Restoring
        return _PAUSED_FOR.get(reason, VMVMState.vmVMState_Paused)
    if known is None:
        return VMVMState.vmVMState_Invalid
    if known[0] is VMVMState.vmVMState_TurnedOff and saved:
        return VMVMState.vmVMState_Saved
    return known[0]


def while_at_work(told: VMVMState, ours: VMVMState | None) -> VMVMState:
    """What state a machine shows while this process is at work on it.

    Args:
        told: What libvirt tells.
        ours: What the operation under way would have shown; None for none, and where it shows nothing.
    """
    off = told in (VMVMState.vmVMState_TurnedOff, VMVMState.vmVMState_Saved)
    match ours:
        case None:
            return told
        case VMVMState.vmVMState_TurningOn | VMVMState.vmVMState_Restoring:
            starts = off or told in (VMVMState.vmVMState_TurningOn, VMVMState.vmVMState_Restoring)
            return ours if starts else told
        case VMVMState.vmVMState_Saving | VMVMState.vmVMState_TurningOff:
            return told if off else ours
    return ours


def runs(domain: libvirt.virDomain) -> bool:
    """Whether the domain counts as running."""
    state = domain.state()[0]
    if state == libvirt.VIR_DOMAIN_NOSTATE:
        return is_running(state, bool(domain.isActive()))
    return is_running(state, state != libvirt.VIR_DOMAIN_SHUTOFF)
