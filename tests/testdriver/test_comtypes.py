"""The stand-in for comtypes: objects, errors and events as scripts that were written for it have them."""

from __future__ import annotations

import gc
import importlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from vpcshim import HRESULT
from vpcshim.clients.pywin32.install import install_pywin32, uninstall_pywin32
from vpcshim.testing import Machine, Node, NodeBuilder

PAUSED, RUNNING = 6, 5


@pytest.fixture
def node(vpcshim_node: NodeBuilder) -> Node:
    return vpcshim_node(Machine("web"), Machine("db", state="shutoff"))


@pytest.fixture
def client(node: Node) -> Iterator[Any]:
    holder = node.application()  # keeps the node for the whole test
    install_pywin32(node.uri)
    yield importlib.import_module("comtypes.client")
    uninstall_pywin32()
    del holder


@pytest.fixture
def vs(client: Any) -> Any:
    return client.CreateObject("VirtualServer.Application")


def pump_until(client: Any, done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not done() and time.monotonic() < deadline:
        client.PumpEvents(0.02)


def test_what_a_script_imports_of_the_package(client: Any, vs: Any) -> None:
    comtypes = importlib.import_module("comtypes")
    comtypes.CoInitialize()
    comtypes.CoInitializeEx(comtypes.COINIT_MULTITHREADED)
    comtypes.CoUninitialize()
    assert comtypes.client is client
    assert comtypes.hresult.DISP_E_BADINDEX == HRESULT.DISP_E_BADINDEX
    clsid = comtypes.GUID("{DA3111BC-1BD7-4884-A535-8470D36028F7}")
    assert client.CreateObject(clsid, clsctx=comtypes.CLSCTX_SERVER, dynamic=True).Name == vs.Name
    assert vs.FindVirtualMachine(comtypes.automation.VARIANT("web")).Name == "web"
    assert comtypes.automation.VT_BSTR == 8


def test_a_collection_counts_from_1_and_ends_by_an_index_error(vs: Any) -> None:
    machines = vs.VirtualMachines
    assert [machines[1].Name, machines.Item[2].Name, machines.Item(2).Name] == ["db", "web", "web"]
    assert [vm.Name for vm in machines] == ["db", "web"]
    for index in (0, 3):
        with pytest.raises(IndexError, match=f"index {index}"):
            machines[index]
    with pytest.raises(importlib.import_module("comtypes").COMError) as caught:
        machines.Item[3]
    assert caught.value.hresult == HRESULT.DISP_E_BADINDEX


def test_dates_are_numbers_and_bytes_are_tuples(vs: Any) -> None:
    days = vs.HostInfo.UTCTime
    told = datetime(1899, 12, 30, tzinfo=timezone.utc) + timedelta(days=days)
    assert type(days) is float
    assert abs(datetime.now(timezone.utc) - told) < timedelta(minutes=1)
    vm = vs.FindVirtualMachine("db")
    vm.SetConfigurationValue("settings/ours/raw", b"ab\0")
    assert vm.GetConfigurationValue("settings/ours/raw") == (97, 98, 0)


def test_the_module_of_a_type_library_has_the_constants(client: Any) -> None:
    made = client.GetModule(("{D7526A6D-CF83-48A4-87FD-4FBE2AEC5D93}", 1, 1))
    assert made.vmVMState_Running == RUNNING
    with pytest.raises(AttributeError, match="the constants, and not IVMVirtualServer"):
        made.IVMVirtualServer  # noqa: B018 - reading it is the test
    with pytest.raises(Exception, match=r"shell32\.dll is none of the type libraries served here"):
        client.GetModule("shell32.dll")


@pytest.mark.parametrize(
    ("args", "hresult"),
    [
        (("Excel.Application",), HRESULT.CO_E_CLASSSTRING),
        (("VirtualServer.Application", None, "qemu+tcp://127.0.0.1:1/system"), HRESULT.RPC_S_SERVER_UNAVAILABLE),
    ],
)
def test_what_cannot_be_made_is_an_os_error(client: Any, args: tuple[Any, ...], hresult: HRESULT) -> None:
    with pytest.raises(OSError, match=hresult.name) as caught:
        client.CreateObject(*args)
    assert caught.value.winerror == hresult  # type: ignore[attr-defined]
    assert isinstance(caught.value, importlib.import_module("comtypes").COMError)
    assert caught.value.strerror == caught.value.args[1]


def test_a_server_is_named_by_its_name(client: Any, vpcshim_node: NodeBuilder) -> None:
    other = vpcshim_node(Machine("elsewhere"))
    there = client.CreateObject("VirtualServer.Application", None, other.uri)
    assert [vm.Name for vm in there.VirtualMachines] == ["elsewhere"]
    with pytest.raises(NotImplementedError, match="name the machine by machine="):
        client.CreateObject("VirtualServer.Application", pServerInfo=object())


def test_events_come_while_the_thread_pumps(client: Any, vs: Any) -> None:
    seen: list[Any] = []

    class Sink:
        def IVMVirtualServerEvents_OnVMStateChange(self, this: Any, name: str, *state: int) -> None:
            seen.append((threading.get_ident(), this, name, repr(state)))

        def OnVMStateChange(self, *args: Any) -> None:
            seen.append("the one with the interface's name comes first")

    connection = client.GetEvents(vs, Sink())
    gc.collect()  # the connection holds the sink
    vs.FindVirtualMachine("web").Pause()
    pump_until(client, lambda: seen)
    assert seen == [(threading.get_ident(), None, "web", f"({PAUSED},)")]
    connection.disconnect()
    vs.FindVirtualMachine("web").Resume()
    client.PumpEvents(0.3)
    assert len(seen) == 1


def test_a_connection_that_nobody_holds_ends(client: Any, vs: Any) -> None:
    seen: list[int] = []

    class Sink:
        OnStateChange = staticmethod(seen.append)

    web = vs.FindVirtualMachine("web")
    lost, kept = client.GetEvents(web, Sink()), client.GetEvents(web, Sink())
    del lost
    gc.collect()
    web.Pause()
    pump_until(client, lambda: seen)
    client.PumpEvents(0.2)
    assert seen == [PAUSED]
    kept.disconnect()


def test_a_handler_that_fails_is_told_and_the_next_event_comes(
    client: Any, vs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    class Sink:
        def OnStateChange(self, state: int) -> None:
            seen.append(state)
            raise ValueError("oh")

    web = vs.FindVirtualMachine("web")
    connection = client.GetEvents(web, Sink())
    web.Pause()
    web.Resume()
    pump_until(client, lambda: len(seen) == 2)
    assert seen == [PAUSED, RUNNING]
    assert "Sink on IVMVirtualMachineEvents failed in OnStateChange" in caplog.text
    connection.disconnect()


def test_events_are_shown(client: Any, vs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    connection = client.ShowEvents(vs)
    vs.FindVirtualMachine("web").Pause()
    out = ""

    def shown() -> bool:
        nonlocal out
        out += capsys.readouterr().out
        return "Event" in out

    pump_until(client, shown)
    assert out.splitlines() == [
        "# event found: OnVMStateChange",
        "# event found: OnHeartbeatStopped",
        "Event OnVMStateChange(None, 'web', 6)",
    ]
    connection.disconnect()


def test_what_has_no_events_is_a_com_error(client: Any, vs: Any) -> None:
    with pytest.raises(importlib.import_module("comtypes").COMError, match="IVMHostInfo has no events") as caught:
        client.GetEvents(vs.HostInfo, object())
    assert caught.value.hresult == HRESULT.DISP_E_UNKNOWNINTERFACE


def test_pumping_takes_its_time(client: Any) -> None:
    for seconds in (0, 0.25):
        began = time.monotonic()
        client.PumpEvents(seconds)
        assert seconds <= time.monotonic() - began < seconds + 5
