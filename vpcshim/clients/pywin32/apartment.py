"""Which apartment a thread of the script is in: our objects do not care, but it says where events are handed out.

In a single-threaded apartment handlers are called while the thread pumps its messages. In the multithreaded one
nobody pumps: they are called in threads of COM's own.
"""

from __future__ import annotations

import sys
import threading

COINIT_MULTITHREADED, COINIT_APARTMENTTHREADED = 0, 2

_entered = threading.local()


def enter(flags: int) -> None:
    """What CoInitializeEx says of this thread."""
    _entered.flags = flags


def multithreaded() -> bool:
    """Whether this thread is in the multithreaded apartment.

    The main one is where `sys.coinit_flags` said when pythoncom was imported, whatever CoInitializeEx says later.
    """
    if threading.current_thread() is threading.main_thread():
        flags = getattr(sys, "coinit_flags", COINIT_APARTMENTTHREADED)
    else:
        flags = getattr(_entered, "flags", COINIT_APARTMENTTHREADED)
    return not flags & COINIT_APARTMENTTHREADED
