"""The event loop that libvirt needs for keepalive, close callbacks and events.

libvirt keeps one loop implementation per process, and it has to be there before a connection is opened. A
program that runs its own (libvirtaio, GLib) says so with `use_existing()` before it makes an application object.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import libvirt

logger = logging.getLogger(__name__)

_lock = threading.Lock()
_registered = False
_beats = False
_last_beat = float("-inf")
_BEAT = 1.0
_SILENCE = 5.0


def ensure() -> None:
    """Register libvirt's default loop and run it in a daemon thread, once per process."""
    global _registered
    with _lock:
        if not _registered:
            libvirt.virEventRegisterDefaultImpl()
            threading.Thread(target=_run, name="vpcshim-libvirt-events", daemon=True).start()
            _registered = True
        _start_beating()


def use_existing() -> None:
    """Rely on a loop that the program has registered and runs itself."""
    global _registered
    with _lock:
        _registered = True


def alive() -> bool:
    """Whether the loop runs, as its own timer shows: without it no event arrives and nothing may be cached."""
    return time.monotonic() - _last_beat < _SILENCE


def _start_beating() -> None:
    global _beats
    if not _beats:
        libvirt.virEventAddTimeout(0, _beat, None)
        _beats = True


def _beat(timer: int, _opaque: Any) -> None:
    global _last_beat
    _last_beat = time.monotonic()
    libvirt.virEventUpdateTimeout(timer, int(_BEAT * 1000))


def _run() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError as error:
            # One bad turn of the loop must not end keepalive and events for the whole process.
            logger.error("libvirt's event loop: %s", error)
