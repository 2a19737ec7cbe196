"""Which source serves which NIC: decided per connection and per NIC by probing, never by version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import libvirt

from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.counters import Counters, Offer, Reading, read_all
from vpcshim.hypervisor.domainxml import DomainXml, Nic
from vpcshim.hypervisor.layouts import Layouts
from vpcshim.hypervisor.nics import bulk, hostlinks
from vpcshim.hypervisor.nics.hostlinks import HostLinks

_ALONE = f"{bulk.NAME}: one machine alone is asked for"


class NicReader:
    """The NIC counters of one connection's domains.

    Args:
        connection: The connection.
        layouts: Where the XML of its running domains is kept.
        sources: The sources that may be used beside interfaceStats; for comparing them.
    """

    def __init__(
        self,
        connection: Connection,
        layouts: Layouts,
        sources: frozenset[str] = frozenset({bulk.NAME, hostlinks.NAME}),
    ) -> None:
        self._connection = connection
        self._layouts = layouts
        self._links = HostLinks()
        self.sources = sources

    @property
    def asks_links(self) -> bool:
        """Whether the host's links are asked: the hypervisor is on this machine and not inside this process."""
        local = self._connection.is_local and not self._connection.is_embedded
        return local and hostlinks.NAME in self.sources

    @property
    def asks_bulk(self) -> bool:
        """Whether a sweep asks for bulk statistics: where the host's links are out of reach."""
        return not self.asks_links and bulk.NAME in self.sources

    def read(
        self,
        domain: libvirt.virDomain,
        xml: DomainXml | None = None,
        offers: Sequence[Offer] | None = None,
        at: float | None = None,
    ) -> Reading | None:
        """The NIC counters of one running domain; None when it is off.

        Args:
            domain: The domain.
            xml: Its live XML, if it is at hand.
            offers: What `offers` said for the NICs of that XML, if it was asked.
            at: When it was asked, on the monotonic clock.

        Raises:
            libvirt.libvirtError: The domain or the connection is in trouble.
        """

        def read_xml(anew: bool) -> DomainXml:
            return xml if xml is not None and not anew else self._layouts.read(domain, anew=anew)

        def offers_for(of: DomainXml) -> Sequence[Offer]:
            return offers if offers is not None and of is xml else self.offers([of])[0]

        return read_all(domain, _nics, read_xml, offers_for, at)

    def offers(
        self, xmls: Sequence[DomainXml], counted: Sequence[Mapping[str, Counters] | str] | None = None
    ) -> list[list[Offer]]:
        """What the fast sources have for every NIC of those domains.

        Args:
            xmls: The domains' live XML.
            counted: For each of them the bulk counters by host device, or why there are none.
        """
        bulks = counted if counted is not None else [_ALONE] * len(xmls)
        if self.asks_links:
            links = self._links.read(xmls)
            return [
                [_best(nic, link, some) for nic, link in zip(xml.nics, of, strict=True)]
                for xml, of, some in zip(xmls, links, bulks, strict=True)
            ]
        why = _why_no_links(self._connection)
        return [
            # One object does for all that have nothing: there may be tens of thousands of NICs.
            [_nothing(why, some)] * len(xml.nics)
            if isinstance(some, str)
            else [_best(nic, why, some) for nic in xml.nics]
            for xml, some in zip(xmls, bulks, strict=True)
        ]


@lru_cache(maxsize=64)
def _nothing(link: str, counted: str) -> Offer:
    return Offer(None, "", (f"{hostlinks.NAME}: {link}", counted))


def _best(nic: Nic, link: Counters | str, counted: Mapping[str, Counters] | str) -> Offer:
    if isinstance(link, Counters):
        return Offer(link, hostlinks.NAME, ())
    if isinstance(counted, str):
        return _nothing(link, counted)
    declined = (f"{hostlinks.NAME}: {link}",)
    found = None if nic.target is None else counted.get(nic.target)
    if found is None:
        return Offer(None, "", (*declined, f"{bulk.NAME}: the driver left this NIC out"))
    return Offer(found, bulk.NAME, declined)


def _why_no_links(connection: Connection) -> str:
    if connection.is_embedded:
        return "the driver is inside this process, its NICs are not the host's"
    return "switched off" if connection.is_local else "the hypervisor is on another machine"


def _nics(xml: DomainXml) -> tuple[Nic, ...]:
    return xml.nics
