"""What the machine's firmware says of it: GUID, serial numbers, asset tag."""

from __future__ import annotations

from vpcshim.model.machine.state import Stateful


class Firmware(Stateful):
    """What the machine's firmware says of it: GUID, serial numbers, asset tag."""
