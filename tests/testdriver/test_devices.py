"""What a machine's devices do beyond one answer: setters, what they change, and wrong inputs."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import libvirt
import pytest
from lxml import etree

from tests.testdriver.support import PRODUCTS, VPC, VS, machine
from vpcshim import HRESULT, ComError, constants
from vpcshim.com.member import Product
from vpcshim.hypervisor.guestagent import CHANNEL
from vpcshim.model import task as tasks
from vpcshim.model.devices import guest_os, keyboard
from vpcshim.testing import Machine, Node, NodeBuilder
from vpcshim.testing.machines import Nic

_DYNAMIC = re.compile(r"52-54-00(-[0-9a-f]{2}){3}")


@pytest.fixture
def node(vpcshim_node: NodeBuilder) -> Node:
    return vpcshim_node(
        Machine("web", nics=(Nic("network", "lab"), Nic())), Machine("off", "shutoff"), networks=["lab"]
    )


def refused(code: HRESULT, call: object, *args: object, match: str = "") -> None:
    with pytest.raises(ComError, match=match or None) as caught:
        call(*args)  # type: ignore[operator]
    assert caught.value.scode == code


@pytest.mark.parametrize("product", PRODUCTS)
def test_an_address_is_chosen_before_it_is_set(node: Node, product: Product) -> None:
    adapter = machine(node, "off", product).NetworkAdapters(1)
    assert _DYNAMIC.fullmatch(adapter.EthernetAddress)

    def put(text: str) -> None:
        adapter.EthernetAddress = text

    refused(HRESULT.VM_E_CANT_SET_DYNAMIC_MAC_ADDRESS, put, "00-03-FF-01-02-03", match="IsEthernetAddressDynamic")
    was = adapter.EthernetAddress
    adapter.IsEthernetAddressDynamic = False
    assert (adapter.EthernetAddress, adapter.IsEthernetAddressDynamic) == (was, False)
    put("00-03-FF-01-02-03")
    assert adapter.EthernetAddress == "00-03-ff-01-02-03"
    assert machine(node, "off", product).NetworkAdapters(1) == adapter
    for wrong in ("", "00:03:ff:01:02:03", "00-03-ff-01-02", "00-03-ff-01-02-0g", "01-03-ff-01-02-03", "0" * 17):
        refused(HRESULT.E_INVALIDARG, put, wrong)
    refused(HRESULT.E_INVALIDARG, put, "00-00-00-00-00-00")
    adapter.IsEthernetAddressDynamic = True
    assert _DYNAMIC.fullmatch(adapter.EthernetAddress), "libvirt made up a new one"


def test_two_adapters_do_not_share_an_address(node: Node) -> None:
    vm = machine(node, "off")
    first, second = vm.NetworkAdapters(1), vm.AddNetworkAdapter()
    assert first != second
    second.IsEthernetAddressDynamic = False

    def put() -> None:
        second.EthernetAddress = first.EthernetAddress

    refused(HRESULT.E_INVALIDARG, put, match="another network adapter")


def test_the_address_of_a_running_machine_stays(node: Node) -> None:
    adapter = machine(node, "web").NetworkAdapters(1)
    for name, value in (("EthernetAddress", "00-03-ff-01-02-03"), ("IsEthernetAddressDynamic", False)):
        refused(HRESULT.DISP_E_EXCEPTION, setattr, adapter, name, value, match="turned off")


@pytest.mark.parametrize("product", PRODUCTS)
def test_adapters_come_and_go(node: Node, product: Product) -> None:
    vm = machine(node, "off", product)
    app = node.application("VirtualServer.Application" if product is VS else "VirtualPC.Application")
    lab = app.FindVirtualNetwork("lab")
    added = vm.AddNetworkAdapter()
    assert vm.NetworkAdapters.Count == 2
    assert added.VirtualNetwork is None
    assert [one.VirtualMachine.Name for one in app.UnconnectedNetworkAdapters] == ["off"]
    assert [one.VirtualMachine.Name for one in lab.NetworkAdapters] == ["web"]
    added.AttachToVirtualNetwork(lab)
    assert added.VirtualNetwork == lab
    assert [one.VirtualMachine.Name for one in lab.NetworkAdapters] == ["off", "web"]
    assert app.UnconnectedNetworkAdapters.Count == 0
    added.DetachFromVirtualNetwork()
    assert added.VirtualNetwork is None
    vm.RemoveNetworkAdapter(added)
    assert vm.NetworkAdapters.Count == 1
    with pytest.raises(ComError, match="count its NetworkAdapters again"):
        vm.RemoveNetworkAdapter(added)


def test_an_added_adapter_is_of_the_model_of_the_others(node: Node) -> None:
    with node.connection() as connect:
        xml = connect.lookupByName("off").XMLDesc()
        connect.defineXML(xml.replace("</interface>", "<model type='virtio'/></interface>", 1))
    machine(node, "off").AddNetworkAdapter()
    with node.connection() as connect:
        assert connect.lookupByName("off").XMLDesc().count("<model type='virtio'/>") == 2


@pytest.mark.parametrize("wrong", [None, "the wrong kind", "another machine's"])
def test_only_its_own_adapter_is_taken_out(node: Node, wrong: str | None) -> None:
    vm = machine(node, "off")
    given = {None: None, "the wrong kind": vm, "another machine's": machine(node, "web").NetworkAdapters(1)}[wrong]
    with pytest.raises(ComError) as caught:
        vm.RemoveNetworkAdapter(given)
    assert caught.value.hresult == HRESULT.DISP_E_TYPEMISMATCH
    assert vm.NetworkAdapters.Count == 1


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_serial_port_is_told_as_it_was_configured(
    node: Node, product: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VPCSHIM_DRIVES", f"C:={tmp_path}")
    ports = machine(node, "off", product).SerialPorts
    for kind, name, immediately in (
        (constants.vmSerialPort_TextFile, r"C:\com2.txt", False),
        (constants.vmSerialPort_HostPort, "COM2", True),
        (constants.vmSerialPort_HostPort, "/dev/ttyUSB0", True),
        (constants.vmSerialPort_NamedPipe, r"\\.\pipe\debug", False),
        (constants.vmSerialPort_NamedPipe, "/run/debug.sock", False),
        (constants.vmSerialPort_Null, "", False),
    ):
        ports(2).Configure(kind, name, immediately)
        assert (ports(2).Type, ports(2).Name, ports(2).ConnectImmediately) == (kind, name, immediately)
        assert ports(1).Type == constants.vmSerialPort_Null, "the other one stays as it is"
    ports(1).Configure(constants.vmSerialPort_TextFile, r"C:\com1.txt", False)
    ports(1).Configure(constants.vmSerialPort_TextFile, r"C:\other.txt", False)
    assert ports(1).Name == r"C:\other.txt"


def test_the_first_serial_port_stays_the_console(
    node: Node, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VPCSHIM_DRIVES", f"C:={tmp_path}")
    logged = "<serial type='pty'><log file='/var/log/one.log'/><target port='0'/></serial>"
    second = "<serial type='unix'><source mode='bind' path='/run/two.sock'/><target port='1'/></serial>"
    with node.connection() as connect:
        xml = connect.lookupByName("off").XMLDesc()
        connect.defineXML(xml.replace("</devices>", f"{logged}{second}</devices>"))
    ports = machine(node, "off").SerialPorts
    for number in (1, 2):
        ports(number).Configure(constants.vmSerialPort_TextFile, rf"C:\com{number}.txt", False)
    with node.connection() as connect:
        root = etree.fromstring(connect.lookupByName("off").XMLDesc())
    assert root.xpath("devices/serial/target/@port") == ["0", "1"]
    assert root.xpath("devices/console/source/@path") == [str(tmp_path / "com1.txt")]
    assert root.xpath("devices/serial[1]/log/@file") == ["/var/log/one.log"]


def test_a_port_that_is_made_comes_before_those_after_it(node: Node) -> None:
    second = "<serial type='pty'><target port='1'/></serial>"
    with node.connection() as connect:
        xml = connect.lookupByName("off").XMLDesc()
        connect.defineXML(xml.replace("</devices>", f"{second}</devices>"))
    machine(node, "off").SerialPorts(1).Configure(constants.vmSerialPort_HostPort, "COM1", False)
    with node.connection() as connect:
        root = etree.fromstring(connect.lookupByName("off").XMLDesc())
    assert root.xpath("devices/serial/target/@port") == ["0", "1"]
    assert root.xpath("devices/console/source/@path") == ["/dev/ttyS0"]


def test_a_port_of_another_kind_is_an_error_not_a_guess(node: Node) -> None:
    with node.connection() as connect:
        xml = connect.lookupByName("off").XMLDesc()
        tcp = "<serial type='tcp'><source mode='bind' host='::1' service='7'/><protocol type='raw'/></serial>"
        connect.defineXML(xml.replace("</devices>", f"{tcp}</devices>"))
    port = machine(node, "off").SerialPorts(1)
    with pytest.raises(ComError, match="tcp"):
        port.Type  # noqa: B018 - the read is what fails
    port.Configure(constants.vmSerialPort_Null, "", False)
    assert port.Type == constants.vmSerialPort_Null


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_parallel_port(node: Node, product: Product) -> None:
    port = machine(node, "off", product).ParallelPorts(1)
    for name in ("LPT1", "/dev/usb/lp0", ""):
        port.Name = name
        assert port.Name == name
    refused(HRESULT.E_INVALIDARG, setattr, port, "Name", "COM1")
    running = machine(node, "web", product).ParallelPorts(1)
    refused(HRESULT.DISP_E_EXCEPTION, setattr, running, "Name", "LPT1", match="turned off")


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_key_that_is_held_is_pressed_along(node: Node, product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[list[int]] = []
    honest = libvirt.virDomain.sendKey

    def noted(domain: libvirt.virDomain, codes: int, time: int, keys: list[int], count: int, flags: int) -> int:
        sent.append(list(keys))
        return int(honest(domain, codes, time, keys, count, flags))

    monkeypatch.setattr(libvirt.virDomain, "sendKey", noted)
    keyboard = machine(node, "web", product).Keyboard
    keyboard.TypeKeySequence("DOWN,Key_LeftCtrl,DOWN,Key_LeftAlt,Key_Delete,UP,Key_LeftAlt,UP,Key_LeftCtrl")
    assert sent == [[29, 56, 111]]
    sent.clear()
    keyboard.PressKey("Key_LeftWindows")
    assert sent == []
    assert machine(node, "web", product).Keyboard.IsPressed("Key_LeftWindows"), "of the machine, not of the object"
    keyboard.ReleaseKey("Key_LeftWindows")
    assert sent == [[125]], "a key that nothing was typed with is a key of its own"
    assert not keyboard.IsPressed("Key_LeftWindows")
    sent.clear()
    keyboard.PressKey("Key_A")
    machine(node, "web", product).TurnOff().WaitForCompletion(-1)
    machine(node, "web", product).Startup().WaitForCompletion(-1)
    assert not keyboard.IsPressed("Key_A"), "no key is held in a machine that was off"


def test_a_long_text_is_typed_no_faster_than_the_machine_takes_it(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, most = 1000.0, 0.0
    sent: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def noted(_domain: object, _codes: int, time: int, keys: list[int], *_: object) -> int:
        nonlocal most
        # QEMU takes a step, and waits so long, for each key that goes down and for each that comes up.
        sent.append(max(sent[-1] if sent else 0, now) + 2 * len(keys) * time / 1000)
        most = max(most, (sent[-1] - now) / (time / 1000))
        return 0

    monkeypatch.setattr(libvirt.virDomain, "sendKey", noted)
    monkeypatch.setattr(keyboard, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: now))
    machine(node, "web").Keyboard.TypeAsciiText("Ab" * 500)
    assert len(sent) == 1000
    assert 50 < most < 341, "QEMU's queue has 1024 places, three for each step"


@pytest.mark.parametrize(("member", "keys"), [("TypeAsciiText", "a"), ("TypeKeySequence", "Key_A")])
def test_whoever_types_takes_no_connection_from_others(
    node: Node, member: str, keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed_into = machine(node, "web")
    connection = typed_into._server.connection
    most, meanwhile = connection._most, []
    monkeypatch.setattr(libvirt.virDomain, "sendKey", lambda *_: meanwhile.append(connection._most))
    getattr(typed_into.Keyboard, member)(keys)
    assert (meanwhile, connection._most) == ([most + 1], most)


def test_the_screen_of_the_test_driver(node: Node) -> None:
    display = machine(node, "web").Display
    assert display.Width > display.Height > 48
    pixels = display.Thumbnail
    assert len(pixels) == 64 * 48
    assert len(set(pixels)) > 2, "it is a picture"
    assert all(0 <= pixel <= 0xFFFFFF for pixel in pixels)


def test_a_shutdown_that_the_guest_does_not_follow(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_MOMENT", 0.2)
    monkeypatch.setattr(guest_os, "_PATIENCE", 1.5)
    monkeypatch.setattr(libvirt.virDomain, "shutdownFlags", lambda *_: 0)
    task = machine(node, "web", VPC).GuestOS.Shutdown(False)
    task.WaitForCompletion(10_000)
    assert (task.IsComplete, task.Error) == (True, HRESULT.VM_E_TIMED_OUT)
    assert "TurnOff" in task.ErrorDescription
    assert machine(node, "web").State == constants.vmVMState_Running


def test_a_shutdown_that_is_refused(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        error = libvirt.libvirtError("no")
        error.err = (libvirt.VIR_ERR_ACCESS_DENIED, libvirt.VIR_FROM_ACCESS, "no", 2, None, None, None, 0, 0)
        raise error

    monkeypatch.setattr(libvirt.virDomain, "shutdownFlags", refuse)
    for product, args in ((VS, ()), (VPC, (False,))):
        refused(HRESULT.E_ACCESSDENIED, machine(node, "web", product).GuestOS.Shutdown, *args)


def test_an_agent_that_stops_answering(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = libvirt.virDomain.XMLDesc
    channel = f"<channel type='unix'><target name='{CHANNEL}' state='connected'/></channel></devices>"
    monkeypatch.setattr(
        libvirt.virDomain, "XMLDesc", lambda self, flags=0: honest(self, flags).replace("</devices>", channel)
    )

    def silent(*_: object) -> None:
        error = libvirt.libvirtError("no answer")
        error.err = (libvirt.VIR_ERR_AGENT_UNRESPONSIVE, libvirt.VIR_FROM_QEMU, "no", 2, None, None, None, 0, 0)
        raise error

    for name in ("getTime", "guestInfo", "hostname"):
        monkeypatch.setattr(libvirt.virDomain, name, silent)
    guest = machine(node, "web").GuestOS
    assert guest.IsHeartbeating is False
    for name in ("OSName", "ComputerName"):
        refused(HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL, getattr, guest, name)
