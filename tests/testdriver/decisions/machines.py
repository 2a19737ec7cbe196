"""The answers of the machines."""

from __future__ import annotations

from tests.testdriver import situations as at
from tests.testdriver.decision_table import (
    ANY,
    BOTH,
    DENIED,
    E_FAIL,
    EXCEPTION,
    IS_RUNNING,
    NOT_RUNNING,
    S_OK,
    TIMED_OUT,
    UNKNOWN,
    never,
    rows,
)
from tests.testdriver.support import VPC, VS
from vpcshim import HRESULT
from vpcshim.constants import VMStartupOption, VMVMState

_M = "IVMVirtualMachine"
_READ = "Name ConfigID State Accountant"

rows(BOTH, _M, "Name", (at.running, S_OK, "web"), (at.off, S_OK, "web"))
rows(BOTH, _M, "ConfigID Accountant", (at.running, S_OK), (at.off, S_OK))
rows(
    BOTH,
    _M,
    "State",
    (at.running, S_OK, VMVMState.vmVMState_Running),
    (at.paused, S_OK, VMVMState.vmVMState_Paused),
    (at.off, S_OK, VMVMState.vmVMState_TurnedOff),
    (at.saved, S_OK, VMVMState.vmVMState_Saved),
)
rows(BOTH, _M, "File", (at.definition_file, S_OK), (at.running, EXCEPTION))  # the test driver has no such files
rows(BOTH, _M, f"{_READ} File", (at.dead_daemon, EXCEPTION), (at.undefined, UNKNOWN))
_NAME_PUT = "E_INVALIDARG VM_E_CONFIG_NAME_TOO_LONG VM_E_CONFIG_NAME_INVALID_CHAR VM_E_CONFIG_DUPLICATE_NAME"
never(BOTH, _M, "Name", _NAME_PUT, "of the setter alone: test_rename.py")
never((VPC,), _M, "Name", "VM_E_PREF_VM_ACTIVE VM_E_CONFIG_NO_NAME", "of the setter alone: test_rename.py")

rows(
    BOTH,
    _M,
    "Startup",
    (at.off, S_OK),
    (at.saved, S_OK),
    (at.running, IS_RUNNING),
    (at.paused, IS_RUNNING),
    (at.reserve_does_not_fit, HRESULT.VM_E_OUT_OF_RESOURCE),
    (at.refused_off, DENIED),
    (at.dead_daemon, EXCEPTION),
    (at.undefined, EXCEPTION),
)
rows((VS,), _M, "Startup", (at.locked_off, EXCEPTION))
rows((VPC,), _M, "Startup", (at.locked_off, TIMED_OUT))
_NORMAL, _FIX = ((int(option),) for option in VMStartupOption)
rows(
    (VPC,),
    _M,
    "Startup2",
    (at.off, S_OK, ANY, _NORMAL),
    (at.off, S_OK, ANY, _FIX),
    (at.saved, S_OK, ANY, _FIX),
    (at.off, HRESULT.E_INVALIDARG, ANY, (2,)),
    (at.running, HRESULT.E_INVALIDARG, ANY, (-1,)),
    (at.running, IS_RUNNING, ANY, _NORMAL),
    (at.paused, IS_RUNNING, ANY, _NORMAL),
    (at.reserve_does_not_fit, HRESULT.VM_E_OUT_OF_RESOURCE, ANY, _NORMAL),
    (at.refused_off, DENIED, ANY, _NORMAL),
    (at.locked_off, TIMED_OUT, ANY, _NORMAL),
    (at.dead_daemon, EXCEPTION, ANY, _NORMAL),
    (at.undefined, EXCEPTION, ANY, _NORMAL),
)
_NO_LIMIT = "libvirt sets no limit on the number of machines that run"
never(BOTH, _M, "Startup", "VM_E_TOO_MANY_VMS", _NO_LIMIT)
never((VPC,), _M, "Startup2", "VM_E_TOO_MANY_VMS", _NO_LIMIT)
never((VPC,), _M, "Startup", "VM_E_PARENT_MODIFIED", "libvirt does not check a backing file against its overlay")

rows(
    BOTH,
    _M,
    "TurnOff Save Reset",
    (at.running, S_OK),
    (at.paused, S_OK),
    (at.off, NOT_RUNNING),
    (at.saved, NOT_RUNNING),
    (at.refused, DENIED),
    (at.locked, EXCEPTION),
    (at.dead_daemon, EXCEPTION),
)
rows((VS,), _M, "TurnOff Save Reset", (at.undefined, EXCEPTION))
rows((VPC,), _M, "TurnOff Reset", (at.undefined, UNKNOWN))
rows((VPC,), _M, "Save", (at.undefined, EXCEPTION))

rows(
    BOTH,
    _M,
    "DiscardSavedState",
    (at.saved, S_OK),
    (at.running, IS_RUNNING),
    (at.paused, IS_RUNNING),
    (at.off, HRESULT.VM_E_VM_NO_SAVED_STATE),
    (at.undefined, UNKNOWN),
    (at.dead_daemon, EXCEPTION),
)
rows(BOTH, _M, "Pause", (at.running, S_OK), (at.paused, E_FAIL), (at.refused, DENIED))
rows(BOTH, _M, "Resume", (at.paused, S_OK), (at.running, E_FAIL), (at.refused_paused, DENIED))
rows(BOTH, _M, "Pause Resume", (at.dead_daemon, EXCEPTION), (at.undefined, UNKNOWN))
rows((VS,), _M, "Pause Resume", (at.off, E_FAIL))
rows((VPC,), _M, "Pause Resume", (at.off, NOT_RUNNING))
rows((VPC,), _M, "Pause", (at.locked, TIMED_OUT))
rows((VPC,), _M, "Resume", (at.locked_paused, TIMED_OUT))

_C = "IVMVirtualMachineCollection"
rows(BOTH, _C, "Count", (at.running, S_OK, 2), (at.off, S_OK, 2))
rows(BOTH, _C, "Item", (at.running, S_OK), (at.running, S_OK, ANY, (2,)))
rows(BOTH, _C, "Item", *((at.running, HRESULT.DISP_E_BADINDEX, ANY, (index,)) for index in (-1, 0, 3)))
rows(BOTH, _C, "_NewEnum", (at.running, S_OK))
rows(BOTH, _C, "Count Item _NewEnum", (at.dead_daemon, EXCEPTION))
