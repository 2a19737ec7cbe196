"""What is known of all machines at once is of one moment, or asked again."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from tests.unit.fakes import UUID, libvirt_error
from vpcshim.constants import VMVMState
from vpcshim.hypervisor import census
from vpcshim.model import capacity
from vpcshim.model.hresults import vm_state

RUNNING, SHUT_OFF = (libvirt.VIR_DOMAIN_RUNNING, 1), (libvirt.VIR_DOMAIN_SHUTOFF, 1)
STARTING, RESTORED = (libvirt.VIR_DOMAIN_PAUSED, 11), (libvirt.VIR_DOMAIN_PAUSED, 2)
SAVING = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_SAVE)

Moment = tuple[tuple[int, int] | None, bool]


class Changing:
    """A server with one machine, which is in another state, and saved or not, at each question; the last stays.

    None for its state: it is gone.
    """

    def __init__(self, moments: list[Moment]) -> None:
        self.moments = moments

    def _next(self) -> Moment:
        return self.moments.pop(0) if len(self.moments) > 1 else self.moments[0]

    def getAllDomainStats(self, _groups: int) -> list[Any]:
        told, _ = self._next()
        return [] if told is None else [(self, {"state.state": told[0], "state.reason": told[1]})]

    def listAllDomains(self, _flags: int) -> list[Any]:
        return [self] if self._next()[1] else []

    def state(self) -> list[int]:
        told, _ = self._next()
        if told is None:
            raise libvirt_error(libvirt.VIR_ERR_NO_DOMAIN)
        return list(told)

    def hasManagedSaveImage(self) -> bool:
        return self._next()[1]

    def name(self) -> str:
        return "web"

    def UUIDString(self) -> str:
        return UUID


@pytest.mark.parametrize(
    ("moments", "told"),
    [
        pytest.param([(SAVING, False), (SHUT_OFF, True)], VMVMState.vmVMState_Saving, id="its save ends"),
        pytest.param([(SHUT_OFF, True)], VMVMState.vmVMState_Saved, id="saved"),
        pytest.param([(SHUT_OFF, True), (STARTING, True)], VMVMState.vmVMState_Saved, id="its restore begins"),
        pytest.param([(STARTING, True)], VMVMState.vmVMState_Restoring, id="restored"),
        pytest.param([(STARTING, True), (RUNNING, False)], VMVMState.vmVMState_Running, id="its restore ends"),
        pytest.param([(RESTORED, True), (RUNNING, False)], VMVMState.vmVMState_Running, id="its restore ended"),
        pytest.param([(STARTING, False)], VMVMState.vmVMState_TurningOn, id="it starts"),
        pytest.param([(STARTING, False), (None, False)], None, id="it starts, and is gone"),
    ],
)
def test_what_is_told_was_true_at_one_moment(moments: list[Moment], told: VMVMState | None) -> None:
    connect: Any = Changing(moments)
    found = census.take(connect).get(UUID)
    assert (None if found is None else vm_state(found.state, found.saved, found.reason)) is told


class Listed:
    """A machine that was listed among the running ones, and what its XML is by now."""

    def __init__(self, number: int | None) -> None:
        self.live = "" if number is None else f" id='{number}'"

    def XMLDesc(self) -> str:
        settings = "<s:settings xmlns:s='urn:vpcshim:settings:1' reserve='60.0'/>"
        return f"<domain type='kvm'{self.live}><name>web</name><metadata>{settings}</metadata></domain>"


@pytest.mark.parametrize(("number", "free"), [(5, 40.0), (None, 100.0)])
def test_a_machine_that_stopped_since_it_was_listed_reserves_nothing(number: int | None, free: float) -> None:
    class Host:
        def listAllDomains(self, _flags: int) -> list[Listed]:
            return [Listed(number)]

    connect: Any = Host()
    assert capacity.available(connect) == free
