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
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vpcshim.hypervisor import runtime
from vpcshim.hypervisor.errors import DomainBusy

logger = logging.getLogger(__name__)

_LONGEST = 30.0  # seconds; a change takes milliseconds
_PAUSE = 0.005
_turn = threading.RLock()
_nested = False


def _file() -> Path:
    return runtime.folder() / "definitions.lock"


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Nobody else of this user's changes a definition meanwhile; the same thread may come again.

    Raises:
        DomainBusy: Another process did not come to an end with its change.
    """
    global _nested  # guarded by the lock
    with _turn:
        if _nested:
            yield
            return
        file = _opened()
        try:
            if file is not None:
                _wait(file)
            _nested = True
            yield
        finally:
            _nested = False
            if file is not None:
                os.close(file)  # which lets go of it


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
