"""What a machine of this server may have at most and at least."""

from __future__ import annotations

from vpcshim.model.base import ModelObject


class Limits(ModelObject):
    """What a machine of this server may have at most and at least."""
