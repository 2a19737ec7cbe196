"""Guests whose save and restore take their time, however fast the machine is."""

from __future__ import annotations

import libvirt

from tests.harness import needs
from tests.harness.guests import Guest, GuestFactory, PrivateLibvirtd

_MIB = 144


def fill_memory(guest: Guest, mib: int) -> None:
    """Let the guest use that much memory, of pages that are not all zeros: those would cost nothing to save."""
    guest.check(
        f"mount -o remount,size={mib + 32}m /tmp && dd if=/dev/urandom of=/tmp/chunk bs=1M count=8"
        f" && for i in $(seq {mib // 8 - 1}); do cat /tmp/chunk; done > /tmp/memory",
        timeout=120,
    )


def slow_down(guest: Guest, percent: int) -> None:
    """Give QEMU's own threads so much of a CPU, now and when it is started or restored: they save and load."""
    quota = {"emulator_period": 100_000, "emulator_quota": 1000 * percent}
    for flag in (libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG):
        guest.domain.setSchedulerParametersFlags(quota, flag)


def slow_guest(guest_factory: GuestFactory, percent: int) -> Guest:
    """A guest with 144 MiB to save at that speed: ten percent of a CPU take a second for it."""
    why = PrivateLibvirtd.why_no_cpu_limits()
    if why:
        needs.missing(why)
    guest = guest_factory(memory_mib=256)
    fill_memory(guest, _MIB)
    slow_down(guest, percent)
    guest.hang_up()
    return guest
