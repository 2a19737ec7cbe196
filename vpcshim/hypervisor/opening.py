"""Opening a libvirt connection: by URI, alias or host name, in a thread that may be given up.

Sources: virConnectOpen, virConnectOpenReadOnly (libvirt-host); libvirt.org/uri.html.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

import libvirt

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[?[0-9A-Fa-f:]+\]?")


@dataclass(frozen=True)
class Opened:
    """A connection as it was opened: whether it may write, and its URI with aliases resolved."""

    connect: libvirt.virConnect
    writable: bool
    uri: str

    @property
    def embedded(self) -> bool:
        """Whether the driver runs inside this process: each open of test:///FILE makes a node of its own."""
        return self.uri.startswith("test:/")


class Attempt:
    """One try at opening, in a thread of its own, because an open cannot be interrupted."""

    def __init__(self, opener: Callable[[], Opened]) -> None:
        self._done = threading.Event()
        self._result: Opened | None = None
        self._error: Exception | None = None
        self._opener = opener
        threading.Thread(target=self._run, name="vpcshim-open", daemon=True).start()

    def _run(self) -> None:
        try:
            self._result = self._opener()
        except Exception as error:  # noqa: BLE001 - handed to every thread that waits for this attempt
            self._error = error
        self._done.set()

    @property
    def failed(self) -> bool:
        """Whether it has ended without a connection."""
        return self._done.is_set() and self._error is not None

    def wait(self, timeout: float) -> Opened | None:
        """The connection; None when there is none after `timeout` seconds; raises what the open raised."""
        if not self._done.wait(timeout):
            return None
        if self._error is not None:
            raise self._error
        return self._result


def open_server(server: str | None, write: bool) -> Opened:
    """Open by URI or alias; a bare host name that is neither is its system daemon over ssh.

    Raises:
        libvirt.libvirtError: It cannot be opened.
    """
    try:
        return _open_as(server, write)
    except libvirt.libvirtError as error:
        unknown = error.get_error_code() in (libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INTERNAL_ERROR)
        if server is None or not unknown or _HOST_NAME.fullmatch(server) is None:
            raise
    host = f"[{server}]" if ":" in server and not server.startswith("[") else server
    return _open_as(f"qemu+ssh://{host}/system", write)


def _open_as(name: str | None, write: bool) -> Opened:
    connect = libvirt.open(name) if write else libvirt.openReadOnly(name)
    opened = Opened(connect, write, connect.getURI())
    # Inside this process one connection has to do for everything.
    return _open_as(name, True) if opened.embedded and not write else opened
