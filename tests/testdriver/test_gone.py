"""A machine undefined under us; and one application object shared by threads while machines come and go."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

import vpcshim
from tests.harness.waiting import wait_until
from tests.testdriver.support import PRODUCTS, PROGIDS, application, code_of, find, raw
from vpcshim import HRESULT, ComError
from vpcshim.com.member import Product
from vpcshim.testing import Machine, Node, NodeBuilder

everywhere = pytest.mark.parametrize("product", PRODUCTS, ids=[product.value for product in PRODUCTS])


def undefine(node: Node, name: str) -> str:
    """Remove the machine as somebody else would; its XML."""
    with node.connection() as connect:
        domain = connect.lookupByName(name)
        xml: str = domain.XMLDesc()
        domain.undefine()
    return xml


@everywhere
def test_an_object_of_a_machine_that_is_gone(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"), "db")
    app = application(node, product)
    vm = find(app, "web")
    account = vm.Accountant
    xml = undefine(node, "web")
    assert code_of(vm, "State") is HRESULT.VM_E_VM_UNKNOWN
    assert code_of(account, "NetworkBytesSent") is HRESULT.DISP_E_EXCEPTION
    with pytest.raises(ComError, match=r"^.*web is gone: it was deleted or unregistered.*Domain not found"):
        _ = account.NetworkBytesSent
    assert app.FindVirtualMachine("web") is None
    assert [other.Name for other in app.VirtualMachines] == ["db"]
    with node.connection() as connect:
        connect.defineXML(xml)
    assert vm.Name == "web"
    assert find(app, "web") == vm


@everywhere
def test_one_that_is_gone_stops_no_other(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(Machine("a", state="shutoff"), "b")
    app = application(node, product)
    machines = list(app.VirtualMachines)
    undefine(node, "a")
    assert [raw(vm, "Name")[0] for vm in machines] == [HRESULT.VM_E_VM_UNKNOWN, HRESULT.S_OK]


@everywhere
def test_threads_share_an_application(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(*[Machine(f"vm{number}", nics=3) for number in range(6)], "restless")
    app = application(node, product)
    restless = find(app, "restless")

    def read(number: int) -> set[HRESULT]:
        vm = find(app, f"VM{number % 6}")
        codes = {raw(vm.Accountant, "NetworkBytesSent")[0] for _ in range(20)}
        assert len(list(app.VirtualMachines)) == 7
        return codes

    def watch() -> set[tuple[HRESULT, bool]]:
        answers = (raw(restless.Accountant, "NetworkBytesSent") for _ in range(60))
        return {(code, out.value == 0) for code, out in answers}

    def disturb() -> None:
        for _ in range(15):
            restless.TurnOff().WaitForCompletion(-1)
            restless.Startup().WaitForCompletion(-1)

    with ThreadPoolExecutor(12) as pool:
        readers = [pool.submit(read, number) for number in range(24)]
        watchers = [pool.submit(watch) for _ in range(3)]
        pool.submit(disturb).result(60)
        assert {code for reader in readers for code in reader.result(60)} == {HRESULT.S_OK}
        seen = {answer for watcher in watchers for answer in watcher.result(60)}
    # Off is S_FALSE and 0, on is S_OK and a count; nothing else, whenever it stops.
    assert seen <= {(HRESULT.S_OK, False), (HRESULT.S_FALSE, True)}


@everywhere
def test_a_dropped_application_leaves_no_connection(vpcshim_node: NodeBuilder, product: Product) -> None:
    # Not the node's own, which holds its first one.
    app = vpcshim.CreateObject(PROGIDS[product], vpcshim_node("web").uri)
    assert find(app, "web").State == 5
    gone = weakref.ref(app._server.connection)
    events = weakref.ref(app._server.events)
    del app
    wait_until(lambda: gc.collect() is not None and gone() is None and events() is None, 5)
