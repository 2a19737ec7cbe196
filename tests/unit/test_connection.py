"""The one kept connection: how it is opened, upgraded, given up, lost and opened again. libvirt itself is faked."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import libvirt
import pytest

from tests.unit.fakes import FakeConnect, libvirt_error
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.errors import (
    AccessDenied,
    ConnectionFailed,
    ConnectionLost,
    DomainGone,
    HypervisorError,
    Unsupported,
)

LOST = (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC)
Opener = Callable[[str | None, bool], Any]


class FakeLibvirt:
    """libvirt's two open functions; `opener` decides, `opens` remembers (name, may write)."""

    def __init__(self) -> None:
        self.opens: list[tuple[str | None, bool]] = []
        self.made: list[FakeConnect] = []
        self.opener: Opener = lambda _name, _write: FakeConnect()
        self._lock = threading.Lock()

    def open(self, name: str | None) -> FakeConnect:
        return self._open(name, True)

    def openReadOnly(self, name: str | None) -> FakeConnect:
        return self._open(name, False)

    def _open(self, name: str | None, write: bool) -> FakeConnect:
        with self._lock:
            self.opens.append((name, write))
        answer = self.opener(name, write)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, FakeConnect)
        with self._lock:
            self.made.append(answer)
        return answer


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeLibvirt:
    made = FakeLibvirt()
    monkeypatch.setattr(libvirt, "open", made.open)
    monkeypatch.setattr(libvirt, "openReadOnly", made.openReadOnly)
    monkeypatch.setattr("vpcshim.hypervisor.eventloop.ensure", lambda: None)
    return made


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a hanging open waits for; it is let go at the end in any case."""
    event = threading.Event()
    yield event
    event.set()


def hasty(server: str | None = "qemu:///system", timeout: float = 0.05) -> Connection:
    """A connection with a timeout too short to be asked for, lest the tests wait for seconds."""
    made = Connection(server)
    made.timeout = timeout
    return made


def touch(connection: Connection, *, write: bool = False) -> Any:
    return connection.call(lambda connect: connect, write=write)


# -- opening -----------------------------------------------------------------------------------------------


def test_opened_when_first_needed_and_read_only(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    assert fake.opens == []
    assert (connection.is_open, connection.uri, connection.keepalive, connection.is_local) == (
        False,
        None,
        None,
        False,
    )
    first = touch(connection)
    assert fake.opens == [("qemu:///system", False)]
    assert touch(connection) is first
    assert len(fake.opens) == 1
    assert (connection.is_open, connection.uri, connection.keepalive) == (True, "qemu:///system", True)
    assert not connection.writable


def test_upgraded_when_something_is_to_be_written(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    reader = touch(connection)
    writer = touch(connection, write=True)
    assert fake.opens == [("qemu:///system", False), ("qemu:///system", True)]
    assert connection.writable
    assert reader.unregistered == 1  # let go
    assert touch(connection) is writer
    assert touch(connection, write=True) is writer
    assert len(fake.opens) == 2


def test_opened_for_writing_at_once_when_that_comes_first(fake: FakeLibvirt) -> None:
    connection = Connection()
    touch(connection, write=True)
    touch(connection)
    assert fake.opens == [(None, True)]


def test_a_refused_upgrade_leaves_the_reading_connection(fake: FakeLibvirt) -> None:
    denied = libvirt_error(libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_FROM_RPC, "polkit says no")
    fake.opener = lambda _name, write: denied if write else FakeConnect()
    connection = Connection("qemu:///system")
    reader = touch(connection)
    with pytest.raises(AccessDenied, match="cannot connect to qemu:///system: polkit says no") as caught:
        touch(connection, write=True)
    assert caught.value.code == libvirt.VIR_ERR_AUTH_FAILED
    assert touch(connection) is reader
    assert reader.unregistered == 0
    with pytest.raises(AccessDenied):
        touch(connection, write=True)  # asked again, not remembered
    assert [write for _, write in fake.opens] == [False, True, True]


@pytest.mark.parametrize("uri", ["test:///default", "test:///node.xml"])
def test_the_embedded_test_driver_is_opened_once_for_everything(uri: str, fake: FakeLibvirt) -> None:
    fake.opener = lambda _name, _write: FakeConnect(uri, keepalive=libvirt_error(libvirt.VIR_ERR_NO_SUPPORT))
    connection = Connection(uri)
    first = touch(connection)
    assert fake.opens == [(uri, False), (uri, True)]
    assert connection.writable
    assert connection.is_embedded
    assert connection.keepalive is False
    assert touch(connection, write=True) is first
    assert len(fake.opens) == 2


def test_the_test_driver_behind_a_daemon_is_a_daemon(fake: FakeLibvirt) -> None:
    fake.opener = lambda _name, _write: FakeConnect("test+unix:///default?socket=x")
    connection = Connection("test+unix:///default?socket=x")
    touch(connection)
    assert not connection.writable
    assert not connection.is_embedded
    assert connection.is_local


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("qemu:///system", True),
        ("qemu:///session", True),
        ("qemu+unix:///system", True),
        ("qemu+ssh://host/system", False),
        ("qemu+tls://host/system", False),
        ("qemu+ssh:///system", False),
        ("qemu+unix://host/system", False),
        ("test:///default", True),
    ],
)
def test_local_or_not(uri: str, local: bool, fake: FakeLibvirt) -> None:
    fake.opener = lambda _name, _write: FakeConnect(uri)
    connection = Connection("anything")
    touch(connection)
    assert connection.is_local is local


@pytest.mark.parametrize("code", [libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INTERNAL_ERROR])
@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("kvm7", "qemu+ssh://kvm7/system"),
        ("kvm7.example.org", "qemu+ssh://kvm7.example.org/system"),
        ("192.0.2.7", "qemu+ssh://192.0.2.7/system"),
        ("2001:db8::7", "qemu+ssh://[2001:db8::7]/system"),
        ("[2001:db8::7]", "qemu+ssh://[2001:db8::7]/system"),
    ],
)
def test_a_host_name_is_its_system_daemon(name: str, uri: str, code: int, fake: FakeLibvirt) -> None:
    unknown = libvirt_error(code, libvirt.VIR_FROM_NONE, "no connection driver available")
    fake.opener = lambda asked, _write: unknown if asked == name else FakeConnect(uri)
    connection = Connection(name)
    touch(connection)
    assert [asked for asked, _ in fake.opens] == [name, uri]
    assert (connection.uri, connection.label) == (uri, name)


def test_an_alias_is_not_taken_for_a_host(fake: FakeLibvirt) -> None:
    fake.opener = lambda _name, _write: FakeConnect("qemu+ssh://elsewhere/system")
    connection = Connection("kvm7")
    touch(connection)
    assert fake.opens == [("kvm7", False)]
    assert connection.uri == "qemu+ssh://elsewhere/system"


@pytest.mark.parametrize(
    "name",
    [
        None,
        "qemu:///system",
        "bogus:///x",
        "qemu+tcp://h/",
        "a b",
        "host/../x",
        "-oProxyCommand=x",
        "host;x",
        "h\n",
        "",
    ],
)
def test_what_is_no_host_name_is_not_tried_as_one(name: str | None, fake: FakeLibvirt) -> None:
    fake.opener = lambda _name, _write: libvirt_error(libvirt.VIR_ERR_NO_CONNECT, message="no driver")
    with pytest.raises(ConnectionFailed, match="no driver"):
        touch(Connection(name))
    assert fake.opens == [(name, False)]


def test_a_host_that_refuses_is_not_tried_as_a_name(fake: FakeLibvirt) -> None:
    fake.opener = lambda _name, _write: libvirt_error(libvirt.VIR_ERR_AUTH_FAILED)
    with pytest.raises(AccessDenied):
        touch(Connection("kvm7"))
    assert len(fake.opens) == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (libvirt_error(libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC, "Connection refused"), ConnectionFailed),
        (libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC, "end of file"), ConnectionFailed),
        (libvirt_error(libvirt.VIR_ERR_NO_CONNECT, message="no driver"), ConnectionFailed),
        (libvirt_error(libvirt.VIR_ERR_AUTH_CANCELLED, message="cancelled"), AccessDenied),
        (libvirt_error(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, message="not built in"), Unsupported),
        (libvirt_error(libvirt.VIR_ERR_XML_ERROR, message="bad node file"), HypervisorError),
    ],
    ids=str,
)
def test_an_open_that_fails(error: Exception, kind: type[HypervisorError], fake: FakeLibvirt) -> None:
    fake.opener = lambda _name, _write: error
    connection = Connection("qemu:///system")
    with pytest.raises(kind) as caught:
        touch(connection)
    assert type(caught.value) is kind
    assert str(caught.value) == f"cannot connect to qemu:///system: {error}"
    assert not connection.is_open
    fake.opener = lambda _name, _write: FakeConnect()
    touch(connection)  # the next call opens


# -- opens that hang ---------------------------------------------------------------------------------------


def test_an_open_that_hangs_is_given_up_and_waited_for_again(fake: FakeLibvirt, gate: threading.Event) -> None:
    def hangs(_name: str | None, _write: bool) -> FakeConnect:
        gate.wait()
        return FakeConnect()

    fake.opener = hangs
    connection = hasty()
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(ConnectionFailed, match=r"no answer within 0\.05 s"):
            touch(connection)
        assert 0.05 <= time.monotonic() - began < 2
    assert len(fake.opens) == 1  # the same attempt
    connection.timeout = 5
    threading.Timer(0.05, gate.set).start()
    assert touch(connection) is fake.made[0]
    assert len(fake.opens) == 1


def test_many_threads_wait_for_one_hanging_open(fake: FakeLibvirt, gate: threading.Event) -> None:
    def hangs(_name: str | None, _write: bool) -> FakeConnect:
        gate.wait()
        return FakeConnect()

    fake.opener = hangs
    connection = hasty(timeout=5)
    got, errors = together(connection, 16, before_join=gate.set)
    assert errors == []
    assert len(fake.opens) == 1
    assert {id(connect) for connect in got} == {id(fake.made[0])}


def test_an_attempt_that_failed_while_nobody_waited_is_begun_anew(fake: FakeLibvirt, gate: threading.Event) -> None:
    ended = threading.Event()

    def hangs_then_fails(_name: str | None, _write: bool) -> Exception:
        gate.wait()
        ended.set()
        return libvirt_error(*LOST, "Connection refused")

    fake.opener = hangs_then_fails
    connection = hasty()
    with pytest.raises(ConnectionFailed, match="no answer"):
        touch(connection)
    gate.set()
    assert ended.wait(5)
    attempt = connection._attempt
    assert attempt is not None
    assert attempt._done.wait(5)
    fake.opener = lambda _name, _write: FakeConnect()
    connection.timeout = 5
    touch(connection)  # the daemon is back: the old failure is not reported
    assert len(fake.opens) == 2


def test_a_write_that_finds_a_reading_attempt_under_way(fake: FakeLibvirt, gate: threading.Event) -> None:
    def reader_hangs(_name: str | None, write: bool) -> FakeConnect:
        if not write:
            gate.wait()
        return FakeConnect()

    fake.opener = reader_hangs
    connection = hasty()
    with pytest.raises(ConnectionFailed):
        touch(connection)
    gate.set()
    connection.timeout = 5
    writer = touch(connection, write=True)
    assert [write for _, write in fake.opens] == [False, True]
    assert connection.writable
    assert touch(connection) is writer


def test_what_an_open_raises_beside_libvirts_errors_is_not_swallowed(fake: FakeLibvirt) -> None:
    fake.opener = lambda _name, _write: RuntimeError("a defect")
    connection = Connection("qemu:///system")
    with pytest.raises(RuntimeError, match="a defect"):
        touch(connection)
    fake.opener = lambda _name, _write: FakeConnect()
    touch(connection)


def together(
    connection: Connection,
    count: int,
    *,
    write: Callable[[int], bool] = lambda _number: False,
    before_join: Callable[[], None] = lambda: None,
) -> tuple[list[Any], list[BaseException]]:
    """What `count` threads get that ask at the same time."""
    barrier = threading.Barrier(count + 1)
    got: list[Any] = []
    errors: list[BaseException] = []

    def work(number: int) -> None:
        barrier.wait()
        try:
            got.append(touch(connection, write=write(number)))
        except HypervisorError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    barrier.wait()
    before_join()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    return got, errors


def test_many_threads_one_open(fake: FakeLibvirt) -> None:
    def slow(_name: str | None, _write: bool) -> FakeConnect:
        time.sleep(0.02)
        return FakeConnect()

    fake.opener = slow
    connection = Connection("qemu:///system")
    got, errors = together(connection, 32)
    assert errors == []
    assert len(fake.opens) == 1
    assert len({id(connect) for connect in got}) == 1


def test_many_threads_of_which_some_write(fake: FakeLibvirt) -> None:
    def slow(_name: str | None, _write: bool) -> FakeConnect:
        time.sleep(0.01)
        return FakeConnect()

    fake.opener = slow
    connection = Connection("qemu:///system")
    _, errors = together(connection, 32, write=lambda number: number % 3 == 0)
    assert errors == []
    assert connection.writable
    assert [write for _, write in fake.opens].count(True) == 1
    assert len(fake.opens) <= 2


def test_an_upgrade_in_between_never_hands_a_writer_the_reading_connection(
    fake: FakeLibvirt, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = Connection("qemu:///system")
    reader = touch(connection)

    def upgraded_meanwhile() -> bool:
        monkeypatch.setattr(reader, "isAlive", lambda: True)
        touch(connection, write=True)  # as another thread would
        return True

    monkeypatch.setattr(reader, "isAlive", upgraded_meanwhile)
    assert touch(connection, write=True) is fake.made[1]
    assert [write for _, write in fake.opens] == [False, True]


# -- losing it ---------------------------------------------------------------------------------------------


def test_a_lost_connection_is_dropped_and_opened_again(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    first = touch(connection)
    with pytest.raises(ConnectionLost) as caught, connection.calls():
        raise libvirt_error(*LOST, "client socket is closed")
    assert str(caught.value) == "the connection to qemu:///system was lost: client socket is closed"
    assert (caught.value.code, caught.value.domain) == LOST
    assert not connection.is_open
    assert first.unregistered == 1
    second = touch(connection)
    assert second is not first
    assert len(fake.opens) == 2


@pytest.mark.parametrize(
    ("code", "domain", "kind"),
    [
        (libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_FROM_QEMU, HypervisorError),
        (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_QEMU, HypervisorError),
        (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_FROM_QEMU, DomainGone),
    ],
)
def test_other_errors_keep_the_connection(code: int, domain: int, kind: type, fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    first = touch(connection)
    with pytest.raises(kind), connection.calls():
        raise libvirt_error(code, domain)
    assert touch(connection) is first


def test_a_connection_that_is_dead_is_noticed_before_use(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    first = touch(connection)
    first.alive = False
    assert touch(connection) is not first
    assert first.unregistered == 1


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (libvirt_error(libvirt.VIR_ERR_NO_SUPPORT), True),
        (libvirt_error(libvirt.VIR_ERR_INVALID_CONN), False),
        (libvirt_error(*LOST), False),
    ],
)
def test_a_connection_that_cannot_say_whether_it_is_alive(error: Exception, kept: bool, fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    first = touch(connection)
    first.alive = error
    assert (touch(connection) is first) is kept


def test_the_close_callback_drops_it(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    first = touch(connection)
    assert first.close_callback is not None
    first.close_callback(first, libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE, None)
    deadline = time.monotonic() + 5
    while connection.is_open and time.monotonic() < deadline:
        time.sleep(0.001)  # it is let go in another thread: libvirt calls back with its own lock held
    assert not connection.is_open
    second = touch(connection)
    # A late word of the first connection's end does not concern the second.
    connection._drop(first)
    assert touch(connection) is second


def test_a_connection_that_never_lives_is_given_up(fake: FakeLibvirt) -> None:
    def stillborn(_name: str | None, _write: bool) -> FakeConnect:
        made = FakeConnect()
        made.alive = False
        return made

    fake.opener = stillborn
    with pytest.raises(ConnectionLost, match="as soon as it is opened"):
        touch(Connection("qemu:///system"))
    assert len(fake.opens) == 4


def test_the_body_of_calls_may_raise_what_it_likes(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    with pytest.raises(KeyError), connection.calls():
        raise KeyError
    assert connection.is_open


def test_a_domain_that_is_gone(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    with pytest.raises(DomainGone, match="no domain with matching uuid"), connection.domain("uuid"):
        raise AssertionError("not reached")


def test_close_and_open_again(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    connection.close()
    first = touch(connection)
    connection.close()
    connection.close()
    assert not connection.is_open
    assert first.unregistered == 1
    assert touch(connection) is not first


# -- what is set up with it --------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0, 0.99, -1, float("nan")])
def test_a_timeout_below_a_second_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="at least 1 second"):
        Connection("qemu:///system", timeout=timeout)


@pytest.mark.parametrize("timeout", [1, 1.5, 2, 3, 6, 10, 60])
def test_keepalive_ends_a_frozen_call_after_about_the_timeout(timeout: float, fake: FakeLibvirt) -> None:
    connect = touch(Connection("qemu:///system", timeout=timeout))
    ((interval, count),) = connect.keepalives
    assert interval >= 1
    assert count >= 0
    # libvirt gives up after interval x (count + 1).
    assert abs(interval * (count + 1) - timeout) <= max(1, timeout / 3)


def test_keepalive_that_the_daemon_does_not_speak(fake: FakeLibvirt) -> None:
    fake.opener = lambda _name, _write: FakeConnect(keepalive=1)
    connection = Connection("qemu:///system")
    touch(connection)
    assert connection.keepalive is False


def test_hooks_follow_the_connection(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    hooked: list[Any] = []
    undone: list[Any] = []

    def hook(connect: Any) -> Callable[[], None]:
        hooked.append(connect)
        return lambda: undone.append(connect)

    connection.on_open(hook)
    assert hooked == []
    first = touch(connection)
    assert (hooked, undone) == ([first], [])
    late: list[Any] = []

    def second_hook(connect: Any) -> Callable[[], None]:
        late.append(connect)
        return lambda: None

    connection.on_open(second_hook)
    assert late == [first]  # open already
    second = touch(connection, write=True)
    assert (hooked, undone, late) == ([first, second], [first], [first, second])
    connection.close()
    assert undone == [first, second]


def test_an_undo_that_fails_does_not_stop_the_others(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    undone = []

    def broken() -> None:
        raise libvirt_error(*LOST)

    connection.on_open(lambda _connect: broken)
    connection.on_open(lambda _connect: lambda: undone.append(1))
    first = touch(connection)
    connection.close()
    assert undone == [1]
    assert first.unregistered == 1


def test_callbacks_are_released_when_the_connection_is_let_go(fake: FakeLibvirt) -> None:
    """libvirt holds its callbacks, and they must not hold the connection: it would stay open for good."""
    connection = Connection("qemu:///system")
    undone = []
    connection.on_open(lambda _connect: lambda: undone.append(1))
    connect = touch(connection)
    callback = connect.close_callback
    del connection
    gc.collect()
    assert undone == [1]
    assert connect.unregistered == 1
    assert callback is not None
    callback(connect, 0, None)  # too late, and harmless


def test_a_driver_without_close_callbacks(fake: FakeLibvirt) -> None:
    def opener(_name: str | None, _write: bool) -> FakeConnect:
        made = FakeConnect()
        made.refuse_callback = libvirt_error(libvirt.VIR_ERR_NO_SUPPORT)
        return made

    fake.opener = opener
    connection = Connection("qemu:///system")
    touch(connection)
    assert connection.is_open


def test_a_connection_that_dies_while_it_is_taken_into_use(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    fake.opener = lambda _name, _write: FakeConnect(keepalive=libvirt_error(*LOST, "gone again"))
    with pytest.raises(ConnectionFailed, match="gone again"):
        touch(connection)
    assert not connection.is_open
    fake.opener = lambda _name, _write: FakeConnect()
    touch(connection)
