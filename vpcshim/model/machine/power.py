"""The operations on a machine's power, and on its saved state."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import libvirt

from vpcshim.com.declare import method
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.constants import VMVMState
from vpcshim.hypervisor import domainxml, settings
from vpcshim.hypervisor.errors import HypervisorError
from vpcshim.model import capacity
from vpcshim.model.hresults import runs
from vpcshim.model.machine.state import Stateful, is_saved, state_of
from vpcshim.model.task import Task, begin
from vpcshim.model.work import Work

logger = logging.getLogger(__name__)

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
_NOT_RUNNING = (HRESULT.VM_E_VM_NOT_RUNNING,)


class Power(Stateful):
    """Startup, TurnOff, Save, Reset, DiscardSavedState, Pause, Resume."""

    @method(
        vs=0x60020009,
        vpc=0x60020009,
        vt=VT.DISPATCH,
        fails=(
            HRESULT.E_ACCESSDENIED,
            HRESULT.VM_E_OUT_OF_RESOURCE,
            HRESULT.VM_E_TOO_MANY_VMS,
            HRESULT.VM_E_VM_RUNNING,
        ),
        vpc_fails=(HRESULT.VM_E_TIMED_OUT, HRESULT.VM_E_PARENT_MODIFIED),
    )
    def Startup(self) -> Task:
        """Power on, or restore a saved machine.

        VM_E_VM_RUNNING when it runs already; VM_E_OUT_OF_RESOURCE when its ReservedSystemCapacity does not fit
        beside those of the running machines.
        """
        with self._domain(write=True) as domain:
            name = domain.name()
            if runs(domain):
                raise Failure(HRESULT.VM_E_VM_RUNNING, f"{name} is running already")
            self._admit(domain)
            saved = is_saved(domain)

        def start(_work: Work) -> None:
            with self._domain(write=True) as domain:
                domain.create()
                began = time.time()
            try:
                self._server.runs.began(self._uuid, began)
            except HypervisorError as error:
                # The machine runs, which is what was asked for; only its UpTime may be unknown to other processes.
                logger.warning("the start of %s is not recorded: %s", name, error)

        state = VMVMState.vmVMState_Restoring if saved else VMVMState.vmVMState_TurningOn
        return self._begin(f"{'Restoring' if saved else 'Starting'} {name}", start, state)

    def _admit(self, domain: libvirt.virDomain) -> None:
        """Refuse a machine whose reserve does not fit beside those of the running ones."""
        wanted = settings.read(domainxml.parse(domain.XMLDesc())).reserve
        if wanted == 0:
            return
        free = capacity.available(domain.connect(), without=self._uuid)
        if wanted > free:
            text = f"{domain.name()} reserves {wanted:g} percent of the host's CPUs, of which {free:g} are free"
            raise Failure(HRESULT.VM_E_OUT_OF_RESOURCE, text)

    @method(
        vs=0x6002000A,
        vpc=0x6002000B,
        vt=VT.DISPATCH,
        fails=(HRESULT.E_ACCESSDENIED, *_NOT_RUNNING),
        vpc_fails=_UNKNOWN,
    )
    def TurnOff(self) -> Task:
        """Switch the power off, without a shutdown of the guest; VM_E_VM_NOT_RUNNING when it is off."""
        with self._running("turned off") as (_, name):
            pass

        def turn_off(_work: Work) -> None:
            with self._running("turned off") as (domain, _):
                domain.destroy()

        return self._begin(f"Turning off {name}", turn_off, VMVMState.vmVMState_TurningOff)

    @method(
        vs=0x6002000B,
        vpc=0x6002000C,
        vt=VT.DISPATCH,
        fails=(HRESULT.E_ACCESSDENIED, HRESULT.E_FAIL, *_NOT_RUNNING),
    )
    def Save(self) -> Task:
        """Save the machine's state and stop it (managed save); VM_E_VM_NOT_RUNNING when it is off."""
        with self._running("saved") as (_, name):
            pass

        def save(_work: Work) -> None:
            with self._running("saved") as (domain, _):
                domain.managedSave()

        return self._begin(f"Saving {name}", save, VMVMState.vmVMState_Saving)

    @method(
        vs=0x6002000C,
        vpc=0x6002000D,
        vt=VT.DISPATCH,
        fails=(HRESULT.E_ACCESSDENIED, *_NOT_RUNNING),
        vpc_fails=_UNKNOWN,
    )
    def Reset(self) -> Task:
        """Reset the machine as its reset button would; its byte counters start again at zero.

        VM_E_VM_NOT_RUNNING when it is off.
        """
        with self._running("reset") as (_, name):
            pass

        def reset(_work: Work) -> None:
            with self._running("reset") as (domain, _):
                domain.reset()
            # Whoever reads with baselines is to find one, even where this caller reads without.
            self._server.runs.was_reset(self._uuid)

        return self._begin(f"Resetting {name}", reset)

    @method(
        vs=0x6002000D,
        vpc=0x6002000E,
        fails=(HRESULT.VM_E_VM_RUNNING, HRESULT.VM_E_VM_NO_SAVED_STATE, *_UNKNOWN),
    )
    def DiscardSavedState(self) -> None:
        """Throw the saved state away: the machine is then turned off."""
        with self._domain(write=True) as domain:
            if runs(domain):
                raise Failure(HRESULT.VM_E_VM_RUNNING, f"{domain.name()} is running")
            if not is_saved(domain):
                raise Failure(HRESULT.VM_E_VM_NO_SAVED_STATE, f"{domain.name()} has no saved state")
            domain.managedSaveRemove()

    @method(
        vs=0x6002000E,
        vpc=0x6002000F,
        fails=(HRESULT.E_FAIL, HRESULT.E_ACCESSDENIED, *_UNKNOWN),
        vpc_fails=(HRESULT.VM_E_TIMED_OUT, *_NOT_RUNNING),
    )
    def Pause(self) -> None:
        """Stop the machine's CPUs; E_FAIL when it is paused already."""
        with self._running("paused", otherwise=(HRESULT.E_FAIL,)) as (domain, name):
            if state_of(domain) is VMVMState.vmVMState_Paused:
                raise Failure(HRESULT.E_FAIL, f"{name} is paused already")
            domain.suspend()

    @method(
        vs=0x6002000F,
        vpc=0x60020010,
        fails=(HRESULT.E_FAIL, HRESULT.E_ACCESSDENIED, *_UNKNOWN),
        vpc_fails=(HRESULT.VM_E_TIMED_OUT, *_NOT_RUNNING),
    )
    def Resume(self) -> None:
        """Let a paused machine go on; E_FAIL when it is not paused."""
        with self._running("resumed", otherwise=(HRESULT.E_FAIL,)) as (domain, name):
            state = domain.state()[0]
            if state == libvirt.VIR_DOMAIN_PMSUSPENDED:
                domain.pMWakeup()
            elif state_of(domain) is VMVMState.vmVMState_Paused:
                domain.resume()
            else:
                raise Failure(HRESULT.E_FAIL, f"{name} is not paused")

    def _begin(self, description: str, run: Callable[[Work], None], state: VMVMState | None = None) -> Task:
        return begin(self, Work(description, run, uuid=self._uuid, state=state))
