"""Drives on real guests: a disk made through the API and seen by the guest, CDs changed while it runs, refusals."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from typing import Any

import libvirt
import pytest

import vpcshim
from tests.harness.guests import Disk, Guest, GuestFactory, PrivateLibvirtd
from tests.harness.waiting import wait_until
from vpcshim import HRESULT, ComError
from vpcshim.constants import VMDriveBusType, VMDVDDriveAttachmentType, VMHardDiskType, VMTaskResult
from vpcshim.hypervisor.imageerrors import ImageBusy
from vpcshim.hypervisor.imagelock import held
from vpcshim.model.devices.hard_disk import HardDisk

IDE, SCSI = int(VMDriveBusType.vmDriveBusType_IDE), int(VMDriveBusType.vmDriveBusType_SCSI)
MIB = 1 << 20
# An empty CD drive brings the guest the drivers of IDE drives.
CD = Disk("hdc", device="cdrom")


@pytest.fixture
def app(private_libvirtd: PrivateLibvirtd, tmp_path: Path, quiet_errors: None) -> Any:
    return vpcshim.CreateObject("VirtualServer.Application", PrivateLibvirtd.uri, drives={"C:": str(tmp_path)})


def done(task: Any) -> None:
    task.WaitForCompletion(60_000)
    assert (task.IsComplete, task.Result, task.ErrorDescription) == (True, VMTaskResult.vmTaskResult_Success, "")


def refused(call: Any, *args: Any) -> HRESULT:
    with pytest.raises(ComError) as caught:
        call(*args)
    assert caught.value.description
    return HRESULT(caught.value.scode)


def off(guest_factory: GuestFactory, app: Any, **options: Any) -> tuple[Guest, Any]:
    guest = guest_factory(start=False, **options)
    return guest, app.FindVirtualMachine(guest.name)


def started(guest: Guest, vm: Any) -> None:
    done(vm.Startup())
    guest.wait_ready()


def test_a_machine_is_assembled_from_a_new_disk(guest_factory: GuestFactory, app: Any, tmp_path: Path) -> None:
    guest, vm = off(guest_factory, app, disks=(CD,))
    done(app.CreateDynamicVirtualHardDisk(r"C:\new\disk.vhd", 47))
    done(app.CreateFixedVirtualHardDisk(r"C:\new\fixed.vhd", 13))
    first = vm.AddHardDiskConnection(r"C:\new\disk.vhd", IDE, 0, 0)
    second = vm.AddHardDiskConnection(r"C:\new\fixed.vhd", IDE, 1, 1)
    started(guest, vm)
    # The guest names its disks as it finds them; their sizes tell them apart.
    sizes = guest.check("cat /sys/block/sd*/size").split()
    assert sorted(int(size) * 512 for size in sizes) == [13 * MIB, 47 * MIB]
    assert [disk.HardDisk.SizeInGuest for disk in (first, second)] == [47 * MIB, 13 * MIB]
    assert vm.AttachedDriveTypes[0][:2] == ((1, 0, 0, 0, 0, 0, 0), (2, 1, 0, 0, 0, 0, 0))

    taken = first.HardDisk.SizeOnHost
    name = guest.check(f"grep -lx {47 * MIB // 512} /sys/block/sd*/size").split("/")[3]
    guest.check(f"dd if=/dev/urandom of=/dev/{name} bs=1M count=8 && sync")
    assert first.HardDisk.SizeOnHost >= taken + 8 * MIB

    # QEMU hands over no .vhd: the way out is told.
    with pytest.raises((ComError, AssertionError), match=r"Convert that disk to \.qcow2 first"):
        done(vm.Save())

    # What is refused while it runs.
    assert refused(vm.AddHardDiskConnection, r"C:\new\disk.vhd", IDE, 0, 1) == HRESULT.VM_E_VM_RUNNING
    assert refused(vm.RemoveHardDiskConnection, first) == HRESULT.VM_E_VM_RUNNING
    assert refused(first.SetBusLocation, IDE, 0, 1) == HRESULT.VM_E_VM_RUNNING
    disk = app.GetHardDisk(r"C:\new\disk.vhd")
    assert refused(disk.Compact) == HRESULT.E_SHARING_VIOLATION
    assert refused(disk.Convert, r"C:\copy.vhd", 1) == HRESULT.E_SHARING_VIOLATION
    assert not (tmp_path / "copy.vhd").exists()

    # Zeroed and turned off, it can be compacted; the guest finds the same disk.
    guest.check(f"dd if=/dev/zero of=/dev/{name} bs=1M seek=1 count=7 && sync")
    mark = guest.check(f"dd if=/dev/{name} bs=512 count=1 2>/dev/null | md5sum")
    guest.hang_up()
    done(vm.TurnOff())
    grown = disk.SizeOnHost
    done(disk.Compact())
    assert disk.SizeOnHost <= grown - 4 * MIB
    started(guest, vm)
    name = guest.check(f"grep -lx {47 * MIB // 512} /sys/block/sd*/size").split("/")[3]
    assert guest.check(f"dd if=/dev/{name} bs=512 count=1 2>/dev/null | md5sum") == mark


def test_a_cd_is_changed_while_the_guest_runs(guest_factory: GuestFactory, app: Any, tmp_path: Path) -> None:
    guest, vm = off(guest_factory, app, disks=(CD,))
    for name in ("one", "two"):
        (tmp_path / f"{name}.iso").write_bytes(name.encode().ljust(2048, b".") + bytes(64 << 10))
    started(guest, vm)
    (drive,) = vm.DVDROMDrives

    def read() -> str:
        return guest.run("dd if=/dev/sr0 bs=2048 count=1 2>/dev/null | cut -c1-3").output.strip()

    assert read() == ""
    for name in ("one", "two"):
        drive.AttachImage(rf"C:\{name}.iso")
        assert drive.Attachment == VMDVDDriveAttachmentType.vmDVDDrive_Image
        assert drive.ImageFile == rf"C:\{name}.iso"
        wait_until(lambda wanted=name: read() == wanted, 10, f"the guest reads the CD {name}")  # type: ignore[misc]
        kept = guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        assert str(tmp_path / f"{name}.iso") in kept
        assert refused(drive.AttachImage, r"C:\one.iso") == HRESULT.VM_E_DRIVE_IN_USE
        assert refused(drive.ReleaseHostDrive) == HRESULT.VM_E_MEDIA_WRONG_TYPE
        drive.ReleaseImage()
        assert drive.Attachment == VMDVDDriveAttachmentType.vmDVDDrive_None
        wait_until(lambda: read() == "", 10, "the guest has no CD any more")
        assert ".iso" not in guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert refused(drive.ReleaseImage) == HRESULT.VM_E_MEDIA_WRONG_TYPE


def test_a_tray_that_the_guest_has_locked(guest_factory: GuestFactory, app: Any, tmp_path: Path) -> None:
    guest, vm = off(guest_factory, app, disks=(CD,))
    (tmp_path / "one.iso").write_bytes(b"one".ljust(2048, b".") + bytes(64 << 10))
    started(guest, vm)
    (drive,) = vm.DVDROMDrives
    drive.AttachImage(r"C:\one.iso")
    wait_until(lambda: guest.run("dd if=/dev/sr0 of=/dev/null bs=2048 count=1").status == 0, 10, "the CD is there")
    guest.check("exec 9< /dev/sr0; sleep 600 &")  # an open device locks the tray
    assert refused(drive.ReleaseImage) == HRESULT.DISP_E_EXCEPTION
    assert drive.ImageFile == r"C:\one.iso"
    assert "one.iso" in guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)


def test_a_floppy_is_changed_while_the_guest_runs(guest_factory: GuestFactory, app: Any, tmp_path: Path) -> None:
    guest, vm = off(guest_factory, app, disks=(Disk("fda", device="floppy"),))
    app.CreateFloppyDiskImage(r"C:\boot.vfd", 2)
    started(guest, vm)
    (drive,) = vm.FloppyDrives
    drive.AttachImage(r"C:\boot.vfd")
    assert str(tmp_path / "boot.vfd") in guest.domain.XMLDesc()
    drive.ReleaseImage()
    assert "boot.vfd" not in guest.domain.XMLDesc()
    assert refused(drive.ReleaseImage) == HRESULT.VM_E_NO_MEDIA_CAPTURED


def test_disks_on_scsi(guest_factory: GuestFactory, app: Any) -> None:
    guest, vm = off(guest_factory, app)
    done(app.CreateDynamicVirtualHardDisk(r"C:\a.vhd", 5))
    done(app.CreateDynamicVirtualHardDisk(r"C:\b.vhd", 5))
    controllers = [vm.AddSCSIController() for _ in range(2)]
    vm.AddHardDiskConnection(r"C:\a.vhd", SCSI, 0, 6)
    vm.AddHardDiskConnection(r"C:\b.vhd", SCSI, 1, 3)
    assert refused(vm.RemoveSCSIController, controllers[0]) == HRESULT.DISP_E_EXCEPTION
    started(guest, vm)
    places = [(disk.BusType, disk.BusNumber, disk.DeviceNumber) for disk in vm.HardDiskConnections]
    assert places == [(SCSI, 0, 6), (SCSI, 1, 3)]
    assert vm.AttachedDriveTypes[1][:2] == ((0, 0, 0, 0, 0, 0, 1), (0, 0, 0, 1, 0, 0, 0))
    # QEMU's own word for it.
    qemu = importlib.import_module("libvirt_qemu")
    tree = qemu.qemuMonitorCommand(guest.domain, "info qtree", qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
    assert sorted(re.findall(r"\bscsi-id = ([0-9]+)", tree)) == ["3", "6"]


@pytest.mark.parametrize("progid", ["VirtualServer.Application", "VirtualPC.Application"])
def test_a_machine_type_without_ide(
    guest_factory: GuestFactory, connection: Any, app: Any, progid: str, tmp_path: Path
) -> None:
    guest = guest_factory(start=False)
    connection.defineXML(guest.xml.replace("machine='pc'", "machine='q35'").replace(
        "<devices>", f"<uuid>{guest.domain.UUIDString()}</uuid><devices>"))  # fmt: skip
    both = vpcshim.CreateObject(progid, PrivateLibvirtd.uri, drives={"C:": str(tmp_path)})
    done(both.CreateDynamicVirtualHardDisk(r"C:\a.vhd", 5))
    vm: Any = both.FindVirtualMachine(guest.name)
    server = progid.startswith("VirtualServer")
    ide, sata = ((IDE, 0, 0), (-1, 200, 3)) if server else ((0, 0), (200, 3))
    with pytest.raises(ComError, match=r"q35.* no IDE bus.*200"):
        vm.AddHardDiskConnection(r"C:\a.vhd", *ide)
    with pytest.raises(ComError, match=r"q35.* no IDE bus.*200"):
        vm.AddDVDROMDrive(*ide)
    made = vm.AddHardDiskConnection(r"C:\a.vhd", *sata)
    assert (made.BusNumber, made.DeviceNumber) == sata[-2:]
    started(guest, vm)
    assert [(disk.BusNumber, disk.DeviceNumber) for disk in vm.HardDiskConnections] == [(200, 3)]


def test_differencing_disks(guest_factory: GuestFactory, app: Any, tmp_path: Path) -> None:
    guest, vm = off(guest_factory, app, disks=(CD,))
    done(app.CreateDynamicVirtualHardDisk(r"C:\base.vhd", 5))
    done(app.CreateDifferencingVirtualHardDisk("diff.qcow2", r"C:\base.vhd"))
    disk = app.GetHardDisk(r"C:\diff.qcow2")
    assert (disk.Type, disk.Parent.File) == (VMHardDiskType.vmDiskType_Differencing, r"C:\base.vhd")
    vm.AddHardDiskConnection(r"C:\diff.qcow2", IDE, 0, 0)
    started(guest, vm)
    base = (tmp_path / "base.vhd").read_bytes()
    guest.check("printf changed | dd of=/dev/sda bs=512 conv=sync && sync")
    assert refused(disk.Merge) == HRESULT.E_SHARING_VIOLATION
    guest.hang_up()
    done(vm.TurnOff())
    assert (tmp_path / "base.vhd").read_bytes() == base
    done(disk.MergeTo(r"C:\whole.vhd", 1))
    assert (tmp_path / "whole.vhd").read_bytes()[:7] == b"changed"
    done(disk.Merge())
    assert (tmp_path / "base.vhd").read_bytes() != base
    done(app.GetHardDisk(r"C:\base.vhd").Convert(r"C:\flat.img", 1))
    assert (tmp_path / "flat.img").read_bytes()[:7] == b"changed"


def test_an_image_that_is_held_is_kept_from_machines(guest_factory: GuestFactory, app: Any, tmp_path: Path) -> None:
    guest, vm = off(guest_factory, app, disks=(CD,))
    done(app.CreateDynamicVirtualHardDisk(r"C:\disk.vhd", 5))
    vm.AddHardDiskConnection(r"C:\disk.vhd", IDE, 0, 0)
    image = tmp_path / "disk.vhd"
    with held(image):
        with pytest.raises(libvirt.libvirtError, match="lock"):
            guest.domain.create()
        with held(image):
            pass  # two may hold it
    started(guest, vm)
    with pytest.raises(ImageBusy), held(image):
        pass


def test_a_start_in_the_middle_of_compacting_is_refused(
    guest_factory: GuestFactory, app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest, vm = off(guest_factory, app, disks=(CD,))
    done(app.CreateDynamicVirtualHardDisk(r"C:\disk.vhd", 8))
    vm.AddHardDiskConnection(r"C:\disk.vhd", IDE, 0, 0)
    inode = os.stat(tmp_path / "disk.vhd").st_ino
    refusals: list[str] = []
    finish = HardDisk._become

    def start_first(disk: HardDisk, target: Path, beside: Path, form: str) -> None:
        """The copy is whole and qemu-img has let go, and the copy is not in its place yet."""
        try:
            guest.domain.create()
        except libvirt.libvirtError as error:
            refusals.append(str(error))
        finish(disk, target, beside, form)

    monkeypatch.setattr(HardDisk, "_become", start_first)
    done(app.GetHardDisk(r"C:\disk.vhd").Compact())
    assert len(refusals) == 1
    assert "lock" in refusals[0]
    assert os.stat(tmp_path / "disk.vhd").st_ino != inode
    started(guest, vm)
    guest.check("dd if=/dev/zero of=/dev/sda bs=1M count=8 && sync")
