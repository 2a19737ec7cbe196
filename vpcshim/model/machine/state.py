"""What state a machine is in, and what may be done to it in that state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.constants import VMVMState
from vpcshim.hypervisor.errors import DomainOff, Unsupported, classify
from vpcshim.model.base import MachineObject
from vpcshim.model.hresults import runs, vm_state


class Stateful(MachineObject):
    """A machine whose members ask for its state first."""

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

    @contextmanager
    def _turned_off(self, what: str) -> Iterator[tuple[libvirt.virDomain, str]]:
        """The machine while it is off and not saved, for a change of its definition, and its name.

        Refused, while it is running or saved, with the code that the member's page documents for that.

        Args:
            what: What cannot be done to a machine that is running or saved, for the message.
        """
        with self._domain(write=True) as domain:
            name = str(domain.name())
            state = "running" if runs(domain) else "saved" if is_saved(domain) else ""
            if state:
                text = f"{name} is {state}, and {what} needs a machine that is turned off"
                raise Failure(HRESULT.VM_E_VM_RUNNING_OR_SAVED, text, otherwise=_ACTIVE)
            yield domain, name


# Which of them a page lists differs by member and product; DISP_E_EXCEPTION where it lists none.
_ACTIVE = (HRESULT.VM_E_PREF_VM_ACTIVE, HRESULT.VM_E_VM_RUNNING)


def is_saved(domain: libvirt.virDomain) -> bool:
    """Whether the machine has a managed-save image."""
    try:
        return bool(domain.hasManagedSaveImage())
    except libvirt.libvirtError as error:
        if classify(error) is Unsupported:
            return False  # a driver without managed save has no saved machines
        raise


def state_of(domain: libvirt.virDomain) -> VMVMState:
    """The machine's VMVMState as libvirt tells it."""
    state = domain.state()[0]
    off = state in (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_CRASHED)
    return vm_state(state, off and is_saved(domain))
