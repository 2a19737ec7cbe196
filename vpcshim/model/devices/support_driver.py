"""IVMSupportDriver: what runs the machines on the host, and IVMSupportDriverCollection.

Sources: the IVMSupportDriver pages of Virtual Server's reference; virConnectGetType, virConnectGetVersion.
"""

from __future__ import annotations

from collections.abc import Sequence

from vpcshim.com.collection import Collection
from vpcshim.com.declare import propget
from vpcshim.com.variant import VT
from vpcshim.constants import VMSupportDriverType
from vpcshim.model.base import ModelObject

_NOT_TOLD = "libvirt names the hypervisor and its version, and not who built it or when"


class SupportDriver(ModelObject, interface="IVMSupportDriver", vs="{D4CCAE0F-391E-4F31-A4EF-FE8B000FEFD5}"):
    """The hypervisor, which is the virtual machine monitor here."""

    @propget(vs=0x60020000, vt=VT.I4)
    def Type(self) -> VMSupportDriverType:
        """What kind of driver it is (VMSupportDriverType)."""
        return VMSupportDriverType.vmSupportDriver_VirtualMachineMonitor

    @propget(vs=0x60020001, vt=VT.BSTR)
    def Description(self) -> str:
        """The hypervisor's name as libvirt gives it: QEMU, Xen, ..."""
        with self._server.connection.calls() as connect:
            return str(connect.getType())

    @propget(vs=0x60020002, vt=VT.BSTR, unavailable=_NOT_TOLD)
    def Manufacturer(self) -> str:
        """Who made it."""
        return ""

    @propget(vs=0x60020003, vt=VT.BSTR)
    def Provider(self) -> str:
        """What provides it: libvirt, with its version."""
        with self._server.connection.calls() as connect:
            return f"libvirt {_version(connect.getLibVersion())}"

    @propget(vs=0x60020004, vt=VT.BSTR)
    def Version(self) -> str:
        """The hypervisor's version, as 7.2.22."""
        with self._server.connection.calls() as connect:
            return _version(connect.getVersion())

    @propget(vs=0x60020005, vt=VT.BSTR, unavailable=_NOT_TOLD)
    def Date(self) -> str:
        """When it was built."""
        return ""


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"


class SupportDriverCollection(
    Collection[SupportDriver],
    ModelObject,
    interface="IVMSupportDriverCollection",
    vs="{D0B2BB9A-075D-4C11-BF55-DA7D3E94B168}",
):
    """The support drivers: the hypervisor alone."""

    def _items_(self) -> Sequence[SupportDriver]:
        with self._server.connection.calls():
            return [SupportDriver(self._product_, self._server, self._options)]
