"""Reading and writing .vmc files: what real ones hold, what is written comes back, what is hostile is refused."""

from __future__ import annotations

import codecs
import string
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcshim.migrate import machine as described
from vpcshim.migrate import vmc
from vpcshim.migrate.machine import Drive, Identity, Machine, Nic, Place, Port
from vpcshim.values import NAME, Value

FIXTURES = Path(__file__).parents[2] / "fixtures"
IDE = "hardware/pci_bus/ide_adapter/ide_controller"


def document(body: str, encoding: str = "utf-16") -> bytes:
    return f'<?xml version="1.0" encoding="UTF-16"?>\n{body}'.encode(encoding)


def test_a_file_of_virtual_server() -> None:
    values = vmc.read((FIXTURES / "virtual-server.vmc").read_bytes())
    assert values["hardware/memory/ram_size"] == 256
    assert values[f"{IDE}[@id=0]/location[@id=0]/drive_type"] == 1
    assert values["hardware/super_io/floppy[@id=0]/auto_detect"] is False
    assert values["hardware/bios/cmos"] == b"\x00\xff" * 8
    assert values["properties/creator/build"] == "1.1.603.0 EE"
    assert described.read(values) == Machine(
        memory=256,
        uuid="8f0e2b1c-5d3a-4b6c-9e7f-0a1b2c3d4e5f",
        drives=(
            Drive(
                "ide",
                0,
                0,
                "disk",
                Place("C:\\VMs\\web\\hda.vhd", ".\\hda.vhd"),
                Place("C:\\VMs\\web\\VirtualPCUndo_hda.vud", ".\\VirtualPCUndo_hda.vud"),
            ),
            Drive("ide", 1, 0, "cdrom", Place("C:\\VMs\\web\\setup.iso", ".\\setup.iso")),
            Drive("scsi", 0, 3, "disk", Place("D:\\elsewhere\\data.vhd", ".\\data.vhd")),
            Drive("floppy", 0, 0, "floppy"),
        ),
        nics=(Nic("00:03:ff:11:22:33", "Default"), Nic("00:03:ff:11:22:34", "Local only")),
        serials=(Port("file", "C:\\VMs\\web\\com1.txt"), Port("pipe", "\\\\.\\pipe\\web")),
        parallels=(Port(),),
        identity=Identity("1111-2222", "3333-4444", "7777-8888", "5555-6666"),
    )


def test_a_file_of_windows_virtual_pc_and_the_one_that_points_to_it() -> None:
    found = described.read(vmc.read((FIXTURES / "windows-virtual-pc.vmc").read_bytes()))
    assert (found.memory, found.nics, len(found.drives), found.uuid) == (512, (), 1, None)
    pointer = vmc.read_vmcx((FIXTURES / "windows-virtual-pc.vmcx").read_bytes())
    assert (pointer.vmc_path, pointer.notes, pointer.ram_size) == (
        ".\\windows-virtual-pc.vmc",
        "moved from the old desk",
        "512",
    )


names = st.from_regex(rf"\A{NAME}\Z").map(lambda name: name[:8])
numbers = st.none() | st.integers(0, 12)
steps = st.tuples(names, numbers).map(lambda step: step[0] if step[1] is None else f"{step[0]}[@id={step[1]}]")
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\t\n\r"), max_size=20)
held = texts | st.booleans() | st.integers(-(2**31), 2**32 - 1) | st.binary(max_size=20)


def whole(values: dict[str, Value]) -> bool:
    """No key lies below another: an element holds a value or other elements, in what the products write."""
    return not any(other.startswith(f"{key}/") for key in values for other in values) and "version" not in values


@given(st.dictionaries(st.lists(steps, min_size=1, max_size=4).map("/".join), held, max_size=12).filter(whole))
def test_whatever_is_written_comes_back(values: dict[str, Value]) -> None:
    try:
        data = vmc.write(values)
    except vmc.BadVmc:
        assert any("￾" in str(value) or "￿" in str(value) for value in values.values())
        return
    assert data.startswith(codecs.BOM_UTF16_LE)
    assert b"\n\x00" not in data.replace(b"\r\x00\n\x00", b"")
    back = vmc.read(data)
    assert back.pop("version") == "2.0"
    assert back == values


addresses = st.none() | st.binary(min_size=6, max_size=6).filter(any).map(lambda data: data.hex(":"))
plain = st.text(string.ascii_letters + " \\:.", max_size=12).map(str.strip)
places = st.builds(Place, plain, plain)
drives = st.builds(
    Drive,
    bus=st.just("ide"),
    controller=st.integers(0, 1),
    location=st.integers(0, 1),
    kind=st.sampled_from(["disk", "cdrom"]),
    image=places,
    undo=places,
)
ports = st.one_of(st.just(Port()), st.builds(Port, st.just("file"), plain), st.builds(Port, st.just("pipe"), plain))
machines = st.builds(
    Machine,
    memory=st.integers(1, 1 << 20),
    uuid=st.none() | st.uuids(version=4).map(str),
    drives=st.lists(drives, unique_by=lambda drive: (drive.controller, drive.location), max_size=4).map(tuple),
    nics=st.lists(st.builds(Nic, addresses, plain), max_size=4).map(tuple),
    serials=st.lists(ports, max_size=2).map(tuple),
    parallels=st.lists(ports, max_size=1).map(tuple),
    identity=st.builds(Identity, plain, plain, plain, plain),
    notes=texts,
)


@given(machines)
@settings(max_examples=50)
def test_the_hardware_that_is_written_is_read(machine: Machine) -> None:
    assert described.read(described.write(machine)) == machine


@given(st.dictionaries(st.text(max_size=20), held, max_size=6))
def test_any_values_describe_some_hardware(values: dict[str, Value]) -> None:
    assert isinstance(described.read({"hardware/bios/cmos": b"", **values}), Machine)


@pytest.mark.parametrize("size", [0, -5, 1 << 31, 1 << 64, "128", True, b"\x80"])
def test_a_memory_that_no_machine_has_is_not_another(size: Value) -> None:
    with pytest.raises(vmc.BadVmc, match=r"ram_size is .*, and the size of a memory is 1 to 2147483647 MB"):
        described.read({"hardware/memory/ram_size": size})


@pytest.mark.parametrize("values", [{}, {"settings/undo_drives/enabled": True}])
def test_a_file_without_hardware_describes_no_machine(values: dict[str, Value]) -> None:
    with pytest.raises(vmc.BadVmc, match="nothing below hardware/"):
        described.read(values)


@given(st.binary(max_size=200) | st.text(max_size=100).map(document))
def test_any_bytes_are_a_vmc_or_refused(data: bytes) -> None:
    with suppress(vmc.BadVmc):
        assert isinstance(vmc.read(data), dict)


ENTITY = (
    '<!DOCTYPE preferences [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    '<preferences><a type="string">&x;</a></preferences>'
)
BOMB = (
    '<!DOCTYPE preferences [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<preferences><a type="string">&b;</a></preferences>'
)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (document(ENTITY), "DTD"),
        (document(BOMB), "DTD"),
        (document('<!DOCTYPE preferences SYSTEM "http://localhost/x.dtd"><preferences/>'), "DTD"),
        (document("<preferences>"), "well-formed"),
        (document("<domain/>"), "<preferences>"),
        (document("<vm_description/>"), "<preferences>"),
        (document("<a>" * 300 + "</a>" * 300), "well-formed"),
        (b"", "well-formed"),
        (b"\xff\xfe<", "not text"),
        (b"\x00" * 100, "well-formed"),
        (codecs.BOM_UTF16_LE + b" " * vmc.LARGEST, "bytes"),
    ],
)
def test_what_is_hostile_or_no_vmc_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(vmc.BadVmc, match=why):
        vmc.read(data)


@pytest.mark.parametrize(
    ("encoding", "bom"),
    [
        *(("utf-16", b""), ("utf-16-be", codecs.BOM_UTF16_BE), ("utf-8", b""), ("utf-8-sig", b"")),
        *(("utf-16-le", b""), ("utf-16-be", b"")),
    ],
)
def test_every_encoding_that_editors_leave_is_read(encoding: str, bom: bytes) -> None:
    data = bom + document('<preferences><a type="string">ä</a></preferences>', encoding)
    assert vmc.read(data) == {"a": "ä"}


def test_what_does_not_fit_its_type_is_text() -> None:
    body = (
        '<preferences><a type="integer">many</a><b type="boolean">perhaps</b><c type="bytes">0G</c>'
        '<d type="other">x</d><e id="x" type="integer"> -3 </e><f/><g type="integer">4294967296</g>'
        '<h type="integer">-2147483649</h><größe id="2" type="integer">4294967295</größe></preferences>'
    )
    numbers = {"e": -3, "g": "4294967296", "h": "-2147483649", "größe[@id=2]": 4294967295}
    assert vmc.read(document(body)) == {"a": "many", "b": "perhaps", "c": "0G", "d": "x", **numbers}


@pytest.mark.parametrize("key", ["", "/", "a//b", "a b", "a[@id=x]", "<a>", "a/", "1a"])
def test_what_is_no_key_is_not_written(key: str) -> None:
    with pytest.raises(vmc.BadVmc, match="no key"):
        vmc.write({key: "x"})


def test_adapters_that_were_taken_out_are_not_there() -> None:
    at = "hardware/pci_bus/ethernet_adapter"
    values: dict[str, Value] = {
        f"{at}/controller_count": 1,
        f"{at}/ethernet_controller[@id=0]/ethernet_card_address": bytes(6),
        f"{at}/ethernet_controller[@id=1]/ethernet_card_address": b"\x00\x03\xff\x00\x00\x01",
    }
    assert described.read(values).nics == (Nic(None),)  # of an address that is not made up yet, none


def test_a_value_without_a_type_is_a_text_and_no_default_takes_its_place() -> None:
    hardware = "<hardware><memory><ram_size>512</ram_size></memory></hardware>"
    values = vmc.read(f"<preferences><a><b>5</b><c> </c></a>{hardware}</preferences>".encode())
    assert values == {"a/b": "5", "hardware/memory/ram_size": "512"}
    with pytest.raises(vmc.BadVmc, match="ram_size is '512'"):
        described.read(values)


@given(machines)
def test_what_is_written_of_the_hardware_is_known_as_such(machine: Machine) -> None:
    assert all(map(described.described, described.write(machine)))


@pytest.mark.parametrize(
    "key",
    [
        "hardware/super_io/parallel_port/port_shared",
        "hardware/pci_bus/ethernet_adapter/ethernet_controller[@id=0]/virtual_network/id",
        "hardware/pci_bus/scsi_adapter[@id=0]/scsi_controller/location[@id=0]/serial",
        "hardware/bios/cmos",
    ],
)
def test_what_else_is_said_of_the_hardware_is_not(key: str) -> None:
    assert not described.described(key)
