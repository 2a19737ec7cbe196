"""IVMVirtualNetwork: a libvirt network, and IVMVirtualNetworkCollection.

Sources: the IVMVirtualNetwork pages of both references; libvirt.org/formatnetwork.html.
"""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import libvirt

from vpcshim.com.collection import Collection
from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.com.object import ComObject
from vpcshim.com.variant import VT, Variant
from vpcshim.hypervisor import forks, hostadapters, interfaces, networks
from vpcshim.hypervisor.changing import one_at_a_time
from vpcshim.hypervisor.errors import HypervisorError, Unknowable
from vpcshim.hypervisor.networkrates import NetworkRates
from vpcshim.model import folders, hostfiles
from vpcshim.model.base import ModelObject
from vpcshim.model.devices.dhcp_server import DHCPVirtualNetworkServer
from vpcshim.model.options import ConnectionOptions
from vpcshim.model.reasons import NO_ACCESS_LISTS
from vpcshim.model.server import Server

_NO_DROPPED_BYTES = "libvirt and the host's kernel count the packets that were dropped, not their bytes"


class NetworkObject(ModelObject):
    """What both products' virtual networks have in common; a network is known by its UUID."""

    def __init__(self, product: Product, server: Server, options: ConnectionOptions, uuid: str) -> None:
        super().__init__(product, server, options)
        self._uuid = uuid

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NetworkObject):
            return NotImplemented
        mine = (self._product_, self._server, self._uuid)
        return mine == (other._product_, other._server, other._uuid)

    def __hash__(self) -> int:
        return hash(self._uuid)

    def _found_in(self, connect: libvirt.virConnect) -> libvirt.virNetwork | None:
        """The network, None when it is gone."""
        try:
            return connect.networkLookupByUUIDString(self._uuid)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_NETWORK:
                return None
            raise

    def _network(self, connect: libvirt.virConnect) -> libvirt.virNetwork:
        found = self._found_in(connect)
        if found is None:
            raise HypervisorError("that virtual network is not there any more: list VirtualNetworks again")
        return found

    def _read(self) -> networks.Network:
        with self._server.connection.calls() as connect:
            return networks.read(self._network(connect))

    def _change(self, how: Callable[[Any], None], what: str, *, restart: bool = True) -> None:
        """Change the definition; a change that needs a restart is refused while a running machine uses it."""
        with self._server.connection.calls(write=True) as connect:
            network = self._network(connect)
            if restart and network.isActive():
                check_unused(connect, network, f"{what} needs a restart of the network")
            networks.change(network, how, restart=restart)

    @propget(vs=0x60020009, vpc=0x60020004, vt=VT.DISPATCH)
    def NetworkAdapters(self) -> ComObject:
        """The adapters of all machines that are attached to this network."""
        # An adapter hands out its network, and a network its adapters.
        from vpcshim.model.devices.network_adapter import NetworkAdapterCollection, adapters_where

        def found() -> Sequence[Any]:
            name = self._read().name
            return adapters_where(
                self, lambda card: card.attached and card.type == "network" and card.source == name
            )

        return NetworkAdapterCollection(self, found)

    def _host_adapter(self) -> str:
        """The host's device that the network leads out through.

        "" where no device in particular is meant: guests only, or address translation as the host routes.
        """
        local = hostadapters.here(self._server.connection)
        with self._server.connection.calls() as connect:
            network = networks.read(self._network(connect))
            found = network.device or (network.bridge if network.forward == "bridge" else "")
            if found and found not in hostadapters.names(connect, local=local):
                text = f"network {network.name} leads out through {found}, which the host does not have any more"
                raise Failure(HRESULT.VM_E_ADAPTER_NOT_FOUND, text)
        return found


class VirtualServerNetwork(
    NetworkObject, interface="IVMVirtualNetwork", vs="{DA95E811-078B-4F87-8D16-8BB7FA5AEF58}"
):
    """A virtual network of Virtual Server."""

    @propget(vs=0x60020000, vt=VT.VARIANT)
    def _ID(self) -> Variant:
        """What identifies the network: its UUID, as 32 hex digits."""
        return Variant(VT.BSTR, self._uuid.replace("-", "").upper())

    @propget(vs=0x60020001, vt=VT.BSTR)
    def File(self) -> str:
        """The .vnc file that the network was made or registered with.

        Of other networks libvirt does not tell where their definitions stand.
        """
        network = self._read()
        if not network.file:
            why = "it was made by other means, or on another machine, and libvirt tells no file of it"
            raise Unknowable(f"network {network.name} has no .vnc file: {why}")
        return self._paths.to_script(network.file)

    @propget(vs=0x60020002, vt=VT.BSTR, fails=(HRESULT.E_INVALIDARG,))
    def Name(self) -> str:
        """The network's name. It is changed while no running machine uses the network.

        libvirt renames no network: it is defined anew under the same UUID, and the machines' definitions with it.
        Whoever is killed in between leaves its definition in DefaultVNConfigurationPath: RegisterVirtualNetwork.
        """
        return self._read().name

    @Name.write
    def _put_Name(self, name: str) -> None:
        check_network_name(name, HRESULT.E_INVALIDARG)
        with self._server.connection.calls(write=True) as connect, one_at_a_time():
            network = self._network(connect)
            old = network.name()
            if name == old:
                return
            others = {other.name().casefold() for other in connect.listAllNetworks()} - {old.casefold()}
            if name.casefold() in others:
                raise Failure(HRESULT.E_INVALIDARG, f"there is a virtual network named {name} already")
            check_unused(connect, network, "another name would take it from them", saved=True)
            active, autostart = network.isActive(), network.autostart()
            kept, text = networks.text_of(network), networks.renamed(networks.definition(network), name)
            meanwhile = _keep_meanwhile(old, kept)
            if active:
                network.destroy()
            network.undefine()
            try:
                _define(connect, text, autostart=autostart, active=active)
            except libvirt.libvirtError:
                _define(connect, kept, autostart=autostart, active=active)
                hostfiles.remove(meanwhile)
                raise
            hostfiles.remove(meanwhile)
            for domain in interfaces.defined_in(connect, old):
                interfaces.rename_network(domain, old, name)

    @propget(vs=0x60020004, vt=VT.BSTR, fails=(HRESULT.E_INVALIDARG,))
    def Notes(self) -> str:
        """Notes on the network, kept in its metadata; "" for none. E_INVALIDARG for what XML cannot hold."""
        return self._read().notes

    @Notes.write
    def _put_Notes(self, notes: str) -> None:
        if any(ord(character) < 32 and character not in "\t\n\r" for character in notes):
            raise Failure(HRESULT.E_INVALIDARG, "notes hold text: no control characters but tabs and line ends")
        self._change(lambda root: networks.set_notes(root, notes), "notes", restart=False)

    @propget(vs=0x60020007, vt=VT.BSTR, fails=(HRESULT.VM_E_ADAPTER_NOT_FOUND,))
    def HostAdapter(self) -> str:
        """The host's network device that the network is connected to; "" for guests only.

        "" as well for one that the host translates addresses for, through no device in particular. It is set to a
        name of `HostInfo.NetworkAdapters`: a bridge carries the guests itself, any other device by macvtap. The
        network's addresses and DHCP range go then: the outer network has its own.
        """
        return self._host_adapter()

    @HostAdapter.write
    def _put_HostAdapter(self, adapter: str) -> None:
        local = hostadapters.here(self._server.connection)
        with self._server.connection.calls() as connect:
            if adapter and adapter not in hostadapters.names(connect, local=local):
                text = f"the host has no network device named {adapter}: HostInfo.NetworkAdapters lists them"
                raise Failure(HRESULT.VM_E_ADAPTER_NOT_FOUND, text)
        is_bridge = bool(adapter) and hostadapters.is_bridge(adapter, local=local)
        self._change(lambda root: networks.lead_out(root, adapter, is_bridge=is_bridge), "another host adapter")

    @propget(vs=0x60020006, vt=VT.DISPATCH, fails=(HRESULT.E_OUTOFMEMORY,), unavailable=NO_ACCESS_LISTS)
    def Security(self) -> None:
        """Who may do what with the network."""

    @propget(vs=0x6002000A, vt=VT.DISPATCH, fails=(HRESULT.E_FAIL,))
    def DHCPVirtualNetworkServer(self) -> DHCPVirtualNetworkServer:
        """The network's DHCP server; E_FAIL for a network that is part of the host's own."""
        network = self._read()
        if network.forward not in ("", "nat", "route", "open"):
            text = f"network {network.name} is part of the host's network (forward mode {network.forward})"
            raise Failure(HRESULT.E_FAIL, f"{text}: libvirt hands out no addresses in it")
        return DHCPVirtualNetworkServer(self, self._read, self._change)

    def _rate(self, counter: str) -> int:
        return _rates_of(self._server).now(self._read().name)[counter]

    def _history(self, counter: str) -> tuple[int, ...]:
        return tuple(_rates_of(self._server).history(self._read().name, counter))

    @propget(vs=0x6002000B, vt=VT.I4)
    def BytesSent(self) -> int:
        """Bytes a second that the attached adapters sent, over the last second sampled."""
        return self._rate("tx_bytes")

    @propget(vs=0x6002000C, vt=VT.ARRAY | VT.VARIANT, elements=VT.UI4)
    def BytesSentHistory(self) -> tuple[int, ...]:
        """The same for the last 60 seconds, the oldest first; 0 before this process sampled."""
        return self._history("tx_bytes")

    @propget(vs=0x6002000D, vt=VT.I4)
    def BytesReceived(self) -> int:
        """Bytes a second that the attached adapters received, over the last second sampled."""
        return self._rate("rx_bytes")

    @propget(vs=0x6002000E, vt=VT.ARRAY | VT.VARIANT, elements=VT.UI4)
    def BytesReceivedHistory(self) -> tuple[int, ...]:
        """The same for the last 60 seconds, the oldest first; 0 before this process sampled."""
        return self._history("rx_bytes")

    @propget(vs=0x6002000F, vt=VT.I4, unavailable=_NO_DROPPED_BYTES)
    def BytesDropped(self) -> int:
        """Bytes a second that were dropped."""
        return 0

    @propget(vs=0x60020010, vt=VT.ARRAY | VT.VARIANT, elements=VT.UI4, unavailable=_NO_DROPPED_BYTES)
    def BytesDroppedHistory(self) -> tuple[int, ...]:
        """The same for the last 60 seconds."""
        return ()

    @propget(vs=0x60020011, vt=VT.I4)
    def PacketsSent(self) -> int:
        """Packets a second that the attached adapters sent, over the last second sampled."""
        return self._rate("tx_packets")

    @propget(vs=0x60020012, vt=VT.ARRAY | VT.VARIANT, elements=VT.UI4)
    def PacketsSentHistory(self) -> tuple[int, ...]:
        """The same for the last 60 seconds, the oldest first; 0 before this process sampled."""
        return self._history("tx_packets")

    @propget(vs=0x60020013, vt=VT.I4)
    def PacketsReceived(self) -> int:
        """Packets a second that the attached adapters received, over the last second sampled."""
        return self._rate("rx_packets")

    @propget(vs=0x60020014, vt=VT.ARRAY | VT.VARIANT, elements=VT.UI4)
    def PacketsReceivedHistory(self) -> tuple[int, ...]:
        """The same for the last 60 seconds, the oldest first; 0 before this process sampled."""
        return self._history("rx_packets")

    @propget(vs=0x60020015, vt=VT.I4)
    def PacketsDropped(self) -> int:
        """Packets a second, in both directions, that were dropped, over the last second sampled."""
        return self._rate("dropped")

    @propget(vs=0x60020016, vt=VT.ARRAY | VT.VARIANT, elements=VT.UI4)
    def PacketsDroppedHistory(self) -> tuple[int, ...]:
        """The same for the last 60 seconds, the oldest first; 0 before this process sampled."""
        return self._history("dropped")


class VirtualPCNetwork(NetworkObject, interface="IVMVirtualNetwork", vpc="{431CB7A1-2469-4563-B94E-38B987ADCA63}"):
    """A virtual network of Windows Virtual PC."""

    @method(vpc=0x60020000, vt=VT.VARIANT, reads=True)
    def _ID(self) -> Variant:
        """What identifies the network: its UUID, as 32 hex digits."""
        return Variant(VT.BSTR, self._uuid.replace("-", "").upper())

    @propget(vpc=0x60020001, vt=VT.BSTR)
    def Name(self) -> str:
        """The network's name."""
        return self._read().name

    @propget(vpc=0x60020003, vt=VT.BSTR, fails=(HRESULT.VM_E_ADAPTER_NOT_FOUND,))
    def HostAdapter(self) -> str:
        """The host's network device that the network is connected to; "" for guests only, or shared by NAT."""
        return self._host_adapter()


_rates: weakref.WeakKeyDictionary[Server, NetworkRates] = weakref.WeakKeyDictionary()
_rates_lock = forks.lock()


def _rates_of(server: Server) -> NetworkRates:
    """What samples the networks of a server; all objects of this process share it."""
    with _rates_lock:
        found = _rates.get(server)
        if found is None:
            found = _rates[server] = NetworkRates(server.connection)
        return found


def _keep_meanwhile(name: str, text: str) -> Path:
    """A file with a network's definition, for the moment in which libvirt does not have it."""
    folder = folders.data_folder() / folders.NETWORKS
    with hostfiles.told(f"network {name} is not renamed, for its definition cannot be kept in {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{name} {secrets.token_hex(4)}.vnc"
        hostfiles.create(file, text.encode())
    return file


def _define(connect: libvirt.virConnect, text: str, *, autostart: int, active: int) -> None:
    made = connect.networkDefineXML(text)
    made.setAutostart(autostart)
    if active:
        networks.start(made)


def network_object(of: ModelObject, uuid: str) -> NetworkObject:
    """The network of that UUID, for the product of whoever hands it out."""
    kind = VirtualServerNetwork if of._product_ in VirtualServerNetwork._iids_ else VirtualPCNetwork
    return kind(of._product_, of._server, of._options, uuid)


def network_of(of: ModelObject, connect: libvirt.virConnect, name: str) -> NetworkObject | None:
    """The network of that exact name; None for none."""
    try:
        return network_object(of, connect.networkLookupByName(name).UUIDString())
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_NETWORK:
            return None
        raise


def check_unused(
    connect: libvirt.virConnect, network: libvirt.virNetwork, what: str, *, saved: bool = False
) -> None:
    """Refuse what would cut running machines off; with `saved`, what saved ones could not be restored after.

    Raises:
        HypervisorError: Names the machines.
    """
    users = networks.users(connect, network, saved=saved)
    if users:
        text = f"network {network.name()} is used by {', '.join(users)}, and {what}"
        way_out = "turn them off, or detach their adapters from it, first"
        raise HypervisorError(f"{text}: {way_out}{'; discard the saved state of one that is saved' * saved}")


_FORBIDDEN = '*?:<>/|\\"'


def check_network_name(name: str, wrong: HRESULT) -> None:
    """Refuse what a network may not be called.

    Raises:
        Failure: E_INVALIDARG when it is empty or too long, `wrong` when it holds a forbidden character.
    """
    if not name.strip() or len(name) > 256:
        text = f"a virtual network's name has 1 to 256 characters, not {len(name.strip())}"
        raise Failure(HRESULT.E_INVALIDARG, text)
    bad = sorted({character for character in name if character in _FORBIDDEN or not character.isprintable()})
    if bad:
        text = f"a virtual network's name cannot hold {' '.join(map(repr, bad))} (nor any of {_FORBIDDEN})"
        raise Failure(wrong, text)


class VirtualNetworkCollection(
    Collection[NetworkObject],
    ModelObject,
    interface="IVMVirtualNetworkCollection",
    vs="{D5E5DE0F-4F3C-4CD9-A6D7-8F5C562517B3}",
    vpc="{8ED680BE-4242-4B2A-A21C-1982D8B0F675}",
):
    """The networks of a server, by name; as they are when they are counted, indexed or enumerated."""

    def _items_(self) -> Sequence[NetworkObject]:
        with self._server.connection.calls() as connect:
            named = sorted((network.name(), network.UUIDString()) for network in connect.listAllNetworks())
        return [network_object(self, uuid) for _, uuid in named]
