"""The states of a machine, as sequences of them are written down in tests."""

from vpcshim.constants import VMVMState

OFF, SAVED, ON, RESTORING, RUNNING, PAUSED, SAVING, STOPPING = (
    VMVMState.vmVMState_TurnedOff,
    VMVMState.vmVMState_Saved,
    VMVMState.vmVMState_TurningOn,
    VMVMState.vmVMState_Restoring,
    VMVMState.vmVMState_Running,
    VMVMState.vmVMState_Paused,
    VMVMState.vmVMState_Saving,
    VMVMState.vmVMState_TurningOff,
)
