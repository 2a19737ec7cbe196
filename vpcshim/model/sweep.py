"""All machines of a server at once, with every number of their accountants: what reports are made of.

Not part of the COM model, which only knows one machine at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vpcshim.com.object import Outcome, outcome
from vpcshim.model.application import Application
from vpcshim.model.virtual_machine import VirtualMachine

# The accountant's members in the order in which reports show them.
COLUMNS = (
    "NetworkBytesSent",
    "NetworkBytesReceived",
    "DiskBytesRead",
    "DiskBytesWritten",
    "CPUUtilization",
    "UpTime",
)


@dataclass(frozen=True, slots=True)
class Account:
    """One machine's row.

    Attributes:
        name: The machine's name; where even that cannot be read, the name it was asked for by, or its UUID.
        state: The outcome of `IVMVirtualMachine.State`.
        values: The outcome of each of `COLUMNS`, by name.
    """

    name: str
    state: Outcome
    values: dict[str, Outcome]

    @property
    def unreadable(self) -> bool:
        """Whether any of it could not be read."""
        return self.state.code.failed or any(value.code.failed for value in self.values.values())


def sweep(machines: Iterable[VirtualMachine]) -> list[Account]:
    """The accounts of those machines; one that cannot be read says so in its row and stops no other."""
    return [_account(vm) for vm in machines]


def sweep_all(application: Application) -> list[Account]:
    """The accounts of all machines of the server, by name.

    Raises:
        ComError: The machines cannot be listed.
    """
    return sweep(application.VirtualMachines)


def _account(vm: VirtualMachine) -> Account:
    name = outcome(vm, "Name")
    accountant = outcome(vm, "Accountant")
    if accountant.code.failed:
        values = dict.fromkeys(COLUMNS, accountant)
    else:
        values = {column: outcome(accountant.value, column) for column in COLUMNS}
    return Account(str(name.value or vm._uuid), outcome(vm, "State"), values)
