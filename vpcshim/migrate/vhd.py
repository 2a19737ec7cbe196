"""Virtual hard disk images (.vhd): what their headers say, and the data of a differencing one.

QEMU reads fixed and dynamic images. A differencing one it takes for a dynamic one with holes, so what such an image
holds is read here: for each sector the first image of the chain that has it.

Everything in an image may have been written by somebody else: numbers are checked before they are used, and a
parent is looked for only beside the image.

Source: the Virtual Hard Disk Image Format Specification, version 1.0.
"""

from __future__ import annotations

import math
import os
import struct
import sys
import uuid as uuids
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path, PureWindowsPath
from typing import BinaryIO

SECTOR = 512
_COOKIE, _DYNAMIC_COOKIE = b"conectix", b"cxsparse"
# cookie, features, version, data offset, time, creator and its version and host, original and current size,
# geometry, type, checksum, unique id
_FOOTER = struct.Struct(">8sIIQI4sI4sQQIII16s")
_CHECKSUM = 64  # where it stands in the footer
# cookie, data offset, table offset, version, entries, block size, checksum, parent's id and time, reserved, name
_HEADER = struct.Struct(">8sQQIIII16sII512s")
_HEADER_CHECKSUM = 36
_HEADER_SIZE = 1024
_UNUSED = 0xFFFF_FFFF
_LARGEST_TABLE = 4 << 20  # entries: 2 TB in blocks of 512 KB
_DEEPEST = 64  # images in a chain
_LARGEST_PIECE = 2 << 20
_LARGEST_DISK = 2 << 40


class VhdError(Exception):
    """An image that is not what it should be; the message names it and says how."""


class NotVhd(VhdError):
    """The file is no .vhd image at all."""


class ParentMissing(VhdError):
    """The parent of a differencing image is not where the image, or the caller, says."""


class ParentMismatch(VhdError):
    """There is an image where the parent should be, and it is another one."""


class VhdType(IntEnum):
    """The types of image, as the footer numbers them."""

    FIXED = 2
    DYNAMIC = 3
    DIFFERENCING = 4


@dataclass(frozen=True, slots=True)
class Footer:
    """What an image's footer says.

    Attributes:
        type: Fixed, dynamic or differencing.
        size: The size of the disk that it holds, in bytes, as written there (QEMU may go by the geometry).
        id: What identifies the image to its differencing ones.
        data_offset: Where the dynamic header stands; of dynamic and differencing images.
    """

    type: VhdType
    size: int
    id: uuids.UUID
    data_offset: int


@dataclass(frozen=True, slots=True)
class _Header:
    table_offset: int
    entries: int
    block_size: int
    parent_id: uuids.UUID
    parent_name: str


def footer(path: Path) -> Footer:
    """Read the footer of an image.

    Raises:
        NotVhd: There is none.
        VhdError: It is damaged, or of a type that is not known.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return _footer(file, path)


def parent(path: Path) -> Path:
    """The parent of a differencing image, which stands beside it.

    Raises:
        ParentMissing: It does not.
        ParentMismatch: An image of that name does, and it is another one.
        VhdError: An image is damaged, or no differencing one.
        OSError: A file cannot be read.
    """
    with path.open("rb") as file:
        found = _footer(file, path)
        if found.type is not VhdType.DIFFERENCING:
            raise VhdError(f"{path} is no differencing image")
        header = _header(file, path, found)
    beside = _beside(path, header.parent_name)
    if footer(beside).id != header.parent_id:
        raise ParentMismatch(f"{beside} is not the parent of {path}: its identifier is another one")
    return beside


def read_chain(path: Path) -> Iterator[tuple[int, bytes]]:
    """The data of a disk, its parents' beneath: pieces that hold something, each with its place in bytes.

    Raises:
        VhdError: An image is damaged, or a parent missing.
        OSError: A file cannot be read.
    """
    with ExitStack() as opened:
        chain: list[_Reader] = []
        here = path
        while True:
            if len(chain) == _DEEPEST:
                raise VhdError(f"{path} has more than {_DEEPEST} images beneath it")
            reader = _Reader(opened.enter_context(here.open("rb")), here)
            chain.append(reader)
            if reader.footer.type is not VhdType.DIFFERENCING:
                break
            here = parent(here)
        size = chain[0].footer.size
        blocks = [reader.header.block_size for reader in chain if reader.header is not None]
        step = min(_LARGEST_PIECE, *blocks) if blocks else _LARGEST_PIECE
        for place in range(0, size, step):
            if not any(reader.holds(place) for reader in chain):
                continue
            data = _piece(chain, place, min(step, size - place))
            if any(data):
                yield place, data


def is_vhd(path: Path) -> bool:
    """Whether the file has the footer of an image where a whole image has it.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        footer(path)
    except NotVhd:
        return False
    except VhdError:
        return True
    return True


def set_id(path: Path, identifier: uuids.UUID) -> None:
    """Give an image another identifier, in both copies of its footer.

    Raises:
        VhdError: It is damaged.
        OSError: The file cannot be written.
    """
    with path.open("r+b") as file:
        found = _footer(file, path)
        end = _place_of_footer(file, path)
        for place in (end,) if found.type is VhdType.FIXED else (0, end):
            file.seek(place)
            raw = bytearray(file.read(SECTOR))
            if raw[:8] != _COOKIE:
                continue
            raw[68:84] = identifier.bytes
            raw[_CHECKSUM : _CHECKSUM + 4] = struct.pack(">I", _sum(raw, _CHECKSUM))
            file.seek(place)
            file.write(raw)


def _place_of_footer(file: BinaryIO, path: Path) -> int:
    end = file.seek(0, os.SEEK_END)
    if end < SECTOR:
        raise NotVhd(f"{path} is no .vhd image: it has {end} bytes")
    for size in (SECTOR, SECTOR - 1):  # what was made before Virtual PC 2004 has a footer that is a byte shorter
        file.seek(end - size)
        if file.read(len(_COOKIE)) == _COOKIE:
            return end - size
    raise NotVhd(f"{path} is no .vhd image: it has no footer at its end")


def _footer(file: BinaryIO, path: Path) -> Footer:
    end = _place_of_footer(file, path)
    file.seek(end)
    raw = file.read(SECTOR).ljust(SECTOR, b"\0")
    _, _, _, offset, _, _, _, _, _, size, _, kind, checksum, identifier = _FOOTER.unpack_from(raw)
    if checksum != _sum(raw, _CHECKSUM):
        raise VhdError(f"{path} is damaged: the checksum of its footer is wrong")
    if kind not in list(VhdType):
        raise VhdError(f"{path} is a .vhd image of a type that is not known ({kind})")
    if size > _LARGEST_DISK or (kind == VhdType.FIXED and size > end):
        raise VhdError(f"{path} is damaged: it is to hold {size} bytes")
    return Footer(VhdType(kind), size, uuids.UUID(bytes=identifier), offset)


def _header(file: BinaryIO, path: Path, found: Footer) -> _Header:
    raw = b""
    if found.data_offset <= file.seek(0, os.SEEK_END) - _HEADER_SIZE:
        file.seek(found.data_offset)
        raw = file.read(_HEADER_SIZE)
    if len(raw) < _HEADER_SIZE or raw[:8] != _DYNAMIC_COOKIE:
        raise VhdError(f"{path} is damaged: it has no dynamic header")
    _, _, table, _, entries, block, checksum, identifier, _, _, name = _HEADER.unpack_from(raw)
    if checksum != _sum(raw, _HEADER_CHECKSUM):
        raise VhdError(f"{path} is damaged: the checksum of its dynamic header is wrong")
    if block < SECTOR or block & (block - 1) or block > 256 << 20 or entries > _LARGEST_TABLE:
        raise VhdError(f"{path} is damaged: {entries} blocks of {block} bytes")
    if entries * block < found.size:
        raise VhdError(f"{path} is damaged: {entries} blocks of {block} bytes do not hold {found.size} bytes")
    text = name.decode("utf-16-be", errors="replace").partition("\0")[0]
    return _Header(table, entries, block, uuids.UUID(bytes=identifier), PureWindowsPath(text).name)


def _beside(path: Path, name: str) -> Path:
    folder = path.parent
    found = folder / name
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ParentMissing(f"{path} names no parent")
    if found.is_file():
        return found
    others = [entry for entry in folder.iterdir() if entry.name.casefold() == name.casefold()]
    if len(others) != 1:
        raise ParentMissing(f"the parent of {path} is not there: put {name} into {folder}")
    return others[0]


def _sum(raw: bytes | bytearray, place: int) -> int:
    """The checksum of the format: the complement of the sum of all bytes but its own."""
    return ~(sum(raw) - sum(raw[place : place + 4])) & 0xFFFF_FFFF


class _Reader:
    """One image of a chain."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.footer = _footer(file, path)
        self.header = None if self.footer.type is VhdType.FIXED else _header(file, path, self.footer)
        self._file = file
        self._path = path
        self._table = array("I")  # four bytes for each: an image from elsewhere may have millions
        if self.header is not None:
            end = file.seek(0, os.SEEK_END)
            if self.header.table_offset + 4 * self.header.entries > end:
                raise VhdError(f"{path} is damaged: its block table is cut short")
            file.seek(self.header.table_offset)
            self._table.fromfile(file, self.header.entries)
            if sys.byteorder == "little":
                self._table.byteswap()

    def holds(self, place: int) -> bool:
        """Whether there may be data in the block at a place."""
        if self.header is None:
            return place < self.footer.size
        block = place // self.header.block_size
        return block < len(self._table) and self._table[block] != _UNUSED

    def sectors(self, place: int, size: int) -> tuple[bytes, bytes]:
        """The data at a place, within one block, and a byte for each sector that says whether it is there."""
        count = -(-size // SECTOR)
        if self.header is None:
            if place >= self.footer.size:
                return bytes(size), bytes(count)
            self._file.seek(place)
            return self._file.read(size).ljust(size, b"\0"), b"\1" * count
        block, within = divmod(place, self.header.block_size)
        if not self.holds(place):
            return bytes(size), bytes(count)
        at = self._table[block]
        per_block = self.header.block_size // SECTOR
        bitmap_size = math.ceil(math.ceil(per_block / 8) / SECTOR) * SECTOR
        self._file.seek(at * SECTOR)
        bitmap = self._file.read(bitmap_size)
        self._file.seek(at * SECTOR + bitmap_size + within)
        data = self._file.read(size)
        if len(bitmap) < bitmap_size or len(data) < min(size, self.footer.size - place):
            raise VhdError(f"{self._path} is damaged: block {block} is cut short")
        first = within // SECTOR
        there = bytes(bitmap[number // 8] >> (7 - number % 8) & 1 for number in range(first, first + count))
        return data.ljust(size, b"\0"), there


def _piece(chain: list[_Reader], place: int, size: int) -> bytes:
    """The data at a place: each sector from the first image that has it."""
    missing = set(range(-(-size // SECTOR)))
    result = bytearray(size)
    for reader in chain:
        if not missing:
            break
        data, there = reader.sectors(place, size)
        if reader.footer.type is VhdType.DIFFERENCING:
            found = [number for number in missing if there[number]]
        else:
            found = list(missing)
        for number in found:
            start = number * SECTOR
            result[start : start + SECTOR] = data[start : start + SECTOR]
        missing.difference_update(found)
    return bytes(result)
