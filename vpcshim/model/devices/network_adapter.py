"""IVMNetworkAdapter: a machine's network card, and IVMNetworkAdapterCollection.

Sources: the IVMNetworkAdapter pages of both references; libvirt.org/formatdomain.html (network interfaces).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import libvirt

from vpcshim.com.collection import Collection
from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import S_FALSE, SFalse
from vpcshim.com.object import ComObject
from vpcshim.com.variant import VT
from vpcshim.hypervisor import interfaces
from vpcshim.hypervisor.errors import DomainGone, Unsupported, classify
from vpcshim.hypervisor.interfaces import Card
from vpcshim.model.base import MachineObject, ModelObject
from vpcshim.model.devices.base import DeviceObject
from vpcshim.model.devices.virtual_network import NetworkObject, network_of

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
_AS_IT_WAS = "into the networks that its adapters were attached to"
_MAC = re.compile(r"[0-9a-f]{2}(-[0-9a-f]{2}){5}")


class NetworkAdapterObject(DeviceObject):
    """What both products' network adapters have in common; an adapter is known by its MAC address."""

    @method(
        vs=0x60020002,
        vpc=0x60020002,
        params=(VT.DISPATCH,),
        fails=(
            HRESULT.E_INVALIDARG,
            HRESULT.E_ACCESSDENIED,
            HRESULT.VM_E_INVALID_VIRTUAL_NETWORK_ID,
            *_UNKNOWN,
        ),
    )
    def AttachToVirtualNetwork(self, virtualNetwork: ComObject | None) -> None:
        """Attach the adapter to a virtual network; of a running machine as well, where libvirt can.

        It can from one libvirt network or bridge to another, and where the plug alone was pulled.
        """
        if not isinstance(virtualNetwork, NetworkObject):
            raise Failure(HRESULT.E_INVALIDARG, "an adapter is attached to an IVMVirtualNetwork")
        if virtualNetwork._server is not self._server:
            raise Failure(HRESULT.E_INVALIDARG, "that virtual network belongs to another server")
        with self._domain(write=True) as domain:
            self._refuse_saved(domain, _AS_IT_WAS)
            network = virtualNetwork._found_in(domain.connect())
            if network is None:
                text = "that virtual network is not there any more: list VirtualNetworks again"
                raise Failure(HRESULT.VM_E_INVALID_VIRTUAL_NETWORK_ID, text)
            try:
                interfaces.attach(domain, self._device, network.name())
            except libvirt.libvirtError as error:
                if classify(error) is not Unsupported or not domain.isActive():
                    raise
                text = f"libvirt cannot attach this adapter of {domain.name()} to {network.name()} while it runs"
                raise Unsupported(f"{text}: turn the machine off first ({error.get_error_message()})") from error

    @method(vs=0x60020003, vpc=0x60020003)
    def DetachFromVirtualNetwork(self) -> None:
        """Pull the adapter's plug: the guest sees its link go down, whether it runs now or starts later."""
        with self._domain(write=True) as domain:
            self._refuse_saved(domain, _AS_IT_WAS)
            interfaces.detach(domain, self._device)

    @propget(vs=0x60020004, vpc=0x60020004, vt=VT.DISPATCH, fails=(HRESULT.VM_E_INVALID_VIRTUAL_NETWORK_ID,))
    def VirtualNetwork(self) -> NetworkObject | SFalse:
        """The virtual network that the adapter is attached to; a null object, with S_FALSE, when it is not.

        VM_E_INVALID_VIRTUAL_NETWORK_ID when it is attached to something that is no libvirt network, as a bridge.
        """
        with self._domain() as domain:
            card = interfaces.card(domain, self._device)
            if not card.attached:
                return S_FALSE
            found = network_of(self, domain.connect(), card.source) if card.type == "network" else None
        if found is None:
            what = f"the {card.type} {card.source}".rstrip()
            text = f"{card.label} is attached to {what}, and libvirt has no such virtual network"
            raise Failure(HRESULT.VM_E_INVALID_VIRTUAL_NETWORK_ID, text)
        return found

    @propget(
        vs=0x60020005,
        vpc=0x60020005,
        vt=VT.BSTR,
        fails=(HRESULT.E_INVALIDARG, HRESULT.VM_E_CANT_SET_DYNAMIC_MAC_ADDRESS, *_UNKNOWN),
    )
    def EthernetAddress(self) -> str:
        """The adapter's MAC address, as `xx-xx-xx-xx-xx-xx`.

        It is set in the definition of a machine that is turned off, and only where IsEthernetAddressDynamic is
        False. A group address is E_INVALIDARG, and so is one that another adapter of the machine has.
        """
        return self._card().mac.replace(":", "-")

    @EthernetAddress.write
    def _put_EthernetAddress(self, address: str) -> None:
        wanted = address.strip().lower()
        if _MAC.fullmatch(wanted) is None:
            text = f"an Ethernet address is six pairs of hex digits as 00-03-ff-01-02-03, not {address!r}"
            raise Failure(HRESULT.E_INVALIDARG, text)
        if int(wanted[:2], 16) & 1 or wanted == "00-00-00-00-00-00":
            raise Failure(HRESULT.E_INVALIDARG, f"{wanted} is the address of a group or of nobody")
        new = wanted.replace("-", ":")
        with self._turned_off("another Ethernet address") as (domain, name):
            card = interfaces.card(domain, self._device)
            if not card.static:
                text = f"the address of {card.label} is dynamic: set IsEthernetAddressDynamic to False first"
                raise Failure(HRESULT.VM_E_CANT_SET_DYNAMIC_MAC_ADDRESS, text)
            if new != self._device and any(one.mac == new for one in interfaces.cards(domain)):
                raise Failure(HRESULT.E_INVALIDARG, f"another network adapter of {name} has the address {wanted}")
            interfaces.set_mac(domain, self._device, new)
        self._device = new

    @propget(vs=0x60020007, vpc=0x60020007, vt=VT.BOOL, fails=_UNKNOWN)
    def IsEthernetAddressDynamic(self) -> bool:
        """Whether the address was made up rather than chosen (`<mac type='static'>`); True unless it was set.

        When it is set to True again, libvirt makes up a new address.
        """
        return not self._card().static

    @IsEthernetAddressDynamic.write
    def _put_IsEthernetAddressDynamic(self, dynamic: bool) -> None:
        with self._turned_off("another kind of Ethernet address") as (domain, _):
            if interfaces.card(domain, self._device).static == dynamic:
                self._device = interfaces.set_static(domain, self._device, not dynamic)

    @propget(vs=0x60020001, vpc=0x60020001, vt=VT.DISPATCH, fails=_UNKNOWN)
    def VirtualMachine(self) -> MachineObject:
        """The machine that the adapter belongs to."""
        with self._domain():
            return self._machine

    def _card(self) -> Card:
        with self._domain() as domain:
            return interfaces.card(domain, self._device)


class VirtualServerAdapter(
    NetworkAdapterObject, interface="IVMNetworkAdapter", vs="{DCD5D2EB-8776-4EEC-9A3C-F899136AD1CA}"
):
    """A network adapter of Virtual Server."""

    @propget(vs=0x60020000, vt=VT.I4, fails=_UNKNOWN)
    def _ID(self) -> int:
        """The adapter's place among those of its machine, from 0."""
        return self._card().position


class VirtualPCAdapter(
    NetworkAdapterObject, interface="IVMNetworkAdapter", vpc="{E32E4165-22B8-4DC0-8D57-850171AE207A}"
):
    """A network adapter of Windows Virtual PC."""

    @method(vpc=0x60020000, vt=VT.I4, fails=_UNKNOWN, reads=True)
    def _ID(self) -> int:
        """The adapter's place among those of its machine, from 0."""
        return self._card().position


def adapter(machine: MachineObject, mac: str) -> NetworkAdapterObject:
    """The adapter of a machine with that MAC address, for the machine's product."""
    kind = VirtualServerAdapter if VirtualServerAdapter._iids_.get(machine._product_) else VirtualPCAdapter
    return kind(machine, mac)


def adapters_of(machine: MachineObject) -> list[NetworkAdapterObject]:
    """The adapters of one machine, in the order of its definition."""
    with machine._domain() as domain:
        return [adapter(machine, card.mac) for card in interfaces.cards(domain)]


def adapters_where(of: ModelObject, wanted: Callable[[Card], bool]) -> list[NetworkAdapterObject]:
    """The adapters of all machines of a server that are wanted."""
    # A machine hands out its adapters, and an adapter its machine.
    from vpcshim.model.virtual_machine import VirtualMachine

    found: list[NetworkAdapterObject] = []
    with of._server.connection.calls() as connect:
        for domain in sorted(connect.listAllDomains(), key=lambda domain: str(domain.name()).casefold()):
            try:
                mine = [card for card in interfaces.cards(domain) if wanted(card)]
            except libvirt.libvirtError as error:
                if classify(error) is DomainGone:
                    continue  # it is no machine of the server any more
                raise
            if mine:
                machine = VirtualMachine(of._product_, of._server, of._options, domain.UUIDString())
                found += [adapter(machine, card.mac) for card in mine]
    return found


class NetworkAdapterCollection(
    Collection[NetworkAdapterObject],
    ModelObject,
    interface="IVMNetworkAdapterCollection",
    vs="{DC0DF166-6BB7-4BCC-9C98-EECA0A42FCEB}",
    vpc="{EBAEAFE9-EBCD-47CF-866E-AD87D735E479}",
):
    """Network adapters, as they are when they are counted, indexed or enumerated."""

    def __init__(self, of: ModelObject, found: Callable[[], Sequence[NetworkAdapterObject]]) -> None:
        super().__init__(of._product_, of._server, of._options)
        self._found = found

    def _items_(self) -> Sequence[NetworkAdapterObject]:
        return self._found()
