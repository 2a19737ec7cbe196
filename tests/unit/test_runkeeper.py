"""Whose counters are compared with whose: the record of a run, while the run and the record become others."""

from __future__ import annotations

import time
from typing import Any

import libvirt
import pytest

from tests.unit.fakes import UUID, FakeDomain, domain_xml, libvirt_error, nic
from vpcshim.com.member import SFalse
from vpcshim.hypervisor import runkeeper, runrecord
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.counters import Reading, read_all
from vpcshim.hypervisor.drives import DriveSweeper
from vpcshim.hypervisor.errors import DomainOff, HypervisorError, translated
from vpcshim.hypervisor.events import Event, Events, Kind
from vpcshim.hypervisor.layouts import Layouts
from vpcshim.hypervisor.monitorstats import MonitorStats
from vpcshim.hypervisor.runkeeper import RunKeeper
from vpcshim.hypervisor.runrecord import RunRecord
from vpcshim.model.totals import out, total

pytestmark = pytest.mark.usefixtures("bounded")

MAC = "52:54:00:00:00:01"
OFF = libvirt_error(libvirt.VIR_ERR_OPERATION_INVALID, message="domain is not running")
STARTED = (libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED)
DENIED = libvirt_error(libvirt.VIR_ERR_OPERATION_DENIED, message="read only access")


class Live(FakeDomain):
    """A domain that has sent so much, in a certain run (-1: it is off), and what it has been written to it."""

    def __init__(self, metadata: str = "", run: int = 5) -> None:
        super().__init__("")
        self.metadata_xml, self.run, self.sent = metadata, run, 0
        self.refusal: Exception | None = None
        self.records: list[str] = []

    def __call__(self, _uuid: str, *, write: bool = False) -> Live:
        return self

    def __enter__(self) -> Live:
        return self

    def __exit__(self, _kind: object, error: object, _traceback: object) -> None:
        if isinstance(error, libvirt.libvirtError):
            raise translated(error) from error

    def ID(self) -> int:
        return self.run

    def UUIDString(self) -> str:
        return UUID

    def XMLDesc(self, _flags: int = 0) -> str:
        return domain_xml(nic("tap7", MAC), metadata=self.metadata_xml, number=self.run if self.run >= 0 else None)

    def interfaceStats(self, _device: str) -> list[int]:
        return [0, 0, 0, 0, self.sent, 0, 0, 0]

    def setMetadata(self, *args: Any) -> int:
        if self.run < 0:
            raise OFF
        if self.refusal is not None:
            raise self.refusal
        self.records.append(args[1])
        return 0


def written(run: int, sent: int, process: str) -> str:
    return (
        f"<vpcshim-run:run xmlns:vpcshim-run='urn:vpcshim:run:1' domain='{run}' boot='b' process='{process}'>"
        f"<counters key='nic:tap7:{MAC}' into='0' out='{sent}'/></vpcshim-run:run>"
    )


@pytest.fixture
def live() -> Live:
    return Live()


@pytest.fixture
def runs(live: Live, monkeypatch: pytest.MonkeyPatch) -> RunKeeper:
    connection = Connection("test:///nowhere")
    monkeypatch.setattr(connection, "domain", live)
    monkeypatch.setattr(Connection, "is_local", True)
    monkeypatch.setattr(runrecord, "local_boot_id", lambda: "b")
    monkeypatch.setattr(runkeeper, "process_of", lambda _name, _uuid: f"process of {live.run}")
    layouts = Layouts(Events(connection))
    return RunKeeper(connection, layouts, DriveSweeper(connection, MonitorStats(connection)))


def read(live: Live) -> Reading:
    reading = read_all(live, lambda xml: xml.nics)
    assert reading is not None
    return reading


def summed(runs: RunKeeper, reading: Reading) -> int:
    found = total(reading, runs.record(reading.xml, reading.at), out, "sent bytes", skip_nics=False)
    assert not isinstance(found, SFalse)
    return int(found)


@pytest.mark.parametrize("resets_before", [0, 1])
def test_what_was_counted_before_a_reset_is_not_compared_with_what_was_counted_at_it(
    resets_before: int, live: Live, runs: RunKeeper
) -> None:
    """The baseline stays in this process, which may not write; a sum is made of a reading from before it."""
    live.refusal = DENIED
    live.sent = 900
    for _ in range(resets_before):
        with pytest.raises(HypervisorError):
            runs.was_reset(UUID)
    live.sent = 1000
    earlier = read(live)
    live.sent = 1005
    with pytest.raises(HypervisorError):
        runs.was_reset(UUID)
    assert summed(runs, earlier) == 1000 - 900 * resets_before
    live.sent = 1006
    assert summed(runs, read(live)) == 1


def test_a_machine_that_is_started_anew_keeps_the_baseline_of_what_was_read_before(
    live: Live, runs: RunKeeper
) -> None:
    live.metadata_xml = written(5, 900, "process of 5")
    live.sent = 1000
    reading = read(live)
    live.run, live.sent = 6, 0
    assert summed(runs, reading) == 100


def test_the_record_of_an_earlier_process_with_that_domain_id_is_void(live: Live, runs: RunKeeper) -> None:
    live.metadata_xml = written(5, 900, "process of 4")
    live.sent = 1000
    assert summed(runs, read(live)) == 1000


# -- what is told of a run that is over -------------------------------------------------------------------------


def event(kind: Kind, *details: object, run: int | None) -> Event:
    return Event(kind, UUID, details, time.time(), run=run)


@pytest.mark.parametrize("run", [5, 6, None])
def test_a_reset_takes_nothing_off_what_a_later_run_counts(run: int | None, live: Live, runs: RunKeeper) -> None:
    live.run, live.sent = 6, 40
    runs._take(event(Kind.REBOOT, run=run))
    assert [('domain="6"' in text, "40" in text) for text in live.records] == [(True, True)] * (run != 5)


@pytest.mark.parametrize("run", [5, 6])
def test_a_start_is_that_of_its_own_run(run: int, live: Live, runs: RunKeeper) -> None:
    live.run = 6
    live.metadata_xml = written(6, 0, "process of 6")  # so that it is written, not only remembered
    runs._on_event(event(Kind.LIFECYCLE, *STARTED, run=run))
    assert len(live.records) == (run == 6)


@pytest.mark.parametrize("run", [5, 6])
def test_a_device_that_went_in_an_earlier_run_keeps_its_baseline(run: int, live: Live, runs: RunKeeper) -> None:
    live.run = 6
    live.metadata_xml = written(6, 900, "process of 6").replace(MAC, f"{MAC}:net0")
    runs._on_event(event(Kind.DEVICE_REMOVED, "net0", run=run))
    assert len(live.records) == (run == 6)


@pytest.mark.parametrize("then", [-1, 6], ids=["turned off", "started anew"])
def test_a_machine_that_was_reset_and_is_in_no_such_run_any_more(
    then: int, live: Live, runs: RunKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to record, and nothing went wrong; the record of the new run stays."""
    hold = runs._hold

    def held(key: tuple[str, int], record: RunRecord) -> None:
        hold(key, record)
        live.run = then

    monkeypatch.setattr(runs, "_hold", held)
    runs.was_reset(UUID)
    assert live.records == []
    assert not runs._unwritten


@pytest.mark.parametrize("over", [True, False])
def test_only_a_run_that_is_over_may_refuse_its_record(
    over: bool, live: Live, runs: RunKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        live.run = -1 if over else live.run
        raise OFF

    monkeypatch.setattr(live, "setMetadata", refuse)
    if over:
        runs.was_reset(UUID)
    else:
        with pytest.raises(DomainOff):
            runs.was_reset(UUID)
    assert bool(runs._unwritten) is not over
