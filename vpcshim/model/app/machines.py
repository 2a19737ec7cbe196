"""The machines of a server: all of them, one by its name, and how they come and go.

Sources: the VirtualMachines, FindVirtualMachine, CreateVirtualMachine, RegisterVirtualMachine, DeleteVirtualMachine
and UnregisterVirtualMachine pages of both products' references.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import libvirt

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import S_FALSE, SFalse
from vpcshim.com.object import ComObject
from vpcshim.com.variant import VT
from vpcshim.hypervisor.errors import DomainGone, Unsupported
from vpcshim.hypervisor.states import is_saved
from vpcshim.model.base import ModelObject
from vpcshim.model.folders import default_folder
from vpcshim.model.hresults import runs
from vpcshim.model.names import uuid_of
from vpcshim.model.virtual_machine import VirtualMachine, VirtualMachineCollection

if TYPE_CHECKING:
    from vpcshim.model import vmcfiles

_PATHS = (
    HRESULT.E_PATH_NOT_FOUND,
    HRESULT.E_INVALID_NAME,
    HRESULT.E_BAD_PATHNAME,
    HRESULT.E_BUFFER_OVERFLOW,
    HRESULT.E_ALREADY_EXISTS,
)
_NAMES = (HRESULT.VM_E_CONFIG_NAME_INVALID_CHAR, HRESULT.VM_E_CONFIG_DUPLICATE_NAME)


class Machines(ModelObject):
    """VirtualMachines, FindVirtualMachine, and Create, Register, Delete, UnregisterVirtualMachine."""

    @propget(vs=0x60020009, vpc=0x60020006, vt=VT.DISPATCH)
    def VirtualMachines(self) -> VirtualMachineCollection:
        """All machines of the server, running or not."""
        return VirtualMachineCollection(self._product_, self._server, self._options)

    @method(vs=0x60020004, vpc=0x60020001, vt=VT.DISPATCH, params=(VT.BSTR,), reads=True)
    def FindVirtualMachine(self, configurationName: str) -> VirtualMachine | SFalse:
        """The machine of that name, in any case; a null object, with S_FALSE, when there is none."""
        with self._server.connection.calls() as connect:
            named = [(domain.name(), domain.UUIDString()) for domain in connect.listAllDomains()]
        self._server.connection.remember(named)
        uuid = uuid_of(configurationName, named)
        return S_FALSE if uuid is None else self._machine(uuid)

    @method(
        vs=0x60020005,
        vpc=0x60020002,
        vt=VT.DISPATCH,
        params=(VT.BSTR, VT.BSTR),
        fails=(*_PATHS, *_NAMES),
        vpc_fails=(HRESULT.VM_E_CONFIG_NO_NAME, HRESULT.VM_E_CONFIG_NAME_TOO_LONG),
    )
    def CreateVirtualMachine(self, configurationName: str, configurationPath: str) -> VirtualMachine:
        """Make a machine with 128 MB, one adapter that is connected to nothing, and empty CD and floppy drives.

        Its definition is libvirt's; `NAME.vmc` is made in the folder that `configurationPath` names, which is made
        where it is missing. With an empty name the path is that of the new file. A file that is there is refused
        (E_ALREADY_EXISTS), and so is a name that a machine has, in any case (VM_E_CONFIG_DUPLICATE_NAME).
        """
        from vpcshim.model import registration

        place = self._place(configurationName, configurationPath)
        with self._server.connection.calls(write=True) as connect:
            return self._machine(registration.create(connect, place))

    @method(
        vs=0x60020007,
        vpc=0x60020004,
        vt=VT.DISPATCH,
        params=(VT.BSTR, VT.BSTR),
        fails=(HRESULT.E_FILE_NOT_FOUND, *_PATHS, *_NAMES),
        vpc_fails=(HRESULT.VM_E_CONFIG_NAME_TOO_LONG,),
    )
    def RegisterVirtualMachine(self, configurationName: str, configurationPath: str) -> VirtualMachine:
        """Define the machine that a .vmc file describes, one of the products' or one that Unregister left.

        Of the first, memory, drives, adapters, ports, serial numbers and notes become the domain's, and what
        libvirt has no place for is kept as configuration values. An adapter is connected to the libvirt network, or
        the bridge of this host, that has the name of its virtual network, and to nothing where there is none. A
        drive whose image is missing is there: the machine says so when it is started. Of the second, the machine is
        what it was, if the same user registers it and nobody changed the file.
        """
        from vpcshim.model import registration
        from vpcshim.model.fitting import Host

        place = self._place(configurationName, configurationPath)
        connection = self._server.connection
        with connection.calls(write=True) as connect:
            host = Host(connect, self._paths, connection.is_local)
            return self._machine(registration.register(host, place))

    @method(vs=0x60020006, vpc=0x60020003, params=(VT.DISPATCH,), fails=(HRESULT.VM_E_VM_RUNNING,))
    def DeleteVirtualMachine(self, virtualMachine: ComObject | None) -> SFalse | None:
        """Remove a machine that is off: its definition, .vmc file, saved state and undo disks, and no other image.

        S_FALSE when it is gone already; VM_E_VM_RUNNING while it runs. A machine that somebody else defined has no
        .vmc file: libvirt forgets it, and nothing else is removed.
        """
        from vpcshim.hypervisor.registered import read_settings
        from vpcshim.model import registration

        def delete(domain: libvirt.virDomain) -> None:
            if read_settings(domain).file:
                self._check_local()
            registration.delete(self._server.connection, domain)

        return self._removed(virtualMachine, "deleted", delete)

    @method(vs=0x60020008, vpc=0x60020005, params=(VT.DISPATCH,), fails=(HRESULT.VM_E_VM_RUNNING,))
    def UnregisterVirtualMachine(self, virtualMachine: ComObject | None) -> SFalse | None:
        """Let libvirt forget a machine that is off, and keep in its .vmc file what makes the same one again.

        A machine that has no .vmc gets one in DefaultVMConfigurationPath. S_FALSE when it is gone already;
        VM_E_VM_RUNNING while it runs. A saved machine is refused: libvirt keeps no saved state of a machine that it
        does not know. So is one with snapshots.

        Windows Virtual PC's page lists no S_FALSE; what is to be gone and is gone is no failure there either.
        """
        from vpcshim.model import registration

        def unregister(domain: libvirt.virDomain) -> None:
            self._check_local()
            name = domain.name()
            if is_saved(domain):
                text = (
                    f"{name} is saved, and libvirt keeps no saved state of a machine that it does not know: "
                    "start it and turn it off, or discard the state (DiscardSavedState)"
                )
                raise Failure(HRESULT.VM_E_VM_RUNNING_OR_SAVED, text)
            registration.unregister(domain, self._paths, self._new_file)

        return self._removed(virtualMachine, "unregistered", unregister)

    def _machine(self, uuid: str) -> VirtualMachine:
        return VirtualMachine(self._product_, self._server, self._options, uuid)

    def _place(self, name: str, path: str) -> vmcfiles.Place:
        from vpcshim.model import vmcfiles

        place = vmcfiles.place(self._paths, self._product_, name, path)
        self._need_files()
        return place

    def _need_files(self) -> None:
        """Refuse what needs the files of the hypervisor's host where that is another machine."""
        with self._server.connection.calls():
            self._check_local()

    def _check_local(self) -> None:
        """The same, while a connection is open."""
        connection = self._server.connection
        if not connection.is_local:
            text = f".vmc files are files of the hypervisor's host, and {connection.label} is another machine"
            raise Unsupported(f"{text}: run this on that host")

    def _new_file(self, name: str) -> Path:
        from vpcshim.model import vmcfiles

        return default_folder(self._product_) / f"{name}{vmcfiles.EXTENSION}"

    def _removed(
        self, machine: ComObject | None, what: str, remove: Callable[[libvirt.virDomain], None]
    ) -> SFalse | None:
        if machine is None:
            raise Failure(HRESULT.E_POINTER, f"no machine was given, so none is {what}")
        if not isinstance(machine, VirtualMachine):
            text = f"argument 1 is to be an IVMVirtualMachine, not {machine!r}"
            raise Failure(HRESULT.DISP_E_TYPEMISMATCH, text, argerr=0)
        if machine._server is not self._server:
            text = (
                f"the machine belongs to {machine._server.connection.label}, not to {self._server.connection.label}"
            )
            raise Failure(HRESULT.E_INVALIDARG, text)
        try:
            with self._server.connection.domain(machine._uuid, write=True) as domain:
                if runs(domain):
                    text = f"{domain.name()} is running and cannot be {what}: turn it off first"
                    raise Failure(HRESULT.VM_E_VM_RUNNING, text)
                remove(domain)
        except DomainGone:
            return S_FALSE
        self._server.changed(machine._uuid)
        return None
