"""Writing small files of this machine so that a crash at any moment leaves the old one or the new one, whole.

A file is written beside its place under a name of its own (`.web.vmc.vpcshim-new`), synced, and then put there in
one step. What a writer that was killed left is found by its name when the file is written again, and taken away.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT

logger = logging.getLogger(__name__)

_CODES = {
    errno.ENOENT: HRESULT.E_FILE_NOT_FOUND,
    errno.ENOTDIR: HRESULT.E_PATH_NOT_FOUND,
    errno.EISDIR: HRESULT.E_ALREADY_EXISTS,
    errno.EEXIST: HRESULT.E_ALREADY_EXISTS,
    errno.ENAMETOOLONG: HRESULT.E_BUFFER_OVERFLOW,
    errno.EACCES: HRESULT.E_ACCESSDENIED,
    errno.EPERM: HRESULT.E_ACCESSDENIED,
    errno.EROFS: HRESULT.E_ACCESSDENIED,
    errno.ENOSPC: HRESULT.E_DISK_FULL,
    errno.EDQUOT: HRESULT.E_DISK_FULL,
}


def failure_of(error: OSError, what: str) -> Failure:
    """The COM failure for what the system refused; `what` names the operation and the file for the caller."""
    code = _CODES.get(error.errno or 0, HRESULT.E_FAIL)
    return Failure(code, f"{what}: {error.strerror or error}")


@contextmanager
def told(what: str) -> Iterator[None]:
    """Let the system's refusals within out as COM failures; `what` as in `failure_of`."""
    try:
        yield
    except OSError as error:
        raise failure_of(error, what) from error


def create(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Make a new file; its folder is there.

    Raises:
        FileExistsError: There is something of that name, which is left as it is.
        OSError: Whatever else the system refused.
    """
    with _written_beside(path, data, mode=mode) as beside:
        put(beside, path)


def put(beside: Path, path: Path) -> None:
    """Give a finished file its name; never in the place of one that is there. `beside` may be there afterwards.

    Raises:
        FileExistsError: There is something of that name, which is left as it is.
        OSError: Whatever else the system refused.
    """
    try:
        os.link(beside, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        if os.path.lexists(path):  # a file system without hard links
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        os.rename(beside, path)


def replace(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put a new file in the place of the old one, or where there is none.

    Raises:
        OSError: The system refused; the old one is then as it was.
    """
    with _written_beside(path, data, mode=mode) as beside:
        os.replace(beside, path)


def remove(path: Path) -> None:
    """Take a file away for good, and what a killed writer of it left; one that is gone already is fine.

    Raises:
        OSError: The system refused.
    """
    path.unlink(missing_ok=True)
    _remove_left_over(_beside(path))
    _sync_folder(path.parent)


def read(path: Path, most: int) -> bytes:
    """The whole of a regular file of at most `most` bytes.

    Raises:
        ValueError: It is larger, or no regular file.
        OSError: The system refused.
    """
    # A pipe would block the opening for ever.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it is larger than {most} bytes")
    return data


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file of that name, which is made where there is none; other processes wait.

    Raises:
        OSError: The system refused.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)  # a process forked meanwhile may have it open as well
        os.close(fd)


@contextmanager
def _written_beside(path: Path, data: bytes, *, mode: int) -> Iterator[Path]:
    """The data, synced, in a file of its own beside the path; it is gone afterwards, whatever became of it."""
    beside = _beside(path)
    fd = _exclusive(beside, mode)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        yield beside
    finally:
        # Only what is still ours: after a rename the name is free for the next writer.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.stat(beside), os.fstat(fd)):
                beside.unlink()
        os.close(fd)
    _sync_folder(path.parent)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.vpcshim-new")


def _exclusive(beside: Path, mode: int) -> int:
    """A new file, locked as long as it is open; the one that a killed writer left is taken away first."""
    while True:
        try:
            fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        except FileExistsError:
            _remove_left_over(beside)
            continue
        fcntl.flock(fd, fcntl.LOCK_EX)
        if _is_at(fd, beside):
            return fd
        os.close(fd)  # another process took it for a left-over before it was locked


def _remove_left_over(beside: Path) -> None:
    # Never truncated and written again: it may be a second name of the file that it was to become.
    with suppress(FileNotFoundError):
        fd = os.open(beside, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)  # a writer that lives has it until it is done
            if _is_at(fd, beside):
                logger.warning("%s was left by a writer that was killed; it is removed", beside)
                beside.unlink()
        finally:
            os.close(fd)


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
