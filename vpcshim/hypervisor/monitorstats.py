"""Bulk statistics that need each guest's monitor, kept from hanging on a guest whose monitor hangs.

The call goes through the guests one after the other and would wait for such a guest for as long as it hangs. So
it runs in a thread and is waited for only so long; then it is asked once more, with NOWAIT: the first call holds
the hung guest's job by now, so the second passes that guest by and brings all others.

Source: virConnectGetAllDomainStats, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import libvirt

from vpcshim.hypervisor import forks
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.errors import DomainBusy

Stats = list[tuple[libvirt.virDomain, dict[str, Any]]]

_PATIENCE = 2.0
_MOST_STUCK = 5
_ACTIVE = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
_FLAGS = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS


class MonitorStats:
    """The monitor-bound statistics of one connection's running domains."""

    def __init__(self, connection: Connection, patience: float = _PATIENCE) -> None:
        self._connection = connection
        self._patience = patience
        self._lock = forks.lock()
        self._stuck: list[_Call] = []

    def read(self, groups: int, uuids: Sequence[str] | None = None) -> Stats:
        """The statistics of every running domain, or of those named; one whose monitor hangs is there without them.

        Raises:
            Unsupported: The driver has no such statistics.
            DomainBusy: Several calls hang at once, in monitors or in the server: more than are worth waiting for.
            HypervisorError: The connection is in trouble.
        """
        while True:
            with self._lock:
                self._stuck = [call for call in self._stuck if not call.done.is_set()]
                if len(self._stuck) >= _MOST_STUCK:
                    raise DomainBusy(f"{_MOST_STUCK} calls for what guests' monitors know hang in the server")
            call = _Call(self._connection, groups, uuids)
            if call.done.wait(self._patience):
                if call.error is not None:
                    raise call.error
                return call.stats
            with self._lock:
                self._stuck.append(call)


class _Call:
    """One bulk call in a thread of its own."""

    def __init__(self, connection: Connection, groups: int, uuids: Sequence[str] | None) -> None:
        self.done = threading.Event()
        self.stats: Stats = []
        self.error: Exception | None = None
        threading.Thread(
            target=self._run, args=(connection, groups, uuids), name="vpcshim-stats", daemon=True
        ).start()

    def _run(self, connection: Connection, groups: int, uuids: Sequence[str] | None) -> None:
        try:
            with connection.calls() as connect:
                if uuids is None:
                    self.stats = connect.getAllDomainStats(groups, _FLAGS | _ACTIVE)
                else:
                    domains = [connect.lookupByUUIDString(uuid) for uuid in uuids]
                    self.stats = connect.domainListGetStats(domains, groups, _FLAGS)
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits
            self.error = error
        self.done.set()
