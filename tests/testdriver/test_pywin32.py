"""The stand-in for pywin32: what a script that was written for it imports, calls and catches."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
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
    assert pythoncom.com_error is pywintypes.com_error is pywintypes.error is ComError
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


@pytest.mark.parametrize("progid", ["Excel.Application", "{00024500-0000-0000-C000-000000000046}", ""])
def test_other_classes_are_refused_by_name(client: Any, progid: str) -> None:
    with pytest.raises(ComError, match="Invalid class string") as caught:
        client.Dispatch(progid)
    assert caught.value.hresult == HRESULT.CO_E_CLASSSTRING
    assert caught.value.excepinfo is None


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
        pythoncom.CoCreateInstance(pywintypes.IID(spelling), None, pythoncom.CLSCTX_ALL, pythoncom.IID_IDispatch),
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


def test_apartments_and_the_pump_do_no_harm(client: Any) -> None:
    pythoncom = module("pythoncom")
    pythoncom.CoInitialize()
    pythoncom.CoInitializeEx(pythoncom.COINIT_MULTITHREADED)
    assert pythoncom.PumpWaitingMessages() == 0
    pythoncom.CoUninitialize()
    winerror = module("winerror")
    assert winerror.DISP_E_EXCEPTION == -2147352567
    assert winerror.FAILED(winerror.E_FAIL)


@pytest.mark.parametrize("spelling", ["OnStateChange", "OnOnStateChange"])
def test_events_come_when_the_thread_pumps(client: Any, spelling: str) -> None:
    pythoncom = module("pythoncom")
    seen: list[tuple[int, int]] = []

    class Handler:
        pass

    setattr(Handler, spelling, lambda _self, state: seen.append((threading.get_ident(), state)))
    web = client.Dispatch("VirtualServer.Application").FindVirtualMachine("web")
    sink = client.WithEvents(web, Handler)
    web.Pause()
    deadline = time.monotonic() + 10
    while not seen and time.monotonic() < deadline:
        pythoncom.PumpWaitingMessages()
        time.sleep(0.01)
    assert seen[0] == (threading.get_ident(), client.constants.vmVMState_Paused)
    sink.close()


def test_an_object_that_is_its_own_handler(client: Any) -> None:
    pythoncom = module("pythoncom")
    seen: list[int] = []

    class Handler:
        def __init__(self) -> None:
            self.count = 0

        def OnOnVMStateChange(self, config: str, state: int) -> None:
            self.count += len(self.VirtualMachines)  # type: ignore[attr-defined]
            seen.append(state)

    vs = client.DispatchWithEvents("VirtualServer.Application", Handler)
    assert vs.Name == "Virtual Server"
    vs.FindVirtualMachine("web").Pause()
    deadline = time.monotonic() + 10
    while not seen and time.monotonic() < deadline:
        pythoncom.PumpWaitingMessages()
        time.sleep(0.01)
    assert (seen, vs.count) == ([client.constants.vmVMState_Paused], 2)
    assert type(vs.FindVirtualMachine("web")) is client.CDispatch
    vs.close()


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


def test_what_is_no_python_text(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_bytes(b"x = 1\0")
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
    ("name", "args", "why"),
    [
        ("missing.py", (), "cannot be read"),
        ("script.rb", (), "no script known here"),
        ("script.py", ("--drive", "C"), "LETTER:=FOLDER"),
        ("script.py", ("--drive", "C:=relative"), "absolute folder"),
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
