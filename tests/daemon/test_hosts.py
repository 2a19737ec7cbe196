"""Several servers at once: each in its own thread, and a dead or frozen one costs its own rows only."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vpcshim
from tests.harness.daemon import TestDriverDaemon

NODE = """<node><domain type='test'><name>{name}</name><memory>65536</memory><os><type>hvm</type></os><devices>
<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/></interface></devices></domain>
</node>"""


@pytest.fixture
def hosts(testdriver_daemon: TestDriverDaemon, tmp_path: Path) -> Iterator[tuple[TestDriverDaemon, list[str]]]:
    """A daemon to hurt, and the URIs of its node and of two nodes of another daemon."""
    uris = []
    with TestDriverDaemon() as other:
        for daemon, name in ((testdriver_daemon, "hurt"), (other, "one"), (other, "two")):
            node = tmp_path / f"{name}.xml"
            node.write_text(NODE.format(name=name))
            uris.append(daemon.uri_for(node))
        yield testdriver_daemon, uris


def report(uris: list[str]) -> tuple[int, list[dict[str, Any]], float]:
    command = [sys.executable, "-m", "vpcshim", "--timeout", "4"]
    for uri in uris:
        command += ["--connect", uri]
    began = time.monotonic()
    done = subprocess.run(
        [*command, "accountant", "--json", "--columns", "net-sent"], capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout), time.monotonic() - began


def test_all_well(hosts: tuple[TestDriverDaemon, list[str]]) -> None:
    code, machines, _ = report(hosts[1])
    assert code == 0
    assert [machine["name"] for machine in machines] == ["hurt", "one", "two"]
    assert all(machine["NetworkBytesSent"]["value"] > 0 for machine in machines)


@pytest.mark.parametrize("hurt", ["kill", "freeze"])
def test_one_bad_host_costs_its_own_rows(hosts: tuple[TestDriverDaemon, list[str]], hurt: str) -> None:
    daemon, uris = hosts
    getattr(daemon, hurt)()
    code, machines, took = report(uris)
    assert code == 2
    assert took < 30
    assert {machine["name"] for machine in machines} == {None, "one", "two"}
    for machine in machines:
        cell = machine["NetworkBytesSent"]
        assert (cell["hresult"] == "S_OK") is (machine["name"] is not None)
        assert (cell["value"] is None) is (machine["name"] is None)
    if hurt == "freeze":
        daemon.thaw()


def test_an_application_for_each_host_from_threads(hosts: tuple[TestDriverDaemon, list[str]]) -> None:
    names: list[list[str]] = []
    failures: list[Exception] = []

    def read(uri: str) -> None:
        try:
            for _ in range(20):
                application = vpcshim.CreateObject("VirtualServer.Application", uri)
                names.append([machine.Name for machine in application.VirtualMachines])
                assert application.VirtualMachines.Item(1).Accountant.NetworkBytesSent > 0
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=read, args=(uri,)) for uri in hosts[1] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert failures == []
    assert sorted(names) == sorted([["hurt"], ["one"], ["two"]] * 40)
