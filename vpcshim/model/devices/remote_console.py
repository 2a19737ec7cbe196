"""The remote console of Virtual Server, VMRC, which libvirt's machines do not have.

Sources: the IVMVirtualServer, IVMRCAuthenticator pages of the reference; libvirt.org/formatdomain.html (graphics).
"""

from __future__ import annotations

from vpcshim.com.collection import Collection
from vpcshim.com.declare import propget
from vpcshim.com.variant import VT
from vpcshim.model.base import ModelObject
from vpcshim.model.reasons import NO_VMRC


class RCAuthenticator(
    ModelObject,
    interface="IVMRCAuthenticator",
    vs="{D06E2526-F50D-4A55-B08B-DC92AAE9234A}",
    unavailable=NO_VMRC,
):
    """A way in which VMRC finds out who somebody is."""

    @propget(vs=0x60020000, vt=VT.I4)
    def Type(self) -> int:
        """Which one it is (VMRCAuthenticationType)."""
        return 0

    @propget(vs=0x60020001, vt=VT.BSTR)
    def Name(self) -> str:
        """Its name."""
        return ""

    @propget(vs=0x60020002, vt=VT.BSTR)
    def Description(self) -> str:
        """What it is."""
        return ""


class RCAuthenticatorCollection(
    Collection[RCAuthenticator],
    ModelObject,
    interface="IVMRCAuthenticatorCollection",
    vs="{DD76A7C8-C9D2-43D0-8A7B-D88A6BF1EE04}",
    unavailable=NO_VMRC,
):
    """The ways that there are."""
