"""All machines of a server at once, with every number of their accountants: what reports are made of.

Not part of the COM model, which only knows one machine at a time. Each number ends in the same HRESULT, and is the
same, as the accountant's own member gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from vpcshim.com.member import S_FALSE, Member
from vpcshim.com.object import Outcome, outcome_of
from vpcshim.hypervisor.counters import Reading
from vpcshim.hypervisor.errors import DomainGone, HypervisorError
from vpcshim.hypervisor.sweep import DomainFacts
from vpcshim.model.accountant import Accountant
from vpcshim.model.application import Application
from vpcshim.model.hresults import is_running, vm_state
from vpcshim.model.totals import Field, into, out
from vpcshim.model.virtual_machine import VirtualMachine


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
        name: The machine's name; its UUID where there is no such machine any more.
        state: The outcome of `IVMVirtualMachine.State`.
        values: The outcome of each column that was read, by name.
        nics: What each NIC answered and which source served it; None for a machine that is off or unreadable.
    """

    name: str
    state: Outcome
    values: dict[str, Outcome]
    nics: Reading | None = None

    @property
    def unreadable(self) -> bool:
        """Whether any of it could not be read."""
        return self.state.code.failed or any(value.code.failed for value in self.values.values())


def sweep(machines: Iterable[VirtualMachine], columns: Sequence[str] = COLUMNS) -> list[Account]:
    """The accounts of those machines, which are all of one application object; one bad one stops no other.

    Args:
        machines: Whose accounts.
        columns: Which of `COLUMNS` to read: what is not asked for costs nothing.
    """
    wanted = list(machines)
    if not wanted:
        return []
    server, options = wanted[0]._server, wanted[0]._options
    try:
        found = server.sweep(options.freshness)
    except HypervisorError as error:
        return [_unread(vm, columns, error) for vm in wanted]
    facts = [found[vm._uuid] for vm in wanted if vm._uuid in found]
    readings: dict[str, _Readings] = {"nics": {one.uuid: one.nics for one in facts}}
    if any(column in _SUMS and _SUMS[column].of == "drives" for column in columns):
        try:
            readings["drives"] = server.sweep_disks(facts)
        except HypervisorError as error:
            readings["drives"] = dict.fromkeys((one.uuid for one in facts), error)
    return [_account(vm, found.get(vm._uuid), columns, readings) for vm in wanted]


def sweep_all(application: Application, columns: Sequence[str] = COLUMNS) -> list[Account]:
    """The accounts of all machines of the server, by name.

    Raises:
        ComError: The machines cannot be listed.
    """
    return sweep(application.VirtualMachines, columns)


def _account(
    vm: VirtualMachine, facts: DomainFacts | None, columns: Sequence[str], readings: dict[str, _Readings]
) -> Account:
    if facts is None:
        return _unread(vm, columns, DomainGone(f"there is no machine with UUID {vm._uuid} any more"))
    on = is_running(facts.state, facts.id is not None)
    accountant = Accountant(vm._product_, vm._server, vm._options, vm._uuid)

    def value(column: str) -> Outcome:
        if column in _SUMS:
            summed = _SUMS[column]
            reading = readings[summed.of][facts.uuid]
            return outcome_of(accountant, _member(column), lambda _accountant: _sum(accountant, summed, reading))
        # These two take more than a counter; the accountant knows how.
        return outcome_of(
            accountant, _member(column), _member(column).getter if on else lambda _accountant: S_FALSE
        )

    state = outcome_of(vm, _STATE, lambda _vm: vm_state(facts.state, facts.saved))
    values = {column: value(column) for column in columns}
    return Account(facts.name, state, values, facts.nics if isinstance(facts.nics, Reading) else None)


def _member(column: str) -> Member:
    member: Member = getattr(Accountant, column)
    return member


_STATE: Member = VirtualMachine.State


def _sum(accountant: Accountant, summed: _Sum, reading: Reading | HypervisorError | None) -> Any:
    if isinstance(reading, HypervisorError):
        raise reading
    return accountant._total(reading, summed.field, summed.what)


def _unread(vm: VirtualMachine, columns: Sequence[str], error: HypervisorError) -> Account:
    """The row of a machine of which nothing could be read."""

    def fail(_obj: object) -> Any:
        raise error

    values = {column: outcome_of(vm, _member(column), fail) for column in columns}
    return Account(vm._uuid, outcome_of(vm, _STATE, fail), values)
