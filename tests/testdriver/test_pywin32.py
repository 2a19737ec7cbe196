"""The stand-in for pywin32: what a script that was written for it imports, calls and catches."""

from __future__ import annotations

import copy
import gc
import importlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from vpcshim import HRESULT, ComError
from vpcshim.clients.pywin32.install import install_pywin32, uninstall_pywin32
from vpcshim.testing import Machine, Node, NodeBuilder


@pytest.fixture
def node(vpcshim_node: NodeBuilder) -> Node:
    return vpcshim_node(Machine("web", nics=1), Machine("db", state="shutoff"))


@pytest.fixture
def client(node: Node) -> Iterator[Any]:
    holder = node.application()  # keeps the node for the whole test
    install_pywin32(node.uri)
    yield importlib.import_module("win32com.client")
    uninstall_pywin32()
    del holder


def module(name: str) -> Any:
    return importlib.import_module(name)


def test_values_are_those_of_pywin32(client: Any) -> None:
    vs = client.Dispatch("VirtualServer.Application")
    web = vs.findvirtualmachine("WEB")
    assert (web.NAME, str(web), web()) == ("web", "web", "web")
    assert type(web.Accountant.NetworkBytesSent) is Decimal
    assert type(web.State) is int
    assert web.State == client.constants.vmVMState_Running
    history = web.Accountant.CPUUtilizationHistory
    assert (type(history), len(history)) == (tuple, 60)
    assert vs.FindVirtualMachine("nobody") is None
    assert repr(vs) == "<COMObject VirtualServer.Application>"


def test_a_collection(client: Any) -> None:
    machines = client.Dispatch("VirtualPC.Application").VirtualMachines
    assert [vm.Name for vm in machines] == ["db", "web"]
    assert (len(machines), machines.Count, bool(machines)) == (2, 2, True)
    assert machines(1).Name == machines.Item(1).Name == machines.Item(index=1).Name == machines[0].Name == "db"
    assert machines(1) == machines[0] != machines(2)


def test_what_fails_is_a_com_error_with_four_fields(client: Any) -> None:
    pythoncom, pywintypes = module("pythoncom"), module("pywintypes")
    assert pythoncom.com_error is pythoncom.error is pywintypes.com_error is ComError
    assert not issubclass(ComError, pywintypes.error)  # that of Windows' own API
    web = client.Dispatch("VirtualServer.Application").FindVirtualMachine("web")
    with pytest.raises(pywintypes.com_error) as caught:
        web.Startup()
    assert caught.value.hresult == HRESULT.DISP_E_EXCEPTION
    assert caught.value.scode == HRESULT.VM_E_VM_RUNNING
    assert caught.value.args == (
        caught.value.hresult,
        caught.value.strerror,
        caught.value.excepinfo,
        caught.value.argerror,
    )


@pytest.mark.parametrize(
    ("call", "fields"),
    [
        (lambda vs: vs.VirtualMachines("x"), (-2147352571, "Type mismatch.", None, 1)),
        (lambda vs: vs.GetHardDisk([]), (-2147352571, "Type mismatch.", None, 1)),
        (lambda vs: vs.CreateVirtualMachine("a", None), (-2147352571, "Type mismatch.", None, 2)),
        (lambda vs: vs.FindVirtualMachine(None), (-2147352571, "Type mismatch.", None, 1)),
        (lambda vs: vs.VirtualMachines(2**40), (-2147352566, "Out of present range.", None, None)),
        (lambda vs: vs.VirtualMachines(99), (-2147352565, "Invalid index.", None, None)),
        (lambda vs: vs.FindVirtualMachine("a", "b"), (-2147352562, "Invalid number of parameters.", None, None)),
        (lambda vs: vs.FindVirtualMachine(unheard_of="a"), (-2147352572, "Parameter not found.", None, None)),
    ],
)
def test_what_invoke_itself_refuses_has_no_excepinfo(
    client: Any, call: Callable[[Any], Any], fields: tuple[Any, ...]
) -> None:
    with pytest.raises(ComError) as caught:
        call(client.Dispatch("VirtualServer.Application"))
    assert caught.value.args == fields
    assert len(caught.value.description) > len(fields[1])
    assert caught.value.description in str(caught.value)


def test_late_bound_an_index_counts_from_0_and_early_bound_from_1(client: Any) -> None:
    late = client.Dispatch("VirtualServer.Application")
    before = late.VirtualMachines
    assert not hasattr(late, "CLSID")
    assert [before[0].Name, before[1].Name] == ["db", "web"]
    vs = client.gencache.EnsureDispatch(late)
    assert vs.CLSID.startswith("{")
    for machines in (vs.VirtualMachines, client.Dispatch("VirtualServer.Application").VirtualMachines):
        assert [machines[1].Name, machines[2].Name] == ["db", "web"]
        with pytest.raises(ComError) as caught:
            machines[0]
        assert caught.value.hresult == HRESULT.DISP_E_BADINDEX
    assert before[0].Name == "db"
    assert client.Dispatch("VirtualPC.Application").VirtualMachines[0].Name == "db"


@pytest.mark.parametrize(
    "generate",
    [
        lambda client: client.WithEvents(client.Dispatch("VirtualServer.Application"), type("Handler", (), {})),
        lambda client: client.gencache.EnsureModule("{D7526A6D-CF83-48A4-87FD-4FBE2AEC5D93}", 0, 1, 1),
        lambda client: client.CastTo(client.Dispatch("VirtualServer.Application"), "IVMVirtualServer"),
    ],
)
def test_what_has_makepy_run_binds_early(client: Any, generate: Callable[[Any], Any]) -> None:
    generate(client)
    assert client.Dispatch("VirtualServer.Application").VirtualMachines[1].Name == "db"


def test_the_module_of_a_type_library(client: Any) -> None:
    made = client.gencache.EnsureModule("{CEF63746-AD34-42D0-9138-39D83ECB77CB}", 0, 1, 0)
    assert made.constants.vmVMState_Running == client.constants.vmVMState_Running
    assert client.gencache.GetModuleForProgID("VirtualPC.Application").CLSID == made.CLSID
    assert client.gencache.GetModuleForProgID("Excel.Application") is None
    with pytest.raises(ComError, match="none of the type libraries served here") as caught:
        client.gencache.EnsureModule("{00020813-0000-0000-C000-000000000046}", 0, 1, 3)
    assert caught.value.args == (-2147319779, "Library not registered.", None, None)


def test_times_and_bytes_are_those_of_pywin32(client: Any) -> None:
    pywintypes = module("pywintypes")
    vs = client.Dispatch("VirtualServer.Application")
    now = vs.HostInfo.UTCTime
    assert type(now) is pywintypes.TimeType
    assert (now.tzinfo, now.microsecond % 1000) == (timezone.utc, 0)
    assert abs(datetime.now(timezone.utc) - now) < timedelta(minutes=1)
    assert now.Format("%Y") == str(now.year)
    assert pywintypes.Time(0) == datetime(1970, 1, 1, tzinfo=timezone.utc)
    vm = vs.FindVirtualMachine("db")
    vm.SetConfigurationValue("settings/ours/raw", memoryview(b"ab\0"))
    raw = vm.GetConfigurationValue("settings/ours/raw")
    assert (type(raw), bytes(raw)) == (memoryview, b"ab\0")


def test_members_whose_names_begin_with_an_underscore(client: Any) -> None:
    vs = client.Dispatch("VirtualServer.Application")
    assert isinstance(vs.FindVirtualMachine("web").NetworkAdapters(1)._ID, int)
    assert [vm.Name for vm in vs.VirtualMachines._NewEnum()] == ["db", "web"]
    assert copy.copy(vs) == vs


def test_printing_an_object_hides_no_failure(client: Any) -> None:
    vs = client.Dispatch("VirtualServer.Application")
    db = vs.FindVirtualMachine("db")
    assert (str(vs), str(db)) == ("<COMObject VirtualServer.Application>", "db")
    vs.DeleteVirtualMachine(db)
    with pytest.raises(ComError) as caught:
        str(db)
    assert caught.value.hresult == HRESULT.DISP_E_EXCEPTION


def test_comtypes_has_errors_of_its_own_and_binds_early(client: Any) -> None:
    comtypes = module("comtypes")
    vs = module("comtypes.client").CreateObject("VirtualServer.Application")
    assert vs.VirtualMachines[2].Name == "web"
    assert module("comtypes.client").Constants(vs).vmVMState_Running == vs.VirtualMachines[2].State
    with pytest.raises(comtypes.COMError) as caught:
        vs.VirtualMachines(2).Startup()
    error = caught.value
    assert (error.hresult, error.details[0]) == (HRESULT.VM_E_VM_RUNNING, "web is running already")
    assert error.args == (error.hresult, error.text, error.details)
    assert str(error) == "VM_E_VM_RUNNING (0xA0040500): web is running already"


def test_unknown_and_read_only_names_are_attribute_errors_as_in_pywin32(client: Any) -> None:
    web = client.Dispatch("VirtualServer.Application").FindVirtualMachine("web")
    with pytest.raises(AttributeError, match=r"IVMVirtualMachine\.Nmae"):
        web.Nmae  # noqa: B018 - reading it is the test
    with pytest.raises(AttributeError, match="can not be set"):
        web.State = 1
    assert not hasattr(web, "NoSuchThing")


def test_a_property_is_assigned(client: Any) -> None:
    db = client.DispatchEx("VirtualServer.Application").FindVirtualMachine("db")
    db.Name = "db2"
    assert db.Name == "db2"
    with pytest.raises(ComError) as caught:
        db.Name = "web"
    assert caught.value.scode == HRESULT.VM_E_CONFIG_DUPLICATE_NAME


def test_the_server_may_be_named(client: Any, vpcshim_node: NodeBuilder) -> None:
    other = vpcshim_node(Machine("elsewhere"))
    vs = client.DispatchEx("VirtualServer.Application", other.uri)
    assert [vm.Name for vm in vs.VirtualMachines] == ["elsewhere"]


@pytest.mark.parametrize(
    "name", [".", "localhost", r"\\localhost", "127.0.0.1", "::1", socket.gethostname().upper()]
)
def test_a_server_that_is_this_machine_is_the_default_one(client: Any, name: str) -> None:
    here = client.DispatchEx("VirtualServer.Application", name)
    db = here.FindVirtualMachine("db")
    assert db == client.DispatchEx("VirtualServer.Application").FindVirtualMachine("db")


def test_a_script_that_names_this_machine_has_the_server_of_connect(node: Node, tmp_path: Path) -> None:
    text = """
from win32com.client import DispatchEx
here = [DispatchEx("VirtualServer.Application", name) for name in (".", "localhost")]
here[0].FindVirtualMachine("db").Name = "renamed"
print(sorted(vm.Name for vm in here[1].VirtualMachines))
"""
    done = subprocess.run(
        [sys.executable, "-m", "vpcshim", "run", "-c", node.uri, script(tmp_path, text)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "['renamed', 'web']\n", "")


@pytest.mark.parametrize("progid", ["Excel.Application", "{00024500-0000-0000-C000-000000000046}", ""])
def test_other_classes_are_refused_by_name(client: Any, progid: str) -> None:
    with pytest.raises(ComError, match="none of the classes served here: VirtualServer") as caught:
        client.Dispatch(progid)
    assert caught.value.args == (-2147221005, "Invalid class string", None, None)


@pytest.mark.parametrize("spelling", ["VirtualServer.Application", "{DA3111BC-1BD7-4884-A535-8470D36028F7}"])
def test_every_way_to_an_application(client: Any, spelling: str) -> None:
    pythoncom, pywintypes = module("pythoncom"), module("pywintypes")
    made = [
        client.Dispatch(spelling),
        client.DispatchEx(spelling),
        client.gencache.EnsureDispatch(spelling),
        client.GetObject(Class=spelling),
        client.GetActiveObject(spelling),
        client.dynamic.Dispatch(spelling),
        client.Dispatch(pythoncom.CoCreateInstance(pywintypes.IID(spelling), None, 23, pythoncom.IID_IDispatch)),
        client.Dispatch(pythoncom.GetActiveObject(spelling).QueryInterface(pythoncom.IID_IDispatch)),
        client.Dispatch(pythoncom.connect(spelling)),
        module("comtypes.client").CreateObject(spelling),
        client.Dispatch(client.Dispatch(spelling)),
        client.CastTo(client.Dispatch(spelling), "IVMVirtualServer"),
    ]
    assert {one.Name for one in made} == {"Virtual Server"}


def test_arguments_that_are_no_value(client: Any) -> None:
    pythoncom = module("pythoncom")
    vs = client.Dispatch("VirtualServer.Application")
    with pytest.raises(ComError) as caught:
        vs.FindVirtualMachine(pythoncom.Missing)
    assert caught.value.hresult in (HRESULT.DISP_E_PARAMNOTOPTIONAL, HRESULT.DISP_E_BADPARAMCOUNT)
    assert vs.FindVirtualMachine(pythoncom.Empty) is None
    assert vs.FindVirtualMachine(client.VARIANT(pythoncom.VT_BSTR, "web")).Name == "web"


@pytest.mark.parametrize(
    ("vt", "value", "kept"),
    [
        ("VT_BOOL", 1, True),
        ("VT_I4", True, 1),
        ("VT_BSTR", 12, "12"),
        ("VT_UI4", "12", 12),
        ("VT_VARIANT", 12, 12),
        ("bytes", [97, 98], b"ab"),
    ],
)
def test_a_variant_is_passed_as_the_type_that_it_names(client: Any, vt: str, value: Any, kept: Any) -> None:
    pythoncom = client.pythoncom
    number = pythoncom.VT_ARRAY | pythoncom.VT_UI1 if vt == "bytes" else getattr(pythoncom, vt)
    vm = client.Dispatch("VirtualServer.Application").FindVirtualMachine("db")
    for passed in (client.VARIANT(number, value), client.VARIANT(number | pythoncom.VT_BYREF, value)):
        vm.SetConfigurationValue("settings/ours/typed", passed)
        found = vm.GetConfigurationValue("settings/ours/typed")
        assert (found, isinstance(found, bool)) == (kept, isinstance(kept, bool))


def test_a_variant_of_no_value_is_none(client: Any) -> None:
    pythoncom = client.pythoncom
    vs = client.Dispatch("VirtualServer.Application")
    for nothing in (None, pythoncom.Empty):
        assert vs.FindVirtualMachine(client.VARIANT(pythoncom.VT_BSTR, nothing)) is None
    with pytest.raises(ComError) as caught:
        vs.FindVirtualMachine(client.VARIANT(pythoncom.VT_BSTR, pythoncom.Missing))
    assert caught.value.hresult in (HRESULT.DISP_E_PARAMNOTOPTIONAL, HRESULT.DISP_E_BADPARAMCOUNT)
    with pytest.raises(TypeError):
        vs.FindVirtualMachine(client.VARIANT(pythoncom.VT_ARRAY | pythoncom.VT_UI1, 1 << 20))
    with pytest.raises(TypeError):
        vs.FindVirtualMachine(client.VARIANT(pythoncom.VT_I4, None))


def test_apartments_and_the_pump_do_no_harm(client: Any) -> None:
    pythoncom = module("pythoncom")
    pythoncom.CoInitialize()
    pythoncom.CoInitializeEx(pythoncom.COINIT_MULTITHREADED)
    assert pythoncom.PumpWaitingMessages() == 0
    pythoncom.CoUninitialize()
    winerror = module("winerror")
    assert winerror.DISP_E_EXCEPTION == -2147352567
    assert winerror.FAILED(winerror.E_FAIL)
    assert (pythoncom.VT_DECIMAL, pythoncom.VT_I1, pythoncom.VT_UI8) == (14, 16, 21)
    assert pythoncom.VT_ARRAY | pythoncom.VT_BYREF == 0x6000


def pump_until(seen: list[Any]) -> None:
    pythoncom = module("pythoncom")
    deadline = time.monotonic() + 10
    while not seen and time.monotonic() < deadline:
        pythoncom.PumpWaitingMessages()
        time.sleep(0.01)


def test_events_come_when_the_thread_pumps(client: Any) -> None:
    seen: list[tuple[int, int]] = []

    class Handler:
        once = False

        def OnStateChange(self, state: int) -> None:
            assert not self.once
            seen.append((threading.get_ident(), state))

    web = client.Dispatch("VirtualServer.Application").FindVirtualMachine("web")
    sink = client.WithEvents(web, Handler)
    web.Pause()
    pump_until(seen)
    assert seen[0] == (threading.get_ident(), client.constants.vmVMState_Paused)
    sink.close()


def test_a_sink_that_the_script_does_not_hold_is_held_by_com(client: Any) -> None:
    seen: list[int] = []

    class Handler:
        def OnStateChange(self, state: int) -> None:
            seen.append(state)

    web = client.Dispatch("VirtualServer.Application").FindVirtualMachine("web")
    client.WithEvents(web, Handler)
    gc.collect()
    web.Pause()
    pump_until(seen)
    assert seen == [client.constants.vmVMState_Paused]
    client.WithEvents(web, Handler).close()
    assert len(web._session_._held) == 2  # one that is closed is let go when the next one comes
    client.WithEvents(web, Handler)
    assert len(web._session_._held) == 2


def test_an_object_that_is_its_own_handler(client: Any) -> None:
    seen: list[int] = []

    class Handler:
        def __init__(self) -> None:
            self.count = 0

        def OnVMStateChange(self, config: str, state: int) -> None:
            self.count += len(self.VirtualMachines)  # type: ignore[attr-defined]
            seen.append(state)

    vs = client.DispatchWithEvents("VirtualServer.Application", Handler)
    assert vs.Name == "Virtual Server"
    vs.FindVirtualMachine("web").Pause()
    pump_until(seen)
    assert (seen, vs.count) == ([client.constants.vmVMState_Paused], 2)
    assert type(vs.FindVirtualMachine("web")) is client.DispatchBaseClass
    vs.close()


def test_a_handler_sees_plain_values(client: Any) -> None:
    seen: list[str] = []

    class Handler:
        def OnStateChange(self, *args: Any) -> None:
            seen.append(f"{args}")

        def OnConfigurationChanged(self, key: str, value: Any) -> None:
            seen.append(type(value).__name__)

    web = client.Dispatch("VirtualServer.Application").FindVirtualMachine("web")
    sink = client.WithEvents(web, Handler)
    web.Pause()
    pump_until(seen)
    assert seen.pop() == "(6,)"
    web.SetConfigurationValue("settings/ours/raw", b"ab")
    pump_until(seen)
    assert seen == ["memoryview"]
    sink.close()


def test_a_handler_of_several_bases_keeps_what_it_assigns(client: Any) -> None:
    class Base:
        def __init__(self) -> None:
            self.seen: list[int] = []

        def OnStateChange(self, state: int) -> None:
            self.seen.append(state)

    class Mixed(Base, threading.Event):
        def __init__(self) -> None:
            Base.__init__(self)
            threading.Event.__init__(self)
            self.State = "the script's own"  # which is read-only in the object

    web = client.Dispatch("VirtualServer.Application").FindVirtualMachine("web")
    sink = client.DispatchWithEvents(web, Mixed)
    assert isinstance(sink, Mixed)
    assert isinstance(sink, client.EventsProxy)
    web.Pause()
    pump_until(sink)
    deadline = time.monotonic() + 10
    while not sink.seen and time.monotonic() < deadline:
        module("pythoncom").PumpWaitingMessages()
    assert (sink.seen, sink.State, sink.Name) == ([6], "the script's own", "web")
    sink.Notes = "kept by the machine"
    assert web.Notes == "kept by the machine"
    sink.close()


def test_a_class_of_getevents_connects_itself(client: Any) -> None:
    seen: list[Any] = []

    class Handler(client.getevents("VirtualServer.Application")):  # type: ignore[misc]  # a class made at run time
        def OnVMStateChange(self, *args: Any) -> None:
            seen.append(args)

    unconnected = Handler()
    vs = client.Dispatch("VirtualServer.Application")
    Handler(vs)
    gc.collect()  # as COM keeps a sink, whether or not the script does
    vs.FindVirtualMachine("web").Pause()
    pump_until(seen)
    assert seen == [("web", 6)]
    one = Handler(vs)
    for sink in (unconnected, one, one):
        sink.close()
    seen.clear()
    vs.FindVirtualMachine("web").Resume()
    pump_until(seen)
    module("pythoncom").PumpWaitingMessages()
    assert seen == [("web", 5)]  # of the one that was not closed
    with pytest.raises(ComError, match="none of the classes served here"):
        client.getevents("Excel.Application")


@pytest.mark.parametrize("way", ["sys", "thread"])
def test_in_the_multithreaded_apartment_nobody_pumps(
    client: Any, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    pythoncom = module("pythoncom")
    seen: list[int] = []

    class Handler:
        def OnStateChange(self, state: int) -> None:
            seen.append(threading.get_ident())

    def connect() -> None:
        if way == "thread":
            pythoncom.CoInitializeEx(pythoncom.COINIT_MULTITHREADED)
        client.WithEvents(web, Handler)

    web = client.Dispatch("VirtualServer.Application").FindVirtualMachine("web")
    if way == "sys":
        monkeypatch.setattr(sys, "coinit_flags", 0, raising=False)
        connect()
    else:
        thread = threading.Thread(target=connect)
        thread.start()
        thread.join()
    web.Pause()
    deadline = time.monotonic() + 10
    while not seen and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(seen) == 1
    assert seen[0] != threading.get_ident()


def test_dispatched_by_dynamic_it_is_late_bound_whatever_makepy_has_read(client: Any) -> None:
    vs = client.gencache.EnsureDispatch("VirtualServer.Application")
    assert client.dynamic.Dispatch("VirtualServer.Application").VirtualMachines[0].Name == "db"
    assert client.dynamic.DumbDispatch(vs).VirtualMachines[1].Name == "web"
    assert vs.VirtualMachines[1].Name == "db"


def test_the_pointer_that_pywin32_keeps_of_an_object(client: Any) -> None:
    pythoncom = module("pythoncom")
    vs = client.Dispatch("VirtualServer.Application")
    db = vs.FindVirtualMachine("db")
    pointer = db._oleobj_
    assert pointer == db == client.Dispatch(pointer) == pointer.QueryInterface(pythoncom.IID_IDispatch)
    assert hash(pointer) == hash(db)
    assert pointer != vs._oleobj_
    assert isinstance(pointer, pythoncom.TypeIIDs[pythoncom.IID_IDispatch])
    name = pointer.GetIDsOfNames("name")
    assert name == pointer.GetIDsOfNames(0, "Name")
    assert pointer.GetIDsOfNames("Name", "State")[0] == name
    assert pointer.Invoke(name, 0, pythoncom.DISPATCH_PROPERTYGET, 1) == "db"
    pointer.Invoke(name, 0, pythoncom.DISPATCH_PROPERTYPUT, 0, "db2")
    assert db.Name == "db2"
    found = vs._oleobj_.InvokeTypes(
        vs._oleobj_.GetIDsOfNames("FindVirtualMachine"), 0, pythoncom.DISPATCH_METHOD, (9, 0), ((8, 1),), "db2"
    )
    assert client.Dispatch(found).Name == "db2"
    machines = vs.VirtualMachines._oleobj_.Invoke(pythoncom.DISPID_NEWENUM, 0, 3, 1)
    assert [client.Dispatch(one).Name for one in machines] == ["db2", "web"]
    startup = pointer.GetIDsOfNames("Startup")
    fails: tuple[tuple[Callable[[], Any], HRESULT], ...] = (
        (lambda: pointer.GetIDsOfNames("Nmae"), HRESULT.DISP_E_UNKNOWNNAME),
        (lambda: pointer.Invoke(12345, 0, 1, 1), HRESULT.DISP_E_MEMBERNOTFOUND),
        (lambda: pointer.Invoke(startup, 0, pythoncom.DISPATCH_PROPERTYGET, 1), HRESULT.DISP_E_MEMBERNOTFOUND),
        (lambda: pointer.Invoke(name, 0, pythoncom.DISPATCH_METHOD, 1), HRESULT.DISP_E_MEMBERNOTFOUND),
        (lambda: pointer.QueryInterface("{00020404-0000-0000-C000-000000000046}"), HRESULT.E_NOINTERFACE),
        (lambda: pointer.Invoke(name, 0, pythoncom.DISPATCH_PROPERTYPUT, 0, "web"), HRESULT.DISP_E_EXCEPTION),
    )
    for call, code in fails:
        with pytest.raises(pythoncom.com_error) as caught:
            call()
        assert caught.value.hresult == code
    assert client.Dispatch(pointer).State == 1  # vmVMState_TurnedOff: nothing of it was run


def test_another_thread_has_an_object_through_a_stream(client: Any) -> None:
    pythoncom = module("pythoncom")
    vs = client.Dispatch("VirtualServer.Application")
    stream = pythoncom.CoMarshalInterThreadInterfaceInStream(pythoncom.IID_IDispatch, vs._oleobj_)
    names: list[str] = []

    def work() -> None:
        pythoncom.CoInitialize()
        there = client.Dispatch(pythoncom.CoGetInterfaceAndReleaseStream(stream, pythoncom.IID_IDispatch))
        names.extend(vm.Name for vm in there.VirtualMachines)
        pythoncom.CoUninitialize()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert names == ["db", "web"]


def test_lists_of_what_there_is(client: Any) -> None:
    (constants,) = client.constants.__dicts__
    assert constants["vmVMState_Running"] == 5
    assert all(type(value) is int for value in constants.values())
    for name in ("__file__", "VMVMState", "annotations"):
        with pytest.raises(AttributeError):
            getattr(client.constants, name)
    db = client.gencache.EnsureDispatch("VirtualServer.Application").FindVirtualMachine("db")
    assert {"Name", "State"} <= set(db._prop_map_get_)
    assert "Startup" not in db._prop_map_get_


def test_the_codes_of_winerror_are_windows_own(client: Any) -> None:
    winerror = module("winerror")
    assert winerror.RPC_S_SERVER_UNAVAILABLE == 1722
    assert winerror.HRESULT_FROM_WIN32(1722) == HRESULT.RPC_S_SERVER_UNAVAILABLE
    assert winerror.HRESULT_FROM_WIN32(0) == winerror.ERROR_SUCCESS
    assert winerror.HRESULT_FROM_WIN32(HRESULT.E_FAIL) == winerror.E_FAIL == -2147467259
    assert (winerror.RPC_E_CHANGED_MODE, winerror.REGDB_E_CLASSNOTREG) == (-2147417850, -2147221164)
    assert winerror.HRESULT_FACILITY(winerror.DISP_E_EXCEPTION) == winerror.FACILITY_DISPATCH
    assert winerror.HRESULT_CODE(HRESULT.RPC_S_SERVER_UNAVAILABLE) == 1722
    with pytest.raises(AttributeError, match="winerror"):
        winerror.ERROR_OF_NOBODY  # noqa: B018 - reading it is the test


def test_what_scripts_of_these_products_say_to_com(client: Any) -> None:
    pythoncom = client.pythoncom
    pythoncom.CoInitializeSecurity(
        None,
        None,
        None,
        pythoncom.RPC_C_AUTHN_LEVEL_CONNECT,
        pythoncom.RPC_C_IMP_LEVEL_IMPERSONATE,
        None,
        pythoncom.EOAC_DYNAMIC_CLOAKING,
        None,
    )
    assert (pythoncom.RPC_C_AUTHN_LEVEL_CONNECT, pythoncom.RPC_C_AUTHN_LEVEL_PKT_INTEGRITY) == (2, 5)
    assert (pythoncom.RPC_C_IMP_LEVEL_DELEGATE, pythoncom.EOAC_DYNAMIC_CLOAKING) == (4, 64)
    assert pythoncom.CreateGuid() != pythoncom.CreateGuid()
    assert pythoncom.GetScodeString(HRESULT.DISP_E_BADINDEX) == "Invalid index."
    assert pythoncom.GetScodeString(-2147417850) == "OLE error 0x80010106"
    assert client.pywintypes.com_error is pythoncom.com_error


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("import win32api", "win32api"),
        ("import win32com.server.util", "win32com.server"),
        ("import win32com.client.makepy", "win32com.client.makepy"),
        ("from win32com.client import makepy", "win32com.client.makepy"),
        ("from win32com import universal", "win32com.universal"),
        ("from pythoncom import WrapObject", "pythoncom.WrapObject"),
        ("from comtypes.client import gen_dir", "comtypes.client.gen_dir"),
        ("import comtypes.gen", "comtypes.gen"),
        ("import wmi", "wmi"),
    ],
)
def test_what_is_not_served_is_refused_by_name(client: Any, statement: str, name: str) -> None:
    with pytest.raises(ImportError) as caught:
        exec(statement, {})
    assert str(caught.value) == (
        f"No module named {name!r} here: vpcshim stands in for win32com.client, pythoncom, pywintypes, winerror "
        "and comtypes.client alone"
    )
    assert caught.value.name == (None if "." in name else name)


@pytest.mark.parametrize("name", ["pythoncom", "pywintypes", "win32com.client", "comtypes", "comtypes.client"])
def test_a_name_that_is_not_served_is_told_by_the_modules_own(client: Any, name: str) -> None:
    with pytest.raises(AttributeError, match=rf"^{name}\.Unheard is not served here"):
        module(name).Unheard  # noqa: B018 - reading it is the test
    assert not hasattr(module(name), "Unheard")


def test_other_modules_are_missed_as_ever(client: Any) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'no_such_module'$"):
        importlib.import_module("no_such_module")
    uninstall_pywin32()
    try:
        with pytest.raises(ModuleNotFoundError, match=r"^No module named 'win32api'$"):
            importlib.import_module("win32api")
    finally:
        install_pywin32()


def test_a_script_that_prepares_for_what_is_missing_goes_on(node: Node, tmp_path: Path) -> None:
    text = "try: import win32api\nexcept ImportError as error: print(error.name)\nimport win32event"
    done = run(node, script(tmp_path, text), "")
    assert (done.returncode, done.stdout) == (1, "win32api\n")
    assert done.stderr.startswith(f"{tmp_path}/script.py(5")
    assert "ModuleNotFoundError: No module named 'win32event' here: vpcshim stands in for" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_it_goes_as_it_came(node: Node) -> None:
    install_pywin32(node.uri)
    uninstall_pywin32()
    with pytest.raises(ImportError):
        importlib.import_module("win32com.client")


def test_it_replaces_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pythoncom", sys)
    with pytest.raises(RuntimeError, match="pythoncom"):
        install_pywin32(node.uri)


# -- vpcshim run --------------------------------------------------------------------------------------------


def run(node: Node, script: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vpcshim", "run", "-c", node.uri, *args[:-1], str(script), *args[-1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def script(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "script.py"
    file.write_text(
        f"import sys, win32com.client\nvs = win32com.client.Dispatch('VirtualServer.Application')\n{text}\n"
    )
    return file


def test_a_script_runs_with_its_arguments(node: Node, tmp_path: Path) -> None:
    file = script(tmp_path, "print(sys.argv[1:], [vm.Name for vm in vs.VirtualMachines]); sys.exit(7)")
    done = run(node, file, "--flag")
    assert (done.returncode, done.stdout, done.stderr) == (7, "['--flag'] ['db', 'web']\n", "")


def test_an_error_says_where_and_which(node: Node, tmp_path: Path) -> None:
    file = script(tmp_path, "def f():\n    vs.FindVirtualMachine('web').Startup()\nf()")
    done = run(node, file, "")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"{file}(4")
    assert "VM_E_VM_RUNNING (0xA0040500): web is running already" in last
    assert "vpcshim/clients" not in done.stderr


def test_strict_ends_what_the_script_would_survive(node: Node, tmp_path: Path) -> None:
    file = script(
        tmp_path, "try:\n    vs.FindVirtualMachine('web').Startup()\nexcept Exception:\n    print('survived')"
    )
    assert run(node, file, "").stdout == "survived\n"
    done = run(node, file, "--strict", "")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{file}(4" in done.stderr
    assert "VM_E_VM_RUNNING" in done.stderr


def test_strict_lets_no_bare_except_go_on(node: Node, tmp_path: Path) -> None:
    text = (
        "try:\n    vs.Bogus\nexcept:\n    print('caught')\ntry:\n    print(vs.Name)\nexcept:\n    print('too late')"
    )
    done = run(node, script(tmp_path, text), "--strict", "")
    assert (done.returncode, done.stdout) == (1, "caught\ntoo late\n")
    assert "ended by --strict: IVMVirtualServer.Bogus" in done.stderr
    assert "script.py(4" in done.stderr.splitlines()[-1]


def test_strict_and_a_trace_see_an_assignment_to_what_is_read_only(node: Node, tmp_path: Path) -> None:
    file, trace = script(tmp_path, "try: vs.Name = 'x'\nexcept Exception: print('survived')"), tmp_path / "trace"
    assert run(node, file, "").stdout == "survived\n"
    done = run(node, file, "--strict", "--trace", str(trace), "")
    assert (done.returncode, done.stdout) == (1, "")
    last = json.loads(trace.read_text().splitlines()[-1])
    assert (last["member"], last["use"], last["hresult"]["name"]) == ("Name", "put", "DISP_E_MEMBERNOTFOUND")


def test_the_objects_of_a_script_that_failed_are_let_go_at_once(node: Node, tmp_path: Path) -> None:
    text = """
import atexit, gc, weakref
gc.disable()
atexit.register(exec, "print(this())", {"this": weakref.ref(vs._comobject_)})
raise ValueError('x')
"""
    done = run(node, script(tmp_path, text), "")
    assert (done.returncode, done.stdout) == (1, "None\n")


@pytest.mark.parametrize("line", ["sys.stdout = None", "sys.stdout.close()", "sys.stdout = object()"])
def test_what_a_script_makes_of_its_output_is_its_own(node: Node, tmp_path: Path, line: str) -> None:
    done = run(node, script(tmp_path, f"print(1)\n{line}\nsys.exit(4)"), "")
    assert (done.returncode, done.stdout, done.stderr) == (4, "1\n", "")


@pytest.mark.parametrize("line", ["raise ValueError('x')", "sys.exit('x')"])
@pytest.mark.parametrize("closes", [True, False])
def test_what_is_told_to_nobody_is_still_an_error(node: Node, tmp_path: Path, line: str, closes: bool) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    text = f"sys.stderr.close()\n{line}" if closes else line
    command = [sys.executable, "-m", "vpcshim", "run", "-c", node.uri, str(script(tmp_path, text))]
    errors = subprocess.PIPE if closes else writing
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr or "") == (1, "")


def test_it_takes_no_other_ones_place(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there" / "comtypes").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "there"))
    done = run(node, script(tmp_path, ""), "")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "vpcshim: comtypes can be imported here already, and the stand-in does not replace it: run vpcshim from an "
        "environment without it\n"
    )


def test_what_is_no_python_text(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_bytes(b"x = '\xff'\n")
    done = run(node, file, "")
    assert done.returncode == 1
    assert done.stderr.startswith(str(file))
    assert "None" not in done.stderr


def test_check_goes_on_after_a_file_that_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("import win32com.client\n")
    (tmp_path / "bad.py").write_text("print 'x'\n")
    names = [str(tmp_path / name) for name in ("bad.py", "missing.vbs", "good.py")]
    done = subprocess.run(
        [sys.executable, "-m", "vpcshim", "check", *names], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stdout.startswith(names[2])
    assert len(done.stderr.splitlines()) == 2


def test_every_call_is_traced(node: Node, tmp_path: Path) -> None:
    file = script(tmp_path, "vm = vs.FindVirtualMachine('WEB')\nvm.Name\nvm.TurnOff()\nvs.Nonsense")
    trace = tmp_path / "calls.jsonl"
    run(node, file, "--trace", str(trace), "")
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [(line["member"], line["use"], line["hresult"]["name"]) for line in lines] == [
        ("VirtualServer.Application", "create", "S_OK"),
        ("FindVirtualMachine", "call", "S_OK"),
        ("Name", "get", "S_OK"),
        ("TurnOff", "call", "S_OK"),
        ("Nonsense", "lookup", "DISP_E_UNKNOWNNAME"),
    ]
    assert lines[1]["arguments"] == ["WEB"]
    assert lines[2]["value"] == "web"
    assert lines[2]["object"] == lines[3]["object"]
    assert lines[1]["seconds"] >= 0


def test_a_dry_run_changes_nothing(node: Node, tmp_path: Path) -> None:
    text = """
vm = vs.FindVirtualMachine('web')
task = vm.TurnOff()
task.WaitForCompletion(-1)
vm.Name = 'other'
vm.Pause()
print(task.IsComplete, task.Result, vm.State, vm.Name)
"""
    done = run(node, script(tmp_path, text), "--dry-run", "")
    assert (done.returncode, done.stdout) == (0, "True 0 5 web\n"), done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "vm.State = 1",
        "vm.Memory = 'much'",
        "vm.Pause(1)",
        "vm.Startup('now')",
        "vm.Startup(nonsense=1)",
        "vs.CreateVirtualMachine('web')",
        "vs.CreateVirtualMachine('new', 'C:\\\\')",
        "vs.FindVirtualMachine('nobody').Pause()",
        "vs.OnVMStateChange('web', 1)",
    ],
)
def test_a_dry_run_refuses_what_could_never_be_done(node: Node, tmp_path: Path, line: str) -> None:
    done = run(node, script(tmp_path, f"vm = vs.FindVirtualMachine('web')\n{line}"), "--dry-run", "")
    assert done.returncode == 1
    assert done.stderr.startswith(f"{tmp_path}/script.py(4")


def test_what_a_script_leaves_running_still_has_the_stand_in(node: Node, tmp_path: Path) -> None:
    text = """
import atexit, threading, time
def later():
    time.sleep(0.3)
    import pythoncom
    print([vm.Name for vm in win32com.client.Dispatch('VirtualServer.Application').VirtualMachines])
    vs.Nonsense
atexit.register(lambda: print(vs.Name))
threading.Thread(target=later).start()
"""
    trace = tmp_path / "trace"
    done = run(node, script(tmp_path, text), "--trace", str(trace), "")
    assert (done.returncode, done.stdout) == (0, "['db', 'web']\nVirtual Server\n")
    assert done.stderr.splitlines()[-1].endswith("AttributeError: VirtualServer.Application.Nonsense")
    assert "vpcshim/" not in done.stderr
    assert [json.loads(line)["member"] for line in trace.read_text().splitlines()][-2:] == ["Nonsense", "Name"]


def test_an_event_handler_that_fails_is_told_where_and_the_script_goes_on(node: Node, tmp_path: Path) -> None:
    text = """
import pythoncom, time
class Handler:
    def OnVMStateChange(self, config, state):
        self.seen = True
        raise ValueError('oh')
sink = win32com.client.WithEvents(vs, Handler)
vs.FindVirtualMachine('web').Pause()
while not hasattr(sink, 'seen'):
    pythoncom.PumpWaitingMessages()
    time.sleep(0.01)
print('on')
"""
    done = run(node, script(tmp_path, text), "")
    assert (done.returncode, done.stdout) == (0, "on\n")
    assert done.stderr.startswith(f"{tmp_path}/script.py(8")
    assert done.stderr.endswith(": ValueError: oh\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "try: vs.VirtualMachines(99)\nexcept Exception as e: raise RuntimeError('no') from e",
            ["DISP_E_BADINDEX", "RuntimeError"],
        ),
        ("try: 1 / 0\nexcept ArithmeticError: vs.VirtualMachines(99)", ["ZeroDivisionError", "DISP_E_BADINDEX"]),
        ("try: 1 / 0\nexcept ArithmeticError: raise RuntimeError('no') from None", ["RuntimeError"]),
        ("vs.FindVirtualMachine('web').Startup()", ["VM_E_VM_RUNNING"]),
        ("class Odd(BaseException): pass\nraise Odd('x')", ["Odd"]),
    ],
)
def test_what_led_to_an_error_is_told_before_it(node: Node, tmp_path: Path, text: str, told: list[str]) -> None:
    done = run(node, script(tmp_path, text), "")
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert [line.split(": ")[1].split(" ")[0] for line in lines] == told
    assert all(line.startswith(f"{tmp_path}/script.py(") for line in lines)


def test_a_trace_that_cannot_be_written_ends_alone(node: Node, tmp_path: Path) -> None:
    done = run(node, script(tmp_path, "print(vs.Name); sys.exit(5)"), "--trace", "/dev/full", "")
    assert (done.returncode, done.stdout) == (5, "Virtual Server\n")
    assert done.stderr == "vpcshim: the trace /dev/full ends here: No space left on device\n"


def test_a_trace_on_a_stderr_that_nobody_reads_any_more_ends_alone(node: Node, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "vpcshim", "run", "-c", node.uri, "--trace", "-"]
    file = script(tmp_path, "print(vs.Name, flush=True); sys.stderr.close(); print(vs.Name); sys.exit(5)")
    for errors in (writing, subprocess.DEVNULL):
        done = subprocess.run(
            [*command, str(file)], stdout=subprocess.PIPE, stderr=errors, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (5, "Virtual Server\n" * 2)
    os.close(writing)


def test_a_trace_is_json_whatever_a_script_passes(node: Node, tmp_path: Path) -> None:
    values = "'\\ud800', float('nan'), 10**5000, 2**63, object(), b'ab', [1, None]"
    text = f"for one in ({values}):\n    try: vs.FindVirtualMachine(one)\n    except Exception: pass"
    trace = tmp_path / "trace"
    run(node, script(tmp_path, text), "--trace", str(trace), "")

    def refuse(name: str) -> None:
        raise ValueError(name)

    lines = [json.loads(line, parse_constant=refuse) for line in trace.read_bytes().splitlines()]
    assert [line["arguments"][0] for line in lines[1:]] == [
        "\ud800",
        "nan",
        "a number of 16610 bits",
        2**63,
        "<object>",
        "6162",
        [1, None],
    ]


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", ">&- <&- 2>&-"])
def test_standard_streams_that_are_closed(node: Node, tmp_path: Path, closed: str) -> None:
    text = """
import os
print('x'); print('y', file=sys.stderr)
with open(sys.argv[1], 'w') as file:
    print(sys.stdin.read(), *(os.readlink(f'/proc/self/fd/{n}') for n in range(3)), file=file)
sys.exit(5 + len(vs.VirtualMachines))
"""
    file, out = script(tmp_path, text), tmp_path / "out"
    command = f"exec {sys.executable} -m vpcshim run -c {node.uri} {file} {out} {closed}"
    done = subprocess.run(
        ["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, out.read_text().count("/dev/null")) == (7, 1 + closed.count("-") - ("<" in closed))
    assert done.stdout == ("" if closed.startswith(">") else "x\n")
    assert done.stderr == ("" if "2>" in closed else "y\n")


@pytest.mark.parametrize(
    ("name", "args", "why"),
    [
        ("missing.py", (), "cannot be read"),
        ("script.rb", (), "no script known here"),
        ("script.py", ("--drive", "C"), "LETTER:=FOLDER"),
        ("script.py", ("--drive", "C:=relative"), "absolute folder"),
        ("script.py", ("--drive", "C:=/nosuch"), "drive C: stands for /nosuch, which is no folder"),
        ("script.py", ("--drive", "C:=/tmp", "--drive", "c:=/var"), "C: is given twice, for /tmp and for /var"),
        ("script.py", ("--trace", "/no/such/folder/trace"), "cannot be written"),
        ("script.py", ("-c", "test:///default"), "one default server"),
    ],
)
def test_wrong_usage(node: Node, tmp_path: Path, name: str, args: tuple[str, ...], why: str) -> None:
    (tmp_path / "script.rb").touch()
    (tmp_path / "script.py").touch()
    done = run(node, tmp_path / name, *args, "")
    assert done.returncode == 2
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_the_drives_of_the_environment_have_to_be_there_as_well(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VPCSHIM_DRIVES", "C:=/nosuch")
    (tmp_path / "script.py").touch()
    done = run(node, tmp_path / "script.py", "")
    assert done.returncode == 2
    assert "VPCSHIM_DRIVES: drive C: stands for /nosuch, which is no folder" in done.stderr


def test_a_server_that_is_not_to_be_had_is_found_out_at_once(tmp_path: Path) -> None:
    script = tmp_path / "report.py"
    script.write_text(
        "import pythoncom, win32com.client\n"
        "try:\n"
        "    win32com.client.Dispatch('VirtualServer.Application')\n"
        "except pythoncom.com_error as error:\n"
        "    print(*error.args)\n"
    )
    command = [sys.executable, "-m", "vpcshim", "-c", "qemu+tcp://127.0.0.1:1/system", "run", str(script)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout == "-2147023174 The RPC server is unavailable. None None\n"
