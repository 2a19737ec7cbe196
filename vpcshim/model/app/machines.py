"""The machines of a server: all of them, and one by its name."""

from __future__ import annotations

from vpcshim.com.declare import method, propget
from vpcshim.com.member import S_FALSE, SFalse
from vpcshim.com.variant import VT
from vpcshim.model.base import ModelObject
from vpcshim.model.names import uuid_of
from vpcshim.model.virtual_machine import VirtualMachine, VirtualMachineCollection


class Machines(ModelObject):
    """VirtualMachines, FindVirtualMachine."""

    @propget(vs=0x60020009, vpc=0x60020006, vt=VT.DISPATCH)
    def VirtualMachines(self) -> VirtualMachineCollection:
        """All machines of the server, running or not."""
        return VirtualMachineCollection(self._product_, self._server, self._options)

    @method(vs=0x60020004, vpc=0x60020001, vt=VT.DISPATCH, params=(VT.BSTR,))
    def FindVirtualMachine(self, configurationName: str) -> VirtualMachine | SFalse:
        """The machine of that name, in any case; a null object, with S_FALSE, when there is none."""
        with self._server.connection.calls() as connect:
            named = [(domain.name(), domain.UUIDString()) for domain in connect.listAllDomains()]
        uuid = uuid_of(configurationName, named)
        return S_FALSE if uuid is None else VirtualMachine(self._product_, self._server, self._options, uuid)
