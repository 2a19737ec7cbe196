"""What a script began and left: `vpcshim run` waits for it, says so, and can be interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.waiting import wait_until
from vpcshim.testing import Machine, NodeBuilder

WAITING = "vpcshim: waiting for what the script began: Saving web (Ctrl-C leaves it to itself)\n"

# The save goes on until the file is there; what is in it is how it fails.
SCRIPT = """
import libvirt, os, sys, time
import win32com.client
real = libvirt.virDomain.managedSave
def save(domain, flags=0):
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.05)
    failure = open(sys.argv[1]).read()
    if failure:
        raise libvirt.libvirtError(failure)
    return real(domain, flags)
libvirt.virDomain.managedSave = save
vm = win32com.client.Dispatch("VirtualServer.Application").FindVirtualMachine("web")
task = vm.Save()
print("begun", flush=True)
"""


class Running:
    def __init__(self, process: subprocess.Popen[str], go: Path, errors: Path) -> None:
        self.process, self._go, self._errors = process, go, errors

    def go(self, failure: str = "") -> None:
        partial = self._go.with_suffix(".partial")
        partial.write_text(failure)
        partial.rename(self._go)

    @property
    def said(self) -> str:
        return self._errors.read_text()


@pytest.fixture
def node(vpcshim_node: NodeBuilder) -> str:
    return vpcshim_node(Machine("web")).uri


@contextmanager
def begun(node: str, folder: Path, more: str = "") -> Iterator[Running]:
    script, errors = folder / "script.py", folder / "errors"
    script.write_text(SCRIPT + more)
    command = [sys.executable, "-m", "vpcshim", "-c", node, "run", str(script), str(folder / "go")]
    with (
        errors.open("w") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "begun\n"
            yield Running(process, folder / "go", errors)
        finally:
            process.kill()


def test_it_is_waited_for(node: str, tmp_path: Path) -> None:
    with begun(node, tmp_path) as running:
        wait_until(lambda: running.said, 20)
        running.go()
        assert running.process.wait(60) == 0
    assert running.said == WAITING


def test_how_it_failed_is_told(node: str, tmp_path: Path) -> None:
    with begun(node, tmp_path) as running:
        wait_until(lambda: running.said, 20)
        running.go("the disk is gone")
        assert running.process.wait(60) == 0
    assert running.said == f"{WAITING}vpcshim: Saving web: the disk is gone\n"


def test_ctrl_c_leaves_it(node: str, tmp_path: Path) -> None:
    with begun(node, tmp_path) as running:
        wait_until(lambda: running.said, 20)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 130, "although it goes on"
    assert (
        running.said.rstrip() == f"{WAITING}vpcshim: Saving web was begun; `vpcshim list` shows whether it is done"
    )


def test_ctrl_c_in_the_script_ends_that_first(node: str, tmp_path: Path) -> None:
    with begun(node, tmp_path, "task.WaitForCompletion(-1)\n") as running:
        running.process.send_signal(signal.SIGINT)
        wait_until(lambda: WAITING in running.said, 20)
        running.go()
        assert running.process.wait(60) == 130
