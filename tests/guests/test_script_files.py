"""A script that copies a real machine's disks: where the drive map says, and never while the machine writes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.guests import Disk, GuestFactory, PrivateLibvirtd
from tests.harness.wine import need_wine

BACKUP = Path(__file__).parents[2] / "fixtures" / "backup"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(own_cache: Path, tmp_path: Path) -> Run:
    """Runs a script, the test's folder as drive C:."""
    need_wine()

    def go(script: Path, *args: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "XDG_CACHE_HOME": str(own_cache), "XDG_DATA_HOME": str(tmp_path / "data")}
        command = ["--connect", PrivateLibvirtd.uri, "run", "--batch", "--drive", f"C:={tmp_path}", str(script)]
        return subprocess.run(
            [sys.executable, "-m", "vpcshim", *command, *args],
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return go


@pytest.mark.parametrize("language", ["vbs", "js"])
def test_a_backup_of_a_running_machine(
    guest_factory: GuestFactory, run: Run, tmp_path: Path, language: str
) -> None:
    image = tmp_path / "Web Disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "64M"], check=True)
    guest = guest_factory(disks=(Disk("vda", image, format="qcow2"),))
    guest.check("echo what the guest wrote > /dev/vda && sync")
    guest.hang_up()
    folder = tmp_path / "Backups"
    folder.mkdir()

    done = run(BACKUP / f"backup.{language}", guest.name, r"C:\backups")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"2 files in C:\\backups\\{guest.name}\n"
    assert guest.domain.isActive()
    copied = folder / guest.name / image.name
    log = (folder / guest.name / "backup.log").read_bytes().decode("cp1252")
    assert log == (
        f"backup of {guest.name}\r\nsaved\r\nWeb Disk.qcow2: {copied.stat().st_size} bytes\r\nstarted\r\n"
    )
    subprocess.run(["qemu-img", "convert", "-O", "raw", copied, tmp_path / "raw"], check=True)
    with (tmp_path / "raw").open("rb") as raw:
        assert raw.read(20) == b"what the guest wrote"


def test_the_disk_of_a_running_machine_is_left_alone(guest_factory: GuestFactory, run: Run, tmp_path: Path) -> None:
    """What came of a copy would be no disk, and what came of its deletion no machine."""
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(1 << 20)
    guest_factory(disks=(Disk("vda", image),))
    script = tmp_path / "script.vbs"
    for line in (
        'CopyFile "C:\\DISK.img", "C:\\copy.img"',
        'DeleteFile "C:\\*.img", True',
        'MoveFile "C:\\disk.img", "C:\\b"',
    ):
        script.write_text(f'Set fso = CreateObject("Scripting.FileSystemObject")\nfso.{line}\n')
        done = run(script)
        assert (done.returncode, done.stdout) == (1, "")
        assert re.search(r"script\.vbs\(2, 1\): Permission denied: .* \(a running machine.*error 70\)", done.stderr)
    assert [path.name for path in tmp_path.glob("*.img")] == ["disk.img"]
