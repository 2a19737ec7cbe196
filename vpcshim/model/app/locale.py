"""The language of messages."""

from __future__ import annotations

from vpcshim.model.base import ModelObject


class Locale(ModelObject):
    """The language of messages."""
