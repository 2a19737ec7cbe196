"""The event interfaces: the server calls them, so no HRESULT of theirs is ours."""

from __future__ import annotations

from tests.testdriver.decision_table import BOTH, never
from tests.testdriver.support import VPC

_CALLED = "an event is called by the server on a handler; calling it on our side is DISP_E_MEMBERNOTFOUND"

never((VPC,), "IVMVirtualPCEvents", "OnEventLogged OnVMStateChange", "S_OK", _CALLED)
never(
    (VPC,),
    "IVMVirtualMachineEvents",
    "OnAdditionsAvailable OnAdditionsUninstalled OnConfigurationChanged OnDiskOutOfSpace "
    "OnEnhancedVideoModeChanged OnGuestLogoff OnGuestShutdown OnHeartbeatStopped OnRequestShutdown OnReset "
    "OnStateChange OnTripleFault",
    "S_OK",
    _CALLED,
)
for _interface in ("IVMDVDDriveEvents", "IVMFloppyDriveEvents"):
    never((VPC,), _interface, "OnMediaEject OnMediaInsert", "S_OK", _CALLED)
assert BOTH
