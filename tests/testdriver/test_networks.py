"""What virtual networks do beyond one answer: setters, files, and what becomes of the machines in them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree

from tests.testdriver.support import find
from vpcshim import HRESULT, ComError
from vpcshim.hypervisor import hostadapters, networks
from vpcshim.model.application import VirtualServer
from vpcshim.model.devices import virtual_network
from vpcshim.testing import Machine, Node, NodeBuilder
from vpcshim.testing.machines import Nic


@pytest.fixture
def node(vpcshim_node: NodeBuilder) -> Node:
    lab = (Nic("network", "lab"),)
    machines = (Machine("web", nics=lab), Machine("off", "shutoff", nics=lab))
    return vpcshim_node(*machines, networks=["lab", "other"])


@pytest.fixture
def server(node: Node, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> VirtualServer:
    monkeypatch.setenv("VPCSHIM_DRIVES", f"C:={tmp_path}")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return node.application()


def refused(code: HRESULT, call: object, *args: object, match: str = "") -> None:
    with pytest.raises(ComError, match=match or None) as caught:
        call(*args)  # type: ignore[operator]
    assert caught.value.scode == code


def test_a_network_is_made_kept_and_made_again(server: VirtualServer, tmp_path: Path) -> None:
    made = server.CreateVirtualNetwork("Inner", "C:\\nets\\deep")
    file = tmp_path / "nets" / "deep" / "Inner.vnc"
    assert file.is_file()
    assert (made.Name, made.File, made.HostAdapter, made.Notes) == ("Inner", "C:\\nets\\deep\\Inner.vnc", "", "")
    made.Notes = "two\nlines & <one> more"
    assert made.Notes == "two\nlines & <one> more"
    assert server.FindVirtualNetwork("INNER") == made
    server.UnregisterVirtualNetwork(made)
    assert server.FindVirtualNetwork("Inner") is None
    again = server.RegisterVirtualNetwork("inner", "C:\\nets\\deep")
    assert (again.Notes, again._ID) == ("two\nlines & <one> more", made._ID), "it is the same network"
    server.DeleteVirtualNetwork(again)
    assert not file.exists()
    assert [network.Name for network in server.VirtualNetworks] == ["lab", "other"]


def test_without_a_folder_a_network_is_kept_in_the_default_one(server: VirtualServer, tmp_path: Path) -> None:
    made = server.CreateVirtualNetwork("Inner", "")
    file = tmp_path / "data" / "vpcshim" / "Shared Virtual Networks" / "Inner.vnc"
    assert file.is_file()
    assert made.File == server.DefaultVNConfigurationPath + "Inner.vnc"
    assert server.GetVirtualNetworkFiles([], False) == (made.File,)
    server.UnregisterVirtualNetwork(made)
    refused(HRESULT.E_ALREADY_EXISTS, server.CreateVirtualNetwork, "Inner", " ", match="RegisterVirtualNetwork")
    again = server.RegisterVirtualNetwork("Inner", "")
    assert (again._ID, again.File) == (made._ID, made.File)
    server.DeleteVirtualNetwork(again)
    assert not file.exists()
    refused(HRESULT.E_FILE_NOT_FOUND, server.RegisterVirtualNetwork, "Inner", "")
    refused(HRESULT.E_BUFFER_OVERFLOW, server.CreateVirtualNetwork, "x" * 256, "")


def test_a_network_on_another_machine_has_no_file(server: VirtualServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(server._server.connection), "is_local", False)
    made = server.CreateVirtualNetwork("Inner", "")
    refused(HRESULT.DISP_E_EXCEPTION, getattr, made, "File", match=r"Inner has no \.vnc file: .*on another machine")
    refused(HRESULT.E_PATH_NOT_FOUND, server.RegisterVirtualNetwork, "third", "", match="virsh net-define")


def test_what_libvirt_refuses_leaves_nothing(
    server: VirtualServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> None:
        raise libvirt.libvirtError("no bridge")

    monkeypatch.setattr(libvirt.virNetwork, "create", refuse)
    with pytest.raises(ComError):
        server.CreateVirtualNetwork("inner", "C:\\")
    assert server.FindVirtualNetwork("inner") is None
    assert list(tmp_path.glob("*.vnc")) == []


DNSMASQ = "xmlns:d='http://libvirt.org/schemas/network/dnsmasq/1.0'"


@pytest.mark.parametrize(
    ("attributes", "inner"),
    [
        (DNSMASQ, "<d:options><d:option value='dhcp-script=/tmp/theirs'/></d:options>"),
        (DNSMASQ, "<d:options><d:option value='dhcp-option=6,/etc/passwd'/></d:options>"),
        ("", "<ip address='10.9.0.1' netmask='255.255.255.0'><tftp root='/etc'/></ip>"),
        ("", "<forward mode='hostdev'><pf dev='eth0'/></forward>"),
    ],
)
def test_a_file_from_elsewhere_runs_nothing_and_hands_out_nothing(
    server: VirtualServer, tmp_path: Path, attributes: str, inner: str
) -> None:
    (tmp_path / "theirs.vnc").write_text(f"<network {attributes}><name>theirs</name>{inner}</network>")
    refused(HRESULT.E_INVALIDARG, server.RegisterVirtualNetwork, "theirs", "C:\\", match="not taken from a file")
    assert server.FindVirtualNetwork("theirs") is None


def test_what_this_product_sets_is_taken_from_a_file(server: VirtualServer) -> None:
    made = server.CreateVirtualNetwork("inner", "C:\\")
    dhcp = made.DHCPVirtualNetworkServer
    dhcp.ConfigureDHCPServer("10.9.0.0", "255.255.255.0", "10.9.0.16", "10.9.0.99", "10.9.0.1")
    server.UnregisterVirtualNetwork(made)
    again = server.RegisterVirtualNetwork("inner", "C:\\")
    assert again.DHCPVirtualNetworkServer.EndingIPAddress == "10.9.0.99"


@pytest.mark.parametrize("method", ["DeleteVirtualNetwork", "UnregisterVirtualNetwork"])
def test_what_is_no_vnc_is_never_written_or_removed(
    node: Node, server: VirtualServer, tmp_path: Path, method: str
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    with node.connection() as connect:
        connect.networkDefineXML(networks.isolated("theirs", str(precious)))
    network = server.FindVirtualNetwork("theirs")
    if method == "DeleteVirtualNetwork":
        server.DeleteVirtualNetwork(network)
    else:
        refused(HRESULT.DISP_E_EXCEPTION, server.UnregisterVirtualNetwork, network, match=r"has no \.vnc file")
    assert precious.read_text() == "precious"


def test_files_of_others_stay(server: VirtualServer, tmp_path: Path) -> None:
    (tmp_path / "inner.vnc.new").write_text("somebody's")
    (tmp_path / "other-link.vnc").symlink_to(tmp_path / "nowhere")
    made = server.CreateVirtualNetwork("inner", "C:\\")
    refused(HRESULT.E_ALREADY_EXISTS, server.CreateVirtualNetwork, "other-link", "C:\\")
    server.UnregisterVirtualNetwork(made)
    assert (tmp_path / "inner.vnc.new").read_text() == "somebody's"
    assert (tmp_path / "other-link.vnc").is_symlink()


def test_a_network_that_does_not_start_again_is_what_it_was(
    server: VirtualServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = server.FindVirtualNetwork("other")
    create, calls = libvirt.virNetwork.create, []

    def failing_once(self: libvirt.virNetwork) -> int:
        calls.append(self)
        if len(calls) == 1:
            raise libvirt.libvirtError("the bridge is in use")
        return int(create(self))

    monkeypatch.setattr(libvirt.virNetwork, "create", failing_once)
    dhcp = network.DHCPVirtualNetworkServer
    with pytest.raises(ComError):
        dhcp.ConfigureDHCPServer("10.9.0.0", "255.255.255.0", "10.9.0.16", "10.9.0.99", "10.9.0.1")
    with server._server.connection.calls() as connect:
        found = connect.networkLookupByName("other")
        assert found.isActive()
        assert "10.9.0" not in found.XMLDesc()


@pytest.mark.parametrize("error", [KeyboardInterrupt, libvirt.libvirtError])
def test_a_network_is_not_lost_while_it_is_renamed(
    server: VirtualServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: type[BaseException]
) -> None:
    folder = tmp_path / "data" / "vpcshim" / "Shared Virtual Networks"
    network = server.FindVirtualNetwork("other")
    network.Notes = "mine"
    define, calls = virtual_network._define, []

    def interrupted(*args: Any, **named: Any) -> None:
        calls.append(args)
        if len(calls) == 1:
            raise error("interrupted")
        define(*args, **named)

    monkeypatch.setattr(virtual_network, "_define", interrupted)
    with pytest.raises((KeyboardInterrupt, ComError)):
        network.Name = "another"
    left = list(folder.iterdir())
    if error is KeyboardInterrupt:
        assert server.FindVirtualNetwork("other") is None
        (name,) = (path.stem for path in left)
        back = server.RegisterVirtualNetwork(name, str(left[0].parent))
        assert (back, back.Notes) == (network, "mine")
    else:
        assert left == []
        assert server.FindVirtualNetwork("other").Notes == "mine"
    monkeypatch.setattr(virtual_network, "_define", define)
    network.Name = "at last"
    assert list(folder.iterdir()) == left


def test_a_network_that_ends_when_it_is_stopped_is_not_stopped(node: Node, server: VirtualServer) -> None:
    with node.connection() as connect:
        made = connect.networkCreateXML("<network><name>passing</name><bridge name='virbr7'/></network>")
        network = server.FindVirtualNetwork("passing")
        refused(HRESULT.DISP_E_EXCEPTION, setattr, network, "Notes", "mine", match="virsh net-dumpxml")
        assert made.isActive()
        assert not made.isPersistent()


def test_what_a_driver_leaves_out_changes_nothing(server: VirtualServer) -> None:
    dhcp = server.CreateVirtualNetwork("inner", "").DHCPVirtualNetworkServer
    dhcp.ConfigureDHCPServer("10.1.0.0", "255.255.255.0", "10.1.0.16", "10.1.0.99", "10.1.0.1")
    refused(HRESULT.DISP_E_EXCEPTION, dhcp.ConfigureDHCPLeaseTimes, 600, 100, 300, match="hands no DHCP options")
    assert dhcp.LeaseTime == 3600


@pytest.fixture
def saved(vpcshim_node: NodeBuilder) -> VirtualServer:
    """A server with a saved machine in the network lab."""
    return vpcshim_node(
        Machine("kept", "saved", nics=(Nic("network", "lab"),)), networks=["lab", "other"]
    ).application()


def test_a_saved_machine_keeps_its_network(saved: VirtualServer) -> None:
    lab = saved.FindVirtualNetwork("lab")
    assert lab is not None
    for call, *args in ((saved.DeleteVirtualNetwork, lab), (setattr, lab, "Name", "new")):
        refused(HRESULT.DISP_E_EXCEPTION, call, *args, match="used by kept.*discard the saved state")
    dhcp = lab.DHCPVirtualNetworkServer
    dhcp.ConfigureDHCPServer("10.1.0.0", "255.255.255.0", "10.1.0.16", "10.1.0.99", "10.1.0.1")
    find(saved, "kept").DiscardSavedState()
    lab.Name = "new"
    assert find(saved, "kept").NetworkAdapters(1).VirtualNetwork == lab


def test_the_adapter_of_a_saved_machine_stays_where_it_is(saved: VirtualServer) -> None:
    adapter = find(saved, "kept").NetworkAdapters(1)
    for call, *args in (
        (adapter.AttachToVirtualNetwork, saved.FindVirtualNetwork("other")),
        (adapter.DetachFromVirtualNetwork,),
    ):
        refused(HRESULT.DISP_E_EXCEPTION, call, *args, match="kept is saved")
    assert adapter.VirtualNetwork.Name == "lab"


def test_a_machine_in_the_bridge_of_a_network_uses_it(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web", nics=(Nic("bridge", "virbr7"),)))
    with node.connection() as connect:
        connect.networkDefineXML("<network><name>lab</name><bridge name='virbr7'/></network>").create()
        outer = "<network><name>outer</name><forward mode='bridge'/><bridge name='virbr7'/></network>"
        connect.networkDefineXML(outer).create()
    server = node.application()
    refused(HRESULT.DISP_E_EXCEPTION, server.DeleteVirtualNetwork, server.FindVirtualNetwork("lab"), match="by web")
    server.DeleteVirtualNetwork(server.FindVirtualNetwork("outer"))


def test_an_adapter_that_cannot_be_read_fails_the_rates_of_its_network(
    server: VirtualServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        error = libvirt.libvirtError("no")
        error.err = (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_QEMU, "no tap", 2, None, None, None, 0, 0)
        raise error

    monkeypatch.setattr(libvirt.virDomain, "interfaceStats", refuse)
    lab, other = server.FindVirtualNetwork("lab"), server.FindVirtualNetwork("other")
    refused(HRESULT.DISP_E_EXCEPTION, getattr, lab, "BytesSent", match="web: network adapter 1 .*no tap")
    assert other is not None
    assert other.BytesSent == 0


def test_a_network_in_use_stays(server: VirtualServer) -> None:
    lab = server.FindVirtualNetwork("lab")
    assert lab is not None
    for call, *args in ((server.DeleteVirtualNetwork, lab), (setattr, lab, "Name", "new")):
        refused(HRESULT.DISP_E_EXCEPTION, call, *args, match="used by web")
    find(server, "web").TurnOff().WaitForCompletion(-1)
    lab.Name = "New name"
    assert lab.Name == "New name"
    assert {one.VirtualMachine.Name for one in lab.NetworkAdapters} == {"off", "web"}, "they go with it"
    server.DeleteVirtualNetwork(lab)
    for name in ("off", "web"):
        assert find(server, name).NetworkAdapters(1).VirtualNetwork is None
    find(server, "web").Startup().WaitForCompletion(-1)


@pytest.mark.parametrize("name", ["", " ", "x" * 257, "a/b", 'a"b', "a\nb", "OTHER"])
def test_a_name_that_cannot_be(server: VirtualServer, name: str) -> None:
    made = server.CreateVirtualNetwork("inner", "")
    refused(HRESULT.E_INVALIDARG, setattr, made, "Name", name)
    assert made.Name == "inner"


def test_a_name_in_another_case_only(server: VirtualServer) -> None:
    made = server.CreateVirtualNetwork("inner", "")
    made.Name = "INNER"
    assert made.Name == "INNER"


def test_notes_are_text(server: VirtualServer) -> None:
    other = server.FindVirtualNetwork("other")
    assert other is not None
    refused(HRESULT.E_INVALIDARG, setattr, other, "Notes", "a\x01b")
    other.Notes = "x"
    other.Notes = ""
    assert other.Notes == ""


def test_a_host_adapter_takes_the_addresses_away(server: VirtualServer, monkeypatch: pytest.MonkeyPatch) -> None:
    made = server.CreateVirtualNetwork("inner", "")
    dhcp = made.DHCPVirtualNetworkServer
    dhcp.ConfigureDHCPServer("10.1.0.0", "255.255.255.0", "10.1.0.16", "10.1.0.99", "10.1.0.1")
    refused(HRESULT.VM_E_ADAPTER_NOT_FOUND, setattr, made, "HostAdapter", "eth0", match="NetworkAdapters")
    monkeypatch.setattr(hostadapters, "names", lambda *_, local: ["br0", "eth0"])
    monkeypatch.setattr(hostadapters, "is_bridge", lambda name, local: name == "br0")
    for name in ("eth0", "br0"):
        made.HostAdapter = name
        assert made.HostAdapter == name
        refused(HRESULT.E_FAIL, getattr, made, "DHCPVirtualNetworkServer")
    made.HostAdapter = ""
    assert made.HostAdapter == ""
    assert made.DHCPVirtualNetworkServer.IsEnabled is False
    with pytest.raises(ComError, match="ConfigureDHCPServer"):
        made.DHCPVirtualNetworkServer.Network  # noqa: B018 - the read is what fails


def test_a_host_adapter_takes_what_is_switched_off_away_too(server: VirtualServer) -> None:
    made = server.CreateVirtualNetwork("inner", "")
    dhcp = made.DHCPVirtualNetworkServer
    dhcp.ConfigureDHCPServer("10.1.0.0", "255.255.255.0", "10.1.0.16", "10.1.0.99", "10.1.0.1")
    dhcp.IsEnabled = False
    made.HostAdapter = ""
    with pytest.raises(ComError, match="ConfigureDHCPServer"):
        dhcp.IsEnabled = True
    with pytest.raises(ComError, match="ConfigureDHCPServer"):
        dhcp.StartingIPAddress  # noqa: B018 - the read is what fails


def test_what_is_kept_of_a_network_without_addresses_is_not_handed_out(
    server: VirtualServer,
) -> None:
    made = server.CreateVirtualNetwork("inner", "")
    dhcp = made.DHCPVirtualNetworkServer
    dhcp.ConfigureDHCPServer("10.1.0.0", "255.255.255.0", "10.1.0.16", "10.1.0.99", "10.1.0.1")
    dhcp.IsEnabled = False

    def without_address(root: etree._Element) -> None:  # as by virsh net-edit
        for ip in root.findall("ip"):
            root.remove(ip)

    with server._server.connection.calls(write=True) as connect:
        networks.change(connect.networkLookupByName("inner"), without_address, restart=True)
    with pytest.raises(ComError, match="ConfigureDHCPServer"):
        dhcp.IsEnabled = True


@pytest.mark.parametrize("end", ["rename", "remove"])
def test_a_network_does_not_come_or_go_in_the_midst_of_a_change(server: VirtualServer, end: str) -> None:
    made = server.CreateVirtualNetwork("inner", "")
    begun, goes_on = threading.Event(), threading.Event()

    def slowly(root: etree._Element) -> None:
        begun.set()
        goes_on.wait(10)
        networks.set_notes(root, "changed")

    def change() -> None:
        with server._server.connection.calls(write=True) as connect:
            networks.change(connect.networkLookupByName("inner"), slowly, restart=False)

    def finish() -> None:
        if end == "rename":
            made.Name = "renamed"
        else:
            server.DeleteVirtualNetwork(made)

    threads = [threading.Thread(target=each) for each in (change, finish)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    threads[1].join(0.2)
    goes_on.set()
    for thread in threads:
        thread.join(10)
    names = {network.Name: network.Notes for network in server.VirtualNetworks}
    del names["lab"], names["other"]
    assert names == ({"renamed": "changed"} if end == "rename" else {})


def test_a_range_that_is_switched_off_is_kept(server: VirtualServer) -> None:
    dhcp = server.CreateVirtualNetwork("inner", "").DHCPVirtualNetworkServer
    with pytest.raises(ComError, match="ConfigureDHCPServer"):
        dhcp.IsEnabled = True
    dhcp.ConfigureDHCPServer("10.1.0.0", "255.255.0.0", "10.1.1.0", "10.1.2.0", "10.1.0.9")
    for enabled in (True, False, False, True):
        dhcp.IsEnabled = enabled
        told = (
            dhcp.IsEnabled,
            dhcp.StartingIPAddress,
            dhcp.EndingIPAddress,
            dhcp.ServerIPAddress,
            dhcp.NetworkMask,
        )
        assert told == (enabled, "10.1.1.0", "10.1.2.0", "10.1.0.9", "255.255.0.0")
    assert dhcp.DefaultGatewayAddress == "", "it leads nowhere"


@pytest.mark.parametrize("name", ["DefaultGatewayAddress", "DNSServers", "WINSServers"])
def test_a_server_is_an_address(server: VirtualServer, name: str) -> None:
    dhcp = server.CreateVirtualNetwork("inner", "").DHCPVirtualNetworkServer
    refused(HRESULT.VM_E_INVALID_IP_ADDRESS, setattr, dhcp, name, "10.1.0")
    # The test driver drops what it does not know: that is said, not hidden.
    refused(HRESULT.DISP_E_EXCEPTION, setattr, dhcp, name, "10.1.0.1", match="hands no DHCP options through")
