"""Every source of NIC counters gives the same numbers on real guests, and none serves a NIC it cannot prove."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import libvirt
import pytest

import vpcshim
from tests.harness.guests import Disk, Guest, GuestFactory, GuestMaker, Nic, PrivateLibvirtd
from tests.harness.network import interfaces, ip, tap_counters
from tests.harness.waiting import wait_until
from vpcshim import HRESULT
from vpcshim.hypervisor.counters import Counters, Reading
from vpcshim.hypervisor.domainxml import Nic as XmlNic
from vpcshim.hypervisor.nics import bulk, hostlinks
from vpcshim.model.application import VirtualServer
from vpcshim.model.sweep import Account, sweep_all
from vpcshim.model.virtual_machine import VirtualMachine

Mac = Callable[[], str]
URI = PrivateLibvirtd.uri


@pytest.fixture
def server() -> VirtualServer:
    return vpcshim.CreateObject("VirtualServer.Application", URI)


def row(server: VirtualServer, guest: Guest) -> Account:
    return next(account for account in sweep_all(server) if account.name == guest.name)


def machine(server: VirtualServer, guest: Guest) -> VirtualMachine:
    found = server.FindVirtualMachine(guest.name)
    assert isinstance(found, VirtualMachine)
    return found


def are_out(server: VirtualServer, guest: Guest, sent: int) -> None:
    """QEMU may hold the last frames for a moment after the guest's kernel handed them out."""
    wait_until(
        lambda: row(server, guest).values["NetworkBytesSent"].value == sent, 5, f"{guest.name}: {sent} bytes"
    )


SOURCES = {
    hostlinks.NAME: frozenset({hostlinks.NAME}),
    bulk.NAME: frozenset({bulk.NAME}),
    "interfaceStats": frozenset[str](),
}


def test_all_sources_agree(
    guest_factory: GuestFactory,
    server: VirtualServer,
    host_bridge: str,
    libvirt_network: str,
    mac: Mac,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guests = [
        guest_factory(
            nics=(
                Nic("bridge", mac(), host_bridge),
                Nic("ethernet", mac(), target=f"shimtap{number}"),
                Nic("network", mac(), libvirt_network),
            )
        )
        for number in range(2)
    ]
    machine(server, guests[1]).Reset()
    guests[1].wait_reboot()
    guests[0].send_frames(0, 10, 100)
    guests[1].send_frames(1, 7, 1000)
    guests[1].send_frames(2, 3, 60)
    for guest, sent in zip(guests, (1_000, 7_180), strict=True):
        are_out(server, guest, sent)
    for name, sources in SOURCES.items():
        monkeypatch.setattr(server._server.nics, "sources", sources)
        for guest, sent in zip(guests, (1_000, 7_180), strict=True):
            account = row(server, guest)
            assert account.values["NetworkBytesSent"].value == sent, name
            assert account.nics is not None
            assert {one.source for one in account.nics.devices} == {name}
            expected = [tap_counters(guest.tap(nic)) for nic in range(3)]
            got = [one.got for one in account.nics.devices]
            assert got == [Counters(into=tap.tx_bytes, out=tap.rx_bytes) for tap in expected]
            assert machine(server, guest).Accountant.NetworkBytesSent == sent


def test_a_link_that_is_not_the_nic_is_not_used(
    guest_factory: GuestFactory, server: VirtualServer, mac: Mac
) -> None:
    guest = guest_factory(nics=(Nic("ethernet", mac(), target="shimtap7"),))
    guest.send_frames(0, 10, 100)
    ip("link", "set", "shimtap7", "address", "fe:54:00:99:99:99")
    account = row(server, guest)
    assert account.nics is not None
    (one,) = account.nics.devices
    assert one.source == "interfaceStats"
    assert any("shimtap7 is fe:54:00:99:99:99" in reason for reason in one.declined)
    wait_until(
        lambda: row(server, guest).values["NetworkBytesSent"].value == 1_000, 5, "the reference still serves it"
    )


def test_nics_plugged_and_unplugged_between_sweeps(
    guest_factory: GuestFactory, server: VirtualServer, host_bridge: str, mac: Mac
) -> None:
    guest = guest_factory(nics=(Nic("bridge", mac(), host_bridge),))
    guest.send_frames(0, 10, 100)
    are_out(server, guest, 1_000)
    second = Nic("ethernet", mac(), target="shimhot0")
    guest.domain.attachDevice(second.xml())
    wait_until(lambda: positions(row(server, guest)) == [1, 2], 5, "the second NIC is in the sweep")
    assert machine(server, guest).Accountant.NetworkBytesSent == 1_000
    wait_until(
        lambda: second.mac in guest.check("cat /sys/class/net/*/address"), 20, "the guest has the second NIC"
    )
    guest.domain.detachDevice(second.xml())
    wait_until(lambda: "shimhot0" not in interfaces(), 20, "the guest let go of the second NIC")
    wait_until(lambda: positions(row(server, guest)) == [1], 5, "the second NIC has left the sweep")
    assert row(server, guest).values["NetworkBytesSent"].value == 1_000


def positions(account: Account) -> list[int]:
    assert isinstance(account.nics, Reading), account
    return [one.device.position for one in account.nics.devices if isinstance(one.device, XmlNic)]


def test_freshness_serves_many_reads_with_one_sweep(
    guest_factory: GuestFactory, host_bridge: str, mac: Mac
) -> None:
    guest = guest_factory(nics=(Nic("bridge", mac(), host_bridge),))
    fresh = vpcshim.CreateObject("VirtualServer.Application", URI)
    stale = vpcshim.CreateObject("VirtualServer.Application", URI, freshness=3600)
    accountant = machine(stale, guest).Accountant
    assert accountant.NetworkBytesSent == 0
    guest.send_frames(0, 10, 100)
    wait_until(lambda: machine(fresh, guest).Accountant.NetworkBytesSent == 1_000, 5, "the frames are out")
    assert accountant.NetworkBytesSent == 0, "within its freshness the last sweep serves"


def qemu_pid(guest: Guest) -> int:
    return int(Path(f"/run/libvirt/qemu/{guest.name}.pid").read_text())


def test_a_hung_monitor_delays_nobodys_network(
    guest_factory: GuestFactory,
    guest_maker: GuestMaker,
    server: VirtualServer,
    host_bridge: str,
    mac: Mac,
    quiet_errors: None,
) -> None:
    def make(name: str) -> Guest:
        disk = Disk("vda", guest_maker.make_disk(name, 4))
        return guest_factory(nics=(Nic("bridge", mac(), host_bridge),), disks=(disk,))

    hung, sound = make("hung.raw"), make("sound.raw")
    hung.send_frames(0, 10, 100)
    sound.send_frames(0, 20, 100)
    are_out(server, hung, 1_000)
    are_out(server, sound, 2_000)
    pid = qemu_pid(hung)
    os.kill(pid, signal.SIGSTOP)
    try:
        for guest, sent in ((hung, 1_000), (sound, 2_000)):
            took = []
            for _ in range(5):  # a busy machine may make one of them slow
                began = time.monotonic()
                assert machine(server, guest).Accountant.NetworkBytesSent == sent
                took.append(time.monotonic() - began)
            assert min(took) < 2, "the least that a monitor is waited for"
        began = time.monotonic()
        accounts = {account.name: account for account in sweep_all(server)}
        assert time.monotonic() - began < 60, "the sweep of everything is bounded"
        good, bad = accounts[sound.name], accounts[hung.name]
        assert good.values["DiskBytesRead"].code is HRESULT.S_OK
        assert good.values["NetworkBytesSent"].value == 2_000
        assert bad.values["NetworkBytesSent"].value == 1_000
        assert bad.values["DiskBytesRead"].code is HRESULT.DISP_E_EXCEPTION
        assert "monitor hung or busy" in bad.values["DiskBytesRead"].description
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not row(server, hung).unreadable, 20, "the guest is whole again")


def test_states_of_a_sweep_are_those_of_the_members(
    guest_factory: GuestFactory, server: VirtualServer, connection: libvirt.virConnect
) -> None:
    running, paused, off, saved = guest_factory(), guest_factory(), guest_factory(start=False), guest_factory()
    paused.domain.suspend()
    saved.domain.managedSave()
    for guest in (running, paused, off, saved):
        assert row(server, guest).state.value == machine(server, guest).State
    assert [row(server, guest).state.value for guest in (running, paused, off, saved)] == [5, 6, 1, 2]
