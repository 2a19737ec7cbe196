"""Bus locations: where a drive is attached, as the products number it and as libvirt does.

IDE bus 0 and 1 with device 0 and 1 are libvirt's IDE channels and units; a SCSI bus is the libvirt controller of
that number, and its device numbers are libvirt's units (of target 0, where libvirt attaches drives by itself).
Guests of today also have drives on buses that the products never had. They are not passed off as IDE or SCSI: their
bus type is vmDriveBusType_Invalid, and their bus numbers begin where no product's do, so that no two drives share a
location:

    BusNumber          libvirt's bus
    100 + controller   scsi, for Windows Virtual PC, which has IDE only
    200 + controller   sata
    300                virtio (device 0 is vda, 1 vdb, ...)
    400                usb
    900                any other

A script that reads such a location may give it back: drives are attached to sata and virtio by these numbers too,
which is the way out for machine types that have no IDE bus (q35).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.constants import VMDriveBusType

if TYPE_CHECKING:
    from vpcshim.hypervisor.disks import Devices, Place

Location = tuple[VMDriveBusType, int, int]

IDE, SCSI, OTHER = (
    VMDriveBusType.vmDriveBusType_IDE,
    VMDriveBusType.vmDriveBusType_SCSI,
    VMDriveBusType.vmDriveBusType_Invalid,
)
IDE_BUSES, IDE_DEVICES = 2, 2
SCSI_BUSES, SCSI_DEVICES = 4, 7
_NUMBERS = {"scsi": 100, "sata": 200, "virtio": 300, "usb": 400}
_ANY_OTHER = 900
_SATA, _VIRTIO = 200, 300
_SATA_DEVICES, _VIRTIO_DEVICES = 6, 26
_NEXT = 100


def location_of(place: Place, product: Product) -> Location:
    """Where a drive is attached, as the product numbers it."""
    if place.bus == "ide":
        return IDE, place.controller, place.unit
    if place.bus == "scsi" and product is Product.VIRTUAL_SERVER:
        return SCSI, place.controller, place.unit
    return OTHER, _NUMBERS.get(place.bus, _ANY_OTHER) + place.controller, place.unit


def place_of(product: Product, bus_type: int | None, bus: int, device: int, *, scsi: bool = True) -> Place:
    """The place that a location means.

    Args:
        product: Whose numbers they are.
        bus_type: The VMDriveBusType; None where the product has none.
        bus: The bus number.
        device: The device number.
        scsi: Whether the drive may be on a SCSI bus.

    Raises:
        Failure: E_INVALIDARG: there is no such location.
    """
    from vpcshim.hypervisor.disks import Place

    kinds = {IDE: IDE_BUSES} if bus_type == IDE or bus_type is None else {}
    if bus_type is None and bus >= _NEXT:
        kinds, bus_type = {}, OTHER
    if kinds and 0 <= bus < IDE_BUSES and 0 <= device < IDE_DEVICES:
        return Place("ide", bus, device)
    if bus_type == SCSI and scsi and 0 <= bus < SCSI_BUSES and 0 <= device < SCSI_DEVICES:
        return Place("scsi", bus, device)
    if bus_type == OTHER and _SATA <= bus < _VIRTIO and 0 <= device < _SATA_DEVICES:
        return Place("sata", bus - _SATA, device)
    if bus_type == OTHER and bus == _VIRTIO and 0 <= device < _VIRTIO_DEVICES:
        return Place("virtio", 0, device)
    given = (
        f"bus {bus}, device {device}" if bus_type is None else f"bus type {bus_type}, bus {bus}, device {device}"
    )
    scsi_too = f"; SCSI bus 0..{SCSI_BUSES - 1}, device 0..{SCSI_DEVICES - 1}"
    known = f"IDE bus 0..1, device 0..1{scsi_too if scsi and product is Product.VIRTUAL_SERVER else ''}"
    text = f"there is no location of a drive at {given}: there are {known} (and SATA as bus 200, virtio as bus 300)"
    raise Failure(HRESULT.E_INVALIDARG, text)


def check_bus(devices: Devices, place: Place, product: Product) -> None:
    """Refuse a bus that the machine does not have.

    Raises:
        Failure: E_INVALIDARG.
    """
    if place.bus == "ide" and not devices.has_ide:
        vs = product is Product.VIRTUAL_SERVER
        ways = "a SCSI controller (AddSCSIController) or SATA" if vs else "SATA"
        text = (
            f"{devices.name} is a {devices.machine} machine, which has no IDE bus: attach the drive to {ways} "
            "(bus type -1, bus number 200), or define the machine with machine='pc'"
        )
        raise Failure(HRESULT.E_INVALIDARG, text)
    if place.bus == "scsi" and place.controller not in devices.scsi_controllers:
        there = ", ".join(map(str, devices.scsi_controllers)) or "none"
        text = (
            f"{devices.name} has no SCSI controller {place.controller} (there is: {there}): see AddSCSIController"
        )
        raise Failure(HRESULT.E_INVALIDARG, text)


def check_free(devices: Devices, place: Place) -> None:
    """Refuse a place where a drive is attached already.

    Raises:
        Failure: VM_E_DRIVE_BUS_LOC_IN_USE.
    """
    there = devices.at(place)
    if there is not None:
        text = f"{devices.name} has its drive {there.target} ({there.device}) there already"
        raise Failure(HRESULT.VM_E_DRIVE_BUS_LOC_IN_USE, text)
