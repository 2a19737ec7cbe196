"""Scripts attached to the machine's events."""

from __future__ import annotations

from vpcshim.model.machine.state import Stateful


class Scripts(Stateful):
    """Scripts attached to the machine's events."""
