"""What the devices of a machine have in common: the machine they belong to, and which of its devices they are."""

from __future__ import annotations

import libvirt

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.hypervisor.states import is_saved
from vpcshim.model.base import MachineObject
from vpcshim.model.hresults import runs
from vpcshim.model.machine.state import Stateful


class DeviceObject(Stateful):
    """A device of a machine, or a part of it that is an object of its own."""

    def __init__(self, machine: MachineObject, device: str = "") -> None:
        super().__init__(machine._product_, machine._server, machine._options, machine._uuid)
        self._machine = machine
        self._device = device

    def __eq__(self, other: object) -> bool:
        same = super().__eq__(other)
        return same if same is NotImplemented else same and self._device == getattr(other, "_device", None)

    def _refuse_saved(self, domain: libvirt.virDomain, restored: str) -> None:
        """Refuse what a saved machine would not be restored with.

        Args:
            domain: The machine.
            restored: How it is restored, for the message.

        Raises:
            Failure: DISP_E_EXCEPTION.
        """
        if not runs(domain) and is_saved(domain):
            text = (
                f"{domain.name()} is saved, and is restored {restored}: start it first, or discard its saved state"
            )
            raise Failure(HRESULT.DISP_E_EXCEPTION, text)

    # The device's own name may change (a MAC address): only the machine's never does.
    __hash__ = Stateful.__hash__
