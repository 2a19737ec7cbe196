"""Reads the accounts of several servers at the same time, and never waits longer than agreed.

Each server is swept in a daemon thread and the command only waits for what the thread reports: a server that
hangs costs its own rows, and Ctrl-C and the end of the program wait for no thread.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from vpcshim.cli.errors import is_of_names, unreachable
from vpcshim.com.errors import ComError
from vpcshim.com.hresult import HRESULT
from vpcshim.com.object import Outcome
from vpcshim.model.application import CreateObject, VirtualServer
from vpcshim.model.options import ConnectionOptions
from vpcshim.model.sweep import Account, Sweep, sweep

# The library bounds each of its waits by the timeout or by a few seconds for monitors that hang, and says why;
# only what outlasts them all is given up here.
_GRACE = 12.0


@dataclass(frozen=True)
class Row:
    """One machine of one server, as the user named the server."""

    host: str
    account: Account


@dataclass
class Report:
    """One server at one moment.

    Attributes:
        host: The server, as the user named it.
        rows: Its machines, by name.
        failure: Why its machines cannot be listed; None when they can.
        unknown: The names that were asked for and are no machine of it.
        of_names: Whether the failure is about the names that were asked for, not about the server.
    """

    host: str
    rows: list[Row] = field(default_factory=list)
    failure: Outcome | None = None
    unknown: list[str] = field(default_factory=list)
    of_names: bool = False

    @property
    def said(self) -> str:
        """The failure as one line; empty where there is none."""
        if self.failure is None:
            return ""
        text = self.failure.description
        return f"{self.host}: {text}" if self.of_names else unreachable(self.host, text)


_Found = Sweep | Exception


class Host:
    """One server, and what the command wants of it.

    Args:
        options: The server.
        names: The machines wanted, in any case; none for all.
        columns: The accountant's members to read.
    """

    def __init__(self, options: ConnectionOptions, names: Sequence[str], columns: Sequence[str]) -> None:
        self._application: VirtualServer = CreateObject("VirtualServer.Application", options)
        self._options = options
        self._names = tuple(names)
        self._columns = tuple(columns)
        self._found: queue.SimpleQueue[_Found] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None
        self._due = 0.0

    @property
    def name(self) -> str:
        """The server as reports name it: as the user did, or libvirt's default by its URI once that is known."""
        connection = self._application._server.connection
        return self._options.uri or connection.uri or connection.label

    def start(self) -> None:
        """Begin to read; `result` hands out what was found."""
        self._due = time.monotonic() + self._options.timeout + _GRACE
        # A thread of an earlier round that still hangs is waited for again: it notices when the server is back.
        if self._reader is None or not self._reader.is_alive():
            self._found = queue.SimpleQueue()
            self._reader = threading.Thread(
                target=self._read, args=(self._found,), name="vpcshim-read", daemon=True
            )
            self._reader.start()

    def result(self) -> Report:
        """Wait for what `start` began; a server that says nothing in time is reported as not answering."""
        try:
            found = self._found.get(timeout=max(0.0, self._due - time.monotonic()))
        except queue.Empty:
            text = f"no answer from {self.name} within {self._options.timeout + _GRACE:g} s"
            return Report(self.name, failure=Outcome(HRESULT.DISP_E_EXCEPTION, None, text))
        if isinstance(found, ComError):
            outcome = Outcome(HRESULT(found.scode), None, found.description)
            return Report(self.name, failure=outcome, of_names=is_of_names(found))
        if isinstance(found, Exception):
            raise found
        return Report(self.name, [Row(self.name, account) for account in found.accounts], unknown=found.unknown)

    def _read(self, found: queue.SimpleQueue[_Found]) -> None:
        try:
            found.put(sweep(self._application, self._columns, self._names))
        except Exception as error:  # noqa: BLE001 - reported, or raised again, where the result is waited for
            found.put(error)


def read(hosts: Sequence[Host]) -> list[Report]:
    """The reports of all servers, which are read at the same time."""
    for host in hosts:
        host.start()
    return [host.result() for host in hosts]
