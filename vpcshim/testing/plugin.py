"""The pytest plugin (entry point `pytest11`): the fixture `vpcshim_node`.

It is imported in every pytest run of whoever installed vpcshim, so it imports nothing but pytest: libvirt and
lxml come with the first test that asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vpcshim.testing.node import NodeBuilder


@pytest.fixture
def vpcshim_node(tmp_path: Path) -> Iterator[NodeBuilder]:
    """Build a libvirt test-driver node and connect applications to it: no daemon, no guests, no root.

    vpcshim_node(*machines, cpus=4, networks=(), pools=()) gives a Node. A machine is a `vpcshim.testing.Machine`,
    or just a name for one that runs:

        def test_report(vpcshim_node):
            node = vpcshim_node(Machine("web01", nics=2), Machine("db01", state="shutoff"), "app01")
            vs = node.application("VirtualServer.Application")
            assert vs.FindVirtualMachine("WEB01").State == vmVMState_Running

    Machine(name, state="running", nics=1, disks=1, vcpus=1, transient=False, reserve=0, uuid=None): the state is
    one of libvirt's (running, blocked, paused, shutdown, shutoff, crashed, pmsuspended, nostate) or saved; nics
    and disks are a number or a list of Nic(...) and Disk(...).

    Node.application(progid, unreadable_nics=..., raw_counters=...) is a connected application object, with
    keyword options as CreateObject's; the applications of one node see the same machines. Node.connection() is
    the libvirt connection behind them, to do what others would do to the machines. Node.uri and Node.path are
    for a program under test, as VPCSHIM_URI in its environment: each process has the node as it stands in the
    file, and changes it for itself only.

    Every call, so every test, has a node of its own.
    """
    from vpcshim.testing.node import NodeBuilder

    builder = NodeBuilder(tmp_path)
    yield builder
    builder.close()
