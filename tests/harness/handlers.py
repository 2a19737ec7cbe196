"""Handlers of events that note what they hear."""

from __future__ import annotations

from typing import Any

from vpcshim.constants import VMVMState


class Heard:
    """Notes the states of one machine, or of all with their names."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def OnStateChange(self, state: VMVMState) -> None:
        self.all.append(state)

    def OnVMStateChange(self, name: str, state: VMVMState) -> None:
        self.all.append((name, state))
