"""The end of a shutdown that a guest was asked for. No guest of the test driver can be asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt
import pytest

from tests.testdriver.support import PRODUCTS, machine
from tests.unit.fakes import libvirt_error
from vpcshim.com.errors import Failure
from vpcshim.com.member import Product
from vpcshim.model.devices import guest_os
from vpcshim.testing import Machine, NodeBuilder

SHUTS_DOWN = pytest.mark.parametrize("product", PRODUCTS, ids=[product.value for product in PRODUCTS])
BY_AGENT = libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT
# What libvirt says when the guest is off before its agent has answered.
END_OF_FILE = libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_QEMU, "End of file from agent socket")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], Any]], None]:
    """Sets what becomes of asking a guest."""

    def go(answer: Callable[[Any], Any]) -> None:
        monkeypatch.setattr(guest_os, "_check_askable", lambda *_, **__: None)
        monkeypatch.setattr(guest_os, "_LAST_MOMENT", 0.5)
        monkeypatch.setattr(libvirt.virDomain, "shutdownFlags", lambda domain, _flags: answer(domain))

    return go


def ended(vm: Any, flags: int) -> tuple[int, str]:
    try:
        task = guest_os.GuestOSObject._shut_down(vm.GuestOS, flags)
    except Failure as failure:  # within a moment
        return failure.code, failure.description
    task.WaitForCompletion(-1)
    return task.Error, task.ErrorDescription


@SHUTS_DOWN
def test_a_transient_machine_is_gone_then(vpcshim_node: NodeBuilder, product: Product, asked: Any) -> None:
    asked(lambda domain: domain.shutdown())
    vm = machine(vpcshim_node(Machine("web", transient=True)), "web", product)
    assert ended(vm, 0) == (0, "")


@SHUTS_DOWN
def test_an_agent_may_go_down_before_it_answers(vpcshim_node: NodeBuilder, product: Product, asked: Any) -> None:
    def answer(domain: Any) -> None:
        domain.shutdown()
        raise END_OF_FILE

    asked(answer)
    vm = machine(vpcshim_node(Machine("web")), "web", product)
    assert ended(vm, BY_AGENT) == (0, "")


@SHUTS_DOWN
def test_an_agent_that_was_lost_is_told_where_the_machine_runs_on(
    vpcshim_node: NodeBuilder, product: Product, asked: Any
) -> None:
    def answer(_domain: Any) -> None:
        raise END_OF_FILE

    asked(answer)
    vm = machine(vpcshim_node(Machine("web")), "web", product)
    error, text = ended(vm, BY_AGENT)
    assert error != 0
    assert "End of file from agent socket" in text
