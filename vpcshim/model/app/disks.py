"""Images of hard disks and floppy disks."""

from __future__ import annotations

from vpcshim.model.base import ModelObject


class Disks(ModelObject):
    """Images of hard disks and floppy disks."""
