"""What `vpcshim doctor` looks at. Nothing here writes."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import libvirt

from vpcshim._version import __version__
from vpcshim.cli.remedies import diagnose, split
from vpcshim.hypervisor import domainxml, eventloop, runrecord, scheduler
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.counters import Counters
from vpcshim.hypervisor.domainxml import Disk, DomainXml, Nic
from vpcshim.hypervisor.errors import (
    AccessDenied,
    ConnectionLost,
    HypervisorError,
    Unknowable,
    Unreadable,
    Unsupported,
    translated,
)
from vpcshim.hypervisor.events import Events, Kind
from vpcshim.hypervisor.layouts import Layouts
from vpcshim.hypervisor.nics.reader import NicReader
from vpcshim.hypervisor.uptime import seconds_up
from vpcshim.model.options import ConnectionOptions

_KVM = Path("/dev/kvm")
# How long the event loop may take to show that it turns.
_LOOP_PATIENCE = 2.0
_LISTED = 5
_PURPOSE = {
    Kind.LIFECYCLE: "starts and restores by others are not seen, and their UpTime may stay unknown",
    Kind.REBOOT: "resets by others are not seen: the counters go on where they were",
    Kind.DEVICE_REMOVED: "unplugged devices are not seen until the XML is read again",
}


class Status(Enum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        server: The server it is about; None for this machine.
        topic: What was looked at.
        status: How it ended.
        text: What was found.
        remedy: What to do about it; None where there is nothing to do.
        unconnected: Whether it says that there is no connection at all.
    """

    server: str | None
    topic: str
    status: Status
    text: str
    remedy: str | None = None
    unconnected: bool = False

    def document(self) -> dict[str, Any]:
        """The check as JSON."""
        return {
            "server": self.server,
            "check": self.topic,
            "status": self.status.value,
            "text": self.text,
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class _Machine:
    """A running machine as libvirt handed it out."""

    domain: libvirt.virDomain
    xml: DomainXml


class Examination:
    """The checks of one server, each made when it is asked for."""

    def __init__(self, options: ConnectionOptions) -> None:
        self._options = options
        self._reader = Connection(options.uri, timeout=options.timeout)
        self._writer = Connection(options.uri, timeout=options.timeout)
        self._events = Events(self._reader)
        self._server = self._reader.label

    def checks(self) -> Iterator[Check]:
        """Every check, in the order of dependence; without a connection, those that need none."""
        yield self._versions()
        yield from self._uri_asked()
        opened = self._open(self._reader, write=False)
        yield opened
        if opened.unconnected:
            uri = self._options.uri
            parts = None if uri is None else split(uri)
            if uri is None or (":/" in uri and parts is not None and not parts.hostname):
                yield self._kvm()
            return
        self._server = self._reader.uri or self._server
        yield self._check("URI", Status.OK, self._resolved())
        yield self._open(self._writer, write=True)
        yield from self._guarded("daemon", self._daemon)
        yield self._keepalive()
        yield from self._event_checks()
        yield from self._guarded("bulk statistics", self._bulk)
        yield from self._guarded("machines", self._machines)
        yield from self._guarded("KVM", self._driver_kvm)
        if self._reader.is_local and not self._reader.is_embedded:
            yield self._kvm()

    def _check(self, topic: str, status: Status, text: str, remedy: str | None = None) -> Check:
        return Check(self._server, topic, status, text, remedy)

    def _guarded(self, topic: str, checks: Callable[[], Iterator[Check]]) -> Iterator[Check]:
        """The checks; what libvirt refuses, or a connection that dies under them, is a failed one."""
        try:
            yield from checks()
        except HypervisorError as error:
            yield self._check(topic, Status.FAIL, str(error))

    # -- the connection ------------------------------------------------------------------------------------

    def _versions(self) -> Check:
        python = importlib.metadata.version("libvirt-python")
        library = _version(libvirt.getVersion())
        text = (
            f"vpcshim {__version__}, Python {platform.python_version()}, libvirt-python {python}, libvirt {library}"
        )
        return Check(None, "versions here", Status.OK, text)

    def _uri_asked(self) -> Iterator[Check]:
        if self._options.uri is None:
            source = "LIBVIRT_DEFAULT_URI" if os.environ.get("LIBVIRT_DEFAULT_URI") else "libvirt's own choice"
            yield self._check("server", Status.OK, f"none named: {source} decides")

    def _open(self, connection: Connection, *, write: bool) -> Check:
        topic = "open read-write" if write else "open read-only"
        try:
            with connection.calls(write=write) as connect:
                if not write:
                    return self._check(topic, Status.OK, "connected")
                _ask_to_write(connect)
                return self._check(topic, Status.OK, _MAY_WRITE)
        except HypervisorError as error:
            found = diagnose(error, self._options.uri, self._options.timeout)
            text = f"{found.kind}: {_bare(error)}"
        if write:
            # Reading works, and most of vpcshim only reads.
            return self._check(topic, Status.WARN, f"{text}; {_MAY_NOT_WRITE}", found.remedy)
        return Check(self._server, topic, Status.FAIL, text, found.remedy, unconnected=True)

    def _resolved(self) -> str:
        asked, uri = self._options.uri, self._reader.uri or ""
        return uri if asked in (None, uri) else f"{uri} (asked for as {asked})"

    def _daemon(self) -> Iterator[Check]:
        with self._reader.calls() as connect:
            driver, version = connect.getType(), _version(connect.getVersion())
            library, host = _version(connect.getLibVersion()), connect.getHostname()
        yield self._check("daemon", Status.OK, f"libvirt {library} on {host}, driver {driver} {version}")

    def _keepalive(self) -> Check:
        if self._reader.is_embedded:
            return self._check("keepalive", Status.OK, "not needed: the driver runs inside this process")
        if self._reader.keepalive:
            return self._check("keepalive", Status.OK, f"a frozen daemon is noticed in {self._options.timeout:g} s")
        text = "not supported: a call to a frozen daemon does not end by itself"
        return self._check("keepalive", Status.WARN, text, "update libvirt on the server")

    # -- events --------------------------------------------------------------------------------------------

    def _event_checks(self) -> Iterator[Check]:
        end = time.monotonic() + _LOOP_PATIENCE
        while not eventloop.alive() and time.monotonic() < end:
            time.sleep(0.02)
        if eventloop.alive():
            yield self._check("event loop", Status.OK, "runs")
        else:
            text = "does not turn: no event and no keepalive arrives"
            yield self._check("event loop", Status.FAIL, text, "run virEventRunDefaultImpl in a thread of its own")
        missing = self._events.missing
        delivered = ", ".join(kind.name for kind in Kind if kind not in missing)
        if delivered:
            never = "; the test driver accepts REBOOT and never sends it" if self._reader.is_embedded else ""
            yield self._check("events", Status.OK, f"{delivered} can be listened to{never}")
        for kind, why in missing.items():
            remedy = f"without them {_PURPOSE.get(kind, 'changes are only seen when they are read')}"
            yield self._check("events", Status.WARN, f"no {kind.name} events: {why}", remedy)

    # -- what can be read ----------------------------------------------------------------------------------

    def _bulk(self) -> Iterator[Check]:
        groups = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_INTERFACE
        with self._reader.calls() as connect:
            try:
                connect.getAllDomainStats(groups, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS)
            except libvirt.libvirtError as error:
                told = translated(error)
                if not isinstance(told, Unsupported):
                    raise
                text = f"the driver has no NIC counters in them, so NICs are read one by one ({told})"
                remedy = "nothing to do for right numbers; reading many machines takes longer"
                yield self._check("bulk statistics", Status.WARN, text, remedy)
                return
        yield self._check("bulk statistics", Status.OK, "the driver has NIC counters in them")

    def _machines(self) -> Iterator[Check]:
        with self._reader.calls() as connect:
            everything = connect.listAllDomains()
            running = []
            for domain in everything:
                try:
                    if domain.isActive():
                        running.append(_Machine(domain, domainxml.parse(domain.XMLDesc())))
                except (HypervisorError, libvirt.libvirtError) as error:
                    yield self._check("machines", Status.WARN, f"{domain.name()}: {_told(error)}")
            running.sort(key=lambda machine: machine.xml.name.casefold())
            yield self._check("machines", Status.OK, f"{len(everything)}, of which {len(running)} are running")
            if running:
                yield from self._nics(running)
                yield from self._schedulers(running)
                yield from self._uptimes(running)

    def _nics(self, running: list[_Machine]) -> Iterator[Check]:
        reader = NicReader(self._reader, Layouts(self._events))
        served: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
        for machine in running:
            name = machine.xml.name
            try:
                reading = reader.read(machine.domain, machine.xml)
            except (HypervisorError, libvirt.libvirtError) as error:
                yield self._check("NICs", Status.WARN, f"{name}: {_told(error)}")
                continue
            for device, got, source, declined in () if reading is None else reading.devices:
                why = str(got) if isinstance(got, Unreadable) else _missing(device, got)
                if why is None:
                    served[source, declined].append(f"{name} {device.label}")
                elif isinstance(device, Nic):
                    yield self._check("NICs", Status.FAIL, f"{name}: {why}", _nic_remedy(device))
        for (source, declined), labels in served.items():
            because = f" ({'; '.join(declined)})" if declined else ""
            yield self._check("NICs", Status.OK, f"{_some(labels)}: by {source}{because}")
        total = sum(len(machine.xml.nics) for machine in running)
        readable = sum(map(len, served.values()))
        yield self._check("NICs", Status.OK, f"{readable} of {total} NICs of running machines can be read")

    def _schedulers(self, running: list[_Machine]) -> Iterator[Check]:
        def read(machine: _Machine) -> str:
            scheduler.read(machine.domain)
            return "weight and limits can be read"

        remedy = "RelativeWeight and the capacities cannot be read there; the counters are not affected"
        yield from self._grouped("scheduler parameters", running, read, remedy)

    def _uptimes(self, running: list[_Machine]) -> Iterator[Check]:
        def source(machine: _Machine) -> str:
            boot_id = runrecord.local_boot_id() if self._reader.is_local else None
            try:
                seconds_up(machine.xml, None, local=self._reader.is_local)
            except Unknowable:
                seconds_up(machine.xml, runrecord.read(machine.xml, boot_id), local=self._reader.is_local)
                return "from what vpcshim recorded when it began"
            return "from the age of its process"

        remedy = "start or restore it by vpcshim, or while a vpcshim that may write is listening"
        yield from self._grouped("UpTime", running, source, remedy)

    def _grouped(
        self, topic: str, running: list[_Machine], read: Callable[[_Machine], str], remedy: str
    ) -> Iterator[Check]:
        """One check for all machines that answer the same; an answer of many machines names a few of them."""
        answers: dict[tuple[Status, str], list[str]] = defaultdict(list)
        for machine in running:
            try:
                answers[Status.OK, read(machine)].append(machine.xml.name)
            except (HypervisorError, libvirt.libvirtError) as error:
                # Without the machine's name the same trouble of many machines is one line.
                text = str(_told(error)).replace(machine.xml.name, "it", 1)
                answers[Status.WARN, text].append(machine.xml.name)
        for (status, text), names in answers.items():
            yield self._check(topic, status, f"{_some(names)}: {text}", None if status is Status.OK else remedy)

    # -- KVM -----------------------------------------------------------------------------------------------

    def _driver_kvm(self) -> Iterator[Check]:
        with self._reader.calls() as connect:
            if connect.getType() != "QEMU":
                return
            root = domainxml.parse_element(connect.getCapabilities())
        if any(element.get("type") == "kvm" for element in root.iterfind("guest/arch/domain")):
            yield self._check("KVM", Status.OK, "the daemon offers it")
        else:
            text = "the daemon does not offer it: guests are emulated, which is slow"
            yield self._check("KVM", Status.WARN, text, "load kvm_intel or kvm_amd and restart the daemon")

    def _kvm(self) -> Check:
        topic, remedy = str(_KVM), "enable virtualisation in the firmware, and load kvm_intel or kvm_amd"
        if not _KVM.exists():
            return Check(None, topic, Status.WARN, "missing: guests of this machine are emulated", remedy)
        try:
            os.close(os.open(_KVM, os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            text = f"you may not open it ({error.strerror}); the system daemon's guests may all the same"
            return Check(None, topic, Status.WARN, text, "join the group kvm for guests of qemu:///session")
        return Check(None, topic, Status.OK, "can be opened")


def _ask_to_write(connect: libvirt.virConnect) -> None:
    """Make a call that needs write access and changes nothing.

    A daemon's read-only socket opens for writing as well, and refuses each such call.

    Raises:
        AccessDenied: The server refuses it.
    """
    try:
        connect.domainXMLToNative("vpcshim-doctor", "<domain/>", 0)  # there is no such format
    except libvirt.libvirtError as error:
        told = translated(error)
        if isinstance(told, AccessDenied | ConnectionLost):
            raise told from error


_MAY_WRITE = "connected, and the server takes calls that need write access"
_MAY_NOT_WRITE = (
    "machines cannot be started or stopped, and neither starts nor resets can be recorded in their metadata"
)


def _bare(error: HypervisorError) -> str:
    """The error without what the line's topic says already."""
    return str(error).removeprefix("cannot connect to ")


def _told(error: HypervisorError | libvirt.libvirtError) -> HypervisorError:
    return translated(error) if isinstance(error, libvirt.libvirtError) else error


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _missing(nic: Nic | Disk, got: Counters) -> str | None:
    """Which of the NIC's counters are missing; None when none are."""
    missing = [what for what, count in (("received", got.into), ("sent", got.out)) if count is None]
    return f"{nic.label}: {' and '.join(missing)} bytes are not counted there" if missing else None


def _nic_remedy(nic: Nic) -> str:
    skip = "--unreadable-nics skip leaves it out of the sum"
    if nic.type == "user":
        return f"user networking has no device on the host: make it a bridge or network NIC, or {skip}"
    if nic.type == "hostdev":
        return f"a passed-through device is not counted by the host; {skip}"
    return skip


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
