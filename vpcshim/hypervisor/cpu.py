"""CPU utilisation: 100 x CPU time / (wall time x vCPUs), per second, from libvirt's CPU time counters.

A sampler belongs to a connection. Its thread takes one bulk sample of all domains a second for as long as
somebody holds it; a single reading without a fresh sample takes two samples, a second apart, itself.

Sources: virConnectGetAllDomainStats (cpu.time, vcpu.current), virDomainGetInfo where the driver has no bulk
CPU statistics.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeGuard

import libvirt

from vpcshim.hypervisor import forks
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.errors import DomainOff, HypervisorError, Unknowable, Unsupported
from vpcshim.hypervisor.monitorstats import MonitorStats

logger = logging.getLogger(__name__)

PERIOD = 1.0
WINDOW = 60
# A sample is of use for a reading while it is younger than this (seconds).
_FRESH = 2.5
# How long a sample that another thread is taking is waited for: it may be held up by a monitor that hangs.
_PATIENCE = 5.0
_GROUPS = libvirt.VIR_DOMAIN_STATS_CPU_TOTAL | libvirt.VIR_DOMAIN_STATS_VCPU


@dataclass(slots=True)
class _Track:
    """The samples of one run of one domain."""

    domain_id: int
    at: float
    cpu_ns: int
    percents: deque[int] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def add(self, at: float, cpu_ns: int, vcpus: int) -> None:
        elapsed = at - self.at
        used = cpu_ns - self.cpu_ns
        if elapsed >= PERIOD / 2 and used >= 0:
            percent = max(0, min(100, round(100 * used / (elapsed * 1e9 * vcpus))))
            # A gap of several seconds is known only by its average, and counts for each of them.
            self.percents.extend([percent] * max(1, min(WINDOW, round(elapsed / PERIOD))))
            self.at, self.cpu_ns = at, cpu_ns
        elif used < 0:
            self.at, self.cpu_ns = at, cpu_ns


class CpuSampler:
    """The CPU samples of one connection's domains."""

    def __init__(self, connection: Connection, stats: MonitorStats) -> None:
        self._connection = connection
        self._stats = stats
        self._lock = forks.lock()
        self._tracks: dict[str, _Track] = {}
        self._asked: set[str] = set()
        self._bulk: bool | None = None
        # A queue, which takes no lock of Python's: a forked child would find that of an Event taken, and never end.
        self._stop: queue.SimpleQueue[None] = queue.SimpleQueue()
        weakref.finalize(self, self._stop.put, None)

    def start(self) -> None:
        """Sample once a second from the second second on, until this object is let go."""
        threading.Thread(
            target=_sample_forever, args=(weakref.ref(self), self._stop), name="vpcshim-cpu", daemon=True
        ).start()

    def percent(self, uuid: str, domain_id: int) -> int:
        """The utilisation of a running domain over the last second sampled, 0..100.

        Raises:
            DomainOff: That run of the domain is over.
            HypervisorError: libvirt does not give the domain's CPU time.
        """
        return self._fresh(uuid, domain_id).percents[-1]

    def history(self, uuid: str, domain_id: int) -> tuple[int, ...]:
        """The last 60 seconds, oldest first; 0 for the seconds before the first sample. Raises as `percent`."""
        known = tuple(self._fresh(uuid, domain_id).percents)
        return (0,) * (WINDOW - len(known)) + known

    def prepare(self, running: Iterable[tuple[str, int]]) -> None:
        """See that those runs (UUID, domain id) have a sample: all of them in the second that one would take.

        Raises:
            HypervisorError: The connection is in trouble.
        """
        wanted = dict(running)
        self._asked.update(wanted)
        for pause in (0.0, PERIOD):
            now = time.monotonic()
            if all(self._serves_now(uuid, domain_id, now) for uuid, domain_id in wanted.items()):
                return
            time.sleep(pause)
            self.take()

    def _serves_now(self, uuid: str, domain_id: int, now: float) -> bool:
        track = self._tracks.get(uuid)
        return _serves(track, domain_id) and now - track.at < _FRESH

    def _fresh(self, uuid: str, domain_id: int) -> _Track:
        self._asked.add(uuid)
        track = self._tracks.get(uuid)
        if track is not None and self._serves_now(uuid, domain_id, time.monotonic()):
            return track
        if self._bulk is not False and self._lock.acquire(timeout=_PATIENCE):
            try:
                if self._take_all() and not _serves(self._tracks.get(uuid), domain_id):
                    time.sleep(PERIOD)
                    self._take_all()
            finally:
                self._lock.release()
            track = self._tracks.get(uuid)
            if _serves(track, domain_id):
                return track
        return self._alone(uuid, domain_id)

    def _alone(self, uuid: str, domain_id: int) -> _Track:
        """Two samples of one domain: where there are no bulk statistics, or they hang on another domain."""
        for pause in (0.0, PERIOD):
            time.sleep(pause)
            self._take_one(uuid, domain_id)
            track = self._tracks.get(uuid)
            if _serves(track, domain_id):
                return track
        raise Unknowable(f"the CPU time of domain {domain_id} went backwards between two samples")

    def take(self) -> None:
        """One sample of all domains (of those that were asked for, where the driver has no bulk statistics)."""
        with self._lock:
            if self._bulk is not False:
                self._take_all()
                return
        for uuid in tuple(self._asked):
            try:
                self._take_one(uuid)
            except DomainOff as error:
                logger.debug("no CPU sample of %s: %s", uuid, error)  # it may be on again by the next
            except HypervisorError as error:
                self._asked.discard(uuid)
                logger.debug("no CPU sample of %s: %s", uuid, error)

    def _take_all(self) -> bool:
        """One bulk sample; False when the driver has no bulk statistics."""
        try:
            stats = self._stats.read(_GROUPS)
        except Unsupported as error:
            logger.debug("no bulk CPU statistics: %s", error)
            self._bulk = False
            return False
        self._bulk = True
        at = time.monotonic()
        found = {}
        for domain, values in stats:
            if "cpu.time" in values and "vcpu.current" in values:
                found[domain.UUIDString()] = (domain.ID(), values["cpu.time"], values["vcpu.current"])
        for uuid, (domain_id, cpu_ns, vcpus) in found.items():
            self._add(uuid, domain_id, at, cpu_ns, vcpus)
        for uuid in set(self._tracks) - set(found) if found else ():
            if uuid not in self._asked:
                del self._tracks[uuid]
        return True

    def _take_one(self, uuid: str, wanted: int | None = None) -> None:
        """One sample of one domain: of the run with the wanted domain id, or (None) of that which is on."""
        with self._connection.domain(uuid) as domain:
            domain_id = domain.ID()
            if domain_id < 0 or wanted not in (None, domain_id):
                raise DomainOff(f"{domain.name()} was turned off while its CPU time was sampled")
            _, _, _, vcpus, cpu_ns = domain.info()
        self._add(uuid, domain_id, time.monotonic(), cpu_ns, vcpus)

    def _add(self, uuid: str, domain_id: int, at: float, cpu_ns: int, vcpus: int) -> None:
        track = self._tracks.get(uuid)
        if track is None or track.domain_id != domain_id:
            self._tracks[uuid] = _Track(domain_id, at, cpu_ns)
        else:
            track.add(at, cpu_ns, max(1, vcpus))


def _serves(track: _Track | None, domain_id: int) -> TypeGuard[_Track]:
    """Whether there is at least one sample of this run."""
    return track is not None and track.domain_id == domain_id and len(track.percents) > 0


def _sample_forever(me: weakref.ref[CpuSampler], stop: queue.SimpleQueue[None]) -> None:
    complained = False
    while _lasts(stop):
        sampler = me()
        if sampler is None:
            return
        try:
            if sampler._connection.is_open:
                sampler.take()
                complained = False
        except HypervisorError as error:
            # Whoever reads meanwhile gets the error itself; here it is said once.
            logger.log(logging.DEBUG if complained else logging.WARNING, "no CPU samples: %s", error)
            complained = True
        del sampler  # lest it lives for as long as this thread waits


def _lasts(stop: queue.SimpleQueue[None]) -> bool:
    """Wait for the next sample's time; False as soon as there is to be none."""
    try:
        stop.get(timeout=PERIOD)
    except queue.Empty:
        return True
    return False
