"""Machines that come and go on a real hypervisor: what is defined starts, and what goes takes no image along."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

import vpcshim
from tests.harness import needs
from tests.harness.guests import PrivateLibvirtd, remove_domain
from vpcshim import HRESULT, ComError
from vpcshim.constants import VMVMState
from vpcshim.hypervisor.redefine import definition
from vpcshim.hypervisor.registered import definition_text
from vpcshim.migrate import machine as described
from vpcshim.migrate import vmc
from vpcshim.model.application import VirtualServer

MAC = "00:03:ff:4a:5b:6c"


@pytest.fixture
def server(
    private_libvirtd: PrivateLibvirtd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connection: Any
) -> Iterator[VirtualServer]:
    """An application with the test's folder as drive C:, and preferences of its own; its machines go with it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    before = {domain.UUIDString() for domain in connection.listAllDomains()}
    yield vpcshim.CreateObject("VirtualServer.Application", private_libvirtd.uri, drives={"C:": str(tmp_path)})
    for domain in connection.listAllDomains():
        if domain.UUIDString() not in before:
            remove_domain(domain)


@pytest.fixture
def vhd(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a VHD of 16 MB."""
    tool = needs.program("qemu-img", "qemu-utils")

    def make(name: str) -> Path:
        path = tmp_path / name
        subprocess.run([tool, "create", "-q", "-f", "vpc", str(path), "16M"], check=True)
        return path

    return make


def code_of(call: Callable[[], object]) -> int:
    with pytest.raises(ComError) as caught:
        call()
    return caught.value.scode


def start(machine: Any) -> None:
    task = machine.Startup()
    task.WaitForCompletion(60_000)
    assert (task.IsComplete, task.ErrorDescription) == (True, "")
    assert machine.State == VMVMState.vmVMState_Running


def turn_off(machine: Any) -> None:
    machine.TurnOff().WaitForCompletion(60_000)
    assert machine.State == VMVMState.vmVMState_TurnedOff


def test_a_new_machine_is_shaped_for_the_hypervisor_and_starts(
    server: VirtualServer, connection: Any, tmp_path: Path
) -> None:
    machine = server.CreateVirtualMachine("made", "C:\\VMs\\made")
    root = definition(connection.lookupByName("made"))
    kind = root.find("os/type")
    assert kind is not None
    assert kind.get("arch") == "x86_64"
    # libvirt wrote down which version of the type it is: the next start has the same hardware.
    assert kind.get("machine", "").startswith("pc-i440fx")
    assert {disk.get("device") for disk in root.findall("devices/disk")} == {"cdrom", "floppy"}
    start(machine)
    assert machine.Accountant.NetworkBytesSent == 0  # the adapter that is connected to nothing can be counted
    assert code_of(lambda: server.DeleteVirtualMachine(machine)) == HRESULT.VM_E_VM_RUNNING
    turn_off(machine)
    server.DeleteVirtualMachine(machine)
    assert list((tmp_path / "VMs" / "made").iterdir()) == []
    assert server.FindVirtualMachine("made") is None


def sources(connection: Any, name: str) -> dict[str, tuple[str | None, str | None]]:
    """What is in each drive of a definition: its format and its file."""
    found = {}
    for disk in definition(connection.lookupByName(name)).findall("devices/disk"):
        target, driver, source = disk.find("target"), disk.find("driver"), disk.find("source")
        assert target is not None
        found[target.get("dev", "")] = (
            None if source is None or driver is None else driver.get("type"),
            None if source is None else source.get("file"),
        )
    return found


def registered(server: VirtualServer, folder: Path, disks: list[Path], network: str) -> Any:
    drives = [
        described.Drive("ide", 0, 0, "disk", described.Place(relative=f".\\{disks[0].name}")),
        described.Drive("ide", 1, 0, "cdrom"),
        described.Drive("floppy", 0, 0, "floppy"),
        *(
            described.Drive("scsi", 0, number, "disk", described.Place(f"C:\\{disk.name}"))
            for number, disk in enumerate(disks[1:])
        ),
    ]
    told = described.Machine(
        memory=64,
        uuid="6a1b6f63-3c5d-4f6e-8a55-0d6fb2f7c3a1",
        drives=tuple(drives),
        nics=(described.Nic(MAC, network), described.Nic(None, "an adapter of a Windows host")),
        serials=(described.Port("file", "C:\\serial.txt"), described.Port()),
        parallels=(described.Port(),),
        identity=described.Identity("1234", "2345", "3456", "4567"),
    )
    values = {**described.write(told), "settings/undo_drives/enabled": False, "ui_options/scale": 2}
    (folder / "moved.vmc").write_bytes(vmc.write(values))
    return server.RegisterVirtualMachine("moved", "C:\\moved.vmc")


def test_a_machine_of_the_products_starts_with_its_disks_and_leaves_them_when_it_is_deleted(
    server: VirtualServer,
    connection: Any,
    tmp_path: Path,
    libvirt_network: str,
    vhd: Callable[[str], Path],
) -> None:
    disks = [vhd("hda.vhd"), vhd("sda.vhd")]
    before = [disk.read_bytes() for disk in disks]
    machine = registered(server, tmp_path, disks, libvirt_network.upper())
    assert sources(connection, "moved") == {
        "hda": ("vpc", str(disks[0])),
        "sda": ("vpc", str(disks[1])),
        "hdc": (None, None),
        "fda": (None, None),
    }
    assert machine.ConfigID == "{6A1B6F63-3C5D-4F6E-8A55-0D6FB2F7C3A1}"
    assert (machine.Memory, machine.BIOSSerialNumber, machine.ChassisAssetTag) == (64, "1234", "4567")
    assert machine.GetConfigurationValue("ui_options/scale") == 2
    start(machine)
    assert machine.Accountant.NetworkBytesReceived >= 0
    assert connection.lookupByName("moved").interfaceParameters(MAC) is not None
    turn_off(machine)
    server.DeleteVirtualMachine(machine)
    assert [disk.read_bytes() for disk in disks] == before
    assert not (tmp_path / "moved.vmc").exists()


def test_a_saved_machine_is_not_unregistered_and_deleting_it_removes_its_state(
    server: VirtualServer, tmp_path: Path
) -> None:
    # Without a VHD: QEMU saves no machine that has one (its vpc format does not support live migration).
    machine = server.CreateVirtualMachine("kept", "C:\\VMs")
    assert code_of(lambda: machine.SavedStateFilePath) == HRESULT.VM_E_VM_NO_SAVED_STATE
    start(machine)
    machine.Save().WaitForCompletion(60_000)
    assert machine.State == VMVMState.vmVMState_Saved
    state = Path(machine.SavedStateFilePath)
    assert state.stat().st_size > 0
    with pytest.raises(ComError, match="DiscardSavedState"):
        server.UnregisterVirtualMachine(machine)
    assert state.exists()
    server.DeleteVirtualMachine(machine)
    assert not state.exists()
    assert list((tmp_path / "VMs").iterdir()) == []


def test_what_is_unregistered_comes_back_as_it_was(
    server: VirtualServer, connection: Any, tmp_path: Path, libvirt_network: str, vhd: Callable[[str], Path]
) -> None:
    machine = registered(server, tmp_path, [vhd("hda.vhd")], libvirt_network)
    domain = connection.lookupByName("moved")
    domain.setAutostart(1)
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    before = domain.XMLDesc(flags)
    server.UnregisterVirtualMachine(machine)
    assert server.FindVirtualMachine("moved") is None
    again = server.RegisterVirtualMachine("moved", "C:\\")
    domain = connection.lookupByName("moved")
    assert domain.XMLDesc(flags) == before
    assert domain.autostart() == 1
    start(again)
    turn_off(again)


def test_a_machine_full_of_values_is_still_told_of_and_comes_back(server: VirtualServer, connection: Any) -> None:
    """libvirt hands out no definition that is larger than four megabytes, and then nobody can make a machine."""
    machine = server.CreateVirtualMachine("full", "C:\\")
    answers = [machine.raw_SetConfigurationValue(f"a/b{number}", "&" * 65_536) for number in range(16)]
    assert set(answers) == {HRESULT.S_OK, HRESULT.E_INVALIDARG}
    before = definition_text(connection.lookupByName("full"))
    server.UnregisterVirtualMachine(machine)
    server.RegisterVirtualMachine("full", "C:\\")
    assert definition_text(connection.lookupByName("full")) == before


def test_what_another_user_unregistered_comes_back_with_its_hardware(
    server: VirtualServer, connection: Any, tmp_path: Path, libvirt_network: str, vhd: Callable[[str], Path]
) -> None:
    machine = registered(server, tmp_path, [vhd("hda.vhd"), vhd("sda.vhd")], libvirt_network)
    identity = machine.ConfigID
    server.UnregisterVirtualMachine(machine)
    shutil.rmtree(tmp_path / "config")  # the key of the user who sealed it
    again = server.RegisterVirtualMachine("moved", "C:\\")
    assert (again.ConfigID, again.Memory, again.BIOSSerialNumber) == (identity, 64, "1234")
    found = sources(connection, "moved")
    assert found["hda"] == ("vpc", str(tmp_path / "hda.vhd"))
    assert found["sda"] == ("vpc", str(tmp_path / "sda.vhd"))
    assert again.GetConfigurationValue("ui_options/scale") == 2
    start(again)
    turn_off(again)


def test_undo_disks_go_with_the_machine_and_stay_with_its_file(
    server: VirtualServer, tmp_path: Path, libvirt_network: str, vhd: Callable[[str], Path]
) -> None:
    disk = vhd("hda.vhd")
    before = disk.read_bytes()
    machine = registered(server, tmp_path, [disk], libvirt_network)
    machine.Undoable = True
    start(machine)
    turn_off(machine)
    overlays = set(tmp_path.glob("*.undo-*"))
    assert len(overlays) == 1
    server.UnregisterVirtualMachine(machine)
    assert set(tmp_path.glob("*.undo-*")) == overlays
    again = server.RegisterVirtualMachine("moved", "C:\\")
    start(again)
    turn_off(again)
    server.DeleteVirtualMachine(again)
    assert set(tmp_path.glob("*.undo-*")) == set()
    assert disk.read_bytes() == before
