"""IVMAccountant on real QEMU guests whose traffic is known to the byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

import vpcshim
from tests.harness.guests import Disk, Guest, GuestFactory, GuestMaker, Nic, PrivateLibvirtd
from tests.harness.network import tap_counters
from tests.harness.waiting import wait_until
from vpcshim import HRESULT, constants
from vpcshim.model.accountant import Accountant
from vpcshim.model.application import VirtualPC, VirtualServer
from vpcshim.model.virtual_machine import VirtualMachine

Mac = Callable[[], str]
URI = PrivateLibvirtd.uri


@pytest.fixture
def server() -> VirtualServer:
    return vpcshim.CreateObject("VirtualServer.Application", URI)


@pytest.fixture
def three_nics(guest_factory: GuestFactory, host_bridge: str, libvirt_network: str, mac: Mac) -> Guest:
    return guest_factory(
        nics=(
            Nic("bridge", mac(), host_bridge),
            Nic("ethernet", mac(), target="shimtap0"),
            Nic("network", mac(), libvirt_network),
        )
    )


def machine(application: VirtualServer | VirtualPC, guest: Guest) -> VirtualMachine:
    found = application.FindVirtualMachine(guest.name.upper())
    assert isinstance(found, VirtualMachine)
    return found


def settled(accountant: Accountant, expected: int) -> None:
    """QEMU may hold the last frames for a moment after the guest's kernel handed them out."""
    wait_until(lambda: accountant.NetworkBytesSent >= expected, 5, f"{expected} bytes sent")


def on_the_taps(guest: Guest) -> int:
    """What the host's own counters say that its taps received from the guest."""
    return sum(tap_counters(guest.tap(nic)).rx_bytes for nic in range(len(guest.nics)))


@pytest.mark.parametrize("product", ["VirtualServer.Application", "VirtualPC.Application"])
def test_sent_bytes_are_the_taps_to_the_byte(three_nics: Guest, product: str) -> None:
    accountant = machine(vpcshim.CreateObject(product, URI), three_nics).Accountant
    assert accountant.NetworkBytesSent == 0
    three_nics.send_frames(0, 100, 60)
    three_nics.send_frames(1, 250, 1000)
    three_nics.send_frames(2, 7, 1514)
    settled(accountant, 266_598)
    first = accountant.NetworkBytesSent
    assert isinstance(first, Decimal)
    assert first == 100 * 60 + 250 * 1000 + 7 * 1514 == on_the_taps(three_nics)
    three_nics.send_frames(2, 333, 777)
    settled(accountant, 266_598 + 333 * 777)
    assert accountant.NetworkBytesSent - first == 333 * 777
    time.sleep(0.5)
    assert accountant.NetworkBytesSent == on_the_taps(three_nics), "the guest is silent"


def test_received_bytes_are_the_other_direction(three_nics: Guest, server: VirtualServer) -> None:
    from tests.harness.network import send_frames

    accountant = machine(server, three_nics).Accountant
    before = accountant.NetworkBytesReceived
    send_frames(three_nics.tap(1), 20, 500)
    wait_until(lambda: accountant.NetworkBytesReceived >= before + 10_000, 5, "frames received")
    assert accountant.NetworkBytesReceived - before == 10_000
    assert accountant.NetworkBytesSent == 0


def test_off_is_s_false_and_power_up_starts_at_zero(three_nics: Guest, server: VirtualServer) -> None:
    vm = machine(server, three_nics)
    three_nics.send_frames(0, 10, 100)
    settled(vm.Accountant, 1000)
    vm.TurnOff().WaitForCompletion(-1)
    assert vm.State == constants.vmVMState_TurnedOff
    out = vpcshim.Variant()
    assert vm.Accountant.get_NetworkBytesSent(out) is HRESULT.S_FALSE
    assert (out.vt, out.value) == (vpcshim.VT.DECIMAL, 0)
    vm.Startup().WaitForCompletion(-1)
    assert vm.State == constants.vmVMState_Running
    assert vm.Accountant.NetworkBytesSent == 0
    assert vm.Accountant.UpTime < 30


def test_paused_is_still_readable(three_nics: Guest, server: VirtualServer) -> None:
    vm = machine(server, three_nics)
    three_nics.send_frames(0, 10, 100)
    settled(vm.Accountant, 1000)
    vm.Pause()
    assert vm.State == constants.vmVMState_Paused
    out = vpcshim.Variant()
    assert vm.Accountant.get_NetworkBytesSent(out) is HRESULT.S_OK
    assert out.value == 1000
    vm.Resume()
    assert vm.State == constants.vmVMState_Running


def test_reset_starts_at_zero_and_a_second_process_sees_it(three_nics: Guest, server: VirtualServer) -> None:
    vm = machine(server, three_nics)
    three_nics.send_frames(1, 10, 100)
    settled(vm.Accountant, 1000)
    vm.Reset().WaitForCompletion(-1)
    assert vm.Accountant.NetworkBytesSent == 0
    three_nics.wait_reboot()
    three_nics.send_frames(1, 3, 200)
    settled(vm.Accountant, 600)
    assert vm.Accountant.NetworkBytesSent == 600
    assert on_the_taps(three_nics) == 1600, "libvirt and the host count on"
    assert elsewhere(three_nics) == "600"
    assert elsewhere(three_nics, "raw_counters=True") == "1600"


def elsewhere(guest: Guest, options: str = "") -> str:
    """The bytes sent as another process reads them."""
    script = (
        "import vpcshim\n"
        f"vs = vpcshim.CreateObject('VirtualServer.Application', '{URI}', {options})\n"
        f"print(vs.FindVirtualMachine('{guest.name}').Accountant.NetworkBytesSent)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=180, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("how", ["virsh", "guest"])
def test_a_reset_by_others_is_seen_by_whoever_listens(three_nics: Guest, server: VirtualServer, how: str) -> None:
    vm = machine(server, three_nics)
    three_nics.send_frames(0, 10, 100)
    settled(vm.Accountant, 1000)
    if how == "virsh":
        three_nics.reset()
    else:
        three_nics.reboot_from_inside()
    wait_until(lambda: vm.Accountant.NetworkBytesSent == 0, 5, "the counters start again at zero")
    three_nics.send_frames(0, 2, 100)
    settled(vm.Accountant, 200)
    assert vm.Accountant.NetworkBytesSent == 200
    assert elsewhere(three_nics) == "200"


def test_restore_starts_at_zero(three_nics: Guest, server: VirtualServer) -> None:
    vm = machine(server, three_nics)
    vm.Reset().WaitForCompletion(-1)  # so that a baseline is in the metadata that the saved image carries
    three_nics.wait_reboot()
    three_nics.send_frames(1, 50, 1000)
    settled(vm.Accountant, 50_000)
    task = vm.Save()
    task.WaitForCompletion(-1)
    assert (task.IsComplete, task.Result) == (True, constants.vmTaskResult_Success)
    assert vm.State == constants.vmVMState_Saved
    out = vpcshim.Variant()
    assert vm.Accountant.get_NetworkBytesSent(out) is HRESULT.S_FALSE
    vm.Startup().WaitForCompletion(-1)
    three_nics.wait_ready()
    assert vm.Accountant.NetworkBytesSent < 50_000
    # A restored QEMU announces itself for a second or so, and may do so between two reads.
    wait_until(lambda: vm.Accountant.NetworkBytesSent == on_the_taps(three_nics), 5, "it is what the taps have")
    assert vm.Accountant.UpTime < 30
    with pytest.raises(vpcshim.ComError, match="VM_E_VM_RUNNING"):
        vm.DiscardSavedState()


def test_discard_saved_state(three_nics: Guest, server: VirtualServer) -> None:
    vm = machine(server, three_nics)
    vm.Save().WaitForCompletion(-1)
    vm.DiscardSavedState()
    assert vm.State == constants.vmVMState_TurnedOff
    with pytest.raises(vpcshim.ComError, match="VM_E_VM_NO_SAVED_STATE"):
        vm.DiscardSavedState()


def test_a_user_nic_fails_by_name_and_is_skipped_when_asked(
    guest_factory: GuestFactory, host_bridge: str, mac: Mac, quiet_errors: None
) -> None:
    user_mac = mac()
    guest = guest_factory(nics=(Nic("bridge", mac(), host_bridge), Nic("user", user_mac)))
    guest.send_frames(0, 10, 100)
    strict = machine(vpcshim.CreateObject("VirtualServer.Application", URI), guest).Accountant
    with pytest.raises(vpcshim.ComError) as caught:
        _ = strict.NetworkBytesSent
    assert caught.value.scode == HRESULT.DISP_E_EXCEPTION
    assert user_mac in caught.value.description
    assert "NIC 2" in caught.value.description
    lenient = vpcshim.CreateObject("VirtualServer.Application", URI, unreadable_nics="skip")
    settled(machine(lenient, guest).Accountant, 1000)
    assert machine(lenient, guest).Accountant.NetworkBytesSent == 1000


def test_no_nic_at_all_is_zero(guest_factory: GuestFactory, server: VirtualServer) -> None:
    out = vpcshim.Variant()
    accountant = machine(server, guest_factory()).Accountant
    assert accountant.get_NetworkBytesSent(out) is HRESULT.S_OK
    assert out.value == 0


def test_disk_bytes(guest_factory: GuestFactory, guest_maker: GuestMaker, server: VirtualServer) -> None:
    disks = (
        Disk("vda", guest_maker.make_disk("first.raw", 8)),
        Disk("vdb", guest_maker.make_disk("second.raw", 8)),
        Disk("hdc", device="cdrom"),
        Disk("fda", guest_maker.make_disk("floppy.raw", 1), device="floppy"),
    )
    guest = guest_factory(disks=disks)
    vm = machine(server, guest)
    read, written = vm.Accountant.DiskBytesRead, vm.Accountant.DiskBytesWritten
    guest.read_disk("vda", 3)
    guest.read_disk("vdb", 1)
    guest.write_disk("vdb", 2)
    assert vm.Accountant.DiskBytesRead - read == 4 << 20
    assert vm.Accountant.DiskBytesWritten - written == 2 << 20
    vm.Reset().WaitForCompletion(-1)
    assert vm.Accountant.DiskBytesWritten == 0
    guest.wait_reboot()
    guest.write_disk("vda", 1)
    assert vm.Accountant.DiskBytesWritten == 1 << 20


def test_uptime_is_the_age_of_the_process_and_survives_a_reset(guest_factory: GuestFactory) -> None:
    before = time.monotonic()
    guest = guest_factory()  # started by somebody else, while nobody listened
    accountant = machine(vpcshim.CreateObject("VirtualPC.Application", URI), guest).Accountant
    time.sleep(1.5)
    up = accountant.UpTime
    assert 1 <= up <= time.monotonic() - before + 1
    guest.reset()
    assert accountant.UpTime >= up


def test_cpu_utilization_follows_the_load(guest_factory: GuestFactory, server: VirtualServer) -> None:
    guest = guest_factory()
    accountant = machine(server, guest).Accountant
    wait_until(lambda: accountant.CPUUtilization < 15, 10, "the guest has nothing to do once it has booted")
    guest.spin()
    # Others may want the CPU as well: how much of it the guest has is theirs to say.
    wait_until(lambda: accountant.CPUUtilization > 30, 20, "the guest's load is seen")
    history = accountant.CPUUtilizationHistory
    assert len(history) == 60
    assert max(history) > 30
    out = vpcshim.Variant()
    assert accountant.get_CPUUtilizationHistory(out) is HRESULT.S_OK
    assert (out.vt, out.elements) == (vpcshim.VT.ARRAY | vpcshim.VT.VARIANT, vpcshim.VT.UI1)
    guest.stop_spinning()


def test_scheduling_parameters_are_in_force_and_kept(guest_factory: GuestFactory, server: VirtualServer) -> None:
    guest = guest_factory()
    vm = machine(server, guest)
    accountant = vm.Accountant
    most = accountant.AllowableMaximumSystemCapacity
    assert accountant.MaximumSystemCapacity == most
    assert accountant.ReservedSystemCapacity == 0
    accountant.SetSchedulingParameters(5, most / 5, 200)
    guest.spin()
    assert guest.seconds_to_use(0.4) > 1, "a fifth of a CPU"
    for _ in range(2):
        assert accountant.RelativeWeight == 200
        assert accountant.MaximumSystemCapacity == pytest.approx(most / 5, rel=1e-4)
        assert accountant.ReservedSystemCapacity == 5
        assert server.AvailableSystemCapacity == 95
        vm.TurnOff().WaitForCompletion(-1)
        assert accountant.RelativeWeight == 200
        assert accountant.ReservedSystemCapacity == 5
        assert server.AvailableSystemCapacity == 100
        vm.Startup().WaitForCompletion(-1)


@pytest.mark.parametrize(
    ("reserved", "maximum", "weight", "named"),
    [
        (-1, 10, 100, "reservedSystemCapacity"),
        (11, 10, 100, "reservedSystemCapacity"),
        (0, 0.5, 100, "maxSystemCapacity"),
        (0, 100.1, 100, "maxSystemCapacity"),
        (0, float("nan"), 100, "maxSystemCapacity"),
        (0, 10, 0, "relativeWeight"),
        (0, 10, 10_001, "relativeWeight"),
    ],
)
def test_scheduling_out_of_range_changes_nothing(
    guest_factory: GuestFactory,
    server: VirtualServer,
    reserved: float,
    maximum: float,
    weight: int,
    named: str,
) -> None:
    accountant = machine(server, guest_factory(start=False)).Accountant
    accountant.SetSchedulingParameters(1, 20, 300)
    with pytest.raises(vpcshim.ComError, match=named) as caught:
        accountant.SetSchedulingParameters(reserved, maximum, weight)
    assert caught.value.scode == HRESULT.E_INVALIDARG
    assert (accountant.ReservedSystemCapacity, accountant.RelativeWeight) == (1, 300)
    assert accountant.MaximumSystemCapacity == pytest.approx(20)


def test_a_reserve_that_does_not_fit_is_not_admitted(guest_factory: GuestFactory, server: VirtualServer) -> None:
    first, second, third = (guest_factory(start=False) for _ in range(3))
    for guest in (first, second, third):
        machine(server, guest).Accountant.SetSchedulingParameters(50, 50, 100)
    machine(server, first).Startup().WaitForCompletion(-1)
    machine(server, second).Startup().WaitForCompletion(-1)
    assert server.AvailableSystemCapacity == 0
    with pytest.raises(vpcshim.ComError, match="reserves 50 percent") as caught:
        machine(server, third).Startup().WaitForCompletion(-1)
    assert caught.value.scode == HRESULT.VM_E_OUT_OF_RESOURCE
    assert machine(server, third).State == constants.vmVMState_TurnedOff
    machine(server, first).TurnOff().WaitForCompletion(-1)
    machine(server, third).Startup().WaitForCompletion(-1)
    assert machine(server, third).State == constants.vmVMState_Running


def test_identity(three_nics: Guest, server: VirtualServer) -> None:
    vm = machine(server, three_nics)
    assert vm.Name == three_nics.name
    assert vm.ConfigID == f"{{{three_nics.domain.UUIDString().upper()}}}"
    assert vm.File == f"/etc/libvirt/qemu/{three_nics.name}.xml"
    assert server.FindVirtualMachine("no such machine") is None
    assert 0 <= server.UpTime < 3600


def test_a_run_is_not_mistaken_for_another_of_the_same_id(
    three_nics: Guest, private_libvirtd: PrivateLibvirtd
) -> None:
    """Ids begin again with the daemon: a baseline that a saved image carries is not that of the restored run."""

    def saved_and_restored_by_a_new_daemon() -> None:
        connection = private_libvirtd.open()
        connection.lookupByName(three_nics.name).managedSave()
        connection.close()
        private_libvirtd.restart()
        connection = private_libvirtd.open()
        connection.lookupByName(three_nics.name).create()
        three_nics.domain = connection.lookupByName(three_nics.name)

    saved_and_restored_by_a_new_daemon()
    run = three_nics.domain.ID()
    # A restored QEMU announces itself on each NIC: the baseline is what it said by then.
    wait_until(lambda: on_the_taps(three_nics) >= 60, 10, "the guest's NICs announce themselves")
    before = on_the_taps(three_nics)
    machine(vpcshim.CreateObject("VirtualServer.Application", URI), three_nics).Reset().WaitForCompletion(-1)
    saved_and_restored_by_a_new_daemon()
    assert three_nics.domain.ID() == run
    wait_until(lambda: on_the_taps(three_nics) >= max(before, 60), 15, "they announce themselves again")
    accountant = machine(vpcshim.CreateObject("VirtualServer.Application", URI), three_nics).Accountant
    wait_until(lambda: accountant.NetworkBytesSent == on_the_taps(three_nics), 3, "nothing is taken off")


def test_a_reset_by_a_raw_reader_is_a_reset_for_the_others(three_nics: Guest, server: VirtualServer) -> None:
    vm = machine(server, three_nics)
    three_nics.send_frames(0, 10, 100)
    settled(vm.Accountant, 1000)
    raw = machine(vpcshim.CreateObject("VirtualServer.Application", URI, raw_counters=True), three_nics)
    raw.Reset().WaitForCompletion(-1)
    assert raw.Accountant.NetworkBytesSent == 1000
    wait_until(lambda: vm.Accountant.NetworkBytesSent == 0, 5, "the other application hears of it")
    assert elsewhere(three_nics) == "0"


def test_a_hung_guest_does_not_hold_up_the_baseline_of_another(
    guest_factory: GuestFactory, guest_maker: GuestMaker, server: VirtualServer, host_bridge: str, mac: Mac
) -> None:
    def make(name: str) -> Guest:
        disk = Disk("vda", guest_maker.make_disk(name, 4))
        return guest_factory(nics=(Nic("bridge", mac(), host_bridge),), disks=(disk,))

    hung, other = make("hung.raw"), make("other.raw")
    for guest in (hung, other):
        guest.send_frames(0, 10, 100)
        settled(machine(server, guest).Accountant, 1000)
    pid = int(Path(f"/run/libvirt/qemu/{hung.name}.pid").read_text())
    hung.domain.reset()
    os.kill(pid, signal.SIGSTOP)
    try:
        other.domain.reset()
        wait_until(lambda: machine(server, other).Accountant.NetworkBytesSent == 0, 10, "the other's baseline")
        began = time.monotonic()
        with pytest.raises(vpcshim.ComError):
            _ = machine(server, hung).Accountant.DiskBytesRead
        assert time.monotonic() - began < 30
    finally:
        os.kill(pid, signal.SIGCONT)
