"""What is read of .vhd images: footers, chains of differencing ones, and what damaged ones are answered with."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.vhd_files import CHILD, PARENT, checksum, write
from vpcshim.migrate import vhd
from vpcshim.migrate.vhd import SECTOR, VhdType


def whole(path: Path) -> bytes:
    data = bytearray(vhd.footer(path).size)
    for place, piece in vhd.read_chain(path):
        data[place : place + len(piece)] = piece
    return bytes(data)


Sectors = st.dictionaries(st.integers(0, 31), st.integers(1, 255).map(lambda byte: bytes([byte]) * SECTOR))


@settings(deadline=None)
@given(
    kind=st.sampled_from([VhdType.FIXED, VhdType.DYNAMIC]),
    chain=st.lists(Sectors, min_size=1, max_size=4),
)
def test_the_first_image_that_has_a_sector_wins(
    tmp_path_factory: pytest.TempPathFactory, kind: VhdType, chain: list[dict[int, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("chain")
    size = 32 * SECTOR
    expected: dict[int, bytes] = {}
    for number, sectors in enumerate(chain):
        expected.update(sectors)
        path = folder / f"{number}.vhd"
        identifier = uuid.UUID(int=number + 1)
        if number == 0:
            write(path, kind, size, sectors, identifier=identifier)
        else:
            below = uuid.UUID(int=number)
            name = f"C:\\VMs\\{number - 1}.VHD"  # found without its folder, and in another case
            write(path, VhdType.DIFFERENCING, size, sectors, identifier=identifier, parent=below, name=name)
    assert whole(path) == b"".join(expected.get(number, bytes(SECTOR)) for number in range(32))


def test_a_footer(tmp_path: Path) -> None:
    path = tmp_path / "a.vhd"
    write(path, VhdType.DYNAMIC, 8 * SECTOR, {})
    assert vhd.footer(path) == vhd.Footer(VhdType.DYNAMIC, 8 * SECTOR, PARENT, SECTOR)
    assert vhd.is_vhd(path)


@pytest.mark.parametrize("kind", [VhdType.FIXED, VhdType.DYNAMIC])
def test_a_footer_of_before_virtual_pc_2004_is_a_byte_shorter(tmp_path: Path, kind: VhdType) -> None:
    path = tmp_path / "old.vhd"
    write(path, kind, 8 * SECTOR, {3: b"3" * SECTOR})
    new, data = vhd.footer(path), whole(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert vhd.is_vhd(path)
    assert (vhd.footer(path), whole(path)) == (new, data)
    size = path.stat().st_size
    vhd.set_id(path, CHILD)
    assert (vhd.footer(path).id, path.stat().st_size, whole(path)) == (CHILD, size, data)


def test_another_identifier(tmp_path: Path) -> None:
    for kind in (VhdType.DYNAMIC, VhdType.FIXED):
        path = tmp_path / f"{kind.name}.vhd"
        write(path, kind, 8 * SECTOR, {3: b"x" * SECTOR})
        before = whole(path)
        vhd.set_id(path, CHILD)
        assert vhd.footer(path).id == CHILD
        assert whole(path) == before
        if kind is VhdType.DYNAMIC:
            raw = path.read_bytes()
            assert raw[:SECTOR] == raw[-SECTOR:]


def test_the_parent_has_to_be_the_one(tmp_path: Path) -> None:
    child = tmp_path / "child.vhd"
    write(child, VhdType.DIFFERENCING, 8 * SECTOR, {}, identifier=CHILD, parent=PARENT, name="base.vhd")
    with pytest.raises(vhd.ParentMissing, match=r"put base\.vhd into"):
        vhd.parent(child)
    write(tmp_path / "base.vhd", VhdType.DYNAMIC, 8 * SECTOR, {}, identifier=uuid.UUID(int=9))
    with pytest.raises(vhd.ParentMismatch):
        list(vhd.read_chain(child))
    write(tmp_path / "base.vhd", VhdType.DYNAMIC, 8 * SECTOR, {}, identifier=PARENT)
    assert vhd.parent(child) == tmp_path / "base.vhd"


@pytest.mark.parametrize("name", ["../../etc/shadow", "..", "/etc/shadow", "C:\\..\\..", "\\\\host\\share\\..", ""])
def test_a_parent_is_looked_for_beside_the_image_alone(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    child = folder / "child.vhd"
    write(child, VhdType.DIFFERENCING, 8 * SECTOR, {}, identifier=CHILD, parent=PARENT, name=name)
    with pytest.raises(vhd.ParentMissing):
        vhd.parent(child)


def test_an_image_that_is_its_own_parent_ends(tmp_path: Path) -> None:
    path = tmp_path / "loop.vhd"
    write(path, VhdType.DIFFERENCING, 8 * SECTOR, {}, identifier=CHILD, parent=CHILD, name="loop.vhd")
    with pytest.raises(vhd.VhdError, match="more than"):
        list(vhd.read_chain(path))


@pytest.mark.parametrize("data", [b"", b"x" * 511, bytes(512), b"conectix".ljust(512, b"\0") + bytes(512)])
def test_what_is_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "none.vhd"
    path.write_bytes(data)
    assert not vhd.is_vhd(path)
    with pytest.raises(vhd.NotVhd):
        vhd.footer(path)


@pytest.mark.parametrize("offset", [2**63, 2**64 - 1, 1 << 62, 1 << 20])
def test_a_block_table_that_is_nowhere(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "a.vhd"
    write(path, VhdType.DYNAMIC, 8 * SECTOR, {0: b"a" * SECTOR})
    raw = bytearray(path.read_bytes())
    head = raw[SECTOR : SECTOR + 1024]
    head[16:24] = offset.to_bytes(8, "big")
    head[36:40] = bytes(4)
    head[36:40] = checksum(bytes(head)).to_bytes(4, "big")
    raw[SECTOR : SECTOR + 1024] = head
    path.write_bytes(raw)
    with pytest.raises(vhd.VhdError, match="its block table is cut short"):
        list(vhd.read_chain(path))


@settings(deadline=None, max_examples=300)
@given(place=st.integers(0, 2559), byte=st.integers(0, 255), cut=st.integers(0, 2000))
def test_a_damaged_image_is_told_so_or_read(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int, cut: int
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "a.vhd"
    write(path, VhdType.DYNAMIC, 8 * SECTOR, {0: b"a" * SECTOR})
    raw = bytearray(path.read_bytes())
    raw[place] = byte
    if cut < 1000:
        del raw[place : place + cut]
    path.write_bytes(raw)
    try:
        for _, piece in vhd.read_chain(path):
            assert len(piece) <= 8 * SECTOR
    except vhd.VhdError:
        pass
