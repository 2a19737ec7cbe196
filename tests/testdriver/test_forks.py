"""A process that forks while threads of its own are at work: the child works, and ends, as any other process.

Each is a script of its own, run to its end: a fork of the tests' own process would take the others' threads along.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
BEGIN = """\
import os, sys, tempfile, threading, time
from pathlib import Path
import libvirt, vpcshim
from vpcshim.hypervisor import changing
from vpcshim.testing import Machine
from vpcshim.testing.node import NodeBuilder

libvirt.registerErrorHandler(lambda *_: None, None)
folder = Path(sys.argv[1])
changing._file = lambda: folder / "definitions.lock"  # not the one that others wait for
application = NodeBuilder(folder)(Machine("web")).application()
vm = application.FindVirtualMachine("web")
vm.State

def child_of(child, seconds=15):
    "Run it in a forked child, which then ends as a script does; its exit code, None where it does not end."
    pid = os.fork()
    if pid == 0:
        child()
        sys.exit()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)

def held_by_another(lock):
    "Another thread takes it and keeps it."
    taken = threading.Event()
    def hold():
        with lock:
            taken.set()
            time.sleep(60)
    threading.Thread(target=hold, daemon=True).start()
    taken.wait()

class Heard:
    def __init__(self):
        self.all = []
    def OnStateChange(self, state):
        self.all.append(int(state))

def hears(*calls):
    "The events of two calls."
    heard = vpcshim.WithEvents(vm, Heard)
    for call in calls:
        getattr(vm, call)()
    end = time.monotonic() + 10
    while len(heard.all) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(heard.all) >= 2, heard.all
"""


def run(script: str, folder: Path) -> str:
    """What the script wrote, which has to succeed and to say nothing on stderr."""
    command = [sys.executable, "-c", BEGIN + script, str(folder)]
    done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


EVENTS = """
parents = vpcshim.WithEvents(vm, Heard)
for _ in range(12):
    assert child_of(lambda: hears('Pause', 'Resume')) == 0
    vm.Pause()
    vm.Resume()
end = time.monotonic() + 10
while len(parents.all) < 24 and time.monotonic() < end:
    time.sleep(0.01)
print(parents.all == [6, 5] * 12)
"""


def test_children_hear_of_events_beside_a_parent_that_does(tmp_path: Path) -> None:
    assert run(EVENTS, tmp_path) == "True\n"


@pytest.mark.parametrize(
    ("lock", "reads"),
    [
        ("vpcshim.model.server._lock", "vpcshim.CreateObject('VirtualServer.Application', 'other').Name"),
        ("server._sweep_lock", "server.sweep(60)"),
        ("server.cpu._lock", "server.cpu.take()"),
        ("server.layouts._lock", "vm.Accountant.NetworkBytesSent"),
        ("server.runs._lock", "hears('TurnOff', 'Startup')"),
        ("changing._turn", "with changing.one_at_a_time(): pass"),
        ("netlink._lock", "netlink.link('lo')"),
        ("hub._lock", "hears('Pause', 'Resume')"),
    ],
)
def test_what_another_thread_held_at_the_fork_is_free_in_the_child(lock: str, reads: str, tmp_path: Path) -> None:
    script = f"""
import vpcshim.model.server
from vpcshim.hypervisor import rtnetlink
from vpcshim.model.events import hub
server = application._server
netlink = rtnetlink.RtNetlink()
held_by_another({lock})
def child():
    {reads}
print(child_of(child))
"""
    assert run(script, tmp_path) == "0\n"


CHANGES = """
begun, end = threading.Event(), threading.Event()
def change():
    with changing.one_at_a_time():
        begun.set()
        end.wait()
threading.Thread(target=change, daemon=True).start()
begun.wait()
from_parent, to_child = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(to_child)
    os.read(from_parent, 1)
    sys.exit()
end.set()
changing._LONGEST = 5
with changing.one_at_a_time():
    print("in turn")
os.close(to_child)
os.waitpid(pid, 0)
"""


def test_a_child_does_not_keep_the_turn_that_its_parent_had(tmp_path: Path) -> None:
    assert run(CHANGES, tmp_path) == "in turn\n"


# A thread that is stopped where it may hold a lock of Python's own, just after its wait for the next sample.
SAMPLER = """
held = threading.Event()
def trace(frame, event, _):
    if event == "return" and frame.f_code.co_name == "wait" and frame.f_code.co_filename == threading.__file__:
        held.set()
        time.sleep(60)
    return trace
threading.settrace(trace)
from vpcshim.hypervisor.cpu import CpuSampler
class Closed:
    is_open = False
sampler = CpuSampler(Closed(), None)
sampler.start()
threading.settrace(None)
held.wait(1.5)
print(child_of(lambda: None, 5), flush=True)
os._exit(0)  # the parent's thread is as it is
"""


def test_a_child_ends_whatever_the_sampler_of_its_parent_was_about(tmp_path: Path) -> None:
    assert run(SAMPLER, tmp_path) == "0\n"
