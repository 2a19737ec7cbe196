"""Who may do what with the machine."""

from __future__ import annotations

from vpcshim.com.declare import propget
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.model.machine.state import Stateful
from vpcshim.model.reasons import NO_ACCESS_LISTS


class Security(Stateful):
    """Security."""

    @propget(
        vs=0x60020048,
        vt=VT.DISPATCH,
        fails=(HRESULT.E_OUTOFMEMORY, HRESULT.VM_E_VM_UNKNOWN),
        unavailable=NO_ACCESS_LISTS,
    )
    def Security(self) -> None:
        """Who may do what with the machine (IVMSecurity)."""
