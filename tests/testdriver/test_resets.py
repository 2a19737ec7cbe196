"""Counters begin at zero on a reset, by a baseline that every application object finds; raw_counters is without.

The test driver's counters never begin anew, so whatever is taken off them here was taken off by us.
"""

from __future__ import annotations

import time

import pytest

from tests.testdriver.support import PRODUCTS, accountant, code_of, machine
from vpcshim import HRESULT, ComError
from vpcshim.com.member import Product
from vpcshim.hypervisor import domainxml, runrecord
from vpcshim.hypervisor.events import Event, Kind
from vpcshim.model.virtual_machine import VirtualMachine
from vpcshim.testing import Machine, Node, NodeBuilder

everywhere = pytest.mark.parametrize("product", PRODUCTS, ids=[product.value for product in PRODUCTS])
DIVISORS = {"NetworkBytesSent": 20, "NetworkBytesReceived": 10, "DiskBytesRead": 20, "DiskBytesWritten": 40}
DEVICES = 3
# Far below the counters themselves (microseconds since 1970), far above what a slow machine takes for a test.
SINCE_RESET = 60 * 1_000_000 * DEVICES


def baseline(node: Node) -> dict[str, object]:
    with node.connection() as connect:
        xml = domainxml.parse(connect.lookupByName("web").XMLDesc())
    record = runrecord.read(xml, runrecord.local_boot_id())
    return {} if record is None else dict(record.baseline)


@everywhere
@pytest.mark.parametrize("member", DIVISORS)
def test_a_reset_begins_at_zero(vpcshim_node: NodeBuilder, product: Product, member: str) -> None:
    node = vpcshim_node(Machine("web", nics=DEVICES, disks=DEVICES))
    vm = machine(node, "web", product)
    assert getattr(vm.Accountant, member) > SINCE_RESET
    before = time.time_ns() // 1000
    assert code_of(vm, "Reset") is HRESULT.S_OK
    count = getattr(vm.Accountant, member)
    elapsed = time.time_ns() // 1000 - before
    assert 0 <= count <= DEVICES * (elapsed // DIVISORS[member] + 1)
    assert getattr(vm.Accountant, member) > count


@everywhere
def test_every_application_object_sees_it_but_a_raw_one(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(Machine("web", nics=DEVICES))
    machine(node, "web", product).Reset()
    for other in PRODUCTS:
        assert accountant(node, "web", other).NetworkBytesSent < SINCE_RESET
        assert accountant(node, "web", other, raw_counters=True).NetworkBytesSent > SINCE_RESET


def test_the_baseline_is_in_the_live_metadata(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web", nics=2, disks=1))
    vm = machine(node, "web")
    assert baseline(node) == {}
    vm.Reset()
    assert [key.split(":")[0] for key in baseline(node)] == ["nic", "nic", "drive"]
    first = baseline(node)
    vm.Reset()
    assert baseline(node).keys() == first.keys()
    assert baseline(node) != first


@everywhere
@pytest.mark.parametrize("stop", ["Save", "TurnOff"])
def test_a_new_start_voids_it(vpcshim_node: NodeBuilder, product: Product, stop: str) -> None:
    node = vpcshim_node("web")
    vm = machine(node, "web", product)
    vm.Reset()
    assert vm.Accountant.NetworkBytesSent < SINCE_RESET
    getattr(vm, stop)()
    assert vm.Accountant.NetworkBytesSent == 0
    vm.Startup()
    assert vm.Accountant.NetworkBytesSent > SINCE_RESET  # libvirt's own, of the new run
    assert baseline(node) == {}


def test_a_reset_keeps_the_start_that_was_recorded(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    vm = machine(node, "web")
    vm.Startup()
    vm.Reset()
    assert 0 <= vm.Accountant.UpTime <= 5
    assert vm.Accountant.NetworkBytesSent < SINCE_RESET


def test_a_reset_by_others_is_a_matter_of_the_event(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node("web")
    vm = machine(node, "web")
    with node.connection() as connect:
        domain = connect.lookupByName("web")
        domain.reset()
        uuid = domain.UUIDString()
    assert vm.Accountant.NetworkBytesSent > SINCE_RESET  # the test driver tells nobody of it
    vm._server.runs._on_event(Event(Kind.REBOOT, uuid, (), time.time()))
    deadline = time.monotonic() + 30
    while vm.Accountant.NetworkBytesSent >= SINCE_RESET:
        assert time.monotonic() < deadline


def taken(vm: VirtualMachine, seen: float, *, stalled: bool = False) -> None:
    vm._server.runs.was_reset(vm._uuid, seen, stalled=stalled)


def test_a_reset_heard_of_late_does_not_replace_a_newer_baseline(vpcshim_node: NodeBuilder) -> None:
    vm = machine(vpcshim_node("web"), "web")
    before = time.time()
    vm.Reset()
    first = record_of(vm)
    taken(vm, before)
    assert record_of(vm) == first


@pytest.mark.parametrize(("ago", "stalled"), [(30.0, False), (0.0, True)])
def test_a_reset_heard_of_too_late_is_an_error_and_no_number(
    vpcshim_node: NodeBuilder, ago: float, stalled: bool
) -> None:
    node = vpcshim_node("web")
    vm = machine(node, "web")
    taken(vm, time.time() - ago, stalled=stalled)
    for member in ("NetworkBytesSent", "NetworkBytesReceived", "DiskBytesRead", "DiskBytesWritten"):
        with pytest.raises(ComError, match="at the last reset is not known") as caught:
            getattr(vm.Accountant, member)
        assert caught.value.scode == HRESULT.DISP_E_EXCEPTION
    raw = node.application(raw_counters=True).FindVirtualMachine("web")
    assert raw.Accountant.NetworkBytesSent > 0
    vm.Reset()
    assert vm.Accountant.NetworkBytesSent < SINCE_RESET


def record_of(vm: VirtualMachine) -> object:
    with vm._domain() as domain:
        return vm._server.runs.record(domainxml.parse(domain.XMLDesc()))


def test_a_paused_machine_may_be_reset(vpcshim_node: NodeBuilder) -> None:
    vm = machine(vpcshim_node(Machine("web", state="paused")), "web")
    vm.Reset()
    assert vm.Accountant.NetworkBytesSent < SINCE_RESET
