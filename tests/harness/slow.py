"""Guests whose save and restore take their time, however fast the machine is."""

from __future__ import annotations

from pathlib import Path

import libvirt

from tests.harness import needs
from tests.harness.guests import Guest, GuestFactory, PrivateLibvirtd

_MIB = 144
_PERIOD = 100_000
# Of a CPU, in percent: a start or a restore then takes five seconds or more, with all that QEMU does then.
_STARTING = 5


def fill_memory(guest: Guest, mib: int) -> None:
    """Let the guest use that much memory, of pages that are not all zeros: those would cost nothing to save."""
    guest.check(
        f"mount -o remount,size={mib + 32}m /tmp && dd if=/dev/urandom of=/tmp/chunk bs=1M count=8"
        f" && for i in $(seq {mib // 8 - 1}); do cat /tmp/chunk; done > /tmp/memory",
        timeout=120,
    )


def slow_down(guest: Guest) -> None:
    """Give QEMU's own threads little of a CPU, now and when it is started or restored: they save and load."""
    quota = {"emulator_period": _PERIOD, "emulator_quota": _PERIOD * _STARTING // 100}
    for flag in (libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG):
        guest.domain.setSchedulerParametersFlags(quota, flag)


def hold_back(guest: Guest, percent: int) -> None:
    """Give the QEMU that runs now less still, and libvirt does not know: its own number goes into a saved state."""
    pid = Path(f"/run/libvirt/qemu/{guest.name}.pid").read_text().strip()
    groups: dict[str, str] = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), path)
    quota = _PERIOD * percent // 100
    if "cpu" in groups:
        (file,) = Path("/sys/fs/cgroup").glob(f"cpu*{groups['cpu']}/cpu.cfs_quota_us")
        file.write_text(str(quota))
    else:
        Path(f"/sys/fs/cgroup{groups['']}/cpu.max").write_text(f"{quota} {_PERIOD}")


def slow_guest(guest_factory: GuestFactory) -> Guest:
    """A guest with 144 MiB to save with one percent of a CPU: that takes six seconds and more."""
    why = PrivateLibvirtd.why_no_cpu_limits()
    if why:
        needs.missing(why)
    guest = guest_factory(memory_mib=256)
    fill_memory(guest, _MIB)
    slow_down(guest)
    hold_back(guest, 1)
    guest.hang_up()
    return guest
