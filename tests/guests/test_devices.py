"""Network adapters, virtual networks, keyboard, screen, serial ports and shutdown, on real QEMU guests."""

from __future__ import annotations

import base64
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import libvirt
import pytest

import vpcshim
from tests.harness.guests import Guest, GuestFactory, Nic, PrivateLibvirtd
from tests.harness.initramfs import read_module
from tests.harness.kernel import find_kernel
from tests.harness.waiting import wait_until
from vpcshim import HRESULT, ComError, constants
from vpcshim.model.application import VirtualPC, VirtualServer
from vpcshim.model.virtual_machine import VirtualMachine

pytestmark = pytest.mark.usefixtures("quiet_errors")

Mac = Callable[[], str]
URI = PrivateLibvirtd.uri
_EVENT = struct.Struct("llHHi")  # struct input_event of a 64-bit guest
_EV_KEY = 1
_IP_FREEBIND = 15  # of Linux' <linux/in.h>: an address that no interface has yet


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VirtualServer:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return vpcshim.CreateObject("VirtualServer.Application", URI, drives={"C:": str(tmp_path)})


@pytest.fixture
def pc() -> VirtualPC:
    return vpcshim.CreateObject("VirtualPC.Application", URI)


def machine(application: VirtualServer | VirtualPC, guest: Guest) -> VirtualMachine:
    found = application.FindVirtualMachine(guest.name)
    assert isinstance(found, VirtualMachine)
    return found


@pytest.fixture
def wired(guest_factory: GuestFactory, libvirt_network: str, mac: Mac) -> Guest:
    """A guest with one card in the libvirt network."""
    return guest_factory(nics=(Nic("network", mac(), libvirt_network),))


def link_is(guest: Guest, up: bool) -> None:
    """Wait until the guest itself sees its link so."""
    wanted = "1" if up else "0"
    wait_until(
        lambda: guest.check("cat /sys/class/net/eth0/carrier").strip() == wanted, 5, f"the guest's link is {wanted}"
    )


def bridge_of(guest: Guest) -> str:
    """The host's bridge that the guest's tap is in."""
    return Path(f"/sys/class/net/{guest.tap(0)}/master").resolve().name


def test_a_detached_adapter_is_a_link_that_is_down(wired: Guest, server: VirtualServer) -> None:
    adapter = machine(server, wired).NetworkAdapters(1)
    link_is(wired, up=True)
    assert adapter.EthernetAddress == wired.nics[0].mac.replace(":", "-")
    adapter.DetachFromVirtualNetwork()
    link_is(wired, up=False)
    assert adapter.VirtualNetwork is None
    assert [one.VirtualMachine.Name for one in server.UnconnectedNetworkAdapters] == [wired.name]
    machine(server, wired).TurnOff().WaitForCompletion(-1)
    assert adapter.VirtualNetwork is None, "the definition has it as well"
    adapter.AttachToVirtualNetwork(server.FindVirtualNetwork("SHIMNET"))
    wired.start()
    link_is(wired, up=True)


def test_a_running_machine_moves_to_another_network(wired: Guest, server: VirtualServer) -> None:
    adapter, before = machine(server, wired).NetworkAdapters(1), bridge_of(wired)
    lab = server.CreateVirtualNetwork("lab", "C:\\networks")
    try:
        adapter.AttachToVirtualNetwork(lab)
        assert adapter.VirtualNetwork == lab
        assert bridge_of(wired) == lab._read().bridge != before
        link_is(wired, up=True)
        with pytest.raises(ComError, match=wired.name):
            server.DeleteVirtualNetwork(lab)
        adapter.AttachToVirtualNetwork(server.FindVirtualNetwork("shimnet"))
        assert bridge_of(wired) == before
    finally:
        machine(server, wired).TurnOff().WaitForCompletion(-1)
        server.DeleteVirtualNetwork(lab)


def test_the_rates_of_a_network_are_what_its_guests_send(wired: Guest, server: VirtualServer) -> None:
    network = server.FindVirtualNetwork("shimnet")
    assert network is not None
    network.BytesSent  # noqa: B018 - sampling begins

    def counted() -> int:
        """A thousand frames as the history has them, once the guest is silent again."""
        before = int(sum(network.PacketsSentHistory))
        wired.send_frames(0, 1000, 1000)
        wait_until(lambda: sum(network.PacketsSentHistory) > before, 30, "the frames are in the history")
        wait_until(lambda: network.BytesSent == 0, 30, "the guest is silent again")
        return int(sum(network.PacketsSentHistory)) - before

    # Rates are per second and the samples about a second apart, half as much again on a busy machine. One that
    # stands still in the midst of a sample spoils that one only.
    assert any(650 <= counted() <= 1500 for _ in range(4))
    packets, sent = network.PacketsSentHistory, network.BytesSentHistory
    assert (len(packets), len(sent)) == (60, 60)
    assert abs(sum(sent) - 1000 * sum(packets)) <= 500 * sum(rate > 0 for rate in packets), "a thousand bytes each"
    assert sum(network.BytesReceivedHistory) < 100_000


def test_a_guest_gets_an_address_of_the_range(wired: Guest, server: VirtualServer) -> None:
    lab = server.CreateVirtualNetwork("lab", "")
    vm = machine(server, wired)
    try:
        dhcp = lab.DHCPVirtualNetworkServer
        dhcp.ConfigureDHCPServer("10.77.0.0", "255.255.255.0", "10.77.0.16", "10.77.0.19", "10.77.0.1")
        dhcp.ConfigureDHCPLeaseTimes(600, 100, 300)
        dhcp.DNSServers = "10.77.0.2, 10.77.0.3"
        dhcp.WINSServers = "10.77.0.4"
        dhcp.DefaultGatewayAddress = "10.77.0.5"
        assert (dhcp.LeaseTime, dhcp.LeaseRenewalTime, dhcp.LeaseRebindingTime) == (600, 100, 300)
        vm.NetworkAdapters(1).AttachToVirtualNetwork(lab)
        wired.check("printf '#!/bin/sh\\nenv > /tmp/lease.$1\\n' > /tmp/told && chmod +x /tmp/told")
        wired.check("udhcpc -i eth0 -n -q -t 60 -T 1 -O wins -s /tmp/told", timeout=120)
        told = dict(
            line.partition("=")[::2] for line in wired.check("cat /tmp/lease.bound").splitlines() if "=" in line
        )
        assert told["ip"] in {f"10.77.0.{number}" for number in range(16, 20)}
        assert (told["subnet"], told["router"], told["serverid"]) == ("255.255.255.0", "10.77.0.5", "10.77.0.1")
        assert (told["dns"], told["wins"]) == ("10.77.0.2 10.77.0.3", "10.77.0.4")
        assert told["lease"] == "600"
        with pytest.raises(ComError, match=wired.name):
            dhcp.IsEnabled = False
    finally:
        vm.TurnOff().WaitForCompletion(-1)
        server.DeleteVirtualNetwork(lab)
    assert vm.NetworkAdapters(1).VirtualNetwork is None, "it starts without the network that is gone"
    vm.Startup().WaitForCompletion(-1)


def test_what_else_is_said_of_a_network_stays(wired: Guest, server: VirtualServer, connection: Any) -> None:
    mac = wired.nics[0].mac
    made = connection.networkDefineXML(
        "<network><name>kept</name><forward mode='open'/><bridge name='kept0'/>"
        "<ip address='10.78.0.1' netmask='255.255.255.0'><dhcp><range start='10.78.0.20' end='10.78.0.30'/>"
        f"<host mac='{mac}' ip='10.78.0.99'/></dhcp></ip></network>"
    )
    made.create()
    vm, network = machine(server, wired), server.FindVirtualNetwork("kept")
    try:
        dhcp = network.DHCPVirtualNetworkServer
        assert dhcp.DefaultGatewayAddress == "10.78.0.1"
        dhcp.DefaultGatewayAddress = ""
        assert dhcp.DefaultGatewayAddress == ""
        dhcp.ConfigureDHCPLeaseTimes(600, 100, 300)
        for enabled in (False, True):
            dhcp.IsEnabled = enabled
        dhcp.ConfigureDHCPServer("10.78.0.0", "255.255.255.0", "10.78.0.40", "10.78.0.50", "10.78.0.1")
        vm.NetworkAdapters(1).AttachToVirtualNetwork(network)
        wired.check("printf '#!/bin/sh\\nenv > /tmp/lease.$1\\n' > /tmp/told && chmod +x /tmp/told")
        wired.check("udhcpc -i eth0 -n -q -t 60 -T 1 -s /tmp/told", timeout=120)
        told = wired.check("cat /tmp/lease.bound").splitlines()
        assert "ip=10.78.0.99" in told
        assert "lease=600" in told
        assert not [line for line in told if line.startswith("router=")]
    finally:
        vm.TurnOff().WaitForCompletion(-1)
        server.DeleteVirtualNetwork(network)


def test_a_network_starts_once_its_address_is_free(connection: Any, server: VirtualServer) -> None:
    lab = server.CreateVirtualNetwork("held", "")
    with socket.socket() as holder:
        holder.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        holder.bind(("10.80.0.2", 53))
        holder.listen()
        let_go = threading.Timer(1.0, holder.close)
        let_go.start()
        try:
            dhcp = lab.DHCPVirtualNetworkServer
            dhcp.ConfigureDHCPServer("10.80.0.0", "255.255.255.0", "10.80.0.16", "10.80.0.19", "10.80.0.2")
            assert connection.networkLookupByName("held").isActive()
            assert not let_go.is_alive()
        finally:
            let_go.join()
            server.DeleteVirtualNetwork(lab)


def test_a_network_without_a_definition_is_not_stopped(
    wired: Guest, server: VirtualServer, connection: Any
) -> None:
    passing = connection.networkCreateXML(
        "<network><name>passing</name><forward mode='open'/><bridge name='passing0'/>"
        "<ip address='10.79.0.1' netmask='255.255.255.0'/></network>"
    )
    try:
        network = server.FindVirtualNetwork("passing")
        machine(server, wired).NetworkAdapters(1).AttachToVirtualNetwork(network)
        with pytest.raises(ComError, match="lasts until it is stopped"):
            network.Notes = "mine"
        assert bridge_of(wired) == "passing0"
        link_is(wired, up=True)
    finally:
        machine(server, wired).TurnOff().WaitForCompletion(-1)
        passing.destroy()


def test_an_adapter_of_the_running_machine_alone(wired: Guest, server: VirtualServer, mac: Mac) -> None:
    address = mac()
    xml = f"<interface type='network'><mac address='{address}'/><source network='shimnet'/></interface>"
    wired.domain.attachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    adapter = machine(server, wired).NetworkAdapters(2)
    adapter.DetachFromVirtualNetwork()
    assert adapter.VirtualNetwork is None
    adapter.AttachToVirtualNetwork(server.FindVirtualNetwork("shimnet"))
    assert adapter.VirtualNetwork == server.FindVirtualNetwork("shimnet")
    assert address not in wired.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), "it is still of this run alone"


def test_a_network_of_a_saved_machine_stays(wired: Guest, server: VirtualServer) -> None:
    vm, lab = machine(server, wired), server.CreateVirtualNetwork("lab", "")
    try:
        vm.NetworkAdapters(1).AttachToVirtualNetwork(lab)
        wired.hang_up()
        vm.Save().WaitForCompletion(-1)
        with pytest.raises(ComError, match=f"used by {wired.name}"):
            lab.Name = "other"
        with pytest.raises(ComError, match="saved"):
            vm.NetworkAdapters(1).AttachToVirtualNetwork(server.FindVirtualNetwork("shimnet"))
        vm.Startup().WaitForCompletion(-1)
        assert vm.NetworkAdapters(1).VirtualNetwork == lab
    finally:
        vm.TurnOff().WaitForCompletion(-1)
        server.DeleteVirtualNetwork(lab)


def test_a_running_machine_starts_in_a_network_that_was_renamed(wired: Guest, server: VirtualServer) -> None:
    lab = server.CreateVirtualNetwork("lab", "")
    text = wired.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    with server._server.connection.calls(write=True) as connect:
        connect.defineXML(text.replace("network='shimnet'", "network='lab'"))
    lab.Name = "renamed"
    vm = machine(server, wired)
    vm.TurnOff().WaitForCompletion(-1)
    try:
        assert vm.NetworkAdapters(1).VirtualNetwork == lab
        wired.start()
    finally:
        vm.TurnOff().WaitForCompletion(-1)
        server.DeleteVirtualNetwork(lab)


def test_an_adapter_is_added_and_taken_out(wired: Guest, server: VirtualServer) -> None:
    vm = machine(server, wired)
    with pytest.raises(ComError) as caught:
        vm.AddNetworkAdapter()
    assert caught.value.scode == HRESULT.VM_E_VM_RUNNING
    vm.TurnOff().WaitForCompletion(-1)
    adapter = vm.AddNetworkAdapter()
    assert (adapter._ID, adapter.IsEthernetAddressDynamic, adapter.VirtualNetwork) == (1, True, None)
    adapter.IsEthernetAddressDynamic = False
    adapter.EthernetAddress = "00-03-FF-01-02-03"
    wired.start()
    assert wired.check("cat /sys/class/net/eth1/address").strip() == "00:03:ff:01:02:03"
    assert wired.check("ip link set eth1 up; cat /sys/class/net/eth1/carrier").strip() == "0"
    assert vm.Accountant.NetworkBytesSent >= 0, "its tap has counters, attached or not"
    with pytest.raises(ComError, match="turn the machine off first"):
        adapter.AttachToVirtualNetwork(server.FindVirtualNetwork("shimnet"))
    vm.TurnOff().WaitForCompletion(-1)
    adapter.AttachToVirtualNetwork(server.FindVirtualNetwork("shimnet"))
    assert adapter.VirtualNetwork.Name == "shimnet"
    vm.RemoveNetworkAdapter(adapter)
    assert vm.NetworkAdapters.Count == 1


def keys_seen(guest: Guest, typing: Callable[[], None], count: int) -> list[tuple[int, int]]:
    """The key events, (code, 1 for down or 0 for up), that reach the guest's kernel while something types."""
    known = "grep -l keyboard /sys/class/input/event*/device/name"
    wait_until(lambda: guest.run(known).status == 0, 10, "the guest knows its keyboard")
    event = guest.check(known).split("/")[4]
    # Opened before anything goes on in the background: what is typed from then on is kept.
    guest.check(f"exec 9< /dev/input/{event}; cat <&9 > /tmp/keys & echo $! > /tmp/reader")

    def found() -> list[tuple[int, int]]:
        data = bytes.fromhex(guest.check("hexdump -v -e '/1 \"%02x\"' /tmp/keys").strip())
        whole = len(data) // _EVENT.size * _EVENT.size
        events = [(kind, code, value) for _, _, kind, code, value in _EVENT.iter_unpack(data[:whole])]
        return [(code, value) for kind, code, value in events if kind == _EV_KEY and value in (0, 1)]

    typing()
    with suppress(TimeoutError):
        wait_until(lambda: len(found()) >= count, 5)
    time.sleep(0.5)  # and nothing more
    guest.check("kill $(cat /tmp/reader)")
    return found()


def test_what_is_typed_reaches_the_guest(guest_factory: GuestFactory, server: VirtualServer) -> None:
    guest = guest_factory()
    keyboard = machine(server, guest).Keyboard
    shift, h, i = 42, 35, 23
    assert keys_seen(guest, lambda: keyboard.TypeAsciiText("Hi"), 6) == [
        *((shift, 1), (h, 1), (h, 0), (shift, 0)),
        *((i, 1), (i, 0)),
    ]
    control, alt, f2 = 29, 56, 60
    chord = keys_seen(
        guest,
        lambda: keyboard.TypeKeySequence(
            "DOWN,Key_LeftCtrl,DOWN,Key_LeftAlt,Key_F2,UP,Key_LeftAlt,UP,Key_LeftCtrl"
        ),
        6,
    )
    assert chord == [*((key, 1) for key in (control, alt, f2)), *((key, 0) for key in (f2, alt, control))]


def test_the_guest_follows_a_shutdown(wired: Guest, server: VirtualServer, pc: VirtualPC) -> None:
    vm = machine(server, wired)
    assert vm.GuestOS.CanShutdown
    task = vm.GuestOS.Shutdown()
    task.WaitForCompletion(60_000)
    assert (task.IsComplete, task.Result) == (True, constants.vmTaskResult_Success)
    assert vm.State == constants.vmVMState_TurnedOff
    out = vpcshim.Variant()
    assert machine(pc, wired).GuestOS.get_CanShutdown(out) is HRESULT.S_FALSE
    assert out.value is False


def test_the_screen(guest_factory: GuestFactory, server: VirtualServer) -> None:
    guest = guest_factory(devices="<video><model type='vga' vram='16384'/></video>")
    display = machine(server, guest).Display
    assert (display.Width, display.Height) == (720, 400), "a PC's text mode"
    assert len(display.Thumbnail) == 64 * 48
    blind = machine(server, guest_factory())
    with pytest.raises(ComError) as caught:
        blind.Display.Width  # noqa: B018 - the read is what fails
    assert caught.value.scode == HRESULT.VM_E_NO_DISPLAY


def test_a_serial_port_writes_into_a_file(
    guest_factory: GuestFactory, server: VirtualServer, tmp_path: Path
) -> None:
    guest = guest_factory(start=False)
    ports = machine(server, guest).SerialPorts
    assert [port.Type for port in ports] == [
        constants.vmSerialPort_TextFile,
        constants.vmSerialPort_NamedPipe,
    ]
    ports(1).Configure(constants.vmSerialPort_TextFile, r"C:\com1.txt", False)
    assert ports(1).Name == r"C:\com1.txt"
    guest.start()
    guest.check("echo from the guest > /dev/ttyS0")
    wait_until(lambda: "from the guest" in (tmp_path / "com1.txt").read_text(errors="replace"), 5, "the text")
    with pytest.raises(ComError, match="turned off"):
        ports(1).Configure(constants.vmSerialPort_Null, "", False)


def test_a_guest_without_an_agent_tells_nothing(
    guest_factory: GuestFactory, server: VirtualServer, pc: VirtualPC
) -> None:
    channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    guest = guest_factory(devices=channel)
    assert not machine(server, guest).GuestOS.IsHeartbeating, "there is a channel, and nobody at its other end"
    for read in (lambda: machine(server, guest).GuestOS.OSName, lambda: machine(pc, guest).GuestOS.Shutdown(True)):
        with pytest.raises(ComError) as caught:
            read()
        assert caught.value.scode == HRESULT.VM_E_ADDITIONS_FEATURE_NOT_AVAIL


def test_the_host_is_this_one(server: VirtualServer, private_libvirtd: PrivateLibvirtd, host_bridge: str) -> None:
    host = server.HostInfo
    assert host.LogicalProcessorCount >= host.PhysicalProcessorCount >= 1
    assert 0 < host.MemoryAvail <= host.Memory
    flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    assert ("sse2" in flags.split()) == host.SSE2
    assert host_bridge in host.NetworkAdapters
    assert "192.0.2.1" in host.NetworkAddresses, "the address of the libvirt network's bridge"
    assert host.OSVersionString.startswith(f"{host.OSMajorVersion}.{host.OSMinorVersion}")
    assert [driver.Description for driver in server.SupportDrivers] == ["QEMU"]


def test_a_network_on_a_bridge_of_the_host(wired: Guest, server: VirtualServer, host_bridge: str) -> None:
    vm = machine(server, wired)
    outer = server.CreateVirtualNetwork("outer", "")
    try:
        outer.HostAdapter = host_bridge
        assert outer.HostAdapter == host_bridge
        vm.NetworkAdapters(1).AttachToVirtualNetwork(outer)
        assert bridge_of(wired) == host_bridge
        out = vpcshim.Variant()
        assert outer.get_DHCPVirtualNetworkServer(out) is HRESULT.E_FAIL
    finally:
        vm.TurnOff().WaitForCompletion(-1)
        server.DeleteVirtualNetwork(outer)


#: A guest agent as far as libvirt asks one here: it reads a request a line and answers it.
_AGENT = r"""
until [ -e /dev/vport0p1 ] || [ -e /dev/vport1p1 ]; do sleep 0.1; done  # the driver makes it a moment later
port=/dev/vport0p1; [ -e $port ] || port=/dev/vport1p1
exec 3<>$port
while :; do
  # A port that the guest does not yet know to be connected reads as ended.
  if ! read -r line <&3; then echo "nothing to read yet"; sleep 0.1; continue; fi
  case $line in
    *guest-sync*) echo "{\"return\": $(echo "$line" | sed 's/.*"id": *\([0-9]*\).*/\1/')}" >&3;;
    *guest-get-time*) echo '{"return": 1000000000}' >&3;;
    *guest-get-host-name*) echo '{"return": {"host-name": "inside"}}' >&3;;
    *guest-get-osinfo*)
      told='"id": "busybox", "pretty-name": "BusyBox 1", "version-id": "1.35", "kernel-release": "6"'
      echo "{\"return\": {$told}}" >&3;;
    *guest-shutdown*) echo 1 > /tmp/asked; poweroff -f;;
    *) echo '{"error": {"class": "CommandNotFound", "desc": "not here"}}' >&3;;
  esac
done
"""


def start_agent(guest: Guest) -> None:
    """Load the driver of virtio ports, which no other test needs, and run the agent."""
    driver = base64.b64encode(read_module(find_kernel().modules()["virtio_console"])).decode()
    for place in range(0, len(driver), 12_000):
        guest.check(f"echo {driver[place : place + 12_000]} >> /tmp/driver")
    guest.check("base64 -d /tmp/driver > /tmp/virtio_console.ko && insmod /tmp/virtio_console.ko")
    script = base64.b64encode(_AGENT.encode()).decode()
    guest.check(f"echo {script} | base64 -d > /tmp/agent; sh /tmp/agent > /tmp/agent.log 2>&1 &")


def test_what_the_guest_agent_tells(guest_factory: GuestFactory, server: VirtualServer, pc: VirtualPC) -> None:
    channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    guest = guest_factory(devices=channel)
    start_agent(guest)
    system, same = machine(server, guest).GuestOS, machine(pc, guest).GuestOS
    wait_until(lambda: system.IsHeartbeating, 20, "the agent answers")
    assert (system.OSName, system.ComputerName) == ("BusyBox 1", "inside")
    assert (same.OSMajorVersion, same.OSMinorVersion, same.OSBuildNumber) == ("1", "35", "6")
    with pytest.raises(ComError, match="busybox"):
        same.OSPlatformId  # noqa: B018 - the read is what fails
    task = same.Shutdown(True)
    task.WaitForCompletion(60_000)
    assert (task.IsComplete, task.Result) == (True, constants.vmTaskResult_Success), task.ErrorDescription
    assert machine(server, guest).State == constants.vmVMState_TurnedOff
