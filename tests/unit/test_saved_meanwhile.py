"""A machine that was running when it was looked at, and is off and saved when its definition is to be changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vpcshim.hypervisor import disks, interfaces
from vpcshim.hypervisor.errors import DomainOff

MAC = "52:54:00:00:00:01"
DEFINITION = (
    "<domain type='kvm'><name>web</name><devices>"
    "<disk type='file' device='cdrom'><target dev='hda' bus='ide'/></disk>"
    f"<interface type='user'><mac address='{MAC}'/></interface></devices></domain>"
)


class Off:
    """A machine that is off, saved or not."""

    def __init__(self, *, saved: bool) -> None:
        self.saved = saved
        self.defined: list[str] = []

    def name(self) -> str:
        return "web"

    def isActive(self) -> bool:
        return False

    def hasManagedSaveImage(self) -> bool:
        return self.saved

    def XMLDesc(self, _flags: int = 0) -> str:
        return DEFINITION

    def connect(self) -> Off:
        return self

    def defineXMLFlags(self, text: str, _flags: int) -> None:
        self.defined.append(text)


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda domain: disks.insert(domain, "hda", None),
        lambda domain: interfaces.attach(domain, MAC, "lab"),
        lambda domain: interfaces.detach(domain, MAC),
    ],
    ids=["medium", "attach", "detach"],
)
def test_what_it_would_not_be_restored_with_is_refused(change: Callable[[Any], None], saved: bool) -> None:
    domain = Off(saved=saved)
    if saved:
        with pytest.raises(DomainOff, match="web was saved meanwhile"):
            change(domain)
    else:
        change(domain)
    assert len(domain.defined) == (not saved)
