"""UpTime: what our own Startup recorded, seen by every application object, void with the next start."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import libvirt
import pytest
from lxml import etree

from tests.testdriver.support import PRODUCTS, accountant, application, find, machine, raw
from vpcshim import HRESULT, VT, ComError
from vpcshim.com.member import Product
from vpcshim.hypervisor import runrecord
from vpcshim.hypervisor.domainxml import RUN_NS
from vpcshim.hypervisor.runrecord import RunRecord
from vpcshim.model.accountant import Accountant
from vpcshim.testing import Machine, Node, NodeBuilder

everywhere = pytest.mark.parametrize("product", PRODUCTS, ids=[product.value for product in PRODUCTS])


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if holds():
            return True
        threading.Event().wait(0.02)
    return False


def recorded(node: Node, name: str, record: RunRecord) -> None:
    """Put a record of a run into the live metadata, as another process would."""
    with node.connection() as connect:
        boot_id = record.boot_id or runrecord.local_boot_id()
        runrecord.write(connect.lookupByName(name), replace(record, boot_id=boot_id))


def id_of(node: Node, name: str) -> int:
    with node.connection() as connect:
        return int(connect.lookupByName(name).ID())


@everywhere
@pytest.mark.parametrize("state", ["shutoff", "saved"])
def test_our_own_startup_is_what_it_counts_from(vpcshim_node: NodeBuilder, product: Product, state: str) -> None:
    node = vpcshim_node(Machine("web", state="saved" if state == "saved" else "shutoff"))
    vm = machine(node, "web", product)
    before = time.monotonic()
    vm.Startup()
    code, out = raw(vm.Accountant, "UpTime")
    assert (code, out.vt) == (HRESULT.S_OK, VT.I4)
    assert 0 <= out.value <= time.monotonic() - before + 1
    # It may be a second more between the two.
    assert eventually(lambda: raw(vm.Accountant, "UpTime") == raw(accountant(node, "web"), "UpTime"))


def test_it_is_kept_in_the_live_metadata(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    vm = machine(node, "web")
    before = time.time()
    vm.Startup()
    with node.connection() as connect:
        domain = connect.lookupByName("web")
        text = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, RUN_NS, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        with pytest.raises(libvirt.libvirtError):
            domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, RUN_NS, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    started = etree.fromstring(text).get("started")
    assert started is not None
    assert before - 0.01 <= float(started) <= time.time() + 0.01


@everywhere
def test_it_counts_whole_seconds_from_the_record(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node("web")
    account = accountant(node, "web", product)
    recorded(node, "web", RunRecord(id_of(node, "web"), started=time.time() - 3661.5))
    assert eventually(lambda: raw(account, "UpTime")[0] is HRESULT.S_OK)
    assert 3661 <= account.UpTime <= 3666


@everywhere
def test_a_reset_does_not_count_as_a_start(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node("web")
    vm = machine(node, "web", product)
    recorded(node, "web", RunRecord(id_of(node, "web"), started=time.time() - 100))
    assert eventually(lambda: raw(vm.Accountant, "UpTime")[0] is HRESULT.S_OK)
    vm.Reset()
    assert 100 <= vm.Accountant.UpTime <= 105


def unknown(account: Accountant) -> str:
    with pytest.raises(ComError) as caught:
        _ = account.UpTime
    assert caught.value.scode == HRESULT.DISP_E_EXCEPTION
    return caught.value.description


@everywhere
def test_without_a_record_it_says_why_it_is_unknown(vpcshim_node: NodeBuilder, product: Product) -> None:
    why = unknown(accountant(vpcshim_node("web"), "web", product))
    assert "the start of web is not known" in why
    assert "a domain of type test has no process whose age would tell" in why


def test_the_record_of_another_run_is_void(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node("web")
    account = accountant(node, "web")
    recorded(node, "web", RunRecord(id_of(node, "web") + 1, started=time.time() - 100))
    assert "the start of web is not known" in unknown(account)


def test_the_record_of_another_boot_is_void(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node("web")
    account = accountant(node, "web")
    recorded(node, "web", RunRecord(id_of(node, "web"), boot_id="another", started=time.time() - 100))
    assert "the start of web is not known" in unknown(account)


def test_a_record_of_this_very_moment_is_zero_seconds(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node("web")
    account = accountant(node, "web")
    started = time.time() + 0.9
    recorded(node, "web", RunRecord(id_of(node, "web"), started=started))
    assert eventually(lambda: raw(account, "UpTime")[0] is HRESULT.S_OK)
    assert 0 <= account.UpTime <= max(0.0, time.time() - started)


def test_a_clock_that_is_behind_the_record_is_told(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node("web")
    account = accountant(node, "web")
    recorded(node, "web", RunRecord(id_of(node, "web"), started=time.time() + 500))
    assert eventually(lambda: "in the future of this machine's clock" in unknown(account))


@everywhere
def test_a_new_start_voids_it(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node("web")
    vm = machine(node, "web", product)
    recorded(node, "web", RunRecord(id_of(node, "web"), started=time.time() - 1000))
    assert eventually(lambda: raw(vm.Accountant, "UpTime")[0] is HRESULT.S_OK)
    vm.Save()
    assert (raw(vm.Accountant, "UpTime")[0], vm.Accountant.UpTime) == (HRESULT.S_FALSE, 0)
    vm.Startup()
    assert 0 <= vm.Accountant.UpTime <= 5


@everywhere
def test_a_start_by_others_is_recorded_by_whoever_listens(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    account = accountant(node, "web", product)
    with node.connection() as connect:
        connect.lookupByName("web").create()
    assert eventually(lambda: raw(account, "UpTime")[0] is HRESULT.S_OK)
    assert 0 <= account.UpTime <= 6


@everywhere
def test_the_application_counts_from_when_the_driver_came_into_this_process(
    vpcshim_node: NodeBuilder, product: Product
) -> None:
    app = application(vpcshim_node(), product)
    code, out = raw(app, "UpTime")
    assert (code, out.vt) == (HRESULT.S_OK, VT.I4)
    assert 0 <= out.value <= 5
    app._server.since -= 1000
    assert 1000 <= app.UpTime <= 1005


@everywhere
def test_no_out_parameter_is_e_pointer(vpcshim_node: NodeBuilder, product: Product) -> None:
    app = application(vpcshim_node("web"), product)
    assert app.get_UpTime(None) is HRESULT.E_POINTER
    assert find(app, "web").Accountant.get_UpTime(None) is HRESULT.E_POINTER
