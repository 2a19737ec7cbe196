"""What is told of a script from its text: what it creates, which members it names, on which lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from vpcshim.cli.check import command
from vpcshim.clients.check import Report, Unreadable, check, meant
from vpcshim.clients.text import Language, NotText, read_script
from vpcshim.com.member import Product

VBS = """' vm.Startup is not called, nor is "CreateObject(""Foo.Bar"")"
Rem vm.Save
Set vs = CreateObject("VirtualServer.Application") : rem vm.TurnOff
Set fso = CreateObject("Scripting.FileSystemObject")
For Each vm In vs.VirtualMachines
  With vm
    WScript.Echo .name & " it's .Reset ""quoted"" .Pause", _
      .Accountant.NetworkBytesSent
  End With
Next
Set mail = CreateObject("CDO.Message")
"""
JS = """// vm.Save()
var vs = new ActiveXObject('VirtualPC.Application'); /* vm.TurnOff()
   vm.Reset() */
for (var e = new Enumerator(vs.VirtualMachines); !e.atEnd(); e.moveNext())
  WScript.Echo(e.item().Name + "vm.Pause()", e.item().RdpPipeName);
"""
PYTHON = """import win32com.client
vs = win32com.client.Dispatch("VirtualServer.Application")
xl = win32com.client.Dispatch("Excel.Application")
# vm.Save()
for vm in vs.VirtualMachines:
    print(vm.Name, "vm.Pause", vm.accountant.UpTime)
"""


def used(report: Report) -> dict[str, tuple[int, ...]]:
    return {use.name: use.lines for use in report.uses}


def test_vbscript() -> None:
    report = check(VBS, "vbscript")
    assert report.products == (Product.VIRTUAL_SERVER,)
    assert report.foreign == {"CDO.Message": (11,)}
    assert used(report) == {
        "VirtualMachines": (5,),
        "Name": (7,),
        "Accountant": (8,),
        "NetworkBytesSent": (8,),
    }
    assert report.unknown == {"Echo": (7,)}


def test_jscript() -> None:
    report = check(JS, "jscript")
    assert report.products == (Product.VIRTUAL_PC,)
    assert used(report)["VirtualMachines"] == (4,)
    assert used(report)["Name"] == (5,)
    assert not {"Save", "TurnOff", "Reset", "Pause"} & used(report).keys()


def test_python() -> None:
    report = check(PYTHON, "python")
    assert report.products == (Product.VIRTUAL_SERVER,)
    assert report.foreign == {"Excel.Application": (3,)}
    assert used(report) == {"VirtualMachines": (5,), "Name": (6,), "Accountant": (6,), "UpTime": (6,)}


def test_what_is_not_python_says_where() -> None:
    with pytest.raises(Unreadable, match=r"^\(2, \d+\): not Python: "):
        check("x = 1\nx = = 2\n", "python")


def test_a_member_of_the_other_product_alone_is_none_of_ours() -> None:
    report = check('Set v = CreateObject("VirtualPC.Application")\nx = v.AvailableSystemCapacity', "vbscript")
    assert report.unknown == {"AvailableSystemCapacity": (2,)}


@pytest.mark.parametrize("language", ["vbscript", "jscript"])
@given(text=st.text())
def test_no_text_is_too_odd(language: Language, text: str) -> None:
    report = check(text, language)
    assert all(1 <= line <= text.count("\n") + 1 for use in report.uses for line in use.lines)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("é".encode(), "é"),
        ("é".encode("utf-8-sig"), "é"),
        ("é".encode("utf-16"), "é"),
        (b"\xfe\xff" + "é".encode("utf-16-be"), "é"),
        (b"caf\xe9 \x80", "café €"),
        (b"", ""),
    ],
)
def test_a_script_in_any_encoding(tmp_path: Path, data: bytes, text: str) -> None:
    file = tmp_path / "a.vbs"
    file.write_bytes(data)
    assert read_script(file) == text


@pytest.mark.parametrize(
    ("data", "why"), [(b"\xff\xfea", "utf-16"), (b"a\0b", "NUL"), (b"x" * ((16 << 20) + 1), "larger")]
)
def test_what_is_no_text(tmp_path: Path, data: bytes, why: str) -> None:
    file = tmp_path / "a.vbs"
    file.write_bytes(data)
    with pytest.raises(NotText, match=why):
        read_script(file)


def test_what_the_engine_would_break_on_is_told() -> None:
    report = check("a = Array(1)\na(1)(2) = 3\n", "vbscript")
    assert report.refused is not None
    assert report.refused.startswith("(2, 1): Wine's engine has no index behind a(...)")
    assert not report.served
    assert check("a[1][2] = 3;", "jscript").refused is None


def test_a_module_that_python_would_not_find(tmp_path: Path) -> None:
    (tmp_path / "ours.py").touch()
    text = (
        "import os, ours\ntry:\n    import wmi\nexcept ImportError:\n    wmi = 0\nimport win32com\nimport win32api"
    )
    report = check(text, "python", tmp_path)
    assert report.refused == "(7, 1): imports win32api, which is neither installed here nor part of the stand-in"
    assert not report.served
    assert check("import ours", "python").refused is not None


@pytest.mark.parametrize("module", ["win32com.server.util", "win32com.client.makepy", "comtypes.gen"])
def test_a_part_of_pywin32_that_is_not_served(module: str) -> None:
    text = "import pythoncom, win32com.client.dynamic, comtypes.client\nfrom win32com.client import gencache\n"
    assert check(text, "python").refused is None
    told = f"(3, 1): imports {module}, which is neither installed here nor part of the stand-in"
    assert check(f"{text}import {module}", "python").refused == told
    assert check(f"{text}from {module} import x", "python").refused == told


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("vbscript", "Sub vs_OnServiceEvent(id)\nEnd Sub\nFunction a_b_onvmstatechange(c, s)\nEnd Function\n"),
        ("jscript", "function vs_OnServiceEvent(id) {}\nfunction a::OnVMStateChange(c, s) {}\n"),
        ("python", "class A:\n    def OnServiceEvent(self, id): ...\n    def OnVMStateChange(self, c, s): ...\n"),
    ],
)
def test_a_handler_of_an_event_that_never_comes(language: Language, text: str) -> None:
    report = check(text, language)
    reasons = {use.name: use.reason for use in report.uses}
    assert reasons.keys() == {"OnServiceEvent", "OnVMStateChange"}
    assert reasons["OnServiceEvent"]
    assert reasons["OnVMStateChange"] is None


def test_a_module_that_is_there_without_a_file() -> None:
    assert check("import __main__, sys", "python").refused is None


def test_a_syntax_that_no_engine_has_read_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPCSHIM_WINE", "/bin/false")
    report = check("x = = 2", "vbscript", engine=True)
    assert report.refused is None
    assert report.unread is not None
    assert report.unread.startswith("/bin/false does not run")
    assert check("x = 2", "python", engine=True).unread is None


def test_the_command_says_that_no_engine_has_read_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VPCSHIM_WINE", "/bin/false")
    file = tmp_path / "a.vbs"
    file.write_text("x = 1\n")
    told = CliRunner().invoke(command, [str(file)]).stdout
    assert "its syntax was not looked at: /bin/false does not run" in told


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("Memroy", "Memory"),
        ("BIOSerialNumber", "BIOSSerialNumber"),
        ("Items", None),
        ("Named", None),
        ("Add", None),
    ],
)
def test_a_name_that_is_nearly_a_member(name: str, member: str | None) -> None:
    assert meant(name, ()) == member


def test_each_interface_says_why_it_has_no_such_member() -> None:
    report = check('Set v = CreateObject("VirtualServer.Application")\nSet s = v.Security', "vbscript")
    (use,) = (use for use in report.uses if use.name == "Security")
    assert use.reason is not None
    assert "IVMHardDisk: " in use.reason
    assert "IVMVirtualServer: " in use.reason
