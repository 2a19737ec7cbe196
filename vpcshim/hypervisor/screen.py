"""What a running machine's screen shows: libvirt's screenshot, read as pixels.

QEMU's driver hands out a portable pixmap, the test driver a PNG picture, others whatever they make; both of these
are read here, of a PNG the plain kinds (8 bits a channel, not interlaced).

Sources: virDomainScreenshot; ppm(5); the PNG specification (chunks, filters).
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

import libvirt

from vpcshim.hypervisor.domainxml import parse_element
from vpcshim.hypervisor.errors import Unsupported

_PPM = re.compile(rb"P6\s+([0-9]{1,6})\s+([0-9]{1,6})\s+255\s")
_PNG = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # colour type of a PNG: grey, RGB, grey and alpha, RGB and alpha
_MOST = 1 << 28  # bytes of a picture; a guest's screen is far smaller


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture: its size in pixels, and three bytes (red, green, blue) a pixel, row by row."""

    width: int
    height: int
    rgb: bytes

    def scaled(self, width: int, height: int) -> list[tuple[int, int, int]]:
        """The picture in another size, each pixel the nearest one of this; row by row."""
        found = []
        for y in range(height):
            row = (2 * y + 1) * self.height // (2 * height) * self.width
            for x in range(width):
                at = 3 * (row + (2 * x + 1) * self.width // (2 * width))
                found.append((self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]))
        return found


def has_screen(domain: libvirt.virDomain) -> bool:
    """Whether the machine has a video card (of the test driver's, which has none in its XML, any has)."""
    root = parse_element(domain.XMLDesc())
    if root.get("type") == "test":
        return True
    return any(model.get("type") != "none" for model in root.findall("devices/video/model"))


def picture(domain: libvirt.virDomain) -> Picture:
    """What the running machine's first screen shows.

    Raises:
        Unsupported: The picture is of a kind that is not read here.
        libvirt.libvirtError: libvirt refused.
    """
    stream = domain.connect().newStream()
    domain.screenshot(stream, 0)
    parts: list[bytes] = []
    size = 0
    try:
        while data := stream.recv(1 << 16):
            parts.append(bytes(data))
            size += len(data)
            if size > _MOST:
                raise Unsupported(f"the picture of {domain.name()} is larger than {_MOST} bytes")
    except BaseException:
        stream.abort()
        raise
    stream.finish()
    return parsed(b"".join(parts))


def parsed(data: bytes) -> Picture:
    """A picture of its bytes.

    Raises:
        Unsupported: It is neither a portable pixmap (P6, 255 levels) nor a plain PNG, or is cut off.
    """
    try:
        found = _png(data) if data.startswith(_PNG) else _ppm(data)
    except (struct.error, IndexError, ValueError, zlib.error) as error:
        raise Unsupported(f"libvirt's screenshot is damaged: {error}") from error
    if found.width < 1 or found.height < 1 or len(found.rgb) != 3 * found.width * found.height:
        raise Unsupported("libvirt's screenshot is cut off")
    return found


def _ppm(data: bytes) -> Picture:
    head = _PPM.match(data)
    if head is None:
        raise Unsupported("libvirt's screenshot is neither a portable pixmap nor a PNG picture")
    width, height = int(head[1]), int(head[2])
    return Picture(width, height, data[head.end() : head.end() + 3 * width * height])


def _png(data: bytes) -> Picture:
    at, packed = len(_PNG), b""
    width = height = channels = 0
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            channels = _CHANNELS.get(colour, 0)
            if depth != 8 or not channels or interlaced or width * height * channels > _MOST:
                raise Unsupported(f"a PNG picture of colour type {colour} with {depth} bits is not read here")
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    step = width * channels
    unpacked = zlib.decompressobj().decompress(packed, (step + 1) * height)
    rows, above = [], bytes(step)
    for y in range(height):
        start = y * (step + 1)
        above = _unfiltered(unpacked[start], unpacked[start + 1 : start + 1 + step], above, channels)
        rows.append(above)
    pixels = b"".join(rows)
    if channels == 3:
        return Picture(width, height, pixels)
    red, green, blue = (0, 0, 0) if channels < 3 else (0, 1, 2)
    rgb = bytearray(3 * width * height)
    for place, channel in enumerate((red, green, blue)):
        rgb[place::3] = pixels[channel::channels]
    return Picture(width, height, bytes(rgb))


def _unfiltered(kind: int, row: bytes, above: bytes, step: int) -> bytes:
    if kind == 0:
        return row
    found = bytearray(row)
    for place in range(len(found)):
        left = found[place - step] if place >= step else 0
        up = above[place]
        corner = above[place - step] if place >= step else 0
        found[place] = (found[place] + _guess(kind, left, up, corner)) & 0xFF
    return bytes(found)


def _guess(kind: int, left: int, up: int, corner: int) -> int:
    match kind:
        case 1:
            return left
        case 2:
            return up
        case 3:
            return (left + up) // 2
        case 4:
            distances = [(abs(up - corner), 0, left), (abs(left - corner), 1, up)]
            return min(*distances, (abs(left + up - 2 * corner), 2, corner))[2]
    raise ValueError(f"a PNG row of filter {kind}")
