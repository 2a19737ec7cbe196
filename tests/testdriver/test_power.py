"""Startup, TurnOff, Save, Reset, Pause, Resume, DiscardSavedState: what they do, what they refuse, their tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import libvirt
import pytest

from tests.testdriver.support import PRODUCTS, VS, application, code_of, machine, raw
from vpcshim import HRESULT, VT, ComError
from vpcshim.com.member import Product
from vpcshim.constants import VMTaskResult, VMVMState
from vpcshim.model import task as tasks
from vpcshim.model.application import VirtualPC
from vpcshim.model.virtual_machine import VirtualMachine
from vpcshim.testing import Machine, Node, NodeBuilder
from vpcshim.testing.machines import State

OFF, SAVED = VMVMState.vmVMState_TurnedOff, VMVMState.vmVMState_Saved
RUNNING, PAUSED = VMVMState.vmVMState_Running, VMVMState.vmVMState_Paused
everywhere = pytest.mark.parametrize("product", PRODUCTS, ids=[product.value for product in PRODUCTS])

# member, state before, state after, words of the task's description (None: no task)
WORKS: tuple[tuple[str, State, VMVMState, str | None], ...] = (
    ("Startup", "shutoff", RUNNING, "Starting web"),
    ("Startup", "saved", RUNNING, "Restoring web"),
    ("TurnOff", "running", OFF, "Turning off web"),
    ("TurnOff", "paused", OFF, "Turning off web"),
    ("TurnOff", "pmsuspended", OFF, "Turning off web"),
    ("TurnOff", "shutdown", OFF, "Turning off web"),
    ("Save", "running", SAVED, "Saving web"),
    ("Save", "paused", SAVED, "Saving web"),
    ("Reset", "running", RUNNING, "Resetting web"),
    ("Reset", "paused", PAUSED, "Resetting web"),
    ("Pause", "running", PAUSED, None),
    ("Pause", "blocked", PAUSED, None),
    ("Resume", "paused", RUNNING, None),
    ("DiscardSavedState", "saved", OFF, None),
)
# member, state, HRESULT of Virtual Server, HRESULT of Virtual PC
NOT_RUNNING, E_FAIL, IS_RUNNING = HRESULT.VM_E_VM_NOT_RUNNING, HRESULT.E_FAIL, HRESULT.VM_E_VM_RUNNING
REFUSED: tuple[tuple[str, tuple[State, ...], HRESULT, HRESULT], ...] = (
    ("Startup", ("running", "blocked", "paused", "shutdown", "pmsuspended", "nostate"), IS_RUNNING, IS_RUNNING),
    ("TurnOff", ("shutoff", "saved"), NOT_RUNNING, NOT_RUNNING),
    ("Save", ("shutoff", "saved"), NOT_RUNNING, NOT_RUNNING),
    ("Reset", ("shutoff", "saved"), NOT_RUNNING, NOT_RUNNING),
    ("Pause", ("shutoff", "saved"), E_FAIL, NOT_RUNNING),
    ("Pause", ("paused", "pmsuspended"), E_FAIL, E_FAIL),
    ("Resume", ("shutoff", "saved"), E_FAIL, NOT_RUNNING),
    ("Resume", ("running", "blocked", "shutdown"), E_FAIL, E_FAIL),
    ("DiscardSavedState", ("running", "paused"), IS_RUNNING, IS_RUNNING),
    ("DiscardSavedState", ("shutoff",), HRESULT.VM_E_VM_NO_SAVED_STATE, HRESULT.VM_E_VM_NO_SAVED_STATE),
)


@everywhere
@pytest.mark.parametrize(("member", "before", "after", "words"), WORKS)
def test_what_it_does(
    vpcshim_node: NodeBuilder, product: Product, member: str, before: State, after: VMVMState, words: str | None
) -> None:
    vm = machine(vpcshim_node(Machine("web", state=before)), "web", product)
    code, out = raw(vm, member)
    assert code is HRESULT.S_OK
    assert vm.State == after
    if words is None:
        assert out.vt == VT.EMPTY
    else:
        assert out.vt == VT.DISPATCH
        assert out.value.Description == words


@everywhere
@pytest.mark.parametrize(
    ("member", "state", "vs", "vpc"),
    [(member, state, vs, vpc) for member, states, vs, vpc in REFUSED for state in states],
)
def test_what_it_refuses(
    vpcshim_node: NodeBuilder, product: Product, member: str, state: State, vs: HRESULT, vpc: HRESULT
) -> None:
    vm = machine(vpcshim_node(Machine("web", state=state)), "web", product)
    before = vm.State
    expected = vs if product is VS else vpc
    code, out = raw(vm, member)
    assert (code, out.vt) == (expected, VT.EMPTY)
    with pytest.raises(ComError) as caught:
        getattr(vm, member)()
    assert caught.value.hresult == HRESULT.DISP_E_EXCEPTION
    assert caught.value.excepinfo is not None
    assert caught.value.excepinfo[5] == expected
    assert "web" in caught.value.description
    assert vm.State == before


@everywhere
@pytest.mark.parametrize("member", ["Startup", "TurnOff", "Save", "Reset"])
def test_no_out_parameter_is_e_pointer_and_nothing_happens(
    vpcshim_node: NodeBuilder, product: Product, member: str
) -> None:
    state: State = "shutoff" if member == "Startup" else "running"
    node = vpcshim_node(Machine("web", state=state))
    vm = machine(node, "web", product)
    before = vm.Accountant.DiskBytesRead
    assert getattr(vm, f"raw_{member}")(None) is HRESULT.E_POINTER
    assert vm.State == (OFF if member == "Startup" else RUNNING)
    assert vm.Accountant.DiskBytesRead >= before  # a Reset would have begun at zero


@everywhere
def test_a_whole_life(vpcshim_node: NodeBuilder, product: Product) -> None:
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web", product)
    states = []
    for step in ("Startup", "Pause", "Resume", "Save", "Startup", "Reset", "Save", "DiscardSavedState", "Startup"):
        assert code_of(vm, step) is HRESULT.S_OK, step
        states.append(vm.State)
    assert states == [RUNNING, PAUSED, RUNNING, SAVED, RUNNING, RUNNING, SAVED, OFF, RUNNING]


@everywhere
def test_a_transient_machine_cannot_be_saved_and_is_gone_once_off(
    vpcshim_node: NodeBuilder, product: Product
) -> None:
    app = application(vpcshim_node(Machine("web", transient=True)), product)
    vm = app.VirtualMachines(1)
    with pytest.raises(ComError, match="cannot do managed save for transient domain") as caught:
        vm.Save()
    assert caught.value.scode == HRESULT.DISP_E_EXCEPTION
    assert vm.State == RUNNING
    assert vm.TurnOff().IsComplete
    assert app.VirtualMachines.Count == 0


def test_a_machine_whose_reserve_does_not_fit_is_not_started(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(
        Machine("a", reserve=60),
        Machine("off", reserve=90, state="shutoff"),
        Machine("b", reserve=41, state="shutoff"),
        Machine("c", reserve=40, state="shutoff"),
    )
    app = node.application()
    assert app.AvailableSystemCapacity == 40.0
    b, c = (app.FindVirtualMachine(name) for name in "bc")
    assert code_of(b, "Startup") is HRESULT.VM_E_OUT_OF_RESOURCE
    with pytest.raises(ComError, match=r"b reserves 41 percent of the host's CPUs, of which 40 are free"):
        b.Startup()
    assert b.State == OFF
    assert code_of(c, "Startup") is HRESULT.S_OK
    assert app.AvailableSystemCapacity == 0.0


# -- tasks ----------------------------------------------------------------------------------------------------


@everywhere
def test_a_task_is_complete(vpcshim_node: NodeBuilder, product: Product) -> None:
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web", product)
    task = vm.Startup()
    answers = {name: getattr(task, name) for name in ("IsComplete", "IsCancelable", "PercentCompleted", "Result")}
    assert answers == {
        "IsComplete": True,
        "IsCancelable": False,
        "PercentCompleted": 100,
        "Result": VMTaskResult.vmTaskResult_Success,
    }
    types = {name: raw(task, name)[1].vt for name in ("IsComplete", "PercentCompleted", "Result", "Description")}
    assert list(types.values()) == [VT.BOOL, VT.I4, VT.I4, VT.BSTR]
    assert (task.Error, task.ErrorDescription) == (HRESULT.S_OK, "")
    assert task.ID != vm.TurnOff().ID
    assert code_of(task, "Cancel") is HRESULT.E_FAIL


@everywhere
@pytest.mark.parametrize(
    ("timeout", "fits"),
    [(-1, True), (0, True), (1, True), (4_000_000, True), (-2, False), (4_000_001, False), (-(2**31), False)],
)
def test_the_range_of_a_wait(vpcshim_node: NodeBuilder, product: Product, timeout: int, fits: bool) -> None:
    task = machine(vpcshim_node(Machine("web")), "web", product).TurnOff()
    refusal = HRESULT.E_POINTER if product is VS else HRESULT.E_INVALIDARG
    assert task.raw_WaitForCompletion(timeout) is (HRESULT.S_OK if fits else refusal)
    if not fits:
        with pytest.raises(ComError, match="-1 or 0 to 4000000 milliseconds"):
            task.WaitForCompletion(timeout)


@everywhere
@pytest.mark.parametrize(
    ("args", "expected"), [((), HRESULT.DISP_E_BADPARAMCOUNT), (("soon",), HRESULT.DISP_E_TYPEMISMATCH)]
)
def test_wrong_arguments_of_a_wait(
    vpcshim_node: NodeBuilder, product: Product, args: tuple[Any, ...], expected: HRESULT
) -> None:
    task = machine(vpcshim_node(Machine("web")), "web", product).TurnOff()
    assert task.raw_WaitForCompletion(*args) is expected


# -- operations that take their time (the test driver's do not: its calls are held up) ---------------------------

Hold = Callable[[str], AbstractContextManager[None]]


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Hold:
    """Holds up a call of libvirt's until the block ends."""
    monkeypatch.setattr(tasks, "_MOMENT", 0.2)

    @contextmanager
    def held(name: str) -> Iterator[None]:
        real, go = getattr(libvirt.virDomain, name), threading.Event()

        def waits(domain: libvirt.virDomain, *args: Any) -> Any:
            assert go.wait(60)
            return real(domain, *args)

        monkeypatch.setattr(libvirt.virDomain, name, waits)
        try:
            yield
        finally:
            go.set()

    return held


def both_of(node: Node) -> list[VirtualMachine]:
    return [machine(node, "web", product) for product in PRODUCTS]


def refusals(vm: VirtualMachine, *members: str) -> dict[str, HRESULT]:
    return {member: code_of(vm, member) for member in members}


@everywhere
def test_while_it_is_being_saved(vpcshim_node: NodeBuilder, product: Product, hold: Hold) -> None:
    node = vpcshim_node(Machine("web"))
    vm = machine(node, "web", product)
    expected = {"Startup": IS_RUNNING, "DiscardSavedState": IS_RUNNING, "Save": E_FAIL, "Pause": E_FAIL}
    expected |= {"Resume": E_FAIL, "Reset": HRESULT.DISP_E_EXCEPTION}
    with hold("managedSave"):
        task = vm.Save()
        assert (task.IsComplete, task.PercentCompleted, task.IsCancelable) == (False, 0, False)
        for one in both_of(node):
            assert one.State == VMVMState.vmVMState_Saving
            assert refusals(one, *expected) == expected
        with pytest.raises(ComError, match="web is being saved: it can be started when that is over"):
            vm.Startup()
        with pytest.raises(ComError, match="web is being saved: it can be paused when that is over"):
            vm.Pause()
        task.WaitForCompletion(10)
        assert not task.IsComplete
    task.WaitForCompletion(-1)
    assert (task.IsComplete, task.PercentCompleted, vm.State) == (True, 100, SAVED)


@pytest.mark.parametrize(
    ("before", "state", "words"),
    [
        ("shutoff", VMVMState.vmVMState_TurningOn, "Starting web"),
        ("saved", VMVMState.vmVMState_Restoring, "Restoring web"),
    ],
)
def test_while_it_is_being_started(
    vpcshim_node: NodeBuilder, hold: Hold, before: State, state: VMVMState, words: str
) -> None:
    node = vpcshim_node(Machine("web", state=before))
    with hold("create"):
        task = machine(node, "web").Startup()
        assert (task.IsComplete, task.Description) == (False, words)
        for one in both_of(node):
            assert one.State == state
            assert refusals(one, "Startup", "DiscardSavedState") == dict.fromkeys(
                ("Startup", "DiscardSavedState"), IS_RUNNING
            )
            assert one.put_Undoable(True).failed, "its definition is in use"
        doing = words.split()[0].lower().replace("ing", "ed")
        for member, why in (("Startup", f"web is being {doing} already"), ("Pause", f"web is being {doing} and")):
            with pytest.raises(ComError, match=why):
                getattr(machine(node, "web"), member)()
    task.WaitForCompletion(-1)
    assert machine(node, "web").State == RUNNING


def test_one_that_is_paused_says_how_it_goes_on(vpcshim_node: NodeBuilder) -> None:
    with pytest.raises(ComError, match="web is on already, and paused: Resume") as caught:
        machine(vpcshim_node(Machine("web", state="paused")), "web").Startup()
    assert caught.value.scode == IS_RUNNING


@pytest.mark.parametrize("member", ["TurnOff", "Save", "Reset", "Pause", "Resume"])
def test_one_that_is_saved_says_what_can_be_done(vpcshim_node: NodeBuilder, member: str) -> None:
    vm = machine(vpcshim_node(Machine("web", state="saved")), "web")
    with pytest.raises(ComError, match=r"web is saved, not running.*starting it restores it, DiscardSavedState"):
        getattr(vm, member)()
    assert vm.State == SAVED


def test_the_last_call_on_a_machine_is_what_is_shown(vpcshim_node: NodeBuilder, hold: Hold) -> None:
    node = vpcshim_node(Machine("web"))
    vm = machine(node, "web")
    with hold("managedSave"):
        save = vm.Save()
        with hold("destroy"):
            off = vm.TurnOff()
            assert vm.State == VMVMState.vmVMState_TurningOff
            assert [task.Description for task in node.application().Tasks] == ["Saving web", "Turning off web"]
        off.WaitForCompletion(300)
        assert not off.IsComplete, "it waits until what it ended has noticed"
    off.WaitForCompletion(-1)
    assert (save.IsComplete, vm.State) == (True, OFF)
    assert save.Result == VMTaskResult.vmTaskResult_UnexpectedError
    assert save.Error == NOT_RUNNING
    assert "web is not running" in save.ErrorDescription


def test_two_that_start_the_same_machine(vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    vm = machine(node, "web")
    real = libvirt.virDomain.create

    def beaten(domain: libvirt.virDomain) -> None:
        real(domain)  # somebody else, in between
        real(domain)

    monkeypatch.setattr(libvirt.virDomain, "create", beaten)
    with pytest.raises(ComError, match="web is running already") as caught:
        vm.Startup()
    assert caught.value.scode == IS_RUNNING


def test_two_that_resume_the_same_machine(vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    vm = machine(vpcshim_node(Machine("web", state="paused")), "web")
    real = libvirt.virDomain.resume

    def beaten(domain: libvirt.virDomain) -> None:
        real(domain)  # somebody else, in between
        real(domain)

    monkeypatch.setattr(libvirt.virDomain, "resume", beaten)
    with pytest.raises(ComError, match="web is not paused") as caught:
        vm.Resume()
    assert caught.value.scode == HRESULT.E_FAIL
    assert vm.State == VMVMState.vmVMState_Running


@pytest.mark.parametrize("option", [0, 1])
@pytest.mark.parametrize(("state", "words"), [("shutoff", "Starting web"), ("saved", "Restoring web")])
def test_startup2(vpcshim_node: NodeBuilder, option: int, state: State, words: str) -> None:
    vm = machine(vpcshim_node(Machine("web", state=state)), "web", PRODUCTS[1])
    assert vm.Startup2(option).Description == words
    assert vm.State == RUNNING


@pytest.mark.parametrize("option", [-1, 2, 2**31 - 1])
def test_an_unknown_option_of_startup2(vpcshim_node: NodeBuilder, option: int) -> None:
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web", PRODUCTS[1])
    with pytest.raises(
        ComError, match=rf"no startup option {option}, only 0 \(vmStartupOption_Normal\), 1"
    ) as caught:
        vm.Startup2(option)
    assert caught.value.scode == HRESULT.E_INVALIDARG
    assert vm.State == OFF


def test_virtual_server_has_no_startup2(vpcshim_node: NodeBuilder) -> None:
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web")
    with pytest.raises(ComError) as caught:
        vm.Startup2(0)
    assert caught.value.hresult == HRESULT.DISP_E_UNKNOWNNAME


def test_tasks_of_both_products_are_the_same(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web"), Machine("db"))
    vs, vpc = (application(node, product) for product in PRODUCTS)
    first = vs.VirtualMachines(1).TurnOff()
    second = vpc.VirtualMachines(2).Save()
    assert isinstance(vpc, VirtualPC)
    for app in (vs, vpc):
        assert [(task.ID, task.Description) for task in app.Tasks] == [
            (first.ID, "Turning off db"),
            (second.ID, "Saving web"),
        ]
