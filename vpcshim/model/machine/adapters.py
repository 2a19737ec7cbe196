"""The machine's network adapters."""

from __future__ import annotations

from vpcshim.model.machine.state import Stateful


class Adapters(Stateful):
    """The machine's network adapters."""
