"""Collections of a machine's devices: theirs are the codes of a machine that is gone."""

from __future__ import annotations

from vpcshim.com.collection import Collection, ItemT
from vpcshim.com.declare import method, propget
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.model.devices.base import DeviceObject

_UNKNOWN = HRESULT.VM_E_VM_UNKNOWN


class MachineCollection(Collection[ItemT]):
    """A collection of something of a machine, whose `Item` may find that the machine is gone."""

    @method(
        kind="property",
        vs=0,
        vpc=0,
        vt=VT.DISPATCH,
        params=(VT.I4,),
        fails=(HRESULT.DISP_E_BADINDEX, _UNKNOWN),
    )
    def Item(self, index: int) -> ItemT:
        """The device at `index`, counted from 1; DISP_E_BADINDEX outside 1..Count."""
        item: ItemT = Collection.Item.getter(self, index)
        return item


class DeviceCollection(MachineCollection[ItemT], DeviceObject):
    """The devices of one kind of a machine, as they are when they are counted, indexed or enumerated."""

    @propget(vs=0x60020000, vpc=0x60020000, vt=VT.I4, fails=(_UNKNOWN,))
    def Count(self) -> int:
        """How many devices the collection holds."""
        return len(self._items_())
