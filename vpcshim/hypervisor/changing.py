"""One change of a definition at a time: libvirt takes whole documents, and has no way to say "if it is still so".

Whoever reads a definition, changes it and gives it back would undo what somebody else did in between. So the
threads of this process take turns, and so do the processes of this user on this machine. Other users, and callers
on other machines, are not held back.

Source: flock(2).
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vpcshim.hypervisor import forks, runtime
from vpcshim.hypervisor.errors import DomainBusy

logger = logging.getLogger(__name__)

_LONGEST = 30.0  # seconds; a change takes milliseconds
_PAUSE = 0.005
_turn = forks.rlock()
_nested = False
_held: int | None = None


def _file() -> Path:
    return runtime.folder() / "definitions.lock"


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Nobody else of this user's changes a definition meanwhile; the same thread may come again.

    Raises:
        DomainBusy: Another process did not come to an end with its change.
    """
    global _nested, _held  # guarded by the lock
    with _turn:
        if _nested:
            yield
            return
        file = _held = _opened()
        try:
            if file is not None:
                _wait(file)
            _nested = True
            yield
        finally:
            _nested = False
            _held = None
            if file is not None:
                fcntl.flock(file, fcntl.LOCK_UN)  # a process forked meanwhile may have it open as well
                os.close(file)


def _opened() -> int | None:
    try:
        return os.open(_file(), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        logger.warning("other processes are not held back while a definition changes: %s", error)
        return None


def _wait(file: int) -> None:
    deadline = time.monotonic() + _LONGEST
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                text = f"another process has been changing a definition for {_LONGEST:g} seconds ({_file()})"
                raise DomainBusy(text) from error
            time.sleep(_PAUSE)
        else:
            return


def _in_child() -> None:
    """The change that goes on is the parent's, and the file is to be held by the parent alone."""
    global _nested, _held
    if _held is not None:
        os.close(_held)
    _nested, _held = False, None


os.register_at_fork(after_in_child=_in_child)
