"""libvirt's event loop, and a log of the events one connection reports."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import libvirt

from vpcshim.hypervisor import eventloop


def start_event_loop() -> None:
    """Turn libvirt's event loop, before a connection is opened: vpcshim's, a process has one."""
    eventloop.ensure()


@dataclass
class RebootLog:
    """Every REBOOT event of one connection: (seconds on the monotonic clock, name of the domain)."""

    connection: Any
    seen: list[tuple[float, str]] = field(default_factory=list)
    _callback: int | None = None

    def __enter__(self) -> RebootLog:
        self._callback = self.connection.domainEventRegisterAny(
            None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, self._note, None
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._callback is not None and self.connection.isAlive():
            self.connection.domainEventDeregisterAny(self._callback)
        self._callback = None

    def _note(self, _connection: Any, domain: Any, *_: object) -> None:
        self.seen.append((time.monotonic(), domain.name()))

    def of(self, name: str) -> list[float]:
        """When the domain ``name`` reported a reboot."""
        return [at for at, who in list(self.seen) if who == name]
