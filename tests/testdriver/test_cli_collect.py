"""The reader of the command line when a server hangs: it waits as long as agreed, and no longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.waiting import wait_until
from vpcshim.cli import collect
from vpcshim.cli.collect import Host
from vpcshim.com.errors import ComError
from vpcshim.com.hresult import HRESULT
from vpcshim.model.options import ConnectionOptions
from vpcshim.model.sweep import sweep as model_sweep
from vpcshim.testing import NodeBuilder

COLUMNS = ("NetworkBytesSent",)


@pytest.fixture
def options(vpcshim_node: NodeBuilder) -> ConnectionOptions:
    return ConnectionOptions(vpcshim_node("vm2", "VM1", "vm3").uri, timeout=1)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "_GRACE", 4.0)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    opened = threading.Event()
    yield opened
    opened.set()


def read(host: Host) -> collect.Report:
    (report,) = collect.read([host])
    return report


def test_a_server_that_hangs_costs_its_own_rows_and_is_noticed_when_it_is_back(
    options: ConnectionOptions, monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    hanging, healthy = Host(options, (), COLUMNS), Host(options, ("vm1", "vm1", "nobody"), COLUMNS)

    def sweep(application: Any, columns: Any, names: Any) -> Any:
        if not names:
            assert gate.wait(60)
        return model_sweep(application, columns, names)

    monkeypatch.setattr(collect, "sweep", sweep)
    threads = threading.active_count()
    for _ in range(2):
        began = time.monotonic()
        report, other = collect.read([hanging, healthy])
        assert time.monotonic() - began < 30
        assert report.failure is not None
        assert report.failure.code is HRESULT.DISP_E_EXCEPTION
        assert "no answer" in report.failure.description
        assert [row.account.name for row in other.rows] == ["VM1"]
        assert other.unknown == ["nobody"]
    assert threading.active_count() <= threads + 6, "rounds do not pile up threads"
    gate.set()
    wait_until(lambda: read(hanging).failure is None, 5, "it is back")


def test_a_server_that_refuses_is_reported_with_its_code(
    options: ConnectionOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sweep(*_: Any) -> Any:
        code = int(HRESULT.E_ACCESSDENIED)
        raise ComError(int(HRESULT.DISP_E_EXCEPTION), "Exception", (0, "x", "not you", None, 0, code))

    monkeypatch.setattr(collect, "sweep", sweep)
    failure = read(Host(options, (), COLUMNS)).failure
    assert failure is not None
    assert (failure.code, failure.description) == (HRESULT.E_ACCESSDENIED, "not you")


def test_a_defect_in_a_thread_is_not_swallowed(options: ConnectionOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    def sweep(*_: Any) -> Any:
        raise RuntimeError("a defect")

    monkeypatch.setattr(collect, "sweep", sweep)
    with pytest.raises(RuntimeError, match="a defect"):
        read(Host(options, (), COLUMNS))


def test_rows_are_in_the_order_of_names_and_know_their_run(options: ConnectionOptions) -> None:
    report = read(Host(options, (), COLUMNS))
    assert [row.account.name for row in report.rows] == ["VM1", "vm2", "vm3"]
    assert all(row.account.run is not None and row.account.run > 0 for row in report.rows)
