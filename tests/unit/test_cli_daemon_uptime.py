"""The applications' UpTime: which server's daemon is looked for on this machine, and what is taken for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.harness.waiting import wait_until
from vpcshim import ComError, CreateObject
from vpcshim.hypervisor import processes
from vpcshim.model.app import identity

SYSTEM = "qemu:///system"


@pytest.fixture
def pid_file(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The pid file of a process whose command line begins with the file name given."""
    sleep = shutil.which("sleep")
    assert sleep is not None
    with subprocess.Popen([f"/usr/sbin/{request.param}", "60"], executable=sleep) as process:
        # Popen is back when the kernel has closed the files of the child, which has its new arguments only later.
        wait_until(Path(f"/proc/{process.pid}/cmdline").read_bytes, what="the process is what it is to be")
        file = tmp_path / "daemon.pid"
        file.write_text(f"{process.pid}\n")
        yield file
        process.kill()


def up_time(monkeypatch: pytest.MonkeyPatch, uri: str, *files: Path) -> Any:
    made: Any = CreateObject("VirtualServer.Application", "test:///default")
    connection = SimpleNamespace(
        calls=lambda **_: nullcontext(), is_embedded=False, is_local=True, uri=uri, label=uri
    )
    made._server = SimpleNamespace(connection=connection)
    monkeypatch.setattr(identity, "_DAEMON_PID_FILES", files)
    return made.UpTime


@pytest.mark.parametrize("pid_file", ["libvirtd", "virtqemud"], indirect=True)
def test_the_system_daemon(monkeypatch: pytest.MonkeyPatch, pid_file: Path, tmp_path: Path) -> None:
    assert 0 <= up_time(monkeypatch, SYSTEM, tmp_path / "missing.pid", pid_file) < 60


@pytest.mark.parametrize("pid_file", ["libvirtd"], indirect=True)
@pytest.mark.parametrize(
    "uri",
    ["qemu:///session", "lxc:///system", f"{SYSTEM}?socket=/tmp/sock", "qemu+unix:///system?socket=/tmp/sock"],
)
def test_another_daemon_is_not_it(monkeypatch: pytest.MonkeyPatch, pid_file: Path, uri: str) -> None:
    with pytest.raises(ComError, match="nothing says when the daemon"):
        up_time(monkeypatch, uri, pid_file)


@pytest.mark.parametrize("pid_file", ["sshd"], indirect=True)
def test_a_stale_pid_file(monkeypatch: pytest.MonkeyPatch, pid_file: Path) -> None:
    with pytest.raises(ComError, match="nothing says when the daemon"):
        up_time(monkeypatch, SYSTEM, pid_file)


def test_the_program_meant() -> None:
    first = Path("/proc/self/cmdline").read_bytes().split(b"\0")[0]
    assert processes.age(os.getpid(), programs=(Path(os.fsdecode(first)).name,)) is not None
    assert processes.age(os.getpid(), programs=("libvirtd",)) is None
