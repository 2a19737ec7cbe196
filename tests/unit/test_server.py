"""How old the numbers of a server may be, and how often it is asked."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from types import SimpleNamespace

import libvirt
import pytest

from tests.unit.fakes import libvirt_error
from tests.unit.node import Machine, Node, serve
from vpcshim.hypervisor.counters import Counters, Reading
from vpcshim.hypervisor.cpu import CpuSampler
from vpcshim.hypervisor.errors import ConnectionLost, DomainGone, HypervisorError
from vpcshim.model import server as server_module
from vpcshim.model.server import Server

pytestmark = pytest.mark.usefixtures("bounded")


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(server_module, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def node() -> Node:
    return Node(*[Machine(number, nics={"vnet0": (number, 2 * number)}) for number in range(1, 6)])


@pytest.fixture
def server(node: Node, monkeypatch: pytest.MonkeyPatch) -> Server:
    return serve(node, monkeypatch)


def counted(reading: Reading | None) -> object:
    assert reading is not None
    (one,) = reading.devices
    return one.got


def test_one_sweep_serves_many_reads(node: Node, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    for machine in node.machines * 3:
        assert counted(server.network(machine.uuid, 5.0)) == Counters(machine.number, 2 * machine.number)
    assert node.sweeps == 1


def test_never_older_than_asked(node: Node, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    uuid = node.machines[0].uuid
    server.network(uuid, 5.0)
    node.machines[0].nics = {"vnet0": (7, 8)}
    clock.now += 5.0
    assert counted(server.network(uuid, 5.0)) == Counters(1, 2)
    assert counted(server.network(uuid, 4.9)) == Counters(7, 8)  # who asks for less gets less
    node.machines[0].nics = {"vnet0": (9, 9)}
    assert counted(server.network(uuid, 5.0)) == Counters(7, 8)
    clock.now += 5.1
    assert counted(server.network(uuid, 5.0)) == Counters(9, 9)
    assert node.sweeps == 3


def test_the_age_counts_from_before_the_reading(
    node: Node, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    read = node.getAllDomainStats

    def slow(groups: int, flags: int) -> object:
        clock.now += 3.0
        return read(groups, flags)

    monkeypatch.setattr(node, "getAllDomainStats", slow)
    server.sweep(5.0)
    clock.now += 2.5
    server.sweep(5.0)
    assert node.sweeps == 2


def test_without_freshness_every_read_is_its_own(node: Node, server: Server) -> None:
    uuid = node.machines[0].uuid
    server.sweep(60)
    node.machines[0].nics = {"vnet0": (7, 8)}
    assert counted(server.network(uuid)) == Counters(7, 8)
    assert node.sweeps == 1
    server.sweep()
    server.sweep(0.0)
    assert node.sweeps == 3
    assert set(server.sweep_some(lambda name: name == "m2").machines) == {node.machines[1].uuid}
    assert len(server.sweep(60).machines) == 5  # a sweep of some is not kept for all


def test_threads_share_a_sweep(node: Node, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    read = node.getAllDomainStats

    def slow(groups: int, flags: int) -> object:
        time.sleep(0.05)
        return read(groups, flags)

    monkeypatch.setattr(node, "getAllDomainStats", slow)
    threads = [
        threading.Thread(target=server.network, args=(machine.uuid, 60.0), daemon=True)
        for machine in node.machines * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert node.sweeps == 1


def test_a_sweep_that_something_changed_under_is_not_kept(
    node: Node, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a machine that was just started would be said to be off for as long as a sweep is kept."""
    machine = node.machines[0]
    machine.on, machine.state = False, libvirt.VIR_DOMAIN_SHUTOFF
    read = node.getAllDomainStats

    def started_meanwhile(groups: int, flags: int) -> object:
        answer = read(groups, flags)
        if not machine.on:
            machine.on, machine.state = True, libvirt.VIR_DOMAIN_RUNNING
            server.changed(machine.uuid)
        return answer

    monkeypatch.setattr(node, "getAllDomainStats", started_meanwhile)
    assert server.network(machine.uuid, 60.0) is None  # as it was
    assert counted(server.network(machine.uuid, 60.0)) == Counters(1, 2)
    server.network(machine.uuid, 60.0)
    assert node.sweeps == 2


def test_a_change_at_the_very_end_of_a_sweep_is_not_lost(
    node: Node, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def kept(self: Server, name: str, value: object) -> None:
        if name == "_last" and not told:
            told.append(name)
            self.changed()  # by the thread that libvirt's events come in
        object.__setattr__(self, name, value)

    monkeypatch.setattr(Server, "__setattr__", kept)
    for _ in range(3):
        server.sweep(60.0)
    assert node.sweeps == 2


def test_a_sweep_that_fails_is_not_kept(node: Node, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    server.sweep(5.0)
    clock.now += 6
    node.trouble = libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC, "gone")
    for _ in range(2):
        with pytest.raises(ConnectionLost):
            server.network(node.machines[0].uuid, 5.0)  # not the old numbers
    node.trouble = None
    assert counted(server.network(node.machines[0].uuid, 5.0)) == Counters(1, 2)


def test_what_a_sweep_says_of_one_machine(node: Node, server: Server) -> None:
    first, second, third, *_ = node.machines
    first.gone = True
    second.on, second.state = False, libvirt.VIR_DOMAIN_SHUTOFF
    third.xml_error = libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, message="broken")
    with pytest.raises(DomainGone, match="Domain not found"):
        server.network(first.uuid, 60)
    assert server.network(second.uuid, 60) is None
    with pytest.raises(HypervisorError, match="broken"):
        server.network(third.uuid, 60)
    assert node.sweeps == 1


def test_application_objects_share_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CpuSampler, "start", lambda _self: None)
    first = server_module.server("test:///one", 6.0)
    assert server_module.server("test:///one", 6.0) is first
    assert server_module.server("test:///one", 7.0) is not first
    assert server_module.server("test:///two", 6.0) is not first
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None
