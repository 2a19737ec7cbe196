"""The columns of an accounting report: the accountant's members under the names that the command line uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        member: The member of IVMAccountant behind it.
        key: Its name for --columns and --sort, and in upper case in plain tables.
        title: Its header on a terminal, which may take two lines.
        unit: What its number counts.
    """

    member: str
    key: str
    title: str
    unit: Literal["bytes", "percent", "seconds"]


COLUMNS = (
    Column("NetworkBytesSent", "net-sent", "network\nsent", "bytes"),
    Column("NetworkBytesReceived", "net-received", "network\nreceived", "bytes"),
    Column("DiskBytesRead", "disk-read", "disk\nread", "bytes"),
    Column("DiskBytesWritten", "disk-written", "disk\nwritten", "bytes"),
    Column("CPUUtilization", "cpu", "CPU", "percent"),
    Column("UpTime", "uptime", "uptime", "seconds"),
)


def find(name: str) -> Column | None:
    """The column of that key or member name, in any case."""
    wanted = name.strip().lower()
    return next((column for column in COLUMNS if wanted in (column.key, column.member.lower())), None)
