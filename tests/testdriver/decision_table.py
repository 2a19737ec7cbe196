"""Every documented HRESULT of every member that is declared: in which situation it is answered, or why never.

The documented lists stand in fixtures/documented-hresults.json; test_decision_table.py checks that none is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tests.testdriver import situations as at
from tests.testdriver.situations import Situation
from tests.testdriver.support import VPC, VS
from vpcshim import HRESULT
from vpcshim.com.member import Product
from vpcshim.constants import VMTaskResult, VMVMState

ANY: Final = object()  # a value that is checked elsewhere


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    product: Product
    interface: str
    member: str
    situation: Situation
    expected: HRESULT
    value: Any = ANY
    args: tuple[Any, ...] | None = None
    out: bool = True

    def __str__(self) -> str:
        where = self.situation.__name__ if self.out else "no out-parameter"
        return f"{self.product.value}-{self.interface}.{self.member}-{where}-{self.expected.name}"


# The arguments of the members that take some, where a row gives no others.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "FindVirtualMachine": ("WEB",),
    "Item": (1,),
    "WaitForCompletion": (0,),
    "SetSchedulingParameters": (0.0, 50.0, 100),
}

Products = tuple[Product, ...]
BOTH: Products = (VS, VPC)
S_OK, S_FALSE, E_POINTER, E_FAIL = HRESULT.S_OK, HRESULT.S_FALSE, HRESULT.E_POINTER, HRESULT.E_FAIL
EXCEPTION, UNKNOWN = HRESULT.DISP_E_EXCEPTION, HRESULT.VM_E_VM_UNKNOWN
NOT_RUNNING, IS_RUNNING = HRESULT.VM_E_VM_NOT_RUNNING, HRESULT.VM_E_VM_RUNNING
DENIED, TIMED_OUT = HRESULT.E_ACCESSDENIED, HRESULT.VM_E_TIMED_OUT

ROWS: list[Row] = []
NEVER: dict[tuple[Product, str, str, str], str] = {}


def _rows(products: Products, interface: str, members: str, *answers: tuple[Any, ...]) -> None:
    """Rows for several members alike; an answer is (situation, HRESULT[, value[, arguments]])."""
    for product in products:
        for member in members.split():
            for situation, expected, *rest in answers:
                ROWS.append(Row(product, interface, member, situation, expected, *rest))


def _pointer(products: Products, interface: str, members: str, situation: Situation = at.running) -> None:
    """Without an out-parameter: E_POINTER, and nothing else happens."""
    for product in products:
        for member in members.split():
            ROWS.append(Row(product, interface, member, situation, E_POINTER, out=False))


def _never(products: Products, interface: str, members: str, codes: str, why: str) -> None:
    for product in products:
        for member in members.split():
            for code in codes.split():
                NEVER[product, interface, member, code] = why


# -- IVMAccountant ---------------------------------------------------------------------------------------------

_A = "IVMAccountant"
_BYTES = "NetworkBytesSent NetworkBytesReceived DiskBytesRead DiskBytesWritten"
_COUNTED = f"{_BYTES} CPUUtilization CPUUtilizationHistory UpTime"
_CONFIGURED = "ReservedSystemCapacity MaximumSystemCapacity RelativeWeight"
_ALLOWED = "AllowableReservedSystemCapacity AllowableMaximumSystemCapacity"

_rows(BOTH, _A, _BYTES, (at.off, S_FALSE, Decimal(0)), (at.saved, S_FALSE, Decimal(0)))
_rows(BOTH, _A, "CPUUtilization", (at.off, S_FALSE, 0), (at.saved, S_FALSE, 0))
_rows(BOTH, _A, "CPUUtilizationHistory", (at.off, S_FALSE, (0,) * 60), (at.saved, S_FALSE, (0,) * 60))
_rows(BOTH, _A, "UpTime", (at.off, S_FALSE, 0), (at.saved, S_FALSE, 0), (at.started_by_us, S_OK))
_rows(BOTH, _A, "UpTime", (at.running, EXCEPTION))  # nothing says when it was started
_rows(BOTH, _A, f"{_BYTES} CPUUtilization CPUUtilizationHistory", (at.running, S_OK), (at.paused, S_OK))
_rows(BOTH, _A, _COUNTED, (at.dead_daemon, EXCEPTION), (at.undefined, EXCEPTION))
_rows((VS,), _A, "ReservedSystemCapacity", (at.reserve_does_not_fit, S_OK, 50.5), (at.off, S_OK, 0.0))
_rows((VS,), _A, "MaximumSystemCapacity", (at.running, S_OK, 50.0), (at.off, S_OK, 50.0))
_rows((VS,), _A, "RelativeWeight", (at.running, S_OK, 50), (at.off, S_OK, 50))
_rows((VS,), _A, _CONFIGURED, (at.dead_daemon, EXCEPTION), (at.undefined, UNKNOWN))
_rows((VS,), _A, _ALLOWED, (at.running, S_OK, 50.0), (at.dead_daemon, EXCEPTION), (at.undefined, EXCEPTION))
_rows(
    (VS,),
    _A,
    "SetSchedulingParameters",
    (at.scheduler, S_OK),
    (at.scheduler, HRESULT.E_INVALIDARG, ANY, (50.1, 50.0, 100)),
    (at.scheduler, HRESULT.E_INVALIDARG, ANY, (0.0, 0.5, 100)),
    (at.scheduler, HRESULT.E_INVALIDARG, ANY, (0.0, 50.0, 0)),
    (at.running, EXCEPTION),  # the test driver's scheduler cannot hold them
    (at.dead_daemon, EXCEPTION),
    (at.undefined, UNKNOWN),
)
_pointer(BOTH, _A, _COUNTED)
_pointer((VS,), _A, f"{_CONFIGURED} {_ALLOWED}")

# -- IVMTask ---------------------------------------------------------------------------------------------------

_T = "IVMTask"
_TASK = "Description ID IsCancelable IsComplete PercentCompleted Result Error ErrorDescription"
_ENDED = "an operation has ended well before its task is handed out, and the task asks nobody"

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
    _rows(BOTH, _T, _member, (at.running, S_OK, _value))
_rows(BOTH, _T, "WaitForCompletion", (at.running, S_OK), (at.running, S_OK, ANY, (-1,)))
_rows((VS,), _T, "WaitForCompletion", (at.running, E_POINTER, ANY, (4_000_001,)))  # as its page prints it
_rows((VPC,), _T, "WaitForCompletion", (at.running, HRESULT.E_INVALIDARG, ANY, (4_000_001,)))
_rows(BOTH, _T, "Cancel", (at.running, E_FAIL))
_pointer(BOTH, _T, _TASK)
_never(BOTH, _T, f"{_TASK} WaitForCompletion Cancel", "DISP_E_EXCEPTION", _ENDED)
_never(BOTH, _T, "Cancel", "S_OK", f"{_ENDED}: there is nothing left to cancel")
_never((VS,), _T, "Error ErrorDescription", "VM_E_VM_UNKNOWN VM_E_ADDITIONS_NOT_AVAIL", _ENDED)
_never((VPC,), _T, "Error", "VM_E_VMVIRTUALPC_OLDER_VERSION VM_E_OTHER_VIRTUALIZATION_SOFTWARE", _ENDED)

# -- IVMVirtualMachine -----------------------------------------------------------------------------------------

_M = "IVMVirtualMachine"
_READ = "Name ConfigID State Accountant"

_rows(BOTH, _M, "Name", (at.running, S_OK, "web"), (at.off, S_OK, "web"))
_rows(BOTH, _M, "ConfigID Accountant", (at.running, S_OK), (at.off, S_OK))
_rows(
    BOTH,
    _M,
    "State",
    (at.running, S_OK, VMVMState.vmVMState_Running),
    (at.paused, S_OK, VMVMState.vmVMState_Paused),
    (at.off, S_OK, VMVMState.vmVMState_TurnedOff),
    (at.saved, S_OK, VMVMState.vmVMState_Saved),
)
_rows(BOTH, _M, "File", (at.definition_file, S_OK), (at.running, EXCEPTION))  # the test driver has no such files
_rows(BOTH, _M, f"{_READ} File", (at.dead_daemon, EXCEPTION), (at.undefined, UNKNOWN))
_pointer(BOTH, _M, f"{_READ} File")
_pointer(BOTH, _M, "Startup", at.off)
_pointer(BOTH, _M, "TurnOff Save Reset")
_NAME_PUT = "E_INVALIDARG VM_E_CONFIG_NAME_TOO_LONG VM_E_CONFIG_NAME_INVALID_CHAR VM_E_CONFIG_DUPLICATE_NAME"
_never(BOTH, _M, "Name", _NAME_PUT, "of the setter alone: test_rename.py")
_never((VPC,), _M, "Name", "VM_E_PREF_VM_ACTIVE VM_E_CONFIG_NO_NAME", "of the setter alone: test_rename.py")

_rows(
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
_rows((VS,), _M, "Startup", (at.locked_off, EXCEPTION))
_rows((VPC,), _M, "Startup", (at.locked_off, TIMED_OUT))
_never(BOTH, _M, "Startup", "VM_E_TOO_MANY_VMS", "libvirt sets no limit on the number of machines that run")
_never((VPC,), _M, "Startup", "VM_E_PARENT_MODIFIED", "libvirt does not check a backing file against its overlay")

_rows(
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
_rows((VS,), _M, "TurnOff Save Reset", (at.undefined, EXCEPTION))
_rows((VPC,), _M, "TurnOff Reset", (at.undefined, UNKNOWN))
_rows((VPC,), _M, "Save", (at.undefined, EXCEPTION))
_never(BOTH, _M, "Save", "E_FAIL", "it is for undo disks that are to be discarded, and these are not declared yet")

_rows(
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
_rows(BOTH, _M, "Pause", (at.running, S_OK), (at.paused, E_FAIL), (at.refused, DENIED))
_rows(BOTH, _M, "Resume", (at.paused, S_OK), (at.running, E_FAIL), (at.refused_paused, DENIED))
_rows(BOTH, _M, "Pause Resume", (at.dead_daemon, EXCEPTION), (at.undefined, UNKNOWN))
_rows((VS,), _M, "Pause Resume", (at.off, E_FAIL))
_rows((VPC,), _M, "Pause Resume", (at.off, NOT_RUNNING))
_rows((VPC,), _M, "Pause", (at.locked, TIMED_OUT))
_rows((VPC,), _M, "Resume", (at.locked_paused, TIMED_OUT))

# -- IVMVirtualMachineCollection -------------------------------------------------------------------------------

_C = "IVMVirtualMachineCollection"
_rows(BOTH, _C, "Count", (at.running, S_OK, 2), (at.off, S_OK, 2))
_rows(BOTH, _C, "Item", (at.running, S_OK), (at.running, S_OK, ANY, (2,)))
_rows(BOTH, _C, "Item", *((at.running, HRESULT.DISP_E_BADINDEX, ANY, (index,)) for index in (-1, 0, 3)))
_rows(BOTH, _C, "_NewEnum", (at.running, S_OK))
_rows(BOTH, _C, "Count Item _NewEnum", (at.dead_daemon, EXCEPTION))
_pointer(BOTH, _C, "Count Item _NewEnum")

# -- the applications ------------------------------------------------------------------------------------------

for _products, _interface, _name, _version in (
    ((VS,), "IVMVirtualServer", "Virtual Server", "1.1.603.0 EE"),
    ((VPC,), "IVMVirtualPC", "Windows Virtual PC", "6.1.7600.0"),
):
    _rows(_products, _interface, "Name", (at.running, S_OK, _name), (at.no_server, S_OK, _name))
    _rows(_products, _interface, "Version", (at.running, S_OK, _version), (at.no_server, S_OK, _version))
    _rows(_products, _interface, "VirtualMachines", (at.running, S_OK), (at.no_server, S_OK))
    _rows(
        _products,
        _interface,
        "FindVirtualMachine",
        (at.running, S_OK),
        (at.running, S_FALSE, None, ("nobody",)),
        (at.undefined, S_FALSE, None),
        (at.dead_daemon, EXCEPTION),
        (at.no_server, EXCEPTION),
    )
    _rows(_products, _interface, "UpTime", (at.running, S_OK), (at.no_server, EXCEPTION))
    _pointer(_products, _interface, "Name Version VirtualMachines FindVirtualMachine UpTime", at.no_server)
    _never(
        _products,
        _interface,
        "Name Version VirtualMachines",
        "DISP_E_EXCEPTION",
        "it asks nobody: what is handed out asks the server when it is used",
    )
_never(
    (VPC,),
    "IVMVirtualPC",
    "Name Version VirtualMachines FindVirtualMachine UpTime",
    "VM_E_HARDWARE_VIRTUALIZATION_DISABLED",
    "libvirt runs guests without hardware virtualization too",
)
_rows(
    (VS,),
    "IVMVirtualServer",
    "AvailableSystemCapacity",
    (at.running, S_OK, 50.0),
    (at.no_server, EXCEPTION),
    (at.dead_daemon, EXCEPTION),
)
_pointer((VS,), "IVMVirtualServer", "AvailableSystemCapacity", at.no_server)
