"""All machines of a server at once, with every number of their accountants: what reports are made of.

Not part of the COM model, which only knows one machine at a time. Each number ends in the same HRESULT, and is the
same, as the accountant's own member gives.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from vpcshim.com.errors import com_error
from vpcshim.com.member import S_FALSE, Member
from vpcshim.com.object import Outcome, outcome_of
from vpcshim.constants import VMVMState
from vpcshim.hypervisor import jobs
from vpcshim.hypervisor.counters import DeviceRead, Reading
from vpcshim.hypervisor.errors import DomainGone, HypervisorError, Unreadable
from vpcshim.hypervisor.states import may_be_restored
from vpcshim.hypervisor.sweep import DomainFacts
from vpcshim.model.accountant import Accountant, total_of
from vpcshim.model.application import Application
from vpcshim.model.hresults import failure_of, is_running, vm_state
from vpcshim.model.machine.state import needs_job, state_of
from vpcshim.model.names import uuid_of
from vpcshim.model.totals import Field, into, out
from vpcshim.model.virtual_machine import VirtualMachine

logger = logging.getLogger(__name__)


class _Sum(NamedTuple):
    """A column that sums a counter over devices."""

    of: str
    field: Field
    what: str


_Readings = dict[str, Reading | HypervisorError | None]

_SUMS: dict[str, _Sum] = {
    "NetworkBytesSent": _Sum("nics", out, "sent bytes"),
    "NetworkBytesReceived": _Sum("nics", into, "received bytes"),
    "DiskBytesRead": _Sum("drives", into, "read bytes"),
    "DiskBytesWritten": _Sum("drives", out, "written bytes"),
}

# The accountant's members in the order in which reports show them.
COLUMNS = (*_SUMS, "CPUUtilization", "UpTime")


@dataclass(frozen=True, slots=True)
class Account:
    """One machine's row.

    Attributes:
        name: The machine's name.
        uuid: Its UUID.
        state: The outcome of `IVMVirtualMachine.State`.
        values: The outcome of each column that was read, by name.
        at: When its network counters were read, on the monotonic clock.
        run: Its domain id, which is new at each start and restore; None when it is off.
        nics: What each NIC answered and which source served it; None for a machine that is off or unreadable.
        drives: What each drive answered; None also where no column is of them.
    """

    name: str
    uuid: str
    state: Outcome
    values: dict[str, Outcome]
    at: float
    run: int | None = None
    nics: Reading | None = None
    drives: Reading | None = None

    def moment(self, column: str) -> tuple[int | None, float]:
        """In which run a column that counts bytes was read (None: it was off), and when, on the monotonic clock.

        The drives are read later than the NICs, by seconds where a monitor is waited for.
        """
        reading = self.drives if _SUMS[column].of == "drives" else self.nics
        return (self.run, self.at) if reading is None else (reading.xml.id, reading.at)

    @property
    def unreadable(self) -> bool:
        """Whether any of it could not be read."""
        return self.state.code.failed or any(value.code.failed for value in self.values.values())

    def sources(self) -> list[NicSource]:
        """Which source served each NIC, and why; none for a machine that is off or unreadable."""
        return [_source(one) for one in ([] if self.nics is None else self.nics.devices)]


class NicSource(NamedTuple):
    """How one NIC was read.

    Attributes:
        label: The NIC: `NIC 1 (vnet0, 52:54:00:00:00:01, type bridge)`.
        source: Which source answered.
        declined: Why the sources that are asked before it did not serve the NIC.
        sent: Bytes that the guest sent since the NIC came to be (resets not taken off); None if not known.
        received: Bytes that it received, likewise.
        error: Why it could not be read; None when it could.
    """

    label: str
    source: str
    declined: tuple[str, ...]
    sent: int | None
    received: int | None
    error: str | None


def _source(one: DeviceRead) -> NicSource:
    if isinstance(one.got, Unreadable):
        return NicSource(one.device.label, one.source, one.declined, None, None, str(one.got))
    return NicSource(one.device.label, one.source, one.declined, one.got.out, one.got.into, None)


class Sweep(NamedTuple):
    """What a sweep brought.

    Attributes:
        accounts: The machines by name, or in the order in which they were asked for.
        unknown: The names that were asked for and are no machine's.
    """

    accounts: list[Account]
    unknown: list[str]


def sweep_all(application: Application, columns: Sequence[str] = COLUMNS) -> list[Account]:
    """The accounts of all machines of the server, by name; raises as `sweep`."""
    return sweep(application, columns).accounts


def sweep(application: Application, columns: Sequence[str] = COLUMNS, names: Sequence[str] = ()) -> Sweep:
    """The accounts of all machines of the server, or of those named; one bad one stops no other.

    Args:
        application: The server, and how it is to be counted.
        columns: Which of `COLUMNS` to read: what is not asked for costs nothing.
        names: The machines, in any case; none for all of them.

    Raises:
        ComError: The machines cannot be listed, or a name may be any of several machines'.
    """
    try:
        return _sweep(application, columns, names)
    except HypervisorError as error:
        raise com_error(failure_of(error), application._source_) from error


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Without Python's cyclic collector, which would walk the growing result of many machines again and again.

    Nothing made here is part of a cycle; what other threads make meanwhile is collected after it.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _sweep(application: Application, columns: Sequence[str], names: Sequence[str]) -> Sweep:
    server, options = application._server, application._options
    unknown: list[str] = []
    if names:
        folded = {name.casefold() for name in names}
        with _collector_paused():
            at, found = server.sweep_some(lambda name: name.casefold() in folded)
        known = [(facts.name, facts.uuid) for facts in found.values()]
        uuids = {name: uuid_of(name, known) for name in names}
        unknown = [name for name, uuid in uuids.items() if uuid is None]
        facts = [found[uuid] for uuid in dict.fromkeys(uuids.values()) if uuid is not None]
    else:
        with _collector_paused():
            at, found = server.sweep(options.freshness)
        facts = sorted(found.values(), key=lambda one: (one.name.casefold(), one.name, one.uuid))
    readings: dict[str, _Readings] = {"nics": {one.uuid: one.nics for one in facts}}
    if any(column in _SUMS and _SUMS[column].of == "drives" for column in columns):
        try:
            readings["drives"] = server.sweep_disks(facts)
        except HypervisorError as error:
            readings["drives"] = dict.fromkeys((one.uuid for one in facts), error)
    if "CPUUtilization" in columns:
        try:
            server.cpu.prepare((one.uuid, one.id) for one in facts if one.id is not None and _is_on(one))
        except HypervisorError as error:
            logger.info("no CPU samples in advance: %s", error)  # each machine's own reading says what is wrong
    hangs_at = time.monotonic() + jobs.PATIENCE  # for all of them: hung machines may be many
    with _collector_paused():
        return Sweep([_account(application, one, columns, readings, at, hangs_at) for one in facts], unknown)


def _account(
    application: Application,
    facts: DomainFacts,
    columns: Sequence[str],
    readings: dict[str, _Readings],
    at: float,
    hangs_at: float,
) -> Account:
    on = _is_on(facts)
    values = {}
    for column in columns:
        if column in _SUMS:
            summed = _SUMS[column]
            work = partial(_sum, summed=summed, reading=readings[summed.of][facts.uuid])
        else:
            work = partial(_OWN[column] if on else _off, facts=facts)
        values[column] = outcome_of(application, _member(column), work)
    state = outcome_of(application, _STATE, partial(_state, facts=facts, hangs_at=hangs_at))
    nics, drives = (readings.get(of, {}).get(facts.uuid) for of in ("nics", "drives"))
    return Account(
        facts.name,
        facts.uuid,
        state,
        values,
        at,
        facts.id if on else None,
        nics if isinstance(nics, Reading) else None,
        drives if isinstance(drives, Reading) else None,
    )


def _state(application: Application, facts: DomainFacts, hangs_at: float) -> VMVMState:
    told = vm_state(facts.state, facts.saved, facts.reason)
    # Bulk statistics tell nothing of jobs; a restore may have ended before the saved machines were listed.
    if not needs_job(facts.state, told) and not may_be_restored(facts.state, facts.reason):
        return told
    try:
        with application._server.connection.domain(facts.uuid) as domain:
            return state_of(domain, max(0.0, hangs_at - time.monotonic()))
    except DomainGone:
        return told  # as it was when all were looked at


def _is_on(facts: DomainFacts) -> bool:
    return is_running(facts.state, facts.id is not None)


def _member(column: str) -> Member:
    member: Member = getattr(Accountant, column)
    return member


_STATE: Member = VirtualMachine.State


def _sum(application: Application, summed: _Sum, reading: Reading | HypervisorError | None) -> Any:
    if isinstance(reading, HypervisorError):
        raise reading
    return total_of(application._server, application._options, reading, summed.field, summed.what)


def _cpu(application: Application, facts: DomainFacts) -> Any:
    if facts.id is None:
        return S_FALSE
    try:
        return application._server.cpu.percent(facts.uuid, facts.id)
    except HypervisorError as error:
        own = _accountant(application, facts)
        return own._unless_over(facts.id, error, lambda: own._sampled(application._server.cpu.percent))


def _uptime(application: Application, facts: DomainFacts) -> Any:
    if not isinstance(facts.nics, Reading):
        return _accountant(application, facts)._up()  # the NICs' trouble left no XML here
    xml = facts.nics.xml
    try:
        return application._server.uptime(xml)
    except HypervisorError as error:
        own = _accountant(application, facts)
        return own._unless_over(xml.id, error, own._up)


def _accountant(application: Application, facts: DomainFacts) -> Accountant:
    return Accountant(application._product_, application._server, application._options, facts.uuid)


_OWN: dict[str, Callable[..., Any]] = {"CPUUtilization": _cpu, "UpTime": _uptime}


def _off(_application: Application, facts: DomainFacts) -> Any:
    return S_FALSE
