"""The application's own configuration values."""

from __future__ import annotations

from vpcshim.model.base import ModelObject


class Configuration(ModelObject):
    """The application's own configuration values."""
