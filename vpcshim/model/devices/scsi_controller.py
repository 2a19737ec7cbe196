"""IVMSCSIController: a SCSI controller of a machine; and the collection of them. Virtual Server alone has them.

Sources: the IVMSCSIController pages of Virtual Server's reference; libvirt.org/formatdomain.html (controllers).
"""

from __future__ import annotations

from collections.abc import Sequence

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.hypervisor import disks
from vpcshim.model.devices.base import DeviceObject
from vpcshim.model.devices.collection import DeviceCollection

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
_OWN_IDS = (6, 7)  # what a controller's own identifier may be
_OWN_ID = 7


class SCSIController(DeviceObject, interface="IVMSCSIController", vs="{DD0315AB-1919-47CB-9887-7132CA99A62D}"):
    """A SCSI controller, known by its number in the machine."""

    @property
    def _index(self) -> int:
        return int(self._device)

    def _check(self) -> None:
        with self._domain() as domain:
            devices = disks.read(domain)
        if self._index not in devices.scsi_controllers:
            text = f"{devices.name} has no SCSI controller {self._index} any more"
            raise Failure(HRESULT.VM_E_DRIVE_INVALID, text)

    @propget(vs=0x60020001, vt=VT.I4)
    def _ID(self) -> int:
        """The number of the controller: the bus number of its drives."""
        return self._index

    @propget(vs=0x60020002, vt=VT.I4, fails=_UNKNOWN)
    def SCSIID(self) -> int:
        """The controller's own identifier on its bus: 7, with every controller of QEMU's."""
        self._check()
        return _OWN_ID

    @propget(vs=0x60020003, vt=VT.BOOL, fails=_UNKNOWN)
    def IsBusShared(self) -> bool:
        """Whether another machine shares the bus: never, a SCSI bus of QEMU's belongs to one machine."""
        self._check()
        return False

    @method(
        vs=0x60020000,
        params=(VT.BOOL, VT.I4),
        fails=(HRESULT.E_INVALIDARG, HRESULT.VM_E_PREF_NOT_FOUND, *_UNKNOWN),
    )
    def Configure(self, isBusShared: bool, SCSIID: int) -> None:
        """Set whether the bus is shared and the controller's own identifier: not shared, and 7, is all there is.

        E_INVALIDARG for an identifier but 6 and 7, VM_E_PREF_NOT_FOUND for what the hypervisor has no setting for.
        """
        self._check()
        if SCSIID not in _OWN_IDS:
            raise Failure(HRESULT.E_INVALIDARG, f"a controller's own identifier is 6 or 7, not {SCSIID}")
        if isBusShared or SCSIID != _OWN_ID:
            text = (
                "QEMU's SCSI controllers have the identifier 7, and their bus belongs to one machine. A cluster's "
                "shared disk is a disk with <shareable/>, on storage with persistent reservations"
            )
            raise Failure(HRESULT.VM_E_PREF_NOT_FOUND, text)


class SCSIControllerCollection(
    DeviceCollection[SCSIController],
    interface="IVMSCSIControllerCollection",
    vs="{D6728418-3E26-41E3-8431-0A39E4C66BA1}",
):
    """The SCSI controllers of a machine, by their numbers."""

    def _items_(self) -> Sequence[SCSIController]:
        with self._domain() as domain:
            found = disks.read(domain).scsi_controllers
        return [SCSIController(self, str(index)) for index in found]
