"""How long a domain has been up: its process, else what was recorded, else nothing."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.fakes import UUID, domain_xml
from vpcshim.hypervisor import domainxml, processes, uptime
from vpcshim.hypervisor.errors import Unknowable
from vpcshim.hypervisor.runrecord import RunRecord

NOW = 1_700_000_000.0
RECORD = RunRecord(5, None, NOW - 60)


def up(
    monkeypatch: pytest.MonkeyPatch,
    age: float | None,
    record: RunRecord | None,
    *,
    kind: str = "kvm",
    local: bool = True,
) -> float:
    monkeypatch.setattr(uptime, "time", SimpleNamespace(time=lambda: NOW))

    def aged(file: Path, *, argument: str | None = None) -> float | None:
        assert file.name == "web01.pid"
        assert argument == UUID
        return age

    monkeypatch.setattr(processes, "age_of_pid_file", aged)
    return uptime.seconds_up(domainxml.parse(domain_xml(kind=kind)), record, local=local)


@pytest.mark.parametrize(
    ("age", "record", "kind", "local", "expected"),
    [
        (12.5, None, "kvm", True, 12.5),
        (12.5, RECORD, "qemu", True, 12.5),  # the process knows better
        (None, RECORD, "kvm", True, 60),
        (12.5, RECORD, "kvm", False, 60),
        (12.5, RECORD, "test", True, 60),
    ],
)
def test_sources(
    monkeypatch: pytest.MonkeyPatch,
    age: float | None,
    record: RunRecord | None,
    kind: str,
    local: bool,
    expected: float,
) -> None:
    assert up(monkeypatch, age, record, kind=kind, local=local) == expected


@pytest.mark.parametrize(
    ("kind", "local", "why"),
    [
        ("kvm", True, "its QEMU process cannot be seen from here"),
        ("kvm", False, "its process is on another machine"),
        ("test", True, "a domain of type test has no process"),
    ],
)
@pytest.mark.parametrize("record", [None, RunRecord(5)])
def test_nothing_known_is_no_guess(
    monkeypatch: pytest.MonkeyPatch, record: RunRecord | None, kind: str, local: bool, why: str
) -> None:
    with pytest.raises(Unknowable, match=why):
        up(monkeypatch, None, record, kind=kind, local=local)


def test_a_start_in_the_future(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unknowable, match="30 s in the future"):
        up(monkeypatch, None, RunRecord(5, None, NOW + 30))


def test_clocks_that_differ_by_less_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    assert up(monkeypatch, None, RunRecord(5, None, NOW + 0.5)) == 0


def test_our_own_process() -> None:
    age = processes.age(os.getpid())
    assert age is not None
    assert 0 <= age < 24 * 3600
    assert processes.age(os.getpid(), argument="no such argument") is None
    assert processes.age(2**30) is None


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "²", "9" * 5000, "1 2"], ids=lambda text: text[:5])
def test_a_pid_file_with_something_else(text: str, tmp_path: Path) -> None:
    (tmp_path / "web01.pid").write_text(text)
    assert processes.age_of_pid_file(tmp_path / "web01.pid") is None


def test_a_pid_file(tmp_path: Path) -> None:
    file = tmp_path / "web01.pid"
    assert processes.age_of_pid_file(file) is None
    file.write_bytes(b"\xff\xfe")
    assert processes.age_of_pid_file(file) is None
    file.write_text(f"{os.getpid()}\n")
    assert processes.age_of_pid_file(file) is not None
