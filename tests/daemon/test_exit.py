"""How a process that used a daemon ends, and how it forks: scripts of their own, run to their end."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.harness.daemon import TestDriverDaemon

HOME = Path(__file__).parents[2]
BEGIN = """\
import os, sys, time
import vpcshim
application = vpcshim.CreateObject("VirtualServer.Application", sys.argv[1], timeout=4.0)
accountant = application.FindVirtualMachine("test").Accountant
def read():
    out = vpcshim.Variant()
    code = accountant.get_NetworkBytesSent(out)
    assert code == 0, code
    return out.value
read()
"""
FORKS = """\
connection = application._server.connection
before = [lane.connect for lane in connection._lanes]
to_child, to_parent = os.pipe(), os.pipe()
pid = os.fork()
me, you = ((to_child[0], to_parent[1]) if pid == 0 else (to_parent[0], to_child[1]))
if pid == 0:
    assert not connection.is_open
    assert not application._server.events.complete
    assert application._server.events.missing
for turn in range(50):
    if pid == 0:
        os.read(me, 1)
    read()
    os.write(you, b"x")
    if pid:
        os.read(me, 1)
if pid == 0:
    end = time.monotonic() + 30
    while not application._server.events.complete:
        assert time.monotonic() < end, "the child's loop runs"
        time.sleep(0.01)
    assert connection._lanes[0].connect not in before
    time.sleep(4.5)  # longer than keepalive takes to find nobody there
    read()
else:
    _, status = os.waitpid(pid, 0)
    assert status == 0, status
    assert [lane.connect for lane in connection._lanes] == before
    assert application._server.events.complete
    read()
    print("both")
"""
UNUSED_CHILD = """\
connection = application._server.connection
before = [lane.connect for lane in connection._lanes]
pid = os.fork()
if pid:
    assert os.waitpid(pid, 0)[1] == 0
    read()
    assert [lane.connect for lane in connection._lanes] == before
    print("kept")
"""
FREEZE = "import signal\nos.kill(int(sys.argv[2]), signal.SIGSTOP)\n"


def run(script: str, *arguments: str) -> tuple[str, str, float]:
    """What a script that has to succeed wrote to stdout and stderr, and how long it took."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=HOME,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr, time.monotonic() - began


def ended(script: str) -> str:
    """The script telling when its last line was run, for what comes after it."""
    return f"{script}print(time.monotonic())\n"


@pytest.mark.parametrize("more", ["", "application.FindVirtualMachine('test').Pause()\n"], ids=["reader", "writer"])
def test_exit_with_a_frozen_daemon(more: str, testdriver_daemon: TestDriverDaemon) -> None:
    pid = testdriver_daemon.pid
    try:
        out, _, _ = run(ended(BEGIN + more + FREEZE), testdriver_daemon.uri, str(pid))
        assert time.monotonic() - float(out) < 10
    finally:
        testdriver_daemon.kill()  # thawed, with a client gone in mid-call, it may not heed SIGTERM


def test_exit_with_a_healthy_daemon_is_quick_and_silent(testdriver_daemon: TestDriverDaemon) -> None:
    quickest = math.inf
    for _ in range(5):  # a busy machine may make one of them slow
        out, err, _ = run(ended(BEGIN), testdriver_daemon.uri)
        quickest = min(quickest, time.monotonic() - float(out))
        assert err == ""
        if quickest < 0.7:
            break
    assert quickest < 0.7


def test_a_forked_child_and_its_parent_read_in_turn(testdriver_daemon: TestDriverDaemon) -> None:
    out, _, _ = run(BEGIN + FORKS, testdriver_daemon.uri)  # libvirt prints what the test driver cannot do
    assert out == "both\n"


def test_a_child_that_ends_without_a_call_leaves_the_parents_connection(
    testdriver_daemon: TestDriverDaemon,
) -> None:
    out, err, _ = run(BEGIN + UNUSED_CHILD, testdriver_daemon.uri)
    assert (out, err) == ("kept\n", "")
