"""How a process that used the test driver ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from vpcshim.testing import Machine, NodeBuilder

HOME = Path(__file__).parents[2]
# The C library's own end of the process takes two seconds, in which no interpreter is there any more.
SLOW_END = """
import ctypes, sys, vpcshim
libc = ctypes.CDLL(None)
libc.__cxa_atexit(libc.sleep, ctypes.c_void_p(2), None)
machine = vpcshim.CreateObject("VirtualServer.Application", sys.argv[1]).FindVirtualMachine("web")
print(int(machine.State))
"""


def test_no_callback_is_made_when_the_interpreter_is_no_more(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web"))
    command = [sys.executable, "-c", SLOW_END, node.uri]
    done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr
