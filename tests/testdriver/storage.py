"""A machine with drives of every kind, and its images as files of this host."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from stat import S_ISCHR
from tempfile import TemporaryDirectory
from typing import Any

import libvirt
from lxml import etree

from tests.harness import needs
from tests.testdriver.situations import Bench
from tests.testdriver.support import VS, application, find
from tests.unit.vhd_files import CHILD, PARENT, write
from vpcshim.com.member import Product
from vpcshim.com.object import ComObject
from vpcshim.hypervisor import imageerrors, qemuimg
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.undojournal import UNDO_NS
from vpcshim.migrate.vhd import SECTOR, VhdType
from vpcshim.model.application import VirtualPC, VirtualServer
from vpcshim.model.virtual_machine import VirtualMachine
from vpcshim.testing import Machine, Node, NodeBuilder
from vpcshim.testing.machines import State

MIB = 1 << 20
# target, bus, device, image below C:, format. The empty drives have none.
DRIVES = (
    ("vda", "virtio", "disk", "virtio.qcow2", "qcow2"),
    ("sda", "scsi", "disk", "data.img", "raw"),
    ("hda", "ide", "disk", "web.vhd", "vpc"),
    ("hdc", "ide", "cdrom", "", "raw"),
    ("hdd", "ide", "cdrom", "cd.iso", "raw"),
    ("fda", "fdc", "floppy", "", "raw"),
    ("fdb", "fdc", "floppy", "floppy.vfd", "raw"),
)


@cache
def _templates() -> TemporaryDirectory[str]:
    """The images, made once for all tests of the session."""
    made = TemporaryDirectory(prefix="vpcshim-images-")
    _make_images(Path(made.name))
    return made


def make_child(folder: Path) -> None:
    """`child.qcow2` over `free.vhd`: a parent is named with its folder."""
    child = folder / "child.qcow2"
    qemuimg.create(child, format="qcow2", backing=folder / "free.vhd", backing_format="vpc")


def _make_images(folder: Path) -> None:
    """The images that the drives name, and some more."""
    needs.program("qemu-img", "qemu-utils")
    dynamic = {"subformat": "dynamic", "force_size": "on"}
    for name in ("web.vhd", "free.vhd"):
        qemuimg.create(folder / name, format="vpc", size=4 * MIB, options=dynamic)
    for name in ("virtio.qcow2", "free.qcow2"):
        qemuimg.create(folder / name, format="qcow2", size=4 * MIB)
    (folder / "data.img").write_bytes(bytes(MIB))
    (folder / "free.img").write_bytes(bytes(MIB))
    (folder / "cd.iso").write_bytes(bytes(64 << 10))
    (folder / "other.iso").write_bytes(bytes(64 << 10))
    (folder / "floppy.vfd").write_bytes(bytes(1_474_560))
    (folder / "bad.vhd").write_bytes(bytes(MIB))
    size = 64 * SECTOR
    write(folder / "parent.vhd", VhdType.DYNAMIC, size, {}, identifier=PARENT)
    write(folder / "linked.vhd", VhdType.DIFFERENCING, size, {}, identifier=CHILD, parent=PARENT, name="parent.vhd")


def define(node: Node, folder: Path, name: str = "web", *, start: bool = False) -> None:
    """Give a machine that is off the drives, and start it."""
    with node.connection() as connect:
        domain = connect.lookupByName(name)
        root = etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        devices = root.find("devices")
        assert devices is not None
        for old in devices.findall("disk"):
            devices.remove(old)
        for target, bus, device, image, form in DRIVES:
            disk = etree.SubElement(devices, "disk", type="file", device=device)
            etree.SubElement(disk, "driver", name="qemu", type=form)
            if image:
                etree.SubElement(disk, "source", file=str(folder / image))
            etree.SubElement(disk, "target", dev=target, bus=bus)
        etree.SubElement(devices, "controller", type="scsi", index="1")
        domain = connect.defineXML(etree.tostring(root, encoding="unicode"))
        if start:
            domain.create()


class Storage:
    """A node with the machine `web`, its images in the folder that C: stands for."""

    def __init__(
        self, nodes: NodeBuilder, folder: Path, product: Product = VS, state: State = "shutoff", **options: Any
    ) -> None:
        self.folder = folder
        shutil.copytree(_templates().name, folder, dirs_exist_ok=True)
        started = state == "running"
        self.node = nodes(Machine("web", state="shutoff" if started else state), Machine("big", state="shutoff"))
        define(self.node, folder, start=started)
        self.app: VirtualServer | VirtualPC = application(self.node, product, drives={"C:": str(folder)}, **options)

    @property
    def web(self) -> VirtualMachine:
        return find(self.app, "web")

    def machine(self, name: str) -> VirtualMachine:
        return find(self.app, name)

    def xml(self, name: str = "web") -> etree._Element:
        """The definition."""
        with self.node.connection() as connect:
            text = connect.lookupByName(name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        return etree.fromstring(text)


# -- situations of the decision table --------------------------------------------------------------------------

_ITEMS = {
    "IVMHardDiskConnection": ("HardDiskConnections", 1),
    "IVMDVDDrive": ("DVDROMDrives", 1),
    "IVMFloppyDrive": ("FloppyDrives", 1),
    "IVMSCSIController": ("SCSIControllers", 1),
}
_COLLECTIONS = {f"{name}Collection": collection for name, (collection, _) in _ITEMS.items()}


def _made(bench: Bench, state: State, *, item: int = 1) -> ComObject:
    made = Storage(bench.nodes, bench.folder, bench.product, state)
    bench.made = made.node
    # The paths of the rows are C:'s; the application holds the node as long as the bench does.
    bench.patch.setenv("VPCSHIM_DRIVES", f"C:={bench.folder}")
    # What is there is a drive of the host, if it is a device: no machine has to have a CD drive for these tests.
    bench.patch.setattr("vpcshim.model.devices.drive.S_ISBLK", S_ISCHR)
    app = application(made.node, bench.product)
    if bench.interface in ("IVMVirtualServer", "IVMVirtualPC"):
        return app
    vm = find(app, "web")
    if bench.interface == "IVMHardDisk":
        disk: ComObject = app.GetHardDisk("C:\\web.vhd")
        return disk
    if bench.interface in _COLLECTIONS:
        found: ComObject = getattr(vm, _COLLECTIONS[bench.interface])
        return found
    if bench.interface in _ITEMS:
        drive: ComObject = getattr(vm, _ITEMS[bench.interface][0])(item)
        return drive
    return vm


def off(bench: Bench) -> ComObject:
    """web is turned off; its first hard disk, DVD drive (empty), floppy drive (empty), SCSI controller."""
    return _made(bench, "shutoff")


def holding(bench: Bench) -> ComObject:
    """web is turned off; its second DVD drive or floppy drive, which hold an image."""
    return _made(bench, "shutoff", item=2)


def running(bench: Bench) -> ComObject:
    """web runs."""
    return _made(bench, "running")


def saved(bench: Bench) -> ComObject:
    """web is saved."""
    return _made(bench, "saved")


def undefined(bench: Bench) -> ComObject:
    """web is undefined by somebody else, while we hold objects of it."""
    obj = _made(bench, "shutoff")
    assert bench.made is not None
    with bench.made.connection() as connect:
        connect.lookupByName("web").undefine()
    return obj


def removed(bench: Bench) -> ComObject:
    """The drive or controller is removed by somebody else, while we hold an object of it."""
    obj = _made(bench, "shutoff")
    assert bench.made is not None

    def remove(root: etree._Element) -> None:
        devices = root.find("devices")
        assert devices is not None
        for element in [*devices.findall("disk"), *devices.findall("controller")]:
            devices.remove(element)

    _edit(bench, remove)
    return obj


def dead_daemon(bench: Bench) -> ComObject:
    """web is off, and the daemon has died under the connection."""
    obj = _made(bench, "shutoff")
    lookups = ("lookupByUUIDString", "listAllDomains", "getInfo")
    bench.raises(libvirt.virConnect, lookups, libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC)
    return obj


def gone(bench: Bench) -> ComObject:
    """The file of the image is deleted, while we hold an object of it."""
    obj = _made(bench, "shutoff")
    (bench.folder / "web.vhd").unlink()
    return obj


def spoilt(bench: Bench) -> ComObject:
    """The image is no .vhd any more."""
    obj = _made(bench, "shutoff")
    (bench.folder / "web.vhd").write_bytes(bytes(1 << 20))
    return obj


def child(bench: Bench) -> ComObject:
    """An image over another one."""
    app = _made(bench, "shutoff")
    make_child(bench.folder)
    return _disk(bench, app, "child.qcow2")


def orphan(bench: Bench) -> ComObject:
    """An image whose parent is gone."""
    obj = child(bench)
    (bench.folder / "free.vhd").unlink()
    return obj


def fixed(bench: Bench) -> ComObject:
    """An image of fixed size."""
    return _disk(bench, _made(bench, "shutoff"), "free.img")


def read_only(bench: Bench) -> ComObject:
    """An image over another one, and neither may be written."""
    obj = child(bench)
    for name in ("free.vhd", "child.qcow2"):
        (bench.folder / name).chmod(0o444)
    return obj


def in_use(bench: Bench) -> ComObject:
    """The image is the disk of a machine that runs."""
    return _made(bench, "running")


def parent_in_use(bench: Bench) -> ComObject:
    """The image lies over the disk of a machine that runs."""
    app = _made(bench, "running")
    path = bench.folder / "over.qcow2"
    qemuimg.create(path, format="qcow2", backing=bench.folder / "web.vhd", backing_format="vpc")
    return _disk(bench, app, "over.qcow2")


def child_in_use(bench: Bench) -> ComObject:
    """A machine runs with an image over another one."""
    obj = child(bench)
    assert bench.made is not None
    with bench.made.connection() as connect:
        domain = connect.lookupByName("big")
        text = domain.XMLDesc().replace("/big/vda.img", str(bench.folder / "child.qcow2"))
        connect.defineXML(text).create()
    return obj


def full(bench: Bench) -> ComObject:
    """There is no room left on the host's disk."""
    return _full(bench, _made(bench, "shutoff"))


def full_child(bench: Bench) -> ComObject:
    """The same, of an image over another one."""
    return _full(bench, child(bench))


def _full(bench: Bench, obj: ComObject) -> ComObject:
    def no_room(*_: Any, **__: Any) -> None:
        raise imageerrors.DiskFull("a mock of a disk that is full")

    bench.patch.setattr(qemuimg, "convert", no_room)
    bench.patch.setattr(qemuimg, "create", no_room)
    return obj


def small_disk(bench: Bench) -> ComObject:
    """The host's disk has a megabyte left."""
    obj = _made(bench, "shutoff")
    bench.patch.setattr("vpcshim.model.images.free_space", lambda _: 1 << 20)
    return obj


def unreadable(bench: Bench) -> ComObject:
    """The image cannot be read."""
    obj = _made(bench, "shutoff")

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "a mock of a file that may not be read")

    bench.patch.setattr(Path, "open", denied)
    return obj


def _disk(bench: Bench, obj: ComObject, name: str) -> ComObject:
    assert bench.made is not None
    del obj
    disk: ComObject = application(bench.made, bench.product).GetHardDisk(f"C:\\{name}")
    return disk


def remote(bench: Bench) -> ComObject:
    """The hypervisor's host is another machine."""
    obj = _made(bench, "shutoff")
    bench.patch.setattr(Connection, "is_local", False)
    return obj


def remote_child(bench: Bench) -> ComObject:
    """The same, of an image over another one."""
    obj = child(bench)
    bench.patch.setattr(Connection, "is_local", False)
    return obj


def gone_child(bench: Bench) -> ComObject:
    """The file of an image over another one is deleted, while we hold an object of it."""
    obj = child(bench)
    (bench.folder / "child.qcow2").unlink()
    return obj


def orphan_without_folder(bench: Bench) -> ComObject:
    """An image whose parent is gone with its folder."""
    app = _made(bench, "shutoff")
    folder = bench.folder / "below"
    folder.mkdir()
    qemuimg.create(folder / "base.qcow2", format="qcow2", size=MIB)
    above = bench.folder / "above.qcow2"
    qemuimg.create(above, format="qcow2", backing=folder / "base.qcow2", backing_format="qcow2")
    (folder / "base.qcow2").unlink()
    folder.rmdir()
    return _disk(bench, app, "above.qcow2")


def linked(bench: Bench) -> ComObject:
    """A differencing .vhd, whose parent stands beside it."""
    return _disk(bench, _made(bench, "shutoff"), "linked.vhd")


def mismatched(bench: Bench) -> ComObject:
    """A differencing .vhd, and its parent is another image by now."""
    obj = linked(bench)
    write(bench.folder / "parent.vhd", VhdType.DYNAMIC, 64 * SECTOR, {}, identifier=CHILD)
    return obj


def without_folder(bench: Bench) -> ComObject:
    """The folder of the image is gone."""
    obj = _made(bench, "shutoff")
    shutil.rmtree(bench.folder)
    return obj


def host_drive(bench: Bench) -> ComObject:
    """The image is a drive of the host."""
    obj = _made(bench, "shutoff")
    bench.patch.setattr(Path, "is_block_device", lambda _: True)
    return obj


def host_drive_gone(bench: Bench) -> ComObject:
    """The image is a drive of the host that is gone."""
    obj: Any = _made(bench, "shutoff")
    obj._path = Path("/dev/vpcshim-has-no-such-drive")
    return obj  # type: ignore[no-any-return]


def read_only_disk(bench: Bench) -> ComObject:
    """The image may not be written."""
    obj = _made(bench, "shutoff")
    (bench.folder / "web.vhd").chmod(0o444)
    return obj


def too_large(bench: Bench) -> ComObject:
    """The host's file system has no files of that size."""
    obj = _made(bench, "shutoff")

    def refuse(*_: Any, **__: Any) -> None:
        raise imageerrors.ImageError("a mock of a file system: File too large")

    bench.patch.setattr(qemuimg, "create", refuse)
    return obj


def undoable(bench: Bench) -> ComObject:
    """The machine has an undo disk over its first hard disk."""
    obj = _made(bench, "shutoff")
    overlay = str(bench.folder / "web.undo-0123abcd.qcow2")

    def lay_over(root: etree._Element) -> None:
        disk = next(disk for disk in root.iterfind("devices/disk") if "web.vhd" in etree.tostring(disk).decode())
        source, driver, uuid = disk.find("source"), disk.find("driver"), root.findtext("uuid")
        assert source is not None
        assert driver is not None
        source.set("file", overlay)
        driver.set("type", "qcow2")
        metadata = etree.SubElement(root, "metadata")
        journal = etree.SubElement(metadata, f"{{{UNDO_NS}}}undo", uuid=uuid or "", phase="active")
        original = str(bench.folder / "web.vhd")
        entry = etree.SubElement(journal, f"{{{UNDO_NS}}}disk", target="hda", overlay=overlay)
        entry.set("original", original)
        entry.set("format", "vpc")

    _edit(bench, lay_over)
    return obj


def with_host_drive(bench: Bench) -> ComObject:
    """The first DVD or floppy drive is a drive of the host."""
    obj = _made(bench, "shutoff")

    def attach(root: etree._Element) -> None:
        for disk in root.iterfind("devices/disk"):
            target = disk.find("target")
            if target is not None and target.get("dev") in ("hdc", "fda"):
                disk.set("type", "block")
                etree.SubElement(disk, "source", dev="/dev/null")

    _edit(bench, attach)
    return obj


def four_controllers(bench: Bench) -> ComObject:
    """The machine has as many SCSI controllers as there can be."""
    obj = _made(bench, "shutoff")

    def add(root: etree._Element) -> None:
        devices = root.find("devices")
        assert devices is not None
        for index in (2, 3):
            etree.SubElement(devices, "controller", type="scsi", index=str(index))

    _edit(bench, add)
    return obj


def _edit(bench: Bench, change: Callable[[etree._Element], None]) -> None:
    assert bench.made is not None
    with bench.made.connection() as connect:
        root = etree.fromstring(connect.lookupByName("web").XMLDesc())
        change(root)
        connect.defineXML(etree.tostring(root, encoding="unicode"))
