"""The machine's configuration and activation values, and its notes."""

from __future__ import annotations

from vpcshim.model.machine.state import Stateful


class Configuration(Stateful):
    """The machine's configuration and activation values, and its notes."""
