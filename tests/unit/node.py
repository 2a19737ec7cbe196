"""A whole libvirt server of fake machines, behind `libvirt.open`: what is above it is the real thing."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import libvirt
import pytest

from tests.unit.fakes import Answer, FakeConnect, answered, disk, libvirt_error, nic
from vpcshim.hypervisor.cpu import CpuSampler
from vpcshim.model import server as server_module
from vpcshim.model.server import Server

URI = "qemu+tls://far.example.org/system"


@dataclass
class Machine:
    """One machine; what is an exception is raised where it would be read.

    Attributes:
        nics: What interfaceStats answers, by host device: (received, sent); -1 as libvirt has it.
        drives: What blockStats answers, by target: (read, written).
        run: Its domain id while it is on; its number until it is started anew.
        reason: Why it is in its state, as libvirt numbers the reasons of each.
    """

    number: int
    state: int = libvirt.VIR_DOMAIN_RUNNING
    on: bool = True
    saved: bool = False
    gone: bool = False
    xml_error: Exception | None = None
    extra: str = ""
    nics: Mapping[str, Answer] = field(default_factory=dict)
    drives: Mapping[str, Answer] = field(default_factory=dict)
    run: int = 0
    reason: int = 0

    def __post_init__(self) -> None:
        self.run = self.run or self.number

    @property
    def uuid(self) -> str:
        return f"00000000-0000-0000-0000-{self.number:012}"

    def name(self) -> str:
        return f"m{self.number}"

    def UUIDString(self) -> str:
        return self.uuid

    def ID(self) -> int:
        return self.run if self.on else -1

    def isActive(self) -> int:
        return int(self.on)

    def hasManagedSaveImage(self, _flags: int = 0) -> int:
        return int(self.saved)

    # `state` is the number of the state here: the method of libvirt's is on the handle.

    def XMLDesc(self, _flags: int = 0) -> str:
        if self.xml_error is not None:
            raise self.xml_error
        devices = "".join([*map(nic, self.nics), *map(disk, self.drives), self.extra])
        live = f" id='{self.run}'" if self.on else ""
        return (
            f"<domain type='xen'{live}><name>m{self.number}</name><uuid>{self.uuid}</uuid>"
            f"<vcpu>1</vcpu><devices>{devices}</devices></domain>"
        )

    def stats(self, groups: int) -> dict[str, Any]:
        values: dict[str, Any] = {"state.state": self.state, "state.reason": self.reason}
        if groups & libvirt.VIR_DOMAIN_STATS_INTERFACE and self.on:
            values["net.count"] = len(self.nics)
            for number, (name, answer) in enumerate(self.nics.items()):
                values[f"net.{number}.name"] = name
                if not isinstance(answer, Exception):
                    counts = zip(("rx", "tx"), answer, strict=True)
                    values.update({f"net.{number}.{way}.bytes": n for way, n in counts if n >= 0})
        if groups & libvirt.VIR_DOMAIN_STATS_BLOCK and self.on:
            values["block.count"] = len(self.drives)
            for number, (name, answer) in enumerate(self.drives.items()):
                values[f"block.{number}.name"] = name
                if not isinstance(answer, Exception):
                    counts = zip(("rd", "wr"), answer, strict=True)
                    values.update({f"block.{number}.{way}.bytes": n for way, n in counts if n >= 0})
        return values


class Handle:
    """A virDomain of a machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._id = machine.ID()

    def ID(self) -> int:
        return self._id  # as libvirt's: what it was when the handle was made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machine, name)

    def state(self) -> list[int]:
        return [self._machine.state, self._machine.reason]

    def controlInfo(self) -> list[int]:
        return [libvirt.VIR_DOMAIN_CONTROL_OK, 0, 0]

    def jobStats(self) -> dict[str, int]:
        return {"type": libvirt.VIR_DOMAIN_JOB_NONE}

    def interfaceStats(self, device: str) -> list[int]:
        received, sent = answered(self._machine.nics[device])
        return [received, 0, 0, 0, sent, 0, 0, 0]

    def blockStats(self, device: str) -> list[int]:
        read, written = answered(self._machine.drives[device])
        return [0, read, 0, written, 0]


class Node(FakeConnect):
    """A connection to all of them; `sweeps` counts the calls that list them."""

    def __init__(self, *machines: Machine) -> None:
        super().__init__(URI)
        self.machines = list(machines)
        self.sweeps = 0
        self.trouble: Exception | None = None
        self.block_trouble: Exception | None = None
        self._events = itertools.count()

    def domainEventRegisterAny(self, *_: Any) -> int:
        return next(self._events)

    def domainEventDeregisterAny(self, _number: int) -> int:
        return 0

    def lookupByUUIDString(self, uuid: str) -> Any:
        if self.trouble is not None:
            raise self.trouble
        for machine in self.machines:
            if machine.uuid == uuid and not machine.gone:
                return Handle(machine)
        raise libvirt_error(libvirt.VIR_ERR_NO_DOMAIN, message="Domain not found")

    def getAllDomainStats(self, groups: int, flags: int) -> list[tuple[Handle, dict[str, Any]]]:
        if self.trouble is not None:
            raise self.trouble
        if groups & libvirt.VIR_DOMAIN_STATS_STATE:
            self.sweeps += 1
        elif self.block_trouble is not None:
            raise self.block_trouble
        active = flags & libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
        present = [one for one in self.machines if not one.gone and (one.on or not active)]
        return [(Handle(one), one.stats(groups)) for one in present]

    def domainListGetStats(
        self, handles: list[Handle], groups: int, flags: int
    ) -> list[tuple[Handle, dict[str, Any]]]:
        uuids = [handle.UUIDString() for handle in handles]
        return [pair for pair in self.getAllDomainStats(groups, flags) if pair[0].UUIDString() in uuids]

    def listAllDomains(self, flags: int = 0) -> list[Handle]:
        if flags & libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE:
            return [Handle(one) for one in self.machines if one.saved and not one.on]
        return [Handle(one) for one in self.machines]


def serve(node: Node, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server of the model on that node, without the thread that samples."""
    monkeypatch.setattr(libvirt, "open", lambda _name: node)
    monkeypatch.setattr(libvirt, "openReadOnly", lambda _name: node)
    monkeypatch.setattr("vpcshim.hypervisor.eventloop.ensure", lambda: None)
    monkeypatch.setattr(CpuSampler, "start", lambda _self: None)
    monkeypatch.setattr(CpuSampler, "prepare", lambda _self, _running: None)
    monkeypatch.setattr(CpuSampler, "percent", lambda _self, _uuid, domain_id: domain_id % 100)
    monkeypatch.setattr(server_module, "_servers", weakref.WeakValueDictionary())
    return server_module.server(URI, 6.0)
