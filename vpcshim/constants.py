"""The enumerations of both products, under their documented names.

Each value is also a name of this module, as `win32com.client.constants` has them::

    from vpcshim.constants import vmVMState_Running

Where the products differ only in that one of them knows more values, the enumeration here holds them all.
Source: the "Enumerations" pages of the two references and their type libraries.
"""

from __future__ import annotations

from enum import IntEnum


class ComEnum(IntEnum):
    """An enumeration of the type library; prints as the number a script sees, on every Python."""

    __str__ = int.__repr__


class VHD_FLAGS(ComEnum):
    """`VHD_FLAGS` of the type library."""

    VHD_NORMAL = 0
    VHD_NW_MAPPED = 1
    VHD_MOUNT_AS_READONLY = 2
    VHD_FORCE_UNMOUNT = 3


class VMAccessRightsType(ComEnum):
    """`VMAccessRightsType` of the type library."""

    vmAccessRights_Allowed = 0
    vmAccessRights_Denied = 1


class VMAutoStartType(ComEnum):
    """`VMAutoStartType` of the type library."""

    vmAutoStart_Never = 0
    vmAutoStart_Always = 1
    vmAutoStart_IfRunningAtQuit = 2


class VMDVDDriveAttachmentType(ComEnum):
    """`VMDVDDriveAttachmentType` of the type library."""

    vmDVDDrive_None = 0
    vmDVDDrive_Image = 1
    vmDVDDrive_HostDrive = 2


class VMDVDDriveEvent(ComEnum):
    """`VMDVDDriveEvent` of the type library."""

    vmDVDDriveEvent_OnInsert = 1
    vmDVDDriveEvent_OnEject = 2


class VMDisplayVideoMode(ComEnum):
    """`VMDisplayVideoMode` of the type library."""

    vmVideoMode_TextMode = 0
    vmVideoMode_CGAMode = 1
    vmVideoMode_VGAMode = 2
    vmVideoMode_SVGAMode = 3


class VMDriveBusType(ComEnum):
    """`VMDriveBusType` of the type library."""

    vmDriveBusType_Invalid = -1
    vmDriveBusType_IDE = 0
    vmDriveBusType_SCSI = 1


class VMDriveType(ComEnum):
    """`VMDriveType` of the type library."""

    vmDriveType_Null = 0
    vmDriveType_HardDisk = 1
    vmDriveType_DVD = 2


class VMEndpointType(ComEnum):
    """`VMEndpointType` of the type library."""

    vmEndpoint_NamedPipe = 0
    vmEndpoint_TCPIP = 1


class VMEventType(ComEnum):
    """`VMEventType` of the type library."""

    vmEvent_VirtualServerStarted = 0
    vmEvent_VirtualPCStarted = 0
    vmEvent_VirtualServerStopped = 1
    vmEvent_VirtualPCStopped = 1
    vmEvent_VirtualMachineLaunched = 2
    vmEvent_VirtualMachineStateRestored = 3
    vmEvent_VirtualMachineStateSaved = 4
    vmEvent_VirtualMachineTurnedOff = 5
    vmEvent_VirtualMachineTurnedOffByGuest = 6
    vmEvent_VirtualMachineReset = 7
    vmEvent_VirtualMachineNoHeartbeat = 8
    vmEvent_VirtualMachineProcessorError = 9
    vmEvent_VirtualMachineHostDiskSpaceWarning = 10
    vmEvent_VirtualMachineHostDiskSpaceError = 11


class VMFloppyDiskImageType(ComEnum):
    """`VMFloppyDiskImageType` of the type library."""

    vmFloppyDiskImage_Unknown = 0
    vmFloppyDiskImage_LowDensity = 1
    vmFloppyDiskImage_HighDensity = 2
    vmFloppyDiskImage_DMF = 3
    vmFloppyDiskImage_LowDensitySingleSided = 4
    vmFloppyDiskImage_MediumDensity = 5
    vmFloppyDiskImage_HighDensityMSS = 6


class VMFloppyDriveAttachmentType(ComEnum):
    """`VMFloppyDriveAttachmentType` of the type library."""

    vmFloppyDrive_None = 0
    vmFloppyDrive_Image = 1
    vmFloppyDrive_HostDrive = 2


class VMFloppyDriveEvent(ComEnum):
    """`VMFloppyDriveEvent` of the type library."""

    vmFloppyDriveEvent_OnInsert = 1
    vmFloppyDriveEvent_OnEject = 2


class VMGuestOSOperationType(ComEnum):
    """`VMGuestOSOperationType` of the type library."""

    vmGuestOS_Shutdown = 0
    vmGuestOS_LogOff = 1
    vmGuestOS_Reboot = 2


class VMHardDiskType(ComEnum):
    """`VMHardDiskType` of the type library."""

    vmDiskType_Dynamic = 0
    vmDiskType_FixedSize = 1
    vmDiskType_Differencing = 2
    vmDiskType_HostDrive = 4


class VMLogoffType(ComEnum):
    """`VMLogoffType` of the type library."""

    vmLogoff_Normal = 0
    vmLogoff_Forced = 1
    vmLogoff_External = 2


class VMMouseButton(ComEnum):
    """`VMMouseButton` of the type library."""

    vmMouseButton_Left = 1
    vmMouseButton_Right = 2
    vmMouseButton_Center = 3


class VMRCAuthenticationType(ComEnum):
    """`VMRCAuthenticationType` of the type library."""

    vmVMRCAuthentication_Invalid = -1
    vmVMRCAuthentication_VNC = 0
    vmVMRCAuthentication_SRP = 1
    vmVMRCAuthentication_NTLM = 2
    vmVMRCAuthentication_Kerberos = 3
    vmVMRCAuthentication_Automatic = 4


class VMSerialPortType(ComEnum):
    """`VMSerialPortType` of the type library."""

    vmSerialPort_HostPort = 0
    vmSerialPort_TextFile = 1
    vmSerialPort_NamedPipe = 2
    vmSerialPort_Null = 3


class VMShutdownAction(ComEnum):
    """`VMShutdownAction` of the type library."""

    vmShutdownAction_Save = 0
    vmShutdownAction_TurnOff = 1
    vmShutdownAction_Shutdown = 2


class VMStartupOption(ComEnum):
    """`VMStartupOption` of the type library."""

    vmStartupOption_Normal = 0
    vmStartupOption_FixParentTimestampMismatch = 1


class VMSupportDriverType(ComEnum):
    """`VMSupportDriverType` of the type library."""

    vmSupportDriver_InvalidType = -1
    vmSupportDriver_VirtualMachineMonitor = 0
    vmSupportDriver_NetworkServices = 1


class VMTaskResult(ComEnum):
    """`VMTaskResult` of the type library."""

    vmTaskResult_Success = 0
    vmTaskResult_Cancelled = 1
    vmTaskResult_UnexpectedError = 2
    vmTaskResult_OutOfMemoryError = 3
    vmTaskResult_DiskRelatedError = 4
    vmTaskResult_IncompatibleSavedStateError = 5
    vmTaskResult_TimeOutError = 6
    vmTaskResult_IllegalValueError = 7
    vmTaskResult_ThreadCrashError = 8
    vmTaskResult_ShutdownAbort = 9


class VMUSBDeviceClassEnum(ComEnum):
    """`VMUSBDeviceClassEnum` of the type library."""

    vmUSBDeviceClass_InterfaceDescriptor = 0
    vmUSBDeviceClass_Audio = 1
    vmUSBDeviceClass_Communication = 2
    vmUSBDeviceClass_HID = 3
    vmUSBDeviceClass_Physical = 5
    vmUSBDeviceClass_Image = 6
    vmUSBDeviceClass_Printer = 7
    vmUSBDeviceClass_MassStorage = 8
    vmUSBDeviceClass_Hub = 9
    vmUSBDeviceClass_CDCData = 10
    vmUSBDeviceClass_SmartCard = 11
    vmUSBDeviceClass_ContentSecurity = 13
    vmUSBDeviceClass_Video = 14
    vmUSBDeviceClass_PersonalHealthcare = 15
    vmUSBDeviceClass_DiagnosticDevice = 220
    vmUSBDeviceClass_WirelessController = 224
    vmUSBDeviceClass_Miscellaneous = 239
    vmUSBDeviceClass_ApplicationSpecific = 254
    vmUSBDeviceClass_VendorSpecific = 255


class VMUndoAction(ComEnum):
    """`VMUndoAction` of the type library."""

    vmUndoAction_Discard = 0
    vmUndoAction_Keep = 1
    vmUndoAction_Commit = 2


class VMVMState(ComEnum):
    """`VMVMState` of the type library."""

    vmVMState_Invalid = 0
    vmVMState_TurnedOff = 1
    vmVMState_Saved = 2
    vmVMState_TurningOn = 3
    vmVMState_Restoring = 4
    vmVMState_Running = 5
    vmVMState_Paused = 6
    vmVMState_Saving = 7
    vmVMState_TurningOff = 8
    vmVMState_MergingDrives = 9
    vmVMState_DeleteMachine = 10


class VMVirtualMachineEvents(ComEnum):
    """`VMVirtualMachineEvents` of the type library."""

    vmVirtualMachineEvent_StateChanged = 1
    vmVirtualMachineEvent_RequestShutdown = 2
    vmVirtualMachineEvent_Reset = 3
    vmVirtualMachineEvent_TripleFault = 4
    vmVirtualMachineEvent_HeartbeatStopped = 5
    vmVirtualMachineEvent_ConfigurationChanged = 6
    vmVirtualMachineEvent_EnhancedVideoModeChanged = 7
    vmVirtualMachineEvent_AdditionsUninstalled = 8
    vmVirtualMachineEvent_AdditionsAvailable = 9
    vmVirtualMachineEvent_GuestShutdown = 10
    vmVirtualMachineEvent_GuestLogoff = 11
    vmVirtualMachineEvent_DiskOutOfSpace = 12


class VMVirtualPCEvent(ComEnum):
    """`VMVirtualPCEvent` of the type library."""

    vmVirtualPCEvent_VMStateChange = 2
    vmVirtualPCEvent_EventLogged = 3


class VMVirtualServerEvent(ComEnum):
    """`VMVirtualServerEvent` of the type library."""

    vmVirtualServerEvent_ServiceEvent = 1
    vmVirtualServerEvent_VMStateChange = 2
    vmVirtualServerEvent_EventLogged = 3
    vmVirtualServerEvent_VMHeartbeatStopped = 4


class vmFloppyDriveEvent(ComEnum):
    """`vmFloppyDriveEvent` of the type library."""

    vmFloppyDriveEvent_OnInsert = 1
    vmFloppyDriveEvent_OnEject = 2


VHD_NORMAL = VHD_FLAGS.VHD_NORMAL
VHD_NW_MAPPED = VHD_FLAGS.VHD_NW_MAPPED
VHD_MOUNT_AS_READONLY = VHD_FLAGS.VHD_MOUNT_AS_READONLY
VHD_FORCE_UNMOUNT = VHD_FLAGS.VHD_FORCE_UNMOUNT


_BY_NAME: dict[str, ComEnum] = {
    name: member for enumeration in ComEnum.__subclasses__() for name, member in enumeration.__members__.items()
}


def __getattr__(name: str) -> ComEnum:
    """A value by its documented name, as `win32com.client.constants.vmVMState_Running`."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise AttributeError(f"no constant of the type libraries is called {name!r}") from None


def __dir__() -> list[str]:
    return sorted([*globals(), *_BY_NAME])
