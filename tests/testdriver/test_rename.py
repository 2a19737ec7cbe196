"""IVMVirtualMachine.Name, written: every refusal that the two products document, and a rename that holds."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

import vpcshim
from vpcshim import HRESULT
from vpcshim.testing import Machine, NodeBuilder

VS, VPC = "VirtualServer.Application", "VirtualPC.Application"


@pytest.mark.parametrize("product", [VS, VPC])
def test_a_machine_that_is_off_is_renamed(vpcshim_node: NodeBuilder, product: str) -> None:
    application = vpcshim_node(Machine("web01", state="shutoff")).application(product)
    machine = application.FindVirtualMachine("web01")
    identity = machine.ConfigID
    machine.Name = "Web 01"
    assert machine.Name == "Web 01"
    assert application.FindVirtualMachine("web01") is None
    assert application.FindVirtualMachine("WEB 01").ConfigID == identity
    machine.name = "web 01"  # another case of its own name is no duplicate
    assert machine.Name == "web 01"


@pytest.mark.parametrize(
    ("product", "name", "code"),
    [
        (VS, "", HRESULT.E_INVALIDARG),
        (VPC, "", HRESULT.VM_E_CONFIG_NO_NAME),
        (VPC, "  ", HRESULT.VM_E_CONFIG_NO_NAME),
        (VS, "x" * 151, HRESULT.VM_E_CONFIG_NAME_TOO_LONG),
        (VPC, "x" * 81, HRESULT.VM_E_CONFIG_NAME_TOO_LONG),
        *(
            (product, f"a{bad}b", HRESULT.VM_E_CONFIG_NAME_INVALID_CHAR)
            for product in (VS, VPC)
            for bad in '*?:<>/|\\"\n'
        ),
        (VS, "OTHER", HRESULT.VM_E_CONFIG_DUPLICATE_NAME),
        (VPC, "other", HRESULT.VM_E_CONFIG_DUPLICATE_NAME),
    ],
)
def test_a_name_that_is_refused_changes_nothing(
    vpcshim_node: NodeBuilder, product: str, name: str, code: HRESULT
) -> None:
    node = vpcshim_node(Machine("web01", state="shutoff"), Machine("Other", state="shutoff"))
    machine = node.application(product).FindVirtualMachine("web01")
    assert machine.put_Name(name) is code
    with pytest.raises(vpcshim.ComError) as caught:
        machine.Name = name
    assert caught.value.scode == code
    assert machine.Name == "web01"


@pytest.mark.parametrize(("product", "code"), [(VS, HRESULT.DISP_E_EXCEPTION), (VPC, HRESULT.VM_E_PREF_VM_ACTIVE)])
def test_a_machine_that_somebody_starts_just_before_keeps_its_name(
    vpcshim_node: NodeBuilder, product: str, code: HRESULT, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = vpcshim_node(Machine("web01", state="shutoff")).application(product).FindVirtualMachine("web01")
    real = libvirt.virDomain.rename

    def beaten(domain: libvirt.virDomain, name: str) -> None:
        domain.create()
        real(domain, name)

    monkeypatch.setattr(libvirt.virDomain, "rename", beaten)
    with pytest.raises(vpcshim.ComError, match="is running or saved") as caught:
        machine.Name = "web02"
    assert caught.value.scode == code
    assert machine.Name == "web01"


@pytest.mark.parametrize("state", ["running", "paused", "saved"])
@pytest.mark.parametrize(("product", "code"), [(VS, HRESULT.DISP_E_EXCEPTION), (VPC, HRESULT.VM_E_PREF_VM_ACTIVE)])
def test_a_machine_that_is_not_off_keeps_its_name(
    vpcshim_node: NodeBuilder, state: Any, product: str, code: HRESULT
) -> None:
    machine = vpcshim_node(Machine("web01", state=state)).application(product).FindVirtualMachine("web01")
    assert machine.put_Name("web02") is code
    assert machine.Name == "web01"
