"""Which source serves which NIC, and what the others said."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.unit.fakes import FakeDomain, domain_xml, nic
from vpcshim.hypervisor.counters import Counters, Offer
from vpcshim.hypervisor.domainxml import DomainXml, parse
from vpcshim.hypervisor.nics import bulk, hostlinks
from vpcshim.hypervisor.nics.reader import NicReader

A, B = "52:54:00:00:00:0a", "52:54:00:00:00:0b"
STATS = [10, 1, 2, 3, 20, 5, 6, 7]

LOCAL = (True, False)
REMOTE = (False, False)
EMBEDDED = (True, True)
ALONE = "bulk statistics: one machine alone is asked for"
ELSEWHERE = "host link: the hypervisor is on another machine"
INSIDE = "host link: the driver is inside this process, its NICs are not the host's"


class FakeConnection:
    def __init__(self, where: tuple[bool, bool]) -> None:
        self.is_local, self.is_embedded = where


class FakeLayouts:
    def __init__(self) -> None:
        self.anew: list[bool] = []

    def read(self, domain: FakeDomain, *, anew: bool = False) -> DomainXml:
        self.anew.append(anew)
        return parse(domain.XMLDesc())


class FakeLinks:
    """The host's links: serves the NICs whose target it has."""

    def __init__(self, have: dict[str, Counters]) -> None:
        self.have = have
        self.asked = 0

    def read(self, domains: Sequence[DomainXml]) -> list[list[Counters | str]]:
        self.asked += 1
        return [[self.have.get(nic.target or "", f"no link {nic.target}") for nic in xml.nics] for xml in domains]


def reader(
    where: tuple[bool, bool], have: dict[str, Counters] | None = None, sources: frozenset[str] | None = None
) -> tuple[NicReader, FakeLinks, FakeLayouts]:
    layouts = FakeLayouts()
    made = NicReader(FakeConnection(where), layouts)  # type: ignore[arg-type]
    if sources is not None:
        made.sources = sources
    links = FakeLinks(have or {})
    made._links = links  # type: ignore[assignment]
    return made, links, layouts


TWO = domain_xml(nic("vnet0", A) + nic("vnet1", B))


@pytest.mark.parametrize(
    ("where", "links", "asks_bulk"), [(LOCAL, True, False), (REMOTE, False, True), (EMBEDDED, False, True)]
)
def test_links_where_they_are_in_reach_else_bulk(where: tuple[bool, bool], links: bool, asks_bulk: bool) -> None:
    made, _, _ = reader(where)
    assert (made.asks_links, made.asks_bulk) == (links, asks_bulk)


@pytest.mark.parametrize(
    ("sources", "links", "asks_bulk"),
    [
        (frozenset({hostlinks.NAME}), True, False),
        (frozenset({bulk.NAME}), False, True),
        (frozenset[str](), False, False),
    ],
)
def test_sources_that_are_switched_off(sources: frozenset[str], links: bool, asks_bulk: bool) -> None:
    made, _, _ = reader(LOCAL, sources=sources)
    assert (made.asks_links, made.asks_bulk) == (links, asks_bulk)
    xml = parse(TWO)
    if not links:
        assert made.offers([xml])[0][0].declined == ("host link: switched off", ALONE)


@pytest.mark.parametrize(("where", "why"), [(REMOTE, ELSEWHERE), (EMBEDDED, INSIDE)])
def test_one_machine_out_of_reach_of_its_links(where: tuple[bool, bool], why: str) -> None:
    made, links, _ = reader(where)
    assert made.offers([parse(TWO)]) == [[Offer(None, "", (why, ALONE))] * 2]
    assert links.asked == 0


def test_links_come_first() -> None:
    made, links, _ = reader(LOCAL, {"vnet0": Counters(1, 2)})
    counted = {"vnet0": Counters(8, 8), "vnet1": Counters(3, 4)}
    assert made.offers([parse(TWO)], [counted]) == [
        [
            Offer(Counters(1, 2), "host link", ()),
            Offer(Counters(3, 4), "bulk statistics", ("host link: no link vnet1",)),
        ]
    ]
    assert links.asked == 1


def test_a_nic_that_no_fast_source_has() -> None:
    made, _, _ = reader(LOCAL)
    left_out = "bulk statistics: the driver left this NIC out"
    xml = parse(domain_xml(nic("vnet0", A) + nic(None, B)))
    assert made.offers([xml], [{}]) == [
        [
            Offer(None, "", ("host link: no link vnet0", left_out)),
            Offer(None, "", ("host link: no link None", left_out)),
        ]
    ]
    assert made.offers([xml], ["bulk statistics: refused"])[0][0] == Offer(
        None, "", ("host link: no link vnet0", "bulk statistics: refused")
    )
    assert made.offers([xml])[0][0] == Offer(None, "", ("host link: no link vnet0", ALONE))


def test_bulk_from_elsewhere() -> None:
    made, links, _ = reader(REMOTE, {"vnet0": Counters(666, 666)})
    xml = parse(TWO)
    assert made.offers([xml, xml], [{"vnet0": Counters(1, 2)}, {}]) == [
        [
            Offer(Counters(1, 2), "bulk statistics", (ELSEWHERE,)),
            Offer(None, "", (ELSEWHERE, "bulk statistics: the driver left this NIC out")),
        ],
        [Offer(None, "", (ELSEWHERE, "bulk statistics: the driver left this NIC out"))] * 2,
    ]
    assert links.asked == 0


def test_an_omitted_nic_is_asked_for_by_itself() -> None:
    made, _, _ = reader(LOCAL, {"vnet0": Counters(1, 2)})
    domain = FakeDomain(TWO, {"vnet1": STATS})
    reading = made.read(domain)
    assert reading is not None
    assert [(one.got, one.source, one.declined) for one in reading.devices] == [
        (Counters(1, 2), "host link", ()),
        (Counters(10, 20), "interfaceStats", ("host link: no link vnet1", ALONE)),
    ]
    assert domain.asked == ["xml", "vnet1"]


@pytest.mark.parametrize("where", [REMOTE, EMBEDDED])
def test_one_machine_elsewhere_is_asked_nic_by_nic(where: tuple[bool, bool]) -> None:
    made, _, _ = reader(where)
    domain = FakeDomain(TWO, {"vnet0": STATS, "vnet1": STATS})
    reading = made.read(domain)
    assert reading is not None
    assert [one.source for one in reading.devices] == ["interfaceStats"] * 2


def test_what_is_at_hand_is_not_asked_for_again() -> None:
    made, links, layouts = reader(LOCAL, {"vnet0": Counters(666, 666)})
    domain = FakeDomain(TWO, {"vnet1": STATS})
    xml = parse(TWO)
    reading = made.read(domain, xml, [Offer(Counters(1, 2), "host link", ()), Offer(None, "", ("why",))])
    assert reading is not None
    assert reading.xml is xml
    assert [(one.got, one.declined) for one in reading.devices] == [
        (Counters(1, 2), ()),
        (Counters(10, 20), ("why",)),
    ]
    assert (links.asked, layouts.anew, domain.asked) == (0, [], ["vnet1"])


def test_offers_are_not_used_for_another_xml() -> None:
    """A NIC vanished: the XML is read anew, and what was offered for the old one is not taken for the new."""
    made, links, layouts = reader(LOCAL, {"vnet2": Counters(5, 6)})
    domain = FakeDomain(domain_xml(nic("vnet2", A)))
    offers = [Offer(Counters(1, 2), "host link", ()), Offer(None, "", ())]
    reading = made.read(domain, parse(TWO), offers)
    assert reading is not None
    assert [one.got for one in reading.devices] == [Counters(5, 6)]
    assert (links.asked, layouts.anew) == (1, [True])


def test_a_machine_that_is_off() -> None:
    made, _, _ = reader(LOCAL)
    assert made.read(FakeDomain(domain_xml(nic("vnet0", A), number=None), active=False)) is None
