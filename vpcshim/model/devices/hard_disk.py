"""IVMHardDisk: an image of a hard disk, a file of the hypervisor's host (or a drive of it).

A differencing image is a qcow2 over its parent, or a differencing .vhd that came from elsewhere: QEMU would take
the latter for a dynamic one with holes, so it is only read here, to be merged into a new image (`MergeTo`).

Sources: the IVMHardDisk pages of both products' references; qemu-img's manual page.
"""

from __future__ import annotations

import os
import shutil
import stat
from decimal import Decimal
from pathlib import Path

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import S_FALSE, Product, SFalse
from vpcshim.com.variant import VT
from vpcshim.constants import VMHardDiskType
from vpcshim.hypervisor import disks, qemuimg
from vpcshim.hypervisor.imagelock import held
from vpcshim.hypervisor.qemuimg import Job
from vpcshim.migrate import vhd
from vpcshim.model import images
from vpcshim.model.base import ModelObject
from vpcshim.model.hostfiles import told
from vpcshim.model.images import Kind
from vpcshim.model.task import Task, begin
from vpcshim.model.work import Work

_WRONG_TYPE = HRESULT.VM_E_WRONG_HD_IMAGE_TYPE
_DIFFERENCING, _HOST_DRIVE = VMHardDiskType.vmDiskType_Differencing, VMHardDiskType.vmDiskType_HostDrive
_OPEN = (HRESULT.E_FILE_NOT_FOUND, HRESULT.VM_E_HD_IMAGE_OPEN_FAIL, HRESULT.VM_E_HD_IMAGE_ACCESS)
_NEW_PATH = (
    HRESULT.E_PATH_NOT_FOUND,
    HRESULT.E_INVALID_NAME,
    HRESULT.E_BAD_PATHNAME,
    HRESULT.E_BUFFER_OVERFLOW,
    HRESULT.E_ALREADY_EXISTS,
)
_WRITES = (HRESULT.E_SHARING_VIOLATION, HRESULT.E_DISK_FULL, _WRONG_TYPE)
_QCOW2_SNAPSHOTS = 60  # where the number of a qcow2's own snapshots stands


class HardDisk(
    ModelObject,
    interface="IVMHardDisk",
    vs="{DDE45EFD-EF3A-4923-951B-A3F7FF963F07}",
    vpc="{FFA14AE6-48F5-42A4-8A22-186F2E5C7DB0}",
):
    """An image of a hard disk."""

    def __init__(self, of: ModelObject, path: Path, form: str | None = None) -> None:
        """The image at that path; its format where a definition says it, None for what its name says."""
        super().__init__(of._product_, of._server, of._options)
        self._path = path
        self._form = form

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HardDisk):
            return NotImplemented
        return self._path == other._path and self._server is other._server and self._product_ is other._product_

    def __hash__(self) -> int:
        return hash(self._path)

    # -- what it is --------------------------------------------------------------------------------------------

    @propget(vs=0x60020004, vpc=0x60020004, vt=VT.BSTR)
    def File(self) -> str:
        """The full path of the image."""
        return self._paths.to_script(self._path)

    @propget(vs=0x60020005, vpc=0x60020005, vt=VT.I4, fails=(HRESULT.VM_E_DRIVE_INVALID, *_OPEN))
    def Type(self) -> VMHardDiskType:
        """The type (VMHardDiskType): a raw image is of fixed size, one over a parent is differencing.

        A drive of the host is vmDiskType_HostDrive, and VM_E_DRIVE_INVALID with Windows Virtual PC, which has no
        such type.
        """
        found = images.type_of(self._path, self._format())
        if found is _HOST_DRIVE and self._product_ is Product.VIRTUAL_PC:
            text = f"{self._path} is a drive of the host, of which Windows Virtual PC has no hard disk type"
            raise Failure(HRESULT.VM_E_DRIVE_INVALID, text)
        return found

    @propget(vs=0x60020007, vpc=0x60020006, vt=VT.DECIMAL, fails=_OPEN)
    def SizeInGuest(self) -> Decimal:
        """The size of the disk as the guest sees it, in bytes.

        Of a .vhd it is what QEMU makes of it, which goes by the geometry for images of some other programs.
        """
        form = self._format()
        if images.type_of(self._path, form) is _DIFFERENCING and form == images.VHD:
            return Decimal(images.vhd_footer(self._path).size)
        return Decimal(images.info(self._path, form).virtual_size)

    @propget(vs=0x60020008, vpc=0x60020007, vt=VT.DECIMAL, vpc_fails=(HRESULT.E_FILE_NOT_FOUND,))
    def SizeOnHost(self) -> Decimal:
        """What the image takes of the host's disk, in bytes; holes in the file take none."""
        self._check_there()
        return Decimal(self._path.stat().st_blocks * 512)

    @propget(vs=0x60020009, vpc=0x60020008, vt=VT.DECIMAL, fails=(HRESULT.E_BAD_PATHNAME,))
    def HostFreeDiskSpace(self) -> Decimal:
        """The bytes that are left on the file system of the image; E_BAD_PATHNAME when its folder is gone."""
        images.need_local(self)
        return Decimal(images.free_space(self._path.parent))

    @propget(
        vs=0x6002000C,
        vt=VT.BSTR,
        fails=(HRESULT.VM_E_HOST_DRIVE_NOT_FOUND, *_OPEN),
    )
    def HostDriveIdentifier(self) -> str | SFalse:
        """The device of the host that the disk is, as /dev/sdb; S_FALSE and "" for an image.

        VM_E_HOST_DRIVE_NOT_FOUND when the device is gone.
        """
        images.need_local(self)
        if self._path.is_relative_to("/dev") and not self._path.exists():
            raise Failure(HRESULT.VM_E_HOST_DRIVE_NOT_FOUND, f"the host has no drive {self._path}")
        self._check_there()
        return str(self._path) if self._path.is_block_device() else S_FALSE

    @propget(
        vs=0x60020006,
        vt=VT.DISPATCH,
        fails=(HRESULT.E_OUTOFMEMORY, HRESULT.E_FILE_NOT_FOUND),
        unavailable="an image is a file of the host, whose permissions and labels libvirt sets itself when a "
        "machine starts; it has no access rights of its own for each image",
    )
    def Security(self) -> None:
        """The access rights of the image's file."""

    # -- its parent --------------------------------------------------------------------------------------------

    @propget(
        vs=0x6002000A,
        vpc=0x60020009,
        vt=VT.DISPATCH,
        fails=(HRESULT.E_PATH_NOT_FOUND, HRESULT.VM_E_PARENT_CHILD_ID_MISMATCH, *_OPEN),
    )
    def Parent(self) -> HardDisk | SFalse:
        """The image beneath a differencing one; a null object, with S_FALSE, for all others.

        Setting it makes a qcow2 lie over another image: VM_E_PARENT_CHILD_ID_MISMATCH when that holds a disk of
        another size. A qcow2 does not know its parent by an identifier: whether the data is the same is for the
        caller to know. The parent of a differencing .vhd stands beside it and cannot be set.
        """
        found = self._parent()
        if found is None:
            return S_FALSE
        images.check_there(found._path, str(found._path))
        return found

    @Parent.write
    def _put_Parent(self, parent: HardDisk | None) -> None:
        form = self._format()
        if not isinstance(parent, HardDisk):
            raise Failure(HRESULT.E_POINTER, "a parent is an IVMHardDisk: see GetHardDisk")
        if form != "qcow2" or images.type_of(self._path, form) is not _DIFFERENCING:
            text = f"{self._path} is no differencing image of the format qcow2, whose parent alone can be set"
            raise Failure(HRESULT.VM_E_HD_IMAGE_OPEN_FAIL, text)
        self._refuse_in_use()
        beneath, beneath_form = parent._usable()
        if any(image._path == self._path for image in _chain(parent)):
            raise Failure(HRESULT.VM_E_PARENT_CHILD_ID_MISMATCH, f"{beneath} lies over {self._path} itself")
        own, other = (images.info(*image).virtual_size for image in ((self._path, form), (beneath, beneath_form)))
        if own != other:
            text = f"{beneath} holds a disk of {other} bytes, and {self._path} was made over one of {own}"
            raise Failure(HRESULT.VM_E_PARENT_CHILD_ID_MISMATCH, text)
        qemuimg.rebase(self._path, beneath, beneath_form, format=form)

    def _parent(self) -> HardDisk | None:
        """The image beneath, which may be missing; None for none."""
        form = self._format()
        if images.type_of(self._path, form) is not _DIFFERENCING:
            return None
        if form == images.VHD:
            try:
                return HardDisk(self, vhd.parent(self._path), images.VHD)
            except vhd.ParentMissing as error:
                otherwise = (HRESULT.VM_E_PARENT_PATH_NOT_FOUND,)
                raise Failure(HRESULT.E_FILE_NOT_FOUND, str(error), otherwise=otherwise) from error
            except vhd.ParentMismatch as error:
                otherwise = (HRESULT.VM_E_PARENT_PATH_NOT_FOUND,)
                raise Failure(HRESULT.VM_E_PARENT_CHILD_ID_MISMATCH, str(error), otherwise=otherwise) from error
            except (vhd.VhdError, OSError) as error:
                raise Failure(HRESULT.VM_E_HD_IMAGE_OPEN_FAIL, str(error)) from error
        found = images.info(self._path, form)
        if found.backing_path is None:
            text = f"{self._path} lies over {found.backing}, which is no file of the host"
            raise Failure(HRESULT.VM_E_HD_IMAGE_OPEN_FAIL, text)
        if found.backing_format is None:
            # QEMU would guess, and so take a raw image for whatever its guest wrote into it.
            text = (
                f"{self._path} does not say of what format the image {found.backing} beneath it is: if it is raw, "
                f"qemu-img rebase -u -F raw -b {found.backing} {self._path}"
            )
            raise Failure(HRESULT.VM_E_HD_IMAGE_OPEN_FAIL, text)
        return HardDisk(self, found.backing_path, found.backing_format)

    # -- what is done with it ----------------------------------------------------------------------------------

    @method(
        vs=0x60020002,
        vpc=0x60020002,
        vt=VT.DISPATCH,
        fails=(HRESULT.VM_E_INVALID_HD_FILE, *_WRITES),
        vpc_fails=(HRESULT.VM_E_FILE_READ_ONLY,),
    )
    def Compact(self) -> Task:
        """Write a dynamic image anew without the blocks that hold zeros only (IVMTask, with percentage).

        The new image takes the place of the old one when it is whole. VM_E_WRONG_HD_IMAGE_TYPE for another type,
        and for a qcow2 with snapshots or bitmaps of its own, which would be lost; E_SHARING_VIOLATION while a
        machine uses it. Images that lie over it stay good: what it holds, and its identifier, are the same.
        """
        form = self._format()
        if images.type_of(self._path, form) is not images.DYNAMIC:
            text = f"{self._path} is no dynamic image: only these grow, and can be compacted"
            raise Failure(_WRONG_TYPE, text)
        self._refuse_read_only()
        kind = self._same_kind(form)
        self._refuse_in_use()
        target = self._path.resolve()
        job = Job()

        def run(_work: Work) -> None:
            beside = images.beside_of(target)
            try:
                with told(f"{target} cannot be compacted"), held(target):
                    images.copy(target, form, beside, job, kind)
                    self._become(target, beside, form)
                    self._refuse_in_use()
                    os.replace(beside, target)
            finally:
                beside.unlink(missing_ok=True)

        work = Work(f"Compacting {target}", run, cancel=images.canceller(job), percent=lambda: int(job.percent))
        return begin(self, work)

    @method(
        vs=0x60020003,
        vpc=0x60020003,
        vt=VT.DISPATCH,
        params=(VT.BSTR, VT.I4),
        fails=(HRESULT.VM_E_INVALID_HD_FILE, HRESULT.VM_E_PARENT_PATH_NOT_FOUND, *_NEW_PATH, *_WRITES),
        vpc_fails=(HRESULT.E_INVALIDARG,),
    )
    def Convert(self, convertedDiskImagePath: str, convertedDiskImageType: int) -> Task:
        """Copy the disk to a new dynamic or fixed image (IVMTask, with percentage); this one is kept.

        The name says the format: .vhd, .qcow2 (dynamic), .img or .raw (fixed); Windows Virtual PC takes .vhd alone.
        A differencing image is copied with what lies beneath it.
        """
        if self._product_ is Product.VIRTUAL_PC and not convertedDiskImagePath.lower().endswith(".vhd"):
            raise Failure(HRESULT.E_INVALIDARG, f"{convertedDiskImagePath}: a converted image ends with .vhd")
        return self._copied("Converting", convertedDiskImagePath, convertedDiskImageType, _WRONG_TYPE)

    @method(
        vs=0x60020001,
        vpc=0x60020001,
        vt=VT.DISPATCH,
        params=(VT.BSTR, VT.I4),
        fails=(
            HRESULT.E_INVALIDARG,
            HRESULT.E_FILE_NOT_FOUND,
            HRESULT.VM_E_PARENT_PATH_NOT_FOUND,
            *_NEW_PATH,
            *_WRITES,
        ),
    )
    def MergeTo(self, newDiskImagePath: str, newDiskImageType: int) -> Task:
        """Merge a differencing image and what lies beneath it into a new image (IVMTask, with percentage).

        All of them are kept. It is the way to use a differencing .vhd on this host.
        """
        self._need_differencing()
        return self._copied("Merging", newDiskImagePath, newDiskImageType, HRESULT.E_INVALIDARG)

    @method(
        vs=0x60020000,
        vpc=0x60020000,
        vt=VT.DISPATCH,
        fails=(
            HRESULT.E_SHARING_VIOLATION,
            _WRONG_TYPE,
            HRESULT.VM_E_FILE_READ_ONLY,
            HRESULT.VM_E_PARENT_PATH_NOT_FOUND,
        ),
    )
    def Merge(self) -> Task:
        """Write what a differencing image holds into its parent (IVMTask, with percentage).

        The image is kept, and holds the same disk as before. Other images over the same parent are worth nothing
        afterwards. It cannot be cancelled: half-way the parent is neither the old disk nor the new one; merging
        once more completes it. VM_E_WRONG_HD_IMAGE_TYPE for a differencing .vhd, which QEMU cannot write: MergeTo.
        """
        form = self._need_differencing()
        if form == images.VHD:
            text = (
                f"{self._path}: QEMU cannot merge a differencing .vhd into its parent: make a new one with MergeTo"
            )
            raise Failure(_WRONG_TYPE, text)
        parent = self._parent()
        assert parent is not None
        parent._check_parent_there()
        self._check_beneath(form)
        parent._refuse_read_only()
        parent._refuse_in_use(beneath=True)
        self._refuse_in_use()
        job = Job()

        def run(_work: Work) -> None:
            qemuimg.commit(self._path, format=form, job=job)

        return begin(self, Work(f"Merging {self._path} into {parent._path}", run, percent=lambda: int(job.percent)))

    # -- of use to these ---------------------------------------------------------------------------------------

    def _check_there(self) -> None:
        images.need_local(self)
        images.check_there(self._path, str(self._path))

    def _check_parent_there(self) -> None:
        if not self._path.exists():
            text = f"the parent {self._path} is not there"
            raise Failure(HRESULT.VM_E_PARENT_PATH_NOT_FOUND, text)

    def _format(self) -> str:
        """The format of the image, which is there.

        Raises:
            Failure: It is not there, or not what its name says.
        """
        self._check_there()
        return self._form or images.format_of(self._path)

    def _check_beneath(self, form: str) -> None:
        """Refuse an image from elsewhere that lies over any file; one of a machine's was given it by somebody here.

        Raises:
            Failure: VM_E_INVALID_HD_FILE.
        """
        if self._form is None and form != images.VHD:
            images.check_whole(self._path, form)

    def _usable(self) -> tuple[Path, str]:
        """The path and the format of an image that QEMU can use.

        Raises:
            Failure: VM_E_WRONG_HD_IMAGE_TYPE (else VM_E_HD_IMAGE_OPEN_FAIL) for a differencing .vhd.
        """
        form = self._format()
        if form == images.VHD and images.type_of(self._path, form) is _DIFFERENCING:
            text = f"QEMU cannot use the differencing image {self._path}: make a new one of it with MergeTo"
            otherwise = (HRESULT.VM_E_UNSUPPORTED_HD_DISK_TYPE, HRESULT.VM_E_HD_IMAGE_OPEN_FAIL)
            raise Failure(_WRONG_TYPE, text, otherwise=otherwise)
        return self._path, form

    def _need_differencing(self) -> str:
        form = self._format()
        if images.type_of(self._path, form) is not _DIFFERENCING:
            text = f"{self._path} is no differencing image: there is nothing to merge"
            raise Failure(_WRONG_TYPE, text)
        return form

    def _refuse_in_use(self, *, beneath: bool = False, to_read: bool = False) -> None:
        """Refuse an image that a running or saved machine writes to, or `beneath` its disk reads.

        One that is only `to_read` may be a saved machine's.

        Raises:
            Failure: E_SHARING_VIOLATION.
        """
        here = os.path.realpath(self._path)
        with self._server.connection.calls() as connect:
            users = disks.active_users(connect, beneath=beneath, saved=not to_read)
        name = next((name for path, name in users.items() if os.path.realpath(path) == here), None)
        if name is not None:
            text = f"{self._path} is in use: {name} runs with it, or is saved"
            raise Failure(HRESULT.E_SHARING_VIOLATION, text)

    def _refuse_read_only(self) -> None:
        if not self._path.stat().st_mode & 0o222:
            text = f"{self._path} is read-only: let it be written first (chmod u+w)"
            raise Failure(HRESULT.VM_E_FILE_READ_ONLY, text)

    def _same_kind(self, form: str) -> Kind:
        """How an image like this one is made; refused where more than its disk would be lost."""
        if form == images.VHD:
            return Kind(form, {"subformat": "dynamic", "force_size": "on"})
        found = images.info(self._path, form)
        has = [word for word in ("bitmaps", "encrypt", "data-file") if found.specific.get(word)]
        if form == "qcow2":
            with self._path.open("rb") as file:
                file.seek(_QCOW2_SNAPSHOTS)
                has += ["snapshots"] if any(file.read(4)) else []
        if has:
            text = f"{self._path} has {' and '.join(has)} of its own, which would be lost: use qemu-img"
            raise Failure(_WRONG_TYPE, text)
        return Kind(form, {} if found.cluster_size is None else {"cluster_size": str(found.cluster_size)})

    def _become(self, target: Path, beside: Path, form: str) -> None:
        """Give the new image what is the old one's beside its data."""
        if form == images.VHD:
            vhd.set_id(beside, vhd.footer(target).id)
        was = target.stat()
        qemuimg.hand_over(beside, was.st_uid, was.st_gid, stat.S_IMODE(was.st_mode))
        shutil.copystat(target, beside, follow_symlinks=False)
        with beside.open("rb") as file:
            os.fsync(file.fileno())

    def _copied(self, word: str, path: str, wanted: int, wrong: HRESULT) -> Task:
        form = self._format()
        if wanted not in (images.DYNAMIC, images.FIXED):
            text = f"a new image is dynamic ({images.DYNAMIC}) or of fixed size ({images.FIXED}), not {wanted}"
            raise Failure(wrong, text)
        host = self._paths.to_host(path)
        kind = images.kind_of(host, VMHardDiskType(wanted))
        for beneath in _chain(self)[1:]:
            beneath._check_parent_there()
        self._check_beneath(form)
        self._refuse_in_use(to_read=True)
        target = images.new_file(self, path)
        images.check_room(target.parent)
        return images.make(
            self,
            f"{word} {self._path} to {target}",
            target,
            lambda beside, job: images.copy(self._path, form, beside, job, kind),
        )


def _chain(disk: HardDisk) -> list[HardDisk]:
    """The image and those beneath it, as far as they are there."""
    chain = [disk]
    while chain[-1]._path.exists() and len(chain) < 256:
        beneath = chain[-1]._parent()
        if beneath is None:
            break
        chain.append(beneath)
    return chain
