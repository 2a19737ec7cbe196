"""The one table that maps libvirt's errors and states to COM: to HRESULTs, to VMVMState, to "not running"."""

from __future__ import annotations

import libvirt

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.constants import VMVMState
from vpcshim.hypervisor.errors import AccessDenied, DomainBusy, DomainGone, HypervisorError

# A member whose page does not list the code answers DISP_E_EXCEPTION with the same description instead (the
# call machinery sees to it). Whatever is not named here is DISP_E_EXCEPTION: a dead daemon above all, which is
# never S_FALSE, never 0, never an empty list.
_ERRORS: tuple[tuple[type[HypervisorError], HRESULT], ...] = (
    (DomainGone, HRESULT.VM_E_VM_UNKNOWN),
    (AccessDenied, HRESULT.E_ACCESSDENIED),
    (DomainBusy, HRESULT.VM_E_TIMED_OUT),
    (HypervisorError, HRESULT.DISP_E_EXCEPTION),
)


def failure_of(error: HypervisorError) -> Failure:
    """The COM failure for what went wrong at the hypervisor; its text is libvirt's own."""
    code = next(code for kind, code in _ERRORS if isinstance(error, kind))
    return Failure(code, str(error))


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


def vm_state(state: int, saved: bool) -> VMVMState:
    """The VMVMState of a virDomainState; `saved`: there is a managed-save image."""
    known = _STATES.get(state)
    if known is None:
        return VMVMState.vmVMState_Invalid
    if known[0] is VMVMState.vmVMState_TurnedOff and saved:
        return VMVMState.vmVMState_Saved
    return known[0]


def runs(domain: libvirt.virDomain) -> bool:
    """Whether the domain counts as running."""
    state = domain.state()[0]
    if state == libvirt.VIR_DOMAIN_NOSTATE:
        return is_running(state, bool(domain.isActive()))
    return is_running(state, state != libvirt.VIR_DOMAIN_SHUTOFF)
