"""VBScript and JScript in Wine's engines, over the test driver: our own scripts, and what may go wrong."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.waiting import wait_until
from tests.harness.wine import need_wine
from vpcshim.clients import scripts
from vpcshim.clients.calls import Hook
from vpcshim.clients.check import check
from vpcshim.clients.hooks.dry_run import DryRun
from vpcshim.clients.hooks.strict import Strict
from vpcshim.clients.hooks.trace import Trace
from vpcshim.clients.scripting.frames import Writer
from vpcshim.clients.scripting.handles import Handles
from vpcshim.clients.scripting.session import Session
from vpcshim.clients.scripts import CRASHED, FAILED, REFUSED, run_script
from vpcshim.clients.text import Language
from vpcshim.clients.wine.process import HostProcess
from vpcshim.testing import Machine, Node, NodeBuilder

SCRIPTS = Path(__file__).parents[2] / "fixtures" / "scripts"
LANGUAGES = ("vbs", "js")


@pytest.fixture(scope="module", autouse=True)
def _wine() -> None:
    need_wine()


class Ran:
    """How a script ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Runner = Callable[..., Ran]


@pytest.fixture
def node(vpcshim_node: NodeBuilder) -> Node:
    return vpcshim_node(Machine("web01", nics=2), Machine("db01", state="shutoff"), Machine("old", state="saved"))


@pytest.fixture
def run(node: Node, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Runner:
    """Runs a script of ours by its name, or a text of the test's own, against the node."""

    def go(script: str, *args: str, hooks: tuple[Hook, ...] = (), batch: bool = True, language: str = "vbs") -> Ran:
        path = SCRIPTS / script
        if "\n" in script or not path.is_file():
            path = tmp_path / f"script.{language}"
            path.write_text(script, encoding="utf-8")
        capsys.readouterr()
        code = run_script(path, args, lambda progid, _server: node.application(progid), hooks, batch=batch)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return go


# -- our own scripts: the same in both languages ---------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_inventory(run: Runner, language: str) -> None:
    ran = run(f"inventory.{language}")
    assert (ran.code, ran.err) == (0, "")
    shown = [re.sub(r" \{[0-9a-f-]{36}\}$", "", line) for line in ran.lines]
    assert shown[:4] == ["Virtual Server: 3 machines", "db01 (off)", "old (saved)", "web01 (running)"]
    assert re.fullmatch(r"first: (\w+), by Item: \1", shown[4])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_accounts(run: Runner, node: Node, language: str) -> None:
    acct = node.application("VirtualServer.Application").FindVirtualMachine("web01").Accountant
    before = acct.NetworkBytesSent
    ran = run(f"accounting.{language}", "WEB01")
    after = acct.NetworkBytesSent
    assert (ran.code, ran.err) == (0, "")
    name, sent, *_ = ran.lines[0].split(";")
    assert name == "web01"
    assert before < int(sent) < after  # every digit of the DECIMAL


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_accounts_of_a_machine_that_there_is_not(run: Runner, language: str) -> None:
    ran = run(f"accounting.{language}", "nobody")
    assert (ran.code, ran.out, ran.err) == (3, "", "no machine named nobody\n")


def test_named_arguments(run: Runner) -> None:
    ran = run("accounting.vbs", "/unit:mb", "web01")
    assert re.fullmatch(r"web01(;\d+\.\d){4}", ran.lines[0])


@pytest.mark.parametrize("language", LANGUAGES)
def test_off_and_on(run: Runner, language: str) -> None:
    ran = run(f"startstop.{language}", "web01")
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines == [
        "is 5",
        "Turning off web01 -1 100 1",
        "Starting web01 0 5",
        "paused 6",
        "resumed 5",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_exit_code_is_the_scripts_own(run: Runner, language: str) -> None:
    ran = run(f"startstop.{language}")
    assert (ran.code, ran.out) == (64, f"usage: startstop.{language} name\n")


def test_errors_as_vbscript_sees_them(run: Runner) -> None:
    ran = run("errors.vbs", "web01")
    assert ran.code == FAILED
    assert ran.lines == [
        "find: fine",
        "missing -1 0",
        "start twice: A0040500 web01 is running already",
        "resume: 80004005 web01 is not paused",
        "index: 9 Subscript out of range",
        "type: D Type mismatch",
        "name: 1B6 Object doesn't support this property or method",
        "count: 1C2 Wrong number of arguments or invalid property assignment",
        "class: 1AD No.Such.Class is neither served by vpcshim nor by Wine",
    ]
    assert ran.err == f"{SCRIPTS}/errors.vbs(28, 1): VM_E_VM_RUNNING (0xA0040500): web01 is running already\n"


def test_errors_as_jscript_sees_them(run: Runner) -> None:
    ran = run("errors.js", "web01")
    assert ran.code == FAILED
    assert ran.lines == [
        "find: fine",
        "missing true",
        "start twice: A0040500 web01 is running already",
        "resume: 80004005 web01 is not paused",
        "index: 800A0009 Subscript out of range",
        "type: 800A000D Type mismatch",
        "name: 800A01B6 Object doesn't support this property or method",
        "count: 800A01C2 Wrong number of arguments or invalid property assignment",
        "class: 800A01AD No.Such.Class is neither served by vpcshim nor by Wine",
    ]
    assert ran.err == f"{SCRIPTS}/errors.js(24, 1): VM_E_VM_RUNNING (0xA0040500): web01 is running already\n"


@pytest.mark.parametrize("language", LANGUAGES)
def test_events(run: Runner, language: str) -> None:
    ran = run(f"events.{language}", "web01")
    assert (ran.code, ran.err) == (0, "")
    states = ["8", "1", "3", "5"]
    assert [line.split()[-1] for line in ran.lines if line.startswith("machine")] == states
    assert [line for line in ran.lines if line.startswith("server")] == [f"server web01 {s}" for s in states]
    assert ran.lines[-1] == "done"


def test_an_error_in_an_events_procedure_ends_the_script(run: Runner) -> None:
    ran = run(
        'Set vs = WScript.CreateObject("VirtualServer.Application", "vs_")\n'
        'vs.FindVirtualMachine("web01").TurnOff\nWScript.Sleep 10000\nWScript.Echo "not here"\n'
        "Sub vs_OnVMStateChange(name, state)\n  x = 1 / 0\nEnd Sub\n"
    )
    assert (ran.code, ran.out) == (FAILED, "")
    assert "script.vbs(6, 3): Division by zero" in ran.err


@pytest.mark.parametrize("take", ["", "machine", "machine, state, more"])
def test_a_procedure_that_does_not_take_what_an_event_gives_is_named(run: Runner, take: str) -> None:
    ran = run(
        'Set vs = WScript.CreateObject("VirtualServer.Application", "vs_")\n'
        'vs.FindVirtualMachine("web01").TurnOff\nWScript.Sleep 10000\nWScript.Echo "not here"\n'
        f"Sub vs_OnVMStateChange({take})\nEnd Sub\n"
    )
    assert (ran.code, ran.out) == (FAILED, "")
    told = "Wrong number of arguments: vs_OnVMStateChange is called with 2 arguments"
    assert ran.err.endswith(f"script.vbs: {told} (Microsoft VBScript runtime error, error 450)\n")


def test_a_reference_that_is_called_with_too_many_arguments(run: Runner) -> None:
    ran = run(
        'Sub F\nEnd Sub\nSet h = GetRef("F")\nOn Error Resume Next\nh 1\nWScript.Echo Err.Number, Err.Description\n'
    )
    assert ran.lines == ["450 Wrong number of arguments: F is called with 1 argument"]


# -- values ----------------------------------------------------------------------------------------------------


def test_values_are_what_vbscript_makes_of_them(run: Runner) -> None:
    ran = run(
        'Set vs = CreateObject("VirtualServer.Application")\n'
        'Set a = vs.FindVirtualMachine("WEB01").Accountant\n'
        "h = a.CPUUtilizationHistory\nn = 0\nFor Each x In h\n  n = n + 1\nNext\n"
        "s = a.NetworkBytesSent\n"
        'WScript.Echo n, UBound(h), TypeName(s), VarType(s), s - s, CStr(s) = s & "", s * 2 > s, TypeName(vs)\n'
        'WScript.Echo TypeName(vs.FindVirtualMachine("x")), vs.VirtualMachines(1) = vs.VirtualMachines(1).Name\n'
        'WScript.Echo "Grüße", "日本", True, 1.5, #1/2/2020 3:04:05 PM#, Empty\n'
        'Set d = CreateObject("Scripting.Dictionary")\nd.Add "vm", vs.FindVirtualMachine("web01")\n'
        'WScript.Echo d("vm").Name, CreateObject("Scripting.FileSystemObject").GetFileName("a\\b.vmc")\n'
    )
    assert ran.err == ""
    assert ran.lines == [
        "60 59 Decimal 14 0 -1 -1 IVMVirtualServer",
        "Nothing -1",
        "Grüße 日本 -1 1.5 1/2/2020 3:04:05 PM ",
        "web01 b.vmc",
    ]


def test_the_functions_that_wines_engine_lacks(run: Runner) -> None:
    ran = run(
        'WScript.Echo Join(Filter(Array("ab", "b", "cb"), "B", False, 1), "-") & Join(Array(1, "x"))\n'
        'WScript.Echo DateDiff("d", #1/1/2020#, #3/1/2020#), DatePart("q", #5/1/2020#)\n'
        "WScript.Echo Round(2.567, 2), Round(2.5)\n"
        'WScript.Echo AscW("é"), ChrW(233), Unescape(Escape("é €")), DateValue("2020-02-03 10:00:00")\n'
        'ExecuteGlobal "Function Inc(x)" & vbCrLf & "Inc = x + 1" & vbCrLf & "End Function"\n'
        'WScript.Echo Inc(4), Eval("1 + 2")\n'
        'Function Twice(x)\n  Twice = 2 * x\nEnd Function\nSet f = GetRef("Twice")\nWScript.Echo f(21)\n'
        "ReDim kept(0)\nReDim Preserve kept(3)\nkept(3) = 7\nDim fresh()\nReDim Preserve fresh(1)\n"
        "WScript.Echo kept(3), UBound(fresh)\n"
    )
    assert ran.err == ""
    assert ran.lines == ["1 x", "60 2", "2.57 2", "233 é é € 2/3/2020", "5 3", "42", "7 1"]


def test_what_wines_engine_has_wrong(run: Runner) -> None:
    ran = run(
        'WScript.Echo DateAdd("m", -1, #3/31/2006#), DateAdd("s", 90000, "1/2/2006 10:00")\n'
        'WScript.Echo UBound(Split("", ","))\n'
        'WScript.Echo Join(Split("a,b", ","), "-"), String(3, 65), String(2, "xy"), LenB("ab"), &O17, &o177777\n'
        'WScript.Echo LCase("ÄÉ"), UCase("äé"), StrComp("Ä", "ä", 1)\n'
        'WScript.Echo InStr(1, "xÄ", "ä", 1), Replace("Ä", "ä", "y", 1, -1, 1)\n'
        'p = Split("a b")\nReDim Preserve p(2)\np(2) = "c"\nWScript.Echo Join(p, "")\n'
    )
    assert ran.err == ""
    assert ran.lines == ["2/28/2006 1/3/2006 11:00:00 AM", "-1", "a-b AAA xx 4 15 -1", "äé ÄÉ 0", "2 y", "abc"]


def test_jscript_knows_letters_beyond_ascii(run: Runner) -> None:
    ran = run('WScript.Echo("ÄÉ".toLowerCase() + "äé".toUpperCase());\n', language="js")
    assert (ran.lines, ran.err) == (["äéÄÉ"], "")


def test_what_is_a_date_is_what_cdate_takes(run: Runner) -> None:
    ran = run(
        'For Each x In Array("1/2/2006", "2006-01-02", "14:05", "2 Jan", #1/2/2006#)\n'
        "WScript.Echo IsDate(x)\nNext\n"
        'For Each x In Array("x", "", "5", "25:00", 5, Empty, Null, Nothing)\nWScript.Echo IsDate(x)\nNext\n'
        'On Error Resume Next\nErr.Raise 1001, "me", "told"\n'
        'WScript.Echo IsDate("x"), IsDate("14:05"), Err.Number, Err.Source, Err.Description\n'
    )
    assert ran.err == ""
    assert ran.lines == ["-1"] * 5 + ["0"] * 8 + ["0 -1 1001 me told"]


def test_classes(run: Runner) -> None:
    ran = run(
        "Class C\n  Public Name, State\n  Dim a,b\n  Private m_a, _\n    m_b, arr(3), grid(1, _\n    2)\n"
        "  Private list()\n  Public Sub S\n    arr(1) = 5: m_b = 4: grid(1, 2) = 9\n"
        "    ReDim Preserve list(UBound(list) + 1)\n"
        "    WScript.Echo arr(1), UBound(arr), m_b, grid(1, 2), UBound(list)\n  End Sub\nEnd Class\n"
        "Class D\n  Private x(2), kept\n  Private Sub Class_Initialize()  ' begins\n    x(1) = 3\n  End Sub\n"
        "  Public Function One: One = x(1): End Function\n"
        "  Public Sub Add(v): ReDim Preserve kept(2): kept(2) = v: WScript.Echo kept(2): End Sub\nEnd Class\n"
        "Set o = New C: o.S: o.S: o.State = 3: o.b = 2: WScript.Echo o.State, o.b\n"
        "Set p = New C: p.S\nSet q = New D: WScript.Echo q.One: q.Add 7\n  q.NoSuch\n"
    )
    assert ran.lines == ["5 3 4 9 0", "5 3 4 9 1", "3 2", "5 3 4 9 0", "3", "7"]
    assert "script.vbs(25, 3): Object doesn't support this property or method" in ran.err


def test_loops_end_whatever_their_limits_are(run: Runner) -> None:
    ran = run(
        'For i = "1" To WScript.Arguments(0)\nWScript.Echo i\nNext\n'
        'For i = 2 To 1 Step "-1": WScript.Echo i: Next\n'
        "a = Array(7)\nFor i = 0 _\n  To UBound(a) _\n  Step 1 ' To the end\nWScript.Echo a(i)\nNext\n"
        'For i = 1 To "x"\nNext\n',
        "2",
    )
    assert ran.lines == ["1", "2", "2", "1", "7"]
    assert "script.vbs(11, 1): Type mismatch" in ran.err


_RESUMED = """Option Explicit
Dim i, n, t
Function Told(v)
t = t & v
Told = v
End Function
On Error Resume Next
For i = 0 To UBound(nothere) : n = n + 1 : If n > 9 Then Exit For
Next
For i = 0 To 3 Step nothere.Count : n = n + 1 : If n > 9 Then Exit For
Next
For i = nothere To 3 : n = n + 1 : If n > 9 Then Exit For
Next
WScript.Echo n, Err.Number <> 0
Err.Clear
For i = Told("3") To Told(1) Step -Told(1) : WScript.Echo i : Next
ExecuteGlobal "On Error Resume Next" & vbLf & "For i = -1 To UBound(5) : n = n + 1" & _
  vbLf & "If n > 9 Then Exit For" & vbLf & "Next"
WScript.Echo t, n
On Error GoTo 0
If n Then For i = 0 _
  To n _
  Step CInt("x")
Next
"""


def test_a_loop_whose_limit_fails_runs_once(run: Runner) -> None:
    ran = run(_RESUMED)
    assert ran.lines == ["3 -1", "3", "2", "1", "311 4"]
    assert "script.vbs(21, 11): Type mismatch" in ran.err


def test_a_loop_of_a_variable_that_is_not_there_fails_where_it_stands(run: Runner) -> None:
    ran = run("Option Explicit\nOn Error Resume Next\nOn Error GoTo 0\n  For i = 0 _\n To CInt(2)\nNext\n")
    assert ran.code == FAILED
    assert "script.vbs(4, 3): " in ran.err


def test_a_dictionary_takes_objects(run: Runner) -> None:
    ran = run(
        "Class C\nPrivate v\nPublic Default Property Get Value\nValue = 5\nEnd Property\n"
        "Public Property Set It(k, o)\nSet v = o\nEnd Property\n"
        "Public Property Get It(k)\nSet It = v\nEnd Property\nEnd Class\n"
        'Set d = CreateObject("Scripting.Dictionary")\nSet e = WScript.CreateObject("scripting.dictionary")\n'
        'Set vs = CreateObject("VirtualServer.Application")\nSet c1 = New C\n'
        'Set d("c") = c1\nSet d.Item("vs") = vs\nSet d("d") = e\nSet d("c") = New C\nSet d(vs) = Nothing\n'
        'WScript.Echo d.Count, IsObject(d("c")), d("c"), d("c") Is c1\n'
        'WScript.Echo d("vs") Is vs, d("d") Is e, d(vs) Is Nothing\n'
        "Dim a(1)\nSet a(1) = d\nb = Array(1)\nSet b(0) = e\nSet c1.It(1) = d\n"
        "WScript.Echo a(1) Is d, b(0) Is e, c1.It(1) Is d\n"
        'For Each k In d\nIf Not IsObject(k) Then t = t & k & " "\nNext\nWScript.Echo t\n'
        'On Error Resume Next\nSet d("x") = 5\nWScript.Echo Err.Number <> 0, d.Exists("x")\nErr.Clear\n'
        'd("x") = 1: d("x") = d("x") + 1: d.Key("x") = "y"\nWScript.Echo d("y"), Err.Number\n'
    )
    assert (ran.lines, ran.err) == (["4 -1 5 0", "-1 -1 -1", "-1 -1 -1", "c vs d ", "-1 0", "2 0"], "")


_EXPANDED = {
    "vbs": 'WScript.Echo CreateObject("WScript.Shell").ExpandEnvironmentStrings("%OS%") & "|"\n',
    "js": 'WScript.Echo(new ActiveXObject("WScript.Shell").ExpandEnvironmentStrings("%OS%") + "|");\n',
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_environment_is_expanded_without_an_end_of_its_own(run: Runner, language: str) -> None:
    assert run(_EXPANDED[language], language=language).out == "Windows_NT|\n"


def test_an_assignment_to_a_call_in_jscript(run: Runner) -> None:
    ran = run(
        'function f() {\nvar d = new ActiveXObject("Scripting.Dictionary"), a = [d];\nd("b") = 2; d("b") += 5;\n'
        'a[0]("self") = d;\nd("self")("c") = 1;\nthis.d = d; this.d("t") = d("b") == 7;\n'
        'return [d.Count, d("b"), d("c"), d("t")].join(" ");\n}\nWScript.Echo(f());\n'
        'var g = new ActiveXObject("Scripting.Dictionary"), o = {d: g};\ng("b") = 2;\nWScript.Echo(g("b")++);\n'
        '  o.d("b") = 4;\n',
        language="js",
    )
    assert ran.lines == ["4 7 1 true", "2"]
    assert "script.js(13, 3): E_FAIL" in ran.err


def test_an_assignment_to_an_index_behind_a_call(run: Runner) -> None:
    ran = run(
        "Class C\nPrivate x\nPublic Default Property Get V(i)\nV = x * i\nEnd Property\n"
        "Public Property Let V(i, n)\nx = n\nEnd Property\nEnd Class\n"
        "Set c1 = New C\nFunction G(q)\nSet G = c1\nEnd Function\nG(1)(2) = 21\nWScript.Echo G(1)(2)\n"
        'Set d = CreateObject("Scripting.Dictionary")\nSet d("z") = CreateObject("Scripting.Dictionary")\n'
        'd("z")("k") = 1\nd("z")("k") = d("z")("k") + 1\nSet d("z")("e") = d\n'
        'If True Then d("z")("e")("deep") = "x" Else d("z")("k") = 6\nd("z")("e").Add "added", 3\n'
        'Set vs = CreateObject("VirtualServer.Application")\nSet d("z")("vs") = vs\n'
        'WScript.Echo d("z")("k"), d("deep"), d("added"), d("z")("vs").Name = vs.Name\n'
        'd("a") = Array(1)\n  d("a")(0) = 7\n'
    )
    assert ran.lines == ["42", "2 x 3 -1"]
    assert "script.vbs(27, 3): DISP_E_TYPEMISMATCH (0x80020005): Wine's engine has no index" in ran.err


def test_names_in_square_brackets(run: Runner) -> None:
    ran = run(
        'Dim [a b], [x], [If]\n[a b] = 3: [x] = 4: [If] = 5\nWScript.Echo [A B], x, [if], [Len]("ab"), "[x]"\n'
    )
    assert (ran.lines, ran.err) == (["3 4 5 2 [x]"], "")


def test_arguments_that_begin_with_a_bracket(run: Runner) -> None:
    ran = run(
        "x = 6: b = 2\nWScript.Echo (x) / b, 5\nIf b = 2 Then WScript.Echo (x) * 2 Else WScript.Echo (b) + 1\n"
        "With WScript\n.Echo (x) & (b)\nEnd With\nWScript.Echo(x)\nDim q(1)\nq(1) = 3\nS (q(1)) - 1\n"
        "Sub S(v)\nWScript.Echo v\nEnd Sub\n"
    )
    assert (ran.lines, ran.err) == (["3 5", "12", "62", "6", "2"], "")


def test_an_index_behind_a_call(run: Runner) -> None:
    ran = run(
        'Set d = CreateObject("Scripting.Dictionary")\nSet e = CreateObject("Scripting.Dictionary")\n'
        'e.Add "b", 5\nd.Add "a", e\nd.Add "k", Array(7, Array(8, 9))\n'
        'WScript.Echo d("a")("b"), d.Keys()(1), d("k")(0), d("k")(1)(1), Split("a b c")(2)\n'
        "Dim m(1, 1)\nm(1, 0) = 3\nFunction G()\nG = m\nEnd Function\nWScript.Echo G()(1, 0)\n"
        'Set vs = CreateObject("VirtualServer.Application")\n'
        "WScript.Echo Array(vs.VirtualMachines)(0)(1).Name = vs.VirtualMachines(1).Name\n"
        "On Error Resume Next\nx = d.Keys()(2)\nWScript.Echo Err.Number\n"
        "Err.Clear\nx = CStr(1)(0)\nWScript.Echo Err.Number\n"
    )
    assert (ran.lines, ran.err) == (["5 k 7 9 c", "3", "-1", "9", "13"], "")


def test_an_array_of_several_dimensions_is_walked_with_its_first_index_fastest(run: Runner) -> None:
    ran = run(
        'Set vs = CreateObject("VirtualServer.Application")\n'
        'a = vs.FindVirtualMachine("web01").AttachedDriveTypes\n'
        "WScript.Echo UBound(a, 1), UBound(a, 2), UBound(a, 3)\n"
        'n = 0\nFor Each x In vs.FindVirtualMachine("web01").AttachedDriveTypes\nn = n + 1\nNext\nWScript.Echo n\n'
        "Dim b(1, 2)\nFor i = 0 To 1\nFor j = 0 To 2\nb(i, j) = i & j\nNext\nNext\n"
        'For Each x In b\nt = t & x & " "\nNext\nWScript.Echo t\n'
    )
    assert (ran.lines, ran.err) == (["1 3 6", "56", "00 10 01 11 02 12 "], "")


def test_the_numbers_of_errors(run: Runner) -> None:
    ran = run(
        "On Error Resume Next\nx = 1 / 0\nIf Err.Number <> 0 Then WScript.Echo Err.Number, Err.Description\n"
        "WScript.Echo Err.Number\nErr.Clear\nWScript.Echo Err.Number, Err.Description\n"
        'x = CInt("a")\nWScript.Echo Err.Number\nErr.Clear\nNoSuch 1\nWScript.Echo Err.Number\nErr.Clear\n'
        "Set o = Nothing\nx = o.Name\nWScript.Echo Err.Number, Err.Description\n"
    )
    why = "an error for which Wine's script engine gives no reason"
    assert (ran.lines, ran.err) == (["11 Division by zero", "11", "0 ", "13", "438", f"-2147467259 {why}"], "")


_FAILING = 'Function Bad(n)\n  Bad = 1 / n\nEnd Function\nSet g = GetRef("Bad")\nSub Tell(what)\n'
_FAILING += "  WScript.Echo what, Err.Number, Err.Source, x\n  Err.Clear\n  x = 7\nEnd Sub\nx = 7\n"


def test_an_error_in_what_the_engine_runs_for_a_script_is_the_scripts_to_handle(run: Runner) -> None:
    ran = run(
        _FAILING + "On Error Resume Next\n"
        'x = g(0)\nTell "GetRef"\nx = Eval("1 / 0")\nTell "Eval"\nExecuteGlobal "x = 1 / 0"\nTell "Execute"\n'
        'ExecuteGlobal "Err.Raise 1234, ""me"", ""told"""\nWScript.Echo Err.Description\nTell "Raise"\n'
        'x = Eval("1 +")\nTell "syntax"\nx = CreateObject("VirtualServer.Application").ProductID\nTell "ours"\n'
        'ExecuteGlobal "x = CreateObject(""VirtualServer.Application"").ProductID"\nTell "ours"\n'
    )
    runtime = "Microsoft VBScript runtime error"
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines == [
        *(f"{what} 11 {runtime} 7" for what in ("GetRef", "Eval", "Execute")),
        *("told", "Raise 1234 me 7", "syntax 1002 vpcshim 7"),
        *["ours -2147467263 VirtualServer.Application 7"] * 2,
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("x = g(0)", "(2, 3)"),
        ("g 0", "(2, 3)"),
        ("y = 1 / 0", "(11, 1)"),
        ('ExecuteGlobal "y = 1" & vbLf & "y = 1 / 0"', "(11, 1): the text to execute (2, 1)"),
        ("On Error Resume Next\nx = g(0)\nOn Error GoTo 0\nWScript.StdOut.Write Empty\ny = 1 / 0", "(15, 1)"),
        ("On Error Resume Next\nx = g(0)\nOn Error GoTo 0\ny = 1 / 0", "(14, 1)"),
        ('Function F\nF = g(0)\nEnd Function\nSet h = GetRef("F")\nh', "(2, 3)"),
    ],
)
def test_where_an_error_is_that_nobody_handles(run: Runner, text: str, place: str) -> None:
    ran = run(f'{_FAILING}{text}\nWScript.Echo "goes on"\n')
    assert (ran.code, ran.out) == (FAILED, "")
    assert f"{place}: Division by zero" in ran.err


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("x = c(99)", 9),
        ("Set x = c(99)", 9),
        ("If True Then Set x = c(99) Else x = 1", 9),
        ("WScript.Echo c(99)", 9),
        ("WScript.Echo c(99).Name", 9),
        ("x = c(1, 2)", 450),
        ("c 99", 9),
        ("c(99)", 9),
        ("Call c(99)", 9),
        ("If True Then c 99", 9),
        ("g 0", 11),
        ("x = 1 + g(0)", 11),
        ("Call Within(g)", 11),
        ("x = c.Item(99)", 9),
        ("Set x = c.Item(99)", 9),
        ("y = c(99) Is Nothing", 9),
        ("x = Trim(c(99))", 9),
        ('CreateObject("Scripting.Dictionary").Add "k", c(99)', 9),
        ("y = Nothing Is c(99)", 9),
    ],
)
def test_the_error_of_a_call_through_a_variable_is_not_forgotten(run: Runner, statement: str, number: int) -> None:
    text = (
        f'{_FAILING}Set c = CreateObject("VirtualServer.Application").VirtualMachines\n'
        "Sub Within(h)\n  h 0\nEnd Sub\n"
    )
    ran = run(f"{text}On Error Resume Next\n{statement}\nWScript.Echo Err.Number, x\n")
    assert (ran.lines, ran.err) == ([f"{number} 7"], "")
    ran = run(f'{text}{statement}\nWScript.Echo "goes on"\n')
    assert (ran.code, ran.out) == (FAILED, "")


def test_a_variable_is_called_in_every_way(run: Runner) -> None:
    ran = run(
        'Sub Hello\n  WScript.Echo "hello"\nEnd Sub\nSub Say(a, b)\n  WScript.Echo a, b\nEnd Sub\n'
        'Set f = GetRef("Hello")\nf\nf()\nCall f\nCall f()\nIf True Then f Else WScript.Quit 1\n'
        'Set g = GetRef("Say")\ng 1, 2\ng (1), 2\ng -1, "a" & "b"\ng _\n  1, _\n  2\nCall g(3, 4)\n'
        'Set vs = CreateObject("VirtualServer.Application")\nSet c = vs.VirtualMachines\nSet m = c(1)\n'
        "WScript.Echo m.Name = c(1).Name, m Is c(1)\n"
    )
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines == [*["hello"] * 5, "1 2", "1 2", "-1 ab", "1 2", "3 4", "-1 0"]


@pytest.mark.parametrize(
    ("condition", "true"),
    [
        ("x > 9", True),
        ("x > 100", False),
        ("100 > x", True),
        ("x = 10 And Not x <> 10", True),
        ('n = "10" And "10" = n', True),
        ('n < "9"', True),
        ("t > 5", True),
        ("t = 5", False),
        ("x = n", False),
        ("n < x", True),
        ('x >= -1 And e = 0 And e = ""', True),
        ("IsNull(Null = 1)", True),
        ("WScript.Arguments(0) > 30", False),
        ('"B" < "a" And "a" > "B" And "ab" > "a" And "a-b" < "ab"', True),
        ("False And Null", False),
        ('(n > 0) = "True" And "False" = (n < 0)', True),
        ('(n > 0) = "-1"', False),
        ("IsNull(True And Null) And IsNull(Null And True)", True),
        ('Eval("x > 100")', False),
        ("1.5", True),
        ("n / 4", True),
        ("n * 0.5 - 5", False),
        ("CByte(1)", True),
        ("Len(t) / 8", True),
        ("Round(CCur(7))", True),
        ('Mid("abc", 2) = "bc" And Mid("abc", 3, 9) = "c" And Mid("abc", 9) = ""', True),
        ("IsNull(Mid(Null, 1)) And IsNull(Trim(Null))", True),
        ('RTrim("  ") = "" And LTrim("  a ") = "a " And RTrim(" a  ") = " a"', True),
        ('Trim(vbTab & " a" & vbCrLf & " ") = vbTab & " a" & vbCrLf', True),
        ("DateSerial(2006, 1, 400) = #2/4/2007# And DateSerial(2006, 3, 0) = #2/28/2006#", True),
        ("DateSerial(2006, -11, 1) = #1/1/2005# And DateSerial(2004, 2, 30) = #3/1/2004#", True),
        ("DateSerial(100, 1, 1) = #1/1/100# And DateSerial(9999, 12, 31) = #12/31/9999#", True),
        ("TimeSerial(1, 2, 3) = #1:02:03 AM# And CDbl(TimeSerial(0, -15, 0)) * 96 = -1", True),
        ('FormatNumber(999.999) = "1,000.00"', True),
    ],
)
def test_what_the_engine_gets_wrong_without_a_word(run: Runner, condition: str, true: bool) -> None:
    ran = run(
        f'x = "10": n = 10: t = "text"\nIf {condition} Then WScript.Echo "yes" Else WScript.Echo "no"\n'
        f'While {condition}\n  WScript.Echo "yes"\n  WScript.Quit\nWend\nWScript.Echo "no"\n',
        "4",
    )
    assert (ran.lines, ran.err) == (["yes" if true else "no"] * 2, "")


def test_a_case_knows_what_is_a_literal(run: Runner) -> None:
    ran = run(
        'Sub Tell(v)\n  Select Case v\n  Case -1, 2 WScript.Echo "number"\n  Case "3": WScript.Echo "text"\n'
        "  Case Else WScript.Echo v\n  End Select\nEnd Sub\n"
        'Tell "-1": Tell 2: Tell "3": Tell 3: Tell "x": Tell 4\n'
    )
    assert (ran.lines, ran.err) == (["number", "number", "text", "text", "x", "4"], "")


@pytest.mark.parametrize(
    "call", ['Mid("abc", 0)', 'Mid("abc", 1, -1)', "DateSerial(10000, 1, 1)", "DateSerial(99, -40000, 1)"]
)
def test_what_is_no_argument_of_a_function_fails(run: Runner, call: str) -> None:
    ran = run(f'On Error Resume Next\nx = "old"\nx = {call}\nWScript.Echo Err.Number, x\n')
    assert (ran.lines, ran.err) == ([f"{6 if '40000' in call else 5} old"], "")


def test_a_class_and_procedures_beside_it(run: Runner) -> None:
    ran = run(
        "Class C\n  Public Sub Tell(n)\n    WScript.Echo n\n  End Sub\nEnd Class\n"
        "Sub Say(n)\n  WScript.Echo n\nEnd Sub\nSet o = New C\no.Tell 1\nSay 2\n"
    )
    assert (ran.lines, ran.err) == (["1", "2"], "")


def test_a_default_member_of_a_class_takes_a_reference(run: Runner) -> None:
    ran = run(
        "Class C\n  Public Default Sub Count(n)\n    n = n + 1\n  End Sub\nEnd Class\n"
        "Set o = New C\nx = 1\no x\nCall o(x)\no (x)\nWScript.Echo x\n"
    )
    assert (ran.lines, ran.err) == (["3"], "")


def test_names_that_stand_elsewhere_for_something_else(run: Runner) -> None:
    ran = run(
        "For Each property In Array(1)\n  WScript.Echo property\nNext\n"
        "Class C\n  Property Get X\n    X = 2\n  End Property\nEnd Class\nSet o = New C\nWScript.Echo o.X\n"
        "[a b] = 1.5\nIf [a b] Then WScript.Echo 3\n"
    )
    assert (ran.lines, ran.err) == (["1", "2", "3"], "")


def test_a_script_calls_itself_as_deeply_as_on_windows(run: Runner) -> None:
    ran = run("Sub D(n)\nIf n > 0 Then D n - 1\nEnd Sub\nD 10000\nWScript.Echo 1\n")
    assert (ran.code, ran.lines) == (0, ["1"])


def test_objects_are_given_up_on_both_sides(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[int] = []
    most = [0]
    send, hand = Session._send, Handles.hand

    def sent(session: Session, frame: Writer) -> None:
        before = len(session._dropped)
        send(session, frame)
        forgotten.append(before - len(session._dropped))

    def handed(handles: Handles, obj: object) -> tuple[int, int]:
        most[0] = max(most[0], len(handles))
        return hand(handles, obj)

    monkeypatch.setattr(Session, "_send", sent)
    monkeypatch.setattr(Handles, "hand", handed)
    ran = run(
        'Set vs = CreateObject("VirtualServer.Application")\nFor i = 1 To 2000\n'
        'Set d = CreateObject("Scripting.Dictionary")\nSet m = vs.VirtualMachines\nNext\nWScript.Echo m.Count\n'
    )
    assert (ran.lines, ran.err) == (["3"], "")
    assert sum(forgotten) >= 1999
    assert most[0] < 20


def test_what_a_script_starts_gets_neither_the_secret_nor_the_channel(run: Runner, tmp_path: Path) -> None:
    told, asks = tmp_path / "told", tmp_path / "asks.sh"
    asks.write_text(
        f"{{ ls -l /proc/$$/fd; env; cat /proc/$$/environ; }} > {told}.new 2>&1\nmv {told}.new {told}\n"
    )
    ran = run(
        'Set sh = CreateObject("WScript.Shell")\n'
        f'sh.Run "Z:\\bin\\sh {asks}", 0, True\n'
        'WScript.Echo sh.ExpandEnvironmentStrings("%VPCSHIM_SECRET%")\n'
    )
    assert (ran.out.rstrip("\0\n"), ran.err) == ("%VPCSHIM_SECRET%", "")  # Wine's ends with a NUL
    wait_until(told.exists, 20, "the program has told")  # Wine does not wait for a program that is not Windows'
    text = told.read_text()
    assert "/dev/null" in text
    assert "VPCSHIM_SECRET" not in text
    assert "pipe:" not in text


@pytest.mark.parametrize("closed", ["stdin", "stdout"])
def test_standard_streams_that_are_closed(run: Runner, closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, closed, None)
    ran = run("WScript.Echo 1\nWScript.Quit 5 + WScript.StdIn.AtEndOfStream\n" if closed == "stdin" else _QUITS)
    assert ran.code == (4 if closed == "stdin" else 5)


_QUITS = "WScript.Echo 1\nWScript.Quit 5\n"


def test_standard_input_is_read(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\ntwo three\n"))
    text = (
        "WScript.Echo WScript.StdIn.ReadLine\nWScript.Echo WScript.StdIn.Read(3)\n"
        "WScript.StdOut.Write WScript.StdIn.ReadAll\nWScript.Echo WScript.StdIn.AtEndOfStream\n"
    )
    assert run(text).lines == ["one", "two", " three", "-1"]


def test_dialogs_are_answered_on_the_terminal(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\nweb07\n"))
    ran = run('a = MsgBox("go on?", vbYesNo, "vm")\nb = InputBox("name")\nWScript.Echo a, b\n', batch=False)
    assert ran.out == "vm: go on?\n[Y]es/[N]o (Yes): name: 7 web07\n"


def test_dialogs_are_refused_when_nobody_is_there(run: Runner) -> None:
    ran = run('\n  MsgBox "hi"\n')
    assert ran.code == FAILED
    assert "script.vbs(2, 3): E_ABORT (0x80004004): MsgBox asks somebody" in ran.err


# -- what ends a script ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\nx = Join(5)\n", "(2, 1): DISP_E_TYPEMISMATCH (0x80020005): an array is needed"),
        ("x = 1\n  If x Then\n", "(3, 1): E_FAIL (0x80004005)"),
        ("y = 1 : x = 1 / 0\n", "(1, 9): Division by zero"),
        ('Err.Raise 1001, "mine", "told"\n', "(1, 1): told (mine, error 1001)"),
        (
            "Set o = Nothing\n  o.Startup\n",
            "(2, 3): E_FAIL (0x80004005), for which Wine's script engine gives no reason: "
            "a variable that is not there (Option Explicit), a member of Nothing, or something",
        ),
        (
            'GetObject "C:\\vm\\a.vmc"\n',
            '(1, 1): E_FILE_NOT_FOUND (0x80070002): there is no object "C:\\vm\\a.vmc" here',
        ),
        (
            'CreateObject("WScript.Shell").Environment("PROCESS")("X") = 1\n',
            "(1, 1): a member that Wine has not built (0x80004001)",
        ),
        (
            'Set vs = CreateObject("VirtualServer.Application") : vs.NoSuch\n',
            "(1, 54): DISP_E_UNKNOWNNAME (0x80020006): IVMVirtualServer of",
        ),
    ],
)
def test_an_error_is_told_with_its_place(run: Runner, text: str, told: str) -> None:
    ran = run(text)
    assert ran.code == FAILED
    assert f"script.vbs{told}" in ran.err


def test_what_the_engine_would_break_on_is_refused_before_anything_runs(run: Runner) -> None:
    ran = run('WScript.Echo "begun"\nx = Array(Array(1))\nx(0)(0) = 2\n')
    assert (ran.code, ran.out) == (REFUSED, "")
    assert "script.vbs(3, 1): Wine's engine has no index behind x(...)" in ran.err


def test_an_engine_that_crashes_is_no_success(run: Runner) -> None:
    ran = run('WScript.Echo "begun"\nSub D(n)\nD n + 1\nEnd Sub\nD 1\nWScript.Echo "not here"\n')
    assert (ran.code, ran.out) == (CRASHED, "begun\n")
    assert "the script engine failed" in ran.err
    assert "likely causes: procedures that call themselves or each other without end" in ran.err


@pytest.mark.parametrize(
    ("language", "text", "told"),
    [
        ("vbscript", 'a = Split("b")\nIf a Then\n  y = = 2\nEnd If\n', "(3, 7): E_FAIL"),
        ("vbscript", 'x = TypeName(Split("b")) = = 2\n', "(1, 28): E_FAIL"),
        ("jscript", 'new ActiveXObject("a");\nvar x = ;\n', "(2, 9): Syntax error"),
    ],
)
def test_an_engine_is_asked_about_the_syntax(language: Language, text: str, told: str) -> None:
    report = check(text, language, engine=True)
    assert report.refused is not None
    assert report.refused.startswith(told)


@pytest.mark.parametrize(("language", "text"), [("vbscript", "x = %s\n"), ("jscript", "var x = %s;\n")])
def test_an_engine_that_is_asked_about_the_syntax_runs_nothing(
    language: Language, text: str, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    files = (
        'CreateObject("Scripting.FileSystemObject")'
        if language == "vbscript"
        else 'new ActiveXObject("Scripting.FileSystemObject")'
    )
    report = check(text % f'{files}.CreateTextFile("Z:{made}")', language, engine=True)
    assert (report.refused, report.unread) == (None, None)
    assert not made.exists()


def test_a_text_that_is_executed_is_prepared_as_the_script_is(run: Runner) -> None:
    ran = run(
        'Function Mine(a)\nMine = "mine"\nEnd Function\n'
        'ExecuteGlobal "Set vs = CreateObject(""VirtualServer.Application"")" & vbLf & "Dim a()" & vbLf & _\n'
        '  "ReDim a(1)" & vbLf & "a(1) = Mine(1) & TypeName(vs)"\n'
        'WScript.Echo a(1), TypeName(1), (1) & Eval("Round(2.5) + 1"), Eval("Array(1, 2)(1)")\n'
        'ExecuteGlobal "WScript.Echo (1) + 2, TypeName(vs)"\nWScript.Echo (1) + 3\n'
        "On Error Resume Next\n"
        'ExecuteGlobal "x = 1: ReDim a(1)" & vbLf & "a(1)(2) = 3"\nWScript.Echo Err.Number, Err.Description, x\n'
    )
    assert ran.err == ""
    assert ran.lines[:3] == ["mineIVMVirtualServer Integer 13 2", "3 IVMVirtualServer", "4"]
    assert re.fullmatch(r"1002 the text to execute \(2, 1\): .* behind a\(\.\.\.\): .* first ", ran.lines[3])


_LIBRARY = (
    "Option Explicit\nSub Work(vm)\n  Dim kind\n  If True Then kind = TypeName(vm)\n"
    "  kind = TypeName(vm) : vm.Startup\nEnd Sub\nSub Leave\n  WScript.Quit 1 / 0\nEnd Sub\n"
)
_INCLUDES = (
    'Set fso = CreateObject("Scripting.FileSystemObject")\n'
    'ExecuteGlobal fso.OpenTextFile("Z:{library}").ReadAll\n'
    'Set vm = CreateObject("VirtualServer.Application").FindVirtualMachine("web01")\n'
    'a = 1\nb = Eval("1 + 1")\nExecuteGlobal "c = 3"\n{statement}\n'
)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("Work vm", ": the text to execute (5, 25): VM_E_VM_RUNNING"),
        ("Leave", ": the text to execute (8, 3): Division by zero"),
        ('Eval("Leave")', "(7, 1): the text to execute (8, 3): Division by zero"),
        ('x = Eval("1 + (2 / 0)")', "(7, 1): the text to execute (1, 1): Division by zero"),
        (
            'ExecuteGlobal "x = 1" & vbLf & "  ExecuteGlobal ""x = 1 / 0"""',
            "(7, 1): the text to execute (1, 1): Division by zero",
        ),
        (
            'Set h = GetRef("Leave")\nOn Error Resume Next\nh\nOn Error GoTo 0\nx = 1 / 0',
            "(11, 1): Division by zero",
        ),
        ('ExecuteGlobal x & vbLf & x & vbLf & "  a = = 1"', "(7, 1): the text to execute (3, 7): syntax that"),
        ('x = Eval("1 + = 2")', "(7, 1): the text to execute (1, 5): syntax that the engine does not know"),
    ],
)
def test_an_error_in_a_text_that_is_executed_is_told_with_its_place_there(
    run: Runner, tmp_path: Path, statement: str, told: str
) -> None:
    library = tmp_path / "library.vbs"
    library.write_text(_LIBRARY, encoding="utf-8")
    ran = run(_INCLUDES.format(library=library, statement=statement))
    assert ran.code == FAILED
    assert f"script.vbs{told}" in ran.err


def test_strict_is_so_in_a_text_that_is_executed(run: Runner) -> None:
    ran = run(
        'ExecuteGlobal "Sub W(vm)" & vbLf & "  On Error Resume Next" & vbLf & "  vm.Startup" & vbLf & "End Sub"\n'
        'Set vs = CreateObject("VirtualServer.Application")\n'
        'W vs.FindVirtualMachine("web01")\nWScript.Echo "not here"\n',
        hooks=(Strict(),),
    )
    assert (ran.code, ran.out) == (FAILED, "")
    assert "script.vbs: the text to execute (3, 3): ended by --strict: IVMVirtualMachine.Startup: VM_E_" in ran.err


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ('eval("var a = 2;\\n  b.c = 3;");', "(3, 1): 'b' is undefined"),
        ('new Function("var a = 2;\\n  b.c = 3;")();', ": the text to execute (3, 3): 'b' is undefined"),
        ('eval("function f() {\\n  b.c = 3;}");\nf();', ": the text to execute (2, 3): 'b' is undefined"),
        ("b.c = 3;", "(3, 1): 'b' is undefined"),
    ],
)
def test_an_error_in_what_jscript_makes_code_of(run: Runner, statement: str, told: str) -> None:
    ran = run(f"var a = 1;\n\n{statement}\n", language="js")
    assert ran.code == FAILED
    assert f"script.js{told}" in ran.err


@pytest.mark.parametrize("language", LANGUAGES)
def test_strict_ends_a_script_that_handles_its_errors(run: Runner, language: str) -> None:
    ran = run(f"errors.{language}", "web01", hooks=(Strict(),))
    assert ran.code == FAILED
    assert ran.lines[-1].startswith("missing")
    place = r"\(13, 1\)" if language == "vbs" else r"\(17, 38\)"
    wanted = rf".*errors\.{language}{place}: ended by --strict: IVMVirtualMachine\.Startup: VM_E_VM_RUNNING .*\n"
    assert re.fullmatch(wanted, ran.err)


def test_every_call_is_traced(run: Runner) -> None:
    stream = io.StringIO()
    run("errors.vbs", "web01", hooks=(Trace(stream),))
    calls = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(call["member"], call["hresult"]["name"]) for call in calls] == [
        ("VirtualServer.Application", "S_OK"),
        ("FindVirtualMachine", "S_OK"),
        ("FindVirtualMachine", "S_FALSE"),
        ("Startup", "VM_E_VM_RUNNING"),
        ("Resume", "E_FAIL"),
        ("VirtualMachines", "S_OK"),
        ("Item", "DISP_E_BADINDEX"),
        ("VirtualMachines", "S_OK"),
        ("Item", "DISP_E_TYPEMISMATCH"),
        ("NoSuchMember", "DISP_E_UNKNOWNNAME"),
        ("Startup", "DISP_E_BADPARAMCOUNT"),
        ("Startup", "VM_E_VM_RUNNING"),
    ]


_PRETENDS = {
    "vbs": (
        'Set vm = CreateObject("VirtualServer.Application").FindVirtualMachine("web01")\nSet t = vm.TurnOff\n'
        'vm.Notes = "x"\nWScript.Echo vm.State, t.IsComplete, "[" & vm.Notes & "]"\n'
    ),
    "js": (
        'var vm = new ActiveXObject("VirtualServer.Application").FindVirtualMachine("web01"), t = vm.TurnOff();\n'
        'vm.Notes = "x";\nWScript.Echo(vm.State, t.IsComplete, "[" + vm.Notes + "]");\n'
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_dry_run_changes_nothing(run: Runner, language: str) -> None:
    stream = io.StringIO()
    ran = run(_PRETENDS[language], hooks=(Trace(stream), DryRun()), language=language)
    assert (ran.lines, ran.err) == (["5 -1 []"], "")
    calls = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [call["hresult"]["name"] for call in calls if call["member"] in ("TurnOff", "Notes")] == ["S_OK"] * 3


_ASKING = """
On Error Resume Next
Set vs = CreateObject("VirtualServer.Application")
Do
    x = vs.Name
Loop
"""
_BUSY = "Do\nx = x + 1\nLoop\n"
_ASLEEP = "WScript.Sleep 100000\n"


class Child:
    """A `vpcshim run` in a process of its own."""

    def __init__(self, text: str, node: Node, folder: Path) -> None:
        script = folder / "child.vbs"
        script.write_text(f'WScript.Echo "begun"\n{text}')
        command = [sys.executable, "-m", "vpcshim", "run", "-c", node.uri, str(script)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        limit = threading.Timer(120, self.process.kill)
        limit.start()
        try:
            assert self.process.stdout.readline() == "begun\n"
        finally:
            limit.cancel()
        self.host = _host_of(self.process.pid)
        time.sleep(0.5)  # the script is in the midst of it

    def ended(self) -> tuple[int, str]:
        """The exit code and what was told on stderr, once the host has ended as well."""
        try:
            _, told = self.process.communicate(timeout=120)
        finally:
            self.process.kill()
        wait_until(lambda: not Path(f"/proc/{self.host}").exists(), 20, "the host has ended")
        return self.process.returncode, told


@pytest.mark.parametrize("text", [_ASKING, _BUSY, _ASLEEP])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_server_that_is_ended_takes_its_script_along(
    text: str, number: signal.Signals, code: int, node: Node, tmp_path: Path
) -> None:
    child = Child(text, node, tmp_path)
    os.kill(child.process.pid, number)
    assert child.ended()[0] == code


def test_an_engine_that_is_killed_is_told(node: Node, tmp_path: Path) -> None:
    child = Child(_BUSY, node, tmp_path)
    os.kill(child.host, signal.SIGKILL)
    code, told = child.ended()
    assert code == CRASHED
    assert told.startswith(
        f"{tmp_path}/child.vbs: the script engine failed: the script host has closed the channel"
    )


def _host_of(server: int) -> int:
    """The process id of the host program of that server."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return next(int(child) for child in children if b"host" in Path(f"/proc/{child}/cmdline").read_bytes())


@pytest.mark.parametrize(("deaths", "code"), [(1, 0), (2, CRASHED)])
def test_a_host_that_ends_before_it_begins_is_started_once_more(
    node: Node,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    deaths: int,
    code: int,
) -> None:
    made: list[HostProcess] = []

    class Dying(HostProcess):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)
            if len(made) <= deaths:
                self._process.kill()

    monkeypatch.setattr(scripts, "HostProcess", Dying)
    file = tmp_path / "hello.vbs"
    file.write_text('WScript.Echo "once"')
    assert run_script(file, (), lambda progid, server: node.application()) == code
    assert len(made) == 2
    assert capfd.readouterr().out == ("once\n" if code == 0 else "")
