"""The server's side of a script's channel, against a host that is played here, honest and otherwise."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.sample import Sample
from vpcshim.clients.calls import Calls
from vpcshim.clients.scripting.channel import Channel, HostGone
from vpcshim.clients.scripting.frames import SECRET_SIZE, VERSION, BadFrame, Failed, Kind, Reader, Writer
from vpcshim.clients.scripting.language import VBSCRIPT
from vpcshim.clients.scripting.objects import HostObject, offered
from vpcshim.clients.scripting.session import Outcome, Quit, Session
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product

SECRET = bytes(range(SECRET_SIZE))


class Things(HostObject):
    """What the played script holds from the start."""

    @offered("Sample", prop=True)
    def sample(self) -> Sample:
        return Sample(Product.VIRTUAL_SERVER)

    @offered("Leave")
    def leave(self) -> None:
        raise Quit(7)


@dataclass
class Run:
    """A session in a thread, and the host's ends of its pipes."""

    to_session: int
    from_session: int
    channel: Channel
    thread: threading.Thread
    ended: list[Any] = field(default_factory=list)
    things: int = 0

    def greet(self, secret: bytes = SECRET, version: int = VERSION) -> None:
        hello = Writer(Kind.HELLO)
        hello.u32(version)
        for byte in secret:
            hello.u8(byte)
        self.channel.send(hello.frame())

    def begin(self) -> None:
        self.greet()
        kind, payload = self.channel.receive()
        assert kind is Kind.START
        start = Reader(payload)
        start.u8(), start.text(), start.text(), start.text()
        assert (start.u16(), start.text(), start.u32()) == (1, "things", 2)
        assert (start.u16(), start.u8()) == (9, 1)
        self.things = start.u64()

    def id_of(self, handle: int, name: str) -> tuple[int, int]:
        ask = Writer(Kind.NAMES)
        ask.u64(handle)
        ask.text(name)
        self.channel.send(ask.frame())
        kind, payload = self.channel.receive()
        assert kind is Kind.NAMED
        answer = Reader(payload)
        return answer.i32(), answer.i32()

    def invoke(self, handle: int, dispid: int, *args: Any, flags: int = 3) -> Any:
        ask = Writer(Kind.INVOKE)
        ask.u64(handle)
        ask.i32(dispid)
        ask.u16(flags)
        ask.values(args)
        self.channel.send(ask.frame())
        kind, payload = self.channel.receive()
        assert kind is Kind.RESULT
        return payload

    def done(self) -> Any:
        self.channel.send(Writer(Kind.DONE).frame())
        return self.outcome()

    def outcome(self) -> Any:
        self.thread.join(10)
        assert not self.thread.is_alive()
        return self.ended[0]

    def hang_up(self) -> None:
        for end in (self.to_session, self.from_session):
            os.close(end)


def started() -> Run:
    from_host, to_session = os.pipe()
    from_session, to_host = os.pipe()
    session = Session(Channel(from_host, to_host), SECRET, Calls(), VBSCRIPT)
    run: Run

    def serve() -> None:
        try:
            run.ended.append(session.run("s.vbs", "", "", {"things": Things()}))
        except (HostGone, BadFrame) as error:
            run.ended.append(error)
        finally:
            os.close(from_host)
            os.close(to_host)

    thread = threading.Thread(target=serve, daemon=True)
    run = Run(to_session, from_session, Channel(from_session, to_session), thread)
    thread.start()
    return run


@pytest.fixture
def run() -> Iterator[Run]:
    made = started()
    yield made
    made.hang_up()
    made.thread.join(10)
    assert not made.thread.is_alive()


def object_of(payload: bytes) -> tuple[int, int, int]:
    """The handle, the kind and the HRESULT of a result that is an object."""
    result = Reader(payload)
    code = result.i32()
    assert (result.u16(), result.u8()) == (9, 1)
    return result.u64(), result.u32(), code


def test_a_script_that_ends_has_no_exit_code_of_its_own(run: Run) -> None:
    run.begin()
    assert run.done() == Outcome()


@pytest.mark.parametrize("secret", [bytes(SECRET_SIZE), SECRET[::-1]])
def test_nobody_is_served_without_the_secret(run: Run, secret: bytes) -> None:
    run.greet(secret)
    assert isinstance(run.outcome(), BadFrame)


def test_another_version_of_the_host_is_refused(run: Run) -> None:
    run.greet(version=VERSION + 1)
    assert "version" in str(run.outcome())


def test_whoever_does_not_greet_is_refused(run: Run) -> None:
    run.channel.send(Writer(Kind.DONE).frame())
    assert isinstance(run.outcome(), BadFrame)


def test_a_host_that_goes_away_is_noticed() -> None:
    made = started()
    made.begin()
    made.hang_up()
    assert isinstance(made.outcome(), HostGone)


def test_handles_are_new_each_time_and_kinds_are_not(run: Run) -> None:
    run.begin()
    _, dispid = run.id_of(run.things, "SAMPLE")
    first, second = object_of(run.invoke(run.things, dispid)), object_of(run.invoke(run.things, dispid))
    assert first[0] != second[0]
    assert first[1] == second[1]


def test_a_released_handle_addresses_nothing(run: Run) -> None:
    run.begin()
    _, dispid = run.id_of(run.things, "Sample")
    handle = object_of(run.invoke(run.things, dispid))[0]
    release = Writer(Kind.RELEASE)
    release.u32(1)
    release.u64(handle)
    run.channel.send(release.frame())
    answer = Reader(run.invoke(handle, 0)).result()
    assert answer == Failed(HRESULT.DISP_E_EXCEPTION, HRESULT.E_HANDLE, "vpcshim", "no such object")


@given(st.integers(0, (1 << 64) - 1))
@settings(max_examples=20)
def test_a_guessed_handle_addresses_nothing(guess: int) -> None:
    made = started()
    try:
        made.begin()
        if guess != made.things:
            assert Reader(made.invoke(guess, 0)).result().scode == HRESULT.E_HANDLE
            assert made.id_of(guess, "Sample")[0] == HRESULT.DISP_E_UNKNOWNNAME
    finally:
        made.hang_up()


def test_an_unknown_name_is_answered(run: Run) -> None:
    run.begin()
    assert run.id_of(run.things, "nothing of that name") == (HRESULT.DISP_E_UNKNOWNNAME, -1)


def test_too_many_arguments_are_a_failure_of_the_call(run: Run) -> None:
    run.begin()
    _, dispid = run.id_of(run.things, "Sample")
    assert Reader(run.invoke(run.things, dispid, 1, 2)).result().hresult == HRESULT.DISP_E_BADPARAMCOUNT


def test_quit_ends_the_run_at_once(run: Run) -> None:
    run.begin()
    _, dispid = run.id_of(run.things, "Leave")
    ask = Writer(Kind.INVOKE)
    ask.u64(run.things)
    ask.i32(dispid)
    ask.u16(1)
    ask.values(())
    run.channel.send(ask.frame())
    kind, payload = run.channel.receive()
    assert (kind, Reader(payload).u32()) == (Kind.QUIT, 7)
    assert run.outcome() == Outcome(7)


def test_the_engines_error_is_the_outcome(run: Run) -> None:
    run.begin()
    told = Writer(Kind.ERROR)
    told.u8(0)
    told.u32(1)
    told.u32(3)
    told.u32(9)
    told.i32(-5)
    for text in ("source", "what", "x = 1/0"):
        told.text(text)
    run.channel.send(told.frame())
    error = run.done().error
    assert (error.line, error.column, error.scode, error.description) == (3, 9, -5, "what")


@given(st.lists(st.tuples(st.sampled_from([*Kind]), st.binary(max_size=60)), max_size=6))
@settings(max_examples=150, deadline=None)
def test_whatever_a_host_sends_ends_the_run_in_order(frames: list[tuple[Kind, bytes]]) -> None:
    made = started()
    try:
        made.begin()
        for kind, payload in frames:
            frame = Writer(kind).frame()[4:] + payload
            os.write(made.to_session, len(frame).to_bytes(4, "little") + frame)
    except BrokenPipeError:
        pass  # it has given up already
    finally:
        made.hang_up()
    assert isinstance(made.outcome(), Outcome | HostGone | BadFrame)
