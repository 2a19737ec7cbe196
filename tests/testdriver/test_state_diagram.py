"""Random sequences of calls, by both products and by others, against a model of the documented state diagram."""

from __future__ import annotations

import tempfile
from enum import Enum
from pathlib import Path
from typing import Any, Final

import libvirt
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.testdriver.support import PRODUCTS, VPC, VS, find, raw
from vpcshim import HRESULT, Variant
from vpcshim.com.member import Product
from vpcshim.constants import VMTaskResult, VMVMState
from vpcshim.testing import Machine
from vpcshim.testing.node import NodeBuilder


class S(Enum):
    """The states that a machine rests in."""

    OFF = VMVMState.vmVMState_TurnedOff
    SAVED = VMVMState.vmVMState_Saved
    RUNNING = VMVMState.vmVMState_Running
    PAUSED = VMVMState.vmVMState_Paused


_OK = HRESULT.S_OK
_IS_RUNNING, _NOT_RUNNING = HRESULT.VM_E_VM_RUNNING, HRESULT.VM_E_VM_NOT_RUNNING
_NO_STATE, _E_FAIL = HRESULT.VM_E_VM_NO_SAVED_STATE, HRESULT.E_FAIL
_ON, _NOT_ON = (S.RUNNING, S.PAUSED), (S.OFF, S.SAVED)

# What each call does to a machine in each state; a state that is missing refuses it, as _REFUSALS says.
# The test driver restores every machine running, paused or not when it was saved; a reset leaves it as it is.
_MOVES: Final[dict[str, dict[S, S]]] = {
    "Startup": dict.fromkeys(_NOT_ON, S.RUNNING),
    "Startup2": dict.fromkeys(_NOT_ON, S.RUNNING),
    "TurnOff": dict.fromkeys(_ON, S.OFF),
    "Save": dict.fromkeys(_ON, S.SAVED),
    "Reset": {state: state for state in _ON},
    "Pause": {S.RUNNING: S.PAUSED},
    "Resume": {S.PAUSED: S.RUNNING},
    "DiscardSavedState": {S.SAVED: S.OFF},
}
_REFUSALS: Final[dict[str, dict[S, tuple[HRESULT, HRESULT]]]] = {  # Virtual Server, Virtual PC
    "Startup": dict.fromkeys(_ON, (_IS_RUNNING, _IS_RUNNING)),
    "Startup2": dict.fromkeys(_ON, (_IS_RUNNING, _IS_RUNNING)),
    "TurnOff": dict.fromkeys(_NOT_ON, (_NOT_RUNNING, _NOT_RUNNING)),
    "Save": dict.fromkeys(_NOT_ON, (_NOT_RUNNING, _NOT_RUNNING)),
    "Reset": dict.fromkeys(_NOT_ON, (_NOT_RUNNING, _NOT_RUNNING)),
    "Pause": {**dict.fromkeys(_NOT_ON, (_E_FAIL, _NOT_RUNNING)), S.PAUSED: (_E_FAIL, _E_FAIL)},
    "Resume": {**dict.fromkeys(_NOT_ON, (_E_FAIL, _NOT_RUNNING)), S.RUNNING: (_E_FAIL, _E_FAIL)},
    "DiscardSavedState": {
        **dict.fromkeys(_ON, (_IS_RUNNING, _IS_RUNNING)),
        S.OFF: (_NO_STATE, _NO_STATE),
    },
}
_WITH_TASK = ("Startup", "Startup2", "TurnOff", "Save", "Reset")
# What others do to the machine, past us, and from which state.
_OTHERS: Final[dict[str, tuple[tuple[S, ...], S]]] = {
    "create": (_NOT_ON, S.RUNNING),
    "destroy": (_ON, S.OFF),
    "managedSave": (_ON, S.SAVED),
    "managedSaveRemove": ((S.SAVED,), S.OFF),
    "suspend": ((S.RUNNING,), S.PAUSED),
    "resume": ((S.PAUSED,), S.RUNNING),
}
_products = st.sampled_from(PRODUCTS)
_names = st.sampled_from(["web", "WEB", "Web 01", "db", "other", "OTHER", "", "a/b", "x" * 200])


def _rename(name: str, old: str, state: S, product: Product) -> HRESULT:
    """What a rename answers."""
    if name == "":
        return HRESULT.E_INVALIDARG if product is VS else HRESULT.VM_E_CONFIG_NO_NAME
    if "/" in name:
        return HRESULT.VM_E_CONFIG_NAME_INVALID_CHAR
    if len(name) > 150:
        return HRESULT.VM_E_CONFIG_NAME_TOO_LONG
    if state is not S.OFF:
        return HRESULT.VM_E_PREF_VM_ACTIVE if product is VPC else HRESULT.DISP_E_EXCEPTION
    return HRESULT.VM_E_CONFIG_DUPLICATE_NAME if name.casefold() == "other" else _OK


class Diagram(RuleBasedStateMachine):
    """One machine, held by an application object of each product."""

    @initialize(state=st.sampled_from(["running", "paused", "shutoff", "saved"]))
    def begin(self, state: Any) -> None:
        """A node with the machine in that state."""
        self.folder = tempfile.TemporaryDirectory(prefix="vpcshim-")
        self.nodes = NodeBuilder(Path(self.folder.name))
        self.node = self.nodes(Machine("web", state=state), Machine("other"))
        self.applications: dict[Product, Any] = {
            VS: self.node.application("VirtualServer.Application"),
            VPC: self.node.application("VirtualPC.Application"),
        }
        self.machines = {product: find(app, "web") for product, app in self.applications.items()}
        self.name = "web"
        self.state = {"running": S.RUNNING, "paused": S.PAUSED, "shutoff": S.OFF, "saved": S.SAVED}[state]
        self.tasks = 0

    def teardown(self) -> None:
        """Let go of the node."""
        if hasattr(self, "nodes"):
            del self.machines, self.applications
            self.nodes.close()
            self.folder.cleanup()

    @rule(member=st.sampled_from(sorted(_MOVES)), product=_products, option=st.integers(-1, 2))
    def call(self, member: str, product: Product, option: int) -> None:
        """One of the calls, by either product."""
        if member == "Startup2" and product is VS:
            return  # unknown to it
        args = (option,) if member == "Startup2" else ()
        code, out = raw(self.machines[product], member, *args)
        if args and option not in (0, 1):
            assert code is HRESULT.E_INVALIDARG
            return
        after = _MOVES[member].get(self.state)
        if after is None:
            assert code is _REFUSALS[member][self.state][PRODUCTS.index(product)]
            return
        assert code is _OK
        self.state = after
        if member in _WITH_TASK:
            self.ended_well(out)

    def ended_well(self, out: Variant) -> None:
        """The task of a call that the test driver does at once."""
        task = out.value
        task.WaitForCompletion(5_000)
        assert (task.IsComplete, task.PercentCompleted, task.Error) == (True, 100, _OK)
        assert task.Result == VMTaskResult.vmTaskResult_Success
        assert self.tasks < task.ID, "a number of its own"
        self.tasks = task.ID

    @rule(name=_names, product=_products)
    def rename(self, name: str, product: Product) -> None:
        """A new name, or none that will do."""
        expected = _rename(name, self.name, self.state, product)
        code = self.machines[product].put_Name(name)
        assert code is expected
        if code is _OK:
            self.name = name

    @rule(what=st.sampled_from(sorted(_OTHERS)))
    def others(self, what: str) -> None:
        """Somebody else does something to the machine."""
        before, after = _OTHERS[what]
        if self.state not in before:
            return
        with self.node.connection() as connect:
            domain: libvirt.virDomain = connect.lookupByName(self.name)
            getattr(domain, what)()
        self.state = after

    @invariant()
    def both_products_agree_with_the_model(self) -> None:
        """State, name and the accountant's first number, late-bound and by the vtable."""
        if not hasattr(self, "machines"):
            return
        for product, machine in self.machines.items():
            assert machine.State == self.state.value
            assert machine.Name == self.name
            assert find(self.applications[product], self.name.upper()).ConfigID == machine.ConfigID
            running = self.state in _ON
            assert raw(machine.Accountant, "NetworkBytesSent")[0] is (_OK if running else HRESULT.S_FALSE)

    @invariant()
    def the_tasks_are_listed_for_both(self) -> None:
        """The same tasks, all of them over, and not more and more of them."""
        if not hasattr(self, "machines"):
            return
        listed = [[task.ID for task in app.Tasks] for app in self.applications.values()]
        assert listed[0] == listed[1] == sorted(listed[0])
        assert len(listed[0]) <= 21
        assert all(task.IsComplete for task in self.applications[VS].Tasks)


Diagram.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestDiagram = Diagram.TestCase
