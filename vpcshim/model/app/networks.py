"""The virtual networks of a server.

A .vnc file that a network was made with holds the network's libvirt definition: what Unregister keeps of it, and
what Register reads again.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import libvirt

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import S_FALSE, SFalse
from vpcshim.com.object import ComObject
from vpcshim.com.variant import VT
from vpcshim.hypervisor.errors import BadXml, ConnectionLost, HypervisorError, Unsupported
from vpcshim.model import folders, hostfiles
from vpcshim.model.base import ModelObject

if TYPE_CHECKING:
    from vpcshim.model.devices.network_adapter import NetworkAdapterCollection
    from vpcshim.model.devices.virtual_network import NetworkObject, VirtualNetworkCollection

logger = logging.getLogger(__name__)

_EXTENSION = ".vnc"
_LARGEST = 4 << 20  # bytes of a .vnc file
_LONGEST = 260  # of name and path together, as documented
_PATHS = (
    HRESULT.E_PATH_NOT_FOUND,
    HRESULT.E_INVALID_NAME,
    HRESULT.E_BAD_PATHNAME,
    HRESULT.E_BUFFER_OVERFLOW,
    HRESULT.VM_E_CONFIG_NAME_INVALID_CHAR,
    HRESULT.VM_E_CONFIG_DUPLICATE_NAME,
)


class Networks(ModelObject):
    """VirtualNetworks, FindVirtualNetwork and what makes, keeps and removes a network."""

    @propget(vs=0x6002000F, vpc=0x60020008, vt=VT.DISPATCH)
    def VirtualNetworks(self) -> VirtualNetworkCollection:
        """All virtual networks of the server: libvirt's networks, active or not."""
        from vpcshim.model.devices.virtual_network import VirtualNetworkCollection

        return VirtualNetworkCollection(self._product_, self._server, self._options)

    @propget(vs=0x60020010, vpc=0x60020009, vt=VT.DISPATCH)
    def UnconnectedNetworkAdapters(self) -> NetworkAdapterCollection:
        """The network adapters of all machines that are attached to nothing."""
        from vpcshim.model.devices.network_adapter import NetworkAdapterCollection, adapters_where

        return NetworkAdapterCollection(self, lambda: adapters_where(self, lambda card: not card.attached))

    @method(
        vs=0x6002000A,
        vpc=0x60020007,
        vt=VT.DISPATCH,
        params=(VT.BSTR,),
        fails=(HRESULT.E_INVALIDARG, HRESULT.E_FILE_NOT_FOUND),
        reads=True,
    )
    def FindVirtualNetwork(self, virtualNetworkName: str) -> NetworkObject | SFalse:
        """The virtual network of that name, in any case; a null object, with S_FALSE, when there is none."""
        from vpcshim.model.devices.virtual_network import network_object

        if not virtualNetworkName.strip():
            raise Failure(HRESULT.E_INVALIDARG, "a virtual network's name is not empty")
        with self._server.connection.calls() as connect:
            named = {network.name(): network.UUIDString() for network in connect.listAllNetworks()}
        uuid = named.get(virtualNetworkName)
        if uuid is None:
            folded = virtualNetworkName.casefold()
            others = [name for name in named if name.casefold() == folded]
            if len(others) > 1:
                raise HypervisorError(f"{virtualNetworkName} may be any of {', '.join(sorted(others))}")
            uuid = named[others[0]] if others else None
        return S_FALSE if uuid is None else network_object(self, uuid)

    @method(
        vs=0x6002000B,
        vt=VT.DISPATCH,
        params=(VT.BSTR, VT.BSTR),
        fails=(HRESULT.E_INVALIDARG, HRESULT.E_ALREADY_EXISTS, *_PATHS),
    )
    def CreateVirtualNetwork(self, virtualNetworkName: str, virtualNetworkPath: str) -> NetworkObject:
        """Make a virtual network for guests only, start it, and let it start with the host.

        Its definition is kept in `NAME.vnc` in that folder too, which is made if it is not there; "" is the folder
        of DefaultVNConfigurationPath. On another machine there is no such file: "" is the only folder then.
        """
        from vpcshim.hypervisor import networks

        name = self._name(virtualNetworkName)
        file = self._file(name, virtualNetworkPath)
        if file is not None and os.path.lexists(file):
            text = f"{self._paths.to_script(file)} exists already: RegisterVirtualNetwork takes the network from it"
            raise Failure(HRESULT.E_ALREADY_EXISTS, text)
        if file is not None:
            _make_folder(file.parent, virtualNetworkPath.strip() or str(file.parent))
        xml = networks.isolated(name, "" if file is None else str(file))
        if file is None:
            return self._define(xml)
        with hostfiles.told(f"{self._paths.to_script(file)} cannot be made"):
            hostfiles.create(file, xml.encode())
        try:
            made = self._define(xml)
        except HypervisorError as error:
            if not isinstance(error, ConnectionLost):  # with that, nobody knows whether it is defined
                hostfiles.remove(file)  # made by us, above
            raise
        self._keep(made, file)
        return made

    @method(
        vs=0x6002000D,
        vt=VT.DISPATCH,
        params=(VT.BSTR, VT.BSTR),
        fails=(HRESULT.E_INVALIDARG, HRESULT.E_FILE_NOT_FOUND, *_PATHS),
    )
    def RegisterVirtualNetwork(self, virtualNetworkName: str, virtualNetworkPath: str) -> NetworkObject:
        """Define the network that `NAME.vnc` in that folder holds, and start it; "" as for CreateVirtualNetwork.

        E_INVALIDARG for a .vnc file that holds something else than a libvirt definition, as Virtual Server's own
        do: these name an adapter of a Windows host, and no address.
        """
        from vpcshim.hypervisor import networks

        name = self._name(virtualNetworkName)
        file = self._file(name, virtualNetworkPath)
        if file is None:
            text = "files of another host cannot be reached: define the network there (virsh net-define)"
            raise Failure(HRESULT.E_PATH_NOT_FOUND, text)
        try:
            text = networks.from_file(hostfiles.read(file, _LARGEST).decode(), name, str(file))
        except FileNotFoundError as error:
            code = HRESULT.E_FILE_NOT_FOUND if file.parent.is_dir() else HRESULT.E_PATH_NOT_FOUND
            raise Failure(code, f"there is no file {self._paths.to_script(file)}") from error
        except (BadXml, ValueError) as error:
            text = f"{self._paths.to_script(file)} holds no definition of a libvirt network: {error}"
            raise Failure(HRESULT.E_INVALIDARG, text) from error
        except OSError as error:
            raise Failure(HRESULT.DISP_E_EXCEPTION, f"{file} cannot be read: {error.strerror}") from error
        return self._define(text)

    @method(vs=0x6002000C, params=(VT.DISPATCH,))
    def DeleteVirtualNetwork(self, virtualNetworkName: ComObject | None) -> SFalse | None:
        """Remove a network and its .vnc file; S_FALSE when it is gone already.

        Refused while a running machine uses it. Adapters of machines that are off are detached from it.
        """
        file = self._remove(virtualNetworkName, keep=False)
        if file is None:
            return S_FALSE
        own = _own_file(file)
        if own is not None:
            with hostfiles.told(f"the network is deleted, but its file {own} is not"), suppress(FileNotFoundError):
                hostfiles.remove(own)
        return None

    @method(vs=0x6002000E, params=(VT.DISPATCH,))
    def UnregisterVirtualNetwork(self, virtualNetwork: ComObject | None) -> SFalse | None:
        """Remove a network from libvirt and keep its definition in its .vnc file; S_FALSE when it is gone already.

        Refused for a network without such a file, whose definition would be lost, and as DeleteVirtualNetwork is.
        """
        return S_FALSE if self._remove(virtualNetwork, keep=True) is None else None

    def _name(self, name: str) -> str:
        from vpcshim.model.devices.virtual_network import check_network_name

        plain = name.strip().removesuffix(_EXTENSION)
        check_network_name(plain, HRESULT.VM_E_CONFIG_NAME_INVALID_CHAR)
        with self._server.connection.calls() as connect:
            known = {network.name().casefold() for network in connect.listAllNetworks()}
        if plain.casefold() in known:
            raise Failure(HRESULT.VM_E_CONFIG_DUPLICATE_NAME, f"there is a virtual network named {plain} already")
        return plain

    def _file(self, name: str, folder: str) -> Path | None:
        """The file of a network in that folder, "" for the default one; None for one on another machine."""
        if not folder.strip():
            if not self._server.connection.is_local:
                return None
            return self._paths.to_host(str(folders.data_folder() / folders.NETWORKS / f"{name}{_EXTENSION}"))
        if len(name) + len(folder) >= _LONGEST:
            text = f"name and folder of a virtual network have less than {_LONGEST} characters together"
            raise Failure(HRESULT.E_BUFFER_OVERFLOW, text)
        if not self._server.connection.is_local:
            text = "files of another host cannot be reached: give no folder, and libvirt alone keeps the network"
            raise Failure(HRESULT.E_PATH_NOT_FOUND, text)
        parent = self._paths.to_host(folder)
        if folder.startswith("/"):
            return parent / f"{name}{_EXTENSION}"
        return self._paths.to_host(f"{folder}\\{name}{_EXTENSION}")  # found in any case, as Windows would

    def _define(self, text: str) -> NetworkObject:
        from vpcshim.hypervisor import networks
        from vpcshim.model.devices.virtual_network import network_object

        with self._server.connection.calls(write=True) as connect:
            made = connect.networkDefineXML(text)
            try:
                made.setAutostart(1)
                networks.start(made)
            except libvirt.libvirtError:
                made.undefine()
                raise
            return network_object(self, made.UUIDString())

    def _keep(self, network: NetworkObject, file: Path) -> None:
        """Write the definition into the network's file."""
        from vpcshim.hypervisor import networks

        with self._server.connection.calls() as connect:
            text = networks.text_of(network._network(connect))
        with hostfiles.told(f"the network is there, but its file {file} cannot be written"):
            hostfiles.replace(file, text.encode(), mode=0o644)

    def _remove(self, network: ComObject | None, *, keep: bool) -> str | None:
        """Undefine the network; its file, "" for none, or None when the network is gone."""
        from vpcshim.hypervisor import interfaces, networks
        from vpcshim.hypervisor.changing import one_at_a_time
        from vpcshim.model.devices.virtual_network import NetworkObject, check_unused

        if not isinstance(network, NetworkObject) or network._server is not self._server:
            text = "the argument is an IVMVirtualNetwork of this server: take it from VirtualNetworks"
            raise Failure(HRESULT.DISP_E_TYPEMISMATCH, text, argerr=0)
        # Whoever is in the midst of changing the definition would bring the network back with it.
        with self._server.connection.calls(write=True) as connect, one_at_a_time():
            found = network._found_in(connect)
            if found is None:
                return None
            name, file = found.name(), networks.read(found).file
            own = _own_file(file)
            if keep and own is None:
                text = f"network {name} has no .vnc file, and unregistering it would lose it"
                raise Unsupported(f"{text}: DeleteVirtualNetwork removes it for good")
            check_unused(connect, found, "its removal would cut them off", saved=True)
            if own is not None and keep:
                with hostfiles.told(f"network {name} cannot be unregistered, its file {own} is not written"):
                    hostfiles.replace(own, networks.text_of(found).encode(), mode=0o644)
            privileged = not (self._server.connection.uri or "").endswith("/session")
            if found.isActive():
                found.destroy()
            found.undefine()
            for domain in interfaces.defined_in(connect, name):
                interfaces.disown(domain, name, privileged=privileged)
            return file


def _own_file(file: str) -> Path | None:
    """The .vnc file that a network's metadata name; None where they name none, or anything else.

    Anybody may write a definition: no other file is ever written or removed for one.
    """
    path = Path(file)
    if path.is_absolute() and path.suffix.lower() == _EXTENSION:
        return path
    if file:
        logger.warning("a network's metadata name %s, which is no %s file and is left alone", file, _EXTENSION)
    return None


def _make_folder(folder: Path, shown: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(HRESULT.E_PATH_NOT_FOUND, f"the folder {shown} cannot be made: {error.strerror}") from error
