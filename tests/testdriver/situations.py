"""The situations of the decision table: each puts an object of the model into one, with the real test driver.

Only what the test driver cannot do is a mock, and then of libvirt's own handles: a dead daemon, one that refuses, a
lock that times out, a scheduler that holds what it is given.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.testdriver.support import PROGIDS, application, find
from vpcshim import CreateObject
from vpcshim.com.member import Product
from vpcshim.com.object import ComObject
from vpcshim.hypervisor import account, cpu, settings
from vpcshim.model import hostfiles, task, undoing
from vpcshim.model.machine import identity
from vpcshim.testing import Machine, Node, NodeBuilder
from vpcshim.testing.machines import State
from vpcshim.values import Value

_WRITES = ("create", "destroy", "managedSave", "managedSaveRemove", "reset", "suspend", "resume")
_LOOKUPS = ("lookupByUUIDString", "listAllDomains", "getInfo")


@dataclass
class Bench:
    """What a situation is made with."""

    nodes: NodeBuilder
    patch: pytest.MonkeyPatch
    folder: Path
    product: Product
    interface: str
    made: Node | None = None
    #: What ends what goes on in the situation, once it has been looked at.
    ends: list[Callable[[], None]] = field(default_factory=list)

    def node(self, state: State = "running", reserve: float = 0.0) -> ComObject:
        """The object asked for on a node with the machine `web` in that state, and `big`, which reserves half."""
        self.patch.setattr(cpu, "PERIOD", 0.05)
        web = Machine("web", state=state, vcpus=2, reserve=reserve)
        self.made = self.nodes(web, Machine("big", reserve=50.0), cpus=4)
        app = application(self.made, self.product)
        if self.interface in ("IVMVirtualServer", "IVMVirtualPC"):
            return app
        if self.interface == "IVMVirtualMachineCollection":
            return app.VirtualMachines
        vm = find(app, "web")
        if self.interface == "IVMAccountant":
            return vm.Accountant
        if self.interface in ("IVMTask", "IVMTaskCollection"):
            task = find(app, "big").TurnOff()
            return task if self.interface == "IVMTask" else app.Tasks
        return vm

    def raises(self, owner: type, names: tuple[str, ...], code: int, domain: int) -> None:
        """Let those calls of a libvirt handle fail with that error."""

        def refuse(*_args: Any, **_named: Any) -> None:
            error = libvirt.libvirtError("a mock of libvirt's handle")
            error.err = (code, domain, "a mock of libvirt's handle", 2, None, None, None, 0, 0)
            raise error

        for name in names:
            self.patch.setattr(owner, name, refuse)


Situation = Callable[[Bench], ComObject]


def running(bench: Bench) -> ComObject:
    """web runs; somebody else started it."""
    return bench.node()


def paused(bench: Bench) -> ComObject:
    """web is paused."""
    return bench.node("paused")


def off(bench: Bench) -> ComObject:
    """web is turned off."""
    return bench.node("shutoff")


def saved(bench: Bench) -> ComObject:
    """web is off with a saved state."""
    return bench.node("saved")


def started_by_us(bench: Bench) -> ComObject:
    """web was off, and its Startup was called."""
    obj = bench.node("shutoff")
    assert bench.made is not None
    find(application(bench.made, bench.product), "web").Startup()
    return obj


def reserve_does_not_fit(bench: Bench) -> ComObject:
    """web is off and reserves more than the running machines leave."""
    return bench.node("shutoff", reserve=50.5)


def undefined(bench: Bench) -> ComObject:
    """web is undefined by somebody else, while we hold objects of it."""
    obj = bench.node("shutoff")
    assert bench.made is not None
    with bench.made.connection() as connect:
        connect.lookupByName("web").undefine()
    return obj


def no_server(bench: Bench) -> ComObject:
    """There is nothing to connect to."""
    return CreateObject(PROGIDS[bench.product], f"test://{bench.folder}/no-such-node.xml")


def definition_file(bench: Bench) -> ComObject:
    """The definition of web stands in a file of this host, as libvirt's QEMU driver keeps it."""
    obj = bench.node()
    assert bench.made is not None
    (bench.folder / "web.xml").touch()
    bench.patch.setitem(identity._DEFINITIONS, bench.made.uri, bench.folder)
    return obj


# -- mocks of libvirt's handles --------------------------------------------------------------------------------


def scheduler(bench: Bench) -> ComObject:
    """web runs under a scheduler with QEMU's parameters."""
    held = {"cpu_shares": 1024, "vcpu_period": 100_000, "vcpu_quota": -1}
    obj = bench.node()
    bench.patch.setattr(libvirt.virDomain, "schedulerParametersFlags", lambda *_: dict(held))
    bench.patch.setattr(
        libvirt.virDomain, "setSchedulerParametersFlags", lambda _, values, _place: held.update(values)
    )
    return obj


def dead_daemon(bench: Bench) -> ComObject:
    """web runs, and the daemon has died under the connection."""
    obj = bench.node()
    bench.raises(libvirt.virConnect, _LOOKUPS, libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC)
    return obj


def _refused(bench: Bench, state: State) -> ComObject:
    obj = bench.node(state)
    bench.raises(libvirt.virDomain, _WRITES, libvirt.VIR_ERR_ACCESS_DENIED, libvirt.VIR_FROM_ACCESS)
    return obj


def refused(bench: Bench) -> ComObject:
    """web runs, and the daemon lets us read only."""
    return _refused(bench, "running")


def refused_off(bench: Bench) -> ComObject:
    """web is off, likewise."""
    return _refused(bench, "shutoff")


def refused_paused(bench: Bench) -> ComObject:
    """web is paused, likewise."""
    return _refused(bench, "paused")


def _locked(bench: Bench, state: State) -> ComObject:
    obj = bench.node(state)
    bench.raises(libvirt.virDomain, _WRITES, libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_FROM_QEMU)
    return obj


def locked(bench: Bench) -> ComObject:
    """web runs, and another job holds its lock for too long."""
    return _locked(bench, "running")


def locked_off(bench: Bench) -> ComObject:
    """web is off, likewise."""
    return _locked(bench, "shutoff")


def locked_paused(bench: Bench) -> ComObject:
    """web is paused, likewise."""
    return _locked(bench, "paused")


# -- configuration, hardware, limits ---------------------------------------------------------------------------


def _changed(bench: Bench, state: State, old: str, new: str) -> ComObject:
    """web is defined by somebody else with something more in its definition."""
    obj = bench.node(state)
    assert bench.made is not None
    with bench.made.connection() as connect:
        xml = connect.lookupByName("web").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        assert old in xml
        connect.defineXML(xml.replace(old, new, 1))
    return obj


def with_values(bench: Bench) -> ComObject:
    """web runs, and holds the value acme/owner, "web" in its definition and "run" in the running machine."""
    obj = bench.node()
    assert bench.made is not None
    vm = find(application(bench.made, bench.product), "web")
    vm.SetConfigurationValue("acme/owner", "web")
    vm.SetActivationValue("acme/owner", "run")
    return obj


def with_cpu(bench: Bench) -> ComObject:
    """web is off, and its definition names a CPU: qemu64 without SSE2."""
    cpu = "<cpu mode='custom' match='exact'><model>qemu64</model><feature policy='disable' name='sse2'/></cpu>"
    return _changed(bench, "shutoff", "<clock ", f"{cpu}<clock ")


def with_firmware(bench: Bench) -> ComObject:
    """web is off, and its firmware says something."""
    obj = bench.node("shutoff")
    assert bench.made is not None
    vm = find(application(bench.made, bench.product), "web")
    for name in ("BIOSSerialNumber", "BaseBoardSerialNumber", "ChassisSerialNumber", "ChassisAssetTag"):
        setattr(vm, name, "A 1")
    return obj


def preferences(bench: Bench) -> ComObject:
    """The preferences of the current user are a file of the test's own, with one value in it."""
    bench.patch.setenv("XDG_CONFIG_HOME", str(bench.folder / "config"))
    obj = bench.node()
    obj.SetConfigurationValue("acme/number", 0xFFFFFFFF)
    return obj


def damaged_preferences(bench: Bench) -> ComObject:
    """Somebody wrote something else into the file of the preferences."""
    obj = preferences(bench)
    (bench.folder / "config" / "vpcshim" / f"{bench.product.value}.json").write_text("{")
    return obj


def kept_preferences(bench: Bench) -> ComObject:
    """The file of the preferences cannot be written (a mock: root may write everything)."""
    obj = preferences(bench)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    bench.patch.setattr(hostfiles, "replace", refuse)
    return obj


_DOMAIN_CAPABILITIES = """<domainCapabilities>
<domain>kvm</domain><machine>pc-i440fx-7.2</machine><arch>x86_64</arch>
<devices><disk supported='yes'><enum name='diskDevice'><value>disk</value><value>floppy</value></enum>
<enum name='bus'><value>ide</value><value>fdc</value></enum></disk></devices></domainCapabilities>"""


def qemu_host(bench: Bench) -> ComObject:
    """The hypervisor tells what it can do as QEMU on a PC does, and the host's memory; mocks of the handle."""
    obj = bench.node()
    stats = {"total": 4 << 20, "free": 1 << 20, "buffers": 1024, "cached": 2048}
    bench.patch.setattr(libvirt.virConnect, "getDomainCapabilities", lambda *_: _DOMAIN_CAPABILITIES)
    bench.patch.setattr(libvirt.virConnect, "getMemoryStats", lambda *_: stats)
    return obj


def accounts(bench: Bench) -> ComObject:
    """web is off, and the hypervisor can run it under an account (a mock: the test driver runs no processes)."""
    bench.patch.setattr(account, "is_supported", lambda _: True)
    return bench.node("shutoff")


# -- undo disks ------------------------------------------------------------------------------------------------


def to_be_undone(bench: Bench) -> ComObject:
    """web runs, and what its guest writes is to be discarded: so it is kept, whatever the test driver can do."""
    obj = bench.node()
    assert bench.made is not None
    values: dict[str, Value] = {undoing.ENABLED: True, undoing.ACTION: 0}
    with bench.made.connection() as connect:
        settings.change(connect.lookupByName("web"), lambda old: replace(old, values=values))
    return obj


# -- tasks that go on ------------------------------------------------------------------------------------------


def saving(bench: Bench) -> ComObject:
    """web is being saved, two fifths are written; mocks, for the test driver saves at once and counts nothing."""
    bench.node()
    assert bench.made is not None
    bench.patch.setattr(task, "_MOMENT", 0.2)
    stopped = threading.Event()
    bench.ends.append(stopped.set)
    stats = {"operation": libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE, "data_total": 100, "data_remaining": 60}

    def save(*_: object) -> None:
        if stopped.wait(60):
            error = libvirt.libvirtError("a mock of libvirt's handle")
            text = "operation aborted: job 'domain save' canceled by client"
            error.err = (libvirt.VIR_ERR_OPERATION_ABORTED, libvirt.VIR_FROM_QEMU, text, 2, None, None, None, 0, 0)
            raise error

    bench.patch.setattr(libvirt.virDomain, "managedSave", save)
    bench.patch.setattr(libvirt.virDomain, "jobStats", lambda _: stats)
    bench.patch.setattr(libvirt.virDomain, "abortJob", lambda _: stopped.set())
    made: ComObject = find(application(bench.made, bench.product), "web").Save()
    return made


def saving_when_it_died(bench: Bench) -> ComObject:
    """web was being saved when the daemon died; our thread has not heard of it yet."""
    task = saving(bench)
    bench.raises(libvirt.virConnect, _LOOKUPS, libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC)
    return task
