"""The machine's undo disks."""

from __future__ import annotations

from vpcshim.model.machine.state import Stateful


class Undo(Stateful):
    """The machine's undo disks."""
