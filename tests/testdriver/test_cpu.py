"""CPUUtilization and its history. The test driver's CPU time is the wall clock: one CPU's worth per machine."""

from __future__ import annotations

import time

import pytest

from tests.harness.waiting import wait_until
from tests.testdriver.support import PRODUCTS, accountant, machine, raw
from vpcshim import HRESULT, VT
from vpcshim.com.member import Product
from vpcshim.hypervisor import cpu
from vpcshim.testing import Machine, NodeBuilder

everywhere = pytest.mark.parametrize("product", PRODUCTS, ids=[product.value for product in PRODUCTS])


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of a tenth of a second."""
    monkeypatch.setattr(cpu, "PERIOD", 0.1)


@everywhere
@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize(("vcpus", "percent"), [(1, 100), (2, 50), (4, 25), (10, 10)])
def test_it_is_the_share_of_its_own_vcpus(
    vpcshim_node: NodeBuilder, product: Product, vcpus: int, percent: int
) -> None:
    account = accountant(vpcshim_node(Machine("web", vcpus=vcpus), cpus=8), "web", product)
    code, out = raw(account, "CPUUtilization")
    assert (code, out.vt) == (HRESULT.S_OK, VT.I4)
    # Who is kept waiting between the counter and the clock is some points off, until the next sample.
    near = range(percent - 5, min(100, percent + 5) + 1)
    wait_until(lambda: account.CPUUtilization in near, 5, f"it is about {percent}")


def test_a_single_reading_takes_about_a_second_and_the_next_is_at_hand(vpcshim_node: NodeBuilder) -> None:
    account = accountant(vpcshim_node("web"), "web")
    began = time.monotonic()
    assert account.CPUUtilization >= 90
    assert 0.4 <= time.monotonic() - began <= 10
    began = time.monotonic()
    for _ in range(100):
        assert account.CPUUtilization >= 90
    assert time.monotonic() - began < 20


@everywhere
@pytest.mark.usefixtures("fast")
def test_the_history_is_sixty_bytes_oldest_first(vpcshim_node: NodeBuilder, product: Product) -> None:
    account = accountant(vpcshim_node(Machine("web", vcpus=2)), "web", product)
    code, out = raw(account, "CPUUtilizationHistory")
    assert (code, out.vt, out.elements) == (HRESULT.S_OK, VT.ARRAY | VT.VARIANT, VT.UI1)
    assert len(out.value) == 60
    assert out.value[0] == 0
    wait_until(lambda: 40 <= account.CPUUtilizationHistory[-1] <= 60, 5, "it is about a half")
    wait_until(lambda: sum(value > 0 for value in account.CPUUtilizationHistory) >= 5, 10, "there are five")
    history = account.CPUUtilizationHistory
    known = sum(value > 0 for value in history)
    assert all(value > 0 for value in history[60 - known :])
    assert all(0 <= value <= 100 for value in history)


@everywhere
@pytest.mark.usefixtures("fast")
def test_a_machine_that_is_off_has_none_and_begins_anew(vpcshim_node: NodeBuilder, product: Product) -> None:
    vm = machine(vpcshim_node("web"), "web", product)
    assert vm.Accountant.CPUUtilization > 0
    vm.TurnOff()
    code, out = raw(vm.Accountant, "CPUUtilizationHistory")
    assert (code, out.value, out.elements) == (HRESULT.S_FALSE, (0,) * 60, VT.UI1)
    assert raw(vm.Accountant, "CPUUtilization")[0] is HRESULT.S_FALSE
    began = time.monotonic()
    vm.Startup()
    history = vm.Accountant.CPUUtilizationHistory
    assert history[-1] > 0
    assert sum(value > 0 for value in history) <= 2 + (time.monotonic() - began) / cpu.PERIOD


@everywhere
def test_no_out_parameter_is_e_pointer_without_a_sample(
    vpcshim_node: NodeBuilder, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "PERIOD", 60)
    account = accountant(vpcshim_node("web"), "web", product)
    began = time.monotonic()
    assert account.get_CPUUtilization(None) is HRESULT.E_POINTER
    assert account.get_CPUUtilizationHistory(None) is HRESULT.E_POINTER
    assert time.monotonic() - began < 30
