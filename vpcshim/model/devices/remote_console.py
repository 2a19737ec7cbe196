"""The remote console of Virtual Server, VMRC, which libvirt's machines do not have.

Sources: the IVMVirtualServer, IVMRCAuthenticator pages of the reference; libvirt.org/formatdomain.html (graphics).
"""

from __future__ import annotations

from collections.abc import Sequence

from vpcshim.com.declare import method, propget
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.model.base import ModelObject
from vpcshim.model.reasons import NO_VMRC


class RCAuthenticator(ModelObject, interface="IVMRCAuthenticator", vs="{D06E2526-F50D-4A55-B08B-DC92AAE9234A}"):
    """A way in which VMRC finds out who somebody is."""

    @propget(vs=0x60020000, vt=VT.I4, unavailable=NO_VMRC)
    def Type(self) -> int:
        """Which one it is (VMRCAuthenticationType)."""
        return 0

    @propget(vs=0x60020001, vt=VT.BSTR, unavailable=NO_VMRC)
    def Name(self) -> str:
        """Its name."""
        return ""

    @propget(vs=0x60020002, vt=VT.BSTR, unavailable=NO_VMRC)
    def Description(self) -> str:
        """What it is."""
        return ""


class RCAuthenticatorCollection(
    ModelObject, interface="IVMRCAuthenticatorCollection", vs="{DD76A7C8-C9D2-43D0-8A7B-D88A6BF1EE04}"
):
    """The ways that there are."""

    @propget(vs=0x60020000, vt=VT.I4, unavailable=NO_VMRC)
    def Count(self) -> int:
        """How many there are."""
        return 0

    @method(
        kind="property",
        vs=0,
        vt=VT.DISPATCH,
        params=(VT.I4,),
        fails=(HRESULT.DISP_E_BADINDEX,),
        unavailable=NO_VMRC,
    )
    def Item(self, index: int) -> None:
        """One of them, counted from 1."""

    @propget(vs=-4, vt=VT.UNKNOWN, unavailable=NO_VMRC)
    def _NewEnum(self) -> Sequence[RCAuthenticator]:
        """All of them one by one."""
        return ()
