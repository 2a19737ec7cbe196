"""The answers of a machine's memory, processor, firmware, and of what becomes of it when the host starts."""

from __future__ import annotations

from tests.testdriver import situations as at
from tests.testdriver.decision_table import ANY, BOTH, DENIED, EXCEPTION, S_OK, UNKNOWN, never, rows
from tests.testdriver.support import VPC, VS
from vpcshim.constants import VMAutoStartType

_M = "IVMVirtualMachine"
_FIRMWARE = "BIOSSerialNumber BaseBoardSerialNumber ChassisSerialNumber ChassisAssetTag"
_SETTER = "of the setter alone: test_hardware.py"

rows(BOTH, _M, "Memory", (at.off, S_OK, 256), (at.running, S_OK, 256), (at.saved, S_OK, 256))
never(BOTH, _M, "Memory", "E_INVALIDARG", _SETTER)
never((VPC,), _M, "Memory", "VM_E_PREF_VM_ACTIVE", _SETTER)
never(BOTH, _M, "Memory", "VM_E_PREF_NOT_FOUND", "every domain has a size of memory")

rows(BOTH, _M, "ProcessorSpeed", (at.off, S_OK, 1400), (at.running, S_OK, 1400))
rows(BOTH, _M, "HasMMX HasSSE", (at.with_cpu, S_OK, True))
rows(BOTH, _M, "HasSSE2 Has3DNow", (at.with_cpu, S_OK, False))
rows(BOTH, _M, "HasMMX HasSSE HasSSE2 Has3DNow", (at.off, EXCEPTION))  # nothing says which CPU it gets

rows(BOTH, _M, "BIOSGUID", (at.off, S_OK), (at.running, S_OK))
rows(BOTH, _M, _FIRMWARE, (at.off, S_OK, ""), (at.running, S_OK, ""), (at.with_firmware, S_OK, "A 1"))
never(BOTH, _M, f"BIOSGUID {_FIRMWARE}", "E_INVALIDARG", _SETTER)
never((VS,), _M, _FIRMWARE, "VM_E_VM_RUNNING", _SETTER)
never((VPC,), _M, f"BIOSGUID {_FIRMWARE}", "VM_E_VM_RUNNING_OR_SAVED", _SETTER)

rows((VS,), _M, "AutoStartAtLaunch", (at.off, S_OK, VMAutoStartType.vmAutoStart_Never))
never((VS,), _M, "AutoStartAtLaunch", "E_INVALIDARG E_FAIL", _SETTER)

rows((VS,), _M, "AutoStartAtLaunchDelay", (at.off, S_OK, 0), (at.running, S_OK, 0))
rows((VS,), _M, "RunAsDefinedAccount", (at.off, S_OK, False))
rows((VS,), _M, "AccountName", (at.off, S_OK, ""))
rows(
    (VS,),
    _M,
    "SetAccountNameAndPassword",
    (at.accounts, S_OK, ANY, ("root", "secret")),
    (at.accounts, S_OK, ANY, ("", "")),
    (at.accounts, DENIED, ANY, ("CONTOSO\\admin", "")),
    (at.off, DENIED, ANY, ("root", "")),
    (at.undefined, UNKNOWN, ANY, ("root", "")),
    (at.dead_daemon, EXCEPTION, ANY, ("root", "")),
)

for _products, _members in (
    (BOTH, f"Memory ProcessorSpeed HasMMX HasSSE HasSSE2 Has3DNow BIOSGUID {_FIRMWARE}"),
    ((VS,), "AutoStartAtLaunch AutoStartAtLaunchDelay RunAsDefinedAccount AccountName"),
):
    rows(_products, _M, _members, (at.dead_daemon, EXCEPTION), (at.undefined, UNKNOWN))
