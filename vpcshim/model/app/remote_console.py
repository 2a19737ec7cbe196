"""The remote console (VMRC)."""

from __future__ import annotations

from vpcshim.model.base import ModelObject


class RemoteConsole(ModelObject):
    """The remote console (VMRC)."""
