"""What state a machine is in, and what may be done to it in that state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.constants import VMVMState
from vpcshim.hypervisor import jobs, states
from vpcshim.hypervisor.errors import DomainOff, HypervisorError, classify
from vpcshim.model.base import MachineObject
from vpcshim.model.hresults import runs, vm_state, while_at_work

# What a machine is doing on the way from one state to another, in words.
IN_BETWEEN = {
    VMVMState.vmVMState_TurningOn: "being started",
    VMVMState.vmVMState_Restoring: "being restored",
    VMVMState.vmVMState_Saving: "being saved",
}
# What rids a machine of its saved state in a script; the command line, which lacks it, names another way instead.
DISCARDS = "DiscardSavedState"


class Stateful(MachineObject):
    """A machine whose members ask for its state first."""

    def _state(self) -> VMVMState:
        """The machine's state: libvirt's, and that of what this process is doing to it.

        Raises:
            HypervisorError: The machine or the connection is in trouble.
        """
        work = self._server.works.of(self._uuid)
        if work is not None and work.state is VMVMState.vmVMState_TurningOff:
            return work.state  # libvirt answers nothing of a machine while it waits for its process to die
        with self._domain() as domain:
            return self._shown(domain)

    def _told(self) -> VMVMState:
        """The machine's state as libvirt alone tells it. Raises as `_state`."""
        with self._domain() as domain:
            return state_of(domain)

    def _starts(self) -> bool:
        """Whether this process is starting or restoring the machine."""
        work = self._server.works.of(self._uuid)
        return work is not None and work.state in (VMVMState.vmVMState_TurningOn, VMVMState.vmVMState_Restoring)

    @contextmanager
    def _running(self, what: str, otherwise: tuple[HRESULT, ...] = ()) -> Iterator[tuple[libvirt.virDomain, str]]:
        """The running machine for an operation on it, and its name; refused when it is off.

        Args:
            what: What cannot be done to a machine that is off, for the message.
            otherwise: The codes for members whose page does not list VM_E_VM_NOT_RUNNING.
        """
        with self._domain(write=True) as domain:
            name = str(domain.name())
            if not runs(domain):
                raise self._not_running(domain, name, what, otherwise)
            try:
                yield domain, name
            except libvirt.libvirtError as error:
                # It stopped in between: libvirt may only say then that its monitor has hung up.
                if classify(error) in (DomainOff, HypervisorError) and not domain.isActive():
                    raise self._not_running(domain, name, what, otherwise) from error
                raise

    def _not_running(
        self, domain: libvirt.virDomain, name: str, what: str, otherwise: tuple[HRESULT, ...]
    ) -> Failure:
        shown = self._shown(domain)
        if shown in IN_BETWEEN:
            why = f"{name} is {IN_BETWEEN[shown]} and cannot be {what} yet"
        elif shown is VMVMState.vmVMState_Saved:
            way_out = f"starting it restores it, {DISCARDS} throws the saved state away"
            why = f"{name} is saved, not running, and cannot be {what}: {way_out}"
        else:
            why = f"{name} is not running and cannot be {what}"
        return Failure(HRESULT.VM_E_VM_NOT_RUNNING, why, otherwise=otherwise)

    def _settled(self, domain: libvirt.virDomain, what: str) -> VMVMState:
        """The state of a running machine; refused while it is being started, restored or saved.

        libvirt would let the call wait until that is over, and then do to a machine what was meant for another
        state of it, or give up after half a minute.

        Args:
            domain: The machine.
            what: What cannot be done to it, for the message.
        """
        state = self._shown(domain)
        doing = IN_BETWEEN.get(state)
        if doing is not None:
            text = f"{domain.name()} is {doing}: it can be {what} when that is over"
            raise Failure(HRESULT.E_FAIL, text)
        return state

    def _shown(self, domain: libvirt.virDomain) -> VMVMState:
        """The machine's state, as `_state`, of its domain."""
        work = self._server.works.of(self._uuid)
        return while_at_work(state_of(domain), None if work is None else work.state)

    def _doing(self, domain: libvirt.virDomain) -> str | None:
        """What the machine is doing on the way from one state to another, in words; None where it is in one."""
        return IN_BETWEEN.get(self._shown(domain))

    @contextmanager
    def _turned_off(self, what: str) -> Iterator[tuple[libvirt.virDomain, str]]:
        """The machine while it is off and not saved, for a change of its definition, and its name.

        Refused, while it is running or saved, with the code that the member's page documents for that.

        Args:
            what: What cannot be done to a machine that is running or saved, for the message.
        """
        with self._domain(write=True) as domain:
            name = str(domain.name())
            state = self._shown(domain)
            is_now = "saved" if state is VMVMState.vmVMState_Saved else IN_BETWEEN.get(state)
            if is_now is not None or runs(domain):
                is_now = is_now or "running"
                text = f"{name} is {is_now}, and {what} needs a machine that is turned off"
                raise Failure(HRESULT.VM_E_VM_RUNNING_OR_SAVED, text, otherwise=_ACTIVE)
            yield domain, name


# Which of them a page lists differs by member and product; DISP_E_EXCEPTION where it lists none.
_ACTIVE = (HRESULT.VM_E_PREF_VM_ACTIVE, HRESULT.VM_E_VM_RUNNING)


def state_of(domain: libvirt.virDomain, patience: float = jobs.PATIENCE) -> VMVMState:
    """The machine's VMVMState as libvirt tells it, whichever process is at work on it.

    What it takes more than one call to learn is asked again when the state has become another meanwhile.

    Args:
        domain: The machine.
        patience: How long another one's call to it may take until it is taken to hang (seconds).

    Raises:
        libvirt.libvirtError: libvirt refused.
    """
    while True:
        found = states.read(domain)
        told = vm_state(found.state, found.saved, found.reason)
        if not needs_job(found.state, told):
            return told
        saving = jobs.is_being_saved(domain, patience)
        if tuple(domain.state()) == (found.state, found.reason):
            break
    if saving is None:
        return told  # its job cannot be known, as that of one that hangs
    return VMVMState.vmVMState_Saving if saving else VMVMState.vmVMState_Paused


def needs_job(state: int, told: VMVMState) -> bool:
    """Whether the machine's job decides between the state that `vm_state` tells and another.

    The reason of a virDomainState alone does not: a machine that was paused before a save keeps its own, and one
    that libvirt could not let go on after a save that failed keeps that of the save.

    Args:
        state: Its virDomainState.
        told: What `vm_state` makes of it.
    """
    return state == libvirt.VIR_DOMAIN_PAUSED and told in _SAVING_OR_NOT


_SAVING_OR_NOT = (VMVMState.vmVMState_Paused, VMVMState.vmVMState_Saving)
