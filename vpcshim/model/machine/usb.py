"""The machine's USB devices."""

from __future__ import annotations

from vpcshim.model.machine.state import Stateful


class Usb(Stateful):
    """The machine's USB devices."""
