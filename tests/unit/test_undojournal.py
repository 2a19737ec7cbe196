"""The journal of undo disks in a definition: what is written is read, what is laid over is put back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from vpcshim.hypervisor import undojournal
from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import BadXml
from vpcshim.hypervisor.undojournal import Journal, Phase, UndoDisk

UUID = "2d1cb6ad-1d6a-4f4d-a4b6-9b2a3c4d5e6f"
OVERLAY = Path("/srv/vm/web.undo-0123abcd.qcow2")

# What XML can hold, as libvirt's schema wants a path.
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/", exclude_categories=("Cc", "Cs")), min_size=1)


def domain(disk: str = "<disk type='file'><target dev='vda'/></disk>", metadata: str = "") -> etree._Element:
    return parse_element(f"<domain><name>web</name><uuid>{UUID}</uuid>{metadata}<devices>{disk}</devices></domain>")


def undo(disk: etree._Element, format: str = "raw", **changes: object) -> UndoDisk:
    made = UndoDisk("vda", OVERLAY, Path("/srv/vm/web.img"), format, undojournal.as_was(disk))
    return replace(made, **changes)  # type: ignore[arg-type]


@given(
    names=st.lists(NAMES, max_size=3),
    phase=st.sampled_from(Phase),
    pending=st.booleans(),
    planned=st.booleans(),
    stamp=st.sampled_from(["", "12-34-56"]),
)
def test_what_is_written_is_read(names: list[str], phase: Phase, pending: bool, planned: bool, stamp: str) -> None:
    disks = tuple(
        UndoDisk(
            f"vd{place}",
            Path(f"/srv/{name}.undo-0123abcd.qcow2"),
            Path("/srv", name),
            "vpc",
            f"<disk type='file'><source file={name!r}/></disk>",
            planned,
            stamp,
        )
        for place, name in enumerate(names)
    )
    journal = Journal(UUID, phase, pending, disks)
    root = domain()
    undojournal.write(root, replace(journal, pending=not pending))
    undojournal.write(root, journal)
    again = parse_element(etree.tostring(root, encoding="unicode"))
    assert undojournal.read_of(again) == journal
    undojournal.write(again, None)
    assert undojournal.read_of(again) is None
    assert journal.unfinished is (phase is not Phase.ACTIVE or (planned and bool(names)))


DISKS = {
    "a file": "<disk type='file' device='disk'><driver name='qemu' type='vpc' cache='none'/>"
    "<source file='/srv/vm/web.vhd' startupPolicy='optional'/><target dev='vda' bus='ide'/></disk>",
    "a file with a label": "<disk type='file'><driver name='qemu' type='raw'/><source file='/srv/vm/web.img'>"
    "<seclabel model='dac' relabel='no'/></source><target dev='vda'/></disk>",
    "a device": "<disk type='block' device='disk'><driver name='qemu' type='raw' io='native'/>"
    "<source dev='/dev/vg/web'/><target dev='vda'/></disk>",
    "a volume": "<disk type='volume'><driver name='qemu' type='qcow2'/><source pool='p' volume='v'/>"
    "<target dev='vda'/></disk>",
    "a chain": "<disk type='file'><driver name='qemu' type='qcow2'/><source file='/srv/vm/web.img'/>"
    "<backingStore type='file'><format type='raw'/><source file='/srv/base.img'/><backingStore/></backingStore>"
    "<target dev='vda'/></disk>",
    "no format": "<disk type='file'><driver name='qemu' cache='none'/><source file='/srv/vm/web.img'/>"
    "<target dev='vda'/></disk>",
    "no driver": "<disk type='file'><source file='/srv/vm/web.img'/><target dev='vda'/></disk>",
}


def shape(element: etree._Element) -> object:
    """An element without the order of its children, which libvirt does not mind."""
    children = sorted(map(repr, map(shape, element)))
    return str(element.tag), sorted(element.attrib.items()), (element.text or "").strip(), children


@pytest.mark.parametrize("xml", DISKS.values(), ids=DISKS)
def test_what_is_laid_over_is_put_back(xml: str) -> None:
    root = domain(xml)
    before = shape(root)
    disk = undojournal.disk_of(root, "vda")
    assert disk is not None
    one = undo(disk)
    undojournal.lay_over(root, one)
    assert disk.get("type") == "file"
    assert undojournal.source_of(disk) == str(OVERLAY)
    assert [found.get("type") for found in disk.iterfind("driver")] == ["qcow2"]
    if "<seclabel" in xml:
        assert disk.find("source/seclabel") is not None
    assert undojournal.put_back(root, one)
    if "<driver" not in xml:  # libvirt adds the same itself
        added = disk.find("driver")
        assert added is not None
        assert dict(added.attrib) == {"name": "qemu"}
        disk.remove(added)
    assert shape(root) == before


def test_a_chain_that_is_spelt_out_is_spelt_out_below_the_overlay() -> None:
    root = domain(DISKS["a chain"])
    disk = undojournal.disk_of(root, "vda")
    assert disk is not None
    undojournal.lay_over(root, undo(disk, "qcow2"))
    assert [found.get("file") for found in disk.iter("source")] == [
        str(OVERLAY),
        "/srv/vm/web.img",
        "/srv/base.img",
    ]
    assert [found.get("type") for found in disk.iter("format")] == ["qcow2", "raw"]
    assert len(list(disk.iter("backingStore"))) == 3


def test_another_disk_in_its_place_is_left_alone() -> None:
    root = domain(DISKS["a file"])
    disk = undojournal.disk_of(root, "vda")
    assert disk is not None
    before = shape(root)
    assert not undojournal.put_back(root, undo(disk))
    assert not undojournal.put_back(root, undo(disk, target="vdz"))
    assert shape(root) == before


def test_a_disk_that_went_away_gets_no_overlay() -> None:
    root = domain(DISKS["a file"])
    disk = undojournal.disk_of(root, "vda")
    assert disk is not None
    with pytest.raises(BadXml, match="vdz went away"):
        undojournal.lay_over(root, undo(disk, target="vdz"))


NS = f"xmlns:u='{undojournal.UNDO_NS}'"


@pytest.mark.parametrize(
    "metadata",
    [
        f"<u:undo {NS} uuid='{UUID}' phase='nonsense'/>",
        f"<u:undo {NS} uuid='{UUID}'/>",
        f"<u:undo {NS} uuid='{UUID}' phase='active'><u:disk target='vda'/></u:undo>",
        # Whatever the journal says, no other file than an undo disk is ever deleted.
        f"<u:undo {NS} uuid='{UUID}' phase='removing'>"
        "<u:disk target='vda' overlay='/etc/passwd' original='/o' format='raw'/></u:undo>",
        f"<u:undo {NS} uuid='{UUID}' phase='removing'>"
        "<u:disk target='vda' overlay='a.undo-0123abcd.qcow2' original='/o' format='raw'/></u:undo>",
    ],
)
def test_what_somebody_else_wrote_is_refused(metadata: str) -> None:
    with pytest.raises(BadXml, match=r"journal of undo disks .* of web is damaged"):
        undojournal.read_of(domain(metadata=f"<metadata>{metadata}</metadata>"))


def test_the_journal_of_a_clone_is_not_the_clones() -> None:
    root = domain()
    disk = undojournal.disk_of(root, "vda")
    assert disk is not None
    undojournal.write(root, Journal(UUID, Phase.ACTIVE, False, (undo(disk),)))
    name = root.find("uuid")
    assert name is not None
    name.text = UUID.replace("2", "3")
    assert undojournal.read_of(root) is None
