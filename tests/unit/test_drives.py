"""The drives of all machines in one call, and what it does not say."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from tests.unit.fakes import disk, domain_xml, nic
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.counters import Counters, Reading
from vpcshim.hypervisor.domainxml import DomainXml, parse
from vpcshim.hypervisor.drives import DriveSweeper
from vpcshim.hypervisor.errors import ConnectionLost, DomainGone, HypervisorError, Unreadable, Unsupported
from vpcshim.hypervisor.monitorstats import MonitorStats

A, B = "a" * 36, "b" * 36


class FakeDomain:
    def __init__(self, uuid: str, run: int) -> None:
        self.uuid, self.run = uuid, run

    def UUIDString(self) -> str:
        return self.uuid

    def ID(self) -> int:
        return self.run


class FakeStats:
    def __init__(self, answers: list[dict[str, dict[str, Any]] | Exception]) -> None:
        self.answers = answers
        self.groups: list[int] = []

    def read(self, groups: int, _uuids: object = None) -> list[tuple[FakeDomain, dict[str, Any]]]:
        self.groups.append(groups)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        # In run 5, as the XML is, where the statistics do not say another.
        return [(FakeDomain(uuid, values.get("run", 5)), values) for uuid, values in answer.items()]


def sweeper(*answers: dict[str, dict[str, Any]] | Exception) -> tuple[DriveSweeper, FakeStats]:
    made = DriveSweeper(unused := Connection("test:///nowhere"), MonitorStats(unused))
    stats = FakeStats(list(answers))
    made._stats = stats  # type: ignore[assignment]
    return made, stats


def block(*drives: tuple[str, int | None, int | None]) -> dict[str, Any]:
    values: dict[str, Any] = {"block.count": len(drives)}
    for number, (name, read, written) in enumerate(drives):
        values[f"block.{number}.name"] = name
        if read is not None:
            values[f"block.{number}.rd.bytes"] = read
        if written is not None:
            values[f"block.{number}.wr.bytes"] = written
    return values


def xml(*devices: str) -> DomainXml:
    return parse(domain_xml("".join(devices)))


def got(reading: Reading | HypervisorError | None) -> list[Counters | str]:
    assert isinstance(reading, Reading)
    return [str(one.got) if isinstance(one.got, Unreadable) else one.got for one in reading.devices]


def test_the_drives_of_several_machines() -> None:
    made, stats = sweeper({A: block(("vda", 1, 2), ("vdb", 3, 4)), B: block(("vda", 5, 6))})
    first, second = xml(disk("vda"), disk("vdb")), xml(disk("vda"))
    swept = made.sweep({A: first, B: second})
    assert swept is not None
    assert got(swept[A]) == [Counters(1, 2), Counters(3, 4)]
    assert got(swept[B]) == [Counters(5, 6)]
    reading = swept[A]
    assert isinstance(reading, Reading)
    assert reading.xml is first
    assert {one.source for one in reading.devices} == {"bulk statistics"}
    assert stats.groups == [libvirt.VIR_DOMAIN_STATS_BLOCK]


@pytest.mark.parametrize("floppy_is_told_of", [False, True])
def test_floppies_do_not_count(floppy_is_told_of: bool) -> None:
    told = [("fda", 100, 100)] if floppy_is_told_of else []
    made, _ = sweeper({A: block(*told, ("vda", 1, 2))})
    swept = made.sweep({A: xml(disk("fda", "floppy"), disk("vda"))})
    assert swept is not None
    assert got(swept[A]) == [Counters(1, 2)]


def test_without_drives_nobody_is_asked() -> None:
    made, stats = sweeper({})
    swept = made.sweep({A: xml(nic("vnet0")), B: xml(disk("fda", "floppy"))})
    assert swept is not None
    assert (got(swept[A]), got(swept[B]), stats.groups) == ([], [], [])


WHY = "cannot be read: libvirt has no counters of it (is the guest's monitor hung or busy?)"


@pytest.mark.parametrize(
    "values",
    [
        {"state.state": 1},
        {"block.count": 0},
        block(("vda", None, None)),
        block(("vdb", 1, 2)),
        {"block.count": 1, "block.0.rd.bytes": 1, "block.0.wr.bytes": 1},
    ],
)
def test_a_drive_that_is_missing_is_unreadable(values: dict[str, Any]) -> None:
    made, _ = sweeper({A: block(("vda", 1, 2)), B: values})
    swept = made.sweep({A: xml(disk("vda")), B: xml(disk("vda"))})
    assert swept is not None
    assert got(swept[A]) == [Counters(1, 2)]
    assert got(swept[B]) == [f"drive vda (disk) {WHY}"]


def test_a_drive_of_which_one_way_is_not_counted() -> None:
    made, _ = sweeper({A: block(("vda", 1, None), ("vdb", None, 2))})
    swept = made.sweep({A: xml(disk("vda"), disk("vdb"))})
    assert swept is not None
    assert got(swept[A]) == [Counters(1, None), Counters(None, 2)]


def test_a_drive_without_a_name_is_unreadable() -> None:
    made, _ = sweeper({A: {"block.count": 1, "block.0.name": "vda", "block.0.rd.bytes": 1, "block.0.wr.bytes": 1}})
    swept = made.sweep({A: xml('<disk type="file" device="disk"/>')})
    assert swept is not None
    assert got(swept[A]) == [f"drive  (disk) {WHY}"]


def test_a_machine_that_has_stopped_meanwhile_is_off() -> None:
    made, _ = sweeper({A: block(("vda", 1, 2))})
    swept = made.sweep({A: xml(disk("vda")), B: xml(disk("vda"))})
    assert swept is not None
    assert swept[B] is None


def test_a_driver_without_bulk_statistics() -> None:
    made, stats = sweeper(Unsupported("bits 0x20 are not supported by this daemon"))
    for _ in range(2):
        assert made.sweep({A: xml(disk("vda"))}) is None
        assert not made.supported
    assert len(stats.groups) == 1, "it is asked once"


def test_a_lone_guest_that_hangs_costs_its_own_drives() -> None:
    hung: dict[str, dict[str, Any]] = {A: {}}
    made, _ = sweeper(*[hung] * 5, {A: block(("vda", 1, 2))})
    machines = {A: xml(disk("vda"))}
    swept = made.sweep(machines)
    assert swept is not None
    assert got(swept[A]) == [f"drive vda (disk) {WHY}"]
    assert made.supported
    swept = made.sweep(machines)
    assert swept is not None
    assert got(swept[A]) == [Counters(1, 2)]


def test_trouble_of_the_connection_is_raised() -> None:
    made, _ = sweeper(ConnectionLost("gone"))
    with pytest.raises(ConnectionLost):
        made.sweep({A: xml(disk("vda"))})


# -- a machine that stops, or is started anew, between its XML and its statistics --------------------------------


class Live:
    """The domain as it is by now."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __call__(self, _uuid: str) -> Live:
        return self

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def XMLDesc(self, _flags: int = 0) -> str:
        return self.text


OFF: dict[str, Any] = {"run": -1, "block.count": 1, "block.0.name": "vda"}


@pytest.mark.parametrize("hung_before", [False, True])
def test_a_machine_that_was_turned_off_is_off_and_does_not_hang(hung_before: bool) -> None:
    hung: dict[str, dict[str, Any]] = {A: {}}
    answers = [*[hung] * hung_before, {A: OFF}]
    made, _ = sweeper(*answers)
    assert made.read(A, xml(disk("vda"))) is None
    made, _ = sweeper(*answers)
    assert made.sweep({A: xml(disk("vda"))}) == {A: None}


@pytest.mark.parametrize("bulk", [False, True])
def test_the_drives_of_another_run_are_those_of_its_own_xml(bulk: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = sweeper({A: {"run": 6, **block(("vda", 1, 2), ("vdb", 3, 4))}})
    now = domain_xml("".join([disk("vda"), disk("vdb")]), number=6)
    monkeypatch.setattr(made._connection, "domain", Live(now))
    before = xml(disk("vda"))
    swept = made.sweep({A: before}) if bulk else {A: made.read(A, before)}
    assert swept is not None
    assert got(swept[A]) == [Counters(1, 2), Counters(3, 4)]
    assert swept[A].xml.id == 6  # type: ignore[union-attr]


def test_a_machine_that_was_started_anew_and_turned_off_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = sweeper({A: {"run": 6, **block(("vda", 1, 2))}})
    monkeypatch.setattr(made._connection, "domain", Live(domain_xml(disk("vda"), number=None)))
    assert made.read(A, xml(disk("vda"))) is None


@pytest.mark.parametrize("error", [DomainGone("gone"), ConnectionLost("lost")])
def test_one_that_is_gone_after_a_start_stops_no_other(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_uuid: str) -> Live:
        raise error

    made, _ = sweeper({A: {"run": 6, **block(("vda", 1, 2))}, B: block(("vda", 3, 4))})
    monkeypatch.setattr(made._connection, "domain", gone)
    if isinstance(error, ConnectionLost):
        with pytest.raises(ConnectionLost):
            made.sweep({A: xml(disk("vda")), B: xml(disk("vda"))})
        return
    swept = made.sweep({A: xml(disk("vda")), B: xml(disk("vda"))})
    assert swept is not None
    assert (swept[A], got(swept[B])) == (error, [Counters(3, 4)])
