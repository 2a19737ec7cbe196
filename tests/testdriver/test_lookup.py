"""FindVirtualMachine: hit, miss, other case, ambiguous case; names of members in any case."""

from __future__ import annotations

import pytest

from tests.testdriver.support import PRODUCTS, application, find, raw
from vpcshim import HRESULT, VT, ComError
from vpcshim.com.member import Product
from vpcshim.testing import Machine, NodeBuilder

everywhere = pytest.mark.parametrize("product", PRODUCTS, ids=[product.value for product in PRODUCTS])


@everywhere
@pytest.mark.parametrize("asked", ["Web01", "web01", "WEB01", "wEB01"])
def test_a_machine_is_found_in_any_case(vpcshim_node: NodeBuilder, product: Product, asked: str) -> None:
    app = application(vpcshim_node("Web01", "db01"), product)
    code, out = raw(app, "FindVirtualMachine", asked)
    assert (code, out.vt) == (HRESULT.S_OK, VT.DISPATCH)
    assert out.value.Name == "Web01"
    assert out.value == app.FindVirtualMachine("WEB01")


@everywhere
def test_case_folds_beyond_ascii(vpcshim_node: NodeBuilder, product: Product) -> None:
    app = application(vpcshim_node("Zürich Ost", "Straße"), product)
    assert find(app, "ZÜRICH OST").Name == "Zürich Ost"
    assert find(app, "STRASSE").Name == "Straße"


@everywhere
@pytest.mark.parametrize("asked", ["", "web", "web011", " web01", "*", "web01\n"])
def test_a_miss_is_s_false_and_a_null_object(vpcshim_node: NodeBuilder, product: Product, asked: str) -> None:
    app = application(vpcshim_node("web01"), product)
    code, out = raw(app, "FindVirtualMachine", asked)
    assert (code, out.vt, out.value) == (HRESULT.S_FALSE, VT.DISPATCH, None)
    assert app.FindVirtualMachine(asked) is None


@everywhere
def test_names_that_differ_in_case_only_are_told_apart_by_their_own(
    vpcshim_node: NodeBuilder, product: Product
) -> None:
    app = application(vpcshim_node("web", "Web", "other"), product)
    assert find(app, "web").Name == "web"
    assert find(app, "Web").Name == "Web"
    assert find(app, "web") != find(app, "Web")
    assert raw(app, "FindVirtualMachine", "WEB")[0] is HRESULT.DISP_E_EXCEPTION
    with pytest.raises(ComError, match=r"WEB may be any of Web, web: name one of them in its own case"):
        app.FindVirtualMachine("WEB")


@everywhere
def test_no_out_parameter_is_e_pointer(vpcshim_node: NodeBuilder, product: Product) -> None:
    app = application(vpcshim_node("web"), product)
    assert app.get_VirtualMachines(None) is HRESULT.E_POINTER
    assert app.raw_FindVirtualMachine("web", None) is HRESULT.E_POINTER


@everywhere
def test_a_machine_is_known_through_a_rename(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(Machine("before", state="shutoff"))
    app = application(node, product)
    vm = find(app, "before")
    with node.connection() as connect:
        connect.lookupByName("before").rename("after")
    assert vm.Name == "after"
    assert app.FindVirtualMachine("before") is None
    assert find(app, "AFTER") == vm


@everywhere
@pytest.mark.parametrize("name", ["NAME", "name", "nAmE"])
def test_members_are_found_in_any_case(vpcshim_node: NodeBuilder, product: Product, name: str) -> None:
    app = application(vpcshim_node("web"), product)
    vm = app.findvirtualmachine("WEB")
    assert getattr(vm, name) == "web"
    assert vm.accountant.networkbytessent > 0
    assert vm.TURNOFF().iscomplete
    assert vm.ACCOUNTANT.UPTIME == 0


@everywhere
def test_the_default_member_of_a_machine_is_its_name(vpcshim_node: NodeBuilder, product: Product) -> None:
    assert find(application(vpcshim_node("web"), product), "web")() == "web"


@everywhere
def test_config_id_is_the_uuid_as_a_guid(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(Machine("web", uuid="0a1b2c3d-0000-4000-8000-00000000abcd"))
    vm = find(application(node, product), "web")
    assert vm.ConfigID == "{0A1B2C3D-0000-4000-8000-00000000ABCD}"


def test_the_file_is_not_known_on_the_test_driver(vpcshim_node: NodeBuilder) -> None:
    app = application(vpcshim_node("web", Machine("gone", transient=True)), PRODUCTS[0])
    with pytest.raises(ComError, match="does not tell where it keeps the definition of web"):
        _ = find(app, "web").File
    with pytest.raises(ComError, match="gone is a transient domain"):
        _ = find(app, "gone").File
