"""Who may do what with the server."""

from __future__ import annotations

from vpcshim.com.declare import propget
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import ComObject
from vpcshim.com.variant import VT
from vpcshim.model.base import ModelObject
from vpcshim.model.reasons import NO_ACCESS_LISTS


class Security(ModelObject):
    """Security."""

    @propget(
        vs=0x60020053,
        vt=VT.DISPATCH,
        fails=(HRESULT.E_OUTOFMEMORY, HRESULT.E_ACCESSDENIED, HRESULT.E_FAIL),
        unavailable=NO_ACCESS_LISTS,
    )
    def Security(self) -> None:
        """Who may do what with the server (IVMSecurity)."""

    @Security.write
    def _put_Security(self, security: ComObject | None) -> None:
        """Set who may."""
