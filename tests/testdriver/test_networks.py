"""What virtual networks do beyond one answer: setters, files, and what becomes of the machines in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testdriver.support import find
from vpcshim import HRESULT, ComError
from vpcshim.hypervisor import hostadapters
from vpcshim.model.application import VirtualServer
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


def test_what_libvirt_refuses_leaves_nothing(
    server: VirtualServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import libvirt

    def refuse(*_: object) -> None:
        raise libvirt.libvirtError("no bridge")

    monkeypatch.setattr(libvirt.virNetwork, "create", refuse)
    with pytest.raises(ComError):
        server.CreateVirtualNetwork("inner", "C:\\")
    assert server.FindVirtualNetwork("inner") is None
    assert list(tmp_path.glob("*.vnc")) == []


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
