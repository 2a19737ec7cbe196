"""The machine's serial and parallel ports."""

from __future__ import annotations

from vpcshim.model.machine.state import Stateful


class Ports(Stateful):
    """The machine's serial and parallel ports."""
