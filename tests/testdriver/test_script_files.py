"""FileSystemObject in Wine's engines: what the unit tests cannot show, the script's side of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.wine import need_wine
from vpcshim.clients.hooks.dry_run import DryRun
from vpcshim.clients.scripts import run_script
from vpcshim.model.paths import DriveMap
from vpcshim.testing import Machine, NodeBuilder

Run = Callable[..., list[str]]


@pytest.fixture(scope="module", autouse=True)
def _wine() -> None:
    need_wine()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "vms"
    folder.mkdir()
    return folder


@pytest.fixture
def run(vpcshim_node: NodeBuilder, capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path) -> Run:
    """Runs a script that ends well; drive C: is the folder."""
    node = vpcshim_node(Machine("web01"))

    def go(text: str, language: str = "vbs", *, dry: bool = False) -> list[str]:
        script = tmp_path / f"script.{language}"
        script.write_text(text)
        hooks = (DryRun(),) if dry else ()
        factory = lambda progid, _server: node.application(progid)  # noqa: E731
        code = run_script(script, (), factory, hooks, batch=True, drives=DriveMap({"C:": root}))
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        return out.splitlines()

    return go


FSO = 'Set fso = CreateObject("Scripting.FileSystemObject")\n'


def test_folders_and_files_are_gone_through(run: Run, root: Path) -> None:
    for name in ("b.vhd", "A.vmc"):
        (root / name).write_bytes(b"x" * 3)
    (root / "sub").mkdir()
    (root / "sub" / "c").write_bytes(b"12345")
    lines = run(
        FSO + 'Set root = fso.GetFolder(fso.GetDrive("C").RootFolder)\n'
        'For Each one In root.Files\nWScript.Echo one, one.Size + 1, TypeName(one), one.Drive & "!"\nNext\n'
        "For Each one In root.SubFolders\n"
        'WScript.Echo one.Name, one.Files.Count, one.Files("C").Size, one.Size\nNext\n'
        "WScript.Echo TypeName(fso), TypeName(root)\n"
        'WScript.Echo fso.FileExists(root & "b.VHD"), fso.FolderExists("C:\\nothere")\n'
        'WScript.Echo DateDiff("s", root.Files("b.vhd").DateLastModified, Now) < 3600\n'
    )
    assert lines == [
        r"C:\A.vmc 4 File C:!",
        r"C:\b.vhd 4 File C:!",
        "sub 1 5 5",
        "FileSystemObject Folder",
        "-1 0",
        "-1",
    ]


def test_a_file_stands_for_its_path_where_a_text_is_needed(run: Run, root: Path) -> None:
    (root / "a.txt").write_text("x")
    lines = run(
        FSO + 'Set f = fso.GetFile("C:\\a.txt")\nSet d = CreateObject("Scripting.Dictionary")\nd.Add f.Path, f\n'
        'WScript.Echo Split(f, "\\")(1), Join(Array(f, f.Drive), ";"), AscW(f), Escape(f.ParentFolder)\n'
        'WScript.Echo f = "C:\\a.txt", UCase(f), d(f.Path).Size, Filter(Array("C:\\a.txt", "b"), f)(0)\n'
        'fso.OpenTextFile("C:\\b", 2, True).WriteLine f\nWScript.Echo fso.OpenTextFile("C:\\b").ReadAll\n'
        "If fso.GetFolder(f.Drive.RootFolder).ParentFolder Is Nothing Then WScript.Echo TypeName(f.ParentFolder)\n"
        "On Error Resume Next\nMsgBox f\nWScript.Echo Err.Description\n"
    )
    assert lines == [
        r"a.txt C:\a.txt;C: 67 C%3A%5C",
        r"-1 C:\A.TXT 1 C:\a.txt",
        r"C:\a.txt",
        "",
        "Folder",
        "MsgBox asks somebody, and under --batch nobody is there",
    ]


def test_what_is_too_much_for_one_text_is_an_error(run: Run, root: Path) -> None:
    with (root / "disk.vhd").open("wb") as file:
        file.truncate(1 << 40)
    lines = run(
        FSO + 'Set t = fso.OpenTextFile("C:\\disk.vhd")\nWScript.Echo Len(t.Read(512)), t.AtEndOfStream\n'
        "On Error Resume Next\nx = t.ReadAll\nWScript.Echo Err.Number\n"
    )
    assert lines == ["512 0", "7"]


def test_in_jscript(run: Run, root: Path) -> None:
    (root / "a").write_text("one\r\ntwo")
    lines = run(
        'var fso = new ActiveXObject("Scripting.FileSystemObject"), f = fso.GetFile("C:\\\\a");\n'
        "for (var e = new Enumerator(fso.GetFolder('C:\\\\').Files); !e.atEnd(); e.moveNext())\n"
        "  WScript.Echo(e.item().Path);\n"
        "f.Attributes = 33; WScript.Echo(f.Attributes); f.Attributes ^= 1; f.Name = 'b'; WScript.Echo(f.Path);\n"
        "var t = f.OpenAsTextStream(1); while (!t.AtEndOfStream) WScript.Echo(t.Line, t.ReadLine()); t.Close();\n"
        'try { fso.GetFile("C:\\\\q"); } catch (x) { WScript.Echo(x.number & 0xFFFF, x.description); }\n',
        "js",
    )
    assert lines == [r"C:\a", "33", r"C:\b", "1 one", "2 two", r"53 File not found: C:\q"]


def test_dates_are_compared_in_jscript(run: Run, root: Path) -> None:
    (root / "a").write_text("x")
    lines = run(
        'var fso = new ActiveXObject("Scripting.FileSystemObject"), f = fso.GetFile("C:\\\\a");\n'
        "var now = new Date(), old = new Date(now);\n"
        "old.setDate(old.getDate() - 7); now.setDate(now.getDate() + 1);\n"
        "function older(file, than) { return file.DateLastModified < than; }\n"
        "WScript.Echo(f.DateLastModified > old, f.DateLastModified >= now, old < now);\n"
        "WScript.Echo(older(f, now), older(f, old));\n"
        "WScript.Echo(new Date(2010, 0, 4) > new Date(2009, 0, 3));\n"
        # What is no date by more than its name stays what it is.
        "var own = {dateCreated: '2009-12-01'}, other = {dateCreated: '2010-01-01'};\n"
        "WScript.Echo(own.dateCreated < other.dateCreated, other.dateCreated < own.dateCreated, old > 5);\n",
        "js",
    )
    assert lines == ["-1 0 -1", "-1 0", "-1", "-1 0 -1"]


def test_errors_are_handled_by_their_numbers(run: Run, root: Path) -> None:
    lines = run(
        FSO + "On Error Resume Next\n"
        'fso.GetFolder "C:\\q"\nWScript.Echo Err.Number, Err.Source, Err.Description : Err.Clear\n'
        'fso.CreateFolder "C:\\a" : fso.CreateFolder "C:\\a"\nWScript.Echo Err.Number : Err.Clear\n'
        'x = fso.GetFile("C:\\q").Size\nWScript.Echo Err.Number : Err.Clear\n'
        'fso.OpenTextFile("C:\\b", 1, True).ReadAll\nWScript.Echo Err.Number : Err.Clear\n'
        'fso.GetFolder("C:\\a").Nonsense\nWScript.Echo Err.Number\n'
    )
    assert lines == [r"76 Microsoft VBScript runtime error Path not found: C:\q", "58", "53", "62", "438"]


def test_errors_of_wines_own_objects_have_their_texts(run: Run) -> None:
    lines = run(
        'Set d = CreateObject("Scripting.Dictionary")\nd.Add "a", 1\nOn Error Resume Next\n'
        'd.Add "a", 2\nWScript.Echo Err.Number, Err.Source, Err.Description : Err.Clear\n'
        'd.Remove "b"\nWScript.Echo Err.Number, Err.Description : Err.Clear\n'
        "d.CompareMode = 1\nWScript.Echo Err.Number, Err.Description\n"
    )
    assert lines == [
        "457 Microsoft VBScript runtime error This key is already associated with an element of this collection",
        "32811 Element not found",
        "5 Invalid procedure call or argument",
    ]
    lines = run(
        "var d = new ActiveXObject('Scripting.Dictionary'); d.Add('a', 1);\n"
        "function fails(f) { try { f() } catch (e) { WScript.Echo(e.number & 0xFFFF, e.description) } }\n"
        "fails(function() { d.Add('a', 2) }); fails(function() { d.Remove('b') });\n",
        "js",
    )
    assert lines == [
        "457 This key is already associated with an element of this collection",
        "32811 Element not found",
    ]


@pytest.mark.parametrize(
    ("progid", "name"),
    [
        ("VirtualServer.Application", "IVMVirtualServer"),
        ("Scripting.FileSystemObject", "FileSystemObject"),
    ],
)
def test_what_has_no_default_member_says_so(
    progid: str, name: str, vpcshim_node: NodeBuilder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = vpcshim_node()
    way_out = "name the member that is meant; to assign the object itself, VBScript needs Set"
    for language, text, line in (
        ("vbs", f'a = CreateObject("{progid}")\n', 1),
        ("vbs", f'Set a = CreateObject("{progid}")\nWScript.Echo a\n', 2),
        ("js", f'var a = new ActiveXObject("{progid}");\nWScript.Echo(a);\n', 2),
    ):
        script = tmp_path / f"script.{language}"
        script.write_text(text)
        assert run_script(script, (), lambda asked, _server: node.application(asked)) == 1
        said = f"({line}, 1): DISP_E_MEMBERNOTFOUND (0x80020003): {name} has no default member: {way_out}\n"
        assert capsys.readouterr().err == f"{script}{said}"


def test_what_is_no_collection_says_so(
    vpcshim_node: NodeBuilder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = vpcshim_node()
    script = tmp_path / "script.vbs"
    script.write_text('Set a = CreateObject("VirtualServer.Application")\nFor Each b In a\nNext\n')
    assert run_script(script, (), lambda progid, _server: node.application(progid)) == 1
    assert "IVMVirtualServer is no collection: For Each has nothing to go through" in capsys.readouterr().err


def test_a_question_takes_what_the_script_has_looked_at(
    run: Run, tmp_path: Path, vpcshim_node: NodeBuilder
) -> None:
    script = tmp_path / "ask.vbs"
    script.write_text(
        FSO + "n = WScript.StdIn.ReadLine\nmore = Not WScript.StdIn.AtEndOfStream\n"
        'WScript.Echo MsgBox("sure, " & n, vbYesNo)\nWScript.Echo fso.GetStandardStream(0).ReadLine\n'
        'WScript.Echo InputBox("why?")\nWScript.Echo MsgBox("really?", vbYesNo)\n'
    )
    typed = tmp_path / "typed"
    typed.write_text("Bob\ny\nn\nrest\n")
    command = [sys.executable, "-m", "vpcshim", "-c", vpcshim_node().uri, "run", str(script)]
    with typed.open() as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, timeout=240, check=False)
    shown = "sure, Bob\n[Y]es/[N]o (Yes): 6\nn\nwhy?: rest\nreally?\n[Y]es/[N]o (Yes): \n"
    assert (done.returncode, done.stdout) == (1, shown)
    assert done.stderr.endswith("MsgBox asks somebody, and standard input has ended\n")


def test_the_current_folder_is_wines(run: Run, root: Path) -> None:
    (root / "sub").mkdir()
    (root / "sub" / "here.txt").write_text("x")
    lines = run(
        FSO + 'Set shell = CreateObject("WScript.Shell")\n'
        'WScript.Echo fso.GetAbsolutePathName("x")\n'
        f'shell.CurrentDirectory = "Z:{root}/sub"\n'
        'WScript.Echo fso.FileExists("HERE.txt"), fso.GetFile("here.txt"), fso.GetAbsolutePathName("..\\x")\n'
    )
    here = "Z:" + os.getcwd().replace("/", "\\") + "\\x"
    assert lines == [here, r"-1 C:\sub\here.txt C:\x"]


def test_temporary_files_are_the_hosts(run: Run, root: Path) -> None:
    lines = run(
        FSO + 'Set shell = CreateObject("WScript.Shell")\ntemp = shell.ExpandEnvironmentStrings("%TEMP%")\n'
        "WScript.Echo temp = fso.GetSpecialFolder(2).Path, fso.FolderExists(temp)\n"
        'WScript.Echo temp = shell.Environment("PROCESS")("TMP")\n'
    )
    assert lines == ["-1 -1", "-1"]


def test_what_wine_knows_is_asked_of_it(run: Run, root: Path) -> None:
    lines = run(
        FSO
        + 'system = fso.GetSpecialFolder(1)\nWScript.Echo fso.GetFileVersion(fso.BuildPath(system, "scrrun.dll"))\n'
        'fso.CreateTextFile("C:\\none").Close\nWScript.Echo "[" & fso.GetFileVersion("C:\\none") & "]"\n'
    )
    assert lines[0].startswith("5.")
    assert lines[1] == "[]"


def test_a_text_stays_what_it_is(run: Run, root: Path) -> None:
    lines = run(
        FSO + 'Set t = fso.OpenTextFile("C:\\t", 2, True, -1)\n'
        "t.Write ChrW(8364) & ChrW(937) & 1.5 & True & vbCrLf & Empty\nt.Close\n"
        'Set t = fso.OpenTextFile("C:\\t", 1, False, -1)\na = t.ReadAll\nWScript.Echo Len(a), AscW(a), a\n'
    )
    assert lines == ["11 8364 €Ω1.5True", ""]
    assert (root / "t").read_bytes().decode("utf-16") == "€Ω1.5True\r\n"


def test_a_dry_run_deletes_nothing(run: Run, root: Path) -> None:
    (root / "a").write_text("x")
    lines = run(
        FSO + 'fso.DeleteFile "C:\\*"\nfso.CreateTextFile("C:\\b").WriteLine "x"\nWScript.Echo "done"\n', dry=True
    )
    assert lines == ["done"]
    assert [path.name for path in root.iterdir()] == ["a"]


def test_the_letters_of_another_machine_are_not_those_of_this_one(root: Path, tmp_path: Path) -> None:
    """The drive map says what the server's machine has; a script's files are where it runs."""
    (root / "a").write_text("x")
    script = tmp_path / "script.vbs"
    script.write_text(FSO + 'WScript.Echo fso.FileExists("C:\\a")\n')
    command = [sys.executable, "-m", "vpcshim", "-c"]
    options = ["run", "--drive", f"C:={root}", str(script)]
    for uri, there in (("test:///default", "-1"), ("qemu+ssh://elsewhere.example/system", "0")):
        done = subprocess.run([*command, uri, *options], capture_output=True, text=True, timeout=240, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{there}\n", "")
