"""A daemon that is killed, frozen or restarted under vpcshim: the right HRESULT, in bounded time, and recovery."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import libvirt
import pytest

import vpcshim
from tests.harness.daemon import TestDriverDaemon
from tests.harness.waiting import wait_until
from vpcshim import HRESULT
from vpcshim.model.accountant import Accountant
from vpcshim.model.application import VirtualServer

TIMEOUT = 4.0  # longer than a daemon that is well stands still on a busy machine
SLACK = 10.0


@pytest.fixture(autouse=True)
def _quiet_errors() -> Iterator[None]:
    libvirt.registerErrorHandler(lambda *_: None, None)
    yield
    libvirt.registerErrorHandler(None, None)


def connect(daemon: TestDriverDaemon) -> VirtualServer:
    return vpcshim.CreateObject("VirtualServer.Application", daemon.uri, timeout=TIMEOUT)


def accountant_of(application: VirtualServer) -> Accountant:
    accountant = application.FindVirtualMachine("test").Accountant
    assert isinstance(accountant, Accountant)
    return accountant


def read(accountant: Accountant) -> tuple[HRESULT, object, float]:
    """One vtable-style read: its HRESULT, its value and how long it took."""
    out = vpcshim.Variant()
    began = time.monotonic()
    code = accountant.get_NetworkBytesSent(out)
    return code, out.value, time.monotonic() - began


def test_reads_go_through_a_daemon(testdriver_daemon: TestDriverDaemon) -> None:
    accountant = accountant_of(connect(testdriver_daemon))
    before = int(time.time() * 1e6) // 20
    code, value, _ = read(accountant)
    assert code is HRESULT.S_OK
    assert before <= int(str(value)) <= int(time.time() * 1e6) // 20


def test_read_only_until_something_is_written(testdriver_daemon: TestDriverDaemon) -> None:
    application = connect(testdriver_daemon)
    machine = application.FindVirtualMachine("test")
    writable = [application._server.connection.writable]
    machine.Pause()
    writable.append(application._server.connection.writable)
    assert writable == [False, True]
    assert machine.State == vpcshim.constants.vmVMState_Paused


def test_killed_under_us_is_an_exception_at_once_and_the_next_call_reconnects(
    testdriver_daemon: TestDriverDaemon,
) -> None:
    accountant = accountant_of(connect(testdriver_daemon))
    assert read(accountant)[0] is HRESULT.S_OK
    testdriver_daemon.kill()
    code, value, took = read(accountant)
    assert (code, value) == (HRESULT.DISP_E_EXCEPTION, None)
    assert took < TIMEOUT + SLACK
    testdriver_daemon.start()
    assert read(accountant)[0] is HRESULT.S_OK, "the first call after the restart finds the daemon again"


def test_no_daemon_is_never_an_empty_answer(testdriver_daemon: TestDriverDaemon) -> None:
    application = connect(testdriver_daemon)
    testdriver_daemon.stop()
    for ask in (
        lambda: application.VirtualMachines.Count,
        lambda: list(application.VirtualMachines),
        lambda: application.FindVirtualMachine("test"),
        lambda: application.AvailableSystemCapacity,
    ):
        with pytest.raises(vpcshim.ComError) as caught:
            ask()
        assert caught.value.hresult == HRESULT.DISP_E_EXCEPTION
        assert "cannot connect" in caught.value.description


def test_frozen_under_us_is_given_up_in_bounded_time_and_recovers(testdriver_daemon: TestDriverDaemon) -> None:
    accountant = accountant_of(connect(testdriver_daemon))
    assert read(accountant)[0] is HRESULT.S_OK
    testdriver_daemon.freeze()
    for _ in range(2):  # on the kept connection, then on a new one that gets no answer either
        code, _, took = read(accountant)
        assert code is HRESULT.DISP_E_EXCEPTION
        assert took < TIMEOUT + SLACK
    testdriver_daemon.thaw()
    assert read(accountant)[0] is HRESULT.S_OK


def test_frozen_before_the_first_call(testdriver_daemon: TestDriverDaemon) -> None:
    application = connect(testdriver_daemon)
    testdriver_daemon.freeze()
    began = time.monotonic()
    with pytest.raises(vpcshim.ComError, match=f"no answer within {TIMEOUT:g} s"):
        _ = application.VirtualMachines.Count
    assert time.monotonic() - began < TIMEOUT + SLACK
    testdriver_daemon.thaw()
    assert application.VirtualMachines.Count == 1


def test_many_threads_on_a_frozen_daemon_wait_together(testdriver_daemon: TestDriverDaemon) -> None:
    accountant = accountant_of(connect(testdriver_daemon))
    testdriver_daemon.freeze()
    answers: list[tuple[HRESULT, object, float]] = []
    threads = [threading.Thread(target=lambda: answers.append(read(accountant))) for _ in range(8)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert time.monotonic() - began < 2 * TIMEOUT + SLACK, "not one after the other"
    assert [code for code, _, _ in answers] == [HRESULT.DISP_E_EXCEPTION] * 8
    testdriver_daemon.thaw()


def test_killed_while_frozen_then_restarted(testdriver_daemon: TestDriverDaemon) -> None:
    accountant = accountant_of(connect(testdriver_daemon))
    testdriver_daemon.freeze()
    assert read(accountant)[0] is HRESULT.DISP_E_EXCEPTION
    assert read(accountant)[0] is HRESULT.DISP_E_EXCEPTION, "an open hangs on the frozen daemon"
    testdriver_daemon.kill()
    testdriver_daemon.start()
    assert read(accountant)[0] is HRESULT.S_OK, "the hung open's failure is not today's news"


def test_a_stale_socket_is_said_in_one_line(testdriver_daemon: TestDriverDaemon) -> None:
    testdriver_daemon.kill()
    assert testdriver_daemon.socket.exists()
    with pytest.raises(vpcshim.ComError) as caught:
        _ = connect(testdriver_daemon).VirtualMachines.Count
    assert str(testdriver_daemon.socket) in caught.value.description
    assert "\n" not in caught.value.description


@pytest.mark.parametrize("hurt", ["kill", "freeze"])
def test_reads_under_way_while_the_daemon_goes(testdriver_daemon: TestDriverDaemon, hurt: str) -> None:
    accountant = accountant_of(connect(testdriver_daemon))
    answers: list[list[HRESULT]] = [[] for _ in range(4)]
    stop = threading.Event()

    def go_on_reading(codes: list[HRESULT]) -> None:
        while not stop.is_set():
            codes.append(read(accountant)[0])

    readers = [threading.Thread(target=go_on_reading, args=(codes,)) for codes in answers]
    for reader in readers:
        reader.start()
    act: Callable[[], None] = testdriver_daemon.kill if hurt == "kill" else testdriver_daemon.freeze
    wait_until(lambda: all(HRESULT.S_OK in codes for codes in answers), 5, "all read it")
    act()
    wait_until(
        lambda: any(HRESULT.DISP_E_EXCEPTION in codes for codes in answers), 10, "it cannot be read any more"
    )
    if hurt == "kill":
        testdriver_daemon.start()
    else:
        testdriver_daemon.thaw()
    before = [len(codes) for codes in answers]
    wait_until(
        lambda: all(_again(codes[more:]) for codes, more in zip(answers, before, strict=True)), 10, "it is back"
    )
    stop.set()
    for reader in readers:
        reader.join(30)
        assert not reader.is_alive()
    assert set().union(*answers) == {HRESULT.S_OK, HRESULT.DISP_E_EXCEPTION}, "never S_FALSE"
    assert {codes[-1] for codes in answers} == {HRESULT.S_OK}


def _again(codes: list[HRESULT]) -> bool:
    """Whether it is read again, also by one that was in a read while the daemon was gone."""
    return len(codes) >= 20 and set(codes[-20:]) == {HRESULT.S_OK}


def test_nothing_is_left_of_a_dropped_application(testdriver_daemon: TestDriverDaemon) -> None:
    import gc

    before = set(threading.enumerate())

    def ours() -> list[str]:
        # The loop that libvirt's events need is one for the process, and stays.
        new = {thread.name for thread in threading.enumerate() if thread not in before}
        return sorted(name for name in new if name.startswith("vpcshim-") and name != "vpcshim-libvirt-events")

    application = connect(testdriver_daemon)
    assert application.VirtualMachines.Count == 1
    assert ours()
    del application
    gc.collect()
    wait_until(lambda: not ours(), 5, "its threads end")
