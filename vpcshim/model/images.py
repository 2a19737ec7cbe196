"""Images of hard disks as files of the hypervisor's host: what format a file is, and making new ones.

The format of a file is never guessed from what a guest may have written. A raw image is whatever its guest made of
it: were it taken for a qcow2 because its first sector says so, the guest could name any file of the host as its
backing file and read it. So the name says what an image is, and its content has to agree: `web.vhd` without the
footer of a .vhd is refused, and so is `web.img` that looks like a qcow2 (rename it, if it is one). The format then
stands in the definition, where QEMU and libvirt do not guess either.
"""

from __future__ import annotations

import codecs
import errno
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.constants import VMHardDiskType
from vpcshim.hypervisor import imageerrors, qemuimg
from vpcshim.hypervisor.errors import Unsupported
from vpcshim.hypervisor.qemuimg import ImageInfo, Job
from vpcshim.migrate import vhd
from vpcshim.model import hostfiles
from vpcshim.model.base import ModelObject
from vpcshim.model.hostfiles import told
from vpcshim.model.task import Task, begin
from vpcshim.model.work import Work

logger = logging.getLogger(__name__)

RAW, VHD = "raw", "vpc"
_BY_NAME = {
    ".vhd": VHD,
    ".vhdx": "vhdx",
    ".vmdk": "vmdk",
    ".vdi": "vdi",
    ".qcow2": "qcow2",
    ".qed": "qed",
    ".img": RAW,
    ".raw": RAW,
    ".iso": RAW,
}
_IMAGES = frozenset((*_BY_NAME, ".vud", ".vfd", ".flp", ".ima"))
_HARD_DISKS = tuple(ending for ending in _BY_NAME if ending != ".iso")
# What stands where in an image of each format. A VMDK of text is left out: it names other files of the host.
_MAGIC = (
    (0, b"conectix", VHD),
    (0, b"QFI\xfb", "qcow2"),
    (0, b"QED\0", "qed"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
)
_LOOKED_AT = 4096
# A text of UTF-16 begins so: with its mark, or as XML of Windows without one.
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", b"<\0": "utf-16-le"}
# What may lie over another image, beside .vhd, of which QEMU knows no such ones.
_DIFFERENCING = ("qcow2", "qed", "vmdk")
# Images that are but the table of contents of other files of the host: a qcow2 with its data in another file (a bit
# of its incompatible features), a VMDK whose header says that a text follows (a capacity of 0).
_QCOW2_FEATURES, _QCOW2_DATA_FILE = slice(72, 80), 1 << 2
_VMDK_CAPACITY = slice(12, 20)
_BESIDE = re.compile(r"\..+\.vpcshim-new-([0-9]{1,9})-[0-9a-f]{8}")
_ABANDONED = 600.0  # seconds since the last write to it
_ROOM = 8 << 20  # bytes that have to be free, beside what a fixed disk takes

_TOO_LARGE = os.strerror(errno.EFBIG)

DYNAMIC, FIXED = VMHardDiskType.vmDiskType_Dynamic, VMHardDiskType.vmDiskType_FixedSize


@dataclass(frozen=True, slots=True)
class Kind:
    """How a new image is made: its format, qemu-img's options, and whether its room is taken at once."""

    format: str
    options: Mapping[str, str]
    allocated: bool = False


# What a new image may be, by the ending of its name. force_size: the size asked for, not that of the next geometry.
_KINDS: dict[tuple[str, VMHardDiskType], Kind] = {
    (".vhd", DYNAMIC): Kind(VHD, {"subformat": "dynamic", "force_size": "on"}),
    (".vhd", FIXED): Kind(VHD, {"subformat": "fixed", "force_size": "on"}, allocated=True),
    (".qcow2", DYNAMIC): Kind("qcow2", {}),
    (".img", FIXED): Kind(RAW, {}, allocated=True),
    (".raw", FIXED): Kind(RAW, {}, allocated=True),
}


def need_local(of: ModelObject) -> None:
    """Refuse what needs the files of the hypervisor's host where that is another machine.

    Raises:
        HypervisorError: It is, or the server cannot be reached.
    """
    connection = of._server.connection
    with connection.calls():
        if not connection.is_local:
            raise Unsupported(
                f"images are files of the hypervisor's host, and {connection.label} is another machine: "
                "run this on that host"
            )


def existing(of: ModelObject, path: str) -> Path:
    """The file of the host that a script names, which is there.

    Raises:
        Failure: E_FILE_NOT_FOUND or E_PATH_NOT_FOUND, or the path is none (`DriveMap.to_host`).
    """
    need_local(of)
    host = of._paths.to_host(path)
    check_there(host, path)
    return host


def check_there(host: Path, shown: str) -> None:
    """Refuse a file that is not there.

    Raises:
        Failure: E_FILE_NOT_FOUND or E_PATH_NOT_FOUND.
    """
    if host.is_file() or host.is_block_device():
        return
    if not host.parent.is_dir():
        text = f"{shown}: there is no folder {host.parent}"
        raise Failure(HRESULT.E_PATH_NOT_FOUND, text, otherwise=(HRESULT.E_FILE_NOT_FOUND,))
    text = f"{shown}: {host} is a folder" if host.is_dir() else f"{shown}: there is no file {host}"
    raise Failure(HRESULT.E_FILE_NOT_FOUND, text)


def format_of(path: Path) -> str:
    """The format of an image by its name, which its content has to agree with.

    Raises:
        Failure: VM_E_INVALID_HD_FILE (else VM_E_HD_IMAGE_OPEN_FAIL), VM_E_HD_IMAGE_ACCESS.
    """
    if path.is_block_device():
        return RAW
    named = _BY_NAME.get(path.suffix.lower(), RAW)
    start, looks = _looked_at(path)
    if named == RAW and looks:
        text = (
            f"{path} looks like an image of the format {min(looks)}, and its name does not say so. A raw image's "
            f"guest may have written that, so it is not believed: rename it to *{_ending(min(looks))} if it is one"
        )
    elif named != RAW and named not in looks:
        text = f"{path} is no image of the format {named}, which its name says it is"
    elif _is_elsewhere(start, named):
        text = f"the data of {path} is in other files that it names: convert it with qemu-img, if you trust it"
    else:
        return named
    raise Failure(HRESULT.VM_E_INVALID_HD_FILE, text, otherwise=(HRESULT.VM_E_HD_IMAGE_OPEN_FAIL,))


def _looked_at(path: Path) -> tuple[bytes, set[str]]:
    """The beginning of an image, and the formats that it looks like.

    Raises:
        Failure: VM_E_HD_IMAGE_OPEN_FAIL, VM_E_HD_IMAGE_ACCESS.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT)
        looks = {form for place, magic, form in _MAGIC if start[place : place + len(magic)] == magic}
        if vhd.is_vhd(path):
            looks.add(VHD)
    except PermissionError as error:
        raise Failure(HRESULT.VM_E_HD_IMAGE_ACCESS, f"{path} cannot be read: {error.strerror}") from error
    except OSError as error:
        raise Failure(HRESULT.VM_E_HD_IMAGE_OPEN_FAIL, f"{path} cannot be read: {error.strerror}") from error
    return start, looks


def check_hard_disk_name(path: Path) -> None:
    """Refuse what is no hard disk by its name; a device of the host has any.

    Raises:
        Failure: E_INVALID_NAME.
    """
    if path.suffix.lower() not in _HARD_DISKS and not path.is_block_device():
        endings = f"{', '.join(_HARD_DISKS[:-1])} or {_HARD_DISKS[-1]}"
        raise Failure(HRESULT.E_INVALID_NAME, f"{path} is no hard disk by its name: these end with {endings}")


def check_removable(path: Path, drive: str) -> None:
    """Refuse what is no image of a CD or floppy disk by its content: an image of a hard disk, or a text.

    Args:
        path: The file, which is there.
        drive: What it is meant for, in words.

    Raises:
        Failure: E_INVALIDARG; VM_E_HD_IMAGE_OPEN_FAIL, VM_E_HD_IMAGE_ACCESS.
    """
    start, looks = _looked_at(path)
    if looks:
        text = (
            f"{path} looks like an image of the format {min(looks)}, and a {drive} takes raw images only: "
            "attach it as a hard disk (AddHardDiskConnection), or convert it with qemu-img"
        )
    elif _is_text(start):
        text = f"{path} is a text, not an image that a {drive} takes"
    else:
        return
    raise Failure(HRESULT.E_INVALIDARG, text)


def _is_text(start: bytes) -> bool:
    """Whether a file that begins so is a text, as no image does: these have zeros, or code."""
    encoding = _UTF16.get(start[:2], "utf-8-sig")
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(start)
    except UnicodeDecodeError:
        return False
    return bool(text) and all(character.isprintable() or character in "\t\n\r\f" for character in text)


def _is_elsewhere(start: bytes, form: str) -> bool:
    """Whether the image would have QEMU open whatever files it names, as its disk."""
    if form == "qcow2" and int.from_bytes(start[4:8], "big") > 2:
        return bool(int.from_bytes(start[_QCOW2_FEATURES], "big") & _QCOW2_DATA_FILE)
    return form == "vmdk" and start.startswith(b"KDMV") and not any(start[_VMDK_CAPACITY])


def check_image_file(path: Path) -> None:
    """Refuse what is no image by its name or no file: what a file that came from elsewhere may let a guest at.

    Raises:
        Failure: VM_E_INVALID_HD_FILE.
    """
    found = path.resolve()
    if not {path.suffix.lower(), found.suffix.lower()} <= _IMAGES:
        text = f"{found} is no image by its name"
    elif found.exists() and not found.is_file():
        text = f"{found} is no file"
    else:
        return
    raise Failure(HRESULT.VM_E_INVALID_HD_FILE, text)


def check_whole(path: Path, form: str) -> None:
    """Refuse an image of that format that a guest is not to be given as it is, for what lies beneath it.

    That is a differencing .vhd, and one that lies over what is no image: its maker may have named any file.

    Raises:
        Failure: VM_E_UNSUPPORTED_HD_DISK_TYPE, VM_E_INVALID_HD_FILE; as `format_of`, `info` and `vhd_footer` where
            an image cannot be read.
    """
    here, here_form, seen = path, form, set[Path]()
    while here_form in _DIFFERENCING and here.exists() and here not in seen:
        seen.add(here)
        found = info(here, here_form)
        if found.backing is None:
            return
        why = _no_image(found)
        if why:
            text = (
                f"{here} lies over {found.backing}, which a guest is not let at: {why}. If you trust it, make a "
                "whole image of it (qemu-img convert), or attach it with virsh attach-disk"
            )
            raise Failure(HRESULT.VM_E_INVALID_HD_FILE, text, otherwise=(HRESULT.VM_E_HD_IMAGE_OPEN_FAIL,))
        assert found.backing_path is not None
        here, here_form = found.backing_path, str(found.backing_format)
    if here_form == VHD and here.exists() and vhd_footer(here).type is vhd.VhdType.DIFFERENCING:
        text = (
            f"{here} is a differencing .vhd, which QEMU takes for a disk with holes: make a whole image of it "
            "first (GetHardDisk, MergeTo)"
        )
        raise Failure(HRESULT.VM_E_UNSUPPORTED_HD_DISK_TYPE, text)


def _no_image(of: ImageInfo) -> str:
    """Why what an image lies over is no image; "" where it is one, or is not there."""
    if of.backing_path is None or of.backing_format is None:
        return "it is no file, or its format is not said"
    try:
        check_image_file(of.backing_path)
    except Failure as failure:
        return failure.description
    if of.backing_path.exists() and format_of(of.backing_path) != of.backing_format:
        return f"it is not of the format {of.backing_format}, as the image over it says"
    return ""


def _ending(form: str) -> str:
    return next(ending for ending, known in _BY_NAME.items() if known == form)


def type_of(path: Path, form: str) -> VMHardDiskType:
    """The VMHardDiskType of an image of that format.

    Raises:
        Failure: As `info`, or VM_E_HD_IMAGE_OPEN_FAIL for a damaged .vhd.
    """
    if path.is_block_device():
        return VMHardDiskType.vmDiskType_HostDrive
    if form == RAW:
        return FIXED
    if form == VHD:
        return _VHD_TYPES[vhd_footer(path).type]
    found = info(path, form)
    return DYNAMIC if found.backing is None else VMHardDiskType.vmDiskType_Differencing


_VHD_TYPES = {
    vhd.VhdType.FIXED: FIXED,
    vhd.VhdType.DYNAMIC: DYNAMIC,
    vhd.VhdType.DIFFERENCING: VMHardDiskType.vmDiskType_Differencing,
}


def vhd_footer(path: Path) -> vhd.Footer:
    """The footer of a .vhd.

    Raises:
        Failure: E_FILE_NOT_FOUND, VM_E_HD_IMAGE_ACCESS, VM_E_HD_IMAGE_OPEN_FAIL.
    """
    try:
        return vhd.footer(path)
    except FileNotFoundError as error:
        raise Failure(HRESULT.E_FILE_NOT_FOUND, f"there is no file {path}") from error
    except PermissionError as error:
        raise Failure(HRESULT.VM_E_HD_IMAGE_ACCESS, f"{path} cannot be read: {error.strerror}") from error
    except (OSError, vhd.VhdError) as error:
        raise Failure(HRESULT.VM_E_HD_IMAGE_OPEN_FAIL, str(error)) from error


def info(path: Path, form: str) -> ImageInfo:
    """What the header of an image of that format says.

    Raises:
        Failure: E_FILE_NOT_FOUND, VM_E_HD_IMAGE_ACCESS, VM_E_HD_IMAGE_OPEN_FAIL.
        HypervisorError: There is no qemu-img.
    """
    try:
        return qemuimg.info(path, format=form)
    except imageerrors.ToolMissing:
        raise
    except imageerrors.ImageMissing as error:
        raise Failure(HRESULT.E_FILE_NOT_FOUND, str(error)) from error
    except imageerrors.ImageDenied as error:
        raise Failure(HRESULT.VM_E_HD_IMAGE_ACCESS, str(error)) from error
    except imageerrors.ImageError as error:
        raise Failure(HRESULT.VM_E_HD_IMAGE_OPEN_FAIL, str(error)) from error


def kind_of(path: Path, wanted: VMHardDiskType) -> Kind:
    """How a new image of that name and type is made.

    Raises:
        Failure: E_INVALID_NAME, for an ending of which there is no image of that type.
    """
    found = _KINDS.get((path.suffix.lower(), wanted))
    if found is None:
        endings = " or ".join(ending for ending, kind in _KINDS if kind is wanted)
        word = "a dynamic" if wanted is DYNAMIC else "a fixed"
        text = f"{path.name}: the name says what format an image has, and that of {word} disk ends with {endings}"
        raise Failure(HRESULT.E_INVALID_NAME, text, otherwise=(HRESULT.E_INVALIDARG,))
    return found


def new_file(of: ModelObject, path: str, *, base: Path | None = None) -> Path:
    """The file of the host that a script names for a new image; its folder is made, as documented.

    Args:
        of: Who is asked.
        path: The path as the script has it.
        base: What a relative path is relative to; None refuses it.

    Raises:
        Failure: E_ALREADY_EXISTS, E_PATH_NOT_FOUND, or the path is none (`DriveMap.to_host`).
    """
    need_local(of)
    host = of._paths.to_host(path, base=base)
    if os.path.lexists(host):
        raise Failure(HRESULT.E_ALREADY_EXISTS, f"{path}: there is a file {host} already, which is left as it is")
    try:
        host.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"{path}: the folder {host.parent} cannot be made: {error.strerror}"
        raise Failure(HRESULT.E_PATH_NOT_FOUND, text) from error
    return host


def check_room(folder: Path, size: int = 0) -> None:
    """Refuse an image for which there is no room: its size, and the 8 MB that the pages ask for.

    Raises:
        Failure: E_DISK_FULL.
    """
    free = free_space(folder)
    if free < size + _ROOM:
        raise Failure(
            HRESULT.E_DISK_FULL, f"{folder} has {free >> 20} MB left, and {(size + _ROOM) >> 20} are needed"
        )


def free_space(folder: Path) -> int:
    """Bytes that are left for files in a folder.

    Raises:
        Failure: E_BAD_PATHNAME, there is no such folder.
    """
    try:
        found = os.statvfs(folder)
    except OSError as error:
        raise Failure(HRESULT.E_BAD_PATHNAME, f"{folder}: {error.strerror}") from error
    return found.f_bavail * found.f_frsize


def make(of: ModelObject, description: str, target: Path, produce: Callable[[Path, Job], None]) -> Task:
    """The task that makes an image: under a name of its own beside it, and put there when it is whole.

    Args:
        of: Who is asked.
        description: What the task does.
        target: Where the image is to be; there is none yet.
        produce: Makes it at the path it is given.

    Raises:
        Failure: It failed within a moment.
    """
    job = Job()

    def run(_work: Work) -> None:
        beside = beside_of(target)
        try:
            with told(f"{target} cannot be made"), _told_too_large(target):
                produce(beside, job)
                _check_not_cancelled(job, target)
                put(beside, target)
        finally:
            beside.unlink(missing_ok=True)

    return begin(of, Work(description, run, cancel=canceller(job), percent=lambda: int(job.percent)))


@contextmanager
def _told_too_large(target: Path) -> Iterator[None]:
    """Let the refusal of a file system that has no files of that size out under its own code."""
    try:
        yield
    except (OSError, imageerrors.ImageError) as error:
        if _TOO_LARGE not in str(error):
            raise
        text = f"the file system of {target.parent} holds no file as large as {target.name}"
        otherwise = (HRESULT.E_DISK_FULL,)
        raise Failure(HRESULT.VM_E_FILE_TOO_LARGE_FOR_VOLUME, text, otherwise=otherwise) from error


def canceller(job: Job) -> Callable[[], bool]:
    """What cancels a job, as a `Work` asks for it."""

    def cancel() -> bool:
        job.cancel()
        return True

    return cancel


def _check_not_cancelled(job: Job, target: Path) -> None:
    if job.cancelled:
        raise imageerrors.Cancelled(f"the making of {target} was cancelled")


def create(beside: Path, job: Job, kind: Kind, size: int) -> None:
    """Make an empty image of that kind and size in bytes."""
    qemuimg.create(beside, format=kind.format, size=size, options=kind.options, job=job)
    if kind.allocated:
        allocate(beside)


def copy(source: Path, form: str, beside: Path, job: Job, kind: Kind) -> None:
    """Copy a disk, with what lies beneath it, to a new image of that kind.

    Raises:
        Failure: VM_E_PARENT_PATH_NOT_FOUND, VM_E_INVALID_HD_FILE.
        ImageError: qemu-img failed, or was cancelled.
    """
    if form != VHD or vhd_footer(source).type is not vhd.VhdType.DIFFERENCING:
        qemuimg.convert(source, beside, source_format=form, format=kind.format, options=kind.options, job=job)
    else:
        whole = beside.with_name(f"{beside.name}.raw")
        try:
            _flatten(source, whole, job)
            qemuimg.convert(whole, beside, source_format=RAW, format=kind.format, options=kind.options, job=job)
        finally:
            whole.unlink(missing_ok=True)
    if kind.allocated:
        allocate(beside)


def _flatten(source: Path, whole: Path, job: Job) -> None:
    """Write what a differencing .vhd and its parents hold, which QEMU cannot read, as a raw image with holes."""
    try:
        with open(os.open(whole, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as file:
            file.truncate(vhd.footer(source).size)
            for place, data in vhd.read_chain(source):
                _check_not_cancelled(job, source)
                file.seek(place)
                file.write(data)
    except vhd.ParentMissing as error:
        raise Failure(HRESULT.VM_E_PARENT_PATH_NOT_FOUND, str(error)) from error
    except vhd.VhdError as error:
        text = str(error)
        raise Failure(HRESULT.VM_E_INVALID_HD_FILE, text, otherwise=(HRESULT.VM_E_WRONG_HD_IMAGE_TYPE,)) from error


def allocate(path: Path) -> None:
    """Take the room on the disk that a file of a fixed size needs.

    Raises:
        OSError: There is none.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.posix_fallocate(fd, 0, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def beside_of(target: Path) -> Path:
    """A name for what is being made beside an image; what a process that was killed left there is removed."""
    with suppress(OSError):
        for entry in target.parent.glob(f".{_globbed(target.name)}.vpcshim-new-*"):
            found = _BESIDE.fullmatch(entry.name.removesuffix(".raw"))
            # The process may also live in another container, where its number is another one.
            abandoned = time.time() - entry.stat().st_mtime > _ABANDONED
            if found is not None and abandoned and not Path(f"/proc/{found[1]}").exists():
                logger.warning("%s was left behind by a process that was killed: removed", entry)
                entry.unlink(missing_ok=True)
    return target.with_name(f".{target.name}.vpcshim-new-{os.getpid()}-{secrets.token_hex(4)}")


def _globbed(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def put(beside: Path, target: Path) -> None:
    """Give a finished file its name; never in the place of one that is there.

    Raises:
        Failure: E_ALREADY_EXISTS.
        OSError: The system refused.
    """
    fd = os.open(beside, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    try:
        hostfiles.put(beside, target)
    except FileExistsError as error:
        text = f"there is a file {target} by now, which is left as it is"
        raise Failure(HRESULT.E_ALREADY_EXISTS, text) from error
