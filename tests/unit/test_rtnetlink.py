"""Questions to the kernel about links: the messages, written and read by hand, through a fake socket."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcshim.hypervisor import rtnetlink
from vpcshim.hypervisor.rtnetlink import Link, LinkBytes, RtNetlink

pytestmark = pytest.mark.usefixtures("bounded")

NEWLINK, NEWSTATS, GETLINK, GETSTATS, ERROR, DONE = 16, 92, 18, 94, 2, 3
MAC = bytes.fromhex("fe540000000a")

Request = tuple[int, int, int, bytes]  # type, flags, sequence, body
Answers = Callable[[list[Request]], list[bytes]]


def message(kind: int, number: int, body: bytes, *, length: int | None = None) -> bytes:
    """A netlink message, its length as it is or as told, padded to 4 bytes."""
    size = 16 + len(body) if length is None else length
    return struct.pack("=IHHII", size, kind, 0, number, 77) + body + b"\0" * (-len(body) % 4)


def attribute(number: int, value: bytes, *, length: int | None = None) -> bytes:
    size = 4 + len(value) if length is None else length
    return struct.pack("=HH", size, number) + value + b"\0" * (-len(value) % 4)


def stats(received: int, sent: int, *, index: int = 3) -> bytes:
    """struct if_stats_msg and IFLA_STATS_LINK_64: packets first, then bytes, then what nobody reads."""
    counts = struct.pack("=25Q", 1001, 1002, received, sent, *[9] * 21)
    return struct.pack("=BBHII", 0, 0, 0, index, 1) + attribute(1, counts)


def link(index: int = 7, *, mac: bytes = MAC, kind: bytes = b"tun\0", arphrd: int = 1) -> bytes:
    """struct ifinfomsg with a name, a MAC and a kind, the latter with the flag bits of a nested attribute."""
    info = attribute(1, kind) + attribute(2, b"whatever")
    return (
        struct.pack("=BBHiII", 0, 0, arphrd, index, 0x11043, 0)
        + attribute(3, b"vnet0\0")
        + attribute(1, mac)
        + attribute(18 | 0x8000, info)
    )


def error(code: int, number: int) -> bytes:
    return message(ERROR, number, struct.pack("=i", -code) + b"\0" * 16)


class FakeSocket:
    """A netlink socket whose answers to each datagram a test makes from the requests in it."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.sent: list[list[Request]] = []
        self.waiting: list[bytes] = []
        self.closed = False
        self.timeout: float | None = None

    def settimeout(self, seconds: float) -> None:
        self.timeout = seconds

    def send(self, datagram: bytes) -> int:
        assert not self.closed
        requests = []
        offset = 0
        while offset < len(datagram):
            length, kind, flags, number, port = struct.unpack_from("=IHHII", datagram, offset)
            assert port == 0
            requests.append((kind, flags, number, datagram[offset + 16 : offset + length]))
            offset += (length + 3) & ~3
        assert offset == len(datagram)
        self.sent.append(requests)
        self.waiting += self.answers(requests)
        return len(datagram)

    def recv(self, size: int) -> bytes:
        assert not self.closed
        assert self.timeout is not None
        if not self.waiting:
            raise TimeoutError("timed out")
        return self.waiting.pop(0)[:size]

    def close(self) -> None:
        self.closed = True


class FakeSockets:
    """What `socket.socket` makes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: Answers) -> None:
        self.answers = answers
        self.made: list[FakeSocket] = []
        fake = SimpleNamespace(
            socket=self._make,
            AF_NETLINK=socket.AF_NETLINK,
            AF_UNSPEC=socket.AF_UNSPEC,
            SOCK_RAW=socket.SOCK_RAW,
            SOCK_CLOEXEC=socket.SOCK_CLOEXEC,
        )
        monkeypatch.setattr(rtnetlink, "socket", fake)

    def _make(self, family: int, kind: int, protocol: int) -> FakeSocket:
        assert (family, kind, protocol) == (socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self.made.append(FakeSocket(lambda requests: self.answers(requests)))
        return self.made[-1]

    @property
    def sent(self) -> list[list[Request]]:
        return [datagram for one in self.made for datagram in one.sent]


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> FakeSockets:
    return FakeSockets(monkeypatch, lambda _requests: [])


def index_of(request: Request) -> int:
    *_, index, mask = struct.unpack("=BBHII", request[3])
    assert mask == 1
    return int(index)


def one_each(requests: list[Request]) -> list[bytes]:
    """The kernel's usual answer: a datagram for each request. The link of index n has received 10n and sent n."""
    return [message(NEWSTATS, request[2], stats(10 * index_of(request), index_of(request))) for request in requests]


# -- questions -----------------------------------------------------------------------------------------------


def test_the_question_for_a_link(sockets: FakeSockets) -> None:
    sockets.answers = lambda requests: [message(NEWLINK, requests[0][2], link())]
    assert RtNetlink().link("vnet0") == Link(7, "fe:54:00:00:00:0a", "tun", True)
    (((kind, flags, _, body),),) = sockets.sent
    assert (kind, flags) == (GETLINK, 1)
    assert body == struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0) + struct.pack("=HH", 10, 3) + b"vnet0\0\0\0"


def test_the_question_for_counters(sockets: FakeSockets) -> None:
    sockets.answers = one_each
    assert RtNetlink().counters([3, 9]) == [LinkBytes(30, 3), LinkBytes(90, 9)]
    ((first, second),) = sockets.sent  # one datagram
    assert (first[:2], second[:2]) == ((GETSTATS, 1), (GETSTATS, 1))
    assert first[2] != second[2]
    assert first[3] == struct.pack("=BBHII", 0, 0, 0, 3, 1)


def test_nothing_asked_nothing_sent(sockets: FakeSockets) -> None:
    assert RtNetlink().counters([]) == []
    assert sockets.made == []


@pytest.mark.parametrize(("count", "datagrams"), [(1, [1]), (64, [64]), (65, [64, 1]), (200, [64, 64, 64, 8])])
def test_many_are_split(count: int, datagrams: list[int], sockets: FakeSockets) -> None:
    sockets.answers = one_each
    assert RtNetlink().counters(range(1, count + 1)) == [LinkBytes(10 * n, n) for n in range(1, count + 1)]
    assert [len(requests) for requests in sockets.sent] == datagrams
    assert len(sockets.made) == 1  # the socket is kept
    assert len({request[2] for requests in sockets.sent for request in requests}) == count


@pytest.mark.parametrize("name", ["a" * 16, "x" * 100, "ü" * 8])
def test_a_name_that_no_link_can_have_is_not_asked_for(name: str, sockets: FakeSockets) -> None:
    """The kernel answers ERANGE, which says nothing of the other links."""
    assert RtNetlink().link(name) is None
    assert sockets.made == []


def test_the_sequence_number_is_32_bits(sockets: FakeSockets, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets.answers = one_each
    netlink = RtNetlink()
    monkeypatch.setattr(netlink, "_sequence", iter(range(2**32 - 1, 2**32 + 5)))
    assert netlink.counters([1, 2, 3]) == [LinkBytes(10, 1), LinkBytes(20, 2), LinkBytes(30, 3)]


def test_a_forked_process_has_a_socket_of_its_own(sockets: FakeSockets, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets.answers = one_each
    netlink = RtNetlink()
    netlink.counters([1])
    monkeypatch.setattr(os, "getpid", lambda: -1)
    netlink.counters([1])
    assert len(sockets.made) == 2


# -- answers -------------------------------------------------------------------------------------------------


def test_several_answers_in_a_datagram_and_in_any_order(sockets: FakeSockets) -> None:
    def joined(requests: list[Request]) -> list[bytes]:
        a, b, c = one_each(requests)
        return [c + a, b]

    sockets.answers = joined
    assert RtNetlink().counters([1, 2, 3]) == [LinkBytes(10, 1), LinkBytes(20, 2), LinkBytes(30, 3)]


def test_a_link_that_is_gone(sockets: FakeSockets) -> None:
    def gone(requests: list[Request]) -> list[bytes]:
        answers = one_each(requests)
        answers[1] = error(errno.ENODEV, requests[1][2])
        return answers

    sockets.answers = gone
    netlink = RtNetlink()
    assert netlink.counters([1, 2, 3]) == [LinkBytes(10, 1), None, LinkBytes(30, 3)]
    sockets.answers = lambda requests: [error(errno.ENODEV, requests[0][2])]
    assert netlink.link("vnet0") is None
    assert not any(one.closed for one in sockets.made)


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOBUFS])
def test_another_error_is_raised_and_ends_the_socket(code: int, sockets: FakeSockets) -> None:
    sockets.answers = lambda requests: [error(code, requests[0][2]), *one_each(requests[1:])]
    netlink = RtNetlink()
    with pytest.raises(OSError, match=os.strerror(code)) as caught:
        netlink.counters([1, 2])
    assert caught.value.errno == code
    assert sockets.made[0].closed
    # What was still under way is not mistaken for the next question's answer.
    sockets.answers = one_each
    assert netlink.counters([5]) == [LinkBytes(50, 5)]
    assert len(sockets.made) == 2


@pytest.mark.parametrize("code", [0, -5, 2**31, -(2**31) + 1, 99999])
def test_an_error_that_makes_no_sense(code: int, sockets: FakeSockets) -> None:
    body = struct.pack("=I", -code & 0xFFFF_FFFF)
    sockets.answers = lambda requests: [message(ERROR, requests[0][2], body)]
    with pytest.raises(OSError, match="makes no sense"):
        RtNetlink().counters([1])


def test_no_answer_is_waited_for_only_so_long(sockets: FakeSockets) -> None:
    with pytest.raises(TimeoutError):
        RtNetlink().counters([1])
    assert sockets.made[0].closed
    assert sockets.made[0].timeout == 2.0


def test_other_sequence_numbers_are_ignored(sockets: FakeSockets) -> None:
    def with_others(requests: list[Request]) -> list[bytes]:
        number = requests[0][2]
        return [
            message(NEWSTATS, number + 1000, stats(1, 1)),
            error(errno.EPERM, number + 1001),
            error(errno.ENODEV, number + 1002),
            message(DONE, number, b"\0" * 4),
            *one_each(requests),
        ]

    sockets.answers = with_others
    assert RtNetlink().counters([4]) == [LinkBytes(40, 4)]


def test_a_second_answer_changes_nothing(sockets: FakeSockets) -> None:
    def twice(requests: list[Request]) -> list[bytes]:
        first, second = requests
        again = message(NEWSTATS, first[2], stats(666, 666))
        return [one_each([first])[0] + again, *one_each([second])]

    sockets.answers = twice
    assert RtNetlink().counters([1, 2]) == [LinkBytes(10, 1), LinkBytes(20, 2)]


def truncations(kind: int, body: bytes) -> list[Answers]:
    def cut(length: int) -> Answers:
        return lambda requests: [message(kind, requests[0][2], body)[:length]]

    return [cut(length) for length in range(16, 16 + len(body))]


@pytest.mark.parametrize("answers", truncations(NEWSTATS, stats(1, 2)))
def test_counters_cut_off_anywhere(answers: Answers, sockets: FakeSockets) -> None:
    sockets.answers = answers
    with pytest.raises(OSError, match="cannot be of length"):
        RtNetlink().counters([1])
    assert sockets.made[0].closed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0" * 4,
        stats(1, 2)[:12],
        struct.pack("=BBHII", 0, 0, 0, 1, 1) + attribute(1, b"\0" * 24),
        struct.pack("=BBHII", 0, 0, 0, 1, 1) + attribute(2, b"\0" * 200),
        struct.pack("=BBHII", 0, 0, 0, 1, 1) + attribute(1, b"", length=3),
        struct.pack("=BBHII", 0, 0, 0, 1, 1) + attribute(1, b"\0" * 32, length=400),
    ],
    ids=range(7),
)
def test_counters_that_are_none(body: bytes, sockets: FakeSockets) -> None:
    sockets.answers = lambda requests: [message(NEWSTATS, requests[0][2], body)]
    with pytest.raises(OSError) as caught:
        RtNetlink().counters([1])
    assert caught.value.errno in (errno.EBADMSG, errno.ENODATA)


@pytest.mark.parametrize("length", [0, 15, 400])
def test_a_length_that_cannot_be(length: int, sockets: FakeSockets) -> None:
    sockets.answers = lambda requests: [message(NEWSTATS, requests[0][2], stats(1, 2), length=length)]
    with pytest.raises(OSError, match="cannot be of length"):
        RtNetlink().counters([1])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (link(), Link(7, "fe:54:00:00:00:0a", "tun", True)),
        (link(kind=b"macvtap\0"), Link(7, "fe:54:00:00:00:0a", "macvtap", True)),
        (link(mac=b"", arphrd=65534), Link(7, "", "tun", False)),
        (link(kind=b"\xff\xfe\0"), Link(7, "fe:54:00:00:00:0a", "\ufffd\ufffd", True)),
        (struct.pack("=BBHiII", 0, 0, 1, 2, 0, 0) + attribute(1, MAC), Link(2, "fe:54:00:00:00:0a", "", True)),
    ],
)
def test_links(body: bytes, expected: Link, sockets: FakeSockets) -> None:
    sockets.answers = lambda requests: [message(NEWLINK, requests[0][2], body)]
    assert RtNetlink().link("vnet0") == expected


@pytest.mark.parametrize("length", range(16))
def test_a_link_without_its_header(length: int, sockets: FakeSockets) -> None:
    sockets.answers = lambda requests: [message(NEWLINK, requests[0][2], link()[:length])]
    with pytest.raises(OSError, match="cut off"):
        RtNetlink().link("vnet0")


KINDS = st.sampled_from([NEWLINK, NEWSTATS, ERROR, DONE, 0, 65535])
ATTRIBUTES = st.lists(
    st.builds(
        lambda number, value, length: attribute(number, value, length=length),
        st.sampled_from([0, 1, 2, 3, 18, 18 | 0x8000]),
        st.binary(max_size=48),
        st.none() | st.integers(0, 80),
    ),
    max_size=4,
).map(b"".join)
BODIES = st.one_of(
    st.binary(max_size=64),
    st.builds(lambda head, rest: head + rest, st.binary(min_size=12, max_size=16), ATTRIBUTES),
)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=64),
            st.tuples(KINDS, st.integers(0, 4), BODIES, st.none() | st.integers(0, 200)),
        ),
        max_size=6,
    ),
    st.booleans(),
)
def test_whatever_the_kernel_says_only_oserror_is_raised(
    answers: list[bytes | tuple[int, int, bytes, int | None]], of_a_link: bool
) -> None:
    def told(requests: list[Request]) -> list[bytes]:
        number = requests[0][2]
        return [
            one if isinstance(one, bytes) else message(one[0], number + one[1], one[2], length=one[3])
            for one in answers
        ]

    with pytest.MonkeyPatch.context() as monkeypatch:
        FakeSockets(monkeypatch, told)
        netlink = RtNetlink()
        with contextlib.suppress(OSError):
            got: Any = netlink.link("vnet0") if of_a_link else netlink.counters([1, 2, 3])
            assert got is None or isinstance(got, (Link, list))


def test_the_kernel_of_this_machine() -> None:
    """Whoever wrote the fake may have it wrong: the loopback link is everywhere."""
    netlink = RtNetlink()
    try:
        found = netlink.link("lo")
    except OSError as refused:
        pytest.skip(f"no netlink here: {refused}")
    assert found is not None
    assert (found.kind, found.ethernet) == ("", False)
    assert netlink.link("nosuch0") is None
    try:
        counted, nothing = netlink.counters([found.number, 2**31 - 1])
    except OSError as refused:
        pytest.skip(f"no RTM_GETSTATS here: {refused}")
    assert counted is not None
    assert nothing is None
