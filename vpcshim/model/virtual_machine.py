"""IVMVirtualMachine: a libvirt domain, and the operations on its power.

Sources: the IVMVirtualMachine pages of both products' references; libvirt-domain.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import libvirt

from vpcshim.com.collection import Collection
from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.constants import VMVMState
from vpcshim.hypervisor import domainxml, settings
from vpcshim.hypervisor.errors import DomainOff, HypervisorError, Unknowable, Unsupported, classify
from vpcshim.model import capacity
from vpcshim.model.accountant import Accountant
from vpcshim.model.base import MachineObject, ModelObject
from vpcshim.model.hresults import runs, vm_state
from vpcshim.model.names import check_new_name
from vpcshim.model.task import Task

logger = logging.getLogger(__name__)

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
_NOT_RUNNING = (HRESULT.VM_E_VM_NOT_RUNNING,)
# Where libvirt's drivers keep the definitions of persistent domains, for a connection to this machine.
_DEFINITIONS = {"qemu:///system": Path("/etc/libvirt/qemu"), "qemu:///session": Path("~/.config/libvirt/qemu")}


class VirtualMachine(
    MachineObject,
    interface="IVMVirtualMachine",
    vs="{DFF3A5A1-A687-475F-B040-5C49CFCF4694}",
    vpc="{F7092AA1-33ED-4F78-A59F-C00ADFC2EDD7}",
):
    """One virtual machine."""

    # -- identity ------------------------------------------------------------------------------------------

    @propget(
        vs=0,
        vpc=0,
        vt=VT.BSTR,
        fails=(
            HRESULT.E_INVALIDARG,
            HRESULT.VM_E_VM_UNKNOWN,
            HRESULT.VM_E_CONFIG_NAME_TOO_LONG,
            HRESULT.VM_E_CONFIG_NAME_INVALID_CHAR,
            HRESULT.VM_E_CONFIG_DUPLICATE_NAME,
        ),
        vpc_fails=(HRESULT.VM_E_PREF_VM_ACTIVE, HRESULT.VM_E_CONFIG_NO_NAME),
    )
    def Name(self) -> str:
        """The machine's name (the domain's); the default member.

        A machine is renamed while it is off: libvirt renames no domain that runs or has a managed-save image.
        """
        with self._domain() as domain:
            return str(domain.name())

    @Name.write
    def _put_Name(self, name: str) -> None:
        check_new_name(name, self._product_)
        with self._domain(write=True) as domain:
            old = domain.name()
            if runs(domain) or _is_saved(domain):
                text = f"{old} is running or saved, and libvirt renames only a machine that is turned off"
                raise Failure(HRESULT.VM_E_PREF_VM_ACTIVE, text)
            others = {other.name() for other in domain.connect().listAllDomains()} - {old}
            if name.casefold() in {other.casefold() for other in others}:
                raise Failure(HRESULT.VM_E_CONFIG_DUPLICATE_NAME, f"there is a machine named {name} already")
            if name != old:
                domain.rename(name)

    @propget(vs=0x60020002, vpc=0x60020002, vt=VT.BSTR, fails=_UNKNOWN)
    def ConfigID(self) -> str:
        """What identifies the configuration: the domain's UUID, as `{XXXXXXXX-...}`."""
        with self._domain() as domain:
            return f"{{{domain.UUIDString().upper()}}}"

    @propget(vs=0x60020003, vpc=0x60020003, vt=VT.BSTR, fails=_UNKNOWN)
    def File(self) -> str:
        """The full path of the file that holds the machine's definition.

        libvirt keeps that to itself: it is known for a persistent QEMU domain of this machine only.
        """
        with self._domain() as domain:
            name, persistent = domain.name(), domain.isPersistent()
        if not persistent:
            raise Unknowable(f"{name} is a transient domain: no file holds its definition")
        folder = _DEFINITIONS.get(self._server.connection.uri or "")
        path = None if folder is None else folder.expanduser() / f"{name}.xml"
        if path is None or not path.is_file():
            raise Unknowable(f"libvirt does not tell where it keeps the definition of {name} on this connection")
        return str(path)

    @propget(vs=0x60020010, vpc=0x60020011, vt=VT.I4, fails=_UNKNOWN)
    def State(self) -> VMVMState:
        """The machine's state (VMVMState); a machine that is off with a managed-save image is Saved."""
        with self._domain() as domain:
            return _state_of(domain)

    @propget(vs=0x60020004, vpc=0x60020004, vt=VT.DISPATCH, fails=_UNKNOWN)
    def Accountant(self) -> Accountant:
        """The machine's accountant (IVMAccountant)."""
        with self._domain():
            return Accountant(self._product_, self._server, self._options, self._uuid)

    # -- power ---------------------------------------------------------------------------------------------

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
            saved = _is_saved(domain)
            domain.create()
            began = time.time()
        try:
            self._server.runs.began(self._uuid, began)
        except HypervisorError as error:
            # The machine runs, which is what was asked for; only its UpTime may be unknown to other processes.
            logger.warning("the start of %s is not recorded: %s", name, error)
        return self._done(f"{'Restoring' if saved else 'Starting'} {name}")

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
        with self._running("turned off") as (domain, name):
            domain.destroy()
        return self._done(f"Turning off {name}")

    @method(
        vs=0x6002000B,
        vpc=0x6002000C,
        vt=VT.DISPATCH,
        fails=(HRESULT.E_ACCESSDENIED, HRESULT.E_FAIL, *_NOT_RUNNING),
    )
    def Save(self) -> Task:
        """Save the machine's state and stop it (managed save); VM_E_VM_NOT_RUNNING when it is off."""
        with self._running("saved") as (domain, name):
            domain.managedSave()
        return self._done(f"Saving {name}")

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
        with self._running("reset") as (domain, name):
            domain.reset()
        # Whoever reads with baselines is to find one, even where this caller reads without.
        self._server.runs.was_reset(self._uuid)
        return self._done(f"Resetting {name}")

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
            if not _is_saved(domain):
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
            if _state_of(domain) is VMVMState.vmVMState_Paused:
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
            elif _state_of(domain) is VMVMState.vmVMState_Paused:
                domain.resume()
            else:
                raise Failure(HRESULT.E_FAIL, f"{name} is not paused")

    @contextmanager
    def _running(self, what: str, otherwise: tuple[HRESULT, ...] = ()) -> Iterator[tuple[libvirt.virDomain, str]]:
        """The running machine for an operation on it, and its name; refused when it is off.

        Args:
            what: What cannot be done to a machine that is off, for the message.
            otherwise: The codes for members whose page does not list VM_E_VM_NOT_RUNNING.
        """
        with self._domain(write=True) as domain:
            name = str(domain.name())
            refusal = Failure(
                HRESULT.VM_E_VM_NOT_RUNNING, f"{name} is not running and cannot be {what}", otherwise=otherwise
            )
            if not runs(domain):
                raise refusal
            try:
                yield domain, name
            except libvirt.libvirtError as error:
                if classify(error) is DomainOff and not domain.isActive():
                    raise refusal from error  # it stopped in between
                raise

    def _done(self, description: str) -> Task:
        self._server.changed()
        return Task(self._product_, self._server, self._options, description)


def _is_saved(domain: libvirt.virDomain) -> bool:
    try:
        return bool(domain.hasManagedSaveImage())
    except libvirt.libvirtError as error:
        if classify(error) is Unsupported:
            return False  # a driver without managed save has no saved machines
        raise


def _state_of(domain: libvirt.virDomain) -> VMVMState:
    state = domain.state()[0]
    off = state in (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_CRASHED)
    return vm_state(state, off and _is_saved(domain))


class VirtualMachineCollection(
    Collection[VirtualMachine],
    ModelObject,
    interface="IVMVirtualMachineCollection",
    vs="{D2A0BCAD-A318-4D87-922F-59D3D42DDDAA}",
    vpc="{59F31786-2A3D-4FBF-9896-D85338CA0DA1}",
):
    """The machines of a server, by name; as they are when they are counted, indexed or enumerated."""

    def _items_(self) -> Sequence[VirtualMachine]:
        with self._server.connection.calls() as connect:
            named = [(domain.name(), domain.UUIDString()) for domain in connect.listAllDomains()]
        named.sort(key=lambda pair: (pair[0].casefold(), pair[0], pair[1]))
        return [VirtualMachine(self._product_, self._server, self._options, uuid) for _, uuid in named]
