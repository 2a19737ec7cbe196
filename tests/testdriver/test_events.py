"""Events of the test driver's machines, through the model: WithEvents as scripts use it."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

import vpcshim
from tests.harness.states import OFF, ON, PAUSED, RESTORING, RUNNING, SAVED, SAVING, STOPPING
from tests.harness.waiting import wait_until
from tests.testdriver.support import PROGIDS, VPC, VS, application, find
from vpcshim import HRESULT, ComError
from vpcshim.com.events import pump_waiting
from vpcshim.com.member import Product
from vpcshim.constants import VMVMState
from vpcshim.hypervisor import census, settings
from vpcshim.hypervisor.errors import HypervisorError
from vpcshim.hypervisor.events import Event, Events, Kind, Link
from vpcshim.model.events import hub as hubs
from vpcshim.model.task import begin
from vpcshim.model.work import Work
from vpcshim.testing import Machine, Node, NodeBuilder
from vpcshim.values import Value


class Heard:
    def __init__(self) -> None:
        self.all: list[Any] = []

    def OnStateChange(self, state: VMVMState) -> None:
        self.all.append(state)

    def OnReset(self) -> None:
        self.all.append("reset")

    def OnConfigurationChanged(self, key: str, value: object) -> None:
        self.all.append((key, value))


class HeardOfAll:
    def __init__(self) -> None:
        self.all: list[Any] = []

    def OnVMStateChange(self, name: str, state: VMVMState) -> None:
        self.all.append((name, state))


@pytest.fixture
def node(vpcshim_node: NodeBuilder) -> Node:
    return vpcshim_node(Machine("web", state="shutoff"), Machine("db"))


@pytest.fixture(autouse=True)
def _no_hub_is_left() -> Iterator[None]:
    yield
    gc.collect()
    wait_until(lambda: not any(thread.name == "vpcshim-hub" for thread in threading.enumerate()), 5)


def expect(heard: Any, *told: Any) -> None:
    with suppress(TimeoutError):
        wait_until(lambda: len(heard.all) >= len(told), 10)
    assert heard.all == list(told)
    heard.all.clear()


@pytest.mark.parametrize("product", PROGIDS)
def test_a_whole_life_in_order(node: Node, product: Product) -> None:
    app = application(node, product)
    vm = find(app, "web")
    heard, of_all = vpcshim.WithEvents(vm, Heard), vpcshim.WithEvents(app, HeardOfAll)
    life = [ON, RUNNING, PAUSED, RUNNING, SAVING, SAVED, RESTORING, RUNNING, STOPPING, OFF] * 5
    for _ in range(5):
        vm.Startup().WaitForCompletion(-1)
        vm.Pause()
        vm.Resume()
        vm.Save().WaitForCompletion(-1)
        vm.Startup().WaitForCompletion(-1)
        vm.TurnOff().WaitForCompletion(-1)
    expect(heard, *life)
    expect(of_all, *(("web", state) for state in life))


def test_the_values_are_vmvmstates_that_print_as_numbers(node: Node) -> None:
    heard = vpcshim.WithEvents(find(application(node, VS), "db"), Heard)
    find(application(node, VPC), "db").Pause()
    wait_until(lambda: heard.all, 5)
    assert (heard.all, str(heard.all[0])) == ([6], "6")


def test_each_hears_of_its_own_machine(node: Node) -> None:
    app = application(node, VS)
    web, db = (vpcshim.WithEvents(find(app, name), Heard) for name in ("web", "db"))
    of_all = vpcshim.WithEvents(app, HeardOfAll)
    find(app, "db").Pause()
    expect(db, PAUSED)
    expect(of_all, ("db", PAUSED))
    assert web.all == []


def test_what_others_do_is_told_as_well(node: Node) -> None:
    app = application(node, VS)
    of_all = vpcshim.WithEvents(app, HeardOfAll)
    with node.connection() as connect:
        domain = connect.lookupByName("db")
        domain.suspend()
        domain.destroy()
        xml = domain.XMLDesc().replace("db", "new", 1).replace(domain.UUIDString(), "")
        new = connect.createXML(xml.replace("<uuid></uuid>", ""))
        new.destroy()
        del domain, new
    wait_until(lambda: len(of_all.all) >= 4, 5, str(of_all.all))
    assert [state for name, state in of_all.all if name == "db"] == [PAUSED, OFF]
    assert [state for name, state in of_all.all if name == "new"] == [RUNNING, OFF]


def test_a_renamed_machine_is_told_of_by_its_new_name(node: Node) -> None:
    app = application(node, VS)
    of_all = vpcshim.WithEvents(app, HeardOfAll)
    vm = find(app, "web")
    vm.Name = "shop"
    vm.Startup().WaitForCompletion(-1)
    expect(of_all, ("shop", ON), ("shop", RUNNING))


def test_a_start_that_fails_is_told(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    import libvirt

    vm = find(application(node, VS), "web")
    heard = vpcshim.WithEvents(vm, Heard)

    def refuse(*_: Any) -> None:
        raise libvirt.libvirtError("no room")

    for name in ("create", "createWithFlags"):
        monkeypatch.setattr(libvirt.virDomain, name, refuse)
    with pytest.raises(ComError):
        vm.Startup()
    expect(heard, ON, OFF)


def test_an_event_is_told_though_libvirt_answers_nothing_more(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    vm = find(application(node, VS), "db")
    heard = vpcshim.WithEvents(vm, Heard)

    def fail(_domain: Any) -> None:
        raise HypervisorError("no answer")

    monkeypatch.setattr(census, "one", fail)
    vm.Pause()
    vm.Resume()
    expect(heard, PAUSED, RUNNING)


def test_several_reboots_at_once_are_one_reset(node: Node) -> None:
    vm = find(application(node, VS), "db")
    heard = vpcshim.WithEvents(vm, Heard)
    hub = hubs.hub_of(vm._server)
    event = Event(Kind.REBOOT, vm._uuid, (), time.time(), name="db")
    for _ in range(3):  # as QEMU sends them; the test driver sends none
        hub._queue.put(lambda hub: hub._on_event(event))
    vm.Pause()
    expect(heard, "reset", PAUSED)


def test_a_value_that_another_process_changes_is_told(node: Node) -> None:
    vm = find(application(node, VS), "web")
    heard = vpcshim.WithEvents(vm, Heard)

    def keep(**values: Value | None) -> None:
        held = {key: value for key, value in values.items() if value is not None}
        with node.connection() as connect:
            domain = connect.lookupByName("web")
            settings.change(domain, lambda known: replace(known, values=held))
            # The test driver sends no METADATA_CHANGE of its own.
            event = Event(Kind.METADATA_CHANGE, vm._uuid, (2, "urn:vpcshim:settings:1"), time.time(), name="web")
            hubs.hub_of(vm._server)._queue.put(lambda hub: hub._on_event(event))
            del domain

    keep(a=1, b="x")
    expect(heard, ("a", 1), ("b", "x"))
    keep(a=1)
    expect(heard, ("b", None))
    vm._server.configuration_changed(vm._uuid, "hardware/memory/ram_size", 256)
    expect(heard, ("hardware/memory/ram_size", 256))


def test_a_handler_may_use_the_model(node: Node) -> None:
    app = application(node, VS)
    vm = find(app, "web")

    class Restarts:
        def __init__(self) -> None:
            self.all: list[Any] = []

        def OnStateChange(self, state: VMVMState) -> None:
            self.all.append((state, vm.State))
            if state == OFF and len(self.all) < 6:
                vm.Startup().WaitForCompletion(-1)
                self.other = vpcshim.WithEvents(app, HeardOfAll)

    restarts = vpcshim.WithEvents(vm, Restarts)
    vm.Startup().WaitForCompletion(-1)
    vm.TurnOff().WaitForCompletion(-1)
    wait_until(lambda: len(restarts.all) >= 6, 10, str(restarts.all))
    assert [state for state, _ in restarts.all] == [ON, RUNNING, STOPPING, OFF, ON, RUNNING]


def test_both_at_once(node: Node) -> None:
    class Prompt(Heard):
        def OnStateChange(self, state: VMVMState) -> None:
            self.all.append((self.Name, state))  # type: ignore[attr-defined]

    vm: Any = vpcshim.DispatchWithEvents(find(application(node, VS), "web"), Prompt)
    vm.Startup().WaitForCompletion(-1)
    assert vm.State == RUNNING
    expect(vm, ("web", ON), ("web", RUNNING))


def test_events_that_wait_for_the_message_loop(node: Node) -> None:
    vm = find(application(node, VS), "db")
    heard = vpcshim.WithEvents(vm, Heard, pump=True)
    vm.Pause()
    time.sleep(0.1)
    assert heard.all == []
    assert pump_waiting(5) == 1
    expect(heard, PAUSED)


def test_a_handler_keeps_the_application_alive(node: Node) -> None:
    heard = vpcshim.WithEvents(find(application(node, VS), "db"), Heard)
    gc.collect()
    with node.connection() as connect:
        connect.lookupByName("db").suspend()
    expect(heard, PAUSED)
    heard.close()
    with node.connection() as connect:
        connect.lookupByName("db").resume()
    time.sleep(0.1)
    assert heard.all == []


def test_what_has_no_events_says_what_has(node: Node) -> None:
    with pytest.raises(ComError) as caught:
        vpcshim.WithEvents(find(application(node, VS), "db").Accountant, Heard)
    assert caught.value.scode == HRESULT.DISP_E_UNKNOWNINTERFACE
    assert "IVMVirtualMachine" in caught.value.description


def test_a_machine_that_is_gone_and_a_server_that_is_none(node: Node, tmp_path: Any) -> None:
    vm = find(application(node, VS), "web")
    with node.connection() as connect:
        connect.lookupByName("web").undefine()
    with pytest.raises(ComError) as caught:
        vpcshim.WithEvents(vm, Heard)
    assert caught.value.scode == HRESULT.VM_E_VM_UNKNOWN
    nowhere = vpcshim.CreateObject("VirtualServer.Application", f"test://{tmp_path}/none.xml")
    with pytest.raises(ComError) as caught:
        vpcshim.WithEvents(nowhere, HeardOfAll)
    assert "cannot connect" in caught.value.description


def test_a_process_ends_with_a_handler_connected(node: Node) -> None:
    code = f"""if True:
        import libvirt, threading, time, vpcshim
        told = threading.Event()
        libvirt.registerErrorHandler(lambda *_: None, None)
        class Blocks:
            def OnStateChange(self, state):
                print("told", state, flush=True)
                told.set()
                time.sleep(60)
        app = vpcshim.CreateObject("VirtualServer.Application", {node.uri!r})
        vm = app.FindVirtualMachine("db")
        kept = vpcshim.WithEvents(vm, Blocks)
        vm.Pause()
        vm.Resume()
        told.wait(30)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "told 6\n", "")


def test_a_clock_that_is_set_back_loses_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    vm = find(application(node, VS), "db")
    heard = vpcshim.WithEvents(vm, Heard)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 3600)
    vm.Pause()
    vm.Resume()
    expect(heard, PAUSED, RUNNING)


def test_a_task_that_neither_starts_nor_stops_it_is_over_when_it_is(node: Node) -> None:
    vm = find(application(node, VS), "web")
    heard = vpcshim.WithEvents(vm, Heard)
    merging = VMVMState.vmVMState_MergingDrives
    work = Work("Merging", lambda _work: time.sleep(0.1), uuid=vm._uuid, state=merging)
    begin(vm, work).WaitForCompletion(-1)
    expect(heard, merging, OFF)
    with node.connection() as connect:
        connect.lookupByName("web").create()
    expect(heard, RUNNING)


def test_an_operation_that_shows_another_state_on_its_way(node: Node) -> None:
    """As a start does that first merges what an earlier run left."""
    vm = find(application(node, VS), "web")
    heard = vpcshim.WithEvents(vm, Heard)

    def start(work: Work) -> None:
        state, work.state = work.state, VMVMState.vmVMState_MergingDrives
        time.sleep(0.2)
        work.state = state
        with node.connection() as connect:
            connect.lookupByName("web").create()

    hub = hubs.hub_of(vm._server)
    gate = threading.Event()

    def waits(_hub: hubs.Hub) -> None:
        gate.wait(5)

    hub._queue.put(waits)  # it comes to the task when that is on its way
    threading.Timer(0.1, gate.set).start()
    begin(vm, Work("Starting", start, uuid=vm._uuid, state=ON)).WaitForCompletion(-1)
    expect(heard, ON, RUNNING)


def test_machines_that_are_gone_are_followed_no_longer(node: Node) -> None:
    app = application(node, VS)
    of_all = vpcshim.WithEvents(app, HeardOfAll)
    hub = hubs.hub_of(app._server)
    with node.connection() as connect:
        domain = connect.lookupByName("web")
        xml = domain.XMLDesc().replace(domain.UUIDString(), "").replace("<uuid></uuid>", "")
        for number in range(3):
            new = connect.createXML(xml.replace("web", f"new{number}", 1))
            new.destroy()
        domain.undefine()
        del domain, new
    wait_until(lambda: len(of_all.all) == 6, 5)
    wait_until(lambda: {tracker.name for tracker in hub._trackers.values()} == {"db"}, 5)


def test_a_server_that_does_not_answer_holds_up_no_other(
    node: Node, vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = application(node, VS)
    gate, waits = threading.Event(), threading.Event()
    watch = Events.watch

    def hangs(events: Events, listener: Any) -> Any:
        if events is frozen._server.events:
            waits.set()
            gate.wait(20)
        return watch(events, listener)

    monkeypatch.setattr(Events, "watch", hangs)
    thread = threading.Thread(target=vpcshim.WithEvents, args=(frozen, HeardOfAll), daemon=True)
    thread.start()
    assert waits.wait(5)
    began = time.monotonic()
    try:
        other = vpcshim.WithEvents(application(vpcshim_node(Machine("else")), VS), HeardOfAll)
        assert time.monotonic() - began < 10
        other.close()
    finally:
        gate.set()
        thread.join(10)


def test_a_look_that_fails_for_whatever_reason_is_followed_by_another(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Lost(Heard):
        def OnEventsLost(self, reason: str) -> None:
            self.all.append("lost")

    vm = find(application(node, VS), "db")
    heard = vpcshim.WithEvents(vm, Lost)
    hub = hubs.hub_of(vm._server)
    heard_since: list[float] = []
    take = census.take

    def fails_once(connect: Any) -> Any:
        heard_since.append(hub._hears_since)
        if len(heard_since) == 1:
            raise ValueError("a defect")
        return take(connect)

    monkeypatch.setattr(census, "take", fails_once)
    opened = Event(Link.OPENED, "", (1,), time.time())
    hub._queue.put(lambda hub: hub._on_event(opened))
    wait_until(lambda: len(heard_since) == 2, 5)
    assert heard_since == [float("inf")] * 2
    wait_until(lambda: hub._hears_since < float("inf"), 5)
    vm.Pause()
    expect(heard, "lost", PAUSED)
    assert "could not be told" in caplog.text
    caplog.clear()  # what was raised holds the hub
