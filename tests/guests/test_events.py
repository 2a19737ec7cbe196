"""Events of real guests: each thing is told once, in its order, whoever did it."""

from __future__ import annotations

import base64
import os
import signal
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import run
from typing import Any

import libvirt
import pytest

import vpcshim
from tests.harness import slow
from tests.harness.guests import Disk, Guest, GuestFactory, GuestMaker, PrivateLibvirtd
from tests.harness.states import OFF, ON, PAUSED, RESTORING, RUNNING, SAVED, SAVING, STOPPING
from tests.harness.waiting import wait_until
from vpcshim.constants import VMVMState
from vpcshim.model.application import Application
from vpcshim.model.virtual_machine import VirtualMachine

PROGIDS = ("VirtualServer.Application", "VirtualPC.Application")

pytestmark = pytest.mark.usefixtures("quiet_errors")


class Heard:
    """A handler that notes everything."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def of(self, *kinds: type) -> list[Any]:
        return [one for one in self.all if isinstance(one, kinds)]

    def OnStateChange(self, state: VMVMState) -> None:
        self.all.append(state)

    def OnReset(self) -> None:
        self.all.append("reset")

    def OnRequestShutdown(self) -> None:
        self.all.append("request")

    def OnTripleFault(self) -> None:
        self.all.append("fault")

    def OnHeartbeatStopped(self) -> None:
        self.all.append("heartbeat")

    def OnEventsLost(self, reason: str) -> None:
        self.all.append(("lost", reason))


class HeardOnVirtualPC(Heard):
    """The same with the events that Virtual PC has beside."""

    def OnGuestShutdown(self) -> None:
        self.all.append("guest shutdown")

    def OnDiskOutOfSpace(self, critically_low: bool) -> None:
        self.all.append(("full", critically_low))


def find(guest: Guest, progid: str = PROGIDS[0]) -> tuple[Application, VirtualMachine]:
    application = vpcshim.CreateObject(progid, PrivateLibvirtd.uri)
    found = application.FindVirtualMachine(guest.name)
    assert isinstance(found, VirtualMachine)
    return application, found


def kill(guest: Guest) -> None:
    """End the guest's QEMU, as a crash of it would."""
    pid = int(Path(f"/run/libvirt/qemu/{guest.name}.pid").read_text())
    os.kill(pid, signal.SIGKILL)


def expect(heard: Heard, *told: Any) -> None:
    """Exactly that, and nothing more within a moment."""
    with suppress(TimeoutError):
        wait_until(lambda: len(heard.all) >= len(told), 20)
    time.sleep(0.7)
    assert heard.all == list(told)
    heard.all.clear()


@pytest.mark.parametrize("progid", PROGIDS)
def test_a_whole_life_in_order(guest_factory: GuestFactory, progid: str) -> None:
    guest = guest_factory(start=False)
    _, vm = find(guest, progid)
    heard = vpcshim.WithEvents(vm, Heard if progid == PROGIDS[0] else HeardOnVirtualPC)
    vm.Startup().WaitForCompletion(-1)
    expect(heard, ON, RUNNING)
    guest.wait_ready()
    vm.Pause()
    vm.Resume()
    expect(heard, PAUSED, RUNNING)
    vm.Reset().WaitForCompletion(-1)
    expect(heard, "reset")
    guest.wait_reboot()
    guest.hang_up()
    vm.Save().WaitForCompletion(-1)
    expect(heard, SAVING, SAVED)
    vm.Startup().WaitForCompletion(-1)
    expect(heard, RESTORING, RUNNING)
    guest.wait_ready()
    guest.send("poweroff -f")
    shutdown = ("request",) if progid == PROGIDS[0] else ("request", "guest shutdown")
    expect(heard, *shutdown, STOPPING, OFF)
    vm.Startup().WaitForCompletion(-1)
    vm.TurnOff().WaitForCompletion(-1)
    expect(heard, ON, RUNNING, STOPPING, OFF)
    heard.close()


def test_all_in_a_row_without_a_pause(guest_factory: GuestFactory) -> None:
    guest = guest_factory()
    _, vm = find(guest)
    heard = vpcshim.WithEvents(vm, Heard)
    guest.hang_up()
    vm.Pause()
    vm.Resume()
    vm.TurnOff().WaitForCompletion(-1)
    vm.Startup().WaitForCompletion(-1)
    guest.domain.suspend()  # somebody else
    vm.Save().WaitForCompletion(-1)
    vm.Startup().WaitForCompletion(-1)
    vm.Resume()
    vm.Save().WaitForCompletion(-1)
    vm.DiscardSavedState()
    assert vm.State == OFF
    life = [PAUSED, RUNNING, STOPPING, OFF, ON, RUNNING, PAUSED, SAVING, SAVED]
    expect(heard, *life, RESTORING, PAUSED, RUNNING, SAVING, SAVED, OFF)


def test_what_others_do_is_told_as_well(guest_factory: GuestFactory) -> None:
    guest = guest_factory(memory_mib=208)
    application, vm = find(guest)
    heard = vpcshim.WithEvents(vm, Heard)

    class OfAll:
        def __init__(self) -> None:
            self.states: list[tuple[str, VMVMState]] = []

        def OnVMStateChange(self, name: str, state: VMVMState) -> None:
            self.states.append((name, state))

    of_all = vpcshim.WithEvents(application, OfAll)
    guest.reboot_from_inside()
    expect(heard, "reset")
    guest.domain.reset()
    expect(heard, "reset")
    guest.wait_reboot()
    if PrivateLibvirtd.why_no_cpu_limits() is None:
        # What pauses it is asked for when it is told of: the save is to go on by then.
        slow.fill_memory(guest, 96)
        slow.hold_back(guest, 1)
    guest.managed_save()
    expect(heard, SAVING, SAVED)
    guest.start()
    wait_until(lambda: RUNNING in heard.all, 10)
    assert [state for state in heard.all if state not in (RESTORING, PAUSED)] == [RUNNING]
    heard.all.clear()
    guest.hang_up()
    guest.domain.destroy()
    wait_until(lambda: OFF in heard.all, 20, str(heard.all))
    time.sleep(0.7)
    # QEMU tells that it heeds the signal, and libvirt may find it gone before it is told.
    assert [state for state in heard.all if state is not STOPPING] == [OFF]
    told = [SAVING, SAVED, RUNNING, OFF]

    def of_this_one() -> list[VMVMState]:
        states = [state for name, state in of_all.states if name == guest.name]
        return [state for state in states if state not in (RESTORING, PAUSED, STOPPING)]

    wait_until(lambda: len(of_this_one()) >= len(told), 10)
    assert of_this_one() == told


def panicking() -> bytes:
    """A program that does what the driver of the panic device does, which the guests lack: one byte to its port."""
    code = bytes.fromhex("b8ac000000 bf03000000 0f05 66ba0505 b001 ee ebfe")  # iopl(3); out 0x505, 1; wait
    at, offset = 0x400000, 64 + 56
    size = offset + len(code)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, at + offset, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, at, at, size, size, 0x1000)
    return header + segment + code


def test_a_guest_that_panics(guest_factory: GuestFactory) -> None:
    guest = guest_factory(devices="<panic model='isa'/>")
    _, vm = find(guest)
    heard = vpcshim.WithEvents(vm, Heard)
    program = base64.b64encode(panicking()).decode()
    guest.send(f"echo {program} | base64 -d > /tmp/panic && chmod 755 /tmp/panic && /tmp/panic")
    wait_until(lambda: OFF in heard.all, 20)
    time.sleep(0.7)
    # QEMU pauses a guest that panics, and which of the two libvirt is told of first is a race within it.
    assert [one for one in heard.all if one is not PAUSED] == ["fault", OFF]


def test_a_hypervisor_that_dies(guest_factory: GuestFactory) -> None:
    guest = guest_factory()
    _, vm = find(guest)
    heard = vpcshim.WithEvents(vm, Heard)
    kill(guest)
    expect(heard, "heartbeat", OFF)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB, in our own mount namespace."""
    run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)], check=True)
    yield tmp_path
    run(["umount", "-l", str(tmp_path)], check=True)


def test_a_disk_without_room_on_the_host(guest_factory: GuestFactory, tiny: Path) -> None:
    image = tiny / "disk.raw"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    disk = (
        f"<disk type='file' device='disk'><driver name='qemu' type='raw' error_policy='enospace'/>"
        f"<source file='{image}'/><target dev='vda' bus='virtio'/></disk>"
    )
    guest = guest_factory(devices=disk)
    _, vm = find(guest, PROGIDS[1])
    heard = vpcshim.WithEvents(vm, HeardOnVirtualPC)
    guest.send("dd if=/dev/zero of=/dev/vda bs=1M count=8 oflag=direct")
    wait_until(lambda: len(heard.all) >= 2, 20, str(heard.all))
    time.sleep(0.7)
    assert sorted(map(str, heard.all)) == sorted(map(str, [("full", True), PAUSED]))


class Media:
    """A handler of a drive that notes everything."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []

    def OnMediaInsert(self, path: str) -> None:
        self.all.append(("in", path))

    def OnMediaEject(self, path: str) -> None:
        self.all.append(("out", path))


@pytest.mark.parametrize(("device", "target", "bus"), [("cdrom", "hdc", "ide"), ("floppy", "fda", "fdc")])
def test_media(guest_factory: GuestFactory, guest_maker: GuestMaker, device: Any, target: str, bus: str) -> None:
    first, second = guest_maker.make_disk(f"{device}1.img", 1), guest_maker.make_disk(f"{device}2.img", 1)
    guest = guest_factory(disks=(Disk(target, first, device=device),))
    _, vm = find(guest)
    drives = vm.DVDROMDrives if device == "cdrom" else vm.FloppyDrives
    media = vpcshim.WithEvents(drives.Item(1), Media)
    disk = f"<disk type='file' device='{device}'>{{}}<target dev='{target}' bus='{bus}'/></disk>"
    guest.domain.updateDeviceFlags(disk.format(f"<source file='{second}'/>"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    wait_until(lambda: len(media.all) >= 2, 10, str(media.all))
    assert media.all == [("out", str(first)), ("in", str(second))]
    media.all.clear()
    guest.domain.updateDeviceFlags(disk.format(""), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    wait_until(lambda: media.all, 10)
    time.sleep(0.5)
    assert media.all == [("out", str(second))]


def test_one_that_blocks_and_one_that_raises_harm_nobody(guest_factory: GuestFactory) -> None:
    guest = guest_factory()
    _, vm = find(guest)
    gate = threading.Event()

    class Blocks:
        def OnReset(self) -> None:
            gate.wait(60)

    class Raises:
        def OnReset(self) -> None:
            raise RuntimeError("a defect of the script")

    blocks, raises = vpcshim.WithEvents(vm, Blocks), vpcshim.WithEvents(vm, Raises)
    heard = vpcshim.WithEvents(vm, Heard)
    guest.domain.reset()
    guest.wait_reboot()
    vm.Pause()
    vm.Resume()
    expect(heard, "reset", PAUSED, RUNNING)
    # The accountant's baseline was taken all the same.
    run_record = vm._server.runs
    wait_until(lambda: _baseline(guest) is not None, 5, "a baseline of the reset")
    assert run_record is vm._server.runs
    gate.set()
    blocks.close()
    raises.close()


def _baseline(guest: Guest) -> str | None:
    text = guest.domain.XMLDesc()
    return text if "urn:vpcshim:run:1" in text else None


def test_the_daemon_is_killed_and_comes_back(
    guest_factory: GuestFactory, private_libvirtd: PrivateLibvirtd
) -> None:
    guest = guest_factory()
    _, vm = find(guest)
    heard = vpcshim.WithEvents(vm, Heard)
    private_libvirtd.kill()
    wait_until(lambda: heard.all, 20, "the marker")
    guest.hang_up()
    kill(guest)
    private_libvirtd.start()
    wait_until(lambda: OFF in heard.all, 30, str(heard.all))
    # It may be seen as running still, until the daemon finds its process gone.
    told = [one[0] if isinstance(one, tuple) else one for one in heard.all if one != "heartbeat"]
    assert told == ["lost", OFF], heard.all
