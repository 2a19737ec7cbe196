"""One libvirt server as the model's objects share it: the connection and what watches it."""

from __future__ import annotations

import threading
import time
import weakref

from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.cpu import CpuSampler
from vpcshim.hypervisor.events import Events
from vpcshim.hypervisor.layouts import Layouts
from vpcshim.hypervisor.runkeeper import RunKeeper

_lock = threading.Lock()
_servers: weakref.WeakValueDictionary[tuple[str | None, float], Server] = weakref.WeakValueDictionary()


class Server:
    """The connection to one libvirt server, its events, run records and CPU samples."""

    def __init__(self, name: str | None, timeout: float) -> None:
        self.connection = Connection(name, timeout=timeout)
        self.events = Events(self.connection)
        self.layouts = Layouts(self.events)
        self.runs = RunKeeper(self.connection, self.layouts)
        self.runs.listen_to(self.events)
        self.cpu = CpuSampler(self.connection)
        self.cpu.start()
        self.since = time.monotonic()


def server(name: str | None, timeout: float) -> Server:
    """The server of that name: application objects of one process share it while any of them is held."""
    with _lock:
        found = _servers.get((name, timeout))
        if found is None:
            found = _servers[name, timeout] = Server(name, timeout)
        return found
