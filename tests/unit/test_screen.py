"""Screenshots as pixels: portable pixmaps, PNG pictures of every plain kind, and what is neither."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcshim.hypervisor.errors import Unsupported
from vpcshim.hypervisor.screen import Picture, parsed

_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, colour: int, rows: list[bytes], filters: list[int], depth: int = 8) -> bytes:
    """A PNG whose rows are filtered as asked: the encoder's side, written from the specification."""
    step = _CHANNELS[colour]
    data, above = b"", bytes(width * step)
    for row, kind in zip(rows, filters, strict=True):
        data += bytes([kind]) + bytes(
            (byte - guess(kind, row, above, place, step)) & 0xFF for place, byte in enumerate(row)
        )
        above = row
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    packed = zlib.compress(data)
    half = len(packed) // 2
    body = chunk(b"IDAT", packed[:half]) + chunk(b"tEXt", b"x") + chunk(b"IDAT", packed[half:])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


def guess(kind: int, row: bytes, above: bytes, place: int, step: int) -> int:
    a = row[place - step] if place >= step else 0
    b = above[place]
    c = above[place - step] if place >= step else 0
    if kind == 4:
        p = a + b - c
        pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
        return a if pa <= pb and pa <= pc else b if pb <= pc else c
    return (0, a, b, (a + b) // 2)[kind]


@given(st.data())
def test_a_png_comes_out_as_it_went_in(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    colour = data.draw(st.sampled_from(sorted(_CHANNELS)))
    size = width * _CHANNELS[colour]
    rows = [data.draw(st.binary(min_size=size, max_size=size)) for _ in range(height)]
    filters = [data.draw(st.integers(0, 4)) for _ in range(height)]
    wanted = b""
    step = _CHANNELS[colour]
    for row in rows:
        for at in range(0, size, step):
            wanted += row[at : at + 3] if step >= 3 else row[at : at + 1] * 3
    assert parsed(png(width, height, colour, rows, filters)) == Picture(width, height, wanted)


def test_a_portable_pixmap() -> None:
    assert parsed(b"P6\n2 1\n255\n\x01\x02\x03\x0a\x0b\x0c") == Picture(2, 1, b"\x01\x02\x03\x0a\x0b\x0c")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"P5\n1 1\n255\n\x01",
        b"P6\n1 1\n65535\n\x01\x01\x01\x01\x01\x01",
        b"P6\n2 1\n255\n\x01",
        b"P6\nx 1\n255\n\x01\x02\x03",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"short"),
        png(1, 1, 2, [b"\1\2\3"], [0])[:60],
        png(1, 1, 0, [b"\1"], [0], depth=16),
        png(1 << 20, 1 << 20, 2, [], []),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(Unsupported):
        parsed(data)


@given(st.binary(max_size=200))
def test_hostile_bytes_are_refused_not_more(data: bytes) -> None:
    for head in (b"", b"P6\n", b"\x89PNG\r\n\x1a\n"):
        try:
            parsed(head + data)
        except Unsupported:
            continue


def test_a_picture_is_scaled_to_its_nearest_pixels() -> None:
    quarters = Picture(4, 2, b"".join(bytes([x, y, 0]) for y in range(2) for x in range(4)))
    assert quarters.scaled(2, 2) == [(1, 0, 0), (3, 0, 0), (1, 1, 0), (3, 1, 0)]
    assert quarters.scaled(8, 2)[:8] == [(x // 2, 0, 0) for x in range(8)]
