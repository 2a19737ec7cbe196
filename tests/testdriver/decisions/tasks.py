"""The answers of the tasks."""

from __future__ import annotations

from tests.testdriver import situations as at
from tests.testdriver.decision_table import (
    ANY,
    BOTH,
    E_FAIL,
    E_POINTER,
    EXCEPTION,
    S_OK,
    never,
    rows,
)
from tests.testdriver.support import VPC, VS
from vpcshim import HRESULT
from vpcshim.constants import VMTaskResult

_T = "IVMTask"
_TASK = "Description ID IsCancelable IsComplete Result Error ErrorDescription"
_OWN = "the task answers from what its own thread knows: nobody is asked"

for _member, _value in (
    ("Description", "Turning off big"),
    ("ID", ANY),
    ("IsCancelable", False),
    ("IsComplete", True),
    ("PercentCompleted", 100),
    ("Result", VMTaskResult.vmTaskResult_Success),
    ("Error", HRESULT.S_OK),
    ("ErrorDescription", ""),
):
    rows(BOTH, _T, _member, (at.running, S_OK, _value))
rows(BOTH, _T, "WaitForCompletion", (at.running, S_OK), (at.running, S_OK, ANY, (-1,)))
rows((VS,), _T, "WaitForCompletion", (at.running, E_POINTER, ANY, (4_000_001,)))  # as its page prints it
rows((VPC,), _T, "WaitForCompletion", (at.running, HRESULT.E_INVALIDARG, ANY, (4_000_001,)))
rows(BOTH, _T, "Cancel", (at.running, E_FAIL), (at.saving, S_OK), (at.saving_when_it_died, EXCEPTION))
rows(BOTH, _T, "PercentCompleted", (at.saving, S_OK, 40), (at.saving_when_it_died, EXCEPTION))
rows(BOTH, _T, "IsComplete", (at.saving, S_OK, False), (at.saving_when_it_died, S_OK, False))
rows(BOTH, _T, "IsCancelable", (at.saving, S_OK, True))
rows(BOTH, _T, "WaitForCompletion", (at.saving, S_OK))  # that the time is over is no failure
never(BOTH, _T, f"{_TASK} WaitForCompletion", "DISP_E_EXCEPTION", _OWN)
never((VS,), _T, "Error ErrorDescription", "VM_E_VM_UNKNOWN VM_E_ADDITIONS_NOT_AVAIL", _OWN)
never((VPC,), _T, "Error", "VM_E_VMVIRTUALPC_OLDER_VERSION VM_E_OTHER_VIRTUALIZATION_SOFTWARE", _OWN)

_C = "IVMTaskCollection"
_OURS = "the tasks are those of this process: nobody is asked"
rows(BOTH, _C, "Count", (at.running, S_OK, 1))
rows(BOTH, _C, "Item", (at.running, S_OK), (at.running, HRESULT.DISP_E_BADINDEX, ANY, (2,)))
rows(BOTH, _C, "_NewEnum", (at.running, S_OK))
never(BOTH, _C, "Count Item _NewEnum", "DISP_E_EXCEPTION", _OURS)
for _products, _interface in (((VS,), "IVMVirtualServer"), ((VPC,), "IVMVirtualPC")):
    rows(_products, _interface, "Tasks", (at.running, S_OK), (at.no_server, S_OK))
    never(_products, _interface, "Tasks", "DISP_E_EXCEPTION", _OURS)
