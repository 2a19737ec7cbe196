"""Sums over a machine's devices: which count, which fail, and from where they are counted."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from vpcshim.com.member import S_FALSE, SFalse
from vpcshim.hypervisor import runrecord
from vpcshim.hypervisor.counters import Counters, Reading
from vpcshim.hypervisor.domainxml import Nic
from vpcshim.hypervisor.errors import Unreadable
from vpcshim.hypervisor.runrecord import RunRecord

_WAY_OUT = "until the next reset or power-off; raw_counters gives libvirt's own counters"

Field = Callable[[Counters], int | None]


def into(counted: Counters) -> int | None:
    """Bytes received or read."""
    return counted.into


def out(counted: Counters) -> int | None:
    """Bytes sent or written."""
    return counted.out


def total(
    reading: Reading | None, record: RunRecord | None, field: Field, what: str, *, skip_nics: bool
) -> Decimal | SFalse:
    """The sum of one counter over all devices read; S_FALSE for a machine that is off.

    Args:
        reading: What the devices answered.
        record: The record of the run, whose baseline is taken off; None for libvirt's own counters.
        field: `into` or `out`.
        what: The counter in words, for messages.
        skip_nics: Whether NICs without the counter are left out instead of failing the sum.

    Raises:
        Unreadable: A device has no such counter; the message names each of them and why.
    """
    if reading is None:
        return S_FALSE
    amount = 0
    problems = []
    unknown = () if record is None else record.unknown
    for device, got, _, _ in reading.devices:
        if isinstance(got, Unreadable):
            why = str(got)
        elif unknown and (runrecord.NICS if isinstance(device, Nic) else runrecord.DRIVES) in unknown:
            why = f"{device.label}: what it had counted at the last reset is not known ({_WAY_OUT})"
        else:
            count = field(runrecord.since_reset(device, got, record))
            if count is not None:
                amount += count
                continue
            why = f"{device.label}: the hypervisor does not count {what} there"
        if not (skip_nics and isinstance(device, Nic)):
            problems.append(why)
    if problems:
        raise Unreadable(f"{reading.xml.name}: {'; '.join(problems)}")
    return Decimal(amount)
