"""The descriptor by which GLib's main loop, libvirt's default, is woken up, in a forked child.

A fork shares it: of a parent and a child that both run a loop, either takes the other's wake-ups away, and a loop
that is told of its first timer in that way may sleep for good. So a child replaces it.

Sources: g_main_context_query, g_main_context_acquire (GLib); eventfd(2), dup2(2).
"""

from __future__ import annotations

import ctypes
import logging
import os

logger = logging.getLogger(__name__)

_MANY = 64
_ALL_PRIORITIES = 2**31 - 1


class _PollFd(ctypes.Structure):
    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_ushort), ("revents", ctypes.c_ushort))


def own_wakeup() -> None:
    """Give the default loop a wake-up descriptor that no other process has; where that fails, it is logged.

    To be called when the loop has no descriptors of anybody's, and no thread is in it.
    """
    try:
        (shared,) = (fd for fd in _polled() if os.readlink(f"/proc/self/fd/{fd}").endswith("[eventfd]"))
        own = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            os.dup2(own, shared, inheritable=False)
        finally:
            os.close(own)
    except (OSError, AttributeError, ValueError) as error:
        logger.info("the event loop shares its wake-ups with the process that this one was forked from: %s", error)


def _polled() -> list[int]:
    """The descriptors that the default loop waits for.

    Raises:
        OSError: GLib is not to be had, or a thread is in the loop.
    """
    glib = ctypes.CDLL("libglib-2.0.so.0")  # the one that libvirt has loaded
    glib.g_main_context_default.restype = ctypes.c_void_p
    context = ctypes.c_void_p(glib.g_main_context_default())
    if not glib.g_main_context_acquire(context):
        raise OSError("a thread that is not in this process is in the loop")
    try:
        found, timeout = (_PollFd * _MANY)(), ctypes.c_int()
        count = glib.g_main_context_query(context, _ALL_PRIORITIES, ctypes.byref(timeout), found, _MANY)
    finally:
        glib.g_main_context_release(context)
    return [each.fd for each in found[: min(count, _MANY)]]
