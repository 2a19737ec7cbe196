"""The pytest plugin: what the builder makes and refuses, that tests are isolated, what loading it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import vpcshim.testing
from tests.testdriver.support import find
from vpcshim import ComError, constants
from vpcshim.model.application import VirtualPC, VirtualServer
from vpcshim.testing import Disk, Machine, Nic, Node, NodeBuilder

pytest_plugins = ["pytester"]


def devices(node: Node, name: str, path: str) -> list[dict[str, str]]:
    """The attributes of the device elements of that machine, as libvirt has it."""
    with node.connection() as connect:
        root = etree.fromstring(connect.lookupByName(name).XMLDesc())
    return [dict(element.items()) for element in root.iterfind(f"devices/{path}")]


def test_the_example_of_the_documentation(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web01", nics=2), Machine("db01", state="shutoff"), Machine("old", state="saved"))
    vs = node.application("VirtualServer.Application")
    assert isinstance(vs, VirtualServer)
    assert find(vs, "WEB01").State == constants.vmVMState_Running
    assert find(vs, "db01").State == constants.vmVMState_TurnedOff
    assert find(vs, "old").State == constants.vmVMState_Saved
    assert isinstance(node.application("VirtualPC.Application"), VirtualPC)


def test_nics_and_disks_are_as_asked(vpcshim_node: NodeBuilder) -> None:
    nics = [Nic(), Nic("network", "lan", mac="52:54:00:AA:BB:CC", target="tap0"), Nic("bridge", "br1")]
    disks = [Disk(), Disk("cdrom"), Disk("disk", target="vdb", source="/images/b.qcow2"), Disk()]
    node = vpcshim_node(Machine("web", nics=nics, disks=disks), networks=["lan"])
    assert [nic["type"] for nic in devices(node, "web", "interface")] == ["user", "network", "bridge"]
    assert devices(node, "web", "interface/mac")[1] == {"address": "52:54:00:aa:bb:cc"}
    assert [target["dev"] for target in devices(node, "web", "interface/target")] == [
        "testnet0",
        "tap0",
        "testnet1",
    ]
    assert sorted(target["dev"] for target in devices(node, "web", "disk/target")) == ["hda", "vda", "vdb", "vdc"]
    assert {"file": "/images/b.qcow2"} in devices(node, "web", "disk/source")


def test_macs_differ_between_machines_and_places_and_stay_the_same(vpcshim_node: NodeBuilder) -> None:
    nodes = [vpcshim_node(Machine("a", nics=20), Machine("b", nics=20)) for _ in range(2)]
    macs = [[mac["address"] for name in "ab" for mac in devices(node, name, "interface/mac")] for node in nodes]
    assert macs[0] == macs[1]
    assert len(set(macs[0])) == 40


def test_the_rest_of_a_machine_and_of_a_node(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(
        Machine("web", vcpus=3, reserve=12.5), Machine("gone", transient=True), cpus=6, networks=["a"], pools=["p"]
    )
    with node.connection() as connect:
        assert connect.getInfo()[2] == 6
        assert connect.lookupByName("web").info()[3] == 3
        assert connect.lookupByName("web").isPersistent()
        assert not connect.lookupByName("gone").isPersistent()
        assert [network.name() for network in connect.listAllNetworks()] == ["a"]
        assert [pool.name() for pool in connect.listAllStoragePools()] == ["p"]
    assert find(node.application(), "web").Accountant.ReservedSystemCapacity == 12.5


def test_an_empty_node(vpcshim_node: NodeBuilder) -> None:
    assert vpcshim_node().application().VirtualMachines.Count == 0


def test_names_are_kept_as_they_are(vpcshim_node: NodeBuilder) -> None:
    names = ["<b>&amp;", "ünïcode 字", 'quo"te', "UPPER", "upper"]
    assert {vm.Name for vm in vpcshim_node(*names).application().VirtualMachines} == set(names)


Make = Callable[[NodeBuilder], Any]
# The same, for arguments that a type checker would refuse first.
WrongMachine: Any = Machine
WrongNic: Any = Nic
WrongDisk: Any = Disk


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda _: WrongMachine(""), ValueError, "a machine's name is not empty"),
        (lambda _: WrongMachine("a/b"), ValueError, "no slash"),
        (lambda _: WrongMachine("a\nb"), ValueError, "no control characters"),
        (lambda _: WrongMachine(7), TypeError, "a machine's name is a string, not 7"),
        (
            lambda _: WrongMachine("a", state="off"),
            ValueError,
            "the state of a is one of nostate, running, .*not 'off'",
        ),
        (lambda _: WrongMachine("a", nics=-1), ValueError, "a: nics is 0 to 1024, not -1"),
        (lambda _: WrongMachine("a", nics=True), TypeError, "a: nics is a whole number, not True"),
        (
            lambda _: WrongMachine("a", nics=["tap0"]),
            TypeError,
            r"a: nics is a number or a sequence of Nic\(\.\.\.\)",
        ),
        (
            lambda _: WrongMachine("a", disks=["vda"]),
            TypeError,
            r"a: disks is a number or a sequence of Disk\(\.\.\.\)",
        ),
        (lambda _: WrongMachine("a", disks=27), ValueError, "a: disks is 0 to 26, not 27"),
        (lambda _: WrongMachine("a", vcpus=0), ValueError, "a: vcpus is 1 to 32, not 0"),
        (lambda _: WrongMachine("a", reserve=101), ValueError, "a: reserve is 0 to 100 percent, not 101"),
        (lambda _: WrongMachine("a", reserve="7"), TypeError, "a: reserve is a number, not '7'"),
        (lambda _: WrongMachine("a", uuid="x"), ValueError, "a: not a UUID: 'x'"),
        (
            lambda _: WrongMachine("a", state="saved", transient=True),
            ValueError,
            "a transient machine cannot be saved",
        ),
        (
            lambda _: WrongNic("tap"),
            ValueError,
            "a NIC's type is one of user, ethernet, network, bridge, not 'tap'",
        ),
        (lambda _: WrongNic("bridge"), ValueError, "a NIC of type bridge needs a source"),
        (lambda _: WrongNic("user", "br0"), ValueError, "a NIC of type user has no source"),
        (lambda _: WrongNic(mac="52:54:00"), ValueError, "not a MAC address: '52:54:00'"),
        (lambda _: WrongNic(mac="01:00:5e:00:00:01"), ValueError, "is a multicast address"),
        (lambda _: WrongDisk("tape"), ValueError, "a disk's device is one of disk, cdrom, floppy, lun, not 'tape'"),
        (lambda build: build("a", "b", "a"), ValueError, "there is more than one machine a"),
        (
            lambda build: build(Machine("a", uuid="0" * 31 + "1"), Machine("b", uuid="0" * 31 + "1")),
            ValueError,
            "there is more than one UUID",
        ),
        (lambda build: build(7), TypeError, r"a machine is a Machine\(\.\.\.\) or a name, not 7"),
        (lambda build: build("a", cpus=0), ValueError, "cpus is 1 to 4096, not 0"),
        (lambda build: build("a", networks="lan"), TypeError, "networks is a sequence of names, not one string"),
        (lambda build: build("a", pools=["p", "p"]), ValueError, "there is more than one pool p"),
    ],
)
def test_bad_arguments_are_refused_in_clear_words(
    vpcshim_node: NodeBuilder, make: Make, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        make(vpcshim_node)


def test_what_does_not_belong_to_an_application_of_a_node(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node("web")
    with pytest.raises(TypeError, match="leave out timeout, uri"):
        node.application(timeout=3, uri="test:///default")
    with pytest.raises(ValueError, match="unreadable_nics"):
        node.application(unreadable_nics="hide")
    with pytest.raises(ComError, match="CO_E_CLASSSTRING"):
        node.application("Excel.Application")


def test_a_file_that_somebody_broke_is_told(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node("web")
    node.path.write_text("<nod/>")
    with pytest.raises(ValueError, match=r"libvirt does not take the node file .*root"):
        node.application()


def test_applications_of_one_node_share_it_and_nodes_do_not(vpcshim_node: NodeBuilder) -> None:
    one, other = vpcshim_node("web"), vpcshim_node("web")
    find(one.application(), "web").TurnOff()
    assert find(one.application("VirtualPC.Application"), "web").State == constants.vmVMState_TurnedOff
    assert find(other.application(), "web").State == constants.vmVMState_Running


def test_a_node_outlives_its_application_objects_until_the_test_ends(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node("web")
    vs = node.application()
    find(vs, "web").TurnOff()
    del vs
    assert find(node.application(), "web").State == constants.vmVMState_TurnedOff


def test_a_path_of_any_characters_is_a_uri(tmp_path: Path) -> None:
    folder = tmp_path / "a b#c%d?e[1]ü"
    folder.mkdir()
    node = NodeBuilder(folder)("web")
    assert find(node.application(), "web").Name == "web"


def test_a_program_under_test_has_the_node_by_its_uri(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node("web", Machine("db", state="shutoff"))
    program = (
        "import vpcshim; print([vm.Name for vm in vpcshim.CreateObject('VirtualPC.Application').VirtualMachines])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "VPCSHIM_URI": node.uri},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.stdout.strip(), ran.returncode) == ("['db', 'web']", 0), ran.stderr
    assert node.path.is_file()


def test_loading_the_plugin_loads_nothing_heavy() -> None:
    program = (
        "import sys, vpcshim.testing.plugin, vpcshim.testing\n"
        "print(sorted({'libvirt', 'lxml', 'vpcshim.model', 'vpcshim.com', 'rich', 'click'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"


def test_everything_that_is_promised_can_be_imported() -> None:
    for name in vpcshim.testing.__all__:
        assert getattr(vpcshim.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Guest'"):
        _ = vpcshim.testing.Guest


def test_the_plugin_in_somebody_elses_project(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from vpcshim.constants import vmVMState_Running, vmVMState_TurnedOff
        from vpcshim.testing import Machine

        NODES = []

        def script(vs):
            for vm in vs.VirtualMachines:
                if vm.State == vmVMState_Running:
                    vm.TurnOff().WaitForCompletion(-1)

        def test_it_turns_all_off(vpcshim_node):
            node = vpcshim_node("web", Machine("db", state="paused"))
            NODES.append(node.uri)
            vs = node.application()
            script(vs)
            assert vs.FindVirtualMachine("WEB").State == vmVMState_TurnedOff

        def test_the_next_test_has_a_node_of_its_own(vpcshim_node):
            node = vpcshim_node("web")
            assert node.uri not in NODES
            assert node.application().FindVirtualMachine("web").State == vmVMState_Running
        """
    )
    # A process of its own: nothing of ours is loaded there but what the entry point loads.
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2)
    shown = pytester.runpytest_subprocess("--fixtures", "-v", "-p", "no:cacheprovider")
    shown.stdout.fnmatch_lines(
        ["*vpcshim_node*", "*Build a libvirt test-driver node*", "*Node.application(progid*"]
    )
