"""Machines come and go, with their .vmc files: every documented refusal, and what is there afterwards."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.harness import needs
from tests.testdriver.support import PRODUCTS, VPC, VS, application
from tests.unit import vhd_files
from vpcshim import HRESULT, ComError, CreateObject
from vpcshim.com.member import Product
from vpcshim.constants import VMUndoAction
from vpcshim.hypervisor import disks, redefine, registered, settings
from vpcshim.hypervisor.errors import DomainBusy
from vpcshim.migrate import vmc
from vpcshim.migrate.vhd import VhdType
from vpcshim.model import fitting
from vpcshim.model.application import VirtualPC, VirtualServer
from vpcshim.testing import Machine, Node, NodeBuilder
from vpcshim.values import Value

FIXTURES = Path(__file__).parents[2] / "fixtures"
Server = VirtualServer | VirtualPC


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that is drive C:, beside which the preferences are the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "c").mkdir()
    return tmp_path / "c"


@pytest.fixture
def node(vpcshim_node: NodeBuilder) -> Node:
    return vpcshim_node(Machine("web", state="shutoff"), Machine("busy"))


@pytest.fixture(params=PRODUCTS, ids=lambda product: product.value)
def server(request: pytest.FixtureRequest, node: Node, home: Path) -> Server:
    return application(node, request.param, drives={"C:": str(home)})


@pytest.fixture
def virtual_server(node: Node, home: Path) -> Server:
    return application(node, VS, drives={"C:": str(home)})


def code_of(call: Callable[[], object]) -> HRESULT:
    with pytest.raises(ComError) as caught:
        call()
    return HRESULT(caught.value.scode)


def definition(machine: Any) -> str:
    with machine._domain(write=True) as domain:
        return registered.definition_text(domain)


# -- create ----------------------------------------------------------------------------------------------------


def test_a_machine_is_made_with_its_file(server: Server, home: Path) -> None:
    machine = server.CreateVirtualMachine("db", "C:\\VMs\\new")
    assert (machine.Name, machine.File) == ("db", "C:\\VMs\\new\\db.vmc")
    assert server.FindVirtualMachine("DB") == machine
    values = vmc.read((home / "VMs/new/db.vmc").read_bytes())
    assert values["hardware/memory/ram_size"] == machine.Memory == 128
    assert values["hardware/bios/bios_guid"] == machine.ConfigID
    assert os.listdir(home / "VMs/new") == ["db.vmc"]


@pytest.mark.parametrize(
    ("name", "path", "file"),
    [
        ("", "C:\\VMs\\db.vmc", "VMs/db.vmc"),
        ("", "C:\\VMs\\db", "VMs/db.vmc"),
        ("db.vmc", "C:\\VMs\\", "VMs/db.vmc"),
        ("db", "C:\\VMs\\other.vmc", "VMs/other.vmc"),
        ("db", "{home}/deep/er", "deep/er/db.vmc"),
    ],
)
def test_where_the_file_of_a_new_machine_stands(
    server: Server, home: Path, name: str, path: str, file: str
) -> None:
    assert server.CreateVirtualMachine(name, path.format(home=home)).Name == "db"
    assert (home / file).is_file()


TOO_LONG = {VS: HRESULT.E_BUFFER_OVERFLOW, VPC: HRESULT.VM_E_CONFIG_NAME_TOO_LONG}


@pytest.mark.parametrize("method", ["CreateVirtualMachine", "RegisterVirtualMachine"])
@pytest.mark.parametrize(
    ("name", "path", "code"),
    [
        *((f"a{bad}b", "C:\\VMs", HRESULT.VM_E_CONFIG_NAME_INVALID_CHAR) for bad in '*?:<>/|\\"'),
        ("x" * 257, "C:\\VMs", None),
        ("db", "", HRESULT.E_INVALID_NAME),
        ("", "", HRESULT.E_INVALID_NAME),
        ("", "C:\\VMs\\", HRESULT.E_INVALID_NAME),
        ("db", "C:\\a*b", HRESULT.E_INVALID_NAME),
        ("db", "VMs", HRESULT.E_BAD_PATHNAME),
        ("db", ".\\VMs", HRESULT.E_BAD_PATHNAME),
        ("db", "C:\\" + "x" * 260, HRESULT.E_BUFFER_OVERFLOW),
        ("db", "C:\\" + "x" * 100 + "\\" + "y" * 150, HRESULT.E_BUFFER_OVERFLOW),
        ("db", "Z:\\VMs", HRESULT.E_PATH_NOT_FOUND),
    ],
)
def test_names_and_paths_that_are_refused_leave_nothing(
    server: Server, home: Path, method: str, name: str, path: str, code: HRESULT | None
) -> None:
    before = server.VirtualMachines.Count
    assert code_of(lambda: getattr(server, method)(name, path)) == (code or TOO_LONG[server._product_])
    assert (server.VirtualMachines.Count, os.listdir(home)) == (before, [])


def test_a_name_that_a_machine_has_is_refused_in_any_case(server: Server, home: Path) -> None:
    assert code_of(lambda: server.CreateVirtualMachine("WEB", "C:\\VMs")) == HRESULT.VM_E_CONFIG_DUPLICATE_NAME
    assert os.listdir(home) == []


def test_a_file_that_is_there_is_left_as_it_is(server: Server, home: Path) -> None:
    (home / "db.vmc").write_text("somebody's")
    with pytest.raises(ComError, match="no machine has it") as caught:
        server.CreateVirtualMachine("db", "C:\\")
    assert caught.value.scode == HRESULT.E_ALREADY_EXISTS
    server.CreateVirtualMachine("other", "C:\\")
    with pytest.raises(ComError, match="the file of the machine other"):
        server.CreateVirtualMachine("db", "C:\\other.vmc")
    assert (home / "db.vmc").read_text() == "somebody's"
    assert server.FindVirtualMachine("db") is None


def test_a_folder_that_cannot_be_made(server: Server, home: Path) -> None:
    (home / "file").touch()
    assert code_of(lambda: server.CreateVirtualMachine("db", "C:\\file\\sub")) == HRESULT.E_PATH_NOT_FOUND


def test_what_libvirt_refuses_leaves_no_file_and_no_folder(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise libvirt.libvirtError("a mock of libvirt's handle")

    monkeypatch.setattr(libvirt.virConnect, "defineXMLFlags", refuse)
    with pytest.raises(ComError):
        server.CreateVirtualMachine("db", "C:\\VMs\\new")
    assert os.listdir(home) == []


def test_another_machines_files_are_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    web, mine = server.FindVirtualMachine("web"), server.CreateVirtualMachine("mine", "C:\\")
    monkeypatch.setattr(type(server._server.connection), "is_local", property(lambda _: False))
    for name, arguments in (
        ("CreateVirtualMachine", ("db", "C:\\")),
        ("RegisterVirtualMachine", ("db", "C:\\")),
        ("UnregisterVirtualMachine", (web,)),
        ("DeleteVirtualMachine", (mine,)),
        ("GetHardDiskFiles", ([],)),
    ):
        with pytest.raises(ComError, match="run this on that host"):
            getattr(server, name)(*arguments)
    mine.Name = "yours"  # its file, which is the other machine's, keeps its name
    assert mine.File == "C:\\mine.vmc"
    server.DeleteVirtualMachine(web)  # of which no file is known


# -- register --------------------------------------------------------------------------------------------------


@pytest.fixture
def moved(home: Path) -> Path:
    """A .vmc of Virtual Server in C:\\VMs\\web, whose disks came along, of which one was elsewhere."""
    folder = home / "VMs" / "web"
    folder.mkdir(parents=True)
    shutil.copy(FIXTURES / "virtual-server.vmc", folder / "moved.vmc")
    for name in ("hda.vhd", "data.vhd"):
        vhd_files.write(folder / name, VhdType.DYNAMIC, 1 << 20, {})
    return folder


def test_a_machine_of_virtual_server(server: Server, moved: Path, caplog: pytest.LogCaptureFixture) -> None:
    with server._server.connection.calls(write=True) as connect:
        connect.networkDefineXML("<network><name>default</name></network>")
    machine = server.RegisterVirtualMachine("moved", "C:\\VMs\\web")
    assert machine.File == "C:\\VMs\\web\\moved.vmc"
    assert machine.ConfigID == machine.BIOSGUID == "{8F0E2B1C-5D3A-4B6C-9E7F-0A1B2C3D4E5F}"
    assert machine.Memory == 256
    assert (machine.BIOSSerialNumber, machine.BaseBoardSerialNumber) == ("1111-2222", "3333-4444")
    assert (machine.ChassisSerialNumber, machine.ChassisAssetTag) == ("7777-8888", "5555-6666")
    text = definition(machine)
    for expected in (
        f'<source file="{moved}/hda.vhd"/>',
        f'<source file="{moved}/data.vhd"/>',  # D:\\elsewhere is not mapped: beside the .vmc
        f'<source file="{moved}/setup.iso"/>',  # missing: the machine says so when it starts
        f'<source path="{moved}/com1.txt"/>',
        '<source mode="bind" path="/var/lib/libvirt/qemu/pipe-web"/>',
        '<mac address="00:03:ff:11:22:33"/>',
        '<source network="default"/>',
        '<link state="down"/>',
        '<driver name="qemu" type="vpc"/>',
    ):
        assert expected in text
    assert "there is no file" in caplog.text
    assert "Local only" in caplog.text
    assert [port.Name for port in machine.SerialPorts] == ["C:\\VMs\\web\\com1.txt", "\\\\.\\pipe\\web"]
    # What libvirt has no place for.
    assert machine.GetConfigurationValue("properties/creator/build") == "1.1.603.0 EE"
    assert machine.GetConfigurationValue("hardware/bios/cmos") == b"\x00\xff" * 8
    assert machine.GetConfigurationValue("integration/microsoft/host_time_sync/frequency") == 15
    assert machine.GetConfigurationValue("hardware/memory/ram_size") == 256
    machine.SetConfigurationValue("settings/mine", True)  # what was kept is no hindrance


def test_a_machine_of_windows_virtual_pc_by_its_pointer(server: Server, home: Path) -> None:
    for name in ("windows-virtual-pc.vmc", "windows-virtual-pc.vmcx"):
        shutil.copy(FIXTURES / name, home / name)
    machine = server.RegisterVirtualMachine("seven", "C:\\windows-virtual-pc.vmcx")
    assert (machine.Name, machine.File) == ("seven", "C:\\windows-virtual-pc.vmc")
    assert (machine.Memory, machine.Notes) == (512, "moved from the old desk")


@pytest.mark.parametrize(
    ("path", "code", "why"),
    [
        ("", HRESULT.E_INVALID_NAME, "a path is not empty"),
        ("Q:\\a.vmc", HRESULT.E_PATH_NOT_FOUND, "drive Q: stands for no folder"),
        ("\\\\host\\share\\a.vmc", HRESULT.E_BAD_PATHNAME, "no absolute path"),
        (".\\a.txt", HRESULT.E_BAD_PATHNAME, r"no \.vmc file"),
    ],
)
def test_a_pointer_that_leads_nowhere_is_named(
    server: Server, home: Path, path: str, code: HRESULT, why: str
) -> None:
    (home / "a.vmcx").write_text(f"<vm_description><vmc_path>{path}</vmc_path></vm_description>")
    with pytest.raises(ComError, match=rf"a\.vmcx points to .*{why}") as caught:
        server.RegisterVirtualMachine("", "C:\\a.vmcx")
    assert caught.value.scode == code


def test_a_disk_with_undo_data_is_not_ruined(server: Server, moved: Path) -> None:
    (moved / "VirtualPCUndo_hda.vud").touch()
    with pytest.raises(ComError, match="merge it in the product first"):
        server.RegisterVirtualMachine("moved", "C:\\VMs\\web")
    assert server.FindVirtualMachine("moved") is None


def test_a_disk_that_no_drive_covers_is_named(node: Node, home: Path, moved: Path) -> None:
    server = application(node, VS)
    values = vmc.read((moved / "moved.vmc").read_bytes())
    disk = "hardware/pci_bus/ide_adapter/ide_controller[@id=0]/location[@id=0]/pathname"
    (moved / "moved.vmc").write_bytes(vmc.write({**values, f"{disk}/relative": ""}))
    with pytest.raises(ComError, match=r"drive C: stands for no folder.*VPCSHIM_DRIVES") as caught:
        server.RegisterVirtualMachine("moved", str(moved))
    assert caught.value.scode == HRESULT.E_PATH_NOT_FOUND


def test_files_that_cannot_be_registered(server: Server, home: Path, moved: Path) -> None:
    assert code_of(lambda: server.RegisterVirtualMachine("no", "C:\\VMs")) == HRESULT.E_FILE_NOT_FOUND
    assert code_of(lambda: server.RegisterVirtualMachine("no", "C:\\nowhere")) == HRESULT.E_PATH_NOT_FOUND
    (home / "VMs/folder.vmc").mkdir()
    assert code_of(lambda: server.RegisterVirtualMachine("folder", "C:\\VMs")) == HRESULT.E_FILE_NOT_FOUND
    assert code_of(lambda: server.RegisterVirtualMachine("web", "C:\\VMs\\web\\moved.vmc")) == (
        HRESULT.VM_E_CONFIG_DUPLICATE_NAME
    )
    server.RegisterVirtualMachine("", "C:\\VMs\\web\\moved.vmc")
    with pytest.raises(ComError, match="registered already, as moved") as caught:
        server.RegisterVirtualMachine("again", "C:\\VMs\\web\\moved.vmc")
    assert caught.value.scode == HRESULT.E_ALREADY_EXISTS
    (home / "link").symlink_to(moved)
    with pytest.raises(ComError, match="registered already, as moved"):
        server.RegisterVirtualMachine("again", "C:\\link\\moved.vmc")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        vmc.write({}),
        b"<domain/>",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><preferences/>',
        b"x" * (5 << 20),
    ],
)
def test_what_is_no_vmc_is_refused(server: Server, home: Path, data: bytes) -> None:
    (home / "bad.vmc").write_bytes(data)
    with pytest.raises(ComError, match=r"bad\.vmc") as caught:
        server.RegisterVirtualMachine("bad", "C:\\")
    assert caught.value.scode == HRESULT.DISP_E_EXCEPTION


def test_a_copy_of_a_file_is_another_machine(server: Server, moved: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copy(moved / "moved.vmc", moved / "copy.vmc")
    first = server.RegisterVirtualMachine("", "C:\\VMs\\web\\moved.vmc")
    second = server.RegisterVirtualMachine("", "C:\\VMs\\web\\copy.vmc")
    assert first.ConfigID != second.ConfigID
    assert "a new one is made up" in caplog.text


@pytest.mark.parametrize(
    ("name", "path"), [("MOVED", "C:\\vms\\WEB"), ("", "c:\\VMS\\web\\Moved"), ("Moved.VMC", "C:\\VMs\\web")]
)
def test_a_file_is_found_in_any_case(server: Server, moved: Path, name: str, path: str) -> None:
    machine = server.RegisterVirtualMachine(name, path)
    assert machine.File == "C:\\VMs\\web\\moved.vmc"
    server.UnregisterVirtualMachine(machine)
    assert sorted(os.listdir(moved)) == ["data.vhd", "hda.vhd", "moved.vmc"]
    assert code_of(lambda: server.CreateVirtualMachine(name or "Moved", "C:\\VMs\\web")) == HRESULT.E_ALREADY_EXISTS


def test_copies_that_are_registered_at_once_are_two_machines(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is looked at another process registers the other: their GUIDs and addresses are not the same."""
    at = f"{ETHERNET}/ethernet_controller[@id=0]/ethernet_card_address"
    foreign(home, {at: bytes.fromhex("0003FF112233"), "hardware/bios/bios_guid": f"{{{uuid.uuid4()}}}"})
    shutil.copy(home / "theirs/theirs.vmc", home / "copy.vmc")
    fitted = fitting.fitted
    others: list[Any] = []

    def slow(*args: Any) -> Any:
        result = fitted(*args)
        if not others:
            others.append(None)
            others[0] = server.RegisterVirtualMachine("", "C:\\copy.vmc")
        return result

    monkeypatch.setattr(fitting, "fitted", slow)
    machine = theirs(server)
    assert machine.ConfigID != others[0].ConfigID
    assert machine.NetworkAdapters(1).EthernetAddress != others[0].NetworkAdapters(1).EthernetAddress


ETHERNET = "hardware/pci_bus/ethernet_adapter"


def test_no_two_adapters_have_one_address(server: Server, home: Path, caplog: pytest.LogCaptureFixture) -> None:
    at = f"{ETHERNET}/ethernet_controller"
    addresses = ("0003FF112233", "0003FF112233", "FFFFFFFFFFFF", "0003FF445566")
    values: dict[str, Value] = {
        f"{at}[@id={number}]/ethernet_card_address": bytes.fromhex(address)
        for number, address in enumerate(addresses)
    }
    foreign(home, values)
    shutil.copy(home / "theirs/theirs.vmc", home / "copy.vmc")
    first = [adapter.EthernetAddress for adapter in theirs(server).NetworkAdapters]
    copy = server.RegisterVirtualMachine("", "C:\\copy.vmc")
    second = [adapter.EthernetAddress for adapter in copy.NetworkAdapters]
    assert (first[0], first[3]) == ("00-03-ff-11-22-33", "00-03-ff-44-55-66")
    assert len({*first, *second}) == 8
    for text in ("theirs has the address 00:03:ff:11:22:33", "ff:ff:ff:ff:ff:ff is no address of an adapter"):
        assert text in caplog.text


UNDO, START = "settings/undo_drives", "settings/startup/automatic/type"


@pytest.mark.parametrize(
    ("enabled", "action", "start", "expected"),
    [
        (True, 2, 1, (True, VMUndoAction.vmUndoAction_Commit, 1)),
        (False, 1, 0, (False, VMUndoAction.vmUndoAction_Keep, 0)),
        (
            True,
            0,
            2,
            (True, VMUndoAction.vmUndoAction_Keep, 0),
        ),  # what loses nothing, unless somebody here chooses it
        ("true", 7, True, (False, VMUndoAction.vmUndoAction_Keep, 0)),
    ],
)
def test_what_was_chosen_for_a_machine_is_taken_over(
    server: Server,
    home: Path,
    enabled: Value,
    action: int,
    start: Value,
    expected: tuple[bool, VMUndoAction, int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    foreign(home, {f"{UNDO}/enabled": enabled, f"{UNDO}/default_action": action, START: start})
    machine = theirs(server)
    with machine._domain() as domain:
        assert (machine.Undoable, machine.UndoAction, domain.autostart()) == expected
    assert ("kept, not discarded" in caplog.text) is (action == 0)
    assert ("libvirt has always and never" in caplog.text) is (start == 2)


def theirs(server: Server) -> Any:
    return server.RegisterVirtualMachine("", "C:\\theirs\\theirs.vmc")


def foreign(home: Path, values: dict[str, Value]) -> str:
    """A .vmc that somebody else wrote, in C:\\theirs; its path."""
    (home / "theirs").mkdir()
    (home / "theirs" / "theirs.vmc").write_bytes(vmc.write({"hardware/memory/ram_size": 64, **values}))
    return "C:\\theirs\\theirs.vmc"


IDE = "hardware/pci_bus/ide_adapter/ide_controller[@id=0]/location[@id=0]"


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize(
    "image", ["/etc/shadow", "/dev/null", "C:\\secret", "..\\secret", ".\\linked.img", "C:\\a.vhd"]
)
def test_a_file_from_elsewhere_names_images_alone(server: Server, home: Path, image: str, kind: int) -> None:
    (home / "secret").write_text("root's")
    (home / "a.vhd").mkdir()
    place = "relative" if image.startswith(".") else "absolute"
    path = foreign(home, {f"{IDE}/drive_type": kind, f"{IDE}/pathname/{place}": image})
    (home / "theirs/linked.img").symlink_to(home / "secret")
    with pytest.raises(ComError, match=r"theirs\.vmc names .* is no (image by its name|file)"):
        server.RegisterVirtualMachine("", path)
    assert server.FindVirtualMachine("theirs") is None


@pytest.mark.parametrize("options", ["backing_fmt=raw,backing_file=/etc/passwd", "data_file={home}/d.img"])
def test_an_image_from_elsewhere_lies_over_images_alone(server: Server, home: Path, options: str) -> None:
    tool = needs.program("qemu-img", "qemu-utils")
    path = foreign(home, {f"{IDE}/drive_type": 1, f"{IDE}/pathname/relative": ".\\disk.qcow2"})
    image = home / "theirs/disk.qcow2"
    command = [tool, "create", "-q", "-f", "qcow2", "-o", options.format(home=home), str(image), "1M"]
    subprocess.run(command, check=True)
    with pytest.raises(
        ComError, match=r"lies over /etc/passwd.* is no image by its|is in other files that it names"
    ):
        server.RegisterVirtualMachine("", path)
    assert server.FindVirtualMachine("theirs") is None


def test_a_hard_disk_without_an_image_is_none(server: Server, home: Path, caplog: pytest.LogCaptureFixture) -> None:
    foreign(
        home, {f"{IDE}/drive_type": 1, f"{IDE}/pathname/absolute": "", f"{IDE}/undo_pathname/absolute": "C:\\u.vud"}
    )
    assert list(theirs(server).HardDiskConnections) == []
    assert "names no image for the hard disk on ide controller 0, location 0" in caplog.text


@pytest.mark.parametrize("drive", ["D:", "d:\\", "\\\\.\\CdRom0", "\\\\.\\PhysicalDrive1"])
def test_a_drive_of_the_old_host_is_not_carried_over(server: Server, home: Path, drive: str) -> None:
    foreign(home, {f"{IDE}/drive_type": 1, f"{IDE}/pathname/absolute": drive})
    with pytest.raises(ComError, match=r"a drive of its old host as a hard disk.*AddHardDiskConnection"):
        theirs(server)
    shutil.rmtree(home / "theirs")
    foreign(home, {f"{IDE}/drive_type": 2, f"{IDE}/pathname/absolute": drive})
    assert [each.Attachment for each in theirs(server).DVDROMDrives] == [0]  # nothing


@pytest.mark.parametrize("paths", [("C:\\VMs\\web.vsv", ""), ("", ".\\web.vsv"), ("", "")])
def test_a_saved_state_that_is_left_behind_is_told(
    server: Server, home: Path, paths: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    key = "settings/configuration/saved_state/path"
    foreign(home, {f"{key}/absolute": paths[0], f"{key}/relative": paths[1]})
    assert theirs(server).GetConfigurationValue(f"{key}/absolute") == paths[0]
    told = f"its saved state {''.join(paths)} is not carried over"
    assert (told in caplog.text) is any(paths)


def test_an_image_that_is_none_is_named_with_its_file(server: Server, home: Path) -> None:
    (home / "a.vhd").write_bytes(b"what a download left".ljust(4096))
    foreign(home, {f"{IDE}/drive_type": 1, f"{IDE}/pathname/absolute": "C:\\a.vhd"})
    with pytest.raises(ComError, match=r"theirs\.vmc: .*a\.vhd is no image of the format vpc"):
        theirs(server)


def test_a_network_whose_name_no_bridge_can_have_is_none(server: Server, home: Path) -> None:
    foreign(home, {f"{ETHERNET}/ethernet_controller[@id=0]/virtual_network/name": "x" * 300})
    assert theirs(server).NetworkAdapters(1).VirtualNetwork is None


def test_the_port_whose_file_cannot_be_had_is_named(server: Server, home: Path) -> None:
    port = "hardware/super_io/serial_port[@id=1]"
    foreign(home, {f"{port}/port_type": 2, f"{port}/text_file_path": "Q:\\com.txt"})
    with pytest.raises(
        ComError, match=r"theirs\.vmc: the file of serial port 2 .* drive Q: stands for no"
    ) as caught:
        theirs(server)
    assert caught.value.scode == HRESULT.E_PATH_NOT_FOUND


def test_a_differencing_image_is_no_disk_with_holes(server: Server, home: Path) -> None:
    """QEMU takes it for one, and its guest would write into the holes."""
    path = foreign(home, {f"{IDE}/drive_type": 1, f"{IDE}/pathname/relative": ".\\child.vhd"})
    folder = home / "theirs"
    vhd_files.write(folder / "parent.vhd", VhdType.DYNAMIC, 1 << 16, {0: b"p" * 512})
    vhd_files.write(
        folder / "child.vhd",
        VhdType.DIFFERENCING,
        1 << 16,
        {},
        identifier=vhd_files.CHILD,
        parent=vhd_files.PARENT,
        name="parent.vhd",
    )
    with pytest.raises(ComError, match=r"theirs\.vmc: .*child\.vhd is a differencing \.vhd.*MergeTo"):
        server.RegisterVirtualMachine("", path)
    assert server.FindVirtualMachine("theirs") is None


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (2, "text_file_path", "/etc/cron.d/theirs"),
        (2, "text_file_path", "C:\\precious.vhd"),
        (2, "text_file_path", ".\\linked.txt"),
        (3, "pipe_name", "/etc/passwd"),
        (1, "port_name", "/dev/mem"),
        (1, "port_name", "/dev/../etc/passwd"),
    ],
)
def test_a_port_of_a_file_from_elsewhere_empties_no_file(
    server: Server, home: Path, kind: int, key: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "precious.vhd").write_text("a disk")
    port = "hardware/super_io/serial_port[@id=0]"
    path = foreign(home, {f"{port}/port_type": kind, f"{port}/{key}": value})
    (home / "theirs/linked.txt").symlink_to(home / "precious.vhd")
    text = definition(server.RegisterVirtualMachine("", path))
    assert '<serial type="null"' in text
    assert "<source path" not in text
    assert "is connected to nothing" in caplog.text


# -- whose file it is ------------------------------------------------------------------------------------------


def with_file(server: Server, name: str, file: Path | str) -> Any:
    """That machine, whose metadata name a file."""
    machine = server.FindVirtualMachine(name)
    with machine._domain(write=True) as domain:
        settings.change(domain, lambda held: replace(held, file=str(file)))
    return machine


@pytest.mark.parametrize("file", ["passwd", "web", "web.txt"])
@pytest.mark.parametrize("what", ["delete", "unregister", "rename"])
def test_what_is_no_vmc_is_never_written_or_removed(server: Server, home: Path, file: str, what: str) -> None:
    (home / file).write_text("precious")
    machine = with_file(server, "web", home / file)
    if what == "delete":
        server.DeleteVirtualMachine(machine)
    elif what == "unregister":
        server.UnregisterVirtualMachine(machine)
    else:
        machine.Name = "passwords"
    assert {path.name: path.read_text() for path in home.iterdir()} == {file: "precious"}


@pytest.mark.parametrize("what", ["delete", "unregister"])
def test_the_file_of_a_clones_original_is_not_the_clones(server: Server, home: Path, what: str) -> None:
    """As virt-clone makes them: the definition, metadata and all, under another name."""
    original = server.CreateVirtualMachine("db", "C:\\")
    before = (home / "db.vmc").read_bytes()
    clone = with_file(server, "web", home / "db.vmc")
    if what == "delete":
        server.DeleteVirtualMachine(clone)
    else:
        server.UnregisterVirtualMachine(clone)
        assert server.RegisterVirtualMachine("web", server.DefaultVMConfigurationPath) == clone
    assert (home / "db.vmc").read_bytes() == before
    server.DeleteVirtualMachine(original)
    assert list(home.glob("*.vmc")) == []


def test_a_pointer_is_no_file_of_a_machine(server: Server, home: Path) -> None:
    assert code_of(lambda: server.CreateVirtualMachine("", "C:\\new.vmcx")) == HRESULT.E_INVALID_NAME
    (home / "to.vmcx").write_text("<vm_description><vmc_path>.\\precious.txt</vmc_path></vm_description>")
    (home / "precious.txt").write_bytes(vmc.write({}))
    assert code_of(lambda: server.RegisterVirtualMachine("", "C:\\to.vmcx")) == HRESULT.E_BAD_PATHNAME


# -- unregister and register again -----------------------------------------------------------------------------


def test_what_is_unregistered_comes_back_as_it_was(server: Server, home: Path) -> None:
    machine = server.CreateVirtualMachine("db", "C:\\VMs")
    machine.Notes = "kept\nwith \u00e4 and <b>"
    machine.SetConfigurationValue("ours/here", b"\x00\x01")
    before = definition(machine)
    assert server.UnregisterVirtualMachine(machine) is None
    assert server.FindVirtualMachine("db") is None
    again = server.RegisterVirtualMachine("db", "C:\\VMs")
    assert definition(again) == before
    assert again == machine  # the object that a script held is good again


def test_a_machine_with_all_the_values_that_it_may_have_comes_back(server: Server, home: Path) -> None:
    machine = server.CreateVirtualMachine("db", "C:\\VMs")
    with machine._domain(write=True) as domain:
        many = {f"mine/v{number}": "x" * 65530 for number in range(16)}
        settings.change(domain, lambda held: replace(held, values=many))
    before = definition(machine)
    server.UnregisterVirtualMachine(machine)
    assert definition(server.RegisterVirtualMachine("db", "C:\\VMs")) == before


def test_a_machine_that_no_file_can_hold_is_not_forgotten(server: Server, home: Path) -> None:
    machine = server.CreateVirtualMachine("db", "C:\\VMs")
    file = (home / "VMs/db.vmc").read_bytes()
    with machine._domain(write=True) as domain:
        text = f"<large xmlns='urn:somebody'>{'x' * (3 << 20)}</large>"
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, text, "large", "urn:somebody", 0)
    before = definition(machine)
    with pytest.raises(ComError, match=r"no \.vmc file can hold its definition: it has .* bytes"):
        server.UnregisterVirtualMachine(machine)
    assert (definition(machine), (home / "VMs/db.vmc").read_bytes()) == (before, file)


def test_a_machine_that_was_started_meanwhile_is_kept(server: Server) -> None:
    machine = server.FindVirtualMachine("busy")
    with machine._domain(write=True) as domain:
        domain.setAutostart(1)
        with pytest.raises(DomainBusy, match="started meanwhile"):
            registered.undefine(domain, keep=True)
        assert (domain.isActive(), domain.isPersistent(), domain.autostart()) == (1, 1, 1)


def test_half_of_a_machine_is_not_registered(server: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = server.CreateVirtualMachine("db", "C:\\VMs")
    with machine._domain(write=True) as domain:
        domain.setAutostart(1)
    server.UnregisterVirtualMachine(machine)

    def refused(*_: object) -> None:
        raise libvirt.libvirtError("no autostart today")

    with monkeypatch.context() as patched:
        patched.setattr(libvirt.virDomain, "setAutostart", refused)
        with pytest.raises(ComError):
            server.RegisterVirtualMachine("db", "C:\\VMs")
    assert server.FindVirtualMachine("db") is None
    again = server.RegisterVirtualMachine("db", "C:\\VMs")
    with again._domain() as domain:
        assert domain.autostart() == 1


def test_a_definition_that_somebody_changed_is_not_believed(
    server: Server, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine = server.CreateVirtualMachine("db", "C:\\VMs")
    machine.Notes = "trusted"
    server.UnregisterVirtualMachine(machine)
    file = home / "VMs/db.vmc"
    values = vmc.read(file.read_bytes())
    text = values["vpcshim/definition"]
    assert isinstance(text, str)
    file.write_bytes(vmc.write({**values, "vpcshim/definition": text.replace("trusted", "forged")}))
    again = server.RegisterVirtualMachine("db", "C:\\VMs")
    assert (again.Notes, again.Memory, again.ConfigID) == ("trusted", 128, machine.ConfigID)
    assert "its hardware is what counts" in caplog.text


def test_a_value_that_somebody_changed_is_what_counts(server: Server, home: Path) -> None:
    machine = server.CreateVirtualMachine("db", "C:\\VMs")
    server.UnregisterVirtualMachine(machine)
    file = home / "VMs/db.vmc"
    file.write_bytes(vmc.write({**vmc.read(file.read_bytes()), "hardware/memory/ram_size": 64}))
    assert server.RegisterVirtualMachine("db", "C:\\VMs").Memory == 64


def test_the_files_definition_is_for_its_owner_alone(server: Server, home: Path) -> None:
    server.UnregisterVirtualMachine(server.CreateVirtualMachine("db", "C:\\VMs"))
    assert (home / "VMs/db.vmc").stat().st_mode & 0o777 == 0o600


def test_a_machine_without_a_file_gets_one(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = definition(server.FindVirtualMachine("web"))
    server.UnregisterVirtualMachine(server.FindVirtualMachine("web"))
    assert "its definition is kept in" in caplog.text
    again = server.RegisterVirtualMachine("web", server.DefaultVMConfigurationPath)
    assert definition(again).replace(f' file="{again.File}"', "").count("<") >= before.count("<")
    assert again.File.startswith(server.DefaultVMConfigurationPath)


def test_unregistering_that_was_interrupted_is_taken_up_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A machine without a .vmc of its own: the file is there, and so is the machine."""

    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    machine = server.FindVirtualMachine("web")
    with monkeypatch.context() as patched:
        patched.setattr(registered, "undefine", kill)
        with pytest.raises(Killed):
            server.UnregisterVirtualMachine(machine)
    machine.Notes = "since then"
    server.UnregisterVirtualMachine(machine)
    assert "left by an interrupted UnregisterVirtualMachine" in caplog.text
    assert server.RegisterVirtualMachine("web", server.DefaultVMConfigurationPath).Notes == "since then"


@pytest.mark.parametrize("data", [b"somebody's", vmc.write({"hardware/memory/ram_size": 64})])
def test_a_file_in_the_way_of_a_definition_is_named_and_left(server: Server, data: bytes) -> None:
    file = Path(server.DefaultVMConfigurationPath) / "web.vmc"
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    with pytest.raises(ComError, match=rf"would go to {file}, which is there: move or remove that first"):
        server.UnregisterVirtualMachine(server.FindVirtualMachine("web"))
    assert file.read_bytes() == data
    assert server.FindVirtualMachine("web") is not None


def test_what_another_user_registers_is_what_the_machine_was_last(
    server: Server, home: Path, tmp_path: Path
) -> None:
    """Not what the file said when the machine came: a drive that was since removed is gone."""
    scsi = "hardware/pci_bus/scsi_adapter[@id=0]/scsi_controller[@id=0]/location[@id=0]"
    foreign(home, {f"{scsi}/drive_type": 1, f"{scsi}/pathname/relative": ".\\gone.vhd", "ours/own": 7})
    machine = theirs(server)
    with machine._domain(write=True) as domain:
        disks.change(domain, lambda devices: devices.remove("sda"))
        domain.setAutostart(1)
    machine.Notes = "by the first\nuser"
    server.UnregisterVirtualMachine(machine)
    shutil.rmtree(tmp_path / "config")  # the key of the user who sealed it
    again = theirs(server)
    assert again.Notes == "by the first\r\nuser"
    assert again.GetConfigurationValue("ours/own") == 7
    with again._domain() as domain:
        assert (disks.read(domain).drives, domain.autostart()) == ((), 1)


def test_what_libvirt_has_no_place_for_is_there_for_another_user(
    server: Server, moved: Path, tmp_path: Path
) -> None:
    keys = (
        "hardware/super_io/parallel_port/port_shared",
        f"{ETHERNET}/ethernet_controller[@id=0]/virtual_network/id",
    )
    machine = server.RegisterVirtualMachine("moved", "C:\\VMs\\web")
    values = [machine.GetConfigurationValue(key) for key in keys]
    server.UnregisterVirtualMachine(machine)
    shutil.rmtree(tmp_path / "config")  # the key of the user who sealed it
    again = server.RegisterVirtualMachine("moved", "C:\\VMs\\web")
    assert [again.GetConfigurationValue(key) for key in keys] == values


def test_a_folder_that_goes_to_another_host_takes_its_disks_along(
    node: Node, server: Server, moved: Path, tmp_path: Path
) -> None:
    server.UnregisterVirtualMachine(server.RegisterVirtualMachine("moved", "C:\\VMs\\web"))
    shutil.rmtree(tmp_path / "config")  # another host, another user, another drive
    moved.rename(tmp_path / "e")
    drives = {"C:": str(tmp_path / "others"), "E:": str(tmp_path / "e")}
    there = application(node, VS, drives=drives).RegisterVirtualMachine("moved", "E:\\")
    assert [disk.HardDisk.File for disk in there.HardDiskConnections] == ["E:\\hda.vhd", "E:\\data.vhd"]


def test_a_drive_is_told_as_it_is_now(server: Server, moved: Path) -> None:
    machine = server.RegisterVirtualMachine("moved", "C:\\VMs\\web")
    key = "hardware/pci_bus/scsi_adapter[@id=0]/scsi_controller/location[@id=3]/pathname/absolute"
    assert machine.GetConfigurationValue(key) == "C:\\VMs\\web\\data.vhd"  # where it was found
    with machine._domain(write=True) as domain:
        disks.change(domain, lambda devices: devices.remove("sda"))
    assert code_of(lambda: machine.GetConfigurationValue(key)) == HRESULT.VM_E_PREF_NOT_FOUND


def test_the_same_machine_twice_is_refused(virtual_server: Server, home: Path) -> None:
    server = virtual_server
    machine = server.CreateVirtualMachine("db", "C:\\VMs")
    server.UnregisterVirtualMachine(machine)
    shutil.copy(home / "VMs/db.vmc", home / "copy.vmc")
    server.RegisterVirtualMachine("db", "C:\\VMs")
    with pytest.raises(ComError, match="bios_guid") as caught:
        server.RegisterVirtualMachine("copy", "C:\\copy.vmc")
    assert caught.value.scode == HRESULT.E_ALREADY_EXISTS


def test_the_same_machine_at_once_is_refused_alike(
    virtual_server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = virtual_server
    server.UnregisterVirtualMachine(server.CreateVirtualMachine("db", "C:\\VMs"))
    shutil.copy(home / "VMs/db.vmc", home / "copy.vmc")
    restored = registered.restored

    def slow(*args: Any) -> Any:
        if args[2] == "copy":
            server.RegisterVirtualMachine("db", "C:\\VMs")
        return restored(*args)

    monkeypatch.setattr(registered, "restored", slow)
    with pytest.raises(ComError, match="bios_guid") as caught:
        server.RegisterVirtualMachine("copy", "C:\\copy.vmc")
    assert caught.value.scode == HRESULT.E_ALREADY_EXISTS


# -- delete ----------------------------------------------------------------------------------------------------


def test_deleting_removes_the_file_and_leaves_the_images(server: Server, moved: Path) -> None:
    machine = server.RegisterVirtualMachine("moved", "C:\\VMs\\web")
    assert server.DeleteVirtualMachine(machine) is None
    assert sorted(os.listdir(moved)) == ["data.vhd", "hda.vhd"]
    assert server.FindVirtualMachine("moved") is None


def test_a_machine_that_somebody_else_defined_is_undefined_and_no_more(server: Server, tmp_path: Path) -> None:
    before = sorted(path for path in tmp_path.rglob("*"))
    server.DeleteVirtualMachine(server.FindVirtualMachine("web"))
    assert server.FindVirtualMachine("web") is None
    assert sorted(path for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("method", ["DeleteVirtualMachine", "UnregisterVirtualMachine"])
def test_what_does_not_go(node: Node, server: Server, method: str) -> None:
    call = getattr(server, method)
    busy = server.FindVirtualMachine("busy")
    assert code_of(lambda: call(busy)) == HRESULT.VM_E_VM_RUNNING
    assert code_of(lambda: call(None)) == HRESULT.E_POINTER
    assert code_of(lambda: call(server)) == HRESULT.DISP_E_TYPEMISMATCH
    assert code_of(lambda: call("web")) == HRESULT.DISP_E_TYPEMISMATCH
    other = CreateObject("VirtualServer.Application", "test:///default").FindVirtualMachine("test")
    with pytest.raises(ComError, match="belongs to test:///default"):
        call(other)
    web = server.FindVirtualMachine("web")
    with web._domain(write=True) as domain:
        domain.undefine()
    assert getattr(server, f"raw_{method}")(web) is HRESULT.S_FALSE


def test_a_saved_machine_is_deleted_with_its_state_and_not_unregistered(
    vpcshim_node: NodeBuilder, home: Path
) -> None:
    server = application(vpcshim_node(Machine("kept", state="saved")), VS)
    machine = server.FindVirtualMachine("kept")
    with pytest.raises(ComError, match="DiscardSavedState"):
        server.UnregisterVirtualMachine(machine)
    server.DeleteVirtualMachine(machine)
    assert server.FindVirtualMachine("kept") is None


def test_a_machine_with_snapshots_is_not_unregistered(virtual_server: Server) -> None:
    machine = virtual_server.FindVirtualMachine("web")
    with machine._domain(write=True) as domain:
        domain.snapshotCreateXML("<domainsnapshot><name>one</name></domainsnapshot>")
    with pytest.raises(ComError, match="1 snapshots"):
        virtual_server.UnregisterVirtualMachine(machine)
    virtual_server.DeleteVirtualMachine(machine)
    assert virtual_server.FindVirtualMachine("web") is None


def test_a_change_under_way_does_not_bring_a_machine_back(server: Server, home: Path) -> None:
    machine = server.CreateVirtualMachine("db", "C:\\VMs")
    begun = threading.Event()

    def change(_root: object) -> None:
        begun.set()
        time.sleep(0.3)

    def changes() -> None:
        with machine._domain(write=True) as domain:
            redefine.redefine(domain, change)

    thread = threading.Thread(target=changes)
    thread.start()
    assert begun.wait(10)
    server.DeleteVirtualMachine(machine)
    thread.join()
    assert server.FindVirtualMachine("db") is None
    assert os.listdir(home / "VMs") == []


# -- rename ----------------------------------------------------------------------------------------------------


def test_the_file_goes_with_the_name(server: Server, home: Path) -> None:
    machine = server.CreateVirtualMachine("db", "C:\\VMs")
    machine.Name = "DB 2"
    assert (machine.File, os.listdir(home / "VMs")) == ("C:\\VMs\\DB 2.vmc", ["DB 2.vmc"])
    machine.Name = "db 2"
    assert (machine.File, os.listdir(home / "VMs")) == ("C:\\VMs\\db 2.vmc", ["db 2.vmc"])


def test_a_file_of_another_name_keeps_it(server: Server, home: Path) -> None:
    machine = server.CreateVirtualMachine("db", "C:\\VMs\\of mine.vmc")
    machine.Name = "db2"
    assert (machine.Name, machine.File) == ("db2", "C:\\VMs\\of mine.vmc")


def test_a_file_that_is_in_the_way_is_left_as_it_is(server: Server, home: Path) -> None:
    machine = server.CreateVirtualMachine("db", "C:\\VMs")
    (home / "VMs/db2.vmc").write_text("somebody's")
    assert machine.put_Name("db2") is HRESULT.VM_E_CONFIG_DUPLICATE_NAME
    assert (machine.Name, machine.File) == ("db", "C:\\VMs\\db.vmc")
    assert (home / "VMs/db2.vmc").read_text() == "somebody's"


def test_a_rename_that_was_interrupted_is_taken_up_again(
    server: Server, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine = server.CreateVirtualMachine("db", "C:\\VMs")
    shutil.copy(home / "VMs/db.vmc", home / "VMs/db2.vmc")
    with caplog.at_level(logging.WARNING):
        machine.Name = "db2"
    assert "interrupted" in caplog.text
    assert (machine.File, os.listdir(home / "VMs")) == ("C:\\VMs\\db2.vmc", ["db2.vmc"])


# -- searching -------------------------------------------------------------------------------------------------


def test_files_are_found_in_the_folders_and_below(server: Server, home: Path) -> None:
    for name in ("a.vhd", "sub/B.VHD", "sub/c.iso", "d.vfd", ".a.vhd.vpcshim-new", ".hidden.vhd", "e.vmc", "f.txt"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).touch()
    assert server.GetHardDiskFiles([]) == ()
    assert server.GetHardDiskFiles(["C:\\"]) == ("C:\\a.vhd", "C:\\sub\\B.VHD")
    server.SearchPaths = ["C:\\sub"]
    assert server.SearchPaths == ("C:\\sub",)
    assert server.GetHardDiskFiles([]) == ("C:\\sub\\B.VHD",)
    assert server.GetDVDFiles(["C:\\"]) == ("C:\\sub\\c.iso",)  # each once
    assert server.GetFloppyDiskFiles([str(home)]) == ("C:\\d.vfd",)
    assert server.GetVirtualMachineFiles(["C:\\"], False) == ("C:\\e.vmc",)
    server.SearchPaths = []
    assert server.SearchPaths == ()


def test_registered_machines_can_be_left_out(server: Server, home: Path) -> None:
    server.DefaultVMConfigurationPath = "C:\\"
    assert server.DefaultVMConfigurationPath == "C:\\"
    machine = server.CreateVirtualMachine("db", server.DefaultVMConfigurationPath)
    (home / "other.vmc").touch()
    assert server.GetVirtualMachineFiles([], False) == ("C:\\db.vmc", "C:\\other.vmc")
    assert server.GetVirtualMachineFiles([], True) == ("C:\\other.vmc",)
    link = home.parent / "link"
    link.symlink_to(home)
    assert set(server.GetVirtualMachineFiles([str(link)], True)) == {"C:\\other.vmc", str(link / "other.vmc")}
    server.DeleteVirtualMachine(machine)


def test_registered_networks_can_be_left_out(virtual_server: VirtualServer, home: Path) -> None:
    network = virtual_server.CreateVirtualNetwork("lan", "C:\\nets")
    (home / "nets/other.vnc").touch()
    assert virtual_server.GetVirtualNetworkFiles(["C:\\"], False) == ("C:\\nets\\lan.vnc", "C:\\nets\\other.vnc")
    assert virtual_server.GetVirtualNetworkFiles(["C:\\"], True) == ("C:\\nets\\other.vnc",)
    virtual_server.DeleteVirtualNetwork(network)


@pytest.mark.parametrize("paths", [None, "C:\\", 3, ["C:\\", 3]])
def test_what_is_no_array_of_strings_is_refused(server: Server, paths: Any) -> None:
    assert code_of(lambda: server.GetHardDiskFiles(paths)) == HRESULT.E_INVALIDARG
    assert server.put_SearchPaths(paths) is HRESULT.E_INVALIDARG


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("VMs", HRESULT.E_BAD_PATHNAME),
        ("", HRESULT.E_INVALID_NAME),
        ("C:\\a?", HRESULT.E_INVALID_NAME),
        ("C:\\nowhere", HRESULT.E_PATH_NOT_FOUND),
        ("C:\\file", HRESULT.E_PATH_NOT_FOUND),
        ("C:\\" + "x" * 260, HRESULT.E_BUFFER_OVERFLOW),
    ],
)
def test_folders_that_are_refused(server: Server, home: Path, path: str, code: HRESULT) -> None:
    (home / "file").touch()
    before = (server.DefaultVMConfigurationPath, server.SearchPaths)
    assert server.put_SearchPaths([path]) is code
    assert server.put_DefaultVMConfigurationPath(path) is code
    assert (server.DefaultVMConfigurationPath, server.SearchPaths) == before


def test_folders_by_default(server: Server, tmp_path: Path) -> None:
    name = {VS: "Shared Virtual Machines", VPC: "Virtual Machines"}[server._product_]
    assert server.DefaultVMConfigurationPath == f"{tmp_path}/data/vpcshim/{name}/"
    if isinstance(server, VirtualServer):
        assert server.DefaultVNConfigurationPath == f"{tmp_path}/data/vpcshim/Shared Virtual Networks/"


def test_each_product_prefers_its_own(node: Node, home: Path) -> None:
    application(node, Product.VIRTUAL_SERVER).SearchPaths = [str(home)]
    assert application(node, Product.VIRTUAL_PC).SearchPaths == ()


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("hardware/pci_bus/ide_adapter/ide_controller[@id=7]/location[@id=0]", "no such place"),
        ("hardware/pci_bus/ide_adapter/ide_controller[@id=0]/location[@id=999999999]", "no such place"),
        ("hardware/pci_bus/scsi_adapter[@id=0]/x/location[@id=8]", "no such place"),
    ],
)
def test_a_drive_at_a_place_that_is_none(server: Server, home: Path, key: str, why: str) -> None:
    (home / "odd.vmc").write_bytes(vmc.write({f"{key}/drive_type": 2}))
    with pytest.raises(ComError, match=why):
        server.RegisterVirtualMachine("odd", "C:\\")


def test_a_file_full_of_values_is_refused_at_once(server: Server, home: Path) -> None:
    many: dict[str, Value] = {f"a/b[@id={number}]": number for number in range(20_000)}
    (home / "many.vmc").write_bytes(
        vmc.write({**many, "hardware/super_io/serial_port[@id=999999999]/port_type": 0})
    )
    began = time.monotonic()
    with pytest.raises(ComError, match="20000 values"):
        server.RegisterVirtualMachine("many", "C:\\")
    assert time.monotonic() - began < 20
