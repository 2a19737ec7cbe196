"""One libvirt server as the model's objects share it: the connection, what watches it, and what reads it."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Iterable
from typing import NamedTuple

from vpcshim.hypervisor import forks
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.counters import Reading
from vpcshim.hypervisor.cpu import CpuSampler
from vpcshim.hypervisor.domainxml import DomainXml
from vpcshim.hypervisor.drives import DriveSweeper
from vpcshim.hypervisor.errors import ConnectionLost, HypervisorError
from vpcshim.hypervisor.events import Events
from vpcshim.hypervisor.layouts import Layouts
from vpcshim.hypervisor.monitorstats import MonitorStats
from vpcshim.hypervisor.nics.reader import NicReader
from vpcshim.hypervisor.runkeeper import RunKeeper
from vpcshim.hypervisor.sweep import DomainFacts, Sweeper
from vpcshim.hypervisor.uptime import seconds_up
from vpcshim.model.hresults import is_running, runs
from vpcshim.model.undoing import UndoWatch
from vpcshim.model.work import Works
from vpcshim.values import Value

logger = logging.getLogger(__name__)

# Told of a configuration value that was changed through vpcshim: the machine's UUID, the key, the value as it now
# is (None: removed).
ConfigurationListener = Callable[[str, str, Value | None], None]

_lock = forks.lock()
_servers: weakref.WeakValueDictionary[tuple[str | None, float], Server] = weakref.WeakValueDictionary()


class Swept(NamedTuple):
    """A sweep: when it began, on the monotonic clock, and what it found by UUID."""

    at: float
    machines: dict[str, DomainFacts]


class Server:
    """The connection to one libvirt server, its events, run records, CPU samples, counters and tasks."""

    def __init__(self, name: str | None, timeout: float) -> None:
        self.connection = Connection(name, timeout=timeout)
        self.events = Events(self.connection)
        self.works = Works(self.connection.one_more)
        self.layouts = Layouts(self.events)
        monitors = MonitorStats(self.connection)
        self._drives = DriveSweeper(self.connection, monitors)
        self.runs = RunKeeper(self.connection, self.layouts, self._drives)
        self.runs.listen_to(self.events)
        self.nics = NicReader(self.connection, self.layouts)
        UndoWatch(self)
        self._sweeper = Sweeper(self.connection, self.layouts, self.nics, self.runs.baseline)
        self._sweep_lock = forks.lock()
        # What a sweep found, and how many changes had been told of before it.
        self._last = Swept(float("-inf"), {}), 0
        self._changes = 0
        me = weakref.ref(self)

        def changed(uuid: str | None) -> None:
            server = me()
            if server is not None:
                server.changed(uuid)

        self.events.before_listeners(changed)
        self.cpu = CpuSampler(self.connection, monitors)
        self.cpu.start()
        self.since = time.monotonic()
        self._configuration_listeners: list[ConfigurationListener] = []
        self._discard_listeners: list[Callable[[str], None]] = []

    def on_configuration_changed(self, listener: ConfigurationListener) -> Callable[[], None]:
        """Tell `listener` of every configuration value that this process changes from now on.

        It is called in the thread that made the change, after libvirt took it, and has to be quick; one that
        raises is logged and harms nobody.

        Returns:
            What ends it.
        """
        self._configuration_listeners.append(listener)
        return lambda: self._configuration_listeners.remove(listener)

    def configuration_changed(self, uuid: str, key: str, value: Value | None) -> None:
        """Tell the listeners that a configuration value of a machine is another now (None: removed)."""
        for listener in tuple(self._configuration_listeners):
            try:
                listener(uuid, key, value)
            except Exception:
                logger.exception("a listener to changed configuration values failed on %s", key)

    def on_saved_state_discarded(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Tell `listener` of every machine, by its UUID, whose saved state this process discards from now on.

        Returns:
            What ends it.
        """
        self._discard_listeners.append(listener)
        return lambda: self._discard_listeners.remove(listener)

    def saved_state_discarded(self, uuid: str) -> None:
        """Tell the listeners that a machine has no saved state any more: libvirt has no event of it."""
        for listener in tuple(self._discard_listeners):
            listener(uuid)

    def network(self, uuid: str, freshness: float = 0.0) -> Reading | None:
        """What the NICs of one machine answer, None when it is off; at most `freshness` seconds old.

        Raises:
            HypervisorError: The machine or the connection is in trouble.
        """
        if freshness > 0:
            facts = self.sweep(freshness).machines.get(uuid)
            if facts is not None:
                if isinstance(facts.nics, HypervisorError):
                    raise facts.nics
                return facts.nics
            # It came since the sweep, or is gone: it is asked for itself.
        with self.connection.domain(uuid) as domain:
            return self.nics.read(domain) if runs(domain) else None

    def sweep_disks(self, found: Iterable[DomainFacts]) -> dict[str, Reading | HypervisorError | None]:
        """What the drives of the machines of a sweep answer, by UUID.

        Raises:
            HypervisorError: The connection is in trouble.
        """
        on = {facts.uuid: facts.nics for facts in found if facts.nics is not None}
        xmls = {uuid: nics.xml for uuid, nics in on.items() if isinstance(nics, Reading)}
        swept: dict[str, Reading | HypervisorError | None] = {facts.uuid: None for facts in found}
        swept.update(self._drives.sweep(xmls) or {})
        # One by one: without bulk statistics, or where the NICs' trouble left no XML to tell the drives.
        swept.update({uuid: self._own_disks(uuid) for uuid in on if uuid not in xmls or not self._drives.supported})
        return swept

    def _own_disks(self, uuid: str) -> Reading | HypervisorError | None:
        try:
            return self.disks(uuid)
        except ConnectionLost:
            raise
        except HypervisorError as error:
            return error

    def changed(self, _uuid: str | None = None) -> None:
        """What a sweep found holds no more: a machine was started, stopped, reset or changed."""
        self._changes += 1

    def uptime(self, xml: DomainXml) -> int:
        """Seconds that a running machine is up, by its live XML.

        Raises:
            Unknowable: Nothing says when it was started.
        """
        return int(seconds_up(xml, self.runs.record(xml), local=self.connection.is_local))

    def disks(self, uuid: str) -> Reading | None:
        """What the drives of one machine answer, None when it is off. Raises as `network`."""
        with self.connection.domain(uuid) as domain:
            xml = self.layouts.read(domain) if runs(domain) else None
        return None if xml is None or xml.id is None else self._drives.read(uuid, xml)

    def sweep(self, freshness: float = 0.0) -> Swept:
        """The state and network counters of all machines, at most `freshness` seconds old.

        Raises:
            HypervisorError: The machines cannot be listed.
        """
        if freshness <= 0:
            return self.sweep_some(None)
        with self._sweep_lock:
            last, before = self._last
            # What has changed since it began may not be in it.
            if before != self._changes or time.monotonic() - last.at > freshness:
                with self.connection.calls():  # to open one is a change as well
                    before = self._changes
                last = self.sweep_some(None)
                self._last = last, before
            return last

    def sweep_some(self, wanted: Callable[[str], bool] | None) -> Swept:
        """The same of the machines whose names are wanted, as they are now. Raises as `sweep`."""
        # The age counts from before the reading: no number in it is older than it says.
        at = time.monotonic()
        return Swept(at, {facts.uuid: facts for facts in self._sweeper.sweep(is_running, wanted)})


def server(name: str | None, timeout: float) -> Server:
    """The server of that name: application objects of one process share it while any of them is held."""
    with _lock:
        found = _servers.get((name, timeout))
        if found is None:
            found = _servers[name, timeout] = Server(name, timeout)
        return found
