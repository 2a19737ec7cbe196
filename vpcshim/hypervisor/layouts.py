"""The live XML of running domains, kept while libvirt's events vouch for it.

Asking for the XML and parsing it is most of the cost of reading a counter. It says which NICs and drives there
are and what was recorded of the run; all of that changes only with an event: a device added or removed, a start
or stop, metadata changed, a reset. So an XML is kept by (UUID, domain id) until an event of that domain arrives,
and only while every kind of event is registered and the event loop runs.

What can change without an event (vCPUs, scheduler parameters) is not to be read from here.
"""

from __future__ import annotations

import weakref

import libvirt

from vpcshim.hypervisor import domainxml, forks
from vpcshim.hypervisor.domainxml import DomainXml
from vpcshim.hypervisor.events import Events

# The drivers that were seen to send these events; another may accept a registration and send nothing.
_TOLD_BY_EVENTS = ("qemu", "kvm", "test")


class Layouts:
    """The kept XML of one connection's running domains."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._lock = forks.lock()
        self._kept: dict[str, DomainXml] = {}
        self._changes = 0
        # libvirt's callbacks hold whom they tell, and they go with the connection, which goes with the last of us.
        me = weakref.ref(self)

        def hint(uuid: str | None) -> None:
            layouts = me()
            if layouts is not None:
                layouts.forget(uuid)

        events.before_listeners(hint)

    def forget(self, uuid: str | None) -> None:
        """Drop what is kept of a domain (of all of them: None)."""
        with self._lock:
            self._changes += 1
            if uuid is None:
                self._kept.clear()
            else:
                self._kept.pop(uuid, None)

    def kept(self, uuid: str, domain_id: int | None) -> DomainXml | None:
        """The XML of that run of the domain if it is kept and vouched for."""
        xml = self._kept.get(uuid)
        return xml if xml is not None and xml.id == domain_id and self._events.complete else None

    def read(self, domain: libvirt.virDomain, *, anew: bool = False) -> DomainXml:
        """The live XML of a domain, kept or (`anew`, or where none is kept) from libvirt.

        Raises:
            libvirt.libvirtError: libvirt refused.
            BadXml: It is not what a domain's XML is.
        """
        uuid: str = domain.UUIDString()
        xml = None if anew else self.kept(uuid, domain.ID())
        if xml is not None:
            return xml
        before = self._changes
        xml = domainxml.parse(domain.XMLDesc())
        with self._lock:
            # An event that arrived meanwhile may be of a change that this XML does not show yet.
            if xml.id is not None and xml.driver in _TOLD_BY_EVENTS and before == self._changes:
                self._kept[uuid] = xml
        return xml
