"""The host's side of the guests' network, in our own namespace: bridges, counters, frames of known size."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.harness import needs

#: A protocol number for local experiments: nobody answers, nobody forwards it to a stack.
ETHERTYPE = 0x88B5


@dataclass(frozen=True)
class Counters:
    """What the kernel counted on one interface, from the host's side: a tap's rx is its guest's tx."""

    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_drops: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_drops: int


def tap_counters(device: str) -> Counters:
    """The counters of one interface of this network namespace; KeyError when there is none of that name."""
    for line in Path("/proc/net/dev").read_text().splitlines()[2:]:
        name, _, rest = line.partition(":")
        if name.strip() == device:
            field = [int(text) for text in rest.split()]
            return Counters(*field[0:4], *field[8:12])
    raise KeyError(device)


def interfaces() -> list[str]:
    """The interfaces of this network namespace."""
    return [name for _, name in socket.if_nameindex()]


def ip(*arguments: str) -> None:
    """Run ip(8)."""
    command = [needs.program("ip", "iproute2"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()}")


@contextmanager
def bridge(name: str) -> Iterator[str]:
    """A plain linux bridge that says nothing of its own: no STP, no multicast queries."""
    ip("link", "add", name, "type", "bridge", "stp_state", "0", "mcast_snooping", "0", "forward_delay", "0")
    try:
        ip("link", "set", name, "up")
        yield name
    finally:
        ip("link", "del", name)


def send_frames(device: str, count: int, size: int, *, to: str = "ff:ff:ff:ff:ff:ff") -> None:
    """Put ``count`` frames of exactly ``size`` bytes on an interface; on a tap the guest receives them."""
    if not 60 <= size <= 1514:
        raise ValueError("an ethernet frame has 60 to 1514 bytes without its checksum")
    head = bytes.fromhex(to.replace(":", "")) + bytes.fromhex("020000000099") + ETHERTYPE.to_bytes(2, "big")
    frame = head + bytes(size - len(head))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((device, ETHERTYPE))
        for _ in range(count):
            if raw.send(frame) != size:
                raise AssertionError(f"{device} took a part of a frame")
