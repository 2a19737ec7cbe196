"""IVMAccountant: what a machine has used, and what it may use.

Sources: the IVMAccountant pages of both products' references; libvirt-domain for what stands behind each member.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import S_FALSE, SFalse
from vpcshim.com.variant import VT
from vpcshim.hypervisor import domainxml, scheduler, settings
from vpcshim.hypervisor.counters import Reading
from vpcshim.hypervisor.cpu import WINDOW
from vpcshim.hypervisor.errors import HypervisorError, Unknowable
from vpcshim.model import capacity
from vpcshim.model.base import MachineObject
from vpcshim.model.hresults import runs
from vpcshim.model.options import ConnectionOptions
from vpcshim.model.server import Server
from vpcshim.model.totals import Field, into, out, total

T = TypeVar("T")

_UNKNOWN = (HRESULT.VM_E_VM_UNKNOWN,)
_WEIGHTS = range(1, 10_001)
_LEAST_MAXIMUM = 1.0


class Accountant(
    MachineObject,
    interface="IVMAccountant",
    vs="{DB9F8B99-B758-42EC-B4CC-5F7359367088}",
    vpc="{6376C067-7F57-4D63-B754-06E2E4F51D73}",
):
    """The accountant of one machine (`IVMVirtualMachine.Accountant`).

    The counters start at zero at power-up, reset and restore. S_FALSE, with 0, says that the machine is not
    running; a machine that cannot be read is DISP_E_EXCEPTION, whose description says why.
    """

    # -- bytes ---------------------------------------------------------------------------------------------

    @propget(vs=0x6002000B, vpc=0x60020005, vt=VT.DECIMAL)
    def NetworkBytesSent(self) -> Decimal | SFalse:
        """Bytes that the guest sent through all of its NICs (the sum of interfaceStats' tx_bytes)."""
        return self._network(out, "sent bytes")

    @propget(vs=0x6002000A, vpc=0x60020004, vt=VT.DECIMAL)
    def NetworkBytesReceived(self) -> Decimal | SFalse:
        """Bytes that the guest received through all of its NICs (the sum of interfaceStats' rx_bytes)."""
        return self._network(into, "received bytes")

    @propget(vs=0x60020009, vpc=0x60020003, vt=VT.DECIMAL)
    def DiskBytesWritten(self) -> Decimal | SFalse:
        """Bytes that the guest wrote to all of its drives but floppies (the sum of blockStats' wr_bytes)."""
        return self._disks(out, "written bytes")

    @propget(vs=0x60020008, vpc=0x60020002, vt=VT.DECIMAL)
    def DiskBytesRead(self) -> Decimal | SFalse:
        """Bytes that the guest read from all of its drives but floppies (the sum of blockStats' rd_bytes)."""
        return self._disks(into, "read bytes")

    def _network(self, field: Field, what: str) -> Decimal | SFalse:
        reading = self._server.network(self._uuid, self._options.freshness)
        return total_of(self._server, self._options, reading, field, what)

    def _disks(self, field: Field, what: str) -> Decimal | SFalse:
        return total_of(self._server, self._options, self._server.disks(self._uuid), field, what)

    # -- time ----------------------------------------------------------------------------------------------

    @propget(vs=0x6002000C, vpc=0x60020006, vt=VT.I4)
    def UpTime(self) -> int | SFalse:
        """Seconds since the machine was powered on or restored (a reset does not count)."""
        return self._up()

    def _up(self) -> int | SFalse:
        with self._domain() as domain:
            if not runs(domain):
                return S_FALSE
            xml = self._server.layouts.read(domain)
        if xml.id is None:
            return S_FALSE
        try:
            return self._server.uptime(xml)
        except HypervisorError as error:
            return self._unless_over(xml.id, error, self._up)

    def _unless_over(self, run: int | None, error: HypervisorError, again: Callable[[], T]) -> T | SFalse:
        """What it comes to that something could not be read of a run of the machine.

        Args:
            run: The domain id that it had.
            error: Why it could not be read.
            again: Reads it of the run that is on by now, if that is another one.

        Raises:
            HypervisorError: The error, where the run is still on; or the machine is gone, or in trouble.
        """
        now = self._running_id()
        if now == run:
            raise error
        return S_FALSE if now is None else again()

    # -- CPU -----------------------------------------------------------------------------------------------

    @propget(vs=0x60020006, vpc=0x60020000, vt=VT.I4)
    def CPUUtilization(self) -> int | SFalse:
        """Percent of its vCPUs that the machine used over the last second sampled, 0..100.

        Without a sample of the last seconds the call takes two itself, a second apart.
        """
        return self._sampled(self._server.cpu.percent)

    @propget(vs=0x60020007, vpc=0x60020001, vt=VT.ARRAY | VT.VARIANT, elements=VT.UI1, s_false=(0,) * WINDOW)
    def CPUUtilizationHistory(self) -> tuple[int, ...] | SFalse:
        """The utilisation of each of the last 60 seconds in percent, oldest first.

        A second before this process's first sample of the machine reads 0, as one before power-up does.
        """
        return self._sampled(self._server.cpu.history)

    def _sampled(self, read: Callable[[str, int], T]) -> T | SFalse:
        domain_id = self._running_id()
        if domain_id is None:
            return S_FALSE
        try:
            return read(self._uuid, domain_id)
        except HypervisorError as error:  # samples take a second, in which much may happen to the machine
            return self._unless_over(domain_id, error, lambda: self._sampled(read))

    def _running_id(self) -> int | None:
        with self._domain() as domain:
            domain_id = domain.ID() if runs(domain) else -1
        return domain_id if domain_id >= 0 else None

    # -- scheduling ----------------------------------------------------------------------------------------

    @propget(vs=0x60020001, vt=VT.R8, fails=_UNKNOWN)
    def ReservedSystemCapacity(self) -> float:
        """Percent of the host's CPU capacity that is reserved for the machine while it runs.

        libvirt reserves no CPU time: the value is kept in the machine's metadata, and a machine is only started
        while the reserves of all running machines fit the host.
        """
        with self._domain() as domain:
            return settings.read(domainxml.parse(domain.XMLDesc())).reserve

    @propget(vs=0x60020003, vt=VT.R8, fails=_UNKNOWN)
    def MaximumSystemCapacity(self) -> float:
        """Percent of the host's CPU capacity that the machine may use.

        That is the lower of what its vCPUs may use (vcpu_quota, vcpu_period) and what all of it may use
        (global_quota, global_period).
        """
        with self._domain() as domain:
            tuning = scheduler.read(domain)
            vcpus = domainxml.parse(domain.XMLDesc()).vcpus
            cpus = capacity.host_cpus(domain.connect())
        return capacity.percent_of_limits(tuning.ceiling, tuning.whole, vcpus, cpus)

    @propget(vs=0x60020005, vt=VT.I4, fails=_UNKNOWN)
    def RelativeWeight(self) -> int:
        """The machine's share of the CPUs relative to the other machines' (cpu_shares); higher gets more.

        A machine that is off may have none: then it is not known which it will run with.
        """
        with self._domain() as domain:
            shares = scheduler.read(domain).shares
            if shares is None:
                raise Unknowable(
                    f"{domain.name()}: no weight is set, and the host's default applies while the machine runs"
                )
            return shares

    @propget(vs=0x60020002, vt=VT.R8)
    def AllowableReservedSystemCapacity(self) -> float:
        """The most that may be reserved for the machine: 100 x vCPUs / (host CPUs) percent, at most 100."""
        return self._allowable()

    @propget(vs=0x60020004, vt=VT.R8)
    def AllowableMaximumSystemCapacity(self) -> float:
        """The highest MaximumSystemCapacity: 100 x vCPUs / (host CPUs) percent, at most 100."""
        return self._allowable()

    def _allowable(self) -> float:
        with self._domain() as domain:
            vcpus = domainxml.parse(domain.XMLDesc()).vcpus
            return capacity.allowable(vcpus, capacity.host_cpus(domain.connect()))

    @method(vs=0x60020000, params=(VT.R8, VT.R8, VT.I4), fails=(HRESULT.E_INVALIDARG, *_UNKNOWN))
    def SetSchedulingParameters(
        self, reservedSystemCapacity: float, maxSystemCapacity: float, relativeWeight: int
    ) -> None:
        """Set all three, in the definition and in the running machine; nothing is changed if one is refused.

        Another limit of the whole machine (global_quota) is lifted.

        Args:
            reservedSystemCapacity: Percent of the host, 0 up to maxSystemCapacity.
            maxSystemCapacity: Percent of the host, 1 up to AllowableMaximumSystemCapacity.
            relativeWeight: 1 to 10000.
        """
        with self._domain() as domain:
            vcpus = domainxml.parse(domain.XMLDesc()).vcpus
            cpus = capacity.host_cpus(domain.connect())
        _check_scheduling(
            reservedSystemCapacity, maxSystemCapacity, relativeWeight, capacity.allowable(vcpus, cpus)
        )
        ceiling = capacity.ceiling_of_percent(maxSystemCapacity, vcpus, cpus)
        with self._domain(write=True) as domain:
            before = settings.read(domainxml.parse(domain.XMLDesc())).reserve
            settings.change(domain, lambda kept: replace(kept, reserve=reservedSystemCapacity))
            try:
                scheduler.write(domain, relativeWeight, ceiling)
            except Exception:
                settings.change(domain, lambda kept: replace(kept, reserve=before))
                raise


def total_of(
    server: Server, options: ConnectionOptions, reading: Reading | None, field: Field, what: str
) -> Decimal | SFalse:
    """A reading summed as a caller's options want it; a sweep of all machines comes here too. Raises as `total`."""
    record = None if reading is None or options.raw_counters else server.runs.record(reading.xml, reading.at)
    return total(reading, record, field, what, skip_nics=options.unreadable_nics == "skip")


def _check_scheduling(reserved: float, maximum: float, weight: int, most: float) -> None:
    """Refuse what the documented ranges exclude, and name the argument."""
    problems = []
    if not (math.isfinite(maximum) and _LEAST_MAXIMUM <= maximum <= most):
        problems.append(
            f"maxSystemCapacity is {_LEAST_MAXIMUM:g} to {most:g} percent on this host, not {maximum:g}"
        )
    if not (math.isfinite(reserved) and 0 <= reserved <= maximum):
        problems.append(f"reservedSystemCapacity is 0 to maxSystemCapacity ({maximum:g}) percent, not {reserved:g}")
    if weight not in _WEIGHTS:
        problems.append(f"relativeWeight is {_WEIGHTS[0]} to {_WEIGHTS[-1]}, not {weight}")
    if problems:
        raise Failure(HRESULT.E_INVALIDARG, "; ".join(problems))
