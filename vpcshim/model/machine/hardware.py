"""The machine's memory and processor."""

from __future__ import annotations

from vpcshim.model.machine.state import Stateful


class Hardware(Stateful):
    """The machine's memory and processor."""
