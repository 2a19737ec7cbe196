"""The guest harness tells the truth: shown with libvirt-python alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import libvirt
import pytest

from tests.harness import needs, network
from tests.harness.events import RebootLog
from tests.harness.guests import Disk, Guest, GuestFactory, GuestMaker, Nic, PrivateLibvirtd
from tests.harness.network import tap_counters
from tests.harness.waiting import wait_until

Mac = Callable[[], str]


def tx_of(guest: Guest, nic: int) -> tuple[int, int]:
    """What libvirt says the guest sent: (bytes, packets)."""
    stats = guest.domain.interfaceStats(guest.tap(nic))
    return stats[4], stats[5]


def test_counts_to_the_byte_and_survives_a_reset(
    guest_factory: GuestFactory, host_bridge: str, libvirt_network: str, mac: Mac, connection: Any
) -> None:
    guest = guest_factory(
        nics=(
            Nic("bridge", mac(), host_bridge),
            Nic("ethernet", mac(), target="shimtap0"),
            Nic("network", mac(), libvirt_network),
        )
    )
    assert [tx_of(guest, nic) for nic in range(3)] == [(0, 0)] * 3
    for nic, (count, size) in enumerate([(100, 60), (250, 1000), (7, 1514)]):
        guest.send_frames(nic, count, size)
    # The guest's kernel has handed all frames out; QEMU may hold the last of them for a moment.
    wait_until(lambda: [tx_of(guest, nic)[1] for nic in range(3)] == [100, 250, 7], 5, "all frames are on the taps")
    sent = [tx_of(guest, nic) for nic in range(3)]
    assert sent == [(6_000, 100), (250_000, 250), (10_598, 7)]
    for nic in range(3):
        host = tap_counters(guest.tap(nic))
        assert (host.rx_bytes, host.rx_packets, host.rx_drops, host.tx_packets) == (*sent[nic], 0, 0)

    time.sleep(1)
    assert [tx_of(guest, nic) for nic in range(3)] == sent, "the guest is silent"

    with RebootLog(connection) as log:
        guest.reset()
        wait_until(lambda: log.of(guest.name), 5, "a REBOOT event")
        assert [tx_of(guest, nic) for nic in range(3)] == sent, "libvirt keeps the counters across a reset"
        seen = len(log.seen)
        guest.reboot_from_inside()
        wait_until(lambda: len(log.seen) > seen, 5, "a REBOOT event of the guest's own reboot")


def test_host_can_send_to_the_guest(guest_factory: GuestFactory, host_bridge: str, mac: Mac) -> None:
    guest = guest_factory(nics=(Nic("bridge", mac(), host_bridge),))
    network.send_frames(guest.tap(), 20, 500)
    # A tap counts what it sends when QEMU has taken it.
    wait_until(lambda: guest.domain.interfaceStats(guest.tap())[1] >= 20, 5, "QEMU has them")
    stats = guest.domain.interfaceStats(guest.tap())
    assert (stats[0], stats[1], stats[4]) == (10_000, 20, 0)
    device = guest.device(0)
    wait_until(
        lambda: guest.check(f"cat /sys/class/net/{device}/statistics/rx_packets").strip() == "20",
        5,
        "the guest has them",
    )


def test_frames_end_at_the_bridge(guest_factory: GuestFactory, host_bridge: str, mac: Mac) -> None:
    first = guest_factory(nics=(Nic("bridge", mac(), host_bridge),))
    second = guest_factory(nics=(Nic("bridge", mac(), host_bridge),))
    first.send_frames(0, 10, 100)
    wait_until(lambda: tx_of(first, 0)[1] == 10, 5, "all frames are on the first tap")
    assert tap_counters(second.tap()).tx_packets == 0
    first.send_frames(0, 10, 100, to="ff:ff:ff:ff:ff:ff")
    wait_until(lambda: tap_counters(second.tap()).tx_packets >= 10, 5, "the second guest has those to all")
    assert tap_counters(second.tap()).tx_packets == 10


def test_managed_save_and_restore(guest_factory: GuestFactory, mac: Mac) -> None:
    guest = guest_factory(nics=(Nic("ethernet", mac(), target="shimtap1"),))
    guest.check("echo kept > /tmp/note")
    guest.send_frames(0, 50, 100)
    boot, number = guest.boot_id, guest.domain.ID()
    guest.managed_save()
    assert guest.domain.hasManagedSaveImage()
    assert "shimtap1" not in network.interfaces()
    guest.start()
    assert guest.check("cat /tmp/note") == "kept\n"
    assert guest.boot_id == boot
    assert guest.domain.ID() != number
    assert tx_of(guest, 0)[0] < 5_000, "the tap is a new one"


def test_disk_bytes(guest_factory: GuestFactory, guest_maker: GuestMaker) -> None:
    guest = guest_factory(disks=(Disk("vda", guest_maker.make_disk("disk.raw", 8)), Disk("hdc", device="cdrom")))
    before = guest.domain.blockStats("vda")
    guest.read_disk("vda", 3)
    guest.write_disk("vda", 2)
    after = guest.domain.blockStats("vda")
    assert (after[1] - before[1], after[3] - before[3]) == (3 << 20, 2 << 20)


def test_cpu_can_be_limited(guest_factory: GuestFactory) -> None:
    reason = PrivateLibvirtd.why_no_cpu_limits()
    if reason:
        needs.missing(f"CPU limits: {reason}")
    guest = guest_factory()
    guest.domain.setSchedulerParameters({"vcpu_period": 100_000, "vcpu_quota": 20_000})
    guest.spin()
    assert guest.seconds_to_use(0.4) > 1
    guest.stop_spinning()


def test_shutdown_is_obeyed(guest_factory: GuestFactory) -> None:
    guest = guest_factory()
    guest.domain.shutdown()
    wait_until(lambda: not guest.domain.isActive(), 20, "the guest powers off")
    guest.start()


def test_guests_outlive_their_daemon(
    guest_factory: GuestFactory, private_libvirtd: PrivateLibvirtd, mac: Mac, quiet_errors: None
) -> None:
    guest = guest_factory(nics=(Nic("user", mac()),))
    private_libvirtd.kill()
    with pytest.raises(libvirt.libvirtError):
        guest.domain.info()
    assert guest.check("echo alive") == "alive\n"
    private_libvirtd.start()
    connection = private_libvirtd.open()
    assert connection.lookupByName(guest.name).isActive()
    connection.close()
