"""Opening a libvirt connection: by URI, alias or host name, in a thread that may be given up.

Sources: virConnectOpen, virConnectOpenReadOnly (libvirt-host); libvirt.org/uri.html.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

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
        """Whether the driver runs inside this process."""
        return self.uri.startswith("test:/")

    @property
    def local(self) -> bool:
        """Whether the hypervisor is on this machine, as far as the URI tells."""
        return is_local(self.uri)

    @property
    def single(self) -> bool:
        """Whether there may be no second one: libvirt's test driver makes a node for each open of a file.

        Behind a daemon, too; only its built-in node, `/default`, is the same for all.
        """
        parts = urlsplit(self.uri)
        return self.embedded or (parts.scheme.partition("+")[0] == "test" and parts.path != "/default")


def is_local(uri: str) -> bool:
    """Whether the hypervisor of a URI is on this machine, as far as the URI tells."""
    parts = urlsplit(uri)
    return not parts.hostname and parts.scheme.partition("+")[2] in ("", "unix")


class Attempt:
    """One try at opening, in a thread of its own, because an open cannot be interrupted.

    Attributes:
        write: Whether it is for writing.
        done: Whether it has ended; `ended` is notified then.
        opened: The connection that it brought.
        error: What the open raised.
    """

    def __init__(self, server: str | None, write: bool, ended: threading.Condition) -> None:
        self.write = write
        self.done = False
        self.opened: Opened | None = None
        self.error: BaseException | None = None
        self._ended = ended
        threading.Thread(target=self._run, args=(server,), name="vpcshim-open", daemon=True).start()

    def _run(self, server: str | None) -> None:
        opened = error = None
        try:
            opened = open_server(server, self.write)
        except BaseException as raised:  # noqa: BLE001 - handed to every thread that waits for this attempt
            error = raised
        with self._ended:
            self.opened, self.error, self.done = opened, error, True
            self._ended.notify_all()


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
    # Where there is to be one connection only, it has to do for everything.
    return _open_as(name, True) if opened.single and not write else opened
