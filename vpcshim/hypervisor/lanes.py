"""One open connection of several to a server: who uses it, whether it lives, and how it is let go.

Sources: virConnectIsAlive, virConnectSetKeepAlive, virConnectUnregisterCloseCallback (libvirt-host).
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from typing import Any

import libvirt

from vpcshim.hypervisor.errors import Unsupported, classify
from vpcshim.hypervisor.opening import Opened

logger = logging.getLogger(__name__)


class Lane:
    """One open connection, and whether a thread is using it.

    Attributes:
        busy: Whether a thread has it for itself; it begins with the one that sets it up.
        gone: Whether it was dropped; whoever still has it lets go of it when it gives it back.
        hooked: How many of the hooks were called with it.
        undo: What to do before it is let go; what the hooks left comes first.
        watched: Whether the last of it is libvirt's close callback.
    """

    __slots__ = ("busy", "connect", "gone", "hooked", "opened", "undo", "watched")

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.connect = opened.connect
        self.busy = True
        self.gone = False
        self.hooked = 0
        self.undo: list[Callable[[], Any]] = []
        self.watched = False

    def release(self) -> None:
        """Undo what was hooked to it: it closes with the last reference, which libvirt's callbacks hold."""
        undo, self.undo = self.undo, []
        for step in undo:
            try:
                step()
            except libvirt.libvirtError as error:
                logger.debug("letting go of %s: %s", self.opened.uri, error)

    def abandon(self) -> None:
        """In a forked child: it is the parent's, so nothing is sent over it, no farewell either."""
        keep_for_good(self.connect)
        undo, self.undo = self.undo, []
        keep_for_good(undo)
        self.gone = True
        # What the hooks kept is void. Their calls to libvirt would go to the parent's daemon: they find a stub.
        self.connect.domainEventDeregisterAny = _nothing
        for step in undo[: -1 if self.watched else None]:
            step()


def is_alive(connect: libvirt.virConnect) -> bool:
    """Whether it can be used; a driver that cannot tell has none that die."""
    try:
        return bool(connect.isAlive())
    except libvirt.libvirtError as error:
        return classify(error) is Unsupported


def set_keepalive(connect: libvirt.virConnect, timeout: float) -> bool:
    """Let libvirt end the calls to a daemon that is silent for about `timeout` seconds; whether it does.

    Raises:
        libvirt.libvirtError: libvirt refused.
    """
    interval = max(1, int(timeout / 3))
    # With none, libvirt asks nobody: it closes a sound connection that is silent, in a save as well.
    count = max(1, round(timeout / interval) - 1)
    try:
        return bool(connect.setKeepAlive(interval, count) == 0)
    except libvirt.libvirtError as error:
        if classify(error) is not Unsupported:
            raise
        logger.debug("no keepalive: %s", error)  # an embedded driver cannot freeze
        return False


def keep_for_good(it: object) -> None:
    """Never let it be finalized: for libvirt's handles that would be a call to the daemon."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(it))


def _nothing(*_arguments: object) -> None:
    return None
