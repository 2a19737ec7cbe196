"""The event loop that libvirt needs for keepalive, close callbacks and events.

libvirt keeps one loop implementation per process, and it has to be there before a connection is opened. A
program that runs its own (libvirtaio, GLib) says so with `use_existing()` before it makes an application object.
"""

from __future__ import annotations

import logging
import threading

import libvirt

logger = logging.getLogger(__name__)

_lock = threading.Lock()
_running = False


def ensure() -> None:
    """Register libvirt's default loop and run it in a daemon thread, once per process."""
    global _running
    with _lock:
        if _running:
            return
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_run, name="vpcshim-libvirt-events", daemon=True).start()
        _running = True


def use_existing() -> None:
    """Rely on a loop that the program has registered and runs itself."""
    global _running
    with _lock:
        _running = True


def _run() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError as error:
            # One bad turn of the loop must not end keepalive and events for the whole process.
            logger.error("libvirt's event loop: %s", error)
