"""Events that arrive long after the calls that caused them have returned, as on a busy host: the order holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import vpcshim
from tests.harness.handlers import Heard
from tests.harness.states import OFF, ON, PAUSED, RESTORING, RUNNING, SAVED, SAVING, STOPPING
from tests.harness.waiting import wait_until
from tests.testdriver.support import VS, application, find
from vpcshim.hypervisor import events
from vpcshim.model import task as tasks
from vpcshim.model.task import begin
from vpcshim.model.work import Work
from vpcshim.testing import Machine, Node, NodeBuilder

# How late each event is (seconds), and those after it later still.
_LATE = 0.4


@pytest.fixture(autouse=True)
def _late(monkeypatch: pytest.MonkeyPatch) -> None:
    """libvirt's event loop is held up before each event."""
    made = events._callback

    def slow(*args: Any) -> Callable[..., None]:
        arrived = made(*args)

        def arrives(*details: Any) -> None:
            time.sleep(_LATE)
            arrived(*details)

        return arrives

    monkeypatch.setattr(events, "_callback", slow)


@pytest.fixture
def node(vpcshim_node: NodeBuilder) -> Node:
    return vpcshim_node(Machine("web", state="shutoff"), Machine("db"))


def expect(heard: Heard, *told: Any) -> None:
    """Exactly that, and nothing more."""
    with suppress(TimeoutError):
        wait_until(lambda: len(heard.all) >= len(told), 10)
    time.sleep(2 * _LATE)
    assert heard.all == list(told)


def test_what_was_done_before_a_task_is_told_before_it(node: Node) -> None:
    vm = find(application(node, VS), "db")
    heard = vpcshim.WithEvents(vm, Heard)
    vm.Pause()
    vm.Resume()
    vm.TurnOff().WaitForCompletion(-1)
    expect(heard, PAUSED, RUNNING, STOPPING, OFF)


def test_what_somebody_else_did_before_it_as_well(node: Node) -> None:
    vm = find(application(node, VS), "db")
    heard = vpcshim.WithEvents(vm, Heard)
    with node.connection() as connect:
        connect.lookupByName("db").suspend()
        connect.lookupByName("db").resume()
    vm.Save().WaitForCompletion(-1)
    vm.Startup().WaitForCompletion(-1)
    expect(heard, PAUSED, RUNNING, SAVING, SAVED, RESTORING, RUNNING)


def test_a_machine_that_comes_and_goes(node: Node) -> None:
    app = application(node, VS)
    of_all = vpcshim.WithEvents(app, Heard)
    with node.connection() as connect:
        web = connect.lookupByName("web")
        xml = web.XMLDesc().replace(web.UUIDString(), "").replace("<uuid></uuid>", "")
        connect.defineXML(xml.replace("web", "new", 1))
        del web
    vm = find(app, "new")
    vm.Startup().WaitForCompletion(-1)
    vm.TurnOff().WaitForCompletion(-1)
    with node.connection() as connect:
        connect.lookupByName("new").undefine()
    expect(of_all, *(("new", state) for state in (ON, RUNNING, STOPPING, OFF)))


def test_what_was_before_somebody_listened_is_not_told(node: Node) -> None:
    vm = find(application(node, VS), "db")
    first = vpcshim.WithEvents(vm, Heard)
    vm.Pause()
    vm.Resume()
    second = vpcshim.WithEvents(vm, Heard)
    vm.Pause()
    expect(second, PAUSED)
    expect(first, PAUSED, RUNNING, PAUSED)


def test_a_task_that_fails_after_others_did_something(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_MOMENT", 0.2)
    vm = find(application(node, VS), "db")
    heard = vpcshim.WithEvents(vm, Heard)
    gate = threading.Event()

    def fails(_work: Work) -> None:
        gate.wait(60)
        raise RuntimeError("no room")

    task = begin(vm, Work("Saving", fails, uuid=vm._uuid, state=SAVING))
    wait_until(lambda: heard.all == [SAVING], 5)
    with node.connection() as connect:
        connect.lookupByName("db").suspend()
    gate.set()
    task.WaitForCompletion(-1)
    expect(heard, SAVING, PAUSED)


def test_a_saved_state_that_is_discarded(node: Node) -> None:
    vm = find(application(node, VS), "db")
    heard = vpcshim.WithEvents(vm, Heard)
    vm.Save().WaitForCompletion(-1)
    vm.DiscardSavedState()
    vm.Startup().WaitForCompletion(-1)
    expect(heard, SAVING, SAVED, OFF, ON, RUNNING)
