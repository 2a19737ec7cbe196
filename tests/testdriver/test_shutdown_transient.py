"""A transient machine is gone when its guest has shut down, and that is no failure of the task."""

from __future__ import annotations

import libvirt
import pytest

from tests.testdriver.support import PRODUCTS, machine
from vpcshim.com.member import Product
from vpcshim.model.devices import guest_os
from vpcshim.testing import Machine, NodeBuilder


@pytest.mark.parametrize("product", PRODUCTS, ids=[product.value for product in PRODUCTS])
def test_a_transient_machine_shuts_down(
    vpcshim_node: NodeBuilder, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        guest_os, "_check_askable", lambda *_, **__: None
    )  # no guest of the test driver can be asked
    monkeypatch.setattr(libvirt.virDomain, "shutdownFlags", lambda domain, _flags: domain.shutdown())
    vm = machine(vpcshim_node(Machine("web", transient=True)), "web", product)
    task = guest_os.GuestOSObject._shut_down(vm.GuestOS, 0)
    task.WaitForCompletion(-1)
    assert (task.Error, task.ErrorDescription) == (0, "")
