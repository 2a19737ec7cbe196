"""Who may do what with the machine."""

from __future__ import annotations

from vpcshim.model.machine.state import Stateful


class Security(Stateful):
    """Who may do what with the machine."""
