"""Holding an image against writers, with the locks that QEMU itself takes on the images it opens.

While an image is copied and the copy put in its place, no machine may begin to write to the old one: QEMU, started
in that moment, is refused the image as if another QEMU had it.

Source: QEMU's block/file-posix.c (RAW_LOCK_PERM_BASE, RAW_LOCK_SHARED_BASE) and BLK_PERM_ of its block layer.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vpcshim.hypervisor.imageerrors import ImageBusy
from vpcshim.hypervisor.qemuimg import os_failure

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of Linux, 64 bits
_USES, _KEEPS_OTHERS_FROM = 100, 200  # a byte for each permission, from there
_WRITE, _RESIZE = 1, 3


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep everybody else from writing to the image; reading is free.

    Raises:
        ImageBusy: Somebody is writing to it.
        ImageError: It cannot be opened.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise os_failure(error, f"{path} cannot be opened") from error
    try:
        for permission in (_WRITE, _RESIZE):
            place = _KEEPS_OTHERS_FROM + permission
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _flock(fcntl.F_RDLCK, place))
            found = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK, _USES + permission))
            if _FLOCK.unpack(found)[0] != fcntl.F_UNLCK:
                raise ImageBusy(f"{path} is in use: a running machine, or another program of QEMU's, writes to it")
        yield
    except BlockingIOError as error:
        raise ImageBusy(f"{path} is in use by another program of QEMU's") from error
    finally:
        for permission in (_WRITE, _RESIZE):  # a process forked meanwhile may have it open as well
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _flock(fcntl.F_UNLCK, _KEEPS_OTHERS_FROM + permission))
        os.close(fd)


def is_open(path: Path) -> bool:
    """Whether a program of QEMU's has the image open, if only to read it (as what lies beneath another).

    Raises:
        OSError: It cannot be opened.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        # One that only reads holds a lock that others may hold as well.
        found = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK, 0, 0))
        return bool(_FLOCK.unpack(found)[0] != fcntl.F_UNLCK)
    finally:
        os.close(fd)


def _flock(kind: int, place: int, length: int = 1) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, place, length, 0)
