"""The in-process COM server of genuine Windows, in Wine: registered, asked for by COM, served by `vpcshim serve`.

A small program stands for ssh. 32-bit programs are tried where Wine can run them (Debian's wine32).
"""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.harness import needs
from tests.harness.waiting import wait_until
from tests.harness.wine import need_wine
from vpcshim.clients.scripting.wscript import windows_path
from vpcshim.clients.wine import installation, program
from vpcshim.clients.wine.installation import NoWine, Wine
from vpcshim.testing import Machine, NodeBuilder

SOURCES = Path(__file__).parent / "windows"
LIBRARIES = {64: "vpcshim64.dll", 32: "vpcshim32.dll"}
BITS = tuple(LIBRARIES) if Path("/usr/lib/wine/wine").exists() else (64,)
CLASS = r"HKLM\Software\Classes\CLSID\{DA3111BC-1BD7-4884-A535-8470D36028F7}"
PROGID = r"HKLM\Software\Classes\VirtualServer.Application\CLSID"
NOT_REGISTERED, GONE = "80040154", "800706ba"
SERVED = ["name 00000000 Virtual Server", "machines 00000000", "count 00000000 2", "nothing 80020006"]


def created(bits: int, code: str = "00000000") -> str:
    return f"create {bits} {code}"


@dataclass
class Windows:
    """Wine as a Windows, and what was built for it.

    Attributes:
        bits: Of the programs; the folder of their system programs goes with it.
    """

    wine: Wine
    folder: Path
    bits: int
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.wine.loader, *command],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # Wine's services keep it open
            text=True,
            timeout=120,
            check=False,
        )

    def system(self, name: str, *arguments: str) -> int:
        folder = "system32" if self.bits == 64 else "syswow64"
        return self.run(rf"C:\windows\{folder}\{name}.exe", *arguments).returncode

    def register(self, command: str) -> int:
        return self.system("regsvr32", "/s", "/n", f"/i:{command}", str(self.folder / LIBRARIES[self.bits]))

    def unregister(self) -> int:
        return self.system("regsvr32", "/s", "/u", str(self.folder / LIBRARIES[self.bits]))

    def client(self, *arguments: str) -> list[str]:
        told = self.run(str(self.folder / f"client{self.bits}.exe"), *arguments)
        return [*told.stdout.splitlines(), *([] if told.returncode < 2 else [f"ended with {told.returncode}"])]

    @contextmanager
    def registered(self, port: int) -> Iterator[None]:
        assert self.register(f"{windows_path(self.folder / f'bridge{self.bits}.exe')} {port}") == 0
        try:
            yield
        finally:
            assert self.unregister() == 0


def _compiled(compiler: str, target: Path, *more: str) -> None:
    source = str(SOURCES / f"{target.name[:6]}.c")
    subprocess.run([compiler, "-O1", "-o", str(target), source, *more], check=True, capture_output=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_wine()
    needs.program("i686-w64-mingw32-gcc", "gcc-mingw-w64-i686")
    folder = tmp_path_factory.mktemp("windows")
    command = [sys.executable, "-m", "vpcshim", "serve", "--build", str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == [str(folder / name) for name in program.SERVERS]
    for bits, name in LIBRARIES.items():
        compiler = program.SERVERS[name]
        _compiled(compiler, folder / f"client{bits}.exe", *program.LIBRARIES)
        _compiled(compiler, folder / f"bridge{bits}.exe", "-lws2_32")
    return folder


@pytest.fixture(params=BITS)
def windows(
    request: pytest.FixtureRequest, built: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Windows:
    monkeypatch.setenv("XDG_CACHE_HOME", str(own_cache))
    wine = installation.find()
    made = Windows(wine, built, request.param, wine.environment(installation.prefix(wine)))
    installation.keep_server(wine, made.environment)
    return made


Serve = Callable[[socket.socket], object]


@contextmanager
def listening(serve: Serve) -> Iterator[int]:
    """A port whose first connection is served in a thread, which has ended at the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(300)  # Wine may take its time

        def accept() -> None:
            with listener.accept()[0] as client:
                serve(client)

        server = threading.Thread(target=accept, daemon=True)
        server.start()
        yield listener.getsockname()[1]
        server.join(60)
    assert not server.is_alive()


def test_a_program_on_windows(windows: Windows, vpcshim_node: NodeBuilder, tmp_path: Path) -> None:
    node = vpcshim_node(Machine("web01"), Machine("web02"))
    codes = []

    def serve(client: socket.socket) -> None:
        trace = str(tmp_path / "trace.jsonl")
        command = [sys.executable, "-m", "vpcshim", "-c", node.uri, "serve", "--trace", trace]
        codes.append(
            subprocess.run(
                command, stdin=client.fileno(), stdout=client.fileno(), timeout=120, check=False
            ).returncode
        )

    with listening(serve) as port, windows.registered(port):
        assert windows.client() == [created(windows.bits), *SERVED]
    assert codes == [0]
    members = [json.loads(line)["member"] for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    assert members == ["VirtualServer.Application", "Name", "VirtualMachines", "Count", "Nothing"]
    assert windows.client() == [created(windows.bits, NOT_REGISTERED)]
    assert windows.system("reg", "query", PROGID) != 0


def test_a_program_outlives_its_server(windows: Windows, vpcshim_node: NodeBuilder, tmp_path: Path) -> None:
    """Its errors are its own affair: a library does not end the process that it is in."""
    node = vpcshim_node(Machine("web01"), Machine("web02"))
    trace = tmp_path / "trace.jsonl"

    def serve(client: socket.socket) -> None:
        command = [sys.executable, "-m", "vpcshim", "-c", node.uri, "serve", "--trace", str(trace)]
        with subprocess.Popen(command, stdin=client.fileno(), stdout=client.fileno()) as server:
            try:
                wait_until(lambda: trace.exists() and trace.read_bytes().count(b"\n") > len(SERVED) + 3, 60)
            finally:
                server.kill()

    with listening(serve) as port, windows.registered(port):
        assert windows.client("on") == [created(windows.bits), *SERVED, f"gone {GONE} {GONE}"]


@pytest.mark.parametrize("sent", [b"", b"Last login: today\r\n", b"\x05\0\0\0S\0\0\0\0", b"\xff" * 40])
def test_what_is_no_server_is_an_error_and_no_hang(windows: Windows, sent: bytes) -> None:
    def serve(client: socket.socket) -> None:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)

    with listening(serve) as port, windows.registered(port):
        (told,) = windows.client()
    assert told in (created(windows.bits, GONE), created(windows.bits, "8001000f"))


# CreateProcess by itself would start cmd.exe for the second.
@pytest.mark.parametrize("command", [r"C:\windows\such.exe", r"C:\windows\system32\cmd .exe"])
def test_a_command_that_is_not_there_is_an_error(windows: Windows, command: str) -> None:
    assert windows.register(command) == 0
    try:
        assert windows.client() == [created(windows.bits, "80070002")]
    finally:
        assert windows.unregister() == 0


@pytest.mark.parametrize("command", ["", "ssh kvm3 vpcshim serve", r"\ssh.exe", r"folder\ssh.exe"])
def test_a_command_is_registered_with_its_whole_path(windows: Windows, command: str) -> None:
    """Else the folder that a program happens to be in could say what is started."""
    assert windows.register(command) != 0
    assert windows.client() == [created(windows.bits, NOT_REGISTERED)]


@pytest.mark.parametrize("view", LIBRARIES)
def test_the_registration_of_the_product_itself_is_left_alone(windows: Windows, view: int) -> None:
    """A product of either bitness: COM finds its program for programs of both."""
    theirs = rf"{CLASS}\LocalServer32"
    assert windows.system("reg", "add", theirs, "/ve", "/d", r"C:\vs\vssrvc.exe", "/f", f"/reg:{view}") == 0
    try:
        assert windows.register(r"C:\ssh.exe") != 0
        assert windows.unregister() == 0
        assert windows.system("reg", "query", theirs, f"/reg:{view}") == 0
        assert windows.system("reg", "query", rf"{CLASS}\InprocServer32") != 0
    finally:
        assert windows.system("reg", "delete", CLASS, "/f", f"/reg:{view}") == 0


def test_both_compilers_are_named_where_one_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoWine, match="gcc-mingw-w64-x86-64 gcc-mingw-w64-i686"):
        program.build_servers(tmp_path)


def test_a_terminal_is_no_program(vpcshim_node: NodeBuilder) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "vpcshim", "-c", vpcshim_node().uri, "serve"]
    told = subprocess.run(
        command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(ours)
    os.close(theirs)
    assert (told.returncode, "is started by vpcshim64.dll" in told.stderr) == (2, True)


def test_whoever_speaks_something_else_is_given_up(vpcshim_node: NodeBuilder) -> None:
    command = [sys.executable, "-m", "vpcshim", "-c", vpcshim_node().uri, "serve"]
    told = subprocess.run(
        command, input="GET / HTTP/1.1\r\n", capture_output=True, text=True, timeout=60, check=False
    )
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("vpcshim: the program is given up: a frame of ")


def test_programs_share_a_trace(vpcshim_node: NodeBuilder, tmp_path: Path) -> None:
    """One command serves every program, as `authorized_keys` has it."""
    trace = tmp_path / "trace.jsonl"
    trace.write_text("of another program\n")
    command = [sys.executable, "-m", "vpcshim", "-c", vpcshim_node().uri, "serve", "--trace", str(trace)]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60, check=True)
    assert trace.read_text() == "of another program\n"
