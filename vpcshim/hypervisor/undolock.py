"""The lock of a machine's undo disks: one process and thread at a time works on them."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from vpcshim.hypervisor import qemuimg, runtime
from vpcshim.hypervisor.errors import DomainBusy, HypervisorError

_LAST_WORDS = 2.0  # seconds for the daemon to do what a process asked it for just before it was killed
_PATIENCE = 10.0  # seconds for which another process's work on the same undo disks is waited for


@contextmanager
def exclusive(domain: libvirt.virDomain) -> Iterator[int]:
    """Hold a machine's undo disks for this process and thread alone; the lock, as an open file.

    There is something in the file while it is held. Where that is found in a file that nobody holds, its holder was
    killed, and its last words to libvirt may not have been heard yet: what they change is waited for.

    Raises:
        DomainBusy: Another one holds them for too long.
    """
    try:
        path = runtime.folder() / f"undo-{domain.UUIDString()}.lock"
        held = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise qemuimg.os_failure(error, "the undo disks cannot be locked") from error
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _locked(held):
            if time.monotonic() > deadline:
                raise DomainBusy(f"another task is at work on the undo disks of {domain.name()}; try again later")
            time.sleep(0.05)
        if os.pread(held, 1, 0):
            time.sleep(_LAST_WORDS)
        os.pwrite(held, b"held", 0)
        try:
            yield held
        except HypervisorError:
            heard(held)
            raise  # what libvirt itself failed at may have been a call that nobody heard the end of
        heard(held)
    finally:
        fcntl.flock(held, fcntl.LOCK_UN)  # a process forked meanwhile may have it open as well
        os.close(held)


def heard(lock: int) -> None:
    """Say that the end of what libvirt was asked for was heard: the next holder has no last words to wait for."""
    os.ftruncate(lock, 0)


def _locked(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
