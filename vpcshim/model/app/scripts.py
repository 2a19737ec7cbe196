"""Scripts attached to the application's events."""

from __future__ import annotations

from vpcshim.model.base import ModelObject


class Scripts(ModelObject):
    """Scripts attached to the application's events."""
