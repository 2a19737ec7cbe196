"""Every state that a node file can set, both products, every member of the accountant."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import libvirt
import pytest

from tests.testdriver.support import PRODUCTS, VS, accountant, machine, raw
from vpcshim import HRESULT, VT, ComError
from vpcshim.com.member import Product
from vpcshim.constants import VMVMState
from vpcshim.hypervisor import cpu
from vpcshim.model.accountant import Accountant
from vpcshim.model.hresults import is_running, vm_state
from vpcshim.testing import Machine, Node, NodeBuilder
from vpcshim.testing.machines import State

# state: (VMVMState, whether it counts as running), as DESIGN decides
STATES: dict[State, tuple[VMVMState, bool]] = {
    "nostate": (VMVMState.vmVMState_Invalid, True),  # active, as all of the test driver's but shutoff are
    "running": (VMVMState.vmVMState_Running, True),
    "blocked": (VMVMState.vmVMState_Running, True),
    "paused": (VMVMState.vmVMState_Paused, True),
    "shutdown": (VMVMState.vmVMState_TurningOff, True),
    "shutoff": (VMVMState.vmVMState_TurnedOff, False),
    "crashed": (VMVMState.vmVMState_TurnedOff, False),
    "pmsuspended": (VMVMState.vmVMState_Paused, True),
    "saved": (VMVMState.vmVMState_Saved, False),
}
COUNTERS = ("NetworkBytesSent", "NetworkBytesReceived", "DiskBytesRead", "DiskBytesWritten")
# member: (VARTYPE, value when it is not running), for those that answer S_FALSE then
WHILE_OFF: dict[str, tuple[VT, Any]] = {
    **dict.fromkeys(COUNTERS, (VT.DECIMAL, Decimal(0))),
    "UpTime": (VT.I4, 0),
    "CPUUtilization": (VT.I4, 0),
    "CPUUtilizationHistory": (VT.ARRAY | VT.VARIANT, (0,) * 60),
}
# member: (VARTYPE, value) of those that answer the same in every state
ALWAYS: dict[str, tuple[VT, Any]] = {
    "ReservedSystemCapacity": (VT.R8, 12.5),
    "MaximumSystemCapacity": (VT.R8, 50.0),
    "RelativeWeight": (VT.I4, 50),  # the test driver's own
    "AllowableReservedSystemCapacity": (VT.R8, 50.0),
    "AllowableMaximumSystemCapacity": (VT.R8, 50.0),
}
everywhere = pytest.mark.parametrize("product", PRODUCTS, ids=[product.value for product in PRODUCTS])


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A machine per state, named after it: two vCPUs of a host with four."""
    assert set(STATES) == set(get_args(State))
    patch = pytest.MonkeyPatch()
    patch.setattr(cpu, "PERIOD", 0.1)  # the driver has no bulk statistics: each machine would take a second
    builder = NodeBuilder(tmp_path_factory.mktemp("states"))
    made = builder(*[Machine(state, state=state, vcpus=2, reserve=12.5) for state in STATES])
    made.application()
    yield made
    builder.close()
    patch.undo()


@everywhere
@pytest.mark.parametrize("state", STATES)
def test_the_state(node: Node, product: Product, state: State) -> None:
    code, out = raw(machine(node, state, product), "State")
    assert (code, out.vt, out.value) == (HRESULT.S_OK, VT.I4, STATES[state][0])


@everywhere
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("member", [*COUNTERS, "CPUUtilization", "CPUUtilizationHistory"])
def test_what_is_counted_is_s_ok_while_it_runs_and_s_false_with_a_null_otherwise(
    node: Node, product: Product, state: State, member: str
) -> None:
    account = accountant(node, state, product)
    code, out = raw(account, member)
    vt, null = WHILE_OFF[member]
    assert out.vt == vt
    if STATES[state][1]:
        assert code is HRESULT.S_OK
        assert out.value != null
        assert type(out.value) is type(null)
    else:
        assert (code, out.value) == (HRESULT.S_FALSE, null)
        assert getattr(account, member) == null


@everywhere
@pytest.mark.parametrize("state", STATES)
def test_the_uptime_of_what_others_started_is_unknown_and_says_so(
    node: Node, product: Product, state: State
) -> None:
    account = accountant(node, state, product)
    code, out = raw(account, "UpTime")
    if not STATES[state][1]:
        assert (code, out.vt, out.value) == (HRESULT.S_FALSE, VT.I4, 0)
        return
    assert (code, out.vt) == (HRESULT.DISP_E_EXCEPTION, VT.EMPTY)
    with pytest.raises(ComError) as caught:
        _ = account.UpTime
    assert f"the start of {state} is not known" in caught.value.description


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("member", ALWAYS)
def test_what_is_configured_is_there_in_every_state(node: Node, state: State, member: str) -> None:
    code, out = raw(accountant(node, state), member)
    assert (code, out.vt, out.value) == (HRESULT.S_OK, *ALWAYS[member])


@pytest.mark.parametrize("state", STATES)
def test_scheduling_is_refused_by_the_test_driver_in_every_state(node: Node, state: State) -> None:
    account = accountant(node, state)
    assert account.raw_SetSchedulingParameters(0.0, 50.0, 100) is HRESULT.DISP_E_EXCEPTION
    assert account.ReservedSystemCapacity == 12.5


@everywhere
def test_these_tests_cover_every_member_of_the_accountant(product: Product) -> None:
    members = {item.name for item in Accountant._names_.values() if item.known_to(product)}
    covered = {*WHILE_OFF, *(ALWAYS if product is VS else ()), *(("SetSchedulingParameters",) * (product is VS))}
    assert members == covered
    assert len(members) == (13 if product is VS else 7)


@everywhere
def test_a_machine_that_is_off_has_sixty_typed_zeros(node: Node, product: Product) -> None:
    code, out = raw(accountant(node, "shutoff", product), "CPUUtilizationHistory")
    assert code is HRESULT.S_FALSE
    assert (len(out.value), out.elements) == (60, VT.UI1)


# What no node file of the test driver can say: a domain in NOSTATE that is not active (Xen, LXC), and a state
# that a newer libvirt adds.
@pytest.mark.parametrize("state", [libvirt.VIR_DOMAIN_NOSTATE, 99])
@pytest.mark.parametrize("active", [True, False])
def test_a_state_that_says_nothing_is_decided_by_activity(state: int, active: bool) -> None:
    assert is_running(state, active) is active
    assert vm_state(state, saved=False) is VMVMState.vmVMState_Invalid


def test_saved_is_said_only_of_what_is_off() -> None:
    assert vm_state(libvirt.VIR_DOMAIN_CRASHED, saved=True) is VMVMState.vmVMState_Saved
    assert vm_state(libvirt.VIR_DOMAIN_RUNNING, saved=True) is VMVMState.vmVMState_Running


def test_the_node_file_is_where_the_machines_come_from(node: Node, tmp_path: Path) -> None:
    copy = Node(tmp_path / "copy.xml")
    copy.path.write_bytes(node.path.read_bytes())
    assert {vm.Name for vm in copy.application().VirtualMachines} == set(STATES)
