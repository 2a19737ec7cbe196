"""The machine's hard disks, DVD drives, floppy drives and SCSI controllers."""

from __future__ import annotations

from vpcshim.model.machine.state import Stateful


class Drives(Stateful):
    """The machine's hard disks, DVD drives, floppy drives and SCSI controllers."""
