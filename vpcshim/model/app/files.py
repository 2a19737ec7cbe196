"""Where the application looks for files, and what it finds there."""

from __future__ import annotations

from vpcshim.model.base import ModelObject


class Files(ModelObject):
    """Where the application looks for files, and what it finds there."""
