"""The answers of drives and of images."""

from __future__ import annotations

from tests.testdriver import situations
from tests.testdriver import storage as at
from tests.testdriver.decision_table import (
    ANY,
    ARGUMENTS,
    BOTH,
    E_FAIL,
    E_POINTER,
    EXCEPTION,
    IS_RUNNING,
    S_FALSE,
    S_OK,
    UNKNOWN,
    never,
    rows,
)
from tests.testdriver.situations import Situation
from tests.testdriver.support import VPC, VS
from vpcshim import HRESULT
from vpcshim.com.member import Product
from vpcshim.constants import (
    VMDVDDriveAttachmentType,
    VMFloppyDiskImageType,
    VMFloppyDriveAttachmentType,
    VMHardDiskType,
)

_FIXED, _DYNAMIC = int(VMHardDiskType.vmDiskType_FixedSize), int(VMHardDiskType.vmDiskType_Dynamic)
_INVALID, _IN_USE = HRESULT.VM_E_DRIVE_INVALID, HRESULT.VM_E_DRIVE_BUS_LOC_IN_USE
_SHARING, _ALREADY = HRESULT.E_SHARING_VIOLATION, HRESULT.E_ALREADY_EXISTS
_NO_FILE, _NO_PATH, _BAD_NAME = HRESULT.E_FILE_NOT_FOUND, HRESULT.E_PATH_NOT_FOUND, HRESULT.E_INVALID_NAME
_BAD_PATH, _TOO_LONG, _FULL = HRESULT.E_BAD_PATHNAME, HRESULT.E_BUFFER_OVERFLOW, HRESULT.E_DISK_FULL
_OPEN_FAIL, _ACCESS = HRESULT.VM_E_HD_IMAGE_OPEN_FAIL, HRESULT.VM_E_HD_IMAGE_ACCESS
_SAVED = HRESULT.VM_E_VM_RUNNING_OR_SAVED
_WRONG_MEDIA, _WRONG_DISK = HRESULT.VM_E_MEDIA_WRONG_TYPE, HRESULT.VM_E_WRONG_HD_IMAGE_TYPE
_NO_MEDIA = HRESULT.VM_E_NO_MEDIA_CAPTURED
_LONG = "C:\\" + "x" * 260 + ".vhd"
_ENDING = "vpcshim ends when its process ends: there is no service that shuts down"


def _paths(
    *more: object, ending: str = ".vhd"
) -> tuple[tuple[Situation, HRESULT, object, tuple[object, ...]], ...]:
    """What wrong paths are answered with, wherever a path is taken."""
    return (
        (at.off, _NO_PATH, ANY, (f"D:\\new{ending}", *more)),
        (at.off, _BAD_NAME, ANY, (f"C:\\n?w{ending}", *more)),
        (at.off, _BAD_PATH, ANY, (f"new{ending}", *more)),
        (at.off, _TOO_LONG, ANY, (_LONG, *more)),
    )


# -- the applications ------------------------------------------------------------------------------------------

_products: tuple[Product, ...]
for _products, _a in (((VS,), "IVMVirtualServer"), ((VPC,), "IVMVirtualPC")):
    _new = (r"C:\new\disk.vhd", 16)
    rows(
        _products,
        _a,
        "CreateDynamicVirtualHardDisk CreateFixedVirtualHardDisk",
        (at.off, S_OK, ANY, _new),
        *_paths(16),
        (at.off, HRESULT.E_INVALIDARG, ANY, (r"C:\new.vhd", 0)),
        (at.off, HRESULT.VM_E_IMAGE_SIZE_TOO_SMALL, ANY, (r"C:\new.vhd", 2)),
        (at.off, HRESULT.VM_E_IMAGE_SIZE_TOO_LARGE, ANY, (r"C:\new.vhd", 2_088_961)),
        (at.off, _ALREADY, ANY, (r"C:\web.vhd", 16)),
        (at.small_disk, _FULL, ANY, _new),
        (at.too_large, HRESULT.VM_E_FILE_TOO_LARGE_FOR_VOLUME, ANY, _new),
        (at.remote, EXCEPTION, ANY, _new),
        (situations.no_server, EXCEPTION, ANY, ("/new.vhd", 16)),
    )
    _pair = (r"C:\new\d.qcow2", r"C:\free.vhd")
    rows(
        _products,
        _a,
        "CreateDifferencingVirtualHardDisk",
        (at.off, S_OK, ANY, _pair),
        (at.off, S_OK, ANY, ("d.qcow2", r"C:\free.vhd")),
        *_paths(r"C:\free.vhd")[:2],
        (at.off, _BAD_NAME, ANY, (r"C:\new.vhd", r"C:\free.vhd")),
        (at.off, _BAD_PATH, ANY, ("new.qcow2", "free.vhd")),
        (at.off, _TOO_LONG, ANY, (_LONG, r"C:\free.vhd")),
        (at.off, _ALREADY, ANY, (r"C:\free.qcow2", r"C:\free.vhd")),
        (at.off, EXCEPTION, ANY, (r"C:\new.qcow2", r"C:\nobody.vhd")),
        (at.off, EXCEPTION, ANY, (r"C:\new.qcow2", r"C:\linked.vhd")),
        (at.small_disk, _FULL, ANY, _pair),
        (at.remote, EXCEPTION, ANY, _pair),
    )
    never(
        _products,
        _a,
        "CreateDifferencingVirtualHardDisk",
        "VM_E_IMAGE_SIZE_TOO_LARGE VM_E_IMAGE_SIZE_TOO_SMALL VM_E_FILE_TOO_LARGE_FOR_VOLUME",
        "its disk has the size of its parent's, and its file is small",
    )
    _made = "CreateDynamicVirtualHardDisk CreateFixedVirtualHardDisk CreateDifferencingVirtualHardDisk"
    never(_products, _a, _made, "VM_E_APP_SHUTTING_DOWN", _ENDING)
    rows(
        _products,
        _a,
        "GetHardDisk",
        (at.off, S_OK, ANY, (r"C:\web.vhd",)),
        (at.off, _NO_FILE, ANY, (r"C:\nobody.vhd",)),
        *_paths(),
        (at.remote, EXCEPTION, ANY, (r"C:\web.vhd",)),
    )
    rows(
        _products,
        _a,
        "GetFloppyDiskImageType",
        (at.off, S_OK, VMFloppyDiskImageType.vmFloppyDiskImage_HighDensity, (r"C:\floppy.vfd",)),
        (at.off, _NO_FILE, ANY, (r"C:\nobody.vfd",)),
        *_paths(),
        (at.off, EXCEPTION, ANY, (r"C:\web.vhd",)),
        (at.remote, EXCEPTION, ANY, (r"C:\floppy.vfd",)),
    )
    rows(
        _products,
        _a,
        "CreateFloppyDiskImage",
        (at.off, S_OK, ANY, (r"C:\new\floppy.vfd", 1)),
        (at.off, HRESULT.E_INVALIDARG, ANY, (r"C:\new.vfd", 3)),
        *_paths(2),
        (at.off, _ALREADY, ANY, (r"C:\floppy.vfd", 2)),
        (at.small_disk, _FULL, ANY, (r"C:\new.vfd", 2)),
        (at.remote, EXCEPTION, ANY, (r"C:\new.vfd", 2)),
    )
never(
    (VPC,),
    "IVMVirtualPC",
    "CreateDynamicVirtualHardDisk CreateFixedVirtualHardDisk CreateDifferencingVirtualHardDisk",
    "E_INVALID_DRIVE",
    "a drive that stands for no folder is E_PATH_NOT_FOUND, as in every other member that takes a path",
)

# -- the machine -----------------------------------------------------------------------------------------------

_M = "IVMVirtualMachine"
_HELD = "HardDiskConnections DVDROMDrives FloppyDrives AttachedDriveTypes"
_GIVEN = "it takes a drive or controller of that very machine: test_drives.py"
for _products, _members in ((BOTH, _HELD), ((VS,), "SCSIControllers")):
    rows(_products, _M, _members, (at.off, S_OK), (at.undefined, UNKNOWN), (at.dead_daemon, EXCEPTION))


def _location(product: Product, *numbers: int) -> tuple[int, ...]:
    """A location of IDE, or with its bus type."""
    return numbers if product is VPC or len(numbers) == 3 else (0, *numbers)


for _product in (VS, VPC):
    _busy = IS_RUNNING if _product is VS else _SAVED
    _free, _taken, _none = (_location(_product, *numbers) for numbers in ((0, 1), (0, 0), (0, 2)))
    _wrong = EXCEPTION if _product is VS else HRESULT.E_INVALIDARG
    rows(
        (_product,),
        _M,
        "AddHardDiskConnection",
        (at.off, S_OK, ANY, (r"C:\free.vhd", *_free)),
        (at.off, S_OK, ANY, (r"C:\free.qcow2", *_free)),
        (at.off, S_OK, ANY, (r"C:\free.img", *_free)),
        (at.off, _NO_FILE, ANY, (r"C:\nobody.vhd", *_free)),
        (at.off, _BAD_NAME, ANY, (r"C:\other.iso", *_free)),
        *_paths(*_free),
        (at.off, _IN_USE, ANY, (r"C:\free.vhd", *_taken)),
        (at.off, _wrong, ANY, (r"C:\free.vhd", *_none)),
        (at.off, _SHARING, ANY, (r"C:\web.vhd", *_free)),
        (at.running, _busy, ANY, (r"C:\free.vhd", *_free)),
        (at.saved, _busy, ANY, (r"C:\free.vhd", *_free)),
        (at.undefined, UNKNOWN, ANY, (r"C:\free.vhd", *_free)),
        (at.dead_daemon, EXCEPTION, ANY, (r"C:\free.vhd", *_free)),
        (at.remote, EXCEPTION, ANY, (r"C:\free.vhd", *_free)),
    )
    rows(
        (_product,),
        _M,
        "AddDVDROMDrive",
        (at.off, S_OK, ANY, _free),
        (at.off, _IN_USE, ANY, _taken),
        (at.off, HRESULT.E_INVALIDARG, ANY, _none),
        (at.running, _busy, ANY, _free),
        (at.saved, _busy, ANY, _free),
        (at.undefined, UNKNOWN, ANY, _free),
        (at.dead_daemon, EXCEPTION, ANY, _free),
    )
    never((_product,), _M, "AddDVDROMDrive", "VM_E_DRIVE_INVALID", "a location that there is takes a DVD drive")
    rows((_product,), _M, "RemoveHardDiskConnection RemoveDVDROMDrive", (at.off, E_POINTER, ANY, (None,)))
    _codes = f"S_OK VM_E_VM_UNKNOWN VM_E_DRIVE_INVALID DISP_E_EXCEPTION {_busy.name}"
    never((_product,), _M, "RemoveHardDiskConnection RemoveDVDROMDrive", _codes, _GIVEN)
rows((VS,), _M, "AddDVDROMDrive", (at.off, HRESULT.E_INVALIDARG, ANY, (1, 0, 1)))  # SCSI, as documented
rows(
    (VPC,),
    _M,
    "AddHardDiskConnection",
    (at.off, HRESULT.VM_E_INVALID_HD_FILE, ANY, (r"C:\bad.vhd", 0, 1)),
    (at.off, HRESULT.VM_E_UNSUPPORTED_HD_DISK_TYPE, ANY, (r"C:\linked.vhd", 0, 1)),
)
rows(
    (VS,),
    _M,
    "AddSCSIController",
    (at.off, S_OK),
    (at.four_controllers, E_FAIL),
    (at.running, IS_RUNNING),
    (at.saved, IS_RUNNING),
    (at.undefined, UNKNOWN),
    (at.dead_daemon, EXCEPTION),
)
rows((VS,), _M, "RemoveSCSIController", (at.off, E_POINTER, ANY, (None,)))
never((VS,), _M, "RemoveSCSIController", "S_OK VM_E_VM_UNKNOWN VM_E_VM_RUNNING DISP_E_EXCEPTION", _GIVEN)

# -- images ----------------------------------------------------------------------------------------------------

_D = "IVMHardDisk"
ARGUMENTS.update({"Convert": (r"C:\new\c.vhd", _FIXED), "MergeTo": (r"C:\new\m.vhd", _DYNAMIC)})
rows(BOTH, _D, "File", (at.off, S_OK, r"C:\web.vhd"), (at.gone, S_OK, r"C:\web.vhd"))
never(BOTH, _D, "File", "DISP_E_EXCEPTION", "what an object was made of is known")
rows(
    BOTH,
    _D,
    "Type SizeInGuest",
    (at.off, S_OK),
    (at.linked, S_OK),
    (at.gone, _NO_FILE),
    (at.spoilt, _OPEN_FAIL),
    (at.unreadable, _ACCESS),
    (at.remote, EXCEPTION),
)
rows(BOTH, _D, "Type", (at.child, S_OK, VMHardDiskType.vmDiskType_Differencing))
rows(BOTH, _D, "Type", (at.fixed, S_OK, VMHardDiskType.vmDiskType_FixedSize))
rows((VS,), _D, "Type", (at.host_drive, S_OK, VMHardDiskType.vmDiskType_HostDrive))
rows((VPC,), _D, "Type", (at.host_drive, _INVALID))
never((VS,), _D, "Type", "VM_E_DRIVE_INVALID", "a drive of the host has a type of its own")
rows(BOTH, _D, "SizeOnHost", (at.off, S_OK), (at.remote, EXCEPTION))
rows((VS,), _D, "SizeOnHost", (at.gone, EXCEPTION))
rows((VPC,), _D, "SizeOnHost", (at.gone, _NO_FILE))
rows(
    BOTH,
    _D,
    "HostFreeDiskSpace",
    (at.off, S_OK),
    (at.gone, S_OK),
    (at.without_folder, _BAD_PATH),
    (at.remote, EXCEPTION),
)
rows(
    (VS,),
    _D,
    "HostDriveIdentifier",
    (at.off, S_FALSE, ""),
    (at.host_drive, S_OK),
    (at.gone, _NO_FILE),
    (at.host_drive_gone, HRESULT.VM_E_HOST_DRIVE_NOT_FOUND),
    (at.remote, EXCEPTION),
)
never((VS,), _D, "HostDriveIdentifier", "VM_E_HD_IMAGE_OPEN_FAIL VM_E_HD_IMAGE_ACCESS", "nothing is opened for it")
rows(
    BOTH,
    _D,
    "Parent",
    (at.child, S_OK),
    (at.linked, S_OK),
    (at.off, S_FALSE, None),
    (at.fixed, S_FALSE, None),
    (at.orphan, _NO_FILE),
    (at.orphan_without_folder, _NO_PATH),
    (at.mismatched, HRESULT.VM_E_PARENT_CHILD_ID_MISMATCH),
    (at.spoilt, _OPEN_FAIL),
    (at.unreadable, _ACCESS),
    (at.remote, EXCEPTION),
)
rows(
    BOTH,
    _D,
    "Compact",
    (at.off, S_OK),
    (at.fixed, _WRONG_DISK),
    (at.child, _WRONG_DISK),
    (at.spoilt, HRESULT.VM_E_INVALID_HD_FILE),
    (at.in_use, _SHARING),
    (at.full, _FULL),
    (at.gone, EXCEPTION),
    (at.remote, EXCEPTION),
)
rows((VPC,), _D, "Compact", (at.read_only_disk, HRESULT.VM_E_FILE_READ_ONLY))
rows((VS,), _D, "Compact", (at.read_only_disk, EXCEPTION))
for _member, _whole in (("Convert", at.off), ("MergeTo", at.child)):
    _type = _DYNAMIC if _member == "MergeTo" else _FIXED
    rows(
        BOTH,
        _D,
        _member,
        (_whole, S_OK),
        (at.child, S_OK, ANY, (r"C:\other.vhd", _type)),
        (at.linked, S_OK),
        *((_whole, code, value, args) for _, code, value, args in _paths(_type)),
        (_whole, _ALREADY, ANY, (r"C:\web.vhd", _type)),
        (at.orphan, HRESULT.VM_E_PARENT_PATH_NOT_FOUND),
        (at.remote_child, EXCEPTION),
    )
rows(BOTH, _D, "Convert", (at.spoilt, HRESULT.VM_E_INVALID_HD_FILE), (at.in_use, _SHARING), (at.full, _FULL))
rows(BOTH, _D, "Convert", (at.off, _WRONG_DISK, ANY, (r"C:\new.vhd", 2)))
rows((VPC,), _D, "Convert", (at.off, HRESULT.E_INVALIDARG, ANY, (r"C:\new.img", 1)))
rows(
    BOTH,
    _D,
    "MergeTo",
    (at.child, HRESULT.E_INVALIDARG, ANY, (r"C:\new.vhd", 2)),
    (at.off, _WRONG_DISK),
    (at.gone_child, _NO_FILE),
    (at.child_in_use, _SHARING),
    (at.full_child, _FULL),
)
rows(
    BOTH,
    _D,
    "Merge",
    (at.child, S_OK),
    (at.off, _WRONG_DISK),
    (at.linked, _WRONG_DISK),
    (at.parent_in_use, _SHARING),
    (at.read_only, HRESULT.VM_E_FILE_READ_ONLY),
    (at.orphan, HRESULT.VM_E_PARENT_PATH_NOT_FOUND),
    (at.remote_child, EXCEPTION),
)
never(BOTH, _D, "Compact Convert Merge MergeTo", "VM_E_APP_SHUTTING_DOWN", _ENDING)

# -- connections and drives ------------------------------------------------------------------------------------

_C = "IVMHardDiskConnection"
_NUMBERS = (at.off, S_OK, 0), (at.removed, _INVALID), (at.dead_daemon, EXCEPTION)
rows(BOTH, _C, "BusNumber DeviceNumber", *_NUMBERS, (at.undefined, UNKNOWN))
rows((VS,), _C, "BusType", (at.off, S_OK), *_NUMBERS[1:], (at.undefined, UNKNOWN))
_THERE = (at.removed, _INVALID), (at.undefined, UNKNOWN), (at.dead_daemon, EXCEPTION)
rows(BOTH, _C, "HardDisk", (at.off, S_OK), (at.undoable, S_OK), *_THERE)
rows(BOTH, _C, "UndoHardDisk", (at.undoable, S_OK), *_THERE)
rows((VS,), _C, "UndoHardDisk", (at.off, EXCEPTION))
rows((VPC,), _C, "UndoHardDisk", (at.off, _NO_FILE))

for _product in (VS, VPC):
    _busy = IS_RUNNING if _product is VS else _SAVED
    _free, _taken, _none = (_location(_product, *numbers) for numbers in ((0, 1), (1, 1), (2, 0)))
    for _interface in ("IVMHardDiskConnection", "IVMDVDDrive"):
        rows(
            (_product,),
            _interface,
            "SetBusLocation",
            (at.off, S_OK, ANY, _free),
            (at.off, HRESULT.E_INVALIDARG, ANY, _none),
            (at.off, _IN_USE, ANY, _taken),
            (at.running, _busy, ANY, _free),
            (at.saved, _busy, ANY, _free),
            (at.removed, _INVALID, ANY, _free),
            (at.undefined, UNKNOWN, ANY, _free),
            (at.dead_daemon, EXCEPTION, ANY, _free),
        )
rows((VS,), "IVMDVDDrive", "SetBusLocation", (at.off, HRESULT.E_INVALIDARG, ANY, (1, 0, 1)))

_V = "IVMDVDDrive"
rows(BOTH, _V, "BusNumber", (at.off, S_OK, 1), *_NUMBERS[1:])
rows(BOTH, _V, "DeviceNumber", *_NUMBERS)
rows((VS,), _V, "BusType", (at.off, S_OK), *_NUMBERS[1:])
rows(
    BOTH,
    _V,
    "Attachment",
    (at.off, S_OK, VMDVDDriveAttachmentType.vmDVDDrive_None),
    (at.holding, S_OK, VMDVDDriveAttachmentType.vmDVDDrive_Image),
    (at.with_host_drive, S_OK, VMDVDDriveAttachmentType.vmDVDDrive_HostDrive),
    *_THERE,
)
rows(BOTH, _V, "ImageFile", (at.holding, S_OK, r"C:\cd.iso"), (at.off, _WRONG_MEDIA), *_THERE)
rows(BOTH, _V, "HostDriveLetter", (at.with_host_drive, S_OK, "/dev/null"), (at.off, _WRONG_MEDIA), *_THERE[1:])
rows(BOTH, _V, "ReleaseImage", (at.holding, S_OK), (at.off, _WRONG_MEDIA), (at.with_host_drive, _WRONG_MEDIA))
rows(BOTH, _V, "ReleaseHostDrive", (at.with_host_drive, S_OK), (at.off, _WRONG_MEDIA), (at.holding, _WRONG_MEDIA))
rows(BOTH, _V, "ReleaseImage ReleaseHostDrive", *_THERE)
for _member, _arg in (("AttachImage", r"C:\other.iso"), ("AttachHostDrive", "/dev/null")):
    rows(
        BOTH,
        _V,
        _member,
        (at.off, S_OK, ANY, (_arg,)),
        (at.holding, HRESULT.VM_E_DRIVE_IN_USE, ANY, (_arg,)),
        *((situation, code, ANY, (_arg,)) for situation, code in _THERE),
    )
rows(BOTH, _V, "AttachHostDrive", (at.off, HRESULT.E_INVALIDARG, ANY, ("Q:",)))
rows(BOTH, _V, "AttachImage", (at.off, EXCEPTION, ANY, (r"C:\nobody.iso",)))
rows(BOTH, _V, "AttachImage", (at.off, EXCEPTION, ANY, (r"C:\data.img",)))
rows((VS,), _V, "AttachImage", (at.off, EXCEPTION, ANY, (r"C:\free.vhd",)))
rows((VPC,), _V, "AttachImage", *((at.off, HRESULT.E_INVALIDARG, ANY, (path,)) for path in ("", r"C:\free.vhd")))
_NO_FAIL = "no failure is without a better code"
never(
    (VPC,),
    _V,
    "Attachment ImageFile HostDriveLetter AttachHostDrive ReleaseHostDrive SetBusLocation",
    "E_FAIL",
    _NO_FAIL,
)

_F = "IVMFloppyDrive"
_LEFT = _THERE[1:]
rows(BOTH, _F, "DriveNumber", (at.off, S_OK, 0), (at.holding, S_OK, 1), (at.dead_daemon, EXCEPTION))
rows(
    BOTH,
    _F,
    "Attachment",
    (at.off, S_OK, VMFloppyDriveAttachmentType.vmFloppyDrive_None),
    (at.holding, S_OK, VMFloppyDriveAttachmentType.vmFloppyDrive_Image),
    (at.with_host_drive, S_OK, VMFloppyDriveAttachmentType.vmFloppyDrive_HostDrive),
    *_LEFT,
)
rows(BOTH, _F, "ImageFile", (at.off, S_OK, ""), (at.holding, S_OK, r"C:\floppy.vfd"), *_LEFT)
rows(BOTH, _F, "HostDriveLetter", (at.off, S_OK, ""), (at.with_host_drive, S_OK, "/dev/null"), *_LEFT)
rows(BOTH, _F, "ReleaseImage", (at.holding, S_OK), (at.off, _NO_MEDIA), (at.with_host_drive, _WRONG_MEDIA), *_LEFT)
rows(BOTH, _F, "ReleaseHostDrive", (at.with_host_drive, S_OK), (at.off, _NO_MEDIA), (at.holding, _WRONG_MEDIA))
rows(BOTH, _F, "ReleaseHostDrive", *_LEFT)
for _member, _arg in (("AttachImage", r"C:\free.img"), ("AttachHostDrive", "/dev/null")):
    rows(BOTH, _F, _member, (at.off, S_OK, ANY, (_arg,)))
    rows(BOTH, _F, _member, *((situation, code, ANY, (_arg,)) for situation, code in _LEFT))
_CAPTURE = HRESULT.VM_E_IMAGE_CAPTURE_FAIL
rows(BOTH, _F, "AttachImage", (at.holding, _CAPTURE, ANY, (r"C:\free.img",)))
rows(BOTH, _F, "AttachImage", (at.off, _CAPTURE, ANY, (r"C:\nobody.img",)))
rows(BOTH, _F, "AttachImage", (at.off, _CAPTURE, ANY, (r"C:\data.img",)))
rows((VS,), _F, "AttachImage", *((at.off, _CAPTURE, ANY, args) for _, _, _, args in _paths()))
rows((VS,), _F, "AttachImage", (at.off, _CAPTURE, ANY, (r"C:\free.vhd",)))
rows((VPC,), _F, "AttachImage", (at.off, HRESULT.E_INVALIDARG, ANY, (r"C:\free.vhd",)))
rows((VPC,), _F, "AttachImage", *_paths()[1:], (at.host_drive, HRESULT.E_INVALIDARG, ANY, (r"C:\free.img",)))
never((VPC,), _F, "AttachImage", "E_OUTOFMEMORY", "an image is not read into memory")
rows(BOTH, _F, "AttachHostDrive", (at.off, HRESULT.E_INVALIDARG, ANY, ("Q:",)))
rows((VS,), _F, "AttachHostDrive", (at.holding, HRESULT.VM_E_HOST_FLOPPY_CAPTURE_FAIL, ANY, ("/dev/null",)))
rows((VPC,), _F, "AttachHostDrive", (at.holding, HRESULT.E_INVALIDARG, ANY, ("/dev/null",)))

_S = "IVMSCSIController"
rows((VS,), _S, "_ID", (at.off, S_OK, 0), (at.undefined, S_OK, 0))
never((VS,), _S, "_ID", "DISP_E_EXCEPTION", "what an object was made of is known")
rows((VS,), _S, "SCSIID", (at.off, S_OK, 7), (at.removed, EXCEPTION), *_LEFT)
rows((VS,), _S, "IsBusShared", (at.off, S_OK, False), (at.removed, EXCEPTION), *_LEFT)
rows(
    (VS,),
    _S,
    "Configure",
    (at.off, S_OK, ANY, (False, 7)),
    (at.off, HRESULT.E_INVALIDARG, ANY, (False, 5)),
    (at.off, HRESULT.VM_E_PREF_NOT_FOUND, ANY, (True, 6)),
    (at.undefined, UNKNOWN, ANY, (False, 7)),
    (at.dead_daemon, EXCEPTION, ANY, (False, 7)),
)

for _products, _interface, _count in (
    (BOTH, "IVMHardDiskConnectionCollection", 3),
    (BOTH, "IVMDVDDriveCollection", 2),
    (BOTH, "IVMFloppyDriveCollection", 2),
    ((VS,), "IVMSCSIControllerCollection", 2),
):
    rows(_products, _interface, "Count", (at.off, S_OK, _count), *_LEFT)
    rows(_products, _interface, "Item", (at.off, S_OK), (at.off, S_OK, ANY, (_count,)), *_LEFT)
    _wrong_indices = ((at.off, HRESULT.DISP_E_BADINDEX, ANY, (index,)) for index in (-1, 0, _count + 1))
    rows(_products, _interface, "Item", *_wrong_indices)
    rows(_products, _interface, "_NewEnum", (at.off, S_OK), (at.dead_daemon, EXCEPTION), (at.undefined, EXCEPTION))
never((VPC,), "IVMDVDDriveCollection", "Count Item _NewEnum", "E_FAIL", _NO_FAIL)
