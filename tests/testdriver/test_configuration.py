"""Configuration and activation values, and notes: what is kept where, for how long, and who is told."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import libvirt
import pytest

from tests.testdriver.support import PRODUCTS, VPC, VS, application, code_of, find, machine, raw
from vpcshim import HRESULT, VT, ComError, Variant
from vpcshim.com.member import Product
from vpcshim.constants import VMSerialPortType
from vpcshim.hypervisor import settings
from vpcshim.model import undoing
from vpcshim.model.virtual_machine import VirtualMachine
from vpcshim.testing import Disk, Machine, Nic, Node, NodeBuilder

RAM = "hardware/memory/ram_size"
EVERY_TYPE = {
    "acme/text": "  Grüße <&> \r\n\tfrom \U0001f40e  ",
    "acme/empty": "",
    "acme/blank": " ",
    "acme/flag": True,
    "acme/off": False,
    "acme/number": 4_000_000_000,
    "acme/item[@id=2]/bytes": bytes(range(256)),
    "acme/item[@id=3]/bytes": b"",
}


@pytest.fixture(params=PRODUCTS, ids=lambda product: product.value)
def product(request: pytest.FixtureRequest) -> Product:
    return request.param  # type: ignore[no-any-return]


def refusal(vm: VirtualMachine, name: str, *args: Any) -> ComError:
    with pytest.raises(ComError) as caught:
        getattr(vm, name)(*args)
    return caught.value


def put_refusal(vm: VirtualMachine, name: str, value: Any) -> ComError:
    with pytest.raises(ComError) as caught:
        setattr(vm, name, value)
    assert getattr(vm, f"put_{name}")(value) == caught.value.scode
    return caught.value


def kept(node: Node, name: str = "web", *, live: bool = False) -> settings.Settings:
    """What another connection's reader finds in the metadata."""
    from vpcshim.hypervisor import domainxml

    with node.connection() as connect:
        flags = 0 if live else libvirt.VIR_DOMAIN_XML_INACTIVE
        return settings.read(domainxml.parse(connect.lookupByName(name).XMLDesc(flags)))


def test_every_type_is_handed_out_as_it_was_set(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    vm = machine(node, "web", product)
    for key, value in EVERY_TYPE.items():
        assert vm.SetConfigurationValue(key, value) is None
    for key, value in EVERY_TYPE.items():
        code, out = raw(vm, "GetConfigurationValue", key)
        expected = value
        if key == "acme/number" and product is VPC:
            expected = 4_000_000_000 - (1 << 32)
        kinds = {str: VT.BSTR, bool: VT.BOOL, bytes: VT.ARRAY | VT.UI1, int: VT.UI4 if product is VS else VT.I4}
        assert (code, out) == (HRESULT.S_OK, Variant(kinds[type(value)], expected))
        assert vm.GetConfigurationValue(key) == expected
    assert kept(node).values == EVERY_TYPE


def test_a_value_is_replaced_and_removed_and_the_rest_stays(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(Machine("web", state="shutoff", reserve=12.5))
    vm = machine(node, "web", product)
    vm.SetConfigurationValue("acme/owner", "one")
    vm.SetConfigurationValue("acme/other", b"\1")
    vm.SetConfigurationValue("acme/owner", 2)
    assert vm.GetConfigurationValue("acme/owner") == 2
    vm.RemoveConfigurationValue("acme/owner")
    assert refusal(vm, "GetConfigurationValue", "acme/owner").scode == HRESULT.VM_E_PREF_NOT_FOUND
    assert refusal(vm, "RemoveConfigurationValue", "acme/owner").scode == HRESULT.VM_E_PREF_NOT_FOUND
    assert kept(node).values == {"acme/other": b"\1"}
    assert kept(node).reserve == 12.5


def test_memory_is_the_same_both_ways(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    vm = machine(node, "web", product)
    vm.SetConfigurationValue(RAM, 300)
    assert vm.Memory == 300
    vm.Memory = 128
    assert raw(vm, "GetConfigurationValue", RAM)[1] == Variant(VT.UI4 if product is VS else VT.I4, 128)
    assert kept(node).values == {}
    with node.connection() as connect:
        assert connect.lookupByName("web").info()[1:3] == [131072, 131072]


@pytest.mark.parametrize("value", [0, 3, 1 << 31, 0xFFFFFFFF, "300", True, b"\1"])
def test_a_size_of_memory_that_is_none_is_refused(vpcshim_node: NodeBuilder, product: Product, value: Any) -> None:
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web", product)
    assert refusal(vm, "SetConfigurationValue", RAM, value).scode == HRESULT.E_INVALIDARG
    assert vm.Memory == 256


def test_the_firmware_is_the_same_both_ways(vpcshim_node: NodeBuilder, product: Product) -> None:
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web", product)
    for key, name in (
        ("hardware/bios/bios_serial_number", "BIOSSerialNumber"),
        ("hardware/bios/base_board/serial_number", "BaseBoardSerialNumber"),
        ("hardware/bios/chassis/serial_number", "ChassisSerialNumber"),
        ("hardware/bios/chassis/asset_tag", "ChassisAssetTag"),
    ):
        assert refusal(vm, "GetConfigurationValue", key).scode == HRESULT.VM_E_PREF_NOT_FOUND
        vm.SetConfigurationValue(key, f"by {name}"[:32])
        assert getattr(vm, name) == f"by {name}"[:32]
        setattr(vm, name, "by property")
        assert vm.GetConfigurationValue(key) == "by property"
        assert refusal(vm, "SetConfigurationValue", key, "x" * 33).scode == HRESULT.E_INVALIDARG
        assert "cannot be removed" in refusal(vm, "RemoveConfigurationValue", key).description
    assert vm.GetConfigurationValue("hardware/bios/bios_guid") == vm.BIOSGUID
    vm.SetConfigurationValue("hardware/bios/bios_guid", vm.BIOSGUID.lower())


def test_what_the_domain_says_is_read_and_not_set(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(
        Machine(
            "web",
            state="shutoff",
            nics=[Nic(mac="52:54:00:12:34:56"), Nic("network", source="lan", mac="52:54:00:12:34:57")],
            disks=[Disk("cdrom", source="/iso/a.iso"), Disk("floppy", source="/flp/b.img")],
        ),
        networks=["lan"],
    )
    vm = machine(node, "web", product, drives={"C:": "/iso"})
    ethernet = "hardware/pci_bus/ethernet_adapter"
    ide = "hardware/pci_bus/ide_adapter/ide_controller"
    expected: dict[str, Any] = {
        f"{ethernet}/controller_count": 2,
        f"{ethernet}/ethernet_controller[@id=0]/ethernet_card_address": bytes.fromhex("525400123456"),
        f"{ethernet}/ethernet_controller[@id=1]/ethernet_card_address": bytes.fromhex("525400123457"),
        f"{ethernet}/ethernet_controller[@id=1]/virtual_network/name": "lan",
        f"{ide}[@id=0]/location[@id=0]/drive_type": 2,
        f"{ide}[@id=1]/location[@id=1]/drive_type": 0,
        f"{ide}[@id=0]/location[@id=0]/pathname/absolute": "C:\\a.iso",
        "hardware/super_io/floppy[@id=0]/pathname/absolute": "/flp/b.img",
        "hardware/super_io/serial_port[@id=1]/port_type": 0,
        "hardware/super_io/parallel_port/port_type": 0,
    }
    for key, value in expected.items():
        assert vm.GetConfigurationValue(key) == value, key
        error = refusal(vm, "SetConfigurationValue", key, value)
        assert (error.scode, "read-only" in error.description) == (HRESULT.E_INVALIDARG, True)
    for key in (
        f"{ethernet}/ethernet_controller[@id=2]/ethernet_card_address",
        f"{ethernet}/ethernet_controller/ethernet_card_address",
        f"{ide}[@id=0]/location[@id=2]/drive_type",
        f"{ide}[@id=1]/location[@id=1]/pathname/absolute",
        f"{ide}[@id=0]/location[@id=0]/pathname/relative",
        f"{ide}[@id=0]/location[@id=0]/undo_pathname/absolute",
        "hardware/super_io/serial_port[@id=2]/port_type",
        "hardware/super_io/serial_port[@id=0]/pipe_name",
        "hardware/super_io/floppy[@id=1]/pathname/absolute",
    ):
        assert refusal(vm, "GetConfigurationValue", key).scode == HRESULT.VM_E_PREF_NOT_FOUND, key


@pytest.mark.parametrize("adapter", ["", "[@id=0]", "[@id=1]"])
@pytest.mark.parametrize(
    "controller", ["", "/scsi_controller", "/scsi_controller[@id=0]", "/scsi_controller[@id=1]"]
)
def test_scsi_disks_are_at_their_places_whatever_is_numbered(
    vpcshim_node: NodeBuilder, product: Product, adapter: str, controller: str
) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    disks = "".join(
        f"<disk type='file' device='disk'><driver name='qemu' type='vpc'/><source file='/vm/{name}.vhd'/>"
        f"<target dev='{name}' bus='scsi'/><address type='drive' controller='{number}' unit='3'/></disk>"
        for number, name in enumerate(("sda", "sdb"))
    )
    with node.connection() as connect:
        connect.defineXML(connect.lookupByName("web").XMLDesc().replace("<devices>", f"<devices>{disks}", 1))
    vm = machine(node, "web", product, drives={"C:": "/vm"})
    at = f"hardware/pci_bus/scsi_adapter{adapter}{controller}/location"
    file = "C:\\sdb.vhd" if "1" in adapter + controller else "C:\\sda.vhd"
    assert vm.GetConfigurationValue(f"{at}[@id=3]/pathname/absolute") == file
    assert vm.GetConfigurationValue(f"{at}[@id=3]/drive_type") == 1
    assert refusal(vm, "GetConfigurationValue", f"{at}[@id=0]/drive_type").scode == HRESULT.VM_E_PREF_NOT_FOUND
    assert "read-only" in refusal(vm, "SetConfigurationValue", f"{at}[@id=3]/drive_type", 2).description


def test_ports_are_the_same_both_ways(vpcshim_node: NodeBuilder, product: Product) -> None:
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web", product)
    port = "hardware/super_io/serial_port"
    # The second first: what counts is the number of a port, not its place in the definition.
    vm.SerialPorts(2).Configure(VMSerialPortType.vmSerialPort_TextFile, "/log/web.txt", False)
    assert vm.GetConfigurationValue(f"{port}[@id=0]/port_type") == 0
    vm.SerialPorts(1).Configure(VMSerialPortType.vmSerialPort_NamedPipe, r"\\.\pipe\web", False)
    for number, kind, name in ((0, 3, "pipe_name"), (1, 2, "text_file_path")):
        assert vm.GetConfigurationValue(f"{port}[@id={number}]/port_type") == kind
        assert vm.GetConfigurationValue(f"{port}[@id={number}]/{name}") == vm.SerialPorts(number + 1).Name
    assert (
        refusal(vm, "GetConfigurationValue", f"{port}[@id=0]/text_file_path").scode == HRESULT.VM_E_PREF_NOT_FOUND
    )
    vm.SerialPorts(1).Configure(VMSerialPortType.vmSerialPort_HostPort, "COM2", False)
    assert vm.GetConfigurationValue(f"{port}[@id=0]/port_type") == 1


def test_an_adapter_that_is_detached_has_no_network(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(Machine("web", state="shutoff", nics=[Nic("network", source="lan")]), networks=["lan"])
    vm = machine(node, "web", product)
    key = "hardware/pci_bus/ethernet_adapter/ethernet_controller[@id=0]/virtual_network/name"
    assert vm.GetConfigurationValue(key) == vm.NetworkAdapters(1).VirtualNetwork.Name == "lan"
    vm.NetworkAdapters(1).DetachFromVirtualNetwork()
    assert vm.NetworkAdapters(1).VirtualNetwork is None
    assert refusal(vm, "GetConfigurationValue", key).scode == HRESULT.VM_E_PREF_NOT_FOUND


@pytest.mark.parametrize(
    ("file", "image", "relative"),
    [
        ("/vm/web/web.vmc", "/vm/web/disks/a.iso", ".\\disks\\a.iso"),
        ("/vm/web/web.vmc", "/vm/a.iso", "..\\a.iso"),
        ("/elsewhere/web.vmc", "/else/a.iso", "..\\else\\a.iso"),
        ("/elsewhere/web.vmc", "/vm/a.iso", None),
        ("/data/web.vmc", "/vm/a.iso", None),
    ],
)
def test_what_is_in_a_drive_is_seen_from_the_vmc(
    vpcshim_node: NodeBuilder, file: str, image: str, relative: str | None
) -> None:
    node = vpcshim_node(Machine("web", state="shutoff", disks=[Disk("cdrom", source=image)]))
    vm = machine(node, "web", drives={"C:": "/vm", "D:": "/data"})
    with node.connection() as connect:
        settings.change(connect.lookupByName("web"), lambda held: replace(held, file=file))
    key = "hardware/pci_bus/ide_adapter/ide_controller[@id=0]/location[@id=0]/pathname/relative"
    code, out = raw(vm, "GetConfigurationValue", key)
    if relative is None:
        assert code is HRESULT.VM_E_PREF_NOT_FOUND
    else:
        assert (code, out.value) == (HRESULT.S_OK, relative)


def test_a_firmware_that_is_the_hosts_is_the_same_both_ways(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    with node.connection() as connect:
        text = connect.lookupByName("web").XMLDesc().replace("</os>", "<smbios mode='host'/></os>")
        connect.defineXML(text)
    # A mock of the handle: the test driver's host has no SMBIOS tables.
    told = "<sysinfo type='smbios'><chassis><entry name='asset'>H1</entry></chassis></sysinfo>"
    monkeypatch.setattr(libvirt.virConnect, "getSysinfo", lambda *_: told)
    vm = machine(node, "web")
    assert vm.GetConfigurationValue("hardware/bios/chassis/asset_tag") == vm.ChassisAssetTag == "H1"
    key = "hardware/bios/chassis/serial_number"
    assert refusal(vm, "GetConfigurationValue", key).scode == HRESULT.VM_E_PREF_NOT_FOUND


def test_a_refused_integer_is_told_as_it_was_given(vpcshim_node: NodeBuilder, product: Product) -> None:
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web", product)
    assert refusal(vm, "SetConfigurationValue", RAM, -5).description.endswith("not -5")
    assert refusal(vm, "SetConfigurationValue", undoing.ACTION, -1).description.endswith("not -1")


@pytest.mark.parametrize("key", ["hardware", "hardware/memory", f"{RAM}/more", "hardware/pci_bus/ide_adapter"])
def test_an_element_of_the_domains_own_values_holds_no_other(
    vpcshim_node: NodeBuilder, product: Product, key: str
) -> None:
    node = vpcshim_node(Machine("web"))
    vm = machine(node, "web", product)
    for setter in ("SetConfigurationValue", "SetActivationValue"):
        error = refusal(vm, setter, key, 1)
        assert (error.scode, "beside" in error.description) == (HRESULT.E_INVALIDARG, True)
    assert kept(node).values == {}


def test_the_undo_settings_are_those_of_the_properties(vpcshim_node: NodeBuilder, product: Product) -> None:
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web", product)
    assert vm.GetConfigurationValue(undoing.ENABLED) is vm.Undoable is False
    assert vm.GetConfigurationValue(undoing.ACTION) == vm.UndoAction == 1
    vm.UndoAction = 0
    assert vm.GetConfigurationValue(undoing.ACTION) == 0
    vm.SetConfigurationValue(undoing.ACTION, 2)
    assert vm.UndoAction == 2
    assert refusal(vm, "SetConfigurationValue", undoing.ACTION, 7).scode == HRESULT.E_INVALIDARG


def test_activation_values_live_as_long_as_the_machine_runs(vpcshim_node: NodeBuilder, product: Product) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    vm = machine(node, "web", product)
    vm.SetConfigurationValue("acme/owner", "definition")
    assert refusal(vm, "GetActivationValue", "acme/owner").scode == HRESULT.VM_E_PREF_NOT_FOUND
    assert "not running" in refusal(vm, "SetActivationValue", "acme/owner", 1).description
    vm.Startup().WaitForCompletion(10_000)
    assert vm.GetActivationValue("acme/owner") == "definition"
    vm.SetActivationValue("acme/owner", "run")
    vm.SetActivationValue("acme/more", 1)
    vm.SetConfigurationValue("acme/owner", "next")
    assert (vm.GetActivationValue("acme/owner"), vm.GetConfigurationValue("acme/owner")) == ("run", "next")
    assert refusal(vm, "GetConfigurationValue", "acme/more").scode == HRESULT.VM_E_PREF_NOT_FOUND
    vm.RemoveActivationValue("acme/more")
    assert refusal(vm, "GetActivationValue", "acme/more").scode == HRESULT.VM_E_PREF_NOT_FOUND
    assert vm.GetActivationValue(RAM) == 256
    assert refusal(vm, "SetActivationValue", RAM, 128).scode == HRESULT.E_INVALIDARG
    vm.TurnOff().WaitForCompletion(10_000)
    assert refusal(vm, "GetActivationValue", "acme/owner").scode == HRESULT.VM_E_PREF_NOT_FOUND
    vm.Startup().WaitForCompletion(10_000)
    assert vm.GetActivationValue("acme/owner") == "next"


def test_a_transient_machine_has_no_definition_to_change(vpcshim_node: NodeBuilder) -> None:
    vm = machine(vpcshim_node(Machine("web", transient=True)), "web")
    assert "transient" in refusal(vm, "SetConfigurationValue", "acme/owner", 1).description
    vm.SetActivationValue("acme/owner", 1)
    assert vm.GetActivationValue("acme/owner") == 1


def test_who_asked_is_told_of_what_was_changed(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    vm = machine(node, "web")
    heard: list[tuple[str, Any]] = []

    def listen(uuid: str, key: str, value: Any) -> None:
        assert uuid == vm._uuid
        heard.append((key, value))
        raise RuntimeError("a listener that fails harms nobody")

    end = vm._server.on_configuration_changed(listen)
    vm.SetConfigurationValue("acme/item[@id=01]", "one")
    vm.RemoveConfigurationValue("acme/item[@id=1]")
    vm.Memory = 128
    vm.SetConfigurationValue(RAM, 64)
    vm.ChassisAssetTag = "A1"
    vm.AutoStartAtLaunch = 1
    refusal(vm, "SetConfigurationValue", RAM, 1)
    refusal(vm, "SetConfigurationValue", "acme//item", 1)
    refusal(vm, "RemoveConfigurationValue", "acme/nothing")
    end()
    vm.Memory = 32
    assert heard == [
        ("acme/item[@id=1]", "one"),
        ("acme/item[@id=1]", None),
        (RAM, 128),
        (RAM, 64),
        ("hardware/bios/chassis/asset_tag", "A1"),
        ("settings/startup/automatic/type", 1),
    ]


def test_threads_lose_none_of_each_others_values(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web"))
    app = application(node, VS)

    def set_some(who: int) -> None:
        vm = find(app, "web")
        for number in range(10):
            vm.SetConfigurationValue(f"acme/t{who}/v{number}", number)
            vm.SetActivationValue(f"acme/t{who}/v{number}", number)

    threads = [threading.Thread(target=set_some, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept(node).values) == len(kept(node, live=True).values) == 40


def test_values_are_not_lost_to_a_change_of_the_definition(vpcshim_node: NodeBuilder) -> None:
    node = vpcshim_node(Machine("web", state="shutoff"))
    app = application(node, VS)
    ended = threading.Event()

    def change_memory() -> None:
        vm = find(app, "web")
        while not ended.is_set():
            for megabytes in (64, 128):
                vm.Memory = megabytes

    thread = threading.Thread(target=change_memory)
    thread.start()
    vm = find(app, "web")
    try:
        for number in range(40):
            vm.SetConfigurationValue(f"acme/v{number}", number)
    finally:
        ended.set()
        thread.join()
    assert len(kept(node).values) == 40


# -- notes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["shutoff", "running", "saved"])
def test_notes_are_the_description(vpcshim_node: NodeBuilder, product: Product, state: Any) -> None:
    node = vpcshim_node(Machine("web", state=state))
    vm = machine(node, "web", product)
    vm.Notes = "first <line>\r\nsecond\nthird\r"
    assert vm.Notes == "first <line>\r\nsecond\r\nthird\r\n"
    with node.connection() as connect:
        domain = connect.lookupByName("web")
        assert domain.metadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, None) == "first <line>\nsecond\nthird\n"
    vm.Notes = ""
    assert vm.Notes == ""
    with node.connection() as connect:
        assert "<description>" not in connect.lookupByName("web").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)


def test_notes_have_their_length(vpcshim_node: NodeBuilder, product: Product) -> None:
    longest = 40_000 if product is VS else 65_536
    vm = machine(vpcshim_node(Machine("web", state="shutoff")), "web", product)
    vm.Notes = "ä" * longest
    assert vm.Notes == "ä" * longest
    assert put_refusal(vm, "Notes", "ä" * (longest + 1)).scode == HRESULT.E_INVALIDARG
    assert put_refusal(vm, "Notes", "bell \a").scode == HRESULT.E_INVALIDARG
    assert vm.Notes == "ä" * longest


# -- the applications' own -------------------------------------------------------------------------------------


def test_preferences_are_the_users_and_the_products(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    server, pc = (application(vpcshim_node("web"), product) for product in (VS, VPC))
    for key, value in EVERY_TYPE.items():
        server.SetConfigurationValue(key, value)
    again = application(vpcshim_node("other"), VS)
    assert {key: again.GetConfigurationValue(key) for key in EVERY_TYPE} == EVERY_TYPE
    assert code_of(pc, "GetConfigurationValue", "acme/text") is HRESULT.VM_E_PREF_NOT_FOUND
    again.RemoveConfigurationValue("acme/text")
    assert code_of(server, "GetConfigurationValue", "acme/text") is HRESULT.VM_E_PREF_NOT_FOUND


def test_preferences_that_could_not_be_read_again_are_not_kept(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    server = application(vpcshim_node("web"), VS)
    server.SetConfigurationValue("acme/first", "1")
    for number in range(8):
        server.SetConfigurationValue(f"acme/many[@id={number}]", "é" * 20_000)  # of six bytes each in the file
    with pytest.raises(ComError, match="is the most: remove some values") as caught:
        server.SetConfigurationValue("acme/many[@id=8]", "é" * 20_000)
    assert caught.value.scode == HRESULT.E_INVALIDARG
    assert server.GetConfigurationValue("acme/first") == "1"


def test_a_machine_that_stops_before_its_xml_is_read_has_no_activation_values(
    vpcshim_node: NodeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its definition holds was maybe never the running machine's."""
    vm = machine(vpcshim_node("web"), "web")
    vm.SetConfigurationValue("acme/owner", "next")
    real = libvirt.virDomain.XMLDesc

    def stopped(domain: libvirt.virDomain, flags: int = 0) -> str:
        if domain.isActive():
            domain.destroy()
        return str(real(domain, flags))

    monkeypatch.setattr(libvirt.virDomain, "XMLDesc", stopped)
    assert refusal(vm, "GetActivationValue", "acme/owner").scode == HRESULT.VM_E_PREF_NOT_FOUND
