"""The answers of the host: the test driver's does not exist, so what libvirt does not tell of it nobody does."""

from __future__ import annotations

from decimal import Decimal

from tests.testdriver import device_situations as at
from tests.testdriver.decision_table import ANY, BOTH, EXCEPTION, S_OK, never, rows
from tests.testdriver.support import VPC, VS
from vpcshim import HRESULT
from vpcshim.constants import VMSupportDriverType

_H = "IVMHostInfo"
_DEFERRED = "it asks nobody: what is handed out asks the server when it is used"
_DEAD = (at.dead, EXCEPTION)
_HERE = "of this machine alone: tests/guests/test_devices.py reads it there"

rows((VS,), "IVMVirtualServer", "HostInfo SupportDrivers", (at.running, S_OK))
never((VS,), "IVMVirtualServer", "HostInfo SupportDrivers", "DISP_E_EXCEPTION", _DEFERRED)
rows((VPC,), "IVMVirtualPC", "HostInfo USBDeviceCollection", (at.running, S_OK))
never((VPC,), "IVMVirtualPC", "HostInfo USBDeviceCollection", "DISP_E_EXCEPTION", _DEFERRED)
never(
    (VPC,),
    "IVMVirtualPC",
    "USBDeviceCollection",
    "VM_E_USB_ENUMERATION_FAILED_MORE_DEVICES",
    "libvirt sets no limit on the number of USB devices",
)
rows(BOTH, _H, "LogicalProcessorCount", (at.running, S_OK, 4), _DEAD)
rows(BOTH, _H, "PhysicalProcessorCount", (at.running, S_OK, 1), _DEAD)
rows(BOTH, _H, "ProcessorSpeed", (at.running, S_OK), _DEAD)
rows(BOTH, _H, "Memory", (at.running, S_OK, Decimal(3072)), _DEAD)
rows(BOTH, _H, "MemoryTotalString", (at.running, S_OK, "3072 MB"), _DEAD)
rows(BOTH, _H, "ProcessorSpeedString UTCTime", (at.running, S_OK))
rows(BOTH, _H, "MemoryAvail", (at.told_memory, S_OK, Decimal(1027)), (at.running, EXCEPTION))
rows(BOTH, _H, "MemoryAvailString", (at.told_memory, S_OK, "1027 MB"), (at.running, EXCEPTION))
rows(BOTH, _H, "ProcessorSpeedString MemoryAvail MemoryAvailString", _DEAD)
never(BOTH, _H, "UTCTime", "DISP_E_EXCEPTION", "a driver inside this process is never out of reach")
rows(BOTH, _H, "NetworkAdapters DVDDrives FloppyDrives", (at.running, S_OK, ()), _DEAD)
rows((VS,), _H, "HostDrives", (at.running, S_OK, ()), _DEAD)
_UNTOLD = (
    "ProcessorManufacturerString ProcessorVersionString ProcessorFeaturesString MMX SSE SSE2 ThreeDNow "
    "OperatingSystem OSVersionString OSMajorVersion OSMinorVersion OSServicePackString NetworkAddresses "
    "SerialPorts ParallelPort"
)
rows(BOTH, _H, _UNTOLD, (at.running, EXCEPTION))
never(BOTH, _H, _UNTOLD, "S_OK", _HERE)
rows((VS,), _H, "IsHostDriveMounted", (at.running, HRESULT.E_INVALIDARG, ANY, ("/dev/sda",)))
rows((VS,), _H, "IsHostDriveMounted", (at.dead, EXCEPTION, ANY, ("/dev/sda",)))
rows((VS,), _H, "GetHostDriveSize", (at.running, EXCEPTION, ANY, ("/dev/sda",)))
never((VS,), _H, "IsHostDriveMounted GetHostDriveSize", "S_OK", _HERE)

_S = "IVMSupportDriver"
rows((VS,), _S, "Type", (at.running, S_OK, VMSupportDriverType.vmSupportDriver_VirtualMachineMonitor))
rows((VS,), _S, "Description", (at.running, S_OK, "TEST"), _DEAD)
rows((VS,), _S, "Provider Version", (at.running, S_OK), _DEAD)
_C = "IVMSupportDriverCollection"
rows((VS,), _C, "Count", (at.running, S_OK, 1))
rows((VS,), _C, "Item", (at.running, S_OK), (at.running, HRESULT.DISP_E_BADINDEX, ANY, (2,)))
rows((VS,), _C, "_NewEnum", (at.running, S_OK))
never((VS,), _C, "Count Item _NewEnum", "DISP_E_EXCEPTION", "there is one hypervisor behind an open connection")

_NO_VMRC = "VMRC never serves, whichever server there is: nobody is asked"
rows((VS,), "IVMVirtualServer", "VMRCEnabled VMRCEncryptionEnabled", (at.running, S_OK, False))
never((VS,), "IVMVirtualServer", "VMRCEnabled VMRCEncryptionEnabled", "DISP_E_EXCEPTION", _NO_VMRC)
never(
    (VS,), "IVMVirtualServer", "VMRCEncryptionEnabled", "E_NOTIMPL", "of the setter alone: test_remote_console.py"
)
