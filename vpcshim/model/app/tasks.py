"""The tasks of a server."""

from __future__ import annotations

from vpcshim.com.declare import propget
from vpcshim.com.variant import VT
from vpcshim.model.base import ModelObject
from vpcshim.model.task import TaskCollection


class Tasks(ModelObject):
    """Tasks."""

    @propget(vs=0x60020012, vpc=0x6002000B, vt=VT.DISPATCH)
    def Tasks(self) -> TaskCollection:
        """The tasks that this process began on the server: those that go on, and the last that ended."""
        return TaskCollection(self._product_, self._server, self._options)
