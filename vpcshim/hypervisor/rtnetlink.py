"""The kernel's link counters, asked for by interface index: rtnetlink(7), RTM_GETLINK and RTM_GETSTATS.

libvirt reads /proc/net/dev from the top for every NIC, so its cost grows as NICs x links. Here each link is asked
for by itself, many requests to a datagram, and the links that nobody asked for cost nothing. The libraries for
netlink decode every attribute of every message in Python; this reads the two numbers that are wanted.

Layouts: linux/netlink.h, linux/rtnetlink.h, linux/if_link.h (struct if_stats_msg, struct rtnl_link_stats64).
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import struct
import sys
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from vpcshim.hypervisor import forks

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, ARPHRD type, index, flags, change
_STATS = struct.Struct("=BBHII")  # if_stats_msg: family, pad, pad, index, filter mask
_COUNTS = struct.Struct("=4Q")  # rtnl_link_stats64: rx_packets, tx_packets, rx_bytes, tx_bytes, ...

_NLMSG_ERROR = 2
_NLM_F_REQUEST = 1
_RTM_NEWLINK, _RTM_GETLINK = 16, 18
_RTM_NEWSTATS, _RTM_GETSTATS = 92, 94
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_INFO_KIND = 1, 3, 18, 1
_IFLA_STATS_LINK_64 = 1
_STATS_LINK_64_ONLY = 1 << (_IFLA_STATS_LINK_64 - 1)
_TYPE_MASK = 0x3FFF  # NLA_TYPE_MASK: the two bits above it are flags
_NAME_SIZE = 16  # IFNAMSIZ: the kernel refuses a longer name as malformed
_REQUESTS_PER_DATAGRAM = 64  # their answers fit a socket buffer of the kernel's default size several times
_RECEIVE = 1 << 17
_TIMEOUT = 2.0


class Link(NamedTuple):
    """A link of this network namespace.

    Attributes:
        number: Its interface index, which no other link gets while the system is up.
        mac: Its MAC address in lower case.
        kind: The kernel's name of its kind (tun, macvtap, veth, bridge); "" for hardware.
        ethernet: Whether it carries Ethernet frames (a tap does, a tun does not).
    """

    number: int
    mac: str
    kind: str
    ethernet: bool


class LinkBytes(NamedTuple):
    """What the host received from and sent to the link."""

    received: int
    sent: int


class RtNetlink:
    """Questions to the kernel about links. Threads may share it.

    Raises:
        OSError: From any call, where the kernel does not answer it (RTM_GETSTATS came with Linux 4.7).
    """

    def __init__(self) -> None:
        self._lock = forks.lock()
        self._socket: socket.socket | None = None
        self._owner = 0
        self._sequence = itertools.count(1)

    def link(self, name: str) -> Link | None:
        """The link of that name; None where there is none."""
        encoded = name.encode() + b"\0"
        if len(encoded) > _NAME_SIZE:
            return None
        body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + _attribute(_IFLA_IFNAME, encoded)
        (answer,) = self._ask(_RTM_GETLINK, [body])
        if answer is None:
            return None
        _, arphrd, index, _, _ = _unpacked(_LINK, answer)
        mac = kind = b""
        for number, value in _attributes(answer, _LINK.size):
            if number == _IFLA_ADDRESS:
                mac = value
            elif number == _IFLA_LINKINFO:
                kind = dict(_attributes(value, 0)).get(_IFLA_INFO_KIND, b"")
        return Link(index, mac.hex(":"), kind.rstrip(b"\0").decode(errors="replace"), arphrd == 1)

    def counters(self, indexes: Sequence[int]) -> list[LinkBytes | None]:
        """The byte counters of each link, None for one that is gone."""
        found: list[LinkBytes | None] = []
        for start in range(0, len(indexes), _REQUESTS_PER_DATAGRAM):
            some = indexes[start : start + _REQUESTS_PER_DATAGRAM]
            bodies = [_STATS.pack(socket.AF_UNSPEC, 0, 0, index, _STATS_LINK_64_ONLY) for index in some]
            found.extend(
                None if answer is None else _bytes_of(answer) for answer in self._ask(_RTM_GETSTATS, bodies)
            )
        return found

    def _ask(self, kind: int, bodies: Sequence[bytes]) -> list[bytes | None]:
        """The payload of the answer to each request, None for "no such device"."""
        with self._lock:
            try:
                return self._exchange(kind, bodies)
            except OSError:
                # Answers may still be under way: a fresh socket cannot mistake them for those of the next question.
                self._close()
                raise

    def _exchange(self, kind: int, bodies: Sequence[bytes]) -> list[bytes | None]:
        if self._socket is None or self._owner != os.getpid():
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            self._socket.settimeout(_TIMEOUT)
            self._owner = os.getpid()
            # Not __del__: in a cycle the socket would be collected, and complain, before this object.
            weakref.finalize(self, self._socket.close)
        places = {next(self._sequence) & 0xFFFF_FFFF: place for place in range(len(bodies))}
        requests = (
            _HEADER.pack(_HEADER.size + len(body), kind, _NLM_F_REQUEST, number, 0) + body
            for number, body in zip(places, bodies, strict=True)
        )
        self._socket.send(b"".join(requests))
        answers: list[bytes | None] = [None] * len(bodies)
        while places:
            datagram = self._socket.recv(_RECEIVE)
            for number, answer in _messages(datagram):
                place = places.pop(number, None)
                if place is None:
                    continue  # an answer to somebody else's question
                if isinstance(answer, OSError):
                    raise answer
                answers[place] = answer
        return answers

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _attribute(number: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), number) + value + b"\0" * (-len(value) % 4)


def _attributes(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    while offset + _ATTRIBUTE.size <= len(data):
        length, number = _ATTRIBUTE.unpack_from(data, offset)
        if not _ATTRIBUTE.size <= length <= len(data) - offset:
            raise OSError(errno.EBADMSG, f"an attribute of a netlink message cannot be of length {length}")
        yield number & _TYPE_MASK, data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes | OSError | None]]:
    """The sequence number and payload of each message; None for "no such device", else the error it tells of."""
    offset = 0
    while offset + _HEADER.size <= len(datagram):
        length, kind, _, number, _ = _HEADER.unpack_from(datagram, offset)
        if not _HEADER.size <= length <= len(datagram) - offset:
            raise OSError(errno.EBADMSG, f"a netlink message cannot be of length {length}")
        payload = datagram[offset + _HEADER.size : offset + length]
        if kind == _NLMSG_ERROR:
            code = -int.from_bytes(payload[:4], sys.byteorder, signed=True)
            told = os.strerror(code) if code in errno.errorcode else "the kernel's answer makes no sense"
            yield number, None if code == errno.ENODEV else OSError(code, told)
        elif kind in (_RTM_NEWLINK, _RTM_NEWSTATS):
            yield number, payload
        offset += (length + 3) & ~3


def _unpacked(layout: struct.Struct, data: bytes) -> tuple[Any, ...]:
    if len(data) < layout.size:
        raise OSError(errno.EBADMSG, "a netlink message is cut off")
    return layout.unpack_from(data)


def _bytes_of(answer: bytes) -> LinkBytes:
    for number, value in _attributes(answer, _STATS.size):
        if number == _IFLA_STATS_LINK_64:
            _, _, received, sent = _unpacked(_COUNTS, value)
            return LinkBytes(received, sent)
    raise OSError(errno.ENODATA, "the kernel's answer holds no link counters")
