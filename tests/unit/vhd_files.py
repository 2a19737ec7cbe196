"""Small .vhd images with known sectors, written byte by byte."""

from __future__ import annotations

import struct
import uuid
from pathlib import Path

from vpcshim.migrate.vhd import SECTOR, VhdType

BLOCK = 4096  # eight sectors: a bitmap of one byte, which takes a sector all the same
PARENT, CHILD = uuid.UUID(int=1), uuid.UUID(int=2)


def checksum(raw: bytes) -> int:
    return ~sum(raw) & 0xFFFF_FFFF


def footer(kind: VhdType, size: int, identifier: uuid.UUID) -> bytes:
    offset = 0xFFFF_FFFF_FFFF_FFFF if kind is VhdType.FIXED else SECTOR
    raw = struct.pack(
        ">8sIIQI4sI4sQQIII16s", b"conectix", 2, 0x10000, offset, 0, b"test", 1, b"Wi2k", size, size, 0, kind, 0,
        identifier.bytes,
    ).ljust(SECTOR, b"\0")  # fmt: skip
    return raw[:64] + struct.pack(">I", checksum(raw)) + raw[68:]


def header(entries: int, parent: uuid.UUID | None, name: str) -> bytes:
    raw = struct.pack(
        ">8sQQIIII16sII512s", b"cxsparse", 0xFFFF_FFFF_FFFF_FFFF, 1536, 0x10000, entries, BLOCK, 0,
        (parent or uuid.UUID(int=0)).bytes, 0, 0, name.encode("utf-16-be"),
    ).ljust(1024, b"\0")  # fmt: skip
    return raw[:36] + struct.pack(">I", checksum(raw)) + raw[40:]


def write(
    path: Path,
    kind: VhdType,
    size: int,
    sectors: dict[int, bytes],
    *,
    identifier: uuid.UUID = PARENT,
    parent: uuid.UUID | None = None,
    name: str = "",
) -> None:
    """An image that holds these sectors."""
    end = footer(kind, size, identifier)
    if kind is VhdType.FIXED:
        data = b"".join(sectors.get(number, bytes(SECTOR)) for number in range(size // SECTOR))
        path.write_bytes(data + end)
        return
    entries = -(-size // BLOCK)
    table, blocks, place = [], b"", 4  # footer, two sectors of header, one of the table
    for block in range(entries):
        held = {number - block * 8: data for number, data in sectors.items() if number // 8 == block}
        if not held:
            table.append(0xFFFF_FFFF)
            continue
        table.append(place)
        bitmap = sum(1 << (7 - number) for number in held)
        blocks += bytes([bitmap]).ljust(SECTOR, b"\0")
        blocks += b"".join(held.get(number, b"\xee" * SECTOR if kind is VhdType.DIFFERENCING else bytes(SECTOR))
                           for number in range(8))  # fmt: skip
        place += 9
    packed = struct.pack(f">{entries}I", *table).ljust(SECTOR, b"\xff")
    path.write_bytes(end + header(entries, parent, name) + packed + blocks + end)
