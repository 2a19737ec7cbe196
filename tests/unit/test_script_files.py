"""FileSystemObject: this machine's files as a script of Windows knows files."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import io
import itertools
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcshim.clients.calls import EMPTY, MISSING
from vpcshim.clients.files import places, transfer
from vpcshim.clients.files.changes import Changes, Pretended
from vpcshim.clients.files.places import Place, Places, matcher
from vpcshim.clients.files.system import FileSystemObject, is_file_system
from vpcshim.clients.files.wine import Wine
from vpcshim.clients.scripting.builtins import Dialogs
from vpcshim.clients.scripting.objects import HostObject
from vpcshim.clients.scripting.streams import InStream, Streams
from vpcshim.com.errors import ComError, Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT, Variant
from vpcshim.hypervisor import imagelock
from vpcshim.model.paths import DriveMap

GET, CALL, PUT = 2, 1, 4
AS_ROOT = os.geteuid() == 0
NOTHING = Variant(VT.DISPATCH, None)


class Obj:
    """An object of ours as a script uses it: members by their names, in any case."""

    def __init__(self, obj: HostObject) -> None:
        object.__setattr__(self, "obj", obj)

    def __getattr__(self, name: str) -> Any:
        number = self.obj.id_of(name)
        if number is None:
            raise AttributeError(name)
        found = self.obj._functions[number][0]
        if found.is_property:
            return wrapped(self.obj.invoke(number, GET, ()))
        return lambda *args: wrapped(self.obj.invoke(number, CALL, unwrapped(args)))

    def __setattr__(self, name: str, value: Any) -> None:
        number = self.obj.id_of(name)
        assert number is not None
        self.obj.invoke(number, PUT, (value,))

    def __iter__(self) -> Iterator[Any]:
        return map(wrapped, self.obj.invoke(-4, GET, ()))

    def __call__(self, *args: Any) -> Any:
        return wrapped(self.obj.invoke(0, GET, args))


def wrapped(value: Any) -> Any:
    return Obj(value) if isinstance(value, HostObject) else value


def unwrapped(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(arg.obj if isinstance(arg, Obj) else arg for arg in args)


class NoWine(Wine):
    """Wine's side, as it answers."""

    def __init__(self, current: str = "C:\\") -> None:
        self.current = current
        self.asked: list[str] = []

    def current_folder(self) -> str:
        return self.current

    def file_version(self, path: str) -> str:
        self.asked.append(path)
        return "1.2"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder that drive V: stands for."""
    folder = tmp_path / "vms"
    folder.mkdir()
    return folder


@pytest.fixture
def windows(tmp_path: Path) -> Path:
    """The folder that is Wine's drive C:."""
    folder = tmp_path / "drive_c"
    (folder / "windows" / "system32").mkdir(parents=True)
    return folder


Maker = Callable[..., Obj]


@pytest.fixture
def make(root: Path, windows: Path) -> Maker:
    def made(changes: Changes | None = None, wine: Wine | None = None, **drives: Path) -> Obj:
        asked = wine or NoWine()
        paths = Places(DriveMap({"V:": root, **drives}), windows, asked.current_folder, changes or Changes())
        streams = Streams(io.StringIO("typed\n"), io.StringIO(), io.StringIO())
        return Obj(FileSystemObject(paths, asked, streams.objects))

    return made


@pytest.fixture
def fso(make: Maker) -> Obj:
    return make()


def test_the_standard_streams_are_those_of_wscript(windows: Path) -> None:
    """Two readers of one input would take each other's lines."""
    streams = Streams(io.StringIO("one\ny\nthree\n"), io.StringIO(), io.StringIO())
    places_of = Places(DriveMap({}), windows, NoWine().current_folder, Changes())
    files = FileSystemObject(places_of, NoWine(), streams.objects)
    for number, stream in enumerate(streams.objects):
        assert files.standard_stream(number) is stream
    stdin = files.standard_stream(0)
    assert isinstance(stdin, InStream)
    assert (stdin.read_line(), stdin.at_end()) == ("one", False)
    assert Dialogs(streams, batch=False).msgbox("sure?", 4) == 6
    assert streams.objects[0].read_line() == "three"


def error_of(work: Callable[[], Any]) -> tuple[int, str]:
    """Err.Number and Err.Description."""
    with pytest.raises(ComError) as caught:
        work()
    assert caught.value.scode & 0xFFFF_0000 == 0x800A_0000
    return caught.value.scode & 0xFFFF, caught.value.description


def number_of(work: Callable[[], Any]) -> int:
    return error_of(work)[0]


# -- paths as texts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "parent", "name", "base", "extension", "drive"),
    [
        (r"C:\a\b.tar.gz", r"C:\a", "b.tar.gz", "b.tar", "gz", "C:"),
        (r"C:\a\b" + "\\", r"C:\a", "b", "b", "", "C:"),
        (r"C:\a", "C:\\", "a", "a", "", "C:"),
        ("C:\\", "", "", "", "", "C:"),
        ("C:", "", "", "", "", "C:"),
        ("a.txt", "", "a.txt", "a", "txt", ""),
        (r"..\a.", "..", "a.", "a", "", ""),
        (r"\\server\share\x\y", r"\\server\share\x", "y", "y", "", r"\\server\share"),
        ("/srv/vm/web.vmc", "/srv/vm", "web.vmc", "web", "vmc", ""),
        ("/srv", "/", "srv", "srv", "", ""),
        ("", "", "", "", "", ""),
    ],
)
def test_the_parts_of_a_path(
    fso: Obj, path: str, parent: str, name: str, base: str, extension: str, drive: str
) -> None:
    assert fso.GetParentFolderName(path) == parent
    assert (fso.GetFileName(path), fso.GetBaseName(path)) == (name, base)
    assert (fso.GetExtensionName(path), fso.GetDriveName(path)) == (extension, drive)


@pytest.mark.parametrize(
    ("path", "name", "whole"),
    [
        (r"C:\a", "b", r"C:\a\b"),
        ("C:\\a\\", "b", r"C:\a\b"),
        (r"C:\a", r"\b", r"C:\a\b"),
        ("C:\\a\\", r"\b", r"C:\a\b"),
        ("C:", "b", "C:b"),
        ("", "b", "b"),
        ("a", "", "a"),
        ("/srv/", "b", "/srv/b"),
    ],
)
def test_a_path_is_built(fso: Obj, path: str, name: str, whole: str) -> None:
    assert fso.BuildPath(path, name) == whole


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        (r"v:\a\.\b\..\c", r"V:\a\c"),
        (r"V:\..\..\x", r"V:\x"),
        ("x", r"V:\here\x"),
        ("v:x", r"V:\here\x"),
        ("Z:x", r"Z:\x"),
        (r"\x", r"V:\x"),
        ("", r"V:\here"),
        ("..", "V:\\"),
        (r"\\server\share\a\..\b", r"\\server\share\b"),
    ],
)
def test_a_path_becomes_a_whole_one(make: Maker, root: Path, path: str, whole: str) -> None:
    (root / "here").mkdir()
    fso = make(wine=NoWine("Z:" + str(root / "here").replace("/", "\\")))
    assert fso.GetAbsolutePathName(path) == whole


def test_a_path_of_the_host_is_one(fso: Obj, root: Path) -> None:
    (root / "Web").mkdir()
    (root / "Web" / "web.vmc").write_text("x")
    assert fso.GetAbsolutePathName(f"{root}/Web/../Web") == r"V:\Web"
    assert fso.GetFile(f"{root}/Web/web.vmc").Path == r"V:\Web\web.vmc"
    assert fso.GetFile(rf"{root}\web\WEB.vmc").Path == r"V:\Web\web.vmc"
    assert fso.FileExists("/proc/self/status")
    assert fso.GetFile("/proc/self/status").Path == r"Z:\proc\self\status"


def test_letters_that_are_mapped_otherwise(make: Maker, root: Path, windows: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    fso = make(C=root, Z=other)
    assert fso.GetFolder("C:").Path == "C:\\"
    fso.CreateTextFile(r"Z:\a.txt").Close()
    assert (other / "a.txt").exists()
    # No letter covers it any more.
    here = make(Z=other, wine=NoWine(r"Z:\proc"))
    status = here.GetFile("/proc/self/status")
    assert (status.ParentFolder.Path, status.ParentFolder.Files("Status").Path) == (
        "/proc/self",
        "/proc/self/status",
    )
    assert error_of(lambda: status.Drive) == (68, "Device unavailable: no drive letter covers /proc/self/status")
    assert here.GetAbsolutePathName("self") == f"/proc/{os.getpid()}" or here.FolderExists("self")


def test_temporary_names_differ(fso: Obj) -> None:
    names = {fso.GetTempName() for _ in range(50)}
    assert len(names) > 45
    assert all(name.startswith("rad") and name.endswith(".tmp") and len(name) == 12 for name in names)


# -- what is there --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["", " ", "a<b", "Q:\\x", r"\\server\share\x", "V:\\" + "x" * 300, "a\0b", "\ud83d"]
)
def test_what_is_no_path_does_not_exist(fso: Obj, path: str) -> None:
    assert not fso.FileExists(path)
    assert not fso.FolderExists(path)
    with pytest.raises(ComError):
        fso.GetFile(path)


@pytest.mark.parametrize(
    ("path", "number", "says"),
    [
        (r"V:\nothere.txt", 53, r"File not found: V:\nothere.txt"),
        (r"Q:\x", 76, "drive Q: stands for no folder"),
        (r"\\server\share\x", 76, "--drive"),
        ("V:\\a|b", 52, "'|'"),
        ("", 5, "not empty"),
    ],
)
def test_what_is_wrong_with_a_path_is_told(fso: Obj, path: str, number: int, says: str) -> None:
    told = error_of(lambda: fso.GetFile(path))
    assert told[0] == number
    assert says in told[1]


def test_names_are_found_in_any_case(fso: Obj, root: Path) -> None:
    (root / "Web Server").mkdir()
    (root / "Web Server" / "HDA.vhd").write_bytes(b"12345")
    file = fso.GetFile(r"v:\WEB SERVER\hda.VHD")
    assert (file.Size, file.Name, file()) == (5, "HDA.vhd", r"V:\WEB SERVER\hda.VHD")
    assert fso.FolderExists(r"V:\web server")
    assert not fso.FileExists(r"V:\web server")
    assert not fso.FolderExists(r"V:\web server\hda.vhd")


def test_a_file_tells_of_itself(fso: Obj, root: Path) -> None:
    path = root / "a.txt"
    path.write_bytes(b"x" * 10)
    os.utime(path, (1_000_000_000, 1_100_000_000.7))
    file = fso.GetFile(r"V:\a.txt")
    assert (file.Size, file.Type, file.ShortName, file.ShortPath) == (10, "TXT File", "a.txt", r"V:\a.txt")
    assert file.DateLastModified == datetime.fromtimestamp(1_100_000_000)
    assert file.DateLastAccessed == datetime.fromtimestamp(1_000_000_000)
    assert (file.ParentFolder.Path, file.Drive.Path, file.Drive.DriveLetter) == ("V:\\", "V:", "V")
    path.unlink()
    assert number_of(lambda: file.Size) == 53
    assert number_of(lambda: file.DateCreated) == 53


def test_when_a_file_was_made(fso: Obj, root: Path) -> None:
    before = datetime.now().replace(microsecond=0)
    (root / "a.txt").write_text("x")
    known = subprocess.run(["stat", "-c", "%W", root / "a.txt"], capture_output=True, text=True, check=True).stdout
    if int(known) == 0:
        assert number_of(lambda: fso.GetFile(r"V:\a.txt").DateCreated) == 445
    else:
        assert before <= fso.GetFile(r"V:\a.txt").DateCreated <= datetime.now()


def test_a_size_that_no_long_holds_is_a_double(fso: Obj, root: Path) -> None:
    for name, size in (("a", 2**31 - 1), ("b", 2**31)):
        with (root / name).open("wb") as file:
            file.truncate(size)
    sizes = [fso.GetFile(rf"V:\{name}").Size for name in "ab"]
    assert sizes == [2**31 - 1, float(2**31)]
    assert list(map(type, sizes)) == [int, float]
    assert fso.GetFolder("V:\\").Size == float(2**32 - 1)


def test_a_folder_tells_of_itself(fso: Obj, root: Path) -> None:
    (root / "b").mkdir()
    (root / "b" / "two").write_bytes(b"22")
    (root / "One").write_bytes(b"1")
    (root / ".hidden").write_bytes(b"333")
    (root / "nowhere").symlink_to(root / "gone")
    folder = fso.GetFolder("V:\\")
    assert [file.Name for file in folder.Files] == [".hidden", "One"]
    assert [one.Path for one in folder.SubFolders] == [r"V:\b"]
    assert (folder.Files.Count, folder.SubFolders.Count, folder.Size) == (2, 1, 6)
    assert (folder.IsRootFolder, folder.Name, folder.ParentFolder) == (True, "", NOTHING)
    below = folder.SubFolders("B")
    assert (below.IsRootFolder, below.Name, below.ParentFolder.Path, below.Type) == (
        False,
        "b",
        "V:\\",
        "File folder",
    )
    assert folder.Files("ONE").Size == 1
    assert number_of(lambda: folder.Files("three")) == 53


def test_what_goes_while_a_folder_is_summed_up_is_no_part_of_it(
    fso: Obj, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def going(folder: Place) -> Iterator[Place]:
        for one in places.entries(folder):
            if one.host.name == "b":
                one.host.unlink()
            yield one

    for name in "abc":
        (root / name).write_text("x")
    monkeypatch.setattr("vpcshim.clients.files.entries.entries", going)
    assert fso.GetFolder("V:\\").Size == 2


def test_attributes(fso: Obj, root: Path) -> None:
    path = root / "a"
    path.write_text("x")
    (root / ".b").mkdir()
    (root / "c").symlink_to(path)
    file = fso.GetFile(r"V:\a")
    assert (file.Attributes, fso.GetFolder(r"V:\.b").Attributes, fso.GetFile(r"V:\c").Attributes) == (32, 18, 1056)
    file.Attributes = 33
    assert (file.Attributes, path.stat().st_mode & 0o222) == (33, 0)
    file.Attributes = 0
    assert (file.Attributes, path.stat().st_mode & 0o200) == (32, 0o200)
    file.Attributes = 1
    assert file.Attributes == 33
    file.Attributes = file.Attributes ^ 33
    for other in (34, 36, 128):
        assert number_of(lambda other=other: setattr(file, "Attributes", other)) == 5  # type: ignore[misc]
    assert file.Attributes == 32


def test_drives(fso: Obj, root: Path, windows: Path) -> None:
    assert [drive.Path for drive in fso.Drives] == ["C:", "V:", "Z:"]
    assert fso.Drives.Count == 3
    drive = fso.GetDrive("v")
    space = os.statvfs(root)
    assert (drive.TotalSize, drive.IsReady) == (float(space.f_blocks * space.f_frsize), True)
    assert 0 <= drive.AvailableSpace <= drive.FreeSpace <= drive.TotalSize
    kind = subprocess.run(["findmnt", "-nro", "FSTYPE", "-T", root], capture_output=True, text=True, check=False)
    assert drive.FileSystem == kind.stdout.split()[-1]
    assert drive.DriveType == (5 if drive.FileSystem == "tmpfs" else 2)
    assert [fso.DriveExists(name) for name in ("v", "V:", r"V:\x\y", "Q", "", "VV")] == [True] * 3 + [False] * 3
    assert (drive.RootFolder.Path, drive.ShareName, fso.Drives("Z").Path) == ("V:\\", "", "Z:")
    assert number_of(lambda: drive.SerialNumber) == 445
    assert number_of(lambda: drive.VolumeName) == 445
    assert [number_of(lambda name=name: fso.GetDrive(name)) for name in (r"V:\x", "", r"\\server\share")] == [5] * 3  # type: ignore[misc]
    assert error_of(lambda: fso.GetDrive("Q:")) == (68, "Device unavailable: Q: (drives: C:, V:, Z:)")
    root.rmdir()
    assert not drive.IsReady
    assert number_of(lambda: drive.FreeSpace) == 68


def test_special_folders(fso: Obj, windows: Path) -> None:
    assert [fso.GetSpecialFolder(which).Path for which in (0, 1)] == [r"C:\windows", r"C:\windows\system32"]
    assert fso.GetSpecialFolder(2).Path.startswith("Z:\\")
    assert number_of(lambda: fso.GetSpecialFolder(3)) == 5


def test_a_version_is_asked_of_wine(make: Maker, root: Path, windows: Path) -> None:
    wine = NoWine()
    fso = make(wine=wine, C=root)
    (root / "a.exe").write_text("x")
    (windows / "windows" / "b.exe").write_text("x")
    assert fso.GetFileVersion(r"C:\A.EXE") == "1.2"
    assert fso.GetFileVersion(str(windows / "windows" / "b.exe")) == "1.2"
    assert wine.asked == ["Z:" + str(root / "a.exe").replace("/", "\\"), r"C:\windows\b.exe"]
    assert number_of(lambda: fso.GetFileVersion(r"C:\c.exe")) == 53


# -- text -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unicode", "data"),
    [
        (False, b"h\xe9llo \x80\x81\r\n\r\nx"),
        (True, "\ufeffhéllo €\x81\r\n\r\nx".encode("utf-16-le")),
    ],
)
def test_text_is_written_and_read(fso: Obj, root: Path, unicode: bool, data: bytes) -> None:
    file = fso.CreateTextFile(r"V:\a.txt", True, unicode)
    file.WriteLine("héllo €\x81")
    file.WriteBlankLines(1)
    assert (file.Line, file.Column) == (3, 1)
    file.Write("x")
    assert (root / "a.txt").read_bytes() == data, "before it is closed"
    file.Close()
    file.Close()
    read = fso.OpenTextFile(r"V:\a.txt", 1, False, -1 if unicode else 0)
    assert (read.Read(2), read.Line, read.Column, read.AtEndOfLine) == ("hé", 1, 3, False)
    assert (read.ReadLine(), read.ReadLine(), read.AtEndOfStream) == ("llo €\x81", "", False)
    assert (read.ReadAll(), read.AtEndOfStream) == ("x", True)
    assert number_of(read.ReadLine) == 62
    assert number_of(read.ReadAll) == 62


def test_text_is_added(fso: Obj, root: Path) -> None:
    for form in (0, -1):
        for line in ("one", "two"):
            log = fso.OpenTextFile(rf"V:\log{form}", 8, True, form)
            log.WriteLine(line)
            log.Close()
    assert (root / "log0").read_bytes() == b"one\r\ntwo\r\n"
    assert (root / "log-1").read_bytes().decode("utf-16") == "one\r\ntwo\r\n"


def test_lines_that_linux_ended(fso: Obj, root: Path) -> None:
    (root / "a").write_bytes(b"one\ntwo\r\r\nthr\ree\r")
    stream = fso.OpenTextFile(r"V:\a")
    lines = []
    while not stream.AtEndOfStream:
        lines.append(stream.ReadLine())
    assert lines == ["one", "two\r", "thr\ree\r"]


def test_of_a_file_of_any_size_no_more_is_read_than_is_asked_for(fso: Obj, root: Path) -> None:
    with (root / "disk.vhd").open("wb") as file:
        file.write(b"conectix")
        file.truncate(1 << 40)
    stream = fso.OpenTextFile(r"V:\disk.vhd")
    assert (stream.Read(8), stream.AtEndOfLine, stream.Read(2)) == ("conectix", False, "\0\0")
    stream.Skip(1 << 20)
    assert (stream.Line, stream.Column) == (1, (1 << 20) + 11)
    number, text = error_of(stream.ReadLine)
    assert (number, r"characters of V:\disk.vhd are read at once" in text) == (7, True)
    assert number_of(stream.ReadAll) == 7
    assert number_of(lambda: stream.Read(2**31 - 1)) == 7


def test_a_line_is_read_in_parts_and_told_as_one() -> None:
    text = "x" * 200_000 + "\r\n" + "y" * 70_000
    stream = Obj(InStream(io.StringIO(text, newline="")))
    assert (stream.ReadLine(), stream.Line, stream.Read(1)) == ("x" * 200_000, 2, "y")
    stream.SkipLine()
    assert stream.AtEndOfStream
    stream = Obj(InStream(io.StringIO(text, newline="")))
    stream.SkipLine()
    assert (stream.Line, stream.Column, stream.ReadAll()) == (2, 1, "y" * 70_000)


def test_what_windows_1252_has_not_is_refused(fso: Obj, root: Path) -> None:
    file = fso.CreateTextFile(r"V:\a")
    number, text = error_of(lambda: file.Write("Ω"))
    assert (number, r"'\u03a9'" in text, (root / "a").read_bytes()) == (5, True, b"")


def test_streams_go_one_way(fso: Obj, root: Path) -> None:
    (root / "a").write_text("x")
    reading, writing = fso.GetFile(r"V:\a").OpenAsTextStream(), fso.OpenTextFile(r"V:\b", 2, True)
    assert number_of(lambda: reading.Write("y")) == 54
    assert [number_of(work) for work in (writing.ReadLine, writing.ReadAll, lambda: writing.AtEndOfStream)] == [
        54
    ] * 3
    reading.Close()
    assert number_of(reading.ReadLine) == 54
    writing.Close()
    assert number_of(lambda: writing.Write("y")) == 54
    assert (root / "a").read_text() == "x"


def test_a_stream_that_the_script_lets_go_of_is_closed(fso: Obj, root: Path) -> None:
    def opened() -> int:
        return sum(os.path.realpath(f"/proc/self/fd/{fd}") == str(root / "a") for fd in os.listdir("/proc/self/fd"))

    stream = fso.CreateTextFile(r"V:\a")
    stream.Write("x")
    assert opened() == 1
    del stream
    gc.collect()
    assert opened() == 0


@pytest.mark.parametrize(
    ("args", "number"),
    [
        ((r"V:\nothere",), 53),
        ((r"V:\nothere", 2), 53),
        ((r"V:\no\where", 2, True), 76),
        ((r"V:\a", 3), 5),
        ((r"V:\a", 1, False, 7), 5),
        ((r"V:\folder", 2, True), 70),
        ((r"V:\pipe",), 70),
        ((r"V:\pipe", 2), 57),
    ],
)
def test_what_cannot_be_opened(fso: Obj, root: Path, args: tuple[Any, ...], number: int) -> None:
    (root / "a").write_text("x")
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    assert number_of(lambda: fso.OpenTextFile(*args)) == number


def test_a_file_is_made_anew_unless_it_may_not(fso: Obj, root: Path) -> None:
    (root / "a").write_text("old")
    assert number_of(lambda: fso.CreateTextFile(r"V:\a", False)) == 58
    assert (root / "a").read_text() == "old"
    fso.GetFolder("V:\\").CreateTextFile("a").Close()
    assert (root / "a").read_text() == ""
    assert number_of(lambda: fso.CreateTextFile(r"V:\no\where")) == 76


def test_a_read_only_file_is_not_written_to(fso: Obj, root: Path) -> None:
    (root / "a").write_text("old")
    (root / "a").chmod(0o444)
    for work in (
        lambda: fso.OpenTextFile(r"V:\a", 2),
        lambda: fso.OpenTextFile(r"V:\a", 8, True),
        lambda: fso.CreateTextFile(r"V:\a"),
        lambda: fso.GetFile(r"V:\a").OpenAsTextStream(2),
    ):
        assert number_of(work) == 70
    assert fso.OpenTextFile(r"V:\a").ReadAll() == "old"


def test_arguments_that_are_left_out(fso: Obj, root: Path) -> None:
    stream = fso.OpenTextFile(r"V:\a", MISSING, True)
    assert stream.AtEndOfStream
    fso.CopyFile(r"V:\a", r"V:\b", MISSING)
    assert (root / "b").exists()


def test_the_standard_streams(fso: Obj) -> None:
    assert fso.GetStandardStream(0).ReadLine() == "typed"
    fso.GetStandardStream(1).WriteLine("x")
    assert number_of(lambda: fso.GetStandardStream(3)) == 5


# -- copies, moves, deletions ---------------------------------------------------------------------------------


def test_a_file_is_copied_with_its_time_and_its_holes(fso: Obj, root: Path) -> None:
    source = root / "disk.vhd"
    with source.open("wb") as file:
        file.truncate(64 << 20)
        for at, byte in ((5 << 20, b"a"), (40 << 20, b"b")):
            file.seek(at)
            file.write(byte * 4096)
    source.chmod(0o640)
    os.utime(source, (1_000_000_000, 1_100_000_000))
    fso.CopyFile(r"V:\DISK.vhd", r"V:\copy.vhd")
    copy = root / "copy.vhd"
    assert copy.read_bytes() == source.read_bytes()
    found = copy.stat()
    assert (found.st_mode & 0o777, int(found.st_mtime)) == (0o640, 1_100_000_000)
    if source.stat().st_blocks < 1024:
        assert found.st_blocks < 1024, "the holes stay holes"
    assert sorted(path.name for path in root.iterdir()) == ["copy.vhd", "disk.vhd"]


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, (1 << 20) + 1, 3 << 20])
@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize("error", [transfer._NOT_WITHIN[0], 0])
def test_every_byte_is_copied(
    fso: Obj, root: Path, size: int, within: bool, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not within:

        def refuse(*_args: Any) -> int:
            if error:
                raise OSError(error, "not between these")
            return 0  # as some file systems do

        monkeypatch.setattr(os, "copy_file_range", refuse)
    data = os.urandom(size)
    (root / "a").write_bytes(data)
    fso.CopyFile(r"V:\a", r"V:\b")
    assert (root / "b").read_bytes() == data


def test_what_is_replaced_and_what_not(fso: Obj, root: Path) -> None:
    (root / "a").write_text("new")
    (root / "b").write_text("old")
    (root / "folder").mkdir()
    assert number_of(lambda: fso.CopyFile(r"V:\a", r"V:\b", False)) == 58
    assert number_of(lambda: fso.CopyFile(r"V:\a", r"V:\folder")) == 70
    assert number_of(lambda: fso.CopyFile(r"V:\a", r"V:\A")) == 70  # itself
    assert number_of(lambda: fso.CopyFile(r"V:\a", r"V:\no\b")) == 76
    assert number_of(lambda: fso.CopyFile(r"V:\c", r"V:\d")) == 53
    (root / "b").chmod(0o444)
    assert number_of(lambda: fso.CopyFile(r"V:\a", r"V:\b")) == 70
    assert (root / "b").read_text() == "old"
    (root / "b").chmod(0o644)
    fso.CopyFile(r"V:\a", r"V:\b")
    fso.GetFile(r"V:\a").Copy("V:\\folder\\")
    assert [(root / name).read_text() for name in ("b", "folder/a")] == ["new", "new"]


def test_a_link_is_replaced_by_nothing(fso: Obj, root: Path) -> None:
    (root / "far").mkdir()
    (root / "far" / "disk").write_text("old")
    (root / "disk").symlink_to(root / "far" / "disk")
    (root / "a").write_text("new")
    fso.CopyFile(r"V:\a", r"V:\disk")
    assert ((root / "disk").is_symlink(), (root / "far" / "disk").read_text()) == (True, "new")
    assert [path.name for path in (root / "far").iterdir()] == ["disk"]


def test_what_is_there_in_another_case_is_what_is_replaced(fso: Obj, root: Path) -> None:
    for name in ("from/sub", "to/SUB"):
        (root / name).mkdir(parents=True)
    for name, text in (("from/A.TXT", "new"), ("from/sub/x", "new"), ("to/a.txt", "old"), ("to/SUB/X", "old")):
        (root / name).write_text(text)
    fso.CopyFile(r"V:\from\A.TXT", "V:\\to\\")
    assert (root / "to" / "a.txt").read_text() == "new"
    assert number_of(lambda: fso.MoveFile(r"V:\from\*.txt", r"V:\to")) == 58
    fso.CopyFolder(r"V:\from", r"V:\to")
    found = sorted(str(path.relative_to(root)) for path in (root / "to").rglob("*"))
    assert (found, (root / "to" / "SUB" / "X").read_text()) == (["to/SUB", "to/SUB/X", "to/a.txt"], "new")


def test_files_whose_names_differ_in_case_alone_do_not_replace_each_other(fso: Obj, root: Path) -> None:
    (root / "from").mkdir()
    for name in "aA":
        (root / "from" / name).write_text(name)
    for folder in ("one", "two"):
        (root / folder).mkdir()
    fso.CopyFolder(r"V:\from", r"V:\new")
    fso.CopyFile(r"V:\from\*", r"V:\one")
    (root / "two" / "a").write_text("old")
    fso.CopyFolder(r"V:\from", r"V:\two")
    for folder in ("new", "one", "two"):
        assert [(root / folder / name).read_text() for name in "aA"] == ["a", "A"]


def test_names_that_windows_could_not_have(fso: Obj, root: Path) -> None:
    names = ("*", "a?.txt", "b\\c", "d:e", 'f"g', "new\nline")
    for name in (*names, "ab.txt", "plain"):
        (root / name).write_text(name)
    (root / "folder:1").mkdir()
    (root / "folder:1" / "in").write_text("x")
    for file in fso.GetFolder("V:\\").Files:
        assert (file.ParentFolder.Path, file.Drive.Path) == ("V:\\", "V:")
        if file.Name in names:
            assert (file.Path, fso.GetFile(file.Path).Size) == (f"{root}/{file.Name}", len(file.Name))
            fso.CopyFile(file, r"V:\copy")
            assert (root / "copy").read_text() == file.Name
            fso.DeleteFile(file.Path)  # and not what fits a pattern
    folder = fso.GetFolder("V:\\").SubFolders("folder:1")
    assert [file.Path for file in fso.GetFolder(folder).Files] == [f"{root}/folder:1/in"]
    assert sorted(path.name for path in root.iterdir()) == ["ab.txt", "copy", "folder:1", "plain"]


@pytest.mark.skipif(not AS_ROOT, reason="only root gives files away")
def test_the_owner_of_what_is_replaced_stays(fso: Obj, root: Path) -> None:
    (root / "a").write_text("new")
    (root / "b").write_text("old")
    os.chown(root / "b", 1234, 1235)
    fso.CopyFile(r"V:\a", r"V:\b")
    found = (root / "b").stat()
    assert ((root / "b").read_text(), found.st_uid, found.st_gid) == ("new", 1234, 1235)


def test_a_copy_that_fails_leaves_what_was_there(fso: Obj, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").write_bytes(os.urandom(1 << 20))
    (root / "b").write_text("old")

    def full(*_args: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "copy_file_range", full)
    assert number_of(lambda: fso.CopyFile(r"V:\a", r"V:\b")) == 61
    assert (root / "b").read_text() == "old"
    assert sorted(path.name for path in root.iterdir()) == ["a", "b"]


def test_patterns(fso: Obj, root: Path) -> None:
    for name in ("a.vhd", "B.VHD", "c.vmc", "d"):
        (root / name).write_text(name)
    (root / "e.vhd").mkdir()
    (root / "to").mkdir()
    fso.CopyFile(r"V:\*.vhd", r"V:\to")
    assert sorted(path.name for path in (root / "to").iterdir()) == ["B.VHD", "a.vhd"]
    fso.DeleteFile(r"V:\to\?.vhd")
    assert not any((root / "to").iterdir())
    fso.MoveFile(r"V:\*.*", r"V:\to")
    assert sorted(path.name for path in (root / "to").iterdir()) == ["B.VHD", "a.vhd", "c.vmc", "d"]
    fso.MoveFolder(r"V:\e*", "V:\\to\\")
    assert (root / "to" / "e.vhd").is_dir()
    assert error_of(lambda: fso.DeleteFile(r"V:\*.zip")) == (53, r"File not found: V:\*.zip")
    assert number_of(lambda: fso.CopyFolder(r"V:\x*", "V:\\to")) == 76
    assert number_of(lambda: fso.CopyFile(r"V:\to\*", r"V:\no")) == 76
    for work in (fso.CopyFile, fso.MoveFile):  # not into the root of the current drive
        assert number_of(lambda work=work: work(r"V:\to\*", "")) == 5  # type: ignore[misc]


@given(st.text("ab.*?[", max_size=6), st.text("abAB.[", max_size=6))
def test_a_pattern_fits_what_it_says(pattern: str, name: str) -> None:
    def fits(pattern: str, name: str) -> bool:
        if not pattern:
            return not name
        if pattern[0] == "*":
            return any(fits(pattern[1:], name[at:]) for at in range(len(name) + 1))
        return bool(name) and pattern[0] in ("?", name[0].lower()) and fits(pattern[1:], name[1:])

    expected = True if pattern == "*.*" else fits(pattern, name)
    assert matcher(pattern)(name) is expected


def test_folders_are_copied(fso: Obj, root: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "x").write_text("new")
    (root / "a" / "link").symlink_to(root / "a" / "b" / "x")
    fso.CopyFolder(r"V:\a", r"V:\c")
    assert ((root / "c" / "b" / "x").read_text(), (root / "c" / "link").is_symlink()) == ("new", False)
    (root / "c" / "b" / "x").write_text("old")
    (root / "c" / "b" / "y").write_text("kept")
    assert number_of(lambda: fso.CopyFolder(r"V:\a", r"V:\c", False)) == 58
    fso.GetFolder(r"V:\a").Copy(r"V:\c")
    assert [(root / "c" / "b" / name).read_text() for name in "xy"] == ["new", "kept"]
    assert number_of(lambda: fso.CopyFolder(r"V:\a", r"V:\a\b\d")) == 70
    assert number_of(lambda: fso.CopyFolder(r"V:\a", r"V:\no\where")) == 76
    (root / "f").write_text("x")
    assert number_of(lambda: fso.CopyFolder(r"V:\a", r"V:\f")) == 58


def test_a_folder_is_copied_with_its_permissions(fso: Obj, root: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "x").write_text("x")
    (root / "a" / "b").chmod(0o500)
    (root / "a").chmod(0o710)
    fso.CopyFolder(r"V:\a", r"V:\c")
    assert [(root / name).stat().st_mode & 0o777 for name in ("c", "c/b")] == [0o710, 0o500]
    fso.DeleteFolder(r"V:\c", True) if AS_ROOT else (root / "c" / "b").chmod(0o700)


def test_a_link_that_leads_back_ends_a_copy(fso: Obj, root: Path) -> None:
    (root / "a").mkdir()
    (root / "a" / "back").symlink_to(root / "a")
    assert number_of(lambda: fso.CopyFolder(r"V:\a", r"V:\b")) == 76


def test_a_link_that_leads_into_what_is_copied_ends_a_copy(fso: Obj, root: Path) -> None:
    (root / "a" / "b" / "c").mkdir(parents=True)
    (root / "to").symlink_to(root / "a" / "b")
    assert number_of(lambda: fso.CopyFolder(r"V:\a", r"V:\to")) == 70
    (root / "d").mkdir()
    (root / "d" / "b").symlink_to(root / "a" / "b" / "c")
    assert number_of(lambda: fso.CopyFolder(r"V:\a", r"V:\d")) == 70
    assert not any((root / "a" / "b" / "c").iterdir())


def test_moves(fso: Obj, root: Path) -> None:
    (root / "a").write_text("x")
    (root / "folder" / "sub").mkdir(parents=True)
    file = fso.GetFile(r"V:\a")
    file.Move("V:\\folder\\")
    assert (file.Path, (root / "folder" / "a").read_text()) == (r"V:\folder\a", "x")
    file.Name = "b"
    assert (file.Name, (root / "folder" / "b").exists()) == ("b", True)
    file.Name = "B"
    assert (file.Name, [path.name for path in (root / "folder").iterdir() if path.is_file()]) == ("B", ["B"])
    (root / "c").write_text("other")
    assert number_of(lambda: fso.MoveFile(r"V:\folder\b", r"V:\c")) == 58
    assert number_of(lambda: fso.MoveFolder(r"V:\folder", r"V:\folder\sub\x")) == 70
    assert number_of(lambda: setattr(file, "Name", r"x\y")) == 5
    fso.MoveFolder(r"V:\folder", r"V:\g")
    assert (root / "g" / "B").read_text() == "x"
    assert (root / "c").read_text() == "other"


def test_a_move_never_replaces_what_was_made_meanwhile(
    fso: Obj, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a").write_text("ours")
    check = transfer.check_move

    def and_then(*args: Any) -> Any:
        found = check(*args)
        (root / "b").write_text("another's")
        return found

    monkeypatch.setattr(transfer, "check_move", and_then)
    assert number_of(lambda: fso.MoveFile(r"V:\a", r"V:\b")) == 58
    assert [(root / name).read_text() for name in "ab"] == ["ours", "another's"]


def other_file_system(root: Path) -> Path:
    for folder in ("/dev/shm", "/run", "/var/tmp"):
        if os.access(folder, os.W_OK) and os.stat(folder).st_dev != root.stat().st_dev:
            return Path(folder) / f"vpcshim-test-{os.getpid()}"
    pytest.skip("no other file system that can be written to")


def test_moves_to_another_file_system(make: Maker, root: Path) -> None:
    other = other_file_system(root)
    other.mkdir()
    try:
        fso = make(W=other)
        (root / "a" / "b").mkdir(parents=True)
        (root / "a" / "b" / "x").write_text("x")
        (root / "a" / "link").symlink_to("b/x")
        (root / "a" / "nowhere").symlink_to("gone")
        (root / "a" / "b").chmod(0o700)
        (root / "c").write_text("c")
        (root / "d").symlink_to(root / "c")
        if AS_ROOT:
            for path in (root / "a", root / "a" / "b" / "x", root / "a" / "link", root / "c"):
                os.chown(path, 1234, 1235, follow_symlinks=False)
        fso.MoveFolder(r"V:\a", r"W:\a")
        fso.MoveFile(r"V:\d", "W:\\")
        fso.MoveFile(r"V:\c", "W:\\")
        assert [os.readlink(other / name) for name in ("a/link", "a/nowhere", "d")] == ["b/x", "gone", f"{root}/c"]
        assert (other / "a" / "b").stat().st_mode & 0o777 == 0o700
        if AS_ROOT:
            assert {(other / name).lstat().st_uid for name in ("a", "a/b/x", "a/link", "c")} == {1234}
        assert ((other / "a" / "b" / "x").read_text(), (other / "c").read_text()) == ("x", "c")
        assert not any(root.iterdir())
    finally:
        shutil.rmtree(other)


def test_a_move_that_fails_loses_nothing(make: Maker, root: Path) -> None:
    other = other_file_system(root)
    other.mkdir()
    try:
        fso = make(W=other)
        (root / "a" / "b").mkdir(parents=True)
        (root / "a" / "b" / "x").write_text("x")
        os.mkfifo(root / "a" / "pipe")
        assert number_of(lambda: fso.MoveFolder(r"V:\a", r"W:\a")) == 70
        assert ((root / "a" / "b" / "x").read_text(), os.listdir(other)) == ("x", [])
    finally:
        shutil.rmtree(other)


def test_a_folder_that_cannot_go_keeps_all_that_is_in_it(
    fso: Obj, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "x").write_text("x")
    (root / "a" / "y").write_text("y")
    (root / "a" / "b").chmod(0o555)
    assert error_of(lambda: fso.DeleteFolder(r"V:\a")) == (70, r"Permission denied: V:\a\b (it is read-only)")
    for forbidden, shown in ((root / "a" / "b", r"V:\a\b\x"), (root, r"V:\a")):  # for root nothing is
        monkeypatch.setattr(os, "access", lambda path, _mode, no=forbidden: path != no)
        why = f"Permission denied: {shown} (the folder that it is in may not be changed)"
        assert error_of(lambda: fso.DeleteFolder(r"V:\a", True)) == (70, why)
    assert sorted(path.name for path in (root / "a").rglob("*")) == ["b", "x", "y"]
    (root / "a" / "b").chmod(0o755)


def test_deletions(fso: Obj, root: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "x").write_text("x")
    (root / "a" / "y").write_text("y")
    (root / "a" / "b" / "x").chmod(0o444)
    (root / "kept").mkdir()
    (root / "kept" / "z").write_text("z")
    (root / "a" / "link").symlink_to(root / "kept")
    (root / "kept" / "z").chmod(0o444)
    (root / "a" / "file").symlink_to(root / "kept" / "z")
    fso.DeleteFile(r"V:\a\file")  # the link, which is not read-only
    (root / "kept" / "z").chmod(0o644)
    assert error_of(lambda: fso.DeleteFolder(r"V:\a")) == (70, r"Permission denied: V:\a\b\x (it is read-only)")
    assert (root / "a" / "y").exists(), "nothing of it where a part of it cannot be deleted"
    assert number_of(lambda: fso.DeleteFile(r"V:\a\b\x")) == 70
    fso.DeleteFolder(r"V:\a", True)
    assert [path.name for path in root.iterdir()] == ["kept"]
    assert (root / "kept" / "z").exists(), "where a link leads"
    assert number_of(lambda: fso.DeleteFile(r"V:\kept")) == 53
    assert number_of(lambda: fso.DeleteFolder(r"V:\a")) == 76
    for drive in ("V:\\", "Z:\\", "/"):
        assert number_of(lambda drive=drive: fso.DeleteFolder(drive, True)) == 70  # type: ignore[misc]
    assert number_of(lambda: fso.GetFolder("V:\\").Delete(True)) == 70
    assert number_of(lambda: fso.MoveFolder("V:\\", r"Z:\elsewhere")) == 70
    folder = fso.GetFolder(r"V:\kept")
    folder.Delete()
    assert number_of(lambda: folder.Size) == 76


@pytest.mark.parametrize("permission", [0, 1])
def test_an_image_that_qemu_has_open(fso: Obj, root: Path, permission: int) -> None:
    """It reads (0), or it writes (1): QEMU's locks, of another process."""
    (root / "a.vhd").write_bytes(b"disk")
    (root / "b.vhd").write_bytes(b"other")
    holder = (
        "import fcntl, os, struct, sys\n"
        "fd = os.open(sys.argv[1], os.O_RDWR)\n"
        "lock = struct.pack('hhqqi4x', fcntl.F_RDLCK, 0, 100 + int(sys.argv[2]), 1, 0)\n"
        "fcntl.fcntl(fd, fcntl.F_OFD_SETLK, lock)\n"
        "print(flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", holder, str(root / "a.vhd"), str(permission)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for work in (
            lambda: fso.DeleteFile(r"V:\a.vhd"),
            lambda: fso.DeleteFolder("V:\\a.vhd\\..\\..\\V"),
            lambda: fso.MoveFile(r"V:\a.vhd", r"V:\c.vhd"),
            lambda: fso.CopyFile(r"V:\b.vhd", r"V:\a.vhd"),
            lambda: fso.OpenTextFile(r"V:\a.vhd", 2),
        ):
            assert number_of(work) in (70, 76)
        if permission:
            number, text = error_of(lambda: fso.CopyFile(r"V:\a.vhd", r"V:\c.vhd"))
            assert (number, "running machine" in text) == (70, True)
        else:
            fso.CopyFile(r"V:\a.vhd", r"V:\c.vhd")
            fso.DeleteFile(r"V:\c.vhd")
        process.communicate()
    assert sorted(path.read_bytes() for path in root.iterdir()) == [b"disk", b"other"]
    fso.DeleteFile(r"V:\a.vhd")


def test_a_file_that_nobody_may_look_into_may_be_such_an_image(
    fso: Obj, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's, in a folder of ours: it could be deleted, but nobody knows whether a machine has it open."""
    (root / "a.vhd").write_bytes(b"disk")

    def refuse(_path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(imagelock, "is_open", refuse)
    for work in (
        lambda: fso.DeleteFile(r"V:\a.vhd"),
        lambda: fso.MoveFile(r"V:\a.vhd", r"V:\b"),
        lambda: fso.OpenTextFile(r"V:\a.vhd", 2),
        lambda: setattr(fso.GetFile(r"V:\a.vhd"), "Name", "b"),
    ):
        assert number_of(work) == 70
    assert (root / "a.vhd").read_bytes() == b"disk"


def test_nothing_that_the_system_refuses_gets_past_a_script(
    fso: Obj, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Places, "place", broken)
    assert number_of(lambda: fso.GetFile(r"V:\a")) == 57


def test_what_may_not_be_looked_at_is_not_missing(fso: Obj, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = os.stat

    def stat(path: Any, *args: Any, **named: Any) -> os.stat_result:
        if str(path).startswith(str(root / "a")):
            raise PermissionError(errno.EACCES, "Permission denied")
        return look(path, *args, **named)

    monkeypatch.setattr(os, "stat", stat)
    assert number_of(lambda: fso.GetFile(r"V:\a")) == 70
    assert number_of(lambda: fso.GetFolder(r"V:\a")) == 70
    assert not fso.FileExists(r"V:\a")


def test_who_is_at_fault_is_told(fso: Obj, root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert error_of(lambda: fso.CopyFile(r"V:\pipe", r"V:\b")) == (
        70,
        r"Permission denied: V:\pipe (it is no regular file)",
    )


def test_a_copy_that_was_killed_is_none(fso: Obj, root: Path) -> None:
    (root / ".a.vhd.x1.vpcshim-new").write_text("half")
    (root / "a.vhd").write_text("whole")
    (root / "to").mkdir()
    fso.CopyFile(r"V:\*.*", r"V:\to")
    assert [path.name for path in (root / "to").iterdir()] == ["a.vhd"]
    assert fso.GetFolder("V:").Files.Count == 1


def test_wines_drive_is_no_place_for_backups(make: Maker, windows: Path, root: Path) -> None:
    fso = make()
    for work in (
        lambda: fso.CreateFolder(r"C:\Backup"),
        lambda: fso.CreateTextFile(r"C:\log.txt"),
        lambda: fso.CopyFile(r"Z:\etc\passwd", r"C:\x"),
    ):
        number, text = error_of(work)
        assert (number, "--drive C:=/folder" in text) == (76, True)
    assert not fso.FolderExists(r"C:\Backup")
    assert fso.FolderExists(r"c:\WINDOWS")
    assert fso.FolderExists("C:")
    assert [path.name for path in windows.iterdir()] == ["windows"]
    fso.CreateTextFile(r"C:\windows\x").Close()


def test_the_letters_of_another_machine_are_told_so(windows: Path) -> None:
    places = Places(None, windows, lambda: "Z:\\", Changes())
    with pytest.raises(ComError, match="about the machine of the server"):
        places.place(r"D:\x")
    assert places.place(r"Z:\x").host == Path("/x")


def test_the_numbers_of_locks_are_linuxs() -> None:
    assert struct.calcsize("hhqqi4x") == 32
    assert (fcntl.F_OFD_GETLK, fcntl.F_OFD_SETLK) == (36, 37)


# -- a dry run ------------------------------------------------------------------------------------------------


def test_a_dry_run_leaves_all_files_as_they_are(make: Maker, root: Path) -> None:
    fso = make(Pretended())
    (root / "a").write_text("x")
    (root / "b").mkdir()
    before = sorted((str(path), path.stat().st_mtime_ns, path.stat().st_mode) for path in root.rglob("*"))
    fso.CopyFile(r"V:\a", r"V:\c")
    fso.MoveFile(r"V:\a", r"V:\c")
    fso.DeleteFile(r"V:\a", True)
    fso.DeleteFolder(r"V:\b")
    fso.CopyFolder(r"V:\b", r"V:\d")
    file = fso.GetFile(r"V:\a")
    file.Attributes = 1
    file.Delete()
    for stream in (fso.CreateTextFile(r"V:\log"), fso.OpenTextFile(r"V:\a", 8), file.OpenAsTextStream(2)):
        stream.WriteLine("y")
        stream.Close()
    new: list[Callable[[], Any]] = [lambda: fso.CreateFolder(r"V:\e"), lambda: fso.OpenTextFile(r"V:\f", 1, True)]
    for work in new:
        with pytest.raises(Failure, match="dry run") as caught:
            work()
        assert caught.value.code is HRESULT.E_ABORT
    assert fso.OpenTextFile(r"V:\a").ReadAll() == "x"
    # What would fail fails.
    assert number_of(lambda: fso.DeleteFile(r"V:\nothere")) == 53
    assert number_of(lambda: fso.CopyFile(r"V:\a", r"V:\no\b")) == 76
    assert number_of(lambda: fso.CopyFile(r"V:\a", r"V:\b")) == 70
    assert number_of(lambda: fso.MoveFile(r"V:\a", r"V:\no\b")) == 76
    assert number_of(lambda: fso.CopyFolder(r"V:\b", r"V:\b\c")) == 70
    assert number_of(lambda: fso.DeleteFolder("V:")) == 70
    assert before == sorted((str(path), path.stat().st_mtime_ns, path.stat().st_mode) for path in root.rglob("*"))


VALUES: tuple[Any, ...] = (
    *(None, True, -1, 2**31 - 1, 1.5, float("nan"), float("inf"), "", "abc", "5", "\ud83d", "a\0"),
    *(datetime(100, 1, 1), EMPTY, MISSING, (), b"ab"),
)


def test_no_argument_is_more_than_an_error(make: Maker, root: Path, windows: Path) -> None:
    (root / "5").write_text("x")
    fso = make(wine=NoWine("Z:" + str(root).replace("/", "\\")))
    calls = 0
    makers: tuple[Callable[[], HostObject], ...] = (
        lambda: fso.obj,
        lambda: fso.GetFolder("V:").Files.obj,
        lambda: fso.GetFolder("V:").SubFolders.obj,
        lambda: fso.GetDrive("V").obj,
        lambda: fso.Drives.obj,
        lambda: fso.OpenTextFile("V:\\new", 8, True).obj,
        lambda: fso.GetFile("V:\\new").obj,
        lambda: fso.GetFolder("V:\\abc").obj,
    )
    for maker in makers:
        (root / "abc").mkdir(exist_ok=True)
        obj = maker()
        for number in obj._functions:
            most = 2 if obj._functions[number][0].takes else 0
            for args in itertools.chain.from_iterable(itertools.product(VALUES, repeat=n) for n in range(most + 1)):
                if number > 0x5458_0000 and not all(isinstance(value, str) or value is MISSING for value in args):
                    continue  # text is what these are given
                for flags in (GET, PUT) if obj._functions[number][0].is_property else (CALL,):
                    with contextlib.suppress(Failure, ComError):
                        obj.invoke(number, flags, args)
                    calls += 1
    assert calls > 10_000
    assert sorted(path.name for path in root.parent.iterdir()) == ["drive_c", "vms"]


@pytest.mark.parametrize(
    ("progid", "is_one"),
    [
        ("scripting.FileSystemObject", True),
        ("{0D43FE01-F093-11CF-8940-00A0C9054228}", True),
        ("Scripting.Dictionary", False),
    ],
)
def test_its_names(progid: str, is_one: bool) -> None:
    assert is_file_system(progid) is is_one
