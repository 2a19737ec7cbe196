"""IVMSecurity, IVMAccessRights and IVMAccessRightsCollection: lists of rights, which libvirt does not keep.

No object hands one out; the interfaces are declared so that what asks for their members is told why.

Sources: the IVMSecurity and IVMAccessRights pages of Virtual Server's reference; libvirt's "Client access control".
"""

from __future__ import annotations

from vpcshim.com.collection import Collection
from vpcshim.com.declare import method, propget
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import ComObject
from vpcshim.com.variant import VT
from vpcshim.model.base import ModelObject
from vpcshim.model.reasons import NO_ACCESS_LISTS

_INVALID = (HRESULT.E_INVALIDARG,)


class AccessRights(
    ModelObject,
    interface="IVMAccessRights",
    vs="{D666F369-10CE-48FD-B42F-EA82905BDB88}",
    unavailable=NO_ACCESS_LISTS,
):
    """The rights of one user or group."""

    @propget(vs=0x60020000, vt=VT.BSTR, fails=_INVALID)
    def Name(self) -> str:
        """Whose rights they are."""
        return ""

    @Name.write
    def _put_Name(self, value: str) -> None:
        """Set it."""

    @propget(vs=0x60020002, vt=VT.BSTR, fails=_INVALID)
    def Sid(self) -> str:
        """The same as a security identifier of Windows."""
        return ""

    @Sid.write
    def _put_Sid(self, value: str) -> None:
        """Set it."""

    @propget(vs=0x60020004, vt=VT.I4, fails=_INVALID)
    def Type(self) -> int:
        """Whether the rights are given or denied (VMAccessRightsType)."""
        return 0

    @Type.write
    def _put_Type(self, value: int) -> None:
        """Set it."""

    @propget(vs=0x60020006, vt=VT.UI1, fails=_INVALID)
    def Flags(self) -> int:
        """How the rights are inherited."""
        return 0

    @Flags.write
    def _put_Flags(self, value: int) -> None:
        """Set it."""

    @propget(vs=0x60020008, vt=VT.BOOL)
    def WriteAccess(self) -> bool:
        """Whether it may be changed."""
        return False

    @WriteAccess.write
    def _put_WriteAccess(self, value: bool) -> None:
        """Set it."""

    @propget(vs=0x6002000A, vt=VT.BOOL)
    def ReadAccess(self) -> bool:
        """Whether it may be seen."""
        return False

    @ReadAccess.write
    def _put_ReadAccess(self, value: bool) -> None:
        """Set it."""

    @propget(vs=0x6002000C, vt=VT.BOOL)
    def ExecuteAccess(self) -> bool:
        """Whether it may be run."""
        return False

    @ExecuteAccess.write
    def _put_ExecuteAccess(self, value: bool) -> None:
        """Set it."""

    @propget(vs=0x6002000E, vt=VT.BOOL)
    def DeleteAccess(self) -> bool:
        """Whether it may be removed."""
        return False

    @DeleteAccess.write
    def _put_DeleteAccess(self, value: bool) -> None:
        """Set it."""

    @propget(vs=0x60020010, vt=VT.BOOL)
    def ReadPermissions(self) -> bool:
        """Whether the rights may be seen."""
        return False

    @ReadPermissions.write
    def _put_ReadPermissions(self, value: bool) -> None:
        """Set it."""

    @propget(vs=0x60020012, vt=VT.BOOL)
    def ChangePermissions(self) -> bool:
        """Whether the rights may be changed."""
        return False

    @ChangePermissions.write
    def _put_ChangePermissions(self, value: bool) -> None:
        """Set it."""

    @propget(vs=0x60020014, vt=VT.BOOL)
    def SpecialAccess(self) -> bool:
        """Whether what is special to it may be done."""
        return False

    @SpecialAccess.write
    def _put_SpecialAccess(self, value: bool) -> None:
        """Set it."""

    @method(vs=0x60020016, vt=VT.I4, params=(VT.DISPATCH,))
    def _GetAccessMask(self, genericMapping: ComObject | None) -> int:
        """The rights as a mask of Windows, for callers in C."""
        return 0


class AccessRightsCollection(
    Collection[AccessRights],
    ModelObject,
    interface="IVMAccessRightsCollection",
    vs="{D15B3C3E-6EA2-4557-9F8C-932C56998372}",
    unavailable=NO_ACCESS_LISTS,
):
    """The rights of all."""


class Security(
    ModelObject,
    interface="IVMSecurity",
    vs="{D996A9A1-5E82-4AA7-83C9-EBE4BFD48CC6}",
    unavailable=NO_ACCESS_LISTS,
):
    """Who may do what with a server, a machine or a network."""

    @method(
        vs=0x60020000,
        vt=VT.DISPATCH,
        params=(VT.BSTR, VT.I4),
        fails=(*_INVALID, HRESULT.VM_E_SECURITY_DUPLICATE_USER),
    )
    def AddEntry(self, nameOrSid: str, type: int) -> None:
        """Give or deny rights."""

    @method(vs=0x60020001, vt=VT.DISPATCH, params=(VT.BSTR, VT.I4), fails=_INVALID)
    def FindEntry(self, nameOrSid: str, type: int) -> None:
        """The rights of somebody."""

    @method(vs=0x60020002, params=(VT.DISPATCH,))
    def RemoveEntry(self, entryToDelete: ComObject | None) -> None:
        """Take rights out."""

    @method(vs=0x60020003, vt=VT.ARRAY | VT.UI1, params=(VT.DISPATCH,), fails=(HRESULT.E_OUTOFMEMORY,))
    def _ToSecurityDescriptor(self, genericMapping: ComObject | None) -> bytes:
        """All of it as a security descriptor of Windows, for callers in C."""
        return b""

    @propget(vs=0x60020004, vt=VT.BSTR, fails=_INVALID)
    def OwnerName(self) -> str:
        """Whose it is."""
        return ""

    @OwnerName.write
    def _put_OwnerName(self, value: str) -> None:
        """Set it."""

    @propget(vs=0x60020006, vt=VT.BSTR, fails=_INVALID)
    def OwnerSid(self) -> str:
        """The same as a security identifier of Windows."""
        return ""

    @OwnerSid.write
    def _put_OwnerSid(self, value: str) -> None:
        """Set it."""

    @propget(vs=0x60020008, vt=VT.BSTR, fails=_INVALID)
    def GroupName(self) -> str:
        """Which group it belongs to."""
        return ""

    @GroupName.write
    def _put_GroupName(self, value: str) -> None:
        """Set it."""

    @propget(vs=0x6002000A, vt=VT.BSTR, fails=_INVALID)
    def GroupSid(self) -> str:
        """The same as a security identifier of Windows."""
        return ""

    @GroupSid.write
    def _put_GroupSid(self, value: str) -> None:
        """Set it."""

    @propget(vs=0x6002000C, vt=VT.DISPATCH)
    def AccessRights(self) -> None:
        """The rights of all."""

    @propget(vs=0x6002000D, vt=VT.DISPATCH)
    def CurrentUserAccessRights(self) -> None:
        """The rights of whoever asks."""
