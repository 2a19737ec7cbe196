"""Threads and processes take turns at changing a definition."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vpcshim.hypervisor import changing
from vpcshim.hypervisor.errors import DomainBusy

# Adds 1 to the number in a file, fifty times, and takes its time between reading and writing.
COUNT = """
import sys, time
from pathlib import Path
from vpcshim.hypervisor import changing
lock, number = map(Path, sys.argv[1:])
changing._file = lambda: lock
for _ in range(50):
    with changing.one_at_a_time():
        found = int(number.read_text())
        time.sleep(0.0005)
        number.write_text(str(found + 1))
"""


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lock"
    monkeypatch.setattr(changing, "_file", lambda: path)
    return path


def test_processes_take_turns(lock: Path, tmp_path: Path) -> None:
    number = tmp_path / "number"
    number.write_text("0")
    command = [sys.executable, "-c", COUNT, str(lock), str(number)]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert number.read_text() == "150"


def test_threads_take_turns(lock: Path) -> None:
    count = 0

    def add() -> None:
        nonlocal count
        for _ in range(50):
            with changing.one_at_a_time():
                found = count
                time.sleep(0.0002)
                count = found + 1

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count == 200


def test_a_change_within_a_change_is_the_same_one(lock: Path) -> None:
    with changing.one_at_a_time():
        with changing.one_at_a_time():
            pass
        assert changing._nested
    assert not changing._nested


def test_a_process_that_never_ends_is_not_waited_for_without_limit(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds = "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print('held', flush=True)"
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{holds}; time.sleep(60)", str(lock)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == "held\n"
        monkeypatch.setattr(changing, "_LONGEST", 0.1)
        with pytest.raises(DomainBusy, match="another process"), changing.one_at_a_time():
            pytest.fail("it is not free")
        holder.kill()
    monkeypatch.setattr(changing, "_LONGEST", 10.0)
    with changing.one_at_a_time():  # the kernel lets go of it with the process
        pass


def test_without_a_file_the_threads_still_take_turns(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    os.symlink("/etc/passwd", lock)  # whatever somebody put there is not opened
    with changing.one_at_a_time():
        assert changing._nested
    assert "not held back" in caplog.text
