"""Images of hard disks and floppy disks.

Where the name of a new hard disk ends with .vhd it is a VHD; other endings make other formats
(`vpcshim.model.images`), and a name that says nothing of that kind is refused.

Sources: the pages of these members of IVMVirtualServer and IVMVirtualPC.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vpcshim.com.declare import method
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.constants import VMFloppyDiskImageType, VMHardDiskType
from vpcshim.model.base import ModelObject
from vpcshim.model.hostfiles import told
from vpcshim.model.task import Task

if TYPE_CHECKING:
    from vpcshim.model.devices.hard_disk import HardDisk

_PATH = (
    HRESULT.E_PATH_NOT_FOUND,
    HRESULT.E_INVALID_NAME,
    HRESULT.E_BAD_PATHNAME,
    HRESULT.E_BUFFER_OVERFLOW,
)
_NEW = (*_PATH, HRESULT.E_ALREADY_EXISTS, HRESULT.E_DISK_FULL)
_SIZES = (HRESULT.VM_E_IMAGE_SIZE_TOO_LARGE, HRESULT.VM_E_IMAGE_SIZE_TOO_SMALL)
_MB = 1 << 20
_SMALLEST, _LARGEST = 3, 2_088_960  # MB, as documented: the format has no room for more

_FLOPPIES = {
    368_640: VMFloppyDiskImageType.vmFloppyDiskImage_LowDensitySingleSided,
    737_280: VMFloppyDiskImageType.vmFloppyDiskImage_LowDensity,
    1_228_800: VMFloppyDiskImageType.vmFloppyDiskImage_MediumDensity,
    1_474_560: VMFloppyDiskImageType.vmFloppyDiskImage_HighDensity,
    1_720_320: VMFloppyDiskImageType.vmFloppyDiskImage_DMF,
    # Disks of a PC that the type library has no name for.
    **dict.fromkeys((163_840, 184_320, 327_680, 2_949_120), VMFloppyDiskImageType.vmFloppyDiskImage_Unknown),
}
_MADE = (VMFloppyDiskImageType.vmFloppyDiskImage_LowDensity, VMFloppyDiskImageType.vmFloppyDiskImage_HighDensity)


class Disks(ModelObject):
    """CreateDynamicVirtualHardDisk and its like, GetHardDisk, CreateFloppyDiskImage, GetFloppyDiskImageType."""

    @method(
        vs=0x60020013,
        vpc=0x6002000C,
        vt=VT.DISPATCH,
        params=(VT.BSTR, VT.I4),
        fails=(HRESULT.E_INVALIDARG, *_NEW, *_SIZES, HRESULT.VM_E_FILE_TOO_LARGE_FOR_VOLUME),
    )
    def CreateDynamicVirtualHardDisk(self, imagePath: str, size: int) -> Task:
        """Make an image that grows with what is written to it (IVMTask).

        Args:
            imagePath: The image, .vhd or .qcow2; its folder is made if there is none. A file that is there is kept,
                and E_ALREADY_EXISTS.
            size: The size of the disk in MB, 3..2088960.
        """
        from vpcshim.model import images

        return self._create("dynamic", images.DYNAMIC, imagePath, size)

    @method(
        vs=0x60020014,
        vpc=0x6002000D,
        vt=VT.DISPATCH,
        params=(VT.BSTR, VT.I4),
        fails=(HRESULT.E_INVALIDARG, *_NEW, *_SIZES, HRESULT.VM_E_FILE_TOO_LARGE_FOR_VOLUME),
    )
    def CreateFixedVirtualHardDisk(self, imagePath: str, size: int) -> Task:
        """Make an image of fixed size, whose room on the host's disk is taken at once (IVMTask).

        Args:
            imagePath: The image, .vhd, .img or .raw; as `CreateDynamicVirtualHardDisk`.
            size: The size of the disk in MB, 3..2088960.
        """
        from vpcshim.model import images

        return self._create("fixed", images.FIXED, imagePath, size)

    def _create(self, word: str, wanted: VMHardDiskType, path: str, size: int) -> Task:
        from vpcshim.model import images

        if size <= 0:
            raise Failure(
                HRESULT.E_INVALIDARG, f"the size of a disk is a number of MB, {_SMALLEST} or more, not {size}"
            )
        if not _SMALLEST <= size <= _LARGEST:
            code = _SIZES[0] if size > _LARGEST else _SIZES[1]
            raise Failure(code, f"a disk has {_SMALLEST} to {_LARGEST} MB, not {size}")
        kind = images.kind_of(self._paths.to_host(path), wanted)
        target = images.new_file(self, path)
        images.check_room(target.parent, size * _MB if kind.allocated else 0)
        return images.make(
            self,
            f"Creating the {word} disk {target}",
            target,
            lambda beside, job: images.create(beside, job, kind, size * _MB),
        )

    @method(
        vs=0x60020015,
        vpc=0x6002000E,
        vt=VT.DISPATCH,
        params=(VT.BSTR, VT.BSTR),
        fails=_NEW,
    )
    def CreateDifferencingVirtualHardDisk(self, imagePath: str, parentPath: str) -> Task:
        """Make an image that holds what differs from its parent (IVMTask): a qcow2 over an image of any format.

        QEMU has no differencing .vhd: E_INVALID_NAME for a name that does not end with .qcow2.

        Args:
            imagePath: The image; as `CreateDynamicVirtualHardDisk`.
            parentPath: The image beneath, which nobody is to write to from then on. One of the two paths may be
                relative to the folder of the other.
        """
        from vpcshim.hypervisor import qemuimg
        from vpcshim.model import images
        from vpcshim.model.devices.hard_disk import HardDisk

        images.need_local(self)
        child, parent = self._pair(imagePath, parentPath)
        if child.suffix.lower() != ".qcow2":
            text = f"{imagePath}: QEMU has no differencing .vhd, and a file that says .vhd is one: name it .qcow2"
            raise Failure(HRESULT.E_INVALID_NAME, text)
        images.check_there(parent, parentPath)
        beneath, form = HardDisk(self, parent)._usable()
        target = images.new_file(self, str(child))
        images.check_room(target.parent)
        return images.make(
            self,
            f"Creating the differencing disk {target} over {beneath}",
            target,
            lambda beside, _job: qemuimg.create(beside, format="qcow2", backing=beneath, backing_format=form),
        )

    def _pair(self, image: str, parent: str) -> tuple[Path, Path]:
        """The two paths, of which one may be relative to the folder of the other."""
        try:
            child = self._paths.to_host(image)
        except Failure as failure:
            if failure.code is not HRESULT.E_BAD_PATHNAME:
                raise
            beneath = self._paths.to_host(parent)
            return self._paths.to_host(image, base=beneath.parent), beneath
        return child, self._paths.to_host(parent, base=child.parent)

    @method(
        vs=0x60020016,
        vt=VT.DISPATCH,
        params=(VT.BSTR, VT.BSTR, VT.BOOL),
        fails=(
            *_NEW,
            *_SIZES,
            HRESULT.VM_E_FILE_TOO_LARGE_FOR_VOLUME,
            HRESULT.VM_E_APP_SHUTTING_DOWN,
        ),
        unavailable="no format of images that qemu-img makes is meant to stand for a drive of the host; the drive "
        "itself is attached: AddHardDiskConnection takes its device, as /dev/sdb, for a path",
    )
    def CreateHostDriveVirtualHardDisk(self, imagePath: str, hostDriveIdentifier: str, mountReadOnly: bool) -> None:
        """Make an image that stands for a drive of the host."""

    @method(
        vs=0x60020017,
        vpc=0x6002000F,
        vt=VT.DISPATCH,
        params=(VT.BSTR,),
        fails=(HRESULT.E_FILE_NOT_FOUND, *_PATH),
        reads=True,
    )
    def GetHardDisk(self, imagePath: str) -> HardDisk:
        """The image of that path (IVMHardDisk), which is there; what it is, its properties find out."""
        from vpcshim.model import images
        from vpcshim.model.devices.hard_disk import HardDisk

        return HardDisk(self, images.existing(self, imagePath))

    @method(
        vs=0x60020018,
        vpc=0x60020010,
        params=(VT.BSTR, VT.I4),
        fails=(HRESULT.E_INVALIDARG, *_NEW),
    )
    def CreateFloppyDiskImage(self, imagePath: str, imageType: int) -> None:
        """Make an image of an empty, unformatted floppy disk; its folder is made if there is none.

        Args:
            imagePath: The image.
            imageType: vmFloppyDiskImage_LowDensity (720 KB) or vmFloppyDiskImage_HighDensity (1.44 MB).
        """
        from vpcshim.model import images

        size = next((size for size, kind in _FLOPPIES.items() if kind in _MADE and kind == imageType), None)
        if size is None:
            made = " or ".join(f"{kind.value} ({kind.name})" for kind in _MADE)
            raise Failure(HRESULT.E_INVALIDARG, f"an image of a floppy disk is of the type {made}, not {imageType}")
        target = images.new_file(self, imagePath)
        images.check_room(target.parent)
        beside = images.beside_of(target)
        with told(f"{target} cannot be made"):
            try:
                beside.write_bytes(bytes(size))
                images.put(beside, target)
            finally:
                beside.unlink(missing_ok=True)

    @method(
        vs=0x60020019,
        vpc=0x60020011,
        vt=VT.I4,
        params=(VT.BSTR,),
        fails=(HRESULT.E_FILE_NOT_FOUND, *_PATH),
        reads=True,
    )
    def GetFloppyDiskImageType(self, imagePath: str) -> VMFloppyDiskImageType:
        """The type of an image of a floppy disk (VMFloppyDiskImageType), by its size.

        vmFloppyDiskImage_Unknown for the size of a PC's floppy disk without a name; any other file is an error.
        """
        from vpcshim.model import images

        path = images.existing(self, imagePath)
        size = path.stat().st_size
        if size not in _FLOPPIES or not path.is_file():
            text = f"{imagePath} is no image of a floppy disk: these have {', '.join(map(str, _FLOPPIES))} bytes"
            raise Failure(HRESULT.DISP_E_EXCEPTION, f"{text}, not {size}")
        return _FLOPPIES[size]
