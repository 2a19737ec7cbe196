"""`vpcshim list`, `save`, `start`, ... as whole processes on a real guest that takes its time."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import libvirt
import pytest

from tests.harness import slow
from tests.harness.guests import Guest, GuestFactory, PrivateLibvirtd
from tests.harness.waiting import wait_until

HOME = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "vpcshim", "--connect", PrivateLibvirtd.uri]
SAVING = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_SAVE)
ENVIRONMENT = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}

pytestmark = pytest.mark.usefixtures("quiet_errors")


def vpcshim(*arguments: str, code: int = 0) -> tuple[str, str, float]:
    """What a command wrote to stdout and stderr, and how long it took."""
    began = time.monotonic()
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=180, cwd=HOME, env=ENVIRONMENT
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr, time.monotonic() - began


def listed(guest: Guest) -> tuple[str, int]:
    """The state and the uptime of the guest."""
    (machine,) = json.loads(vpcshim("list", "--json", guest.name)[0])
    return machine["state"], machine["UpTime"]["value"]


@pytest.fixture
def slow_guest(guest_factory: GuestFactory) -> Guest:
    """A guest whose save takes several seconds: whole processes are to see it."""
    return slow.slow_guest(guest_factory)


def test_a_day_of_a_machine(slow_guest: Guest) -> None:
    name = slow_guest.name
    assert listed(slow_guest)[0] == "running"
    assert vpcshim("pause", name.upper())[:2] == (f"{name}: paused\n", "")
    assert vpcshim("pause", name, code=1)[1] == f"vpcshim: {name} is paused already\n"
    assert listed(slow_guest)[0] == "paused"
    assert vpcshim("resume", name)[0] == f"{name}: resumed\n"

    out, errors, took = vpcshim("save", name)
    assert (out, errors) == (f"{name}: saved\n", "")
    assert took > 0.5, "it waits until it is done"
    assert listed(slow_guest) == ("saved", 0)
    out, errors, _ = vpcshim("start", "--wait-timeout", "0.3", name, code=1)
    assert (out, errors) == ("", f"vpcshim: {name}: not started within 0.3 s; it goes on\n")
    wait_until(lambda: listed(slow_guest)[0] == "running", 60, "the daemon goes on without us")
    assert vpcshim("reset", name)[0] == f"{name}: reset\n"
    assert vpcshim("stop", name)[0] == f"{name}: turned off\n"
    assert vpcshim("stop", name, code=1)[1] == f"vpcshim: {name} is not running and cannot be turned off\n"
    assert listed(slow_guest) == ("off", 0)


def test_nobody_waits(slow_guest: Guest) -> None:
    name = slow_guest.name
    out, _, _ = vpcshim("save", "--no-wait", name)
    assert out == f"{name}: Saving {name} goes on\n"
    assert tuple(slow_guest.domain.state()) == SAVING, "it goes on without the process that began it"
    assert listed(slow_guest)[0] == "saving"
    wait_until(lambda: listed(slow_guest)[0] == "saved", 60, "the daemon finishes it")
    out, _, _ = vpcshim("start", "--no-wait", name)
    assert out == f"{name}: Restoring {name} goes on\n"
    assert listed(slow_guest)[0] == "restoring"
    wait_until(lambda: listed(slow_guest)[0] == "running", 60, "the daemon finishes it")


@pytest.mark.parametrize("later", [0, 1], ids=["in the call that begins it", "while it waits for the end"])
def test_ctrl_c_says_what_goes_on(slow_guest: Guest, later: float) -> None:
    name = slow_guest.name
    command = [*COMMAND, "save", name]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HOME, env=ENVIRONMENT
    ) as running:
        wait_until(lambda: tuple(slow_guest.domain.state()) == SAVING, 20, "it is being saved", 0.002)
        time.sleep(later)
        running.send_signal(signal.SIGINT)
        out, errors = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert errors == f"vpcshim: Saving {name} goes on in the background; `vpcshim list` shows when it is done\n"
    assert tuple(slow_guest.domain.state()) == SAVING, "it ended at once"
    wait_until(lambda: slow_guest.domain.hasManagedSaveImage(), 60, "the daemon finishes it")


def test_progress_on_a_terminal(slow_guest: Guest) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "save", slow_guest.name], stdout=subprocess.PIPE, stderr=slave, cwd=HOME, env=ENVIRONMENT
    ) as running:
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal says that its other side is closed
            while select.select([master], [], [], 30)[0]:
                shown += os.read(master, 65536)
        assert running.stdout is not None
        assert running.stdout.read().decode() == f"{slow_guest.name}: saved\n"
    os.close(master)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert f"Saving {slow_guest.name}" in text
    percent = [int(one) for one in re.findall(r"(\d+)%", text)]
    assert len(set(percent)) > 2, "it rises"
    assert percent == sorted(percent)
