"""The kept connections: how they are opened, shared out, given up, lost and opened again; libvirt is faked."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import libvirt
import pytest

from tests.unit.fakes import FakeConnect, libvirt_error
from vpcshim.hypervisor.connection import Connection
from vpcshim.hypervisor.errors import (
    AccessDenied,
    ConnectionFailed,
    ConnectionLost,
    DomainBusy,
    DomainGone,
    HypervisorError,
    Unsupported,
)
from vpcshim.model.options import ConnectionOptions

pytestmark = pytest.mark.usefixtures("bounded")

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


def test_what_is_to_be_written_opens_another_connection(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    reader = touch(connection)
    writer = touch(connection, write=True)
    assert fake.opens == [("qemu:///system", False), ("qemu:///system", True)]
    assert connection.writable
    assert reader.unregistered == 0  # kept beside it
    assert touch(connection) is reader
    assert touch(connection, write=True) is writer
    assert len(fake.opens) == 2


def test_opened_for_writing_at_once_when_that_comes_first(fake: FakeLibvirt) -> None:
    connection = Connection()
    touch(connection, write=True)
    touch(connection)
    assert fake.opens == [(None, True)]


def test_a_refused_write_leaves_the_reading_connection(fake: FakeLibvirt) -> None:
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


def hang_until(gate: threading.Event, then: Callable[[bool], Any] = lambda _write: FakeConnect()) -> Opener:
    """An open that hangs until the gate is opened."""

    def opener(_name: str | None, write: bool) -> Any:
        assert gate.wait(30)
        return then(write)

    return opener


def ended(connection: Connection) -> None:
    """Wait for the end of the attempt at opening that is under way."""
    attempt = connection._attempt
    assert attempt is not None
    with attempt._ended:
        assert attempt._ended.wait_for(lambda: attempt.done, 5)


def test_an_open_that_hangs_is_given_up_and_waited_for_again(fake: FakeLibvirt, gate: threading.Event) -> None:
    fake.opener = hang_until(gate)
    connection = hasty()
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(ConnectionFailed, match=r"no answer within 0\.05 s"):
            touch(connection)
        assert 0.05 <= time.monotonic() - began < 5
    assert len(fake.opens) == 1  # the same attempt
    connection.timeout = 5
    threading.Timer(0.05, gate.set).start()
    assert touch(connection) is fake.made[0]
    assert len(fake.opens) == 1


def test_many_threads_wait_for_one_hanging_open(fake: FakeLibvirt, gate: threading.Event) -> None:
    fake.opener = hang_until(gate)
    connection = hasty(timeout=0.2)
    _, errors = together(connection, 16)
    assert len(errors) == 16
    assert all(type(error) is ConnectionFailed for error in errors)
    assert len(fake.opens) == 1
    connection.timeout = 5
    got, errors = together(connection, 16, before_join=gate.set)
    assert errors == []
    assert len(got) == 16
    assert len(fake.opens) <= 8


def test_every_thread_that_waits_for_a_failing_open_is_told(fake: FakeLibvirt, gate: threading.Event) -> None:
    fake.opener = hang_until(gate, lambda _write: libvirt_error(*LOST, "Connection refused"))
    connection = hasty(timeout=5)
    waiting = [Waiting(connection) for _ in range(8)]
    until(lambda: len(connection._changed._waiters) == 8)  # type: ignore[attr-defined]
    gate.set()
    assert all(type(one.error()) is ConnectionFailed for one in waiting)
    assert len(fake.opens) == 1


def test_a_connection_given_back_serves_whoever_waits_for_an_open(fake: FakeLibvirt, gate: threading.Event) -> None:
    connection = Connection("qemu:///system")
    with connection.calls() as first:
        fake.opener = hang_until(gate)
        other = Waiting(connection)
        until(lambda: len(fake.opens) == 2)
    assert other.got() is first  # while the open still hangs
    gate.set()
    ended(connection)
    with connection.calls() as one, connection.calls() as two:
        assert (one, two) == (first, fake.made[1])  # what the open brought is not lost
    assert len(fake.opens) == 2


def test_an_attempt_that_failed_while_nobody_waited_is_begun_anew(fake: FakeLibvirt, gate: threading.Event) -> None:
    fake.opener = hang_until(gate, lambda _write: libvirt_error(*LOST, "Connection refused"))
    connection = hasty()
    with pytest.raises(ConnectionFailed, match="no answer"):
        touch(connection)
    gate.set()
    ended(connection)
    fake.opener = lambda _name, _write: FakeConnect()
    connection.timeout = 5
    touch(connection)  # the daemon is back: the old failure is not reported
    assert len(fake.opens) == 2


@pytest.mark.parametrize("alive", [False, libvirt_error(*LOST)])
def test_what_was_opened_while_nobody_waited_and_died_since_is_not_used(
    alive: object, fake: FakeLibvirt, gate: threading.Event
) -> None:
    fake.opener = hang_until(gate)
    connection = hasty()
    with pytest.raises(ConnectionFailed, match="no answer"):
        touch(connection)
    gate.set()
    ended(connection)
    stale = fake.made[0]
    stale.alive, stale.keepalive = alive, libvirt_error(*LOST)
    connection.timeout = 5
    assert touch(connection) is not stale
    assert len(fake.opens) == 2


def test_what_was_opened_while_nobody_waited_is_used(fake: FakeLibvirt, gate: threading.Event) -> None:
    fake.opener = hang_until(gate)
    connection = hasty()
    with pytest.raises(ConnectionFailed, match="no answer"):
        touch(connection)
    gate.set()
    ended(connection)
    connection.timeout = 5
    assert touch(connection) is fake.made[0]
    assert fake.made[0].keepalives != []
    assert len(fake.opens) == 1


def test_close_lets_go_of_what_nobody_took(fake: FakeLibvirt, gate: threading.Event) -> None:
    fake.opener = hang_until(gate)
    connection = hasty()
    with pytest.raises(ConnectionFailed, match="no answer"):
        touch(connection)
    connection.close()
    with pytest.raises(ConnectionFailed, match="no answer"):
        touch(connection)
    assert len(fake.opens) == 1  # still the one under way
    gate.set()
    ended(connection)
    unused = weakref.ref(fake.made.pop())
    connection.close()
    gc.collect()
    assert unused() is None


def test_a_write_that_finds_a_reading_attempt_under_way(fake: FakeLibvirt, gate: threading.Event) -> None:
    fake.opener = lambda name, write: FakeConnect() if write else hang_until(gate)(name, write)
    connection = hasty()
    with pytest.raises(ConnectionFailed):
        touch(connection)
    gate.set()
    connection.timeout = 5
    writer = touch(connection, write=True)
    assert [write for _, write in fake.opens] == [False, True]
    assert connection.writable
    assert touch(connection) is fake.made[0]  # the reading one is in use too
    assert touch(connection, write=True) is writer


def test_a_reader_does_not_fail_for_a_writer_who_is_refused(fake: FakeLibvirt, gate: threading.Event) -> None:
    refused = hang_until(gate, lambda _write: libvirt_error(libvirt.VIR_ERR_AUTH_FAILED, message="polkit says no"))
    fake.opener = lambda name, write: refused(name, write) if write else FakeConnect()
    connection = Connection("qemu:///system")
    writer = Waiting(connection, write=True)
    until(lambda: fake.opens == [("qemu:///system", True)])
    reader = Waiting(connection)
    time.sleep(0.05)
    gate.set()
    assert type(writer.error()) is AccessDenied
    assert reader.got() is fake.made[0]


def test_what_an_open_raises_beside_libvirts_errors_is_not_swallowed(fake: FakeLibvirt) -> None:
    for error in (RuntimeError("a defect"), SystemExit("a defect")):
        fake.opener = lambda _name, _write, error=error: raised(error)  # type: ignore[misc]
        connection = Connection("qemu:///system")
        with pytest.raises(type(error), match="a defect"):
            touch(connection)
        fake.opener = lambda _name, _write: FakeConnect()
        touch(connection)


def raised(error: BaseException) -> Any:
    raise error


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Waiting:
    """A call in a thread of its own."""

    def __init__(
        self,
        connection: Connection,
        *,
        write: bool = False,
        function: Callable[[Any], Any] = lambda connect: connect,
    ) -> None:
        self._answer: list[Any] = []

        def work() -> None:
            try:
                self._answer.append(connection.call(function, write=write))
            except BaseException as error:  # noqa: BLE001 - judged by the test
                self._answer.append(error)

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    def _wait(self) -> Any:
        self.thread.join(10)
        assert not self.thread.is_alive()
        return self._answer[0]

    def got(self) -> Any:
        answer = self._wait()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def error(self) -> BaseException:
        answer = self._wait()
        assert isinstance(answer, BaseException)
        return answer


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

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    barrier.wait()
    before_join()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    return got, errors


# -- one connection, one thread ------------------------------------------------------------------------------


class Exclusive(FakeConnect):
    """A connection on which two calls at once are a failure, as on libvirt's client before 10.1."""

    def __init__(self, uri: str = "qemu:///system") -> None:
        super().__init__(uri)
        self._inside = threading.Lock()
        self.clashes = 0

    def name(self) -> str:
        return "web"

    def work(self, seconds: float = 0.001) -> Exclusive:
        if not self._inside.acquire(blocking=False):
            self.clashes += 1
            raise AssertionError("two threads are inside one connection")
        time.sleep(seconds)
        self._inside.release()
        return self

    def setKeepAlive(self, interval: int, count: int) -> Any:
        self.work()
        return super().setKeepAlive(interval, count)

    def registerCloseCallback(self, callback: Callable[..., None], opaque: object) -> int:
        self.work()
        return super().registerCloseCallback(callback, opaque)

    def unregisterCloseCallback(self) -> int:
        self.work()
        return super().unregisterCloseCallback()

    def lookupByUUIDString(self, _uuid: str) -> Any:
        return self.work()


def exclusives(fake: FakeLibvirt) -> list[Exclusive]:
    return [one for one in fake.made if isinstance(one, Exclusive)]


def test_the_fake_notices_two_threads() -> None:
    connect = Exclusive()
    with connect._inside, pytest.raises(AssertionError, match="two threads"):
        connect.work()
    assert connect.clashes == 1


def test_a_program_of_one_thread_has_one_connection(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    assert len({id(touch(connection)) for _ in range(20)}) == 1
    with pytest.raises(DomainGone), connection.domain("uuid"):
        raise AssertionError("not reached")
    assert len(fake.opens) == 1


def test_a_second_call_meanwhile_gets_another_connection(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    with connection.calls() as first:
        second = Waiting(connection).got()
        assert second is not first
        assert Waiting(connection).got() is second  # free again
    assert len(fake.opens) == 2


def test_at_most_eight_then_it_waits(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system", timeout=5)
    with ExitStack() as stack:
        taken = [stack.enter_context(connection.calls()) for _ in range(7)]
        with connection.calls() as eighth:
            ninth = Waiting(connection)
            time.sleep(0.1)
            assert ninth.thread.is_alive()
        assert ninth.got() is eighth
    assert len({id(connect) for connect in taken}) == 7
    assert len(fake.opens) == 8


def test_when_all_are_taken_for_too_long_the_server_is_busy(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(connection.calls())
        connection.timeout = 0.1
        began = time.monotonic()
        with pytest.raises(DomainBusy, match="all connections to qemu:///system are waiting"):
            touch(connection)
        assert 0.1 <= time.monotonic() - began < 5
    connection.timeout = 5
    touch(connection)
    assert len(fake.opens) == 8


@pytest.mark.parametrize("idle", [1, 8])
def test_a_write_gets_through_when_eight_reading_connections_are_open(idle: int, fake: FakeLibvirt) -> None:
    """After a burst of readers all eight only read: one that is idle makes room for one that may write."""
    connection = Connection("qemu:///system", timeout=2)
    with ExitStack() as busy:
        with ExitStack() as stack:
            for _ in range(8 - idle):
                busy.enter_context(connection.calls())
            for _ in range(idle):
                stack.enter_context(connection.calls())
        assert touch(connection, write=True) is fake.made[8]
        assert [connect.unregistered for connect in fake.made].count(1) == 1
        assert len(connection._lanes) == 8


def test_a_writer_that_waits_does_not_take_a_readers_turn(fake: FakeLibvirt, gate: threading.Event) -> None:
    """A connection given back wakes everybody: the first to wake may be one that it is of no use to."""
    connection = Connection("qemu:///system", timeout=5)
    with connection.calls() as first:
        fake.opener = hang_until(gate)
        writers = [Waiting(connection, write=True) for _ in range(2)]
        until(lambda: len(connection._changed._waiters) == 2)  # type: ignore[attr-defined]
        readers = [Waiting(connection) for _ in range(2)]
        until(lambda: len(connection._changed._waiters) == 4)  # type: ignore[attr-defined]
    assert [reader.got() for reader in readers] == [first, first]  # while the open still hangs
    gate.set()
    for writer in writers:
        assert writer.got() is not first


def test_many_threads_mixed(fake: FakeLibvirt) -> None:
    """Reads, writes, lookups and losses from 24 threads: never two at once on one connection, and at most 8."""
    fake.opener = lambda _name, _write: Exclusive()
    connection = Connection("qemu:///system", timeout=10)
    hooked: list[Any] = []

    def hook(connect: Exclusive) -> Callable[[], Any]:
        hooked.append(connect.work())
        return connect.work

    connection.on_open(hook)
    most = 0
    errors: list[BaseException] = []

    def work(number: int) -> None:
        nonlocal most
        for turn in range(15):
            most = max(most, len(connection._lanes))
            try:
                if turn % 7 == 6 and number % 4 == 0:
                    with connection.calls() as connect:
                        connect.work()
                        raise libvirt_error(*LOST)
                elif turn % 2:
                    connection.call(lambda connect: connect.work(), write=number % 3 == 0)
                else:
                    with connection.domain("uuid") as domain:
                        domain.work()
            except ConnectionLost:
                pass
            except BaseException as error:  # noqa: BLE001 - judged below
                errors.append(error)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    assert not any(thread.is_alive() for thread in threads)
    assert errors == []
    assert sum(one.clashes for one in exclusives(fake)) == 0
    assert 1 < most <= 8
    assert not any(lane.busy for lane in connection._lanes)
    touch(connection)
    assert connection._events_on in connection._lanes
    connection.close()
    # One may have been opened for a thread that then found another: it was never used, and is simply let go.
    assert all(one.unregistered == 1 for one in fake.made if one.keepalives)
    assert sum(not one.keepalives for one in fake.made) <= 1


def test_close_does_not_disturb_a_call_under_way(fake: FakeLibvirt) -> None:
    fake.opener = lambda _name, _write: Exclusive()
    connection = Connection("qemu:///system")
    inside, goes_on = threading.Event(), threading.Event()

    def slow(connect: Exclusive) -> Exclusive:
        with connect._inside:
            inside.set()
            assert goes_on.wait(10)
        return connect

    call = Waiting(connection, function=slow)
    assert inside.wait(5)
    connection.close()
    assert not connection.is_open
    assert fake.made[0].unregistered == 0
    goes_on.set()
    assert call.got() is fake.made[0]
    until(lambda: fake.made[0].unregistered == 1)  # let go by the thread that had it
    assert exclusives(fake)[0].clashes == 0
    assert touch(connection) is not fake.made[0]


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), libvirt_error(libvirt.VIR_ERR_NO_DOMAIN), KeyboardInterrupt(), GeneratorExit()],
    ids=repr,
)
@pytest.mark.parametrize("where", ["body", "lookup", "hook"])
def test_given_back_after_any_exception(where: str, error: BaseException, fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    first = touch(connection)
    expected = DomainGone if isinstance(error, libvirt.libvirtError) else type(error)
    if where == "body":
        with pytest.raises(expected), connection.calls():
            raise error
    elif where == "lookup":
        first.lookupByUUIDString = lambda _uuid: raised(error)
        with pytest.raises(expected), connection.domain("uuid"):
            raise AssertionError("not reached")
    else:
        answers: list[BaseException | None] = [error, None]

        def hook(_connect: Any) -> Callable[[], None]:
            answer = answers.pop(0)
            if answer is not None:
                raise answer
            return lambda: None

        with connection.calls():
            connection.on_open(hook)  # in use: the hook waits for the next call
        with pytest.raises(expected):
            touch(connection)
        assert touch(connection) is first
        assert answers == []  # and is called again then
    assert not any(lane.busy for lane in connection._lanes)
    assert touch(connection) is first
    assert len(fake.opens) == 1


def test_given_back_after_a_lookup_that_loses_the_connection(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    first = touch(connection)
    first.lookupByUUIDString = lambda _uuid: raised(libvirt_error(*LOST))
    with pytest.raises(ConnectionLost), connection.domain("uuid"):
        raise AssertionError("not reached")
    assert not connection.is_open
    assert first.unregistered == 1


@pytest.mark.parametrize("write", [False, True])
def test_the_embedded_driver_has_one_connection_for_all_threads(write: bool, fake: FakeLibvirt) -> None:
    def slow(name: str | None, _write: bool) -> FakeConnect:
        time.sleep(0.01)
        return FakeConnect(name or "", keepalive=libvirt_error(libvirt.VIR_ERR_NO_SUPPORT))

    fake.opener = slow
    connection = Connection("test:///node.xml")
    hooked: list[Any] = []

    def hook(connect: Any) -> Callable[[], None]:
        time.sleep(0.05)
        hooked.append(connect)
        return lambda: None

    connection.on_open(hook)
    got, errors = together(connection, 32, write=lambda number: write or number % 3 == 0)
    assert errors == []
    assert {id(connect) for connect in got} == {id(fake.made[-1])}
    assert [made for _, made in fake.opens].count(True) == 1
    assert len(connection._lanes) == 1
    assert hooked == [fake.made[-1]]
    with connection.calls() as one, connection.calls(write=True) as two:
        assert one is two
        assert Waiting(connection).got() is one  # nobody waits for anybody


@pytest.mark.parametrize("uri", ["test+unix:///node.xml?socket=x", "test+tcp://host/node.xml"])
def test_the_test_driver_behind_a_daemon_has_one_connection_for_one_thread_at_a_time(
    uri: str, fake: FakeLibvirt
) -> None:
    """Each open of a file makes a node of its own, in the daemon too; and its client is libvirt's remote one."""

    class Single(Exclusive):
        def __init__(self) -> None:
            super().__init__(uri)

    fake.opener = lambda _name, _write: Single()
    connection = Connection(uri, timeout=10)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        for _ in range(10):
            try:
                connection.call(lambda connect: connect.work(), write=number % 3 == 0)
            except BaseException as error:  # noqa: BLE001 - judged below
                errors.append(error)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    assert not any(thread.is_alive() for thread in threads)
    assert errors == []
    assert sum(one.clashes for one in exclusives(fake)) == 0
    assert len(connection._lanes) == 1
    assert connection.writable
    assert not connection.is_embedded


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
    with connection._changed:  # whatever that thread of libvirt's holds up, it does not wait for us
        call = threading.Thread(
            target=first.close_callback, args=(first, libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE, None), daemon=True
        )
        call.start()
        call.join(5)
        assert not call.is_alive()
        assert connection.is_open
    until(lambda: not connection.is_open)
    until(lambda: first.unregistered == 1)
    second = touch(connection)
    # A late word of the first connection's end does not concern the second.
    connection._drop_closed(weakref.ref(first))
    assert touch(connection) is second


def test_a_connection_that_closes_while_it_is_set_up_is_not_kept(fake: FakeLibvirt) -> None:
    def dies_at_once(connect: Any) -> Callable[[], None]:
        if connect is fake.made[0]:
            assert connect.close_callback is not None
            connect.close_callback(connect, libvirt.VIR_CONNECT_CLOSE_REASON_EOF, None)
            until(lambda: not connection.is_open)
        return lambda: None

    connection = Connection("qemu:///system")
    connection.on_open(dies_at_once)
    touch(connection)
    assert fake.made[0].unregistered == 1
    assert touch(connection) is fake.made[1]


def test_a_connection_that_never_lives_is_no_endless_loop(fake: FakeLibvirt) -> None:
    def stillborn(_name: str | None, _write: bool) -> FakeConnect:
        made = FakeConnect()
        made.alive = False
        return made

    fake.opener = stillborn
    connection = Connection("qemu:///system")
    for turn in range(1, 4):
        with pytest.raises(ConnectionLost), connection.calls():
            raise libvirt_error(*LOST)
        assert len(fake.opens) == turn
    assert all(made.unregistered == 1 for made in fake.made)


def test_the_body_of_calls_may_raise_what_it_likes(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    with pytest.raises(KeyError), connection.calls():
        raise KeyError
    assert connection.is_open


def test_a_domain_that_is_gone(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    with pytest.raises(DomainGone, match="no domain with matching uuid") as caught, connection.domain("uuid"):
        raise AssertionError("not reached")
    assert str(caught.value).startswith("the machine uuid is gone: it was deleted or unregistered")
    assert caught.value.code == libvirt.VIR_ERR_NO_DOMAIN
    connection.remember([("web01", "uuid")])
    with pytest.raises(DomainGone, match=r"^web01 is gone"), connection.domain("uuid"):
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


@pytest.mark.parametrize("timeout", [0, 0.99, -1, float("nan"), float("inf"), 1e308, 1e9, 86401])
def test_a_timeout_is_a_second_to_a_day(timeout: float) -> None:
    with pytest.raises(ValueError, match="1 to 86400 seconds"):
        Connection("qemu:///system", timeout=timeout)
    with pytest.raises(ValueError, match="1 to 86400 seconds"):
        ConnectionOptions(timeout=timeout)
    assert Connection("qemu:///system", timeout=86400).timeout == 86400


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


def lose(connection: Connection) -> None:
    with pytest.raises(ConnectionLost), connection.calls():
        raise libvirt_error(*LOST)


class Hooked:
    """A hook that remembers what it was called with and what was undone."""

    def __init__(self, connection: Connection) -> None:
        self.on: list[Any] = []
        self.undone: list[Any] = []
        connection.on_open(self)

    def __call__(self, connect: Any) -> Callable[[], None]:
        self.on.append(connect)
        return lambda: self.undone.append(connect)


def test_hooks_are_on_one_connection_and_move_to_another(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    hook = Hooked(connection)
    assert hook.on == []
    with connection.calls() as first, connection.calls() as second:
        assert (hook.on, hook.undone) == ([first], [])
    late = Hooked(connection)
    assert late.on == [first]  # open already
    writer = touch(connection, write=True)
    assert hook.on == [first]
    lose(connection)
    assert (hook.undone, late.undone) == ([first], [first])
    touch(connection)
    assert (hook.on, late.on) == ([first, second], [first, second])
    connection.close()
    assert hook.undone == late.undone == [first, second]
    third = touch(connection)
    assert hook.on == [first, second, third]
    assert writer.unregistered == 1


def test_losing_a_connection_without_hooks_moves_none(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    hook = Hooked(connection)
    with connection.calls() as first, connection.calls() as second:
        pass
    with connection.calls():
        lose(connection)
    assert not any(lane.connect is second for lane in connection._lanes)
    assert (hook.on, hook.undone) == ([first], [])


def test_hooks_move_from_a_connection_that_is_found_dead(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    hook = Hooked(connection)
    with connection.calls() as first, connection.calls() as second:
        pass
    first.alive = False
    assert touch(connection) is second
    assert (hook.on, hook.undone) == ([first, second], [first])


def test_a_hook_on_a_connection_in_use_waits_until_it_is_used_next(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    with connection.calls() as first:
        hook = Hooked(connection)
        assert hook.on == []
    assert touch(connection) is first
    assert hook.on == [first]
    touch(connection)
    assert hook.on == [first]


def test_a_slow_hook_holds_up_nobody_else(fake: FakeLibvirt, gate: threading.Event) -> None:
    """It calls the daemon: a thread with a connection of its own goes on meanwhile."""
    connection = Connection("qemu:///system")
    began = threading.Event()

    def slow(_connect: Any) -> Callable[[], None]:
        began.set()
        assert gate.wait(30)
        return lambda: None

    connection.on_open(slow)
    first = Waiting(connection)
    assert began.wait(5)
    assert Waiting(connection).got() is fake.made[1]
    gate.set()
    assert first.got() is fake.made[0]


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


def test_a_close_callback_that_is_refused_for_another_reason(fake: FakeLibvirt) -> None:
    def opener(_name: str | None, _write: bool) -> FakeConnect:
        made = FakeConnect()
        made.refuse_callback = libvirt_error(libvirt.VIR_ERR_NO_MEMORY, message="no memory")
        return made

    fake.opener = opener
    connection = Connection("qemu:///system")
    with pytest.raises(HypervisorError, match="cannot connect to qemu:///system: no memory"):
        touch(connection)
    assert not connection.is_open


def test_a_connection_that_dies_while_it_is_taken_into_use(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    fake.opener = lambda _name, _write: FakeConnect(keepalive=libvirt_error(*LOST, "gone again"))
    with pytest.raises(ConnectionFailed, match="gone again"):
        touch(connection)
    assert not connection.is_open
    fake.opener = lambda _name, _write: FakeConnect()
    touch(connection)


# -- the end of the process, and its forks -----------------------------------------------------------------


def test_a_forked_child_forgets_the_parents_connections_without_a_word(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    undone: list[str] = []
    connection.on_open(lambda _connect: lambda: undone.append("hook"))
    first = touch(connection)
    connection.forget()
    assert not connection.is_open
    assert undone == ["hook"]
    assert first.unregistered == 0
    second = touch(connection)
    assert second is not first
    assert len(fake.opens) == 2


def test_a_fork_amid_calls_sends_nothing_when_they_end(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    with connection.calls():
        (made,) = fake.made
        connection.forget()
    assert made.unregistered == 0
    assert not connection.is_open


def test_at_exit_the_connections_are_taken_out_of_it(fake: FakeLibvirt) -> None:
    connection = Connection("qemu:///system")
    touch(connection, write=True)
    with connection.calls():
        free, used = connection.hand_over(1)
    assert (len(free), len(used)) == (0, 1)
    assert not connection.is_open
    touch(connection)
    free, used = connection.hand_over(1)
    assert (len(free), len(used)) == (1, 0)
