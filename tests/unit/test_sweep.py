"""All domains in one go: one that is bad stops no other, and nothing is asked for that nobody needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import libvirt
import pytest

from tests.unit.fakes import libvirt_error, nic
from vpcshim.hypervisor import sweep as sweep_module
from vpcshim.hypervisor.counters import Counters, Offer, Reading, read_all
from vpcshim.hypervisor.domainxml import DomainXml, parse
from vpcshim.hypervisor.errors import (
    BadXml,
    ConnectionFailed,
    ConnectionLost,
    DomainBusy,
    DomainGone,
    HypervisorError,
    translated,
)
from vpcshim.hypervisor.runrecord import key_of
from vpcshim.hypervisor.sweep import DomainFacts, Sweeper
from vpcshim.model.hresults import is_running

pytestmark = pytest.mark.usefixtures("bounded")

LOST = (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC)
WITH_IMAGE = libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "_WORTH_MORE_CONNECTIONS", 20)


def uuid_of(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012}"


class FakeDomain:
    """Domain n has id n and the NIC vnetN, which has received n and sent 2n; off: id -1."""

    def __init__(self, number: int, state: int = libvirt.VIR_DOMAIN_RUNNING, *, on: bool = True) -> None:
        self.number, self.state, self.on = number, state, on
        self.reason = 0
        self.bulk: dict[str, Any] = {}
        live = f" id='{number}'" if on else ""
        self.xml: str | Exception = (
            f"<domain type='kvm'{live}>"
            f"<name>m{number}</name><uuid>{uuid_of(number)}</uuid><devices>{nic(f'vnet{number}')}</devices></domain>"
        )
        self.stats: Any = [number, 0, 0, 0, 2 * number, 0, 0, 0]

    def name(self) -> str:
        return f"m{self.number}"

    def UUIDString(self) -> str:
        return uuid_of(self.number)

    def ID(self) -> int:
        return self.number if self.on else -1

    def isActive(self) -> int:
        return int(self.on)

    def XMLDesc(self) -> str:
        if isinstance(self.xml, Exception):
            raise self.xml
        return self.xml

    def interfaceStats(self, _device: str) -> Any:
        if isinstance(self.stats, Exception):
            raise self.stats
        return self.stats


class FakeConnection:
    """A pool of connections that counts how many threads it serves at a time."""

    def __init__(self, domains: Sequence[FakeDomain], *, local: bool = True) -> None:
        self.domains = {domain.UUIDString(): domain for domain in domains}
        self.saved: Sequence[FakeDomain] = ()
        self.is_local = local
        self.is_single = False
        self.asked: list[Any] = []
        self.apart: list[str] = []
        self.threads: set[int] = set()
        self.states: dict[int, int] = {}

    @contextmanager
    def calls(self) -> Iterator[FakeConnection]:
        try:
            yield self
        except libvirt.libvirtError as error:
            raise translated(error) from error

    @contextmanager
    def domain(self, uuid: str) -> Iterator[FakeDomain]:
        self.apart.append(uuid)
        self.threads.add(threading.get_ident())
        try:
            if uuid not in self.domains:
                raise libvirt_error(libvirt.VIR_ERR_NO_DOMAIN)
            yield self.domains[uuid]
        except libvirt.libvirtError as error:
            raise translated(error) from error

    def getAllDomainStats(self, groups: int, flags: int) -> list[Any]:
        self.asked.append(("stats", groups, flags))
        return [
            (domain, {"state.state": domain.state, "state.reason": domain.reason, **domain.bulk})
            for domain in self.domains.values()
        ]

    def listAllDomains(self, flags: int) -> list[FakeDomain]:
        self.asked.append(("list", flags))
        inactive = flags & libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE
        return [domain for domain in self.saved if not (inactive and domain.on)]


class FakeLayouts:
    def __init__(self, kept: frozenset[str] = frozenset()) -> None:
        self.known = kept

    def kept(self, uuid: str, _domain_id: int) -> object:
        return object() if uuid in self.known else None

    def read(self, domain: FakeDomain, *, anew: bool = False) -> DomainXml:
        return parse(domain.XMLDesc())


class FakeNics:
    asks_bulk = False

    def __init__(self) -> None:
        self.offered: list[list[str]] = []
        self.counted: list[Any] = []

    def offers(self, xmls: Sequence[DomainXml], counted: Sequence[Any]) -> list[list[Offer]]:
        assert len(xmls) == len(counted)
        self.offered.append([xml.name for xml in xmls])
        self.counted += counted
        return [[Offer(None, "", (str(how),))] * len(xml.nics) for xml, how in zip(xmls, counted, strict=True)]

    def read(self, domain: FakeDomain, xml: DomainXml, offers: Sequence[Offer], at: float) -> Reading | None:
        def read_xml(anew: bool) -> DomainXml:
            return parse(domain.XMLDesc()) if anew else xml

        return read_all(domain, lambda of: of.nics, read_xml, lambda _xml: offers, at)


def sweep(
    connection: FakeConnection,
    layouts: FakeLayouts | None = None,
    nics: FakeNics | None = None,
    running: Callable[[int, bool], bool] = is_running,
    baseline: Callable[[], Mapping[str, Counters]] = dict,
) -> dict[str, DomainFacts]:
    fakes: Any = connection, layouts or FakeLayouts(), nics or FakeNics()
    sweeper = Sweeper(fakes[0], fakes[1], fakes[2], lambda _xml, _at: baseline())
    return {facts.name: facts for facts in sweeper.sweep(running)}


def counted(facts: DomainFacts) -> list[object]:
    assert isinstance(facts.nics, Reading)
    return [one.got for one in facts.nics.devices]


@pytest.mark.parametrize(
    ("state", "on", "running"),
    [
        (libvirt.VIR_DOMAIN_RUNNING, True, True),
        (libvirt.VIR_DOMAIN_BLOCKED, True, True),
        (libvirt.VIR_DOMAIN_PAUSED, True, True),
        (libvirt.VIR_DOMAIN_PMSUSPENDED, True, True),
        (libvirt.VIR_DOMAIN_SHUTDOWN, True, True),
        (libvirt.VIR_DOMAIN_NOSTATE, True, True),
        (libvirt.VIR_DOMAIN_NOSTATE, False, False),
        (libvirt.VIR_DOMAIN_SHUTOFF, False, False),
        (libvirt.VIR_DOMAIN_CRASHED, False, False),
        (libvirt.VIR_DOMAIN_CRASHED, True, False),
        (99, True, True),
        (99, False, False),
    ],
)
def test_states(state: int, on: bool, running: bool) -> None:
    found = sweep(FakeConnection([FakeDomain(3, state, on=on)]))["m3"]
    assert (found.uuid, found.state, found.id) == (uuid_of(3), state, 3 if on else None)
    assert (found.nics is not None) is running
    if running:
        assert counted(found) == [Counters(3, 6)]


def test_a_state_that_the_driver_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = FakeConnection([FakeDomain(3)])
    monkeypatch.setattr(connection, "getAllDomainStats", lambda _groups, _flags: [(FakeDomain(3), {})])
    assert sweep(connection)["m3"].state == libvirt.VIR_DOMAIN_NOSTATE


def test_one_call_where_all_are_on() -> None:
    connection = FakeConnection([FakeDomain(number) for number in range(1, 6)])
    found = sweep(connection)
    assert [counted(found[f"m{n}"]) for n in range(1, 6)] == [[Counters(n, 2 * n)] for n in range(1, 6)]
    assert connection.asked == [("stats", libvirt.VIR_DOMAIN_STATS_STATE, 0)]
    assert connection.apart == []


def test_saved_images_are_asked_for_once_and_only_if_something_is_off() -> None:
    off = [FakeDomain(number, libvirt.VIR_DOMAIN_SHUTOFF, on=False) for number in (2, 3, 4)]
    connection = FakeConnection([FakeDomain(1), *off])
    connection.saved = [off[1]]
    found = sweep(connection)
    assert [found[f"m{number}"].saved for number in range(1, 5)] == [False, False, True, False]
    assert connection.asked[1:] == [("list", WITH_IMAGE)]


@pytest.mark.parametrize(
    ("reason", "asks"),
    [
        (libvirt.VIR_DOMAIN_PAUSED_STARTING_UP, True),
        (libvirt.VIR_DOMAIN_PAUSED_MIGRATION, True),
        (libvirt.VIR_DOMAIN_PAUSED_SAVE, False),
        (libvirt.VIR_DOMAIN_PAUSED_USER, False),
    ],
)
def test_the_image_of_a_machine_that_starts_tells_whether_it_is_restored(reason: int, asks: bool) -> None:
    starting = FakeDomain(2, libvirt.VIR_DOMAIN_PAUSED)
    starting.reason = reason
    connection = FakeConnection([FakeDomain(1), starting])
    connection.saved = [starting]
    found = sweep(connection)["m2"]
    assert (found.reason, found.saved) == (reason, asks)
    assert connection.asked[1:] == ([("list", WITH_IMAGE)] if asks else [])


def test_a_saved_machine_that_is_being_restored_a_moment_later_was_saved() -> None:
    was_off = FakeDomain(1, libvirt.VIR_DOMAIN_SHUTOFF, on=False)
    connection = FakeConnection([was_off])
    by_now = FakeDomain(1, libvirt.VIR_DOMAIN_PAUSED)
    connection.saved = [by_now]
    assert sweep(connection)["m1"].saved


BAD_RECORD = BadXml("somebody else's")


@pytest.mark.parametrize(
    ("into", "out", "declined"),
    [(900, 1900, False), (1000, 2000, False), (1001, 2000, True), (900, 2001, True), (None, None, False)],
)
def test_bulk_counters_from_before_a_reset_are_not_taken(into: int | None, out: int | None, declined: bool) -> None:
    """The XML, and the baseline in it, is read after them: another process may have reset it in between."""
    domain = FakeDomain(1)
    domain.bulk = {"net.count": 1, "net.0.name": "vnet1", "net.0.rx.bytes": 1000, "net.0.tx.bytes": 2000}
    key = key_of(parse(domain.XMLDesc()).nics[0])
    nics = FakeNics()
    nics.asks_bulk = True
    found = sweep(FakeConnection([domain]), nics=nics, baseline=lambda: {key: Counters(into, out)})
    counters = {"vnet1": Counters(1000, 2000)}
    assert nics.counted == ["bulk statistics: it was reset since" if declined else counters]
    assert counted(found["m1"]) == [Counters(1, 2)], "asked anew"


def test_a_record_that_cannot_be_read_is_for_the_sum_to_tell() -> None:
    def baseline() -> Mapping[str, Counters]:
        raise BAD_RECORD

    assert counted(sweep(FakeConnection([FakeDomain(1)]), baseline=baseline)["m1"]) == [Counters(1, 2)]


BAD: list[tuple[str | Exception, type[HypervisorError]]] = [
    ("<domain", BadXml),
    ("<network/>", BadXml),
    (libvirt_error(libvirt.VIR_ERR_NO_DOMAIN), DomainGone),
    (libvirt_error(libvirt.VIR_ERR_OPERATION_TIMEOUT), DomainBusy),
    (libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR), HypervisorError),
]


@pytest.mark.parametrize("many_and_remote", [False, True])
@pytest.mark.parametrize(("bad", "kind"), BAD)
def test_one_bad_domain_stops_no_other(
    bad: str | Exception, kind: type[HypervisorError], many_and_remote: bool
) -> None:
    domains = [FakeDomain(number) for number in range(1, 31 if many_and_remote else 4)]
    domains[1].xml = bad
    nics = FakeNics()
    connection = FakeConnection(domains, local=not many_and_remote)
    found = sweep(connection, nics=nics)
    assert type(found["m2"].nics) is kind
    assert all(counted(found[f"m{n}"]) == [Counters(n, 2 * n)] for n in range(1, len(domains) + 1) if n != 2)
    assert nics.offered == [[f"m{n}" for n in range(1, len(domains) + 1) if n != 2]]
    assert bool(connection.apart) is many_and_remote


@pytest.mark.parametrize("many_and_remote", [False, True])
def test_a_domain_whose_nics_are_in_trouble_stops_no_other(many_and_remote: bool) -> None:
    domains = [FakeDomain(number) for number in range(1, 31 if many_and_remote else 4)]
    domains[1].stats = libvirt_error(libvirt.VIR_ERR_OPERATION_TIMEOUT)
    found = sweep(FakeConnection(domains, local=not many_and_remote))
    assert type(found["m2"].nics) is DomainBusy
    assert counted(found["m3"]) == [Counters(3, 6)]


def test_a_domain_that_stops_meanwhile_is_off() -> None:
    domains = [FakeDomain(1), FakeDomain(2)]
    domains[0].stats = libvirt_error(libvirt.VIR_ERR_OPERATION_INVALID)
    domains[0].isActive = lambda: 0  # type: ignore[method-assign]
    found = sweep(FakeConnection(domains))
    assert found["m1"].nics is None
    assert counted(found["m2"]) == [Counters(2, 4)]


@pytest.mark.parametrize("many_and_remote", [False, True])
@pytest.mark.parametrize("where", ["xml", "stats"])
def test_a_lost_connection_concerns_them_all(where: str, many_and_remote: bool) -> None:
    domains = [FakeDomain(number) for number in range(1, 31 if many_and_remote else 4)]
    setattr(domains[1], where, libvirt_error(*LOST))
    with pytest.raises(ConnectionLost):
        sweep(FakeConnection(domains, local=not many_and_remote))


def test_a_server_that_cannot_be_reached_for_one_cannot_be_for_any() -> None:
    domains = [FakeDomain(number) for number in range(1, 31)]
    domains[1].xml = ConnectionFailed("refused")
    with pytest.raises(ConnectionFailed):
        sweep(FakeConnection(domains, local=False))


@pytest.mark.parametrize(
    ("count", "kept", "local", "apart"),
    [
        (30, 0, True, False),
        (30, 0, False, True),
        (20, 0, False, True),
        (19, 0, False, False),
        (30, 11, False, False),
        (30, 10, False, True),
        (30, 30, False, False),
    ],
)
def test_several_connections_only_for_many_that_are_far(count: int, kept: int, local: bool, apart: bool) -> None:
    domains = [FakeDomain(number) for number in range(1, count + 1)]
    connection = FakeConnection(domains, local=local)
    layouts = FakeLayouts(frozenset(uuid_of(number) for number in range(1, kept + 1)))
    found = sweep(connection, layouts)
    assert [counted(found[f"m{n}"]) for n in range(1, count + 1)] == [
        [Counters(n, 2 * n)] for n in range(1, count + 1)
    ]
    assert (connection.apart != []) is apart
    assert threading.get_ident() not in connection.threads
    assert len(connection.threads) <= 5


def test_one_connection_where_there_may_be_no_second_one() -> None:
    connection = FakeConnection([FakeDomain(number) for number in range(1, 31)], local=False)
    connection.is_single = True
    assert counted(sweep(connection)["m30"]) == [Counters(30, 60)]
    assert connection.apart == []


def test_bulk_counters_reach_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bulk(FakeNics):
        asks_bulk = True

    connection = FakeConnection([FakeDomain(1)])
    values = {"state.state": 1, "net.count": 1, "net.0.name": "vnet1", "net.0.rx.bytes": 8, "net.0.tx.bytes": 9}
    stats = [(connection.domains[uuid_of(1)], values)]
    monkeypatch.setattr(connection, "getAllDomainStats", lambda _groups, _flags: stats)
    facts = sweep(connection, nics=Bulk())["m1"]
    assert isinstance(facts.nics, Reading)
    assert facts.nics.devices[0].declined == (str({"vnet1": Counters(8, 9)}),)
    # Its XML is of a later run than the counters: they are not put together.
    monkeypatch.setattr(FakeDomain, "ID", lambda _self: 77)
    facts = sweep(connection, nics=Bulk())["m1"]
    assert isinstance(facts.nics, Reading)
    assert facts.nics.devices[0].declined == ("bulk statistics: it was started anew since",)


def test_no_domains() -> None:
    assert sweep(FakeConnection([])) == {}
