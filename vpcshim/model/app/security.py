"""Who may do what with the application."""

from __future__ import annotations

from vpcshim.model.base import ModelObject


class Security(ModelObject):
    """Who may do what with the application."""
