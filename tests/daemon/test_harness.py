"""The daemon harness tells the truth: shown with libvirt-python alone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.harness.daemon import TestDriverDaemon
from tests.harness.process import DaemonError
from tests.harness.waiting import wait_until

NODE = """\
<node>
  <domain type='test'>
    <name>from-a-file</name>
    <memory>65536</memory>
    <os><type>hvm</type></os>
  </domain>
</node>
"""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """libvirt's default error handler prints; the errors here are expected."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    yield
    libvirt.registerErrorHandler(None, None)


def error_of(call: Callable[[], Any]) -> libvirt.libvirtError:
    with pytest.raises(libvirt.libvirtError) as caught:
        call()
    return caught.value


def test_serves_the_built_in_machine(testdriver_daemon: TestDriverDaemon) -> None:
    connection = libvirt.open(testdriver_daemon.uri)
    assert [domain.name() for domain in connection.listAllDomains()] == ["test"]
    connection.close()
    assert testdriver_daemon.start_seconds < 5


def test_serves_a_node_file(testdriver_daemon: TestDriverDaemon, tmp_path: Path) -> None:
    node = tmp_path / "node with a blank.xml"
    node.write_text(NODE)
    connection = libvirt.open(testdriver_daemon.uri_for(node))
    assert [domain.name() for domain in connection.listAllDomains()] == ["from-a-file"]
    connection.close()


def test_readonly_socket_refuses_to_write(testdriver_daemon: TestDriverDaemon) -> None:
    connection = libvirt.open(testdriver_daemon.readonly_uri)
    error = error_of(connection.lookupByName("test").suspend)
    assert error.get_error_code() == libvirt.VIR_ERR_OPERATION_DENIED
    connection.close()


def test_serves_tcp(testdriver_tcp_daemon: TestDriverDaemon) -> None:
    connection = libvirt.open(testdriver_tcp_daemon.tcp_uri)
    assert connection.isAlive() == 1
    connection.close()


def test_killed_daemon_is_a_dead_connection(testdriver_daemon: TestDriverDaemon) -> None:
    connection = libvirt.open(testdriver_daemon.uri)
    domain = connection.lookupByName("test")
    testdriver_daemon.kill()
    error = error_of(domain.info)
    assert error.get_error_domain() == libvirt.VIR_FROM_RPC
    connection.close()


def test_refuses_while_down_and_serves_after_restart(testdriver_daemon: TestDriverDaemon) -> None:
    old = testdriver_daemon.pid
    testdriver_daemon.stop()
    error = error_of(lambda: libvirt.open(testdriver_daemon.uri))
    assert (error.get_error_code(), error.get_error_domain()) == (
        libvirt.VIR_ERR_SYSTEM_ERROR,
        libvirt.VIR_FROM_RPC,
    )
    testdriver_daemon.start()
    assert testdriver_daemon.pid != old
    connection = libvirt.open(testdriver_daemon.uri)
    connection.close()


def test_frozen_daemon_breaks_the_keepalive(event_loop: None, testdriver_daemon: TestDriverDaemon) -> None:
    connection = libvirt.open(testdriver_daemon.uri)
    connection.setKeepAlive(1, 2)
    domain = connection.lookupByName("test")
    testdriver_daemon.freeze()
    began = time.monotonic()
    error = error_of(domain.info)
    assert 1 < time.monotonic() - began < 30
    assert error.get_error_domain() == libvirt.VIR_FROM_RPC
    assert not connection.isAlive()
    connection.close()


def test_thawed_daemon_goes_on(event_loop: None, testdriver_daemon: TestDriverDaemon) -> None:
    connection = libvirt.open(testdriver_daemon.uri)
    testdriver_daemon.freeze()
    state = Path(f"/proc/{testdriver_daemon.pid}/stat")
    wait_until(lambda: state.read_text().split()[2] == "T", 5, "the daemon stands still")
    testdriver_daemon.thaw()
    assert connection.lookupByName("test").info()
    connection.close()


@pytest.mark.parametrize("crash", [signal.SIGSEGV, signal.SIGABRT])
def test_a_daemon_that_crashes_when_it_is_thawed_is_started_again(
    testdriver_daemon: TestDriverDaemon, crash: signal.Signals
) -> None:
    testdriver_daemon.freeze()
    old = testdriver_daemon.pid
    os.kill(old, crash)  # it is delivered when it goes on
    testdriver_daemon.thaw()
    assert testdriver_daemon.pid != old
    connection = libvirt.open(testdriver_daemon.uri)
    connection.close()


def test_a_daemon_that_ends_otherwise_when_it_is_thawed_is_an_error(testdriver_daemon: TestDriverDaemon) -> None:
    testdriver_daemon.freeze()
    os.kill(testdriver_daemon.pid, signal.SIGALRM)
    with pytest.raises(DaemonError, match=f"status -{signal.SIGALRM:d}"):
        testdriver_daemon.thaw()
