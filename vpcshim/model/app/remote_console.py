"""The remote console of the server."""

from __future__ import annotations

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import ComObject
from vpcshim.com.variant import VT
from vpcshim.model.base import ModelObject
from vpcshim.model.reasons import NO_VMRC

_INVALID = (HRESULT.E_INVALIDARG,)
_ADDRESS = (*_INVALID, HRESULT.E_OUTOFMEMORY, HRESULT.E_FAIL)


class RemoteConsole(ModelObject):
    """The VMRC members; libvirt's machines have consoles of another kind each."""

    @method(vs=0x60020024, vt=VT.BSTR, params=(VT.BSTR, VT.I4), fails=_INVALID, unavailable=NO_VMRC)
    def VMRCCreateEncryptionCertificateRequest(self, distinguishedName: str, keyLength: int) -> str:
        """Make a request for a certificate."""
        return ""

    @propget(vs=0x60020025, vt=VT.BOOL)
    def VMRCEnabled(self) -> bool:
        """Whether VMRC serves: never. It can be set to False only."""
        return False

    @VMRCEnabled.write
    def _put_VMRCEnabled(self, value: bool) -> None:
        _only_off(value)

    @propget(vs=0x60020027, vt=VT.BSTR, fails=_ADDRESS, unavailable=NO_VMRC)
    def VMRCAdminAddress(self) -> str:
        """The address that VMRC serves at."""
        return ""

    @VMRCAdminAddress.write
    def _put_VMRCAdminAddress(self, value: str) -> None:
        """Set it."""

    @propget(vs=0x60020029, vt=VT.I4, fails=_INVALID, unavailable=NO_VMRC)
    def VMRCAdminPortNumber(self) -> int:
        """The port that VMRC serves at."""
        return 0

    @VMRCAdminPortNumber.write
    def _put_VMRCAdminPortNumber(self, value: int) -> None:
        """Set it."""

    @propget(vs=0x6002002B, vt=VT.I4, unavailable=NO_VMRC)
    def VMRCXResolution(self) -> int:
        """The width of its screens in pixels."""
        return 0

    @VMRCXResolution.write
    def _put_VMRCXResolution(self, value: int) -> None:
        """Set it."""

    @propget(vs=0x6002002D, vt=VT.I4, unavailable=NO_VMRC)
    def VMRCYResolution(self) -> int:
        """The height of its screens in pixels."""
        return 0

    @VMRCYResolution.write
    def _put_VMRCYResolution(self, value: int) -> None:
        """Set it."""

    @propget(vs=0x6002002F, vt=VT.BOOL, fails=(HRESULT.E_NOTIMPL,))
    def VMRCEncryptionEnabled(self) -> bool:
        """Whether VMRC encrypts: never, as it does not serve. It can be set to False only (else E_NOTIMPL)."""
        return False

    @VMRCEncryptionEnabled.write
    def _put_VMRCEncryptionEnabled(self, value: bool) -> None:
        _only_off(value)

    @propget(vs=0x60020031, vt=VT.DISPATCH, fails=_INVALID, unavailable=NO_VMRC)
    def VMRCAuthenticator(self) -> None:
        """How it finds out who somebody is."""

    @VMRCAuthenticator.write
    def _put_VMRCAuthenticator(self, value: ComObject | None) -> None:
        """Set it."""

    @propget(vs=0x60020033, vt=VT.DISPATCH, unavailable=NO_VMRC)
    def VMRCAuthenticators(self) -> None:
        """The ways that there are to find out."""

    @propget(vs=0x60020034, vt=VT.BOOL, unavailable=NO_VMRC)
    def VMRCIdleConnectionTimeoutEnabled(self) -> bool:
        """Whether it drops those who do nothing."""
        return False

    @VMRCIdleConnectionTimeoutEnabled.write
    def _put_VMRCIdleConnectionTimeoutEnabled(self, value: bool) -> None:
        """Set it."""

    @propget(vs=0x60020036, vt=VT.I4, fails=_INVALID, unavailable=NO_VMRC)
    def VMRCIdleConnectionTimeout(self) -> int:
        """After how many seconds."""
        return 0

    @VMRCIdleConnectionTimeout.write
    def _put_VMRCIdleConnectionTimeout(self, value: int) -> None:
        """Set it."""

    @propget(vs=0x60020038, vt=VT.BSTR, fails=_INVALID, unavailable=NO_VMRC)
    def VMRCEncryptionCertificate(self) -> str:
        """Its certificate."""
        return ""

    @VMRCEncryptionCertificate.write
    def _put_VMRCEncryptionCertificate(self, value: str) -> None:
        """Set it."""

    @propget(vs=0x6002003A, vt=VT.BSTR, unavailable=NO_VMRC)
    def VMRCEncryptionCertificateRequest(self) -> str:
        """The request for its certificate."""
        return ""


def _only_off(value: bool) -> None:
    """Let VMRC be switched off, which it is; refuse that it be switched on."""
    if value:
        raise Failure(HRESULT.E_NOTIMPL, f"VMRC cannot be switched on: {NO_VMRC}")
