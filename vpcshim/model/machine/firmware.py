"""What the machine's firmware says of it: GUID, serial numbers, asset tag.

Sources: the IVMVirtualMachine pages of both products' references; libvirt.org/formatdomain.html (SMBIOS system
information).
"""

from __future__ import annotations

import re

import libvirt

from vpcshim.com.declare import propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.model.machine.state import Stateful

_LONGEST = 32  # characters, as documented
# SMBIOS keeps strings of one byte a character, in no certain code page: what every guest reads alike is this.
_SHOWN = re.compile(r"[\x20-\x7e]+")
_GUID = re.compile(r"\{[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}")
_SERIAL_FAILS = (HRESULT.E_INVALIDARG, HRESULT.VM_E_VM_UNKNOWN)
_VS_OFF = (HRESULT.VM_E_VM_RUNNING,)
_VPC_OFF = (HRESULT.VM_E_VM_RUNNING_OR_SAVED,)


class Firmware(Stateful):
    """BIOSGUID, BIOSSerialNumber, BaseBoardSerialNumber, ChassisSerialNumber, ChassisAssetTag.

    The texts are 1 to 32 printable ASCII characters (E_INVALIDARG), "" until one is set, and set while the machine
    is off: the guest sees them from its next start on.
    """

    @propget(
        vs=0x60020018,
        vpc=0x60020015,
        vt=VT.BSTR,
        fails=(HRESULT.E_INVALIDARG, HRESULT.VM_E_VM_UNKNOWN),
        vpc_fails=_VPC_OFF,
    )
    def BIOSGUID(self) -> str:
        """The GUID in the firmware's system table, as `{XXXXXXXX-...}`: the domain's UUID.

        It can be set to what it is, and to nothing else: libvirt shows a guest the UUID of its domain, and a
        domain keeps its UUID for life. A machine with a certain GUID is made with it (`<uuid>`).
        """
        return f"{{{self._uuid_of_the_guest()}}}"

    def _uuid_of_the_guest(self) -> str:
        with self._domain() as domain:
            return str(domain.UUIDString()).upper()

    @BIOSGUID.write
    def _put_BIOSGUID(self, value: str) -> None:
        import uuid

        from vpcshim.model.configuration import table

        if _GUID.fullmatch(value) is None:
            text = (
                f"a GUID is written as {{XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX}}, braces included, not {value!r:.80}"
            )
            raise Failure(HRESULT.E_INVALIDARG, text)
        with self._turned_off("setting its BIOSGUID") as (domain, name):
            own = uuid.UUID(domain.UUIDString())
            if uuid.UUID(value) != own:
                text = (
                    f"the BIOSGUID of {name} stays {{{str(own).upper()}}}: libvirt shows a guest the UUID of its "
                    f"domain, and a domain keeps its UUID. Define a machine with the UUID {value[1:-1]} instead"
                )
                raise Failure(HRESULT.DISP_E_EXCEPTION, text)
        self._server.configuration_changed(self._uuid, table.BIOS_GUID, value)

    @propget(vs=0x6002001A, vpc=0x60020017, vt=VT.BSTR, fails=_SERIAL_FAILS, vs_fails=_VS_OFF, vpc_fails=_VPC_OFF)
    def BIOSSerialNumber(self) -> str:
        """The serial number of the system: SMBIOS table 1, which Win32_BIOS.SerialNumber shows."""
        return self._firmware("system", "serial")

    @BIOSSerialNumber.write
    def _put_BIOSSerialNumber(self, value: str) -> None:
        from vpcshim.model.configuration import table

        self._set_firmware(table.BIOS_SERIAL_NUMBER, "system", "serial", value)

    @propget(vs=0x6002001C, vpc=0x60020019, vt=VT.BSTR, fails=_SERIAL_FAILS, vs_fails=_VS_OFF, vpc_fails=_VPC_OFF)
    def BaseBoardSerialNumber(self) -> str:
        """The serial number of the base board (SMBIOS table 2)."""
        return self._firmware("baseBoard", "serial")

    @BaseBoardSerialNumber.write
    def _put_BaseBoardSerialNumber(self, value: str) -> None:
        from vpcshim.model.configuration import table

        self._set_firmware(table.BASE_BOARD_SERIAL_NUMBER, "baseBoard", "serial", value)

    @propget(vs=0x6002001E, vpc=0x6002001B, vt=VT.BSTR, fails=_SERIAL_FAILS, vs_fails=_VS_OFF, vpc_fails=_VPC_OFF)
    def ChassisSerialNumber(self) -> str:
        """The serial number of the chassis (SMBIOS table 3)."""
        return self._firmware("chassis", "serial")

    @ChassisSerialNumber.write
    def _put_ChassisSerialNumber(self, value: str) -> None:
        from vpcshim.model.configuration import table

        self._set_firmware(table.CHASSIS_SERIAL_NUMBER, "chassis", "serial", value)

    @propget(vs=0x60020020, vpc=0x6002001D, vt=VT.BSTR, fails=_SERIAL_FAILS, vs_fails=_VS_OFF, vpc_fails=_VPC_OFF)
    def ChassisAssetTag(self) -> str:
        """The asset tag of the chassis (SMBIOS table 3)."""
        return self._firmware("chassis", "asset")

    @ChassisAssetTag.write
    def _put_ChassisAssetTag(self, value: str) -> None:
        from vpcshim.model.configuration import table

        self._set_firmware(table.CHASSIS_ASSET_TAG, "chassis", "asset", value)

    def _firmware(self, of: str, entry: str) -> str:
        """What an SMBIOS table is set to say, which no change of ours makes while the machine runs."""
        from vpcshim.hypervisor import hardware

        with self._domain() as domain:
            held = hardware.read(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
            return hardware.firmware_of(domain, held, of, entry)

    def _set_firmware(self, key: str, of: str, entry: str, value: str) -> None:
        from vpcshim.hypervisor import hardware
        from vpcshim.hypervisor.redefine import redefine

        what = key.rpartition("/")[2].replace("_", " ")
        if len(value) > _LONGEST or _SHOWN.fullmatch(value) is None:
            text = f"the {what} is 1 to {_LONGEST} printable ASCII characters, not {value!r:.80}"
            raise Failure(HRESULT.E_INVALIDARG, text)
        with self._turned_off(f"setting its {what}") as (domain, _):
            redefine(domain, lambda root: hardware.set_firmware(root, of, entry, value))
        self._server.configuration_changed(self._uuid, key, value)
