"""The machine's network adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.com.object import ComObject
from vpcshim.com.variant import VT
from vpcshim.model.machine.state import Stateful

if TYPE_CHECKING:
    from vpcshim.model.devices.network_adapter import NetworkAdapterCollection, NetworkAdapterObject

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
_MOST = 4  # the products give a machine no more


class Adapters(Stateful):
    """NetworkAdapters, AddNetworkAdapter, RemoveNetworkAdapter."""

    @propget(vs=0x60020031, vpc=0x6002002E, vt=VT.DISPATCH, fails=_UNKNOWN)
    def NetworkAdapters(self) -> NetworkAdapterCollection:
        """The machine's network adapters: every `<interface>`, in the order of the definition."""
        from vpcshim.model.devices.network_adapter import NetworkAdapterCollection, adapters_of

        with self._domain():
            return NetworkAdapterCollection(self, lambda: adapters_of(self))

    @method(
        vs=0x6002002F,
        vpc=0x6002002C,
        vt=VT.DISPATCH,
        fails=_UNKNOWN,
        vs_fails=(HRESULT.VM_E_VM_RUNNING,),
        vpc_fails=(HRESULT.VM_E_PREF_ILLEGAL_VALUE, HRESULT.VM_E_VM_RUNNING_OR_SAVED),
    )
    def AddNetworkAdapter(self) -> NetworkAdapterObject:
        """Add an adapter that is attached to no network, with a dynamic address, to a machine that is off.

        Virtual PC gives a machine at most four (VM_E_PREF_ILLEGAL_VALUE); libvirt sets no such limit.
        """
        from vpcshim.hypervisor import interfaces
        from vpcshim.model.devices.network_adapter import adapter

        with self._turned_off("a new network adapter") as (domain, name):
            count = len(interfaces.cards(domain))
            if self._product_ is Product.VIRTUAL_PC and count >= _MOST:
                text = f"{name} has {count} network adapters, and Virtual PC gives a machine {_MOST} at most"
                raise Failure(HRESULT.VM_E_PREF_ILLEGAL_VALUE, text)
            privileged = not (self._server.connection.uri or "").endswith("/session")
            return adapter(self, interfaces.add(domain, privileged=privileged))

    @method(
        vs=0x60020030,
        vpc=0x6002002D,
        params=(VT.DISPATCH,),
        fails=_UNKNOWN,
        vs_fails=(HRESULT.VM_E_VM_RUNNING,),
        vpc_fails=(HRESULT.VM_E_VM_RUNNING_OR_SAVED,),
    )
    def RemoveNetworkAdapter(self, networkAdapter: ComObject | None) -> None:
        """Take an adapter out of a machine that is off."""
        from vpcshim.hypervisor import interfaces
        from vpcshim.model.devices.network_adapter import NetworkAdapterObject

        if not isinstance(networkAdapter, NetworkAdapterObject) or networkAdapter._uuid != self._uuid:
            text = "the argument is an IVMNetworkAdapter of this machine: take it from its NetworkAdapters"
            raise Failure(HRESULT.DISP_E_TYPEMISMATCH, text, argerr=0)
        with self._turned_off("the removal of a network adapter") as (domain, _):
            interfaces.remove(domain, networkAdapter._device)
