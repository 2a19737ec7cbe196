"""Keeps the run records right: what began, and the counters at every reset that this process sees.

A reset (by vpcshim, by virsh, by the guest) leaves libvirt's counters as they are, where the products start
again at zero. Whoever listens takes the counters at that moment as the baseline and writes it where every later
process finds it.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref

import libvirt

from vpcshim.hypervisor import domainxml, runrecord
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.counters import Counters, read_all
from vpcshim.hypervisor.domainxml import Disk, DomainXml, Nic
from vpcshim.hypervisor.errors import AccessDenied, HypervisorError
from vpcshim.hypervisor.events import Event, Events, Kind
from vpcshim.hypervisor.layouts import Layouts
from vpcshim.hypervisor.runrecord import RunRecord

logger = logging.getLogger(__name__)

# A domain that began in one of these ways began now; one that migrated here was started elsewhere, long ago.
_BEGINS = (libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED, libvirt.VIR_DOMAIN_EVENT_STARTED_RESTORED)
_LATE = 2.0


class RunKeeper:
    """The run records of one connection's domains."""

    def __init__(self, connection: Connection, layouts: Layouts) -> None:
        self._connection = connection
        self._layouts = layouts
        self._lock = threading.Lock()
        # What could not be written into the metadata, by (uuid, domain id): known to this process only.
        self._unwritten: dict[tuple[str, int], RunRecord] = {}

    def listen_to(self, events: Events) -> None:
        """Follow starts, resets and unplugged devices."""
        me = weakref.ref(self)

        def listener(event: Event) -> None:
            keeper = me()
            if keeper is not None:
                keeper._on_event(event)

        events.listen(listener)

    def record(self, xml: DomainXml) -> RunRecord | None:
        """What is known of the present run of the domain, None where nothing is."""
        if xml.id is None or (xml.run is None and not self._unwritten):
            return None
        written = runrecord.read(xml, self._boot_id())
        ours = self._unwritten.get((xml.uuid, xml.id))
        if ours is None or written is None:
            return ours or written
        return RunRecord(
            xml.id, written.boot_id, ours.started or written.started, ours.baseline or written.baseline
        )

    def began(self, uuid: str, when: float) -> None:
        """Record that the domain's run began at `when` (seconds since the epoch).

        Raises:
            HypervisorError: It could not be written.
        """
        with self._connection.domain(uuid, write=True) as domain:
            xml = domainxml.parse(domain.XMLDesc())
            if xml.id is not None:
                self._write(domain, RunRecord(xml.id, self._boot_id(), when))

    def was_reset(self, uuid: str) -> None:
        """Take the counters as they are now as the baseline of the present run.

        Raises:
            HypervisorError: They could not be read, or the baseline could not be written anywhere but into
                this process's memory.
        """
        with self._connection.domain(uuid) as domain:
            reading = read_all(domain, lambda xml: (*xml.nics, *xml.drives))
        if reading is None or reading.xml.id is None:
            return
        # A device without counters has no baseline either: reading it fails before a baseline is asked for.
        baseline = {
            runrecord.key_of(one.device): one.got for one in reading.devices if isinstance(one.got, Counters)
        }
        known = self.record(reading.xml)
        started = None if known is None else known.started
        record = RunRecord(reading.xml.id, self._boot_id(), started, baseline)
        # Known to this process at once; to the others when it is written.
        key = (uuid, reading.xml.id)
        self._unwritten[key] = record
        with self._connection.domain(uuid, write=True) as domain:
            self._write(domain, record)
        self._unwritten.pop(key, None)

    def _write(self, domain: libvirt.virDomain, record: RunRecord) -> None:
        runrecord.write(domain, record)
        # Our own change is seen by our own next read, without waiting for the event that tells of it.
        self._layouts.forget(domain.UUIDString())

    def _boot_id(self) -> str | None:
        return runrecord.local_boot_id() if self._connection.is_local else None

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
        late = time.time() - event.seen
        if late > _LATE:
            logger.warning("the counters of %s are taken %.1f s after its reset", event.uuid, late)
        self.was_reset(event.uuid)

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
            known = self.record(xml)
            if xml.id is None or (known is not None and known.started is not None):
                return
            record = RunRecord(xml.id, self._boot_id(), event.seen, known.baseline if known else {})
            if self._connection.writable:
                self._write(domain, record)
            else:
                # Not worth asking for more rights: it is only missed where no process's age tells it.
                self._unwritten[event.uuid, xml.id] = record

    def _on_removed(self, event: Event) -> None:
        """Forget the baselines of devices that are gone, lest a new one of that name inherits them."""
        with self._connection.domain(event.uuid) as domain:
            xml = domainxml.parse(domain.XMLDesc())
        known = self.record(xml)
        if known is None or not known.baseline:
            return
        devices: tuple[Nic | Disk, ...] = (*xml.nics, *xml.drives)
        gone = set(known.baseline) - {runrecord.key_of(device) for device in devices}
        if gone:
            with self._connection.domain(event.uuid, write=True) as domain:
                self._write(domain, runrecord.without(known, gone))
