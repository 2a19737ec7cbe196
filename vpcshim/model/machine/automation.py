"""What happens to the machine when the host starts and stops, and as whom it runs."""

from __future__ import annotations

from vpcshim.model.machine.state import Stateful


class Automation(Stateful):
    """What happens to the machine when the host starts and stops, and as whom it runs."""
