"""Copying, moving and deleting files and folders, so that nothing is left half done where that can be had.

A file is copied beside its new place and put there in one step; holes stay holes. An image that a machine has open
is no file to copy, replace, move or delete, as on Windows: QEMU's locks tell.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import ntpath
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vpcshim.clients.files.places import UNFINISHED, Place, entries, is_read_only, pairs
from vpcshim.clients.scripting.runtime_errors import Number, failed, told
from vpcshim.com.errors import ComError
from vpcshim.hypervisor import imagelock
from vpcshim.hypervisor.imageerrors import ImageBusy, ImageError
from vpcshim.model import hostfiles

_PART = 1 << 20
# What the kernel does not copy from one such file to the other; then the bytes come through here.
_NOT_WITHIN = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF)


def copy_file(source: Place, target: Place, *, overwrite: bool) -> None:
    """Copy a file, with its time and attributes, to a path where there is none, or with `overwrite` in its stead.

    Raises:
        ComError: Path not found, File already exists, Permission denied, Disk full.
    """
    _check_replaced(source, target, overwrite=overwrite)
    # What a link leads to is replaced, not the link.
    target = target._replace(host=Path(os.path.realpath(target.host)))
    with told(target.shown, Number.PATH_NOT_FOUND), _kept(source), _kept(target), _opened(source) as read:
        beside = _copied(read, target)
        try:
            if overwrite:
                os.replace(beside, target.host)
            else:
                hostfiles.put(beside, target.host)
        finally:
            beside.unlink(missing_ok=True)


def check_copy_file(source: Place, target: Place, *, overwrite: bool) -> None:
    """Whether a file could be copied; raises as `copy_file`."""
    _check_replaced(source, target, overwrite=overwrite)
    _check_around(target)
    with _kept(source), _kept(target), _opened(source):
        pass


def _check_around(target: Place) -> None:
    if not target.host.parent.is_dir():
        raise failed(Number.PATH_NOT_FOUND, target.shown)


def _check_replaced(source: Place, target: Place, *, overwrite: bool) -> None:
    if target.is_folder:
        raise failed(Number.DENIED, f"{target.shown} (it is a folder)")
    if not target.is_file:
        return
    if os.path.samefile(source.host, target.host):
        raise failed(Number.DENIED, f"{target.shown} (it is the file that is copied)")
    if not overwrite:
        raise failed(Number.EXISTS, target.shown)
    if is_read_only(target):
        raise failed(Number.DENIED, f"{target.shown} (it is read-only)")
    check_free(target)


def _copied(source: int, target: Place) -> Path:
    """A copy beside the target; OSError where it cannot be made, and then there is none."""
    handle, name = tempfile.mkstemp(UNFINISHED, f".{target.host.name[:200]}.", target.host.parent)
    beside = Path(name)
    try:
        with contextlib.closing(os.fdopen(handle, "wb", buffering=0)) as written:
            _copy_data(source, written.fileno())
        was = os.fstat(source)
        # Not copystat: of an image that was in use, libvirt's notes on who is to own it afterwards would go along.
        os.chmod(beside, stat.S_IMODE(was.st_mode))
        os.utime(beside, ns=(was.st_atime_ns, was.st_mtime_ns))
        if target.is_file:
            owned = os.stat(target.host)
            os.chown(beside, owned.st_uid, owned.st_gid)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside


@contextmanager
def _opened(source: Place) -> Iterator[int]:
    with told(source.shown):
        # A pipe would block the opening for ever.
        handle = os.open(source.host, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise failed(Number.DENIED, f"{source.shown} (it is no regular file)")
        yield handle
    finally:
        os.close(handle)


def _copy_data(source: int, target: int) -> None:
    size = os.fstat(source).st_size
    end = 0
    while True:
        try:
            start = os.lseek(source, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nothing but a hole is left
                raise
            break
        end = os.lseek(source, start, os.SEEK_HOLE)
        while start < end and (done := _copy_part(source, target, start, end - start)):
            start += done
    os.ftruncate(target, max(size, os.fstat(target).st_size))


def _copy_part(source: int, target: int, at: int, most: int) -> int:
    try:
        if done := os.copy_file_range(source, target, most, at, at):
            return done  # some file systems copy nothing, and say no more
    except OSError as error:
        if error.errno not in _NOT_WITHIN:
            raise
    return os.pwrite(target, os.pread(source, min(most, _PART), at), at)


def copy_folder(source: Place, target: Place, *, overwrite: bool) -> None:
    """Copy a folder and all that is in it; into one that is there, what it has of the same names is replaced.

    Raises:
        ComError: As `copy_file`; what was copied until then stays.
    """
    check_copy_folder(source, target)
    _copy_tree(source, target, overwrite=overwrite, within=frozenset())


def check_copy_folder(source: Place, target: Place) -> None:
    """Whether a folder could be copied, but for what is in it; raises as `copy_folder`."""
    _check_apart(source, target)
    if target.is_file:
        raise failed(Number.EXISTS, target.shown)
    _check_around(target)


def _copy_tree(source: Place, target: Place, *, overwrite: bool, within: frozenset[tuple[int, int]]) -> None:
    _check_apart(source, target)  # links in the target may lead into the source: it would grow as it is copied
    with told(source.shown, Number.PATH_NOT_FOUND):
        found = os.stat(source.host)
    this = (found.st_dev, found.st_ino)
    if this in within:
        raise failed(Number.PATH_NOT_FOUND, f"{source.shown} (a link leads back to a folder that it is in)")
    made = not target.is_folder
    if made:
        with told(target.shown, Number.PATH_NOT_FOUND):
            os.mkdir(target.host, stat.S_IMODE(found.st_mode) | stat.S_IRWXU)
    for place, copied in pairs(entries(source), target):
        if place.is_folder:
            _copy_tree(place, copied, overwrite=overwrite, within=within | {this})
        else:
            copy_file(place, copied, overwrite=overwrite)
    if made:  # last: it may be one that nobody may write to
        with told(target.shown):
            os.chmod(target.host, stat.S_IMODE(found.st_mode))


def move(source: Place, target: Place) -> Place:
    """Move a file or a folder to a path where there is nothing; where it is then.

    Raises:
        ComError: File already exists, Path not found, Permission denied.
    """
    target = check_move(source, target)
    with told(target.shown, Number.PATH_NOT_FOUND):
        try:
            _rename(source.host, target.host)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _move_across(source, target)
    return target


def _rename(source: Path, target: Path) -> None:
    if stat.S_ISREG(os.lstat(source).st_mode):
        hostfiles.put(source, target)  # never in the place of one that was made meanwhile
        source.unlink(missing_ok=True)
    else:
        os.rename(source, target)


def check_move(source: Place, target: Place) -> Place:
    """Whether it could be moved, and to where: a name in another case is another. Raises as `move`."""
    _check_no_root(source)
    if target.host == source.host:
        target = target._replace(host=target.host.with_name(ntpath.basename(target.shown)))
    if os.path.lexists(target.host):
        raise failed(Number.EXISTS, target.shown)
    _check_around(target)
    if source.is_folder:
        _check_apart(source, target)
    for one in _tree(source):
        check_free(one)
    return target


def _move_across(source: Place, target: Place) -> None:
    """To another file system: the original goes when the copy is whole. Links stay links, and owners owners."""
    if source.host.is_symlink():
        target.host.symlink_to(os.path.realpath(source.host))
    elif source.is_folder:
        os.mkdir(target.host, 0o700)  # if another made it meanwhile, it is not ours to take away
        try:
            _copy_as_it_is(source, target)
        except BaseException:
            shutil.rmtree(target.host, ignore_errors=True)
            raise
    else:
        copy_file(source, target, overwrite=False)
        _keep_owner(source.host, target.host)
    _write_out(target.host)
    _remove(source.host)


def _write_out(path: Path) -> None:
    """See what was made there on the disk, before what it was made of goes."""
    made = (path, *path.rglob("*")) if path.is_dir() and not path.is_symlink() else (path,)
    for one in (*made, path.parent):
        if one.is_symlink() or not (one.is_file() or one.is_dir()):
            continue
        handle = os.open(one, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _copy_as_it_is(source: Place, target: Place) -> None:
    def copy(original: str, to: str) -> None:
        below = Path(original).relative_to(source.host).parts
        copied = functools.reduce(Place.child, below, target)
        copy_file(functools.reduce(Place.child, below, source), copied, overwrite=False)

    shutil.copytree(source.host, target.host, symlinks=True, copy_function=copy, dirs_exist_ok=True)
    for path in (source.host, *source.host.rglob("*")):
        _keep_owner(path, target.host / path.relative_to(source.host))


def _keep_owner(original: Path, copy: Path) -> None:
    found = os.lstat(original)
    with contextlib.suppress(PermissionError):  # of those that are not root's
        os.chown(copy, found.st_uid, found.st_gid, follow_symlinks=False)


def delete(place: Place, *, force: bool) -> None:
    """Delete a file, or a folder and all that is in it; nothing of it where a part of it cannot be.

    Raises:
        ComError: Permission denied: read-only without `force`, or an image in use.
    """
    check_delete(place, force=force)
    with told(place.shown):
        _remove(place.host)


def check_delete(place: Place, *, force: bool) -> None:
    """Whether it could be deleted; raises as `delete`."""
    _check_no_root(place)
    for one in _tree(place):
        if not force and not one.host.is_symlink() and is_read_only(one):
            raise failed(Number.DENIED, f"{one.shown} (it is read-only)")
        if not os.access(one.host.parent, os.W_OK | os.X_OK):
            raise failed(Number.DENIED, f"{one.shown} (the folder that it is in may not be changed)")
        check_free(one)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()  # of a link, that itself


def _tree(place: Place) -> Iterator[Place]:
    """The file; the folder, after all that is in it, but not in others that links lead to."""
    if place.is_folder and not place.host.is_symlink():
        for one in entries(place):
            yield from _tree(one)
    yield place


def _check_no_root(place: Place) -> None:
    if not place.name:
        raise failed(Number.DENIED, f"{place.shown} (it is the root of a drive)")


def _check_apart(source: Place, target: Place) -> None:
    within = Path(os.path.realpath(target.host))
    if within.is_relative_to(source.host.resolve()) and within != source.host.resolve():
        raise failed(Number.DENIED, f"{target.shown} (it is in {source.shown})")


@contextmanager
def _kept(place: Place) -> Iterator[None]:
    """Keep machines from writing to a file meanwhile; refuse it where one does."""
    with contextlib.ExitStack() as stack:
        if stat.S_ISREG(_mode(place)):
            try:
                stack.enter_context(imagelock.held(place.host))
            except ImageBusy as error:
                raise _in_use(place) from error
            except ImageError as error:
                raise failed(Number.DENIED, f"{place.shown} ({error})") from error
        yield


def _mode(place: Place) -> int:
    return os.stat(place.host).st_mode if os.path.exists(place.host) else 0


def check_free(place: Place) -> None:
    """Refuse an image that a machine, or another program of QEMU's, has open; raises ComError.

    So is a file refused that this user may not look into: it may be one.
    """
    with told(place.shown):
        if stat.S_ISREG(_mode(place)) and imagelock.is_open(place.host):
            raise _in_use(place)


def _in_use(place: Place) -> ComError:
    has_it = "a running machine, or another program of QEMU's, has it open: save the machine, or turn it off, first"
    return failed(Number.DENIED, f"{place.shown} ({has_it})")
