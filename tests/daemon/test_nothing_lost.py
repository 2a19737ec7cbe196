"""Killed at any moment while machines come and go: none is lost, no file is half written, the next run goes on.

VPCSHIM_KILL_SECONDS says for how long processes are killed (15 by default).
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections import Counter
from pathlib import Path

import libvirt
import pytest

from tests.daemon.churn import GUID, Journal, adopt, churn
from tests.harness.daemon import TestDriverDaemon
from tests.harness.waiting import wait_until
from vpcshim import CreateObject
from vpcshim.hypervisor import settings
from vpcshim.hypervisor.domainxml import parse
from vpcshim.migrate import vmc

SECONDS = float(os.environ.get("VPCSHIM_KILL_SECONDS", "15"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the machines' files are; the preferences beside it are the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "machines").mkdir()
    return tmp_path / "machines"


def there(connect: libvirt.virConnect, folder: Path) -> set[str]:
    """The machines that there are, defined or in a file; every definition and every file has to be whole."""
    found = set()
    for domain in connect.listAllDomains():
        if domain.name() != "test":
            try:
                xml = parse(domain.XMLDesc())
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
                continue  # the last that the process asked for was to take it away
            kept = settings.read(xml).file
            assert kept, f"{xml.name} has no file"
            assert Path(kept).is_file(), f"{xml.name} names a file that is not there: {kept}"
            found.add(f"{{{xml.uuid.upper()}}}")
    for file in folder.glob("*.vmc"):
        identity = vmc.read(file.read_bytes())[GUID]
        assert isinstance(identity, str)
        found.add(identity)
    return found


def told(journal: Path) -> list[list[str]]:
    return [line.split(maxsplit=1) for line in journal.read_text().splitlines()] if journal.exists() else []


def test_killed_at_any_moment_no_machine_is_lost(testdriver_daemon: TestDriverDaemon, folder: Path) -> None:
    seed = int(os.environ.get("VPCSHIM_KILL_SEED", "0")) or random.randrange(1 << 30)
    print(f"VPCSHIM_KILL_SEED={seed}")
    chance = random.Random(seed)
    context = multiprocessing.get_context("forkserver")
    # What a process needs for its first step too, so that it is killed at its work and not while it imports that.
    context.set_forkserver_preload(
        ["vpcshim.model.application", "vpcshim.model.registration", "vpcshim.migrate.vmc"]
    )
    connect = libvirt.open(testdriver_daemon.uri)  # held: without a connection the node is forgotten
    environment = {name: os.environ[name] for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    kept: set[str] = set()
    going: set[str] = set()
    killed: Counter[str] = Counter()
    end = time.monotonic() + SECONDS
    number = 0
    while time.monotonic() < end or (len(killed) < 3 and number < 100):
        number += 1
        journal = folder.parent / f"journal{number}"
        process = context.Process(
            target=churn, args=(testdriver_daemon.uri, folder, journal, chance.randrange(1 << 30), environment)
        )
        process.start()
        try:
            steps = chance.randrange(1, 12)
            wait_until(lambda path=journal, most=steps: len(told(path)) >= most, 60, "it is at work")  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.05))
        finally:
            process.kill()
            process.join(10)
        done = told(journal)
        assert not [step for step in done if step[0] == "failed"], done
        kept.update(step[1] for step in done if step[0] == "kept")
        going.update(step[1] for step in done if step[0] == "deleting")
        killed[done[-1][0]] += 1
        assert kept - going <= there(connect, folder), f"lost after {done[-3:]}"
    print(f"{number} processes killed; the last thing each said: {dict(killed)}")
    assert len(killed) >= 3, "they are to be killed in the midst of different things"
    # The next run goes on with what is there, to the end: nothing is left over.
    server = CreateObject("VirtualServer.Application", testdriver_daemon.uri, drives={"C:": str(folder)})
    adopt(server, folder, Journal(folder.parent / "last"))
    machines = [machine for machine in server.VirtualMachines if machine.Name != "test"]
    assert kept - going <= {machine.ConfigID for machine in machines}
    for machine in machines:
        server.DeleteVirtualMachine(machine)
    assert not list(folder.glob("*.vmc"))
    assert len(list(folder.iterdir())) <= number, "of each that was killed at most one file is left beside"
    connect.close()
