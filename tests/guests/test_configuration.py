"""What is set through the model is what a real guest sees, and what another connection finds."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree

import vpcshim
from tests.harness.guests import Disk, Guest, GuestFactory, PrivateLibvirtd
from tests.harness.waiting import wait_until
from vpcshim import HRESULT
from vpcshim.hypervisor import qemuimg

RAM = "hardware/memory/ram_size"
DMI = {
    "BIOSSerialNumber": "product_serial",
    "BaseBoardSerialNumber": "board_serial",
    "ChassisSerialNumber": "chassis_serial",
    "ChassisAssetTag": "chassis_asset_tag",
}


def application(product: str = "VirtualServer.Application") -> Any:
    return vpcshim.CreateObject(product, PrivateLibvirtd.uri)


def machine(guest: Guest, product: str = "VirtualServer.Application") -> Any:
    return application(product).FindVirtualMachine(guest.name)


def kib_of(guest: Guest) -> int:
    return int(guest.check("grep MemTotal /proc/meminfo").split()[1])


def dmi(guest: Guest, name: str) -> str:
    return guest.check(f"cat /sys/class/dmi/id/{name}").strip()


@pytest.fixture
def off(guest_factory: GuestFactory) -> Guest:
    return guest_factory(start=False)


def test_a_guest_sees_its_memory_and_its_firmware(off: Guest) -> None:
    vm = machine(off)
    assert (vm.Memory, vm.GetConfigurationValue(RAM)) == (96, 96)
    assert [getattr(vm, name) for name in DMI] == ["", "", "", ""]
    off.start()
    before = kib_of(off)
    assert 48 * 1024 < before < 96 * 1024
    assert vm.put_Memory(128) is HRESULT.DISP_E_EXCEPTION
    assert vm.put_ChassisAssetTag("T") is HRESULT.VM_E_VM_RUNNING
    vm.TurnOff().WaitForCompletion(30_000)
    off.hang_up()

    machine(off, "VirtualPC.Application").SetConfigurationValue(RAM, 128)
    assert vm.Memory == 128
    told = {name: f"{number}-4A, x=y <{name[:6]}>" for number, name in enumerate(DMI)}
    for name, value in told.items():
        setattr(vm, name, value)
    off.start()
    assert 31 * 1024 < kib_of(off) - before <= 32 * 1024  # the kernel takes some of it to manage the rest
    assert {name: dmi(off, file) for name, file in DMI.items()} == told
    assert {name: getattr(vm, name) for name in DMI} == told
    assert (
        f"{{{dmi(off, 'product_uuid').upper()}}}" == vm.BIOSGUID == vm.GetActivationValue("hardware/bios/bios_guid")
    )
    assert vm.GetActivationValue(RAM) == 128
    assert vm.ProcessorSpeed > 0


def test_the_cpu_has_what_the_guest_says_it_has(guest_factory: GuestFactory) -> None:
    now = "<feature policy='require' name='3dnow'/>"
    for cpu in ("", f"<cpu mode='custom' match='exact'><model>qemu64</model>{now}</cpu>", "<cpu mode='maximum'/>"):
        guest = guest_factory(extra=cpu, start=False)
        vm = machine(guest)
        before = (vm.HasMMX, vm.HasSSE, vm.HasSSE2, vm.Has3DNow)
        guest.start()
        flags = guest.check("grep -m1 ^flags /proc/cpuinfo").split()
        seen = tuple(flag in flags for flag in ("mmx", "sse", "sse2", "3dnow"))
        assert (vm.HasMMX, vm.HasSSE, vm.HasSSE2, vm.Has3DNow) == seen, cpu
        assert before == seen, cpu
        guest.remove()


def test_activation_values_are_gone_when_the_power_is_off(off: Guest) -> None:
    vm = machine(off)
    vm.SetConfigurationValue("acme/owner", "definition")
    # What runs in the guest does not matter here, so nobody waits until it has booted.
    off.domain.create()
    assert vm.GetActivationValue("acme/owner") == "definition"
    vm.SetActivationValue("acme/owner", "run")
    vm.SetActivationValue("acme/item[@id=1]/bytes", b"\0\r\n\xff")
    # Any other caller finds it, and a reset and a save keep it.
    other = machine(off, "VirtualPC.Application")
    assert other.GetActivationValue("acme/owner") == "run"
    off.domain.reset(0)
    assert other.GetActivationValue("acme/item[@id=1]/bytes") == b"\0\r\n\xff"
    off.managed_save()
    assert vm.raw_SetActivationValue("acme/owner", "saved") is HRESULT.VM_E_PREF_NOT_FOUND
    off.domain.create()
    assert vm.GetActivationValue("acme/owner") == "run"
    vm.TurnOff().WaitForCompletion(30_000)
    out = vpcshim.Variant()
    assert vm.raw_GetActivationValue("acme/owner", out) is HRESULT.VM_E_PREF_NOT_FOUND
    assert vm.GetConfigurationValue("acme/owner") == "definition"
    off.domain.create()
    assert vm.GetActivationValue("acme/owner") == "definition"
    assert vm.raw_GetActivationValue("acme/item[@id=1]/bytes", out) is HRESULT.VM_E_PREF_NOT_FOUND


def test_values_and_notes_outlive_the_daemon(off: Guest, private_libvirtd: PrivateLibvirtd) -> None:
    vm = machine(off)
    values = {"acme/blank": " ", "acme/lines": " a\r\n\tb\n", "acme/odd": "<&>\"'\U0001f40e", "acme/flag": False}
    for key, value in values.items():
        vm.SetConfigurationValue(key, value)
    vm.Notes = "first\r\n  second <&> ä"
    private_libvirtd.kill()
    private_libvirtd.start()
    again = machine(off)
    assert {key: again.GetConfigurationValue(key) for key in values} == values
    assert again.Notes == "first\r\n  second <&> ä"


def test_a_drive_with_an_undo_disk_has_both_paths(guest_factory: GuestFactory, tmp_path: Path) -> None:
    image = tmp_path / "disk.qcow2"
    qemuimg.create(image, format="qcow2", size=1 << 20)
    guest = guest_factory(disks=(Disk("hda", image, format="qcow2"),), start=False)
    vm = machine(guest)
    drive = "hardware/pci_bus/ide_adapter/ide_controller[@id=0]/location[@id=0]"
    undo = f"{drive}/undo_pathname/absolute"
    assert vm.raw_GetConfigurationValue(undo, vpcshim.Variant()) is HRESULT.VM_E_PREF_NOT_FOUND
    vm.SetConfigurationValue("settings/undo_drives/enabled", True)
    vm.Startup().WaitForCompletion(30_000)
    disk = vm.HardDiskConnections(1)
    for get in (vm.GetConfigurationValue, vm.GetActivationValue):
        assert get(f"{drive}/pathname/absolute") == disk.HardDisk.File == str(image)
        assert get(undo) == disk.UndoHardDisk.File != str(image)
        assert get(f"{drive}/drive_type") == 1
    vm.TurnOff().WaitForCompletion(30_000)
    vm.SetConfigurationValue("settings/undo_drives/enabled", False)
    assert vm.GetConfigurationValue(f"{drive}/pathname/absolute") == str(image)
    assert vm.raw_GetConfigurationValue(undo, vpcshim.Variant()) is HRESULT.VM_E_PREF_NOT_FOUND


def test_every_unit_is_what_the_host_and_the_guest_say(guest_factory: GuestFactory) -> None:
    video = "<video><model type='vga' vram='8192'/></video>"
    guest = guest_factory(devices=video, start=False)
    guest.domain.create()
    vm, host = machine(guest), application().HostInfo
    assert vm.GetConfigurationValue("hardware/pci_bus/video_adapter/vram_size") == 8
    assert vm.GetActivationValue(RAM) == vm.Memory == guest.domain.info()[1] // 1024
    meminfo = dict(line.split()[:2] for line in Path("/proc/meminfo").read_text().splitlines())
    assert int(meminfo["MemTotal:"]) // 1024 == host.Memory == application().MaximumMemoryPerVM
    assert host.MemoryTotalString == f"{host.Memory} MB"
    cpuinfo = Path("/proc/cpuinfo").read_text()
    if "cpu MHz" in cpuinfo:
        speeds = [float(line.partition(":")[2]) for line in cpuinfo.splitlines() if line.startswith("cpu MHz")]
        assert min(speeds) * 0.5 <= host.ProcessorSpeed <= max(speeds) * 2
        # It may be another one a moment later.
        wait_until(lambda: host.ProcessorSpeed == vm.ProcessorSpeed, 5, "it is the host's")
    if "physical id" in cpuinfo:
        sockets = {line for line in cpuinfo.splitlines() if line.startswith("physical id")}
        assert host.PhysicalProcessorCount == len(sockets)
    assert host.LogicalProcessorCount == cpuinfo.count("processor\t:")
    for drive in host.HostDrives:
        assert host.GetHostDriveSize(drive) == int(Path("/sys/block", Path(drive).name, "size").read_text()) // 2048
    assert isinstance(host.OSServicePackString, str)


def test_the_host_has_every_address(private_libvirtd: PrivateLibvirtd) -> None:
    before = list(application().HostInfo.NetworkAddresses)
    numbers = [f"198.51.100.{number}" for number in range(1, 81)]
    subprocess.run(["ip", "link", "add", "vpchost0", "type", "bridge"], check=True)
    try:
        for number in numbers:
            subprocess.run(["ip", "address", "add", f"{number}/24", "dev", "vpchost0"], check=True)
        subprocess.run(["ip", "address", "add", "198.51.100.99/32", "dev", "lo"], check=True)
        assert sorted(application().HostInfo.NetworkAddresses) == sorted([*before, *numbers])
    finally:
        subprocess.run(["ip", "address", "del", "198.51.100.99/32", "dev", "lo"], check=False)
        subprocess.run(["ip", "link", "del", "vpchost0"], check=True)


def test_a_machine_runs_under_the_account_that_is_named(guest_factory: GuestFactory, connection: Any) -> None:
    made = guest_factory(start=False)
    # QEMU is to reach nothing but what libvirt makes for it: no kernel, and no sockets in the test's folder.
    root = etree.fromstring(made.domain.XMLDesc())
    for parent, names in (("os", ("kernel", "initrd", "cmdline")), ("devices", ("serial", "console"))):
        place = root.find(parent)
        assert place is not None
        for element in [*place.iterchildren(*names)]:
            place.remove(element)
    connection.defineXML(etree.tostring(root, encoding="unicode"))
    vm = machine(made)
    assert (vm.RunAsDefinedAccount, vm.AccountName) == (False, "")

    def user_of_the_process() -> int:
        pid = Path(f"/run/libvirt/qemu/{made.name}.pid").read_text()
        return os.stat(f"/proc/{pid.strip()}").st_uid

    nobody = pwd.getpwnam("nobody")
    vm.SetAccountNameAndPassword("nobody", "")
    for use, user in ((True, nobody.pw_uid), (False, 0)):
        vm.RunAsDefinedAccount = use
        vm.Startup().WaitForCompletion(30_000)
        assert user_of_the_process() == user
        vm.TurnOff().WaitForCompletion(30_000)
    assert vm.AccountName == f"nobody:+{nobody.pw_gid}"


def test_autostart_is_what_libvirt_keeps(off: Guest) -> None:
    vm = machine(off)
    vm.AutoStartAtLaunch = 1
    assert Path(f"/etc/libvirt/qemu/autostart/{off.name}.xml").is_symlink()
    vm.AutoStartAtLaunch = 0
    assert not Path(f"/etc/libvirt/qemu/autostart/{off.name}.xml").is_symlink()


def test_the_limits_are_what_the_hypervisor_takes(guest_factory: GuestFactory) -> None:
    app = application()
    assert app.MaximumMemoryPerVM >= app.SuggestedMaximumMemoryPerVM > app.MinimumMemoryPerVM
    serials = app.MaximumSerialPortsPerVM - 2  # the guest has two
    parallels, floppies = app.MaximumParallelPortsPerVM, app.MaximumFloppyDrivesPerVM
    assert app.MaximumNumberOfIDEBuses == 2

    def devices(serials: int, parallels: int, floppies: int) -> str:
        drives = (
            f"<disk type='file' device='floppy'><target dev='fd{'abc'[number]}' bus='fdc'/></disk>"
            for number in range(floppies)
        )
        return "<serial type='null'/>" * serials + "<parallel type='null'/>" * parallels + "".join(drives)

    guest_factory(devices=devices(serials, parallels, floppies)).remove()
    for more in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        counts = [count + extra for count, extra in zip((serials, parallels, floppies), more, strict=True)]
        with pytest.raises(libvirt.libvirtError, match=r"(?i)max|only"):
            guest_factory(devices=devices(*counts))
