"""The settings of undo disks, and where there can be none."""

from __future__ import annotations

import pytest

from tests.testdriver.support import PRODUCTS, VPC, VS, machine
from vpcshim import HRESULT, ComError
from vpcshim.com.member import Product
from vpcshim.constants import VMUndoAction
from vpcshim.hypervisor import settings
from vpcshim.model import undoing
from vpcshim.testing import Machine, NodeBuilder
from vpcshim.values import Value


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("state", ["running", "shutoff", "saved", "paused"])
def test_the_action_is_set_in_any_state_and_is_the_configuration_value(
    vpcshim_node: NodeBuilder, product: Product, state: str
) -> None:
    node = vpcshim_node(Machine("web", state=state))  # type: ignore[arg-type]
    vm = machine(node, "web", product)
    for action in VMUndoAction:
        vm.UndoAction = action
        assert vm.UndoAction is action
        with node.connection() as connect:
            kept = undoing.settings_of(connect.lookupByName("web")).values
        assert kept == {"settings/undo_drives/default_action": int(action)}


@pytest.mark.parametrize("wrong", [-1, 3, 2**31 - 1])
def test_no_other_action(vpcshim_node: NodeBuilder, wrong: int) -> None:
    vm = machine(vpcshim_node(Machine("web")), "web")
    with pytest.raises(ComError, match=r"0 \(vmUndoAction_Discard\), 1 .*, not ") as caught:
        vm.UndoAction = wrong
    assert caught.value.scode == HRESULT.E_INVALIDARG
    assert vm.UndoAction is VMUndoAction.vmUndoAction_Keep


@pytest.mark.parametrize("value", ["nonsense", 7, True, b"1"])
def test_a_kept_value_that_means_nothing_loses_nothing(value: Value) -> None:
    of = settings.Settings(values={undoing.ACTION: value, undoing.ENABLED: 1})
    assert undoing.action(of) is VMUndoAction.vmUndoAction_Keep
    assert undoing.enabled(of) is False


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_test_driver_has_no_files_to_undo(vpcshim_node: NodeBuilder, product: Product) -> None:
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web", product)
    with pytest.raises(ComError, match="libvirt's TEST driver: only QEMU's") as caught:
        vm.Undoable = True
    assert caught.value.scode == HRESULT.DISP_E_EXCEPTION
    assert vm.Undoable is False
    vm.Undoable = False
    vm.Startup().WaitForCompletion(-1)


@pytest.mark.parametrize(("product", "code"), [(VS, HRESULT.DISP_E_EXCEPTION), (VPC, HRESULT.VM_E_PREF_VM_ACTIVE)])
@pytest.mark.parametrize("state", ["running", "paused", "saved"])
@pytest.mark.parametrize("value", [True, False])
def test_undoable_is_set_while_the_machine_is_off(
    vpcshim_node: NodeBuilder, product: Product, code: HRESULT, state: str, value: bool
) -> None:
    vm = machine(vpcshim_node(Machine("web", state=state)), "web", product)  # type: ignore[arg-type]
    with pytest.raises(ComError, match="needs a machine that is turned off") as caught:
        vm.Undoable = value
    assert caught.value.scode == code


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_machine_whose_writes_cannot_be_undone_is_not_started(
    vpcshim_node: NodeBuilder, product: Product
) -> None:
    """It is undoable by its configuration: started anyway, it would write to the originals."""
    node = vpcshim_node(Machine("web", state="shutoff"))
    with node.connection() as connect:
        settings.change(connect.lookupByName("web"), lambda _: settings.Settings(values={undoing.ENABLED: True}))
    vm = machine(node, "web", product)
    with pytest.raises(ComError, match="only QEMU's have overlays"):
        vm.Startup()
