"""Frames that no honest server sends, against the Windows side's own reader, in Wine."""

from __future__ import annotations

import random
import struct
import subprocess
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.harness import needs
from tests.harness.wine import need_wine
from vpcshim.clients.scripting.channel import HostGone
from vpcshim.clients.scripting.frames import Enumeration, Failed, Kind, Reader, Writer
from vpcshim.clients.wine import installation, program
from vpcshim.clients.wine.process import HostProcess
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT, Variant

HARNESS = Path(__file__).parent / "windows" / "fuzz.c"
ROUNDS = 10_000
_HEADER = 5
_ARRAY = VT.ARRAY | VT.VARIANT


def result(value: Any) -> bytes:
    writer = Writer(Kind.RESULT, lambda _obj: (0x1234_5678_9ABC, 7))
    writer.result(value)
    return writer.frame()[_HEADER:]


HONEST = [
    result(value)
    for value in (
        None,
        "Grüße",
        -1,
        2.5,
        Decimal("123456789012345678901234.5"),
        datetime(2006, 1, 2, 3, 4, 5),
        True,
        object(),
        b"bytes",
        ((1, "a", None), (object(), 2.0, ("deep", ("deeper",)))),
        Enumeration((1, "two", object(), Enumeration((3, ("four",))))),
        Variant(VT.UI1, 7),
        Failed(-2147352567, -1610284800, "source", "description"),
    )
]
# An object of the host's own that has no IDispatch: it is handed back as what it is.
HONEST.append(struct.pack("<iHBQ", 0, VT.DISPATCH, 2, 1))
# Well formed but for one thing, and what it is.
HOSTILE = [
    struct.pack("<iHBIi", 0, _ARRAY, 1, 0xFFFF_FFFF, 0),  # more elements than the frame has bytes
    struct.pack("<iHBIiIi", 0, _ARRAY, 2, 0x1_0000, 0, 0x1_0000, 0),  # as a product, modulo 2^32, none
    struct.pack("<iHBIiIi", 0, _ARRAY, 2, 0, 0, 0xFFFF_FFFF, 0),
    struct.pack("<iHBIi", 0, _ARRAY, 1, 2, 0x7FFF_FFFF) + struct.pack("<H", VT.EMPTY) * 2,  # bounds beyond a LONG
    struct.pack("<iHB", 0, _ARRAY, 61) + bytes(8 * 61),
    struct.pack("<iHB", 0, _ARRAY, 0),
    struct.pack("<iHI", 0, VT.BSTR, 0xFFFF_FFFF),
    struct.pack("<iHI", 0, VT.BSTR, 3) + b"abc",  # half a character
    struct.pack("<iHBI", 0, VT.UNKNOWN, 3, 0xFFFF_FFFF),
    struct.pack("<iHBI", 0, VT.DISPATCH, 3, 1) + struct.pack("<H", VT.EMPTY),  # an enumerator has no IDispatch
    struct.pack("<iHBQ", 0, VT.DISPATCH, 2, 9),  # none of the host's own objects
    struct.pack("<iHB", 0, VT.DISPATCH, 1) + b"\0" * 11,  # a handle that is cut off
    struct.pack("<i", 0) + struct.pack("<HBIi", _ARRAY, 1, 1, 0) * 40 + struct.pack("<H", VT.EMPTY),
    struct.pack("<i", 0) + struct.pack("<HBI", VT.UNKNOWN, 3, 1) * 40 + struct.pack("<H", VT.EMPTY),
    struct.pack("<iH", 0, 0x4000 | VT.VARIANT) + bytes(8),  # an address of the server's choice
    struct.pack("<iH", 0, 36) + bytes(16),  # VT_RECORD: two addresses
]
_NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF)


def mutated(chance: random.Random) -> bytes:
    """An honest payload with some of its bytes or numbers made to be others, cut off, or with a part repeated."""
    data = bytearray(chance.choice(HONEST))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        way = chance.randrange(5)
        if way == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif way == 1:
            data[at : at + 4] = struct.pack("<I", chance.choice(_NUMBERS))
        elif way == 2:
            del data[at:]
        elif way == 3:
            data[at:at] = data[chance.randrange(len(data) + 1) :]
        else:
            data[at : at + 2] = struct.pack("<H", chance.choice([*VT]))
    return bytes(data[: 1 << 16])


def harness(folder: Path) -> Path:
    made = folder / "fuzz.exe"
    sources = [str(HARNESS), *(str(program.HOME / name) for name in ("failure.c", "proxy.c", "wire.c"))]
    options = ["-O1", f"-I{program.HOME}", "-o", str(made), *sources, *program.LIBRARIES]
    subprocess.run([program.COMPILER, *options], check=True, capture_output=True)
    return made


def read(made: Path, payloads: list[bytes]) -> tuple[int, int, int]:
    """How many payloads were read, how many of them taken and how many refused; fails when the reader crashes."""
    wine = installation.find()
    told = subprocess.run(
        [wine.loader, str(made)],
        env=wine.environment(installation.prefix(wine)),
        input=b"".join(struct.pack("<I", len(payload)) + payload for payload in payloads),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stdout
    rounds, taken, refused = told.stdout.split()
    return int(rounds), int(taken), int(refused)


def test_any_frame_ends_in_a_value_or_a_failure(tmp_path: Path) -> None:
    need_wine()
    needs.program(program.COMPILER, "gcc-mingw-w64-x86-64")
    made = harness(tmp_path)
    assert read(made, HONEST) == (len(HONEST), len(HONEST), 0)
    assert read(made, HOSTILE) == (len(HOSTILE), 0, len(HOSTILE))
    chance = random.Random(20051)
    rounds, taken, refused = read(made, [mutated(chance) for _ in range(ROUNDS)])
    assert rounds == ROUNDS
    assert min(taken, refused) > ROUNDS // 20


def request(kind: Kind, payload: bytes) -> bytes:
    return struct.pack("<IB", 1 + len(payload), kind) + payload


TEXT = struct.pack("<I", 2) + b"a\0"
NO_DATA, UNEXPECTED, POINTER = -0x7FFE_FFF1, HRESULT.E_UNEXPECTED, HRESULT.E_POINTER
REQUESTS = {
    # Before there is a script.
    request(Kind.PARSE, struct.pack("<II", 2, 2) + TEXT): UNEXPECTED,
    request(Kind.CALL, TEXT + bytes(2)): UNEXPECTED,
    request(Kind.LOCAL, struct.pack("<QiH", 1, 0, 1) + TEXT + bytes(2)): POINTER,
    # Cut off, and more than there is.
    request(Kind.PARSE, bytes(4)): NO_DATA,
    request(Kind.CREATE, b""): NO_DATA,
    request(Kind.GET, struct.pack("<I", 0xFFFF_FFFF)): NO_DATA,
    request(Kind.LOCAL, bytes(8)): NO_DATA,
    request(Kind.DONE, b""): NO_DATA,  # nothing that is asked of a host
}


def test_requests_out_of_turn_are_answered_by_a_failure() -> None:
    need_wine()
    with HostProcess() as host:
        assert host.channel.receive()[0] is Kind.HELLO
        for frame, code in REQUESTS.items():
            host.channel.send(frame)
            kind, payload = host.channel.receive()
            answer = Reader(payload).result()
            assert (kind, answer.hresult & 0xFFFF_FFFF) == (Kind.RESULT, code & 0xFFFF_FFFF), frame
        host.channel.send(request(Kind.FORGET, b""))
        host.channel.send(request(Kind.QUIT, b""))
        with pytest.raises(HostGone):
            host.channel.receive()
    assert host._process.returncode == 70
