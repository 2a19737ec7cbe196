"""Keeps the run records right: what began, and the counters at every reset that this process sees.

A reset (by vpcshim, by virsh, by the guest) leaves libvirt's counters as they are, where the products start
again at zero. Whoever listens takes the counters at that moment as the baseline and writes it where every later
process finds it.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import libvirt

from vpcshim.hypervisor import domainxml, forks, runrecord
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.counters import Counters, Reading, read_all
from vpcshim.hypervisor.domainxml import Disk, DomainXml, Nic
from vpcshim.hypervisor.drives import DriveSweeper
from vpcshim.hypervisor.errors import AccessDenied, DomainGone, DomainOff, HypervisorError
from vpcshim.hypervisor.events import Event, Events, Kind
from vpcshim.hypervisor.layouts import Layouts
from vpcshim.hypervisor.runrecord import RunRecord
from vpcshim.hypervisor.uptime import process_of

logger = logging.getLogger(__name__)

# A domain that began in one of these ways began now; one that migrated here was started elsewhere, long ago.
_BEGINS = (libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED, libvirt.VIR_DOMAIN_EVENT_STARTED_RESTORED)
# How late a reset may be heard of (seconds) for the counters to be still those of the reset.
_LATE = 2.0
# How long before the event of its start a run may have been recorded by whoever started it (seconds).
_STARTING = 30.0
# Within how many seconds REBOOT events are of one reset.
_ONE_RESET = 0.5
# How many earlier records are held for counters that were read before the last one: a reset makes two.
_EARLIER = 3


class _Unwritten(NamedTuple):
    """A record that only this process has, and since when (monotonic clock)."""

    since: float
    record: RunRecord


class RunKeeper:
    """The run records of one connection's domains."""

    def __init__(self, connection: Connection, layouts: Layouts, drives: DriveSweeper) -> None:
        self._connection = connection
        self._layouts = layouts
        self._drives = drives
        self._lock = forks.lock()
        # What could not be written into the metadata, by (uuid, domain id): known to this process only.
        self._unwritten: dict[tuple[str, int], list[_Unwritten]] = {}
        # Who takes the baseline of a domain, and since when.
        self._resetting: dict[str, tuple[float, threading.Thread | None]] = {}
        # What a kept XML says of the run, read once: the XML is replaced when the domain changes.
        self._read: weakref.WeakKeyDictionary[DomainXml, RunRecord | None] = weakref.WeakKeyDictionary()

    def listen_to(self, events: Events) -> None:
        """Follow starts, resets and unplugged devices."""
        me = weakref.ref(self)

        def listener(event: Event) -> None:
            keeper = me()
            if keeper is not None:
                keeper._on_event(event)

        events.listen(listener)

    def record(self, xml: DomainXml, at: float = math.inf) -> RunRecord | None:
        """What is known of the run of the domain that the XML is of, None where nothing is.

        Args:
            xml: The live XML.
            at: As of when, on the monotonic clock: no counters from before a reset are compared with those at it.

        Raises:
            BadXml: Somebody else wrote something else where the record is kept.
            HypervisorError: Whether that run is still on could not be asked for.
        """
        if xml.id is None or (xml.run is None and not self._unwritten):
            return None
        if xml not in self._read:
            self._read[xml] = None if xml.run is None else self._written(xml)
        kept = self._unwritten.get((xml.uuid, xml.id), ())
        written, ours = self._read[xml], next((one.record for one in reversed(kept) if one.since <= at), None)
        if ours is None or written is None:
            return ours or written
        newer, older = (ours, written) if ours.age >= written.age else (written, ours)
        return replace(newer, started=newer.started or older.started)

    def baseline(self, xml: DomainXml, at: float) -> Mapping[str, Counters]:
        """What the counters were at the last reset, by `runrecord.key_of`; nothing without one. As `record`."""
        known = self.record(xml, at)
        return {} if known is None else known.baseline

    def _written(self, xml: DomainXml) -> RunRecord | None:
        boot_id, process = self._identity(xml)
        record = runrecord.read(xml, boot_id, process)
        if record is None and process is not None:
            # Of another process: of an earlier run; or that process is of a later run than the XML by now.
            of_another = runrecord.read(xml, boot_id)
            is_of_this_run = of_another is not None and self._is_over(xml.uuid, of_another.domain_id)
            record = of_another if is_of_this_run else None
        return record

    def _is_over(self, uuid: str, run: int) -> bool:
        """Whether that run of the domain, by its domain id, is over."""
        try:
            with self._connection.domain(uuid) as domain:
                return bool(domain.ID() != run)
        except DomainGone:
            return True

    def began(self, uuid: str, when: float) -> None:
        """Record that the domain's run began at `when` (seconds since the epoch).

        Raises:
            HypervisorError: It could not be written.
        """
        with self._connection.domain(uuid, write=True) as domain:
            xml = domainxml.parse(domain.XMLDesc())
            if xml.id is not None:
                self._write(domain, self._fresh(xml, when))

    def _fresh(self, xml: DomainXml, started: float | None) -> RunRecord:
        boot_id, process = self._identity(xml)
        return RunRecord(xml.id or 0, boot_id, started, process=process)

    def was_reset(
        self, uuid: str, seen: float | None = None, *, stalled: bool = False, run: int | None = None
    ) -> None:
        """Take the counters as they are now as the baseline of the present run.

        NICs first, which need no monitor; then the drives, whose reading is bounded. What cannot be read in time is
        recorded as unknown: then the sums fail instead of being wrong.

        Args:
            uuid: The domain.
            seen: When the reset was heard of, seconds since the epoch; None for one that was just made.
            stalled: Whether this process was held up then, so that nobody knows when the reset really was.
            run: The domain id that it had when it was reset, if that is known: of a later run nothing is taken.

        Raises:
            HypervisorError: The NICs could not be read, or the baseline could not be written anywhere but into
                this process's memory.
        """
        with self._connection.domain(uuid) as domain:
            nics = read_all(domain, lambda xml: xml.nics)
        if nics is None or run not in (None, nics.xml.id):
            return
        xml, taken = nics.xml, time.time()
        known = self.record(xml)
        if seen is not None and known is not None and known.taken is not None and known.taken >= seen:
            return  # somebody took a baseline since
        late = stalled or (seen is not None and taken - seen > _LATE)
        if late:
            logger.warning("the reset of %s was heard of too late: its counters since then are not known", xml.name)
        unknown = {runrecord.DRIVES} if xml.drives else set()
        record = replace(
            self._fresh(xml, None if known is None else known.started),
            taken=taken,
            baseline={} if late else _counted(nics),
            unknown=frozenset(unknown | ({runrecord.NICS} if late else set())),
        )
        self._keep(uuid, record)
        if xml.drives and not late:
            drives = self._drives.read(uuid, xml)
            if drives is not None and drives.xml.id == xml.id:
                both = {**record.baseline, **_counted(drives)}
                self._keep(uuid, replace(record, baseline=both, unknown=frozenset()))

    def _keep(self, uuid: str, record: RunRecord) -> None:
        """Make a record known: to this process at once, to the others when it is written.

        Of a run that is over by now nothing is to be known any more.
        """
        key = (uuid, record.domain_id)
        self._hold(key, record)
        try:
            with self._connection.domain(uuid, write=True) as domain:
                if domain.ID() == record.domain_id:
                    self._write(domain, record)
        except DomainOff:
            if not self._is_over(uuid, record.domain_id):
                raise
        self._unwritten.pop(key, None)

    def _hold(self, key: tuple[str, int], record: RunRecord) -> None:
        with self._lock:
            earlier = self._unwritten.get(key, [])[-_EARLIER:]
            self._unwritten[key] = [*earlier, _Unwritten(time.monotonic(), record)]

    def _write(self, domain: libvirt.virDomain, record: RunRecord) -> None:
        runrecord.write(domain, record)
        # Our own change is seen by our own next read, without waiting for the event that tells of it.
        self._layouts.forget(domain.UUIDString())

    def _identity(self, xml: DomainXml) -> tuple[str | None, str | None]:
        """The host's boot id and the domain's process, as far as this machine can tell."""
        if not self._connection.is_local:
            return None, None
        seen = None if self._connection.is_embedded else process_of(xml.name, xml.uuid)
        return runrecord.local_boot_id(), seen

    # -- what the hypervisor tells -------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        try:
            if event.kind is Kind.REBOOT:
                self._on_reboot(event)
            elif event.kind is Kind.LIFECYCLE:
                self._on_lifecycle(event)
            elif event.kind is Kind.DEVICE_REMOVED:
                self._on_removed(event)
        except AccessDenied as error:
            logger.warning("known to this process only: %s of %s: %s", event.kind.name, event.uuid, error)
        except HypervisorError as error:
            logger.warning("%s of %s could not be recorded: %s", event.kind.name, event.uuid, error)

    def _on_reboot(self, event: Event) -> None:
        """Take the baseline in a thread of its own: the write may wait for the job of a guest that hangs."""
        with self._lock:
            began, thread = self._resetting.get(event.uuid, (0.0, None))
            if thread is not None and thread.is_alive() and event.seen - began < _ONE_RESET:
                return  # QEMU tells of one reset two or three times
            thread = threading.Thread(target=self._take, args=(event,), name="vpcshim-reset", daemon=True)
            self._resetting[event.uuid] = (event.seen, thread)
        thread.start()

    def _take(self, event: Event) -> None:
        try:
            self.was_reset(event.uuid, event.seen, stalled=event.stalled, run=event.run)
        except HypervisorError as error:
            logger.warning("the reset of %s could not be recorded: %s", event.uuid, error)

    def _on_lifecycle(self, event: Event) -> None:
        what, how = event.details[:2]
        if what == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            with self._lock:
                for key in [key for key in self._unwritten if key[0] == event.uuid]:
                    del self._unwritten[key]
        if what != libvirt.VIR_DOMAIN_EVENT_STARTED or how not in _BEGINS:
            return
        with self._connection.domain(event.uuid) as domain:
            xml = domainxml.parse(domain.XMLDesc())
            if event.run not in (None, xml.id):
                return  # that run is over: the next has an event of its own
            known = self.record(xml)
            if xml.id is None or (known is not None and known.age > event.seen - _STARTING):
                return  # whoever started it has recorded it
            # What the metadata says is of an earlier run, whatever id that had.
            record = replace(self._fresh(xml, event.seen), taken=event.seen)
        if self._connection.writable or known is not None:
            self._keep(event.uuid, record)
        else:
            # Not worth asking for more rights: it is only missed where no process's age tells it.
            self._hold((event.uuid, record.domain_id), record)

    def _on_removed(self, event: Event) -> None:
        """Forget the baselines of devices that are gone, lest a new one of that name inherits them."""
        with self._connection.domain(event.uuid) as domain:
            xml = domainxml.parse(domain.XMLDesc())
        known = self.record(xml)
        if known is None or not known.baseline or event.run not in (None, xml.id):
            return
        devices: tuple[Nic | Disk, ...] = (*xml.nics, *xml.drives)
        there = {runrecord.key_of(device) for device in devices}
        alias = str(event.details[0])
        # By its alias, too: another device of that name may be there already.
        gone = {key for key in known.baseline if key not in there or key.rpartition(":")[2] == alias}
        if gone:
            self._keep(event.uuid, runrecord.without(known, gone))


def _counted(reading: Reading) -> dict[str, Counters]:
    """A device without counters has no baseline either: reading it fails before a baseline is asked for."""
    return {runrecord.key_of(one.device): one.got for one in reading.devices if isinstance(one.got, Counters)}
