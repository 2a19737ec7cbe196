"""Locks that a forked child finds free.

A fork copies one thread. What another held at that moment nobody would ever let go of in the child: its next read,
or its end, would wait for good. What such a lock guards is left as the fork found it.

Sources: fork(2); os.register_at_fork of Python's reference, as threading and logging use it for locks of theirs.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

_locks: weakref.WeakSet[Any] = weakref.WeakSet()


def lock() -> threading.Lock:
    """A lock that is free in a forked child, whoever held it in the parent."""
    made = threading.Lock()
    _locks.add(made)
    return made


def rlock() -> Any:
    """The same, for a thread that may come again (threading.RLock)."""
    made = threading.RLock()
    _locks.add(made)
    return made


def _in_child() -> None:
    for each in tuple(_locks):
        each._at_fork_reinit()


os.register_at_fork(after_in_child=_in_child)
