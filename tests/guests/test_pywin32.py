"""Events of a real guest in Python scripts, in each way that pywin32 and comtypes hand them out."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.guests import GuestFactory, PrivateLibvirtd
from tests.harness.states import OFF, ON, PAUSED, RUNNING, STOPPING
from vpcshim.clients.pywin32.install import install_pywin32, uninstall_pywin32

pytestmark = pytest.mark.usefixtures("quiet_errors")


@pytest.fixture
def client(private_libvirtd: PrivateLibvirtd) -> Iterator[Any]:
    install_pywin32(PrivateLibvirtd.uri)
    yield importlib.import_module("win32com.client")
    uninstall_pywin32()


def test_every_way_to_events_tells_the_same(client: Any, guest_factory: GuestFactory) -> None:
    name = guest_factory().name
    comtypes_client: Any = importlib.import_module("comtypes.client")
    heard: dict[str, list[Any]] = {way: [] for way in ("with", "dispatch", "getevents", "GetEvents", "server")}

    class With:
        def OnStateChange(self, *args: Any) -> None:
            heard["with"].append(args)

    class Dispatched:
        def OnStateChange(self, *args: Any) -> None:
            heard["dispatch"].append(args)

    class Derived(client.getevents("VirtualServer.Application")):  # type: ignore[misc]  # a class made at run time
        def OnStateChange(self, *args: Any) -> None:
            heard["getevents"].append(args)

    class Sink:
        def OnStateChange(self, this: Any, *args: Any) -> None:
            heard["GetEvents"].append(args)

        def IVMVirtualServerEvents_OnVMStateChange(self, machine: str, state: int) -> None:
            if machine == name:
                heard["server"].append((state,))

    vm = client.Dispatch("VirtualServer.Application").FindVirtualMachine(name)
    vs = comtypes_client.CreateObject("VirtualServer.Application")
    sink = Sink()
    connections = [
        comtypes_client.GetEvents(vs.FindVirtualMachine(name), sink),
        comtypes_client.GetEvents(vs, sink),
    ]
    sinks = [client.WithEvents(vm, With), client.DispatchWithEvents(vm, Dispatched), Derived(vm)]
    vm.Pause()
    vm.Resume()
    sinks[1].TurnOff().WaitForCompletion(60000)  # it is the machine as well
    vm.Startup().WaitForCompletion(60000)
    told = [(state,) for state in map(int, (PAUSED, RUNNING, STOPPING, OFF, ON, RUNNING))]
    deadline = time.monotonic() + 60
    while min(map(len, heard.values())) < len(told) and time.monotonic() < deadline:
        comtypes_client.PumpEvents(0.1)
    assert heard == dict.fromkeys(heard, told)
    assert {type(state) for all_of_it in heard.values() for (state,) in all_of_it} == {int}
    for connection in connections:
        connection.disconnect()
    for one in sinks:
        one.close()
    vm.Pause()
    comtypes_client.PumpEvents(0.5)
    assert heard == dict.fromkeys(heard, told)
