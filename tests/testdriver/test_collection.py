"""The collection of machines: 1-based, BADINDEX outside, iteration, len, _NewEnum, the default member."""

from __future__ import annotations

import pytest

from tests.testdriver.support import PRODUCTS, application, raw
from vpcshim import HRESULT, VT, ComError
from vpcshim.com.dispatch import DISPID_NEWENUM, DISPID_VALUE, DispatchFlags, get_id_of_name, invoke
from vpcshim.com.member import Product
from vpcshim.testing import Machine, NodeBuilder

everywhere = pytest.mark.parametrize("product", PRODUCTS, ids=[product.value for product in PRODUCTS])
NAMES = ("Alpha", "beta", "Gamma")


@everywhere
def test_all_machines_are_there_by_name_whatever_their_state(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(Machine("Gamma", state="saved"), Machine("beta", state="shutoff"), "Alpha")
    machines = application(node, product).VirtualMachines
    assert [vm.Name for vm in machines] == list(NAMES)
    assert [machines.Item(index).Name for index in (1, 2, 3)] == list(NAMES)
    assert [machines(index).Name for index in (1, 2, 3)] == list(NAMES)
    assert len(machines) == machines.Count == 3
    assert [vm.Name for vm in machines._NewEnum] == list(NAMES)


@everywhere
@pytest.mark.parametrize("index", [0, 4, -1, 2**31 - 1])
def test_an_index_outside_of_the_collection_is_badindex(
    vpcshim_node: NodeBuilder, product: Product, index: int
) -> None:
    machines = application(vpcshim_node(*NAMES), product).VirtualMachines
    code, out = raw(machines, "Item", index)
    assert (code, out.vt) == (HRESULT.DISP_E_BADINDEX, VT.EMPTY)
    with pytest.raises(ComError) as caught:
        machines.Item(index)
    assert caught.value.hresult == HRESULT.DISP_E_BADINDEX
    assert "1..3" in caught.value.description


@everywhere
def test_an_empty_node_has_an_empty_collection_that_is_still_an_object(
    vpcshim_node: NodeBuilder, product: Product
) -> None:
    machines = application(vpcshim_node(), product).VirtualMachines
    assert (len(machines), list(machines), bool(machines)) == (0, [], True)
    assert raw(machines, "Count")[1].value == 0
    assert raw(machines, "Item", 1)[0] is HRESULT.DISP_E_BADINDEX


@everywhere
def test_late_binding_by_dispid(vpcshim_node: NodeBuilder, product: Product) -> None:
    machines = application(vpcshim_node(*NAMES), product).VirtualMachines
    assert get_id_of_name(machines, "ITEM") == DISPID_VALUE
    assert invoke(machines, DISPID_VALUE, DispatchFlags.PROPERTYGET, (2,)).Name == "beta"
    assert [vm.Name for vm in invoke(machines, DISPID_NEWENUM, DispatchFlags.PROPERTYGET)] == list(NAMES)


@everywhere
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), HRESULT.DISP_E_BADPARAMCOUNT),
        ((1, 2), HRESULT.DISP_E_BADPARAMCOUNT),
        (("two",), HRESULT.DISP_E_TYPEMISMATCH),
        ((2**40,), HRESULT.DISP_E_OVERFLOW),
    ],
)
def test_wrong_arguments(
    vpcshim_node: NodeBuilder, product: Product, args: tuple[object, ...], expected: HRESULT
) -> None:
    machines = application(vpcshim_node(*NAMES), product).VirtualMachines
    with pytest.raises(ComError) as caught:
        machines.Item(*args)
    assert caught.value.hresult == expected


@everywhere
def test_a_string_that_is_a_number_is_an_index(vpcshim_node: NodeBuilder, product: Product) -> None:
    assert application(vpcshim_node(*NAMES), product).VirtualMachines.Item("2").Name == "beta"


@everywhere
def test_it_is_as_the_node_is_now_and_an_enumerator_as_it_was(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(Machine("Alpha", state="shutoff"), "beta")
    machines = application(node, product).VirtualMachines
    before = machines._NewEnum
    with node.connection() as connect:
        connect.lookupByName("Alpha").undefine()
    assert [vm.Name for vm in machines] == ["beta"]
    gone, there = before
    assert there.Name == "beta"
    assert raw(gone, "Name")[0] is HRESULT.VM_E_VM_UNKNOWN
