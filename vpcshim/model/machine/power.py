"""The operations on a machine's power, and on its saved state.

What a call needs is checked in the call; what takes time goes on in its task. Where an operation meets another one
of another caller, libvirt decides: it lets the second wait for the first, or ends the first (TurnOff).

Sources: the IVMVirtualMachine pages of both products' references; virDomainCreate, virDomainManagedSave,
virDomainDestroy (libvirt-domain).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import libvirt

from vpcshim.com.declare import method
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.constants import VMStartupOption, VMVMState
from vpcshim.hypervisor import domainxml, jobs, settings
from vpcshim.hypervisor.errors import DomainBusy, DomainGone, DomainOff, HypervisorError, classify
from vpcshim.hypervisor.states import is_saved
from vpcshim.model import capacity, undoing
from vpcshim.model.hresults import runs
from vpcshim.model.machine.state import IN_BETWEEN, Stateful, state_of
from vpcshim.model.task import Task, begin
from vpcshim.model.work import Work

logger = logging.getLogger(__name__)

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
_NOT_RUNNING = (HRESULT.VM_E_VM_NOT_RUNNING,)
_START = (
    HRESULT.E_ACCESSDENIED,
    HRESULT.VM_E_OUT_OF_RESOURCE,
    HRESULT.VM_E_TOO_MANY_VMS,
    HRESULT.VM_E_VM_RUNNING,
)


class Power(Stateful):
    """Startup, Startup2, TurnOff, Save, Reset, DiscardSavedState, Pause, Resume."""

    @method(
        vs=0x60020009,
        vpc=0x60020009,
        vt=VT.DISPATCH,
        fails=_START,
        vpc_fails=(HRESULT.VM_E_TIMED_OUT, HRESULT.VM_E_PARENT_MODIFIED),
    )
    def Startup(self) -> Task:
        """Power on, or restore a saved machine.

        VM_E_VM_RUNNING when it runs already, or is being started or saved; VM_E_OUT_OF_RESOURCE when its
        ReservedSystemCapacity does not fit beside those of the running machines.
        """
        return self._start()

    @method(
        vpc=0x6002000A,
        vt=VT.DISPATCH,
        params=(VT.I4,),
        fails=(*_START, HRESULT.E_INVALIDARG, HRESULT.VM_E_TIMED_OUT),
    )
    def Startup2(self, startupOption: int) -> Task:
        """Power on, or restore, as `Startup` does, with an option (VMStartupOption).

        libvirt does not compare the times of a differencing disk and its parent, so the machine starts with
        vmStartupOption_Normal as it does with vmStartupOption_FixParentTimestampMismatch. E_INVALIDARG for
        another number.
        """
        if startupOption not in tuple(VMStartupOption):
            known = ", ".join(f"{int(one)} ({one.name})" for one in VMStartupOption)
            raise Failure(HRESULT.E_INVALIDARG, f"there is no startup option {startupOption}, only {known}")
        return self._start()

    def _start(self) -> Task:
        with self._domain(write=True) as domain:
            name = domain.name()
            if self._starts() or runs(domain):
                raise self._on_already(domain, name)
            self._admit(domain)
            saved = is_saved(domain)

        def start(work: Work) -> None:
            with self._domain(write=True) as domain:
                with undoing.made_ready(self._server.connection, self._product_, domain, work):
                    try:
                        domain.create()
                    except libvirt.libvirtError as error:
                        # The drivers tell it under different codes.
                        if classify(error) in (DomainOff, HypervisorError) and domain.isActive():
                            raise _runs_already(name) from error  # somebody else was quicker
                        raise
                began = time.time()
            try:
                self._server.runs.began(self._uuid, began)
            except HypervisorError as error:
                # The machine runs, which is what was asked for; only its UpTime may be unknown to other processes.
                logger.warning("the start of %s is not recorded: %s", name, error)

        state = VMVMState.vmVMState_Restoring if saved else VMVMState.vmVMState_TurningOn
        return self._begin(f"{'Restoring' if saved else 'Starting'} {name}", start, state)

    def _on_already(self, domain: libvirt.virDomain, name: str) -> Failure:
        shown = self._shown(domain)
        if shown is VMVMState.vmVMState_Paused:
            text = f"{name} is on already, and paused: Resume lets it go on"
        elif shown is VMVMState.vmVMState_Saving:
            text = f"{name} is {IN_BETWEEN[shown]}: it can be started when that is over"
        else:
            text = f"{name} is {IN_BETWEEN.get(shown, 'running')} already"
        return Failure(HRESULT.VM_E_VM_RUNNING, text)

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
        """Switch the power off, without a shutdown of the guest; VM_E_VM_NOT_RUNNING when it is off.

        A machine that is being started or saved is turned off as well: the task of that ends with an error.
        """
        with self._running("turned off") as (_, name):
            pass

        def turn_off(work: Work) -> None:
            with self._running("turned off") as (domain, _):
                stays = domain.isPersistent()
                domain.destroy()
            self._server.works.settle(self._uuid, but=work)
            if not stays:
                return  # a transient domain is gone, and its definition with it
            with self._domain(write=True) as domain:
                undoing.after_turn_off(self._server.connection, self._product_, domain, work)

        return self._begin(f"Turning off {name}", turn_off, VMVMState.vmVMState_TurningOff, at_once=True)

    @method(
        vs=0x6002000B,
        vpc=0x6002000C,
        vt=VT.DISPATCH,
        fails=(HRESULT.E_ACCESSDENIED, HRESULT.E_FAIL, *_NOT_RUNNING),
    )
    def Save(self) -> Task:
        """Save the machine's state and stop it (managed save).

        The task can be cancelled: the machine then goes on as it was. VM_E_VM_NOT_RUNNING when it is off; E_FAIL
        while it is being started, restored or saved.
        """
        with self._running("saved") as (domain, name):
            self._settled(domain, "saved")
            undoing.refuse_save(domain)
            counted = jobs.counted(domain)

        def save(_work: Work) -> None:
            with self._running("saved") as (domain, _):
                paused = domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
                try:
                    domain.managedSave()
                except libvirt.libvirtError as error:
                    if not paused:
                        jobs.resume_unsaved(domain)
                    if jobs.is_unmovable_image(error):
                        text = f"{name} could not be saved: {error}. Convert that disk to .qcow2 first"
                        raise Failure(HRESULT.DISP_E_EXCEPTION, text) from error
                    if jobs.is_disk_full(error):
                        raise Failure(HRESULT.E_DISK_FULL, f"{name} could not be saved: {error}") from error
                    raise

        return self._begin(
            f"Saving {name}",
            save,
            VMVMState.vmVMState_Saving,
            cancel=self._cancel_save if counted else None,
            percent=self._saved_percent if counted else None,
        )

    def _cancel_save(self) -> bool:
        with self._domain(write=True) as domain:
            return jobs.abort_save(domain)

    def _saved_percent(self) -> int | None:
        try:
            with self._domain() as domain:
                return jobs.saved_percent(domain)
        except (DomainBusy, DomainGone) as error:
            logger.debug("how far a save is, is not known: %s", error)
            return None

    @method(
        vs=0x6002000C,
        vpc=0x6002000D,
        vt=VT.DISPATCH,
        fails=(HRESULT.E_ACCESSDENIED, *_NOT_RUNNING),
        vpc_fails=_UNKNOWN,
    )
    def Reset(self) -> Task:
        """Reset the machine as its reset button would; its byte counters start again at zero.

        VM_E_VM_NOT_RUNNING when it is off; refused while it is being started, restored or saved.
        """
        with self._running("reset") as (domain, name):
            self._settled(domain, "reset")

        def reset(_work: Work) -> None:
            with self._running("reset") as (domain, _):
                domain.reset()
            # Whoever reads with baselines is to find one, even where this caller reads without.
            self._server.runs.was_reset(self._uuid)

        return self._begin(f"Resetting {name}", reset, at_once=True)

    @method(
        vs=0x6002000D,
        vpc=0x6002000E,
        fails=(HRESULT.VM_E_VM_RUNNING, HRESULT.VM_E_VM_NO_SAVED_STATE, *_UNKNOWN),
    )
    def DiscardSavedState(self) -> None:
        """Throw the saved state away: the machine is then turned off."""
        with self._domain(write=True) as domain:
            if self._starts() or runs(domain):
                raise Failure(HRESULT.VM_E_VM_RUNNING, f"{domain.name()} is {self._doing(domain) or 'running'}")
            if not is_saved(domain):
                raise Failure(HRESULT.VM_E_VM_NO_SAVED_STATE, f"{domain.name()} has no saved state")
            domain.managedSaveRemove()
        self._server.saved_state_discarded(self._uuid)

    @method(
        vs=0x6002000E,
        vpc=0x6002000F,
        fails=(HRESULT.E_FAIL, HRESULT.E_ACCESSDENIED, *_UNKNOWN),
        vpc_fails=(HRESULT.VM_E_TIMED_OUT, *_NOT_RUNNING),
    )
    def Pause(self) -> None:
        """Stop the machine's CPUs; E_FAIL when it is paused already, or being started, restored or saved."""
        with self._running("paused", otherwise=(HRESULT.E_FAIL,)) as (domain, name):
            if self._settled(domain, "paused") is VMVMState.vmVMState_Paused:
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
            if self._settled(domain, "resumed") is not VMVMState.vmVMState_Paused:
                raise Failure(HRESULT.E_FAIL, f"{name} is not paused")
            try:
                if domain.state()[0] == libvirt.VIR_DOMAIN_PMSUSPENDED:
                    domain.pMWakeup()
                else:
                    domain.resume()
            except libvirt.libvirtError as error:
                paused_no_more = classify(error) in (DomainOff, HypervisorError)
                if paused_no_more and state_of(domain) is VMVMState.vmVMState_Running:
                    raise Failure(HRESULT.E_FAIL, f"{name} is not paused") from error  # it was resumed in between
                raise

    def _begin(
        self,
        description: str,
        run: Callable[[Work], None],
        state: VMVMState | None = None,
        *,
        cancel: Callable[[], bool] | None = None,
        percent: Callable[[], int | None] | None = None,
        at_once: bool = False,
    ) -> Task:
        work = Work(description, run, uuid=self._uuid, state=state, cancel=cancel, percent=percent, at_once=at_once)
        return begin(self, work)


def _runs_already(name: str) -> Failure:
    return Failure(HRESULT.VM_E_VM_RUNNING, f"{name} is running already")
