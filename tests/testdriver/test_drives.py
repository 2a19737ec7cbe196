"""Drives and images on the test driver: what the definition holds afterwards, and what is refused in words."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.testdriver.storage import MIB, Storage, make_child
from tests.testdriver.support import PRODUCTS, VPC, VS
from vpcshim import HRESULT, VT, ComError, Variant
from vpcshim.com.member import Product
from vpcshim.constants import VMDriveBusType, VMHardDiskType, VMTaskResult
from vpcshim.hypervisor import qemuimg
from vpcshim.hypervisor.disks import Devices
from vpcshim.hypervisor.qemuimg import Job
from vpcshim.migrate import vhd
from vpcshim.model import images
from vpcshim.model import task as tasks
from vpcshim.testing import NodeBuilder

IDE, SCSI, OTHER = (
    int(VMDriveBusType.vmDriveBusType_IDE),
    int(VMDriveBusType.vmDriveBusType_SCSI),
    int(VMDriveBusType.vmDriveBusType_Invalid),
)
everywhere = pytest.mark.parametrize("product", PRODUCTS, ids=[product.value for product in PRODUCTS])


@pytest.fixture
def storage(vpcshim_node: NodeBuilder, tmp_path: Path) -> Storage:
    return Storage(vpcshim_node, tmp_path)


def done(task: Any) -> None:
    task.WaitForCompletion(60_000)
    assert (task.IsComplete, task.Result, task.ErrorDescription) == (True, VMTaskResult.vmTaskResult_Success, "")


def refused(call: Any, *args: Any) -> tuple[HRESULT, str]:
    with pytest.raises(ComError) as caught:
        call(*args)
    return HRESULT(caught.value.scode), str(caught.value.description)


def disk_of(storage: Storage, machine: str, target: str) -> dict[str, Any]:
    """What the definition says of a drive."""
    (disk,) = (
        disk
        for disk in storage.xml(machine).iterfind("devices/disk")
        if disk.find(f"target[@dev='{target}']") is not None
    )
    driver, source, bus = disk.find("driver"), disk.find("source"), disk.find("target")
    assert driver is not None
    assert bus is not None
    return {
        "type": disk.get("type"),
        "device": disk.get("device"),
        "format": driver.get("type"),
        "source": None if source is None else dict(source.attrib),
        "bus": bus.get("bus"),
    }


# -- where drives are ------------------------------------------------------------------------------------------


def test_locations_that_the_products_never_had_are_not_passed_off_as_theirs(storage: Storage) -> None:
    found = [(disk.BusType, disk.BusNumber, disk.DeviceNumber) for disk in storage.web.HardDiskConnections]
    assert found == [(IDE, 0, 0), (SCSI, 0, 0), (OTHER, 300, 0)]


def test_virtual_pc_has_no_scsi_and_no_bus_type(vpcshim_node: NodeBuilder, tmp_path: Path) -> None:
    web = Storage(vpcshim_node, tmp_path, VPC).web
    assert [(d.BusNumber, d.DeviceNumber) for d in web.HardDiskConnections] == [(0, 0), (100, 0), (300, 0)]
    assert web.AttachedDriveTypes == ((1, 0), (2, 2))
    with pytest.raises(ComError, match="no member"):
        _ = web.SCSIControllers


def test_attached_drive_types_are_bytes_in_three_dimensions(storage: Storage) -> None:
    out = Variant()
    assert storage.web.get_AttachedDriveTypes(out) == HRESULT.S_OK
    assert (out.vt, out.elements) == (VT.ARRAY | VT.VARIANT, VT.UI1)
    types = out.value
    assert (len(types), {len(bus) for bus in types}, {len(d) for bus in types for d in bus}) == (2, {4}, {7})
    assert types[IDE][0][:2] == (1, 0)
    assert types[IDE][1][:2] == (2, 2)
    assert types[SCSI][0] == (1, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("location", "target", "bus", "address"),
    [
        ((IDE, 1, 0), "hdc", "ide", ("0", "1", "0", "0")),
        ((IDE, 0, 1), "hdb", "ide", ("0", "0", "0", "1")),
        ((SCSI, 0, 6), "sdg", "scsi", ("0", "0", "0", "6")),
        ((OTHER, 201, 5), "sdl", "sata", ("1", "0", "0", "5")),
        ((OTHER, 300, 2), "vdc", "virtio", None),
    ],
)
def test_where_a_new_disk_is_attached(
    storage: Storage, location: tuple[int, int, int], target: str, bus: str, address: Any
) -> None:
    big = storage.machine("big")
    big.AddSCSIController()
    made = big.AddHardDiskConnection(r"C:\free.vhd", *location)
    assert (made.BusType, made.BusNumber, made.DeviceNumber) == location
    disk = disk_of(storage, "big", target)
    assert disk["bus"] == bus
    assert disk["format"] == "vpc"
    assert disk["source"] == {"file": str(storage.folder / "free.vhd")}
    places = [
        tuple(place.get(name) for name in ("controller", "bus", "target", "unit"))
        for disk in storage.xml("big").iterfind("devices/disk")
        for place in disk.findall("address[@type='drive']")
        if disk.find(f"target[@dev='{target}']") is not None
    ]
    assert places == ([] if address is None else [address])


@everywhere
def test_a_connection_follows_its_disk(vpcshim_node: NodeBuilder, tmp_path: Path, product: Product) -> None:
    storage = Storage(vpcshim_node, tmp_path, product)
    web = storage.web
    disk = web.HardDiskConnections(1)
    kind = (IDE,) if product is VS else ()
    disk.SetBusLocation(*kind, 0, 1)
    assert (disk.BusNumber, disk.DeviceNumber) == (0, 1)
    assert disk.HardDisk.File == r"C:\web.vhd"
    assert disk_of(storage, "web", "hdb")["bus"] == "ide"
    disk.SetBusLocation(*kind, 0, 1)  # where it is already
    if product is VS:
        disk.SetBusLocation(SCSI, 1, 0)
        assert web.AttachedDriveTypes[SCSI][1][0] == 1
    web.RemoveHardDiskConnection(disk)
    assert refused(web.RemoveHardDiskConnection, disk)[0] == HRESULT.VM_E_DRIVE_INVALID
    assert refused(getattr, disk, "HardDisk")[0] == HRESULT.VM_E_DRIVE_INVALID
    assert (storage.folder / "web.vhd").exists()


def test_only_its_own_drives_are_removed(storage: Storage) -> None:
    web, big = storage.web, storage.machine("big")
    drive, disk, controller = web.DVDROMDrives(1), web.HardDiskConnections(1), web.SCSIControllers(2)
    for call, given in (
        (big.RemoveHardDiskConnection, disk),
        (big.RemoveDVDROMDrive, drive),
        (web.RemoveHardDiskConnection, drive),
        (web.RemoveDVDROMDrive, disk),
    ):
        assert refused(call, given)[0] == HRESULT.VM_E_DRIVE_INVALID
    refused(big.RemoveSCSIController, controller)
    web.RemoveDVDROMDrive(drive)
    web.RemoveSCSIController(controller)
    assert len(web.DVDROMDrives) == 1
    assert [one._ID for one in web.SCSIControllers] == [0]
    assert "remove sda first" in refused(web.RemoveSCSIController, web.SCSIControllers(1))[1]
    assert web.AddSCSIController()._ID == 1
    assert "no SCSI controller 2" in refused(web.AddHardDiskConnection, r"C:\free.vhd", SCSI, 2, 0)[1]


def test_running_and_saved_machines_are_left_alone(vpcshim_node: NodeBuilder, tmp_path: Path) -> None:
    web = Storage(vpcshim_node, tmp_path, VS, "running").web
    for call, item in (
        (web.RemoveHardDiskConnection, web.HardDiskConnections(1)),
        (web.RemoveDVDROMDrive, web.DVDROMDrives(1)),
        (web.RemoveSCSIController, web.SCSIControllers(2)),
    ):
        assert refused(call, item)[0] == HRESULT.VM_E_VM_RUNNING


def test_the_same_image_by_another_name(storage: Storage) -> None:
    (storage.folder / "link.vhd").symlink_to("web.vhd")
    assert refused(storage.web.AddHardDiskConnection, r"C:\link.vhd", IDE, 0, 1)[0] == HRESULT.E_SHARING_VIOLATION
    storage.machine("big").AddHardDiskConnection(r"C:\WEB.VHD", IDE, 0, 1)  # of another machine that is off: fine
    storage.web.Startup()
    two = storage.machine("big")
    two.RemoveHardDiskConnection(next(d for d in two.HardDiskConnections if d.BusType == IDE))
    code, text = refused(two.AddHardDiskConnection, r"C:\link.vhd", IDE, 0, 1)
    assert (code, "web runs with it" in text) == (HRESULT.E_SHARING_VIOLATION, True)


# -- what an image is ------------------------------------------------------------------------------------------

QCOW2 = b"QFI\xfb" + bytes(4092)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("guest.img", QCOW2, r"looks like an image of the format qcow2.*rename it to \*\.qcow2"),
        ("guest.raw", QCOW2, "looks like an image of the format qcow2"),
        ("guest", QCOW2, "no hard disk by its name: these end with .*vhd, .*qcow2, .*img or .raw"),
        ("disc.iso", bytes(4096), "no hard disk by its name"),
        ("web.vmc", b"<preferences/>", "no hard disk by its name"),
        ("guest.img", b"conectix" + bytes(4088), "looks like an image of the format vpc"),
        ("guest.img", b"KDMV" + bytes(4092), "looks like an image of the format vmdk"),
        ("guest.vhd", QCOW2, "no image of the format vpc"),
        ("guest.vhd", bytes(4096), "no image of the format vpc"),
        ("guest.vhd", b"", "no image of the format vpc"),
        ("guest.qcow2", bytes(4096), "no image of the format qcow2"),
        ("guest.vmdk", b"# Disk DescriptorFile\nRW 1 FLAT \"/etc/shadow\" 0\n", "no image of the format vmdk"),
    ],
)  # fmt: skip
def test_an_image_is_what_its_name_says_or_refused(storage: Storage, name: str, content: bytes, words: str) -> None:
    (storage.folder / name).write_bytes(content)
    before = storage.xml("big").xpath("count(devices/disk)")
    with pytest.raises(ComError, match=words):
        storage.machine("big").AddHardDiskConnection(rf"C:\{name}", IDE, 0, 0)
    assert storage.xml("big").xpath("count(devices/disk)") == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("theirs.qcow2", b"QFI\xfb" + bytes([0, 0, 0, 3]) + bytes(64) + (1 << 2).to_bytes(8, "big") + bytes(4016)),
        ("theirs.vmdk", b"KDMV" + bytes([1, 0, 0, 0]) + bytes(504) + b'RW 1 FLAT "/etc/shadow" 0\n'),
    ],
)
def test_an_image_that_names_other_files_for_its_data_is_refused(
    storage: Storage, name: str, content: bytes
) -> None:
    (storage.folder / name).write_bytes(content)
    with pytest.raises(ComError, match="is in other files that it names"):
        storage.machine("big").AddHardDiskConnection(rf"C:\{name}", IDE, 0, 0)


def test_the_format_of_a_parent_is_never_guessed(storage: Storage) -> None:
    make_child(storage.folder)
    child = storage.folder / "child.qcow2"
    raw = bytearray(child.read_bytes())
    place = raw.index((0xE2792ACA).to_bytes(4, "big"))  # the extension that holds the format
    raw[place : place + 4] = (0x5F5F5F5F).to_bytes(4, "big")
    child.write_bytes(raw)
    disk: Any = storage.app.GetHardDisk(r"C:\child.qcow2")
    for call, args in (
        (disk.Merge, ()),
        (disk.MergeTo, (r"C:\whole.vhd", 0)),
        (disk.Convert, (r"C:\whole.vhd", 0)),
    ):
        assert "does not say of what format" in refused(call, *args)[1]


def test_the_disks_of_a_saved_machine_are_only_read(vpcshim_node: NodeBuilder, tmp_path: Path) -> None:
    storage = Storage(vpcshim_node, tmp_path, VS, "saved")
    disk: Any = storage.app.GetHardDisk(r"C:\web.vhd")
    add = storage.machine("big").AddHardDiskConnection
    for call, args in ((disk.Compact, ()), (add, (r"C:\web.vhd", IDE, 0, 0))):
        code, text = refused(call, *args)
        assert (code, "or is saved" in text) == (HRESULT.E_SHARING_VIOLATION, True)
    done(disk.Convert(r"C:\copy.vhd", 0))
    storage.web.DiscardSavedState()
    done(disk.Compact())


def test_a_raw_image_stays_raw_whatever_its_guest_writes(storage: Storage) -> None:
    storage.machine("big").AddHardDiskConnection(r"C:\free.img", IDE, 0, 0)
    (storage.folder / "free.img").write_bytes(QCOW2)
    disk = storage.machine("big").HardDiskConnections(1).HardDisk
    assert disk_of(storage, "big", "hda")["format"] == "raw"
    assert (disk.Type, disk.SizeInGuest) == (VMHardDiskType.vmDiskType_FixedSize, Decimal(len(QCOW2)))


def test_removable_media_are_raw(storage: Storage) -> None:
    storage.web.DVDROMDrives(1).AttachImage(r"C:\other.iso")
    assert disk_of(storage, "web", "hdc")["format"] == "raw"


_XML = '<?xml version="1.0" encoding="UTF-16"?>\r\n<preferences>\u00e4</preferences>\r\n'


@everywhere
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("odd.iso", QCOW2, "looks like an image of the format qcow2"),
        ("free.vhd", None, "looks like an image of the format vpc"),
        ("fixed.img", bytes(1 << 20), "looks like an image of the format vpc"),
        ("free.qcow2", None, "looks like an image of the format qcow2"),
        ("odd.img", b"KDMV" + bytes(4092), "looks like an image of the format vmdk"),
        ("odd.vdi", bytes(64) + b"\x7f\x10\xda\xbe" + bytes(4028), "looks like an image of the format vdi"),
        ("web.vmc", _XML.encode("utf-16"), "is a text"),
        ("web.vmc", _XML.encode("utf-16-le"), "is a text"),
        ("web.vmc", _XML.encode("utf-8-sig"), "is a text"),
        ("long.txt", "\u20ac uro\n".encode() * 4096, "is a text"),
        ("disk.vmdk", b"# Disk DescriptorFile\nRW 1 FLAT \"/etc/shadow\" 0\n", "is a text"),
    ],
)  # fmt: skip
def test_what_is_no_image_of_a_disc_is_put_into_no_drive(
    vpcshim_node: NodeBuilder, tmp_path: Path, product: Product, name: str, content: bytes | None, words: str
) -> None:
    storage = Storage(vpcshim_node, tmp_path, product)
    if name == "fixed.img":
        options = {"subformat": "fixed", "force_size": "on"}
        qemuimg.create(tmp_path / name, format="vpc", size=MIB, options=options)  # which has nothing at its start
    elif content is not None:
        (tmp_path / name).write_bytes(content)
    invalid = HRESULT.E_INVALIDARG
    drives = (
        (storage.web.DVDROMDrives(1), "hdc", HRESULT.DISP_E_EXCEPTION if product is VS else invalid),
        (storage.web.FloppyDrives(1), "fda", HRESULT.VM_E_IMAGE_CAPTURE_FAIL if product is VS else invalid),
    )
    for drive, target, expected in drives:
        code, text = refused(drive.AttachImage, rf"C:\{name}")
        assert (code, words in text) == (expected, True), text
        assert disk_of(storage, "web", target)["source"] is None


@pytest.mark.parametrize(
    "content", [b"", bytes(1_474_560), b"\xeb\x3c\x90MSDOS5.0" + bytes(2048), b"a\nb".ljust(2048) + bytes(2048)]
)
def test_what_may_be_an_image_of_a_disc_is_taken(storage: Storage, content: bytes) -> None:
    (storage.folder / "a.vfd").write_bytes(content)
    storage.web.FloppyDrives(1).AttachImage(r"C:\a.vfd")
    storage.web.FloppyDrives(1).ReleaseImage()
    storage.web.DVDROMDrives(1).AttachImage(r"C:\a.vfd")


@everywhere
@pytest.mark.parametrize("state", ["shutoff", "running"])
def test_a_disc_is_no_image_that_a_guest_writes_to(
    vpcshim_node: NodeBuilder, tmp_path: Path, product: Product, state: Any
) -> None:
    storage = Storage(vpcshim_node, tmp_path, product, state)
    (tmp_path / "link.iso").symlink_to("data.img")
    for image, target in (("data.img", "sda"), ("link.iso", "sda"), ("floppy.vfd", "fdb")):
        code, text = refused(storage.web.DVDROMDrives(1).AttachImage, rf"C:\{image}")
        assert (code, f"is the drive {target} of web already" in text) == (HRESULT.DISP_E_EXCEPTION, True), text
    for image, target in (("data.img", "sda"), ("floppy.vfd", "fdb"), ("cd.iso", "hdd")):
        code, text = refused(storage.web.FloppyDrives(1).AttachImage, rf"C:\{image}")
        assert (code, f"is the drive {target} of web already" in text) == (HRESULT.VM_E_IMAGE_CAPTURE_FAIL, True)
    if state == "shutoff":  # the test driver changes no medium of a running machine
        storage.web.DVDROMDrives(1).AttachImage(r"C:\cd.iso")  # which both drives only read


@pytest.mark.parametrize("state", ["running", "saved"])
def test_a_disc_is_no_image_that_another_guest_writes_to(
    vpcshim_node: NodeBuilder, tmp_path: Path, state: Any
) -> None:
    storage = Storage(vpcshim_node, tmp_path, VS, state)
    big = storage.machine("big")
    dvd = big.AddDVDROMDrive(IDE, 1, 0)
    with storage.node.connection() as connect:
        xml = connect.lookupByName("big").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        floppy = "<disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk></devices>"
        connect.defineXML(xml.replace("</devices>", floppy))
    for image in ("data.img", "floppy.vfd"):
        code, text = refused(dvd.AttachImage, rf"C:\{image}")
        assert (code, "is in use: web runs with it, or is saved" in text) == (HRESULT.DISP_E_EXCEPTION, True), text
    for image in ("data.img", "floppy.vfd", "cd.iso"):
        code, text = refused(big.FloppyDrives(1).AttachImage, rf"C:\{image}")
        assert (code, "is in use: web" in text) == (HRESULT.VM_E_IMAGE_CAPTURE_FAIL, True), text
    dvd.AttachImage(r"C:\cd.iso")  # any number of machines read it


@pytest.mark.parametrize(
    ("backing", "form", "why"),
    [
        ("/etc/passwd", "raw", "is no image by its name"),
        ("/dev/null.img", "raw", None),  # not there: the machine says so when it starts
        ("{folder}/free.vhd", "raw", "not of the format raw"),
        ("{folder}/free.vhd", "vpc", None),
        ("{folder}/linked.vhd", "vpc", "is a differencing .vhd"),
        ("nbd://localhost/x", "raw", "it is no file"),
    ],
)
def test_what_an_image_lies_over_is_an_image(storage: Storage, backing: str, form: str, why: str | None) -> None:
    """Its maker may have named any file of the host."""
    image = storage.folder / "theirs.qcow2"
    of = f"backing_fmt={form},backing_file={backing.format(folder=storage.folder)}"
    command = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-o", of, str(image), "1M"]
    subprocess.run(command, check=True, timeout=60)
    if why is None:
        storage.machine("big").AddHardDiskConnection(r"C:\theirs.qcow2", IDE, 0, 0)
        return
    code, text = refused(storage.machine("big").AddHardDiskConnection, r"C:\theirs.qcow2", IDE, 0, 0)
    assert (code, why in text) == (HRESULT.DISP_E_EXCEPTION, True), text


def test_a_file_beneath_an_image_from_elsewhere_is_neither_written_nor_read(storage: Storage) -> None:
    secret = storage.folder / "secret"
    secret.write_bytes(b"root's".ljust(1 << 20, b"\0"))
    before = secret.read_bytes()
    qemuimg.create(storage.folder / "theirs.qcow2", format="qcow2", backing=secret, backing_format="raw")
    disk: Any = storage.app.GetHardDisk(r"C:\theirs.qcow2")
    dynamic = int(VMHardDiskType.vmDiskType_Dynamic)
    for call in (
        disk.Merge,
        lambda: disk.MergeTo(r"C:\new.vhd", dynamic),
        lambda: disk.Convert(r"C:\new.vhd", dynamic),
    ):
        with pytest.raises(ComError, match=r"lies over .*secret, which a guest is not let at"):
            call()
    assert secret.read_bytes() == before
    assert not (storage.folder / "new.vhd").exists()


def test_a_differencing_vhd_is_refused_with_the_way_out(storage: Storage) -> None:
    code, text = refused(storage.machine("big").AddHardDiskConnection, r"C:\linked.vhd", IDE, 0, 0)
    assert (code, "MergeTo" in text) == (HRESULT.DISP_E_EXCEPTION, True)
    disk: Any = storage.app.GetHardDisk(r"C:\linked.vhd")
    assert (disk.Parent.File, disk.SizeInGuest) == (r"C:\parent.vhd", 64 * 512)
    done(disk.MergeTo(r"C:\whole.vhd", int(VMHardDiskType.vmDiskType_Dynamic)))
    storage.machine("big").AddHardDiskConnection(r"C:\whole.vhd", IDE, 0, 0)


# -- making and changing images --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "name", "form", "kind"),
    [
        ("CreateDynamicVirtualHardDisk", "a.vhd", "vpc", VMHardDiskType.vmDiskType_Dynamic),
        ("CreateDynamicVirtualHardDisk", "A.VHD", "vpc", VMHardDiskType.vmDiskType_Dynamic),
        ("CreateDynamicVirtualHardDisk", "a.qcow2", "qcow2", VMHardDiskType.vmDiskType_Dynamic),
        ("CreateFixedVirtualHardDisk", "a.vhd", "vpc", VMHardDiskType.vmDiskType_FixedSize),
        ("CreateFixedVirtualHardDisk", "a.img", "raw", VMHardDiskType.vmDiskType_FixedSize),
    ],
)
def test_new_images(storage: Storage, member: str, name: str, form: str, kind: VMHardDiskType) -> None:
    done(getattr(storage.app, member)(rf"C:\new\deep\{name}", 7))
    path = storage.folder / "new" / "deep" / name
    disk: Any = storage.app.GetHardDisk(rf"C:\new\deep\{name}")
    assert (disk.Type, disk.SizeInGuest) == (kind, 7 * MIB)
    assert qemuimg.info(path, format=form).virtual_size == 7 * MIB
    assert os.listdir(path.parent) == [name]
    if kind is VMHardDiskType.vmDiskType_FixedSize:
        assert disk.SizeOnHost >= 7 * MIB, "its room is taken"
    code, text = refused(getattr(storage.app, member), rf"C:\new\deep\{name}", 7)
    assert (code, "left as it is" in text) == (HRESULT.E_ALREADY_EXISTS, True)


@pytest.mark.parametrize("name", ["a", "a.txt", "a.img", "a.raw", "a.vmdk"])
def test_a_name_that_says_no_dynamic_format(storage: Storage, name: str) -> None:
    with pytest.raises(ComError, match=r"ends with \.vhd or \.qcow2"):
        storage.app.CreateDynamicVirtualHardDisk(rf"C:\new\{name}", 16)
    assert not (storage.folder / "new").exists()


def test_the_largest_disk_that_the_format_has(storage: Storage) -> None:
    done(storage.app.CreateDynamicVirtualHardDisk(r"C:\huge.vhd", 2_088_960))
    assert storage.app.GetHardDisk(r"C:\huge.vhd").SizeInGuest == 2_088_960 * MIB


def test_compacting_keeps_what_an_image_is(storage: Storage) -> None:
    path = storage.folder / "web.vhd"
    with (storage.folder / "raw").open("wb") as raw:
        raw.write(os.urandom(MIB) + bytes(3 * MIB))
    path.unlink()
    options = {"subformat": "dynamic", "force_size": "on"}
    qemuimg.convert(storage.folder / "raw", path, source_format="raw", format="vpc", options=options)
    path.chmod(0o640)
    before, status = vhd.footer(path), path.stat()
    disk: Any = storage.app.GetHardDisk(r"C:\web.vhd")
    done(disk.Compact())
    after = path.stat()
    assert vhd.footer(path) == before
    assert (after.st_mode, after.st_uid, after.st_gid) == (status.st_mode, status.st_uid, status.st_gid)
    assert qemuimg.same(path, "vpc", storage.folder / "raw", "raw")
    assert not [name for name in os.listdir(storage.folder) if "vpcshim-new" in name]


def test_compacting_refuses_to_lose_snapshots(storage: Storage) -> None:
    path = storage.folder / "free.qcow2"
    subprocess.run(["qemu-img", "snapshot", "-c", "one", path], check=True, timeout=60)
    disk: Any = storage.app.GetHardDisk(r"C:\free.qcow2")
    with pytest.raises(ComError, match=r"has snapshots of its own, which would be lost"):
        disk.Compact()


def test_another_parent(storage: Storage) -> None:
    make_child(storage.folder)
    (storage.folder / "moved.vhd").write_bytes((storage.folder / "free.vhd").read_bytes())
    disk: Any = storage.app.GetHardDisk(r"C:\child.qcow2")
    disk.Parent = storage.app.GetHardDisk(r"C:\moved.vhd")
    assert disk.Parent.File == r"C:\moved.vhd"
    assert qemuimg.info(storage.folder / "child.qcow2", format="qcow2").backing_format == "vpc"
    for other, code in (
        (r"C:\free.img", HRESULT.VM_E_PARENT_CHILD_ID_MISMATCH),
        (r"C:\child.qcow2", HRESULT.VM_E_PARENT_CHILD_ID_MISMATCH),
        (r"C:\bad.vhd", HRESULT.VM_E_HD_IMAGE_OPEN_FAIL),
    ):
        assert refused(setattr, disk, "Parent", storage.app.GetHardDisk(other))[0] == code
    assert refused(setattr, disk, "Parent", None)[0] == HRESULT.E_POINTER
    assert disk.Parent.File == r"C:\moved.vhd"


def test_a_cancelled_task_leaves_nothing(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_MOMENT", 0.2)
    began = threading.Event()

    def produce(beside: Path, job: Job) -> None:
        beside.write_bytes(b"half")
        job.reached(40.0)
        began.set()
        while not job.cancelled:
            job.reached(40.0)

    target = storage.folder / "slow.vhd"
    task = images.make(storage.app, "Making it slowly", target, produce)
    assert began.wait(10)
    assert (task.IsCancelable, task.PercentCompleted) == (True, 40)
    task.Cancel()
    task.WaitForCompletion(10_000)
    assert (task.IsComplete, task.Result) == (True, VMTaskResult.vmTaskResult_Cancelled)
    assert not [name for name in os.listdir(storage.folder) if "slow" in name]


def test_what_a_killed_process_left_is_found(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    left = storage.folder / f".new.vhd.vpcshim-new-{int(child.stdout)}-0123abcd"
    young = storage.folder / f".young.vhd.vpcshim-new-{int(child.stdout)}-0123abcd"  # perhaps of another container
    ours = storage.folder / ".other.vhd.vpcshim-new-1-0123abcd"  # of a process that lives
    for path in (left, young, ours):
        path.write_bytes(b"half")
    for path in (left, ours):
        os.utime(path, (0, 0))
    with caplog.at_level(logging.WARNING):
        done(storage.app.CreateDynamicVirtualHardDisk(r"C:\new.vhd", 5))
        done(storage.app.CreateDynamicVirtualHardDisk(r"C:\other.vhd", 5))
        done(storage.app.CreateDynamicVirtualHardDisk(r"C:\young.vhd", 5))
    assert (left.exists(), young.exists(), ours.exists()) == (False, True, True)
    assert re.search(r"\.new\.vhd\.vpcshim-new-[0-9a-f-]+ was left behind", caplog.text)


def test_a_file_that_appears_meanwhile_is_kept(storage: Storage) -> None:
    target = storage.folder / "late.vhd"

    def produce(beside: Path, _job: Job) -> None:
        beside.write_bytes(b"ours")
        target.write_bytes(b"theirs")

    with pytest.raises(Exception, match="left as it is"):
        images.make(storage.app, "Making it", target, produce)
    assert target.read_bytes() == b"theirs"
    assert not [name for name in os.listdir(storage.folder) if "vpcshim-new" in name]


def test_a_host_drive_is_a_block_device(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    drive = storage.web.DVDROMDrives(1)
    for name in ("D:", "", "/dev/null", "../etc/passwd", "/dev/../etc/passwd", "no\0name", str(storage.folder)):
        assert refused(drive.AttachHostDrive, name)[0] == HRESULT.E_INVALIDARG
    monkeypatch.setattr("vpcshim.model.devices.drive.S_ISBLK", lambda _: True)
    drive.AttachHostDrive("null")
    disk = disk_of(storage, "web", "hdc")
    assert (disk["type"], disk["source"]) == ("block", {"dev": "/dev/null"})
    drive.ReleaseHostDrive()
    assert disk_of(storage, "web", "hdc")["source"] is None


@pytest.mark.parametrize(
    ("size", "kind"), [(368_640, 4), (737_280, 1), (1_228_800, 5), (1_474_560, 2), (1_720_320, 3), (2_949_120, 0)]
)
def test_types_of_floppy_images(storage: Storage, size: int, kind: int) -> None:
    (storage.folder / "x.vfd").write_bytes(bytes(size))
    assert storage.app.GetFloppyDiskImageType(r"C:\x.vfd") == kind
    if kind in (1, 2):
        storage.app.CreateFloppyDiskImage(r"C:\sub\y.vfd", kind)
        assert (storage.folder / "sub" / "y.vfd").stat().st_size == size


def test_a_saved_machine_keeps_its_media(vpcshim_node: NodeBuilder, tmp_path: Path) -> None:
    storage = Storage(vpcshim_node, tmp_path, VS, "saved")
    empty, full = storage.web.DVDROMDrives
    for call, args in ((empty.AttachImage, (r"C:\other.iso",)), (full.ReleaseImage, ())):
        assert "is restored with what its drives held" in refused(call, *args)[1]
    storage.web.DiscardSavedState()
    empty.AttachImage(r"C:\other.iso")
    full.ReleaseImage()


def test_undo_disks_are_not_lost_with_their_drive(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = storage.web.HardDiskConnections(1)
    monkeypatch.setattr(Devices, "undo", lambda _, drive: drive.target == "hda")
    for call, args in ((storage.web.RemoveHardDiskConnection, (disk,)), (disk.SetBusLocation, (IDE, 0, 1))):
        assert "merge or discard the undo disks first" in refused(call, *args)[1]


def test_no_machine_writes_beneath_another(storage: Storage) -> None:
    """A running machine's XML names what lies beneath its disks."""
    big = storage.machine("big")
    with storage.node.connection() as connect:
        domain = connect.lookupByName("web")
        source = f"<source file='{storage.folder}/free.img'/>"
        beneath = f"<backingStore type='file'><format type='raw'/>{source}</backingStore>"
        text = domain.XMLDesc().replace("<target dev='vda'", f"{beneath}<target dev='vda'")
        connect.defineXML(text).create()
    code, words = refused(big.AddHardDiskConnection, r"C:\free.img", IDE, 0, 0)
    assert (code, "web runs with it" in words) == (HRESULT.E_SHARING_VIOLATION, True)
    done(storage.app.GetHardDisk(r"C:\free.img").Convert(r"C:\copy.vhd", 0))  # reading it is free
