"""Virtual networks, and adapters that are on none."""

from __future__ import annotations

from vpcshim.model.base import ModelObject


class Networks(ModelObject):
    """Virtual networks, and adapters that are on none."""
