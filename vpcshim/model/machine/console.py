"""The machine's display, keyboard, mouse, and what runs in it."""

from __future__ import annotations

from vpcshim.model.machine.state import Stateful


class Console(Stateful):
    """The machine's display, keyboard, mouse, and what runs in it."""
