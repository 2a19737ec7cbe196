"""The undo disks of a machine belong to its start until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.unit.fakes import UUID, libvirt_error
from vpcshim.com.member import Product
from vpcshim.hypervisor import overlays, runtime, undolock
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.errors import DomainBusy, DomainOff
from vpcshim.model import undoing
from vpcshim.model.work import Work

pytestmark = pytest.mark.usefixtures("bounded")

ENABLED = f"<value key='{undoing.ENABLED}' type='boolean'>true</value>"
DEFINITION = (
    f"<domain type='kvm'><name>web</name><uuid>{UUID}</uuid><metadata><s:settings xmlns:s='urn:vpcshim:settings:1'"
    f" reserve='0'>{ENABLED}</s:settings></metadata><devices/></domain>"
)


class Qemu:
    """A machine that is off, without disks, and whose disks are undoable."""

    saved = False

    def XMLDesc(self, _flags: int = 0) -> str:
        return DEFINITION

    def name(self) -> str:
        return "web"

    def UUIDString(self) -> str:
        return UUID

    def isActive(self) -> bool:
        return False

    def hasManagedSaveImage(self) -> bool:
        return self.saved

    def connect(self) -> Qemu:
        return self

    def getType(self) -> str:
        return "QEMU"

    def defineXMLFlags(self, _text: str, _flags: int) -> Qemu:
        return self


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "folder", lambda: tmp_path)
    monkeypatch.setattr(undolock, "_PATIENCE", 0.0)
    monkeypatch.setattr(undolock, "_LAST_WORDS", 30.0)  # longer than a test may take
    monkeypatch.setattr(Connection, "is_local", True)


def start(domain: Any, create: Any) -> None:
    work = Work("Starting web", lambda _work: None)
    with undoing.made_ready(Connection("qemu:///nowhere"), Product.VIRTUAL_SERVER, domain, work):
        create()


def test_nobody_takes_them_before_it_runs() -> None:
    """As the process would that has waited to end the last run: it would discard the overlays of this one."""
    domain: Any = Qemu()
    created = []

    def create() -> None:
        with pytest.raises(DomainBusy):
            overlays.discard(domain)
        created.append(True)

    start(domain, create)
    assert created
    overlays.discard(domain)


def test_a_start_that_failed_holds_up_nobody() -> None:
    domain: Any = Qemu()

    def create() -> None:
        raise libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, message="no such image")

    for _ in range(2):
        with pytest.raises(libvirt.libvirtError, match="no such image"):
            start(domain, create)
    overlays.discard(domain)


def test_a_start_whose_end_nobody_heard_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    domain: Any = Qemu()

    def create() -> None:
        raise libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC, "client socket is closed")

    with pytest.raises(libvirt.libvirtError, match="socket"):
        start(domain, create)
    waited: list[float] = []
    monkeypatch.setattr("vpcshim.hypervisor.undolock.time.sleep", waited.append)
    overlays.discard(domain)
    assert waited == [30.0]


def test_what_a_saved_state_needs_is_not_discarded() -> None:
    """It was started and saved while the discard waited for its turn, or for a killed process's last words."""
    domain: Any = Qemu()
    domain.saved = True
    with pytest.raises(DomainOff, match="was saved meanwhile"):
        overlays.discard(domain)
