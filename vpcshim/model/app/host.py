"""The host, its support drivers and USB devices."""

from __future__ import annotations

from vpcshim.model.base import ModelObject


class Host(ModelObject):
    """The host, its support drivers and USB devices."""
